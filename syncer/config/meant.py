"""What a wrong spelling of a value most likely means: the very value to write. Pure; "" = nobody can tell.

A guess is only ever shown, never used.
"""

from __future__ import annotations

import re
from datetime import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLOCK = re.compile(
    r"([0-9]{1,2})(?:[:.h ]?([0-5][0-9])(?:[:.][0-5][0-9](?:\.[0-9]+)?)?)?(?: ?(?:h|hrs?|uhr|o'?clock))?"
)
_HALF_DAY = re.compile(r"(.*[0-9])\s*([ap])\.?m\.?")
NOON, MIDNIGHT = 12, 24
LONGEST_NAME = 40
LONGEST_ID = 32


def clock(raw: object) -> str:
    """A time of day: "8:00", "24:00", "9pm", "21.00", 21 and a TOML time all have a form that is read."""
    if isinstance(raw, bool):
        return ""
    if isinstance(raw, time):
        return f"{raw:%H:%M}"
    if not isinstance(raw, (str, int)) or (isinstance(raw, int) and not 0 <= raw <= MIDNIGHT * 100):
        return ""
    given = str(raw).strip().lower().replace("\uff1a", ":")
    half = _HALF_DAY.fullmatch(given)
    match = _CLOCK.fullmatch((half[1] if half else given).strip())
    if match is None:
        return {"noon": "12:00", "midnight": "00:00", "midday": "12:00"}.get(given, "")
    hour, minute = int(match[1]), match[2] or "00"
    if half and not 1 <= hour <= NOON:
        return ""
    if half:
        hour = hour % NOON + (NOON if half[2] == "p" else 0)
    if hour == MIDNIGHT and minute == "00":
        hour = 0
    return f"{hour:02}:{minute}" if hour < MIDNIGHT else ""


def country(code: str) -> str:
    """A country by its name in English, its code of three letters, or its telephone code ("+886")."""
    from babel import Locale
    from babel.core import get_global

    given = code.strip()
    dialled = given.removeprefix("+").removeprefix("00")
    if dialled.isascii() and dialled.isdecimal():
        import phonenumbers

        region = phonenumbers.region_code_for_country_code(int(dialled[:4]))
        return region if region.isalpha() and region != "ZZ" else ""
    aliases: Mapping[str, list[str]] = get_global("territory_aliases")
    if len(alias := aliases.get(given.upper(), [])) == 1:  # a country that fell apart has several
        return alias[0]
    for key, name in Locale("en").territories.items():
        if name.casefold() == given.casefold() and key.isalpha():
            return str(key)
    return ""


def language(tag: str) -> str:
    """A language by its name in English or in itself, or by the country whose code was written ("jp")."""
    from babel import Locale
    from babel.core import get_global

    given = tag.strip().partition(".")[0]  # "de_DE.UTF-8"
    if given != tag and re.fullmatch(r"[A-Za-z]{2}_[A-Z]{2}", given):
        return given.replace("_", "-")
    for key, name in Locale("en").languages.items():
        if name.casefold() == given.casefold() and key.isalpha() and len(key) == 2:  # noqa: PLR2004
            return str(key)
    for key in ("de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "tr", "uk", "zh"):
        if (Locale(key).language_name or "").casefold() == given.casefold():
            return key
    likely: Mapping[str, str] = get_global("likely_subtags")
    return likely.get(f"und_{given.upper()}", "").partition("_")[0]


def zone(name: str) -> str:
    """A time zone by its name in Windows."""
    from babel.core import get_global

    zones: Mapping[str, str] = get_global("windows_zone_mapping")
    return next((there for key, there in zones.items() if key.casefold() == name.strip().casefold()), "")


def rule_name(name: str) -> str:
    """A rule's name in the letters that it may have."""
    return re.sub(r"[^a-z0-9]+", "-", name.strip().lower()).strip("-")[:LONGEST_NAME].rstrip("-")


def digits(text: str) -> str:
    """A template's id without the blanks, dashes and quotes that were copied with it."""
    bare = re.sub(r"[\s\u200b\u200e\u2060\ufeff'\"`#_-]+", "", text)
    return bare if re.fullmatch(rf"[0-9]{{1,{LONGEST_ID}}}", bare) else ""
