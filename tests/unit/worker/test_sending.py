"""Sends as a run sees them: outages, pauses, several in flight, a stop, a crash, a full disk, a clock that jumps."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, NUMBER
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer.errors import Busy, ClockWrong, NoRoom, Stopped, StoreError
from syncer.model import Audience, State, utc_text
from syncer.outages import FIRST_PAUSE, IN_A_ROW
from syncer.outbox import Accepted, NoAnswer, NotNow
from syncer.reasons import Reason
from syncer.store import place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from support.fake_clients import Sent
    from syncer.config import Settings
    from syncer.model import Message
    from syncer.outbox import Outcome
    from syncer.store import Store
    from syncer.worker import Worker

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNREACHED = NotNow("EngageLab not reached: refused", unreached=True)


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """The tutorial's settings on an empty database."""
    return WorkerOnFakes(settings(), store)


# Outages and pauses.


@pytest.mark.parametrize(
    ("silence", "state"),
    [
        pytest.param(NoAnswer("EngageLab gave no usable answer: HTTP 502"), State.UNKNOWN, id="no answer"),
        pytest.param(UNREACHED, State.RETRYABLE, id="not reached"),
    ],
)
def test_an_outage_costs_three_messages_of_a_run(stage: WorkerOnFakes, silence: Outcome, state: State) -> None:
    """Not all that are due: the rest waits for the end of the pause, and leaves then."""
    messages = wait_for(stage, *[{}] * 8)
    stage.gateway.answer(silence, times=8)

    report = stage.run().report
    told = stage.told("sending.deferred")
    outage = states(stage, messages)
    stage.gateway._script.clear()  # the outage is over
    stage.now = NOW + FIRST_PAUSE
    stage.run()

    assert outage == [state] * IN_A_ROW + [State.SCHEDULED] * (8 - IN_A_ROW)
    assert [(one["reason"], one["until"]) for one in told] == [(Reason.OUTAGE, utc_text(NOW + FIRST_PAUSE))]
    assert report.deferred == 8 - IN_A_ROW
    assert states(stage, messages)[IN_A_ROW:] == [State.SENT] * (8 - IN_A_ROW)


def test_two_silences_with_an_answer_between_are_no_outage(stage: WorkerOnFakes) -> None:
    """Single losses do not stop the others."""
    messages = wait_for(stage, *[{}] * 8)
    for _ in range(2):
        stage.gateway.answer(NoAnswer("cut off"), times=IN_A_ROW - 1)
        stage.gateway.answer(Accepted("1"), accepted=True)

    stage.run()

    assert states(stage, messages) == ([State.UNKNOWN] * 2 + [State.SENT]) * 2 + [State.SENT] * 2


def test_a_rate_limit_outlives_the_run_and_the_process(stage: WorkerOnFakes) -> None:
    """What starts before its end sends nothing and asks nothing; the first run after it sends all."""
    messages = wait_for(stage, {}, {})
    stage.gateway.answer(NotNow("EngageLab 429", retry_after=timedelta(minutes=10), pauses_all=True))
    stage.run()
    asked = stage.gateway.list_calls
    stage.now = NOW + timedelta(minutes=9)

    early = stage.run().report
    [told] = stage.told("sending.deferred")
    paused = states(stage, messages), stage.gateway.list_calls - asked
    stage.now = NOW + timedelta(minutes=11, seconds=1)  # a tenth of jitter
    stage.run()

    assert paused == ([State.RETRYABLE, State.SCHEDULED], 0)
    assert (early.deferred, told["count"], told["reason"]) == (1, 1, Reason.PROVIDER_LATER)
    assert told["until"] == utc_text(NOW + timedelta(minutes=10))
    assert states(stage, messages) == [State.SENT, State.SENT]


def test_one_messages_many_tries_do_not_hold_up_the_others_for_long(stage: WorkerOnFakes) -> None:
    """Its own next try may be half an hour away; the pause of all ends after some four minutes."""
    [message] = wait_for(stage, {"state": State.RETRYABLE, "attempts": 9, "reason": Reason.PROVIDER_LATER})
    stage.gateway.answer(NotNow("EngageLab 429", pauses_all=True))
    stage.run()
    until = stage.store.paused_until(stage.now)
    [row] = stage.store.messages(keys=[message.key])

    assert until is not None
    assert timedelta(minutes=4) <= until - NOW <= timedelta(minutes=5)
    assert row.next_at - NOW >= timedelta(minutes=30)


