"""What ought to be texted: when each rule wants a message, and what the message then is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders import API, NOW, NUMBER, a_booking, a_message, an_event, an_invitee
from syncer.model import Audience, Host, Location, Message, State, utc_text
from syncer.past import Past, Predecessor
from syncer.plan import Context, Timing, plan, timing, told
from syncer.reasons import Reason
from syncer.rules import (
    DEFAULT_PARAMS,
    MAX_LATENESS,
    OBEYS_QUIET_HOURS,
    CanceledBy,
    HostSettings,
    Late,
    Policy,
    QuietHours,
    Rule,
    Trigger,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncer.model import Booking

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BORN = NOW - 7 * DAY
CONTEXT = Context(now=NOW, born_at=BORN, told=frozenset(Audience))
EVENT = an_event()
START, END, BOOKED = EVENT.start, EVENT.end, NOW - HOUR
NOBODY: frozenset[Audience] = frozenset()
TOLD_INVITEE, TOLD_HOST = frozenset({Audience.INVITEE}), frozenset({Audience.HOST})
OLD_HALF = f"{API}/scheduled_events/e0/invitees/i0"
NIGHT = QuietHours(time(21), time(8))


def a_rule(on: Trigger, **over: Any) -> Rule:
    """Make a rule as the settings would, named after its trigger."""
    fields: dict[str, Any] = {
        "name": str(on),
        "on": on,
        "templates": {"": "1001"},
        "params": DEFAULT_PARAMS[on],
        "max_lateness": MAX_LATENESS[on],
        "quiet_hours": on in OBEYS_QUIET_HOURS,
    }
    return Rule(**(fields | over))


def booking(*, moved_at: datetime | None = None, read_at: datetime = NOW, **of_invitee: Any) -> Booking:
    """Make a booking of EVENT; what is given goes to the invitee."""
    return a_booking(EVENT, replace(an_invitee(EVENT), **of_invitee), moved_at=moved_at, read_at=read_at)


def canceled(at: datetime | None = NOW - MINUTE, **of_invitee: Any) -> Booking:
    """Make a canceled booking that was seen before; the host canceled unless it says otherwise."""
    made = booking(**({"status": "canceled", "canceled_at": at, "canceler_type": "host"} | of_invitee))
    return replace(made, seen_at=NOW - 30 * DAY)


def one(found: Sequence[Message]) -> Message:
    """Take the one message there is."""
    (message,) = found
    return message


def planned_for(made: Booking, rule: Rule, context: Context = CONTEXT, **of_policy: Any) -> Message:
    """Plan one rule for one booking."""
    return one(plan(made, Policy(rules=(rule,), **of_policy), context))


# When: the table of `timing`, a trigger at a time.

CONFIRM = a_rule(Trigger.BOOKED)
RESCHEDULE = a_rule(Trigger.RESCHEDULED)
CANCEL = a_rule(Trigger.CANCELED)
REMIND = a_rule(Trigger.BEFORE_START, offset=24 * HOUR)
FOLLOW_UP = a_rule(Trigger.AFTER_END, offset=30 * MINUTE)
NO_SHOW = a_rule(Trigger.NO_SHOW)
TO_HOST = a_rule(Trigger.BOOKED, name="host", to=Audience.HOST)
HOST_CANCEL = replace(CANCEL, name="host-cancel", to=Audience.HOST)
HOST_MOVED = replace(RESCHEDULE, name="host-moved", to=Audience.HOST)
OTHER_TYPE = frozenset({"Erstgespräch"})


def life(due: datetime, hours: float, skip: Reason = Reason.NONE) -> Timing:
    """Say when due and when worthless."""
    return Timing(due, due + hours * HOUR, skip)


@pytest.mark.parametrize(
    ("made", "rule", "others", "expected"),
    [
        pytest.param(booking(), CONFIRM, (), life(BOOKED, 6), id="active: when it was booked"),
        pytest.param(booking(created_at=None), CONFIRM, (), life(NOW, 6), id="no date: when it was first seen"),
        pytest.param(
            booking(), replace(CONFIRM, offset=2 * HOUR), (), life(BOOKED + 2 * HOUR, 6), id="a delay after booking"
        ),
        pytest.param(booking(), replace(CONFIRM, max_lateness=HOUR), (), life(BOOKED, 1), id="a life of its own"),
        pytest.param(canceled(), CONFIRM, (), None, id="canceled: nothing"),
        pytest.param(booking(old_invitee=OLD_HALF), CONFIRM, (), life(BOOKED, 6), id="moved, no rule for that"),
        pytest.param(booking(moved_at=NOW), CONFIRM, (), life(NOW, 6), id="moved in place: when that was noticed"),
        pytest.param(booking(old_invitee=OLD_HALF), CONFIRM, (RESCHEDULE,), None, id="moved, and a rule is for that"),
        pytest.param(booking(moved_at=NOW), CONFIRM, (RESCHEDULE,), None, id="moved in place, and a rule is for that"),
        pytest.param(booking(), CONFIRM, (RESCHEDULE,), life(BOOKED, 6), id="not moved, though a rule is for moves"),
        pytest.param(
            booking(old_invitee=OLD_HALF),
            CONFIRM,
            (HOST_MOVED,),
            life(BOOKED, 6),
            id="moved, and the rule for that is the host's",
        ),
        pytest.param(
            booking(old_invitee=OLD_HALF),
            CONFIRM,
            (replace(RESCHEDULE, event_types=OTHER_TYPE),),
            life(BOOKED, 6),
            id="moved, and the rule for that is for other events",
        ),
        pytest.param(
            booking(old_invitee=OLD_HALF), TO_HOST, (RESCHEDULE,), life(BOOKED, 6), id="the host hears of a move"
        ),
        pytest.param(booking(moved_at=NOW), TO_HOST, (RESCHEDULE,), life(NOW, 6), id="the host, of a move in place"),
        pytest.param(
            booking(old_invitee=OLD_HALF), TO_HOST, (RESCHEDULE, HOST_MOVED), None, id="unless a rule tells the host"
        ),
    ],
)
def test_booked(made: Booking, rule: Rule, others: tuple[Rule, ...], expected: Timing | None) -> None:
    """A confirmation is wanted of what stands; of a moved booking only where no rule is for that."""
    assert expected == timing(rule, made, Policy(rules=(rule, *others)), told=NOBODY)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(booking(), None, id="not moved"),
        pytest.param(booking(old_invitee=OLD_HALF), life(BOOKED, 6), id="the new half: when it was booked"),
        pytest.param(booking(moved_at=NOW), life(NOW, 6), id="in place: when that was noticed"),
        pytest.param(booking(old_invitee=OLD_HALF, moved_at=NOW), life(NOW, 6), id="both: the later one"),
        pytest.param(canceled(rescheduled=True, new_invitee="x"), None, id="the old half"),
        pytest.param(canceled(old_invitee=OLD_HALF), None, id="moved, then canceled"),
    ],
)
def test_rescheduled(made: Booking, expected: Timing | None) -> None:
    """A move is told of the booking that stands, once, and never of the one that was left."""
    assert expected == timing(RESCHEDULE, made, Policy(rules=(RESCHEDULE, CONFIRM)), told=NOBODY)


@pytest.mark.parametrize(
    ("made", "late", "expected"),
    [
        pytest.param(booking(), Late.SKIP, life(START - DAY, 2), id="booked in time"),
        pytest.param(booking(), Late.SEND, life(START - DAY, 2), id="booked in time, late or not"),
        pytest.param(booking(created_at=START - DAY), Late.SKIP, life(START - DAY, 2), id="booked at that very time"),
        pytest.param(
            booking(created_at=START - DAY + SECOND),
            Late.SKIP,
            life(START - DAY, 2, Reason.BOOKED_LATE),
            id="booked a second late: skipped",
        ),
        pytest.param(
            booking(created_at=START - DAY + SECOND),
            Late.SEND,
            life(START - DAY + SECOND, 2),
            id="booked a second late: sent when booked",
        ),
        pytest.param(
            booking(created_at=START - HOUR), Late.SEND, life(START - HOUR, 1), id="an hour before: until the start"
        ),
        pytest.param(
            booking(created_at=START + HOUR), Late.SEND, life(START + HOUR, 0), id="booked after the start: no life"
        ),
        pytest.param(
            booking(moved_at=START - HOUR), Late.SKIP, life(START - DAY, 2, Reason.BOOKED_LATE), id="moved late"
        ),
        pytest.param(booking(moved_at=START - HOUR), Late.SEND, life(START - HOUR, 1), id="moved late: when noticed"),
        pytest.param(booking(old_invitee=OLD_HALF), Late.SKIP, life(START - DAY, 2), id="the new half of a move"),
        pytest.param(canceled(), Late.SEND, None, id="canceled: nothing"),
    ],
)
def test_before_start(made: Booking, late: Late, expected: Timing | None) -> None:
    """A reminder is due its offset before the start; what was booked after that is skipped, or reminded at once."""
    made = replace(made, seen_at=max(NOW, made.invitee.created_at or NOW))

    assert expected == timing(replace(REMIND, late=late), made, Policy(), told=NOBODY)


@pytest.mark.parametrize(
    ("offset", "lateness", "expected"),
    [
        pytest.param(DAY, 2 * HOUR, START - DAY + 2 * HOUR, id="long before: its own life"),
        pytest.param(2 * HOUR, 2 * HOUR, START, id="its life ends at the start"),
        pytest.param(HOUR, 2 * HOUR, START, id="its life would end after the start"),
        pytest.param(MINUTE, 30 * DAY, START, id="however long it is"),
    ],
)
def test_no_reminder_lives_past_the_start(offset: timedelta, lateness: timedelta, expected: datetime) -> None:
    """A reminder is worthless once the meeting has begun."""
    found = timing(replace(REMIND, offset=offset, max_lateness=lateness), booking(), Policy(), told=NOBODY)

    assert Timing(START - offset, expected) == found


@pytest.mark.parametrize(
    ("made", "rule", "expected"),
    [
        pytest.param(booking(), FOLLOW_UP, life(END + 30 * MINUTE, 24), id="a follow-up: after the end"),
        pytest.param(booking(no_show_at=END), FOLLOW_UP, None, id="no follow-up for a no-show"),
        pytest.param(canceled(), FOLLOW_UP, None, id="no follow-up when canceled"),
        pytest.param(booking(), NO_SHOW, None, id="not marked"),
        pytest.param(booking(no_show_at=END + HOUR), NO_SHOW, life(END + HOUR, 24), id="a no-show: when marked"),
        pytest.param(canceled(no_show_at=END), NO_SHOW, None, id="marked, but canceled"),
    ],
)
def test_after_the_meeting(made: Booking, rule: Rule, expected: Timing | None) -> None:
    """After the meeting it is either the follow-up or the no-show, never both."""
    assert expected == timing(rule, made, Policy(rules=(FOLLOW_UP, NO_SHOW)), told=NOBODY)


def moved_from(days: int, told_of: int | None, audience: Audience = Audience.INVITEE) -> Past:
    """Make what a booking was moved from, so many days after EVENT; somebody was told of a time, likewise."""
    event = an_event("e0", start=START + days * DAY, end=END + days * DAY)
    old = a_booking(event, an_invitee(event, "i0", status="canceled", rescheduled=True, created_at=BOOKED - DAY))
    sent = (
        []
        if told_of is None
        else [a_message(old, audience=audience, state=State.SENT, meeting_at=START + told_of * DAY)]
    )
    return Past(predecessors=(Predecessor(replace(old, seen_at=BOOKED), tuple(sent)),))


@pytest.mark.parametrize(
    ("past", "rule", "expected"),
    [
        pytest.param(
            moved_from(0, None), CONFIRM, life(BOOKED - DAY, 6), id="to the same time: as new, nobody knows it"
        ),
        pytest.param(moved_from(0, 0), CONFIRM, None, id="to the same time, which they were told of"),
        pytest.param(
            moved_from(0, 0, Audience.HOST),
            CONFIRM,
            life(BOOKED - DAY, 6),
            id="to the same time, and the host was told",
        ),
        pytest.param(moved_from(1, 1), CONFIRM, life(BOOKED, 6), id="to another time than they were told of"),
        pytest.param(moved_from(1, 0), CONFIRM, None, id="back to the time that they were told of"),
        pytest.param(moved_from(1, 0, Audience.HOST), CONFIRM, life(BOOKED, 6), id="that the host was told of"),
        pytest.param(
            moved_from(1, 1), replace(CONFIRM, offset=2 * HOUR), life(BOOKED + 2 * HOUR, 6), id="a delay after the move"
        ),
    ],
)
def test_a_moved_booking_is_confirmed_unless_its_time_is_known(past: Past, rule: Rule, expected: Timing | None) -> None:
    """Where no rule is for moves; a move to a time that the guest was told of is no news to them."""
    made = booking(old_invitee=OLD_HALF)

    assert timing(rule, made, Policy(rules=(rule,)), told=NOBODY, past=past) == expected


AT = NOW - MINUTE
SENT = life(AT, 6)
NOT_TOLD = life(AT, 6, Reason.NOT_TOLD)
OWN = life(AT, 6, Reason.OWN_CANCELLATION)
TO_CANCELER = replace(CANCEL, to_canceler=True)
BY_INVITEE = canceled(canceler_type="invitee")


@pytest.mark.parametrize(
    ("made", "rule", "others", "who", "expected"),
    [
        pytest.param(booking(), CANCEL, (), TOLD_INVITEE, None, id="not canceled"),
        pytest.param(canceled(), CANCEL, (CONFIRM,), TOLD_INVITEE, SENT, id="told of the booking"),
        pytest.param(canceled(), CANCEL, (CONFIRM,), NOBODY, NOT_TOLD, id="never told of the booking"),
        pytest.param(canceled(), CANCEL, (CONFIRM,), TOLD_HOST, NOT_TOLD, id="only the host was told"),
        pytest.param(canceled(), CANCEL, (RESCHEDULE,), NOBODY, NOT_TOLD, id="a rule for moves would have told"),
        pytest.param(canceled(), CANCEL, (REMIND,), NOBODY, NOT_TOLD, id="a reminder would have told"),
        pytest.param(canceled(), CANCEL, (), NOBODY, SENT, id="no rule that could have told: it is news all the same"),
        pytest.param(canceled(), CANCEL, (FOLLOW_UP, NO_SHOW), NOBODY, SENT, id="rules that come too late to tell"),
        pytest.param(canceled(), CANCEL, (TO_HOST,), NOBODY, SENT, id="only the host could have been told"),
        pytest.param(
            canceled(),
            CANCEL,
            (replace(CONFIRM, event_types=OTHER_TYPE),),
            NOBODY,
            SENT,
            id="only guests of other events could have been told",
        ),
        pytest.param(BY_INVITEE, CANCEL, (CONFIRM,), TOLD_INVITEE, OWN, id="they canceled themselves"),
        pytest.param(BY_INVITEE, TO_CANCELER, (CONFIRM,), TOLD_INVITEE, SENT, id="they did, and want to hear of it"),
        pytest.param(BY_INVITEE, TO_CANCELER, (CONFIRM,), NOBODY, NOT_TOLD, id="they did, and were never told"),
        pytest.param(BY_INVITEE, HOST_CANCEL, (TO_HOST,), TOLD_HOST, SENT, id="the host hears that the guest canceled"),
        pytest.param(canceled(), HOST_CANCEL, (TO_HOST,), TOLD_HOST, OWN, id="the host canceled themselves"),
        pytest.param(BY_INVITEE, HOST_CANCEL, (TO_HOST,), TOLD_INVITEE, NOT_TOLD, id="the host was never told"),
        pytest.param(
            canceled(canceler_type=""), CANCEL, (CONFIRM,), TOLD_INVITEE, SENT, id="Calendly does not say who canceled"
        ),
        pytest.param(canceled(rescheduled=True), CANCEL, (CONFIRM,), TOLD_INVITEE, None, id="it was moved"),
        pytest.param(canceled(None), CANCEL, (CONFIRM,), TOLD_INVITEE, None, id="no date yet"),
        pytest.param(
            canceled(NOW - 29 * SECOND), CANCEL, (CONFIRM,), TOLD_INVITEE, None, id="not settled: it may be a move yet"
        ),
        pytest.param(
            canceled(NOW - 30 * SECOND),
            CANCEL,
            (CONFIRM,),
            TOLD_INVITEE,
            life(NOW - 30 * SECOND, 6),
            id="settled just now",
        ),
        pytest.param(
            canceled(read_at=AT + 29 * SECOND),
            CANCEL,
            (CONFIRM,),
            TOLD_INVITEE,
            None,
            id="old by now, but read when it was young",
        ),
    ],
)
def test_canceled(
    made: Booking, rule: Rule, others: tuple[Rule, ...], who: frozenset[Audience], expected: Timing | None
) -> None:
    """A cancellation goes to whoever knew of the booking, but did not cancel it, once it is surely no move."""
    assert expected == timing(rule, made, Policy(rules=(rule, *others)), told=who)


@pytest.mark.parametrize("canceler", ["host", "invitee", ""])
@pytest.mark.parametrize("wanted", CanceledBy)
def test_a_rule_may_be_for_one_canceler(wanted: CanceledBy, canceler: str) -> None:
    """A rule for what one side canceled says nothing of what the other one did, or nobody knows who."""
    rule = replace(CANCEL, canceled_by=wanted, to_canceler=True)

    found = timing(rule, canceled(canceler_type=canceler), Policy(rules=(rule,)), told=TOLD_INVITEE)

    assert (found == SENT) is (wanted in {CanceledBy.ANYONE, canceler})
    assert found in {SENT, None}


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        pytest.param(timedelta(), life(AT, 0, Reason.AFTER_START), id="as the meeting ended"),
        pytest.param(HOUR, life(AT, 0, Reason.AFTER_START), id="an hour later"),
        pytest.param(-SECOND, Timing(AT, AT + SECOND), id="in its last second"),
    ],
)
def test_nobody_hears_after_a_meeting_that_it_is_canceled(ended: timedelta, expected: Timing) -> None:
    """News of it lives until the meeting would have ended."""
    event = replace(EVENT, start=AT - ended - HOUR, end=AT - ended)

    assert timing(CANCEL, replace(canceled(), event=event), Policy(rules=(CANCEL,)), told=TOLD_INVITEE) == expected


def test_settling_is_a_setting() -> None:
    """How old a cancellation must be is the operator's choice."""
    made = canceled(NOW - 5 * SECOND)

    assert timing(CANCEL, made, Policy(settle=6 * SECOND), told=NOBODY) is None
    assert timing(CANCEL, made, Policy(settle=5 * SECOND), told=NOBODY) is not None


