"""What happens to bookings in the sandbox, as a poller sees it: moves, cancellations, groups, the rarer things."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sandbox_client import HOUR, NOW, START, Clock, read, renew
from syncer.sandbox.directory import MEMBER, OWNER
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.shapes import API, stamp
from syncer.sandbox.world import NotPossible, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A running sandbox."""
    with SandboxServer(World(Clock())) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def world(server: SandboxServer, clock: Clock) -> World:
    """The served world, without bookings."""
    return renew(server.world, clock)


@pytest.fixture(scope="module")
def api(server: SandboxServer) -> Iterator[httpx.Client]:
    """A client that is logged in as the owner."""
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer any"}, trust_env=False) as client:
        yield client


class TestMoves:
    """Reschedules."""

    def test_a_move_is_a_linked_pair(self, api: httpx.Client, world: World, clock: Clock) -> None:
        """The old pair is canceled and names the new one, which carries over the answers and the calendar's id."""
        old_uri = world.book(
            start=START,
            phone="+1 404-555-1234",
            phone_in="question",
            answers=[("Reason for the visit", "Knee pain")],
            guests=["guest@example.com"],
        )
        clock.advance(60)
        new_uri = world.move(old_uri, START + HOUR, reason="Travel")

        old, new = read(api, old_uri), read(api, new_uri)
        old_event, new_event = read(api, old["event"]), read(api, new["event"])

        assert (old["status"], old["rescheduled"], old["new_invitee"]) == ("canceled", True, new_uri)
        assert (new["status"], new["rescheduled"], new["old_invitee"]) == ("active", False, old_uri)
        assert "cancellation" not in new
        assert new["questions_and_answers"] == old["questions_and_answers"]
        assert old["cancellation"] == old_event["cancellation"]
        assert old["cancellation"]["reason"] == "Travel"
        assert old_event["invitees_counter"] == {"total": 1, "active": 0, "limit": 1}
        assert new_event["uri"] != old_event["uri"]
        assert new_event["start_time"] == stamp(START + HOUR)
        assert new_event["calendar_event"] == old_event["calendar_event"]
        assert new_event["event_guests"] == old_event["event_guests"]

    def test_in_the_gap_a_move_looks_like_a_cancellation(self, api: httpx.Client, world: World, clock: Clock) -> None:
        """Between the halves nothing tells a move from a cancellation, and `updated_at` never will."""
        uri = world.book(start=START)

        world.move_begin(uri)
        gap = read(api, uri)
        clock.advance(0.07)
        new = world.move_finish(uri, START + HOUR)
        after = read(api, uri)

        assert (gap["status"], gap["rescheduled"], gap["new_invitee"]) == ("canceled", False, None)
        assert after == {**gap, "rescheduled": True, "new_invitee": new}

    def test_a_chain_of_moves_leads_back(self, world: World) -> None:
        """Each hop is a new pair; `old_invitee` leads back to the first."""
        first = world.book(start=START)
        second = world.move(first, START + HOUR, by="host")
        third = world.move(second, START)

        assert world.invitees[third]["old_invitee"] == second
        assert world.invitees[second]["old_invitee"] == first
        assert world.invitees[first]["cancellation"]["canceler_type"] == "host"

    @pytest.mark.parametrize("by", ["invitee", "host"])
    def test_a_move_in_a_group_takes_one_invitee_only(self, world: World, by: Literal["invitee", "host"]) -> None:
        """The others stay where they are, and an existing event can be joined."""
        one = world.book(start=START, event_type="Open clinic", seats=3)
        event = world.invitees[one]["event"]
        world.book(start=START, event=event)
        other = world.invitees[world.book(start=START + HOUR, event_type="Open clinic", seats=3)]["event"]

        moved = world.move(one, START + HOUR, by=by, event=other)

        assert world.invitees[moved]["event"] == other
        assert world.events[event]["status"] == "active"
        assert world.events[event]["invitees_counter"] == {"total": 2, "active": 1, "limit": 3}
        assert world.events[other]["invitees_counter"] == {"total": 2, "active": 2, "limit": 3}

    def test_a_shift_in_place_keeps_the_uri(self, api: httpx.Client, world: World) -> None:
        """Start, end and the hosts' buffers move; URI, invitee and length stay."""
        uri = world.book(start=START)
        event = world.invitees[uri]["event"]
        before = read(api, uri)

        world.shift(event, START + HOUR)
        after = read(api, event)

        assert (after["start_time"], after["end_time"]) == (stamp(START + HOUR), stamp(START + 1.5 * HOUR))
        assert after["event_memberships"][0]["buffered_start_time"] == stamp(START + HOUR)
        assert read(api, uri) == before


