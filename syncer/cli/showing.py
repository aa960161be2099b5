"""How things are shown: the plan of a dry run, tables, the story of a booking, the bar of a long read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import click

from syncer.cli.streams import takes_all_letters
from syncer.log import mask
from syncer.model import WAITING, State, utc_text
from syncer.reasons import EXPLANATIONS, Reason, in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from syncer.model import Booking, Message
    from syncer.rules import Policy
    from syncer.run import Run
    from syncer.store import Store
    from syncer.store.optouts import OptOut

NEXT_STEP = {
    State.UNKNOWN: "look in EngageLab's console, then: syncer resolve {id} --sent   or   --not-sent",
    State.FAILED: "when the cause is mended: syncer retry {id}",
    State.SCHEDULED: "to stop it: syncer cancel {id}",
    State.RETRYABLE: "it is tried again by itself; to stop it: syncer cancel {id}",
}
"""What a person may type about a message in a state."""
HELD = "to send it: syncer retry {id}; never to send it: syncer cancel {id}"
"""What a person may type about a message that a guard holds."""


def printable(text: str) -> str:
    """Take out of a text from outside what would move a terminal's cursor or colour it."""
    return "".join(char if char.isprintable() else " " for char in text)


def as_json(message: Message, *, show_numbers: bool) -> str:
    """Write a message as one line of JSON."""
    return json.dumps(
        {
            "id": message.id,
            "key": message.key,
            "rule": message.rule,
            "booking": message.booking,
            "audience": message.audience,
            "to": message.to if show_numbers else mask(message.to),
            "language": message.language,
            "timezone": message.timezone,
            "template": message.template,
            "params": dict(message.params),
            "state": message.state,
            "reason": message.reason,
            "detail": message.detail,
            "scheduled_at": utc_text(message.scheduled_at),
            "next_at": utc_text(message.next_at),
            "expires_at": utc_text(message.expires_at),
            "meeting_at": utc_text(message.meeting_at),
            "changed_at": utc_text(message.changed_at),
            "attempts": message.attempts,
            "segments": message.segments,
            "provider_message_id": message.provider_message_id,
            "provider_plan_id": message.provider_plan_id,
        },
        ensure_ascii=not takes_all_letters(),
    )


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: drawn on a terminal, plain columns elsewhere, never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = 4000
    console.print(table)


def print_messages(messages: Iterable[Message], *, show_numbers: bool) -> None:
    """Print messages as a table."""
    print_table(
        ["due", "state", "rule", "to", "reason", "key"],
        (
            [
                utc_text(message.scheduled_at),
                message.state,
                message.rule,
                (message.to if show_numbers else mask(message.to)) or "-",
                in_words(message.reason, message.detail) or "-",
                message.key,
            ]
            for message in messages
        ),
    )


def print_plan(run: Run) -> None:
    """Print what a run would do: what it noticed, what it would write to the outbox, what it would send now."""
    for change in run.changes:
        click.echo(f"  booking {change.kind:<12} {change.booking}")
    for message in sorted(run.todo.inserts, key=lambda row: (row.next_at, row.key)):
        what = "+ plan" if message.state is State.SCHEDULED else f"- {message.state}"
        click.echo(f"  {what:<20} {_line(message)}")
    for before, message in run.todo.updates:
        click.echo(f"  ~ {before} -> {message.state:<12} {_line(message)}")
    due = [row.message for row in run.store.due(run.clock()) if not (row.missing or is_held(row.message))]
    for message in due:
        click.echo(f"  > due now            {_line(message)}")
    seen = f"{run.report.events} events, {run.report.changed} read, {run.report.planned} messages planned"
    click.echo(
        f"dry run: {seen}, {len(due)} due now (before limits and templates); nothing was written, nothing was sent"
    )


def _line(message: Message) -> str:
    words = in_words(message.reason, message.detail)
    reason = f"  ({words})" if words else ""
    return f"{utc_text(message.next_at)}  {message.rule:<14} {mask(message.to) or '-':<16} {message.key}{reason}"


def print_opt_out(entry: OptOut, *, show_numbers: bool) -> None:
    """Print a number's entry on the list of opt-outs, and how it is taken off it."""
    number = (entry.number if show_numbers else mask(entry.number)) or "a forgotten number"
    click.echo(f"{number} is on the list of opt-outs since {utc_text(entry.added_at)}: {printable(entry.reason)}")
    click.echo("  it is never texted; to text it again: syncer optout remove NUMBER\n")


