"""Texts that are due, and a gateway that refuses some of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.databases import birth
from syncer.births import coverages
from syncer.engagelab import decipher
from syncer.outbox import Accepted, Outcome
from syncer.reconcile import Todo
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from support.fake_clients import Sent
    from support.worker_on_fakes import WorkerOnFakes
    from syncer.model import Message, State


OVERDUE = decipher(400, {}, b'{"code": 3003, "message": "account overdue, please top up"}')


QUOTA = decipher(400, {}, b'{"code": 3001, "message": "quota exceeded"}')


def texts(
    stage: WorkerOnFakes, count: int, *, templates: tuple[str, ...] = ("1001", "1002"), first: int = 0
) -> list[Message]:
    """Let so many texts be due, of these templates in turn, each to its own number."""
    rules = {"1001": "confirmation", "1002": "cancellation", "1004": "follow-up"}
    made = []
    for number in range(first, first + count):
        template = templates[number % len(templates)]
        event = an_event(f"e{number}", start=NOW + timedelta(days=2, minutes=number))
        booking = a_booking(event, an_invitee(event, created_at=birth(stage.store) - timedelta(days=1)))
        fields = {"rule": rules[template], "template": template, "to": f"+1312555{number:04}"}
        message = a_message(booking, **fields)
        stage.store.commit(Batch([Reading(event, NOW)], [booking]), Todo((message,)), NOW)
        stage.calendly.put(event, booking.invitee)
        made.append(message)
    stage.store.meet_rules(coverages(stage.settings.policy, stage.settings.scope), NOW)
    stage.store.remember("policy", stage.settings.policy.fingerprint())
    return made


def answers(stage: WorkerOnFakes, outcome: Outcome, templates: tuple[str, ...] = ("1001", "1002", "1004")) -> None:
    """Let the gateway give this answer to texts of these templates, and take all others."""
    serial = iter(range(10**18, 2 * 10**18))

    def answer(message: Sent) -> Outcome:
        return outcome if message.template in templates else Accepted(str(next(serial)), "1")

    stage.gateway.policy = answer


def states(stage: WorkerOnFakes, messages: list[Message]) -> list[State]:
    """Their states now."""
    now = {message.key: message.state for message in stage.store.messages()}
    return [now[message.key] for message in messages]
