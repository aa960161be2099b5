"""What a run costs in requests to Calendly, to the last one; and whose events each scope asks for.

The real client over HTTP on loopback, an account of 500 events, a clock that is moved.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from support.worker_on_sandbox import (
    START,
    UNLIMITED,
    Timeline,
    WorkerOnSandbox,
    contents,
    fill,
    key_of,
    number,
    remembered,
)
from syncer.errors import AccessRefused, GuardRefused
from syncer.http import Http
from syncer.sandbox.directory import MEMBER, OWNER
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import SANDBOX_HOST_PHONE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from syncer.run import Run

PAGES = 5
EVENTS = PAGES * 100 - 1
"""One less than a full last page: room for one more."""
FAR = START + timedelta(days=2)


@dataclass(slots=True)
class Account:
    """An account that syncer has read before, with a group event among the others."""

    world: World
    office: WorkerOnSandbox
    group: str
    leaver: str
    booked: list[str]

    def look(self) -> tuple[Run, int, int]:
        """Do one run; returns it, and the requests that reached Calendly and EngageLab, as their server counted."""
        self.office.told.clear()
        self.world.requests.clear()
        with Http() as http, self.office.worker(http) as worker:
            run = worker.run_once()
        texting = self.world.count("/v1/")
        return run, len(self.world.requests) - texting, texting

    def changes(self) -> list[str]:
        """What the last run told about bookings."""
        return sorted(one["event"] for one in self.office.told if one["event"].startswith("booking."))


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Account, Callable[[], None]]]:
    """The account after its first reading, and what puts the world back to that moment."""
    time = Timeline()
    world = World(time.now, rate_limit=UNLIMITED)
    leaver = world.book(start=FAR, seats=9, event_type="Open clinic", phone=number(9001), name="Ann Fox")
    group = world.invitees[leaver]["event"]
    world.book(start=FAR, event=group, phone=number(9002), name="Bo Lind")
    booked = fill(world, EVENTS - 1, first=FAR, apart=timedelta(minutes=9))
    time.add(minutes=5)
    with SandboxServer(world) as server:
        office = WorkerOnSandbox(tmp_path_factory.mktemp("big"), time, server.url)
        account = Account(world, office, group, leaver, booked)
        run, asked, _ = account.look()
        assert (run.report.events, run.report.changed, run.report.created) == (EVENTS, EVENTS, EVENTS + 1)
        assert (asked, run.report.requests) == (1 + PAGES + EVENTS, 1 + PAGES + EVENTS)
        time.add(minutes=1)
        yield account, remembered(world)


@pytest.fixture
def account(big: tuple[Account, Callable[[], None]], tmp_path: Path) -> Iterator[Account]:
    """The same account for each test: its world and its database are copies."""
    read, restore = big
    shutil.copy(read.office.folder / "syncer.db", tmp_path)
    moment = read.office.time.now()
    yield Account(
        read.world, WorkerOnSandbox(tmp_path, read.office.time, read.office.url), read.group, read.leaver, read.booked
    )
    read.office.time.at(moment)
    restore()


def test_nothing_new_costs_a_request_a_page_and_writes_nothing_but_its_row(account: Account) -> None:
    """One request a page, none to EngageLab, and every table but `runs` is as it was."""
    before = contents(account.office.folder / "syncer.db")

    run, asked, texting = account.look()

    assert (asked, run.report.requests, texting) == (PAGES, PAGES, 0)
    assert (run.report.events, run.report.changed) == (EVENTS, 0)
    assert contents(account.office.folder / "syncer.db") == before


def test_one_booking_costs_one_request_more_and_afterwards_none(account: Account) -> None:
    """One more request with the new one, none more when it is known."""
    new = account.world.book(start=FAR + timedelta(days=1, minutes=4), phone=number(9100))

    first, asked, _ = account.look()
    changes = account.changes()
    sent = [key_of(text) for text in account.world.texts]
    account.office.time.add(minutes=1)
    second, again, texting = account.look()

    assert (first.report.events, asked, first.report.requests) == (EVENTS + 1, PAGES + 1, PAGES + 1)
    assert changes == ["booking.created"]
    assert sorted(key.removeprefix(f"{new}/").partition("/")[0] for key in sent) == ["confirmation", "host"]
    assert (second.report.events, again, second.report.requests, texting) == (EVENTS + 1, PAGES, PAGES, 0)


def test_the_page_that_one_event_more_opens_costs_a_request(account: Account) -> None:
    """One event more than fits is one page more."""
    fill(account.world, 2, first=FAR + timedelta(days=1), apart=timedelta(minutes=4))

    _, first, _ = account.look()
    account.office.time.add(minutes=1)
    _, second, _ = account.look()

    assert (first, second) == (PAGES + 1 + 2, PAGES + 1)


def test_one_joins_a_group_and_one_leaves_it_and_one_request_shows_both(account: Account) -> None:
    """The number of active invitees is as before; `total` is not. The event is read once."""
    joined = account.world.book(start=FAR, event=account.group, phone=number(9003), name="Cy Rao")
    account.world.cancel(account.leaver)
    account.office.time.add(minutes=1)

    run, asked, _ = account.look()

    told = {one["event"]: one["booking"] for one in account.office.told if one["event"].startswith("booking.")}
    assert (asked, run.report.requests, run.report.changed) == (PAGES + 1, PAGES + 1, 1)
    assert told == {"booking.created": joined, "booking.canceled": account.leaver}
    assert (run.report.created, run.report.canceled) == (1, 1)


def test_updated_at_alone_costs_nothing(account: Account) -> None:
    """The calendar's push moves it on every event: no request more, no news."""
    for event in account.world.events:
        account.world.touch(event)

    run, asked, texting = account.look()

    assert (asked, run.report.requests, run.report.changed, texting) == (PAGES, PAGES, 0, 0)
    assert account.changes() == []


