"""Rows of the database and the values they stand for. Knows no SQL and no connection."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import msgspec

from syncer.births import Coverage, Era
from syncer.diff import Known
from syncer.errors import StoreError
from syncer.model import (
    Answer,
    Audience,
    Booking,
    Event,
    Host,
    Invitee,
    Location,
    Message,
    State,
    Takeover,
    from_utc_text,
    utc_text,
)
from syncer.outages import Outage
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

Row = dict[str, Any]

_COVERAGE = msgspec.json.Decoder(Coverage)
_ANSWERS = msgspec.json.Decoder(tuple[Answer, ...])
_HOSTS = msgspec.json.Decoder(tuple[Host, ...])
_LOCATION = msgspec.json.Decoder(Location | None)
_PARAMS = msgspec.json.Decoder(dict[str, str])
_STARTS = msgspec.json.Decoder(dict[str, int])
_TAKEOVERS = msgspec.json.Decoder(dict[str, Takeover])


_P = ParamSpec("_P")
_T = TypeVar("_T")


def _sound(read: Callable[_P, _T]) -> Callable[_P, _T]:
    """Make a value that does not read an error of the database; it is not quoted, as it may be about a person."""

    @functools.wraps(read)
    def reading(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(*args, **kwargs)
        except (ValueError, msgspec.MsgspecError) as error:
            what = read.__name__.removesuffix("_of").removesuffix("_or_none")
            told = f"the database is damaged: a {what} in it does not read ({type(error).__name__})"
            raise StoreError(told, "Restore a backup, then run `syncer restored`") from None

    return reading


def text_or_none(moment: datetime | None) -> str | None:
    """Spell a moment that may be missing."""
    return None if moment is None else utc_text(moment)


@_sound
def moment_or_none(text: str | None) -> datetime | None:
    """Read a moment that may be missing."""
    return None if text is None else from_utc_text(text)


@_sound
def moment_of(text: str) -> datetime:
    """Read a moment."""
    return from_utc_text(text)


def json_text(value: object) -> str:
    """Spell a value as JSON, the same way each time."""
    return msgspec.json.encode(value, order="sorted").decode()


def event_row(event: Event, *, read_at: datetime, reread_at: datetime | None, settles_at: datetime | None) -> Row:
    """Turn an event into its row; it is not missing, as it was just read."""
    return {
        "uri": event.uri,
        "name": event.name,
        "status": event.status,
        "start_at": utc_text(event.start),
        "end_at": utc_text(event.end),
        "event_type": event.event_type,
        "location": json_text(event.location),
        "hosts": json_text(event.hosts),
        "total": event.total,
        "active": event.active,
        "external_id": event.external_id,
        "mark": event.mark,
        "read_at": utc_text(read_at),
        "reread_at": text_or_none(reread_at),
        "settles_at": text_or_none(settles_at),
        "missing_at": None,
    }


@_sound
def event_of(row: Mapping[str, Any]) -> Event:
    """Read an event from its row; further columns are ignored."""
    return Event(
        uri=row["uri"],
        name=row["name"],
        status=row["status"],
        start=from_utc_text(row["start_at"]),
        end=from_utc_text(row["end_at"]),
        event_type=row["event_type"],
        location=_LOCATION.decode(row["location"]),
        hosts=_HOSTS.decode(row["hosts"]),
        total=row["total"],
        active=row["active"],
        external_id=row["external_id"],
    )


@_sound
def era_of(row: Mapping[str, Any]) -> Era:
    """Read what a rule covered from its row."""
    return Era(_COVERAGE.decode(row["covers"]), from_utc_text(row["born_at"]))


@_sound
def known_of(row: Mapping[str, Any]) -> Known:
    """Read an event of the snapshot from its row."""
    return Known(
        event=event_of(row),
        read_at=from_utc_text(row["read_at"]),
        reread_at=moment_or_none(row["reread_at"]),
        settles_at=moment_or_none(row["settles_at"]),
        missing=row["missing_at"] is not None,
    )


def booking_row(booking: Booking, *, id: str) -> Row:  # noqa: A002  the column's name
    """Turn a booking into its row, with its short id; its event has a row of its own."""
    invitee = booking.invitee
    plain = "uri event status name first_name last_name email timezone text_reminder_number old_invitee new_invitee"
    more = "canceler_type cancel_reason cancel_url reschedule_url scheduled_by"
    return {
        "id": id,
        **{column: getattr(invitee, column) for column in f"{plain} {more}".split()},
        "answers": json_text(invitee.answers),
        "created_at": text_or_none(invitee.created_at),
        "rescheduled": int(invitee.rescheduled),
        "canceled_at": text_or_none(invitee.canceled_at),
        "no_show_at": text_or_none(invitee.no_show_at),
        "seen_at": utc_text(booking.seen_at),
        "read_at": utc_text(booking.read_at),
        "moved_at": text_or_none(booking.moved_at),
        "starts": json_text(booking.starts),
        "takeovers": json_text(booking.takeovers),
        "missing_at": text_or_none(booking.missing_at),
        "phone_source": booking.phone_source,
        "phone_question": booking.phone_question,
    }


@_sound
def booking_of(row: Mapping[str, Any], event: Event) -> Booking:
    """Read a booking from its row."""
    invitee = Invitee(
        uri=row["uri"],
        event=row["event"],
        name=row["name"],
        email=row["email"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        status=row["status"],
        timezone=row["timezone"],
        text_reminder_number=row["text_reminder_number"],
        answers=_ANSWERS.decode(row["answers"]),
        created_at=moment_or_none(row["created_at"]),
        scheduled_by=row["scheduled_by"],
        rescheduled=bool(row["rescheduled"]),
        old_invitee=row["old_invitee"],
        new_invitee=row["new_invitee"],
        canceled_at=moment_or_none(row["canceled_at"]),
        canceler_type=row["canceler_type"],
        cancel_reason=row["cancel_reason"],
        cancel_url=row["cancel_url"],
        reschedule_url=row["reschedule_url"],
        no_show_at=moment_or_none(row["no_show_at"]),
    )
    return Booking(
        event=event,
        invitee=invitee,
        seen_at=from_utc_text(row["seen_at"]),
        read_at=from_utc_text(row["read_at"]),
        moved_at=moment_or_none(row["moved_at"]),
        starts=_STARTS.decode(row["starts"]),
        takeovers=_TAKEOVERS.decode(row["takeovers"]),
        missing_at=moment_or_none(row["missing_at"]),
        phone_source=row["phone_source"],
        phone_question=row["phone_question"],
    )


@_sound
@_sound
def outage_of(row: Mapping[str, Any]) -> Outage:
    """Read an outage."""
    pause = timedelta(seconds=row["pause_s"])
    return Outage(
        since=moment_of(row["since"]), silent=row["silent"], pause=pause, until=moment_or_none(row["ends_at"])
    )


def outage_row(outage: Outage) -> Row:
    """Write an outage."""
    return {
        "id": 1,
        "since": utc_text(outage.since),
        "silent": outage.silent,
        "pause_s": int(outage.pause.total_seconds()),
        "ends_at": text_or_none(outage.until),
    }


def reason_of(code: str | None) -> Reason:
    """Read a reason; NULL = there is nothing to say."""
    return Reason(code or "")


def why_missing(row: Mapping[str, Any]) -> Reason:
    """Say why a booking's messages are held, by `event_missing` and `guest_missing` of its row; NONE = they are not."""
    if row["event_missing"] is not None:
        return Reason.EVENT_MISSING
    return Reason.GUEST_MISSING if row["guest_missing"] is not None else Reason.NONE


