"""The first run on a large account: under the rate limit, at the rate limit, with what falls due meanwhile on time.

The real client with its pace and the sandbox's own rate limit (a fixed window that begins with its first request; the
answers' Reset always says 60), on a simulated clock. The full size of the run in which a text needs a second listing:

    SYNCER_FULL=1 python -m pytest tests/system/test_first_run.py -q
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.modes import FULL
from support.worker_on_sandbox import (
    DAY,
    START,
    UNLIMITED,
    InProcess,
    SimulatedStop,
    Timeline,
    WorkerOnSandbox,
    contents,
    fill,
    key_of,
    lateness,
    number,
    simulate_schedule,
)
from syncer import listing
from syncer.errors import Unreadable
from syncer.http import Answer
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from syncer.http import Prepared
    from syncer.run import Run

BATCH = 16
"""Events read and committed together."""
INTERVAL = 60.0
"""Seconds between runs, and the most that a text may be late because of our reading."""


@dataclass(slots=True)
class Backfill:
    """An account nobody has read yet, and the clock under everything.

    Attributes:
        began: simulated seconds at which the run starts; its minutes are counted from here.
    """

    world: World
    time: Timeline
    wire: InProcess
    office: WorkerOnSandbox
    began: float

    def due(self, minute: float, *, before: timedelta = DAY) -> str:
        """Book, long ago, a meeting whose reminder falls due at this minute of the run; returns the invitee's URI."""
        meeting = START + timedelta(seconds=self.began) + timedelta(minutes=minute) + before
        return self.world.book(start=meeting, phone=number(5_000_000 + len(self.world.events)))

    def run(self) -> Run:
        """Do the first run."""
        self.time.add(seconds=self.began - self.time.elapsed)
        with self.office.worker(self.wire) as worker:
            return worker.run_once()

    def spent(self) -> float:
        """Simulated seconds from the start of the run to its last request."""
        return (self.wire.seen[-1].at - START).total_seconds() - self.began

    def utilisation(self, rate: int) -> float:
        """Requests made, as a share of what the rate limit would have let through in that time."""
        return len(self.wire.calendly()) / rate * 60 / self.spent()

    def statuses(self) -> Counter[int]:
        """How often Calendly answered what."""
        return Counter(one.status for one in self.wire.calendly())


def backfill(folder: Path, count: int, *, rate: int, threads: int = 1) -> Backfill:
    """Make an account of so many meetings from the day after tomorrow on, booked before the database is born."""
    clock = Timeline()
    world = World(clock.now, rate_limit=rate)
    fill(world, count, first=START + 2 * DAY, apart=timedelta(minutes=5))
    # One thread is what a simulated clock can promise: several would wake each other too early or too late.
    limits = f"sends_per_second = 5\nconcurrency = {threads}\n"
    return Backfill(world, clock, InProcess(world, clock), WorkerOnSandbox(folder, clock, limits=limits), 120.0)


def test_a_first_read_uses_all_of_the_limit_and_no_more(tmp_path: Path) -> None:
    """Not one 429, over 95 % of the rate, five reminders on the minute. The long form is 10,000 events at 500."""
    count, rate = (10_000, 500) if FULL else (1_000, 50)
    requests = 1 + count // 100 + count
    one = backfill(tmp_path, count - 5, rate=rate)
    texted = {one.due(minute): minute for minute in (2.0, 5.5, 9.0, 12.9)}
    texted[one.due(7.5, before=timedelta(hours=1))] = 7.5

    run = one.run()

    late = lateness(tmp_path / "syncer.db", one.world)
    assert (run.report.events, run.report.changed, run.report.created) == (count, count, count)
    assert one.statuses() == {200: requests}
    assert run.report.requests == requests
    assert one.wire.busiest_minute() <= rate
    assert one.utilisation(rate) >= 0.95
    assert one.spent() <= requests / rate * 60 / 0.95
    assert sorted(key.partition("/reminder")[0] for key in late) == sorted(texted)
    assert max(late.values()) <= INTERVAL
    assert run.report.sent == 5
    assert len(one.office.named("listing.completed")) == 1


