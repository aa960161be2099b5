"""Settings that do not hold: every problem by its name, on one line, at once, and never with a secret in it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer import config, rules
from syncer.config import policy, schema, values
from syncer.config.sources import Sources
from syncer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark import ParameterSet

SECRETS = {"CALENDLY_TOKEN": "token-aaa", "ENGAGELAB_DEV_KEY": "key-bbb", "ENGAGELAB_DEV_SECRET": "secret-ccc"}
CASES = Path(__file__).with_name("wrong_settings.txt").read_text(encoding="utf-8")
FILES = {"good": b"x", "blank": b" \n", "huge": b"x" * 9000, "binary": b"\xff\xfe\x00"}
PHONE = 'must be a telephone number such as "+13125550142"'


def problems(
    folder: Path,
    toml: str | None = None,
    *,
    dotenv: str | None = None,
    environ: dict[str, str] | None = None,
    **options: Any,
) -> list[str]:
    """Load what does not hold; the problems as they are printed."""
    if toml is not None:
        (folder / "syncer.toml").write_text(toml, encoding="utf-8")
    if dotenv is not None:
        (folder / ".env").write_text(dotenv, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        config.load(environ=SECRETS if environ is None else environ, folder=folder, **options)
    return [str(problem) for problem in caught.value.problems]


def cases() -> Iterator[ParameterSet]:
    """The cases of wrong_settings.txt, whose first lines say how it is written."""
    for case in CASES.split("\n== ")[1:]:
        name, *lines = case.rstrip("\n").split("\n")
        found: dict[str, list[str]] = {".env| ": [], "env| ": [], "=> ": [], "": []}
        for line in lines:
            start = next(start for start in found if line.startswith(start))
            found[start].append(line.removeprefix(start))
        pairs = (line.split(" ", 1) for line in found["env| "])
        environ = {variable: json.loads(value) for variable, value in pairs}
        toml, dotenv = "\n".join(found[""]), "\n".join(found[".env| "])
        yield pytest.param(toml, dotenv, environ, found["=> "], id=name)


@pytest.mark.parametrize(("toml", "dotenv", "environ", "expected"), list(cases()))
def test_wrong_settings(tmp_path: Path, toml: str, dotenv: str, environ: dict[str, str], expected: list[str]) -> None:
    """Each case is refused with every problem in it, one line each, by the setting's name."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    about_token = any("CALENDLY_TOKEN" in given for given in (dotenv, *environ))
    rest = {name: value for name, value in SECRETS.items() if not (about_token and name == "CALENDLY_TOKEN")}
    expected = [line.replace("{folder}", str(tmp_path)) for line in expected]

    assert problems(tmp_path, toml, dotenv=dotenv, environ=rest | environ) == expected


def test_numbers_too_large_to_print_are_refused_like_others(tmp_path: Path) -> None:
    """More hexadecimal digits than Python prints, and more decimal ones than it reads."""
    printed = "limits.concurrency: must be a whole number from 1 to 64, not a very large number"

    assert problems(tmp_path, f"limits.concurrency = 0x{'f' * 5000}") == [printed]
    assert problems(tmp_path, f"limits.concurrency = {'9' * 5000}")[0].startswith("syncer.toml: is not valid TOML: ")


def test_every_toml_key_has_a_wrong_value_that_is_refused(tmp_path: Path) -> None:
    """A date is right nowhere: each key of the schema, one by one, is refused by its own name."""
    keys = [name for name, _ in schema.meanings()]
    for key in keys:
        table, _, last = key.rpartition(".")
        at = {"hosts": '[hosts."m@x.example"]\n', "rule": "[[rule]]\n"}.get(table, f"[{table}]\n" if table else "")

        found = problems(tmp_path, f"{at}{last} = 1979-05-27")

        name = {"hosts": f'hosts."m@x.example".{last}', "rule": f"rule[1].{last}"}.get(table, key)
        assert [line for line in found if line.startswith(f"{name}: must be ") and "not a date or time" in line], key
    assert len(keys) == 47


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            {"config": "x.toml"},
            ["--config: cannot be read: No such file or directory: {folder}/x.toml. Name a readable TOML file"],
            id="--config",
        ),
        pytest.param(
            {"log_format": "xml", "log_level": ""},
            [
                '--log-format: must be console | json, not "xml"',
                '--log-level: must be debug | info | warning | error, not ""',
            ],
            id="--log-format and --log-level",
        ),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, str], expected: list[str]) -> None:
    """What is wrong on the command line is named as the option it is."""
    given_options: dict[str, Any] = {
        name: tmp_path / value if name == "config" else value for name, value in options.items()
    }

    assert problems(tmp_path, **given_options) == [line.replace("{folder}", str(tmp_path)) for line in expected]


