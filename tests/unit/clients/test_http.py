"""One exchange against a server that misbehaves in every way a socket allows."""

from __future__ import annotations

import contextlib
import gzip
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.addresses import same_origin
from syncer.errors import (
    NotConnected,
    NoThreads,
    NoUsableAnswer,
    SettingsError,
    Stopped,
    Unsendable,
)
from syncer.http import Answer, Http, http_date, json_object, prepare, quoted, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Script = Callable[[socket.socket], None]

SECRET = "canary-7f3a"
NOBODY = "http://nobody.invalid/"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """A server on loopback that plays one script for each connection and keeps what it was sent."""

    def __init__(self, script: Script, scheme: str = "http") -> None:
        self.script = script
        self.received: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.script(connection)

    def read_request(self, connection: socket.socket) -> bytes:
        """Read one request with its body; empty = the client is gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        self.received.append(head + b"\r\n\r\n" + body)
        return self.received[-1]

    def close(self) -> None:
        """Stop, and hang up on everybody."""
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Make servers, and close them afterwards."""
    made: list[Wire] = []

    def make(
        *pieces: bytes, pause: float = 0.0, hang: bool = False, script: Script | None = None, scheme: str = "http"
    ) -> Wire:
        def answer(connection: socket.socket) -> None:
            while server.read_request(connection):
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
                if hang:
                    time.sleep(5)
                else:
                    connection.close()

        server = Wire(script or answer, scheme)
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def http() -> Iterator[Http]:
    """Give a client."""
    with Http() as client:
        yield client


def get(http: Http, url: str, *, deadline: float = 2.0, cap: int = 1000, content: bytes | None = None) -> Answer:
    """Ask with a secret in each place that must not show."""
    prepared = prepare(
        "POST" if content else "GET",
        f"{url}/x?email={SECRET}",
        headers={"Authorization": f"Bearer {SECRET}", "Accept-Encoding": "gzip"},
        content=content,
    )
    return http.exchange(prepared, deadline=deadline, cap=cap)


