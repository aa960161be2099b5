"""Days of a busy office in minutes: people who book, cancel and move, both APIs failing, kills, a restored backup.

The code is the real one from the loop inwards, the database a real file; the clock is simulated, both APIs are fakes
that fail on order. What ought to be sent is written down by the script that makes people act, never by syncer.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from checker import Arrival, Due
from conftest import an_event, an_invitee
from stage import a_gateway

from syncer.errors import AccessRefused, CalendlyBusy, NotConnected, NoUsableAnswer, Unreadable
from syncer.model import State, utc_text
from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Outcome, Refused

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fakes import FakeCalendly

    from syncer.engagelab import Template
    from syncer.http import Prepared
    from syncer.model import Invitee, Message

START = datetime(2027, 3, 25, 18, 0, tzinfo=UTC)
"""Israel's summer time begins on Friday the 26th, Europe's on Sunday the 28th."""
ZONES = ("Asia/Jerusalem", "Europe/Berlin", "America/Chicago")
INTERVAL = timedelta(minutes=2)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SOON = 2 * HOUR
"""Before a cancellation: what was due since, and put off by faults, may still have waited when it came."""
FAULTY = 0.1
CANCELED, MOVED = 0.08, 0.12
"""Shares of bookings that are canceled, and (the difference) moved."""
TEXTED = frozenset({State.SENT, State.UNKNOWN})


class Killed(BaseException):
    """The end of the process."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person does at a moment."""

    at: datetime
    do: Callable[[], None]


class Script:
    """What people do, minute by minute, and what ought to be sent because of it.

    Attributes:
        due: by key.
        acts: oldest first.
        quiet: a span in which nobody cancels or moves: a booking that comes and goes in the hour that a restore makes
            undone leaves no trace, and nobody could tell the outbox of it.
    """

    def __init__(self, calendly: FakeCalendly, chance: random.Random, count: int, hours: int, quiet: datetime) -> None:
        self._calendly, self._chance, self._serial = calendly, chance, 0
        self.quiet = (quiet - HOUR, quiet + 2 * HOUR)
        self.due: dict[str, Due] = {}
        self.acts: list[Act] = []
        for _ in range(count):
            self._booking(START + timedelta(seconds=chance.randint(60, hours * 3600 - 60)))
        self.acts.sort(key=lambda act: act.at)

    def _booking(self, at: datetime, old: Invitee | None = None) -> None:
        """Somebody books, or moves an older booking here; later, some of them cancel or move."""
        self._serial += 1
        # An hour and a half to a day and a quarter; never so that a reminder is due within minutes of the booking.
        ahead = self._chance.choice([90, 300, 900, 1300, 1500, 1600, 1700, 1800]) + self._chance.randint(0, 60)
        start = (at + ahead * MINUTE).replace(second=0)
        number = old.text_reminder_number if old else f"+1312{5_000_000 + self._serial}"
        event = an_event(f"e{self._serial}", start=start)
        invitee = an_invitee(
            event,
            created_at=at,
            text_reminder_number=number,
            timezone=self._chance.choice(ZONES),
            old_invitee=old.uri if old else "",
        )
        self.acts.append(Act(at, lambda: void(self._calendly.put(event, invitee))))
        self._wants(invitee, start, "reschedule" if old else "confirmation", at, min(at + 6 * HOUR, start))
        gone = self._leaves(at, start) if old is None else None
        for rule, moment, life in (
            ("reminder-24h", start - 24 * HOUR, 2 * HOUR),
            ("reminder-1h", start - HOUR, HOUR),
            ("follow-up", event.end + HOUR / 2, 24 * HOUR),
        ):
            if moment > at and (gone is None or moment < gone):
                self._wants(invitee, start, rule, moment, moment + life, gone=gone)
        if gone is not None:
            self._go(invitee, start, gone)

    def _leaves(self, at: datetime, start: datetime) -> datetime | None:
        """Choose when this booking is canceled or moved, if it is: half an hour off each moment when a text is due."""
        if self._chance.random() > MOVED:
            return None
        moment = at + self._chance.random() * (start - at)
        near = (at, start, start - HOUR, start - 24 * HOUR)
        if self.quiet[0] < moment < self.quiet[1] or any(abs(moment - other) < HOUR / 2 for other in near):
            return None
        return moment.replace(microsecond=0)

    def _go(self, invitee: Invitee, start: datetime, gone: datetime) -> None:
        """Cancel a booking, or move it."""
        event = an_event(invitee.event.rpartition("/")[2], start=start, status="canceled", active=0)
        canceled = replace(invitee, status="canceled", canceled_at=gone, canceler_type="host")
        if self._chance.random() < CANCELED / MOVED:
            self.acts.append(Act(gone, lambda: void(self._calendly.put(event, canceled))))
            self._wants(invitee, start, "cancellation", gone, gone + 6 * HOUR)
            return
        moved = replace(canceled, rescheduled=True, new_invitee=f"{an_event(f'e{self._serial + 1}').uri}/invitees/i1")
        self.acts.append(Act(gone, lambda: void(self._calendly.put(event, moved))))
        self._booking(gone, old=moved)

    def _wants(
        self,
        invitee: Invitee,
        start: datetime,
        rule: str,
        at: datetime,
        expires: datetime,
        gone: datetime | None = None,
    ) -> None:
        at = at.replace(microsecond=0)
        ends = TEXTED | ({State.CANCELED} if gone is not None and gone - at < SOON else set())
        self.due[f"{invitee.uri}/{rule}/{utc_text(start)}"] = Due(
            to=invitee.text_reminder_number, at=at, expires=expires, ends=frozenset(ends)
        )


