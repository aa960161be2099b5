"""Holds back the texts about a mass cancellation, and nothing else.

How many bookings were canceled is known only when all events that may hold a cancellation have been read: a move looks
like one in the listing. Until then these texts wait; everything else leaves. The database remembers which cancellations
were looked at, so that a run that ends early leaves none of them unchecked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncer.guards import is_mass_cancellation
from syncer.model import State
from syncer.reasons import Reason
from syncer.rules import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from syncer.diff import Known
    from syncer.model import Event, Message
    from syncer.run import Run

REMEDY = (
    "Look at them in Calendly. If it is meant, stop the worker and type `syncer run --once --force`, or for single"
    " texts `syncer retry ID`. If not: `syncer cancel ID`. `syncer messages --state scheduled --json` lists the ids"
)


@dataclass(slots=True)
class CancellationGuard:
    """The look at the cancellations of one listing.

    Attributes:
        until: events that start later are not listed; None = all are.
        suspects: unread events that may hold cancellations: URI -> how many at most.
        in_doubt: bookings whose cancellation texts may not leave yet.
    """

    run: Run
    until: datetime | None
    suspects: dict[str, int]
    in_doubt: frozenset[str] = field(default=frozenset())

    def was_read(self, uris: Iterable[str]) -> None:
        """Note that these events were read, or cannot be."""
        for uri in uris:
            self.suspects.pop(uri, None)

    def judge(self) -> None:
        """Look at the cancellations that were noticed and not yet looked at.

        They are harmless, a mass cancellation (then their texts are held until a person decides), or in doubt while
        events are unread that may hold more of them.
        """
        run, store, now = self.run, self.run.store, self.run.clock()
        last, bookings = store.unchecked_cancellations(now)
        self.in_doubt = frozenset()
        if not last:
            return
        known = store.seats_ahead(now, self.until) + len(bookings)
        possible = len(bookings) + sum(self.suspects.values())
        if run.options.force or not is_mass_cancellation(canceled=possible, known=known):
            store.remember_checked(last)
        elif self.suspects:
            self.in_doubt = frozenset(bookings)
        else:
            self._hold(bookings, known, now)
            store.remember_checked(last)

    def _hold(self, bookings: Iterable[str], known: int, now: datetime) -> None:
        """Hold the texts about these cancellations, and say so."""
        canceled = sorted(bookings)
        told = f"{len(canceled)} of {known} known bookings were canceled at once"
        messages = [m for rows in self.run.store.messages_of(canceled).values() for m in rows if self._is_held(m)]
        if not messages:
            return
        held = self.run.store.hold(messages, Reason.HELD_BY_GUARD, now, told)
        self.run.refused = f"{told}; the {len(held)} texts about it wait"
        self.run.tell("run.refused", reason=self.run.refused, remedy=REMEDY, held=len(held))

    def _is_held(self, message: Message) -> bool:
        rule = self.run.settings.policy.rule(message.rule)
        return message.state is State.SCHEDULED and rule is not None and rule.on is Trigger.CANCELED

    def keeps(self, message: Message) -> bool:
        """Whether a waiting message may not leave because of this guard, in this run or for good."""
        if message.reason is Reason.HELD_BY_GUARD:
            return True
        return message.booking in self.in_doubt and self._is_held(message)


def suspects_among(events: Iterable[Event], known: Mapping[str, Known], now: datetime) -> dict[str, int]:
    """Count how many cancellations each of these listed events may hold that were not noticed yet.

    Args:
        events: those that are to be read.
        known: what the snapshot has of them, by URI; new ones hold none that anybody was told of.
        now: meetings that have begun are left out: nobody is texted about their cancellation in numbers.
    """
    suspects: dict[str, int] = {}
    for event in events:
        row = known.get(event.uri)
        if row is None or event.start <= now:
            continue
        before = row.event
        left = before.active - event.active
        joined = max(event.total - before.total, 0)
        gone = event.canceled and not before.canceled
        count = max(before.active, 1) if gone else max(left + joined, 0)  # a counter that cannot be read is 0
        if row.settles_at is not None:  # young cancellations that were not believed at once
            count += max(before.total - before.active, 1)
        if count:
            suspects[event.uri] = count
    return suspects
