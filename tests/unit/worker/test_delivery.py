"""Delivery: what is looked at before a message leaves; claim, send, settle, in this order; what each answer does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW, NUMBER, a_booking, a_message, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer.births import coverages
from syncer.errors import NotConnected, NoUsableAnswer, RunHalted
from syncer.model import Audience, State
from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Refused
from syncer.reasons import Reason
from syncer.reconcile import Todo
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.outbox import Outcome
    from syncer.store import Store

HOUR = timedelta(hours=1)


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """The tutorial's settings on an empty database."""
    return WorkerOnFakes(settings(), store)


@pytest.mark.parametrize(
    ("outcome", "state", "event", "level_field"),
    [
        pytest.param(Accepted("1", "2"), State.SENT, "message.sent", "provider_message_id", id="accepted"),
        pytest.param(Refused("EngageLab 3002: no"), State.FAILED, "message.failed", "remedy", id="refused"),
        pytest.param(
            NotNow("EngageLab 5001: no", tries=3), State.RETRYABLE, "message.retry_scheduled", "next_at", id="later"
        ),
        pytest.param(NoAnswer("no answer"), State.UNKNOWN, "message.unknown", "remedy", id="no answer"),
    ],
)
def test_each_answer_leads_to_its_state_and_event(
    stage: WorkerOnFakes, outcome: Outcome, state: State, event: str, level_field: str
) -> None:
    """One message, one answer; the run itself is complete."""
    messages = wait_for(stage, {})
    stage.gateway.answer(outcome)

    stage.run()

    assert states(stage, messages) == [state]
    [told] = stage.told(event)
    assert told[level_field]
    assert stage.log[-1]["event"] == "run.completed"


def test_the_claim_is_on_the_disk_before_the_request_leaves(stage: WorkerOnFakes) -> None:
    """Another connection sees `sending` with its attempt while the gateway is asked."""
    [message] = wait_for(stage, {})
    seen: list[tuple[str, int]] = []

    def look(_: object) -> None:
        [row] = stage.store.messages(keys=[message.key])
        seen.append((str(row.state), row.attempts))
        assert not stage.store.db.conn.in_transaction

    stage.gateway.on_send = look
    stage.run()

    assert seen == [("sending", 1)]


def test_what_was_accepted_is_in_the_log_before_it_is_in_the_database(stage: WorkerOnFakes) -> None:
    """Should the commit fail, that line lets a person resolve it."""
    [message] = wait_for(stage, {})
    at: list[State] = []
    keep = stage.tell

    def tell(event: str, /, **fields: object) -> None:
        keep(event, **fields)
        if event == "message.sent":
            at.extend(states(stage, [message]))

    worker = stage.worker()
    worker.tell = tell
    worker.run_once()

    assert at == [State.SENDING]


def test_a_halt_stops_all_sends_and_loses_nothing(stage: WorkerOnFakes) -> None:
    """One request, an error that a person reads, exit 1; both wait, and leave in the next run."""
    messages = wait_for(stage, {}, {})
    stage.gateway.answer(Halt("EngageLab 2002: the key has expired"))

    with pytest.raises(RunHalted, match=r"EngageLab 2002$"):
        stage.run()
    halted = states(stage, messages)
    told = stage.told("gateway.halted")
    stage.run()

    assert halted == [State.RETRYABLE, State.SCHEDULED]
    assert len(told) == 1
    assert states(stage, messages) == [State.SENT, State.SENT]
    assert stage.store.last_run(outcome="halted") is not None


def test_a_rate_limit_pauses_all_sends_until_the_next_run(stage: WorkerOnFakes) -> None:
    """The first is retried later, the second was not even tried."""
    messages = wait_for(stage, {}, {})
    stage.gateway.answer(NotNow("EngageLab 429", pauses_all=True))

    report = stage.run().report

    assert states(stage, messages) == [State.RETRYABLE, State.SCHEDULED]
    assert (len(stage.gateway.sends), report.deferred, report.retried) == (1, 1, 1)
    assert stage.told("sending.deferred")[0]["detail"] == "EngageLab 429"


