"""Whole accounts for the tests of cost, pace and broken listings: a simulated clock, worlds by the thousand, wires.

Everything here is the real code with the world outside replaced: time passes only when somebody waits, and requests go
either over a loopback socket or straight into the sandbox's application.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import schedule

from syncer.http import Answer
from syncer.sandbox.page import env_lines
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from syncer.http import Prepared


import contextlib
import copy
import socketserver
import sqlite3
import threading
from dataclasses import field
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from support.databases import a_store
from syncer import config
from syncer.calendly import Calendly
from syncer.engagelab import EngageLab
from syncer.errors import Stopped
from syncer.http import Http
from syncer.log import EVENTS
from syncer.sandbox.app import create_app
from syncer.store.lock import run_lock
from syncer.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator
    from pathlib import Path

    from syncer.http import Prepared
    from syncer.sandbox.world import Text, World

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
NOWHERE = "http://127.0.0.1:9"
"""Base URL for requests that never meet a socket; the sandbox answers to loopback names only."""
UNLIMITED = 1_000_000


class Timeline:
    """Simulated time: it passes when somebody waits, and by the latency of simulated requests.

    Several threads may wait at once: each wakes at the moment it last looked at the clock plus its wait, so that eight
    threads that wait ten seconds side by side take ten seconds and not eighty.

    Attributes:
        elapsed: simulated seconds since `START`.
        waited: how many of them somebody waited away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = threading.local()
        self.elapsed = 0.0
        self.waited = 0.0

    def now(self) -> datetime:
        """The wall clock: aware UTC."""
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        self._seen.at = self.elapsed
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        """Wait."""
        with self._lock:
            until = getattr(self._seen, "at", self.elapsed) + seconds
            self.waited += max(0.0, until - self.elapsed)
            self.elapsed = max(self.elapsed, until)
            self._seen.at = self.elapsed

    def add(self, **delta: float) -> None:
        """Let time pass, whoever waits."""
        with self._lock:
            self.elapsed += timedelta(**delta).total_seconds()
            self._seen.at = self.elapsed

    def at(self, moment: datetime) -> None:
        """Go to a moment."""
        self.add(seconds=(moment - self.now()).total_seconds())


class SimulatedStop(threading.Event):
    """A worker's `stop` whose waits take simulated time; it is set by itself at `deadline`, in simulated seconds."""

    def __init__(self, time: Timeline, deadline: float = float("inf")) -> None:
        super().__init__()
        self._time = time
        self._deadline = deadline

    def is_set(self) -> bool:
        """Whether somebody set it, or its deadline has passed."""
        return super().is_set() or self._time.elapsed >= self._deadline

    def wait(self, timeout: float | None = None) -> bool:
        """Pass the time instead of waiting."""
        self._time.monotonic()
        self._time.sleep(timeout or 0.0)
        return self.is_set()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that reached the server: when, what it asked for, what it got."""

    at: datetime
    path: str
    status: int


class InProcess:
    """Carries requests straight into a world's application, with the public method of `Http`.

    The application is the sandbox's own, so its rate limit, page tokens and refusals are the same as over a socket; a
    request takes `latency` simulated seconds.

    Attributes:
        seen: everything that was asked, oldest first.
    """

    def __init__(self, world: World, time: Timeline, *, latency: float = 0.05) -> None:
        self._app = create_app(world)
        self._time = time
        self._latency = latency
        self._lock = threading.Lock()
        self.seen: list[Exchange] = []

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Answer one request."""
        with self._lock:
            self._time.add(seconds=self._latency)
            answer = ask(self._app, prepared)
            assert self._latency <= deadline
            assert len(answer.body) <= cap
            self.seen.append(Exchange(self._time.now(), urlsplit(prepared.url).path, answer.status))
            return answer

    def calendly(self) -> list[Exchange]:
        """What was asked of Calendly."""
        return [one for one in self.seen if not one.path.startswith("/v1/")]

    def busiest_minute(self) -> int:
        """The most requests to Calendly within any 60 seconds, wherever they begin."""
        moments = [one.at for one in self.calendly()]
        most = first = 0
        for last, moment in enumerate(moments):
            while moment - moments[first] >= timedelta(seconds=60):
                first += 1
            most = max(most, last - first + 1)
        return most


def ask(app: Any, prepared: Prepared) -> Answer:
    """Send one request into an ASGI application that never waits for anything."""
    url = urlsplit(prepared.url)
    headers = {"host": url.netloc, **{name.lower(): value for name, value in prepared.headers.items()}}
    content = prepared.content or b""
    if content:
        headers["content-length"] = str(len(content))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": url.scheme,
        "method": prepared.method,
        "path": url.path,
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 9),
    }
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    call = app(scope, receive, send)
    try:
        call.send(None)
    except StopIteration:
        pass
    else:
        raise AssertionError("the application waits for something: it cannot be asked without a loop")
    start, *bodies = told
    found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(message.get("body", b"") for message in bodies))