def print_story(store: Store, bookings: Iterable[Booking], policy: Policy, *, show_numbers: bool) -> None:
    """Print everything about some bookings: what was noticed, what was sent, what waits, what not, and why."""
    from syncer.foresight import why_not
    from syncer.planning import past_of

    for booking in bookings:
        event = booking.event
        state = "moved away" if booking.invitee.rescheduled else "canceled" if booking.canceled else event.status
        click.echo(f"booking {booking.uri}")
        click.echo(f"  {printable(event.name)}, {utc_text(event.start)} to {utc_text(event.end)}, {state}")
        if booking.invitee.old_invitee:
            click.echo(f"  moved from {booking.invitee.old_invitee}")
        if booking.invitee.new_invitee:
            click.echo(f"  moved to {booking.invitee.new_invitee}")
        click.echo(f"  last read {utc_text(booking.read_at)}")
        if booking.missing_at:
            click.echo(f"  not among its event's invitees since {utc_text(booking.missing_at)}: its messages wait")
        for at, kind, detail in store.changes_of(booking.uri):
            click.echo(f"  {utc_text(at)}  booking {kind}{f' ({detail})' if detail else ''}")
        messages = sorted(store.messages_of([booking.uri])[booking.uri], key=lambda row: (row.scheduled_at, row.key))
        if not messages:
            click.echo("  no rule wants a message about it")
        for message in messages:
            _print_message_story(store, message, show_numbers=show_numbers)
        past = past_of(store, booking, messages)
        for rule in policy.rules:
            if rule.name not in {row.rule for row in messages} and (why := why_not(rule, booking, policy, past)):
                click.echo(f"  {rule.name}: nothing, {why}")
        click.echo()


def _print_message_story(store: Store, message: Message, *, show_numbers: bool) -> None:
    to = (message.to if show_numbers else mask(message.to)) or "nobody"
    words = in_words(message.reason, message.detail)
    click.echo(f"  {message.rule} to {to}: {message.state}{f', {printable(words)}' if words else ''} [{message.id}]")
    click.echo(f"    due {utc_text(message.scheduled_at)}, worth sending until {utc_text(message.expires_at)}")
    if message.provider_message_id:
        click.echo(f"    accepted by EngageLab as message {message.provider_message_id}")
    for at, state, reason, detail in store.history(message.key):
        words = in_words(reason, detail)
        click.echo(f"    {utc_text(at)}  {state}{f': {printable(words)}' if words else ''}")
    for next_step in next_steps(message):
        click.echo(f"    {next_step}")


def next_steps(message: Message) -> list[str]:
    """List what a person may set, ask for or type about a message."""
    if is_held(message):
        return [HELD.format(id=message.id)]
    steps = [NEXT_STEP[message.state].format(id=message.id)] if message.state in NEXT_STEP else []
    # Of a text whose fate is open the state says what to type; of one that waits or does not leave, the reason does.
    if message.reason and message.state not in {State.SENT, State.UNKNOWN, State.FAILED, State.CANCELED}:
        remedy = EXPLANATIONS[message.reason].remedy
        if remedy or message.state is State.SKIPPED:
            steps = [(remedy[:1].lower() + remedy[1:]) or "nothing need be done", *steps]
    return steps


def is_held(message: Message) -> bool:
    """Whether a guard holds a waiting message until a person decides."""
    return message.state in WAITING and message.reason is Reason.HELD_BY_GUARD


class Bar:
    """A progress bar on stderr, with counts, rate, remaining time, and the reason for waiting."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress: Any = Progress(
            TextColumn("reading bookings"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[why]}"),
            console=Console(stderr=True, soft_wrap=True),  # keys must not be broken
            transient=True,
            auto_refresh=False,  # a thread could be missing, or hold a lock while the terminal takes nothing
        )
        self._row: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, total: int) -> None:
        """Show the bar, if there is anything to read."""
        if total:
            self._progress.start()
            self._row = self._progress.add_task("", total=total, why="", rate="")

    def advance(self, count: int) -> None:
        """Move on."""
        if self._row is not None:
            self._progress.update(self._row, advance=count, why="", rate=self._rate(), refresh=True)

    def wait(self, seconds: float, reason: str) -> None:
        """Say why it stands still."""
        if self._row is not None:
            self._progress.update(self._row, why=f"waits {seconds:.0f} s: {reason}", refresh=True)

    def end(self) -> None:
        """Take the bar away."""
        if self._row is not None:
            self._progress.remove_task(self._row)
            self._row = None
        self._progress.stop()

    def _rate(self) -> str:
        row = next(row for row in self._progress.tasks if row.id == self._row)
        return f"{row.completed / row.elapsed * 60:.0f}/min" if row.elapsed else ""
