"""What must be read again first stays where it is: whoever asks for it, and whenever, also in the middle of a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, NUMBER, a_message, an_event
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer.model import State
from syncer.outbox import Accepted, NoAnswer, Refused
from syncer.reasons import Reason
from syncer.reconcile import Todo
from syncer.run import Options
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from syncer.config import Settings
    from syncer.model import Message
    from syncer.store import Store

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CLOCKS = [timedelta(), -365 * DAY, -MINUTE, MINUTE, 365 * DAY]
"""By how much the clock of whoever types a command may be wrong."""


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """Nobody but the guests is texted."""
    return WorkerOnFakes(settings(environ={"TEMPLATE_ID_HOST_NOTIFY": "", "HOST_PHONE": ""}), store)


def due_texts(stage: WorkerOnFakes, *overs: dict[str, Any]) -> list[Message]:
    """Make messages that a plan still wants when it looks again: their guests booked just now."""
    made = wait_for(stage, *overs)
    for uri, people in stage.calendly.people.items():
        stage.calendly.people[uri] = tuple(replace(who, created_at=NOW) for who in people)
    return made


def event_of(stage: WorkerOnFakes, message: Message) -> str:
    """The URI of a message's event."""
    return stage.store.bookings([message.booking])[message.booking].event.uri


def cancel(stage: WorkerOnFakes, message: Message) -> None:
    """Its guest cancels at Calendly; a listing that was asked for before does not show it."""
    uri = event_of(stage, message)
    [who] = stage.calendly.people[uri]
    gone = replace(who, status="canceled", canceled_at=NOW - MINUTE, canceler_type="host")
    stage.calendly.put(stage.calendly.known[uri], gone)


def retry(stage: WorkerOnFakes, message: Message, at: datetime) -> None:
    """Put it back on the way, as `retry` and `resolve --not-sent` do."""
    [now] = stage.store.messages(keys=[message.key])
    stage.store.again(now, Reason.BY_OPERATOR, at, "retried")


def wait_and_fail(stage: WorkerOnFakes, outcome: NoAnswer | Refused) -> tuple[Message, Message]:
    """Make a message that failed or is unknown, and another one that is due."""
    first, second = due_texts(stage, {}, {"next_at": NOW + MINUTE})
    stage.gateway.answer(outcome)
    stage.run()
    stage.now += MINUTE
    return first, second


LOST: list[NoAnswer | Refused] = [Refused("EngageLab 3002: no"), NoAnswer("no answer")]


@pytest.mark.parametrize("off", CLOCKS, ids=str)
@pytest.mark.parametrize("outcome", LOST, ids=["retry", "resolve --not-sent"])
def test_what_is_put_back_in_the_middle_of_a_run_waits_for_the_next_one(
    stage: WorkerOnFakes, outcome: NoAnswer | Refused, off: timedelta
) -> None:
    """Its booking was canceled since the listing: it does not leave, and the next run cancels it."""
    first, second = wait_and_fail(stage, outcome)
    sends = len(stage.gateway.sends)

    def meanwhile(_: object) -> None:
        cancel(stage, first)
        retry(stage, first, stage.now + off)

    stage.gateway.on_send = meanwhile
    worker = stage.worker()
    worker.run_once()
    stage.gateway.on_send = None
    listed = stage.store.due(stage.now), [row.missing for row in stage.store.must_be_reread(stage.now)]
    stage.now += MINUTE
    stage.run()

    assert [sent.key for sent in stage.gateway.sends[sends:]] == [second.key]
    assert listed == ([], [Reason.MUST_REREAD] if off <= timedelta() else [])
    assert states(stage, [first, second]) == [State.CANCELED, State.SENT]


@pytest.mark.parametrize("off", CLOCKS, ids=str)
def test_between_the_choice_and_the_claim(stage: WorkerOnFakes, off: timedelta) -> None:
    """A command comes when the message is chosen already: another one about the same booking is put back."""
    [message] = due_texts(stage, {})
    booking = stage.store.bookings([message.booking])[message.booking]
    over = {"key": f"{message.key}x", "rule": "other", "state": State.FAILED, "attempts": 1, "to": NUMBER}
    failed = a_message(booking, reason=Reason.PROVIDER_REFUSED, **over)
    stage.store.commit(Batch(), Todo((failed,)), NOW)
    templates = stage.gateway.templates

    def meanwhile() -> object:
        cancel(stage, message)
        retry(stage, failed, NOW + off)
        return templates()

    stage.gateway.templates = meanwhile  # type: ignore[method-assign,assignment]  # after the choice, before the claim
    stage.run()
    stage.gateway.templates = templates  # type: ignore[method-assign]
    waits = states(stage, [message])
    stage.now += MINUTE
    stage.run()

    assert (stage.gateway.sends, waits) == ([], [State.SCHEDULED])
    assert states(stage, [message, failed]) == [State.CANCELED, State.CANCELED]


