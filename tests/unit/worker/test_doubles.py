"""Two seats of one event with one number: each text once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, NUMBER, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes
from syncer.model import State
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.model import Event, Invitee
    from syncer.store import Store

HOUR = timedelta(hours=1)


def seat(event: Event, number: int, **over: Any) -> Invitee:
    """One seat; the lower the number, the earlier it was booked."""
    return an_invitee(event, f"i{number}", created_at=NOW - HOUR + timedelta(seconds=number), **over)


@pytest.fixture
def stage(settings: Callable[..., Any], store: Store) -> WorkerOnFakes:
    """Four seats of one event: twice the same person, a child of hers, somebody else with her name."""
    made = WorkerOnFakes(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    event = an_event(total=4, active=4)
    child, other = replace(seat(event, 3), name="Ife Okafor"), seat(event, 4, text_reminder_number="+13125550177")
    made.calendly.put(event, seat(event, 2), seat(event, 1), child, other)
    return made


def found(stage: WorkerOnFakes, rule: str) -> dict[str, tuple[State, Reason]]:
    """State and reason of a rule's messages, by seat."""
    return {m.booking[-2:]: (m.state, m.reason) for m in stage.store.messages() if m.rule == rule}


def test_each_text_goes_to_a_number_once(stage: WorkerOnFakes) -> None:
    """The seat that was booked first gets it; another name or another number is another text."""
    stage.run()
    stage.run()

    assert found(stage, "confirmation") == {
        "i1": (State.SENT, Reason.NONE),
        "i2": (State.SKIPPED, Reason.DUPLICATE),
        "i3": (State.SENT, Reason.NONE),
        "i4": (State.SENT, Reason.NONE),
    }
    assert found(stage, "reminder-1h") == {
        "i1": (State.SCHEDULED, Reason.NONE),
        "i2": (State.SKIPPED, Reason.DUPLICATE),
        "i3": (State.SCHEDULED, Reason.NONE),
        "i4": (State.SCHEDULED, Reason.NONE),
    }
    assert sorted(sent.to for sent in stage.gateway.texts) == [NUMBER, NUMBER, "+13125550177"]


def test_the_other_seat_takes_over_when_the_first_is_given_up(stage: WorkerOnFakes) -> None:
    """Its reminders come, its confirmation was read already."""
    stage.run()
    event = an_event(total=4, active=3)
    first, *rest = sorted(stage.calendly.people[event.uri], key=lambda one: one.uri)
    stage.now += HOUR
    gone = replace(first, status="canceled", canceled_at=stage.now - timedelta(minutes=5), canceler_type="invitee")
    stage.calendly.put(event, gone, *rest)
    stage.run()

    assert found(stage, "confirmation")["i2"] == (State.SKIPPED, Reason.DUPLICATE)
    assert found(stage, "reminder-1h")["i2"] == (State.SCHEDULED, Reason.NONE)
    assert found(stage, "reminder-1h")["i1"][0] is State.CANCELED
    assert [sent.plan_name for sent in stage.gateway.texts].count("syncer/cancellation") == 1


def test_a_text_that_will_not_leave_takes_nobodys_place(stage: WorkerOnFakes) -> None:
    """A person has canceled the first seat's reminder: the second seat's comes."""
    stage.run()
    [message] = [m for m in stage.store.messages() if m.rule == "reminder-1h" and m.booking.endswith("i1")]
    stage.store.move(message, State.CANCELED, Reason.BY_OPERATOR, NOW)
    event = an_event(total=5, active=5)
    stage.calendly.put(event, *stage.calendly.people[event.uri], seat(event, 5, text_reminder_number="+13125550188"))
    stage.run()

    assert found(stage, "reminder-1h")["i2"] == (State.SCHEDULED, Reason.NONE)
    assert found(stage, "reminder-1h")["i1"][0] is State.CANCELED
