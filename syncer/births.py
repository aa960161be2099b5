"""Since when a rule covers a booking: it sends nothing that was due before. Pure.

A rule may come to cover more than before: more event types, or cancellations by others. What it newly covers has a
birth of its own. So each version of what a rule covers is remembered as an era, and a booking's birth is the beginning
of the unbroken row of eras that cover it. A rule that is switched off loses its eras: switched on again it is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncer.model import Audience  # noqa: TC001  read from the database by it
from syncer.past import known_since
from syncer.rules import CanceledBy, Late, Trigger, is_for, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from syncer.model import Booking
    from syncer.past import Past
    from syncer.rules import Policy, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a rule is for, without what its texts say and when they leave.

    Attributes:
        on: the trigger; a rule that reacts to something else is another rule.
        to: likewise for whom it texts.
        scope: whose events are listed.
        event_types: in plain spelling; None = all.
        canceled_by: whose cancellations it is for.
        to_canceler: whether it texts the person who canceled, too.
        late: whether it reminds of what was booked after the reminder's time.
    """

    on: Trigger
    to: Audience
    scope: str
    event_types: frozenset[str] | None = None
    canceled_by: CanceledBy = CanceledBy.ANYONE
    to_canceler: bool = False
    late: bool = False

    def covers(self, booking: Booking, *, late: bool) -> bool:
        """Whether it is for this booking, of a listing of its scope; `late` as in `is_late`."""
        canceler = booking.invitee.canceler_type
        return (
            is_for(self.event_types, booking.event.name, booking.event.event_type)
            and (self.canceled_by is CanceledBy.ANYONE or canceler == self.canceled_by)
            and (self.on is not Trigger.CANCELED or self.to_canceler or canceler != self.to)
            and (self.late or not late)
        )


@dataclass(frozen=True, slots=True)
class Era:
    """What a rule covered from a moment on, until its next era begins."""

    coverage: Coverage
    since: datetime


def coverages(policy: Policy, scope: str) -> dict[str, Coverage]:
    """Say what each rule covers, by its name.

    Args:
        policy: the rules.
        scope: the setting `calendly.scope`.
    """
    return {
        rule.name: Coverage(
            on=rule.on,
            to=rule.to,
            scope=scope,
            event_types=None if rule.event_types is None else frozenset(map(plain, rule.event_types)),
            canceled_by=rule.canceled_by,
            to_canceler=rule.to_canceler,
            late=rule.late is Late.SEND,
        )
        for rule in policy.rules
    }


def births(
    rules: Iterable[Rule], eras: Mapping[str, Sequence[Era]], booking: Booking, past: Past
) -> dict[str, datetime]:
    """Say since when each rule covers a booking, by the rule's name."""
    return {rule.name: _birth(eras[rule.name], booking, late=is_late(rule, booking, past)) for rule in rules}


def is_late(rule: Rule, booking: Booking, past: Past) -> bool:
    """Whether a booking was made when the time of its reminder had passed."""
    return rule.on is Trigger.BEFORE_START and known_since(booking, past) > booking.event.start - rule.offset


def _birth(eras: Sequence[Era], booking: Booking, *, late: bool) -> datetime:
    """Find the beginning of the unbroken row of eras that cover a booking, up to the last one.

    Args:
        eras: of one rule, oldest first; at least one.
        booking: that the rule covers now.
        late: see `is_late`.
    """
    newest = eras[-1]
    born = newest.since
    for era, until in zip(reversed(eras[:-1]), (era.since for era in reversed(eras)), strict=False):
        same = (era.coverage.on, era.coverage.to) == (newest.coverage.on, newest.coverage.to)
        # Of another scope it covered what it saw.
        listed = era.coverage.scope == newest.coverage.scope or booking.seen_at < until
        if not (same and listed and era.coverage.covers(booking, late=late)):
            break
        born = era.since
    return born
