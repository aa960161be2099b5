"""The rarer things that happen to bookings: no-shows, erasure, calendar noise, other hosts and places, odd fields."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from syncer.sandbox import shapes
from syncer.sandbox.bookings import Bookings
from syncer.sandbox.ground import NotPossible
from syncer.sandbox.shapes import API, Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

ABSENT: Final = object()
"""For `odd`: the field is not there at all."""


class Oddities(Bookings):
    """Acts on existing bookings that are neither booking, canceling nor moving.

    Attributes:
        odd_fields: URI -> field -> what the API shows in its place. The world itself goes on with the true value.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.odd_fields: dict[str, dict[str, object]] = {}

    def odd(self, uri: str, field: str, value: object) -> None:
        """Let the API show a field of an event, invitee or event type with any value, or `ABSENT`.

        `odd(event, "start_time", 7)` shows a number. Filters, order and pages of listings heed the true value.

        Raises:
            NotPossible: no such record.
        """
        with self.lock:
            if not any(uri in records for records in (self.events, self.invitees, self.event_types)):
                raise NotPossible(f"No event, booking or event type {uri!r}")
            self.odd_fields.setdefault(uri, {})[field] = value

    def usual(self, uri: str) -> None:
        """Let the API show a record as it is again."""
        with self.lock:
            self.odd_fields.pop(uri, None)

    def shown(self, record: Record) -> Record:
        """Give a record as the API shows it."""
        changes = self.odd_fields.get(record["uri"])
        if not changes:
            return record
        return {name: value for name, value in (record | changes).items() if value is not ABSENT}

    def set_no_show(self, invitee_uri: str, missed: bool = True) -> None:
        """Mark an invitee as not having come, or take the mark back.

        Moves no `updated_at`: whether the real one does is unknown, so a client must not rely on it.
        """
        with self.lock:
            mark = {"uri": f"{API}/invitee_no_shows/{self._uuid()}", "created_at": self._stamp()}
            self._invitee(invitee_uri)["no_show"] = mark if missed else None

    def erase(self, invitee_uri: str, *, name: str | None = "") -> None:
        """Erase a person as Calendly does on request: name, answers and number go, the e-mail becomes a made-up one.

        How the name then reads in the API is unknown; `name=None` plays null.
        """
        with self.lock:
            invitee = self._invitee(invitee_uri)
            ghost = hashlib.sha256(invitee_uri.encode()).hexdigest()[:14]
            invitee.update(
                name=name,
                first_name=None,
                last_name=None,
                email=f"{ghost}@deleted.calendly.com",
                questions_and_answers=[],
                text_reminder_number=None,
                updated_at=self._stamp(),
            )
            event = self.events[invitee["event"]]
            for what in (invitee.get("cancellation"), event.get("cancellation")):
                if what is not None and what["canceler_type"] == "invitee":
                    what.update(canceled_by=name, reason=None)
            place = event["location"]
            if place is not None and place["type"] == "outbound_call":
                place["location"] = None

    def touch(self, event_uri: str) -> None:
        """Move an event's `updated_at` and nothing else, as the calendar's push does seconds after each booking."""
        with self.lock:
            self._event(event_uri)["updated_at"] = self._stamp()

    def reassign_host(self, event_uri: str, host: str) -> None:
        """Give an event another host, by e-mail or user URI: the URI, start and booking stay.

        Whether the real one does so, or makes a new event (`move` with `host`), is unknown; both are played.
        """
        with self.lock:
            event = self._event(event_uri)
            event["event_memberships"] = [shapes.hosting(self.host(host), event["start_time"], event["end_time"])]
            event["updated_at"] = self._stamp()

    def set_location(self, event_uri: str, location: Record | None) -> None:
        """Give an event another `location` object, or null."""
        with self.lock:
            self._event(event_uri).update(location=location, updated_at=self._stamp())

    def set_seats(self, event_uri: str, seats: int) -> None:
        """Change an event's number of seats; `total` and `active` stay."""
        with self.lock:
            self._event(event_uri)["invitees_counter"]["limit"] = seats

    def drop(self, invitee_uri: str) -> Record:
        """Take one person out of their event's list, which goes on to count them: an erasure may look like this, too.

        Returns:
            The person, for `put_back`.
        """
        with self.lock:
            person = self._invitee(invitee_uri)
            self.by_event[person["event"]].remove(invitee_uri)
            return self.invitees.pop(invitee_uri)

    def put_back(self, invitee_uri: str, person: Record) -> None:
        """List one person again who was dropped."""
        with self.lock:
            self.invitees[invitee_uri] = person
            self.by_event[person["event"]].append(invitee_uri)

    def vanish(self, event_uri: str) -> None:
        """Take an event and its invitees out of the world: the API answers 404 and no listing has it."""
        with self.lock:
            self._event(event_uri)
            for uri in self.by_event.pop(event_uri):
                del self.invitees[uri]
            del self.events[event_uri]
