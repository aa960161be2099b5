"""One reader of telephone numbers: what it reads, what it refuses, and that it never reads somebody else's.

The spellings of the large test are made from the countries' own notation (`phone_spellings`), not from the reader.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.phone_spellings import COUNTRIES, spellings
from syncer import phones
from syncer.config import values
from syncer.errors import SettingsError
from syncer.phones import Number
from syncer.reasons import Reason
from syncer.reconcile import Todo
from syncer.rules import Policy
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.store import Store

COUNT = 10_000
MOBILE_DE, MOBILE_AT, US = "+491711234567", "+436641234567", "+13125550142"


def shown(found: Number | phones.NoRecipient) -> str:
    """Write a number, or the code of why there is none."""
    return found.number if isinstance(found, Number) else found.reason


# The spellings of thirty countries and more.


def test_no_spelling_is_read_as_somebody_elses_number(figures: Callable[..., None]) -> None:
    """As a guest's, as the host's in the settings, as an opt-out: the guest's number, or none."""
    made = spellings(COUNT)
    wrong, joined, read, all_of_one = [], [], Counter[str](), Counter[str]()
    for one in made:
        found = phones.textable(one.text, Policy(country=one.home))
        number = found.number if isinstance(found, Number) else ""
        wrong += [one] if number not in {"", one.number} else []
        joined += [one] if number and not one.is_one else []
        if one.is_one:
            all_of_one[one.kind] += 1
            read[one.kind] += number == one.number
        for other in (_setting(one.text, one.home), shown(phones.read(one.text, one.home))):
            wrong += [one] if other[:1] == "+" and other != one.number else []
    share = read.total() / all_of_one.total()
    figures(
        "spellings of numbers",
        spellings=len(made),
        countries=len(COUNTRIES),
        of_one_number=all_of_one.total(),
        read=f"{share:.2%}",
        more_than_one=len(made) - all_of_one.total(),
        of_these_read=len(joined),
        read_as_another=len(wrong),
    )

    assert len(made) == COUNT
    assert len(COUNTRIES) >= 30
    assert wrong == []
    assert joined == []
    assert share >= 0.99
    assert [kind for kind in all_of_one if read[kind] < 0.9 * all_of_one[kind]] == []


def _setting(text: str, home: str) -> str:
    try:
        return values.phone(text, home)
    except values.Wrong:
        return ""


def test_a_0_too_many_dials_no_other_country() -> None:
    """In all countries: one written apart before a number, and one in brackets inside it."""
    wrong = []
    for home in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(home, phonenumbers.PhoneNumberType.MOBILE)
        if number is None:
            continue
        code, national = number.country_code, phonenumbers.national_significant_number(number)
        rest = f"{national[:3]} {national[3:]}"
        texts = [f"{zero}0{rest}" for zero in ("0 ", "(0) ", "0-", "0/", "0.", "+0 ", "(0)")]
        texts += [f"{plus}{code} (0) {national[:3]} (0) {national[3:]}" for plus in ("+", "00", "")]
        right = {phones.read(f"+{code}{national}", ""), phones.read(f"+{code}0{national}", "")}
        for text in texts:
            found = phones.read(text, home)
            wrong += [(home, text)] if isinstance(found, Number) and found not in right else []

    assert wrong == []


@given(st.text(alphabet="0123456789+ ()-./,;x#\n０１٧oe", max_size=30), st.sampled_from(["", "US", "DE", "AT", "JP"]))
def test_a_number_that_is_read_is_made_of_the_typed_digits(text: str, home: str) -> None:
    """In their order, all of them: none is left out but a prefix that is dialled, and none is put in behind."""
    found = phones.read(text, home)

    if isinstance(found, Number):
        typed = "".join(str(int(character)) for character in text if character.isdecimal())
        assert typed.endswith(found.number[-6:])
        assert found.country == "" or found.country in phonenumbers.SUPPORTED_REGIONS


# Row 1.2: more than one number, or an extension.


