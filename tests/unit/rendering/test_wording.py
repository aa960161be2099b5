"""Params filled from fields: whose words, whose zone, what is empty, what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.engagelab import Template
from syncer.model import Answer, Audience, Booking, Event, Host, Invitee, Location
from syncer.recipients import Recipient
from syncer.rules import DEFAULT_PARAMS, FIELDS, HostSettings, Policy, Rule, Trigger
from syncer.wording import Unfilled, fill, preview, render, render_one, segments, unknown_fields, variables

START = datetime(2026, 11, 25, 16, tzinfo=UTC)
MARA = Host("https://api.calendly.com/users/2f6a9c10", "mara@northpier.example", "Mara Lindqvist")
IDA = Host("https://api.calendly.com/users/77aa01", "ida@northpier.example", "Ida Berg")
THEO = Recipient(number="+13125550142", country="US", language="en", timezone="America/Chicago")
CHICAGO = Policy(timezone="America/Chicago", timezone_is_set=True)

EVENT = Event(
    uri="https://api.calendly.com/scheduled_events/9d3e1f52",
    name="Phone consultation",
    status="active",
    start=START,
    end=START + timedelta(minutes=30),
    location=Location("zoom", join_url="https://us02web.zoom.us/j/81234567890?pwd=aB.1"),
    hosts=(MARA,),
)
INVITEE = Invitee(
    uri=f"{EVENT.uri}/invitees/1",
    event=EVENT.uri,
    name="Theo van den Brandt",
    email="theo@example.com",
    timezone="America/Chicago",
    answers=(
        Answer("REASON of visit", "first"),
        Answer("Reason of visit", "Tooth ache,\nleft"),
        Answer("reason of visit ", "other"),
    ),
    cancel_reason="Travel moved by a day",
    cancel_url="https://calendly.com/cancellations/1a2b",
    reschedule_url="https://calendly.com/reschedulings/1a2b",
)
RULE = Rule(name="reminder-24h", on=Trigger.BEFORE_START, templates={"": "1"}, offset=timedelta(hours=24))


def booking(invitee: Invitee = INVITEE, **of_event: Any) -> Booking:
    """Make a booking; what is given goes to the event."""
    return Booking(event=replace(EVENT, **of_event), invitee=invitee, seen_at=START, read_at=START)


def filled(
    text: str, made: Booking | None = None, recipient: Recipient = THEO, policy: Policy = CHICAGO, rule: Rule = RULE
) -> str:
    """Render one param; an empty field in brackets."""
    params = render(replace(rule, params={"x": text}), made or booking(), recipient, policy)
    return f"[{params.field}]" if isinstance(params, Unfilled) else params["x"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", "Theo van den Brandt"),
        ("first_name", "Theo"),
        ("last_name", "van den Brandt"),
        ("email", "theo@example.com"),
        ("event_name", "Phone consultation"),
        ("start", "Wed, Nov 25, 10:00 AM"),
        ("start_date", "Wed, Nov 25"),
        ("start_time", "10:00 AM"),
        ("end_time", "10:30 AM"),
        ("offset", "24 hours"),
        ("host_name", "Mara Lindqvist"),
        ("location", "[location]"),
        ("join_url", "https://us02web.zoom.us/j/81234567890?pwd=aB.1"),
        ("cancel_url", "https://calendly.com/cancellations/1a2b"),
        ("reschedule_url", "https://calendly.com/reschedulings/1a2b"),
        ("reason", "Travel moved by a day"),
        ("answer:Reason of visit", "Tooth ache, left"),
        ("answer: reason of Visit", "first"),
        ("answer:reason of visit ", "first"),
        ("answer:Something else", "[answer:Something else]"),
    ],
)
def test_fields(field: str, text: str) -> None:
    """Each field is written from the booking, or found empty."""
    assert text == filled(f"{{{field}}}")


def test_every_field_is_written() -> None:
    """No field of the contract is forgotten: with all of it at hand, none is empty."""
    made = booking(location=Location("physical", "14 Harbor Street", "https://example.com/x"))

    assert not [field for field in FIELDS if filled(f"{{{field}}}", made).startswith("[")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param({"name": "Theo Brandt"}, ("Theo Brandt", "Theo", "Brandt"), id="one name field"),
        pytest.param({"name": "Prince"}, ("Prince", "Prince", "[last_name]"), id="one word"),
        pytest.param({"name": "王小明"}, ("王小明", "王小明", "[last_name]"), id="without a blank"),
        pytest.param(
            {"name": "Ana María Ruiz", "first_name": "Ana María", "last_name": "Ruiz"},
            ("Ana María Ruiz", "Ana María", "Ruiz"),
            id="two name fields",
        ),
        pytest.param(
            {"name": "", "first_name": "Ana", "last_name": "Ruiz"}, ("Ana Ruiz", "Ana", "Ruiz"), id="no whole name"
        ),
        pytest.param({"name": "😀"}, ("guest", "guest", "[last_name]"), id="nothing left"),
        pytest.param(
            {"name": "Theo evil.com Brandt", "first_name": "evil.com"},
            ("Theo Brandt", "Theo", "Brandt"),
            id="a cleaned first name gives way to the whole one's",
        ),
        pytest.param({"name": "{{time}} {x}"}, ("time x", "time", "x"), id="braces"),
    ],
)
def test_names(names: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """Names are cleaned; first and last fall back on the whole."""
    made = booking(replace(INVITEE, **({"first_name": "", "last_name": ""} | names)))

    assert expected == (filled("{name}", made), filled("{first_name}", made), filled("{last_name}", made))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi {first_name}!", "Hi Theo!"),
        ("{ first_name }, {start_time}", "Theo, 10:00 AM"),
        ("{location|see your e-mail}", "see your e-mail"),
        ("{name|guest}", "Theo van den Brandt"),
        ("{location|see https://example.com/where}", "see https://example.com/where"),
        ("at {location|}, {first_name}", "at , Theo"),
        ("{location|}", "[location]"),
        ("{location| }", "[location]"),
        ("no field at all", "no field at all"),
        ("", "[x]"),
        ("a\u00a0b\u200bc\n", "a bc"),
        ("{name", "name"),
        ("{unheard_of}", "[unheard_of]"),
    ],
)
def test_text_around_fields(text: str, expected: str) -> None:
    """Text around fields stays, a default stands in for what is empty, and no param is ever blank."""
    assert expected == filled(text)


def test_the_first_empty_field_is_named() -> None:
    """One empty field skips the message, whatever the other params hold."""
    rule = replace(RULE, params={"a": "{name}", "b": "{location}", "c": "{answer:x}"})

    assert render(rule, booking(), THEO, CHICAGO) == Unfilled("location")


def test_default_params_of_every_trigger() -> None:
    """The built-in params are filled for a plain booking."""
    for trigger, params in DEFAULT_PARAMS.items():
        made = render(replace(RULE, on=trigger, params=params), booking(), THEO, CHICAGO)
        assert isinstance(made, dict)
        assert set(made) == set(params)
    assert render(replace(RULE, params={}), booking(), THEO, CHICAGO) == {}


BERLIN = HostSettings(timezone="Europe/Berlin")
CENTRAL = HostSettings(timezone="America/Menominee")


@pytest.mark.parametrize(
    ("policy", "recipient", "hosts", "start"),
    [
        pytest.param(CHICAGO, THEO, (MARA,), "Wed, Nov 25, 10:00 AM", id="the zone that is set is the host's"),
        pytest.param(Policy(), THEO, (MARA,), "Wed, Nov 25, 10:00 AM CST", id="the host's zone is not known"),
        pytest.param(
            Policy(timezone="America/Chicago"),
            THEO,
            (MARA,),
            "Wed, Nov 25, 10:00 AM CST",
            id="a default is no word",
        ),
        pytest.param(
            Policy(hosts={"mara@northpier.example": BERLIN}),
            THEO,
            (MARA,),
            "Wed, Nov 25, 10:00 AM CST",
            id="the host's clock differs",
        ),
        pytest.param(
            Policy(hosts={"mara@northpier.example": CENTRAL}),
            THEO,
            (MARA,),
            "Wed, Nov 25, 10:00 AM",
            id="another name, the same clock",
        ),
        pytest.param(
            replace(CHICAGO, hosts={"mara@northpier.example": BERLIN}),
            THEO,
            (MARA, IDA),
            "Wed, Nov 25, 10:00 AM CST",
            id="the first host's own setting comes first",
        ),
        pytest.param(
            replace(CHICAGO, hosts={"ida@northpier.example": BERLIN}),
            THEO,
            (MARA, IDA),
            "Wed, Nov 25, 10:00 AM",
            id="the second host's does not count",
        ),
        pytest.param(CHICAGO, THEO, (), "Wed, Nov 25, 10:00 AM", id="no hosts"),
        pytest.param(
            CHICAGO,
            replace(THEO, timezone="Asia/Taipei", language="zh-TW"),
            (MARA,),
            "11月26日 週四 午夜12:00 GMT+8",
            id="the guest's language, zone and day",
        ),
    ],
)
def test_the_guests_zone(policy: Policy, recipient: Recipient, hosts: tuple[Host, ...], start: str) -> None:
    """The zone is named when the host's clock shows, or may show, another time."""
    assert start == filled("{start}", booking(hosts=hosts), recipient, policy)


