"""Calendly's API v2 as syncer reads it: whole listings or an error, under the rate limit, on one origin only.

Every call is a GET, so trying again is safe and done here. `calendly_answers` says what a status means,
`calendly_shapes` what a record means, `pace` when a request may leave.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlencode

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from syncer import calendly_shapes as shapes
from syncer.calendly_answers import SCOPES, decipher
from syncer.calendly_shapes import EventType, Me, Member
from syncer.errors import BadParameter, CalendlyBusy, NotConnected, NoUsableAnswer, Unreadable
from syncer.http import http_date, prepare, same_origin
from syncer.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import msgspec

    from syncer.http import Answer, Http
    from syncer.model import Event, Invitee

__all__ = ["SCOPES", "Calendly", "EventType", "Listing", "Me", "Member", "decipher"]

DEADLINE: Final = 30.0
"""Seconds for one request and its whole answer."""
BODY_CAP: Final = 10 * 1024 * 1024
"""Most bytes of an answer."""
ATTEMPTS: Final = 5
LONGEST_WAIT: Final = 60.0
"""Seconds: never wait longer than this because Calendly says so."""
PATIENCE: Final = 90.0
"""Seconds of waiting between the tries of one request, together."""
PER_PAGE: Final = 100
MOST_PAGES: Final = 5_000
"""A listing of more pages than this is taken for one that never ends."""
TOO_MANY: Final = 429

_IDENT = re.compile(r"[A-Za-z0-9_-]+")
_SCOPES = frozenset({"user", "organization", "group"})
_AGAIN = (CalendlyBusy, NotConnected, NoUsableAnswer)
_GROWING = wait_exponential(multiplier=0.5, max=8) + wait_random(0, 0.25)
_JITTER = wait_random(0, 1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing: every event once, by ascending start as far as nothing moved during the walk."""

    events: tuple[Event, ...]
    pages: int


