"""The middle of a run: read the invitees of a batch of events, and commit what follows from them."""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import diff, moves
from syncer.errors import (
    CalendlyBusy,
    CalendlyRefused,
    LoginRefused,
    NotConnected,
    NoThreads,
    NotThere,
    NoUsableAnswer,
    Overtaken,
    Stopped,
    SyncerError,
    Unreadable,
)
from syncer.forgetting import names_of_forgotten
from syncer.listing import say_changes, window
from syncer.model import Booking, Change, ChangeKind, State, from_utc_text, utc_text
from syncer.reasons import Reason
from syncer.sending import say_message
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from syncer.model import Event, Invitee
    from syncer.planning import Planner
    from syncer.reconcile import Todo
    from syncer.run import Run


PROBES, BUSY_PROBES = 5, 2
"""So many events are read, at most, to find out whether anything can be."""
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
        asked: `settles_at` of the event when it was asked for; see `Batch`.
    """

    event: Event
    why: str
    at: datetime
    invitees: Sequence[Invitee] | SyncerError
    asked: datetime | None


class Reader:
    """Reads batches of events, several at once; the next batch is on its way while one is committed."""

    def __init__(self, run: Run, pool: Executor) -> None:
        self._run, self._pool = run, pool

    def ask(self, batch: Sequence[tuple[Event, str]]) -> list[Future[Read]]:
        """Ask for the invitees of these events, each with the reason why it is read.

        Raises:
            NoThreads: there is none to ask in.
        """
        asked = self._run.store.settling([event.uri for event, _ in batch])
        # Each in a copy of the context, so that what is logged on the way carries the run's id.
        try:
            return [
                self._pool.submit(copy_context().run, _read, self._run, event, why, asked[event.uri])
                for event, why in batch
            ]
        except RuntimeError:
            raise NoThreads from None


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


def concerns_everybody(
    run: Run, failed: Mapping[str, SyncerError], pending: Collection[str], unread: Sequence[str] = ()
) -> bool:
    """Decide, where no event of a batch could be read, whether that is about these events or about everything.

    No connection is about everything. Otherwise some events are read that could be read before, and some that are next
    to be read: if one of them can be, the trouble is these events' own.

    Args:
        run: this one.
        failed: the events of the batch, by URI, each with the reason.
        pending: events that changed: nobody knows whether they could be read.
        unread: those of them that are still to be read, best tried first.

    Raises:
        LoginRefused: the token is not good any more.
    """
    if any(isinstance(error, NotConnected) for error in failed.values()):
        return True
    busy = any(isinstance(error, (CalendlyBusy, NoUsableAnswer)) for error in failed.values())
    if (run.report.changed or run.reading_works) and not busy:
        return False
    most = BUSY_PROBES if busy else PROBES  # each of those has been tried several times before it is given up
    known = run.store.readable_events(run.clock(), without={*pending, *failed}, most=most)
    for uri in [*known, *[uri for uri in unread if uri not in failed][:most]]:
        try:
            run.calendly.invitees(uri)
        except (LoginRefused, Stopped):
            raise
        except (NotThere, Unreadable):
            if uri not in known:
                continue  # as odd as the others, perhaps
            # An answer, and not the one that the others got.
        except NotConnected:
            return True
        except CalendlyBusy as error:
            if error.status == 429:  # noqa: PLR2004  Too Many Requests
                return True
            continue
        except (CalendlyRefused, NoUsableAnswer):
            continue
        run.reading_works = True
        return False
    return bool(known) or busy


def present(run: Run) -> datetime:
    """Read the clock: ours, or Calendly's if that is behind. A young cancellation is one by theirs."""
    return min(run.clock(), run.calendly.last_date or run.clock())


def _follow(run: Run, found: Sequence[tuple[Read, Sequence[Invitee]]], now: datetime) -> None:
    """Compare what was read with the snapshot, and commit it with what follows from it."""
    written, rows = _digest(run, found)
    planning = planner(run, now)
    rows = planning.remember_numbers(rows, now)
    _commit(run, replace(written, bookings=rows), planning.todo(rows, now), now)


def _digest(run: Run, found: Sequence[tuple[Read, Sequence[Invitee]]]) -> tuple[Batch, list[Booking]]:
    """Compare what was read with the snapshot."""
    settle = run.settings.policy.settle
    readings: list[Reading] = []
    bookings: dict[str, Booking] = {}
    changes: list[Change] = []
    veil = run.store.veil(
        names_of_forgotten([read.event for read, _ in found], [one for _, named in found for one in named])
    )
    links = [veil.invitee(one).old_invitee for _, named in found for one in named]
    uris = [read.event.uri for read, _ in found]
    before = run.store.bookings(list(filter(None, links)), events=uris)
    known = run.store.known(uris)
    forgotten = run.store.forgotten_entries([read.event.external_id for read, _ in found if read.event.external_id])
    for read, named in found:
        # What was forgotten stays hidden, also in what was read before it was.
        event, invitees, now = veil.event(read.event), [veil.invitee(one) for one in named], read.at
        if event.external_id in forgotten and event.total <= 1:  # moved by the host, without a link
            invitees = [one if one.uri in before else veil.hidden(one) for one in invitees]
        if not event.hosts and event.uri in known:  # a listing without hosts says nothing about them
            event = replace(event, hosts=known[event.uri].event.hosts)
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
    changes = _join_moves(run, bookings, changes, before=before)
    rows = list(bookings.values())
    asked = {read.event.uri: read.asked for read, _ in found}
    return Batch(readings, rows, changes, asked=asked), rows + _moved_on(run, bookings)


