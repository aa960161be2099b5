"""Calendly's side of the database: events, bookings, event types, and what was noticed about them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncer.model import utc_text
from syncer.store import rows
from syncer.store.sql import CHUNK, Sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from syncer.diff import Known
    from syncer.model import Booking, Change, Event


@dataclass(frozen=True, slots=True)
class Reading:
    """One event as it was just read, and the moment to look at it again."""

    event: Event
    read_at: datetime
    settles_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction writes about bookings.

    Attributes:
        readings: events that were read.
        bookings: their bookings, each once.
        changes: what was noticed.
        missing: events that vanished from the listing.
    """

    readings: Sequence[Reading] = ()
    bookings: Sequence[Booking] = ()
    changes: Sequence[Change] = ()
    missing: Sequence[str] = ()


class Snapshot(Sql):
    """What Calendly said when it was last asked."""

    def known(self, since: datetime | None) -> dict[str, Known]:
        """Read the snapshot's events that start at `since` or later (None = all), by URI."""
        sql = "SELECT * FROM events WHERE start_at >= ?"
        return {row["uri"]: rows.known_of(row) for row in self._query(sql, [utc_text(since) if since else ""])}

    def bookings(self, uris: Sequence[str] = (), *, events: Sequence[str] = ()) -> dict[str, Booking]:
        """Read the bookings with these URIs, and all bookings of these events."""
        found = [*self._bookings("b.uri", uris), *self._bookings("b.event", events)]
        return {booking.uri: booking for booking in found}

    def bookings_since(self, since: datetime | None) -> Iterator[list[Booking]]:
        """Read the bookings of all events that start at `since` or later, some hundred at a time."""
        sql = "SELECT uri FROM events WHERE start_at >= ? ORDER BY start_at"
        uris = [row["uri"] for row in self._query(sql, [utc_text(since) if since else ""])]
        for at in range(0, len(uris), CHUNK):
            yield self._bookings("b.event", uris[at : at + CHUNK])

    def _bookings(self, column: str, values: Sequence[str]) -> list[Booking]:
        sql = (
            "SELECT b.*, e.name event_name, e.status event_status, e.start_at, e.end_at, e.event_type, e.location,"
            " e.hosts, e.total, e.active FROM bookings b JOIN events e ON e.uri = b.event WHERE"
        )
        return [
            rows.booking_of(
                row,
                rows.event_of(row | {"uri": row["event"], "name": row["event_name"], "status": row["event_status"]}),
            )
            for row in self._query_in(f"{sql} {column} IN", values)
        ]

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
