"""Quiet hours in the loop: whatever the interval and its phase, each reminder leaves once, never in the deep night."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders import an_event, an_invitee
from support.databases import a_store
from support.worker_on_fakes import WorkerOnFakes
from syncer.model import WAITING, State
from syncer.outbox import NotNow
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from syncer.config import Settings
    from syncer.store import Store

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
QUIET = 'lookback = "2d"\n[quiet_hours]\nfrom = "21:00"\nto = "08:00"\n'
EVENING = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
"""An hour before quiet hours begin, on the day before the meetings."""
MEETINGS = {"07:00": (7, 0), "08:30": (8, 30), "20:30": (20, 30), "21:30": (21, 30)}
ALL = {f"{at} {rule}" for at in MEETINGS for rule in ("reminder-24h", "reminder-1h")}
BOOKED_LATE = {"07:00 reminder-1h", "08:30 reminder-1h", "20:30 reminder-1h", "21:30 reminder-1h", "21:30 reminder-24h"}
"""What is due, or has its hour before quiet hours, when somebody books in the evening at 20:31."""

Break = tuple[datetime, datetime]
NO_BREAKS: tuple[Break, ...] = ()


def on_both_evenings(begin: timedelta, end: timedelta) -> tuple[Break, ...]:
    """Break off the loop on both evenings; what starts again runs at once."""
    return tuple((EVENING + day + begin, EVENING + day + end) for day in (timedelta(), DAY))


BREAKS = {
    "no break": NO_BREAKS,
    "a restart at 20:59": on_both_evenings(58 * MINUTE, 59 * MINUTE + timedelta(seconds=30)),
    "an outage from 20:50 to 21:05": on_both_evenings(50 * MINUTE, 65 * MINUTE),
}


def starts(stage: WorkerOnFakes, booked_at: datetime) -> dict[str, str]:
    """Put the meetings into Calendly, each with a guest of its own; returns the time of each by its invitee."""
    named = {}
    for number, (at, (hour, minute)) in enumerate(MEETINGS.items()):
        start = (EVENING + DAY).replace(hour=hour, minute=minute)
        event = an_event(f"e{number}", start=start)
        phone = f"+131255501{number + 10}"
        invitee = an_invitee(event, created_at=booked_at, timezone="UTC", text_reminder_number=phone)
        stage.calendly.put(event, invitee)
        named[invitee.uri] = at
    return named


def ticks(first: datetime, last: datetime, interval: timedelta, breaks: tuple[Break, ...]) -> Iterator[datetime]:
    """List the moments of the runs of a loop: after a break the first is at once, and the others count from it."""
    at = first
    while at <= last:
        inside = next((end for begin, end in breaks if begin <= at < end), None)
        if inside is not None:
            at = inside
        yield at
        following = at + interval
        cut = next(
            (end for begin, end in breaks if at < begin <= following < end or at < begin < end <= following), None
        )
        at = following if cut is None else cut


def loop(
    stage: WorkerOnFakes, moments: Iterator[datetime], left: dict[str, list[datetime]], named: dict[str, str]
) -> None:
    """Run at these moments; those at which nothing is due and nothing is news are left out, as nothing happens then."""
    news = True
    for moment in moments:
        stage.now = moment
        waiting = stage.store.waiting()
        if news or (waiting is not None and waiting <= moment):
            before = len(stage.gateway.texts)
            stage.run()
            news = False
            for text in stage.gateway.texts[before:]:
                uri, rule, _ = text.key.rsplit("/", 2)
                if rule.startswith("reminder"):
                    left.setdefault(f"{named[uri]} {rule}", []).append(moment)


def is_deep_night(moment: datetime) -> bool:
    """Whether nobody may be texted: later than a late run may be, up to the end of quiet hours."""
    clock = moment.hour * 60 + moment.minute
    return clock >= 21 * 60 + 15 or clock < 8 * 60


@pytest.fixture
def stage(settings: Callable[..., Settings], tmp_path: Path) -> Iterator[WorkerOnFakes]:
    """A worker with quiet hours, and a database of some days before."""
    with a_store(tmp_path / "quiet.db", now=EVENING - 10 * DAY) as store:
        yield WorkerOnFakes(settings(QUIET), store)


@pytest.fixture
def fresh(settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Callable[[], WorkerOnFakes]]:
    """A maker of workers with quiet hours, each with a database of its own."""
    opened: list[Store] = []

    def make() -> WorkerOnFakes:
        store = a_store(tmp_path / f"quiet-{len(opened)}.db", now=EVENING - 10 * DAY)
        opened.append(store)
        return WorkerOnFakes(settings(QUIET), store)

    yield make
    for store in opened:
        store.db.close()


@pytest.mark.parametrize("minutes", [1, 5, 15])
@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize(
    ("booked", "expected"),
    [
        pytest.param(EVENING - 5 * DAY, ALL, id="booked days before"),
        pytest.param(EVENING + 31 * MINUTE, BOOKED_LATE, id="booked at 20:31"),
        pytest.param(EVENING + 49 * MINUTE, BOOKED_LATE, id="booked at 20:49"),
    ],
)
def test_every_reminder_leaves_once_and_never_in_the_deep_night(
    fresh: Callable[[], WorkerOnFakes],
    figures: Callable[..., None],
    full: bool,
    minutes: int,
    name: str,
    booked: datetime,
    expected: set[str],
) -> None:
    """Phases of each interval, 30 in the long form, with and without a break of the loop."""
    interval, phases = timedelta(minutes=minutes), 30 if full else 3
    texts, latest = 0, timedelta()
    for phase in range(phases):
        stage = fresh()
        begin = max(EVENING - 13 * HOUR, booked) + interval * phase / phases
        left: dict[str, list[datetime]] = {}
        loop(stage, ticks(begin, EVENING + DAY + 2 * HOUR, interval, BREAKS[name]), left, starts(stage, booked))

        counts = Counter({key: len(moments) for key, moments in left.items()})
        night = {key: moments for key, moments in left.items() if any(map(is_deep_night, moments))}
        assert counts == dict.fromkeys(expected, 1), f"phase {phase}"
        assert night == {}, f"phase {phase}"
        texts += sum(counts.values())
        evening = [moment for moments in left.values() for moment in moments if moment.hour >= EVENING.hour]
        latest = max([latest, *(moment - moment.replace(hour=0, minute=0, second=0) for moment in evening)])
    assert texts == phases * len(expected)
    case = f"interval {minutes} min, {name}, booked {booked:%d at %H:%M}"
    figures(f"quiet hours in the loop: {case}", phases=phases, texts=texts, latest=str(latest))


@pytest.mark.parametrize(("interval", "expected"), [("1m", 15), ("15m", 15), ("16m", 16), ("1h", 60)])
def test_how_late_a_run_may_come_follows_the_interval(
    settings: Callable[..., Settings], interval: str, expected: int
) -> None:
    """A quarter of an hour at least, and no less than lies between two runs."""
    assert settings(f'interval = "{interval}"').policy.late_run == expected * MINUTE


def test_the_slot_is_an_hour_wide(stage: WorkerOnFakes) -> None:
    """A meeting at seven: its reminder may leave from eight in the evening, and still some minutes after nine."""
    starts(stage, EVENING - 5 * DAY)
    stage.now = EVENING - 12 * HOUR
    stage.run()
    [reminder] = [m for m in stage.store.messages() if m.rule == "reminder-1h" and m.meeting_at.hour == 7]

    assert (reminder.state, reminder.next_at) == (State.SCHEDULED, EVENING)
    assert reminder.scheduled_at == EVENING + 10 * HOUR


@pytest.mark.parametrize("planned", [-600, -60, 0, 30, 59, 74])
def test_the_same_message_has_the_same_time_whoever_plans_it(stage: WorkerOnFakes, planned: int) -> None:
    """Planned the morning before or some minutes after nine: not the moment of planning decides."""
    starts(stage, EVENING - 5 * DAY)
    stage.gateway.answer(NotNow("EngageLab 5001: busy", "5001"), times=10)
    stage.now = EVENING + planned * MINUTE
    stage.run()
    times = {
        m.meeting_at.hour: (m.scheduled_at, m.expires_at, m.next_at if m.state is State.SCHEDULED else None)
        for m in stage.store.messages()
        if m.rule == "reminder-1h" and m.meeting_at.hour in {7, 20}
    }

    assert times[7][:2] == (EVENING + 10 * HOUR, EVENING + 11 * HOUR)
    assert times[7][2] in {EVENING, None}
    assert times[20] == (EVENING + DAY - 30 * MINUTE, EVENING + DAY + 30 * MINUTE, EVENING + DAY - 30 * MINUTE)


def test_planning_again_changes_nothing(stage: WorkerOnFakes) -> None:
    """Each hour of two days the events are read again, as if each had changed: no time moves but by a late run."""
    starts(stage, EVENING - 5 * DAY)
    seen: dict[str, set[tuple[datetime, datetime]]] = {}
    for hour in range(-13, 26):
        stage.now = EVENING + hour * HOUR
        for event in list(stage.calendly.known.values()):
            stage.calendly.put(replace(event, name=f"Phone consultation {hour}"))
        stage.run()
        for message in stage.store.messages(states=sorted(WAITING)):
            if message.rule.startswith("reminder"):
                seen.setdefault(message.key, set()).add((message.next_at, message.expires_at))

    assert {len(times) for times in seen.values()} == {1}


def test_a_missed_slot_is_not_made_up_for_in_the_deep_night(stage: WorkerOnFakes) -> None:
    """The worker is down from seven to two: the reminder for seven o'clock leaves when it is due, at six."""
    left: dict[str, list[datetime]] = {}
    named = starts(stage, EVENING - 5 * DAY)
    stage.now = EVENING - HOUR
    stage.run()
    begin = EVENING + 6 * HOUR
    loop(stage, ticks(begin, begin + 5 * HOUR, MINUTE, NO_BREAKS), left, named)

    assert left == {"07:00 reminder-1h": [EVENING + 10 * HOUR]}


