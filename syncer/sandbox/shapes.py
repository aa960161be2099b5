"""The JSON objects of Calendly's API as plain dicts: pure functions, no state and no clock.

Fields and their types: developer.calendly.com, "Get Event", "Get Event Invitee", "Get current user", "Get Event Type",
"List User Organization Memberships".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

API = "https://api.calendly.com"
"""What every resource URI starts with, also in answers of the sandbox: a URI is a name, not an address to call."""

Record: TypeAlias = dict[str, Any]
By: TypeAlias = Literal["invitee", "host"]
Role: TypeAlias = Literal["owner", "admin", "user"]


def stamp(moment: datetime) -> str:
    """Spell an aware datetime as Calendly does: UTC, six fractional digits, `Z`.

    All stamps have the same length, so their text order is time order.

    Raises:
        ValueError: the datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime: {moment!r}")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def unstamp(text: str) -> datetime:
    """Read what `stamp` wrote: an aware UTC datetime."""
    return datetime.fromisoformat(text).astimezone(UTC)


def user(*, uri: str, name: str, email: str, timezone: str, organization: str, made: str) -> Record:
    """Make a user (a host); `timezone` is IANA. Users have no phone number at Calendly."""
    slug = email.partition("@")[0].replace(".", "-")
    return {
        "avatar_url": None,
        "created_at": made,
        "current_organization": organization,
        "email": email,
        "locale": "en",
        "name": name,
        "resource_type": "User",
        "scheduling_url": f"https://calendly.com/{slug}",
        "slug": slug,
        "time_notation": "24h",
        "timezone": timezone,
        "updated_at": made,
        "uri": uri,
    }


def membership(*, uri: str, role: Role, member: Record) -> Record:
    """Make an organization membership; the embedded user lacks `current_organization` and `resource_type`."""
    inner = {key: value for key, value in member.items() if key not in {"current_organization", "resource_type"}}
    return {
        "created_at": member["created_at"],
        "organization": member["current_organization"],
        "role": role,
        "updated_at": member["updated_at"],
        "uri": uri,
        "user": inner,
    }


def question(name: str, position: int, kind: str, *, required: bool) -> Record:
    """Make a custom question of an event type; `kind` is its type: string, text, phone_number, ..."""
    return {
        "answer_choices": [],
        "enabled": True,
        "include_other": False,
        "name": name,
        "position": position,
        "required": required,
        "type": kind,
    }


def event_type(*, uri: str, name: str, minutes: int, group: bool, place: str, owner: Record, made: str) -> Record:
    """Make an event type with two questions: a mobile number and a reason. `place` is a location kind."""
    slug = "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
    return {
        "active": True,
        "admin_managed": False,
        "booking_method": "instant",
        "color": "#8247f5",
        "created_at": made,
        "custom_questions": [
            question("Mobile number", 0, "phone_number", required=False),
            question("Reason for the visit", 1, "text", required=False),
        ],
        "deleted_at": None,
        "description_html": None,
        "description_plain": None,
        "duration": minutes,
        "duration_options": None,
        "internal_note": None,
        "is_paid": False,
        "kind": "group" if group else "solo",
        "locale": "en",
        "locations": [{"kind": place}],
        "name": name,
        "pooling_type": None,
        "position": 0,
        "profile": {"name": owner["name"], "owner": owner["uri"], "type": "User"},
        "scheduling_url": f"{owner['scheduling_url']}/{slug}",
        "secret": False,
        "slug": slug,
        "type": "StandardEventType",
        "updated_at": made,
        "uri": uri,
    }


def host_of(member: Record) -> Record:
    """Read back what `hosting` took: the host's URI, e-mail and name."""
    return {"uri": member["user"], "email": member["user_email"], "name": member["user_name"]}


def hosting(host: Record, start: str, end: str) -> Record:
    """Make one entry of `event_memberships`: a host of an event. The sandbox has no buffers around meetings."""
    return {
        "buffered_end_time": end,
        "buffered_start_time": start,
        "user": host["uri"],
        "user_email": host["email"],
        "user_name": host["name"],
    }


def event(  # the object has this many independent fields
    *,
    uri: str,
    kind: Record,
    hosts: Sequence[Record],
    start: str,
    end: str,
    location: Record | None,
    seats: int,
    external_id: str | None,
    guests: Sequence[Record],
    made: str,
) -> Record:
    """Make an active event without invitees. `kind` is its event type; times are stamps; `made` is when it was booked.

    Group events get no calendar invitation, so their `external_id` is None and `calendar_event` null; so is that of a
    host who has no calendar connected.
    """
    return {
        "calendar_event": None if external_id is None else {"external_id": external_id, "kind": "google"},
        "created_at": made,
        "end_time": end,
        "event_guests": [dict(guest) for guest in guests],
        "event_memberships": [hosting(host, start, end) for host in hosts],
        "event_type": kind["uri"],
        "invitees_counter": {"active": 0, "limit": seats, "total": 0},
        "location": location,
        "meeting_notes_html": None,
        "meeting_notes_plain": None,
        "name": kind["name"],
        "start_time": start,
        "status": "active",
        "updated_at": made,
        "uri": uri,
    }


def invitee(*, event_uri: str, ident: str, made: str, typed: Record) -> Record:
    """Make an active invitee. `typed` holds what the person gave: name, email, timezone, answers, a number, ..."""
    return {
        "cancel_url": f"https://calendly.com/cancellations/{ident}",
        "created_at": made,
        "event": event_uri,
        "invitee_scheduled_by": None,
        "new_invitee": None,
        "no_show": None,
        "old_invitee": None,
        "payment": None,
        "reconfirmation": None,
        "reschedule_url": f"https://calendly.com/reschedulings/{ident}",
        "rescheduled": False,
        "routing_form_submission": None,
        "status": "active",
        "tracking": dict.fromkeys(
            ("utm_campaign", "utm_source", "utm_medium", "utm_content", "utm_term", "salesforce_uuid")
        ),
        "updated_at": made,
        "uri": f"{event_uri}/invitees/{ident}",
        **typed,
    }


TYPED = (
    "email",
    "first_name",
    "last_name",
    "name",
    "questions_and_answers",
    "scheduling_method",
    "text_reminder_number",
    "timezone",
)
"""The fields of an invitee that come from the person; a reschedule carries them over."""


def cancellation(*, name: str, by: By, reason: str | None, at: str) -> Record:
    """Make a cancellation; `canceled_by` is a display name. An active event or invitee has no such key at all."""
    return {"canceled_by": name, "canceler_type": by, "created_at": at, "reason": reason}
