"""Real processes: started as people start them, or forked off one that has all its imports, ten times as fast.

A forked process is as real to the kernel: a memory, files and a death of its own. It can stop before its first step, so
that strace sees nothing but the program: nine in ten system calls of a fresh start are imports.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATIENCE = 240.0
"""Seconds after which a process that was not killed must have ended."""

FORGE = """\
import ctypes, dotenv, json, os, signal, sys
import syncer.cli.building, syncer.cli.running, syncer.config

def live(wanted):
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environ"])
    nowhere, log = os.open(os.devnull, os.O_RDWR), os.open(wanted["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for here, there in ((nowhere, 0), (nowhere, 1), (log, 2)):
        os.dup2(here, there)
    os.closerange(3, max(nowhere, log) + 1)
    if wanted["stopped"]:
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER_ANY: where only parents may trace
        os.kill(os.getpid(), signal.SIGSTOP)
    sys.argv = ["syncer", *wanted["arguments"]]
    sys.exit(syncer.cli.main())

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        live(json.loads(line))
    print(pid, flush=True)
    while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
        print("stopped", flush=True)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended: its exit code (negative: the signal that killed it) and what it logged."""

    code: int
    err: str

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log's events; the last line of a killed process may be torn."""
        return [json.loads(line) for line in self.err.splitlines() if line.endswith("}")]

    def check(self, *codes: int) -> Self:
        """Fail unless it ended with one of these exit codes and without a traceback."""
        assert self.code in codes, f"exit {self.code}, not {codes}:\n{self.err[-2000:]}"
        assert "Traceback" not in self.err, self.err[-4000:]
        return self


@dataclass(frozen=True, slots=True)
class Command:
    """One command: where, with what environment, and the file it logs to."""

    arguments: Sequence[str]
    folder: Path
    environ: Mapping[str, str]
    log: Path

    def start(self) -> subprocess.Popen[bytes]:
        """Start it."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "syncer", *self.arguments],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def run(self) -> Done:
        """Start it and wait for its end."""
        self.log.write_bytes(b"")
        process = self.start()
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
        return self.done(code)

    def done(self, code: int) -> Done:
        """Read what it logged."""
        return Done(code, self.log.read_text(encoding="utf-8", errors="replace"))


class Forge:
    """A process with all imports done that forks off one run at a time. Use it in a `with` statement."""

    def __init__(self, code: Path | None = None) -> None:
        """Start it.

        Args:
            code: a folder with another copy of the package; None = this one.
        """
        environ = {"PATH": os.environ["PATH"]} | ({} if code is None else {"PYTHONPATH": str(code)})
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORGE],
            env=environ,
            cwd=tempfile.gettempdir(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._in.close()
        self._process.wait(PATIENCE)
        self._out.close()

    def run(self, command: Command, *, strace: Sequence[str] = ()) -> Done:
        """Run a command to its end, under strace if there are options for it.

        Raises:
            RuntimeError: strace may not trace here, or does not like its options.
        """
        command.log.write_bytes(b"")
        wanted = {
            "arguments": command.arguments,
            "folder": str(command.folder),
            "environ": command.environ,
            "log": str(command.log),
            "stopped": bool(strace),
        }
        self._in.write(json.dumps(wanted) + "\n")
        self._in.flush()
        pid = int(self._out.readline())
        overdue = threading.Timer(PATIENCE, os.kill, (pid, signal.SIGKILL))
        overdue.start()
        try:
            if strace:
                assert self._out.readline() == "stopped\n"
                with traced(pid, strace):
                    code = int(self._out.readline())
            else:
                code = int(self._out.readline())
        finally:
            overdue.cancel()
        return command.done(code)


@functools.cache
def why_not_traced() -> str:
    """Why nothing can be traced here; empty = it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with tempfile.TemporaryDirectory() as name, Forge() as forge:
        folder = Path(name)
        try:
            command = Command(["--version"], folder, {"PATH": os.environ["PATH"]}, folder / "log")
            forge.run(command, strace=["-o", os.devnull])
        except RuntimeError as refused:
            return f"strace may not trace here: {refused}"
    return ""


@contextlib.contextmanager
def traced(pid: int, options: Sequence[str]) -> Iterator[None]:
    """Attach strace to a process that has stopped itself, and let it go on; the block must wait for its end.

    Raises:
        RuntimeError: strace may not trace here, or does not like its options.
    """
    command = ["strace", "-f", "-p", str(pid), *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            os.kill(pid, signal.SIGKILL)
            raise RuntimeError(said + tracer.stderr.read())
        os.kill(pid, signal.SIGCONT)
        yield
        tracer.stderr.read()
