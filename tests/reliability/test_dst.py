"""Days on which clocks are put forward or back: what people are told, and when, against a second implementation.

The other one is GNU `date`, which reads the same rules by other code. Moments are UTC; a local time that does not exist
or exists twice is in the first table, by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zoneinfo
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from support.builders import a_booking, an_event, an_invitee
from syncer import dates, quiet
from syncer.plan import Context, plan
from syncer.rules import QuietHours

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ZONES = (
    "Europe/Berlin", "Europe/Dublin", "Europe/Lisbon", "America/New_York", "America/Chicago", "America/Santiago",
    "America/Sao_Paulo", "Africa/Casablanca", "Africa/Cairo", "Asia/Jerusalem", "Asia/Kathmandu", "Asia/Taipei",
    "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland", "Antarctica/Troll",
)  # fmt: skip
YEAR = 2027


def utc(text: str) -> datetime:
    """Read a moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ENDS = [
    ("Europe/Berlin", "2027-03-28 00:00", "02:30", "2027-03-28 01:30"),
    ("Europe/Berlin", "2027-10-31 00:00", "02:30", "2027-10-31 00:30"),
    ("America/New_York", "2027-03-14 05:00", "02:30", "2027-03-14 07:30"),
    ("America/New_York", "2027-11-07 04:00", "01:30", "2027-11-07 05:30"),
    ("Australia/Lord_Howe", "2027-04-03 13:00", "01:45", "2027-04-03 14:45"),
    ("Africa/Casablanca", "2026-02-15 00:00", "02:30", "2026-02-15 01:30"),  # past: all data agree on it
    ("Antarctica/Troll", "2027-03-28 00:00", "02:30", "2027-03-28 02:30"),
    ("Europe/Dublin", "2027-03-28 00:00", "01:30", "2027-03-28 01:30"),
    ("Asia/Kathmandu", "2027-05-31 20:00", "10:00", "2027-06-01 04:15"),
    ("America/Sao_Paulo", "2027-11-07 03:00", "01:30", "2027-11-07 04:30"),
]
"""A zone, a moment in quiet hours, their local end, and the moment of that: skipped ends come as much later."""


@pytest.mark.parametrize(("zone", "now", "end", "expected"), ENDS)
def test_when_quiet_hours_end(zone: str, now: str, end: str, expected: str) -> None:
    """A skipped time counts as that much later, of two the first; a daily rule ends once."""
    hours = QuietHours(time(21), time.fromisoformat(end))
    at = quiet.next_allowed(utc(now), zone, hours)

    assert at == utc(expected)
    assert quiet.next_allowed(at, zone, hours) == at
    assert all(quiet.next_allowed(at + n * 15 * MINUTE, zone, hours) == at + n * 15 * MINUTE for n in range(12))


@pytest.mark.parametrize(
    ("zone", "start", "expected", "local"),
    [
        ("Europe/Berlin", "2027-03-28 07:00", "2027-03-27 07:00", "8:00"),
        ("Europe/Berlin", "2027-10-31 08:00", "2027-10-30 08:00", "10:00"),
        ("America/New_York", "2027-03-14 13:00", "2027-03-13 13:00", "8:00"),
        ("America/New_York", "2027-11-07 14:00", "2027-11-06 14:00", "10:00"),
        ("Asia/Jerusalem", "2027-03-26 06:00", "2027-03-25 06:00", "8:00"),
        ("Australia/Lord_Howe", "2027-04-03 23:00", "2027-04-02 23:00", "10:00"),
    ],
)
def test_a_day_before_is_24_hours(
    settings: Callable[..., Settings], zone: str, start: str, expected: str, local: str
) -> None:
    """Offsets are absolute: over a change the clock on the wall shows another hour, and the text says which."""
    event = an_event(start=utc(start))
    booking = a_booking(event, an_invitee(event, timezone=zone, created_at=utc("2027-01-01 00:00")))
    context = Context(now=utc("2027-01-02 00:00"), born_at=utc("2026-01-01 00:00"))

    [reminder] = [one for one in plan(booking, settings().policy, context) if one.rule == "reminder-24h"]

    assert reminder.scheduled_at == utc(expected)
    assert dates.clock(reminder.scheduled_at, language="de", zone=zone, name_zone=False).lstrip("0") == local


@cache
def changes(zone: str) -> list[datetime]:
    """Find the moments of a year at which a zone's distance from UTC changes, to the minute."""
    found, at, there = [], datetime(YEAR, 1, 1, tzinfo=UTC), ZoneInfo(zone)
    while at.year == YEAR:
        later = at + 15 * MINUTE
        if at.astimezone(there).utcoffset() != later.astimezone(there).utcoffset():
            found.append(later)
        at = later
    return found


MOMENTS: list[Any] = [
    pytest.param(zone, change + shift, id=f"{zone} {change + shift:%m-%d %H:%M}")
    for zone in ZONES
    for change in changes(zone) or [datetime(YEAR, 3, 28, 1, tzinfo=UTC)]
    for shift in (-HOUR, -MINUTE, timedelta(), MINUTE, HOUR)
]


def test_some_zones_change_their_clocks_and_some_do_not() -> None:
    """Else the table would show nothing."""
    assert {len(changes(zone)) for zone in ZONES} >= {0, 2}


def rules_of(zone: str) -> str:
    """Name a zone for GNU date, by the data that syncer reads: the system's may be of another year."""
    if zoneinfo.TZPATH:
        return zone
    return f":{files('tzdata').joinpath('zoneinfo', zone)}"


@cache
def gnu() -> str:
    """Find GNU date; empty = this machine has another one."""
    path = shutil.which("date") or ""
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout if path else ""
    return path if "GNU" in said else ""


@pytest.mark.parametrize(("zone", "moment"), MOMENTS)
def test_what_people_are_told_is_what_their_clock_shows(zone: str, moment: datetime) -> None:
    """The date and the time, around each change of a year."""
    if not gnu():
        pytest.skip("this machine has no GNU date")
    said = subprocess.run(
        [gnu(), "-d", f"@{int(moment.timestamp())}", "+%Y-%m-%d %H:%M"],
        env={**os.environ, "TZ": rules_of(zone)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    shown = dates.when(moment, language="sv", zone=zone, name_zone=False)
    year, day, clock = said[:4], said[8:10].lstrip("0"), said[11:]
    assert year in shown
    assert f" {day} " in shown
    assert shown.endswith(clock)
