"""A look at the database for the health probe: with nothing but SQLite, as it may be taken every minute."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncer.errors import StoreError
from syncer.model import State
from syncer.store.place import check_kind
from syncer.store.troubles import check_owner, closed_on_failure, connect_read_only, errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MISSING = "`syncer run` makes it; or name it with --db or SYNCER_DB"


@dataclass(frozen=True, slots=True)
class Glance:
    """What a database says of its worker; times as the database spells them, UTC.

    Attributes:
        last_complete_run: when it ended; None = there was none.
        last_outcome: of the last run, whatever it was; None = there was none.
        last_error: what went wrong in it; None = nothing.
        next_message_at: when the next waiting message may be sent; None = nothing waits.
        messages: how many there are in each state.
        held: how many waiting messages a guard holds until a person decides.
        unreadable: events that cannot be read, by URI, with the reason.
        outage: since when the gateway does not answer, and until when nothing leaves; None = it answers.
    """

    last_complete_run: str | None
    last_outcome: str | None
    last_error: str | None
    next_message_at: str | None
    messages: Mapping[str, int]
    held: int
    unreadable: Mapping[str, str]
    outage: tuple[str, str] | None


def glance(path: Path) -> Glance:
    """Look at a database, without opening it for more than that.

    Raises:
        StoreError: it is not there, or cannot be read.
        WrongDatabase: it is another program's.
    """
    if not path.exists():
        raise StoreError(f"{path} does not exist", MISSING)
    check_kind(path)
    with errors(path), closed_on_failure(connect_read_only(path)) as opened, contextlib.closing(opened) as db:
        check_owner(db, path)
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'runs'").fetchone() is None:
            raise StoreError(f"{path} has an older schema", "Run `syncer migrate` first")
        newest = "ORDER BY ended_at DESC, rowid DESC LIMIT 1"
        done = db.execute(f"SELECT ended_at FROM runs WHERE outcome = 'completed' {newest}").fetchone()  # noqa: S608  a constant
        last = db.execute(f"SELECT outcome, error FROM runs {newest}").fetchone()  # noqa: S608  likewise
        waiting = "SELECT min(next_at) FROM messages WHERE state IN ('scheduled', 'retryable')"
        next_at = db.execute(waiting).fetchone()[0]
        held = "SELECT count(*) FROM messages WHERE state IN ('scheduled', 'retryable') AND reason = 'held_by_guard'"
        waits = db.execute(held).fetchone()[0]
        unreadable = dict(db.execute("SELECT uri, error FROM unreadable_events ORDER BY since, uri").fetchall())
        outage = db.execute("SELECT since, ends_at FROM outages WHERE ends_at IS NOT NULL").fetchone()
        counts = dict(db.execute("SELECT state, count(*) FROM messages GROUP BY state").fetchall())
    return Glance(
        last_complete_run=done[0] if done else None,
        last_outcome=last[0] if last else None,
        last_error=(last[1] or None) if last else None,
        next_message_at=next_at,
        messages={str(state): counts.get(state, 0) for state in State},
        held=waits,
        unreadable=unreadable,
        outage=(outage[0], outage[1]) if outage else None,
    )
