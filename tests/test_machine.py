"""A state machine that mixes everything people, calendars and networks do, judged after each step.

CI runs some 20,000 steps. The long form, in which people also fall out of their event's list and come back:
`SYNCER_STEPS=200000 .venv/bin/python -m pytest tests/test_machine.py -q -s`
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from databases import a_store_in_memory
from fakes import FakeGateway, InlineExecutor
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from shadow import DirectCalendly, Judge

import syncer.worker
from syncer import config, diff, listing, plan, reading
from syncer.engagelab import Template
from syncer.errors import GuardRefused, SyncerError
from syncer.model import State
from syncer.outbox import NoAnswer, NotNow, Refused, settle
from syncer.run import Options
from syncer.sandbox.shapes import unstamp
from syncer.sandbox.world import World
from syncer.store import Batch, Store
from syncer.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STEPS_AN_EXAMPLE = 50
HOST = "+13125550177"
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


ANSWERS = [Refused("no"), NotNow("no", tries=2), NotNow("429", pauses_all=True), NoAnswer("none")]


class Killed(BaseException):
    """The process ends here."""


ODDITIES = ["touch", "host", "place", "no show", "showed", "erase", "vanish"]
if "SYNCER_STEPS" in os.environ:  # in the long form only: in the short one they would leave too few steps to the others
    ODDITIES += ["drop", "come back"]


class Hurry(threading.Event):
    """An event that nobody waits for."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002  the real one's
        """Be back at once."""
        return self.is_set()


