"""The commands as people run them: exit codes, what stdout and stderr say, and that nobody meets a traceback."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from support.cli_workspace import PHONE, now
from syncer.cli import run
from syncer.model import State, from_utc_text, utc_text
from syncer.reasons import Reason, in_words
from syncer.store import Store, database
from syncer.store.lock import run_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cli_workspace import Workspace


def events(log: str) -> list[dict[str, Any]]:
    """Read a JSON log."""
    return [json.loads(line) for line in log.splitlines()]


def test_run_once_books_confirms_and_does_nothing_the_second_time(workspace: Workspace) -> None:
    """Two processes on one database: one text to each, exit 0, one JSON object a line with a run_id on stderr."""
    workspace.be_born()
    workspace.book()

    first, second = workspace.run("run", "--once"), workspace.run("run", "--once")

    assert (first[0], second[0]) == (0, 0)
    assert first[1] == second[1] == ""
    assert sorted(text.plan_name for text in workspace.world.texts) == ["syncer/confirmation", "syncer/host"]
    done = events(first[2])[-1]
    assert (done["event"], done["level"], done["sent"], done["created"]) == ("run.completed", "info", 2, 1)
    assert len({one["run_id"] for one in events(first[2])}) == 1
    assert PHONE not in first[2]
    assert "Ines" not in first[2]


def test_dry_run_prints_the_plan_and_leaves_every_byte(workspace: Workspace) -> None:
    """Also when the booking is new and its text due; and no text leaves."""
    workspace.be_born()
    workspace.book()
    before = fingerprints(workspace.folder)

    code, out, _ = workspace.run("run", "--once", "--dry-run")

    assert code == 0
    assert "booking created" in out
    assert out.count("+ plan") == 5
    assert out.count("> due now") == 2
    assert "nothing was written, nothing was sent" in out
    assert PHONE not in out
    assert fingerprints(workspace.folder) == before
    assert workspace.world.texts == []


def test_dry_run_without_a_database_makes_none(workspace: Workspace) -> None:
    """It works on an empty one in memory."""
    workspace.book()
    time.sleep(1.1)

    code, out, _ = workspace.run("run", "--once", "--dry-run")

    assert code == 0
    assert "skipped" in out
    assert [path.name for path in workspace.folder.iterdir()] == [".env"]


def test_dry_run_beside_a_running_worker(workspace: Workspace) -> None:
    """It takes no lock."""
    workspace.run("migrate")
    with run_lock(workspace.folder / "syncer.db"):
        assert workspace.run("run", "--once", "--dry-run")[0] == 0


def fingerprints(folder: Path) -> dict[str, str]:
    """Hash every file of a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def wrong_settings(workspace: Workspace) -> None:
    """Settings: two problems at once."""
    (workspace.folder / ".env").write_text("HOST_PHONE=12\nTEMPLATE_ID_CONFIRM=abc\n", encoding="utf-8")


def wrong_login(workspace: Workspace) -> None:
    """Calendly refuses the token."""
    workspace.world.revoked_tokens.add("sandbox-token")


def wrong_key(workspace: Workspace) -> None:
    """EngageLab refuses the key, and there is something to send."""
    workspace.be_born()
    workspace.book()
    workspace.world.key_codes["sandbox-key"] = 2001


def a_folder_that_is_not_there(workspace: Workspace) -> None:
    """The database cannot be made."""
    with (workspace.folder / ".env").open("a", encoding="utf-8") as env:
        env.write("\nSYNCER_DB=nowhere/syncer.db\n")


def garbage(workspace: Workspace) -> None:
    """The database is none."""
    (workspace.folder / "syncer.db").write_bytes(b"not a database at all" * 100)
    (workspace.folder / "syncer.db").chmod(0o600)


def everything_vanished(workspace: Workspace) -> None:
    """A guard refuses an empty listing."""
    invitee = workspace.book()
    workspace.run("run", "--once")
    workspace.world.vanish(workspace.world.invitees[invitee]["event"])


def another_account(workspace: Workspace) -> None:
    """The database belongs to somebody else."""
    with Store(database.open_writable(workspace.folder / "syncer.db")) as store:
        store.bind("https://api.calendly.com/organizations/other", "https://api.calendly.com/users/other", "other")


def nothing_wrong(_: Workspace) -> None:
    """All is well."""


@pytest.mark.parametrize(
    ("prepare", "code", "says"),
    [
        (nothing_wrong, 0, "run.completed"),
        (wrong_login, 1, "CALENDLY_TOKEN"),
        (wrong_key, 1, "gateway.halted"),
        (a_folder_that_is_not_there, 2, "SYNCER_DB"),
        (garbage, 1, "not a database"),
        (wrong_settings, 2, "HOST_PHONE"),
        (another_account, 2, "belongs to"),
        (everything_vanished, 3, "run.refused"),
    ],
)
def test_exit_codes_of_run_once(
    workspace: Workspace, prepare: Callable[[Workspace], None], code: int, says: str
) -> None:
    """Each way a run can end has its code, and the log says why, in the chosen format, with what to do."""
    prepare(workspace)

    got, out, err = workspace.run("run", "--once")

    assert (got, out) == (code, "")
    assert says in err
    assert all(one["event"] for one in events(err))
    assert code == 0 or any(one.get("remedy") or one.get("problems") for one in events(err))


