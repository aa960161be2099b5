"""What EngageLab, or what is before it, does with a send: plays, and the table of what becomes of the message."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from support.fault_server import HURRY, Fault, Visit, Where, accepted, fine, reply
from support.worker_on_sandbox import START
from syncer.model import State

if TYPE_CHECKING:
    from collections.abc import Callable

    Play = Callable[[Visit], None]

SCHEDULED, RETRYABLE, UNKNOWN = State.SCHEDULED, State.RETRYABLE, State.UNKNOWN
SENT, FAILED = State.SENT, State.FAILED
KINDS = ("confirmation", "cancellation", "reminder-24h", "host")
PATIENCE = 10.0
"""Seconds for a send whose fault ends by itself: enough for a busy computer."""

# What the server does with the request, or instead of it.


def finish(visit: Visit, how: str) -> None:
    """Close, reset or hang."""
    {"close": visit.end, "reset": visit.reset, "hang": visit.hang}[how]()


def answers(*pieces: bytes, pause: float = 0.0, then: str = "close") -> Play:
    """Take the request, say something, and close, reset or hang."""

    def play(visit: Visit) -> None:
        visit.rest()
        visit.say(*pieces, pause=pause)
        finish(visit, then)

    return play


def pieces(words: bytes) -> list[bytes]:
    """Cut into fifty pieces and a bit."""
    return [words[at : at + len(words) // 50] for at in range(0, len(words), len(words) // 50)]


def says(status: int, code: int | None = None, text: str = "no", *headers: bytes) -> Play:
    """Answer with an error as EngageLab spells it, or with a page of HTML."""
    body = b"<html>no</html>" if code is None else json.dumps({"code": code, "message": text}).encode()
    # It closes, and says so: another text must not leave over a connection that is about to end.
    return answers(reply(status, body, b"Connection: close", *headers))


def takes(**over: object) -> Play:
    """Answer 200 with other fields than a good answer has."""
    return answers(reply(200, accepted(**over)))


def reads(count: int, *, then: str) -> Play:
    """Read so many bytes of the request (-1: its head; -2: all of it) and close, reset or hang."""

    def play(visit: Visit) -> None:
        visit.wait_for_bytes()
        if count == -2:
            visit.head()
            visit.rest()
        elif count == -1:
            visit.head()
        elif count:
            visit.socket.recv(count)
        visit.moment()
        finish(visit, then)

    return play


def greets(words: bytes, *, then: str) -> Play:
    """Answer the greeting of TLS with other words."""

    def play(visit: Visit) -> None:
        visit.socket.recv(65_536)
        visit.moment()
        visit.say(words)
        finish(visit, then)

    return play


def shows(certificate: str) -> Play:
    """Show a certificate; whoever takes it gets a good answer."""

    def play(visit: Visit) -> None:
        visit.moment()
        visit.wrap(certificate)
        visit.head()
        visit.rest()
        visit.say(fine())

    return play


def answers_unread(visit: Visit) -> None:
    """Answer 500 before anything of the request was read."""
    visit.wait_for_bytes()
    visit.moment()
    visit.say(reply(500))
    visit.end()


def answers_late(visit: Visit) -> None:
    """Take the message, when the client has given up."""
    visit.rest()
    visit.server.closing.wait(HURRY + 0.3)
    visit.say(fine())


def takes_it(visit: Visit) -> None:
    """Do nothing wrong."""
    visit.rest()
    visit.say(fine())


def lists_and_closes(visit: Visit) -> None:
    """Give the templates, and close the connection that the client would use again."""
    visit.last(reply(200, visit.server.templates))


def lists_at_leisure(visit: Visit) -> None:
    """Give the templates, but not at once."""
    visit.rest()
    visit.server.closing.wait(0.1)
    visit.say(reply(200, visit.server.templates, b"Connection: close"))


def closes_idle(visit: Visit) -> None:
    """Be a connection that was closed when its request came: nobody reads that."""
    visit.moment()
    visit.reset()


# The table.


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault and what is expected.

    Attributes:
        name: the fault in words.
        fault: what goes wrong.
        state: of the message after the run that meets it, whether the process lives on or is asked to stop.
        bodies: complete bodies that this run brings to the gateway.
        later: what is expected afterwards, as (minutes after that run, state, complete bodies in all).
        killed: its state when the process was killed in the midst of it, and two clean runs followed.
        exit: the exit code of the run.
        times: how many runs meet the fault.
    """

    name: str
    fault: Fault
    state: State
    bodies: int
    later: tuple[tuple[int, State, int], ...]
    killed: State = UNKNOWN
    exit: int = 0
    times: int = 1


