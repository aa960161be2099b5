"""Tells the rows of a listing that are as they were from those that need a look, without reading any of them. Pure.

Of each event the snapshot keeps a mark: a keyed hash of the very bytes that Calendly listed, of the fields that make an
event news. A row with the same mark is the same event, unchanged. One with another mark may be the same all the same (a
key order, a field syncer does not know): then it is read and compared, which costs time, but is never wrong.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from bisect import bisect_left
from heapq import nsmallest
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from syncer.model import Event


RENEWED_AT_ONCE = 2_000
"""New marks that are written together: each write waits for the disk, and the list takes memory."""


class Sieve:
    """The marks of a snapshot, nine bytes each, and what a listing brings that they do not know.

    Several threads at once may have it make marks and look them up; taking is for one at a time.

    Attributes:
        dropped: how many new events were left for the next listing.
        unreadable: URIs of events that were listed in rows that cannot be read, each with the reason.
    """

    def __init__(
        self,
        key: bytes = b"",
        marks: Iterable[int] = (),
        *,
        near: datetime | None = None,
        most: int = 0,
        which: Callable[[Sequence[str]], Collection[str]] = tuple,
        unchanged: Callable[[Sequence[Event]], Mapping[str, int]] = lambda _: {},
        renew: Callable[[Sequence[tuple[str, int]]], None] = lambda _: None,
    ) -> None:
        """Take the marks in.

        Args:
            key: at most 64 bytes; only this database has it, so that nobody can make two events look the same.
            marks: of the events that need no look as long as they are listed as they were.
            near: the present, aware: of new events the nearest are kept.
            most: keep so many new events, and some more, at most; 0 = all. A first listing of a large account would
                be held in memory for hours.
            which: says which of these URIs the snapshot has: their events are all kept.
            unchanged: says which of these events differ from the snapshot in bytes only, each with the mark it has
                there. They need no look, and are not kept: one new field in Calendly's answers changes every row.
            renew: writes the marks that such events have now.
        """
        self._hash = hashlib.blake2b(digest_size=8, key=key)
        self._marks = array("q", sorted(marks))
        self._seen = bytearray(len(self._marks))
        self._near, self._most, self._which = near, most, which
        self._unchanged, self._renew = unchanged, renew
        self._renewed: list[tuple[str, int]] = []
        self._new: dict[str, Event] = {}
        self._changed: dict[str, Event] = {}
        self.dropped = 0
        self.unreadable: dict[str, str] = {}
        self.entries: dict[str, str] = {}
        """Of rows that cannot be read: URI -> the calendar's id, which joins the halves of a move all the same."""

    def marks(self, listed: Iterable[bytes]) -> array[int]:
        """Make the marks of events from what was listed of each."""
        digests = bytearray()
        for one in listed:
            made = self._hash.copy()
            made.update(one)
            digests += made.digest()
        marks = array("q", digests)
        if sys.byteorder == "big":  # a database may be moved to another machine
            marks.byteswap()
        return marks

    def held(self, marks: Iterable[int]) -> list[bool]:
        """Say of each event whether the snapshot has it just so; it counts as seen then."""
        known, seen, end = self._marks, self._seen, len(self._marks)
        held = []
        for mark in marks:
            at = bisect_left(known, mark)
            found = at < end and known[at] == mark
            if found:
                seen[at] = 1
            held.append(found)
        return held

    def take(self, events: Sequence[Event], unreadable: Mapping[str, str] = MappingProxyType({})) -> None:
        """Keep events that are not known as they were listed, and which ones could not be read.

        Of an event listed twice the later sight counts: whoever trusts the earlier one might text about a meeting that
        is canceled by now.
        """
        for uri in unreadable:
            self._changed.pop(uri, None)
            self._new.pop(uri, None)
        for event in events:
            self.unreadable.pop(event.uri, None)
        self.unreadable.update(unreadable)
        events = self._without_unchanged(events)
        known = self._which([event.uri for event in events]) if self._most else ()
        for event in events:
            (self._changed if event.uri in known or not self._most else self._new)[event.uri] = event
        if len(self._new) > self._most * 5 // 4:
            self._drop()

    def _without_unchanged(self, events: Sequence[Event]) -> Sequence[Event]:
        """Leave out what differs from the snapshot in bytes only, and note its new marks."""
        old_marks = self._unchanged([event for event in events if event.mark is not None]) if events else {}
        if not old_marks:
            return events
        self.held(old_marks.values())
        for event in events:
            if event.uri in old_marks:
                self._changed.pop(event.uri, None)
                if event.mark is not None:
                    self._renewed.append((event.uri, event.mark))
        if len(self._renewed) >= RENEWED_AT_ONCE:
            self.renew_marks()
        return [event for event in events if event.uri not in old_marks]

    def renew_marks(self) -> None:
        """Write the new marks of what differs in bytes only: listed so again, it is known at once."""
        renewed, self._renewed = self._renewed, []
        if renewed:
            self._renew(renewed)

    def _drop(self) -> None:
        """Keep the nearest new events only."""
        now = self._near
        if now is not None:
            kept = nsmallest(self._most, self._new.values(), key=lambda event: nearness(event, now))
            self.dropped += len(self._new) - len(kept)
            self._new = {event.uri: event for event in kept}

    @property
    def found(self) -> list[Event]:
        """The events that were not known as they were listed, each once."""
        return [*self._changed.values(), *(event for uri, event in self._new.items() if uri not in self._changed)]

    @property
    def size(self) -> int:
        """Count the marks."""
        return len(self._marks)

    @property
    def seen(self) -> int:
        """How many of them were seen."""
        return self._seen.count(1)

    def unseen(self) -> list[int]:
        """List the marks that were not: their events changed, or were not listed."""
        if self.seen == self.size:
            return []
        return [mark for mark, seen in zip(self._marks, self._seen, strict=True) if not seen]


def nearness(event: Event, now: datetime) -> tuple[bool, timedelta]:
    """Sort events by what is read first: the nearest meeting ahead; past ones come last."""
    return event.start < now, abs(event.start - now)
