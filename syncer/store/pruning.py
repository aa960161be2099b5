"""Deletes bookings whose meeting ended long ago, with all their rows; hashes of what was sent stay for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.forgetting import ALIAS
from syncer.model import State, utc_text
from syncer.store.sql import Sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

AT_A_TIME = 200
"""Bookings that are deleted in one transaction."""
NEVER_PRUNED = (State.SCHEDULED, State.RETRYABLE, State.SENDING, State.UNKNOWN, State.FAILED)
"""States of messages that keep their booking: they wait, or a person has to decide."""


class Pruning(Sql):
    """Keeps the database from growing with the age of the account."""

    def prune(self, ended_before: datetime, *, alive: Callable[[], None]) -> int:
        """Delete the bookings whose meeting ended before then, with their events, messages, history and changes.

        A booking stays while one of its messages waits or needs a person, and while a later booking that it was moved
        to is known: that one's plan looks at what the guest was told before.

        Args:
            ended_before: aware; no listing may still hold what ended before it.
            alive: called between transactions.

        Returns:
            How many bookings were deleted.
        """
        total = 0
        while uris := self._prunable_bookings(ended_before):
            alive()
            with self._writing():
                self._prune(uris)
            total += len(uris)
        while events := self._prunable_events(ended_before):
            alive()
            with self._writing():
                self._executemany("DELETE FROM events WHERE uri = ?", [(uri,) for uri in events])
        with self._writing():
            self._execute("DELETE FROM forgotten WHERE ends_at < ?", [utc_text(ended_before)])
        return total

    def pruned_keys(self, keys: Iterable[str]) -> set[str]:
        """Find those of these message keys that were sent and whose rows are deleted."""
        ids = {self._short_id("m", key): key for key in keys}
        known = self._query_in("SELECT id FROM pruned_messages WHERE id IN", list(ids))
        return {ids[row["id"]] for row in known}

    def _prunable_bookings(self, ended_before: datetime) -> list[str]:
        kept = ", ".join(f"'{state}'" for state in NEVER_PRUNED)
        sql = (
            "SELECT b.uri FROM events e JOIN bookings b ON b.event = e.uri"  # noqa: S608  constants
            " WHERE e.start_at < ? AND e.end_at < ?"
            f" AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.booking = b.uri AND m.state IN ({kept}))"
            " AND NOT EXISTS (SELECT 1 FROM bookings n WHERE n.old_invitee = b.uri AND n.uri != b.uri)"
            " AND NOT EXISTS (SELECT 1 FROM bookings n WHERE b.new_invitee != '' AND n.uri = b.new_invitee"
            " AND n.uri != b.uri) LIMIT ?"
        )
        return [row["uri"] for row in self._query(sql, [*[utc_text(ended_before)] * 2, AT_A_TIME])]

    def _prunable_events(self, ended_before: datetime) -> list[str]:
        sql = (
            "SELECT e.uri FROM events e WHERE e.start_at < ? AND e.end_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.event = e.uri) LIMIT ?"
        )
        return [row["uri"] for row in self._query(sql, [*[utc_text(ended_before)] * 2, AT_A_TIME])]

    def _prune(self, uris: list[str]) -> None:
        """Delete these bookings, inside a transaction."""
        values = [(uri,) for uri in uris]
        self._executemany(
            # Also what was tried and then given up: an operator may have canceled a text that nobody knew about.
            "INSERT INTO pruned_messages (id) SELECT id FROM messages"
            " WHERE booking = ? AND (state = 'sent' OR attempts > 0) ON CONFLICT (id) DO NOTHING",
            values,
        )
        self._executemany("DELETE FROM history WHERE key IN (SELECT key FROM messages WHERE booking = ?)", values)
        self._executemany("DELETE FROM messages WHERE booking = ?", values)
        self._executemany("DELETE FROM changes WHERE booking = ?", values)
        self._executemany("DELETE FROM bookings WHERE uri = ?", values)
        forgotten = [(uri.removeprefix(ALIAS),) for uri in uris if uri.startswith(ALIAS)]
        self._executemany("DELETE FROM forgotten WHERE digest = ?", forgotten)
