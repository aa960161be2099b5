"""The scenes of the matrix of sends: one message that is due, a gateway with one fault, and who judges what is left."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from support.fault_server import HURRY, Fault, FaultServer, UnderTest, Visit, run
from support.sms_faults import LISTENER, NAME, PATIENCE, SENT, UNKNOWN, Row
from support.worker_on_sandbox import START, UNLIMITED, InProcess, Timeline, WorkerOnSandbox, ask
from syncer import config
from syncer.cli.building import a_worker
from syncer.errors import SyncerError
from syncer.http import SENDS_KEEPALIVE, Answer, Http, prepare
from syncer.sandbox.app import create_app
from syncer.sandbox.page import env_lines
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

    from syncer.http import Prepared
    from syncer.model import State

    Play = Callable[[Visit], None]

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["faults", "syncer.cli.building", "syncer.cli.running"])
"""Makes real processes from one that has imported everything: a thousand of them then take a minute, not ten."""


# The cells.


class Split:
    """Carries what is for the gateway over the wire, and what is for Calendly into a world without one."""

    def __init__(self, wire: Http, world: InProcess, *, deadline: float) -> None:
        self._wire, self._world, self._deadline = wire, world, deadline

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Send one request."""
        if "/v1/" in prepared.url:
            return self._wire.exchange(prepared, deadline=min(deadline, self._deadline), cap=cap)
        return self._world.exchange(prepared, deadline=deadline, cap=cap)


TEMPLATES = {
    "confirmation": ("CONFIRM",),
    "cancellation": ("CONFIRM", "CANCEL"),
    "reminder-24h": ("REMINDER",),
    "host": ("HOST_NOTIFY",),
}
"""Of which rule each kind is, and what must be on for it."""
OFF = ("CONFIRM", "CANCEL", "REMINDER", "FOLLOWUP", "HOST_NOTIFY", "RESCHEDULE")


@dataclass
class Scene:
    """A world and a database in which exactly one message is due, and that is of one kind.

    Attributes:
        kind: the rule's name.
        folder: where the database is.
        live: whether the world's time is the real one from now on.
    """

    kind: str
    folder: Path
    now: datetime = START
    live: bool = False
    time: Timeline = field(default_factory=Timeline)

    def __post_init__(self) -> None:
        """Let a week go by."""
        self.folder.mkdir(mode=0o700, parents=True)
        self.world = World(lambda: datetime.now(UTC) if self.live else self.time.now(), rate_limit=UNLIMITED)
        self.inside = InProcess(self.world, self.time)
        off = {f"TEMPLATE_ID_{name}": "" for name in OFF if name not in TEMPLATES[self.kind]}
        self.office = WorkerOnSandbox(self.folder, self.time, environ=off)
        self._run(before=timedelta(days=7))
        day, minutes = timedelta(days=1), timedelta(minutes=1)
        phone = "+13125550142"
        if self.kind == "cancellation":
            self.time.at(self.now - day)
            booked = self.world.book(start=self.now + 3 * day, phone=phone)
            self._run(before=day)
            self.time.at(self.now - 5 * minutes)
            self.world.cancel(booked)
        elif self.kind == "reminder-24h":
            self.time.at(self.now - 5 * day)
            self.world.book(start=self.now + day - minutes, phone=phone)
            self._run(before=4 * day)
        else:
            self.time.at(self.now - 2 * minutes)
            self.world.book(start=self.now + 3 * day, phone=phone)
        self.time.at(self.now)

    def _run(self, *, before: timedelta) -> None:
        self.time.at(self.now - before)
        with self.office.worker(self.inside) as worker:
            worker.run_once()

    def templates(self) -> bytes:
        """What EngageLab says of the templates."""
        headers = {"Authorization": "Basic c2FuZGJveC1rZXk6c2FuZGJveC1zZWNyZXQ="}
        return ask(
            create_app(self.world), prepare("GET", "http://127.0.0.1:9/v1/template-configs", headers=headers)
        ).body


