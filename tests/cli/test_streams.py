"""The standard streams: closed, full, broken, or read by nobody. Exit codes stay true, and nothing blocks for ever."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import sqlite3
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.cli_workspace import a_workspace
from syncer import log
from syncer.cli import streams
from syncer.cli.streams import Output
from syncer.store.lock import run_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.cli_workspace import Workspace

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")

SMALL = 4096
"""Bytes that a pipe of these tests holds."""


# The lowest layer.


class Pipe:
    """A small pipe that is read when the test says so."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, SMALL)

    def read(self) -> bytes:
        """Read what is in it."""
        os.set_blocking(self.reader, False)
        found = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.reader, 65536):
                found += piece
        return found


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """A pipe, and less patience than usual."""
    monkeypatch.setattr(streams, "LOOK", 0.01)
    monkeypatch.setattr(streams, "LOG_PATIENCE", 0.05)
    monkeypatch.setattr(streams, "LAST_PATIENCE", 0.03)
    made = Pipe()
    yield made
    for end in (made.reader, made.writer):
        with contextlib.suppress(OSError):
            os.close(end)


def test_what_nobody_reads_is_kept_and_comes_later_in_its_order(pipe: Pipe) -> None:
    """A log line waits a little, the next ones not at all; a reader that comes back misses none of them."""
    output, lines = Output(pipe.writer, log=True), [b"%04d %s\n" % (n, b"x" * 90) for n in range(200)]
    for line in lines:
        output.write(line)
    found = pipe.read()
    while piece := (output.write(b""), pipe.read())[1]:
        found += piece

    assert found == b"".join(lines)
    assert (output.failed, output.lost) == (False, 0)