def halves(api: httpx.Client, world: World, old: str) -> tuple[dict[str, Any], ...]:
    """Read a move's old invitee, old event, new invitee and new event."""
    one, other = read(api, old), read(api, world.moved[old])
    return one, read(api, one["event"]), other, read(api, other["event"])


class TestMovesAsRecorded:
    """What hosts were recorded to do: moves of a day, moves to the same time, hand-overs, and links that lack."""

    def test_a_hosts_move(self, api: httpx.Client, world: World, clock: Clock) -> None:
        """A cancellation by the host and a new event of the same calendar entry, scheduled by the host."""
        uri = world.book(start=START, host=MEMBER, phone="+1 312-555-0142")
        clock.advance(60)

        world.move(uri, START + HOUR, by="host")

        old, old_event, new, new_event = halves(api, world, uri)
        assert old["cancellation"] == old_event["cancellation"]
        assert old["cancellation"] == {
            "canceled_by": "Jonas Weber",
            "canceler_type": "host",
            "created_at": stamp(NOW + timedelta(seconds=60)),
            "reason": None,
        }
        assert (old["rescheduled"], old["new_invitee"], old["invitee_scheduled_by"]) == (True, new["uri"], None)
        assert (new["rescheduled"], new["old_invitee"]) == (False, uri)
        assert new["invitee_scheduled_by"] == world.host(MEMBER)["uri"]
        assert new["text_reminder_number"] == "+1 312-555-0142"
        assert new_event["calendar_event"] == old_event["calendar_event"]
        assert new_event["calendar_event"]["external_id"]

    def test_an_invitees_move_is_scheduled_by_nobody_else(self, api: httpx.Client, world: World) -> None:
        """Also when the host moved the booking before."""
        first = world.book(start=START)
        second = world.move(first, START + HOUR, by="host")
        third = world.move(second, START + 2 * HOUR)

        assert [read(api, uri)["invitee_scheduled_by"] for uri in (first, second, third)] == [
            None,
            world.host(OWNER)["uri"],
            None,
        ]

    def test_a_host_moves_a_day(self, api: httpx.Client, world: World) -> None:
        """All active meetings of that host in the span, from its first moment to before its last; nobody else's."""
        mine = [world.book(start=START + at * HOUR) for at in (3, 0, 1, 2)]
        others = world.book(start=START + HOUR, host=MEMBER)
        gone = world.book(start=START + HOUR)
        world.cancel(gone)

        new = world.host_moves(OWNER, START, START + 3 * HOUR, timedelta(days=2))

        assert new == [world.moved[uri] for uri in (mine[1], mine[2], mine[3])]
        assert [read(api, read(api, uri)["event"])["start_time"] for uri in new] == [
            stamp(START + timedelta(days=2) + at * HOUR) for at in range(3)
        ]
        assert all(read(api, uri)["invitee_scheduled_by"] == world.host(OWNER)["uri"] for uri in new)
        assert [read(api, uri)["status"] for uri in (mine[0], others, gone)] == ["active", "active", "canceled"]

    def test_a_group_stays_together(self, api: httpx.Client, world: World) -> None:
        """A host who moves the day puts a group into one new event; who had left it stays out."""
        first = world.book(start=START, event_type="Open clinic", seats=3)
        event = world.invitees[first]["event"]
        second, left = (world.book(start=START, event=event) for _ in range(2))
        world.cancel(left)

        new = world.host_moves(OWNER, START, START + HOUR, timedelta(hours=5))

        assert new == [world.moved[first], world.moved[second]]
        (event,) = {read(api, uri)["event"] for uri in new}
        assert read(api, event)["invitees_counter"] == {"total": 2, "active": 2, "limit": 3}

    @pytest.mark.parametrize("by", ["invitee", "host"])
    def test_a_move_to_the_same_time(self, api: httpx.Client, world: World, by: Literal["invitee", "host"]) -> None:
        """Only the place is another; the pair is linked as in every move."""
        place = {"type": "physical", "location": "2 Mill Lane", "additional_info": None}
        uri = world.book(start=START)

        world.move(uri, START, by=by, location=place)

        old, old_event, new, new_event = halves(api, world, uri)
        times = [(event["start_time"], event["end_time"]) for event in (old_event, new_event)]
        assert times[0] == times[1]
        assert (old_event["location"]["type"], new_event["location"]) == ("inbound_call", place)
        assert (old["new_invitee"], new["old_invitee"]) == (new["uri"], old["uri"])

    def test_back_and_forth(self, api: httpx.Client, world: World) -> None:
        """Each way is a new pair in the same calendar entry, also when the place was another meanwhile."""
        uris = [world.book(start=START)]
        for start in (START + HOUR, START, START + HOUR):
            uris.append(world.move(uris[-1], start))

        events = [read(api, read(api, uri)["event"]) for uri in uris]

        assert [event["start_time"] for event in events] == [stamp(START), stamp(START + HOUR)] * 2
        assert [event["status"] for event in events] == ["canceled"] * 3 + ["active"]
        assert len({event["uri"] for event in events}) == 4
        assert len({event["calendar_event"]["external_id"] for event in events}) == 1

    @pytest.mark.parametrize("start", [START, START + HOUR], ids=["same time", "other time"])
    def test_a_hand_over_by_a_move(self, api: httpx.Client, world: World, start: datetime) -> None:
        """The new event has another host; scheduled by the old one, who handed it over."""
        uri = world.book(start=START)

        world.move(uri, start, by="host", host=MEMBER)

        _, old_event, new, new_event = halves(api, world, uri)
        hosts = [event["event_memberships"][0]["user_email"] for event in (old_event, new_event)]
        assert hosts == [OWNER, MEMBER]
        assert new_event["start_time"] == stamp(start)
        assert new["invitee_scheduled_by"] == world.host(OWNER)["uri"]

    def test_a_move_to_an_unknown_host_changes_nothing(self, world: World) -> None:
        """The first half is not played either."""
        uri = world.book(start=START)

        with pytest.raises(NotPossible, match="No host"):
            world.move(uri, START + HOUR, host="nobody@example.com")

        assert world.invitees[uri]["status"] == "active"

    def test_without_a_calendar(self, api: httpx.Client, world: World) -> None:
        """`calendar_event` is null for one booking, for all from now on, or for a group; a move carries over either."""
        booked = [world.book(start=START), world.book(start=START, calendar=False)]
        world.calendar_connected = False
        booked += [world.book(start=START), world.book(start=START, calendar=True)]
        booked.append(world.book(start=START, event_type="Open clinic", seats=2, calendar=True))
        moved = [world.move(uri, START + HOUR, by="host") for uri in booked]

        def ids(uris: list[str]) -> list[str | None]:
            found = [read(api, read(api, uri)["event"])["calendar_event"] for uri in uris]
            return [None if calendar is None else calendar["external_id"] for calendar in found]

        assert [external_id is not None for external_id in ids(booked)] == [True, False, False, True, False]
        assert ids(moved) == ids(booked)

    @pytest.mark.parametrize("rescheduled", [True, False])
    def test_links_that_come_late(self, api: httpx.Client, world: World, *, rescheduled: bool) -> None:
        """Until then nothing but the calendar entry tells which bookings belong together."""
        uri = world.book(start=START)

        world.move(uri, START + HOUR, by="host", linked=False, rescheduled=rescheduled)
        old, old_event, new, new_event = halves(api, world, uri)
        world.link(uri)
        linked_old, _, linked_new, _ = halves(api, world, uri)

        assert (old["rescheduled"], old["new_invitee"], new["old_invitee"]) == (rescheduled, None, None)
        assert old_event["calendar_event"] == new_event["calendar_event"]
        assert linked_old == old | {"rescheduled": True, "new_invitee": new["uri"]}
        assert linked_new == new | {"old_invitee": uri}

    def test_a_move_is_finished_once(self, world: World) -> None:
        """Also where no link says that it is finished; and only a move has links."""
        uri, other = world.book(start=START), world.book(start=START)
        world.move_begin(uri)
        world.move_finish(uri, START + HOUR, linked=False, rescheduled=False)

        with pytest.raises(NotPossible, match="first half"):
            world.move_finish(uri, START + HOUR)
        with pytest.raises(NotPossible, match="not moved"):
            world.link(other)


