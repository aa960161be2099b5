"""Refusals in a row: what EngageLab refuses to everybody is not these texts' fault, whatever its words are."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.refusals import OVERDUE, QUOTA, answers, states, texts
from support.worker_on_fakes import WorkerOnFakes
from syncer.engagelab import decipher
from syncer.errors import RunHalted
from syncer.model import State
from syncer.outbox import Accepted, NotNow, Outcome, Refused
from syncer.reasons import Reason
from syncer.sending import REFUSALS, suspicions_of
from syncer.store import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.store import Store

MINUTE = timedelta(minutes=1)
TOML = "[limits]\nmessages_per_run = 1000\nconcurrency = {lanes}"
LATER = decipher(400, {}, b'{"code": 5001, "message": "sending failed"}')


@pytest.fixture
def stage(store: Store, settings: Callable[..., Settings]) -> WorkerOnFakes:
    """One text in flight at a time."""
    return WorkerOnFakes(settings(TOML.format(lanes=1)), store)


@pytest.mark.parametrize("outcome", [OVERDUE, QUOTA], ids=["account overdue", "quota exceeded"])
def test_the_fifth_refusal_of_several_templates_halts(stage: WorkerOnFakes, outcome: Outcome) -> None:
    """Five have failed, the other fifteen wait; the log names the five for `retry`. The run fails."""
    messages = texts(stage, 20)
    answers(stage, outcome)

    with pytest.raises(RunHalted):
        stage.run()

    assert states(stage, messages).count(State.FAILED) == REFUSALS
    assert states(stage, messages).count(State.SCHEDULED) == 20 - REFUSALS
    [halted] = stage.told("gateway.halted")
    failed = [m.id for m in stage.store.messages(states=[State.FAILED])]
    assert all(ident in str(halted["remedy"]) for ident in failed)
    assert "syncer retry" in str(halted["remedy"])


def test_the_fifth_refusal_of_one_template_holds_that_template(stage: WorkerOnFakes) -> None:
    """Texts of the others leave; the run is an ordinary one."""
    messages = texts(stage, 10, templates=("1001",)) + texts(stage, 10, templates=("1002",), first=10)
    answers(stage, OVERDUE, ("1001",))

    stage.run()

    after = states(stage, messages)
    assert after[:10].count(State.FAILED) == REFUSALS
    assert after[:10].count(State.SCHEDULED) == 10 - REFUSALS
    assert after[10:] == [State.SENT] * 10
    [rejected] = stage.told("template.rejected")
    assert rejected["template"] == "1001"
    assert "syncer retry" in str(rejected["remedy"])


@pytest.mark.parametrize("templates", [("1001",), ("1001", "1002")], ids=["a template", "the account"])
def test_later_runs_try_one_text_and_lose_none(stage: WorkerOnFakes, templates: tuple[str, ...]) -> None:
    """However long it lasts, only five have failed; a text that is tried waits for the next run."""
    messages = texts(stage, 20, templates=templates)
    answers(stage, OVERDUE)
    sends = []
    for _ in range(6):
        before = len(stage.gateway.sends)
        with contextlib.suppress(RunHalted):
            stage.run()
        sends.append(len(stage.gateway.sends) - before)
        stage.now += 2 * MINUTE

    assert sends == [REFUSALS, 1, 1, 1, 1, 1]
    after = states(stage, messages)
    assert after.count(State.FAILED) == REFUSALS
    assert after.count(State.SCHEDULED) + after.count(State.RETRYABLE) == 20 - REFUSALS
    waiting = stage.store.messages(states=[State.SCHEDULED, State.RETRYABLE])
    assert {m.reason for m in waiting} <= {Reason.HALTED, Reason.HELD_TEMPLATE}


@pytest.mark.parametrize("templates", [("1001",), ("1001", "1002")], ids=["a template", "the account"])
def test_the_first_acceptance_lets_all_go(stage: WorkerOnFakes, templates: tuple[str, ...]) -> None:
    """Topped up: the one that is tried is taken, and the rest follows in the same run."""
    messages = texts(stage, 20, templates=templates)
    answers(stage, OVERDUE)
    with contextlib.suppress(RunHalted):
        stage.run()
    stage.gateway.policy = None
    stage.now += 2 * MINUTE
    stage.run()

    assert states(stage, messages).count(State.SENT) == 20 - REFUSALS
    assert stage.store.refusals() == []


def test_one_text_a_run_is_a_row_too(stage: WorkerOnFakes) -> None:
    """A small account has one text now and then: the fifth refusal halts all the same."""
    answers(stage, OVERDUE)
    for number in range(REFUSALS - 1):
        texts(stage, 1, first=number)
        stage.run()
        stage.now += MINUTE
    texts(stage, 1, first=REFUSALS)

    with pytest.raises(RunHalted):
        stage.run()


def test_a_template_is_held_although_others_are_taken_in_between(stage: WorkerOnFakes) -> None:
    """Every second text is of the bad template: it has a row of its own."""
    messages = texts(stage, 40)
    answers(stage, OVERDUE, ("1001",))

    stage.run()

    bad = [m for m in stage.store.messages() if m.template == "1001"]
    assert [m.state for m in bad].count(State.FAILED) == REFUSALS
    assert [m.state for m in bad].count(State.SCHEDULED) == 20 - REFUSALS
    assert states(stage, messages).count(State.SENT) == 20
    assert stage.told("gateway.halted") == []


def test_what_is_taken_in_between_ends_the_row(stage: WorkerOnFakes) -> None:
    """Four refusals, one acceptance, four refusals: single numbers are wrong."""
    good = 4
    messages = texts(stage, 9)
    numbers = {messages[good].to}
    serial = iter(range(10**18, 2 * 10**18))
    stage.gateway.policy = lambda m: Accepted(str(next(serial)), "1") if m.to in numbers else OVERDUE

    stage.run()

    assert sorted(states(stage, messages)) == [State.FAILED] * 8 + [State.SENT]
    assert stage.told("gateway.halted") == stage.told("template.rejected") == []


def test_other_codes_and_the_same_number_are_no_row(stage: WorkerOnFakes) -> None:
    """Each code counts by itself, and so does each number."""
    messages = texts(stage, 8)
    codes = {m.key: (OVERDUE if number % 2 else QUOTA) for number, m in enumerate(messages)}
    stage.gateway.policy = lambda message: codes[message.key]
    stage.run()

    assert states(stage, messages) == [State.FAILED] * 8
    assert stage.told("gateway.halted") == []


def test_people_who_unsubscribed_are_no_row(stage: WorkerOnFakes) -> None:
    """A code about the number alone says nothing about the next one."""
    messages = texts(stage, 8)
    answers(stage, Refused("EngageLab 5019: unsubscribed", "5019", opted_out=True))
    stage.run()

    assert states(stage, messages) == [State.FAILED] * 8
    assert stage.told("gateway.halted") == []


def test_an_answer_to_try_again_counts_and_costs_no_text(stage: WorkerOnFakes) -> None:
    """5001 five times in a row: nobody's texts use up their tries."""
    messages = texts(stage, 12)
    answers(stage, LATER)
    for _ in range(5):
        with contextlib.suppress(RunHalted):
            stage.run()
        stage.now += 2 * MINUTE

    assert State.FAILED not in states(stage, messages)


