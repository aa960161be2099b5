"""The same cases against the real clients, on HTTP over the sandbox, and against the fakes (`support.fake_clients`)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from support.fake_clients import FakeCalendly, FakeGateway, Sent
from support.sandbox_client import HOUR, NOW, START, Clock, renew
from syncer import calendly_accounts as accounts
from syncer import calendly_pages as pages
from syncer import calendly_shapes as shapes
from syncer.calendly import Calendly
from syncer.engagelab import EngageLab
from syncer.engagelab_shapes import read_signatures, read_templates
from syncer.errors import AccessRefused, NotThere, RunHalted, Unsendable
from syncer.http import Http
from syncer.model import Audience, Message, State
from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Refused
from syncer.reasons import Reason
from syncer.sandbox.directory import MEMBER, OWNER
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import REJECTED, SANDBOX_DEV_KEY, TEMPLATE_CONFIRM, World
from syncer.sieve import Sieve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGE = Message(
    key="https://api.calendly.com/scheduled_events/e/invitees/i/confirmation/2026-11-25T12:00:00Z",
    rule="confirmation",
    booking="https://api.calendly.com/scheduled_events/e/invitees/i",
    audience=Audience.INVITEE,
    to="+13125550142",
    language="en",
    template=TEMPLATE_CONFIRM,
    params={"name": "Zoë", "time": "Thu, Nov 26"},
    state=State.SENDING,
    reason=Reason.NONE,
    scheduled_at=NOW,
    next_at=NOW,
    expires_at=NOW + HOUR,
    meeting_at=START,
    changed_at=NOW,
)


def no_sleep(_: float) -> None:
    """Wait for nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """Serve one sandbox for the whole module: stopping one takes a while."""
    with SandboxServer(World(Clock())) as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    """Give the world's time."""
    return Clock()


@pytest.fixture
def world(server: SandboxServer, clock: Clock) -> World:
    """Give a world that starts anew."""
    return renew(server.world, clock)


@pytest.fixture(params=["real", "fake"])
def reader(
    request: pytest.FixtureRequest, server: SandboxServer, world: World, clock: Clock
) -> Iterator[Callable[[], Calendly | FakeCalendly]]:
    """Make a reader of the world as it is when it is called."""
    with Http() as http:
        if request.param == "real":
            yield lambda: Calendly(server.url, "any", http, sleep=no_sleep)
        else:
            yield lambda: fake_of(world, clock)


def fake_of(world: World, clock: Clock) -> FakeCalendly:
    """Copy a world into a fake."""
    members = [accounts.member(record(row)) for row in world.memberships.values()]
    me = accounts.me(record(world.users[world.host(OWNER)["uri"]]))
    events, unreadable, _ = shapes.changed(
        json.dumps({"collection": list(world.events.values()), "pagination": {"next_page": None}}).encode(),
        "sandbox",
        Sieve(),
    )
    fake = FakeCalendly(
        events,
        {
            event: [shapes.invitee(record(world.invitees[uri]), event) for uri in uris]
            for event, uris in world.by_event.items()
        },
        me=me,
        role=next(one.role for one in members if one.uri == me.uri),
        members=members,
        types=[accounts.event_type(record(row)) for row in world.event_types.values()],
        clock=clock,
    )
    fake.groups.update(world.groups)
    fake.unreadable.update(unreadable)
    return fake


def record(row: dict[str, Any]) -> pages.Record:
    """Wrap a record of the sandbox as if it had come in an answer."""
    return pages.Record(msgspec.Raw(json.dumps(row).encode()), "sandbox")


