"""Answers of a gateway that take simulated time, while others are in flight."""

from __future__ import annotations

import heapq
import itertools
import queue
from concurrent.futures import Executor, Future
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.worker_on_fakes import WorkerOnFakes
    from syncer.worker import Worker

TICK = timedelta(microseconds=1)
"""The simulated clock goes on by no less, however short a wait is."""


class SlowAir(Executor):
    """Runs each call so many simulated seconds after it was submitted.

    Its queue must be put in place of the one in `syncer.flights`, on which a delivery waits for answers.

    Attributes:
        most: how many were in flight at once.
    """

    def __init__(self, stage: WorkerOnFakes, seconds: float) -> None:
        self.stage, self.seconds = stage, seconds
        self.flying: list[tuple[float, int, Callable[[], Any], Future[Any]]] = []
        self.most = 0
        self._numbers = itertools.count()

    def submit(self, call: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Let it land later."""
        assert not args
        assert not more
        future: Future[Any] = Future()
        heapq.heappush(self.flying, (self.stage.ticks() + self.seconds, next(self._numbers), call, future))
        self.most = max(self.most, len(self.flying))
        return future

    def pass_time(self, seconds: float) -> None:
        """Let time pass until something lands, but no longer than this."""
        until = self.stage.ticks() + seconds
        landing = min(until, self.flying[0][0]) if self.flying else until
        self.stage.now += timedelta(seconds=max(0.0, landing - self.stage.ticks())) + TICK
        while self.flying and self.flying[0][0] <= self.stage.ticks():
            _, _, call, future = heapq.heappop(self.flying)
            future.set_result(call())

    def worker(self) -> Worker:
        """A worker all of whose waiting is simulated."""
        worker = self.stage.worker()

        def wait(timeout: float | None = None) -> bool:
            self.pass_time(timeout or 0)
            return worker.stop.is_set()

        worker.executor = lambda _: self
        worker.stop.wait = wait  # type: ignore[method-assign]  # moves the simulated clock
        return worker

    def as_queue(self) -> Any:
        """Make a queue on which waiting lets time pass."""
        landed: list[Any] = []

        class Landed:
            def put(self, one: Any) -> None:
                landed.append(one)

            def get(self, *, timeout: float) -> Any:
                if not landed:
                    air.pass_time(timeout)
                return self.get_nowait()

            def get_nowait(self) -> Any:
                if not landed:
                    raise queue.Empty
                return landed.pop(0)

        air = self
        return Landed()
