"""Runs the sandbox on a loopback port: in a thread beside the caller, or until a signal."""

from __future__ import annotations

import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from syncer.sandbox.app import create_app
from syncer.sandbox.plumbing import DROP

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import TracebackType

    from starlette.types import ASGIApp, Receive, Scope, Send

    from syncer.sandbox.world import World

ADDRESS = "127.0.0.1"
_PATIENCE = 10.0


class _DroppingProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, plus a way for the app to cut the connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        inner: ASGIApp = self.app

        async def with_drop(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[DROP] = transport.abort
            await inner(scope, receive, send)

        self.app = with_drop


class SandboxServer:
    """A sandbox of both APIs on 127.0.0.1, in a thread of its own; use it in a `with` statement.

    Attributes:
        world: the state it serves; may be changed while it serves.
        port: known from the start, also when a free one was asked for.
    """

    def __init__(self, world: World, port: int = 0) -> None:
        """Bind the port (0 = a free one) at once; it answers inside the `with` statement.

        Raises:
            OSError: the port is taken.
        """
        self.world = world
        # With the protocol left at 0, asyncio does not switch Nagle's algorithm off: 40 ms more for each answer.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((ADDRESS, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            create_app(world),
            http=_DroppingProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,  # the world's clock dates the answers
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="sandbox", daemon=True
        )

    @property
    def url(self) -> str:
        """Base URL of both APIs and address of the human page, without a slash at the end."""
        return f"http://{ADDRESS}:{self.port}"

    def __enter__(self) -> Self:
        """Start serving; returns once it answers.

        Raises:
            RuntimeError: it did not start.
        """
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._stop()
                raise RuntimeError("The sandbox did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving; returns once the port is free again."""
        self._stop()

    def _stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._socket.close()


def serve(world: World, port: int = 0, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then return; for the main thread.

    Args:
        world: the state to serve.
        port: 0 = a free one.
        ready: called with the URL once it answers.

    Raises:
        OSError: the port is taken.
    """
    # Blocked before the server's thread is made, so that it inherits the mask and only sigwait() gets the signal.
    stops = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        with SandboxServer(world, port) as server:
            if ready is not None:
                ready(server.url)
            signal.sigwait(stops)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
