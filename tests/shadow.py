"""What the state machine is judged by: Calendly in process, and the promises as checks of each text and each run.

The checks know the sandbox's world and nothing of syncer's planning: they are a second, simpler opinion.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncer import calendly_accounts as accounts
from syncer import calendly_pages as pages
from syncer import calendly_shapes as shapes
from syncer.calendly import Listing
from syncer.calendly_answers import decipher
from syncer.errors import CalendlyBusy, NotThere
from syncer.model import Audience, State, from_utc_text, utc_text
from syncer.outbox import LEFT
from syncer.sandbox.directory import OWNER
from syncer.sandbox.shapes import unstamp
from syncer.sieve import Sieve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fakes import Sent

    from syncer.calendly import EventType
    from syncer.model import Invitee
    from syncer.sandbox.world import World
    from syncer.store import Store

PAGE = 4
SETTLE = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
TELLING = {"confirmation", "reschedule", "reminder-24h", "reminder-1h"}
NEWS = {"confirmation", "reschedule", "host"}
OFFSETS = {"reminder-24h": timedelta(hours=24), "reminder-1h": timedelta(hours=1)}


@dataclass
class DirectCalendly:
    """Calendly without sockets: the world's records as JSON, read by the real decoders, page by page.

    Attributes:
        faults: what happens to the next listings: "lost" (a page fails), "twice" (rows come twice), "empty".
        between: called between two pages: rows may shift during a walk.
    """

    world: World
    clock: Callable[[], datetime]
    faults: list[str] = field(default_factory=list)
    between: Callable[[], None] | None = None
    requests: int = 0
    limit: int | None = None
    last_date: datetime | None = None

    def _page(self, rows: list[dict[str, Any]]) -> bytes:
        self.requests += 1
        self.last_date = self.clock()
        return json.dumps({"collection": rows, "pagination": {"count": len(rows), "next_page": None}}).encode()

    def lanes(self, most: int) -> int:
        """As many as there may be."""
        return most

    def prepare_threads(self) -> None:
        """Need nothing."""

    def me(self) -> Any:
        """The organization's owner."""
        self.requests += 1
        body = json.dumps({"resource": self.world.host(OWNER)}).encode()
        return accounts.me(pages.resource(decipher(200, {}, body), "users/me"))

    def events(
        self,
        scope: Mapping[str, str],
        since: datetime | None,
        until: datetime | None,
        *,
        cuts: Sequence[datetime] = (),
        sieve: Sieve | None = None,
    ) -> Listing:
        """List the window, or raise; what is booked between two pages may be missed or seen twice."""
        assert scope
        assert not cuts, "so small an account is not cut"
        sieve = Sieve() if sieve is None else sieve
        fault = self.faults.pop(0) if self.faults else ""
        at = 0
        while True:
            rows = sorted(
                (
                    row
                    for row in self.world.events.values()
                    if (since is None or unstamp(row["start_time"]) >= since)
                    and (until is None or unstamp(row["start_time"]) <= until)
                ),
                key=lambda row: str(row["start_time"]),
            )
            part = [] if fault == "empty" else rows[at : at + PAGE]
            if fault == "lost" and at:
                raise CalendlyBusy("a page is lost", status=502)
            body = self._page(part * (2 if fault == "twice" else 1))
            events, unreadable, _ = shapes.changed(body, "scheduled_events", sieve)
            sieve.take(events, unreadable)
            at += PAGE
            if at >= len(rows):
                count = sieve.seen + len(sieve.found) + len(sieve.unreadable)
                return Listing(tuple(sieve.found), at // PAGE, count, sieve.unreadable)
            if self.between is not None:
                self.between()

    def invitees(self, event_uri: str) -> tuple[Invitee, ...]:
        """Read the invitees of an event."""
        if event_uri not in self.world.by_event:
            raise NotThere("gone", status=404)
        rows = [self.world.invitees[uri] for uri in self.world.by_event[event_uri]]
        return tuple(
            shapes.invitee(record, event_uri)
            for record in pages.page(decipher(200, {}, self._page(rows)), "invitees")[0]
        )

    def event_type(self, uri: str) -> EventType:
        """Read an event type."""
        self.requests += 1
        body = json.dumps({"resource": self.world.event_types[uri]}).encode()
        return accounts.event_type(pages.resource(decipher(200, {}, body), "event_types"))


def spelled(start: datetime) -> str:
    """A start as the texts say it, for somebody in UTC: made without the library that syncer uses."""
    start = start.astimezone(UTC)
    hour, half = start.hour % 12 or 12, "AM" if start.hour < 12 else "PM"
    return f"{start:%a, %b} {start.day}, {hour}:{start:%M} {half}"


def said(advance: str) -> timedelta:
    """Read a distance as a text says it in English."""
    count, unit = advance.split()
    return int(count) * {"minute": MINUTE, "hour": 60 * MINUTE, "day": 24 * 60 * MINUTE}[unit.removesuffix("s")]


def parts_of(key: str) -> tuple[str, str, str, str]:
    """Take a key apart: invitee, rule, start, and the host to whom the meeting was handed over, if it tells of that."""
    event, _, rest = key.partition("/invitees/")
    ident, rule, anchor, *host = rest.split("/")
    return f"{event}/invitees/{ident}", rule, anchor.partition("~")[0], host[0].partition("~")[0] if host else ""


@dataclass
class Judge:
    """Holds every text and every run against the world.

    Attributes:
        born_at: nothing that was due before it may be sent.
        texts: (invitee, rule, start, host) -> how many requests reached the gateway.
        shifts: events that moved in place -> how often: only these may come back to a time.
        shifted: invitees whose event moved in place after they were seen, and when.
        handed_over: events that another host took over, and who.
        dropped: people who are not among their event's invitees for now.
        strict: whether the outbox is judged: not after a listing that rows shifted under.
    """

    world: World
    clock: Callable[[], datetime]
    born_at: datetime
    host_phone: str
    store: Store
    texts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    shifts: Counter[str] = field(default_factory=Counter)
    shifted: dict[str, datetime] = field(default_factory=dict)
    handed_over: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, dict[str, Any]] = field(default_factory=dict)
    strict: bool = True

    def text(self, sent: Sent) -> None:
        """Judge one text at the moment it reaches the gateway."""
        uri, rule, anchor, host = parts_of(sent.key)
        self.texts[parts_of(sent.key)] += 1
        returns = max(self.shifts[uri.partition("/invitees/")[0]] - 1, 0) if rule in NEWS else 0
        assert self.texts[parts_of(sent.key)] <= 1 + returns, f"twice: {sent.key}"
        assert sent.plan_name == f"syncer/{rule}"
        invitee = self.world.invitees.get(uri) or self.dropped.get(uri)
        assert invitee is not None, f"about a booking that is gone: {sent.key}"
        event = self.world.events[invitee["event"]]
        # Nothing in a listing shows that somebody was erased or is gone; from the next reading on they are not texted.
        known = self.store.bookings([uri])[uri]
        assert not known.invitee.erased, "to an erased person"
        assert known.missing_at is None, "to somebody who is missing"
        assert uri not in self.dropped or known.read_at == self._read_at(invitee["event"]), (
            "missing, and nobody noticed"
        )
        expected = self.host_phone if rule == "host" else known.invitee.text_reminder_number
        assert sent.to == expected, "to another number"
        assert "@deleted." in invitee["email"] or rule == "host" or sent.to == invitee["text_reminder_number"]
        start = unstamp(event["start_time"]).replace(microsecond=0)
        assert anchor == utc_text(start), "about another time"
        assert not any("{" in value or not value for value in sent.params.values())
        if host:
            assert rule == "host", f"{rule} names a host"
            assert self._hosts(event) == [host], "to a former host"
            assert self._is_handed_over(invitee, event, host), "no hand-over"
        if rule == "cancellation":
            self._cancellation(invitee, event)
        else:
            assert invitee["status"] == event["status"] == "active", f"{rule} about a canceled booking"
            self._active(rule, sent, invitee, event, handed_over=bool(host))

    def _hosts(self, event: dict[str, Any]) -> list[str]:
        return [row["user"].rpartition("/")[2] for row in event["event_memberships"]]

    def _is_handed_over(self, invitee: dict[str, Any], event: dict[str, Any], host: str) -> bool:
        """Whether a host took a meeting over: in place, or by the move that made it."""
        old = self.world.invitees.get(invitee["old_invitee"])
        return self.handed_over.get(event["uri"]) == host or (
            old is not None and host not in self._hosts(self.world.events[old["event"]])
        )

    def _read_at(self, event: str) -> datetime:
        return self.store.known([event])[event].read_at

    def refused(self, key: str) -> None:
        """Note that a request was surely not taken: it may come again."""
        self.texts[parts_of(key)] -= 1

    def _cancellation(self, invitee: dict[str, Any] | None, event: dict[str, Any]) -> None:
        assert invitee is not None
        assert "canceled" in {invitee["status"], event["status"]}, "cancellation of an active booking"
        assert not invitee["rescheduled"], "cancellation of a move"
        at = unstamp(invitee["cancellation"]["created_at"])
        assert self.clock() - at >= SETTLE, "cancellation that had not settled"
        chain = [invitee["uri"]]
        while invitee is not None and invitee["old_invitee"] is not None:
            chain.append(invitee["old_invitee"])
            invitee = self.world.invitees.get(invitee["old_invitee"])
        known = [message for rows in self.store.messages_of(chain).values() for message in rows]
        texts = [row for row in known if row.rule in TELLING and row.audience is Audience.INVITEE]
        assert any(row.state is not State.SKIPPED for row in texts), "cancellation of somebody never told"

    def _active(
        self, rule: str, sent: Sent, invitee: dict[str, Any], event: dict[str, Any], *, handed_over: bool
    ) -> None:
        now, start, end = self.clock(), unstamp(event["start_time"]), unstamp(event["end_time"])
        since = max(unstamp(invitee["created_at"]), self.shifted.get(invitee["uri"], datetime.min.replace(tzinfo=UTC)))
        late = timedelta(hours=6)
        if "time" in sent.params:
            assert sent.params["time"].startswith(spelled(start)), (sent.params["time"], spelled(start))
        if rule in OFFSETS:
            assert start - OFFSETS[rule] - timedelta(seconds=1) <= now < start, "a reminder at the wrong time"
            assert now < start - OFFSETS[rule] + timedelta(hours=2), "a reminder too late"
            near = min(max(OFFSETS[rule] / 20, 2 * MINUTE), 30 * MINUTE)
            told = said(sent.params["advance"])
            # Rounded down by an hour at most; more than is left only where the rule's own words are near enough.
            assert now + told <= start + near, f"{told} to go, and {start - now} are left"
            assert now + told > start - max(near, 61 * MINUTE), f"{told} to go, and {start - now} are left"
            booked = unstamp(invitee["created_at"]).replace(microsecond=0)
            assert booked <= start - OFFSETS[rule], "booked too late for it"
        elif rule == "follow-up":
            assert end + timedelta(minutes=30) <= now + timedelta(seconds=1), "a follow-up too early"
            assert now < end + timedelta(hours=25), "a follow-up too late"
            # Looked at once, when it is due: a mark that is set while it is retried comes too late.
            read_at = self.store.bookings([invitee["uri"]])[invitee["uri"]].read_at
            marked = invitee["no_show"] and unstamp(invitee["no_show"]["created_at"])
            assert marked is None or marked >= read_at >= end + timedelta(minutes=30), "a follow-up to a no-show"
        elif not handed_over:
            assert now < since + late + timedelta(days=40 if invitee["uri"] in self.shifted else 0), f"{rule} too late"
            assert since.replace(microsecond=0) >= self.born_at, "about what was before the database's birth"
            assert rule in {"host", *self._news(invitee, event)}, f"{rule} of {invitee['uri']}"

    def _news(self, invitee: dict[str, Any], event: dict[str, Any]) -> set[str]:
        """Say by which rule somebody hears of a booking; of one that was moved to the same time by either."""
        if invitee["old_invitee"] is None:
            return {"reschedule" if invitee["uri"] in self.shifted else "confirmation"}
        old = self.world.invitees.get(invitee["old_invitee"])
        before = None if old is None else self.world.events[old["event"]]
        times = ("start_time", "end_time")
        same = before is None or [before[name] for name in times] == [event[name] for name in times]
        return {"reschedule", "confirmation"} if same else {"reschedule"}

    def _knows(self, store: Store, invitee: dict[str, Any] | None, meeting: datetime, audience: Audience) -> bool:
        """Whether somebody had a text about this very time, of this booking or of one that it was moved from."""
        chain = []
        while invitee is not None:
            chain.append(invitee["uri"])
            invitee = self.world.invitees.get(invitee["old_invitee"])
        rows = [row for found in store.messages_of(chain).values() for row in found]
        told = [
            row for row in rows if row.audience is audience and row.rule in TELLING | {"host"} and row.state in LEFT
        ]
        return any(row.meeting_at == meeting for row in told)

    def run(self, store: Store) -> None:
        """Judge the outbox after a complete run."""
        if not self.strict:
            return
        now = self.clock()
        for message in store.messages():
            assert message.state is not State.SENDING
            assert message.state not in {State.SCHEDULED, State.RETRYABLE} or message.expires_at > now, "stuck"
            if message.state in {State.SCHEDULED, State.RETRYABLE} and message.rule != "cancellation":
                invitee = self.world.invitees.get(message.booking)
                assert invitee is None or invitee["status"] == "active", f"waits for a canceled booking: {message.key}"
        for uri, invitee in self.world.invitees.items():
            self._kept(store, uri, invitee, now)

    def _kept(self, store: Store, uri: str, invitee: dict[str, Any], now: datetime) -> None:
        """Nobody is forgotten: an active booking in reach has a row for each text that it calls for."""
        event = self.world.events[invitee["event"]]
        start = unstamp(event["start_time"])
        if invitee["status"] != "active" or event["status"] != "active" or start < now - timedelta(hours=24):
            return
        meeting = from_utc_text(utc_text(start))
        rows = {m.rule: m for m in store.messages_of([uri])[uri] if m.meeting_at == meeting}
        wanted = {"reminder-24h", "reminder-1h"}
        wanted |= set() if self._knows(store, invitee, meeting, Audience.HOST) else {"host"}
        assert wanted <= rows.keys(), f"forgotten: {wanted - rows.keys()} of {uri}"
        if not self._knows(store, invitee, meeting, Audience.INVITEE):
            assert self._news(invitee, event) & rows.keys(), f"forgotten: {self._news(invitee, event)} of {uri}"
        if "@deleted." in invitee["email"]:
            return
        for rule, message in rows.items():
            if invitee["text_reminder_number"] is None and message.audience is Audience.INVITEE:
                assert message.state in {State.SKIPPED, State.CANCELED, State.EXPIRED}, (rule, message.state)
