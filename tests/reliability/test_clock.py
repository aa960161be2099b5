"""A clock that is set: by years, days, hours and minutes, between runs and in the middle of one; a machine that slept.

Calendly's own clock is right throughout. Nothing may leave early or twice, and one run after the clock is right again
all that is due has left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, an_event, an_invitee
from support.databases import new_database
from support.fake_clients import FakeCalendly
from support.worker_on_fakes import WorkerOnFakes, a_gateway, known_in, states, wait_for
from syncer.errors import ClockWrong, NotConnected, SyncerError, Unreadable
from syncer.model import State, utc_text
from syncer.outbox import NotNow
from syncer.rules import OnUnknown
from syncer.run import Options
from syncer.store import Store, database
from syncer.store.glance import glance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from syncer.config import Settings

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JUMPS = [-365 * DAY, -DAY, -HOUR, -5 * MINUTE, 5 * MINUTE, HOUR, DAY, 365 * DAY]
BOOKED = 4


@dataclass
class WorkerOnAClock(WorkerOnFakes):
    """A stage whose Calendly knows the true time, and whose gateway writes down when each text came, truly.

    Attributes:
        came: when each key arrived.
    """

    came: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Book some meetings with a reminder in an hour and five minutes."""
        self.calendly = FakeCalendly(clock=lambda: self.true)
        self.gateway = a_gateway()
        self.gateway.on_send = lambda sent: self.arrive(sent.key)
        for n in range(BOOKED):
            event = an_event(f"e{n}", start=NOW + 2 * HOUR + 5 * MINUTE)
            number = f"+1312555{1000 + n}"
            self.calendly.put(event, an_invitee(event, created_at=NOW, text_reminder_number=number))

    @property
    def true(self) -> datetime:
        """The true time."""
        return self.now - self.jumped

    def arrive(self, key: str) -> None:
        """Write an arrival down."""
        assert key not in self.came, "twice"
        self.came[key] = self.true

    def rules(self) -> list[str]:
        """The rules of all that came."""
        return sorted(key.split("/")[-2] for key in self.came)

    def run_wrongly(self) -> None:
        """Do a run that must see that the clock is wrong, and sends nothing more."""
        with pytest.raises(ClockWrong):
            self.run()

    def check(self) -> None:
        """Nothing came early."""
        for message in self.store.messages(states=[State.SENT]):
            assert message.scheduled_at <= self.came[message.key] < message.expires_at


@pytest.fixture
def office(settings: Callable[..., Settings], store: Store) -> WorkerOnAClock:
    """One text is due to each of four people, another in an hour."""
    return WorkerOnAClock(settings(environ={"TEMPLATE_ID_HOST_NOTIFY": "", "HOST_PHONE": ""}), store)


ALL = ["confirmation"] * BOOKED + ["reminder-1h"] * BOOKED


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_jump_between_runs(office: WorkerOnAClock, jump: timedelta) -> None:
    """Not a text while it is wrong, however long; one run after it is right, all."""
    office.jump(jump)
    office.run_wrongly()
    office.now += MINUTE
    office.run_wrongly()
    before = dict(office.came)
    office.jump(-jump)
    office.now += MINUTE
    office.run()
    confirmed = office.rules()
    office.now = NOW + HOUR + 6 * MINUTE
    office.run()

    assert before == {}
    assert confirmed == ["confirmation"] * BOOKED
    assert office.rules() == ALL
    office.check()


@pytest.mark.parametrize("jump", JUMPS, ids=str)
@pytest.mark.parametrize("place", ["before the first text", "between a claim and its answer"])
def test_a_jump_in_the_middle_of_a_run(office: WorkerOnAClock, jump: timedelta, place: str) -> None:
    """What is in hand is settled by a clock that nobody sets; nothing leaves after it; then as above."""
    if place == "before the first text":
        templates = office.gateway.templates

        def later() -> object:
            office.jump(jump)
            return templates()

        office.gateway.templates = later  # type: ignore[method-assign,assignment]  # the last moment before the claims
    else:
        office.gateway.answer(NotNow("EngageLab 5001: later", tries=3))
        office.gateway.on_send = lambda _: office.jump(jump)
    office.run_wrongly()
    tried = office.store.messages(states=[State.RETRYABLE])
    row = office.store.last_run()
    office.jump(-jump)
    office.gateway.templates = type(office.gateway).templates.__get__(office.gateway)  # type: ignore[method-assign]
    office.gateway.on_send = lambda sent: office.arrive(sent.key)
    office.now += MINUTE
    office.run()
    confirmed = office.rules()
    office.now = NOW + HOUR + 6 * MINUTE
    office.run()

    assert len(tried) == (place != "before the first text")
    assert all(NOW <= message.next_at <= NOW + MINUTE for message in tried)
    assert row is not None
    assert row["ended_at"] < "2026-11-23T12:01"
    assert confirmed == ["confirmation"] * BOOKED
    assert office.rules() == ALL
    office.check()


