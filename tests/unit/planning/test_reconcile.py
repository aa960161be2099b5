"""What is wanted against what the outbox holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from syncer.model import WAITING, Audience, State
from syncer.outbox import FINAL_REASONS, may_move
from syncer.reasons import Reason
from syncer.reconcile import BY_SETTINGS, Todo, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from syncer.model import Booking, Message

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEFORE = NOW - HOUR
EVENT = an_event()
INES = an_invitee(EVENT)
BOOKING = a_booking(EVENT, INES)
WANTED = a_message(BOOKING)
"""As planned just now."""
ATTEMPTED = frozenset(State) - {State.SCHEDULED, State.SKIPPED, State.EXPIRED, State.CANCELED}


def row(state: State = State.SCHEDULED, **over: object) -> Message:
    """Make the outbox's row for WANTED, written an hour ago."""
    given_: dict[str, object] = {"state": state, "changed_at": BEFORE, "attempts": int(state in ATTEMPTED)}
    if state not in {State.SCHEDULED, State.SENDING, State.SENT}:
        given_["reason"] = Reason.PROVIDER_LATER
    if state is State.SENT:
        given_["provider_message_id"] = "m1"
    return replace(WANTED, **(given_ | over))  # type: ignore[arg-type]


def compare(wanted: Message | None, old: Message | None, booking: Booking = BOOKING) -> Todo:
    """Compare one message at most with one row at most."""
    return reconcile([wanted] if wanted else [], [old] if old else [], booking=booking, now=NOW)


def applied(todo: Todo, outbox: Iterable[Message]) -> list[Message]:
    """Write a plan as the database would: no key twice, and each row must be in the state the plan was made for."""
    rows = {message.key: message for message in outbox}
    for message in todo.inserts:
        assert message.key not in rows
        rows[message.key] = message
    for before, message in todo.updates:
        assert rows[message.key].state is before
        assert message.state is before or may_move(before, message.state)
        rows[message.key] = message
    return list(rows.values())


SKIPPED = replace(
    WANTED, to="", language="", timezone="", template="", params={}, state=State.SKIPPED, reason=Reason.NO_NUMBER
)
EXPIRED = replace(WANTED, state=State.EXPIRED, reason=Reason.SEEN_LATE)


@pytest.mark.parametrize("new", [WANTED, SKIPPED, EXPIRED], ids=["scheduled", "skipped", "expired"])
def test_what_is_new_is_written_as_it_is(new: Message) -> None:
    """A message that the outbox does not hold is put there, also when it is only to say why it is not sent."""
    assert Todo(inserts=(new,)) == compare(new, None)


def test_nothing_wanted_and_nothing_there_is_nothing_to_do() -> None:
    """An empty plan over an empty outbox writes nothing."""
    assert Todo() == compare(None, None)


@pytest.mark.parametrize("state", State)
def test_what_is_as_wanted_is_left_alone(state: State) -> None:
    """A row that agrees with the plan is not written again, in no state but those from which it comes back."""
    comes_back = state in {State.SKIPPED, State.CANCELED}

    assert bool(compare(WANTED, row(state)).updates) is comes_back
    assert compare(WANTED, row(state)).inserts == ()


FOLLOWS = {
    "to": "+4915123456789",
    "language": "de",
    "template": "2001",
    "params": {"name": "Ines", "time": "später"},
    "timezone": "Europe/Berlin",
    "scheduled_at": NOW + MINUTE,
    "expires_at": NOW + 9 * HOUR,
    "meeting_at": NOW + 3 * DAY,
    "audience": Audience.HOST,
}


@pytest.mark.parametrize("state", sorted(WAITING))
@pytest.mark.parametrize("name", FOLLOWS)
def test_what_waits_follows_the_booking(name: str, state: State) -> None:
    """Until it is claimed, a message is what is wanted now: whom, what, in which words, until when."""
    old = row(state)
    new = replace(WANTED, **{name: FOLLOWS[name]})  # type: ignore[arg-type]

    ((before, after),) = compare(new, old).updates

    assert (state, state) == (before, after.state)
    assert FOLLOWS[name] == getattr(after, name)
    assert (old.attempts, old.refusals, NOW) == (after.attempts, after.refusals, after.changed_at)


