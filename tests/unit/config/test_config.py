"""The settings that hold: defaults, the documented example, every other value, the built-in and own rules."""

from __future__ import annotations

import dataclasses
import os
import shutil
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import certifi
import pytest

from syncer import config, rules
from syncer.errors import SettingsError
from syncer.model import Audience

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {"CALENDLY_TOKEN": "token-aaa", "ENGAGELAB_DEV_KEY": "key-bbb", "ENGAGELAB_DEV_SECRET": "secret-ccc"}

EXAMPLE = """
timezone = "UTC"
language = "en"
country  = ""
interval = "auto"
lookback = "auto"
horizon  = "none"
max_snapshot_age = "15m"
settle   = "30s"
reread   = "24h"
fold_accents = true
proxy    = ""
ca_file  = ""
[calendly]
scope = "organization"
max_requests_per_minute = 0
[languages]
by_event_type = { "Erstgespräch" = "de" }
by_country    = { TW = "zh-TW", JP = "ja" }
[hosts]
"mara@northpier.example" = { phone = "+13125550142", timezone = "America/Chicago", language = "en" }
[phones]
sources = ["text_reminder_number", "outbound_call", "question:*"]
allowed_countries = []
allow_landlines = false
[limits]
messages_per_run = 200
messages_per_day = 0
per_number_per_day = 10
concurrency = 8
sends_per_second = 5
[quiet_hours]
from = "21:00"
to   = "08:00"
[retention]
after = "never"
keep_history = "365d"
[[rule]]
name        = "reminder-24h"
on          = "before_start"
offset      = "24h"
to          = "invitee"
template    = "2031460771195412480"
params      = { name = "{first_name}", time = "{start}", advance = "{offset}" }
event_types = ["Phone consultation"]
late        = "skip"
max_lateness = "2h"
quiet_hours = true
on_unknown  = "hold"
to_canceler = false
"""


def load(
    folder: Path,
    toml: str | None = None,
    *,
    dotenv: str | None = None,
    environ: dict[str, str] | None = None,
    **options: Any,
) -> config.Settings:
    """Load from files with this content; an environment that is not given holds the secrets."""
    if toml is not None:
        (folder / "syncer.toml").write_text(toml, encoding="utf-8")
    if dotenv is not None:
        (folder / ".env").write_text(dotenv, encoding="utf-8")
    return config.load(environ=SECRETS if environ is None else environ, folder=folder, **options)


def test_nothing_but_the_secrets_gives_the_documented_defaults(tmp_path: Path) -> None:
    """With the three secrets alone, every other setting has the default of the documentation and no rule is on."""
    expected = config.Settings(
        token=config.Secret("token-aaa"),
        dev_key=config.Secret("key-bbb"),
        dev_secret=config.Secret("secret-ccc"),
        db=tmp_path / "syncer.db",
        calendly_url="https://api.calendly.com",
        engagelab_url="https://smsapi.engagelab.com",
        log_format=None,
        log_level="info",
        config_file=None,
        interval=None,
        lookback=None,
        horizon=None,
        max_snapshot_age=timedelta(minutes=15),
        reread=timedelta(hours=24),
        retention=None,
        keep_history=timedelta(days=365),
        proxy="",
        scope="organization",
        max_requests_per_minute=0,
        messages_per_run=200,
        messages_per_day=0,
        per_prefix_per_hour=0,
        segments_per_message=10,
        concurrency=8,
        sends_per_second=5.0,
        policy=rules.Policy(),
    )

    assert load(tmp_path) == expected


def test_the_documented_example_means_what_it_says(tmp_path: Path) -> None:
    """The whole file of the documentation parses: its shown defaults are the defaults, its examples are read."""
    rule = rules.Rule(
        name="reminder-24h",
        on=rules.Trigger.BEFORE_START,
        templates={"": "2031460771195412480"},
        params={"name": "{first_name}", "time": "{start}", "advance": "{offset}"},
        offset=timedelta(hours=24),
        event_types=frozenset({"Phone consultation"}),
        max_lateness=timedelta(hours=2),
        quiet_hours=True,
    )
    host = rules.HostSettings(phone="+13125550142", timezone="America/Chicago", language="en")
    policy = rules.Policy(
        rules=(rule,),
        timezone_is_set=True,
        languages_by_event_type={"Erstgespräch": "de"},
        languages_by_country={"TW": "zh-TW", "JP": "ja"},
        hosts={"mara@northpier.example": host},
        quiet_hours=rules.QuietHours(time(21), time(8)),
    )
    bare = load(tmp_path)
    expected = dataclasses.replace(bare, policy=policy, config_file=tmp_path / "syncer.toml")

    assert load(tmp_path, EXAMPLE) == expected


