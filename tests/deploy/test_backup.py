"""Copies of the database, as the README says: made while a worker sends, put back, and nobody texted twice."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from support.cli_workspace import PHONE, now
from support.deploy_tools import DEPLOY, needs, run, tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.cli_workspace import Workspace

README = (DEPLOY / "backup" / "README.md").read_text(encoding="utf-8")


def book(workspace: Workspace, number: int) -> None:
    """Book a meeting of somebody else each time."""
    workspace.world.book(start=now() + timedelta(days=3, minutes=number), phone=f"+131255501{number + 10}")


def busy(workspace: Workspace, while_busy: Callable[[], None]) -> None:
    """Let a worker send, book meanwhile, and do something in the middle of it."""
    workspace.be_born()
    (workspace.folder / "syncer.toml").write_text('interval = "5s"\n[limits]\nsends_per_second = 20', encoding="utf-8")
    with (workspace.folder / "log").open("w", encoding="utf-8") as log:
        worker = workspace.start("run", "--log-format", "json", stderr=log)
    try:
        for number in range(6):
            book(workspace, number)
        wait(lambda: len(workspace.world.texts) >= 4)
        while_busy()
        for number in range(6, 10):
            book(workspace, number)
        wait(lambda: len(workspace.world.texts) >= 20)
        time.sleep(1)
    finally:
        worker.terminate()
        worker.communicate(timeout=30)


def wait(true: Callable[[], bool]) -> None:
    """Half a minute at most."""
    end = time.monotonic() + 30
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    assert true()


def put_back(workspace: Workspace, copy: Path) -> None:
    """As the README says."""
    for name in ("syncer.db", "syncer.db-wal", "syncer.db-shm"):
        with suppress(FileNotFoundError):
            (workspace.folder / name).unlink()
    shutil.copy(copy, workspace.folder / "syncer.db")
    (workspace.folder / "syncer.db").chmod(0o600)


def check_restored(workspace: Workspace, copy: Path) -> None:
    """Put a copy back, forget to say so, say so; nobody is texted twice, and what may have been sent is known."""
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    put_back(workspace, copy)
    before = len(workspace.world.texts)
    code, _, err = workspace.run("run", "--once", "--log-format", "json")
    refused = code, "syncer restored" in err
    restored = workspace.run("restored", "--yes")[0]
    after = [workspace.run("run", "--once")[0] for _ in range(2)]
    numbers = [text.to for text in workspace.world.texts if text.to != PHONE]

    assert refused == (1, True)
    assert restored == 0
    assert after == [0, 0]
    assert len(workspace.world.texts) == before
    assert len(set(numbers)) == 11  # ten guests and the host
    assert all(
        numbers.count(number) == 1
        for number in set(numbers)
        if number.startswith("+131255501") and numbers.count(number) < 5
    )


def test_a_copy_made_while_it_sends(workspace: Workspace) -> None:
    """By the command of the README, run as it stands."""
    [code] = re.findall(r'python3 -c ("import sqlite3;.*?\\"\)")', README)
    command = f"{shutil.which('python3')} -c {code}"
    copies: list[int] = []

    def copy() -> None:
        done = subprocess.run(command, shell=True, cwd=workspace.folder, check=False)  # noqa: S602  the README's own
        copies.append(done.returncode)

    busy(workspace, copy)

    assert copies == [0]
    check_restored(workspace, workspace.folder / "backup.db")


@needs("litestream")
def test_litestream_beside_a_worker(workspace: Workspace, tmp_path: Path) -> None:
    """Its replica is whole, and what it lacks is noticed."""
    replica = tmp_path / "replica"
    config = (DEPLOY / "backup" / "litestream.yml").read_text(encoding="utf-8")
    config = config.replace("/var/lib/syncer/syncer.db", str(workspace.folder / "syncer.db"))
    (tmp_path / "litestream.yml").write_text(config.replace("/var/backups/syncer", str(replica)), encoding="utf-8")
    beside: list[subprocess.Popen[bytes]] = []

    def replicate() -> None:
        command = [tool("litestream"), "replicate", "-config", str(tmp_path / "litestream.yml")]
        beside.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(3)

    try:
        busy(workspace, replicate)
        time.sleep(3)
    finally:
        for process in beside:
            process.kill()
            process.wait()
    restore = [*"restore -config".split(), str(tmp_path / "litestream.yml"), "-o", str(tmp_path / "copy.db")]
    run("litestream", *restore, str(workspace.folder / "syncer.db"))
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        sent = connection.execute("SELECT count(*) FROM messages WHERE state = 'sent'").fetchone()[0]

    assert sent == len(workspace.world.texts) == 20
    check_whole(workspace, tmp_path / "copy.db")


def check_whole(workspace: Workspace, copy: Path) -> None:
    """A replica that has everything is put back without a word."""
    put_back(workspace, copy)
    before = len(workspace.world.texts)

    assert workspace.run("run", "--once")[0] == 0
    assert len(workspace.world.texts) == before


def test_a_copy_is_not_for_everybody(workspace: Workspace) -> None:
    """Put back with the mode that cp leaves, it gets its own again, with a line in the log."""
    assert workspace.run("run", "--once")[0] == 0
    (workspace.folder / "syncer.db").chmod(0o644)
    code, _, err = workspace.run("run", "--once", "--log-format", "json")

    assert code == 0
    assert '"database.warning"' in err
    assert (workspace.folder / "syncer.db").stat().st_mode & 0o777 == 0o600
