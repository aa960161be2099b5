"""A worker on fakes and a real database, with a clock set by hand and the log kept as a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.databases import birth
from support.fake_clients import FakeCalendly, FakeGateway, InlineExecutor
from syncer.births import coverages
from syncer.engagelab import Template
from syncer.log import EVENTS
from syncer.reconcile import Todo
from syncer.store import Batch, Reading
from syncer.worker import ONCE, Worker

if TYPE_CHECKING:
    from datetime import datetime

    from syncer.config import Settings
    from syncer.diff import Known
    from syncer.model import Message, State
    from syncer.run import Options, Run
    from syncer.store import Store

CONTENTS = {
    "1001": "Hello {{name}}, confirmed: {{time}}",
    "1002": "Hello {{name}}, canceled",
    "1003": "Hello {{name}}, in {{advance}}: {{time}}",
    "1004": "Hello {{name}}, thank you",
    "1005": "New: {{name}}, {{time}}",
    "1006": "Hello {{name}}, moved: {{time}}",
}


def a_gateway() -> FakeGateway:
    """Make a gateway that has the tutorial's templates."""
    return FakeGateway.of(*(Template(id=i, content=c, status=2) for i, c in CONTENTS.items()))


@dataclass
class WorkerOnFakes:
    """Everything a run needs.

    Attributes:
        now: the time; the worker's clock reads it, and `step` moves it on at each reading.
        log: the events told, whole.
        slept: how long the worker waited, in seconds.
        ticked: seconds by which the clock that nobody sets is ahead of `now`.
        jumped: by how much somebody has set the clock `now`, which the other one does not heed.
    """

    settings: Settings
    store: Store
    calendly: FakeCalendly = field(default_factory=FakeCalendly)
    gateway: FakeGateway = field(default_factory=a_gateway)
    now: datetime = NOW
    log: list[dict[str, Any]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    ticked: float = 0.0
    jumped: timedelta = timedelta()

    def tell(self, event: str, /, **fields: object) -> None:
        """Keep an event; one that the contract does not know is a defect."""
        assert event in EVENTS
        self.log.append({"event": event, **fields})

    def ticks(self) -> float:
        """Seconds of the clock that nobody sets: it goes with `now`, and on while the worker waits."""
        return (self.now - self.jumped - NOW).total_seconds() + self.ticked

    def jump(self, by: timedelta) -> None:
        """Set the clock."""
        self.now += by
        self.jumped += by

    def worker(self) -> Worker:
        """A worker as a new process would make it."""
        made = Worker(
            settings=self.settings,
            store=self.store,
            calendly=self.calendly,
            gateway=self.gateway,
            clock=lambda: self.now,
            ticks=self.ticks,
            executor=InlineExecutor,
            tell=self.tell,
        )

        def wait(timeout: float | None = None) -> bool:
            self.slept.append(timeout or 0)
            self.ticked += timeout or 0
            return made.stop.is_set()

        made.stop.wait = wait  # type: ignore[method-assign]  # nobody waits in a test
        return made

    def run(self, options: Options = ONCE) -> Run:
        """Do one run with a log of its own."""
        self.log.clear()
        return self.worker().run_once(options)

    def told(self, event: str) -> list[dict[str, Any]]:
        """The events of this name in the last run, without it."""
        return [{k: v for k, v in one.items() if k != "event"} for one in self.log if one["event"] == event]


def known_in(store: Store) -> dict[str, Known]:
    """Everything the snapshot has."""
    return store.known([row["uri"] for row in store.db.query("SELECT uri FROM events")])


def wait_for(stage: WorkerOnFakes, *overs: dict[str, Any]) -> list[Message]:
    """Put a booking a message into Calendly and the snapshot, and the message into the outbox."""
    made = []
    for number, over in enumerate(overs):
        fields = dict(over)
        event = an_event(f"e{number}", start=fields.pop("start", NOW + timedelta(days=2, minutes=number)))
        booking = a_booking(event, an_invitee(event, created_at=birth(stage.store) - timedelta(days=1)))
        message = a_message(booking, **({"to": f"+131255501{number + 10}"} | fields))
        stage.store.commit(Batch([Reading(event, NOW)], [booking]), Todo((message,)), NOW)
        stage.calendly.put(event, booking.invitee)
        made.append(message)
    stage.store.meet_rules(coverages(stage.settings.policy, stage.settings.scope), NOW)
    stage.store.remember("policy", stage.settings.policy.fingerprint())
    return made


def states(stage: WorkerOnFakes, messages: list[Message]) -> list[State]:
    """The states of these messages, in their order."""
    found = {message.key: message.state for message in stage.store.messages(keys=[m.key for m in messages])}
    return [found[message.key] for message in messages]
