"""Connections for looking only, whose database a file is, and what SQLite's errors mean."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from syncer.errors import Busy, NoRoom, StoreError, WrongDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MIGRATIONS = "_sqlite_migrations"
"""The table that `sqlite_utils` keeps schema changes in; other programs may have one, too."""


@contextlib.contextmanager
def closed_on_failure(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hand out a connection, and close it if something goes wrong with it."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Connect to the file for looking only."""
    # Without a -wal file nothing but the file itself is needed: then leave not even a -shm behind.
    wal = path.with_name(path.name + "-wal")
    mode = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
    uri = f"{path.resolve().as_uri()}?{mode}"
    return sqlite3.connect(uri, uri=True, timeout=5.0, check_same_thread=False)


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
