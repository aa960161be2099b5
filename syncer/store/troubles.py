"""Connections for looking only, and what SQLite's errors mean: one sentence and what to do. Knows no schema."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from syncer.errors import Busy, NoRoom, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