class Machine(RuleBasedStateMachine):
    """Everything that happens, in any order."""

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.people = 0
        self.halves: list[str] = []
        self.killed = ""
        self.verdict = ""
        self.world = World(lambda: self.now)
        self.calendly = DirectCalendly(self.world, lambda: self.now)
        self.gateway = FakeGateway.of(*(Template(id=i, content=c, status=2) for i, c in CONTENTS.items()))
        self.gateway.on_send = self._sent
        self.gateway.on_answer = self._answered
        environ = {"CALENDLY_TOKEN": "t", "ENGAGELAB_DEV_KEY": "k", "ENGAGELAB_DEV_SECRET": "s", "HOST_PHONE": HOST}
        environ |= {f"TEMPLATE_ID_{name}": f"100{number}" for number, name in enumerate(VARIABLES, 1)}
        made = config.load(environ=environ, folder=Path("/nonexistent"))
        policy = replace(made.policy, timezone="UTC", timezone_is_set=True, per_number_per_day=1000)
        self.settings = replace(made, concurrency=1, sends_per_second=500.0, policy=policy)
        self.store = a_store_in_memory(now=self.now)
        self.judge = Judge(self.world, lambda: self.now, self.store.born_at, HOST, self.store)
        self.stop = Hurry()

    def teardown(self) -> None:
        """Let everything come to its end: two quiet runs, long after the last meeting."""
        self.gateway._script.clear()
        self.calendly.faults.clear()
        self.killed = ""
        self._close_the_gap(60)
        for pause in (timedelta(minutes=5), timedelta(days=6), timedelta(minutes=5)):
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
        if isinstance(outcome, (Refused, NotNow)):
            self.judge.refused(sent.key)

    def _run(self, *, force: bool = False) -> None:
        worker = Worker(
            settings=self.settings,
            store=self.store,
            calendly=self.calendly,
            gateway=self.gateway,
            clock=lambda: self.now,
            executor=InlineExecutor,
            tell=lambda *_, **__: None,
            stop=self.stop,
        )
        self.figures["runs"] += 1
        emptied, ahead = self.calendly.faults[:1] == ["empty"], self.store.seats_ahead(self.now, None)
        try:
            worker.run_once(Options(everything=True, force=force))
        except Killed:
            self.figures["kills"] += 1
            assert not self.verdict, self.verdict
        except GuardRefused:
            self.figures["refused"] += 1
        except SyncerError as error:
            if str(error).startswith("unexpected"):
                raise
            self.figures["failed runs"] += 1
        else:
            assert not (emptied and ahead), "an empty listing was believed although bookings are known"
            if not emptied:  # where nothing is known it is believed, and the next run sees who has booked meanwhile
                self.judge.run(self.store)

    def _step(self) -> None:
        self.figures["steps"] += 1

    def _some(self, data: st.DataObject, rows: list[str]) -> str:
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

    @initialize()
    def born(self) -> None:
        """The first start, on an account with a past."""
        self.world.book(start=self.now + timedelta(days=1, hours=2), phone="+13125550100", timezone="UTC")
        self.now += timedelta(minutes=1)
        self._run()
        self.now += timedelta(minutes=1)

    @rule(ahead=AHEAD, with_number=st.booleans(), seats=st.sampled_from([1, 1, 5]))
    def book(self, ahead: timedelta, with_number: bool, seats: int) -> None:
        """Somebody books."""
        self._step()
        self.people += 1
        phone = f"+1312555{self.people % 10000:04}" if with_number else None
        name = f"Guest {chr(65 + self.people % 26)}"
        self.world.book(start=self.now + ahead, phone=phone, seats=seats, timezone="UTC", name=name)

    @precondition(lambda self: self._groups())
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        """Somebody joins a group."""
        event = self._some(data, self._groups())
        self.people += 1
        phone = f"+1312555{self.people % 10000:04}"
        self.world.book(start=self.now, event=event, phone=phone, timezone="UTC", name="Joiner")

    def _groups(self) -> list[str]:
        return [
            uri
            for uri, row in self.world.events.items()
            if row["status"] == "active"
            and 1 < row["invitees_counter"]["limit"] > row["invitees_counter"]["active"]
            and self._start(uri) > self.now
        ]

    @precondition(lambda self: self._active())
    @rule(data=st.data(), by=st.sampled_from(["invitee", "host"]))
    def cancel(self, data: st.DataObject, by: Any) -> None:
        """A booking is canceled; a host cancels a whole group."""
        self.world.cancel(self._some(data, self._active()), by=by)

    @precondition(lambda self: self._active())
    @rule(data=st.data(), ahead=AHEAD)
    def move(self, data: st.DataObject, ahead: timedelta) -> None:
        """A booking is moved."""
        self.world.move(self._some(data, self._active()), self.now + ahead + timedelta(minutes=7))

    @precondition(lambda self: self._active())
    @rule(data=st.data())
    def move_begin(self, data: st.DataObject) -> None:
        """The first half of a move: the gap is open for a moment."""
        uri = self._some(data, self._active())
        self.world.move_begin(uri)
        self.halves.append(uri)

    @precondition(lambda self: self.halves)
    @rule(ahead=AHEAD)
    def move_finish(self, ahead: timedelta) -> None:
        """The second half, some milliseconds later."""
        self._step()
        uri = self.halves.pop()
        if uri in self.world.invitees:
            self.world.move_finish(uri, self.now + ahead + timedelta(minutes=11))

    @precondition(lambda self: self._active())
    @rule(data=st.data(), ahead=AHEAD)
    def shift(self, data: st.DataObject, ahead: timedelta) -> None:
        """An event moves in place: nobody knows whether the real one does."""
        event = self.world.invitees[self._some(data, self._active())]["event"]
        self.world.shift(event, self.now + ahead + timedelta(minutes=13))
        self.judge.shifts[event] += 1
        # Whoever was not seen before the move is new, not moved.
        missing = [uri for uri, row in self.judge.dropped.items() if row["event"] == event]
        seen = self.store.bookings(self.world.by_event[event] + missing)
        self.judge.shifted |= dict.fromkeys(seen, self.now)

    @precondition(lambda self: self.world.invitees)
    @rule(data=st.data(), what=st.sampled_from(ODDITIES))
    def oddity(self, data: st.DataObject, what: str) -> None:
        """The rarer things."""
        uri = self._some(data, list(self.world.invitees))
        event = self.world.invitees[uri]["event"]
        match what:
            case "touch":
                self.world.touch(event)
            case "host":
                self.world.reassign_host(event, "jonas@northpier.example")
                [host] = self.world.events[event]["event_memberships"]
                self.judge.handed_over[event] = host["user"].rpartition("/")[2]
            case "place":
                self.world.set_location(event, {"type": "physical", "location": f"{self.people} Mill Lane"})
            case "no show" | "showed":
                self.world.set_no_show(uri, what == "no show")
            case "erase":
                self.world.erase(uri)
            case "drop":  # one that syncer knows of: else nobody could miss them
                if self.store.bookings([uri]):
                    self.judge.dropped[uri] = self.world.drop(uri)
            case "come back":
                if away := self._may_come_back():
                    uri = self._some(data, away)
                    self.world.put_back(uri, self.judge.dropped.pop(uri))
            case _:
                self.world.vanish(event)
                self.halves = [half for half in self.halves if half in self.world.invitees]

    def _may_come_back(self) -> list[str]:
        events = self.world.events
        return [
            uri
            for uri, row in self.judge.dropped.items()
            if row["event"] in events and events[row["event"]]["status"] == "active"
        ]

    @rule(fault=st.sampled_from(["lost", "twice", "empty"]))
    def page_fault(self, fault: str) -> None:
        """The next listing goes wrong."""
        self._step()
        self.calendly.faults.append(fault)

    @rule(what=st.sampled_from(ANSWERS), accepted=st.booleans())
    def answer(self, what: Any, accepted: bool) -> None:
        """The gateway's next answer."""
        self._step()
        self.gateway.answer(what, accepted=accepted and isinstance(what, NoAnswer))

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
        while self.halves and seconds >= 20:  # a gap lasts some 70 ms; longer than `settle` it is a cancellation
            uri = self.halves.pop()
            if uri in self.world.invitees:
                self.world.move_finish(uri, self.now + timedelta(hours=30, minutes=3))
        self.now += timedelta(seconds=seconds)

    @rule(seconds=PAUSE)
    def look(self, seconds: int) -> None:
        """Time passes, and syncer looks."""
        self._close_the_gap(seconds)
        self._run()

    @rule()
    def look_with_a_booking_on_the_way(self) -> None:
        """While the pages are walked somebody books."""
        self._close_the_gap(60)
        self.calendly.between = lambda: self.book(timedelta(hours=25), with_number=True, seats=1)
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
    return int(os.environ.get("SYNCER_STEPS", "20000"))


