"""SIGKILL and errors at every system call of a run that matters: on the database's files, the log, and the sockets.

strace kills the process at its n-th call of a kind, or lets that call fail; then come runs with nothing in the way, and
the checker. A traced run without a fault counts the calls first. strace counts each thread by itself, and a kill comes
with the first thread that gets there: on the sockets, where the main thread's calls come first, there are texts enough
for the sending thread to get further than it. An error comes once to each thread.

`SYNCER_FULL=1` plays every point; the short form plays a part of them, another one for each `SYNCER_SEED`.
"""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from support import modes
from support.fake_apis import FakeApis, an_installation
from support.processes import why_not_traced
from syncer.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.fake_apis import Installation
    from support.oracle.history import Arrival
    from support.processes import Done

AT_ONCE = 2
FILES = ("openat", "pwrite64", "write", "fdatasync", "fsync", "ftruncate", "unlink", "fcntl", "flock", "pread64")
"""On the database's files, its ballast and its lock, and on the log."""
SOCKETS = ("socket", "connect", "sendto", "recvfrom")
DISK = ("EIO", "ENOSPC", "EROFS", "EDQUOT")
LOST = ("ECONNRESET", "ETIMEDOUT", "EPIPE")
ERRORS = {
    **dict.fromkeys(("pwrite64", "write", "fdatasync", "fsync", "ftruncate"), DISK),
    "openat": (*DISK, "EMFILE"),
    "unlink": ("EIO", "EROFS"),
    "pread64": ("EIO",),
    "fcntl": ("ENOLCK",),
    "flock": ("EIO", "ENOLCK"),
    "socket": ("EMFILE",),
    "connect": ("ENETUNREACH", "ETIMEDOUT", "ECONNRESET"),
    "sendto": LOST,
    "recvfrom": LOST,
}
DOCUMENTED = (0, 1, 2, 3, 75)
"""Exit codes of `run --once`."""
IN_A_ROW = 3
"""Texts without an answer after which a run sends no more."""
SHOWN = 20
NEARLY_ALL = 0.95
"""How many calls come in each run: whose turn a lock is differs from run to run."""
NAMES = ("", "-wal", "-shm", ".lock", ".ballast")
CALL = re.compile(r"(\d+) +(\w+)\(")
INJECTED = "(INJECTED)"


@dataclass(frozen=True, slots=True)
class Point:
    """One fault: at the n-th call of a kind, a kill or an error, that once or from there on."""

    call: str
    n: int
    error: str = ""
    forever: bool = False

    def __str__(self) -> str:
        """Spell it as strace does."""
        what = f"error={self.error}" if self.error else "signal=KILL"
        return f"{self.call}:{what}:when={self.n}{'+' if self.forever else ''}"

    @property
    def may_hide(self) -> int:
        """How many texts it may make unknown; one is in flight at a time."""
        if self.error and self.call in {"socket", "connect", "write"}:
            return 0  # nothing left, or only the log is hurt
        return IN_A_ROW if self.forever and self.call in SOCKETS else 1


@dataclass(frozen=True, slots=True)
class Ground:
    """What all points of one kind begin with: a folder that is copied for each, and what has arrived by then.

    Attributes:
        sockets: whether the points are on the sockets, not on the files.
        unknown: how many messages are unknown anyway.
    """

    name: str
    installation: Installation
    sockets: bool = False
    unknown: int = 0
    arrived: tuple[Arrival, ...] = ()

    def provider(self) -> FakeApis:
        """Make a gateway of one's own. On the sockets each text makes its own connection, and nobody waits for ever."""
        patience = 0.3 if self.sockets else None
        return FakeApis(self.installation.world, ledger=self.arrived, keep_alive=not self.sockets, patience=patience)

    def traced(self, installation: Installation, point: Point | None = None) -> tuple[Done, str]:
        """Do a run, with a fault or without; returns also what strace saw."""
        trace = installation.folder / "trace"
        calls = ",".join(f"?{name}" for name in (SOCKETS if self.sockets else FILES))
        paths = [*(installation.folder / f"syncer.db{name}" for name in NAMES), installation.folder / "log"]
        options = ["-o", str(trace), "-e", f"trace={calls}"]
        options += [] if self.sockets else [part for path in paths for part in ("-P", str(path))]
        options += [] if point is None else ["-e", f"inject={point}"]
        done = installation.run("run", "--once", strace=options)
        return done, trace.read_text(encoding="utf-8", errors="replace")

    def calls(self, folder: Path) -> dict[str, int]:
        """Count the calls of a run without a fault, by the thread that makes most of them."""
        with self.provider() as provider:
            done, seen = self.traced(self.installation.copy(folder, provider))
        done.check(0)
        counted: dict[str, int] = {}
        for (_, call), n in Counter(CALL.findall(seen)).items():
            counted[call] = max(n, counted.get(call, 0))
        return counted

    def play(self, folder: Path, point: Point) -> dict[str, int]:
        """Play one point to its end; returns the figures.

        Raises:
            AssertionError: the checker, SQLite or the exit codes have something against it.
        """
        with self.provider() as provider:
            installation = self.installation.copy(folder, provider)
            done, seen = self.traced(installation, point)
            done.check(*DOCUMENTED, *([] if point.error else [-signal.SIGKILL]))
            hit = INJECTED in seen if point.error else done.code == -signal.SIGKILL
            installation.run("run", "--once").check(0)
            if installation.let_time_pass():
                installation.run("run", "--once").check(0)
            installation.run("run", "--once").check(0)
            verdict = installation.judge(self.unknown + point.may_hide)
            verdict.check()
            assert installation.integrity() == "ok"
        shutil.rmtree(folder)
        unknown = max(0, verdict.unknown - self.unknown)
        return {"points": 1, "hit": hit, "unknown": unknown, f"exit_{max(done.code, 0)}": bool(point.error)}