def test_a_scheduled_message_takes_the_new_moment() -> None:
    """A scheduled message leaves when the new plan says, for quiet hours say."""
    ((_, after),) = compare(replace(WANTED, next_at=NOW + HOUR), row()).updates

    assert after.next_at == NOW + HOUR


def test_a_refused_message_keeps_its_delay() -> None:
    """A message that the gateway refused for now is not tried sooner because it was planned again."""
    old = row(State.RETRYABLE, next_at=NOW + 30 * MINUTE, refusals=7, attempts=9)

    ((_, after),) = compare(replace(WANTED, params={"name": "Ines"}), old).updates

    assert (after.next_at, after.refusals, after.attempts) == (NOW + 30 * MINUTE, 7, 9)
    assert after.reason == old.reason


@pytest.mark.parametrize("state", sorted(WAITING))
def test_another_template_clears_the_reason(state: State) -> None:
    """What was held for its template is no longer held for it when it has another."""
    old = row(state, reason=Reason.HELD_TEMPLATE, detail="template 1001 is not approved")

    ((_, other),) = compare(replace(WANTED, template="2001"), old).updates
    ((_, same),) = compare(replace(WANTED, to="+4915123456789"), old).updates

    assert (other.reason, other.detail) == (Reason.NONE, "")
    assert (same.reason, same.detail) == (old.reason, old.detail)


@pytest.mark.parametrize("state", sorted(WAITING))
def test_what_a_guard_holds_stays_held_whatever_changes(state: State) -> None:
    """Only a person lets it go: neither another template nor another number does."""
    old = row(state, reason=Reason.HELD_BY_GUARD, detail="12 of 45")

    for new in (replace(WANTED, template="2001"), replace(WANTED, to="+4915123456789")):
        ((_, after),) = compare(new, old).updates
        assert (after.reason, after.detail) == (Reason.HELD_BY_GUARD, "12 of 45")


@pytest.mark.parametrize("state", sorted(WAITING))
def test_what_waits_is_skipped_when_a_rule_forbids_it_now(state: State) -> None:
    """A number that went away ends what waits, and nothing of the person stays in the row."""
    old = row(state, refusals=2)

    ((before, after),) = compare(SKIPPED, old).updates

    assert (state, State.SKIPPED, Reason.NO_NUMBER) == (before, after.state, after.reason)
    assert (after.to, after.params, after.template) == ("", {}, "")
    assert (old.attempts, 2, NOW) == (after.attempts, after.refusals, after.changed_at)


@pytest.mark.parametrize("state", sorted(WAITING))
def test_what_waits_is_left_to_the_clock(state: State) -> None:
    """A message whose time has passed in the meantime is expired by the clock, which says what it waited for."""
    old = row(state, scheduled_at=BEFORE, expires_at=NOW)

    assert Todo() == compare(EXPIRED, old)
    assert Todo() == compare(replace(EXPIRED, next_at=NOW + HOUR), old)


@pytest.mark.parametrize("state", sorted(WAITING))
@pytest.mark.parametrize(
    ("reason", "expected"), [(Reason.SEEN_LATE, Reason.LATE), (Reason.QUIET_HOURS, Reason.QUIET_HOURS)]
)
def test_what_waits_and_has_no_life_any_more_expires(state: State, reason: Reason, expected: Reason) -> None:
    """The old text does not leave at the old time when what is wanted now came too late."""
    old = row(state, attempts=3, refusals=2)
    gone = replace(EXPIRED, reason=reason, scheduled_at=NOW - 9 * HOUR, expires_at=NOW)

    ((before, after),) = compare(gone, old).updates

    assert before is state
    assert after == replace(gone, reason=expected, attempts=3, refusals=2)