def test_a_refused_text_is_not_tried_again_in_the_night(stage: WorkerOnFakes) -> None:
    """The gateway wants no text from 20:30 on: what outlives the night waits for its end, what does not expires."""
    starts(stage, EVENING - 5 * DAY)
    busy = NotNow("EngageLab 5001: busy", "5001")
    tried: list[datetime] = []

    def refuse(_: object) -> NotNow:
        tried.append(stage.now)
        return busy

    stage.now = EVENING - HOUR
    stage.run()
    stage.gateway.policy = refuse
    for minute in range(13 * 60 - 1):
        stage.now = EVENING + minute * MINUTE
        waiting = stage.store.waiting()
        if waiting is not None and waiting <= stage.now:
            stage.run()
    night = [moment for moment in tried if is_deep_night(moment)]
    expired = [m for m in stage.store.messages(states=["expired"]) if m.rule.startswith("reminder")]
    gone = {m.rule: m.reason for m in expired if m.meeting_at.hour == 21}

    # The meeting at seven is today's when its reminder is due: that one is tried when it is due, at six and after.
    assert all(moment >= EVENING + 10 * HOUR for moment in night)
    assert gone == {"reminder-24h": Reason.LATE}
    assert not [m for m in stage.store.messages(states=["sent"]) if m.rule.startswith("reminder")]


