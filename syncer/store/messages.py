"""The outbox: every message that was ever wanted, and its moves from state to state."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncer.errors import Hindered, NoRoom, Overtaken
from syncer.forgetting import without_words
from syncer.model import WAITING, Audience, State, utc_text
from syncer.outbox import as_claimed, as_settled
from syncer.reasons import Reason, in_words
from syncer.store import rows
from syncer.store.place import has_room
from syncer.store.sql import Sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from syncer.model import Message
    from syncer.outages import Outage
    from syncer.outbox import Settlement
    from syncer.store.lock import Witness
    from syncer.store.place import Ballast


MOVE = (
    "UPDATE messages SET state = ?, reason = ?, detail = ?, next_at = ?, attempts = ?, refusals = ?, segments = ?,"
    " provider_message_id = ?, provider_plan_id = ?, changed_at = ? WHERE key = ? AND state = ? AND attempts = ?"
)
"""How the answer to a claimed message is written: no word of its text is among it."""
CLAIM = (
    f"{MOVE.replace('SET ', 'SET params = ?, ')} AND NOT EXISTS (SELECT 1 FROM bookings b"  # noqa: S608  constants
    " JOIN events e ON e.uri = b.event WHERE b.uri = messages.booking AND e.settles_at <= ?)"
)
"""How a message is claimed: with the words that leave, and not while its event must be read again first."""
READ_FIRST = "settles_at = strftime('%Y-%m-%dT%H:%M:%SZ', min(coalesce(settles_at, read_at), read_at), '-1 second')"
"""Marks events to be read again before anything leaves about them.

The moment is past by any clock, as the clock of whoever asks may be wrong. It is another one each time: so a reading
that was on its way before does not take the mark away.
"""

ID_PREFIX = "m-"
SHORTEST_ID = len("m-123456")
"""A shorter beginning of an id is too easily somebody else's."""

LEFT = "state IN ('sent', 'unknown', 'sending') AND attempts > 0 AND changed_at > ?"
"""What left, or may have left, since a moment."""


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose time has come.

    Attributes:
        event: URI of its event.
        missing: why it is held: Calendly does not list the event or the guest, or the event must be read again first.
        external_id: of the event's entry in the host's calendar.
    """

    message: Message
    event: str
    missing: Reason
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal by the gateway, of several in a row.

    Attributes:
        code: the gateway's error code.
        template: of the text.
        message: the message's short id.
        unbroken: whether no text of any template was accepted since.
    """

    code: str
    template: str
    message: str
    unbroken: bool = True


