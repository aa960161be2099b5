"""What an answer means for a message, when it is tried again, and which moves there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, a_message
from syncer.model import WAITING, State
from syncer.outbox import (
    FINAL_REASONS,
    MOVES,
    Accepted,
    Halt,
    NoAnswer,
    NotNow,
    Refused,
    Settlement,
    as_claimed,
    as_settled,
    may_move,
    retry_at,
    settle,
)
from syncer.reasons import Reason
from syncer.rules import OnUnknown

if TYPE_CHECKING:
    from syncer.outbox import Outcome

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
RATE = "rate limit"

OUTCOMES = st.one_of(
    st.just(Accepted("m1", "p1")),
    st.just(Refused("no such number")),
    st.builds(NotNow, st.just(RATE), tries=st.none() | st.integers(0, 3)),
    st.just(Halt("no credit")),
    st.just(NoAnswer("timed out")),
)


@pytest.mark.parametrize(
    ("outcome", "attempts", "refusals", "expected"),
    [
        pytest.param(
            Accepted("m1", "p1"),
            1,
            0,
            Settlement(State.SENT, message_id="m1", plan_id="p1"),
            id="accepted: sent, with its ids",
        ),
        pytest.param(
            Accepted("m1"),
            3,
            2,
            Settlement(State.SENT, refusals=2, message_id="m1"),
            id="accepted after refusals: they stay counted",
        ),
        pytest.param(
            Refused("no such number"),
            1,
            0,
            Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "no such number"),
            id="refused for good: failed",
        ),
        pytest.param(
            Halt("no credit"),
            1,
            2,
            Settlement(State.RETRYABLE, Reason.HALTED, "no credit", next_at=NOW, refusals=2),
            id="halted: no refusal of this message, and due at once when a person has acted",
        ),
        pytest.param(
            NoAnswer("timed out"),
            1,
            0,
            Settlement(State.UNKNOWN, Reason.NO_ANSWER, "timed out"),
            id="no answer: unknown",
        ),
        pytest.param(
            NotNow(RATE),
            1,
            0,
            Settlement(State.RETRYABLE, Reason.PROVIDER_LATER, RATE, next_at=NOW + 30 * SECOND),
            id="not now: again in half a minute",
        ),
        pytest.param(
            NotNow(RATE),
            8,
            1,
            Settlement(State.RETRYABLE, Reason.PROVIDER_LATER, RATE, next_at=NOW + 30 * MINUTE, refusals=1),
            id="not now for the eighth time: again, until it expires",
        ),
        pytest.param(
            NotNow(RATE, retry_after=5 * MINUTE),
            1,
            0,
            Settlement(State.RETRYABLE, Reason.PROVIDER_LATER, RATE, next_at=NOW + 5 * MINUTE),
            id="not now: not before the gateway's wish",
        ),
        pytest.param(
            NotNow(RATE, tries=1),
            1,
            0,
            Settlement(State.RETRYABLE, Reason.PROVIDER_LATER, RATE, next_at=NOW + 30 * SECOND, refusals=1),
            id="one refusal is survived",
        ),
        pytest.param(
            NotNow(RATE, tries=1),
            2,
            1,
            Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "rate limit (tried 2 times)", refusals=2),
            id="the second is not",
        ),
        pytest.param(
            NotNow(RATE, tries=0),
            1,
            0,
            Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "rate limit (tried 1 times)", refusals=1),
            id="none is survived",
        ),
        pytest.param(
            NotNow("not reached", unreached=True),
            1,
            0,
            Settlement(State.RETRYABLE, Reason.OUTAGE, "not reached", next_at=NOW + 30 * SECOND),
            id="not reached: an outage",
        ),
        pytest.param(
            NotNow("not approved", holds_template=True),
            1,
            0,
            Settlement(State.RETRYABLE, Reason.HELD_TEMPLATE, "not approved", next_at=NOW + 30 * SECOND),
            id="the template is at fault",
        ),
        pytest.param(
            NoAnswer("", Reason.INTERRUPTED),
            1,
            0,
            Settlement(State.UNKNOWN, Reason.INTERRUPTED),
            id="left by a crash: unknown",
        ),
    ],
)
def test_settle(outcome: Outcome, attempts: int, refusals: int, expected: Settlement) -> None:
    """Each kind of answer has its state, reason and next moment, and the gateway's words go with it as they are."""
    assert expected == settle(outcome, now=NOW, attempts=attempts, refusals=refusals)


