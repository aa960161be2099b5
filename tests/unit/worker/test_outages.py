"""An outage of EngageLab is remembered: few texts become unknown, and all that are in time leave when it is over."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, an_event, an_invitee
from support.slow_gateway import SlowGateway
from support.slow_network import SlowAir
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer.cli import cli
from syncer.cli.building import a_gateway
from syncer.engagelab import decipher
from syncer.errors import NoRoom, NotConnected, RunHalted
from syncer.model import State, utc_text
from syncer.outages import FIRST_PAUSE, IN_A_ROW, LONGEST_PAUSE, Outage, after_silence, is_answer, is_silence
from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Refused
from syncer.reasons import Reason
from syncer.store.glance import glance
from syncer.worker import ONCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from syncer.config import Settings
    from syncer.model import Message
    from syncer.outbox import Outcome
    from syncer.store import Store
    from syncer.worker import Worker

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SILENT = NoAnswer("EngageLab gave no usable answer: HTTP 503")
UNREACHED = NotNow("EngageLab not reached: refused", unreached=True)
AN_ANSWER = Accepted("1")


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """The tutorial's settings on an empty database."""
    return WorkerOnFakes(settings("[limits]\nmessages_per_run = 1000\n"), store)


# What tells of an outage.


@pytest.mark.parametrize(
    ("outcome", "silence", "answer"),
    [
        pytest.param(AN_ANSWER, False, True, id="accepted"),
        pytest.param(decipher(503, {}, b""), True, False, id="5xx"),
        pytest.param(decipher(408, {}, b""), True, False, id="too late for them"),
        pytest.param(decipher(200, {}, b"{}"), True, False, id="200 without an id"),
        pytest.param(decipher(404, {}, b"<html>"), True, False, id="a refusal without a code"),
        pytest.param(UNREACHED, True, False, id="not reached"),
        pytest.param(decipher(429, {}, b""), False, True, id="a rate limit"),
        pytest.param(decipher(401, {}, b""), False, True, id="the login is refused"),
        pytest.param(decipher(400, {}, b'{"code": 3002}'), False, True, id="refused by a code"),
        pytest.param(decipher(400, {}, b'{"code": 4001}'), False, True, id="refused for now by a code"),
        pytest.param(Refused("not sendable: no number"), False, False, id="refused by ourselves"),
    ],
)
def test_what_counts(outcome: Outcome, *, silence: bool, answer: bool) -> None:
    """What is neither says nothing about the gateway."""
    assert (is_silence(outcome), is_answer(outcome)) == (silence, answer)


def missed(times: int, outcome: Outcome = SILENT, *, before: Outage | None = None, now: datetime = NOW) -> Outage:
    """Miss so many answers; each text leaves when the pause after the one before is over."""
    for _ in range(times):
        now = max(now, before.until) if before is not None and before.until is not None else now
        before = after_silence(before, outcome, claimed_at=now, now=now)
    assert before is not None
    return before


def test_each_pause_is_twice_as_long_up_to_a_quarter_of_an_hour() -> None:
    """The first after the third text in a row."""
    pauses = [missed(times).pause for times in range(1, IN_A_ROW + 7)]

    assert pauses == [minutes * MINUTE for minutes in (0, 0, 1, 2, 4, 8, 15, 15, 15)]
    assert missed(IN_A_ROW - 1).until is None


def test_who_was_not_reached_is_tried_each_minute() -> None:
    """That makes nothing unknown; a text without an answer makes the pause longer again."""
    outage = missed(8, UNREACHED)
    longer = missed(1, SILENT, before=missed(4, UNREACHED, before=missed(IN_A_ROW + 2)))

    assert outage.pause == FIRST_PAUSE
    assert longer.pause == 8 * MINUTE


@given(st.lists(st.tuples(st.integers(0, 90), st.booleans()), min_size=1, max_size=30))
def test_what_was_in_flight_already_makes_no_pause_longer(texts: list[tuple[int, bool]]) -> None:
    """For any times of answers to texts that all left before the first pause was over."""
    outage: Outage | None = None
    for seconds, unreached in texts:
        now = NOW + seconds * SECOND
        outage = after_silence(outage, UNREACHED if unreached else SILENT, claimed_at=NOW, now=now)
    assert outage is not None
    assert outage.silent == len(texts)
    assert outage.pause == (FIRST_PAUSE if len(texts) >= IN_A_ROW else timedelta())


