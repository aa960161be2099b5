"""One person with several seats of one event gets each text once. Pure.

Somebody who books two seats with one number is two invitees to Calendly, and would read everything twice. Two texts are
one if they are of the same rule, to the same number, about the same start, and word for word the same: with two names
in them (a mother who books for two children) they are two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncer.model import Audience, State
from syncer.outbox import FINAL_REASONS, LEFT
from syncer.reasons import Reason
from syncer.wording import momentary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncer.model import Booking, Message
    from syncer.rules import Policy

_OVER = frozenset({State.FAILED, State.EXPIRED})


def without_doubles(
    bookings: Sequence[Booking],
    wanted: Mapping[str, Sequence[Message]],
    outbox: Mapping[str, Sequence[Message]],
    policy: Policy,
) -> dict[str, list[Message]]:
    """Skip what another seat's text says already.

    Args:
        bookings: all of each event.
        wanted: booking URI -> what the rules want of it.
        outbox: booking URI -> its messages so far; a text that has left counts before the others.
        policy: the rules: words that depend on the moment at which a text leaves are not compared.

    Returns:
        As `wanted`; of equal texts the one of the seat that was booked first stays.
    """
    seats = sorted(bookings, key=lambda one: (one.event.uri, one.booked_at, one.uri))
    taken: dict[object, str] = {}
    for seat in seats:
        for message in outbox.get(seat.uri, ()):
            if message.state in LEFT and message.audience is Audience.INVITEE:
                taken.setdefault(_text(seat, message, policy), seat.uri)
    kept: dict[str, list[Message]] = {}
    for seat in seats:
        over = {m.key for m in outbox.get(seat.uri, ()) if m.state in _OVER or m.reason in FINAL_REASONS}
        kept[seat.uri] = []
        for message in wanted.get(seat.uri, ()):
            goes_out = message.state is State.SCHEDULED and message.audience is Audience.INVITEE
            if (
                goes_out
                and message.key not in over
                and taken.setdefault(_text(seat, message, policy), seat.uri) != seat.uri
            ):
                message = replace(message, state=State.SKIPPED, reason=Reason.DUPLICATE)  # noqa: PLW2901  the same one, skipped
            kept[seat.uri].append(message)
    return kept


def _text(seat: Booking, message: Message, policy: Policy) -> object:
    rule = policy.rule(message.rule)
    moving = momentary(rule) if rule is not None else {}
    words = tuple(sorted(pair for pair in message.params.items() if pair[0] not in moving))
    return seat.event.uri, message.rule, message.to, message.meeting_at, words
