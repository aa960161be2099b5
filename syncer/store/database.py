"""Opens the database file: its pragmas, its schema, its name. What surrounds the file is in `place` and `lock`.

Knows nothing of bookings or messages. A problem here is one clear sentence and an exit code; a file that cannot be used
is never replaced by an empty one.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from syncer.errors import StoreError, WrongDatabase
from syncer.model import from_utc_text, utc_text
from syncer.reasons import EXPLANATIONS
from syncer.store.place import check_kind, check_place, make_private
from syncer.store.troubles import check_owner, closed_on_failure, connect_read_only, errors, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from importlib.resources.abc import Traversable

SQLITE = sqlite3.sqlite_version
"""The SQLite that Python has."""
OLDEST_SQLITE = (3, 37)
"""The first with STRICT tables."""
CHECKED_EVERY = timedelta(days=1)
"""How often the whole file is checked: it takes 3 s for 300,000 messages, too long for each start of a job a minute."""
PAGES_IN_THE_LOG = 500
"""When so many wait in the log (WAL), they are moved into the file: 2 MB, half of SQLite's usual."""


def check_sqlite() -> None:
    """Check the SQLite that Python has.

    Raises:
        StoreError: it is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(f"SQLite {SQLITE} is too old", f"Use a Python with SQLite {wanted} or newer")


def migrations() -> Migrations:
    """Make the list of schema changes from the numbered .sql files, in their order."""
    found = Migrations("syncer")
    for script in _scripts():
        sql = script.read_text(encoding="utf-8")
        found(name=script.name.removesuffix(".sql"))(lambda db, sql=sql: db.executescript(sql))
    return found


def migration_names() -> list[str]:
    """List the names of all schema changes of this release, in their order."""
    return [script.name.removesuffix(".sql") for script in _scripts()]


def applied_migrations(path: Path) -> dict[str, str]:
    """Read which schema changes a database has, and since when (UTC); a file that is not there has none.

    Raises:
        WrongDatabase: it is another program's.
    """
    if not path.exists() or not path.stat().st_size:
        return {}
    check_kind(path)
    with errors(path), contextlib.closing(connect_read_only(path)) as connection:
        check_owner(connection, path)
        found = migrations().applied(Database(connection, execute_plugins=False))
        return {item.name: item.applied_at[:19] + "Z" for item in found}


def _scripts() -> list[Traversable]:
    # A wheel carries them inside the package; an editable install and a checkout have them beside it.
    inside = resources.files("syncer") / "migrations"
    folder: Traversable = inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "migrations"
    found = folder.iterdir() if folder.is_dir() else iter(())
    scripts = sorted((item for item in found if item.name.endswith(".sql")), key=lambda item: item.name)
    if not scripts:
        raise StoreError("this installation has no migrations", "Install syncer again")
    return scripts


def say_nothing(_: str) -> None:
    """Tell nobody."""


def open_writable(
    path: Path,
    *,
    now: datetime | None = None,
    checkpoints: bool = True,
    note: Callable[[str], None] = say_nothing,
) -> Database:
    """Open the database, made with mode 0600 if it is not there, with its schema up to date.

    A new one has no birth yet: see `Store.be_born`.

    Args:
        path: the file; its folder must exist.
        now: the present, aware: the whole file is checked if that was not done for a day. None = it is in any case.
        checkpoints: whether this connection moves the log (WAL) into the file. Only the holder of the run lock should:
            before SQLite 3.51.3 two connections that do so at once may damage the file.
        note: told what was put right: a file that everybody could read.

    Raises:
        StoreError: it cannot be opened, is damaged, or the disk is full.
        WrongDatabase: it is another program's, or was written by a newer syncer.
    """
    check_place(path)
    with errors(path), closed_on_failure(sqlite3.connect(path, timeout=5.0, check_same_thread=False)) as connection:
        db = Database(connection, execute_plugins=False)
        check_owner(connection, path)
        if line := make_private(path):
            note(line)
        _set_pragmas(db, path)
        whole = now is None or is_check_due(db, now)
        (check_health if whole else check_readable)(db, path)
        db.conn.execute(f"PRAGMA wal_autocheckpoint = {PAGES_IN_THE_LOG if checkpoints else 0}")
        _migrate(db, path)
        _keep_reasons(db)
        _name(db)
        if whole and now is not None:
            remember_check(db, now)
    return db


def open_copy(path: Path) -> Database:
    """Open a copy of the database in memory, brought up to date there: whatever happens to it, the file stays as it is.

    A file that does not exist gives an empty database.
    """
    if path.exists():
        check_kind(path)
    with errors(path), closed_on_failure(sqlite3.connect(":memory:", check_same_thread=False)) as copy:
        if path.exists():
            with contextlib.closing(connect_read_only(path)) as source:
                source.backup(copy)
        check_owner(copy, path)
        db = Database(copy, execute_plugins=False)
        _migrate(db, path)
        _keep_reasons(db)
        _name(db)
    return db


def open_read_only(path: Path) -> Database:
    """Open the database for looking only.

    Raises:
        StoreError: it is not there, or cannot be read.
        WrongDatabase: it is another program's.
    """
    if not path.exists():
        raise StoreError(f"{path} does not exist", "`syncer run` makes it; or name it with --db or SYNCER_DB")
    check_kind(path)
    with errors(path), closed_on_failure(connect_read_only(path)) as connection:
        check_owner(connection, path)
        db = Database(connection, execute_plugins=False)
        if migrations().pending(db):
            raise StoreError(f"{path} has an older schema", "Run `syncer migrate` first")
    return db


def _set_pragmas(db: Database, path: Path) -> None:
    """Set what the promises stand on, and read it back: a build of SQLite may be compiled with other defaults.

    WAL without FULL loses the last commit on a power cut, and with it the record that a text has left.
    """
    wanted: dict[str, object] = {
        "journal_mode": "wal",
        "synchronous": 2,
        "fullfsync": 1,  # macOS: fsync alone leaves the data in the drive's cache
        "foreign_keys": 1,
        "secure_delete": 1,
        "trusted_schema": 0,
    }
    for name, value in wanted.items():
        db.conn.execute(f"PRAGMA {name} = {value}")
    got = {name: db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    if wrong := [name for name in wanted if got[name] != wanted[name]]:
        told = ", ".join(f"{name} is {got[name]}, not {wanted[name]}" for name in wrong)
        raise StoreError(f"{path}: SQLite did not take its settings: {told}", "Is it on a network file system?")


def check_health(db: Database, path: Path) -> None:
    """Check that the database is whole.

    Raises:
        StoreError: it is damaged.
    """
    # Whole, not quick: only this compares each index with its table, and a key that its index has lost is a key twice.
    # A third more time (0.37 s for 130 MiB).
    health = db.conn.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if health != "ok":
        remedy = "Restore a backup, then run `syncer restored`; nothing was sent"
        raise StoreError(f"{path} is damaged: {one_line(health)}", remedy)


def check_readable(db: Database, path: Path) -> None:
    """Check what can be checked at each start: the length of the file, its schema, and a row by an index.

    Raises:
        StoreError: it is damaged.
    """
    db.conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    db.conn.execute("SELECT state FROM messages ORDER BY key LIMIT 1").fetchone()
    pages, size = (db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    # Pages that are only in the log make the database longer than its file.
    if path.stat().st_size + _size_of_log(path) < pages * size:
        remedy = "Restore a backup, then run `syncer restored`; nothing was sent"
        raise StoreError(f"{path} is damaged: it was cut off", remedy)


def _size_of_log(path: Path) -> int:
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def is_check_due(db: Database, now: datetime) -> bool:
    """Whether the whole file was not checked for a day; a check in the future was made while a clock was wrong."""
    if db.conn.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone() is None:
        return True
    row = db.conn.execute("SELECT value FROM meta WHERE name = 'health_checked_at'").fetchone()
    return row is None or not now - CHECKED_EVERY < from_utc_text(row[0]) <= now


def remember_check(db: Database, now: datetime) -> None:
    """Note that the whole file was checked."""
    with db.atomic():
        db.conn.execute(
            "INSERT INTO meta (name, value) VALUES ('health_checked_at', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [utc_text(now)],
        )


def _migrate(db: Database, path: Path) -> None:
    known = migrations()
    if newer := sorted({item.name for item in known.applied(db)} - set(migration_names())):
        raise WrongDatabase(f"{path} was written by a newer syncer (schema {newer[-1]})", "Install that version again")
    if known.pending(db):
        known.apply(db)


def _keep_reasons(db: Database) -> None:
    """Let the table of reasons say what this release says; a code that it does not know stays."""
    wanted = {(str(code), text.sentence, text.remedy) for code, text in EXPLANATIONS.items()}
    there = {(row["code"], row["sentence"], row["remedy"]) for row in db.query("SELECT * FROM reasons")}
    if wanted - there:
        with db.atomic():
            db.conn.executemany(
                "INSERT INTO reasons (code, sentence, remedy) VALUES (?, ?, ?)"
                " ON CONFLICT (code) DO UPDATE SET sentence = excluded.sentence, remedy = excluded.remedy",
                sorted(wanted - there),
            )


def _name(db: Database) -> None:
    """Give a new database its random name, which travels with each text, and the key of its hashes."""
    made = {"instance": secrets.token_hex(8), "salt": secrets.token_hex(16)}
    if next(db.query("SELECT 1 FROM meta WHERE name IN ('instance', 'salt')"), None) is None:
        with db.atomic():
            db.conn.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", list(made.items()))
