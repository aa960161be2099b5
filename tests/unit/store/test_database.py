"""The database file: its mode, its lock, its pragmas, its schema, its birth, and every way in which it may be bad."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from sqlite_utils import Database

from support.builders import NOW, a_booking, a_message, an_event
from support.databases import born
from support.repository import ROOT
from syncer.errors import Locked, StoreError, WrongDatabase
from syncer.model import utc_text
from syncer.reconcile import Todo
from syncer.store import Batch, Reading, Store, database, troubles
from syncer.store.glance import glance
from syncer.store.lock import run_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65534
LATER = NOW + timedelta(days=3)

HOLDER = """
import sys
from pathlib import Path
from syncer.errors import Locked
from syncer.store.lock import run_lock
try:
    with run_lock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except Locked as error:
    sys.exit(error.exit_code)
"""
"""A second process: holds the lock until its stdin is closed."""


def files(folder: Path) -> dict[str, bytes]:
    """Read a whole folder: names and bytes."""
    return {item.name: item.read_bytes() if item.is_file() else b"" for item in folder.iterdir()}


def without_shm(found: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out what is in a -shm: SQLite counts its readers there, and nothing that it holds survives a crash."""
    return {name: b"" if name.endswith("-shm") else content for name, content in found.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of a test is made, in a folder of its own."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "syncer.db"


def fill(path: Path, bookings: int = 20) -> None:
    """Make a database with some bookings and messages, and close it."""
    with born(Store(database.open_writable(path)), NOW) as store:
        store.bind("organization", "user", "token")
        made = [a_booking(an_event(f"e{number}")) for number in range(bookings)]
        readings = [Reading(booking.event, NOW) for booking in made]
        store.commit(Batch(readings, made), Todo(tuple(map(a_message, made))), NOW)


def change(path: Path, *statements: str) -> None:
    """Change a database behind the program's back."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a sound database with some bookings in it."""
    path = tmp_path_factory.mktemp("sound") / "syncer.db"
    fill(path)
    assert [item.name for item in path.parent.iterdir()] == ["syncer.db"]
    return path.read_bytes()


# The file.


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_file_and_its_neighbours_are_only_for_their_owner(path: Path, umask: int) -> None:
    """Whatever the umask, the file, its -wal, its -shm and its lock have mode 0600 from their first moment."""
    before = os.umask(umask)
    try:
        with run_lock(path), Store(database.open_writable(path)) as store:
            store.remember("account", "o")
            modes = {item.name: stat.S_IMODE(item.stat().st_mode) for item in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(["syncer.db", "syncer.db-wal", "syncer.db-shm", "syncer.db.lock"], 0o600)


@pytest.mark.parametrize(
    ("mode", "after"),
    [
        pytest.param(0o600, 0o600, id="the owner's alone"),
        pytest.param(0o640, 0o640, id="the group reads it"),
        pytest.param(0o660, 0o660, id="the group writes it, as a Kubernetes fsGroup has it"),
        pytest.param(0o604, 0o600, id="everybody reads it"),
        pytest.param(0o602, 0o600, id="everybody writes it"),
        pytest.param(0o644, 0o600, id="what a plain copy has"),
        pytest.param(0o666, 0o600, id="what a backup tool has"),
    ],
)
def test_a_file_that_everybody_may_read_is_made_private(path: Path, mode: int, after: int) -> None:
    """It holds phone numbers: a restored file gets its mode back, with a line that says so; nothing else is changed."""
    fill(path)
    path.chmod(mode)
    before, told = files(path.parent), list[str]()

    database.open_writable(path, note=told.append).close()

    assert stat.S_IMODE(path.stat().st_mode) == after
    assert told == ([] if mode == after else [f"everybody could read {path}: its mode is 0600 now"])
    assert files(path.parent) == before


def test_what_lies_beside_a_restored_file_is_made_private_too(path: Path) -> None:
    """Its log of SQLite (WAL) holds the same numbers."""
    fill(path)
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = wal")
        other.execute("SELECT count(*) FROM meta").fetchone()
        for name in ("", "-wal", "-shm"):
            path.with_name(path.name + name).chmod(0o644)
        told: list[str] = []
        database.open_writable(path, note=told.append).close()
        modes = [stat.S_IMODE(path.with_name(path.name + name).stat().st_mode) for name in ("", "-wal", "-shm")]

    assert modes == [0o600] * 3
    assert told == [f"everybody could read {path}: its mode is 0600 now"]


def test_a_mode_that_is_not_ours_to_set_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of another user: refused with what that user must do."""
    fill(path)
    path.chmod(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(type(path), "chmod", refuse)
    with pytest.raises(StoreError, match=r"everybody may read .*, and its mode cannot be set") as caught:
        database.open_writable(path)

    assert caught.value.remedy == f"It holds phone numbers: let its owner run chmod 600 {path}"


FOREIGN = [
    pytest.param(["CREATE TABLE somebodys (thing)"], id="a table"),
    pytest.param(["CREATE VIEW somebodys AS SELECT 1"], id="a view"),
    pytest.param(
        [
            "CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)",
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('llm', 'm001', '')",
            "CREATE TABLE runs (id)",
        ],
        id="one that sqlite-utils migrates, too",
    ),
    pytest.param(["CREATE TABLE _sqlite_migrations (x)", "CREATE TABLE runs (id)"], id="alike in its names"),
]


@pytest.mark.parametrize("statements", FOREIGN)
def test_another_programs_database_is_known_by_all_who_open_it(path: Path, statements: list[str]) -> None:
    """One check: the same words whoever looks, and not one byte is changed, nor a mode."""
    change(path, *statements)
    path.chmod(0o644)
    before = files(path.parent)
    ways: list[Callable[[], object]] = [
        lambda: database.open_writable(path),
        lambda: database.open_copy(path),
        lambda: database.open_read_only(path),
        lambda: database.applied_migrations(path),
        lambda: glance(path),
    ]

    for way in ways:
        with pytest.raises(WrongDatabase, match="is another program's database") as caught:
            way()
        assert caught.value.remedy == "Name a file of its own with --db or SYNCER_DB"
        assert caught.value.exit_code == 2
    assert files(path.parent) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_an_empty_file_is_a_database_that_was_not_born_yet(path: Path) -> None:
    """A crash between making the file and filling it leaves one."""
    path.touch(mode=0o600)

    with Store(database.open_writable(path)) as store:
        assert store.born_at is None


def test_a_link_to_a_database_is_followed(path: Path, tmp_path: Path) -> None:
    """The state may lie elsewhere."""
    fill(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)

    with Store(database.open_writable(link)) as store:
        assert store.born_at == NOW


# Everything that may be wrong with it.


class Wrong(NamedTuple):
    """A bad database: how to make it, and what is said about it when it is opened for writing."""

    make: Callable[[Path, bytes], object]
    error: type[StoreError]
    says: str
    remedy: str


def newer(path: Path, sound: bytes) -> None:
    """Let a later release have been here."""
    path.write_bytes(sound)
    change(path, "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('syncer', '0999_later', '')")


def elsewhere(path: Path, _: bytes) -> None:
    """Take the folder away."""
    path.parent.rmdir()


def overwritten(path: Path, sound: bytes) -> None:
    """Spoil a page in the middle."""
    path.write_bytes(sound[:8192] + b"\xa5" * 4096 + sound[12288:])


def spoiled_inside(path: Path, sound: bytes) -> None:
    """Spoil a page of bookings: nothing that is read on the way to opening the file."""
    at = sound.rindex(b"ines.okafor@example.com") // 4096 * 4096
    path.write_bytes(sound[:at] + b"\xa5" * 4096 + sound[at + 4096 :])


BAD_FILES = [
    pytest.param(
        Wrong(lambda path, _: path.write_text("dear diary\n" * 500), StoreError, "NOTADB", "restore a backup"),
        id="a text",
    ),
    pytest.param(
        Wrong(lambda path, _: path.write_bytes(b"\x89PNG\r\n\x1a\n" * 300), StoreError, "NOTADB", "restore a backup"),
        id="a picture",
    ),
    pytest.param(
        Wrong(
            lambda path, _: path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8000), StoreError, "NOTADB", "restore a"
        ),
        id="the first bytes of a database and nonsense",
    ),
    pytest.param(
        Wrong(lambda path, sound: path.write_bytes(sound[:50]), StoreError, "CORRUPT|NOTADB", "restore a backup"),
        id="a database cut in its header",
    ),
    pytest.param(
        Wrong(lambda path, sound: path.write_bytes(sound[: len(sound) // 2]), StoreError, "CORRUPT", "restore"),
        id="a database cut in the middle",
    ),
    pytest.param(
        Wrong(overwritten, StoreError, "CORRUPT|damaged", "[Rr]estore a backup"), id="a database with a spoiled page"
    ),
    pytest.param(Wrong(newer, WrongDatabase, "newer syncer .schema 0999_later", "Install that"), id="a newer one"),
]

BAD_PLACES = [
    pytest.param(
        Wrong(spoiled_inside, StoreError, "is damaged: ", "Restore a backup, then run `syncer restored`"),
        id="a database whose bookings are spoiled",
    ),
    pytest.param(Wrong(elsewhere, WrongDatabase, "folder .* does not exist", "Create it"), id="no folder"),
    pytest.param(Wrong(lambda path, _: path.mkdir(), WrongDatabase, "is a folder", "names a file"), id="a folder"),
    pytest.param(
        Wrong(lambda path, _: path.symlink_to(path.parent / "gone"), StoreError, "syncer.db", "."),
        id="a link to nothing",
    ),
]


@pytest.mark.parametrize("wrong", [*BAD_FILES, *BAD_PLACES])
def test_a_bad_database_is_refused_and_stays_as_it_is(path: Path, sound: bytes, wrong: Wrong) -> None:
    """One clear sentence, an exit code and a remedy; it is never emptied, replaced, or put beside a new one."""
    wrong.make(path, sound)
    if path.is_file():
        path.chmod(0o600)
    before = files(path.parent) if path.parent.exists() else None

    with pytest.raises(StoreError) as caught:
        database.open_writable(path)

    error = caught.value
    assert type(error) is wrong.error
    assert error.exit_code == (2 if wrong.error is WrongDatabase else 1)
    assert re.search(wrong.says, str(error))
    assert re.search(wrong.remedy, error.remedy)
    assert "\n" not in error.remedy
    assert (files(path.parent) if path.parent.exists() else None) == before


@pytest.mark.parametrize("wrong", BAD_FILES)
def test_a_bad_database_is_refused_for_a_dry_run_too(path: Path, sound: bytes, wrong: Wrong) -> None:
    """A plan made from nothing would show texts that nobody will get."""
    wrong.make(path, sound)
    before = files(path.parent)

    with pytest.raises(StoreError) as caught, Store(database.open_copy(path)) as store:
        store.messages()

    assert type(caught.value) is wrong.error
    assert caught.value.remedy
    assert files(path.parent) == before


@pytest.mark.parametrize("wrong", BAD_FILES[:5])
def test_a_bad_database_is_refused_for_looking_too(path: Path, sound: bytes, wrong: Wrong) -> None:
    """`syncer messages` says what is wrong with the file, and does not touch it."""
    wrong.make(path, sound)
    before = files(path.parent)

    for look in (database.open_read_only, database.applied_migrations):
        with pytest.raises(StoreError, match=wrong.says) as caught:
            look(path)
        assert re.search(wrong.remedy, caught.value.remedy)

    assert files(path.parent) == before


def test_flipped_bits_are_refused_or_do_no_harm(path: Path, sound: bytes) -> None:
    """Of 200 databases with one bit wrong, each opens or is refused with a remedy; none is changed by a refusal."""
    refused = 0
    for number in range(200):
        bad = bytearray(sound)
        bad[number * 102_947 % len(bad)] ^= 1 << number % 8  # a prime step: every part of the file gets its flips
        path.write_bytes(bad)
        path.chmod(0o600)
        opened = False
        with contextlib.suppress(StoreError):
            Store(database.open_writable(path)).db.close()
            opened = True
        refused += not opened
        assert opened or files(path.parent) == {"syncer.db": bytes(bad)}
        for item in path.parent.iterdir():
            item.unlink()

    assert 5 < refused < 100


@pytest.mark.parametrize("cut", range(0, 40, 2))
def test_a_cut_file_never_passes_for_a_sound_one(path: Path, sound: bytes, cut: int) -> None:
    """However short it was cut, what is left of a database is refused and kept (nothing at all is no database yet)."""
    length = 2 + len(sound) * cut // 40  # SQLite takes a file of one byte for an empty one
    path.write_bytes(sound[:length])
    path.chmod(0o600)

    with pytest.raises(StoreError, match=r"database|damaged"):
        database.open_writable(path)

    assert files(path.parent) == {"syncer.db": sound[:length]}


def test_a_bit_wrong_in_the_schema_is_a_clear_error(path: Path, sound: bytes) -> None:
    """SQLite's own message quotes the schema, which may then be no UTF-8: still one sentence with a remedy."""
    at = sound.index(b"CREATE TABLE messages") + len("CREATE TABLE messages (")
    path.write_bytes(sound[:at] + b"\xe1" + sound[at + 1 :])
    path.chmod(0o600)

    with pytest.raises(StoreError) as caught:
        Store(database.open_writable(path))

    assert caught.value.remedy


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE meta SET value = 'soon' WHERE name = 'born_at'", id="a birth that is no time"),
        pytest.param("UPDATE meta SET value = 'salz' WHERE name = 'salt'", id="a salt that is no hex"),
        pytest.param("DELETE FROM meta WHERE name = 'born_at'", id="bookings and no birth"),
        pytest.param("DELETE FROM meta WHERE name = 'salt'", id="no salt"),
        pytest.param("DELETE FROM meta WHERE name = 'instance'", id="no name"),
    ],
)
def test_a_database_that_does_not_know_itself_is_refused(path: Path, statement: str) -> None:
    """Without its birth or its salt no promise holds: it is damaged, and that is said as an error of the database."""
    fill(path, 1)
    change(path, statement)

    with contextlib.closing(database.open_writable(path)) as db, pytest.raises(StoreError) as caught:
        Store(db)

    assert caught.value.remedy


