"""Text typed by strangers: whatever comes in, nothing that acts comes out, and honest names stay."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import replace

import pytest
from babel import Locale
from hypothesis import example, given
from hypothesis import strategies as st

from support.builders import NUMBER, a_booking, an_event, an_invitee
from syncer.cleaning import clean, clean_name, clean_own
from syncer.engagelab import Template
from syncer.recipients import Recipient
from syncer.rules import DEFAULT_PARAMS, Policy, Rule, Trigger
from syncer.wording import preview, render, segments

LONG = "a" * 10_000
CONFIRMATION = Rule(name="confirmation", on=Trigger.BOOKED, templates={"": "1"}, params=DEFAULT_PARAMS[Trigger.BOOKED])
TEMPLATE = Template(
    id="1", content="Hello {{name}}, confirmed: {{time}}", status=2, sign_name="North Pier", sign_position=1
)

HOSTILE = [
    # Links.
    ("Visa blocked evil.com", "Visa blocked"),
    ("Visa blocked: http://evil.com/login", "Visa blocked"),
    ("https://evil.com", ""),
    ("HTTPS://EVIL.COM", ""),
    ("hxxp://evil.com", ""),
    ("hxxps://evil[.]com", ""),
    ("ftp://evil.com Bob", "Bob"),
    ("www.evil.com", ""),
    ("www.evil", ""),
    ("www evil", "evil"),
    ("http evil com", "evil com"),
    ("evil.com/x", ""),
    ("login.evil.ru", ""),
    ("dott.ssa/x", ""),
    ("evil.ssa", "evil. ssa"),
    ("dr.ssa.evil", "dr. ssa. evil"),
    ("evil.com.", ""),
    ("evil.com,now", ""),
    ("evil.com:443/x", ""),
    ("evil.com?x=1", ""),
    ("(evil.com)", ""),
    ("evil.unheardof/x", ""),
    ("bit.ly/3abc", ""),
    ("t.co/abc", ""),
    ("t.me", ""),
    ("x.com", ""),
    ("X.Com", ""),
    ("evil.co.uk", ""),
    ("evil.io", ""),
    ("evil.рф", ""),
    ("邪恶.中国", ""),
    ("evil.соm", ""),  # Cyrillic
    ("еvil.сом", ""),  # all of it
    ("xn--e1aybc.xn--p1ai", ""),
    ("evil．com", ""),  # full-width dot
    ("evil。com", ""),  # ideographic full stop
    ("evil｡com", ""),
    ("evil․com", ""),  # one dot leader
    ("ｅｖｉｌ．ｃｏｍ", ""),
    ("𝐞𝐯𝐢𝐥.𝐜𝐨𝐦", ""),
    ("ⓔⓥⓘⓛ.ⓒⓞⓜ", ""),
    ("e\u200bvil.c\u200dom", ""),
    ("evil\u00ad.\u2060com", ""),
    ("evil.\u034fcom", ""),
    ("evil .com", ""),
    ("evil. com", ""),
    ("evil . com", ""),
    ("evil\n.\ncom", ""),
    ("evil{.}com", ""),
    ("evil(.)com", ""),
    ("evil[.]com", ""),
    ("evil dot com", ""),
    ("evil (dot) com", ""),
    ("evil😀.com", ""),
    ("Bob e dot v dot x dot com com com", "Bob"),  # what one removal pushes together is the next link
    ("e v i l . c o m", ""),
    ("e v i l.c o m", ""),
    ("h t t p : / / e v i l . c o m", ""),
    ("evil.museum", "evil. museum"),  # nobody's list of endings is complete: taken apart
    ("user@evil.com", ""),
    ("Bob mailto:x@y.example", "Bob"),
    ("javascript:alert(1)", ""),
    ("tel:110", ""),
    ("sms:12345", ""),
    ("//evil", ""),
    ("169.254.169.254", ""),
    ("http://2130706433", ""),
    ("1.1.1.1", ""),
    # Numbers to call.
    ("call +13125550142", "call"),
    ("call +1 (312) 555-0142 now", "call now"),
    ("call 3-1-2-5-5-5-0-1-4-2", "call"),
    ("3.1.2.5.5.5", ""),
    ("١٢٣٤٥٦٧٨", ""),  # digits of another script
    ("１２３４５６７８", ""),
    ("90210", ""),
    # Placeholders, code, controls.
    ("{{name}}", "name"),
    ("{name}", "name"),
    ("{{{time}}}", "time"),
    ("｛｛name｝｝", "name"),
    ("%s %name% $name", "s name name"),
    ("'; DROP TABLE messages;--", "' DROP TABLE messages"),
    ("<b>Bob</b>", "b Bob b"),
    ("Bob\r\nBcc: x", "Bob Bcc x"),
    ("Bob\u2028Smith", "Bob Smith"),
    ("Bob\x00Smith", "Bob Smith"),
    ("\x1b[31mBob", "31mBob"),
    ("\u202eboB\u202c", "boB"),
    ("\u2066Bob\u2069", "Bob"),
    ("B\u200bo\ufeffb", "Bob"),
    ("\ud83dBob\ude00", "Bob"),
    ("\ud800", ""),
    ("\ue000Bob\U000e0041", "Bob"),
    # Heaps of marks, fillers, pictures.
    ("Z" + "\u0335\u0322\u031b\u035a" * 20 + "o", "Z\u0335\u0335o"),
    ("\u0301\u0302Bob", "Bob"),
    ("ก" + "\u0e49" * 20, "ก" + "\u0e49" * 4),
    ("B\u20ddob", "Bob"),
    ("\u3164\u115f\uffa0", ""),
    ("\u2800\u2800", ""),
    ("😀", ""),
    ("👨‍👩‍👧 Family", "Family"),
    ("1️⃣", "1"),
    ("   ", ""),
    ("", ""),
    ("...", ""),
    ("'-.,", ""),
    (LONG, "a" * 40),
    ("😀" * 500, ""),
    ("a " * 5_000, ("a " * 20).strip()),
    ("x.comma " * 2_000, "x. comma x. comma x. comma x. comma x. c"),
    # What strangers have tried elsewhere.
    ("Your bank: log in at evil-bank.com.de", "Your bank log in at"),
    ("Pay now paypal.me/x", "Pay now"),
    ("whatsapp: +49 151 23456789", ""),
    ("wa.me/4915123456789", ""),
    ("Bob (+49)151-234-567-89", "Bob"),
    ("Tel 555-01-42-33", "Tel"),
    ("STOP to 12345", "STOP to"),
    ("Bob @evil_shop", "Bob evil shop"),
    ("Ms. Smith.shop", "Ms."),
    ("Anna-Maria.de", ""),
    ("BOB.ONLINE", ""),
    ("₿it.ly/x", ""),
    ("evil𝟢.com", ""),
    ("名前.jp", ""),
    ("бот.рф/х", ""),
    ("Bob̸.com", "Bob̸. com"),  # a stroke over the letter: taken apart
    ("${jndi:ldap://evil.com/a}", ""),
    ("{%if%}", "if"),
    ("../../etc/passwd", "etc passwd"),
    ("=1+1", "1 1"),
    ("@SUM(1)", "SUM 1"),
    ('"><script>alert(1)</script>', "script alert 1 script"),
    ("localhost:8080", "localhost 8080"),
    ("bitcoin:1A1zP1", "bitcoin 1A1zP1"),
    ("mailto:a@b.c", ""),
    ("evil%2Ecom", "evil 2Ecom"),
    ("evil&period;com", "evil period com"),
    ("https:/evil.com", ""),
    ("HtTpS:\\\\evil.com", ""),
    ("w w w . e v i l . c o m", ""),
    ("Bob ﬀ.com", "Bob"),
    ("a.b.c.d.com", ""),
    ("①②③④⑤⑥⑦", ""),
    ("x" * 39 + " {name}", "x" * 39),
]

HONEST = [
    "Theo Brandt",
    "Ana María Núñez-Ortiz",
    "Seán O'Brien",
    "'t Hooft",
    "J. R. R. Tolkien",
    "Dr. med. Mara Lindqvist",
    "John Smith, Jr.",
    "Louis 14",
    "Nguyễn Thị Minh Khai",
    "Đặng Thuỳ Trâm",
    "王小明",
    "佐々木 花子",
    "スーパー ジェニファー",
    "김민준",
    "Владимир Иванов",
    "Γιώργος Παπαδόπουλος",
    "محمد عبد الله",
    "דוד כהן",
    "प्रिया शर्मा",
    "ज़ें",
    "มัลลิกา น้ำทิพย์",
    "ນ້ຳ",
    "မြို့ဖြိုး",
    "Ole Ødegård",
    "Þóra Ægisdóttir",
]


@pytest.mark.parametrize(("text", "name"), HOSTILE, ids=[f"{n}-{ascii(row[0])[:30]}" for n, row in enumerate(HOSTILE)])
def test_hostile_names(text: str, name: str) -> None:
    """A name keeps no link, number, brace, control or invisible character."""
    assert name == clean_name(text)


@pytest.mark.parametrize(("text", "name"), HOSTILE, ids=[f"{n}-{ascii(row[0])[:30]}" for n, row in enumerate(HOSTILE)])
def test_hostile_texts(text: str, name: str) -> None:
    """What its victim would read: the host's words and what is left of the name, or a neutral word."""
    event = an_event()
    booking = a_booking(event, replace(an_invitee(event), name=text))
    name = name or "guest"
    to = Recipient(number=NUMBER, country="US", language="en", timezone="America/Chicago")
    params = render(CONFIRMATION, booking, to, Policy(timezone="America/Chicago", timezone_is_set=True))
    assert isinstance(params, dict)
    read = preview(TEMPLATE, params)

    assert read == f"[North Pier] Hello {name}, confirmed: Wed, Nov 25, 6:00 AM"
    assert not FORBIDDEN.search(name)
    assert not set("{}") & set(read)
    assert read.isprintable()
    assert segments(read) <= 2


