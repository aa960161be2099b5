"""The words of syncer as values: events, invitees, bookings, messages and the states of a message.

Pure: knows no clock, file, network or log. All datetimes are aware and in UTC; the database and the log spell them
`2026-11-25T16:00:00Z`, to the second, so that text order is time order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncer.reasons import Reason


def utc_text(moment: datetime) -> str:
    """Spell an aware datetime as `YYYY-MM-DDTHH:MM:SSZ` in UTC; fractions of a second are dropped.

    Raises:
        ValueError: the datetime is naive: whose time it is would be a guess.
    """
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime: {moment!r}")
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def from_utc_text(text: str) -> datetime:
    """Read what `utc_text` (or Calendly, with fractions) wrote: an aware UTC datetime, to the second.

    Raises:
        ValueError: not an ISO 8601 time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return moment.astimezone(UTC).replace(microsecond=0)


class State(StrEnum):
    """Where a message is in its life. The database declares the same names in a CHECK.

    The moves between them are `outbox.MOVES`; the picture is in the README.
    """

    SCHEDULED = "scheduled"
    """Wanted, waits for its time. Its text follows the booking until it is claimed."""
    SENDING = "sending"
    """Claimed: committed before the request leaves. Found at start, it becomes `unknown`: nobody knows."""
    RETRYABLE = "retryable"
    """Surely not taken by the gateway; tried again later, until it expires."""
    SENT = "sent"
    """The gateway accepted it and gave it an id (or a person said that it went out)."""
    FAILED = "failed"
    """Refused for good. A person may `retry`."""
    UNKNOWN = "unknown"
    """No usable answer: it may have gone out. Never tried again by itself, unless the rule says so."""
    CANCELED = "canceled"
    """No longer wanted before it was claimed."""
    EXPIRED = "expired"
    """Its moment passed before it was claimed."""
    SKIPPED = "skipped"
    """Wanted, but a rule forbids it: no number, opted out, landline, country, late, empty field."""


WAITING = frozenset({State.SCHEDULED, State.RETRYABLE})
"""States from which a message may be claimed."""
SETTLED = frozenset(State) - WAITING - {State.SENDING}
"""States that only a person, or a booking that changed, moves on from."""


class Audience(StrEnum):
    """Who is texted."""

    INVITEE = "invitee"
    HOST = "host"
    FORMER_HOST = "former_host"
    """Whoever was host of a meeting before it was handed over."""


@dataclass(frozen=True, slots=True)
class Host:
    """One host of an event (Calendly's `event_memberships` item). Calendly knows no phone number of a host."""

    uri: str
    email: str = ""
    name: str = ""

    def is_same(self, other: Host) -> bool:
        """Whether two entries are of one person: by URI, or by e-mail where one of them has no URI."""
        if self.uri and other.uri:
            return self.uri == other.uri
        return self.email != "" and self.email.casefold() == other.email.casefold()


