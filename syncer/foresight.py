"""What will be texted: each waiting message as its reader will see it, and why it is sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncer import quiet, templates, wording
from syncer.model import WAITING, utc_text
from syncer.outbox import QUIET
from syncer.plan import timing
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
        held: why it will not leave as things are; empty = it will.
        why: what it is sent for.
    """

    message: Message
    at: datetime
    text: str | None
    segments: int
    gsm: bool
    held: str
    why: str


def foresee(
    messages: Iterable[Message],
    *,
    bookings: Mapping[str, Booking],
    missing: Mapping[str, str],
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
    seen = [replace(one, held=missing.get(one.message.booking, one.held)) for one in seen]
    return sorted(seen, key=lambda one: (one.at, one.message.meeting_at, one.message.key))


def _foreseen(
    message: Message, booking: Booking | None, found: Mapping[str, Template] | None, policy: Policy, now: datetime
) -> Foreseen:
    template = found.get(message.template) if found is not None else None
    text = None if template is None else wording.preview(template, message.params)
    held = message.reason if found is None else templates.why_held(template, message)
    rule, due = policy.rule(message.rule), max(message.next_at, now)
    at = quiet.leaves_at(message, due, policy) if rule is not None and rule.quiet_hours else due
    return Foreseen(
        message=message,
        at=at or due,
        text=text,
        segments=0 if text is None else wording.segments(text),
        gsm=text is None or wording.is_gsm(text),
        held=held if at is not None else QUIET,
        why=_why(rule, booking),
    )


def why_not(rule: Rule, booking: Booking, policy: Policy) -> str:
    """Say why a rule wants no message about a booking at all; empty = it may want one."""
    if not rule.covers(booking.event.name, booking.event.event_type):
        return "is for other event types"
    if timing(rule, booking, policy, told=frozenset()) is not None:
        return ""
    if booking.canceled and rule.on is not Trigger.CANCELED:
        return "the booking was canceled"
    return {
        Trigger.CANCELED: "it was moved" if booking.canceled else "the booking was not canceled",
        Trigger.RESCHEDULED: "the booking was not moved",
        Trigger.BOOKED: "the booking was moved, which another rule tells",
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
        Trigger.CANCELED: "canceled:",
        Trigger.BEFORE_START: f"{offset} before the start of",
        Trigger.AFTER_END: f"{offset} after the end of" if offset else "the end of",
        Trigger.NO_SHOW: "marked as a no-show:",
    }[rule.on]
    return f"{what} {booking.event.name}, {utc_text(booking.event.start)}"