@pytest.mark.parametrize("name", HONEST)
def test_honest_names(name: str) -> None:
    """A name as people have them stays as it is."""
    assert unicodedata.normalize("NFC", name) == clean_name(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("J.R.R.Tolkien", "J.R.R. Tolkien"),
        ("J.Li", "J. Li"),
        ("Dr.Ng", "Dr. Ng"),
        ("Dr.med.Ng", "Dr. med. Ng"),
        ("St.John", "St. John"),
        ("Sea\u0301n O’Brien", "Seán O'Brien"),
        ("  Theo \t Brandt\n", "Theo Brandt"),
        ("卡尔•马克思", "卡尔·马克思"),
        ("Theo (he/him)", "Theo he him"),
        ("Mara – Lindqvist", "Mara - Lindqvist"),
        ("ﾊﾅｺ", "ハナコ"),
        ("Smith ,John", "Smith,John"),
    ],
)
def test_names_are_tidied(text: str, name: str) -> None:
    """A name written in an unusual way is tidied, not lost."""
    assert name == clean_name(text)


@pytest.mark.parametrize(
    ("text", "guest", "own"),
    [
        pytest.param("Room 12, 2nd floor (left)", "Room 12, 2nd floor (left)", None, id="prose stays"),
        pytest.param("Can't come; sorry!", "Can't come; sorry!", None, id="so does its punctuation"),
        pytest.param("14 Harbor Street, 60601 Chicago", "14 Harbor Street, 60601 Chicago", None, id="an address"),
        pytest.param("call 555-0142", "call", "call 555-0142", id="a number only from the host's account"),
        pytest.param("1:1 at 10.30", "1:1 at 10.30", None, id="times"),
        pytest.param("see evil.com/x", "see", None, id="links from nobody"),
        pytest.param("see Museum.museum", "see Museum. museum", None, id="nothing behind a dot that may be a domain"),
        pytest.param("諮詢（30分鐘）", "諮詢(30分鐘)", None, id="full-width punctuation"),
        pytest.param("¿Dudas? Llamada «gratis»", '¿Dudas? Llamada "gratis"', None, id="quotes"),
        pytest.param("a{{b}}c<d>", "a b c d", None, id="no braces"),
        pytest.param("and//or", "and/or", None, id="no double slash"),
        pytest.param("one\ntwo", "one two", None, id="lines are joined"),
        pytest.param("", "", None, id="nothing"),
        pytest.param("?!", "", None, id="nothing to read"),
    ],
)
def test_prose(text: str, guest: str, own: str | None) -> None:
    """Prose keeps punctuation; only the host's own may hold what looks like a phone number."""
    assert guest == clean(text)
    assert (guest if own is None else own) == clean_own(text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Hauptstr. 5, 3.OG/Zi. 12", "Hauptstr. 5, 3.OG/Zi. 12"),
        ("3.OG/Zimmer 5", "3.OG/Zimmer 5"),
        ("1.UG/Zimmer 5", "1. UG/Zimmer 5"),  # Uganda's
        ("1.Stock/Raum 5", "1. Stock/Raum 5"),
        ("2.OG/links", "2.OG/links"),
        ("Av.Brasil/1", "Av. Brasil/1"),
        ("St.Gallen/Schweiz", "St. Gallen/Schweiz"),
        ("Wohnen Sie in St.Gallen?", "Wohnen Sie in St. Gallen?"),
        ("ул.Ленина/5", "ул. Ленина/5"),
        ("Via S.Anna/2", "Via S. Anna/2"),
        ("Massage 1½ Stunden", "Massage 1 1/2 Stunden"),
        ("Massage ½ Stunde", "Massage 1/2 Stunde"),
        ("½2", "1/2 2"),
        ("2¾h", "2 3/4h"),
        ("Raum 5¹", "Raum 5 1"),
        ("Raum 3²", "Raum 3²"),
        ("10² m, 5 m³", "10² m, 5 m³"),
        ("²", "2"),
        ("H₂O", "H2O"),
        ("50% Beratung", "50% Beratung"),
        ("50 % off, 100%!", "50 % off, 100%!"),
        ("٥٠٪", "٥٠٪"),
        ("5%s %d 5%% %", "5 s d 5"),
        ("JavaScript: Grundlagen", "JavaScript: Grundlagen"),
        ("Data: Q&A", "Data: Q&A"),
        ("File: a, Intent: b", "File: a, Intent: b"),
        ("data:text/html,x javascript:x file:/x", ""),
        ("evil.com/x", ""),
        ("evil.com?x=1", ""),
        ("x.de/y", ""),
        ("evil.co.uk/x", ""),
        ("login.evil.com/x", ""),
        ("evil.соm/x", ""),
        ("169.254.169.254/x", ""),
        ("evil.museum/x", "evil. museum/x"),
        ("Hat Eva.Li?", "Hat Eva. Li?"),
    ],
)
def test_places_and_event_names_keep_their_words(text: str, cleaned: str) -> None:
    """Whoever typed it: no word goes, and no number becomes another, where nothing acts."""
    assert clean_own(text) == cleaned
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "guest"),
    [
        ("Raum 1.2.3.4", "Raum"),
        ("HTTP basics", "basics"),
        ("HTTPS: what for?", "what for?"),
        ("WWW and FTP", "and"),
        ("Dr.Ng/Dr.Li", ""),
    ],
)
def test_only_the_host_may_write(text: str, guest: str) -> None:
    """A room numbered like a machine's address, and a protocol's name."""
    assert clean_own(text) in {text, text.replace(".N", ". N").replace(".L", ". L")}
    assert clean(text) == guest