@pytest.mark.parametrize("on", Trigger)
def test_a_canceled_event_is_a_canceled_booking(on: Trigger) -> None:
    """Where the event is canceled and the invitee's record not, only a cancellation is wanted."""
    event = replace(EVENT, status="canceled")
    made = a_booking(event, an_invitee(event, canceled_at=AT, no_show_at=END), moved_at=NOW)

    assert (timing(a_rule(on), made, Policy(), told=NOBODY) is not None) is (on is Trigger.CANCELED)


# Who was told.

HOST_REMINDER = replace(REMIND, name="host-reminder", to=Audience.HOST)
POLICY = Policy(rules=(CONFIRM, RESCHEDULE, CANCEL, REMIND, FOLLOW_UP, NO_SHOW, TO_HOST, HOST_REMINDER))


@pytest.mark.parametrize(
    ("rule", "state", "reason", "expected"),
    [
        pytest.param("booked", State.SENT, Reason.NONE, True, id="confirmed"),
        pytest.param("booked", State.UNKNOWN, Reason.NO_ANSWER, True, id="perhaps confirmed"),
        pytest.param("booked", State.SENDING, Reason.NONE, True, id="being confirmed"),
        pytest.param("booked", State.SCHEDULED, Reason.NONE, False, id="to be confirmed"),
        pytest.param("booked", State.RETRYABLE, Reason.PROVIDER_LATER, False, id="refused for now"),
        pytest.param("booked", State.FAILED, Reason.PROVIDER_REFUSED, False, id="refused"),
        pytest.param("booked", State.EXPIRED, Reason.LATE, False, id="too late"),
        pytest.param("booked", State.SKIPPED, Reason.NO_NUMBER, False, id="skipped"),
        pytest.param("booked", State.CANCELED, Reason.BOOKING_CANCELED, False, id="canceled before it was confirmed"),
        pytest.param("rescheduled", State.SENT, Reason.NONE, True, id="told of a move"),
        pytest.param("rescheduled", State.SCHEDULED, Reason.NONE, False, id="to be told of a move"),
        pytest.param("before_start", State.SENT, Reason.NONE, True, id="reminded"),
        pytest.param("before_start", State.SCHEDULED, Reason.NONE, True, id="a reminder waits"),
        pytest.param("before_start", State.RETRYABLE, Reason.PROVIDER_LATER, True, id="a reminder to be retried"),
        pytest.param("before_start", State.CANCELED, Reason.BOOKING_CANCELED, True, id="one waited until now"),
        pytest.param("before_start", State.CANCELED, Reason.BOOKING_MOVED, False, id="one waited until it was moved"),
        pytest.param("before_start", State.CANCELED, Reason.NO_RULE, False, id="one waited until its rule went"),
        pytest.param("before_start", State.EXPIRED, Reason.LATE, False, id="one expired"),
        pytest.param("before_start", State.SKIPPED, Reason.BOOKED_LATE, False, id="one was skipped"),
        pytest.param("after_end", State.SENT, Reason.NONE, False, id="a follow-up tells of no booking"),
        pytest.param("no_show", State.SENT, Reason.NONE, False, id="nor does a no-show"),
        pytest.param("canceled", State.SENT, Reason.NONE, False, id="nor a cancellation"),
        pytest.param("after_end", State.SCHEDULED, Reason.NONE, False, id="nor a follow-up that waits"),
        pytest.param("removed", State.SENT, Reason.NONE, True, id="a rule that is gone may have told"),
        pytest.param("removed", State.SCHEDULED, Reason.NONE, False, id="but not by what never left"),
    ],
)
def test_told(rule: str, state: State, reason: Reason, *, expected: bool) -> None:
    """Told is who was texted of the booking, perhaps, or had a reminder waiting when it was canceled."""
    message = a_message(rule=rule, state=state, reason=reason)

    assert (TOLD_INVITEE if expected else NOBODY) == told([message], POLICY)