def test_a_dotenv_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A directory in its place, or bytes that are no text, are told; not taken for an empty file."""
    remedy = "Make it a readable text file, or take it away"
    (tmp_path / ".env").mkdir()
    directory = problems(tmp_path)
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").write_bytes(b"A=\xff")

    assert directory == [f".env: cannot be read: Is a directory. {remedy}"]
    assert problems(tmp_path) == [f".env: is not UTF-8. {remedy}"]


def test_all_problems_of_all_sources_come_at_once(tmp_path: Path) -> None:
    """An empty environment beside a wrong file: the three secrets, each with its twin and where to get it, and more."""
    where = "Set it in the environment or in .env, or name a file that holds it in"
    calendly = "Make one at Calendly under Integrations, API and webhooks"
    console = "EngageLab's console shows it under API keys"
    expected = [
        f"CALENDLY_TOKEN: is missing. {where} CALENDLY_TOKEN_FILE. {calendly}",
        f"ENGAGELAB_DEV_KEY: is missing. {where} ENGAGELAB_DEV_KEY_FILE. {console}",
        f"ENGAGELAB_DEV_SECRET: is missing. {where} ENGAGELAB_DEV_SECRET_FILE. {console}",
        f'HOST_PHONE: {PHONE}, not "x"',
        "limits.concurrency: must be a whole number from 1 to 64, not 0",
    ]

    found = problems(tmp_path, "limits.concurrency = 0", dotenv="HOST_PHONE=x", environ={})

    assert sorted(found) == expected
    assert all(line.isprintable() for line in found)


def test_commands_that_reach_no_api_need_no_secrets(tmp_path: Path) -> None:
    """Without `need_secrets`, missing and unreadable secrets are empty, and what is there is read all the same."""
    environ = {"CALENDLY_TOKEN_FILE": "/nowhere", "ENGAGELAB_DEV_KEY": "key-bbb"}

    settings = config.load(environ=environ, folder=tmp_path, need_secrets=False)
    other = problems(tmp_path, environ=environ | {"HOST_PHONE": "x"}, need_secrets=False)

    assert (settings.token, settings.dev_key, settings.dev_secret) == (
        config.Secret(""),
        config.Secret("key-bbb"),
        config.Secret(""),
    )
    assert not settings.token
    assert other == [f'HOST_PHONE: {PHONE}, not "x"']


# Secrets


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    """Neither by the repr, str or format of the settings or of a dict of them, nor of a secret alone."""
    settings = config.load(environ=SECRETS, folder=tmp_path)
    shown = f"{settings!r} {settings!s} {settings.token} {settings.token!r} {dataclasses.asdict(settings)}"

    assert not [value for value in SECRETS.values() if value in shown]
    assert settings.token.reveal() == "token-aaa"


CANARY = "canary123456"


@pytest.mark.parametrize("form", ["{}", "Bearer {}", '"{}"', "x:{}", "{}\n{}", "é{}"])
@pytest.mark.parametrize("place", ["environment", "dotenv", "file"])
def test_no_problem_shows_a_secret(tmp_path: Path, place: str, form: str) -> None:
    """Even when the secret was pasted into every other setting too, and is itself wrong."""
    value = form.replace("{}", CANARY)
    others = {name for name in config.SETTINGS if name.isupper() and name not in SECRETS}
    environ = {name: CANARY for name in others if not name.endswith("_FILE")}
    if place == "file":
        (tmp_path / "secret").write_text(value, encoding="utf-8")
        environ |= {f"{name}_FILE": "secret" for name in SECRETS}
    if place == "environment":
        environ |= dict.fromkeys(SECRETS, value)
    dotenv = "".join(f"{name}='{value}'\n" for name in SECRETS) if place == "dotenv" else ""
    toml = f'interval = "{CANARY}"\n{CANARY} = 1\ncalendly.scope = "{CANARY}"\n[hosts."{CANARY}"]\nphone = "{CANARY}"'
    (tmp_path / CANARY).write_text(toml)

    found = problems(tmp_path, dotenv=dotenv, environ=environ, config=tmp_path / CANARY)

    assert len(found) >= len(others) - len(SECRETS) - 2
    if form == "{}":
        assert not [line for line in found if CANARY in line]
    assert not [line for line in found if value in line or not line.isprintable()]


def test_a_wrong_line_of_dotenv_is_not_repeated(tmp_path: Path) -> None:
    """A quote left open before a secret: the line is named, its content is not."""
    found = problems(tmp_path, dotenv=f'CALENDLY_TOKEN="{CANARY}\n')

    assert found == [".env: line 1 cannot be read: CALENDLY_TOKEN. Write NAME=value, and close every quote"]


def test_secrets_compare_by_value_and_survive_a_copy() -> None:
    """Equal secrets are equal and hash alike, others are not, and a text is no secret."""
    one, same, other = config.Secret("a"), config.Secret("a"), config.Secret("b")

    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "a"
    assert (str(one), repr(config.Secret(""))) == ("Secret(***)", "Secret(empty)")


_leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_keys = st.sampled_from(sorted({part for name in config.SETTINGS for part in name.split(".")})) | st.text(max_size=4)
_tables = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(_keys, _tables, max_size=6))
def test_no_table_whatsoever_is_more_than_a_list_of_problems(raw: dict[str, Any]) -> None:
    """Any shape of tables, lists and values gives a policy or problems on one line each, never another error."""
    sources = Sources({}, Path("/nowhere"))
    tables = schema.read_table(schema.Tables, raw, lambda key: values.dotted("", key), sources.problems)

    made = policy.build(sources, tables, raw)

    assert isinstance(made, rules.Policy)
    assert all(str(problem).isprintable() for problem in sources.error().problems)
