"""What happened to a booking before: the bookings it was moved from, what was told of them, who was its host. Pure.

A reschedule at Calendly makes a new event and a new invitee. So a booking has predecessors, and what its people know
stands in their messages. A text about a move is right only if it tells another time than the one they know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncer.model import Audience, term_of
from syncer.outbox import LEFT
from syncer.rules import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from syncer.model import Booking, Event, Host, Message, Takeover
    from syncer.rules import Policy

TELLING = frozenset({Trigger.BOOKED, Trigger.RESCHEDULED, Trigger.REASSIGNED, Trigger.BEFORE_START})
"""Triggers of messages by which somebody is told of a booking and its time."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A booking that another one was moved from, with its messages."""

    booking: Booking
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """What came before.

    Attributes:
        messages: the booking's own messages so far.
        predecessors: what it was moved from, the nearest first, as far as it is known.
    """

    messages: tuple[Message, ...] = ()
    predecessors: tuple[Predecessor, ...] = ()


@dataclass(frozen=True, slots=True)
class HandOver:
    """One host who took a meeting over, or who gave it away.

    Attributes:
        host: who.
        count: how often they have had this booking.
        at: when syncer noticed.
    """

    host: Host
    count: int
    at: datetime


def same_time(one: Event, other: Event) -> bool:
    """Whether two events have the same start and end."""
    return (one.start, one.end) == (other.start, other.end)


def known_since(booking: Booking, past: Past) -> datetime:
    """Say since when a booking has its time: a move to the same time does not make it a new one."""
    if booking.moved_at is not None:
        return booking.moved_at
    since = booking.booked_at
    for old in past.predecessors:
        if not same_time(old.booking.event, booking.event):
            break
        since = old.booking.moved_at or old.booking.booked_at
        if old.booking.moved_at is not None:
            break
    return since


def was_told(past: Past, audience: Audience, policy: Policy) -> bool:
    """Whether somebody was texted about a booking, or about one that it was moved from."""
    groups = [past.messages, *(old.messages for old in past.predecessors)]
    return any(_told(messages, audience, policy) for messages in groups)


def is_news(booking: Booking, past: Past, audience: Audience, policy: Policy) -> bool:
    """Whether a moved booking has another time than the one that this audience knows.

    Whoever was told of no time by a text knows the one that was booked in the first place. Whoever was told last that
    the meeting is canceled does not know that it takes place.
    """
    event = booking.event
    if _heard_last_of_the_end(past, audience, policy):
        return True
    if told := _told(past.messages, audience, policy):
        return told[-1].meeting_at != event.start
    for old in past.predecessors:
        if told := _told(old.messages, audience, policy):
            at = told[-1].meeting_at
            return at != event.start or (at == old.booking.event.start and old.booking.event.end != event.end)
    if booking.moved_at is not None or not past.predecessors:
        return True
    return not same_time(past.predecessors[-1].booking.event, event)


def is_news_to(host: Host, number: str, booking: Booking, past: Past, policy: Policy) -> bool:
    """Whether a moved booking has another time than the one that a host who took it over knows.

    They know the time of the last text to their number since then, or the time that the booking had when they took it
    over. A text to the host before them told them nothing.
    """
    taken_over = booking.event
    steps = [(booking, past.messages), *((old.booking, old.messages) for old in past.predecessors)]
    for step, messages in steps:
        hosts = step.event.hosts
        if hosts and not any(host.is_same(other) for other in hosts):
            break
        if told := [message for message in _told(messages, Audience.HOST, policy) if message.to == number]:
            return told[-1].meeting_at != booking.event.start
        taken_over = step.event
    return not same_time(taken_over, booking.event)


