"""Judges each text at the moment when it reaches the gateway, and each run when it has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.oracle.windows import FOLLOW_UP, FOLLOW_UP_LIFE, MOST_LATE, NEWS, REMINDERS, SETTLE
from syncer.model import Audience, State, from_utc_text, utc_text
from syncer.sandbox.shapes import unstamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from support.fake_clients import Sent
    from syncer.sandbox.world import World
    from syncer.store import Store

MINUTE = timedelta(minutes=1)
FEWEST_HELD = 10
"""Fewer cancellations at once are nobody's mistake."""
TELLING = {"confirmation", "reschedule", "reminder-24h", "reminder-1h"}
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def spelled(start: datetime) -> str:
    """A start as the texts say it, for somebody in UTC: made without the library that syncer uses."""
    start = start.astimezone(UTC)
    hour, half = start.hour % 12 or 12, "AM" if start.hour < 12 else "PM"
    return f"{start:%a, %b} {start.day}, {hour}:{start:%M} {half}"


def said(advance: str) -> timedelta:
    """Read a distance as a text says it in English."""
    count, unit = advance.split()
    return int(count) * {"minute": MINUTE, "hour": 60 * MINUTE, "day": 24 * 60 * MINUTE}[unit.removesuffix("s")]


@dataclass(frozen=True)
class Told:
    """One text that may have been read.

    Attributes:
        chain: the booking, as the URI that it had before its first move.
        start: the meeting's start that the text is about.
    """

    key: str
    chain: str
    rule: str
    to: str
    start: datetime


