"""One deadline over everything a connection does: looking up a name, connecting, TLS, writing, reading.

The timeouts of httpx are for each step: a server that sends a byte now and then would hold us for hours. So the clock
is put under its streams, where every step gets only what is left.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  every name look-up needs it, and would import it in its own thread
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

_SocketOptions: TypeAlias = "Iterable[httpcore.SOCKET_OPTION] | None"


class Deadline(threading.local):
    """When the exchange of this thread must be over; a thread has one exchange at a time."""

    end: float | None = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let everything in the `with` block take so many seconds together."""
        self.end = time.monotonic() + seconds
        try:
            yield
        finally:
            self.end = None

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

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers; each gets its share of the time, not all of it."""
        addresses = _look_up(host, port, self._deadline.left(timeout, httpcore.ConnectTimeout))
        failure: Exception = httpcore.ConnectError("no address")
        for tried, address in enumerate(addresses):
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(addresses) - tried)
            try:
                stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure


def _look_up(host: str, port: int, seconds: float | None) -> list[str]:
    """Look a name up. In a thread, as the system's resolver takes no timeout and may take a minute."""
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
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise httpcore.ConnectTimeout("name look-up")
    if failed:
        raise httpcore.ConnectError(str(failed[0]))
    return found


class _TimedStream(httpcore.NetworkStream):
    """A connection of which every read and write gets only what is left of the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)
