"""`syncer check`: everything that must be right, in one pass, a line a fact. Writes nothing, sends nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.errors import SettingsError, SyncerError
from syncer.model import Audience

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncer.calendly import Calendly, Me
    from syncer.config import Settings
    from syncer.engagelab import EngageLab, Template
    from syncer.rules import Rule

ADMINS = frozenset({"owner", "admin"})


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
    """Check settings, both logins, role and scope, the database, the clock, and every template."""
    from syncer.cli.building import a_gateway, a_reader

    facts = Checklist()
    try:
        settings = app.settings()
    except SettingsError as error:
        for problem in error.problems:
            facts.fail(str(problem))
        return error.exit_code
    facts.ok(f"settings{f' ({settings.config_file})' if settings.config_file else ''}")
    _check_rules(facts, settings)
    with a_reader(settings) as calendly:
        me = _check_login(facts, calendly)
        if me is not None:
            _check_scope(facts, settings, calendly, me)
            _check_clock(facts, calendly)
    _check_database(facts, settings, me)
    with a_gateway(settings) as gateway:
        _check_templates(facts, settings, gateway)
    return 1 if facts.failed else 0


def _check_rules(facts: Checklist, settings: Settings) -> None:
    rules = settings.policy.rules
    if not rules:
        facts.fail("rules: none is on", "Set a TEMPLATE_ID_* variable or write a [[rule]]")
        return
    facts.ok(f"rules: {', '.join(rule.name for rule in rules)}")
    to_host = [rule.name for rule in rules if rule.to is Audience.HOST]
    if to_host and not settings.policy.host_phone and not any(host.phone for host in settings.policy.hosts.values()):
        facts.fail(
            f"HOST_PHONE: rule {to_host[0]} texts the host, whose number is not known", "Set HOST_PHONE or [hosts]"
        )


def _check_login(facts: Checklist, calendly: Calendly) -> Me | None:
    try:
        me = calendly.me()
    except SyncerError as error:
        facts.fail(f"CALENDLY_TOKEN: {error}", error.remedy)
        return None
    facts.ok(f"CALENDLY_TOKEN: belongs to {me.uri} of {me.organization}")
    return me


def _check_scope(facts: Checklist, settings: Settings, calendly: Calendly, me: Me) -> None:
    """Check the role, which decides more than it says: without admin rights an organization may list as empty."""
    from syncer.cli.building import now
    from syncer.listing import scope_of

    scope = settings.scope
    try:
        role = calendly.role(me)
    except SyncerError as error:
        facts.fail(f"calendly.scope: the token's role cannot be read: {error}", error.remedy)
        return
    if role not in ADMINS and scope != "user":
        remedy = "Use an owner's or admin's token, or set calendly.scope = \"user\""
        facts.fail(
            f"calendly.scope: {scope} needs the role owner or admin, this token's is {role or 'not known'}", remedy
        )
        return
    try:
        listing = calendly.events(
            scope_of(scope, account=me.organization, user=me.uri), now(), now() + timedelta(days=7)
        )
    except SyncerError as error:
        facts.fail(f"calendly.scope: {scope} cannot be listed: {error}", error.remedy)
        return
    facts.ok(f"calendly.scope: {scope}, role {role}, {len(listing.events)} events in the next 7 days")


def _check_clock(facts: Checklist, calendly: Calendly) -> None:
    from syncer.cli.building import now
    from syncer.run import CLOCK_TOLERANCE

    if calendly.last_date is None:
        return
    off = now() - calendly.last_date
    if abs(off) > CLOCK_TOLERANCE:
        facts.fail(f"clock: {int(off.total_seconds())} s off Calendly's", "Set the clock (timedatectl)")
    else:
        facts.ok("clock: agrees with Calendly's")


def _check_database(facts: Checklist, settings: Settings, me: Me | None) -> None:
    from syncer.store import Store, database

    path = settings.db
    if not path.exists():
        if path.parent.is_dir():
            facts.ok(f"SYNCER_DB: {path} will be made by the first run")
        else:
            facts.fail(f"SYNCER_DB: the folder {path.parent} does not exist", "Create it")
        return
    try:
        with Store(database.open_read_only(path)) as store:
            bound = store.meta("account")
    except SyncerError as error:
        facts.fail(f"SYNCER_DB: {error}", error.remedy)
        return
    if me is not None and bound and bound != me.organization:
        facts.fail(f"SYNCER_DB: {path} belongs to {bound}, the token to {me.organization}", "Name another file")
    else:
        facts.ok(f"SYNCER_DB: {path}, made {store.born_at:%Y-%m-%d %H:%M} UTC")


def _check_templates(facts: Checklist, settings: Settings, gateway: EngageLab) -> None:
    try:
        templates = {template.id: template for template in gateway.templates()}
    except SyncerError as error:
        facts.fail(f"ENGAGELAB_DEV_KEY, ENGAGELAB_DEV_SECRET: {error}", error.remedy)
        return
    facts.ok(f"ENGAGELAB_DEV_KEY, ENGAGELAB_DEV_SECRET: logged in, {len(templates)} templates")
    for rule in settings.policy.rules:
        for ident in dict.fromkeys(rule.templates.values()):
            _check_template(facts, rule, ident, templates)


def _check_template(facts: Checklist, rule: Rule, ident: str, templates: Mapping[str, Template]) -> None:
    from syncer.wording import variables

    name = f"rule {rule.name}, template {ident}"
    template = templates.get(ident)
    if template is None:
        facts.fail(f"{name}: does not exist at EngageLab", "Correct the id (the rule's template or TEMPLATE_ID_*)")
        return
    good = True
    if reason := template.why_not_usable():
        facts.fail(f"{name}: {reason}", "Its messages wait until EngageLab has approved it")
        good = False
    wants, gives = variables(template.content), set(rule.params)
    if holes := sorted(wants - gives):
        remedy = "Fill them in the rule's params, or take them out of the template"
        facts.fail(f"{name}: the rule does not fill {', '.join(holes)}", remedy)
        good = False
    if spare := sorted(gives - wants):
        remedy = "Take them out of the rule's params, or put them into the template"
        facts.fail(f"{name}: the template does not have {', '.join(spare)}", remedy)
        good = False
    if good:
        facts.ok(f"{name}: approved, variables {', '.join(sorted(wants)) or 'none'}")