@pytest.mark.parametrize(
    ("next_at", "reason", "planned", "expires", "expected"),
    [
        pytest.param(30, Reason.PROVIDER_LATER, 0, 60, 30, id="a delay is kept"),
        pytest.param(30, Reason.PROVIDER_LATER, 45, 60, 45, id="it is not tried before it is wanted"),
        pytest.param(30, Reason.PROVIDER_LATER, 0, 31, 30, id="up to the end of its life"),
        pytest.param(30, Reason.PROVIDER_LATER, 0, 30, 0, id="a delay beyond the life that it has now"),
        pytest.param(600, Reason.QUIET_HOURS, 0, 900, 0, id="it only waited for the morning, and need not any more"),
    ],
)
def test_a_refused_message_keeps_its_delay_within_its_life(
    next_at: int, reason: Reason, planned: int, expires: int, expected: int
) -> None:
    """The gateway's delay holds, unless the text would never leave for it."""
    old = row(State.RETRYABLE, next_at=NOW + next_at * MINUTE, reason=reason, expires_at=NOW + DAY)
    new = replace(WANTED, next_at=NOW + planned * MINUTE, expires_at=NOW + expires * MINUTE)

    ((_, after),) = compare(new, old).updates

    assert after.next_at == NOW + expected * MINUTE


@pytest.mark.parametrize("reason", sorted(BY_SETTINGS))
@pytest.mark.parametrize("state", [State.SKIPPED, State.CANCELED])
def test_new_settings_send_nothing_that_was_due_before_them(state: State, reason: Reason) -> None:
    """What the old ones did not want stays unsent, and says so; what is due from then on comes back."""
    old = row(state, reason=reason)

    def updates(since: datetime) -> tuple[tuple[State, Message], ...]:
        return reconcile([WANTED], [old], booking=BOOKING, now=NOW, policy_since=since).updates

    late = updates(WANTED.scheduled_at + MINUTE)
    told = state is State.SKIPPED and reason is not Reason.BEFORE_RULE
    said = replace(old, reason=Reason.BEFORE_RULE, detail="", changed_at=NOW)

    assert late == (((state, said),) if told else ())
    assert [after.state for _, after in updates(WANTED.scheduled_at)] == [State.SCHEDULED]


def test_what_a_booking_brings_back_does_not_ask_for_the_settings() -> None:
    """A booking that was canceled and is back, a seat that another one gave way to: not by the settings."""
    for reason in (Reason.BOOKING_CANCELED, Reason.BOOKING_MOVED, Reason.DUPLICATE, Reason.OPTED_OUT):
        old = row(State.SKIPPED, reason=reason)
        todo = reconcile([WANTED], [old], booking=BOOKING, now=NOW, policy_since=NOW + DAY)

        assert [after.state for _, after in todo.updates] == [State.SCHEDULED]


@pytest.mark.parametrize("state", [State.SKIPPED, State.CANCELED])
@pytest.mark.parametrize(
    "reason", [Reason.NO_NUMBER, Reason.BOOKING_CANCELED, Reason.BOOKING_MOVED, Reason.NO_RULE, Reason.BOOKED_LATE]
)
def test_what_is_wanted_again_comes_back(state: State, reason: Reason) -> None:
    """What was skipped or canceled is scheduled again when it is wanted and in time, and keeps its count."""
    old = row(state, reason=reason, attempts=2, refusals=1, next_at=BEFORE, to="")

    assert ((state, replace(WANTED, attempts=2, refusals=1)),) == compare(WANTED, old).updates


@pytest.mark.parametrize("state", [State.SKIPPED, State.CANCELED])
@pytest.mark.parametrize("reason", sorted(FINAL_REASONS))
def test_what_a_person_or_a_cap_ended_stays_ended(state: State, reason: Reason) -> None:
    """Neither the operator's word nor the cap is undone by planning again."""
    assert Todo() == compare(WANTED, row(state, reason=reason))


@pytest.mark.parametrize("state", [State.SKIPPED, State.CANCELED])
@pytest.mark.parametrize("new", [SKIPPED, EXPIRED], ids=["skipped", "expired"])
def test_what_is_not_to_be_sent_does_not_come_back(state: State, new: Message) -> None:
    """Nothing comes back only to be skipped or to expire."""
    assert Todo() == compare(new, row(state))


FINAL = sorted(set(State) - WAITING - {State.SKIPPED, State.CANCELED})


@pytest.mark.parametrize("state", FINAL)
@pytest.mark.parametrize(
    "new",
    [None, WANTED, replace(WANTED, params={"name": "Ines"}, to="+4915123456789"), SKIPPED, EXPIRED],
    ids=["not wanted", "wanted", "wanted otherwise", "skipped", "expired"],
)
def test_what_is_claimed_or_settled_is_never_touched(state: State, new: Message | None) -> None:
    """What left, may have left, failed or expired is left as it is, whatever is wanted now."""
    assert Todo() == compare(new, row(state))


