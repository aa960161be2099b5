"""`limits.concurrency` is one number for threads, connections and requests in flight; none eats up a deadline."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.slow_gateway import Arrival, SlowGateway
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer.cli.building import a_gateway, a_reader
from syncer.errors import NotConnected, NoUsableAnswer
from syncer.http import Http, prepare
from syncer.model import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.http import Prepared
    from syncer.store import Store

MANY = 64


def test_sixty_four_in_flight_all_arrive_and_none_is_unknown(
    settings: Callable[..., Settings], store: Store, full: bool
) -> None:
    """A gateway that answers after 5 s, and only when all are there: fewer connections would wait in vain."""
    meeting = threading.Barrier(MANY, timeout=60)

    def answer(_: Arrival) -> int:
        meeting.wait()
        time.sleep(5 if full else 0.2)
        return 200

    limits = f"[limits]\nconcurrency = {MANY}\nsends_per_second = 500\nper_prefix_per_hour = 0\n"
    with SlowGateway(answer) as server:
        made = settings(limits, {"ENGAGELAB_API_URL": server.url})
        stage = WorkerOnFakes(made, store)
        messages = wait_for(stage, *[{}] * MANY)
        with a_gateway(made) as gateway:
            worker = stage.worker()
            worker.gateway, worker.executor, worker.ticks = gateway, ThreadPoolExecutor, time.monotonic
            report = worker.run_once().report

    assert states(stage, messages) == [State.SENT] * MANY
    assert (report.sent, report.unknown, report.retried) == (MANY, 0, 0)
    assert (server.most, len(server.arrivals)) == (MANY, MANY)


def test_as_many_events_are_read_at_once(settings: Callable[..., Settings]) -> None:
    """The reader of Calendly has the same number of connections: more than the sixteen that a pool has by itself."""
    meeting = threading.Barrier(20, timeout=60)

    def give(_: str) -> object:
        meeting.wait()
        return {"collection": [], "pagination": {"count": 0, "next_page": None}}

    with SlowGateway(give=give) as server:
        made = settings("[limits]\nconcurrency = 20\n", {"CALENDLY_API_URL": server.url})
        with a_reader(made) as calendly, ThreadPoolExecutor(20) as pool:
            uris = [f"{server.url}/scheduled_events/e{number}" for number in range(20)]
            assert list(pool.map(calendly.invitees, uris)) == [()] * 20


def text(server: SlowGateway | None = None) -> Prepared:
    """A request for one text; without a server to where nobody listens."""
    url = "http://127.0.0.1:9" if server is None else server.url
    return prepare("POST", f"{url}/v1/messages", headers={}, content=b'{"to": ["1"], "custom_args": {"key": "k"}}')


def test_the_deadline_begins_with_the_request() -> None:
    """Two requests over one connection, each answered in less than the deadline, together in more: both succeed."""

    def answer(_: Arrival) -> int:
        time.sleep(1.5)
        return 200

    with SlowGateway(answer) as server, Http(connections=1) as http, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(http.exchange, text(server), deadline=2.3, cap=1000) for _ in range(2)]
        found = [one.result().status for one in asked]

    assert (found, server.most) == ([200, 200], 1)


def test_who_waits_in_vain_for_a_connection_has_sent_nothing() -> None:
    """Not sent is not unknown: it is tried again."""
    leave = threading.Event()

    def answer(_: Arrival) -> int:
        leave.wait(60)
        return 200

    with SlowGateway(answer) as server, Http(connections=1) as http, ThreadPoolExecutor(1) as pool:
        first = pool.submit(http.exchange, text(server), deadline=60, cap=1000)
        while not server.arrivals:
            time.sleep(0.01)
        with pytest.raises(NotConnected, match="no free connection"):
            http.exchange(text(server), deadline=0.1, cap=1000)
        arrived = len(server.arrivals)
        leave.set()

        assert (arrived, first.result().status) == (1, 200)
        assert http.exchange(text(server), deadline=60, cap=1000).status == 200


@pytest.mark.parametrize("fault", ["refused", "late", "too large"])
def test_a_failed_request_gives_its_connection_back(fault: str) -> None:
    """As often as it fails, the next one need not wait."""

    def answer(_: Arrival) -> int:
        time.sleep(0.3)
        return 200

    with SlowGateway(answer) as server, Http(connections=1) as http:
        for _ in range(3):
            with pytest.raises(NotConnected if fault == "refused" else NoUsableAnswer):
                http.exchange(
                    text(None if fault == "refused" else server),
                    deadline=0.1 if fault == "late" else 60,
                    cap=1 if fault == "too large" else 1000,
                )

        assert http.exchange(text(server), deadline=60, cap=1000).status == 200
