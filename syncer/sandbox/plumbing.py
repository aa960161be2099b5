"""What wraps both APIs and the page: Host and Origin checks, the Date header, the record of requests, the faults."""

from __future__ import annotations

import asyncio
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from syncer.sandbox.faults import Fault
    from syncer.sandbox.world import World

DROP = "syncer.sandbox.drop"
"""Extension in the ASGI scope by which the server lets an answer be replaced by a cut connection."""

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_MAX_BODY = 1_000_000


class Loopback:
    """Refuses what a web page elsewhere could make a browser send here.

    A Host that is not loopback means DNS rebinding; a POST from another origin means a cross-site form. A POST without
    an Origin comes from no browser.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403 or 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        status, reason = 403, ""
        if _hostname(host) not in _LOOPBACK:
            reason = "This sandbox answers to loopback addresses only."
        elif scope["method"] not in {"GET", "HEAD"} and not _same_origin(headers, f"{scope['scheme']}://{host}"):
            reason = "This form was sent from another site."
        elif int(headers.get("content-length", "0")) > _MAX_BODY:  # the server has seen to it that it is a number
            status, reason = 413, "That is too much data for a sandbox."
        await (PlainTextResponse(reason, status) if reason else self.app)(scope, receive, send)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same_origin(headers: Headers, own: str) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    return origin in {None, own} and site in {None, "same-origin", "none"}


class Dated:
    """Puts a Date header from the world's clock on each answer: clients compare it with their own clock."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and date its answer."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("date", format_datetime(self.world.now(), usegmt=True))
            await send(message)

        await self.app(scope, receive, dated)


class Faulty:
    """Records each API request, and plays the fault that was ordered for it."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless a fault takes its place."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path == "/" or path.startswith("/sandbox/"):
            await self.app(scope, receive, send)
            return
        self.world.record(scope["method"], path, scope["query_string"].decode("latin-1"))
        fault = self.world.faults.take(scope["method"], path)
        if fault is None:
            await self.app(scope, receive, send)
        else:
            await self._play(fault, scope, receive, send)

    async def _play(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the request, carry it out if the fault says so, wait, and answer (or do not)."""
        request = await _drain(receive)
        answer: list[Message] = []
        if fault.accept_first or not (fault.drop or fault.status):
            await self.app(scope, _again(request), _keep(answer))
        await asyncio.sleep(fault.delay)
        if fault.drop:
            await _drop(scope, receive)
        elif fault.status:
            response = Response(fault.body, fault.status)
            for name, value in fault.headers:
                response.headers[name] = value
            await response(scope, receive, send)
        elif fault.cut is not None:
            start, *rest = answer
            await send(start)
            body = b"".join(message.get("body", b"") for message in rest)
            await send({"type": "http.response.body", "body": body[: fault.cut], "more_body": True})
            await _drop(scope, receive)
        else:
            for message in answer:
                await send(message)


async def _drain(receive: Receive) -> bytes:
    """Read the whole request body."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes) -> Receive:
    """Hand out a body that was read already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _keep(answer: list[Message]) -> Send:
    """Collect an answer instead of sending it."""

    async def send(message: Message) -> None:
        answer.append(message)

    return send


async def _drop(scope: Scope, receive: Receive) -> None:
    """Cut the connection; the server's extension does it, since ASGI itself has no word for it.

    Raises:
        ConnectionResetError: there is no connection, as the app runs inside the client's process.
    """
    drop = scope.get("extensions", {}).get(DROP)
    if drop is None:
        raise ConnectionResetError("dropped by the sandbox")
    # Let what was already answered reach the client: an abort throws away what is still buffered.
    await asyncio.sleep(0)
    drop()
    while (await receive())["type"] != "http.disconnect":
        pass
