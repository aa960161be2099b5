"""`syncer status`: the health probe. It may run each minute, so it reads no settings but where the file is."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.spans import span_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class Duration(click.ParamType[timedelta]):
    """A length of time: 90s, 5m, 48h, 2d."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read one."""
        found = value if isinstance(value, timedelta) else span_of(str(value))
        return self.fail(f"{value!r} is no duration like 90s, 5m, 48h or 2d", param, ctx) if found is None else found


def database(app: App) -> Path:
    """Find the database's file as the settings do: option, environment, `.env`, or syncer.db in this folder."""
    folder = Path.cwd()
    if app.db is not None:
        return folder / app.db
    given = os.environ.get("SYNCER_DB")
    if given is None and (folder / ".env").exists():
        from syncer.config.sources import Sources

        given = Sources({}, folder).raw("SYNCER_DB")
    return folder / os.path.expanduser((given or "").strip() or "syncer.db")  # noqa: PTH111  no home is no error


@click.command()
@click.option(
    "--max-age", type=Duration(), default="5m", show_default=True, help="How old the last complete run may be."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_app
def status(app: App, *, max_age: timedelta, as_json: bool) -> int:
    """Say when the last complete run was, and count the messages by state; the health probe."""
    from syncer.store.glance import glance

    found = glance(database(app))
    done = found.last_complete_run
    age = None if done is None else datetime.now(UTC) - datetime.fromisoformat(done)
    healthy = age is not None and age <= max_age
    known = {
        "healthy": healthy,
        "last_complete_run": done,
        "age_s": None if age is None else int(age.total_seconds()),
        "last_outcome": found.last_outcome,
        "last_error": found.last_error,
        "next_message_at": found.next_message_at,
        "messages": found.messages,
        "held_by_guard": found.held,
        "unreadable_events": found.unreadable,
        "outage": None if found.outage is None else dict(zip(("since", "until"), found.outage, strict=True)),
    }
    if as_json:
        click.echo(json.dumps(known))
    else:
        _print_status(known, max_age)
    return 0 if healthy else 1


def _print_status(known: Mapping[str, object], max_age: timedelta) -> None:
    if known["last_complete_run"] is None:
        click.echo("no complete run yet")
    else:
        verdict = "" if known["healthy"] else f", too old (--max-age {int(max_age.total_seconds())}s)"
        click.echo(f"last complete run {known['last_complete_run']}, {known['age_s']} s ago{verdict}")
    if known["last_error"]:
        click.echo(f"last run {known['last_outcome']}: {known['last_error']}")
    if known["next_message_at"]:
        click.echo(f"next message due {known['next_message_at']}")
    if known["held_by_guard"]:
        click.echo(f"held by a guard: {known['held_by_guard']} messages. `syncer explain ID` says why and what to do")
    outage: dict[str, str] | None = known["outage"]  # type: ignore[assignment]  # made in `status`
    if outage is not None:
        since, until = outage["since"], outage["until"]
        click.echo(f"EngageLab does not answer since {since}. Nothing leaves before {until}, then one text as a test")
    unreadable: dict[str, str] = known["unreadable_events"]  # type: ignore[assignment]  # made in `status`
    for uri, error in unreadable.items():
        click.echo(f"cannot be read: {uri}: {error}")
    counts: dict[str, int] = known["messages"]  # type: ignore[assignment]  # made in `status`
    click.echo("  ".join(f"{state} {count}" for state, count in counts.items()))
