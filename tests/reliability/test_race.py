"""Four processes on one database: the lock lets one work; without the lock each key is still sent once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from harness import Provider, a_site
from saboteurs import NO_COMPARE_AND_SET, NO_LOCK
from variants import variant

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from checker import Verdict
    from harness import Site

PROCESSES = 4
PATIENCE = 60.0


def start_all(site: Site) -> list[subprocess.Popen[bytes]]:
    """Start all of them."""
    return [site.start("run", "--once") for _ in range(PROCESSES)]


def test_with_the_lock_three_of_four_end_with_75(tmp_path: Path, *, full: bool, figures: Callable[..., None]) -> None:
    """The one that works waits until the others are gone; what was due is sent once."""
    rounds = 20 if full else 3
    codes: Counter[int] = Counter()
    with a_site(tmp_path / "site") as site:
        site.be_born()
        for _ in range(rounds):
            site.book(2)
            gone = threading.Event()
            site.provider.on_templates = lambda gone=gone: gone.wait(PATIENCE)  # type: ignore[misc]  # no name for it
            processes = start_all(site)
            until = time.monotonic() + PATIENCE
            while sum(process.poll() is None for process in processes) > 1 and time.monotonic() < until:
                time.sleep(0.01)
            gone.set()
            codes.update(process.wait(PATIENCE) for process in processes)
        site.provider.on_templates = lambda: None
        site.restart()
        verdict = site.judge(0)
        log = (site.folder / "log").read_text(encoding="utf-8")

    figures("race with the lock", rounds=rounds, exit_0=codes[0], exit_75=codes[75], **verdict.counts())
    verdict.check()
    assert verdict.sent == rounds * 2
    assert codes == {0: rounds, 75: rounds * (PROCESSES - 1)}
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def due(tmp_path_factory: pytest.TempPathFactory, *, full: bool) -> Iterator[Site]:
    """A database in which many texts are due and none has left: the gateway's templates were not to be had."""

    def refuse() -> None:
        raise ConnectionAbortedError

    with a_site(tmp_path_factory.mktemp("due") / "origin") as site:
        site.be_born()
        site.book(500 if full else 100)
        site.provider.on_templates = refuse
        site.run("run", "--once").check(0)
        assert site.provider.ledger == []
        yield site


def race(due: Site, folder: Path, code: Path, *, latency: float = 0.0) -> tuple[Verdict, Counter[int]]:
    """Let four processes of a build send what is due, all knowing of all of it before the first claims; then judge."""
    meeting = threading.Barrier(PROCESSES)
    with Provider(due.world, latency=lambda: latency) as provider:
        site = due.copy(folder, provider)
        site.code = code
        provider.on_templates = lambda: void(meeting.wait(PATIENCE))
        processes = start_all(site)
        codes = Counter(process.wait(PATIENCE) for process in processes)
        provider.on_templates = lambda: None
        site.code = None
        site.restart()
        return site.judge(0), codes


def void(_: object) -> None:
    """Want nothing of it."""


def test_without_the_lock_each_is_still_sent_once(
    due: Site, tmp_path: Path, *, full: bool, figures: Callable[..., None]
) -> None:
    """By the compare-and-set of the claim alone: whoever finds a row taken leaves it."""
    code = variant(tmp_path / "code", NO_LOCK)
    rounds = 20 if full else 2
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
    due: Site, tmp_path: Path, figures: Callable[..., None]
) -> None:
    """Else this race would prove nothing."""
    verdict, _ = race(due, tmp_path / "round", variant(tmp_path / "code", NO_LOCK, *NO_COMPARE_AND_SET), latency=0.02)

    figures("race without lock and compare-and-set", due=verdict.due, duplicates=len(verdict.duplicates))
    assert verdict.duplicates