def test_a_text_that_falls_due_when_the_listing_is_old_costs_one_listing_more(tmp_path: Path) -> None:
    """After 15 minutes nothing leaves on the first listing's word: one new listing, once, and the text is on time."""
    count, rate = (10_000, 500) if FULL else (1_000, 50)
    pages = count // 100
    one = backfill(tmp_path, count - 3, rate=rate)
    for minute in (4.0, 16.0, 18.5):
        one.due(minute)

    run = one.run()

    late = lateness(tmp_path / "syncer.db", one.world)
    listed = [(told["time"] - START).total_seconds() - one.began for told in one.office.named("listing.completed")]
    assert one.statuses() == {200: 1 + 2 * pages + count}
    assert run.report.requests == 1 + 2 * pages + count
    assert one.wire.busiest_minute() <= rate
    assert one.utilisation(rate) >= 0.95
    assert len(listed) == 2
    assert 16 * 60 <= listed[1] <= 17 * 60
    assert len(late) == 3
    assert max(late.values()) <= INTERVAL
    assert (run.report.changed, run.report.sent) == (count, 3)


def test_an_old_listing_is_not_read_again_for_nothing(tmp_path: Path) -> None:
    """Twenty minutes with nothing due: still one listing."""
    one = backfill(tmp_path, 500, rate=25)

    run = one.run()

    assert one.spent() > 15 * 60
    assert run.report.requests == 1 + 5 + 500
    assert one.statuses() == {200: 1 + 5 + 500}


