"""What all tests share: a fixed present, makers of values, a store on a real file, a settings maker."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from databases import a_store
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from rewording import details_as_worded, details_reworded
from shop import a_shop

from syncer import config
from syncer.model import Audience, Booking, Event, Host, Invitee, Message, State, utc_text
from syncer.reasons import Reason
from syncer.zone_data import use_newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shop import Shop

    from syncer.store import Store

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
API = "https://api.calendly.com"
NUMBER = "+13125550142"
TUTORIAL = {
    "CALENDLY_TOKEN": "token",
    "ENGAGELAB_DEV_KEY": "key",
    "ENGAGELAB_DEV_SECRET": "secret",
    "TEMPLATE_ID_CONFIRM": "1001",
    "TEMPLATE_ID_CANCEL": "1002",
    "TEMPLATE_ID_REMINDER": "1003",
    "TEMPLATE_ID_FOLLOWUP": "1004",
    "TEMPLATE_ID_HOST_NOTIFY": "1005",
    "HOST_PHONE": "+13125550177",
}
"""The `.env` of the usual webhook tutorial, plus CALENDLY_TOKEN."""
TITLE = "figures of the test programme"

# Else tests would depend on whether one before them has read the settings.
use_newest()
# Under nohup, or behind a shell's `&`, they are ignored here and in every program that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# No limits of time: a slow disk or a busy machine is no counterexample.
hypothesis_settings.register_profile("syncer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("syncer")


def an_event(name: str = "e1", **over: Any) -> Event:
    """Make an event that starts in two days."""
    start = over.pop("start", NOW + timedelta(days=2))
    fields: dict[str, Any] = {
        "uri": f"{API}/scheduled_events/{name}",
        "name": "Phone consultation",
        "status": "active",
        "start": start,
        "end": start + timedelta(minutes=30),
        "event_type": f"{API}/event_types/t1",
        "hosts": (Host(f"{API}/users/u1", "mara@northpier.example", "Mara Lindqvist"),),
        "total": 1,
        "active": 1,
    }
    return Event(**(fields | over))


def an_invitee(event: Event, name: str = "i1", **over: Any) -> Invitee:
    """Make an active invitee of an event, booked an hour ago, with a number."""
    fields: dict[str, Any] = {
        "uri": f"{event.uri}/invitees/{name}",
        "event": event.uri,
        "name": "Ines Okafor",
        "email": "ines.okafor@example.com",
        "timezone": "America/Chicago",
        "text_reminder_number": NUMBER,
        "created_at": NOW - timedelta(hours=1),
    }
    return Invitee(**(fields | over))


def a_booking(event: Event | None = None, invitee: Invitee | None = None, **over: Any) -> Booking:
    """Make a booking, read just now."""
    event = event or an_event()
    fields: dict[str, Any] = {"seen_at": NOW, "read_at": NOW}
    return Booking(event=event, invitee=invitee or an_invitee(event), **(fields | over))


def a_message(booking: Booking | None = None, **over: Any) -> Message:
    """Make a message that is due now."""
    booking = booking or a_booking()
    rule = over.get("rule", "confirmation")
    fields: dict[str, Any] = {
        "key": f"{booking.uri}/{rule}/{utc_text(booking.event.start)}",
        "rule": rule,
        "booking": booking.uri,
        "audience": Audience.INVITEE,
        "to": NUMBER,
        "language": "en",
        "template": "1001",
        "params": {"name": "Ines Okafor", "time": "Wed, Nov 25, 2026, 6:00 AM"},
        "state": State.SCHEDULED,
        "reason": Reason.NONE,
        "scheduled_at": NOW,
        "next_at": NOW,
        "expires_at": NOW + timedelta(hours=6),
        "meeting_at": booking.event.start,
        "changed_at": NOW,
    }
    return Message(**(fields | over))


def forget(*, constants: bool) -> None:
    """Empty the caches of functions; of those without a bound, which hold constants, only if wanted."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "syncer"]
    for function in [value for module in modules for value in vars(module).values()]:
        clear = getattr(function, "cache_clear", None)
        if callable(clear) and (constants or function.cache_parameters()["maxsize"] is not None):
            clear()


@pytest.fixture(scope="session", autouse=True)
def empty_caches() -> None:
    """Forget what functions remember: a mutant shares a process with the sound program, whose answers it would give."""
    forget(constants=True)


@pytest.fixture(autouse=True)
def no_answers_of_other_tests() -> None:
    """While mutmut notes which tests reach a function, forget the answers of each: a remembered one reaches none."""
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        forget(constants=False)


@pytest.fixture(scope="session", autouse=True)
def reworded_details() -> Iterator[None]:
    """Whatever the program decides, it decides it by codes: the words of details are others in the whole suite."""
    with details_reworded():
        yield


@pytest.fixture
def as_worded(reworded_details: None) -> Iterator[None]:  # noqa: ARG001  its work is undone here
    """The details of messages in the database as the program words them."""
    with details_as_worded():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on a real file, born a week ago."""
    with a_store(tmp_path / "syncer.db", now=NOW - timedelta(days=7)) as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., config.Settings]:
    """A maker of settings: the tutorial's variables, some TOML, and fields to replace."""

    def make(toml: str = "", environ: dict[str, str] | None = None, **over: Any) -> config.Settings:
        (tmp_path / "syncer.toml").write_text(toml, encoding="utf-8")
        made = config.load(environ=TUTORIAL | (environ or {}), folder=tmp_path)
        return replace(made, **over)

    return make


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A folder with a served sandbox, and the command line in it."""
    with a_shop(tmp_path) as served:
        yield served


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the long forms are wanted: `SYNCER_FULL=1`. CI runs the short ones."""
    return os.environ.get("SYNCER_FULL") == "1"


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """A way to say what was counted: `figures("random kills", kills=100, duplicates=0)`."""

    def say(title: str, **counts: object) -> None:
        record_property(TITLE, f"{title}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))

    return say


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all tests, wherever they ran."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    lines = [str(value) for report in reports for name, value in report.user_properties if name == TITLE]
    if lines:
        terminalreporter.section(TITLE)
        for line in sorted(lines):
            terminalreporter.write_line(line)
