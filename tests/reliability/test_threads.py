"""Nothing is imported or built for the first time in a thread: fresh processes read and send without a crash.

msgspec 0.22 builds a type at its first use, and the interpreter dies when two threads do so at once.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from support.fake_apis import FakeApis, an_installation, now
from support.modes import LONG_FORM
from support.processes import PATIENCE
from support.variants import ROOT, Change, variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.fake_apis import Installation

EVENTS, TEXTS = 45, 20
MOST_TRIES = 500
"""Processes of the control: on a busy machine threads change places more rarely, and some hundred may pass unharmed."""
HURRIED = "import sys; sys.setswitchinterval(1e-6); from syncer.cli import main; main()"
"""Threads take turns five thousand times as often as usual: what can meet does meet."""
WATCHED = """
import sys, threading

class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            print("IMPORTED IN A THREAD:", name)

sys.meta_path.insert(0, Watch())
from syncer.cli import main
main()
"""
LATE_DECODER = (
    Change("syncer/calendly_shapes.py", "_INVITEE = msgspec.json.Decoder(_Invitee)", "_INVITEE = _Invitee"),
    Change(
        "syncer/lenient.py",
        "return decoder.decode(body)",
        "return getattr(decoder, 'decode', lambda raw: msgspec.json.decode(raw, type=decoder))(body)",
    ),
)
"""Of all decoders the one of invitees is made by the threads, as `msgspec.json.decode(…, type=…)` does."""


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A database that knows no event yet, and many that are booked: some of their guests left a number."""
    with an_installation(tmp_path_factory.mktemp("threads") / "origin") as installation:
        installation.be_born()
        installation.book(TEXTS)
        for _ in range(EVENTS - TEXTS):
            installation.world.book(start=(now() + timedelta(days=4)).replace(microsecond=0))
        yield installation


class Stumbling:
    """Calendly that refuses to list the invitees of some events at first."""

    def __init__(self, app: Any, times: int = 3) -> None:
        self._app, self._left = app, times

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._left and scope["path"].endswith("/invitees"):
            self._left -= 1
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
        else:
            await self._app(scope, receive, send)


def start(installation: Installation, program: str) -> subprocess.Popen[str]:
    """Start a run in a fresh process of this program."""
    command = installation.command("run", "--once")
    return subprocess.Popen(
        [sys.executable, "-c", program, *command.arguments],
        cwd=command.folder,
        env=command.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(booked: Installation, folder: Path, program: str, *, code: Path | None = None) -> tuple[int, str, int]:
    """Do the first run after the bookings; returns its exit code, what it wrote, and how many of the texts arrived."""
    with FakeApis(booked.world) as provider:
        installation = booked.copy(folder, provider)
        installation.code = code
        process = start(installation, program)
        written, _ = process.communicate(timeout=PATIENCE)
        arrived = [arrival.key for arrival in provider.ledger]
    assert len(arrived) == len(set(arrived))
    assert set(arrived) <= set(installation.due)
    return process.returncode, written, len(arrived)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_import_happens_in_a_thread(booked: Installation, tmp_path: Path, log_format: str) -> None:
    """Neither for a name look-up nor for a request that fails and is repeated."""
    with FakeApis(booked.world) as provider:
        installation = booked.copy(tmp_path / "installation", provider)
        installation.environ = {
            "SYNCER_LOG_FORMAT": log_format,
            "CALENDLY_API_URL": provider.url.replace("127.0.0.1", "localhost"),
        }
        provider._calendly = Stumbling(provider._calendly)  # type: ignore[assignment]  # all that is asked of it
        written, _ = start(installation, WATCHED).communicate(timeout=PATIENCE)

    assert len(provider.ledger) == TEXTS
    assert "IMPORTED IN A THREAD" not in written
    assert "503" in written, "no request failed in a thread"


def test_fresh_processes_do_not_crash(
    booked: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """Each reads all events and sends all texts, in threads that take turns all the time."""
    processes = 500 if full else 4
    ended = [run(booked, tmp_path / f"run{n}", HURRIED) for n in range(processes)]

    figures("fresh processes", processes=processes, crashed=sum(code < 0 for code, _, _ in ended))
    assert [(code, texts, written) for code, written, texts in ended if (code, texts) != (0, TEXTS)] == []


@pytest.mark.skipif(msgspec.__version__ != "0.22.0", reason="the crash was seen with msgspec 0.22.0")
def test_the_control_with_a_late_decoder_crashes(
    booked: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """Else the fresh processes would prove nothing: on a quiet machine one in five of these dies."""
    if not full:
        pytest.skip(LONG_FORM)
    code = variant(tmp_path / "code", *LATE_DECODER)
    tried = 0
    crashed = False
    while not crashed and tried < MOST_TRIES:
        crashed = run(booked, tmp_path / f"run{tried}", HURRIED, code=code)[0] < 0
        tried += 1

    figures("fresh processes with a late decoder", processes=tried, crashed=int(crashed))
    assert crashed


def functions_of_msgspec(text: str) -> list[str]:
    """List the calls that build a type where they stand: functions that take a type, decoders made in a function."""
    tree = ast.parse(text)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        name
        for call in calls
        if (name := ast.unparse(call.func)) in {"msgspec.json.decode", "msgspec.convert"}
        or (name.endswith((".Decoder", "Encoder")) and id(call) in inside)
    ]


def test_decoders_are_made_at_import() -> None:
    """The settings are read before any thread starts; everything else decodes with what is made when it is imported."""
    found = {
        path.relative_to(ROOT).as_posix(): calls
        for path in sorted((ROOT / "syncer").rglob("*.py"))
        if (calls := functions_of_msgspec(path.read_text(encoding="utf-8")))
    }

    assert found == {"syncer/config/schema.py": ["msgspec.convert", "msgspec.convert"]}
    assert functions_of_msgspec("def f():\n msgspec.json.Decoder(int)\nmsgspec.json.decode(b'1', type=int)") == [
        "msgspec.json.decode",
        "msgspec.json.Decoder",
    ]
