"""`interval = "auto"`: how far apart runs begin, what that costs, and how long a new guest waits for a text.

The simulations run the real loop with the real client and its pace against the sandbox's own rate limit, on a simulated
clock. All in full size:

    SYNCER_FULL=1 python -m pytest tests/system/test_interval.py -q
"""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import statistics
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, an_event, an_invitee
from support.modes import LONG_FORM
from support.worker_on_fakes import WorkerOnFakes
from support.worker_on_sandbox import (
    DAY,
    START,
    UNLIMITED,
    InProcess,
    SimulatedStop,
    Timeline,
    WorkerOnSandbox,
    fill,
    key_of,
    number,
    simulate_schedule,
)
from syncer import intervals
from syncer.errors import LoginRefused, NotConnected
from syncer.model import utc_text
from syncer.pauses import SHARE
from syncer.sandbox.world import World
from syncer.worker import BATCH, LOOP, Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.cli_workspace import Workspace
    from syncer.config import Settings
    from syncer.http import Answer, Prepared
    from syncer.store import Store

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


# How far apart, as a function.


@pytest.mark.parametrize(
    ("events", "limit", "cap", "seconds"),
    [
        pytest.param(0, None, 0, 15, id="nothing is known: the shortest"),
        pytest.param(100, 50, 0, 15, id="a small account on the free plan"),
        pytest.param(1_000, 500, 0, 15, id="a thousand events on a paid plan"),
        pytest.param(625, 50, 0, 16.8, id="seven pages: no longer the shortest"),
        pytest.param(1_000, 50, 0, 24, id="ten pages at 25 a minute"),
        pytest.param(1_001, 50, 0, 26.4, id="one event more is a page more"),
        pytest.param(1_000, None, 0, 24, id="an unknown limit is the smaller one"),
        pytest.param(10_000, 500, 0, 24, id="a hundred pages at 250 a minute"),
        pytest.param(10_000, 50, 0, 240, id="a hundred pages at 25 a minute"),
        pytest.param(1_000, 500, 50, 24, id="our own cap is lower"),
        pytest.param(1_000, 50, 500, 24, id="our own cap is higher"),
        pytest.param(1_000, None, 10, 120, id="our own cap is lower than what is assumed"),
        pytest.param(37_500, 50, 0, 900, id="the longest"),
        pytest.param(500_000, 50, 0, 900, id="never longer"),
    ],
)
def test_an_automatic_interval(events: int, limit: int | None, cap: int, seconds: float) -> None:
    """max(15 s, requests of a quiet run / half the limit), at most 15 minutes."""
    assert intervals.in_force(None, events, limit, cap) == timedelta(seconds=seconds)


def test_an_interval_that_is_set_is_the_interval() -> None:
    """Whatever the account holds."""
    assert intervals.in_force(timedelta(seconds=5), 100_000, 50) == timedelta(seconds=5)
    assert intervals.bounds(timedelta(seconds=5)) == (timedelta(seconds=5), timedelta(seconds=5))
    assert intervals.bounds(None) == (timedelta(seconds=15), timedelta(minutes=15))


@given(
    events=st.integers(0, 500_000), limit=st.none() | st.integers(1, 10_000), cap=st.just(0) | st.integers(1, 10_000)
)
def test_quiet_runs_use_half_of_the_limit_at_most(events: int, limit: int | None, cap: int) -> None:
    """In the long run; but for an account that is too large for the longest interval, where the pause sees to it."""
    found = intervals.in_force(None, events, limit, cap)

    requests = intervals.quiet_requests(events)
    most = min(limit or 50, cap or 10_000) * SHARE
    assert timedelta(seconds=15) <= found <= timedelta(minutes=15)
    assert found == intervals.LONGEST or requests / (found / MINUTE) <= most * 1.000001
    assert intervals.in_force(None, events + 100, limit, cap) >= found


