"""What is news: which events must be read again, and what happened to their bookings.

Pure: knows no clock, database or network. Calendly has no change feed, so a listing is compared with the snapshot.
Facts about the API, with their certainty: developer.calendly.com, "List Events" and "List Event Invitees".
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer.forgetting import without_contents
from syncer.model import Booking, Change, ChangeKind, Takeover, host_key, utc_text
from syncer.rules import Trigger
from syncer.sieve import nearness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from syncer.model import Event, Host, Invitee
    from syncer.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An event of the snapshot.

    Attributes:
        event: as it was when its invitees were last read.
        read_at: when that was.
        reread_at: from then on it is read again, whatever is listed; None = only `reread` after `read_at`.
        settles_at: from then on a cancellation that was too young at `read_at` is read again; None = there is none.
        missing: absent from the last complete listing that should have held it.
    """

    event: Event
    read_at: datetime
    settles_at: datetime | None = None
    reread_at: datetime | None = None
    missing: bool = False


SAFETY = "safety"
"""Why an event is read again of which nothing is known to be new."""
NO_SHOW_LOOKS = (timedelta(minutes=30), timedelta(hours=2), timedelta(hours=8), timedelta(hours=22))
"""How long after an event's end its invitees are read again for a no-show mark, where a rule wants one.

A host sets the mark whenever they like, and nothing in the listing shows it.
"""


def looks_after_end(event: Event, rules: Iterable[Rule]) -> list[timedelta]:
    """After which times from its end an event must be read again, because a rule looks at what became of it."""
    looks: set[timedelta] = set()
    for rule in rules:
        if rule.covers(event.name, event.event_type):
            if rule.on is Trigger.AFTER_END:
                looks.add(rule.offset)
            elif rule.on is Trigger.NO_SHOW:
                looks.update(NO_SHOW_LOOKS)
    return sorted(looks)


def why_stale(
    known: Known | None, listed: Event, *, now: datetime, reread: timedelta, looks: Callable[[Event], list[timedelta]]
) -> str:
    """Say why an event's invitees must be read (again); empty = they need not be.

    Args:
        known: the event in the snapshot; None = it is not there.
        listed: the event as listed just now.
        now: the present.
        reread: every event is read again at least this often.
        looks: gives the times after an event's end at which a rule looks at it.

    `updated_at` is not looked at: the calendar's push moves it seconds after each booking.
    """
    if known is None:
        return "new"
    if changed := _differences(known.event, listed):
        return f"changed: {', '.join(changed)}"
    if known.missing:
        return "back again"
    if known.settles_at is not None and known.settles_at <= now:
        return "a young cancellation"
    if not listed.canceled and any(known.read_at < listed.end + look <= now for look in looks(listed)):
        return "ended"
    spread = known.reread_at is not None and known.reread_at <= now
    if spread or now - known.read_at >= reread:  # which a person may have set to less meanwhile
        return SAFETY
    return ""


def same_as_read(known: Event, listed: Event) -> bool:
    """Whether an event is listed as it was when it was read, in all that syncer keeps of it."""
    return not _differences(known, listed) and known.external_id == listed.external_id


def _differences(old: Event, new: Event) -> list[str]:
    """Name the fields that make an event news. A listing without hosts says nothing about them."""
    fields = ("status", "start", "end", "location", *(("hosts",) if new.hosts else ()), "total", "active")
    return [field for field in fields if getattr(old, field) != getattr(new, field)]


def reread_at(uri: str, read_at: datetime, reread: timedelta) -> datetime:
    """Say when an event that was just read is read again at the latest: after half of `reread` to all of it.

    Otherwise everything that was read in one go would come up again in one go.
    """
    return read_at + reread * (0.5 + zlib.crc32(uri.encode()) / 2**33)


def stale(
    known: Mapping[str, Known],
    listed: Iterable[Event],
    *,
    now: datetime,
    reread: timedelta,
    rules: Sequence[Rule],
) -> list[tuple[Event, str]]:
    """List the events whose invitees must be read, with the reason, nearest meeting first; past ones come last."""

    def looks(event: Event) -> list[timedelta]:
        return looks_after_end(event, rules)

    reasons = ((event, why_stale(known.get(event.uri), event, now=now, reread=reread, looks=looks)) for event in listed)
    return sorted(((event, why) for event, why in reasons if why), key=lambda row: nearness(row[0], now))


def missing(
    known: Mapping[str, Known], seen: Collection[str], *, since: datetime | None, until: datetime | None
) -> list[Known]:
    """List the known events that a complete listing of this window should have held and did not.

    Absence is never a cancellation: what is missing is held back, and looked at by a guard.

    Args:
        known: events of the snapshot, by URI.
        seen: the URIs that the listing held, also of rows that could not be read.
        since: start of the window; None = it has none.
        until: its end; None = it has none.
    """

    def inside(event: Event) -> bool:
        return (since is None or event.start >= since) and (until is None or event.start <= until)

    return [row for uri, row in known.items() if uri not in seen and inside(row.event)]


FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)


def retry_unreadable(failures: int) -> timedelta:
    """Say how long an event that could not be read rests: not after the first failure, then 1, 2, 4 … 60 minutes."""
    return min(FIRST_RETRY * (1 << min(failures - 2, 10)), LONGEST_RETRY) if failures > 1 else timedelta()


@dataclass(frozen=True, slots=True)
class News:
    """What reading one event's invitees brought: the bookings to write, and what is worth telling."""

    bookings: tuple[Booking, ...] = ()
    changes: tuple[Change, ...] = ()


def diff(
    event: Event,
    invitees: Iterable[Invitee],
    *,
    before: Mapping[str, Booking],
    now: datetime,
    settle: timedelta,
) -> News:
    """Compare an event's freshly read invitees with the snapshot.

    Args:
        event: as listed.
        invitees: as read just now.
        before: bookings of the snapshot by URI: this event's, and the old halves that the invitees name.
        now: when they were read.
        settle: a cancellation younger than this may yet turn out to be half of a reschedule.
    """
    bookings: dict[str, Booking] = {}
    changes: list[Change] = []
    for invitee in invitees:
        old = before.get(invitee.uri)
        new = _with_answer(_booking(event, invitee, old, now), old or before.get(invitee.old_invitee))
        bookings[new.uri] = new
        predecessor = before.get(new.invitee.old_invitee)
        changes += _changes(old, new, settle, was_known=predecessor is not None)
        earlier = old or predecessor
        if earlier is not None and not new.canceled and is_handed_over(earlier.event, event):
            changes.append(Change(ChangeKind.REASSIGNED, new.uri, event.uri))
    for new in tuple(bookings.values()):
        # Either half may be seen first: the new one is proof enough that the old one is gone.
        half = bookings.get(new.invitee.old_invitee) or before.get(new.invitee.old_invitee)
        if half is not None and not half.invitee.rescheduled:
            at = half.invitee.canceled_at or new.booked_at
            gone = replace(half.invitee, status="canceled", rescheduled=True, new_invitee=new.uri, canceled_at=at)
            bookings[half.uri] = replace(half, invitee=gone)
    # An invitee that is no longer listed is not canceled, but held back; its event changed all the same.
    for old in before.values():
        if old.event.uri == event.uri and old.uri not in bookings:
            bookings[old.uri] = _changed_in_place(replace(old, event=event, missing_at=old.missing_at or now), old, now)
            if old.missing_at is None:
                changes.append(Change(ChangeKind.MISSING, old.uri, event.uri, "not among its event's invitees"))
    return News(tuple(bookings.values()), tuple(changes))


def noticed_after(news: News, *, before: Mapping[str, Booking], restored_at: datetime) -> News:
    """Date what was last looked at before a backup was put back: the lost database may have noticed the same.

    A move in place and a hand-over have no time of their own but the moment when they were noticed; so may a
    cancellation.
    """

    def dated(booking: Booking) -> Booking:
        old = before.get(booking.uri)
        if old is None or old.read_at > restored_at:
            return booking
        if booking.moved_at is not None and booking.moved_at != old.moved_at:
            booking = replace(booking, moved_at=min(booking.moved_at, restored_at))
        at = booking.invitee.canceled_at
        if old.invitee.canceled_at is None and at is not None and at == booking.read_at:  # Calendly gave no time
            booking = replace(booking, invitee=replace(booking.invitee, canceled_at=min(at, restored_at)))
        return replace(booking, takeovers={key: term_at(key, term, old) for key, term in booking.takeovers.items()})

    def term_at(key: str, term: Takeover, old: Booking) -> Takeover:
        if term == old.takeovers.get(key):
            return term
        since, until = (at and min(at, restored_at) for at in (term.since, term.until))
        return replace(term, since=since, until=until)

    return replace(news, bookings=tuple(map(dated, news.bookings)))


