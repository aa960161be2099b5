"""Ways to break the send step, and the stories that show each of them. A story is told of the sound build, too."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from support.fake_apis import LIFE, RULE, TEMPLATE, Order, in_json, letters, now
from support.oracle.history import Due
from support.variants import Change
from syncer.errors import GuardRefused
from syncer.http import Answer
from syncer.model import State, utc_text
from syncer.sandbox.shapes import question, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fake_apis import Installation
    from support.oracle.history import Verdict

A_WHILE = 30.0
"""Seconds after which two that should meet have missed each other."""
A_SECOND = 1.1
"""Seconds after which what happens is surely later than the last run, to the second."""
DAY = timedelta(days=1)
CANCELED = """
[[rule]]
name = "canceled"
on = "canceled"
template = "1001"
params = { name = "{name}" }
to_canceler = true
"""
OVER = """
[[rule]]
name = "over"
on = "after_end"
offset = "0m"
template = "1001"
params = { name = "{name}" }
"""
REMINDER = """
[[rule]]
name = "reminder"
on = "before_start"
offset = "1h"
late = "send"
template = "1001"
params = { name = "in {offset}" }
"""
QUIET = """
[quiet_hours]
from = "{begin:%H:%M}"
to = "{end:%H:%M}"
"""
EMERGENCY = "Emergency contact phone"
SENDING = "syncer/sending.py"
ENGAGELAB = "syncer/engagelab.py"
MESSAGES = "syncer/store/messages.py"
SHAPES = "syncer/calendly_shapes.py"


# The stories. Each begins with a database and nothing booked, one text in flight at a time.


def crash(installation: Installation) -> Verdict:
    """The program is killed while it waits for the answer to the first of three texts."""
    installation.book(3)
    installation.die_waiting()
    return afterwards(installation, ambiguous=1)


def ordered(*orders: Order, ambiguous: int) -> Callable[[Installation], Verdict]:
    """Make a story in which the gateway answers the first texts as ordered."""

    def story(installation: Installation) -> Verdict:
        installation.book(3)
        installation.provider.orders.extend(orders)
        installation.run("run", "--once").check(0)
        return afterwards(installation, ambiguous=ambiguous)

    return story


def side_by_side(installation: Installation) -> Verdict:
    """Two runs without a lock know of the same three texts before either of them claims one."""

    def refuse() -> None:
        raise ConnectionAbortedError

    # Planned beforehand: two that plan at once would stop each other there.
    installation.book(3)
    installation.provider.on_templates = refuse
    installation.run("run", "--once").check(0)
    meeting = threading.Barrier(2, timeout=A_WHILE)
    installation.provider.on_templates = meeting.wait  # type: ignore[assignment]  # what it returns matters to nobody
    installation.provider.latency = lambda: 0.2
    both = [installation.start("run", "--once") for _ in range(2)]
    for process in both:
        process.wait()
    installation.provider.on_templates = lambda: None
    return afterwards(installation, ambiguous=0)


def a_second_one(installation: Installation) -> Verdict:
    """Another run starts while the first one waits for an answer, which comes."""
    installation.book(1)
    installation.provider.latency = lambda: 1.5
    first = installation.start("run", "--once")
    installation.provider.wait_for(1, wanted=lambda: first.poll() is None)
    installation.run("run", "--once")
    first.wait()
    installation.provider.latency = lambda: 0.0
    return afterwards(installation, ambiguous=0)


def long_outage(installation: Installation) -> Verdict:
    """A confirmation is put off, and the machine is off until its six hours are over."""
    installation.book(1)
    installation.provider.orders.append(REFUSED_FOR_NOW)
    installation.run("run", "--once").check(0)
    hours = timedelta(hours=7)
    with contextlib.closing(sqlite3.connect(installation.db)) as db, db:
        for column in ("scheduled_at", "next_at", "expires_at"):
            db.execute(f"UPDATE messages SET {column} = strftime('%Y-%m-%dT%H:%M:%SZ', {column}, '-7 hours')")  # noqa: S608
        db.execute("UPDATE meta SET value = '' WHERE name = 'paused_until'")
    installation.due = {
        key: replace(due, at=due.at - hours, expires=due.expires - hours, ends=frozenset({State.EXPIRED}))
        for key, due in installation.due.items()
    }
    installation.provider.ledger.clear()  # that one was refused, within its life
    installation.restart()
    return installation.judge(0)


def a_changed_place(installation: Installation) -> Verdict:
    """An event is read again because its place changed: the same texts are wanted, and they are out."""
    installation.book(1)
    installation.run("run", "--once").check(0)
    [event] = installation.world.events
    installation.world.set_location(event, {"type": "physical", "location": "Pier 4"})
    return afterwards(installation, ambiguous=0)


def many_are_canceled(installation: Installation) -> Verdict:
    """A host cancels twelve of sixteen meetings, and somebody books: that one is told in the next run."""
    add_rules(installation, CANCELED)
    installation.book(16)
    installation.run("run", "--once").check(0)
    told = list(installation.due)
    time.sleep(A_SECOND)
    for key in told[:12]:
        invitee = key.removesuffix(f"/{RULE}/{key.rpartition('/')[2]}")
        at = now().replace(microsecond=0)
        installation.world.cancel(invitee, by="host")
        canceled = f"{invitee}/canceled/{key.rpartition('/')[2]}"
        installation.due[canceled] = replace(installation.due[key], at=at, expires=at + LIFE)
    installation.book(1)
    for _ in range(2):
        installation.run("run", "--once").check(0, GuardRefused.exit_code)
    in_time(installation, next(key for key in reversed(installation.due) if f"/{RULE}/" in key))
    installation.run("run", "--once", "--force").check(0)
    return installation.judge(0)


def a_backlog(installation: Installation) -> Verdict:
    """Six meetings are over, one is ahead; all their texts are planned, and three may leave in a run."""
    add_rules(installation, OVER, "messages_per_run = 100000", "messages_per_run = 3")
    installation.be_born()  # once more, for the new rule

    def refuse() -> None:
        raise ConnectionAbortedError

    start = (now() - timedelta(minutes=30, seconds=5)).replace(microsecond=0)
    for number in range(6):
        name, to = f"Over {letters(number)}", f"+1313{2_000_000 + number}"
        invitee = installation.world.book(start=start, name=name, phone=to)
        end = start + timedelta(minutes=30)
        due = Due(to=to, at=end, expires=end + timedelta(hours=24), template=TEMPLATE, params={"name": name})
        installation.due[f"{invitee}/over/{utc_text(start)}"] = due
    installation.book(1)
    installation.provider.on_templates = refuse
    installation.run("run", "--once").check(0)
    installation.provider.on_templates = lambda: None
    installation.run("run", "--once").check(0)
    in_time(installation, next(reversed(installation.due)))
    return afterwards(installation, ambiguous=0)


def a_move(installation: Installation) -> Verdict:
    """A host moves a meeting: its guest is told of the new time, and of nothing else."""
    add_rules(installation, CANCELED)
    installation.book(1)
    installation.run("run", "--once").check(0)
    [(key, old)] = installation.due.items()
    time.sleep(A_SECOND)
    invitee, start = key.removesuffix(f"/{RULE}/{key.rpartition('/')[2]}"), now().replace(microsecond=0) + 9 * DAY
    at = now().replace(microsecond=0)
    new = installation.world.move(invitee, start, by="host")
    installation.due[f"{new}/{RULE}/{utc_text(start)}"] = replace(old, at=at, expires=at + LIFE)
    return afterwards(installation, ambiguous=0)


def an_emergency_contact(installation: Installation) -> Verdict:
    """Two guests are asked whom to call in an emergency, by a question for a number; one tells their own, too."""
    start = (now() + 3 * DAY).replace(microsecond=0)
    own, stranger, at = "+13122000001", "+13123000000", now()
    installation.world.book(start=start, name="Ines A", answers=[(EMERGENCY, stranger)])
    invitee = installation.world.book(
        start=start, name="Ines B", answers=[(EMERGENCY, stranger), ("Mobile number", own)]
    )
    for kind in installation.world.event_types.values():
        kind["custom_questions"].insert(0, question(EMERGENCY, 0, "phone_number", required=True))
    installation.due[f"{invitee}/{RULE}/{utc_text(start)}"] = Due(
        to=own, at=at, expires=at.replace(microsecond=0) + LIFE, template=TEMPLATE, params={"name": "Ines B"}
    )
    return afterwards(installation, ambiguous=0)


def a_distance_that_shrinks(installation: Installation) -> Verdict:
    """A reminder is planned when twelve minutes are left, and leaves seconds later, when eleven are."""
    add_rules(installation, REMINDER)
    installation.be_born()  # once more, for the new rule
    at = now()
    twelve = (at + timedelta(seconds=4)).replace(microsecond=0)
    start = twelve + timedelta(minutes=12)
    installation.provider.on_templates = lambda: time.sleep(max(0.0, (twelve - now()).total_seconds() + 0.5))
    invitee = installation.world.book(start=start, name="Ines A", phone="+13122000001")
    for rule, words in (RULE, "Ines A"), ("reminder", "in 11 minutes"):
        installation.due[f"{invitee}/{rule}/{utc_text(start)}"] = Due(
            to="+13122000001", at=at, expires=start, template=TEMPLATE, params={"name": words}
        )
    return afterwards(installation, ambiguous=0)


def a_late_run_before_a_night(installation: Installation) -> Verdict:
    """A reminder was to leave in the hour before quiet hours; the run comes seconds after they began."""
    begin = now().replace(second=0, microsecond=0)
    start, booked = begin + timedelta(hours=7, minutes=30), begin - timedelta(minutes=30)
    night = QUIET.format(begin=begin, end=begin + timedelta(hours=8))
    add_rules(installation, REMINDER.replace("in {offset}", "{name}") + night)
    installation.be_born()  # once more, for the new rule
    invitee = installation.world.book(start=start, name="Ines A", phone="+13122000001", timezone="UTC")
    installation.world.invitees[invitee]["created_at"] = stamp(booked)  # before birth: no confirmation is due
    installation.due[f"{invitee}/reminder/{utc_text(start)}"] = Due(
        to="+13122000001",
        at=booked,
        expires=begin + timedelta(minutes=15),
        template=TEMPLATE,
        params={"name": "Ines A"},
    )
    return afterwards(installation, ambiguous=0)


def add_rules(installation: Installation, rules: str, old: str = "", new: str = "") -> None:
    """Add rules to the settings, and put one line in the place of another; cancellations are believed at once."""
    file = installation.folder / "syncer.toml"
    settings = file.read_text(encoding="utf-8").replace(old, new) if old else file.read_text(encoding="utf-8")
    file.write_text(f'settle = "0s"\n{settings}{rules}', encoding="utf-8")


def in_time(installation: Installation, key: str) -> None:
    """Note that a text must have left by now."""
    installation.due[key] = replace(installation.due[key], expires=now())


def afterwards(installation: Installation, *, ambiguous: int) -> Verdict:
    """Run twice with nothing in the way, let all delays pass, and run twice more."""
    installation.restart()
    if installation.let_time_pass():
        installation.restart()
    return installation.judge(ambiguous)


REFUSED = Order(Answer(400, {}, b'{"code": 3002, "message": "no such number"}'), accepted=False)
REFUSED_FOR_NOW = Order(Answer(400, {}, b'{"code": 5001, "message": "later"}'), accepted=False)
CUT_OFF = Order(None, clear=False)
BROKEN = Order(Answer(500, {}, b"oops"), clear=False)
WITHOUT_ID = Order(in_json({"total_count": 1, "accepted_count": 1}), clear=False)
GOOD: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Saboteur:
    """One of them.

    Attributes:
        what: what it does.
        story: the story that shows it.
        caught: the class of the checker's verdict.
        changes: the build.
        beside: what the sound build of the same story is changed by: nothing, or no lock.
    """

    what: str
    story: Callable[[Installation], Verdict]
    caught: str
    changes: tuple[Change, ...]
    beside: tuple[Change, ...] = ()


def failed_is_fine(installation: Installation) -> Verdict:
    """The gateway refuses the first text for good."""
    installation.book(3)
    installation.provider.orders.append(REFUSED)
    installation.run("run", "--once").check(0)
    refused = installation.provider.ledger[0].key
    installation.due[refused] = replace(installation.due[refused], ends=frozenset({State.FAILED}))
    return afterwards(installation, ambiguous=0)


NO_LOCK = Change("syncer/store/lock.py", "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass")
NO_COMPARE_AND_SET = (
    Change(MESSAGES, "WHERE key = ? AND state = ? AND attempts = ?", "WHERE key = ? AND ? != '' AND ? >= 0"),
)
CLAIM = "        claimed = self._commit([message for message in wave if message.key in prepared], now)\n"
COUNT = "            self.course.attempted += 1\n"
BEGIN = "            self.flights.begin(message, partial(self.gateway.send, prepared[message.key]))\n"
SABOTEURS = [
    Saboteur(
        "1 sends before the claim",
        crash,
        "duplicates",
        (
            Change(
                SENDING,
                CLAIM,
                "        outcomes = {key: self.gateway.send(request) for key, request in prepared.items()}\n" + CLAIM,
            ),
            Change(SENDING, BEGIN, "            self.flights.begin(message, partial(outcomes.get, message.key))\n"),
        ),
    ),
    Saboteur(
        "2 commits the result before the text leaves",
        failed_is_fine,
        "false_sent",
        (
            Change(
                SENDING,
                COUNT,
                COUNT
                + '            self.run.store.settle(message, Settlement(State.SENT, message_id="it will be"), now)\n',
            ),
        ),
    ),
    Saboteur(
        "3 schedules again what a crash left in sending",
        crash,
        "duplicates",
        (
            Change(
                SENDING,
                '            NoAnswer("", Reason.INTERRUPTED),',
                '            NotNow("interrupted"),',
            ),
        ),
    ),
    Saboteur(
        "4 tries again after a reset",
        ordered(CUT_OFF, ambiguous=1),
        "duplicates",
        (
            Change(
                ENGAGELAB,
                'return NoAnswer(f"EngageLab gave no usable answer: {error}")',
                'return NotNow(f"EngageLab gave no usable answer: {error}")',
            ),
        ),
    ),
    Saboteur(
        "5 claims without compare-and-set",
        side_by_side,
        "duplicates",
        (NO_LOCK, *NO_COMPARE_AND_SET),
        beside=(NO_LOCK,),
    ),
    Saboteur(
        "7 tries again after a 500",
        ordered(BROKEN, ambiguous=1),
        "duplicates",
        (
            Change(
                ENGAGELAB,
                "a time-out on their side, 5xx, …\n        return NoAnswer(detail)",
                "a time-out on their side, 5xx, …\n        return NotNow(detail)",
            ),
        ),
    ),
    Saboteur(
        "8 takes a 200 without an id for sent",
        ordered(WITHOUT_ID, ambiguous=1),
        "false_sent",
        (
            Change(ENGAGELAB, "if count == 1 and message_id:", "if count == 1:"),
            Change(ENGAGELAB, "return Accepted(message_id, plan_id)", 'return Accepted(message_id or "none", plan_id)'),
        ),
    ),
    Saboteur("9 takes no lock", a_second_one, "unknown", (NO_LOCK,)),
    Saboteur(
        "10 calls everything unknown",
        ordered(*GOOD, ambiguous=0),
        "unknown",
        (
            Change(
                "syncer/outbox.py",
                "        case Accepted():\n",
                "        case Accepted():\n            return Settlement(State.UNKNOWN, Reason.NO_ANSWER)\n",
            ),
        ),
    ),
    Saboteur(
        "11 sends what has expired",
        long_outage,
        "unexpected",
        (
            Change("syncer/delivery.py", "for message in self.run.store.expire(now):", "for message in ():"),
            Change(MESSAGES, "m.next_at <= :now AND +m.expires_at > :now", "m.next_at <= :now"),
            Change("syncer/delivery.py", "if message.expires_at <= now:", "if False:"),
        ),
    ),
    Saboteur(
        "12 has a moment that moves by itself in the key",
        a_changed_place,
        "unexpected",
        (
            Change(
                "syncer/plan.py",
                "    start = utc_text(booking.event.start)\n    times = ",
                "    start = str(booking.read_at.timestamp())\n    times = ",
            ),
        ),
    ),
    Saboteur(
        "13 has a guard that stops all",
        many_are_canceled,
        "unexpected",
        (
            Change(
                "syncer/cancellation_guard.py",
                "        held = self.run.store.hold(messages, Reason.HELD_BY_GUARD, now, told)\n",
                "        from syncer.errors import GuardRefused\n        raise GuardRefused(told, REMEDY)\n",
            ),
        ),
    ),
    Saboteur(
        "14 lets meetings ahead starve",
        a_backlog,
        "unexpected",
        (
            Change(
                MESSAGES,
                "m.meeting_at <= :now, CASE WHEN m.meeting_at > :now THEN m.meeting_at ELSE m.expires_at END,",
                "m.meeting_at,",
            ),
        ),
    ),
    Saboteur(
        "15 tells a move as a cancellation",
        a_move,
        "unexpected",
        (
            Change(SHAPES, "rescheduled=bool(found.rescheduled)", "rescheduled=False"),
            Change(SHAPES, 'old_invitee=(found.old_invitee or "").strip()', 'old_invitee=""'),
            Change(SHAPES, 'new_invitee=(found.new_invitee or "").strip()', 'new_invitee=""'),
            Change("syncer/moves.py", "for *_, old_uri, new_uri in pairs:", "for *_, old_uri, new_uri in ():"),
        ),
    ),
    Saboteur(
        "16 texts an emergency contact",
        an_emergency_contact,
        "unexpected",
        (
            Change(
                "syncer/guest_number.py",
                "    if questions.is_about_somebody_else(one.question):\n        return False\n",
                "",
            ),
        ),
    ),
    Saboteur(
        "17 says how far the meeting was when the text was planned",
        a_distance_that_shrinks,
        "unexpected",
        (
            Change(
                SENDING,
                "wording.at_leaving(message, rules[message.rule], bookings.get(message.booking), now, policy)",
                "message.params",
            ),
        ),
    ),
    Saboteur(
        "18 decides at delivery once more when a text leaves",
        a_late_run_before_a_night,
        "losses",
        (
            Change(
                "syncer/delivery.py",
                "at = quiet.leaves_at(message, now, policy)",
                "at = quiet.next_allowed(now, message.timezone, policy.quiet_hours)",
            ),
        ),
    ),
]
