"""The guard over many cancellations at once: it holds the texts about them, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, an_event, an_invitee
from support.calendly_moves import book, cancel, keys_of, move
from support.worker_on_fakes import WorkerOnFakes
from syncer.errors import AccessRefused, CalendlyBusy, GuardRefused, NotConnected
from syncer.guards import is_mass_cancellation
from syncer.model import State
from syncer.reasons import Reason
from syncer.run import Options
from syncer.worker import LOOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.model import Invitee
    from syncer.store import Store

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
FORCE = Options(everything=True, force=True)


@pytest.fixture
def stage(store: Store, settings: Callable[..., Settings]) -> WorkerOnFakes:
    """A worker whose rules are for guests only; nobody has booked yet."""
    made = WorkerOnFakes(settings("[limits]\nmessages_per_run = 1000", {"TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    made.run()
    made.now += MINUTE
    return made


def meetings(stage: WorkerOnFakes, count: int = 45) -> list[Invitee]:
    """Book so many meetings, in three days and later, and let each guest be told."""
    guests = [book(stage, f"e{number}", NOW + 3 * DAY + number * HOUR) for number in range(count)]
    stage.run()
    stage.now += MINUTE
    return guests


def run(stage: WorkerOnFakes, options: Options = FORCE, later: timedelta = MINUTE) -> list[str]:
    """Let time pass and do one run; returns the texts that left."""
    stage.now += later
    before = len(stage.gateway.texts)
    stage.run(options)
    return sorted(keys_of(stage, before))


ONCE = Options(everything=True)


def held(stage: WorkerOnFakes) -> list[str]:
    """The bookings whose texts the guard holds."""
    return [m.booking for m in stage.store.messages() if m.reason is Reason.HELD_BY_GUARD]


def remind_of(stage: WorkerOnFakes, guest: Invitee) -> None:
    """Go to the moment at which this guest's reminder is due."""
    stage.now = stage.calendly.known[guest.event].start - DAY


@pytest.mark.parametrize("calendar", [True, False], ids=["with a calendar", "without a calendar"])
@pytest.mark.parametrize("linked", [True, False], ids=["links", "no links"])
def test_a_host_who_moves_twelve_of_45_meetings_stops_nobody(
    stage: WorkerOnFakes, calendar: bool, linked: bool
) -> None:
    """Each of the twelve guests is told of the new time, nobody of a cancellation, and the others as usual."""
    entry: dict[str, Any] = {} if calendar else {"calendar": ""}
    guests = [book(stage, f"e{number}", NOW + 3 * DAY + number * HOUR, **entry) for number in range(45)]
    stage.run()
    remind_of(stage, guests[20])
    for guest in guests[30:42]:
        move(stage, guest, NOW + 9 * DAY, linked=linked)

    texts = run(stage, ONCE)
    later = run(stage, ONCE)

    due = {f"reminder-24h of e{number}" for number in range(21)}
    assert {text for text in texts if text not in due} == {f"confirmation of e{n}-moved" for n in range(30, 42)}
    assert "reminder-24h of e20" in texts
    assert later == []
    assert stage.told("run.refused") == []
    assert held(stage) == []


def test_twelve_true_cancellations_wait_and_all_else_leaves(stage: WorkerOnFakes) -> None:
    """The run completes, says what it holds and how to release it; the next runs are ordinary ones."""
    guests = meetings(stage)
    remind_of(stage, guests[20])
    for guest in guests[30:42]:
        cancel(stage, guest)

    stage.now += MINUTE
    before = len(stage.gateway.texts)
    done = stage.run(ONCE)
    texts = keys_of(stage, before)

    assert "reminder-24h of e20" in texts
    assert not any("cancellation" in text for text in texts)
    assert sorted(held(stage)) == sorted(guest.uri for guest in guests[30:42])
    assert {m.state for m in stage.store.messages() if m.reason is Reason.HELD_BY_GUARD} == {State.SCHEDULED}
    assert "12 of 45" in done.refused
    [refused] = stage.told("run.refused")
    assert refused["held"] == 12
    assert "--force" in refused["remedy"]
    assert [one["event"] for one in stage.log][-2:] != ["run.refused", "run.failed"]
    assert len(stage.told("run.completed")) == 1
    last = stage.store.last_run()
    assert last is not None
    assert last["outcome"] == "completed"
    after = stage.run(ONCE)
    assert after.refused == ""
    assert stage.told("run.refused") == []
    assert len(held(stage)) == 12


