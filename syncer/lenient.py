"""JSON values read leniently: what has the wrong type reads as nothing. For what decorates a text, never decides it.

msgspec stops at the first wrong type. So such fields stay bytes (`msgspec.Raw`) until they are read here one by one.

It also refuses half a character: a lone surrogate, which is left of a picture when a program cuts a text, or bytes that
are no UTF-8. `decode` reads U+FFFD there, so that a name cut in half holds up nobody.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

ABSENT: Final = msgspec.Raw()
"""Stands for a field that is not there."""
FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)
"""What decoding raises."""
LARGEST: Final = 1_000_000_000_000
"""A number beyond this counts for nothing: it fits no column."""

T = TypeVar("T")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape in a JSON text: a pair of surrogates, a lone one (the group), or any other."""
_ANY = msgspec.json.Decoder()
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """Decode JSON; half a character in it reads as U+FFFD.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError: it cannot be decoded all the same.
    """
    try:
        return decoder.decode(body)
    except FAULTS:
        mended = _mended(bytes(body))
        if mended == bytes(body):
            raise
        return decoder.decode(mended)


def _mended(body: bytes) -> bytes:
    """Put U+FFFD for each lone surrogate, and for bytes that are no UTF-8."""
    whole = body.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], whole)


def value(raw: msgspec.Raw) -> Any:
    """Read a value of any type; None = null, absent, or not readable (a number beyond all measure)."""
    if raw is ABSENT:
        return None
    try:
        return decode(_ANY, raw)
    except FAULTS:
        return None


def items(raw: msgspec.Raw) -> list[Any]:
    """Read the items of a list, each by itself; whatever else it is has none."""
    if raw is ABSENT:
        return []
    try:
        return [value(item) for item in decode(_ITEMS, raw)]
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
