"""The records in Calendly's answers as values: pure decoding, no network, no clock.

Only the fields that syncer uses are read. Everything else may be missing, null, of a kind never seen before, or there
on top. What must be there is there or the answer is `Unreadable`, by the name of the record and the field: a booking
that was half understood would be texted wrongly. Fields and types: developer.calendly.com, "List Events", "List Event
Invitees", "Get current user", "List User Organization Memberships", "Get Event Type".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from syncer import lenient
from syncer.calendly_answers import fields_of
from syncer.calendly_pages import Record, decode, ident, listed, name_of, page, quoted_uri
from syncer.errors import Unreadable
from syncer.model import Answer, Event, Host, Invitee, Location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncer.sieve import Sieve

Text = Annotated[str, msgspec.Meta(min_length=1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Seats = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


@dataclass(frozen=True, slots=True)
class Me:
    """Whose token it is; `timezone` is IANA or empty."""

    uri: str
    organization: str
    email: str = ""
    name: str = ""
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A user of an organization; `role` is owner, admin, user or something newer."""

    uri: str
    email: str = ""
    name: str = ""
    timezone: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type, and the names of its questions that ask for a phone number (type `phone_number`)."""

    uri: str
    name: str = ""
    phone_questions: frozenset[str] = frozenset()


class _User(msgspec.Struct):
    uri: Text
    email: str | None = None
    name: str | None = None
    timezone: str | None = None
    current_organization: str | None = None


class _Membership(msgspec.Struct):
    user: _User
    role: str | None = None


class _Question(msgspec.Struct):
    name: str | None = None
    type: str | None = None


class _EventType(msgspec.Struct):
    uri: Text
    name: str | None = None
    custom_questions: list[_Question] | None = None


class _Location(msgspec.Struct):
    type: str | None = None
    location: str | None = None
    join_url: str | None = None


class _Counter(msgspec.Struct):
    total: Seats | None = None
    active: Seats | None = None


class _Hosting(msgspec.Struct):
    user: str | None = None
    user_email: str | None = None
    user_name: str | None = None


class _Event(msgspec.Struct):
    uri: Text
    start_time: Moment
    end_time: Moment
    status: Text
    name: str | None = None
    event_type: str | None = None
    location: _Location | None = None
    event_memberships: list[_Hosting] | None = None
    invitees_counter: _Counter | None = None
    calendar_event: msgspec.Raw = lenient.ABSENT


class _Cancellation(msgspec.Struct):
    created_at: Moment | None = None
    canceler_type: str | None = None
    reason: str | None = None


class _Answered(msgspec.Struct):
    question: str | None = None
    answer: str | None = None


class _NoShow(msgspec.Struct):
    created_at: Moment | None = None


class _Invitee(msgspec.Struct):
    uri: Text
    status: Text
    event: str | None = None
    name: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    timezone: str | None = None
    text_reminder_number: str | None = None
    questions_and_answers: list[_Answered] | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    rescheduled: bool | None = None
    old_invitee: str | None = None
    new_invitee: str | None = None
    cancellation: _Cancellation | None = None
    cancel_url: str | None = None
    reschedule_url: str | None = None
    no_show: _NoShow | None = None
    invitee_scheduled_by: msgspec.Raw = lenient.ABSENT


# Made at import: msgspec crashes when two threads build a type at once.
_USER = msgspec.json.Decoder(_User)
_MEMBERSHIP = msgspec.json.Decoder(_Membership)
_EVENT_TYPE = msgspec.json.Decoder(_EventType)
_EVENT = msgspec.json.Decoder(_Event)
_INVITEE = msgspec.json.Decoder(_Invitee)


def changed(body: bytes, at: str, sieve: Sieve) -> tuple[list[Event], str]:
    """Take the events of a page that are not as the sieve knows them, and the address of the next page.

    Raises:
        NoUsableAnswer, Unreadable: as `fields_of`, `page` and `event`; rows that the sieve knows were read before.
    """
    rows = listed(body)
    marks = sieve.marks(rows[0]) if rows is not None else ()
    held = sieve.held(marks)
    if rows is not None and all(held):
        return [], rows[1]
    records, after = page(fields_of(body), at)
    if rows is None:
        return list(map(event, records)), after
    found = zip(records, marks, held, strict=True)
    return [replace(event(record), mark=mark) for record, mark, is_held in found if not is_held], after


def me(record: Record) -> Me:
    """Read `/users/me`."""
    user = decode(_USER, record)
    if not user.current_organization:
        raise Unreadable(f"{record.at}: current_organization is missing")
    return Me(user.uri, user.current_organization, _text(user.email), _text(user.name), _zone(user.timezone))


def member(record: Record) -> Member:
    """Read an organization membership."""
    found = decode(_MEMBERSHIP, record)
    user = found.user
    return Member(user.uri, _text(user.email), _text(user.name), _zone(user.timezone), _text(found.role))


def event_type(record: Record) -> EventType:
    """Read an event type."""
    found = decode(_EVENT_TYPE, record)
    phone = (_text(question.name) for question in found.custom_questions or () if question.type == "phone_number")
    return EventType(found.uri, _text(found.name), frozenset(filter(None, phone)))


def event(record: Record) -> Event:
    """Read an event.

    Raises:
        Unreadable: URI, start, end or status is missing, or a field that is read has the wrong JSON type.
    """
    found = decode(_EVENT, record)
    place = found.location
    counter = found.invitees_counter or _Counter()
    return Event(
        uri=found.uri,
        name=_text(found.name),
        status=found.status,
        start=_utc(found.start_time, record),
        end=_utc(found.end_time, record),
        event_type=_text(found.event_type),
        location=None if place is None else Location(_text(place.type), _text(place.location), _text(place.join_url)),
        hosts=tuple(_hosts(found.event_memberships or ())),
        total=counter.total or 0,
        active=counter.active or 0,
        external_id=lenient.text(lenient.fields(lenient.value(found.calendar_event)).get("external_id")),
    )


def invitee(record: Record, event_uri: str) -> Invitee:
    """Read an invitee of the event with this URI.

    `canceled_at` is when the cancellation was made, else when a canceled record last changed.

    Raises:
        Unreadable: URI or status is missing, a field that is read has the wrong JSON type, or it belongs to another
            event.
    """
    found = decode(_INVITEE, record)
    if found.event and ident(found.event) != ident(event_uri):
        raise Unreadable(f"{quoted_uri(found.uri)}: belongs to another event than the one that was asked for")
    ended = found.cancellation or _Cancellation()
    at = ended.created_at or (found.updated_at if found.status == "canceled" else None)
    answers = ((_text(item.question), _text(item.answer)) for item in found.questions_and_answers or ())
    return Invitee(
        uri=found.uri,
        event=event_uri,
        name=_text(found.name),
        email=_text(found.email),
        first_name=_text(found.first_name),
        last_name=_text(found.last_name),
        status=found.status,
        timezone=_zone(found.timezone),
        text_reminder_number=_text(found.text_reminder_number),
        answers=tuple(Answer(question, answer) for question, answer in answers if question or answer),
        created_at=_maybe_utc(found.created_at, record),
        rescheduled=bool(found.rescheduled),
        old_invitee=_text(found.old_invitee),
        new_invitee=_text(found.new_invitee),
        canceled_at=_maybe_utc(at, record),
        canceler_type=_text(ended.canceler_type),
        cancel_reason=_text(ended.reason),
        cancel_url=_text(found.cancel_url),
        reschedule_url=_text(found.reschedule_url),
        no_show_at=_maybe_utc(found.no_show.created_at if found.no_show else None, record),
        scheduled_by=lenient.text(lenient.value(found.invitee_scheduled_by)),
    )


def _hosts(found: Iterable[_Hosting]) -> Iterable[Host]:
    for one in found:
        if one.user or one.user_email:
            yield Host(_text(one.user), _text(one.user_email), _text(one.user_name))


def _text(value: str | None) -> str:
    """Strip what people typed; Calendly hands it on as it is."""
    return (value or "").strip()


def _zone(value: str | None) -> str:
    """Read an IANA zone; one of Calendly's own samples has a space in it."""
    return _text(value).replace(" ", "_")


def _utc(moment: datetime, record: Record) -> datetime:
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise Unreadable(f"{name_of(record)}: a time beyond the calendar") from None


def _maybe_utc(moment: datetime | None, record: Record) -> datetime | None:
    return None if moment is None else _utc(moment, record)
