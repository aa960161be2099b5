"""The rows of the benchmark: what is measured, against which floor, and what it must stay below."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx

from bench.desk import HERE, MOST, Desk, Took, make_due, median, ratio, rounds, run_here, timed
from support.aging import age

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncer.worker import Worker

EVENTS = 10_000
LATENCY = 0.05
PYTHON = sys.executable


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was found, and what it must not be above (None = only told)."""

    what: str
    found: float
    most: float | None = None
    unit: str = "x"

    @property
    def good(self) -> bool:
        """Whether it is within its bound."""
        return self.most is None or self.found <= self.most


class Statements:
    """Counts what a worker's database is told to do."""

    def __init__(self, worker: Worker) -> None:
        self.all: list[str] = []
        worker.store.db.conn.set_trace_callback(self.all.append)

    def count(self, start: str) -> int:
        """How many statements began like this."""
        return sum(one.startswith(start) for one in self.all)


def server(desk: Desk, times: int) -> Iterator[Row]:
    """The server must not be what is measured."""
    desk.set_up(events=EVENTS, latency=0, rate=0)
    script = (HERE / "pump.py").as_posix()
    found = [float(run_here(PYTHON, script, desk.url).stdout) for _ in range(times)]
    yield Row("pages a second that the server gives (at least 2,000)", -statistics.median(found), -2000, "/s")


def quiet(desk: Desk, times: int) -> Iterator[Row]:
    """A run without news over 10,000 events."""
    desk.set_up(events=EVENTS, latency=0, rate=0)
    with desk.worker() as worker, httpx.Client() as client:
        worker.run_once()
        worker.run_once()
        desk.walk(client)
        desk.set_up()
        seen = Statements(worker)
        worker.run_once()
        asked = desk.counts()
        worker.store.db.conn.set_trace_callback(None)
        yield Row("no news: requests for 10,000 events", asked["listing"], EVENTS / 100, "")
        yield Row("no news: invitee reads", asked.get("invitees", 0), 0, "")
        yield Row(
            "no news: writes to the snapshot", seen.count("INSERT INTO events") + seen.count("UPDATE events"), 0, ""
        )
        yield Row("no news: commits", seen.count("COMMIT"), 1, "")
        found = rounds(times, ours=worker.run_once, bare=lambda: desk.walk(client))
    yield Row("no news: wall / bare httpx and json.loads", ratio(found, "ours", "bare"), 1.0)
    yield Row("no news: CPU / bare httpx and json.loads", ratio(found, "ours", "bare", of="cpu"), 1.0)
    yield Row("no news: seconds", median(found["ours"]), None, "s")


def latency(desk: Desk, times: int) -> Iterator[Row]:
    """The same at 50 ms a request, over one connection, four and eight."""
    found: dict[int, list[Took]] = {}
    for lanes in (1, 4, 8):
        desk.set_up(events=EVENTS, latency=0, rate=0)
        with desk.worker(lanes=lanes) as worker:
            worker.run_once()
            desk.set_up(latency=LATENCY)
            worker.run_once()
            found[lanes] = rounds(times, ours=worker.run_once)["ours"]
    for lanes, most in ((4, 0.28), (8, 0.16)):
        pairs = zip(found[lanes], found[1], strict=True)
        share = statistics.median(many.wall / one.wall for many, one in pairs)
        yield Row(f"50 ms: {lanes} windows / one connection", share, most)


def news(desk: Desk, times: int) -> Iterator[Row]:
    """A hundred of 10,000 meetings were moved since the last run."""
    desk.set_up(events=EVENTS, latency=0, rate=0)
    with desk.worker(rules=["REMINDER"]) as worker, httpx.Client() as client:
        worker.run_once()
        shares, asked, acted = [], [], []
        for number in range(times):
            desk.set_up(latency=LATENCY)
            worker.run_once()  # knows the latency again
            one = min(timed(lambda: client.get(f"{desk.url}/scheduled_events?count=100")).wall for _ in range(5))
            desk.set_up(move=[number, 100, 100])
            took = timed(lambda: acted.append(worker.run_once().report.rescheduled))
            counts = desk.counts()
            asked.append((counts["listing"], counts["invitees"]))
            shares.append(took.wall / (sum(asked[-1]) / 8 * one))
        yield Row("100 changes: invitee reads", max(reads for _, reads in asked), 100, "")
        yield Row("100 changes: pages", max(pages for pages, _ in asked), EVENTS / 100 + 7, "")
        yield Row("100 changes: not acted on in that tick", 100 - min(acted), 0, "")
        yield Row("100 changes: wall / (calls / 8 x one call)", statistics.median(shares), 1.10)