def test_a_row_that_cannot_be_read(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """It costs that event alone, counts as listed, and says which field is wrong."""
    good, odd = (world.book(start=START + n * HOUR).rpartition("/invitees/")[0] for n in range(2))
    world.events[odd]["status"] = None
    api = reader()

    listing = api.events({"organization": api.me().organization}, NOW, None)

    assert [event.uri for event in listing.events] == [good]
    assert listing.unreadable == {odd: "Expected `str`, got `null` - at `$.status`"}
    assert listing.count == 2


def test_who_it_is(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """The token's owner, their role, and everybody in the organization with their time zones."""
    api = reader()
    me = api.me()
    members = api.memberships(me.organization)

    assert (me.email, me.name, me.timezone) == (OWNER, "Mara Lindqvist", "America/Chicago")
    assert (me.uri, me.organization) == (world.host(OWNER)["uri"], world.organization["uri"])
    assert api.role(me) == "owner"
    assert {(one.email, one.timezone, one.role) for one in members} == {
        (OWNER, "America/Chicago", "owner"),
        (MEMBER, "Europe/Berlin", "user"),
    }
    assert api.requests == 3


def test_listing(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """A listing has active and canceled events by start, both ends of the window included."""
    made = [world.book(start=START + n * HOUR) for n in (3, 1, 0, 2, 4)]
    world.cancel(made[1])
    api = reader()

    listing = api.events({"organization": api.me().organization}, START + HOUR, START + 3 * HOUR)

    assert [event.start for event in listing.events] == [START + n * HOUR for n in (1, 2, 3)]
    assert [event.canceled for event in listing.events] == [True, False, False]
    assert listing.pages == 1
    assert listing.events[0].hosts[0].email == OWNER
    assert (listing.events[0].total, listing.events[0].active) == (1, 0)


def test_window_without_ends(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """Without bounds everything is listed, the past too; without events there is one empty page."""
    api = reader()
    organization = {"organization": api.me().organization}
    empty = api.events(organization, None, None)
    world.book(start=NOW - 900 * timedelta(days=1))
    world.book(start=NOW + 900 * timedelta(days=1))

    assert (empty.events, empty.pages) == ((), 1)
    assert len(reader().events(organization, None, None).events) == 2


def test_more_than_a_page(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """A listing goes on to its last page, and says how many there were."""
    for n in range(205):
        world.book(start=START + n * timedelta(minutes=1))
    api = reader()

    listing = api.events({"organization": api.me().organization}, None, None)

    assert len(listing.events) == 205
    assert listing.pages == 3
    assert api.requests == 4


def test_scopes(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """A user, a group, a user of the organization: each scope gives its own events."""
    world.book(start=START, host=OWNER)
    world.book(start=START + HOUR, host=MEMBER)
    group = world.add_group([MEMBER])
    api = reader()
    me = api.me()
    jonas = world.host(MEMBER)["uri"]

    def hosts(**scope: str) -> list[str]:
        return [event.hosts[0].email for event in api.events(scope, None, None).events]

    assert hosts(organization=me.organization) == [OWNER, MEMBER]
    assert hosts(user=me.uri) == [OWNER]
    assert hosts(group=group) == [MEMBER]
    assert hosts(user=jonas, organization=me.organization) == [MEMBER]


def test_member_may_not_list_everybody(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """A plain member is refused the organization's listing."""
    for membership in world.memberships.values():
        membership["role"] = "owner" if membership["user"]["email"] == MEMBER else "user"
    world.token_users["any"] = world.host(OWNER)["uri"]
    api = reader()

    with pytest.raises(AccessRefused):
        api.events({"organization": api.me().organization}, None, None)


def test_moved_booking(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """The two halves of a reschedule name each other, and the old one says when and why it ended."""
    old = world.book(start=START, phone="+1 312-555-0142", answers=[("Reason for the visit", " Knee ")])
    new = world.move(old, START + HOUR, reason="Travel")
    api = reader()
    (gone,) = api.invitees(old.rpartition("/invitees/")[0])
    (here,) = api.invitees(new.rpartition("/invitees/")[0])

    assert (gone.status, gone.rescheduled, gone.new_invitee, gone.canceled_at) == ("canceled", True, new, NOW)
    assert (gone.canceler_type, gone.cancel_reason) == ("invitee", "Travel")
    assert (here.status, here.rescheduled, here.old_invitee, here.canceled_at) == ("active", False, old, None)
    assert (here.text_reminder_number, here.timezone) == ("+1 312-555-0142", "America/Chicago")
    assert [(one.question, one.answer) for one in here.answers] == [("Reason for the visit", "Knee")]


def test_group(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """All people of a group event are read, also who left."""
    first = world.book(start=START, event_type="Open clinic", seats=5)
    event = first.rpartition("/invitees/")[0]
    second = world.book(start=START, event=event, name="Theo", email="theo@example.de")
    world.cancel(first)
    world.set_no_show(second)

    people = {one.uri: one for one in reader().invitees(event)}

    assert people.keys() == {first, second}
    assert (people[first].status, people[second].status) == ("canceled", "active")
    assert people[second].no_show_at == NOW
    assert {one.event for one in people.values()} == {event}


def test_gone(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """What is gone is not there, which says nothing about canceled."""
    event = world.book(start=START).rpartition("/invitees/")[0]
    world.vanish(event)
    api = reader()

    with pytest.raises(NotThere):
        api.invitees(event)

    with pytest.raises(NotThere):
        api.event_type("https://api.calendly.com/event_types/nothing")


def test_event_types(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """All of them, by name, with their questions that ask for a number."""
    world.add_event_type("A walk")
    api = reader()
    mine, ours = api.event_types({"user": api.me().uri}), api.event_types({"organization": api.me().organization})

    assert mine == ours
    assert [one.name for one in ours] == sorted(str(row["name"]) for row in world.event_types.values())
    assert any(one.phone_questions for one in ours)


def test_event_type(reader: Callable[[], Calendly | FakeCalendly], world: World) -> None:
    """An event type says which of its questions ask for a number."""
    uri = next(iter(world.event_types))

    found = reader().event_type(uri)

    assert (found.uri, found.name, found.phone_questions) == (uri, "Phone consultation", frozenset({"Mobile number"}))


def test_their_clock(reader: Callable[[], Calendly | FakeCalendly]) -> None:
    """The difference between the clocks is known after the first answer."""
    api = reader()
    before = api.skew(NOW)
    api.me()
    skew = api.skew(NOW + timedelta(minutes=3))

    assert before is None
    assert api.last_date == NOW
    assert skew is not None
    assert abs(skew - timedelta(minutes=3)) < timedelta(seconds=5)


class RealGateway:
    """The real client over the sandbox, with the orders that the fake understands, too."""

    def __init__(self, api: EngageLab, world: World) -> None:
        self.api = api
        self.world = world

    def texts(self) -> list[Sent]:
        """What reached a phone."""
        return [
            Sent(
                text.to,
                text.template_id,
                text.params,
                text.plan_name,
                str(text.custom_args["key"]),
                str(text.custom_args.get("instance", "")),
            )
            for text in self.world.texts
        ]

    def lose_answer(self) -> None:
        """Take the next text, but let the answer be lost."""
        self.world.faults.drop("/v1/messages", accept_first=True)

    def throttle(self) -> None:
        """Refuse the next send for half a minute."""
        self.world.faults.fail("/v1/messages", status=429, headers={"Retry-After": "30"})

    def refuse_login(self) -> None:
        """Refuse the key from now on."""
        self.world.key_codes[SANDBOX_DEV_KEY] = 2002


class FakedGateway:
    """The fake, with the templates of the world and the same orders."""

    def __init__(self, world: World) -> None:
        templates = read_templates(json.dumps([templated(world, row) for row in world.templates.values()]).encode())
        self.api = FakeGateway.of(*templates)
        self.api.signs = read_signatures(json.dumps(list(world.signatures.values())).encode())

    def texts(self) -> list[Sent]:
        """What reached a phone."""
        return self.api.texts

    def lose_answer(self) -> None:
        """Take the next text, but let the answer be lost."""
        self.api.answer(NoAnswer("lost"), accepted=True)

    def throttle(self) -> None:
        """Refuse the next send for half a minute."""
        self.api.answer(NotNow("EngageLab HTTP 429", "HTTP 429", retry_after=timedelta(seconds=30), pauses_all=True))

    def refuse_login(self) -> None:
        """Refuse the key from now on."""
        self.api.answer(Halt("EngageLab 2002"), times=9)
        self.api.broken = RunHalted("EngageLab refuses the login")


def templated(world: World, row: dict[str, Any]) -> dict[str, Any]:
    """Add the signature's part to a template, as the sandbox's answers do."""
    sign = world.signatures[row["sign_id"]]
    return {**row, "sign_name": sign["sign_name"], "sign_status": sign["status"]}


@pytest.fixture(params=["real", "fake"])
def stage(
    request: pytest.FixtureRequest, server: SandboxServer, world: World
) -> Iterator[Callable[[], RealGateway | FakedGateway]]:
    """Make a gateway with the world's templates as they are when it is called."""
    with Http(keepalive=2.0) as http:
        real = EngageLab(server.url, SANDBOX_DEV_KEY, "secret", http, sleep=no_sleep)
        yield lambda: RealGateway(real, world) if request.param == "real" else FakedGateway(world)


def test_accepted(stage: Callable[[], RealGateway | FakedGateway]) -> None:
    """A message is taken once, with its key, its rule and its values; each has an id of its own."""
    gateway = stage()

    first = gateway.api.send(gateway.api.prepare(MESSAGE, instance="pier-1"))
    second = gateway.api.send(gateway.api.prepare(replace(MESSAGE, key="other")))

    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.message_id.isdigit()
    assert first.plan_id
    assert first.message_id != second.message_id
    assert gateway.texts() == [
        Sent("+13125550142", TEMPLATE_CONFIRM, MESSAGE.params, "syncer/confirmation", MESSAGE.key, "pier-1"),
        Sent("+13125550142", TEMPLATE_CONFIRM, MESSAGE.params, "syncer/confirmation", "other"),
    ]


@pytest.mark.parametrize("number_format", ["e164", "digits"])
def test_a_number_with_or_without_its_plus(
    stage: Callable[[], RealGateway | FakedGateway], server: SandboxServer, number_format: str
) -> None:
    """Either way the same phone has the text."""
    gateway = stage()
    if isinstance(gateway.api, FakeGateway):
        gateway.api.number_format = number_format
    with Http() as http:
        if isinstance(gateway, RealGateway):
            key = SANDBOX_DEV_KEY
            gateway.api = EngageLab(server.url, key, "secret", http, sleep=no_sleep, number_format=number_format)
        prepared = gateway.api.prepare(MESSAGE)
        outcome = gateway.api.send(prepared)

    assert json.loads(prepared.content or b"")["to"] == ["+13125550142" if number_format == "e164" else "13125550142"]
    assert isinstance(outcome, Accepted)
    assert [text.to for text in gateway.texts()] == ["+13125550142"]


def test_unknown_template(stage: Callable[[], RealGateway | FakedGateway]) -> None:
    """A template that is missing holds its messages, and no others."""
    gateway = stage()

    outcome = gateway.api.send(gateway.api.prepare(replace(MESSAGE, template="1")))

    assert isinstance(outcome, NotNow)
    assert outcome.holds_template
    assert not outcome.pauses_all
    assert outcome.code == "4001"
    assert gateway.texts() == []


def test_template_not_approved(stage: Callable[[], RealGateway | FakedGateway], world: World) -> None:
    """A template that is not approved is refused for good, and its list says so before."""
    world.review(TEMPLATE_CONFIRM, REJECTED, "sender not identified")
    gateway = stage()

    outcome = gateway.api.send(gateway.api.prepare(MESSAGE))
    found = {template.id: template for template in gateway.api.templates()}

    assert outcome == Refused("EngageLab 3003: template is not approved", "3003")
    assert not found[TEMPLATE_CONFIRM].usable
    assert found[TEMPLATE_CONFIRM].why_not_usable() == "the template was rejected: sender not identified"
    assert sum(template.usable for template in found.values()) == len(found) - 1


def test_signature_in_review(stage: Callable[[], RealGateway | FakedGateway], world: World) -> None:
    """While a signature is in review, none of its templates can send."""
    world.review_signature(next(iter(world.signatures)), 1)
    gateway = stage()

    templates = gateway.api.templates()
    (signature,) = gateway.api.signatures()

    assert {template.why_not_usable() for template in templates} == {"the template's signature waits for its review"}
    assert (signature.name, signature.usable) == ("North Pier Dental", False)


def test_lost_answer(stage: Callable[[], RealGateway | FakedGateway]) -> None:
    """A text that went out without an answer is neither accepted nor refused."""
    gateway = stage()
    gateway.lose_answer()

    outcome = gateway.api.send(gateway.api.prepare(MESSAGE))

    assert isinstance(outcome, NoAnswer)
    assert len(gateway.texts()) == 1


def test_throttled(stage: Callable[[], RealGateway | FakedGateway]) -> None:
    """A rate limit pauses everything for as long as it says, and takes nothing."""
    gateway = stage()
    gateway.throttle()

    outcome = gateway.api.send(gateway.api.prepare(MESSAGE))
    again = gateway.api.send(gateway.api.prepare(MESSAGE))

    assert outcome == NotNow("EngageLab HTTP 429", "HTTP 429", retry_after=timedelta(seconds=30), pauses_all=True)
    assert isinstance(again, Accepted)
    assert len(gateway.texts()) == 1


def test_login_refused(stage: Callable[[], RealGateway | FakedGateway]) -> None:
    """A refused key halts the sends and the lists."""
    gateway = stage()
    gateway.refuse_login()

    outcome = gateway.api.send(gateway.api.prepare(MESSAGE))

    assert isinstance(outcome, Halt)
    with pytest.raises(RunHalted):
        gateway.api.templates()
    with pytest.raises(RunHalted):
        gateway.api.signatures()


@pytest.mark.parametrize("change", [{"to": "3125550142"}, {"to": ""}, {"template": ""}, {"params": {"name": "\ud800"}}])
def test_local_fault(stage: Callable[[], RealGateway | FakedGateway], change: dict[str, Any]) -> None:
    """What cannot be written down is found before anything leaves."""
    gateway = stage()

    with pytest.raises(Unsendable):
        gateway.api.prepare(replace(MESSAGE, **change))

    assert gateway.texts() == []
