"""Names, answers, links: as typed unless they are dangerous; why not, in three words; a word for who has no name."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NUMBER, a_booking, an_event, an_invitee
from syncer import gsm
from syncer.cleaning import clean, clean_name, clean_own
from syncer.model import Answer, Audience, Location
from syncer.names import first_name, last_name
from syncer.plan import Context, plan
from syncer.reasons import Reason
from syncer.recipients import Recipient
from syncer.rules import HostSettings, Policy, Rule, Trigger
from syncer.wording import Unfilled, render, render_one

if TYPE_CHECKING:
    from syncer.model import Booking

EVENT = an_event()
BOOKING = a_booking(EVENT, an_invitee(EVENT))
POLICY = Policy(timezone="America/Chicago", timezone_is_set=True)
INES = Recipient(number=NUMBER, country="US", language="en", timezone="America/Chicago")
RULE = Rule(name="r", on=Trigger.BOOKED, templates={"": "1"})


def of(name: str = "Ines Okafor", **more: object) -> Booking:
    """Make a booking by somebody of this name."""
    return a_booking(EVENT, replace(an_invitee(EVENT), name=name, **more))  # type: ignore[arg-type]


def written(text: str, booking: Booking = BOOKING, language: str = "en") -> str | Unfilled:
    """Fill one param."""
    found = render(replace(RULE, params={"x": text}), booking, replace(INES, language=language), POLICY)
    return found if isinstance(found, Unfilled) else found["x"]


NAMELESS = [
    "mia.k@example.com",
    "🌸🌸",
    "12345678",
    "-",
    "",
    "\ud83d",
    "https://evil.example/x",
    "+13125550142",
    "{}",
    "...",
]
WORDS = {
    "en": "guest",
    "en-GB": "guest",
    "de": "Gast",
    "de-AT": "Gast",
    "es": "cliente",
    "fr": "client",
    "pt": "cliente",
    "pt_BR": "cliente",
    "zh-TW": "貴賓",
    "zh-Hant": "貴賓",
    "zh-HK": "貴賓",
    "zh-CN": "贵宾",
    "zh": "贵宾",
    "ja": "ご予約者",
}


@pytest.mark.parametrize("name", NAMELESS)
@pytest.mark.parametrize(("language", "word"), WORDS.items())
def test_a_courtesy_never_decides_whether_a_text_leaves(name: str, language: str, word: str) -> None:
    """Who typed no name is greeted by a neutral word; a default of the rule's own comes first."""
    assert written("{name}", of(name), language) == word
    assert written("{first_name}", of(name), language) == word
    assert written("Dear {name}", of(name), language) == f"Dear {word}"
    assert written("{name|you}", of(name), language) == "you"
    assert written("{name|}", of(name), language) == word
    assert written("Hi {first_name|}!", of(name), language) == "Hi !"
    assert gsm.is_gsm(word) or language.startswith(("zh", "ja"))


def test_other_languages_need_a_default() -> None:
    """Nobody shall read a foreign word there; and other fields than these two have no such word."""
    assert written("{name}", of("🌸"), "pl") == Unfilled("name")
    assert written("{first_name|Gosc}", of("🌸"), "pl") == "Gosc"
    assert written("{last_name}", of("Ines")) == Unfilled("last_name")


@pytest.mark.parametrize("name", [*NAMELESS[:4], "Kim.Jo"])
def test_the_hosts_note_leaves_too(name: str) -> None:
    """All texts about a guest without a name are wanted as before."""
    rules = (
        replace(RULE, name="host", to=Audience.HOST, params={"name": "{name}", "time": "{start}"}),
        replace(RULE, name="guest", params={"name": "{name}", "time": "{start}"}),
    )
    policy = replace(POLICY, rules=rules, hosts={"mara@northpier.example": HostSettings(phone="+13125550177")})
    wanted = plan(of(name), policy, Context(now=BOOKING.seen_at, born_at=EVENT.start.replace(year=2020)))

    assert [(message.reason, bool(message.params["name"])) for message in wanted] == [(Reason.NONE, True)] * 2


