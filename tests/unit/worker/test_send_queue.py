"""A number with a text in flight does not hold up the others, and takes nothing from anybody."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, a_message
from support.databases import a_store
from support.modes import LONG_FORM
from support.slow_gateway import Arrival, SlowGateway
from support.slow_network import SlowAir
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer.cli.building import a_gateway
from syncer.errors import Stopped
from syncer.model import Audience, State
from syncer.send_queue import SendQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from support.fake_clients import Sent
    from syncer.config import Settings
    from syncer.model import Message
    from syncer.store import Store

MINUTE = timedelta(minutes=1)
HOST = "+13125550177"


def to(numbers: Iterable[int]) -> list[Message]:
    """Make messages to these numbers; their keys say their places."""
    return [a_message(key=f"{place:06}", to=f"+1312{5550000 + number}") for place, number in enumerate(numbers)]


# The queue by itself.


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 4), st.integers(1, 40), st.booleans(), st.randoms())
def test_the_first_in_order_whose_number_is_free(
    numbers: list[int], lanes: int, room: int, paired: bool, chance: Any
) -> None:
    """For any texts, lanes, caps, groups and order of answers: compared with looking through all of them."""

    def group(message: Message) -> str:
        return str(int(message.to[1:]) // 2) if paired else message.to

    messages = to(numbers)
    flying: list[Message] = []
    taken: list[Message] = []
    waiting, line = list(messages), SendQueue(messages, group)
    while waiting and room:
        while len(flying) < lanes and room:
            busy = {message.to for message in flying}
            first = {group(message): message for message in reversed(waiting)}
            free = [message for message in waiting if first[group(message)] is message and message.to not in busy]
            expected = next((message for message in free if message in waiting[:room]), None)
            assert line.has_free(busy) == bool(free)
            found = line.take(busy, room)
            assert found == expected
            if found is None:
                break
            waiting.remove(found)
            flying.append(found)
            taken.append(found)
            room -= 1
            assert len(line) == len(waiting)
        flying.remove(chance.choice(flying))

    # Whatever was passed over meanwhile: those leave that would have left one after the other.
    assert {message.key for message in taken} == {message.key for message in messages[: len(taken)]}
    for name in {group(message) for message in messages}:
        keys = [message.key for message in taken if group(message) == name]
        assert keys == sorted(keys)


def test_thousands_to_one_number_cost_no_more_than_thousands_to_as_many() -> None:
    """How often a number is looked up grows with the texts, not with their square."""

    class Counting(set[str]):
        looked = 0

        def __contains__(self, number: object) -> bool:
            Counting.looked += 1
            return super().__contains__(number)

    count = 5000
    messages = to(itertools.chain.from_iterable((0, number) for number in range(1, count + 1)))
    line, held = SendQueue(messages), Counting()
    for turn in range(2 * count):
        held.clear()
        if turn % 4:
            held.add(messages[0].to)
        line.take(held, 2 * count - turn)

    assert Counting.looked <= 2 * count * 8


# In a run, with answers that take their time.


def played(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> dict[str, list[float]]:
    """Do a run whose texts are answered after so many seconds; returns when each number's were, from the start on."""
    air = SlowAir(stage, seconds)
    monkeypatch.setattr("syncer.flights.queue.SimpleQueue", air.as_queue)
    worker = air.worker()
    answered: dict[str, list[float]] = {}

    def on_send(sent: Sent) -> None:
        answered.setdefault(sent.to, []).append(round(stage.ticks() - began, 2))

    stage.gateway.on_send, began = on_send, stage.ticks()
    worker.run_once()
    return answered


def a_host(**over: Any) -> dict[str, Any]:
    """What makes a message one to the host."""
    return {"to": HOST, "audience": Audience.HOST, "rule": "host", "template": "1005"} | over


