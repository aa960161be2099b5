"""Settings against each other: what can never send, and what will hardly ever send. Pure.

Each check is a function that gives the conflicts it finds. `problems` refuse the settings when they are loaded,
`warnings` are for `syncer check`. A setting alone is checked in `values` and `schema`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

from syncer import intervals
from syncer.model import Audience
from syncer.rules import FIELD, OBEYS_QUIET_HOURS, CanceledBy, Late, Trigger, plain
from syncer.spans import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import time

    from syncer.config import Settings
    from syncer.rules import QuietHours, Rule

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

SHORTEST_LIFE = MINUTE
"""A text that lives shorter than this can never be sent in time."""
SHORT_LIFE = 15 * MINUTE
"""A text that lives shorter than this does not outlast a restart, a slow listing or a short outage."""
LONG_NIGHT = timedelta(hours=12)
"""Quiet hours longer than this are most likely swapped."""
FAR = 30 * DAY
"""Few people book longer ahead than this."""
NEAR = 7 * DAY
"""Many people book longer ahead than this."""
FEW_TEXTS = 10
"""Where no more than so many texts can leave while a text lives, some will be too late."""
NO_SHOW_SEEN = 6 * HOUR
"""A mark of a no-show is seen up to so long after it was made: events are looked at 2 and 8 hours after their end."""
LAST_LOOK = 22 * HOUR
"""When an ended event is looked at for marks of a no-show for the last time, after its end."""
MEETING = timedelta(minutes=30)
"""The length of a meeting where it must be guessed."""

FILLED_ONLY_ON: Mapping[str, frozenset[Trigger]] = {
    "offset": frozenset({Trigger.BEFORE_START, Trigger.AFTER_END, Trigger.BOOKED}),
    "reason": frozenset({Trigger.CANCELED, Trigger.RESCHEDULED}),
}
"""Fields that are always empty on other triggers; all other fields may be filled on each."""
NEEDS_OFFSET = frozenset({Trigger.AFTER_END, Trigger.BOOKED})
"""On these, {offset} is filled only where the rule has an offset."""

NAMES = frozenset({"name", "first_name"})
"""Fields with a fallback word, where a guest has no usable name."""

MEETS = frozenset({Trigger.BOOKED, Trigger.RESCHEDULED, Trigger.CANCELED, Trigger.REASSIGNED})
"""Triggers that react to what happens to a booking at any time before the meeting."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Settings that do not go together.

    Attributes:
        settings: names of those concerned; the first is the one that the line names.
        message: what follows from them.
        remedy: what to write instead.
    """

    settings: tuple[str, ...]
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is checked.

    Attributes:
        settings: all of them, as read.
        raw: the TOML file as it stands.
        templates: names of the `TEMPLATE_ID_*` variables that are set.
    """

    settings: Settings
    raw: Mapping[str, Any] = field(default_factory=dict)
    templates: frozenset[str] = frozenset()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that are on."""
        return self.settings.policy.rules

    @property
    def shortest(self) -> timedelta:
        """The shortest interval that there may be: what is too short even for it, is too short for sure."""
        return intervals.bounds(self.settings.interval)[0]

    @property
    def longest(self) -> timedelta:
        """The longest interval that there may be."""
        return intervals.bounds(self.settings.interval)[1]

    def described(self) -> str:
        """Spell the interval: "60s", or the bounds of an automatic one."""
        return intervals.described(self.settings.interval)


def problems(given: Given) -> Iterator[Conflict]:
    """List what can never send a text."""
    for check in IMPOSSIBLE:
        yield from check(given)
    for rule in given.rules:
        for check_rule in IMPOSSIBLE_RULE:
            yield from check_rule(rule, given)


def warnings(given: Given) -> Iterator[Conflict]:
    """List what will hardly ever send a text, or has no effect. Of what `problems` names it says nothing."""
    for check in DOUBTFUL:
        yield from check(given)
    for rule in given.rules:
        for check_rule in DOUBTFUL_RULE:
            yield from check_rule(rule, given)


def key_of(rule: Rule, key: str) -> str:
    """Spell the name of a rule's setting."""
    return f'rule "{rule.name}": {key}'


def life_of(rule: Rule) -> timedelta:
    """Say how long a text of a rule lives: a reminder only until the meeting begins."""
    return min(rule.max_lateness, rule.offset) if rule.on is Trigger.BEFORE_START else rule.max_lateness


