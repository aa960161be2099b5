"""Who is texted: sources, kinds of numbers, countries, hosts, languages, zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.phone_numbers import NUMBERS
from syncer.model import Answer, Audience, Booking, Event, Host, Invitee, Location
from syncer.reasons import Reason
from syncer.recipients import NoRecipient, Recipient, host_of, needs_questions, recipients, tag_of, template_for
from syncer.rules import HostSettings, Policy, Rule, Trigger

START = datetime(2026, 11, 25, 16, tzinfo=UTC)
MARA = Host("https://api.calendly.com/users/2f6a9c10", "mara@northpier.example", "Mara Lindqvist")
IDA = Host("https://api.calendly.com/users/77aa01/", "Ida@NorthPier.example", "Ida Berg")
IDA_AT = "ida@northpier.example"
IDAS = HostSettings(phone="0151 23456789", language="de", timezone="Europe/Berlin")
WRONG = HostSettings(phone="+123")
TO_INVITEE = Rule(name="confirmation", on=Trigger.BOOKED, templates={"": "1"})
TO_HOST = replace(TO_INVITEE, name="host", to=Audience.HOST)
US = "+13125550142"


def booking(
    *, location: Location | None = None, hosts: tuple[Host, ...] = (MARA,), total: int = 1, **of_invitee: Any
) -> Booking:
    """Make a booking; what is given goes to the invitee."""
    event = Event(
        uri="https://api.calendly.com/scheduled_events/9d3e1f52",
        name="Phone consultation",
        status="active",
        start=START,
        end=START + timedelta(minutes=30),
        event_type="https://api.calendly.com/event_types/c0ffee00",
        location=location,
        hosts=hosts,
        total=total,
        active=total,
    )
    given = {"name": "Theo Brandt", "email": "theo@example.com"} | of_invitee
    invitee = Invitee(uri=f"{event.uri}/invitees/1", event=event.uri, **given)
    return Booking(event=event, invitee=invitee, seen_at=START, read_at=START)


def one(made: Booking, policy: Policy, questions: frozenset[str] | None = frozenset()) -> Recipient | NoRecipient:
    """Find the one recipient of a text to the invitee."""
    (found,) = recipients(made, TO_INVITEE, policy, phone_questions=questions)
    return found


def shown(found: Recipient | NoRecipient) -> str:
    """Write a number, or the reason in brackets; with it a country or a kind of number, but no words of ours."""
    if isinstance(found, Recipient):
        return found.number
    return f"[{found.reason}: {found.detail}]" if found.detail.isidentifier() else f"[{found.reason}]"


@pytest.mark.parametrize(("text", "country", "expected"), NUMBERS, ids=[ascii(row[0])[:40] + row[1] for row in NUMBERS])
def test_numbers(text: str, country: str, expected: str) -> None:
    """A number is used only when it surely takes texts; the reason why not never holds the number."""
    found = one(booking(text_reminder_number=text), Policy(country=country.upper()))

    assert expected == shown(found)
    assert not isinstance(found, NoRecipient) or not any(character.isdecimal() for character in found.detail)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+442079460958", "+442079460958"),
        ("+883510012345678", "[not_mobile]"),
        ("+19005551234", "[not_mobile: premium_rate]"),
        ("+80812345678", "[not_mobile: shared_cost]"),
        ("+447012345678", "[not_mobile: personal_number]"),
        ("+8816123456789", "[not_mobile]"),
        ("+447700900123", "[invalid_number]"),
    ],
)
def test_landlines_allowed(text: str, expected: str) -> None:
    """`allow_landlines` admits landlines, and nothing that costs more."""
    assert expected == shown(one(booking(text_reminder_number=text), Policy(allow_landlines=True)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+13125550142", "[country_not_allowed: US]"),
        ("+18765551234", "[country_not_allowed: JM]"),
        ("+447624123456", "[country_not_allowed: IM]"),
        ("+447400123456", "+447400123456"),
        ("+886912345678", "+886912345678"),
    ],
)
def test_allowed_countries(text: str, expected: str) -> None:
    """The country is the number's own, not that of a shared country code."""
    policy = Policy(allowed_countries=frozenset({"GB", "TW"}))

    assert expected == shown(one(booking(text_reminder_number=text), policy))


CALL = Location("outbound_call", "+1 312-555-0143")
HOSTS_NUMBER = Location("inbound_call", "+1 312-555-0199")
ANSWERS = (
    Answer("Company", "North Pier"),
    Answer("Mobile number", "+1 312-555-0144"),
    Answer("Order", "+1 312-555-0145"),
)