def test_told_is_each_audience_for_itself() -> None:
    """The host's texts tell the host, the guest's tell the guest; without any, nobody knows."""
    confirmed = a_message(rule="booked", state=State.SENT)
    host = a_message(rule="host-reminder", audience=Audience.HOST)

    assert told([], POLICY) == NOBODY
    assert told([host], POLICY) == TOLD_HOST
    assert told([confirmed, host], POLICY) == TOLD_INVITEE | TOLD_HOST


# What the message is.


def test_the_key() -> None:
    """The key is the invitee's URI, the rule and the meeting's start in UTC to the second: others rely on it."""
    start = datetime.fromisoformat("2026-12-01T09:30:15.987654+08:00").astimezone(UTC)
    event = an_event("9d3e1f52", start=start)
    made = a_booking(event, an_invitee(event, "c0ffee"))

    message = planned_for(made, replace(REMIND, name="reminder-24h"))

    uri = "https://api.calendly.com/scheduled_events/9d3e1f52/invitees/c0ffee"
    assert message.key == f"{uri}/reminder-24h/2026-12-01T01:30:15Z"
    assert message.booking == uri


def test_a_message_in_full() -> None:
    """A wanted message holds all that is needed to send it, and waits."""
    message = planned_for(booking(), REMIND)

    assert message == Message(
        key=f"{EVENT.uri}/invitees/i1/before_start/2026-11-25T12:00:00Z",
        rule="before_start",
        booking=f"{EVENT.uri}/invitees/i1",
        audience=Audience.INVITEE,
        to=NUMBER,
        language="en",
        template="1001",
        params=message.params,
        state=State.SCHEDULED,
        reason=Reason.NONE,
        scheduled_at=START - DAY,
        next_at=START - DAY,
        expires_at=START - 22 * HOUR,
        meeting_at=START,
        changed_at=NOW,
        timezone="America/Chicago",
    )
    assert (message.params["name"], message.params["advance"]) == ("Ines Okafor", "24 hours")
    assert "6:00" in message.params["time"]