def test_a_template_at_fault_holds_its_own_messages_only(stage: WorkerOnFakes) -> None:
    """4001 in the middle of a run: the same template is not tried again, another is."""
    messages = wait_for(stage, {}, {}, {"rule": "follow-up", "template": "1004", "params": {"name": "Ines"}})
    stage.gateway.answer(NotNow("EngageLab 4001: template not found", holds_template=True))

    report = stage.run().report

    assert states(stage, messages) == [State.RETRYABLE, State.SCHEDULED, State.SENT]
    assert report.deferred == 1


@pytest.mark.parametrize("error", [NotConnected("no route"), NoUsableAnswer("HTTP 502")])
def test_a_gateway_that_cannot_be_reached_claims_nothing(stage: WorkerOnFakes, error: Exception) -> None:
    """Everything waits as it was; the run is complete, the next one tries again."""
    messages = wait_for(stage, {}, {})
    stage.gateway.broken = error  # type: ignore[assignment]  # one of its errors

    report = stage.run().report

    assert states(stage, messages) == [State.SCHEDULED, State.SCHEDULED]
    assert (report.deferred, stage.gateway.sends) == (2, [])
    [told] = stage.told("sending.deferred")
    assert told["reason"] == Reason.OUTAGE
    assert str(error) in told["detail"]
    assert {row.reason for row in stage.store.messages(states=[State.SCHEDULED])} == {Reason.OUTAGE}


def test_a_login_refused_before_the_first_claim_halts(stage: WorkerOnFakes) -> None:
    """The list of templates shows it: nothing is claimed."""
    messages = wait_for(stage, {})
    stage.gateway.broken = RunHalted("EngageLab refuses the login (HTTP 401)")

    with pytest.raises(RunHalted):
        stage.run()

    assert states(stage, messages) == [State.SCHEDULED]


def test_nothing_due_asks_the_gateway_for_nothing(stage: WorkerOnFakes) -> None:
    """Not even for its templates."""
    wait_for(stage, {"next_at": NOW + timedelta(hours=1)})
    stage.run()

    assert stage.gateway.list_calls == 0


def test_messages_per_run_leaves_the_rest_for_the_next_run_nearest_meeting_first(
    settings: Callable[..., Settings], store: Store
) -> None:
    """Whoever meets sooner needs it sooner, however long another has waited."""
    stage = WorkerOnFakes(settings(messages_per_run=2), store)
    messages = wait_for(
        stage,
        {
            "start": NOW + timedelta(days=3),
            "next_at": NOW - timedelta(hours=3),
            "scheduled_at": NOW - timedelta(hours=3),
        },
        {"start": NOW + timedelta(days=1)},
        {"start": NOW + timedelta(days=2)},
    )
    first = stage.run().report
    after_first = states(stage, messages)
    [told] = stage.told("limit.reached")
    stage.run()

    assert after_first == [State.SCHEDULED, State.SENT, State.SENT]
    assert (first.deferred, told) == (1, {"limit": "messages_per_run", "value": 2})
    assert states(stage, messages) == [State.SENT] * 3


def test_messages_per_day_counts_the_last_24_hours_across_runs(settings: Callable[..., Settings], store: Store) -> None:
    """What is over it waits until a day has passed."""
    stage = WorkerOnFakes(settings('reread = "30d"', messages_per_day=1), store)
    messages = wait_for(stage, {}, {"expires_at": NOW + timedelta(days=2)})
    stage.run()
    stage.run()
    capped = states(stage, messages)
    stage.now = NOW + timedelta(hours=24, seconds=1)
    stage.run()

    assert capped == [State.SENT, State.SCHEDULED]
    assert states(stage, messages) == [State.SENT, State.SENT]


