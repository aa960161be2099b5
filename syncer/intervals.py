"""How far apart the runs of the loop begin, and how long one of them reads. Pure."""

from __future__ import annotations

from datetime import timedelta

from syncer.pauses import SHARE, pause
from syncer.spans import text_of

SHORTEST, LONGEST = timedelta(seconds=15), timedelta(minutes=15)
"""The bounds of an automatic interval."""
SMALLEST_LIMIT = 50
"""Requests a minute of Calendly's free plan: assumed until an answer says more ("Rate limits")."""
PER_PAGE = 100
"""Events of a page of the listing: the most that Calendly gives."""
READING_PER_LISTING = 12
"""The time for reading, by the time that the listing took: a first read takes a twelfth longer than with `--once`."""


def quiet_requests(events: int) -> int:
    """Say how many requests a run without news makes: one a page of the listing."""
    return max(1, -(-events // PER_PAGE))


def automatic(requests: int, limit: int | None, cap: int = 0) -> timedelta:
    """Say how far apart runs begin, so that quiet ones use at most a share of the limit.

    Args:
        requests: what a run without news makes.
        limit: requests a minute that Calendly lets through; None = it has not said yet.
        cap: our own cap on requests a minute; 0 = none.
    """
    most = limit or SMALLEST_LIMIT
    if cap:
        most = min(most, cap)
    return min(LONGEST, max(SHORTEST, timedelta(minutes=requests / (most * SHARE))))


def in_force(interval: timedelta | None, events: int, limit: int | None, cap: int = 0) -> timedelta:
    """Say how far apart runs begin: as set, or by what the last listing held.

    Args:
        interval: as set; None = automatic.
        events: how many the last listing held.
        limit: requests a minute that Calendly lets through; None = it has not said yet.
        cap: our own cap on requests a minute; 0 = none.
    """
    return automatic(quiet_requests(events), limit, cap) if interval is None else interval


def bounds(interval: timedelta | None) -> tuple[timedelta, timedelta]:
    """Say how short and how long the interval may be; both are the same where it is set."""
    return (SHORTEST, LONGEST) if interval is None else (interval, interval)


def described(interval: timedelta | None) -> str:
    """Spell an interval for people: "1m", or the bounds of an automatic one."""
    return f"auto, {text_of(SHORTEST)} to {text_of(LONGEST)}" if interval is None else text_of(interval)


def time_to_read(interval: timedelta, requests: int, limit: int | None, listing: timedelta) -> timedelta:
    """Say how long a run of the loop reads before the next one lists anew: news must not wait for all that is old.

    The longer a listing takes, the longer is read after it: otherwise a first read would be listing for the most part.

    Args:
        interval: from the start of one run to the next.
        requests: how many the listing made.
        limit: requests a minute that Calendly lets through; None = not known.
        listing: how long the listing took.
    """
    return max(pause(requests, limit, interval), READING_PER_LISTING * listing)
