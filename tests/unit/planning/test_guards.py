"""What looks like a mistake at Calendly's side: a listing that lost its events, many cancellations at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.errors import GuardRefused
from syncer.guards import guard_listing, is_mass_cancellation

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(guard: Callable[[], None]) -> bool:
    """Say whether a guard refuses."""
    try:
        guard()
    except GuardRefused:
        return True
    return False


@pytest.mark.parametrize(
    ("listed", "known", "missing", "expected"),
    [
        pytest.param(0, 0, 0, False, id="the very first run of an empty calendar"),
        pytest.param(100, 0, 0, False, id="the very first run"),
        pytest.param(0, 1, 1, True, id="nothing listed where one is known"),
        pytest.param(0, 1000, 1000, True, id="nothing listed where many are known"),
        pytest.param(1, 2, 1, False, id="one of two is gone"),
        pytest.param(1, 10, 9, False, id="nine of ten: too few to ask about"),
        pytest.param(1, 11, 10, True, id="ten of eleven"),
        pytest.param(39, 49, 10, True, id="ten, a little more than a fifth"),
        pytest.param(40, 50, 10, False, id="ten, just a fifth"),
        pytest.param(800, 1000, 200, False, id="two hundred, just a fifth"),
        pytest.param(799, 1000, 201, True, id="one more"),
        pytest.param(5000, 1000, 201, True, id="however many are listed"),
        pytest.param(1000, 1000, 0, False, id="nothing is gone"),
    ],
)
def test_guard_listing(listed: int, known: int, missing: int, *, expected: bool) -> None:
    """An empty listing over a snapshot is refused, and one that lost more than a fifth, if that is ten at least."""
    assert expected is refused(lambda: guard_listing(listed=listed, known=known, missing=missing))


@pytest.mark.parametrize(
    ("canceled", "known", "expected"),
    [
        pytest.param(0, 0, False, id="nothing known"),
        pytest.param(9, 9, False, id="nine of nine: too few to ask about"),
        pytest.param(10, 10, True, id="ten of ten"),
        pytest.param(10, 49, True, id="ten, a little more than a fifth"),
        pytest.param(10, 50, False, id="ten, just a fifth"),
        pytest.param(200, 1000, False, id="two hundred, just a fifth"),
        pytest.param(201, 1000, True, id="one more"),
    ],
)
def test_mass_cancellation(canceled: int, known: int, *, expected: bool) -> None:
    """A mass cancellation is more than a fifth of what is known, if that is ten at least."""
    assert expected is is_mass_cancellation(canceled=canceled, known=known)


def test_a_refusal_says_how_many() -> None:
    """The operator reads how many of how many, and what to type if it is meant."""
    with pytest.raises(GuardRefused, match="201 of 1000 known events vanished") as refusal:
        guard_listing(listed=799, known=1000, missing=201)
    assert (refusal.value.exit_code, "--force" in refusal.value.remedy) == (3, True)
    with pytest.raises(GuardRefused, match="no event at all where 7 are known"):
        guard_listing(listed=0, known=7, missing=7)


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_guard_never_lets_more_through(canceled: int, known: int) -> None:
    """What looks like a mistake does so with one more canceled, too, and never when fewer than ten are."""
    here = is_mass_cancellation(canceled=canceled, known=known)

    assert not here or canceled >= 10
    assert not here or is_mass_cancellation(canceled=canceled + 1, known=known)
