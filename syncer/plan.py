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
from syncer.outbox import LEFT
from syncer.past import (
    TELLING,
    Past,
    former_hosts,
    is_news,
    is_news_to,
    known_since,
    knows,
    new_hosts,
    reminded,
    was_told,
)
from syncer.reasons import Reason
from syncer.recipients import ERASED, NoRecipient, Recipient, host_of, recipients, tag_of, template_for
from syncer.rules import CanceledBy, Late, Policy, Rule, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from syncer.model import Booking


NO_PAST = Past()
NEWS = frozenset({Trigger.BOOKED, Trigger.RESCHEDULED})
"""Triggers of messages that a hand-over makes needless for the host who took over: they hear of the time with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What planning one booking needs to know besides the booking and the policy.

    Attributes:
        now: the present.
        born_at: when the database was made: nothing that was due before it is sent.
        rules_born_at: rule name -> when it was first seen; likewise.
        restored_at: when a backup was put back: what was due before may have been sent by what was lost.
        told: who was told of this booking (or of what it was moved from): see `told`.
        past: its messages so far, and what it was moved from.
        phone_questions: questions of the event type that ask for a number; None = not known.
        opted_out: whether a number (E.164) is never to be texted.
    """

    now: datetime
    born_at: datetime
    rules_born_at: Mapping[str, datetime] = field(default_factory=dict)
    restored_at: datetime | None = None
    told: frozenset[Audience] = frozenset()
    past: Past = NO_PAST
    phone_questions: frozenset[str] | None = None
    opted_out: Callable[[str], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Timing:
    """When a rule wants a booking's message: when due, when worthless, and why it is skipped all the same, if so."""

    scheduled_at: datetime
    expires_at: datetime
    skip: Reason = Reason.NONE


def timing(
    rule: Rule, booking: Booking, policy: Policy, *, told: frozenset[Audience], past: Past = NO_PAST
) -> Timing | None:
    """Say when this rule wants a message about this booking; None = it wants none.

    | rule         | wants one when                                  | due                 |
    |--------------|-------------------------------------------------|---------------------|
    | booked       | active; a moved one only if no rule is for that | booked or moved     |
    | rescheduled  | active and moved to another time                | moved               |
    | reassigned   | active and handed to another host               | handed over         |
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
        return _before_start(rule, booking, past)
    if rule.on is Trigger.REASSIGNED:
        hand_overs = (new_hosts if rule.to is not Audience.FORMER_HOST else former_hosts)(booking, past)
        return _soon(rule, booking, max(hand_over.at for hand_over in hand_overs)) if hand_overs else None
    due = _due(rule, booking, policy, past)
    if due is None:
        return None
    if rule.on in {Trigger.BOOKED, Trigger.RESCHEDULED}:
        return _soon(rule, booking, due)
    return Timing(due, due + rule.max_lateness)


def _soon(rule: Rule, booking: Booking, due: datetime) -> Timing:
    """Bound the life of news about a meeting by its start: news of a meeting that has begun is none."""
    end = min(due + rule.max_lateness, max(due, booking.event.start))
    return Timing(due, end, Reason.NONE if end > due else Reason.AFTER_START)


def _due(rule: Rule, booking: Booking, policy: Policy, past: Past) -> datetime | None:
    """Say when something that happened calls for a message; None = it did not happen."""
    no_show_at = booking.invitee.no_show_at
    match rule.on:
        case Trigger.BOOKED:
            return _booked(rule, booking, policy, past)
        case Trigger.RESCHEDULED if booking.moved and is_news(booking, past, rule.to, policy):
            return booking.moved_at or booking.booked_at
        case Trigger.AFTER_END if no_show_at is None:
            return booking.event.end + rule.offset
        case Trigger.NO_SHOW:
            return no_show_at
        case _:
            return None


def _booked(rule: Rule, booking: Booking, policy: Policy, past: Past) -> datetime | None:
    """Say when a booking is to be confirmed; one that was moved, where no rule tells of moves, or nobody was told."""
    since = known_since(booking, past)
    if booking.moved and is_news(booking, past, rule.to, policy):
        replaced = _has_rule(policy, Trigger.RESCHEDULED, rule, booking)
        return None if replaced else (booking.moved_at or booking.booked_at) + rule.offset
    # A move to the same time is no news to those who know the time. Where nobody was told, the booking is as new.
    return since + rule.offset if not booking.moved or not was_told(past, rule.to, policy) else None


def _before_start(rule: Rule, booking: Booking, past: Past) -> Timing:
    start, since = booking.event.start, known_since(booking, past)
    due = start - rule.offset
    late = since > due
    if late and rule.late is Late.SEND:
        due = since
    expires = max(due, min(start, due + rule.max_lateness))
    return Timing(due, expires, Reason.BOOKED_LATE if late and rule.late is Late.SKIP else Reason.NONE)


def _canceled(rule: Rule, booking: Booking, policy: Policy, told: frozenset[Audience]) -> Timing | None:
    at, canceler = booking.invitee.canceled_at, booking.invitee.canceler_type
    if at is None or booking.invitee.rescheduled or not settled(booking, policy.settle):
        return None
    if rule.canceled_by is not CanceledBy.ANYONE and canceler != rule.canceled_by:
        return None
    # Nobody needs to know after the meeting that it does not take place.
    end = min(at + rule.max_lateness, max(at, booking.event.end))
    skip = Reason.NONE
    if end <= at:
        skip = Reason.AFTER_START
    elif canceler == rule.to and not rule.to_canceler:
        skip = Reason.OWN_CANCELLATION
    # Where no rule could have told them, the cancellation is news all the same, but not of who joined and left unseen.
    elif rule.to not in told and (at <= booking.seen_at or any(_has_rule(policy, on, rule, booking) for on in TELLING)):
        skip = Reason.NOT_TOLD
    return Timing(at, end, skip)


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
        waits = message.state in WAITING or message.reason is Reason.BOOKING_CANCELED
        if message.state in LEFT or (waits and rule is not None and rule.on is Trigger.BEFORE_START):
            audiences.add(message.audience)
    return frozenset(audiences)


def plan(booking: Booking, policy: Policy, context: Context) -> list[Message]:
    """List the messages that the rules want of one booking: `scheduled`, or another state with its reason."""
    wanted: list[Message] = []
    for rule in policy.rules:
        if rule.covers(booking.event.name, booking.event.event_type):
            when = timing(rule, booking, policy, told=context.told, past=context.past)
            if when is not None:
                wanted += _messages(rule, booking, policy, context, when)
            if rule.also_reassigned and not booking.canceled:
                wanted += _hand_overs(rule, booking, policy, context)
    return wanted


def _messages(rule: Rule, booking: Booking, policy: Policy, context: Context, when: Timing) -> list[Message]:
    if rule.on is Trigger.REASSIGNED and rule.to is not Audience.INVITEE:
        return _to_hosts(rule, booking, policy, context, also_moved=rule.to is Audience.HOST and booking.moved)
    tag, count = _hand_over_tag(rule, booking, context)
    if skip := _too_old(rule, context, when) or when.skip:
        return [_message(rule, booking, context, when, skip=skip, tag=tag, count=count)]
    hosts = booking.event.hosts
    if rule.on in NEWS and rule.to is Audience.HOST and _hand_over_rule(policy, booking):
        new = [hand_over.host for hand_over in new_hosts(booking, context.past)]
        hosts = tuple(host for host in hosts if host not in new)
        if new and not hosts:
            return []  # all of them hear of it as a hand-over
    people = recipients(booking, rule, policy, phone_questions=context.phone_questions, hosts=hosts)
    return [_to(person, rule, booking, policy, context, when, tag=tag, count=count) for person in people]


def _hand_over_tag(rule: Rule, booking: Booking, context: Context) -> tuple[str, int]:
    """Tell hand-overs of one booking apart in the key of a guest's message: by who has it now, and how often."""
    if rule.on is not Trigger.REASSIGNED:
        return "", 1
    last = max(new_hosts(booking, context.past), key=lambda hand_over: hand_over.at)
    return tag_of(last.host), last.count


def _hand_over_rule(policy: Policy, booking: Booking) -> bool:
    """Whether a rule tells new hosts of a hand-over: then no other rule need tell them of this booking."""
    return any(
        (rule.also_reassigned or rule.on is Trigger.REASSIGNED)
        and rule.to is Audience.HOST
        and rule.covers(booking.event.name, booking.event.event_type)
        for rule in policy.rules
    )


def _hand_overs(rule: Rule, booking: Booking, policy: Policy, context: Context) -> list[Message]:
    """Tell new hosts of their booking by a rule that is for new bookings."""
    if not new_hosts(booking, context.past):
        return []
    return _to_hosts(rule, booking, policy, context, also_moved=booking.moved)


def _to_hosts(rule: Rule, booking: Booking, policy: Policy, context: Context, *, also_moved: bool) -> list[Message]:
    """Make the message to each host who took a booking over, or gave it away; `also_moved`: it was moved, too."""
    former = rule.to is Audience.FORMER_HOST
    messages = []
    for hand_over in (former_hosts if former else new_hosts)(booking, context.past):
        person = ERASED if booking.invitee.erased else host_of(hand_over.host, policy, fallback=not former)
        at, number = hand_over.at, person.number if isinstance(person, Recipient) else ""
        if also_moved and is_news_to(hand_over.host, number, booking, context.past, policy):
            at = max(at, booking.moved_at or booking.booked_at)  # a move after the hand-over is news again
        when, tag = _soon(rule, booking, at), tag_of(hand_over.host)
        # The number of the office gets no second text because a meeting came back to one of its hosts.
        count = hand_over.count if isinstance(person, Recipient) and person.is_own else 1
        if skip := _too_old(rule, context, when) or when.skip:
            messages.append(_message(rule, booking, context, when, skip=skip, tag=tag, count=count))
            continue
        message = _to(person, rule, booking, policy, context, when, tag=tag, count=count)
        if former or not _is_told_already(message, booking, policy, context):
            messages.append(message)
    return messages


def _is_told_already(message: Message, booking: Booking, policy: Policy, context: Context) -> bool:
    """Whether a host was the last one told of a booking: a hand-over to and fro that nobody heard of is no news."""
    is_new = all(message.key != old.key for old in context.past.messages)
    return is_new and message.to != "" and knows(booking, context.past, message.to, policy)


def _too_old(rule: Rule, context: Context, when: Timing) -> Reason:
    if when.scheduled_at < context.born_at:
        return Reason.BEFORE_BIRTH
    born_at = context.rules_born_at.get(rule.name)
    return Reason.BEFORE_RULE if born_at is not None and when.scheduled_at < born_at else Reason.NONE


def _to(
    one: Recipient | NoRecipient,
    rule: Rule,
    booking: Booking,
    policy: Policy,
    context: Context,
    when: Timing,
    *,
    tag: str = "",
    count: int = 1,
) -> Message:
    """Make the message to one recipient, or say why there is none."""
    if isinstance(one, NoRecipient):
        return _message(rule, booking, context, when, skip=one.reason, detail=one.detail, tag=tag, count=count)
    blank = _message(rule, booking, context, when, one, tag=tag or one.tag, count=count)
    if context.opted_out(one.number):
        return replace(blank, state=State.SKIPPED, reason=Reason.OPTED_OUT)
    # The template's own language first: no French date in an English text.
    language, template = template_for(rule, one.language, policy.language)
    params = wording.render(rule, booking, replace(one, language=language), policy, when.scheduled_at)
    if isinstance(params, wording.Unfilled):
        return replace(blank, state=State.SKIPPED, reason=params.reason, detail=params.in_words)
    message = replace(blank, params=params, language=language, template=template)
    if rule.on is Trigger.BEFORE_START and reminded(message, context.past, policy):
        return replace(message, state=State.SKIPPED, reason=Reason.ALREADY_SENT)
    if when.expires_at <= context.now:
        return _unless_restored(replace(message, state=State.EXPIRED, reason=Reason.SEEN_LATE), context)
    if rule.quiet_hours and policy.quiet_hours is not None:
        return _heeding_quiet_hours(message, rule, booking, policy, context)
    return _unless_restored(message, context)


def _unless_restored(message: Message, context: Context) -> Message:
    """Set a message aside that what was lost may have sent: it may also have left before it was due."""
    first = min(message.scheduled_at, message.next_at)
    if context.restored_at is not None and first <= context.restored_at:
        return replace(message, state=State.UNKNOWN, reason=Reason.RESTORED)
    return message


def _heeding_quiet_hours(message: Message, rule: Rule, booking: Booking, policy: Policy, context: Context) -> Message:
    """Give a message the time and the life that quiet hours leave it; only a reminder may leave before it is due."""
    span = quiet.window(
        message.scheduled_at,
        expires=message.expires_at,
        meeting=message.meeting_at,
        since=known_since(booking, context.past) if rule.on is Trigger.BEFORE_START else None,
        zone=message.timezone,
        policy=policy,
    )
    if span is None:
        return replace(message, state=State.EXPIRED, reason=Reason.QUIET_HOURS)
    message = replace(message, next_at=span.at, expires_at=span.expires)
    moment = max(context.now, span.at)
    at = quiet.leaves_at(message, moment, policy)
    if at is None:  # it is too late for its window, and in the night
        return _unless_restored(replace(message, state=State.EXPIRED, reason=Reason.QUIET_HOURS), context)
    planned = _unless_restored(message, context)
    if at > moment:
        planned = replace(planned, next_at=at)
    elif span.at < planned.scheduled_at <= moment:
        # Its time before quiet hours was missed: then the other one counts, when it is due.
        planned = replace(planned, next_at=planned.scheduled_at)
    return replace(planned, params=wording.at_leaving(planned, rule, booking, planned.next_at, policy))


def _message(
    rule: Rule,
    booking: Booking,
    context: Context,
    when: Timing,
    one: Recipient | None = None,
    *,
    skip: Reason = Reason.NONE,
    detail: str = "",
    tag: str = "",
    count: int = 1,
) -> Message:
    return Message(
        key=key_of(rule, booking, tag, count),
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
        detail=detail,
        scheduled_at=when.scheduled_at,
        next_at=when.scheduled_at,
        expires_at=when.expires_at,
        meeting_at=booking.event.start,
        changed_at=context.now,
    )


def key_of(rule: Rule, booking: Booking, tag: str = "", count: int = 1) -> str:
    """Make a message's key: `{invitee URI}/{rule}/{start}`, and the host where there may be several.

    What tells of a time is told anew each time a meeting comes back to it: then the start is counted (`~2`). So is a
    host to whom a meeting comes back.
    """
    start = utc_text(booking.event.start)
    times = booking.starts.get(start, 1) if rule.on in {Trigger.BOOKED, Trigger.RESCHEDULED} else 1
    anchor = start if times == 1 else f"{start}~{times}"
    host = tag if count == 1 else f"{tag}~{count}"
    return f"{booking.uri}/{rule.name}/{anchor}" + (f"/{host}" if tag else "")
