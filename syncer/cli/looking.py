"""`syncer messages`, `explain`: what the database knows. Nothing here writes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from syncer.cli import App, pass_app
from syncer.model import State

if TYPE_CHECKING:
    from syncer.store import Store
    from syncer.store.optouts import OptOut

FEWEST_DIGITS = 6
"""Of what is looked for as a number, though it can be none."""


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
        listed = opt_out_of(store, what, policy.country)
        if listed is not None:
            showing.print_opt_out(listed, show_numbers=show_numbers)
        showing.print_story(store, [bookings[uri] for uri in uris], policy, show_numbers=show_numbers)
        if uris or listed is not None:
            return 0
        next_step = _what_to_do(store, what, policy.country)
    click.echo(f"syncer: nothing is known of {showing.printable(what)!r} in this database. {next_step}", err=True)
    return 1


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
    number = _number(what, country)
    if number:
        return store.bookings_with(partial(phones.is_number, number=number))
    if len(digits := phones.digits_of(what)) >= FEWEST_DIGITS and (
        uris := store.bookings_with(partial(phones.same_digits, digits=digits))
    ):
        return uris  # no number that can be, and somebody wrote it all the same
    return store.booking_uris(ending=what)


def opt_out_of(store: Store, what: str, country: str) -> OptOut | None:
    """Find the entry of a number on the list of opt-outs; None = it is not on it, or `what` is no number."""
    from syncer import phones

    number = _number(what, country) or f"+{phones.digits_of(what)}"
    return next((one for one in store.opt_outs_of([number])), None)


def _number(what: str, country: str) -> str:
    """Read a number as it is typed at a command, the + may be missing where no country is set; "" = it is none."""
    from syncer import phones

    for way in (what, f"+{what.strip()}"):
        found = phones.read(way, country)
        if isinstance(found, phones.Number):
            return found.number
        if country:
            break
    return ""