def test_what_is_too_much_to_keep_is_counted(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines are lost, none is torn, and the process will not end with 0."""
    monkeypatch.setattr(streams, "KEPT", 20_000)
    output, line, count = Output(pipe.writer, log=True), b"%s\n" % (b"x" * 99), 1000
    for _ in range(count):
        output.write(line)
    found = b""
    while piece := (output.write(b""), pipe.read())[1]:
        found += piece

    assert set(found.splitlines(keepends=True)) == {line}
    assert output.failed
    assert output.lost == count - found.count(b"\n") > 0


def test_a_log_that_cannot_be_written_raises_nothing_and_is_remembered() -> None:
    """A full disk must not end a run between a text and its commit; when there is room again, the log goes on."""
    full = os.open("/dev/full", os.O_WRONLY)
    output = Output(full, log=True)
    output.write(b"lost\n")
    os.close(full)

    assert (output.failed, output.lost) == (True, 1)


def test_other_output_raises_and_is_remembered() -> None:
    """A command whose output is lost ends; at the end of the process nothing raises any more."""
    full = os.open("/dev/full", os.O_WRONLY)
    output = Output(full, log=False)
    with pytest.raises(OSError, match="No space"):
        output.write(b"lost\n")
    output.ending = True
    output.write(b"lost\n")
    os.close(full)

    assert output.failed


def test_other_output_waits_for_its_reader_as_long_as_it_takes(pipe: Pipe) -> None:
    """`syncer messages | less` may stand for hours: nothing of it is lost. After a stop it does not wait."""
    output = Output(pipe.writer, log=False)
    data = b"x" * SMALL * 4
    found: list[bytes] = []

    def read() -> None:
        while len(b"".join(found)) < len(data):
            time.sleep(0.2)  # far longer than the patience of a log
            found.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    output.write(data)
    reader.join(30)
    output.stopping = lambda: True
    with pytest.raises(TimeoutError):
        output.write(data)

    assert b"".join(found) == data
    assert output.failed


def test_a_stop_and_the_end_leave_little_patience(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that nobody reads holds up the end for a moment, and what is lost is counted."""
    monkeypatch.setattr(streams, "LOG_PATIENCE", 1e9)
    output, asked = Output(pipe.writer, log=True), threading.Event()
    output.stopping = asked.is_set
    threading.Timer(0.1, asked.set).start()
    output.write(b"x\n" * SMALL)  # more than the pipe holds
    kept = output.failed
    output.finish()

    assert (kept, output.failed) == (False, True)
    assert output.lost == SMALL // 2


def test_a_terminal_that_takes_nothing_blocks_nobody(pipe: Pipe) -> None:
    """A terminal has room for a part of a line: such a write would block, although the terminal seemed ready."""
    del pipe
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    output = Output(theirs, log=True)
    done = threading.Event()

    def write() -> None:
        for _ in range(100):
            output.write(b"x" * 3999 + b"\n")
        done.set()

    threading.Thread(target=write, daemon=True).start()
    ended = done.wait(30)
    for end in (ours, theirs):
        os.close(end)

    assert ended


def test_the_flags_of_the_descriptor_stay_as_they_are(pipe: Pipe) -> None:
    """The shell and other programs share it: only what was opened anew does not block."""
    output = Output(pipe.writer, log=True)
    output.write(b"x\n")

    assert os.get_blocking(pipe.writer)
    assert not os.get_blocking(output._to)


def test_the_next_line_says_how_many_are_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """Once for each loss, as the total."""
    lost = 0
    log.configure(log_format="json", lost=lambda: lost)
    log.tell("run.started", dry_run=False)
    lost = 3
    log.tell("run.started", dry_run=False)
    log.tell("run.started", dry_run=False)
    lost = 4
    log.tell("run.started", dry_run=False)
    said = [json.loads(line).get("lines_lost") for line in capsys.readouterr().err.splitlines()]

    assert said == [None, 3, None, 4]


def test_each_line_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a line is whole or not there, whatever else is written to the same place."""
    written: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stream())
    log.configure(log_format="json")
    log.tell("run.started", dry_run=False)

    assert [text.count("\n") for text in written] == [1]


# Real processes: each exit code, with streams in each state.


class State(NamedTuple):
    """A state of the standard streams: a redirection of the shell, and whether a write may fail."""

    redirection: str
    stdout_fails: bool = False
    stderr_fails: bool = False


STATES = [
    State(""),
    State(">&-"),
    State("2>&-"),
    State("<&-"),
    State("<&- >&- 2>&-"),
    State(">/dev/full", stdout_fails=True),
    State("2>/dev/full", stderr_fails=True),
    State(">/dev/full 2>/dev/full", stdout_fails=True, stderr_fails=True),
    State(">&9", stdout_fails=True),
    State("2>&9", stderr_fails=True),
]
"""Descriptor 9 is a pipe whose reader is gone."""
SHORT = {"<&- >&- 2>&-", "2>/dev/full"}
"""What is played of each exit code in the short form, unbuffered."""


class Case(NamedTuple):
    """A command, the exit code it ends with, and which streams it writes to."""

    name: str
    arguments: list[str]
    code: int
    to_stdout: bool = False
    to_stderr: bool = False
    in_short_form: tuple[str, ...] = ()


CASES = [
    Case("messages", ["messages", "--json"], 0, to_stdout=True, in_short_form=(">&-", ">/dev/full")),
    Case("run", ["run", "--once"], 0, to_stderr=True, in_short_form=("2>&9",)),
    Case("dry run", ["run", "--once", "--dry-run"], 0, to_stdout=True, to_stderr=True, in_short_form=(">&9",)),
    Case("explain", ["explain", "nobody@example.com"], 1, to_stdout=True),
    Case("usage", ["run", "--nonsense"], 2, to_stderr=True),
    Case("guard", ["run", "--once"], 3, to_stderr=True),
    Case("locked", ["run", "--once"], 75, to_stderr=True),
]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A folder with a database that knows a booking."""
    with a_workspace(tmp_path_factory.mktemp("streams")) as workspace:
        workspace.book()
        assert workspace.run("run", "--once")[0] == 0
        yield workspace


def run(workspace: Workspace, case: Case, state: State, *, unbuffered: bool) -> tuple[int, str]:
    """Run a command with its streams in a state; returns the exit code and what could be read of its output."""
    gone, broken = os.pipe()
    os.close(gone)
    environ = {"PATH": os.environ["PATH"], "SYNCER_LOG_FORMAT": "json", "PYTHONWARNINGS": "error"}
    script = f'exec 9>&0 </dev/null; exec "$@" {state.redirection}'
    try:
        done = subprocess.run(
            ["sh", "-c", script, "sh", sys.executable, "-m", "syncer", *case.arguments],
            cwd=workspace.folder,
            env=environ | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {}),
            stdin=broken,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(broken)
    return done.returncode, done.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exit_codes_are_true_whatever_the_streams_are(
    ground: Workspace, case: Case, *, full: bool, figures: Callable[..., None]
) -> None:
    """No traceback, and the same exit code, or 1 where a write failed."""
    cells = [(state, unbuffered) for state in STATES for unbuffered in (False, True)]
    if not full:
        cells = [(state, True) for state in STATES if state.redirection in SHORT]
        cells += [(state, False) for state in STATES if state.redirection in case.in_short_form]
    wrong = []
    with contextlib.ExitStack() as world:
        if case.code == 75:
            world.enter_context(run_lock(ground.folder / "syncer.db"))
        elif case.code == 3:
            for event in list(ground.world.events):
                ground.world.vanish(event)
        for state, unbuffered in cells:
            code, written = run(ground, case, state, unbuffered=unbuffered)
            fails = (case.to_stdout and state.stdout_fails) or (case.to_stderr and state.stderr_fails)
            if code != (case.code or int(fails)) or "Traceback" in written or "Exception ignored" in written:
                wrong.append(f"{state.redirection!r} unbuffered={unbuffered}: {code}\n{written[-2000:]}")

    figures(f"streams, exit code {case.code}", processes=len(cells))
    assert wrong == []


def test_prints_never_go_into_the_database(ground: Workspace) -> None:
    """A closed stream's number would be the next file's: SQLite's, for instance."""
    code, _ = run(ground, Case("status", ["status"], 0), State("<&- >&- 2>&-"), unbuffered=True)
    with contextlib.closing(sqlite3.connect(ground.folder / "syncer.db")) as db:
        sound = db.execute("PRAGMA integrity_check").fetchone()[0]

    assert code in {0, 1}
    assert sound == "ok"
