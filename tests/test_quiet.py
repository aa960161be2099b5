"""Quiet hours: to their end, else before they begin, else at once for today's meeting, else never."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.quiet import next_allowed, send_at
from syncer.rules import QuietHours

NIGHT = QuietHours(time(21), time(8))
NOON = QuietHours(time(12), time(14))
LATE = QuietHours(time(22), time(2, 30))
EARLY = QuietHours(time(2, 30), time(6))


def utc(text: str) -> datetime:
    """Read "2026-11-25 16:00" as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "quiet", "expected"),
    [
        pytest.param("2026-11-25 20:59", "UTC", NIGHT, "2026-11-25 20:59", id="the last minute before"),
        pytest.param("2026-11-25 21:00", "UTC", NIGHT, "2026-11-26 08:00", id="the first quiet minute"),
        pytest.param("2026-11-26 00:00", "UTC", NIGHT, "2026-11-26 08:00", id="after midnight"),
        pytest.param("2026-11-26 07:59", "UTC", NIGHT, "2026-11-26 08:00", id="the last quiet minute"),
        pytest.param("2026-11-26 08:00", "UTC", NIGHT, "2026-11-26 08:00", id="the end is not quiet"),
        pytest.param("2026-11-25 12:30", "UTC", NOON, "2026-11-25 14:00", id="within one day"),
        pytest.param("2026-11-25 22:00", "UTC", NOON, "2026-11-25 22:00", id="not at night then"),
        pytest.param("2026-11-25 13:00", "Asia/Taipei", NIGHT, "2026-11-26 00:00", id="in the recipient's zone"),
        pytest.param("2026-11-25 16:00", "Asia/Kathmandu", NIGHT, "2026-11-26 02:15", id="a zone of quarter hours"),
        pytest.param("2026-11-25 13:00", "UTC", None, "2026-11-25 13:00", id="none are set"),
        pytest.param("2026-11-25 13:00", "UTC", QuietHours(time(13), time(13)), "2026-11-25 13:00", id="equal ends"),
        # Berlin: 02:00 to 03:00 is skipped on 2027-03-28 and shown twice on 2027-10-31.
        pytest.param("2027-03-28 00:00", "Europe/Berlin", LATE, "2027-03-28 01:30", id="the end is skipped: 03:30"),
        pytest.param("2027-03-28 01:29", "Europe/Berlin", LATE, "2027-03-28 01:30", id="and quiet lasts until then"),
        pytest.param("2027-03-28 01:00", "Europe/Berlin", EARLY, "2027-03-28 01:00", id="a skipped beginning: 03:30"),
        pytest.param("2027-03-28 01:30", "Europe/Berlin", EARLY, "2027-03-28 04:00", id="from then on it is quiet"),
        pytest.param("2027-10-31 00:00", "Europe/Berlin", LATE, "2027-10-31 00:30", id="the first of two ends"),
        pytest.param("2027-10-31 01:15", "Europe/Berlin", LATE, "2027-10-31 01:15", id="the second 02:15 is not quiet"),
        pytest.param("2027-10-31 00:45", "Europe/Berlin", EARLY, "2027-10-31 05:00", id="from the first of two 02:30"),
        pytest.param("2027-03-14 05:00", "America/New_York", LATE, "2027-03-14 07:30", id="New York: 03:30"),
        pytest.param("2027-04-03 14:30", "Australia/Lord_Howe", LATE, "2027-04-03 16:00", id="half an hour put back"),
        pytest.param("2027-03-28 00:30", "Antarctica/Troll", LATE, "2027-03-28 02:30", id="two hours skipped: 04:30"),
        pytest.param("2011-12-30 08:00", "Pacific/Apia", NIGHT, "2011-12-30 18:00", id="a day that never was"),
        pytest.param("2026-11-25 12:00", "Pacific/Kiritimati", NIGHT, "2026-11-25 18:00", id="a day ahead: 02:00"),
        pytest.param("2026-11-25 06:59", "Pacific/Kiritimati", NIGHT, "2026-11-25 06:59", id="20:59 there"),
        pytest.param("2026-11-25 07:00", "Pacific/Kiritimati", NIGHT, "2026-11-25 18:00", id="21:00 there"),
        pytest.param("2026-11-25 12:00", "Pacific/Pago_Pago", NIGHT, "2026-11-25 19:00", id="and one behind: 01:00"),
        pytest.param("2027-11-07 03:00", "America/Sao_Paulo", NIGHT, "2027-11-07 11:00", id="no summer time there"),
    ],
)
def test_next_allowed(now: str, zone: str, quiet: QuietHours | None, expected: str) -> None:
    """Nobody is texted from the beginning of quiet hours up to their end, by the clock of their zone."""
    assert utc(expected) == next_allowed(utc(now), zone, quiet)


