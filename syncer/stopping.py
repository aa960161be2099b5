"""The wish to stop: set by SIGTERM, SIGINT or SIGHUP, looked at by everything that waits.

`threading.Event` is no good for this. Its `set` takes a lock: a signal that comes while the same thread holds that lock
would wait for ever. So the flag is a plain attribute, and a pipe wakes whoever waits.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that ask the process to stop."""


class Stop(threading.Event):
    """An event that a signal handler may set, as often as it likes; it stays set."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def is_set(self) -> bool:
        """Whether the process was asked to stop."""
        return self._asked

    def set(self) -> None:
        """Ask the process to stop, and wake whoever waits. Safe in a signal handler: takes no lock."""
        self._asked = True
        with contextlib.suppress(OSError):  # the pipe is full: it wakes everybody already
            os.write(self._writer, b"!")

    def clear(self) -> None:
        """Refuse: a stop is for good.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a stop cannot be taken back")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds; returns whether the process was asked to stop."""
        if not self._asked:
            poll = select.poll()
            poll.register(self._reader, select.POLLIN)
            poll.poll(None if timeout is None else max(0.0, timeout) * 1000)
        return self._asked

    def close(self) -> None:
        """Close the pipe; nobody may wait any more."""
        for end in (self._reader, self._writer):
            os.close(end)

    @contextlib.contextmanager
    def on_signals(self, then: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Let the signals of `SIGNALS` set this in the `with` block.

        SIGHUP stays ignored if it was ignored before (nohup). After a stop the signals are ignored for the rest of the
        process, which is about to end: a second one must not change its exit code.

        Args:
            then: called by the handler, after each signal.
        """

        def on_signal(*_: object) -> None:
            self.set()
            then()

        before = {number: signal.getsignal(number) for number in SIGNALS}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            del before[signal.SIGHUP]
        for number in before:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, signal.SIG_IGN if self._asked else action or signal.SIG_DFL)
