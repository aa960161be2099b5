"""Peers that never finish, of both APIs: half open, dripping, stalled, mute: each run ends by its deadline."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import pytest

from support.calendly_faults import TARGETS, Scene
from support.modes import FULL
from syncer.calendly_asking import ATTEMPTS
from syncer.errors import NotConnected, NoUsableAnswer, SyncerError
from syncer.http import Http
from syncer.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support import calendly_faults as base
    from syncer.http import Answer, Prepared

LIMIT = 0.05
"""Seconds for an exchange with a peer that is no use, in place of 30 and 15."""


class Shortened:
    """An `Http` whose deadline is short for one kind of request, so that five tries of it take no minutes."""

    def __init__(self, http: Http, victim: str) -> None:
        self._http = http
        self._victim = victim

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Send one request."""
        short = f"{prepared.method} {prepared.url}".startswith(self._victim)
        return self._http.exchange(prepared, deadline=LIMIT if short else deadline, cap=cap)


class Peer:
    """Stands between syncer and the sandbox, and stops to be any use when a certain request comes.

    Attributes:
        victim: which requests, as the beginning of `METHOD /path`.
        mode: what becomes of them; see `misbehave`.
        bodies: those that came whole.
    """

    def __init__(self, target: int, victim: str, mode: str) -> None:
        self.victim, self.mode = victim, mode
        self.bodies: list[bytes] = []
        self._over = threading.Event()
        peer = self

        class Relay(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while head := read_head(self.rfile):
                    first, headers = head
                    body = self.rfile.read(int(headers.get("content-length", "0")))
                    if first.startswith(peer.victim):
                        peer.bodies.append(body)
                        peer.misbehave(self.wfile)
                        return
                    self.wfile.write(forwarded(target, first, headers, body))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def swallowed(self) -> int:
        """How many requests came whole and got no answer."""
        return len(self.bodies)

    def misbehave(self, out: Any) -> None:
        """Be half-open (read, and never answer), drip, stop within an answer, or speak another protocol."""
        with contextlib.suppress(OSError):
            match self.mode:
                case "half-open":
                    self._over.wait(60)
                case "dripping head":
                    self._drip(out, b"HTTP/1.1 200 OK\r\nX-Wait: " + b"x" * 300)
                case "dripping body":
                    out.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
                    self._drip(out, b" " * 300)
                case "stalled body":
                    out.write(b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"collection": [')
                    self._over.wait(60)
                case "endless interim answers":
                    while not self._over.wait(0.02):
                        out.write(b"HTTP/1.1 102 Processing\r\n\r\n")
                case _:
                    out.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    def _drip(self, out: Any, content: bytes) -> None:
        for byte in content:
            out.write(bytes([byte]))
            if self._over.wait(0.02):
                return

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let go of whoever still waits."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def read_head(source: Any) -> tuple[str, dict[str, str]] | None:
    """Read a request's first line and headers; None = the connection is over."""
    with contextlib.suppress(OSError):
        lines = []
        while (line := source.readline()).strip():
            lines.append(line.decode().strip())
        if lines:
            pairs = (line.partition(":") for line in lines[1:])
            return lines[0], {name.lower(): value.strip() for name, _, value in pairs}
    return None


def forwarded(port: int, first: str, headers: dict[str, str], body: bytes) -> bytes:
    """Ask the sandbox, with the Host that was asked for; returns its whole answer."""
    method, path, _ = first.split(" ")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as sandbox:
        sandbox.request(method, path, body, {name: value for name, value in headers.items() if name != "connection"})
        answer = sandbox.getresponse()
        content = answer.read()
        kept = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        return f"HTTP/1.1 {answer.status} {answer.reason}\r\n{kept}\r\n".encode() + content


MODES = ("half-open", "dripping head", "dripping body", "stalled body", "endless interim answers", "another protocol")
SEND = "POST /v1/messages"
VICTIMS = {"listing": "GET /scheduled_events?", "invitees": "GET /scheduled_events/", "templates": "GET /v1/"}


def bounded(scene: Scene, url: str, name: str, victim: str = "GET /") -> tuple[SyncerError | None, float]:
    """Do one run against a peer, with the shortened deadline where it is no use; returns its error and real seconds."""
    scene.office.environ = {"CALENDLY_TOKEN": scene.token, name: url}
    method, path = victim.split(" ")
    began = time.monotonic()
    with Http() as wire, scene.office.worker(Shortened(wire, f"{method} {url}{path}")) as worker:
        try:
            worker.run_once()
        except SyncerError as error:
            return error, time.monotonic() - began
        return None, time.monotonic() - began


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("victim", [one for one in VICTIMS if FULL or one != "invitees"])
def test_a_run_ends_by_its_deadline_whatever_the_peer_does(
    account: base.FaultyAccount, tmp_path: Path, victim: str, mode: str
) -> None:
    """Some tries of one deadline each and no more; nothing left that it is not sure of; the next run sends it all."""
    name = "ENGAGELAB_API_URL" if victim == "templates" else "CALENDLY_API_URL"
    with (
        account.scene(tmp_path, TARGETS["invitees"]) as scene,
        Peer(int(account.url.rpartition(":")[2]), VICTIMS[victim], mode) as peer,
    ):
        error, seconds = bounded(scene, peer.url, name, VICTIMS[victim])
        sent = scene.sent()
        scene.run()
        scene.run()

        assert peer.swallowed > 0
        assert error is None if victim == "templates" else isinstance(error, NoUsableAnswer)
        assert set(sent) <= set(account.reference)
        assert sent == [] or victim == "invitees"
        assert scene.sent() == account.reference
        assert seconds < peer.swallowed * LIMIT + 2


@pytest.mark.parametrize("mode", MODES)
def test_a_send_that_is_never_answered_ends_by_its_deadline_and_is_never_repeated(
    account: base.FaultyAccount, tmp_path: Path, mode: str
) -> None:
    """The request came whole and no answer did: that text is unknown and stays so; the others leave later, once."""
    with (
        account.scene(tmp_path, TARGETS["page 1"]) as scene,
        Peer(int(account.url.rpartition(":")[2]), SEND, mode) as peer,
    ):
        error, seconds = bounded(scene, peer.url, "ENGAGELAB_API_URL", SEND)
        came = peer.swallowed
        bounded(scene, peer.url, "ENGAGELAB_API_URL", SEND)
        left = sorted(json.loads(body)["custom_args"]["key"] for body in peer.bodies)
        scene.office.time.add(minutes=20)  # longer than the pause after an outage
        scene.run()
        scene.run()
        with scene.office.worker(None) as worker:
            unknown = worker.store.messages(states=[State.UNKNOWN])

        assert error is None
        assert seconds < came * LIMIT + 2
        assert came > 0
        assert len(set(left)) == len(left)
        assert sorted(one.key for one in unknown) == left
        assert scene.sent() == [one for one in account.reference if one[1] not in left]


@pytest.mark.parametrize("name", ["CALENDLY_API_URL", "ENGAGELAB_API_URL"])
def test_a_run_ends_by_its_deadline_when_nobody_takes_the_connection(
    account: base.FaultyAccount, tmp_path: Path, name: str
) -> None:
    """A black hole: the first packet of a connection is never answered. No byte left, so nothing is unknown."""
    with account.scene(tmp_path, TARGETS["page 1"]) as scene, black_hole() as url:
        error, seconds = bounded(scene, url, name)
        sent = scene.sent()
        with scene.office.worker(None) as worker:
            unknown = worker.store.messages(states=[State.UNKNOWN, State.SENDING])
        scene.run()

        assert isinstance(error, NotConnected) if name.startswith("CALENDLY") else error is None
        assert (sent, unknown) == ([], [])
        assert scene.sent() == account.reference
        assert seconds < 4 * ATTEMPTS * LIMIT + 2


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Listen with a full queue: the kernel then drops the first packet of every further connection."""
    with contextlib.ExitStack() as kept:
        listener = kept.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            filler = kept.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