# What can never send.


def _no_rules_on_purpose(given: Given) -> Iterator[Conflict]:
    if given.raw.get("rule") == []:
        yield Conflict(("rule",), "is an empty list: nothing could ever be sent", "Write a [[rule]] or leave it out")


def _hosts_without_number(given: Given) -> Iterator[Conflict]:
    policy = given.settings.policy
    of_hosts = any(host.phone for host in policy.hosts.values())
    for rule in given.rules:
        if rule.to is Audience.HOST and not of_hosts and not policy.host_phone:
            message = f'rule "{rule.name}" texts the host, and no host has a number'
            yield Conflict(("HOST_PHONE", "hosts"), message, "Set HOST_PHONE, or phone in [hosts]")
            return
        if rule.to is Audience.FORMER_HOST and not of_hosts:
            message = f'rule "{rule.name}" texts the former host, and no host has a number of their own'
            yield Conflict(("hosts",), message, "Give them a phone in [hosts]; HOST_PHONE is not used for them")
            return


def _offset_beyond_horizon(rule: Rule, given: Given) -> Iterator[Conflict]:
    """Name a reminder that is due before its booking is seen. Of the built-in ones another may still be in time."""
    if "rule" in given.raw:
        yield from _beyond_horizon(rule, given)


def _built_in_beyond_horizon(rule: Rule, given: Given) -> Iterator[Conflict]:
    if "rule" not in given.raw:
        yield from _beyond_horizon(rule, given)


def _beyond_horizon(rule: Rule, given: Given) -> Iterator[Conflict]:
    horizon = given.settings.horizon
    if rule.on is Trigger.BEFORE_START and horizon is not None and rule.offset > horizon:
        message = f'{text_of(horizon)} is shorter than the offset of rule "{rule.name}" ({text_of(rule.offset)})'
        remedy = f'A booking is only seen when the text is late. Write at least "{text_of(rule.offset)}", or "none"'
        yield Conflict(("horizon", key_of(rule, "offset")), message, remedy)


def _short_reminder(rule: Rule, given: Given) -> Iterator[Conflict]:  # noqa: ARG001  as all checks
    if rule.on is Trigger.BEFORE_START and timedelta() < rule.offset < SHORTEST_LIFE:
        message = f"{text_of(rule.offset)} is too short: the meeting begins before the text can leave"
        yield Conflict((key_of(rule, "offset"),), message, 'Write at least "1m"')


def _never_filled(rule: Rule, given: Given) -> Iterator[Conflict]:  # noqa: ARG001  as all checks
    for variable, text in rule.params.items():
        for name in _fields_of(text):
            triggers = FILLED_ONLY_ON.get(name)
            if triggers is None:
                continue
            if rule.on not in triggers:
                message = f'{{{name}}} is always empty with on = "{rule.on}"'
                places = " or ".join(f'"{on}"' for on in Trigger if on in triggers)
                remedy = f"It is for {places}; take it out"
            elif name == "offset" and rule.on in NEEDS_OFFSET and not rule.offset:
                message = f'{{{name}}} is always empty with on = "{rule.on}" and no offset'
                remedy = 'Write an offset such as offset = "30m", or take it out'
            else:
                continue
            yield Conflict((key_of(rule, f"params.{variable}"), key_of(rule, "offset")), message, remedy)


def _fields_of(text: str, *, without_default: bool = False) -> list[str]:
    """Name the fields of a param."""
    parts = [match[1].partition("|") for match in FIELD.finditer(text)]
    return [name.strip() for name, bar, default in parts if not (without_default and bar and default.strip())]


def _own_cancellation(rule: Rule, given: Given) -> Iterator[Conflict]:  # noqa: ARG001  as all checks
    if rule.on is Trigger.CANCELED and not rule.to_canceler and rule.canceled_by.value == rule.to.value:
        message = f'"{rule.canceled_by}" is who the rule texts, and whoever canceled gets no text'
        remedy = "Write to_canceler = true, or another canceled_by"
        yield Conflict((key_of(rule, "canceled_by"), key_of(rule, "to_canceler")), message, remedy)