def test_force_releases_what_is_held(stage: WorkerOnFakes) -> None:
    """And a run with it in the first place holds nothing."""
    guests = meetings(stage)
    for guest in guests[:12]:
        cancel(stage, guest)
    assert run(stage, ONCE) == []
    for guest in guests[12:24]:
        cancel(stage, guest)

    texts = run(stage, FORCE)

    assert texts == sorted(f"cancellation of e{number}" for number in range(24))
    assert held(stage) == []
    assert stage.told("run.refused") == []


def test_held_texts_expire_as_others_do(stage: WorkerOnFakes) -> None:
    """Nobody is told of a cancellation half a day later; why it waited stays in its story."""
    guests = meetings(stage)
    for guest in guests[:12]:
        cancel(stage, guest)
    run(stage, ONCE)
    run(stage, ONCE, later=7 * HOUR)

    [message] = [m for m in stage.store.messages_of([guests[0].uri])[guests[0].uri] if m.rule == "cancellation"]
    assert (message.state, message.reason) == (State.EXPIRED, Reason.LATE)
    assert Reason.HELD_BY_GUARD in [reason for _, _, reason, _ in stage.store.history(message.key)]


def test_a_held_text_stays_held_when_its_rule_changes(stage: WorkerOnFakes, settings: Callable[..., Settings]) -> None:
    """Planning anew, with another template, is no release."""
    guests = meetings(stage)
    for guest in guests[:12]:
        cancel(stage, guest)
    run(stage, ONCE)
    stage.settings = settings(
        "[limits]\nmessages_per_run = 999", {"TEMPLATE_ID_HOST_NOTIFY": "", "TEMPLATE_ID_CANCEL": "1004"}
    )

    assert run(stage, ONCE) == []
    assert len(held(stage)) == 12


def test_what_calendly_takes_back_is_held_no_longer(stage: WorkerOnFakes) -> None:
    """A mistake at Calendly's side: the bookings are active again, and their reminders wait."""
    guests = meetings(stage)
    for guest in guests[:12]:
        cancel(stage, guest)
    run(stage, ONCE)
    for guest in guests[:12]:
        event = stage.calendly.known[guest.event]
        stage.calendly.put(replace(event, status="active", active=1), guest)

    assert run(stage, ONCE) == []
    assert held(stage) == []
    waiting = {m.booking for m in stage.store.messages(states=[State.SCHEDULED]) if m.rule == "reminder-24h"}
    assert {guest.uri for guest in guests} <= waiting


@pytest.mark.parametrize(
    ("count", "canceled", "holds"),
    [(45, 9, False), (49, 10, True), (50, 10, False), (12, 10, True), (200, 40, False), (200, 41, True)],
)
def test_how_many_are_too_many(stage: WorkerOnFakes, count: int, canceled: int, holds: bool) -> None:
    """More than 20 %, and at least ten."""
    guests = meetings(stage, count)
    for guest in guests[:canceled]:
        cancel(stage, guest)

    texts = run(stage, ONCE)

    assert len(held(stage)) == (canceled if holds else 0)
    assert len(texts) == (0 if holds else canceled)
    assert is_mass_cancellation(canceled=canceled, known=count) is holds


def test_a_few_cancellations_leave_at_once(stage: WorkerOnFakes) -> None:
    """Also while other events are still unread: too few may follow."""
    guests = meetings(stage)
    cancel(stage, guests[0])
    cancel(stage, guests[40])
    order: list[int] = []
    stage.gateway.on_send = lambda _: order.append(len(stage.calendly.calls))
    texts = run(stage, ONCE)

    assert texts == ["cancellation of e0", "cancellation of e40"]


