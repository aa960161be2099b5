"""Brings the pure core and the store together: what follows from bookings that changed. Writes nothing.

It reads from the store what planning one booking needs besides the booking: its messages, the bookings that it was
moved from with theirs, and which questions of its event type ask for a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer.births import births
from syncer.doubles import without_doubles
from syncer.errors import CalendlyRefused, NotConnected, NoUsableAnswer, Unreadable
from syncer.guest_number import Found, guest_number, needs_questions
from syncer.model import State
from syncer.past import Past, Predecessor
from syncer.plan import Context, plan, told
from syncer.reasons import Reason
from syncer.reconcile import Todo, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from syncer.births import Era
    from syncer.model import Audience, Booking, Message
    from syncer.ports import EventTypes
    from syncer.rules import Policy
    from syncer.store import Store

QUESTIONS_KEPT = timedelta(days=1)
"""An event type's questions are asked for again after this."""
LONGEST_CHAIN = 50
"""Moves of one booking that are followed back; a longer chain is a loop or a joke."""


@dataclass(slots=True)
class Planner:
    """Plans for one run.

    Attributes:
        eras: what each rule covered, by its name, oldest first.
        unreadable: event types that could not be read in it.
    """

    store: Store
    policy: Policy
    event_types: EventTypes
    eras: Mapping[str, Sequence[Era]]
    unreadable: set[str] = field(default_factory=set)

    def remember_numbers(self, bookings: Iterable[Booking], now: datetime) -> list[Booking]:
        """Note on each booking which of its answers holds the guest's number, as far as one does now."""
        return [self._with_memory(booking, now) for booking in bookings]

    def _with_memory(self, booking: Booking, now: datetime) -> Booking:
        found = guest_number(booking, self.policy, self._phone_questions(booking, now))
        if not isinstance(found, Found) or not found.question or booking.invitee.erased:
            return booking
        if (booking.phone_source, booking.phone_question) == (found.source, found.question):
            return booking
        return replace(booking, phone_source=found.source, phone_question=found.question)

    def todo(self, bookings: Iterable[Booking], now: datetime) -> Todo:
        """Say what to write to the outbox because of these bookings."""
        rows = list(bookings)
        messages = self.store.messages_of([booking.uri for booking in rows])
        opted_out = self.store.opted_out()
        known = {booking.uri: booking for booking in rows}
        wanted = {}
        for booking in rows:
            past = past_of(self.store, booking, messages[booking.uri], known)
            context = Context(
                now=now,
                born_at=self.store.born_at or now,  # not yet: all that was due is the past
                rules_born_at=births(self.policy.rules, self.eras, booking, past),
                restored_at=self.store.restored_at,
                told=self._told(booking, past),
                past=past,
                phone_questions=self._phone_questions(booking, now),
                opted_out=opted_out,
            )
            wanted[booking.uri] = plan(booking, self.policy, context)
        wanted = without_doubles(rows, wanted, messages, self.policy)
        todo, since = Todo(), self.store.policy_changed_at()
        for booking in rows:
            uri = booking.uri
            todo += reconcile(wanted[uri], messages[uri], booking=booking, now=now, policy_since=since)
        return self._without_pruned(todo)

    def _without_pruned(self, todo: Todo) -> Todo:
        """Skip the texts that left before their bookings were deleted as too old: Calendly may list those again."""
        sent = self.store.pruned_keys([message.key for message in todo.inserts])
        if not sent:
            return todo
        inserts = tuple(
            replace(message, state=State.SKIPPED, reason=Reason.ALREADY_SENT) if message.key in sent else message
            for message in todo.inserts
        )
        return replace(todo, inserts=inserts)

    def _told(self, booking: Booking, past: Past) -> frozenset[Audience]:
        """Find out who was told of a booking, or of one that it was moved from; it matters for a canceled one only."""
        if not booking.canceled:
            return frozenset()
        groups = [past.messages, *(old.messages for old in past.predecessors)]
        return frozenset(audience for messages in groups for audience in told(messages, self.policy))

    def _phone_questions(self, booking: Booking, now: datetime) -> frozenset[str] | None:
        """Ask which questions are for numbers, but only where it matters, and once a day for each event type."""
        uri = booking.event.event_type
        if not uri or not needs_questions(booking, self.policy):
            return None
        kept = self.store.phone_questions(uri)
        if kept is not None and (uri in self.unreadable or now - kept[1] < QUESTIONS_KEPT):
            return kept[0]
        if uri in self.unreadable:
            return None
        try:
            found = self.event_types.event_type(uri).phone_questions
        except (CalendlyRefused, NotConnected, NoUsableAnswer, Unreadable):
            self.unreadable.add(uri)  # asked once a run
            return kept[0] if kept is not None else None  # then by what their names look like
        self.store.remember_questions(uri, found, now)
        return found


def past_of(
    store: Store, booking: Booking, messages: Iterable[Message], known: Mapping[str, Booking] | None = None
) -> Past:
    """Read what came before a booking: its messages, and what it was moved from.

    Args:
        store: open.
        booking: which.
        messages: its messages so far.
        known: bookings as they are about to be written, by URI; the others are read from the store.
    """
    predecessors: list[Predecessor] = []
    uri, seen = booking.invitee.old_invitee, {booking.uri}
    while uri and uri not in seen and len(seen) < LONGEST_CHAIN:
        seen.add(uri)
        old = (known or {}).get(uri) or store.bookings([uri]).get(uri) or _moved_to(store, uri, known or {})
        if old is None or old.uri in seen - {uri}:
            break
        seen.add(old.uri)
        predecessors.append(Predecessor(old, tuple(store.messages_of([old.uri])[old.uri])))
        uri = old.invitee.old_invitee
    return Past(tuple(messages), tuple(predecessors))


def _moved_to(store: Store, uri: str, known: Mapping[str, Booking]) -> Booking | None:
    """Find the booking before one that could not be read: it names the unread one, as the booking after it does."""
    new = (booking for booking in known.values() if booking.invitee.new_invitee == uri)
    return next(new, None) or next(iter(store.moved_to([uri]).values()), None)
