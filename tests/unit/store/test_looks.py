"""Looks at the database: right beside a writer, wherever nothing can be written, and without a trace."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message, an_event
from support.databases import a_store
from support.repository import ROOT, TESTS
from syncer.errors import Busy, StoreError
from syncer.reconcile import Todo
from syncer.store import Batch, Reading, Store, database, troubles
from syncer.store.glance import glance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65_534
ACCOUNT = "SELECT value FROM meta WHERE name = 'account'"


def by_reading(path: Path) -> str:
    """As `messages` and `explain`."""
    with Store(database.open_read_only(path)) as store:
        assert len(store.messages()) >= 3
        return store.meta("account")


def by_check(path: Path) -> str:
    """As `check`."""
    with Store(database.open_read_only(path)) as store:
        database.check_health(store.db, path)
        return store.meta("account")


def by_copy(path: Path) -> str:
    """As `plan` and a dry run."""
    with Store(database.open_copy(path)) as store:
        assert len(store.messages()) >= 3
        return store.meta("account")


def by_glance(path: Path) -> str:
    """As `status`: it shows no account, so the number of messages is enough."""
    return f"a{sum(glance(path).messages.values())}"


WAYS = [by_reading, by_check, by_copy, by_glance]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database whose account is "a" and the number of its messages, closed."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    fill(folder / "syncer.db", 3)
    return folder / "syncer.db"


def fill(path: Path, count: int) -> None:
    """Write so many messages."""
    with a_store(path, now=NOW) as store:
        write(store, count)


def write(store: Store, count: int) -> None:
    """Write messages up to so many, and note the number, in one transaction each."""
    there = len(store.messages())
    bookings = [a_booking(an_event(f"e{number}")) for number in range(there, count)]
    readings = [Reading(booking.event, NOW) for booking in bookings]
    store.commit(Batch(readings, bookings), Todo(tuple(map(a_message, bookings))), NOW)
    store.remember("account", f"a{count}")


def names(folder: Path) -> set[str]:
    """What lies in a folder."""
    return {item.name for item in folder.iterdir()}


WRITER = """
import sqlite3, sys, time
from pathlib import Path
from syncer.store import database
path, until = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
print("ready", flush=True)
number = 0
while time.monotonic() < until:
    db = database.open_writable(path, checkpoints=bool(number % 2)).conn
    for _ in range(20):
        number += 1
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE meta SET value = ? WHERE name = 'account'", [f"a{number}" + "x" * 3000])
        db.execute("UPDATE meta SET value = ? WHERE name = 'user'", [f"a{number}" + "x" * 3000])
        db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