def test_other_values_than_the_defaults_arrive_where_they_belong(tmp_path: Path) -> None:
    """Every setting can be changed, and changes the field of its name."""
    toml = """
    timezone = "Asia/Taipei"
    language = "zh_tw"
    country = "tw"
    interval = "1m30s"
    lookback = "2d"
    horizon = "60d"
    max_snapshot_age = "1h"
    settle = "0s"
    reread = "2d"
    fold_accents = false
    proxy = "http://proxy.example.com:3128/"
    ca_file = " ca.pem "
    calendly = { scope = "https://api.calendly.com/users/AAAA-1", max_requests_per_minute = 50 }
    phones = { sources = ["question: Mobile number"], allowed_countries = ["tw", "JP"], allow_landlines = true }
    retention.after = "90d"
    retention.keep_history = "60d"
    hosts."Mara@X.example" = { phone = "0912 345-678" }
    [limits]
    messages_per_run = 1
    messages_per_day = 2
    per_number_per_day = 3
    concurrency = 4
    sends_per_second = 0.5
    """
    plain = load(tmp_path)
    shutil.copy(certifi.where(), tmp_path / "ca.pem")
    policy = rules.Policy(
        timezone="Asia/Taipei",
        timezone_is_set=True,
        language="zh-TW",
        country="TW",
        hosts={"mara@x.example": rules.HostSettings(phone="+886912345678")},
        host_phone="+886912345679",
        phone_sources=("question:Mobile number",),
        allowed_countries=frozenset({"TW", "JP"}),
        allow_landlines=True,
        settle=timedelta(0),
        per_number_per_day=3,
        fold_accents=False,
    )
    expected = dataclasses.replace(
        plain,
        config_file=tmp_path / "syncer.toml",
        interval=timedelta(seconds=90),
        lookback=timedelta(days=2),
        horizon=timedelta(days=60),
        max_snapshot_age=timedelta(hours=1),
        reread=timedelta(days=2),
        retention=timedelta(days=90),
        keep_history=timedelta(days=60),
        proxy="http://proxy.example.com:3128",
        ca_file=tmp_path / "ca.pem",
        scope="https://api.calendly.com/users/AAAA-1",
        max_requests_per_minute=50,
        messages_per_run=1,
        messages_per_day=2,
        concurrency=4,
        sends_per_second=0.5,
        policy=policy,
    )

    assert load(tmp_path, toml, environ=SECRETS | {"HOST_PHONE": "0912345679"}) == expected


@pytest.mark.parametrize("given", ["~/ca.pem", "{folder}/ca.pem", "../{name}/ca.pem"])
def test_a_file_of_certificates_is_found_as_other_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """In the home folder, by its whole path, or relative to the folder; commands that ask nobody do not look at it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = given.format(folder=tmp_path, name=tmp_path.name)
    missing = load(tmp_path, f'ca_file = "{path}"', need_secrets=False).ca_file
    shutil.copy(certifi.where(), tmp_path / "ca.pem")
    found = load(tmp_path, f'ca_file = "{path}"').ca_file

    assert missing is None
    assert found is not None
    assert found.is_absolute()
    assert found.samefile(tmp_path / "ca.pem")


def test_the_tutorials_dotenv_and_a_token_switch_on_the_built_in_rules(tmp_path: Path) -> None:
    """Who followed the webhook tutorial adds CALENDLY_TOKEN and has the built-in rules; its other names are ignored."""
    dotenv = """# from the webhook server
