"""The documentation names everything that people can type, set, see or meet, on the page that owns it."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import click
import pytest

from support.repository import ROOT
from syncer import config, errors
from syncer.cli import COMMANDS, cli
from syncer.log import EVENTS
from syncer.model import Audience, State
from syncer.reasons import EXPLANATIONS, Reason
from syncer.report import Report
from syncer.rules import FIELDS, CanceledBy, Trigger, built_in

if TYPE_CHECKING:
    from pathlib import Path

PAGES = {
    "commands": "README.md",
    "options": "README.md",
    "settings": "README.md",
    "states": "README.md",
    "reasons": "README.md",
    "events": "README.md",
    "counts": "README.md",
    "fields": "README.md",
    "rules": "README.md",
    "exit codes": "README.md",
    "troubles": "README.md",
}
"""Which page owns each kind of fact. Whoever moves a table to another page changes this line, and no test."""


@cache
def page(kind: str) -> str:
    """Read the page that owns a kind of fact."""
    return (ROOT / PAGES[kind]).read_text(encoding="utf-8")


def toml_example() -> str:
    """Cut the first TOML example out of the page of the settings."""
    return page("settings").partition("```toml\n")[2].partition("```")[0]


def commands() -> list[tuple[str, click.Command]]:
    """All commands with their names."""
    context = click.Context(cli)
    return [(name, command) for name in COMMANDS if (command := cli.get_command(context, name)) is not None]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_table(name: str) -> None:
    """As people type it."""
    assert f"`syncer {name}" in page("commands")


def options() -> list[str]:
    """All options of all commands, as they are typed."""
    parameters = [one for _, command in [*commands(), ("", cli)] for one in command.params]
    return sorted({name for one in parameters for name in one.opts + one.secondary_opts if name.startswith("-")})


@pytest.mark.parametrize("option", options())
def test_every_option_is_named(option: str) -> None:
    """Long options, as they are typed."""
    assert re.search(rf"{re.escape(option)}\b", page("options"))


@pytest.mark.parametrize("command", commands(), ids=lambda pair: pair[0])
def test_every_command_and_option_has_help(command: tuple[str, click.Command]) -> None:
    """`--help` says something about each."""
    assert command[1].help
    assert all(option.help for option in command[1].params if isinstance(option, click.Option))


@pytest.mark.parametrize("name", sorted(config.SETTINGS))
def test_every_setting_is_named(name: str) -> None:
    """Variables in the table, TOML keys in the example, under their table."""
    if name.isupper():
        assert f"`{name}`" in page("settings")
        return
    table, _, key = name.rpartition(".")
    example = toml_example()
    section = example if not table else example.partition(f"[{table}]")[2]
    assert re.search(rf"\b{re.escape(key)}\b", section.partition("\n\n")[0] if table else section)


def test_the_toml_example_is_sound(tmp_path: Path) -> None:
    """It loads as it stands."""
    (tmp_path / "syncer.toml").write_text(
        toml_example().replace("2031…", "2031").replace("2032…", "2032"), encoding="utf-8"
    )

    settings = config.load(environ={}, folder=tmp_path, need_secrets=False)

    assert [rule.name for rule in settings.policy.rules] == ["reminder-24h"]


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_row(state: State) -> None:
    """In the table of the states."""
    assert f"\n| `{state}` |" in page("states")


@pytest.mark.parametrize("reason", EXPLANATIONS)
def test_every_reason_has_its_row(reason: Reason) -> None:
    """With the words that the program has for it."""
    told = EXPLANATIONS[reason]
    table = page("reasons").partition("## Reasons")[2].partition("\n## ")[0].replace("\\|", "|")

    assert f"\n| `{reason}` | {told.sentence} | {told.remedy} |\n" in table


@pytest.mark.parametrize("words", [list(Trigger), list(Audience), list(CanceledBy)], ids=["on", "to", "canceled_by"])
def test_every_word_of_a_rule_is_named(words: list[str]) -> None:
    """In the TOML example, beside its key."""
    example = toml_example().partition("[[rule]]")[2]

    assert [word for word in words if not re.search(rf"\b{word}\b", example)] == []


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_its_level(event: str) -> None:
    """In the table of the events."""
    [row] = [line for line in page("events").splitlines() if f"`{event}`" in line and f"| {EVENTS[event]} |" in line]

    assert row.count("|") == 4


def test_every_error_and_warning_has_a_way_out() -> None:
    """What a person or the next run must act on is in "When it goes wrong"."""
    section = page("troubles").partition("## When it goes wrong")[2].partition("\n## ")[0]
    alarming = {event for event, level in EVENTS.items() if level != "info"} - {"message.retry_scheduled"}

    assert {event for event in alarming if f"`{event}`" not in section} == set()


@pytest.mark.parametrize("count", Report().as_dict())
def test_every_count_is_named(count: str) -> None:
    """Of the canonical line."""
    [row] = [line for line in page("counts").splitlines() if line.startswith("| `run.completed`")]

    assert count in row.split("`")[3].split()


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_field_is_named(field: str) -> None:
    """With its braces."""
    assert f"`{{{field}}}`" in page("fields")


def test_every_built_in_rule_is_named() -> None:
    """With its trigger behind it."""
    variables = ("CONFIRM", "CANCEL", "RESCHEDULE", "REMINDER", "FOLLOWUP", "HOST_NOTIFY")
    rules = built_in(dict.fromkeys(variables, "1"))

    assert [rule.name for rule in rules if f"`{rule.name}`" not in page("rules")] == []


def test_every_exit_code_has_its_row() -> None:
    """Those of the errors, and 0."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SyncerError)]
    codes = {0} | {kind.exit_code for kind in kinds}

    assert {code for code in codes if f"\n| {code} |" not in page("exit codes")} == set()


def test_nothing_in_the_project_names_a_machine_or_a_registry() -> None:
    """No path of a developer's machine, no index address in the lock files."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in listed.stdout.splitlines():
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        if re.search(r"/(home|root|Users)/\w", text) and not name.startswith("tests/"):
            found.append(name)
        if name.endswith(".txt") and "requirements" in name and "://" in text:
            found.append(name)

    assert found == []