def test_a_machine_that_slept_between_runs(office: WorkerOnAClock) -> None:
    """Eight hours: all clocks went on. What was due meanwhile and is worth nothing now has expired, and says so."""
    office.run()
    office.now += 8 * HOUR
    office.run()

    assert office.rules() == ["confirmation"] * BOOKED + ["follow-up"] * BOOKED
    assert {one.rule for one in office.store.messages(states=[State.EXPIRED])} == {"reminder-1h"}
    office.check()


def test_a_machine_that_slept_in_the_middle_of_a_run(office: WorkerOnAClock) -> None:
    """The listing is eight hours old: nothing leaves by it; the next run decides anew."""
    templates, slept = office.gateway.templates, list[timedelta]()

    def sleepy() -> object:
        if not slept:
            slept.append(8 * HOUR)
            office.now += 8 * HOUR
        return templates()

    office.gateway.templates = sleepy  # type: ignore[method-assign,assignment]  # the last moment before the claims
    office.run()
    before = office.rules()
    told = [one["limit"] for one in office.told("limit.reached")]
    office.now += MINUTE
    office.run()

    assert before == []
    assert told == ["max_snapshot_age"]
    assert office.rules() == ["follow-up"] * BOOKED
    assert {one.rule for one in office.store.messages(states=[State.EXPIRED])} == {"confirmation", "reminder-1h"}
    office.check()


# The clock is wrong from the first moment: no time is stored for good before it was compared with Calendly's.

FIRST = [-365 * DAY, -HOUR, HOUR, 365 * DAY]


@pytest.fixture
def unborn(settings: Callable[..., Settings], tmp_path: Path) -> Iterator[WorkerOnAClock]:
    """A database without a birth; the meetings were booked an hour ago, and one was a day ago."""
    with Store(database.open_writable(new_database(tmp_path / "new.db"))) as store:
        office = WorkerOnAClock(settings(environ={"TEMPLATE_ID_HOST_NOTIFY": "", "HOST_PHONE": ""}), store)
        for event in list(office.calendly.known.values()):
            [invitee] = office.calendly.people[event.uri]
            office.calendly.put(event, replace(invitee, created_at=NOW - HOUR))
        over = an_event("over", start=NOW - 2 * HOUR)
        guest = an_invitee(over, created_at=NOW - DAY, text_reminder_number="+13125552000")
        office.calendly.put(over, guest)
        yield office


def book(office: WorkerOnAClock, name: str) -> None:
    """Somebody books now, for in three days."""
    event = an_event(name, start=office.true + 3 * DAY)
    office.calendly.put(event, an_invitee(event, created_at=office.true, text_reminder_number="+13125553000"))


def nothing_first(office: WorkerOnAClock) -> None:
    """The first start is all there is."""


def optout_first(office: WorkerOnAClock) -> None:
    """An operator keeps the list of opt-outs before the first run."""
    office.store.opt_out(["+13125559999"], "by the operator", office.now)


def dry_run_first(office: WorkerOnAClock) -> None:
    """A dry run comes first, on a copy."""
    path = Path(office.store.db.execute("PRAGMA database_list").fetchone()[2])
    with Store(database.open_copy(path)) as copy:
        stage = WorkerOnAClock(office.settings, copy, now=office.now, jumped=office.jumped)
        with pytest.raises(ClockWrong):
            stage.run(Options(everything=True, dry_run=True))


def restored_first(office: WorkerOnAClock) -> None:
    """The database is said to be a backup that was put back."""
    office.store.restored(office.now, office.ticks())


