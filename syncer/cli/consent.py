"""`syncer optout`, `forget`: what people may ask for. Both may be used beside a running worker."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import IO, TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.cli.looking import find, opt_out_of
from syncer.cli.moving import YES, confirm, open_to_change
from syncer.errors import Hindered, Locked, SyncerError
from syncer.model import WAITING, State
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from syncer import phones
    from syncer.store import Store

NUMBERS = click.argument("numbers", metavar="NUMBER...", nargs=-1)
FILE = click.option("--file", "file", type=click.File("rb"), help="One number a line, or a CSV's first column.")
MOST_TOLD = 20
"""Numbers, or wrong lines of a file, that are named one by one."""


@click.group()
def optout() -> None:
    """Keep the list of numbers that are never texted."""


def _numbers(
    app: App, given: Sequence[str], file: IO[bytes] | None, *, listed: Collection[str] = ()
) -> list[phones.Number]:
    """Read numbers as people write them, of the command line and of a file; all or none, each once.

    Args:
        app: the settings.
        given: as typed.
        file: bytes of a file of numbers.
        listed: numbers (E.164) that are good as they are: what is on the list can be taken off it.

    Raises:
        SyncerError: some are no numbers; names each by its place.
    """
    from syncer import phones
    from syncer.cli.number_files import numbers_of
    from syncer.reasons import in_words

    country = app.settings(need_secrets=False).policy.country
    found, wrong = [], []
    places = [(f"number {at}", text) for at, text in enumerate(given, 1)]
    places += [(f"line {at}", text) for at, text in (numbers_of(file.read()) if file is not None else ())]
    for place, text in places:
        number = phones.read(text, country)
        if isinstance(number, phones.Number):
            found.append(number)
        elif text.strip() in listed:
            found.append(phones.Number(text.strip(), phones.country(text.strip()), 0))
        else:
            wrong.append(f"{place}: {in_words(number.reason, number.detail)}")
    if wrong:
        more = f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
        remedy = "Nothing was changed. Write each as +13125550142"
        raise SyncerError(f"{'; '.join(wrong[:MOST_TOLD])}{more}", remedy)
    if not found:
        raise click.UsageError("name a number, or a --file of them")
    return list(dict.fromkeys(found))


def _say_which(numbers: Sequence[phones.Number], done: str) -> None:
    """Say back which numbers were meant, of which country: a wrong guess is to be seen."""
    from syncer.log import mask

    for number in numbers[:MOST_TOLD]:
        click.echo(f"{mask(number.number)} ({number.country or 'no country'}) {done}")
    if len(numbers) > MOST_TOLD:
        counts = Counter(number.country or "no country" for number in numbers[MOST_TOLD:])
        more = ", ".join(f"{count} of {country}" for country, count in counts.most_common())
        click.echo(f"{len(numbers) - MOST_TOLD} more {done}: {more}")


@optout.command()
@NUMBERS
@FILE
@pass_app
def add(app: App, numbers: tuple[str, ...], file: IO[bytes] | None) -> None:
    """Never text these numbers again; what waits for them is not sent."""
    from syncer.cli.building import now

    given = _numbers(app, numbers, file)
    with open_to_change(app) as store:
        new, skipped = store.opt_out([one.number for one in given], "by the operator", now())
    _say_which(given, "is never texted")
    click.echo(f"{new} added, {len(given) - new} were on the list; {len(skipped)} waiting messages are skipped")


@optout.command()
@NUMBERS
@FILE
@pass_app
def remove(app: App, numbers: tuple[str, ...], file: IO[bytes] | None) -> None:
    """Text these numbers again, from the next run on."""
    with open_to_change(app) as store:
        listed = {one.number for one in store.opt_outs()}
        given = _numbers(app, numbers, file, listed=listed)
        gone = store.opt_in([one.number for one in given])
    _say_which(given, "may be texted")
    click.echo(f"{gone} removed, {len(given) - gone} were not on the list")


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
        listed = opt_out_of(store, what, settings.policy.country)
        if not uris and listed is None:
            hint = " (a number needs its country code)" if "@" not in what else ""
            click.echo(f"syncer: nothing is known of them in this database{hint}", err=True)
            return
        messages = [message for some in store.messages_of(uris).values() for message in some]
        waiting = sum(message.state in WAITING for message in messages)
        question = f"Erase the person of {len(uris)} bookings and {len(messages)} messages, {waiting} of them waiting?"
        if not uris:
            question = "Erase the number on the list of opt-outs? It stays opted out."
        confirm(f"{question} It cannot be undone", yes=yes)
        others = store.same_email(uris)
        if alone:
            for message in messages:
                if message.state is State.SENDING:
                    store.move(message, State.UNKNOWN, Reason.INTERRUPTED, now())
        count = store.forget(uris, now(), same=phones.is_number, numbers=[listed.number] if listed else [])
        click.echo(f"forgotten: {count} bookings. Logs and backups that were made before still hold what they held")
        if listed is not None:
            click.echo("the number on the list of opt-outs is erased; it stays opted out, by a keyed hash")
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
