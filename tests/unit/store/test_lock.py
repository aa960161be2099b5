"""The witness in the lock file: what tells a database from one of an earlier moment."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.databases import a_store
from syncer.errors import Older
from syncer.model import utc_text
from syncer.reconcile import Todo
from syncer.store import Batch, Reading, Store, database
from syncer.store.lock import LENGTH, Witness, run_lock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with three messages, none of them claimed, and one run behind it."""
    path = tmp_path / "syncer.db"
    with a_store(path, now=NOW) as store:
        event = an_event()
        bookings = [a_booking(event, an_invitee(event, f"i{n}")) for n in range(3)]
        todo = Todo(tuple(a_message(booking) for booking in bookings))
        store.commit(Batch([Reading(event, NOW)], bookings), todo, NOW)
        moments = dict.fromkeys(("started_at", "ended_at"), utc_text(NOW))
        store.record_run({"id": "1", "outcome": "completed", "counts": "{}", "error": "", "checked": 1, **moments})
    return path


def claim(path: Path, count: int) -> None:
    """Claim so many more messages, as a run does."""
    with run_lock(path) as witness, Store(database.open_writable(path), witness=witness) as store:
        store.check_witness()
        for message in store.messages(states=["scheduled"])[:count]:
            store.claim(message, NOW)


def refused(path: Path) -> str:
    """What a run on it says; empty = it goes on."""
    with run_lock(path) as witness, Store(database.open_writable(path), witness=witness) as store:
        try:
            store.check_witness()
        except Older as error:
            return f"{error}. {error.remedy}"
    return ""


def test_run_after_run_is_the_same_database(path: Path) -> None:
    """Whether it has claimed something or not."""
    for count in (0, 1, 0, 2):
        claim(path, count)
        assert refused(path) == ""


def test_a_backup_in_its_place_is_noticed(path: Path, tmp_path: Path) -> None:
    """Until `restored` is run; after that it is the database that was here."""
    claim(path, 1)
    backup = shutil.copy(path, tmp_path / "backup")
    claim(path, 2)
    shutil.copy(backup, path)

    assert refused(path).startswith(
        "the database has lost 2 of the texts that left from here. If a backup was put back"
    )
    with run_lock(path) as witness, Store(database.open_writable(path), witness=witness) as store:
        store.restored(NOW)
    assert refused(path) == ""


def test_another_database_in_its_place_is_noticed(path: Path, tmp_path: Path) -> None:
    """One with runs behind it: a backup of an older life, or of another organization's; what is new here is welcome."""
    claim(path, 1)
    other = tmp_path / "other" / "syncer.db"
    other.parent.mkdir()
    shutil.copy(path, other)
    path.unlink()

    new = refused(path)
    claim(path, 0)
    shutil.copy(other, path)
    with Store(database.open_writable(path)) as store:
        store.remember("instance", "0123456789abcdef")

    assert new == ""
    assert refused(path).startswith("this is not the database that was here in the last run. Put that one back")


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 64, b"a b c", b"\xff\xfe 1", b"abc 12x"])
def test_a_lock_file_that_says_nothing_is_no_witness(path: Path, content: bytes) -> None:
    """One that an editor, an older release or a crash left: the run goes on."""
    claim(path, 2)
    path.with_name("syncer.db.lock").write_bytes(content)

    assert refused(path) == ""


def test_the_witness_says_what_it_was_told(tmp_path: Path) -> None:
    """The last word counts, however long the ones before were."""
    with run_lock(tmp_path / "syncer.db") as witness:
        before = witness.read()
        told = []
        for instance, claims in (("0123456789abcdef", 123_456_789), ("ab", 7)):
            witness.write(instance, claims)
            told.append(witness.read())

    assert before is None
    assert told == [("0123456789abcdef", 123_456_789), ("ab", 7)]
    assert (tmp_path / "syncer.db.lock").stat().st_size == LENGTH


def test_a_witness_that_cannot_write_stops_nothing(tmp_path: Path) -> None:
    """The claim is committed by then: the text must not wait for the second belt."""
    descriptor = os.open(tmp_path / "lock", os.O_RDONLY | os.O_CREAT)
    witness = Witness(descriptor)
    witness.write("ab", 1)
    os.close(descriptor)

    assert witness.read() is None
