"""Sends what is due: looks before each message, claims it, sends it, settles it. The order here is the first promise.

A message is claimed (committed as `sending`) before its request leaves and settled after the answer. Whatever stops the
program between the two leaves it in `sending`, which the next run turns into `unknown`: never sent twice by itself.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer import quiet
from syncer.errors import NotConnected, NoUsableAnswer, Overtaken, RunHalted, Unsendable
from syncer.log import mask
from syncer.model import Audience, State
from syncer.outbox import OVER_CAP, SUPERSEDED, Halt, NotNow, Refused, Settlement, settle
from syncer.plan import QUIET
from syncer.rules import OnUnknown, Trigger
from syncer.wording import variables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from syncer.log import Tell
    from syncer.model import Message
    from syncer.outbox import Outcome
    from syncer.ports import Gateway, Template
    from syncer.run import Listed, Run
    from syncer.store import Due

DAY = timedelta(hours=24)
MISSING = "its event is missing from Calendly's listing"
BEYOND = "its event is beyond the horizon"
LEFT_BY_A_CRASH = "syncer stopped before the answer came"


@dataclass(slots=True)
class Delivery:
    """Sends for one run.

    Attributes:
        sleep: waits for so many seconds.
        stopping: whether a signal asked to stop: then the message in hand is the last.
        attempted: messages sent so far, whatever came of it.
        over: why nothing more leaves in this run; empty = more may.
        halted: why nothing can leave until a person acts.
        rejected: what was told already of templates that cannot be used.
    """

    run: Run
    gateway: Gateway
    sleep: Callable[[float], None]
    stopping: Callable[[], bool]
    attempted: int = 0
    over: str = ""
    halted: str = ""
    rejected: set[str] = field(default_factory=set)

    def deliver(self, listed: Listed) -> None:
        """Send what is due by the last complete listing, nearest meeting first; a dry run ends here.

        Steps: 1. expire what is too late. 2. Leave out what must wait. 3. Ask for the templates. 4. For each message:
        look once more, claim, send, settle.
        """
        if self.over or self.run.options.dry_run:
            return
        now = self.run.clock()
        for message in self.run.store.expire(now):
            self._told("expired", message)
        self.run.report.deferred = 0
        due = self._ready(self.run.store.due(now), listed, now)
        if due and (held := self._held(due)) is not None:
            self._send_all(self._nearest([message for message in due if message.key not in held], now), listed.at)

    def _ready(self, due: Sequence[Due], listed: Listed, now: datetime) -> list[Message]:
        """Leave out messages of events that changed, vanished, or were not listed."""
        waited = (int((now - row.message.next_at).total_seconds()) for row in due)
        self.run.report.oldest_due_s = max(self.run.report.oldest_due_s, *waited, 0)
        ready: list[Message] = []
        pending = listed.pending()
        for row in due:
            beyond = listed.until is not None and row.message.meeting_at > listed.until
            if row.missing or beyond:
                self.run.store.note(row.message, BEYOND if beyond else MISSING, now)
            if row.missing or beyond or row.event in pending:
                self.run.report.deferred += 1
            else:
                ready.append(row.message)
        return ready

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
                self._end(message, State.EXPIRED, SUPERSEDED, now)
            else:
                kept.append(message)
        return kept

    def _end(self, message: Message, state: State, reason: str, now: datetime) -> None:
        """Move a message that will not be sent, and tell; one that an operator has moved first is left to them."""
        with contextlib.suppress(Overtaken):
            self._told(str(state), self.run.store.move(message, state, reason, now))

    def _is_reminder(self, message: Message) -> bool:
        rule = self.run.settings.policy.rule(message.rule)
        return rule is not None and rule.on is Trigger.BEFORE_START

    def _held(self, due: Sequence[Message]) -> set[str] | None:
        """Hold messages whose template the gateway would not send, or would send with a hole; None = nothing can leave.

        This request also meets most faults of name, route and certificate before the first claim.
        """
        try:
            templates = {template.id: template for template in self.gateway.templates()}
        except RunHalted as error:
            self._halt(str(error))
            return None
        except (NotConnected, NoUsableAnswer) as error:
            # Not the end of all sending in this run: the next batch asks again.
            reason = f"EngageLab could not be asked for its templates: {error}"
            self.run.report.deferred += len(due)
            self.run.tell("limit.reached", limit="EngageLab", reason=reason, value=len(due))
            for message in due:
                self.run.store.note(message, reason, self.run.clock())
            return None
        held: set[str] = set()
        for message in due:
            if reason := why_held(templates.get(message.template), message):
                self.run.store.note(message, reason, self.run.clock())
                held.add(message.key)
                self.run.report.deferred += 1
                if reason not in self.rejected:
                    self.run.tell("template.rejected", template=message.template, rule=message.rule, reason=reason)
                self.rejected.add(reason)
        return held

    def _send_all(self, due: Sequence[Message], listed_at: datetime) -> None:
        limits = self.run.settings
        held: set[str] = set()
        for at, message in enumerate(due):
            now = self.run.clock()
            old = now - listed_at > limits.max_snapshot_age
            if self.attempted >= limits.messages_per_run:
                self._limit("messages_per_run", limits.messages_per_run)
            elif limits.messages_per_day and self.run.store.sent_since(now - DAY) >= limits.messages_per_day:
                self._limit("messages_per_day", limits.messages_per_day)
            if old:
                self.run.tell("limit.reached", limit="max_snapshot_age", value=int((now - listed_at).total_seconds()))
            if self.over or old or self.stopping():
                self.run.report.deferred += len(due) - at
                return
            if message.template in held:
                self.run.report.deferred += 1
            elif self._may_leave(message, now) and self._send(message, now):
                held.add(message.template)

    def _may_leave(self, message: Message, now: datetime) -> bool:
        """Look once more, at the very moment: in time, not too often, not at night."""
        if message.expires_at <= now:
            self._end(message, State.EXPIRED, "its time passed", now)
            return False
        cap = self.run.settings.policy.per_number_per_day
        # Against strangers who book in somebody else's name; a host's number comes from the operator.
        invitee = message.audience is Audience.INVITEE
        if invitee and self.run.store.sent_since(now - DAY, recipient=message.to) >= cap:
            self.run.tell("limit.reached", limit="per_number_per_day", value=cap, to=mask(message.to))
            self._end(message, State.SKIPPED, OVER_CAP, now)
            return False
        rule = self.run.settings.policy.rule(message.rule)
        if rule is None or not rule.quiet_hours or self.run.settings.policy.quiet_hours is None:
            return True
        at = quiet.send_at(
            now,
            expires=message.expires_at,
            meeting=message.meeting_at,
            zone=message.timezone,
            quiet=self.run.settings.policy.quiet_hours,
            now=now,
        )
        if at is None:
            self._end(message, State.EXPIRED, QUIET, now)
        elif at > now:
            self.run.report.deferred += 1
            with contextlib.suppress(Overtaken):
                self.run.store.move(replace(message, next_at=at), message.state, "quiet hours", now)
        return at is not None and at <= now

    def _send(self, message: Message, now: datetime) -> bool:
        """Claim, send, settle. Returns whether the answer holds all messages of this template."""
        if self.attempted:
            self.sleep(1 / self.run.settings.sends_per_second)
        try:
            claimed, outcome = self._exchange(message, now)
        except Overtaken:
            return False  # an operator's command came first
        self.attempted += 1
        answered = self.run.clock()
        settlement = self._settlement(claimed, outcome, answered)
        if settlement.message_id:
            # Before the commit: should that fail, this line lets a person `resolve --sent` what was left in `sending`.
            self.run.tell("message.sent", **_fields(claimed), provider_message_id=settlement.message_id)
            self.run.report.sent += 1
        settled = self.run.store.settle(claimed, settlement, answered)
        if not settlement.message_id:
            self._told(_SAID[settled.state], settled)
        if isinstance(outcome, Halt):
            self._halt(outcome.reason, message.key)
        elif isinstance(outcome, NotNow) and outcome.pauses_all:
            self.over = outcome.reason
            self.run.tell("limit.reached", limit="EngageLab's rate limit", reason=_code(outcome.reason))
        if not (isinstance(outcome, NotNow) and outcome.holds_template):
            return False
        reason = _code(outcome.reason)
        self.run.tell("template.rejected", template=message.template, rule=message.rule, reason=reason)
        return True

    def _exchange(self, message: Message, now: datetime) -> tuple[Message, Outcome]:
        """Build the request, commit the claim, and only then send."""
        try:
            prepared = self.gateway.prepare(message, instance=self.run.store.instance)
        except Unsendable as error:
            return self.run.store.claim(message, now), Refused(f"not sendable: {error}")
        claimed = self.run.store.claim(message, now)
        return claimed, self.gateway.send(prepared)

    def _settlement(self, claimed: Message, outcome: Outcome, now: datetime) -> Settlement:
        rule = self.run.settings.policy.rule(claimed.rule)
        return settle(
            outcome,
            now=now,
            attempts=claimed.attempts,
            refusals=claimed.refusals,
            on_unknown=OnUnknown.HOLD if rule is None else rule.on_unknown,
        )

    def _limit(self, name: str, value: int) -> None:
        self.over = f"limits.{name}"
        self.run.tell("limit.reached", limit=name, value=value)

    def _halt(self, reason: str, key: str = "") -> None:
        self.over = self.halted = _code(reason)
        remedy = f"syncer check; syncer explain '{key}'" if key else "syncer check"
        self.run.tell("gateway.halted", reason=self.halted, remedy=remedy)

    def _told(self, what: str, message: Message) -> None:
        self.run.report.count(what)
        say_message(self.run.tell, what, message)


_SAID = {
    State.RETRYABLE: "retry_scheduled",
    State.FAILED: "failed",
    State.UNKNOWN: "unknown",
}


def why_held(template: Template | None, message: Message) -> str:
    """Say why a message must wait for its template; empty = it need not."""
    if template is None:
        return f"template {message.template} does not exist at EngageLab"
    if reason := template.why_not_usable():
        return f"template {message.template}: {reason}"
    if holes := sorted(variables(template.content) - set(message.params)):
        # The gateway sends a variable without a value literally, braces and all, and calls it a success.
        return f"template {message.template} has {{{', '.join(holes)}}}, which rule {message.rule} does not fill"
    return ""


def _fields(message: Message) -> dict[str, object]:
    return {
        "key": message.key,
        "rule": message.rule,
        "booking": message.booking,
        "to": mask(message.to),
        "attempt": message.attempts,
    }


def _code(reason: str) -> str:
    """Take of a gateway's answer its code only: its words may repeat a name or the text. They are in the database."""
    return reason.partition(":")[0] if reason.startswith("EngageLab ") else reason


def say_message(tell: Tell, what: str, message: Message) -> None:
    """Write the log event of a message's move, with what to type where a person must act."""
    more: dict[str, object] = {"reason": _code(message.reason)} if message.reason else {}
    if what == "retry_scheduled":
        more["next_at"] = message.next_at.isoformat()
    if what == "planned":
        more["scheduled_at"] = message.scheduled_at.isoformat()
    if what == "unknown":
        more["remedy"] = f"syncer resolve '{message.key}' --sent or --not-sent"
    if what == "failed":
        more["remedy"] = f"syncer explain '{message.booking}'; then syncer retry '{message.key}'"
    tell(f"message.{what}", **_fields(message), **more)
