"""A folder, a served world, real processes: what the tests that kill, race and starve the program stand on.

Calendly is the sandbox. EngageLab is a gateway that counts: a text counts when its whole body has arrived, before the
answer, whatever becomes of the client.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socketserver
import sqlite3
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from support.databases import set_birth
from support.oracle.history import Arrival, Due, judge
from support.processes import PATIENCE, Command, Done, ForkServer, can_fork, fork_server
from support.worker_on_sandbox import ask
from syncer.http import Answer, Prepared, prepare
from syncer.model import utc_text
from syncer.sandbox.app import create_app
from syncer.sandbox.page import env_lines
from syncer.sandbox.world import World
from syncer.store.rows import message_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from support.oracle.history import Verdict
    from support.processes import Process
    from syncer.model import Message

TEMPLATE = "1001"
RULE = "confirmation"
LIFE = timedelta(hours=6)
SETTINGS = """\
interval = "5s"

[limits]
concurrency = {concurrency}
sends_per_second = 500
messages_per_run = 100000

[[rule]]
name = "{rule}"
on = "booked"
template = "{template}"
params = {{ name = "{{name}}" }}
"""


def now() -> datetime:
    """The real clock: these are real processes."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Order:
    """What becomes of one send: whether a phone has it, what is answered (None = nothing), whether that says so."""

    answer: Answer | None
    accepted: bool = True
    clear: bool = True