def row(name: str, state: State, play: Play = takes_it, **over: Any) -> Row:
    """Make a row of a fault that is met by the send; what is not said follows from the state.

    What may be tried again leaves half an hour later, when the fault is over; everything else stays as it is, and
    brings nothing more to the gateway. The default of `bodies` is 1.
    """
    of_fault = {name: over.pop(name) for name in ("where", "how", "tls", "at_start", "slow") if name in over}
    bodies = over.pop("bodies", 1)
    again = state in {SCHEDULED, RETRYABLE}
    later = over.pop("later", ((31, SENT, bodies + 1) if again else (31, state, bodies),))
    return Row(name=name, fault=Fault(play=play, **of_fault), state=state, bodies=bodies, later=later, **over)


def halts(name: str, play: Play) -> Row:
    """Make a row of a fault that stops all sending until a person acts."""
    return row(name, RETRYABLE, play, exit=1)


def unreached(name: str, play: Play = takes_it, **over: Any) -> Row:
    """Make a row of a fault before the first byte: once the message is claimed, only a kill leaves it unknown."""
    return row(name, RETRYABLE, play, bodies=0, **over)


def unasked(name: str, play: Play = takes_it, **over: Any) -> Row:
    """Make a row of a fault that already meets the question for the templates: nothing is claimed."""
    return row(name, SCHEDULED, play, bodies=0, killed=SENT, **over)


def in_seconds(seconds: int) -> bytes:
    """Write a Date and a Retry-After that is a date."""
    date, until = (format_datetime(START + timedelta(seconds=s), usegmt=True) for s in (0, seconds))
    return f"Date: {date}\r\nRetry-After: {until}".encode()


GZIP = b"Content-Encoding: gzip"
CHUNKED = b"Transfer-Encoding: chunked"
PART = accepted()[:40]
NAME, LISTENER, DOOR, LIST = Where.NAME, Where.LISTENER, Where.DOOR, Where.LIST
WAITS = ((10, RETRYABLE, 1), (31, SENT, 2))
"""Twenty minutes were asked for: nothing leaves after ten."""