def play(examples: int) -> Counter[str]:
    """Run the machine; returns its figures."""
    Machine.figures.clear()
    run_state_machine_as_test(
        Machine,
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


def test_no_promise_is_broken() -> None:
    """20,000 steps in CI."""
    figures: Counter[str] = Counter()
    played = play(steps() // 42)
    figures.update(played)
    sys.stdout.write(f"{dict(figures)}\n")

    assert figures["steps"] >= steps()
    assert figures["texts"] > figures["runs"] / 20


def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation is believed at first sight."""
    for module in (diff, plan):
        monkeypatch.setattr(module, "settled", lambda *_: True)


def moves_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two halves of a move are a cancellation and a booking."""
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
    monkeypatch.setattr("syncer.run.Listed.__post_init__", lambda listed: setattr(listed, "pending", set()))


def keys_with_the_present(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message's key says when it was planned, not what it is about."""
    real = plan._message

    def named(rule: Any, booking: Any, context: Any, *rest: Any, **more: Any) -> Any:
        made = real(rule, booking, context, *rest, **more)
        anchor = made.key.removeprefix(f"{booking.uri}/{rule.name}/")
        return replace(made, key=f"{booking.uri}/{rule.name}/{anchor}~{int(context.now.timestamp())}")

    monkeypatch.setattr(plan, "_message", named)


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
    machine.look(60)
    machine.teardown()


def a_reminder_is_late() -> None:
    """Another one: nobody looks from the booking until three quarters of an hour before the meeting."""
    machine = Machine()
    machine.born()
    machine.book(timedelta(hours=30), with_number=True, seats=1)
    machine.look(60)
    machine.look(29 * 3600 + 12 * 60)
    machine.teardown()


@pytest.mark.parametrize("story", [an_event_vanishes, a_reminder_is_late])
def test_the_sound_program_passes_the_stories(story: Callable[[], None]) -> None:
    """Else they would prove nothing against a planted fault."""
    story()


@pytest.mark.parametrize(
    "fault",
    [
        no_settling,
        moves_not_joined,
        pending_is_ignored,
        keys_with_the_present,
        remnants_are_sent_again,
        one_guest_an_event,
        expired_is_sent,
    ],
)
def test_a_planted_fault_is_caught(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that lets it pass proves nothing."""
    fault(monkeypatch)

    with pytest.raises(AssertionError):
        play(500)


def test_absence_taken_for_a_cancellation_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random stories come upon it in some 300 of them, or not at all: this one is told on purpose."""
    absence_is_cancellation(monkeypatch)

    with pytest.raises(AssertionError, match="about a booking that is gone"):
        an_event_vanishes()


def test_a_stale_distance_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reminder that says what was left when it was planned."""
    stale_distances(monkeypatch)

    with pytest.raises(AssertionError, match=r"1:00:00 to go, and 0:47:00 are left"):
        a_reminder_is_late()
