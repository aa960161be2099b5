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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHELVES = 256


class Sieve:
    """The marks of a snapshot, nine bytes each. May be asked from several threads at once."""

    def __init__(self, key: bytes = b"", marks: Iterable[int] = ()) -> None:
        """Take the marks in.

        Args:
            key: at most 64 bytes; only this database has it, so that nobody can make two events look the same.
            marks: of the events that need no look as long as they are listed as they were.
        """
        self._hash = hashlib.blake2b(digest_size=8, key=key)
        shelves = [array("q") for _ in range(SHELVES)]
        for mark in marks:
            shelves[mark % SHELVES].append(mark)
        self._shelves = [array("q", sorted(shelf)) for shelf in shelves]
        self._seen = [bytearray(len(shelf)) for shelf in shelves]

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
        held = []
        for mark in marks:
            number = mark % SHELVES
            shelf = self._shelves[number]
            at = bisect_left(shelf, mark)
            found = at < len(shelf) and shelf[at] == mark
            if found:
                self._seen[number][at] = 1
            held.append(found)
        return held

    @property
    def size(self) -> int:
        """Count the marks."""
        return sum(map(len, self._shelves))

    @property
    def seen(self) -> int:
        """How many of them were seen."""
        return sum(seen.count(1) for seen in self._seen)

    def unseen(self) -> list[int]:
        """List the marks that were not: their events changed, or were not listed."""
        return [
            mark
            for shelf, seen in zip(self._shelves, self._seen, strict=True)
            if 0 in seen
            for mark, was_seen in zip(shelf, seen, strict=True)
            if not was_seen
        ]
