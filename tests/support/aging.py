"""A database with a long past: as many finished bookings and sent texts as wanted, in seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from syncer.model import State
from syncer.reconcile import Todo
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from syncer.store import Store

DAY = timedelta(days=1)


def age(store: Store, count: int) -> None:
    """Give a store so many bookings of the past, each with a sent text and its history."""
    event = an_event("past", start=NOW - 100 * DAY)
    booking = a_booking(event, replace(an_invitee(event, email="", text_reminder_number=""), name=""))  # erased
    message = replace(
        a_message(booking, scheduled_at=NOW - 101 * DAY, changed_at=NOW - 101 * DAY, params={}),
        state=State.SENT, attempts=1, provider_message_id="p1",
    )  # fmt: skip
    store.commit(Batch([Reading(event, NOW - 100 * DAY)], [booking]), Todo((message,)), NOW - 101 * DAY)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    for table, columns in {
        "events": {"uri": "uri || i", "mark": "i"},
        "bookings": {"uri": "uri || i", "id": "id || i", "event": "event || i"},
        "messages": {
            "key": "key || i",
            "id": "id || i",
            "booking": "booking || i",
            "recipient": "'+1312' || (1000000 + i)",
        },
    }.items():
        names = [row[1] for row in store.db.conn.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(columns.get(name, name) for name in names)
        first = f"(SELECT * FROM {table} WHERE rowid = 1)"  # noqa: S608  names of tables
        with store.db.conn:
            store.db.conn.execute(f"{numbers} INSERT INTO {table} SELECT {values} FROM n, {first}", [count])  # noqa: S608
    store.db.conn.execute("ANALYZE")
    store.scrub()
