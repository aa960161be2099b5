"""Text typed by strangers, made safe to stand in an SMS. Pure.

Anyone can book a meeting with any name and any number: a free text to a victim of their choice, in the host's name.
So what a guest typed loses everything that acts (links, numbers to call, template braces, control and bidi characters)
and keeps what merely reads, as typed. In doubt the suspicious word goes, not the whole text. The host's own words are
trusted further: they may hold any digits, and the bare name of a protocol.

What may stay is said by Unicode's categories and by short lists of the good: a list of the bad is never complete. What
holds for every result, whatever came in: only the characters of its kind; nothing after a full stop that may end a
domain, so no phone turns any of it into a link; at most the given length; NFC; cleaning it again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from phonenumbers import SUPPORTED_REGIONS, NumberParseException, is_valid_number, parse

if TYPE_CHECKING:
    from collections.abc import Callable

_INPUT_LIMIT = 500
"""More is never read, so that the patterns below meet texts of bounded length."""
_ROUNDS = 30
_MOST_MARKS = 4
"""On one letter: Burmese writes four."""
_MOST_ACCENTS = 2
"""Of those that stack above any letter: Vietnamese, taken apart, has two."""

_TLDS = frozenset(region.lower() for region in SUPPORTED_REGIONS) | frozenset(
    "an aq bv cp cq dg ea eu gs hm ic pn su tf tp uk um"
    " com net org edu gov mil int info biz name pro app dev xyz top site online store shop"
    " club live icu vip link click work world today life tech cloud space website fun page win bid loan men cyou sbs"
    " cfd bond quest"
    " buzz rest lol zip mov ink wiki blog news media email support help services bank finance money cash credit"
    " loans insure tax group company ltd llc inc center digital agency solutions network systems asia africa berlin"
    " london paris tokyo nyc goog google apple amazon рф рус онлайн сайт орг ком москва укр бел бг срб"
    " 中国 中國 香港 台湾 台灣 公司 网络 網絡 网址 在线 商城 网店 コム みんな 닷컴 한국 भारत ไทย".split()
)
"""What makes a reader see a link in `word.word`. All of two letters are here; others are taken apart by a space."""
_TITLES = frozenset("dr med mr mrs ms prof st sr jr sra fr ing mag dipl".split())

_LOOKALIKES = str.maketrans("асеорхуіѕјмтнквгԁӏοαρτνικ", "aceopxyisjmthkbrdloaptvik")
"""Cyrillic and Greek letters that pass for Latin ones, as far as they spell top-level domains."""
_FOLDED = str.maketrans(
    dict.fromkeys("’‘ʼ‛`´′", "'")
    | dict.fromkeys("‐‑‒–—―−－", "-")
    | dict.fromkeys("。․．｡", ".")  # browsers take the first for the dot of a domain
    | dict.fromkeys("‧∙⋅•", "·")
    | dict.fromkeys("“”„‟«»", '"')
    | dict.fromkeys("⁄∕", "/")  # the first parts a fraction
    | {"、": ",", "…": "..."}
)
"""What is written in many ways, and its look-alike."""
_KEPT_WHOLE = frozenset("\u0e33\u0eb3")
"""NFKC takes these vowels of Thai and Lao apart, and phones then draw them in the wrong place."""
_SMALL = frozenset("²³")
"""Behind a letter or a number they say something else than the digits: "10 m²"."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Letters and marks that show nothing: fillers, joiners, variation selectors."""
_ACCENTS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")

