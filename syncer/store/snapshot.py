"""Calendly's side of the database: events, bookings, event types, and what was noticed about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from syncer.diff import same_as_read
from syncer.model import utc_text
from syncer.sieve import Sieve
from syncer.store import rows
from syncer.store.sql import CHUNK, Sql
from syncer.store.troubles import errors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from syncer.diff import Known
    from syncer.model import Booking, Change, Event
    from syncer.reasons import Reason


CALM = (
    "mark IS NOT NULL AND start_at > :now AND read_at > :oldest AND missing_at IS NULL"
    " AND (settles_at IS NULL OR settles_at > :now) AND (reread_at IS NULL OR reread_at > :now)"
)
"""What an event of the snapshot must be to need no look as long as it is listed as it was."""
HALF_A_MINUTE = timedelta(seconds=30)
LOOK_AT = 500
"""Events among which some that can be read are looked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One event as it was just read, and the moments to look at it again."""

    event: Event
    read_at: datetime
    settles_at: datetime | None = None
    reread_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """An event that Calendly lists and that could not be read.

    Attributes:
        since: when that was noticed.
        failures: how often it was tried in vain.
        retry_at: not tried again before.
        error: what was wrong the last time.
    """

    uri: str
    since: datetime
    failures: int
    retry_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction writes about bookings.

    Attributes:
        readings: events that were read.
        bookings: their bookings, each once.
        changes: what was noticed.
        missing: events that vanished from the listing.
        asked: URI -> `settles_at` when the event was asked for. If it is another by now, somebody wants the event read
            once more, and it stays.
    """

    readings: Sequence[Reading] = ()
    bookings: Sequence[Booking] = ()
    changes: Sequence[Change] = ()
    missing: Sequence[str] = ()
    asked: Mapping[str, datetime | None] = field(default_factory=dict)


