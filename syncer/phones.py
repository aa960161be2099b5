"""Telephone numbers as people type them: read, judged, spelt in E.164. Pure (phonenumbers).

Calendly checks no number. A text to a landline, to a premium line or to somebody else costs money or trust. So `read`
gives a number only where the text can be one number alone, and otherwise says why not, without naming it. It reads
everything: guests' numbers, hosts', opt-outs, and what is typed at a command.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import phonenumbers
from phonenumbers import CountryCodeSource, PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncer.rules import Policy


@dataclass(frozen=True, slots=True)
class NoRecipient:
    """Why nobody is texted: a code, and in words what is special about it; never the number itself."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """One number: in E.164 with `+`, its country (ISO 3166; "" = of no country), its kind (`PhoneNumberType`).

    It is in its canonical form: however one telephone's number is spelt, it is the same here.
    """

    number: str
    country: str
    kind: int


NOT_VALID = NoRecipient(Reason.INVALID_NUMBER)
NO_COUNTRY_CODE = NoRecipient(Reason.NEEDS_COUNTRY)
EXTENSION = NoRecipient(Reason.EXTENSION)
LETTERS = NoRecipient(Reason.INVALID_NUMBER, "it has letters in it")
NO_AREA_CODE = NoRecipient(Reason.INVALID_NUMBER, "it has no area code; write it with + and its country code")
UNSURE = NoRecipient(Reason.INVALID_NUMBER, "it may be one of two numbers; write it with + and its country code")
SEVERAL = NoRecipient(Reason.TWO_NUMBERS)
LANDLINE = NoRecipient(Reason.LANDLINE)
SATELLITE = NoRecipient(Reason.NOT_MOBILE, "satellite or international network")

_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_FIXED = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP})
_NO_COUNTRY = frozenset({"001", "ZZ", None})
"""What phonenumbers gives as the region of satellite and other international networks, and of no network."""

_APART = (EXTENSION, SEVERAL)
_LONGEST = 100
"""A field longer than this is no number, and the patterns below meet nothing longer."""
_FEWEST = 7
"""Of what looks like a number: the shortest international numbers have seven digits."""
_FEW = 4
"""The last digits of a number, by which most other texts are told from it at once."""
_LONGEST_EXTENSION = 5
_LONGEST_GROUP = 4
"""People write a number in groups of so many digits at most; after a longer group nothing more is expected."""
_SHORTEST_WITHOUT_TRUNK = 9
"""Digits of a mobile number that is known without its leading 0: a shorter one may be somebody's local number."""
_AREA = 6
"""Most digits before a slash inside one number: an area code with its 0."""

# What people write beside a number, as whole words; `_FOR_ALL` ones belong to scripts without blanks between words.