@pytest.mark.parametrize(
    ("text", "home", "expected"),
    [
        ("0171 1234567/8", "DE", "two_numbers"),
        ("0171 1234567/8", "", "two_numbers"),
        ("0171 1234567 / 68", "DE", "two_numbers"),
        ("0171/1234567/68", "DE", "two_numbers"),
        ("+49 171 1234567 (2)", "", "extension"),
        ("+49 171 1234567 (2", "", "extension"),
        ("+49 171 1234567 [2]", "", "extension"),
        ("+49 171 1234567 (9-17)", "", "extension"),
        ("+43 664 1234567-8", "", "extension"),
        ("+43 664 1234567–8", "", "extension"),
        ("+43 664 1234567 8", "", "extension"),
        ("+43 664 1234567.8", "", "extension"),
        ("+43-664-123-4567-12", "", "extension"),
        ("+43 664 123 45 67 12", "", "extension"),
        ("491711234567.0", "DE", "extension"),
        ("0171 1234567 or 68", "DE", "two_numbers"),
        ("0171 1234567 oder 0172 1234567", "DE", "two_numbers"),
        ("06 12 34 56 78 ou 79", "FR", "two_numbers"),
        ("612 34 56 78 o 79", "ES", "two_numbers"),
        ("138 1234 5678或139 1234 5678", "CN", "two_numbers"),
        ("0171 1234567; 0172 1234567", "DE", "two_numbers"),
        ("0171 1234567, 68", "DE", "two_numbers"),
        ("0171 1234567、68", "DE", "two_numbers"),
        ("0171 1234567 + 68", "DE", "two_numbers"),
        ("0171 1234567 & 68", "DE", "two_numbers"),
        ("0171 1234567 0172 1234567", "DE", "two_numbers"),
        ("Mobile: 0171 1234567 Tel: 030 1234567", "DE", "two_numbers"),
        ("+49 171 1234567 +49 172 1234567", "", "two_numbers"),
        ("3125550142/43", "US", "two_numbers"),
        ("0171 1234567 ext. 5", "DE", "extension"),
        ("0171 1234567 x5", "DE", "extension"),
        ("0171 1234567 #5", "DE", "extension"),
        ("0171 1234567*5", "DE", "extension"),
        ("0171 1234567 ~5", "DE", "extension"),
        ("+13125550142,,5#", "", "extension"),
        ("+13125550142;ext=5", "", "extension"),
        ("0171 1234567 Durchwahl 5", "DE", "extension"),
        ("0171 1234567 DW: 5", "DE", "extension"),
        ("06 12 34 56 78 poste 5", "FR", "extension"),
        ("512 345 678 wew. 5", "PL", "extension"),
        ("8 912 345-67-89 доб. 5", "RU", "extension"),
        ("11 96123-4567 ramal 5", "BR", "extension"),
        ("612 345 678 extensión 5", "ES", "extension"),
        ("347 123 4567 int. 5", "IT", "extension"),
        ("0912 345 678 分機 5", "TW", "extension"),
        ("090-1234-5678 内線 5", "JP", "extension"),
        ("0171 1234567²", "DE", "invalid_number"),
        ("① 0171 1234567", "DE", "invalid_number"),
        ("4.91711E+11", "DE", "invalid_number"),
        ("+1 312 555 O142", "", "invalid_number"),
        ("0171 1234567 ab 18 Uhr", "DE", "invalid_number"),
        ("0171\n1234567", "DE", "two_numbers"),
        ("0171 1234567\r68", "DE", "two_numbers"),
        ("?+49 171 1234567", "", "invalid_number"),
        ("0171 1234567 (2345678)", "DE", "two_numbers"),
        ("+49 171 1234567 89", "", "extension"),
        ("3125550142 312555", "US", "two_numbers"),
        ("(0) 171 1234567 / 9", "DE", "two_numbers"),
        ("312 555 0142 12345", "US", "extension"),
        ("312 555 0142 123456", "US", "two_numbers"),
        ("312 555 0142 (12345)", "US", "extension"),
        ("+39 (0) 347 1234567-8", "", "extension"),
        ("+1 312 555 0142" + " " * 90, "", "invalid_number"),
        ("171 (0) 1234567", "DE", "invalid_number"),
        ("0171 (0) 1234567", "DE", "invalid_number"),
        ("+49 171 (0) 1234567", "", "invalid_number"),
        ("312 (0) 555 0142", "US", "invalid_number"),
        ("39 (0) 347 1234567", "DE", "invalid_number"),
        ("49 (0) 171 1234567", "", "invalid_number"),
        ("+49 (0) 171 (0) 1234567", "", "invalid_number"),
        ("+49 (0) 171 (0) 1234567", "DE", "invalid_number"),
        ("0049 (0) 171 (0) 1234567", "", "invalid_number"),
        ("+43 (0) 664 (0) 1234567", "AT", "invalid_number"),
        ("+62 (0) 812 (0) 3456789", "", "invalid_number"),
        ("+62 (0) 812 [0] 3456789", "ID", "invalid_number"),
        ("+62 812 (00) 3456789", "ID", "invalid_number"),
        ("(0) 01512 3458596", "DE", "invalid_number"),
        ("0 01512 3458596", "DE", "invalid_number"),
        ("0 01512 3458596", "", "invalid_number"),
        ("0-0151 23458596", "DE", "invalid_number"),
        ("0/01512-3458596", "DE", "invalid_number"),
        ("(0) 01512 3458596", "AT", "invalid_number"),
        ("0 01512 3458596", "AT", "invalid_number"),
        ("+0 01512 3458596", "DE", "invalid_number"),
        ("+0 01512 3458596", "", "invalid_number"),
        ("00 (0) 1512 3458596", "DE", "invalid_number"),
        ("0 11 49 171 1234567", "US", "invalid_number"),
        ("0 10 49 171 1234567", "JP", "invalid_number"),
        ("47406655 82", "NO", "extension"),
        ("47 40 66 55-82", "NO", "extension"),
        ("45 34 44 06 / 56", "DK", "two_numbers"),
        ("45 34 44 06 - 56", "DK", "extension"),
        ("0171 1234567 (Büro)", "DE", "invalid_number"),
        ("+1 312 555 0142 (office)", "", "invalid_number"),
        ("+1 312 555 0142 (work)", "", "invalid_number"),
        ("030 123456 (dienstlich)", "DE", "invalid_number"),
        ("F: 0171 1234567", "DE", "invalid_number"),
        ("0171 1234567 (Austria)", "DE", "invalid_number"),
        ("0664 1234567 AT", "DE", "invalid_number"),
        ("+201 555 7585 USA", "", "invalid_number"),
        ("00 201 555 7585 (US)", "DE", "invalid_number"),
        ("+49 171 1234567 (Austria)", "", "invalid_number"),
        ("T: 030 123456 M: 0171 1234567", "DE", "two_numbers"),
        ("0171 1234567 p: 5", "DE", "extension"),
        ("0664 1234 56 78", "AT", "extension"),  # as long as most at "56"
        ("00 43 664 1234 56 78", "AT", "extension"),
        ("066412.34.5", "AT", "extension"),
        ("3444065 (6)", "DK", "extension"),
        ("0 171 12345 67 81", "DE", "extension"),
        ("017-112-34-567-805", "DE", "extension"),
        ("0171 123 45 67 12345", "DE", "extension"),
        ("061.234.567.864.5", "IT", "two_numbers"),
        ("+39 (0)31 23456789", "IT", "invalid_number"),
        ("47 40.66.55.82", "NO", "extension"),
        ("X 0171 1234567", "DE", "invalid_number"),
        ("03012-3.456", "DE", "extension"),
        ("512345/67/8", "PL", "two_numbers"),
        ("3123456/789", "IT", "two_numbers"),
        ("+49 30/123/4", "BR", "two_numbers"),
        ("+48/512-345/67", "PL", "two_numbers"),
        ("061-234/567", "FR", "invalid_number"),
        ("30123456", "DE", "invalid_number"),
        ("66412345", "AT", "invalid_number"),
        ("50123456", "AE", "invalid_number"),
        ("5550142", "US", "invalid_number"),
        ("5550142", "", "needs_country"),
        ("+1 555 0142", "US", "invalid_number"),
        ("+49171", "DE", "invalid_number"),
        ("1", "DE", "invalid_number"),
        ("+", "DE", "invalid_number"),
    ],
)
def test_what_was_written_apart_is_not_joined(text: str, home: str, expected: str) -> None:
    """A second number, an extension, a footnote: none of them is a longer number."""
    found = phones.read(text, home)

    assert shown(found) == expected
    assert isinstance(found, phones.NoRecipient)
    assert not any(character.isdecimal() for character in found.detail)


