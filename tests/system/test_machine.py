"""A state machine that mixes everything people, calendars and networks do, judged after each step.

CI runs some 6,000 steps. The long form, in which people also fall out of their event's list and come back:
`SYNCER_STEPS=200000 .venv/bin/python -m pytest tests/system/test_machine.py -q -n 2`
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import syncer.worker
from support.databases import a_store_in_memory, birth
from support.direct_calendly import IN_DOUBT, DirectCalendly
from support.fake_clients import FakeGateway, InlineExecutor
from support.oracle.texts import Judge
from syncer import config, diff, listing, moves, plan, reading
from syncer.cancellation_guard import CancellationGuard
from syncer.engagelab import Template
from syncer.errors import GuardRefused, SyncerError
from syncer.model import WAITING, State
from syncer.outbox import Accepted, NoAnswer, NotNow, Refused, settle
from syncer.reasons import Reason
from syncer.rules import HostSettings
from syncer.run import Listed, Options
from syncer.sandbox.directory import MEMBER, OWNER
from syncer.sandbox.shapes import unstamp
from syncer.sandbox.world import ABSENT, World
from syncer.store import Batch, Store
from syncer.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncer.store import Due


START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STEPS_AN_EXAMPLE = 50
A_SHARD = 10_000
"""Steps that are played in one go: several cores share the long form."""
OFFICE = "+13125550177"
THEO = "theo@northpier.example"
"""A host without a number of their own."""
HOSTS = {OWNER: "+13125550190", MEMBER: "+13125550191"}
CONTENTS = {
    "1001": "{{name}} {{time}}",
    "1002": "{{name}}",
    "1003": "{{name}} {{advance}} {{time}}",
    "1004": "{{name}}",
    "1005": "{{name}} {{time}}",
    "1006": "{{name}} {{time}}",
}
VARIABLES = ("CONFIRM", "CANCEL", "REMINDER", "FOLLOWUP", "HOST_NOTIFY", "RESCHEDULE")
AHEAD = st.sampled_from([timedelta(minutes=40), timedelta(hours=5), timedelta(hours=25), timedelta(days=3)])
PAUSE = st.sampled_from([2, 20, 60, 60, 600, 3600, 4 * 3600, 23 * 3600])
BY = st.sampled_from(["invitee", "host"])
LINKED = st.sampled_from(["links", "links", "late links", "never"])
GAP = timedelta(seconds=20)
"""No gap between the halves of a move is longer: then it would be a cancellation."""
MANY = 12
"""So many book at once, so that a host may move or cancel more than ten meetings."""

LOOKBACK = timedelta(hours=48)
"""Events that started earlier are hardly listed any more."""

ANSWERS = [Refused("no"), NotNow("no", tries=2), NotNow("429", pauses_all=True), NoAnswer("none")]


class Killed(BaseException):
    """The process ends here."""


ODDITIES = ["touch", "place", "no show", "showed", "erase", "vanish"]
TROUBLES = ["lost", "twice", "empty", "in doubt", "people in doubt", "no count", "refuse", "odd", "odd", "mend", "mend"]
if "SYNCER_STEPS" in os.environ:  # in the long form only: in the short one they would leave too few steps to the others
    ODDITIES += ["drop", "come back"]
ODD_FIELDS: list[tuple[str, object, str]] = [
    ("start_time", 7, "row"),
    ("start_time", ABSENT, "row"),
    ("location", "Mill Lane 2", ""),
    ("location", 7, ""),
    ("invitees_counter", {"total": 1.0, "active": 1.0, "limit": 1}, ""),
    ("event_memberships", "nobody", "hosts"),
    ("meeting_notes_plain", {"a": [1]}, ""),
]
"""What the API may show instead of an event's field: the value, and what then cannot be read."""