def test_one_message_a_rule() -> None:
    """Each rule that wants one has its own message, in the order of the rules; the others have none."""
    made, rules = booking(old_invitee=OLD_HALF), (CONFIRM, RESCHEDULE, CANCEL, REMIND, FOLLOW_UP, NO_SHOW)

    assert [message.rule for message in plan(made, Policy(rules=rules), CONTEXT)] == [
        "rescheduled",
        "before_start",
        "after_end",
    ]


def test_a_rule_for_other_events_wants_nothing() -> None:
    """A rule is about the event types that it names."""
    rules = (replace(CONFIRM, event_types=OTHER_TYPE), replace(REMIND, event_types=frozenset({EVENT.name})))

    assert [message.rule for message in plan(booking(), Policy(rules=rules), CONTEXT)] == ["before_start"]


def test_an_old_booking_waits_for_its_reminders_alone() -> None:
    """What was booked before the database was made is never confirmed, but reminded of."""
    made = booking(created_at=BORN - SECOND)

    found = plan(made, Policy(rules=(CONFIRM, REMIND)), CONTEXT)

    assert [(m.state, m.reason) for m in found] == [
        (State.SKIPPED, Reason.BEFORE_BIRTH),
        (State.SCHEDULED, Reason.NONE),
    ]


@pytest.mark.parametrize(
    ("born", "rule_born", "expected"),
    [
        pytest.param(BOOKED, None, Reason.NONE, id="due as the database was made"),
        pytest.param(BOOKED + SECOND, None, Reason.BEFORE_BIRTH, id="due a second before"),
        pytest.param(BORN, BOOKED, Reason.NONE, id="due as the rule was first seen"),
        pytest.param(BORN, BOOKED + SECOND, Reason.BEFORE_RULE, id="due a second before the rule"),
        pytest.param(BOOKED + SECOND, BOOKED + SECOND, Reason.BEFORE_BIRTH, id="both: the database says it"),
        pytest.param(BOOKED + SECOND, BORN, Reason.BEFORE_BIRTH, id="a rule that is older than the database"),
    ],
)
def test_births(born: datetime, rule_born: datetime | None, expected: Reason) -> None:
    """Nothing is sent that was due before the database was made or before its rule was first seen."""
    rules_born_at = {"other": NOW} | ({} if rule_born is None else {"booked": rule_born})

    message = planned_for(booking(), CONFIRM, Context(now=NOW, born_at=born, rules_born_at=rules_born_at))

    assert (State.SKIPPED if expected else State.SCHEDULED, expected) == (message.state, message.reason)
    assert bool(message.to) is not bool(expected)


