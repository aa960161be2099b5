"""Changed settings: all bookings are planned again in committed batches, with a sign of life for each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes
from syncer.errors import Stopped
from syncer.reconcile import Todo
from syncer.run import Options
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.store import Store

EVENTS, BATCH = 60, 10
ONCE_MORE = Options(everything=True)
LONGER = """
[[rule]]
name = "reminder-24h"
on = "before_start"
offset = "24h"
template = "1003"
late = "send"
"""


@pytest.fixture
def office(settings: Callable[..., Any], store: Store, monkeypatch: pytest.MonkeyPatch) -> WorkerOnFakes:
    """A database with 60 bookings, planned by the tutorial's rules, read ten at a time."""
    monkeypatch.setattr("syncer.store.snapshot.CHUNK", BATCH)
    stage = WorkerOnFakes(settings(), store)
    for number in range(EVENTS):
        event = an_event(f"e{number:02}", start=NOW + timedelta(days=3, minutes=number))
        stage.calendly.put(event, an_invitee(event, created_at=NOW, text_reminder_number=f"+131255501{number:02}"))
    stage.run()
    stage.settings = settings(LONGER)
    stage.now += timedelta(hours=1)
    return stage


def planned(store: Store) -> int:
    """Count the bookings that were planned by the new rules, which have one reminder alone."""
    sql = "SELECT count(DISTINCT booking) n FROM messages WHERE state = 'canceled' AND reason = 'no_rule'"
    return int(next(store.db.query(sql))["n"])


def run_until(office: WorkerOnFakes, batches: int | None = None) -> int:
    """Run, and stop the process after so many batches; returns how many signs of life there were while planning."""
    worker, signs = office.worker(), [0]

    def alive() -> None:
        signs[0] += 1
        if signs[0] == batches:
            worker.stop.set()

    worker.alive = alive
    if batches is None:
        worker.run_once(ONCE_MORE)
    else:
        with pytest.raises(Stopped):
            worker.run_once(ONCE_MORE)
    return signs[0]


def test_each_batch_gives_a_sign_of_life(office: WorkerOnFakes) -> None:
    """A watchdog that waits for a minute hears of 150,000 bookings long before."""
    assert run_until(office) >= EVENTS // BATCH
    assert planned(office.store) > 0
    assert office.store.meta("planned_again") == ""


@pytest.mark.parametrize("batches", range(1, EVENTS // BATCH))
def test_a_process_that_is_stopped_goes_on_where_it_was(office: WorkerOnFakes, batches: int) -> None:
    """What was planned is committed, and the next process plans the rest, and the last start of before once more."""
    run_until(office, batches)
    half = planned(office.store)
    changed_at = office.store.policy_changed_at()
    office.now += timedelta(minutes=5)
    signs = run_until(office)

    assert (half, planned(office.store)) == (BATCH * batches, EVENTS)
    assert signs <= EVENTS // BATCH - batches + 2
    assert office.store.policy_changed_at() == changed_at


def test_other_settings_begin_anew(office: WorkerOnFakes, settings: Callable[..., Any]) -> None:
    """How far the planning by some settings came says nothing about others, nor about the same ones later."""
    run_until(office, 3)
    office.settings = settings(LONGER.replace("24h", "48h").replace("1003", "1001"))
    assert run_until(office) >= EVENTS // BATCH
    office.settings = settings(LONGER)
    assert run_until(office) >= EVENTS // BATCH


def test_a_start_shared_by_many_events_is_not_cut(office: WorkerOnFakes) -> None:
    """Ten events at a time, but all of one start: none of them is left out after a stop."""
    store, start = office.store, NOW + timedelta(days=3, minutes=4)
    for number in range(30):
        event = an_event(f"same{number}", start=start)
        booking = a_booking(event, an_invitee(event, created_at=NOW))
        office.calendly.put(event, booking.invitee)
        store.commit(Batch([Reading(event, NOW)], [booking]), Todo(), NOW)
    run_until(office, 1)
    run_until(office)
    sql = "SELECT count(DISTINCT booking) n FROM messages WHERE rule = 'reminder-24h' AND state != 'canceled'"

    assert next(store.db.query(sql))["n"] == EVENTS + 30
    assert store.meta("policy") == office.settings.policy.fingerprint()
