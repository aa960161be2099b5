"""Telephone numbers as people type them: read, judged, spelt in E.164. Pure (phonenumbers).

Calendly checks no number. A text to a landline, to a premium line or to somebody else costs money or trust, so a number
is used only when it is surely one that takes texts; why it was not used is said without naming it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from syncer.reasons import Reason

if TYPE_CHECKING:
    from syncer.rules import Policy


@dataclass(frozen=True, slots=True)
class NoRecipient:
    """Why nobody is texted: a code, and in words what is special about it; never the number itself."""

    reason: Reason
    detail: str = ""


NOT_VALID = NoRecipient(Reason.INVALID_NUMBER)
NO_COUNTRY_CODE = NoRecipient(Reason.NEEDS_COUNTRY)
EXTENSION = NoRecipient(Reason.EXTENSION)
LETTERS = NoRecipient(Reason.INVALID_NUMBER, "it has letters in it")
SEVERAL = NoRecipient(Reason.TWO_NUMBERS)
LANDLINE = NoRecipient(Reason.LANDLINE)
SATELLITE = NoRecipient(Reason.NOT_MOBILE, "satellite or international network")

_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_FIXED = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP})
_NO_COUNTRY = frozenset({"001", "ZZ", None})
"""What phonenumbers gives as the region of satellite and other international networks, and of no network."""

_EXTENSION = re.compile(r"(?<=\d)[\s,;(]*(?:#|;?(?:extension|extn|ext|x|durchwahl|poste)[.:\s=]*\d)", re.IGNORECASE)
_SEVERAL = re.compile(r"\+.*\+|(?:\d[\s().-]*){7,}[/,;|&\n](?:[\s().+-]*\d){7,}", re.DOTALL)
_WRITTEN = re.compile(r"\+?[\d\s()./-]+")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−－", "-"))
_FEW = 4
_LONGEST = 100
"""A field longer than this is no number, and the patterns above meet nothing longer."""


@dataclass(frozen=True, slots=True)
class Textable:
    """A number that takes texts: in E.164 with `+`, and its country (ISO 3166)."""

    number: str
    country: str


def textable(text: str, policy: Policy) -> Textable | NoRecipient:
    """Read a number as people type it, and say no unless it takes texts and the policy lets it have one.

    `allow_landlines` admits landlines and internet telephones; premium, shared-cost and free lines, pagers and the
    like never pass.
    """
    return _judged(text, policy.country, policy.allowed_countries, policy.allow_landlines)


@lru_cache(maxsize=1024)  # each rule of a booking asks for the same number
def _judged(text: str, home: str, allowed: frozenset[str], landlines: bool) -> Textable | NoRecipient:
    number = parse(text, home)
    if isinstance(number, NoRecipient):
        return number
    if not phonenumbers.is_valid_number(number):
        return NOT_VALID
    kind = phonenumbers.number_type(number)
    if kind not in _MOBILE and not (landlines and kind in _FIXED):
        name = PhoneNumberType.to_string(kind).lower()
        return LANDLINE if kind == PhoneNumberType.FIXED_LINE else NoRecipient(Reason.NOT_MOBILE, name)
    region = phonenumbers.region_code_for_number(number)
    if region in _NO_COUNTRY:  # +870, +881, +882: "mobile" says phonenumbers, several dollars a text says the bill
        return SATELLITE
    if allowed and region not in allowed:
        return NoRecipient(Reason.COUNTRY_NOT_ALLOWED, str(region))
    return Textable(e164(number), country_of(number))


def parse(text: str, country: str) -> PhoneNumber | NoRecipient:
    """Read one number; phonenumbers alone would take letters for digits, and drop an extension.

    Args:
        text: as typed: blanks, dashes, dots, slashes, brackets, digits of any script.
        country: ISO 3166 code for numbers without a country code; "" = those are refused.
    """
    if len(text) > _LONGEST:
        return NOT_VALID
    # Contacts copied from a phone come in invisible direction marks.
    text = "".join(one for one in unicodedata.normalize("NFKC", text) if unicodedata.category(one) != "Cf")
    text = text.translate(_DASHES).strip().removeprefix("tel:").strip()
    if _SEVERAL.search(text):
        return SEVERAL
    if _EXTENSION.search(text):
        return EXTENSION
    if any(character.isalpha() for character in text):
        return LETTERS
    if not _WRITTEN.fullmatch(text):
        return NOT_VALID
    if not text.startswith("+") and not country:
        return NO_COUNTRY_CODE
    try:
        return phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return NOT_VALID


def possible(text: str, country: str) -> str | NoRecipient:
    """Read a number that an operator names, in E.164, or say why it is none. Whether it takes texts is not asked."""
    found = parse(text, country)
    if isinstance(found, NoRecipient):
        return found
    return e164(found) if phonenumbers.is_possible_number(found) else NOT_VALID


def is_number(text: str, number: str) -> bool:
    """Whether a text is or holds this number (E.164), as people type it, with or without its country code."""
    digits = "".join(str(unicodedata.decimal(one)) for one in text if one.isdecimal())
    if number[-_FEW:] not in digits:
        return False
    whole = phonenumbers.parse(number)
    national = phonenumbers.national_significant_number(whole)
    if number.lstrip("+") in digits or digits.lstrip("0") == national.lstrip("0"):
        return True
    found = parse(text, "")
    return not isinstance(found, NoRecipient) and e164(found) == number


def e164(number: PhoneNumber) -> str:
    """Spell a number with `+`, country code and digits only."""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=1024)
def country(number: str) -> str:
    """Name the country of a number in E.164; "" if none, or if it is no number."""
    try:
        return country_of(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return ""


def country_of(number: PhoneNumber) -> str:
    """Name a number's country (ISO 3166), "" if none; a number not assigned has that of its country code."""
    region = phonenumbers.region_code_for_number(number)
    if region in _NO_COUNTRY and number.country_code is not None:
        region = phonenumbers.region_code_for_country_code(number.country_code)
    return "" if region in _NO_COUNTRY else str(region)
