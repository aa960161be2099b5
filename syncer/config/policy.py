"""From the tables of the file and the variables to the rules and the policy that planning obeys."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syncer import intervals, rules
from syncer.config import schema, values
from syncer.errors import Problem
from syncer.model import Audience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syncer.config.sources import Sources


PREFIX = "TEMPLATE_ID_"
TEMPLATE_VARIABLES = tuple(name for name in schema.VARIABLES if name.startswith(PREFIX))
"""The variables that switch on the built-in rules."""


def templates_of(sources: Sources) -> frozenset[str]:
    """Name the variables of templates that are set."""
    return frozenset(name for name in TEMPLATE_VARIABLES if sources.raw(name))


def build(sources: Sources, tables: schema.Tables, raw: Mapping[str, Any]) -> rules.Policy:
    """Make the part of the settings that planning obeys."""
    return rules.Policy(
        rules=_rules(sources, tables, raw),
        timezone=tables.timezone,
        timezone_is_set="timezone" in raw,
        language=tables.language,
        languages_by_event_type=tables.languages.by_event_type,
        languages_by_country=tables.languages.by_country,
        country=tables.country,
        hosts=_hosts(sources, tables),
        host_phone=sources.read("HOST_PHONE", lambda given: values.phone(given, tables.country), default=""),
        phone_sources=tables.phones.sources,
        allowed_countries=frozenset(tables.phones.allowed_countries),
        allow_landlines=tables.phones.allow_landlines,
        quiet_hours=_quiet_hours(sources, tables.quiet_hours, raw),
        late_run=max(rules.LATE_RUN, intervals.bounds(tables.interval)[1]),
        settle=tables.settle,
        per_number_per_day=tables.limits.per_number_per_day,
        fold_accents=tables.fold_accents,
    )


def _rules(sources: Sources, tables: schema.Tables, raw: Mapping[str, Any]) -> tuple[rules.Rule, ...]:
    """The rules of the file, else the built-in ones; a wrong template variable is a problem either way."""
    built_in = {
        name.removeprefix(PREFIX): sources.read(name, values.template_id, default="") for name in TEMPLATE_VARIABLES
    }
    made: dict[str, rules.Rule] = {}
    first: dict[str, int] = {}
    rows = raw["rule"] if tables.rule else ()
    for number, (table, given) in enumerate(zip(tables.rule, rows, strict=True), 1):
        if not isinstance(given, dict):
            continue
        sources.problems += _rule_problems(table, given, schema.rule_key(given, number))
        if table.name and first.setdefault(table.name, number) != number:
            taken = f"rule[{first[table.name]}]"
            sources.problem(f"rule[{number}].name", f'"{table.name}" is the name of {taken}, too', "Names are unique")
        if table.on is not None:
            made.setdefault(table.name, _rule_of(table, table.on))
    return tuple(made.values()) if "rule" in raw else rules.built_in(built_in)


def _hosts(sources: Sources, tables: schema.Tables) -> dict[str, rules.HostSettings]:
    """The hosts by their e-mail in lower case, with numbers in E.164."""
    hosts: dict[str, rules.HostSettings] = {}
    for email, table in tables.hosts.items():
        at = values.dotted("hosts", email)
        if "@" not in email:
            sources.problem(at, "is not an e-mail address", 'Write [hosts."mara@example.com"]')
        if email.lower() in hosts:
            sources.problem(at, "is there twice, in another case", "Keep one of the two")
        phone = ""
        if table.phone:
            try:
                phone = values.phone(table.phone, tables.country)
            except values.Wrong as wrong:
                _, message, remedy = wrong.parts[0]
                sources.problem(f"{at}.phone", message, remedy)
        hosts[email.lower()] = rules.HostSettings(phone=phone, timezone=table.timezone, language=table.language)
    return hosts


def _quiet_hours(sources: Sources, table: schema.QuietTable | None, raw: Mapping[str, Any]) -> rules.QuietHours | None:
    """Both ends, or none at all."""
    if table is None:
        return None
    given = raw["quiet_hours"]
    for key, example in (("from", "21:00"), ("to", "08:00")):
        if isinstance(given, dict) and key not in given:
            sources.problem(f"quiet_hours.{key}", "is missing", f'Write for example {key} = "{example}"')
    if table.start is None or table.end is None:
        return None
    if table.start == table.end:
        sources.problem("quiet_hours.to", "must differ from quiet_hours.from", "Leave the table out for no quiet hours")
    return rules.QuietHours(table.start, table.end)


def _rule_problems(table: schema.RuleTable, raw: Mapping[str, Any], name: Callable[[str], str]) -> Iterator[Problem]:
    """Check what one key of a rule demands or forbids of the others."""
    for key, remedy in (
        ("name", 'Give each rule its own, such as "reminder-24h"'),
        ("on", f"Write one of {' | '.join(rules.Trigger)}"),
        ("template", "Write the template id in quotes"),
    ):
        if key not in raw:
            yield Problem(name(key), "is missing", remedy)
    if table.on is None:
        return
    if table.on is rules.Trigger.BEFORE_START and ("offset" not in raw or table.offset == timedelta()):
        yield Problem(name("offset"), "must say how long before the start", 'Write for example "24h"')
    for key, allowed in (
        ("offset", (rules.Trigger.BEFORE_START, rules.Trigger.AFTER_END, rules.Trigger.BOOKED)),
        ("late", (rules.Trigger.BEFORE_START,)),
        ("to_canceler", (rules.Trigger.CANCELED,)),
        ("canceled_by", (rules.Trigger.CANCELED,)),
    ):
        # `to_canceler = false` and `canceled_by = "anyone"` say what is so anyway.
        if raw.get(key, False) not in (False, rules.CanceledBy.ANYONE) and table.on not in allowed:
            places = " or ".join(f'on = "{trigger}"' for trigger in allowed)
            yield Problem(name(key), f'does not go with on = "{table.on}"', f"It is for {places}; leave it out")
    if table.to is Audience.FORMER_HOST and table.on is not rules.Trigger.REASSIGNED:
        yield Problem(name("to"), f'"former_host" does not go with on = "{table.on}"', 'It is for on = "reassigned"')


def _rule_of(table: schema.RuleTable, on: rules.Trigger) -> rules.Rule:
    """Make the rule of a table that holds, with the defaults of its kind."""
    lateness = rules.MAX_LATENESS[on] if table.max_lateness is None else table.max_lateness
    return rules.Rule(
        name=table.name,
        on=on,
        templates=table.template,
        to=table.to,
        params=dict(rules.DEFAULT_PARAMS[on]) if table.params is None else table.params,
        offset=table.offset or timedelta(),
        event_types=None if table.event_types is None else frozenset(table.event_types),
        late=table.late,
        max_lateness=lateness,
        quiet_hours=on in rules.OBEYS_QUIET_HOURS if table.quiet_hours is None else table.quiet_hours,
        on_unknown=table.on_unknown,
        to_canceler=table.to_canceler,
        canceled_by=table.canceled_by,
    )
