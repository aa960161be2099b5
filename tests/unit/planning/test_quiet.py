"""Quiet hours: to their end, else the hour before they begin, else when due for a meeting of that day, else never."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import a_message
from syncer.quiet import Window, leaves_at, next_allowed, window
from syncer.rules import Policy, QuietHours

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NIGHT = QuietHours(time(21), time(8))
AT_NIGHT = Policy(quiet_hours=NIGHT)
NOON = QuietHours(time(12), time(14))
LATE = QuietHours(time(22), time(2, 30))
EARLY = QuietHours(time(2, 30), time(6))


def utc(text: str) -> datetime:
    """Read "2026-11-25 16:00" as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> datetime:
    """Read a day of November 2026 and a time, "25 16:00", as UTC."""
    return utc(f"2026-11-{text}")


def window_of(due: str, expires: str, meeting: str, since: str, zone: str) -> Window | None:
    """Decide with quiet hours from nine to eight."""
    return window(
        day(due),
        expires=day(expires),
        meeting=day(meeting),
        since=None if since == "-" else day(since),
        zone=zone,
        policy=AT_NIGHT,
    )


def shown(found: Window | None) -> str:
    """Write a window as "25 02:00 25 03:15", and none as "-"."""
    return "-" if found is None else f"{found.at:%d %H:%M} {found.expires:%d %H:%M}"


def is_quiet_at(moment: datetime, zone: str, quiet: QuietHours) -> bool:
    """Whether a moment is in quiet hours."""
    return next_allowed(moment, zone, quiet) != moment


