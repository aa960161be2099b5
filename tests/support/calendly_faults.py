"""A served world in which one of Calendly's answers is wrong, and what a run may send then."""

from __future__ import annotations

import contextlib
import copy
import gzip
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.worker_on_sandbox import START, number
from syncer.errors import GuardRefused, NoUsableAnswer, SyncerError, Unreadable
from syncer.sandbox.world import SANDBOX_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Send


import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from support.worker_on_sandbox import (
    UNLIMITED,
    Hasty,
    Timeline,
    UnreachableServer,
    WorkerOnSandbox,
    ask,
    fill,
    key_of,
    remembered,
)
from syncer.calendly_asking import BODY_CAP
from syncer.errors import (
    AccessRefused,
    BadParameter,
    CalendlyBusy,
    CalendlyRefused,
    ClockWrong,
    LoginRefused,
    NotThere,
)
from syncer.http import Http, prepare
from syncer.sandbox.app import create_app
from syncer.sandbox.faults import HTML_502
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send


DUE = START + timedelta(minutes=12)


"""When the run with the fault begins. Two reminders are due, three bookings are new, one cancellation is untold."""


ALWAYS = 1_000


OWN = {"runs", "meta", "unreadable_events"}


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
    office: WorkerOnSandbox
    trap: UnreachableServer
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
        """Let the target give its real answer, changed; its count of rows follows them."""
        body = self.real()
        rows = len(body.get("collection", ()))
        change(body)
        if isinstance(found := body.get("collection"), list) and len(found) != rows:
            body["pagination"]["count"] = len(found)
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


GUESTS = ("invitees", "invitees, page 2")


ALL = ("page 1", "page 2", "invitees", "me")


@dataclass(slots=True)
class FaultyAccount:
    """What all cases begin with, made once."""

    world: World
    time: Timeline
    url: str
    folder: Path
    trap: UnreachableServer
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
        office = WorkerOnSandbox(folder, self.time, self.url, limits="sends_per_second = 500\nconcurrency = 1\n")
        token = "a-new-token" if target.me else SANDBOX_TOKEN
        try:
            yield Scene(self.world, office, self.trap, self.drip, self.group, target, token=token)
        finally:
            self.drip.orders.clear()
            self.restore()


@contextlib.contextmanager
def a_faulty_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyAccount]:
    """Serve six events on three pages: five known, one new group of three; and what a run without a fault sends."""
    time = Timeline()
    world = World(time.now, page_limit=2, rate_limit=UNLIMITED)
    server = SandboxServer(world)
    drip = Dripping(server._server.config.app)  # type: ignore[arg-type]
    server._server.config.app = drip
    with server, UnreachableServer() as trap:
        folder = tmp_path_factory.mktemp("listing")
        office = WorkerOnSandbox(folder, time, server.url)
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
        made = FaultyAccount(world, time, server.url, folder, trap, drip, group, remembered(world), [])
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
    (
        "no next page, not even null",
        lambda s: s.answer(lambda body: body["pagination"].pop("next_page")),
        Unreadable,
        PAGES,
    ),
    ("a pagination that says nothing", lambda s: s.answer(lambda body: body.update(pagination={})), Unreadable, PAGES),
    (
        "a token of a next page alone",
        lambda s: s.answer(lambda body: body["pagination"].update(next_page=None, next_page_token="x")),
        Unreadable,
        PAGES,
    ),
    (
        "a next page that is empty",
        lambda s: s.answer(lambda body: body["pagination"].update(next_page="")),
        Unreadable,
        PAGES,
    ),
    (
        "a count of more rows than there are",
        lambda s: s.answer(lambda body: body["pagination"].update(count=100)),
        Unreadable,
        PAGES,
    ),
    ("a row that is null", lambda s: s.answer(lambda body: body["collection"].append(None)), Unreadable, PAGES),
    ("a row without a URI", lambda s: s.answer(_rows(lambda row: row.pop("uri"))), Unreadable, PAGES),
    ("a row without a status", lambda s: s.answer(_rows(lambda row: row.pop("status"))), Unreadable, GUESTS),
    ("a row whose status is a number", lambda s: s.answer(_rows(lambda row: row.update(status=1))), Unreadable, GUESTS),
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


ODD_ROWS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("no status", lambda row: row.pop("status"), ("page 1", "page 2", "last page")),
    ("a status that is a number", lambda row: row.update(status=1), ("page 1", "page 2", "last page")),
    ("a start that is null", lambda row: row.update(start_time=None), ("page 1", "page 2", "last page")),
    ("a start without a zone", lambda row: row.update(start_time="2026-11-25T16:00:00"), ("page 1", "page 2")),
    ("an end that is a list", lambda row: row.update(end_time=[]), ("page 2",)),
]


"""What is wrong with one row of the listing, and on which pages it is tried."""


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


"""Whether the cells in which five tries wait for their deadline are played, too."""
