"""A gateway on loopback that answers the list of templates well, and one send as badly as a fault says.

It speaks over raw sockets, with or without TLS by a CA of its own, and keeps every complete body that reached it. The
processes under test run here, too (`run`): to trust that CA, to meet names that stop to resolve, and to get
a signal at the very moment they connect.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import certifi

import syncer.engagelab
from syncer.cli import main as syncer_main

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HURRY = 1.0
"""Seconds that a send may take where a fault lasts longer than that."""
LONG = 8.0
"""Seconds after which a fault that never ends is over all the same."""
NOWHERE = "255.255.255.255"
"""An address that no connection can be made to: "network is unreachable"."""


class Where(Enum):
    """Which step of a run meets the fault."""

    LIST = auto()
    """The question for the templates, before anything is claimed."""
    NAME = auto()
    """The look-up of the gateway's name, when the send connects."""
    LISTENER = auto()
    """The handshake of TCP."""
    DOOR = auto()
    """What comes right after it: the handshake of TLS, or a connection that nothing is read from."""
    SEND = auto()
    """The request that sends, and its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong.

    Attributes:
        play: what the server does at that step. At `NAME` and `LISTENER` nothing: see `how`.
        where: the step.
        how: at `NAME` "unknown", "unreachable" or "hangs"; at `LISTENER` "refuses" or "deaf".
        tls: whether the gateway is https.
        at_start: it is there from the first connection on, so that not even the list of templates is had.
        slow: only the client's deadline ends it.
    """

    play: Callable[[Visit], None]
    where: Where = Where.SEND
    how: str = ""
    tls: bool = False
    at_start: bool = False
    slow: bool = False

    @property
    def before_the_request(self) -> bool:
        """Whether not one byte of the request that sends can have left."""
        return self.where in {Where.LIST, Where.NAME, Where.LISTENER} or (self.where is Where.DOOR and self.tls)


