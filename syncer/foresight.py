"""What will be texted: each waiting message as its reader will see it, and why it is sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncer import gsm, quiet, templates, wording
from syncer.model import WAITING, utc_text
from syncer.past import Past
from syncer.plan import timing
from syncer.reasons import Reason, in_words
from syncer.rules import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from syncer.model import Booking, Message
    from syncer.ports import Template
    from syncer.rules import Policy, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """One text that will go out.

    Attributes:
        message: as it waits.
        at: when, as far as can be said: not before now.
        text: what its reader will see; None = the template is not known.
        segments: how many SMS that is, an estimate; 0 = not known.
        gsm: whether all of it is in GSM-7.
        encoding: "GSM-7", or "UCS-2" with the characters that make it so.
        held: why it will not leave as things are; empty = it will.
        why: what it is sent for.
    """

    message: Message
    at: datetime
    text: str | None
    segments: int
    gsm: bool
    encoding: str
    held: str
    why: str


def foresee(
    messages: Iterable[Message],
    *,
    bookings: Mapping[str, Booking],
    missing: Mapping[str, Reason],
    found: Mapping[str, Template] | None,
    policy: Policy,
    now: datetime,
    until: datetime,
) -> list[Foreseen]:
    """List what goes out until then, in the order of the sending.

    Args:
        messages: of the outbox.
        bookings: by URI, for what they are about.
        missing: those that Calendly does not list, by URI, each with why its messages are held.
        found: the gateway's templates by id; None = they could not be read.
        policy: the rules.
        now: aware UTC.
        until: likewise.
    """
    waiting = [m for m in messages if m.state in WAITING and max(m.next_at, now) <= until and m.expires_at > now]
    seen = [_foreseen(message, bookings.get(message.booking), found, policy, now) for message in waiting]
    seen = [_held(one, missing.get(one.message.booking, Reason.NONE)) for one in seen]
    return sorted(seen, key=lambda one: (one.at, one.message.meeting_at, one.message.key))


def _held(row: Foreseen, missing: Reason) -> Foreseen:
    """Say that a text is held because Calendly does not list its booking, or by a guard."""
    if missing:
        return replace(row, held=in_words(missing))
    message = row.message
    by_guard = message.reason is Reason.HELD_BY_GUARD
    return replace(row, held=in_words(message.reason, message.detail)) if by_guard else row


def _foreseen(
    message: Message, booking: Booking | None, found: Mapping[str, Template] | None, policy: Policy, now: datetime
) -> Foreseen:
    template = found.get(message.template) if found is not None else None
    held = in_words(message.reason, message.detail) if found is None else templates.why_held(template, message)
    rule, due = policy.rule(message.rule), max(message.next_at, now)
    at = quiet.leaves_at(message, due, policy) if rule is not None and rule.quiet_hours else due
    params = wording.at_leaving(message, rule, booking, at or due, policy)
    text = None if template is None else wording.preview(template, params)
    return Foreseen(
        message=replace(message, params=params),
        at=at or due,
        text=text,
        segments=0 if text is None else wording.segments(text),
        gsm=wording.is_gsm(text or ""),
        encoding=gsm.in_words(text or ""),
        held=held if at is not None else in_words(Reason.QUIET_HOURS),
        why=_why(rule, booking),
    )


NO_PAST = Past()


def why_not(rule: Rule, booking: Booking, policy: Policy, past: Past = NO_PAST) -> str:
    """Say why a rule wants no message about a booking at all; empty = it may want one."""
    if not rule.covers(booking.event.name, booking.event.event_type):
        return "is for other event types"
    if timing(rule, booking, policy, told=frozenset(), past=past) is not None:
        return ""
    if booking.moved and not booking.canceled and rule.on in {Trigger.RESCHEDULED, Trigger.BOOKED}:
        return "it was moved to the time that this person knows, or another rule tells of moves"
    if booking.canceled and rule.on is Trigger.CANCELED and not booking.invitee.rescheduled:
        return f"it is for cancellations by the {rule.canceled_by}"
    if booking.canceled and rule.on is not Trigger.CANCELED:
        return "the booking was canceled"
    return {
        Trigger.CANCELED: "it was moved" if booking.canceled else "the booking was not canceled",
        Trigger.RESCHEDULED: "the booking was not moved",
        Trigger.REASSIGNED: "the booking has the host that it had",
        Trigger.AFTER_END: "the guest did not come",
        Trigger.NO_SHOW: "nobody has marked the guest as a no-show",
    }.get(rule.on, "")


def _why(rule: Rule | None, booking: Booking | None) -> str:
    """Say what a text is sent for: "24 hours before the start of Phone consultation, 2026-11-26T16:00:00Z"."""
    if rule is None or booking is None:
        return "no rule wants it any more"
    offset, moved = wording.in_words(rule.offset, "en"), "moved" if booking.moved else "booked"
    what = {
        Trigger.BOOKED: f"{offset} after it was {moved}:" if offset else f"{moved}:",
        Trigger.RESCHEDULED: "moved:",
        Trigger.REASSIGNED: "handed to another host:",
        Trigger.CANCELED: "canceled:",
        Trigger.BEFORE_START: f"{offset} before the start of",
        Trigger.AFTER_END: f"{offset} after the end of" if offset else "the end of",
        Trigger.NO_SHOW: "marked as a no-show:",
    }[rule.on]
    return f"{what} {booking.event.name}, {utc_text(booking.event.start)}"
