"""Calendly's and EngageLab's side of a benchmark, fast enough never to be what is measured: pages are encoded once.

A process of its own: `python server.py` prints its port and serves until its standard input ends. It keeps to what
both APIs document (`start_time` windows with inclusive bounds, pages by an opaque token, a rate limit with its three
headers) and counts what it is asked; `POST /bench` sets it up and `GET /bench` tells the counts. It knows nothing of
syncer: the same pages are read by the bare clients and the other programs that syncer is compared with.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE = "https://api.calendly.com"
FIRST, APART = 1_900_000_020, 60
"""When the first meeting starts, in Unix seconds, and how long after one the next does."""
PAGE = 100
TEMPLATE = "2031460771195412480"
EVENT = """{"calendar_event":{"external_id":"q1w2e3r4t5y6u7i8o9p0%(n)08d","kind":"google"},
"created_at":"2026-11-20T15:01:12.310455Z","end_time":"%(end)s","event_guests":[],"event_memberships":[{
"buffered_end_time":"%(end)s","buffered_start_time":"%(start)s","user":"%(base)s/users/2f6a9c10-0c1d-4e2f-8a3b-4c5d6e7f8091",
"user_email":"mara@northpier.example","user_name":"Mara Lindqvist"}],
"event_type":"%(base)s/event_types/c0ffee00-1111-4222-8333-444455556666",
"invitees_counter":{"active":1,"limit":1,"total":1},
"location":{"join_url":"https://calendly.com/events/%(n)08x/google_meet","status":"pushed","type":"google_conference"},
"meeting_notes_html":null,"meeting_notes_plain":null,
"name":"Phone consultation","start_time":"%(start)s","status":"active",
"updated_at":"2026-11-20T15:01:14.002871Z","uri":"%(base)s/scheduled_events/%(n)08x-aaaa-4bbb-8ccc-dddddddddddd"}""".replace(
    "\n", ""
)
INVITEE = """{"collection":[{"cancel_url":"https://calendly.com/cancellations/%(n)08x","created_at":"%(made)s",
"email":"guest%(n)d@example.com","event":"%(base)s/scheduled_events/%(n)08x-aaaa-4bbb-8ccc-dddddddddddd",
"first_name":"Ines","invitee_scheduled_by":null,"last_name":"Okafor","name":"Ines Okafor","new_invitee":null,
"no_show":null,"old_invitee":null,"payment":null,"questions_and_answers":[
{"answer":"Knee pain","position":0,"question":"Reason"}],"reconfirmation":null,
"reschedule_url":"https://calendly.com/reschedulings/%(n)08x","rescheduled":false,"routing_form_submission":null,
"scheduling_method":null,"status":"active","text_reminder_number":"+1312%(number)07d",
"timezone":"America/Chicago","tracking":{"utm_campaign":null,"utm_source":null,"utm_medium":null,"utm_content":null,
"utm_term":null,"salesforce_uuid":null},"updated_at":"%(made)s",
"uri":"%(base)s/scheduled_events/%(n)08x-aaaa-4bbb-8ccc-dddddddddddd/invitees/%(n)08x"}],
"pagination":{"count":1,"next_page":null,"next_page_token":null,"previous_page":null,"previous_page_token":null}}
""".replace("\n", "")
TEXTS = {
    "confirm": "Hi {{name}}, your meeting is booked for {{time}}.",
    "cancel": "Hi {{name}}, your meeting was canceled.",
    "reminder": "Hi {{name}}, your meeting at {{time}} is {{advance}} away.",
}
TEMPLATES = json.dumps(
    [
        {"template_id": str(int(TEMPLATE) + n), "template_name": name, "template_content": text, "status": 2}
        for n, (name, text) in enumerate(TEXTS.items())
    ]
)
ME = json.dumps(
    {
        "resource": {
            "uri": f"{BASE}/users/2f6a9c10-0c1d-4e2f-8a3b-4c5d6e7f8091",
            "email": "mara@northpier.example",
            "timezone": "America/Chicago",
            "current_organization": f"{BASE}/organizations/1111",
        }
    }
)


def stamp(seconds: float) -> str:
    """Spell Unix seconds as Calendly does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Account:
    """One account: its events in their order, each encoded once, and pages of them, each put together once."""

    def __init__(self, events: int, port: int) -> None:
        self._port = port
        self.made = stamp(datetime.now(UTC).timestamp() - 5)
        self.moved: dict[int, int] = {}
        self.starts = [FIRST + n * APART for n in range(events)]
        self.events = [self._event(n) for n in range(events)]
        self.pages: dict[tuple[int, int], bytes] = {}

    def _event(self, n: int) -> bytes:
        start = FIRST + n * APART + self.moved.get(n, 0)
        fields = {"n": n, "base": BASE, "start": stamp(start), "end": stamp(start + 1800)}
        return (EVENT % fields).encode()

    def move(self, first: int, every: int, count: int) -> None:
        """Let so many meetings begin a second later; pages that were asked for before are put together anew at once."""
        for n in range(first, first + every * count, every):
            self.moved[n] = self.moved.get(n, 0) + 1
            self.events[n] = self._event(n)
        for key in list(self.pages):
            del self.pages[key]
            self.page(*key)

    def add(self, count: int) -> None:
        """Book so many more."""
        first = len(self.events)
        self.starts += [FIRST + n * APART for n in range(first, first + count)]
        self.events += [self._event(n) for n in range(first, first + count)]
        self.pages.clear()

    def add_key(self, before: str) -> None:
        """Let every event have a new key in front of this one, as Calendly may do on any day."""
        self.events = [
            event.replace(b'"%s"' % before.encode(), b'"invented_later":0,"%s"' % before.encode())
            for event in self.events
        ]
        self.pages.clear()

    def bounds(self, query: dict[str, list[str]]) -> tuple[int, int]:
        """Find the first event of a window and the one after its last; both bounds are inclusive."""

        def seconds(name: str) -> float:
            return datetime.fromisoformat(query[name][0]).timestamp()

        low = bisect_left(self.starts, seconds("min_start_time")) if "min_start_time" in query else 0
        high = bisect_right(self.starts, seconds("max_start_time")) if "max_start_time" in query else len(self.starts)
        return low, max(low, high)

    def page(self, low: int, high: int) -> bytes:
        """Give the page of the window that begins at `low`."""
        if (low, high) not in self.pages:
            after = low + PAGE
            more = (
                f'"http://127.0.0.1:{self._port}/scheduled_events?page_token={after}.{high}"'
                if after < high
                else "null"
            )
            tail = b'],"pagination":{"count":%d,"next_page":%s}}' % (min(after, high) - low, more.encode())
            body = b'{"collection":[' + b",".join(self.events[low : min(after, high)]) + tail
            self.pages[low, high] = gzip.compress(body, 6)
        return self.pages[low, high]

    def invitees(self, n: int) -> bytes:
        """Give the one invitee of an event."""
        fields = {"n": n, "base": BASE, "made": self.made, "number": 2_000_000 + n}
        return (INVITEE % fields).encode()


