"""What is planned when a meeting gets another host: in place, by a move, there and back; who is told, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from syncer.model import Audience, Host, State, Takeover, host_key
from syncer.past import Past, Predecessor
from syncer.plan import NO_PAST, Context, plan
from syncer.reasons import Reason
from syncer.rules import DEFAULT_PARAMS, HostSettings, Policy, Rule, Trigger

if TYPE_CHECKING:
    from syncer.model import Booking, Event, Message

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MARA = Host("https://api.calendly.com/users/mara", "mara@northpier.example", "Mara Lindqvist")
JONAS = Host("https://api.calendly.com/users/jonas", "jonas@northpier.example", "Jonas Weber")
TIA = Host("https://api.calendly.com/users/tia", "tia@northpier.example", "Tia Third")
NUMBERS = {MARA.email: "+13125550190", JONAS.email: "+13125550191"}
OFFICE = "+13125550177"
EVENT = an_event("e2", hosts=(JONAS,))
START = EVENT.start


def a_rule(name: str, on: Trigger, **over: Any) -> Rule:
    """Make a rule to hosts with a life of six hours."""
    fields: dict[str, Any] = {"to": Audience.HOST, "params": DEFAULT_PARAMS[on], "max_lateness": 6 * HOUR}
    return Rule(name=name, on=on, templates={"": "1005"}, **(fields | over))


HOST = a_rule("host", Trigger.BOOKED, also_reassigned=True)
MOVED = a_rule("host-moved", Trigger.RESCHEDULED)
NEW_HOST = a_rule("new-host", Trigger.REASSIGNED)
OLD_HOST = a_rule("old-host", Trigger.REASSIGNED, to=Audience.FORMER_HOST)
GUEST = a_rule("guest", Trigger.REASSIGNED, to=Audience.INVITEE)


def policy(*rules: Rule, **over: Any) -> Policy:
    """Make a policy whose hosts Mara and Jonas have numbers of their own; the others have the office's."""
    hosts = {email: HostSettings(phone=number) for email, number in NUMBERS.items()}
    return Policy(rules=rules, hosts=hosts, host_phone=OFFICE, timezone="UTC", **over)


def booking(event: Event = EVENT, **over: Any) -> Booking:
    """Make a booking that was made three days ago."""
    fields = {"created_at": NOW - 3 * DAY} | over.pop("invitee", {})
    return a_booking(event, replace(an_invitee(event), **fields), **over)


def handed_over(*terms: Takeover, event: Event = EVENT, **over: Any) -> Booking:
    """Make a booking that these hosts had, in place."""
    return booking(event, takeovers={host_key(term.host): term for term in terms}, **over)


MARAS = Takeover(host=MARA, until=NOW - HOUR)
JONASS = Takeover(host=JONAS, since=NOW - HOUR)
IN_PLACE = handed_over(MARAS, JONASS)


def moved(start: datetime = START, *, hosts: tuple[Host, ...] = (JONAS,), at: datetime = NOW - HOUR) -> Booking:
    """Make the new half of a move."""
    event = replace(EVENT, start=start, end=start + HOUR, hosts=hosts)
    return booking(event, invitee={"created_at": at, "old_invitee": "old"}, seen_at=NOW)


def before(
    start: datetime = START, *, hosts: tuple[Host, ...] = (MARA,), texts: tuple[tuple[str, datetime], ...] = ()
) -> Predecessor:
    """Make a booking that another one was moved from; `texts` went to these numbers about these times."""
    event = an_event("e1", hosts=hosts, start=start, end=start + HOUR)
    old = booking(event, invitee={"status": "canceled", "rescheduled": True, "canceled_at": NOW - HOUR})
    sent = tuple(
        a_message(
            old,
            key=f"{old.uri}/host/{number}",
            rule="host",
            audience=Audience.HOST,
            to=to,
            state=State.SENT,
            meeting_at=about,
            scheduled_at=NOW - 2 * DAY,
            changed_at=NOW - 2 * DAY + number * MINUTE,
        )
        for number, (to, about) in enumerate(texts)
    )
    return Predecessor(old, sent)


def planned(
    made: Booking, *rules: Rule, past: Past = NO_PAST, born_at: datetime = NOW - 9 * DAY, **over: Any
) -> list[Message]:
    """Plan these rules for a booking."""
    context = Context(now=NOW, born_at=born_at, past=past, **over.pop("context", {}))
    return plan(made, policy(*rules, **over), context)


def shown(messages: list[Message]) -> list[tuple[str, str, str, datetime]]:
    """Write each message: rule and host in its key, its number, its state with the reason, when it is due."""
    return [
        (
            f"{message.rule} {message.key.rpartition('/')[2]}",
            message.to,
            f"{message.state}" + (f" {message.reason}" if message.reason else ""),
            message.scheduled_at,
        )
        for message in messages
    ]


AT = NOW - HOUR
MARAS_NUMBER, JONASS_NUMBER = NUMBERS[MARA.email], NUMBERS[JONAS.email]


