"""Quiet hours: when a message that falls into them goes out instead. Pure; all moments are aware UTC datetimes.

`window` decides at planning, from the booking, the rule and the settings alone: whoever plans a message, and whenever,
gives it the same time. `leaves_at` says what a run makes of it that comes later than that.

A quiet period is a pair of moments, not a stretch of the clock face: where clocks are put back, the period ends when
its end is first shown, although the same times are then shown again; a time that is skipped counts as that much later
(02:30 in the night of the change in Berlin: 03:30).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from syncer import zones

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, time, tzinfo

    from syncer.model import Message
    from syncer.rules import Policy, QuietHours

EARLY = timedelta(hours=1)
"""How long before quiet hours a reminder may leave that cannot wait for their end: wider than any interval of runs."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a message may leave: from `at` up to, not including, `expires`."""

    at: datetime
    expires: datetime


def window(
    due: datetime,
    *,
    expires: datetime,
    meeting: datetime,
    since: datetime | None,
    zone: str,
    policy: Policy,
) -> Window | None:
    """Decide when a message leaves that heeds quiet hours.

    In this order:

    1. It is not due in quiet hours: when it is due.
    2. It still lives when they end, and (being due before the meeting) the meeting has not begun: at their end.
    3. It is a reminder of a booking that was made before they begin: in the hour before they begin.
    4. It is due before the meeting, on the same local day: when it is due.
    5. Otherwise never.

    What cannot wait for the end of quiet hours that begin during its life expires `policy.late_run` after they begin:
    so late may a run come. Where the meeting is on the local day on which it is due, it lives on: see `leaves_at`.

    Args:
        due: when its rule wants it sent.
        expires: when it is no longer worth sending.
        meeting: the meeting's start.
        since: of a reminder, since when the booking has its time; None = it must not leave before it is due.
        zone: IANA name of the recipient's zone; one that this machine does not know is UTC.
        policy: the quiet hours, and how late a run may come.

    Returns:
        None = it expires. The beginning may lie before `due`, and the end, too.

    Raises:
        ValueError: a naive datetime.
    """
    due, expires, meeting = map(_utc, (due, expires, meeting))
    period = _period(due, zone, policy.quiet_hours)
    today = _is_of_the_day(due, meeting, zone)
    if period is None:
        return Window(due, expires if today else _end(due, expires, zone, policy))
    begin, end = period
    if _outlives(end, due=due, expires=expires, meeting=meeting):
        return Window(end, _end(end, expires, zone, policy))
    if since is not None:
        at = next_allowed(max(begin - EARLY, _utc(since)), zone, policy.quiet_hours)
        if at < begin:
            return Window(at, expires if today else min(expires, begin + policy.late_run))
    return Window(due, expires) if today else None


def leaves_at(message: Message, now: datetime, policy: Policy) -> datetime | None:
    """Say when a planned message leaves whose time has come.

    Outside of quiet hours: now. In them it waits for their end if it outlives them. Otherwise it leaves now while a run
    may be late, and after that when it is due, if the meeting is on that day.

    Args:
        message: as planned by `window`, alive.
        now: not before its time.
        policy: the quiet hours, and how late a run may come.

    Returns:
        `now` or later; None = never.
    """
    now = _utc(now)
    zone = zones.known(message.timezone) or policy.timezone
    period = _period(now, zone, policy.quiet_hours)
    if period is None:
        return now
    begin, end = period
    due, meeting = message.scheduled_at, message.meeting_at
    if _outlives(end, due=due, expires=message.expires_at, meeting=meeting):
        return end
    if now < begin + policy.late_run:
        return now
    return max(now, due) if _is_of_the_day(due, meeting, zone) else None


def next_allowed(now: datetime, zone: str, quiet: QuietHours | None) -> datetime:
    """Say when somebody in that zone may next be texted: `now`, or the end of the quiet hours it falls into.

    This knows nothing of a message's life: whether a late message may leave now is `leaves_at`.

    Raises:
        ValueError: a naive datetime.
    """
    now = _utc(now)
    period = _period(now, zone, quiet)
    return now if period is None else period[1]


def _outlives(end: datetime, *, due: datetime, expires: datetime, meeting: datetime) -> bool:
    """Whether a message is still worth sending at the end of quiet hours; at `expires` it is too late already."""
    return end < expires and (end < meeting or meeting <= due)


def _is_of_the_day(due: datetime, meeting: datetime, zone: str) -> bool:
    """Whether a message is due before its meeting and on the same local day: then it cannot wait for the morning."""
    return due < meeting and _day(due, zone) == _day(meeting, zone)


def _end(at: datetime, expires: datetime, zone: str, policy: Policy) -> datetime:
    """End the life of a message that would die in quiet hours soon after these begin."""
    last = _period(expires - timedelta(microseconds=1), zone, policy.quiet_hours)
    return expires if last is None or last[0] < at else min(expires, last[0] + policy.late_run)


def _period(moment: datetime, zone: str, quiet: QuietHours | None) -> tuple[datetime, datetime] | None:
    """Find the quiet period that holds a moment: from its beginning up to, not including, its end."""
    if quiet is None:
        return None
    return next((one for one in _periods(moment, zone, quiet) if one[0] <= moment < one[1]), None)


def _periods(moment: datetime, zone: str, quiet: QuietHours) -> Iterator[tuple[datetime, datetime]]:
    """List the periods that begin around a moment; two days back, because a zone may skip a whole day (Apia, 2011)."""
    tz = zones.zone(zone)
    today = moment.astimezone(tz).date()
    overnight = timedelta(days=int(quiet.end < quiet.start))
    for back in (0, 1, 2):
        day = today - timedelta(days=back)
        yield _at(day, quiet.start, tz), _at(day + overnight, quiet.end, tz)


def _at(day: date, clock: time, tz: tzinfo) -> datetime:
    """Turn a local time into a moment. fold=0 is the first of two, and for a skipped time the offset before the gap."""
    return datetime.combine(day, clock.replace(fold=0), tz).astimezone(UTC)


def _day(moment: datetime, zone: str) -> date:
    return moment.astimezone(zones.zone(zone)).date()


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime: {moment!r}")
    return moment.astimezone(UTC)
