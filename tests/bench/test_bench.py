"""The benchmark's short form: what it counts, and memory. Seconds are `.ci/bench`'s; no test fails for being slow."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from bench.desk import HERE, Desk, run_here
from bench.rows import Statements, sending
from support.modes import LONG_FORM
from support.worker_on_sandbox import START, InProcess, SimulatedStop, Timeline, WorkerOnSandbox, fill, number
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """The benchmark's server."""
    with Desk() as made:
        yield made


def test_the_server_keeps_to_what_calendly_documents(desk: Desk) -> None:
    """Windows with both their ends, pages by token; the bare client and syncer read the same."""
    desk.set_up(events=450, latency=0, rate=0)
    with httpx.Client() as client, desk.worker() as worker:
        desk.walk(client, lanes=2)
        bare = desk.counts()
        desk.set_up()
        run = worker.run_once()
        ours = desk.counts()

    assert (bare["listing"], bare["invitees"]) == (5, 450)
    assert (ours["listing"], ours["invitees"], ours["other"]) == (5, 450, 1)
    assert (run.report.events, run.report.created) == (450, 450)


def test_no_news_costs_a_request_a_page_and_one_commit(desk: Desk) -> None:
    """2,600 events are two windows of thirteen pages; nothing of the snapshot is read twice or written."""
    desk.set_up(events=2_600, latency=0, rate=0)
    with desk.worker() as worker:
        worker.run_once()
        worker.calendly._asker._seconds = 1.0  # type: ignore[attr-defined]  # as if Calendly were far away
        desk.set_up()
        seen = Statements(worker)
        run = worker.run_once()
        asked = desk.counts()

    assert (asked["listing"], asked.get("invitees", 0), asked.get("other", 0)) == (26, 0, 0)
    assert (run.report.events, run.report.changed) == (2_600, 0)
    writes = [one for one in seen.all if one.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert {one.split()[2] for one in writes} == {"runs"}
    assert seen.count("COMMIT") == 1


def test_changes_cost_their_own_reads(desk: Desk) -> None:
    """A hundred of them, over all windows, are all acted on in that run."""
    desk.set_up(events=2_600, latency=0, rate=0)
    with desk.worker(rules=["REMINDER"]) as worker:
        worker.run_once()
        desk.set_up(move=[3, 25, 100])
        run = worker.run_once()
        asked = desk.counts()
        again = worker.run_once()

    assert (asked["listing"], asked["invitees"]) == (26, 100)
    assert (run.report.changed, run.report.rescheduled, again.report.changed) == (100, 100, 0)


def test_texts_share_their_commits_and_never_crowd(desk: Desk) -> None:
    """Two hundred texts, eight at once: each is claimed before it leaves and settled after, in few commits."""
    desk.set_up(events=200, latency=0, rate=0)
    with desk.worker() as worker:
        worker.run_once()
        _, seen = sending(desk, worker, 200, 0.01)
        flying = desk.counts()["most_in_flight"]

    assert flying <= 8
    assert seen.count("COMMIT") <= 200 * 0.6


def peak(desk: Desk, folder: Path) -> float:
    """The most memory of a process that runs three times, or once where there is no database yet, in MiB."""
    done = run_here(sys.executable, str(HERE / "peak.py"), desk.url, str(folder))
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_memory_does_not_grow_with_the_account(desk: Desk, *, full: bool) -> None:
    """Many times the events, and no more than a seventh more memory."""
    peaks = []
    for events in (1_000, 10_000) if full else (500, 2_000):
        desk.set_up(events=events, latency=0, rate=0)
        folder = desk.folder()
        peak(desk, folder)
        peaks.append(peak(desk, folder))

    assert peaks[1] <= peaks[0] * 1.15, peaks


def marks(folder: Path) -> dict[str, int]:
    """The fingerprints of all events."""
    with contextlib.closing(sqlite3.connect(folder / "syncer.db")) as db:
        return dict(db.execute("SELECT uri, mark FROM events"))


@pytest.mark.parametrize(("before", "counts"), [("limit", True), ("status", True), ("created_at", False)])
def test_memory_does_not_grow_with_a_new_key_in_every_row(
    desk: Desk, before: str, counts: bool, *, full: bool, figures: Callable[..., None]
) -> None:
    """It is no news: nobody is read again. Beside what decides, it changes each fingerprint, and all are renewed."""
    if not full and before != "status":
        pytest.skip(LONG_FORM)
    events = 100_000 if full else 2_000
    desk.set_up(events=events, latency=0, rate=0)
    folder = desk.folder()
    peak(desk, folder)
    quiet, old = peak(desk, folder), marks(folder)
    desk.set_up(add_key=before)

    changed = peak(desk, folder)

    asked, new = desk.counts(), marks(folder)
    renewed = sum(new[uri] != mark for uri, mark in old.items())
    figures(f"a new key in each of {events} events", quiet_mib=quiet, changed_mib=changed, renewed=renewed)
    assert asked.get("invitees", 0) == 0
    assert len(old) == events
    assert renewed == (events if counts else 0)
    assert changed <= quiet * 1.15


def test_a_large_account_with_much_news_stays_within_half_of_the_limit(tmp_path: Path, *, full: bool) -> None:
    """A tenth of 20,000 events and of 50 changes a minute, at a tenth of 500 requests: pages alone are 20.

    The short form is a third of that.
    """
    count, rate, seconds = (2_000, 50, 60) if full else (600, 15, 200)
    time = Timeline()
    world = World(time.now, rate_limit=1_000_000)
    booked = fill(world, count, first=START + 2 * DAY, apart=timedelta(minutes=5))
    wire, office = InProcess(world, time), WorkerOnSandbox(tmp_path, time, limits="concurrency = 1\n")
    with office.worker(wire) as worker:
        worker.run_once()
    world.rate_limit = rate
    time.add(minutes=10)
    began = time.elapsed

    def change() -> None:
        """Five each time: three new ones, one canceled, one moved."""
        while len(done) <= int((time.elapsed - began) // seconds):
            at = len(done)
            done.append(at)
            for more in range(3):
                world.book(
                    start=START + 30 * DAY + timedelta(minutes=at * 5 + more), phone=number(9_000 + at * 3 + more)
                )
            world.cancel(booked[at * 2])
            world.move(booked[at * 2 + 1], START + 40 * DAY + timedelta(minutes=at))

    done: list[int] = []
    with office.worker(wire, stop=SimulatedStop(time, began + 1800)) as worker:
        ask = worker.calendly.events

        def events(*asked: object, **more: object) -> object:
            change()
            return ask(*asked, **more)  # type: ignore[arg-type]

        worker.calendly.events = events  # type: ignore[method-assign, assignment]  # news come while nobody looks
        worker.run_forever()

    # The last run's requests are paid for by the rest after it.
    first, last = began, (office.named("run.started")[-1]["time"] - START).total_seconds()
    asked = [one for one in wire.calendly() if first <= (one.at - START).total_seconds() < last]
    assert {one.status for one in asked} == {200}
    assert len(done) >= 1800 // seconds - 2
    assert len(asked) / (last - first) * 60 <= rate / 2