# Row 1.3: forms that can be one number only.


@pytest.mark.parametrize(
    ("text", "home", "expected"),
    [
        ("(+49) 171 1234567", "", MOBILE_DE),
        ("0049 171 1234567", "", MOBILE_DE),
        ("0049 171 1234567", "DE", MOBILE_DE),
        ("0049 171 1234567", "US", MOBILE_DE),
        ("0049 171 1234567", "JP", MOBILE_DE),
        ("011 49 171 1234567", "US", MOBILE_DE),
        ("+52 1 55 1234 5678", "", "+525512345678"),
        ("044 55 1234 5678", "MX", "+525512345678"),
        ("+54 11 6907 1236", "", "+5491169071236"),
        ("011 15-6907-1236", "AR", "+5491169071236"),
        ("49 1512 3000025", "DE", "+4915123000025"),
        ("43 664 1234567", "AT", MOBILE_AT),
        ("+1 312 555 0142,", "", US),
        ("+49 1512 3000021 (mobile)", "", "+4915123000021"),
        ("Mobil: 0171 1234567", "DE", MOBILE_DE),
        ("📱 0171 1234567", "DE", MOBILE_DE),
        ("tel:+49-171-1234567", "", MOBILE_DE),
        ("+49 (0) 171 1234567", "", MOBILE_DE),
        ("+49(0)171/1234567", "", MOBILE_DE),
        ("+49 0171 1234567", "", MOBILE_DE),
        ("++49 171 1234567", "", MOBILE_DE),
        ("+0049 171 1234567", "", MOBILE_DE),
        ("０１７１　１２３４５６７", "DE", MOBILE_DE),
        ("٠١٧١ ١٢٣٤٥٦٧", "DE", MOBILE_DE),
        ("०१७१ १२३४५६७", "DE", MOBILE_DE),
        ("0171.123.45.67", "DE", MOBILE_DE),
        ("0171/1234567", "DE", MOBILE_DE),
        ("0171/123 45 67", "DE", MOBILE_DE),
        ("06/12/34/56/78", "FR", "+33612345678"),
        ("0470/12.34.56", "BE", "+32470123456"),
        ("0171\u00a01234567", "DE", MOBILE_DE),
        ("\u202a0171 1234567\u202c", "DE", MOBILE_DE),
        ("0\u200b171 1234567", "DE", MOBILE_DE),
        ("090ー1234ー5678", "JP", "+819012345678"),
        ("0️⃣171 1234567", "DE", MOBILE_DE),
        ("\n0171 1234567\n\n", "DE", MOBILE_DE),
        ("0171\t1234567", "DE", MOBILE_DE),
        ("49 (0) 171 1234567", "DE", MOBILE_DE),
        ("(+49) (0) 171 1234567", "DE", MOBILE_DE),
        ("+39 (0) 347 1234567", "", "+393471234567"),
        ("0039 (0) 347 1234567", "", "+393471234567"),
        ("39 (0) 347 1234567", "IT", "+393471234567"),
        ("+39 (0) 6 69812345", "", "+390669812345"),
        ("0049 (0) 171 1234567", "", MOBILE_DE),
        ("(0049) (0) 171 1234567", "US", MOBILE_DE),
        ("(49) (0) 171 1234567", "DE", MOBILE_DE),
        ("1 (0) 312 555 0142", "US", US),
        ("(0) 171 1234567", "DE", MOBILE_DE),
        ("171 1234567", "DE", MOBILE_DE),
        ("664123456", "AT", "+43664123456"),
        ("030123456", "DE", "+4930123456"),
        ("912345678", "TW", "+886912345678"),
        ("+1 (3125550142)", "", US),
        ("  '+13125550142'", "", US),
        ("0664 123 45 67", "AT", MOBILE_AT),
        ("312) 555-0142", "US", US),
        ("手机 138 1234 5678", "CN", "+8613812345678"),
        ("030/123456", "DE", "+4930123456"),
        ("00 49 171 1234567", "DE", MOBILE_DE),
        ("(00) 49 171 1234567", "", MOBILE_DE),
        ("00 21 49 171 1234567", "BR", MOBILE_DE),
        ("8 10 49 171 1234567", "RU", MOBILE_DE),
        ("+49 (0)(0)171 1234567", "", MOBILE_DE),
        ("0 171 1234567", "DE", MOBILE_DE),
        ("+54 9 (011) 6907 1236", "", "+5491169071236"),
        ("+54 9 0223 512 3456", "", "+5492235123456"),
        ("47 40 66 55 82", "NO", "+4740665582"),
        ("45 34 44 06 56", "DK", "+4534440656"),
        ("45-34-44-06-56", "DK", "+4534440656"),
        ("45 34 44 06", "DK", "+4545344406"),
        ("M: 0171 1234567", "DE", MOBILE_DE),
        ("m. 0171 1234567", "DE", MOBILE_DE),
        ("T: +49 171 1234567", "", MOBILE_DE),
        ("C:(312) 555-0142", "US", US),
        ("+1 312 555 0142 USA", "", US),
        ("312 555 0142 (US)", "US", US),
        ("+1 416 555 0142, USA", "", "+14165550142"),  # one country code for both
        ("DE: 0171 1234567", "DE", MOBILE_DE),
        ("Germany +49 171 1234567", "US", MOBILE_DE),
        ("0171 1234567 (privat)", "DE", MOBILE_DE),
        ("privat: 0171 1234567", "DE", MOBILE_DE),
        ("0171 1234567 (mobil, privat)", "DE", MOBILE_DE),
        ("0171 1234567 (dienstlich)", "DE", MOBILE_DE),
        ("0912 345 678（私人）", "TW", "+886912345678"),
        ("800 234 5678", "US", "+18002345678"),
        ("00 43 664 123 45 67", "AT", MOBILE_AT),
        ("47.40.66.55.82", "NO", "+4740665582"),
        ("512345 (678)", "PL", "+48512345678"),
        ("mobil;\t+49 171 1234567", "DE", MOBILE_DE),
        ("mobil;\u1680+49 171 1234567", "DE", MOBILE_DE),
        ("0171\ufe00 1234567", "DE", MOBILE_DE),
        ("(+49 (0)171) 1234567", "DE", MOBILE_DE),
        ("+47 406 / 655 / 82", "NO", "+4740665582"),
        ("+47/406/6558/2", "NO", "+4740665582"),
        ("406655/82", "NO", "+4740665582"),
        ("6123 / 456 / 78", "ES", "+34612345678"),
        ("49/17112/34567", "DE", "+491711234567"),
        ("030-12-34-56", "DE", "+4930123456"),
        ("030.12.34.56", "DE", "+4930123456"),
        ("030-1234-56-65", "DE", "+493012345665"),
    ],
)
def test_what_can_be_one_number_only_is_read(text: str, home: str, expected: str) -> None:
    """Whatever its spelling."""
    assert shown(phones.read(text, home)) == expected


