"""The difference between what is wanted and what the outbox holds, as a value; and the guards that refuse a plan.

Pure: `now` is an argument. Nothing is touched here: a dry run ends with what these functions return.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncer.errors import GuardRefused
from syncer.model import WAITING, Message, State
from syncer.outbox import FINAL_REASONS, NO_RULE, WAS_CANCELED, WAS_MOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from syncer.model import Booking

SUSPICIOUS = 10
"""Fewer events than this may vanish or be canceled without a question."""
SHARE = 0.2
"""So large a share of what is known may do so."""


LOOK = (
    "Check the role and calendly.scope with `syncer check`; if it is true, stop the worker: `syncer run --once --force`"
)
ALREADY = "this number has had this very text"


@dataclass(frozen=True, slots=True)
class Todo:
    """What to write to the outbox: new messages, and new versions of existing ones with the state each must be in."""

    inserts: tuple[Message, ...] = ()
    updates: tuple[tuple[State, Message], ...] = ()

    def __add__(self, other: Todo) -> Todo:
        """Put two plans one after the other."""
        return Todo(self.inserts + other.inserts, self.updates + other.updates)


def reconcile(wanted: Sequence[Message], outbox: Iterable[Message], *, booking: Booking, now: datetime) -> Todo:
    """Compare what is wanted of one booking with what the outbox holds of it.

    What was claimed, and what is settled for good, is left alone. What waits follows the booking. What was skipped or
    canceled comes back when it is wanted again and still in time, unless a person or a cap ended it.
    """
    have = {message.key: message for message in outbox}
    reached = {new.key for new in wanted if _reached(new, have.values())}
    inserts = tuple(new for new in wanted if new.key not in have and new.key not in reached)
    updates: list[tuple[State, Message]] = []
    for new in wanted:
        old = have.get(new.key)
        if old is not None and new.key not in reached and (row := _follow(old, new, now)) is not None:
            updates.append((old.state, row))
    keys = {message.key for message in wanted} - reached
    for old in have.values():
        if old.key not in keys and old.state in WAITING:
            reason = ALREADY if old.key in reached else _why_gone(old, booking)
            gone = replace(old, state=State.CANCELED, reason=reason, changed_at=now)
            updates.append((old.state, gone))
    return Todo(inserts, tuple(updates))


def _reached(new: Message, outbox: Iterable[Message]) -> bool:
    """Whether this very text reached this very number under another key (hosts that come and go change the key)."""
    return new.to != "" and any(
        old.key != new.key
        and (old.rule, old.to, old.meeting_at) == (new.rule, new.to, new.meeting_at)
        and old.state in {State.SENT, State.SENDING, State.UNKNOWN}
        for old in outbox
    )


def _follow(old: Message, new: Message, now: datetime) -> Message | None:
    """Bring an existing message up to date with what is wanted; None = it stays as it is."""
    if old.state in WAITING:
        if new.state is State.EXPIRED:
            return None  # the clock will do it
        if new.state is State.SKIPPED:
            # The new one holds no number and no params: why it is skipped may be that the person was erased.
            return replace(new, attempts=old.attempts, refusals=old.refusals, changed_at=now)
        next_at = old.next_at if old.state is State.RETRYABLE else new.next_at
        reason = old.reason if old.template == new.template else ""
    elif old.state in {State.SKIPPED, State.CANCELED} and new.state in {State.SCHEDULED, State.UNKNOWN}:
        if old.reason in FINAL_REASONS:
            return None
        next_at, reason = new.next_at, new.reason
    else:
        return None
    row = replace(
        new,
        # One that a person put back on the way after a restore stays there.
        state=old.state if old.state in WAITING else new.state,
        reason=reason,
        next_at=next_at,
        attempts=old.attempts,
        refusals=old.refusals,
        changed_at=old.changed_at,
    )
    return None if row == old else replace(row, changed_at=now)


def _why_gone(old: Message, booking: Booking) -> str:
    if booking.canceled:
        return WAS_MOVED if booking.invitee.rescheduled else WAS_CANCELED
    return WAS_MOVED if old.meeting_at != booking.event.start else NO_RULE


def guard_listing(*, listed: int, known: int, missing: int) -> None:
    """Refuse a listing that lost its events: `known` should have been in it, `missing` of them were not.

    Raises:
        GuardRefused: it is empty over a snapshot that is not, or more than 20 % (and at least 10) vanished.
    """
    if known and not listed:
        raise GuardRefused(
            f"Calendly listed no event at all where {known} are known",
            LOOK,
        )
    if missing >= SUSPICIOUS and missing > known * SHARE:
        raise GuardRefused(
            f"{missing} of {known} known events vanished from Calendly's listing",
            LOOK,
        )


def guard_cancellations(*, canceled: int, known: int) -> None:
    """Refuse a mass cancellation: `canceled` bookings ahead were canceled since the last run, out of `known` ones.

    Raises:
        GuardRefused: more than 20 % of them, and at least 10.
    """
    if canceled >= SUSPICIOUS and canceled > known * SHARE:
        raise GuardRefused(
            f"{canceled} of {known} known bookings were canceled at once",
            "Look at them in Calendly; if it is meant, stop the worker: `syncer run --once --force` tells those people",
        )
