"""The one checker that judges every history: what was due, what reached the gateway, what the outbox says in the end.

Pure. The truth about what was due comes from the test that booked it, never from syncer. The outbox is read after the
last run: each run was clean by then, and no process is at work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncer.model import SETTLED, WAITING, State

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from syncer.model import Message

SENT_OR_UNKNOWN = frozenset({State.SENT, State.UNKNOWN})
"""How a message may end in a world that gives no other reason."""
MAY_HAVE_LEFT = SENT_OR_UNKNOWN | {State.SENDING}
"""What the outbox must say of a text that the gateway took, or may have taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One message that ought to be sent: the truth.

    Attributes:
        at: from when on.
        expires: until when.
        template: None = any.
        params: None = any.
        ends: states in which it may end in this world, or in which it has no need to arrive.
    """

    to: str
    at: datetime
    expires: datetime
    template: str | None = None
    params: Mapping[str, str] | None = None
    ends: frozenset[State] = SENT_OR_UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One complete request body at the gateway.

    Attributes:
        accepted: whether the gateway took it, whatever it said.
        clear: whether its answer said surely what became of it.
        at: when the body was complete.
    """

    key: str
    to: str
    template: str
    params: Mapping[str, str]
    accepted: bool
    clear: bool
    at: datetime

    @property
    def may_have_left(self) -> bool:
        """Whether a careful sender must take it for sent."""
        return self.accepted or not self.clear


@dataclass(slots=True)
class Verdict:
    """What is wrong, by class; each entry is one sentence.

    Attributes:
        duplicates: a key arrived again after it may have left.
        losses: due, its life is over, and it neither arrived nor ended in a state that says why.
        false_sent: `sent`, and the gateway did not say so.
        ghosts: it arrived, and the outbox knows nothing of it or says that it did not leave.
        unexpected: what arrived was not due, or not so, or not then.
        stuck: in `sending`, or waiting after its life.
        unknown_arrived: in `unknown`, and it did leave.
        unknown_not: in `unknown`, and it did not.
        ambiguous: how many may be in `unknown`: as many as something happened to that makes it so.
    """

    ambiguous: int = 0
    due: int = 0
    sent: int = 0
    duplicates: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    false_sent: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    unknown_arrived: int = 0
    unknown_not: int = 0

    @property
    def unknown(self) -> int:
        """How many are in `unknown`."""
        return self.unknown_arrived + self.unknown_not

    def faults(self) -> dict[str, list[str]]:
        """Everything that is wrong, by class; empty = nothing is."""
        classes = ("duplicates", "losses", "false_sent", "ghosts", "unexpected", "stuck")
        found: dict[str, list[str]] = {name: getattr(self, name) for name in classes}
        if self.unknown > self.ambiguous:
            found["unknown"] = [f"{self.unknown} messages are unknown, and at most {self.ambiguous} may be"]
        return {name: entries for name, entries in found.items() if entries}

    def check(self, history: str = "") -> None:
        """Fail with everything that is wrong.

        Args:
            history: what to repeat the failure with.

        Raises:
            AssertionError: something is.
        """
        if faults := self.faults():
            lines = [f"{name}: {entry}" for name, entries in faults.items() for entry in entries[:10]]
            raise AssertionError("\n".join([*([history] if history else []), *lines]))

    def counts(self) -> dict[str, int]:
        """The figures."""
        return {
            "due": self.due,
            "sent": self.sent,
            "duplicates": len(self.duplicates),
            "losses": len(self.losses),
            "false_sent": len(self.false_sent),
            "ghosts": len(self.ghosts),
            "unexpected": len(self.unexpected),
            "stuck": len(self.stuck),
            "unknown_arrived": self.unknown_arrived,
            "unknown_not": self.unknown_not,
        }


