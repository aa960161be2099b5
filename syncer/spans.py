"""Lengths of time as people write them: 90s, 15m, 24h, 2d, 1h30m. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

_SPAN = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_UNITS = {
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "w": ("w", "week", "weeks"),
}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words}
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]{1,6}(?:[.,][0-9]{1,3})?) ?([a-z]+)")
_ISO = re.compile(r"p(?:([0-9]{1,6})d)?(?:t(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?)?")


def span_of(text: str) -> timedelta | None:
    """Read whole numbers, each unit once, the largest first; None = it is no length of time."""
    match = _SPAN.fullmatch(text)
    if not text or match is None:
        return None
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def text_of(span: timedelta) -> str:
    """Write a length of time as it is read, to whole seconds: "1h30m"; nothing is "0s"."""
    seconds = int(span.total_seconds())
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if seconds % 3_600 == 0 and 0 < seconds <= 48 * 3_600:  # people say 24h and 36h
        return f"{seconds // 3_600}h"
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def span_meant(text: str) -> timedelta | None:
    """Guess which length of time a wrong spelling means ("24H", "1 hour", "1.5h", "PT1H"); None = nobody can tell."""
    given = " ".join(text.lower().replace("and", " ").split())
    if (match := _ISO.fullmatch(given)) and any(match.groups()):
        days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    parts = list(_PART.finditer(given))
    if not parts or _PART.sub("", given).strip(" ,"):
        return None
    units = [_UNIT.get(part[2]) for part in parts]
    if None in units or len(set(units)) < len(units):
        return None
    seconds_in_all = sum(
        float(part[1].replace(",", ".")) * _SECONDS[unit] for part, unit in zip(parts, units, strict=True) if unit
    )
    return timedelta(seconds=round(seconds_in_all))
