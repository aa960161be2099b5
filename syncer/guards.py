"""What looks like a mistake at Calendly's side: a listing that lost its events, many cancellations at once. Pure."""

from __future__ import annotations

from syncer.errors import GuardRefused

SUSPICIOUS = 10
"""Fewer events than this may vanish, and fewer bookings be canceled, without a question."""
SHARE = 0.2
"""So large a share of what is known may do so."""


def guard_listing(*, listed: int, known: int, missing: int) -> None:
    """Refuse a listing that lost its events: `known` should have been in it, `missing` of them were not.

    Raises:
        GuardRefused: it is empty over a snapshot that is not, or more than 20 % (and at least 10) vanished.
    """
    remedy = "Check the role and calendly.scope with `syncer check`. If it is true, stop the worker and type:"
    remedy += " `syncer run --once --force`"
    if known and not listed:
        raise GuardRefused(f"Calendly listed no event at all where {known} are known", remedy)
    if missing >= SUSPICIOUS and missing > known * SHARE:
        raise GuardRefused(f"{missing} of {known} known events vanished from Calendly's listing", remedy)


def is_mass_cancellation(*, canceled: int, known: int) -> bool:
    """Whether so many of the known bookings ahead were canceled at once that it may be a mistake.

    That is more than 20 % of them, and at least 10.

    A move is no cancellation: whoever counts leaves those out.
    """
    return canceled >= SUSPICIOUS and canceled > known * SHARE
