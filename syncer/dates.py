"""Moments and distances in time, as a language writes them in a zone. Pure (Unicode's patterns, by Babel).

Every blank written is a plain one. Those patterns put U+202F before AM and U+00A0 before units, and a single such
character turns the whole SMS into UCS-2, which more than halves what fits into a segment.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_skeleton, format_time, format_timedelta, get_datetime_format, get_timezone_name

if TYPE_CHECKING:
    from collections.abc import Iterable

TWO_DAYS = timedelta(days=2)
ENDLESS = 10**9
"""A threshold no value reaches: format_timedelta would say "1 week" for seven days."""


@lru_cache(maxsize=1024)  # the reminders of a booking name the same moment
def when(start: datetime, *, language: str, zone: str, name_zone: bool) -> str:
    """Write a moment: date with weekday, then the time, in the language's order and hour style.

    "Wed, Nov 25, 2026, 10:00 AM CST" in English, "Mi., 25. Nov. 2026, 17:00" in German.

    Args:
        start: an aware datetime.
        language: a language tag; one that is not known falls back to its base language, then to English.
        zone: IANA name of the reader's zone.
        name_zone: whether the zone is written, too: its letters where that language knows them, else "GMT+8".

    Raises:
        ValueError: a naive datetime.
        zoneinfo.ZoneInfoNotFoundError: no such zone.
    """
    pattern = str(get_datetime_format("medium", locale=_locale(language))).replace("'", "")
    date = day(start, language=language, zone=zone)
    time = clock(start, language=language, zone=zone, name_zone=name_zone)
    return plain(pattern.replace("{1}", date).replace("{0}", time))


def day(moment: datetime, *, language: str, zone: str) -> str:
    """Write the date alone, with weekday and year; arguments and errors as of `when`."""
    local = _local(moment, zone)
    return plain(format_skeleton("yMMMEd", local, tzinfo=local.tzinfo, locale=_locale(language)))


def clock(moment: datetime, *, language: str, zone: str, name_zone: bool) -> str:
    """Write the time of day alone; arguments and errors as of `when`."""
    local, locale = _local(moment, zone), _locale(language)
    text = plain(format_time(local, "short", tzinfo=local.tzinfo, locale=locale))
    return f"{text} {_zone_name(local, locale)}" if name_zone else text


def differs(one: str, other: str, moment: datetime) -> bool:
    """Whether clocks in two zones differ at that moment: Berlin's and Lisbon's do, Berlin's and Paris's do not."""
    return one != other and _local(moment, one).utcoffset() != _local(moment, other).utcoffset()


@lru_cache(maxsize=256)
def in_words(offset: timedelta, language: str) -> str:
    """Write a distance in time in one unit: "24 hours", "1 hour", "90 minutes", "2 days"; "" for none.

    Whole days are days from two on ("24 hours" is what people say before that), whole hours are hours, the rest is
    minutes.
    """
    minutes = round(abs(offset) / timedelta(minutes=1))
    if not minutes:
        return ""
    whole = timedelta(minutes=minutes)
    unit: Literal["day", "hour", "minute"] = "minute" if minutes % 60 else "hour"
    if whole >= TWO_DAYS and not whole % timedelta(days=1):
        unit = "day"
    return plain(format_timedelta(whole, granularity=unit, threshold=ENDLESS, locale=_locale(language)))


def plain(text: str) -> str:
    """Make all blanks plain and single, and drop what shows nothing: controls, bidi marks, zero-width characters."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(_shown(text))
    return " ".join(text.split())


def _shown(text: str) -> Iterable[str]:
    for character in text:
        category = unicodedata.category(character)
        # Persian sets parts of a word apart by U+200C: a blank reads better than nothing.
        if category == "Cc" or character == "\u200c":
            yield " "
        elif category[0] != "C":
            yield character


def _local(moment: datetime, zone: str) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime: {moment!r}")
    return moment.astimezone(UTC).astimezone(ZoneInfo(zone))


def _zone_name(local: datetime, locale: Locale) -> str:
    """Name a zone by letters its readers know, else by its distance from GMT."""
    # Trap: Babel asks dst(), which for Dublin is zero in summer and negative in winter, and names the wrong half.
    halves = [local.replace(month=month, day=1).utcoffset() or timedelta() for month in (1, 7)]
    offset = local.utcoffset() or timedelta()
    variant: Literal["daylight", "standard"] = "daylight" if offset > min(halves) else "standard"
    name = get_timezone_name(local, width="short", locale=locale, zone_variant=variant)
    if name.isalpha():
        return name
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    distance = f"{'-' if offset < timedelta() else '+'}{hours}" + (f":{minutes:02d}" if minutes else "")
    return "GMT" + (distance if offset else "")


@lru_cache(maxsize=256)
def _locale(language: str) -> Locale:
    """Find the locale of a language tag, else of its base language, else English."""
    tag = language.replace("_", "-")
    for wanted in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(wanted, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return Locale("en")
