"""The difference between what is wanted and what the outbox holds, as a value.

Pure: `now` is an argument. Nothing is touched here: a dry run ends with what these functions return.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncer.model import WAITING, Audience, Message, State
from syncer.outbox import FINAL_REASONS, LEFT
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from syncer.model import Booking


@dataclass(frozen=True, slots=True)
class Todo:
    """What to write to the outbox: new messages, and new versions of existing ones with the state each must be in."""

    inserts: tuple[Message, ...] = ()
    updates: tuple[tuple[State, Message], ...] = ()

    def __add__(self, other: Todo) -> Todo:
        """Put two plans one after the other."""
        return Todo(self.inserts + other.inserts, self.updates + other.updates)


BY_SETTINGS = frozenset(
    {
        Reason.NO_NUMBER, Reason.NEEDS_COUNTRY, Reason.INVALID_NUMBER, Reason.TWO_NUMBERS, Reason.EXTENSION,
        Reason.LANDLINE, Reason.NOT_MOBILE, Reason.COUNTRY_NOT_ALLOWED, Reason.UNCLEAR_QUESTION, Reason.EMPTY_FIELD,
        Reason.FIELD_REFUSED, Reason.FIELD_TOO_LONG, Reason.BOOKED_LATE, Reason.OWN_CANCELLATION, Reason.NOT_TOLD,
        Reason.NO_RULE, Reason.BEFORE_RULE, Reason.LATE, Reason.QUIET_HOURS,
    }
)  # fmt: skip
"""Why a message was not wanted that other settings may want: they send nothing that was due before them."""


def reconcile(
    wanted: Sequence[Message],
    outbox: Iterable[Message],
    *,
    booking: Booking,
    now: datetime,
    policy_since: datetime | None = None,
) -> Todo:
    """Compare what is wanted of one booking with what the outbox holds of it.

    What was claimed, and what is settled for good, is left alone. What waits follows the booking and the settings, also
    where its life is over by them. What was skipped or canceled comes back when it is wanted again and still in time,
    unless a person or a cap ended it, or it was due before the settings that want it.

    Args:
        wanted: as planned.
        outbox: the messages of the booking so far.
        booking: which.
        now: the present.
        policy_since: since when the settings are what they are; None = since the first start.
    """
    have = {message.key: message for message in outbox}
    reached = {new.key for new in wanted if _reached(new, have.values())}
    inserts = tuple(new for new in wanted if new.key not in have and new.key not in reached)
    updates: list[tuple[State, Message]] = []
    for new in wanted:
        old = have.get(new.key)
        if old is not None and new.key not in reached and (row := _follow(old, new, now, policy_since)) is not None:
            updates.append((old.state, row))
    keys = {message.key for message in wanted} - reached
    for old in have.values():
        if old.key not in keys and old.state in WAITING:
            reason = Reason.ALREADY_SENT if old.key in reached else _why_gone(old, booking)
            gone = replace(old, state=State.CANCELED, reason=reason, detail="", changed_at=now)
            updates.append((old.state, gone))
    return Todo(inserts, tuple(updates))


def _reached(new: Message, outbox: Iterable[Message]) -> bool:
    """Whether this very text reached this very number under another key (hosts that come and go change the key).

    What comes back to a time or a host is told again on purpose.
    """
    return (
        new.to != ""
        and new.audience is not Audience.INVITEE
        and any(
            old.key != new.key
            and (old.rule, old.to, old.meeting_at) == (new.rule, new.to, new.meeting_at)
            and returns(old) == returns(new)
            and old.state in LEFT
            for old in outbox
        )
    )


def returns(message: Message) -> str:
    """Read from a message's key which return to a time or to a host it tells; empty = the first time."""
    anchor = message.key.removeprefix(f"{message.booking}/{message.rule}/")
    return "/".join(part.partition("~")[2] for part in anchor.split("/")).strip("/")


def _follow(old: Message, new: Message, now: datetime, policy_since: datetime | None) -> Message | None:
    """Bring an existing message up to date with what is wanted; None = it stays as it is."""
    if old.state in WAITING:
        if new.state is State.EXPIRED:
            if old.expires_at <= now:
                return None  # the clock will do it
            # Not by the old times and in the old words: by what is wanted now its life is over. Before the old time has
            # come it is only canceled: settings that are put right may want it again.
            state = State.CANCELED if old.scheduled_at > now else State.EXPIRED
            why = Reason.LATE if new.reason is Reason.SEEN_LATE else new.reason
            gone = replace(new, state=state, reason=why)
            return replace(gone, attempts=old.attempts, refusals=old.refusals, changed_at=now)
        if new.state is State.SKIPPED:
            # The new one holds no number and no params: why it is skipped may be that the person was erased.
            return replace(new, attempts=old.attempts, refusals=old.refusals, changed_at=now)
        next_at = _next_at(old, new)
        # What a guard holds back stays so until a person decides.
        same = old.template == new.template or old.reason is Reason.HELD_BY_GUARD
        reason, detail = (old.reason, old.detail) if same else (Reason.NONE, "")
    elif old.state in {State.SKIPPED, State.CANCELED} and new.state in {State.SCHEDULED, State.UNKNOWN}:
        if old.reason in FINAL_REASONS:
            return None
        if policy_since is not None and new.scheduled_at < policy_since and old.reason in BY_SETTINGS:
            return _before_settings(old, now)
        next_at, reason, detail = new.next_at, new.reason, new.detail
    else:
        return None
    row = replace(
        new,
        # One that a person put back on the way after a restore stays there.
        state=old.state if old.state in WAITING else new.state,
        reason=reason,
        detail=detail,
        next_at=next_at,
        attempts=old.attempts,
        refusals=old.refusals,
        changed_at=old.changed_at,
    )
    return None if row == old else replace(row, changed_at=now)


def _before_settings(old: Message, now: datetime) -> Message | None:
    """Say of a skipped message that the settings that would send it came too late for it."""
    if old.state is State.CANCELED or old.reason is Reason.BEFORE_RULE:
        return None
    return replace(old, reason=Reason.BEFORE_RULE, detail="", changed_at=now)


def _next_at(old: Message, new: Message) -> datetime:
    """Say when a waiting message may be claimed: a refused one keeps its delay, within the life it has now."""
    # Where quiet hours have put it off, its delay was over.
    if old.state is not State.RETRYABLE or old.reason is Reason.QUIET_HOURS or old.next_at >= new.expires_at:
        return new.next_at
    return max(old.next_at, new.next_at)


def _why_gone(old: Message, booking: Booking) -> Reason:
    if booking.canceled:
        return Reason.BOOKING_MOVED if booking.invitee.rescheduled else Reason.BOOKING_CANCELED
    return Reason.BOOKING_MOVED if old.meeting_at != booking.event.start else Reason.NO_RULE