class FakeApis:
    """Both APIs on loopback, in threads of this process; as EngageLab it takes everything. For `with` statements.

    Attributes:
        ledger: every complete body of a send, oldest first.
        latency: seconds between a body's arrival and its answer.
        orders: what becomes of the next sends; when there are none, each is accepted and its sender is told.
        on_templates: called when somebody asks for the templates, before the answer.
    """

    def __init__(
        self,
        world: World,
        *,
        latency: Callable[[], float] = lambda: 0.0,
        keep_alive: bool = True,
        patience: float | None = None,
        ledger: Sequence[Arrival] = (),
    ) -> None:
        """Bind a free port.

        Args:
            world: Calendly; several providers may share it.
            latency: asked for each send.
            keep_alive: whether a connection serves more than one send.
            patience: seconds to wait for a request and all of its bytes; None = for ever.
            ledger: what arrived before.
        """
        self.ledger: list[Arrival] = list(ledger)
        self.latency = latency
        self.orders: deque[Order] = deque()
        self.on_templates: Callable[[], None] = lambda: None
        self._calendly = create_app(world)
        self._keep_alive = keep_alive
        self._changed = threading.Condition()
        self._server = _Server(self._converse, patience)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL of both."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; clients that are still there are cut off."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int, *, wanted: Callable[[], bool]) -> bool:
        """Wait until the ledger has so many entries; False = it was no longer wanted."""
        with self._changed:
            while len(self.ledger) < count:
                if not wanted():
                    return False
                self._changed.wait(0.01)
            return True

    def _converse(self, connection: _Connection) -> None:
        while request := connection.next(self.url):
            path = urlsplit(request.url).path
            if not path.startswith("/v1/"):
                connection.answer(ask(self._calendly, request))
            elif path == "/v1/messages":
                answer = self._take(json.loads(request.content or b""))
                time.sleep(self.latency())
                if answer is None:
                    raise ConnectionAbortedError
                connection.answer(answer, close=not self._keep_alive)
            else:
                self.on_templates()
                connection.answer(TEMPLATES, close=not self._keep_alive)

    def _take(self, text: dict[str, Any]) -> Answer | None:
        """Count a text, and make its answer; None = there is none."""
        with self._changed:
            ident = str(10**18 + len(self.ledger) + 1)
            accepted = in_json({"plan_id": ident, "total_count": 1, "accepted_count": 1, "message_id": ident})
            order = self.orders.popleft() if self.orders else Order(accepted)
            self.ledger.append(
                Arrival(
                    key=text["custom_args"]["key"],
                    to=",".join(text["to"]),
                    template=text["template"]["id"],
                    params=text["template"]["params"],
                    accepted=order.accepted,
                    clear=order.clear,
                    at=now(),
                )
            )
            self._changed.notify_all()
        return order.answer


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, converse: Callable[[_Connection], None], patience: float | None) -> None:
        self.converse, self.patience = converse, patience
        super().__init__(("127.0.0.1", 0), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client was killed; everything else is a mistake in the tests and must show."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        """Lose patience after a while."""
        super().setup()
        self.connection.settimeout(self.server.patience)

    def handle(self) -> None:
        """Serve one connection."""
        self.server.converse(self)

    def next(self, base: str) -> Prepared | None:
        """Read a whole request; None = there is none, or the client was cut off before its end."""
        method, _, rest = self.rfile.readline().decode("ascii").partition(" ")
        headers = {}
        while method and (line := self.rfile.readline()) not in {b"\r\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        body = self.rfile.read(length)
        whole = method and len(body) == length
        return prepare(method, base + rest.split(" ")[0], headers=headers, content=body) if whole else None

    def answer(self, answer: Answer, *, close: bool = False) -> None:
        """Answer, in one piece."""
        headers = {**answer.headers, "content-length": str(len(answer.body))} | (
            {"connection": "close"} if close else {}
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.wfile.write(f"HTTP/1.1 {answer.status} -\r\n{lines}\r\n".encode() + answer.body)
        if close:
            raise ConnectionAbortedError


def in_json(content: object) -> Answer:
    """Make a good answer."""
    return Answer(200, {"content-type": "application/json"}, json.dumps(content).encode())


TEMPLATES = in_json([{"template_id": TEMPLATE, "template_content": "Hello {{name}}", "status": 2}])


@dataclass(slots=True)
class Installation:
    """A folder with settings and a database, beside a served world; see `an_installation`.

    Attributes:
        world: what is booked.
        provider: both APIs.
        due: what ought to be sent: everything that was booked here.
        code: a folder with another copy of the package, and its `migrations` beside it; None = this one.
        concurrency: texts in flight at once.
        environ: more variables.
        server: what runs are forked off; None = the server of this process, or, of another copy, each is started anew.
    """

    folder: Path
    world: World
    provider: FakeApis
    concurrency: int = 8
    code: Path | None = None
    environ: dict[str, str] = field(default_factory=dict)
    due: dict[str, Due] = field(default_factory=dict)
    server: ForkServer | None = None

    @property
    def db(self) -> Path:
        """The database."""
        return self.folder / "syncer.db"

    def __post_init__(self) -> None:
        """Write the settings, unless they are there."""
        self.folder.mkdir(exist_ok=True)
        lines = [line for line in env_lines("") if not line.startswith("TEMPLATE_ID_") and not line.endswith("=")]
        (self.folder / ".env").write_text("\n".join(lines), encoding="utf-8")
        made = SETTINGS.format(concurrency=self.concurrency, rule=RULE, template=TEMPLATE)
        (self.folder / "syncer.toml").write_text(made, encoding="utf-8")

    def copy(self, folder: Path, provider: FakeApis, *, server: ForkServer | None = None) -> Installation:
        """Copy the folder as it is, with another gateway: the same world, and a history of its own from here on."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder, provider=provider, due=dict(self.due), server=server)

    def be_born(self) -> None:
        """Make the database, a minute ago: what is booked from here on is news."""
        self.run("run", "--once").check(0)
        set_birth(self.db, now() - timedelta(minutes=1))

    def book(self, count: int = 1) -> None:
        """Book so many meetings of one invitee each, in three days: a text is due to each of them now."""
        start = (now() + timedelta(days=3)).replace(microsecond=0)
        for _ in range(count):
            n = len(self.due)
            name, to = f"Ines {letters(n)}", f"+1312{2_000_000 + n}"
            at = now()
            invitee = self.world.book(start=start, name=name, phone=to)
            key = f"{invitee}/{RULE}/{utc_text(start)}"
            expires = at.replace(microsecond=0) + LIFE
            self.due[key] = Due(to=to, at=at, expires=expires, template=TEMPLATE, params={"name": name})

    def missing(self) -> int:
        """How many of those that are due did not arrive yet."""
        return len(self.due.keys() - {arrival.key for arrival in self.provider.ledger})

    def command(self, *arguments: str) -> Command:
        """Make a command that runs in the folder, with nothing but its own in its environment; see `processes`."""
        path = {} if self.code is None else {"PYTHONPATH": str(self.code)}
        urls = dict.fromkeys(("CALENDLY_API_URL", "ENGAGELAB_API_URL"), self.provider.url)
        environ = {"PATH": os.environ["PATH"], "SYNCER_LOG_FORMAT": "json", **urls}
        return Command(arguments, self.folder, environ | path | self.environ, self.folder / "log")

    def _forks(self) -> ForkServer | None:
        return self.server or (fork_server() if self.code is None and can_fork(self.environ) else None)

    def start(self, *arguments: str) -> Process:
        """Start a command; its log is added to `log` in the folder."""
        command, server = self.command(*arguments), self._forks()
        return command.start_anew() if server is None else command.start(server)

    def run(self, *arguments: str, strace: Sequence[str] = ()) -> Done:
        """Run a command to its end, under strace if there are options for it."""
        command, server = self.command(*arguments), self._forks()
        if server is not None:
            return server.run(command, strace=strace)
        if strace:
            with ForkServer(self.code) as made:
                return made.run(command, strace=strace)
        return command.run_anew()

    def die_waiting(self) -> None:
        """Do a run that is killed while it waits for the answer to its first text."""
        self.provider.latency = lambda: PATIENCE
        process = self.start("run", "--once")
        self.provider.wait_for(len(self.provider.ledger) + 1, wanted=lambda: process.poll() is None)
        process.kill()
        process.wait()
        self.provider.latency = lambda: 0.0

    def restart(self) -> None:
        """Run twice, with nothing in the way: what every history ends with."""
        for _ in range(2):
            self.run("run", "--once").check(0)

    def outbox(self) -> list[Message]:
        """Read all messages, past syncer's own checks."""
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            db.row_factory = sqlite3.Row
            return [message_of(dict(row)) for row in db.execute("SELECT * FROM messages")]

    def integrity(self) -> str:
        """What SQLite thinks of the file; "ok" = it is sound."""
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            return str(db.execute("PRAGMA integrity_check").fetchone()[0])

    def let_time_pass(self) -> int:
        """Play that every delay before another try is over, and every pause. Returns how many delays those were."""
        with contextlib.closing(sqlite3.connect(self.db)) as db, db:
            delays = db.execute("UPDATE messages SET next_at = scheduled_at WHERE state = 'retryable'").rowcount
            pauses = db.execute("UPDATE outages SET ends_at = since WHERE ends_at IS NOT NULL").rowcount
            return delays + pauses

    def judge(self, ambiguous: int, *, retried: Collection[str] = ()) -> Verdict:
        """Judge what happened here, as if the life of everything were over."""
        end = max((one.expires for one in self.due.values()), default=now()) + timedelta(seconds=1)
        return judge(
            due=self.due,
            arrivals=self.provider.ledger,
            outbox=self.outbox(),
            ambiguous=ambiguous,
            now=end,
            retried=retried,
        )


@contextlib.contextmanager
def an_installation(
    folder: Path,
    *,
    concurrency: int = 8,
    latency: Callable[[], float] = lambda: 0.0,
    code: Path | None = None,
) -> Iterator[Installation]:
    """Serve a world of its own and a gateway, and make a folder with settings that lead there; nothing runs yet."""
    world = World(now, rate_limit=10**9)
    with FakeApis(world, latency=latency) as provider:
        yield Installation(folder, world, provider, concurrency, code)


def letters(n: int) -> str:
    """Spell a number in letters: digits have no place in a name."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(n)).capitalize()