def _settles_too_late(rule: Rule, given: Given) -> Iterator[Conflict]:
    settle = given.settings.policy.settle
    if rule.on is Trigger.CANCELED and rule.max_lateness <= settle:
        message = f"{text_of(rule.max_lateness)} is over before a cancellation has settled ({text_of(settle)})"
        remedy = f'Write at least "15m", or a shorter settle than "{text_of(settle)}"'
        yield Conflict((key_of(rule, "max_lateness"), "settle"), message, remedy)


IMPOSSIBLE: tuple[Callable[[Given], Iterator[Conflict]], ...] = (_no_rules_on_purpose, _hosts_without_number)
IMPOSSIBLE_RULE: tuple[Callable[[Rule, Given], Iterator[Conflict]], ...] = (
    _offset_beyond_horizon,
    _short_reminder,
    _never_filled,
    _own_cancellation,
    _settles_too_late,
)


# What will hardly ever send, or has no effect.


def _no_rule(given: Given) -> Iterator[Conflict]:
    if not given.rules and "rule" not in given.raw:
        yield Conflict(("rule",), "no rule is on: nothing is sent", "Set a TEMPLATE_ID_* variable or write a [[rule]]")


def _idle_templates(given: Given) -> Iterator[Conflict]:
    if given.templates and "rule" in given.raw:
        first, *more = sorted(given.templates)
        message = "has no effect: with any [[rule]] the built-in rules are off"
        if more:
            message = f"and {len(more)} more have no effect: with any [[rule]] the built-in rules are off"
        yield Conflict((first, *more), message, "Write a [[rule]] for it, too, or take it away")


def _long_quiet_hours(given: Given) -> Iterator[Conflict]:
    quiet = given.settings.policy.quiet_hours
    if quiet is None:
        return
    begin, end, night = f"{quiet.start:%H:%M}", f"{quiet.end:%H:%M}", night_of(quiet)
    if night > LONG_NIGHT:
        message = f"from {begin} to {end} are {text_of(night)} a day (swapped?)"
        yield Conflict(("quiet_hours",), message, f'For the other half of the day write from = "{end}", to = "{begin}"')
    if DAY - night < given.longest:
        message = f"only {text_of(DAY - night)} a day are not quiet, less than the interval ({given.described()})"
        yield Conflict(("quiet_hours", "interval"), message, "Make them shorter, or the interval")
    if given.rules and not any(rule.quiet_hours for rule in given.rules):
        message = "no rule obeys them: texts leave at night, too"
        remedy = (
            f"Write quiet_hours = true in a [[rule]]; it is the default on {' and '.join(sorted(OBEYS_QUIET_HOURS))}"
        )
        yield Conflict(("quiet_hours",), message, remedy)


def night_of(quiet: QuietHours) -> timedelta:
    """Say how long quiet hours are."""
    return (_since_midnight(quiet.end) - _since_midnight(quiet.start)) % DAY


def _since_midnight(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute)


def _countries(given: Given) -> Iterator[Conflict]:
    policy = given.settings.policy
    allowed = policy.allowed_countries
    if not allowed:
        return
    if policy.country and policy.country not in allowed:
        message = f'"{policy.country}" is not among phones.allowed_countries: numbers without a code get no text'
        yield Conflict(("country", "phones.allowed_countries"), message, "Add it there, or leave country out")
    for country in sorted(policy.languages_by_country.keys() - allowed):
        message = "is not among phones.allowed_countries: nobody there is texted"
        yield Conflict((f"languages.by_country.{country}",), message, "Add it there, or take this out")


def _languages_without_template(given: Given) -> Iterator[Conflict]:
    """Name languages that no template is in: their readers get another language without a word."""
    policy = given.settings.policy
    guests = [rule for rule in given.rules if rule.to is Audience.INVITEE]
    hosts = [rule for rule in given.rules if rule.to is not Audience.INVITEE]
    wanted = [("language", policy.language, guests)]
    wanted += [(f"languages.by_country.{key}", tag, guests) for key, tag in policy.languages_by_country.items()]
    wanted += [(f'languages.by_event_type."{key}"', tag, guests) for key, tag in policy.languages_by_event_type.items()]
    wanted += [(f'hosts."{key}".language', host.language, hosts) for key, host in policy.hosts.items() if host.language]
    for name, tag, rules in wanted:
        if rules and not any(_has_template(rule, tag) for rule in rules):
            message = f'no rule has a template in "{tag}": these texts are in another language'
            yield Conflict((name,), message, "Give the rules' template a table with it")


