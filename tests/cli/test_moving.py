"""The operator's moves, as people type them: retry, cancel, resolve, restored; what is asked, refused and said."""

from __future__ import annotations

import json
import shutil
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.cli_workspace import now
from syncer.model import State
from syncer.store import Store, database
from syncer.store.lock import run_lock

if TYPE_CHECKING:
    from support.cli_workspace import Workspace


def outbox(workspace: Workspace) -> dict[str, Any]:
    """All messages by key, as `messages --json` lists them."""
    return {row["key"]: row for row in map(json.loads, workspace.run("messages", "--json")[1].splitlines())}


def keys(workspace: Workspace, state: str) -> list[str]:
    """The keys of the messages in a state."""
    return sorted(key for key, row in outbox(workspace).items() if row["state"] == state)


@pytest.fixture
def lost(workspace: Workspace) -> Workspace:
    """A workspace whose first two texts got no answer."""
    workspace.be_born()
    workspace.world.faults.drop("/v1/messages", method="POST", times=2)
    workspace.book()
    workspace.run("run", "--once")
    assert len(keys(workspace, "unknown")) == 2
    return workspace


def test_each_move_from_each_state(lost: Workspace) -> None:
    """Unknown -> resolved either way, failed -> retried, waiting -> canceled for good, and the rest is refused."""
    one, other = keys(lost, "unknown")
    day = next(key for key, row in outbox(lost).items() if row["rule"] == "reminder-24h")

    assert lost.run("cancel", day)[0] == 0
    assert lost.run("retry", day)[0] == 1
    assert lost.run("resolve", day, "--sent")[0] == 1
    assert lost.run("resolve", "nonsense", "--sent")[0] == 1
    assert lost.run("resolve", one, "--not-sent")[0] == 0
    assert lost.run("resolve", other, "--sent")[0] == 0
    assert lost.run("run", "--once")[0] == 0
    after = outbox(lost)
    assert [(after[key]["state"], after[key]["attempts"]) for key in (one, other)] == [("sent", 2), ("sent", 1)]
    assert after[day]["state"] == "canceled"


@pytest.mark.parametrize(
    ("command", "options", "question", "state"),
    [
        ("retry", [], "Nobody knows whether 2 of them went out", "scheduled"),
        ("cancel", [], "Cancel 2 messages?", "canceled"),
        ("resolve", ["--sent"], "Were all 2 of them sent?", "sent"),
        ("resolve", ["--not-sent"], "Were all 2 of them not sent?", "scheduled"),
    ],
)
def test_several_are_asked_about_first(
    lost: Workspace, command: str, options: list[str], question: str, state: str
) -> None:
    """No answer and a no change nothing; a yes, or `--yes` beforehand, moves all."""
    both = keys(lost, "unknown")

    silent, no = lost.run(command, *both, *options), lost.run(command, *both, *options, typed="n\n")
    unchanged = keys(lost, "unknown")
    yes = lost.run(command, *both[:1], *both[1:], *options, typed="y\n")

    assert (silent[0], no[0], yes[0]) == (2, 1, 0)
    assert "this needs --yes. Nothing was changed" in silent[2]
    assert question in no[1]
    assert "nothing was changed" in no[2]
    assert unchanged == both
    assert set(both) <= set(keys(lost, state))


def test_yes_beforehand_asks_nothing(lost: Workspace) -> None:
    """For scripts."""
    code, out, err = lost.run("resolve", *keys(lost, "unknown"), "--sent", "--yes")

    assert (code, out, err) == (0, "sent\nsent\n", "")


def test_one_wrong_key_moves_none(lost: Workspace) -> None:
    """All are looked at before the first is moved."""
    both = keys(lost, "unknown")

    code, _, err = lost.run("resolve", *both, "nonsense", "--sent", "--yes")

    assert code == 1
    assert "nonsense" in err
    assert keys(lost, "unknown") == both


def test_an_unknown_text_is_sent_again_by_a_person_only(lost: Workspace) -> None:
    """`retry` asks, as somebody may get it twice; the next run makes attempt 2."""
    one, other = keys(lost, "unknown")
    asked = lost.run("retry", one, typed="y\n")
    lost.run("run", "--once")
    after = outbox(lost)

    assert "may get it twice" in asked[1]
    assert (after[one]["state"], after[one]["attempts"]) == ("sent", 2)
    assert (after[other]["state"], after[other]["attempts"]) == ("unknown", 1)


def test_every_error_of_a_send_names_what_to_type(lost: Workspace) -> None:
    """What `explain` and the log say can be pasted as it is."""
    [one, _] = keys(lost, "unknown")
    explained, short = lost.run("explain", one)[1], outbox(lost)[one]["id"]

    assert f"syncer resolve {short} --sent" in explained
    assert lost.run("resolve", short, "--sent", "--yes")[:2] == (0, "sent\n")


def test_restored_sets_aside_what_was_due(workspace: Workspace) -> None:
    """A backup in the database's place: refused until `restored`, which asks; then what was due is unknown."""
    workspace.be_born()
    path = workspace.folder / "syncer.db"
    shutil.copy(path, backup := workspace.folder / "backup.db")
    workspace.book()
    workspace.run("run", "--once")
    shutil.copy(backup, path)
    time.sleep(1.1)

    refused = workspace.run("run", "--once")
    no, yes = workspace.run("restored", typed="n\n"), workspace.run("restored", "--yes")
    after = workspace.run("run", "--once")

    assert (refused[0], no[0], yes[0], after[0]) == (1, 1, 0, 0)
    assert "syncer restored" in refused[2]
    assert "is a backup that was put back" in no[1]
    assert "nothing was changed" in no[2]
    assert yes[1].startswith("0 set aside as unknown")
    assert len(keys(workspace, "unknown")) == 2  # planned only by the run after it
    assert len(workspace.world.texts) == 2


def test_restored_beside_a_worker_is_refused(workspace: Workspace) -> None:
    """It would set aside what that one is about to send."""
    workspace.run("migrate")
    with run_lock(workspace.folder / "syncer.db"):
        assert workspace.run("restored", "--yes")[0] == 75


def test_restored_without_a_database_makes_none(workspace: Workspace) -> None:
    """The backup comes first."""
    code, _, err = workspace.run("restored", "--yes")

    assert code == 1
    assert "Put the backup there first" in err
    assert not (workspace.folder / "syncer.db").exists()


def test_what_was_not_sent_and_is_too_late_expires(lost: Workspace) -> None:
    """A day later nobody is told that a booking was just made."""
    [one, _] = keys(lost, "unknown")
    with Store(database.open_writable(lost.folder / "syncer.db")) as store:
        long_ago = (now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        with store.db.atomic():
            store.db.conn.execute("UPDATE messages SET scheduled_at = ?, expires_at = ?", [long_ago] * 2)

    code, out, _ = lost.run("resolve", one, "--not-sent")

    assert (code, out) == (0, "not sent, and its time has passed: expired\n")
    assert outbox(lost)[one]["state"] == State.EXPIRED