def _moved_on(run: Run, bookings: Mapping[str, Booking]) -> list[Booking]:
    """Find what these bookings were moved to and what was read before them: it is planned again.

    Who was told of a booking stands in those that it was moved from, which may be read later.
    """
    found: dict[str, Booking] = {}
    links = [one.invitee.new_invitee for one in bookings.values()]
    while wanted := [uri for uri in links if uri and uri not in bookings and uri not in found]:
        known = run.store.bookings(wanted)
        unread = [uri for uri in wanted if uri not in known]
        beyond = run.store.moved_from(unread)
        known |= {uri: new for uri, new in beyond.items() if uri not in bookings and uri not in found}
        found |= known
        links = [one.invitee.new_invitee for one in known.values()]
    return [booking for booking in found.values() if booking.missing_at is None]


def _join_moves(
    run: Run, bookings: dict[str, Booking], changes: Sequence[Change], *, before: Mapping[str, Booking]
) -> list[Change]:
    """Join halves of moves that Calendly does not link; changes `bookings`, and returns what was noticed then.

    A new half is looked at when it is new, an old one whenever it is read: so each pair meets.
    """
    halves = [
        booking
        for booking in bookings.values()
        if moves.is_old_half(booking) or (moves.is_new_half(booking) and booking.uri not in before)
    ]
    if not halves:
        return list(changes)
    others = run.store.moved_halves(moves.wanted_external_ids(halves), moves.wanted_emails(halves))
    lost = [half.invitee.email for half in halves if moves.is_old_half(half) and half.invitee.rescheduled]
    if lost:
        others |= run.store.bookings_by_email(lost)
    joined = moves.joined(bookings, {uri: other for uri, other in others.items() if uri not in bookings})
    if not joined:
        return list(changes)
    # With all seats of their events: which of two equal texts leaves is decided among them.
    events = sorted({booking.event.uri for booking in joined.values() if booking.uri not in bookings})
    seats = run.store.bookings(events=events)
    bookings |= {uri: seat for uri, seat in seats.items() if uri not in bookings} | joined
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


def _read(run: Run, event: Event, why: str, asked: datetime | None) -> Read:
    """Read an event's invitees; what concerns this event alone is returned, what concerns the token is raised."""
    at = present(run)
    try:
        return Read(event, why, at, run.calendly.invitees(event.uri), asked)
    except LoginRefused:
        raise
    except (CalendlyRefused, NotConnected, NoUsableAnswer, Unreadable) as error:
        return Read(event, why, at, error, asked)  # also gone since it was listed: absence is never a cancellation


def plan_again_if_rules_changed(run: Run, now: datetime) -> None:
    """Plan all known bookings once more when a setting that decides about texts is not what it was.

    Each batch is committed, with how far it came: a process that is stopped or killed goes on from there.
    """
    fingerprint, scope = run.settings.policy.fingerprint(), run.settings.scope
    before = run.store.meta("policy")
    if before == fingerprint and run.store.meta("scope") in {"", scope}:
        return
    wanted, (since, _) = run.store.digest(f"{fingerprint} {scope}"), window(run, now)
    begun, _, position = run.store.meta("planned_again").partition(" ")
    if begun == wanted:
        since = max(since, from_utc_text(position))
    elif before not in {"", fingerprint}:
        run.store.remember("policy_changed_at", utc_text(now))
    planning = planner(run, now)
    for latest, bookings in run.store.bookings_since(since):
        run.check_stop()
        run.alive()
        rows = planning.remember_numbers(bookings, now)
        changed = [new for old, new in zip(bookings, rows, strict=True) if new is not old]
        _commit(run, Batch(bookings=changed), planning.todo(rows, now), now)
        run.store.remember("planned_again", f"{wanted} {utc_text(latest)}")
    run.store.remember("policy", fingerprint)
    run.store.remember("scope", scope)
    run.store.remember("planned_again", "")


def planner(run: Run, now: datetime) -> Planner:
    """Make the planner of this run; what rules cover that they did not cover before is born now."""
    from syncer.births import coverages
    from syncer.planning import Planner

    policy = run.settings.policy
    eras = run.store.meet_rules(coverages(policy, run.settings.scope), now)
    return Planner(run.store, policy, run.calendly, eras, run.unreadable)


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
