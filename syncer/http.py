"""The only module that knows httpx: one request, one answer, one deadline, and a cap on what is read.

What fails before the request's first byte is written has surely not left (`NotConnected`): a connection, a proxy, TLS.
What fails afterwards may have arrived (`NoUsableAnswer`). `deadline` sees what is written. Nothing is retried here and
no redirect is followed. Error texts hold neither a query, a header nor a body.
"""

from __future__ import annotations

import logging
import re
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, cast

import certifi
import msgspec

from syncer import __version__
from syncer.addresses import target_of
from syncer.deadline import Deadline, TimedBackend
from syncer.errors import NotConnected, NoUsableAnswer, Problem, SettingsError, Unsendable
from syncer.lean import without
from syncer.lenient import FAULTS, decode

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from types import TracebackType

with without("httpx._main"):
    import httpx

USER_AGENT = f"syncer/{__version__}"
"""Sent with every request: Calendly is said to block the defaults of some libraries."""

SENDS_KEEPALIVE = 2.0
"""Seconds a connection for sends may stay idle: one that dies under a request leaves that message unknown."""

UNVERIFIED = "CERTIFICATE_VERIFY_FAILED"
NETWORK = "Check the network and the address"
UNTRUSTED = "Check the address; if a proxy inspects what is sent, name the file with its certificate in ca_file"
CA_REMEDY = "Name a file with certificates in PEM, each from -----BEGIN CERTIFICATE----- on"
NO_ANSWER = "Try again later; if it stays so, check the network, the proxy and the address in the settings"

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_DIGITS = re.compile(r"\d(?:[\s().-]*\d){5,}")
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+")

_JSON = msgspec.json.Decoder()
_OUR_FAULT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)
_WORDS: dict[type[Exception], str] = {
    httpx.ReadTimeout: "no complete answer in time",
    httpx.WriteTimeout: "the request could not be written in time",
    httpx.ReadError: "the connection broke",
    httpx.WriteError: "the connection broke",
    httpx.RemoteProtocolError: "the answer broke off or is not HTTP",
    zlib.error: "the answer's compression is broken",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status: names of headers in lower case, the body decoded from its transfer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that was checked and can leave; made by `prepare`. Its secrets do not show in its repr."""

    method: str
    url: str = field(repr=False)
    target: httpx.URL = field(repr=False, compare=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)


def prepare(method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None) -> Prepared:
    """Build a request, so that what is wrong with it shows now and not when it should leave.

    Args:
        method: GET or POST.
        url: absolute, http or https, without user and password.
        headers: names to values; User-Agent and Accept-Encoding are added where they are missing.
        content: the body.

    Raises:
        Unsendable: the address or a header cannot be sent as it is.
    """
    target = target_of(url)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            # Not shown: it may be a token with a line break in it.
            raise Unsendable(
                f"the header {name!r} holds what cannot be sent", "Check the token and keys for stray characters"
            )
    return Prepared(method, url, target, {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}, content)


def quoted(text: object, *, limit: int = 120) -> str:
    """Make words from outside fit for an error: one line, cut, numbers of six digits and more and e-mails masked."""
    start = str(text)[:1000]  # the patterns below are slow on very long words
    line = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    masked = _DIGITS.sub("…", _EMAIL.sub("…", line))
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; whatever else it is reads as an empty one."""
    try:
        found = decode(_JSON, body)
    except FAULTS:
        return {}
    return found if isinstance(found, dict) else {}


def http_date(text: str | None) -> datetime | None:
    """Read a date as HTTP headers spell it (RFC 9110, 5.6.7): aware; None = not one."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the Retry-After header (RFC 9110, 10.2.3); None = it does not say.

    A date is compared with the answer's own Date header: their clock, not ours, and no clock is read here.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until, now = http_date(text), http_date(headers.get("date"))
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


class Http:
    """A pool of connections; use it in a `with` statement. Safe to use from several threads.

    Certificates are always checked. Proxies, `.netrc` and certificate files named in the environment are not used.
    """

    def __init__(
        self,
        *,
        proxy: str = "",
        ca_file: str = "",
        keepalive: float = 5.0,
        connections: int = 16,
        on_end: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make the pool; nothing connects yet.

        Args:
            proxy: URL of a proxy for everything; empty = none.
            ca_file: certificates (PEM) to trust besides the public ones; empty = none.
            keepalive: seconds an idle connection is kept; `SENDS_KEEPALIVE` for sends.
            connections: most connections at once; more exchanges than that wait for each other, before they begin.
            on_end: called when an exchange has ended, however it ended, in its thread.
            stopping: whether the process was asked to stop: then a GET is given up. A POST is never.

        Raises:
            SettingsError: the proxy or the certificates cannot be used.
        """
        # At INFO both log whole URLs, queries included.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        limits = httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=keepalive
        )
        trusted = _trust(certifi.where(), ca_file)
        try:
            transport = httpx.HTTPTransport(
                verify=trusted,
                trust_env=False,
                http1=True,
                http2=False,
                retries=0,
                limits=limits,
                proxy=httpx.Proxy(proxy, ssl_context=_for_proxy(proxy, trusted)) if proxy else None,
            )
        except (ValueError, httpx.InvalidURL, ImportError):
            raise SettingsError([Problem("proxy", "not a usable proxy URL", "Write http://host:port")]) from None
        self._on_end, self._stopping = on_end, stopping
        self._places = threading.BoundedSemaphore(connections)
        self._deadline = Deadline()
        pool = transport._pool  # noqa: SLF001  httpx has no public way to put a clock under its streams
        pool._network_backend = TimedBackend(pool._network_backend, self._deadline)  # noqa: SLF001  likewise
        # Without a client over it: that one keeps cookies and builds their requests anew, at a third of the time.
        self._transport = transport

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Send one request once and read its whole answer.

        Args:
            prepared: the request.
            deadline: seconds for everything together: name look-up, connecting, writing, and an answer that drips.
                Waiting for a free connection comes before that, and takes as long at most.
            cap: most bytes of the body, counted after it is decompressed.

        Raises:
            NotConnected: no byte of the request left.
            NoUsableAnswer: it may have arrived; the answer is missing, broken, late or too large.
            Unsendable: it could not be written down (`prepare` finds this earlier).
            NoThreads: this machine has no thread for the name look-up; no byte of the request left.
            Stopped: the process was asked to stop, and this is a GET.
        """
        request = httpx.Request(
            prepared.method,
            prepared.target,
            headers=dict(prepared.headers),
            content=prepared.content,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), deadline)},
        )
        host = prepared.target.host
        given_up = self._stopping if prepared.method == "GET" else None
        begins = f"{prepared.method} ".encode()
        with self._place(host, deadline), self._deadline.within(deadline, begins, given_up):
            # The causes are cut off (`from None`): their texts may quote the answer.
            try:
                response = self._transport.handle_request(request)
                try:
                    headers = _headers(response)
                    return Answer(response.status_code, headers, _body(response, headers, cap))
                finally:
                    response.close()
            except _OUR_FAULT:
                raise Unsendable(f"{host}: the request could not be written down", "Please report this line") from None
            except (httpx.HTTPError, httpx.StreamError, OSError, UnicodeError, zlib.error) as error:
                if not self._deadline.written:
                    why = _why_not_connected(error, deadline)
                    raise NotConnected(f"{host}: {why}", UNTRUSTED if UNVERIFIED in why else NETWORK) from None
                words = _WORDS.get(type(error), type(error).__name__)
                raise NoUsableAnswer(f"{host}: {words}", NO_ANSWER) from None
            finally:
                self._on_end()

    @contextmanager
    def _place(self, host: str, seconds: float) -> Iterator[None]:
        """Wait for a free connection, before the deadline of the exchange begins.

        The pool of httpx would wait as well, but inside of the exchange, whose deadline would go on.

        Raises:
            NotConnected: none was free in time.
        """
        if not self._places.acquire(timeout=seconds):
            raise NotConnected(f"{host}: no free connection within {seconds:g} s", "It is tried again by itself")
        try:
            yield
        finally:
            self._places.release()


@lru_cache(maxsize=4)
def _trust(_: str, ca_file: str) -> ssl.SSLContext:
    """Read the certificates that are trusted, once for each place they are in: it takes as long as a request."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:  # as are those of the module ssl
            raise SettingsError([Problem("ca_file", f"cannot be used ({quoted(error)})", CA_REMEDY)]) from None
    return context


