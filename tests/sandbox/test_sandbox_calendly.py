"""The sandbox's Calendly over real loopback HTTP: what it answers is what the documentation and recordings say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sandbox_client import HOUR, NOW, START, Clock, read, renew
from syncer.sandbox.directory import MEMBER, OWNER
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.shapes import API, stamp, unstamp
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


def events(api: httpx.Client, world: World, **query: str) -> httpx.Response:
    """List the organization's events."""
    return api.get("/scheduled_events", params={"organization": world.organization["uri"], **query})


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Say an answer's status and the parameter it complains about."""
    return answer.status_code, answer.json()["details"][0]["parameter"]


def starts(answer: httpx.Response) -> list[str]:
    """Read the starts of a page of events."""
    return [event["start_time"] for event in answer.json()["collection"]]


class TestShapes:
    """Fields, their types and their nulls."""

    def test_an_event_has_the_documented_fields_and_no_cancellation(self, api: httpx.Client, world: World) -> None:
        """An active event has exactly the documented fields, and no `cancellation` at all."""
        expected = set(
            "calendar_event created_at end_time event_guests event_memberships event_type invitees_counter location "
            "meeting_notes_html meeting_notes_plain name start_time status updated_at uri".split()
        )
        invitee = world.book(start=START, guests=["guest@example.com"])

        (event,) = events(api, world).json()["collection"]

        assert set(event) == expected
        assert event == read(api, event["uri"])
        assert event["uri"] == read(api, invitee)["event"]
        assert event["invitees_counter"] == {"total": 1, "active": 1, "limit": 1}
        assert set(event["event_guests"][0]) == {"email", "created_at", "updated_at"}
        assert event["event_memberships"][0]["user_email"] == OWNER

    def test_an_invitee_has_the_documented_fields_and_nulls(self, api: httpx.Client, world: World) -> None:
        """What nobody filled in is null, not absent; only `cancellation` is absent."""
        nulls = set(
            "first_name last_name text_reminder_number timezone new_invitee old_invitee no_show payment reconfirmation "
            "routing_form_submission scheduling_method invitee_scheduled_by".split()
        )
        filled = set(
            "uri event email name status questions_and_answers created_at updated_at tracking rescheduled cancel_url "
            "reschedule_url".split()
        )
        uri = world.book(start=START, timezone=None)

        invitee = read(api, uri)

        assert {field for field, value in invitee.items() if value is None} == nulls
        assert set(invitee) == nulls | filled
        assert set(invitee["tracking"].values()) == {None}
        assert invitee["cancel_url"] == f"https://calendly.com/cancellations/{uri.rpartition('/')[2]}"

    def test_times_are_utc_with_six_digits(self, api: httpx.Client, world: World) -> None:
        """Every time is UTC with six fractional digits and `Z`; an event is some 20 ms older than its invitee."""
        form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
        invitee = read(api, world.book(start=START.astimezone(tz=None)))

        event = read(api, invitee["event"])

        assert event["start_time"] == "2026-11-26T12:00:00.000000Z"
        assert event["end_time"] == "2026-11-26T12:30:00.000000Z"
        assert form.fullmatch(invitee["created_at"])
        assert unstamp(invitee["created_at"]) - unstamp(event["created_at"]) == timedelta(milliseconds=20)

    @pytest.mark.parametrize("phone", ["+1 404-555-1234", "+34655360607", "+1-555-123-4567", "(555) 123-4567", "12345"])
    @pytest.mark.parametrize("place", ["text_reminder_number", "outbound_call", "question"])
    def test_a_number_is_kept_as_typed_in_one_place_only(
        self, phone: str, place: Literal["text_reminder_number", "outbound_call", "question"]
    ) -> None:
        """A number stands exactly as typed in the place that was chosen, and nowhere else."""
        world = World(Clock())
        invitee = world.invitees[world.book(start=START, phone=phone, phone_in=place)]
        location = world.events[invitee["event"]]["location"]

        found = {
            "text_reminder_number": invitee["text_reminder_number"],
            "outbound_call": location["location"] if location["type"] == "outbound_call" else None,
            "question": next((item["answer"] for item in invitee["questions_and_answers"]), None),
        }

        assert found == {**dict.fromkeys(found), place: phone}

    def test_the_default_event_holds_a_trap(self, api: httpx.Client, world: World) -> None:
        """An event of the default type carries the host's number: a client must not text it."""
        invitee = read(api, world.book(start=START))

        assert read(api, invitee["event"])["location"] == {"type": "inbound_call", "location": "+1 312-555-0199"}

    def test_people_and_event_types(self, api: httpx.Client, world: World) -> None:
        """The token's user, the organization, the memberships with time zones, the phone question."""
        me = api.get("/users/me").json()["resource"]
        members = api.get("/organization_memberships", params={"organization": me["current_organization"]}).json()
        kinds = api.get("/event_types", params={"organization": me["current_organization"], "sort": "name:desc"}).json()

        assert (me["email"], me["avatar_url"]) == (OWNER, None)
        assert "phone" not in str(me)
        assert read(api, me["current_organization"])["plan"] == "professional"
        assert [(m["role"], m["user"]["timezone"]) for m in members["collection"]] == [
            ("owner", "America/Chicago"),
            ("user", "Europe/Berlin"),
        ]
        assert not {"current_organization", "resource_type"} & set(members["collection"][0]["user"])
        assert [kind["name"] for kind in kinds["collection"]] == ["Video call", "Phone consultation", "Open clinic"]
        assert read(api, kinds["collection"][1]["uri"])["custom_questions"][0]["type"] == "phone_number"
        assert World(Clock(), rate_limit=50).organization["plan"] == "basic"
        assert world.count("/organization_memberships", "GET") == 1

    @given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
    def test_text_order_of_stamps_is_time_order(self, one: datetime, other: datetime) -> None:
        """Stamps sort as text the way their moments sort; that is what the listing relies on."""
        try:
            first, second = stamp(one), stamp(other)
        except OverflowError:
            return  # the first and last day of the calendar have no UTC spelling

        assert (first < second) == (one.astimezone(UTC) < other.astimezone(UTC))
        assert unstamp(first) == one.astimezone(UTC)


