"""Work is bounded by what happens, not by what ever happened: counted in SQLite's steps and plans, never in seconds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.aging import age
from support.builders import NOW, an_event, an_invitee
from support.databases import a_store
from support.worker_on_fakes import WorkerOnFakes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncer.store import Store

DAY = timedelta(days=1)
GROWING = ("messages", "history", "events", "bookings", "changes", "forgotten", "pruned_messages")
"""Tables that grow with the age of an account."""
PARTIAL = {"SCAN messages USING INDEX messages_sending", "SCAN b USING INDEX bookings_with_person"}
"""Scans of partial indices, which hold no past: what is in flight, and who was not erased yet."""
NUMBERS = "'+1312' || (1000000 + i)"
STEPS_AT_A_TIME = 100
TOML = """
[limits]
messages_per_day = 100000
per_number_per_day = 100
per_prefix_per_hour = 1000
[retention]
after = "30d"
keep_history = "3650d"
"""


class Counting:
    """Counts the steps of SQLite's machine, and keeps the statements."""

    def __init__(self, store: Store) -> None:
        self.steps = 0
        self.statements: Counter[str] = Counter()
        store.db.conn.set_progress_handler(self._step, STEPS_AT_A_TIME)
        store.db.conn.set_trace_callback(self._trace)

    def _step(self) -> int:
        self.steps += STEPS_AT_A_TIME
        return 0

    def _trace(self, sql: str) -> None:
        self.statements[sql] += 1

    def stop(self, store: Store) -> None:
        """Count no more."""
        store.db.conn.set_progress_handler(None, 0)
        store.db.conn.set_trace_callback(None)


def a_day(settings: Callable[..., Any], store: Store) -> WorkerOnFakes:
    """Do what an office does: something is booked, texted, moved, canceled."""
    stage = WorkerOnFakes(settings(TOML, {"HOST_PHONE": "+13125550177"}), store)
    events = [an_event(f"e{number}", start=NOW + timedelta(hours=23, minutes=number)) for number in range(3)]
    for number, event in enumerate(events):
        guest = an_invitee(event, text_reminder_number=f"+131255501{number + 10}", created_at=NOW)
        stage.calendly.put(event, guest)
    stage.run()
    stage.now += timedelta(minutes=1)
    moved = replace(events[0], start=events[0].start + DAY, end=events[0].end + DAY)
    stage.calendly.put(moved, an_invitee(moved, text_reminder_number="+13125550110", created_at=NOW))
    canceled = replace(events[1], status="canceled", active=0)
    guest = an_invitee(
        canceled, status="canceled", canceled_at=NOW, created_at=NOW, text_reminder_number="+13125550111"
    )
    stage.calendly.put(canceled, guest)
    stage.run()
    stage.now += timedelta(hours=2)
    stage.run()
    return stage


def plans(store: Store, statements: Counter[str]) -> Iterator[tuple[str, str]]:
    """Ask SQLite how it does each statement: statement, line of the plan."""
    for sql in statements:
        if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", sql):
            for row in store.db.conn.execute(f"EXPLAIN QUERY PLAN {sql}"):
                yield sql, row[3]


@pytest.fixture
def counted(settings: Callable[..., Any], tmp_path: Any) -> Callable[[int], tuple[int, Store, Counting]]:
    """A maker of days with so much of a past."""

    def make(past: int) -> tuple[int, Store, Counting]:
        store = a_store(tmp_path / f"{past}.db", now=NOW - 7 * DAY)
        age(store, past)
        counting = Counting(store)
        stage = a_day(settings, store)
        counting.stop(store)
        return len(stage.gateway.texts), store, counting

    return make


def test_no_statement_scans_what_grows(counted: Callable[[int], tuple[int, Store, Counting]]) -> None:
    """Each goes by an index, to the rows that it is about."""
    texts, store, counting = counted(1000)
    scan = re.compile(rf"SCAN ({'|'.join(GROWING)}|[a-z])\\b")
    scans = {line: sql for sql, line in plans(store, counting.statements) if scan.match(line)}

    assert texts >= 8
    assert scans.keys() <= PARTIAL, scans


def test_a_long_past_costs_nothing(counted: Callable[[int], tuple[int, Store, Counting]], full: bool) -> None:
    """With a long past a day takes hardly more steps than with a short one."""
    texts, _, few = counted(1000)
    texts_later, _, many = counted(300_000 if full else 10_000)

    assert texts_later == texts
    assert many.steps <= few.steps * 1.2