def test_a_landline_with_a_slash_is_a_landline() -> None:
    """And is not texted."""
    assert shown(phones.textable("030/123456", Policy(country="DE"))) == "landline"


# Rows 1.5 and 1.6: what is only possible, and what may be two.


@pytest.mark.parametrize(
    ("text", "home", "expected"),
    [
        ("13125550142", "DE", "invalid_number"),
        ("13125550142", "", "needs_country"),
        ("555-0142", "US", "invalid_number"),
        ("+15550177", "", "invalid_number"),
        ("171", "DE", "invalid_number"),
        ("2345678", "DE", "invalid_number"),  # a local number, or Bochum's without its 0
        ("6641234", "AT", "invalid_number"),  # a local number of Vienna, or a short mobile without its 0
        ("11 2345", "BR", "invalid_number"),
        ("+447700900123", "", "invalid_number"),
        ("171 1234567", "DE", MOBILE_DE),
        (US, "", US),
        ("+1 212 555 0199", "", "+12125550199"),
    ],
)
def test_a_number_is_one_of_its_country(text: str, home: str, expected: str) -> None:
    """Not only a possible one: a number without its area is another number somewhere else."""
    assert shown(phones.read(text, home)) == expected


@pytest.mark.parametrize(
    "bad", ["+15550177", "171", "555-0142", "0171 1234567/8", "+43 664 1234567-8", "+1 312 555 01422"]
)
@pytest.mark.parametrize("place", ["HOST_PHONE", "hosts"])
def test_a_hosts_number_that_is_none_is_refused_at_load(
    settings: Callable[..., Settings], place: str, bad: str
) -> None:
    """By the setting's name; the fallback and a host's own alike."""
    toml = 'country = "DE"\n' + (f'[hosts."mara@x.example"]\nphone = "{bad}"' if place == "hosts" else "")
    environ = {"HOST_PHONE": bad} if place == "HOST_PHONE" else {}

    with pytest.raises(SettingsError) as caught:
        settings(toml, environ)

    [problem] = caught.value.problems
    assert str(problem).startswith('hosts."mara@x.example".phone: ' if place == "hosts" else "HOST_PHONE: ")