_LINK_WORD = re.compile(r"(?<![^\W_])(?:h(?:tt|xx)p|(?:ftp|www\d?)(?![^\W_]))", re.IGNORECASE)
_LINK_BEGUN = re.compile(r"(?<![^\W_])(?:h(?:tt|xx)ps?|ftp|www\d?)[^\w\s]*[.:][^\w\s]*\w", re.IGNORECASE)
"""Such a word with a link behind it: "HTTP basics" is an event like any other."""
_SCHEME = re.compile(
    r"://|:\\\\|^\W*//|(?:^|\W)(?:mailto|tel|smsto|sms|data|javascript|file|intent|whatsapp):\S|xn--", re.IGNORECASE
)
_CALL_SCHEME = re.compile(r"(?:^|\W)(?:mailto|tel|smsto|sms|whatsapp):", re.IGNORECASE)
_EMAIL = re.compile(r"@.*\.")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|\d\d?)"
_IP = re.compile(rf"(?<!\d){_OCTET}(?:\.{_OCTET}){{3}}(?!\d)([/:]\w)?")
_DOMAIN = re.compile(r"([\w-]+)\.(?=([^\W\d_]{2,})(?![^\W_])((?:/|[?#\\](?=\w))?))")
"""Each label is looked at, whatever stands before it: the last of "login.evil.ru" is the one that counts."""
_SPOKEN_LINK = re.compile(
    r"\w+(?:[\s()]*\.[\s()]*|[\s()]+(?:dot|punkt|punto|point)[\s()]+)(?:com|net|org|biz|xyz)(?![^\W_])\S*",
    re.IGNORECASE,
)
_SPELT_OUT = re.compile(r"(?<!\w)(?:\w(?!\w)[\s.]*){5,}")
_DOT_LABEL = re.compile(
    r"\.(?!(?:(?<=\bdott\.)|(?<=\bprof\.)|(?<=\bdr\.))ssa(?![\w./:?#\\]))(?=([^\W\d_]+))", re.IGNORECASE
)
"""A full stop with a label behind it; not that of "Dott.ssa"."""
_GERSHAYIM = re.compile("(?<=[\u05d0-\u05ea])[\"'](?=[\u05d0-\u05ea])")
"""What keyboards write for the marks of Hebrew; in prose these are quotes as well."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a kind of text may hold besides letters, marks, digits and spaces.

    Attributes:
        punctuation: single characters.
        categories: of Unicode; `_NEVER` is left out.
        is_phone: whether what looks like a number to call is one.
        fewest: digits of such a number.
        links: whether a mere `word.word` is taken out; the host's own words are only taken apart.
    """

    punctuation: frozenset[str]
    categories: frozenset[str]
    is_phone: Callable[[str], bool]
    fewest: int
    links: bool = True

    @property
    def prose(self) -> bool:
        """Whether it is more than a name."""
        return bool(self.categories - _HYPHENS)