def _for_proxy(proxy: str, trusted: ssl.SSLContext) -> ssl.SSLContext | None:
    """Trust the same certificates where the connection to the proxy itself is encrypted."""
    return trusted if proxy.lower().startswith("https:") else None


def _why_not_connected(error: Exception, deadline: float) -> str:
    """Say why; texts of failed connects come from the operating system or OpenSSL and hold nothing of the request."""
    match error:
        case httpx.ConnectTimeout() | httpx.ReadTimeout() | httpx.WriteTimeout():
            return f"no connection within {deadline:g} s"
        case httpx.NetworkError() | httpx.RemoteProtocolError() if not isinstance(error, httpx.ConnectError):
            return "the connection broke before the request was written; is it the proxy?"
        case httpx.PoolTimeout():
            return f"no free connection within {deadline:g} s"
        case httpx.ProxyError():
            return f"the proxy said {quoted(error, limit=60)}"
        case _:
            return f"no connection ({quoted(error)})"


def _headers(response: httpx.Response) -> dict[str, str]:
    """Read the headers: names in lower case; what came twice is one value with a comma (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _body(response: httpx.Response, headers: Mapping[str, str], cap: int) -> bytes:
    """Read and decompress the body, never holding more than the cap.

    httpx would decompress each piece whole: a small bomb in one piece is large already.
    """
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity", "gzip"}:
        raise NoUsableAnswer("an answer in a coding that nobody asked for", NO_ANSWER)
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if coding == "gzip" else None
    pieces: list[bytes] = []
    arrived = held = 0
    for piece in cast("httpx.SyncByteStream", response.stream):
        arrived += len(piece)
        pieces.append(piece if unzip is None else unzip.decompress(piece, cap + 1 - held))
        held += len(pieces[-1])
        if max(arrived, held) > cap:
            raise NoUsableAnswer(f"an answer of more than {cap} bytes", NO_ANSWER)
    if unzip is not None and arrived and not unzip.eof:
        raise NoUsableAnswer("an answer that breaks off", NO_ANSWER)
    return b"".join(pieces)