class TestEndings:
    """Cancellations, groups, and the rarer things."""

    @pytest.mark.parametrize(
        ("by", "reason", "name", "milliseconds"),
        [
            pytest.param("invitee", "Travel moved\nby a day ", "Ines Okafor", 29, id="by the invitee, in own words"),
            pytest.param("host", None, "Mara Lindqvist", 1000, id="by the host, without a reason"),
        ],
    )
    def test_a_cancellation(
        self,
        api: httpx.Client,
        world: World,
        by: Literal["invitee", "host"],
        reason: str | None,
        name: str,
        milliseconds: int,
    ) -> None:
        """Who canceled stands on event and invitee alike; nothing looks rescheduled."""
        uri = world.book(start=START)

        world.cancel(uri, by, reason)
        invitee = read(api, uri)
        event = read(api, invitee["event"])

        assert (invitee["status"], event["status"]) == ("canceled", "canceled")
        assert invitee["cancellation"] == event["cancellation"]
        assert invitee["cancellation"] == {
            "canceled_by": name,
            "canceler_type": by,
            "created_at": stamp(NOW),
            "reason": reason,
        }
        assert (invitee["rescheduled"], invitee["old_invitee"], invitee["new_invitee"]) == (False, None, None)
        assert event["updated_at"] == stamp(NOW + timedelta(milliseconds=milliseconds))

    def test_joining_and_leaving_a_group(self, api: httpx.Client, world: World) -> None:
        """A join raises `total` and `active`, a departure lowers `active`; the last one leaves the event active."""
        first = world.book(start=START, event_type="Open clinic", seats=2)
        uri = world.invitees[first]["event"]
        counts = []

        def look() -> None:
            event = read(api, uri)
            counts.append((event["status"], event["invitees_counter"]["total"], event["invitees_counter"]["active"]))

        look()
        second = world.book(start=START, event=uri)
        look()
        world.cancel(first)
        look()
        world.cancel(second)
        look()

        assert counts == [("active", 1, 1), ("active", 2, 2), ("active", 2, 1), ("active", 2, 0)]
        assert read(api, uri)["calendar_event"] is None
        assert "cancellation" not in read(api, uri)

    def test_a_host_cancels_the_whole_group(self, world: World) -> None:
        """The host's cancel ends the event for everybody; who had left before keeps the own cancellation."""
        left = world.book(start=START, event_type="Open clinic", seats=3)
        uri = world.invitees[left]["event"]
        stays = [world.book(start=START, event=uri) for _ in range(2)]
        world.cancel(left, reason="Mine")

        world.cancel(stays[0], by="host")

        assert world.events[uri]["status"] == "canceled"
        assert world.events[uri]["invitees_counter"] == {"total": 3, "active": 0, "limit": 3}
        assert world.invitees[left]["cancellation"]["reason"] == "Mine"
        assert {world.invitees[one]["cancellation"]["canceler_type"] for one in stays} == {"host"}

    @given(st.lists(st.integers(min_value=-3, max_value=3), max_size=15))
    def test_the_counter_agrees_with_the_invitees(self, acts: list[int]) -> None:
        """Whatever the order of joins (0 and above) and departures, the counter is what counting gives."""
        world = World(Clock())
        event = world.invitees[world.book(start=START, event_type="Open clinic", seats=4)]["event"]
        for act in acts:
            people = world.by_event[event]
            try:
                if act >= 0:
                    world.book(start=START, event=event)
                else:
                    world.cancel(people[act % len(people)])
            except NotPossible:
                continue

        states = [world.invitees[uri]["status"] for uri in world.by_event[event]]

        assert world.events[event]["invitees_counter"] == {
            "total": len(states),
            "active": states.count("active"),
            "limit": 4,
        }

    @pytest.mark.parametrize(
        ("act", "words"),
        [
            pytest.param(lambda world, uri: world.cancel(uri), "canceled already", id="cancel twice"),
            pytest.param(lambda world, uri: world.move(uri, START), "canceled already", id="move what is canceled"),
            pytest.param(
                lambda world, uri: world.book(start=START, event=world.invitees[uri]["event"]),
                "event is canceled",
                id="join a canceled event",
            ),
            pytest.param(
                lambda world, _: world.book(
                    start=START, event=world.invitees[world.book(start=START, name="Solo")]["event"]
                ),
                "event is full",
                id="join a full event",
            ),
            pytest.param(
                lambda world, _: world.move_finish(world.book(start=START), START), "first half", id="half a move"
            ),
            pytest.param(lambda world, _: world.cancel("nobody"), "No booking 'nobody'", id="an unknown booking"),
            pytest.param(lambda world, _: world.shift("nowhere", START), "No event 'nowhere'", id="an unknown event"),
            pytest.param(lambda world, _: world.book(start=START, host="x@y.z"), "No host", id="an unknown host"),
        ],
    )
    def test_what_cannot_be_done(self, world: World, act: Callable[[World, str], object], words: str) -> None:
        """The world refuses what people could not do, and says why."""
        uri = world.book(start=START)
        world.cancel(uri)

        with pytest.raises(NotPossible, match=words):
            act(world, uri)

    def test_a_no_show_moves_nothing_else(self, api: httpx.Client, world: World) -> None:
        """The mark appears and goes away; no `updated_at` tells of it."""
        uri = world.book(start=START)
        before = read(api, uri)

        world.set_no_show(uri)
        marked = read(api, uri)
        world.set_no_show(uri, missed=False)

        assert set(marked["no_show"]) == {"uri", "created_at"}
        assert {**marked, "no_show": None} == before == read(api, uri)

    @pytest.mark.parametrize("name", ["", None])
    @pytest.mark.parametrize("place", ["text_reminder_number", "outbound_call", "question"])
    def test_an_erased_person(
        self,
        api: httpx.Client,
        world: World,
        name: str | None,
        place: Literal["text_reminder_number", "outbound_call", "question"],
    ) -> None:
        """Nothing of the person is left anywhere, and the e-mail says that it was deleted."""
        uri = world.book(start=START, name="Theo Brandt", email="theo@x.org", phone="+15550100", phone_in=place)
        world.cancel(uri, reason="Theo is ill")

        world.erase(uri, name=name)
        invitee = read(api, uri)
        text = api.get(uri.removeprefix(API)).text + api.get(invitee["event"].removeprefix(API)).text

        assert re.fullmatch(r"[0-9a-f]{14}@deleted\.calendly\.com", invitee["email"])
        assert (invitee["name"], invitee["cancellation"]["canceled_by"]) == (name, name)
        assert not re.search("theo|5550100", text, re.IGNORECASE)

    def test_a_vanished_event_is_gone(self, api: httpx.Client, world: World) -> None:
        """No listing has it, and its URIs are 404."""
        gone, stays = world.book(start=START), world.book(start=START)
        event = world.invitees[gone]["event"]

        world.vanish(event)

        listing = api.get("/scheduled_events", params={"organization": world.organization["uri"]}).json()
        assert [row["uri"] for row in listing["collection"]] == [world.invitees[stays]["event"]]
        assert {api.get(uri.removeprefix(API)).status_code for uri in (gone, event, f"{event}/invitees")} == {404}

    def test_the_small_changes_change_one_thing(self, world: World, clock: Clock) -> None:
        """Noise, another host, another place, other seats: each changes its own fields and nothing else."""
        uri = world.invitees[world.book(start=START)]["event"]
        acts: list[tuple[Callable[[], None], set[str]]] = [
            (lambda: world.touch(uri), {"updated_at"}),
            (lambda: world.reassign_host(uri, MEMBER), {"updated_at", "event_memberships"}),
            (lambda: world.set_location(uri, None), {"updated_at", "location"}),
            (lambda: world.set_seats(uri, 5), {"invitees_counter"}),
        ]

        for act, expected in acts:
            clock.advance(1)
            before = {**world.events[uri], "invitees_counter": dict(world.events[uri]["invitees_counter"])}
            act()
            assert {field for field, value in world.events[uri].items() if value != before[field]} == expected

    def test_the_same_acts_give_the_same_world(self) -> None:
        """Ids are made in order, not at random: a test can be repeated to the byte."""
        one, other = World(Clock()), World(Clock())

        assert one.move(one.book(start=START), START + HOUR) == other.move(other.book(start=START), START + HOUR)
        assert one.invitees == other.invitees