@pytest.mark.parametrize(
    "text", ["http:evil", "www.evil", "https:/evil", "hxxp:{evil}", "ftp.evil", "(www.evil)", "tel:110"]
)
def test_a_link_that_the_host_wrote_goes(text: str) -> None:
    """A protocol's name with more behind it is a link."""
    assert clean_own(f"see {text} now") == "see now"


def test_the_limit_leaves_letters_whole() -> None:
    """A text is cut at its limit, but never between a letter and its mark."""
    assert clean("abc", 2) == "ab"
    assert clean("aक\u093f", 2) == "a"
    assert clean("ab cd", 3) == "ab"


NASTY = st.sampled_from(
    [
        *". . . / : @ { } {{ }} ( ) [ ] com net www http:// evil dot . COM 1 2 3 + - J Li".split(),
        *" \n\u200b\u202e\u3002\u0301",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(categories=["L", "M", "N", "P", "C", "Z"]), max_size=60),
    st.lists(NASTY, max_size=25).map("".join),
    st.lists(st.one_of(NASTY, st.text(max_size=3)), max_size=20).map("".join),
    st.sampled_from([row[0] for row in HOSTILE if len(row[0]) < 100]),
)
DOMAINS = {str(code).lower() for code in Locale("en").territories if len(str(code)) == 2}
DOMAINS = (DOMAINS | set("eu su uk tp an".split())) - set("xa xb zz qo ez un".split())
"""Every domain of two letters is a territory's, or one of a few; some territories are none."""
FORBIDDEN = re.compile(
    r"[{}<>\\@|\[\]%\r\n\t]|://|//|\w\.[^\W\d_]{3}|\w\.(?![A-Za-z])[^\W\d_]{2}|(?i:\bwww\b|\bhttps?\b|\bhxxps?\b)"
)