def memory(desk: Desk, times: int) -> Iterator[Row]:  # noqa: ARG001  a peak is a peak
    """The most memory a process ever had, at 10,000 events and at 100,000."""
    script, peaks = (HERE / "peak.py").as_posix(), {}
    for events in (EVENTS, 10 * EVENTS):
        desk.set_up(events=events, latency=0, rate=0)
        folder = desk.folder()
        for what in ("first", "tick"):
            peaks[events, what] = float(run_here(PYTHON, script, desk.url, str(folder)).stdout)
        yield Row(f"peak memory at {events:,}: a run without news", peaks[events, "tick"], None, "MiB")
        yield Row(f"peak memory at {events:,}: the first run", peaks[events, "first"], None, "MiB")
        yield Row(
            f"peak memory at {events:,}: bare httpx and json",
            float(run_here(PYTHON, script, desk.url).stdout),
            None,
            "MiB",
        )
    for what, told in (("tick", "without news"), ("first", "first run")):
        yield Row(f"peak memory, {told}: 100,000 / 10,000", peaks[10 * EVENTS, what] / peaks[EVENTS, what], 1.15)


def paced(desk: Desk, times: int) -> Iterator[Row]:  # noqa: ARG001  two minutes each, and waiting is exact
    """First runs under a rate limit, in real minutes."""
    for events, rate in ((1_000, 500), (10_000, 5_000)):
        desk.set_up(events=events, latency=0, rate=rate, window=60)
        with desk.worker() as worker:
            took = timed(worker.run_once)
            counts = desk.counts()
        calls = counts["listing"] + counts["invitees"] + counts["other"]
        floor = (calls - 1) // rate * 60
        yield Row(f"first run, {events:,} at {rate:,} a minute: 429", counts.get("429", 0), 0, "")
        yield Row(f"first run, {events:,} at {rate:,} a minute: wall / floor of {floor} s", took.wall / floor, 1.05)


def first(desk: Desk, times: int) -> Iterator[Row]:
    """A first run without a limit, beside a bare client with eight connections."""
    desk.set_up(events=2_000, latency=0, rate=0)

    def ours() -> None:
        with desk.worker() as worker:
            worker.run_once()

    with httpx.Client() as client:
        ours()
        found = rounds(times, ours=ours, bare=lambda: desk.walk(client, lanes=8))
    yield Row("first run, 2,000 events, no limit: wall / bare, 8 connections", ratio(found, "ours", "bare"), 2.0)
    yield Row("first run, 2,000 events, no limit: seconds", median(found["ours"]), None, "s")


def delivery(desk: Desk, times: int) -> Iterator[Row]:
    """A thousand texts are due."""
    count = 1_000
    desk.set_up(events=count, latency=0, rate=0)
    folder = desk.folder()
    with desk.worker(folder, rate=MOST) as worker:
        worker.run_once()
        for seconds, most in ((0.2, 1.10), (0.05, 1.15)):
            sent = [sending(desk, worker, count, seconds) for _ in range(times)]
            found = [took / (count * seconds / 8) for took, _ in sent]
            yield Row(
                f"1,000 texts at {seconds * 1000:.0f} ms: wall / (n x latency / 8)", statistics.median(found), most
            )
            yield Row(f"1,000 texts at {seconds * 1000:.0f} ms: most in flight", desk.counts()["most_in_flight"], 8, "")
            commits = [seen.count("COMMIT") / count for _, seen in sent]
            yield Row(f"1,000 texts at {seconds * 1000:.0f} ms: commits a text", statistics.median(commits), 0.6, "")
    with desk.worker(folder) as worker, httpx.Client() as client:
        shares, commits = [], []
        for _ in range(times):
            took, seen = sending(desk, worker, count, 0)
            shares.append(took / timed(lambda: desk.post(client, count)).wall)
            commits.append(seen.count("COMMIT") / count)
        yield Row("1,000 texts at 0 ms: wall / bare posts, 8 connections", statistics.median(shares), 3.0)
        yield Row("1,000 texts at 0 ms: commits a text", statistics.median(commits), 0.6, "")
        db = worker.store.db.conn
        db.set_trace_callback(None)

        def commit() -> None:
            for number in range(100):
                db.execute("UPDATE meta SET value = ? WHERE name = 'user'", [str(number)])
                db.commit()

        yield Row("floor: one commit", median([timed(commit) for _ in range(times)]) * 10, None, "ms")


