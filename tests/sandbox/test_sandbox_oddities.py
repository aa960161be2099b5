"""What the sandbox's Calendly can do wrong to one record or one page, over real loopback HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.sandbox_client import HOUR, START, Clock, read, renew
from syncer.sandbox.directory import MEMBER, OWNER
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.shapes import API, stamp
from syncer.sandbox.world import ABSENT, PAGE_FAULTS, NotPossible, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A running sandbox."""
    with SandboxServer(World(Clock())) as running:
        yield running


@pytest.fixture
def world(server: SandboxServer) -> World:
    """The served world, without bookings."""
    return renew(server.world, Clock())


@pytest.fixture(scope="module")
def api(server: SandboxServer) -> Iterator[httpx.Client]:
    """A client that is logged in as the owner."""
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer any"}, trust_env=False) as client:
        yield client


def page(api: httpx.Client, world: World, **query: str) -> dict[str, Any]:
    """Read a page of the events' listing."""
    answer = api.get("/scheduled_events", params={"organization": world.organization["uri"], **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def invitees(api: httpx.Client, event: str) -> httpx.Response:
    """List the invitees of an event."""
    return api.get(f"{event.removeprefix(API)}/invitees")


SPOILED: dict[str, Callable[[dict[str, Any]], object]] = {
    "token alone": lambda told: told | {"next_page": None, "next_page_token": "c3RyYXk"},
    "wrong count": lambda told: told | {"count": 3},
    "no count": lambda told: {name: value for name, value in told.items() if name != "count"},
    "empty pagination": lambda _: {},
    "null pagination": lambda _: None,
    "no pagination": lambda _: ABSENT,
}
"""What each fault makes of a sound page's `pagination`, with two rows on it."""


class TestOddFields:
    """`odd`: any value in any field, for the API alone."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("invitees_counter", {"total": 1.0, "active": 1.0, "limit": 1}),
            ("location", "14 Harbor Street"),
            ("start_time", 7),
            ("start_time", "soon"),
            ("uri", None),
            ("event_memberships", None),
            ("name", {"en": "Consultation"}),
            ("something_new", [1, 2]),
        ],
    )
    def test_of_an_event(self, api: httpx.Client, world: World, field: str, value: object) -> None:
        """Listed and read so, in its usual place; the others are as they were, and so is this one afterwards."""
        events = [world.invitees[world.book(start=START + at * HOUR)]["event"] for at in range(3)]
        before = page(api, world)["collection"]

        world.odd(events[1], field, value)
        listed = page(api, world, min_start_time=stamp(START + HOUR))["collection"]

        assert listed == [before[1] | {field: value}, before[2]]
        assert read(api, events[1]) == listed[0]
        assert world.move(world.by_event[events[1]][0], START + 9 * HOUR)
        world.usual(events[1])
        assert page(api, world)["collection"][1]["uri"] == events[1]

    def test_a_field_that_is_not_there(self, api: httpx.Client, world: World) -> None:
        """Several odd fields of one event add up."""
        event = world.invitees[world.book(start=START)]["event"]
        (before,) = page(api, world)["collection"]

        world.odd(event, "location", ABSENT)
        world.odd(event, "name", None)

        (after,) = page(api, world)["collection"]
        assert after == {name: value for name, value in before.items() if name != "location"} | {"name": None}

    def test_of_an_invitee_or_an_event_type(self, api: httpx.Client, world: World) -> None:
        """Whatever has a URI of its own."""
        uri = world.book(start=START)
        kind = next(iter(world.event_types))

        world.odd(uri, "questions_and_answers", None)
        world.odd(kind, "custom_questions", "none")

        assert invitees(api, world.invitees[uri]["event"]).json()["collection"][0]["questions_and_answers"] is None
        assert read(api, uri)["questions_and_answers"] is None
        assert read(api, kind)["custom_questions"] == "none"

    def test_of_nothing(self, world: World) -> None:
        """A URI that nothing has is refused."""
        with pytest.raises(NotPossible, match="none"):
            world.odd("none", "name", None)


class TestOneEventsFault:
    """`refuse_event`: every request for one event's invitees gets a status of its own."""

    @pytest.mark.parametrize("status", [403, 404, 409, 500])
    def test_until_it_is_taken_back(self, api: httpx.Client, world: World, status: int) -> None:
        """Again and again; the event itself is readable, and so are the invitees of the others."""
        uri, other = world.book(start=START), world.book(start=START)
        event = world.invitees[uri]["event"]

        world.faults.refuse_event(event, status=status)

        refused = [invitees(api, event), invitees(api, event), api.get(uri.removeprefix(API))]
        assert [answer.status_code for answer in refused] == [status] * 3
        assert set(refused[0].json()) == {"title", "message"}
        assert "x-ratelimit-remaining" in refused[0].headers
        assert invitees(api, world.invitees[other]["event"]).status_code == 200
        assert len(page(api, world)["collection"]) == 2
        assert read(api, event)["uri"] == event

        world.faults.allow_event(event)

        assert [row["uri"] for row in invitees(api, event).json()["collection"]] == [uri]

    def test_its_words(self, api: httpx.Client, world: World) -> None:
        """A 403 says what Calendly says of an event that one may not see."""
        event = world.invitees[world.book(start=START)]["event"]
        world.faults.refuse_event(event)

        assert invitees(api, event).json() == {
            "title": "Permission Denied",
            "message": "You are not allowed to view this event.",
        }

    def test_it_is_not_used_up_and_does_not_count_as_waiting(self, api: httpx.Client, world: World) -> None:
        """Beside faults that are; `clear` forgets both."""
        event = world.invitees[world.book(start=START)]["event"]
        world.faults.refuse_event(event)
        world.faults.fail("/scheduled_events/", status=503)

        assert len(world.faults) == 1
        assert [invitees(api, event).status_code for _ in range(3)] == [503, 403, 403]
        world.faults.clear()
        assert invitees(api, event).status_code == 200


class TestPageFaults:
    """Pages that contradict themselves or do not say whether there is more."""

    @pytest.mark.parametrize("fault", SPOILED)
    @pytest.mark.parametrize("listing", ["events", "invitees"])
    def test_each(self, api: httpx.Client, world: World, listing: str, fault: str) -> None:
        """One page of the listing is spoiled, with all its rows; the next one is sound again."""
        first = world.book(start=START, event_type="Open clinic", seats=9)
        event = world.invitees[first]["event"]
        for at in range(2):
            world.book(start=START, event=event)
            world.book(start=START + (at + 1) * HOUR)
        path, query = (
            ("/scheduled_events", {"organization": world.organization["uri"]})
            if listing == "events"
            else (f"{event.removeprefix(API)}/invitees", {})
        )

        def ask() -> dict[str, Any]:
            found: dict[str, Any] = api.get(path, params={**query, "count": "2"}).json()
            return found

        sound = ask()
        (world.page_faults if listing == "events" else world.invitee_page_faults).append(fault)
        spoiled, after = ask(), ask()

        assert spoiled.get("pagination", ABSENT) == SPOILED[fault](sound["pagination"])
        assert spoiled["collection"] == sound["collection"]
        assert len(spoiled["collection"]) == 2
        assert after["pagination"]["next_page"]
        assert after["pagination"]["count"] == 2

    def test_in_order(self, api: httpx.Client, world: World) -> None:
        """Each fault is for one page; another listing takes none."""
        event = world.invitees[world.book(start=START)]["event"]
        world.page_faults += ["token alone", "empty pagination"]

        assert invitees(api, event).json()["pagination"]["count"] == 1
        assert [page(api, world)["pagination"].get("next_page_token", "none") for _ in range(3)] == [
            "c3RyYXk",
            "none",
            None,
        ]

    def test_every_fault_is_tried_here(self) -> None:
        """A new one is put into the table above."""
        assert set(SPOILED) == PAGE_FAULTS


class TestErasedHosts:
    """`delete_host`: the user is gone, the events stay."""

    def test_events_show_no_name(self, api: httpx.Client, world: World) -> None:
        """`deleted` and no e-mail; the user's URI stays. Other hosts' events are as they were."""
        gone, other = world.book(start=START, host=MEMBER), world.book(start=START)
        user = world.host(MEMBER)["uri"]

        world.delete_host(MEMBER)

        hosts = [read(api, read(api, uri)["event"])["event_memberships"][0] for uri in (gone, other)]
        assert [(host["user_name"], host["user_email"]) for host in hosts] == [
            ("deleted", None),
            ("Mara Lindqvist", OWNER),
        ]
        assert hosts[0]["user"] == user
        members = api.get("/organization_memberships", params={"organization": world.organization["uri"]}).json()
        assert [row["user"]["email"] for row in members["collection"]] == [OWNER]

    def test_their_bookings_can_be_moved_and_handed_over(self, api: httpx.Client, world: World) -> None:
        """By the guest, still with nobody; by a move to another host."""
        uri = world.book(start=START, host=MEMBER)
        world.delete_host(MEMBER)

        moved = world.move(uri, START + HOUR)
        taken = world.move(moved, START + HOUR, host=OWNER)

        names = [read(api, read(api, one)["event"])["event_memberships"][0]["user_name"] for one in (moved, taken)]
        assert names == ["deleted", "Mara Lindqvist"]

    def test_their_token_is_refused(self, api: httpx.Client, world: World) -> None:
        """As that of nobody."""
        world.token_users["jonas"] = world.host(MEMBER)["uri"]
        world.delete_host(MEMBER)

        answers = [api.get("/users/me", headers={"Authorization": f"Bearer {token}"}) for token in ("jonas", "any")]

        assert [answer.status_code for answer in answers] == [401, 200]

    @pytest.mark.parametrize(("who", "words"), [(OWNER, "owner"), ("nobody@example.com", "No host")])
    def test_whom_nobody_deletes(self, world: World, who: str, words: str) -> None:
        """The owner, and who is not there."""
        with pytest.raises(NotPossible, match=words):
            world.delete_host(who)