def test_a_pause_by_a_wrong_clock_holds_nothing() -> None:
    """It lies further ahead than any pause."""
    outage = Outage(since=NOW, silent=3, pause=LONGEST_PAUSE, until=NOW + LONGEST_PAUSE)

    assert outage.keeps(NOW)
    assert outage.keeps(NOW - LONGEST_PAUSE)
    assert not outage.keeps(NOW - 300 * 24 * HOUR)
    assert not outage.keeps(NOW + LONGEST_PAUSE)


# Half an hour of it.


def always(stage: WorkerOnFakes, outcome: Outcome) -> None:
    """Answer every text so."""
    stage.gateway.answer(outcome, times=10_000)


def heal(stage: WorkerOnFakes) -> None:
    """Let the outage be over."""
    stage.gateway._script.clear()


def a_job_a_minute(stage: WorkerOnFakes, worker: Callable[[], Worker], *, minutes: int) -> None:
    """Do a run each minute, each of a new process."""
    end = stage.now + minutes * MINUTE
    while stage.now < end:
        stage.log.clear()
        began = stage.now
        worker().run_once(ONCE)
        stage.now = max(stage.now, began + MINUTE)


def a_loop(stage: WorkerOnFakes, worker: Callable[[], Worker], *, minutes: int) -> None:
    """Do a run each minute in one process."""
    made = worker()
    a_job_a_minute(stage, lambda: made, minutes=minutes)


def moving(stage: WorkerOnFakes) -> Callable[[], Worker]:
    """Make workers whose waiting moves the clock."""

    def make() -> Worker:
        worker = stage.worker()

        def wait(timeout: float | None = None) -> bool:
            stage.now += timedelta(seconds=timeout or 0, microseconds=1)
            return worker.stop.is_set()

        worker.stop.wait = wait  # type: ignore[method-assign]  # moves the simulated clock
        return worker

    return make


LATER: dict[str, Any] = {"expires_at": NOW + 2 * HOUR}


@pytest.mark.parametrize("runs", [a_job_a_minute, a_loop])
@pytest.mark.parametrize("due", ["all at once", "one a minute"])
def test_half_an_hour_of_5xx_at_once(stage: WorkerOnFakes, runs: Callable[..., None], due: str) -> None:
    """Eight texts at most are unknown, whoever runs and however few there are at a time; then all leave in one run."""
    overs = [LATER | ({} if due == "all at once" else {"next_at": NOW + n * MINUTE}) for n in range(60)]
    messages = wait_for(stage, *overs)
    always(stage, SILENT)

    runs(stage, moving(stage), minutes=30)
    during = Counter(states(stage, messages))
    heal(stage)
    stage.now = NOW + 60 * MINUTE
    moving(stage)().run_once(ONCE)

    assert 0 < during[State.UNKNOWN] <= 8
    assert during[State.SCHEDULED] == 60 - during[State.UNKNOWN]
    assert Counter(states(stage, messages)) == {
        State.UNKNOWN: during[State.UNKNOWN],
        State.SENT: 60 - during[State.UNKNOWN],
    }
    assert stage.store.outage() is None


@pytest.mark.parametrize("lanes", [1, 8, 30])
@pytest.mark.parametrize("runs", [a_job_a_minute, a_loop])
def test_half_an_hour_of_answers_that_never_come(
    settings: Callable[..., Settings],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    runs: Callable[..., None],
    lanes: int,
) -> None:
    """Each text waits for 15 s: what was in flight, and five more."""
    stage = WorkerOnFakes(settings(f"[limits]\nmessages_per_run = 1000\nconcurrency = {lanes}\n"), store)
    messages = wait_for(stage, *[LATER] * 60)
    always(stage, SILENT)
    air = SlowAir(stage, 15.0)
    monkeypatch.setattr("syncer.flights.queue.SimpleQueue", air.as_queue)

    runs(stage, air.worker, minutes=30)
    unknown = states(stage, messages).count(State.UNKNOWN)
    heal(stage)
    air.seconds = 0.1
    stage.now = NOW + 60 * MINUTE
    air.worker().run_once(ONCE)

    assert air.most == lanes
    assert 0 < unknown <= max(lanes, IN_A_ROW) + 5
    assert states(stage, messages).count(State.SENT) == 60 - unknown


