"""Erasing a person: what is taken out of an invitee, and what hides them where Calendly still shows them. Pure.

A forgotten booking goes by `forgotten:` and a keyed hash of its address. So it is recognised when Calendly lists it
again, its message keys stay what they were but for the address, and nothing in the database leads back to the person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncer.model import Event, Invitee

ALIAS = "forgotten:"
TYPED_BY_GUESTS = frozenset({"outbound_call", "ask_invitee"})
"""Kinds of `location` that hold what the guest typed: a number, a place."""

_WORDS_OF_THE_GATEWAY = re.compile(r"(EngageLab [^:]{1,20}):.*", re.DOTALL)


def without_contents(invitee: Invitee) -> Invitee:
    """Take out of an invitee what they typed but for the e-mail."""
    return replace(invitee, name="", first_name="", last_name="", text_reminder_number="", answers=(), cancel_reason="")


def without_person(invitee: Invitee) -> Invitee:
    """Take a person out of an invitee; what is left says when something was booked, moved or canceled."""
    return replace(without_contents(invitee), email="", timezone="", cancel_url="", reschedule_url="")


def without_words(reason: str) -> str:
    """Take out of a message's reason what the gateway wrote: its words may repeat a number or a name."""
    return _WORDS_OF_THE_GATEWAY.sub(r"\1", reason)


@dataclass(frozen=True, slots=True)
class Veil:
    """What was forgotten, as marks; hides it wherever Calendly still shows it.

    Attributes:
        marks: of the addresses of bookings, and of what a guest typed as an event's place. Only those are here that
            were looked up: a database may have forgotten many thousand people.
        mark: makes the mark of a text, with a key that only this database has.
    """

    marks: frozenset[str]
    mark: Callable[[str], str]

    def alias(self, uri: str) -> str:
        """The name by which a forgotten booking goes; an empty address stays empty."""
        return uri if not uri or uri.startswith(ALIAS) else ALIAS + self.mark(uri)

    def hides(self, text: str) -> bool:
        """Whether the booking of this address, or an event's place (`place_of_guest`), was forgotten."""
        return bool(self.marks) and self.mark(text) in self.marks

    def event(self, event: Event) -> Event:
        """Hide the place of an event, if a guest typed it who was forgotten."""
        place = place_of_guest(event)
        if not place or not self.hides(place) or event.location is None:
            return event
        return replace(event, location=replace(event.location, place=""), mark=None)  # a mark may hold what was typed

    def invitee(self, invitee: Invitee) -> Invitee:
        """Hide an invitee who was forgotten; one who moves a forgotten booking stays forgotten."""
        if not self.marks or not (self.hides(invitee.uri) or (invitee.old_invitee and self.hides(invitee.old_invitee))):
            return invitee
        return self.hidden(invitee)

    def hidden(self, invitee: Invitee) -> Invitee:
        """Make of an invitee what is kept of one who was forgotten."""
        return replace(
            without_person(invitee),
            uri=self.alias(invitee.uri),
            old_invitee=self.alias(invitee.old_invitee),
            new_invitee=self.alias(invitee.new_invitee),
        )


def names_of_forgotten(events: Iterable[Event], invitees: Iterable[Invitee] = ()) -> list[str]:
    """List the texts by which forgotten people would be recognised in these events and invitees."""
    places = [place_of_guest(event) for event in events]
    links = [uri for invitee in invitees for uri in (invitee.uri, invitee.old_invitee)]
    return [text for text in (*places, *links) if text]


def typed_place(event: Event) -> str:
    """Read the place that the only guest typed, or anybody's number; empty = there is none, or it is hidden already."""
    location = event.location
    if location is None or location.kind not in TYPED_BY_GUESTS:
        return ""
    # In a group the others still need to know where.
    return "" if location.kind == "ask_invitee" and event.total > 1 else location.place


def place_of_guest(event: Event) -> str:
    """Name the place that a guest typed for this very event: the same words elsewhere are somebody else's, or later."""
    place = typed_place(event)
    return f"{event.uri} {place}" if place else ""
