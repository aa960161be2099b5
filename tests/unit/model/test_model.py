"""The words as values: times as text, who is canceled, erased or moved, and when something was booked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOW, a_booking, an_event, an_invitee
from syncer.model import SETTLED, WAITING, Audience, State, from_utc_text, utc_text

HOUR = timedelta(hours=1)
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(8 * HOUR), timezone(-5 * HOUR)])).filter(
    lambda moment: 1 < moment.year < 9999  # at the ends of the calendar, UTC may be outside of it
)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(datetime(2026, 11, 25, 16, tzinfo=UTC), "2026-11-25T16:00:00Z", id="whole hours have seconds too"),
        pytest.param(
            datetime(2026, 11, 25, 16, 0, 59, 999_999, tzinfo=UTC), "2026-11-25T16:00:59Z", id="fractions are dropped"
        ),
        pytest.param(
            datetime(2026, 11, 26, 0, 30, tzinfo=timezone(8 * HOUR)),
            "2026-11-25T16:30:00Z",
            id="other zones become UTC",
        ),
        pytest.param(datetime(987, 1, 2, tzinfo=UTC), "0987-01-02T00:00:00Z", id="a year has four digits"),
    ],
)
def test_utc_text(moment: datetime, expected: str) -> None:
    """A moment is spelled in UTC, to the second."""
    assert expected == utc_text(moment)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-11-25T16:00:00Z", id="as utc_text writes it"),
        pytest.param("2026-11-25T16:00:00.123456Z", id="with Calendly's fractions"),
        pytest.param("2026-11-25T16:00:00.9Z", id="a fraction is not rounded up"),
        pytest.param("2026-11-25T16:00:00+00:00", id="with an offset of nothing"),
        pytest.param("2026-11-26T00:00:00+08:00", id="with an offset"),
    ],
)
def test_from_utc_text(text: str) -> None:
    """However a moment is spelled, it is read in UTC, to the second."""
    expected = datetime(2026, 11, 25, 16, tzinfo=UTC)

    found = from_utc_text(text)

    assert expected == found
    assert found.tzinfo is UTC


def test_a_naive_datetime_is_refused() -> None:
    """Whose time a naive datetime is would be a guess."""
    with pytest.raises(ValueError, match="naive datetime"):
        utc_text(datetime(2026, 11, 25, 16))  # noqa: DTZ001  the point of the test


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("2026-11-25T16:00:00", "without a zone", id="no zone"),
        pytest.param("2026-11-25", "without a zone", id="a date alone"),
        pytest.param("tomorrow", "tomorrow", id="no time at all"),
        pytest.param("", "''", id="nothing"),
    ],
)
def test_a_text_that_is_no_moment_is_refused(text: str, complaint: str) -> None:
    """What does not name one moment is refused, and the complaint shows it."""
    with pytest.raises(ValueError, match=complaint):
        from_utc_text(text)


@given(MOMENTS, MOMENTS)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    """Texts sort as the moments do, to the second: the database compares nothing but text."""
    one, other = (moment.astimezone(UTC).replace(microsecond=0) for moment in (one, other))

    assert (one < other) == (utc_text(one) < utc_text(other))


@given(MOMENTS)
def test_what_is_written_is_read_back(moment: datetime) -> None:
    """Only fractions of a second are lost between writing and reading."""
    found = from_utc_text(utc_text(moment))

    assert timedelta() <= moment - found < timedelta(seconds=1)


def test_states_are_waiting_sending_or_settled() -> None:
    """Each state is of exactly one of three kinds."""
    expected = {State.SENT, State.FAILED, State.UNKNOWN, State.CANCELED, State.EXPIRED, State.SKIPPED}

    assert {State.SCHEDULED, State.RETRYABLE} == WAITING
    assert expected == SETTLED
    assert set(State) == WAITING | SETTLED | {State.SENDING}


def test_an_audience_is_spelled_as_calendly_spells_who_canceled() -> None:
    """Planning compares `canceler_type` with the audience: both say invitee and host."""
    assert {"invitee", "host", "former_host"} == set(Audience)


STATUSES = [
    pytest.param("active", False, id="active"),
    pytest.param("canceled", True, id="canceled"),
    pytest.param("cancelled", False, id="not Calendly's spelling"),
    pytest.param("Canceled", False, id="not Calendly's case"),
    pytest.param("paused", False, id="a status never seen before"),
    pytest.param("", False, id="no status"),
]


@pytest.mark.parametrize(("status", "expected"), STATUSES)
def test_only_canceled_is_canceled(status: str, *, expected: bool) -> None:
    """No other status, known or not, is a cancellation of an event or of a booking."""
    event = an_event()

    assert expected is replace(event, status=status).canceled
    assert expected is a_booking(replace(event, status=status)).canceled
    assert expected is a_booking(event, an_invitee(event, status=status)).canceled


@pytest.mark.parametrize(
    ("name", "email", "expected"),
    [
        pytest.param("Ines Okafor", "ines.okafor@example.com", False, id="somebody"),
        pytest.param("Invitee", "9d3e1f52@deleted.calendly.com", True, id="the made-up address"),
        pytest.param("", "9d3e1f52@deleted.calendly.com", True, id="the made-up address, without a name"),
        pytest.param("", "", True, id="nothing at all"),
        pytest.param("Ines Okafor", "", False, id="a name is somebody"),
        pytest.param("", "ines.okafor@example.com", False, id="an address is somebody"),
        pytest.param("Ines", "ines@deleted.calendly.com.example", False, id="an address that only begins so"),
    ],
)
def test_erased(name: str, email: str, *, expected: bool) -> None:
    """Someone whom Calendly erased is known by the made-up address, or by nothing."""
    assert expected is replace(an_invitee(an_event(), email=email), name=name).erased


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        pytest.param(NOW - HOUR, NOW - HOUR, id="Calendly's word"),
        pytest.param(None, NOW, id="without it, when it was first seen"),
        pytest.param(NOW + HOUR, NOW, id="never after it was first seen"),
    ],
)
def test_booked_at(created_at: datetime | None, expected: datetime) -> None:
    """A booking is as old as Calendly says, and at least as old as our knowledge of it."""
    event = an_event()

    assert expected == a_booking(event, an_invitee(event, created_at=created_at), seen_at=NOW).booked_at


@pytest.mark.parametrize(
    ("old_invitee", "moved_at", "expected"),
    [
        pytest.param("", None, False, id="as it was booked"),
        pytest.param("https://api.calendly.com/scheduled_events/e0/invitees/i0", None, True, id="the new half"),
        pytest.param("", NOW, True, id="in place"),
    ],
)
def test_moved(old_invitee: str, moved_at: datetime | None, *, expected: bool) -> None:
    """A booking is moved if it is the new half of a reschedule, or if its start changed in place."""
    event = an_event()

    assert expected is a_booking(event, an_invitee(event, old_invitee=old_invitee), moved_at=moved_at).moved


def test_the_old_half_is_not_a_moved_booking() -> None:
    """The old half of a reschedule is a canceled booking; it is the new one that moved."""
    event = an_event()
    old = a_booking(event, an_invitee(event, status="canceled", rescheduled=True, new_invitee="x"))

    assert old.canceled
    assert not old.moved


def test_a_booking_is_known_by_its_invitee() -> None:
    """The invitee's URI is the booking's identity, and the same person books twice under two."""
    event = an_event()

    assert an_invitee(event, "i7").uri == a_booking(event, an_invitee(event, "i7")).uri
