"""A disk that fills up during a run: at the first start, at a claim, between a text and its record.

Three kinds of it: SQLite's limit of pages, the kernel's limit of a file's size, a small file system. Each time there is
a little more room, so that it ends at another statement. Then there is room again, and the checker.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.fake_apis import FakeApis, an_installation
from support.processes import ForkServer
from support.variants import Change, variant
from syncer.store.place import BALLAST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.fake_apis import Installation
    from support.processes import Done

DOCUMENTED = (0, 1)
"""Exit codes of a run on a disk that fills up."""
MESSAGES = 12
KIB = 1024
UNSHARE = shutil.which("unshare") or ""
DATABASE = "syncer/store/database.py"
PAGES = Change(
    DATABASE,
    "        (check_health if whole else check_readable)(db, path)\n",
    "        (check_health if whole else check_readable)(db, path)\n"
    "        room = db.conn.execute('PRAGMA page_count').fetchone()[0] + int(__import__('os').environ['PAGES'])\n"
    "        db.conn.execute(f'PRAGMA max_page_count = {room}')\n",
)
FILE_SIZE = Change(
    "syncer/__main__.py",
    "from syncer.cli import main\n",
    "import os, resource\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ['BYTES']),) * 2)\n"
    "from syncer.cli import main\n",
)
NO_RESERVE = Change("syncer/store/place.py", "FREE_SPACE = 16 * 1024 * 1024", "FREE_SPACE = 0")
"""Else it would claim nothing at all on so small a disk, which `test_startup` shows."""
SMALL_DISK = """\
mount -t tmpfs -o size=8m,mode=700 none "$PLACE"
cp -p "$TO"/syncer.* "$TO"/.env "$PLACE"
cd "$PLACE"
free=$(($(stat -f -c '%a * %S' .) / 1024))
head -c $(((free - ROOM) * 1024)) /dev/zero > filler
"$@" 2> "$TO/log" || echo $? > "$TO/code"
rm filler "$TO"/syncer.db*
cp -p "$PLACE"/syncer.db* "$TO"
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Texts are due to some people; the last run could not ask for the templates, so that all are planned."""

    def refuse() -> None:
        raise ConnectionAbortedError

    with an_installation(tmp_path_factory.mktemp("ground") / "origin", concurrency=1) as installation:
        installation.be_born()
        installation.book(MESSAGES)
        installation.provider.on_templates = refuse
        installation.run("run", "--once").check(0)
        yield installation


def judge(installation: Installation, done: Done) -> dict[str, int]:
    """Give it room again, and judge; returns the figures.

    Raises:
        AssertionError: something came twice or is lost, or the run did not end as the manual says.
    """
    done.check(*DOCUMENTED)
    said = [one for one in done.log if one["level"] == "error" and one["event"].startswith("run.")]
    assert len(said) == (done.code == 1), done.err
    assert all(one["remedy"] and "\n" not in one["remedy"] for one in said)
    arrived = len(installation.provider.ledger)
    ballast = installation.db.with_name("syncer.db.ballast")
    gone = not ballast.exists()
    installation.code = installation.server = None
    installation.restart()
    verdict = installation.judge(1)
    verdict.check(f"{installation.environ} {done.err[-600:]}")
    assert installation.integrity() == "ok"
    assert ballast.stat().st_size == BALLAST
    return {
        "cells": 1,
        "stopped": done.code,
        "part_sent": 0 < arrived < MESSAGES,
        "ballast_used": gone,
        "unknown": verdict.unknown,
        "after_a_text": done.code == 1 and verdict.unknown,
    }


def total(found: list[dict[str, int]]) -> Counter[str]:
    """Add up figures."""
    counted: Counter[str] = Counter()
    for one in found:
        counted.update(one)
    return counted


def test_sqlite_has_no_page_left(
    ground: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """SQLITE_FULL: the run ends with NoRoom, and all that waits still does."""
    code, found = variant(tmp_path / "code", PAGES, NO_RESERVE), []
    for pages in range(0, 24, 1 if full else 8):
        with ForkServer(code) as limited, FakeApis(ground.world) as provider:
            installation = ground.copy(tmp_path / str(pages), provider)
            installation.code, installation.environ = code, {"PAGES": str(pages)}
            installation.server = limited
            done = installation.run("run", "--once")
            found.append(judge(installation, done))
            assert done.code == 0 or "NoRoom" in done.err

    counted = total(found)
    figures("disk full, by pages", **counted)
    assert 0 < counted["stopped"] < counted["cells"]


def test_a_file_may_not_grow(ground: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]) -> None:
    """An error of the disk in the log (WAL): exit 1 without a second commit, and the next start finds all in order."""
    code, found = variant(tmp_path / "code", FILE_SIZE), []
    for size in [*range(8, 700, 8 if full else 344), 10_000]:
        with FakeApis(ground.world) as provider:
            installation = ground.copy(tmp_path / str(size), provider)
            installation.code, installation.environ = code, {"BYTES": str(size * KIB), "PYTHONDONTWRITEBYTECODE": "1"}
            found.append(judge(installation, installation.run("run", "--once")))

    counted = total(found)
    figures("disk full, by the size of a file", **counted)
    assert 0 < counted["stopped"] < counted["cells"]


def test_a_small_disk(ground: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]) -> None:
    """The ballast makes the room for what a text that left must record; laid anew when there is room."""
    small_disk_or_skip(tmp_path)
    code, found = variant(tmp_path / "code", NO_RESERVE), []
    for room in [*range(0, 700, 8), 4000] if full else range(100, 124, 4):
        with FakeApis(ground.world) as provider:
            installation = ground.copy(tmp_path / str(room), provider)
            (tmp_path / "mounted").mkdir(exist_ok=True)
            found.append(judge(installation, on_a_small_disk(installation, tmp_path / "mounted", code, room)))

    counted = total(found)
    figures("disk full, small file system", **counted)
    assert counted["ballast_used"]


def on_a_small_disk(installation: Installation, place: Path, code: Path, room: int) -> Done:
    """Run on a file system of its own with so many KiB left beside the installation's files, and bring them back."""
    command = installation.command("run", "--once")
    places = {"TO": str(installation.folder), "PLACE": str(place), "ROOM": str(room), "PYTHONPATH": str(code)}
    run = ["sh", sys.executable, "-m", "syncer", *command.arguments]
    subprocess.run(
        [UNSHARE, "--mount", "--map-root-user", "sh", "-ec", SMALL_DISK, *run],
        env=dict(command.environ) | places,
        check=True,
        timeout=60,
    )
    ended = installation.folder / "code"
    return command.done(int(ended.read_text()) if ended.exists() else 0)


