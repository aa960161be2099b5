"""`syncer demo`: the whole story, the same each time, in seconds, and a database to look at."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from syncer import demo
from syncer.errors import SyncerError
from syncer.model import State
from syncer.reasons import Reason, in_words
from syncer.sandbox.world import World
from syncer.store import Store, database

if TYPE_CHECKING:
    from pathlib import Path


def play(path: Path) -> list[str]:
    """Play the demo; returns its lines."""
    lines: list[str] = []
    demo.play(path, lambda text: lines.extend(text.splitlines()))
    return lines


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """One demo for all tests."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    return path, play(path)


def test_it_is_the_same_each_time(told: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Line by line: nothing in it depends on the real clock or on chance."""
    assert play(tmp_path / "again.db") == told[1]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Hello Ines Okafor, your meeting is confirmed. Time: Wed, Mar 4, 10:00 AM", 1),
        ("Hello Ines Okafor, your meeting begins in 24 hours", 1),
        ("Hello Ines Okafor, your meeting begins in 1 hour", 1),
        ("Hello Ines Okafor, thank you for your visit", 1),
        ("Hello Theo Brandt, your meeting is confirmed. Time: Thu, Mar 5, 3:00 PM", 1),
        ("held back              reschedule: template", 1),
        ("Hello Theo Brandt, your meeting was moved. New time: Fri, Mar 6, 9:00 AM", 1),
        (f"no longer sent         reminder-24h: {in_words(Reason.BOOKING_MOVED)}", 1),
        ("Hello Noah Keller, your booking is canceled", 1),
        (f"no longer sent         reminder-24h: {in_words(Reason.BOOKING_CANCELED)}", 1),
        (f"skipped                confirmation: {in_words(Reason.NO_NUMBER)}", 1),
        ("New booking: Ama Mensah", 1),
        ("to Ama", 0),
    ],
)
def test_it_tells_the_life_of_each_booking(told: tuple[Path, list[str]], line: str, count: int) -> None:
    """Confirmed in the invitee's zone, reminded, moved, canceled, followed up; one without a number, one held back."""
    assert sum(line in one for one in told[1]) == count


def test_it_masks_numbers_and_leaves_a_database_to_look_at(told: tuple[Path, list[str]]) -> None:
    """Every message ended well."""
    path, lines = told
    with Store(database.open_read_only(path)) as store:
        counts = {state for state, count in store.counts().items() if count}

    assert not any("3125550142" in line for line in lines)
    assert counts == {State.SENT, State.CANCELED, State.SKIPPED}


def test_it_replaces_its_own_database_and_nobody_elses(told: tuple[Path, list[str]], tmp_path: Path) -> None:
    """A second demo plays anew; a file that is not a demo's is left alone."""
    path = tmp_path / "mine.db"
    with Store(database.open_writable(path)) as store:
        store.bind(World(demo.Clock()).organization["uri"], "user", "token")
    before = path.read_bytes()

    with pytest.raises(SyncerError, match="not a demo's"):
        play(path)
    assert path.read_bytes() == before
    assert play(told[0]) == told[1]


def test_the_command_ends_with_0_and_says_what_to_type_next(tmp_path: Path) -> None:
    """In an empty folder, with nothing set; and what it says works."""
    environ = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "syncer"]
    done = subprocess.run([*command, "demo"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    [explain] = [line for line in done.stdout.splitlines() if " explain " in line]
    arguments = explain.split(" --db ")[1].split()
    story = subprocess.run(
        [*command, "--db", *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert story.returncode == 0
    assert "moved to https://" in story.stdout
