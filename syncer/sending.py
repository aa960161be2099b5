"""Claims messages, hands them to the gateway, commits what each answer means. The order here is the first promise.

A message is claimed (committed as `sending`) before its request leaves and settled as its answer comes. Whatever stops
the program between the two leaves it in `sending`, which the next run turns into `unknown`: never sent twice by itself.
Several requests are in flight; all of the database is written by the thread that runs this.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from syncer.errors import Hindered, Overtaken, StoreError, Unsendable
from syncer.forgetting import without_words
from syncer.log import mask
from syncer.model import State, utc_text
from syncer.outages import after_silence, is_answer, is_silence
from syncer.outbox import (
    Halt,
    NoAnswer,
    NotNow,
    Refused,
    Settlement,
    as_settled,
    jitter_of,
    retry_at,
    settle,
)
from syncer.reasons import Reason
from syncer.rules import OnUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from syncer.flights import Flights
    from syncer.log import Tell
    from syncer.model import Message
    from syncer.outages import Outage
    from syncer.outbox import Outcome
    from syncer.ports import Gateway, Template
    from syncer.run import Run
    from syncer.store import Refusal

PAUSE_GROWS = 4
"""After so many rate limits of one message the pause of all grows no more: four minutes, if no more is asked for."""
REFUSALS = 5
"""So many refusals in a row with one code, to as many numbers, are no longer about those numbers."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a row of refusals says: a template, or the whole account, takes no texts.

    Attributes:
        code: the gateway's error code.
        template: which one; empty = it was several.
    """

    code: str
    template: str

    def concerns(self, message: Message) -> bool:
        """Whether a message would probably be refused, too."""
        return self.template in {"", message.template}


def suspicions_of(refusals: Sequence[Refusal]) -> list[Suspicion]:
    """Say what refusals in a row are about: the whole account, or single templates; empty = too few to tell."""
    account: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    templates: Counter[tuple[str, str]] = Counter()
    for refusal in refusals:
        templates[refusal.code, refusal.template] += 1
        if refusal.unbroken:
            counts[refusal.code] += 1
            account.setdefault(refusal.code, set()).add(refusal.template)
    everything = [Suspicion(code, "") for code, names in account.items() if counts[code] >= REFUSALS and len(names) > 1]
    return everything + [Suspicion(*names) for names, count in templates.items() if count >= REFUSALS]


@dataclass(slots=True)
class Course:
    """What the sends of one run led to so far.

    Attributes:
        attempted: messages claimed.
        over: why nothing more leaves in this run; empty = more may.
        paused_until: until when nothing leaves; None = it may.
        outage: messages in a row that were not reached or not answered; None = there are none.
        held: templates that the gateway refused.
        broken: the trouble with the database after which nothing is committed any more.
        rejected: what was told already of templates that cannot be used.
        templates: the gateway's templates by id, as last listed; none = not yet.
        listed_at: when that was.
        refusals: the gateway's refusals in a row, as remembered; None = not read yet.
        tried: what a text was sent for in this run to see whether it still holds.
    """

    attempted: int = 0
    over: str = ""
    paused_until: datetime | None = None
    outage: Outage | None = None
    held: set[str] = field(default_factory=set)
    broken: StoreError | None = None
    rejected: set[str] = field(default_factory=set)
    templates: Mapping[str, Template] = field(default_factory=dict)
    listed_at: datetime | None = None
    refusals: list[Refusal] | None = None
    tried: set[Suspicion] = field(default_factory=set)

    def is_outage(self) -> bool:
        """Whether so many messages were not answered that only one may be tried."""
        return self.outage is not None and self.outage.until is not None

    def stops(self) -> bool:
        """Whether nothing more leaves for now."""
        return self.over != "" or self.paused_until is not None


@dataclass(slots=True)
class Sending:
    """The sends of one delivery.

    Attributes:
        claimed: when each message in flight was claimed, in ticks.
        accepted: messages that the gateway took, as they are now, still to be committed: with the next claims, but
            before anything is waited for.
    """

    run: Run
    gateway: Gateway
    flights: Flights
    course: Course
    claimed: dict[str, float] = field(default_factory=dict)
    accepted: list[Message] = field(default_factory=list)

    @contextlib.contextmanager
    def landing(self) -> Iterator[None]:
        """Whatever ends the `with` block, wait for the answers in flight and commit each as it comes.

        Raises:
            StoreError: one could not be committed.
        """
        try:
            yield
        finally:
            while len(self.flights):
                self._take(wait=True)
                self._commit_accepted()
            self._commit_accepted()
        self._check()

    @property
    def suspicions(self) -> list[Suspicion]:
        """What the refusals so far, of earlier runs as well, say of the next ones."""
        return suspicions_of(self._refusals())

    def _refusals(self) -> list[Refusal]:
        if self.course.refusals is None:
            self.course.refusals = self.run.store.refusals()
        return self.course.refusals

    def suspicion_about(self, message: Message) -> Suspicion | None:
        """Say why a message would probably be refused; None = it would not."""
        return next((one for one in self.suspicions if one.concerns(message)), None)

    def await_all(self) -> None:
        """Wait for all answers in flight, and commit them.

        Raises:
            StoreError: one could not be committed.
        """
        while len(self.flights):
            self._take(wait=True)
        self._commit_accepted()
        self._check()

    def wait_for_turn(self, message: Message, stopping: Callable[[], bool]) -> bool:
        """Wait until this message may leave; for the rest see `wait_until`."""
        return self.wait_until(lambda: self.flights.may_begin(message), stopping)

    def wait_until(self, ready: Callable[[], bool], stopping: Callable[[], bool]) -> bool:
        """Wait until something may leave; False = nothing more may.

        Answers that come meanwhile are taken.

        Raises:
            StoreError: one could not be committed.
            Stopped: a signal came while nothing was in flight.
        """
        self._take(wait=False)
        self._check()
        while not (self.course.stops() or stopping() or ready()):
            self.wait_for_answer()
        return not (self.course.stops() or stopping())

    def wait_for_answer(self) -> None:
        """Commit what was accepted, then wait a while for an answer or the pace.

        Raises:
            StoreError: one could not be committed.
            Stopped: a signal came while nothing was in flight.
        """
        self._commit_accepted()
        self._check()
        self._take(wait=True)
        self._check()

    def send(self, wave: Sequence[Message]) -> None:
        """Build the requests, commit the claims, and only then let them leave.

        Raises:
            StoreError: the claims could not be committed; none of them left.
        """
        now = self.run.clock()
        wave = as_they_leave(self.run, self.course, wave, now)
        prepared = {}
        for message in wave:
            try:
                prepared[message.key] = self.gateway.prepare(message, instance=self.run.store.instance)
            except Unsendable as error:
                self._refuse(message, error, now)
        claimed = self._commit([message for message in wave if message.key in prepared], now)
        for message in claimed:
            self.claimed[message.key] = self.run.ticks()
            self.course.attempted += 1
            self.flights.begin(message, partial(self.gateway.send, prepared[message.key]))

    def _refuse(self, message: Message, error: Unsendable, now: datetime) -> None:
        with contextlib.suppress(Overtaken):  # an operator's command came first
            self._settle(self.run.store.claim(message, now), Refused(f"not sendable: {error}"))  # by us: without a code

    def _commit(self, wave: Sequence[Message], now: datetime) -> list[Message]:
        """Commit what was accepted and what is about to leave; returns what may: a command may have come first.

        Raises:
            StoreError: it could not be committed; what was accepted is then, if anything can be.
        """
        if not (wave or self.accepted):
            return []
        try:
            _, claimed = self.run.store.turn(self.accepted, wave, now)
        except Hindered:
            self._commit_accepted()
            raise
        except StoreError as error:
            self.course.broken = error
            raise
        self.accepted.clear()
        return claimed

    def _commit_accepted(self) -> None:
        """Commit what was accepted by itself: nothing that must be waited for keeps it off the disk."""
        accepted, self.accepted = self.accepted, []
        # After an error of the disk no second commit: what is left in `sending` becomes unknown.
        if accepted and self.course.broken is None:
            try:
                self.run.store.turn(accepted, (), self.run.clock())
            except StoreError as error:
                self.course.broken = error

    def _take(self, *, wait: bool) -> None:
        for claimed, outcome in self.flights.landed(wait=wait):
            self._settle(claimed, outcome)
            if self.flights.no_threads is not None:
                self.run.failure = self.flights.no_threads
                self.course.over = str(self.run.failure)

    def _check(self) -> None:
        if self.course.broken is not None:
            raise self.course.broken

    def _settle(self, claimed: Message, outcome: Outcome) -> None:
        """Commit what an answer means, soon where it was yes, at once where others must heed it."""
        # Not by the clock: one that was set meanwhile must not put off what may be tried again, nor date what was sent.
        ticks = self.run.ticks()
        now = claimed.changed_at + timedelta(seconds=ticks - self.claimed.pop(claimed.key, ticks))
        answered = is_answer(outcome)
        outcome = self._suspected(claimed, outcome)
        settlement = self._settlement(claimed, outcome, now)
        if settlement.message_id:
            # Before the commit: should that fail, this line lets a person `resolve --sent` what was left in `sending`.
            self.run.tell("message.sent", **fields(claimed), provider_message_id=settlement.message_id)
            self.run.report.sent += 1
            self.accepted.append(as_settled(claimed, settlement, now))
            self._end_outage(now)
            self._end_refusals(claimed.template)
            return
        self._commit_accepted()
        if self.course.broken is not None:
            return
        try:
            settled = self.run.store.settle(claimed, settlement, now)
        except StoreError as error:
            self.course.broken = error
            return
        except Overtaken:
            return  # only by another worker without the lock, which has told what it made of it
        self.run.report.count(_SAID[settled.state])
        say_message(self.run.tell, _SAID[settled.state], settled)
        if answered:
            self._end_outage(now)
        self._heed(claimed, outcome, now)

    def _suspected(self, claimed: Message, outcome: Outcome) -> Outcome:
        """Take a refusal that others had before it for what it is: not about this message, which waits."""
        code = _refusal_code(outcome)
        suspicion = self.suspicion_about(claimed) if code else None
        if suspicion is None or code != suspicion.code:
            return outcome
        detail = getattr(outcome, "detail", "")
        return NotNow(detail, code, holds_template=True) if suspicion.template else Halt(detail)

    def _end_refusals(self, template: str) -> None:
        """End the row of a template's refusals: one of its texts was accepted."""
        if self._refusals():
            try:
                self.course.refusals = self.run.store.end_refusals(template)
            except StoreError as error:
                self.course.broken = error

    def _settlement(self, claimed: Message, outcome: Outcome, now: datetime) -> Settlement:
        return settle(
            outcome,
            now=now,
            attempts=claimed.attempts,
            refusals=claimed.refusals,
            on_unknown=wish(self.run, claimed),
            jitter=jitter_of(claimed.key),
        )

    def _heed(self, claimed: Message, outcome: Outcome, now: datetime) -> None:
        """Stop or hold other messages, where this answer concerns them, too."""
        self._count_refusal(claimed, outcome)
        if is_silence(outcome) and self.flights.no_threads is None:  # else the trouble is this machine's
            self._count_silence(claimed, outcome, now)
        if isinstance(outcome, Refused) and outcome.opted_out:
            for message in self.run.store.opt_out([claimed.to], brief(outcome.detail), now)[1]:
                self.run.report.count("skipped")
                say_message(self.run.tell, "skipped", message)
        if isinstance(outcome, Halt):
            remedy = "; ".join(filter(None, [outcome.remedy, "syncer check", f"syncer explain {claimed.id}"]))
            halt(self.run, self.course, outcome.detail, remedy)
        elif isinstance(outcome, NotNow) and outcome.pauses_all:
            # One message's own tries may grow to half an hour; all the others do not wait so long for it.
            until = retry_at(now, min(claimed.attempts, PAUSE_GROWS), outcome.retry_after)
            self.run.store.pause(until)
            self.course.paused_until = until
            tell_pause(self.run, self.course, until, Reason.PROVIDER_LATER, brief(outcome.detail))
        elif isinstance(outcome, NotNow) and outcome.holds_template:
            self._hold_template(claimed, brief(outcome.detail))

    def _count_silence(self, claimed: Message, outcome: Outcome, now: datetime) -> None:
        """Remember that a text got no answer.

        Until an answer comes, one text at a time leaves. After some without an answer nothing leaves for a while.
        """
        before = self.course.outage
        outage = after_silence(before, outcome, claimed_at=claimed.changed_at, now=now)
        self.course.outage, self.flights.careful = outage, True
        try:
            self.run.store.remember_outage(outage)
        except StoreError as error:
            self.course.broken = error
        if outage.until is not None and (before is None or before.until != outage.until):
            self.course.paused_until = outage.until
            tell_pause(self.run, self.course, outage.until, Reason.OUTAGE, f"{outage.silent} texts got no answer")

    def _end_outage(self, now: datetime) -> None:
        """Note that the gateway answers."""
        if self.course.outage is not None and self.course.broken is None:
            self.course.outage, self.flights.careful = None, False
            try:
                self.run.store.end_outage(now)
            except StoreError as error:
                self.course.broken = error

    def _hold_template(self, message: Message, reason: str, **more: object) -> None:
        told = message.template in self.course.held
        self.course.held.add(message.template)
        if not told:
            self.run.tell("template.rejected", template=message.template, rule=message.rule, reason=reason, **more)

    def _count_refusal(self, claimed: Message, outcome: Outcome) -> None:
        """Count clear refusals in a row. The fifth with one code holds the template, or everything if it was several.

        Which words mean that an account is empty is not documented; that one text after the other is refused is plain.
        """
        code = _refusal_code(outcome)
        before = self.suspicion_about(claimed)
        if not code or (before is not None and before.code == code):
            return
        self.course.refusals = self.run.store.note_refusal(claimed, code)
        suspicion = self.suspicion_about(claimed)
        if suspicion is None:
            return
        row = [one for one in self.course.refusals if one.code == code and suspicion.template in {"", one.template}]
        retry = f"syncer retry {' '.join(refusal.message for refusal in row)}"
        reason = f"{len(row)} texts to {len(row)} numbers were refused in a row with the code {code}"
        remedy = f"Look at EngageLab's console (balance, template). When it is mended: {retry}"
        if suspicion.template:
            self._hold_template(claimed, reason, remedy=remedy)
        else:
            halt(self.run, self.course, reason, remedy)