@dataclass(frozen=True, slots=True)
class Location:
    """Where an event takes place; `kind` is Calendly's `location.type` as it came, also one never seen before.

    For `outbound_call`, `place` is the invitee's number; for `inbound_call` it is the host's: never texted.
    """

    kind: str
    place: str = ""
    join_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A Calendly scheduled event as listed; `total` and `active` are its invitees_counter.

    `external_id` is the id of its entry in the host's calendar: both halves of a move have the same one. It is empty
    without a connected calendar.

    `mark` stands for the listed bytes that it was read from (`sieve`); None = it must be compared field by field.
    """

    uri: str
    name: str
    status: str
    start: datetime
    end: datetime
    event_type: str = ""
    location: Location | None = None
    hosts: tuple[Host, ...] = ()
    total: int = 0
    active: int = 0
    external_id: str = ""
    mark: int | None = field(default=None, compare=False, repr=False)

    @property
    def canceled(self) -> bool:
        """Whether Calendly says so: absence from a listing never means it, nor does an unknown status."""
        return self.status == "canceled"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the booking form; Calendly does not say of which type the question was."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitee:
    """A Calendly invitee as read. The links of a reschedule: `new_invitee` on the old one, `old_invitee` on the new.

    `scheduled_by` is the URI of the user who booked or moved on the invitee's behalf; empty = the invitee did.
    """

    uri: str
    event: str
    name: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    status: str = "active"
    timezone: str = ""
    text_reminder_number: str = ""
    answers: tuple[Answer, ...] = ()
    created_at: datetime | None = None
    scheduled_by: str = ""
    rescheduled: bool = False
    old_invitee: str = ""
    new_invitee: str = ""
    canceled_at: datetime | None = None
    canceler_type: str = ""
    cancel_reason: str = ""
    cancel_url: str = ""
    reschedule_url: str = ""
    no_show_at: datetime | None = None

    @property
    def erased(self) -> bool:
        """Whether Calendly erased this person (help article 4412601189911): never texted, and our copy is purged.

        How an erased name reads is not documented, so both forms count: the made-up address, or nothing at all.
        """
        return self.email.endswith("@deleted.calendly.com") or not (self.email or self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """A host's time with a meeting that was handed over in place.

    Attributes:
        host: as listed when they had it.
        count: how often they have had it.
        since: when syncer noticed that they had it; None = they had it before the first hand-over.
        until: when syncer noticed that they no longer had it; None = they have it.
    """

    host: Host
    count: int = 1
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One invitee of one event, with what syncer noticed about it; its identity is the invitee's URI.

    Attributes:
        event: as last listed.
        invitee: as last read, at `read_at`.
        seen_at: when syncer first read it: stands in where Calendly gives no `created_at`.
        read_at: when the invitee was last read.
        moved_at: when syncer noticed that its start had changed in place; None if it never did.
        starts: start (as `utc_text`) -> how often it had this start; empty unless it was moved in place.
        takeovers: host (`host_key`) -> their last time with it; empty unless it was handed over in place.
        missing_at: since when its event's invitees, read in full, lack it; None = they had it when last read.
        phone_source: the setting's source (`phones.sources`) that an answer was the guest's number by; "" = none was.
        phone_question: the question of that answer, as the answers name it now.
    """

    event: Event
    invitee: Invitee
    seen_at: datetime
    read_at: datetime
    moved_at: datetime | None = None
    starts: Mapping[str, int] = field(default_factory=dict)
    takeovers: Mapping[str, Takeover] = field(default_factory=dict)
    missing_at: datetime | None = None
    phone_source: str = ""
    phone_question: str = ""

    @property
    def uri(self) -> str:
        """The invitee's URI."""
        return self.invitee.uri

    @property
    def canceled(self) -> bool:
        """Canceled, by either record: one person may leave a group event that goes on."""
        return self.event.canceled or self.invitee.status == "canceled"

    @property
    def booked_at(self) -> datetime:
        """When it was booked: Calendly's word, else when it was first seen; never after that."""
        return min(self.invitee.created_at or self.seen_at, self.seen_at)

    @property
    def moved(self) -> bool:
        """Whether this booking is a moved one: the new half of a reschedule, or moved in place."""
        return bool(self.invitee.old_invitee) or self.moved_at is not None


def term_of(takeovers: Mapping[str, Takeover], host: Host) -> Takeover | None:
    """Find a host's time with a meeting; None = it was never handed over, or they never had it."""
    return next((term for term in takeovers.values() if term.host.is_same(host)), None)


def host_key(host: Host) -> str:
    """Name a host: the URI, or the e-mail of one without it."""
    return host.uri or host.email.casefold()


class ChangeKind(StrEnum):
    """What happened to a booking between two reads; the log says `booking.<kind>`."""

    CREATED = "created"
    CANCELED = "canceled"
    RESCHEDULED = "rescheduled"
    MOVED = "moved"
    REASSIGNED = "reassigned"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Change:
    """One noticed change; `booking` and `event` are URIs. For a reschedule they are those of the new half."""

    kind: ChangeKind
    booking: str
    event: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One row of the outbox.

    Attributes:
        key: `{invitee URI}/{rule}/{anchor time}`: its identity, never sent twice.
        id: short, for people to type; empty before the message is in the database.
        to: E.164 with `+`; empty when skipped for want of a number.
        scheduled_at: when its rule wants it sent.
        next_at: when it may next be claimed: later than `scheduled_at` after a refusal or in quiet hours.
        expires_at: when it is no longer worth sending.
        meeting_at: the meeting's start: who waits longest for a text is not who needs it first.
        timezone: the recipient's IANA zone: its quiet hours are theirs.
        reason: why it is in its state, as a code; NONE = there is nothing to say.
        detail: what is special about it, in words; nothing is decided by it.
        changed_at: when the row was last written.
        refusals: how many times the gateway refused it in a way that it survives only a few times.
        segments: how many SMS its text was when it was claimed; 0 = it was not yet.
    """

    key: str
    rule: str
    booking: str
    audience: Audience
    to: str
    language: str
    template: str
    params: Mapping[str, str]
    state: State
    reason: Reason
    scheduled_at: datetime
    next_at: datetime
    expires_at: datetime
    meeting_at: datetime
    changed_at: datetime
    timezone: str = "UTC"
    attempts: int = 0
    refusals: int = 0
    provider_message_id: str = ""
    provider_plan_id: str = ""
    detail: str = ""
    id: str = field(default="", compare=False)
    segments: int = field(default=0, compare=False)
