"""The units in a booted systemd: the service starts, texts, is watched, killed, started again, and stops. Full form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import support.booted_machine as machines
from support.booted_machine import Machine
from support.modes import FULL, IN_DEPLOY
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

PHONE = "+13125550142"

pytestmark = pytest.mark.skipif(
    not FULL or bool(machines.why_not()), reason=machines.why_not() if FULL else f"{IN_DEPLOY}: boots a machine"
)


@pytest.fixture(scope="module")
def world() -> Iterator[SandboxServer]:
    """The sandbox, on this machine's loopback, which the other one shares."""
    with SandboxServer(World(lambda: datetime.now(UTC))) as served:
        yield served


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, world: SandboxServer) -> Iterator[Machine]:
    """A booted machine with syncer installed and set up."""
    folder = tmp_path_factory.mktemp("machine")
    machines.make(folder / "root")
    booted = Machine(folder / "root", folder / "console")
    booted.configure(env_lines(world.url))
    booted.configure(env_lines(world.url), "north-pier")
    yield booted
    booted.off()


def runs(machine: Machine, unit: str = "syncer") -> int:
    """How many runs were complete."""
    return machine.journal(unit).count('"run.completed"')


def test_the_service_lives(machine: Machine, world: SandboxServer) -> None:
    """From its start to its end; each text once, whatever happens to the process."""
    assert machine.run("systemctl", "start", "syncer") == (0, "")
    assert machine.wait(lambda: runs(machine) >= 1, 20)
    machine.wait(lambda: False, 1.1)
    world.world.book(start=datetime.now(UTC) + timedelta(days=3), phone=PHONE)
    assert machine.wait(lambda: len(world.world.texts) == 2, 20)
    assert machine.wait(lambda: "last run: events 1" in machine.show("syncer", "StatusText"), 20)

    check, said = machine.run("syncerctl", "check")
    assert (check, "FAIL" in said) == (0, False), said
    assert machine.run("syncerctl", "run", "--once")[0] == 75
    assert "sent 2" in machine.run("syncerctl", "status")[1]

    pid = machine.show("syncer", "MainPID")
    environ = machine.run("cat", f"/proc/{pid}/environ")[1]
    assert "sandbox-token" not in environ
    assert "CALENDLY_TOKEN_FILE=/run/credentials/syncer.service/calendly_token" in environ

    machine.run("systemctl", "kill", "--signal=KILL", "syncer")
    assert machine.wait(lambda: machine.show("syncer", "NRestarts") == "1", 40)
    before = runs(machine)
    assert machine.wait(lambda: runs(machine) > before, 30)
    assert len(world.world.texts) == 2

    stopped = machine.run("systemctl", "stop", "syncer")
    assert stopped == (0, "")
    assert machine.show("syncer", "Result") == "success"


def test_a_worker_that_hangs_is_started_again(machine: Machine) -> None:
    """Stopped in the middle of whatever it does: the watchdog ends it."""
    drop_in = machine.root / "etc/systemd/system/syncer.service.d"
    drop_in.mkdir()
    (drop_in / "quick.conf").write_text("[Service]\nWatchdogSec=4s\nRestartSec=1s\n", encoding="utf-8")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "syncer")
    machine.wait(lambda: False, 6)
    steady = machine.show("syncer", "NRestarts")
    machine.run("systemctl", "kill", "--signal=STOP", "syncer")
    came_back = machine.wait(lambda: machine.show("syncer", "NRestarts") not in {"0", ""}, 40)
    ready = machine.wait(lambda: machine.show("syncer", "ActiveState") == "active", 20)
    machine.run("systemctl", "stop", "syncer")
    (drop_in / "quick.conf").unlink()
    drop_in.rmdir()
    machine.run("systemctl", "daemon-reload")

    assert steady == "0"
    assert came_back
    assert ready
    assert "Watchdog timeout" in machine.journal("syncer")


def test_wrong_settings_are_not_tried_again(machine: Machine) -> None:
    """Exit 2, one event in the log, and then silence."""
    toml = machine.root / "etc/syncer/syncer.toml"
    good = toml.read_text(encoding="utf-8")
    toml.write_text("intervall = 1\n", encoding="utf-8")
    failed = machine.run("systemctl", "start", "syncer")[0]
    machine.wait(lambda: False, 18)
    state = [machine.show("syncer", name) for name in ("ActiveState", "ExecMainStatus", "NRestarts")]
    toml.write_text(good, encoding="utf-8")
    machine.run("systemctl", "reset-failed", "syncer")

    assert failed != 0
    assert state == ["failed", "2", "0"]
    assert "intervall: is not a setting" in machine.journal("syncer")


def test_several_organizations_and_a_run_a_minute(machine: Machine) -> None:
    """An instance has its own database; the timer's runs use the first one's."""
    assert machine.run("systemctl", "start", "syncer@north-pier") == (0, "")
    assert machine.wait(lambda: runs(machine, "syncer@north-pier") >= 2, 30)
    assert machine.run("syncerctl", "--organization", "north-pier", "status")[0] == 0
    machine.run("systemctl", "stop", "syncer@north-pier")
    before = runs(machine, "syncer-once")
    machine.run("systemctl", "start", "syncer-once.service")
    once = runs(machine, "syncer-once")
    timer = machine.run("systemctl", "start", "syncer-once.timer")
    again = machine.wait(lambda: runs(machine, "syncer-once") > once, 90)
    files = sorted(path.name for path in (machine.root / "var/lib/private").iterdir())

    assert once == before + 1
    assert timer == (0, "")
    assert again
    assert files == ["syncer", "syncer-north-pier"]
    assert (machine.root / "var/lib/private/syncer/syncer.db").stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_to_wish_for(machine: Machine) -> None:
    """By systemd's own judgement, in the running machine."""
    for unit in ("syncer.service", "syncer-once.service", "syncer@north-pier.service"):
        code, said = machine.run("systemd-analyze", "security", "--no-pager", "--threshold=15", unit)

        assert code == 0, said
