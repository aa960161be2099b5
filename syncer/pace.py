"""Keeps requests under Calendly's rate limit before it answers 429; knows nothing of HTTP but three headers.

Documented (developer.calendly.com, "Rate limits"): 500 or 50 requests a user and minute, and on every answer
X-RateLimit-Limit, -Remaining and -Reset. Recorded answers always say 60 in -Reset, so it bounds the wait and counts
nothing down; whether a window is fixed (beginning with its first request) or slides is not documented. So a request
counts for a whole minute after its answer came: no minute, wherever it begins, then holds more of ours than the limit.
What the server counted beyond ours was spent by others on the same account, and takes up room for as long.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WINDOW = 60.0
"""Seconds a request counts."""
MARGIN = 0.5
"""Seconds on top, for a server that counts in whole seconds."""
NOTICEABLE = 1.0
"""Waits shorter than this many seconds are not reported."""
_GLANCE = 0.1
"""Seconds until the next look when only answers that are on their way can make room."""


class Pace:
    """A gate for requests; safe to use from several threads.

    Call `take` before each request, and after it exactly one of `answered`, `lost`, `give_back`.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
        max_per_minute: int = 0,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        """Make an open gate.

        Args:
            sleep: does all the waiting, in seconds; may raise to stop.
            monotonic: seconds that never go back.
            max_per_minute: our own cap on our requests; 0 = none.
            on_wait: called with seconds and reason before a wait worth telling.
        """
        self._sleep = sleep
        self._monotonic = monotonic
        self._cap = max_per_minute
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._in_flight = 0
        self._ours: deque[float] = deque()  # when each of our answered requests stops counting, soonest first
        self._others: list[float] = []  # likewise for what others spent, soonest first
        self._held_until = float("-inf")
        self._limit: int | None = None

    @property
    def limit(self) -> int | None:
        """Requests a minute by the last answer, or our own cap if that is lower; None = not known."""
        known = [bound for bound in (self._limit, self._cap or None) if bound is not None]
        return min(known, default=None)

    @property
    def remaining(self) -> int | None:
        """How many requests may leave now; None = no limit is known."""
        with self._lock:
            self._forget(self._monotonic())
            free = [bound - len(ends) - self._in_flight for bound, ends in self._bounds()]
        return max(0, min(free)) if free else None

    def take(self) -> None:
        """Wait until one more request may leave, and count it."""
        while (wait := self.reserve()) > 0:
            if wait >= NOTICEABLE and self._on_wait is not None:
                self._on_wait(wait, "Calendly's rate limit")
            self._sleep(wait)

    def reserve(self) -> float:
        """Count one more request if it may leave now (0.0), else say in how many seconds to ask again."""
        with self._lock:
            now = self._monotonic()
            self._forget(now)
            wait = max([self._held_until - now, *(self._until_free(now, *bound) for bound in self._bounds())])
            if wait <= 0:
                self._in_flight += 1
            return max(0.0, wait)

    def answered(self, headers: Mapping[str, str], *, refused: bool = False) -> None:
        """Note an answer and learn from its headers (names in lower case).

        Args:
            headers: of the answer.
            refused: it was a 429: how long that lasts is said to `hold`, not by what remains.
        """
        limit, remaining, reset = (
            _number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")
        )
        with self._lock:
            now = self._monotonic()
            self._arrived(now)
            if limit:
                self._limit = limit
                if remaining is not None and not refused:
                    self._learn(limit - remaining, now + min(WINDOW, WINDOW if reset is None else reset) + MARGIN)

    def hold(self, seconds: float) -> None:
        """Let nothing leave for so long: Calendly answered 429."""
        with self._lock:
            self._held_until = max(self._held_until, self._monotonic() + seconds)

    def lost(self) -> None:
        """Note a request that got no answer: it may have been counted."""
        with self._lock:
            self._arrived(self._monotonic())

    def give_back(self) -> None:
        """Note a request that never left."""
        with self._lock:
            self._in_flight -= 1

    def _arrived(self, now: float) -> None:
        self._in_flight -= 1
        self._ours.append(now + WINDOW + MARGIN)

    def _learn(self, counted: int, until: float) -> None:
        """Compare what the server counted with what we know.

        Our requests in flight may be in its count or not. They are taken to be: otherwise each of them would look like
        somebody else's for a minute, and a client alone would stay far below its limit.
        """
        self._forget(self._monotonic())
        unknown = counted - len(self._ours) - self._in_flight - len(self._others)
        if unknown > 0:
            self._others = sorted([*self._others, *[until] * unknown])
        else:
            # A new window: the count holds our request, so at most the rest is theirs.
            theirs = max(0, counted - 1)
            self._others = self._others[len(self._others) - min(theirs, len(self._others)) :]

    def _forget(self, now: float) -> None:
        while self._ours and self._ours[0] <= now:
            self._ours.popleft()
        self._others = [end for end in self._others if end > now]

    def _bounds(self) -> list[tuple[int, list[float]]]:
        """Each limit that holds, with the ends of what it counts: Calendly's counts everybody's, our cap only ours."""
        found = [] if self._limit is None else [(self._limit, sorted([*self._ours, *self._others]))]
        return [*found, (self._cap, list(self._ours))] if self._cap else found

    def _until_free(self, now: float, bound: int, ends: list[float]) -> float:
        """Seconds until fewer than `bound` requests count; those in flight end nobody knows when."""
        excess = len(ends) + self._in_flight - bound + 1
        if excess <= 0:
            return 0.0
        return ends[excess - 1] - now if excess <= len(ends) else _GLANCE


def _number(text: str | None) -> int | None:
    """Read a header's whole number; None = it is not one."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= len("1000000") else None
