"""`syncer retry`, `cancel`, `resolve`: the operator's moves on one message.

They take no lock and may be used beside a running worker: each is one conditional UPDATE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.errors import SyncerError
from syncer.model import WAITING, State
from syncer.outbox import BY_OPERATOR

if TYPE_CHECKING:
    from collections.abc import Collection

    from syncer.model import Message
    from syncer.store import Store

KEY = click.argument("key")


def _message(store: Store, key: str, states: Collection[State], verb: str) -> Message:
    found = store.messages(keys=[key])
    if not found:
        raise SyncerError(f"there is no message {key!r}", "`syncer messages` lists the keys")
    if found[0].state not in states:
        allowed = " or ".join(sorted(states))
        raise SyncerError(f"this message is {found[0].state}; only one that is {allowed} can be {verb}", "")
    return found[0]


def _open(app: App) -> Store:
    from syncer.cli.building import now
    from syncer.store import Store, database

    path = app.settings(need_secrets=False).db
    if not path.exists():
        raise SyncerError(f"{path} does not exist", "Name the database with --db or SYNCER_DB")
    # A worker of another release may be running on it: its schema is its own.
    if set(database.migration_names()) - set(database.applied_migrations(path)):
        raise SyncerError(f"{path} has an older schema", "Run `syncer migrate` first")
    return Store(database.open_writable(path, now=now()))


def _again(store: Store, message: Message, reason: str) -> None:
    """Put a message back on the way while it is worth sending, else say that it is too late."""
    from syncer.cli.building import now

    at = now()
    if message.expires_at <= at:
        if message.state is State.UNKNOWN:
            store.move(message, State.EXPIRED, f"{reason}, too late to send", at)
            click.echo("not sent, and its time has passed: expired")
            return
        raise SyncerError(
            f"its time passed at {message.expires_at:%Y-%m-%d %H:%M} UTC", "It would be wrong to send it now"
        )
    store.again(message, reason, at)
    click.echo("scheduled: the next run reads its booking again and sends it, if it is still wanted")


@click.command()
@KEY
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_app
def retry(app: App, key: str, *, yes: bool) -> None:
    """Send the failed or unknown message KEY once more."""
    with _open(app) as store:
        message = _message(store, key, {State.FAILED, State.UNKNOWN}, "retried")
        question = "Nobody knows whether it went out; the person may get it twice. Send it again?"
        if message.state is State.UNKNOWN and not yes and not click.confirm(question):
            raise SyncerError("nothing was changed", "")
        _again(store, message, "retried by the operator")


@click.command()
@KEY
@pass_app
def cancel(app: App, key: str) -> None:
    """Never send the message KEY."""
    from syncer.cli.building import now

    with _open(app) as store:
        message = _message(store, key, WAITING | {State.FAILED, State.UNKNOWN}, "canceled")
        store.move(message, State.CANCELED, BY_OPERATOR, now())
        click.echo("canceled")


@click.command()
@KEY
@click.option("--sent/--not-sent", "sent", default=None, help="What EngageLab's console says became of it.")
@pass_app
def resolve(app: App, key: str, *, sent: bool | None) -> None:
    """Say what became of the unknown message KEY; one that was not sent goes out again while it is worth it."""
    from syncer.cli.building import now

    if sent is None:
        raise click.UsageError("say --sent or --not-sent")
    with _open(app) as store:
        message = _message(store, key, {State.UNKNOWN}, "resolved")
        if sent:
            store.move(message, State.SENT, "sent, says the operator", now())
            click.echo("sent")
        else:
            _again(store, message, "not sent, says the operator")