def reminded(reminder: Message, past: Past, policy: Policy) -> bool:
    """Whether this very reminder has left: for a booking that this one was moved from, or by its rule's old name."""
    before = [message for old in past.predecessors for message in old.messages if message.rule == reminder.rule]
    # One that left before it was due is not older than the rule that has another name now.
    renamed = [
        message
        for message in past.messages
        if message.scheduled_at == reminder.scheduled_at and policy.rule(message.rule) is None
    ]
    return any(
        (message.to, message.meeting_at) == (reminder.to, reminder.meeting_at) and message.state in LEFT
        for message in (*before, *renamed)
    )


def knows(booking: Booking, past: Past, number: str, policy: Policy) -> bool:
    """Whether the last text to a host about a booking went to this number and told of its present time."""
    for messages in (past.messages, *(old.messages for old in past.predecessors)):
        if told := _told(messages, Audience.HOST, policy):
            return told[-1].to == number and told[-1].meeting_at == booking.event.start
    return False


def _heard_last_of_the_end(past: Past, audience: Audience, policy: Policy) -> bool:
    """Whether the last text to an audience said that the meeting is canceled."""
    for messages in (past.messages, *(old.messages for old in past.predecessors)):
        left = _in_order(m for m in messages if m.audience is audience and m.state in LEFT)
        if left:
            rule = policy.rule(left[-1].rule)
            return rule is not None and rule.on is Trigger.CANCELED
    return False


def _in_order(messages: Iterable[Message]) -> list[Message]:
    """Sort messages by when they left."""
    return sorted(messages, key=lambda message: (message.changed_at, message.scheduled_at, message.key))


def _told(messages: Iterable[Message], audience: Audience, policy: Policy) -> list[Message]:
    """List the messages by which an audience was told of a booking, in the order in which they left."""

    def tells(message: Message) -> bool:
        rule = policy.rule(message.rule)
        return rule is None or rule.on in TELLING

    return _in_order(m for m in messages if m.audience is audience and m.state in LEFT and tells(m))


def new_hosts(booking: Booking, past: Past) -> list[HandOver]:
    """List the hosts to whom a booking was handed over: in place, or by the move that made it.

    A move in place after the hand-over ends it: from then on this host is a host like any other.
    """
    hand_overs = [
        HandOver(host, 1 if term is None else term.count, at)
        for host in booking.event.hosts
        for term in [term_of(booking.takeovers, host)]
        for at in [_took_over_at(booking, host, term, past)]
        if at is not None
    ]
    return [hand_over for hand_over in hand_overs if _is_after_moves(booking, hand_over)]


def _is_after_moves(booking: Booking, hand_over: HandOver) -> bool:
    return booking.moved_at is None or hand_over.at >= booking.moved_at


def _took_over_at(booking: Booking, host: Host, term: Takeover | None, past: Past) -> datetime | None:
    """Say when a host took a booking over; None = they had it when its host was last told of it, or from the first."""
    if term is not None and term.since is not None:
        return term.since
    came = booking
    for old in past.predecessors:
        before = old.booking.event.hosts
        if not before:
            return None  # nobody can say that this one is new
        if not any(host.is_same(one) for one in before):
            return came.booked_at
        term = term_of(old.booking.takeovers, host)
        since = None if term is None else term.since
        told = [m for m in old.messages if m.audience is Audience.HOST and m.state in LEFT]
        if any(since is None or message.scheduled_at >= since for message in told):
            return None
        if since is not None:
            return since
        came = old.booking
    return None


def former_hosts(booking: Booking, past: Past) -> list[HandOver]:
    """List the hosts who gave a booking away."""
    hosts = booking.event.hosts
    gone = [
        HandOver(term.host, term.count, term.until)
        for term in booking.takeovers.values()
        if term.until is not None and not any(term.host.is_same(host) for host in hosts)
    ]
    before = past.predecessors[0].booking.event.hosts if past.predecessors and hosts else ()
    known = [*hosts, *(term.host for term in booking.takeovers.values())]
    left = [old for old in before if not any(old.is_same(host) for host in known)]
    hand_overs = [*gone, *(HandOver(host, 1, booking.booked_at) for host in left)]
    return [hand_over for hand_over in hand_overs if _is_after_moves(booking, hand_over)]
