"""Power cuts: a real run, traced; every disk that each of its moments may leave; what SQLite reads there."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from support.disk_model import OPTIONS, Disk, story
from support.fake_apis import RULE, an_installation
from support.processes import ForkServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support.disk_model import Event
    from support.fake_apis import Installation

TEXTS = 4
DATABASE = "syncer.db"
KEPT = {DATABASE, "syncer.db-wal", "syncer.db-journal", "syncer.db.lock"}
"""What matters after a crash: a -shm is made anew, the ballast has nothing in it."""
LEFT = {"sending", "sent", "unknown"}
"""States in which a text that left may be found: nobody sends it again."""


def news(installation: Installation) -> None:
    """A few people have booked since the last run."""
    installation.be_born()
    installation.book(TEXTS)


def remnants(installation: Installation) -> None:
    """The last run was killed while it waited for an answer: its log (WAL) is still there."""
    news(installation)
    installation.die_waiting()


def first_start(installation: Installation) -> None:
    """There is no database: nobody is texted, and a birth is not half done."""
    installation.book(TEXTS)


@dataclass(frozen=True, slots=True)
class Recording:
    """What was on the disk before a run, and all that happened in it."""

    before: Mapping[str, bytes]
    events: list[Event]


def record(folder: Path, begin: Callable[[Installation], None], code: Path | None = None) -> Recording:
    """Do a run of a build, traced.

    Raises:
        RuntimeError: strace may not trace here.
    """
    with an_installation(folder / "installation", concurrency=1, code=code) as installation, ForkServer(code) as server:
        begin(installation)
        there = [path.name for path in installation.folder.iterdir()]
        before = {name: (installation.folder / name).read_bytes() for name in KEPT.intersection(there)}
        trace = folder / "trace"
        server.run(installation.command("run", "--once"), strace=["-o", str(trace), *OPTIONS]).check(0)
        events = story(trace.read_text(encoding="ascii", errors="replace"), installation.folder, there)
    return Recording(before, [event for event in events if event.name in KEPT or not is_of_a_file(event)])


def is_of_a_file(event: Event) -> bool:
    """Whether an event concerns one file of the folder."""
    return event.kind in {"write", "truncate", "sync", "create", "unlink"}


@dataclass(frozen=True, slots=True)
class Found:
    """What SQLite reads of a disk: the state of each text, the count of claims, and what is wrong with the file."""

    states: Mapping[str, str]
    claims: int
    wrong: str


@dataclass(slots=True)
class Judge:
    """Judges disks, each content once.

    Attributes:
        place: a folder for them.
        figures: what was counted.
    """

    place: Path
    figures: Counter[str] = field(default_factory=Counter)
    _known: dict[bytes, Found] = field(default_factory=dict)

    def judge(self, recording: Recording, many: int, seed: str) -> None:
        """Cut the power after each event, and look at what may be found then."""
        chance = random.Random(seed)  # noqa: S311  no secrets
        disk, arrived = Disk(), list[str]()
        safe: set[str] = set()
        for name, content in recording.before.items():
            disk.put(name, content)
        for event in recording.events:
            if event.kind == "arrived":
                safe = set(arrived)  # one at a time: the one before was committed before this one was claimed
                arrived.append(event.name)
            elif event.kind == "done":
                safe = set(arrived)
            else:
                disk.happen(event)
            self.figures["points"] += 1
            for state in disk.states(chance, many):
                self._look(state, arrived, safe)
        self.figures["texts"] += len(arrived)
        self.figures["distinct"] = len(self._known)

    def _look(self, state: Mapping[str, bytes], arrived: list[str], safe: set[str]) -> None:
        found = self._find(state)
        self.figures["states"] += 1
        self.figures["corrupt"] += bool(found.wrong)
        self.figures["claims_lost"] += any(found.states.get(key) not in LEFT for key in arrived)
        self.figures["results_lost"] += any(found.states.get(key) != "sent" for key in safe)
        lock = state.get("syncer.db.lock", b"").split()
        self.figures["refused"] += len(lock) == 2 and int(lock[1]) > found.claims

    def _find(self, state: Mapping[str, bytes]) -> Found:
        digest = blake2b(digest_size=16)
        for name, content in sorted(state.items()):
            if name != "syncer.db.lock":
                digest.update(f"{name} {len(content)} ".encode() + content)
        key = digest.digest()
        if key not in self._known:
            self._known[key] = self._read(state)
        return self._known[key]

    def _read(self, state: Mapping[str, bytes]) -> Found:
        """Let SQLite recover what was left, as the next start does."""
        for name in (*KEPT, "syncer.db-shm"):
            (self.place / name).unlink(missing_ok=True)
        for name, content in state.items():
            (self.place / name).write_bytes(content)
        try:
            with contextlib.closing(sqlite3.connect(self.place / DATABASE)) as db:
                [health] = db.execute("PRAGMA integrity_check").fetchone()
                if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone():
                    return Found({}, 0, "" if health == "ok" else health)  # born at the next start
                rows = db.execute("SELECT key, state FROM messages WHERE rule = ?", [RULE]).fetchall()
                [claims] = db.execute("SELECT value FROM meta WHERE name = 'claims'").fetchone()
                return Found(dict(rows), int(claims), "" if health == "ok" else health)
        except sqlite3.Error as error:
            return Found({}, 0, str(error))
