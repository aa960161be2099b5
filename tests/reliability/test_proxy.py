"""Texts through a proxy that breaks at each step: what counts is whether the request was written."""

from __future__ import annotations

import abc
import contextlib
import gc
import shutil
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

import syncer.engagelab
from support.builders import a_message
from support.fault_server import certificates, fine
from syncer.engagelab import EngageLab
from syncer.errors import NotConnected, SettingsError
from syncer.http import Http, prepare
from syncer.outbox import Accepted, NoAnswer, NotNow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Script = Callable[["Proxy", socket.socket], None]

GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
LONG = 5.0


class Listener(abc.ABC):
    """A server on loopback, a thread a connection.

    Attributes:
        connections: how many were made.
    """

    def __init__(self) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self.serve(connection)

    @abc.abstractmethod
    def serve(self, connection: socket.socket) -> None:
        """Talk to one client."""

    def close(self) -> None:
        """Hang up on everybody."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else a thread that waits for one more gets it
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.close()


def read_head(connection: socket.socket) -> bytes:
    """Read the head of a request, with whatever came with it; empty = the client is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        data += piece
    return data


class Gateway(Listener):
    """EngageLab behind TLS: takes each text, or hangs up once it has read one.

    Attributes:
        texts: how many requests came whole.
        silent: from so many requests on it reads and hangs up.
    """

    def __init__(self, certificate: Path, *, silent: int = 99) -> None:
        self.texts, self.silent = 0, silent
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Take texts."""
        with self._context.wrap_socket(connection, server_side=True) as tls:
            while head := read_head(tls):
                _, _, body = head.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                while len(body) < length:
                    body += tls.recv(65_536)
                self.texts += 1
                if self.texts >= self.silent:
                    return
                tls.sendall(fine())


class Proxy(Listener):
    """A proxy that plays a script for each connection.

    Attributes:
        asked: the heads of what it was asked.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[bytes] = []
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """Play the script."""
        self.script(self, connection)

    def head(self, connection: socket.socket) -> bytes:
        """Read what it is asked."""
        self.asked.append(read_head(connection))
        return self.asked[-1]

    def tunnel(self, connection: socket.socket, *, most: int = 10**9) -> None:
        """Grant what is asked, and hand everything on, up to so many bytes from the client."""
        target = self.head(connection).split()[1].decode()
        there = socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])))
        connection.sendall(GRANTED)

        def back() -> None:
            with contextlib.suppress(OSError):
                while piece := there.recv(65_536):
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=back, daemon=True).start()
        with there:
            while most > 0 and (piece := connection.recv(min(most, 65_536))):
                there.sendall(piece)
                most -= len(piece)