_EXTENSION_WORDS = (
    "ext extn extens extension extensión extensão estensione xtn int interno interne anexo ramal poste durchwahl dw"
    " nebenstelle nst apparat app appt wew wewn wewnętrzny доб добавочный внутр внутренний вн linka klapka kl mellék"
    " dahili toestel tst anknytning ankn lokal lok loc local alanumero εσωτ εσωτερικό שלוחה تحويلة داخلي pin"
)
_EXTENSION_FOR_ALL = "内線 内线 分机 分機 內線 내선 ต่อ máy_lẻ số_nội_bộ"
_OR_WORDS = "or oder ou and und et eller lub albo nebo vagy veya ve of en και ή или и або או أو bzw alternativ"
_OR_LETTERS = "o u y e i a"
_OR_FOR_ALL = "或 または 又は もしくは 及び 和 及 또는 หรือ hoặc या"
_LABELS = (
    "mobile mobil mobiltelefon mobilnummer mobiltel mob cell cellphone cellular cel celular cellulare handy"
    " handynummer handynr smartphone iphone phone telephone telefon telefone telefono teléfono téléphone tel tél tlf"
    " telefonnummer rufnummer móvil movil telemóvel portable natel gsm whatsapp wa sms viber signal telegram imessage"
    " komórka kom komórkowy telefoon mobiel mobitel matkapuhelin puhelin puh telefonnr cep ponsel hp"
    " моб мобильный мобильник тел телефон сот сотовый κινητό τηλέφωνο τηλ"
    " נייד טלפון سلולרי هاتف جوال موبايل موبایل تلفن"
    " number no nr num número numéro numero nummer numer номер my mein meine mon mi meu mio"
)
_LETTERS_BEFORE = "mtpc"
"""With a colon or a dot behind them: mobile, telephone, phone, cell. An f is a fax, a w or an o an office."""
_PRIVATE = (
    "private privat priv personal personnel perso personale privé prive privado particular pessoal prywatny личный"
)
_PRIVATE_FOR_ALL = "私人 個人 个人 개인"
_NOT_AT_HAND = (
    "work business dienstlich geschäftlich beruflich arbeit trabajo travail pro trabalho lavoro werk home zuhause"
)
"""A number for work or at home may be a switchboard's or a landline: a mobile one alone is read."""
_COUNTRIES = {
    "US": "us usa america", "CA": "ca canada kanada canadá", "GB": "gb uk england britain", "IE": "ie ireland irland",
    "AU": "au australia", "NZ": "nz", "DE": "de germany deutschland alemania allemagne alemanha germania duitsland",
    "AT": "at austria österreich autriche", "CH": "ch switzerland schweiz suisse suiza svizzera",
    "FR": "fr france frankreich francia frança", "ES": "es spain spanien españa espagne espanha spagna",
    "PT": "pt portugal", "IT": "it italy italien italia italie itália", "NL": "nl netherlands niederlande nederland",
    "BE": "be belgium belgien belgique belgië", "PL": "pl poland polen polska", "SE": "se sweden schweden sverige",
    "NO": "norway norwegen norge", "DK": "dk denmark dänemark danmark", "FI": "fi finland finnland suomi",
    "BR": "br brazil brasilien brasil", "MX": "mx mexico mexiko méxico mexique", "AR": "ar argentina",
    "IN": "india indien", "CN": "cn china", "TW": "tw taiwan", "HK": "hk", "SG": "sg singapore singapur",
    "JP": "jp japan japón japon", "KR": "kr korea",
}  # fmt: skip
"""What people write of a country beside its number; codes that are words as well ("in", "no") are left out."""
_LABELS_FOR_ALL = (
    "手机号码 手机号 手机 手機號碼 手機 行動電話 電話番号 電話號碼 电话号码 電話 电话 携帯電話 携帯番号 携帯 "
    "ケータイ スマホ 号码 號碼 番号 휴대폰 휴대전화 핸드폰 전화번호 전화 번호 มือถือ โทรศัพท์ เบอร์โทร โทร मोबाइल_नंबर "
    "मोबाइल फ़ोन फोन नंबर điện_thoại di_động số"
)


def _words(words: str) -> str:
    """Make a pattern of whole words; digits may stand directly beside them."""
    return rf"(?<![^\W\d_])(?:{'|'.join(map(re.escape, words.split()))})(?![^\W\d_])"


def _anywhere(words: str) -> str:
    """Make a pattern of words that may stand anywhere; in reverse order, a word comes before its own beginning."""
    return "|".join(re.escape(word.replace("_", " ")) for word in sorted(words.split(), reverse=True))


@cache  # most runs read no number at all
def _extension() -> re.Pattern[str]:
    words = f"{_words(_EXTENSION_WORDS)}|{_anywhere(_EXTENSION_FOR_ALL)}"
    return re.compile(rf"\d[\s.,;:/()~-]*(?:{words}|[#*~]|[xwp]\.?:?\s*\d)")


@cache
def _several() -> re.Pattern[str]:
    letters = "|".join(_OR_LETTERS.split())
    words = rf"{_words(_OR_WORDS)}|{_anywhere(_OR_FOR_ALL)}|(?<=[\s,;/])(?:{letters})(?=\s)"
    return re.compile(rf"\d[\s.,;:/()-]*(?:{words})[\s.,;:/()+-]*\d")


@cache
def _label() -> re.Pattern[str]:
    return re.compile(rf"\(?\s*(?:{_words(_LABELS)}|{_anywhere(_LABELS_FOR_ALL)})\s*[.:=#]*\s*\)?")


