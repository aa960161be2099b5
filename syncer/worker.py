"""The order of calls: one run, and the loop of runs. What decides is pure and elsewhere.

list      all pages, or it raises and nothing changes      listing.read_listing
compare   which events must be read (again)                diff.stale
read      a batch's invitees: diff, plan, commit           reading.Reader, follow
deliver   claim -> send -> settle, until none is due       delivery.Delivery
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import schedule

from syncer import intervals
from syncer.errors import (
    Hindered,
    Stopped,
    StoreError,
    SyncerError,
    Unreadable,
    unexpected,
)
from syncer.listing import note_unreadable, read_listing, tell_unmatched
from syncer.log import Tell, bind, tell, unbind
from syncer.model import utc_text
from syncer.pauses import pause
from syncer.ports import NoProgress, Progress
from syncer.reasons import Reason
from syncer.run import Listed, Options, Run, outcome_of
from syncer.send_pace import SendPace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from syncer.config import Settings
    from syncer.delivery import Delivery
    from syncer.ports import Calendly, Gateway
    from syncer.store import Store

BATCH = 16
"""Events read, planned and committed together: a few, as the last batch's commit is what the end of a run waits for."""
FRESH_SHARE = 0.9
"""After this share of `max_snapshot_age` a long run lists anew, if a text would have to wait for it."""
PARTS = ("settings", "store", "calendly", "clock", "ticks", "tell", "alive")
"""What a run works with that the worker has."""
NOTICEABLE, NOTICEABLE_IF_AUTOMATIC = 1.0, 60.0
"""So many seconds more between two runs are told. An automatic interval has no length that somebody counts on."""
OVERDUE = 0.5
"""So many seconds after its time a run begins, whatever the local wall clock says."""
RETAINED_EVERY = 3600.0
"""Seconds after which finished bookings are looked for again whose people are to be erased."""
ONCE = Options(everything=True)
LOOP = Options(loop=True)


