"""Text typed by strangers, made safe to stand in an SMS. Pure.

Anyone can book a meeting with any name and any number: a free text to a victim of their choice, in the host's name.
So what a guest typed loses everything that acts (links, numbers to call, template braces, control and bidi characters)
and keeps what merely reads. In doubt the suspicious word goes, not the whole text: a name cleaned to nothing costs its
owner the reminder.

What holds for every result, whatever came in: only the characters of its kind; no letter directly after a full stop, so
no phone turns any of it into a link; at most the given length; NFC; cleaning it again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from phonenumbers import SUPPORTED_REGIONS

_INPUT_LIMIT = 500
"""More is never read, so that the patterns below meet texts of bounded length."""
_ROUNDS = 30
_MOST_MARKS = 4
"""On one letter: Burmese writes four."""
_MOST_ACCENTS = 2
"""Of those that stack above any letter: Vietnamese, taken apart, has two."""

_TLDS = frozenset(region.lower() for region in SUPPORTED_REGIONS) | frozenset(
    "eu su uk com net org edu gov mil int info biz name pro app dev xyz top site online store shop club live icu vip"
    " link click work world today life tech cloud space website fun page win bid loan men cyou sbs cfd bond quest"
    " buzz rest lol zip mov ink wiki blog news media email support help services bank finance money cash credit"
    " loans insure tax group company ltd llc inc center digital agency solutions network systems asia africa berlin"
    " london paris tokyo nyc goog google apple amazon рф рус онлайн сайт орг ком москва укр бел бг срб"
    " 中国 中國 香港 台湾 台灣 公司 网络 網絡 网址 在线 商城 网店 コム みんな 닷컴 한국 भारत ไทย".split()
)
"""What makes a reader see a link in `word.word`. No boundary of safety: the others are taken apart by a space."""
_TITLES = frozenset("dr mr mrs ms prof st sr jr sra fr ing mag dipl".split())

_LOOKALIKES = str.maketrans("асеорхуіѕјмтнквгԁӏοαρτνικ", "aceopxyisjmthkbrdloaptvik")
"""Cyrillic and Greek letters that pass for Latin ones, as far as they spell top-level domains."""
_FOLDED = str.maketrans(
    dict.fromkeys("’‘ʼ‛`´′", "'")
    | dict.fromkeys("‐‑‒–—―−－", "-")
    | dict.fromkeys("。․‧ꓸ．｡", ".")  # browsers take the first for the dot of a domain
    | dict.fromkeys("“”„‟«»", '"')
    | {"、": ","}
)
_KEPT_WHOLE = frozenset("\u0e33\u0eb3")
"""NFKC takes these vowels of Thai and Lao apart, and phones then draw them in the wrong place."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Letters and marks that show nothing: fillers, joiners, variation selectors."""
_ACCENTS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")

