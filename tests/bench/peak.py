"""Does runs on a database, or walks as a bare client where none is named; prints the most memory it had, in MiB."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx


def peak() -> float:
    """The most memory this process ever had, in MiB. Not `ru_maxrss`: a child begins with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def bare(url: str) -> None:
    """Walk all pages."""
    with httpx.Client() as client:
        page = f"{url}/scheduled_events?count=100"
        while page:
            page = json.loads(client.get(page).content)["pagination"]["next_page"]


def ours(url: str, folder: Path) -> None:
    """Do three runs, or the first one where there is no database yet."""
    from bench.desk import Desk  # noqa: PLC0415  not in the bare process

    desk = Desk.__new__(Desk)
    desk.url = url
    new = not (folder / "syncer.db").exists()
    with desk.worker(folder) as worker:
        for _ in range(1 if new else 3):
            worker.run_once()


if __name__ == "__main__":
    bare(sys.argv[1]) if len(sys.argv) == 2 else ours(sys.argv[1], Path(sys.argv[2]))
    print(peak())  # noqa: T201  the benchmark reads it
