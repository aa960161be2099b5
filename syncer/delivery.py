"""Chooses what leaves: looks at all that is due, and once more at each message before its turn comes.

How a message leaves, and what its answer does, is in `sending`.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import quiet
from syncer.errors import Overtaken, Stopped
from syncer.flights import Flights
from syncer.log import mask
from syncer.model import Audience, State
from syncer.reasons import Reason
from syncer.rules import Trigger
from syncer.send_queue import SendQueue
from syncer.sending import Course, Sending, say_message, tell_pause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from datetime import datetime

    from syncer.model import Message
    from syncer.ports import Gateway
    from syncer.run import Listed, Run
    from syncer.send_pace import SendPace
    from syncer.sending import Suspicion
    from syncer.store import Due

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
SILENT = "EngageLab does not answer"
PREFIX = -4
"""Numbers that differ in their last four digits only have one owner when somebody earns by the texts they get."""


@dataclass(slots=True)
class Delivery:
    """Sends for one run.

    Attributes:
        sleep: waits for so many seconds.
        stopping: whether a signal asked to stop: then no further message leaves.
        pace: when the next text may leave: one for all deliveries of a worker.
        executor: makes what runs so many requests side by side.
        course: what came of it so far.
        capped: prefixes of numbers that were told to be over their cap.
    """

    run: Run
    gateway: Gateway
    sleep: Callable[[float], None]
    stopping: Callable[[], bool]
    pace: SendPace
    executor: Callable[[int], Executor] = ThreadPoolExecutor
    course: Course = field(default_factory=Course)
    capped: set[str] = field(default_factory=set)

    def deliver(self, listed: Listed) -> None:
        """Send what is due by the last complete listing: meetings ahead, nearest first; a dry run ends here.

        Steps: 1. expire what is too late. 2. Leave out what must wait. 3. Ask for the templates. 4. For each message:
        wait for its turn, look once more, claim, send; settle what is answered meanwhile.

        Raises:
            ClockWrong: the clock was set since the listing.
            StoreError: the database cannot be trusted any more.
            Stopped: a signal came.
        """
        if self.course.over or self.run.options.dry_run:
            return
        self.run.check_clock(listed)
        now = self.run.clock()
        for message in self.run.store.expire(now):
            self._told("expired", message)
        self.run.report.deferred = 0
        due = self._ready([*self.run.store.due(now), *self.run.store.must_be_reread(now)], listed, now)
        if due and not self._paused(due, now):
            from syncer.preflight import Preflight

            fit = Preflight(self.run, self.gateway, self.course).passed(due)
            if fit is not None:
                self._send_all(self._nearest(fit, now), listed)

    def _ready(self, due: Sequence[Due], listed: Listed, now: datetime) -> list[Message]:
        """Leave out messages that a guard holds, and those of events that changed, vanished, or must be read first."""
        held = {row.message.key for row in due if self._is_held(row, listed)}
        if held:
            self.run.report.deferred += len(held)
            reason = "a guard holds texts about cancellations"
            self.run.tell("sending.deferred", reason=str(Reason.HELD_BY_GUARD), detail=reason, count=len(held))
        ready: list[Message] = []
        halves = self._may_be_new_halves(due, listed)
        for row in due:
            if row.message.key in held:
                continue
            waited = int((now - row.message.next_at).total_seconds())
            self.run.report.oldest_due_s = max(self.run.report.oldest_due_s, waited)
            why = self._why_not_listed(row, listed)
            # Of what is read in this run anyway nothing need be said.
            if why and not (why is Reason.MUST_REREAD and row.event in listed.pending):
                self.run.store.note(row.message, why, now)
            if why or row.event in listed.pending or row.message.booking in halves:
                self.run.report.deferred += 1
            else:
                ready.append(row.message)
        return ready

    def _is_held(self, row: Due, listed: Listed) -> bool:
        """Whether a cancellation text may not leave: a guard holds it, or the other half of a move may be unread."""
        rule = self.run.settings.policy.rule(row.message.rule)
        if rule is not None and rule.on is Trigger.CANCELED and listed.may_have_moved(row.external_id):
            return True
        return listed.guard is not None and listed.guard.keeps(row.message)

    def _may_be_new_halves(self, due: Sequence[Due], listed: Listed) -> set[str]:
        """Find bookings to be confirmed whose guest may have been moved there, from an event that is yet to be read."""
        unread = listed.may_hold_old_halves()
        rules = {rule.name for rule in self.run.settings.policy.rules if rule.on is Trigger.BOOKED}
        bookings = [row.message.booking for row in due if row.message.rule in rules] if unread else []
        return self.run.store.may_be_moved(bookings, unread)

    def _why_not_listed(self, row: Due, listed: Listed) -> Reason:
        if listed.until is not None and row.message.meeting_at > listed.until:
            return Reason.BEYOND_HORIZON
        return Reason.EVENT_UNREADABLE if row.event in listed.unreadable else row.missing

    def _paused(self, due: Sequence[Message], now: datetime) -> bool:
        """Whether nothing may leave for a while.

        The gateway asked for that, or does not answer: in this run or an earlier one.
        """
        course, store = self.course, self.run.store
        course.outage = store.outage()
        pauses = [(until, Reason.PROVIDER_LATER) for until in (course.paused_until, store.paused_until(now)) if until]
        if course.outage is not None and course.outage.until is not None and course.outage.keeps(now):
            pauses.append((course.outage.until, Reason.OUTAGE))
            if waiting := [message for message in due if message.reason is not Reason.OUTAGE]:
                store.hold(waiting, Reason.OUTAGE, now, SILENT)
        until, reason = max(pauses, default=(now, Reason.NONE))
        course.paused_until = until if until > now else None
        if course.paused_until is None:
            return False
        self.run.report.deferred += len(due)
        detail = SILENT if reason is Reason.OUTAGE else "EngageLab's rate limit"
        tell_pause(self.run, course, until, reason, detail, count=len(due))
        return True

    def _nearest(self, due: Sequence[Message], now: datetime) -> list[Message]:
        """Of several reminders of one meeting that could leave now, keep the one nearest to it."""
        latest: dict[tuple[str, str, str], datetime] = {}
        for message in filter(self._is_reminder, due):
            who = (message.booking, message.audience, message.to)
            latest[who] = max(latest.get(who, message.scheduled_at), message.scheduled_at)
        kept = []
        for message in due:
            who = (message.booking, message.audience, message.to)
            if self._is_reminder(message) and message.scheduled_at < latest[who]:
                self._end(message, State.EXPIRED, Reason.SUPERSEDED, now)
            else:
                kept.append(message)
        return kept

    def _end(self, message: Message, state: State, reason: Reason, now: datetime) -> None:
        """Move a message that will not be sent, and tell; one that an operator has moved first is left to them."""
        with contextlib.suppress(Overtaken):
            self._told(str(state), self.run.store.move(message, state, reason, now))

    def _is_reminder(self, message: Message) -> bool:
        rule = self.run.settings.policy.rule(message.rule)
        return rule is not None and rule.on is Trigger.BEFORE_START

    def _send_all(self, due: Sequence[Message], listed: Listed) -> None:
        settings = self.run.settings
        self.course.held.clear()
        with self.executor(settings.concurrency) as pool:
            flights = Flights(pool, lanes=settings.concurrency, pace=self.pace, ticks=self.run.ticks, sleep=self.sleep)
            sending = Sending(self.run, self.gateway, flights, self.course)
            flights.careful = self.course.outage is not None
            with sending.landing():
                rest = self._after_outage(due, sending, listed)
                queue = SendQueue(self._after_probe(rest, sending, listed), self._group)

                def ready() -> bool:
                    return flights.has_place() and queue.has_free(flights.numbers())

                while queue:
                    room = self._room(listed) if sending.wait_until(ready, self.stopping) else 0
                    if not room:
                        self.run.report.deferred += len(queue)
                        if self.stopping():
                            raise Stopped("asked to stop")
                        return
                    before = len(queue)
                    sending.send(self._wave(queue, flights, room))
                    if len(queue) == before:  # what room there is belongs to texts that were passed over
                        sending.wait_for_answer()

    def _group(self, message: Message) -> str:
        """Name the group of texts in which none may be passed over.

        These are the texts to one number, or to numbers that share a cap.
        """
        return message.to[:PREFIX] if self.run.settings.per_prefix_per_hour else message.to

    def _after_outage(self, due: Sequence[Message], sending: Sending, listed: Listed) -> Sequence[Message]:
        """After an outage try one text alone, and return what may follow.

        That is everything if the text gets an answer, else nothing.
        """
        if not self.course.is_outage():
            return due
        tried = self._try_one(due, sending, listed)
        rest = [message for message in due if message.key not in tried]
        if not self.course.is_outage():
            return rest
        self.run.report.deferred += len(rest)
        return []

    def _after_probe(self, due: Sequence[Message], sending: Sending, listed: Listed) -> Sequence[Message]:
        """After refusals in a row try one text of those concerned alone, and say what may follow.

        Where the one is accepted all may follow, otherwise those concerned wait.
        """
        rest = list(due)
        for suspicion in sending.suspicions:
            concerned = [message for message in rest if suspicion.concerns(message)]
            tried = set() if suspicion in self.course.tried else self._try_one(concerned, sending, listed)
            if tried:
                self.course.tried.add(suspicion)
            rest = [message for message in rest if message.key not in tried]
            if suspicion in sending.suspicions:
                held = [message for message in rest if suspicion.concerns(message)]
                rest = [message for message in rest if not suspicion.concerns(message)]
                self._hold_suspected(held, suspicion)
        return rest

    def _try_one(self, concerned: Sequence[Message], sending: Sending, listed: Listed) -> set[str]:
        """Send one text alone: the one that expires last loses least if it is refused, too. Returns the keys tried."""
        tried: set[str] = set()
        for probe in sorted(concerned, key=lambda message: message.expires_at, reverse=True):
            room = self._room(listed) if sending.wait_for_turn(probe, self.stopping) else 0
            if not room:
                break
            tried.add(probe.key)
            if fit := self._fit([probe], self.run.clock()):
                sending.send(fit)
                sending.await_all()
                break
        return tried

    def _hold_suspected(self, held: Sequence[Message], suspicion: Suspicion) -> None:
        self.run.report.deferred += len(held)
        reason = Reason.HELD_TEMPLATE if suspicion.template else Reason.HALTED
        detail = f"EngageLab {suspicion.code}, several times in a row"
        for message in held:
            self.run.store.note(message, reason, self.run.clock(), detail)

    def _wave(self, queue: SendQueue, flights: Flights, room: int) -> list[Message]:
        """Take what may leave now, together: no more than there is room for, in flight and under the caps of all."""
        wave: list[Message] = []
        while len(wave) < room and flights.has_place(wave):
            message = queue.take(flights.numbers(wave), room - len(wave))
            if message is None:
                break
            if message.template in self.course.held:
                self.run.report.deferred += 1
            else:
                wave.append(message)
        return self._fit(wave, self.run.clock()) if wave else []

    def _room(self, listed: Listed) -> int:
        """Look, at the very moment, how many more may leave at all."""
        self.run.check_clock(listed)
        settings, store, now = self.run.settings, self.run.store, self.run.clock()
        age = now - listed.at
        if age > settings.max_snapshot_age:
            self.run.tell("limit.reached", limit="max_snapshot_age", value=int(age.total_seconds()))
            return 0
        room = settings.messages_per_run - self.course.attempted
        if room <= 0:
            return self._over("messages_per_run", settings.messages_per_run)
        if settings.messages_per_day:
            room = min(room, settings.messages_per_day - store.sent_since(now - DAY))
            if room <= 0:
                return self._over("messages_per_day", settings.messages_per_day)
        return room if store.has_room() else self._over("free disk space", 0)

    def _over(self, name: str, value: int) -> int:
        self.course.over = name
        self.run.tell("limit.reached", limit=name, value=value)
        return 0

    def _fit(self, wave: Sequence[Message], now: datetime) -> list[Message]:
        """Look at each message of a wave, at the very moment: in time, not unwanted, not too often, not at night."""
        store = self.run.store
        fit: list[Message] = []
        unwanted = store.opted_out_of(message.to for message in wave)
        had = store.sent_to((message.to for message in wave), now - DAY)
        for message in wave:
            if message.expires_at <= now:
                self._end(message, State.EXPIRED, Reason.LATE, now)
            elif message.to in unwanted:
                self._end(message, State.SKIPPED, Reason.OPTED_OUT, now)
            # Caps are against strangers who book in somebody else's name; a host's number comes from the operator.
            elif message.audience is Audience.INVITEE and not self._under_caps(message, now, had[message.to], fit):
                pass
            elif self._is_awake(message, now):
                fit.append(message)
        return fit

    def _is_awake(self, message: Message, now: datetime) -> bool:
        """Whether quiet hours let a message leave now; one that comes late for its time waits, or expires."""
        policy = self.run.settings.policy
        rule = policy.rule(message.rule)
        if rule is None or not rule.quiet_hours or policy.quiet_hours is None:
            return True
        at = quiet.leaves_at(message, now, policy)
        if at is None:
            self._end(message, State.EXPIRED, Reason.QUIET_HOURS, now)
        elif at > now:
            self.run.report.deferred += 1
            with contextlib.suppress(Overtaken):
                self.run.store.move(replace(message, next_at=at), message.state, Reason.QUIET_HOURS, now)
        return at is not None and at <= now

    def _under_caps(self, message: Message, now: datetime, had: int, fit: Sequence[Message]) -> bool:
        """Skip a number that had its share for the day; defer one whose neighbours had theirs for the hour.

        Args:
            message: that may leave; no other one of its wave is to the same number.
            now: this moment.
            had: texts that went to its number in the last day.
            fit: others that are about to leave with it.
        """
        policy, store = self.run.settings.policy, self.run.store
        cap = policy.per_number_per_day
        if had >= cap:
            self.run.tell("limit.reached", limit="per_number_per_day", value=cap, to=mask(message.to))
            self._end(message, State.SKIPPED, Reason.OVER_CAP, now)
            return False
        cap, prefix = self.run.settings.per_prefix_per_hour, message.to[:PREFIX]
        alike = sum(other.to.startswith(prefix) for other in fit)
        if cap and store.sent_since(now - HOUR, prefix=prefix) + alike >= cap:
            if prefix not in self.capped:
                self.run.tell("limit.reached", limit="per_prefix_per_hour", value=cap, to=mask(message.to))
            self.capped.add(prefix)
            self.run.report.deferred += 1
            store.note(message, Reason.WAITS_LIMIT, now, "limits.per_prefix_per_hour")
            return False
        return True

    def _told(self, what: str, message: Message) -> None:
        self.run.report.count(what)
        say_message(self.run.tell, what, message)
