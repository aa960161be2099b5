"""What systemd is told, on a real socket: ready, alive by the loop itself, stopping."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.service_manager import Manager
from syncer.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cli_workspace import Workspace


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager."""
    with closing(Manager(str(tmp_path / "notify"))) as made:
        yield made


def environ(workspace: Workspace) -> dict[str, str]:
    """What systemd puts into the environment."""
    return {"NOTIFY_SOCKET": str(workspace.folder / "notify"), "WATCHDOG_USEC": "120000000"}


def test_a_service_is_ready_alive_and_stopping(workspace: Workspace, manager: Manager) -> None:
    """Ready when lock and database hold, alive each second, its last run in the status, stopping at SIGTERM."""
    (workspace.folder / "syncer.toml").write_text('interval = "5s"', encoding="utf-8")
    worker = workspace.start("run", environ=environ(workspace))
    try:
        before = manager.listen(20, until=manager.heard("READY=1"))
        made = (workspace.folder / "syncer.db").exists()
        pings = manager.listen(4)
        manager.listen(10, until=manager.heard("STATUS=last run"))
        worker.terminate()
        manager.listen(10, until=manager.heard("STOPPING=1"))
        worker.communicate(timeout=30)
    finally:
        worker.kill()

    assert before == ["READY=1"]
    assert made
    assert pings.count("WATCHDOG=1") >= 3
    assert manager.heard("STATUS=last run: events 0 sent 0 unknown 0 failed 0 deferred 0")()
    assert manager.heard("STOPPING=1")()
    assert worker.returncode == 0


def test_nothing_but_the_loop_feeds_the_watchdog(workspace: Workspace, manager: Manager) -> None:
    """While a request hangs, nobody says that all is well; a wait for Calendly's limit is no hanging."""
    workspace.world.faults.fail("/scheduled_events", delay=4.0, status=500)
    workspace.world.faults.fail("/scheduled_events", status=429, headers={"Retry-After": "12"})
    worker = workspace.start("run", environ=environ(workspace))
    try:
        manager.listen(20, until=manager.heard("READY=1"))
        hanging = manager.listen(3.5)
        waiting = manager.listen(14)
    finally:
        worker.kill()
        worker.communicate()

    assert hanging.count("WATCHDOG=1") <= 2
    assert waiting.count("WATCHDOG=1") >= 2


def test_a_service_that_cannot_start_is_never_ready(workspace: Workspace, manager: Manager) -> None:
    """Wrong settings: nobody takes it for a running one, and the exit code says not to try again."""
    code, _, _ = workspace.run("run", environ=environ(workspace) | {"HOST_PHONE": "nobody"})

    assert code == 2
    assert manager.listen(0.5) == []


def test_without_systemd_nobody_is_told() -> None:
    """No socket, a socket that is gone, somebody else's watchdog: no error, no line."""
    for given in ({}, {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "1"}, {"WATCHDOG_USEC": "1"}):
        line = Notifier(given)
        line.ready()
        line.alive()
        line.status("x")
        line.stopping()


def test_an_abstract_socket_and_a_watchdog_of_another_process() -> None:
    """As systemd in a container names it; WATCHDOG_PID says whose watchdog it is."""
    name = f"syncer-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as there:
        there.bind("\0" + name)
        there.settimeout(2)
        mine = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid())}
        Notifier(mine | {"WATCHDOG_PID": "1"}).alive()
        Notifier(mine).alive()
        Notifier(mine).ready()

        assert [there.recv(100), there.recv(100)] == [b"WATCHDOG=1", b"READY=1"]
