"""Calendly: what answers mean, what records mean, and a client that gives whole listings or an error."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.recorded_responses import FOLDER, sample, samples
from support.sandbox_client import HOUR, NOW, START, Clock, renew
from syncer import calendly_accounts as accounts
from syncer import calendly_pages as pages
from syncer import calendly_shapes as shapes
from syncer.calendly import Calendly, EventType, Me, Member, decipher
from syncer.errors import (
    AccessRefused,
    BadParameter,
    CalendlyBusy,
    CalendlyRefused,
    LoginRefused,
    NotConnected,
    NotThere,
    NoUsableAnswer,
    SyncerError,
    Unreadable,
    Unsendable,
)
from syncer.http import Answer, Http, Prepared
from syncer.model import Answer as Typed
from syncer.model import Booking, Host, Location
from syncer.recipients import Recipient
from syncer.rules import Policy, Rule, Trigger
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World
from syncer.sieve import Sieve
from syncer.wording import Unfilled, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncer.http import Prepared
    from syncer.model import Event, Invitee

API = "https://api.calendly.com"
TOKEN = "canary-token"
EVENT = f"{API}/scheduled_events/9d3e1f52-aaaa-4bbb-8ccc-dddddddddddd"
OLD_EVENT = f"{API}/scheduled_events/1a2b3c4d-1"
MARA = f"{API}/users/2f6a9c10-0c1d-4e2f-8a3b-4c5d6e7f8091"
ORGANIZATION = f"{API}/organizations/7b1d2c3e-4f50-4162-8738-495a6b7c8d9e"
SCOPE = {"organization": ORGANIZATION}


def utc(text: str) -> datetime:
    """Read a time without a zone as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def raw(value: object, at: str = "a record") -> pages.Record:
    """Wrap a value as if it had come in an answer."""
    return pages.Record(msgspec.Raw(json.dumps(value).encode()), at)


def rows(name: str) -> list[pages.Record]:
    """Take the records of a recorded page."""
    found = sample(name)
    return pages.page(decipher(found.status, found.headers, found.body), name)[0]


def one(name: str) -> pages.Record:
    """Take the record of a recorded answer."""
    found = sample(name)
    return pages.resource(decipher(found.status, found.headers, found.body), name)


def events(name: str) -> list[Event]:
    """Read a recorded page of events."""
    return [shapes.event(row) for row in rows(name)]


def people(name: str, event: str = EVENT) -> list[Invitee]:
    """Read a recorded page of invitees."""
    return [shapes.invitee(row, event) for row in rows(name)]


READERS: dict[str, Callable[[str], object]] = {
    "users": lambda name: accounts.me(one(name)),
    "memberships": lambda name: [accounts.member(row) for row in rows(name)],
    "events": events,
    "invitees": lambda name: people(name, OLD_EVENT if "moved" in name else EVENT),
    "eventtypes": lambda name: accounts.event_type(one(name)),
}


@pytest.mark.parametrize("name", samples(*READERS))
def test_every_sample_decodes(name: str) -> None:
    """Each recorded answer is read without complaint, with nulls, gaps and unknown values in it."""
    assert READERS[sample(name).kind](name) is not None


def test_every_sample_is_of_a_known_kind() -> None:
    """No recorded answer is left out of the tests because of its name."""
    known = {*READERS, "errors", "templates", "signatures", "sends"}

    assert {folder.name.partition("-")[0] for folder in FOLDER.iterdir()} == known


def test_user() -> None:
    """A user is read, also with a null name and a time zone with a space in it."""
    assert accounts.me(one("users-me")) == Me(
        MARA, ORGANIZATION, "mara@northpier.example", "Mara Lindqvist", "America/Chicago"
    )
    assert accounts.me(one("users-me-odd")) == Me(MARA, ORGANIZATION, "Mara@NorthPier.example", "", "America/New_York")


def test_memberships() -> None:
    """Members come with their zone and role, as far as these are there."""
    first = [accounts.member(row) for row in rows("memberships-page-1")]
    odd = [accounts.member(row) for row in rows("memberships-odd")]

    assert first[0] == Member(MARA, "mara@northpier.example", "Mara Lindqvist", "America/Chicago", "owner")
    assert [(member.timezone, member.role) for member in first + odd] == [
        ("America/Chicago", "owner"),
        ("Europe/Berlin", "user"),
        ("", ""),
        ("", "group_admin"),
    ]


def test_events() -> None:
    """An event is read with its times to the second, its place, its hosts and its counts."""
    call, canceled = events("events-page-1")
    (clinic,) = events("events-page-2")

    assert (call.uri, call.name, call.status) == (EVENT, "Phone consultation", "active")
    assert (call.start, call.end) == (utc("2026-11-25T16:00:00"), utc("2026-11-25T16:30:00"))
    assert call.location == Location("outbound_call", "+1 312-555-0142")
    assert call.hosts == (Host(MARA, "mara@northpier.example", "Mara Lindqvist"),)
    assert (canceled.canceled, canceled.total, canceled.active) == (True, 1, 0)
    assert canceled.location == Location("google_conference", "", "https://calendly.com/events/1a2b3c4d-1/google_meet")
    assert (clinic.name, clinic.total, clinic.active) == ("Open clinic", 5, 3)


def test_calendar_entry() -> None:
    """The id in the host's calendar is read, also of both halves of a move; without a calendar it is empty."""
    found = [event.external_id for event in events("events-page-1") + events("events-odd")]

    assert found == ["q1w2e3r4t5y6", "q1w2e3r4t5y6", "", "", "q1w2e3r4t5y6"]


@pytest.mark.parametrize("entry", [None, 7, "q1w2", [], {}, {"external_id": None}, {"external_id": 7}, {"kind": "x"}])
def test_odd_calendar_entry(entry: object) -> None:
    """Whatever else stands there is no id, and no reason to refuse the event."""
    assert shapes.event(raw({**GOOD_EVENT, "calendar_event": entry})).external_id == ""


def test_who_booked() -> None:
    """Who booked on a guest's behalf is a user's URI, or nobody."""
    bare = {"uri": "u", "status": "active", "name": "Ines"}
    booked = [shapes.invitee(raw({**bare, "invitee_scheduled_by": by}), EVENT) for by in (MARA, None, 7, {"uri": MARA})]

    assert [invitee.scheduled_by for invitee in booked] == [MARA, "", "", ""]
    assert shapes.invitee(raw(bare), EVENT).scheduled_by == ""


def test_locations() -> None:
    """Every kind of place is read, also unknown ones, one without a kind, null, and none at all."""
    found = [event.location for event in events("events-locations")]

    assert found == [
        Location("ask_invitee", "Cafe on the corner"),
        Location("custom"),
        Location("outbound_call"),
        Location("inbound_call", "+1 312-555-0199"),
        Location("google_conference"),
        Location("zoom", "", "https://us06web.zoom.us/j/81234567890?pwd=abc"),
        Location("zoom_conference"),
        Location("microsoft_teams_conference", "", "https://calendly.com/events/1a2b3c4d-3/microsoft_teams"),
        Location("hologram"),
        Location("", "no type at all"),
        None,
        None,
    ]


def test_odd_events() -> None:
    """An event may be bare, full of nulls, of an unknown status, or have half a host."""
    bare, nulls, half = events("events-odd")

    assert (bare.status, bare.name, bare.hosts, bare.total, bare.canceled) == ("postponed", "", (), 0, False)
    assert (bare.start, bare.end) == (utc("2026-11-25T16:00:00"), utc("2026-11-25T16:30:00"))
    assert (nulls.name, nulls.event_type, nulls.hosts, nulls.location) == ("", "", (), None)
    assert half.name == "Spaced"
    assert half.hosts == (Host(MARA), Host("", "x@y.example", "X"))
    assert (half.total, half.active) == (0, 2)


HOST_TEXT = Rule(name="r", on=Trigger.BOOKED, templates={"": "1"}, params={"host": "{host_name|your host}"})