# A meeting in Chicago (UTC-6) on Wednesday the 25th; the day before, quiet from 21:00 = 03:00 UTC to 08:00 = 14:00 UTC.
@pytest.mark.parametrize(
    ("due", "expires", "meeting", "now", "expected"),
    [
        pytest.param(
            "2026-11-24 16:00",
            "2026-11-24 18:00",
            "2026-11-25 16:00",
            "2026-11-20 00:00",
            "2026-11-24 16:00",
            id="not in quiet hours: when it is due",
        ),
        pytest.param(
            "2026-11-24 16:00",
            "2026-11-24 18:00",
            "2026-11-25 16:00",
            "2026-11-24 17:00",
            "2026-11-24 16:00",
            id="also when that is past",
        ),
        pytest.param(
            "2026-11-25 12:30",
            "2026-11-25 14:30",
            "2026-11-25 20:00",
            "2026-11-20 00:00",
            "2026-11-25 14:00",
            id="at their end, while it lives",
        ),
        pytest.param(
            "2026-11-25 12:30",
            "2026-11-25 14:00",
            "2026-11-25 20:00",
            "2026-11-20 00:00",
            "2026-11-25 02:59",
            id="at the moment it expires it is too late",
        ),
        pytest.param(
            "2026-11-25 04:00",
            "2026-11-25 06:00",
            "2026-11-26 04:00",
            "2026-11-20 00:00",
            "2026-11-25 02:59",
            id="too late at their end: a minute before they begin",
        ),
        pytest.param(
            "2026-11-25 12:00",
            "2026-11-25 13:00",
            "2026-11-25 13:00",
            "2026-11-20 00:00",
            "2026-11-25 02:59",
            id="a meeting at seven is reminded of the evening before",
        ),
        pytest.param(
            "2026-11-25 13:00",
            "2026-11-25 14:00",
            "2026-11-25 14:00",
            "2026-11-20 00:00",
            "2026-11-25 02:59",
            id="a meeting that begins as they end has begun",
        ),
        pytest.param(
            "2026-11-25 04:00",
            "2026-11-25 06:00",
            "2026-11-26 04:00",
            "2026-11-25 02:59",
            "2026-11-25 02:59",
            id="that minute is now",
        ),
        pytest.param(
            "2026-11-25 12:00",
            "2026-11-25 13:00",
            "2026-11-25 13:00",
            "2026-11-25 08:00",
            "2026-11-25 12:00",
            id="that minute is past, the meeting is today: when it is due",
        ),
        pytest.param(
            "2026-11-25 12:00",
            "2026-11-25 13:00",
            "2026-11-25 13:00",
            "2026-11-25 05:00",
            "2026-11-25 12:00",
            id="planned before midnight for a meeting that is today when it goes out",
        ),
        pytest.param(
            "2026-11-25 12:00",
            "2026-11-25 13:00",
            "2026-11-25 13:00",
            "2026-11-25 12:30",
            "2026-11-25 12:00",
            id="due a while ago, the meeting is today: at once",
        ),
        pytest.param(
            "2026-11-25 12:00",
            "2026-11-25 12:30",
            "2026-11-25 13:00",
            "2026-11-25 12:31",
            None,
            id="it has expired by now",
        ),
        pytest.param(
            "2026-11-25 04:00",
            "2026-11-25 06:00",
            "2026-11-26 04:00",
            "2026-11-25 03:30",
            None,
            id="that minute is past, the meeting is tomorrow: never",
        ),
        pytest.param(
            "2026-11-25 04:30",
            "2026-11-26 04:30",
            "2026-11-25 03:30",
            "2026-11-20 00:00",
            "2026-11-25 14:00",
            id="a follow-up waits for the morning, though the meeting has begun",
        ),
        pytest.param(
            "2026-11-25 04:30",
            "2026-11-25 10:00",
            "2026-11-25 03:30",
            "2026-11-25 04:30",
            "2026-11-25 04:30",
            id="a short-lived follow-up of today's meeting: at once",
        ),
    ],
)
def test_send_at(due: str, expires: str, meeting: str, now: str, expected: str | None) -> None:
    """A message that falls into quiet hours goes out after, before or during them, or never, in that order."""
    moved = send_at(
        utc(due), expires=utc(expires), meeting=utc(meeting), zone="America/Chicago", quiet=NIGHT, now=utc(now)
    )

    assert (None if expected is None else utc(expected)) == moved


