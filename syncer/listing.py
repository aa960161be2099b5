"""The first step of a run: the complete listing, what it lost, and which events must be read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import diff
from syncer.cancellation_guard import CancellationGuard, suspects_among
from syncer.errors import ClockWrong, Unreadable
from syncer.forgetting import names_of_forgotten
from syncer.guards import guard_listing
from syncer.model import Change, ChangeKind, from_utc_text, utc_text
from syncer.reconcile import Todo
from syncer.rules import Policy, Trigger
from syncer.run import CLOCK_TOLERANCE, Listed
from syncer.store import Batch, UnreadableEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from syncer.diff import Known
    from syncer.errors import SyncerError
    from syncer.model import Event
    from syncer.ports import Listing
    from syncer.run import Run
    from syncer.sieve import Sieve

EMPTY = "Calendly lists no event at all; without the role owner or admin it may do so instead of refusing: syncer check"
PER_PAGE = 100
"""Events of a page of the listing: the most that Calendly gives."""
MOST_NEW = 10_000
"""Of more new events than these the nearest are read first, and the rest is listed again afterwards."""
PAGES_A_PART = 12
"""A listing is only cut into parts of at least so many pages, which take some seconds one after the other."""
UNMATCHED_EVERY = timedelta(days=1)
"""How often it is told that a rule matches no event."""
LONG_EVENT = timedelta(hours=24)
"""The listing is filtered by start: an event this long is still seen when it ends."""


def read_listing(run: Run) -> Listed:
    """Read the complete listing, and compare it with the snapshot.

    Raises:
        SyncerError: it is not complete, a guard refused it, or the clock is wrong; nothing was changed but, perhaps,
            the marks of events that are as they were.
    """
    scope = _scope(run)
    began, ticks = run.clock(), run.ticks()
    since, until = window(run, began)
    sieve, known = run.store.sieve(since, until, now=began, reread=run.settings.reread, most=MOST_NEW)
    listing = _listing(run, scope, (since, until), sieve)
    veil = run.store.veil(names_of_forgotten(listing.events))
    events = [veil.event(event) for event in listing.events]
    known |= run.store.known_by_mark(sieve.unseen())
    known |= run.store.known([event.uri for event in events if event.uri not in known])
    now = run.clock()
    run.report.events = listing.count
    hint = {} if listing.count or known or run.store.last_run() else {"warning": EMPTY}
    run.tell("listing.completed", events=listing.count, since=since.isoformat(), **hint)
    _check_clock(run, now, began, ticks)
    seen = {*(event.uri for event in events), *listing.unreadable}
    lost = [row for row in diff.missing(known, seen, since=since, until=until) if not row.missing]
    if lost and not run.options.force:
        guard_listing(listed=listing.count, known=run.store.in_window(since, until), missing=len(lost))
    _mark_missing(run, lost, now)
    stale = diff.stale(known, events, now=now, reread=run.settings.reread, rules=run.settings.policy.rules)
    sieve.renew_marks()
    _renew_entries(run, known, events, stale)
    entries = {event.uri: event.external_id for event, _ in stale} | dict(listing.entries)
    stale, unreadable = _set_unreadable_aside(run, stale, listing.unreadable, now)
    suspects = suspects_among((event for event, _ in stale), known, now)
    # What may hold the old half of a move is read first: the new half alone, without a link, is a booking.
    stale.sort(key=lambda row: (row[0].uri not in suspects, row[0].active >= row[0].total and not row[0].canceled))
    guard = CancellationGuard(run, until, suspects)
    return Listed(
        at=began,
        ticks=ticks,
        since=since,
        until=until,
        stale=stale,
        left=sieve.dropped,
        unreadable=unreadable,
        entries={uri: entry for uri, entry in entries.items() if entry},
        guard=guard,
    )


def _renew_entries(
    run: Run, known: Mapping[str, Known], events: Sequence[Event], stale: Sequence[tuple[Event, str]]
) -> None:
    """Keep the calendar's id where it came later than the booking: it is no news, and moves are joined by it."""
    news = {event.uri for event, _ in stale}
    late = [
        event
        for event in events
        if event.external_id and event.uri not in news and event.external_id != known[event.uri].event.external_id
    ]
    run.store.renew_entries(late)