def test_times_alone_name_the_zone_too() -> None:
    """A time of day needs the zone as much as the whole does; a date does not."""
    assert filled("{start_time}", policy=Policy()) == "10:00 AM CST"
    assert filled("{end_time}", policy=Policy()) == "10:30 AM CST"
    assert filled("{start_date}", policy=Policy()) == "Wed, Nov 25"


@pytest.mark.parametrize(
    ("policy", "recipient", "text"),
    [
        pytest.param(Policy(), THEO, "10:00 AM CST Mara Lindqvist", id="their zone is not set"),
        pytest.param(CHICAGO, THEO, "10:00 AM Mara Lindqvist", id="one zone is set for all"),
        pytest.param(
            Policy(hosts={"mara@northpier.example": BERLIN}),
            replace(THEO, timezone="Europe/Berlin"),
            "5:00 PM Mara Lindqvist",
            id="theirs is set",
        ),
        pytest.param(
            Policy(hosts={"mara@northpier.example": BERLIN}),
            replace(THEO, tag="77aa01"),
            "10:00 AM CST Ida Berg",
            id="the tag says which host it is",
        ),
        pytest.param(
            Policy(hosts={"ida@northpier.example": CENTRAL}),
            replace(THEO, tag="77aa01"),
            "10:00 AM Ida Berg",
            id="theirs",
        ),
    ],
)
def test_the_hosts_zone(policy: Policy, recipient: Recipient, text: str) -> None:
    """A host's text names the zone only when the settings do not say where the host is."""
    rule = replace(RULE, to=Audience.HOST)

    assert text == filled("{start_time} {host_name}", booking(hosts=(MARA, IDA)), recipient, policy, rule)


