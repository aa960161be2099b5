"""Names of time zones that are not IANA's: those of Windows and of Ruby on Rails. Pure.

A guest's zone comes from their browser, an embedding page, or whatever booked for them. Windows' names are CLDR's table
`windowsZones`, as Babel ships it. Of Rails' names, most are the city of the IANA name; the table here has the others.
"""

from __future__ import annotations

import zoneinfo
from functools import cache, lru_cache

from babel.core import get_global

from syncer import zones

_AREAS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
_RAILS = {
    "International Date Line West": "Pacific/Midway",
    "Midway Island": "Pacific/Midway",
    "American Samoa": "Pacific/Pago_Pago",
    "Samoa": "Pacific/Apia",
    "Hawaii": "Pacific/Honolulu",
    "Alaska": "America/Juneau",
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Mountain Time (US & Canada)": "America/Denver",
    "Arizona": "America/Phoenix",
    "Central Time (US & Canada)": "America/Chicago",
    "Saskatchewan": "America/Regina",
    "Guadalajara": "America/Mexico_City",
    "Central America": "America/Guatemala",
    "Eastern Time (US & Canada)": "America/New_York",
    "Indiana (East)": "America/Indiana/Indianapolis",
    "Quito": "America/Lima",
    "Atlantic Time (Canada)": "America/Halifax",
    "Newfoundland": "America/St_Johns",
    "Brasilia": "America/Sao_Paulo",
    "Georgetown": "America/Guyana",
    "Greenland": "America/Godthab",
    "Mid-Atlantic": "Atlantic/South_Georgia",
    "Cape Verde Is.": "Atlantic/Cape_Verde",
    "Edinburgh": "Europe/London",
    "Bern": "Europe/Zurich",
    "West Central Africa": "Africa/Algiers",
    "Pretoria": "Africa/Johannesburg",
    "St. Petersburg": "Europe/Moscow",
    "Abu Dhabi": "Asia/Muscat",
    "Ekaterinburg": "Asia/Yekaterinburg",
    "Islamabad": "Asia/Karachi",
    "Chennai": "Asia/Kolkata",
    "Mumbai": "Asia/Kolkata",
    "New Delhi": "Asia/Kolkata",
    "Astana": "Asia/Almaty",
    "Sri Jayawardenepura": "Asia/Colombo",
    "Hanoi": "Asia/Bangkok",
    "Beijing": "Asia/Shanghai",
    "Osaka": "Asia/Tokyo",
    "Sapporo": "Asia/Tokyo",
    "Canberra": "Australia/Melbourne",
    "Solomon Is.": "Pacific/Guadalcanal",
    "New Caledonia": "Pacific/Noumea",
    "Marshall Is.": "Pacific/Majuro",
    "Wellington": "Pacific/Auckland",
    "Nuku'alofa": "Pacific/Tongatapu",
    "Tokelau Is.": "Pacific/Fakaofo",
    "Chatham Is.": "Pacific/Chatham",
}


@lru_cache(maxsize=1024)
def find(name: str) -> str:
    """Find the IANA name of a zone by IANA's, Windows' or Rails' name; "" = nobody knows, or not this machine.

    Args:
        name: in any letter case, with blanks or underscores.
    """
    return zones.known(name) or zones.known(_others().get(_plain(name), ""))


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


@cache
def _others() -> dict[str, str]:
    """List all other names: IANA's in small letters, the city alone, then Rails' and Windows', which win over those."""
    named = sorted(zone for zone in zoneinfo.available_timezones() if zone.startswith(_AREAS))
    cities = {_plain(zone.rpartition("/")[2]): zone for zone in reversed(named)}
    windows = get_global("windows_zone_mapping")
    listed = {_plain(name): zone for name, zone in (_RAILS | dict(windows)).items()}
    return {_plain(zone): zone for zone in named} | cities | listed