@pytest.mark.parametrize("jump", FIRST, ids=str)
@pytest.mark.parametrize("story", [nothing_first, optout_first, dry_run_first, restored_first])
def test_a_first_start_with_a_wrong_clock(
    unborn: WorkerOnAClock, story: Callable[[WorkerOnAClock], None], jump: timedelta
) -> None:
    """Nobody is texted about the past once it is right; who books from then on is, and reminders leave in time."""
    unborn.jump(jump)
    story(unborn)
    unborn.run_wrongly()
    unborn.now += MINUTE
    unborn.run_wrongly()
    before = unborn.store.born_at, unborn.store.meta("policy"), unborn.store.meet_rules({}, unborn.now)
    unborn.jump(-jump)
    unborn.now += MINUTE
    unborn.run()
    born_at = unborn.store.born_at
    at_once = unborn.rules()
    unborn.now += MINUTE
    book(unborn, "later")
    unborn.now += MINUTE
    unborn.run()
    confirmed = unborn.rules()
    unborn.now = NOW + HOUR + 6 * MINUTE
    unborn.run()

    assert before == (None, "", {})
    assert born_at == NOW + 2 * MINUTE
    assert at_once == []
    assert confirmed == ["confirmation"]
    assert unborn.rules() == ["confirmation"] + ["reminder-1h"] * BOOKED
    unborn.check()


@pytest.mark.parametrize("failure", [NotConnected("no route"), Unreadable("half a page")], ids=repr)
def test_the_birth_is_the_first_complete_listing(unborn: WorkerOnAClock, failure: SyncerError) -> None:
    """A listing that fails is none."""
    unborn.calendly.fail("events", failure)
    with pytest.raises(type(failure)):
        unborn.run()
    failed = unborn.store.born_at
    unborn.now += HOUR
    unborn.run()

    assert failed is None
    assert unborn.store.born_at == NOW + HOUR


def test_who_books_while_the_first_listing_is_read_is_no_past(unborn: WorkerOnAClock) -> None:
    """The birth is when it was asked for: the next listing shows them, and they are confirmed."""
    events = unborn.calendly.events

    def slow(*args: Any, **kwargs: Any) -> object:
        found = events(*args, **kwargs)
        unborn.now += 5 * MINUTE
        book(unborn, "meanwhile")
        unborn.now += MINUTE
        unborn.calendly.last_date = unborn.true
        return found

    unborn.calendly.events = slow  # type: ignore[method-assign,assignment]  # it takes long
    unborn.run()
    unborn.calendly.events = events  # type: ignore[method-assign]
    unborn.run()

    assert unborn.store.born_at == NOW
    assert unborn.rules() == ["confirmation"]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_that_is_set_while_the_first_listing_is_read(unborn: WorkerOnAClock, jump: timedelta) -> None:
    """It was wrong when the listing was asked for, and is right when it comes: its beginning is no time to store."""
    events = unborn.calendly.events
    unborn.jump(jump)

    def slow(*args: Any, **kwargs: Any) -> object:
        unborn.jump(-unborn.jumped)
        return events(*args, **kwargs)

    unborn.calendly.events = slow  # type: ignore[method-assign,assignment]  # somebody sets the clock meanwhile
    unborn.run_wrongly()
    first = unborn.store.born_at
    unborn.run()

    assert first is None
    assert unborn.store.born_at == NOW


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_that_is_set_while_invitees_are_read(office: WorkerOnAClock, jump: timedelta) -> None:
    """Nothing is written down by it: neither when they were read nor when a rule was first seen."""
    office.calendly.on_invitees = lambda _: office.jump(jump if not office.jumped else timedelta())
    office.run_wrongly()
    wrong = known_in(office.store), office.store.messages()
    office.calendly.on_invitees = None
    office.jump(-jump)
    office.now += MINUTE
    office.run()

    assert wrong == ({}, [])
    assert office.rules() == ["confirmation"] * BOOKED


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_people_are_not_erased_by_a_wrong_clock(office: WorkerOnAClock, jump: timedelta) -> None:
    """It is set after the last text: what was read is as it was, and the next good run erases what is due."""
    office.settings = replace(office.settings, retention=HOUR)
    office.run()
    office.now += 2 * HOUR + 40 * MINUTE
    office.calendly.known.clear()
    office.calendly.put(far := an_event("far", start=office.now + 5 * DAY), an_invitee(far, created_at=office.now))
    office.gateway.on_send = lambda _: office.jump(jump if not office.jumped else timedelta())
    office.run_wrongly()
    names = [booking.invitee.name for booking in office.store.bookings(events=[an_event("e0").uri]).values()]

    assert names == ["Ines Okafor"]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_what_a_killed_run_left_is_dated_by_its_claim(office: WorkerOnAClock, jump: timedelta) -> None:
    """The run that finds it has a clock that nobody has compared yet."""
    office.run()
    [message, *_] = office.store.messages(states=[State.SCHEDULED])
    office.store.claim(message, NOW)
    office.jump(jump)
    office.run_wrongly()
    [left] = office.store.messages(keys=[message.key])

    assert (left.state, left.changed_at) == (State.UNKNOWN, NOW)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_killed_run_whose_rule_wants_it_again(office: WorkerOnAClock, jump: timedelta) -> None:
    """`on_unknown = "resend"`: it may leave soon after the claim, whatever the clock says at the next start."""
    rules = tuple(replace(rule, on_unknown=OnUnknown.RESEND) for rule in office.settings.policy.rules)
    office.settings = replace(office.settings, policy=replace(office.settings.policy, rules=rules))
    office.run()
    [message, *_] = office.store.messages(states=[State.SCHEDULED])
    office.store.claim(message, NOW)
    office.jump(jump)
    office.run_wrongly()
    [left] = office.store.messages(keys=[message.key])

    assert left.state is State.RETRYABLE
    assert NOW < left.next_at <= NOW + MINUTE


