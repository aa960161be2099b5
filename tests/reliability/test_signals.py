"""Signals at every moment of a run: SIGTERM, SIGINT and SIGHUP end it within seconds, and no text is unknown.

What reads is given up, what sends is finished. The checker judges what came of it after the next runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from support.fake_apis import FakeApis, an_installation, now
from support.modes import LONG_FORM
from support.processes import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.fake_apis import Installation

TEXTS = 12
LONG = 60.0
"""Seconds that an answer takes that nobody must wait for."""
ANSWER = 2.0
"""Seconds that the answer to a text takes, which must be awaited."""
LIMIT = 15.0
"""Seconds within which a process must end."""
WAYS = [
    (["run"], signal.SIGTERM, 0),
    (["run"], signal.SIGHUP, 0),
    (["run"], signal.SIGINT, 0),
    (["run", "--once"], signal.SIGTERM, 1),
]
"""A command, the signal, and the exit code: the work of `--once` is not done then."""


SHORT = ((1, 3), (2, 0))
"""Which of them are played in the short form, at every other moment."""


class Obstacle:
    """Calendly with an answer that takes long, or a refusal."""

    def __init__(self, app: Any, ending: str, *, seconds: float = 0.0, status: int = 0) -> None:
        self._app, self._ending, self._seconds, self._status = app, ending, seconds, status
        self.met = threading.Event()
        self.gone = threading.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["path"].endswith(self._ending) and not self.gone.is_set():
            self.met.set()
            if self._status:
                headers = [(b"retry-after", b"50")] if self._status == 429 else []
                await send({"type": "http.response.start", "status": self._status, "headers": headers})
                await send({"type": "http.response.body", "body": b"{}"})
                return
            self.gone.wait(self._seconds)
        await self._app(scope, receive, send)


@dataclass
class Play:
    """One process and its world.

    Attributes:
        ends: what to do when the process has ended, so that the world is sound again.
        place: which of several it is.
        stderr: where the log goes; None = to the file `log`.
    """

    installation: Installation
    provider: FakeApis
    place: int = 0
    ends: list[Callable[[], None]] = field(default_factory=list)
    stderr: int | None = None

    def obstruct(self, ending: str, *, seconds: float = 0.0, status: int = 0) -> Callable[[], bool]:
        """Put an obstacle into Calendly; returns whether it was met."""
        obstacle = Obstacle(self.provider._calendly, ending, seconds=seconds, status=status)
        self.provider._calendly = obstacle  # type: ignore[assignment]  # all that is asked of it
        self.ends.append(obstacle.gone.set)
        return obstacle.met.is_set

    def logged(self, event: str) -> Callable[[], bool]:
        """Whether an event is in the log."""
        return lambda: f'"{event}"' in self.installation.command().log.read_text(encoding="utf-8")

    def start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        """Start a process."""
        command = self.installation.command(*arguments)
        with command.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "syncer", *arguments],
                cwd=command.folder,
                env=command.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log if self.stderr is None else self.stderr,
            )


def listing(play: Play) -> Callable[[], bool]:
    """A page of the listing takes long."""
    return play.obstruct("/scheduled_events", seconds=LONG)


def reading(play: Play) -> Callable[[], bool]:
    """The invitees of events take long; several threads wait for them."""
    return play.obstruct("/invitees", seconds=LONG)


def templates(play: Play) -> Callable[[], bool]:
    """The gateway's list of templates takes long."""
    asked, gone = threading.Event(), threading.Event()

    def on_templates() -> None:
        asked.set()
        gone.wait(LONG)

    play.provider.on_templates = on_templates
    play.ends.append(gone.set)
    return asked.is_set


def sending(play: Play) -> Callable[[], bool]:
    """Texts are in the air: their answers are awaited, and no further one leaves."""
    play.provider.latency = lambda: ANSWER
    play.ends.append(lambda: setattr(play.provider, "latency", lambda: 0.0))
    return lambda: bool(play.provider.ledger)