def test_half_an_hour_of_5xx_over_real_sockets(
    settings: Callable[..., Settings], store: Store, figures: Callable[..., None]
) -> None:
    """The real client and a server that lists its templates and answers 503 to each text; a process a minute."""
    well: list[bool] = []
    with SlowGateway(lambda _: 200 if well else 503) as server:
        made = settings("[limits]\nmessages_per_run = 1000\n", {"ENGAGELAB_API_URL": server.url})
        stage = WorkerOnFakes(made, store)
        messages = wait_for(stage, *[LATER] * 60)
        make = moving(stage)

        def worker() -> Worker:
            found = make()
            found.gateway, found.executor = gateway, ThreadPoolExecutor
            return found

        with a_gateway(made, sleep=lambda _: None) as gateway:
            a_job_a_minute(stage, worker, minutes=30)
            during, probes = Counter(states(stage, messages)), len(server.arrivals)
            well.append(True)
            stage.now = NOW + 60 * MINUTE
            worker().run_once(ONCE)

    unknown = during[State.UNKNOWN]
    figures("half an hour of 503", unknown=unknown, sent_afterwards=60 - unknown)
    assert 0 < unknown <= 8
    assert probes == unknown
    assert states(stage, messages).count(State.SENT) == 60 - unknown


def test_half_an_hour_without_a_connection_loses_nothing(stage: WorkerOnFakes) -> None:
    """Nothing is unknown. One text is tried a minute, and when the first one is reached all leave."""
    messages = wait_for(stage, *[LATER] * 60)
    always(stage, UNREACHED)

    a_job_a_minute(stage, moving(stage), minutes=30)
    tried = len(stage.gateway.sends)
    during = set(states(stage, messages))
    heal(stage)
    a_job_a_minute(stage, moving(stage), minutes=3)

    assert 20 <= tried <= 33
    assert during == {State.RETRYABLE, State.SCHEDULED}
    assert set(states(stage, messages)) == {State.SENT}


# The text that is tried.


def in_an_outage(stage: WorkerOnFakes, *overs: dict[str, Any]) -> list[Message]:
    """Let three texts get no answer, then put more into the outbox; the first pause is over."""
    messages = wait_for(stage, *[LATER] * IN_A_ROW, *overs)
    always(stage, SILENT)
    stage.run()
    heal(stage)
    stage.now += FIRST_PAUSE
    return messages[IN_A_ROW:]


