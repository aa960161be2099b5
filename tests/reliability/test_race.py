"""Four processes on one database: the lock lets one work; without the lock each key is still sent once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.fake_apis import FakeApis, an_installation
from support.planted_bugs import NO_COMPARE_AND_SET, NO_LOCK
from support.variants import variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.fake_apis import Installation
    from support.oracle.history import Verdict
    from support.processes import Process

PROCESSES = 4
PATIENCE = 60.0


def start_all(installation: Installation) -> list[Process]:
    """Start all of them."""
    return [installation.start("run", "--once") for _ in range(PROCESSES)]


def test_with_the_lock_three_of_four_end_with_75(tmp_path: Path, *, full: bool, figures: Callable[..., None]) -> None:
    """The one that works waits until the others are gone; what was due is sent once."""
    rounds = 20 if full else 1
    codes: Counter[int] = Counter()
    with an_installation(tmp_path / "installation") as installation:
        installation.be_born()
        for _ in range(rounds):
            installation.book(2)
            gone = threading.Event()
            installation.provider.on_templates = lambda gone=gone: gone.wait(PATIENCE)  # type: ignore[misc]  # no name for it
            processes = start_all(installation)
            until = time.monotonic() + PATIENCE
            while sum(process.poll() is None for process in processes) > 1 and time.monotonic() < until:
                time.sleep(0.01)
            gone.set()
            codes.update(process.wait(PATIENCE) for process in processes)
        installation.provider.on_templates = lambda: None
        installation.restart()
        verdict = installation.judge(0)
        log = (installation.folder / "log").read_text(encoding="utf-8")

    figures("race with the lock", rounds=rounds, exit_0=codes[0], exit_75=codes[75], **verdict.counts())
    verdict.check()
    assert verdict.sent == rounds * 2
    assert codes == {0: rounds, 75: rounds * (PROCESSES - 1)}
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def due(tmp_path_factory: pytest.TempPathFactory, *, full: bool) -> Iterator[Installation]:
    """A database in which many texts are due and none has left: the gateway's templates were not to be had."""

    def refuse() -> None:
        raise ConnectionAbortedError

    with an_installation(tmp_path_factory.mktemp("due") / "origin") as installation:
        installation.be_born()
        installation.book(500 if full else 40)
        installation.provider.on_templates = refuse
        installation.run("run", "--once").check(0)
        assert installation.provider.ledger == []
        yield installation


def race(due: Installation, folder: Path, code: Path, *, latency: float = 0.0) -> tuple[Verdict, Counter[int]]:
    """Let four processes of a build send what is due, all knowing of all of it before the first claims; then judge."""
    meeting = threading.Barrier(PROCESSES)
    with FakeApis(due.world, latency=lambda: latency) as provider:
        installation = due.copy(folder, provider)
        installation.code = code
        provider.on_templates = lambda: void(meeting.wait(PATIENCE))
        processes = start_all(installation)
        codes = Counter(process.wait(PATIENCE) for process in processes)
        provider.on_templates = lambda: None
        installation.code = None
        installation.restart()
        return installation.judge(0), codes


def void(_: object) -> None:
    """Want nothing of it."""


def test_without_the_lock_each_is_still_sent_once(
    due: Installation, tmp_path: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """By the compare-and-set of the claim alone: whoever finds a row taken leaves it."""
    code = variant(tmp_path / "code", NO_LOCK)
    rounds = 20 if full else 1
    raced = [race(due, tmp_path / f"round{n}", code) for n in range(rounds)]
    sent = sum(verdict.sent for verdict, _ in raced)
    duplicates = sum(len(verdict.duplicates) for verdict, _ in raced)
    codes = sum((codes for _, codes in raced), Counter())

    figures("race without the lock", rounds=rounds, exit_0=codes[0], sent=sent, duplicates=duplicates)
    for verdict, _ in raced:
        verdict.check()
    assert sent == rounds * len(due.due)
    assert codes[0] == rounds * PROCESSES


def test_the_control_without_compare_and_set_sends_twice(
    due: Installation, tmp_path: Path, figures: Callable[..., None]
) -> None:
    """Else this race would prove nothing."""
    verdict, _ = race(due, tmp_path / "round", variant(tmp_path / "code", NO_LOCK, *NO_COMPARE_AND_SET), latency=0.02)

    figures("race without lock and compare-and-set", due=verdict.due, duplicates=len(verdict.duplicates))
    assert verdict.duplicates