class Hurry(threading.Event):
    """An event that nobody waits for."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002  the real one's
        """Be back at once."""
        return self.is_set()


class Machine(RuleBasedStateMachine):
    """Everything that happens, in any order.

    Attributes:
        halves: old invitees whose move has begun, and when.
        unlinked: old invitees whose links come later.
        vanished: how many events have vanished since the last complete run.
        uncalled: whether Calendly has not called a move one since the last complete run.
        troubled: whether something but a plain yes came from the gateway in this run.
        told: the log's events of this run, by name.
        guard_held: whether a guard held back texts about cancellations in this run.
        doubtful_people: how many listings of an event's invitees are going to be in doubt.
    """

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.people = 0
        self.big = True
        self.halves: dict[str, datetime] = {}
        self.unlinked: list[str] = []
        self.killed = ""
        self.verdict = ""
        self.vanished = 0
        self.uncalled = False
        self.troubled = False
        self.told: Counter[str] = Counter()
        self.guard_held = False
        self.doubtful_people = 0
        self.world = World(lambda: self.now)
        self.world.add_host(name="Theo Brandt", email=THEO)
        self.calendly = DirectCalendly(self.world, lambda: self.now)
        self.gateway = FakeGateway.of(*(Template(id=i, content=c, status=2) for i, c in CONTENTS.items()))
        self.gateway.on_send = self._sent
        self.gateway.on_answer = self._answered
        environ = {"CALENDLY_TOKEN": "t", "ENGAGELAB_DEV_KEY": "k", "ENGAGELAB_DEV_SECRET": "s", "HOST_PHONE": OFFICE}
        environ |= {f"TEMPLATE_ID_{name}": f"100{number}" for number, name in enumerate(VARIABLES, 1)}
        made = config.load(environ=environ, folder=Path("/nonexistent"))
        hosts = {email: HostSettings(phone=phone) for email, phone in HOSTS.items()}
        policy = replace(made.policy, timezone="UTC", timezone_is_set=True, per_number_per_day=1000, hosts=hosts)
        self.settings = replace(made, concurrency=1, sends_per_second=500.0, policy=policy)
        self.store = a_store_in_memory(now=self.now)
        self.judge = Judge(self.world, lambda: self.now, birth(self.store), OFFICE, HOSTS, self.store)
        self.stop = Hurry()

    def teardown(self) -> None:
        """Let everything come to its end: quiet runs, while meetings are ahead and long after the last one."""
        self.gateway._script.clear()
        self.calendly.faults.clear()
        self.world.page_faults.clear()
        self.world.invitee_page_faults.clear()
        self._mend_all()
        self.killed = ""
        self._close_the_gap(60)
        for pause in (timedelta(minutes=5), timedelta(minutes=61), timedelta(days=6), timedelta(minutes=5)):
            self.now += pause
            self._run(force=True)
        left = {m.state for m in self.store.messages()} & {State.SENDING}
        assert not left
        self.store.db.close()

    def _sent(self, sent: Any) -> None:
        self.figures["texts"] += 1
        try:
            self.judge.text(sent)
        except AssertionError as broken:  # not to be taken for a fault of the run
            self.verdict = str(broken) or repr(sent)
            raise Killed from broken
        if self.killed == "after the request":
            self.killed = ""
            raise Killed

    def _answered(self, sent: Any, outcome: Any) -> None:
        self.troubled = self.troubled or not isinstance(outcome, Accepted)
        if isinstance(outcome, (Refused, NotNow)):
            self.judge.refused(sent.key)

    def _tell(self, event: str, /, **fields: object) -> None:
        self.told[event] += 1
        self.guard_held = self.guard_held or "held" in fields

    def _run(self, *, force: bool = False) -> None:
        worker = Worker(
            settings=self.settings,
            store=self.store,
            calendly=self.calendly,
            gateway=self.gateway,
            clock=lambda: self.now,
            executor=InlineExecutor,
            tell=self._tell,
            stop=self.stop,
        )
        self.figures["runs"] += 1
        ahead, texts = self.store.seats_ahead(self.now, None), self.figures["texts"]
        self.troubled = self.store.paused_until(self.now) is not None or self.store.outage() is not None
        self.told.clear()
        self.guard_held = False
        self.calendly.happened.clear()
        self.judge.begins()
        self._tear_halves()
        held = set(self.judge.held)
        if force:
            self.judge.held.clear()
        try:
            self._run_with(worker, Options(everything=True, force=force), held)
        except Killed:
            self.figures["kills"] += 1
            assert not self.verdict, self.verdict
        except SyncerError as error:
            if str(error).startswith("unexpected"):
                raise
            self._judge_failure(error, texts)
        else:
            self._judge_run(0 if force else ahead)

    def _run_with(self, worker: Worker, options: Options, held: set[str]) -> None:
        try:
            worker.run_once(options)
        finally:
            if self.guard_held:
                self.judge.guard_holds()
            if options.force:  # it may have failed before it released them
                self.judge.held |= held & {message.booking for message in self._held()}

    def _events_are_gone(self) -> bool:
        """Whether a listing has so few of the known events that nobody can believe it."""
        listed = [uri for uri in self.world.events if self._start(uri) > self.now - LOOKBACK]
        many = self.vanished >= 10
        return "empty" in self.calendly.happened or many or (self.vanished > 0 and not listed)

    def _tear_halves(self) -> None:
        """Note which moves are looked at between their halves and leave no trace by which these could be joined."""
        for old in self.halves:
            event = self.world.events.get(self.world.invitees.get(old, {}).get("event", ""))
            if event is not None and event["calendar_event"] is None:
                self.judge.torn.add(old)

    def _judge_failure(self, error: SyncerError, texts: int) -> None:
        """Judge a run that failed: for what concerned everybody, and a listing in doubt sends nothing."""
        if isinstance(error, GuardRefused):
            self.figures["refused"] += 1
            assert self._events_are_gone(), f"a guard stopped everybody: {error}"
            assert self.figures["texts"] == texts, "a text left from a listing that a guard refused"
            return
        self.figures["failed runs"] += 1
        happened = self.calendly.happened
        doubt = [fault for fault in happened if fault in IN_DOUBT]
        listed = {uri for uri in self.world.events if self._start(uri) > self.now - LOOKBACK}
        active = {uri for uri in listed if self.world.events[uri]["status"] == "active"}
        nobody = not active - {*self.judge.unread()}
        assert doubt or "lost" in happened or nobody, f"a run failed without a cause: {error!r}"
        assert nobody or self.figures["texts"] == texts, f"a text left from a listing in doubt: {happened}"

    def _judge_run(self, ahead: int) -> None:
        happened = self.calendly.happened
        emptied = "empty" in happened
        assert not (emptied and ahead), "an empty listing was believed although bookings are known"
        listed = [fault for fault in happened if fault in IN_DOUBT]
        assert len(listed) <= self.doubtful_people, f"a listing in doubt was believed: {listed}"
        self.doubtful_people -= len(listed)
        if emptied:  # where nothing is known it is believed, and the next run sees who has booked meanwhile
            return
        self.vanished, self.uncalled = 0, False
        self.judge.run(troubled=self.troubled)
        if not (self.troubled or self.told["limit.reached"] or listed):
            self.figures["clean runs"] += 1
            self.judge.clean_run()
        self.judge.seen()

    def _step(self) -> None:
        self.figures["steps"] += 1

    def _some(self, data: st.DataObject, rows: Sequence[str]) -> str:
        self._step()
        return data.draw(st.sampled_from(sorted(rows)))

    def _active(self) -> list[str]:
        """Bookings that somebody may still cancel or move."""
        return [
            uri
            for uri, row in self.world.invitees.items()
            if row["status"] == "active" and self._start(row["event"]) > self.now
        ]

    def _start(self, event: str) -> datetime:
        return unstamp(self.world.events[event]["start_time"])

    def _person(self) -> dict[str, Any]:
        """Somebody whom nobody has seen: a name and an e-mail of their own."""
        self.people += 1
        letters = f"{chr(65 + self.people // 26 % 26)}{chr(97 + self.people % 26)}"
        return {"name": f"Guest {letters}", "email": f"guest{self.people}@example.com"}

    def _phone(self) -> str:
        return f"+1312556{self.people % 10000:04}"

    @initialize(big=st.sampled_from([False, False, False, True]))
    def born(self, big: bool = True) -> None:
        """The first start, on an account with a past; in a `big` one a dozen people may book at once."""
        self.big = big
        start = self.now + timedelta(days=1, hours=2)
        self.judge.changed(self.world.book(start=start, phone="+13125550100", timezone="UTC", **self._person()))
        self.now += timedelta(minutes=1)
        self._run()
        self.now += timedelta(minutes=1)

    @rule(ahead=AHEAD, with_number=st.booleans(), seats=st.sampled_from([1, 1, 5]))
    def book(self, ahead: timedelta, with_number: bool, seats: int) -> None:
        """Somebody books."""
        self._step()
        self._book(ahead, with_number=with_number, seats=seats)

    def _book(self, ahead: timedelta, *, with_number: bool = True, seats: int = 1, host: str = OWNER) -> str:
        person = self._person()
        phone = self._phone() if with_number else None
        new = self.world.book(start=self.now + ahead, phone=phone, seats=seats, timezone="UTC", host=host, **person)
        self.judge.changed(new)
        return new

    @precondition(lambda self: self.big and len(self._active()) < MANY)
    @rule(ahead=AHEAD, host=st.sampled_from([OWNER, MEMBER, THEO]), connected=st.booleans())
    def book_many(self, ahead: timedelta, host: str, connected: bool) -> None:
        """A dozen people book one host, whose calendar is connected or not."""
        self._step()
        self.world.calendar_connected = connected
        for number in range(MANY):
            self._book(ahead + timedelta(minutes=10 * number), host=host)

    @precondition(lambda self: self._groups())
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        """Somebody joins a group."""
        event = self._some(data, self._groups())
        person = self._person()
        new = self.world.book(start=self.now, event=event, phone=self._phone(), timezone="UTC", **person)
        self.judge.changed(new)
        if "event_memberships" in self.world.odd_fields.get(event, ()):
            self.judge.vague.add(new)

    def _groups(self) -> list[str]:
        return [
            uri
            for uri, row in self.world.events.items()
            if row["status"] == "active"
            and 1 < row["invitees_counter"]["limit"] > row["invitees_counter"]["active"]
            and self._start(uri) > self.now
        ]

    @precondition(lambda self: self._active())
    @rule(data=st.data(), by=BY)
    def cancel(self, data: st.DataObject, by: Any) -> None:
        """A booking is canceled; a host cancels a whole group."""
        self.now += timedelta(seconds=1)  # nobody cancels within the second in which syncer looks
        self.world.cancel(self._some(data, self._active()), by=by)

    @precondition(lambda self: self._enough())
    @rule(keep=st.sampled_from([0, 2, 4]))
    def cancel_a_day(self, keep: int) -> None:
        """A host cancels a day's meetings, all that syncer knows of but a few; then it looks."""
        self._step()
        self.figures["days canceled"] += 1
        self._close_the_gap(2)
        doomed = self._enough()[keep:]
        share = len(doomed) / max(1, len(self._active()))
        for uri in doomed:
            if self.world.invitees[uri]["status"] == "active":  # else it went with its group
                self.world.cancel(uri, by="host")
        quiet = self.calendly.faults == self.world.page_faults == []
        completed = self.figures["clean runs"]
        self._close_the_gap(60)
        self._run()
        if quiet and share > 0.5 and self.figures["clean runs"] > completed:
            assert self.guard_held, "many cancellations at once, and nothing is held"
            assert set(doomed) - {*self.judge.unread()} <= self.judge.held | {*self.judge.unread()}

    def _enough(self) -> list[str]:
        """The bookings that a host may cancel at once: known and readable; empty = too few of them."""
        unread = self.judge.unread()
        readable = [uri for uri in self._active() if self.world.invitees[uri]["event"] not in unread]
        known = sorted(self.store.bookings(readable))
        return known if len(known) >= MANY + 2 else []

    @precondition(lambda self: self._held())
    @rule(data=st.data(), what=st.sampled_from(["force", "retry", "cancel"]))
    def decide(self, data: st.DataObject, what: str) -> None:
        """An operator decides about what a guard holds: all of it, or one text."""
        self._step()
        self.figures["decisions"] += 1
        if what == "force":
            self._run(force=True)
            return
        held = {message.booking: message for message in self._held()}
        message = held[data.draw(st.sampled_from(sorted(held)))]
        self.judge.held.discard(message.booking)
        if what == "retry":
            self.store.again(message, Reason.BY_OPERATOR, self.now, "retried")
        else:
            self.judge.withdrawn.add(message.booking)
            self.store.move(message, State.CANCELED, Reason.BY_OPERATOR, self.now)

    def _held(self) -> list[Any]:
        return [m for m in self.store.messages(states=sorted(WAITING)) if m.reason is Reason.HELD_BY_GUARD]

    @precondition(lambda self: self._active())
    @rule(data=st.data(), by=BY, linked=LINKED, called=st.booleans(), hand_over=st.sampled_from([False, False, True]))
    def move(self, data: st.DataObject, by: Any, linked: str, called: bool, hand_over: bool) -> None:
        """A booking is moved: to another time, the same, or back to one that it had; perhaps to another host."""
        uri = self._some(data, self._active())
        start = self._another(data, uri)
        host = data.draw(st.sampled_from([OWNER, MEMBER, THEO])) if hand_over else None
        self._move(uri, start, by=by, linked=linked, called=called, host=host)

    def _another(self, data: st.DataObject, uri: str) -> datetime:
        """Draw a time for a booking: a new one, the present one, or one that it had."""
        now = self._start(self.world.invitees[uri]["event"])
        to = data.draw(st.sampled_from(["ahead", "ahead", "same", "back"]))
        had = [start for start in self._starts(uri) if start > self.now + timedelta(minutes=1) and start != now]
        if to == "same":
            return now
        if to == "back" and had:
            return had[-1]
        return self.now + data.draw(AHEAD) + timedelta(minutes=7)

    def _starts(self, uri: str) -> list[datetime]:
        """The starts that a booking had, or has: those that somebody was told of."""
        chain = self.judge.chain(uri)
        return [text.start for text in self.judge.told if text.chain == chain]

    def _move(self, uri: str, start: datetime, *, by: Any, linked: str, called: bool, host: str | None = None) -> str:
        """Move a booking. Without links, what joins the halves is the calendar's entry, or that it is called a move."""
        self.now += timedelta(seconds=1)  # nobody moves a booking twice within a second
        event = self.world.events[self.world.invitees[uri]["event"]]
        joined_by_calendar = event["calendar_event"] is not None
        # The calendar's entry alone joins halves that can be read, and not of several moves in a row.
        plain = self.judge.chain(uri) == uri and not self.judge.unread() and not self.world.invitee_page_faults
        rescheduled = linked == "links" or called or not joined_by_calendar or not plain
        self.uncalled = self.uncalled or not rescheduled
        new = self.world.move(uri, start, by=by, linked=linked == "links", rescheduled=rescheduled, host=host)
        self._moved(uri, new, linked, before=event)
        return new

    def _moved(self, old: str, new: str, linked: str, *, before: Any) -> None:
        self.figures["moves"] += 1
        if linked == "late links":
            self.unlinked.append(old)
        self.judge.changed(new)
        hosts = [
            row["event_memberships"][0]["user"]
            for row in (before, self.world.events[self.world.invitees[new]["event"]])
        ]
        if hosts[0] != hosts[1]:
            self.judge.gave_away(new, seen=False)

    @precondition(lambda self: self._active())
    @rule(data=st.data(), by=BY)
    def move_begin(self, data: st.DataObject, by: Any) -> None:
        """The first half of a move: the gap is open for a moment."""
        uri = self._some(data, self._active())
        self.world.move_begin(uri, by=by)
        self.halves[uri] = self.now

    @precondition(lambda self: self.halves)
    @rule(data=st.data(), linked=LINKED)
    def move_finish(self, data: st.DataObject, linked: str) -> None:
        """The second half, some milliseconds later."""
        self._step()
        uri = next(reversed(self.halves))
        if uri in self.world.invitees:
            self._finish(uri, self._another(data, uri), linked)
        self.halves.pop(uri)

    def _finish(self, uri: str, start: datetime, linked: str) -> None:
        self.now += timedelta(seconds=1)
        event = self.world.events[self.world.invitees[uri]["event"]]
        new = self.world.move_finish(uri, start, linked=linked == "links")
        self._moved(uri, new, linked, before=event)

    @precondition(lambda self: len(self._active()) > 1)
    @rule(host=st.sampled_from([OWNER, OWNER, MEMBER]), hours=st.sampled_from([-2, 0, 1, 26]), linked=LINKED)
    def host_moves_a_day(self, host: str, hours: int, linked: str) -> None:
        """A host moves all meetings of four days, as one does who is ill; a group stays together."""
        self._step()
        self.figures["days moved"] += 1
        by, soon = timedelta(hours=hours), self.now + timedelta(minutes=1)
        if linked == "links":
            self.now += timedelta(seconds=1)
            first = max(soon, soon - by)
            before = {uri: self.world.invitees[uri]["event"] for uri in self._active()}
            new = self.world.host_moves(host, first, self.now + timedelta(days=4), by)
            old = {new: old for old, new in self.world.moved.items()}
            for uri in new:
                self._moved(old[uri], uri, linked, before=self.world.events[before[old[uri]]])
            return
        user = self.world.host(host)["uri"]
        self.now += timedelta(seconds=1)
        for uri in self._active():
            event = self.world.events[self.world.invitees[uri]["event"]]
            start = self._start(event["uri"]) + by
            if event["event_memberships"][0]["user"] == user and start > soon:
                new_uri = self.world.move(uri, start, by="host", linked=False)
                self._moved(uri, new_uri, linked, before=event)

    @precondition(lambda self: self.unlinked)
    @rule()
    def links_come(self) -> None:
        """Calendly fills in the links of a move, late."""
        self._step()
        uri = self.unlinked.pop(0)
        if uri in self.world.invitees and self.world.moved[uri] in self.world.invitees:
            self.world.link(uri)

    @precondition(lambda self: self._active())
    @rule(data=st.data())
    def shift(self, data: st.DataObject) -> None:
        """An event moves in place, to a new time or back: nobody knows whether the real one does."""
        uri = self._some(data, self._active())
        event = self.world.invitees[uri]["event"]
        start = self._another(data, uri)
        if start == self._start(event):
            return
        self.world.shift(event, start)
        # Whoever was not seen before the move is new, not moved.
        everybody = self.world.by_event[event] + [
            one for one, row in self.judge.dropped.items() if row["event"] == event
        ]
        seen = self.store.bookings(everybody)
        for one in everybody:
            self.judge.shifted_in_place(one, seen=one in seen)

    @precondition(lambda self: self._active())
    @rule(data=st.data(), host=st.sampled_from([OWNER, MEMBER, THEO]))
    def hand_over(self, data: st.DataObject, host: str) -> None:
        """A meeting is handed over to another host, in place."""
        event = self.world.invitees[self._some(data, self._active())]["event"]
        before = self._host(event)
        self.world.reassign_host(event, host)
        if self._host(event) != before:
            seen = self.store.bookings(self.world.by_event[event])
            for uri in self.world.by_event[event]:
                self.judge.gave_away(uri, seen=uri in seen)

    def _host(self, event: str) -> str:
        return str(self.world.events[event]["event_memberships"][0]["user"])

    @precondition(lambda self: self.world.invitees)
    @rule(data=st.data(), what=st.sampled_from(ODDITIES))
    def oddity(self, data: st.DataObject, what: str) -> None:
        """The rarer things."""
        uri = self._some(data, list(self.world.invitees))
        event = self.world.invitees[uri]["event"]
        match what:
            case "touch":
                self.world.touch(event)
            case "place":
                self.world.set_location(event, {"type": "physical", "location": f"{self.people} Mill Lane"})
            case "no show" | "showed":
                self.world.set_no_show(uri, what == "no show")
            case "erase":  # a person, with all of their bookings
                email = self.world.invitees[uri]["email"]
                for one in [one for one, row in self.world.invitees.items() if row["email"] == email]:
                    self.world.erase(one)
            case "drop":  # one that syncer knows of: else nobody could miss them
                if self.store.bookings([uri]):
                    self.judge.dropped[uri] = self.world.drop(uri)
            case "come back":
                if away := self._may_come_back():
                    uri = self._some(data, away)
                    self.world.put_back(uri, self.judge.dropped.pop(uri))
            case _ if self.uncalled:
                pass  # without its new half nothing would show that it was a move
            case _:
                self.world.vanish(event)
                self.vanished += 1
                self.halves = {half: at for half, at in self.halves.items() if half in self.world.invitees}

    def _may_come_back(self) -> list[str]:
        events = self.world.events
        return [
            uri
            for uri, row in self.judge.dropped.items()
            if row["event"] in events and events[row["event"]]["status"] == "active"
        ]

    @precondition(lambda self: self.world.events)
    @rule(data=st.data(), what=st.sampled_from(TROUBLES))
    def trouble(self, data: st.DataObject, what: str) -> None:
        """The next listing goes wrong, or one event cannot be read from now on, or all can be read again."""
        event = self._some(data, list(self.world.events))
        if self.uncalled and what in {"people in doubt", "refuse", "odd"}:
            return
        match what:
            case "lost" | "twice" | "empty":
                self.calendly.faults.append(what)
            case "in doubt":
                self.world.page_faults.append(data.draw(st.sampled_from(IN_DOUBT)))
            case "people in doubt":
                self.world.invitee_page_faults.append(data.draw(st.sampled_from(IN_DOUBT)))
                self.doubtful_people += 1
            case "no count":
                self.world.page_faults.append("no count")
            case "refuse":
                self.world.faults.refuse_event(event, data.draw(st.sampled_from([403, 404, 424])))
                self.judge.odd.add(event)
            case "odd":
                name, value, unreadable = data.draw(st.sampled_from(ODD_FIELDS))
                if name == "invitees_counter" and self.world.events[event][name]["limit"] > 1:
                    return  # it would hide who joins and who leaves
                self.world.odd(event, name, value)
                if unreadable == "row":
                    self.judge.odd.add(event)
                if unreadable == "hosts":
                    self.judge.vague |= {self.judge.chain(uri) for uri in self.world.by_event[event]}
            case _:
                self._mend_all()

    def _mend_all(self) -> None:
        """Let everything be readable again."""
        self.world.faults.clear()
        for uri in list(self.world.odd_fields):
            self.world.usual(uri)
        self.judge.odd.clear()

    @rule(what=st.sampled_from(ANSWERS), accepted=st.booleans())
    def answer(self, what: Any, accepted: bool) -> None:
        """The gateway's next answer."""
        self._step()
        self.gateway.answer(what, accepted=accepted and isinstance(what, NoAnswer))

    @precondition(lambda self: not self.killed)
    @rule()
    def kill(self) -> None:
        """The process ends right after its next request left."""
        self._step()
        self.killed = "after the request"

    @rule(seconds=PAUSE)
    def time_passes(self, seconds: int) -> None:
        """Nobody looks meanwhile: an outage, or just the interval."""
        self._close_the_gap(seconds)

    def _close_the_gap(self, seconds: int) -> None:
        self._step()
        for uri, begun in list(self.halves.items()):
            if self.now + timedelta(seconds=seconds) >= begun + GAP:
                del self.halves[uri]
                if uri in self.world.invitees:
                    self._finish(uri, self.now + timedelta(hours=30, minutes=3), "links")
        self.now += timedelta(seconds=seconds)

    @rule(seconds=PAUSE)
    def look(self, seconds: int) -> None:
        """Time passes, and syncer looks."""
        self._close_the_gap(seconds)
        self._run()

    @rule()
    def look_soon(self) -> None:
        """A minute passes, and syncer looks."""
        self.look(60)

    @rule(gap=st.integers(1, 3))
    def look_with_a_booking_on_the_way(self, gap: int) -> None:
        """While the pages are walked somebody books: once, as every booking may add a page to the walk."""
        self._close_the_gap(60)
        gaps = itertools.count(1)
        self.calendly.between = lambda: (
            self.book(timedelta(hours=25), with_number=True, seats=1) if next(gaps) == gap else None
        )
        try:
            self._run_lenient()
        finally:
            self.calendly.between = None

    def _run_lenient(self) -> None:
        """A run during which rows shift: its listing may lack what the world has; the next run makes it good."""
        self.judge.strict = False
        try:
            self._run()
        finally:
            self.judge.strict = True