class TestListing:
    """Filters, bounds, order, pages."""

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            pytest.param({}, [0, 1, 2], id="ascending, active and canceled alike"),
            pytest.param({"sort": "start_time:desc"}, [2, 1, 0], id="descending"),
            pytest.param({"min_start_time": "2026-11-26T13:00:00Z"}, [1, 2], id="lower bound is inclusive"),
            pytest.param({"min_start_time": "2026-11-26T13:00:00.000001Z"}, [2], id="a microsecond above it"),
            pytest.param({"max_start_time": "2026-11-26T13:00:00.000000Z"}, [0, 1], id="upper bound is inclusive"),
            pytest.param({"max_start_time": "2026-11-26T12:59:59.9Z"}, [0], id="a moment below it"),
            pytest.param({"status": "canceled"}, [1], id="canceled only"),
            pytest.param({"status": "active"}, [0, 2], id="active only"),
            pytest.param({"invitee_email": "THEO@example.com"}, [2], id="by e-mail, whatever its case"),
        ],
    )
    def test_filters(self, api: httpx.Client, world: World, query: dict[str, str], expected: list[int]) -> None:
        """A listing holds exactly the events that its query asks for, in order."""
        world.book(start=START + 2 * HOUR, email="Theo@example.com")
        world.book(start=START)
        world.cancel(world.book(start=START + HOUR))

        assert starts(events(api, world, **query)) == [stamp(START + at * HOUR) for at in expected]

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            pytest.param("status=confirmed", "status", id="a status that does not exist"),
            pytest.param("sort=created_at:desc", "sort", id="a sort that is not documented"),
            pytest.param("count=0", "count", id="no rows"),
            pytest.param("count=101", "count", id="more than a hundred rows"),
            pytest.param("count=ten", "count", id="a count in words"),
            pytest.param("min_start_time=2026-11-26", "min_start_time", id="a date"),
            pytest.param("min_start_time=2026-13-26T00:00:00Z", "min_start_time", id="month thirteen"),
            pytest.param("max_start_time=2026-11-26T00:00:00%2B00:00", "max_start_time", id="an offset, not Z"),
            pytest.param("updated_since=2026-11-26T00:00:00Z", "updated_since", id="a filter that does not exist"),
            pytest.param("status=", "status", id="an empty value"),
            pytest.param("invitee_email=", "invitee_email", id="an empty e-mail"),
            pytest.param("status=active&status=active", "status", id="a parameter twice"),
            pytest.param("page_token=", "page_token", id="an empty token"),
            pytest.param("user=https://api.calendly.com/organizations/1", "user", id="a URI of another kind"),
        ],
    )
    def test_what_is_not_documented_is_refused(
        self, api: httpx.Client, world: World, query: str, parameter: str
    ) -> None:
        """A slip in a client's query gets a 400 that names the parameter."""
        answer = api.get(f"/scheduled_events?organization={world.organization['uri']}&{query}")

        assert refused(answer) == (400, parameter)
        assert answer.json()["title"] == "Invalid Argument"

    def test_a_listing_needs_a_scope(self, api: httpx.Client) -> None:
        """Neither user nor organization: 400."""
        assert refused(api.get("/scheduled_events")) == (400, "organization")
        assert refused(api.get("/event_types")) == (400, "organization")

    def test_invitees_of_an_event(self, api: httpx.Client, world: World, clock: Clock) -> None:
        """Invitees come by the time of booking, filtered by status and e-mail."""
        first = world.book(start=START, event_type="Open clinic", seats=9, email="a@example.com")
        event = world.invitees[first]["event"]
        clock.advance(5)
        second = world.book(start=START, event=event, email="B@example.com")
        world.cancel(first)
        path = f"{event.removeprefix(API)}/invitees"

        def listed(**query: str) -> list[str]:
            return [row["uri"] for row in api.get(path, params=query).json()["collection"]]

        assert listed() == [first, second]
        assert listed(sort="created_at:desc") == [second, first]
        assert listed(status="active") == [second]
        assert listed(email="b@EXAMPLE.com") == [second]
        assert refused(api.get(path, params={"min_start_time": stamp(NOW)})) == (400, "min_start_time")

    def test_following_next_page_verbatim_gives_every_row_once(self, api: httpx.Client, world: World) -> None:
        """Pages in descending order: each row once, `count` counts the page, the last page has no next."""
        expected = [stamp(START + at * HOUR) for at in range(7)][::-1]
        for at in range(7):
            world.book(start=START + at * HOUR)

        answer = events(api, world, count="3", sort="start_time:desc")
        found, counts = starts(answer), [answer.json()["pagination"]["count"]]
        while (url := answer.json()["pagination"]["next_page"]) is not None:
            assert "sort" not in url
            answer = api.get(url)
            found += starts(answer)
            counts.append(answer.json()["pagination"]["count"])

        assert found == expected
        assert counts == [3, 3, 1]
        assert answer.json()["pagination"]["next_page_token"] is None
        assert starts(api.get(answer.json()["pagination"]["previous_page"])) == expected[3:6]

    def test_an_empty_listing(self, api: httpx.Client, world: World) -> None:
        """No rows: count 0 and nothing before or after."""
        assert events(api, world).json() == {
            "collection": [],
            "pagination": {
                **dict.fromkeys(("next_page", "previous_page", "next_page_token", "previous_page_token")),
                "count": 0,
            },
        }

    def test_twenty_rows_unless_asked_and_never_more_than_the_limit(self, api: httpx.Client, world: World) -> None:
        """A page has 20 rows by default, and the world can be told to give fewer than were asked for."""
        for at in range(21):
            world.book(start=START + at * HOUR)

        by_default, many = events(api, world), events(api, world, count="100")
        world.page_limit = 7
        few = events(api, world, count="100")

        assert [answer.json()["pagination"]["count"] for answer in (by_default, many, few)] == [20, 21, 7]

    @pytest.mark.parametrize(
        "rebuild",
        [
            pytest.param(lambda query, token: {**query, "page_token": token}, id="from next_page_token"),
            pytest.param(lambda query, _: {**query, "sort": "start_time:asc"}, id="its own query with sort added"),
            pytest.param(lambda query, _: {**query, "count": "2"}, id="another count"),
            pytest.param(lambda query, _: {"page_token": query["page_token"]}, id="the token alone"),
            pytest.param(lambda query, _: dict(reversed(query.items())), id="another order"),
        ],
    )
    def test_a_rebuilt_page_url_is_refused(
        self, api: httpx.Client, world: World, rebuild: Callable[[dict[str, str], str], dict[str, str]]
    ) -> None:
        """Only the URL exactly as given opens a page."""
        for at in range(2):
            world.book(start=START + at * HOUR)
        pagination = events(api, world, count="1").json()["pagination"]
        given_query = dict(parse_qsl(urlsplit(pagination["next_page"]).query))

        answer = api.get(f"/scheduled_events?{urlencode(rebuild(given_query, pagination['next_page_token']))}")

        assert refused(answer) == (400, "page_token")
        assert api.get(pagination["next_page"]).status_code == 200

    def test_a_page_url_lives_ten_minutes(self, api: httpx.Client, world: World, clock: Clock) -> None:
        """After 600 s of the world's time it works, a second later it does not."""
        for at in range(2):
            world.book(start=START + at * HOUR)
        url = events(api, world, count="1").json()["pagination"]["next_page"]

        clock.advance(600)
        in_time = api.get(url)
        clock.advance(1)
        too_late = api.get(url)

        assert in_time.status_code == 200
        assert refused(too_late) == (400, "page_token")


