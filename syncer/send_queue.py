"""The order in which texts leave. Pure, and quick for many thousands."""

from __future__ import annotations

from bisect import bisect_left
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from syncer.model import Message


def number_of(message: Message) -> str:
    """Give the number of a message."""
    return message.to


class SendQueue:
    """Messages that are due, in the order in which they should leave.

    Two texts to one number keep their order, and are never in flight at the same time. So where the first text in order
    is to a number with one in flight, it is passed over, and the next one may leave. It comes first again when its
    number is free.
    """

    def __init__(self, messages: Iterable[Message], group: Callable[[Message], str] = number_of) -> None:
        """Take the messages in their order.

        Args:
            messages: what is due.
            group: names what a message belongs to; messages of one group keep their order. Those to one number must
                be of one group.
        """
        self._waiting: dict[str, list[Message]] = {}
        self._places: dict[str, list[int]] = {}
        self._count = 0
        for message in messages:
            name = group(message)
            self._waiting.setdefault(name, []).append(message)
            self._places.setdefault(name, []).append(self._count)
            self._count += 1
        self._taken = dict.fromkeys(self._waiting, 0)
        self._free = [(places[0], name) for name, places in self._places.items()]
        heapify(self._free)
        self._passed: set[str] = set()  # groups that are not in `_free`, as the number of their first text was busy

    def __len__(self) -> int:
        """Count what waits."""
        return self._count

    def has_free(self, busy: Collection[str]) -> bool:
        """Whether a text waits that may leave.

        Args:
            busy: numbers with a text in flight, or about to be.
        """
        for name in [name for name in self._passed if self._first(name).to not in busy]:
            self._passed.remove(name)
            heappush(self._free, (self._places[name][self._taken[name]], name))
        while self._free and self._first(self._free[0][1]).to in busy:
            self._passed.add(heappop(self._free)[1])
        return bool(self._free)

    def take(self, busy: Collection[str], room: int) -> Message | None:
        """Take the next message out; None = none may leave before an answer comes.

        Args:
            busy: numbers with a text in flight, or about to be.
            room: how many texts may leave under all caps. Those that are passed over keep their part of it.
        """
        if not self.has_free(busy):
            return None
        place, name = self._free[0]
        if room < self._count and self._ahead(place) >= room:
            return None
        heappop(self._free)
        message = self._first(name)
        self._taken[name] += 1
        self._count -= 1
        if self._taken[name] < len(self._waiting[name]):
            self._passed.add(name)
        return message

    def _first(self, name: str) -> Message:
        return self._waiting[name][self._taken[name]]

    def _ahead(self, place: int) -> int:
        """Count the texts before this place that are passed over."""
        return sum(
            bisect_left(self._places[name], place, self._taken[name]) - self._taken[name] for name in self._passed
        )