@pytest.mark.parametrize(
    ("on_unknown", "attempts", "expected"),
    [
        pytest.param(OnUnknown.HOLD, 1, State.UNKNOWN, id="held for a person"),
        pytest.param(OnUnknown.HOLD, 2, State.UNKNOWN, id="held, whichever attempt it was"),
        pytest.param(OnUnknown.RESEND, 1, State.RETRYABLE, id="sent once more, if the rule says so"),
        pytest.param(OnUnknown.RESEND, 2, State.UNKNOWN, id="but once only"),
        pytest.param(OnUnknown.RESEND, 3, State.UNKNOWN, id="and never later"),
    ],
)
def test_no_answer(on_unknown: OnUnknown, attempts: int, expected: State) -> None:
    """Without an answer nothing is sent again by itself, unless the rule wants it, and then at most once."""
    found = settle(NoAnswer("timed out"), now=NOW, attempts=attempts, refusals=0, on_unknown=on_unknown)

    assert (expected, Reason.NO_ANSWER, "timed out") == (found.state, found.reason, found.detail)
    assert (NOW + 30 * SECOND if expected is State.RETRYABLE else None) == found.next_at


@pytest.mark.parametrize(("wish", "most"), [(OnUnknown.HOLD, 1), (OnUnknown.RESEND, 2)])
@given(outcomes=st.lists(OUTCOMES, min_size=1, max_size=12))
def test_how_many_texts_may_leave(wish: OnUnknown, most: int, outcomes: list[Outcome]) -> None:
    """Whatever the gateway answers, at most one text of a message leaves; at most two, if the rule wants a resend."""
    refusals = perhaps_out = 0
    for attempt, outcome in enumerate(outcomes, start=1):
        row = settle(outcome, now=NOW, attempts=attempt, refusals=refusals, on_unknown=wish)
        refusals, perhaps_out = row.refusals, perhaps_out + isinstance(outcome, (NoAnswer, Accepted))
        if row.state is not State.RETRYABLE:
            break

    assert perhaps_out <= most


@given(OUTCOMES, st.integers(1, 20), st.integers(0, 19), st.sampled_from(OnUnknown))
def test_every_settlement_is_a_legal_move(outcome: Outcome, attempts: int, refusals: int, wish: OnUnknown) -> None:
    """From `sending` there is an arrow to each state an answer leads to, and the row has what that state needs."""
    found = settle(outcome, now=NOW, attempts=attempts, refusals=refusals, on_unknown=wish)

    assert may_move(State.SENDING, found.state)
    assert (found.next_at is not None) == (found.state is State.RETRYABLE)
    assert bool(found.message_id) == (found.state is State.SENT)
    assert found.reason or found.state is State.SENT
    assert found.refusals == refusals + (isinstance(outcome, NotNow) and outcome.tries is not None)


@pytest.mark.parametrize("tries", [0, 1, 3])
def test_a_message_survives_so_many_refusals(tries: int) -> None:
    """A refusal with `tries` is survived so many times, and the next one is the end."""
    states, refusals = [], 0
    for attempt in range(1, tries + 2):
        row = settle(NotNow(RATE, tries=tries), now=NOW, attempts=attempt, refusals=refusals)
        states.append(row.state)
        refusals = row.refusals

    assert states == [State.RETRYABLE] * tries + [State.FAILED]


@pytest.mark.parametrize(
    ("refusals", "retry_after", "expected"),
    [
        pytest.param(0, None, 30 * SECOND, id="none counted is as the first"),
        pytest.param(1, None, 30 * SECOND, id="the first"),
        pytest.param(2, None, MINUTE, id="the second"),
        pytest.param(3, None, 2 * MINUTE, id="the third"),
        pytest.param(6, None, 16 * MINUTE, id="the sixth"),
        pytest.param(7, None, 30 * MINUTE, id="the longest"),
        pytest.param(10_000, None, 30 * MINUTE, id="and no longer, nor an overflow"),
        pytest.param(1, 45 * MINUTE, 45 * MINUTE, id="the gateway's wish, beyond our own longest"),
        pytest.param(1, 61 * MINUTE, 60 * MINUTE, id="but an hour at most"),
        pytest.param(1, timedelta(days=365), 60 * MINUTE, id="or a message would wait for ever"),
        pytest.param(4, MINUTE, 4 * MINUTE, id="our own growing delay, where that is longer"),
        pytest.param(1, timedelta(), 30 * SECOND, id="a wish of nothing"),
        pytest.param(1, -MINUTE, 30 * SECOND, id="a wish for the past"),
    ],
)
def test_retry_at(refusals: int, retry_after: timedelta | None, expected: timedelta) -> None:
    """Delays double from half a minute to half an hour, and honour the gateway's wish up to an hour."""
    assert NOW + expected == retry_at(NOW, refusals, retry_after)