FIRST = [
    ("Dr. Anna Weber", "Anna", "Weber"),
    ("Weber, Anna", "Anna", "Weber"),
    ("Weber,Anna", "Anna", "Weber"),
    ("Frau Anna Weber", "Anna", "Weber"),
    ("Prof. Dr. med. Anna Weber", "Anna", "Weber"),
    ("Prof.Dr. Anna Weber", "Anna", "Weber"),
    ("Dipl.-Ing. Anna Weber", "Anna", "Weber"),
    ("Dr. h.c. Anna Weber", "Anna", "Weber"),
    ("DR ANNA WEBER", "ANNA", "WEBER"),
    ("Mr. John Smith, Jr.", "John", "Smith"),
    ("Weber, Dr. Anna", "Anna", "Weber"),
    ("Weber, Anna, Ph.D.", "Anna", "Weber"),
    ("Anna Weber, M.Sc.", "Anna", "Weber"),
    ("Anna Ph.D.", "Anna", ""),
    ("Anna Weber PhD", "Anna", "Weber"),
    ("Sra. María Ruiz", "María", "Ruiz"),
    ("Anna Weber, Ph. D.", "Anna", "Weber"),
    ("M. Night Shyamalan", "M.", "Night Shyamalan"),
    ("van den Brandt, Theo", "Theo", "van den Brandt"),
    ("Theo van den Brandt", "Theo", "van den Brandt"),
    ("Frau Weber", "Frau Weber", "Weber"),
    ("Dr. Weber", "Dr. Weber", "Weber"),
    ("Prince", "Prince", ""),
    ("Dr", "Dr", ""),
    ("Mag Weber", "Mag", "Weber"),
    ("Mag. Anna Weber", "Anna", "Weber"),
    ("Li Ma", "Li", "Ma"),
    ("王小明", "王小明", ""),
    ("佐々木 花子", "佐々木 花子", "佐々木"),
    ("김 민준", "김 민준", "김"),
    ("김 민 준", "김 민 준", "김"),
    ("\U00017000\U00017001 \U00017002", "\U00017000\U00017001", "\U00017002"),  # letters without a name
    ("スーパー ジェニファー", "スーパー ジェニファー", "スーパー"),
    ("Владимир Иванов", "Владимир", "Иванов"),
    ("Kim.Jo", "Kim.", "Jo"),
    ("Dr. Weber, Anna", "Anna", "Weber"),
    ("Weber, Dr. rer. nat.", "Weber, Dr. rer. nat.", "Weber"),
    ("Anna Weber M.A.", "Anna", "Weber"),
    ("Anna Maria Weber M.A.", "Anna", "Maria Weber"),
    ("Dr., Jr.", "Dr.", ""),
    ("Dr. PhD", "Dr. PhD", "PhD"),
    ("Dr. anna weber", "anna", "weber"),
    ("Anna Weber, PhD MBA", "Anna", "Weber"),
    ("Anna Weber, Ph.D. M.B.A.", "Anna", "Weber"),
    ("Dr. Dr. Anna Weber", "Anna", "Weber"),
    # Titles of more languages, and with more in them.
    ("Dott.ssa Anna Bianchi", "Anna", "Bianchi"),
    ("Dott. ssa Anna Bianchi", "Anna", "Bianchi"),
    ("DOTT.SSA ANNA BIANCHI", "ANNA", "BIANCHI"),
    ("Prof.ssa Anna Bianchi", "Anna", "Bianchi"),
    ("Dr.ssa Bianchi", "Dr.ssa Bianchi", "Bianchi"),
    ("Avv. Anna Bianchi", "Anna", "Bianchi"),
    ("Sr.ª Ana Silva", "Ana", "Silva"),
    ("Prof.ª Dr.ª Ana Silva", "Ana", "Silva"),
    ("D.ª Ana López", "Ana", "López"),
    ("D.A. John Smith", "D.A.", "John Smith"),
    ("Dña. Ana", "Dña. Ana", "Ana"),
    ("Dña. Ana López", "Ana", "López"),
    ("Lic. Ana López", "Ana", "López"),
    ("Pr. Anne Dupont", "Anne", "Dupont"),
    ("Fam. Weber", "Fam. Weber", "Weber"),
    ("Familie Weber", "Familie Weber", "Weber"),
    ("Dipl.-Psych. Anna Weber", "Anna", "Weber"),
    ("Dipl.-Kfm. Hans", "Dipl.-Kfm. Hans", "Hans"),
    ("Dipl-Ing Hans Weber", "Hans", "Weber"),
    ("Dipl. Psych. Anna Weber", "Anna", "Weber"),
    ("Dipl. H. Weber", "H.", "Weber"),
    ("Dipl. Th. Weber", "Th.", "Weber"),
    ("Anna Dr. Weber", "Anna", "Dr. Weber"),
    ("Frau Anna Prof. Weber", "Anna", "Prof. Weber"),
    ("RA Dr. Weber", "RA Dr. Weber", "Weber"),
    ("Y Dr. Weber", "Y", "Dr. Weber"),
    ("Anna Weber, Dipl.-Psych.", "Anna", "Weber"),
    ("Mag. (FH) Anna Weber", "Anna", "Weber"),
    ("PD Dr. Anna Weber", "Anna", "Weber"),
    ('ד"ר כהן', "ד״ר כהן", "כהן"),
    ('ד"ר דוד כהן', "דוד", "כהן"),
    # Two people.
    ("Herr und Frau Weber", "Herr und Frau Weber", "Weber"),
    ("Herr u. Frau Weber", "Herr u. Frau Weber", "Weber"),
    ("Herr & Frau Weber", "Herr Frau Weber", "Weber"),
    ("Mr and Mrs Smith", "Mr and Mrs Smith", "Smith"),
    ("Mr. and Mrs. John Smith", "John", "Smith"),
    ("Monsieur et Madame Dupont", "Monsieur et Madame Dupont", "Dupont"),
    ("M. et Mme Dupont", "M. et Mme Dupont", "Dupont"),
    ("Sr. y Sra. López", "Sr. y Sra. López", "López"),
    ("Sr. e Sra. Silva", "Sr. e Sra. Silva", "Silva"),
    ("Herr Weber und Frau Schmidt", "Herr Weber und Frau Schmidt", "Weber und Frau Schmidt"),
    ("Anna und Peter Weber", "Anna und Peter", "Weber"),
    ("Anna u. Peter Weber", "Anna u. Peter", "Weber"),
    ("Anna and Peter", "Anna and Peter", ""),
    ("Anna und Dr. Peter Weber", "Anna und Dr. Peter Weber", "Anna und Dr. Peter Weber"),
    ("Anna Weber und Frau", "Anna Weber und Frau", "Anna Weber und Frau"),
    ("Ana Ortega y Gasset", "Ana", "Ortega y Gasset"),
    ("Und Weber", "Und", "Weber"),
    # One letter.
    ("M. Dupont", "M. Dupont", "Dupont"),
    ("D. García", "D. García", "García"),
    ("J. Smith", "J.", "Smith"),
    ("Shyamalan, M. Night", "M.", "Shyamalan"),
    ("Don Draper", "Don", "Draper"),
    # Behind a comma.
    ("Anna Weber, LMFT", "Anna", "Weber"),
    ("Anna Weber, LCSW, PMP", "Anna", "Weber"),
    ("Anna Weber, LCSW & MPH", "Anna", "Weber"),
    ("Anna Weber, DVM", "Anna", "Weber"),
    ("Anna Weber, D.O.", "Anna", "Weber"),
    ("Anna Weber, XYZW", "Anna", "Weber"),
    ("Anna Weber LMFT", "Anna", "Weber"),
    ("Dr. Weber, LMFT", "Dr. Weber", "Weber"),
    ("Dr. Weber, ANNA", "ANNA", "Weber"),
    ("VAN BRANDT, THEO", "THEO", "VAN BRANDT"),
    ("van Brandt, THEO", "THEO", "van Brandt"),
    ("Weber, ANNA", "ANNA", "Weber"),
    ("Van Brandt, Theo", "Theo", "Van Brandt"),
    ("Weber Berg, ANNELI", "ANNELI", "Weber Berg"),
    ("Anna Weber, geb. Schmidt", "Anna", "Weber"),
    ("Anna Weber, née Schmidt", "Anna", "Weber"),
    ("Anna Weber, geb. von Schmidt", "Anna", "Weber"),
]