PERCENT = re.compile(r"(?<=\d)%(?!\w)|(?<=\d )%(?!\w)")
"""Of a number: nothing is filled in there."""
PROTOCOL = re.compile(r"(?<![^\W_])(?:www|h(?:tt|xx)ps?)(?![.:]+\w)(?![^\W_])", re.IGNORECASE)
"""Named alone, as only the host may."""


def acts(text: str) -> bool:
    """Whether a text holds something that a phone, a terminal or a gateway would act on."""
    invisible = any(unicodedata.category(one)[0] in "CZ" and one != " " for one in text)
    labels = {label.casefold() for label in re.findall(r"\w\.([^\W\d_]{2,})", text)}
    return invisible or bool(labels & DOMAINS) or FORBIDDEN.search(text) is not None


JOINERS = " '.,·\u055a\u0589\u05f3\u05f4\u0964\u0970\u06d4\u0f0b\u0f0c\u1361\u1362\u2e31\u2e33\u30fb" + "".join(
    character for character in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(character) == "Pd"
)
"""What stands between the letters of a name in any script."""


@given(TEXTS)
@example("evil. comx")
@example("e v i l . c o m")
def test_names_never_act(text: str) -> None:
    """Whatever comes in: allowed characters only, short, no link, no number, and cleaning again changes nothing."""
    name = clean_name(text)

    assert len(name) <= 40
    assert not acts(name)
    assert all(unicodedata.category(one)[0] in "LM" or one.isdecimal() or one in JOINERS for one in name)
    assert not re.search(r"\d[\s\-.,]{0,3}(?:\d[\s\-.,]{0,3}){4,}", name)
    assert name == unicodedata.normalize("NFC", name)
    assert name == clean_name(name)


@given(TEXTS, st.integers(1, 160))
def test_prose_never_acts(text: str, limit: int) -> None:
    """The same for prose, of guests and hosts, at any limit."""
    guest, own = clean(text, limit), clean_own(text, limit)

    assert max(len(guest), len(own)) <= limit
    assert not acts(PERCENT.sub("", guest))
    assert not acts(PROTOCOL.sub("", PERCENT.sub("", own)))
    assert guest == clean(guest, limit)
    assert own == clean_own(own, limit)


@given(st.lists(st.sampled_from(HONEST), min_size=1, max_size=2).map(" ".join))
def test_honest_people_keep_a_name(name: str) -> None:
    """No honest name is cleaned to nothing."""
    assert clean_name(name)