@pytest.mark.parametrize(
    ("name", "email", "written"),
    [
        ("deleted", None, "your host"),
        (" Deleted\n", None, "your host"),
        ("DELETED", "mara@northpier.example", "your host"),
        (None, None, "your host"),
        (7, None, "your host"),
        ("Deleted Scenes", "mara@northpier.example", "Deleted Scenes"),
        ("Mara Lindqvist", None, "Mara Lindqvist"),
    ],
)
def test_a_deleted_host_has_no_name(name: object, email: str | None, written: str) -> None:
    """Calendly calls them "deleted": nobody is told to meet that; the host is still the event's."""
    host = {"user": MARA, "user_email": email, "user_name": name}
    event = shapes.event(raw({**GOOD_EVENT, "event_memberships": [host]}))
    booking = Booking(
        event=event, invitee=shapes.invitee(raw(GOOD_INVITEE), EVENT), seen_at=event.start, read_at=event.start
    )
    recipient = Recipient(number="+13125550142", country="US", language="en", timezone="America/Chicago")

    assert [one.uri for one in event.hosts] == [MARA]
    assert render(HOST_TEXT, booking, recipient, Policy()) == {"host": written}
    bare = replace(HOST_TEXT, params={"host": "{host_name}"})
    nobody = written == "your host"
    assert render(bare, booking, recipient, Policy()) == (Unfilled("host_name") if nobody else {"host": written})


def test_events_with_wrong_types() -> None:
    """Counts, places, names and hosts of wrong types cost themselves alone."""
    counts, hosts = events("events-wrong-types")

    assert (counts.total, counts.active, counts.name, counts.event_type) == (1, 1, "", "")
    assert counts.location == Location("", "Harbor Street 7")
    assert hosts.hosts == (Host(MARA),)
    assert hosts.external_id == ""


def test_invitees_with_wrong_types() -> None:
    """What is no text is not guessed at, least of all a number; what is beside it is read."""
    (ines,) = people("invitees-wrong-types")

    assert (ines.name, ines.email, ines.first_name, ines.timezone) == ("", "ines.okafor@example.com", "", "")
    assert (ines.text_reminder_number, ines.cancel_url, ines.scheduled_by) == ("", "", MARA)
    assert ines.answers == (Typed("Mobile number", ""), Typed("Reason for the visit", "Knee pain"))


def test_invitees() -> None:
    """An invitee is read with number, answers, links and what became of them."""
    (ines,) = people("invitees-active")
    (theo,) = people("invitees-moved-away", OLD_EVENT)
    missed, by_host, unexplained = people("invitees-group")

    assert (ines.name, ines.first_name, ines.timezone, ines.status) == (
        "Ines Okafor",
        "Ines",
        "America/Chicago",
        "active",
    )
    assert ines.text_reminder_number == "+1 312-555-0142"
    assert ines.answers[1] == Typed("Reason for the visit", "Knee pain\nSecond opinion")
    assert (ines.created_at, ines.canceled_at, ines.no_show_at) == (utc("2026-11-20T15:01:12"), None, None)
    assert ines.cancel_url == "https://calendly.com/cancellations/6f5e4d3c"
    assert (theo.rescheduled, theo.old_invitee) == (True, "")
    assert theo.new_invitee == f"{API}/scheduled_events/1a2b3c4d-2/invitees/95c00000"
    assert (theo.canceler_type, theo.cancel_reason) == ("invitee", "Travel moved by a day")
    assert theo.canceled_at == utc("2026-11-21T10:47:30")
    assert missed.no_show_at == utc("2026-11-27T19:05:00")
    assert (by_host.canceler_type, by_host.cancel_reason) == ("host", "")
    assert by_host.canceled_at == utc("2026-11-21T17:42:02")
    assert unexplained.canceled_at == utc("2026-11-22T08:00:00")


def test_odd_invitees() -> None:
    """An invitee may be bare, full of nulls, erased, or typed by somebody in a hurry."""
    bare, nulls, erased, typed = people("invitees-odd")

    assert (bare.status, bare.name, bare.event) == ("waitlisted", "", EVENT)
    assert (nulls.timezone, nulls.answers, nulls.rescheduled, nulls.event) == ("America/New_York", (), False, EVENT)
    assert erased.erased
    assert erased.answers == (Typed("Handy", "+49 170 1"),)
    assert (typed.name, typed.cancel_reason, typed.canceler_type) == ("Zoë\u202e \n O'Neil", "bye", "")


def test_event_types() -> None:
    """An event type names its questions of type phone_number, and only those."""
    assert accounts.event_type(one("eventtypes-phone")) == EventType(
        f"{API}/event_types/c0ffee00-1111-4222-8333-444455556666", "Phone consultation", frozenset({"Mobile number"})
    )
    assert accounts.event_type(one("eventtypes-odd")).phone_questions == frozenset({"Handy"})
    assert accounts.event_type(one("eventtypes-bare")) == EventType(f"{API}/event_types/x")


GOOD_EVENT = {
    "uri": EVENT,
    "start_time": "2026-11-25T16:00:00.000000Z",
    "end_time": "2026-11-25T16:30:00.000000Z",
    "status": "active",
}
BROKEN_EVENTS = [
    pytest.param({"uri": None}, "uri", id="null URI"),
    pytest.param({"uri": ""}, "uri", id="empty URI"),
    pytest.param({"uri": 7}, "uri", id="a number for a URI"),
    pytest.param({"start_time": None}, "start_time", id="null start"),
    pytest.param({"start_time": "2026-11-25T16:00:00"}, "start_time", id="a start without a zone"),
    pytest.param({"start_time": "tomorrow"}, "start_time", id="a start in words"),
    pytest.param({"start_time": 1795622400}, "start_time", id="a start in seconds"),
    pytest.param({"end_time": "2026-13-25T16:00:00Z"}, "end_time", id="a month too many"),
    pytest.param({"start_time": "0001-01-01T00:00:00+14:00"}, "beyond the calendar", id="before time began"),
    pytest.param({"status": None}, "status", id="null status"),
    pytest.param({"status": ["active"]}, "status", id="a list of statuses"),
    pytest.param({"uri": " \n"}, "uri is blank", id="a URI of blanks"),
    pytest.param({"status": " "}, "status is blank", id="a status of blanks"),
    pytest.param({"status": True}, "status", id="a status that is true"),
]


@pytest.mark.parametrize(("change", "named"), BROKEN_EVENTS)
def test_unreadable_event(change: dict[str, Any], named: str) -> None:
    """A half-understood event is refused, by the name of the record and the field, and without a value."""
    with pytest.raises(Unreadable, match=named) as caught:
        shapes.event(raw({**GOOD_EVENT, **change}, "page 2, row 17"))

    assert "page 2, row 17" in str(caught.value)
    if "uri" not in change:
        assert EVENT in str(caught.value)
    assert not any(word in str(caught.value) for word in ("tomorrow", "1795622400", "2026-1", "0001"))


ODD_VALUES: list[Any] = [7, 1.5, True, [], ["x"], {}, {"en": "x"}, "", "x", None, 10**30]
ODD_EVENTS: list[Any] = [
    pytest.param({"invitees_counter": {"total": 1.0, "active": "1"}}, {"total": 1, "active": 1}, id="odd counts"),
    pytest.param({"invitees_counter": {"total": -1, "active": 0.5}}, {"total": 0, "active": 0}, id="no counts"),
    pytest.param({"invitees_counter": {"total": "many", "active": [1]}}, {"total": 0, "active": 0}, id="words"),
    pytest.param({"invitees_counter": {"total": True, "active": 10**30}}, {"total": 0, "active": 0}, id="true"),
    pytest.param({"invitees_counter": {"total": 10**15, "active": 2}}, {"total": 0, "active": 2}, id="a huge count"),
    pytest.param({"invitees_counter": 3}, {"total": 0, "active": 0}, id="a counter that is a number"),
    pytest.param({"location": " Harbor Street "}, {"location": Location("", "Harbor Street")}, id="a place in words"),
    pytest.param({"location": " "}, {"location": None}, id="a place of blanks"),
    pytest.param({"location": [7]}, {"location": None}, id="a list of places"),
    pytest.param(
        {"location": {"type": "zoom", "location": {"a": 1}, "join_url": ["x"]}},
        {"location": Location("zoom")},
        id="a place with odd fields",
    ),
    pytest.param({"name": {"en": "x"}}, {"name": ""}, id="a name in languages"),
    pytest.param({"event_type": 7}, {"event_type": ""}, id="a number for a type"),
    pytest.param({"event_memberships": {"user": MARA}}, {"hosts": ()}, id="hosts that are no list"),
    pytest.param(
        {"event_memberships": [7, None, "x", {}, {"user": 7, "user_email": []}, {"user": MARA, "user_name": 7}]},
        {"hosts": (Host(MARA),)},
        id="odd hosts beside a good one",
    ),
    pytest.param({"status": " Canceled"}, {"status": "canceled", "canceled": True}, id="a status in capitals"),
    *(
        pytest.param({field: value}, {}, id=f"{field}: {value!r}")
        for field in "name event_type location event_memberships invitees_counter calendar_event updated_at".split()
        for value in ODD_VALUES
    ),
]


