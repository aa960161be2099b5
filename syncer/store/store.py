"""All of the database in one class: what it remembers of itself, and the transactions that touch several tables."""

from __future__ import annotations

import contextlib
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from sqlite_utils import Database

from syncer.errors import Older, StoreError, WrongDatabase
from syncer.model import from_utc_text, utc_text
from syncer.outbox import LONGEST_PAUSE
from syncer.reasons import Reason
from syncer.store import rows
from syncer.store.database import check_health, is_check_due, remember_check
from syncer.store.people import People
from syncer.store.place import Ballast
from syncer.store.troubles import connect_read_only, errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from syncer.births import Coverage, Era
    from syncer.reconcile import Todo
    from syncer.store.lock import Witness
    from syncer.store.snapshot import Batch

RUNS_KEPT = timedelta(days=30)
MOST_RUNS = 200_000
"""Rows of runs that are kept while no clock can be checked: a month of runs every 15 seconds."""
CLOCKS_AGREE = timedelta(minutes=2)
"""Two clocks that went on alike, but for so much, were both right."""


class Store(People):
    """An open database, whole. Not for use from several threads at once.

    Attributes:
        born_at: when the first complete listing was asked for; nothing due before it is ever sent. None = not yet.
        restored_at: when a backup was put back; what was due before may have been sent. None = never.
        instance: a random name of this database, which travels with each text.
    """

    def __init__(self, db: Database, path: Path | None = None, witness: Witness | None = None) -> None:
        """Take over an open database.

        Args:
            db: from `database`.
            path: its file, for one that texts are sent from: then room on the disk is looked after.
            witness: from `lock`, for the same.

        Raises:
            StoreError: it is damaged, or there is no room beside it.
        """
        super().__init__(db)
        if path is not None:
            self._path, self._ballast = path, Ballast(path)
            self.lay_ballast()
        self._witness = witness
        meta = {row["name"]: row["value"] for row in self._query("SELECT name, value FROM meta")}
        try:
            self.born_at = from_utc_text(meta["born_at"]) if "born_at" in meta else None
            self.instance: str = meta["instance"]
            self._salt = bytes.fromhex(meta["salt"])
            self.restored_at = from_utc_text(meta["restored_at"]) if "restored_at" in meta else None
        except (KeyError, ValueError):
            db.close()
            remedy = "It is damaged: restore a backup, then run `syncer restored`"
            raise StoreError("the database has lost its birth time, name or salt", remedy) from None
        if self.born_at is None and self._value("SELECT 1 FROM bookings LIMIT 1"):
            db.close()
            remedy = "It is damaged: restore a backup, then run `syncer restored`"
            raise StoreError("the database holds bookings and has lost its birth time", remedy)

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.db.close()

    def meta(self, name: str) -> str:
        """Read one remembered value; empty when there is none."""
        return str(self._value("SELECT value FROM meta WHERE name = ?", [name]) or "")

    def check_witness(self) -> None:
        """Compare the database with what the lock file saw of it.

        Raises:
            Older: it does not know of all that left from here.
        """
        instance, claims = (self._witness.read() if self._witness else None) or (self.instance, 0)
        if instance != self.instance and self.last_run() is not None:
            remedy = "Put that one back; or, if this one is to stay, run `syncer restored`"
            raise Older("this is not the database that was here in the last run", remedy)
        lost = claims - self._claims() if instance == self.instance else 0
        if lost > 0:
            remedy = "If a backup was put back, run `syncer restored`; if its -wal file was taken away, put that back"
            raise Older(f"the database has lost {lost} of the texts that left from here", remedy)

    def check_file(self, now: datetime) -> None:
        """Check the whole file once a day, on a connection of its own that only reads.

        Raises:
            StoreError: it is damaged.
        """
        path = self._path
        if path is None or not is_check_due(self.db, now):
            return
        with errors(path), contextlib.closing(connect_read_only(path)) as connection:
            check_health(Database(connection, execute_plugins=False), path)
        with errors("database"):
            remember_check(self.db, now)

    def remember(self, name: str, value: str) -> None:
        """Remember one value."""
        with self._writing():
            self._remember(name, value)

    def _remember(self, name: str, value: str) -> None:
        sql = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._execute(sql, [name, value])

    def bind(self, account: str, user: str, token: str) -> None:
        """Bind the database to a Calendly organization, or check that it is bound to this one.

        Args:
            account: the organization's URI.
            user: the URI of the user whose token it is; another admin of the same organization may take over.
            token: the token, of which only a keyed hash is kept.

        Raises:
            WrongDatabase: it was made for another account.
        """
        bound = self.meta("account")
        if bound and bound != account:
            remedy = "Use that account's token, or another file (SYNCER_DB) for this one"
            raise WrongDatabase(f"this database belongs to {bound}, the token to {account}", remedy)
        self.remember("account", account)
        self.remember("user", user)
        self.remember("token_digest", self.digest(token))

    def knows_token(self, token: str) -> bool:
        """Whether this very token was checked before against the account: then nobody need be asked again."""
        return bool(self.meta("account")) and hmac.compare_digest(self.meta("token_digest"), self.digest(token))

    def restored(self, now: datetime, ticks: float | None = None) -> int:
        """Set aside what was due before now: the database that this backup replaces may have sent it.

        Args:
            now: by a clock that nobody has checked yet, where `ticks` are given.
            ticks: seconds of a clock that nobody sets, at the same moment; see `check_restored`.

        Returns:
            How many waiting messages became `unknown`; what is first planned later follows in `plan`.
        """
        with self._writing():
            count = self._execute(
                "UPDATE messages SET state = 'unknown', reason = ?, detail = '', changed_at = ?"
                " WHERE state IN ('scheduled', 'retryable') AND min(scheduled_at, next_at) <= ?",
                [Reason.RESTORED, utc_text(now), utc_text(now)],
            )
            self._remember("restored_at", utc_text(now))
            self._execute("DELETE FROM meta WHERE name = 'restored_ticks'")
            if ticks is not None:
                self._remember("restored_ticks", str(ticks))
        self.restored_at = now
        self._bear_witness()
        return count

    def check_restored(self, now: datetime, ticks: float) -> int | None:
        """Check the time of a restore by a clock that agrees with Calendly's; done once after each restore.

        If both clocks went on alike since then, it was right. Else it was wrong, or the machine was started again and
        nobody can tell: then all that was due until now is set aside, and what is due later is put back.

        Args:
            now: when the listing was asked for.
            ticks: seconds of the clock that nobody sets, at the same moment.

        Returns:
            None = there was nothing to correct; else how many waiting messages became `unknown`.
        """
        told = self.meta("restored_ticks")
        if not told or self.restored_at is None:
            return None
        passed = timedelta(seconds=ticks - float(told))
        if passed >= timedelta() and abs(now - passed - self.restored_at) <= CLOCKS_AGREE:
            with self._writing():
                self._execute("DELETE FROM meta WHERE name = 'restored_ticks'")
            return None
        with self._writing():
            self._execute(
                "UPDATE messages SET state = 'scheduled', reason = NULL, detail = '', changed_at = ?"
                " WHERE state = 'unknown' AND reason = ? AND min(scheduled_at, next_at) > ?",
                [utc_text(now), Reason.RESTORED, utc_text(now)],
            )
        return self.restored(now)

    def pause(self, until: datetime) -> None:
        """Remember that the gateway wants no message before then; a run that starts meanwhile heeds it, too."""
        self.remember("paused_until", utc_text(until))

    def paused_until(self, now: datetime) -> datetime | None:
        """Until when nothing may leave; None = it may. What lies further ahead than any pause is a clock's mistake."""
        until = rows.moment_or_none(self.meta("paused_until") or None)
        return until if until is not None and now < until <= now + LONGEST_PAUSE * 2 else None

    def remember_checked(self, last: int) -> None:
        """Note up to which cancellation they were looked at; see `unchecked_cancellations`."""
        self.remember("cancellations_checked", str(last))

    def be_born(self, now: datetime) -> None:
        """Set the birth of a database that has none yet.

        Args:
            now: when the first complete listing was asked for, by a clock that agreed with Calendly's.
        """
        if self.born_at is None:
            # Rounded up: what was booked in this very second, but before, is the past, too.
            born_at = utc_text(now + timedelta(microseconds=999_999))
            self.remember("born_at", born_at)
            self.born_at = from_utc_text(born_at)

    def meet_rules(self, coverages: Mapping[str, Coverage], now: datetime) -> dict[str, list[Era]]:
        """Note what rules cover that they did not cover before, and forget rules that are gone.

        Args:
            coverages: what each rule covers now, by its name.
            now: from when on.

        Returns:
            What each rule covered, by its name, oldest first.
        """
        eras = self._eras()
        if {name: known[-1].coverage for name, known in eras.items()} == dict(coverages):
            return eras
        is_first = not self.meta("policy")
        # The rules that a database is born with are as old as it is.
        since = utc_text((is_first and self.born_at) or now)
        changed = [name for name in coverages if name not in eras or eras[name][-1].coverage != coverages[name]]
        gone = [name for name in eras if name not in coverages or (is_first and name in changed)]
        with self._writing():
            self._executemany("DELETE FROM rules WHERE name = ?", [(name,) for name in gone])
            self._insert(
                "rules",
                [{"name": name, "covers": rows.json_text(coverages[name]), "born_at": since} for name in changed],
            )
        return self._eras()

    def _eras(self) -> dict[str, list[Era]]:
        eras: dict[str, list[Era]] = {}
        for row in self._query("SELECT name, covers, born_at FROM rules ORDER BY id"):
            eras.setdefault(row["name"], []).append(rows.era_of(row))
        return eras

    def policy_changed_at(self) -> datetime | None:
        """Since when the settings that decide about texts are what they are; None = since the first start."""
        return rows.moment_or_none(self.meta("policy_changed_at") or None)

    def changed_wordings(self, contents: Mapping[str, str]) -> list[str]:
        """Name the templates whose wording is not what it was when last noticed; one never seen before is no change."""
        seen = self._wordings()
        return [one for one, content in contents.items() if seen.get(one) not in {None, self.digest(content)}]

    def notice_wordings(self, contents: Mapping[str, str], now: datetime) -> list[str]:
        """Remember what templates say (id -> text); returns those that `changed_wordings`."""
        changed, seen = self.changed_wordings(contents), self._wordings()
        fresh = [template for template in contents if template in changed or template not in seen]
        if fresh:
            seen_at = utc_text(now)
            found = [{"template": one, "digest": self.digest(contents[one]), "seen_at": seen_at} for one in fresh]
            with self._writing():
                self._upsert("templates", found, key="template")
        return changed

    def _wordings(self) -> dict[str, str]:
        return {row["template"]: row["digest"] for row in self._query("SELECT template, digest FROM templates")}

    def commit(self, batch: Batch, todo: Todo, now: datetime) -> None:
        """Write what was read and what follows from it, in one transaction.

        Raises:
            Overtaken: a message was no longer in the state that the plan was made for, or somebody was forgotten
                meanwhile; nothing is written.
        """
        if not (batch.readings or batch.bookings or batch.changes or batch.missing or todo.inserts or todo.updates):
            return
        changes = [
            {"at": utc_text(now), "booking": one.booking, "event": one.event, "kind": one.kind, "detail": one.detail}
            for one in batch.changes
        ]
        with self._writing():
            self._check_forgotten(batch, todo)
            self._upsert("events", self._event_rows(batch), key="uri")
            self._write_bookings(batch.bookings)
            self._insert_messages(todo.inserts)
            for before, message in todo.updates:
                self._update(message, before)
            self._keep_forgotten(batch, now)
            self._insert("changes", changes)
            self._executemany(
                "UPDATE events SET missing_at = ? WHERE uri = ? AND missing_at IS NULL",
                [(utc_text(now), uri) for uri in batch.missing],
            )

    def _event_rows(self, batch: Batch) -> list[rows.Row]:
        again = self._wanted_since(batch)
        return [
            rows.event_row(
                row.event,
                read_at=row.read_at,
                reread_at=row.reread_at,
                settles_at=again.get(row.event.uri, row.settles_at),
            )
            for row in batch.readings
        ]

    def record_run(self, run: Mapping[str, Any]) -> None:
        """Write the one row of a run, and forget runs older than a month, by a clock that was checked."""
        with self._writing():
            self._insert("runs", [dict(run)])
            if run["checked"]:
                oldest = from_utc_text(run["ended_at"]) - RUNS_KEPT
                self._execute(
                    "DELETE FROM runs WHERE number <"
                    " (SELECT number FROM runs WHERE checked = 1 AND ended_at >= ? ORDER BY number LIMIT 1)",
                    [utc_text(oldest)],
                )
            self._execute("DELETE FROM runs WHERE number <= (SELECT max(number) FROM runs) - ?", [MOST_RUNS])

    def last_run(self, *, outcome: str = "") -> dict[str, Any] | None:
        """Read the newest run, of one outcome or of any."""
        sql = "SELECT * FROM runs WHERE ? IN ('', outcome) ORDER BY number DESC LIMIT 1"
        return next(self._query(sql, [outcome]), None)
