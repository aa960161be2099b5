"""Where settings come from: which level wins, the light path of the log, the table of names, durations, addresses."""

from __future__ import annotations

import re
import string
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer import config

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {"CALENDLY_TOKEN": "token-aaa", "ENGAGELAB_DEV_KEY": "key-bbb", "ENGAGELAB_DEV_SECRET": "secret-ccc"}


def load(folder: Path, *, dotenv: str = "", environ: dict[str, str] | None = None, **options: Any) -> config.Settings:
    """Load with this `.env`; an environment that is not given holds the secrets."""
    (folder / ".env").write_text(dotenv, encoding="utf-8")
    return config.load(environ=SECRETS if environ is None else environ, folder=folder, **options)


@pytest.mark.parametrize(
    ("dotenv", "environ", "options", "expected"),
    [
        pytest.param("", {}, {}, "info", id="nothing gives the default"),
        pytest.param("SYNCER_LOG_LEVEL=error", {}, {}, "error", id=".env beats the default"),
        pytest.param(
            "SYNCER_LOG_LEVEL=error", {"SYNCER_LOG_LEVEL": "debug"}, {}, "debug", id="the environment beats .env"
        ),
        pytest.param("", {"SYNCER_LOG_LEVEL": "debug"}, {"log_level": "WARNING"}, "warning", id="the option beats all"),
        pytest.param(
            "SYNCER_LOG_LEVEL=error",
            {"SYNCER_LOG_LEVEL": ""},
            {},
            "info",
            id="an empty variable of the environment hides .env",
        ),
        pytest.param(
            "", {"SYNCER_LOG_LEVEL": "loud"}, {"log_level": "error"}, "error", id="what is overruled is not looked at"
        ),
    ],
)
def test_precedence_of_variables(
    tmp_path: Path, dotenv: str, environ: dict[str, str], options: dict[str, Any], expected: str
) -> None:
    """Command line over environment over .env over default, in the light path, too."""
    settings = load(tmp_path, dotenv=dotenv, environ=SECRETS | environ, **options)

    assert settings.log_level == expected
    assert config.log_preferences(environ, tmp_path, **options) == (None, expected)


def test_the_toml_file_is_the_options_then_the_variables_then_the_folders(tmp_path: Path) -> None:
    """`--config` beats SYNCER_CONFIG, which beats syncer.toml; relative paths are relative to the folder."""
    for name, interval in (("a.toml", "10s"), ("b.toml", "20s"), ("c.toml", "30s"), ("syncer.toml", "40s")):
        (tmp_path / name).write_text(f'interval = "{interval}"')
    in_dotenv, in_environ = "SYNCER_CONFIG=c.toml", SECRETS | {"SYNCER_CONFIG": "b.toml"}
    found = [
        load(tmp_path),
        load(tmp_path, dotenv=in_dotenv),
        load(tmp_path, environ=in_environ, dotenv=in_dotenv),
        load(tmp_path, environ=in_environ, config=tmp_path / "a.toml", dotenv=in_dotenv),
    ]

    assert [settings.interval for settings in found] == [timedelta(seconds=n) for n in (40, 30, 20, 10)]
    assert [settings.config_file for settings in found] == [
        tmp_path / name for name in ("syncer.toml", "c.toml", "b.toml", "a.toml")
    ]


def test_the_database_is_the_options_then_the_variables(tmp_path: Path) -> None:
    """`--db` beats SYNCER_DB in the environment, which beats the one in .env."""
    dotenv = "SYNCER_DB=state/one.db"
    environ = SECRETS | {"SYNCER_DB": "/var/lib/two.db"}

    assert load(tmp_path, dotenv=dotenv).db == tmp_path / "state/one.db"
    assert str(load(tmp_path, environ=environ).db) == "/var/lib/two.db"
    assert load(tmp_path, environ=environ, db=tmp_path / "three.db").db == tmp_path / "three.db"


