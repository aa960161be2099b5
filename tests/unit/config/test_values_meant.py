"""A wrong value is refused with the very value to write, and that value is then accepted."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer import config
from syncer.config import meant, values
from syncer.errors import SettingsError
from syncer.spans import span_meant, span_of, text_of

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {"CALENDLY_TOKEN": "token-aaa", "ENGAGELAB_DEV_KEY": "key-bbb", "ENGAGELAB_DEV_SECRET": "secret-ccc"}
QUIET = 'quiet_hours = {{ from = {}, to = "07:00" }}'
RULE = '[[rule]]\nname = {}\non = "booked"\ntemplate = "1"'
TRIGGER = '[[rule]]\nname = "r"\non = {}\ntemplate = "1"'
TEMPLATE = '[[rule]]\nname = "r"\non = "booked"\ntemplate = {}'
LIFE = '[[rule]]\nname = "r"\non = "booked"\ntemplate = "1"\nmax_lateness = {}'

CASES = [
    (QUIET, '"8:00"', '"08:00"'),
    (QUIET, '"24:00"', '"00:00"'),
    (QUIET, '"21.00"', '"21:00"'),
    (QUIET, '"9pm"', '"21:00"'),
    (QUIET, '"9:30 PM"', '"21:30"'),
    (QUIET, '"12 a.m."', '"00:00"'),
    (QUIET, '"12pm"', '"12:00"'),
    (QUIET, '"21h30"', '"21:30"'),
    (QUIET, '"2100"', '"21:00"'),
    (QUIET, '"21 Uhr"', '"21:00"'),
    (QUIET, '"21:00:00"', '"21:00"'),
    (QUIET, '" 21:00"', '"21:00"'),
    (QUIET, '"21\uff1a00"', '"21:00"'),
    (QUIET, '"noon"', '"12:00"'),
    (QUIET, "21", '"21:00"'),
    (QUIET, "21:00:00", '"21:00"'),
    ("interval = {}", '"24H"', '"1h"'),
    ("interval = {}", '"1 h"', '"1h"'),
    ("interval = {}", '"60"', '"60s"'),
    ("interval = {}", "60", '"60s"'),
    ("interval = {}", '"1min"', '"1m"'),
    ("interval = {}", '"PT5M"', '"5m"'),
    ("interval = {}", '"0.5h"', '"30m"'),
    ("interval = {}", '"90 seconds"', '"1m30s"'),
    ("interval = {}", '"1s"', '"5s"'),
    (LIFE, '"24H"', '"24h"'),
    (LIFE, '"1 day"', '"24h"'),
    (LIFE, '"1 hour and 30 minutes"', '"1h30m"'),
    (LIFE, '"30m1h"', '"1h30m"'),
    (LIFE, '"1h, 30m"', '"1h30m"'),
    (LIFE, '"1,5h"', '"1h30m"'),
    (LIFE, '"1w"', '"7d"'),
    (LIFE, '"40 days"', '"30d"'),
    ("horizon = {}", '"None"', '"none"'),
    ("horizon = {}", "false", '"none"'),
    ("horizon = {}", '""', '"none"'),
    ("horizon = {}", '"2 weeks"', '"14d"'),
    ("lookback = {}", '"AUTO"', '"auto"'),
    ("retention.after = {}", '"off"', '"never"'),
    ("phones.allow_landlines = {}", '"yes"', "true"),
    ("phones.allow_landlines = {}", '"False"', "false"),
    ("phones.allow_landlines = {}", "0", "false"),
    ("phones.allowed_countries = {}", '"TW"', '["TW"]'),
    ("limits.messages_per_run = {}", '"100"', "100"),
    ("limits.messages_per_run = {}", "100.0", "100"),
    ("limits.sends_per_second = {}", '"0,5"', "0.5"),
    ("country = {}", '"Taiwan"', '"TW"'),
    ("country = {}", '"USA"', '"US"'),
    ("country = {}", '"+886"', '"TW"'),
    ("country = {}", '"UK"', '"GB"'),
    ("language = {}", '"jp"', '"ja"'),
    ("language = {}", '"german"', '"de"'),
    ("language = {}", '"Deutsch"', '"de"'),
    ("language = {}", '"de_AT.UTF-8"', '"de-AT"'),
    ("timezone = {}", '"W. Europe Standard Time"', '"Europe/Berlin"'),
    ("timezone = {}", '"europe/berlin"', '"Europe/Berlin"'),
    (RULE, '"Reminder 24h"', '"reminder-24h"'),
    (RULE, '"my_rule"', '"my-rule"'),
    (TRIGGER, '"Booked"', '"booked"'),
    (TRIGGER, '"no show"', '"no_show"'),
    (TRIGGER, '"after-end"', '"after_end"'),
    (TEMPLATE, '"2031 4607 7119"', '"203146077119"'),
    (TEMPLATE, "\"'203146'\"", '"203146"'),
    (TEMPLATE, "2031460771195412480", '"2031460771195412480"'),
    ("engagelab.number_format = {}", '"E.164"', '"e164"'),
    ("engagelab.number_format = {}", '"digit"', '"digits"'),
]


@pytest.mark.parametrize(("toml", "wrong", "right"), CASES, ids=[f"{case[0][:18]} {case[1]}" for case in CASES])
def test_the_remedy_is_the_value_to_write(tmp_path: Path, toml: str, wrong: str, right: str) -> None:
    """It stands in the remedy, as TOML wants it; written there, it is accepted."""
    (tmp_path / "syncer.toml").write_text(toml.format(wrong), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        config.load(environ=SECRETS, folder=tmp_path)
    [problem] = caught.value.problems
    (tmp_path / "syncer.toml").write_text(toml.format(right), encoding="utf-8")

    assert re.search(rf"(?<![\w\"]){re.escape(right)}(?![\w\"])", problem.remedy), problem.remedy
    assert config.load(environ=SECRETS, folder=tmp_path).config_file is not None


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (values.clock_time, "25:00"),
        (values.clock_time, "13pm"),
        (values.clock_time, "late"),
        (values.clock_time, 10**40),
        (values.clock_time, True),
        (values.clock_time, "21:60"),
        (values.span("5s", "1h"), "soon"),
        (values.span("5s", "1h"), "1h1h"),
        (values.span("5s", "1h"), "1 fortnight"),
        (values.country, "Atlantis"),
        (values.country, "+999"),
        (values.language, "klingon of the north"),
        (values.template_id, "your id"),
        (values.rule_name, "!!!"),
    ],
)
def test_what_nobody_can_guess_has_no_guess(read: object, wrong: object) -> None:
    """Refused all the same, without a made-up value."""
    with pytest.raises(values.Wrong) as caught:
        read(wrong)  # type: ignore[operator]  # each is a reader

    assert not re.search(r'^(Write|Did you mean) "', caught.value.parts[0][2])


@given(st.timedeltas(timedelta(), timedelta(days=3650)))
def test_a_written_length_of_time_is_read_again(span: timedelta) -> None:
    """To whole seconds."""
    assert span_of(text_of(span)) == timedelta(seconds=int(span.total_seconds()))


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,7}([.,][0-9]{1,4})? ?[A-Za-z]{1,8}", fullmatch=True))
def test_a_guess_is_never_an_error(text: str) -> None:
    """Whatever is typed: a value that is accepted, or no guess."""
    clock, span = meant.clock(text), span_meant(text)

    assert clock == "" or values.clock_time(clock) is not None
    assert span is None or span_of(text_of(span)) is not None
    assert meant.rule_name(text) == "" or values.rule_name(meant.rule_name(text))
    assert meant.digits(text) == "" or values.template_id(meant.digits(text))


@pytest.mark.parametrize("where", ["environ", "dotenv", "option", "config", "secret"])
def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """No shell has looked at these: `.env`, a unit's environment, `--db=~/x.db`."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "token").write_text("token-ccc", encoding="utf-8")
    (home / "x.toml").write_text('interval = "7s"', encoding="utf-8")
    environ = dict(SECRETS)
    options: dict[str, Path] = {}
    if where == "environ":
        environ["SYNCER_DB"] = "~/x.db"
    elif where == "dotenv":
        (tmp_path / ".env").write_text("SYNCER_DB=~/x.db\n", encoding="utf-8")
    elif where == "option":
        options["db"] = type(tmp_path)("~/x.db")
    elif where == "config":
        environ |= {"SYNCER_CONFIG": "~/x.toml", "SYNCER_DB": "~/x.db"}
    else:
        del environ["CALENDLY_TOKEN"]
        environ |= {"CALENDLY_TOKEN_FILE": "~/token", "SYNCER_DB": "~/x.db"}

    loaded = config.load(environ=environ, folder=tmp_path, **options)  # type: ignore[arg-type]  # paths only

    assert loaded.db == home / "x.db"
    assert loaded.interval == (timedelta(seconds=7) if where == "config" else None)
    assert loaded.token.reveal() == ("token-ccc" if where == "secret" else "token-aaa")