@pytest.mark.parametrize(
    ("made", "rules", "past", "expected"),
    [
        pytest.param(
            IN_PLACE,
            (NEW_HOST, OLD_HOST),
            Past(),
            [
                ("new-host jonas", JONASS_NUMBER, "scheduled", AT),
                ("old-host mara", MARAS_NUMBER, "scheduled", AT),
            ],
            id="in place: both hear of it when it was noticed",
        ),
        pytest.param(
            IN_PLACE, (HOST,), Past(), [("host jonas", JONASS_NUMBER, "scheduled", AT)], id="the built-in rule"
        ),
        pytest.param(
            handed_over(MARAS, replace(JONASS, count=2)),
            (HOST, GUEST),
            Past(),
            [("host jonas~2", JONASS_NUMBER, "scheduled", AT), ("guest jonas~2", "+13125550142", "scheduled", AT)],
            id="for the second time: another key",
        ),
        pytest.param(
            handed_over(MARAS, Takeover(host=TIA, count=3, since=AT), event=replace(EVENT, hosts=(TIA,))),
            (HOST,),
            Past(),
            [("host tia", OFFICE, "scheduled", AT)],
            id="the office hears of it once, however often it comes back",
        ),
        pytest.param(
            handed_over(replace(MARAS, host=TIA), JONASS),
            (OLD_HOST,),
            Past(),
            [("old-host tia", "", "skipped no_number", AT)],
            id="a former host without a number: the office is not told",
        ),
        pytest.param(booking(), (NEW_HOST, OLD_HOST, GUEST), Past(), [], id="never handed over"),
        pytest.param(
            moved(),
            (NEW_HOST, OLD_HOST, HOST),
            Past(predecessors=(before(),)),
            [
                ("new-host jonas", JONASS_NUMBER, "scheduled", AT),
                ("old-host mara", MARAS_NUMBER, "scheduled", AT),
                ("host jonas", JONASS_NUMBER, "scheduled", AT),
            ],
            id="by a move to the same time",
        ),
        pytest.param(
            moved(START + DAY, at=NOW - MINUTE),
            (HOST,),
            Past(predecessors=(before(hosts=(JONAS,), start=START), before(start=START))),
            [("host jonas", JONASS_NUMBER, "scheduled", NOW - MINUTE)],
            id="moved again since, and nobody was told: the last move counts",
        ),
        pytest.param(
            moved(START, at=NOW - MINUTE),
            (HOST,),
            Past(predecessors=(before(hosts=(JONAS,), start=START + DAY), before(texts=((MARAS_NUMBER, START),)))),
            [("host jonas", JONASS_NUMBER, "scheduled", NOW - MINUTE)],
            id="moved back to the time that the former host knows",
        ),
        pytest.param(
            moved(START, at=NOW - MINUTE),
            (HOST,),
            Past(predecessors=(before(hosts=(JONAS,), start=START), before())),
            [("host jonas", JONASS_NUMBER, "expired seen_late", NOW - 3 * DAY)],
            id="moved to the same time since: the hand-over counts",
        ),
        pytest.param(
            moved(START, hosts=(JONAS,)),
            (NEW_HOST, HOST),
            Past(predecessors=(before(texts=((JONASS_NUMBER, START),)),)),
            [],
            id="who knows of it already is not told",
        ),
        pytest.param(
            moved(START, hosts=(JONAS,)),
            (NEW_HOST,),
            Past(predecessors=(before(hosts=()),)),
            [],
            id="nobody can say who had it before",
        ),
        pytest.param(
            replace(IN_PLACE, event=replace(EVENT, start=NOW - 2 * HOUR, end=NOW + HOUR)),
            (NEW_HOST,),
            Past(),
            [("new-host jonas", "", "skipped after_start", AT)],
            id="after the start it is no news",
        ),
    ],
)
def test_who_hears_of_a_hand_over(
    made: Booking, rules: tuple[Rule, ...], past: Past, expected: list[tuple[str, str, str, datetime]]
) -> None:
    """By its rule, at the moment of the hand-over or of the move since then."""
    messages = planned(made, *rules, past=past)

    assert shown(messages) == expected
    assert [m.expires_at for m in messages if m.to] == [
        min(m.scheduled_at + 6 * HOUR, m.meeting_at) for m in messages if m.to
    ]


def test_what_was_before_the_birth_is_skipped() -> None:
    """Of the database, and of the rule."""
    born = planned(IN_PLACE, NEW_HOST, born_at=NOW - MINUTE)
    rule = planned(IN_PLACE, NEW_HOST, context={"rules_born_at": {"new-host": NOW - MINUTE}})

    assert [(m.state, m.reason) for m in born + rule] == [
        (State.SKIPPED, Reason.BEFORE_BIRTH),
        (State.SKIPPED, Reason.BEFORE_RULE),
    ]
    assert {m.key.rpartition("/")[2] for m in born + rule} == {"jonas"}