_SAID = {
    State.RETRYABLE: "retry_scheduled",
    State.FAILED: "failed",
    State.UNKNOWN: "unknown",
}


def as_they_leave(run: Run, course: Course, messages: Sequence[Message], now: datetime) -> list[Message]:
    """Write messages in the words of this moment, and count their SMS; what would be too long is skipped."""
    from syncer import wording

    policy = run.settings.policy
    rules = {message.rule: policy.rule(message.rule) for message in messages}
    moving = [message.booking for message in messages if (rule := rules[message.rule]) and wording.momentary(rule)]
    bookings = run.store.bookings(moving) if moving else {}
    fit = []
    for message in messages:
        params = wording.at_leaving(message, rules[message.rule], bookings.get(message.booking), now, policy)
        template = course.templates.get(message.template)
        parts = wording.segments(wording.preview(template, params)) if template is not None else message.segments
        worded = replace(message, params=params, segments=parts)
        if parts > run.settings.segments_per_message:
            _skip_too_long(run, course, worded, now)
        else:
            fit.append(worded)
    return fit


def _skip_too_long(run: Run, course: Course, message: Message, now: datetime) -> None:
    reason = f"a text of rule {message.rule} would be {message.segments} SMS long"
    limit = run.settings.segments_per_message
    tell_once(run, course, reason, "limit.reached", limit="segments_per_message", value=limit, reason=reason)
    with contextlib.suppress(Overtaken):  # an operator has moved it first
        gone = run.store.move(message, State.SKIPPED, Reason.TOO_LONG, now)
        run.report.count("skipped")
        say_message(run.tell, "skipped", gone)


