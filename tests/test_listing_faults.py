"""Everything that can be wrong with Calendly's answers, over HTTP on loopback, while texts are due.

In each case: nothing leaves from a partial view, nothing is marked missing or canceled by mistake, the token goes
nowhere else, and the next run without the fault sends what is due, once. The client's waiting is simulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gzip
import json
import shutil
import socket
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from bulk import START, UNLIMITED, Hasty, Office, Timeline, Trap, ask, contents, fill, key_of, number, remembered

from syncer.calendly_asking import ATTEMPTS, BODY_CAP, PATIENCE
from syncer.errors import (
    AccessRefused,
    BadParameter,
    CalendlyBusy,
    CalendlyRefused,
    ClockWrong,
    GuardRefused,
    LoginRefused,
    NotConnected,
    NotThere,
    NoUsableAnswer,
    SyncerError,
    Unreadable,
)
from syncer.http import Http, prepare
from syncer.sandbox.app import create_app
from syncer.sandbox.faults import HTML_502
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import SANDBOX_TOKEN, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

DUE = START + timedelta(minutes=12)
"""When the run with the fault begins. Two reminders are due, three bookings are new, one cancellation is untold."""
ALWAYS = 1_000
OWN = {"runs", "meta"}
"""Tables in which each run writes about itself."""
JSON = {"content-type": "application/json"}
HASTE = 0.4
"""Real seconds after which an answer that never ends is given up, where a case has one."""


class Dripping:
    """In front of the sandbox: the ordered answers begin at once and then come a byte at a time, without end.

    Attributes:
        orders: how many requests to a path get one; the sandbox's own faults have no word for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.orders: dict[str, list[bool]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Drip, or pass the request on."""
        order = next((queue for path, queue in self.orders.items() if scope["path"].startswith(path) and queue), None)
        if order is None or not order.pop(0):
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        for byte in b'{"collection": [' + b" " * 200:
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await asyncio.sleep(0.05)


