"""`syncer retry`, `cancel`, `resolve`, `restored`: the operator's moves on messages.

The first three take no lock and may be used beside a running worker: each move is one conditional UPDATE.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.errors import SyncerError
from syncer.model import WAITING, State
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from syncer.model import Message
    from syncer.store import Store
    from syncer.store.lock import Witness

KEYS = click.argument("keys", metavar="ID...", nargs=-1, required=True)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


class Ambiguous(SyncerError):
    """An id that several messages begin with."""

    exit_code = 2


class NeedsYes(SyncerError):
    """A question, and no terminal to answer it from."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__("without a terminal to answer from, this needs --yes", "Nothing was changed")


def _named(store: Store, name: str) -> Message:
    """Find the one message that a key or (the beginning of) an id means.

    Raises:
        Ambiguous: there are several.
        SyncerError: there is none.
    """
    name = name.encode("utf-8", "replace").decode()  # bytes of another encoding than the terminal's
    messages = store.named(name)
    if not messages:
        raise SyncerError(f"there is no message {name!r}", "`syncer messages --json` lists ids and keys")
    if len(messages) > 1:
        candidates = ", ".join(f"{one.id} ({one.rule}, {one.state})" for one in messages)
        raise Ambiguous(f"{name} may be one of {len(messages)} messages: {candidates}", "Type more of the id")
    return messages[0]


def _messages(store: Store, names: Sequence[str], may: Callable[[Message], bool], allowed: str) -> list[Message]:
    """Find all of them, or refuse before anything is changed.

    Args:
        store: open.
        names: keys or ids, as typed.
        may: whether a message can make the move.
        allowed: says in words which ones can.
    """
    messages = {message.key: message for message in (_named(store, name) for name in names)}
    for message in messages.values():
        if not may(message):
            raise SyncerError(f"{message.id} is {message.state}; {allowed}", f"See `syncer explain '{message.key}'`")
    return list(messages.values())


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless the answer was given beforehand.

    Raises:
        NeedsYes: nobody is there to answer.
        SyncerError: the answer is no.
    """
    if yes:
        return
    stdin = sys.stdin
    if stdin is None or stdin.closed:
        raise NeedsYes
    try:
        agreed = click.confirm(question)
    except click.Abort:
        if stdin.isatty():
            raise  # Ctrl-C
        click.echo(err=True)
        raise NeedsYes from None
    if not agreed:
        raise SyncerError("nothing was changed", "Answer y, or give --yes")


def say(line: str) -> None:
    """Tell the operator what was put right on the way."""
    click.echo(f"syncer: {line}", err=True)


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
    return Store(database.open_writable(path, now=now(), checkpoints=False, note=say), witness=witness)


def _late(message: Message, at: datetime) -> bool:
    return message.expires_at <= at


def _again(store: Store, message: Message, at: datetime, detail: str) -> None:
    """Put a message back on the way while it is worth sending, else say that it is too late."""
    if _late(message, at):
        store.move(message, State.EXPIRED, Reason.BY_OPERATOR, at, f"{detail}, too late to send")
        click.echo("not sent, and its time has passed: expired")
        return
    store.again(message, Reason.BY_OPERATOR, at, detail)
    click.echo("scheduled: the next run reads its booking again and sends it, if it is still wanted")


@click.command()
@KEYS
@YES
@pass_app
def retry(app: App, keys: tuple[str, ...], *, yes: bool) -> None:
    """Send a failed or unknown message once more, or one that a guard holds. ID: short id or key."""
    from syncer.cli.building import now

    with open_to_change(app) as store:
        allowed = "only one that is failed or unknown, or held by a guard, can be retried"
        messages, at = _messages(store, keys, _may_be_retried, allowed), now()
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
            _again(store, message, at, "retried")


def _may_be_retried(message: Message) -> bool:
    held = message.state is State.SCHEDULED and message.reason is Reason.HELD_BY_GUARD
    return held or message.state in {State.FAILED, State.UNKNOWN}


@click.command()
@KEYS
@YES
@pass_app
def cancel(app: App, keys: tuple[str, ...], *, yes: bool) -> None:
    """Never send a message (or several). ID: short id or key."""
    from syncer.cli.building import now

    with open_to_change(app) as store:
        states = WAITING | {State.FAILED, State.UNKNOWN}
        allowed = f"only one that is {' or '.join(sorted(states))} can be canceled"
        messages = _messages(store, keys, lambda message: message.state in states, allowed)
        if len(messages) > 1:
            confirm(f"Cancel {len(messages)} messages?", yes=yes)
        for message in messages:
            store.move(message, State.CANCELED, Reason.BY_OPERATOR, now())
            click.echo("canceled")


@click.command()
@KEYS
@click.option("--sent/--not-sent", "sent", default=None, help="What EngageLab's console says became of it.")
@YES
@pass_app
def resolve(app: App, keys: tuple[str, ...], *, sent: bool | None, yes: bool) -> None:
    """Say what became of an unknown message; what was not sent goes out while it is worth it. ID: short id or key."""
    from syncer.cli.building import now

    if sent is None:
        raise click.UsageError("say --sent or --not-sent")
    with open_to_change(app) as store:
        allowed = "only one that is unknown can be resolved"
        messages = _messages(store, keys, lambda message: message.state is State.UNKNOWN, allowed)
        if len(messages) > 1:
            confirm(f"Were all {len(messages)} of them {'sent' if sent else 'not sent'}?", yes=yes)
        for message in messages:
            if sent:
                store.move(message, State.SENT, Reason.BY_OPERATOR, now(), "sent")
                click.echo("sent")
            else:
                _again(store, message, now(), "not sent")


@click.command()
@YES
@pass_app
def restored(app: App, *, yes: bool) -> None:
    """After putting back a backup: set aside as unknown what was due before now, as it may have been sent already."""
    from syncer.cli.building import now
    from syncer.store.lock import run_lock
    from syncer.worker import ticks

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
        count = store.restored(at, ticks())
    click.echo(
        f"{count} set aside as unknown; `syncer messages --state unknown` lists them,"
        " `syncer resolve ID... --sent` or `--not-sent` says what became of them"
    )