def with_length(body: bytes, *headers: bytes) -> bytes:
    """Write a whole answer."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_whole_answer(http: Http, wire: Callable[..., Wire]) -> None:
    """An answer is its status, its headers in lower case and its body, whatever the status."""
    server = wire(b"HTTP/1.1 503 Busy\r\nX-RateLimit-Limit: 50\r\nContent-Length: 4\r\n\r\nbusy")

    answer = get(http, server.url, content=b'{"a":1}')

    assert (answer.status, answer.body) == (503, b"busy")
    assert answer.headers["x-ratelimit-limit"] == "50"
    assert server.received[0].startswith(b"POST /x?email=canary-7f3a HTTP/1.1\r\n")
    assert server.received[0].endswith(b'\r\n\r\n{"a":1}')
    assert b"user-agent: syncer/" in server.received[0].lower()


DRIPS = [
    pytest.param([bytes([c]) for c in OK * 6], id="the head drips"),
    pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b"x"] * 240], id="the body drips"),
    pytest.param([b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 240], id="a body of unknown length drips"),
    pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"] * 240, id="interim answers without end"),
]


@pytest.mark.parametrize("pieces", DRIPS)
def test_drip(http: Http, wire: Callable[..., Wire], pieces: list[bytes]) -> None:
    """One deadline holds for the whole exchange, however regularly something arrives."""
    server = wire(*pieces, pause=0.05)
    began = time.monotonic()

    with pytest.raises(NoUsableAnswer):
        get(http, server.url, deadline=0.3)

    assert 0.25 < time.monotonic() - began < 8


def test_next_exchange_has_its_own_deadline(http: Http, wire: Callable[..., Wire]) -> None:
    """A deadline that passed is gone with its exchange."""
    server = wire(OK, hang=True)
    with pytest.raises(NoUsableAnswer):
        get(http, wire(hang=True).url, deadline=0.1)

    answer = get(http, server.url)

    assert answer.body == b"ok"


UNUSABLE = [
    pytest.param([], False, id="closed without an answer"),
    pytest.param([], True, id="no answer at all"),
    pytest.param([b"HTTP/1."], False, id="half a status line"),
    pytest.param([b"SSH-2.0-OpenSSH_9.2\r\n"], False, id="another protocol"),
    pytest.param([b"HTTP/1.1 200 OK\r\nContent-"], False, id="half a head"),
    pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"], False, id="a body cut short"),
    pytest.param(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!\r\n"], False, id="chunks cut short"
    ),
    pytest.param([with_length(b"x" * 1001)], False, id="a body over the cap"),
    pytest.param([with_length(gzip.compress(b"x" * 1001), b"Content-Encoding: gzip")], False, id="over it unpacked"),
    pytest.param([with_length(gzip.compress(b"0" * 10**7), b"Content-Encoding: gzip")], False, id="a small bomb"),
    pytest.param([with_length(gzip.compress(b"abc" * 99)[:-9], b"Content-Encoding: gzip")], False, id="gzip cut short"),
    pytest.param([with_length(b"not gzip", b"Content-Encoding: gzip")], False, id="not the gzip it says"),
    pytest.param([with_length(b"x", b"Content-Encoding: br")], False, id="a coding nobody asked for"),
    pytest.param([b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"], False, id="an endless header"),
]


@pytest.mark.parametrize(("pieces", "hang"), UNUSABLE)
def test_no_usable_answer(http: Http, wire: Callable[..., Wire], pieces: list[bytes], hang: bool) -> None:
    """After the request has left, every fault means that it may have arrived; the error shows no secret."""
    server = wire(*pieces, hang=hang)

    with pytest.raises(NoUsableAnswer) as caught:
        get(http, server.url, deadline=0.5, content=SECRET.encode())

    assert len(server.received) == 1
    assert SECRET not in f"{caught.value!r} {caught.value.remedy}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(str(caught.value)) < 120


def test_reset_instead_of_an_answer(http: Http, wire: Callable[..., Wire]) -> None:
    """A reset after the request was read is no usable answer, either."""

    def script(connection: socket.socket) -> None:
        server.read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    server = wire(script=script)

    with pytest.raises(NoUsableAnswer):
        get(http, server.url)


def test_gzip_within_the_cap(http: Http, wire: Callable[..., Wire]) -> None:
    """A compressed body of exactly the cap is read."""
    server = wire(with_length(gzip.compress(b"x" * 1000), b"Content-Encoding: gzip"))

    answer = get(http, server.url)

    assert answer.body == b"x" * 1000


def test_bomb_is_not_unpacked(http: Http, wire: Callable[..., Wire]) -> None:
    """A small body that would unpack to 30 MB is given up at the cap, not after it was unpacked."""
    server = wire(with_length(gzip.compress(b"0" * 30_000_000), b"Content-Encoding: gzip"))
    tracemalloc.start()

    with pytest.raises(NoUsableAnswer, match="more than 1000 bytes"):
        get(http, server.url)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_nobody_listens(http: Http) -> None:
    """A refused connection is a connection that was never made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(NotConnected, match=r"127\.0\.0\.1") as caught:
        get(http, f"http://127.0.0.1:{port}")

    assert SECRET not in repr(caught.value)


def test_name_does_not_exist(http: Http) -> None:
    """A name that cannot be looked up is a connection that was never made."""
    with pytest.raises(NotConnected, match=r"nobody\.invalid"):
        get(http, NOBODY, deadline=5)


