"""Makers of values, and the fixed present that all tests share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from syncer.model import Audience, Booking, Event, Host, Invitee, Message, State, utc_text
from syncer.reasons import Reason

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
API = "https://api.calendly.com"
NUMBER = "+13125550142"
TUTORIAL = {
    "CALENDLY_TOKEN": "token",
    "ENGAGELAB_DEV_KEY": "key",
    "ENGAGELAB_DEV_SECRET": "secret",
    "TEMPLATE_ID_CONFIRM": "1001",
    "TEMPLATE_ID_CANCEL": "1002",
    "TEMPLATE_ID_REMINDER": "1003",
    "TEMPLATE_ID_FOLLOWUP": "1004",
    "TEMPLATE_ID_HOST_NOTIFY": "1005",
    "HOST_PHONE": "+13125550177",
}
"""The `.env` of the usual webhook tutorial, plus CALENDLY_TOKEN."""


def an_event(name: str = "e1", **over: Any) -> Event:
    """Make an event that starts in two days."""
    start = over.pop("start", NOW + timedelta(days=2))
    fields: dict[str, Any] = {
        "uri": f"{API}/scheduled_events/{name}",
        "name": "Phone consultation",
        "status": "active",
        "start": start,
        "end": start + timedelta(minutes=30),
        "event_type": f"{API}/event_types/t1",
        "hosts": (Host(f"{API}/users/u1", "mara@northpier.example", "Mara Lindqvist"),),
        "total": 1,
        "active": 1,
    }
    return Event(**(fields | over))


def an_invitee(event: Event, name: str = "i1", **over: Any) -> Invitee:
    """Make an active invitee of an event, booked an hour ago, with a number."""
    fields: dict[str, Any] = {
        "uri": f"{event.uri}/invitees/{name}",
        "event": event.uri,
        "name": "Ines Okafor",
        "email": "ines.okafor@example.com",
        "timezone": "America/Chicago",
        "text_reminder_number": NUMBER,
        "created_at": NOW - timedelta(hours=1),
    }
    return Invitee(**(fields | over))


def a_booking(event: Event | None = None, invitee: Invitee | None = None, **over: Any) -> Booking:
    """Make a booking, read just now."""
    event = event or an_event()
    fields: dict[str, Any] = {"seen_at": NOW, "read_at": NOW}
    return Booking(event=event, invitee=invitee or an_invitee(event), **(fields | over))


def a_message(booking: Booking | None = None, **over: Any) -> Message:
    """Make a message that is due now."""
    booking = booking or a_booking()
    rule = over.get("rule", "confirmation")
    fields: dict[str, Any] = {
        "key": f"{booking.uri}/{rule}/{utc_text(booking.event.start)}",
        "rule": rule,
        "booking": booking.uri,
        "audience": Audience.INVITEE,
        "to": NUMBER,
        "language": "en",
        "template": "1001",
        "params": {"name": "Ines Okafor", "time": "Wed, Nov 25, 2026, 6:00 AM"},
        "state": State.SCHEDULED,
        "reason": Reason.NONE,
        "scheduled_at": NOW,
        "next_at": NOW,
        "expires_at": NOW + timedelta(hours=6),
        "meeting_at": booking.event.start,
        "changed_at": NOW,
    }
    return Message(**(fields | over))
