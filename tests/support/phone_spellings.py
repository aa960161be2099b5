"""Spellings of telephone numbers as people write them, made from the countries' own notation.

Nothing here looks at syncer's reader. A number comes from phonenumbers' examples, with other last digits. Its spelling
comes from how the country writes numbers: its groups, its trunk prefix, its international prefix. The rest is what
people do with a form's field: dots, brackets, a word before it, a comma behind it, a second number in short.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTRIES = (
    "US CA GB DE AT CH FR ES PT IT NL BE PL SE NO DK FI IE CZ HU RO GR TR RU UA IN CN TW JP KR AU NZ BR MX AR ID SG HK"
    " IL ZA"
).split()
LABELS = (
    "{} (mobile)",
    "Mobile: {}",
    "{} (Handy)",
    "Tel. {}",
    "tel:{}",
    "cell {}",
    "手机 {}",
    "{} (móvil)",
    "WhatsApp {}",
)
DIGITS = ("０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९")
INVISIBLE = "\u202a\u202c\u200e\u200b\u2066\ufeff"


@dataclass(frozen=True)
class Spelling:
    """One way to write a number.

    Attributes:
        text: as typed.
        home: the country that is set for numbers without a country code; "" = none.
        number: the guest's number in E.164.
        kind: how it was made.
        is_one: whether it is one number without an extension; else there is more in it that must not be joined.
    """

    text: str
    home: str
    number: str
    kind: str
    is_one: bool


@cache
def example(country: str) -> PhoneNumber:
    """Give a mobile number of a country."""
    found = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    assert found is not None
    return found


def a_number(country: str, dice: random.Random) -> PhoneNumber:
    """Make a mobile number with other last digits."""
    for _ in range(100):
        tail = f"{dice.randrange(10**4):04}"
        national = phonenumbers.national_significant_number(example(country))[:-4] + tail
        number = phonenumbers.parse(f"+{example(country).country_code}{national}")
        if phonenumbers.is_valid_number(number):
            return number
    raise AssertionError(country)


def e164(number: PhoneNumber) -> str:
    """Spell it for a gateway."""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def groups(text: str) -> list[str]:
    """Take the groups of digits of a formatted number."""
    return re.findall(r"\d+", text)


def nationally(number: PhoneNumber) -> list[str]:
    """Write it as at home, in groups: with its trunk prefix, where the country has one."""
    return groups(phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))


def abroad(number: PhoneNumber) -> list[str]:
    """Write it for others, in groups, without the country code."""
    return groups(phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL))[1:]


def trunk(country: str) -> str:
    """Name the trunk prefix of a country that is dialled before a national number; "" = there is none."""
    metadata = PhoneMetadata.metadata_for_region(country)
    assert metadata is not None
    return metadata.national_prefix or ""


def pairs(digits: str) -> list[str]:
    """Cut digits in pairs from behind, as one reads them out."""
    odd = len(digits) % 2
    return [digits[:odd]] * odd + [digits[at : at + 2] for at in range(odd, len(digits), 2)]


def cut(digits: str, dice: random.Random) -> list[str]:
    """Cut digits in groups of two to four, as somebody may; no single digit is left over."""
    found = []
    while digits:
        length = dice.choice([2, 3, 3, 4])
        length = len(digits) if len(digits) - length < 2 else length
        found.append(digits[:length])
        digits = digits[length:]
    return found


def one_number(country: str, number: PhoneNumber, dice: random.Random) -> Iterator[tuple[str, str, str]]:
    """List spellings of a number alone, each with how it was made and the country that is set."""
    code, home, other = str(number.country_code), country, "US" if country != "US" else "GB"
    national = phonenumbers.national_significant_number(number)
    at_home, for_others = nationally(number), abroad(number)
    anywhere = dice.choice(["", home, other])
    for separator in (" ", "-", ".", "", "\u00a0", " - "):
        yield f"+{code} {separator.join(for_others)}", "+cc", anywhere
        yield separator.join([f"+{code}", *for_others]), "+cc uniform", anywhere
        yield separator.join(at_home), "national", home
        yield separator.join([f"+{code}", *cut(national, dice)]), "other groups", anywhere
        yield separator.join(cut(text_of(number), dice)), "other groups", home
    yield f"+{code}{national}", "e164", anywhere
    yield f"+{code}/{'/'.join([for_others[0], ''.join(for_others[1:])])}", "+cc slashes", anywhere
    yield f"{at_home[0]}/{''.join(at_home[1:])}", "slash", home
    yield f"({at_home[0]}) {' '.join(at_home[1:])}", "brackets", home
    yield f"+{code} ({for_others[0]}) {'-'.join(for_others[1:])}", "+cc brackets", anywhere
    yield f"(+{code}) {' '.join(for_others)}", "(+cc)", anywhere
    yield f"(00{code}) {' '.join(for_others)}", "(00cc)", anywhere
    yield f"00{code} {' '.join(for_others)}", "00cc", dice.choice(["", home])
    yield f"00{code}{national}", "00cc plain", dice.choice(["", home])
    yield f"{code}{national}", "cc without +", home
    yield f"{code} {' '.join(for_others)}", "cc without +", home
    if home not in {"US", "CA"}:
        yield f"011 {code} {' '.join(for_others)}", "011", "US"
    if trunk(country) == "0":
        yield f"+{code} (0) {' '.join(for_others)}", "+cc (0)", anywhere
        yield f"+{code}(0){national}", "+cc(0)", anywhere
        yield f"00{code} (0) {' '.join(for_others)}", "00cc (0)", anywhere
        yield f"+{code} 0{' '.join(for_others)}", "+cc 0", anywhere
        yield "/".join(pairs(f"0{national}")) if country in {"FR", "BE"} else f"0{national}", "national plain", home
    yield f"+{code} {' '.join(pairs(national))}", "pairs", anywhere
    plain, typed = f"+{code} {' '.join(for_others)}", " ".join(at_home)
    for around in ("{},", "{}.", " {} ", "{};", '"{}"', "{} -"):
        yield around.format(plain), "trailing", anywhere
        yield around.format(typed), "trailing", home
    for label in LABELS:
        yield label.format(plain), "label", anywhere
        yield label.format(typed), "label", home
    for digits in DIGITS:
        yield plain.translate(str.maketrans("0123456789", digits)), "digits", anywhere
        yield typed.translate(str.maketrans("0123456789", digits)), "digits", home
    at = dice.randrange(len(plain))
    yield f"{plain[:at]}{dice.choice(INVISIBLE)}{plain[at:]}", "invisible", anywhere
    yield f"\u202a{typed}\u202c", "invisible", home


def more_than_one(country: str, number: PhoneNumber, dice: random.Random) -> Iterator[tuple[str, str, str]]:
    """List texts with more in them than the number: an extension, or a second number, mostly in short."""
    code = str(number.country_code)
    second = a_number(country, dice)
    for text, home in (
        (" ".join(nationally(number)), country),
        (nationally(number)[0] + " " + "".join(nationally(number)[1:]), country),
        (f"+{code} {' '.join(abroad(number))}", dice.choice(["", country])),
        (f"+{code} {phonenumbers.national_significant_number(number)}", ""),
        ("-".join(nationally(number)), country),
        (" ".join(cut(text_of(number), dice)), country),
        ("-".join([f"+{code}", *cut(phonenumbers.national_significant_number(number), dice)]), ""),
        (f"0{phonenumbers.national_significant_number(number)}" if trunk(country) == "0" else text_of(number), country),
    ):
        digit, two, four = dice.randrange(10), f"{dice.randrange(100):02}", f"{dice.randrange(10**4):04}"
        for tail in (f"/{digit}", f" / {two}", f"/-{two}", f"/{four}", f", {two}", f"; {four}", f" or {four}"):
            yield text + tail, "second in short", home
        for tail in (
            f" oder {two}",
            f" ou {four}",
            f" und -{two}",
            f" & {two}",
            f" + {two}",
            f" o {four}",
            f"或{four}",
        ):
            yield text + tail, "second in short", home
        for tail in (
            f" ({digit})",
            f"({two})",
            f"-{digit}",
            f"-{two}",
            f" - {digit}",
            f"–{digit}",
            f" {digit}",
            f" {two}",
            f".{two}",
        ):
            yield text + tail, "extension apart", home
        for word in (
            "ext. ",
            "ext",
            "x",
            " x ",
            "#",
            " Durchwahl ",
            " poste ",
            " wew. ",
            " доб. ",
            " int. ",
            " ramal ",
        ):
            yield f"{text} {word}{dice.randrange(1000)}", "extension", home
        for tail in (
            f";ext={two}",
            f",,{digit}#",
            f" 内線{two}",
            f" 分机 {two}",
            f" anexo {two}",
            f"*{digit}",
            f"~{digit}",
        ):
            yield text + tail, "extension", home
        for between in (" / ", ", ", "; ", "\n", " or ", " oder ", " | ", " ", "/", " & ", " und "):
            yield f"{text}{between}{' '.join(nationally(second))}", "two numbers", country
            yield f"{text}{between}{e164(second)}", "two numbers", country


def text_of(number: PhoneNumber) -> str:
    """Write it without any separator."""
    return "".join(nationally(number))


def spellings(count: int, seed: int = 0) -> list[Spelling]:
    """Make so many different spellings, about half of them of one number, of all countries."""
    dice = random.Random(seed)  # noqa: S311  the same spellings each time
    found: dict[tuple[str, str], Spelling] = {}
    while len(found) < count:
        for country in COUNTRIES:
            number = a_number(country, dice)
            one = [(*made, True) for made in one_number(country, number, dice)]
            more = [(*made, False) for made in more_than_one(country, number, dice)]
            for text, kind, home, is_one in [*one, *dice.sample(more, min(len(one), len(more)))]:
                found.setdefault((text, home), Spelling(text, home, e164(number), kind, is_one))
    made = list(found.values())
    dice.shuffle(made)
    return made[:count]
