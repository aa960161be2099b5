"""A folder with an `.env` that points at a served sandbox, and the command line in it: real processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.databases import set_birth
from support.processes import can_fork, fork_server
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPE = subprocess.PIPE
PHONE = "+13125550142"


def now() -> datetime:
    """The real clock: these tests run real processes."""
    return datetime.now(UTC)


class Workspace:
    """A folder with an `.env` that points at a served sandbox, and the command line in it."""

    def __init__(self, world: World, url: str, folder: Path) -> None:
        self.world, self.url, self.folder = world, url, folder
        (folder / ".env").write_text("\n".join(env_lines(url)), encoding="utf-8")
        (folder / ".env").chmod(0o600)

    def start(
        self,
        *arguments: str,
        environ: dict[str, str] | None = None,
        stdout: Any = PIPE,
        stderr: Any = PIPE,
        text: bool = True,
        before: tuple[str, ...] = (),
    ) -> subprocess.Popen[Any]:
        """Start a command in the folder, with nothing in its environment; `before` is a program that starts it."""
        return subprocess.Popen(
            [*before, sys.executable, "-m", "syncer", *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **(environ or {})},
            stdin=PIPE,
            stdout=stdout,
            stderr=stderr,
            text=text,
        )

    def run(self, *arguments: str, environ: dict[str, str] | None = None, typed: str = "") -> tuple[int, str, str]:
        """Run a command, with what is typed at its questions; returns exit code, stdout, stderr."""
        wanted = {"PATH": os.environ["PATH"], **(environ or {})}
        if can_fork(wanted):
            code, out, err = fork_server().talk(arguments, self.folder, wanted, typed, timeout=60)
        else:
            process = self.start(*arguments, environ=environ)
            out, err = process.communicate(typed, timeout=60)
            code = process.returncode
        assert "Traceback" not in out + err, err
        return code, out, err

    def be_born(self) -> None:
        """Let a first listing be complete, a minute ago: whatever is booked from now on is news."""
        code, _, err = self.run("run", "--once")
        assert code == 0, err
        set_birth(self.folder / "syncer.db", now() - timedelta(minutes=1))

    def book(self, **more: Any) -> str:
        """Book a meeting in three days."""
        return self.world.book(start=now() + timedelta(days=3), phone=PHONE, **more)


@contextlib.contextmanager
def a_workspace(folder: Path) -> Iterator[Workspace]:
    """Serve a sandbox on the real clock."""
    world = World(now)
    with SandboxServer(world) as server:
        yield Workspace(world, server.url, folder)