def _set_unreadable_aside(
    run: Run, stale: Sequence[tuple[Event, str]], unreadable: Mapping[str, str], now: datetime
) -> tuple[list[tuple[Event, str]], set[str]]:
    """Part what is to be read from what cannot be read, or was tried in vain a short while ago.

    Args:
        run: this one.
        stale: events to read, nearest meeting first, each with the reason.
        unreadable: events whose rows in the listing cannot be read, by URI, with the reason.
        now: the present.

    Returns:
        What to read now, that which failed before last; and the URIs of what is not read in this run.
    """
    before = run.store.unreadable_events()
    listed = {event.uri for event, _ in stale} | unreadable.keys()
    run.store.forget_unreadable(before.keys() - listed)
    note_unreadable(run, {uri: Unreadable(error) for uri, error in unreadable.items()}, now, rows=True)
    waits = {event.uri for event, _ in stale if event.uri in before and now < before[event.uri].retry_at}
    again = [row for row in stale if row[0].uri not in waits]
    again.sort(key=lambda row: row[0].uri in before)
    return again, waits | unreadable.keys()


def note_unreadable(run: Run, failed: Mapping[str, SyncerError], now: datetime, *, rows: bool = False) -> None:
    """Remember events that could not be read, and tell of them.

    Args:
        run: this one.
        failed: by URI, with the reason.
        now: the present.
        rows: whether their rows in the listing are meant: each listing has those, so they are told of once.
    """
    before = run.store.unreadable_events() if failed else {}
    noted = []
    for uri, error in failed.items():
        old = before.get(uri)
        if rows and old is not None and old.error == str(error):
            continue
        failures = 1 if old is None else old.failures + 1
        since = now if old is None else old.since
        noted.append(UnreadableEvent(uri, since, failures, now + diff.retry_unreadable(failures), str(error)))
        remedy = error.remedy or "It is read again by itself; look at it in Calendly if this goes on"
        run.tell("event.unreadable", event_uri=uri, reason=str(error), remedy=remedy, failures=failures)
    run.store.remember_unreadable(noted)


def _listing(run: Run, scope: dict[str, str], window: tuple[datetime, datetime | None], sieve: Sieve) -> Listing:
    """Ask for the complete listing; where the token was refused on the way, the new one must be of the same account.

    Raises:
        WrongDatabase: it is another account's.
        Unreadable: it is another person's, whose events are others.
    """
    token = run.settings.token.reveal()
    listing = run.calendly.events(scope, *window, cuts=_cuts(run, sieve.size, *window), sieve=sieve)
    if run.settings.token.reveal() != token and _scope(run) != scope:
        raise Unreadable("the new token is another person's: these are not their events", "The next run lists theirs")
    return listing


