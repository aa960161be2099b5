"""Connections for looking only, whose database a file is, and what SQLite's errors mean."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from syncer.errors import Busy, NoRoom, StoreError, WrongDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_Connection = TypeVar("_Connection", bound=sqlite3.Connection)

MIGRATIONS = "_sqlite_migrations"
"""The table that `sqlite_utils` keeps schema changes in; other programs may have one, too."""


FIRST_READ = "SELECT 1 FROM sqlite_schema LIMIT 1"
NO_LOCKS = ("SQLITE_CANTOPEN", "SQLITE_READONLY")
"""What SQLite says where it can make no -shm."""
COPIES = 5
"""How often a database is copied for a look, if it is written to meanwhile."""
LOOK_AS_OWNER = "Look at it as the user that syncer runs as, or copy it with its -wal to a folder of your own"


@contextlib.contextmanager
def closed_on_failure(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hand out a connection, and close it if something goes wrong with it."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


class Look(sqlite3.Connection):
    """A connection for looking only; closing it takes away what it had to put beside the file.

    Attributes:
        path: the file, if its -wal and -shm were made for this look.
    """

    path: Path | None = None

    def close(self) -> None:
        """Close it."""
        super().close()
        path, self.path = self.path, None
        if path is None:
            return
        # SQLite itself takes them away, when the last connection that may write is closed, and nobody else has it open.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(_connect(path, "rw", sqlite3.Connection)) as last:
            last.execute(FIRST_READ).fetchone()


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Connect to the file for looking only: with SQLite's locks, as somebody may write to it at any moment.

    Where no lock can be had, as nothing can be made beside the file, it is copied into memory.

    Raises:
        StoreError: it cannot be copied.
    """
    log, memory = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    made = not log.exists()
    connection = _connect(path, "ro", Look)
    connection.path = path if made else None
    try:
        connection.execute(FIRST_READ).fetchone()  # nothing is opened before
    except sqlite3.OperationalError as error:
        connection.close()
        # Who writes has a -shm, and with that one can look: no writer, no locks.
        if getattr(error, "sqlite_errorname", "").startswith(NO_LOCKS) and not memory.exists():
            return _copied(path)
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, mode: str, factory: type[_Connection]) -> _Connection:
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=5.0, check_same_thread=False, factory=factory)


def _copied(path: Path) -> sqlite3.Connection:
    """Copy a database with its -wal into memory; a copy that somebody wrote into meanwhile is made anew.

    Raises:
        StoreError: it cannot be copied.
    """
    import shutil
    import tempfile

    files = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    try:
        for _ in range(COPIES):
            before = [_state(file) for file in files]
            with tempfile.TemporaryDirectory(prefix="syncer-") as folder:
                for file in files[:2]:
                    if file.exists():
                        shutil.copyfile(file, f"{folder}/{file.name}")
                with contextlib.closing(sqlite3.connect(f"{folder}/{path.name}")) as source:
                    copy = sqlite3.connect(":memory:", check_same_thread=False)
                    with closed_on_failure(copy):
                        source.backup(copy)
            if [_state(file) for file in files] == before:
                copy.execute("PRAGMA query_only = 1")
                return copy
            copy.close()
    except OSError as error:
        raise StoreError(f"{path}: it cannot be copied for a look: {error.strerror}", LOOK_AS_OWNER) from None
    raise Busy(f"{path}: somebody writes to it all the time", LOOK_AS_OWNER)


def _state(file: Path) -> tuple[int, ...]:
    """Say what changes when a file is written to; empty = it is not there."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_owner(connection: sqlite3.Connection, path: object) -> None:
    """Refuse another program's database, before anything is advised about it or set in it; an empty one is nobody's.

    Raises:
        WrongDatabase: it is one.
    """
    found = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    names = {name for (name,) in found if not name.startswith("sqlite_")}
    if names <= {MIGRATIONS} or (MIGRATIONS in names and _is_ours(connection)):
        return
    raise WrongDatabase(f"{path} is another program's database", "Name a file of its own with --db or SYNCER_DB")


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Whether schema changes of ours were applied; none at all is what a start that was cut short leaves."""
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({MIGRATIONS})")}
    if not {"migration_set", "name"} <= columns:
        return False
    applied = {name for (name,) in connection.execute(f"SELECT DISTINCT migration_set FROM {MIGRATIONS}")}  # noqa: S608  a constant
    return "syncer" in applied or not applied


@contextlib.contextmanager
def errors(path: object) -> Iterator[None]:
    """Turn SQLite's errors into one sentence with a remedy.

    Raises:
        StoreError: whatever SQLite raised.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or type(error).__name__
        raise _kind(name)(f"{path}: {one_line(error)} ({name})", _remedy(name)) from None
    except UnicodeDecodeError:  # SQLite's own message about a damaged schema quotes it
        raise StoreError(f"{path}: damaged text", _remedy("SQLITE_CORRUPT")) from None


def _kind(name: str) -> type[StoreError]:
    if name.startswith("SQLITE_FULL"):
        return NoRoom
    return Busy if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) else StoreError


def one_line(said: object) -> str:
    """Put what SQLite says of a damage, which may be several lines, on one."""
    return " ".join(str(said).split())


def _remedy(name: str) -> str:
    if name.startswith("SQLITE_FULL"):
        return "The disk is full: make room and start again; nothing is lost"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "Another program is writing to it: close it and start again"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "It is not a sound database: restore a backup, then run `syncer restored`"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return "It must be readable and writable for this user, and so must its folder"
    return "Look at the disk; nothing was sent after this"
