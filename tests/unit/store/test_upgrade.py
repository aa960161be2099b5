"""Databases of every released schema: brought up to date, nothing lost, nobody texted because of it."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.databases import born
from support.fake_clients import FakeCalendly
from support.repository import TESTS
from support.worker_on_fakes import WorkerOnFakes
from syncer import __version__
from syncer.errors import WrongDatabase
from syncer.model import State
from syncer.outbox import Settlement
from syncer.reasons import Reason
from syncer.reconcile import Todo
from syncer.store import Batch, Reading, Store, database

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.model import Booking, Message

RELEASES = sorted((TESTS / "schemas").glob("*.sql"))
HOUR = timedelta(hours=1)


def content() -> tuple[list[Booking], list[Message]]:
    """What each sample holds: a booking with a text sent, one waiting for tomorrow, one that failed."""
    bookings = [a_booking(event := an_event(f"e{n}"), an_invitee(event)) for n in (1, 2)]
    later = {"next_at": NOW + 24 * HOUR, "scheduled_at": NOW + 24 * HOUR, "expires_at": NOW + 26 * HOUR}
    messages = [
        a_message(bookings[0]),
        a_message(bookings[0], rule="reminder-24h", template="1003", **later),
        a_message(bookings[1]),
        a_message(bookings[1], rule="reminder-24h", template="1003", **later),
    ]
    return bookings, messages


def fill(store: Store) -> None:
    """Put it into a database."""
    bookings, messages = content()
    store.commit(Batch([Reading(one.event, NOW) for one in bookings], bookings), Todo(tuple(messages)), NOW)
    store.settle(store.claim(messages[0], NOW), Settlement(State.SENT, message_id="1", plan_id="2"), NOW)
    store.settle(
        store.claim(messages[2], NOW), Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "EngageLab 3002"), NOW
    )
    store.opt_out(["+447400123456"], "by the operator", NOW)
    row = {"id": "r1", "outcome": "completed", "error": "", "counts": "{}", "checked": 1}
    store.record_run(row | dict.fromkeys(("started_at", "ended_at"), "2026-11-23T12:00:00Z"))


def dump(store: Store) -> str:
    """Write a database as the sample of a release (CONTRIBUTING says how)."""
    return "\n".join(line for line in store.db.conn.iterdump() if "sqlite_stat" not in line) + "\n"


@pytest.fixture(params=RELEASES, ids=[path.stem for path in RELEASES])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database of a release."""
    path = tmp_path / "syncer.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(request.param.read_text(encoding="utf-8"))
    path.chmod(0o600)
    return path


def test_this_release_has_its_sample() -> None:
    """Made when it was released, and never changed afterwards."""
    assert __version__ in [path.stem for path in RELEASES]


@pytest.mark.usefixtures("as_worded")
def test_nothing_is_lost_and_nobody_is_texted(old: Path, settings: Callable[..., Any], tmp_path: Path) -> None:
    """Brought up to date, it holds what a new one would; the runs after it send what is due and nothing else."""
    bookings, messages = content()
    with Store(database.open_copy(tmp_path / "none")) as new:
        fill(new)
        expected = new.messages(), new.bookings([one.uri for one in bookings]), [one.number for one in new.opt_outs()]
        schema = columns(new)
    with Store(database.open_writable(old)) as store:
        found = (
            store.messages(),
            store.bookings([one.uri for one in bookings]),
            [one.number for one in store.opt_outs()],
        )
        upgraded = columns(store)
        calendly = FakeCalendly()
        for one in bookings:
            calendly.put(one.event, one.invitee)
        stage = WorkerOnFakes(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store, calendly)
        stage.now = NOW + HOUR
        stage.run()
        at_once = len(stage.gateway.texts)
        stage.now = NOW + 24 * HOUR
        stage.run()

    assert found == expected
    assert upgraded == schema
    assert store.born_at == NOW - timedelta(days=7)
    assert at_once == 0
    assert sorted(sent.key for sent in stage.gateway.texts) == sorted(
        m.key for m in messages if m.rule == "reminder-24h"
    )


def columns(store: Store) -> set[tuple[str, str]]:
    """All columns of all tables."""
    tables = [row["name"] for row in store.db.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {(table, row["name"]) for table in tables for row in store.db.query(f"PRAGMA table_info({table})")}


def test_going_back_is_refused(old: Path) -> None:
    """What a newer release has written, an older one does not touch."""
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('syncer', '9999_future', '2030')"
        )
        connection.commit()
        before = list(connection.iterdump())

    with pytest.raises(WrongDatabase, match=r"written by a newer syncer .*9999_future"):
        database.open_writable(old)

    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert list(connection.iterdump()) == before


# `PYTHONPATH=tests .venv/bin/python tests/unit/store/test_upgrade.py` writes the sample of this release.
if __name__ == "__main__":
    with born(Store(database.open_copy(Path("none there"))), NOW - timedelta(days=7)) as made:
        fill(made)
        (TESTS / "schemas" / f"{__version__}.sql").write_text(dump(made), encoding="utf-8")
