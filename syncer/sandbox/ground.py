"""What all parts of the sandbox's state stand on: the clock it was given, one lock, and ids that repeat."""

from __future__ import annotations

import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from syncer.sandbox.shapes import stamp

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://api.calendly.com")


class NotPossible(ValueError):
    """The world cannot do that; the text says why, in words for the person who asked."""


class Ground:
    """A clock from outside, one lock for everything, deterministic ids: the same calls give the same world."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.lock = threading.RLock()
        self._ids = itertools.count(1)

    def now(self) -> datetime:
        """Say what time it is in this world: aware, UTC."""
        return self._clock().astimezone(UTC)

    def _stamp(self, *, milliseconds: float = 0) -> str:
        """Spell the present moment, plus some milliseconds, as Calendly does."""
        return stamp(self.now() + timedelta(milliseconds=milliseconds))

    def _uuid(self) -> str:
        """Make an id that looks like Calendly's."""
        return str(uuid.uuid5(_NAMESPACE, str(next(self._ids))))

    def serial(self) -> int:
        """Make a number that looks like EngageLab's ids: 19 digits, above 2**53."""
        return 2_031_502_210_446_729_216 + 4_096 * next(self._ids)
