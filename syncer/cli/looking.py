"""`syncer messages`, `explain`: what the database knows. Nothing here writes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.model import State

if TYPE_CHECKING:
    from syncer.store import Store


def open_store(app: App) -> Store:
    """Open the settings' database for looking only."""
    from syncer.store import Store, database

    return Store(database.open_read_only(app.settings(need_secrets=False).db))


@click.command()
@click.option(
    "--state",
    type=click.Choice([state.value for state in State]),
    multiple=True,
    help="Only these; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--show-numbers", is_flag=True, help="Numbers in full.")
@pass_app
def messages(app: App, *, state: tuple[str, ...], as_json: bool, show_numbers: bool) -> None:
    """List the outbox, oldest first."""
    from syncer.cli import showing

    with open_store(app) as store:
        found = store.messages(states=state)
        if as_json:
            for message in found:
                click.echo(showing.as_json(message, show_numbers=show_numbers))
        elif found:
            showing.print_messages(found, show_numbers=show_numbers)
        else:
            click.echo("no message" + (f" is {' or '.join(state)}" if state else " yet"))


@click.command()
@click.argument("what")
@click.option("--show-numbers", is_flag=True, help="Numbers in full.")
@pass_app
def explain(app: App, what: str, *, show_numbers: bool) -> int:
    """Tell the whole story of WHAT: a booking or event (or the end of its address), a key, a number, an e-mail."""
    from syncer.cli import showing

    with open_store(app) as store:
        policy = app.settings(need_secrets=False).policy
        uris = find(store, what, policy.country)
        bookings = store.bookings(uris)
        opted_out = _tell_opt_out(store, what, policy.country, show_numbers=show_numbers)
        showing.print_story(store, [bookings[uri] for uri in uris], policy, show_numbers=show_numbers)
        next_step = "" if uris else _what_to_do(store, what, policy.country)
    if not uris:
        known = "no booking" if opted_out else "nothing"
        click.echo(f"syncer: {known} is known of {showing.printable(what)!r} in this database. {next_step}", err=True)
    return 0 if uris or opted_out else 1


def _number(what: str, country: str) -> str:
    """Read what was typed as a number, in E.164; "" = it is none."""
    from syncer import phones

    if what.strip(" +-()./0123456789") or not what.strip():
        return ""
    number = phones.possible(what if country or "+" in what else f"+{what}", country)
    return number if isinstance(number, str) else ""


def _tell_opt_out(store: Store, what: str, country: str, *, show_numbers: bool) -> bool:
    """Say that a number is on the list of those never to text; returns whether it is."""
    from syncer.log import mask
    from syncer.model import utc_text

    number = _number(what, country)
    if not number or number not in store.opted_out_of([number]):
        return False
    entry = next((row for row in store.opt_outs() if row.number == number), None)
    since = f" since {utc_text(entry.added_at)} ({entry.reason})" if entry else ""
    shown = number if show_numbers else mask(number)
    click.echo(f"{shown} is opted out{since}: it is never texted. `syncer optout remove` allows it again")
    return True


def _what_to_do(store: Store, what: str, country: str) -> str:
    """Say what to try when nothing was found."""
    if store.last_run(outcome="completed") is None:
        return "No run was complete yet: `syncer run --once` reads the bookings"
    if "@" in what:
        return (
            "Is it the e-mail that was typed at the booking? Calendly shows it; a new booking is read by the next run"
        )
    if not what.strip(" +-()./0123456789"):
        if not country and not what.strip().startswith(("+", "00")):
            return "A number needs its country code, such as +13125550142, or set `country`"
        return "Is it the number that was typed at the booking? Try the e-mail, too"
    if not set(what) - set("mb-0123456789abcdef") or what.startswith(("m-", "b-")):
        return "`syncer messages --json` lists ids and keys"
    return "Try the guest's e-mail or number, or an id of `syncer messages`; a new booking is read by the next run"


def find(store: Store, what: str, country: str) -> list[str]:
    """Find the bookings that somebody means: by a message's id or key, an e-mail, a number, or (the end of) an address.

    Args:
        store: open.
        what: as typed. A number is found wherever a guest may have written it, also where it was refused.
        country: of a number without a country code (ISO 3166).
    """
    from syncer import phones

    what = what.encode("utf-8", "replace").decode()  # bytes of another encoding than the terminal's
    if messages := store.named(what):
        return list(dict.fromkeys(message.booking for message in messages))
    if "@" in what:
        return store.booking_uris(email=what.strip())
    if number := _number(what, country):
        return store.bookings_with(partial(phones.is_number, number=number))
    return store.booking_uris(ending=what)