def test_a_second_instance_ends_with_75(workspace: Workspace) -> None:
    """It says who holds the lock, touches nothing, and the first one goes on."""
    workspace.run("migrate")
    with run_lock(workspace.folder / "syncer.db"):
        code, _, err = workspace.run("run", "--once")

    assert code == 75
    assert [one["event"] for one in events(err)] == ["run.skipped"]


def test_force_passes_the_guard(workspace: Workspace) -> None:
    """A person looked and said so."""
    everything_vanished(workspace)

    assert workspace.run("run", "--once", "--force")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--since", "2026-01-01"],
        ["run", "--force"],
        ["run", "--once", "--since", "soon"],
        ["messages", "--state", "lost"],
        ["status", "--max-age", "long"],
        ["resolve", "key"],
        ["nonsense"],
        ["--log-format", "xml", "status"],
    ],
    ids=" ".join,
)
def test_usage_errors_end_with_2(workspace: Workspace, arguments: list[str]) -> None:
    """They name the option and print no traceback."""
    code, out, err = workspace.run(*arguments)

    assert (code, out) == (2, "")
    assert "Error" in err


def test_settings_problems_come_all_at_once_and_for_people_on_a_console(workspace: Workspace) -> None:
    """One line a problem, with the setting's name; never a value of a secret."""
    (workspace.folder / ".env").write_text("CALENDLY_TOKEN=very secret\nHOST_PHONE=12\n", encoding="utf-8")
    (workspace.folder / "syncer.toml").write_text('intervall = "60s"\n', encoding="utf-8")

    code, out, err = workspace.run("--log-format", "console", "run", "--once")

    assert (code, out) == (2, "")
    for name in ("CALENDLY_TOKEN", "ENGAGELAB_DEV_KEY", "ENGAGELAB_DEV_SECRET", "HOST_PHONE", "intervall", "interval"):
        assert name in err
    assert "very secret" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_loop_runs_at_once_survives_a_failed_run_and_stops_on_a_signal(
    workspace: Workspace, number: signal.Signals
) -> None:
    """A 401 at the first run, a booking confirmed by the second, then a signal: exit 0."""
    workspace.be_born()
    workspace.world.faults.fail("/scheduled_events", status=401)
    workspace.book()
    (workspace.folder / "syncer.toml").write_text('interval = "5s"\n', encoding="utf-8")
    process = workspace.start("run")
    deadline = time.monotonic() + 30
    while len(workspace.world.texts) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)

    out, err = process.communicate(timeout=15)

    assert (process.returncode, out) == (0, "")
    assert len(workspace.world.texts) == 2
    names = [one["event"] for one in events(err)]
    assert names.index("run.failed") < names.index("message.sent")


def test_messages_lists_the_outbox_as_json_and_as_a_table(workspace: Workspace) -> None:
    """The keys of the contract; numbers masked unless asked for; oldest first; one state or all."""
    workspace.book()
    workspace.run("run", "--once")

    lines = [json.loads(line) for line in workspace.run("messages", "--json")[1].splitlines()]
    waiting = [json.loads(line) for line in workspace.run("messages", "--json", "--state", "scheduled")[1].splitlines()]
    full = workspace.run("messages", "--json", "--show-numbers")[1]
    table = workspace.run("messages")[1]

    keys = "key rule booking to template params state reason scheduled_at expires_at attempts provider_message_id"
    assert set(keys.split()) <= set(lines[0])
    assert [one["scheduled_at"] for one in lines] == sorted(one["scheduled_at"] for one in lines)
    assert {one["rule"] for one in waiting} == {"reminder-24h", "reminder-1h", "follow-up"}
    assert PHONE in full
    assert PHONE not in table + json.dumps(lines)
    assert "reminder-24h" in table


@pytest.mark.parametrize("what", ["invitee", "event", "last part", "key", "email", "number", "typed number"])
def test_explain_finds_a_booking_by_whatever_a_person_has_at_hand(workspace: Workspace, what: str) -> None:
    """And tells what was sent, what waits, what was skipped, why, and what to type."""
    uri = workspace.book()
    time.sleep(1.1)
    workspace.run("run", "--once")
    asked = {
        "invitee": uri,
        "event": uri.partition("/invitees/")[0],
        "last part": uri.rpartition("/")[2],
        "key": json.loads(workspace.run("messages", "--json")[1].splitlines()[0])["key"],
        "email": "INES.okafor@example.com",
        "number": PHONE,
        "typed number": "+1 312-555-0142",
    }[what]

    code, out, _ = workspace.run("explain", asked)

    assert code == 0
    assert uri in out
    assert f"skipped, {in_words(Reason.BEFORE_BIRTH)}" in out
    assert "syncer cancel" in out
    assert PHONE not in out


