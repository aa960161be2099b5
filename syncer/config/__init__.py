"""The settings: command line over environment over `.env` over TOML, and all problems at once.

What single values look like is in `values`, what may stand in the TOML file in `schema`. Nothing here changes the
process's environment: `.env` is read into a mapping of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncer.config import addresses, conflicts, policy, schema, values
from syncer.config.sources import Secret, Sources
from syncer.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from syncer.config.conflicts import Conflict
    from syncer.rules import Policy

SETTINGS: Mapping[str, str] = schema.VARIABLES | dict(schema.meanings())
"""Every setting with its meaning in one line: variables by name, TOML keys dotted ("limits.concurrency", "rule.on")."""

LOG_FORMATS = ("console", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")

duration = values.duration

__all__ = ["LOG_FORMATS", "LOG_LEVELS", "SETTINGS", "Secret", "Settings", "duration", "load", "log_preferences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that syncer is told from outside, checked.

    Attributes:
        token: Calendly's personal access token; empty only without `need_secrets`, as are the next two.
        dev_key: EngageLab's user name of HTTP Basic.
        dev_secret: its password.
        db: the SQLite file, absolute if `folder` was.
        calendly_url: without a slash at the end.
        engagelab_url: likewise.
        log_format: console or json; None = as the terminal decides.
        log_level: debug, info, warning or error.
        config_file: the TOML file that was read, if any.
        interval: from the start of one run of the loop to the next; None = by the account's size, see `intervals`.
        lookback: how far back to read; None = derived from the rules.
        horizon: how far ahead to read; None = all future bookings.
        max_snapshot_age: texts wait while the last complete listing is older.
        reread: every event's invitees are read again at least this often.
        retention: personal data of bookings finished for so long is erased; None = never.
        keep_history: bookings finished for so long are deleted with all their rows; None = never.
        proxy: URL of the proxy for both APIs; "" = none.
        ca_file: certificates to trust besides the public ones, absolute if `folder` was; None = none.
        scope: organization, user, or the URI of a user or group.
        max_requests_per_minute: 0 = follow Calendly's own headers.
        messages_per_day: 0 = no cap.
        number_format: how EngageLab gets a number: e164 (with `+`) or digits. Everywhere else it is E.164.
        policy: who is texted what and when.
    """

    token: Secret
    dev_key: Secret
    dev_secret: Secret
    db: Path
    calendly_url: str
    engagelab_url: str
    log_format: str | None
    log_level: str
    config_file: Path | None
    interval: timedelta | None
    lookback: timedelta | None
    horizon: timedelta | None
    max_snapshot_age: timedelta
    reread: timedelta
    retention: timedelta | None
    keep_history: timedelta | None
    proxy: str
    scope: str
    max_requests_per_minute: int
    messages_per_run: int
    messages_per_day: int
    per_prefix_per_hour: int
    segments_per_message: int
    concurrency: int
    sends_per_second: float
    policy: Policy
    number_format: str = "e164"
    ca_file: Path | None = None


def _word(known: tuple[str, ...]) -> Callable[[object], str]:
    """Make a reader of a variable that takes one of a few words, in any case."""

    def read(raw: object) -> str:
        if (given := str(raw).lower()) in known:
            return given
        raise values.Wrong(f"must be {' | '.join(known)}, not {values.shown(raw)}", values.suggestion(given, known))

    return read


def _log(sources: Sources, log_format: str | None, log_level: str | None) -> tuple[str | None, str]:
    no_format: str | None = None
    return (
        sources.read("SYNCER_LOG_FORMAT", _word(LOG_FORMATS), default=no_format, option=("--log-format", log_format)),
        sources.read("SYNCER_LOG_LEVEL", _word(LOG_LEVELS), default="info", option=("--log-level", log_level)),
    )


def log_preferences(
    environ: Mapping[str, str], folder: Path, *, log_format: str | None = None, log_level: str | None = None
) -> tuple[str | None, str]:
    """Format (None = as the terminal decides) and level of the log, whatever is wrong with them or the rest.

    Never raises: the problems of the settings are to be logged in the format that was asked for.
    """
    return _log(Sources(environ, folder), log_format, log_level)


def _secrets(sources: Sources, *, need_secrets: bool) -> dict[str, Secret]:
    found = {name: sources.secret(name) for name in schema.SECRETS}
    if not need_secrets:
        sources.problems = [p for p in sources.problems if p.setting.removesuffix("_FILE") not in schema.SECRETS]
    return found