GONE = replace(INES, status="canceled", canceled_at=NOW)


@pytest.mark.parametrize(
    ("booking", "expected"),
    [
        pytest.param(a_booking(EVENT, GONE), Reason.BOOKING_CANCELED, id="canceled"),
        pytest.param(
            a_booking(replace(EVENT, status="canceled"), INES), Reason.BOOKING_CANCELED, id="the event was canceled"
        ),
        pytest.param(a_booking(EVENT, replace(GONE, rescheduled=True)), Reason.BOOKING_MOVED, id="rescheduled"),
        pytest.param(
            a_booking(replace(EVENT, start=EVENT.start + HOUR), INES), Reason.BOOKING_MOVED, id="moved in place"
        ),
        pytest.param(BOOKING, Reason.NO_RULE, id="the booking stands: its rule is gone"),
    ],
)
@pytest.mark.parametrize("state", sorted(WAITING))
def test_why_what_waits_is_canceled(booking: Booking, expected: Reason, state: State) -> None:
    """What is no longer wanted is canceled, and the reason says what happened to the booking."""
    old = row(state, refusals=3, detail="what it waited for")

    todo = compare(None, old, booking)

    assert ((state, replace(old, state=State.CANCELED, reason=expected, detail="", changed_at=NOW)),) == todo.updates
    assert todo.inserts == ()


@pytest.mark.parametrize("state", sorted(set(State) - WAITING))
def test_what_does_not_wait_is_not_canceled(state: State) -> None:
    """Only what waits can be called off."""
    assert Todo() == compare(None, row(state), a_booking(EVENT, GONE))


def test_a_move_in_place_changes_keys() -> None:
    """The message for the old time is called off, the one for the new time is put beside it."""
    moved = a_booking(replace(EVENT, start=EVENT.start + HOUR), INES, moved_at=NOW)
    new = a_message(moved)

    todo = compare(new, row(), moved)

    assert (new,) == todo.inserts
    assert [(b, m.state, m.reason) for b, m in todo.updates] == [
        (State.SCHEDULED, State.CANCELED, Reason.BOOKING_MOVED)
    ]


@pytest.mark.parametrize("state", [State.SENT, State.SENDING, State.UNKNOWN])
def test_a_confirmation_that_left_does_not_stop_the_one_of_the_new_time(state: State) -> None:
    """Another meeting time is another text to the same number."""
    moved = a_booking(replace(EVENT, start=EVENT.start + HOUR), INES, moved_at=NOW)

    assert Todo(inserts=(a_message(moved),)) == compare(a_message(moved), row(state), moved)


# The same text to the same number under another key: hosts that come and go change the tag in it.

TAGGED = replace(WANTED, key=f"{WANTED.key}/u1", audience=Audience.HOST)


@pytest.mark.parametrize(
    ("state", "expected"),
    [(state, state not in {State.SENT, State.SENDING, State.UNKNOWN}) for state in State],
)
def test_what_reached_a_number_is_not_sent_under_another_key(state: State, *, expected: bool) -> None:
    """A text that left, or may have left, is not put beside it under another key."""
    assert ((TAGGED,) if expected else ()) == compare(TAGGED, row(state)).inserts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("rule", "reminder", id="another rule"),
        pytest.param("to", "+4915123456789", id="another number"),
        pytest.param("meeting_at", EVENT.start + HOUR, id="another time"),
    ],
)
def test_what_reached_somebody_else_stops_nothing(name: str, value: object) -> None:
    """Only the same rule, number and time are the same text."""
    new = replace(TAGGED, **{name: value})  # type: ignore[arg-type]

    assert (new,) == compare(new, row(State.SENT)).inserts


def test_messages_without_a_number_do_not_reach_each_other() -> None:
    """What was sent to nobody, its number forgotten, stops nothing."""
    new = replace(SKIPPED, key=TAGGED.key)

    assert (new,) == compare(new, row(State.SENT, to="")).inserts