@pytest.mark.parametrize(
    ("now", "zone", "quiet", "expected"),
    [
        pytest.param("2026-11-25 20:59", "UTC", NIGHT, "2026-11-25 20:59", id="the last minute before"),
        pytest.param("2026-11-25 21:00", "UTC", NIGHT, "2026-11-26 08:00", id="the first quiet minute"),
        pytest.param("2026-11-26 00:00", "UTC", NIGHT, "2026-11-26 08:00", id="after midnight"),
        pytest.param("2026-11-26 07:59", "UTC", NIGHT, "2026-11-26 08:00", id="the last quiet minute"),
        pytest.param("2026-11-26 08:00", "UTC", NIGHT, "2026-11-26 08:00", id="the end is not quiet"),
        pytest.param(
            "2026-11-25 12:00",
            "Pacific/Auckland",
            QuietHours(time(0), time(8)),
            "2026-11-25 19:00",
            id="after midnight there, and the day before here",
        ),
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
# All as day and time in UTC: due, expires, meeting, since when the booking has its time (- = no reminder), and what is
# expected: from when to when it may leave (- = never).
WINDOWS = [
    ("24 16:00", "24 18:00", "25 16:00", "01 00:00", "24 16:00 24 18:00", "not in quiet hours: when it is due"),
    ("25 12:30", "25 14:30", "25 20:00", "01 00:00", "25 14:00 25 14:30", "at their end, while it lives"),
    ("25 12:30", "25 14:00", "25 20:00", "01 00:00", "25 02:00 25 14:00", "at the moment it expires it is too late"),
    ("25 04:00", "25 06:00", "26 04:00", "01 00:00", "25 02:00 25 03:15", "too late at their end: the hour before"),
    ("25 12:00", "25 13:00", "25 13:00", "01 00:00", "25 02:00 25 13:00", "a meeting at seven: the evening before"),
    ("25 13:00", "25 14:00", "25 14:00", "01 00:00", "25 02:00 25 14:00", "one that begins as they end has begun"),
    ("25 12:00", "25 13:00", "25 13:00", "25 02:00", "25 02:00 25 13:00", "booked as that hour begins"),
    ("25 12:00", "25 13:00", "25 13:00", "25 02:30", "25 02:30 25 13:00", "booked in that hour: at once"),
    ("25 04:00", "25 06:00", "26 04:00", "25 02:59", "25 02:59 25 03:15", "in its last minute"),
    (
        "25 12:00",
        "25 13:00",
        "25 13:00",
        "25 03:00",
        "25 12:00 25 13:00",
        "booked as they begin, for that day: when due",
    ),
    ("25 12:00", "25 13:00", "25 13:00", "25 10:00", "25 12:00 25 13:00", "booked in the night"),
    ("25 04:00", "25 06:00", "26 04:00", "25 03:00", "-", "booked as they begin, for another day: never"),
    ("25 04:30", "26 04:30", "25 03:30", "-", "25 14:00 26 03:15", "a follow-up waits, and dies as the next begin"),
    ("25 04:30", "25 10:00", "25 03:30", "-", "-", "a short-lived follow-up never leaves before its meeting"),
    ("25 04:30", "25 10:00", "25 04:30", "-", "-", "nor as it begins"),
    ("25 04:00", "25 05:30", "25 05:30", "-", "25 04:00 25 05:30", "news of a meeting this evening: when it is due"),
    ("25 12:00", "26 12:00", "25 13:30", "-", "25 12:00 26 12:00", "news that would come when the meeting has begun"),
    ("25 12:00", "26 12:00", "25 14:00", "-", "25 12:00 26 12:00", "or as it begins"),
    ("25 12:00", "26 12:00", "25 12:00", "-", "25 14:00 26 03:15", "what is due as the meeting begins can wait"),
    ("25 02:30", "25 04:30", "26 02:30", "01 00:00", "25 02:30 25 03:15", "due just before: a late run may send it"),
    ("25 02:30", "25 03:10", "26 02:30", "01 00:00", "25 02:30 25 03:10", "no longer than it lives"),
    ("25 02:30", "25 03:00", "26 02:30", "01 00:00", "25 02:30 25 03:00", "it dies as they begin"),
    ("25 02:30", "25 14:00", "26 02:30", "01 00:00", "25 02:30 25 03:15", "or as they end"),
    ("25 14:00", "25 14:00", "26 02:30", "01 00:00", "25 14:00 25 14:00", "it is dead when it is due, as they end"),
    ("25 02:30", "25 14:01", "26 02:30", "01 00:00", "25 02:30 25 14:01", "it outlives them"),
    ("25 02:30", "25 03:30", "25 03:30", "01 00:00", "25 02:30 25 03:30", "a meeting at half past nine, this evening"),
    ("25 02:30", "26 02:30", "25 02:00", "-", "25 02:30 26 02:30", "a follow-up just before them, which waits if late"),
]


@pytest.mark.parametrize(
    ("due", "expires", "meeting", "since", "expected"),
    [pytest.param(*row[:5], id=row[5]) for row in WINDOWS],
)
def test_window(due: str, expires: str, meeting: str, since: str, expected: str) -> None:
    """A message that falls into quiet hours goes out after, before or during them, or never, in that order."""
    assert shown(window_of(due, expires, meeting, since, "America/Chicago")) == expected


# A zone a day ahead: Auckland is 13 hours before UTC in November; 21:00 there is 08:00 UTC, 08:00 there 19:00 UTC.
@pytest.mark.parametrize(
    ("due", "expires", "meeting", "since", "expected"),
    [
        pytest.param(*row[:5], id=row[5])
        for row in [
            ("24 10:00", "24 12:00", "25 10:00", "01 00:00", "24 07:00 24 08:15", "a day before a meeting at 23:00"),
            ("24 20:00", "24 22:00", "25 20:00", "01 00:00", "24 20:00 24 22:00", "09:00 on the next day there"),
            ("24 18:00", "24 19:30", "24 19:30", "01 00:00", "24 19:00 24 19:30", "the meeting at 08:30, their end"),
            ("24 17:30", "24 18:30", "24 18:30", "01 00:00", "24 07:00 24 18:30", "a meeting inside them"),
            ("24 17:30", "24 18:30", "24 18:30", "24 12:00", "24 17:30 24 18:30", "inside them, booked at 01:00"),
            ("24 09:30", "24 10:30", "24 10:30", "24 09:00", "24 09:30 24 10:30", "inside them, before midnight"),
            ("24 10:30", "24 11:30", "24 11:30", "24 10:00", "-", "the meeting at 00:30 is tomorrow's"),
            ("24 08:30", "24 10:30", "25 08:30", "24 08:10", "-", "tomorrow's, and too late for either"),
        ]
    ],
)
def test_window_a_day_ahead(due: str, expires: str, meeting: str, since: str, expected: str) -> None:
    """The recipient's days and nights, not those of the machine."""
    assert shown(window_of(due, expires, meeting, since, "Pacific/Auckland")) == expected


# Berlin puts its clocks forward on 2027-03-28 and back on 2027-10-31; Apia skipped the 30th of December 2011.
@pytest.mark.parametrize(
    ("zone", "due", "expires", "meeting", "expected"),
    [
        pytest.param(*row[:5], id=row[5])
        for row in [
            ("Europe/Berlin", "2027-03-28 04:00", "2027-03-28 05:00", "2027-03-28 05:00",
             "2027-03-27 19:00 2027-03-28 05:00", "07:00 on the short night: 20:00 the evening before"),
            ("Europe/Berlin", "2027-03-28 04:30", "2027-03-28 06:30", "2027-03-29 04:30",
             "2027-03-28 06:00 2027-03-28 06:30", "08:00 comes an hour sooner"),
            ("Europe/Berlin", "2027-10-31 05:00", "2027-10-31 06:00", "2027-10-31 06:00",
             "2027-10-30 18:00 2027-10-31 06:00", "07:00 on the long night: 20:00 the evening before"),
            ("Europe/Berlin", "2027-10-31 05:30", "2027-10-31 07:00", "2027-10-31 08:30",
             "2027-10-30 18:00 2027-10-31 07:00", "08:00 comes an hour later: it dies as they end"),
            ("Europe/Berlin", "2027-10-31 05:30", "2027-10-31 07:01", "2027-10-31 08:30",
             "2027-10-31 07:00 2027-10-31 07:01", "and a minute later it does not"),
            ("Pacific/Apia", "2011-12-30 17:00", "2011-12-30 18:00", "2011-12-30 18:00",
             "2011-12-30 06:00 2011-12-30 18:00", "07:00 on the 31st: the evening of the 29th"),
        ]
    ],
)  # fmt: skip
def test_window_across_clock_changes(zone: str, due: str, expires: str, meeting: str, expected: str) -> None:
    """The hour before quiet hours is an hour of the world, and they end by the clock on the wall."""
    found = window(
        utc(due), expires=utc(expires), meeting=utc(meeting), since=utc("2011-01-01 00:00"), zone=zone, policy=AT_NIGHT
    )

    assert found is not None
    assert f"{found.at:%Y-%m-%d %H:%M} {found.expires:%Y-%m-%d %H:%M}" == expected


def test_the_hour_before_may_be_quiet_itself() -> None:
    """Where there is less than an hour between two nights, it begins as the first ends."""
    policy = Policy(quiet_hours=QuietHours(time(8, 30), time(8)))
    due, meeting = utc("2026-11-25 09:00"), utc("2026-11-26 05:00")

    found = window(due, expires=due + HOUR, meeting=meeting, since=due - HOUR * 9, zone="UTC", policy=policy)

    assert found == Window(utc("2026-11-25 08:00"), utc("2026-11-25 08:45"))


@pytest.mark.parametrize("quiet", [None, QuietHours(time(4), time(4))], ids=["none", "of no length"])
def test_without_quiet_hours_nothing_moves(quiet: QuietHours | None) -> None:
    """No quiet hours: when it is due, whatever else holds."""
    due = utc("2026-11-25 04:00")
    policy = Policy(quiet_hours=quiet)

    assert window(due, expires=due, meeting=due, since=None, zone="UTC", policy=policy) == Window(due, due)


def test_a_slow_loop_may_come_later() -> None:
    """How late a run may come is a setting: it follows the interval."""
    policy = Policy(quiet_hours=NIGHT, late_run=HOUR)
    due = utc("2026-11-25 20:30")

    found = window(due, expires=due + 2 * HOUR, meeting=due + 24 * HOUR, since=due, zone="UTC", policy=policy)

    assert found == Window(due, utc("2026-11-25 22:00"))


# Quiet from 21:00 to 08:00 in UTC. Planned: due, from when to when it may leave, the meeting; the run's time; expected.
@pytest.mark.parametrize(
    ("due", "expires", "meeting", "now", "expected"),
    [
        pytest.param(*row[:5], id=row[5])
        for row in [
            ("25 19:30", "25 20:30", "25 20:30", "25 20:10", "25 20:10", "not quiet: now"),
            (
                "25 20:30",
                "26 20:30",
                "25 20:00",
                "25 21:00",
                "26 08:00",
                "a late follow-up waits, though late may it be",
            ),
            ("25 20:30", "26 20:30", "25 20:00", "26 07:59", "26 08:00", "up to the last minute"),
            ("26 06:00", "26 07:00", "26 07:00", "25 20:59", "25 20:59", "the hour before"),
            ("26 06:00", "26 07:00", "26 07:00", "25 21:14", "25 21:14", "a run some minutes late"),
            ("26 06:00", "26 07:00", "26 07:00", "25 21:15", "26 06:00", "a later one waits until it is due"),
            ("26 06:00", "26 07:00", "26 07:00", "26 02:00", "26 06:00", "never in the deep night"),
            ("26 06:00", "26 07:00", "26 07:00", "26 06:00", "26 06:00", "due, and the meeting is today"),
            ("26 06:00", "26 07:00", "26 07:00", "26 06:30", "26 06:30", "some time after that"),
            ("25 20:30", "25 21:30", "25 21:30", "25 21:20", "25 21:20", "a meeting this evening"),
            ("25 20:30", "25 22:30", "26 20:30", "25 21:14", "25 21:14", "a meeting tomorrow, some minutes late"),
            ("25 20:30", "25 22:30", "26 20:30", "25 21:15", "-", "and later"),
        ]
    ],
)
def test_leaves_at(due: str, expires: str, meeting: str, now: str, expected: str) -> None:
    """What comes late heeds the night: it waits, leaves, or never leaves."""
    message = replace(
        a_message(), scheduled_at=day(due), expires_at=day(expires), meeting_at=day(meeting), timezone="UTC"
    )
    found = leaves_at(message, day(now), AT_NIGHT)

    assert ("-" if found is None else f"{found:%d %H:%M}") == expected


MOMENTS = st.integers(1_767_225_600, 1_830_297_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""The years 2026 and 2027."""
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
ZONES = st.sampled_from(
    ["UTC", "America/Chicago", "Asia/Taipei", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]
)


SPANS = st.timedeltas(timedelta(hours=-3), timedelta(hours=48))


@given(
    due=MOMENTS,
    life=st.timedeltas(timedelta(), timedelta(hours=24)),
    ahead=SPANS,
    early=st.none() | SPANS,
    zone=ZONES,
    quiet=st.builds(QuietHours, CLOCKS, CLOCKS),
)
def test_what_always_holds(
    due: datetime, life: timedelta, ahead: timedelta, early: timedelta | None, zone: str, quiet: QuietHours
) -> None:
    """A message moves only out of quiet hours, never past its life, and stays only for a meeting of that day."""
    meeting, expires, policy = due + ahead, due + life, Policy(quiet_hours=quiet)
    since = None if early is None else due - early
    found = window(due, expires=expires, meeting=meeting, since=since, zone=zone, policy=policy)
    is_quiet = next_allowed(due, zone, quiet) != due

    if not is_quiet:
        assert found is not None
        assert found.at == due
    if found is None:
        return
    assert found.expires <= expires
    assert found.at == due or next_allowed(found.at, zone, quiet) == found.at
    if is_quiet and found.at == due:
        assert meeting.astimezone(ZoneInfo(zone)).date() == due.astimezone(ZoneInfo(zone)).date()
        assert meeting > due
    if found.at < due:
        assert since is not None
        assert found.at >= since
        assert next_allowed(found.at, zone, quiet) == found.at
        begin = next(found.at + n * MINUTE for n in range(62) if is_quiet_at(found.at + n * MINUTE, zone, quiet))
        assert begin - found.at <= HOUR + MINUTE


@given(
    due=MOMENTS,
    life=st.timedeltas(timedelta(), timedelta(hours=24)),
    ahead=SPANS,
    zone=ZONES,
    quiet=st.builds(QuietHours, CLOCKS, CLOCKS),
    late=st.timedeltas(timedelta(), timedelta(hours=24)),
)
def test_a_late_message_leaves_by_day_or_has_a_reason_not_to(
    due: datetime, life: timedelta, ahead: timedelta, zone: str, quiet: QuietHours, late: timedelta
) -> None:
    """Whenever a run comes: in the night a text leaves only just after its beginning, or for a meeting of that day."""
    meeting, policy = due + ahead, Policy(quiet_hours=quiet)
    found = window(due, expires=due + life, meeting=meeting, since=None, zone=zone, policy=policy)
    if found is None or found.at + late >= found.expires:
        return
    message = replace(
        a_message(), scheduled_at=due, expires_at=found.expires, meeting_at=meeting, next_at=found.at, timezone=zone
    )
    now = found.at + late
    at = leaves_at(message, now, policy)

    if at is None:
        # Only news of a cancellation, which may be worth sending when the meeting has begun: its life is not cut.
        assert next_allowed(now, zone, quiet) < found.expires
        return
    assert now <= at < found.expires
    assert leaves_at(message, at, policy) == at, "waiting once is enough"
    if is_quiet_at(at, zone, quiet):
        today = meeting.astimezone(ZoneInfo(zone)).date() == due.astimezone(ZoneInfo(zone)).date() and meeting > due
        assert today or not is_quiet_at(at - policy.late_run, zone, quiet)


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
