"""Events that cannot be read hold themselves alone; only what concerns everything ends a run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW
from support.calendly_moves import book, cancel, keys_of
from support.worker_on_fakes import WorkerOnFakes
from syncer.errors import (
    AccessRefused,
    BadParameter,
    CalendlyBusy,
    CalendlyRefused,
    LoginRefused,
    NotConnected,
    NotThere,
    NoUsableAnswer,
    SyncerError,
    Unreadable,
)
from syncer.model import State
from syncer.reasons import Reason
from syncer.run import Options
from syncer.store.glance import glance
from syncer.worker import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from syncer.config import Settings
    from syncer.model import Invitee
    from syncer.store import Store

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
ONCE = Options(everything=True)
OWN = {
    "403": AccessRefused("Calendly 403", "ask", status=403),
    "404": NotThere("Calendly 404", status=404),
    "400": BadParameter("Calendly 400", status=400, parameter="uuid"),
    "424": CalendlyRefused("Calendly 424", status=424),
    "odd record": Unreadable("the status is missing"),
    "500": CalendlyBusy("Calendly 500", status=500),
    "cut answer": NoUsableAnswer("broke off"),
}
EVERYBODYS = {
    "no connection": NotConnected("no route"),
    "502 everywhere": CalendlyBusy("Calendly 502", status=502),
    "no answers": NoUsableAnswer("late"),
    "a scope is missing": AccessRefused("Calendly 403: Insufficient scope", status=403),
}


@pytest.fixture
def stage(store: Store, settings: Callable[..., Settings]) -> WorkerOnFakes:
    """A worker whose rules are for guests only."""
    made = WorkerOnFakes(settings("[limits]\nmessages_per_run = 1000", {"TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    made.run()
    made.now += MINUTE
    return made


def refuse(stage: WorkerOnFakes, uris: Collection[str] | None, error: Exception) -> None:
    """Let Calendly refuse the invitees of these events; None = of all."""

    def refusing(uri: str) -> None:
        if uris is None or uri in uris:
            raise error

    stage.calendly.on_invitees = refusing


def run(stage: WorkerOnFakes, later: timedelta = MINUTE) -> list[str]:
    """Let time pass and do one run; returns the texts that left."""
    stage.now += later
    before = len(stage.gateway.texts)
    stage.run(ONCE)
    return sorted(keys_of(stage, before))


def bookings(stage: WorkerOnFakes, count: int) -> list[Invitee]:
    """Book so many meetings."""
    return [book(stage, f"e{number:02}", NOW + 3 * DAY + number * HOUR) for number in range(count)]


@pytest.mark.parametrize("error", OWN.values(), ids=OWN)
@pytest.mark.parametrize("first", [True, False], ids=["the nearest", "the last"])
def test_twenty_of_sixty_events_cannot_be_read_and_the_others_are_texted(
    stage: WorkerOnFakes, store: Store, tmp_path: Path, error: SyncerError, first: bool
) -> None:
    """More than a batch of them, wherever they stand: the run is complete, names them, and stays healthy."""
    guests = bookings(stage, 60)
    if isinstance(error, (CalendlyBusy, NoUsableAnswer)):  # that others can be read must be known from somewhere
        run(stage)
        stage.gateway.sends.clear()
        guests = [book(stage, f"f{number:02}", NOW + 9 * DAY + number * HOUR) for number in range(60)]
    broken = guests[:20] if first else guests[40:]
    refuse(stage, {guest.event for guest in broken}, error)

    texts = run(stage)

    good = [guest for guest in guests if guest not in broken]
    assert texts == sorted(f"confirmation of {guest.event.rpartition('/')[2]}" for guest in good)
    [done] = stage.told("run.completed")
    assert done["events_unreadable"] == 20
    assert "warning" in done
    told = stage.told("event.unreadable")
    assert {one["event_uri"] for one in told} == {guest.event for guest in broken}
    assert all(one["remedy"] and one["reason"] == str(error) for one in told)
    last = store.last_run()
    assert last is not None
    assert last["outcome"] == "completed"
    assert dict(glance(tmp_path / "syncer.db").unreadable) == {guest.event: str(error) for guest in broken}


@pytest.mark.parametrize("error", EVERYBODYS.values(), ids=EVERYBODYS)
def test_what_concerns_everything_ends_the_run(stage: WorkerOnFakes, store: Store, error: SyncerError) -> None:
    """No connection, errors everywhere, a scope that is missing: nobody's event is at fault."""
    bookings(stage, 3)
    run(stage)
    [book(stage, f"new{number}", NOW + 2 * DAY) for number in range(40)]
    refuse(stage, None, error)

    with pytest.raises(type(error)):
        run(stage)
    assert store.unreadable_events() == {}
    asked = [uri for method, uri in stage.calendly.calls if method == "invitees" and "/new" in uri]
    assert len(set(asked)) < 40