class Outbox(Sql):
    """Messages by key. Every move names the state it leaves and must hit exactly one row."""

    _path: Path | None = None
    _ballast: Ballast | None = None
    _witness: Witness | None = None
    instance: str

    def messages_of(self, bookings: Sequence[str]) -> dict[str, list[Message]]:
        """Read all messages about these bookings, by booking."""
        found: dict[str, list[Message]] = {uri: [] for uri in bookings}
        for row in self._query_in("SELECT * FROM messages WHERE booking IN", bookings):
            found[row["booking"]].append(rows.message_of(row))
        return found

    def messages(self, *, states: Sequence[str] = (), keys: Sequence[str] = ()) -> list[Message]:
        """Read messages in these states or with these keys (neither: all), oldest first."""
        if keys:
            found = self._query_in("SELECT * FROM messages WHERE key IN", keys)
        else:
            found = self._query_in("SELECT * FROM messages WHERE state IN", states or list(State))
        return sorted(map(rows.message_of, found), key=lambda message: (message.scheduled_at, message.key))

    def named(self, name: str) -> list[Message]:
        """Find the messages that somebody may mean: by the key, or by (the beginning of) the short id.

        Args:
            name: as typed; an id has at least six characters behind its `m-`.
        """
        known = self._query("SELECT * FROM messages WHERE key = ?", [name])
        if name.startswith(ID_PREFIX) and len(name) >= SHORTEST_ID:
            known = self._query(
                "SELECT * FROM messages WHERE id >= ? AND id < ? ORDER BY scheduled_at, key", [name, f"{name}~"]
            )
        return [rows.message_of(row) for row in known]

    def in_flight(self) -> list[Message]:
        """Read what was claimed and not settled."""
        return [rows.message_of(row) for row in self._query("SELECT * FROM messages WHERE state = 'sending'")]

    def messages_to(self, recipient: str) -> list[Message]:
        """Read all messages to one number, oldest first."""
        sql = "SELECT * FROM messages WHERE recipient = ? ORDER BY scheduled_at, key"
        return [rows.message_of(row) for row in self._query(sql, [recipient])]

    def history(self, key: str) -> list[tuple[datetime, State, Reason, str]]:
        """Read a message's story: when, which state, which reason and its detail; oldest first."""
        sql = "SELECT at, state, reason, detail FROM history WHERE key = ? ORDER BY id"
        return [
            (rows.moment_of(row["at"]), State(row["state"]), rows.reason_of(row["reason"]), row["detail"])
            for row in self._query(sql, [key])
        ]

    def changes_of(self, booking: str) -> list[tuple[datetime, str, str]]:
        """Read what was noticed about a booking: when, what, detail; oldest first."""
        sql = "SELECT at, kind, detail FROM changes WHERE booking = ? ORDER BY id"
        return [(rows.moment_of(row["at"]), row["kind"], row["detail"]) for row in self._query(sql, [booking])]

    def booking_uris(self, *, email: str = "", ending: str = "") -> list[str]:
        """Find bookings by e-mail, or by (the end of) their own or their event's URI."""
        sql = (
            "SELECT b.uri FROM bookings b JOIN events e ON e.uri = b.event"
            " WHERE (? != '' AND lower(b.email) = lower(?))"
            " OR (? != '' AND (b.uri = ? OR b.event = ? OR substr(b.uri, -length(?) - 1) = '/' || ?"
            " OR substr(b.event, -length(?) - 1) = '/' || ?)) ORDER BY e.start_at, b.uri"
        )
        return [row["uri"] for row in self._query(sql, [email] * 2 + [ending] * 7)]

    def due(self, now: datetime) -> list[Due]:
        """Read the messages that may be claimed now: meetings ahead, nearest first; then what expires first.

        Those are left out whose event must be read again first; see `must_be_reread`.
        """
        return self._due("(e.settles_at IS NULL OR e.settles_at > :now)", now)

    def must_be_reread(self, now: datetime) -> list[Due]:
        """Read the messages whose time has come, and whose event must be read again before they may be claimed."""
        found = self._due("e.settles_at <= :now", now)
        return [replace(row, missing=row.missing or Reason.MUST_REREAD) for row in found]

    def _due(self, which: str, now: datetime) -> list[Due]:
        # The plus: not by the index of when they expire, as nearly all will some day.
        sql = (
            "SELECT m.*, b.event, e.external_id, e.missing_at event_missing, b.missing_at guest_missing"  # noqa: S608  constants
            " FROM messages m JOIN bookings b ON b.uri = m.booking JOIN events e ON e.uri = b.event"
            f" WHERE m.state IN ('scheduled', 'retryable') AND m.next_at <= :now AND +m.expires_at > :now AND {which}"
            " ORDER BY m.meeting_at <= :now, CASE WHEN m.meeting_at > :now THEN m.meeting_at ELSE m.expires_at END,"
            " m.next_at, m.key"
        )
        return [
            Due(rows.message_of(row), row["event"], rows.why_missing(row), row["external_id"])
            for row in self._query(sql, {"now": utc_text(now)})
        ]

    def oldest_waiting(self) -> datetime | None:
        """Find the earliest start of an event that messages still wait for; None = nothing waits."""
        sql = "SELECT min(meeting_at) FROM messages WHERE state IN ('scheduled', 'retryable')"
        return rows.moment_or_none(self._value(sql))

    def waiting(self) -> datetime | None:
        """Find when the next waiting message may be sent; None = nothing waits."""
        sql = "SELECT min(next_at) FROM messages WHERE state IN ('scheduled', 'retryable')"
        return rows.moment_or_none(self._value(sql))

    def expire(self, now: datetime) -> list[Message]:
        """Move everything that waits past its time to `expired`; returns those messages."""
        sql = "SELECT * FROM messages WHERE state IN ('scheduled', 'retryable') AND expires_at <= ?"
        gone = [rows.message_of(row) for row in self._query(sql, [utc_text(now)])]
        expired = []
        for message in gone:
            waited = in_words(message.reason, message.detail)
            with contextlib.suppress(Overtaken):
                expired.append(self.move(message, State.EXPIRED, Reason.LATE, now, waited and f"it waited: {waited}"))
        return expired

    def move(self, message: Message, state: State, reason: Reason, now: datetime, detail: str = "") -> Message:
        """Move a message to another state; returns it as it is now.

        Raises:
            Overtaken: it was not (any more) in the state it was read in, or cannot make this move.
        """
        moved = replace(message, state=state, reason=reason, detail=detail, changed_at=now)
        with self._writing():
            self._update(moved, message.state)
        return moved

    def again(self, message: Message, reason: Reason, now: datetime, detail: str = "") -> Message:
        """Put a message back on the way. Its event is read again first: the booking may have changed meanwhile.

        Raises:
            Overtaken: it was not (any more) in the state it was read in.
        """
        back = replace(message, state=State.SCHEDULED, reason=reason, detail=detail, next_at=now, changed_at=now)
        with self._writing():
            self._update(back, message.state)
            self._execute(
                f"UPDATE events SET {READ_FIRST} WHERE uri = (SELECT event FROM bookings WHERE uri = ?)",  # noqa: S608  constants
                [message.booking],
            )
        return back

    def turn(
        self, answered: Sequence[Message], leaving: Sequence[Message], now: datetime
    ) -> tuple[list[Message], list[Message]]:
        """Commit what answers mean, and that messages are about to leave, together: nothing leaves before this.

        What an answer means and is not committed makes a text that has left look as if nobody knew. So without claims
        it is tried once more, and where the disk is full the ballast goes.

        Args:
            answered: claimed messages as they are by their answers (`as_settled`).
            leaving: waiting messages to claim.
            now: when they are claimed.

        Returns:
            Of each those that were still as they were read, as they are now; the others somebody else has changed.

        Raises:
            Hindered: the disk is full all the same, or another program holds the database for long.
            StoreError: the disk is broken. In both cases nothing of it is committed.
        """
        try:
            return self._turn(answered, leaving, now)
        except Hindered as error:
            if leaving:
                raise
            if self._ballast is not None and isinstance(error, NoRoom):
                self._ballast.drop()
            return self._turn(answered, leaving, now)

    def _turn(
        self, answered: Sequence[Message], leaving: Sequence[Message], now: datetime
    ) -> tuple[list[Message], list[Message]]:
        claims = [(message, as_claimed(message, now)) for message in leaving]
        with self._writing():
            settled = [one for one in answered if self._moves(one, State.SENDING, one.attempts)]
            claimed = [one for before, one in claims if self._claims_it(one, before)]
        if claimed:
            self._bear_witness()
        return settled, claimed

    def claim(self, message: Message, now: datetime) -> Message:
        """Commit that one message is about to leave; see `turn`.

        Raises:
            Overtaken: somebody else has it.
        """
        return _only(message, self.turn((), [message], now)[1])

    def settle(self, message: Message, settlement: Settlement, now: datetime) -> Message:
        """Commit what the answer means for one claimed message; see `turn`.

        Raises:
            Overtaken: it is not in `sending` with this attempt.
        """
        return _only(message, self.turn([as_settled(message, settlement, now)], (), now)[0])

    def _bear_witness(self) -> None:
        if self._witness is not None:
            self._witness.write(self.instance, self._claims())

    def _claims(self) -> int:
        return int(self._value("SELECT value FROM meta WHERE name = 'claims'"))

    def lay_ballast(self) -> None:
        """Put back the ballast that a full disk has cost.

        Raises:
            NoRoom: the disk is still full.
            StoreError: it cannot be written.
        """
        if self._ballast is not None:
            self._ballast.lay()

    def has_room(self) -> bool:
        """Whether the disk has room for what a send must record."""
        return self._path is None or has_room(self._path)

    def note(self, message: Message, reason: Reason, now: datetime, detail: str = "") -> Message:
        """Note why a waiting message waits longer than its time; writes nothing when that is noted already."""
        if (message.reason, message.detail) == (reason, detail):
            return message
        with contextlib.suppress(Overtaken):
            return self.move(message, message.state, reason, now, detail)
        return message

    def hold(self, messages: Iterable[Message], reason: Reason, now: datetime, detail: str) -> list[Message]:
        """Keep waiting messages back until a person decides, all in one transaction; returns them as they are now."""
        held = [replace(message, reason=reason, detail=detail, changed_at=now) for message in messages]
        with self._writing():
            return [message for message in held if self._held(message)]

    def _held(self, message: Message) -> bool:
        with contextlib.suppress(Overtaken):  # an operator's command came first
            self._update(message, message.state)
            return True
        return False

    def release(self, reason: Reason, now: datetime) -> int:
        """Let all messages go that are held for a reason; returns how many there were."""
        with self._writing():
            return self._execute(
                "UPDATE messages SET reason = NULL, detail = '', changed_at = ?"
                " WHERE state IN ('scheduled', 'retryable') AND reason = ?",
                [utc_text(now), reason],
            )

    def sent_since(self, since: datetime, *, prefix: str = "") -> int:
        """Count the texts that left (or may have left) since then: all, or to numbers that begin so."""
        sql, values = f"SELECT count(*) FROM messages WHERE {LEFT}", [utc_text(since)]  # noqa: S608  constants
        if prefix:  # a range, which the index knows; the colon comes after the nine
            sql, values = f"{sql} AND recipient >= ? AND recipient < ?", [*values, prefix, f"{prefix}:"]
        return int(self._value(sql, values))

    def sent_to(self, numbers: Iterable[str], since: datetime) -> Mapping[str, int]:
        """Count the texts that left (or may have left) since then to each of these numbers."""
        given = list(dict.fromkeys(numbers))
        found = dict.fromkeys(given, 0)
        listed = f"recipient IN ({', '.join('?' * len(given))})"
        sql = f"SELECT recipient, count(*) n FROM messages WHERE {LEFT} AND {listed} GROUP BY recipient"  # noqa: S608  constants
        return found | {row["recipient"]: row["n"] for row in self._query(sql, [utc_text(since), *given])}

    def refusals(self) -> list[Refusal]:
        """List the gateway's refusals in a row, oldest first: for each template of one code, each of another number."""
        found = self._query("SELECT code, template, message, unbroken FROM refusals ORDER BY id")
        return [Refusal(row["code"], row["template"], row["message"], bool(row["unbroken"])) for row in found]

    def note_refusal(self, message: Message, code: str) -> list[Refusal]:
        """Note a refusal; one with another code begins a new row of its template. Returns all rows as they are now."""
        with self._writing():
            self._execute("DELETE FROM refusals WHERE template = ? AND code != ?", [message.template, code])
            self._execute(
                "INSERT INTO refusals (code, template, message, number) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (template, number) DO NOTHING",
                [code, message.template, message.id, self._mark(message.to)],
            )
        return self.refusals()

    def end_refusals(self, template: str) -> list[Refusal]:
        """End the row of a template of which a text was accepted. Returns the other rows as they are now."""
        with self._writing():
            self._execute("DELETE FROM refusals WHERE template = ?", [template])
            self._execute("UPDATE refusals SET unbroken = 0")
        return self.refusals()

    def outage(self) -> Outage | None:
        """Read which texts in a row got no answer; None = the last one got one."""
        return next(map(rows.outage_of, self._query("SELECT since, silent, pause_s, ends_at FROM outages")), None)

    def remember_outage(self, outage: Outage) -> None:
        """Remember that a text got no answer, for the next process, too."""
        with self._writing():
            self._upsert("outages", [rows.outage_row(outage)], key="id")

    def end_outage(self, now: datetime) -> None:
        """Note that the gateway answers: what waited for that is due at once."""
        with self._writing():
            self._execute("DELETE FROM outages")
            self._execute(
                "UPDATE messages SET reason = NULL, detail = '', next_at = min(next_at, :now), changed_at = :now"
                " WHERE state IN ('scheduled', 'retryable') AND reason = :outage",
                {"now": utc_text(now), "outage": Reason.OUTAGE},
            )

    def counts(self) -> dict[str, int]:
        """Count the messages by state; states without any are there with 0."""
        found = {row["state"]: row["n"] for row in self._query("SELECT state, n FROM message_counts")}
        return {str(state): found.get(state, 0) for state in State}

    def _purge(self, bookings: Sequence[str]) -> int:
        """Take erased people out of their messages; keys and states stay, so that nobody is texted again.

        Returns:
            How many messages held something of them.
        """
        found = self._query_in("SELECT * FROM messages WHERE booking IN", bookings)
        held = [m for m in map(rows.message_of, found) if m.state not in {*WAITING, State.SENDING} and _is_personal(m)]
        for message in held:
            to = "erased" if message.to and message.audience is Audience.INVITEE else message.to
            zone = "UTC" if message.audience is Audience.INVITEE else message.timezone
            detail = without_words(message.detail)
            self._update(replace(message, to=to, params={}, timezone=zone, detail=detail), message.state)
        told = self._query_in(
            "SELECT id, detail FROM history WHERE detail LIKE '%EngageLab%:%' AND key IN", [m.key for m in held]
        )
        texts = [(without_words(row["detail"]), row["id"]) for row in told]
        self._executemany("UPDATE history SET detail = ? WHERE id = ?", texts)
        return len(held)

    def _insert_messages(self, messages: Iterable[Message]) -> None:
        self._insert("messages", [rows.message_row(one) | {"id": self._short_id("m", one.key)} for one in messages])

    def _update(self, message: Message, before: State) -> None:
        """Write a message over its row, which must be in the state `before`."""
        row = rows.message_row(message)
        columns = ", ".join(f"{column} = :{column}" for column in row if column != "key")
        done = self._execute(
            f"UPDATE messages SET {columns} WHERE key = :key AND state = :before",  # noqa: S608  constants
            row | {"before": before},
        )
        if done != 1:
            raise Overtaken(f"message {message.key} is no longer {before}", "Somebody else changed it; run again")

    def _moves(self, message: Message, before: State, attempts: int) -> bool:
        """Write where a message is on its way, if its row is in this state, at this attempt."""
        return self._execute(MOVE, _on_its_way(message, before, attempts)) == 1

    def _claims_it(self, message: Message, before: Message) -> bool:
        """Write a claim and the words that leave with it, if the row is still as it was and may leave."""
        leaving = _on_its_way(message, before.state, before.attempts)
        values = (rows.json_text(message.params), *leaving, utc_text(message.changed_at))
        return self._execute(CLAIM, values) == 1


def _on_its_way(message: Message, before: State, attempts: int) -> tuple[object, ...]:
    """List the values of MOVE."""
    return (
        message.state, message.reason or None, message.detail, utc_text(message.next_at), message.attempts,
        message.refusals, message.segments, message.provider_message_id, message.provider_plan_id,
        utc_text(message.changed_at), message.key, before, attempts,
    )  # fmt: skip


def _is_personal(message: Message) -> bool:
    """Whether something in a message leads to the booking's guest."""
    to = message.to not in {"", "erased"} and message.audience is Audience.INVITEE
    return to or bool(message.params) or message.detail != without_words(message.detail)


def _only(message: Message, found: Sequence[Message]) -> Message:
    if not found:
        raise Overtaken(f"message {message.key} is no longer {message.state}", "Somebody else changed it; run again")
    return found[0]
