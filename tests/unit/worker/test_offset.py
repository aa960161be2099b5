"""`{offset}` says what is left when the text leaves, in all our languages; what was sent is what was stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.fake_clients import FakeGateway
from support.worker_on_fakes import CONTENTS, WorkerOnFakes, states, wait_for
from syncer.dates import distance_left, in_words
from syncer.doubles import without_doubles
from syncer.engagelab import Template
from syncer.foresight import foresee
from syncer.model import State
from syncer.outbox import NotNow
from syncer.plan import Context, plan
from syncer.reasons import Reason
from syncer.rules import Late, Policy, QuietHours, Rule, Trigger
from syncer.wording import at_leaving, momentary

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.model import Booking, Message
    from syncer.store import Store

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVENT = an_event(start=NOW + 3 * DAY)
BOOKING = a_booking(EVENT, an_invitee(EVENT))
POLICY = Policy(timezone="America/Chicago", timezone_is_set=True)
RULE = Rule(
    name="reminder-1h",
    on=Trigger.BEFORE_START,
    templates={"": "1003"},
    offset=HOUR,
    params={"name": "{name}", "advance": "{offset}"},
)
START = EVENT.start


def at(text: str) -> timedelta:
    """Read "23:35" as hours and minutes."""
    hours, _, minutes = text.partition(":")
    return int(hours) * HOUR + int(minutes) * MINUTE


def planned(rule: Rule = RULE, booking: Booking = BOOKING, policy: Policy = POLICY) -> Message:
    """Plan the one message of a rule."""
    (message,) = plan(booking, replace(policy, rules=(rule,)), Context(now=NOW, born_at=NOW - 9 * DAY))
    return message


def said(rule: Rule, left: timedelta, language: str = "en", policy: Policy = POLICY) -> str:
    """What a reminder says that leaves so long before the start."""
    message = a_message(BOOKING, rule=rule.name, params={"name": "Ines Okafor", "advance": "?"}, language=language)
    return at_leaving(message, rule, BOOKING, START - left, policy)["advance"]


LEAVES = [
    ("1:00", "10:01", "10 hours"),
    ("1:00", "0:14", "14 minutes"),
    ("1:00", "0:10", "10 minutes"),
    ("24:00", "0:40", "40 minutes"),
    ("1:00", "0:58", "1 hour"),
    ("1:00", "0:56", "55 minutes"),
    ("24:00", "23:35", "24 hours"),
    ("24:00", "23:10", "23 hours"),
    ("2:00", "1:50", "110 minutes"),
    ("72:00", "71:00", "3 days"),
    # The steps, and what counts as full.
    ("1:00", "0:01", "1 minute"),
    ("24:00", "0:19", "19 minutes"),
    ("24:00", "0:20", "20 minutes"),
    ("24:00", "0:24", "20 minutes"),
    ("24:00", "0:59", "55 minutes"),
    ("24:00", "1:00", "1 hour"),
    ("24:00", "1:59", "110 minutes"),
    ("24:00", "2:00", "2 hours"),
    ("24:00", "2:29", "2 hours"),
    ("24:00", "2:30", "150 minutes"),
    ("24:00", "3:00", "3 hours"),
    ("24:00", "3:49", "3 hours"),
    ("24:00", "3:50", "4 hours"),
    ("72:00", "46:55", "47 hours"),
    ("72:00", "47:00", "2 days"),
    ("168:00", "70:59", "2 days"),
    ("168:00", "71:00", "3 days"),
    # Near enough: 5 %, at least 2 minutes, at most 30.
    ("1:00", "1:03", "1 hour"),
    ("0:10", "0:08", "10 minutes"),
    ("0:10", "0:07", "7 minutes"),
    ("168:00", "167:30", "7 days"),
    ("36:00", "35:29", "35 hours"),
]


@pytest.mark.parametrize(("rule", "left", "text"), LEAVES)
def test_what_is_left(rule: str, left: str, text: str) -> None:
    """The rule's own words while they are near enough, else rounded down."""
    assert said(replace(RULE, offset=at(rule)), at(left)) == text


OFFSETS = st.integers(1, 60 * 24 * 30).map(lambda minutes: minutes * MINUTE)
LEFT = st.integers(1, 60 * 60 * 24 * 40).map(lambda seconds: timedelta(seconds=seconds))


