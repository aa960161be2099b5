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
    """`events` and `invitees` by URI, in the order they were made; the API only reads them.

    Attributes:
        events: by URI, API-shaped.
        invitees: by URI, API-shaped.
        by_event: event URI -> the URIs of its invitees.
        moved: old invitee URI -> new one, of each finished move; also where the API shows no link between them.
        calendar_connected: whether hosts have a calendar connected; without one a new event's `calendar_event` is null.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.events: dict[str, Record] = {}
        self.invitees: dict[str, Record] = {}
        self.by_event: dict[str, list[str]] = {}
        self.moved: dict[str, str] = {}
        self.calendar_connected = True

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
        calendar: bool | None = None,
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
            calendar: whether the event has a `calendar_event`; None = as `calendar_connected` says. A group has none.

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
            in_calendar = seats == 1 and (self.calendar_connected if calendar is None else calendar)
            new = shapes.event(
                uri=self._event_uri(),
                kind=kind,
                hosts=[self.host(host)],
                start=stamp(start),
                end=stamp(start + timedelta(minutes=minutes)),
                location=default_place(kind) if location is None else dict(location),
                seats=seats,
                external_id=self._uuid().replace("-", "")[:26] if in_calendar else None,
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
        location: Record | None = None,
        host: str | None = None,
        linked: bool = True,
        rescheduled: bool = True,
    ) -> str:
        """Reschedule a booking and return the new invitee's URI.

        The old pair is canceled, the new pair is linked with it; answers, guests and the calendar's id are carried
        over. Two of eleven recorded moves by a host kept the start: only the place or the notes had changed.

        Args:
            invitee_uri: the booking.
            start: the new start, aware; may be the old one.
            by: who moves it. Of a host's move the new invitee says so in `invitee_scheduled_by`.
            reason: as typed.
            event: URI of an existing group event to join instead; then start, location and host are that event's.
            location: the new event's `location` object; None = the old one.
            host: e-mail or URI of another host who takes the meeting over; None = the same.
            linked: False leaves `new_invitee` and `old_invitee` null; `link` fills them in later.
            rescheduled: what the old invitee then says; the real one says True with the link.

        Raises:
            NotPossible: no such booking, event or host; the booking is canceled already; the event is full.
        """
        with self.lock:
            if event is not None:
                self._open(event)
            if host is not None:
                self.host(host)
            self.move_begin(invitee_uri, by=by, reason=reason)
            return self.move_finish(
                invitee_uri, start, event=event, location=location, host=host, linked=linked, rescheduled=rescheduled
            )

    def host_moves(self, host: str, day_start: datetime, day_end: datetime, by: timedelta) -> list[str]:
        """Let a host move all their active meetings of a span, as one does who is ill.

        Args:
            host: e-mail or URI.
            day_start: first start that is moved, aware.
            day_end: first start that is not moved any more, aware.
            by: how far; negative = earlier.

        Returns:
            The new invitees' URIs, by the start of their meetings. A group stays together in one new event.

        Raises:
            NotPossible: no such host.
        """
        with self.lock:
            user = self.host(host)["uri"]
            hosted = [
                event
                for event in self.events.values()
                if stamp(day_start) <= event["start_time"] < stamp(day_end)
                and any(member["user"] == user for member in event["event_memberships"])
            ]
            new: list[str] = []
            for event in sorted(hosted, key=lambda row: str(row["start_time"])):
                start, together = unstamp(event["start_time"]) + by, None
                for invitee in list(self.by_event[event["uri"]]):
                    if self.invitees[invitee]["status"] == "active":
                        new.append(self.move(invitee, start, by="host", event=together))
                        together = self.invitees[new[-1]]["event"]
            return new

    def move_begin(self, invitee_uri: str, *, by: By = "invitee", reason: str | None = None) -> None:
        """Play the first half of a reschedule: for some 70 ms it cannot be told from a plain cancellation.

        In a group only this invitee leaves, whoever moves the booking.

        Raises:
            NotPossible: no such booking, or it is canceled already.
        """
        with self.lock:
            event_uri = self._active(invitee_uri)["event"]
            self._withdraw(event_uri, [invitee_uri], by, reason, close=not self._is_group(event_uri))

    def move_finish(
        self,
        invitee_uri: str,
        start: datetime,
        *,
        event: str | None = None,
        location: Record | None = None,
        host: str | None = None,
        linked: bool = True,
        rescheduled: bool = True,
    ) -> str:
        """Play the second half: the new pair appears and the links are filled in. Returns the new invitee's URI.

        The old invitee's `updated_at` does not move, as recorded: it cannot tell that a cancel became a reschedule.
        The arguments are those of `move`.

        Raises:
            NotPossible: no such booking, or `move_begin` was not played.
        """
        with self.lock:
            old = self._invitee(invitee_uri)
            if old["status"] != "canceled" or invitee_uri in self.moved:
                raise NotPossible("The first half of the move is missing")
            old_event = self.events[old["event"]]
            if event is None:
                event = self._again(old_event, start, location=location, host=host)
            new = self._join(event, {field: old[field] for field in shapes.TYPED})
            if old["cancellation"]["canceler_type"] == "host":
                self.invitees[new]["invitee_scheduled_by"] = old_event["event_memberships"][0]["user"]
            self.moved[invitee_uri] = new
            old["rescheduled"] = rescheduled
            if linked:
                self._link(invitee_uri)
            return new

    def link(self, invitee_uri: str) -> None:
        """Fill in the links of a move that was finished without them.

        Raises:
            NotPossible: the booking was not moved.
        """
        with self.lock:
            if invitee_uri not in self.moved:
                raise NotPossible("This booking was not moved")
            self.invitees[invitee_uri]["rescheduled"] = True
            self._link(invitee_uri)

    def _link(self, old: str) -> None:
        new = self.moved[old]
        self.invitees[old]["new_invitee"] = new
        self.invitees[new]["old_invitee"] = old

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

    def _again(self, old: Record, start: datetime, *, location: Record | None, host: str | None) -> str:
        """Make the new event of a reschedule from the old one."""
        length = unstamp(old["end_time"]) - unstamp(old["start_time"])
        calendar, place = old["calendar_event"], old["location"] if location is None else location
        # A deleted host is in the old event only.
        hosts = [self.host(host)] if host is not None else list(map(shapes.host_of, old["event_memberships"]))
        new = shapes.event(
            uri=self._event_uri(),
            kind=self.event_types[old["event_type"]],
            hosts=hosts,
            start=stamp(start),
            end=stamp(start + length),
            location=None if place is None else dict(place),
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
        first = counter["total"] == 0
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
