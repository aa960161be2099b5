"""The middle of a run: read the invitees of a batch of events, and commit what follows from them."""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import diff, moves
from syncer.errors import (
    CalendlyBusy,
    CalendlyRefused,
    LoginRefused,
    NotConnected,
    NotThere,
    NoUsableAnswer,
    Overtaken,
    SyncerError,
    Unreadable,
)
from syncer.listing import say_changes, window
from syncer.model import Booking, Change, ChangeKind, State
from syncer.reasons import Reason
from syncer.sending import say_message
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from syncer.model import Event, Invitee
    from syncer.planning import Planner
    from syncer.reconcile import Todo
    from syncer.run import Run


LOOK_FOR_MISSING = timedelta(hours=1)
"""How often an event is read in which somebody is missing whose messages wait: `reread` may be later than these."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one event.

    Attributes:
        event: as listed.
        why: why it was read.
        at: when it was asked for; the answer is not older.
        invitees: all of them, or why they could not be read.
    """

    event: Event
    why: str
    at: datetime
    invitees: Sequence[Invitee] | SyncerError


class Reader:
    """Reads batches of events, several at once; the next batch is on its way while one is committed."""

    def __init__(self, run: Run, pool: Executor) -> None:
        self._run, self._pool = run, pool

    def ask(self, batch: Sequence[tuple[Event, str]]) -> list[Future[Read]]:
        """Ask for the invitees of these events, each with the reason why it is read."""
        # Each in a copy of the context, so that what is logged on the way carries the run's id.
        return [self._pool.submit(copy_context().run, _read, self._run, event, why) for event, why in batch]


def follow(run: Run, batch: Sequence[Read]) -> dict[str, SyncerError]:
    """Commit a batch that was read: bookings, messages, changes.

    Returns:
        The events that could not be read, by URI, with the reason; they stay as they are, nothing leaves about them.

    Raises:
        SyncerError: it could not be committed; then nothing of it is written.
    """
    now = present(run)
    found = [(one, one.invitees) for one in batch if not isinstance(one.invitees, SyncerError)]
    try:
        _follow(run, found, now)
    except Overtaken:  # an operator's command came first: plan by what is there now
        _follow(run, found, now)
    run.report.changed += len(found)
    return {one.event.uri: one.invitees for one in batch if isinstance(one.invitees, SyncerError)}


def concerns_everybody(run: Run, failed: Mapping[str, SyncerError]) -> bool | None:
    """Decide, where no event of a batch could be read, whether that is about these events or about everything.

    No connection is about everything. Otherwise an event that could be read before is read: if it can be, the trouble
    is these events' own.

    Args:
        run: this one.
        failed: the events of the batch, by URI, each with the reason.

    Returns:
        None = nobody can tell, as no event was ever read.
    """
    if any(isinstance(error, NotConnected) for error in failed.values()):
        return True
    busy = any(isinstance(error, (CalendlyBusy, NoUsableAnswer)) for error in failed.values())
    if run.report.changed and not busy:
        return False
    known = run.store.readable_event(run.clock(), failed=failed)
    if not known:
        return True if busy else None
    try:
        run.calendly.invitees(known)
    except (NotThere, Unreadable):
        return False  # an answer, and not the one that the others got
    except (CalendlyRefused, NotConnected, NoUsableAnswer):
        return True
    return False


def present(run: Run) -> datetime:
    """Read the clock: ours, or Calendly's if that is behind. A young cancellation is one by theirs."""
    return min(run.clock(), run.calendly.last_date or run.clock())


def _follow(run: Run, found: Sequence[tuple[Read, Sequence[Invitee]]], now: datetime) -> None:
    """Compare what was read with the snapshot, and commit it with what follows from it."""
    written, rows = _digest(run, found)
    _commit(run, written, planner(run, now).todo(rows, now), now)


def _digest(run: Run, found: Sequence[tuple[Read, Sequence[Invitee]]]) -> tuple[Batch, list[Booking]]:
    """Compare what was read with the snapshot."""
    settle = run.settings.policy.settle
    readings: list[Reading] = []
    bookings: dict[str, Booking] = {}
    changes: list[Change] = []
    veil = run.store.veil
    links = [veil.invitee(one).old_invitee for _, named in found for one in named]
    before = run.store.bookings(list(filter(None, links)), events=[read.event.uri for read, _ in found])
    for read, named in found:
        # What was forgotten stays hidden, also in what was read before it was.
        event, invitees, now = veil.event(read.event), [veil.invitee(one) for one in named], read.at
        news = diff.diff(event, invitees, before=before, now=now, settle=settle)
        if run.store.restored_at is not None:
            news = diff.noticed_after(news, before=before, restored_at=run.store.restored_at)
        again = diff.settles_at(news.bookings, settle=settle)
        behind = len(invitees) < event.total and read.why.startswith(("new", "changed"))
        missing = {booking.missing_at for booking in news.bookings} - {None}
        if behind or now in missing:
            again = again or now + settle  # the list is behind the counter, or somebody fell out: look once more
        elif missing and now < event.end:
            again = again or now + LOOK_FOR_MISSING
        readings.append(Reading(event, now, again, diff.reread_at(event.uri, now, run.settings.reread)))
        changes += news.changes
        for booking in news.bookings:
            # The old half of a move may come twice: by its own event, and by the new half, which knows more.
            if not (booking.uri in bookings and bookings[booking.uri].invitee.rescheduled):
                bookings[booking.uri] = booking
    changes = _join_moves(run, bookings, changes)
    rows = list(bookings.values())
    return Batch(readings, rows, changes), rows + _moved_on(run, bookings)


