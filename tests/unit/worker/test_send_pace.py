"""`sends_per_second` holds for all that a worker sends: over batches, deliveries and runs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes
from syncer.send_pace import SendPace
from syncer.worker import LOOP, ONCE, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.store import Store

BATCHES = 20


@given(st.floats(0.01, 500), st.lists(st.floats(0, 10), min_size=1, max_size=60))
def test_never_more_than_the_rate(rate: float, pauses: list[float]) -> None:
    """Whatever the moments at which something is to leave: so many a second, and one at the edge."""
    pace, now, left = SendPace(rate), 0.0, []
    for pause in pauses:
        now += pause
        now += pace.wait(now)
        pace.begin(now)
        left.append(now)

    for first, moment in enumerate(left):
        within = sum(moment <= other < moment + 1 for other in left[first:])
        assert within <= rate + 1 + 1e-6


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """A text a second, and one for each booking."""
    limits = "[limits]\nsends_per_second = 1\nmessages_per_run = 1000\n"
    return WorkerOnFakes(settings(limits, {"TEMPLATE_ID_HOST_NOTIFY": ""}), store)


def timed(stage: WorkerOnFakes) -> tuple[Worker, list[float]]:
    """A worker whose waiting moves the clock, and the moments at which its texts leave."""
    worker, left = stage.worker(), []

    def wait(timeout: float | None = None) -> bool:
        stage.now += timedelta(seconds=timeout or 0, microseconds=1)  # never by nothing
        return worker.stop.is_set()

    worker.stop.wait = wait  # type: ignore[method-assign]  # moves the simulated clock
    stage.gateway.on_send = lambda _: left.append(stage.ticks())
    return worker, left


def book(stage: WorkerOnFakes, count: int, *, first: int = 0) -> None:
    """Let so many people book."""
    for number in range(first, first + count):
        event = an_event(f"e{number}", start=NOW + timedelta(days=2, minutes=number))
        phone = f"+1312555{1000 + number:04}"
        stage.calendly.put(event, an_invitee(event, created_at=stage.now, text_reminder_number=phone))


def busiest(left: list[float]) -> int:
    """The most texts within any second, both ends included."""
    return max(sum(first <= other <= first + 1 for other in left) for first in left)


def test_one_a_second_over_twenty_batches(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch is a delivery of its own: none of them begins anew."""
    monkeypatch.setattr("syncer.worker.BATCH", 2)
    book(stage, 2 * BATCHES)
    worker, left = timed(stage)

    worker.run_once(ONCE)

    assert len(left) == 2 * BATCHES
    assert busiest(left) <= 2
    assert left[-1] - left[0] == pytest.approx(2 * BATCHES - 1, abs=0.01)


def test_one_a_second_over_the_runs_of_a_loop(stage: WorkerOnFakes) -> None:
    """A run that follows at once does not begin anew, either."""
    worker, left = timed(stage)
    for number in range(BATCHES):
        book(stage, 1, first=number)
        worker.run_once(LOOP)

    assert len(left) == BATCHES
    assert busiest(left) <= 2


def test_an_idle_time_is_not_made_up_for(stage: WorkerOnFakes) -> None:
    """After ten minutes without a text the next three are a second apart."""
    worker, left = timed(stage)
    book(stage, 1)
    worker.run_once(LOOP)
    stage.now += timedelta(minutes=10)
    book(stage, 3, first=1)
    worker.run_once(LOOP)

    assert [round(later - left[1], 3) for later in left[1:]] == [0.0, 1.0, 2.0]
