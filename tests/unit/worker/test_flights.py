"""Requests in flight: how many at once, how many a second, one to each number, and what their threads bring back."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.builders import a_message
from support.fake_clients import InlineExecutor
from syncer.errors import NoThreads
from syncer.flights import Flights
from syncer.outbox import Accepted, NoAnswer, NotNow, Refused
from syncer.send_pace import SendPace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncer.model import Message
    from syncer.outbox import Outcome

TAKEN = Accepted("m1")


def to(number: int) -> Message:
    """Make a message to one of many numbers."""
    return a_message(key=f"k{number}", to=f"+1312555{number:04}")


class Timeline:
    """A clock that only goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Say the time."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept.append(round(seconds, 6))
        self.at += seconds


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Real threads."""
    with ThreadPoolExecutor(8) as made:
        yield made


def test_never_more_at_once_than_there_are_lanes(pool: ThreadPoolExecutor) -> None:
    """Twenty requests over three lanes: three at once, and each comes back with its own outcome."""
    flights = Flights(pool, lanes=3, pace=SendPace(500), ticks=time.monotonic, sleep=time.sleep)
    lock, flying, most = threading.Lock(), 0, 0
    found: dict[str, Outcome] = {}

    def send(number: int) -> Outcome:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
        time.sleep(0.01)
        with lock:
            flying -= 1
        return Accepted(f"m{number}")

    for number in range(20):
        message = to(number)
        while not flights.may_begin(message):
            found |= {claimed.key: outcome for claimed, outcome in flights.landed(wait=True)}
        flights.begin(message, lambda number=number: send(number))  # type: ignore[misc]  # bound at once
    while len(flights):
        found |= {claimed.key: outcome for claimed, outcome in flights.landed(wait=True)}

    assert most == 3
    assert found == {f"k{number}": Accepted(f"m{number}") for number in range(20)}


def test_so_many_a_second_and_not_one_more() -> None:
    """Four a second: the first at once, each other one a quarter of a second after the one before."""
    timeline, begun = Timeline(), []
    flights = Flights(InlineExecutor(), lanes=8, pace=SendPace(4), ticks=timeline, sleep=timeline.sleep)

    for number in range(4):
        while not flights.may_begin(to(number)):
            list(flights.landed(wait=True))
        begun.append(timeline.at)
        flights.begin(to(number), lambda: TAKEN)

    assert begun == [0.0, 0.25, 0.5, 0.75]


def test_a_number_has_one_text_in_flight(pool: ThreadPoolExecutor) -> None:
    """Two texts to one person keep their order; another person need not wait."""
    flights = Flights(pool, lanes=8, pace=SendPace(500), ticks=time.monotonic, sleep=time.sleep)
    answer = threading.Event()

    def send() -> Outcome:
        answer.wait(10)
        return TAKEN

    flights.begin(to(1), send)
    time.sleep(0.005)
    while_flying = flights.may_begin(a_message(key="other", to=to(1).to)), flights.may_begin(to(2))
    answer.set()
    while len(flights):
        list(flights.landed(wait=True))

    assert while_flying == (False, True)
    assert flights.may_begin(to(1))


def test_a_mistake_on_the_way_is_no_answer() -> None:
    """The text may have left: whatever a thread raises, nobody knows; the others land."""
    flights = Flights(InlineExecutor(), lanes=8, pace=SendPace(500), ticks=Timeline(), sleep=lambda _: None)

    def broken() -> Outcome:
        raise ZeroDivisionError("+13125550142")

    flights.begin(to(1), broken)
    flights.begin(to(2), lambda: Refused("no"))

    assert [outcome for _, outcome in flights.landed()] == [NoAnswer("unexpected ZeroDivisionError"), Refused("no")]
    assert len(flights) == 0


def test_waiting_looks_up_now_and_then(pool: ThreadPoolExecutor) -> None:
    """With an answer that does not come, the caller can look for a signal twice a second."""
    flights = Flights(pool, lanes=1, pace=SendPace(500), ticks=time.monotonic, sleep=time.sleep)
    answer = threading.Event()

    def send() -> Outcome:
        answer.wait(10)
        return TAKEN

    flights.begin(to(1), send)
    began = time.monotonic()
    nothing = list(flights.landed(wait=True))
    waited = time.monotonic() - began
    answer.set()

    assert nothing == []
    assert waited < 5


def test_with_nothing_in_flight_only_the_pace_is_waited_for() -> None:
    """By the caller's own way of waiting, which a signal may end."""
    timeline = Timeline()
    flights = Flights(InlineExecutor(), lanes=8, pace=SendPace(2), ticks=timeline, sleep=timeline.sleep)
    flights.begin(to(1), lambda: TAKEN)
    list(flights.landed())

    list(flights.landed(wait=True))

    assert timeline.slept == [0.5]


