"""What leaves first when not all may: meetings ahead, nearest first; then what expires first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.databases import a_store_in_memory
from support.worker_on_fakes import WorkerOnFakes, wait_for
from syncer.reconcile import Todo
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.store import Store

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize("backlog", [400])
def test_a_reminder_leaves_before_a_backlog_of_follow_ups(
    store: Store, settings: Callable[..., Settings], backlog: int
) -> None:
    """A meeting in five minutes is nearer than four hundred that are over."""
    stage = WorkerOnFakes(settings("[limits]\nmessages_per_run = 3\nper_number_per_day = 1000"), store)
    over = [
        {
            "rule": "follow-up",
            "template": "1004",
            "params": {"name": "Ines"},
            "start": NOW - 2 * HOUR - number * MINUTE,
            "meeting_at": NOW - 2 * HOUR - number * MINUTE,
            "expires_at": NOW + 20 * HOUR + number * MINUTE,
            "to": f"+1312556{number:04}",
        }
        for number in range(backlog)
    ]
    soon = {
        "rule": "reminder-1h",
        "template": "1003",
        "params": {"name": "Ines", "advance": "1 hour", "time": "soon"},
        "start": NOW + 5 * MINUTE,
        "meeting_at": NOW + 5 * MINUTE,
        "expires_at": NOW + 5 * MINUTE,
        "to": "+13125550142",
    }
    wait_for(stage, *over, soon)

    stage.run()

    rules = [text.plan_name for text in stage.gateway.texts]
    assert rules == ["syncer/reminder-1h", "syncer/follow-up", "syncer/follow-up"]
    # Of what is over, that which expires first.
    assert [text.to for text in stage.gateway.texts[1:]] == ["+13125560000", "+13125560001"]


@given(
    st.lists(
        st.tuples(st.integers(-300, 300), st.integers(1, 600)), min_size=1, max_size=12, unique_by=lambda row: row[0]
    )
)
def test_the_order_of_what_is_due(rows: list[tuple[int, int]]) -> None:
    """For any meetings: ahead before over; ahead by start, over by expiry."""
    with a_store_in_memory(now=NOW - timedelta(days=7)) as store:
        for number, (start, expires) in enumerate(rows):
            event = an_event(f"e{number}", start=NOW + start * MINUTE)
            booking = a_booking(event, an_invitee(event))
            message = a_message(booking, meeting_at=event.start, expires_at=NOW + expires * MINUTE)
            store.commit(Batch([Reading(event, NOW)], [booking]), Todo((message,)), NOW)
        due = [row.message for row in store.due(NOW)]

    ahead = [m for m in due if m.meeting_at > NOW]
    over = [m for m in due if m.meeting_at <= NOW]
    assert due == ahead + over
    assert [m.meeting_at for m in ahead] == sorted(m.meeting_at for m in ahead)
    assert [m.expires_at for m in over] == sorted(m.expires_at for m in over)