def test_a_number_over_its_cap_is_skipped_for_good(settings: Callable[..., Settings], store: Store) -> None:
    """Also when the rules are planned again; a host's number has no such cap."""
    made = settings("[limits]\nper_number_per_day = 2\n")
    stage = WorkerOnFakes(made, store)
    guests = wait_for(stage, *[{"to": NUMBER}] * 3)
    stage.run()
    [told] = stage.told("message.skipped")
    stage.settings = replace(made, policy=replace(made.policy, language="de"))
    stage.run()

    assert states(stage, guests) == [State.SENT, State.SENT, State.SKIPPED]
    assert told["reason"] == Reason.OVER_CAP


def test_a_numbers_cap_is_for_24_hours(settings: Callable[..., Settings], store: Store) -> None:
    """One a day: what is due 23 hours after one is over it, and what is due a second after 24 hours is not."""
    stage = WorkerOnFakes(settings('reread = "30d"\n[limits]\nper_number_per_day = 1\n'), store)
    later = {"to": NUMBER, "expires_at": NOW + timedelta(days=2)}
    hours = [timedelta(0), timedelta(hours=23), timedelta(hours=24, seconds=1)]
    messages = wait_for(stage, *[later | {"scheduled_at": NOW + after, "next_at": NOW + after} for after in hours])
    for after in hours:
        stage.now = NOW + after
        stage.run()

    assert states(stage, messages) == [State.SENT, State.SKIPPED, State.SENT]


def test_a_hosts_number_has_no_cap(settings: Callable[..., Settings], store: Store) -> None:
    """It comes from the operator, who may have many bookings a day."""
    stage = WorkerOnFakes(settings("[limits]\nper_number_per_day = 1\n"), store)
    to_host = {"rule": "host", "template": "1005", "to": "+13125550177", "audience": Audience.HOST}
    messages = wait_for(stage, to_host, to_host)
    stage.run()

    assert states(stage, messages) == [State.SENT, State.SENT]


def test_an_old_listing_holds_all_texts(settings: Callable[..., Settings], store: Store) -> None:
    """Whatever it said may not be true any more."""
    stage = WorkerOnFakes(settings(max_snapshot_age=timedelta(minutes=1)), store)
    messages = wait_for(stage, {}, {})

    def later(_: object) -> None:
        stage.now += timedelta(seconds=61)

    stage.gateway.on_send = later
    report = stage.run().report

    assert states(stage, messages) == [State.SENT, State.SCHEDULED]
    assert report.deferred == 1
    assert [row["limit"] for row in stage.told("limit.reached")] == ["max_snapshot_age"]


def test_an_event_beyond_the_horizon_was_not_in_the_listing(settings: Callable[..., Settings], store: Store) -> None:
    """The horizon was made shorter than a reminder's offset: what was not listed is not texted about."""
    stage = WorkerOnFakes(settings('horizon = "1h"'), store)
    messages = wait_for(stage, {}, {"start": NOW + timedelta(minutes=50)})
    report = stage.run().report
    [far] = stage.store.messages(keys=[messages[0].key])

    assert states(stage, messages) == [State.SCHEDULED, State.SENT]
    assert (far.reason, report.deferred) == (Reason.BEYOND_HORIZON, 1)


def test_a_message_that_expires_while_others_are_sent_is_not_sent(stage: WorkerOnFakes) -> None:
    """The last look is at the very moment."""
    messages = wait_for(stage, {}, {"expires_at": NOW + timedelta(seconds=5)})

    def later(_: object) -> None:
        stage.now += timedelta(seconds=6)

    stage.gateway.on_send = later
    stage.run()

    assert states(stage, messages) == [State.SENT, State.EXPIRED]


