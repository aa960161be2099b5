"""`syncer optout`, `forget`: what people may ask for. Both may be used beside a running worker."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.cli.looking import find
from syncer.cli.moving import YES, confirm, open_to_change
from syncer.errors import Hindered, Locked, SyncerError
from syncer.model import WAITING, State
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from syncer.store import Store

NUMBERS = click.argument("numbers", metavar="NUMBER...", nargs=-1)
FILE = click.option(
    "--file", "file", type=click.File("r", encoding="utf-8-sig"), help="One number a line, or a CSV's first column."
)
MOST_TOLD = 20
"""Wrong lines of a file that are named one by one."""


@click.group()
def optout() -> None:
    """Keep the list of numbers that are never texted."""


def _numbers(app: App, given: Sequence[str], file: Iterator[str] | None) -> list[str]:
    """Read numbers as people write them, of the command line and of a file; all or none.

    Raises:
        SyncerError: some are no numbers; names each by its place.
    """
    from syncer import phones
    from syncer.reasons import in_words

    country = app.settings(need_secrets=False).policy.country
    found, wrong = [], []
    places = [(f"number {at}", text) for at, text in enumerate(given, 1)]
    places += [(f"line {at}", text) for at, text in _lines(file or iter(()))]
    for place, text in places:
        number = phones.possible(text, country)
        if isinstance(number, str):
            found.append(number)
        else:
            wrong.append(f"{place}: {in_words(number.reason, number.detail)}")
    if wrong:
        more = f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
        remedy = "Nothing was changed. Write each as +13125550142"
        raise SyncerError(f"{'; '.join(wrong[:MOST_TOLD])}{more}", remedy)
    if not found:
        raise click.UsageError("name a number, or a --file of them")
    return found


def _lines(file: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Take the first column of each line that is not empty, no comment, and not the heading."""
    for at, line in enumerate(file, 1):
        cell = line.replace(";", ",").replace("\t", ",").partition(",")[0].strip().strip("\"'").strip()
        heading = at == 1 and not any(map(str.isdecimal, cell))
        if cell and not cell.startswith("#") and not heading:
            yield at, cell


@optout.command()
@NUMBERS
@FILE
@pass_app
def add(app: App, numbers: tuple[str, ...], file: Iterator[str] | None) -> None:
    """Never text these numbers again; what waits for them is not sent."""
    from syncer.cli.building import now

    given = _numbers(app, numbers, file)
    with open_to_change(app) as store:
        new, skipped = store.opt_out(given, "by the operator", now())
    click.echo(f"{new} added, {len(set(given)) - new} were on the list; {len(skipped)} waiting messages are skipped")


@optout.command()
@NUMBERS
@FILE
@pass_app
def remove(app: App, numbers: tuple[str, ...], file: Iterator[str] | None) -> None:
    """Text these numbers again, from the next run on."""
    from syncer.cli.building import now

    given = _numbers(app, numbers, file)
    with open_to_change(app) as store:
        gone = store.opt_in(given, now())
    click.echo(f"{gone} removed, {len(set(given)) - gone} were not on the list")


@optout.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--show-numbers", is_flag=True, help="Numbers in full.")
@pass_app
def list_all(app: App, *, as_json: bool, show_numbers: bool) -> None:
    """List them, oldest first."""
    import json

    from syncer.cli import showing
    from syncer.cli.looking import open_store
    from syncer.log import mask
    from syncer.model import utc_text

    with open_store(app) as store:
        found = [
            {
                "number": (one.number if show_numbers else mask(one.number)) or None,
                "added_at": utc_text(one.added_at),
                "reason": one.reason,
            }
            for one in store.opt_outs()
        ]
    if as_json:
        for row in found:
            click.echo(json.dumps(row))
    elif found:
        rows = [[row["number"] or "(forgotten)", row["added_at"] or "", row["reason"] or ""] for row in found]
        showing.print_table(["number", "since", "reason"], rows)
    else:
        click.echo("no number is opted out")


@click.command()
@click.argument("what", metavar="NUMBER-OR-EMAIL")
@YES
@pass_app
def forget(app: App, what: str, *, yes: bool) -> None:
    """Erase a person: number, name, e-mail, answers. Sent keys and opt-outs stay, as keyed hashes."""
    from syncer import phones
    from syncer.cli.building import now

    settings = app.settings(need_secrets=False)
    with contextlib.ExitStack() as parts:
        store = parts.enter_context(open_to_change(app))
        alone = _take_lock(parts, settings.db)
        uris = store.same_person(find(store, what, settings.policy.country))
        if not uris:
            click.echo("syncer: nothing is known of them in this database (a number needs its country code)", err=True)
            return
        messages = [message for some in store.messages_of(uris).values() for message in some]
        waiting = sum(message.state in WAITING for message in messages)
        question = f"Erase the person of {len(uris)} bookings and {len(messages)} messages, {waiting} of them waiting?"
        confirm(f"{question} It cannot be undone", yes=yes)
        others = store.same_email(uris)
        if alone:
            for message in messages:
                if message.state is State.SENDING:
                    store.move(message, State.UNKNOWN, Reason.INTERRUPTED, now())
        count = store.forget(uris, now(), same=phones.is_number)
        click.echo(f"forgotten: {count} bookings. Logs and backups that were made before still hold what they held")
        if others:
            click.echo(
                f"{others} more bookings have the same e-mail under other names: name the e-mail to erase them, too"
            )
        _clear(store, alone=alone)


def _take_lock(parts: contextlib.ExitStack, path: Path) -> bool:
    """Take the run lock, if no worker holds it: then the file may be rewritten at once."""
    from syncer.store.lock import run_lock

    try:
        parts.enter_context(run_lock(path))
    except Locked:
        return False
    return True


def _clear(store: Store, *, alone: bool) -> None:
    if not alone:
        click.echo("a worker is running: its next run clears the database file")
        return
    try:
        store.scrub()
    except Hindered as error:
        click.echo(f"the next run clears the database file: {error}")
    else:
        click.echo("the database file is clear of them")
