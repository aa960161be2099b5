"""A service manager that listens on a notification socket, as systemd does."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Manager:
    """The other end: a datagram socket, and what came with its time."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.settimeout(0.1)
        self.said: list[tuple[float, str]] = []

    def listen(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> list[str]:
        """Take what comes for so long; returns the new lines."""
        before, end = len(self.said), time.monotonic() + seconds
        while time.monotonic() < end and not until():
            try:
                self.said.append((time.monotonic(), self._socket.recv(4096).decode()))
            except TimeoutError:
                continue
        return [line for _, line in self.said[before:]]

    def heard(self, line: str) -> Callable[[], bool]:
        """Whether a line came."""
        return lambda: any(said.startswith(line) for _, said in self.said)

    def close(self) -> None:
        """Close it."""
        self._socket.close()
