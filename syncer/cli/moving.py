"""`syncer retry`, `cancel`, `resolve`, `restored`: the operator's moves on messages.

The first three take no lock and may be used beside a running worker: each move is one conditional UPDATE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.errors import SyncerError
from syncer.model import WAITING, State
from syncer.outbox import BY_OPERATOR

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from syncer.model import Message
    from syncer.store import Store
    from syncer.store.lock import Witness

KEYS = click.argument("keys", metavar="KEY...", nargs=-1, required=True)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


def _messages(store: Store, keys: Sequence[str], states: Collection[State], verb: str) -> list[Message]:
    """Find all of them, or refuse before anything is changed."""
    found = {message.key: message for message in store.messages(keys=keys)}
    for key in keys:
        if key not in found:
            raise SyncerError(f"there is no message {key!r}", "`syncer messages` lists the keys")
        if found[key].state not in states:
            allowed = " or ".join(sorted(states))
            remedy = f"See `syncer explain '{key}'`"
            raise SyncerError(f"{key} is {found[key].state}; only one that is {allowed} can be {verb}", remedy)
    return list(found.values())


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless the answer was given beforehand.

    Raises:
        SyncerError: the answer is no.
    """
    if not yes and not click.confirm(question):
        raise SyncerError("nothing was changed", "Answer y, or give --yes")


def open_to_change(app: App, witness: Witness | None = None) -> Store:
    """Open the settings' database for a change beside a worker that may be running.

    Raises:
        SyncerError: it is not there, has an older schema, or cannot be used.
    """
    from syncer.cli.building import now
    from syncer.store import Store, database

    path = app.settings(need_secrets=False).db
    if not path.exists():
        raise SyncerError(
            f"{path} does not exist", "Name the database with --db or SYNCER_DB, or make it with `syncer migrate`"
        )
    # A worker of another release may be running on it: its schema is its own.
    if set(database.migration_names()) - set(database.applied_migrations(path)):
        raise SyncerError(f"{path} has an older schema", "Run `syncer migrate` first")
    return Store(database.open_writable(path, now=now(), checkpoints=False), witness=witness)


def _late(message: Message, at: datetime) -> bool:
    return message.expires_at <= at


def _again(store: Store, message: Message, reason: str, at: datetime) -> None:
    """Put a message back on the way while it is worth sending, else say that it is too late."""
    if _late(message, at):
        store.move(message, State.EXPIRED, f"{reason}, too late to send", at)
        click.echo("not sent, and its time has passed: expired")
        return
    store.again(message, reason, at)
    click.echo("scheduled: the next run reads its booking again and sends it, if it is still wanted")


@click.command()
@KEYS
@YES
@pass_app
def retry(app: App, keys: tuple[str, ...], *, yes: bool) -> None:
    """Send the failed or unknown message KEY once more (or several)."""
    from syncer.cli.building import now

    with open_to_change(app) as store:
        messages, at = _messages(store, keys, {State.FAILED, State.UNKNOWN}, "retried"), now()
        for message in messages:
            if _late(message, at):
                passed = f"the time of {message.key} passed at {message.expires_at:%Y-%m-%d %H:%M} UTC"
                raise SyncerError(passed, "It would be wrong to send it now")
        unknown = sum(message.state is State.UNKNOWN for message in messages)
        if unknown:
            confirm(
                f"Nobody knows whether {unknown} of them went out; those people may get it twice. Send again?"
                if len(messages) > 1
                else "Nobody knows whether it went out; the person may get it twice. Send it again?",
                yes=yes,
            )
        elif len(messages) > 1:
            confirm(f"Send {len(messages)} messages again?", yes=yes)
        for message in messages:
            _again(store, message, "retried by the operator", at)


@click.command()
@KEYS
@YES
@pass_app
def cancel(app: App, keys: tuple[str, ...], *, yes: bool) -> None:
    """Never send the message KEY (or several)."""
    from syncer.cli.building import now

    with open_to_change(app) as store:
        messages = _messages(store, keys, WAITING | {State.FAILED, State.UNKNOWN}, "canceled")
        if len(messages) > 1:
            confirm(f"Cancel {len(messages)} messages?", yes=yes)
        for message in messages:
            store.move(message, State.CANCELED, BY_OPERATOR, now())
            click.echo("canceled")


@click.command()
@KEYS
@click.option("--sent/--not-sent", "sent", default=None, help="What EngageLab's console says became of it.")
@YES
@pass_app
def resolve(app: App, keys: tuple[str, ...], *, sent: bool | None, yes: bool) -> None:
    """Say what became of the unknown message KEY (or several); what was not sent goes out while it is worth it."""
    from syncer.cli.building import now

    if sent is None:
        raise click.UsageError("say --sent or --not-sent")
    with open_to_change(app) as store:
        messages = _messages(store, keys, {State.UNKNOWN}, "resolved")
        if len(messages) > 1:
            confirm(f"Were all {len(messages)} of them {'sent' if sent else 'not sent'}?", yes=yes)
        for message in messages:
            if sent:
                store.move(message, State.SENT, "sent, says the operator", now())
                click.echo("sent")
            else:
                _again(store, message, "not sent, says the operator", now())


@click.command()
@YES
@pass_app
def restored(app: App, *, yes: bool) -> None:
    """After putting back a backup: set aside as unknown what was due before now, as it may have been sent already."""
    from syncer.cli.building import now
    from syncer.store.lock import run_lock

    path = app.settings(need_secrets=False).db
    if not path.exists():
        raise SyncerError(f"{path} does not exist", "Put the backup there first, or name it with --db or SYNCER_DB")
    with run_lock(path) as witness, open_to_change(app, witness) as store:
        at = now()
        due = sum(message.scheduled_at <= at for message in store.messages(states=sorted(WAITING)))
        confirm(
            f"{path} is a backup that was put back: set aside {due} waiting messages that were due before now,"
            " and those that its next runs find to have been due before now?",
            yes=yes,
        )
        count = store.restored(at)
    click.echo(
        f"{count} set aside as unknown; `syncer messages --state unknown` lists them,"
        " `syncer resolve KEY... --sent` or `--not-sent` says what became of them"
    )