def judge(
    *,
    due: Mapping[str, Due],
    arrivals: Sequence[Arrival],
    outbox: Sequence[Message],
    ambiguous: int,
    now: datetime,
    retried: Collection[str] = (),
) -> Verdict:
    """Judge a whole history.

    Args:
        due: everything that ought to be sent, by key.
        arrivals: the gateway's ledger, oldest first.
        outbox: all rows, at the end.
        ambiguous: how many messages may be unknown: kills and unclear answers, each times what it can hit at once.
        now: whose life is over by then must have ended.
        retried: keys that a person sent again, each as often: what arrives after it and their state prove nothing.
    """
    verdict = Verdict(ambiguous=ambiguous, due=len(due))
    arrived: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        arrived[arrival.key].append(arrival)
        verdict.unexpected += _unlike(arrival, due.get(arrival.key))
    rows, again = {message.key: message for message in outbox}, Counter(retried)
    for key, times in arrived.items():
        left = [sum(earlier.may_have_left for earlier in times[:at]) for at in range(len(times))]
        if max(left) > again[key]:
            verdict.duplicates.append(f"{key} arrived {len(times)} times")
        verdict.ghosts += _ghost(key, rows.get(key), times) if key not in retried else []
    for key, message in rows.items():
        _look(verdict, message, arrived[key], now, told_so=key in retried)
    for key, wanted in due.items():
        verdict.losses += _lost(key, wanted, rows.get(key), arrived[key], now)
    return verdict


def _unlike(arrival: Arrival, due: Due | None) -> list[str]:
    """Compare what arrived with what was due."""
    if due is None:
        return [f"{arrival.key} was not due at all"]
    told = []
    if arrival.to != due.to:
        told.append(f"{arrival.key} went to {arrival.to}, not to {due.to}")
    if due.template not in {None, arrival.template} or due.params not in (None, arrival.params):
        told.append(f"{arrival.key} has another text: {arrival.template} {dict(arrival.params)}")
    if not due.at <= arrival.at < due.expires:
        told.append(f"{arrival.key} came at {arrival.at}, outside of {due.at} to {due.expires}")
    return told


def _ghost(key: str, row: Message | None, times: Sequence[Arrival]) -> list[str]:
    """Look whether the outbox knows that this may have left."""
    if row is None:
        return [f"{key} arrived, and the outbox does not know it"]
    if row.state not in MAY_HAVE_LEFT and any(arrival.may_have_left for arrival in times):
        return [f"{key} arrived, and the outbox says {row.state} ({row.reason})"]
    return []


def _look(verdict: Verdict, message: Message, times: Sequence[Arrival], now: datetime, *, told_so: bool) -> None:
    """Look at one row."""
    accepted = any(arrival.accepted for arrival in times)
    if message.state is State.SENT:
        verdict.sent += 1
        if not told_so and not any(arrival.accepted and arrival.clear for arrival in times):
            verdict.false_sent.append(f"{message.key} is sent, and the gateway never said so")
    elif message.state is State.UNKNOWN:
        verdict.unknown_arrived += accepted
        verdict.unknown_not += not accepted
    elif message.state is State.SENDING:
        verdict.stuck.append(f"{message.key} is sending, and nobody sends it")
    elif message.state in WAITING and message.expires_at <= now:
        verdict.stuck.append(f"{message.key} is {message.state} since {message.expires_at} ({message.reason})")


def _lost(key: str, due: Due, row: Message | None, times: Sequence[Arrival], now: datetime) -> list[str]:
    """Look whether one that was due is lost without a word, or ended in a way that nothing in its world explains."""
    if row is None:
        return [f"{key} was due, and the outbox does not know it"] if due.expires <= now else []
    if row.state in SETTLED and row.state not in due.ends:
        return [f"{key} was due and is {row.state} ({row.reason})"]
    if row.state not in SETTLED and due.expires <= now and not any(arrival.accepted for arrival in times):
        return [f"{key} was due, did not arrive, and is {row.state}"]
    return []
