"""Calendly's two moods: pages that only their own URL opens, and a number of requests a minute."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Query: TypeAlias = tuple[tuple[str, str], ...]

PAGE_LIFE = timedelta(seconds=600)
"""A page URL of the real API was measured to work after 600 s and to be refused after 1,200 s."""
MINUTE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was offered.

    Attributes:
        path: the listing it belongs to.
        url_query: the query of its URL, token included: only exactly this opens it.
        query: the listing's own query, with what the URL does not show (`sort`).
        offset: first row.
        offered: when, aware UTC.
    """

    path: str
    url_query: Query
    query: Query
    offset: int
    offered: datetime


class Pages:
    """The pages on offer, by token."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._offered: dict[str, Page] = {}

    def offer(self, path: str, query: Query, offset: int) -> Query:
        """Offer the rows from `offset` on; returns the query of the page's URL.

        `sort` is kept although the URL does not show it, as the real one does.
        """
        now = self._now()
        self._offered = {token: page for token, page in self._offered.items() if now - page.offered <= PAGE_LIFE}
        token = hashlib.sha256(repr((path, query, offset, now)).encode()).hexdigest()[:40]
        url_query = (*((name, value) for name, value in query if name != "sort"), ("page_token", token))
        self._offered[token] = Page(path, url_query, query, offset, now)
        return url_query

    def open(self, token: str, path: str, url_query: Query) -> Page | None:
        """Open a page; None = no such token, not its URL, or too old."""
        page = self._offered.get(token)
        if page is None or (page.path, page.url_query) != (path, url_query):
            return None
        return page if self._now() - page.offered <= PAGE_LIFE else None


class Quota:
    """Requests a user in a minute; the window is fixed and begins with its first request."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._windows: dict[str, tuple[datetime, int]] = {}

    def spent(self, user: str) -> int:
        """Count a user's requests in the present window."""
        began, count = self._windows.get(user, (self._now(), 0))
        return count if timedelta(0) <= self._now() - began < MINUTE else 0

    def spend(self, user: str) -> None:
        """Count one more request of a user."""
        count = self.spent(user)
        began = self._windows[user][0] if count else self._now()
        self._windows[user] = (began, count + 1)