class Visit:
    """One connection to the server, as a fault sees it."""

    def __init__(self, server: FaultServer, connection: socket.socket) -> None:
        self.server, self.socket = server, connection
        self._seen = b""

    def wrap(self, certificate: str) -> None:
        """Do the handshake of TLS with one of the certificates."""
        assert self.server.certificates is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certificates[certificate])
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def head(self) -> bytes:
        """Read a request's head; empty = the client is gone."""
        while b"\r\n\r\n" not in self._seen:
            piece = self.socket.recv(65_536)
            if not piece:
                return b""
            self._seen += piece
        return self._seen

    def rest(self) -> None:
        """Read the request to its end, and keep its body."""
        head, _, body = self._seen.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            piece = self.socket.recv(65_536)
            if not piece:
                raise ConnectionError("the client hung up")
            body += piece
        self._seen = body[length:]
        if head.startswith(b"POST"):
            self.server.keep(body[:length])
        self.moment()

    def drop_request(self) -> None:
        """Forget a request that has no body."""
        self._seen = b""

    def moment(self) -> None:
        """Say that the fault is going on now."""
        self.server.moment()

    def wait_for_bytes(self) -> None:
        """Wait until something has come, and read nothing of it."""
        self.socket.recv(1, socket.MSG_PEEK)

    def say(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Write."""
        for piece in pieces:
            self.socket.sendall(piece)
            if pause:
                time.sleep(pause)

    def last(self, words: bytes) -> None:
        """Write these words and close, so that both arrive together."""
        self.socket.sendall(words, getattr(socket, "MSG_MORE", 0))
        self.end()

    def end(self) -> None:
        """Close, after what was said has been fetched."""
        self.socket.shutdown(socket.SHUT_WR)
        self.server.closing.wait(0.05)
        self.socket.close()

    def reset(self) -> None:
        """Break the connection off."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def hang(self) -> None:
        """Stay, and say nothing."""
        self.server.closing.wait(LONG)


class FaultServer:
    """EngageLab with one fault; use it in a `with` statement.

    Attributes:
        bodies: each complete body of a request that sends, decoded, oldest first.
        strays: requests that nobody should make.
        listed: whether the list of templates was given.
        healed: whether the fault is over.
        on_moment: called once, in the midst of the fault, or with the first complete body.
        closing: set in the end.
    """

    def __init__(self, fault: Fault, templates: bytes, certificates: Mapping[str, Path] | None = None) -> None:
        """Listen on a free port.

        Args:
            fault: what goes wrong.
            templates: the good answer to the question for them.
            certificates: for TLS, by name: files with certificate and key.
        """
        self.fault, self.templates, self.certificates = fault, templates, certificates
        self.bodies: list[dict[str, Any]] = []
        self.strays: list[str] = []
        self.listed = self.healed = False
        self.on_moment: Callable[[], None] | None = None
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._visits: list[tuple[Visit, threading.Thread]] = []
        self._crowd: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        if fault.at_start and fault.where is Where.LISTENER:
            self._change_listener()
        else:
            self._open()

    @property
    def url(self) -> str:
        """The gateway's address."""
        host = "localhost" if self.fault.where is Where.NAME else "127.0.0.1"
        return f"{'https' if self.fault.tls else 'http'}://{host}:{self.port}"

    def __enter__(self) -> Self:
        """Serve."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.closing.set()
        self._shut()
        for visit, thread in self._visits:
            with contextlib.suppress(OSError):
                visit.socket.shutdown(socket.SHUT_RDWR)
            thread.join(LONG)

    def heal(self) -> None:
        """Let the fault be over: from now on all goes well."""
        if not self.healed and self.fault.where is Where.LISTENER and (self.listed or self.fault.at_start):
            self._shut()
            self._listener = self._bound()
            self._listener.listen(16)
            self._open()
        self.healed = True
        self.on_moment = None

    def address(self) -> str:
        """What the gateway's name leads to, as things stand."""
        return resolved(self.fault.how if self._now(Where.NAME) else "")

    def keep(self, body: bytes) -> None:
        """Put a complete body into the ledger."""
        with self._lock:
            self.bodies.append(json.loads(body))

    def moment(self) -> None:
        """Call who waits for the fault; only once."""
        with self._lock:
            call, self.on_moment = self.on_moment, None
        if call is not None:
            call()

    def _now(self, where: Where) -> bool:
        """Whether the fault is at this step, and on."""
        begun = self.listed or self.fault.at_start or where in {Where.LIST, Where.SEND}
        return self.fault.where is where and begun and not self.healed

    def _open(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                visit = Visit(self, connection)
                thread = threading.Thread(target=self._serve, args=(visit,), daemon=True)
                self._visits.append((visit, thread))
                thread.start()

    def _serve(self, visit: Visit) -> None:
        try:
            with contextlib.suppress(OSError):
                self._talk(visit)
        finally:
            with contextlib.suppress(OSError):
                visit.socket.close()

    def _talk(self, visit: Visit) -> None:
        if self._now(Where.DOOR):
            self.fault.play(visit)
            return
        if self.fault.tls:
            visit.wrap("good")
        while head := visit.head():
            asked = head.partition(b" HTTP/")[0].decode()
            if asked == "GET /v1/template-configs":
                if self._now(Where.LIST):
                    self.fault.play(visit)
                    return
                self._list(visit)
            elif asked == "POST /v1/messages":
                if self._now(Where.SEND):
                    self.fault.play(visit)
                    return
                visit.rest()
                visit.say(fine())
            elif asked == "GET /hang":
                visit.hang()
                return
            else:
                self.strays.append(asked)
                return

    def _list(self, visit: Visit) -> None:
        """Give the list; what shall fail while connecting needs a send that must connect anew."""
        apart = self.fault.where in {Where.NAME, Where.LISTENER, Where.DOOR} and not self.healed
        if self.fault.where is Where.LISTENER and not self.healed:
            self._change_listener()
        self.listed = True
        visit.drop_request()
        visit.say(reply(200, self.templates, *([b"Connection: close"] if apart else [])))
        if apart:
            visit.end()

    def _bound(self) -> socket.socket:
        """Take the port again, without listening on it: whoever connects is refused."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", self.port))
        return made

    def _change_listener(self) -> None:
        self._shut()
        self._listener = self._bound()
        if self.fault.how == "deaf":
            # A full queue that nobody takes from: no further handshake of TCP is answered.
            self._listener.listen(0)
            for _ in range(3):
                one = socket.socket()
                one.settimeout(0)
                self._crowd.append(one)
                with contextlib.suppress(BlockingIOError):
                    one.connect(("127.0.0.1", self.port))
            time.sleep(0.05)

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            # Closing alone does not wake who waits in accept(), and the port would stay taken.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        while self._crowd:
            self._crowd.pop().close()


def resolved(how: str) -> str:
    """Look the gateway's name up, which goes wrong in this way.

    Raises:
        socket.gaierror: there is no such name.
    """
    if how == "unknown":
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if how == "hangs":
        time.sleep(HURRY + 1)
    return NOWHERE if how == "unreachable" else "127.0.0.1"


def reply(status: int, body: bytes = b"", *headers: bytes, length: bool = True) -> bytes:
    """Write a whole answer."""
    lines = [b"HTTP/1.1 %d It" % status, *([b"Content-Length: %d" % len(body)] if length else []), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def accepted(**over: object) -> bytes:
    """Write the body that accepts one message; a field that is given as None is left out."""
    taken = {"plan_id": "2031502210446729216", "total_count": 1, "accepted_count": 1}
    fields: dict[str, object] = {**taken, "message_id": "1846059210446729216", **over}
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def fine() -> bytes:
    """Write the answer that accepts one message."""
    return reply(200, accepted(), b"Content-Type: application/json")


def certificates(openssl: str, folder: Path) -> dict[str, Path]:
    """Make a CA (`ca`), and for 127.0.0.1 and localhost: a good certificate, one of another CA, one for another host,
    one that has expired and one that signs itself. Each file but `ca` holds certificate and key.
    """
    here = "subjectAltName=IP:127.0.0.1,DNS:localhost"

    def run(*arguments: str | Path) -> None:
        subprocess.run([openssl, *arguments], check=True, capture_output=True)

    def key(name: str) -> Path:
        run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", folder / f"{name}.key")
        return folder / f"{name}.key"

    def own(name: str, *extensions: str) -> Path:
        more = [word for extension in extensions for word in ("-addext", extension)]
        out = folder / f"{name}.pem"
        run("req", "-x509", "-new", "-key", key(name), "-subj", f"/CN={name}", "-days", "2", "-out", out, *more)
        return out

    def signed(name: str, by: str, names: str, days: str = "2") -> None:
        request, extensions, out = folder / f"{name}.csr", folder / f"{name}.ext", folder / f"{name}.pem"
        run("req", "-new", "-key", key(name), "-subj", f"/CN={name}", "-out", request)
        extensions.write_text(f"{names}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n", encoding="utf-8")
        issuer = ("-CA", folder / f"{by}.pem", "-CAkey", folder / f"{by}.key", "-CAcreateserial")
        run("x509", "-req", "-in", request, *issuer, "-days", days, "-extfile", extensions, "-out", out)

    for name in ("ca", "other"):
        own(name, "keyUsage=critical,keyCertSign,cRLSign")
    own("self-signed", here)
    signed("good", "ca", here)
    signed("untrusted", "other", here)
    signed("wrong host", "ca", "subjectAltName=DNS:api.example.com")
    signed("expired", "ca", here, "-1")
    made = {name: folder / f"{name}.pem" for name in ("good", "untrusted", "wrong host", "expired", "self-signed")}
    for name, file in made.items():
        file.write_bytes(file.read_bytes() + (folder / f"{name}.key").read_bytes())
    return {**made, "ca": folder / "ca.pem"}


def look_ups(servers: Mapping[int, Callable[[], str]]) -> Callable[..., Any]:
    """Make a `socket.getaddrinfo` that asks these for localhost, by port, and the system for everything else."""
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host != "localhost" or port not in servers:
            return real(host, port, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (servers[port](), port))]

    return look_up


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderTest:
    """A process under test.

    Attributes:
        arguments: of `syncer`.
        folder: where it runs, and where its output goes: `stdout` and `stderr`.
        deadline: seconds for a send.
        ca: the file of the CA to trust; empty = the usual ones.
        port: the gateway's.
        names: what becomes of the gateway's name, as in `Fault.how`; empty = nothing.
        turn: 1 = from the first connection on, 2 = from the send's on.
        number: of the signal that it gives itself.
        step: when: "look-up", "connect", or "" = it gets none from itself.
    """

    arguments: tuple[str, ...]
    folder: Path
    deadline: float
    ca: str
    port: int
    names: str
    turn: int
    number: int
    step: str


def run(told: UnderTest) -> None:
    """Be that process: `syncer`, with a shorter deadline, the test's CA, and a signal at a step of its own."""
    warnings.simplefilter("error")
    os.chdir(told.folder)
    for name, target in (("stdout", 1), ("stderr", 2)):
        with Path(name).open("wb") as file:
            os.dup2(file.fileno(), target)
    kept = {"PATH": os.environ["PATH"]}
    os.environ.clear()
    os.environ.update(kept)
    syncer.engagelab.DEADLINE = told.deadline  # type: ignore[misc]  # nobody waits 15 seconds in a test
    if told.ca:
        certifi.where = lambda: told.ca
    turns = dict.fromkeys(("look-up", "connect"), 0)

    def step(name: str) -> bool:
        turns[name] += 1
        if name == told.step and turns[name] == told.turn:
            os.kill(os.getpid(), told.number)
            time.sleep(0.1 if told.number == signal.SIGTERM else LONG)
        return turns[name] >= told.turn

    def look_up() -> str:
        return resolved(told.names if step("look-up") else "")

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and arguments[1][1] == told.port:
            step("connect")

    if told.names:
        socket.getaddrinfo = look_ups({told.port: look_up})
    sys.addaudithook(watch)
    syncer_main(told.arguments)