def _has_template(rule: Rule, language: str) -> bool:
    key = _chosen(rule, language, language)
    return not key or _base(key) == _base(language)


def _chosen(rule: Rule, language: str, default: str) -> str:
    """Say under which key the template stands that a language gets; "" = the one for any language."""
    from syncer.recipients import template_for

    return template_for(replace(rule, templates={key: key for key in rule.templates}), language, default)[1]


def _base(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].casefold()


def _types_of_no_rule(given: Given) -> Iterator[Conflict]:
    covered = [rule.event_types for rule in given.rules]
    if not covered or None in covered:
        return
    known = {plain(name) for names in covered if names is not None for name in names}
    for name in given.settings.policy.languages_by_event_type:
        if plain(name) not in known:
            message = "is an event type that no rule is for"
            yield Conflict((f'languages.by_event_type."{name}"',), message, "Add it to the event_types of a rule")


def _short_lookback(given: Given) -> Iterator[Conflict]:
    lookback = given.settings.lookback
    if lookback is None:
        return
    for rule in given.rules:
        needed = {Trigger.AFTER_END: rule.offset + MEETING, Trigger.NO_SHOW: LAST_LOOK + MEETING}.get(rule.on)
        if needed is not None and lookback < needed:
            what = "an outage hides ended meetings from it" if rule.on is Trigger.AFTER_END else "marks are missed"
            message = f'{text_of(lookback)} is too short for rule "{rule.name}": {what}'
            yield Conflict(("lookback", key_of(rule, "offset")), message, 'Write "auto", which fits the rules')
            return


def _short_horizon(given: Given) -> Iterator[Conflict]:
    horizon = given.settings.horizon
    names = [rule.name for rule in given.rules if rule.on in MEETS]
    if horizon is not None and horizon < NEAR and names:
        message = f"who books more than {text_of(horizon)} ahead gets no text of {', '.join(names)}"
        yield Conflict(("horizon",), message, 'Write "none", or at least "7d"')


def _few_a_day(given: Given) -> Iterator[Conflict]:
    most = given.settings.messages_per_day
    if 0 < most < len(given.rules):
        message = f"{most} a day is less than one booking may need: there are {len(given.rules)} rules"
        yield Conflict(("limits.messages_per_day",), message, "Raise it; 0 = no cap")


def _slow_sending(given: Given) -> Iterator[Conflict]:
    settings = given.settings
    apart = timedelta(seconds=1 / settings.sends_per_second)
    if apart > given.shortest:
        message = f"a text each {text_of(apart)} is less than one a run"
        yield Conflict(("limits.sends_per_second", "interval"), message, "Raise it")


def _slow_reading(given: Given) -> Iterator[Conflict]:
    settings = given.settings
    most = settings.max_requests_per_minute
    if not most:
        return
    while_fresh = most * (settings.max_snapshot_age / MINUTE)
    if while_fresh < FEW_TEXTS:
        message = f"only {while_fresh:.0f} requests fit into max_snapshot_age: texts wait for a listing that is too old"
        yield Conflict(("calendly.max_requests_per_minute", "max_snapshot_age"), message, "Raise it; 0 = no cap")
    # An automatic interval follows the cap by itself.
    elif settings.interval is not None and most * (settings.interval / MINUTE) < 2:  # noqa: PLR2004  a listing, and one booking
        message = f"{most} a minute are fewer than two requests in an interval: bookings are read late"
        yield Conflict(("calendly.max_requests_per_minute", "interval"), message, "Raise it; 0 = no cap")


def _same_occasion(given: Given) -> Iterator[Conflict]:
    for first, second in combinations(given.rules, 2):
        if _occasion(first) == _occasion(second) and _overlap(first, second):
            message = f'texts the same people on the same occasion as rule "{first.name}"'
            remedy = "Keep one of the two, or give them different event_types"
            yield Conflict((f'rule "{second.name}"', f'rule "{first.name}"'), message, remedy)


def _occasion(rule: Rule) -> tuple[object, ...]:
    return rule.on, rule.to, rule.offset


