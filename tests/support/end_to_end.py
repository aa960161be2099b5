"""The whole job in one process: the real worker, HTTP on loopback, a real database, a clock that is moved."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from support.databases import new_database
from syncer import config
from syncer.cli.building import a_worker
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncer.log import Tell
    from syncer.run import Run
    from syncer.worker import Worker

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")
MEETING = datetime(2026, 11, 26, 10, 0, tzinfo=CHICAGO)
PHONE = "+13125550142"


@dataclass(slots=True)
class Journey:
    """A world, its clock, and the settings that point at it; each look is a new process with a new clock reading.

    Attributes:
        toml: settings.
        limits: more lines for `[limits]`.
    """

    world: World
    url: str
    folder: Path
    time: list[datetime]
    toml: str = ""
    limits: str = ""
    without: tuple[str, ...] = ()
    told: list[dict[str, Any]] = field(default_factory=list)
    also: Tell | None = None

    def at(self, moment: datetime) -> None:
        """Set the clock."""
        self.time[0] = moment.astimezone(UTC)

    def later(self, **delta: float) -> None:
        """Move the clock on."""
        self.time[0] += timedelta(**delta)

    def worker(self) -> Any:
        """Open the database and make a worker."""
        settings = f"{self.toml}\n[limits]\nsends_per_second = 500\n{self.limits}\n"
        (self.folder / "syncer.toml").write_text(settings, encoding="utf-8")
        environ = dict(line.split("=", 1) for line in env_lines(self.url))
        for name in self.without:
            environ.pop(name)
        made = config.load(environ=environ, folder=self.folder)

        def tell(event: str, /, **fields: object) -> None:
            self.told.append({"event": event, **fields})
            if self.also is not None:
                self.also(event, **fields)

        new_database(made.db)
        return a_worker(made, clock=lambda: self.time[0], tell=tell)

    def look(self) -> list[tuple[str, str]]:
        """Do one run; returns the texts that it sent, as (number, text)."""
        before = len(self.world.texts)
        self.told.clear()
        with self.worker() as worker:
            self.run(worker)
        return [(text.to, text.body) for text in self.world.texts[before:]]

    def run(self, worker: Worker) -> Run:
        """Do one run with a worker."""
        return worker.run_once()

    def states(self) -> dict[str, list[str]]:
        """The outbox: rule names by state."""
        with self.worker() as worker:
            found: dict[str, list[str]] = {}
            for message in worker.store.messages():
                found.setdefault(str(message.state), []).append(message.rule)
        return found


@contextlib.contextmanager
def a_journey(
    folder: Path, *, toml: str = "", without: tuple[str, ...] = ("TEMPLATE_ID_RESCHEDULE",)
) -> Iterator[Journey]:
    """Serve the sandbox, with a database that was born before anything happens."""
    time = [START]
    world = World(lambda: time[0])
    with SandboxServer(world) as server:
        one = Journey(world, server.url, folder, time, toml=toml, without=without)
        assert one.look() == []
        one.later(minutes=1)
        yield one


def text(body: str) -> str:
    """A text as the sandbox's templates sign it."""
    return f"[North Pier Dental] {body}"
