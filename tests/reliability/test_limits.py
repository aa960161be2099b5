"""The limits of the system: no more threads, no more open files. A run fails and says so; no text is lost or unknown.

That a thread cannot start is played at each place where one is started, once and from then on; and by the kernel's own
limit, for a user who is not root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.fake_apis import FakeApis, an_installation
from support.processes import PATIENCE, Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.fake_apis import Installation

TEXTS = 12
THREADS = """
import sys, threading
first, last = int(sys.argv.pop(1)), int(sys.argv.pop(1))
begun, begin = 0, threading._start_new_thread

def start(*given):
    global begun
    begun += 1
    if first <= begun <= last:
        raise RuntimeError("can't start new thread")
    return begin(*given)

threading._start_new_thread = start
from syncer.cli import main
main()
"""
"""Some starts of a thread fail, counted from 1: as CPython reports the kernel's refusal."""
LIMITED = """
import resource, sys
kind, most = sys.argv.pop(1), int(sys.argv.pop(1))
from syncer.cli import main
resource.setrlimit(getattr(resource, kind), (most, most))
main()
"""
EVER = 10**9
NOBODY = 64123
"""A user id that nobody has: the kernel counts the threads of a user."""
SETPRIV = shutil.which("setpriv") or ""


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A database that knows no event yet, and some that are booked."""
    with an_installation(tmp_path_factory.mktemp("limits") / "origin", concurrency=4) as installation:
        installation.be_born()
        installation.book(TEXTS)
        yield installation


def start(
    installation: Installation, program: str, *given: object, wrapper: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start a program that runs a command after it has limited itself."""
    command = installation.command()
    with command.log.open("wb") as log:
        return subprocess.Popen(
            [*wrapper, sys.executable, "-c", program, *map(str, given)],
            cwd=command.folder,
            env=command.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def run(installation: Installation, program: str, *given: object, wrapper: tuple[str, ...] = ()) -> Done:
    """Run it to its end.

    Raises:
        TimeoutExpired: it hangs.
    """
    process = start(installation, program, *given, "run", "--once", wrapper=wrapper)
    try:
        return installation.command().done(process.wait(PATIENCE))
    finally:
        process.kill()
        process.wait()


def judge(installation: Installation, done: Done) -> None:
    """Look at what a limited run left, and at what the next ones make of it.

    Raises:
        AssertionError: something is unknown, lost or came twice, or the run did not say how it ended.
    """
    done.check(0, 1, 2)  # 2: not even the settings could be read
    states = Counter(str(message.state) for message in installation.outbox())
    assert not states["sending"] + states["unknown"], done.err[-3000:]
    assert states["sent"] == len(installation.provider.ledger)
    installation.let_time_pass()
    installation.restart()
    installation.judge(0).check(done.err[-3000:])
    assert installation.missing() == 0


def test_no_thread_can_be_started(
    booked: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """Wherever it happens: the run fails and names it, what did not leave is retryable, and nothing hangs."""
    starts = range(1, 30) if full else (1, 3, 8, 10, 12, 13)
    cells = [
        (first, last) for first in starts for last in ((first, EVER) if full else (first if first == 10 else EVER,))
    ]
    codes: Counter[int] = Counter()

    def play(cell: tuple[int, int]) -> None:
        with FakeApis(booked.world) as provider:
            installation = booked.copy(tmp_path / f"{cell[0]}-{cell[1]}", provider)
            done = run(installation, THREADS, *cell)
            failed = [event for event in done.log if event["event"] == "run.failed"]
            assert [event["error"] for event in failed] == ["NoThreads"] * done.code, done.err[-3000:]
            assert all("TasksMax" in event["remedy"] for event in failed)
            codes[done.code] += 1
            codes[2] += done.code and bool(provider.ledger)
            judge(installation, done)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(play, cells))

    figures("no thread", cells=len(cells), failed=codes[1], failed_after_a_text=codes[2])
    assert codes[1]
    assert codes[2]


def test_the_loop_goes_on_without_threads_and_heeds_a_signal(booked: Installation, tmp_path: Path) -> None:
    """Each run fails; SIGTERM ends the loop with 0."""
    with FakeApis(booked.world) as provider:
        installation = booked.copy(tmp_path / "installation", provider)
        process = start(installation, THREADS, 1, EVER, "run")
        end = time.monotonic() + PATIENCE
        while "run.failed" not in installation.command().log.read_text() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    assert code == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_limit_of_the_kernel(
    booked: Installation, open_folder: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """RLIMIT_NPROC, as a limit of pids in a container or TasksMax: it counts the threads that there are at once."""
    wrapper = (SETPRIV, f"--reuid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
    probe = [*wrapper, sys.executable, "-c", f"import syncer, os; os.listdir({str(open_folder)!r})"]
    if not SETPRIV or os.geteuid() or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs root, setpriv, and a Python that other users may run")
    codes: Counter[int] = Counter()
    for most in (1, 2, 3, 4, 5, 6, 8, 12) if full else (3,):
        with FakeApis(booked.world) as provider:
            installation = booked.copy(open_folder / str(most), provider)
            for path in (installation.folder, *installation.folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
            done = run(installation, LIMITED, "RLIMIT_NPROC", most, wrapper=wrapper)
            for path in (installation.folder, *installation.folder.iterdir()):
                os.chown(path, 0, 0)
            judge(installation, done)
            codes[done.code] += 1

    figures("the kernel's limit of threads", cells=codes.total(), failed=codes[1])
    assert codes[1]


def test_no_more_files_can_be_opened(
    booked: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """RLIMIT_NOFILE: whatever cannot be opened, a connection, the database, a module, the run fails without harm."""
    codes: Counter[int] = Counter()

    def play(most: int) -> None:
        with FakeApis(booked.world) as provider:
            installation = booked.copy(tmp_path / str(most), provider)
            done = run(installation, LIMITED, "RLIMIT_NOFILE", most)
            judge(installation, done)
            codes[done.code] += 1

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(play, range(4, 40) if full else (8, 12, 16)))

    figures("no more files", cells=codes.total(), failed=codes[1], no_settings=codes[2])
    assert codes[1]
    assert codes[0] or not full