@pytest.mark.parametrize(("change", "expected"), ODD_EVENTS)
def test_odd_fields_of_an_event(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """What decorates an event is read leniently: of a wrong type it is empty, and the event is read."""
    found = shapes.event(raw({**GOOD_EVENT, **change}))

    assert (found.uri, found.start, found.end) == (
        EVENT,
        utc("2026-11-25T16:00:00"),
        utc("2026-11-25T16:30:00"),
    )
    assert found.canceled == ("status" in change)
    assert {name: getattr(found, name) for name in expected} == expected


def test_numbers_beyond_all_measure() -> None:
    """JSON knows numbers that nobody can hold: they cost their field."""
    body = json.dumps(GOOD_EVENT)[:-1].encode() + b', "invitees_counter": {"total": 1e999}, "name": ' + b"9" * 5000
    found = shapes.event(pages.Record(msgspec.Raw(body + b"}"), "a record"))

    assert (found.uri, found.total, found.name) == (EVENT, 0, "")


@pytest.mark.parametrize("name", list(GOOD_EVENT))
def test_event_without(name: str) -> None:
    """What an event cannot be without is missed by name."""
    with pytest.raises(Unreadable, match=f"missing required field `{name}`"):
        shapes.event(raw({key: value for key, value in GOOD_EVENT.items() if key != name}))


GOOD_INVITEE = {"uri": "u", "status": "active", "name": "Ines Okafor"}


@pytest.mark.parametrize("value", [None, [], "x", 7, {"uri": "u"}, {"status": "active"}])
def test_unreadable_invitee(value: object) -> None:
    """A half-understood invitee is refused."""
    with pytest.raises(Unreadable):
        shapes.invitee(raw(value), EVENT)


WRONG: dict[str, list[Any]] = {
    "uri": [None, 7, "", " ", [], {}],
    "status": [None, 7, "", " ", [], {}],
    "event": [7, True, [], {}],
    "old_invitee": [7, True, [], {}],
    "new_invitee": [7, True, [], {}],
    "rescheduled": ["true", 1, [], {}],
    "created_at": ["yesterday", 1795622400, "2026-11-25", []],
    "cancellation": ["yes", True, [], 7],
    "no_show": [True, "yes", [], 7],
}
BROKEN_INVITEES: list[Any] = [
    *(({field: odd}, field) for field, odds in WRONG.items() for odd in odds),
    ({"cancellation": {"created_at": "yesterday"}}, "cancellation.created_at"),
    ({"cancellation": {"canceler_type": 7}}, "cancellation.canceler_type"),
    ({"status": "canceled", "updated_at": "yesterday"}, "updated_at"),
    ({"status": "Canceled", "cancellation": {"created_at": None}, "updated_at": 7}, "updated_at"),
    ({"no_show": {"created_at": "yesterday"}}, "no_show.created_at"),
    ({"no_show": {"uri": "x"}}, "a no-show without a time"),
    ({"no_show": {"created_at": None}, "updated_at": []}, "updated_at"),
    ({"name": 7}, "neither name nor email"),
    ({"name": None, "email": ["x"]}, "neither name nor email"),
    ({"name": " ", "email": 7}, "neither name nor email"),
]


@pytest.mark.parametrize(("change", "named"), BROKEN_INVITEES)
def test_unreadable_field_of_an_invitee(change: dict[str, Any], named: str) -> None:
    """What decides about a text, or about who was erased, is right or the invitee is refused, by the field's name."""
    with pytest.raises(Unreadable, match=named) as caught:
        shapes.invitee(raw({**GOOD_INVITEE, **change}, "page 1, row 3"), EVENT)

    assert "page 1, row 3" in str(caught.value)
    assert "yesterday" not in str(caught.value)


ODD_INVITEES: list[Any] = [
    pytest.param({"name": 7, "email": "i@x.example"}, {"name": "", "erased": False}, id="no name, but an e-mail"),
    pytest.param({"email": 7}, {"email": "", "erased": False}, id="no e-mail, but a name"),
    pytest.param({"text_reminder_number": 13125550142}, {"text_reminder_number": ""}, id="a number that is a number"),
    pytest.param({"timezone": ["UTC"]}, {"timezone": ""}, id="a list of zones"),
    pytest.param({"cancel_url": 7, "reschedule_url": {}}, {"cancel_url": "", "reschedule_url": ""}, id="odd links"),
    pytest.param(
        {"questions_and_answers": [7, None, {"question": 1, "answer": "a"}, {"question": "q", "answer": [1]}, {}]},
        {"answers": (Typed("", "a"), Typed("q", ""))},
        id="odd answers, one by one",
    ),
    pytest.param({"questions_and_answers": {"q": "a"}}, {"answers": ()}, id="answers that are no list"),
    pytest.param(
        {"status": "CANCELED", "cancellation": {"created_at": "2026-11-21T10:47:30Z", "reason": 7}, "updated_at": "x"},
        {"status": "canceled", "cancel_reason": "", "canceled_at": utc("2026-11-21T10:47:30")},
        id="a reason that is a number",
    ),
    pytest.param(
        {"no_show": {"created_at": None}, "updated_at": "2026-11-21T10:47:30Z"},
        {"no_show_at": utc("2026-11-21T10:47:30")},
        id="a no-show without a time of its own",
    ),
    *(
        pytest.param(
            {field: value, "email": "i@x.example"}, {"created_at": None, "canceled_at": None}, id=f"{field}: {value!r}"
        )
        for field in "name first_name last_name timezone text_reminder_number questions_and_answers cancel_url"
        " reschedule_url invitee_scheduled_by updated_at".split()
        for value in ODD_VALUES
    ),
]


@pytest.mark.parametrize(("change", "expected"), ODD_INVITEES)
def test_odd_fields_of_an_invitee(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """What decorates a text is read leniently: of a wrong type it is empty, and the invitee is read."""
    found = shapes.invitee(raw({**GOOD_INVITEE, **change}), EVENT)

    assert (found.uri, found.event) == ("u", EVENT)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("odd", ODD_VALUES)
def test_odd_fields_of_an_account(odd: object) -> None:
    """Names, addresses, zones and roles decorate: only the URIs must be right."""
    person = {"uri": MARA, "name": odd, "email": odd, "timezone": odd}

    assert accounts.me(raw({**person, "current_organization": ORGANIZATION})).organization == ORGANIZATION
    assert accounts.member(raw({"user": person, "role": odd})).uri == MARA
    kind = {"uri": "t", "name": odd, "custom_questions": [{"name": odd, "type": "text"}]}
    assert accounts.event_type(raw(kind)) == EventType("t", odd if isinstance(odd, str) else "")


@pytest.mark.parametrize(
    "questions",
    [7, {}, "x", True, [7], [None], [{"type": 7}], [{"type": []}], [{"type": "phone_number", "name": ["Mobile"]}]],
)
def test_unreadable_questions(questions: object) -> None:
    """Which question asks for a number decides: then the questions' names are looked at instead."""
    with pytest.raises(Unreadable):
        accounts.event_type(raw({"uri": "t", "custom_questions": questions}))


@pytest.mark.parametrize(
    "question", [7, None, "x", {"type": 7}, {"type": []}, {"type": "phone_number", "name": ["Mobile"]}]
)
def test_an_event_type_of_the_catalogue_is_there_whatever_its_questions(question: object) -> None:
    """Rules name it: only its questions are not known."""
    kind = {"uri": "t", "name": "Intro", "custom_questions": [question, {"name": "Mobile", "type": "phone_number"}]}

    assert accounts.listed_event_type(raw(kind)) == EventType("t", "Intro")


@pytest.mark.parametrize(
    ("status", "canceled"),
    [
        ("active", False),
        ("Active ", False),
        ("canceled", True),
        ("CANCELED", True),
        ("Can" + "celled", True),
        ("cancellation", True),
    ],
)
def test_a_status_that_says_canceled_counts_as_that(status: str, canceled: bool) -> None:
    """However it is spelled."""
    event = raw({**GOOD_EVENT, "status": status})

    assert shapes.event(event).canceled is canceled
    assert (shapes.invitee(raw({**GOOD_INVITEE, "status": status}), EVENT).status == "canceled") is canceled


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"]
)
def test_a_time_that_nobody_means_is_unreadable(moment: str) -> None:
    """Such a year stands for "never" in some program; adding an hour to it fails."""
    for field in ("start_time", "end_time"):
        with pytest.raises(Unreadable, match="beyond the calendar"):
            shapes.event(raw({**GOOD_EVENT, field: moment}))
    gone = {**GOOD_INVITEE, "status": "canceled", "cancellation": {"created_at": moment}}
    for record in (gone, {**GOOD_INVITEE, "created_at": moment}):
        with pytest.raises(Unreadable, match="beyond the calendar"):
            shapes.invitee(raw(record), EVENT)


def test_invitee_of_another_event() -> None:
    """An invitee that says it belongs elsewhere is refused: its meeting would be taken for another one."""
    with pytest.raises(Unreadable, match="another event"):
        shapes.invitee(raw({"uri": "u", "status": "active", "event": OLD_EVENT}), EVENT)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*GOOD_EVENT, "name", "location", "event"]) | st.text(), inner, max_size=6
            )
        ),
        max_leaves=12,
    )
)
def test_any_record_is_read_or_refused(value: object) -> None:
    """Whatever a record holds, reading it ends in a value or in our own error."""
    for read in (
        shapes.event,
        accounts.me,
        accounts.member,
        accounts.event_type,
        lambda record: shapes.invitee(record, EVENT),
    ):
        with contextlib.suppress(Unreadable):
            read(raw(value))