@pytest.mark.parametrize(
    ("text", "left", "expected"),
    [
        ("in {offset}", None, "in 24 hours"),
        ("in {offset}", timedelta(minutes=30), "in 30 minutes"),
        ("{start_time} {host_name}", None, "10:00 AM Mara Lindqvist"),
        ("{location}", None, Unfilled("location")),
        ("  ", None, Unfilled("")),
    ],
)
def test_one_param_alone(text: str, left: timedelta | None, expected: str | Unfilled) -> None:
    """As `check` shows it: without a moment it is written as planned."""
    at = None if left is None else START - left

    assert render_one(text, RULE, booking(), THEO, CHICAGO, at) == expected


@pytest.mark.parametrize(
    ("location", "text"),
    [
        (Location("physical", "14 Harbor Street, 60601-1234 Chicago"), "14 Harbor Street, 60601-1234 Chicago"),
        (Location("custom", "Front desk, call 312-555-0142"), "Front desk, call 312-555-0142"),
        (Location("ask_invitee", "My office, call 312-555-0142"), "My office, call"),
        (Location("ask_invitee", "evil.com"), "[location]"),
        (Location("outbound_call", "+13125550142"), "[location]"),
        (Location("inbound_call", "+13125550142"), "[location]"),
        (Location("inbound_call", "Ask for Mara"), "[location]"),
        (Location("google_conference"), "[location]"),
        (Location("never_seen", "+13125550142"), "[location]"),
        (None, "[location]"),
    ],
)
def test_location(location: Location | None, text: str) -> None:
    """A place is named, a number to call is not; only the host's own words may hold one."""
    assert text == filled("{location}", booking(location=location))


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://calendly.com/events/1a2b3c4d-1/google_meet", True),
        ("http://meet.example.com:8080/a?b=c&d=%20#e", True),
        ("https://example.com", True),
        ("https://example.com/" + "a" * 980, True),
        ("https://example.com/" + "a" * 981, False),
        ("javascript:alert(1)", False),
        ("ftp://example.com/x", False),
        ("//example.com/x", False),
        ("example.com/x", False),
        ("https://example.com/a b", False),
        ("https://example.com/{x}", False),
        ("https://example.com/\u202e", False),
        ("https://example.com/x\n", False),
        ("https://user:pass@example.com/", False),
        ("https://api.calendly.com@evil.example/", False),
        ("https://exаmple.com/", False),  # Cyrillic
        ("https://localhost/", False),
        ("https://[::1]/", False),
        ("https:\\\\example.com", False),
        ("", False),
    ],
)
def test_links(url: str, good: bool) -> None:
    """A link field holds an http(s) address of plain characters, or is empty."""
    made = booking(replace(INVITEE, cancel_url=url, reschedule_url=url), location=Location("zoom", "", url))
    texts = [filled(f"{{{field}}}", made) for field in ("join_url", "cancel_url", "reschedule_url")]

    assert texts == ([url] * 3 if good else ["[join_url]", "[cancel_url]", "[reschedule_url]"])


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        (" https://example.com/x ", "https://example.com/x"),
        ("\u00a0https://example.com/x\t", "https://example.com/x"),
        ("HTTPS://Example.com/X", "HTTPS://Example.com/X"),
        ("https://example.com/für/張?q=ж#é", "https://example.com/f%C3%BCr/%E5%BC%B5?q=%D0%B6#%C3%A9"),
        ("https://example.com/a[0]|b", "https://example.com/a%5B0%5D%7Cb"),
        ("https://example.com/%C3%BC", "https://example.com/%C3%BC"),
        ("https://example.com/٣", "https://example.com/%D9%A3"),
        ("https://example.com/e\u0301", "https://example.com/e%CC%81"),
        ("https://example.com?q=ü", "https://example.com?q=%C3%BC"),
        ("https://example.com:8080/", "https://example.com:8080/"),
        ("https://example.com:٨٠٨٠/", "[join_url]"),
        ("https://exаmple.com/ü", "[join_url]"),
        ("https://user@example.com/ü", "[join_url]"),
        ("https://example.com/ü\u202e", "[join_url]"),
        ("https://example.com/ü\u200b", "[join_url]"),
        ("https://example.com/ü x", "[join_url]"),
        ("https://example.com/ü\nx", "[join_url]"),
        ("https://example.com/ü{x}", "[join_url]"),
        ("https://example.com/ü\\x", "[join_url]"),
        ("https://example.com/<ü>", "[join_url]"),
        ("https://example.com/🌸–x", "https://example.com/%F0%9F%8C%B8%E2%80%93x"),
        ("https://example.com/\ud83d", "[join_url]"),
        ("https://example.com/" + "ü" * 170, "[join_url]"),  # too long when written so
    ],
)
def test_harmless_links(typed: str, url: str) -> None:
    """Blanks around it, capitals, and letters of other scripts behind the site's name make no link dangerous."""
    assert filled("{join_url}", booking(location=Location("zoom", "", typed))) == url


