"""The rate limit, against servers that count in fixed and in sliding windows."""

from __future__ import annotations

import heapq
import random
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncer.pace import MARGIN, WINDOW, Pace

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """A clock that moves only when somebody sleeps or says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Tell the seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds


class Fixed:
    """A server whose window begins with its first request."""

    def __init__(self, limit: int) -> None:
        self.limit, self.began, self.count = limit, float("-inf"), 0

    def ask(self, now: float) -> tuple[bool, dict[str, str]]:
        """Take a request, or refuse it; and tell what the headers tell."""
        if now - self.began >= WINDOW:
            self.began, self.count = now, 0
        taken = self.count < self.limit
        self.count += taken
        return taken, headers(self.limit, self.limit - self.count)


class Sliding:
    """A server that looks back a minute at each request."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.times: list[float] = []

    def ask(self, now: float) -> tuple[bool, dict[str, str]]:
        """Take a request, or refuse it; and tell what the headers tell."""
        self.times = [one for one in self.times if now - one < WINDOW]
        taken = len(self.times) < self.limit
        self.times += [now] * taken
        return taken, headers(self.limit, self.limit - len(self.times))


def headers(limit: int, remaining: int, reset: int = 60) -> dict[str, str]:
    """Write the three headers."""
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(reset),
    }


def simulate(
    server: Fixed | Sliding, *, workers: int, minutes: int, latency: Callable[[], float], cap: int = 0, spent: int = 0
) -> tuple[int, int]:
    """Let so many workers ask as fast as they may; returns how many requests were taken and how many refused.

    A request reaches the server halfway through its latency. `spent` were made by somebody else just before.
    """
    clock = Clock()
    for _ in range(spent):
        server.ask(clock.now)
    pace = Pace(sleep=clock.sleep, monotonic=clock, max_per_minute=cap)
    begin, end = clock.now, clock.now + minutes * 60
    # (time, tie-breaker, what happens, headers once they are known)
    queue: list[tuple[float, int, str, tuple[bool, dict[str, str]]]] = []
    serial = iter(range(10**9))
    taken = refused = 0

    def later(seconds: float, what: str, answer: tuple[bool, dict[str, str]] = (False, {})) -> None:
        heapq.heappush(queue, (clock.now + seconds, next(serial), what, answer))

    for _ in range(workers):
        later(0, "want")
    while queue and queue[0][0] < end:
        clock.now, _, what, answer = heapq.heappop(queue)
        if what == "want":
            wait = pace.reserve()
            later(wait, "want") if wait else later(latency() / 2, "arrive")
        elif what == "arrive":
            answer = server.ask(clock.now)
            taken, refused = taken + answer[0], refused + (not answer[0])
            later(latency() / 2, "answer", answer)
        else:
            pace.answered(answer[1], refused=not answer[0])
            later(0, "want")
    assert clock.now > begin
    return taken, refused


@pytest.mark.parametrize("server", [Fixed, Sliding])
@pytest.mark.parametrize(("limit", "workers", "slowest"), [(50, 1, 0.5), (50, 8, 1.0), (500, 1, 0.1), (500, 8, 0.8)])
def test_alone(server: type[Fixed | Sliding], limit: int, workers: int, slowest: float) -> None:
    """Alone on the account no request is refused, and at least 95 % of the limit are used."""
    dice = random.Random(7)  # noqa: S311  a repeatable simulation

    taken, refused = simulate(server(limit), workers=workers, minutes=30, latency=lambda: dice.uniform(0.01, slowest))

    assert refused == 0
    assert taken >= 0.95 * limit * 30


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([Fixed, Sliding]),
    limit=st.integers(1, 60),
    workers=st.integers(1, 12),
    slowest=st.sampled_from([0.0, 0.01, 0.3, 2.0, 20.0]),
    seed=st.integers(0, 99),
)
def test_alone_is_never_refused(
    kind: type[Fixed | Sliding], limit: int, workers: int, slowest: float, seed: int
) -> None:
    """Whatever the limit, the latency and the number of requests in flight: alone there is no 429.

    Only before the first answer the limit is not known, so it starts with one.
    """
    dice = random.Random(seed)  # noqa: S311  a repeatable simulation
    server = kind(limit)

    _, refused = simulate(
        server, workers=min(workers, limit), minutes=6, latency=lambda: dice.uniform(slowest / 2, slowest)
    )

    assert refused == 0