def test_of_several_reminders_due_at_once_only_the_nearest_is_sent(stage: WorkerOnFakes) -> None:
    """The others expire, and stay so."""
    event = an_event("e0", start=NOW + timedelta(minutes=50))
    booking = a_booking(event, an_invitee(event, created_at=NOW - timedelta(days=3)))
    fields = {"template": "1003", "params": {"name": "I", "time": "t", "advance": "a"}, "expires_at": event.start}
    day = a_message(booking, rule="reminder-24h", scheduled_at=NOW - timedelta(hours=23), next_at=NOW, **fields)
    hour = a_message(booking, rule="reminder-1h", scheduled_at=NOW - timedelta(minutes=10), next_at=NOW, **fields)
    stage.store.commit(Batch([Reading(event, NOW)], [booking]), Todo((day, hour)), NOW)
    stage.calendly.put(event, booking.invitee)
    stage.store.meet_rules(coverages(stage.settings.policy, stage.settings.scope), NOW)
    stage.store.remember("policy", stage.settings.policy.fingerprint())
    stage.run()

    assert states(stage, [day, hour]) == [State.EXPIRED, State.SENT]
    assert stage.told("message.expired")[0]["reason"] == Reason.SUPERSEDED


def test_quiet_hours_are_looked_at_again_when_a_message_is_late(
    settings: Callable[..., Settings], store: Store
) -> None:
    """Due in the afternoon, the worker back at night: it waits for the morning of the recipient."""
    stage = WorkerOnFakes(settings('reread = "30d"\n[quiet_hours]\nfrom = "21:00"\nto = "08:00"\n'), store)
    [message] = wait_for(
        stage,
        {
            "rule": "follow-up",
            "template": "1004",
            "params": {"name": "Ines"},
            "timezone": "Europe/Berlin",
            "expires_at": NOW + timedelta(hours=30),
            "start": NOW - timedelta(hours=1),
        },
    )
    stage.now = NOW.replace(hour=22)  # 23:00 in Berlin
    report = stage.run().report
    [held] = stage.store.messages(keys=[message.key])
    stage.now = held.next_at
    stage.run()

    assert (report.deferred, held.state, held.reason) == (1, State.SCHEDULED, Reason.QUIET_HOURS)
    assert held.next_at == NOW.replace(day=24, hour=7)
    assert states(stage, [message]) == [State.SENT]


def test_sends_per_second_is_the_pause_between_two_sends(settings: Callable[..., Settings], store: Store) -> None:
    """Not before the first, not after the last."""
    stage = WorkerOnFakes(settings(sends_per_second=4.0), store)
    wait_for(stage, {}, {}, {})
    stage.run()

    assert stage.slept == [0.25, 0.25]


def test_what_cannot_be_put_into_a_request_fails_and_the_others_go(stage: WorkerOnFakes) -> None:
    """A fault on this side never leaves, and never stops the run."""
    messages = wait_for(stage, {"to": "no number"}, {})
    stage.run()

    assert states(stage, messages) == [State.FAILED, State.SENT]
    assert len(stage.gateway.sends) == 1


def test_an_operator_who_comes_first_is_left_alone(stage: WorkerOnFakes) -> None:
    """`syncer cancel` beside a running worker: that message stays canceled, the others leave, the run is complete."""
    messages = wait_for(stage, {}, {}, {})

    def cancel(_: object) -> None:
        stage.gateway.on_send = None
        stage.store.move(messages[1], State.CANCELED, Reason.BY_OPERATOR, NOW)

    stage.gateway.on_send = cancel
    stage.run()

    assert states(stage, messages) == [State.SENT, State.CANCELED, State.SENT]


def test_what_is_put_back_waits_until_its_booking_was_read_again(stage: WorkerOnFakes) -> None:
    """Failed, then canceled at Calendly, then retried by a person: nothing about it leaves."""
    [message] = wait_for(stage, {})
    stage.gateway.answer(Refused("EngageLab 3002: no"))
    stage.run()
    [failed] = stage.store.messages(keys=[message.key])
    event = stage.calendly.known[f"{message.booking.partition('/invitees/')[0]}"]
    [who] = stage.calendly.people[event.uri]
    gone = replace(who, status="canceled", canceled_at=NOW, canceler_type="host", rescheduled=True)
    stage.calendly.put(event, gone)  # the listing does not show it yet
    stage.store.again(failed, Reason.BY_OPERATOR, NOW, "retried")
    stage.run()

    assert states(stage, [message]) == [State.CANCELED]
    assert len(stage.gateway.sends) == 1
