"""A clock that is set: by years, days, hours and minutes, between runs and in the middle of one; a machine that slept.

Calendly's own clock is right throughout. Nothing may leave early or twice, and one run after the clock is right again
all that is due has left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from conftest import NOW, an_event, an_invitee
from fakes import FakeCalendly
from stage import Stage, a_gateway

from syncer.errors import ClockWrong
from syncer.model import State
from syncer.outbox import NotNow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from syncer.config import Settings
    from syncer.store import Store

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JUMPS = [-365 * DAY, -DAY, -HOUR, -5 * MINUTE, 5 * MINUTE, HOUR, DAY, 365 * DAY]
BOOKED = 4


@dataclass
class Office(Stage):
    """A stage whose Calendly knows the true time, and whose gateway writes down when each text came, truly.

    Attributes:
        came: when each key arrived.
    """

    came: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Book some meetings with a reminder in an hour and five minutes."""
        self.calendly = FakeCalendly(clock=lambda: self.true)
        self.gateway = a_gateway()
        self.gateway.on_send = lambda sent: self.arrive(sent.key)
        for n in range(BOOKED):
            event = an_event(f"e{n}", start=NOW + 2 * HOUR + 5 * MINUTE)
            number = f"+1312555{1000 + n}"
            self.calendly.put(event, an_invitee(event, created_at=NOW, text_reminder_number=number))

    @property
    def true(self) -> datetime:
        """The true time."""
        return self.now - self.jumped

    def arrive(self, key: str) -> None:
        """Write an arrival down."""
        assert key not in self.came, "twice"
        self.came[key] = self.true

    def rules(self) -> list[str]:
        """The rules of all that came."""
        return sorted(key.split("/")[-2] for key in self.came)

    def run_wrongly(self) -> None:
        """Do a run that must see that the clock is wrong, and sends nothing more."""
        with pytest.raises(ClockWrong):
            self.run()

    def check(self) -> None:
        """Nothing came early."""
        for message in self.store.messages(states=[State.SENT]):
            assert message.scheduled_at <= self.came[message.key] < message.expires_at


@pytest.fixture
def office(settings: Callable[..., Settings], store: Store) -> Office:
    """One text is due to each of four people, another in an hour."""
    return Office(settings(environ={"TEMPLATE_ID_HOST_NOTIFY": "", "HOST_PHONE": ""}), store)


ALL = ["confirmation"] * BOOKED + ["reminder-1h"] * BOOKED


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_jump_between_runs(office: Office, jump: timedelta) -> None:
    """Not a text while it is wrong, however long; one run after it is right, all."""
    office.jump(jump)
    office.run_wrongly()
    office.now += MINUTE
    office.run_wrongly()
    before = dict(office.came)
    office.jump(-jump)
    office.now += MINUTE
    office.run()
    confirmed = office.rules()
    office.now = NOW + HOUR + 6 * MINUTE
    office.run()

    assert before == {}
    assert confirmed == ["confirmation"] * BOOKED
    assert office.rules() == ALL
    office.check()


@pytest.mark.parametrize("jump", JUMPS, ids=str)
@pytest.mark.parametrize("place", ["before the first text", "between a claim and its answer"])
def test_a_jump_in_the_middle_of_a_run(office: Office, jump: timedelta, place: str) -> None:
    """What is in hand is settled by a clock that nobody sets; nothing leaves after it; then as above."""
    if place == "before the first text":
        templates = office.gateway.templates

        def later() -> object:
            office.jump(jump)
            return templates()

        office.gateway.templates = later  # type: ignore[method-assign,assignment]  # the last moment before the claims
    else:
        office.gateway.answer(NotNow("EngageLab 5001: later", tries=3))
        office.gateway.on_send = lambda _: office.jump(jump)
    office.run_wrongly()
    tried = office.store.messages(states=[State.RETRYABLE])
    row = office.store.last_run()
    office.jump(-jump)
    office.gateway.templates = type(office.gateway).templates.__get__(office.gateway)  # type: ignore[method-assign]
    office.gateway.on_send = lambda sent: office.arrive(sent.key)
    office.now += MINUTE
    office.run()
    confirmed = office.rules()
    office.now = NOW + HOUR + 6 * MINUTE
    office.run()

    assert len(tried) == (place != "before the first text")
    assert all(NOW <= message.next_at <= NOW + MINUTE for message in tried)
    assert row is not None
    assert row["ended_at"] < "2026-11-23T12:01"
    assert confirmed == ["confirmation"] * BOOKED
    assert office.rules() == ALL
    office.check()


def test_a_machine_that_slept_between_runs(office: Office) -> None:
    """Eight hours: all clocks went on. What was due meanwhile and is worth nothing now has expired, and says so."""
    office.run()
    office.now += 8 * HOUR
    office.run()

    assert office.rules() == ["confirmation"] * BOOKED + ["follow-up"] * BOOKED
    assert {one.rule for one in office.store.messages(states=[State.EXPIRED])} == {"reminder-1h"}
    office.check()


def test_a_machine_that_slept_in_the_middle_of_a_run(office: Office) -> None:
    """The listing is eight hours old: nothing leaves by it; the next run decides anew."""
    templates, slept = office.gateway.templates, list[timedelta]()

    def sleepy() -> object:
        if not slept:
            slept.append(8 * HOUR)
            office.now += 8 * HOUR
        return templates()

    office.gateway.templates = sleepy  # type: ignore[method-assign,assignment]  # the last moment before the claims
    office.run()
    before = office.rules()
    told = [one["limit"] for one in office.told("limit.reached")]
    office.now += MINUTE
    office.run()

    assert before == []
    assert told == ["max_snapshot_age"]
    assert office.rules() == ["follow-up"] * BOOKED
    assert {one.rule for one in office.store.messages(states=[State.EXPIRED])} == {"confirmation", "reminder-1h"}
    office.check()
