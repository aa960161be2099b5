"""What every row of the benchmark stands on: the server in its own process, syncer in front of it, bare clients."""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from support.repository import TESTS
from syncer import config, log
from syncer.cli.building import a_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncer.config import Settings
    from syncer.store import Store
    from syncer.worker import Worker

HERE = Path(__file__).parent
TEMPLATE = 2031460771195412480
RULES = ("CONFIRM", "CANCEL", "REMINDER")
MOST, UNBOUNDED = 500.0, 100_000.0
"""Texts a second: the most that the settings allow, and so many that only the gateway's time counts."""


class Nowhere(io.StringIO):
    """Takes a log and keeps nothing of it."""

    def write(self, text: str) -> int:
        """Drop it."""
        return len(text)


class Desk:
    """The server, and a folder for databases; use it in a `with` statement."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._server.stdout.readline())}"
        self._folder = tempfile.TemporaryDirectory(prefix="syncer-bench-")
        self._number = 0

    def __enter__(self) -> Self:
        """Nothing more is needed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()
        self._folder.cleanup()

    def set_up(self, **wanted: Any) -> None:
        """Set the server up for a row; its counts begin anew."""
        httpx.post(f"{self.url}/bench", json=wanted, timeout=120).raise_for_status()

    def counts(self) -> dict[str, int]:
        """What it was asked since."""
        found: dict[str, int] = httpx.get(f"{self.url}/bench").json()
        return found

    def folder(self) -> Path:
        """A new folder for a database."""
        self._number += 1
        made = Path(self._folder.name) / str(self._number)
        made.mkdir()
        return made

    def environ(self, folder: Path, rules: Sequence[str] = RULES) -> dict[str, str]:
        """The settings as variables, with these of the built-in rules."""
        return {
            "CALENDLY_TOKEN": "t" * 30,
            "ENGAGELAB_DEV_KEY": "k" * 20,
            "ENGAGELAB_DEV_SECRET": "s" * 20,
            "CALENDLY_API_URL": self.url,
            "ENGAGELAB_API_URL": self.url,
            "SYNCER_DB": str(folder / "syncer.db"),
        } | {f"TEMPLATE_ID_{rule}": str(TEMPLATE + RULES.index(rule)) for rule in rules}

    def settings(self, folder: Path, *, lanes: int, rules: Sequence[str], rate: float) -> Settings:
        """The settings: so many requests in flight, and texts a second."""
        limits = f"[limits]\nconcurrency = {lanes}\nmessages_per_run = 100000\n"
        (folder / "syncer.toml").write_text(limits, encoding="utf-8")
        made = config.load(environ=self.environ(folder, rules), folder=folder, log_format="json")
        return replace(made, sends_per_second=rate)

    @contextlib.contextmanager
    def worker(
        self, folder: Path | None = None, *, lanes: int = 8, rules: Sequence[str] = RULES, rate: float = UNBOUNDED
    ) -> Iterator[Worker]:
        """A worker on a database, which it makes where there is none; its log is written and dropped."""
        log.configure(log_format="json", stream=Nowhere())
        with a_worker(self.settings(folder or self.folder(), lanes=lanes, rules=rules, rate=rate)) as made:
            yield made

    def walk(self, client: httpx.Client, *, lanes: int = 0) -> None:
        """Do what a bare client would: all pages, and with `lanes` the invitees of each event, so many at once."""
        url, events = f"{self.url}/scheduled_events?count=100&min_start_time=2026-11-24T00:00:00.000000Z", []
        while url:
            page = json.loads(client.get(url).content)
            url = page["pagination"]["next_page"]
            if lanes:
                events += [event["uri"].rpartition("/")[2] for event in page["collection"]]
        if lanes:
            paths = [f"{self.url}/scheduled_events/{event}/invitees" for event in events]
            with ThreadPoolExecutor(lanes) as pool:
                for _ in pool.map(lambda path: json.loads(client.get(path).content), paths):
                    pass

    def post(self, client: httpx.Client, count: int, *, lanes: int = 8) -> None:
        """Post so many texts as a bare client would."""
        text = {"to": ["+13125550142"], "template": {"id": str(TEMPLATE), "params": {"name": "Ines", "time": "10:00"}}}
        with ThreadPoolExecutor(lanes) as pool:
            for _ in pool.map(lambda _: client.post(f"{self.url}/v1/messages", json=text).json(), range(count)):
                pass


def make_due(store: Store, count: int) -> None:
    """Let so many waiting reminders of this database fall due, whatever became of them before."""
    now = datetime.now(UTC)
    then, later = ((now + by).strftime("%Y-%m-%dT%H:%M:%SZ") for by in (-timedelta(seconds=5), timedelta(hours=5)))
    db = store.db.conn
    db.execute("DROP TRIGGER IF EXISTS messages_moves")  # they were sent in the round before
    db.execute(
        "UPDATE messages SET state = 'scheduled', attempts = 0, changed_at = '2026-01-01T00:00:00Z', next_at = ?,"
        " scheduled_at = ?, expires_at = ? WHERE rowid IN (SELECT rowid FROM messages WHERE rule = 'reminder-24h'"
        " ORDER BY meeting_at LIMIT ?)",
        [then, then, later, count],
    )
    db.commit()


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of the wall clock and of this process's CPU."""

    wall: float
    cpu: float


def timed(call: Callable[[], object]) -> Took:
    """Time a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def rounds(count: int, **calls: Callable[[], object]) -> dict[str, list[Took]]:
    """Time these calls, one after the other, so many times over: what disturbs one disturbs its neighbour, too."""
    found: dict[str, list[Took]] = {name: [] for name in calls}
    for _ in range(count):
        for name, call in calls.items():
            found[name].append(timed(call))
    return found


def ratio(found: dict[str, list[Took]], one: str, other: str, *, of: str = "wall") -> float:
    """The median of the ratios of each round."""
    pairs = zip(found[one], found[other], strict=True)
    return float(statistics.median(getattr(left, of) / getattr(right, of) for left, right in pairs))


def median(found: list[Took]) -> float:
    """The median of the wall clock."""
    return statistics.median(took.wall for took in found)


def run_here(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its words are kept."""
    return subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(TESTS)} | (env or {}),
    )
