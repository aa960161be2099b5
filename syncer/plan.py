"""What ought to be texted: the messages that the rules want of a booking.

Pure: `now` is an argument, and a plan is a value that prints. `plan` says what the rules want of one booking;
`reconcile` then says what to write so that the outbox agrees.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from syncer import quiet, wording
from syncer.diff import settled
from syncer.model import WAITING, Audience, Message, State, utc_text
from syncer.outbox import BEFORE_BIRTH, OPTED_OUT, QUIET, RESTORED, WAS_CANCELED
from syncer.recipients import NoRecipient, Recipient, recipients, template_for
from syncer.rules import Late, Policy, Rule, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from syncer.model import Booking

BEFORE_RULE = "was due before its rule was first seen"
NOT_TOLD = "was never told of this booking"
OWN_CANCELLATION = "canceled it themselves (to_canceler is off)"
BOOKED_LATE = "booked after its time had passed"
AFTER_START = "its time comes when the meeting has begun"
SEEN_LATE = "its time had passed when syncer first saw the booking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What planning one booking needs to know besides the booking and the policy.

    Attributes:
        now: the present.
        born_at: when the database was made: nothing that was due before it is sent.
        rules_born_at: rule name -> when it was first seen; likewise.
        restored_at: when a backup was put back: what was due before may have been sent by what was lost.
        told: who was told of this booking (or of what it was moved from): see `told`.
        phone_questions: questions of the event type that ask for a number; None = not known.
        opted_out: whether a number (E.164) is never to be texted.
    """

    now: datetime
    born_at: datetime
    rules_born_at: Mapping[str, datetime] = field(default_factory=dict)
    restored_at: datetime | None = None
    told: frozenset[Audience] = frozenset()
    phone_questions: frozenset[str] | None = None
    opted_out: Callable[[str], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Timing:
    """When a rule wants a booking's message: when due, when worthless, and why it is skipped all the same, if so."""

    scheduled_at: datetime
    expires_at: datetime
    skip: str = ""


def timing(rule: Rule, booking: Booking, policy: Policy, *, told: frozenset[Audience]) -> Timing | None:
    """Say when this rule wants a message about this booking; None = it wants none.

    | rule         | wants one when                                  | due                 |
    |--------------|-------------------------------------------------|---------------------|
    | booked       | active; a moved one only if no rule is for that | booked or moved     |
    | rescheduled  | active and moved                                | moved               |
    | canceled     | canceled, not moved, settled, was told          | canceled            |
    | before_start | active                                          | start - offset      |
    | after_end    | active, not marked as a no-show                 | end + offset        |
    | no_show      | active, marked as a no-show                     | marked              |
    """
    if booking.canceled is not (rule.on is Trigger.CANCELED):
        return None
    if rule.on is Trigger.CANCELED:
        return _canceled(rule, booking, policy, told)
    if rule.on is Trigger.BEFORE_START:
        return _before_start(rule, booking)
    due = _due(rule, booking, policy)
    if due is None:
        return None
    end = due + rule.max_lateness
    if rule.on in {Trigger.BOOKED, Trigger.RESCHEDULED}:
        end = min(end, max(due, booking.event.start))
    # News of a meeting that has begun is none.
    return Timing(due, end, "" if end > due else AFTER_START)


def _due(rule: Rule, booking: Booking, policy: Policy) -> datetime | None:
    """Say when something that happened calls for a message; None = it did not happen."""
    since, no_show_at = booking.moved_at or booking.booked_at, booking.invitee.no_show_at
    replaced = rule.on is Trigger.BOOKED and _has_rule(policy, Trigger.RESCHEDULED, rule, booking)
    match rule.on:
        case Trigger.BOOKED if not (booking.moved and replaced):
            return since + rule.offset
        case Trigger.RESCHEDULED if booking.moved:
            return since
        case Trigger.AFTER_END if no_show_at is None:
            return booking.event.end + rule.offset
        case Trigger.NO_SHOW:
            return no_show_at
        case _:
            return None


def _before_start(rule: Rule, booking: Booking) -> Timing:
    start, since = booking.event.start, booking.moved_at or booking.booked_at
    due = start - rule.offset
    late = since > due
    if late and rule.late is Late.SEND:
        due = since
    expires = max(due, min(start, due + rule.max_lateness))
    return Timing(due, expires, BOOKED_LATE if late and rule.late is Late.SKIP else "")


def _canceled(rule: Rule, booking: Booking, policy: Policy, told: frozenset[Audience]) -> Timing | None:
    at = booking.invitee.canceled_at
    if at is None or booking.invitee.rescheduled or not settled(booking, policy.settle):
        return None
    skip = ""
    if booking.invitee.canceler_type == rule.to and not rule.to_canceler:
        skip = OWN_CANCELLATION
    # Where no rule could have told them, the cancellation is news all the same, but not of who joined and left unseen.
    elif rule.to not in told and (at <= booking.seen_at or any(_has_rule(policy, on, rule, booking) for on in TELLING)):
        skip = NOT_TOLD
    return Timing(at, at + rule.max_lateness, skip)


TELLING = (Trigger.BOOKED, Trigger.RESCHEDULED, Trigger.BEFORE_START)
"""Triggers of messages by which somebody is told of a booking."""


def _has_rule(policy: Policy, on: Trigger, like: Rule, booking: Booking) -> bool:
    """Whether another rule for the same audience reacts to `on` for this kind of event."""
    event = booking.event
    return any(
        rule.on is on and rule.to is like.to and rule.covers(event.name, event.event_type) for rule in policy.rules
    )


def told(messages: Iterable[Message], policy: Policy) -> frozenset[Audience]:
    """Say who was told of a booking: texted about it (perhaps), or with a reminder waiting until it was canceled."""
    audiences = set()
    for message in messages:
        rule = policy.rule(message.rule)
        if rule is not None and rule.on not in TELLING:
            continue
        texted = message.state in {State.SENT, State.UNKNOWN, State.SENDING}
        waits = message.state in WAITING or (message.state is State.CANCELED and message.reason == WAS_CANCELED)
        if texted or (waits and rule is not None and rule.on is Trigger.BEFORE_START):
            audiences.add(message.audience)
    return frozenset(audiences)


def plan(booking: Booking, policy: Policy, context: Context) -> list[Message]:
    """List the messages that the rules want of one booking: `scheduled`, or another state with its reason."""
    wanted = []
    for rule in policy.rules:
        if rule.covers(booking.event.name, booking.event.event_type):
            when = timing(rule, booking, policy, told=context.told)
            if when is not None:
                wanted += _messages(rule, booking, policy, context, when)
    return wanted


def _messages(rule: Rule, booking: Booking, policy: Policy, context: Context, when: Timing) -> list[Message]:
    if skip := _too_old(rule, context, when) or when.skip:
        return [_message(rule, booking, context, when, None, skip)]
    found = recipients(booking, rule, policy, phone_questions=context.phone_questions)
    return [_to(one, rule, booking, policy, context, when) for one in found]


def _too_old(rule: Rule, context: Context, when: Timing) -> str:
    if when.scheduled_at < context.born_at:
        return BEFORE_BIRTH
    born_at = context.rules_born_at.get(rule.name)
    return BEFORE_RULE if born_at is not None and when.scheduled_at < born_at else ""


def _to(
    one: Recipient | NoRecipient, rule: Rule, booking: Booking, policy: Policy, context: Context, when: Timing
) -> Message:
    """Make the message to one recipient, or say why there is none."""
    if isinstance(one, NoRecipient):
        return _message(rule, booking, context, when, None, one.reason)
    if context.opted_out(one.number):
        return _message(rule, booking, context, when, one, OPTED_OUT)
    # The template's own language first: no French date in an English text.
    language, template = template_for(rule, one.language, policy.language)
    params = wording.render(rule, booking, replace(one, language=language), policy)
    if isinstance(params, wording.Empty):
        return _message(rule, booking, context, when, one, f"{{{params.field}}} is empty for this booking")
    message = replace(
        _message(rule, booking, context, when, one, ""), params=params, language=language, template=template
    )
    if rule.quiet_hours and policy.quiet_hours is not None:
        next_at = quiet.send_at(
            when.scheduled_at,
            expires=when.expires_at,
            meeting=booking.event.start,
            zone=one.timezone,
            quiet=policy.quiet_hours,
            now=context.now,
        )
        if next_at is None:
            return replace(message, state=State.EXPIRED, reason=QUIET)
        message = replace(message, next_at=next_at)
    if when.expires_at <= context.now:
        return replace(message, state=State.EXPIRED, reason=SEEN_LATE)
    if context.restored_at is not None and when.scheduled_at <= context.restored_at:
        return replace(message, state=State.UNKNOWN, reason=RESTORED)
    return message


def _message(rule: Rule, booking: Booking, context: Context, when: Timing, one: Recipient | None, skip: str) -> Message:
    tag = f"/{one.tag}" if one is not None and one.tag else ""
    return Message(
        key=f"{booking.uri}/{rule.name}/{utc_text(booking.event.start)}{tag}",
        rule=rule.name,
        booking=booking.uri,
        audience=rule.to,
        to=one.number if one is not None else "",
        language=one.language if one is not None else "",
        timezone=one.timezone if one is not None else "",
        template="",
        params={},
        state=State.SKIPPED if skip else State.SCHEDULED,
        reason=skip,
        scheduled_at=when.scheduled_at,
        next_at=when.scheduled_at,
        expires_at=when.expires_at,
        meeting_at=booking.event.start,
        changed_at=context.now,
    )
