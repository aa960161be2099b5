"""The program as processes: started as people start it, or forked off one that has all its imports, ten times as fast.

A forked process is as real to the kernel: memory, files, streams and a death of its own. It does not show what an
import does; `test_start` and `test_packaging` start real ones. It can stop before its first step, so that strace sees
nothing but the program: nine in ten system calls of a fresh start are imports.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import shutil
import signal
import socket
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
READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ")
"""Variables that begin so are read when Python starts: a forked process cannot heed them."""
STOPPED = "stopped\n"

SERVER = """\
import ctypes, importlib, json, os, pkgutil, signal, socket, sys
import certifi, dotenv, httpx, phonenumbers, rich.table
import syncer, syncer.cli

for package in ("syncer", "syncer.cli", "syncer.config", "syncer.sandbox", "syncer.store"):
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
        if module.name != "syncer.__main__":
            importlib.import_module(module.name)

def live(wanted, streams):
    os.chdir(wanted["folder"])
    start = {name: os.environ[name] for name in ("LC_CTYPE", "PYTHONWARNINGS") if name in os.environ}
    os.environ.clear()
    os.environ.update(start | wanted["environ"])
    for here, there in zip(streams, (0, 1, 2)):
        os.dup2(here, there)
    os.closerange(3, max(streams) + 1)
    if wanted["stopped"]:
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER_ANY: where only parents may trace
        os.kill(os.getpid(), signal.SIGSTOP)
    sys.argv = ["syncer", *wanted["arguments"]]
    sys.exit(syncer.cli.main())

commands = socket.socket(fileno=int(sys.argv[1]))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    asked, files, _, _ = socket.recv_fds(commands, 1 << 20, 4)
    if not asked:
        break
    if not os.fork():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        commands.close()
        *streams, status = files
        command = os.fork()
        if not command:
            os.close(status)
            live(json.loads(asked), streams)
        for file in streams:
            os.close(file)
        os.write(status, b"%d\\n" % command)
        while os.WIFSTOPPED(ended := os.waitpid(command, os.WUNTRACED)[1]):
            os.write(status, b"stopped\\n")
        os.write(status, b"%d\\n" % os.waitstatus_to_exitcode(ended))
        os._exit(0)
    for file in files:
        os.close(file)
commands.close()
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


class Forked:
    """A process that a fork server started, as `subprocess.Popen` shows one."""

    def __init__(self, arguments: Sequence[str], status: int) -> None:
        """Begin to watch it.

        Args:
            arguments: of its command line.
            status: the reading end of a pipe: its number, then each stop, then its exit code.
        """
        self._arguments = list(arguments)
        self._status = os.fdopen(status, encoding="ascii", buffering=1)
        self.pid = int(self._status.readline())
        self.returncode: int | None = None

    def wait_for_stop(self) -> None:
        """Wait until it has stopped itself."""
        assert self._status.readline() == STOPPED

    def poll(self) -> int | None:
        """Its exit code (negative: the signal that killed it), or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; returns its exit code.

        Raises:
            TimeoutExpired: it runs on.
        """
        while self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self._arguments, timeout)
            line = self._status.readline()
            if line != STOPPED:
                self.returncode = int(line)
                self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


Process = Forked | subprocess.Popen[bytes]