def test_forty_texts_to_one_host_hardly_slow_down_sixteen_guests(
    settings: Callable[..., Settings],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    figures: Callable[..., None],
) -> None:
    """Default limits, 2 s an answer, the host's texts first in order: at most a quarter more than the guests alone."""
    alone = WorkerOnFakes(settings(), store)
    wait_for(alone, *[{} for _ in range(16)])
    by_themselves = max(max(times) for times in played(alone, monkeypatch, seconds=2.0).values())
    stage = WorkerOnFakes(settings(), store)
    hosts = [a_host(start=NOW + 60 * MINUTE + number * MINUTE) for number in range(40)]
    messages = wait_for(stage, *hosts, *[{"to": f"+131255502{number:02}"} for number in range(16)])

    answered = played(stage, monkeypatch, seconds=2.0)

    of_host = answered.pop(HOST)
    together = max(max(times) for times in answered.values())
    figures("40 texts to a host beside 16 guests", alone_s=by_themselves, together_s=together)
    assert states(stage, messages) == [State.SENT] * 56
    assert len(answered) == 16
    assert together <= 1.25 * by_themselves
    assert of_host == pytest.approx([2.0 * number for number in range(1, 41)], abs=0.5)
    told = [text.key for text in stage.gateway.texts if text.to == HOST]
    assert told == [message.key for message in messages[:40]]


def test_forty_texts_to_one_host_in_real_time(
    settings: Callable[..., Settings], tmp_path: Path, full: bool, figures: Callable[..., None]
) -> None:
    """The same with the real client and a server on loopback. In the long form, as it takes its time."""
    if not full:
        pytest.skip(LONG_FORM)

    def answer(_: Arrival) -> int:
        time.sleep(2)
        return 200

    def take(name: str, *overs: dict[str, Any]) -> float:
        with SlowGateway(answer) as server, a_store(tmp_path / name, now=NOW - timedelta(days=7)) as opened:
            made = settings(environ={"ENGAGELAB_API_URL": server.url})
            stage = WorkerOnFakes(made, opened)
            wait_for(stage, *overs)
            worker = stage.worker()
            worker.stop, guests = threading.Event(), []

            def tell(event: str, /, **more: object) -> None:
                if event == "message.sent" and more["rule"] == "confirmation":
                    guests.append(time.monotonic())
                    if len(guests) == 16:
                        worker.stop.set()

            worker.tell, worker.executor, worker.ticks = tell, ThreadPoolExecutor, time.monotonic
            with a_gateway(made) as gateway, contextlib.suppress(Stopped):
                worker.gateway = gateway
                worker.run_once()
            assert len(guests) == 16
            return guests[-1] - server.arrivals[0].at

    alone = take("alone.db", *[{} for _ in range(16)])
    hosts = [a_host(start=NOW + 60 * MINUTE + number * MINUTE) for number in range(40)]
    together = take("together.db", *hosts, *[{"to": f"+131255502{number:02}"} for number in range(16)])

    figures("the same in real time", alone_s=round(alone, 2), together_s=round(together, 2))
    assert together <= 1.25 * alone


@pytest.mark.parametrize("limit", ["messages_per_run", "messages_per_day"])
def test_who_is_passed_over_keeps_the_place_under_a_cap(
    settings: Callable[..., Settings], store: Store, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Three may leave: the two to the host, who are first in order, and one guest."""
    stage = WorkerOnFakes(settings(f"[limits]\n{limit} = 3\n"), store)
    messages = wait_for(stage, a_host(), a_host(), {}, {}, {})

    played(stage, monkeypatch, seconds=2.0)

    assert states(stage, messages) == [State.SENT] * 3 + [State.SCHEDULED] * 2


@pytest.mark.parametrize("cap", [0, 4])
def test_passing_over_changes_no_cap_of_a_number_or_its_neighbours(
    settings: Callable[..., Settings], store: Store, monkeypatch: pytest.MonkeyPatch, cap: int
) -> None:
    """Of five texts to one guest the first two leave, the rest is skipped; of the neighbours those that come first."""
    stage = WorkerOnFakes(settings(f"[limits]\nper_number_per_day = 2\nper_prefix_per_hour = {cap}\n"), store)
    same = {"to": "+13125550142"}
    messages = wait_for(stage, same, same, same, {}, same, same, {}, {})

    played(stage, monkeypatch, seconds=2.0)

    found = states(stage, messages)
    assert [found[place] for place in (0, 1, 2, 4, 5)] == [State.SENT] * 2 + [State.SKIPPED] * 3
    assert [found[place] for place in (3, 6, 7)] == [State.SENT] * 2 + [State.SCHEDULED if cap else State.SENT]


def test_neighbours_do_not_wait_for_each_other(
    settings: Callable[..., Settings], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a cap for them, too: eight leave side by side."""
    stage = WorkerOnFakes(settings("[limits]\nper_prefix_per_hour = 10\nsends_per_second = 500\n"), store)
    wait_for(stage, *[{} for _ in range(8)])

    answered = played(stage, monkeypatch, seconds=2.0)

    assert max(max(times) for times in answered.values()) < 2.5