@dataclass(slots=True)
class Scene:
    """A served world with texts due, a database that knows most of it, and a server that nobody may reach.

    Attributes:
        target: which answer is wrong.
        haste: real seconds for one answer; 0 = the client's own.
        token: the token of the next run; one never seen before makes syncer ask whose it is.
    """

    world: World
    office: Office
    trap: Trap
    drip: Dripping
    group: str
    target: Target
    haste: float = 0.0
    token: str = SANDBOX_TOKEN

    def run(self) -> None:
        """Do one run."""
        self.office.environ = {"CALENDLY_TOKEN": self.token}
        with Http() as http, self.office.worker(Hasty(http, self.haste) if self.haste else http) as worker:
            worker.run_once()

    def sent(self) -> list[tuple[str, str]]:
        """What reached a phone so far: number and key."""
        return sorted((text.to, key_of(text)) for text in self.world.texts)

    def path(self) -> str:
        """The target's path."""
        return self.target.path.format(group=self.group.rpartition("/")[2])

    def fault(self, *, times: int = ALWAYS, **order: Any) -> None:
        """Order an answer for the target; with `status=None` see `Faults.add`."""
        for _ in range(self.target.skip):
            self.world.faults.slow(self.path(), 0.0)
        self.world.faults.fail(self.path(), times=times, **order)

    def real(self, target: Target | None = None) -> dict[str, Any]:
        """The answer that a target (by itself the scene's own) really gives, to be spoiled."""
        target = target or self.target
        app, headers = create_app(self.world), {"Authorization": f"Bearer {SANDBOX_TOKEN}"}
        query = {"organization": self.world.organization["uri"], "sort": "start_time:asc"} if target.listing else {}
        url = f"{self.office.url}{self.path()}?{urlencode(query)}"
        for _ in range(target.skip):
            url = json.loads(ask(app, prepare("GET", url, headers=headers)).body)["pagination"]["next_page"]
        return dict(json.loads(ask(app, prepare("GET", url, headers=headers)).body))

    def answer(self, change: Callable[[dict[str, Any]], object], *, times: int = ALWAYS, **more: Any) -> None:
        """Let the target give its real answer, changed."""
        body = self.real()
        change(body)
        self.fault(times=times, status=200, headers=JSON | more.pop("headers", {}), body=json.dumps(body), **more)


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of answer: its path, and how many good ones come before."""

    path: str
    skip: int = 0

    @property
    def listing(self) -> bool:
        """Whether it is the listing."""
        return self.path == "/scheduled_events"

    @property
    def reading(self) -> bool:
        """Whether it is the invitees of an event."""
        return self.path.endswith("/invitees")

    @property
    def me(self) -> bool:
        """Whether it says whose token it is."""
        return self.path == "/users/me"


TARGETS = {
    "page 1": Target("/scheduled_events"),
    "page 2": Target("/scheduled_events", skip=1),
    "last page": Target("/scheduled_events", skip=2),
    "invitees": Target("/scheduled_events/{group}/invitees"),
    "invitees, page 2": Target("/scheduled_events/{group}/invitees", skip=1),
    "me": Target("/users/me"),
}
PAGES = ("page 1", "page 2", "invitees", "invitees, page 2")
LISTS = ("page 2", "invitees")
ALL = ("page 1", "page 2", "invitees", "me")


@dataclass(slots=True)
class Stage:
    """What all cases begin with, made once."""

    world: World
    time: Timeline
    url: str
    folder: Path
    trap: Trap
    drip: Dripping
    group: str
    restore: Callable[[], None]
    reference: list[tuple[str, str]]

    def vouched_for(self, target: Target, error: type[SyncerError]) -> list[tuple[str, str]]:
        """What a run with a fault may send: nothing without a whole listing, nothing about what it could not read.

        Where one event's invitees are not to be had, the listing was whole, and everybody else gets their texts; where
        the token is at fault, only what is due about events that are as they were at the last reading.
        """
        if not target.reading:
            return []
        alone = error is not LoginRefused
        return [one for one in self.reference if self.group not in one[1] and (alone or "/reminder-24h/" in one[1])]

    @contextlib.contextmanager
    def scene(self, folder: Path, target: Target) -> Iterator[Scene]:
        """The beginning, with a copy of the database."""
        shutil.copy(self.folder / "syncer.db", folder)
        self.time.at(DUE)
        self.trap.caught.clear()
        office = Office(folder, self.time, self.url, limits="sends_per_second = 500\nconcurrency = 1\n")
        token = "a-new-token" if target.me else SANDBOX_TOKEN
        try:
            yield Scene(self.world, office, self.trap, self.drip, self.group, target, token=token)
        finally:
            self.drip.orders.clear()
            self.restore()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Six events on three pages: five known, one new group of three; and what a run without a fault sends."""
    time = Timeline()
    world = World(time.now, page_limit=2, rate_limit=UNLIMITED)
    server = SandboxServer(world)
    drip = Dripping(server._server.config.app)  # type: ignore[arg-type]
    server._server.config.app = drip
    with server, Trap() as trap:
        folder = tmp_path_factory.mktemp("listing")
        office = Office(folder, time, server.url)
        begin = Scene(world, office, trap, drip, "", TARGETS["page 1"])
        begin.run()
        time.add(minutes=1)
        # The first two are 24 hours ahead five and six minutes from now.
        booked = fill(world, 5, first=START + timedelta(hours=24, minutes=5), apart=timedelta(minutes=1))
        begin.run()
        time.at(START + timedelta(minutes=4))
        world.cancel(booked[4])
        first = world.book(
            start=START + timedelta(days=2), seats=5, event_type="Open clinic", phone=number(90), name="Ann Fox"
        )
        group: str = world.invitees[first]["event"]
        for n, name in ((91, "Bo Lind"), (92, "Cy Rao")):
            world.book(start=START, event=group, phone=number(n), name=name)
        time.at(START + timedelta(minutes=6, seconds=30))
        world.texts.clear()
        made = Stage(world, time, server.url, folder, trap, drip, group, remembered(world), [])
        with made.scene(tmp_path_factory.mktemp("reference"), TARGETS["page 1"]) as scene:
            scene.run()
            made.reference += scene.sent()
        rules = Counter(key.split("/")[-2] for _, key in made.reference)
        assert rules == {"reminder-24h": 4, "confirmation": 3, "host": 3, "cancellation": 1}
        yield made


