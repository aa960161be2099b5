"""What a start brings along: commands that may run every minute import nothing that they do not use."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from syncer.cli import COMMANDS
from syncer.lean import without

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli_workspace import Workspace

HEAVY = {"babel", "httpx", "msgspec", "phonenumbers", "rich", "schedule", "sqlite_utils", "structlog", "tenacity"}
SHOW = (
    "import sys, atexit; atexit.register(lambda: print('MODULES', *sys.modules)); from syncer.cli import main; main()"
)


def imported(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOST_PHONE": ""},  # a number in the settings is looked at, and so are they
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["status"]], ids=" ".join)
def test_what_is_asked_every_minute_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    """Not even the settings, of which `status` reads only where the file is."""
    found = imported(tmp_path, *arguments)

    assert "click" in found
    assert found & HEAVY == set()
    assert not any(name.startswith("syncer.config") for name in found)


def test_a_run_without_news_imports_no_numbers_and_no_words(workspace: Workspace) -> None:
    """Metadata of numbers and languages, and what tries again, are for runs that need them; rich for terminals."""
    workspace.run("run", "--once", environ={"HOST_PHONE": ""})

    found = imported(workspace.folder, "run", "--once")

    assert {"httpx", "sqlite_utils", "syncer.listing"} <= found
    assert found & {"babel", "phonenumbers", "tenacity", "rich", "httpx._main"} == set()


def test_the_help_names_every_command() -> None:
    """In one line each, without importing any of them."""
    assert len(COMMANDS) == 15
    assert all(0 < len(line) <= 60 and line.endswith(".") for _, line in COMMANDS.values())


def test_without_puts_back_what_was_there() -> None:
    """A module that somebody else has imported is theirs again afterwards."""
    there = sys.modules["json"]
    with without("json"), pytest.raises(ImportError):
        import json  # noqa: F401, PLC0415  that it cannot be is the point
    with without("no such module at all"):
        pass

    assert sys.modules["json"] is there
    assert "no such module at all" not in sys.modules


def test_status_does_not_fail_for_the_settings(workspace: Workspace) -> None:
    """A typing error in them is for `run` and `check` to say; the probe answers what it was asked."""
    workspace.run("run", "--once")
    (workspace.folder / "syncer.toml").write_text("interval = 'now and then'\n", encoding="utf-8")

    assert (workspace.run("status")[0], workspace.run("run", "--once")[0]) == (0, 2)


def test_status_finds_the_file_as_the_settings_do(workspace: Workspace) -> None:
    """Option over environment over `.env` over the usual place; an empty variable hides the one in `.env`."""
    workspace.run("run", "--once")
    (workspace.folder / "other.db").symlink_to(workspace.folder / "syncer.db")
    with (workspace.folder / ".env").open("a", encoding="utf-8") as env:
        env.write("\nSYNCER_DB=nowhere.db\n")

    by_env_file = workspace.run("status")
    by_option = workspace.run("status", "--db", "other.db")
    by_environment = workspace.run("status", environ={"SYNCER_DB": "other.db"})
    by_default = workspace.run("status", environ={"SYNCER_DB": ""})

    assert [one[0] for one in (by_env_file, by_option, by_environment, by_default)] == [1, 0, 0, 0]
    assert "nowhere.db does not exist" in by_env_file[2]


def test_status_of_what_has_no_schema_yet(workspace: Workspace) -> None:
    """An empty file says what to do, and so does another program's."""
    path = workspace.folder / "empty.db"
    path.touch(mode=0o600)
    code, _, err = workspace.run("status", "--db", "empty.db")
    path.write_bytes(b"a text, and no database at all")
    nonsense = workspace.run("status", "--db", "empty.db")

    assert (code, "syncer migrate" in err) == (1, True)
    assert nonsense[0] != 0
    assert "Traceback" not in nonsense[2]