@dataclass(frozen=True, slots=True)
class Found:
    """What a cell came to."""

    complaints: list[str]
    unknown: bool
    duplicates: int


@dataclass
class Bench:
    """What all cells share.

    Attributes:
        folder: for their folders.
        certificates: for TLS, by name; None = there is no program to make them.
        served: for the cells with real processes: each kind's scene, and the address of its world.
        names: who answers for the name of a port.
        lock: to be held by who starts a process, or asks how it ended: each of both looks at all processes.
        numbers: of the folders.
    """

    folder: Path
    certificates: Mapping[str, Path] | None
    served: dict[str, tuple[Scene, str]] = field(default_factory=dict)
    names: dict[int, Callable[[], str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def place(self) -> Path:
        """Name a folder for one cell."""
        return self.folder / f"cell-{next(self.numbers)}"

    @contextlib.contextmanager
    def server(self, fault: Fault, templates: bytes) -> Iterator[FaultServer]:
        """Serve one fault."""
        with FaultServer(fault, templates, self.certificates) as server:
            self.names[server.port] = server.address
            yield server


def outbox(folder: Path, rule: str) -> list[tuple[str, str, str]]:
    """Key, state and id at the provider of each message of a rule."""
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'syncer.db'}?mode=ro", uri=True)) as db:
        sql = "SELECT key, state, provider_message_id FROM messages WHERE rule = ?"
        return [(key, state, ident) for key, state, ident in db.execute(sql, [rule])]


class Judge:
    """Compares what is with what should be, for one cell."""

    def __init__(self, row: Row, kind: str, folder: Path, server: FaultServer) -> None:
        self.row, self.kind, self.folder, self.server = row, kind, folder, server
        self.complaints: list[str] = []
        self.unknown, self.allowed = False, 1

    def state(self, when: str, state: State, bodies: int) -> None:
        """Look at the outbox and at the ledger."""
        rows = outbox(self.folder, self.kind)
        self.expect(when, "messages", len(rows), 1)
        for key, found, ident in rows:
            self.expect(when, "state", found, str(state))
            self.expect(when, "has an id", bool(ident), found == SENT)
            self.unknown |= found == UNKNOWN
            keys = [body["custom_args"]["key"] for body in self.server.bodies]
            self.expect(when, "bodies", keys, [key] * bodies)
        self.allowed = max(self.allowed, bodies)
        self.expect(when, "other requests", self.server.strays, [])

    def expect(self, when: str, what: str, found: object, expected: object) -> None:
        """Complain where these differ."""
        if found != expected:
            self.complaints.append(f"{self.row.name} / {self.kind}, {when}: {what} {found!r}, expected {expected!r}")

    def found(self) -> Found:
        """Say what it came to."""
        return Found(self.complaints, self.unknown, max(0, len(self.server.bodies) - self.allowed))


def survives(bench: Bench, row: Row, kind: str) -> Found:
    """Meet the fault and live on; then do the runs that follow."""
    scene = Scene(kind, bench.place())
    with bench.server(row.fault, scene.templates()) as server:
        judge = Judge(row, kind, scene.folder, server)
        scene.office.environ["ENGAGELAB_API_URL"] = server.url
        runs = [(0, row.state, row.bodies), *row.later]
        for count, (minutes, state, bodies) in enumerate(runs):
            if count == row.times:
                server.heal()
            scene.time.at(scene.now + timedelta(minutes=minutes))
            code = a_run(scene, row if count < row.times else None)
            judge.expect(f"after {minutes} minutes", "exit code", code, row.exit if count < row.times else 0)
            judge.state(f"after {minutes} minutes", state, bodies)
        unexpected = [one for one in scene.office.told if "unexpected" in str(one)]
        judge.expect("in the end", "mistakes", unexpected, [])
        return judge.found()


def a_run(scene: Scene, row: Row | None) -> int:
    """Do one run with clients of its own, as a process would; returns its exit code."""
    deadline = HURRY if row is not None and row.fault.slow else PATIENCE
    with (
        Http(keepalive=SENDS_KEEPALIVE) as wire,
        scene.office.worker(Split(wire, scene.inside, deadline=deadline)) as worker,
    ):
        try:
            worker.run_once()
        except SyncerError as error:
            return error.exit_code
    return 0


def is_killed(bench: Bench, row: Row, kind: str) -> Found:
    """Die by SIGKILL in the midst of the fault; then do two clean runs."""
    return with_a_process(bench, row, kind, signal.SIGKILL)


def is_stopped(bench: Bench, row: Row, kind: str) -> Found:
    """Be asked to stop by SIGTERM in the midst of the fault: the message in hand is finished."""
    return with_a_process(bench, row, kind, signal.SIGTERM)


def with_a_process(bench: Bench, row: Row, kind: str, number: signal.Signals) -> Found:
    """Meet the fault in a real process that gets a signal in its midst."""
    (scene, world), folder = bench.served[kind], bench.place()
    shutil.copytree(scene.folder, folder)
    with bench.server(row.fault, scene.templates()) as server:
        judge = Judge(row, kind, folder, server)
        environ = dict(line.split("=", 1) for line in env_lines(world)) | scene.office.environ
        environ["ENGAGELAB_API_URL"] = server.url
        environ = {name: value for name, value in environ.items() if value}
        (folder / ".env").write_text("\n".join(f"{k}={v}" for k, v in environ.items()), encoding="utf-8")
        started = process(bench, row.fault, server, folder, number)
        up = threading.Event()

        def give_signal() -> None:
            up.wait()
            assert started.pid is not None
            os.kill(started.pid, number)

        server.on_moment = give_signal
        with bench.lock:
            started.start()
        up.set()
        judge.expect("in the process", "ends", wait([started.sentinel], 60), [started.sentinel])
        with bench.lock:
            started.kill()
            started.join()
            code = started.exitcode
            started.close()
        judge.expect("in the process", "exit code", code, -9 if number == signal.SIGKILL else 0)
        out, err = ((folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
        judge.expect("in the process", "stdout", out, "")
        judge.expect("in the process", "mistakes", [line for line in err.splitlines() if is_a_mistake(line)], [])
        if number == signal.SIGTERM:
            judge.state("after SIGTERM", row.state, row.bodies)
            return judge.found()
        server.heal()
        for count in ("one run", "two runs"):
            clean_run(folder, environ)
            judge.state(f"{count} after SIGKILL", row.killed, 1 if row.killed == SENT else row.bodies)
        return judge.found()


def is_a_mistake(line: str) -> bool:
    """Whether a line of the log tells of a mistake in syncer."""
    return not line.startswith("{") or "Traceback" in line or "unexpected" in line


def process(bench: Bench, fault: Fault, server: FaultServer, folder: Path, number: signal.Signals) -> ForkServerProcess:
    """Make a process: one run to be killed, the loop to be stopped."""
    told = UnderTest(
        arguments=("run", "--once") if number == signal.SIGKILL else ("run",),
        folder=folder,
        deadline=HURRY if fault.slow else PATIENCE,
        ca=str(bench.certificates["ca"]) if bench.certificates else "",
        port=server.port,
        names=fault.how if fault.where is NAME else "",
        turn=1 if fault.at_start else 2,
        number=number,
        step={NAME: "look-up", LISTENER: "connect"}.get(fault.where, ""),
    )
    return FORKS.Process(target=run, args=[told])


def clean_run(folder: Path, environ: Mapping[str, str]) -> None:
    """Do one run on the real clock, all being well."""
    settings = config.load(environ=environ, folder=folder)
    with a_worker(settings, tell=lambda *_, **__: None) as worker:
        worker.run_once()