def test_a_pause_is_an_hour_at_most(stage: WorkerOnFakes) -> None:
    """Whatever the gateway wishes, and whatever a wrong clock has made of it: a day would be a loss."""
    messages = wait_for(stage, {}, {})
    stage.gateway.answer(NotNow("EngageLab 429", retry_after=3 * DAY, pauses_all=True))
    stage.run()
    within = stage.store.paused_until(NOW)
    stage.store.pause(NOW + 300 * DAY)

    assert within is not None
    assert within - NOW <= HOUR
    assert stage.store.paused_until(NOW) is None
    stage.now = NOW + 61 * timedelta(minutes=1) + HOUR / 10
    stage.run()
    assert states(stage, messages) == [State.SENT, State.SENT]


# Caps.


def test_neighbours_over_the_cap_of_their_prefix_wait_an_hour(settings: Callable[..., Settings], store: Store) -> None:
    """Twenty bookings with twenty numbers in a row: ten an hour, across runs; everybody else and hosts go."""
    stage = WorkerOnFakes(settings("[limits]\nper_prefix_per_hour = 10\n"), store)
    host = {"to": "+447700900199", "audience": Audience.HOST, "rule": "host", "template": "1005"}
    messages = wait_for(stage, *[{"to": f"+4477009001{n:02}"} for n in range(20)], {"to": NUMBER}, host)

    first = stage.run().report
    told = stage.told("limit.reached")
    stage.now = NOW + timedelta(minutes=30)
    second = stage.run().report
    half = states(stage, messages)
    stage.now = NOW + timedelta(minutes=61)
    stage.run()

    assert (first.sent, first.deferred, second.sent) == (12, 10, 0)
    assert [(one["limit"], one["value"]) for one in told] == [("per_prefix_per_hour", 10)]
    assert half == [State.SENT] * 10 + [State.SCHEDULED] * 10 + [State.SENT] * 2
    assert states(stage, messages) == [State.SENT] * 22


# Real threads.


def threaded(stage: WorkerOnFakes) -> Worker:
    """A worker whose sends run side by side."""
    worker = stage.worker()
    worker.executor, worker.ticks = ThreadPoolExecutor, time.monotonic
    return worker


def test_so_many_are_in_flight_and_no_more(settings: Callable[..., Settings], store: Store) -> None:
    """`concurrency` of them meet at the gateway; each is committed as `sending` by then."""
    stage = WorkerOnFakes(settings("[limits]\nconcurrency = 4\nsends_per_second = 500\n"), store)
    messages = wait_for(stage, *[{}] * 12)
    meeting, most, lock = threading.Barrier(4, timeout=10), [0, 0], threading.Lock()

    def on_send(_: Sent) -> None:
        with lock:
            most[0] += 1
            most[1] = max(most)
        meeting.wait()  # 12 texts in three rounds: fewer in flight would break it
        with lock:
            most[0] -= 1

    stage.gateway.on_send = on_send
    threaded(stage).run_once()

    assert most[1] == 4
    assert states(stage, messages) == [State.SENT] * 12


def test_a_crash_leaves_at_most_those_in_flight_unknown(settings: Callable[..., Settings], store: Store) -> None:
    """The process dies while four are on their way: four are unknown to the next run, nobody is texted twice."""
    stage = WorkerOnFakes(settings("[limits]\nconcurrency = 4\nsends_per_second = 500\n"), store)
    messages = wait_for(stage, *[{}] * 12)
    meeting = threading.Barrier(4, timeout=10)

    class Killed(BaseException):
        """The end of the process, as far as one thread can play it."""

    def on_send(_: Sent) -> None:
        meeting.wait()
        raise Killed

    stage.gateway.on_send = on_send
    with pytest.raises(Killed):
        threaded(stage).run_once()
    left = states(stage, messages)
    stage.gateway.on_send = None
    stage.run()

    assert left.count(State.SENDING) == 4
    assert states(stage, messages).count(State.UNKNOWN) == 4
    assert states(stage, messages).count(State.SENT) == 8
    assert len({sent.key for sent in stage.gateway.sends}) == len(stage.gateway.sends) == 12


def test_a_signal_lets_those_in_flight_land(settings: Callable[..., Settings], store: Store) -> None:
    """SIGTERM while four are on their way: all four are committed as sent, the rest waits."""
    stage = WorkerOnFakes(settings("[limits]\nconcurrency = 4\nsends_per_second = 500\n"), store)
    messages = wait_for(stage, *[{}] * 12)
    worker = threaded(stage)
    meeting = threading.Barrier(4, timeout=10)

    def on_send(_: Sent) -> None:
        meeting.wait()
        worker.stop.set()
        time.sleep(0.05)  # the signal comes first, the answers later

    stage.gateway.on_send = on_send
    with contextlib.suppress(Stopped):
        worker.run_once()

    assert sorted(states(stage, messages)) == sorted([State.SENT] * 4 + [State.SCHEDULED] * 8)


# A clock that is set, a disk that is full.