def rate_limit(play: Play) -> Callable[[], bool]:
    """Calendly says to wait for a minute."""
    play.obstruct("/scheduled_events", status=429)
    return play.logged("calendly.throttled")


def trying_again(play: Play) -> Callable[[], bool]:
    """Calendly does not work, and is asked again and again."""
    play.obstruct("/scheduled_events", status=503)
    return play.logged("calendly.throttled")


def between_runs(play: Play) -> Callable[[], bool]:
    """A run is over, and the loop waits for the next one."""
    return play.logged("run.completed")


def blocked_log(play: Play) -> Callable[[], bool]:
    """Nobody reads the log, a pipe with room for some lines, or for more: full while it plans, or later."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096 << play.place % 3)  # a single run writes less than the largest takes
    play.stderr = writer
    play.ends += [lambda: os.close(reader), lambda: os.close(writer)]
    play.provider.latency = lambda: 0.05

    def is_full() -> bool:
        return not select.select([], [writer], [], 0)[1]

    return is_full


def connecting(play: Play) -> Callable[[], bool]:
    """Connections to Calendly are not answered, not even refused."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    crowd = [socket.socket() for _ in range(4)]
    for one in crowd:
        one.settimeout(0)
        one.connect_ex(listener.getsockname())
    play.installation.environ = {"CALENDLY_API_URL": url}
    play.ends += [listener.close, *(one.close for one in crowd), play.installation.environ.clear]
    has_started = play.logged("run.started")

    def is_connecting() -> bool:
        if started := has_started():
            time.sleep(1)
        return started

    return is_connecting


def tls(play: Play) -> Callable[[], bool]:
    """Somebody takes the connection, and says nothing when TLS begins."""
    listener = socket.create_server(("127.0.0.1", 0))
    play.installation.environ = {"CALENDLY_API_URL": f"https://127.0.0.1:{listener.getsockname()[1]}"}
    taken: list[socket.socket] = []

    def met() -> bool:
        listener.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            taken.append(listener.accept()[0])
        return bool(taken)

    def close() -> None:
        for one in (listener, *taken):
            one.close()

    play.ends += [close, play.installation.environ.clear]
    return met


