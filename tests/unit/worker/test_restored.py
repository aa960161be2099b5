"""A backup that was put back: what the lost database may have sent is not sent again, and nothing is forgotten."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW, NUMBER, a_booking, an_event, an_invitee
from support.restored_database import DatabaseWithBackup, short
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer.diff import News, noticed_after
from syncer.errors import Older
from syncer.model import State
from syncer.reasons import Reason
from syncer.store import Store, database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syncer.config import Settings

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_what_waited_and_was_due_becomes_unknown_and_the_rest_stays(
    settings: Callable[..., Settings], store: Store
) -> None:
    """The move itself, on rows in each state."""
    stage = WorkerOnFakes(settings(), store)
    later = {"scheduled_at": NOW + HOUR, "next_at": NOW + HOUR, "expires_at": NOW + DAY}
    out = {"state": State.SENT, "provider_message_id": "1", "attempts": 1}
    due, future, sent = wait_for(stage, {}, later, out)

    count = store.restored(NOW)

    assert count == 1
    assert states(stage, [due, future, sent]) == [State.UNKNOWN, State.SCHEDULED, State.SENT]
    [row] = store.messages(keys=[due.key])
    assert (row.reason, row.attempts) == (Reason.RESTORED, 0)
    assert store.restored_at == NOW


@pytest.fixture
def office(tmp_path: Path, settings: Callable[..., Settings]) -> DatabaseWithBackup:
    """A reminder went out after the backup was made, and a booking came and was confirmed after it."""
    office = DatabaseWithBackup(tmp_path, settings(environ={"TEMPLATE_ID_HOST_NOTIFY": "", "HOST_PHONE": ""}))
    office.book("old", start=NOW + DAY + HOUR / 2, created_at=NOW - 10 * DAY)
    office.run(NOW - DAY)
    shutil.copy(office.path, office.backup)
    office.book("new", start=NOW + 3 * DAY, created_at=NOW + HOUR / 4)
    office.run(NOW + HOUR / 3)
    office.run(NOW + HOUR)
    assert sorted(short(sent.key) for sent in office.gateway.sends) == ["new confirmation", "old reminder-24h"]
    shutil.copy(office.backup, office.path)
    return office


def test_it_is_noticed_and_nothing_leaves(office: DatabaseWithBackup) -> None:
    """The lock file remembers two claims more than the backup; each run says so until a person acts."""
    for minutes in (61, 62):
        with pytest.raises(Older, match="has lost 2 of the texts"):
            office.run(NOW + timedelta(minutes=minutes))

    assert len(office.gateway.sends) == 2


def test_told_so_it_repeats_nothing_forgets_nothing_and_goes_on(office: DatabaseWithBackup) -> None:
    """What was due by then is unknown, planned before or after; what is due later leaves; new bookings, too."""
    first = office.run(NOW + timedelta(minutes=61), told=True)
    unknown = office.unknown()
    office.book("later", start=NOW + 5 * DAY, created_at=NOW + 2 * HOUR)
    later = office.run(NOW + 2 * HOUR + timedelta(minutes=1))
    reminded = office.run(NOW + DAY - HOUR / 2 + timedelta(minutes=1))

    assert first == []
    assert unknown == {"old reminder-24h": Reason.RESTORED, "new confirmation": Reason.RESTORED}
    assert later == ["later confirmation"]
    assert reminded == ["old reminder-1h"]


def test_a_person_puts_one_back_on_the_way_and_planning_leaves_it_there(office: DatabaseWithBackup) -> None:
    """`resolve --not-sent` after a restore: sent, though it was due before."""
    office.run(NOW + timedelta(minutes=61), told=True)
    with Store(database.open_writable(office.path)) as store:
        [confirmation] = [one for one in store.messages(states=[State.UNKNOWN]) if one.rule == "confirmation"]
        store.again(confirmation, Reason.BY_OPERATOR, NOW + timedelta(minutes=62), "not sent")

    sent = office.run(NOW + timedelta(minutes=63))

    assert sent == ["new confirmation"]


@pytest.mark.parametrize(
    ("read", "moved", "expected"),
    [
        pytest.param(-HOUR, 2 * HOUR, HOUR, id="read last before the restore: the lost database may have told it"),
        pytest.param(HOUR * 3 / 2, 2 * HOUR, 2 * HOUR, id="read since: it is news"),
        pytest.param(-HOUR, HOUR / 2, HOUR / 2, id="older than the restore anyway"),
    ],
)
def test_when_a_move_in_place_was_noticed(read: timedelta, moved: timedelta, expected: timedelta) -> None:
    """It has no time of its own; noticed first after a restore, it may have been noticed before."""
    event = an_event()
    invitee = an_invitee(event, text_reminder_number=NUMBER)
    old = a_booking(event, invitee, read_at=NOW + read)
    new = a_booking(event, invitee, moved_at=NOW + moved)

    [dated] = noticed_after(News((new,), ()), before={new.uri: old}, restored_at=NOW + HOUR).bookings

    assert dated.moved_at == NOW + expected