@pytest.mark.parametrize("jump", [-DAY, -timedelta(minutes=5), timedelta(minutes=5), 365 * DAY], ids=str)
def test_a_clock_that_jumps_during_a_run_stops_it(stage: WorkerOnFakes, jump: timedelta) -> None:
    """After the first text the clock is set: nothing leaves by it; with the right time the next run goes on."""
    messages = wait_for(stage, {}, {})

    def on_send(_: Sent) -> None:
        stage.jump(jump)

    stage.gateway.on_send = on_send
    with pytest.raises(ClockWrong, match="clock jumped by"):
        stage.run()
    jumped = states(stage, messages)
    stage.gateway.on_send = None
    stage.jump(-jump)
    stage.run()

    assert jumped == [State.SENT, State.SCHEDULED]
    assert states(stage, messages) == [State.SENT, State.SENT]


def test_less_than_the_room_that_records_need_holds_all_texts(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up during a run: nothing is claimed any more, and one event says why."""
    messages = wait_for(stage, {}, {}, {})
    path = stage.store.db.conn.execute("PRAGMA database_list").fetchone()[2]
    stage.store._path = Path(path)

    def fill(_: Sent) -> None:
        monkeypatch.setattr(place, "FREE_SPACE", 1 << 60)

    stage.gateway.on_send = fill
    stage.run()

    assert states(stage, messages) == [State.SENT, State.SCHEDULED, State.SCHEDULED]
    assert stage.told("limit.reached") == [{"limit": "free disk space", "value": 0}]


@pytest.mark.parametrize(
    ("trouble", "ends"), [(NoRoom("full"), False), (Busy("held"), False), (StoreError("damaged"), True)]
)
def test_no_room_ends_a_run_and_damage_ends_the_loop(stage: WorkerOnFakes, trouble: StoreError, *, ends: bool) -> None:
    """A full disk may have room again; a disk that lies is not to be written to once more."""
    messages = wait_for(stage, {})
    worker = stage.worker()
    turn = stage.store.turn
    failed: list[Message] = []

    def once(answered: Sequence[Message], leaving: Sequence[Message], now: datetime) -> Any:
        if leaving and not failed:
            failed.extend(leaving)
            raise trouble
        worker.stop.set()
        return turn(answered, leaving, now)

    stage.store.turn = once  # type: ignore[method-assign]  # a disk that cannot
    if ends:
        with pytest.raises(StoreError, match="damaged"):
            worker.run_forever()
    else:
        worker.behind = True
        worker.run_forever()

    assert [one["error"] for one in stage.told("run.failed")] == [type(trouble).__name__]
    assert states(stage, messages) == [State.SCHEDULED if ends else State.SENT]
    # After an error of the disk not even the run's own row is written.
    assert stage.store.db.execute("SELECT count(*) FROM runs").fetchone()[0] == (0 if ends else 2)


# What leaves together.


@pytest.fixture
def quick(settings: Callable[..., Settings], store: Store) -> Callable[[str], WorkerOnFakes]:
    """A maker of stages on which eight texts leave at once, and no rate holds the next ones up."""

    def make(limits: str) -> WorkerOnFakes:
        return WorkerOnFakes(settings(f"[limits]\nconcurrency = 8\n{limits}", sends_per_second=float("inf")), store)

    return make


def commits(store: Store) -> list[str]:
    """From now on, each commit that wrote to messages."""
    told: list[str] = []

    def trace(statement: str) -> None:
        told.append(statement)
        if statement == "COMMIT":
            seen.extend(["COMMIT"] * any(one.startswith("UPDATE messages") for one in told))
            told.clear()

    seen: list[str] = []
    store.db.conn.set_trace_callback(trace)
    return seen


def test_what_leaves_together_is_claimed_together(quick: Callable[[str], WorkerOnFakes]) -> None:
    """All eight are `sending` before the first request leaves; sixteen texts take three commits."""
    stage = quick("")
    messages = wait_for(stage, *[{}] * 16)
    claimed: list[int] = []
    stage.gateway.on_send = lambda _: claimed.append(states(stage, messages).count(State.SENDING))
    seen = commits(stage.store)

    stage.run()

    assert claimed == [8] * 16
    assert states(stage, messages) == [State.SENT] * 16
    assert len(seen) == 3  # claims; results and claims; results


def test_nothing_that_must_be_waited_for_keeps_a_result_off_the_disk(
    settings: Callable[..., Settings], store: Store
) -> None:
    """At five a second the next text is a while off: the last one is `sent` before it is waited for."""
    stage = WorkerOnFakes(settings("[limits]\nsends_per_second = 5"), store)
    messages = wait_for(stage, {}, {}, {})
    worker = stage.worker()
    found: list[int] = []
    real = worker.stop.wait

    def wait(timeout: float | None = None) -> bool:
        found.append(states(stage, messages).count(State.SENT))
        return real(timeout)

    worker.stop.wait = wait  # type: ignore[method-assign]  # looks whenever the worker waits
    worker.run_once()

    assert found == [1, 2]


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        pytest.param("messages_per_run = 3", 3, id="a run"),
        pytest.param("messages_per_day = 5", 5, id="a day"),
        pytest.param("messages_per_run = 11", 11, id="the second wave"),
    ],
)
def test_a_cap_holds_within_a_wave(quick: Callable[[str], WorkerOnFakes], limits: str, sent: int) -> None:
    """What is chosen and not claimed yet counts."""
    stage = quick(limits)
    messages = wait_for(stage, *[{}] * 14)

    run = stage.run()

    assert states(stage, messages).count(State.SENT) == sent
    assert (run.report.sent, run.report.deferred) == (sent, 14 - sent)


def test_neighbours_in_a_wave_count_for_their_prefix(quick: Callable[[str], WorkerOnFakes]) -> None:
    """Numbers that differ in their last digits only."""
    stage = quick("per_prefix_per_hour = 3")
    messages = wait_for(stage, *[{"to": f"+1312555{number:04}"} for number in range(10)])

    run = stage.run()

    assert states(stage, messages).count(State.SENT) == 3
    assert run.report.deferred == 7


def test_each_of_a_wave_is_looked_at_by_itself(quick: Callable[[str], WorkerOnFakes]) -> None:
    """Who is never to be texted and whose time is over this very second are left out; their neighbours leave."""
    stage = quick("")
    stage.store.opt_out([NUMBER], "by the operator", NOW)
    second_wave: list[dict[str, Any]] = [{}, {"to": NUMBER}, {"expires_at": NOW + timedelta(seconds=5)}, {}]
    messages = wait_for(stage, *[{}] * 8, *second_wave)

    def later(_: object) -> None:
        stage.now = NOW + timedelta(seconds=5)

    stage.gateway.on_send = later
    stage.run()

    assert states(stage, messages[:8]) == [State.SENT] * 8
    assert states(stage, messages[8:]) == [State.SENT, State.SKIPPED, State.EXPIRED, State.SENT]


def test_one_of_a_wave_that_an_operator_took_first_does_not_leave(quick: Callable[[str], WorkerOnFakes]) -> None:
    """The others do; nothing is rolled back with it."""
    stage = quick("")
    messages = wait_for(stage, *[{}] * 4)
    real = stage.gateway.prepare

    def prepare(message: Message, *, instance: str = "") -> Any:
        if message.key == messages[1].key:
            stage.store.move(message, State.CANCELED, Reason.BY_OPERATOR, NOW)
        return real(message, instance=instance)

    stage.gateway.prepare = prepare  # type: ignore[method-assign]  # a command between choosing and claiming
    stage.run()

    assert states(stage, messages) == [State.SENT, State.CANCELED, State.SENT, State.SENT]
    assert len(stage.gateway.sends) == 3


def test_a_claim_that_cannot_be_written_costs_no_result(quick: Callable[[str], WorkerOnFakes]) -> None:
    """The disk is full for the second wave: what the first one was answered is committed all the same."""
    stage = quick("")
    messages = wait_for(stage, *[{}] * 12)
    turn = stage.store.turn

    def full(answered: Sequence[Message], leaving: Sequence[Message], now: datetime) -> Any:
        if answered and leaving:
            raise NoRoom("full")
        return turn(answered, leaving, now)

    stage.store.turn = full  # type: ignore[method-assign]  # a disk without room for both
    with pytest.raises(NoRoom):
        stage.run()

    assert states(stage, messages) == [State.SENT] * 8 + [State.SCHEDULED] * 4


def test_after_an_error_of_the_disk_nothing_more_is_written(quick: Callable[[str], WorkerOnFakes]) -> None:
    """What was accepted is in the log, and becomes unknown: it is not sent again."""
    stage = quick("")
    messages = wait_for(stage, *[{}] * 12)
    turn = stage.store.turn

    def broken(answered: Sequence[Message], leaving: Sequence[Message], now: datetime) -> Any:
        if answered:
            raise StoreError("the disk lies")
        return turn(answered, leaving, now)

    stage.store.turn = broken  # type: ignore[method-assign]  # a disk that breaks after the first claims
    with pytest.raises(StoreError):
        stage.run()
    stage.store.turn = turn  # type: ignore[method-assign]
    told = len(stage.told("message.sent"))
    stage.run()

    assert told == 8
    assert states(stage, messages) == [State.UNKNOWN] * 8 + [State.SENT] * 4