def test_a_birth_is_the_first_reason() -> None:
    """A first start has one of these for each thing that ever happened, and the log leaves them out by their reason."""
    late = replace(booking(created_at=START - HOUR), seen_at=START)

    message = planned_for(late, REMIND, Context(now=START, born_at=START))

    assert (message.state, message.reason) == (State.SKIPPED, Reason.BEFORE_BIRTH)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(BOOKED + 6 * HOUR - SECOND, State.SCHEDULED, id="a second of life"),
        pytest.param(BOOKED + 6 * HOUR, State.EXPIRED, id="its time is over"),
        pytest.param(BOOKED + 60 * DAY, State.EXPIRED, id="long over"),
    ],
)
def test_seen_too_late(now: datetime, expected: State) -> None:
    """What had already passed when syncer first saw the booking is expired, and the message says so."""
    message = planned_for(booking(), CONFIRM, replace(CONTEXT, now=now))

    assert (expected, Reason.SEEN_LATE if expected is State.EXPIRED else Reason.NONE) == (message.state, message.reason)


def test_a_late_reminder_that_is_sent_all_the_same() -> None:
    """Booked after the reminder's time: by the rule's wish it goes at once, else it is skipped."""
    made = a_booking(EVENT, an_invitee(EVENT, created_at=START - HOUR), seen_at=START - HOUR)
    context = replace(CONTEXT, now=START - HOUR + MINUTE)

    send, skip = (planned_for(made, replace(REMIND, late=late), context) for late in (Late.SEND, Late.SKIP))

    assert (send.state, send.next_at, send.expires_at) == (State.SCHEDULED, START - HOUR, START)
    assert (skip.state, skip.reason) == (State.SKIPPED, Reason.BOOKED_LATE)


def test_no_reminder_for_what_was_booked_after_its_start() -> None:
    """A booking entered after the meeting began is not reminded of."""
    made = a_booking(EVENT, an_invitee(EVENT, created_at=START + MINUTE), seen_at=START + MINUTE)

    message = planned_for(made, replace(REMIND, late=Late.SEND), replace(CONTEXT, now=START + MINUTE))

    assert message.state is State.EXPIRED


def with_params(**params: str) -> Rule:
    """Make a confirmation with these params."""
    return replace(CONFIRM, params=params)