def test_what_a_claim_and_an_answer_write() -> None:
    """A claim counts an attempt and forgets why the message waited; an answer brings its reason, ids and next time."""
    waiting = a_message(
        state=State.RETRYABLE, reason=Reason.PROVIDER_LATER, detail="later", attempts=1, changed_at=NOW - MINUTE
    )
    sent = Settlement(State.SENT, message_id="m1", plan_id="p1")
    later = Settlement(State.RETRYABLE, Reason.PROVIDER_LATER, RATE, next_at=NOW + MINUTE, refusals=2)

    claimed = as_claimed(waiting, NOW)

    assert claimed == replace(waiting, state=State.SENDING, reason=Reason.NONE, detail="", attempts=2, changed_at=NOW)
    assert as_settled(claimed, sent, NOW + SECOND) == replace(
        claimed, state=State.SENT, provider_message_id="m1", provider_plan_id="p1", changed_at=NOW + SECOND
    )
    assert as_settled(claimed, later, NOW + SECOND) == replace(
        claimed,
        state=State.RETRYABLE,
        reason=Reason.PROVIDER_LATER,
        detail=RATE,
        next_at=NOW + MINUTE,
        refusals=2,
        changed_at=NOW + SECOND,
    )


WISHES = st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=40))


@given(st.integers(0, 200), WISHES)
def test_delays_never_shrink(refusals: int, wish: timedelta | None) -> None:
    """One more refusal never brings the next try nearer."""
    assert retry_at(NOW, refusals, wish) <= retry_at(NOW, refusals + 1, wish)


@given(st.integers(-5, 10**6), WISHES)
def test_delays_are_bounded_and_heed_the_gateway(refusals: int, wish: timedelta | None) -> None:
    """A delay is at least half a minute and the gateway's wish, and never more than an hour."""
    delay = retry_at(NOW, refusals, wish) - NOW

    assert 30 * SECOND <= delay <= 60 * MINUTE
    assert delay >= min(wish or timedelta(), 60 * MINUTE)
    if wish is None:
        assert delay <= 30 * MINUTE


PICTURE = {
    State.SCHEDULED: "sending canceled expired skipped unknown",
    State.RETRYABLE: "sending canceled expired skipped unknown",
    State.SENDING: "sent failed retryable unknown",
    State.SENT: "",
    State.FAILED: "scheduled canceled",
    State.UNKNOWN: "scheduled sent canceled expired",
    State.CANCELED: "scheduled unknown",
    State.EXPIRED: "",
    State.SKIPPED: "scheduled unknown",
}


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_may_move(old: State, new: State) -> None:
    """Between any two states there is an arrow only where the picture has one."""
    assert (new in PICTURE[old].split()) is may_move(old, new)


def test_the_moves_are_complete() -> None:
    """Each state has its row, leads only to states that exist, and never to itself."""
    assert set(State) == set(MOVES)
    assert all(old not in targets and targets <= set(State) for old, targets in MOVES.items())


def test_a_text_leaves_only_after_its_claim() -> None:
    """Nothing becomes `sent` but by `sending`, or by a person's word about an unknown one."""
    assert {State.SENDING, State.UNKNOWN} == {old for old in State if may_move(old, State.SENT)}
    assert {State.SCHEDULED, State.RETRYABLE} == {old for old in State if may_move(old, State.SENDING)}


@pytest.mark.parametrize("state", State)
def test_what_waits_is_what_may_be_claimed(state: State) -> None:
    """A message waits in the very states from which it may be claimed."""
    assert may_move(state, State.SENDING) is (state in WAITING)


def test_reasons_that_end_a_message() -> None:
    """A person's word and the caps are final; being superseded needs no entry, for `expired` has no way out."""
    assert {Reason.BY_OPERATOR, Reason.OVER_CAP, Reason.TOO_LONG} == FINAL_REASONS
    assert Reason.SUPERSEDED not in FINAL_REASONS
    assert not MOVES[State.EXPIRED]
