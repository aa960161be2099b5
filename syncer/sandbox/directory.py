"""The organization, its people and its event types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.sandbox import shapes
from syncer.sandbox.ground import Ground, NotPossible
from syncer.sandbox.shapes import API, Record, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

OWNER = "mara@northpier.example"
"""E-mail of the organization's owner, whom every token belongs to unless `token_users` says otherwise."""
MEMBER = "jonas@northpier.example"
"""E-mail of a second host, a plain member without admin rights."""

_PLACES: dict[str, Record] = {
    # The host's own number: a client that texts every number it finds is caught by it.
    "inbound_call": {"type": "inbound_call", "location": "+1 312-555-0199"},
    "google_conference": {
        "type": "google_conference",
        "status": "pushed",
        "join_url": "https://calendly.com/events/1a2b3c4d/google_meet",
    },
    "physical": {"type": "physical", "location": "14 Harbor Street", "additional_info": "Ring bell 2"},
}


class Directory(Ground):
    """Users, memberships, groups, event types: API-shaped dicts by URI."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.users: dict[str, Record] = {}
        self.memberships: dict[str, Record] = {}
        self.groups: dict[str, frozenset[str]] = {}
        self.event_types: dict[str, Record] = {}
        made = self._stamp()
        self.organization: Record = {
            "created_at": made,
            "id": 41234567,
            "kind": "single",
            "name": "North Pier Dental",
            "plan": "basic",
            "stage": "free",
            "updated_at": made,
            "uri": f"{API}/organizations/{self._uuid()}",
        }
        self.add_host(name="Mara Lindqvist", email=OWNER, timezone="America/Chicago", role="owner")
        self.add_host(name="Jonas Weber", email=MEMBER, timezone="Europe/Berlin")
        self.add_event_type("Phone consultation", minutes=30, place="inbound_call")
        self.add_event_type("Video call", minutes=45, place="google_conference")
        self.add_event_type("Open clinic", minutes=60, group=True)

    def add_host(self, *, name: str, email: str, timezone: str = "America/Chicago", role: Role = "user") -> str:
        """Add a user to the organization (`timezone` is IANA) and return the user's URI."""
        with self.lock:
            uri = f"{API}/users/{self._uuid()}"
            self.users[uri] = shapes.user(
                uri=uri,
                name=name,
                email=email,
                timezone=timezone,
                organization=self.organization["uri"],
                made=self._stamp(),
            )
            at = f"{API}/organization_memberships/{self._uuid()}"
            self.memberships[at] = shapes.membership(uri=at, role=role, member=self.users[uri])
            return uri

    def add_group(self, members: Iterable[str]) -> str:
        """Add a group of hosts, each an e-mail or a user URI, and return the group's URI."""
        with self.lock:
            uri = f"{API}/groups/{self._uuid()}"
            self.groups[uri] = frozenset(self.host(member)["uri"] for member in members)
            return uri

    def add_event_type(self, name: str, *, minutes: int = 30, group: bool = False, place: str = "physical") -> str:
        """Add an event type of so many minutes and return its URI. It asks for a mobile number and a reason.

        `place` is a location kind; a group event type takes several invitees in one event.
        """
        with self.lock:
            uri = f"{API}/event_types/{self._uuid()}"
            self.event_types[uri] = shapes.event_type(
                uri=uri,
                name=name,
                minutes=minutes,
                group=group,
                place=place,
                owner=self.host(OWNER),
                made=self._stamp(),
            )
            return uri

    def host(self, who: str) -> Record:
        """Find a user by e-mail or URI.

        Raises:
            NotPossible: nobody in the organization has it.
        """
        for uri, user in self.users.items():
            if who in {uri, user["email"]}:
                return user
        raise NotPossible(f"No host {who!r} in this organization")

    def role_of(self, user_uri: str) -> Role:
        """Say a user's role in the organization."""
        for found in self.memberships.values():
            if found["user"]["uri"] == user_uri:
                role: Role = found["role"]
                return role
        raise NotPossible(f"No host {user_uri!r} in this organization")

    def _event_type(self, name: str, minutes: int, seats: int) -> Record:
        """Find an event type by name or URI; an unknown name becomes a new event type."""
        for uri, found in self.event_types.items():
            if name in {uri, found["name"]}:
                return found
        return self.event_types[self.add_event_type(name, minutes=minutes, group=seats > 1)]


def default_place(kind: Record) -> Record:
    """Make the `location` of an event of this type when nothing else was said."""
    return dict(_PLACES.get(kind["locations"][0]["kind"], _PLACES["physical"]))