def steps() -> int:
    """How many steps are wanted."""
    return int(os.environ.get("SYNCER_STEPS", "3000"))


def play(examples: int, *, shard: int = 0) -> Counter[str]:
    """Run the machine; returns its figures. Each shard has stories of its own, the same in every run."""
    Machine.figures.clear()
    run_state_machine_as_test(
        seed(shard)(type(f"Machine{shard}", (Machine,), {})) if shard else Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS_AN_EXAMPLE,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            phases=[Phase.generate, *([Phase.shrink] if os.environ.get("SYNCER_SHRINK") else [])],
        ),
    )
    return Machine.figures


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events a batch: so that some are always pending while texts leave."""
    monkeypatch.setattr(syncer.worker, "BATCH", 2)


@pytest.mark.parametrize("shard", range(max(1, steps() // A_SHARD)))
def test_no_promise_is_broken(shard: int, figures: Callable[..., None]) -> None:
    """3,000 steps in CI."""
    wanted = min(steps(), A_SHARD)
    played = Counter(play(wanted // 38, shard=shard))
    figures(f"state machine, shard {shard}", **{name.replace(" ", "_"): count for name, count in played.items()})

    assert played["steps"] >= wanted
    assert played["texts"] > played["runs"] / 20


def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation is believed at first sight."""
    for module in (diff, plan):
        monkeypatch.setattr(module, "settled", lambda *_: True)