@pytest.mark.parametrize(
    ("act", "costs", "changes"),
    [
        pytest.param(
            lambda one: one.world.cancel(one.booked[300]),
            (PAGES + 1, PAGES),
            ["booking.canceled"],
            id="a cancellation: one",
        ),
        pytest.param(
            lambda one: one.world.move(one.booked[300], FAR + timedelta(days=3, minutes=1)),
            # The new event is the 2,000th. Its new half names the old one.
            (PAGES + 2, PAGES),
            ["booking.rescheduled"],
            id="a move: the old event and the new one",
        ),
        pytest.param(
            lambda one: one.world.reassign_host(one.world.invitees[one.booked[300]]["event"], MEMBER),
            (PAGES + 1, PAGES),
            ["booking.reassigned"],
            id="another host: one",
        ),
        pytest.param(lambda one: one.world.set_seats(one.group, 12), (PAGES, PAGES), [], id="more seats: nothing"),
        pytest.param(
            lambda one: one.world.vanish(one.world.invitees[one.booked[300]]["event"]),
            (PAGES, PAGES),
            ["booking.missing"],
            id="an event that is gone: nothing",
        ),
    ],
)
def test_each_kind_of_news_costs_what_must_be_read(
    account: Account, act: Callable[[Account], object], costs: tuple[int, int], changes: list[str]
) -> None:
    """Requests of the run that notices it, and of the one after."""
    act(account)
    account.office.time.add(minutes=1)

    _, first, _ = account.look()
    noticed = account.changes()
    account.office.time.add(minutes=1)
    _, second, _ = account.look()

    assert (first, second) == costs
    assert noticed == changes


def test_a_young_cancellation_is_read_once_more_when_it_has_settled(account: Account) -> None:
    """Ten seconds old, it may be half of a move: one request more now and one later, told only then."""
    account.world.cancel(account.booked[300])
    account.office.time.add(seconds=10)

    _, first, _ = account.look()
    young = account.changes()
    account.office.time.add(minutes=1)
    _, second, _ = account.look()
    told = account.changes()
    account.office.time.add(minutes=1)
    _, third, _ = account.look()

    assert (first, second, third) == (PAGES + 1, PAGES + 1, PAGES)
    assert (young, told) == ([], ["booking.canceled"])


@dataclass(slots=True)
class Firm:
    """Three hosts, a group of two of them, and a booking with each."""

    world: World
    office: WorkerOnSandbox
    hosts: dict[str, str]
    bookings: dict[str, str]
    group: str

    def look(self) -> tuple[list[dict[str, str]], list[str]]:
        """Do one run; returns what the listing asked for and who got a text, by their host."""
        self.world.requests.clear()
        before = len(self.world.texts)
        with Http() as http, self.office.worker(http) as worker:
            worker.run_once()
        asked = [parse_qs(seen.query) for seen in self.world.requests if seen.path == "/scheduled_events"]
        texts = [text for text in self.world.texts[before:] if text.to != SANDBOX_HOST_PHONE]
        who = {f"{booking}/confirmation": name for name, booking in self.bookings.items()}
        listed = [{name: value for name, [value] in query.items() if name in SCOPE} for query in asked]
        return listed, sorted(who[key_of(text).rpartition("/")[0]] for text in texts)


SCOPE = ("organization", "user", "group")


@pytest.fixture(scope="module")
def firm_world() -> Iterator[tuple[Firm, Callable[[], None]]]:
    """The firm, served; and what puts it back."""
    time = Timeline()
    world = World(time.now, rate_limit=UNLIMITED)
    lena = world.add_host(name="Lena Sand", email="lena@northpier.example")
    hosts = {"mara": world.host(OWNER)["uri"], "jonas": world.host(MEMBER)["uri"], "lena": lena}
    group = world.add_group([hosts["jonas"], hosts["lena"]])
    with SandboxServer(world) as server:
        yield Firm(world, WorkerOnSandbox(None, time, server.url), hosts, {}, group), remembered(world)  # type: ignore[arg-type]