@cache
def _letter_before() -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])[{_LETTERS_BEFORE}](?:\s?:|\.(?=[\s+(]))(?=[\s+(]*\d)")


@cache
def _remark() -> re.Pattern[str]:
    """Say how a remark before or behind a number is written, in brackets or without."""
    countries = " ".join(_COUNTRIES.values())
    words = (
        rf"(?:(?P<country>{_words(countries)})|(?P<elsewhere>{_words(_NOT_AT_HAND)})"
        rf"|{_words(_PRIVATE)}|{_anywhere(_PRIVATE_FOR_ALL)})"
    )
    return re.compile(
        rf"^\(?{words}\s*[:,-]?\)?[:,]?(?=[\s+(\d])|(?<=[\s\d,/-])\(?{words.replace('P<', 'P<last_')}\.?\)?$"
    )


_BETWEEN_NUMBERS = re.compile(r"[\n,;|&]")
_WRITTEN = re.compile(r"[\d\s()./-]*")
_TRUNK = re.compile(r"(?P<code>[\s(]*(?:00\s*)?[1-9]\d{0,2}[\s)./-]*)\(\s*0\s*\)")
"""The 0 in brackets of "+49 (0) 171": to be dialled at home only."""
_INNER_ZERO = re.compile(r"\d\D*\(\s*0+\s*\)")
"""Such a 0 elsewhere than behind a country code, or a second one."""
_INTERNATIONAL = re.compile(r"\+[1-9]\d{6,14}")
_AS_SEPARATORS = str.maketrans(
    dict.fromkeys("‐‑‒–—―−－ー﹣", "-")  # the long vowel mark of Japanese is typed for a dash
    | dict.fromkeys("·•∙⋅・", ".")
    | dict.fromkeys("⁄∕", "/")
    | dict.fromkeys("[{", "(")
    | dict.fromkeys("]}", ")")
    | dict.fromkeys("、،", ",")
    | dict.fromkeys("؛\u037e", ";")
    | dict.fromkeys("📱📞📲☎✆", " ")
    | dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n")
)
_QUOTES = "\"'`´‘’‚“”„«»"


def textable(text: str, policy: Policy) -> Number | NoRecipient:
    """Read a guest's number, and say no unless it takes texts and the policy lets it have one.

    `allow_landlines` admits landlines and internet telephones; premium, shared-cost and free lines, pagers and the
    like never pass.
    """
    number = read(text, policy.country)
    if isinstance(number, NoRecipient):
        return number
    if number.kind not in _MOBILE and not (policy.allow_landlines and number.kind in _FIXED):
        name = PhoneNumberType.to_string(number.kind).lower()
        return LANDLINE if number.kind == PhoneNumberType.FIXED_LINE else NoRecipient(Reason.NOT_MOBILE, name)
    if not number.country:  # +870, +881, +882: "mobile" says phonenumbers, several dollars a text says the bill
        return SATELLITE
    if policy.allowed_countries and number.country not in policy.allowed_countries:
        return NoRecipient(Reason.COUNTRY_NOT_ALLOWED, number.country)
    return number


@lru_cache(maxsize=1024)  # each rule of a booking asks for the same number
def read(text: str, home: str) -> Number | NoRecipient:
    """Read one number that is valid in its country; whether it takes texts is not asked.

    What the person wrote apart with a meaning (a second number, an extension) is never joined. Where the text can be
    two numbers, it is none.

    Args:
        text: as typed: blanks, dashes, dots, slashes, brackets, digits of any script, "mobile:" and the like.
        home: ISO 3166 code for numbers without a country code; "" = those are refused.
    """
    return _read_text(text, home)


def _read_text(text: str, home: str) -> Number | NoRecipient:
    if _INTERNATIONAL.fullmatch(text) and text.isascii():
        return _decided(_international(text[1:]), text[1:], home, international=True)
    if len(text) > _LONGEST or any(_is_odd_digit(character) for character in text):
        return NOT_VALID
    text = _plain(text)
    if _extension().search(text):
        return EXTENSION
    if _several().search(text):
        return SEVERAL
    if remark := _remark().search(text):
        return _read_beside(remark, f"{text[: remark.start()]} {text[remark.end() :]}".strip(), home)
    text = _label().sub("\n", _letter_before().sub("\n", text))
    if any(character.isalpha() for character in text):
        return LETTERS
    parts = [part.strip(" :.-/") for part in _BETWEEN_NUMBERS.split(text)]
    parts = [part for part in parts if part.strip("()")]
    if sum(any(map(str.isdecimal, part)) for part in parts) > 1:
        return SEVERAL
    return _read_part(parts[0], home) if len(parts) == 1 else NOT_VALID


def _read_beside(remark: re.Match[str], rest: str, home: str) -> Number | NoRecipient:
    """Read a number beside which stands a country, or that it is private, for work or at home."""
    found = _read_text(rest, home)
    if isinstance(found, NoRecipient):
        return found
    said = {name.removeprefix("last_"): word for name, word in remark.groupdict().items() if word}
    named = [one for one, names in _COUNTRIES.items() if said.get("country") in names.split()]
    # It may be one of the country that is named: "+201 555 0148 USA" lacks its 1.
    if named and _code(named[0]) != _code(found.country):
        return UNSURE
    return LETTERS if "elsewhere" in said and found.kind != PhoneNumberType.MOBILE else found


def _is_odd_digit(character: str) -> bool:
    """Whether a character counts without being a digit: a footnote's, a list's, a fraction."""
    return character.isnumeric() and not character.isdecimal() and not character.isalpha()


def _plain(text: str) -> str:
    """Write a text with plain digits, letters and separators, in lower case, without what cannot be seen."""
    text = unicodedata.normalize("NFKC", text.translate(_AS_SEPARATORS)).translate(_AS_SEPARATORS)
    kept = []
    for character in text:
        if character.isdecimal():
            kept.append(str(unicodedata.decimal(character)))
        elif character in "\n\t" or unicodedata.category(character)[0] == "Z":
            kept.append("\n" if character == "\n" else " ")
        # Contacts copied from a phone come in invisible direction marks; an emoji's parts show nothing alone.
        elif unicodedata.category(character) != "Cf" and not "\ufe00" <= character <= "\ufe0f":
            kept.append("" if character == "\u20e3" else character)
    return "".join(kept).lower().strip(f"{_QUOTES} \n").strip()


def _read_part(text: str, home: str) -> Number | NoRecipient:
    """Read a text without words that holds one number, or one and what belongs to it."""
    before, plus, rest = text.rpartition("+")
    if before.strip(" (+"):
        return SEVERAL if any(map(str.isdecimal, before)) else NOT_VALID
    if not _WRITTEN.fullmatch(rest) or not any(map(str.isdecimal, rest)):
        return NOT_VALID
    trunk = _TRUNK.match(rest) if plus or _begins_with_code(rest, home) else None
    if _INNER_ZERO.search(rest if trunk is None else rest[trunk.end() :]):
        return UNSURE  # nobody can say whether this 0 is to be dialled
    ways = [rest] if trunk is None else [f"{trunk['code']} {rest[trunk.end() :]}", rest]
    read_as = [_read_groups(way, home, international=bool(plus)) for way in ways]
    numbers = {way for way in read_as if isinstance(way, Number)}
    if len(numbers) > 1:
        return UNSURE
    return read_as[0] if not numbers or read_as[0] in _APART else numbers.pop()


def _begins_with_code(text: str, home: str) -> bool:
    """Whether a text without a + begins with a country code all the same."""
    digits = text.lstrip(" (")
    return digits.startswith("00") or (home != "" and digits.startswith(_code(home)))


def _read_groups(text: str, home: str, *, international: bool) -> Number | NoRecipient:
    """Read groups of digits as one number, unless what is written between them says otherwise."""
    groups = re.findall(r"\d+", text)
    between = [part.strip() for part in re.split(r"\d+", text)]
    # "+49 171 1234567 (2)": what stands in brackets at the end is no part of the number before.
    if "(" in between[-2] and len("".join(groups[:-1])) > _AREA:
        return EXTENSION if len(groups[-1]) <= _LONGEST_EXTENSION else SEVERAL
    if not international and _is_code_and_pairs(groups, between[1:-1], home):
        international = True
    beginnings = [_beginning(groups, at, home, international=international) for at in range(1, len(groups))]
    for at, beginning in enumerate(beginnings, 1):
        if why := _is_apart(groups, between[1:-1], at, beginning, international=international):
            return why
    digits = "".join(groups)
    if _is_prefix_torn(groups, home):
        return UNSURE
    found = _decided(_readings(digits, home, international=international), digits, home, international=international)
    if found == NOT_VALID:
        # Too long for one number, and it begins with one: say what it is.
        for at, beginning in enumerate(beginnings, 1):
            if beginning:
                return EXTENSION if len("".join(groups[at:])) <= _LONGEST_EXTENSION else SEVERAL
    return found


def _is_code_and_pairs(groups: list[str], between: list[str], home: str) -> bool:
    """Whether groups are the home's country code and a whole number in pairs, with the same between all of them.

    A country without a trunk prefix may have a shorter number that begins like its code: "47 40 66 55 82" is not
    47406655 and an extension, which nobody writes as one more pair.
    """
    is_even = len(set(between)) == 1 and between[0] in {"", "-", "."} and {*map(len, groups[1:])} == {2}
    if not is_even or groups[0] != _code(home):
        return False
    return any(way.is_whole and way.number.country == home for way in _international("".join(groups)))


def _is_prefix_torn(groups: list[str], home: str) -> bool:
    """Whether a prefix for calls abroad is only made by joining groups: "0 0151" is a 0 and a number with its own."""
    digits = "".join(groups)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(home)
    ways = ("00",) if metadata is None else ("00", str(metadata.international_prefix))
    # Carriers' prefixes go on behind the 00. Russia and its neighbours wait for a tone after the 8 of 8 10.
    if groups[0].startswith("00") or groups[:2] == ["8", "10"]:
        return False
    return any(found and found.end() > len(groups[0]) for found in (re.match(way, digits) for way in ways))


def _beginning(groups: list[str], at: int, home: str, *, international: bool) -> list[_Reading]:
    """List the valid numbers that the groups before `at` are by themselves."""
    return [way for way in _readings("".join(groups[:at]), home, international=international) if way.is_strong]


def _is_apart(
    groups: list[str], between: list[str], at: int, beginning: list[_Reading], *, international: bool
) -> NoRecipient | None:
    """Whether the groups from `at` on are an extension or a second number in short; None = they belong to the first."""
    before, after, mark = "".join(groups[:at]), "".join(groups[at:]), between[at - 1]
    first = 1 if international else 0  # what stands after the country code tells nothing about the rest
    is_slashed = set(between[first:]) == {"/"} and max(map(len, groups)) <= _LONGEST_GROUP
    if "/" in mark and len(before) > _AREA and len(after) < _LONGEST_EXTENSION and not is_slashed:
        return SEVERAL
    # A separator that stands everywhere else, too, only parts groups; and so does a blank.
    is_usual = mark == "" or (mark in {"-", "."} and set(between[first:at]) <= {mark})
    is_group = len(groups[at - 1]) <= _LONGEST_GROUP and len(after) > 1
    if not beginning or (is_usual and is_group and not any(way.is_whole for way in beginning)):
        return None
    return EXTENSION if "/" not in mark and len(after) <= _LONGEST_EXTENSION else SEVERAL


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read digits.

    Attributes:
        number: valid in its country.
        is_strong: not so is a national number without the leading 0 that such numbers have.
        is_whole: whether it is as long as mobile numbers of its country usually are.
    """

    number: Number
    is_strong: bool = True
    is_whole: bool = True


def _readings(digits: str, home: str, *, international: bool) -> tuple[_Reading, ...]:
    """List the valid numbers that these digits may be.

    Args:
        digits: ASCII.
        home: the country that numbers without a country code belong to, or "".
        international: whether a `+` stands before them.
    """
    if international:
        return _international(digits.removeprefix("00"))
    found: list[_Reading] = []
    if digits.startswith("00"):  # the international prefix of most countries; at some homes it is another
        found += _international(digits[2:])
    if home:
        found += _national(digits, home)
        if digits.startswith(_code(home)):
            found += _international(digits)
    return tuple({way.number: way for way in found}.values())


def _international(digits: str) -> tuple[_Reading, ...]:
    """Read digits that begin with a country code."""
    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return ()
    number = _number(parsed)
    return () if number is None else (_Reading(number, is_whole=_is_whole(number)),)


def _is_whole(number: Number) -> bool:
    """Whether a number has as many digits as the example of its country's mobile numbers."""
    return len(number.number) >= _usual_length(number.country)


@lru_cache(maxsize=256)
def _usual_length(country: str) -> int:
    """Count the digits, and the +, of the example of a country's mobile numbers; 0 = there is none."""
    example = phonenumbers.example_number_for_type(country or None, PhoneNumberType.MOBILE)
    return 0 if example is None else len(e164(example))


def _national(digits: str, home: str) -> list[_Reading]:
    """Read digits as somebody at home dials them."""
    try:
        parsed = phonenumbers.parse(digits, home, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        return []
    number = _number(parsed)
    if number is None:
        return []
    if parsed.country_code_source != CountryCodeSource.FROM_DEFAULT_COUNTRY:
        return [_Reading(number, is_whole=_is_whole(number))]
    lacks_trunk = digits == phonenumbers.national_significant_number(parsed) and _has_trunk(parsed)
    mobile = number.kind in _MOBILE and len(digits) >= _SHORTEST_WITHOUT_TRUNK
    return [_Reading(number, is_strong=mobile or not lacks_trunk, is_whole=_is_whole(number))]


def _has_trunk(number: PhoneNumber) -> bool:
    """Whether such a number is written with a trunk prefix (mostly 0) at home: with more than its own digits."""
    written = re.sub(r"\D", "", phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))
    return written != phonenumbers.national_significant_number(number)


def _decided(readings: tuple[_Reading, ...], digits: str, home: str, *, international: bool) -> Number | NoRecipient:
    """Choose the one number that digits can be."""
    strong = [way.number for way in readings if way.is_strong]
    if len(strong) == 1:
        return strong[0]
    if readings:
        return UNSURE
    if not international and not home:
        return NO_COUNTRY_CODE
    return NO_AREA_CODE if _is_local(digits, home, international=international) else NOT_VALID


def _is_local(digits: str, home: str, *, international: bool) -> bool:
    """Whether digits are a number that can only be dialled from nearby."""
    try:
        parsed = phonenumbers.parse(f"+{digits}" if international else digits, home or None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE_LOCAL_ONLY


def _code(country: str) -> str:
    return str(phonenumbers.country_code_for_region(country))


def _number(parsed: PhoneNumber) -> Number | None:
    """Make a number of what phonenumbers read, in its canonical form; None = it is not valid in its country."""
    parsed = _canonical(parsed)
    if not phonenumbers.is_valid_number(parsed):
        return None
    region = phonenumbers.region_code_for_number(parsed)
    return Number(e164(parsed), "" if region in _NO_COUNTRY else str(region), phonenumbers.number_type(parsed))


_OTHER_SPELLINGS = {
    # Mexico dropped the 1 of mobiles, 044 and 045 in August 2019; numbers with them reach nobody any more.
    52: ((r"(?:1|01|044|045)(\d{10})", r"\1"),),
    # Argentina's mobiles have a 9 after the country code for whoever writes from abroad, as a gateway does; without it
    # only a call arrives. Area code and number together are ten digits and no other line has them. At home a 15
    # stands before the number.
    54: ((r"(\d{10})", r"9\1"), (r"90(\d{10})", r"9\1"), (r"9(\d{2})15(\d{8})", r"9\1\2"),
         (r"9(\d{3})15(\d{7})", r"9\1\2"), (r"9(\d{4})15(\d{6})", r"9\1\2")),
    # Brazil put a 9 before all mobile numbers of eight digits until 2016. One that begins with 9 may as well be a new
    # one with a digit missing, and one that begins with 7 may be a radio's: those stay as they are.
    55: ((r"(\d{2})([68]\d{7})", r"\g<1>9\2"),),
    # Gabon put a 6, a 7 or a 1 in place of the 0 before all numbers in November 2019; before a few it is still 0.
    241: ((r"0?([256]\d{6})", r"6\1"), (r"0?([47]\d{6})", r"7\1"), (r"0?(1\d{6})", r"1\1"), (r"(\d{7})", r"0\1")),
    # Benin put 01 before all numbers in November 2024.
    229: ((r"(\d{8})", r"01\1"),),
}  # fmt: skip
"""Country code -> what is written of a number besides the spelling that works, and that spelling."""


def _canonical(parsed: PhoneNumber) -> PhoneNumber:
    """Give a number the one spelling by which it is compared and texted."""
    national = phonenumbers.national_significant_number(parsed)
    for pattern, spelling in _OTHER_SPELLINGS.get(parsed.country_code or 0, ()):
        if found := re.fullmatch(pattern, national):
            other = phonenumbers.parse(f"+{parsed.country_code}{found.expand(spelling)}")
            if phonenumbers.is_valid_number(other):
                return other
    return parsed


def e164(number: PhoneNumber) -> str:
    """Spell a number with `+`, country code and digits only."""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


# Finding a number in what people typed.


def looks_like_number(text: str, home: str) -> bool:
    """Whether an answer is most likely a telephone number: one that can be read, or nearly so."""
    found = read(text.strip(), home)
    if isinstance(found, Number):
        return True
    almost = {Reason.NEEDS_COUNTRY, Reason.TWO_NUMBERS, Reason.EXTENSION}
    return found.reason in almost and sum(map(str.isdecimal, text)) >= _FEWEST


def is_number(text: str, number: str) -> bool:
    """Whether a text is or holds this number (E.164), as people type it, with or without its country code."""
    if number[-_FEW:] not in _digits(text):
        return False
    return number in numbers_in(text[:_FAR], country(number)) or _digits(text) == number[1:]


_FAR = 1000
"""An answer is looked through so far."""


def same_digits(text: str, digits: str) -> bool:
    """Whether a text has just these digits: for what is no valid number, and was typed all the same."""
    return digits != "" and _digits(text).lstrip("0") == digits.lstrip("0")


def digits_of(text: str) -> str:
    """Read the digits of what is written as a number; "" if it is written as something else."""
    plain = _plain(text[:_LONGEST])
    return _digits(plain) if re.fullmatch(r"\+?[\d\s()./-]+", plain) else ""


def numbers_in(text: str, home: str) -> frozenset[str]:
    """List the numbers that a text may hold, in E.164, also those that are refused for what stands beside them."""
    if isinstance(whole := read(text.strip(), home), Number):
        return frozenset({whole.number})
    found = set[str]()
    for part in re.split(r"[\n,;|&]|(?=\+)|[^\W\d_]+", text):
        whole = read(part.strip(), home)
        halves = [part] if isinstance(whole, Number) else [part, *part.split("/")]
        for half in halves:
            whole = read(half.strip(), home)
            ways = [whole] if isinstance(whole, Number) else [read(piece, home) for piece in _pieces(half)]
            found |= {way.number for way in ways if isinstance(way, Number)}
    return frozenset(found)


def _pieces(text: str) -> Iterator[str]:
    """List a text up to the end of each of its groups of digits, and from each that may begin a national number."""
    for group in list(re.finditer(r"\d+", text))[:12]:
        yield text[: group.end()].strip()
        if group.start() and group[0].startswith("0"):
            yield text[group.start() :].strip()


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


@lru_cache(maxsize=1024)
def country(number: str) -> str:
    """Name the country of a number in E.164; "" if none. One that is not assigned has that of its country code."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    region = phonenumbers.region_code_for_number(parsed)
    if region in _NO_COUNTRY and parsed.country_code is not None:
        region = phonenumbers.region_code_for_country_code(parsed.country_code)
    return "" if region in _NO_COUNTRY else str(region)