@pytest.mark.parametrize(
    ("made", "policy", "questions", "expected"),
    [
        pytest.param(
            booking(text_reminder_number=US, location=CALL, answers=ANSWERS),
            Policy(),
            None,
            US,
            id="the reminder number comes first",
        ),
        pytest.param(
            booking(location=CALL, answers=ANSWERS), Policy(), None, "+13125550143", id="then the number of the call"
        ),
        pytest.param(
            booking(answers=ANSWERS), Policy(), frozenset({"Mobile number"}), "+13125550144", id="then a question"
        ),
        pytest.param(
            booking(answers=ANSWERS), Policy(), frozenset({" mobile NUMBER"}), "+13125550144", id="in any case"
        ),
        pytest.param(booking(answers=ANSWERS), Policy(), frozenset({"Order"}), "+13125550145", id="by its type alone"),
        pytest.param(booking(answers=ANSWERS), Policy(), frozenset(), "[no_number]", id="no question is of that type"),
        pytest.param(booking(answers=ANSWERS), Policy(), None, "+13125550144", id="not known: by what it is called"),
        pytest.param(
            booking(answers=ANSWERS),
            Policy(phone_sources=("question:order",)),
            frozenset(),
            "+13125550145",
            id="a named question, whatever its type",
        ),
        pytest.param(
            booking(text_reminder_number=US, location=CALL),
            Policy(phone_sources=("outbound_call",)),
            None,
            "+13125550143",
            id="only the sources that are set",
        ),
        pytest.param(
            booking(text_reminder_number=US, location=CALL),
            Policy(phone_sources=("outbound_call", "text_reminder_number")),
            None,
            "+13125550143",
            id="in the order that is set",
        ),
        pytest.param(
            booking(text_reminder_number="+442079460958", answers=ANSWERS),
            Policy(),
            None,
            "+13125550144",
            id="a landline gives way to a later mobile",
        ),
        pytest.param(
            booking(text_reminder_number="+442079460958", location=Location("outbound_call", "+19005551234")),
            Policy(),
            None,
            "[landline]",
            id="with none, the first reason counts",
        ),
        pytest.param(
            booking(text_reminder_number="  ", location=Location("outbound_call", "+19005551234")),
            Policy(),
            None,
            "[not_mobile: premium_rate]",
            id="blanks are no candidate",
        ),
        pytest.param(booking(location=HOSTS_NUMBER), Policy(), None, "[no_number]", id="never the host's own number"),
        pytest.param(
            booking(location=Location("ask_invitee", US)), Policy(), None, "[no_number]", id="nor another location"
        ),
        pytest.param(
            booking(location=CALL, total=3),
            Policy(),
            None,
            "[no_number]",
            id="nor another guest's",
        ),
        pytest.param(booking(), Policy(), None, "[no_number]", id="nothing at all"),
        pytest.param(booking(answers=ANSWERS), Policy(phone_sources=()), None, "[no_number]", id="no source is set"),
        pytest.param(
            booking(text_reminder_number=US, email="1e99@deleted.calendly.com"),
            Policy(),
            None,
            "[erased]",
            id="erased at Calendly",
        ),
        pytest.param(
            booking(answers=(Answer("Phone", "n/a 1"), *ANSWERS)),
            Policy(),
            None,
            "+13125550144",
            id="the first that fits",
        ),
    ],
)
def test_sources(made: Booking, policy: Policy, questions: frozenset[str] | None, expected: str) -> None:
    """The first source with a number that takes texts wins."""
    assert expected == shown(one(made, policy, questions))


@pytest.mark.parametrize(
    "question",
    (
        "Phone|Phone number|phone_number|Your PHONE no.|Mobile|Mobile number|Cell|Cell #|Tel.|Telephone|WhatsApp"
        "|Téléphone portable|Te\u0301le\u0301phone|Teléfono móvil|Celular|Telefone celular|Cellulare|Handynummer"
        "|Telefonnummer|Mobilnummer|Rufnummer|Numer telefonu|Puhelinnumero|Номер телефона|电话|電話|手机号|手機號碼"
        "|携帯電話|휴대폰 번호|전화번호|เบอร์โทรศัพท์|Số điện thoại|رقم الهاتف|טלפון|मोबाइल नंबर"
    ).split("|"),
)
def test_questions_called_like_one(question: str) -> None:
    """Where the types of questions are not known, what a question is called decides, in many languages."""
    assert shown(one(booking(answers=(Answer(question, US),)), Policy(), None)) == US


