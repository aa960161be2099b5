"""Random SIGKILL: real processes, a real SQLite file, a gateway that counts. Whenever it comes, nothing is sent twice.

A story is one database that is killed again and again while people book, then left alone for two runs, then judged.
Most kills come close to a text: so many have just arrived, and a few milliseconds later the process is gone. Each story
has its own random numbers; `SYNCER_SEED` repeats the choices, though not what the machine's scheduler made of them.
"""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support import modes
from support.fake_apis import an_installation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.fake_apis import Installation
    from support.processes import Process

KILLS = {1: (12, 1000), 8: (12, 500)}
"""How many, by the number of texts in flight: in the short form and in the full one."""
KILLS_IN_A_STORY = 25
"""In the long form; the short one tells one story."""
STORIES_AT_ONCE = 2
SECONDS_OF_A_RUN = 0.15
"""Start to end of a run that has something to send, and a little more."""
INTERVAL = 5.0
"""Of the loop."""
LATENCIES = [0.0, 0.003, 0.02]
"""Seconds that the gateway takes for its answer: the claim of the next text meets it early or late."""
DELAYS = [0.0, 0.004, 0.02]
"""Most seconds between an arrival and the kill: at once, about the commit of its result, or some texts later."""
MANY = 10
"""Times as many attempts as kills are enough: some processes end before the kill finds them."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill.

    Attributes:
        loop: whether it is the loop that is killed, not a single run.
        texts: after so many have arrived from this process; None = by the clock alone.
        delay: seconds after that, or after the start.
        later: of a loop, that moment in its second run.
    """

    loop: bool
    texts: int | None
    delay: float
    later: bool = False


def choose(chance: random.Random, concurrency: int) -> Moment:
    """Choose a moment: two in three are just after a text has arrived."""
    loop = chance.random() < 0.1
    if chance.random() < 0.65:
        texts = chance.randint(1, concurrency + 2)
        return Moment(loop, texts, chance.choice(DELAYS) * chance.random(), loop and chance.random() < 0.25)
    return Moment(loop, None, chance.random() * SECONDS_OF_A_RUN)


def kill_at(installation: Installation, moment: Moment, process: Process, *, before: int) -> bool:
    """Kill a process at that moment, `before` texts having arrived when it started; whether it was still alive."""
    until = time.monotonic() + INTERVAL * 2

    def in_time() -> bool:
        return process.poll() is None and time.monotonic() < until

    if moment.later:
        installation.provider.wait_for(before + 1, wanted=in_time)
        time.sleep(INTERVAL / 2)
        before = len(installation.provider.ledger)
        installation.book(installation.concurrency + 3)
    if moment.texts is not None:
        installation.provider.wait_for(before + moment.texts, wanted=in_time)
    time.sleep(moment.delay)
    process.kill()
    return process.wait() == -signal.SIGKILL


def story(folder: Path, seed: str, *, kills: int, concurrency: int) -> dict[str, int]:
    """Live through one; returns its figures.

    Raises:
        AssertionError: the checker found something wrong, or a run without a kill went wrong.
    """
    chance, pauses = random.Random(seed), random.Random(seed)  # noqa: S311  no secrets
    done = attempts = 0
    with an_installation(folder, concurrency=concurrency, latency=lambda: pauses.choice(LATENCIES)) as installation:
        installation.be_born()
        while done < kills:
            attempts += 1
            assert attempts < kills * MANY, "the kills miss"
            installation.book(max(1, concurrency + 3 - installation.missing()))
            moment, before = choose(chance, concurrency), len(installation.provider.ledger)
            process = installation.start("run", *([] if moment.loop else ["--once"]))
            try:
                done += kill_at(installation, moment, process, before=before)
            finally:
                process.kill()
                process.wait()
        assert "Traceback" not in (installation.folder / "log").read_text(encoding="utf-8", errors="replace")
        installation.restart()
        verdict = installation.judge(kills * concurrency)
        verdict.check(
            f"SYNCER_SEED={seed.partition('-')[0]}, {concurrency} in flight, story {seed}: {installation.folder}"
        )
        assert installation.integrity() == "ok"
        return {"kills": kills, **verdict.counts()}


@pytest.mark.parametrize("concurrency", KILLS, ids=["one at a time", "eight in flight"])
def test_random_kills(tmp_path: Path, concurrency: int, *, full: bool, figures: Callable[..., None]) -> None:
    """No duplicate, loss, false `sent` or ghost; unknown at most what can have been in flight at each kill."""
    kills = KILLS[concurrency][full]
    seed = modes.seed()
    stories = range(kills // KILLS_IN_A_STORY if full else 1)
    began = time.monotonic()

    def live(n: int) -> dict[str, int]:
        return story(tmp_path / str(n), f"{seed}-{n}", kills=min(kills, KILLS_IN_A_STORY), concurrency=concurrency)

    with ThreadPoolExecutor(STORIES_AT_ONCE) as lanes:
        lived = list(lanes.map(live, stories))
    counted = {name: sum(one[name] for one in lived) for name in lived[0]}
    unknown = counted["unknown_arrived"] + counted["unknown_not"]

    figures(f"random kills, {concurrency} in flight", **counted, seconds=round(time.monotonic() - began))
    assert counted["kills"] == kills
    assert counted["sent"] > kills / 2
    assert 0 < unknown <= kills * concurrency
