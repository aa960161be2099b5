"""The units: what they promise in figures, and what systemd says of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, get_type_hints

import pytest

from support.deploy_tools import DEPLOY, needs
from syncer import calendly_asking, engagelab, errors
from syncer.config import schema

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = DEPLOY / "systemd"
SERVICES = ["syncer.service", "syncer-once.service", "syncer@.service"]
UNITS = [*SERVICES, "syncer-once.timer"]
LOOPS = ["syncer.service", "syncer@.service"]


def settings(unit: str) -> dict[str, list[str]]:
    """All assignments of a unit, each key with its values."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (FOLDER / unit).read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def seconds(text: str) -> float:
    """Read a time span of one unit."""
    number, unit = re.fullmatch(r"(\d+)(s|min|h)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "min": 60, "h": 3600}[unit]


@pytest.mark.parametrize("unit", SERVICES)
def test_what_is_in_the_air_lands_before_it_is_killed(unit: str) -> None:
    """An answer may take a send's whole deadline, and its commit a moment."""
    assert seconds(settings(unit)["TimeoutStopSec"][0]) > engagelab.DEADLINE * 2
    assert settings(unit)["KillMode"] == ["mixed"]


@pytest.mark.parametrize("unit", SERVICES)
def test_there_are_threads_enough_for_the_most_requests_in_flight(unit: str) -> None:
    """Each request that reads and each that sends has a thread, and while it looks a name up another one."""
    hints = get_type_hints(schema.LimitsTable, include_extras=True)
    most = hints["concurrency"].__metadata__[0].le

    assert int(settings(unit)["TasksMax"][0]) > 4 * most + 1


@pytest.mark.parametrize("unit", LOOPS)
def test_the_watchdog_outlasts_the_longest_silence(unit: str) -> None:
    """One request and its commit, twice over."""
    assert 2 * (max(calendly_asking.DEADLINE, engagelab.DEADLINE) + 5) < seconds(settings(unit)["WatchdogSec"][0])
    assert settings(unit)["Type"] == ["notify"]


@pytest.mark.parametrize("unit", LOOPS)
def test_it_is_started_again_unless_that_is_hopeless(unit: str) -> None:
    """Not with wrong settings, nor as a second worker; and it never gives up otherwise."""
    hopeless = {errors.SettingsError.exit_code, errors.WrongDatabase.exit_code, errors.Locked.exit_code}

    assert {int(code) for code in settings(unit)["RestartPreventExitStatus"][0].split()} == hopeless
    assert settings(unit)["Restart"] == ["always"]
    assert settings(unit)["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("unit", SERVICES)
def test_secrets_are_credentials_and_nothing_else(unit: str) -> None:
    """Not in the environment, where every process of the user could read them."""
    given = settings(unit)
    names = {value.partition("=")[0] for value in given["Environment"]}
    loaded = {value.partition(":")[0] for value in given["LoadCredential"]}

    assert names & set(schema.SECRETS) == set()
    assert {f"{name}_FILE" for name in schema.SECRETS} <= names
    assert loaded == {name.lower() for name in schema.SECRETS}
    assert all(f"{name}_FILE=%d/{name.lower()}" in given["Environment"] for name in schema.SECRETS)


@pytest.mark.parametrize("unit", SERVICES)
def test_python_reads_nothing_from_the_folder_it_runs_in(unit: str) -> None:
    """`-I`: no module of the state folder is imported; and the package can be run so."""
    assert settings(unit)["ExecStart"][0].startswith("/opt/syncer/bin/python -I -m syncer run")


def test_all_services_are_hardened_alike() -> None:
    """Whatever the loop may not do, the single run may not, either."""
    texts = [(FOLDER / unit).read_text(encoding="utf-8").partition("CapabilityBoundingSet=")[2] for unit in SERVICES]
    bodies = {text.partition("[Install]")[0].strip() for text in texts}

    assert len(bodies) == 1
    assert len(bodies.pop().splitlines()) >= 30


def test_organizations_share_nothing() -> None:
    """Each instance has its own settings, secrets, database and folder."""
    one, many = ((FOLDER / unit).read_text(encoding="utf-8") for unit in LOOPS)
    paths = re.findall(r"(?:/etc/syncer|%S/syncer|Directory=syncer|Directory=%S/syncer)[^\s]*", many)

    assert all("%i" in path for path in paths)
    assert len(paths) == len(re.findall(r"(?:/etc/syncer|%S/syncer|Directory=syncer|Directory=%S/syncer)[^\s]*", one))
    assert settings("syncer@.service")["User"] == ["syncer-%i"]


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Copies that can be verified here: this Python for the installed one, an instance for the template."""
    made = []
    for unit in UNITS:
        text = (FOLDER / unit).read_text(encoding="utf-8").replace("/opt/syncer/bin/python", sys.executable)
        path = tmp_path / unit.replace("@.", "@acme.")
        path.write_text(text, encoding="utf-8")
        made.append(path)
    return made


@needs("systemd-analyze")
def test_systemd_understands_every_line(units: list[Path]) -> None:
    """Unknown keys are no failure to it, only a line on stderr."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@needs("systemd-analyze")
@pytest.mark.parametrize("number", range(3))
def test_exposure(units: list[Path], number: int) -> None:
    """At most 1.5 by systemd's own judgement."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(units[number])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    [level] = re.findall(r"exposure level for \S+: ([\d.]+)", done.stdout)

    assert done.returncode == 0
    assert float(level) <= 1.5