@dataclass
class WorkerOnSandbox:
    """A folder with a database, the settings that lead to a sandbox, and the log of the runs there.

    Attributes:
        toml: more settings; the limits are loose, so that only what a test is about holds anything back.
        environ: more variables, over the sandbox's own.
        told: the events of all runs, oldest first.
    """

    folder: Path
    time: Timeline
    url: str = NOWHERE
    toml: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    limits: str = "sends_per_second = 500\nmessages_per_run = 100000\n"
    told: list[dict[str, Any]] = field(default_factory=list)

    def settings(self) -> config.Settings:
        """The settings as they are now."""
        (self.folder / "syncer.toml").write_text(f"{self.toml}\n[limits]\n{self.limits}", encoding="utf-8")
        environ = dict(line.split("=", 1) for line in env_lines(self.url)) | self.environ
        environ = {name: value for name, value in environ.items() if value}
        return config.load(environ=environ, folder=self.folder)

    def tell(self, event: str, /, **fields: object) -> None:
        """Keep a log event; one that the contract does not know is a defect."""
        assert event in EVENTS
        self.told.append({"event": event, "time": self.time.now(), **fields})

    @contextlib.contextmanager
    def worker(self, http: Any, *, stop: threading.Event | None = None) -> Iterator[Worker]:
        """Make a worker as a new process would, all of whose waiting is simulated.

        Args:
            http: carries the requests: an `Http`, or what has its method.
            stop: the worker's signal; None = one that never comes.
        """
        settings, time, halt = self.settings(), self.time, stop or SimulatedStop(self.time)

        def sleep(seconds: float) -> None:
            time.sleep(seconds)
            if halt.is_set():
                raise Stopped("asked to stop")

        calendly = Calendly(
            settings.calendly_url,
            settings.token.reveal(),
            http,
            sleep=sleep,
            monotonic=time.monotonic,
            max_per_minute=settings.max_requests_per_minute,
            on_wait=lambda seconds, reason: self.tell("calendly.throttled", seconds=seconds, reason=reason),
        )
        key, secret = settings.dev_key.reveal(), settings.dev_secret.reveal()
        with run_lock(settings.db), a_store(settings.db, now=time.now()) as store:
            yield Worker(
                settings=settings,
                store=store,
                calendly=calendly,
                gateway=EngageLab(settings.engagelab_url, key, secret, http, sleep=sleep),
                clock=time.now,
                ticks=time.monotonic,
                tell=self.tell,
                stop=halt,
            )

    def named(self, event: str) -> list[dict[str, Any]]:
        """The events of this name, oldest first."""
        return [one for one in self.told if one["event"] == event]


class Hasty:
    """An `Http` that gives up sooner, so that a test of an answer that never ends does not take half a minute."""

    def __init__(self, http: Http, seconds: float) -> None:
        self._http = http
        self._seconds = seconds

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Send one request."""
        return self._http.exchange(prepared, deadline=min(deadline, self._seconds), cap=cap)


class UnreachableServer:
    """A second server on loopback that no request may ever reach. Whoever comes gets an empty, complete listing.

    It takes any connection and any bytes, so that it also sees a TLS greeting.

    Attributes:
        caught: the first bytes of each connection.
    """

    def __init__(self) -> None:
        self.caught: list[bytes] = []
        caught = self.caught
        body = b'{"collection": [], "pagination": {"next_page": null}}'
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"

        class Catch(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                caught.append(self.request.recv(65_536))
                self.request.sendall(answer % len(body) + body)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Catch)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def contents(path: Path, *, without: Container[str] = ("runs",)) -> dict[str, list[tuple[Any, ...]]]:
    """Read every table of a database, each row, but the rows that each run writes about itself."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in names if name not in without}  # noqa: S608  names from the schema


def lateness(path: Path, world: World) -> dict[str, float]:
    """How many seconds after its due time each text left, by its key."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        due = {key: datetime.fromisoformat(at) for key, at in db.execute("SELECT key, scheduled_at FROM messages")}
    return {key: (text.at - due[key]).total_seconds() for text in world.texts if (key := key_of(text))}


def key_of(text: Text) -> str:
    """The key of the message that a text in the sandbox came from."""
    return str(text.custom_args["key"])


def number(n: int) -> str:
    """A mobile number that only the n-th invitee has."""
    return f"+1312{2_000_000 + n}"


def fill(world: World, count: int, *, first: datetime, apart: timedelta) -> list[str]:
    """Book so many meetings of one invitee each, every `apart` from `first` on; returns the invitees' URIs."""
    return [
        world.book(start=first + n * apart, phone=number(n), name=f"Ines Okafor {n}", email=f"guest{n}@example.com")
        for n in range(count)
    ]


def remembered(world: World) -> Callable[[], None]:
    """Remember what is booked and sent in a world; calling what is returned puts it back."""
    names = ("events", "invitees", "by_event", "texts", "groups", "token_users", "users", "memberships")
    kept = copy.deepcopy({name: getattr(world, name) for name in names})

    def restore() -> None:
        with world.lock:
            for name, value in copy.deepcopy(kept).items():
                setattr(world, name, value)
            world.faults.clear()
            world.requests.clear()
            world.revoked_tokens.clear()
            world.empty_for_members = False

    return restore


def simulate_schedule(monkeypatch: pytest.MonkeyPatch, clock: Timeline) -> None:
    """Give the library `schedule`, which reads the local wall clock by itself, the simulated one."""

    class Simulated(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            assert tz is None
            return clock.now().replace(tzinfo=None)

    monkeypatch.setattr(schedule, "datetime", types.SimpleNamespace(datetime=Simulated, timedelta=timedelta))