@pytest.mark.parametrize(
    ("made", "rule", "expected"),
    [
        pytest.param(
            booking(name="Ines"), with_params(a="{last_name}"), (Reason.EMPTY_FIELD, "last_name"), id="no last name"
        ),
        pytest.param(
            booking(cancel_reason="👋"),
            with_params(a="{reason}"),
            (Reason.FIELD_REFUSED, "{reason}: nothing is left"),
            id="nothing left of a reason",
        ),
        pytest.param(
            booking(cancel_url="https://calendly.com/" + "a" * 2000),
            with_params(a="{cancel_url}"),
            (Reason.FIELD_TOO_LONG, "{cancel_url}: 2021 characters, at most 1000"),
            id="a link that is too long",
        ),
        pytest.param(booking(), with_params(url="{join_url}"), (Reason.EMPTY_FIELD, "join_url"), id="no link to join"),
        pytest.param(
            booking(),
            with_params(a="{name}", b="Room: {answer:Which room?}"),
            (Reason.EMPTY_FIELD, "answer:Which room?"),
            id="no answer, and the text around it does not help",
        ),
        pytest.param(booking(text_reminder_number=""), CONFIRM, (Reason.NO_NUMBER, ""), id="no number"),
        pytest.param(booking(text_reminder_number="  "), CONFIRM, (Reason.NO_NUMBER, ""), id="a blank number"),
        pytest.param(booking(text_reminder_number="call me"), CONFIRM, (Reason.INVALID_NUMBER, "letters"), id="words"),
        pytest.param(
            booking(text_reminder_number="", name=""),
            CONFIRM,
            (Reason.NO_NUMBER, ""),
            id="nobody to write to",
        ),
        pytest.param(
            booking(email="x@deleted.calendly.com"), CONFIRM, (Reason.ERASED, ""), id="erased, the number still there"
        ),
        pytest.param(
            booking(email="x@deleted.calendly.com"), TO_HOST, (Reason.ERASED, ""), id="erased: nor is the host texted"
        ),
        pytest.param(booking(), TO_HOST, (Reason.NO_NUMBER, "HOST_PHONE"), id="no number of the host"),
    ],
)
def test_skipped(made: Booking, rule: Rule, expected: tuple[Reason, str]) -> None:
    """What cannot be written or has nobody to go to is skipped; the detail names the field or setting, if any."""
    message = planned_for(made, rule)

    assert (State.SKIPPED, expected[0]) == (message.state, message.reason)
    assert expected[1] in message.detail
    assert (message.template, message.params) == ("", {})


def test_a_default_fills_an_empty_field() -> None:
    """A field with a default is never empty."""
    message = planned_for(booking(), with_params(url="{join_url|see your e-mail}"))

    assert (message.state, message.params["url"]) == (State.SCHEDULED, "see your e-mail")


def test_the_erased_lose_their_number() -> None:
    """A skipped message of somebody erased holds nothing of theirs."""
    message = planned_for(booking(email="x@deleted.calendly.com"), CONFIRM)

    assert (message.to, message.params, message.language) == ("", {}, "")


@pytest.mark.parametrize(
    ("templates", "expected"),
    [
        pytest.param({"": "1"}, ("de", "1"), id="for any language"),
        pytest.param({"en": "1", "de": "2"}, ("de", "2"), id="in their own"),
        pytest.param({"en": "1", "ja": "2"}, ("en", "1"), id="else in the default, and so are the fields"),
    ],
)
def test_the_template_decides_the_language(templates: dict[str, str], expected: tuple[str, str]) -> None:
    """A text and its fields are of one language: that of the template that was chosen."""
    rule = replace(CONFIRM, templates=templates, params={"time": "{start_date}"})

    message = planned_for(booking(), rule, languages_by_event_type={EVENT.name: "de"})

    assert expected == (message.language, message.template)
    assert ("Mittwoch" in message.params["time"] or "Mi" in message.params["time"]) is (message.language == "de")


# Hosts.

HOSTS = tuple(Host(f"{API}/users/u{n}", f"host{n}@northpier.example", f"Host {n}") for n in (1, 2, 3))
PHONES = {f"host{n}@northpier.example": HostSettings(phone=f"+1312555017{n}") for n in (1, 2, 3)}


def of_hosts(hosts: tuple[Host, ...], phones: dict[str, HostSettings] = PHONES, **of_policy: Any) -> list[Message]:
    """Plan the hosts' texts of a booking with these hosts."""
    event = replace(EVENT, hosts=hosts)
    policy = Policy(rules=(TO_HOST,), hosts=phones, **of_policy)
    return plan(a_booking(event, an_invitee(event)), policy, CONTEXT)


def test_one_host_has_a_plain_key() -> None:
    """A single host's key carries no tag."""
    message = one(of_hosts(HOSTS[:1]))

    assert (message.to, message.audience) == ("+13125550171", Audience.HOST)
    assert message.key == f"{EVENT.uri}/invitees/i1/host/2026-11-25T12:00:00Z"


def test_several_hosts_have_a_tag_in_the_key() -> None:
    """Several hosts are texted each once, under keys that name them."""
    found = of_hosts(HOSTS)

    plain = f"{EVENT.uri}/invitees/i1/host/2026-11-25T12:00:00Z"
    assert [(f"{plain}/u{n}", f"+1312555017{n}") for n in (1, 2, 3)] == [(m.key, m.to) for m in found]


def test_a_tag_does_not_hang_on_the_other_hosts_order() -> None:
    """A host keeps the key however Calendly sorts them."""
    assert {m.key: m.to for m in of_hosts(HOSTS)} == {m.key: m.to for m in of_hosts(HOSTS[::-1])}


def test_a_number_that_two_hosts_share_is_texted_once() -> None:
    """One number, one text."""
    assert len(of_hosts(HOSTS, dict.fromkeys(PHONES, HostSettings(phone="+13125550177")))) == 1


def test_the_fallback_number_has_a_plain_key() -> None:
    """Without a number of any host, the fallback is texted once, whichever hosts there are."""
    message = one(of_hosts(HOSTS, {}, host_phone="+13125550177"))

    assert (message.to, message.key.count("/host/"), message.key[-1]) == ("+13125550177", 1, "Z")


