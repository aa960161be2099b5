"""Calendly's API v2 as syncer reads it: whole listings or an error, under the rate limit, on one origin only.

Every call is a GET, so trying again is safe and done here. `calendly_answers` says what a status means,
`calendly_shapes` what a record means, `pace` when a request may leave.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import urlencode

from syncer import calendly_accounts as accounts
from syncer import calendly_shapes as shapes
from syncer.abreast import Abandoned, side_by_side
from syncer.calendly_accounts import EventType, Me, Member
from syncer.calendly_answers import SCOPES, decipher, fields_of
from syncer.calendly_asking import Asker
from syncer.calendly_pages import ident, page, quoted_uri, resource
from syncer.calendly_remedies import UNREADABLE
from syncer.errors import BadParameter, Unreadable
from syncer.sieve import Sieve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from syncer.calendly_pages import Record
    from syncer.http import Http
    from syncer.model import Event, Invitee

__all__ = ["SCOPES", "Calendly", "EventType", "Listing", "Me", "Member", "decipher"]

PER_PAGE: Final = 100
MOST_PAGES: Final = 5_000
"""A listing of more pages than this is taken for one that never ends."""

_IDENT = re.compile(r"[A-Za-z0-9_-]+")
_SCOPES = frozenset({"user", "organization", "group"})

T = TypeVar("T")
ReadPage: TypeAlias = "Callable[[bytes, str], tuple[list[T], str]]"
"""Takes a page's body and its name for errors; gives what it holds, and the address of the next page."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing.

    Attributes:
        events: those that the sieve does not know, each once, by ascending start as far as nothing moved meanwhile.
        pages: how many it took.
        count: how many events were listed, known and unreadable ones included.
        unreadable: URIs of events whose rows cannot be read, each with the reason, which holds no value; they are not
            among `events`.
        entries: URIs of those to the id of their entry in the calendar, as far as it can be read.
    """

    events: tuple[Event, ...]
    pages: int
    count: int
    unreadable: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)


class Calendly:
    """A reader of one account. Safe to use from several threads, each with its own request in flight."""

    def __init__(
        self,
        url: str,
        token: str,
        http: Http,
        *,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
        max_per_minute: int = 0,
        on_wait: Callable[[float, str], None] | None = None,
        renew: Callable[[], str] | None = None,
        remedy: str = "",
    ) -> None:
        """Make a reader; nothing is asked yet.

        Args:
            url: the API's base, without a path; the token is never sent anywhere else.
            token: personal access token.
            http: carries the requests.
            sleep: does all the waiting, in seconds; may raise to stop.
            monotonic: seconds that never go back.
            max_per_minute: our own cap on requests; 0 = only Calendly's limit.
            on_wait: called with seconds and reason before each wait worth telling.
            renew: reads the token once more after a 401; "" = it is the same. Called by one thread at a time.
            remedy: what to do then.
        """
        self._url = url.rstrip("/")
        self._asker = Asker(
            self._url,
            token,
            http,
            sleep=sleep,
            monotonic=monotonic,
            max_per_minute=max_per_minute,
            on_wait=on_wait,
            renew=renew,
            remedy=remedy,
        )

    @property
    def requests(self) -> int:
        """How many requests were made, failed ones and repeated ones included."""
        return self._asker.requests

    @property
    def last_date(self) -> datetime | None:
        """The newest answer's Date: aware, UTC; None before the first."""
        return self._asker.last_date

    @property
    def limit(self) -> int | None:
        """Requests a minute, as Calendly's last answer or our own cap says; None = not known."""
        return self._asker.pace.limit

    @property
    def remaining(self) -> int | None:
        """How many requests may leave at once; None = not known."""
        return self._asker.pace.remaining

    def lanes(self, most: int) -> int:
        """Say how many requests are worth having in flight, at most so many: one where answers come at once."""
        return self._asker.lanes(most)

    def prepare_threads(self) -> None:
        """Import what reading needs in any case; to be called before threads read.

        Two threads that import or build something for the first time at once may crash the interpreter.
        """
        self._asker.prepare_threads()

    def skew(self, now: datetime) -> timedelta | None:
        """How far this machine's clock is ahead of Calendly's (negative: behind); None before the first answer.

        Args:
            now: this machine's time, aware. The Date of the last answer is carried on to the same moment.
        """
        return self._asker.skew(now)

    def me(self) -> Me:
        """Read whose token it is ("Get current user")."""
        return accounts.me(resource(self._asker.get(f"{self._url}/users/me", fields_of), "users/me"))

    def role(self, me: Me) -> str:
        """Read someone's role in their organization: owner, admin, user or newer; empty = not a member.

        The API lets only owners and admins list an organization ("List Events").
        """
        found = self._list(
            "/organization_memberships",
            {"user": me.uri, "organization": me.organization},
            _each_readable(accounts.member),
        )
        return next((one.role for one in found[0]), "")

    def memberships(self, organization: str) -> tuple[Member, ...]:
        """Read all users of an organization (a URI), with their time zones ("List User Organization Memberships").

        One that cannot be read is left out.
        """
        query = {"organization": organization}
        return tuple(self._list("/organization_memberships", query, _each_readable(accounts.member))[0])

    def events(
        self,
        scope: Mapping[str, str],
        since: datetime | None,
        until: datetime | None,
        *,
        cuts: Sequence[datetime] = (),
        sieve: Sieve | None = None,
    ) -> Listing:
        """List all events, active and canceled, that start in a window ("List Events").

        Args:
            scope: `user`, `organization`, `group` to their URIs; who may ask for what is documented there.
            since: earliest start, inclusive, aware; None = all of the past.
            until: latest start, inclusive, aware; None = all of the future.
            cuts: moments between them, ascending: what lies between two of them is walked side by side with the rest.
                One page names the next, so that one window cannot be.
            sieve: knows the events that need no look as they are listed; none = all of them are looked at.

        Returns:
            The complete listing; an incomplete one raises. A row that cannot be read costs that event alone.

        Raises:
            SyncerError: see `decipher`; `Unreadable` also for a page that repeats or leads to another origin, and for a
                row without a URI.
        """
        if not scope or not scope.keys() <= _SCOPES:
            raise ValueError(f"scope must be of {', '.join(sorted(_SCOPES))}: {sorted(scope)}")
        known, failed, taking = Sieve() if sieve is None else sieve, threading.Event(), threading.Lock()

        def read(body: bytes, at: str) -> tuple[list[Event], str]:
            if failed.is_set():
                raise Abandoned
            events, unreadable, after = shapes.changed(body, at, known)
            with taking:
                known.take(events, unreadable)
            return [], after

        def walk(low: datetime | None, high: datetime | None) -> int:
            bounds = {"min_start_time": low, "max_start_time": high}
            query = {name: _stamp(bound) for name, bound in bounds.items() if bound is not None}
            return self._list("/scheduled_events", {**scope, "sort": "start_time:asc", **query}, read)[1]

        walks = [partial(walk, *window) for window in pairwise([since, *cuts, until])]
        lanes = self._asker.lanes(len(walks))
        if lanes > 1:
            self.prepare_threads()
        pages = sum(side_by_side(walks, failed, lanes=lanes))
        count = known.seen + len(known.found) + known.dropped + len(known.unreadable)
        return Listing(tuple(known.found), pages, count, known.unreadable, known.entries)

    def invitees(self, event_uri: str) -> tuple[Invitee, ...]:
        """Read all invitees of an event, active and canceled, by when they booked ("List Event Invitees").

        Raises:
            NotThere: the event is gone, which is not the same as canceled.
            SyncerError: see `decipher`.
        """
        path = f"/scheduled_events/{_path_part(event_uri)}/invitees"
        found, _ = self._list(path, {}, _each(lambda record: shapes.invitee(record, event_uri)))
        return tuple({invitee.uri: invitee for invitee in found}.values())

    def event_type(self, uri: str) -> EventType:
        """Read an event type, also a deleted one ("Get Event Type")."""
        at = f"event_types/{_path_part(uri)}"
        return accounts.event_type(resource(self._asker.get(f"{self._url}/{at}", fields_of), at))

    def event_types(self, scope: Mapping[str, str]) -> tuple[EventType, ...]:
        """Read all event types of a `user` or `organization` (URIs), by name ("List User's Event Types").

        One that cannot be read is left out.
        """
        return tuple(
            self._list("/event_types", {**scope, "sort": "name:asc"}, _each_readable(accounts.listed_event_type))[0]
        )

    def _list(self, path: str, query: Mapping[str, str], read: ReadPage[T]) -> tuple[list[T], int]:
        """Read all pages, from the beginning once more if a page's address had grown too old on the way."""
        try:
            return self._walk(path, query, read)
        except BadParameter as error:
            if error.parameter != "page_token":
                raise
        return self._walk(path, query, read)

    def _walk(self, path: str, query: Mapping[str, str], read: ReadPage[T]) -> tuple[list[T], int]:
        """Follow `next_page` exactly as given: rebuilt around its token it is refused, also a second later."""
        url = f"{self._url}{path}?{urlencode({**query, 'count': str(PER_PAGE)})}"
        seen: set[str] = set()
        pages: set[bytes] = set()
        found: list[T] = []

        def take(body: bytes) -> tuple[list[T], str]:
            if (rows := _digest_of_rows(body)) in pages:
                raise Unreadable(
                    f"{path}: the listing repeats a page (page {len(seen)} has the rows of another)", UNREADABLE
                )
            answer = read(body, f"{path}, page {len(seen)}")
            pages.update([rows] if rows else [])
            return answer

        while url:
            if url in seen or len(seen) >= MOST_PAGES:
                raise Unreadable(f"{path}: the listing repeats a page or never ends (page {len(seen) + 1})", UNREADABLE)
            seen.add(url)
            rows, url = self._asker.get(url, take)
            found += rows
        return found, len(seen)


