"""How many texts a second may leave. Pure: is told the time.

A worker has one pace for all its runs.
"""

from __future__ import annotations

BURST = 0.02
"""Seconds' worth of requests that may leave at once: nobody counts a rate by less."""


class SendPace:
    """Spaces sends evenly.

    What was not used is not made up for: after a pause there is no burst.
    """

    def __init__(self, per_second: float) -> None:
        """Begin with nothing sent.

        Args:
            per_second: most requests begun a second.
        """
        self._gap = 1 / per_second
        self._next = float("-inf")

    def wait(self, now: float) -> float:
        """Say how many seconds the next request must wait.

        Args:
            now: seconds of a clock that nobody sets; likewise below.
        """
        return max(0.0, self._next - now)

    def leave_together(self, count: int) -> bool:
        """Whether so many may leave in one moment, when the first of them may."""
        return count <= 1 or count * self._gap <= BURST

    def begin(self, now: float) -> None:
        """Note that a request leaves."""
        self._next = max(self._next, now) + self._gap
