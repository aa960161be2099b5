"""The first step of a run: the complete listing, what it lost, and which events must be read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import diff
from syncer.errors import ClockWrong, Unreadable
from syncer.model import Change, ChangeKind
from syncer.reconcile import Todo, guard_cancellations, guard_listing
from syncer.rules import Policy, Trigger
from syncer.run import CLOCK_TOLERANCE, Listed
from syncer.store import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from syncer.diff import Known
    from syncer.ports import Listing
    from syncer.run import Run

EMPTY = "Calendly lists no event at all; without the role owner or admin it may do so instead of refusing: syncer check"
PER_PAGE = 100
"""Events of a page of the listing: the most that Calendly gives."""
MOST_NEW = 10_000
"""Of more new events than these the nearest are read first, and the rest is listed again afterwards."""
PAGES_A_PART = 12
"""A listing is only cut into parts of at least so many pages, which take some seconds one after the other."""
LONG_EVENT = timedelta(hours=24)
"""The listing is filtered by start: an event this long is still seen when it ends."""


def read_listing(run: Run) -> Listed:
    """Read the complete listing, and compare it with the snapshot.

    Raises:
        SyncerError: it is not complete, a guard refused it, or the clock is wrong; nothing was changed.
    """
    scope = _scope(run)
    began, ticks = run.clock(), run.ticks()
    since, until = window(run, began)
    sieve, known = run.store.sieve(since, until, now=began, reread=run.settings.reread, most=MOST_NEW)
    listing = run.calendly.events(scope, since, until, cuts=_cuts(run, sieve.size, since, until), sieve=sieve)
    if listing.unreadable:  # until such events are held alone: else they would count as missing
        uri, why = next(iter(listing.unreadable.items()))
        raise Unreadable(f"{uri}: {why}")
    veil = run.store.veil
    events = [veil.event(event) for event in listing.events]
    known |= run.store.known_by_mark(sieve.unseen())
    known |= run.store.known([event.uri for event in events if event.uri not in known])
    now = run.clock()
    run.report.events = listing.count
    hint = {} if listing.count or known or run.store.last_run() else {"warning": EMPTY}
    run.tell("listing.completed", events=listing.count, since=since.isoformat(), **hint)
    _check_clock(now, run.calendly.last_date)
    run.store.born_by(now)
    lost = [row for row in diff.missing(known, events, since=since, until=until) if not row.missing]
    if not run.options.force:
        _guard(run, known, listing, lost=lost, now=now, window=(since, until))
    _mark_missing(run, lost, now)
    rules = run.settings.policy.rules
    stale = diff.stale(known, events, now=now, reread=run.settings.reread, rules=rules)
    return Listed(at=began, ticks=ticks, since=since, until=until, stale=stale, left=sieve.dropped)


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
        store.bind(me.organization, me.uri, token)
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


def _check_clock(now: datetime, there: datetime | None) -> None:
    if there is not None and abs(now - there) > CLOCK_TOLERANCE:
        seconds = int((now - there).total_seconds())
        raise ClockWrong(
            f"this machine's clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} Calendly's",
            "Set the clock (timedatectl); nothing was sent",
        )


def _guard(
    run: Run,
    known: Mapping[str, Known],
    listing: Listing,
    *,
    lost: Sequence[Known],
    now: datetime,
    window: tuple[datetime, datetime | None],
) -> None:
    if lost:
        guard_listing(listed=listing.count, known=run.store.in_window(*window), missing=len(lost))
    gone = {event.uri for event in listing.events if event.canceled}
    were = [row.event for uri in gone if (row := known.get(uri)) is not None and not row.missing]
    canceled = sum(event.active for event in were if not event.canceled and event.start > now)
    if canceled:
        guard_cancellations(canceled=canceled, known=run.store.seats_ahead(now, window[1]))


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