class Bench:
    """What is served, how fast, and what was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.account = Account(0, 0)
        self.counts: Counter[str] = Counter()
        self.latency = 0.0
        self.rate, self.window = 0, 60.0
        self._opened, self._used = float("-inf"), 0
        self.flying = self.most_flying = 0
        self.moments: dict[str, float] = {}

    def set_up(self, wanted: dict[str, Any]) -> None:
        """Take the settings of one row."""
        self.latency = wanted.get("latency", self.latency)
        self.rate, self.window = wanted.get("rate", self.rate), wanted.get("window", self.window)
        if "events" in wanted:
            self.account = Account(wanted["events"], self.port)
        if "move" in wanted:
            self.account.move(*wanted["move"])
        if "add" in wanted:
            self.account.add(wanted["add"])
        if "add_key" in wanted:
            self.account.add_key(wanted["add_key"])
        self.counts.clear()
        self.moments.clear()
        self.most_flying, self._opened, self._used = 0, float("-inf"), 0

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes, bool, bytes]:
        """Answer one request: status, body, whether that is packed, further headers."""
        url = urlsplit(target)
        path = url.path
        if path == "/bench":
            if method == "POST":
                self.set_up(json.loads(body))
            told = {**self.counts, "most_in_flight": self.most_flying, **self.moments}
            return 200, json.dumps(told).encode(), False, b""
        now = datetime.now(UTC).timestamp()
        self.moments.setdefault("first_at", now)
        self.moments["templates_at" if path == "/v1/template-configs" else "last_at"] = now
        if path.startswith("/v1/"):
            return 200, self._engagelab(path), False, b""
        limits = self._count()
        if limits is None:
            self.counts["429"] += 1
            return (
                429,
                b"{}",
                False,
                b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 60\r\n" % self.rate,
            )
        return (*self._calendly(path, parse_qs(url.query)), limits)

    def _engagelab(self, path: str) -> bytes:
        if path == "/v1/template-configs":
            return TEMPLATES.encode()
        self.counts["texts"] += 1
        ident = 2_031_502_210_000_000_000 + self.counts["texts"]
        return b'{"plan_id":"%d","total_count":1,"accepted_count":1,"message_id":"%d"}' % (ident, ident)

    def _calendly(self, path: str, query: dict[str, list[str]]) -> tuple[int, bytes, bool]:
        if path == "/scheduled_events":
            self.counts["listing"] += 1
            if "page_token" in query:
                low, high = map(int, query["page_token"][0].split("."))
            else:
                low, high = self.account.bounds(query)
            return 200, self.account.page(low, high), True
        if path.endswith("/invitees"):
            self.counts["invitees"] += 1
            return 200, self.account.invitees(int(path.split("/")[-2][:8], 16)), False
        self.counts["other"] += 1
        return (200, ME.encode(), False) if path == "/users/me" else (404, b"{}", False)

    def _count(self) -> bytes | None:
        """Count a request in a window that begins with its first one; None = one too many."""
        if not self.rate:
            return b""
        now = asyncio.get_running_loop().time()
        if now >= self._opened + self.window:
            self._opened, self._used = now, 0
        if self._used >= self.rate:
            return None
        self._used += 1
        left = self.rate - self._used
        return b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: 60\r\n" % (self.rate, left)


class Connection(asyncio.Protocol):
    """Just enough HTTP/1.1: one request after the other on a connection that stays open."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1")
            at = head.lower().find("content-length:")
            length = int(head[at + 15 :].split("\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            packs = "gzip" in head[head.lower().find("accept-encoding:") :].split("\r\n", 1)[0]
            bench = self._bench
            bench.flying += 1
            bench.most_flying = max(bench.most_flying, bench.flying)
            answer = bench.answer(method, target, body)
            if bench.latency and target != "/bench":
                asyncio.get_running_loop().call_later(bench.latency, self._write, packs, *answer)
            else:
                self._write(packs, *answer)

    def _write(self, packs: bool, status: int, body: bytes, packed: bool, more: bytes) -> None:
        self._bench.flying -= 1
        if packed and not packs:
            body = gzip.decompress(body)
        coding = b"Content-Encoding: gzip\r\n" if packed and packs else b""
        date = formatdate(usegmt=True).encode()
        head = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nDate: %s\r\n%s%sContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, date, coding, more, len(body)) + body)


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    bench = Bench()
    server = await loop.create_server(lambda: Connection(bench), "127.0.0.1", 0)
    bench.port = server.sockets[0].getsockname()[1]
    print(bench.port, flush=True)  # noqa: T201  who started this reads it
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