def test_a_full_disk_is_noticed_before_a_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with less than 16 MiB left must not meet a text that has just left; nothing is made on it."""
    space = SimpleNamespace(f_bavail=4095, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: space)

    with pytest.raises(StoreError, match="less than 16 MiB are free") as caught:
        database.open_writable(path)
    assert caught.value.remedy == "Make room; nothing was sent"
    assert files(path.parent) == {}

    space.f_bavail = 4096
    database.open_writable(path).close()


def connections() -> list[sqlite3.Connection]:
    """Find all connections that are open in this process."""
    found = []
    for connection in [thing for thing in gc.get_objects() if isinstance(thing, sqlite3.Connection)]:
        with contextlib.suppress(sqlite3.ProgrammingError):  # a closed one
            connection.cursor().close()
            found.append(connection)
    return found


@pytest.mark.parametrize("wrong", BAD_FILES)
def test_a_refusal_leaves_no_connection_open(path: Path, sound: bytes, wrong: Wrong) -> None:
    """Whoever catches the error holds no file with it (from Python 3.13 on that is a warning, here an error)."""
    wrong.make(path, sound)
    path.chmod(0o600)
    before = connections()

    for open_it in (database.open_writable, database.open_copy):
        with pytest.raises(StoreError) as caught:
            open_it(path)
        left = [connection for connection in connections() if connection not in before]
        assert (caught.type, left) == (wrong.error, [])


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: change(path, "DELETE FROM _sqlite_migrations"), id="an older schema"),
        pytest.param(lambda path: path.write_text("dear diary"), id="a text"),
    ],
)
def test_a_refused_look_leaves_no_connection_open(path: Path, sound: bytes, spoil: Callable[[Path], object]) -> None:
    """What is wrong is noticed when the file is open already."""
    path.write_bytes(sound)
    spoil(path)
    before = connections()

    with pytest.raises(StoreError) as caught:
        database.open_read_only(path)

    assert (caught.type, [connection for connection in connections() if connection not in before]) == (StoreError, [])


@contextlib.contextmanager
def somebody_without_rights(path: Path) -> Iterator[None]:
    """Run the block as a user whom modes stop: root may write anywhere."""
    if os.geteuid():
        yield
        return
    for item in (path.parent, *path.parent.iterdir()):
        os.chown(item, NOBODY, NOBODY)
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("root can write to a read-only folder, and there is no other user here to be")
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("there", [pytest.param(False, id="no file yet"), pytest.param(True, id="the file is there")])
def test_a_folder_that_cannot_be_written_is_refused(sound: bytes, there: bool) -> None:
    """The -wal lies beside the file: the folder, too, must be writable; nothing is changed."""
    folder = Path(tempfile.mkdtemp())  # pytest's own folders let nobody else in
    path = folder / "syncer.db"
    if there:
        path.write_bytes(sound)
        path.chmod(0o600)
    before = files(folder)
    folder.chmod(0o555)
    try:
        with somebody_without_rights(path), pytest.raises(StoreError) as caught:
            database.open_writable(path)
        with somebody_without_rights(path), pytest.raises(StoreError) as no_lock, run_lock(path):
            pass
        after = files(folder)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)

    assert "syncer.db" in str(caught.value)
    assert "writable" in caught.value.remedy
    assert "The folder must be writable" in no_lock.value.remedy
    assert after == before


# Pragmas.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("journal_mode", "wal", id="readers do not stop the writer"),
        pytest.param("synchronous", 2, id="FULL: a commit outlives a power cut"),
        pytest.param("foreign_keys", 1, id="no message without its booking"),
        pytest.param("secure_delete", 1, id="what is erased is overwritten"),
        pytest.param("trusted_schema", 0, id="a foreign schema runs no functions"),
        pytest.param("busy_timeout", 5000, id="a reader's moment is waited for"),
    ],
)
def test_the_pragmas_hold(path: Path, name: str, value: object) -> None:
    """What the promises stand on is set on a new file and on an old one alike."""
    for _ in range(2):
        with contextlib.closing(database.open_writable(path)) as db:
            assert db.conn.execute(f"PRAGMA {name}").fetchone()[0] == value


def test_a_pragma_that_was_not_taken_is_an_error() -> None:
    """A file system without shared memory (or a database without a file) has no WAL: that is refused."""
    with contextlib.closing(Database(memory=True)) as db:
        with pytest.raises(StoreError, match="journal_mode is memory, not wal") as caught:
            database._set_pragmas(db, Path("syncer.db"))

        assert caught.value.remedy == "Is it on a network file system?"


# The lock.


def hold(path: Path) -> subprocess.Popen[str]:
    """Start a process that takes the lock, and wait until it has it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    """Let a process go, whatever became of the test."""
    holder.kill()
    holder.communicate()


