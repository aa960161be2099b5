"""The command line without the cost of its start: a process that has all imports done forks one for each command.

A forked process is as real to the kernel as a started one: memory, files, streams and an exit code of its own. What it
does not show is what an import does; `test_start` and `test_packaging` start real ones.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PATIENCE = 60.0
"""Seconds after which a command must have ended."""
READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ")
"""Variables that begin so are read when Python starts: a forked process cannot heed them."""
SERVER = """\
import importlib, json, os, pkgutil, runpy, signal, socket, sys
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
    sys.argv = ["syncer", *wanted["arguments"]]
    runpy.run_module("syncer", run_name="__main__", alter_sys=True)

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
            sys.exit()
        for file in streams:
            os.close(file)
        os.write(status, b"%d\\n" % command)
        os.write(status, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
        os._exit(0)
    for file in files:
        os.close(file)
commands.close()
"""


def can_fork(environ: Mapping[str, str]) -> bool:
    """Whether a forked process heeds these variables as a started one would."""
    return not any(name.startswith(READ_AT_START) for name in environ)


@functools.cache
def server() -> socket.socket:
    """Start the server, once a process; gives the socket on which it takes commands."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(theirs.fileno())],
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"},
        cwd=tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(PATIENCE)

    atexit.register(end)
    return ours


def run(arguments: Sequence[str], folder: Path, environ: Mapping[str, str], typed: str) -> tuple[int, str, str]:
    """Run a command to its end.

    Args:
        arguments: of the command line.
        folder: where.
        environ: all of its environment, but for what Python itself reads (`can_fork`).
        typed: what is typed at its questions.

    Returns:
        Exit code (negative: the signal that killed it), stdout, stderr.

    Raises:
        TimeoutExpired: it did not end; it was killed.
    """
    pairs = [os.pipe() for _ in range(4)]
    (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err), (ours_status, theirs_status) = pairs
    wanted = json.dumps({"arguments": list(arguments), "folder": str(folder), "environ": dict(environ)})
    theirs = [theirs_in, theirs_out, theirs_err, theirs_status]
    socket.send_fds(server(), [wanted.encode()], theirs)
    for file in theirs:
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
    with os.fdopen(ours_status) as status:
        pid = int(status.readline())
        if not select.select([ours_status], [], [], PATIENCE)[0]:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), PATIENCE)
        code = int(status.readline())
    for reader in readers:
        reader.join()
    return code, written[0], written[1]
