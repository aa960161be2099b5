"""Zones: their data, their names, the ones this machine does not know, and when a text names them."""

from __future__ import annotations

import shutil
import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import tzdata  # type: ignore[import-untyped,unused-ignore]
from babel.core import get_global

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes, states, wait_for
from syncer import dates, quiet, zone_names, zones
from syncer.model import Audience, State
from syncer.recipients import Recipient
from syncer.rules import HostSettings, Policy, QuietHours, Rule, Trigger
from syncer.wording import render
from syncer.zone_data import PACKAGE, SYSTEM, ZoneData, newest, use_newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support.cli_workspace import Workspace
    from syncer.store import Store

PACKAGED = Path(tzdata.__file__).parent / "zoneinfo"
MEXICO = "America/Mexico_City"
SUMMER = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
"""Mexico has had no summer time since October 2022."""


def old_mexico() -> bytes:
    """Zone data of Mexico City as of 2021, with summer time for ever: as a version 2 file of one rule."""
    blank = b"TZif2" + bytes(15)
    header = blank + b"".join(count.to_bytes(4) for count in (0, 0, 0, 0, 1, 4))
    block = (-21600).to_bytes(4, signed=True) + bytes(2) + b"CST\0"
    return header + block + header + block + b"\nCST6CDT,M4.1.0,M10.5.0\n"


@pytest.fixture
def zone_path() -> Iterator[Callable[[Sequence[Path]], None]]:
    """Let Python look for zone data in these folders; afterwards all is as it was."""
    before = zoneinfo.TZPATH

    def forget() -> None:
        ZoneInfo.clear_cache()
        zones.known.cache_clear()
        zone_names.find.cache_clear()
        dates.when.cache_clear()

    def look_in(folders: Sequence[Path]) -> None:
        zoneinfo.reset_tzpath(to=[str(folder) for folder in folders])
        forget()

    yield look_in
    zoneinfo.reset_tzpath(to=before)
    forget()


def a_system(folder: Path, *, version: str = "# version 2021a\n", name: str = "tzdata.zi") -> Path:
    """Make the zone data of an old system."""
    folder.mkdir()
    for zone in ("UTC", "America/Chicago"):
        (folder / zone).parent.mkdir(exist_ok=True)
        shutil.copy(PACKAGED / zone, folder / zone)
    (folder / MEXICO).write_bytes(old_mexico())
    if version:
        (folder / name).write_text(version, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("version", "name", "package", "expected"),
    [
        ("# version 2021a\n", "tzdata.zi", "2026a", ZoneData("2026a", PACKAGE)),
        ("# version 2026b\n# more", "tzdata.zi", "2026a", ZoneData("2026b", SYSTEM)),
        ("# version 2026a\n", "tzdata.zi", "2026a", ZoneData("2026a", SYSTEM)),
        ("# version 2025zz\n", "tzdata.zi", "2026a", ZoneData("2026a", PACKAGE)),
        ("2021e\n", "+VERSION", "2020f", ZoneData("2021e", SYSTEM)),
        ("2021a-rearguard\n", "+VERSION", "2021b", ZoneData("2021b", PACKAGE)),
        ("# version unknown\n", "tzdata.zi", "2026a", ZoneData("2026a", PACKAGE)),
        ("", "", "2026a", ZoneData("2026a", PACKAGE)),
        ("# version 2021a\n", "tzdata.zi", "", ZoneData("2021a", SYSTEM)),
        ("", "", "", ZoneData("", SYSTEM)),
    ],
)
def test_the_newer_data_win(tmp_path: Path, version: str, name: str, package: str, expected: ZoneData) -> None:
    """By their version; data without one may be of any age."""
    folder = a_system(tmp_path / "zoneinfo", version=version, name=name)

    assert newest([str(tmp_path / "none"), str(folder)], package) == expected


def test_without_a_system_the_package_is_all_there_is(tmp_path: Path) -> None:
    """And without both there is nothing."""
    none = [str(tmp_path / "none")]

    assert (newest(none, "2026a"), newest(none, "")) == (ZoneData("2026a", PACKAGE), ZoneData("", ""))