def message_row(message: Message) -> Row:
    """Turn a message into its row."""
    plain = (
        "key rule booking audience language timezone template state detail attempts refusals"
        " segments provider_message_id provider_plan_id"
    )
    moments = "scheduled_at next_at expires_at meeting_at changed_at"
    return {
        **{column: getattr(message, column) for column in plain.split()},
        **{column: utc_text(getattr(message, column)) for column in moments.split()},
        "reason": message.reason or None,
        "recipient": message.to,
        "params": json_text(message.params),
    }


@_sound
def message_of(row: Mapping[str, Any]) -> Message:
    """Read a message from its row; further columns are ignored."""
    return Message(
        key=row["key"],
        id=row["id"],
        segments=row["segments"],
        rule=row["rule"],
        booking=row["booking"],
        audience=Audience(row["audience"]),
        to=row["recipient"],
        language=row["language"],
        timezone=row["timezone"],
        template=row["template"],
        params=_PARAMS.decode(row["params"]),
        state=State(row["state"]),
        reason=reason_of(row["reason"]),
        detail=row["detail"],
        scheduled_at=from_utc_text(row["scheduled_at"]),
        next_at=from_utc_text(row["next_at"]),
        expires_at=from_utc_text(row["expires_at"]),
        meeting_at=from_utc_text(row["meeting_at"]),
        changed_at=from_utc_text(row["changed_at"]),
        attempts=row["attempts"],
        refusals=row["refusals"],
        provider_message_id=row["provider_message_id"],
        provider_plan_id=row["provider_plan_id"],
    )
