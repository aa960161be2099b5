"""Commands that cannot do what was asked say what to do: another program's file, nobody to ask, nothing found."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.builders import a_booking, a_message
from support.repository import ROOT
from syncer.cli import trying
from syncer.cli.showing import next_steps
from syncer.errors import SyncerError
from syncer.model import State
from syncer.reasons import EXPLANATIONS, Reason

if TYPE_CHECKING:
    from support.cli_workspace import Workspace

SYNCER = [sys.executable, "-m", "syncer"]
EVERY_COMMAND = [
    ["run", "--once"],
    ["run", "--once", "--dry-run"],
    ["check"],
    ["plan"],
    ["messages"],
    ["explain", "x@example.com"],
    ["status"],
    ["retry", "m-abcdef"],
    ["cancel", "m-abcdef"],
    ["resolve", "m-abcdef", "--sent"],
    ["optout", "add", "+13125550142"],
    ["optout", "remove", "+13125550142"],
    ["optout", "list"],
    ["forget", "x@example.com", "--yes"],
    ["restored", "--yes"],
    ["migrate"],
    ["migrate", "--list"],
]


def test_another_programs_file_is_told_by_all_commands_alike(workspace: Workspace) -> None:
    """One sentence, exit code 2, and the file is as it was, in content and mode."""
    path = workspace.folder / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT)")
        connection.commit()
    path.chmod(0o644)
    before = path.read_bytes()

    for command in EVERY_COMMAND:
        code, out, err = workspace.run(*command, "--db", "theirs.db")
        assert code == 2, (command, out, err)
        assert f"{path} is another program's database" in out + err, command
        assert "Name a file of its own with --db or SYNCER_DB" in out + err, command
        assert "syncer migrate" not in out + err, command
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (before, 0o644)


def test_a_restored_file_gets_its_mode_back_with_a_line(workspace: Workspace) -> None:
    """By the worker in its log, by a command on stderr; a look changes nothing."""
    workspace.run("run", "--once")
    path = workspace.folder / "syncer.db"
    path.chmod(0o644)
    looked = workspace.run("messages")
    after_look = stat.S_IMODE(path.stat().st_mode)
    worker = workspace.run("run", "--once")
    after_run = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o666)
    command = workspace.run("optout", "add", "+13125550142")
    after_command = stat.S_IMODE(path.stat().st_mode)
    again = workspace.run("optout", "add", "+13125550143")

    assert [one[0] for one in (looked, worker, command, again)] == [0, 0, 0, 0]
    assert (after_look, after_run, after_command) == (0o644, 0o600, 0o600)
    [warning] = [json.loads(line) for line in worker[2].splitlines() if '"database.warning"' in line]
    assert (warning["level"], warning["reason"]) == (
        "warning",
        f"everybody could read {path}: its mode is 0600 now",
    )
    assert f"syncer: everybody could read {path}: its mode is 0600 now" in command[2]
    assert again[2] == ""


def test_without_a_terminal_a_question_needs_yes(workspace: Workspace) -> None:
    """Nothing typed, or no stdin at all: exit 2 and the option's name; nothing is erased."""
    workspace.be_born()
    workspace.book(email="ines@example.com")
    workspace.run("run", "--once")
    nobody = workspace.run("forget", "ines@example.com")
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *SYNCER, "forget", "ines@example.com"],
        cwd=workspace.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    restored = workspace.run("restored")
    no = workspace.run("forget", "ines@example.com", typed="n\n")

    for code, err in ((nobody[0], nobody[2]), (closed.returncode, closed.stderr), (restored[0], restored[2])):
        assert code == 2
        assert "without a terminal to answer from, this needs --yes. Nothing was changed" in err
    assert no[0] == 1
    assert workspace.run("explain", "ines@example.com")[0] == 0
    assert workspace.run("forget", "ines@example.com", typed="y\n")[0] == 0