@pytest.mark.parametrize(("name", "first", "last"), FIRST)
def test_first_and_last_names(name: str, first: str, last: str) -> None:
    """Titles are no first names; "Weber, Anna" has hers behind the comma."""
    assert written("{first_name}", of(name)) == first
    assert written("{last_name|}!", of(name)) == f"{last}!"


@pytest.mark.parametrize(
    ("name", "language", "first"),
    [
        ("M. Jean Dupont", "fr", "Jean"),
        ("M. Jean Dupont", "fr-CA", "Jean"),
        ("M. Jean Dupont", "en", "M."),
        ("Dupont, M. Jean", "fr", "Jean"),
        ("Dupont, M.", "fr", "M."),
        ("Me Jean Dupont", "fr", "Jean"),
        ("Me Jean Dupont", "en", "Me"),
        ("D. José García", "es", "José"),
        ("D. José García", "es-MX", "José"),
        ("D. José García", "en", "D."),
        ("Don José", "es", "Don José"),
        ("Don José García", "es", "José"),
        ("Don Draper", "en", "Don"),
        ("Dona Maria Silva", "pt_BR", "Maria"),
        ("Dona Maria Silva", "en", "Dona"),
        ("M.", "fr", "M."),
        ("M. et", "en", "M. et"),
    ],
)
def test_titles_of_one_language(name: str, language: str, first: str) -> None:
    """What is a title in one language is a name, or a letter of one, in others: the text's language decides."""
    assert written("{first_name}", of(name), language) == first


