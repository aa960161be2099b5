"""Event types in the settings: whatever the letter case, and what is said where none has the name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW, a_booking, an_event
from support.calendly_moves import book, keys_of
from support.worker_on_fakes import WorkerOnFakes
from syncer.model import Audience
from syncer.recipients import Recipient, recipients
from syncer.rules import Policy, Rule, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.store import Store

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
URI = "https://api.calendly.com/event_types/t1"
TOML = """
[[rule]]
name = "confirmation"
on = "booked"
template = "1001"
event_types = ["{name}"]
"""


@pytest.mark.parametrize(
    ("setting", "event", "covered"),
    [
        ("AI Partner Call", "Ai Partner Call", True),
        ("ai partner call", "AI PARTNER CALL", True),
        ("Straße", "STRASSE", True),
        ("Erstgespräch", "Erstgespra\u0308ch", True),
        ("Phone  consultation ", "Phone consultation", True),
        ("Phone\u00a0consultation", "Phone consultation", True),
        ("\ufeffPhone con\u00adsultation\u200b", "Phone consultation", True),
        ("Phone \u2764\ufe0f", "Phone \u2764", True),
        (URI, "whatever", True),
        (URI.upper(), "whatever", True),
        ("Phone", "Phone consultation", False),
        ("Phone consultation", "Phone", False),
    ],
)
def test_names_match_whatever_the_letter_case(setting: str, event: str, covered: bool) -> None:
    """In rules, and in the languages by event type."""
    rule = Rule(name="r", on=Trigger.BOOKED, templates={"": "1"}, event_types=frozenset({setting}))
    assert rule.covers(event, URI) is covered

    booking = a_booking(replace(an_event(), name=event, event_type=URI))
    policy = Policy(languages_by_event_type={setting: "de"})
    [person] = recipients(booking, replace(rule, to=Audience.INVITEE), policy, phone_questions=None)
    assert isinstance(person, Recipient)
    assert (person.language == "de") is covered


def test_a_rule_that_matches_no_event_is_told_of_once_and_then_daily(
    store: Store, settings: Callable[..., Settings]
) -> None:
    """And again after a change of the settings."""
    stage = WorkerOnFakes(settings(TOML.format(name="Ai Partner Cal")), store)
    stage.run()
    assert stage.told("rule.unmatched") == []  # without any event nobody can tell
    book(stage, "e1", NOW + 3 * DAY)
    told = []
    for _ in range(3):
        stage.now += MINUTE
        stage.run()
        told += stage.told("rule.unmatched")
    assert [one["rule"] for one in told] == ["confirmation"]
    assert "Ai Partner Cal" in str(told[0]["reason"])
    stage.now += DAY
    stage.run()
    assert len(stage.told("rule.unmatched")) == 1

    stage.settings = settings(TOML.format(name="Other"))
    stage.now += MINUTE
    stage.run()
    assert len(stage.told("rule.unmatched")) == 1
    stage.settings = settings(TOML.format(name="PHONE CONSULTATION"))
    stage.now += MINUTE
    stage.run()
    assert stage.told("rule.unmatched") == []


def test_a_rule_in_another_letter_case_texts(store: Store, settings: Callable[..., Settings]) -> None:
    """The guest hears of the booking."""
    stage = WorkerOnFakes(settings(TOML.format(name="phone CONSULTATION")), store)
    stage.run()
    stage.now += MINUTE
    book(stage, "e1", NOW + 3 * DAY)
    stage.run()

    assert keys_of(stage) == ["confirmation of e1"]
