"""Lengths of time as people write them: 90s, 15m, 24h, 2d, 1h30m. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

_SPAN = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")


def span_of(text: str) -> timedelta | None:
    """Read whole numbers, each unit once, the largest first; None = it is no length of time."""
    match = _SPAN.fullmatch(text)
    if not text or match is None:
        return None
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
