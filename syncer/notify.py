"""Tells systemd how it goes: ready, alive, stopping (sd_notify(3)). Without systemd it tells nobody.

A datagram to the socket that systemd names; no library, since this is all of the protocol that is needed.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """The line to the service manager. Safe to use from several threads; never raises, never waits."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the address from the environment.

        Args:
            environ: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as systemd sets them.
        """
        self._address = environ.get("NOTIFY_SOCKET", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watched = bool(environ.get("WATCHDOG_USEC")) and ours

    def ready(self) -> None:
        """Settings, lock and database hold: the first run begins."""
        self._send("READY=1")

    def alive(self) -> None:
        """Something went on: an answer came, a wait is under way, a run ended. Nothing else feeds the watchdog."""
        if self._watched:
            self._send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Show a line in `systemctl status`."""
        self._send(f"STATUS={line}")

    def stopping(self) -> None:
        """A signal came: the messages in hand are finished."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # "@" stands for the zero byte of an abstract address.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(0)
            line.sendto(text.encode(), address)
