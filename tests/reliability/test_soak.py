"""Three days in five minutes: 2,160 runs, 5,000 bookings, a tenth of all calls failing, a kill an hour, a restore.

`SYNCER_SEED` repeats a soak. The short form is six hours long.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from support import modes
from support.fake_clients import FakeCalendly
from support.soak import HOUR, INTERVAL, MEBIBYTE, MINUTE, START, Script, Soak, lateness, memory, open_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syncer.config import Settings

MOST_FOR_A_BOOKING = 8192
"""Bytes of the database, with its messages and their history."""
MOST_GROWTH = 5 * MEBIBYTE
"""Of the process's memory, from the moment on at which about as many people are booked as there ever are."""
SLOWEST = 0.99


def test_days_of_a_busy_office(
    tmp_path: Path, settings: Callable[..., Settings], *, full: bool, figures: Callable[..., None]
) -> None:
    """The checker has nothing against it, most texts are in time, and neither memory nor files grow without end."""
    hours, bookings = (72, 5000) if full else (6, 300)
    seed = modes.seed()
    chance, began = random.Random(seed), time.monotonic()  # noqa: S311  no secrets
    calendly = FakeCalendly()
    undone = START + (hours * 0.55) * HOUR
    script = Script(calendly, chance, quiet=[(undone - HOUR, undone + 2 * HOUR)])
    script.book(bookings, START, START + hours * HOUR)
    toml = f'interval = "{int(INTERVAL.total_seconds())}s"\n[limits]\nsends_per_second = 500\n'
    environ = {"TEMPLATE_ID_RESCHEDULE": "1006", "TEMPLATE_ID_HOST_NOTIFY": "", "HOST_PHONE": ""}
    soak = Soak(settings(toml, environ), tmp_path / "soak.db", chance, calendly, script)
    calendly._clock = lambda: soak.now  # its Date headers
    early = 0
    for hour in range(1, hours + 1):
        soak.process(START + hour * HOUR, deadly=True)
        soak.process(START + hour * HOUR, deadly=False)
        if hour == int(hours * 0.55):
            soak.back_up()
        if hour == int(hours * 0.55) + 1:
            soak.restore(soak.now - HOUR)
        if hour % 6 == 0:
            soak.retry_some()
        if hour == hours * 5 // 6:  # as many bookings are ahead by then as there ever are
            early, files = memory(), open_files()
    soak.gateway.chance = calm = random.Random(seed)  # noqa: S311
    calm.random = lambda: 1.0  # type: ignore[method-assign]  # nothing fails any more
    soak.process(soak.now + HOUR + 10 * MINUTE, deadly=False)

    verdict = soak.verdict()
    late = lateness(soak.gateway.arrivals(), script.due)
    growth, size = memory() - early, soak.path.stat().st_size
    figures(
        f"soak of {hours} hours, seed {seed}",
        **soak.figures,
        **verdict.counts(),
        most_unknown=verdict.ambiguous,
        late_p99_s=int(late[int(len(late) * SLOWEST)]),
        memory_growth_kib=growth >> 10,
        database_kib=size >> 10,
        seconds=round(time.monotonic() - began),
        **soak.gateway.faults,
    )
    verdict.check(f"SYNCER_SEED={seed}")
    assert soak.figures["kills"] >= hours // 2
    assert len(late) > bookings
    assert growth < MOST_GROWTH
    assert open_files() <= files  # one that a test before it had left open may be gone
    assert size < MOST_FOR_A_BOOKING * bookings + MEBIBYTE
    assert late[int(len(late) * SLOWEST)] <= (2 * INTERVAL + 20 * MINUTE).total_seconds()