@pytest.mark.parametrize("error", OWN.values(), ids=OWN)
@pytest.mark.parametrize("known", ["nothing", "one that cannot be read, either"])
@pytest.mark.parametrize("count", [BATCH, BATCH + 1, 2 * BATCH + 3])
def test_a_whole_batch_that_cannot_be_read_costs_itself_alone_although_nothing_else_was_read(
    stage: WorkerOnFakes, error: SyncerError, known: str, count: int
) -> None:
    """What comes behind it is tried before anybody believes that nothing can be read."""
    broken = {book(stage, "known", NOW + 9 * DAY).event} if known != "nothing" else set()
    run(stage)
    stage.gateway.sends.clear()
    broken |= {book(stage, f"bad{number:02}", NOW + 2 * DAY + number * MINUTE).event for number in range(count)}
    good = [book(stage, f"good{number}", NOW + 4 * DAY) for number in range(5)]
    refuse(stage, broken, error)

    texts = run(stage)

    assert texts == sorted(f"confirmation of {guest.event.rpartition('/')[2]}" for guest in good)
    assert len(stage.told("run.completed")) == 1


def test_a_login_that_is_refused_ends_the_run_at_once(stage: WorkerOnFakes, store: Store) -> None:
    """401 is about the token, whatever was asked for."""
    guests = bookings(stage, 3)
    refuse(stage, {guests[0].event}, LoginRefused("no", status=401))

    with pytest.raises(LoginRefused):
        run(stage)
    assert store.unreadable_events() == {}


def test_a_first_run_that_can_read_nothing_at_all_fails(stage: WorkerOnFakes) -> None:
    """Nothing is known that could tell whether it is about these events."""
    bookings(stage, 20)
    refuse(stage, None, AccessRefused("Calendly 403", status=403))

    for _ in range(20):  # also in the runs between two tries
        with pytest.raises(Unreadable, match="Calendly 403"):
            run(stage)
    assert len(stage.store.unreadable_events()) == 20


def test_one_event_that_was_never_readable_does_not_make_later_runs_fail(stage: WorkerOnFakes) -> None:
    """It is the only one that is stale: a known event tells that the trouble is its own."""
    guests = bookings(stage, 3)
    refuse(stage, {guests[0].event}, AccessRefused("Calendly 403", status=403))
    run(stage)
    for _ in range(5):
        run(stage)
        [done] = stage.told("run.completed")
        assert done["events_unreadable"] == 1


def test_it_is_tried_again_ever_more_rarely_and_texted_when_it_can_be_read(stage: WorkerOnFakes) -> None:
    """At once, then after 1, 2, 4 … minutes: twenty of them cost little."""
    guests = bookings(stage, 5)
    refuse(stage, {guests[0].event}, AccessRefused("Calendly 403", status=403))
    run(stage)
    tries = [minute for minute in range(1, 40) if run(stage) or stage.told("event.unreadable")]
    refuse(stage, (), AccessRefused("", status=403))
    while not (texts := run(stage)):
        assert stage.now < NOW + 2 * HOUR

    assert tries == [1, 2, 4, 8, 16, 32]
    assert texts == ["confirmation of e00"]
    assert stage.store.unreadable_events() == {}
    [done] = stage.told("run.completed")
    assert done["events_unreadable"] == 0
    assert "warning" not in done


