"""Zones and changes of the clocks against a second implementation: the C library's, which knows nothing of Python's."""

from __future__ import annotations

import functools
import os
import time
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.date_samples import ROWS
from support.date_samples import ZONES as TABLE
from syncer.dates import clock, day, differs, when

if TYPE_CHECKING:
    from collections.abc import Iterator

WEEKDAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
ALL_ZONES = sorted(zone for zone in zoneinfo.available_timezones() if zone != "localtime")


class Local(NamedTuple):
    """What a clock on the wall shows."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    weekday: int
    offset: int

    def words(self) -> str:
        """Write it as English does."""
        hour, half = self.hour % 12 or 12, "AM" if self.hour < 12 else "PM"
        date = f"{WEEKDAYS[self.weekday]}, {MONTHS[self.month - 1]} {self.day}, {self.year}"
        return f"{date}, {hour}:{self.minute:02d} {half}"


@pytest.fixture(scope="module", autouse=True)
def same_files() -> Iterator[None]:
    """Let the C library read the very zone files that Python reads."""
    before = {name: os.environ.get(name) for name in ("TZ", "TZDIR")}
    folders = [Path(folder) for folder in zoneinfo.TZPATH if (Path(folder) / "Europe" / "Berlin").exists()]
    os.environ["TZDIR"] = str(folders[0] if folders else resources.files("tzdata") / "zoneinfo")
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    time.tzset()


def there(moment: datetime, zone: str) -> Local:
    """Ask the C library."""
    os.environ["TZ"] = f":{zone}"
    time.tzset()
    found = time.localtime(int(moment.timestamp()))
    return Local(
        found.tm_year,
        found.tm_mon,
        found.tm_mday,
        found.tm_hour,
        found.tm_min,
        found.tm_wday,
        found.tm_gmtoff,
    )


def test_the_second_clock_knows_the_zones() -> None:
    """It would take an unknown zone for UTC without a word."""
    noon = datetime(2027, 7, 1, 12, tzinfo=UTC)

    assert there(noon, "Asia/Kathmandu").words() == "Thu, Jul 1, 2027, 5:45 PM"
    assert there(noon, "Europe/Berlin").offset == 7200
    assert there(noon, "No/Such").offset == 0


@pytest.mark.parametrize(("utc", "zone"), sorted({(row[0], row[2]) for row in ROWS}))
def test_the_table_holds_by_the_second_clock(utc: str, zone: str) -> None:
    """Each moment of the table of dates, in each of its zones."""
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)

    assert when(moment, language="en", zone=zone, name_zone=False) == there(moment, zone).words()


@functools.cache
def changes(zone: str) -> list[datetime]:
    """Find the minutes around each change of a zone's clocks in 2026 to 2028, by the second clock."""
    found, hour, day = [], timedelta(hours=1), timedelta(days=1)
    moment, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
    before = there(moment, zone).offset
    while moment < end:
        after = there(moment + day, zone).offset
        if after != before:
            early, late = 0, 24
            while late - early > 1:
                middle = (early + late) // 2
                if there(moment + middle * hour, zone).offset == before:
                    early = middle
                else:
                    late = middle
            found += [moment + early * hour + timedelta(minutes=minutes) for minutes in range(-90, 151, 15)]
        before, moment = after, moment + day
    return found


@pytest.mark.parametrize("zone", TABLE)
def test_around_each_change_of_the_clocks(zone: str) -> None:
    """A quarter of an hour at a time, from an hour and a half before to an hour and a half after."""
    for moment in changes(zone):
        assert when(moment, language="en", zone=zone, name_zone=False) == there(moment, zone).words(), moment


def test_there_are_changes_to_look_at() -> None:
    """The zones of the table have some: the test above is not empty."""
    assert len([zone for zone in TABLE if changes(zone)]) >= 12
    assert len(TABLE) >= 30


@settings(deadline=None, max_examples=400)
@given(
    moment=st.integers(1_767_225_600, 1_924_991_999).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    zone=st.sampled_from(ALL_ZONES),
    other=st.sampled_from(ALL_ZONES),
)
def test_every_zone_of_the_world(moment: datetime, zone: str, other: str) -> None:
    """Date, time, and whether two zones differ, from 2026 to 2030."""
    here, elsewhere = there(moment, zone), there(moment, other)
    date = day(moment, language="en", zone=zone)
    told = clock(moment, language="en", zone=zone, name_zone=False)

    assert f"{date}, {told}" == here.words()
    assert differs(zone, other, moment) is (here.offset != elsewhere.offset)
