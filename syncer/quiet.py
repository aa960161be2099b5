"""Quiet hours: when a message that falls into them goes out instead. Pure; all moments are aware UTC datetimes.

A quiet period is a pair of moments, not a stretch of the clock face: where clocks are put back, the period ends when
its end is first shown, although the same times are then shown again; a time that is skipped counts as that much later
(02:30 in the night of the change in Berlin: 03:30).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from syncer import zones

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, time, tzinfo

    from syncer.model import Message
    from syncer.rules import Policy, QuietHours

HEAD_START = timedelta(minutes=1)
"""How long before quiet hours a message goes out that cannot wait for their end."""


def send_at(
    due: datetime,
    *,
    expires: datetime,
    meeting: datetime,
    zone: str,
    quiet: QuietHours | None,
    now: datetime,
) -> datetime | None:
    """Move a message out of quiet hours.

    In this order: not in quiet hours, then when it is due; at their end, if it still lives then and (being due before
    the meeting) the meeting has not begun; a minute before they begin, if that is not past; when it is due, if the
    meeting is on the local day of `now` or of that moment; never.

    The day of the sending counts, besides today, because a reminder at 06:00 for a meeting at 07:00 is about today's
    meeting also when the plan was made at 23:00: the result must not hang on which run made it.

    Args:
        due: when its rule wants it sent; may be past.
        expires: when it is no longer worth sending.
        meeting: the meeting's start.
        zone: IANA name of the recipient's zone; one that this machine does not know is UTC.
        quiet: None = no quiet hours; equal ends = none, too.
        now: the moment of planning.

    Returns:
        The moment, which may be past (then: at once) and, before quiet hours, earlier than `due`. None = it expires.

    Raises:
        ValueError: a naive datetime.
    """
    due, expires, meeting, now = map(_utc, (due, expires, meeting, now))
    period = _period(due, zone, quiet)
    if period is None:
        return due
    begin, end = period
    # At `expires` it is too late already.
    if end < expires and (end < meeting or meeting <= due):
        return end
    before = begin - HEAD_START
    if before >= now:
        return before
    sent = max(due, now)
    if sent <= expires and _day(meeting, zone) in {_day(now, zone), _day(sent, zone)}:
        return due
    return None


def leaves_at(message: Message, now: datetime, policy: Policy) -> datetime | None:
    """Say when a message that may leave now leaves: now, at the end of the quiet hours it falls into, or never (None).

    Those that `send_at` put into quiet hours on purpose leave now.
    """
    return send_at(
        now,
        expires=message.expires_at,
        meeting=message.meeting_at,
        zone=zones.known(message.timezone) or policy.timezone,
        quiet=policy.quiet_hours,
        now=now,
    )


def next_allowed(now: datetime, zone: str, quiet: QuietHours | None) -> datetime:
    """Say when somebody in that zone may next be texted: `now`, or the end of the quiet hours it falls into.

    This knows nothing of a message's life: whether a late message may leave now is `leaves_at`.

    Raises:
        ValueError: a naive datetime.
    """
    now = _utc(now)
    period = _period(now, zone, quiet)
    return now if period is None else period[1]


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
