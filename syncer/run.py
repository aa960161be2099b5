"""One run as a value: what it was asked to do, what it works with, what it did so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer.diff import SAFETY
from syncer.errors import ClockWrong, GuardRefused, Hindered, RunHalted, Stopped, StoreError, WrongDatabase
from syncer.reconcile import Todo
from syncer.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from syncer.cancellation_guard import CancellationGuard
    from syncer.config import Settings
    from syncer.errors import SyncerError
    from syncer.log import Tell
    from syncer.model import Change, Event
    from syncer.ports import Calendly
    from syncer.store import Store

CLOCK_TOLERANCE = timedelta(minutes=2)
"""How far two clocks may be apart before nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one run is asked to do.

    Attributes:
        since: read also events that start from here on (aware), where the lookback does not reach so far.
        until: read also events that start until here (aware), where the horizon ends earlier.
        everything: read all that is stale, however long it takes; the loop reads for about one interval.
        loop: whether another run follows by itself.
        dry_run: stop before the first text. The store is then a copy in memory.
        force: pass the guards.
    """

    since: datetime | None = None
    until: datetime | None = None
    everything: bool = False
    loop: bool = False
    dry_run: bool = False
    force: bool = False


@dataclass(slots=True, kw_only=True)
class Listed:
    """A complete listing, as far as the rest of a run needs it.

    Attributes:
        at: when it was asked for; texts wait while that is too long ago.
        ticks: the same moment in seconds of a clock that nobody sets.
        since: events that start earlier were not asked for.
        until: events that start later were not asked for; None = all were.
        stale: events that must still be asked for, nearest meeting first, each with the reason.
        left: how many new events must be listed again to be read.
        unreadable: URIs of events that cannot be read: nothing leaves about them.
        entries: URI -> the calendar's id, of events that are to be read or cannot be.
        guard: holds back cancellations that may be a mistake.
        pending: URIs of all that changed and were not read again yet, or could not be: nothing leaves about them.
        order: URIs of those that were to be read, as they are read.
        left_by_guests: URIs of events to be read that somebody has left: the old half of a move may be there.
    """

    at: datetime
    ticks: float
    since: datetime
    until: datetime | None
    stale: list[tuple[Event, str]]
    left: int = 0
    unreadable: set[str] = field(default_factory=set)
    entries: Mapping[str, str] = field(default_factory=dict)
    guard: CancellationGuard | None = None
    pending: set[str] = field(init=False)
    left_by_guests: frozenset[str] = field(init=False)
    order: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was read yet."""
        self.pending = {event.uri for event, _ in self.stale} | self.unreadable
        left = (event.uri for event, _ in self.stale if event.canceled or event.active < event.total)
        self.left_by_guests = frozenset(left)
        self.order = tuple(event.uri for event, _ in self.stale)

    def take(self, count: int) -> list[tuple[Event, str]]:
        """Take the next so many events to ask for, and with them the other halves of moves.

        Halves that only the calendar's id joins must be read together: the old one alone is a cancellation.
        """
        batch, self.stale = self.stale[:count], self.stale[count:]
        halves = {event.external_id for event, _ in batch} - {""}
        partners = [row for row in self.stale if row[0].external_id in halves]
        if partners:
            self.stale = [row for row in self.stale if row[0].external_id not in halves]
        return batch + partners

    def may_have_moved(self, external_id: str) -> bool:
        """Whether an event with this entry in the calendar is listed and was not read: it may be the other half."""
        return external_id != "" and any(self.entries.get(uri) == external_id for uri in self.pending)

    def may_hold_old_halves(self) -> set[str]:
        """Give the events in which the old half of a move may be, and which are still going to be read."""
        return (self.pending & self.left_by_guests) - self.unreadable

    def last_to_be_read(self) -> list[str]:
        """List the events that are still to be read, the last one first."""
        waiting = self.pending - self.unreadable
        return [uri for uri in reversed(self.order) if uri in waiting]

    def has_news(self) -> bool:
        """Whether something is left to read that is new or has changed."""
        return bool(self.left) or any(why != SAFETY for _, why in self.stale)

    def was_read(self, uris: Iterable[str]) -> None:
        """Note that these were read and committed."""
        self.pending.difference_update(uris)


@dataclass(slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        clock: gives the present, aware UTC.
        ticks: gives the seconds of a clock that nobody sets: where it and `clock` part, `clock` was set.
        tell: writes a log event.
        report: what was counted so far.
        todo: what was written to the outbox so far, for a dry run to print.
        changes: what was noticed so far, likewise.
        unreadable: event types that could not be read.
        halted: why nothing can be sent until a person acts; empty = it can.
        failure: what fails the run once everything in hand is finished; None = nothing.
        stopping: whether the process was asked to stop.
        alive: to be called again and again by what takes long: a watchdog counts on it.
        refused: what a guard holds back, and why; empty = nothing.
        reading_works: whether an event that was read before could be read again when others could not.
        checked: when the last listing was asked for, by the clock and in ticks, if the clock agreed with Calendly's.
    """

    options: Options
    settings: Settings
    store: Store
    calendly: Calendly
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    tell: Tell
    report: Report = field(default_factory=Report)
    todo: Todo = field(default_factory=Todo)
    changes: list[Change] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    halted: str = ""
    failure: SyncerError | None = None
    refused: str = ""
    reading_works: bool = False
    checked: tuple[datetime, float] | None = None
    stopping: Callable[[], bool] = lambda: False
    alive: Callable[[], None] = lambda: None

    def check_stop(self) -> None:
        """End the run here if the process was asked to stop.

        Raises:
            Stopped: it was.
        """
        if self.stopping():
            raise Stopped("asked to stop")

    def began_at(self, ticks: float, by_clock: datetime) -> datetime:
        """Say when the run began, by the clock that was checked if one was.

        Args:
            ticks: when it began, in ticks.
            by_clock: the same moment by the clock as it was then.
        """
        if self.checked is None:
            return by_clock
        at, ticked = self.checked
        return at - timedelta(seconds=ticked - ticks)

    def check_end(self) -> None:
        """Fail the run, once everything in hand is finished, for what happened on the way.

        Raises:
            RunHalted: nothing can be sent until a person acts.
            SyncerError: what else fails it.
        """
        if self.failure is not None:
            raise self.failure
        if self.halted:
            raise RunHalted(f"sending is halted: {self.halted}", "syncer check")

    def check_clock(self, listed: Listed) -> None:
        """Compare the clock with the one that nobody sets; to be done before a time is stored, too.

        Raises:
            ClockWrong: it was set since the listing, whose Date it agreed with.
        """
        self.check_jump(listed.at, listed.ticks)

    def check_jump(self, at: datetime, ticked: float) -> None:
        """As `check_clock`, since a moment by the clock and in ticks."""
        now, ticks = self.clock(), self.ticks()
        jumped = (now - at).total_seconds() - (ticks - ticked)
        if abs(jumped) > CLOCK_TOLERANCE.total_seconds():
            raise ClockWrong(
                f"this machine's clock jumped by {jumped:.0f} s since the listing",
                "The next run compares it with Calendly's; nothing was sent after it",
            )


def outcome_of(error: SyncerError) -> str:
    """Name how a run ended that raised this, for its row."""
    if isinstance(error, GuardRefused):
        return "refused"
    if isinstance(error, Stopped):
        return "stopped"
    if isinstance(error, StoreError) and not isinstance(error, (Hindered, WrongDatabase)):
        return "broken"  # after an error of the disk nothing is written to it any more
    return "halted" if isinstance(error, RunHalted) else "failed"
