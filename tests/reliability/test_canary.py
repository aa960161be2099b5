"""A canary in each secret and each person: whatever happens, none of them sings in the log or in a command's output.

Real runs and real commands, with everything that can go wrong: both APIs answer with what they were sent, a mistake of
our own raises with a person in its words, the log is at its most talkative, for people and for programs.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW, an_event, an_invitee
from support.cli_workspace import now
from support.fake_clients import FakeCalendly
from support.worker_on_fakes import WorkerOnFakes, a_gateway
from syncer import log
from syncer.config.sources import Secret
from syncer.errors import AccessRefused, CalendlyBusy, NoUsableAnswer, RunHalted, StoreError, SyncerError, Unreadable
from syncer.model import Answer, Location
from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Outcome, Refused
from syncer.sandbox.page import env_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cli_workspace import Workspace
    from syncer.config import Settings
    from syncer.store import Store

PROC = Path("/proc")
TOKEN, KEY, PASSWORD = "canary-token-5e9c", "canary-key-77aa", "canary-secret-1b2d"
NUMBER, OTHER = "+13125559876", "+1 (312) 555-4321"
NAME, EMAIL, ANSWER = "Zebedea Quill", "zebedea.quill@canary.example", "the blue house behind Pier 4"
CANARIES = (TOKEN, KEY, PASSWORD, NUMBER, NUMBER[1:], "312-555-4321", OTHER, "Zebedea", "Quill", EMAIL, ANSWER)
ECHO = f"{NAME} <{EMAIL}> {NUMBER} {OTHER}: {ANSWER} {TOKEN} {KEY} {PASSWORD}"
"""What a careless gateway might quote back, and what a mistake of our own might hold."""
ASKED = f"{EMAIL} {NUMBER} {OTHER} {TOKEN}"
"""The same of Calendly, which is sent no names and no answers."""


def sings(text: str) -> list[str]:
    """The canaries in a text."""
    return [canary for canary in CANARIES if canary.casefold() in text.casefold()]


pytestmark = pytest.mark.usefixtures("as_worded")  # what the gateway said must reach the log to be cut there
OUTCOMES: list[Outcome] = [
    Accepted("1", "2"),
    Refused(f"EngageLab 3002: {ECHO}"),
    NotNow(f"EngageLab 5001: {ECHO}", tries=3),
    NotNow(f"EngageLab 429: {ECHO}", pauses_all=True),
    NotNow(f"EngageLab 4001: {ECHO}", holds_template=True),
    NoAnswer(f"EngageLab HTTP 500: {ECHO}"),
    Halt(f"EngageLab 2002: {ECHO}"),
]
FAULTS: list[tuple[str, Exception]] = [
    *(
        (method, error)
        for method in ("events", "invitees", "event_type")
        for error in (
            AccessRefused(f"Calendly 403: {ASKED}", status=403),
            CalendlyBusy(f"Calendly 503: {ASKED}", status=503),
            NoUsableAnswer(f"cut off after {ASKED}"),
            Unreadable(f"no listing: {ASKED}"),
            ValueError(ECHO),
            KeyError(NUMBER),
            StoreError(f"database: UNIQUE constraint failed for {ASKED}"),
        )
    )
]


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """What was written to stdout and stderr since the last call."""

    def read() -> list[str]:
        said = capfd.readouterr()
        return [*said.out.splitlines(), *said.err.splitlines()]

    return read


def a_stage(settings: Settings, store: Store, rounds: int) -> WorkerOnFakes:
    """A stage whose people are canaries, and that tells the real log."""
    calendly = FakeCalendly()
    for n in range(3):
        event = replace(
            an_event(f"e{rounds}x{n}", start=NOW + timedelta(minutes=59)), location=Location("custom", ANSWER)
        )
        invitee = replace(
            an_invitee(event, text_reminder_number=NUMBER, created_at=NOW, email=EMAIL),
            name=NAME,
            first_name="Zebedea",
            last_name="Quill",
            answers=(Answer("Mobile number", OTHER), Answer("Where?", ANSWER)),
        )
        calendly.put(event, invitee)
    stage = WorkerOnFakes(settings, store, calendly=calendly, gateway=a_gateway())
    stage.tell = log.tell  # type: ignore[method-assign]  # the real one
    calendly._clock = lambda: stage.now  # else the later runs would find a wrong clock, and send nothing
    return stage


def everything(settings: Settings, store: Store, rounds: int) -> None:
    """Do runs with all outcomes and all faults; whatever they raise is what an operator would be told."""
    for n, (method, error) in enumerate([("", SyncerError("nothing")), *FAULTS]):
        stage = a_stage(settings, store, rounds * 100 + n)
        for m in range(len(OUTCOMES)):
            stage.gateway.answer(OUTCOMES[(n + m) % len(OUTCOMES)])
        if method:
            stage.calendly.fail(method, error, times=9)
        for _ in range(3):
            with suppress(SyncerError, RunHalted):
                stage.run()
            stage.now += timedelta(minutes=1)
        # What was refused for now expires, and says what it waited for.
        late = an_event(f"late{rounds}x{n}", start=stage.now + timedelta(minutes=59))
        stage.calendly.put(late, replace(an_invitee(late, created_at=stage.now), name=NAME, email=EMAIL))
        stage.gateway._script.clear()
        stage.gateway.answer(NotNow(f"EngageLab 5001: {ECHO}"), times=9)
        for pause in (timedelta(), timedelta(hours=2)):
            stage.now += pause
            with suppress(SyncerError, RunHalted):
                stage.run()


@pytest.mark.parametrize("shape", ["json", "console"])
def test_no_canary_in_the_log(
    settings: Callable[..., Settings],
    store: Store,
    lines: Callable[[], list[str]],
    shape: str,
    *,
    full: bool,
    figures: Callable[..., None],
) -> None:
    """At level debug, with the loggers of all libraries open, through all outcomes and faults."""
    made = replace(settings("[limits]\nper_number_per_day = 1000\n"), token=Secret(TOKEN), dev_key=Secret(KEY))
    log.configure(log_format=shape, level="debug", secrets=[TOKEN, KEY, PASSWORD])
    lines()
    for rounds in range(40 if full else 2):
        everything(made, store, rounds)
        logging.getLogger("httpx").info("HTTP Request: GET https://api.calendly.com/?invitee_email=%s", EMAIL)
        logging.getLogger("elsewhere").warning("somebody is %s, %s", NUMBER, TOKEN)
        log.tell("run.failed", reason=ASKED, remedy=NUMBER, error=repr([{"a": TOKEN}]))
    written = lines()

    figures(f"canaries in the log, {shape}", records=len(written), sung=sum(bool(sings(line)) for line in written))
    assert len(written) > (5_000 if full else 250)
    assert [line for line in written if sings(line)] == []


def test_the_test_hears_a_canary(lines: Callable[[], list[str]]) -> None:
    """What the others stand on: without the redactor they sing."""
    log.configure(log_format="json", level="debug")
    lines()
    log.tell("run.failed", reason=f"{TOKEN} {NAME}")

    assert sings(" ".join(lines())) == [TOKEN, "Zebedea", "Quill"]


SHOWN = {"messages --json": {"Zebedea", "Quill"}}
"""What a command shows all the same: the params of each text are in its contract."""
COMMANDS: list[list[str]] = [
    ["run", "--once"],
    ["--log-level", "debug", "--log-format", "console", "run", "--once"],
    ["run", "--once", "--dry-run"],
    ["check"],
    ["status"],
    ["status", "--json"],
    ["messages"],
    ["messages", "--json"],
    ["migrate", "--list"],
    ["retry", "nonsense"],
    ["run", "--since", "yesterday"],
]


@pytest.fixture
def canaries(workspace: Workspace) -> Workspace:
    """A workspace whose only customer and all secrets are canaries; the secrets come by files."""
    lines = [line for line in env_lines(workspace.url) if "TOKEN" not in line and "ENGAGELAB_DEV" not in line]
    secrets = {"CALENDLY_TOKEN": TOKEN, "ENGAGELAB_DEV_KEY": KEY, "ENGAGELAB_DEV_SECRET": PASSWORD}
    for name, secret in secrets.items():
        file = workspace.folder / name.lower()
        file.write_text(f"{secret}\n", encoding="ascii")
        file.chmod(0o600)
        lines.append(f"{name}_FILE={file}")
    (workspace.folder / ".env").write_text("\n".join(lines), encoding="utf-8")
    workspace.run("run", "--once")
    workspace.world.book(
        start=now() + timedelta(days=3), name=NAME, email=EMAIL, phone=NUMBER, answers=[("Where?", ANSWER)]
    )
    return workspace


@pytest.mark.parametrize("good", [False, True], ids=["a wrong login", "a right one"])
def test_no_canary_in_a_commands_output(canaries: Workspace, good: bool, figures: Callable[..., None]) -> None:
    """Nor in what the system shows of the process: secrets come by files, and stay there."""
    if good:
        file = canaries.folder / ".env"
        text = file.read_text(encoding="utf-8") + "\nCALENDLY_TOKEN=sandbox-token\nENGAGELAB_DEV_KEY=sandbox-key\n"
        text = "\n".join(
            line for line in text.splitlines() if not line.startswith(("CALENDLY_TOKEN_", "ENGAGELAB_DEV_"))
        )
        file.write_text(text + "\n" + "\n".join(env_lines(canaries.url)), encoding="utf-8")
    said = {" ".join(command): "".join(canaries.run(*command)[1:]) for command in COMMANDS}
    if good:
        rows = [json.loads(line) for line in canaries.run("messages", "--json")[1].splitlines()]
        assert rows
        for what in (rows[0]["key"], EMAIL, NUMBER):
            said[f"explain {what}"] = "".join(canaries.run("explain", what)[1:])

    sung = {command: set(sings(text)) - SHOWN.get(command, set()) for command, text in said.items()}
    figures(
        f"canaries in commands, {'right' if good else 'wrong'} login",
        commands=len(said),
        sung=sum(map(bool, sung.values())),
    )
    assert {command: found for command, found in sung.items() if found} == {}


@pytest.mark.skipif(not PROC.is_dir(), reason="this system does not show its processes as files")
def test_the_process_shows_no_secret(canaries: Workspace) -> None:
    """Neither its command line nor its environment, while it runs."""
    process = canaries.start("run")
    shown = b""
    try:
        while b"syncer" not in shown and process.poll() is None:  # it is still on its way from here to there
            shown = (PROC / str(process.pid) / "cmdline").read_bytes()
        shown += (PROC / str(process.pid) / "environ").read_bytes()
    finally:
        process.kill()
        process.communicate()

    assert b"PATH=" in shown
    assert sings(shown.decode(errors="replace")) == []