REFUSALS = [
    pytest.param("errors-401", LoginRefused, "CALENDLY_TOKEN", id="401"),
    pytest.param("errors-403-permission", AccessRefused, "admin or owner", id="403 for want of a role"),
    pytest.param("errors-403-scope", AccessRefused, "scopes scheduled_events:read and", id="403 for want of a scope"),
    pytest.param(
        "errors-403-scope-title", AccessRefused, "scopes scheduled_events:read, ev", id="a scope in the title"
    ),
    pytest.param("errors-403-scope-type", AccessRefused, "scopes users:read and", id="a scope in the type"),
    pytest.param("errors-403-plan", AccessRefused, "plan", id="403 for want of a plan"),
    pytest.param("errors-403-cloudflare", AccessRefused, "Cloudflare", id="403 of Cloudflare"),
    pytest.param("errors-403-cloudflare-page", AccessRefused, "Cloudflare", id="403 of Cloudflare, in HTML"),
    pytest.param("errors-403-cloudflare-problem", AccessRefused, "Cloudflare", id="403 of Cloudflare, in JSON"),
    pytest.param("errors-403-firewall", AccessRefused, "proxy", id="403 of somebody else"),
    pytest.param("errors-404", NotThere, "gone", id="404"),
    pytest.param("errors-400-page-token", BadParameter, "The next run tries again", id="400 of a page"),
    pytest.param("errors-400-odd", BadParameter, "report this line", id="400 with odd details"),
    pytest.param("errors-429", CalendlyBusy, "this account's limit", id="429"),
    pytest.param("errors-500", CalendlyBusy, "The next run tries again", id="500"),
    pytest.param("errors-502-html", CalendlyBusy, "The next run tries again", id="502 in HTML"),
    pytest.param("errors-424", CalendlyRefused, "connections", id="424"),
    pytest.param("errors-302", CalendlyRefused, "must not redirect", id="a redirect"),
]


@pytest.mark.parametrize(("name", "kind", "remedy"), REFUSALS)
def test_refusals(name: str, kind: type[CalendlyRefused], remedy: str) -> None:
    """The status decides what kind of no it is, and each says how to mend it."""
    found = sample(name)

    with pytest.raises(kind) as caught:
        decipher(found.status, found.headers, found.body)

    assert type(caught.value) is kind
    assert caught.value.status == found.status
    assert remedy in caught.value.remedy


def test_a_block_is_named() -> None:
    """With the code and the Ray ID that Calendly's support asks for."""
    plain, page, problem = (
        str(refused(403, (found := sample(f"errors-403-cloudflare{name}")).headers, found.body))
        for name in ("", "-page", "-problem")
    )

    assert plain == "Calendly 403 (Cloudflare, error 1010, Ray ID 9a4c1f0e7d2b8c33-ORD)"
    assert page == "Calendly 403 (Cloudflare, a block, Ray ID 9a4c1f0e7d2b8c33-ORD)"
    assert problem == "Calendly 403: Error 1010: Access denied (Cloudflare, error 1010, Ray ID 9a4c1f0e7d2b8c33-ORD)"


BODIES = [
    *(b"", b"{}", b"[]", b"null", b"error code: 1010", b"<html><body>no</body></html>", b"\xff\xfe"),
    *(sample(name).body for name in samples("errors")),
]
HEADERS: list[dict[str, str]] = [{}, {"server": "cloudflare", "cf-ray": "9a4c1f0e7d2b8c33-ORD"}, {"server": "nginx"}]
WRONG_WORDS: dict[int, str] = {
    400: r"scopes|CALENDLY_TOKEN|admin or owner",
    401: r"admin or owner|scopes|redirect",
    404: r"CALENDLY_TOKEN|admin or owner|scopes",
    409: r"CALENDLY_TOKEN|admin or owner|scopes",
    424: r"CALENDLY_TOKEN|admin or owner|scopes",
    429: r"CALENDLY_TOKEN|admin or owner|scopes",
    500: r"CALENDLY_TOKEN|admin or owner|scopes|CALENDLY_API_URL",
}


@pytest.mark.parametrize("status", range(300, 600))
def test_every_refusal_has_a_remedy(status: int) -> None:
    """Whatever the status, the headers and the body: never none, and never that of something else."""
    for body in BODIES:
        for headers in HEADERS:
            error = refused(status, headers, body)
            assert isinstance(error, CalendlyRefused)
            assert error.remedy
            assert error.remedy[-1] not in ". "
            assert not re.search(WRONG_WORDS.get(status, "^$"), error.remedy), error.remedy
            if status == 403 and body[:1] != b"{":
                assert not re.search("role|scopes|plan", error.remedy)
                assert ("Cloudflare" in error.remedy) == (
                    "cf-ray" in headers or b"error code" in body or b"loudflare" in body
                )
            if status == 403 and body[:1] == b"{":
                assert ("Cloudflare" in error.remedy) == (b"cloudflare" in body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "CALENDLY_API_URL"),
        ({"title": "Invalid Argument"}, "report this line"),
        ({"details": [{"parameter": "page_token"}]}, "The next run tries again"),
        ({"details": [None, {"parameter": "organization"}]}, "scope under [calendly]"),
        ({"details": [{"parameter": "user"}]}, "scope under [calendly]"),
    ],
)
def test_what_to_do_about_a_bad_parameter(body: object, words: str) -> None:
    """It depends on whose it is: ours, the settings', or a page's that grew too old."""
    assert words in refused(400, {}, json.dumps(body).encode()).remedy


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "one", "title": "two", "type": "three"}, "Calendly 404: one"),
        ({"title": "two", "type": "three"}, "Calendly 404: two"),
        ({"type": "three"}, "Calendly 404: three"),
        ({}, "Calendly 404"),
    ],
)
def test_an_error_quotes_what_calendly_says(body: object, words: str) -> None:
    """Its message, else the title, else the type."""
    assert str(refused(404, {}, json.dumps(body).encode())).startswith(words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "Insufficient scope"}, "scopes"),
        ({"error": "insufficient_scope"}, "scopes"),
        ({"title": "InsufficientScopeError"}, "scopes"),
        ({"type": "InsufficientScopeError", "message": "Please upgrade your token"}, "scopes"),
        ({"title": "Permission Denied", "message": "Please upgrade to a paid Calendly account."}, "plan"),
        ({"message": "This feature requires a Teams subscription"}, "plan"),
        ({"title": 7, "message": ["x"], "type": {}}, "admin or owner"),
        ({"message": "You are not allowed to view this event."}, "admin or owner"),
        ({}, "admin or owner"),
    ],
)
def test_what_a_403_asks_for(body: object, words: str) -> None:
    """A scope, a plan or a role, also where only the title or the type says so."""
    assert words in refused(403, {"server": "cloudflare", "cf-ray": "x"}, json.dumps(body).encode()).remedy