def ticks() -> float:
    """Seconds of a clock that nobody sets; on Linux it also counts while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True, kw_only=True)
class Worker:
    """One worker on one database.

    Attributes:
        clock: gives the present, aware UTC.
        ticks: gives the seconds of a clock that nobody sets.
        executor: makes what runs so many requests side by side.
        alive: called by the loop itself, again and again: a watchdog may count on it.
        stop: set by a signal: ends waits at once, and the run after the messages in hand.
        behind: whether the last run left news to read, and has read some: then the loop does not wait for its interval.
        catching_up: whether this run reads what the one before left.
        events: how many the last listing held.
        rests_until: when the next run of the loop may begin, in ticks.
        pace: when the next text may leave, whichever run sends it.
        retained: when people of finished bookings were last erased, in ticks.
        told_of_scrub: whether it was told that the file could not be cleared.
    """

    settings: Settings
    store: Store
    calendly: Calendly
    gateway: Gateway
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ticks: Callable[[], float] = ticks
    executor: Callable[[int], Executor] = ThreadPoolExecutor
    tell: Tell = tell
    progress: Progress = field(default_factory=NoProgress)
    alive: Callable[[], None] = lambda: None
    stop: threading.Event = field(default_factory=threading.Event)
    behind: bool = False
    catching_up: bool = False
    events: int = 0
    rests_until: float = 0.0
    pace: SendPace = field(init=False)
    retained: float | None = None
    told_of_scrub: bool = False

    def __post_init__(self) -> None:
        """Begin with nothing sent."""
        self.pace = SendPace(self.settings.sends_per_second)

    def run_once(self, options: Options = ONCE) -> Run:
        """Do one run; returns what it saw and did.

        Raises:
            SyncerError: what went wrong, with its exit code; nothing is lost, and nothing was sent from a partial view.
        """
        self.catching_up, self.behind = self.behind, False
        with self._reported(options) as run:
            if not options.dry_run:  # beside a running worker they are not remnants
                self.store.lay_ballast()
                if remnants := self.store.in_flight():
                    from syncer.sending import settle_remnants

                    settle_remnants(run, remnants)
                self._clear_the_file(run)
            complete = False
            delivery: Delivery | None = None
            while not complete:
                listed = read_listing(run)
                self.events = run.report.events
                # Only now, as Calendly was asked first: for a job a minute, imports are half of its time.
                from syncer import delivery as sends
                from syncer.reading import plan_again_if_rules_changed

                delivery = delivery or sends.Delivery(
                    run, self.gateway, self.sleep, self.stop.is_set, self.pace, self.executor
                )
                plan_again_if_rules_changed(run, listed.at)
                if options.force:
                    self.store.release(Reason.HELD_BY_GUARD, self.clock())
                self._deliver(delivery, listed)
                read = run.report.changed
                self._read(run, listed, delivery)
                # What is listed again and again and cannot be read is no reason to go on.
                further = run.report.changed > read
                goes_on = bool(listed.stale or (listed.left and further))
                # `--once` lists anew and goes on; the loop leaves the rest to its next run.
                complete = not goes_on or not options.everything
            run.check_clock(listed)
            self._retain(run, listed)
            if not goes_on:
                tell_unmatched(run, self.clock())
            self._count_unreadable(run, listed)
            self.behind = goes_on and further and listed.has_news()
        return run

    def _count_unreadable(self, run: Run, listed: Listed) -> None:
        """Count the events that cannot be read.

        Raises:
            Unreadable: no listed event at all can be read, or was tried and could be.
        """
        events = self.store.unreadable_events()
        run.report.events_unreadable = len(events)
        if events and len(events) + listed.left >= run.report.events:
            error = next(iter(events.values())).error
            raise Unreadable(f"none of the {len(events)} listed events can be read: {error}", "syncer check")

    def _deliver(self, delivery: Delivery, listed: Listed) -> None:
        """Send what is due; cancellations that may be a mistake wait."""
        if listed.guard is not None:
            listed.guard.judge()
        delivery.deliver(listed)

    def _read(self, run: Run, listed: Listed, delivery: Delivery) -> None:
        """Read what is stale, batch by batch; after each one, send what is due."""
        from syncer.reading import Reader, follow

        self.progress.begin(len(listed.stale) + listed.left)
        if listed.stale:  # a run without news starts no thread
            self.calendly.prepare_threads()
        pool = self.executor(self.calendly.lanes(run.settings.concurrency))
        began = self.ticks()
        try:
            reader = Reader(run, pool)
            # One batch in any case: a listing may take longer than the time there is, and every run must come further.
            asked = reader.ask(listed.take(BATCH))
            while asked:
                run.check_stop()
                goes_on = listed.stale and not self._takes_too_long(run, listed, began)
                ahead = reader.ask(listed.take(BATCH)) if goes_on else []
                batch = [one.result() for one in asked]
                run.check_clock(listed)
                failed = follow(run, batch)
                self._look_at(run, listed, failed, batch)
                self._note_read(run, listed, [read.event.uri for read in batch], failed)
                self.progress.advance(len(batch))
                self._deliver(delivery, listed)
                asked = ahead
        finally:
            pool.shutdown(cancel_futures=True)
        self.progress.end()

    def _note_read(self, run: Run, listed: Listed, uris: Sequence[str], failed: Mapping[str, SyncerError]) -> None:
        """Note which events of a batch were read, and which could not be."""
        done = [uri for uri in uris if uri not in failed]
        listed.was_read(done)
        if listed.guard is not None:
            listed.guard.was_read(uris)
        known = self.store.unreadable_events()
        self.store.forget_unreadable([uri for uri in done if uri in known])
        note_unreadable(run, failed, self.clock())
        listed.unreadable |= failed.keys()

    def _look_at(self, run: Run, listed: Listed, failed: Mapping[str, SyncerError], batch: Sequence[object]) -> None:
        """Decide what it means that events could not be read: each is held for itself, unless it is about all of them.

        Raises:
            SyncerError: not one event of a whole batch could be read, and others could not be, either.
        """
        from syncer.reading import concerns_everybody

        if (
            failed
            and len(failed) == len(batch)
            and concerns_everybody(run, failed, listed.pending, listed.last_to_be_read())
        ):
            raise next(iter(failed.values()))

    def run_forever(self, options: Options = LOOP) -> None:
        """Run now, then every interval, until `stop` is set. A failed run is in the log, and the next one comes.

        Raises:
            StoreError: the database cannot be trusted any more: the process must end, not go on without it. What only
                hinders (a full disk, another program) ends a run.
        """
        # A scheduler of our own, so that nobody else's entries run here. What raises is not scheduled anew by it, and
        # would run again on every tick: hence `_run_surviving`.
        scheduler = schedule.Scheduler()
        options = replace(options, loop=True)
        self._run_surviving(options)
        while not self.stop.is_set():
            self.alive()
            left = self.rests_until - self.ticks()
            if not scheduler.jobs:  # each run says when the next one may begin
                scheduler.every(max(1, int(left))).seconds.do(self._run_surviving, options)
            if left > 0:
                self.stop.wait(min(1.0, left))
                continue
            # `schedule` goes by local wall time, which goes back an hour in autumn: these seconds do not.
            if self.behind or left <= -OVERDUE:
                scheduler.run_all()
            else:
                scheduler.run_pending()
            self.stop.wait(min(OVERDUE, max(0.05, scheduler.idle_seconds or 0.0)) if scheduler.jobs else 0.0)

    def sleep(self, seconds: float) -> None:
        """Wait, unless a signal comes.

        Raises:
            Stopped: it came.
        """
        self.alive()
        if self.stop.wait(seconds):
            raise Stopped("asked to stop")

    @property
    def interval(self) -> timedelta:
        """How far apart the runs of the loop begin, by the last listing."""
        settings = self.settings
        cap = settings.max_requests_per_minute
        return intervals.in_force(settings.interval, self.events, self.calendly.limit, cap)

    def _rest(self, began: float, requests: int, *, failed: bool) -> int:
        """Put the next run off until this one's requests are no more than a share of what Calendly lets through.

        Args:
            began: when this run began, in ticks.
            requests: how many it made.
            failed: then the interval begins at its end: an outage is not asked about again at once.

        Returns:
            The seconds until then.
        """
        interval, now = self.interval, self.ticks()
        if self.catching_up and not failed:  # its end is no reason to let due texts wait as long as it took
            requests = min(requests, intervals.quiet_requests(self.events))
        rest = pause(requests, self.calendly.limit, interval, behind=self.behind)
        self.rests_until = began + rest.total_seconds()
        if failed:
            self.rests_until = max(self.rests_until, now + interval.total_seconds())
        longer = (rest - interval).total_seconds()
        if longer >= (NOTICEABLE_IF_AUTOMATIC if self.settings.interval is None else NOTICEABLE):
            reason = f"a run of {requests} requests, and others use the account, too"
            self.tell("calendly.throttled", seconds=round(longer, 1), reason=reason)
        return max(0, round(self.rests_until - now))

    def _run_surviving(self, options: Options) -> type[schedule.CancelJob]:
        """Do one run of the loop, whatever comes of it; the loop then plans the next one."""
        try:
            self.run_once(options)
        except Hindered:
            pass  # it is in the log
        except StoreError:
            raise
        except SyncerError:
            pass  # it is in the log
        return schedule.CancelJob

    def _takes_too_long(self, run: Run, listed: Listed, began: float) -> bool:
        """Whether to list anew: the loop after its time for reading; either way, where a text waits for that.

        Args:
            run: this one.
            listed: its listing.
            began: when reading began, in ticks: what the listing took is no time of reading.
        """
        listing = timedelta(seconds=began - listed.ticks)
        if not run.options.everything:
            requests = intervals.quiet_requests(run.report.events)
            most = intervals.time_to_read(self.interval, requests, self.calendly.limit, listing)
            if self.ticks() - began >= most.total_seconds():
                return True
        now, old = self.clock(), self.settings.max_snapshot_age * FRESH_SHARE
        # A listing that takes so long would be as old as this one again.
        return now - listed.at >= old > listing and bool(self.store.due(now) or self.store.must_be_reread(now))

    @contextlib.contextmanager
    def _reported(self, options: Options) -> Iterator[Run]:
        """Put a run's events and its row around it."""
        run_id, began, started = secrets.token_hex(6), self.ticks(), self.clock()
        parts = {name: getattr(self, name) for name in PARTS}
        run = Run(options=options, stopping=self.stop.is_set, **parts)
        requests, outcome, failure = self.calendly.requests, "failed", ""
        bind(run_id=run_id, **({"dry_run": True} if options.dry_run else {}))
        try:
            self.tell("run.started", dry_run=options.dry_run)
            yield run
            run.check_end()
            outcome = "completed"
        except Exception as fault:
            error = fault if isinstance(fault, SyncerError) else unexpected(fault)
            outcome, failure = outcome_of(error), str(error)
            event = {"refused": "run.refused", "stopped": "run.skipped"}.get(outcome, "run.failed")
            self.tell(event, reason=failure, remedy=error.remedy, error=type(error).__name__)
            if error is fault:
                raise
            raise error from fault
        finally:
            run.report.requests = self.calendly.requests - requests
            took = timedelta(seconds=self.ticks() - began)  # whoever sets the clock meanwhile
            run.report.duration_ms = int(took.total_seconds() * 1000)
            started = run.began_at(began, started)
            if options.loop:
                failed = outcome != "completed"
                run.report.next_run_s = self._rest(began, run.report.requests, failed=failed)
            row = {"id": run_id, "outcome": outcome, "error": failure, "checked": int(run.checked is not None)}
            row |= {"started_at": utc_text(started), "ended_at": utc_text(started + took)}
            try:
                self._record(run, row)
                if outcome == "completed":
                    self.tell("run.completed", **run.report.as_dict(), **_warning(run))
            except StoreError as error:
                # The trouble that ended the run is the one to report; after a good run this one is.
                if outcome == "completed":
                    self.tell("run.failed", reason=str(error), remedy=error.remedy, error=type(error).__name__)
                    raise
            finally:
                unbind("run_id", "dry_run")

    def _record(self, run: Run, row: dict[str, Any]) -> None:
        """Write the row of a run; a dry run has none, and after an error of the disk nothing is written."""
        if run.options.dry_run or row["outcome"] == "broken":
            return
        if row["outcome"] == "stopped":
            row["outcome"] = "failed"
        row["counts"] = json.dumps(run.report.as_dict())
        self.store.record_run(row)

    def _retain(self, run: Run, listed: Listed) -> None:
        """Erase the people of finished bookings, and delete old bookings, once an hour.

        What the listing still holds is left alone: it would be read again and be back.
        """
        now, ticks = self.clock(), self.ticks()
        if run.options.dry_run or (self.retained is not None and ticks - self.retained < RETAINED_EVERY):
            return
        after, kept = self.settings.retention, self.settings.keep_history
        if after is not None:
            self.store.retain(min(now - after, listed.since), now)
        if kept is not None:
            self.store.prune(min(now - kept, listed.since), alive=self.alive)
        self.store.check_file(now)
        self.retained = ticks

    def _clear_the_file(self, run: Run) -> None:
        """Rid the file of what was erased: the lock's holder may rewrite it."""
        if self.store.wants_scrub():
            try:
                self.store.scrub()
            except Hindered as error:  # erased it is, and the texts do not wait for this
                reason = f"the file still holds erased data: {error}"
                if not self.told_of_scrub:
                    run.tell("limit.reached", limit="database", value=0, reason=reason)
                self.told_of_scrub = True


def _warning(run: Run) -> dict[str, str]:
    """Make the field that turns the line of a complete run into a warning: events were left out."""
    count = run.report.events_unreadable
    return {"warning": f"events that cannot be read: {count}; `syncer status` names them"} if count else {}