@pytest.mark.parametrize(("count", "rate"), [(300, 50), (1_500 if FULL else 700, 500)], ids=["free plan", "paid plan"])
def test_eight_requests_in_flight_stay_under_the_limit_too(tmp_path: Path, count: int, rate: int) -> None:
    """The default concurrency, on a clock on which waits overlap: no 429 in any order of threads."""
    one = backfill(tmp_path, count, rate=rate, threads=8)

    run = one.run()

    assert one.statuses() == {200: 1 + count // 100 + count}
    assert run.report.requests == 1 + count // 100 + count
    assert one.wire.busiest_minute() <= rate


def test_what_others_spend_on_the_same_account_makes_it_slower_and_loses_nothing(tmp_path: Path) -> None:
    """Somebody else takes 20 of 50 requests in each window: at most one 429 in each, waited out; all is read once."""
    one = backfill(tmp_path, 150, rate=50)
    [owner] = {m["user"]["uri"] for m in one.world.memberships.values() if m["role"] == "owner"}
    windows: set[datetime] = set()

    class Shared(InProcess):
        def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
            answer = super().exchange(prepared, deadline=deadline, cap=cap)
            began, _ = one.world.quota._windows[owner]
            if began not in windows:
                windows.add(began)
                for _ in range(20):
                    one.world.quota.spend(owner)
            return answer

    one.wire = Shared(one.world, one.time)

    run = one.run()

    assert one.statuses()[200] == 1 + 2 + 150
    assert one.statuses()[429] <= len(windows)
    assert run.report.changed == 150
    assert one.spent() <= 10 * 60


def loop(
    one: Backfill, monkeypatch: pytest.MonkeyPatch, *, known: int, new: int, rate: int, minutes: int
) -> dict[str, float]:
    """Run the loop for a while on the free plan, with a text falling due every five seconds; returns how late each was.

    Args:
        one: an account without meetings.
        monkeypatch: of the test.
        known: events read before the loop begins.
        new: events to be read by the loop.
        rate: requests a minute while it runs.
        minutes: how long.
    """
    one.office.toml = f'interval = "{INTERVAL:.0f}s"'
    # Only reminders: nothing else is due.
    one.office.environ = dict.fromkeys(
        [f"TEMPLATE_ID_{name}" for name in ("CONFIRM", "FOLLOWUP", "HOST_NOTIFY", "CANCEL")], ""
    )
    one.world.rate_limit = UNLIMITED
    fill(one.world, known, first=START + 2 * DAY, apart=timedelta(minutes=5))
    for n in range(minutes * 12 - 12):
        one.due(2 + n / 12)
    one.run()
    one.world.rate_limit = rate
    fill(one.world, new, first=START + 40 * DAY, apart=timedelta(minutes=5))
    one.time.add(seconds=120 - one.time.elapsed + one.began)
    one.wire.seen.clear()
    one.office.told.clear()
    simulate_schedule(monkeypatch, one.time)
    stop = SimulatedStop(one.time, one.time.elapsed + minutes * 60)
    with one.office.worker(one.wire, stop=stop) as worker:
        worker.run_forever()
    return lateness(one.office.folder / "syncer.db", one.world)


def test_on_the_free_plan_the_loops_ticks_stretch_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 a minute: each run reads for an interval at most and leaves the rest to the next, until all is read."""
    one = backfill(tmp_path, 0, rate=50)

    loop(one, monkeypatch, known=0, new=300, rate=50, minutes=16)

    lasted = [
        (done["time"] - start["time"]).total_seconds()
        for start, done in zip(one.office.named("run.started"), one.office.named("run.completed"), strict=False)
    ]
    assert one.statuses() == {200: len(one.wire.calendly())}
    assert one.wire.busiest_minute() <= 50
    assert one.office.named("run.failed") == []
    assert sum(done["changed"] for done in one.office.named("run.completed")) == 300
    assert max(lasted) <= 2 * INTERVAL
    assert lasted[-1] < 5


def test_on_the_free_plan_reading_holds_no_text_back_longer_than_an_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text due every five seconds for a quarter of an hour, while 300 events are read: each leaves within a minute.

    Three seconds more are for the run itself: a dozen texts at five a second, and half a second for Calendly's window.
    """
    one = backfill(tmp_path, 0, rate=50)

    late = loop(one, monkeypatch, known=0, new=300, rate=50, minutes=16)

    assert len(late) >= 160
    assert max(late.values()) <= INTERVAL + 3


def test_a_long_listing_holds_no_text_back_longer_than_the_listing_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text may wait for the listing, not for reading, too. 4,000 known events are 42 of the 50 requests a minute."""
    one = backfill(tmp_path, 0, rate=50)

    late = loop(one, monkeypatch, known=4_000 if FULL else 2_000, new=300, rate=50, minutes=10)

    assert len(late) >= 90
    assert max(late.values()) <= INTERVAL + 10


def test_the_loop_does_not_rest_while_events_are_left_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 events and the listings at 50 a minute: not more than a fifth of the quota is left unused."""
    one = backfill(tmp_path, 0, rate=50)

    loop(one, monkeypatch, known=0, new=300, rate=50, minutes=16)

    last = max(seen.at for seen in one.wire.calendly() if seen.path.endswith("/invitees"))
    asked = sum(seen.at <= last for seen in one.wire.calendly())
    seconds = (last - one.wire.seen[0].at).total_seconds()
    assert asked / 50 * 60 / seconds >= 0.8


def test_a_run_ends_although_its_listing_takes_as_long_as_a_listing_holds(tmp_path: Path) -> None:
    """Six pages at five requests a minute, and texts wait for a listing younger than a minute: read once, then done."""
    one = backfill(tmp_path, 520, rate=UNLIMITED)
    one.office.toml = 'max_snapshot_age = "60s"'
    one.due(8.0)
    one.run()
    one.time.add(minutes=10)
    one.world.rate_limit = 5
    one.wire.seen.clear()
    fill(one.world, 5, first=START + 40 * DAY, apart=timedelta(minutes=5))

    with one.office.worker(one.wire, stop=SimulatedStop(one.time, one.time.elapsed + 3600)) as worker:
        run = worker.run_once()

    assert run.report.changed == 5
    assert len(one.wire.calendly()) <= 2 * 6 + 5


def start_once(folder: Path) -> subprocess.Popen[bytes]:
    """Start `syncer run --once` as people do; its log goes to a file, since a full pipe would hold it up."""
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "syncer", "run", "--once"],
            cwd=folder,
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def reads(world: World) -> int:
    """Requests for invitees so far."""
    with world.lock:
        return sum(seen.path.endswith("/invitees") for seen in world.requests)


