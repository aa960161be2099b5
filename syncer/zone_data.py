"""Which time zone data are in use: the newer of the system's and the Python package's.

Python asks the system first, however old its data are. So `use_newest` compares the two at start.
"""

from __future__ import annotations

import importlib
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = re.compile(r"(?:#\s*version\s+)?(\d{4}[a-z]{0,2})\b")


@dataclass(frozen=True, slots=True)
class ZoneData:
    """Which zone data are in use.

    Attributes:
        version: of the IANA data, such as "2026a"; empty = not known.
        source: "the system" or "the Python package tzdata"; empty = there are none.
    """

    version: str
    source: str


SYSTEM, PACKAGE = "the system", "the Python package tzdata"


def newest(paths: Sequence[str], package: str) -> ZoneData:
    """Say which data are newer: those of the first folder that is there, or the package's.

    Args:
        paths: folders of zone data, in the order in which Python looks into them.
        package: version of the package's data; empty = it is not installed.
    """
    folder = next((path for path in paths if Path(path).is_dir()), None)
    version = _version_of(folder) if folder is not None else ""
    # Data without a version may be of any age, and the package's age is known.
    if package and (folder is None or package > version):
        return ZoneData(package, PACKAGE)
    return ZoneData(version, SYSTEM if folder is not None else "")


def use_newest() -> ZoneData:
    """Let Python read the newer zone data from now on; returns which these are."""
    found = newest(zoneinfo.TZPATH, _package_version())
    if found.source == PACKAGE and zoneinfo.TZPATH:
        zoneinfo.reset_tzpath(to=())
        # What was read before is of the older data.
        ZoneInfo.clear_cache()
    return found


def _version_of(folder: str) -> str:
    """Read the version of a folder's zone data; empty = it does not say."""
    for name in ("tzdata.zi", "+VERSION", "version"):
        try:
            with Path(folder, name).open(encoding="utf-8", errors="replace") as file:
                found = _VERSION.match(file.readline(100))
        except OSError:
            continue
        if found is not None:
            return found[1]
    return ""


def _package_version() -> str:
    """Read the version of the package's data; empty = it is not installed."""
    try:
        return str(importlib.import_module("tzdata").IANA_VERSION)
    except (ImportError, AttributeError):
        return ""
