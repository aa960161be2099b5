"""Events and invitees, and what people do with them: book, cancel, move, and the rarer things.

How each act looks from outside, to the millisecond, follows recorded answers of the real API.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from syncer.sandbox import shapes
from syncer.sandbox.directory import OWNER, Directory, default_place
from syncer.sandbox.ground import NotPossible
from syncer.sandbox.shapes import API, By, Record, stamp, unstamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PhoneIn: TypeAlias = Literal["text_reminder_number", "outbound_call", "question"]


class Bookings(Directory):
    """`events` and `invitees` by URI, in the order they were made; the API only reads them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.events: dict[str, Record] = {}
        self.invitees: dict[str, Record] = {}
        self.by_event: dict[str, list[str]] = {}

    def book(  # one keyword for each thing a person can fill in
        self,
        *,
        start: datetime,
        name: str = "Ines Okafor",
        email: str = "ines.okafor@example.com",
        event_type: str = "Phone consultation",
        minutes: int = 30,
        phone: str | None = None,
        phone_in: PhoneIn | None = None,
        timezone: str | None = "America/Chicago",
        location: Record | None = None,
        seats: int = 1,
        event: str | None = None,
        scheduling_method: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        answers: Sequence[tuple[str, str]] = (),
        guests: Sequence[str] = (),
        host: str = OWNER,
    ) -> str:
        """Book a meeting and return the invitee's URI.

        Args:
            start: when it begins, aware; may lie in the past, to furnish a world with history.
            name: the whole name as typed.
            email: as typed.
            event_type: name or URI; an unknown name becomes a new event type.
            minutes: length.
            phone: number as typed; None = none given.
            phone_in: where Calendly keeps the number; None = `text_reminder_number`.
            timezone: the invitee's IANA zone, or None.
            location: the event's `location` object; None = the event type's own.
            seats: more than one makes a group event.
            event: URI of a group event to join instead; then `start` and the like are that event's.
            scheduling_method: None, `instant_book` or `api`.
            first_name: only when the form asks for two names.
            last_name: likewise.
            answers: (question, answer) pairs, besides the number.
            guests: e-mails.
            host: e-mail or URI of the host.

        Raises:
            NotPossible: the event to join is gone, canceled or full.
        """
        typed: Record = {
            "email": email,
            "first_name": first_name,
            "last_name": last_name,
            "name": name,
            "questions_and_answers": _answers(phone if phone_in == "question" else None, answers),
            "scheduling_method": scheduling_method,
            "text_reminder_number": phone if phone_in in {None, "text_reminder_number"} else None,
            "timezone": timezone,
        }
        with self.lock:
            if event is not None:
                return self._join(event, typed)
            kind = self._event_type(event_type, minutes, seats)
            if phone_in == "outbound_call":
                location = {"type": "outbound_call", "location": phone}
            made = self._stamp()
            new = shapes.event(
                uri=self._event_uri(),
                kind=kind,
                host=self.host(host),
                start=stamp(start),
                end=stamp(start + timedelta(minutes=minutes)),
                location=default_place(kind) if location is None else dict(location),
                seats=seats,
                external_id=None if seats > 1 else self._uuid().replace("-", "")[:26],
                guests=[{"email": guest, "created_at": made, "updated_at": made} for guest in guests],
                made=made,
            )
            return self._join(self._add(new), typed)

    def slot(self, event_type: str, start: datetime) -> str | None:
        """Find the active group event of that type (a name) and start with a free seat: its URI, or None."""
        with self.lock:
            for uri, event in self.events.items():
                counter = event["invitees_counter"]
                free = counter["limit"] > 1 and counter["active"] < counter["limit"]
                same = event["name"] == event_type and event["start_time"] == stamp(start)
                if free and same and event["status"] == "active":
                    return uri
            return None

    def cancel(self, invitee_uri: str, by: By = "invitee", reason: str | None = None) -> None:
        """Cancel a booking. In a group the invitee only leaves; the host always cancels the whole event.

        A group event stays active when its last invitee leaves, as in Calendly's own sample.

        Raises:
            NotPossible: no such booking, or it is canceled already.
        """
        with self.lock:
            event_uri = self._active(invitee_uri)["event"]
            if by == "host":
                self._withdraw(event_uri, list(self.by_event[event_uri]), by, reason, close=True)
            else:
                self._withdraw(event_uri, [invitee_uri], by, reason, close=not self._is_group(event_uri))

    def move(
        self,
        invitee_uri: str,
        start: datetime,
        *,
        by: By = "invitee",
        reason: str | None = None,
        event: str | None = None,
    ) -> str:
        """Reschedule a booking to another start (aware) and return the new invitee's URI.

        The old pair is canceled, the new pair is linked with it; answers, guests and the calendar's id are carried
        over. `event` joins an existing group event instead (`start` is then that event's).
        """
        with self.lock:
            if event is not None:
                self._open(event)
            self.move_begin(invitee_uri, by=by, reason=reason)
            return self.move_finish(invitee_uri, start, event=event)

    def move_begin(self, invitee_uri: str, *, by: By = "invitee", reason: str | None = None) -> None:
        """Play the first half of a reschedule: for some 70 ms it cannot be told from a plain cancellation.

        In a group only this invitee leaves, whoever moves the booking.

        Raises:
            NotPossible: no such booking, or it is canceled already.
        """
        with self.lock:
            event_uri = self._active(invitee_uri)["event"]
            self._withdraw(event_uri, [invitee_uri], by, reason, close=not self._is_group(event_uri))

    def move_finish(self, invitee_uri: str, start: datetime, *, event: str | None = None) -> str:
        """Play the second half: the new pair appears and the links are filled in. Returns the new invitee's URI.

        The old invitee's `updated_at` does not move, as recorded: it cannot tell that a cancel became a reschedule.

        Raises:
            NotPossible: no such booking, or `move_begin` was not played.
        """
        with self.lock:
            old = self._invitee(invitee_uri)
            if old["status"] != "canceled" or old["new_invitee"] is not None:
                raise NotPossible("The first half of the move is missing")
            if event is None:
                event = self._again(self.events[old["event"]], start)
            new = self._join(event, {field: old[field] for field in shapes.TYPED})
            self.invitees[new]["old_invitee"] = invitee_uri
            old.update(rescheduled=True, new_invitee=new)
            return new

    def shift(self, event_uri: str, start: datetime) -> None:
        """Move an event in place, its URI unchanged. Whether the real one ever does so is unknown."""
        with self.lock:
            event = self._event(event_uri)
            length = unstamp(event["end_time"]) - unstamp(event["start_time"])
            event.update(start_time=stamp(start), end_time=stamp(start + length), updated_at=self._stamp())
            for member in event["event_memberships"]:
                member.update(buffered_start_time=stamp(start), buffered_end_time=stamp(start + length))

    def _event_uri(self) -> str:
        return f"{API}/scheduled_events/{self._uuid()}"

    def _add(self, event: Record) -> str:
        uri: str = event["uri"]
        self.events[uri] = event
        self.by_event[uri] = []
        return uri

    def _again(self, old: Record, start: datetime) -> str:
        """Make the new event of a reschedule from the old one."""
        length = unstamp(old["end_time"]) - unstamp(old["start_time"])
        calendar = old["calendar_event"]
        new = shapes.event(
            uri=self._event_uri(),
            kind=self.event_types[old["event_type"]],
            host=self.host(old["event_memberships"][0]["user"]),
            start=stamp(start),
            end=stamp(start + length),
            location=None if old["location"] is None else dict(old["location"]),
            seats=old["invitees_counter"]["limit"],
            external_id=None if calendar is None else calendar["external_id"],
            guests=old["event_guests"],
            made=self._stamp(milliseconds=48),
        )
        return self._add(new)

    def _join(self, event_uri: str, typed: Record) -> str:
        """Add an invitee to an active event; recorded some 20 ms after the event of a first booking."""
        event = self._open(event_uri)
        counter = event["invitees_counter"]
        first = not self.by_event[event_uri]
        made = stamp(unstamp(event["created_at"]) + timedelta(milliseconds=20)) if first else self._stamp()
        invitee = shapes.invitee(event_uri=event_uri, ident=self._uuid(), made=made, typed=typed)
        self.invitees[invitee["uri"]] = invitee
        self.by_event[event_uri].append(invitee["uri"])
        counter["total"] += 1
        counter["active"] += 1
        uri: str = invitee["uri"]
        return uri

    def _withdraw(self, event_uri: str, leaving: Sequence[str], by: By, reason: str | None, *, close: bool) -> None:
        """Cancel those of an event's invitees that are active, and the event itself if it is to close."""
        event = self.events[event_uri]
        name = self.invitees[leaving[0]]["name"] if by == "invitee" else event["event_memberships"][0]["user_name"]
        what = shapes.cancellation(name=name, by=by, reason=reason, at=self._stamp())
        for invitee in map(self.invitees.__getitem__, leaving):
            if invitee["status"] == "active":
                invitee.update(status="canceled", cancellation=dict(what), updated_at=self._stamp(milliseconds=5))
                event["invitees_counter"]["active"] -= 1
        if close:
            # Recorded: 29 ms after an invitee's cancel, a second after a host's.
            at = self._stamp(milliseconds=29 if by == "invitee" else 1000)
            event.update(status="canceled", cancellation=dict(what), updated_at=at)

    def _is_group(self, event_uri: str) -> bool:
        return bool(self.events[event_uri]["invitees_counter"]["limit"] > 1)

    def _open(self, uri: str) -> Record:
        """Find an active event with a free seat."""
        event = self._event(uri)
        if event["status"] != "active":
            raise NotPossible("The event is canceled")
        if event["invitees_counter"]["active"] >= event["invitees_counter"]["limit"]:
            raise NotPossible("The event is full")
        return event

    def _event(self, uri: str) -> Record:
        if uri not in self.events:
            raise NotPossible(f"No event {uri!r}")
        return self.events[uri]

    def _invitee(self, uri: str) -> Record:
        if uri not in self.invitees:
            raise NotPossible(f"No booking {uri!r}")
        return self.invitees[uri]

    def _active(self, uri: str) -> Record:
        invitee = self._invitee(uri)
        if invitee["status"] != "active":
            raise NotPossible("The booking is canceled already")
        return invitee


def _answers(phone: str | None, more: Sequence[tuple[str, str]]) -> list[Record]:
    """Lay out the answers; a number answers the first question of every event type here, `Mobile number`."""
    pairs = [*([] if phone is None else [("Mobile number", phone)]), *more]
    return [{"answer": answer, "position": at, "question": asked} for at, (asked, answer) in enumerate(pairs)]