UNUSABLE: list[Any] = [
    Answer(200, {}, b""),
    Answer(200, {}, b"<html>"),
    Answer(200, {}, b"[]"),
    Answer(204, {}, b""),
    Answer(206, {}, b'{"collection": []}'),
    {},
    {"collection": [], "pagination": {}},
    {"collection": [None], "pagination": {"next_page": None}},
    {"collection": [], "pagination": {"next_page": "https://evil.example/x"}},
    {"collection": [], "pagination": {"next_page": "no address"}},
    {"collection": [], "pagination": {"next_page": f"{API}/x"}},
]


@pytest.mark.parametrize("answer", UNUSABLE)
def test_every_unusable_answer_has_a_remedy(answer: Answer | dict[str, Any]) -> None:
    """A yes that says nothing, says half of it, or leads elsewhere."""
    script = Script(*[answer] * 9)

    with pytest.raises((NoUsableAnswer, Unreadable)) as caught:
        script.client().events(SCOPE, None, None)

    assert caught.value.remedy
    assert ("address" in caught.value.remedy) == ("leads to another address" in str(caught.value))


def test_all_error_samples_are_tested() -> None:
    """No recorded error is left out."""
    assert {*samples("errors")} == {*(str(case.values[0]) for case in REFUSALS), "errors-429-retry-after"}


def refused(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> SyncerError:
    """Give the error of an answer."""
    with pytest.raises(SyncerError) as caught:
        decipher(status, headers or {}, body)
    return caught.value


def test_parameters_are_named() -> None:
    """A 400 names the parameter that Calendly did not take, if it said so."""
    first, second = (sample(name) for name in ("errors-400-page-token", "errors-400-odd"))

    assert cast("BadParameter", refused(400, {}, first.body)).parameter == "page_token"
    assert cast("BadParameter", refused(400, {}, second.body)).parameter == "count"
    assert cast("BadParameter", refused(400, {}, b"<html>")).parameter == ""


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        pytest.param(429, {"retry-after": "7", "x-ratelimit-reset": "60"}, 7.0, id="Retry-After wins"),
        pytest.param(429, {"x-ratelimit-reset": "12"}, 12.0, id="else the reset"),
        pytest.param(429, {}, 60.0, id="a bare 429 is a minute"),
        pytest.param(503, {"retry-after": "3"}, 3.0, id="a 503 may say, too"),
        pytest.param(503, {"x-ratelimit-reset": "60"}, None, id="but its reset means nothing"),
        pytest.param(429, sample("errors-429-retry-after").headers, 12.0, id="a date by their clock"),
    ],
)
def test_wait(status: int, headers: dict[str, str], seconds: float | None) -> None:
    """How long to wait is read from the headers."""
    assert cast("CalendlyBusy", refused(status, headers)).retry_after == seconds


def test_error_holds_no_personal_data() -> None:
    """Words of Calendly are shown without numbers and e-mails."""
    body = b'{"message": "ines@example.com has no number +1 312-555-0142 here"}'

    assert str(refused(400, {}, body)) == "Calendly 400: … has no number +… here"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", NoUsableAnswer),
        (b'{"collection": [{"uri": "x"', NoUsableAnswer),
        (b"<html></html>", NoUsableAnswer),
        (b"[]", Unreadable),
        (b"null", Unreadable),
        (b'"x"', Unreadable),
    ],
)
def test_good_status_bad_body(body: bytes, kind: type[SyncerError]) -> None:
    """A body cut on its way may do better next time; whole JSON of the wrong kind will not."""
    assert type(refused(200, {}, body)) is kind


@given(st.integers(), st.dictionaries(st.text(), st.text()), st.binary() | st.just(b'{"message": 1, "details": {}}'))
def test_decipher_never_fails_otherwise(status: int, headers: dict[str, str], body: bytes) -> None:
    """Any answer is JSON fields or one of our errors, and only a 2xx is ever good."""
    good = 200 <= status < 300

    with contextlib.suppress(*((NoUsableAnswer, Unreadable) if good else (CalendlyRefused,))):
        assert isinstance(decipher(status, headers, body), dict)
        assert good


