"""One request to Calendly's API: who asks, what for, and how a listing is cut into pages."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from syncer.sandbox.faults import spoiled
from syncer.sandbox.shapes import Record, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from syncer.sandbox.limits import Query
    from syncer.sandbox.world import World

DEFAULT_COUNT, MAX_COUNT = 20, 100
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_TITLES = {400: "Invalid Argument", 401: "Unauthenticated", 403: "Permission Denied", 404: "Resource Not Found"}


class Refusal(Exception):
    """An answer that says no, in Calendly's form: `title`, `message` and, for a 400, `details`."""

    def __init__(self, status: int, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body: Record = {"title": _TITLES.get(status, "Internal Server Error"), "message": message}
        if parameter:
            self.body["message"] = "The supplied parameters are invalid."
            self.body["details"] = [{"parameter": parameter, "message": message}]


class Call:
    """One request.

    Attributes:
        world: the world it is about.
        caller: user URI of whoever asks.
        ids: the ids in the path.
    """

    def __init__(self, world: World, request: Request, caller: str) -> None:
        self.world = world
        self.caller = caller
        self.ids: Mapping[str, str] = request.path_params
        self._path = request.url.path
        self._origin = f"{request.url.scheme}://{request.headers['host']}"
        self._query: Query = tuple(parse_qsl(request.url.query, keep_blank_values=True))
        self._offset = 0

    @property
    def is_admin(self) -> bool:
        """Whether the caller may read the whole organization."""
        return self.world.role_of(self.caller) in {"owner", "admin"}

    def params(self, *allowed: str) -> dict[str, str]:
        """Read a listing's query, in which only these names and `count` may occur, each once and with a value.

        The URL of an offered page stands for the query of the listing it belongs to.

        Raises:
            Refusal: 400; also for a page token that is unknown, too old, or in a URL that was rebuilt around it.
        """
        token = dict(self._query).get("page_token")
        if token is not None:
            page = self.world.pages.open(token, self._path, self._query)
            if page is None:
                raise Refusal(400, "is invalid", "page_token")
            self._query, self._offset = page.query, page.offset
        found: dict[str, str] = {}
        for name, value in self._query:
            if name not in {"count", *allowed} or name in found or not value:
                raise Refusal(400, "is invalid", name)
            found[name] = value
        return found

    def page(self, asked: Mapping[str, str], rows: list[Record], faults: list[str] | None = None) -> Record:
        """Cut one page out of the rows and offer its neighbours.

        `next_page_token` is deliberately not the token inside `next_page`: the real API was seen to refuse every URL
        that was rebuilt around it.

        Args:
            asked: the query.
            rows: all rows of the listing, in its order.
            faults: names from `PAGE_FAULTS`; the first one is used up and spoils this page.
        """
        text = asked.get("count", str(DEFAULT_COUNT))
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_COUNT):
            raise Refusal(400, f"must be between 1 and {MAX_COUNT}", "count")
        size = min(int(text), self.world.page_limit)
        end = self._offset + size
        here = [self.world.shown(row) for row in rows[self._offset : end]]
        after = self._offer(end) if end < len(rows) else (None, None)
        before = self._offer(max(0, self._offset - size)) if self._offset else (None, None)
        answer: Record = {
            "collection": here,
            "pagination": {
                "count": len(here),
                "next_page": after[0],
                "next_page_token": after[1],
                "previous_page": before[0],
                "previous_page_token": before[1],
            },
        }
        return spoiled(answer, faults.pop(0)) if faults else answer

    def _offer(self, offset: int) -> tuple[str, str]:
        """Offer a page: its URL on the origin that the client called, and the token that opens nothing."""
        url_query = self.world.pages.offer(self._path, self._query, offset)
        return f"{self._origin}{self._path}?{urlencode(url_query)}", url_query[-1][1][::-1]


def one_of(asked: Mapping[str, str], name: str, *values: str) -> None:
    """Refuse a parameter that is given and is none of these values."""
    if name in asked and asked[name] not in values:
        raise Refusal(400, f"must be one of {', '.join(values)}", name)


def is_descending(asked: Mapping[str, str], field: str) -> bool:
    """Read `sort`, which knows this one field in both directions; ascending when it is not given."""
    one_of(asked, "sort", f"{field}:asc", f"{field}:desc")
    return asked.get("sort") == f"{field}:desc"


def bound(asked: Mapping[str, str], name: str) -> str:
    """Read a UTC time and spell it as a stamp; empty when not given."""
    text = asked.get(name, "")
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise Refusal(400, "is not a valid UTC time", name)
    return stamp(moment)
