"""Joins the two halves of a move that Calendly does not link (yet). Pure.

Normally the old invitee names its `new_invitee`, and the new one its `old_invitee`. Recordings show that the links may
come later than the halves, and `calendar_event.external_id` is null without a connected calendar. So halves without a
link are joined by the calendar's id; and those that Calendly calls rescheduled by e-mail, event type and time, too.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from syncer.model import Booking

WITHIN = timedelta(seconds=60)
"""How far apart the halves of a move may be that only e-mail and event type join; 17 to 322 ms were recorded."""


def is_old_half(booking: Booking) -> bool:
    """Whether it is canceled, names no new half, and something could join it with one."""
    invitee = booking.invitee
    joinable = bool(booking.event.external_id) or invitee.rescheduled
    return booking.canceled and not invitee.new_invitee and not invitee.erased and joinable


def is_new_half(booking: Booking) -> bool:
    """Whether it names no old half."""
    return not booking.invitee.old_invitee and not booking.invitee.erased


def joined(batch: Mapping[str, Booking], others: Mapping[str, Booking]) -> dict[str, Booking]:
    """Join halves of moves, at least one half of each from the batch.

    Args:
        batch: the bookings that were just read, by URI.
        others: bookings of the snapshot that may be the other halves, by URI.

    Returns:
        The joined halves as they are now, by URI. Each half is used once; the nearest in time belong together.
    """
    bookings = {**others, **batch}
    olds = [booking for booking in bookings.values() if is_old_half(booking)]
    news = [booking for booking in bookings.values() if is_new_half(booking)]
    pairs = sorted(
        (*likeness, old.uri, new.uri)
        for old, new in _candidates(olds, news)
        if (old.uri in batch or new.uri in batch) and (likeness := _likeness(old, new)) is not None
    )
    result: dict[str, Booking] = {}
    used_old: set[str] = set()
    used_new: set[str] = set()
    for *_, old_uri, new_uri in pairs:
        if old_uri not in used_old and new_uri not in used_new:
            used_old.add(old_uri)
            used_new.add(new_uri)
            # As they are by now: in a chain one booking is the new half of one move and the old half of the next.
            old, new = result.get(old_uri, bookings[old_uri]), result.get(new_uri, bookings[new_uri])
            gone = replace(old.invitee, status="canceled", rescheduled=True, new_invitee=new_uri)
            result[old_uri] = replace(old, invitee=gone)
            result[new_uri] = replace(new, invitee=replace(new.invitee, old_invitee=old_uri))
    return result


def _candidates(olds: Iterable[Booking], news: Iterable[Booking]) -> Iterator[tuple[Booking, Booking]]:
    """Give each pair that has one entry in the calendar, or one e-mail; the other pairs cannot belong together.

    Of a large group event each guest is looked for by e-mail: comparing all with all would take minutes.
    """
    by_entry: dict[str, list[Booking]] = {}
    by_email: dict[str, list[Booking]] = {}
    for new in news:
        by_email.setdefault(new.invitee.email.casefold(), []).append(new)
        if new.event.external_id and new.event.total <= 1:
            by_entry.setdefault(new.event.external_id, []).append(new)
    for old in olds:
        same = by_email.get(old.invitee.email.casefold(), []) if old.invitee.email else []
        alone = by_entry.get(old.event.external_id, []) if old.event.external_id else []
        for new in {new.uri: new for new in (*same, *alone)}.values():
            yield old, new


def _likeness(old: Booking, new: Booking) -> tuple[int, timedelta] | None:
    """Say how surely two bookings are halves of one move; less is surer, None = they are not."""
    left, came = old.invitee, new.invitee
    if old.event.uri == new.event.uri or new.booked_at < old.booked_at:
        return None
    at = left.canceled_at
    # A booking made before the other one was canceled is another meeting. Without Calendly's word nobody knows when.
    if at is not None and at != old.read_at and new.booked_at < at - WITHIN:
        return None
    same_person = left.email != "" and left.email.casefold() == came.email.casefold()
    if old.event.external_id and old.event.external_id == new.event.external_id:
        alone = max(old.event.total, new.event.total) <= 1
        later = new.booked_at > old.booked_at
        return (0, new.booked_at - old.booked_at) if (same_person or alone) and later else None
    same_type = old.event.event_type != "" and old.event.event_type == new.event.event_type
    if not (left.rescheduled and same_person and same_type and at is not None):
        return None
    return (1, abs(new.booked_at - at)) if abs(new.booked_at - at) <= WITHIN else None


def wanted_external_ids(bookings: Iterable[Booking]) -> list[str]:
    """List the calendar's ids by which other halves may be found."""
    return sorted({booking.event.external_id for booking in bookings} - {""})


def wanted_emails(bookings: Iterable[Booking]) -> list[str]:
    """List the e-mails by which other halves may be found."""
    return sorted({booking.invitee.email for booking in bookings} - {""})
