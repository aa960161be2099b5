"""Telephone numbers through the whole of a run: who is texted, who is not and why; nothing leaves for a refused one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.builders import an_event, an_invitee
from support.phone_numbers import NUMBERS
from support.worker_on_fakes import WorkerOnFakes
from syncer.model import Answer, Location, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.model import Event, Invitee
    from syncer.store import Store

COUNTRIES = sorted({country.upper() for _, country, _ in NUMBERS})


def in_reminder(event: Event, text: str) -> tuple[Event, Invitee]:
    """Where Calendly's own text reminders have it."""
    return event, an_invitee(event, text_reminder_number=text)


def in_answer(event: Event, text: str) -> tuple[Event, Invitee]:
    """As the answer to a question that is called like one for a number."""
    return event, an_invitee(event, text_reminder_number="", answers=(Answer("Mobile number", text),))


def in_call(event: Event, text: str) -> tuple[Event, Invitee]:
    """As the number that the host calls."""
    called = an_event(event.uri.rpartition("/")[2], location=Location("outbound_call", text))
    return called, an_invitee(called, text_reminder_number="")


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("place", [in_reminder, in_answer, in_call])
def test_no_request_leaves_for_a_refused_number(
    settings: Callable[..., Any],
    store: Store,
    place: Callable[[Event, str], tuple[Event, Invitee]],
    country: str,
) -> None:
    """Each input of the table in each place: a text to the number as it should be, or `skipped` with the reason."""
    toml = f'country = "{country}"\nlimits.per_number_per_day = 1000\n'
    toml += '[[rule]]\nname = "r"\non = "booked"\ntemplate = "1001"'
    stage = WorkerOnFakes(settings(toml), store)
    rows = [(text, expected) for text, at, expected in NUMBERS if at.upper() == country and len(text) < 200]
    for number, (text, _) in enumerate(rows):
        event, invitee = place(an_event(f"e{number}"), text)
        stage.calendly.put(event, invitee)
    stage.run()
    found = {message.booking.split("/")[-3]: message for message in store.messages()}

    expected = {f"e{number}": outcome for number, (_, outcome) in enumerate(rows)}
    if place is in_answer:  # an answer with hardly a digit is no number that anybody meant
        few = {f"e{n}" for n, (text, _) in enumerate(rows) if sum(map(str.isdecimal, text)) < 3}
        expected |= dict.fromkeys(few, "[no_number]")
    assert {name: message.to if message.state is State.SENT else message.reason for name, message in found.items()} == {
        name: outcome.strip("[]").partition(":")[0] for name, outcome in expected.items()
    }
    assert sorted(sent.to for sent in stage.gateway.sends) == sorted(to for to in expected.values() if to[0] == "+")


def test_the_table_is_large_enough() -> None:
    """More than 60 inputs, in every place."""
    assert len([text for text, _, _ in NUMBERS if len(text) < 200]) >= 70
    assert len([text for text, _, expected in NUMBERS if expected.startswith("[")]) >= 40