def test_nobody_hears_of_an_erased_guest() -> None:
    """A text to the host would hold what is left of them."""
    made = replace(IN_PLACE, invitee=replace(IN_PLACE.invitee, email="1@deleted.calendly.com"))

    assert {(m.to, m.reason) for m in planned(made, NEW_HOST, OLD_HOST)} == {("", Reason.ERASED)}


def test_news_of_the_time_and_of_the_hand_over_are_one_text() -> None:
    """A second host who was there all along hears of the move by the rule for moves."""
    made = moved(START + DAY, hosts=(MARA, JONAS))
    past = Past(predecessors=(before(texts=((MARAS_NUMBER, START),)),))

    assert shown(planned(made, MOVED, NEW_HOST, past=past)) == [
        ("host-moved mara", MARAS_NUMBER, "scheduled", AT),
        ("new-host jonas", JONASS_NUMBER, "scheduled", AT),
    ]


def test_a_move_in_place_ends_a_hand_over() -> None:
    """From then on the new host is a host like any other."""
    [message] = planned(replace(IN_PLACE, moved_at=NOW - MINUTE), MOVED, NEW_HOST)

    assert (message.rule, message.to, message.scheduled_at) == ("host-moved", JONASS_NUMBER, NOW - MINUTE)


def told(made: Booking, to: str, key: str) -> Message:
    """Make a text that told a host of a booking."""
    key = f"{made.uri}/host/{key}"
    return a_message(made, key=key, rule="host", audience=Audience.HOST, to=to, state=State.SENT)


def test_a_move_that_the_new_host_was_told_of_is_no_news_again() -> None:
    """The text about it is planned as it was, so that it stays one; a text to somebody else told them nothing."""
    made = moved(START, at=NOW - MINUTE)
    chain = (before(hosts=(JONAS,), start=START + DAY), before())
    key = planned(made, HOST, past=Past(predecessors=chain))[0].key.removeprefix(f"{made.uri}/host/")

    texts = {
        to: planned(made, HOST, past=Past(messages=(told(made, to, key),), predecessors=chain))
        for to in (JONASS_NUMBER, MARAS_NUMBER)
    }

    assert shown(texts[JONASS_NUMBER]) == [("host jonas", JONASS_NUMBER, "expired seen_late", NOW - 3 * DAY)]
    assert shown(texts[MARAS_NUMBER]) == [("host jonas", JONASS_NUMBER, "scheduled", NOW - MINUTE)]


@pytest.mark.parametrize(("office", "expected"), [(OFFICE, []), ("", ["skipped no_number"])])
def test_a_text_whose_number_was_erased_told_nobody_who_has_none(office: str, expected: list[str]) -> None:
    """A host without a number is skipped with the reason; the office's number that was told is not told twice."""
    made = handed_over(MARAS, Takeover(host=TIA, since=AT), event=replace(EVENT, hosts=(TIA,)))
    context = Context(now=NOW, born_at=NOW - 9 * DAY, past=Past(messages=(told(made, office, "other"),)))

    messages = plan(made, replace(policy(NEW_HOST), host_phone=office), context)

    assert [f"{message.state} {message.reason}" for message in messages] == expected


def test_each_host_who_took_over_is_judged_alone() -> None:
    """One took it over before the birth, for the second time; the other one since."""
    hosts = replace(EVENT, hosts=(JONAS, TIA))
    made = handed_over(
        MARAS, Takeover(host=JONAS, count=2, since=NOW - 2 * DAY), Takeover(host=TIA, since=AT), event=hosts
    )

    assert shown(planned(made, NEW_HOST, born_at=NOW - DAY)) == [
        ("new-host jonas~2", "", "skipped before_birth", NOW - 2 * DAY),
        ("new-host tia", OFFICE, "scheduled", AT),
    ]


@pytest.mark.parametrize(
    ("other", "is_told_of_the_move"),
    [
        pytest.param(NEW_HOST, False, id="a rule for new hosts"),
        pytest.param(HOST, False, id="a rule for new bookings that is for them, too"),
        pytest.param(replace(NEW_HOST, event_types=frozenset({EVENT.name})), False, id="for this kind by its name"),
        pytest.param(
            replace(NEW_HOST, event_types=frozenset({EVENT.event_type})), False, id="for this kind by its URI"
        ),
        pytest.param(replace(NEW_HOST, event_types=frozenset({"Erstgespräch"})), True, id="for another kind of event"),
        pytest.param(replace(HOST, also_reassigned=False), True, id="a rule for new bookings alone"),
        pytest.param(OLD_HOST, True, id="a rule for former hosts"),
        pytest.param(GUEST, True, id="a rule for guests"),
        pytest.param(replace(GUEST, on=Trigger.BOOKED, also_reassigned=True), True, id="and one that is for them, too"),
    ],
)
def test_a_new_host_hears_of_a_move_unless_a_rule_tells_of_the_hand_over(
    other: Rule, is_told_of_the_move: bool
) -> None:
    """With the hand-over they hear of the time."""
    messages = planned(moved(START + DAY), MOVED, other, past=Past(predecessors=(before(),)))

    assert [m.rule for m in messages if m.to == JONASS_NUMBER].count("host-moved") == is_told_of_the_move
