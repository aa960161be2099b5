"""One deadline over everything a connection does: looking up a name, connecting, TLS, writing, reading.

The timeouts of httpx are for each step: a server that sends a byte now and then would hold us for hours. So the clock
is put under its streams, where every step gets only what is left. There it is also seen whether the request left.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  every name look-up needs it, and would import it in its own thread
import socket
import threading
import time
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

import httpcore

from syncer.errors import NoThreads, Stopped

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence

_SocketOptions: TypeAlias = "Iterable[httpcore.SOCKET_OPTION] | None"

LOOK = 0.5
"""Seconds after which a wait for an answer looks whether the answer is still wanted."""
LONGEST_STEP = 10.0
"""Seconds that connecting and TLS may take each, if the request may be given up: neither can be interrupted."""


ATTEMPT = 1.5
"""Seconds for one of several addresses before the next one is tried: enough for a first packet that was lost."""


class Deadline(threading.local):
    """When the exchange of this thread must be over, and whether its request left; a thread has one exchange at a time.

    Attributes:
        written: whether the request's first byte was handed to the connection. What is written before it (to a proxy,
            for TLS) does not count.
    """

    end: float | None = None
    given_up: Callable[[], bool] | None = None
    written: bool = False
    _begins: bytes = b""

    def note(self, buffer: bytes) -> None:
        """Note that these bytes are about to be written."""
        self.written = self.written or buffer.startswith(self._begins)

    @contextmanager
    def within(self, seconds: float, begins: bytes = b"", given_up: Callable[[], bool] | None = None) -> Iterator[None]:
        """Let everything in the `with` block take so many seconds together.

        Args:
            seconds: how many.
            begins: how the request begins; nothing else that is written begins so.
            given_up: whether nobody wants the answer any more; None = the exchange goes on to its end in any case.
        """
        self.end, self.given_up = time.monotonic() + seconds, given_up
        self.written, self._begins = False, begins
        try:
            self.check_wanted()
            yield
        finally:
            self.end = self.given_up = None

    def check_wanted(self) -> None:
        """Look whether the answer is still wanted.

        Raises:
            Stopped: it is not.
        """
        if self.given_up is not None and self.given_up():
            raise Stopped("asked to stop")

    def step(self, seconds: float | None, longest: float) -> float | None:
        """Say how many of so many seconds a step may take before it must look whether the answer is still wanted."""
        if self.given_up is None:
            return seconds
        return longest if seconds is None else min(seconds, longest)

    def left(self, timeout: float | None, error: type[Exception]) -> float | None:
        """Say how many seconds the next step may take, at most `timeout`.

        Raises:
            error: none are left.
        """
        if self.end is None:
            return timeout
        left = self.end - time.monotonic()
        if left <= 0:
            raise error("deadline")
        return left if timeout is None else min(timeout, left)


class TimedBackend(httpcore.NetworkBackend):
    """Opens connections whose every step gets only what is left of the deadline."""

    def __init__(self, inner: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline
        self._worked: dict[tuple[str, int], str] = {}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, beginning with the one that answered last time.

        Each has a moment at first; those that were slow are tried once more, with a share of what is left.
        """
        found = _look_up(host, port, self._deadline, timeout)
        addresses = in_turn(found, first=self._worked.get((host, port), ""))
        failure: Exception = httpcore.ConnectError("no address")
        waiting = [(address, ATTEMPT if len(addresses) > 1 else None) for address in addresses]
        while waiting:
            self._deadline.check_wanted()
            address, longest = waiting.pop(0)
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            shares = [longest, None if left is None else left / (len(waiting) + 1)]
            seconds = min((one for one in shares if one is not None), default=None)
            seconds = self._deadline.step(seconds, LONGEST_STEP)
            try:
                stream = self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
            except httpcore.ConnectTimeout as error:
                failure = error
                waiting += [(address, None)] if longest is not None else []
            except httpcore.ConnectError as error:
                failure = error
            else:
                self._worked[host, port] = address
                return _TimedStream(stream, self._deadline)
        raise failure


def in_turn(addresses: Sequence[str], *, first: str = "") -> list[str]:
    """Put addresses into the order in which they are tried: IPv6 and IPv4 in turn, as RFC 8305 (4) has it.

    Args:
        addresses: as the system gives them.
        first: one that is tried before the others, if it is still among them.
    """
    same = [one for one in addresses if (":" in one) == (":" in addresses[0])]
    others = [one for one in addresses if one not in same]
    mixed = [one for pair in zip_longest(same, others) for one in pair if one is not None]
    return [first, *(one for one in mixed if one != first)] if first in mixed else mixed


def _look_up(host: str, port: int, deadline: Deadline, timeout: float | None) -> list[str]:
    """Look a name up. In a thread, as the system's resolver takes no timeout and may take a minute.

    Raises:
        ConnectTimeout: it took too long.
        ConnectError: it is not known.
        NoThreads: there is no thread for it.
        Stopped: nobody wants it any more.
    """
    found: list[str] = []
    failed: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                if str(address[0]) not in found:
                    found.append(str(address[0]))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=ask, name="look-up", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise NoThreads from None
    while thread.is_alive():
        deadline.check_wanted()
        left = deadline.left(timeout, httpcore.ConnectTimeout)
        thread.join(deadline.step(left, LOOK))
    if failed:
        raise httpcore.ConnectError(str(failed[0]))
    return found


class _TimedStream(httpcore.NetworkStream):
    """A connection of which every read and write gets only what is left of the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            left = self._deadline.left(timeout, httpcore.ReadTimeout)
            step = self._deadline.step(left, LOOK)
            try:
                return self._inner.read(max_bytes, step)
            except httpcore.ReadTimeout:
                if step == left:
                    raise
            self._deadline.check_wanted()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._deadline.left(timeout, httpcore.WriteTimeout)
        self._deadline.note(buffer)
        self._inner.write(buffer, left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._deadline.check_wanted()
        left = self._deadline.step(self._deadline.left(timeout, httpcore.ConnectTimeout), LONGEST_STEP)
        encrypted = self._inner.start_tls(ssl_context, server_hostname, left)
        # Python wraps a connection that has just broken off without a handshake, and would write to it as it is.
        tls = encrypted.get_extra_info("ssl_object")
        if tls is not None and tls.version() is None:
            encrypted.close()
            raise httpcore.ConnectError("the connection broke before the handshake of TLS")
        return _TimedStream(encrypted, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)