def reset(connection: socket.socket) -> None:
    """Break a connection off, rudely."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def says(*pieces: bytes, hang: bool = False) -> Script:
    """Read the request for a tunnel, say this, and hang up or hang."""

    def script(proxy: Proxy, connection: socket.socket) -> None:
        proxy.head(connection)
        for piece in pieces:
            connection.sendall(piece)
        if hang:
            time.sleep(LONG)

    return script


def drips(proxy: Proxy, connection: socket.socket) -> None:
    """Answer a byte now and then."""
    proxy.head(connection)
    for byte in GRANTED * 9:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def breaks_at_once(_: Proxy, connection: socket.socket) -> None:
    """Close."""
    connection.close()


def resets_at_once(_: Proxy, connection: socket.socket) -> None:
    """Break off."""
    reset(connection)


def hangs_at_once(_: Proxy, connection: socket.socket) -> None:
    """Accept, and read nothing."""
    del connection
    time.sleep(LONG)


def resets_after_connect(proxy: Proxy, connection: socket.socket) -> None:
    """Break off when it has read what is asked."""
    proxy.head(connection)
    reset(connection)


def resets_before_tls(proxy: Proxy, connection: socket.socket) -> None:
    """Grant it, and break off."""
    proxy.head(connection)
    connection.sendall(GRANTED)
    reset(connection)


def cuts(most: int) -> Script:
    """Hand so many bytes on, and hang up."""
    return lambda proxy, connection: proxy.tunnel(connection, most=most)


BEFORE = [
    pytest.param(breaks_at_once, id="accept: closed"),
    pytest.param(resets_at_once, id="accept: reset"),
    pytest.param(hangs_at_once, id="accept: nothing is read"),
    pytest.param(says(), id="CONNECT: closed"),
    pytest.param(resets_after_connect, id="CONNECT: reset"),
    pytest.param(says(hang=True), id="CONNECT: no answer"),
    pytest.param(drips, id="CONNECT: an answer that drips"),
    pytest.param(says(b"HTTP/1.1 2"), id="CONNECT: half a line"),
    pytest.param(says(b"HTTP/1.1 200 Connection established\r\nVia: x"), id="CONNECT: half a head"),
    pytest.param(says(b"SSH-2.0-OpenSSH_9.2\r\n"), id="CONNECT: not HTTP"),
    pytest.param(says(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n"), id="CONNECT: 407"),
    pytest.param(says(b"HTTP/1.1 502 Bad gateway\r\nContent-Length: 3\r\n\r\nbad"), id="CONNECT: 502"),
    pytest.param(says(b"HTTP/1.1 503 Busy\r\n\r\n"), id="CONNECT: 503"),
    pytest.param(says(b"HTTP/1.1 301 Elsewhere\r\nLocation: http://x\r\n\r\n"), id="CONNECT: a redirect"),
    pytest.param(says(GRANTED), id="TLS: closed before it"),
    pytest.param(resets_before_tls, id="TLS: reset before it"),
    pytest.param(says(GRANTED, hang=True), id="TLS: no answer"),
    pytest.param(says(GRANTED, b"HTTP/1.1 400 Bad Request\r\n\r\n", hang=True), id="TLS: not TLS"),
    pytest.param(cuts(10), id="TLS: cut in the first record"),
    pytest.param(cuts(300), id="TLS: cut in the handshake"),
]
"""What breaks before the first byte of the request is written."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Certificates by a CA that only the setting `ca_file` makes trusted."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to make certificates")
    return certificates(openssl, tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Listener], Listener]]:
    """A way to have servers closed at the end; nobody waits for 15 seconds."""
    monkeypatch.setattr(syncer.engagelab, "DEADLINE", 1.0)
    opened: list[Listener] = []

    def keep(listener: Listener) -> Listener:
        opened.append(listener)
        return listener

    yield keep
    for listener in opened:
        listener.close()


def gateway_over(http: Http, there: Gateway) -> EngageLab:
    """The client."""
    return EngageLab(f"https://127.0.0.1:{there.port}", "key", "secret", http)


# Python 3.11 leaves a socket for the garbage collector if its connection is reset just before the handshake of TLS.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("script", BEFORE)
def test_before_the_request_is_written(
    made: Mapping[str, Path], serve: Callable[[Listener], Listener], script: Script
) -> None:
    """The text is tried again: EngageLab has not seen a byte of it."""
    there, proxy = Gateway(made["good"]), Proxy(script)
    serve(there), serve(proxy)
    with Http(proxy=f"http://127.0.0.1:{proxy.port}", ca_file=str(made["ca"])) as http:
        gateway = gateway_over(http, there)
        outcome = gateway.send(gateway.prepare(a_message()))
    gc.collect()

    assert isinstance(outcome, NotNow), outcome
    assert outcome.unreached
    assert there.texts == 0
    assert not any(b"POST" in head for head in proxy.asked)