def test_a_first_name_of_its_own_field() -> None:
    """As typed, both of them; without a title."""
    assert written("{first_name}", of("Dr. Anna Maria Weber", first_name="Dr. Anna Maria")) == "Anna Maria"
    assert written("{first_name}", of("Anna Weber", first_name="Dr.")) == "Anna"
    assert written("{first_name}", of("x", first_name="M. Night")) == "M. Night"
    assert written("{first_name}", of("x", first_name="M. Jean"), "fr") == "Jean"
    assert written("{first_name}", of("x", first_name="M. et Mme")) == "x"


@given(st.text(max_size=30).map(clean_name))
def test_a_name_has_a_first_name(name: str) -> None:
    """Whatever the name, the first is a part of it, and none only where there is no name."""
    assert first_name(name) in name
    assert bool(first_name(name)) is bool(name)
    assert last_name(name) in name


AS_TYPED = [
    "צ׳רלי כהן",  # Hebrew geresh
    "רש״י",
    "ג׳ורג׳־לואי",  # maqaf
    "Gal·la Puig",
    "Anna Ph.D.",
    "Dr. h.c. Anna",
    "Ph.D. Anna",
    "Dott.ssa Anna Bianchi",
    "Prof.ssa Bianchi",
    "卡尔·马克思",
    "ジャン・レノ",
    "བཀྲ་ཤིས་",
    "ኃይለ፡ሥላሴ",
    "Հակոբ՚ի",
    "Ստեփան֊Արամ",
    "ᠴᠢᠩᠭᠢᠰ",
    "O'Connor",
    "Kawaiʻae'a",
    "Jean-Luc",
    "Nuñez",
    "Đặng Thuỳ Trâm",
    "ज़ें॰",
]


