"""Both APIs in memory with the public methods of `Calendly` and `EngageLab`: honest, countable, and failing on order.

`tests/contract/test_conformance.py` runs the same cases against these and against the real clients over the sandbox.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from syncer.calendly import PER_PAGE, EventType, Listing, Me, Member
from syncer.engagelab import Signature, Template, request_body
from syncer.errors import AccessRefused, NotThere, SyncerError
from syncer.http import prepare
from syncer.outbox import Accepted, NotNow, Outcome, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from syncer.http import Prepared
    from syncer.model import Event, Invitee, Message
    from syncer.sieve import Sieve

API = "https://api.calendly.com"
ME = Me(f"{API}/users/mara", f"{API}/organizations/pier", "mara@northpier.example", "Mara Lindqvist", "America/Chicago")


class FakeCalendly:
    """Calendly in memory.

    Attributes:
        known: the events by URI; change it as you like, or with `put`.
        people: the invitees by their event's URI.
        types: the event types by URI.
        groups: the hosts of each group, by URI.
        unreadable: URIs of events whose rows cannot be read, each with the reason; known to it or not.
        on_invitees: called with an event's URI before its invitees are given; may raise.
        calls: what was asked, as (method, argument), oldest first.
        requests: how many requests the real one would have made.
    """

    limit: int | None = None
    remaining: int | None = None

    def __init__(
        self,
        events: Iterable[Event] = (),
        invitees: Mapping[str, Sequence[Invitee]] | None = None,
        *,
        me: Me = ME,
        role: str = "owner",
        members: Iterable[Member] | None = None,
        types: Iterable[EventType] = (),
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """Fill it.

        Args:
            events: what there is.
            invitees: event URI to its invitees; an event without any has none.
            me: whose token it is.
            role: of that user.
            members: of the organization; None = only that user.
            types: event types.
            clock: the time of its Date headers, aware; None = it sends none.
        """
        self.known = {event.uri: event for event in events}
        self.people = {uri: tuple(some) for uri, some in (invitees or {}).items()}
        self.types = {one.uri: one for one in types}
        self.groups: dict[str, frozenset[str]] = {}
        self.unreadable: dict[str, str] = {}
        self.on_invitees: Callable[[str], None] | None = None
        self.calls: list[tuple[str, str]] = []
        self.requests = 0
        self.last_date: datetime | None = None
        self._me = me
        self._role = role
        self._members = tuple(members or (Member(me.uri, me.email, me.name, me.timezone, role),))
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: dict[str, deque[Exception]] = {}

    def put(self, event: Event, *invitees: Invitee) -> Self:
        """Add or replace an event; its invitees are replaced when some are given."""
        self.known[event.uri] = event
        if invitees:
            self.people[event.uri] = invitees
        return self

    def fail(self, method: str, error: Exception, *, times: int = 1) -> None:
        """Let the next calls of a method raise."""
        self._faults.setdefault(method, deque()).extend([error] * times)

    def skew(self, now: datetime) -> timedelta | None:
        """How far `now` is ahead of this Calendly."""
        return None if self.last_date is None else now - self.last_date

    def lanes(self, most: int) -> int:
        """As many as there may be."""
        return most

    def prepare_threads(self) -> None:
        """Need nothing."""

    def me(self) -> Me:
        """Whose token it is."""
        self._called("me", "")
        return self._me

    def role(self, me: Me) -> str:
        """The user's role."""
        self._called("role", me.uri)
        return next((one.role for one in self._members if one.uri == me.uri), "")

    def memberships(self, organization: str) -> tuple[Member, ...]:
        """Everybody."""
        self._called("memberships", organization)
        return self._members if organization == self._me.organization else ()

    def events(
        self,
        scope: Mapping[str, str],
        since: datetime | None,
        until: datetime | None,
        *,
        cuts: Sequence[datetime] = (),  # noqa: ARG002  one window is a whole listing, too
        sieve: Sieve | None = None,  # noqa: ARG002  no mark, no sieve: everything is looked at
    ) -> Listing:
        """The events of the window, both ends included, by start."""
        hosts = self._hosts(scope)
        found = [
            event
            for event in sorted(self.known.values(), key=lambda event: event.start)
            if (since is None or event.start >= since)
            and (until is None or event.start <= until)
            and (hosts is None or hosts & {host.uri for host in event.hosts})
        ]
        listed = {event.uri for event in found}
        odd = {uri: why for uri, why in self.unreadable.items() if uri in listed or uri not in self.known}
        found = [event for event in found if event.uri not in odd]
        count = len(found) + len(odd)
        pages = max(1, -(-count // PER_PAGE))
        self._called("events", json.dumps(dict(scope)), requests=pages)
        return Listing(
            tuple(found), pages, count, odd, {uri: self.known[uri].external_id for uri in odd.keys() & listed}
        )

    def invitees(self, event_uri: str) -> tuple[Invitee, ...]:
        """The invitees of an event."""
        self._called("invitees", event_uri)
        if self.on_invitees is not None:
            self.on_invitees(event_uri)
        if event_uri not in self.known:
            raise NotThere("Calendly 404", status=404)
        return tuple(self.people.get(event_uri, ()))

    def event_type(self, uri: str) -> EventType:
        """An event type."""
        self._called("event_type", uri)
        if uri not in self.types:
            raise NotThere("Calendly 404", status=404)
        return self.types[uri]

    def event_types(self, scope: Mapping[str, str]) -> tuple[EventType, ...]:
        """All event types, by name: one person owns them here."""
        self._called("event_types", json.dumps(dict(scope)))
        return tuple(sorted(self.types.values(), key=lambda one: one.name))

    def _hosts(self, scope: Mapping[str, str]) -> frozenset[str] | None:
        """Whose events a scope asks for; None = everybody's."""
        if scope == {"user": self._me.uri}:
            return frozenset({self._me.uri})
        if self._role not in {"owner", "admin"}:
            raise AccessRefused("Calendly 403", status=403)
        hosts = self.groups[scope["group"]] if "group" in scope else None
        if "user" not in scope:
            return hosts
        return frozenset({scope["user"]}) if hosts is None else hosts & {scope["user"]}

    def _called(self, method: str, argument: str, *, requests: int = 1) -> None:
        with self._lock:
            self.calls.append((method, argument))
            self.requests += requests
            fault = self._faults.get(method)
            if fault:
                raise fault.popleft()
            if self._clock is not None:
                self.last_date = self._clock()


class InlineExecutor(Executor):
    """Runs each call at once, in the caller's thread: what a test tells of the order is then the order."""

    def __init__(self, max_workers: int = 1) -> None:
        """Take as many as you like."""
        self.max_workers = max_workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it; whatever it raises, a simulated kill included, is in the future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as fault:  # noqa: BLE001  as the real one does
            future.set_exception(fault)
        return future


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that reached the gateway; `accepted` = a phone has it, whatever was answered."""

    to: str
    template: str
    params: Mapping[str, str]
    plan_name: str
    key: str
    instance: str = ""
    accepted: bool = True


@dataclass
class FakeGateway:
    """EngageLab in memory.

    Attributes:
        known: the templates by id.
        signs: the signatures.
        sends: every request that reached it, oldest first.
        policy: says what a request gets, after what was ordered by `answer`; None = the usual answers.
        on_send: called with each before the answer.
        on_answer: called with each and its answer.
        broken: what the lists raise, if anything.
        number_format: how numbers are written to it; a phone gets the text either way.
    """

    known: dict[str, Template] = field(default_factory=dict)
    signs: tuple[Signature, ...] = ()
    sends: list[Sent] = field(default_factory=list)
    policy: Callable[[Sent], Outcome] | None = None
    on_send: Callable[[Sent], None] | None = None
    on_answer: Callable[[Sent, Outcome], None] | None = None
    broken: SyncerError | None = None
    number_format: str = "e164"
    list_calls: int = 0
    _script: deque[tuple[Outcome, bool]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, *templates: Template) -> FakeGateway:
        """Make one with these templates."""
        return cls({template.id: template for template in templates})

    @property
    def texts(self) -> list[Sent]:
        """What reached a phone, oldest first."""
        return [sent for sent in self.sends if sent.accepted]

    def answer(self, outcome: Outcome, *, times: int = 1, accepted: bool = False) -> None:
        """Answer the next sends so; with `accepted` the text goes out all the same."""
        self._script.extend([(outcome, accepted)] * times)

    def prepare(self, message: Message, *, instance: str = "") -> Prepared:
        """Build the request as the real one does."""
        content = request_body(message, instance=instance, number_format=self.number_format)
        return prepare("POST", "https://sms.invalid/v1/messages", headers={}, content=content)

    def send(self, prepared: Prepared) -> Outcome:
        """Take a message, or answer what was ordered."""
        assert prepared.content is not None
        body = json.loads(prepared.content)
        with self._lock:
            serial = 2_031_502_210_446_729_216 + len(self.sends)
            template = self.known.get(body["template"]["id"])
            outcome: Outcome = Accepted(str(serial), str(serial + 1_000_000))
            accepted = True
            sent = Sent(
                to=f"+{body['to'][0].removeprefix('+')}",
                template=body["template"]["id"],
                params=body["template"]["params"],
                plan_name=body["plan_name"],
                key=body["custom_args"]["key"],
                instance=body["custom_args"].get("instance", ""),
            )
            if self._script:
                outcome, accepted = self._script.popleft()
            elif self.policy is not None:
                outcome = self.policy(sent)
                accepted = isinstance(outcome, Accepted)
            elif template is None:
                outcome, accepted = NotNow("EngageLab 4001: template not found", "4001", holds_template=True), False
            elif not template.usable:
                outcome, accepted = Refused("EngageLab 3003: template is not approved", "3003"), False
            sent = replace(sent, accepted=accepted)
            self.sends.append(sent)
        if self.on_send is not None:
            self.on_send(sent)
        if self.on_answer is not None:
            self.on_answer(sent, outcome)
        return outcome

    def templates(self) -> tuple[Template, ...]:
        """All templates."""
        self._listed()
        return tuple(self.known.values())

    def signatures(self) -> tuple[Signature, ...]:
        """All signatures."""
        self._listed()
        return self.signs

    def _listed(self) -> None:
        self.list_calls += 1
        if self.broken is not None:
            raise self.broken