Moment: TypeAlias = "Callable[[Play], Callable[[], bool]]"
"""Prepares a play, and returns whether the moment has come."""
MOMENTS: list[Moment] = [listing, reading, sending, rate_limit, between_runs, blocked_log]
RARE_MOMENTS: list[Moment] = [templates, trying_again, connecting, tls]


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A database that knows no event yet, and some that are booked."""
    with an_installation(tmp_path_factory.mktemp("signals") / "origin", concurrency=4) as installation:
        installation.be_born()
        installation.book(TEXTS)
        yield installation


@contextlib.contextmanager
def a_play(booked: Installation, folder: Path, place: int = 0) -> Iterator[Play]:
    """Copy the folder, with a provider of its own."""
    with FakeApis(booked.world) as provider:
        play = Play(booked.copy(folder, provider), provider, place)
        try:
            yield play
        finally:
            for end in play.ends:
                end()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for a moment.

    Raises:
        AssertionError: it did not come.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < end, "the moment did not come"
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> float:
    """Send a signal, and once more a little later; returns the seconds until the end."""
    began = time.monotonic()
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.3)
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(LONG)
    finally:
        process.kill()
        process.wait()
    return time.monotonic() - began


@pytest.mark.parametrize("moment", MOMENTS + RARE_MOMENTS, ids=lambda moment: moment.__name__)
def test_a_signal_at_any_moment(
    booked: Installation,
    tmp_path: Path,
    moment: Moment,
    *,
    full: bool,
    figures: Callable[..., None],
) -> None:
    """The process ends in time, with the documented exit code, nothing is unknown, and the next runs do the rest."""
    if moment in RARE_MOMENTS and not full:
        pytest.skip(LONG_FORM)
    places = range(len(WAYS)) if full else SHORT[(MOMENTS + RARE_MOMENTS).index(moment) % 2]

    def play_one(place: int) -> tuple[float, str]:
        arguments, number, code = WAYS[place]
        if moment is between_runs:
            arguments, code = ["run"], 0
        with a_play(booked, tmp_path / str(place), place) as play:
            reached = moment(play)
            process = play.start(arguments)
            wait_until(reached, process)
            took = end(process, number)
            states = [str(message.state) for message in play.installation.outbox()]
        said = play.installation.command().log.read_text(encoding="utf-8")
        wanted = {code, 1} if moment is blocked_log else {code}  # some of the log is lost
        assert process.returncode in wanted, f"{arguments} {number!r}: {process.returncode}\n{said[-2000:]}"
        assert "Traceback" not in said
        assert not {"sending", "unknown"} & set(states), states
        assert states.count("sent") == len(play.provider.ledger)
        return took, heal(play)

    with ThreadPoolExecutor(len(places)) as pool:
        played = list(pool.map(play_one, places))

    figures(f"signals, {moment.__name__}", processes=len(played), slowest=f"{max(took for took, _ in played):.1f} s")
    assert max(took for took, _ in played) < LIMIT
    assert [wrong for _, wrong in played if wrong] == []


def heal(play: Play) -> str:
    """Let the next runs do the rest in a sound world, and judge; returns what is wrong."""
    play.installation.environ = {}
    with FakeApis(play.installation.world, ledger=play.provider.ledger) as provider:
        play.installation.provider = provider
        play.installation.restart()
        faults = play.installation.judge(0).faults()
        missing = play.installation.missing()
    return f"{faults} {missing} missing" if faults or missing else ""


def test_nohup_goes_on_after_the_terminal_is_gone(booked: Installation, tmp_path: Path) -> None:
    """SIGHUP stays ignored if it was ignored at the start: all texts leave; SIGTERM ends it."""
    with a_play(booked, tmp_path / "installation") as play:
        play.provider.latency = lambda: 0.5
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            process = play.start(["run"])
        finally:
            signal.signal(signal.SIGHUP, before)
        wait_until(lambda: bool(play.provider.ledger), process)
        process.send_signal(signal.SIGHUP)
        wait_until(play.logged("run.completed"), process)
        took = end(process, signal.SIGTERM)

    assert play.installation.missing() == 0
    assert process.returncode == 0
    assert took < LIMIT


def test_texts_leave_although_nobody_reads_the_log(booked: Installation, tmp_path: Path) -> None:
    """A log holds them up for some seconds, not for ever; what is lost of it makes the exit code 1."""
    with a_play(booked, tmp_path / "installation") as play:
        blocked_log(play)
        process = play.start(["run", "--once"])
        code = process.wait(PATIENCE)
        states = {str(message.state) for message in play.installation.outbox()}

    assert code == 1
    assert play.installation.missing() == 0
    assert states == {"sent"}


def test_a_long_listing_of_slow_pages(tmp_path: Path, *, full: bool, figures: Callable[..., None]) -> None:
    """1,500 events are 15 pages, at 5 s each: SIGTERM and SIGHUP end it in the midst of that."""
    if not full:
        pytest.skip(LONG_FORM)
    with an_installation(tmp_path / "origin") as installation:
        installation.be_born()
        for number in range(1500):
            installation.world.book(start=(now() + timedelta(days=3, minutes=number)).replace(microsecond=0))
        for number in (signal.SIGTERM, signal.SIGHUP):
            with a_play(installation, tmp_path / number.name) as play:
                play.obstruct("/scheduled_events", seconds=5.0)
                process = play.start(["run"])
                time.sleep(12)  # the third page is on its way
                assert process.poll() is None
                took = end(process, number)
                unknown = [message for message in play.installation.outbox() if str(message.state) == "unknown"]
            figures(f"a slow listing, {number.name}", seconds=f"{took:.1f}", unknown=len(unknown))
            assert (process.returncode, unknown) == (0, [])
            assert took < LIMIT