@pytest.mark.parametrize("state", [State.SCHEDULED, State.RETRYABLE, State.SKIPPED, State.CANCELED])
@pytest.mark.parametrize("left", [State.SENT, State.SENDING, State.UNKNOWN])
def test_what_reached_a_number_does_not_come_back_under_another_key(state: State, left: State) -> None:
    """A number that has had this text gets no second one through a row that was there before.

    A second host joins, leaves before the text goes out to the first, and joins again: with both the key carries a tag,
    with one it does not, and the first host's tagged row, called off meanwhile, is wanted again.
    """
    outbox = [row(left), replace(row(state), key=TAGGED.key, to="+13125550188")]

    after = applied(reconcile([TAGGED], outbox, booking=BOOKING, now=NOW), outbox)

    assert [message.key for message in after if message.state in WAITING] == []


# For any outbox and any plan.

KEYS = ["a", "b", "c", "d"]


def a_plan(key: str, new: Message) -> Message:
    """Give a planned message its key, and a number of its own."""
    return replace(new, key=key, to=f"{new.to}{KEYS.index(key)}" if new.to else "")


PLANS = st.lists(st.sampled_from(KEYS), unique=True).flatmap(
    lambda keys: st.tuples(
        *(
            st.builds(
                a_plan,
                st.just(key),
                st.sampled_from([WANTED, SKIPPED, EXPIRED, replace(WANTED, template="2001", next_at=NOW + HOUR)]),
            )
            for key in keys
        )
    )
)
REASONS = [
    Reason.NONE,
    Reason.PROVIDER_LATER,
    Reason.HELD_BY_GUARD,
    Reason.BOOKING_CANCELED,
    Reason.BY_OPERATOR,
    Reason.OVER_CAP,
]
ROWS = st.dictionaries(
    st.sampled_from(KEYS),
    st.builds(row, st.sampled_from(State), reason=st.sampled_from(REASONS), refusals=st.integers(0, 3)),
).map(lambda rows: [a_plan(key, message) for key, message in rows.items()])
BOOKINGS = st.sampled_from([BOOKING, a_booking(EVENT, GONE), a_booking(EVENT, replace(GONE, rescheduled=True))])


@given(PLANS, ROWS, BOOKINGS)
def test_reconciling_twice_is_reconciling_once(wanted: list[Message], outbox: list[Message], booking: Booking) -> None:
    """When a plan is written, the same plan has nothing left to do, now or later."""
    after = applied(reconcile(wanted, outbox, booking=booking, now=NOW), outbox)

    assert Todo() == reconcile(wanted, after, booking=booking, now=NOW)
    assert Todo() == reconcile(wanted, after, booking=booking, now=NOW + HOUR)


@given(PLANS, ROWS, BOOKINGS)
def test_no_plan_touches_what_may_have_left(wanted: list[Message], outbox: list[Message], booking: Booking) -> None:
    """Rows that are claimed or settled are the same after any plan, and none is ever lost."""
    after = {m.key: m for m in applied(reconcile(wanted, outbox, booking=booking, now=NOW), outbox)}

    for old in outbox:
        new = after[old.key]
        if old.state in FINAL or (old.state not in WAITING and old.reason in FINAL_REASONS):
            assert old is new
        assert (old.attempts, old.refusals) == (new.attempts, new.refusals)


@given(PLANS, ROWS, BOOKINGS)
def test_only_what_is_wanted_waits(wanted: list[Message], outbox: list[Message], booking: Booking) -> None:
    """After any plan, what waits is what is wanted, in the plan's own words; what is wanted and new is all there."""
    after = {m.key: m for m in applied(reconcile(wanted, outbox, booking=booking, now=NOW), outbox)}
    plans = {message.key: message for message in wanted}

    assert set(after) == set(plans) | {old.key for old in outbox}
    for message in after.values():
        if message.state in WAITING:
            plan = plans[message.key]
            assert plan.state is not State.SKIPPED
            if plan.state is State.SCHEDULED:
                assert (plan.to, plan.template, plan.params) == (message.to, message.template, message.params)


def test_two_plans_add_up() -> None:
    """Plans put one after the other keep their order."""
    one, other = compare(WANTED, None), compare(None, row())

    assert Todo((WANTED,), other.updates) == one + other
    assert Todo() + one == one + Todo() == one