class TestAccess:
    """Logins, roles, the rate limit."""

    @pytest.mark.parametrize("login", ["", "Basic YTpi", "Bearer", "Bearer revoked"])
    def test_a_bad_login(self, api: httpx.Client, world: World, login: str) -> None:
        """No token, another scheme, a revoked token: 401 without details."""
        world.revoked_tokens.add("revoked")

        answer = api.get("/users/me", headers={"Authorization": login})

        assert answer.status_code == 401
        assert answer.json() == {"title": "Unauthenticated", "message": "The access token is invalid"}

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/scheduled_events/none"),
            ("GET", "/scheduled_events/none/invitees"),
            ("GET", "/event_types/none"),
            ("GET", "/organizations/none"),
            ("GET", "/invitees/none"),
            ("GET", "/users/me/"),
            ("POST", "/scheduled_events"),
        ],
    )
    def test_what_is_not_there(self, api: httpx.Client, method: str, path: str) -> None:
        """An unknown resource, path or method: 404 in JSON without details."""
        answer = api.request(method, path)

        assert answer.status_code == 404
        assert set(answer.json()) == {"title", "message"}

    @pytest.mark.parametrize(
        ("who", "query", "expected"),
        [
            pytest.param(OWNER, "organization={org}", [OWNER, MEMBER], id="the owner reads the organization"),
            pytest.param(OWNER, "user={owner}", [OWNER], id="the owner alone"),
            pytest.param(OWNER, "organization={org}&user={member}", [MEMBER], id="the owner reads one member"),
            pytest.param(OWNER, "user={member}", 403, id="another user needs the organization, too"),
            pytest.param(OWNER, "group={group}", [MEMBER], id="the owner reads a group"),
            pytest.param(OWNER, "organization={org}&group={group}&user={owner}", [], id="an owner outside the group"),
            pytest.param(OWNER, "group={org}x", 400, id="a group that is none"),
            pytest.param(OWNER, "organization={org}x", 403, id="another organization"),
            pytest.param(MEMBER, "user={member}", [MEMBER], id="a member reads own events"),
            pytest.param(MEMBER, "user={owner}", 403, id="a member reads nobody else's"),
            pytest.param(MEMBER, "organization={org}", 403, id="a member does not read the organization"),
            pytest.param(MEMBER, "organization={org}&user={member}", 403, id="not even narrowed to oneself"),
            pytest.param(MEMBER, "group={group}", 403, id="a member does not read a group"),
        ],
    )
    def test_roles(self, api: httpx.Client, world: World, who: str, query: str, expected: int | list[str]) -> None:
        """Who may list what: events by host, or a refusal."""
        names = {
            "org": world.organization["uri"],
            "owner": world.host(OWNER)["uri"],
            "member": world.host(MEMBER)["uri"],
            "group": world.add_group([MEMBER]),
        }
        world.token_users["any"] = world.host(who)["uri"]
        world.book(start=START, host=OWNER)
        world.book(start=START + HOUR, host=MEMBER)

        answer = api.get(f"/scheduled_events?{query.format(**names)}")

        if isinstance(expected, int):
            assert answer.status_code == expected
        else:
            hosts = [event["event_memberships"][0]["user_email"] for event in answer.json()["collection"]]
            assert hosts == expected

    def test_a_member_may_get_an_empty_listing_instead(self, api: httpx.Client, world: World) -> None:
        """The other thing that was seen for a member: 200 and nothing in it."""
        world.book(start=START)
        world.token_users["any"] = world.host(MEMBER)["uri"]
        world.empty_for_members = True

        answer = events(api, world)

        assert (answer.status_code, answer.json()["collection"]) == (200, [])

    def test_a_member_reads_no_other_hosts_event(self, api: httpx.Client, world: World) -> None:
        """An event of another host is 403 for a member, and so are its invitees; an own one is not."""
        others, own = world.book(start=START), world.book(start=START, host=MEMBER)
        world.token_users["any"] = world.host(MEMBER)["uri"]

        assert api.get(others.removeprefix(API)).status_code == 403
        assert api.get(world.invitees[others]["event"].removeprefix(API) + "/invitees").status_code == 403
        assert api.get(own.removeprefix(API)).status_code == 200

    def test_the_rate_limit(self, api: httpx.Client, world: World, clock: Clock) -> None:
        """`Remaining` falls, `Reset` is always 60; then 429 without a body until the minute of the world is over."""
        world.rate_limit = 2
        world.token_users["other"] = world.host(MEMBER)["uri"]
        headers = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")

        def ask(who: str = "any") -> tuple[int, list[str]]:
            answer = api.get("/users/me", headers={"Authorization": f"Bearer {who}"})
            assert answer.content or answer.status_code == 429
            return answer.status_code, [answer.headers[name] for name in headers]

        assert ask() == (200, ["2", "1", "60"])
        clock.advance(59)
        assert ask() == (200, ["2", "0", "60"])
        assert ask() == (429, ["2", "0", "60"])
        assert ask("other") == (200, ["2", "1", "60"])
        clock.advance(1)
        assert ask() == (200, ["2", "1", "60"])