@pytest.mark.parametrize("good", [US, "(+1) 312-555-0142", "001 312 555 0142", "+1 312 555 0142 (mobile)"])
def test_a_hosts_number_is_read_as_a_guests(settings: Callable[..., Settings], good: str) -> None:
    """Made-up numbers are numbers, however they are written."""
    made = settings(f'[hosts."mara@x.example"]\nphone = "{good}"', {"HOST_PHONE": good})

    assert (made.policy.host_phone, made.policy.hosts["mara@x.example"].phone) == (US, US)


# Row 1.4: one phone, one number.


SAME = [
    ("+525512345678", ["+52 1 55 1234 5678", "+52 55 1234 5678", "+5215512345678", "+52 044 55 1234 5678"]),
    ("+5491169071236", ["+54 9 11 6907 1236", "+54 11 6907-1236", "+54 11 15 6907 1236", "+54 9 11 15 6907 1236"]),
    ("+5492235123456", ["+54 223 512 3456", "+54 9 223 512 3456", "+54 223 15 512 3456"]),
    ("+5511981234567", ["+55 11 8123-4567", "+55 11 98123-4567", "+55 (11) 98123 4567"]),
    ("+2290197123456", ["+229 97 12 34 56", "+229 01 97 12 34 56"]),
    ("+24166032676", ["+241 6032676", "+241 06032676", "+241 66 03 26 76", "+241 066 03 26 76"]),
    ("+24174123456", ["+241 4123456", "+241 04 12 34 56", "+241 74 12 34 56"]),
    ("+24103123456", ["+241 3123456", "+241 03 12 34 56"]),
    (US, ["+1 312 555 0142", "+1 (312) 555-0142", "001 312 555 0142"]),
]


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, texts in SAME for text in texts])
def test_one_phone_has_one_number(number: str, text: str) -> None:
    """Each spelling gives the one that works, and is found by it."""
    assert shown(phones.read(text, "")) == number
    assert phones.is_number(text, number)
    assert phones.is_number(f"call {text} please", number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+55 11 9612-3456", "invalid_number"),  # a digit is missing, nobody knows which
        ("+55 11 7712-3456", "+551177123456"),  # a radio's has eight
        ("+54 800 555 1234", "+548005551234"),
    ],
)
def test_a_spelling_is_mended_only_where_it_is_sure(text: str, expected: str) -> None:
    """A missing digit is none that may be guessed."""
    assert shown(phones.read(text, "")) == expected