def halves_without_links_are_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A move that Calendly does not link is a cancellation and a booking."""
    monkeypatch.setattr(moves, "joined", lambda *_: {})


def a_move_is_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither links nor anything else joins the halves of a move."""
    halves_without_links_are_not_joined(monkeypatch)
    real = DirectCalendly.invitees

    def unlinked(self: DirectCalendly, event_uri: str) -> Any:
        return tuple(replace(one, rescheduled=False, new_invitee="", old_invitee="") for one in real(self, event_uri))

    monkeypatch.setattr(DirectCalendly, "invitees", unlinked)


def absence_is_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not in the listing is told that their booking is canceled."""
    real = listing._mark_missing

    def cancel(run: Any, lost: Any, now: datetime) -> None:
        real(run, lost, now)
        hour_ago = now - timedelta(hours=1)
        rows = [
            replace(row, invitee=replace(row.invitee, status="canceled", canceled_at=hour_ago, canceler_type="host"))
            for row in run.store.bookings(events=[known.event.uri for known in lost]).values()
        ]
        run.store.commit(Batch(bookings=rows), reading.planner(run, now).todo(rows, now), now)
        run.store.db.execute("UPDATE events SET missing_at = NULL")

    monkeypatch.setattr(listing, "_mark_missing", cancel)


def pending_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts leave about events that changed and were not read again."""
    real = Listed.__post_init__

    def forgetful(listed: Listed) -> None:
        real(listed)
        listed.pending = set()

    monkeypatch.setattr(Listed, "__post_init__", forgetful)


