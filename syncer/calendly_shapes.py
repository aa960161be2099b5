"""Events and invitees in Calendly's answers as values: pure decoding, no network, no clock.

Only the fields that syncer uses are read. Everything else may be missing, null, of a kind never seen before, or there
on top. What decides about a text is right, or the record is `Unreadable`, by its name and the field: a booking that was
half understood would be texted wrongly. What only decorates a text (names, places, counts, links) is read leniently: of
a wrong type it reads as empty. Fields and types: developer.calendly.com, "List Events", "List Event Invitees".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from syncer.calendly_accounts import zone
from syncer.calendly_answers import fields_of
from syncer.calendly_pages import Malformed, decode, ident, listed, page, read_record, uri_of
from syncer.calendly_remedies import UNREADABLE
from syncer.errors import Unreadable
from syncer.lenient import ABSENT, fields, items, text, text_of, value, whole
from syncer.model import Answer, Event, Host, Invitee, Location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncer.calendly_pages import Record
    from syncer.sieve import Sieve

Text = Annotated[str, msgspec.Meta(min_length=1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Event(msgspec.Struct):
    uri: Text
    start_time: Moment
    end_time: Moment
    status: Text
    name: msgspec.Raw = ABSENT
    event_type: msgspec.Raw = ABSENT
    location: msgspec.Raw = ABSENT
    event_memberships: msgspec.Raw = ABSENT
    invitees_counter: msgspec.Raw = ABSENT
    calendar_event: msgspec.Raw = ABSENT


class _Cancellation(msgspec.Struct):
    created_at: Moment | None = None
    canceler_type: str | None = None
    reason: msgspec.Raw = ABSENT


class _NoShow(msgspec.Struct):
    created_at: Moment | None = None


class _Invitee(msgspec.Struct):
    uri: Text
    status: Text
    event: str | None = None
    created_at: Moment | None = None
    rescheduled: bool | None = None
    old_invitee: str | None = None
    new_invitee: str | None = None
    cancellation: _Cancellation | None = None
    no_show: _NoShow | None = None
    updated_at: msgspec.Raw = ABSENT
    name: msgspec.Raw = ABSENT
    email: msgspec.Raw = ABSENT
    first_name: msgspec.Raw = ABSENT
    last_name: msgspec.Raw = ABSENT
    timezone: msgspec.Raw = ABSENT
    text_reminder_number: msgspec.Raw = ABSENT
    questions_and_answers: msgspec.Raw = ABSENT
    cancel_url: msgspec.Raw = ABSENT
    reschedule_url: msgspec.Raw = ABSENT
    invitee_scheduled_by: msgspec.Raw = ABSENT


_FIRST_YEAR, _LAST_YEAR = 1970, 2200
"""Between them lies every time that somebody may mean."""
_NO_HOST = "deleted"
"""What Calendly calls a host whose account was deleted: no name to sign a text with."""

# Made at import: msgspec crashes when two threads build a type at once.
_EVENT = msgspec.json.Decoder(_Event)
_INVITEE = msgspec.json.Decoder(_Invitee)
_MOMENT = msgspec.json.Decoder(Moment | None)


def changed(body: bytes, at: str, sieve: Sieve) -> tuple[list[Event], dict[str, str], str]:
    """Take the events of a page that are not as the sieve knows them, and the address of the next page.

    Returns:
        The events; URIs of events whose rows cannot be read, with the reason; the next page's address, empty = none.
        Of an event that is listed twice the later row counts, as it is the newer sight.

    Raises:
        NoUsableAnswer, Unreadable: as `fields_of` and `page`; or not even the URI of a row can be read: then nobody
            knows which event is missing. Rows that the sieve knows were read before.
    """
    rows = listed(body)
    marks = sieve.marks(rows[0]) if rows is not None else ()
    held = sieve.held(marks)
    if rows is not None and all(held):
        return [], {}, rows[1]
    records, after = page(fields_of(body), at)
    look: list[tuple[Record, int | None]] = [(record, None) for record in records]
    if rows is not None:
        look = [(record, mark) for record, mark, known in zip(records, marks, held, strict=True) if not known]
    found: dict[str, Event] = {}
    unreadable: dict[str, str] = {}
    for record, mark in look:
        try:
            one = _event(record.raw)
        except Malformed as error:
            uri = uri_of(record)
            if not uri:
                raise Unreadable(f"{record.at}: {error}", UNREADABLE) from None
            unreadable[uri] = str(error)
            sieve.entries[uri] = text(fields(fields(value(record.raw)).get("calendar_event")).get("external_id"))
            found.pop(uri, None)
        else:
            found[one.uri] = replace(one, mark=mark)
            unreadable.pop(one.uri, None)
    return list(found.values()), unreadable, after


def event(record: Record) -> Event:
    """Read an event.

    Raises:
        Unreadable: URI, start, end or status is missing or wrong: they decide about texts.
    """
    return read_record(_event, record)


def _event(raw: msgspec.Raw) -> Event:
    found = decode(_EVENT, raw)
    counter = fields(value(found.invitees_counter))
    return Event(
        uri=_not_blank(found.uri, "uri"),
        name=text_of(found.name),
        status=_status(found.status),
        start=_utc(found.start_time),
        end=_utc(found.end_time),
        event_type=text_of(found.event_type),
        location=_location(value(found.location)),
        hosts=tuple(_hosts(items(found.event_memberships))),
        total=whole(counter.get("total")) or 0,
        active=whole(counter.get("active")) or 0,
        external_id=text(fields(value(found.calendar_event)).get("external_id")),
    )


def invitee(record: Record, event_uri: str) -> Invitee:
    """Read an invitee of the event with this URI.

    `canceled_at` is when the cancellation was made, else when a canceled record last changed; likewise `no_show_at`.

    Raises:
        Unreadable: a field that decides about texts is missing or wrong, or the invitee belongs to another event.
    """
    return read_record(lambda raw: _invitee(raw, event_uri), record)


def _invitee(raw: msgspec.Raw, event_uri: str) -> Invitee:
    found = decode(_INVITEE, raw)
    if found.event and ident(found.event) != ident(event_uri):
        raise Malformed("belongs to another event than the one that was asked for")
    status, ended = _status(found.status), found.cancellation or _Cancellation()
    canceled_at = ended.created_at or (_changed_at(found) if status == "canceled" else None)
    name, email = _who(found)
    return Invitee(
        uri=_not_blank(found.uri, "uri"),
        event=event_uri,
        name=name,
        email=email,
        first_name=text_of(found.first_name),
        last_name=text_of(found.last_name),
        status=status,
        timezone=zone(found.timezone),
        text_reminder_number=text_of(found.text_reminder_number),
        answers=tuple(_answers(items(found.questions_and_answers))),
        created_at=_maybe_utc(found.created_at),
        rescheduled=bool(found.rescheduled),
        old_invitee=(found.old_invitee or "").strip(),
        new_invitee=(found.new_invitee or "").strip(),
        canceled_at=_maybe_utc(canceled_at),
        canceler_type=(ended.canceler_type or "").strip(),
        cancel_reason=text_of(ended.reason),
        cancel_url=text_of(found.cancel_url),
        reschedule_url=text_of(found.reschedule_url),
        no_show_at=_maybe_utc(_missed_at(found)),
        scheduled_by=text_of(found.invitee_scheduled_by),
    )


def _who(found: _Invitee) -> tuple[str, str]:
    """Read name and e-mail. With neither a person counts as erased, which an odd record must not bring about."""
    given = value(found.name), value(found.email)
    name, email = map(text, given)
    if not (name or email) and any(one is not None and not isinstance(one, str) for one in given):
        raise Malformed("neither name nor email can be read")
    return name, email


def _changed_at(found: _Invitee) -> datetime | None:
    """Read when a record last changed: strictly, as it is asked for only where it decides."""
    try:
        return None if found.updated_at is ABSENT else decode(_MOMENT, found.updated_at)
    except Malformed as error:
        raise Malformed(f"{error} - at `$.updated_at`") from None


def _missed_at(found: _Invitee) -> datetime | None:
    """Read when somebody was marked as a no-show."""
    if found.no_show is None:
        return None
    at = found.no_show.created_at or _changed_at(found)
    if at is None:
        raise Malformed("a no-show without a time")
    return at


def _answers(found: Iterable[object]) -> Iterable[Answer]:
    for one in map(fields, found):
        question, answer = text(one.get("question")), text(one.get("answer"))
        if question or answer:
            yield Answer(question, answer)


def _location(found: object) -> Location | None:
    """Read a place; one that is a mere text is a place of no known kind."""
    if isinstance(found, dict):
        return Location(text(found.get("type")), text(found.get("location")), text(found.get("join_url")))
    return Location("", text(found)) if text(found) else None


def _hosts(found: Iterable[object]) -> Iterable[Host]:
    for one in map(fields, found):
        uri, email = text(one.get("user")), text(one.get("user_email"))
        if uri or email:
            name = text(one.get("user_name"))
            yield Host(uri, email, "" if name.casefold() == _NO_HOST else name)


def _not_blank(given: str, name: str) -> str:
    if not given.strip():
        raise Malformed(f"{name} is blank")
    return given


def _status(given: str) -> str:
    """Read a status, however it is spelled: `Canceled` and the like must not pass for one that is not."""
    status = _not_blank(given, "status").strip().lower()
    return "canceled" if status.startswith("cancel") else status


def _utc(moment: datetime) -> datetime:
    """Read a moment; years far away stand for "never" somewhere, and no arithmetic is possible with the last one."""
    try:
        at = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise Malformed("a time beyond the calendar") from None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise Malformed("a time beyond the calendar")
    return at


def _maybe_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else _utc(moment)
