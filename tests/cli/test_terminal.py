"""What people see on a terminal: the bar of the first read, and the log above it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from syncer.cli.showing import printable
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from pathlib import Path


def on_a_terminal(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a command whose stderr is a terminal; returns its exit code and what that terminal got."""
    ours, theirs = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "160"}
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other side is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    return process.wait(), seen.decode("utf-8", "replace")


def test_the_first_read_shows_a_bar_with_counts_and_the_log_is_for_people(tmp_path: Path) -> None:
    """Four batches: the bar says how many of how many, and is gone in the end; the log lines are readable."""
    now = datetime.now(UTC)
    world = World(lambda: datetime.now(UTC))
    for number in range(60):
        world.book(start=now + timedelta(days=1, minutes=number), phone=None)
    world.faults.slow("/scheduled_events/", 0.2, times=60)
    with SandboxServer(world) as server:
        (tmp_path / ".env").write_text("\n".join(env_lines(server.url)), encoding="utf-8")
        code, seen = on_a_terminal([sys.executable, "-m", "syncer", "run", "--once"], tmp_path)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)

    assert code == 0
    assert "reading bookings" in plain
    assert re.search(r"\b16/60\b", plain)
    assert "run.completed" in plain
    assert "{" not in plain.rpartition("run.completed")[2]


def test_printable_takes_out_what_moves_a_cursor() -> None:
    """Escapes, bells and line ends become blanks; every script stays."""
    assert printable("a\x1b[2Kb\r\n\x07é 小時") == "a [2Kb   é 小時"