def _cuts(run: Run, count: int, since: datetime, until: datetime | None) -> list[datetime]:
    """Part the window by how many events the snapshot has of it: a part is some whole pages, so that it costs no more.

    A small account is not cut: it would cost more requests, and save no time that anybody notices.
    """
    parts = run.calendly.lanes(min(run.settings.concurrency, count // (PER_PAGE * PAGES_A_PART)))
    return run.store.cuts(since, until, size=PER_PAGE, most=parts) if parts > 1 else []


def _scope(run: Run) -> dict[str, str]:
    """Say whose events are listed; for a token never seen before, ask first whose it is.

    The account is remembered with a keyed hash of the token, so that a run costs no request for it.
    """
    store, scope, token = run.store, run.settings.scope, run.settings.token.reveal()
    if not store.knows_token(token):
        me = run.calendly.me()
        store.bind(me.organization, me.uri, run.settings.token.reveal())  # which may be another one since it was asked
    return scope_of(scope, account=store.meta("account"), user=store.meta("user"))


def scope_of(scope: str, *, account: str, user: str) -> dict[str, str]:
    """Turn the setting `calendly.scope` into query parameters ("List Events": who may ask for what).

    Args:
        scope: organization, user, or the URI of a user or group.
        account: the organization's URI.
        user: the URI of the token's own user.
    """
    match scope:
        case "organization":
            return {"organization": account}
        case "user":
            return {"user": user}
        case _ if "/users/" in scope:
            return {"organization": account, "user": scope}
        case _:
            return {"organization": account, "group": scope}


def tell_unmatched(run: Run, now: datetime) -> None:
    """Tell of rules whose event types no event has: once after a change of the settings, then daily.

    Only names that were typed can miss; without any event nobody can tell.
    """
    rules = [rule for rule in run.settings.policy.rules if rule.event_types is not None]
    if not rules or run.options.dry_run:
        return
    fingerprint = run.settings.policy.fingerprint()
    told, _, at = run.store.meta("rules_matched").partition(" ")
    if told == fingerprint and now < from_utc_text(at) + UNMATCHED_EVERY:
        return
    names = run.store.event_names()
    if not names:
        return
    for rule in rules:
        if not any(rule.covers(name, event_type) for name, event_type in names):
            wanted = ", ".join(sorted(rule.event_types or ()))
            remedy = "Correct rule.event_types; `syncer check` lists the event types"
            run.tell("rule.unmatched", rule=rule.name, reason=f"no event is of the type {wanted}", remedy=remedy)
    run.store.remember("rules_matched", f"{fingerprint} {utc_text(now)}")


def window(run: Run, now: datetime) -> tuple[datetime, datetime | None]:
    """Say which starts the listing spans, as (since, until); None = no end.

    It reaches back by the lookback, and to the oldest event that messages still wait for; options only widen it.
    """
    settings, options = run.settings, run.options
    starts = [now - (settings.lookback or lookback(settings.policy)), options.since, run.store.oldest_waiting()]
    until = None if settings.horizon is None else now + settings.horizon
    if until is not None and options.until is not None:
        until = max(until, options.until)
    return min(start for start in starts if start is not None), until


def lookback(policy: Policy) -> timedelta:
    """Derive how far back the listing must reach from what the rules look at after a meeting."""
    longest = timedelta(hours=1)
    for rule in policy.rules:
        if rule.on is Trigger.AFTER_END:
            longest = max(longest, rule.offset + rule.max_lateness)
        elif rule.on is Trigger.NO_SHOW:
            longest = max(longest, diff.NO_SHOW_LOOKS[-1] + rule.max_lateness)
    return longest + LONG_EVENT


def _check_clock(run: Run, now: datetime, began: datetime, ticks: float) -> None:
    """Compare the clock with Calendly's, and with the one that nobody sets; only then set the times that wait for it.

    Args:
        run: this one.
        now: the present, after the listing.
        began: when the listing was asked for, by the clock.
        ticks: likewise, in ticks.

    Raises:
        ClockWrong: it is wrong, or was set meanwhile.
    """
    there = run.calendly.last_date
    if there is not None and abs(now - there) > CLOCK_TOLERANCE:
        seconds = int((now - there).total_seconds())
        raise ClockWrong(
            f"this machine's clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} Calendly's",
            "Set the clock (timedatectl); nothing was sent",
        )
    run.check_jump(began, ticks)
    _set_times(run, began, ticks)


def _set_times(run: Run, began: datetime, ticks: float) -> None:
    """Set the times that wait for a clock that was checked: the database's birth, and when a backup was put back."""
    run.checked = began, ticks
    run.store.be_born(began)
    count = run.store.check_restored(began, ticks)
    if count is not None:
        reason = "the clock was set, or the machine was started, since `syncer restored`"
        run.tell("database.warning", reason=f"{reason}: {count} texts that were due since then are unknown, too")


def _mark_missing(run: Run, lost: Sequence[Known], now: datetime) -> None:
    uris = [row.event.uri for row in lost]
    bookings = run.store.bookings(events=uris).values()
    changes = [Change(ChangeKind.MISSING, booking.uri, booking.event.uri) for booking in bookings]
    run.store.commit(Batch(changes=changes, missing=uris), Todo(), now)
    say_changes(run, changes)


def say_changes(run: Run, changes: Sequence[Change]) -> None:
    """Write the log events of what was noticed about bookings."""
    for change in changes:
        more = {"detail": change.detail} if change.detail else {}
        run.tell(f"booking.{change.kind}", booking=change.booking, event_uri=change.event, **more)