# A zone a day ahead: Auckland is 13 hours before UTC in November; 21:00 there is 08:00 UTC, 08:00 there 19:00 UTC.
@pytest.mark.parametrize(
    ("due", "expires", "meeting", "now", "expected"),
    [
        pytest.param("24 10:00", "24 12:00", "25 10:00", "20 00:00", "24 07:59", id="a day before a meeting at 23:00"),
        pytest.param("24 20:00", "24 22:00", "25 20:00", "20 00:00", "24 20:00", id="09:00 on the next day there"),
        pytest.param("24 18:00", "24 19:30", "24 19:30", "20 00:00", "24 19:00", id="the meeting at 08:30, their end"),
        pytest.param("24 17:30", "24 18:30", "24 18:30", "20 00:00", "24 07:59", id="a meeting inside them, planned"),
        pytest.param("24 17:30", "24 18:30", "24 18:30", "24 12:00", "24 17:30", id="inside them, booked at 01:00"),
        pytest.param("24 09:30", "24 10:30", "24 10:30", "24 09:00", "24 09:30", id="inside them, before midnight"),
        pytest.param("24 10:30", "24 11:30", "24 11:30", "24 10:00", None, id="the meeting at 00:30 is tomorrow's"),
        pytest.param("24 08:30", "24 10:30", "25 08:30", "24 08:10", None, id="tomorrow's, and too late for either"),
    ],
)
def test_send_at_a_day_ahead(due: str, expires: str, meeting: str, now: str, expected: str | None) -> None:
    """The recipient's days and nights, not those of the machine."""
    at = {name: utc(f"2026-11-{text}") for name, text in locals().items() if isinstance(text, str)}
    moved = send_at(
        at["due"],
        expires=at["expires"],
        meeting=at["meeting"],
        zone="Pacific/Auckland",
        quiet=NIGHT,
        now=at["now"],
    )

    assert moved == at.get("expected")


def test_without_quiet_hours_nothing_moves() -> None:
    """No quiet hours: when it is due, whatever else holds."""
    due = utc("2026-11-25 04:00")

    assert due == send_at(due, expires=due, meeting=due, zone="UTC", quiet=None, now=utc("2030-01-01 00:00"))


MOMENTS = st.integers(1_767_225_600, 1_830_297_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""The years 2026 and 2027."""
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
ZONES = st.sampled_from(
    ["UTC", "America/Chicago", "Asia/Taipei", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]
)


@given(
    due=MOMENTS,
    life=st.timedeltas(timedelta(), timedelta(hours=24)),
    ahead=st.timedeltas(timedelta(hours=-3), timedelta(hours=48)),
    early=st.timedeltas(timedelta(hours=-3), timedelta(hours=48)),
    zone=ZONES,
    quiet=st.builds(QuietHours, CLOCKS, CLOCKS),
)
def test_what_always_holds(
    due: datetime, life: timedelta, ahead: timedelta, early: timedelta, zone: str, quiet: QuietHours
) -> None:
    """A message moves only out of quiet hours, never past its life, and stays only for a meeting of that day."""
    now, meeting, expires = due - early, due + ahead, due + life
    moved = send_at(due, expires=expires, meeting=meeting, zone=zone, quiet=quiet, now=now)
    is_quiet = next_allowed(due, zone, quiet) != due

    if not is_quiet:
        assert due == moved
    elif moved is not None:
        tz = ZoneInfo(zone)
        days = {moment.astimezone(tz).date() for moment in (now, max(now, due))}
        assert moved <= expires
        assert moved == due or next_allowed(moved, zone, quiet) == moved
        assert moved != due or meeting.astimezone(tz).date() in days
        assert moved >= due or moved >= now


@given(now=MOMENTS, zone=ZONES, quiet=st.builds(QuietHours, CLOCKS, CLOCKS))
def test_the_end_of_quiet_hours_is_not_quiet(now: datetime, zone: str, quiet: QuietHours) -> None:
    """Waiting once is enough, and never takes longer than a day and the change of the clocks."""
    allowed = next_allowed(now, zone, quiet)

    assert allowed == next_allowed(allowed, zone, quiet)
    assert timedelta() <= allowed - now <= timedelta(hours=25)


def test_naive_times_are_refused() -> None:
    """A naive datetime is refused: whose time it is would be a guess."""
    with pytest.raises(ValueError, match="naive"):
        next_allowed(datetime.fromisoformat("2026-11-25T16:00"), "UTC", NIGHT)