@dataclass
class Judge:
    """Holds every text and every run against the world.

    Whoever changes the world says so: `changed`, `shifted_in_place`, `gave_away`, `torn`, `vague`.

    Attributes:
        born_at: nothing that was due before it may be sent.
        office: the number for hosts who have none of their own.
        numbers: e-mail -> number of those hosts who have one.
        told: the texts that may have been read, oldest first.
        shifted: invitees whose event moved in place after they were seen, and when.
        dropped: people who are not among their event's invitees for now.
        torn: old invitees of moves whose halves nothing could join when they were looked at.
        vague: bookings of which the listing did not say who the host is, for a time.
        odd: events whose rows, or whose people, cannot be read for now.
        held: canceled bookings whose texts a guard holds.
        withdrawn: canceled bookings whose texts an operator canceled.
        strict: whether the outbox is judged: not after a listing that rows shifted under.
    """

    world: World
    clock: Callable[[], datetime]
    born_at: datetime
    office: str
    numbers: Mapping[str, str]
    store: Store
    told: list[Told] = field(default_factory=list)
    shifted: dict[str, datetime] = field(default_factory=dict)
    dropped: dict[str, dict[str, Any]] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)
    vague: set[str] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    strict: bool = True
    _keys: set[str] = field(default_factory=set)
    _bounced: set[tuple[str, str, datetime]] = field(default_factory=set)
    _changed_at: dict[str, datetime] = field(default_factory=dict)
    _since: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    _as_seen: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    _lost: dict[str, set[str]] = field(default_factory=dict)
    _regained: set[str] = field(default_factory=set)
    _host_seen: dict[str, str] = field(default_factory=dict)
    _handed_over: dict[str, datetime] = field(default_factory=dict)
    _gave_away_at: dict[str, datetime] = field(default_factory=dict)
    _noticed: set[str] = field(default_factory=set)
    _follow_ups: list[str] = field(default_factory=list)
    _olds: dict[str, str] = field(default_factory=dict)
    _looks: list[datetime] = field(default_factory=list)

    # What happens in the world.

    def changed(self, invitee: str) -> None:
        """Note that a booking was made or moved: since when it has its start."""
        chain, start = self.chain(invitee), self._start(invitee)
        now = self.clock()
        seen = self._as_seen.get(chain)
        before = self._since.get(chain)
        self._changed_at[chain] = now
        if before is None or before[0] != start:
            # Away and back before anybody looked is no change.
            self._since[chain] = seen if seen is not None and seen[0] == start else (start, now)

    def shifted_in_place(self, invitee: str, *, seen: bool) -> None:
        """Note that a booking's event moved in place; whoever was not seen before the move is new, not moved.

        A seat that somebody moved to another event before stays where it is.
        """
        if invitee in self.world.moved:
            return
        if seen:
            self.shifted[invitee] = self.clock()
        if invitee not in self.world.invitees:
            return
        chain = self.chain(invitee)
        if seen:
            self.changed(invitee)
        elif chain in self._since:  # it is still as new as it was, and back at the time that was seen no change at all
            start, last = self._start(invitee), self._as_seen.get(chain)
            self._since[chain] = last if last is not None and last[0] == start else (start, self._since[chain][1])

    def gave_away(self, invitee: str, *, seen: bool) -> None:
        """Note that a booking was handed over: whoever is not its host now may be told when it comes back to them.

        Of one that nobody has `seen` yet, all that can be known is when it was booked.
        """
        if invitee in self.world.moved:
            return
        chain = self.chain(invitee)
        now = self._host_number(self.world.events[self.world.invitees[invitee]["event"]])
        self._lost.setdefault(chain, set()).update({*self.numbers.values(), self.office} - {now})
        self._gave_away_at[chain] = self.clock()
        if chain in self._host_seen:  # else nobody can know that it had another host
            made = unstamp(self.world.invitees[invitee]["created_at"])
            self._handed_over[chain] = self.clock() if seen else made

    def chain(self, invitee: str) -> str:
        """Name a booking, whatever its moves: by the URI that it had first."""
        if len(self._olds) != len(self.world.moved):
            self._olds = {new: old for old, new in self.world.moved.items()}
        while invitee in self._olds:
            invitee = self._olds[invitee]
        return invitee

    def _steps(self, invitee: str) -> Iterator[tuple[str, str]]:
        """Go back through a booking's moves: pairs of the new half and the old one."""
        self.chain(invitee)
        while invitee in self._olds:
            yield invitee, self._olds[invitee]
            invitee = self._olds[invitee]

    def _start(self, invitee: str) -> datetime:
        event = self.world.events[self.world.invitees[invitee]["event"]]
        return unstamp(event["start_time"]).replace(microsecond=0)

    def _host_number(self, event: dict[str, Any]) -> str:
        hosts = self.world.shown(event)["event_memberships"]
        emails = [host["user_email"] for host in hosts] if isinstance(hosts, list) else []
        return next((self.numbers[email] for email in emails if email in self.numbers), self.office)

    # Each text.

    def text(self, sent: Sent) -> None:
        """Judge one text at the moment it reaches the gateway."""
        uri, rule, anchor = parts_of(sent.key)
        assert sent.key not in self._keys, f"twice: {sent.key}"
        self._keys.add(sent.key)
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
        assert event["uri"] not in self._odd_rows(), f"about an event that cannot be read: {sent.key}"
        expected = self._host_number(event) if rule == "host" else known.invitee.text_reminder_number
        # A listing that leaves the hosts out, or says nonsense, takes no meeting from the host who is known.
        known_host = {self.numbers.get(host.email, self.office) for host in known.event.hosts}
        right = {expected} | (known_host if rule == "host" and self.chain(uri) in self.vague else set())
        assert sent.to in right, f"to another number: {sent.key} to {sent.to}, not {expected}"
        assert "@deleted." in invitee["email"] or rule == "host" or sent.to == invitee["text_reminder_number"]
        start = unstamp(event["start_time"]).replace(microsecond=0)
        assert anchor == utc_text(start), f"about another time: {sent.key}, and it is at {start}"
        assert not any("{" in value or not value for value in sent.params.values())
        if rule == "cancellation":
            self._cancellation(invitee, event)
        else:
            assert invitee["status"] == event["status"] == "active", f"{rule} about a canceled booking"
            self._active(rule, sent, invitee, event)
        self.told.append(Told(sent.key, self.chain(uri), rule, sent.to, start))
        if sent.to in self._lost.get(self.chain(uri), ()):
            self._lost[self.chain(uri)].discard(sent.to)
            self._regained.add(sent.key)

    def _odd_rows(self) -> set[str]:
        return {
            uri for uri in self.odd if uri in self.world.events and "start_time" in self.world.odd_fields.get(uri, ())
        }

    def _read_at(self, event: str) -> datetime:
        return self.store.known([event])[event].read_at

    def refused(self, key: str) -> None:
        """Note that a request was surely not taken: it may come again."""
        self._keys.remove(key)
        gone = next(text for text in self.told if text.key == key)
        self.told.remove(gone)
        self._bounced.add((gone.chain, gone.to, gone.start))
        if key in self._regained:
            self._lost[gone.chain].add(gone.to)

    def last_told(self, chain: str, to: str, *, but_reminders_of: datetime | None = None) -> datetime | None:
        """Say which time of a booking a number was told last; None = it was told of none."""
        texts = [
            one
            for one in self.told
            if one.chain == chain
            and one.to == to
            and one.rule in {*TELLING, "host"}
            and not (one.rule in REMINDERS and one.start == but_reminders_of)
        ]
        return texts[-1].start if texts else None

    def _joinable(self, invitee: str) -> bool:
        """Whether the world still shows how this booking came about; else it is a new one for whoever looks now."""
        for new, old in self._steps(invitee):
            if old in self.torn:
                return False
            was, now = self.world.invitees.get(old), self.world.invitees.get(new)
            # Either half names the other, where it can be read.
            seen = [half for half in (was, now) if half is not None and half["event"] not in self.unread()]
            if seen and now is not None and now["old_invitee"] is not None:
                continue
            if was is None or now is None or len(seen) < len((was, now)):
                self.torn.add(old)
                return False
        return True

    def _cancellation(self, invitee: dict[str, Any], event: dict[str, Any]) -> None:
        uri = invitee["uri"]
        assert "canceled" in {invitee["status"], event["status"]}, "cancellation of an active booking"
        assert uri not in self.world.moved, f"a move told as a cancellation: {uri}"
        assert not invitee["rescheduled"], f"a move told as a cancellation: {uri}"
        assert uri not in self.held, f"cancellation that is held by a guard: {uri}"
        assert uri not in self.withdrawn, f"cancellation that an operator canceled: {uri}"
        at = unstamp(invitee["cancellation"]["created_at"])
        assert self.clock() - at >= SETTLE, "cancellation that had not settled"
        assert self.clock() < at + NEWS + SETTLE, "cancellation too late"
        assert self.clock() < unstamp(event["end_time"]), "cancellation after the meeting's end"
        bookings = [uri, *(old for _, old in self._steps(uri))]
        known = [message for rows in self.store.messages_of(bookings).values() for message in rows]
        texts = [row for row in known if row.rule in TELLING and row.audience is Audience.INVITEE]
        assert any(row.state is not State.SKIPPED for row in texts), "cancellation of somebody never told"

    def _active(self, rule: str, sent: Sent, invitee: dict[str, Any], event: dict[str, Any]) -> None:
        now, start, end = self.clock(), unstamp(event["start_time"]), unstamp(event["end_time"])
        uri, chain = invitee["uri"], self.chain(invitee["uri"])
        if "time" in sent.params:
            assert sent.params["time"].startswith(spelled(start)), (sent.params["time"], spelled(start))
        if rule in REMINDERS:
            assert start - REMINDERS[rule] - timedelta(seconds=1) <= now < start, "a reminder at the wrong time"
            assert now < start - REMINDERS[rule] + MOST_LATE, "a reminder too late"
            near = min(max(REMINDERS[rule] / 20, 2 * MINUTE), 30 * MINUTE)
            told = said(sent.params["advance"])
            # Rounded down by an hour at most; more than is left only where the rule's own words are near enough.
            assert now + told <= start + near, f"{told} to go, and {start - now} are left"
            assert now + told > start - max(near, 61 * MINUTE), f"{told} to go, and {start - now} are left"
            assert self._has_start_since(uri) <= start - REMINDERS[rule], "booked too late for it"
            before = [one for one in self.told if one.chain == chain and one.rule == rule and one.to == sent.to]
            again = any(one.start == start.replace(microsecond=0) for one in before)
            assert not again or not self._joinable(uri), f"a reminder that had left before the move: {sent.key}"
        elif rule == "follow-up":
            assert end + FOLLOW_UP <= now + timedelta(seconds=1), "a follow-up too early"
            assert now < end + FOLLOW_UP + FOLLOW_UP_LIFE + MINUTE * 30, "a follow-up too late"
            # Looked at once, when it is due: a mark that is set while it is retried comes too late.
            read_at = self.store.bookings([uri])[uri].read_at
            marked = invitee["no_show"] and unstamp(invitee["no_show"]["created_at"])
            assert marked is None or marked >= read_at >= end + FOLLOW_UP, "a follow-up to a no-show"
            self._follow_ups.append(sent.key)
        else:
            self._news(rule, sent, invitee, start.replace(microsecond=0))

    def _news(self, rule: str, sent: Sent, invitee: dict[str, Any], start: datetime) -> None:
        """Judge a text that tells of a booking, a move or a hand-over."""
        now, uri, chain = self.clock(), invitee["uri"], self.chain(invitee["uri"])
        in_place = max(
            self.shifted.get(uri, LONG_AGO), self._gave_away_at.get(chain, LONG_AGO) if rule == "host" else LONG_AGO
        )
        since = max(unstamp(invitee["created_at"]), in_place)
        # What happens in place has no time of its own but that of the next look.
        assert now < since + NEWS + timedelta(days=40 if in_place > LONG_AGO else 0), f"{rule} too late"
        assert since.replace(microsecond=0) >= self.born_at, "about what was before the database's birth"
        # A reminder may come before the text about the booking or the move, if both are due at once.
        last = self.last_told(chain, sent.to, but_reminders_of=start)
        moved = chain != uri or uri in self.shifted
        if rule == "host":
            regained = sent.to in self._lost.get(chain, ())
            assert last != start or regained or not self._joinable(uri), f"the host knows this time: {sent.key}"
        elif rule == "confirmation":
            assert uri not in self.shifted, f"a move told as a booking: {sent.key}"
            known = last is not None and self._joinable(uri)
            assert not known, f"{'twice' if chain == uri else 'a move told as a booking'}: {sent.key}"
        else:
            assert rule == "reschedule", f"no such rule: {rule}"
            assert moved, f"a booking told as a move: {sent.key}"
            assert last != start or not self._joinable(uri), f"a move to the time that was told last: {sent.key}"

    def _has_start_since(self, invitee: str) -> datetime:
        """Say when a booking got its start; a move to the same time does not make it a new one."""
        since, start = unstamp(self.world.invitees[invitee]["created_at"]), self._start(invitee)
        for _, old in self._steps(invitee):
            if old not in self.world.invitees:
                return LONG_AGO
            if self._start(old) != start:
                break
            since = unstamp(self.world.invitees[old]["created_at"])
        return since.replace(microsecond=0)

    # Each run.

    def run(self, *, troubled: bool) -> None:
        """Judge the outbox after a complete run; `troubled`: the gateway did not take each text."""
        if not self.strict:
            return
        now = self.clock()
        waits = []
        for message in self.store.messages():
            assert message.state is not State.SENDING
            assert message.state not in {State.SCHEDULED, State.RETRYABLE} or message.expires_at > now, "stuck"
            if message.state in {State.SCHEDULED, State.RETRYABLE} and message.rule != "cancellation":
                invitee = self.world.invitees.get(message.booking)
                if invitee is None or invitee["event"] in self.unread():
                    continue
                assert invitee["status"] == "active", f"waits for a canceled booking: {message.key}"
                known = message.changed_at < now  # else it was planned in this run, perhaps after others had left
                if known and message.next_at <= now < message.meeting_at:
                    waits.append(message.key)
        if self._follow_ups and not troubled:
            assert not waits, f"starved: {waits[0]} waits, and {self._follow_ups[0]} left"
        self._follow_ups.clear()
        for uri, invitee in self.world.invitees.items():
            self._kept(uri, invitee, now)

    def begins(self) -> None:
        """Note that a run begins."""
        self._looks.append(self.clock())
        self._follow_ups.clear()

    def unread(self) -> set[str]:
        """List the events that cannot be read, or could not be when they were last tried."""
        return {*self.odd, *self.store.unreadable_events()}

    def guard_holds(self) -> None:
        """Judge what a guard held back: many cancellations that it had not seen before, and they only."""
        unread = self.unread()
        fresh = {
            uri
            for uri in self._settled_cancellations() - self._noticed
            if self.world.invitees[uri]["event"] not in unread
        }
        assert len(fresh) >= FEWEST_HELD, f"a guard without a reason: {len(fresh)} cancellations are new"
        self.held |= fresh

    def _settled_cancellations(self) -> set[str]:
        return {
            uri
            for uri, invitee in self.world.invitees.items()
            if invitee["status"] == "canceled"
            and uri not in self.world.moved
            and self.clock() - unstamp(invitee["cancellation"]["created_at"]) >= SETTLE
        }

    def _kept(self, uri: str, invitee: dict[str, Any], now: datetime) -> None:
        """Nobody is forgotten: an active booking in reach has a row for each text that it calls for."""
        event = self.world.events[invitee["event"]]
        start = unstamp(event["start_time"])
        if invitee["status"] != "active" or event["status"] != "active" or start < now - timedelta(hours=24):
            return
        if event["uri"] in self.unread():
            return
        meeting = from_utc_text(utc_text(start))
        rows = {m.rule: m for m in self.store.messages_of([uri])[uri] if m.meeting_at == meeting}
        new = self.chain(uri) == uri and uri not in self.shifted
        wanted = {"reminder-24h", "reminder-1h", *({"confirmation", "host"} if new else set())}
        assert wanted <= rows.keys(), f"forgotten: {wanted - rows.keys()} of {uri}"
        if "@deleted." in invitee["email"]:
            return
        for rule, message in rows.items():
            if invitee["text_reminder_number"] is None and message.audience is Audience.INVITEE:
                assert message.state in {State.SKIPPED, State.CANCELED, State.EXPIRED}, (rule, message.state)

    def clean_run(self) -> None:
        """Judge what was told after a run in which nothing went wrong: everybody knows the present time.

        That is demanded where a text about it was due and could leave.
        """
        if not self.strict:
            return
        now, unread = self.clock(), self.unread()
        for uri, invitee in self.world.invitees.items():
            event = self.world.events[invitee["event"]]
            if event["uri"] in unread or "@deleted." in invitee["email"]:
                continue
            if invitee["status"] == "canceled" or event["status"] == "canceled":
                self._heard_of_the_end(uri, invitee, event, now)
            elif unstamp(event["start_time"]) > now:
                self._heard_of_the_time(uri, invitee, event, now)

    def seen(self) -> None:
        """Note what a complete run could see."""
        unread = self.unread()
        canceled = self._settled_cancellations()
        self._noticed |= {uri for uri in canceled if self.world.invitees[uri]["event"] not in unread}
        for uri, invitee in self.world.invitees.items():
            chain = self.chain(uri)
            if invitee["status"] == "active" and invitee["event"] not in unread and chain in self._since:
                self._as_seen[chain] = self._since[chain]
                self._host_seen[chain] = self._host_number(self.world.events[invitee["event"]])

    def _heard_of_the_time(self, uri: str, invitee: dict[str, Any], event: dict[str, Any], now: datetime) -> None:
        chain, start = self.chain(uri), self._start(uri)
        guest, host = invitee["text_reminder_number"], self._host_number(event)
        if guest is not None:
            self._knows(chain, uri, guest, start, now, LONG_AGO)
        if chain in self.vague:
            return
        taken_over = self._host_seen.get(chain, host) != host != self.office
        at = self._handed_over[chain] if taken_over else LONG_AGO
        self._knows(chain, uri, host, start, now, at)
        told = [text for text in self.told if text.chain == chain and text.rule == "host"]
        # To and fro, and nobody heard of it: the last one told has the meeting.
        had_it_all_along = bool(told) and (told[-1].to, told[-1].start) == (host, start)
        if taken_over and now < at + NEWS and host in self._lost.get(chain, ()) and not had_it_all_along:
            assert (chain, host, start) in self._bounced, f"the new host was not told: {uri}"

    def _knows(self, chain: str, uri: str, to: str, start: datetime, now: datetime, handed_over: datetime) -> None:
        last = self.last_told(chain, to)
        if last == start or (chain, to, start) in self._bounced:
            return
        since, changed = self._since[chain][1], self._changed_at[chain]
        at = max(since if last is None else changed, handed_over)
        if uri in self.shifted:  # what happens in place has no time of its own but that of the next look
            at = next((look for look in self._looks if look >= at), at)
        due = at.replace(microsecond=0) >= self.born_at and now < at + NEWS - timedelta(seconds=1)
        assert not due, f"the last text names {last}, and the meeting is at {start}: {uri} to {to}"

    def _heard_of_the_end(self, uri: str, invitee: dict[str, Any], event: dict[str, Any], now: datetime) -> None:
        """Whoever was told of a booking is told of its end."""
        unread = self.unread()
        guest = invitee["text_reminder_number"]
        at = unstamp((invitee.get("cancellation") or event["cancellation"])["created_at"])
        over = now >= min(at + NEWS - timedelta(seconds=1), unstamp(event["end_time"]))
        if uri in self.world.moved or guest is None or over or now < at + SETTLE + timedelta(seconds=1):
            return
        chain, start = self.chain(uri), self._start(uri)
        texts = [one for one in self.told if one.chain == chain and one.to == guest]
        unknown = any(self.world.invitees.get(old, {}).get("event") in unread for _, old in self._steps(uri))
        if unknown or not self._joinable(uri):  # nobody knows who was told of what it was moved from
            return
        if not texts or uri in self.held | self.withdrawn or (chain, guest, start) in self._bounced:
            return
        ended = any(one.rule == "cancellation" and parts_of(one.key)[0] == uri for one in texts)
        assert ended, f"not told of the cancellation: {uri}"


def parts_of(key: str) -> tuple[str, str, str]:
    """Take a message's key apart: the invitee, the rule, and the start that it is about."""
    parts = key.split("/")
    return "/".join(parts[:7]), parts[7], parts[8].partition("~")[0]
