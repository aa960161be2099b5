"""`syncer plan`: every text that will go out, as its reader will see it, and what changed settings do. Only looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.cli.probing import Duration
from syncer.cli.streams import takes_all_letters
from syncer.errors import NotConnected, NoUsableAnswer, RunHalted
from syncer.foresight import foresee
from syncer.gsm import odd_characters
from syncer.log import mask
from syncer.model import State, utc_text
from syncer.reasons import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from syncer.config import Settings
    from syncer.foresight import Foreseen
    from syncer.model import Invitee, Message
    from syncer.ports import EventType, Listing, Me, Template
    from syncer.reconcile import Todo
    from syncer.store import Store


class NotAsked:
    """Calendly, not asked: a plan goes by what the last run has read."""

    requests = 0
    limit: int | None = None
    last_date: datetime | None = None

    def lanes(self, most: int) -> int:
        """As many as there may be."""
        return most

    def prepare_threads(self) -> None:
        """Have nothing to import."""

    def me(self) -> Me:
        """Refuse."""
        raise NotConnected("not asked")

    def events(self, *_: object, **__: object) -> Listing:
        """Refuse."""
        raise NotConnected("not asked")

    def invitees(self, event_uri: str) -> list[Invitee]:  # noqa: ARG002
        """Refuse."""
        raise NotConnected("not asked")

    def event_type(self, uri: str) -> EventType:  # noqa: ARG002
        """Refuse: what was read before counts."""
        raise NotConnected("not asked")


@click.command()
@click.option("--next", "ahead", type=Duration(), default="48h", show_default=True, help="How far to look ahead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--show-numbers", is_flag=True, help="Numbers in full.")
@pass_app
def plan(app: App, *, ahead: timedelta, as_json: bool, show_numbers: bool) -> None:
    """Show every text that will go out: when, to whom, in which words, and why; and what changed settings do."""
    from syncer.cli.building import now
    from syncer.store import Store, database

    settings = app.settings()
    if not settings.db.exists():
        click.echo("syncer: there is no database yet; `syncer run --once --dry-run` plans without one", err=True)
        return
    at = now()
    found = _templates(settings)
    with Store(database.open_copy(settings.db)) as store:
        effect = _plan_again(settings, store, at)
        messages = store.messages(states=[State.SCHEDULED, State.RETRYABLE])
        about = sorted({message.booking for message in messages})
        rows = foresee(
            messages,
            bookings=store.bookings(about),
            missing=store.missing(about),
            found=found,
            policy=settings.policy,
            now=at,
            until=at + ahead,
        )
        last = store.last_run(outcome="completed")
    show = _print_json if as_json else _print
    show(rows, effect, show_numbers=show_numbers)
    click.echo(f"syncer: by what the run of {last['ended_at'] if last else 'never'} has read", err=True)


def _templates(settings: Settings) -> dict[str, Template] | None:
    """Ask for the templates; None = they cannot be read, which is said."""
    from syncer.cli.building import a_gateway

    try:
        with a_gateway(settings) as gateway:
            return {template.id: template for template in gateway.templates()}
    except (RunHalted, NotConnected, NoUsableAnswer) as error:
        click.echo(f"syncer: no wording, as EngageLab's templates cannot be read: {error}", err=True)
        return None


def _plan_again(settings: Settings, store: Store, at: datetime) -> Todo:
    """Let the settings as they are now have their effect on the copy; returns what that changes in the outbox."""
    from syncer.reading import plan_again_if_rules_changed
    from syncer.run import Options, Run
    from syncer.worker import ticks

    def silent(_: str, /, **fields: object) -> None:
        """Tell nobody: nothing of it has happened."""

    run = Run(
        options=Options(dry_run=True),
        settings=settings,
        store=store,
        calendly=NotAsked(),
        clock=lambda: at,
        ticks=ticks,
        tell=silent,
    )
    if store.born_at is not None:
        plan_again_if_rules_changed(run, at)
    return run.todo


def _effects(effect: Todo) -> Iterable[tuple[str, Message]]:
    """Name what changed settings do: "new", or the state that a waiting message goes into."""
    for message in effect.inserts:
        yield ("new" if message.state is State.SCHEDULED else str(message.state)), message
    for before, message in effect.updates:
        yield ("changed" if message.state is before else str(message.state)), message


def _print(rows: Iterable[Foreseen], effect: Todo, *, show_numbers: bool) -> None:
    from syncer.cli import showing

    told = [
        [
            utc_text(row.at),
            (row.message.to if show_numbers else mask(row.message.to)),
            row.message.language,
            f"{row.segments or '?'} {row.encoding}",
            row.message.rule,
            (row.text or "?") + (f"  [held: {row.held}]" if row.held else ""),
            row.why,
        ]
        for row in rows
    ]
    if told:
        showing.print_table(["when", "to", "language", "SMS", "rule", "text", "why"], told)
    else:
        click.echo("no text goes out in this time")
    changes = list(_effects(effect))
    if changes:
        click.echo("\nThe settings have changed; the next run will do this to what waits:")
        for what, message in changes:
            words = in_words(message.reason, message.detail)
            reason = f"  ({words})" if words else ""
            to = (message.to if show_numbers else mask(message.to)) or "-"
            line = f"  {what:<9} {utc_text(message.next_at)}  {message.rule:<14} {to:<14} {message.key}{reason}"
            click.echo(showing.printable(line))


def _print_json(rows: Iterable[Foreseen], effect: Todo, *, show_numbers: bool) -> None:
    changes = {message.key: what for what, message in _effects(effect)}
    foreseen = {row.message.key: row for row in rows}
    gone = [message for what, message in _effects(effect) if message.key not in foreseen]
    for row in foreseen.values():
        more = {"text": row.text, "segments": row.segments, "encoding": row.encoding.partition(" ")[0]}
        more |= {"odd_characters": odd_characters(row.text or "")}
        more |= {"at": utc_text(row.at), "held": row.held, "why": row.why}
        _print_line(_fields(row.message, changes, show_numbers=show_numbers) | more)
    for message in gone:
        more = {
            "text": None,
            "segments": 0,
            "encoding": "",
            "odd_characters": "",
            "at": utc_text(message.next_at),
            "held": "",
            "why": "",
        }
        _print_line(_fields(message, changes, show_numbers=show_numbers) | more)


def _print_line(fields: Mapping[str, object]) -> None:
    click.echo(json.dumps(fields, ensure_ascii=not takes_all_letters()))


def _fields(message: Message, changes: Mapping[str, str], *, show_numbers: bool) -> dict[str, object]:
    return {
        "id": message.id,
        "key": message.key,
        "rule": message.rule,
        "booking": message.booking,
        "to": message.to if show_numbers else mask(message.to),
        "language": message.language,
        "template": message.template,
        "state": message.state,
        "reason": message.reason,
        "detail": message.detail,
        "effect": changes.get(message.key, ""),
    }
