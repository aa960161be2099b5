"""`syncer demo`: the life of a few bookings, played by the real worker against the sandbox over real HTTP.

Only the clock is moved, and it is an argument everywhere: ten days pass in seconds, the same each time.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from syncer import config
from syncer.cli.building import a_worker
from syncer.errors import SyncerError
from syncer.log import mask
from syncer.reasons import Reason, in_words
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import APPROVED, PENDING, TEMPLATE_RESCHEDULE, World
from syncer.store import Store, database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncer.config import Settings
    from syncer.worker import Worker

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday; by the next one, America's clocks have changed and Europe's have not."""
EXTRA = """
timezone = "America/Chicago"
country = "US"

[limits]
sends_per_second = 100
concurrency = 1
"""
INES, THEO, AMA, NOAH = "Ines Okafor", "Theo Brandt", "Ama Mensah", "Noah Keller"


@dataclass(slots=True)
class Clock:
    """A clock that is set by hand."""

    at: datetime = START

    def __call__(self) -> datetime:
        """Read it."""
        return self.at


@dataclass(slots=True)
class Story:
    """Plays the story and prints it as a timeline.

    Attributes:
        say: prints a line.
        told: how many of the sandbox's texts were printed already.
        events: log events since the last tick, as (event, fields).
    """

    world: World
    clock: Clock
    worker: Worker
    say: Callable[[str], None]
    told: int = 0
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def happens(self, when: datetime, what: str) -> None:
        """Move the clock and print what people do."""
        self.clock.at = when
        self.say(f"\n{when:%a %d %b %H:%M}  {what}")

    def tick(self, when: datetime | None = None) -> None:
        """Do one run, at that time, and print what came of it."""
        if when is not None:
            self.happens(when, "syncer looks again")
        self.events.clear()
        self.worker.run_once()
        with self.world.lock:
            texts, self.told = self.world.texts[self.told :], len(self.world.texts)
        for text in texts:
            self.say(f"                  text to {mask(text.to):<14} {text.body}")
        for event, fields in self.events:
            if event in _NOTED:
                rule = fields.get("rule", "")
                self.say(f"                  {_NOTED[event]:<22} {rule}{': ' if rule else ''}{_why(event, fields)}")
        if not texts and not any(event in _NOTED for event, _ in self.events):
            self.say("                  nothing to do")


def _why(event: str, fields: Mapping[str, object]) -> str:
    """Write for people why something happened: messages have a code, templates have words."""
    reason = str(fields.get("reason", ""))
    return in_words(Reason(reason), str(fields.get("detail", ""))) if event.startswith("message.") else reason


_NOTED = {
    "message.skipped": "skipped",
    "message.canceled": "no longer sent",
    "message.expired": "expired",
    "template.rejected": "held back",
}


def play(path: Path, say: Callable[[str], None]) -> None:
    """Play the whole story on a new database at `path`.

    Raises:
        SyncerError: the file is there already and is no demo's.
    """
    clock = Clock()
    world = World(clock)
    _make_room(path, world)
    with SandboxServer(world) as server, tempfile.TemporaryDirectory() as folder:
        settings = _settings(server.url, Path(folder), path)
        events: list[tuple[str, dict[str, object]]] = []

        def tell(event: str, /, **fields: object) -> None:
            events.append((event, fields))

        with a_worker(settings, clock=clock, tell=tell) as worker:
            story = Story(world, clock, worker, say, events=events)
            _first_day(story)
            _second_day(story)
            _third_day(story)
            _counts(story, world)


def _make_room(path: Path, world: World) -> None:
    """Remove the database of an earlier demo, and nothing else."""
    if not path.exists():
        return
    try:
        with Store(database.open_read_only(path)) as store:
            # One made by hand against a sandbox has the same account, but not this birth.
            is_ours = store.meta("account") == world.organization["uri"] and store.born_at == START
    except SyncerError:
        is_ours = False
    if not is_ours:
        raise SyncerError(f"{path} is there already and is not a demo's", "Name another file with --db")
    for end in ("", "-wal", "-shm", ".lock", ".ballast"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).unlink()


def _settings(url: str, folder: Path, path: Path) -> Settings:
    """Make the settings from the lines that the sandbox's page shows; whatever is set outside does not count."""
    (folder / "syncer.toml").write_text(EXTRA, encoding="utf-8")
    environ = dict(line.split("=", 1) for line in env_lines(url))
    return config.load(environ=environ, folder=folder, db=path.absolute())


def _at(day: int, hour: int, minute: int = 0, zone: str = "UTC") -> datetime:
    """A time on the so-and-so-many-th day of the story, in UTC."""
    return datetime(2026, 3, day + 1, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _first_day(story: Story) -> None:
    world = story.world
    story.happens(START, "syncer starts on an empty database")
    story.tick()
    world.review(TEMPLATE_RESCHEDULE, PENDING)

    story.happens(_at(1, 14, 2), f"{INES} in Chicago books a phone consultation, Wednesday 10:00 her time")
    ines = _at(3, 10, zone="America/Chicago")
    world.book(start=ines, name=INES, email="ines.okafor@example.com", phone="+1 312-555-0142")
    story.tick()

    story.happens(_at(1, 14, 30), f"{THEO} in Berlin books a video call, Thursday 15:00 his time")
    theo = world.book(
        start=_at(4, 15, zone="Europe/Berlin"),
        name=THEO,
        email="theo.brandt@example.com",
        event_type="Video call",
        minutes=45,
        phone="+49 1512 3456789",
        timezone="Europe/Berlin",
    )
    story.tick()

    story.happens(_at(1, 15), f"{AMA} books without a number")
    world.book(start=_at(3, 18), name=AMA, email="ama.mensah@example.com", timezone="Africa/Accra")
    story.tick()
    story.tick(_at(1, 15, 1))

    story.happens(_at(1, 16), f"{THEO} moves his call to Friday 09:00; the template for that is still under review")
    world.move(theo, _at(5, 9, zone="Europe/Berlin"), reason="Travel")
    story.tick()
    story.happens(_at(1, 16, 40), "EngageLab approves the template")
    world.review(TEMPLATE_RESCHEDULE, APPROVED)
    story.tick()


def _second_day(story: Story) -> None:
    world = story.world
    story.happens(_at(2, 9), f"{NOAH} books for tomorrow evening and cancels an hour later")
    noah = world.book(
        start=_at(3, 19, zone="America/Chicago"), name=NOAH, email="noah.keller@example.com", phone="+1 312-555-0166"
    )
    story.tick()
    story.clock.at = _at(2, 10)
    world.cancel(noah, reason="No time")
    story.happens(_at(2, 10, 1), f"{NOAH}'s cancellation is a minute old: not half of a move")
    story.tick()
    story.tick(_at(2, 16))


def _third_day(story: Story) -> None:
    story.tick(_at(3, 15))
    story.tick(_at(3, 17, 1))
    story.tick(_at(4, 8))
    story.happens(_at(4, 20), "syncer is off from here on, and back on Friday at 07:10, when an hour's notice is due")
    story.tick(_at(5, 7, 10))
    story.tick(_at(5, 9, 16))


def _counts(story: Story, world: World) -> None:
    counts = {state: count for state, count in story.worker.store.counts().items() if count}
    days = (story.clock.at - START) / timedelta(days=1)
    story.say(
        f"\n{days:.0f} days, {len(world.texts)} texts, {story.worker.calendly.requests} requests to Calendly; "
        f"messages: {', '.join(f'{count} {state}' for state, count in counts.items())}"
    )
