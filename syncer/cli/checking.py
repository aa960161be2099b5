"""`syncer check`: everything that must be right, in one pass, a line a fact. Writes nothing, sends nothing.

What is looked at, and in which order: settings, this machine, Calendly, the database, EngageLab. A part that cannot be
looked at, because what it needs is missing, is left out: that it is missing has its own line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.model import Audience

if TYPE_CHECKING:
    from syncer.config import Settings
    from syncer.errors import Problem


class Checklist:
    """Prints a line a fact and remembers whether all were good."""

    def __init__(self) -> None:
        self.failed = 0

    def ok(self, fact: str) -> None:
        """Say what is good."""
        click.echo(f"ok    {fact}")

    def fail(self, fact: str, remedy: str = "") -> None:
        """Say what is bad, and what to do."""
        self.failed += 1
        click.echo(f"FAIL  {fact}" + (f". {remedy}" if remedy else ""))


@click.command()
@pass_app
def check(app: App) -> int:
    """Check settings, this machine, both accounts, the database, and every template."""
    from syncer.cli import check_accounts, check_machine, check_templates

    facts = Checklist()
    problems: list[Problem] = []
    settings = app.settings(problems=problems)
    for problem in problems:
        facts.fail(str(problem))
    if not problems:
        facts.ok(f"settings{f' ({settings.config_file})' if settings.config_file else ''}")
    _check_rules(facts, settings)
    check_machine.check_machine(facts)
    me = check_accounts.check_calendly(facts, settings) if settings.token else None
    check_machine.check_database(facts, settings, me)
    if settings.dev_key and settings.dev_secret:
        check_templates.check_engagelab(facts, settings)
    if problems:
        return 2
    return 1 if facts.failed else 0


def _check_rules(facts: Checklist, settings: Settings) -> None:
    policy = settings.policy
    if not policy.rules:
        facts.fail("rules: none is on", "Set a TEMPLATE_ID_* variable or write a [[rule]]")
        return
    facts.ok(f"rules: {', '.join(rule.name for rule in policy.rules)}")
    to_host = [rule.name for rule in policy.rules if rule.to is Audience.HOST]
    if to_host and not policy.host_phone and not any(host.phone for host in policy.hosts.values()):
        remedy = "Set HOST_PHONE or [hosts]"
        facts.fail(f"HOST_PHONE: rule {to_host[0]} texts the host, whose number is not known", remedy)
    leads_to = {_base(one) for one in languages(settings)}
    for rule in policy.rules:
        for language in rule.templates:
            if language and _base(language) not in leads_to and len(rule.templates) > 1:
                remedy = "Name it in [languages], in a host's settings, or as `language`"
                facts.fail(f"rule {rule.name}, template: no setting leads to the language {language}", remedy)


def languages(settings: Settings) -> list[str]:
    """List the languages that recipients may have by these settings, the default first."""
    policy = settings.policy
    more = [*policy.languages_by_event_type.values(), *policy.languages_by_country.values()]
    more += [host.language for host in policy.hosts.values() if host.language]
    return list(dict.fromkeys([policy.language, *more]))


def _base(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()