def test_nothing_found_says_what_to_try(workspace: Workspace) -> None:
    """By what was typed; and before any complete run, that one."""
    workspace.run("migrate")
    early = workspace.run("explain", "x@example.com")
    workspace.run("run", "--once")
    found = {
        what: workspace.run("explain", what)
        for what in ("x@example.com", "3125550142", "+13125550142", "m-123456", "Ines")
    }

    assert early[0] == 1
    assert "No run was complete yet: `syncer run --once` reads the bookings" in early[2]
    assert {code for code, _, _ in found.values()} == {1}
    for what, words in (
        ("x@example.com", "Is it the e-mail that was typed at the booking?"),
        ("3125550142", "A number needs its country code, such as +13125550142, or set `country`"),
        ("+13125550142", "Is it the number that was typed at the booking? Try the e-mail, too"),
        ("m-123456", "`syncer messages --json` lists ids and keys"),
        ("Ines", "Try the guest's e-mail or number"),
    ):
        assert f"nothing is known of {what!r} in this database. {words}" in found[what][2]


def test_a_number_on_the_list_is_known_without_a_booking(workspace: Workspace) -> None:
    """Its entry, masked, with what allows it again."""
    workspace.run("run", "--once")
    workspace.run("optout", "add", "+13125550142")
    code, out, err = workspace.run("explain", "+1 312 555 0142")
    in_full = workspace.run("explain", "+13125550142", "--show-numbers")[1]

    assert code == 0
    assert re.match(r"\+1\S+42 is on the list of opt-outs since \S+Z: by the operator\n", out)
    assert "+13125550142" not in out
    assert in_full.startswith("+13125550142 is on the list")
    assert err == ""


def test_each_skip_says_what_to_set_or_ask_for(workspace: Workspace) -> None:
    """Below the message: the remedy of its reason."""
    workspace.be_born()
    workspace.world.book(start=workspace.world.now() + timedelta(days=3), phone=None, email="no@example.com")
    workspace.run("run", "--once")
    out = workspace.run("explain", "no@example.com")[1]
    skipped = [line for line in out.splitlines() if "to nobody: skipped" in line]

    assert len(skipped) >= 3
    assert out.count("    ask for one in the booking form, or set `phones.sources`") == len(skipped)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason])
@pytest.mark.parametrize("state", [State.SKIPPED, State.EXPIRED, State.SCHEDULED, State.RETRYABLE])
def test_a_message_that_does_not_leave_has_a_next_step(state: State, reason: Reason) -> None:
    """Whatever the reason: its remedy, what to type, or that nothing need be done."""
    steps = next_steps(a_message(a_booking(), state=state, reason=reason))
    remedy = EXPLANATIONS[reason].remedy

    assert all(step and "{" not in step.replace("{field|words}", "") for step in steps)
    assert steps or (state is State.EXPIRED and not remedy)
    if remedy and reason is not Reason.HELD_BY_GUARD:
        assert steps[0].lower() == remedy.lower()


def test_the_missing_sandbox_names_our_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name `syncer` is another program's: nobody is sent to install that."""
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(SyncerError) as caught:
        trying._need_sandbox()

    assert caught.value.remedy == "pip install 'calendly-syncer[sandbox]', or in a checkout: pip install '.[sandbox]'"


def test_nowhere_is_the_other_programs_name_advised() -> None:
    """No file of the project tells anybody to install `syncer` by its name."""
    root = ROOT
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    advised = re.compile(r"pip[\"', -]+install[^\n]*[\s\"']syncer(\[|[\"'\s=]|$)")
    found = [
        name
        for name in listed.stdout.splitlines()
        if not name.startswith("tests/") and advised.search((root / name).read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


def test_an_answer_at_a_terminal_still_counts(workspace: Workspace) -> None:
    """With a terminal the question is asked; Ctrl-C changes nothing and ends with 1."""
    workspace.run("run", "--once")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SYNCER, "restored"],
        cwd=workspace.folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    asked = b""
    while b"[y/N]" not in asked and (part := os.read(process.stdout.fileno(), 4096)):
        asked += part
    # Python loses a signal that comes just before it begins to read: wait until it sleeps in there.
    while Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "S":
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    for descriptor in (ours, theirs):
        os.close(descriptor)

    assert process.returncode == 1, (asked, out, err)
    assert b"stopped; nothing was changed" in err