_NEVER = frozenset("{}[]<>\\@|%")
"""What a template, a terminal or a link may be made of."""
_NAME_MARKS = frozenset(
    "'.,·"  # Catalan "Gal·la", "Ph.D."
    "\u055a\u05f3\u05f4"  # apostrophes of Armenian, geresh and gershayim of Hebrew
    "\u0589\u0964\u0970\u06d4\u1362"  # full stops: Armenian, Indian, Urdu, Ethiopic
    "\u1361\u0f0b\u0f0c\u30fb\u2e31\u2e33"  # between words: Ethiopic, Tibetan, Japanese, and raised dots
)
_HYPHENS, _PROSE = frozenset({"Pd"}), frozenset({"Pd", "Po", "Ps", "Pe", "Pi", "Pf", "Pc", "Sc", "Sm"})
_PHONE = re.compile(r"\+?\(?\d(?:(?:,(?!\s)|[\s\-.()/+']){0,3}\d)+")
_NAME_PHONE = re.compile(r"\+?\(?\d(?:[\s\-.,()/+']{0,3}\d)+")
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_TIME = r"(?:[01]?\d|2[0-4])[:.][0-5]\d"
_FULL_DATE = "|".join(
    form
    for dot in (r"\.", "/", "-")
    for form in (
        rf"{_DAY}{dot}{_DAY}{dot}{_YEAR}",
        rf"{_YEAR}{dot}{_MONTH}{dot}{_DAY}",
        rf"{_DAY}\s?{dot}\s{_DAY}\s?{dot}\s{_YEAR}",
        rf"{_YEAR}\s?{dot}\s{_MONTH}\s?{dot}\s{_DAY}",
    )
)
_FROM = rf"(?:{_DAY}\.)?{_DAY}\.\s?[-/]\s?|(?:{_DAY}[./])?{_DAY}\s?-\s?"
_FRACTION = r"(?<!\S)(?:1/[2-8]|2/[35]|3/[458]|4/5|5/[68]|7/8)(?!\S)"
_SHORT_DATE = "|".join(rf"{_DAY}{dot}{_DAY}{dot}\d\d" for dot in (r"\.", "/"))
_DATE = re.compile(
    rf"(?<![\d+])(?<![\d)][./])(?:(?:{_FROM})?(?:{_FULL_DATE})(?:\s?[-/]\s?(?:{_FULL_DATE}))?(?:[-/]{_TIME}){{0,2}}"
    rf"|(?:{_SHORT_DATE})(?:\s?-\s?(?:{_SHORT_DATE}))?|{_DAY}-{_DAY}-\d\d|{_FRACTION})(?![\d/]|[.-]\d)"
)
"""A date in digits alone, in the orders that people write; from one to another, with hours; or a fraction."""
_DAYS = re.compile(
    "|".join(
        rf"{one}{dot}{two}{end}\s?-\s?{one}{dot}{two}"
        for one, two in ((_DAY, _MONTH), (_MONTH, _DAY))
        for dot, end in ((r"\.", r"\.?"), ("/", ""))
    )
    + rf"|{_DAY}\.{_MONTH}\.\s?/\s?{_DAY}\.{_MONTH}"
)
"""The same without any year."""
_NO_DATE = re.compile(r"(?:\+(?:[\s\-./()']*\d){0,6}[\s\-./()']*|(?<![\d:./-])0\d+\s?[-./]\s?)$")
"""What stands before a date that is rather the end of a number."""
_AMOUNT = (
    r"(?:[1-9]\d?(?:(?: \d{3}){1,2}|(?:\.\d{3}){1,2}|(?:'\d{3}){1,2}|(?:,\d\d){1,2},\d{3})"
    r"|[1-9]\d{0,2}(?:(?:\.000){1,3}|(?:,\d{3}){1,2}|(?:[ .']\d{3}){1,2},\d\d|(?:[ ,']\d{3}){1,2}\.\d\d))"
)
"""With a mark before each thousand; as India writes them, too. Three times three digits may be a number to call."""
_ID = rf"(?:\d{{5}}-\d{{4}}|{_YEAR}[-/](?:\d\d?[-/])?\d{{3,6}}|[1-9]\d{{3}}-0\d{{3}})"
"""A code of mail in the USA, or an order: its year first, or a second half that few numbers to call have."""
_HARMLESS = re.compile(rf"(?:{_AMOUNT}|{_ID})(?:\s*[-/]\s*(?:{_AMOUNT}|{_ID}))*")
_MEASURES = re.compile(r"[1-9]\d\d(?:/[1-9]\d){2}")
"""Height, weight and age; blood pressure and pulse."""
_CLOCK = r"(?:(?:1\d|2[0-4])(?:00|15|30|45)|(?:[01]?\d|2[0-4])(?:\.[0-5]\d)?)"
_HOURS = re.compile(rf"{_CLOCK}\s*-\s*{_CLOCK}(?:(?:\s*/\s*|,|\s+){_CLOCK}\s*-\s*{_CLOCK})*")
"""Hours without a mark before the minutes are those that look least like a number to call."""
_NORTH_AMERICAN = re.compile(r"1?[2-9]\d{2}[2-9]\d{6}")
_MOST_PHONE_DIGITS = 15
_LONGEST_ID = 8
"""So many digits in a row are a date or an order's number; a number to call without any sign of one has more."""


def _is_callable(text: str) -> bool:
    """Whether digits are a number to call: with a country code, or written as numbers are; not a date, not an id."""
    digits = "".join(filter(str.isdecimal, text))
    groups = re.findall(r"\d+", text)
    if "+" in text:
        return True
    if len(groups) == 1:
        long = _LONGEST_ID < len(digits) <= _MOST_PHONE_DIGITS
        return long and (digits[0] == "0" or bool(_NORTH_AMERICAN.fullmatch(digits)) or _is_valid(digits))
    if _are_hours(text) or any(shape.fullmatch(text) for shape in (_HARMLESS, _DAYS, _MEASURES)):
        return False
    lengths = [len(group) for group in groups]
    written = digits[0] == "0" or "(" in text or len(groups) > 2 or lengths in ([3, 4], [4, 4])  # noqa: PLR2004  two groups
    return written or bool(_NORTH_AMERICAN.fullmatch(digits)) or _is_valid(digits)