# Quiet hours, in Chicago (UTC-6): 21:00 is 03:00 UTC, 08:00 is 14:00 UTC; the meeting is at 06:00 on the 25th.


def utc(text: str) -> datetime:
    """Read "25 14:00" as UTC in November 2026."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(FOLLOW_UP, "25 14:00", id="a follow-up at seven waits until eight"),
        pytest.param(replace(REMIND, offset=HOUR), "25 02:00", id="a reminder at five goes out the evening before"),
        pytest.param(replace(REMIND, offset=15 * HOUR), "24 21:00", id="a reminder in the afternoon stays"),
        pytest.param(replace(REMIND, offset=23 * HOUR), "24 14:00", id="a reminder at seven the day before waits"),
        pytest.param(replace(FOLLOW_UP, quiet_hours=False), "25 13:00", id="a rule that does not care"),
        pytest.param(replace(REMIND, offset=HOUR, quiet_hours=False), "25 11:00", id="nor does this"),
    ],
)
def test_quiet_hours(rule: Rule, expected: str) -> None:
    """Quiet hours move when a message may leave, and end its life where that is night; not when it was due."""
    message, plain = planned_for(booking(), rule, quiet_hours=NIGHT), planned_for(booking(), rule)

    assert utc(expected) == message.next_at
    # A distance is that of the moment at which it leaves: `test_offset.py`.
    assert message == replace(plain, next_at=message.next_at, expires_at=message.expires_at, params=message.params)
    assert message.params.keys() == plain.params.keys()
    assert message.expires_at <= plain.expires_at
    assert plain.next_at == plain.scheduled_at


def test_quiet_hours_are_the_recipients() -> None:
    """The zone is the recipient's own: what is night for one is day for another."""
    rule = replace(REMIND, offset=HOUR)

    message = planned_for(booking(timezone="Asia/Tokyo"), rule, quiet_hours=NIGHT)

    assert (message.next_at, message.timezone) == (START - HOUR, "Asia/Tokyo")


def test_quiet_hours_can_leave_no_time() -> None:
    """A reminder that can go neither before nor after the night expires, and says so."""
    rule = replace(REMIND, offset=30 * HOUR)
    event = an_event(start=utc("26 12:00"))

    message = one(
        plan(
            a_booking(event),
            Policy(rules=(rule,), quiet_hours=NIGHT),
            replace(CONTEXT, now=utc("25 04:00")),
        )
    )

    assert (message.state, message.reason) == (State.EXPIRED, Reason.QUIET_HOURS)


@pytest.mark.parametrize(
    ("rule", "now", "expected"),
    [
        pytest.param(replace(REMIND, offset=HOUR), "25 01:00", "25 02:00", id="ahead of the hour before the night"),
        pytest.param(replace(REMIND, offset=HOUR), "25 03:10", "25 02:00", id="some minutes late"),
        pytest.param(replace(REMIND, offset=HOUR), "25 04:00", "25 11:00", id="that hour was missed: when it is due"),
        pytest.param(replace(REMIND, offset=HOUR), "25 11:00", "25 11:00", id="in the moment when it is due"),
        pytest.param(replace(REMIND, offset=HOUR), "25 11:30", "25 11:00", id="and later, likewise"),
        pytest.param(replace(FOLLOW_UP, offset=14 * HOUR), "26 04:00", "26 14:00", id="late, it waits for the morning"),
        pytest.param(replace(FOLLOW_UP, offset=14 * HOUR), "26 03:00", "26 14:00", id="as soon as it is night"),
        pytest.param(replace(FOLLOW_UP, offset=14 * HOUR), "26 02:59", "26 02:30", id="by day it is late and leaves"),
    ],
)
def test_what_is_planned_late_heeds_the_night(rule: Rule, now: str, expected: str) -> None:
    """A plan says when the text leaves, also one that is made when its time has come."""
    message = planned_for(booking(), rule, replace(CONTEXT, now=utc(now)), quiet_hours=NIGHT)

    assert (message.state, message.next_at) == (State.SCHEDULED, utc(expected))


def test_only_a_reminder_leaves_before_it_is_due() -> None:
    """A follow-up that dies in the night expires, for the evening before is too early for it."""
    follow_up = replace(FOLLOW_UP, offset=15 * HOUR, max_lateness=HOUR)

    message = planned_for(booking(), follow_up, quiet_hours=NIGHT)

    assert (message.state, message.reason) == (State.EXPIRED, Reason.QUIET_HOURS)


def test_a_reminder_that_dies_as_the_night_ends_goes_out_before_it() -> None:
    """What expires at the moment quiet hours end could never leave then: the evening before is its time.

    It is an everyday case: a meeting at six, a reminder 24 hours before that lives for two, quiet until eight.
    """
    message = planned_for(booking(), REMIND, quiet_hours=NIGHT)

    assert message.scheduled_at == utc("24 12:00")
    assert (message.next_at, message.expires_at) == (utc("24 02:00"), utc("24 03:15"))
    assert message.state is State.SCHEDULED


# For any bookings and rules.

MOMENTS = st.integers(-4 * 24 * 60, 4 * 24 * 60).map(lambda minutes: NOW + minutes * MINUTE)
PAST = st.integers(-4 * 24 * 60, 0).map(lambda minutes: NOW + minutes * MINUTE)
SPANS = st.integers(1, 60 * 48).map(lambda minutes: minutes * MINUTE) | st.sampled_from([MINUTE, HOUR, 2 * HOUR, DAY])


