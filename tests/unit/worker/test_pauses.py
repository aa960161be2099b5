"""How long the loop rests: half of Calendly's limit stays for others."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from syncer.pauses import pause

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("requests", "limit", "behind", "seconds"),
    [
        pytest.param(0, 500, False, 60, id="no request"),
        pytest.param(250, 500, False, 60, id="half of the limit is the interval's worth"),
        pytest.param(265, 500, False, 63.6, id="a little more"),
        pytest.param(200, 50, False, 480, id="the small limit"),
        pytest.param(1000, None, False, 60, id="no limit is known"),
        pytest.param(1000, 0, False, 60, id="a limit of nothing is none"),
        pytest.param(1000, 50, True, 0, id="behind"),
    ],
)
def test_the_pause_follows_from_the_requests(requests: int, limit: int | None, behind: bool, seconds: float) -> None:
    """Never shorter than the interval, unless there is something to catch up on."""
    assert pause(requests, limit, MINUTE, behind=behind) == timedelta(seconds=seconds)


def test_never_more_than_half_of_the_limit_in_the_long_run() -> None:
    """Whatever a run costs, the interval and the limit."""
    for requests, limit, seconds in product(range(0, 2000, 37), (50, 500), (1, 15, 60, 900)):
        rest = pause(requests, limit, timedelta(seconds=seconds))
        assert requests / (rest / MINUTE) <= limit / 2 + 1e-6
