"""What others take for the same on the same server, where `.ci/bench` could install them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

import httpx
from desk import HERE, Desk, run_here, timed
from rows import Row, sending

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = HERE.parents[1]
OTHERS = HERE / "others"
READERS = {"dlt": ("bench", "dlt_rest.py", 0.25), "airbyte-cdk": ("airbyte", "airbyte_manifest.py", None)}
READERS |= {"tap-calendly": ("tap", "tap_singer.py", None)}
"""Name -> the environment it is in, its script, and the most that ours may take of its time at 50 ms a request.

At 0 ms no client can be in that bound: eight bare connections take nearly half of dlt's time there.
"""
EVENTS, TEXTS = 1_000, 1_000


def python(name: str) -> Path | None:
    """The interpreter of one of the environments that `.ci/bench` makes; None = it is not there."""
    found = ROOT / f".venv-{name}" / "bin" / "python"
    return found if found.exists() else None


def readers(desk: Desk, times: int) -> Iterator[Row]:
    """A first run over a thousand events: all of them, and each one's invitees."""
    for latency, events in ((0.0, EVENTS), (0.05, EVENTS // 5)):
        for name, (place, script, most) in READERS.items():
            interpreter = python(place)
            if interpreter is None:
                continue
            shares, bare = [], []
            for _ in range(times):
                desk.set_up(events=events, latency=latency, rate=0)
                with desk.worker() as worker, httpx.Client() as client:
                    ours = timed(worker.run_once).wall
                    floor = timed(lambda: desk.walk(client, lanes=8)).wall
                theirs = float(run_here(str(interpreter), str(OTHERS / script), desk.url).stdout.split()[-1])
                shares.append(ours / theirs)
                bare.append(floor / theirs)
            what = f"first run, {events:,} events at {latency * 1000:.0f} ms"
            yield Row(f"{what}: wall / {name}", statistics.median(shares), most if latency else None)
            yield Row(f"{what}: bare, 8 connections / {name}", statistics.median(bare))


@contextlib.contextmanager
def redis() -> Iterator[int]:
    """A Redis that syncs each write to the disk, as SQLite does here; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        line = f"redis-server --port {port} --dir {folder} --appendonly yes --appendfsync always --save"
        server = subprocess.Popen([*line.split(), ""], stdout=subprocess.DEVNULL)
        time.sleep(1)
        yield port
        server.terminate()
        server.wait(10)


def senders(desk: Desk, times: int) -> Iterator[Row]:
    """A thousand texts that are due, at 0 ms, eight at once."""
    huey, bullmq = python("bench"), ROOT / ".tools" / "bullmq" / "node_modules"
    found: dict[str, list[float]] = {"Huey (SQLite, synced)": [], "BullMQ (Redis, AOF always)": []}
    floors: list[float] = []
    desk.set_up(events=TEXTS, latency=0, rate=0)
    with desk.worker() as worker, contextlib.ExitStack() as stack, httpx.Client() as client:
        worker.run_once()
        port = stack.enter_context(redis()) if bullmq.exists() and shutil.which("redis-server") else 0
        for _ in range(times):
            ours, _ = sending(desk, worker, TEXTS, 0)
            if huey is not None:
                done = run_here(str(huey), str(OTHERS / "huey_texts.py"), desk.url, str(TEXTS))
                found["Huey (SQLite, synced)"].append(ours / float(done.stdout.split()[-1]))
                floors.append(timed(lambda: desk.post(client, TEXTS)).wall / float(done.stdout.split()[-1]))
            if port:
                script = shutil.copy(OTHERS / "bullmq_texts.mjs", bullmq.parent)
                done = run_here("node", str(script), desk.url, str(TEXTS), str(port))
                found["BullMQ (Redis, AOF always)"].append(ours / float(done.stdout.split()[-1]))
    for name, shares in found.items():
        if shares:
            yield Row(f"1,000 texts at 0 ms: wall / {name}", statistics.median(shares), 1.0)
    if floors:
        yield Row("1,000 texts at 0 ms: bare posts, 8 connections / Huey", statistics.median(floors))


PEERS = [readers, senders]