@pytest.mark.parametrize(
    ("typed", "email"),
    [
        (" theo@example.com ", "theo@example.com"),
        ("theo@xn--e1afmkfd.xn--p1ai", "theo@xn--e1afmkfd.xn--p1ai"),
        ("theo@example.XN--P1AI", "theo@example.XN--P1AI"),
        ("theo@example.xn--", "[email]"),
        ("theo@example.c1", "[email]"),
    ],
)
def test_harmless_emails(typed: str, email: str) -> None:
    """Blanks around it and the end of a domain of another script."""
    assert filled("{email}", booking(replace(INVITEE, email=typed))) == email


@pytest.mark.parametrize(
    "email", ["", "theo", "a b@example.com", "{x}@example.com", "x@" + "a" * 80 + ".com", "ü@x.example"]
)
def test_no_email(email: str) -> None:
    """What is no plain address is empty."""
    assert filled("{email}", booking(replace(INVITEE, email=email))) == "[email]"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{name} {start|soon} {answer:How are you?}", []),
        ("no field", []),
        ("{ name }", []),
        ("{location|}", []),
        ("{name} {nmae} {Start}", ["nmae", "Start"]),
        ("{}", ["{}"]),
        ("{|x}", ["{}"]),
        ("{answer:}", ["answer:"]),
        ("{answer}", ["answer"]),
        ("{{name}}", ["{"]),
        ("{name", ["{"]),
        ("name}", ["{"]),
        ("{nmae} {", ["nmae", "{"]),
    ],
)
def test_unknown_fields(text: str, wrong: list[str]) -> None:
    """The settings learn of each unknown name, and of braces that do not pair."""
    assert wrong == unknown_fields(text)