def test_a_claim_before_the_moment_is_taken(stage: WorkerOnFakes) -> None:
    """A cancellation that settles later holds nothing yet."""
    [message] = due_texts(stage, {})
    stage.store.db.execute("UPDATE events SET settles_at = '2026-11-23T12:00:01Z'")
    stage.store.db.conn.commit()

    assert [row.message for row in stage.store.due(NOW)] == [message]
    assert [one.key for one in stage.store.turn((), [message], NOW)[1]] == [message.key]


@pytest.mark.parametrize("seconds", [0, 1, 3600])
def test_a_claim_at_or_after_the_moment_is_refused(stage: WorkerOnFakes, seconds: int) -> None:
    """As `due` leaves it out."""
    [message] = due_texts(stage, {})
    stage.store.db.execute("UPDATE events SET settles_at = '2026-11-23T12:00:00Z'")
    stage.store.db.conn.commit()
    now = NOW + timedelta(seconds=seconds)

    assert stage.store.due(now) == []
    assert stage.store.turn((), [message], now) == ([], [])
    assert states(stage, [message]) == [State.SCHEDULED]


def test_a_reading_that_was_on_its_way_does_not_count(stage: WorkerOnFakes) -> None:
    """Asked for, then put back, then committed: the mark stays; the same reading without the command takes it away."""
    [message] = due_texts(stage, {})
    uri = event_of(stage, message)
    marks = []
    for commanded in (1, 2, 0):
        asked = stage.store.settling([uri])
        for _ in range(commanded):
            stage.store.move(message, State.SCHEDULED, Reason.NONE, NOW)
            retry(stage, message, NOW)
        stage.store.commit(Batch([Reading(an_event("e0"), NOW)], asked=asked), Todo(), NOW)
        marks.append(stage.store.settling([uri])[uri])

    assert marks[0] is not None
    assert marks[1] is not None
    assert marks[1] < marks[0] < NOW
    assert marks[2] is None


def test_an_event_that_is_read_while_its_message_is_put_back(stage: WorkerOnFakes) -> None:
    """It was asked for before the guest canceled, and committed after the command: nothing leaves by that reading."""
    first, second = wait_and_fail(stage, LOST[0])
    uri = event_of(stage, first)
    stage.calendly.known[uri] = replace(stage.calendly.known[uri], location=None, total=2)

    def meanwhile(asked: str) -> None:
        if asked == uri:
            stage.calendly.on_invitees = None
            before = stage.calendly.people[uri]
            cancel(stage, first)
            retry(stage, first, stage.now)
            canceled, stage.calendly.people[uri] = stage.calendly.people[uri], before
            later.append(canceled)

    later: list[object] = []
    stage.calendly.on_invitees = meanwhile
    stage.gateway.answer(Accepted("1"), times=9, accepted=True)
    sends = len(stage.gateway.sends)
    stage.run()
    stage.calendly.people[uri] = later[0]  # type: ignore[assignment]
    left = [sent.key for sent in stage.gateway.sends[sends:]]
    stage.now += MINUTE
    stage.run()

    assert left == [second.key]
    assert states(stage, [first]) == [State.CANCELED]


@pytest.mark.parametrize("off", CLOCKS, ids=str)
def test_what_was_put_back_and_is_still_wanted_leaves_in_the_next_run(stage: WorkerOnFakes, off: timedelta) -> None:
    """Whatever clock the command had: planning gives it its time again."""
    first, second = wait_and_fail(stage, LOST[0])
    retry(stage, first, stage.now + off)
    stage.now += 2 * MINUTE
    stage.run()

    assert states(stage, [first, second]) == [State.SENT, State.SENT]


def test_a_long_run_lists_anew_for_it(stage: WorkerOnFakes) -> None:
    """As for any other text that waits for a fresh listing."""
    [message] = due_texts(stage, {})
    retry(stage, message, NOW)
    listed = []
    worker, began = stage.worker(), stage.ticks()
    run: Any = SimpleNamespace(options=Options(everything=True))
    listing: Any = SimpleNamespace(at=NOW, ticks=began)
    for minutes in (1, 14):
        stage.now = NOW + minutes * MINUTE
        listed.append(worker._takes_too_long(run, listing, began))

    assert listed == [False, True]


def test_why_it_waits_is_said(stage: WorkerOnFakes) -> None:
    """Its moment came in the middle of a run: the message says so, and the next run reads and sends."""
    first, second = due_texts(stage, {}, {"next_at": NOW + timedelta(seconds=40)})
    sql = "UPDATE events SET settles_at = '2026-11-23T12:00:30Z' WHERE uri = ?"
    stage.store.db.execute(sql, [event_of(stage, second)])
    stage.store.db.conn.commit()
    stage.calendly.put(an_event("new", start=NOW + 9 * DAY))

    def time_passes(_: object) -> None:
        stage.now += MINUTE
        stage.gateway.on_send = None

    stage.gateway.on_send = time_passes
    run = stage.run()
    [waits] = stage.store.messages(keys=[second.key])
    stage.run()

    assert (waits.state, waits.reason, run.report.deferred) == (State.SCHEDULED, Reason.MUST_REREAD, 1)
    assert states(stage, [first, second]) == [State.SENT, State.SENT]