def test_an_old_system_does_not_make_texts_an_hour_wrong(
    tmp_path: Path, zone_path: Callable[[Sequence[Path]], None]
) -> None:
    """Although its data were read before: a setting had named the zone."""
    zone_path([a_system(tmp_path / "zoneinfo")])
    wrong = SUMMER.astimezone(zones.zone(MEXICO)).hour
    found = use_newest()
    right = SUMMER.astimezone(zones.zone(MEXICO)).hour

    assert (wrong, right) == (7, 6)
    assert found == use_newest() == ZoneData(tzdata.IANA_VERSION, PACKAGE)
    assert dates.clock(SUMMER, language="en", zone=MEXICO, name_zone=False) == "6:00 AM"


def test_a_newer_system_is_left_alone(tmp_path: Path, zone_path: Callable[[Sequence[Path]], None]) -> None:
    """Its data are used, whatever they say."""
    folder = a_system(tmp_path / "zoneinfo", version="# version 2099a\n")
    zone_path([folder])

    assert use_newest() == ZoneData("2099a", SYSTEM)
    assert (str(folder),) == zoneinfo.TZPATH
    assert SUMMER.astimezone(zones.zone(MEXICO)).hour == 7


def test_check_names_the_data_in_use(workspace: Workspace, tmp_path: Path) -> None:
    """Version and source, on a system that is older than the package, and on one that is newer."""
    old, new = a_system(tmp_path / "old"), a_system(tmp_path / "new", version="# version 2099a\n")
    on_old = workspace.run("check", environ={"PYTHONTZPATH": str(old)})[1]
    on_new = workspace.run("check", environ={"PYTHONTZPATH": str(new)})[1]

    assert f"time zones {tzdata.IANA_VERSION} of the Python package tzdata" in on_old
    assert "time zones 2099a of the system" in on_new


NAMES = [
    ("Eastern Standard Time", "America/New_York"),
    ("eastern standard time", "America/New_York"),
    ("Eastern_Standard_Time", "America/New_York"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("Taipei Standard Time", "Asia/Taipei"),
    ("AUS Eastern Standard Time", "Australia/Sydney"),
    ("Central Standard Time (Mexico)", "America/Mexico_City"),
    ("Eastern Time (US & Canada)", "America/New_York"),
    ("Eastern_Time_(US_&_Canada)", "America/New_York"),
    ("Pacific Time (US & Canada)", "America/Los_Angeles"),
    ("Berlin", "Europe/Berlin"),
    ("Mexico City", "America/Mexico_City"),
    ("Buenos Aires", "America/Argentina/Buenos_Aires"),
    ("Kyiv", "Europe/Kyiv"),
    ("New Delhi", "Asia/Kolkata"),
    ("Nuku'alofa", "Pacific/Tongatapu"),
    ("Samoa", "Pacific/Apia"),
    ("europe/berlin", "Europe/Berlin"),
    (" America/New York ", "America/New_York"),
    ("UTC", "UTC"),
    ("", ""),
    ("Mars/Olympus", ""),
    ("America", ""),
    ("Standard Time", ""),
    ("(UTC-05:00) Eastern Time", ""),
    ("../../etc/passwd", ""),
    ("A\0B", ""),
    ("x" * 5000, ""),
]


@pytest.mark.parametrize(("name", "zone"), NAMES, ids=[row[0][:30] for row in NAMES])
def test_names_of_zones(name: str, zone: str) -> None:
    """IANA's, Windows' and Rails', in any letter case, with blanks or underscores."""
    assert zone_names.find(name) == zone


def test_every_name_of_windows_and_rails_leads_somewhere() -> None:
    """All of CLDR's table, and all that Rails has beside the cities."""
    windows = get_global("windows_zone_mapping")
    lost = [name for name in (*windows, *zone_names._RAILS) if not zone_names.find(name)]

    assert lost == []
    assert len(windows) > 130


POLICY = Policy(timezone="America/Chicago", timezone_is_set=True)
RULE = Rule(name="r", on=Trigger.BOOKED, templates={"": "1"}, params={"time": "{start_time}"})


def said(zone: str, *, start: datetime = SUMMER, policy: Policy = POLICY, to: Audience = Audience.INVITEE) -> str:
    """Write the time of a booking whose guest has this zone, as planning and wording do together."""
    event = an_event(start=start)
    booking = a_booking(event, replace(an_invitee(event), timezone=zone))
    reader = Recipient(number="", country="", language="en", timezone=zone_names.find(zone) or policy.timezone)
    params = render(replace(RULE, to=to), booking, reader, policy)
    assert isinstance(params, dict)
    return params["time"]


@pytest.mark.parametrize(
    ("zone", "time_of_day"),
    [
        ("America/Chicago", "7:00 AM"),
        ("Central Standard Time", "7:00 AM"),
        ("Central Time (US & Canada)", "7:00 AM"),
        ("Eastern Standard Time", "8:00 AM EDT"),  # not the host's time
        ("", "7:00 AM CDT"),
        ("Mars/Olympus", "7:00 AM CDT"),
    ],
)
def test_where_the_zone_is_a_guess_the_text_names_it(zone: str, time_of_day: str) -> None:
    """Also where the guess agrees with the host's zone; a host's own zone is no guess."""
    assert said(zone) == time_of_day
    assert said("", to=Audience.HOST) == "7:00 AM"


@pytest.mark.parametrize(
    ("start", "zone", "time_of_day"),
    [
        ("2027-11-07T06:30", "America/Chicago", "1:30 AM CDT"),
        ("2027-11-07T07:30", "America/Chicago", "1:30 AM CST"),
        ("2027-11-07T08:00", "America/Chicago", "2:00 AM"),
        ("2027-11-07T05:59", "America/Chicago", "12:59 AM"),
        ("2027-03-14T08:00", "America/Chicago", "3:00 AM"),
        ("2027-10-31T00:30", "Europe/Berlin", "2:30 AM GMT+2"),
        ("2027-10-31T01:30", "Europe/Berlin", "2:30 AM GMT+1"),
        ("2027-04-03T14:45", "Australia/Lord_Howe", "1:45 AM GMT+11"),
        ("2027-04-03T15:15", "Australia/Lord_Howe", "1:45 AM GMT+10:30"),
    ],
)
def test_in_the_repeated_hour_the_zone_is_named(start: str, zone: str, time_of_day: str) -> None:
    """Host and guest share the zone, and yet the time alone would be two moments."""
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)

    assert said(zone, start=moment, policy=Policy(timezone=zone, timezone_is_set=True)) == time_of_day