@pytest.fixture(scope="module")
def strace() -> None:
    """Skip where it is not there, or where this machine does not let it trace."""
    if why := why_not_traced():
        pytest.skip(why)


@pytest.fixture(scope="module", params=["news", "remnants", "first start", "sockets"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A folder that is ready for its run."""
    request.getfixturevalue("strace")
    with an_installation(tmp_path_factory.mktemp("ground") / "origin", concurrency=1) as installation:
        match request.param:
            case "news":  # three people have booked since the last run
                installation.be_born()
                installation.book(3)
                yield Ground("news", installation)
            case "remnants":  # the last run was killed between a text and its result, its log (WAL) is still there
                installation.be_born()
                installation.book(4)
                installation.die_waiting()
                yield Ground("remnants", installation, unknown=1, arrived=tuple(installation.provider.ledger))
            case "first start":  # there is no database, and who has booked before is not texted
                installation.book(2)
                installation.due = {
                    key: replace(due, ends=frozenset({State.SKIPPED})) for key, due in installation.due.items()
                }
                yield Ground("first start", installation)
            case _:
                installation.be_born()
                installation.book(8)
                yield Ground("sockets", installation, sockets=True)


def kills(calls: dict[str, int]) -> list[Point]:
    """A kill at every call."""
    return [Point(call, n) for call, count in calls.items() for n in range(1, count + 1)]


def errors(calls: dict[str, int]) -> list[Point]:
    """Every error at every call, once and for ever."""
    return [
        Point(call, n, error, forever)
        for call, count in calls.items()
        for n in range(1, count + 1)
        for error in ERRORS[call]
        for forever in (False, *([True] if call != "fcntl" else []))
    ]


@pytest.mark.parametrize(("points", "short"), [pytest.param(kills, 10, id="kill"), pytest.param(errors, 8, id="error")])
def test_a_fault_at_every_call(
    ground: Ground,
    points: Callable[[dict[str, int]], list[Point]],
    short: int,
    *,
    full: bool,
    figures: Callable[..., None],
    tmp_path: Path,
) -> None:
    """Nothing twice, nothing lost, nothing left in sending; a sound file; an exit code of the manual, no traceback."""
    began = time.monotonic()

    def play(n: int) -> dict[str, int] | str:
        try:
            return ground.play(tmp_path / str(n), chosen[n])
        except Exception as fault:  # noqa: BLE001  one sweep tells of all its faults
            return f"{ground.name}, {chosen[n]}: {type(fault).__name__} {fault}"

    with ThreadPoolExecutor(AT_ONCE) as lanes:
        every = points(ground.calls(tmp_path / "counting"))
        step = 1 if full else max(1, len(every) // short)
        chosen = every[(int(modes.seed()) - 1) % step :: step]
        played = list(lanes.map(play, range(len(chosen))))
    wrong = [one for one in played if isinstance(one, str)]
    counted: Counter[str] = Counter()
    for one in played:
        counted.update(one if isinstance(one, dict) else {})

    title = f"{points.__name__} at system calls, {ground.name}"
    figures(title, of=len(every), **counted, wrong=len(wrong), seconds=round(time.monotonic() - began))
    assert not wrong, "\n\n".join(wrong[:SHOWN])
    assert counted["hit"] >= counted["points"] * NEARLY_ALL - (not full)  # of a few, one is a tenth
