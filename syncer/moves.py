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
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from syncer.model import Booking

WITHIN = timedelta(seconds=60)
"""How far apart the halves of a move may be that only e-mail and event type join; 17 to 322 ms were recorded."""


def unlinked(booking: Booking) -> bool:
    """Whether a booking may be the half of a move whose other half Calendly does not name."""
    return is_old_half(booking) or is_new_half(booking)


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
    pairs = sorted(
        (*likeness, old.uri, new.uri)
        for old in bookings.values()
        if is_old_half(old)
        for new in bookings.values()
        if is_new_half(new) and (old.uri in batch or new.uri in batch) and (likeness := _likeness(old, new)) is not None
    )
    result: dict[str, Booking] = {}
    used_old: set[str] = set()
    used_new: set[str] = set()
    for *_, old_uri, new_uri in pairs:
        if old_uri not in used_old and new_uri not in used_new:
            used_old.add(old_uri)
            used_new.add(new_uri)
            old, new = result.get(old_uri, bookings[old_uri]), result.get(new_uri, bookings[new_uri])
            # Not before both were taken as they are now: in a chain one booking is the new half and the old one.
            gone = replace(old.invitee, status="canceled", rescheduled=True, new_invitee=new_uri)
            result[old_uri] = replace(old, invitee=gone)
            result[new_uri] = replace(new, invitee=replace(new.invitee, old_invitee=old_uri))
    return result


def _likeness(old: Booking, new: Booking) -> tuple[int, timedelta] | None:
    """Say how surely two bookings are halves of one move; less is surer, None = they are not."""
    left, came = old.invitee, new.invitee
    if old.event.uri == new.event.uri:
        return None
    same_person = left.email != "" and left.email.casefold() == came.email.casefold()
    made, made_before = _made(new), _made(old)
    if old.event.external_id and old.event.external_id == new.event.external_id:
        alone = max(old.event.total, new.event.total) <= 1
        return (0, made - made_before) if (same_person or alone) and made > made_before else None
    at = left.canceled_at
    if not (left.rescheduled and same_person and at is not None and made >= made_before):
        return None
    same_type = old.event.event_type != "" and old.event.event_type == new.event.event_type
    return (1, abs(made - at)) if same_type and abs(made - at) <= WITHIN else None


def _made(booking: Booking) -> datetime:
    return booking.booked_at


def wanted_external_ids(bookings: Iterable[Booking]) -> list[str]:
    """List the calendar's ids by which other halves may be found."""
    return sorted({one.event.external_id for one in bookings if unlinked(one) and one.event.external_id})


def wanted_emails(bookings: Iterable[Booking]) -> list[str]:
    """List the e-mails by which other halves may be found."""
    return sorted({one.invitee.email for one in bookings if unlinked(one) and one.invitee.email})