class Calendly:
    """A reader of one account. Safe to use from several threads, each with its own request in flight.

    Attributes:
        requests: how many requests were made, failed ones and repeated ones included.
        last_date: the newest answer's Date: aware, UTC; None before the first.
    """

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
        """
        self._url = url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",  # a page of a hundred events shrinks to a tenth
        }
        self._http = http
        self._sleep = sleep
        self._monotonic = monotonic
        self._on_wait = on_wait
        self._pace = Pace(sleep=sleep, monotonic=monotonic, max_per_minute=max_per_minute, on_wait=on_wait)
        self._lock = threading.Lock()
        self._dated_at = 0.0
        self.requests = 0
        self.last_date: datetime | None = None

    @property
    def limit(self) -> int | None:
        """Requests a minute, as Calendly's last answer or our own cap says; None = not known."""
        return self._pace.limit

    @property
    def remaining(self) -> int | None:
        """How many requests may leave at once; None = not known."""
        return self._pace.remaining

    def skew(self, now: datetime) -> timedelta | None:
        """How far this machine's clock is ahead of Calendly's (negative: behind); None before the first answer.

        Args:
            now: this machine's time, aware. The Date of the last answer is carried on to the same moment.
        """
        with self._lock:
            if self.last_date is None:
                return None
            return now - (self.last_date + timedelta(seconds=self._monotonic() - self._dated_at))

    def me(self) -> Me:
        """Read whose token it is ("Get current user")."""
        return shapes.me(shapes.resource(self._get(f"{self._url}/users/me"), "users/me"))

    def role(self, me: Me) -> str:
        """Read someone's role in their organization: owner, admin, user or newer; empty = not a member.

        The API lets only owners and admins list an organization ("List Events").
        """
        found = self._list(
            "/organization_memberships", {"user": me.uri, "organization": me.organization}, shapes.member
        )
        return next((one.role for one in found[0]), "")

    def memberships(self, organization: str) -> tuple[Member, ...]:
        """Read all users of an organization (a URI), with their time zones ("List User Organization Memberships")."""
        return tuple(self._list("/organization_memberships", {"organization": organization}, shapes.member)[0])

    def events(self, scope: Mapping[str, str], since: datetime | None, until: datetime | None) -> Listing:
        """List all events, active and canceled, that start in a window ("List Events").

        Args:
            scope: `user`, `organization`, `group` to their URIs; who may ask for what is documented there.
            since: earliest start, inclusive, aware; None = all of the past.
            until: latest start, inclusive, aware; None = all of the future.

        Returns:
            The complete listing; an incomplete one raises.

        Raises:
            SyncerError: see `decipher`; `Unreadable` also for a page that repeats or leads to another origin.
        """
        if not scope or not scope.keys() <= _SCOPES:
            raise ValueError(f"scope must be of {', '.join(sorted(_SCOPES))}: {sorted(scope)}")
        query = {**scope, "sort": "start_time:asc"}
        for name, bound in (("min_start_time", since), ("max_start_time", until)):
            if bound is not None:
                query[name] = _stamp(bound)
        found, pages = self._list("/scheduled_events", query, shapes.event)
        # Rows may shift between two pages: the later sight of an event is the newer one.
        return Listing(tuple({event.uri: event for event in found}.values()), pages)

    def invitees(self, event_uri: str) -> tuple[Invitee, ...]:
        """Read all invitees of an event, active and canceled, by when they booked ("List Event Invitees").

        Raises:
            NotThere: the event is gone, which is not the same as canceled.
            SyncerError: see `decipher`.
        """
        path = f"/scheduled_events/{_path_part(event_uri)}/invitees"
        found, _ = self._list(path, {}, lambda record: shapes.invitee(record, event_uri))
        return tuple({invitee.uri: invitee for invitee in found}.values())

    def event_type(self, uri: str) -> EventType:
        """Read an event type, also a deleted one ("Get Event Type")."""
        at = f"event_types/{_path_part(uri)}"
        return shapes.event_type(shapes.resource(self._get(f"{self._url}/{at}"), at))

    def event_types(self, scope: Mapping[str, str]) -> tuple[EventType, ...]:
        """Read all event types of a `user` or `organization` (URIs), by name ("List User's Event Types")."""
        return tuple(self._list("/event_types", {**scope, "sort": "name:asc"}, shapes.event_type)[0])

    def _list(self, path: str, query: Mapping[str, str], read: Callable[[shapes.Record], T]) -> tuple[list[T], int]:
        """Read all pages, from the beginning once more if a page's address had grown too old on the way."""
        try:
            return self._walk(path, query, read)
        except BadParameter as error:
            if error.parameter != "page_token":
                raise
        return self._walk(path, query, read)

    def _walk(self, path: str, query: Mapping[str, str], read: Callable[[shapes.Record], T]) -> tuple[list[T], int]:
        """Follow `next_page` exactly as given: rebuilt around its token it is refused, also a second later."""
        url = f"{self._url}{path}?{urlencode({**query, 'count': str(PER_PAGE)})}"
        seen: set[str] = set()
        found: list[T] = []
        while url:
            if url in seen or len(seen) >= MOST_PAGES:
                raise Unreadable(f"{path}: the listing repeats a page or never ends (page {len(seen) + 1})")
            seen.add(url)
            rows, url = shapes.page(self._get(url), f"{path}, page {len(seen)}")
            found += map(read, rows)
        return found, len(seen)

    def _get(self, url: str) -> dict[str, msgspec.Raw]:
        """Ask until there is an answer, or no hope of one."""
        if not same_origin(url, self._url):
            raise Unreadable("Calendly's answer leads to another address than CALENDLY_API_URL: not followed")
        prepared = prepare("GET", url, headers=self._headers)

        def ask() -> dict[str, msgspec.Raw]:
            self._pace.take()
            with self._lock:
                self.requests += 1
            try:
                answer = self._http.exchange(prepared, deadline=DEADLINE, cap=BODY_CAP)
            except NotConnected:
                self._pace.give_back()
                raise
            except BaseException:
                self._pace.lost()
                raise
            self._note(answer)
            return decipher(answer.status, answer.headers, answer.body)

        again = Retrying(
            sleep=self._sleep,
            retry=retry_if_exception_type(_AGAIN),
            wait=self._wait,
            stop=lambda state: stop_after_attempt(ATTEMPTS)(state) or state.idle_for + state.upcoming_sleep > PATIENCE,
            before_sleep=self._tell,
            reraise=True,
        )
        return again(ask)

    def _note(self, answer: Answer) -> None:
        self._pace.answered(answer.headers, refused=answer.status == TOO_MANY)
        date = http_date(answer.headers.get("date"))
        if date is not None:
            with self._lock:
                self.last_date, self._dated_at = date.astimezone(UTC), self._monotonic()

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: what Calendly asked for, else 0.5, 1, 2, 4 …; always with some jitter."""
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, CalendlyBusy) or error.retry_after is None:
            return _GROWING(state)
        wait = min(error.retry_after, LONGEST_WAIT) + _JITTER(state)
        if error.status == TOO_MANY:  # no other thread's request gets through, either
            self._pace.hold(wait)
        return wait

    def _tell(self, state: RetryCallState) -> None:
        if self._on_wait is not None and state.outcome is not None:
            self._on_wait(state.upcoming_sleep, str(state.outcome.exception()))


def _path_part(uri: str) -> str:
    """Take a resource's id for a path: nothing but letters, digits, `_` and `-` may get there."""
    found = shapes.ident(uri)
    if not _IDENT.fullmatch(found):
        raise Unreadable(f"not the URI of a Calendly resource: {shapes.quoted_uri(uri)!r}")
    return found


def _stamp(moment: datetime) -> str:
    """Spell an aware datetime as Calendly's samples do.

    Raises:
        ValueError: the datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime: {moment!r}")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
