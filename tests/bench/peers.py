"""What others take for the same on the same server, where `.ci/bench` could install them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from functools import partial
from typing import TYPE_CHECKING

import httpx

from bench.desk import HERE, Desk, run_here, timed
from bench.rows import Row, sending

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
    """A thousand texts that are due, at 0 ms, eight at once; beside them bare posts, which nothing keeps.

    Where bare posts take most of a peer's time, what is measured is the client: half of it is below that floor.
    """
    with contextlib.ExitStack() as stack:
        peers = dict(posters(desk, stack))
        found: dict[tuple[str, str], list[float]] = {}
        desk.set_up(events=TEXTS, latency=0, rate=0)
        worker, client = stack.enter_context(desk.worker()), stack.enter_context(httpx.Client())
        worker.run_once()
        for _ in range(times):
            took = {"wall": sending(desk, worker, TEXTS, 0)[0]}
            for lanes in (8, 1):
                took[f"bare posts, {lanes} in flight"] = timed(partial(desk.post, client, TEXTS, lanes=lanes)).wall
            for name, line in peers.items():
                theirs = float(run_here(*line).stdout.split()[-1])
                for what, seconds in took.items():
                    found.setdefault((what, name), []).append(seconds / theirs)
    for (what, name), shares in found.items():
        most = 1.0 if what == "wall" and name.startswith("Huey") else None
        yield Row(f"1,000 texts at 0 ms: {what} / {name}", statistics.median(shares), most)


def posters(desk: Desk, stack: contextlib.ExitStack) -> Iterator[tuple[str, list[str]]]:
    """Name each peer that is here, with the command that sends the texts and prints the seconds."""
    huey, bullmq = python("bench"), ROOT / ".tools" / "bullmq" / "node_modules"
    if huey is not None:
        yield "Huey (SQLite, synced)", [str(huey), str(OTHERS / "huey_texts.py"), desk.url, str(TEXTS)]
    if bullmq.exists() and shutil.which("redis-server"):
        script = shutil.copy(OTHERS / "bullmq_texts.mjs", bullmq.parent)
        port = stack.enter_context(redis())
        yield "BullMQ (Redis, AOF always)", ["node", str(script), desk.url, str(TEXTS), str(port)]


PEERS = [readers, senders]