@pytest.mark.parametrize(
    ("interval", "events", "limit", "listing", "seconds"),
    [
        pytest.param(60, 100, 50, 0, 60, id="an interval"),
        pytest.param(60, 10_000, 50, 2, 240, id="what the listing costs of half the limit"),
        pytest.param(60, 10_000, None, 4, 60, id="an unknown limit"),
        pytest.param(60, 10_000, 50, 120, 1440, id="twelve times as long as the listing took"),
        pytest.param(3600, 10_000, 50, 120, 3600, id="a long interval"),
    ],
)
def test_how_long_a_run_reads(interval: int, events: int, limit: int | None, listing: int, seconds: int) -> None:
    """News must not wait for all that is old, and most requests must not go into listings."""
    requests = intervals.quiet_requests(events)
    found = intervals.time_to_read(timedelta(seconds=interval), requests, limit, timedelta(seconds=listing))

    assert found == timedelta(seconds=seconds)


# The loop, on fakes.


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """The tutorial's settings, which leave the interval alone."""
    return WorkerOnFakes(settings(), store)


def run_loop(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, runs: int) -> list[float]:
    """Let the loop do so many runs; returns when each began, in seconds."""
    worker = stage.worker()
    began: list[float] = []
    real = Worker.run_once

    def run_once(self: Worker, options: Any) -> Any:
        began.append(self.ticks())
        if len(began) == runs:
            self.stop.set()
        return real(self, options)

    monkeypatch.setattr(Worker, "run_once", run_once)
    worker.run_forever()
    return began


def put(stage: WorkerOnFakes, count: int) -> None:
    """Put so many events into Calendly whose invitees have no number."""
    for n in range(count):
        event = an_event(f"e{n}", start=NOW + timedelta(days=2, minutes=n))
        stage.calendly.put(event, an_invitee(event, created_at=NOW - DAY, text_reminder_number=""))


@pytest.mark.parametrize(
    ("events", "limit", "cap", "seconds"),
    [
        pytest.param(30, 500, 0, 15, id="small"),
        pytest.param(30, None, 0, 15, id="no limit is known"),
        pytest.param(901, 50, 0, 24, id="ten pages"),
        pytest.param(201, 500, 10, 36, id="our own cap"),
    ],
)
def test_the_loops_runs_begin_an_automatic_interval_apart(
    settings: Callable[..., Settings],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    events: int,
    limit: int | None,
    cap: int,
    seconds: float,
) -> None:
    """From start to start, however long a run takes; and each says when the next one comes."""
    stage = WorkerOnFakes(settings(f"calendly.max_requests_per_minute = {cap}"), store)
    put(stage, events)
    stage.run()
    stage.calendly.limit = min(limit, cap or limit) if limit else None
    real = stage.calendly.events

    def slow(*asked: Any, **more: Any) -> Any:
        stage.now += 7 * SECOND
        return real(*asked, **more)

    monkeypatch.setattr(stage.calendly, "events", slow)
    stage.log.clear()
    began = run_loop(stage, monkeypatch, 4)

    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx([seconds] * 3, abs=0.6)
    assert [told["next_run_s"] for told in stage.told("run.completed")] == [round(seconds - 7)] * 4
    assert stage.told("calendly.throttled") == []