@pytest.mark.parametrize("share", [0.3, 0.6], ids=["after a third", "after two thirds"])
def test_kill_9_costs_less_than_two_batches_of_reading_and_no_second_text(tmp_path: Path, share: float) -> None:
    """A real process over a real socket is killed while it reads and texts; the next one goes on where it was."""
    events = 300
    world = World(lambda: datetime.now(UTC), rate_limit=UNLIMITED)
    with SandboxServer(world) as server:
        lines = [*env_lines(server.url), "TEMPLATE_ID_HOST_NOTIFY="]
        (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
        limits = "[limits]\nsends_per_second = 500\nmessages_per_run = 1000\n"
        (tmp_path / "syncer.toml").write_text(limits, encoding="utf-8")
        assert start_once(tmp_path).wait(60) == 0
        time.sleep(2.1)  # times are whole seconds: the bookings must be younger than the database
        booked = fill(world, events, first=datetime.now(UTC) + 3 * DAY, apart=timedelta(minutes=5))
        world.faults.slow("/scheduled_events/", 0.02, times=events)  # each invitee read

        killed = start_once(tmp_path)
        deadline = time.monotonic() + 60
        while reads(world) < events * share and time.monotonic() < deadline:
            time.sleep(0.001)
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)
        before, texts = reads(world), len(world.texts)
        kept = len(contents(tmp_path / "syncer.db")["bookings"])
        world.faults.clear()
        assert start_once(tmp_path).wait(60) == 0
        log = (tmp_path / "log").read_text(encoding="utf-8")

    sent = Counter(key_of(text) for text in world.texts)
    unknown = log.count('"message.unknown"')
    assert killed.returncode == -signal.SIGKILL
    assert events * share <= before < events
    assert 0 < texts < events
    # The one that was to be committed, and the one that was on its way meanwhile.
    assert before - kept < BATCH * 2
    assert reads(world) < events + BATCH * 2
    assert max(sent.values()) == 1
    # At most those in hand: nobody knows whether they left, so they are not sent again.
    assert unknown <= 8
    assert {key.partition("/confirmation")[0] for key in sent} <= set(booked)
    assert events - unknown <= len(sent) <= events


def test_of_very_many_new_events_the_nearest_are_read_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not kept of one listing is in the next: all are read once, by their start, and nothing is lost."""
    monkeypatch.setattr(listing, "MOST_NEW", 20)
    one = backfill(tmp_path, 90, rate=UNLIMITED)

    run = one.run()

    paths = [exchange.path for exchange in one.wire.calendly()]
    read = [path.split("/")[2] for path in paths if path.endswith("/invitees")]
    by_start = sorted(one.world.events.values(), key=lambda event: str(event["start_time"]))
    assert read == [str(event["uri"]).rpartition("/")[2] for event in by_start]
    assert paths.count("/scheduled_events") == 5
    assert (run.report.events, run.report.changed, run.report.created) == (90, 90, 90)


def test_what_can_never_be_read_is_not_listed_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More new events than are kept, and all of them gone when they are asked for: the run ends, and fails."""
    monkeypatch.setattr(listing, "MOST_NEW", 5)
    one = backfill(tmp_path, 30, rate=UNLIMITED)
    asked = one.wire.exchange

    def exchange(prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        answer = asked(prepared, deadline=deadline, cap=cap)
        return Answer(404, answer.headers, b"{}") if "/invitees" in prepared.url else answer

    monkeypatch.setattr(one.wire, "exchange", exchange)
    with pytest.raises(Unreadable):
        one.run()

    assert [exchange.path for exchange in one.wire.calendly()].count("/scheduled_events") == 1
