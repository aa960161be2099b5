"""`syncer run`: the loop, one run, or a dry run."""

from __future__ import annotations

import contextlib
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app, streams
from syncer.cli.building import SLICE, a_worker
from syncer.errors import GuardRefused, Locked, SettingsError, Stopped, SyncerError
from syncer.log import tell
from syncer.notify import Notifier
from syncer.run import Options
from syncer.stopping import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncer.config import Settings
    from syncer.log import Tell
    from syncer.ports import Progress
    from syncer.worker import Worker


class Moment(click.ParamType[datetime]):
    """A date or a time, with its zone or in UTC: 2026-11-25, 2026-11-25T16:00:00Z, 2026-11-25T10:00-06:00."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read one; returns aware UTC."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
            return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time like 2026-11-25 or 2026-11-25T16:00:00Z", param, ctx)


@click.command()
@click.option("--once", is_flag=True, help="One run, reading everything stale; also the backfill.")
@click.option("--since", type=Moment(), help="With --once: read also events that start from here on.")
@click.option("--until", type=Moment(), help="With --once: read also events until here, beyond the horizon.")
@click.option("--dry-run", is_flag=True, help="Print the plan; write nothing, send nothing.")
@click.option("--force", is_flag=True, help="With --once: pass a guard.")
@pass_app
def run(app: App, *, once: bool, since: datetime | None, until: datetime | None, dry_run: bool, force: bool) -> None:
    """Text what is due: now, then every `interval`, until SIGTERM, SIGINT or SIGHUP."""
    if not once and (since or until or force):
        raise click.UsageError("--since, --until and --force go with --once")
    if since is not None and until is not None and since > until:
        raise click.UsageError("--since is after --until")
    options = Options(since=since, until=until, everything=once or dry_run, loop=not once, dry_run=dry_run, force=force)
    settings = _settings(app)
    stop, notifier = Stop(), Notifier(os.environ)
    streams.stop_waiting_when(stop.is_set)
    with stop.on_signals(notifier.stopping), _progress(once=once) as progress:
        try:
            while True:
                with a_worker(
                    settings, dry_run=dry_run, progress=progress, tell=_shown(notifier), stop=stop, alive=notifier.alive
                ) as worker:
                    notifier.ready()
                    _run(worker, options, loop=not once and not dry_run)
                # A dry loop looks at a fresh copy of the database each time.
                if once or not dry_run or _waits(worker, stop, notifier):
                    return
        except Stopped:
            if once:
                raise click.exceptions.Exit(1) from None  # its work is not done
            return
        except ToldAlready as told:
            raise click.exceptions.Exit(told.exit_code) from None
        except SyncerError as error:
            # The database or its lock, before any run began.
            event = "run.skipped" if isinstance(error, Locked) else "run.failed"
            tell(event, reason=str(error), remedy=error.remedy, error=type(error).__name__)
            raise click.exceptions.Exit(error.exit_code) from None


def _waits(worker: Worker, stop: Stop, notifier: Notifier) -> bool:
    """Wait for the next run of a dry loop; returns whether a signal came."""
    while not stop.is_set() and (left := worker.rests_until - worker.ticks()) > 0:
        notifier.alive()
        stop.wait(min(left, SLICE))
    return stop.is_set()


class ToldAlready(Exception):
    """A run failed, and its log says why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def _settings(app: App) -> Settings:
    """Read the settings; for a log that programs read, their problems are one event."""
    try:
        settings = app.settings()
    except SettingsError as error:
        if app.logs_json():
            tell("run.failed", reason="settings", problems=[str(problem) for problem in error.problems])
            raise click.exceptions.Exit(error.exit_code) from None
        raise
    if not settings.policy.rules:
        reason = "no rule is on: set a TEMPLATE_ID_* variable or write a [[rule]]; nothing will be sent"
        tell("limit.reached", limit="rules", value=0, reason=reason)
    return settings


def _run(worker: Worker, options: Options, *, loop: bool) -> None:
    try:
        if loop:
            worker.run_forever(options)
            return
        done = worker.run_once(options)
    except Stopped:
        raise
    except SyncerError as error:
        raise ToldAlready(error.exit_code) from error
    if options.dry_run:
        from syncer.cli.showing import print_plan

        print_plan(done)
    if done.refused:
        raise ToldAlready(GuardRefused.exit_code)


def _shown(notifier: Notifier) -> Tell:
    """Write to the log, and show how the last run ended to who asks the service manager."""

    def tell_both(event: str, /, **fields: object) -> None:
        tell(event, **fields)
        if event == "run.completed":
            shown = " ".join(f"{name} {fields[name]}" for name in ("events", "sent", "unknown", "failed", "deferred"))
            notifier.status(f"last run: {shown}")
        elif event in {"run.failed", "run.refused"}:
            notifier.status(f"{event}: {fields.get('error', '')}")

    return tell_both


@contextlib.contextmanager
def _progress(*, once: bool) -> Iterator[Progress | None]:
    """Show a bar for the first read on a terminal; elsewhere the log lines do."""
    if once and sys.stderr.isatty():
        from syncer.cli.showing import Bar

        with Bar() as bar:
            yield bar
    else:
        yield None