# Zones that this machine does not know: stored by one with newer data, or by hand.

NOWHERE = "America/Nuevo_Lugar"
NIGHT = QuietHours(time(21), time(8))


def test_a_zone_that_is_not_known_falls_back() -> None:
    """To the one given, else to UTC."""
    assert (zones.zone(NOWHERE).key, zones.zone(NOWHERE, "Asia/Taipei").key) == ("UTC", "Asia/Taipei")
    assert zones.zone("Asia/Taipei", NOWHERE).key == "Asia/Taipei"
    assert zones.zone(NOWHERE, NOWHERE).key == "UTC"


def test_quiet_hours_of_a_zone_that_is_not_known() -> None:
    """They are those of the default zone: a guess, but no reason to stop."""
    message = a_message(timezone=NOWHERE, expires_at=NOW + timedelta(days=1), meeting_at=NOW + timedelta(days=2))
    there = quiet.leaves_at(message, NOW, replace(POLICY, timezone="Asia/Tokyo", quiet_hours=NIGHT))

    assert there == datetime(2026, 11, 23, 23, 0, tzinfo=UTC)  # it is 21:00 in Tokyo


@pytest.mark.parametrize("over", [{}, {"hosts": {"mara@northpier.example": HostSettings(timezone=NOWHERE)}}])
def test_a_run_goes_on(settings: Callable[..., Any], store: Store, over: dict[str, Any]) -> None:
    """With a message, a guest, a host and a default of such a zone; all texts leave."""
    made = settings()
    policy = replace(made.policy, timezone=NOWHERE, quiet_hours=NIGHT, **over)
    stage = WorkerOnFakes(replace(made, policy=policy), store)
    reminder = {"rule": "reminder-1h", "template": "1003", "start": NOW + timedelta(minutes=50)}
    words = {"name": "Ines", "time": "10:00", "advance": "1 hour"}
    messages = wait_for(stage, {"timezone": NOWHERE}, reminder | {"timezone": NOWHERE, "params": words})
    event = an_event("new", start=NOW + timedelta(days=3))
    stage.calendly.put(event, an_invitee(event, "i9", timezone=NOWHERE, created_at=NOW))
    stage.run()

    assert states(stage, messages) == [State.SENT, State.SENT]
    assert {row.state for row in stage.store.messages_of([f"{event.uri}/invitees/i9"])[f"{event.uri}/invitees/i9"]} <= {
        State.SCHEDULED,
        State.SENT,
    }
    assert not stage.told("run.failed")