def test_some_leave_together_where_nobody_could_tell_from_the_rate() -> None:
    """At 500 a second a wave of ten is a fiftieth of one; at five a second each waits for its own moment."""
    clock = Timeline()

    def wave(per_second: float, lanes: int) -> int:
        flights = Flights(InlineExecutor(), lanes=lanes, pace=SendPace(per_second), ticks=clock, sleep=clock.sleep)
        chosen: list[Message] = []
        while flights.may_begin(to(len(chosen)), chosen):
            chosen.append(to(len(chosen)))
        return len(chosen)

    assert [wave(rate, 32) for rate in (5, 50, 100, 500)] == [1, 1, 2, 10]
    assert wave(500, 8) == 8


def test_a_wave_takes_its_time_from_the_rate() -> None:
    """What left at once is made up for before the next leaves."""
    clock = Timeline()
    flights = Flights(InlineExecutor(), lanes=8, pace=SendPace(500), ticks=clock, sleep=clock.sleep)
    for number in range(8):
        flights.begin(to(number), lambda: TAKEN)
    list(flights.landed())
    soon = flights.may_begin(to(9))
    list(flights.landed(wait=True))

    assert (soon, clock.slept) == (False, [0.016])
    assert flights.may_begin(to(9))


def test_a_number_is_once_in_a_wave() -> None:
    """Two texts to one person keep their order."""
    flights = Flights(InlineExecutor(), lanes=8, pace=SendPace(500), ticks=lambda: 0.0, sleep=lambda _: None)

    assert flights.may_begin(to(2), [to(1)])
    assert not flights.may_begin(to(1), [to(2), to(1)])


def test_answers_that_come_nearly_together_are_taken_together(pool: ThreadPoolExecutor) -> None:
    """So that one commit is enough; nothing waits for one that is far off."""
    flights = Flights(pool, lanes=8, pace=SendPace(500), ticks=time.monotonic, sleep=time.sleep)
    together, late = threading.Barrier(4, timeout=10), threading.Event()

    def near() -> Outcome:
        together.wait()
        return TAKEN

    def far() -> Outcome:
        late.wait(10)
        return TAKEN

    for number in range(4):
        flights.begin(to(number), near)
    flights.begin(to(9), far)
    taken = [claimed.to for claimed, _ in flights.landed(wait=True)]
    left = len(flights)
    late.set()

    assert set(taken) <= {to(number).to for number in range(4)}
    assert len(taken) + left == 5
    assert left >= 1
    while len(flights):
        list(flights.landed(wait=True))


class Exhausted:
    """A pool whose threads cannot start: what it was given may wait in its queue, and run later in another thread."""

    def __init__(self, *, runs: bool = False) -> None:
        self.runs, self.queue = runs, []  # type: ignore[var-annotated]

    def submit(self, call: Callable[[], None], /) -> object:
        """Queue the call, as `ThreadPoolExecutor` does, and fail."""
        self.queue.append(call)
        if self.runs:
            call()
        raise RuntimeError("can't start new thread")


def test_without_a_thread_a_text_did_not_leave() -> None:
    """It lands as one that may be tried again, nothing waits for it, and it never leaves, also not later."""
    pool, sent = Exhausted(), []
    flights = Flights(pool, lanes=8, pace=SendPace(500), ticks=Timeline(), sleep=lambda _: None)

    def send() -> Outcome:
        sent.append("left")
        return TAKEN

    flights.begin(to(1), send)
    landed = list(flights.landed(wait=True))
    for call in pool.queue:
        call()

    assert [(claimed.key, isinstance(outcome, NotNow) and outcome.unreached) for claimed, outcome in landed] == [
        ("k1", True)
    ]
    assert (len(flights), sent) == (0, [])
    assert isinstance(flights.no_threads, NoThreads)


def test_what_another_thread_took_all_the_same_counts_as_it_ended() -> None:
    """The pool has put the call into its queue before it found that no thread can be started."""
    flights = Flights(Exhausted(runs=True), lanes=8, pace=SendPace(500), ticks=Timeline(), sleep=lambda _: None)
    flights.begin(to(1), lambda: TAKEN)

    assert [outcome for _, outcome in flights.landed(wait=True)] == [TAKEN]
    assert flights.no_threads is None


def test_without_a_thread_for_the_look_up_of_a_name_a_text_did_not_leave() -> None:
    """The request had its thread, and did not even connect."""
    flights = Flights(InlineExecutor(), lanes=8, pace=SendPace(500), ticks=Timeline(), sleep=lambda _: None)

    def no_look_up() -> Outcome:
        raise NoThreads

    flights.begin(to(1), no_look_up)
    [(_, outcome)] = flights.landed()

    assert isinstance(outcome, NotNow)
    assert outcome.unreached
    assert flights.no_threads is not None
