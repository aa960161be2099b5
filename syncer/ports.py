"""What the worker needs of the world outside, as protocols. The real clients and the tests' fakes both fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from syncer.model import Event, Invitee, Message
    from syncer.outbox import Outcome
    from syncer.sieve import Sieve


class Listing(Protocol):
    """A complete listing."""

    @property
    def events(self) -> Sequence[Event]:
        """What the sieve did not know, each event once."""

    @property
    def count(self) -> int:
        """How many events were listed, known and unreadable ones included."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """URIs of events whose rows could not be read, each with the reason; they are not among `events`."""

    @property
    def entries(self) -> Mapping[str, str]:
        """URIs of those to the id of their entry in the calendar, as far as it can be read."""


class Me(Protocol):
    """Whose token it is."""

    @property
    def uri(self) -> str:
        """The user's URI."""

    @property
    def organization(self) -> str:
        """The organization's URI."""


class EventType(Protocol):
    """What planning needs to know of an event type."""

    @property
    def phone_questions(self) -> frozenset[str]:
        """Names of its questions of type `phone_number`."""


class EventTypes(Protocol):
    """Where event types are asked for."""

    def event_type(self, uri: str) -> EventType:
        """Read one event type."""


class Calendly(EventTypes, Protocol):
    """What is asked of Calendly. The real one is `calendly.Calendly`."""

    @property
    def requests(self) -> int:
        """Requests so far."""

    @property
    def last_date(self) -> datetime | None:
        """The Date of the newest answer, aware UTC."""

    @property
    def limit(self) -> int | None:
        """Requests a minute that it lets through, as far as it said; None = not known."""

    def lanes(self, most: int) -> int:
        """Say how many requests are worth having in flight, at most so many."""

    def prepare_threads(self) -> None:
        """Import what reading needs; to be called before threads read."""

    def me(self) -> Me:
        """Say whose token it is."""

    def events(
        self,
        scope: Mapping[str, str],
        since: datetime | None,
        until: datetime | None,
        *,
        cuts: Sequence[datetime] = (),
        sieve: Sieve | None = None,
    ) -> Listing:
        """List all events of a window, cut into parts that are read side by side, or raise."""

    def invitees(self, event_uri: str) -> Sequence[Invitee]:
        """Read all invitees of an event."""


class Template(Protocol):
    """What delivery needs to know of a template at the gateway."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def content(self) -> str:
        """Its text, with variables."""

    @property
    def sign_name(self) -> str:
        """Its signature; empty = none."""

    @property
    def sign_position(self) -> int:
        """Where that stands: 1 before the text, 2 after it."""

    @property
    def countries(self) -> tuple[str, ...]:
        """Countries (ISO 3166) it was declared for; none = not told."""

    def why_not_usable(self) -> str:
        """Say why the gateway would not send it; empty = it would."""


class Gateway(Protocol):
    """What sends texts. The real one is `engagelab.EngageLab`."""

    def templates(self) -> Sequence[Template]:
        """List all templates."""

    def prepare(self, message: Message, *, instance: str = "") -> Any:
        """Build the request; whatever is wrong on this side shows here (`Unsendable`), before anything leaves."""

    def send(self, prepared: Any) -> Outcome:
        """Send it, once."""


class Progress(Protocol):
    """Shows how far a long read is."""

    def begin(self, total: int) -> None:
        """So many events will be read."""

    def advance(self, count: int) -> None:
        """So many more were read."""

    def wait(self, seconds: float, reason: str) -> None:
        """A request waits so long, and why."""

    def end(self) -> None:
        """That is all."""


class NoProgress:
    """Shows nothing: off a terminal the log lines do."""

    def begin(self, total: int) -> None:
        """Pass over it."""

    def advance(self, count: int) -> None:
        """Pass over it."""

    def wait(self, seconds: float, reason: str) -> None:
        """Pass over it."""

    def end(self) -> None:
        """Pass over it."""