# A backup that is put back while the clock is wrong.


@pytest.mark.parametrize("jump", [timedelta(), *JUMPS], ids=str)
@pytest.mark.parametrize("restarted", [False, True], ids=["the machine runs on", "the machine is started again"])
def test_restored_with_a_wrong_clock(office: WorkerOnAClock, jump: timedelta, restarted: bool) -> None:
    """What was due when it was typed is unknown, and what is due later waits, as soon as the clock is right."""
    due, later = wait_for(office, {}, {"scheduled_at": NOW + HOUR, "next_at": NOW + HOUR, "expires_at": NOW + DAY})
    office.jump(jump)
    office.store.restored(office.now, office.ticks())
    if jump:
        office.run_wrongly()
    office.jump(-jump)
    office.now += MINUTE
    if restarted:
        office.ticked -= 10_000
    office.run()

    assert states(office, [due, later]) == [State.UNKNOWN, State.SCHEDULED]
    right = not jump and not restarted
    assert office.store.restored_at == (NOW if right else NOW + MINUTE)
    assert len(office.told("database.warning")) == (not right)
    assert due.key not in office.came


def test_a_restore_is_checked_once(office: WorkerOnAClock) -> None:
    """What is due after the first good run leaves: it was not sent by what was lost."""
    office.store.restored(NOW, office.ticks())
    office.run()
    office.now += MINUTE
    office.ticked -= 10_000
    book(office, "new")
    office.run()

    assert office.store.restored_at == NOW
    assert office.rules() == ["confirmation"]


# The rows of runs.


@pytest.mark.parametrize("jump", [*JUMPS, 300 * DAY], ids=str)
def test_a_run_with_a_wrong_clock_hides_no_other_and_ends_none(office: WorkerOnAClock, jump: timedelta) -> None:
    """`status` shows the last run by order, and the last complete one by a clock that was right."""
    path = Path(office.store.db.execute("PRAGMA database_list").fetchone()[2])
    office.run()
    office.jump(jump)
    office.run_wrongly()
    wrong = glance(path)
    office.jump(-jump)
    office.now += MINUTE
    office.run()
    right = glance(path)
    rows = [(row["checked"], row["outcome"]) for row in office.store.db.query("SELECT * FROM runs ORDER BY number")]

    assert (wrong.last_outcome, wrong.last_complete_run) == ("failed", utc_text(NOW))
    assert (right.last_outcome, right.last_complete_run) == ("completed", utc_text(NOW + MINUTE))
    assert rows == [(1, "completed"), (0, "failed"), (1, "completed")]
