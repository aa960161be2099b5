"""Numbers never to text, by their keyed hash: it outlives the number when its person is forgotten."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncer.errors import Overtaken
from syncer.model import WAITING, State, utc_text
from syncer.reasons import Reason
from syncer.store import rows
from syncer.store.messages import READ_FIRST, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from syncer.model import Message


@dataclass(frozen=True, slots=True)
class OptOut:
    """A number never to text; `number` is empty once its person was forgotten."""

    number: str
    added_at: datetime
    reason: str


class OptOuts(Outbox):
    """The list of opt-outs."""

    def opted_out_of(self, numbers: Iterable[str]) -> frozenset[str]:
        """Find those of some numbers (E.164) that are never to be texted."""
        marks = {self._mark(number): number for number in numbers}
        found = self._query_in("SELECT digest FROM optouts WHERE digest IN", list(marks))
        return frozenset(marks[row["digest"]] for row in found)

    def opted_out(self) -> Callable[[str], bool]:
        """Read the list, for asking about many numbers at this moment."""
        marks = frozenset(row["digest"] for row in self._query("SELECT digest FROM optouts"))
        return lambda number: bool(marks) and self._mark(number) in marks

    def opt_outs(self) -> list[OptOut]:
        """List all opt-outs, oldest first."""
        found = self._query("SELECT number, added_at, reason FROM optouts ORDER BY added_at, number")
        return [OptOut(row["number"], rows.moment_of(row["added_at"]), row["reason"]) for row in found]

    def opt_outs_of(self, numbers: Iterable[str]) -> list[OptOut]:
        """Find the entries of these numbers (E.164), also where the number itself was erased."""
        found = self._query_in(
            "SELECT number, added_at, reason FROM optouts WHERE digest IN", [self._mark(number) for number in numbers]
        )
        return [OptOut(row["number"], rows.moment_of(row["added_at"]), row["reason"]) for row in found]

    def opt_out(self, numbers: Iterable[str], reason: str, now: datetime) -> tuple[int, list[Message]]:
        """Never text these numbers (E.164) again, and take what waits for them off the way.

        Returns:
            How many were not on the list before, and the messages that are `skipped` now.
        """
        given = dict.fromkeys(numbers)
        new, skipped = 0, []
        waiting = [message for number in given for message in self.messages_to(number) if message.state in WAITING]
        with self._writing():
            for number in given:
                new += self._execute(
                    "INSERT INTO optouts (digest, number, added_at, reason) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (digest) DO UPDATE SET number = excluded.number WHERE number = ''",
                    [self._mark(number), number, utc_text(now), reason],
                )
            for message in waiting:
                gone = replace(message, state=State.SKIPPED, reason=Reason.OPTED_OUT, detail="", changed_at=now)
                with contextlib.suppress(Overtaken):  # claimed meanwhile
                    self._update(gone, message.state)
                    skipped.append(gone)
        return new, skipped

    def opt_in(self, numbers: Iterable[str]) -> int:
        """Take numbers off the list; bookings with texts they were refused are looked at again by the next run.

        Returns:
            How many were on it.
        """
        gone = 0
        with self._writing():
            for number in dict.fromkeys(numbers):
                gone += self._execute("DELETE FROM optouts WHERE digest = ?", [self._mark(number)])
                self._execute(
                    f"UPDATE events SET {READ_FIRST} WHERE uri IN (SELECT b.event FROM bookings b"  # noqa: S608  constants
                    " JOIN messages m ON m.booking = b.uri WHERE m.recipient = ? AND m.state = 'skipped'"
                    " AND m.reason = ?)",
                    [number, Reason.OPTED_OUT],
                )
        return gone

    def _blank_opt_outs(self, is_theirs: Callable[[str], bool]) -> None:
        """Take the numbers of forgotten people off the list of opt-outs; their keyed hashes go on to count."""
        gone = [one.number for one in self.opt_outs() if one.number and is_theirs(one.number)]
        self._executemany("UPDATE optouts SET number = '' WHERE number = ?", [(number,) for number in gone])