@pytest.mark.parametrize("name", ["untrusted", "wrong host", "expired", "self-signed"])
def test_a_certificate_that_is_not_good(
    made: Mapping[str, Path], serve: Callable[[Listener], Listener], name: str
) -> None:
    """Through a proxy as without one."""
    there, proxy = Gateway(made[name]), Proxy(Proxy.tunnel)
    serve(there), serve(proxy)
    with Http(proxy=f"http://127.0.0.1:{proxy.port}", ca_file=str(made["ca"])) as http:
        gateway = gateway_over(http, there)
        outcome = gateway.send(gateway.prepare(a_message()))

    assert isinstance(outcome, NotNow), outcome
    assert outcome.unreached
    assert there.texts == 0


def test_after_the_request_is_written(made: Mapping[str, Path], serve: Callable[[Listener], Listener]) -> None:
    """EngageLab has it, and the connection breaks: nobody knows."""
    there, proxy = Gateway(made["good"], silent=1), Proxy(Proxy.tunnel)
    serve(there), serve(proxy)
    with Http(proxy=f"http://127.0.0.1:{proxy.port}", ca_file=str(made["ca"])) as http:
        gateway = gateway_over(http, there)
        outcome = gateway.send(gateway.prepare(a_message()))

    assert isinstance(outcome, NoAnswer), outcome
    assert there.texts == 1


@pytest.mark.parametrize("proxied", [True, False], ids=["through a proxy", "straight"])
def test_each_request_of_a_kept_connection_counts_for_itself(
    made: Mapping[str, Path], serve: Callable[[Listener], Listener], proxied: bool
) -> None:
    """The first is accepted; the second is read and not answered; the third finds nobody and was not written."""
    there, proxy = Gateway(made["good"], silent=2), Proxy(Proxy.tunnel)
    serve(there), serve(proxy)
    with Http(proxy=f"http://127.0.0.1:{proxy.port}" if proxied else "", ca_file=str(made["ca"])) as http:
        gateway = gateway_over(http, there)
        outcomes = [gateway.send(gateway.prepare(a_message())) for _ in range(2)]
        connections = there.connections
        serve(there).close()
        proxy.close()
        time.sleep(0.05)
        outcomes.append(gateway.send(gateway.prepare(a_message())))

    assert [type(outcome) for outcome in outcomes] == [Accepted, NoAnswer, NotNow]
    assert connections == 1
    assert there.texts == 2


def test_a_proxy_that_is_asked_without_a_tunnel(serve: Callable[[Listener], Listener]) -> None:
    """A plain address goes to the proxy as it is: once that has the request, nobody knows."""
    proxy = Proxy(says())
    serve(proxy)
    with Http(proxy=f"http://127.0.0.1:{proxy.port}") as http:
        gateway = EngageLab("http://127.0.0.1:9", "key", "secret", http)
        outcome = gateway.send(gateway.prepare(a_message()))

    assert isinstance(outcome, NoAnswer), outcome
    assert proxy.asked[0].startswith(b"POST http://127.0.0.1:9/")


# The setting `ca_file`.


def test_a_private_ca_is_trusted_where_it_is_named(
    made: Mapping[str, Path], serve: Callable[[Listener], Listener]
) -> None:
    """With it the text leaves; without it nothing does, and the error says which setting it takes."""
    there = Gateway(made["good"])
    serve(there)
    outcomes = []
    for ca in (str(made["ca"]), str(made["other" if "other" in made else "self-signed"]), ""):
        with Http(ca_file=ca) as http:
            gateway = gateway_over(http, there)
            outcomes.append(type(gateway.send(gateway.prepare(a_message()))))
    with Http() as http, pytest.raises(NotConnected) as caught:
        http.exchange(prepare("GET", f"https://127.0.0.1:{there.port}/", headers={}), deadline=1, cap=9)

    assert outcomes == [Accepted, NotNow, NotNow]
    assert "ca_file" in caught.value.remedy


def test_a_ca_file_that_went_away_is_an_error_of_the_settings(tmp_path: Path) -> None:
    """It was there when the settings were read."""
    with pytest.raises(SettingsError, match="ca_file"):
        Http(ca_file=str(tmp_path / "gone.pem"))