@pytest.mark.parametrize(("number", "texts"), SAME)
def test_caps_opt_outs_and_doubles_see_one_phone(store: Store, number: str, texts: list[str]) -> None:
    """Two seats with two spellings are one number; an opt-out by a third holds for both."""
    numbers = {shown(phones.read(text, "")) for text in texts}
    new, _ = store.opt_out(numbers, "by the operator", NOW)

    assert (numbers, new) == ({number}, 1)
    assert store.opted_out_of([number])


# Row 1.9 and what belongs to it: forgetting.


def test_forgetting_takes_a_number_off_the_list_in_any_spelling(store: Store) -> None:
    """A guest wrote it in one way, the list has the other; the keyed hash stays."""
    event = an_event()
    booking = a_booking(event, an_invitee(event, text_reminder_number="+52 1 55 1234 5678"))
    store.commit(Batch([Reading(event, NOW)], [booking]), Todo((a_message(booking, to="+525512345678"),)), NOW)
    store.opt_out(["+525512345678", US], "by the operator", NOW)

    store.forget([booking.uri], NOW, same=phones.is_number)
    store.forget([], NOW, same=phones.is_number, numbers=[US])

    assert [one.number for one in store.opt_outs()] == ["", ""]
    assert store.opted_out_of(["+525512345678", US]) == {"+525512345678", US}