def _each(read: Callable[[Record], T]) -> ReadPage[T]:
    """Read every record of a page."""

    def read_page(body: bytes, at: str) -> tuple[list[T], str]:
        records, after = page(fields_of(body), at)
        return list(map(read, records)), after

    return read_page


def _each_readable(read: Callable[[Record], T]) -> ReadPage[T]:
    """Read every record of a page that can be read; for what decides about no text."""

    def read_page(body: bytes, at: str) -> tuple[list[T], str]:
        records, after = page(fields_of(body), at)
        found = []
        for record in records:
            with contextlib.suppress(Unreadable):
                found.append(read(record))
        return found, after

    return read_page


def _digest_of_rows(body: bytes) -> bytes:
    """Make a digest of a page's rows; empty for a page without any, whose like may come again."""
    rows = bytes(fields_of(body).get("collection", b""))
    return hashlib.blake2b(rows, digest_size=16).digest() if rows.strip(b"[] \n\r\t") else b""


def _path_part(uri: str) -> str:
    """Take a resource's id for a path: nothing but letters, digits, `_` and `-` may get there."""
    found = ident(uri)
    if not _IDENT.fullmatch(found):
        raise Unreadable(f"not the URI of a Calendly resource: {quoted_uri(uri)!r}", UNREADABLE)
    return found


def _stamp(moment: datetime) -> str:
    """Spell an aware datetime as Calendly's samples do.

    Raises:
        ValueError: the datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime: {moment!r}")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
