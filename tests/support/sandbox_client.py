"""What the tests of the sandbox share: a clock moved by hand, a world that starts anew, a short way to read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncer.sandbox.shapes import API
from syncer.sandbox.world import World

if TYPE_CHECKING:
    import httpx

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = NOW + timedelta(days=1)
HOUR = timedelta(hours=1)


class Clock:
    """The world's time, moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Say the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += timedelta(seconds=seconds)


def renew(world: World, clock: Clock) -> World:
    """Put a world back to its beginning, under another clock.

    Stopping a server takes a fifth of a second; so one serves a whole module, and its world is renewed for each test.
    """
    vars(world).update(vars(World(clock)))
    return world


def read(api: httpx.Client, uri: str) -> dict[str, Any]:
    """Read one resource of Calendly by its URI."""
    answer = api.get(uri.removeprefix(API))
    assert answer.status_code == 200, answer.text
    resource: dict[str, Any] = answer.json()["resource"]
    return resource
