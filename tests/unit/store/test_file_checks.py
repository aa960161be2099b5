"""The whole file is checked once a day; each other start checks what costs nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.databases import born
from support.worker_on_fakes import WorkerOnFakes
from syncer.errors import StoreError
from syncer.reconcile import Todo
from syncer.store import Batch, Reading, Store, database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with some bookings, whose whole file was checked at NOW."""
    path = tmp_path / "syncer.db"
    with born(Store(database.open_writable(path, now=NOW)), NOW - DAY) as store:
        for number in range(50):
            booking = a_booking(an_event(f"e{number}"))
            batch = Batch([Reading(booking.event, NOW)], [booking])
            store.commit(batch, Todo((a_message(booking),)), NOW)
    return path


def lose_an_index(path: Path) -> None:
    """Let an index lose what it knows, as a bad disk may: only a check of the whole file compares it with its table."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        [root] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'messages_recipient'").fetchone()
        [other] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'messages_sending'").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = db.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : root * size] = content[(other - 1) * size : other * size]
    path.write_bytes(content)


def opens(path: Path, **options: Any) -> bool:
    """Whether the database can be opened."""
    with contextlib.suppress(StoreError):
        database.open_writable(path, **options).close()
        return True
    return False


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        pytest.param({"now": NOW + MINUTE}, False, id="a minute later"),
        pytest.param({"now": NOW + DAY - MINUTE}, False, id="not yet a day later"),
        pytest.param({"now": NOW + DAY}, True, id="a day later"),
        pytest.param({"now": NOW - MINUTE}, True, id="the last check lies ahead: a clock was wrong"),
        pytest.param({}, True, id="in any case"),
    ],
)
def test_the_whole_file_is_checked_once_a_day(path: Path, options: dict[str, Any], seen: bool) -> None:
    """What only the whole file shows is seen then, and the check is not noted as done."""
    lose_an_index(path)

    assert opens(path, **options) is not seen
    assert opens(path, **options) is not seen


def test_a_check_is_noted(path: Path) -> None:
    """After a check of the whole file the next starts of that day are light again."""
    assert opens(path, now=NOW + DAY)
    lose_an_index(path)

    assert opens(path, now=NOW + DAY + MINUTE)
    assert not opens(path, now=NOW + 2 * DAY)


def cut(path: Path) -> None:
    """Cut off the end of the file."""
    path.write_bytes(path.read_bytes()[: -2 * 4096])


def smash_the_schema(path: Path) -> None:
    """Overwrite the page that the schema begins on."""
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 3996 + content[4096:])


@pytest.mark.parametrize("harm", [cut, smash_the_schema])
def test_each_start_sees_a_file_that_was_cut_or_has_no_schema(path: Path, harm: Callable[[Path], None]) -> None:
    """That costs nothing, so it is done each time."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(path)

    with pytest.raises(StoreError):
        database.open_writable(path, now=NOW + MINUTE)


def test_a_new_file_is_checked_whole(tmp_path: Path) -> None:
    """It is empty, and from then on a day passes."""
    path = tmp_path / "new.db"
    assert opens(path, now=NOW)
    with contextlib.closing(sqlite3.connect(path)) as db:
        known = dict(db.execute("SELECT name, value FROM meta"))

    assert known["health_checked_at"] == "2026-11-23T12:00:00Z"


def test_the_loop_checks_the_file_once_a_day(settings: Callable[..., Any], path: Path) -> None:
    """A worker that never starts anew notices damage, too, and stops: it sends nothing by a broken file."""
    with Store(database.open_writable(path, now=NOW), path) as store:
        stage = WorkerOnFakes(settings(), store)
        for number in range(50):
            event = an_event(f"e{number}")
            stage.calendly.put(event, an_invitee(event))
        worker = stage.worker()
        worker.run_once()
        store.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        lose_an_index(path)
        stage.now = NOW + 2 * timedelta(hours=1)
        worker.run_once()
        stage.now = NOW + DAY + MINUTE
        with pytest.raises(StoreError, match=r"is damaged|malformed"):
            worker.run_once()