def _overlap(first: Rule, second: Rule) -> bool:
    if CanceledBy.ANYONE not in {first.canceled_by, second.canceled_by} and first.canceled_by != second.canceled_by:
        return False
    if first.event_types is None or second.event_types is None:
        return True
    return not {plain(name) for name in first.event_types}.isdisjoint(map(plain, second.event_types))


def _caps_of_one_number(given: Given) -> Iterator[Conflict]:
    settings = given.settings
    cap, names = settings.policy.per_number_per_day, _most_within(given.rules, DAY)
    if len(names) > cap:
        message = f"{cap} in 24 hours is less than one booking needs: {', '.join(names)}"
        yield Conflict(("limits.per_number_per_day",), message, "Raise it")
    cap, names = settings.per_prefix_per_hour, _most_within(given.rules, HOUR)
    if 0 < cap < len(names):
        message = f"{cap} in an hour is less than one booking needs: {', '.join(names)}"
        yield Conflict(("limits.per_prefix_per_hour",), message, "Raise it; 0 = no cap")


def _most_within(rules: Iterable[Rule], span: timedelta) -> list[str]:
    """Name the rules whose texts about one meeting fall into one span of time, at most."""
    moments = []
    for rule in rules:
        if rule.to is Audience.INVITEE and rule.on is Trigger.BEFORE_START:
            moments.append((-rule.offset, rule))
        elif rule.to is Audience.INVITEE and rule.on is Trigger.AFTER_END:
            moments.append((MEETING + rule.offset, rule))
    best: list[Rule] = []
    for moment, first in moments:
        within = [rule for at, rule in moments if moment - span < at <= moment and _overlap(first, rule)]
        best = max(best, within, key=len)
    return [rule.name for rule in best]


def _short_life(rule: Rule, given: Given) -> Iterator[Conflict]:
    interval, life = given.shortest, life_of(rule)
    key = "offset" if life < rule.max_lateness else "max_lateness"
    settles = given.settings.policy.settle if rule.on is Trigger.CANCELED else timedelta()
    if life < interval + settles:
        then = f"the interval ({given.described()})" + (f" and settle ({text_of(settles)})" if settles else "")
        message = f"{text_of(life)} is shorter than {then}: most of its texts are too late"
        yield Conflict((key_of(rule, key), "interval"), message, "Make it longer, or the interval shorter")
    elif rule.max_lateness < SHORT_LIFE:
        message = f"{text_of(rule.max_lateness)} is less than a restart or a short outage may take"
        yield Conflict((key_of(rule, "max_lateness"),), message, 'Write at least "15m"')


def _marks_seen_late(rule: Rule, given: Given) -> Iterator[Conflict]:  # noqa: ARG001  as all checks
    if rule.on is Trigger.NO_SHOW and SHORT_LIFE <= rule.max_lateness < NO_SHOW_SEEN:
        message = f"{text_of(rule.max_lateness)} is short: a mark may be seen {text_of(NO_SHOW_SEEN)} after it was made"
        yield Conflict((key_of(rule, "max_lateness"),), message, f'Write at least "{text_of(NO_SHOW_SEEN)}"')


def _lost_at_night(rule: Rule, given: Given) -> Iterator[Conflict]:
    """Name a rule whose texts die in quiet hours. A reminder may leave before them, other texts cannot."""
    quiet = given.settings.policy.quiet_hours
    if quiet is None or not rule.quiet_hours or rule.on is Trigger.BEFORE_START:
        return
    night = night_of(quiet)
    if rule.max_lateness < night:
        until = (_since_midnight(quiet.end) - rule.max_lateness) % DAY
        message = (
            f"{text_of(rule.max_lateness)} is shorter than the quiet hours ({text_of(night)}):"
            f" what is due between {quiet.start:%H:%M} and {until // HOUR:02}:{until % HOUR // MINUTE:02} is never sent"
        )
        remedy = f'Write at least "{text_of(night)}", or quiet_hours = false'
        yield Conflict((key_of(rule, "max_lateness"), "quiet_hours"), message, remedy)


def _quiet_without_hours(rule: Rule, given: Given) -> Iterator[Conflict]:
    tables = [
        table for table in given.raw.get("rule", ()) if isinstance(table, dict) and table.get("name") == rule.name
    ]
    if given.settings.policy.quiet_hours is None and any(table.get("quiet_hours") is True for table in tables):
        message = "there are no quiet hours"
        yield Conflict((key_of(rule, "quiet_hours"),), message, 'Write [quiet_hours] with from = "21:00", to = "08:00"')


