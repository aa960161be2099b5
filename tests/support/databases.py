"""New databases for tests, copied from a template: making the schema anew costs some 40 ms each time.

Tests of the making itself (`test_database`, `test_place`, `test_upgrade`, ...) do without it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlite_utils import Database

from syncer.model import utc_text
from syncer.store import Store, database

if TYPE_CHECKING:
    from datetime import datetime


@cache
def template() -> Path:
    """Make a database with the product's own schema changes, once a process; it has no birth yet."""
    folder, owner = Path(tempfile.mkdtemp(prefix="syncer-template-")), os.getpid()

    def clean_up() -> None:
        # A forked child that ends inherits this handler: it must not take the template away from its parent.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(clean_up)
    path = folder / "template.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # The mode stays in the file. A connection in this mode takes its log (-wal) away when it closes.
        connection.execute("PRAGMA journal_mode = wal")
        database.migrations().apply(Database(connection, execute_plugins=False))
    path.chmod(0o600)
    assert [item.name for item in folder.iterdir()] == [path.name]
    return path


def new_database(path: Path) -> Path:
    """Put a copy of the template there, unless there is a file already; its first run gives it its birth."""
    if not path.exists():
        shutil.copy(template(), path)
    return path


def a_store(path: Path, *, now: datetime) -> Store:
    """Open a store on a real file; a new one is born at `now`, as if its first listing had been asked for then."""
    return born(Store(database.open_writable(new_database(path))), now)


def a_store_in_memory(*, now: datetime) -> Store:
    """Open an empty store without a file, born at `now`."""
    return born(Store(database.open_copy(template())), now)


def birth(store: Store) -> datetime:
    """The birth of a store that has one."""
    assert store.born_at is not None
    return store.born_at


def born(store: Store, now: datetime) -> Store:
    """Give a new store its birth."""
    store.be_born(now)
    return store


def set_birth(path: Path, at: datetime) -> None:
    """Play that a database on a file, and all its rules, are from another moment."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE name = 'born_at'", [utc_text(at)])
        db.execute("UPDATE rules SET born_at = ?", [utc_text(at)])