def sending(desk: Desk, worker: Worker, count: int, seconds: float) -> tuple[float, Statements]:
    """Let so many texts fall due, and send them; returns how long that took from the answered list of templates on."""
    make_due(worker.store, count)
    desk.set_up(latency=seconds)
    seen = Statements(worker)
    worker.run_once()
    told = desk.counts()
    assert told["texts"] == count
    return told["last_at"] - told["templates_at"], seen


def start(desk: Desk, times: int) -> Iterator[Row]:
    """How long commands take from nothing."""
    desk.set_up(events=100, latency=0, rate=0)
    folder = desk.folder()
    with desk.worker(folder) as worker:
        worker.run_once()
    syncer = [PYTHON, "-m", "syncer"]
    commands: dict[str, list[str]] = {
        "pass": [PYTHON, "-c", "pass"],
        "--version": [*syncer, "--version"],
        "--help": [*syncer, "--help"],
        "status": [*syncer, "status", "--db", str(folder / "syncer.db")],
        "httpx": [PYTHON, "-c", "import httpx; httpx.Client()"],
    }
    calls = {
        name: (lambda line=line: subprocess.run(line, capture_output=True, check=False))
        for name, line in commands.items()
    }
    found = rounds(times * 3, **calls)
    for name, most in (("--version", 5), ("--help", 5), ("status", 8)):
        yield Row(f"syncer {name}: wall / python -c pass", ratio(found, name, "pass"), most)
    shares = []
    for _ in range(times * 3):
        base = timed(calls["httpx"]).wall
        shares.append(to_first_request(desk, folder) / base)
    yield Row("run --once: to its first request / import httpx; httpx.Client()", statistics.median(shares), 1.5)


def to_first_request(desk: Desk, folder: Any) -> float:
    """Seconds from the start of a process to its first request, by the server's clock."""
    desk.set_up()
    began = datetime.now(UTC).timestamp()
    run_here(PYTHON, "-m", "syncer", "run", "--once", env=desk.environ(folder))
    return float(httpx.get(f"{desk.url}/bench").json()["first_at"]) - began


def aged(desk: Desk, times: int) -> Iterator[Row]:
    """A job's start with 300,000 finished messages, beside an empty database; not the first one of a day."""
    desk.set_up(events=0, latency=0, rate=0)
    new, old = desk.folder(), desk.folder()
    for folder, messages in ((new, 0), (old, 300_000)):
        with desk.worker(folder) as worker:
            worker.run_once()
            if messages:
                age(worker.store, messages)
            worker.run_once()
    shares = [to_first_request(desk, old) / to_first_request(desk, new) for _ in range(times * 3)]
    yield Row("run --once with 300,000 finished messages: to its first request / empty", statistics.median(shares), 1.2)


def planning(desk: Desk, times: int) -> Iterator[Row]:  # noqa: ARG001  minutes, and one is enough
    """150,000 bookings are planned anew after a change of the settings."""
    desk.set_up(events=150_000, latency=0, rate=0)
    folder = desk.folder()
    with desk.worker(folder, rules=["CONFIRM"]) as worker:
        worker.run_once()
    signs = [0.0]
    with desk.worker(folder, rules=["CONFIRM", "REMINDER"]) as worker:
        worker.alive = lambda: signs.append(time.monotonic())
        signs[0] = began = time.monotonic()
        worker.run_once()
        signs.append(time.monotonic())
    yield Row("150,000 bookings planned anew: seconds", signs[-1] - began, None, "s")
    yield Row(
        "150,000 bookings planned anew: longest time without a sign of life",
        max(later - earlier for earlier, later in pairwise(signs)),
        10,
        "s",
    )


ROWS = [server, start, quiet, latency, news, first, delivery, memory, paced, aged, planning]
