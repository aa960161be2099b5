"""The wish to stop: a signal handler may set it at any moment, and it wakes whoever waits."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncer.stopping import SIGNALS, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stop() -> Iterator[Stop]:
    """A wish that nobody has."""
    with closing(Stop()) as made:
        yield made


@pytest.fixture
def dispositions() -> Iterator[None]:
    """Put the actions of the signals back as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def test_it_is_set_for_good(stop: Stop) -> None:
    """However often it is set, it stays set; waiting for it is then no wait."""
    before = stop.is_set(), stop.wait(0), stop.wait(0.01)
    for _ in range(100_000):  # far more than a pipe holds
        stop.set()

    assert before == (False, False, False)
    assert (stop.is_set(), stop.wait(), stop.wait(60)) == (True, True, True)
    with pytest.raises(RuntimeError):
        stop.clear()


def test_all_that_wait_are_woken(stop: Stop) -> None:
    """The main thread waits, and so do threads that read; each wait ends at once."""
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda: woken.append(stop.wait(60))) for _ in range(4)]
    for thread in threads:
        thread.start()
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    in_time = stop.wait(60)
    for thread in threads:
        thread.join(30)

    assert in_time
    assert woken == [True] * 4
    assert time.monotonic() - began < 30


def test_it_is_set_while_the_lock_of_an_event_is_held(stop: Stop) -> None:
    """A signal may come in the midst of a wait: `threading.Event.set` would then wait for its own thread for ever."""
    done = threading.Event()

    def interrupted() -> None:
        with stop._cond:  # type: ignore[attr-defined]  # what an Event takes to wait and to set
            stop.set()
        done.set()

    threading.Thread(target=interrupted, daemon=True).start()

    assert done.wait(30)
    assert stop.is_set()


@pytest.mark.usefixtures("dispositions")
@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_sets_it_and_ends_a_wait(stop: Stop, number: signal.Signals) -> None:
    """A second one does no harm, also while the first is handled."""
    handled: list[int] = []

    def then() -> None:
        handled.append(number)
        if len(handled) < 3:
            os.kill(os.getpid(), number)

    with stop.on_signals(then):
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        ended = stop.wait(60)

    assert ended
    assert len(handled) == 3


@pytest.mark.usefixtures("dispositions")
@pytest.mark.parametrize("number", SIGNALS)
def test_after_a_stop_signals_are_ignored(stop: Stop, number: signal.Signals) -> None:
    """The process is about to end: a second signal must not change its exit code."""
    with stop.on_signals():
        os.kill(os.getpid(), number)

    assert signal.getsignal(number) is signal.SIG_IGN
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("dispositions")
def test_without_a_stop_signals_do_what_they_did(stop: Stop) -> None:
    """As before the block."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop.on_signals():
        inside = [signal.getsignal(number) for number in SIGNALS]

    assert not set(inside) & set(before)
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.usefixtures("dispositions")
def test_sighup_stays_ignored_under_nohup(stop: Stop) -> None:
    """The terminal may close; SIGTERM still counts."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop.on_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        hung_up = stop.wait(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        told = stop.wait(60)

    assert (hung_up, told) == (False, True)