@pytest.fixture
def firm(firm_world: tuple[Firm, Callable[[], None]], tmp_path: Path) -> Iterator[Firm]:
    """The firm, with a database of its own that is older than the bookings."""
    served, restore = firm_world
    world, time = served.world, served.office.time
    one = Firm(
        world,
        WorkerOnSandbox(tmp_path, time, served.office.url, toml='timezone = "UTC"'),
        served.hosts,
        {},
        served.group,
    )
    with one.office.worker(None):
        pass
    time.add(minutes=1)
    for n, (name, uri) in enumerate(served.hosts.items()):
        one.bookings[name] = world.book(start=time.now() + timedelta(days=3), host=uri, phone=number(n))
    yield one
    restore()


def scope_cases() -> list[object]:
    """Each scope, whose token, the query's parameters and whose guests are texted."""
    everybody = ["jonas", "lena", "mara"]
    return [
        pytest.param("organization", "mara", {"organization": "org"}, everybody, id="organization"),
        pytest.param("user", "mara", {"user": "mara"}, ["mara"], id="user: the token's own"),
        pytest.param("user", "jonas", {"user": "jonas"}, ["jonas"], id="user: a plain member may"),
        pytest.param("jonas", "mara", {"organization": "org", "user": "jonas"}, ["jonas"], id="another user's URI"),
        pytest.param("mara", "mara", {"organization": "org", "user": "mara"}, ["mara"], id="the owner's own URI"),
        pytest.param("group", "mara", {"organization": "org", "group": "group"}, ["jonas", "lena"], id="a group's URI"),
    ]


@pytest.mark.parametrize(("scope", "whose", "query", "texted"), scope_cases())
def test_each_scope_asks_for_exactly_its_events(
    firm: Firm, scope: str, whose: str, query: dict[str, str], texted: list[str]
) -> None:
    """The parameters that Calendly documents for it, on the one page there is; nobody else's guest is texted."""
    uris = {**firm.hosts, "org": firm.world.organization["uri"], "group": firm.group}
    firm.office.toml = f'[calendly]\nscope = "{uris.get(scope, scope)}"\n'
    firm.office.environ = {"CALENDLY_TOKEN": f"token-of-{whose}"}
    firm.world.token_users[f"token-of-{whose}"] = firm.hosts[whose]

    asked, who = firm.look()

    assert asked == [{name: uris[value] for name, value in query.items()}]
    assert who == texted


@pytest.mark.parametrize("scope", ["organization", "mara", "group"])
def test_a_members_token_is_told_what_it_lacks(firm: Firm, scope: str) -> None:
    """403: exit code 1, nothing is sent, the remedy names the role and the setting."""
    uris = {**firm.hosts, "group": firm.group}
    firm.office.toml = f'[calendly]\nscope = "{uris.get(scope, scope)}"\n'
    firm.office.environ = {"CALENDLY_TOKEN": "token-of-jonas"}
    firm.world.token_users["token-of-jonas"] = firm.hosts["jonas"]

    with pytest.raises(AccessRefused) as caught:
        firm.look()

    assert caught.value.exit_code == 1
    assert "admin or owner" in caught.value.remedy
    assert 'scope = "user"' in caught.value.remedy
    assert firm.world.texts == []


def test_a_first_listing_that_is_empty_warns_because_it_may_be_the_role(firm: Firm) -> None:
    """A member's token may get an empty 200 instead of a 403: the first run says so, later ones do not nag."""
    firm.office.environ = {"CALENDLY_TOKEN": "token-of-jonas"}
    firm.world.token_users["token-of-jonas"] = firm.hosts["jonas"]
    firm.world.empty_for_members = True

    first, second = firm.look(), firm.look()

    listed = firm.office.named("listing.completed")
    assert [who for _, who in (first, second)] == [[], []]
    assert [one["events"] for one in listed] == [0, 0]
    assert ["syncer check" in str(one.get("warning", "")) for one in listed] == [True, False]


def test_a_role_that_is_lost_later_changes_nothing(firm: Firm) -> None:
    """An empty 200 where events are known is refused: exit code 3, the snapshot and what waits stay as they were."""
    firm.look()
    firm.office.time.add(minutes=1)
    before = contents(firm.office.folder / "syncer.db")
    firm.world.token_users["sandbox-token"] = firm.hosts["jonas"]
    firm.world.empty_for_members = True

    with pytest.raises(GuardRefused) as caught:
        firm.look()

    assert caught.value.exit_code == 3
    assert contents(firm.office.folder / "syncer.db") == before


@pytest.mark.parametrize("empty", [False, True], ids=["403", "an empty 200"])
def test_check_explains_a_members_token(tmp_path: Path, *, empty: bool) -> None:
    """Both ways Calendly may answer lead to the same line: the setting, the role it needs, the role there is."""
    world = World(lambda: datetime.now(UTC))
    world.token_users["sandbox-token"] = world.host(MEMBER)["uri"]
    world.empty_for_members = empty
    with SandboxServer(world) as server:
        (tmp_path / ".env").write_text("\n".join(env_lines(server.url)), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "syncer", "check"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    [line] = [line for line in done.stdout.splitlines() if "calendly.scope" in line]
    assert done.returncode == 1
    assert line == (
        "FAIL  calendly.scope: organization needs the role owner or admin, this token's is user. "
        "Use an owner's or admin's token, or set calendly.scope = \"user\""
    )
