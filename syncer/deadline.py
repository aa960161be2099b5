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

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Sequence

_SocketOptions: TypeAlias = "Iterable[httpcore.SOCKET_OPTION] | None"


ATTEMPT = 1.5
"""Seconds for one of several addresses before the next one is tried: enough for a first packet that was lost."""


class Deadline(threading.local):
    """When the exchange of this thread must be over, and whether its request left; a thread has one exchange at a time.

    Attributes:
        written: whether the request's first byte was handed to the connection. What is written before it (to a proxy,
            for TLS) does not count.
    """

    end: float | None = None
    written: bool = False
    _begins: bytes = b""

    def note(self, buffer: bytes) -> None:
        """Note that these bytes are about to be written."""
        self.written = self.written or buffer.startswith(self._begins)

    @contextmanager
    def within(self, seconds: float, begins: bytes = b"") -> Iterator[None]:
        """Let everything in the `with` block take so many seconds together.

        Args:
            seconds: how many.
            begins: how the request begins; nothing else that is written begins so.
        """
        self.end, self.written, self._begins = time.monotonic() + seconds, False, begins
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
        found = _look_up(host, port, self._deadline.left(timeout, httpcore.ConnectTimeout))
        addresses = in_turn(found, first=self._worked.get((host, port), ""))
        failure: Exception = httpcore.ConnectError("no address")
        waiting = [(address, ATTEMPT if len(addresses) > 1 else None) for address in addresses]
        while waiting:
            address, longest = waiting.pop(0)
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            shares = [longest, None if left is None else left / (len(waiting) + 1)]
            seconds = min((one for one in shares if one is not None), default=None)
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
        left = self._deadline.left(timeout, httpcore.WriteTimeout)
        self._deadline.note(buffer)
        self._inner.write(buffer, left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        encrypted = self._inner.start_tls(ssl_context, server_hostname, left)
        # Python wraps a connection that has just broken off without a handshake, and would write to it as it is.
        tls = encrypted.get_extra_info("ssl_object")
        if tls is not None and tls.version() is None:
            encrypted.close()
            raise httpcore.ConnectError("the connection broke before the handshake of TLS")
        return _TimedStream(encrypted, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)
