"""Requests in flight: so many at once, and one to each number.

The caller alone writes anything.

A request runs on a thread of its own, which touches nothing but the gateway; its outcome comes back over a queue.
"""

from __future__ import annotations

import queue
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Protocol

from syncer.errors import NoThreads
from syncer.outbox import NoAnswer, NotNow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncer.model import Message
    from syncer.outbox import Outcome
    from syncer.send_pace import SendPace

LOOK_UP = 0.5
"""Seconds after which a wait looks whether it is still wanted."""
TOGETHER = 0.003
"""Seconds that an answer waits for others, to be committed with them."""


class Executor(Protocol):
    """Runs calls, side by side or not; `concurrent.futures.ThreadPoolExecutor` does."""

    def submit(self, call: Callable[[], None], /) -> object:
        """Run a call some time soon.

        Raises:
            RuntimeError: there is no thread for it. It may run nevertheless, in another one.
        """


class Flights:
    """What one delivery has in flight.

    Attributes:
        no_threads: why a request could not begin: this machine lets no more threads start; None = all could.
        careful: whether at most one may be in flight: the gateway did not answer the last one.
    """

    careful: bool = False

    def __init__(
        self,
        executor: Executor,
        *,
        lanes: int,
        pace: SendPace,
        ticks: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        """Begin with nothing in flight.

        Args:
            executor: must have room for `lanes` calls at once.
            lanes: most requests in flight.
            pace: when the next request may begin; it is that of other deliveries, too.
            ticks: seconds of a clock that nobody sets.
            sleep: waits for so many seconds; may raise to stop.
        """
        self._executor, self._lanes, self._pace = executor, lanes, pace
        self._ticks, self._sleep = ticks, sleep
        self._landed: queue.SimpleQueue[tuple[Message, Future[Outcome]]] = queue.SimpleQueue()
        self._flying: dict[str, Message] = {}
        self.no_threads: NoThreads | None = None

    def __len__(self) -> int:
        """Count what is in flight."""
        return len(self._flying)

    def may_begin(self, message: Message, after: Sequence[Message] = ()) -> bool:
        """Whether this message could leave now, at once after some others; two texts to one person keep their order."""
        return self.has_place(after) and message.to not in self.numbers(after)

    def has_place(self, after: Sequence[Message] = ()) -> bool:
        """Whether one more message could leave now, at once after some others."""
        if len(self._flying) + len(after) >= (1 if self.careful else self._lanes):
            return False
        return self._wait() <= 0 and self._pace.leave_together(len(after) + 1)

    def numbers(self, after: Sequence[Message] = ()) -> set[str]:
        """Give the numbers of what is in flight or about to leave."""
        return {message.to for message in (*self._flying.values(), *after)}

    def begin(self, claimed: Message, send: Callable[[], Outcome]) -> None:
        """Let a claimed message leave. If there is no thread for it, that is its answer: it did not leave."""
        self._flying[claimed.key] = claimed
        self._pace.begin(self._ticks())
        future: Future[Outcome] = Future()
        try:
            self._executor.submit(partial(_run, future, send))
        except RuntimeError:
            # `ThreadPoolExecutor` puts a call into its queue and then starts a thread. If it cannot, a thread that is
            # there may take the call all the same. A future that can be canceled has surely not begun, and never will.
            if future.cancel():
                future = Future()
                future.set_exception(NoThreads())
        future.add_done_callback(lambda done: self._landed.put((claimed, done)))

    def landed(self, *, wait: bool = False) -> Iterator[tuple[Message, Outcome]]:
        """Hand out the answers that came; with `wait` at least half a second's patience for the first one.

        Those that come right after it come along: requests that left together are answered nearly together, and one
        commit is enough for all of them.

        What a request raises is a mistake in syncer, and no answer: the text may have left.
        """
        if wait and not self._flying:
            self._sleep(self._wait())
        until = 0.0
        patience = min(LOOK_UP, self._wait() or LOOK_UP) if wait else 0.0
        while self._flying:
            try:
                claimed, future = self._landed.get(timeout=patience) if patience > 0 else self._landed.get_nowait()
            except queue.Empty:
                return
            if wait:
                until, wait = self._ticks() + TOGETHER, False
                patience = TOGETHER
            elif patience > 0:
                patience = until - self._ticks()
            del self._flying[claimed.key]
            yield claimed, self._outcome(future)

    def _outcome(self, future: Future[Outcome]) -> Outcome:
        """Return what a request led to."""
        fault = future.exception()
        if isinstance(fault, NoThreads):  # to run in, or to look a name up
            self.no_threads = fault
            return NotNow(f"not sent: {fault}", unreached=True)
        if fault is not None and not isinstance(fault, Exception):
            raise fault
        return future.result() if fault is None else NoAnswer(f"unexpected {type(fault).__name__}")

    def _wait(self) -> float:
        """Seconds until the next request may begin."""
        return self._pace.wait(self._ticks())


def _run(future: Future[Outcome], send: Callable[[], Outcome]) -> None:
    """Run a request and put what it returns or raises into its future, unless that was canceled before."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        outcome = send()
    except BaseException as fault:  # noqa: BLE001  as an executor does
        future.set_exception(fault)
    else:
        future.set_result(outcome)