class ForkServer:
    """A process with all imports done that forks off commands, as many at once as are wanted."""

    def __init__(self, code: Path | None = None) -> None:
        """Start it.

        Args:
            code: a folder with another copy of the package; None = this one.
        """
        self._owner = os.getpid()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = {} if code is None else {"PYTHONPATH": str(code)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(theirs.fileno())],
            env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **path},
            cwd=tempfile.gettempdir(),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """End it; what it forked off goes on. A forked child of its owner leaves it alone."""
        self._socket.close()
        if os.getpid() == self._owner:
            self._process.wait(PATIENCE)

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        streams: tuple[int, int, int],
        *,
        stopped: bool = False,
    ) -> Forked:
        """Fork off a command.

        Args:
            arguments: of the command line.
            folder: where.
            environ: all of its environment, but for what Python itself reads (`can_fork`).
            streams: its stdin, stdout and stderr.
            stopped: whether it stops itself before its first step.
        """
        ours, theirs = os.pipe()
        wanted = {"arguments": list(arguments), "folder": str(folder), "environ": dict(environ), "stopped": stopped}
        try:
            socket.send_fds(self._socket, [json.dumps(wanted).encode()], [*streams, theirs])
        finally:
            os.close(theirs)
        return Forked(arguments, ours)

    def run(self, command: Command, *, strace: Sequence[str] = ()) -> Done:
        """Run a command to its end, under strace if there are options for it.

        Raises:
            RuntimeError: strace may not trace here, or does not like its options.
        """
        command.log.write_bytes(b"")
        process = command.start(self, stopped=bool(strace))
        try:
            if strace:
                process.wait_for_stop()
                with traced(process.pid, strace):
                    code = process.wait()
            else:
                code = process.wait()
        finally:
            process.kill()
        return command.done(code)

    def talk(
        self, arguments: Sequence[str], folder: Path, environ: Mapping[str, str], typed: str, timeout: float
    ) -> tuple[int, str, str]:
        """Run a command to its end with something typed at its questions; returns exit code, stdout, stderr.

        Raises:
            TimeoutExpired: it did not end; it was killed.
        """
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = (os.pipe() for _ in range(3))
        process = self.start(arguments, folder, environ, (theirs_in, theirs_out, theirs_err))
        for file in (theirs_in, theirs_out, theirs_err):
            os.close(file)
        written: list[str] = ["", ""]

        def read(at: int, file: int) -> None:
            with os.fdopen(file, encoding="utf-8", newline=None) as stream:
                written[at] = stream.read()

        readers = [threading.Thread(target=read, args=pair) for pair in enumerate((ours_out, ours_err))]
        for reader in readers:
            reader.start()
        with contextlib.suppress(BrokenPipeError), os.fdopen(ours_in, "w", encoding="utf-8") as stream:
            stream.write(typed)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        for reader in readers:
            reader.join()
        return code, written[0], written[1]


@functools.cache
def fork_server() -> ForkServer:
    """Start the fork server of this process, at the first call."""
    server = ForkServer()
    atexit.register(server.close)
    return server


def can_fork(environ: Mapping[str, str]) -> bool:
    """Whether a forked process heeds these variables as a started one would."""
    return not any(name.startswith(READ_AT_START) for name in environ)


@dataclass(frozen=True, slots=True)
class Command:
    """One command: where, with what environment, and the file to which it adds its log."""

    arguments: Sequence[str]
    folder: Path
    environ: Mapping[str, str]
    log: Path

    def start(self, server: ForkServer, *, stopped: bool = False) -> Forked:
        """Fork it off."""
        with self.log.open("ab") as log, Path(os.devnull).open("r+b") as nothing:
            streams = (nothing.fileno(), nothing.fileno(), log.fileno())
            return server.start(self.arguments, self.folder, self.environ, streams, stopped=stopped)

    def start_anew(self) -> subprocess.Popen[bytes]:
        """Start it as people do."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "syncer", *self.arguments],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def run_anew(self) -> Done:
        """Start it as people do, and wait for its end."""
        self.log.write_bytes(b"")
        process = self.start_anew()
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
        return self.done(code)

    def done(self, code: int) -> Done:
        """Read what it logged."""
        return Done(code, self.log.read_text(encoding="utf-8", errors="replace"))


@functools.cache
def why_not_traced() -> str:
    """Why nothing can be traced here; empty = it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            command = Command(["--version"], folder, {"PATH": os.environ["PATH"]}, folder / "log")
            fork_server().run(command, strace=["-o", os.devnull])
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