def _are_hours(text: str) -> bool:
    """Whether digits are hours of a day, each later than the one before: "14.30-15.30", "8-12/13-17"."""
    if not _HOURS.fullmatch(text):
        return False
    digits = (re.sub(r"\D", "", one) for one in re.split(r"[^\d.]+", text))
    times = [int(one if one[2:] else f"{one}00") for one in digits]
    return all(earlier < later for earlier, later in pairwise(times))


def _is_valid(digits: str) -> bool:
    """Whether digits are a number of some country, its code first."""
    try:
        return is_valid_number(parse(f"+{digits}"))
    except NumberParseException:
        return False


_NAME = _Kind(_NAME_MARKS, _HYPHENS, lambda _: True, 5)
_GUEST = _Kind(frozenset("°№"), _PROSE, _is_callable, 7)
_OWN = _Kind(frozenset("°№"), _PROSE, lambda _: False, 7, links=False)


def clean_name(text: str, limit: int = 40) -> str:
    """Clean a person's name: letters, marks, digits, spaces, and what joins these in any script; "" = nothing left."""
    return _clean(text, _NAME, limit)


def clean(text: str, limit: int = 160) -> str:
    """Clean what a guest typed: as a name, with all punctuation; numbers to call go, dates and short ids stay."""
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
    text = " ".join(word for word in _fold(text, kind).split() if not _is_link(word, kind))
    text = _keep(text, kind)
    text = _DOT_LABEL.sub(_apart, re.sub("//+", "/", text))
    if kind.links:
        text = _SPOKEN_LINK.sub(" ", text)
    text = _SPELT_OUT.sub(lambda run: " " if _is_link("".join(run[0].split()), kind) else run[0], text)
    text = " ".join(word for word in text.split() if not _is_link_word(word, kind))
    text = _without_phones(text, kind)
    text = re.sub(r"\s+(?=[,;])", "", " ".join(text.split()))
    return unicodedata.normalize("NFC", text.lstrip(" -.,:;/&=*_~")).rstrip(" -,:;/&(=*_~")


def _apart(dot: re.Match[str]) -> str:
    """Put a blank behind a full stop, unless nothing that ends a domain follows: "Ph.D." and "Node.js" stay."""
    label = dot[1]
    stays = len(label) == 1 or (len(label) == 2 and label.isascii() and label.casefold() not in _TLDS)  # noqa: PLR2004
    return "." if stays else ". "


def _without_phones(text: str, kind: _Kind) -> str:
    """Take out numbers to call; dates are no part of one."""
    pattern = _NAME_PHONE if kind is _NAME else _PHONE
    # As long as the text: what is found in the one is taken out of the other.
    plain = "".join(map(_as_plain_digit, text))
    gone: list[tuple[int, int]] = []

    def look(start: int, end: int) -> None:
        for found in pattern.finditer(plain[start:end]):
            digits = sum(map(str.isdecimal, found[0]))
            if digits >= kind.fewest and kind.is_phone(found[0]):
                gone.append((start + found.start(), start + found.end()))

    end = 0
    for date in () if kind is _NAME else _DATE.finditer(plain):
        if not _NO_DATE.search(plain[end : date.start()]):
            look(end, date.start())
            end = date.end()
    look(end, len(plain))
    for start, stop in reversed(gone):
        text = f"{text[:start]} {text[stop:]}"
    return text


def _as_plain_digit(character: str) -> str:
    return str(unicodedata.digit(character)) if character.isdecimal() or character in _SMALL else character


def _fold(text: str, kind: _Kind) -> str:
    """Undo disguises (full-width, mathematical, circled letters), drop what shows nothing, make all blanks plain.

    A digit in disguise is set apart from those beside it: "1½" is 1 1/2, not 11/2.
    """
    folded: list[str] = []
    text = text.translate(_FOLDED)
    for place, character in enumerate(text):
        before, behind = text[place - 1 : place], text[place + 1 : place + 2]
        if character in _KEPT_WHOLE or (kind.prose and _is_small(before, character, behind)):
            folded.append(character)
            continue
        plain = unicodedata.normalize("NFKC", character).translate(_FOLDED)
        disguised = plain[:1].isdecimal() and not character.isdecimal()
        folded += [
            " " * (disguised and before.isdecimal()),
            plain,
            " " * (disguised and behind.isdecimal()),
        ]
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", "".join(folded)))
    if not kind.prose:
        text = _GERSHAYIM.sub(lambda mark: "\u05f4" if mark[0] == '"' else "\u05f3", text)
    return "".join(map(_visible, text))