@pytest.mark.parametrize("name", AS_TYPED)
def test_names_of_all_scripts_stay(name: str) -> None:
    """Letter for letter, apostrophes, hyphens and middle dots included."""
    assert clean_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("O’Connor", "O'Connor"),
        ("O‘Connor", "O'Connor"),
        ("OʼConnor", "O'Connor"),
        ("Jean‑Luc", "Jean-Luc"),
        ("卡爾‧馬克思", "卡爾·馬克思"),
        ("Gaŀla", "Gal·la"),
        ("ﾊﾅｺ", "ハナコ"),
        ("Ｋｉｍ", "Kim"),
        ('ד"ר כהן', "ד״ר כהן"),
        ("ד”ר כהן", "ד״ר כהן"),
        ("צ'רלי", "צ׳רלי"),
        ("ג’ורג'", "ג׳ורג'"),
        ('"דוד"', "דוד"),
        ('O"Neil', "O Neil"),
    ],
)
def test_what_is_folded_is_folded_to_a_look_alike(typed: str, name: str) -> None:
    """No letter is lost, and no blank put in."""
    assert clean_name(typed) == name


PROSE = [
    "25.11.2026",
    "25.11.2026 10:30",
    "25.11.2026 - 27.11.2026",
    "2026-11-25",
    "11/25/2026",
    "25.11.26 or 26.11.26",
    "1234567",
    "20261125",
    "Order 1234567, please",
    "AB-1234567",
    "4500123456",
    "2026-00123",
    "1,500,000",
    "1.500.000",
    "60601-1234",
    "Ages: 12, 14, 16, 18",
    "Node.js workshop",
    "Anna Ph.D.",
    "¿Qué tal? (sí) & más; 50 €",
    "a_b = c * d",
    "प्रश्न। ठीक है।",
    "سؤال؟ نعم، شكرا",
    "「質問」です",
    "שאלה־תשובה",
    "Room 12, 2nd floor (left)",
    "14 Harbor Street, 60601 Chicago",
    # Dates until dates, and times behind them.
    "24.12.2026-26.12.2026",
    "24.12.2026 - 26.12.2026",
    "24.12.26-26.12.26",
    "12/24/2026-12/26/2026",
    "2026-12-24-2026-12-26",
    "25.11.2026/26.11.2026",
    "Zimmer 12 24.12.2026-26.12.2026",
    "24.-26.12.2026",
    "24./25.12.2026",
    "23-25.11.2026",
    "23 - 25.11.2026",
    "09-12.11.2026",
    "24.12-26.12.2026",
    "11/23-11/25/2026",
    "11/23 - 11/25/2026",
    "25.11.2026 14:30 - 26.11.2026 15:30",
    "25.11.2026 14.30 - 26.11.2026 15.30",
    "14:30 - 25.11.2026",
    "25.11.2026 - 14 Personen",
    "12 - 25 - 11 - 2026",
    "24.12./26.12.2026",
    "24.12.-26.12.",
    "24.12./26.12.",
    "24.12-26.12",
    "12/24 - 12/26",
    "Termin/25.11.2026",
    "3.OG/25. 11. 2026",
    "25.11.2026-14:30",
    "25.11.2026-14:30-15:30",
    "25.11.2026-14.30",
    "25.11.2026 14.30-15.30",
    "2026-11-25T14:30:00",
    "25. 11. 2026",
    "25. 11. 2026 - 27. 11. 2026",
    "2026. 11. 25.",
    "25 / 11 / 2026",
    "25 - 11 - 2026",
    "٢٥/١١/٢٠٢٦",
    # Hours.
    "14.30-15.30 Uhr",
    "14.30 - 15.30 Uhr",
    "9.00-10.30",
    "09.00-10.30",
    "1400-1530",
    "8-12/13-17",
    "9-12 14-18",
    "8.30-12.00/13.00-17.30",
    # Amounts.
    "12.500,00 €",
    "$12,500.00",
    "12 500,00 €",
    "12'500.00",
    "1.234.567,89",
    "250,000,000",
    "250.000.000",
    "12,50,000",
    "10.000-20.000 €",
    "12.500,00/13.000,00",
    # Orders, measures.
    "4711-0815",
    "4711-0815 / 26.11.26",
    "1430 1/2, 1 1/2 1430",
    "2026-0042",
    "2026/0042",
    "RG-2026-0042",
    "RG-2026-11-0042",
    "180/75/32",
    "120/80/72",
]


