"""The checker finds each class of wrong history and lets right ones pass: who never condemns is no judge."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from support.builders import NOW, NUMBER, a_message
from support.oracle.history import Arrival, Due, judge
from syncer.model import Message, State

END = NOW + timedelta(hours=7)
PARAMS = {"name": "Ines"}
STATES_WITHOUT_A_TEXT = ["failed", "canceled", "expired", "skipped"]


def due(**over: Any) -> Due:
    """Make a message that is due."""
    given: dict[str, Any] = {"to": NUMBER, "at": NOW, "expires": NOW + timedelta(hours=6), "template": "1001"}
    return Due(**(given | {"params": PARAMS} | over))


def arrival(key: str = "a", **over: Any) -> Arrival:
    """Make an arrival that was accepted, and its sender was told."""
    given: dict[str, Any] = {"to": NUMBER, "template": "1001", "params": PARAMS, "accepted": True, "clear": True}
    return Arrival(key=key, **(given | {"at": NOW + timedelta(seconds=1)} | over))


def row(state: str, key: str = "a", **over: Any) -> Message:
    """Make a row of the outbox."""
    return a_message(key=key, state=State(state), **over)


def faults(
    arrivals: list[Arrival],
    outbox: list[Message],
    *,
    wanted: dict[str, Due] | None = None,
    ambiguous: int = 0,
    now: datetime = END,
    retried: tuple[str, ...] = (),
) -> set[str]:
    """Judge, and name the classes of what is wrong."""
    wanted = {"a": due()} if wanted is None else wanted
    verdict = judge(due=wanted, arrivals=arrivals, outbox=outbox, ambiguous=ambiguous, now=now, retried=retried)
    if found := set(verdict.faults()):
        with pytest.raises(AssertionError, match="seed 7"):
            verdict.check("seed 7")
    else:
        verdict.check()
    return found


REFUSED: dict[str, Any] = {"accepted": False}
UNCLEAR: dict[str, Any] = {"accepted": True, "clear": False}


@pytest.mark.parametrize(
    ("arrivals", "outbox", "more"),
    [
        pytest.param([arrival()], [row("sent")], {}, id="sent once, and the outbox says so"),
        pytest.param([arrival(**REFUSED), arrival()], [row("sent")], {}, id="refused, then taken"),
        pytest.param([arrival(**UNCLEAR)], [row("unknown")], {"ambiguous": 1}, id="left without an answer"),
        pytest.param([], [row("unknown")], {"ambiguous": 1}, id="killed before it left"),
        pytest.param([], [row("scheduled")], {"now": NOW}, id="its life is not over"),
        pytest.param([], [], {"now": NOW}, id="not planned yet, its life is not over"),
        pytest.param([arrival(), arrival()], [row("sent")], {"retried": ("a",)}, id="sent again by a person"),
        pytest.param([], [row("sent")], {"retried": ("a",)}, id="a person says that it went out"),
        pytest.param([], [row("skipped")], {"wanted": {}}, id="neither due nor sent"),
        *(
            pytest.param([], [row(s)], {"wanted": {"a": due(ends=frozenset({State(s)}))}}, id=f"{s} with a reason")
            for s in STATES_WITHOUT_A_TEXT
        ),
    ],
)
def test_a_right_history_passes(arrivals: list[Arrival], outbox: list[Message], more: dict[str, Any]) -> None:
    """Nothing is wrong with it."""
    assert faults(arrivals, outbox, **more) == set()


@pytest.mark.parametrize(
    ("wrong", "arrivals", "outbox", "more"),
    [
        pytest.param({"duplicates"}, [arrival(), arrival()], [row("sent")], {}, id="it came twice"),
        pytest.param(
            {"duplicates"}, [arrival(**UNCLEAR), arrival()], [row("sent")], {}, id="again after no clear answer"
        ),
        pytest.param({"duplicates"}, [arrival(), arrival(**REFUSED)], [row("sent")], {}, id="the second was refused"),
        pytest.param(
            {"duplicates"}, [arrival()] * 3, [row("sent")], {"retried": ("a",)}, id="three times, a person wanted two"
        ),
        pytest.param({"losses"}, [], [], {}, id="nobody ever planned it"),
        pytest.param({"losses", "stuck"}, [], [row("scheduled")], {}, id="it waited its life away"),
        pytest.param({"losses", "stuck"}, [], [row("retryable")], {}, id="it was put off for ever"),
        *(pytest.param({"losses"}, [], [row(s)], {}, id=f"{s}, and nothing was wrong") for s in STATES_WITHOUT_A_TEXT),
        pytest.param({"false_sent"}, [], [row("sent")], {}, id="sent, and it never arrived"),
        pytest.param({"false_sent"}, [arrival(**REFUSED)], [row("sent")], {}, id="sent, and it was refused"),
        pytest.param({"false_sent"}, [arrival(**UNCLEAR)], [row("sent")], {}, id="sent, and nobody said so"),
        pytest.param({"ghosts", "losses"}, [arrival()], [], {}, id="it arrived out of nothing"),
        pytest.param({"ghosts", "stuck"}, [arrival()], [row("scheduled")], {}, id="it arrived and waits to be sent"),
        pytest.param({"ghosts"}, [arrival()], [row("retryable")], {"now": NOW}, id="it arrived and is put off"),
        pytest.param({"ghosts", "losses"}, [arrival()], [row("failed")], {}, id="it arrived and is failed"),
        pytest.param(
            {"ghosts", "stuck"},
            [arrival(accepted=False, clear=False)],
            [row("scheduled")],
            {"wanted": {"a": due(expires=END + timedelta(hours=1))}},
            id="no clear answer, and it waits to be sent again",
        ),
        pytest.param({"unexpected"}, [arrival()], [row("sent")], {"wanted": {}}, id="it was not due"),
        pytest.param({"unexpected"}, [arrival(to="+13125550199")], [row("sent")], {}, id="somebody else got it"),
        pytest.param({"unexpected"}, [arrival(template="1002")], [row("sent")], {}, id="another template"),
        pytest.param({"unexpected"}, [arrival(params={"name": "Emil"})], [row("sent")], {}, id="another name"),
        pytest.param({"unexpected"}, [arrival(at=NOW - timedelta(seconds=1))], [row("sent")], {}, id="too early"),
        pytest.param({"unexpected"}, [arrival(at=NOW + timedelta(hours=6))], [row("sent")], {}, id="too late"),
        pytest.param({"stuck"}, [arrival()], [row("sending")], {}, id="it is left in sending"),
        pytest.param({"unknown"}, [arrival(**UNCLEAR)], [row("unknown")], {}, id="unknown without a cause"),
    ],
)
def test_a_wrong_history_is_found(
    wrong: set[str], arrivals: list[Arrival], outbox: list[Message], more: dict[str, Any]
) -> None:
    """It is found, in its class and no other."""
    assert faults(arrivals, outbox, **more) == wrong


def test_to_mark_everything_unknown_does_not_pass() -> None:
    """A program that calls each text unknown has no duplicates and no losses: the bound finds it."""
    keys = [f"k{n}" for n in range(10)]
    arrivals = [arrival(key) for key in keys]
    outbox = [row("unknown", key) for key in keys]

    verdict = judge(due={key: due() for key in keys}, arrivals=arrivals, outbox=outbox, ambiguous=9, now=END)

    assert set(verdict.faults()) == {"unknown"}


def test_the_figures_of_a_history() -> None:
    """They count what was due, sent and unknown, and what is wrong."""
    arrivals = [arrival("a"), arrival("a"), arrival("b")]
    outbox = [row("sent", "a"), row("unknown", "b"), row("unknown", "c")]

    verdict = judge(due={key: due() for key in "abc"}, arrivals=arrivals, outbox=outbox, ambiguous=2, now=END)
    counted = {name: count for name, count in verdict.counts().items() if count}

    assert counted == {"due": 3, "sent": 1, "duplicates": 1, "unknown_arrived": 1, "unknown_not": 1}