def _is_small(before: str, character: str, behind: str) -> bool:
    """Whether it is a "²" as in "10 m²", and no part of a number written in such digits."""
    return character in _SMALL and (before.isalpha() or before.isdecimal()) and not behind.isdigit()


def _visible(character: str) -> str:
    """Blank for controls and separators; nothing for format, private, unassigned characters and surrogates."""
    category = unicodedata.category(character)
    if category == "Cc" or category[0] == "Z":
        return " "
    return "" if category[0] == "C" or category == "Me" else character


def _keep(text: str, kind: _Kind) -> str:
    """Put a blank for all that is not allowed, and take marks off that stand alone or in a heap."""
    kept: list[str] = []
    marks = accents = _MOST_MARKS  # a mark at the beginning has no letter to stand on
    for place, character in enumerate(text):
        if unicodedata.category(character)[0] == "M":
            marks, accents = marks + 1, accents + bool(_ACCENTS.match(character))
            if marks <= _MOST_MARKS and accents <= _MOST_ACCENTS:
                kept.append(character)
        elif unicodedata.category(character)[0] == "L" or character.isdecimal():
            marks = accents = 0
            kept.append(character)
        else:
            marks = accents = _MOST_MARKS
            percent = character == "%" and kind.prose and _is_percent(text[:place], text[place + 1 : place + 2])
            kept.append(character if percent or _may_stay(character, kind) else " ")
    return "".join(kept)


def _is_percent(before: str, behind: str) -> bool:
    """Whether a percent sign stands behind a number, and begins nothing."""
    return before.removesuffix(" ")[-1:].isdecimal() and not behind.isalnum() and behind != "%"


def _may_stay(character: str, kind: _Kind) -> bool:
    if character in _NEVER:
        return False
    if character in _SMALL:
        return kind.prose
    return character in kind.punctuation or unicodedata.category(character) in kind.categories


def _is_link(word: str, kind: _Kind) -> bool:
    """Whether a phone, or a reader, would take the word for a link or an address."""
    if _SCHEME.search(word) or _EMAIL.search(word) or _is_link_word(word, kind):
        return True
    if not kind.prose and _CALL_SCHEME.search(word):
        return True
    # The host's rooms may be numbered so.
    if (ip := _IP.search(word)) and (kind.links or ip[1]):
        return True
    return any(_is_domain(found, kind) for found in _DOMAIN.finditer(word))


def _is_link_word(word: str, kind: _Kind) -> bool:
    """Whether a word begins like a link; in the host's own words, only if more of one follows."""
    return bool((_LINK_WORD if kind.links else _LINK_BEGUN).search(word))


def _is_domain(found: re.Match[str], kind: _Kind) -> bool:
    """Whether `word.word` goes as a whole; what is no domain ("3.OG/Zi. 12") is only taken apart."""
    before, label, after = found.groups()
    if after and not kind.prose:
        return True
    initial = len(before) == 1 or before.casefold() in _TITLES
    # "J.Li", "Dr.Ng", "Kim.Jo": countries, too. A blank takes them apart.
    surname = (initial or before.istitle()) and label.istitle() and not label[2:]
    # "1.UG" is a floor.
    floor = kind.prose and before.isdecimal() and not before[2:] and not label[2:]
    endings = {label.casefold(), label.casefold().translate(_LOOKALIKES)}
    if floor or not endings & _TLDS:
        return False
    if kind.links:
        return bool(after) or not surname
    return bool(after) and not surname


def _cut(text: str, limit: int) -> str:
    """Shorten without taking a mark off its letter."""
    if len(text) <= limit:
        return text
    while limit > 0 and unicodedata.category(text[limit])[0] == "M":
        limit -= 1
    return text[:limit].rstrip(" -,:;/&(")