@pytest.mark.parametrize(
    ("content", "names", "filled_in"),
    [
        ("Hi {{name}}, at {{time}}", {"name", "time"}, "Hi Theo, at 10:00"),
        ("Hi {name}, at {time}", {"name", "time"}, "Hi Theo, at 10:00"),
        ("Hi {{ name }}, at {time}", {"name", "time"}, "Hi Theo, at 10:00"),
        ("Hi {{name}}, {{other}} {more}", {"name", "other", "more"}, "Hi Theo, {{other}} {more}"),
        ("Hi {{{name}}}", {"name"}, "Hi {Theo}"),
        ("您好{{name}}，時間{{time}}", {"name", "time"}, "您好Theo，時間10:00"),
        ("no variable {} {{}}", set(), "no variable {} {{}}"),
    ],
)
def test_template_content(content: str, names: set[str], filled_in: str) -> None:
    """A template's variables are found in both spellings, and a preview fills what there is."""
    assert names == variables(content)
    assert filled_in == fill(content, {"name": "Theo", "time": "10:00"})


@pytest.mark.parametrize(
    ("sign", "position", "expected"),
    [
        ("", 1, "Hi Theo"),
        ("Pier", 0, "Hi Theo"),
        ("Pier", 1, "[Pier] Hi Theo"),
        ("Pier", 2, "Hi Theo [Pier]"),
        ("Pier", 3, "Hi Theo"),
    ],
)
def test_a_preview_has_the_signature(sign: str, position: int, expected: str) -> None:
    """Before the text or behind it; without one, or at a place that nobody knows, there is none."""
    template = Template(id="1", content="Hi {{name}}", status=2, sign_name=sign, sign_position=position)

    assert preview(template, {"name": "Theo"}) == expected


def test_a_value_is_not_filled_again() -> None:
    """What a param holds is not looked at for variables."""
    assert fill("{{a}} {{b}}", {"a": "{{b}}", "b": "x"}) == "{{b}} x"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("", 1, id="an empty text"),
        pytest.param("a" * 160, 1, id="160 of GSM-7"),
        pytest.param("a" * 161, 2, id="161 are two of 153"),
        pytest.param("a" * 306, 2, id="306"),
        pytest.param("a" * 307, 3, id="307"),
        pytest.param("é" * 160, 1, id="accents that GSM-7 has"),
        pytest.param("€" * 80, 1, id="80 that count twice"),
        pytest.param("€" * 81, 2, id="81 that count twice"),
        pytest.param("週" * 70, 1, id="70 of UCS-2"),
        pytest.param("週" * 71, 2, id="71 are two of 67"),
        pytest.param("a" * 70 + "\u202f", 2, id="one odd blank makes all of it UCS-2"),
        pytest.param("😀" * 35, 1, id="a picture counts twice"),
        pytest.param("😀" * 36, 2, id="36 pictures"),
    ],
)
def test_segments(text: str, count: int) -> None:
    """The estimate follows GSM-7 and UCS-2."""
    assert count == segments(text)


@given(text=st.text(max_size=50), field=st.sampled_from([*sorted(FIELDS), "answer:q"]))
def test_no_value_holds_a_brace(text: str, field: str) -> None:
    """Whatever the booking holds, a value has no brace and no line break, and is not blank."""
    invitee = replace(
        INVITEE,
        name=text,
        first_name=text,
        last_name=text,
        email=text,
        answers=(Answer("q", text),),
        cancel_reason=text,
        cancel_url=text,
        reschedule_url=text,
    )
    made = booking(invitee, name=text, location=Location("custom", text, text), hosts=(replace(MARA, name=text),))
    params = render(replace(RULE, params={"x": f"{{{field}}}"}), made, THEO, CHICAGO)

    assert isinstance(params, Unfilled) or params["x"].strip()
    assert isinstance(params, Unfilled) or not set("{}\r\n") & set(params["x"])


@pytest.mark.parametrize(
    ("on", "ahead", "date"),
    [
        (Trigger.BOOKED, timedelta(days=180), "Wed, Nov 25"),
        (Trigger.BOOKED, timedelta(days=180, seconds=1), "Wed, Nov 25, 2026"),
        (Trigger.BEFORE_START, timedelta(days=400), "Wed, Nov 25"),
        (Trigger.AFTER_END, timedelta(days=400), "Wed, Nov 25"),
    ],
)
def test_the_year_where_the_meeting_is_far_off(on: Trigger, ahead: timedelta, date: str) -> None:
    """When the text leaves, not when it was booked: no reminder needs it."""
    made = replace(booking(), seen_at=START - ahead)
    rule = replace(RULE, on=on, offset=timedelta(hours=1) if on is not Trigger.BOOKED else timedelta())

    assert filled("{start_date}", made, rule=rule) == date
    assert filled("{start}", made, rule=rule) == f"{date}, 10:00 AM"
