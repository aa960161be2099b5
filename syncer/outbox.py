"""What an answer of the gateway means for a message: pure functions, no database and no clock.

The answers are values; `engagelab.decipher` makes them, `settle` turns one into the next state. The table is in the
README under "States of a message".
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from syncer.model import State
from syncer.reasons import Reason
from syncer.rules import OnUnknown

if TYPE_CHECKING:
    from syncer.model import Message

FINAL_REASONS = frozenset({Reason.BY_OPERATOR, Reason.OVER_CAP, Reason.TOO_LONG})
"""What was canceled or skipped for one of these stays so, also when planning would want it again."""
LEFT = frozenset({State.SENT, State.SENDING, State.UNKNOWN})
"""States of messages whose text has left, or may have."""

MOVES: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.SENDING, State.CANCELED, State.EXPIRED, State.SKIPPED, State.UNKNOWN}),
    State.RETRYABLE: frozenset({State.SENDING, State.CANCELED, State.EXPIRED, State.SKIPPED, State.UNKNOWN}),
    State.SENDING: frozenset({State.SENT, State.FAILED, State.RETRYABLE, State.UNKNOWN}),
    State.SENT: frozenset(),
    State.FAILED: frozenset({State.SCHEDULED, State.CANCELED}),
    State.UNKNOWN: frozenset({State.SCHEDULED, State.SENT, State.CANCELED, State.EXPIRED}),
    State.CANCELED: frozenset({State.SCHEDULED, State.UNKNOWN}),
    State.EXPIRED: frozenset(),
    State.SKIPPED: frozenset({State.SCHEDULED, State.UNKNOWN}),
}
"""Every legal move. The database refuses the others (trigger `messages_moves`)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """HTTP 200, no error code, one recipient accepted, an id: the gateway has it. Not the same as delivered."""

    message_id: str
    plan_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Surely not taken, and never will be: the message fails.

    Attributes:
        detail: what the gateway said, for people.
        code: its error code, to compare with others; empty = it gave none.
        opted_out: this number wants no more texts.
    """

    detail: str
    code: str = ""
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class NotNow:
    """Surely not taken; worth another try.

    Attributes:
        detail: what the gateway said, for people.
        code: its error code, to compare with others; empty = it gave none.
        retry_after: how long the gateway asked to wait; None = it did not say.
        tries: how many such answers a message survives; None = until it expires.
        pauses_all: a rate limit: no other message leaves until this one may be tried again.
        holds_template: the template is at fault: messages of this template wait.
        unreached: no byte left: the next message would hardly fare better.
    """

    detail: str
    code: str = ""
    retry_after: timedelta | None = None
    tries: int | None = None
    pauses_all: bool = False
    holds_template: bool = False
    unreached: bool = False


@dataclass(frozen=True, slots=True)
class Halt:
    """Login, credit, address: no message can leave until a person acts. Nothing is lost.

    Attributes:
        detail: what the gateway said, for people.
        remedy: what to do, where more is known than the detail says.
    """

    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may have arrived; nobody can be asked."""

    detail: str
    reason: Reason = Reason.NO_ANSWER


Outcome = Accepted | Refused | NotNow | Halt | NoAnswer


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to write over a message in `sending`."""

    state: State
    reason: Reason = Reason.NONE
    detail: str = ""
    next_at: datetime | None = None
    refusals: int = 0
    message_id: str = ""
    plan_id: str = ""


def as_claimed(message: Message, now: datetime) -> Message:
    """Make of a waiting message what it is when it is about to leave."""
    return replace(
        message, state=State.SENDING, reason=Reason.NONE, detail="", attempts=message.attempts + 1, changed_at=now
    )


def as_settled(message: Message, settlement: Settlement, now: datetime) -> Message:
    """Make of a claimed message what its answer makes of it."""
    return replace(
        message,
        state=settlement.state,
        reason=settlement.reason,
        detail=settlement.detail,
        next_at=settlement.next_at or message.next_at,
        refusals=settlement.refusals,
        provider_message_id=settlement.message_id,
        provider_plan_id=settlement.plan_id,
        changed_at=now,
    )


FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(minutes=30)
LONGEST_PAUSE = timedelta(hours=1)


def retry_at(now: datetime, attempts: int, retry_after: timedelta | None = None, *, jitter: float = 0.0) -> datetime:
    """When to try again: 30 s, 1, 2, 4 … minutes, at most 30; not before the gateway's own wish (at most an hour).

    Args:
        now: the moment of the refusal.
        attempts: how many there have been, this one included (1 = the first).
        retry_after: what the gateway asked for.
        jitter: between 0 and 1, each message's own: up to a tenth is added, so that not all come back at once.
    """
    growing = min(FIRST_DELAY * (1 << min(max(attempts, 1) - 1, 10)), LONGEST_DELAY)
    asked = min(retry_after or timedelta(), LONGEST_PAUSE)
    return now + max(growing, asked) * (1 + jitter / 10)


def jitter_of(key: str) -> float:
    """Share between 0 and 1 that is this message's own, the same in each run."""
    return zlib.crc32(key.encode()) / 2**32


def settle(
    outcome: Outcome,
    *,
    now: datetime,
    attempts: int,
    refusals: int,
    on_unknown: OnUnknown = OnUnknown.HOLD,
    jitter: float = 0.0,
) -> Settlement:
    """Decide the state after an answer.

    Args:
        outcome: the answer.
        now: when it came.
        attempts: how many times the message was claimed, this one included.
        refusals: how many refusals of a kind that it survives only a few times came before this answer.
        on_unknown: the rule's wish for a message without an answer.
        jitter: see `retry_at`.
    """
    match outcome:
        case Accepted():
            return Settlement(State.SENT, refusals=refusals, message_id=outcome.message_id, plan_id=outcome.plan_id)
        case Refused():
            return Settlement(State.FAILED, Reason.PROVIDER_REFUSED, outcome.detail, refusals=refusals)
        case NotNow():
            return _not_now(outcome, now, attempts, refusals, jitter)
        case Halt():
            return Settlement(State.RETRYABLE, Reason.HALTED, outcome.detail, next_at=now, refusals=refusals)
        case NoAnswer():
            if on_unknown is OnUnknown.RESEND and attempts == 1:
                again = retry_at(now, attempts, jitter=jitter)
                return Settlement(State.RETRYABLE, outcome.reason, outcome.detail, next_at=again, refusals=refusals)
            return Settlement(State.UNKNOWN, outcome.reason, outcome.detail, refusals=refusals)


def _not_now(outcome: NotNow, now: datetime, attempts: int, refusals: int, jitter: float) -> Settlement:
    """Retry with growing delays; a kind of refusal that a message survives only a few times is counted."""
    refusals += outcome.tries is not None
    if outcome.tries is not None and refusals > outcome.tries:
        detail = f"{outcome.detail} (tried {attempts} times)"
        return Settlement(State.FAILED, Reason.PROVIDER_REFUSED, detail, refusals=refusals)
    again = retry_at(now, attempts, outcome.retry_after, jitter=jitter)
    return Settlement(State.RETRYABLE, _why_later(outcome), outcome.detail, next_at=again, refusals=refusals)


def _why_later(outcome: NotNow) -> Reason:
    if outcome.unreached:
        return Reason.OUTAGE
    return Reason.HELD_TEMPLATE if outcome.holds_template else Reason.PROVIDER_LATER


def may_move(old: State, new: State) -> bool:
    """Whether the picture of the states has an arrow from `old` to `new`."""
    return new in MOVES[old]