def keys_with_the_present(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message's key says when it was planned, not only what it is about."""
    real = plan._message

    def named(rule: Any, booking: Any, context: Any, *rest: Any, **more: Any) -> Any:
        made = real(rule, booking, context, *rest, **more)
        return replace(made, key=f"{made.key}/{int(context.now.timestamp())}")

    monkeypatch.setattr(plan, "_message", named)
    monkeypatch.setattr("syncer.reconcile._reached", lambda *_: False)


def remnants_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was on its way when the process ended is put back on the way."""
    real = settle

    def hopeful(outcome: Any, *, now: datetime, **more: Any) -> Any:
        made = real(outcome, now=now, **more)
        return replace(made, state=State.RETRYABLE, next_at=now) if made.state is State.UNKNOWN else made

    monkeypatch.setattr("syncer.sending.settle", hopeful)


def one_guest_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a group only the first is seen."""
    real = DirectCalendly.invitees
    monkeypatch.setattr(DirectCalendly, "invitees", lambda self, uri: real(self, uri)[:1])


def expired_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too late leaves all the same."""
    monkeypatch.setattr(Store, "expire", lambda *_: [])
    real = plan._message

    def immortal(*given: Any, **more: Any) -> Any:
        made = real(*given, **more)
        return replace(made, expires_at=made.expires_at + timedelta(days=2))

    monkeypatch.setattr(plan, "_message", immortal)


def stale_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reminder says what was left when it was planned."""
    monkeypatch.setattr("syncer.wording.at_leaving", lambda message, *_: message.params)


def a_guard_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because many bookings were canceled nobody gets a text."""

    def refuse(*_: Any) -> None:
        raise GuardRefused("many were canceled at once", "look at it")

    monkeypatch.setattr(CancellationGuard, "_hold", refuse)


def a_guard_holds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it holds some texts it lets none leave."""

    def keeps(self: CancellationGuard, _: Any) -> bool:
        return bool(self.in_doubt) or any(m.reason is Reason.HELD_BY_GUARD for m in self.run.store.messages())

    monkeypatch.setattr(CancellationGuard, "keeps", keeps)


def starving(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meetings that are longest over come first."""
    real = Store.due

    def oldest_first(self: Store, now: datetime) -> list[Due]:
        return sorted(real(self, now), key=lambda row: row.message.meeting_at)

    monkeypatch.setattr(Store, "due", oldest_first)


def an_event_vanishes() -> None:
    """A story told on purpose: an event that was read within the hour is gone from the next listing."""
    machine = Machine()
    machine.born()
    for _ in range(13):
        machine.book(timedelta(days=3), with_number=True, seats=1)
    machine.look(60)
    machine.time_passes(3 * 3600)
    event = next(reversed(machine.world.events))
    machine.world.set_location(event, {"type": "physical", "location": "2 Mill Lane"})
    machine.look(60)
    machine.world.vanish(event)
    machine.vanished += 1
    machine.look(60)
    machine.teardown()


def a_place_changes() -> None:
    """A story told on purpose: the confirmation has left, and then the meeting gets another place."""
    machine = Machine()
    machine.born()
    machine.book(timedelta(days=3), with_number=True, seats=1)
    machine.look(60)
    event = next(reversed(machine.world.events))
    machine.world.set_location(event, {"type": "physical", "location": "2 Mill Lane"})
    machine.look(3600)
    machine.teardown()


def a_day_is_canceled() -> None:
    """A story told on purpose: a host cancels fifteen meetings; others book, and a reminder is due."""
    machine = Machine()
    machine.born()
    machine.book_many(timedelta(hours=25), OWNER, connected=True)
    for _ in range(3):
        machine.book(timedelta(days=3), with_number=True, seats=1)
    machine.look(60)
    machine.look(2 * 3600)
    machine.book(timedelta(hours=5), with_number=True, seats=1)
    machine.cancel_a_day(keep=2)
    assert machine.judge.held
    machine.book(timedelta(hours=5), with_number=True, seats=1)
    machine.look(60)
    machine.teardown()


def a_backlog() -> None:
    """A story told on purpose: eleven follow-ups and a reminder are due, and three texts may leave in a run."""
    machine = Machine()
    machine.born()
    machine.book_many(timedelta(minutes=40), OWNER, connected=True)
    machine.look(60)
    machine.time_passes(5 * 3600)
    few = replace(machine.settings, messages_per_run=3)
    many, machine.settings = machine.settings, few
    machine.book(timedelta(minutes=75), with_number=True, seats=1)
    machine.look(60)
    machine.look(15 * 60)
    machine.settings = many
    machine.teardown()


def a_day_is_moved() -> None:
    """A story told on purpose: a host moves twelve meetings of their own and looks at them before a minute is over."""
    for linked in ("links", "late links", "never"):
        for connected in (True, False):
            machine = Machine()
            machine.born()
            machine.book_many(timedelta(days=3), MEMBER, connected=connected)
            machine.look(60)
            machine.host_moves_a_day(MEMBER, 26, linked)
            texts = machine.figures["texts"]
            machine.look(60)
            assert machine.figures["texts"] == texts + 2 * MANY
            while machine.unlinked:
                machine.links_come()
            machine.look(60)
            machine.teardown()


def a_gap() -> None:
    """A story told on purpose: somebody looks between the halves of a move."""
    machine = Machine()
    machine.born()
    [guest] = machine.world.invitees
    machine.world.move_begin(guest)
    machine.halves[guest] = machine.now
    machine.look(2)
    machine.look(60)
    machine.teardown()


def a_group() -> None:
    """A story told on purpose: three people are in one event."""
    machine = Machine()
    machine.born()
    first = machine._book(timedelta(hours=25), seats=5)
    event = machine.world.invitees[first]["event"]
    for _ in range(2):
        person = machine._person()
        phone = machine._phone()
        joiner = machine.world.book(start=machine.now, event=event, phone=phone, timezone="UTC", **person)
        machine.judge.changed(joiner)
    machine.look(60)
    machine.teardown()


def a_reminder_is_late() -> None:
    """A story told on purpose: nobody looks from the booking until three quarters of an hour before the meeting."""
    machine = Machine()
    machine.born()
    machine.book(timedelta(hours=30), with_number=True, seats=1)
    machine.look(60)
    machine.look(29 * 3600 + 12 * 60)
    machine.teardown()


def moved_and_back() -> None:
    """A story told on purpose: seen too late to tell, moved by an hour, and back in place before anybody looks."""
    machine = Machine()
    machine.born()
    machine.look(60)
    first = machine._book(timedelta(days=1, hours=6), seats=1)
    start = machine._start(machine.world.invitees[first]["event"])
    machine.look(8 * 3600)
    new = machine._move(first, start + timedelta(hours=1), by="host", linked="links", called=True)
    machine.world.shift(machine.world.invitees[new]["event"], start)
    machine.judge.shifted_in_place(new, seen=False)
    texts = machine.figures["texts"]
    machine.look(60)
    assert machine.figures["texts"] == texts
    machine.teardown()


STORIES = [
    an_event_vanishes,
    a_place_changes,
    a_day_is_canceled,
    a_backlog,
    a_day_is_moved,
    a_gap,
    a_group,
    a_reminder_is_late,
    moved_and_back,
]


@pytest.mark.parametrize("story", STORIES)
def test_the_sound_program_passes_the_story(story: Callable[[], None]) -> None:
    """Else it would prove nothing against a planted fault."""
    story()


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (halves_without_links_are_not_joined, "a move told as a (booking|cancellation)|the last text names"),
        (pending_is_ignored, "about another time|about a canceled booking|a follow-up to a no-show"),
        (remnants_are_sent_again, "twice"),
        (expired_is_sent, "stuck|too late"),
    ],
)
def test_a_planted_fault_is_caught(
    fault: Callable[[pytest.MonkeyPatch], None], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that lets it pass proves nothing; it fails for the fault's own reason."""
    fault(monkeypatch)

    with pytest.raises(AssertionError, match=verdict):
        play(500)


@pytest.mark.parametrize(
    ("fault", "story", "verdict"),
    [
        (absence_is_cancellation, an_event_vanishes, "about a booking that is gone"),
        (keys_with_the_present, a_place_changes, "twice|the host knows this time"),
        (no_settling, a_gap, "had not settled"),
        (one_guest_an_event, a_group, "forgotten"),
        (a_guard_ends_the_run, a_day_is_canceled, "a guard stopped everybody"),
        (a_guard_holds_everything, a_day_is_canceled, "the last text names None"),
        (starving, a_backlog, "starved"),
        (stale_distances, a_reminder_is_late, r"1:00:00 to go, and 0:47:00 are left"),
        (a_move_is_a_cancellation, a_day_is_moved, "a move told as a (booking|cancellation)"),
    ],
)
def test_a_planted_fault_is_caught_in_its_story(
    fault: Callable[[pytest.MonkeyPatch], None],
    story: Callable[[], None],
    verdict: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random stories come upon these rarely, or not at all: they are told on purpose."""
    fault(monkeypatch)

    with pytest.raises(AssertionError, match=verdict):
        story()