def void(_: object) -> None:
    """Want nothing of it."""


@dataclass
class Gateway:
    """A gateway that fails now and then, and that can kill the process; its ledger is a file, to keep memory still.

    Attributes:
        now: gives the time.
        ledger: the file.
        kill: called at four places of each send; may raise.
        refused: keys that it refused for good.
        ambiguous: sends after which nobody can know.
    """

    chance: random.Random
    now: Callable[[], datetime]
    ledger: Path
    kill: Callable[[], None] = lambda: None
    refused: set[str] = field(default_factory=set)
    ambiguous: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    _serial: int = 0
    _inner: Any = field(default_factory=a_gateway)

    def prepare(self, message: Message, *, instance: str = "") -> Prepared:
        """Build the request as the real one does."""
        prepared: Prepared = self._inner.prepare(message, instance=instance)
        return prepared

    def templates(self) -> tuple[Template, ...]:
        """All templates, most of the time."""
        if self.chance.random() < FAULTY / 4:
            self.faults["templates"] += 1
            raise NotConnected("no route")
        found: tuple[Template, ...] = self._inner.templates()
        return found

    def send(self, prepared: Prepared) -> Outcome:
        """Take a text, or not, and say so, or not."""
        self.kill()
        body = json.loads(prepared.content or b"")
        key = body["custom_args"]["key"]
        outcome, reached, accepted = self._verdict(key)
        if reached:
            self.note(key, body["to"][0], accepted=accepted, clear=not isinstance(outcome, NoAnswer))
            self.kill()
        self.ambiguous += isinstance(outcome, NoAnswer)
        return outcome

    def _verdict(self, key: str) -> tuple[Outcome, bool, bool]:
        """Choose an outcome, whether the body arrived, and whether a phone has the text."""
        self._serial += 1
        good: Outcome = Accepted(str(10**18 + self._serial), "1")
        if self.chance.random() > FAULTY:
            return good, True, True
        name = self.chance.choice(["unreached", "busy", "later", "silent", "cut", "broken", "refused", "halt"])
        self.faults[name] += 1
        match name:
            case "unreached":
                return NotNow("EngageLab not reached: refused", unreached=True), False, False
            case "busy":
                return NotNow("EngageLab 429", retry_after=timedelta(seconds=30), pauses_all=True), True, False
            case "later":
                return NotNow("EngageLab 5001: busy", tries=3), True, False
            case "silent":
                return NoAnswer("EngageLab gave no usable answer: read timeout"), False, False
            case "cut":
                return NoAnswer("EngageLab gave no usable answer: cut off"), True, True
            case "broken":
                return NoAnswer("EngageLab HTTP 500"), True, self.chance.random() < 0.5
            case "refused":
                self.refused.add(key)
                return Refused("EngageLab 3002: no such number"), True, False
            case _:
                return Halt("EngageLab 2002: out of credit"), True, False

    def note(self, key: str, to: str, *, accepted: bool, clear: bool) -> None:
        """Write an arrival down."""
        with self.ledger.open("a", encoding="utf-8") as file:
            row = {"key": key, "to": to, "accepted": accepted, "clear": clear, "at": self.now().isoformat()}
            file.write(json.dumps(row) + "\n")

    def arrivals(self) -> list[Arrival]:
        """Read the ledger."""
        if not self.ledger.exists():
            return []
        rows = map(json.loads, self.ledger.read_text(encoding="utf-8").splitlines())
        return [Arrival(template="", params={}, **(row | {"at": datetime.fromisoformat(row["at"])})) for row in rows]


def trouble(calendly: FakeCalendly, chance: random.Random) -> str:
    """Let Calendly fail in the next run, now and then; returns how."""
    if chance.random() > FAULTY:
        return ""
    method = chance.choice(["events", "events", "invitees"])
    error = chance.choice(
        [
            NotConnected("no route"),
            NoUsableAnswer("cut off"),
            Unreadable("no JSON"),
            CalendlyBusy("Calendly 503", status=503),
            AccessRefused("Calendly 403", status=403),
        ]
    )
    calendly.fail(method, error)
    return f"{method} {type(error).__name__}"


def lateness(arrivals: Sequence[Arrival], due: dict[str, Due]) -> list[float]:
    """Seconds between due and the first arrival, for each that arrived, shortest first."""
    first: dict[str, datetime] = {}
    for arrival in arrivals:
        if arrival.accepted:
            first.setdefault(arrival.key, arrival.at)
    return sorted((at - due[key].at).total_seconds() for key, at in first.items() if key in due)
