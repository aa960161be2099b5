"""Forgetting people: who they are, what is erased of them, and that nothing of it comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from syncer.errors import Busy, Overtaken
from syncer.forgetting import ALIAS, Veil, names_of_forgotten, place_of_guest, typed_place, without_person
from syncer.model import State, utc_text
from syncer.reasons import Reason
from syncer.store import rows
from syncer.store.optouts import OptOuts
from syncer.store.pruning import Pruning
from syncer.store.snapshot import Snapshot
from syncer.store.troubles import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from syncer.model import Booking, Event
    from syncer.reconcile import Todo
    from syncer.store.snapshot import Batch

WHOLE, LOG = "whole", "log"
"""What is still to be cleared of what was erased: the file and its log, or the log alone."""
AT_A_TIME = 200
"""Bookings whose people are erased in one transaction."""


class People(Snapshot, OptOuts, Pruning):
    """Forgotten bookings go by the keyed hash of their address."""

    # Finding a person.

    def bookings_with(self, is_theirs: Callable[[str], bool]) -> list[str]:
        """Find the bookings in which a number stands, wherever guests write one, by start.

        Args:
            is_theirs: whether a text is that number, as people write it.
        """
        sql = "SELECT uri FROM bookings"
        uris = [row["uri"] for row in self._query(sql)]
        texted = {uri for uri, to in self._recipients() if is_theirs(to)}
        found = [
            booking
            for booking in self.bookings(uris).values()
            if booking.uri in texted or any(map(is_theirs, texts_of(booking)))
        ]
        return [booking.uri for booking in sorted(found, key=lambda one: (one.event.start, one.uri))]

    def _recipients(self) -> list[tuple[str, str]]:
        sql = "SELECT DISTINCT booking, recipient FROM messages WHERE audience = 'invitee' AND recipient != ''"
        return [(row["booking"], row["recipient"]) for row in self._query(sql)]

    def same_person(self, uris: Iterable[str]) -> list[str]:
        """Add to these bookings what is surely the same person's: the same e-mail and name, and what they moved.

        The same e-mail with another name may be somebody else: an assistant books for many.
        """
        known, fresh = set[str](), set(uris)
        while fresh:
            known |= fresh
            bookings = self.bookings(sorted(known)).values()
            who = {_who(booking) for booking in bookings if booking.invitee.email}
            alike = {uri for email, _ in who for uri in self.booking_uris(email=email)}
            links = {uri for one in bookings for uri in (one.invitee.old_invitee, one.invitee.new_invitee)} - {""}
            fresh = {one.uri for one in self.bookings(sorted(alike - known)).values() if _who(one) in who}
            fresh |= self.bookings(sorted(links)).keys() - known
        return sorted(known)

    def same_email(self, uris: Iterable[str]) -> int:
        """Count the other bookings with an e-mail that these have."""
        given = set(uris)
        emails = {booking.invitee.email for booking in self.bookings(sorted(given)).values()} - {""}
        return len({uri for email in emails for uri in self.booking_uris(email=email)} - given)

    # Forgetting.

    def veil(self, texts: Iterable[str] = ()) -> Veil:
        """Make what hides forgotten people where Calendly still shows them.

        Args:
            texts: those among which forgotten ones are looked for (`names_of_forgotten`); others it does not know.
        """
        wanted = sorted({self._mark(text) for text in texts})
        known = self._query_in("SELECT digest FROM forgotten WHERE digest IN", wanted)
        return Veil(frozenset(row["digest"] for row in known), self._mark)

    def forget(
        self, uris: Sequence[str], now: datetime, *, same: Callable[[str, str], bool], numbers: Collection[str] = ()
    ) -> int:
        """Erase the people of these bookings; the bookings and their message keys stay, by keyed hashes.

        What waits is `skipped`. The file is not clear of them before `scrub`.

        Args:
            uris: of the bookings.
            now: when.
            same: whether a text, as people write it, is a number (E.164): so opt-outs of theirs are found.
            numbers: theirs (E.164), whether a booking has them or only the list of opt-outs.

        Returns:
            How many bookings were forgotten.

        Raises:
            Busy: a text of theirs is on its way at this very moment.
        """
        bookings = [one for one in self.bookings(uris).values() if not one.uri.startswith(ALIAS)]
        if any(row.state is State.SENDING for some in self.messages_of(uris).values() for row in some):
            raise Busy("a text about this person is on its way at this moment", "Type it again in a minute")
        texts = {text for booking in bookings for text in texts_of(booking)}
        texts |= {to for uri, to in self._recipients() if uri in set(uris)}
        with self._writing():
            for booking in bookings:
                self._forget(booking, now)
            self._blank_opt_outs(lambda number: number in numbers or any(same(text, number) for text in texts))
            self._remember_scrub()
        return len(bookings)

    def _forget(self, booking: Booking, now: datetime) -> None:
        """Put a booking's alias in its place, in every table."""
        hidden = replace(booking, invitee=self.veil().hidden(booking.invitee))
        self._write_bookings([hidden])
        self._execute(
            "UPDATE messages SET state = 'skipped', reason = ?, detail = '', changed_at = ?"
            " WHERE booking = ? AND state IN ('scheduled', 'retryable')",
            [Reason.ERASED, utc_text(now), booking.uri],
        )
        self._purge([booking.uri])
        pair = [hidden.uri, booking.uri]
        self._execute(
            "UPDATE history SET key = ? || substr(key, length(?) + 1)"
            " WHERE key IN (SELECT key FROM messages WHERE booking = ?)",
            [*pair, booking.uri],
        )
        self._execute(
            "UPDATE messages SET key = ? || substr(key, length(?) + 1), booking = ?, params = '{}' WHERE booking = ?",
            [*pair, hidden.uri, booking.uri],
        )
        self._execute("UPDATE changes SET booking = ? WHERE booking = ?", pair)
        self._execute("UPDATE bookings SET old_invitee = ? WHERE old_invitee = ?", pair)
        self._execute("UPDATE bookings SET new_invitee = ? WHERE new_invitee = ?", pair)
        self._execute("DELETE FROM bookings WHERE uri = ?", [booking.uri])
        self._hide(self._mark(booking.uri), booking.event, now)
        self._hide_place(booking.event, now)

    def _hide(self, mark: str, event: Event, now: datetime) -> None:
        sql = "INSERT INTO forgotten (digest, at, ends_at) VALUES (?, ?, ?)"
        sql += " ON CONFLICT (digest) DO UPDATE SET ends_at = max(ends_at, excluded.ends_at)"
        self._execute(sql, [mark, utc_text(now), utc_text(event.end)])

    def _hide_place(self, event: Event, now: datetime) -> None:
        """Hide the place of an event that the guest typed."""
        if place := place_of_guest(event):
            self._hide(self._mark(place), event, now)
            hidden = Veil(frozenset({self._mark(place)}), self._mark).event(event)
            self._execute(
                "UPDATE events SET location = ?, mark = NULL WHERE uri = ?",
                [rows.json_text(hidden.location), event.uri],
            )

    def retain(self, ended_before: datetime, now: datetime) -> int:
        """Erase the people of bookings that ended before then and for which nothing waits; keys and states stay.

        Returns:
            How many bookings it was done to.
        """
        sql = (
            # By the index of those who still have a person: the erased ones are more from year to year.
            "SELECT b.uri FROM bookings b INDEXED BY bookings_with_person CROSS JOIN events e ON e.uri = b.event"
            " WHERE e.start_at < ? AND e.end_at < ?"
            " AND (b.name || b.email || b.text_reminder_number || b.cancel_reason != '' OR b.answers != '[]')"
            " AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.booking = b.uri"
            " AND m.state IN ('scheduled', 'retryable', 'sending'))"
        )
        uris = [row["uri"] for row in self._query(sql, [utc_text(ended_before)] * 2)]
        for at in range(0, len(uris), AT_A_TIME):
            bookings = self.bookings(uris[at : at + AT_A_TIME]).values()
            empty = [replace(one, invitee=without_person(one.invitee)) for one in bookings]
            with self._writing():
                self._write_bookings(empty)
                self._purge([one.uri for one in empty])
                for one in empty:
                    self._hide_place(one.event, now)
                self._remember_scrub()
        return len(uris)

    # What a run writes.

    def _check_forgotten(self, batch: Batch, todo: Todo) -> None:
        """Refuse to write back what was forgotten since it was read.

        Raises:
            Overtaken: a `forget` came first; read and plan again.
        """
        uris = {booking.uri for booking in batch.bookings} | {message.booking for message in todo.inserts}
        events = {reading.event.uri: reading.event for reading in batch.readings}
        veil = self.veil([*uris, *names_of_forgotten(events.values())])
        if any(map(veil.hides, uris)) or any(veil.event(event) != event for event in events.values()):
            raise Overtaken("a person was forgotten meanwhile", "The next run goes on without them")

    def _keep_forgotten(self, batch: Batch, now: datetime) -> None:
        """Remember what a forgotten booking was moved to, and hide what erased guests had typed as a place."""
        for booking in batch.bookings:
            if booking.uri.startswith(ALIAS):
                self._hide(booking.uri.removeprefix(ALIAS), booking.event, now)
        erased = [one for one in batch.bookings if one.invitee.erased]
        for booking in erased:
            self._hide_place(booking.event, now)
        if self._purge([one.uri for one in erased]):
            self._remember_scrub()

    # The file.

    def _remember_scrub(self, what: str = WHOLE) -> None:
        sql = (
            "INSERT INTO meta (name, value) VALUES ('scrub', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self._execute(sql, [what])

    def wants_scrub(self) -> bool:
        """Whether something was erased that the file may still hold between its rows, or its log."""
        return self._scrub_left() != ""

    def _scrub_left(self) -> str:
        return str(self._value("SELECT value FROM meta WHERE name = 'scrub'") or "")

    def scrub(self) -> None:
        """Write the whole file anew, without what was erased, and empty its log. For the holder of the run lock only.

        `secure_delete` clears what this program deletes; whatever else once wrote to the file may have left copies
        between its rows. Who reads the file all the time (Litestream) keeps the log from being emptied: then only that
        is tried again.

        Raises:
            Hindered: somebody reads the file, or there is no room for a copy; the next run tries again.
        """
        if self._scrub_left() == WHOLE:
            with errors("database"):
                # Its copy on the way goes beside the database, unlinked at once: /tmp may be small or not there, and
                # memory is no place for a file of any size.
                folder = Path(next(self._query("PRAGMA database_list"))["file"]).parent
                # Deprecated, and all there is: the environment is read once only, when SQLite is first used.
                self._execute("PRAGMA temp_store_directory = '{}'".format(str(folder).replace("'", "''")))
                self._execute("PRAGMA temp_store = 1")
                self._execute("VACUUM")
            with self._writing():
                self._remember_scrub(LOG)
        with errors("database"):
            busy = self._value("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise Busy("the database's log cannot be emptied while somebody reads it", "Close what reads it")
        with self._writing():
            self._execute("DELETE FROM meta WHERE name = 'scrub'")


def _who(booking: Booking) -> tuple[str, str]:
    invitee = booking.invitee
    return invitee.email.lower(), " ".join(f"{invitee.name or invitee.first_name}".casefold().split())


def texts_of(booking: Booking) -> list[str]:
    """List what a booking holds where guests write their numbers."""
    invitee = booking.invitee
    typed = [invitee.text_reminder_number, typed_place(booking.event), *(one.answer for one in invitee.answers)]
    return [text for text in typed if text]