def test_young_cancellations_count_when_they_are_believed(stage: WorkerOnFakes) -> None:
    """They were a moment old when they were read; half a minute later they are twelve."""
    guests = meetings(stage)
    for guest in guests[:12]:
        cancel(stage, guest, at=stage.now)
    assert run(stage, ONCE, later=timedelta(seconds=1)) == []
    assert held(stage) == []

    assert run(stage, ONCE) == []
    assert len(held(stage)) == 12


def test_guests_who_leave_one_webinar_count_too(stage: WorkerOnFakes) -> None:
    """The event stays as it is; fifteen of its twenty guests are canceled at once."""
    event = an_event("group", start=NOW + 3 * DAY, total=20, active=20)
    guests = [
        an_invitee(
            event, f"i{n}", text_reminder_number=f"+1312555{n:04}", email=f"i{n}@example.com", created_at=stage.now
        )
        for n in range(20)
    ]
    stage.calendly.put(event, *guests)
    stage.run()
    stage.now += MINUTE
    gone = [replace(one, status="canceled", canceled_at=stage.now, canceler_type="host") for one in guests[:15]]
    stage.calendly.put(replace(event, active=5), *gone, *guests[15:])

    assert run(stage, ONCE) == []
    assert len(held(stage)) == 15


@pytest.mark.parametrize("trouble", [NotConnected("no"), CalendlyBusy("no", status=502)], ids=["network", "502"])
def test_a_run_that_ends_before_all_are_read_leaves_none_unchecked(stage: WorkerOnFakes, trouble: Exception) -> None:
    """Half of the cancellations are known, their texts wait; the next run reads the rest and counts all of them."""
    guests = meetings(stage, 60)
    for guest in guests[:20]:
        cancel(stage, guest)
    stage.now += MINUTE
    before = len(stage.gateway.texts)
    asked: list[str] = []

    def failing(uri: str) -> None:
        asked.append(uri)
        if len(asked) > 16:
            raise trouble

    stage.calendly.on_invitees = failing
    with pytest.raises(type(trouble)):
        stage.run(ONCE)
    stage.calendly.on_invitees = None
    assert keys_of(stage, before) == []

    assert run(stage, ONCE) == []
    assert len(held(stage)) == 20


def test_a_loop_that_reads_for_an_interval_only_tells_nobody_before_all_are_read(stage: WorkerOnFakes) -> None:
    """Sixteen of twenty were read when its time was over."""
    guests = meetings(stage, 60)
    for guest in guests[:20]:
        cancel(stage, guest)

    def slow(_: str) -> None:
        stage.now += timedelta(seconds=10)

    stage.calendly.on_invitees = slow
    first = run(stage, LOOP)
    stage.calendly.on_invitees = None
    second = run(stage, LOOP)

    assert (first, second) == ([], [])
    assert len(held(stage)) == 20


def test_an_unreadable_event_does_not_keep_the_verdict_open(stage: WorkerOnFakes) -> None:
    """What cannot be read holds itself alone: a single true cancellation beside it is told."""
    guests = meetings(stage, 45)
    for guest in guests[:12]:
        cancel(stage, guest)
    broken = {guest.event for guest in guests[1:12]}

    def refusing(uri: str) -> None:
        if uri in broken:
            raise AccessRefused("no", status=403)

    stage.calendly.on_invitees = refusing

    assert run(stage, ONCE) == ["cancellation of e0"]
    assert held(stage) == []


def test_without_a_rule_for_cancellations_nothing_is_held_or_told(
    store: Store, settings: Callable[..., Settings]
) -> None:
    """There is no text to hold back."""
    stage = WorkerOnFakes(settings("", {"TEMPLATE_ID_CANCEL": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    stage.run()
    guests = meetings(stage)
    for guest in guests[:12]:
        cancel(stage, guest)

    assert run(stage, ONCE) == []
    assert stage.told("run.refused") == []


def test_a_listing_that_lost_its_events_still_withholds_everything(stage: WorkerOnFakes) -> None:
    """Absence is no cancellation, and a role that was taken away looks like this."""
    guests = meetings(stage)
    for guest in guests[:12]:
        del stage.calendly.known[guest.event]
    stage.now += MINUTE

    with pytest.raises(GuardRefused):
        stage.run(ONCE)
    assert stage.told("run.completed") == []