@pytest.mark.parametrize("text", PROSE)
def test_answers_stay_as_typed(text: str) -> None:
    """Dates, ids, amounts, and the punctuation of all scripts."""
    asked = of(answers=(Answer("Q", text),))

    assert clean(text) == text
    assert written("{answer:Q}", asked) == text


CALLS = [
    "+13125550142",
    "+1 (312) 555-0142",
    "0049 151 23456789",
    "004915123456789",
    "555-0142",
    "312-555-0142",
    "(312) 555 0142",
    "312.555.0142",
    "3125550142",
    "13125550142",
    "4915123456789",
    "0151 23456789",
    "015123456789",
    "06 12 34 56 78",
    "612 345 678",
    "9123 4567",
    "3-1-2-5-5-5-0-1-4-2",
    "+49/151/23456789",
    "٠١٥١٢٣٤٥٦٧٨٩",
    "１２３-４５６-７８９０",
    "9123-4567",
    "612.345.678",
    "611-1253",
    "0800-1236",
    "0 800 12 186",
    "01.12.23.34.45",
    "06-12-34-56-78",
    "+49 25.11.2026",
    "0171-25.11.2026",
    "0171 - 25 - 11 - 2026",
    "+1 250,000,000",
    "(030) 12.500,00",
    "0043 2026-0042",
    "312,555,0142",
    "312/555/0142",
    "3/1/2/5/5/5/0/1/4/2",
    "2/345/657",
    "21/234/561",
    "12 345 67 890",
    "15.30-14.30",
    "20.12-15.30",
    "1530-1400",
    "24.30-26.31",
    "13/24-13/26",
]


@pytest.mark.parametrize("number", CALLS)
def test_numbers_to_call_go(number: str) -> None:
    """From names and answers; the host's own words may hold them."""
    assert clean(f"call {number} now") == "call now"
    assert clean_name(f"call {number} now") == "call now"
    assert clean(f"on 25.11.2026 {number}") in {"on 25.11.2026", "on"}
    assert sum(map(str.isdecimal, clean_own(f"call {number} now"))) == sum(map(str.isdecimal, number))


_EXAMPLES = [
    number
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (number := phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)) is not None
]


@given(
    st.sampled_from(_EXAMPLES),
    st.sampled_from([phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL]),
    st.sampled_from(["{}", "call {}", "25.11.2026 {}", "1234567 {}", "{} 1234567", "order 12 {}!", "({})", "x{}x"]),
)
def test_no_international_number_survives(number: phonenumbers.PhoneNumber, form: int, around: str) -> None:
    """Of any country, whatever stands beside it."""
    digits = "".join(filter(str.isdigit, phonenumbers.format_number(number, form)))

    left = "".join(filter(str.isdigit, clean(around.format(phonenumbers.format_number(number, form)))))

    assert digits not in left


