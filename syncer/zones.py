"""Time zones by name, as this machine knows them. No name ever stops a run. Pure."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_UNKNOWN = (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError)
"""What an unknown name raises; OSError: "America" is a directory."""
_NO_ZONES = frozenset({"Factory", "localtime", "posixrules", "leapseconds", "tzdata.zi"})
"""Names without a slash that are files, but no zones: the machine's own among them."""


@lru_cache(maxsize=1024)
def known(name: str) -> str:
    """Give back the name of a zone that this machine knows, with blanks as underscores; "" for anything else."""
    name = name.strip().replace(" ", "_")
    if not name or name in _NO_ZONES or not name.isascii():
        return ""
    try:
        return ZoneInfo(name).key
    except _UNKNOWN:
        return ""


def zone(name: str, fallback: str = "UTC") -> ZoneInfo:
    """Find a zone; one that this machine does not know gives the fallback, and without that UTC.

    A name may have been stored on a machine with newer data: it must cost no more than the right zone.
    """
    return ZoneInfo(known(name) or known(fallback) or "UTC")