TABLE = [
    # The connection: nothing left, so it is tried again.
    unreached("the name is unknown", where=NAME, how="unknown"),
    unreached("the name leads to where no route leads", where=NAME, how="unreachable"),
    unreached("the look-up hangs", where=NAME, how="hangs", slow=True),
    unreached("the connection is refused", where=LISTENER, how="refuses"),
    unreached("nobody answers the handshake of TCP", where=LISTENER, how="deaf", slow=True),
    unasked("the name is unknown from the start", where=NAME, how="unknown", at_start=True),
    unasked("the name leads nowhere from the start", where=NAME, how="unreachable", at_start=True),
    unasked("the connection is refused from the start", where=LISTENER, how="refuses", at_start=True),
    unasked("nobody answers the handshake of TCP from the start", where=LISTENER, how="deaf", at_start=True, slow=True),
    # TLS: likewise.
    unreached("TLS: nobody knows the CA", shows("untrusted"), where=DOOR, tls=True),
    unreached("TLS: the certificate signs itself", shows("self-signed"), where=DOOR, tls=True),
    unreached("TLS: the certificate is for another host", shows("wrong host"), where=DOOR, tls=True),
    unreached("TLS: the certificate has expired", shows("expired"), where=DOOR, tls=True),
    unreached("TLS: plain HTTP instead", greets(reply(400), then="close"), where=DOOR, tls=True),
    unreached("TLS: garbage instead", greets(bytes(range(200)), then="close"), where=DOOR, tls=True),
    unreached("TLS: the handshake stalls", greets(b"", then="hang"), where=DOOR, tls=True, slow=True),
    unreached("TLS: half a record", greets(b"\x16\x03\x03\x00\x7a\x02", then="hang"), where=DOOR, tls=True, slow=True),
    unreached("TLS: the handshake is closed", greets(b"", then="close"), where=DOOR, tls=True),
    unreached("TLS: the handshake is reset", greets(b"", then="reset"), where=DOOR, tls=True),
    unasked("TLS: nobody knows the CA from the start", shows("untrusted"), where=DOOR, tls=True, at_start=True),
    unasked("TLS: expired from the start", shows("expired"), where=DOOR, tls=True, at_start=True),
    unasked("TLS: plain HTTP from the start", greets(reply(400), then="close"), where=DOOR, tls=True, at_start=True),
    # The list of templates: nothing is claimed.
    unasked("templates: 500", says(500), where=LIST),
    unasked("templates: HTML", answers(reply(200, b"<html>")), where=LIST),
    unasked("templates: closed", answers(), where=LIST),
    unasked("templates: cut short", answers(reply(200, b"[", b"Content-Length: 99", length=False)), where=LIST),
    unasked("templates: silence", answers(then="hang"), where=LIST, slow=True),
    unasked("templates: 401", says(401, 2001), where=LIST, exit=1),
    # The request: it may have arrived.
    row("nothing is read, then closed", UNKNOWN, reads(0, then="close"), where=DOOR, bodies=0),
    row("nothing is read, then reset", UNKNOWN, reads(0, then="reset"), where=DOOR, bodies=0),
    row("nothing is read, then silence", UNKNOWN, reads(0, then="hang"), where=DOOR, bodies=0, slow=True),
    row("ten bytes are read, then closed", UNKNOWN, reads(10, then="close"), where=DOOR, bodies=0),
    row("ten bytes are read, then reset", UNKNOWN, reads(10, then="reset"), where=DOOR, bodies=0),
    row("ten bytes are read, then silence", UNKNOWN, reads(10, then="hang"), where=DOOR, bodies=0, slow=True),
    row("the head is read, then closed", UNKNOWN, reads(-1, then="close"), where=DOOR, bodies=0),
    row("the head is read, then reset", UNKNOWN, reads(-1, then="reset"), where=DOOR, bodies=0),
    row("all is read, then closed", UNKNOWN, reads(-2, then="close"), where=DOOR),
    row("all is read, then reset", UNKNOWN, reads(-2, then="reset"), where=DOOR),
    row("all is read, then silence", UNKNOWN, reads(-2, then="hang"), where=DOOR, slow=True),
    row("TLS: all is read, then closed", UNKNOWN, answers(), tls=True),
    row("TLS: all is read, then reset", UNKNOWN, answers(then="reset"), tls=True),
    row("TLS: all is read, then silence", UNKNOWN, answers(then="hang"), tls=True, slow=True),
    row("500 before anything is read", UNKNOWN, answers_unread, where=DOOR, bodies=0),
    # The idle connection of the question for the templates.
    row("the idle connection is closed by the peer", SENT, lists_and_closes, where=LIST),
    row("the idle connection breaks as the request comes", UNKNOWN, closes_idle, bodies=0),
    # The answer is missing or is none.
    row("half a status line", UNKNOWN, answers(b"HTTP/1.")),
    row("half a header", UNKNOWN, answers(b"HTTP/1.1 200 OK\r\nContent-")),
    row("half a header, then silence", UNKNOWN, answers(b"HTTP/1.1 200 OK\r\nContent-", then="hang"), slow=True),
    row("a status that is no number", UNKNOWN, answers(b"HTTP/1.1 OK OK\r\n\r\n")),
    row("garbage", UNKNOWN, answers(bytes(range(256)) * 4)),
    row("another protocol", UNKNOWN, answers(b"SSH-2.0-OpenSSH_9.2\r\n")),
    row("HTTP/2 unasked", UNKNOWN, answers(b"\0\0\x12\4\0\0\0\0\0" + bytes(18))),
    row("an endless header", UNKNOWN, answers(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n")),
    row("two lengths", UNKNOWN, answers(reply(200, accepted(), b"Content-Length: 5"))),
    row(
        "interim answers without end",
        UNKNOWN,
        answers(*[b"HTTP/1.1 100 Go\r\n\r\n"] * 60, fine(), pause=0.05),
        slow=True,
    ),
    row("the head drips", UNKNOWN, answers(*pieces(fine()), pause=0.05), slow=True),
    row(
        "the body drips", UNKNOWN, answers(*fine().partition(b"{")[:2], *pieces(accepted()[1:]), pause=0.05), slow=True
    ),
    row("a good answer after the deadline", UNKNOWN, answers_late, slow=True),
    # Statuses that say nothing about the message.
    row("500", UNKNOWN, says(500)),
    row("500 with code 1000", UNKNOWN, says(500, 1000, "internal error")),
    row("500 with a code that refuses", UNKNOWN, says(500, 3002, "invalid")),
    row("500 with an id", UNKNOWN, answers(reply(500, accepted()))),
    row("501", UNKNOWN, says(501)),
    row("502", UNKNOWN, says(502)),
    row("503", UNKNOWN, says(503)),
    row("503 with Retry-After", UNKNOWN, says(503, None, "", b"Retry-After: 5")),
    row("503 that speaks of balance", UNKNOWN, says(503, 9999, "insufficient balance")),
    row("504", UNKNOWN, says(504)),
    row("599", UNKNOWN, says(599)),
    row("408", UNKNOWN, says(408)),
    row("408 with a code", UNKNOWN, says(408, 3002, "time-out")),
    row("101", UNKNOWN, answers(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")),
    row("201 with an id", UNKNOWN, answers(reply(201, accepted()))),
    row("202 with an id", UNKNOWN, answers(reply(202, accepted()))),
    row("204", UNKNOWN, answers(reply(204, length=False))),
    row("404 as HTML", UNKNOWN, says(404)),
    row("413 as HTML", UNKNOWN, says(413)),
    # A rate limit: everything pauses.
    row("429", RETRYABLE, says(429)),
    row("429 with seconds", RETRYABLE, says(429, None, "", b"Retry-After: 1200"), later=WAITS),
    row("429 with a date", RETRYABLE, says(429, None, "", in_seconds(1200)), later=WAITS),
    row("429 with a date but no Date", RETRYABLE, says(429, None, "", in_seconds(9).partition(b"\r\n")[2])),
    row("429 with nonsense", RETRYABLE, says(429, None, "", b"Retry-After: soon")),
    row(
        "429 with a year",
        RETRYABLE,
        says(429, None, "", b"Retry-After: 31536000"),
        later=((31, RETRYABLE, 1), (67, SENT, 2)),
    ),
    row("429 with an id", RETRYABLE, answers(reply(429, accepted()))),
    row("400 with code 23008", RETRYABLE, says(400, 23008, "too many")),
    # A person must act: all sending stops.
    halts("401", says(401, 2001, "wrong key")),
    halts("401 as HTML", says(401)),
    halts("402", says(402)),
    halts("403", says(403, 2004, "not allowed")),
    halts("403 as HTML", says(403)),
    halts("400 with code 2002", says(400, 2002, "key has expired")),
    halts("200 with code 2001", says(200, 2001, "wrong key")),
    halts("400 that speaks of balance", says(400, 5001, "Insufficient balance")),
    halts("400 that speaks of it in Chinese", says(400, 9999, "余额不足")),
    halts("200 that speaks of credit", says(200, 9999, "not enough credit")),
    # Refused for good.
    row("400 with code 3001", FAILED, says(400, 3001, "wrong parameter")),
    row("400 with code 3002", FAILED, says(400, 3002, "invalid number")),
    row("400 with code 3003", FAILED, says(400, 3003, "template is not approved")),
    row("400 with a code nobody knows", FAILED, says(400, 9999)),
    row("404 with code 404", FAILED, says(404, 404, "not found")),
    row("413 with code 3001", FAILED, says(413, 3001)),
    row("422 with code 3002", FAILED, says(422, 3002)),
    row("400 with code 5011", FAILED, says(400, 5011)),
    row("400 with code 5020", FAILED, says(400, 5020)),
    row("400 about a person called Balance", FAILED, says(400, 3002, "invalid name: Balance")),
    row("301", FAILED, says(301, None, "", b"Location: /elsewhere")),
    row("302", FAILED, says(302, None, "", b"Location: /elsewhere")),
    row("303", FAILED, says(303, None, "", b"Location: /elsewhere")),
    row("304", FAILED, answers(reply(304, length=False))),
    row("307", FAILED, says(307, None, "", b"Location: /v1/messages")),
    row("308", FAILED, says(308, None, "", b"Location: /v1/messages")),
    # Refused, but worth another try.
    row("3004, then taken", RETRYABLE, says(400, 3004, "too soon")),
    row("3004 twice", RETRYABLE, says(400, 3004, "too soon"), times=2, later=((31, FAILED, 2), (62, FAILED, 2))),
    row("4001, then taken", RETRYABLE, says(400, 4001, "no template")),
    row("5001, then taken", RETRYABLE, says(400, 5001, "try again")),
    row(
        "5001 thrice",
        RETRYABLE,
        says(400, 5001, "try again"),
        times=3,
        later=((31, RETRYABLE, 2), (62, FAILED, 3), (93, FAILED, 3)),
    ),
    row("5016, then taken", RETRYABLE, says(400, 5016, "try again")),
    # 200, but.
    row("200 with code 3002", FAILED, says(200, 3002)),
    row("200 with code 3004", RETRYABLE, says(200, 3004)),
    row("200 with code 4001", RETRYABLE, says(200, 4001)),
    row("200 with code 1000", UNKNOWN, says(200, 1000)),
    row("200 with a code nobody knows", UNKNOWN, says(200, 9999)),
    row("200 with a code nobody knows and an id", UNKNOWN, takes(code=9999)),
    row("200 with a code that is none", UNKNOWN, takes(code="E_OOPS")),
    row("200 with nobody accepted", FAILED, takes(accepted_count=0, message_id=None)),
    row("200 with nobody accepted and no plan", UNKNOWN, takes(accepted_count=0, message_id=None, plan_id=None)),
    row("200 with nobody accepted and an id", UNKNOWN, takes(accepted_count=0)),
    row("200 with two accepted", UNKNOWN, takes(accepted_count=2)),
    row("200 with no count", UNKNOWN, takes(accepted_count=None)),
    row("200 with a count that is true", UNKNOWN, takes(accepted_count=True)),
    row("200 without an id", UNKNOWN, takes(message_id=None)),
    row("200 with an empty id", UNKNOWN, takes(message_id="")),
    row("200 with a list for an id", UNKNOWN, takes(message_id=[1])),
    row("200 empty", UNKNOWN, answers(reply(200))),
    row("200 with HTML", UNKNOWN, answers(reply(200, b"<html>welcome</html>"))),
    row("200 with a list", UNKNOWN, answers(reply(200, b"[" + accepted() + b"]"))),
    row("200 with nesting without end", UNKNOWN, answers(reply(200, b"[" * 50_000))),
    row("200 that is not UTF-8", UNKNOWN, answers(reply(200, accepted().replace(b"184", b"\xff\xfe")))),
    row("200 cut short of its length", UNKNOWN, answers(reply(200, PART, b"Content-Length: 400", length=False))),
    row("200 cut short, no length", UNKNOWN, answers(reply(200, PART, length=False))),
    row("200 cut short in chunks", UNKNOWN, answers(reply(200, b"64\r\n" + PART, CHUNKED, length=False))),
    row("200 in broken chunks", UNKNOWN, answers(reply(200, b"zz\r\n" + accepted(), CHUNKED, length=False))),
    row(
        "200 that never ends",
        UNKNOWN,
        answers(reply(200, accepted(), b"Content-Length: 400", length=False), then="hang"),
        slow=True,
    ),
    row("200 over 64 KiB", UNKNOWN, answers(reply(200, accepted() + b" " * 65_536))),
    row("200 as a bomb", UNKNOWN, answers(reply(200, gzip.compress(accepted() + b" " * 20_000_000), GZIP))),
    row("200 as gzip cut short", UNKNOWN, answers(reply(200, gzip.compress(accepted())[:-9], GZIP))),
    row("200 as gzip that is none", UNKNOWN, answers(reply(200, accepted(), GZIP))),
    row("200 in a coding nobody asked for", UNKNOWN, answers(reply(200, accepted(), b"Content-Encoding: br"))),
    # Controls: it is not all unknown.
    row("200", SENT),
    row("TLS: 200", SENT, tls=True),
    row("200, then closed", SENT, answers(fine())),
    row("200 by HTTP/1.0", SENT, answers(fine().replace(b"HTTP/1.1", b"HTTP/1.0"))),
    row("200 without a length", SENT, answers(reply(200, accepted(), length=False))),
    row(
        "200 in chunks",
        SENT,
        answers(reply(200, b"%x\r\n%s\r\n0\r\n\r\n" % (len(accepted()), accepted()), CHUNKED, length=False)),
    ),
    row("200 as gzip", SENT, answers(reply(200, gzip.compress(accepted()), GZIP))),
    row("200 with code 0", SENT, takes(code=0)),
    row("200 with an id that is a number", SENT, takes(message_id=1846059210446729216)),
    row("200 after an interim answer", SENT, answers(b"HTTP/1.1 103 Hints\r\n\r\n", fine())),
    row("200 in pieces", SENT, answers(*pieces(fine()), pause=0.002)),
]