def small_disk_or_skip(folder: Path) -> None:
    """Skip where this machine lets nobody mount a file system of their own."""
    (folder / "tried").mkdir()
    tried = [UNSHARE, "--mount", "--map-root-user", "mount", "-t", "tmpfs", "none", str(folder / "tried")]
    if not UNSHARE or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("nobody may mount a file system here (unshare --mount --map-root-user)")


def test_the_first_start_on_a_disk_without_room(tmp_path: Path, *, full: bool, figures: Callable[..., None]) -> None:
    """A migration that finds no room is undone whole: the next start begins anew, and nothing is half made."""
    code, codes = variant(tmp_path / "code", FILE_SIZE), Counter[int]()
    with an_installation(tmp_path / "installation") as installation:
        for size in [*range(2, 400, 6 if full else 200), 10_000]:
            with FakeApis(installation.world) as provider:
                new = installation.copy(tmp_path / str(size), provider)
                new.code, new.environ = code, {"BYTES": str(size * KIB), "PYTHONDONTWRITEBYTECODE": "1"}
                done = new.run("run", "--once").check(*DOCUMENTED)
                codes[done.code] += 1
                new.code = new.server = None
                new.restart()
                with closing(sqlite3.connect(new.db)) as db:
                    [births] = db.execute("SELECT count(*) FROM meta WHERE name = 'born_at'").fetchone()
                assert births == 1
                assert new.integrity() == "ok"

    figures("disk full at the first start", cells=codes.total(), stopped=codes[1])
    assert 0 < codes[1] < codes.total()