def _rows(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """Change the first row of a page."""
    return lambda body: change(body["collection"][0])


def _next(url: str) -> Callable[[Scene], None]:
    """Let the next page lead to a URL; `{here}` is the API's own host and port, `{trap}` the other server's port."""

    def play(scene: Scene) -> None:
        here = scene.office.url.partition("//")[2]
        page = url.format(here=here, trap=scene.trap.port, path=scene.path(), port=here.rpartition(":")[2])
        scene.answer(lambda body: body["pagination"].update(next_page=page))

    return play


def _redirect(status: int) -> Callable[[Scene], None]:
    def play(scene: Scene) -> None:
        scene.fault(status=status, headers={"location": f"http://127.0.0.1:{scene.trap.port}{scene.path()}"})

    return play


def _drip(scene: Scene, times: int = ALWAYS) -> None:
    scene.haste = HASTE
    scene.drip.orders[scene.path()] = [False] * scene.target.skip + [True] * times


def _hang(scene: Scene) -> None:
    scene.haste = HASTE
    scene.fault(status=200, delay=2 * HASTE)


def _error(parameter: str) -> dict[str, Any]:
    details = [{"parameter": parameter, "message": "is invalid"}]
    return {"title": "Invalid Argument", "message": "The supplied parameters are invalid.", "details": details}


def _loop(scene: Scene) -> None:
    """Page 2 says that page 2 comes next; for the invitees, too."""
    again = scene.real(Target(scene.target.path))
    scene.answer(lambda body: body["pagination"].update(next_page=again["pagination"]["next_page"]))


def _cut(scene: Scene, times: int = ALWAYS, *, drop: bool = False) -> None:
    for _ in range(scene.target.skip):
        scene.world.faults.slow(scene.path(), 0.0)
    if drop:
        scene.world.faults.drop(scene.path(), times=times)
    else:
        scene.world.faults.cut(scene.path(), after=30, times=times)


def _half(scene: Scene, times: int = ALWAYS) -> None:
    whole = json.dumps(scene.real())
    scene.fault(times=times, status=200, headers=JSON, body=whole[: len(whole) // 2])


def _huge(scene: Scene, headers: Mapping[str, str] | None = None) -> None:
    """The last page there is, and blanks: whoever reads it all takes the listing for whole."""
    body = scene.real()
    body.get("pagination", {}).update(next_page=None)
    whole = json.dumps(body).encode() + b" " * BODY_CAP
    scene.fault(status=200, headers=JSON | dict(headers or {}), body=gzip.compress(whole) if headers else whole)


def _too_many(**headers: str) -> Callable[[Scene], None]:
    return lambda scene: scene.fault(status=429, headers={name.replace("_", "-"): v for name, v in headers.items()})


def _dated(**delta: float) -> Callable[[Scene], None]:
    def play(scene: Scene) -> None:
        date = format_datetime(DUE + timedelta(**delta), usegmt=True)
        scene.answer(lambda _: None, times=1, headers={"date": date})

    return play


def _empty(scene: Scene) -> None:
    scene.answer(lambda body: body.update(collection=[], pagination={"count": 0, "next_page": None}))


FAILING: list[tuple[str, Any, type[SyncerError], tuple[str, ...]]] = [
    ("500 all along", lambda s: s.fault(status=500), CalendlyBusy, (*ALL, "last page", "invitees, page 2")),
    ("502 in HTML all along", lambda s: s.fault(status=502, body=HTML_502), CalendlyBusy, ALL),
    ("503 that asks for an hour", lambda s: s.fault(status=503, headers={"retry-after": "3600"}), CalendlyBusy, ALL),
    ("408 all along", lambda s: s.fault(status=408), CalendlyBusy, ("page 2",)),
    ("429 without any header", _too_many(), CalendlyBusy, ALL),
    (
        "429 with the documented headers",
        _too_many(x_ratelimit_limit="50", x_ratelimit_remaining="0", x_ratelimit_reset="60"),
        CalendlyBusy,
        ALL,
    ),
    ("429 with a Retry-After of seconds", _too_many(retry_after="2"), CalendlyBusy, ALL),
    ("429 with a Retry-After of hours", _too_many(retry_after="7200"), CalendlyBusy, ("page 2",)),
    (
        "429 with a Retry-After that is a date",
        _too_many(retry_after=format_datetime(DUE, usegmt=True)),
        CalendlyBusy,
        ("page 2",),
    ),
    (
        "429 with nonsense in its headers",
        _too_many(retry_after="soon", x_ratelimit_reset="-1"),
        CalendlyBusy,
        ("page 2",),
    ),
    (
        "400 on page_token, always",
        lambda s: s.fault(status=400, body=_error("page_token")),
        BadParameter,
        ("page 2", "invitees, page 2"),
    ),
    ("400 on something else", lambda s: s.fault(status=400, body=_error("count")), BadParameter, ALL),
    (
        "401",
        lambda s: s.fault(status=401, body={"title": "Unauthenticated"}),
        LoginRefused,
        (*ALL, "last page", "invitees, page 2"),
    ),
    (
        "403",
        lambda s: s.fault(status=403, body={"title": "Permission Denied"}),
        AccessRefused,
        (*ALL, "last page", "invitees, page 2"),
    ),
    ("404", lambda s: s.fault(status=404), NotThere, ("page 1", "page 2", "me")),
    ("410", lambda s: s.fault(status=410), CalendlyRefused, ALL),
    ("301 to another server", _redirect(301), CalendlyRefused, ALL),
    ("302 to another server", _redirect(302), CalendlyRefused, ("page 2",)),
    ("307 to another server", _redirect(307), CalendlyRefused, ALL),
    ("308 to another server", _redirect(308), CalendlyRefused, ("page 2",)),
    ("a connection cut before the answer", lambda s: _cut(s, drop=True), NoUsableAnswer, ALL),
    ("a connection cut within the answer", _cut, NoUsableAnswer, ALL),
    ("an answer that drips", _drip, NoUsableAnswer, ("page 2", "invitees", "me")),
    ("no answer at all", _hang, NoUsableAnswer, ("page 2",)),
    ("half of the JSON", _half, NoUsableAnswer, ALL),
    ("HTML instead of JSON", lambda s: s.fault(status=200, body="<html>maintenance</html>"), NoUsableAnswer, ALL),
    ("nothing instead of JSON", lambda s: s.fault(status=200, headers=JSON), NoUsableAnswer, ALL),
    (
        "bytes that are no text",
        lambda s: s.fault(status=200, body=b'{"collection": ["\xff\xfe"]}', headers=JSON),
        Unreadable,
        ALL,
    ),
    (
        "a coding nobody asked for",
        lambda s: s.fault(status=200, headers={"content-encoding": "br"}, body=b"x"),
        NoUsableAnswer,
        ("page 2", "me"),
    ),
    ("more than 10 MiB", _huge, NoUsableAnswer, ALL),
    (
        "more than 10 MiB, packed",
        lambda s: _huge(s, {"content-encoding": "gzip"}),
        NoUsableAnswer,
        ("page 2", "me"),
    ),
    (
        "JSON nested beyond all measure",
        lambda s: s.fault(status=200, headers=JSON, body=b'{"collection":' + b"[" * 99_999),
        NoUsableAnswer,
        ("page 2", "me"),
    ),
    ("a list instead of an object", lambda s: s.fault(status=200, headers=JSON, body="[]"), Unreadable, ALL),
    ("null instead of an object", lambda s: s.fault(status=200, headers=JSON, body="null"), Unreadable, ALL),
    ("no collection", lambda s: s.answer(lambda body: body.pop("collection")), Unreadable, PAGES),
    ("a collection that is a number", lambda s: s.answer(lambda body: body.update(collection=1)), Unreadable, PAGES),
    ("no pagination", lambda s: s.answer(lambda body: body.pop("pagination")), Unreadable, PAGES),
    ("a pagination that is null", lambda s: s.answer(lambda body: body.update(pagination=None)), Unreadable, PAGES),
    (
        "a next page that is a number",
        lambda s: s.answer(lambda body: body["pagination"].update(next_page=2)),
        Unreadable,
        PAGES,
    ),
    ("a row that is null", lambda s: s.answer(lambda body: body["collection"].append(None)), Unreadable, PAGES),
    ("a row without a URI", lambda s: s.answer(_rows(lambda row: row.pop("uri"))), Unreadable, PAGES),
    ("a row without a status", lambda s: s.answer(_rows(lambda row: row.pop("status"))), Unreadable, PAGES),
    ("a row whose status is a number", lambda s: s.answer(_rows(lambda row: row.update(status=1))), Unreadable, PAGES),
    (
        "a start that is null",
        lambda s: s.answer(_rows(lambda row: row.update(start_time=None))),
        Unreadable,
        ("page 2",),
    ),
    (
        "a start without a zone",
        lambda s: s.answer(_rows(lambda row: row.update(start_time="2026-11-25T16:00:00"))),
        Unreadable,
        ("page 2",),
    ),
    (
        "an invitee of another event",
        lambda s: s.answer(_rows(lambda row: row.update(event=row["uri"]))),
        Unreadable,
        ("invitees", "invitees, page 2"),
    ),
    ("nobody", lambda s: s.answer(lambda body: body.pop("resource")), Unreadable, ("me",)),
    (
        "somebody without an organization",
        lambda s: s.answer(lambda body: body["resource"].update(current_organization=None)),
        Unreadable,
        ("me",),
    ),
    ("a next page that was there already", _loop, Unreadable, ("page 2", "invitees, page 2")),
    ("a next page on another host", _next("http://localhost:{trap}{path}"), Unreadable, LISTS),
    ("a next page on another name of this host", _next("http://localhost:{port}{path}"), Unreadable, LISTS),
    ("a next page on another port", _next("http://127.0.0.1:{trap}{path}"), Unreadable, LISTS),
    ("a next page by https", _next("https://{here}{path}"), Unreadable, LISTS),
    ("a next page by https on another port", _next("https://127.0.0.1:{trap}{path}"), Unreadable, LISTS),
    ("a next page behind user info", _next("http://{here}@127.0.0.1:{trap}{path}"), Unreadable, LISTS),
    ("a next page behind user and password", _next("http://{here}:x@127.0.0.1:{trap}{path}"), Unreadable, LISTS),
    ("a next page with user info on the right host", _next("http://me@{here}{path}"), Unreadable, LISTS),
    ("a next page behind a backslash", _next("http://127.0.0.1:{trap}\\@{here}{path}"), Unreadable, LISTS),
    ("a next page without a scheme", _next("//127.0.0.1:{trap}{path}"), Unreadable, LISTS),
    ("a next page that is a path", _next("{path}"), Unreadable, LISTS),
    ("a next page after a blank", _next(" http://127.0.0.1:{trap}{path}"), Unreadable, LISTS),
    ("a next page with a line break", _next("http://{here}\r\nHost: 127.0.0.1:{trap}"), Unreadable, LISTS),
    (
        "a next page on a host that begins like ours",
        _next("http://127.0.0.1.evil.example:{trap}{path}"),
        Unreadable,
        LISTS,
    ),
    ("a next page that is a file", _next("file:///etc/hosts"), Unreadable, LISTS),
    ("an empty listing", _empty, GuardRefused, ("page 1",)),
    ("a Date ten minutes ahead", _dated(minutes=10), ClockWrong, ("last page",)),
    ("a Date ten minutes behind", _dated(minutes=-10), ClockWrong, ("last page",)),
    ("a Date of another year", _dated(days=400), ClockWrong, ("last page",)),
]
"""What is wrong, how it is ordered, how the run ends, and which answers it is tried on."""


def cases(table: list[Any]) -> list[Any]:
    """Each fault on each of its targets."""
    return [
        pytest.param(*rest[:-1], TARGETS[target], id=f"{name}: {target}")
        for name, *rest in table
        for target in rest[-1]
    ]


@pytest.mark.parametrize(("play", "error", "target"), cases(FAILING))
def test_a_broken_answer_stops_the_run_before_anything_leaves_and_the_next_recovers(
    stage: Stage, tmp_path: Path, play: Callable[[Scene], object], error: type[SyncerError], target: Target
) -> None:
    """One table of faults; the run fails by that error, learns nothing from it, and a run without it does it all."""
    with stage.scene(tmp_path, target) as scene:
        before = contents(tmp_path / "syncer.db", without=OWN)
        play(scene)
        scene.world.requests.clear()
        waited = scene.office.time.waited

        with pytest.raises(error) as caught:
            scene.run()
        sent, asked = scene.sent(), scene.world.count("/scheduled_events") + scene.world.count("/users")
        after = contents(tmp_path / "syncer.db", without=OWN)
        waited = scene.office.time.waited - waited
        told = [one["event"] for one in scene.office.told]
        scene.world.faults.clear()
        scene.drip.orders.clear()
        scene.haste = 0.0
        scene.run()
        recovered = scene.sent()
        scene.run()

        assert sent == stage.vouched_for(target, error)
        assert not {"booking.missing", "booking.created"} & set(told)
        assert stage.group not in repr(after)
        assert sent or after == before
        assert told[-1] == ("run.refused" if error is GuardRefused else "run.failed")
        assert caught.value.exit_code == (3 if error is GuardRefused else 1)
        assert recovered == stage.reference
        assert scene.sent() == stage.reference
        # No storm of ours either: a handful of tries, and a minute and a half of waiting for any one answer.
        assert asked <= 3 + 2 + ATTEMPTS
        assert waited <= PATIENCE + 1
        assert stage.trap.caught == []
        assert scene.token not in repr(scene.office.told) + str(caught.value) + caught.value.remedy


def _twice(scene: Scene) -> None:
    """Rows shifted by one between two pages: the second begins with what the first ended with."""
    page_1 = scene.real(TARGETS["page 1"])
    scene.answer(lambda body: body["collection"].insert(0, page_1["collection"][-1]), times=1)


def _older(scene: Scene) -> None:
    """The last page repeats a row of its own, first as it was before its cancellation."""

    def change(body: dict[str, Any]) -> None:
        row = next(row for row in body["collection"] if row["status"] == "canceled")
        old = copy.deepcopy(row)
        old.update(status="active", invitees_counter=row["invitees_counter"] | {"active": 1})
        body["collection"].insert(0, old)

    scene.answer(change, times=1)


def _odd(row: dict[str, Any]) -> None:
    """Make everything odd that decides about no text, in an event or an invitee."""
    row.update(questions_and_answers={}, timezone=7, cancel_url=[], invitee_scheduled_by={}, tracking=7)
    row.update(calendar_event="x", meeting_notes_plain=7)
    if "invitees_counter" in row:
        row["invitees_counter"] = {name: str(count) for name, count in row["invitees_counter"].items()}


HARMLESS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("500 once", lambda s: s.fault(times=1, status=500), ALL),
    ("502 in HTML four times", lambda s: s.fault(times=4, status=502, body=HTML_502), ALL),
    ("429 once, without headers", lambda s: s.fault(times=1, status=429), ALL),
    (
        "429 four times, with a short Retry-After",
        lambda s: s.fault(times=4, status=429, headers={"retry-after": "2"}),
        ALL,
    ),
    (
        "page_token refused once",
        lambda s: s.fault(times=1, status=400, body=_error("page_token")),
        ("page 2", "last page", "invitees, page 2"),
    ),
    ("cut before the answer once", lambda s: _cut(s, 1, drop=True), ALL),
    ("cut within the answer once", lambda s: _cut(s, 1), ALL),
    ("half of the JSON once", lambda s: _half(s, 1), ALL),
    ("HTML once", lambda s: s.fault(times=1, status=200, body="<html></html>"), ALL),
    ("a drip once", lambda s: _drip(s, 1), ("page 2",)),
    ("a row of the first page again on the second", _twice, ("page 2",)),
    ("a row twice, the newer sight last", _older, ("last page",)),
    ("all rows twice", lambda s: s.answer(lambda body: body.update(collection=body["collection"] * 2), times=1), PAGES),
    ("fields nobody has heard of", lambda s: s.answer(_rows(lambda row: row.update(new={"a": [1]})), times=1), PAGES),
    ("fields of wrong types", lambda s: s.answer(_rows(_odd), times=1), PAGES),
    ("a Date that is none", lambda s: s.answer(lambda _: None, times=1, headers={"date": "yesterday"}), ALL),
    ("a Date one minute off", _dated(minutes=1), ("last page",)),
    ("a wrong Date before the last page", _dated(days=2), ("page 1", "page 2", "me")),
    ("an absent counter of rows", lambda s: s.answer(lambda body: body["pagination"].pop("count"), times=1), PAGES),
]
"""What must not matter: how it is ordered, and which answers it is tried on."""


@pytest.mark.parametrize(("play", "target"), cases(HARMLESS))
def test_a_passing_fault_changes_nothing_about_what_is_sent(
    stage: Stage, tmp_path: Path, play: Callable[[Scene], object], target: Target
) -> None:
    """The same run gets over it: the very texts of a run without it, each once, and nothing is missing."""
    with stage.scene(tmp_path, target) as scene:
        play(scene)

        scene.run()
        sent = scene.sent()
        scene.world.faults.clear()
        scene.haste = 0.0
        scene.run()

        changes = Counter(one["event"] for one in scene.office.told if one["event"].startswith("booking."))
        assert sent == stage.reference
        assert scene.sent() == stage.reference
        assert changes == {"booking.created": 3, "booking.canceled": 1}
        assert stage.trap.caught == []


def test_a_page_token_refused_once_makes_the_walk_begin_anew(stage: Stage, tmp_path: Path) -> None:
    """Two pages, the refusal, then all three: five requests, and no page's address is kept."""
    with stage.scene(tmp_path, TARGETS["last page"]) as scene:
        scene.fault(times=1, status=400, body=_error("page_token"))
        scene.world.requests.clear()

        scene.run()

        listed = [seen.query for seen in scene.world.requests if seen.path == "/scheduled_events"]
        assert ["page_token" in query for query in listed] == [False, True, True, False, True, True]


def test_invitees_that_are_gone_are_left_out_and_read_when_they_are_back(stage: Stage, tmp_path: Path) -> None:
    """404 is no fault of the listing: the others get their texts, none is called canceled; the rest follows later."""
    with stage.scene(tmp_path, TARGETS["invitees"]) as scene:
        scene.fault(status=404)

        scene.run()
        sent = scene.sent()
        told = {one["event"] for one in scene.office.told}
        scene.world.faults.clear()
        scene.run()

        assert sent == [one for one in stage.reference if stage.group not in one[1]]
        assert len(sent) == 5
        assert "booking.created" not in told
        assert scene.sent() == stage.reference


@pytest.mark.parametrize("status", [400, 403, 410])
def test_an_event_that_the_token_may_not_see_holds_its_own_messages_only(
    stage: Stage, tmp_path: Path, status: int
) -> None:
    """A 403 with 'not allowed to view this event' is documented: everybody else gets their texts in each run."""
    with stage.scene(tmp_path, TARGETS["invitees"]) as scene:
        scene.fault(status=status, body={"message": "You are not allowed to view this event."})

        with pytest.raises(CalendlyRefused):
            scene.run()

        assert scene.sent() == [one for one in stage.reference if stage.group not in one[1]]


@pytest.mark.parametrize("status", [404, 500], ids=["gone", "broken"])
def test_a_reminder_waits_while_its_changed_event_cannot_be_read(stage: Stage, tmp_path: Path, status: int) -> None:
    """The listing says canceled, the invitees are not to be had: its reminder, due now, is for nobody."""
    [gone] = [uri for uri, event in stage.world.events.items() if event["status"] == "canceled"]
    with stage.scene(tmp_path, TARGETS["invitees"]) as scene:
        scene.world.faults.fail(f"/scheduled_events/{gone.rpartition('/')[2]}/", status=status, times=ALWAYS)

        with pytest.raises(CalendlyBusy) if status == 500 else contextlib.nullcontext():
            scene.run()
        sent = scene.sent()
        with scene.office.worker(None) as worker:
            held = [message for message in worker.store.messages() if message.booking.startswith(gone)]
        scene.world.faults.clear()
        scene.run()

        assert sent == [one for one in stage.reference if gone not in one[1]]
        assert len(sent) == len(stage.reference) - 1
        assert {"scheduled"} == {str(one.state) for one in held if one.rule == "reminder-24h" and one.next_at <= DUE}
        assert scene.sent() == stage.reference


def test_an_event_that_slips_between_two_pages_waits_and_is_back_in_the_next_run(stage: Stage, tmp_path: Path) -> None:
    """A row less on page 2 than there should be: missing, never canceled, and its text waits for the next listing."""
    with stage.scene(tmp_path, TARGETS["page 2"]) as scene:
        lost = scene.real()["collection"][0]["uri"]
        scene.answer(lambda body: body["collection"].pop(0), times=1)

        scene.run()
        sent = scene.sent()
        told = [one for one in scene.office.told if one["event"].startswith("booking.")]
        scene.run()

        assert sent == [one for one in stage.reference if lost not in one[1]]
        assert len(sent) == len(stage.reference) - 1
        assert [one["event_uri"] for one in told if one["event"] == "booking.missing"] == [lost]
        assert scene.sent() == stage.reference


def test_an_api_that_is_not_there_at_all_fails_the_run(stage: Stage, tmp_path: Path) -> None:
    """Nobody listens on that port: no request ever left, the run fails, the next one recovers."""
    with stage.scene(tmp_path, TARGETS["page 1"]) as scene, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but not listening
        before = contents(tmp_path / "syncer.db", without=OWN)
        url, scene.office.url = scene.office.url, f"http://127.0.0.1:{nobody.getsockname()[1]}"

        with pytest.raises(NotConnected):
            scene.run()
        after = contents(tmp_path / "syncer.db", without=OWN)
        scene.office.url = url
        scene.run()

        assert after == before
        assert scene.sent() == stage.reference


def test_the_trap_would_have_caught_a_token(stage: Stage) -> None:
    """What the table relies on: a request that does go there is seen, with its headers."""
    stage.trap.caught.clear()
    headers = {"Authorization": "Bearer secret"}
    with Http() as http:
        answer = http.exchange(
            prepare("GET", f"http://127.0.0.1:{stage.trap.port}/x", headers=headers), deadline=5, cap=1_000
        )

    assert answer.status == 200
    assert b"Bearer secret" in stage.trap.caught[0]
    stage.trap.caught.clear()