def _booking(event: Event, invitee: Invitee, old: Booking | None, now: datetime) -> Booking:
    if invitee.erased:
        # What Calendly leaves of an erased person is not documented; here nothing is left but the made-up address.
        invitee = without_contents(invitee)
    if (event.canceled or invitee.status == "canceled") and invitee.canceled_at is None:
        # Calendly does not say when: then it is when syncer noticed, and stays so.
        noticed = old.invitee.canceled_at if old is not None else None
        invitee = replace(invitee, canceled_at=noticed or now)
    if old is None:
        return Booking(event=event, invitee=invitee, seen_at=now, read_at=now)
    if old.invitee.rescheduled and not (invitee.rescheduled and invitee.new_invitee):
        # Its new half has named it already; Calendly fills the link in a little later.
        link = invitee.new_invitee or old.invitee.new_invitee
        at = invitee.canceled_at or old.invitee.canceled_at
        invitee = replace(invitee, status="canceled", rescheduled=True, new_invitee=link, canceled_at=at)
    if old.invitee.old_invitee and not invitee.old_invitee:
        # The halves were joined without Calendly's link (`moves`): what is known stays known.
        invitee = replace(invitee, old_invitee=old.invitee.old_invitee)
    return _changed_in_place(replace(old, event=event, invitee=invitee, read_at=now, missing_at=None), old, now)


def _with_answer(new: Booking, old: Booking | None) -> Booking:
    """Keep in mind which answer held the guest's number while the answer is the same, whatever its question is now."""
    if old is None or not old.phone_source:
        return new
    same = {one.answer.strip() for one in old.invitee.answers if one.question == old.phone_question}
    kept = [one.question for one in new.invitee.answers if one.answer.strip() in same]
    question = old.phone_question if old.phone_question in kept else "".join(kept[:1])
    return replace(new, phone_source=old.phone_source if question else "", phone_question=question)


def _changed_in_place(new: Booking, old: Booking, now: datetime) -> Booking:
    """Note on a booking that its event got another start or other hosts, its URI unchanged."""
    if new.event.start != old.event.start:
        before, after = utc_text(old.event.start), utc_text(new.event.start)
        starts = dict(old.starts) or {before: 1}
        starts[after] = starts.get(after, 0) + 1
        new = replace(new, moved_at=now, starts=starts)
    if is_handed_over(old.event, new.event):
        new = replace(new, takeovers=_takeovers(new, old, now))
    return new


def is_handed_over(old: Event, new: Event) -> bool:
    """Whether an event has a host whom it had not, where both name hosts at all."""
    return bool(old.hosts) and any(not any(host.is_same(before) for before in old.hosts) for host in new.hosts)


def _takeovers(new: Booking, old: Booking, now: datetime) -> dict[str, Takeover]:
    """Note who has a booking now, and who has it no longer."""
    terms = dict(old.takeovers)

    def key_of(host: Host) -> str:
        """Find the key of the same person, whose URI may have come or gone."""
        return next((key for key, term in terms.items() if term.host.is_same(host)), host_key(host))

    for host in old.event.hosts:
        key = key_of(host)
        gone = not any(host.is_same(after) for after in new.event.hosts)
        terms[key] = replace(terms.get(key) or Takeover(host=host), host=host, until=now if gone else None)
    for host in new.event.hosts:
        if not any(host.is_same(before) for before in old.event.hosts):
            key = key_of(host)
            earlier = terms.get(key)
            terms[key] = Takeover(host=host, count=1 if earlier is None else earlier.count + 1, since=now)
    return terms


def _changes(old: Booking | None, new: Booking, settle: timedelta, *, was_known: bool) -> list[Change]:
    """Name what happened to one booking; empty = nothing worth telling (yet).

    Args:
        old: as it was in the snapshot; None = it is new.
        new: as it is now.
        settle: a younger cancellation is not believed yet.
        was_known: whether the booking that it was moved from is known: then its people may have been told of it.
    """

    def change(kind: ChangeKind, detail: str = "") -> list[Change]:
        return [Change(kind, new.uri, new.event.uri, detail)]

    if new.canceled:
        if new.invitee.rescheduled or not settled(new, settle):
            return []
        at = new.invitee.canceled_at
        unseen = old is None or (old.canceled and at is not None and at <= new.seen_at)
        if unseen and not was_known:
            return []  # joined and left before syncer ever looked
        noticed = old is not None and old.canceled and settled(old, settle)
        return [] if noticed else change(ChangeKind.CANCELED, new.invitee.canceler_type)
    if old is None:
        return change(ChangeKind.RESCHEDULED) if new.invitee.old_invitee else change(ChangeKind.CREATED)
    if old.event.start != new.event.start:
        return change(ChangeKind.MOVED)
    return []


def settled(booking: Booking, settle: timedelta) -> bool:
    """Whether a cancellation was old enough when it was read to be one, and not half of a reschedule."""
    at = booking.invitee.canceled_at
    return at is not None and booking.read_at - at >= settle


def settles_at(bookings: Iterable[Booking], *, settle: timedelta) -> datetime | None:
    """When an event must be read again because a cancellation in it was too young; None = it need not be."""
    moments = [
        booking.invitee.canceled_at + settle
        for booking in bookings
        if booking.canceled
        and not booking.invitee.rescheduled
        and booking.invitee.canceled_at is not None
        and not settled(booking, settle)
    ]
    return max(moments, default=None)