@given(LEFT, OFFSETS)
@example(30 * timedelta(seconds=1), DAY)
@example(47 * HOUR - timedelta(seconds=1), 9 * DAY)
def test_nobody_comes_late_by_trusting_it(left: timedelta, rule: timedelta) -> None:
    """Never more than is left, but for the rule's words when near, and ten minutes of hours or an hour of days."""
    told = distance_left(left, rule)
    near = min(max(rule / 20, 2 * MINUTE), 30 * MINUTE)

    if abs(rule - left) <= near:
        assert told == rule
    else:
        slack = 10 * MINUTE if left < 47 * HOUR else HOUR
        assert told <= max(left, MINUTE) or (told >= 3 * HOUR and told - left <= slack)
        assert told >= left - (DAY if left >= 47 * HOUR else HOUR)
        assert told >= MINUTE
    assert in_words(told, "en").split()[0] == str(told // _unit(told))


def _unit(told: timedelta) -> timedelta:
    """The unit in which a distance is said."""
    if told >= 2 * DAY and not told % DAY:
        return DAY
    return HOUR if not told % HOUR else MINUTE


@given(LEFT, LEFT, OFFSETS)
def test_less_left_is_never_said_to_be_more(one: timedelta, other: timedelta, rule: timedelta) -> None:
    """Apart from the rule's own words, which are a little off on both sides."""
    less, more = sorted((one, other))
    near = {distance_left(less, rule), distance_left(more, rule)} & {rule}

    assert near or distance_left(less, rule) <= distance_left(more, rule)


@pytest.mark.parametrize(
    ("language", "minutes", "hours", "days"),
    [
        ("en", "14 minutes", "10 hours", "2 days"),
        ("de", "14 Minuten", "10 Stunden", "2 Tage"),
        ("es", "14 minutos", "10 horas", "2 dias"),
        ("fr", "14 minutes", "10 heures", "2 jours"),
        ("pt", "14 minutos", "10 horas", "2 dias"),
        ("zh-TW", "14 分鐘", "10 小時", "2 天"),
        ("zh-CN", "14分钟", "10小时", "2天"),
        ("ja", "14 分", "10 時間", "2 日"),
    ],
)
def test_in_every_language(language: str, minutes: str, hours: str, days: str) -> None:
    """As the reader counts; Spanish days lose the accent that would make the text two SMS."""
    words = [said(RULE, left, language) for left in (14 * MINUTE, 10 * HOUR + MINUTE, 2 * DAY)]

    assert words == [minutes, hours, days]


def test_accents_stay_where_folding_is_off_or_does_not_help() -> None:
    """A name that is not in GSM-7 makes the text UCS-2 anyway."""
    bare = replace(POLICY, fold_accents=False)
    polish = replace(BOOKING, invitee=replace(BOOKING.invitee, name="Łukasz"))
    message = replace(planned(booking=polish), language="es")

    assert said(RULE, 2 * DAY, "es", bare) == "2 días"
    assert at_leaving(message, RULE, polish, START - 2 * DAY, POLICY)["advance"] == "2 días"


@pytest.mark.parametrize(
    ("on", "offset", "words"),
    [(Trigger.AFTER_END, 30 * MINUTE, "30 minutes"), (Trigger.BOOKED, 2 * HOUR, "2 hours")],
)
def test_what_is_behind_the_reader_is_not_counted(on: Trigger, offset: timedelta, words: str) -> None:
    """Of `after_end` and `booked` the rule's own words stand."""
    rule = replace(RULE, on=on, offset=offset)
    message = planned(rule)

    assert message.params["advance"] == words
    assert at_leaving(message, rule, BOOKING, START + 5 * DAY, POLICY) is message.params


def test_planned_from_the_moment_at_which_it_leaves() -> None:
    """The evening before, because of quiet hours; or at once, as the booking came late."""
    night = replace(POLICY, quiet_hours=QuietHours(NOW.replace(hour=21).time(), NOW.replace(hour=8).time()))
    early = a_booking(event := an_event(start=NOW.replace(hour=13) + DAY), an_invitee(event))  # 07:00 in Chicago
    evening = planned(replace(RULE, quiet_hours=True), early, night)
    soon = a_booking(event := an_event(start=NOW + 40 * MINUTE), an_invitee(event, created_at=NOW))
    late = planned(replace(RULE, offset=DAY, late=Late.SEND), soon)
    left = early.event.start - evening.next_at

    assert left > 9 * HOUR
    assert evening.params["advance"] == in_words(distance_left(left, HOUR), "en")
    assert late.params["advance"] == "40 minutes"


def test_words_stay_where_rule_booking_or_field_is_gone() -> None:
    """What was planned is better than nothing, and than a text of another rule."""
    message = planned()
    erased = replace(BOOKING, invitee=replace(BOOKING.invitee, name=""))
    mixed = replace(RULE, params={"advance": "{last_name}, in {offset}"})
    other = replace(RULE, params={"when": "{offset}"})

    assert at_leaving(message, None, BOOKING, NOW, POLICY) is message.params
    assert at_leaving(message, RULE, None, NOW, POLICY) is message.params
    assert at_leaving(message, other, BOOKING, NOW, POLICY) is message.params
    assert at_leaving(planned(mixed), mixed, erased, START - 9 * MINUTE, POLICY)["advance"] == "Okafor, in 1 hour"
    assert at_leaving(planned(mixed), mixed, BOOKING, START - 9 * MINUTE, POLICY)["advance"] == "Okafor, in 9 minutes"
    assert momentary(replace(RULE, params={"a": "{name|offset}", "b": "{ offset |soon}"})).keys() == {"b"}


def test_a_host_among_several_stays_who_they_are() -> None:
    """The key names the host, also when the words are written anew."""
    hosts = tuple(replace(EVENT.hosts[0], uri=f"https://x/users/{name}", name=name) for name in ("Mara", "Ida"))
    booking = a_booking(event := replace(EVENT, hosts=hosts), an_invitee(event))
    rule = replace(RULE, params={"advance": "{host_name} in {offset}"})
    message = planned(rule, booking)
    names = {
        at_leaving(replace(message, key=f"{message.key}/{host}"), rule, booking, START - 9 * MINUTE, POLICY)["advance"]
        for host in ("Ida", "Ida~2")
    }

    assert names == {"Ida in 9 minutes"}


def test_the_readers_zone_stays() -> None:
    """A time beside the distance is written anew in the zone that it was planned for."""
    rule = replace(RULE, params={"advance": "{start_time}, in {offset}"})
    message = replace(planned(rule), timezone="Europe/Berlin")
    clock = START.astimezone(ZoneInfo("Europe/Berlin")).strftime("%-I:%M")

    assert at_leaving(message, rule, BOOKING, START - 9 * MINUTE, POLICY)["advance"].startswith(clock)


def test_plan_shows_what_will_be_left() -> None:
    """From the moment at which it leaves: when due, or now if that is past."""
    template = Template(id="1003", content=CONTENTS["1003"], status=2)
    message = replace(planned(), params={"name": "Ines", "time": "10:00", "advance": "1 hour"})
    policy = replace(POLICY, rules=(RULE,))

    def shown(now: Any) -> str | None:
        (row,) = foresee(
            [message],
            bookings={BOOKING.uri: BOOKING},
            missing={},
            found={"1003": template},
            policy=policy,
            now=now,
            until=START,
        )
        assert row.text == f"Hello Ines, in {row.message.params['advance']}: 10:00"
        return row.text

    assert shown(NOW) == "Hello Ines, in 1 hour: 10:00"
    assert shown(START - 30 * MINUTE) == "Hello Ines, in 30 minutes: 10:00"


def test_a_second_seat_is_no_second_text() -> None:
    """Although the first one has left, and said something else than is planned."""
    second = replace(BOOKING, invitee=replace(BOOKING.invitee, uri=f"{EVENT.uri}/invitees/i2"))
    policy = replace(POLICY, rules=(RULE,))
    left = replace(planned(), state=State.SENT, attempts=1, params={"name": "Ines Okafor", "advance": "14 minutes"})
    wanted = {second.uri: [planned(booking=second)]}
    kept = without_doubles([BOOKING, second], wanted, {BOOKING.uri: [left]}, policy)
    (other,) = kept[second.uri]

    assert (other.state, other.reason) == (State.SKIPPED, Reason.DUPLICATE)


# With a worker.


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """The tutorial's settings on an empty database, and a guest with a meeting in two days."""
    made = WorkerOnFakes(settings(), store)
    made.run()
    event = an_event(start=NOW + 2 * DAY)
    made.calendly.put(event, an_invitee(event, created_at=NOW))
    made.run()
    return made


def reminders(stage: WorkerOnFakes) -> dict[str, Message]:
    """The reminders in the outbox, by rule."""
    return {row.rule: row for row in stage.store.messages() if row.rule.startswith("reminder")}


def test_after_an_outage_a_reminder_says_what_is_left(stage: WorkerOnFakes) -> None:
    """What was stored is what was sent, with its length; planned were the rule's own words."""
    before = reminders(stage)["reminder-1h"].params["advance"]
    stage.now = NOW + 2 * DAY - 14 * MINUTE
    stage.run()
    sent, stored = stage.gateway.texts[-1], reminders(stage)["reminder-1h"]

    assert before == "1 hour"
    assert stored.state is State.SENT
    assert sent.params["advance"] == "14 minutes"
    assert sent.params == stored.params
    assert stored.segments == 1


def test_a_retry_is_written_again(stage: WorkerOnFakes) -> None:
    """The first try said 55 minutes, and the gateway was not there; the second says what is left then."""
    stage.now = NOW + 2 * DAY - 56 * MINUTE
    stage.gateway.answer(NotNow("EngageLab 500", "500"))
    stage.run()
    first = reminders(stage)["reminder-1h"]
    stage.now += 20 * MINUTE
    stage.run()
    second = reminders(stage)["reminder-1h"]

    assert (first.state, first.params["advance"]) == (State.RETRYABLE, "55 minutes")
    assert (second.state, second.params["advance"]) == (State.SENT, "35 minutes")
    assert stage.gateway.texts[-1].params == second.params


def test_what_becomes_too_long_is_skipped(settings: Callable[..., Settings], store: Store) -> None:
    """One SMS as planned; one character more at its time."""
    stage = WorkerOnFakes(settings(segments_per_message=1), store)
    known = {**stage.gateway.known, "1003": Template(id="1003", content="{{name}}{{advance}}{{time}}", status=2)}
    stage.gateway = FakeGateway.of(*known.values())
    params = {"name": "Ines Okafor", "time": "x" * 143, "advance": "1 hour"}
    [message] = wait_for(
        stage,
        {"rule": "reminder-1h", "template": "1003", "params": params, "start": NOW + 14 * MINUTE},
    )
    stage.run()
    (row,) = stage.store.messages(keys=[message.key])

    assert (row.state, row.reason, row.segments) == (State.SKIPPED, Reason.TOO_LONG, 2)
    assert stage.gateway.texts == []


def test_each_text_of_a_slow_run_says_what_is_left_at_its_turn(settings: Callable[..., Settings], store: Store) -> None:
    """Written at the claim, not when the run began: the clock goes on between the two."""
    stage = WorkerOnFakes(settings(), store)
    words = {"name": "Ines", "time": "10:00", "advance": "1 hour"}
    over = {"rule": "reminder-1h", "template": "1003", "params": words, "start": NOW + 15 * MINUTE}
    messages = wait_for(stage, over, over)
    real = stage.gateway.send

    def slow(prepared: Any) -> Any:
        stage.now += 2 * MINUTE
        return real(prepared)

    stage.gateway.send = slow  # type: ignore[method-assign]
    stage.settings = replace(stage.settings, concurrency=1)
    stage.run()

    assert states(stage, messages) == [State.SENT, State.SENT]
    assert sorted(text.params["advance"] for text in stage.gateway.texts) == ["13 minutes", "15 minutes"]


def test_words_of_an_older_plan_are_written_anew() -> None:
    """Whatever waits in the database."""
    message = a_message(BOOKING, rule="reminder-1h", params={"name": "Ines", "advance": "3 Tage"})

    assert at_leaving(message, RULE, BOOKING, START - 9 * MINUTE, POLICY) == {"name": "Ines", "advance": "9 minutes"}