def _moved_on(run: Run, bookings: Mapping[str, Booking]) -> list[Booking]:
    """Find what these bookings were moved to and what was read before them: it is planned again.

    Who was told of a booking stands in those that it was moved from, which may be read later.
    """
    found: dict[str, Booking] = {}
    links = [one.invitee.new_invitee for one in bookings.values()]
    while wanted := [uri for uri in links if uri and uri not in bookings and uri not in found]:
        known = run.store.bookings(wanted)
        found |= known
        links = [one.invitee.new_invitee for one in known.values()]
    return [booking for booking in found.values() if booking.missing_at is None]


def _join_moves(run: Run, bookings: dict[str, Booking], changes: Sequence[Change]) -> list[Change]:
    """Join halves of moves that Calendly does not link; changes `bookings`, and returns what was noticed then."""
    # Those that are known and whose other half would be known, too, were looked at when they were new.
    halves = [booking for booking in bookings.values() if moves.unlinked(booking)]
    if not halves:
        return list(changes)
    ids, emails = moves.wanted_external_ids(halves), moves.wanted_emails(halves)
    others = run.store.moved_halves(ids, emails)
    lost = [half.invitee.email for half in halves if moves.is_old_half(half) and half.invitee.rescheduled]
    if lost:
        others |= run.store.bookings_by_email(lost)
    joined = moves.joined(bookings, {uri: other for uri, other in others.items() if uri not in bookings})
    if not joined:
        return list(changes)
    bookings |= joined
    news = [change for change in changes if not _is_told_by_a_move(change, joined)]
    for booking in joined.values():
        if booking.invitee.old_invitee in joined and not booking.canceled:
            news.append(Change(ChangeKind.RESCHEDULED, booking.uri, booking.event.uri))
            if diff.is_handed_over(joined[booking.invitee.old_invitee].event, booking.event):
                news.append(Change(ChangeKind.REASSIGNED, booking.uri, booking.event.uri))
    return news


def _is_told_by_a_move(change: Change, joined: Mapping[str, Booking]) -> bool:
    """Whether a change is half of a move: the old booking canceled, the new one booked."""
    return change.booking in joined and change.kind in {ChangeKind.CANCELED, ChangeKind.CREATED}


def _read(run: Run, event: Event, why: str) -> Read:
    """Read an event's invitees; what concerns this event alone is returned, what concerns the token is raised."""
    at = present(run)
    try:
        return Read(event, why, at, run.calendly.invitees(event.uri))
    except LoginRefused:
        raise
    except (CalendlyRefused, NotConnected, NoUsableAnswer, Unreadable) as error:
        return Read(event, why, at, error)  # also gone since it was listed: absence is never a cancellation


def plan_again_if_rules_changed(run: Run, now: datetime) -> None:
    """Plan all known bookings once more when a setting that decides about texts is not what it was."""
    fingerprint = run.settings.policy.fingerprint()
    if run.store.meta("policy") == fingerprint:
        return
    since, _ = window(run, now)
    planning = planner(run, now)
    for bookings in run.store.bookings_since(since):
        _commit(run, Batch(), planning.todo(bookings, now), now)
    run.store.remember("policy", fingerprint)


def planner(run: Run, now: datetime) -> Planner:
    """Make the planner of this run; rules never seen before are born now."""
    from syncer.planning import Planner

    born = run.store.meet_rules([rule.name for rule in run.settings.policy.rules], now)
    return Planner(run.store, run.settings.policy, run.calendly, born, run.unreadable)


def _commit(run: Run, batch: Batch, todo: Todo, now: datetime) -> None:
    """Commit; then tell and count what is now true."""
    run.store.commit(batch, todo, now)
    if run.options.dry_run:  # who prints it; a first run would carry all of an account along
        run.todo += todo
        run.changes += batch.changes
    say_changes(run, batch.changes)
    kinds = [change.kind for change in batch.changes]
    run.report.created += kinds.count(ChangeKind.CREATED)
    run.report.canceled += kinds.count(ChangeKind.CANCELED)
    run.report.rescheduled += kinds.count(ChangeKind.RESCHEDULED) + kinds.count(ChangeKind.MOVED)
    for message in todo.inserts + tuple(new for old, new in todo.updates if new.state is not old):
        what = "planned" if message.state is State.SCHEDULED else str(message.state)
        run.report.count(what)
        if (
            message.reason is not Reason.BEFORE_BIRTH
        ):  # a first start has one of these for each thing that ever happened
            say_message(run.tell, what, message)