def test_an_account_that_grows_has_a_longer_interval_from_the_next_run_on(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the listing of each run, and by the limit that Calendly tells."""
    worker = stage.worker()
    found = []
    for events, limit in ((10, None), (901, None), (901, 500), (901, 50), (10, 50)):
        stage.calendly.known.clear()
        put(stage, events)
        stage.calendly.limit = limit
        monkeypatch.setattr("syncer.listing.guard_listing", lambda **_: None)
        worker.run_once(LOOP)
        found.append(worker.interval.total_seconds())

    assert found == [15, 24, 15, 24, 15]


@pytest.mark.parametrize("jump", [-3600, 3600], ids=["back, as in autumn", "ahead"])
def test_a_wall_clock_that_is_set_moves_no_run(stage: WorkerOnFakes, jump: int) -> None:
    """`schedule` goes by it; the interval is counted in seconds of a clock that nobody sets."""
    with freeze_time(NOW) as frozen:
        worker = stage.worker()
        began: list[float] = []

        def wait(timeout: float | None = None) -> bool:
            frozen.tick(timedelta(seconds=timeout or 0))
            stage.ticked += timeout or 0
            return worker.stop.is_set()

        def tell(event: str, /, **fields: object) -> None:
            stage.tell(event, **fields)
            if event == "run.started":
                began.append(worker.ticks())
            if event == "run.completed" and len(began) == 2:
                frozen.tick(timedelta(seconds=jump))
            if event == "run.completed" and len(began) == 5:
                worker.stop.set()

        worker.stop.wait = wait  # type: ignore[method-assign]  # moves both clocks
        worker.tell = tell
        worker.run_forever()

    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx([15] * 4, abs=1)


@pytest.mark.parametrize("error", [NotConnected("no route"), LoginRefused("Calendly 401", status=401)])
def test_a_failed_run_rests_for_an_interval_from_its_end(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """An outage is not asked about again at once, however long the run tried; its row says when the next one comes."""
    put(stage, 10)
    stage.run()
    real = stage.calendly.events

    def slow(*_: Any, **__: Any) -> Any:
        stage.now += 40 * SECOND
        stage.calendly.events = real  # type: ignore[method-assign]  # once
        raise error

    stage.calendly.events = slow  # type: ignore[method-assign]  # tries for so long
    rows: list[dict[str, Any] | None] = []
    record = stage.store.record_run

    def keep(row: Any) -> None:
        rows.append(dict(row))
        record(row)

    monkeypatch.setattr(stage.store, "record_run", keep)
    began = run_loop(stage, monkeypatch, 3)

    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx([55, 15], abs=0.6)
    assert [('"next_run_s": 15' in row["counts"], row["outcome"]) for row in rows if row] == [
        (True, "failed"),
        (True, "completed"),
        (True, "completed"),
    ]


def test_a_run_that_no_other_follows_says_nothing_of_a_next_one(stage: WorkerOnFakes) -> None:
    """`--once`: when the scheduler starts the next process, it does not say."""
    put(stage, 1)

    run = stage.run()

    assert "next_run_s" not in stage.told("run.completed")[0]
    assert run.report.next_run_s is None


def test_a_run_that_is_behind_says_that_the_next_one_comes_at_once(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 is not the same as nothing."""
    monkeypatch.setattr(Worker, "_takes_too_long", lambda *_: True)
    put(stage, BATCH * 2)
    stage.log.clear()

    stage.worker().run_once(LOOP)

    assert stage.told("run.completed")[0]["next_run_s"] == 0


@pytest.mark.parametrize(("interval", "told"), [("auto", []), ("15s", [33.0])])
def test_a_pause_for_what_was_read_is_told_where_somebody_counts_on_the_interval(
    settings: Callable[..., Settings], store: Store, interval: str, told: list[float]
) -> None:
    """20 requests at 50 a minute are 48 s, which an automatic interval may become at any time."""
    stage = WorkerOnFakes(settings(f'interval = "{interval}"'), store)
    stage.calendly.limit = 50
    worker = stage.worker()
    worker.run_once(LOOP)
    put(stage, 19)
    stage.log.clear()

    worker.run_once(LOOP)

    assert worker.rests_until - worker.ticks() == pytest.approx(48)
    assert [row["seconds"] for row in stage.told("calendly.throttled")] == told


# The loop, on a simulated clock.


@dataclass
class Bookings:
    """An account in which people book at random moments, and what they got.

    Attributes:
        world: the account.
        time: the clock under everything.
        wire: carries the requests, and lets people book before each of them.
        office: the settings and the log.
        planned: when somebody books, in simulated seconds, ascending.
        booked: the invitees' URIs, with when they booked.
    """

    world: World
    time: Timeline
    wire: InProcess
    office: WorkerOnSandbox
    planned: list[float] = field(default_factory=list)
    booked: dict[str, float] = field(default_factory=dict)

    def waited(self) -> list[float]:
        """How many seconds after their booking EngageLab accepted the text to each guest, ascending."""
        texted: dict[str, float] = {}
        for text in self.world.texts:
            invitee, _, rest = key_of(text).partition("/confirmation/")
            if rest:
                texted[invitee] = (text.at - START).total_seconds()
        assert texted.keys() == self.booked.keys()
        return sorted(texted[invitee] - at for invitee, at in self.booked.items())


def an_account(folder: Path, events: int, *, rate: int, toml: str = "") -> Bookings:
    """Make an account with so many events ahead, in which nobody books yet."""
    clock = Timeline()
    seen: list[datetime] = []
    world = World(lambda: seen[0] if seen else clock.now(), rate_limit=rate)
    fill(world, events, first=START + 30 * DAY, apart=timedelta(minutes=5))
    wire = InProcess(world, clock)
    clock.add(minutes=2)  # these were booked before the database is made
    made = Bookings(world, clock, wire, WorkerOnSandbox(folder, clock, toml=toml, limits=""))
    ask = wire.exchange

    def exchange(prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        while made.planned and made.planned[0] <= clock.elapsed:
            at = made.planned.pop(0)
            seen[:] = [START + timedelta(seconds=at)]
            n = len(made.booked)
            invitee = world.book(
                start=START + 20 * DAY + n * MINUTE, phone=number(1_000_000 + n), name=f"Ada Quill {n}"
            )
            seen.clear()
            made.booked[invitee] = at
        return ask(prepared, deadline=deadline, cap=cap)

    wire.exchange = exchange  # type: ignore[method-assign]  # people book meanwhile
    return made


def quiet_then_booked(
    account: Bookings, monkeypatch: pytest.MonkeyPatch, *, quiet: float, bookings: int, apart: float, seed: int
) -> int:
    """Run the loop: a while without news, then bookings at random moments.

    Args:
        account: which syncer has not read yet.
        monkeypatch: of the test.
        quiet: minutes without news, after the first read.
        bookings: how many.
        apart: seconds between them, on average.
        seed: of the moments.

    Returns:
        The most requests in any minute without news.
    """
    account.world.rate_limit, rate = UNLIMITED, account.world.rate_limit
    with account.office.worker(account.wire) as worker:
        worker.run_once()  # the first read is another test's
    account.world.rate_limit = rate
    account.time.add(minutes=5)
    account.wire.seen.clear()
    account.office.told.clear()
    simulate_schedule(monkeypatch, account.time)
    began = account.time.elapsed + quiet * 60
    chance = random.Random(seed)  # noqa: S311  moments, no secrets
    account.planned = sorted(began + chance.uniform(0, bookings * apart) for _ in range(bookings))
    stop = SimulatedStop(account.time, began)
    with account.office.worker(account.wire, stop=stop) as worker:
        worker.run_forever()
        busiest = account.wire.busiest_minute()
        stop._deadline = began + bookings * apart + 120
        worker.run_forever()
    assert account.office.named("run.failed") == []
    assert {one.status for one in account.wire.calendly()} == {200}
    return busiest


def stories(events: int, *, full: bool) -> tuple[int, int]:
    """How many stories there are, and bookings in each: a small account must stay one."""
    if events >= 500:
        return 1, 500 if full else 80
    return (5, 100) if full else (1, 80)


def percentiles(waited: list[float]) -> tuple[float, float]:
    """The median, and what 99 of 100 do not exceed."""
    return statistics.median(waited), waited[-(-len(waited) * 99 // 100) - 1]


@pytest.mark.parametrize(
    ("events", "rate", "apart"), [(1_000, 500, 4), (100, 50, 30)], ids=["1,000 at 500", "100 at 50"]
)
def test_how_long_a_guest_waits_for_a_text(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    figures: Callable[..., None],
    full: bool,
    events: int,
    rate: int,
    apart: float,
) -> None:
    """The loop: half of all guests within 10 s, 99 of 100 within 25 s; without news never more than half the limit."""
    waited: list[float] = []
    busiest = 0
    seeds, count = stories(events, full=full)
    for seed in range(seeds):
        folder = tmp_path / str(seed)
        folder.mkdir()
        account = an_account(folder, events, rate=rate)
        most = quiet_then_booked(account, monkeypatch, quiet=10, bookings=count, apart=apart, seed=seed)
        busiest = max(busiest, most)
        waited += account.waited()
    median, worst = percentiles(sorted(waited))
    figures(f"loop, {events} events at {rate}", texts=len(waited), median=round(median, 1), p99=round(worst, 1))

    assert len(waited) >= seeds * count
    assert median <= 10
    assert worst <= 25
    assert 0 < busiest <= rate * SHARE


@pytest.mark.parametrize(
    ("events", "rate", "apart"), [(1_000, 500, 4), (100, 50, 30)], ids=["1,000 at 500", "100 at 50"]
)
def test_how_long_a_guest_waits_where_a_job_starts_each_minute(
    tmp_path: Path, figures: Callable[..., None], full: bool, events: int, rate: int, apart: float
) -> None:
    """`--once` each minute, as by cron or a CronJob: the figure beside the loop's."""
    waited: list[float] = []
    seeds, count = stories(events, full=full)
    for seed in range(seeds):
        folder = tmp_path / str(seed)
        folder.mkdir()
        account = an_account(folder, events, rate=rate)
        began = 600.0
        chance = random.Random(seed)  # noqa: S311  moments, no secrets
        account.planned = sorted(began + chance.uniform(0, count * apart) for _ in range(count))
        account.world.rate_limit = UNLIMITED  # the first read
        moment = 180.0
        while moment < began + count * apart + 120:
            account.time.add(seconds=max(0.0, moment - account.time.elapsed))
            with account.office.worker(account.wire) as worker:
                worker.run_once()
            account.world.rate_limit = rate
            moment += 60
        waited += account.waited()
    median, worst = percentiles(sorted(waited))
    figures(f"job a minute, {events} events at {rate}", texts=len(waited), median=round(median, 1), p99=round(worst, 1))

    assert len(waited) >= seeds * count
    assert median <= 40
    assert worst <= 75


@pytest.mark.parametrize("interval", ["auto", "60s"])
def test_the_loops_first_read_takes_as_long_as_a_single_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Callable[..., None], full: bool, interval: str
) -> None:
    """A listing takes two minutes, and the loop lists again and again: all the same it takes 1.1 x at most."""
    if not full and interval != "auto":
        pytest.skip(LONG_FORM)
    events, rate = (10_000, 50) if full else (600, 10)
    toml = f'interval = "{interval}"'
    folders = [tmp_path / "once", tmp_path / "loop"]
    for folder in folders:
        folder.mkdir()
    single, account = (an_account(folder, events, rate=rate, toml=toml) for folder in folders)
    for made in (single, account):
        made.office.limits = "concurrency = 1\n"  # else chance decides how well the threads use the limit
    began = single.time.elapsed
    with single.office.worker(single.wire) as worker:
        worker.run_once()
    once = single.time.elapsed - began
    simulate_schedule(monkeypatch, account.time)
    began, read = account.time.elapsed, 0

    class UntilRead(SimulatedStop):
        def is_set(self) -> bool:
            return read >= events or super().is_set()

    stop = UntilRead(account.time, began + 3 * once)
    with account.office.worker(account.wire, stop=stop) as worker:
        real = account.office.tell

        def tell(event: str, /, **told: Any) -> None:
            nonlocal read
            real(event, **told)
            if event == "run.completed":
                read += told["changed"]

        worker.tell = tell
        worker.run_forever()

    took, runs = account.time.elapsed - began, account.office.named("run.completed")
    figures(
        f"first read in the loop, {events} events at {rate}, interval {interval}",
        hours=round(took / 3600, 2),
        once=round(once / 3600, 2),
        runs=len(runs),
    )
    assert sum(run["changed"] for run in runs) == events
    assert took <= 1.1 * once
    assert len(runs) > 5, "nobody looked for news meanwhile"
    assert account.wire.busiest_minute() <= rate


# What `status` makes of it.


def ran(workspace: Workspace, ago: timedelta, counts: dict[str, int], *, outcome: str = "completed") -> None:
    """Write the row of a run that ended so long ago."""
    ended = utc_text(datetime.now(UTC) - ago)
    row = (f"r{ago}{outcome}", ended, ended, outcome, json.dumps(counts), "")
    with contextlib.closing(sqlite3.connect(workspace.folder / "syncer.db")) as db, db:
        columns = "id, started_at, ended_at, outcome, counts, error, checked"
        db.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, 1)", row)  # noqa: S608  constants


@pytest.mark.parametrize(
    ("counts", "allowed"),
    [
        pytest.param({}, 300, id="of an older version"),
        pytest.param({"duration_ms": 2_000}, 300, id="a job a minute"),
        pytest.param({"duration_ms": 2_000, "next_run_s": 13}, 300, id="15 s apart"),
        pytest.param({"duration_ms": 20_000, "next_run_s": 80}, 300, id="100 s apart"),
        pytest.param({"duration_ms": 120_000, "next_run_s": 120}, 720, id="four minutes apart"),
        pytest.param({"duration_ms": 60_000, "next_run_s": 840}, 2_700, id="a quarter of an hour apart"),
        pytest.param({"duration_ms": 360_000, "next_run_s": 0}, 1_080, id="a long run that left something to read"),
        pytest.param({"duration_ms": 0, "next_run_s": 3_600}, 10_800, id="an hour apart"),
    ],
)
def test_a_complete_run_may_be_five_minutes_or_three_intervals_old(
    workspace: Workspace, counts: dict[str, int], allowed: int
) -> None:
    """Whichever is longer: `status` needs no setting for it, as the last complete run has told."""
    workspace.run("migrate")
    ran(workspace, timedelta(seconds=allowed + 60), counts)
    late = workspace.run("status", "--json")
    ran(workspace, timedelta(seconds=allowed - 60), counts)
    ran(workspace, timedelta(seconds=5), {"next_run_s": 15}, outcome="failed")  # a failed one changes nothing
    well = workspace.run("status", "--json")

    assert (late[0], well[0]) == (1, 0)
    assert [json.loads(out)["max_age_s"] for out in (late[1], well[1])] == [allowed, allowed]
    assert workspace.run("status", "--max-age", f"{allowed - 90}s")[0] == 1


def test_status_says_when_the_next_run_begins(workspace: Workspace) -> None:
    """By the last run, whatever came of it; a job a minute cannot say."""
    workspace.run("migrate")
    before = json.loads(workspace.run("status", "--json")[1])["next_run_at"]
    ran(workspace, 4 * MINUTE, {"duration_ms": 1_000, "next_run_s": 14})
    ran(workspace, MINUTE, {"next_run_s": 90}, outcome="failed")
    soon = json.loads(workspace.run("status", "--json")[1])["next_run_at"]
    shown = workspace.run("status")[1]
    ran(workspace, SECOND, {})
    job = json.loads(workspace.run("status", "--json")[1])["next_run_at"]

    left = (datetime.fromisoformat(soon) - datetime.now(UTC)).total_seconds()
    assert (before, job) == (None, None)
    assert 0 < left <= 30
    assert f"next run {soon}" in shown


def test_a_dry_loop_waits_for_its_interval(workspace: Workspace) -> None:
    """Each look says when the next one comes, and it does; SIGTERM ends the wait."""
    (workspace.folder / "syncer.toml").write_text('interval = "5s"', encoding="utf-8")
    process = workspace.start("--log-format", "json", "run", "--dry-run", stdout=subprocess.DEVNULL)
    told: list[dict[str, Any]] = []
    assert process.stderr is not None
    with process:
        while len([one for one in told if one["event"] == "run.completed"]) < 2:
            told.append(json.loads(process.stderr.readline()))
        process.terminate()

    first, second = (datetime.fromisoformat(one["timestamp"]) for one in told if one["event"] == "run.started")
    [done, _] = [one for one in told if one["event"] == "run.completed"]
    assert process.returncode == 0
    assert 0 <= done["next_run_s"] <= 5
    assert 4.9 <= (second - first).total_seconds() <= 15


@pytest.mark.parametrize(
    ("interval", "line"),
    [
        ("auto", "with a run each interval (auto, 15s to 15m) at most 800 a minute"),
        ("60s", "with a run each interval (1m) at most 200 a minute"),
        ("1h", "with a run each interval (1h) at most 3 a minute"),
    ],
)
def test_check_says_how_many_texts_may_leave(workspace: Workspace, interval: str, line: str) -> None:
    """At the shortest interval that there may be."""
    (workspace.folder / "syncer.toml").write_text(f'interval = "{interval}"', encoding="utf-8")

    out = workspace.run("check")[1]

    assert f"limits.messages_per_run: 200, {line}" in out