@pytest.mark.parametrize("typed", ["24.12.2026–26.12.2026", "2026-12-24–2026-12-26", "14.30–15.30 Uhr"])
def test_a_long_dash_between_dates(typed: str) -> None:
    """It is folded to a hyphen, and nothing else is lost."""
    assert clean(typed) == typed.replace("–", "-")


def test_a_small_digit_hides_no_number() -> None:
    """A number with its last digit written small is one."""
    assert clean("call 555-014² now") == "call now"


TEAMS = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_" + "M" * 96 + "%40thread.v2/0?context=%7b%22Tid%22%3a"
TEAMS += "x" * (243 - len(TEAMS))


@pytest.mark.parametrize(
    ("field", "over", "expected"),
    [
        ("email", {"email": "o'brien@example.com"}, "o'brien@example.com"),
        ("email", {"email": "a+b/c=d@example.co.uk"}, "a+b/c=d@example.co.uk"),
        ("email", {"email": ""}, (Reason.EMPTY_FIELD, "")),
        ("email", {"email": "{x}@example.com"}, (Reason.FIELD_REFUSED, "no plain e-mail address")),
        ("email", {"email": "x" * 300 + "@example.com"}, (Reason.FIELD_TOO_LONG, "312 characters, at most 254")),
        ("cancel_url", {"cancel_url": TEAMS}, TEAMS),
        ("cancel_url", {"cancel_url": ""}, (Reason.EMPTY_FIELD, "")),
        ("cancel_url", {"cancel_url": "javascript:alert(1)"}, (Reason.FIELD_REFUSED, "no plain http(s) address")),
        ("reschedule_url", {"reschedule_url": TEAMS * 5}, (Reason.FIELD_TOO_LONG, "1215 characters, at most 1000")),
        ("reason", {"cancel_reason": ""}, (Reason.EMPTY_FIELD, "")),
        ("reason", {"cancel_reason": "https://evil.example/x"}, (Reason.FIELD_REFUSED, "nothing is left")),
        ("reason", {"cancel_reason": "long " * 100}, ("long " * 32).strip()),
        ("answer:Q", {}, (Reason.EMPTY_FIELD, "")),
        ("answer:Q", {"answers": (Answer("Q", " "),)}, (Reason.EMPTY_FIELD, "")),
        ("answer:Q", {"answers": (Answer("Q", "+13125550142"),)}, (Reason.FIELD_REFUSED, "numbers to call")),
        ("answer:Q", {"answers": (Answer("Q", "+13125550142"), Answer("q", "yes"))}, "yes"),
    ],
)
def test_three_reasons(field: str, over: dict[str, object], expected: str | tuple[Reason, str]) -> None:
    """Absent, refused and why, too long and how long; a default stands in for each."""
    found = written(f"{{{field}}}", of(**over))  # type: ignore[arg-type]
    if isinstance(expected, str):
        assert found == expected
        return
    assert isinstance(found, Unfilled)
    assert (found.field, found.reason) == (field, expected[0])
    assert expected[1] in found.detail
    assert found.in_words.startswith(f"{{{field}}}")
    assert written(f"{{{field}|see your e-mail}}", of(**over)) == "see your e-mail"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("location", "field", "expected"),
    [
        (Location("microsoft_teams_conference", "", TEAMS), "join_url", TEAMS),
        (Location("outbound_call", "+13125550142"), "location", Reason.FIELD_REFUSED),
        (Location("outbound_call", "Ask for Mara"), "location", Reason.FIELD_REFUSED),
        (Location("outbound_call", " "), "location", Reason.EMPTY_FIELD),
        (Location("inbound_call", ""), "location", Reason.EMPTY_FIELD),
        (Location("zoom"), "location", Reason.EMPTY_FIELD),
        (Location("physical", "ASP.NET Lab, Room 3"), "location", "ASP. NET Lab, Room 3"),
        (Location("physical", "14 Harbor Street, " * 8), "location", ("14 Harbor Street, " * 8).strip(" ,")),
        (Location("ask_invitee", "+13125550142"), "location", Reason.FIELD_REFUSED),
        (None, "join_url", Reason.EMPTY_FIELD),
    ],
)
def test_places_and_links(location: Location | None, field: str, expected: str | Reason) -> None:
    """A long link is sent, a place stays whole, and a number to call is refused as a place."""
    found = written(f"{{{field}}}", a_booking(replace(EVENT, location=location), BOOKING.invitee))

    assert (found.reason if isinstance(found, Unfilled) else found) == expected
    assert not isinstance(found, Unfilled) or found.field == field
    assert not isinstance(found, Unfilled) or bool(found.detail) is (expected is Reason.FIELD_REFUSED)