_LINK_WORD = re.compile(r"(?<![^\W_])(?:h(?:tt|xx)p|(?:ftp|www\d?)(?![^\W_]))", re.IGNORECASE)
_SCHEME = re.compile(
    r"://|:\\\\|^\W*//|(?:^|\W)(?:mailto|tel|smsto|sms|data|javascript|file|intent|whatsapp):|xn--", re.IGNORECASE
)
_ADDRESS = re.compile(r"@.*\.|(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)")
_DOMAIN = re.compile(r"([\w-]+)\.([^\W\d_]{2,})(?![^\W_])([/:?#\\]?)")
_SPOKEN_LINK = re.compile(
    r"\w+(?:[\s()]*\.[\s()]*|[\s()]+(?:dot|punkt|punto|point)[\s()]+)(?:com|net|org|biz|xyz)(?![^\W_])\S*",
    re.IGNORECASE,
)
_SPELT_OUT = re.compile(r"(?<!\w)(?:\w(?!\w)[\s.]*){5,}")
_DOT_LETTER = re.compile(r"\.(?=[^\W\d_])")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a kind of text may hold besides letters, marks, digits and spaces; how many digits are a phone number."""

    punctuation: frozenset[str]
    phone: re.Pattern[str] | None


def _phone_like(digits: int) -> re.Pattern[str]:
    return re.compile(rf"\+?\(?\d(?:[\s\-.,()/+']{{0,3}}\d){{{digits - 1},}}")


_PROSE = frozenset("'-.,&/()!?:;+#\"¿¡€£$¥°")
_NAME = _Kind(frozenset("'-.,"), _phone_like(5))
_GUEST = _Kind(_PROSE, _phone_like(7))
_OWN = _Kind(_PROSE, None)


def clean_name(text: str, limit: int = 40) -> str:
    """Clean a person's name: letters, marks, digits, spaces and `'-.,`; "" when nothing is left."""
    return _clean(text, _NAME, limit)


def clean(text: str, limit: int = 160) -> str:
    """Clean what a guest typed: as a name, with more punctuation; seven digits in a row are a phone number and go."""
    return _clean(text, _GUEST, limit)


def clean_own(text: str, limit: int = 80) -> str:
    """Clean what comes from the host's own account (event names, places): no links, but any digits."""
    return _clean(text, _OWN, limit)


@lru_cache(maxsize=1024)  # a name stands in every text of its booking
def _clean(text: str, kind: _Kind, limit: int) -> str:
    """Clean until nothing changes: what a removal pushes together may be the next link."""
    text = text[:_INPUT_LIMIT]
    for _ in range(_ROUNDS):
        before = text
        text = _cut(_once(text, kind), limit)
        if text == before:
            return text if any(character.isalnum() for character in text) else ""
    return ""


def _once(text: str, kind: _Kind) -> str:
    text = " ".join(word for word in _fold(text).split() if not _is_link(word))
    text = _keep(text, kind.punctuation)
    text = _DOT_LETTER.sub(". ", re.sub("//+", "/", text))
    text = _SPOKEN_LINK.sub(" ", text)
    text = _SPELT_OUT.sub(lambda run: " " if _is_link("".join(run[0].split())) else run[0], text)
    text = " ".join(word for word in text.split() if not _LINK_WORD.search(word))
    if kind.phone is not None:
        text = kind.phone.sub(" ", text)
    text = re.sub(r"\s+(?=[,;])", "", " ".join(text.split()))
    return unicodedata.normalize("NFC", text.lstrip(" -.,:;/&)").rstrip(" -,:;/&("))


def _fold(text: str) -> str:
    """Undo disguises (full-width, mathematical, circled letters), drop what shows nothing, make all blanks plain."""
    folded = []
    for character in text.translate(_FOLDED):
        kept = character in _KEPT_WHOLE
        folded.append(character if kept else unicodedata.normalize("NFKC", character).translate(_FOLDED))
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", "".join(folded)))
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    """Blank for controls and separators; nothing for format, private, unassigned characters and surrogates."""
    category = unicodedata.category(character)
    if category == "Cc" or category[0] == "Z":
        return " "
    return "" if category[0] == "C" or category == "Me" else character


def _keep(text: str, punctuation: frozenset[str]) -> str:
    """Put a blank for all that is not allowed, and take marks off that stand alone or in a heap."""
    kept: list[str] = []
    marks = accents = _MOST_MARKS  # a mark at the beginning has no letter to stand on
    for character in text:
        if unicodedata.category(character)[0] == "M":
            marks, accents = marks + 1, accents + bool(_ACCENTS.match(character))
            if marks <= _MOST_MARKS and accents <= _MOST_ACCENTS:
                kept.append(character)
        elif unicodedata.category(character)[0] == "L" or character.isdecimal():
            marks = accents = 0
            kept.append(character)
        else:
            marks = accents = _MOST_MARKS
            kept.append(character if character in punctuation else " ")
    return "".join(kept)


def _is_link(word: str) -> bool:
    """Whether a phone, or a reader, would take the word for a link or an address."""
    if _SCHEME.search(word) or _ADDRESS.search(word) or _LINK_WORD.search(word):
        return True
    for found in _DOMAIN.finditer(word):
        before, label, after = found.groups()
        initial = len(before) == 1 or before.casefold() in _TITLES
        surname = initial and label.istitle() and not label[2:]  # "J.Li", "Dr.Ng": countries, too
        endings = {label.casefold(), label.casefold().translate(_LOOKALIKES)}
        if after not in {"", ":"} or (endings & _TLDS and not surname):
            return True
    return False


def _cut(text: str, limit: int) -> str:
    """Shorten without taking a mark off its letter."""
    if len(text) <= limit:
        return text
    while limit > 0 and unicodedata.category(text[limit])[0] == "M":
        limit -= 1
    return text[:limit].rstrip(" -,:;/&(")