def test_a_second_process_does_not_get_the_lock(path: Path) -> None:
    """Another process holds it: exit 75, and the file named."""
    holder = hold(path)
    try:
        with (
            pytest.raises(Locked, match=f"another run holds {re.escape(str(path))}.lock") as caught,
            run_lock(path),
        ):
            pytest.fail("two processes hold one lock")
    finally:
        end(holder)

    assert caught.value.exit_code == 75
    assert "two workers" in caught.value.remedy


def test_the_lock_keeps_another_process_out(path: Path) -> None:
    """This process holds it: the other one ends with 75; when it is free again, the other one gets it."""
    with run_lock(path):
        refused = subprocess.run([sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, input="", text=True, check=False)
    taken = subprocess.run(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, input="", text=True, check=False, capture_output=True
    )

    assert refused.returncode == 75
    assert (taken.returncode, taken.stdout) == (0, "held\n")


def test_the_kernel_frees_the_lock_of_a_killed_process(path: Path) -> None:
    """After SIGKILL nobody has to delete a file by hand."""
    holder = hold(path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    assert holder.returncode == -signal.SIGKILL
    assert path.with_name("syncer.db.lock").exists()
    with run_lock(path):
        pass


def test_the_lock_is_free_after_an_error(path: Path) -> None:
    """A run that failed does not keep the next one out; within one process, too, it is held once only."""

    def fail() -> None:
        with run_lock(path):
            with pytest.raises(Locked), run_lock(path):
                pass
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    with run_lock(path):
        pass


def no_folder(path: Path) -> None:
    """There is no folder."""
    path.parent.rmdir()


def a_file_for_a_folder(path: Path) -> None:
    """A file is where the folder should be."""
    path.parent.rmdir()
    path.parent.touch()


def a_folder_for_a_lock(path: Path) -> None:
    """A folder is where the lock should be."""
    path.with_name("syncer.db.lock").mkdir()


@pytest.mark.parametrize(
    ("spoil", "code", "line"),
    [
        (no_folder, 2, r"folder .* does not exist. Create it, or correct SYNCER_DB"),
        (a_file_for_a_folder, 2, r"folder .* does not exist. Create it, or correct SYNCER_DB"),
        (a_folder_for_a_lock, 1, r"syncer\.db\.lock: .*. The folder must be writable \(SYNCER_DB\)"),
    ],
)
def test_no_run_without_its_lock(path: Path, spoil: Callable[[Path], None], code: int, line: str) -> None:
    """A lock that cannot be made is an error, with its remedy."""
    spoil(path)

    with pytest.raises(StoreError) as caught, run_lock(path):
        pytest.fail("ran without a lock")

    assert not isinstance(caught.value, Locked)
    assert caught.value.exit_code == code
    assert re.search(line, f"{caught.value}. {caught.value.remedy}")


# The birth.


def test_the_birth_is_kept(path: Path) -> None:
    """It is written once; later starts, copies and looks read the same birth, name and salt."""

    def identity(db: Database) -> tuple[object, ...]:
        with Store(db) as store:
            return store.born_at, store.instance, store.digest("x")

    with Store(database.open_writable(path)) as store:
        unborn = store.born_at
        store.be_born(NOW)
        store.be_born(LATER)
    first = identity(database.open_writable(path))
    again = [
        identity(database.open_writable(path)),
        identity(database.open_copy(path)),
        identity(database.open_read_only(path)),
    ]

    assert (unborn, first[0]) == (None, NOW)
    assert again == [first] * 3


def test_a_birth_within_a_second_is_the_next_one(path: Path) -> None:
    """What was booked in this very second, but before, is the past, too; and it is the same when it is read again."""
    with Store(database.open_writable(path)) as store:
        store.be_born(NOW + timedelta(microseconds=1))
        found = store.born_at
    with Store(database.open_writable(path)) as again:
        assert found == again.born_at == NOW + timedelta(seconds=1)


def test_each_database_has_a_name_and_a_salt_of_its_own(tmp_path: Path) -> None:
    """Hashes of one database tell nothing in another, and texts of two can be told apart."""
    with (
        Store(database.open_writable(tmp_path / "one.db")) as one,
        Store(database.open_writable(tmp_path / "two.db")) as two,
    ):
        assert one.instance != two.instance
        assert one.digest("x") != two.digest("x")
        assert re.fullmatch("[0-9a-f]{16}", one.instance)


# A copy, and a look.


def test_a_copy_of_nothing_makes_nothing(path: Path) -> None:
    """A dry run before the first run: an empty database in memory, not born yet, and no file."""
    with Store(database.open_copy(path)) as store:
        assert (store.born_at, store.messages()) == (None, [])

    assert files(path.parent) == {}


def test_a_copy_leaves_the_file_as_it_is(path: Path, sound: bytes) -> None:
    """Everything that is done to a copy stays in it; beside the file nothing appears, not even for a moment."""
    path.write_bytes(sound)
    path.chmod(0o600)

    with Store(database.open_copy(path)) as store:
        for message in store.messages():
            store.claim(message, LATER)
        store.remember("account", "another")
        assert store.counts()["sending"] == 20
        assert files(path.parent) == {"syncer.db": sound}

    assert files(path.parent) == {"syncer.db": sound}


def test_a_copy_is_made_beside_an_open_writer(path: Path) -> None:
    """It holds what the writer has committed, with the -wal; file and -wal stay byte for byte, and nothing appears."""
    fill(path)
    with Store(database.open_writable(path)) as writer:
        writer.remember("account", "committed")
        before = files(path.parent)
        with Store(database.open_copy(path)) as copy:
            assert copy.meta("account") == "committed"
            copy.remember("account", "copied")
            assert without_shm(files(path.parent)) == without_shm(before)
        assert without_shm(files(path.parent)) == without_shm(before)
        assert writer.meta("account") == "committed"
        writer.remember("account", "goes on")

    assert set(before) == {"syncer.db", "syncer.db-wal", "syncer.db-shm"}
    assert set(files(path.parent)) == {"syncer.db"}


def test_a_copy_of_what_a_killed_writer_left_is_whole(path: Path, tmp_path: Path) -> None:
    """The last commits are only in the -wal then: the copy has them, file and -wal stay byte for byte."""
    with born(Store(database.open_writable(path)), NOW) as writer:
        writer.remember("account", "in the wal")
        left = tmp_path / "left"
        shutil.copytree(path.parent, left)
    before = files(left)

    with Store(database.open_copy(left / "syncer.db")) as copy:
        assert (copy.meta("account"), copy.born_at) == ("in the wal", NOW)
        copy.remember("account", "copied")

    assert set(before) == {"syncer.db", "syncer.db-wal", "syncer.db-shm"}
    assert without_shm(files(left)) == without_shm(before)


def test_a_copy_beside_a_writer_in_the_middle_of_a_transaction_shows_the_state_before(path: Path) -> None:
    """What is not committed is not there."""
    with Store(database.open_writable(path)) as writer:
        writer.remember("account", "before")
        with writer._writing():
            writer._execute("UPDATE meta SET value = 'half done' WHERE name = 'account'")
            with Store(database.open_copy(path)) as copy:
                assert copy.meta("account") == "before"


def test_a_copy_is_brought_up_to_date_in_memory_only(path: Path, sound: bytes) -> None:
    """A dry run with a new release shows its plan before the schema is changed: the file keeps its old one."""
    path.write_bytes(sound)
    path.chmod(0o600)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ours = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite%' ORDER BY rootpage DESC"
        tables = [name for (name,) in connection.execute(ours)]
    assert "messages" in tables
    change(path, "DELETE FROM _sqlite_migrations", *(f"DROP TABLE {table}" for table in tables))
    before = files(path.parent)

    with Store(database.open_copy(path)) as store:
        assert store.counts()["sent"] == 0

    assert files(path.parent) == before


def test_another_programs_database_is_left_alone(path: Path) -> None:
    """A mistyped path must not put our tables beside somebody else's."""
    change(path, "CREATE TABLE somebodys (thing)")
    path.chmod(0o600)

    with pytest.raises(WrongDatabase, match="another program's"):
        database.open_writable(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("somebodys",)]


def test_looking_changes_nothing(path: Path, sound: bytes) -> None:
    """A database that is looked at is not written, not even by mistake, and nothing appears beside it."""
    path.write_bytes(sound)

    with Store(database.open_read_only(path)) as store:
        assert len(store.messages()) == 20
        with pytest.raises(StoreError, match="readonly"):
            store.remember("account", "x")
        assert not store.db.conn.in_transaction

    assert files(path.parent) == {"syncer.db": sound}


def test_looking_beside_a_writer_sees_its_commits(path: Path) -> None:
    """`syncer status` works while the worker runs."""
    with Store(database.open_writable(path)) as writer:
        writer.remember("account", "one")
        with Store(database.open_read_only(path)) as looker:
            assert looker.meta("account") == "one"
            writer.remember("account", "two")
            assert looker.meta("account") == "two"


@pytest.mark.parametrize("name", ["syncer.db", "gone/syncer.db"])
def test_looking_at_nothing_is_an_error(path: Path, name: str) -> None:
    """A mistyped path is told, and no empty database is made there."""
    with pytest.raises(StoreError, match="does not exist") as caught:
        database.open_read_only(path.parent / name)

    assert caught.value.exit_code == 1
    assert "--db or SYNCER_DB" in caught.value.remedy
    assert files(path.parent) == {}


def test_looking_at_an_older_schema_is_an_error(path: Path, sound: bytes) -> None:
    """Its columns may be missing: `syncer migrate` first, and that is said."""
    path.write_bytes(sound)
    change(path, "DELETE FROM _sqlite_migrations")
    before = files(path.parent)

    with pytest.raises(StoreError, match="older schema") as caught:
        database.open_read_only(path)

    assert (caught.value.exit_code, caught.value.remedy) == (1, "Run `syncer migrate` first")
    assert files(path.parent) == before


# The schema.


def test_migrations_are_the_numbered_files_in_their_order() -> None:
    """Names are the files' names, numbered from 1 without a gap."""
    names = sorted(item.name.removesuffix(".sql") for item in (ROOT / "migrations").iterdir())

    assert database.migration_names() == names
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", name) for name in names)


def test_applied_migrations_are_listed_with_their_time(path: Path) -> None:
    """A new database has all of them; where there is no file, or an empty one, there are none."""
    nothing = database.applied_migrations(path)
    path.touch(mode=0o600)
    empty = database.applied_migrations(path)
    fill(path, 1)
    before = files(path.parent)
    applied = database.applied_migrations(path)

    assert (nothing, empty) == ({}, {})
    assert list(applied) == database.migration_names()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d.\d\d:\d\d:\d\dZ", since) for since in applied.values())
    assert files(path.parent) == before


def test_opening_again_migrates_nothing(path: Path) -> None:
    """Each schema change is applied once."""
    fill(path, 1)
    before = database.applied_migrations(path)
    database.open_writable(path).close()

    assert database.applied_migrations(path) == before


def test_a_schema_change_that_fails_leaves_nothing_behind(path: Path) -> None:
    """All of a script or none of it: the last table of the first one is in the way here, and no other is made."""
    change(path, "CREATE TABLE runs (kept TEXT)", "INSERT INTO runs VALUES ('mine')")
    change(
        path, "CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)"
    )
    path.chmod(0o600)

    with pytest.raises(StoreError, match="already exists") as caught:
        database.open_writable(path)

    assert caught.value.remedy
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'"
            " AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        assert tables == [("runs",)]
        assert connection.execute("SELECT kept FROM runs").fetchall() == [("mine",)]
    assert database.applied_migrations(path) == {}


def test_times_in_the_file_are_utc_text(path: Path) -> None:
    """So that text order is time order, also for people who look with sqlite3."""
    fill(path, 1)

    with contextlib.closing(sqlite3.connect(path)) as connection:
        [(born,)] = connection.execute("SELECT value FROM meta WHERE name = 'born_at'").fetchall()

    assert born == utc_text(NOW) == "2026-11-23T12:00:00Z"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        pytest.param("SQLITE_FULL", "make room", id="full"),
        pytest.param("SQLITE_BUSY_SNAPSHOT", "Another program", id="busy"),
        pytest.param("SQLITE_LOCKED", "Another program", id="locked"),
        pytest.param("SQLITE_NOTADB", "restore a backup", id="no database"),
        pytest.param("SQLITE_CORRUPT_VTAB", "restore a backup", id="damaged"),
        pytest.param("SQLITE_READONLY_DIRECTORY", "writable", id="read-only"),
        pytest.param("SQLITE_CANTOPEN", "writable", id="cannot be opened"),
        pytest.param("SQLITE_IOERR_WRITE", "Look at the disk", id="the disk"),
        pytest.param("", "Look at the disk", id="an error without a name"),
    ],
)
def test_each_error_of_sqlite_has_a_remedy(code: str, remedy: str) -> None:
    """The sentence keeps SQLite's words and its code, so that they can be looked up."""
    fault = sqlite3.OperationalError("words")
    if code:
        fault.sqlite_errorname = code

    with pytest.raises(StoreError) as caught, troubles.errors("syncer.db"):
        raise fault

    assert str(caught.value) == f"syncer.db: words ({code or 'OperationalError'})"
    assert remedy in caught.value.remedy