def test_the_reason_is_the_messages() -> None:
    """With what is special about it, and nothing that the guest typed."""
    rule = replace(RULE, params={"order": "{answer:Order}"})
    (message,) = plan(
        of(answers=(Answer("Order", "https://evil.example/x"),)),
        replace(POLICY, rules=(rule,)),
        Context(now=BOOKING.seen_at, born_at=EVENT.start.replace(year=2020)),
    )

    assert message.reason is Reason.FIELD_REFUSED
    assert message.detail.startswith("{answer:Order}: nothing is left of it")
    assert "evil" not in message.detail


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("sáb", "sab"),
        ("août", "aout"),
        ("terça", "terca"),
        ("śr.", "sr."),
        ("2 días", "2 dias"),
        ("févr.", "févr."),  # is in GSM-7
        ("mañana", "mañana"),
        ("d’août", "d'aout"),
        ("Łódź", "Lodz"),
        ("週四", "週四"),
        ("сб", "сб"),
        ("27 sáb 週", "27 sáb 週"),  # one would not help
    ],
)
def test_folding(text: str, folded: str) -> None:
    """Accents go where GSM-7 lacks them, and only if that makes all of it GSM-7."""
    assert gsm.folded(text) == folded
    assert gsm.folded(folded) == folded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mañana", "GSM-7"),
        ("sáb", "UCS-2 (á)"),
        ("a\u202fb", "UCS-2 (U+202F)"),
        ("áíó", "UCS-2 (á í ó)"),
        ("週四下午見", "UCS-2 (週 四 下 午 見)"),
        ("週四下午見了", "UCS-2"),
    ],
)
def test_the_odd_characters_are_shown(text: str, words: str) -> None:
    """One that cannot be seen by its number; a text in another script has nothing odd about it."""
    assert gsm.in_words(text) == words


@pytest.mark.parametrize(
    ("language", "date"),
    [("es", "sab, 28 nov"), ("pt", "sab., 28 de nov."), ("fr", "sam. 28 nov."), ("de", "Sa., 28. Nov.")],
)
def test_dates_do_not_make_a_text_dearer(language: str, date: str) -> None:
    """Names and answers keep their accents, and with one outside GSM-7 dates keep theirs."""
    event = an_event(start=EVENT.start.replace(day=28))
    booking = a_booking(event, replace(an_invitee(event), name="José Müller"))
    rule = replace(RULE, params={"name": "{name}", "date": "{start_date}"})
    accented = replace(booking, invitee=replace(booking.invitee, name="Ágnes"))
    spelled = {"es": "sáb, 28 nov", "pt": "sáb., 28 de nov."}.get(language, date)

    def params(made: Booking, policy: Policy = POLICY) -> object:
        return render(rule, made, replace(INES, language=language), policy)

    assert params(booking) == {"name": "José Müller", "date": date}
    assert params(booking, replace(POLICY, fold_accents=False)) == {"name": "José Müller", "date": spelled}
    assert params(accented) == {"name": "Ágnes", "date": spelled}
    alone = [
        render_one("{start_date}", rule, booking, replace(INES, language=language), policy)
        for policy in (POLICY, replace(POLICY, fold_accents=False))
    ]
    assert alone == [date, spelled]