@pytest.mark.parametrize(
    ("text", "number", "found"),
    [
        ("0171 1234567/8", MOBILE_DE, True),  # refused, and found all the same
        ("+49 171 1234567 (2)", MOBILE_DE, True),
        ("Handy: 0171/1234567, abends", MOBILE_DE, True),
        ("0172 7654321 / 0171 1234567", MOBILE_DE, True),
        ("0172 7654321 0171 1234567", MOBILE_DE, True),
        ("+49 172 7654321 oder +49 171 1234567", MOBILE_DE, True),
        ("0171 12345678", MOBILE_DE, False),
        ("+43 171 1234567", MOBILE_DE, False),
        ("+52 1 55 1234 5678", "+525512345678", True),
        ("+43 664 123 45 67", "+4366412345", False),
        ("1 555 0142", "+15550142", True),  # not assigned
    ],
)
def test_a_number_is_found_where_it_was_written(text: str, number: str, found: bool) -> None:
    """Also where it was refused; a part of a longer one is somebody else's."""
    assert phones.is_number(text, number) is found


def test_a_detail_holds_no_number() -> None:
    """Whatever is refused."""
    details: Any = [phones.read(one.text, one.home) for one in spellings(2000, seed=3) if not one.is_one]

    assert [why for why in details if any(map(str.isdecimal, why.detail))] == []
    assert {why.reason for why in details} <= {Reason.TWO_NUMBERS, Reason.EXTENSION, Reason.INVALID_NUMBER}


@pytest.mark.parametrize(
    ("text", "home", "expected"),
    [
        ("5550142", "US", phones.NO_AREA_CODE),
        ("+1 555 0142", "", phones.NO_AREA_CODE),
        ("+1 555 0142", "DE", phones.NO_AREA_CODE),
        ("5550142", "", phones.NO_COUNTRY_CODE),
        ("1234567", "DE", phones.NOT_VALID),
        ("+39 555", "", phones.NOT_VALID),
        ("+999 555 0142", "", phones.NOT_VALID),
        ("30123456", "DE", phones.UNSURE),
        ("2 3234 5678", "PH", phones.UNSURE),  # at home it is written (02) 3234 5678
        ("171 (0) 1234567", "DE", phones.UNSURE),
        ("+49 (0) 171 (0) 1234567", "", phones.UNSURE),
        ("0 01512 3458596", "DE", phones.UNSURE),
        ("0-06641234562", "US", phones.UNSURE),
        ("0171 1234567 (Austria)", "DE", phones.UNSURE),
        ("0171 1234567 (Büro)", "DE", phones.LETTERS),
        ("", "DE", phones.NOT_VALID),
    ],
)
def test_a_refusal_says_what_is_missing(text: str, home: str, expected: phones.NoRecipient) -> None:
    """By its code, and by words that say what to write."""
    assert phones.read(text, home) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 171 1234567", "491711234567"),
        ("(0171) 123-45.67", "01711234567"),
        ("0171/1234567", "01711234567"),
        ("٠١٧١ ١٢٣٤٥٦٧", "01711234567"),
        (" 12 ", "12"),
        ("1" * 150, "1" * 100),
        ("0171 or 12", ""),
        ("0171#", ""),
        ("1+2", ""),
        ("guest@example.com", ""),
        ("", ""),
    ],
)
def test_digits_of_what_is_written_as_a_number(text: str, expected: str) -> None:
    """Of a name or an e-mail none."""
    assert phones.digits_of(text) == expected