def _far_ahead(rule: Rule, given: Given) -> Iterator[Conflict]:  # noqa: ARG001  as all checks
    skips = rule.on is Trigger.BEFORE_START and rule.late is Late.SKIP
    if rule.offset > FAR and (skips or rule.on is Trigger.BOOKED):
        message = f"who books less than {text_of(rule.offset)} ahead gets no text"
        remedy = 'Write a shorter one, or late = "send"' if skips else "Write a shorter one"
        yield Conflict((key_of(rule, "offset"),), message, remedy)


def _names_without_fallback(rule: Rule, given: Given) -> Iterator[Conflict]:
    from syncer.wording import guest_word

    reached = languages_of(rule, given.settings)
    bare = sorted({tag for tag in reached if not guest_word(_written_in(rule, tag, given))})
    for variable, text in rule.params.items():
        names = [name for name in _fields_of(text, without_default=True) if name in NAMES]
        if bare and names:
            message = f'{{{names[0]}}} has no fallback word in "{bare[0]}": a guest without a usable name gets no text'
            remedy = f"Write {{{names[0]}|…}} with a word of that language"
            yield Conflict((key_of(rule, f"params.{variable}"),), message, remedy)


def _written_in(rule: Rule, language: str, given: Given) -> str:
    from syncer.recipients import template_for

    return template_for(rule, language, given.settings.policy.language)[0]


def languages_of(rule: Rule, settings: Settings) -> list[str]:
    """List the languages that a rule's readers may have by these settings, the default first."""
    policy = settings.policy
    more = [host.language for host in policy.hosts.values() if host.language]
    if rule.to is Audience.INVITEE:
        allowed = policy.allowed_countries
        by_country = [tag for country, tag in policy.languages_by_country.items() if not allowed or country in allowed]
        by_type = [tag for name, tag in policy.languages_by_event_type.items() if rule.covers(name, name)]
        more = [*by_type, *by_country]
    return list(dict.fromkeys([policy.language, *more]))


def _idle_languages(rule: Rule, given: Given) -> Iterator[Conflict]:
    default = given.settings.policy.language
    reached = {_chosen(rule, tag, default) for tag in languages_of(rule, given.settings)}
    for key in rule.templates:
        if key and key not in reached and len(rule.templates) > 1:
            remedy = "Name it in [languages], in a host's settings, or as language"
            yield Conflict((key_of(rule, f"template.{key}"),), f'no setting leads to the language "{key}"', remedy)


def _handed_out_of_sight(rule: Rule, given: Given) -> Iterator[Conflict]:
    scope = given.settings.scope
    if rule.on is Trigger.REASSIGNED and (scope == "user" or "/users/" in scope):
        message = "with one user's events: a meeting that is handed to somebody else is no longer listed"
        yield Conflict((key_of(rule, "on"), "calendly.scope"), message, 'Write calendly.scope = "organization"')


def _small_runs(rule: Rule, given: Given) -> Iterator[Conflict]:
    settings = given.settings
    most = settings.messages_per_run * max(1, life_of(rule) // given.longest)
    if most < FEW_TEXTS:
        lives = f'while a text of rule "{rule.name}" lives (interval: {given.described()})'
        message = f"{settings.messages_per_run} a run are {most} {lives}"
        yield Conflict(("limits.messages_per_run", "interval"), message, "Raise it, or make the interval shorter")


DOUBTFUL: tuple[Callable[[Given], Iterator[Conflict]], ...] = (
    _no_rule,
    _idle_templates,
    _long_quiet_hours,
    _countries,
    _languages_without_template,
    _types_of_no_rule,
    _short_lookback,
    _short_horizon,
    _few_a_day,
    _slow_sending,
    _slow_reading,
    _same_occasion,
    _caps_of_one_number,
)
DOUBTFUL_RULE: tuple[Callable[[Rule, Given], Iterator[Conflict]], ...] = (
    _built_in_beyond_horizon,
    _short_life,
    _marks_seen_late,
    _lost_at_night,
    _quiet_without_hours,
    _far_ahead,
    _names_without_fallback,
    _idle_languages,
    _handed_out_of_sight,
    _small_runs,
)