"""
"""A second process: opens, writes two rows alike, moves the log into the file, and closes, again and again."""


@pytest.mark.parametrize("way", [database.open_read_only, database.open_copy])
def test_looks_while_a_writer_comes_and_goes(path: Path, way: Callable[[Path], Any], *, full: bool) -> None:
    """Each look sees one commit, whole: never half of one, and never a damaged file."""
    with Store(database.open_writable(path)) as store:
        store.remember("user", "a3")
    seconds = 20.0 if full else 3.0
    command = [sys.executable, "-c", WRITER, str(path), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        looks, seen = 0, set()
        while writer.poll() is None:
            db = way(path)
            for _ in range(3):
                pair = {row["value"] for row in db.query("SELECT value FROM meta WHERE name IN ('account', 'user')")}
                assert len(pair) == 1
                seen |= pair
                time.sleep(0.002)
            db.close()
            glance(path)
            looks += 1

    assert writer.returncode == 0
    assert looks > 2
    assert len(seen) > 1


def test_a_look_that_began_before_the_writer_sees_what_it_commits(path: Path) -> None:
    """There was no log (-wal) when it began: nothing said that nobody would write."""
    with Store(database.open_read_only(path)) as look:
        before = look.meta("account")
        code = "from unit.store import test_looks as t; t.fill(t.Path(t.sys.argv[1]), 40)"
        subprocess.run([sys.executable, "-c", code, str(path)], cwd=TESTS, check=True)
        after, count = look.meta("account"), len(look.messages())
        database.check_health(look.db, path)

    assert (before, after, count) == ("a3", "a40", 40)


@pytest.mark.parametrize("way", WAYS)
def test_a_look_leaves_nothing(path: Path, way: Callable[[Path], str]) -> None:
    """What SQLite needs beside the file for its locks is gone when the look is over; the file is as it was."""
    before = path.read_bytes()

    assert way(path) == "a3"
    assert names(path.parent) == {"syncer.db"}
    assert path.read_bytes() == before


@pytest.mark.parametrize("way", WAYS)
def test_a_look_takes_nothing_away_from_a_writer(path: Path, way: Callable[[Path], str]) -> None:
    """Somebody who has it open keeps the log, and goes on."""
    with Store(database.open_writable(path)) as writer:
        write(writer, 5)
        before = names(path.parent)
        found = way(path)
        between = names(path.parent)
        write(writer, 6)
        again = way(path)

    assert (found, again) == ("a5", "a6")
    assert before == between == {"syncer.db", "syncer.db-wal", "syncer.db-shm"}
    assert names(path.parent) == {"syncer.db"}


def test_a_writer_that_comes_while_a_look_ends_is_left_alone(path: Path) -> None:
    """The look that made the log must not take it away from them."""
    look = Store(database.open_read_only(path))
    with Store(database.open_writable(path)) as writer:
        look.db.close()
        assert "syncer.db-wal" in names(path.parent)
        write(writer, 4)
        assert by_reading(path) == "a4"

    assert by_reading(path) == "a4"


# Where nothing can be written.


@contextlib.contextmanager
def nobody(path: Path) -> Iterator[None]:
    """Be somebody who may read everything there and write nothing."""
    folders = list(path.parents)[:-1]
    for item in [path.parent, *path.parent.iterdir()]:
        item.chmod(0o555 if item.is_dir() else 0o444)
    if os.geteuid():
        yield
        return
    modes = {folder: folder.stat().st_mode for folder in folders}
    for folder, mode in modes.items():
        folder.chmod(mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)


def closed(path: Path) -> None:
    """Nobody has it open."""


def killed(path: Path) -> None:
    """A writer was killed: its last commits are only in the log."""
    with Store(database.open_writable(path, checkpoints=False)) as writer:
        write(writer, 7)
        kept = {item: item.read_bytes() for item in path.parent.iterdir()}
    for item, content in kept.items():
        item.write_bytes(content)


def killed_and_copied(path: Path) -> None:
    """Likewise, and only file and log were copied."""
    killed(path)
    path.with_name("syncer.db-shm").unlink()


def an_empty_log(path: Path) -> None:
    """A log without anything in it."""
    path.with_name("syncer.db-wal").touch()


@pytest.mark.parametrize(
    ("make", "expected"), [(closed, "a3"), (killed, "a7"), (killed_and_copied, "a7"), (an_empty_log, "a3")]
)
@pytest.mark.parametrize("way", WAYS)
def test_looks_where_nothing_can_be_written(
    path: Path, way: Callable[[Path], str], make: Callable[[Path], None], expected: str
) -> None:
    """A folder or a volume for reading only: what was committed last is shown, and nothing is touched."""
    make(path)
    before = {item.name: item.read_bytes() for item in path.parent.iterdir() if not item.name.endswith("-shm")}
    with nobody(path):
        found = way(path)
    after = {item.name: item.read_bytes() for item in path.parent.iterdir() if not item.name.endswith("-shm")}

    assert found == expected
    assert after == before


@pytest.mark.parametrize("way", WAYS)
def test_looks_beside_a_writer_where_only_that_one_may_write(path: Path, way: Callable[[Path], str]) -> None:
    """Another user's look: it sees each commit."""
    code = "from unit.store import test_looks as t; t.serve(t.sys.argv[1])"
    for item in (path.parent, path):
        item.chmod(0o755 if item.is_dir() else 0o644)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        found = []
        for count in (4, 5):
            writer.stdin.write(f"{count}\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "written\n"
            with nobody(path) if not os.geteuid() else contextlib.nullcontext():
                found.append(way(path))
        writer.stdin.close()

    assert found == ["a4", "a5"]


def serve(path: str) -> None:
    """Be a writer that writes up to as many messages as each line says."""
    with a_store(Path(path), now=NOW) as store:
        for line in sys.stdin:
            write(store, int(line))
            print("written", flush=True)  # noqa: T201  that is how it answers


def test_a_copy_cannot_be_written(path: Path) -> None:
    """As any look."""
    with (
        nobody(path),
        Store(database.open_read_only(path)) as store,
        pytest.raises(StoreError, match="readonly"),
    ):
        store.remember("account", "x")


@pytest.mark.parametrize(("times", "works"), [(1, True), (4, True), (5, False)])
def test_a_copy_that_somebody_wrote_into_is_made_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch, times: int, *, works: bool
) -> None:
    """A torn copy is not shown: it is tried some times, and then said so."""
    real, left = shutil.copyfile, [times]

    def torn(source: Path, target: str) -> object:
        done = real(source, target)
        if left[0]:
            left[0] -= 1
            now = time.time_ns() + left[0]
            os.utime(source, ns=(now, now))
        return done

    monkeypatch.setattr(shutil, "copyfile", torn)
    if works:
        with contextlib.closing(troubles._copied(path)) as copy:
            assert copy.execute(ACCOUNT).fetchone() == ("a3",)
        return
    with pytest.raises(Busy) as caught:
        troubles._copied(path)
    assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_log_that_cannot_be_read_is_an_error(path: Path) -> None:
    """The last commits are in it: without them nothing is shown, and what to do is said."""
    killed_and_copied(path)
    with nobody(path):
        os.seteuid(0)
        path.with_name("syncer.db-wal").chmod(0o600)
        os.seteuid(NOBODY)
        for way in WAYS:
            with pytest.raises(StoreError) as caught:
                way(path)
            assert caught.value.remedy
