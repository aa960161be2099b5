"""Half a character in an answer, where a program cut a text in a picture: it reads as U+FFFD and holds up nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import API
from syncer import calendly_accounts, calendly_pages, calendly_shapes, lenient
from syncer.calendly_answers import decipher
from syncer.engagelab import decipher as outcome_of
from syncer.engagelab_shapes import read_templates
from syncer.errors import NoUsableAnswer
from syncer.http import json_object
from syncer.outbox import Accepted
from syncer.sieve import Sieve

if TYPE_CHECKING:
    from syncer.model import Event

HALVES = [
    pytest.param(rb"Kim \ud83d", id="a high surrogate at the end"),
    pytest.param(rb"Kim \uD83D!", id="in capitals, and more behind"),
    pytest.param(rb"Kim \ude00", id="a low one alone"),
    pytest.param(rb"Kim \ud83d\ud83d", id="two high ones"),
    pytest.param(rb"Kim \ude00\ud83d", id="the wrong way round"),
    pytest.param(rb"Kim \ud83d\u0041", id="another escape behind"),
    pytest.param(b"Kim \xf0\x9f\x98", id="a picture cut in its bytes"),
    pytest.param(b"Kim \xed\xa0\xbd", id="a surrogate in bytes"),
    pytest.param(b"Kim \xff", id="no UTF-8 at all"),
]
ROW = {
    "uri": f"{API}/scheduled_events/e1",
    "name": "NAME",
    "status": "active",
    "start_time": "2026-11-26T16:00:00.000000Z",
    "end_time": "2026-11-26T16:30:00.000000Z",
    "location": {"type": "physical", "location": "NAME"},
    "event_memberships": [{"user": f"{API}/users/u1", "user_email": "mara@example.com", "user_name": "NAME"}],
    "invitees_counter": {"total": 1, "active": 1},
}
INVITEE = {
    "uri": f"{ROW['uri']}/invitees/i1",
    "status": "active",
    "name": "NAME",
    "email": "kim@example.com",
    "questions_and_answers": [{"question": "NAME", "answer": "NAME"}],
    "cancellation": {"canceler_type": "host", "reason": "NAME"},
}


def body_of(what: Any, half: bytes) -> bytes:
    """Write JSON with half a character wherever it says NAME."""
    return json.dumps(what).encode().replace(b"NAME", half)


def listed(half: bytes, sieve: Sieve, *more: dict[str, Any]) -> list[Event]:
    """Read a page of a listing, with that row in it."""
    page = {"collection": [ROW, *more], "pagination": {"next_page": None}}
    events, unreadable, _ = calendly_shapes.changed(body_of(page, half), "page 1", sieve)
    assert not unreadable
    return events


@pytest.mark.parametrize("half", HALVES)
def test_a_row_of_the_listing(half: bytes) -> None:
    """It is read, and so are the others; listed once more it is known by its mark."""
    other = ROW | {"uri": f"{API}/scheduled_events/e2", "name": "Lunch"}
    events = listed(half, Sieve(), other)
    marks = [event.mark for event in events if event.mark is not None]
    sieve = Sieve(marks=marks)

    assert [event.name.startswith(("Kim \ufffd", "Lunch")) for event in events] == [True, True]
    assert events[0].location is not None
    assert events[0].location.place.startswith("Kim \ufffd")
    assert events[0].hosts[0].name.startswith("Kim \ufffd")
    assert len(marks) == 2
    assert listed(half, sieve, other) == []
    assert sieve.seen == 2


@pytest.mark.parametrize("half", HALVES)
def test_an_invitee(half: bytes) -> None:
    """Name, answers and reason of a cancellation."""
    fields = decipher(200, {}, body_of({"resource": INVITEE}, half))
    found = calendly_shapes.invitee(calendly_pages.resource(fields, "an invitee"), str(ROW["uri"]))

    assert found.name.startswith("Kim \ufffd")
    assert found.answers[0].question.startswith("Kim \ufffd")
    assert found.answers[0].answer.startswith("Kim \ufffd")
    assert found.cancel_reason.startswith("Kim \ufffd")
    assert found.email == "kim@example.com"


@pytest.mark.parametrize("half", HALVES)
def test_an_event_type(half: bytes) -> None:
    """Its name, and the questions that ask for a number."""
    made = {"uri": "u", "name": "NAME", "custom_questions": [{"type": "phone_number", "name": "NAME"}]}
    fields = decipher(200, {}, body_of({"resource": made}, half))
    found = calendly_accounts.event_type(calendly_pages.resource(fields, "an event type"))

    assert found.name.startswith("Kim \ufffd")
    assert all(question.startswith("Kim \ufffd") for question in found.phone_questions)
    assert len(found.phone_questions) == 1


@pytest.mark.parametrize("half", HALVES)
def test_the_gateways_answers(half: bytes) -> None:
    """A template's name does not hide the list, and no word of an answer hides that a text was taken."""
    rows = [{"template_id": "1001", "template_name": "NAME", "template_content": "Hello {{name}}", "status": 2}]
    (template,) = read_templates(body_of(rows, half))
    taken = {"code": 0, "message": "NAME", "plan_id": "7", "message_id": "8", "accepted_count": 1, "total_count": 1}

    assert template.name.startswith("Kim \ufffd")
    assert template.usable
    assert isinstance(outcome_of(200, {}, body_of(taken, half)), Accepted)
    assert json_object(body_of({"message": "NAME"}, half))["message"].startswith("Kim \ufffd")


def test_what_is_cut_on_its_way_is_still_no_answer() -> None:
    """Half a character is mended, half an answer is not."""
    whole = body_of({"resource": INVITEE}, rb"Kim \ud83d")

    for length in (len(whole) - 1, len(whole) - 20, 30):
        with pytest.raises(NoUsableAnswer):
            decipher(200, {}, whole[:length])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (rb"\ud83d\ude00", "😀"),
        (rb"\\ud83d", r"\ud83d"),
        (rb"\\\\ud83d\ud83d", "\\\\ud83d\ufffd"),
        (rb"\\\ud83d", "\\\ufffd"),
        (rb"\ud83d\ude00\ude00", "😀\ufffd"),
        (rb"\ud83d\\ude00", "\ufffd\\ude00"),
        (rb"\u00e9\ud800", "é\ufffd"),
    ],
)
def test_only_halves_are_mended(written: bytes, text: str) -> None:
    """A whole picture stays, and a backslash that somebody typed is no escape."""
    assert lenient.decode(msgspec.json.Decoder(str), b'"' + written + b'"') == text


@given(st.text(st.characters(codec=None, categories=["L", "N", "P", "Cs", "So"]), max_size=20))
def test_every_text_is_read(text: str) -> None:
    """As Python's own reader reads it, but for the halves."""
    expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    assert lenient.decode(msgspec.json.Decoder(str), json.dumps(text).encode()) == expected