@pytest.mark.parametrize(("lateness", "expected"), [("2h", None), ("24h", 8)])
def test_a_follow_up_never_leaves_before_its_meeting(
    settings: Callable[..., Settings], tmp_path: Path, lateness: str, expected: int | None
) -> None:
    """A meeting from 21:00 to 21:30: thanks for it come at the end of quiet hours, or not at all."""
    toml = QUIET + f'[[rule]]\nname = "thanks"\non = "after_end"\ntemplate = "1004"\nmax_lateness = "{lateness}"\n'
    with a_store(tmp_path / "thanks.db", now=EVENING - 10 * DAY) as store:
        stage = WorkerOnFakes(settings(toml), store)
        event = an_event(start=EVENING + HOUR)
        stage.calendly.put(event, an_invitee(event, created_at=EVENING - 5 * DAY, timezone="UTC"))
        for quarter in range(-40, 60):
            stage.now = EVENING + quarter * 15 * MINUTE
            before = len(stage.gateway.texts)
            stage.run()
            if len(stage.gateway.texts) > before:
                assert expected is not None
                assert stage.now == (EVENING + DAY).replace(hour=expected)
        [message] = store.messages()

        assert len(stage.gateway.texts) == (expected is not None)
        assert message.state is (State.EXPIRED if expected is None else State.SENT)
        assert expected is not None or message.reason is Reason.QUIET_HOURS


def test_what_a_lost_database_may_have_sent_in_the_evening_is_not_sent_again(stage: WorkerOnFakes) -> None:
    """A backup of the afternoon is put back at half past eight: the reminder for seven may have left at eight."""
    starts(stage, EVENING - 5 * DAY)
    stage.now = EVENING - 2 * HOUR
    stage.run()
    stage.now = EVENING + 30 * MINUTE
    stage.store.restored(stage.now)
    stage.run()
    at_seven = [m for m in stage.store.messages() if m.meeting_at.hour == 7 and m.rule == "reminder-1h"]

    assert [(m.state, m.reason) for m in at_seven] == [(State.UNKNOWN, Reason.RESTORED)]
    assert not [text for text in stage.gateway.texts if "/e0/" in text.key and "reminder-1h" in text.key]


def test_what_a_lost_database_may_have_sent_is_not_planned_to_leave_later(stage: WorkerOnFakes) -> None:
    """Planned for the first time after that, too: its hour before the restore counts, not when it is due."""
    stage.now = EVENING - 2 * HOUR
    stage.run()
    stage.now = EVENING + 90 * MINUTE
    stage.store.restored(stage.now)
    starts(stage, EVENING - 5 * DAY)
    stage.run()
    at_seven = [m for m in stage.store.messages() if m.meeting_at.hour == 7 and m.rule == "reminder-1h"]

    assert [(m.state, m.reason) for m in at_seven] == [(State.UNKNOWN, Reason.RESTORED)]