def test_the_text_that_expires_last_is_tried_first_and_alone(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loses least. The others leave in the same run, in their order."""
    waiting = in_an_outage(stage, LATER, LATER | {"expires_at": NOW + 5 * HOUR}, LATER, LATER)
    sends = len(stage.gateway.sends)
    air = SlowAir(stage, 5.0)
    monkeypatch.setattr("syncer.flights.queue.SimpleQueue", air.as_queue)
    alone: list[int] = []
    stage.gateway.on_send = lambda _: alone.append(len(air.flying))
    air.worker().run_once()

    left = [sent.key for sent in stage.gateway.sends[sends:]]
    assert left == [waiting[1].key, waiting[0].key, waiting[2].key, waiting[3].key]
    assert alone[0] == 0
    assert air.most > 1
    assert states(stage, waiting) == [State.SENT] * 4


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        pytest.param(Refused("EngageLab 3002: no", "3002"), State.SENT, id="refused by a code"),
        pytest.param(NotNow("EngageLab 3004", "3004", tries=1), State.SENT, id="refused for now by a code"),
        pytest.param(SILENT, State.SCHEDULED, id="no answer"),
        pytest.param(UNREACHED, State.SCHEDULED, id="not reached"),
    ],
)
def test_any_clear_answer_ends_the_outage(stage: WorkerOnFakes, answer: Outcome, rest: State) -> None:
    """The gateway answers, whatever it says of this one text."""
    waiting = in_an_outage(stage, LATER | {"expires_at": NOW + 5 * HOUR}, LATER, LATER)
    stage.gateway.answer(answer)
    report = stage.run().report

    assert states(stage, waiting)[1:] == [rest] * 2
    assert (stage.store.outage() is None) == (rest is State.SENT)
    assert report.deferred == (0 if rest is State.SENT else 2)


@pytest.mark.parametrize("answer", [Halt("EngageLab 2001"), NotNow("EngageLab 429", "HTTP 429", pauses_all=True)])
def test_an_answer_that_holds_all_takes_the_place_of_the_outage(stage: WorkerOnFakes, answer: Outcome) -> None:
    """The gateway answers, and nothing leaves for another reason."""
    waiting = in_an_outage(stage, LATER, LATER)
    stage.gateway.answer(answer)
    try:
        stage.run()
    except RunHalted:
        assert isinstance(answer, Halt)

    assert states(stage, waiting) == [State.RETRYABLE, State.SCHEDULED]
    assert stage.store.outage() is None


def test_what_cannot_be_sent_tells_nothing_about_the_gateway(stage: WorkerOnFakes) -> None:
    """A text that we refuse ourselves neither ends the outage nor counts as a text without an answer."""
    waiting = in_an_outage(stage, LATER | {"to": "no number", "expires_at": NOW + 5 * HOUR}, LATER)
    before = stage.store.outage()
    stage.run()

    assert states(stage, waiting) == [State.FAILED, State.SCHEDULED]
    assert stage.store.outage() == before
    stage.run()
    assert states(stage, waiting)[1] is State.SENT


def test_while_the_last_answer_is_missed_one_text_is_in_flight(
    settings: Callable[..., Settings], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one text without an answer, in an earlier run: the next one alone, and when it is accepted all others."""
    stage = WorkerOnFakes(settings("[limits]\nsends_per_second = 500\n"), store)
    messages = wait_for(stage, LATER, *[LATER | {"next_at": NOW + MINUTE}] * 8)
    stage.gateway.answer(SILENT)
    stage.run()
    stage.now += MINUTE
    air = SlowAir(stage, 5.0)
    monkeypatch.setattr("syncer.flights.queue.SimpleQueue", air.as_queue)
    beside: list[int] = []
    stage.gateway.on_send = lambda _: beside.append(len(air.flying))
    air.worker().run_once()

    assert states(stage, messages) == [State.UNKNOWN] + [State.SENT] * 8
    assert beside == [0, 6, 5, 4, 3, 2, 1, 0]
    assert stage.told("sending.deferred") == []


def test_texts_put_off_by_the_outage_leave_when_it_is_over(stage: WorkerOnFakes) -> None:
    """One that was not reached many times would wait for half an hour."""
    often = LATER | {"state": State.RETRYABLE, "attempts": 9, "reason": Reason.OUTAGE}
    messages = wait_for(stage, often, LATER)
    stage.gateway.answer(UNREACHED)
    stage.run()
    first = states(stage, messages)
    stage.run()

    assert first == [State.RETRYABLE, State.SENT]
    assert states(stage, messages) == [State.SENT] * 2


def test_the_pause_ends_within_a_long_run(
    settings: Callable[..., Settings], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first read takes hours: its texts do not wait for its end. Each pause is told once."""
    monkeypatch.setattr("syncer.worker.BATCH", 1)
    stage = WorkerOnFakes(settings(environ={"TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    for number in range(12):
        event = an_event(f"e{number}", start=NOW + timedelta(days=2, minutes=number))
        invitee = an_invitee(event, created_at=NOW, text_reminder_number=f"+131255501{number:02}")
        stage.calendly.put(event, invitee)

    def pass_time(_: str) -> None:
        stage.now += 20 * SECOND

    stage.calendly.on_invitees = pass_time
    stage.gateway.answer(SILENT, times=IN_A_ROW)
    report = stage.run().report

    assert (report.unknown, report.sent) == (IN_A_ROW, 12 - IN_A_ROW)
    assert [told["reason"] for told in stage.told("sending.deferred")] == [Reason.OUTAGE]


def test_an_answer_to_what_left_before_the_pause_does_not_cut_it_short(
    settings: Callable[..., Settings], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four that left together three got no answer: the run sends no more, though the gateway answered the fourth."""
    monkeypatch.setattr("syncer.worker.BATCH", 4)
    stage = WorkerOnFakes(
        settings("[limits]\nconcurrency = 4", {"TEMPLATE_ID_HOST_NOTIFY": ""}, sends_per_second=float("inf")), store
    )
    for number in range(8):
        event = an_event(f"e{number}", start=NOW + timedelta(days=2, minutes=number))
        invitee = an_invitee(event, created_at=NOW, text_reminder_number=f"+131255501{number:02}")
        stage.calendly.put(event, invitee)
    stage.gateway.answer(SILENT, times=IN_A_ROW)
    first = stage.run().report
    second = stage.run().report

    assert (first.unknown, first.sent, first.deferred) == (IN_A_ROW, 1, 4)
    assert second.sent == 4
    assert stage.store.outage() is None


def test_why_a_text_waits_is_noted_and_told_once_a_run(stage: WorkerOnFakes) -> None:
    """`explain` says it; the log says until when, and how many wait."""
    *_, waiting = wait_for(stage, *[LATER] * 5)
    always(stage, SILENT)
    stage.run()
    stories = []
    for _ in range(2):
        stage.now += 20 * SECOND
        report = stage.run().report
        [told] = stage.told("sending.deferred")
        assert (told["reason"], told["count"], report.deferred) == (Reason.OUTAGE, 2, 2)
        assert told["until"] == utc_text(NOW + FIRST_PAUSE)
        [row] = stage.store.messages(keys=[waiting.key])
        assert (row.state, row.reason) == (State.SCHEDULED, Reason.OUTAGE)
        stories.append(stage.store.history(waiting.key))
    heal(stage)
    stage.now = NOW + FIRST_PAUSE
    stage.run()

    assert stories[0] == stories[1]
    assert states(stage, [waiting]) == [State.SENT]


def test_templates_that_cannot_be_had_are_no_outage(stage: WorkerOnFakes) -> None:
    """That costs no text: the next run asks again, whatever the pauses."""
    messages = wait_for(stage, *[LATER] * 4)
    stage.gateway.broken = NotConnected("no route")
    for _ in range(5):
        stage.run()
    stage.gateway.broken = None
    stage.run()

    assert states(stage, messages) == [State.SENT] * 4


def test_a_full_disk_in_an_outage_leaves_nothing_to_be_sent_twice(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be remembered ends the run; what is in flight is settled."""
    messages = wait_for(stage, *[LATER] * 4)
    always(stage, SILENT)

    def full(_: Outage) -> None:
        raise NoRoom("full")

    with monkeypatch.context() as patch:
        patch.setattr(stage.store, "remember_outage", full)
        with pytest.raises(NoRoom):
            stage.run()
    heal(stage)
    stage.run()

    assert states(stage, messages) == [State.UNKNOWN] + [State.SENT] * 3


def test_status_shows_the_outage(stage: WorkerOnFakes) -> None:
    """Since when, and until when nothing leaves; a single text without an answer is none."""
    wait_for(stage, *[LATER] * 5)
    path = Path(stage.store.db.conn.execute("PRAGMA database_list").fetchone()[2])
    found = [glance(path).outage]
    stage.gateway.answer(SILENT)
    stage.gateway.answer(Accepted("1"), accepted=True)
    stage.run()
    found.append(glance(path).outage)
    stage.store.remember_outage(missed(IN_A_ROW - 1))
    found.append(glance(path).outage)
    stage.store.remember_outage(missed(IN_A_ROW))
    found.append(glance(path).outage)
    shown = CliRunner().invoke(cli, ["--db", str(path), "status"]).output
    data = json.loads(CliRunner().invoke(cli, ["--db", str(path), "status", "--json"]).output)

    until = utc_text(NOW + FIRST_PAUSE)
    assert found == [None, None, None, (utc_text(NOW), until)]
    assert data["outage"] == {"since": utc_text(NOW), "until": until}
    assert f"EngageLab does not answer since {utc_text(NOW)}. Nothing leaves before {until}" in shown