class Script:
    """Plays answers in order instead of a network; keeps what was asked."""

    def __init__(self, *answers: Answer | Exception | dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[Prepared] = []
        self.slept: list[float] = []

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Give the next answer."""
        assert (deadline, cap) == (30.0, 10 * 1024 * 1024)
        self.asked.append(prepared)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(200, {}, json.dumps(answer).encode())

    def client(self, url: str = API, **over: Any) -> Calendly:
        """Make a client that talks to this."""
        return Calendly(url, TOKEN, cast("Http", self), **{"sleep": self.slept.append, **over})

    @property
    def urls(self) -> list[str]:
        """What was asked."""
        return [prepared.url for prepared in self.asked]


def listing(*uris: str, next_page: object = None) -> dict[str, Any]:
    """Write a page of events."""
    return {
        "collection": [{**GOOD_EVENT, "uri": f"{API}/scheduled_events/{uri}"} for uri in uris],
        "pagination": {"count": len(uris), "next_page": next_page},
    }


def busy(status: int = 503, **headers: str) -> Answer:
    """Write a refusal."""
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"<html>")


def test_query() -> None:
    """The first page asks for the window in UTC, for a sort order, for a hundred rows, and for no status."""
    script = Script(listing())
    zone = datetime.fromisoformat("2026-11-25T17:00:00.000005+01:00")

    script.client(API + "/").events({**SCOPE, "user": MARA}, zone, utc("2026-12-01T00:00:00"))

    (asked,) = script.asked
    assert asked.url.startswith(f"{API}/scheduled_events?")
    assert parse_qs(urlsplit(asked.url).query) == {
        "organization": [ORGANIZATION],
        "user": [MARA],
        "min_start_time": ["2026-11-25T16:00:00.000005Z"],
        "max_start_time": ["2026-12-01T00:00:00.000000Z"],
        "sort": ["start_time:asc"],
        "count": ["100"],
    }
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["User-Agent"].startswith("syncer/")


@pytest.mark.parametrize(
    ("scope", "since"),
    [
        pytest.param({}, None, id="no scope"),
        pytest.param({"status": "active"}, None, id="a scope that is none"),
        pytest.param(SCOPE, datetime(2026, 11, 25), id="a naive bound"),  # noqa: DTZ001  that is the point
    ],
)
def test_wrong_arguments(scope: dict[str, str], since: datetime | None) -> None:
    """A call that makes no sense asks nothing."""
    script = Script()

    with pytest.raises(ValueError, match=r"scope|naive"):
        script.client().events(scope, since, None)

    assert script.asked == []


def test_pages_are_followed_verbatim() -> None:
    """`next_page` is followed as it is, to the letter, until it is null."""
    second = f"{API}/scheduled_events?page_token=%41b%2Fc&count=2&odd=%7e"
    last: dict[str, Any] = {"collection": [], "pagination": {"next_page": None}}
    script = Script(listing("a", "b", next_page=second), listing("c", next_page=f"{API}/x"), last)

    found = script.client().events(SCOPE, None, None)

    assert script.urls[1:] == [second, f"{API}/x"]
    assert [event.uri[-1] for event in found.events] == ["a", "b", "c"]
    assert found.pages == 3


FOREIGN = [
    *("https://evil.example/scheduled_events?page_token=x", "https://api.calendly.com.evil.example/x"),
    *("https://api.calendly.com@evil.example/x", "http://api.calendly.com/x", "https://api.calendly.com:8443/x"),
    *("//evil.example/x", "/scheduled_events?page_token=x", "https://api.calendly.com\\@evil.example/", "\thttps://x/"),
]


@pytest.mark.parametrize("url", FOREIGN)
def test_foreign_page(url: str) -> None:
    """A page elsewhere is not followed, the token does not leave, and the listing fails."""
    script = Script(listing("a", next_page=url))

    with pytest.raises(Unreadable, match="CALENDLY_API_URL"):
        script.client().events(SCOPE, None, None)

    assert len(script.asked) == 1


def test_origin_is_the_configured_one() -> None:
    """Against another address than Calendly's, Calendly's own is the foreign one."""
    script = Script(listing("a", next_page=f"{API}/scheduled_events?page_token=x"))

    with pytest.raises(Unreadable, match="another address"):
        script.client("http://127.0.0.1:8080").events(SCOPE, None, None)

    assert script.urls[0].startswith("http://127.0.0.1:8080/scheduled_events?")


def test_repeated_page() -> None:
    """A listing that leads back to a page it has shown never ends, so it fails."""
    again = f"{API}/scheduled_events?page_token=x"
    script = Script(*[listing("a", next_page=again)] * 5)

    with pytest.raises(Unreadable, match="repeats a page"):
        script.client().events(SCOPE, None, None)

    assert len(script.asked) == 2


@pytest.mark.parametrize("pages", [2, 3])
def test_a_page_with_the_rows_of_an_earlier_one_is_no_listing(pages: int) -> None:
    """Under another address, and as the last page: what it should have held is missing."""
    between = [listing(f"b{number}", next_page=f"{API}/{number}") for number in range(pages - 2)]
    script = Script(listing("a", "c", next_page=f"{API}/x"), *between, listing("a", "c"))

    with pytest.raises(Unreadable, match="repeats a page"):
        script.client().events(SCOPE, None, None)

    assert len(script.asked) == pages


def test_row_seen_twice() -> None:
    """An event that shifted onto the next page counts once, as last seen."""
    first, second = listing("a", "b", next_page=f"{API}/x"), listing("b", "c")
    second["collection"][0]["status"] = "canceled"
    script = Script(first, second)

    found = script.client().events(SCOPE, None, None)

    assert [(event.uri[-1], event.status) for event in found.events] == [
        ("a", "active"),
        ("b", "canceled"),
        ("c", "active"),
    ]


def test_page_that_grew_too_old() -> None:
    """A 400 on the page's token starts the walk anew, once."""
    stale = Answer(400, {}, sample("errors-400-page-token").body)
    fresh = Script(listing("a", next_page=f"{API}/x"), stale, listing("a", next_page=f"{API}/y"), listing("b"))
    stubborn = Script(listing("a", next_page=f"{API}/x"), stale, listing("a", next_page=f"{API}/x"), stale)

    found = fresh.client().events(SCOPE, None, None)

    assert [event.uri[-1] for event in found.events] == ["a", "b"]
    assert fresh.urls[0] == fresh.urls[2]
    assert found.pages == 2
    with pytest.raises(BadParameter, match="page_token"):
        stubborn.client().events(SCOPE, None, None)


def test_other_bad_parameter() -> None:
    """Any other 400 is not tried again."""
    script = Script(Answer(400, {}, b'{"details": [{"parameter": "count"}]}'))

    with pytest.raises(BadParameter, match="count"):
        script.client().events(SCOPE, None, None)


ODD_URIS: list[Any] = [None, "", " ", 7, [], {}]
NAMELESS: list[Any] = [None, 7, "x", [], {}, *({**GOOD_EVENT, "uri": uri} for uri in ODD_URIS)]
"""Rows whose URI cannot be read."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param({}, id="an empty object"),
        pytest.param({"collection": []}, id="no pagination"),
        pytest.param({"pagination": {"next_page": None}}, id="no collection"),
        pytest.param({"collection": None, "pagination": {"next_page": None}}, id="a null collection"),
        pytest.param({"collection": {}, "pagination": {"next_page": None}}, id="an object for a collection"),
        pytest.param({"collection": [], "pagination": None}, id="a null pagination"),
        pytest.param(listing("a", next_page=7), id="a number for a page"),
        *(
            pytest.param({"collection": [GOOD_EVENT, odd], "pagination": {"next_page": None}}, id=f"a row: {odd}")
            for odd in NAMELESS
        ),
    ],
)
def test_page_that_cannot_be_read(page: dict[str, Any]) -> None:
    """A page that leaves a doubt whether the listing is complete fails it, without another try."""
    script = Script(page)

    with pytest.raises(Unreadable):
        script.client().events(SCOPE, None, None)


DOUBTS: list[Any] = [
    pytest.param({}, "next_page is missing", id="nothing"),
    pytest.param({"count": 1}, "next_page is missing", id="a count alone"),
    pytest.param({"next_page_token": None}, "next_page is missing", id="no token, and no page"),
    pytest.param({"next_page_token": "x"}, "next_page is missing", id="a token alone"),
    *(
        pytest.param({"next_page": None, "next_page_token": token}, "there is a next_page_token", id=f"token {token}")
        for token in ["x", " ", 7, 0, True, False, {}, ["x"]]
    ),
    *(
        pytest.param({"next_page": page}, "neither a text nor null", id=f"page {page}")
        for page in [7, 0, False, True, [], {}, [f"{API}/x"]]
    ),
    *(pytest.param({"next_page": page}, "next_page is empty", id=f"page {page!r}") for page in ("", " ", "\n")),
    *(
        pytest.param({"next_page": None, "count": count}, "not the number of its rows, 1", id=f"count {count}")
        for count in [0, 2, 1.5, "2", -1, 10**30, "one", True, [1], {}]
    ),
    pytest.param({"next_page": f"{API}/x", "count": 2}, "not the number of its rows, 1", id="a count before the end"),
]
SURE: list[Any] = [
    {"next_page": None},
    {"next_page": None, "next_page_token": None, "count": None},
    {"next_page": None, "next_page_token": ""},
    *({"next_page": None, "count": count} for count in (1, 1.0, "1")),
    {"next_page": None, "previous_page": f"{API}/x", "previous_page_token": "x", "new": [7]},
]


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize(("pagination", "named"), DOUBTS)
def test_a_listing_is_complete_only_if_it_says_so(pagination: dict[str, Any], named: str, *, known: bool) -> None:
    """A page that does not say whether it is the last, or contradicts itself, fails the listing, known rows or not."""
    sieve = sieve_of(GOOD_EVENT) if known else Sieve()
    script = Script({"collection": [GOOD_EVENT], "pagination": pagination})

    with pytest.raises(Unreadable, match=named) as caught:
        script.client().events(SCOPE, None, None, sieve=sieve)

    assert "/scheduled_events, page 1, pagination" in str(caught.value)
    assert len(script.asked) == 1


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("pagination", SURE)
def test_a_listing_that_says_that_it_is_complete(pagination: dict[str, Any], *, known: bool) -> None:
    """Count and token may be absent; whatever else stands there says nothing about the end."""
    sieve = sieve_of(GOOD_EVENT) if known else Sieve()

    found = (
        Script({"collection": [GOOD_EVENT], "pagination": pagination}).client().events(SCOPE, None, None, sieve=sieve)
    )

    assert (found.count, len(found.events), found.pages) == (1, 0 if known else 1, 1)


def sieve_of(row: dict[str, Any]) -> Sieve:
    """Make a sieve that knows this row."""
    ((event,), _, _) = shapes.changed(
        json.dumps({"collection": [row], "pagination": {"next_page": None}}).encode(), "a page", Sieve()
    )
    assert event.mark is not None
    return Sieve(marks=[event.mark])


@pytest.mark.parametrize(("pagination", "named"), DOUBTS[:5])
def test_lists_of_other_records_are_complete_likewise(pagination: dict[str, Any], named: str) -> None:
    """Half of a group's guests would be half of its texts, and half of an organization no role at all."""
    body = {"collection": [{**GOOD_INVITEE, "uri": "u"}], "pagination": pagination}

    with pytest.raises(Unreadable, match=named):
        Script(body).client().invitees(EVENT)
    with pytest.raises(Unreadable, match=named):
        Script(body).client().memberships(ORGANIZATION)


def test_a_page_without_rows_that_names_a_next_one_is_followed() -> None:
    """It contradicts nothing: what it names is asked for."""
    found = (
        Script(listing("a", next_page=f"{API}/x"), listing(next_page=f"{API}/y"), listing("b"))
        .client()
        .events(SCOPE, None, None)
    )

    assert [event.uri[-1] for event in found.events] == ["a", "b"]


def test_a_part_of_an_answer_is_no_answer() -> None:
    """206 says that there is more of it: it is asked for once more."""
    script = Script(Answer(206, {}, json.dumps(listing("a")).encode()), listing("a", "b"))

    assert script.client().events(SCOPE, None, None).count == 2
    assert len(script.asked) == 2


def test_unreadable_rows_cost_themselves_alone() -> None:
    """Each is named by its event's URI, with the field and without its value; it counts as listed."""
    first, second = listing("a", "b", next_page=f"{API}/x"), listing("c", "d")
    first["collection"][0].update(status=7)
    second["collection"][1].update(start_time="as discussed")
    script = Script(first, second)

    found = script.client().events(SCOPE, None, None)

    assert [event.uri[-1] for event in found.events] == ["b", "c"]
    assert {uri[-1]: why for uri, why in found.unreadable.items()} == {
        "a": "Expected `str`, got `int` - at `$.status`",
        "d": "Invalid RFC3339 encoded datetime - at `$.start_time`",
    }
    assert found.count == 4


def test_unreadable_row_without_a_uri_is_named_by_its_place() -> None:
    """Then nobody knows which event is missing from the listing."""
    page = listing("a", "b")
    del page["collection"][1]["uri"]
    script = Script(listing("z", next_page=f"{API}/x"), page)

    with pytest.raises(Unreadable, match=r"^/scheduled_events, page 2, row 2: .*uri"):
        script.client().events(SCOPE, None, None)


def test_one_unreadable_invitee_holds_the_event() -> None:
    """A text to the others might be a wrong one: who is missing is not known."""
    people = [{**GOOD_INVITEE, "uri": f"u{number}"} for number in range(3)]
    people[1]["status"] = ""
    script = Script({"collection": people, "pagination": {"count": 3, "next_page": None}})

    with pytest.raises(Unreadable, match=r"u1 \(.*row 2\): .*status"):
        script.client().invitees(EVENT)


def test_unreadable_members_and_types_are_left_out() -> None:
    """They decide about no text."""
    members = [{"user": {"uri": MARA}, "role": "owner"}, {"user": None}, 7, {"user": {"uri": "u2"}}]
    kinds = [{"uri": "t1"}, {"uri": 7}, None, {"uri": "t2", "name": ["x"]}]
    pagination = {"next_page": None}
    script = Script({"collection": members, "pagination": pagination}, {"collection": kinds, "pagination": pagination})
    client = script.client()

    assert [one.uri for one in client.memberships(ORGANIZATION)] == [MARA, "u2"]
    assert [one.uri for one in client.event_types(SCOPE)] == ["t1", "t2"]


@pytest.mark.parametrize(
    "uri", [f"{API}/scheduled_events/", "", f"{API}/scheduled_events/a?b", "x/..", "x/a%2Fb", "x/é"]
)
def test_id_that_fits_no_path(uri: str) -> None:
    """Only an id gets into a path: nothing else is asked for."""
    script = Script()

    with pytest.raises(Unreadable):
        script.client().invitees(uri)
    with pytest.raises(Unreadable):
        script.client().event_type(uri)

    assert script.asked == []


def test_uri_is_a_name_and_no_address() -> None:
    """Records are asked for at the configured address, whatever their URIs begin with."""
    script = Script({"collection": [], "pagination": {"next_page": None}}, {"resource": {"uri": "x"}})
    client = script.client("http://127.0.0.1:8080")

    client.invitees(EVENT)
    client.event_type(f"{API}/event_types/c0ffee00")

    assert script.urls == [
        f"http://127.0.0.1:8080/scheduled_events/{EVENT.rpartition('/')[2]}/invitees?count=100",
        "http://127.0.0.1:8080/event_types/c0ffee00",
    ]


TRANSIENT = [
    pytest.param(NotConnected("x"), 0.5, 0.75, id="not connected"),
    pytest.param(NoUsableAnswer("x"), 0.5, 0.75, id="no usable answer"),
    pytest.param(Answer(200, {}, b'{"collection": ['), 0.5, 0.75, id="JSON cut short"),
    pytest.param(busy(500), 0.5, 0.75, id="500"),
    pytest.param(busy(502), 0.5, 0.75, id="502"),
    pytest.param(busy(408), 0.5, 0.75, id="408"),
    pytest.param(busy(503, retry_after="7"), 7.0, 8.0, id="503 that says when"),
    pytest.param(busy(429), 60.0, 61.0, id="a bare 429"),
    pytest.param(busy(429, retry_after="0"), 0.0, 1.0, id="a 429 that says now"),
    pytest.param(busy(429, x_ratelimit_reset="9"), 9.0, 10.0, id="a 429 with a reset"),
    pytest.param(busy(429, retry_after="99999"), 60.0, 61.0, id="a 429 that says tomorrow"),
]


@pytest.mark.parametrize(("fault", "least", "most"), TRANSIENT)
def test_tried_again(fault: Answer | Exception, least: float, most: float) -> None:
    """A passing fault is waited out with the sleep that was given, and told before."""
    script = Script(fault, listing("a"))
    now = [0.0]
    told: list[tuple[float, str]] = []

    def sleep(seconds: float) -> None:
        script.slept.append(seconds)
        now[0] += seconds

    client = script.client(
        sleep=sleep, monotonic=lambda: now[0], on_wait=lambda seconds, reason: told.append((seconds, reason))
    )
    found = client.events(SCOPE, None, None)

    assert len(found.events) == 1
    assert client.requests == 2
    assert len(script.slept) == 1
    assert least <= script.slept[0] <= most
    assert [seconds for seconds, _ in told] == script.slept
    assert TOKEN not in str(told)


FINAL = [
    pytest.param(Answer(401, {}, b""), LoginRefused, id="401"),
    pytest.param(Answer(403, {}, b""), AccessRefused, id="403"),
    pytest.param(Answer(404, {}, b""), NotThere, id="404"),
    pytest.param(Answer(400, {}, b""), BadParameter, id="400"),
    pytest.param(Answer(302, {}, b""), CalendlyRefused, id="302"),
    pytest.param(Answer(200, {}, b"[]"), Unreadable, id="a list"),
    pytest.param(Unsendable("x"), Unsendable, id="our own fault"),
]


@pytest.mark.parametrize(("answer", "kind"), FINAL)
def test_not_tried_again(answer: Answer | Exception, kind: type[SyncerError]) -> None:
    """A no that stays a no is asked for once."""
    script = Script(answer, listing("a"))

    with pytest.raises(kind):
        script.client().events(SCOPE, None, None)

    assert len(script.asked) == 1
    assert script.slept == []


def test_patience_in_tries() -> None:
    """After five tries the last error is what is raised."""
    script = Script(*[busy()] * 9)

    with pytest.raises(CalendlyBusy, match="503"):
        script.client().me()

    assert len(script.asked) == 5
    assert [round(seconds) for seconds in script.slept] in ([0, 1, 2, 4], [1, 1, 2, 4])


def test_patience_in_seconds() -> None:
    """Two whole minutes of waiting are not begun."""
    script = Script(*[busy(503, retry_after="60")] * 9)

    with pytest.raises(CalendlyBusy):
        script.client().me()

    assert len(script.asked) == 2


def test_sleep_may_stop_it() -> None:
    """A sleep that raises ends the waiting and the call."""

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    script = Script(busy(), busy())

    with pytest.raises(KeyboardInterrupt):
        script.client(sleep=stop).me()

    assert len(script.asked) == 1


def test_token_with_a_line_break() -> None:
    """A token that cannot be a header is found before anything leaves, and is not shown."""
    script = Script()

    with pytest.raises(Unsendable) as caught:
        Calendly(API, f"{TOKEN}\n", cast("Http", script), sleep=script.slept.append).me()

    assert TOKEN not in repr(caught.value)


def test_limits_are_shown() -> None:
    """What Calendly says of its limit can be shown; our own cap counts when it is lower."""
    headers = {"x-ratelimit-limit": "50", "x-ratelimit-remaining": "47", "x-ratelimit-reset": "60"}
    me = Answer(200, headers, sample("users-me").body)
    free, capped = Script(me).client(), Script(me).client(max_per_minute=10)

    before = free.limit
    free.me()
    capped.me()

    assert before is None
    assert (free.limit, free.remaining) == (50, 47)
    assert (capped.limit, capped.remaining) == (10, 9)


@pytest.mark.parametrize(("fault", "remaining"), [(NotConnected("x"), 9), (NoUsableAnswer("x"), 8), (busy(), 8)])
def test_what_a_fault_costs(fault: Answer | Exception, remaining: int) -> None:
    """A request that never left costs nothing of the limit; every other one may have been counted."""
    now = [0.0]
    script = Script(fault, Answer(200, {}, sample("users-me").body))
    client = script.client(max_per_minute=10, monotonic=lambda: now[0])
    client.me()
    after_it = client.remaining
    now[0] += 61

    assert after_it == remaining
    assert client.remaining == 10


def test_refusal_holds_everybody() -> None:
    """After a 429 no other request leaves before its time has passed, either."""
    now = [0.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            raise TimeoutError  # the one that was refused gives up
        now[0] += seconds

    script = Script(busy(429, retry_after="30"), Answer(200, {}, sample("users-me").body))
    client = script.client(sleep=sleep, monotonic=lambda: now[0])
    with pytest.raises(TimeoutError):
        client.me()

    client.me()

    assert slept[1] == slept[0]
    assert 30 <= slept[1] <= 31


def test_clock_is_carried_on() -> None:
    """The last Date is carried on by our own seconds: waiting is not a wrong clock."""
    now = [100.0]
    script = Script(Answer(200, {"date": "Wed, 25 Nov 2026 14:00:00 GMT"}, sample("users-me").body))
    client = script.client(monotonic=lambda: now[0])
    client.me()
    now[0] += 600

    assert client.last_date == utc("2026-11-25T14:00:00")
    assert client.skew(utc("2026-11-25T14:10:00")) == timedelta()
    assert client.skew(utc("2026-11-25T14:07:00")) == timedelta(minutes=-3)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """Serve one sandbox for the whole module: stopping one takes a while."""
    with SandboxServer(World(Clock())) as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    """Give the world's time."""
    return Clock()


@pytest.fixture
def world(server: SandboxServer, clock: Clock) -> World:
    """Give a world that starts anew."""
    return renew(server.world, clock)


@pytest.fixture
def http() -> Iterator[Http]:
    """Give a client for real HTTP."""
    with Http() as found:
        yield found


def no_sleep(_: float) -> None:
    """Wait for nothing."""


FAULTS: list[Any] = [
    pytest.param(lambda world: world.faults.html_502("/scheduled_events", times=2), id="502 in HTML, twice"),
    pytest.param(lambda world: world.faults.drop("/scheduled_events"), id="a cut connection"),
    pytest.param(lambda world: world.faults.cut("/scheduled_events", after=30), id="a body cut short"),
    pytest.param(lambda world: world.faults.fail("/scheduled_events", status=200, body="{"), id="JSON cut short"),
    pytest.param(lambda world: world.faults.fail("/scheduled_events", status=503), id="503"),
]


@pytest.mark.parametrize("order", FAULTS)
def test_faults_over_http(server: SandboxServer, world: World, http: Http, order: Callable[[World], None]) -> None:
    """Over real HTTP a passing fault on any page leaves the listing complete."""
    world.page_limit = 2
    made = [world.book(start=START + n * HOUR).rpartition("/invitees/")[0] for n in range(5)]
    client = Calendly(server.url, TOKEN, http, sleep=no_sleep)
    me = client.me()
    order(world)

    found = client.events({"organization": me.organization}, NOW, None)

    assert [event.uri for event in found.events] == made
    assert found.pages == 3
    assert client.requests == 4 + world.count("/scheduled_events") - 3


def test_page_token_over_http(server: SandboxServer, world: World, http: Http) -> None:
    """Against the sandbox, too, a page that grew too old starts the walk anew."""
    world.page_limit = 2
    for n in range(4):
        world.book(start=START + n * HOUR)
    client = Calendly(server.url, TOKEN, http, sleep=no_sleep)
    me = client.me()
    numbers = iter(range(100))
    sieve = Sieve()

    def first_page_ages(body: bytes, at: str) -> tuple[list[Event], str]:
        if next(numbers) == 0:  # the first page was answered: now its successor grows old
            world.pages._offered.clear()
        events, _, after = shapes.changed(body, at, sieve)
        return events, after

    found, count = client._list("/scheduled_events", {"organization": me.organization}, first_page_ages)

    assert len({event.uri for event in found}) == 4
    assert count == 2


def test_revoked_token_over_http(server: SandboxServer, world: World, http: Http) -> None:
    """A revoked token is a refused login."""
    world.revoked_tokens.add(TOKEN)

    with pytest.raises(LoginRefused, match="The access token is invalid"):
        Calendly(server.url, TOKEN, http, sleep=no_sleep).me()


def test_several_in_flight(server: SandboxServer, world: World, http: Http) -> None:
    """Eight threads read at once, each its own people, and every request is counted."""
    made = [world.book(start=START + n * HOUR) for n in range(40)]
    client = Calendly(server.url, TOKEN, http, sleep=no_sleep)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(client.invitees, [uri.rpartition("/invitees/")[0] for uri in made]))

    assert [invitee.uri for some in found for invitee in some] == made
    assert client.requests == 40
    assert client.remaining == 460


def test_rate_limit_over_http(server: SandboxServer, world: World, http: Http, clock: Clock) -> None:
    """Reading far more than a minute's worth waits in time: no request is refused, and none is wasted."""
    world.rate_limit = 50
    event = world.book(start=START).rpartition("/invitees/")[0]
    waits: list[float] = []

    def seconds() -> float:
        return (clock.now - NOW).total_seconds()

    client = Calendly(
        server.url,
        TOKEN,
        http,
        sleep=clock.advance,
        monotonic=seconds,
        on_wait=lambda wait, _: waits.append(wait),
    )

    for _ in range(160):
        client.invitees(event)
        clock.advance(0.1)

    assert client.requests == world.count("/scheduled_events") == 160
    assert 3 <= len(waits) < 10
    assert clock.now - NOW < timedelta(seconds=190)


class TwoWindows:
    """An `Http`: the window that begins first is refused once the other one is under way, and that has no end.

    Attributes:
        pages: how many of the endless one were asked for.
    """

    def __init__(self) -> None:
        self.pages = 0
        self.begun = threading.Event()

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Answer one page."""
        del deadline, cap
        if "min_start_time=2026-01-01" in prepared.url:
            self.begun.wait(10)
            return Answer(401, {}, b"{}")
        self.pages += 1
        self.begun.set()
        time.sleep(0.002)
        more = f"{API}/scheduled_events?page_token={self.pages}" if self.pages < 1_000 else None
        return Answer(200, {}, json.dumps({"collection": [], "pagination": {"next_page": more}}).encode())


def test_a_window_that_fails_ends_the_others() -> None:
    """Nobody reads on what can no longer be complete."""
    http = TwoWindows()
    client = Calendly(API, TOKEN, cast("Any", http), sleep=no_sleep)

    with pytest.raises(LoginRefused):
        client.events(SCOPE, utc("2026-01-01T00:00:00"), None, cuts=[utc("2026-06-01T00:00:00")])

    assert 0 < http.pages < 200


@given(st.lists(st.integers(0, 30), max_size=40), st.sets(st.integers(0, 30), max_size=6))
def test_windows_side_by_side_are_one_listing(minutes: list[int], cut: set[int]) -> None:
    """Wherever it is cut, also in the middle of a meeting's start: every event once."""
    starts = sorted(minutes)

    class Cut:
        """An `Http` that serves what starts within the asked bounds, both included."""

        def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
            """Answer with the whole window."""
            del deadline, cap
            query = parse_qs(urlsplit(prepared.url).query)
            low = query.get("min_start_time", ["0"])[0]
            high = query.get("max_start_time", ["9"])[0]
            rows = [
                {"uri": f"{API}/scheduled_events/e{number}", "status": "active", "start_time": at, "end_time": at}
                for number, minute in enumerate(starts)
                if low <= (at := f"2026-12-01T09:{minute:02}:00.000000Z") <= high
            ]
            return Answer(200, {}, json.dumps({"collection": rows, "pagination": {"next_page": None}}).encode())

    client = Calendly(API, TOKEN, cast("Any", Cut()), sleep=no_sleep)
    cuts = [utc(f"2026-12-01T09:{minute:02}:00") for minute in sorted(cut)]
    found = client.events(SCOPE, utc("2026-12-01T09:00:00"), None, cuts=cuts)

    assert sorted(event.uri for event in found.events) == sorted(
        f"{API}/scheduled_events/e{n}" for n in range(len(starts))
    )
    assert (found.count, found.pages) == (len(starts), len(cuts) + 1)