@pytest.mark.parametrize(
    "question",
    [
        "Hotel",
        "Excellent?",
        "Order number",
        "Emergency contact phone",
        "Fax or phone",
        "Telegram",
        "Cancellation code",
        "",
    ],
)
def test_questions_not_called_like_one(question: str) -> None:
    """A number in another answer is no number to text."""
    assert shown(one(booking(answers=(Answer(question, US),)), Policy(), None)) == "[no_number]"


def test_a_yes_is_no_number() -> None:
    """A question that is called like one, but answered without digits, is passed over silently."""
    made = booking(answers=(Answer("May we send you an SMS?", "Yes"),))

    assert shown(one(made, Policy(), None)) == "[no_number]"
    assert shown(one(made, Policy(), frozenset({"May we send you an SMS?"}))) == "[invalid_number]"


@pytest.mark.parametrize(
    ("made", "policy", "expected"),
    [
        pytest.param(booking(answers=ANSWERS), Policy(), True, id="an answer may hold the number"),
        pytest.param(booking(answers=ANSWERS[:1]), Policy(), False, id="no answer looks like one"),
        pytest.param(booking(), Policy(), False, id="no answers"),
        pytest.param(
            booking(text_reminder_number=US, answers=ANSWERS), Policy(), False, id="an earlier source has one"
        ),
        pytest.param(
            booking(text_reminder_number="+442079460958", answers=ANSWERS),
            Policy(),
            True,
            id="an earlier one is a landline",
        ),
        pytest.param(
            booking(answers=ANSWERS),
            Policy(phone_sources=("question:Order", "question:*")),
            False,
            id="a named question",
        ),
        pytest.param(
            booking(answers=ANSWERS),
            Policy(phone_sources=("question:Mobile number",)),
            False,
            id="types are not asked for",
        ),
        pytest.param(
            booking(answers=ANSWERS, text_reminder_number=US),
            Policy(phone_sources=("question:*", "text_reminder_number")),
            True,
            id="questions come first",
        ),
        pytest.param(booking(answers=ANSWERS, email="x@deleted.calendly.com"), Policy(), False, id="erased"),
    ],
)
def test_needs_questions(made: Booking, policy: Policy, expected: bool) -> None:
    """The event type is read only when the number hangs on it."""
    assert expected == needs_questions(made, policy)


ALL_ANSWERS = st.lists(
    st.builds(Answer, st.sampled_from(["Phone", "Order"]), st.sampled_from([US, "+442079460958", "Yes", ""]))
)


@given(
    answers=ALL_ANSWERS.map(tuple),
    number=st.sampled_from(["", US, "+442079460958"]),
    sources=st.permutations(["text_reminder_number", "outbound_call", "question:*"]).map(tuple),
    questions=st.sampled_from([None, frozenset[str](), frozenset({"Order"}), frozenset({"Phone", "Order"})]),
)
def test_needing_no_questions_means_it(
    answers: tuple[Answer, ...], number: str, sources: tuple[str, ...], questions: frozenset[str] | None
) -> None:
    """When the types of questions are not needed, knowing them changes no number."""
    made, policy = booking(answers=answers, text_reminder_number=number), Policy(phone_sources=sources)

    if not needs_questions(made, policy):
        with_them, without = one(made, policy, questions), one(made, policy, None)
        assert isinstance(with_them, NoRecipient) == isinstance(without, NoRecipient)
        assert isinstance(with_them, NoRecipient) or with_them == without


@pytest.mark.parametrize(
    ("policy", "number", "language"),
    [
        pytest.param(Policy(), US, "en", id="the default"),
        pytest.param(Policy(language="de"), US, "de", id="as set"),
        pytest.param(
            Policy(languages_by_country={"TW": "zh-TW"}), "+886912345678", "zh-TW", id="by the number's country"
        ),
        pytest.param(Policy(languages_by_country={"TW": "zh-TW"}), US, "en", id="not by another's"),
        pytest.param(
            Policy(languages_by_country={"TW": "zh-TW"}, languages_by_event_type={"Phone consultation": "fr"}),
            "+886912345678",
            "fr",
            id="the event type's name comes before",
        ),
        pytest.param(
            Policy(languages_by_event_type={"https://api.calendly.com/event_types/c0ffee00": "es"}),
            US,
            "es",
            id="so does its URI",
        ),
    ],
)
def test_language(policy: Policy, number: str, language: str) -> None:
    """The language is the event type's, else the country's, else the default."""
    found = one(booking(text_reminder_number=number), policy)

    assert isinstance(found, Recipient)
    assert language == found.language