def test_explain_says_who_is_missing_from_their_event(workspace: Workspace) -> None:
    """Their texts wait, so a person who asks why must be told."""
    uri = workspace.book(seats=2)
    event = workspace.world.invitees[uri]["event"]
    workspace.run("run", "--once")
    before = workspace.run("explain", uri)[1]
    workspace.world.drop(uri)
    workspace.world.set_location(event, {"type": "physical", "location": "9 Mill Lane"})
    log = workspace.run("run", "--once")[2]

    after = workspace.run("explain", uri)[1]

    assert [row["booking"] for row in map(json.loads, log.splitlines()) if row["event"] == "booking.missing"] == [uri]
    assert "not among its event's invitees" not in before
    assert "not among its event's invitees since" in after


def test_explain_of_nothing_ends_with_1(workspace: Workspace) -> None:
    """It says so."""
    workspace.run("migrate")

    code, _, err = workspace.run("explain", "nobody@example.com")

    assert code == 1
    assert "nobody@example.com" in err


def test_status_is_the_health_probe(workspace: Workspace) -> None:
    """0 after a complete run, 1 before the first, 1 when the last one is too old; works without any secret."""
    workspace.run("migrate")
    before = workspace.run("status")[0]
    workspace.run("run", "--once")
    (workspace.folder / ".env").unlink()
    code, out, _ = workspace.run("status", "--json")
    time.sleep(2.1)
    late = workspace.run("status", "--max-age", "1s")

    assert (before, code, late[0]) == (1, 0, 1)
    assert set(json.loads(out)["messages"]) == set(State)
    assert "too old" in late[1]


@pytest.mark.parametrize(
    ("ahead", "code"),
    [(timedelta(minutes=-6), 1), (timedelta(minutes=-4), 0), (timedelta(minutes=1), 0), (timedelta(minutes=10), 1)],
)
def test_status_by_a_clock_that_may_be_wrong(workspace: Workspace, ahead: timedelta, code: int) -> None:
    """A run in the future was dated by Calendly's clock: this machine's is behind, and then nothing is sent."""
    workspace.run("migrate")
    row = {"id": "r", "outcome": "completed", "error": "", "counts": "{}", "checked": 1}
    wrong = {"id": "w", "outcome": "failed", "error": "the clock", "counts": "{}", "checked": 0}
    with Store(database.open_writable(workspace.folder / "syncer.db")) as store:
        store.record_run(row | dict.fromkeys(("started_at", "ended_at"), utc_text(now() + ahead)))
        store.record_run(wrong | dict.fromkeys(("started_at", "ended_at"), utc_text(now() + timedelta(days=300))))

    got, out, _ = workspace.run("status")

    assert got == code
    assert ("clock" in out.splitlines()[0]) is (ahead > timedelta(minutes=5))
    assert "last run failed: the clock" in out


def test_migrate_lists_and_applies(workspace: Workspace) -> None:
    """Pending before, applied after; twice changes nothing."""
    before = workspace.run("migrate", "--list")
    made = workspace.run("migrate")
    after = workspace.run("migrate", "--list")
    again = workspace.run("migrate")

    assert "0001_initial  pending" in before[1]
    assert "applied 0001_initial" in made[1]
    assert "pending" not in after[1]
    assert "up to date" in again[1]


def test_since_and_until_widen_the_window(workspace: Workspace) -> None:
    """A backfill reads what the lookback would leave out."""
    workspace.world.book(start=now() - timedelta(days=40), phone=PHONE)
    narrow = events(workspace.run("run", "--once")[2])[-1]["events"]
    wide = events(workspace.run("run", "--once", "--since", "2020-01-01", "--until", "2099-01-01T00:00:00Z")[2])[-1][
        "events"
    ]

    assert (narrow, wide) == (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_nobody_can_read_is_no_success(workspace: Workspace, stream: str) -> None:
    """The run itself is done; but it is watched by its log, and a scheduler must not call that green."""
    workspace.run("migrate")
    command = ["run", "--once", *(["--dry-run"] if stream == "stdout" else [])]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = (
            workspace.start(*command, stdout=full) if stream == "stdout" else workspace.start(*command, stderr=full)
        )
        process.communicate(timeout=60)

    assert process.returncode == 1


def test_a_mistake_of_our_own_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it happened and what it was; not what it was about, which may be a person's name."""

    def mistaken(**_: object) -> None:
        msgspec.json.decode("Ines Okafor")

    def ours(**_: object) -> None:
        from_utc_text("Ines Okafor")

    codes = run(mistaken), run(ours)

    first, second = capsys.readouterr().err.splitlines()
    assert codes == (1, 1)
    assert first == "syncer: unexpected DecodeError at cli/__init__.py:" + first.rpartition(":")[2].partition(".")[
        0
    ] + (". Please report this line; the next run tries again")
    assert second.startswith("syncer: unexpected ValueError at model.py:")


def test_version_and_help(workspace: Workspace) -> None:
    """They need no settings."""
    assert workspace.run("--version")[1].startswith("syncer, version ")
    for command in ("run", "check", "messages", "explain", "status", "retry", "cancel", "resolve", "migrate", "demo"):
        code, out, _ = workspace.run(command, "--help")
        assert (code, "Usage" in out) == (0, True)
