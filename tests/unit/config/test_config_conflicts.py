"""Settings against each other: what can never send is refused, what will hardly ever send is a warning of `check`."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW, an_event, an_invitee
from support.databases import a_store
from support.repository import ROOT
from support.worker_on_fakes import WorkerOnFakes
from syncer import config, intervals
from syncer.config import conflicts
from syncer.errors import Problem, SettingsError
from syncer.model import State
from syncer.rules import DEFAULT_PARAMS, FIELDS, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syncer.config import Settings

SECRETS = {"CALENDLY_TOKEN": "token-aaa", "ENGAGELAB_DEV_KEY": "key-bbb", "ENGAGELAB_DEV_SECRET": "secret-ccc"}


def look(
    folder: Path, toml: str = "", environ: Mapping[str, str] | None = None
) -> tuple[Settings, list[Problem], list[Problem]]:
    """Load settings; returns them with their problems and warnings."""
    (folder / "syncer.toml").write_text(toml, encoding="utf-8")
    problems: list[Problem] = []
    warnings: list[Problem] = []
    loaded = config.load(
        environ={**SECRETS, **(environ or {})}, folder=folder, problems=problems, warnings=warnings, need_secrets=True
    )
    return loaded, problems, warnings


def rule(on: str, more: str = "", *, name: str = "r") -> str:
    """Write a rule."""
    return f'[[rule]]\nname = "{name}"\non = "{on}"\ntemplate = "1"\n{more}\n'


HOST = {"HOST_PHONE": "+13125550142"}
TEMPLATES = {"TEMPLATE_ID_CONFIRM": "1", "TEMPLATE_ID_REMINDER": "3"}

IMPOSSIBLE = [
    pytest.param("rule = []", {}, "rule: is an empty list: nothing could ever be sent", id="no rules on purpose"),
    pytest.param(
        f'horizon = "2d"\n{rule("before_start", """offset = "3d" """)}',
        {},
        'horizon: 48h is shorter than the offset of rule "r" (3d)',
        id="a reminder beyond the horizon",
    ),
    pytest.param(
        'horizon = "24h"\n' + rule("before_start", 'offset = "25h"\nlate = "send"'),
        {},
        'horizon: 24h is shorter than the offset of rule "r" (25h)',
        id="a reminder just beyond the horizon, also where late ones are sent",
    ),
    pytest.param(
        rule("before_start", 'offset = "30s"'), {}, 'rule "r": offset: 30s is too short', id="half a minute before"
    ),
    pytest.param(
        rule("booked", 'params = { a = "{offset}" }'),
        {},
        'rule "r": params.a: {offset} is always empty with on = "booked" and no offset',
        id="{offset} of a booking without one",
    ),
    pytest.param(
        rule("after_end", 'params = { a = "{offset}" }'),
        {},
        'rule "r": params.a: {offset} is always empty with on = "after_end" and no offset',
        id="{offset} at the very end",
    ),
    pytest.param(
        rule("canceled", 'params = { a = "in {offset|x}" }'),
        {},
        'rule "r": params.a: {offset} is always empty with on = "canceled". It is for "booked" or "before_start" or'
        ' "after_end"; take it out',
        id="{offset} of a cancellation, with a default",
    ),
    pytest.param(
        rule("no_show", 'params = { a = "{name}", b = "{reason}" }'),
        {},
        'rule "r": params.b: {reason} is always empty with on = "no_show". It is for "canceled" or "rescheduled"',
        id="{reason} of a no-show",
    ),
    pytest.param(
        rule("booked", 'to = "host"'),
        {},
        'HOST_PHONE: rule "r" texts the host, and no host has a number. Set HOST_PHONE, or phone in [hosts]',
        id="a host without number",
    ),
    pytest.param(
        "",
        {"TEMPLATE_ID_HOST_NOTIFY": "5"},
        'HOST_PHONE: rule "host" texts the host, and no host has a number',
        id="the built-in host text without number",
    ),
    pytest.param(
        rule("reassigned", 'to = "former_host"'),
        HOST,
        'hosts: rule "r" texts the former host, and no host has a number of their own',
        id="a former host has no fallback",
    ),
    pytest.param(
        rule("canceled", 'canceled_by = "invitee"'),
        {},
        'rule "r": canceled_by: "invitee" is who the rule texts, and whoever canceled gets no text',
        id="a text to who canceled themselves",
    ),
    pytest.param(
        rule("canceled", 'to = "host"\ncanceled_by = "host"'),
        HOST,
        'rule "r": canceled_by: "host" is who the rule texts',
        id="a text to the host who canceled",
    ),
    pytest.param(
        f'settle = "10m"\n{rule("canceled", """max_lateness = "10m" """)}',
        {},
        'rule "r": max_lateness: 10m is over before a cancellation has settled (10m)',
        id="a cancellation that settles when it is too late",
    ),
    pytest.param(
        rule("booked", 'max_lateness = "59s"'),
        {},
        'rule "r": max_lateness: must be a duration from 1m to 30d, not "59s". Write at least "1m"',
        id="a life of less than a minute",
    ),
    pytest.param(
        "phones.sources = []", TEMPLATES, "phones.sources: is an empty list. Fill it in or leave it out", id="no source"
    ),
    pytest.param(
        'quiet_hours = { from = "00:00", to = "00:00" }',
        TEMPLATES,
        "quiet_hours.to: must differ from quiet_hours.from",
        id="quiet all day",
    ),
]


@pytest.mark.parametrize(("toml", "environ", "expected"), IMPOSSIBLE)
def test_what_can_never_send_is_refused(tmp_path: Path, toml: str, environ: dict[str, str], expected: str) -> None:
    """One problem, by the name of the setting, with what to do."""
    _, problems, _ = look(tmp_path, toml, environ)

    with pytest.raises(SettingsError) as caught:
        config.load(environ=SECRETS | environ, folder=tmp_path)
    assert [str(problem).startswith(expected) for problem in problems] == [True], problems
    assert list(caught.value.problems) == problems
    assert all(problem.remedy for problem in problems)


DOUBTFUL = [
    pytest.param(
        'horizon = "12h"',
        {"TEMPLATE_ID_REMINDER": "3"},
        'horizon: 12h is shorter than the offset of rule "reminder-24h" (24h). A booking is only seen when the text is'
        ' late. Write at least "24h", or "none"',
        id="a built-in reminder beyond the horizon",
    ),
    pytest.param("", {}, "rule: no rule is on: nothing is sent. Set a TEMPLATE_ID_* variable", id="no rule"),
    pytest.param(
        rule("booked"),
        TEMPLATES,
        "TEMPLATE_ID_CONFIRM: and 1 more have no effect: with any [[rule]] the built-in rules are off",
        id="templates beside rules",
    ),
    pytest.param(
        rule("booked", 'max_lateness = "10m"'),
        {},
        'rule "r": max_lateness: 10m is less than a restart or a short outage may take. Write at least "15m"',
        id="a short life",
    ),
    pytest.param(
        f'interval = "1h"\n{rule("booked", """max_lateness = "30m" """)}',
        {},
        'rule "r": max_lateness: 30m is shorter than the interval (1h): most of its texts are too late',
        id="a life shorter than the interval",
    ),
    pytest.param(
        f'interval = "1h"\n{rule("before_start", """offset = "10m" """)}',
        {},
        'rule "r": offset: 10m is shorter than the interval (1h)',
        id="a reminder between two runs",
    ),
    pytest.param(
        f'interval = "14m"\nsettle = "10m"\n{rule("canceled", """max_lateness = "20m" """)}',
        {},
        'rule "r": max_lateness: 20m is shorter than the interval (14m) and settle (10m)',
        id="a cancellation that settles, and an interval",
    ),
    pytest.param(
        rule("no_show", 'max_lateness = "2h"'),
        {},
        'rule "r": max_lateness: 2h is short: a mark may be seen 6h after it was made',
        id="a mark that is seen late",
    ),
    pytest.param(
        f'quiet_hours = {{ from = "21:00", to = "08:00" }}\n{rule("booked", "quiet_hours = true")}',
        {},
        'rule "r": max_lateness: 6h is shorter than the quiet hours (11h): what is due between 21:00 and 02:00 is never'
        ' sent. Write at least "11h", or quiet_hours = false',
        id="a confirmation that dies at night",
    ),
    pytest.param(
        'quiet_hours = { from = "08:00", to = "21:00" }',
        TEMPLATES,
        "quiet_hours: from 08:00 to 21:00 are 13h a day (swapped?). For the other half of the day write",
        id="quiet hours that are swapped",
    ),
    pytest.param(
        'quiet_hours = { from = "21:00", to = "08:00" }',
        {"TEMPLATE_ID_CONFIRM": "1"},
        "quiet_hours: no rule obeys them: texts leave at night, too",
        id="quiet hours that nobody obeys",
    ),
    pytest.param(
        rule("before_start", 'offset = "1h"\nquiet_hours = true'),
        {},
        'rule "r": quiet_hours: there are no quiet hours. Write [quiet_hours]',
        id="quiet hours that are not there",
    ),
    pytest.param(
        'country = "DE"\nphones.allowed_countries = ["US"]',
        TEMPLATES,
        'country: "DE" is not among phones.allowed_countries',
        id="a country that is not allowed",
    ),
    pytest.param(
        'phones.allowed_countries = ["US"]\nlanguages.by_country = { DE = "de" }',
        TEMPLATES,
        "languages.by_country.DE: is not among phones.allowed_countries",
        id="a language of a country that is not allowed",
    ),
    pytest.param(
        '[languages]\nby_country = { DE = "de" }\n[[rule]]\nname = "r"\non = "booked"\n'
        'template = { en = "1", fr = "2" }\n[[rule]]\nname = "x"\non = "canceled"\ntemplate = { en = "1", fr = "2" }\n'
        '[languages.by_event_type]\nx = "fr"',
        {},
        'languages.by_country.DE: no rule has a template in "de": these texts are in another language',
        id="a language without a template",
    ),
    pytest.param(
        '[[rule]]\nname = "r"\non = "booked"\ntemplate = { en = "1", fr = "2" }',
        {},
        'rule "r": template.fr: no setting leads to the language "fr"',
        id="a template that nobody gets",
    ),
    pytest.param(
        'language = "zh-TW"\n[[rule]]\nname = "r"\non = "booked"\ntemplate = { zh-TW = "1", zh-CN = "2" }',
        {},
        'rule "r": template.zh-CN: no setting leads to the language "zh-CN"',
        id="a template of a sister language",
    ),
    pytest.param(
        f'languages.by_event_type = {{ b = "de" }}\n{rule("booked", """event_types = ["a"]""")}',
        {},
        'languages.by_event_type."b": is an event type that no rule is for',
        id="a language of events that no rule is for",
    ),
    pytest.param(
        'language = "it"',
        {"TEMPLATE_ID_CONFIRM": "1"},
        'rule "confirmation": params.name: {name} has no fallback word in "it"',
        id="a name in Italian",
    ),
    pytest.param(
        'languages.by_country = { PL = "pl" }\n' + rule("booked", 'params = { a = "{first_name}" }'),
        {},
        'rule "r": params.a: {first_name} has no fallback word in "pl"',
        id="a first name in Polish",
    ),
    pytest.param(
        f'lookback = "2h"\n{rule("after_end", """offset = "3h" """)}',
        {},
        'lookback: 2h is too short for rule "r": an outage hides ended meetings from it. Write "auto"',
        id="a follow-up beyond the lookback",
    ),
    pytest.param(
        f'lookback = "2h"\n{rule("no_show")}',
        {},
        'lookback: 2h is too short for rule "r": marks are missed',
        id="marks beyond the lookback",
    ),
    pytest.param(
        'horizon = "2d"',
        {"TEMPLATE_ID_CONFIRM": "1"},
        "horizon: who books more than 48h ahead gets no text of confirmation",
        id="confirmations within the horizon only",
    ),
    pytest.param(
        "limits.messages_per_day = 2",
        TEMPLATES,
        "limits.messages_per_day: 2 a day is less than one booking may need: there are 3 rules",
        id="two texts a day",
    ),
    pytest.param(
        "limits.per_number_per_day = 1",
        TEMPLATES,
        "limits.per_number_per_day: 1 in 24 hours is less than one booking needs: reminder-24h, reminder-1h",
        id="one text a number",
    ),
    pytest.param(
        "limits.per_prefix_per_hour = 1\n"
        + rule("before_start", 'offset = "1h"')
        + rule("before_start", 'offset = "30m"', name="s"),
        {},
        "limits.per_prefix_per_hour: 1 in an hour is less than one booking needs: r, s",
        id="one text an hour",
    ),
    pytest.param(
        'interval = "1h"\nlimits.messages_per_run = 1\n' + rule("booked"),
        {},
        'limits.messages_per_run: 1 a run are 6 while a text of rule "r" lives',
        id="small runs",
    ),
    pytest.param(
        "limits.sends_per_second = 0.01",
        TEMPLATES,
        "limits.sends_per_second: a text each 1m40s is less than one a run",
        id="slow sending",
    ),
    pytest.param(
        'max_snapshot_age = "1m"\ncalendly.max_requests_per_minute = 5',
        TEMPLATES,
        "calendly.max_requests_per_minute: only 5 requests fit into max_snapshot_age",
        id="slow reading",
    ),
    pytest.param(
        'interval = "5s"\ncalendly.max_requests_per_minute = 20',
        TEMPLATES,
        "calendly.max_requests_per_minute: 20 a minute are fewer than two requests in an interval",
        id="fewer requests than runs",
    ),
    pytest.param(
        rule("booked") + rule("booked", 'event_types = ["Consultation"]', name="s"),
        {},
        'rule "s": texts the same people on the same occasion as rule "r"',
        id="two confirmations",
    ),
    pytest.param(
        rule("before_start", 'offset = "24h"') + rule("before_start", 'offset = "1d"', name="s"),
        {},
        'rule "s": texts the same people on the same occasion as rule "r"',
        id="one offset in two spellings",
    ),
    pytest.param(
        rule("before_start", 'offset = "60d"'),
        {},
        'rule "r": offset: who books less than 60d ahead gets no text',
        id="a reminder two months ahead",
    ),
    pytest.param(
        f'calendly.scope = "user"\n{rule("reassigned")}',
        {},
        'rule "r": on: with one user\'s events: a meeting that is handed to somebody else is no longer listed',
        id="a hand-over out of sight",
    ),
]


@pytest.mark.parametrize(("toml", "environ", "expected"), DOUBTFUL)
def test_what_will_hardly_ever_send_is_a_warning(
    tmp_path: Path, toml: str, environ: dict[str, str], expected: str
) -> None:
    """It loads, and `check` has one line for it, by the name of the setting, with what to do."""
    loaded, problems, warnings = look(tmp_path, toml, environ)

    assert problems == []
    assert loaded == config.load(environ=SECRETS | environ, folder=tmp_path)
    assert [str(warning).startswith(expected) for warning in warnings] == [True], warnings
    assert all(warning.remedy for warning in warnings)


FINE = [
    pytest.param('horizon = "24h"\n' + rule("before_start", 'offset = "24h"'), {}, id="a reminder at the horizon"),
    pytest.param('horizon = "7d"', TEMPLATES, id="a week's horizon"),
    pytest.param(rule("before_start", 'offset = "1m"'), {}, id="a minute before"),
    pytest.param(
        'interval = "1h"\n' + rule("before_start", 'offset = "1h"'), {}, id="a reminder as long as the interval"
    ),
    pytest.param(rule("booked", 'max_lateness = "15m"'), {}, id="a quarter of an hour"),
    pytest.param(rule("booked", 'offset = "5m"\nparams = { a = "{offset}" }'), {}, id="{offset} of a delay"),
    pytest.param(rule("after_end", 'offset = "5m"\nparams = { a = "{offset}" }'), {}, id="{offset} after the end"),
    pytest.param(rule("canceled", 'params = { a = "{reason|none}" }'), {}, id="{reason} of a cancellation"),
    pytest.param(rule("rescheduled", 'params = { a = "{reason|none}" }'), {}, id="{reason} of a move"),
    pytest.param(rule("canceled", 'canceled_by = "invitee"\nto_canceler = true'), {}, id="who canceled, on purpose"),
    pytest.param(rule("canceled", 'canceled_by = "invitee"\nto = "host"'), HOST, id="the host of who canceled"),
    pytest.param('quiet_hours = { from = "20:00", to = "08:00" }', TEMPLATES, id="twelve quiet hours"),
    pytest.param(
        'quiet_hours = { from = "21:00", to = "08:00" }\n'
        + rule("before_start", 'offset = "1h"\nmax_lateness = "1h"')
        + rule("booked", 'quiet_hours = true\nmax_lateness = "11h"', name="s"),
        {},
        id="reminders and long lives at night",
    ),
    pytest.param('country = "US"\nphones.allowed_countries = ["US"]', TEMPLATES, id="the country is allowed"),
    pytest.param('language = "de-AT"', TEMPLATES, id="a dialect has the word, too"),
    pytest.param('language = "it"\n' + rule("booked", 'params = { a = "{name|Lei}" }'), {}, id="a word for Italian"),
    pytest.param(
        'language = "pt"\n[[rule]]\nname = "r"\non = "booked"\ntemplate = { pt-BR = "1" }', {}, id="one template only"
    ),
    pytest.param(
        'languages.by_country = { IT = "it" }\n[[rule]]\nname = "r"\non = "booked"\ntemplate = { en = "1", it = "2" }\n'
        'params = { a = "{name|…}" }',
        {},
        id="two languages",
    ),
    pytest.param(rule("booked") + rule("booked", 'to = "host"', name="s"), HOST, id="guest and host"),
    pytest.param(
        rule("canceled", 'canceled_by = "host"')
        + rule("canceled", 'canceled_by = "invitee"\nto_canceler = true', name="s"),
        {},
        id="two kinds of cancellation",
    ),
    pytest.param(
        rule("booked", 'event_types = ["a"]') + rule("booked", 'event_types = ["b"]', name="s"),
        {},
        id="two event types",
    ),
    pytest.param(
        "limits.per_number_per_day = 1\n"
        + rule("before_start", 'offset = "48h"')
        + rule("before_start", 'offset = "24h"', name="s"),
        {},
        id="one text a day, a day apart",
    ),
    pytest.param(rule("before_start", 'offset = "60d"\nlate = "send"'), {}, id="late ones are sent"),
    pytest.param("limits.messages_per_day = 3", TEMPLATES, id="three texts a day for three rules"),
    pytest.param(
        'interval = "1h"\nlimits.messages_per_run = 1\n' + rule("booked", 'max_lateness = "10h"'),
        {},
        id="ten texts while one lives",
    ),
    pytest.param('lookback = "2d"\n' + rule("after_end") + rule("no_show", name="s"), {}, id="two days back"),
    pytest.param('interval = "5s"\nlimits.sends_per_second = 0.2', TEMPLATES, id="a text a run"),
]


@pytest.mark.parametrize(("toml", "environ"), FINE)
def test_what_is_right_beside_the_bounds_is_silent(tmp_path: Path, toml: str, environ: dict[str, str]) -> None:
    """The nearest neighbours of what is refused or warned of."""
    _, problems, warnings = look(tmp_path, toml, environ)

    assert (problems, warnings) == ([], [])


def test_a_setting_that_is_wrong_by_itself_has_one_line(tmp_path: Path) -> None:
    """What it stands for instead is a default, and nobody is told about that; the others are compared all the same."""
    toml = 'interval = "2h"\nhorizon = "a day"\nsettle = "1h"\nlimits.sends_per_second = 0.01\n'
    toml += rule("canceled", 'max_lateness = "20m"')
    toml += rule("before_start", 'offset = "30d"\nparams = { a = "{reason}" }', name="s")
    _, problems, warnings = look(tmp_path, toml)

    assert [problem.setting for problem in problems] == ["interval", "horizon", "settle", 'rule "s": params.a']
    assert [warning.setting for warning in warnings] == []


def test_no_secret_is_in_a_warning(tmp_path: Path) -> None:
    """Somebody pastes a token for the name of an event type."""
    token = "canary123456"
    toml = f'languages.by_event_type = {{ {token} = "de" }}\n{rule("booked", """event_types = ["a"]""")}'
    _, _, warnings = look(tmp_path, toml, {"CALENDLY_TOKEN": token})

    assert [str(warning).count("***") for warning in warnings] == [1]


@pytest.mark.parametrize("name", sorted(FIELDS))
@pytest.mark.parametrize("on", Trigger)
def test_every_field_of_every_trigger_is_decided(tmp_path: Path, on: Trigger, name: str) -> None:
    """The table of triggers and fields, from its contract: offset and reason are the only ones that are not for all."""
    offset = '\noffset = "1h"' if on in {Trigger.BEFORE_START, Trigger.AFTER_END, Trigger.BOOKED} else ""
    _, problems, _ = look(tmp_path, rule(on, f'params = {{ a = "{{{name}}}" }}{offset}'))
    never = (name == "offset" and not offset) or (
        name == "reason" and on not in {Trigger.CANCELED, Trigger.RESCHEDULED}
    )

    assert [problem.setting for problem in problems] == ['rule "r": params.a'] * never


@pytest.mark.parametrize("on", Trigger)
def test_the_default_params_of_each_trigger_can_be_filled(tmp_path: Path, on: Trigger) -> None:
    """A rule that says nothing of params is never refused for them."""
    offset = 'offset = "1h"' if on is Trigger.BEFORE_START else ""
    loaded, problems, _ = look(tmp_path, rule(on, offset))

    assert problems == []
    assert loaded.policy.rules[0].params == DEFAULT_PARAMS[on]


def examples() -> Iterator[object]:
    """Every example of settings in the documentation and in deploy/: files of variables, TOML files, code blocks."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    yield pytest.param(readme.partition("mode 0600):")[2].split("```")[1].partition("\n")[2], "", id="README.md .env")
    for path in sorted((ROOT / "deploy").rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".env" or path.name == ".env":
            yield pytest.param(path.read_text(encoding="utf-8"), "", id=name)
        elif path.name == "syncer.toml":
            yield pytest.param("", path.read_text(encoding="utf-8"), id=name)
        elif path.suffix == ".md":
            for at, block in enumerate(re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)):
                yield pytest.param("", block, id=f"{name} {at}")


@pytest.mark.parametrize(("variables", "toml"), list(examples()))
def test_no_example_has_a_problem_or_a_warning(tmp_path: Path, variables: str, toml: str) -> None:
    """Whoever copies one hears nothing. One without rules is an overlay: another file of it has them."""
    filled = "\n".join(
        re.sub(r"=…$", "=123456", line.strip()) for line in variables.splitlines() if re.match(r"\s*[A-Z_]+=", line)
    )
    (tmp_path / ".env").write_text(filled, encoding="utf-8")
    _, problems, warnings = look(tmp_path, toml, TEMPLATES if not filled else {})

    assert (problems, warnings) == ([], [])


def test_there_are_examples() -> None:
    """The README's, and at least one of each kind under deploy/."""
    ids = [str(param.id) for param in examples()]  # type: ignore[attr-defined]  # a ParameterSet

    assert len(ids) >= 5
    assert {Path(name.split()[0]).suffix for name in ids} >= {".md", ".env", ".toml"}


def test_the_whole_toml_example_has_no_problem(tmp_path: Path) -> None:
    """Its keys are examples of everything at once, with one rule: nothing in it is impossible."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    _, problems, _ = look(tmp_path, readme.replace("2031…", "2031").replace("2032…", "2032"))

    assert problems == []


# Settings in pairs.

DOMAIN: dict[str, tuple[str, ...]] = {
    'interval = "{}"': ("auto", "5s", "1h"),
    'horizon = "{}"': ("none", "7d", "12h"),
    'lookback = "{}"': ("auto", "1h", "365d"),
    'max_snapshot_age = "{}"': ("15m", "1m", "24h"),
    'settle = "{}"': ("30s", "0s", "10m"),
    'language = "{}"': ("en", "zh-TW", "it"),
    "limits.messages_per_run = {}": ("200", "1", "100000"),
    "limits.per_number_per_day = {}": ("10", "1", "1000"),
    "limits.segments_per_message = {}": ("10", "1", "20"),
    "quiet_hours = {}": ("", '{ from = "21:00", to = "08:00" }', '{ from = "05:00", to = "23:00" }'),
    'offset of the reminder "{}"': ("24h", "1h", "1m"),
    'max_lateness of the rules "{}"': ("", "1m", "30d"),
    "quiet_hours of the rules {}": ("", "true", "false"),
    "template of the rules {}": ('"{}"', '{{ en = "{}" }}', '{{ en = "{}", zh-TW = "{}" }}'),
    "event_types of the rules {}": ("", '["phone CONSULTATION"]', '["Home visit", "Phone consultation"]'),
}


Pair = tuple[tuple[int, str], tuple[int, str]]


def pairwise() -> list[tuple[str, ...]]:
    """Choose few rows that hold every pair of values: greedily, the row with the most new pairs first."""
    columns = list(DOMAIN.values())
    pairs = {
        ((a, x), (b, y))
        for a, b in itertools.combinations(range(len(columns)), 2)
        for x in columns[a]
        for y in columns[b]
    }
    rows = []
    while pairs:
        row: dict[int, str] = dict(min(pairs))
        for at, values in enumerate(columns):
            if at not in row:
                row[at] = max(values, key=partial(_new_pairs, pairs, row, at))
        pairs = {pair for pair in pairs if not _covers(pair, row)}
        rows.append(tuple(row[at] for at in range(len(columns))))
    return rows


def _new_pairs(pairs: set[Pair], row: dict[int, str], at: int, value: str) -> int:
    return sum(_covers(pair, {**row, at: value}) for pair in pairs)


def _covers(pair: Pair, row: dict[int, str]) -> bool:
    return all(row.get(at) == value for at, value in pair)


def toml_of(row: tuple[str, ...]) -> str:
    """Write one row as a file: three rules, on booked, before_start and after_end."""
    settings = dict(zip(DOMAIN, row, strict=True))
    offset, life, quiet, template, types = (settings.pop(key) for key in list(DOMAIN)[-5:])
    lines = [key.format(value) for key, value in settings.items() if value]
    for name, on, ident, more in (
        ("confirmation", "booked", "1001", ""),
        ("reminder", "before_start", "1003", f'offset = "{offset}"'),
        ("follow-up", "after_end", "1004", 'offset = "30m"'),
    ):
        lines += ["[[rule]]", f'name = "{name}"', f'on = "{on}"', f"template = {template.format(ident, ident)}", more]
        lines += [f'max_lateness = "{life}"'] if life else []
        lines += [f"quiet_hours = {quiet}"] if quiet else []
        lines += [f"event_types = {types}"] if types else []
    return "\n".join(lines)


def live(folder: Path, settings: Settings) -> dict[str, State]:
    """Let a meeting be booked, take place and be over; returns what became of each rule's message.

    The meeting is booked six days ahead at 10:31:20 in Chicago, and lasts half an hour. Runs come each `interval`, but
    those in which nothing can be due are left out.
    """
    with a_store(folder / "live.db", now=NOW - timedelta(days=7)) as store:
        stage = WorkerOnFakes(settings, store)
        stage.gateway.known = {ident: stage.gateway.known[ident] for ident in ("1001", "1003", "1004")}
        stage.now = NOW + timedelta(hours=3)
        stage.run()
        booked_at = NOW + timedelta(hours=4, minutes=31, seconds=20)
        event = an_event(start=booked_at + timedelta(days=6))
        stage.calendly.put(event, an_invitee(event, created_at=booked_at))
        over = event.end + timedelta(days=1)
        began = stage.now
        horizon = settings.horizon or timedelta(days=3650)
        interval = intervals.in_force(settings.interval, 1, None)
        while stage.now < over:
            waiting = [m.next_at for m in store.messages(states=[State.SCHEDULED, State.RETRYABLE])]
            moments = [max(moment, stage.now) for moment in waiting]
            moments += [moment for moment in (booked_at, event.start - horizon) if moment > stage.now] or [over] * (
                not waiting
            )
            steps = max(1, -(-(min(moments) - began) // interval), (stage.now - began) // interval + 1)
            stage.now = began + steps * interval
            stage.run()
        return {message.rule: message.state for message in store.messages()}


def test_settings_in_pairs(tmp_path: Path, figures: object) -> None:
    """Every pair of values of 15 settings: each text is sent, or a line about its rule says why not."""
    rows = pairwise()
    counts = {"rows": len(rows), "refused": 0, "warned": 0, "silent": 0, "texts": 0}
    for row in rows:
        toml = toml_of(row)
        settings, problems, warnings = look(tmp_path, toml)
        if problems:
            counts["refused"] += 1
            assert {problem.setting for problem in problems} == {"horizon"}, toml
            continue
        (tmp_path / "live.db").unlink(missing_ok=True)
        states = live(tmp_path, settings)
        sent = [name for name, state in states.items() if state is State.SENT]
        counts["warned" if warnings else "silent"] += 1
        counts["texts"] += len(sent)
        assert set(states) == {"confirmation", "follow-up", "reminder"}
        unsaid = [name for name in states.keys() - set(sent) if not any(name in str(line) for line in warnings)]
        assert unsaid == [], f"{toml}\n{states}"
    figures("settings in pairs", **counts)  # type: ignore[operator]  # the fixture

    assert len(rows) <= 30
    assert counts["silent"] >= 1
    assert counts["texts"] >= counts["warned"] + counts["silent"]


def test_every_check_has_a_case() -> None:
    """No function of the tables is without a case here."""
    text = Path(__file__).read_text(encoding="utf-8")
    count = (
        len(conflicts.IMPOSSIBLE)
        + len(conflicts.IMPOSSIBLE_RULE)
        + len(conflicts.DOUBTFUL)
        + len(conflicts.DOUBTFUL_RULE)
    )

    assert count <= len(IMPOSSIBLE) + len(DOUBTFUL)
    assert text.count("pytest.param(") > count