@pytest.mark.parametrize("server", [Fixed, Sliding])
def test_what_others_spent(server: type[Fixed | Sliding]) -> None:
    """A process that starts in a window which another one has nearly used up does not run into its end."""
    taken, refused = simulate(server(50), workers=1, minutes=10, latency=lambda: 0.2, spent=45)

    assert refused == 0
    assert taken >= 0.9 * 50 * 10 - 45


@pytest.mark.parametrize("server", [Fixed, Sliding])
def test_own_cap(server: type[Fixed | Sliding]) -> None:
    """Our own cap holds below Calendly's limit."""
    taken, refused = simulate(server(500), workers=8, minutes=10, latency=lambda: 0.2, cap=30)

    assert refused == 0
    assert 0.95 * 300 <= taken <= 300 + 30


def test_cap_without_headers() -> None:
    """Our own cap needs nobody's headers."""
    clock = Clock()
    pace = Pace(sleep=clock.sleep, monotonic=clock, max_per_minute=2)
    for _ in range(3):
        pace.take()
        pace.answered({})

    assert clock.slept == [WINDOW + MARGIN]


def test_no_limit_known() -> None:
    """A server that tells no limit is not waited for."""
    clock = Clock()
    pace = Pace(sleep=clock.sleep, monotonic=clock)
    for _ in range(1000):
        pace.take()
        pace.answered({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "-1"})

    assert (pace.limit, pace.remaining, clock.slept) == (None, None, [])


def test_remaining() -> None:
    """What remains counts requests in flight as spent, and what others spent."""
    clock = Clock()
    pace = Pace(sleep=clock.sleep, monotonic=clock)
    pace.take()
    pace.answered(headers(50, 39))
    pace.take()

    assert (pace.limit, pace.remaining) == (50, 38)


def test_requests_in_flight_are_nobody_elses() -> None:
    """Requests whose answers are on their way are not taken for somebody else's because the server counts them."""
    clock = Clock()
    pace = Pace(sleep=clock.sleep, monotonic=clock)
    for _ in range(3):
        pace.take()
    pace.answered(headers(50, 47))

    assert pace.remaining == 47


def test_new_window_frees_what_others_spent() -> None:
    """When the server's count falls, what others had spent is over, too."""
    clock = Clock()
    pace = Pace(sleep=clock.sleep, monotonic=clock)
    pace.take()
    pace.answered(headers(50, 1))
    pace.take()
    pace.answered(headers(50, 49))

    assert pace.remaining == 48


def test_refusal_is_not_counted_as_spent_by_others() -> None:
    """After a 429 the wait that it asks for is what holds, for everybody, and nothing longer."""
    clock = Clock()
    pace = Pace(sleep=clock.sleep, monotonic=clock)
    pace.take()
    pace.answered(headers(50, 0), refused=True)
    pace.hold(2.0)
    pace.take()

    assert clock.slept == [2.0]


def test_request_that_never_left_costs_nothing() -> None:
    """A request that did not connect is given back; one that got no answer is counted."""
    clock = Clock()
    pace = Pace(sleep=clock.sleep, monotonic=clock, max_per_minute=10)
    pace.take()
    pace.give_back()

    assert pace.remaining == 10

    pace.take()
    pace.lost()

    assert pace.remaining == 9


def test_waits_are_told() -> None:
    """A wait that a person would notice is told with its reason before it begins."""
    clock = Clock()
    told: list[tuple[float, str, int]] = []
    pace = Pace(
        sleep=clock.sleep,
        monotonic=clock,
        max_per_minute=1,
        on_wait=lambda seconds, reason: told.append((seconds, reason, len(clock.slept))),
    )
    pace.take()
    pace.answered({})
    pace.take()

    assert told == [(WINDOW + MARGIN, "Calendly's rate limit", 0)]


def test_sleep_may_stop_it() -> None:
    """A sleep that raises ends the wait, and the request is not counted."""

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    pace = Pace(sleep=stop, monotonic=Clock(), max_per_minute=1)
    pace.take()

    with pytest.raises(KeyboardInterrupt):
        pace.take()

    assert pace.remaining == 0


def test_threads() -> None:
    """Many threads at the gate: no more get through than may, and the count ends right."""
    through: list[int] = []
    clock = Clock()

    def stop(_: float) -> None:
        raise TimeoutError

    pace = Pace(sleep=stop, monotonic=clock, max_per_minute=300)

    def work() -> None:
        try:
            while True:
                pace.take()
                through.append(1)
                pace.answered(headers(500, 499))
        except TimeoutError:
            pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(through) == 300
    assert pace.remaining == 0