def load(
    *,
    environ: Mapping[str, str],
    folder: Path,
    config: Path | None = None,
    db: Path | None = None,
    log_format: str | None = None,
    log_level: str | None = None,
    need_secrets: bool = True,
    problems: list[Problem] | None = None,
    warnings: list[Problem] | None = None,
) -> Settings:
    """Read and check all settings, each alone and against the others.

    Args:
        environ: the environment; only known names are looked at, and it is not changed.
        folder: where `.env` and `syncer.toml` are looked for, and what relative paths are relative to.
        config: option `--config`; it and the next three win over everything else.
        db: option `--db`.
        log_format: option `--log-format`.
        log_level: option `--log-level`.
        need_secrets: False for commands that reach neither API: then secrets that are missing or wrong are empty, and
            `ca_file` is not looked at.
        problems: where to put the problems instead of raising; what is wrong then has its default or is empty.
        warnings: where to put what will hardly ever send a text, or has no effect; None = do not look for it.

    Raises:
        SettingsError: every problem there is; none shows the value of a secret.
    """
    sources = Sources(environ, folder)
    secrets = _secrets(sources, need_secrets=need_secrets)
    chosen = _log(sources, log_format, log_level)
    urls = (
        sources.read("CALENDLY_API_URL", addresses.api_url, default="https://api.calendly.com"),
        sources.read("ENGAGELAB_API_URL", addresses.api_url, default="https://smsapi.engagelab.com"),
    )
    raw, config_file = sources.tables(config)
    tables = schema.read_table(schema.Tables, raw, lambda key: values.dotted("", key), sources.problems)
    settings = _made(
        secrets,
        chosen,
        urls,
        tables,
        db=sources.path(db, "SYNCER_DB") or folder / "syncer.db",
        config_file=config_file,
        ca_file=sources.certificates(tables.ca_file) if need_secrets else None,
        made_policy=policy.build(sources, tables, raw),
    )
    _compare(sources, conflicts.Given(settings=settings, raw=raw, templates=policy.templates_of(sources)), warnings)
    if sources.problems and problems is None:
        raise sources.error()
    if problems is not None:
        problems += sources.error().problems
    return settings


def _compare(sources: Sources, given: conflicts.Given, warnings: list[Problem] | None) -> None:
    """Check the settings against each other; of those that are wrong by themselves nothing more is said."""
    for conflict in _new(sources, conflicts.problems(given)):
        sources.problem(conflict.settings[0], conflict.message, conflict.remedy)
    if warnings is not None:
        found = [Problem(row.settings[0], row.message, row.remedy) for row in _new(sources, conflicts.warnings(given))]
        warnings += sources.cleaned(found)


def _new(sources: Sources, found: Iterable[Conflict]) -> list[Conflict]:
    """Leave out what concerns a setting that is wrong by itself: then its value is a default, not the operator's."""
    wrong = [problem.setting for problem in sources.problems]
    return [row for row in found if not any(name.startswith(setting) for name in wrong for setting in row.settings)]


def _made(
    secrets: Mapping[str, Secret],
    log: tuple[str | None, str],
    urls: tuple[str, str],
    tables: schema.Tables,
    *,
    db: Path,
    config_file: Path | None,
    ca_file: Path | None,
    made_policy: Policy,
) -> Settings:
    return Settings(
        token=secrets["CALENDLY_TOKEN"],
        dev_key=secrets["ENGAGELAB_DEV_KEY"],
        dev_secret=secrets["ENGAGELAB_DEV_SECRET"],
        db=db,
        calendly_url=urls[0],
        engagelab_url=urls[1],
        log_format=log[0],
        log_level=log[1],
        config_file=config_file,
        interval=tables.interval,
        lookback=tables.lookback,
        horizon=tables.horizon,
        max_snapshot_age=tables.max_snapshot_age,
        reread=tables.reread,
        retention=tables.retention.after,
        keep_history=tables.retention.keep_history,
        proxy=tables.proxy,
        ca_file=ca_file,
        scope=tables.calendly.scope,
        max_requests_per_minute=tables.calendly.max_requests_per_minute,
        number_format=tables.engagelab.number_format,
        messages_per_run=tables.limits.messages_per_run,
        messages_per_day=tables.limits.messages_per_day,
        per_prefix_per_hour=tables.limits.per_prefix_per_hour,
        segments_per_message=tables.limits.segments_per_message,
        concurrency=tables.limits.concurrency,
        sends_per_second=tables.limits.sends_per_second,
        policy=made_policy,
    )