@pytest.mark.parametrize(
    ("dotenv", "environ", "expected"),
    [
        pytest.param("CALENDLY_TOKEN=low", {"CALENDLY_TOKEN": "high"}, "high", id="value over value"),
        pytest.param("CALENDLY_TOKEN=low", {"CALENDLY_TOKEN_FILE": "token"}, "in-file", id="file over a lower value"),
        pytest.param("CALENDLY_TOKEN_FILE=token", {"CALENDLY_TOKEN": "high"}, "high", id="value over a lower file"),
        pytest.param("CALENDLY_TOKEN_FILE=token", {}, "in-file", id="a relative file is in the folder"),
        pytest.param("", {"CALENDLY_TOKEN": "", "CALENDLY_TOKEN_FILE": "token"}, "in-file", id="empty beside a file"),
        pytest.param('CALENDLY_TOKEN="a${HOME}b"', {}, "a${HOME}b", id="nothing is interpolated"),
        pytest.param("", {"CALENDLY_TOKEN": " spaced\r"}, "spaced", id="space around a value is dropped"),
        pytest.param("\ufeffCALENDLY_TOKEN=bom", {}, "bom", id="a byte order mark is no part of a name"),
    ],
)
def test_precedence_of_secrets_and_their_files(
    tmp_path: Path, dotenv: str, environ: dict[str, str], expected: str
) -> None:
    """A secret comes from the highest level that has it in either form."""
    (tmp_path / "token").write_bytes(b"in-file\r\n")
    rest = {name: value for name, value in SECRETS.items() if name != "CALENDLY_TOKEN"}

    assert load(tmp_path, dotenv=dotenv, environ=rest | environ).token.reveal() == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://API.example.com/", "https://api.example.com", id="a slash at the end is dropped"),
        pytest.param("https://api.example.com:8443", "https://api.example.com:8443", id="a port is kept"),
        pytest.param("http://127.9.9.9:8080", "http://127.9.9.9:8080", id="all of 127 is loopback"),
        pytest.param("http://[::1]:8080/", "http://[::1]:8080", id="IPv6 loopback"),
        pytest.param("http://localhost:8080", "http://localhost:8080", id="localhost"),
    ],
)
def test_addresses_that_hold(tmp_path: Path, url: str, expected: str) -> None:
    """HTTPS anywhere, http to this machine; normalised without a slash."""
    settings = load(tmp_path, environ=SECRETS | {"CALENDLY_API_URL": url, "ENGAGELAB_API_URL": url})

    assert (settings.calendly_url, settings.engagelab_url) == (expected, expected)


# The light path, the table of names, durations


def test_log_preferences_survive_everything(tmp_path: Path) -> None:
    """They never raise: what is wrong falls back to the default, what is right is kept."""
    (tmp_path / ".env").write_bytes(b"\xff")

    assert config.log_preferences({}, tmp_path / "nowhere") == (None, "info")
    assert config.log_preferences({"SYNCER_LOG_FORMAT": "JSON", "SYNCER_LOG_LEVEL": "loud"}, tmp_path) == (
        "json",
        "info",
    )
    assert config.log_preferences({}, tmp_path, log_format="console", log_level="debug") == ("console", "debug")
    assert config.log_preferences({}, tmp_path, log_format="xml") == (None, "info")


def test_settings_lists_every_variable_and_key_with_its_meaning() -> None:
    """The table for the documentation: dotted keys of tables, hosts and rules, each with a line."""
    some = {"CALENDLY_TOKEN_FILE", "HOST_PHONE", "interval", "limits.concurrency", "quiet_hours.from", "hosts.phone"}
    of_rules = "name on offset to template params event_types late max_lateness quiet_hours on_unknown to_canceler"
    of_rules += " canceled_by"

    assert some <= config.SETTINGS.keys()
    assert [name for name in config.SETTINGS if name.startswith("rule.")] == [f"rule.{key}" for key in of_rules.split()]
    assert all(meaning and "\n" not in meaning for meaning in config.SETTINGS.values())


@given(st.integers(0, 999), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_durations_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    """Any combination of units is their sum, whether or not the empty ones are written."""
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    short = "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"

    assert config.duration("".join(f"{count}{unit}" for count, unit in parts)) == expected
    assert config.duration(short) == expected


@given(st.text(alphabet=string.digits + "dhms -+.٣", max_size=6))
def test_a_text_is_a_duration_or_a_value_error(raw: str) -> None:
    """Nothing but a duration of at least zero, or a ValueError, comes out."""
    if re.fullmatch("([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?", raw) and raw:
        assert config.duration(raw) >= timedelta()
    else:
        with pytest.raises(ValueError, match="must be a duration"):
            config.duration(raw)
