"""JSON values read leniently: what has the wrong type reads as nothing. For what decorates a text, never decides it.

msgspec stops at the first wrong type. So such fields stay bytes (`msgspec.Raw`) until they are read here one by one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

ABSENT: Final = msgspec.Raw()
"""Stands for a field that is not there."""
FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)
"""What decoding raises."""
LARGEST: Final = 1_000_000_000_000
"""A number beyond this counts for nothing: it fits no column."""

_ANY = msgspec.json.Decoder()
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def value(raw: msgspec.Raw) -> Any:
    """Read a value of any type; None = null, absent, or not readable (a number beyond all measure)."""
    if raw is ABSENT:
        return None
    try:
        return _ANY.decode(raw)
    except FAULTS:
        return None


def items(raw: msgspec.Raw) -> list[Any]:
    """Read the items of a list, each by itself; whatever else it is has none."""
    if raw is ABSENT:
        return []
    try:
        return [value(item) for item in _ITEMS.decode(raw)]
    except FAULTS:
        return []


def text(found: object) -> str:
    """Take a text, without blanks around it; whatever else it is reads as empty."""
    return found.strip() if isinstance(found, str) else ""


def text_of(raw: msgspec.Raw) -> str:
    """Read a text, without the blanks around it: what people typed is handed on as it is."""
    return text(value(raw))


def fields(found: object) -> dict[str, Any]:
    """Take an object's fields; whatever else it is has none."""
    return found if isinstance(found, dict) else {}


def whole(found: object) -> int | None:
    """Take a whole number that is not negative, also one spelled 1.0 or "1"; None = it is none."""
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= len(str(LARGEST)):
        found = int(found)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if type(found) is int and 0 <= found <= LARGEST else None
