"""A worker on the real clock: booked without end, failing now and then, watched. Ten minutes; in CI 12 s."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cli_workspace import now
from support.modes import LONG_FORM
from support.service_manager import Manager

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cli_workspace import Workspace

LONGEST_SILENCE = 60.0
"""Seconds: half of the units' WatchdogSec."""


def memory(pid: int) -> float:
    """Resident memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_a_worker_that_stays(workspace: Workspace, full: bool, figures: Callable[..., None]) -> None:
    """Each text once, never silent for long, no memory and no file lost on the way."""
    if not full:
        pytest.skip(LONG_FORM)
    seconds = 600
    (workspace.folder / "syncer.toml").write_text(
        'interval = "5s"\n[limits]\nsends_per_second = 50\nper_number_per_day = 1000\n', encoding="utf-8"
    )
    workspace.world.rate_limit = 5_000
    environ = {"NOTIFY_SOCKET": str(workspace.folder / "notify"), "WATCHDOG_USEC": "120000000"}
    with (
        closing(Manager(environ["NOTIFY_SOCKET"])) as manager,
        (workspace.folder / "log").open("w", encoding="utf-8") as log,
    ):
        worker = workspace.start("run", "--log-format", "json", "--log-level", "warning", environ=environ, stderr=log)
        try:
            manager.listen(20, until=manager.heard("READY=1"))
            time.sleep(1.1)
            end, booked, early = time.monotonic() + seconds, 0, 0.0
            while time.monotonic() < end:
                workspace.world.book(
                    start=now() + timedelta(days=3, seconds=booked), phone=f"+1312555{booked % 9000 + 1000:04d}"
                )
                booked += 1
                if booked % 20 == 0:
                    workspace.world.faults.fail("/v1/messages", status=400, body={"code": 5001, "message": "later"})
                    workspace.world.faults.fail("/scheduled_events", status=503)
                if booked == 300:
                    workspace.world.faults.fail("/v1/messages", status=429, headers={"Retry-After": "20"})
                early = early or (memory(worker.pid) if booked > 10 else 0.0)
                manager.listen(1.0)
            # What was refused comes again by itself.
            for _ in range(60):
                if len({text.to for text in workspace.world.texts}) > booked:
                    break
                manager.listen(1.0)
            late, files = memory(worker.pid), len(list(Path(f"/proc/{worker.pid}/fd").iterdir()))
        finally:
            worker.terminate()
            worker.communicate(timeout=60)
    pings = [at for at, line in manager.said if line == "WATCHDOG=1"]
    silence = max(second - first for first, second in pairwise(pings))
    guests = Counter(text.to for text in workspace.world.texts if text.to != "+13125550177")
    figures(
        "real time", seconds=seconds, bookings=booked, longest_silence_s=round(silence, 1), mib=round(late - early, 1)
    )

    assert worker.returncode == 0
    assert silence < LONGEST_SILENCE
    assert late - early < 15
    assert files < 40
    assert {number for number, count in guests.items() if count > 1} == set()
    assert len(guests) == booked