@pytest.mark.parametrize(
    ("given_zone", "zone"),
    [
        ("America/Chicago", "America/Chicago"),
        ("America/New York", "America/New_York"),
        (" Asia/Taipei ", "Asia/Taipei"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("UTC", "UTC"),
        ("Etc/GMT-8", "Etc/GMT-8"),
        ("", "Europe/Berlin"),
        ("America", "Europe/Berlin"),
        ("Mars/Olympus", "Europe/Berlin"),
        ("Central Standard Time", "America/Chicago"),
        ("GMT+8", "Europe/Berlin"),
        ("../../etc/passwd", "Europe/Berlin"),
        ("/etc/localtime", "Europe/Berlin"),
        ("localtime", "Europe/Berlin"),
        ("Factory", "Europe/Berlin"),
        ("A\x00B", "Europe/Berlin"),
        ("Ä/Ö", "Europe/Berlin"),
        ("x" * 5000, "Europe/Berlin"),
    ],
)
def test_zone(given_zone: str, zone: str) -> None:
    """The invitee's zone counts when it is a real one, else the default."""
    found = one(booking(text_reminder_number=US, timezone=given_zone), Policy(timezone="Europe/Berlin"))

    assert isinstance(found, Recipient)
    assert zone == found.timezone


def test_country_of_a_number() -> None:
    """The recipient's country is the number's."""
    assert one(booking(text_reminder_number="+18765551234"), Policy()) == Recipient(
        number="+18765551234", country="JM", language="en", timezone="UTC"
    )


MARAS = HostSettings(phone="+13125550199", timezone="America/Chicago", language="de")
BOTH = {"mara@northpier.example": MARAS, "ida@northpier.example": HostSettings(phone="+4915123456789")}


@pytest.mark.parametrize(
    ("hosts", "policy", "expected"),
    [
        pytest.param((MARA,), Policy(hosts=BOTH), ["+13125550199 US de America/Chicago "], id="one host, no tag"),
        pytest.param(
            (MARA, IDA),
            Policy(hosts=BOTH, timezone="Asia/Tokyo"),
            ["+13125550199 US de America/Chicago 2f6a9c10", "+4915123456789 DE en Asia/Tokyo 77aa01"],
            id="two hosts, each with a tag, in any case of the e-mail",
        ),
        pytest.param(
            (MARA, IDA),
            Policy(hosts={"mara@northpier.example": MARAS}, host_phone="+13125550111"),
            ["+13125550199 US de America/Chicago 2f6a9c10"],
            id="one of two has a number",
        ),
        pytest.param(
            (MARA, IDA),
            Policy(hosts=dict.fromkeys(BOTH, MARAS)),
            ["+13125550199 US de America/Chicago 2f6a9c10"],
            id="the same number once",
        ),
        pytest.param(
            (MARA, IDA),
            Policy(host_phone="+13125550111", language="fr"),
            ["+13125550111 US fr UTC "],
            id="the fallback",
        ),
        pytest.param(
            (MARA,),
            Policy(host_phone="+13125550111", hosts={"mara@northpier.example": replace(MARAS, phone="")}),
            ["+13125550111 US de America/Chicago "],
            id="the fallback, in the host's language and zone",
        ),
        pytest.param((), Policy(host_phone="+13125550111"), ["+13125550111 US en UTC "], id="an event without hosts"),
        pytest.param((MARA,), Policy(), ["[no_number]"], id="none"),
        pytest.param((), Policy(), ["[no_number]"], id="no hosts, none"),
        pytest.param(
            (MARA,),
            Policy(host_phone="+447700900123"),
            ["[invalid_number]"],
            id="the operator's own number is a telephone's",
        ),
        pytest.param((MARA,), Policy(host_phone="+442079460958"), ["+442079460958 GB en UTC "], id="even a landline"),
        pytest.param(
            (MARA,),
            Policy(hosts={"mara@northpier.example": HostSettings(phone="+123")}, host_phone="+13125550111"),
            ["[invalid_number]"],
            id="but that",
        ),
        pytest.param(
            (MARA,),
            Policy(host_phone="0912 345 678", country="TW"),
            ["+886912345678 TW en UTC "],
            id="in the country set",
        ),
    ],
)
def test_hosts(hosts: tuple[Host, ...], policy: Policy, expected: list[str]) -> None:
    """Each host with a number in the settings gets a text, else the fallback number does."""
    found = recipients(booking(hosts=hosts), TO_HOST, policy, phone_questions=None)
    written = [
        f"{to.number} {to.country} {to.language} {to.timezone} {to.tag}" if isinstance(to, Recipient) else shown(to)
        for to in found
    ]

    assert expected == written


@pytest.mark.parametrize(
    ("hosts", "host_phone", "fallback", "expected"),
    [
        pytest.param({IDA_AT: IDAS}, "", True, "+4915123456789 DE de Europe/Berlin 77aa01 own", id="their own"),
        pytest.param({IDA_AT: IDAS}, US, False, "+4915123456789 DE de Europe/Berlin 77aa01 own", id="and no other"),
        pytest.param({IDA_AT: WRONG}, US, True, "[invalid_number]", id="their own is none"),
        pytest.param({}, US, True, f"{US} US en UTC  office", id="the fallback"),
        pytest.param(
            {IDA_AT: replace(IDAS, phone="")}, US, True, f"{US} US de Europe/Berlin  office", id="as they read"
        ),
        pytest.param({}, US, False, "[no_number]", id="where it is not wanted"),
        pytest.param({}, "", True, "[no_number]", id="no fallback"),
        pytest.param({}, "+123", True, "[invalid_number]", id="the fallback is none"),
    ],
)
def test_one_host(hosts: dict[str, HostSettings], host_phone: str, fallback: bool, expected: str) -> None:
    """Who takes a meeting over hears of it by their own number, or by the office's where that is wanted."""
    to = host_of(IDA, Policy(hosts=hosts, host_phone=host_phone, country="DE"), fallback=fallback)
    whose = "own" if isinstance(to, Recipient) and to.is_own else "office"
    written = (
        f"{to.number} {to.country} {to.language} {to.timezone} {to.tag} {whose}"
        if isinstance(to, Recipient)
        else shown(to)
    )

    assert written == expected


def test_hosts_are_told_apart_by_their_uri_or_else_by_their_email() -> None:
    """In keys of messages: no e-mail stands in one."""
    nobody = replace(IDA, uri="")

    assert tag_of(IDA) == tag_of(replace(IDA, uri=IDA.uri.rstrip("/"))) == "77aa01"
    assert tag_of(replace(IDA, uri="XX/")) == "XX"
    assert tag_of(nobody) == tag_of(replace(nobody, email=IDA_AT)) != tag_of(replace(nobody, email="x@example.com"))
    assert len(tag_of(nobody)) == 12
    assert "@" not in tag_of(nobody)


def test_hosts_are_not_texted_about_an_erased_person() -> None:
    """A text to the host would hold the erased person's name."""
    made = booking(email="1e99@deleted.calendly.com")

    assert recipients(made, TO_HOST, Policy(hosts=BOTH), phone_questions=None) == (NoRecipient(Reason.ERASED),)


@pytest.mark.parametrize(
    ("templates", "language", "default", "expected"),
    [
        pytest.param({"": "1"}, "zh-TW", "en", ("zh-TW", "1"), id="one for any language"),
        pytest.param({"en": "1", "zh-TW": "2"}, "zh-TW", "en", ("zh-TW", "2"), id="exactly"),
        pytest.param({"en": "1", "zh-tw": "2"}, "zh_TW", "en", ("zh_TW", "2"), id="in any spelling"),
        pytest.param({"en": "1", "de": "2"}, "de-AT", "en", ("de-AT", "2"), id="the base language"),
        pytest.param({"en": "1", "zh": "2", "zh-TW": "3"}, "zh-TW", "en", ("zh-TW", "3"), id="exactly before the base"),
        pytest.param({"fr": "1", "en": "2"}, "ja", "en", ("en", "2"), id="the default, and in its language"),
        pytest.param({"fr": "1", "en": "2"}, "ja", "en-GB", ("en", "2"), id="the base of the default"),
        pytest.param({"fr": "1", "de": "2"}, "ja", "en", ("fr", "1"), id="the first"),
        pytest.param({"fr": "1", "": "2", "en": "3"}, "ja", "en", ("ja", "2"), id="any language before the default"),
    ],
)
def test_template_for(templates: dict[str, str], language: str, default: str, expected: tuple[str, str]) -> None:
    """A language that is missing falls back, and the fields follow the template's language."""
    assert expected == template_for(replace(TO_INVITEE, templates=templates), language, default)


def test_a_rule_without_a_template() -> None:
    """A rule without any template is an error that names the rule and the setting."""
    with pytest.raises(ValueError, match="confirmation has no template"):
        template_for(replace(TO_INVITEE, templates={}), "en", "en")


@given(st.text(max_size=40), st.sampled_from(["", "US", "DE"]))
def test_whatever_a_field_holds(text: str, country: str) -> None:
    """No text of a field raises, and a number that comes out of it is E.164."""
    found = one(booking(text_reminder_number=text), Policy(country=country))

    assert isinstance(found, NoRecipient) or (
        found.number[0] == "+" and found.number[1:].isascii() and found.number[1:].isdigit()
    )
