"""A power cut at each moment of a real run, and every disk it may leave: no text that left is forgotten.

The control: with SQLite's other usual settings the same judge finds that they are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.power_cuts import Judge, first_start, news, record, remnants
from support.processes import why_not_traced
from support.variants import Change, variant

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from support.fake_apis import Installation

MEMORY = Path("/dev/shm")  # noqa: S108  folders of our own in it
DATABASE = "syncer/store/database.py"
OFTEN = Change(DATABASE, "PAGES_IN_THE_LOG = 500", "PAGES_IN_THE_LOG = 8")
"""The log (WAL) is moved into the file in the middle of things, not only at the end."""
NORMAL = Change(DATABASE, '"synchronous": 2,', '"synchronous": 1,')
DELETE = Change(DATABASE, '"journal_mode": "wal",', '"journal_mode": "delete",')


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for disks, in memory where there is some: this is about what is read, not about how fast."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def judge(
    folder: Path, place: Path, begin: Callable[[Installation], None], many: int, *changes: Change
) -> Counter[str]:
    """Record a run of a build, and judge all that it may leave."""
    if why := why_not_traced():
        pytest.skip(why)
    code = variant(folder / "code", *changes) if changes else None
    judging = Judge(place)
    judging.judge(record(folder, begin, code), many, begin.__name__)
    return judging.figures


@pytest.mark.parametrize(
    ("begin", "changes"),
    [(news, ()), (news, (OFTEN,)), (remnants, ()), (first_start, ())],
    ids=["news", "news and checkpoints", "remnants", "first start"],
)
def test_no_power_cut_makes_us_forget_a_text(
    tmp_path: Path,
    place: Path,
    begin: Callable[[Installation], None],
    changes: tuple[Change, ...],
    request: pytest.FixtureRequest,
    *,
    full: bool,
    figures: Callable[..., None],
) -> None:
    """No claim lost after its text arrived, no result lost after its run was done, a sound file, no false alarm."""
    counted = judge(tmp_path, place, begin, 64 if full else 2, *changes)

    figures(f"power cuts, {request.node.callspec.id}", **counted)
    assert counted["states"] > counted["points"]
    assert counted["texts"] or begin is first_start
    wrong = ("claims_lost", "results_lost", "corrupt", "refused")
    assert {name: counted[name] for name in wrong} == dict.fromkeys(wrong, 0)


@pytest.mark.parametrize("change", [NORMAL, DELETE], ids=["WAL and NORMAL (saboteur 6)", "DELETE and FULL"])
def test_the_control_forgets(
    tmp_path: Path,
    place: Path,
    change: Change,
    request: pytest.FixtureRequest,
    *,
    full: bool,
    figures: Callable[..., None],
) -> None:
    """The usual settings of SQLite lose the claim of a text that has arrived."""
    counted = judge(tmp_path, place, news, 16 if full else 2, change)

    figures(f"power cuts, control {request.node.callspec.id}", **counted)
    assert counted["texts"]
    assert counted["claims_lost"] > 0
