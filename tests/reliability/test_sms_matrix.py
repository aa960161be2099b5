"""Every way a send can go wrong, for every kind of message, whether the process lives on, is killed or asked to stop.

A cell is one message that is due, a gateway with one fault, and what must be in the outbox and in the gateway's ledger
afterwards. The table says it for each fault; see "States of a message" in the README for the reasons.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import certifi
import pytest

from support.fault_server import HURRY, Fault, Visit, certificates, look_ups
from support.sms_faults import KINDS, LIST, RETRYABLE, SCHEDULED, SENT, TABLE, UNKNOWN, Row, lists_at_leisure, row
from support.sms_scenes import Bench, Found, Judge, Scene, Split, a_run, is_killed, is_stopped, outbox, survives
from support.worker_on_sandbox import fill
from syncer.http import Http, prepare
from syncer.sandbox.server import SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Play = Callable[[Visit], None]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Make the certificates and the scenes, let this process trust that CA, and answer for its names."""
    folder = tmp_path_factory.mktemp("sms")
    openssl = shutil.which("openssl")
    made = Bench(folder, certificates(openssl, folder) if openssl else None)
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(socket, "getaddrinfo", look_ups(made.names))
        if made.certificates:
            ca = str(made.certificates["ca"])
            patch.setattr(certifi, "where", lambda: ca)
        for kind in KINDS:
            scene = Scene(kind, made.place(), now=datetime.now(UTC).replace(microsecond=0))
            scene.live = True
            made.served[kind] = scene, stack.enter_context(SandboxServer(scene.world)).url
        yield made


SHORT = (
    "the name is unknown",
    "nobody answers the handshake of TCP",
    "TLS: nobody knows the CA",
    "the head is read, then closed",
    "all is read, then silence",
    "503",
    "429",
    "200",
)
"""What real processes meet in the short form."""


@pytest.mark.parametrize("manner", [survives, is_killed, is_stopped])
def test_matrix(
    bench: Bench, full: bool, figures: Callable[..., None], manner: Callable[[Bench, Row, str], Found]
) -> None:
    """Whatever goes wrong, and whatever befalls the process meanwhile: the state of the table, and no text twice."""
    rows = [row for row in TABLE if bench.certificates or not row.fault.tls]
    if not full and manner is not survives:
        rows = [row for row in rows if row.name in SHORT]
    cells = [(row, kind) for row in rows for kind in KINDS]
    if not full:
        cells = [(row, KINDS[at % len(KINDS)]) for at, row in enumerate(rows)]
    began = time.monotonic()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda cell: manner(bench, *cell), cells))

    unknown = sum(one.unknown for one, (row, _) in zip(found, cells, strict=True) if row.fault.before_the_request)
    duplicates = sum(one.duplicates for one in found)
    more: dict[str, object] = {} if manner is is_killed else {"unknown_from_connect_or_tls": unknown}
    more |= {} if bench.certificates else {"left_out": "TLS (no openssl program)"}
    seconds = round(time.monotonic() - began, 1)
    figures(
        f"SMS faults, process {manner.__name__.replace('_', ' ')}",
        cells=len(cells),
        faults=len(rows),
        duplicates=duplicates,
        **more,
        seconds=seconds,
    )
    assert [complaint for one in found for complaint in one.complaints] == []
    assert duplicates == 0
    assert manner is is_killed or unknown == 0


def holding(crowd: ThreadPoolExecutor, wire: Http, url: str) -> None:
    """Take a connection, for longer than a send waits for one."""
    hold = prepare("GET", f"{url}/hang", headers={})
    crowd.submit(wire.exchange, hold, deadline=2 * HURRY, cap=1)


def test_no_free_connection(bench: Bench, full: bool) -> None:
    """While others hold all connections nothing leaves, and the message is tried again: no setting leads there."""
    for kind in KINDS if full else KINDS[:1]:
        scene = Scene(kind, bench.place())
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(bench.server(Fault(play=lists_at_leisure, where=LIST), scene.templates()))
            wire = stack.enter_context(Http(connections=1))
            crowd = stack.enter_context(ThreadPoolExecutor(1))
            scene.office.environ["ENGAGELAB_API_URL"] = server.url
            server.on_moment = partial(holding, crowd, wire, server.url)
            with scene.office.worker(Split(wire, scene.inside, deadline=HURRY)) as worker:
                worker.run_once()
            judge = Judge(row("no connection is free", RETRYABLE), kind, scene.folder, server)
            judge.state("with no free connection", RETRYABLE, 0)
            server.heal()
            scene.time.add(minutes=31)
            judge.expect("later", "exit code", a_run(scene, None), 0)
            judge.state("later", SENT, 1)

        assert judge.complaints == []


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("name", ["all is read, then closed", "the connection is refused", "503", "429", "403"])
def test_an_outage_does_not_take_all(bench: Bench, name: str, lanes: int) -> None:
    """After three in a row without an answer (a rate limit, a refused login: after one) the rest waits for a later run.

    What is in flight beside them still ends as it must.
    """
    [met] = [one for one in TABLE if one.name == name]
    first = 1 if name in {"429", "403"} else 3
    scene = Scene("confirmation", bench.place())
    scene.office.limits += f"concurrency = {lanes}\nper_prefix_per_hour = 0\n"
    fill(scene.world, 29, first=scene.now + timedelta(days=2), apart=timedelta(hours=1))
    with bench.server(met.fault, scene.templates()) as server:
        scene.office.environ["ENGAGELAB_API_URL"] = server.url
        code = a_run(scene, met)
        during = Counter(state for _, state, _ in outbox(scene.folder, "confirmation"))
        bodies = len(server.bodies)
        server.heal()
        scene.time.add(minutes=31)
        a_run(scene, None)
        after = Counter(state for _, state, _ in outbox(scene.folder, "confirmation"))
        keys = Counter(body["custom_args"]["key"] for body in server.bodies)

    assert code == met.exit
    assert during.total() == 30
    assert set(during) == {met.state, SCHEDULED}
    assert first <= during[met.state] < first + lanes
    assert bodies == during[met.state] * met.bodies
    unknown = during[UNKNOWN]
    assert after == Counter({SENT: 30 - unknown, UNKNOWN: unknown}) - Counter()
    assert len(server.bodies) == bodies + 30 - unknown
    assert max(keys.values()) == (2 if met.state == RETRYABLE and bodies else 1)


def test_table_is_whole() -> None:
    """Each row has a name of its own, and those of the short form are among them."""
    names = [row.name for row in TABLE]

    assert len(set(names)) == len(names)
    assert set(SHORT) <= set(names)
