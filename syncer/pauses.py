"""How long the loop rests between two runs. Pure.

Others use Calendly's limit, too: half of it is for them.
"""

from __future__ import annotations

from datetime import timedelta

SHARE = 0.5
"""The share of Calendly's limit that the loop uses in the long run. What there is to catch up on may use all of it."""


def pause(requests: int, limit: int | None, interval: timedelta, *, behind: bool = False) -> timedelta:
    """Say how long after the begin of a run the next one may begin.

    It follows from the requests, not from what they led to: a failed run has used the limit as well.

    Args:
        requests: how many the run made, in vain or not.
        limit: requests a minute that Calendly lets through; None = not known.
        interval: the shortest pause.
        behind: whether news is left to read, and the run has read some: then the next run follows at once.
    """
    if behind:
        return timedelta()
    if not limit:
        return interval
    return max(interval, timedelta(minutes=requests / (limit * SHARE)))
