"""What a text costs as SMS: the alphabet of GSM-7, and what leaves it. Pure.

One character outside the alphabet turns a whole text into UCS-2, which more than halves what fits into an SMS.
"""

from __future__ import annotations

import unicodedata

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("\f^{}\\[~]|€")
_LETTERS = str.maketrans(
    {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th", "ð": "d", "ħ": "h"}
    | dict.fromkeys("’‘ʼ", "'")
    | dict.fromkeys("‐‑‒–—−", "-")
    | {"º": "o", "ª": "a", "·": "."}
)
"""What has no accent to take off, and a look-alike in the alphabet."""
MOST_NAMED = 5
"""A text with more odd characters than these is in another script: nothing about it is odd."""


def is_gsm(text: str) -> bool:
    """Whether all of a text is in GSM-7."""
    return set(text) <= _GSM | _GSM_TWICE


def segments(text: str) -> int:
    """Estimate how many SMS a text is billed as: 160 characters or 153 a part; 70 or 67 once one is not in GSM-7.

    The gateway documents no rule of its own, and the operator's count is what is billed: an estimate.
    """
    if is_gsm(text):
        length, single, part = sum(2 if one in _GSM_TWICE else 1 for one in text), 160, 153
    else:
        length, single, part = len(text.encode("utf-16-le", "surrogatepass")) // 2, 70, 67
    return 1 if length <= single else -(-length // part)


def odd_characters(text: str) -> str:
    """List the characters of a text that are not in GSM-7, each once, in their order."""
    return "".join(one for one in dict.fromkeys(text) if one not in _GSM and one not in _GSM_TWICE)


def in_words(text: str) -> str:
    """Name the encoding of a text, and the few characters that make it UCS-2: `UCS-2 (á)`."""
    odd = odd_characters(text)
    if not odd:
        return "GSM-7"
    return "UCS-2" + (f" ({' '.join(map(_named, odd))})" if len(odd) <= MOST_NAMED else "")


def _named(character: str) -> str:
    """Write a character so that it can be seen."""
    return character if character.isprintable() and not character.isspace() else f"U+{ord(character):04X}"


def folded(text: str) -> str:
    """Write a text in GSM-7 by taking off accents: "sáb" is "sab", "août" is "aout"; as it is where that does not do.

    What is in the alphabet keeps its accent: "févr." stays.
    """
    if is_gsm(text):
        return text
    plain = "".join(map(_folded, unicodedata.normalize("NFC", text)))
    return plain if is_gsm(plain) else text


def _folded(character: str) -> str:
    if is_gsm(character):
        return character
    parts = unicodedata.normalize("NFD", character.translate(_LETTERS))
    return "".join(part for part in parts if not unicodedata.combining(part))