def test_slow_name_look_up(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that takes its time is inside the deadline, too."""
    over = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()

    with pytest.raises(NotConnected):
        get(http, NOBODY, deadline=0.2)

    assert time.monotonic() - began < 10
    over.set()


@contextlib.contextmanager
def deaf(address: str, port: int = 0) -> Iterator[int]:
    """Listen with a full queue, so that nobody else's handshake of TCP is answered; gives the port."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(3):
            one = stack.enter_context(socket.socket())
            one.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                one.connect(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("first", ["refuses", "is deaf"])
def test_second_address_of_a_name(
    http: Http, wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A name's first address may be dead: it gets its share of the time, and the next one the rest."""
    server = wire(OK)
    port = int(server.url.rpartition(":")[2])
    addresses = [("127.0.0.2", port), ("127.0.0.1", port)]
    real = socket.getaddrinfo

    def look_up(host: str, *rest: object, **more: object) -> object:
        if host == "two.invalid":
            return [(0, 0, 0, "", address) for address in addresses]
        return real(host, *rest, **more)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    with deaf("127.0.0.2", port) if first == "is deaf" else contextlib.nullcontext():
        began = time.monotonic()
        answer = get(http, f"http://two.invalid:{port}", deadline=1.0)
        took = time.monotonic() - began

    assert answer.body == b"ok"
    assert took >= (0.45 if first == "is deaf" else 0)


def test_nobody_accepts(http: Http) -> None:
    """A host that does not answer the handshake of TCP ends at the deadline as not connected."""
    with deaf("127.0.0.1") as port, pytest.raises(NotConnected, match=r"within 0\.3 s"):
        get(http, f"http://127.0.0.1:{port}", deadline=0.3)


TLS_FAULTS = [
    pytest.param(b"", id="the handshake stalls"),
    pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="plain HTTP where TLS should be"),
]


@pytest.mark.parametrize("greeting", TLS_FAULTS)
def test_no_tls(http: Http, wire: Callable[..., Wire], greeting: bytes) -> None:
    """Whatever fails before TLS stands has not shown the request to anybody."""

    def script(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(greeting)
        while connection.recv(100):  # until the other side hangs up
            pass

    server = wire(script=script, scheme="https")
    began = time.monotonic()

    with pytest.raises(NotConnected):
        get(http, server.url, deadline=0.3)

    assert time.monotonic() - began < 10


def test_untrusted_certificate(wire: Callable[..., Wire], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody trusts is not connected, whatever the environment trusts, and the error says why."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to make a certificate")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def script(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            server.read_request(tls)

    server = wire(script=script, scheme="https")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))

    with Http() as http, pytest.raises(NotConnected, match="CERTIFICATE_VERIFY_FAILED"):
        get(http, server.url)

    assert server.received == []


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who are you\r\n\r\n", b"HTTP/1.1 502 Bad\r\n\r\n"])
def test_proxy_refuses(wire: Callable[..., Wire], answer: bytes) -> None:
    """A proxy that refuses to connect us has seen the host's name only."""
    server = wire(answer)

    with Http(proxy=server.url) as http, pytest.raises(NotConnected, match="the proxy said"):
        get(http, "https://api.example.com")

    assert b"CONNECT api.example.com:443" in server.received[0]
    assert SECRET.encode() not in server.received[0]


def test_no_free_connection(wire: Callable[..., Wire]) -> None:
    """An exchange that waits in vain for another one's connection never left."""
    server = wire(hang=True)

    with Http(connections=1) as http:

        def hang() -> None:
            with contextlib.suppress(NoUsableAnswer):
                get(http, server.url, deadline=0.8)

        first = threading.Thread(target=hang)
        first.start()
        while not server.received:
            time.sleep(0.01)
        with pytest.raises(NotConnected, match="no free connection"):
            get(http, server.url, deadline=0.2)
        first.join()

    assert len(server.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_an_answer(http: Http, wire: Callable[..., Wire], status: int) -> None:
    """A redirect is not followed: 307 and 308 would repeat the request elsewhere."""
    other = wire(OK)
    server = wire(b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, other.url.encode()))

    answer = get(http, server.url)

    assert answer.status == status
    assert other.connections == 0


def test_environment_is_not_used(wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy named in the environment sees nothing."""
    server, proxy = wire(OK), wire(OK)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("NO_PROXY", "")

    with Http() as http:
        get(http, server.url)

    assert (server.connections, proxy.connections) == (1, 0)


def test_cookies_are_not_kept(http: Http, wire: Callable[..., Wire]) -> None:
    """What a server sets is not sent back."""
    server = wire(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    get(http, server.url)

    get(http, server.url)

    assert b"cookie" not in server.received[1].lower()


@pytest.mark.parametrize(("keepalive", "connections"), [(5.0, 1), (0.05, 2)])
def test_idle_connection(wire: Callable[..., Wire], keepalive: float, connections: int) -> None:
    """A connection is used again while it is fresh, and replaced when it was idle for too long."""

    def script(connection: socket.socket) -> None:
        while server.read_request(connection):
            connection.sendall(OK)

    server = wire(script=script)

    with Http(keepalive=keepalive) as http:
        get(http, server.url)
        time.sleep(0.15)
        get(http, server.url)

    assert server.connections == connections


def test_urls_are_not_logged(wire: Callable[..., Wire], caplog: pytest.LogCaptureFixture) -> None:
    """Neither httpx nor httpcore logs a URL, whatever level the program logs at."""
    caplog.set_level(logging.DEBUG)

    with Http() as http:
        get(http, wire(OK).url)

    assert SECRET not in caplog.text


def test_proxy_that_is_none() -> None:
    """A proxy that cannot be read is a problem of the settings, named, without its password."""
    with pytest.raises(SettingsError, match="proxy") as caught:
        Http(proxy=f"ftp://me:{SECRET}@x")

    assert SECRET not in repr(caught.value)


BAD_URLS = [
    *(
        "",
        "x",
        "/v1/messages",
        "ftp://a.example/",
        "file:///etc/passwd",
        "data:,x",
        "http://",
        "https:///x",
        "//a.example",
    ),
    *("https://a b/", "https://a\n.example/", "https://ü.example/", "https://u:p@a.example/", "https://a.example\\@b/"),
    *("https://a.example:99999/", "https://a.example:x/", "https://[::1/", "https://a.example/" + "x" * 9000),
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_address_that_cannot_be_used(url: str) -> None:
    """A bad address is found before anything leaves, and says what to do."""
    with pytest.raises(Unsendable) as caught:
        prepare("GET", url, headers={})

    assert caught.value.remedy


@pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\r\nX: y", f" {SECRET}", f"{SECRET}é", f"{SECRET}\0", ""])
def test_header_that_cannot_be_sent(value: str) -> None:
    """A token with stray characters is found before anything leaves, and is not shown."""
    with pytest.raises(Unsendable, match="Authorization") as caught:
        prepare("GET", "https://a.example/", headers={"Authorization": value})

    assert SECRET not in repr(caught.value)


def test_prepared_shows_no_secret() -> None:
    """A prepared request can be shown in a traceback."""
    prepared = prepare("POST", f"https://a.example/?q={SECRET}", headers={"A": SECRET}, content=SECRET.encode())

    assert SECRET not in repr(prepared)


API = "https://api.calendly.com"
HERE = [
    *(f"{API}/scheduled_events?page_token=x", f"{API}:443/x", f"{API}", "HTTPS://API.CALENDLY.COM/x", f"{API}/../x"),
    *(f"{API}/x?u=a@b", f"{API}/@evil", f"{API}?@evil.example"),
]
ELSEWHERE = [
    *("https://evil.example/x", "https://api.calendly.com.evil.example/", "https://api.calendly.com@evil.example/"),
    *("https://evil.example@api.calendly.com/", "https://@api.calendly.com/", "https://api.calendly.com:8443/"),
    *(
        "http://api.calendly.com/",
        "//api.calendly.com/x",
        "/x",
        "",
        "https:api.calendly.com",
        "https:/api.calendly.com",
    ),
    *(
        "https:\\\\api.calendly.com\\",
        "https://api.calendly.com\\@evil.example",
        "https://evil.example\\@api.calendly.com",
    ),
    *(
        "ht\ttps://api.calendly.com/",
        " https://api.calendly.com/",
        "https://api.calendly.com/\n",
        "https://api.\tcalendly.com",
    ),
    *(
        "https://api.calendly.com./",
        "https://аpi.calendly.com/",
        "https://api。calendly.com/",
        "https://api.calendly.com%00/",
    ),
    *("file:///etc/passwd", "data:text/plain,x", "javascript:x", "ftp://api.calendly.com/", "wss://api.calendly.com/"),
    *(
        "http://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[/",
    ),
    *(
        "https://calendly.com/",
        "https://xapi.calendly.com/",
        "https://api.calendly.com:0/",
        "https://api.calendly.com:x/",
    ),
    *(f"{API}/" + "x" * 65536, "https://%61pi.calendly.com/", "https://api.calendly.com%2eevil.example/"),
]


@pytest.mark.parametrize("url", HERE)
def test_same_origin(url: str) -> None:
    """The configured origin is known again, in any spelling that leads there."""
    assert same_origin(url, API)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_other_origin(url: str) -> None:
    """A URL that leads elsewhere, or that parsers disagree about, never gets a secret."""
    assert not same_origin(url, API)


@given(st.one_of(st.text(), st.text().map(lambda text: API + text), st.text().map(lambda text: "https://" + text)))
def test_same_origin_never_fails(url: str) -> None:
    """Whatever comes, there is an answer, and what counts as ours can be prepared."""
    if same_origin(url, API):
        assert prepare("GET", url, headers={}).url == url


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="not said"),
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": "0"}, 0.0, id="at once"),
        pytest.param({"retry-after": "-3"}, None, id="negative is nothing"),
        pytest.param({"retry-after": "soon"}, None, id="words are nothing"),
        pytest.param({"retry-after": "9" * 50}, 999999999.0, id="absurdly long is cut"),
        pytest.param(
            {"retry-after": "Wed, 25 Nov 2026 16:01:30 GMT", "date": "Wed, 25 Nov 2026 16:00:00 GMT"}, 90.0, id="a date"
        ),
        pytest.param(
            {"retry-after": "Wed, 25 Nov 2026 15:00:00 GMT", "date": "Wed, 25 Nov 2026 16:00:00 GMT"}, 0.0, id="past"
        ),
        pytest.param({"retry-after": "Wed, 25 Nov 2026 16:01:30 GMT"}, None, id="a date without their clock"),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After is read in both its forms; a date is measured by the answer's own Date."""
    assert retry_after(headers) == seconds


@given(st.text(), st.text())
def test_headers_never_fail(first: str, second: str) -> None:
    """No header can make reading it fail."""
    found = retry_after({"retry-after": first, "date": second})

    assert found is None or found >= 0
    date = http_date(first)
    assert date is None or date.tzinfo is not None


def test_http_date() -> None:
    """A Date header is read as an aware time."""
    assert http_date("Wed, 25 Nov 2026 16:00:00 GMT") == datetime(2026, 11, 25, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("template is not approved", "template is not approved"),
        ("no route to +1 312-555-0142 now", "no route to +… now"),
        ("ines.okafor@example.com is blocked", "… is blocked"),
        ("a\r\nb\x1b[31mc\u202e", "a b [31mc"),
        ("code 3003", "code 3003"),
        (["not", "text"], "['not', 'text']"),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_quoted(text: object, shown: str) -> None:
    """Words from outside become one short line without numbers and e-mails."""
    assert quoted(text) == shown


@given(st.binary())
def test_json_object_never_fails(body: bytes) -> None:
    """Whatever a body is, it reads as an object."""
    assert isinstance(json_object(body), dict)


# A wish to stop.


@pytest.mark.parametrize(
    "pieces", [[], [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]], ids=["no answer", "half of one"]
)
def test_a_request_that_reads_is_given_up(wire: Callable[..., Wire], pieces: list[bytes]) -> None:
    """Within half a second or so, whatever its deadline is; the next one does not even begin."""
    stop = threading.Event()
    server = wire(*pieces, hang=True)
    with Http(stopping=stop.is_set) as http:
        threading.Timer(0.2, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            get(http, server.url, deadline=60)
        took = time.monotonic() - began
        with pytest.raises(Stopped):
            get(http, server.url, deadline=60)

    assert took < 30
    assert len(server.received) == 1


def test_a_send_is_never_given_up(wire: Callable[..., Wire]) -> None:
    """Its answer is awaited: nobody would know whether it had arrived."""
    stop = threading.Event()

    def script(connection: socket.socket) -> None:
        while server.read_request(connection):
            stop.set()
            time.sleep(1.2)
            connection.sendall(OK)

    server = wire(script=script)
    with Http(stopping=stop.is_set) as http:
        first = get(http, server.url, deadline=30, content=b"{}")
        second = get(http, server.url, deadline=30, content=b"{}")

    assert (first.body, second.body) == (b"ok", b"ok")


def test_a_look_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver may take a minute."""
    stop, answered = threading.Event(), threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    with Http(stopping=stop.is_set) as http:
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Stopped):
            get(http, "http://example.test", deadline=60)
    answered.set()


def test_a_slow_answer_comes_whole_while_nobody_wants_to_stop(wire: Callable[..., Wire]) -> None:
    """The looks in between change nothing: neither an answer, nor the deadline of one that does not come."""
    slow = wire(b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n\r\n", b"o", b"k", pause=0.7)
    silent = wire(hang=True)
    with Http(stopping=lambda: False) as http:
        answer = get(http, slow.url, deadline=30)
        began = time.monotonic()
        with pytest.raises(NoUsableAnswer):
            get(http, silent.url, deadline=1.2)
        took = time.monotonic() - began

    assert answer.body == b"ok"
    assert 1.1 < took < 12


@pytest.mark.parametrize("content", [None, b"{}"], ids=["GET", "POST"])
def test_without_a_thread_for_the_look_up_nothing_left(
    wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """It says so, in a type of its own: no other request would fare better."""
    server = wire(OK)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Http() as http:
        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(NoThreads, match="no more threads"):
            get(http, server.url, content=content)

    assert server.connections == 0