def test_with_many_in_flight_a_few_more_are_refused_and_none_of_them_fails(
    store: Store, settings: Callable[..., Settings]
) -> None:
    """Eight at once: three were on their way when the fifth was refused."""
    stage = WorkerOnFakes(settings(TOML.format(lanes=8) + "\nsends_per_second = 500"), store)
    messages = texts(stage, 30)
    answers(stage, OVERDUE)
    with pytest.raises(RunHalted):
        stage.run()

    assert states(stage, messages).count(State.FAILED) == REFUSALS


@pytest.mark.parametrize(
    ("refusals", "template"),
    [
        ([("3003", "a", True)] * 4, []),
        ([("3003", "a", True)] * 5, ["a"]),
        ([("3003", "a", False)] * 5, ["a"]),
        ([("3003", "a", True)] * 4 + [("3003", "b", True)], [""]),
        ([("3003", "a", True)] * 4 + [("3001", "b", True)], []),
        ([("3003", "a", False)] * 4 + [("3003", "b", True)], []),
        ([("3003", "a", False)] * 5 + [("3003", "b", True)] * 5, ["a", "b"]),
        ([("3003", "a", True)] * 5 + [("3003", "b", True)] * 5, ["", "a", "b"]),
    ],
)
def test_what_a_row_says(refusals: list[tuple[str, str, bool]], template: list[str]) -> None:
    """Five of one template are about it; five of several, with nothing accepted in between, about everything."""
    row = [Refusal(code, name, f"m-{number}", alone) for number, (code, name, alone) in enumerate(refusals)]

    assert [suspicion.template for suspicion in suspicions_of(row)] == template


def test_refusals_know_their_code() -> None:
    """Decisions compare codes."""
    assert isinstance(OVERDUE, Refused)
    assert OVERDUE.code == "3003"
    assert isinstance(LATER, NotNow)
    assert LATER.code == "5001"