def tell_once(run: Run, course: Course, what: str, event: str, /, **fields: object) -> None:
    """Write a log event, unless the same was told in this run."""
    if what not in course.rejected:
        run.tell(event, **fields)
    course.rejected.add(what)


def tell_pause(run: Run, course: Course, until: datetime, reason: Reason, detail: str, **more: object) -> None:
    """Write that nothing leaves for a while, once for each pause."""
    at = utc_text(until)
    tell_once(run, course, at, "sending.deferred", reason=str(reason), detail=detail, until=at, **more)


def settle_remnants(run: Run, remnants: Sequence[Message]) -> None:
    """Turn what an earlier run left in `sending` into `unknown`: the lock's holder knows that nobody sends it.

    All of it is dated by the claim, whose clock was checked: this run's clock is not, yet.
    """
    for message in remnants:
        settlement = settle(
            NoAnswer("", Reason.INTERRUPTED),
            now=message.changed_at,
            attempts=message.attempts,
            refusals=message.refusals,
            on_unknown=wish(run, message),
            jitter=jitter_of(message.key),
        )
        settled = run.store.settle(message, settlement, message.changed_at)
        what = "unknown" if settled.state is State.UNKNOWN else "retry_scheduled"
        run.report.count(what)
        say_message(run.tell, what, settled)


