"""`syncer check`: everything that must be right, in one pass, a line a fact. Writes nothing, sends nothing.

What is looked at, and in which order: settings, this machine, Calendly, the database, EngageLab. A part that cannot be
looked at, because what it needs is missing, is left out: that it is missing has its own line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncer import intervals
from syncer.cli import App, pass_app

if TYPE_CHECKING:
    from syncer.config import Settings
    from syncer.errors import Problem, SyncerError


class Checklist:
    """Prints a line a fact: `ok`, `warn` or `FAIL`.

    `FAIL` is what keeps texts back or gives secrets away; `warn` is what few texts or none depend on.

    Attributes:
        failed: lines with FAIL so far.
        warned: lines with warn so far.
        exit_code: of the worst failure so far.
    """

    def __init__(self) -> None:
        self.failed = 0
        self.warned = 0
        self.exit_code = 0

    def ok(self, fact: str) -> None:
        """Say what is good."""
        click.echo(f"ok    {fact}")

    def warn(self, fact: str, remedy: str = "") -> None:
        """Say what will hardly ever send, or has no effect, and what to do."""
        self.warned += 1
        click.echo(f"warn  {fact}" + (f". {remedy}" if remedy else ""))

    def fail(self, fact: str, remedy: str = "", *, exit_code: int = 1) -> None:
        """Say what is bad, and what to do."""
        self.failed += 1
        self.exit_code = max(self.exit_code, exit_code)
        click.echo(f"FAIL  {fact}" + (f". {remedy}" if remedy else ""))

    def error(self, name: str, error: SyncerError) -> None:
        """Say what is bad by an error; a setting that names the wrong thing ends with 2, as in all commands."""
        self.fail(f"{name}: {error}", error.remedy, exit_code=2 if error.exit_code == 2 else 1)  # noqa: PLR2004


@click.command()
@click.option("--strict", is_flag=True, help="Exit 1 for warnings, too.")
@pass_app
def check(app: App, *, strict: bool) -> int:
    """Check settings, this machine, both accounts, the database, and every template."""
    from syncer.cli import check_accounts, check_machine, check_templates

    facts = Checklist()
    problems: list[Problem] = []
    warnings: list[Problem] = []
    settings = app.settings(problems=problems, warnings=warnings)
    for problem in problems:
        facts.fail(str(problem), exit_code=2)
    for warning in warnings:
        facts.warn(str(warning))
    if not problems:
        facts.ok(f"settings{f' ({settings.config_file})' if settings.config_file else ''}")
    _describe_rules(facts, settings)
    check_machine.check_machine(facts)
    if settings.ca_file is not None:
        check_machine.check_certificates(facts, settings.ca_file)
    me = check_accounts.check_calendly(facts, settings) if settings.token else None
    check_machine.check_database(facts, settings, me)
    if settings.dev_key and settings.dev_secret:
        check_templates.check_engagelab(facts, settings)
    if facts.failed:
        return facts.exit_code
    return 1 if strict and facts.warned else 0


def _describe_rules(facts: Checklist, settings: Settings) -> None:
    """Say which rules are on, and how many texts may leave."""
    if not settings.policy.rules:
        return  # a warning says so
    facts.ok(f"rules: {', '.join(rule.name for rule in settings.policy.rules)}")
    most = settings.messages_per_run * 60 / intervals.bounds(settings.interval)[0].total_seconds()
    pace = f"{most:.0f} a minute" if most >= 1 else f"{most * 60:.0f} an hour"
    every = intervals.described(settings.interval)
    facts.ok(f"limits.messages_per_run: {settings.messages_per_run}, with a run each interval ({every}) at most {pace}")
