"""Plain statements over one connection: transactions that only write, queries, and what SQLite's errors mean."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncer.store.troubles import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlite_utils import Database

CHUNK = 500
"""Values in one IN list: SQLite's limit of variables is far above."""
AT_ONCE = 100
"""Rows in one statement; likewise."""


MARK = 32
"""Hexadecimal digits of a mark: 128 bits."""
ID = 16
"""Hexadecimal digits of a short id: 64 bits, so that no two of a million are likely to be alike."""


class Sql:
    """An open database. Not for use from several threads at once: one writer, in the order of its calls."""

    _salt: bytes

    def __init__(self, db: Database) -> None:
        self.db = db

    def digest(self, text: str) -> str:
        """Hash a text with this database's own key."""
        return hmac.new(self._salt, text.encode(), hashlib.sha256).hexdigest()

    def _mark(self, text: str) -> str:
        return self.digest(text)[:MARK]

    def _short_id(self, kind: str, text: str) -> str:
        """Make the short id of a message (`m`) or a booking (`b`) from its key or URI."""
        return f"{kind}-{self.digest(text)[:ID]}"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with errors("database"):
            # IMMEDIATE: a deferred transaction that reads first fails at once when another one writes.
            self.db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.db.rollback()
                raise
            self.db.commit()

    def _insert(self, table: str, records: Sequence[Mapping[str, Any]], *, then: str = "") -> None:
        """Insert rows that have the same columns, many in one statement.

        One statement a row would let other threads have the interpreter at each: a batch would wait for it a hundred
        times.
        """
        for at in range(0, len(records), AT_ONCE):
            some = records[at : at + AT_ONCE]
            names = list(some[0])
            row = f"({', '.join('?' * len(names))})"
            sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([row] * len(some))} {then}"  # noqa: S608  constants
            self._execute(sql, [record[name] for record in some for name in names])

    def _upsert(self, table: str, records: Sequence[Mapping[str, Any]], *, key: str) -> None:
        if records:
            sets = ", ".join(f"{name} = excluded.{name}" for name in records[0] if name != key)
            self._insert(table, records, then=f"ON CONFLICT ({key}) DO UPDATE SET {sets}")

    def _execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        return self.db.conn.execute(sql, values).rowcount

    def _executemany(self, sql: str, records: Iterable[Any]) -> None:
        self.db.conn.executemany(sql, records)

    def _query(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[dict[str, Any]]:
        with errors("database"):
            yield from self.db.query(sql, dict(values) if isinstance(values, Mapping) else list(values))

    def _value(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """Run a query for one value; None = it found none. Not by sqlite-utils: it takes three times as long."""
        with errors("database"):
            row = self.db.conn.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _query_in(self, sql: str, values: Sequence[str | int]) -> list[dict[str, Any]]:
        """Run a query that ends in IN, with its values a chunk at a time."""
        found: list[dict[str, Any]] = []
        for at in range(0, len(values), CHUNK):
            chunk = list(values[at : at + CHUNK])
            found += self._query(f"{sql} ({', '.join('?' * len(chunk))})", chunk)
        return found