def test_what_failed_last_comes_last(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """New bookings are not behind the nearest event that never can be read."""
    monkeypatch.setattr("syncer.worker.BATCH", 1)
    guests = bookings(stage, 2)
    refuse(stage, {guests[0].event}, AccessRefused("Calendly 403", status=403))
    run(stage)
    book(stage, "later", NOW + 20 * DAY)
    stage.calendly.calls.clear()
    run(stage)

    asked = [uri.rpartition("/")[2] for method, uri in stage.calendly.calls if method == "invitees"]
    assert asked == ["later", "e00"]


def test_nothing_leaves_about_a_known_event_that_cannot_be_read(stage: WorkerOnFakes) -> None:
    """It was canceled, perhaps: its reminder waits, and says why."""
    guests = bookings(stage, 3)
    run(stage)
    cancel(stage, guests[0])
    refuse(stage, {guests[0].event}, AccessRefused("Calendly 403", status=403))
    stage.now = NOW + 2 * DAY
    texts = run(stage, timedelta(0))

    assert texts == []
    [message] = [m for m in stage.store.messages_of([guests[0].uri])[guests[0].uri] if m.rule == "reminder-24h"]
    assert (message.state, message.reason) == (State.SCHEDULED, Reason.EVENT_UNREADABLE)


# Rows of the listing.


def test_a_row_that_cannot_be_read_holds_its_event_and_is_told_once(stage: WorkerOnFakes) -> None:
    """It is neither missing nor canceled; the others go on. The count stands in each run."""
    guests = bookings(stage, 3)
    run(stage)
    row = stage.calendly.known.pop(guests[0].event)
    stage.calendly.unreadable[row.uri] = "start_time is no time"
    stage.now = NOW + 2 * DAY
    told = []
    for _ in range(3):
        assert "reminder-24h of e00" not in run(stage)
        told += stage.told("event.unreadable")
        [done] = stage.told("run.completed")
        assert done["events_unreadable"] == 1
        assert stage.told("booking.missing") == []
    assert [one["event_uri"] for one in told] == [row.uri]
    [message] = [m for m in stage.store.messages_of([guests[0].uri])[guests[0].uri] if m.rule == "reminder-24h"]
    assert (message.state, message.reason) == (State.SCHEDULED, Reason.EVENT_UNREADABLE)

    del stage.calendly.unreadable[row.uri]
    stage.calendly.put(row)
    assert run(stage) == ["reminder-24h of e00"]
    assert stage.store.unreadable_events() == {}


def test_an_unreadable_row_that_is_no_longer_listed_is_forgotten(stage: WorkerOnFakes) -> None:
    """It is beyond the window, or gone."""
    bookings(stage, 2)
    stage.calendly.unreadable["https://api.calendly.com/scheduled_events/odd"] = "status is no text"
    run(stage)
    assert len(stage.store.unreadable_events()) == 1
    stage.calendly.unreadable.clear()
    run(stage)

    assert stage.store.unreadable_events() == {}


def test_a_listing_of_nothing_but_unreadable_rows_fails_the_run_and_is_no_empty_one(stage: WorkerOnFakes) -> None:
    """Calendly has changed a type, say. The guard over vanished events counts them as there."""
    guests = bookings(stage, 12)
    run(stage)
    for guest in guests:
        del stage.calendly.known[guest.event]
        stage.calendly.unreadable[guest.event] = "end_time is no time"
    with pytest.raises(Unreadable, match="none of the 12 listed events"):
        run(stage)
    assert stage.told("run.refused") == []