@pytest.mark.parametrize(
    ("text", "digits", "same"),
    [
        ("0171 12", "017112", True),
        ("0171 12", "17112", True),
        ("171-12", "0017112", True),
        ("0171 120", "17112", False),
        ("0171 12", "171120", False),
        ("x0171y12", "17112", True),
        ("0171 13", "17112", False),
        ("", "", False),
        ("0", "", False),
    ],
)
def test_what_is_no_number_is_found_by_its_digits(text: str, digits: str, same: bool) -> None:
    """But for zeros before them."""
    assert phones.same_digits(text, digits) is same


@pytest.mark.parametrize(
    ("text", "home", "expected"),
    [
        ("+49 171 1234567", "", True),
        (" +49 171 1234567 ", "", True),
        ("0171 1234567", "DE", True),
        ("0171 1234567", "", True),
        ("0171 1234567/8", "DE", True),
        ("0171 1234567 ext 5", "DE", True),
        ("123456", "", False),
        ("1234567", "", True),
        ("12/5", "DE", False),
        ("1234567", "DE", False),
        ("order 1234567", "", False),
    ],
)
def test_what_looks_like_a_number(text: str, home: str, expected: bool) -> None:
    """What can be read, or is refused for what it lacks or what stands beside it; seven digits at least."""
    assert phones.looks_like_number(text, home) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0171 1234567 / 0172 7654321", {MOBILE_DE, "+491727654321"}),
        ("0171 1234567/0172 7654321", {MOBILE_DE, "+491727654321"}),
        ("0171-1234567 0172-7654321", {MOBILE_DE, "+491727654321"}),
        ("+491711234567+491727654321", {MOBILE_DE, "+491727654321"}),
        ("030 123456 0171 1234567", {MOBILE_DE, "+4930123456"}),
        ("0171/1234567", {MOBILE_DE}),
        ("order 17 0171 1234567", {MOBILE_DE}),
        ("call 0171 1234567 or 68", {MOBILE_DE}),
        ("1 2 3 4 5 6 7 8 9 10 11 0171 1234567", {MOBILE_DE}),
        ("1 2 3 4 5 6 7 8 9 10 11 12 0171 1234567", set()),
        ("nobody", set()),
        ("", set()),
    ],
)
def test_numbers_in_a_text(text: str, expected: set[str]) -> None:
    """Each that may have been meant, whatever stands beside it; of so many groups only the first are looked at."""
    assert phones.numbers_in(text, "DE") == expected


@pytest.mark.parametrize(
    ("text", "home", "expected"),
    [
        ("call 0664 123 45 67", "AT", {"+436641234567"}),  # so is its beginning one
        ("call 49 171 1234567/49 172 7654321", "DE", {MOBILE_DE, "+491727654321"}),
        ("call 001/3125550142", "MX", {"+13125550142"}),  # at home, what stands behind the slash is one
        ("call 551/1961234567", "BR", {"+5511961234567"}),
        ("call 7/2 or 0171 1234567", "", set()),
    ],
)
def test_of_what_is_one_number_no_part_is_looked_at(text: str, home: str, expected: set[str]) -> None:
    """The part of a number may be somebody else's; what a slash parts is looked at by itself."""
    assert phones.numbers_in(text, home) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (MOBILE_DE, "DE"),
        ("+15550142", "US"),  # not assigned
        ("+4411", "GB"),
        ("+870773111632", ""),
        ("+1", ""),
        ("+", ""),
    ],
)
def test_the_country_of_a_number(number: str, expected: str) -> None:
    """Of one that is not assigned that of its country code."""
    assert phones.country(number) == expected


def test_words_beside_a_number_are_whole_and_the_longest_counts() -> None:
    """A word that begins like another one does not hide it; in scripts without blanks a word may stand anywhere."""
    assert re.findall(phones._words("ext extension a.b"), "5ext6 extensions extension next a.b axb") == [
        "ext",
        "extension",
        "a.b",
    ]
    assert re.findall(phones._anywhere("手 手机 máy_lẻ"), "我的手机máy lẻ手") == ["手机", "máy lẻ", "手"]
