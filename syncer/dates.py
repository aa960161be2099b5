"""Moments and distances in time, as a language writes them in a zone. Pure (Unicode's patterns, by Babel).

Every blank written is a plain one. Those patterns put U+202F before AM and U+00A0 before units, and a single such
character turns the whole SMS into UCS-2, which more than halves what fits into a segment.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_skeleton, format_time, format_timedelta, get_datetime_format, get_timezone_name

from syncer import zones

if TYPE_CHECKING:
    from collections.abc import Iterable

TWO_DAYS = timedelta(days=2)
ENDLESS = 10**9
"""A threshold no value reaches: format_timedelta would say "1 week" for seven days."""

_LETTERS = frozenset(
    (letters, timedelta(hours=hours))
    for hours, row in (
        (-10, "HST HAST HNHA"),
        (-9, "AKST HNAK HADT HEHA"),
        (-8, "PST HNP AKDT HEAK"),
        (-7, "MST HNR PDT HAP HEP"),
        (-6, "CST HNC MDT HAR HER"),
        (-5, "EST HNE CDT HAC HEC COT ACT"),
        (-4, "AST HNA EDT HAE HEE AMT"),
        (-3.5, "NST HNT HNTN"),
        (-3, "ADT HEA BRT ART"),
        (-2.5, "NDT HAT HETN"),
        (-1, "AZOT"),
        (0, "GMT UTC TU WET WEZ AZOST"),
        (1, "BST IST CET MEZ SEČ WEST WESZ WAT"),
        (2, "CEST MESZ SELČ EET OEZ CAT SAST"),
        (3, "EEST OESZ EAT"),
        (4, "GST"),
        (5.5, "IST"),
        (7, "WIB"),
        (8, "WITA AWST SGT HKT MYT"),
        (9, "WIT JST KST"),
        (9.5, "ACST"),
        (10, "AEST"),
        (10.5, "ACDT LHST"),
        (11, "AEDT LHDT"),
        (12, "NZST"),
        (12.75, "CHAST"),
        (13, "NZDT"),
        (13.75, "CHADT"),
    )
    for letters in row.split()
)
"""What a zone is called in letters, each with the distance from GMT that its readers take it for.

Babel's letters alone are not enough. French ones call Lisbon's winter "WEST", which is summer time to everybody else.
And where a country changes its standard time, Babel learns of it years later.
"""


@lru_cache(maxsize=1024)  # the reminders of a booking name the same moment
def when(start: datetime, *, language: str, zone: str, name_zone: bool, year: bool = True) -> str:
    """Write a moment: date with weekday, then the time, in the language's order and hour style.

    "Wed, Nov 25, 2026, 10:00 AM CST" in English, "Mi., 25. Nov. 2026, 17:00" in German.

    Args:
        start: an aware datetime.
        language: a language tag; one that is not known falls back to its base language, then to English.
        zone: IANA name of the reader's zone; one that this machine does not know is UTC.
        name_zone: whether the zone is written, too: its letters where that language knows them, else "GMT+8".
        year: whether the year is written.

    Raises:
        ValueError: a naive datetime.
    """
    pattern = str(get_datetime_format("medium", locale=_locale(language))).replace("'", "")
    date = day(start, language=language, zone=zone, year=year)
    time = clock(start, language=language, zone=zone, name_zone=name_zone)
    return plain(pattern.replace("{1}", date).replace("{0}", time))


def day(moment: datetime, *, language: str, zone: str, year: bool = True) -> str:
    """Write the date alone, with weekday; arguments and errors as of `when`."""
    local = _local(moment, zone)
    return plain(format_skeleton("yMMMEd" if year else "MMMEd", local, tzinfo=local.tzinfo, locale=_locale(language)))


def clock(moment: datetime, *, language: str, zone: str, name_zone: bool) -> str:
    """Write the time of day alone; arguments and errors as of `when`."""
    local, locale = _local(moment, zone), _locale(language)
    text = plain(format_time(local, "short", tzinfo=local.tzinfo, locale=locale))
    return f"{text} {_zone_name(local, locale)}" if name_zone else text


def differs(one: str, other: str, moment: datetime) -> bool:
    """Whether clocks in two zones differ at that moment: Berlin's and Lisbon's do, Berlin's and Paris's do not."""
    return one != other and _local(moment, one).utcoffset() != _local(moment, other).utcoffset()


def is_repeated(moment: datetime, zone: str) -> bool:
    """Whether clocks in a zone show this time twice, because they are put back: then the time alone names neither."""
    local = _local(moment, zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


NEAR_SHARE = 0.05
NEAREST, NOT_SO_NEAR = timedelta(minutes=2), timedelta(minutes=30)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEPS = (
    (20 * _MINUTE, _MINUTE, timedelta()),
    (_HOUR, 5 * _MINUTE, timedelta()),
    (2 * _HOUR, 10 * _MINUTE, timedelta()),
    (3 * _HOUR, 30 * _MINUTE, timedelta()),
    (47 * _HOUR, _HOUR, 10 * _MINUTE),
    (timedelta.max, _DAY, _HOUR),
)
"""Below so much left: in which steps it is said, and how much before a full step counts as full."""


def distance_left(left: timedelta, planned: timedelta) -> timedelta:
    """Say how far away a meeting is, in a round figure that lets nobody come late.

    Args:
        left: until its start.
        planned: what the rule says. It stands while it is within 5 % (at least 2 minutes, at most 30) of what is left.

    Returns:
        `planned`, or what is left, rounded down; never less than a minute.
    """
    if abs(planned - left) <= min(max(planned * NEAR_SHARE, NEAREST), NOT_SO_NEAR):
        return planned
    _, step, counts_as_full = next(row for row in _STEPS if left < row[0])
    return max((left + counts_as_full) // step * step, _MINUTE)


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
    return moment.astimezone(UTC).astimezone(zones.zone(zone))


def _zone_name(local: datetime, locale: Locale) -> str:
    """Name a zone by letters that say the distance from GMT that it has then, else by that distance."""
    # Trap: Babel asks dst(), which for Dublin is zero in summer and negative in winter, and names the wrong half.
    halves = [local.replace(month=month, day=1).utcoffset() or timedelta() for month in (1, 7)]
    offset = local.utcoffset() or timedelta()
    variant: Literal["daylight", "standard"] = "daylight" if offset > min(halves) else "standard"
    name = get_timezone_name(local, width="short", locale=locale, zone_variant=variant)
    if (name, offset) in _LETTERS:
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