def wish(run: Run, message: Message) -> OnUnknown:
    """Say what the message's rule wants when nobody knows whether it left."""
    rule = run.settings.policy.rule(message.rule)
    return OnUnknown.HOLD if rule is None else rule.on_unknown


def halt(run: Run, course: Course, reason: str, remedy: str = "syncer check") -> None:
    """Let nothing leave any more in this run: a person must act."""
    told = bool(run.halted)
    course.over = run.halted = brief(reason)
    if not told:
        run.tell("gateway.halted", reason=run.halted, remedy=remedy)


def _refusal_code(outcome: Outcome) -> str:
    """Read the code of an answer that surely refused a text and is not about its number alone; empty = it is none."""
    if isinstance(outcome, Refused):
        return "" if outcome.opted_out else outcome.code
    return outcome.code if isinstance(outcome, NotNow) and outcome.tries is not None else ""


def fields(message: Message) -> dict[str, object]:
    """Make the fields that every log event about a message has."""
    return {
        "key": message.key,
        "rule": message.rule,
        "booking": message.booking,
        "to": mask(message.to),
        "attempt": message.attempts,
    }


def brief(detail: str) -> str:
    """Take of a gateway's answer its code only: its words may repeat a name or the text. They are in the database."""
    code = without_words(detail)  # also where they stand behind words of ours: what an expired message waited for
    return code.partition(":")[0] if code.startswith("EngageLab ") else code


def say_message(tell: Tell, what: str, message: Message) -> None:
    """Write the log event of a message's move, with what to type where a person must act."""
    more: dict[str, object] = {"reason": str(message.reason)} if message.reason else {}
    if message.detail:
        more["detail"] = brief(message.detail)
    if what == "retry_scheduled":
        more["next_at"] = message.next_at.isoformat()
    if what == "planned":
        more["scheduled_at"] = message.scheduled_at.isoformat()
    if what == "unknown":
        more["remedy"] = f"syncer resolve '{message.key}' --sent or --not-sent"
    if what == "failed":
        more["remedy"] = f"syncer explain '{message.booking}'; then syncer retry '{message.key}'"
    tell(f"message.{what}", **fields(message), **more)