PORT=3000
WEBHOOK_SIGNING_KEY="whatever $PORT"
ENGAGELAB_DEV_KEY=key-bbb
ENGAGELAB_DEV_SECRET="sec$ret${PORT}-ccc"
TEMPLATE_ID_CONFIRM=101
TEMPLATE_ID_CANCEL=102
TEMPLATE_ID_REMINDER=103
TEMPLATE_ID_FOLLOWUP=104
TEMPLATE_ID_HOST_NOTIFY=105
HOST_PHONE=+1 312-555-0177
this line was never read by anybody
CALENDLY_TOKEN=token-aaa
"""
    ids = {"CONFIRM": "101", "CANCEL": "102", "REMINDER": "103", "FOLLOWUP": "104", "HOST_NOTIFY": "105"}
    names = ["confirmation", "cancellation", "reminder-24h", "reminder-1h", "follow-up", "host"]

    settings = load(tmp_path, dotenv=dotenv, environ={})

    assert settings.policy.rules == rules.built_in(ids)
    assert [rule.name for rule in settings.policy.rules] == names
    assert settings.policy.host_phone == "+13125550177"
    assert settings.dev_secret.reveal() == "sec$ret${PORT}-ccc"
    assert "PORT" not in os.environ


def test_own_rules_switch_the_built_in_ones_off_and_take_the_defaults_of_their_kind(tmp_path: Path) -> None:
    """With any [[rule]], TEMPLATE_ID_* switch nothing on; what a rule leaves out depends on what it reacts to."""
    toml = (
        '[[rule]]\nname = "thanks"\non = "after_end"\ntemplate = { en = "1", zh_tw = "2" }\n'
        '[[rule]]\nname = "boss"\non = "booked"\nto = "host"\ntemplate = "3"\noffset = "5m"\nparams = {}\n'
        '[[rule]]\nname = "gone"\non = "canceled"\ntemplate = "4"\nto_canceler = true\non_unknown = "resend"\n'
        '[[rule]]\nname = "soon"\non = "before_start"\noffset = "1h"\nlate = "send"\ntemplate = "5"\n'
        'params = { x = "{answer:Room|Room 2} {join_url|see your e-mail}" }\n'
    )
    name = {"name": "{name}"}
    late = timedelta(hours=6)
    expected = (
        rules.Rule(
            name="thanks",
            on=rules.Trigger.AFTER_END,
            templates={"en": "1", "zh-TW": "2"},
            params=name,
            max_lateness=timedelta(hours=24),
            quiet_hours=True,
        ),
        rules.Rule(
            name="boss",
            on=rules.Trigger.BOOKED,
            to=Audience.HOST,
            templates={"": "3"},
            offset=timedelta(minutes=5),
            max_lateness=late,
        ),
        rules.Rule(
            name="gone",
            on=rules.Trigger.CANCELED,
            templates={"": "4"},
            params=name,
            max_lateness=late,
            on_unknown=rules.OnUnknown.RESEND,
            to_canceler=True,
        ),
        rules.Rule(
            name="soon",
            on=rules.Trigger.BEFORE_START,
            templates={"": "5"},
            params={"x": "{answer:Room|Room 2} {join_url|see your e-mail}"},
            offset=timedelta(hours=1),
            late=rules.Late.SEND,
            max_lateness=timedelta(hours=2),
            quiet_hours=True,
        ),
    )

    environ = SECRETS | {"TEMPLATE_ID_CONFIRM": "101", "HOST_PHONE": "+13125550142"}
    settings = load(tmp_path, toml, environ=environ)

    assert settings.policy.rules == expected


def test_an_empty_list_of_rules_is_a_problem(tmp_path: Path) -> None:
    """`rule = []` may be a wish for no rule at all, or for the built-in ones: nobody knows."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "rule = []", environ=SECRETS | {"TEMPLATE_ID_CONFIRM": "101"})

    assert [str(problem).partition(":")[0] for problem in caught.value.problems] == ["rule"]


@pytest.mark.parametrize("number", ["+13125550142", "+13125550177", "+12125550100", " +1 (212) 555-0100 "])
def test_made_up_numbers_are_numbers(tmp_path: Path, number: str) -> None:
    """The ones set aside for fiction in a real area are used to try things out."""
    expected = number if number.startswith("+") else "+12125550100"

    assert load(tmp_path, environ=SECRETS | {"HOST_PHONE": number}).policy.host_phone == expected


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    """Some editors begin a file with one; neither the TOML file nor `.env` minds."""
    settings = load(tmp_path, '\ufeffinterval = "10s"', dotenv="\ufeffHOST_PHONE=+13125550142")

    assert (settings.interval, settings.policy.host_phone) == (timedelta(seconds=10), "+13125550142")
