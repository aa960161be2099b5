"""Outages of the gateway: when nothing leaves, and for how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Outcome, Refused

if TYPE_CHECKING:
    from datetime import datetime

IN_A_ROW = 3
"""So many texts without an answer, one after the other, are an outage: it shall not make all of them unknown."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=15)
"""How long nothing leaves at first, and at most. After each pause one text is tried; each pause is twice as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Texts without an answer, one after the other, as the database remembers them.

    Attributes:
        since: when the first one's answer did not come.
        silent: how many there are.
        pause: how long nothing leaves; nothing = there are too few of them yet.
        until: nothing leaves before; None = likewise.
    """

    since: datetime
    silent: int
    pause: timedelta = timedelta()
    until: datetime | None = None

    def keeps(self, now: datetime) -> bool:
        """Whether nothing may leave.

        What lies further ahead than any pause is a clock's mistake.
        """
        return self.until is not None and now < self.until <= now + LONGEST_PAUSE * 2


def is_silence(outcome: Outcome) -> bool:
    """Whether nobody can tell from this what the gateway did, or it was not reached."""
    return isinstance(outcome, NoAnswer) or (isinstance(outcome, NotNow) and outcome.unreached)


def is_answer(outcome: Outcome) -> bool:
    """Whether the gateway clearly said what it did: accepted, or refused by a code.

    A text that we refuse ourselves has no code: it never came to the gateway.
    """
    if isinstance(outcome, Refused):
        return outcome.code != ""
    return isinstance(outcome, Accepted | Halt) or (isinstance(outcome, NotNow) and not outcome.unreached)


def after_silence(before: Outage | None, outcome: Outcome, *, claimed_at: datetime, now: datetime) -> Outage:
    """Say what one more text without an answer means.

    Args:
        before: what is remembered; None = the last answer came.
        outcome: of this text.
        claimed_at: when it left.
        now: when its answer did not come.
    """
    since, silent = (now, 1) if before is None else (before.since, before.silent + 1)
    if before is None or before.until is None:
        pause = FIRST_PAUSE if silent >= IN_A_ROW else timedelta()
        return Outage(since=since, silent=silent, pause=pause, until=now + pause if pause else None)
    if claimed_at < before.until:  # it was in flight already when the others were missed
        return Outage(since=since, silent=silent, pause=before.pause, until=before.until)
    # Who was not reached cannot become unknown: that try costs nothing, and is made again soon.
    unreached = isinstance(outcome, NotNow)
    pause = before.pause if unreached else min(before.pause * 2, LONGEST_PAUSE)
    return Outage(since=since, silent=silent, pause=pause, until=now + pause)
