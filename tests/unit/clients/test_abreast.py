"""Calls side by side: all of them, in their order, or the first trouble."""

from __future__ import annotations

import contextvars
import threading

import pytest

from syncer.abreast import Abandoned, side_by_side
from syncer.errors import CalendlyBusy, LoginRefused, NoThreads

WHO = contextvars.ContextVar("WHO", default="nobody")


@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_results_come_in_the_order_of_the_calls(lanes: int) -> None:
    """However many at once, each in the context of who asked."""
    WHO.set("the run")
    calls = [lambda number=number: (number, WHO.get()) for number in range(8)]

    assert side_by_side(calls, threading.Event(), lanes=lanes) == [(number, "the run") for number in range(8)]


def test_a_single_lane_is_no_thread() -> None:
    """What need not wait for anybody is done where it is asked for."""
    assert side_by_side([threading.get_ident] * 3, threading.Event(), lanes=1) == [threading.get_ident()] * 3


def test_so_many_at_once_and_no_more() -> None:
    """Three of nine meet, a fourth never does."""
    meet, now, most, lock = threading.Barrier(3, timeout=10), 0, 0, threading.Lock()

    def call() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        meet.wait()
        with lock:
            now -= 1

    side_by_side([call] * 9, threading.Event(), lanes=3)

    assert most == 3


def test_the_first_trouble_ends_the_others() -> None:
    """Those that look at the flag give up; what they raise then is not what is told."""
    failed, begun = threading.Event(), threading.Event()

    def fails() -> None:
        begun.wait(10)
        raise LoginRefused("no", status=401)

    def goes_on() -> None:
        begun.set()
        assert failed.wait(10)
        raise Abandoned

    with pytest.raises(LoginRefused):
        side_by_side([goes_on, fails, goes_on], failed, lanes=3)


def test_one_lane_raises_as_it_comes() -> None:
    """What comes after it is not even begun."""
    begun: list[int] = []

    def call(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise CalendlyBusy("busy", status=502)

    with pytest.raises(CalendlyBusy):
        side_by_side([lambda number=number: call(number) for number in range(4)], threading.Event(), lanes=1)  # type: ignore[misc]

    assert begun == [0, 1]


def test_without_a_thread_the_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """They look at the flag; nobody waits for what they would have brought, and none begins any more."""
    failed, begun, ended = threading.Event(), [], []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if threading.active_count() > before + 1:
            raise RuntimeError("can't start new thread")
        real(thread)

    def call() -> None:
        begun.append(1)
        ended.append(failed.wait(60))
        raise Abandoned

    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(NoThreads):
        side_by_side([call] * 8, failed, lanes=4)

    assert (len(begun), ended) == (2, [True, True])