@st.composite
def bookings(draw: st.DrawFn) -> Booking:
    """Any booking: soon or past, active, canceled or moved, with and without a number, a name, hosts."""
    start = draw(MOMENTS)
    event = an_event(
        start=start,
        status=draw(st.sampled_from(["active", "active", "canceled", "paused"])),
        hosts=draw(st.lists(st.sampled_from(HOSTS), max_size=3, unique=True).map(tuple)),
        location=draw(st.sampled_from([None, Location("zoom", "", "https://example.com/j/1")])),
    )
    seen_at = draw(PAST)
    invitee = an_invitee(
        event,
        status=draw(st.sampled_from(["active", "active", "canceled"])),
        email=draw(st.sampled_from(["ines@example.com", "x@deleted.calendly.com"])),
        timezone=draw(st.sampled_from(["America/Chicago", "Asia/Kathmandu", "", "Nowhere/Atall", "UTC"])),
        text_reminder_number=draw(st.sampled_from([NUMBER, "+4915123456789", "+12", "", "landline"])),
        created_at=draw(st.none() | PAST),
        rescheduled=draw(st.booleans()),
        old_invitee=draw(st.sampled_from(["", OLD_HALF])),
        canceled_at=draw(st.none() | PAST),
        canceler_type=draw(st.sampled_from(["", "host", "invitee"])),
        no_show_at=draw(st.none() | PAST),
    )
    invitee = replace(invitee, name=draw(st.sampled_from(["Ines Okafor", "", "{{name}}", "http://x.example"])))
    return a_booking(event, invitee, seen_at=seen_at, moved_at=draw(st.none() | PAST))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any rules, each name once, with or without quiet hours and hosts' numbers."""
    rules = tuple(
        a_rule(
            draw(st.sampled_from(Trigger)),
            name=f"rule-{number}",
            to=draw(st.sampled_from(Audience)),
            offset=draw(SPANS),
            max_lateness=draw(SPANS),
            late=draw(st.sampled_from(Late)),
            quiet_hours=draw(st.booleans()),
            templates=draw(st.sampled_from([{"": "1"}, {"de": "2", "ja": "3"}])),
            to_canceler=draw(st.booleans()),
            event_types=draw(st.sampled_from([None, None, OTHER_TYPE])),
        )
        for number in range(draw(st.integers(1, 5)))
    )
    return Policy(
        rules=rules,
        hosts=draw(st.sampled_from([{}, PHONES, dict.fromkeys(PHONES, HostSettings(phone="+13125550177"))])),
        host_phone=draw(st.sampled_from(["", "+13125550177", "12"])),
        quiet_hours=draw(st.sampled_from([None, NIGHT, QuietHours(time(12), time(14)), QuietHours(time(0), time(23))])),
    )


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """Any births, and anybody told."""
    return Context(
        now=NOW,
        born_at=draw(PAST),
        rules_born_at={"rule-0": draw(PAST)},
        told=draw(st.frozensets(st.sampled_from(Audience))),
    )


@settings(deadline=None)  # the first number read loads the numbering plans
@given(bookings(), policies(), contexts())
def test_whatever_is_planned_is_sound(made: Booking, policy: Policy, context: Context) -> None:
    """No key comes twice, no life ends before it begins, and what is scheduled can be sent, in time, to somebody."""
    found = plan(made, policy, context)

    assert len({message.key for message in found}) == len(found)
    for message in found:
        rule = policy.rule(message.rule)
        assert rule is not None
        assert message.key.startswith(f"{made.uri}/{message.rule}/{utc_text(made.event.start)}")
        assert message.expires_at >= message.scheduled_at or rule.on is Trigger.BEFORE_START
        assert message.state in {State.SCHEDULED, State.SKIPPED, State.EXPIRED}
        assert bool(message.reason) is (message.state is not State.SCHEDULED)
        assert (message.meeting_at, message.changed_at, message.attempts) == (made.event.start, NOW, 0)
        if message.state is State.SCHEDULED:
            assert_can_be_sent(message, rule, made, context)


def assert_can_be_sent(message: Message, rule: Rule, made: Booking, context: Context) -> None:
    """Check what every scheduled message has."""
    assert message.to.startswith("+")
    assert message.template in rule.templates.values()
    assert set(message.params) == set(rule.params)
    assert all(value.strip() and not set("{}") & set(value) for value in message.params.values())
    assert message.timezone
    assert message.expires_at > context.now
    assert message.next_at < message.expires_at
    assert message.scheduled_at >= context.born_at
    assert message.scheduled_at >= context.rules_born_at.get(rule.name, context.born_at)
    assert not made.invitee.erased
    assert made.canceled is (rule.on is Trigger.CANCELED)
    if rule.on is Trigger.BEFORE_START:
        assert message.expires_at <= made.event.start
    if rule.on is Trigger.CANCELED:
        assert not made.invitee.rescheduled


@settings(deadline=None)
@given(bookings(), policies(), contexts(), st.integers(1, 5000))
def test_when_something_is_due_does_not_hang_on_now(
    made: Booking, policy: Policy, context: Context, minutes: int
) -> None:
    """A later plan of the same booking has the same keys, due times and lives: all that can pass is their time."""
    later = replace(context, now=NOW + minutes * MINUTE)

    first, second = (plan(made, policy, at) for at in (context, later))

    assert [(m.key, m.scheduled_at, m.expires_at) for m in first] == [
        (m.key, m.scheduled_at, m.expires_at) for m in second
    ]
    gone = [b for a, b in zip(first, second, strict=True) if a.reason in {Reason.SEEN_LATE, Reason.BEFORE_BIRTH}]
    assert all(message.state is not State.SCHEDULED for message in gone)


# Opt-outs.


def test_who_opted_out_is_skipped_with_number_and_times() -> None:
    """The message says to whom and when it would have gone; it holds no text. Others get theirs."""
    asked: list[str] = []

    def opted_out(number: str) -> bool:
        asked.append(number)
        return number == NUMBER

    context = replace(CONTEXT, opted_out=opted_out)
    wanted = planned_for(booking(), CONFIRM)
    skipped = planned_for(booking(), CONFIRM, context)
    other = planned_for(booking(text_reminder_number="+13125550143"), CONFIRM, context)

    assert skipped == replace(wanted, state=State.SKIPPED, reason=Reason.OPTED_OUT, template="", params={})
    assert other.state is State.SCHEDULED
    assert asked == [NUMBER, "+13125550143"]