class Snapshot(Sql):
    """What Calendly said when it was last asked."""

    def known(self, uris: Sequence[str]) -> dict[str, Known]:
        """Read these events of the snapshot, by URI."""
        found = self._query_in("SELECT * FROM events WHERE uri IN", uris)
        return {row["uri"]: rows.known_of(row) for row in found}

    def settling(self, uris: Sequence[str]) -> dict[str, datetime | None]:
        """Read from when on these events must be read again before anything leaves about them; None = they need not."""
        found = self._query_in("SELECT uri, settles_at FROM events WHERE uri IN", uris)
        return dict.fromkeys(uris) | {row["uri"]: rows.moment_or_none(row["settles_at"]) for row in found}

    def _wanted_since(self, batch: Batch) -> dict[str, datetime]:
        """Find the events of a batch that somebody wants to be read again since they were asked for."""
        now = self.settling(list(batch.asked))
        return {uri: at for uri, at in now.items() if at is not None and at != batch.asked[uri]}

    def known_by_mark(self, marks: Sequence[int]) -> dict[str, Known]:
        """Read the snapshot's events with these marks, by URI."""
        found = self._query_in("SELECT * FROM events WHERE mark IN", marks)
        return {row["uri"]: rows.known_of(row) for row in found}

    def sieve(
        self, since: datetime, until: datetime | None, *, now: datetime, reread: timedelta, most: int = 0
    ) -> tuple[Sieve, dict[str, Known]]:
        """Part the snapshot's events of a window (both ends belong to it) by whether they need a look as they are.

        Args:
            since: earliest start.
            until: latest start; None = there is none.
            now: the present.
            reread: every event is read again at least this often.
            most: keep so many new events of a listing.

        Returns:
            The marks of those that need none, and all others by URI: they have begun, are missing or due to be read.
        """
        where = "FROM events WHERE start_at >= :since AND start_at <= :until AND"
        values = {
            "since": utc_text(since),
            "until": utc_text(until) if until else "~",
            "now": utc_text(now),
            "oldest": utc_text(now - reread),
        }
        with errors("database"):
            calm = self.db.conn.execute(f"SELECT mark {where} {CALM}", values)
            sieve = Sieve(
                self._salt,
                map(itemgetter(0), calm),
                near=now,
                most=most,
                which=self._which,
                unchanged=partial(self._unchanged, values),
                renew=self._renew_marks,
            )
        found = self._query(f"SELECT * {where} NOT ({CALM})", values)
        return sieve, {row["uri"]: rows.known_of(row) for row in found}

    def _unchanged(self, moments: Mapping[str, str], events: Sequence[Event]) -> dict[str, int]:
        """Find the events that are as they were when they were read, and need no other look; returns their marks.

        Args:
            moments: the values of CALM.
            events: as listed.
        """
        named = {f"u{number}": event.uri for number, event in enumerate(events)}
        uris = ", ".join(f":{name}" for name in named)
        calm = self._query(f"SELECT * FROM events WHERE uri IN ({uris}) AND {CALM}", {**moments, **named})  # noqa: S608
        known = {row["uri"]: row for row in calm}
        return {
            event.uri: known[event.uri]["mark"]
            for event in events
            if event.uri in known and same_as_read(rows.known_of(known[event.uri]).event, event)
        }

    def _renew_marks(self, marks: Sequence[tuple[str, int]]) -> None:
        """Keep the marks that events have now which differ in bytes only."""
        with self._writing():
            self._executemany("UPDATE events SET mark = ? WHERE uri = ?", [(mark, uri) for uri, mark in marks])

    def _which(self, uris: Sequence[str]) -> set[str]:
        return {row["uri"] for row in self._query_in("SELECT uri FROM events WHERE uri IN", uris)}

    def cuts(self, since: datetime, until: datetime | None, *, size: int, most: int) -> list[datetime]:
        """Cut a window into parts of so many events each, `size` at a time: a part ends half a minute after a start.

        No meeting starts there, so none belongs to two parts, or to none, however exactly Calendly takes the bounds.

        Args:
            since: earliest start.
            until: latest start; None = there is none.
            size: events of a part are a multiple of this.
            most: most parts.
        """
        values = [utc_text(since), utc_text(until) if until else "~"]
        counted = "SELECT count(*) FROM events WHERE start_at >= ? AND start_at <= ?"
        pages = -(-self._value(counted, values) // size)
        found: list[datetime] = []
        for end in sorted({pages * part // most * size for part in range(1, most)} - {0}):
            # Both from the index alone.
            sql = "SELECT start_at FROM events WHERE start_at >= ? AND start_at <= ? ORDER BY start_at LIMIT 1 OFFSET ?"
            last = self._value(sql, [*values, end - 1])
            if last is not None:
                sql = "SELECT min(start_at) FROM events WHERE start_at > ?"
                first = rows.moment_or_none(self._value(sql, [last]))
                at = rows.moment_of(last)
                found += [] if first is None else [at + min(HALF_A_MINUTE, (first - at) / 2)]
        return sorted(set(found))

    def in_window(self, since: datetime, until: datetime | None) -> int:
        """Count the snapshot's events of a window that were not missing from the last listing."""
        sql = "SELECT count(*) FROM events WHERE start_at >= ? AND start_at <= ? AND missing_at IS NULL"
        return int(self._value(sql, [utc_text(since), utc_text(until) if until else "~"]))

    def seats_ahead(self, now: datetime, until: datetime | None) -> int:
        """Count the seats taken in the snapshot's events that are ahead, not canceled and not missing."""
        sql = (
            "SELECT total(active) FROM events WHERE start_at > ? AND start_at <= ? AND status != 'canceled'"
            " AND missing_at IS NULL"
        )
        return int(self._value(sql, [utc_text(now), utc_text(until) if until else "~"]))

    def bookings(self, uris: Sequence[str] = (), *, events: Sequence[str] = ()) -> dict[str, Booking]:
        """Read the bookings with these URIs, and all bookings of these events."""
        found = [*self._bookings("b.uri", uris), *self._bookings("b.event", events)]
        return {booking.uri: booking for booking in found}

    def missing(self, uris: Sequence[str]) -> dict[str, Reason]:
        """Find those of these bookings that Calendly does not list, each with why its messages are held."""
        sql = (
            "SELECT b.uri, e.missing_at event_missing, b.missing_at guest_missing"
            " FROM bookings b JOIN events e ON e.uri = b.event WHERE b.uri IN"
        )
        found = {row["uri"]: rows.why_missing(row) for row in self._query_in(sql, uris)}
        return {uri: why for uri, why in found.items() if why}

    def moved_halves(self, external_ids: Sequence[str], emails: Sequence[str]) -> dict[str, Booking]:
        """Find bookings that may be halves of moves without a link, by the calendar's id and by e-mail."""
        lowered = [_ascii_lower(email) for email in emails]
        halves = [
            *self._bookings("e.external_id != '' AND e.external_id", external_ids),
            *self._bookings("b.rescheduled = 1 AND b.new_invitee = '' AND lower(b.email)", lowered),
        ]
        return {booking.uri: booking for booking in halves}

    def moved_to(self, uris: Sequence[str]) -> dict[str, Booking]:
        """Find the bookings that say that they were moved to one of these, which need not be known."""
        found = self._bookings("b.new_invitee != '' AND b.new_invitee", uris)
        return {booking.uri: booking for booking in found}

    def moved_from(self, uris: Sequence[str]) -> dict[str, Booking]:
        """Find the bookings that say that they were moved from one of these, which need not be known."""
        found = self._bookings("b.old_invitee != '' AND b.old_invitee", uris)
        return {booking.uri: booking for booking in found}

    def may_be_moved(self, uris: Sequence[str], unread: Collection[str]) -> set[str]:
        """Find those of these bookings that may be the new half of a move whose old half is yet to be read.

        Args:
            uris: of bookings.
            unread: events that are yet to be read. An old half has the same e-mail: it is in one of these events, or
                names a booking that nobody has read.
        """
        sql = (
            "SELECT b.uri FROM bookings b WHERE b.uri IN (SELECT value FROM json_each(:uris))"
            " AND b.old_invitee = '' AND b.email != '' AND EXISTS ("
            "SELECT 1 FROM bookings o WHERE lower(o.email) = lower(b.email) AND o.uri != b.uri"
            " AND (o.event IN (SELECT value FROM json_each(:unread)) OR (o.new_invitee != ''"
            " AND NOT EXISTS (SELECT 1 FROM bookings n WHERE n.uri = o.new_invitee))))"
        )
        if not uris or not unread:
            return set()
        values = {"uris": json.dumps(list(uris)), "unread": json.dumps(list(unread))}
        return {row["uri"] for row in self._query(sql, values)}

    def bookings_by_email(self, emails: Sequence[str]) -> dict[str, Booking]:
        """Find the bookings with these e-mails, whatever the letter case."""
        lowered = [_ascii_lower(email) for email in emails]
        return {booking.uri: booking for booking in self._bookings("lower(b.email)", lowered)}

    def forgotten_entries(self, external_ids: Sequence[str]) -> set[str]:
        """Find those of the calendar's ids that belong to a booking whose only guest was forgotten."""
        sql = (
            "SELECT e.external_id FROM bookings b JOIN events e ON e.uri = b.event"
            " WHERE b.uri GLOB 'forgotten:*' AND e.total <= 1 AND e.external_id != '' AND e.external_id IN"
        )
        return {row["external_id"] for row in self._query_in(sql, external_ids)}

    def renew_entries(self, events: Iterable[Event]) -> None:
        """Keep the calendar's id of events that are otherwise as they were read, and the mark that they have now."""
        values = [(event.external_id, event.mark, event.uri) for event in events]
        if values:
            with self._writing():
                self._executemany("UPDATE events SET external_id = ?, mark = ? WHERE uri = ?", values)

    def unreadable_events(self) -> dict[str, UnreadableEvent]:
        """List the events that could not be read, by URI."""
        return {
            row["uri"]: UnreadableEvent(
                row["uri"],
                rows.moment_of(row["since"]),
                row["failures"],
                rows.moment_of(row["retry_at"]),
                row["error"],
            )
            for row in self._query("SELECT * FROM unreadable_events ORDER BY since, uri")
        }

    def remember_unreadable(self, events: Iterable[UnreadableEvent]) -> None:
        """Note events that could not be read."""
        records = [
            {
                "uri": event.uri,
                "since": utc_text(event.since),
                "failures": event.failures,
                "retry_at": utc_text(event.retry_at),
                "error": event.error,
            }
            for event in events
        ]
        if records:
            with self._writing():
                self._upsert("unreadable_events", records, key="uri")

    def forget_unreadable(self, uris: Iterable[str]) -> None:
        """Note that these events were read, or are no longer listed."""
        gone = [(uri,) for uri in uris]
        if gone:
            with self._writing():
                self._executemany("DELETE FROM unreadable_events WHERE uri = ?", gone)

    def readable_events(self, now: datetime, *, without: Collection[str], most: int) -> list[str]:
        """Find events that were read before and should be readable now: first of different hosts, then others.

        Args:
            now: meetings ahead come before others.
            without: events not to name.
            most: how many.
        """
        sql = (
            "SELECT e.uri, e.hosts FROM events e WHERE e.missing_at IS NULL AND e.status = 'active'"
            " AND NOT EXISTS (SELECT 1 FROM unreadable_events u WHERE u.uri = e.uri)"
            " ORDER BY e.start_at <= ?, e.read_at DESC LIMIT ?"
        )
        known = [row for row in self._query(sql, [utc_text(now), LOOK_AT]) if row["uri"] not in without]
        hosts: set[str] = set()
        first: list[str] = []
        for row in known:
            if row["hosts"] not in hosts:
                first.append(row["uri"])
            hosts.add(row["hosts"])
        return list(dict.fromkeys([*first, *(row["uri"] for row in known)]))[:most]

    def event_names(self) -> set[tuple[str, str]]:
        """List the names and event types that the snapshot's events have."""
        return {(row["name"], row["event_type"]) for row in self._query("SELECT DISTINCT name, event_type FROM events")}

    def unchecked_cancellations(self, now: datetime) -> tuple[int, list[str]]:
        """List the cancellations that were noticed since they were last looked at together.

        Returns:
            The last of them, for `remember_checked` (0 = there are none); and the bookings whose meeting is ahead.
        """
        sql = (
            "SELECT c.id, c.booking, e.start_at > ? ahead FROM changes c LEFT JOIN bookings b ON b.uri = c.booking"
            " LEFT JOIN events e ON e.uri = b.event WHERE c.kind = 'canceled' AND c.id > ? ORDER BY c.id"
        )
        checked = self._value("SELECT value FROM meta WHERE name = 'cancellations_checked'")
        found = list(self._query(sql, [utc_text(now), int(checked or 0)]))
        last = found[-1]["id"] if found else 0
        return last, list(dict.fromkeys(row["booking"] for row in found if row["ahead"]))

    def bookings_since(self, since: datetime | None) -> Iterator[tuple[datetime, list[Booking]]]:
        """Read the bookings of all events that start at `since` or later, some hundred at a time.

        Yields:
            The latest start of these events, and their bookings. All events of one start come together: whoever is
            interrupted goes on with those that start later.
        """
        first, last = "SELECT start_at FROM events WHERE start_at >= ? ORDER BY start_at LIMIT 1 OFFSET ?", ""
        low, sign = utc_text(since) if since else "", ">="
        while True:
            last = self._value(first.replace(">=", sign), [low, CHUNK - 1])
            end = last or "~"
            sql = f"SELECT uri, start_at FROM events WHERE start_at {sign} ? AND start_at <= ? ORDER BY start_at"  # noqa: S608
            events = list(self._query(sql, [low, end]))
            if events:
                latest = rows.moment_of(events[-1]["start_at"])
                yield latest, self._bookings("b.event", [row["uri"] for row in events])
            if last is None:
                return
            low, sign = last, ">"

    def _bookings(self, column: str, values: Sequence[str]) -> list[Booking]:
        sql = (
            "SELECT b.*, e.name event_name, e.status event_status, e.start_at, e.end_at, e.event_type, e.location,"
            " e.hosts, e.total, e.active, e.external_id FROM bookings b JOIN events e ON e.uri = b.event WHERE"
        )
        return [
            rows.booking_of(
                row,
                rows.event_of(row | {"uri": row["event"], "name": row["event_name"], "status": row["event_status"]}),
            )
            for row in self._query_in(f"{sql} {column} IN", values)
        ]

    def _write_bookings(self, bookings: Iterable[Booking]) -> None:
        rows_of = [rows.booking_row(booking, id=self._short_id("b", booking.uri)) for booking in bookings]
        self._upsert("bookings", rows_of, key="uri")

    def phone_questions(self, event_type: str) -> tuple[frozenset[str], datetime] | None:
        """Read which questions of an event type ask for a number, and when Calendly said so."""
        sql = "SELECT phone_questions, read_at FROM event_types WHERE uri = ?"
        row = next(self._query(sql, [event_type]), None)
        return None if row is None else (frozenset(json.loads(row["phone_questions"])), rows.moment_of(row["read_at"]))

    def remember_questions(self, event_type: str, questions: Iterable[str], now: datetime) -> None:
        """Keep what Calendly said about an event type's questions."""
        with self._writing():
            self._upsert(
                "event_types",
                [
                    {
                        "uri": event_type,
                        "phone_questions": rows.json_text(sorted(questions)),
                        "read_at": utc_text(now),
                    }
                ],
                key="uri",
            )


def _ascii_lower(text: str) -> str:
    """Make letters small as SQLite's `lower` does: the ASCII ones only."""
    return "".join(character.lower() if character.isascii() else character for character in text)
