"""Three days in five minutes: 2,160 runs, 5,000 bookings, a tenth of all calls failing, a kill an hour, a restore.

`SYNCER_SEED` repeats a soak. The short form is six hours long.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from checker import judge
from fakes import FakeCalendly, InlineExecutor
from soak import HOUR, INTERVAL, MINUTE, START, Gateway, Killed, Script, lateness, trouble

from syncer.errors import Older, SyncerError
from syncer.log import EVENTS
from syncer.model import State
from syncer.reasons import Reason
from syncer.store import Store, database
from syncer.store.lock import run_lock
from syncer.worker import LOOP, Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from checker import Verdict

    from syncer.config import Settings

PAGE = os.sysconf("SC_PAGE_SIZE")
MEBIBYTE = 1 << 20
MOST_WAL = 4 * MEBIBYTE
MOST_FOR_A_BOOKING = 8192
"""Bytes of the database, with its messages and their history."""
MOST_GROWTH = 5 * MEBIBYTE
"""Of the process's memory, from the moment on at which about as many people are booked as there ever are."""
SLOWEST = 0.99


@dataclass
class Soak:
    """One database, and the days that it lives through.

    Attributes:
        now: the simulated time.
        unknown: how many messages may be unknown: unclear answers, kills, and what was due in the hour that is undone.
        figures: what was counted.
        retried: keys that the operator sent again.
    """

    settings: Settings
    path: Path
    chance: random.Random
    calendly: FakeCalendly
    script: Script
    now: datetime = START
    unknown: int = 0
    figures: Counter[str] = field(default_factory=Counter)
    retried: list[str] = field(default_factory=list)
    _deadly: int = 0
    _waited: float = 0.0
    _store: Store | None = None

    def __post_init__(self) -> None:
        """Make the gateway."""
        self.gateway = Gateway(self.chance, self._time, self.path.with_name("ledger"), self._maybe_die)

    def _time(self) -> datetime:
        return self.now

    def _maybe_die(self) -> None:
        """Die at the n-th place from here, if a death was ordered: the connection is gone, nothing more is written."""
        if self._deadly:
            self._deadly -= 1
            if not self._deadly and self._store is not None:
                self._store.db.conn.close()
                raise Killed

    def process(self, until: datetime, *, deadly: bool) -> None:
        """Be one process, from its start to its end: runs every interval until then, or until it is killed."""
        with contextlib.ExitStack() as opened:
            witness = opened.enter_context(run_lock(self.path))
            store = Store(database.open_writable(self.path), self.path, witness)
            self._store = store
            opened.callback(store.db.close)
            store.check_witness()
            worker = self._worker(store)
            while self.now < until:
                # In the last tenth of its hour, at one of the next few sends.
                if deadly and not self._deadly and until - self.now < HOUR / 10:
                    self._deadly = self.chance.randint(1, 8)
                self._act()
                self.figures["faults"] += bool(trouble(self.calendly, self.chance))
                try:
                    worker.run_once(LOOP)
                    self.figures["completed"] += 1
                except Killed:
                    self.figures["kills"] += 1
                    self.unknown += self._left_in_flight()
                    self.now += INTERVAL
                    return
                except SyncerError as error:
                    self.figures[type(error).__name__] += 1
                self.figures["runs"] += 1
                self.now += INTERVAL
                self.calendly.calls.clear()
                assert Path(f"{self.path}-wal").stat().st_size <= MOST_WAL
            self._deadly = 0

    def _left_in_flight(self) -> int:
        """Count what a killed process had claimed together; the next run makes all of it unknown."""
        with Store(database.open_read_only(self.path)) as left:
            count = len(left.in_flight())
        assert 1 <= count <= self.settings.concurrency
        return count

    def _worker(self, store: Store) -> Worker:
        made = Worker(
            settings=self.settings,
            store=store,
            calendly=self.calendly,
            gateway=self.gateway,
            clock=self._time,
            ticks=lambda: (self.now - START).total_seconds() + self._waited,
            executor=InlineExecutor,
            tell=self._tell,
        )

        def wait(timeout: float | None = None) -> bool:
            self._waited += timeout or 0
            return False

        made.stop.wait = wait  # type: ignore[method-assign]  # nobody waits here
        return made

    def _tell(self, event: str, /, **_: object) -> None:
        assert event in EVENTS

    def _act(self) -> None:
        """Let people do what they do until now."""
        acts = self.script.acts
        while acts and acts[-1].at <= self.now:
            acts.pop().do()

    def back_up(self) -> None:
        """Copy the database, as the manual says."""
        with Store(database.open_writable(self.path)) as store:
            store.db.conn.execute("VACUUM INTO ?", [str(self.path.with_name("backup.db"))])

    def restore(self, made: datetime) -> None:
        """Put the backup in the database's place; it is noticed, and the operator says that it is one."""
        for end in ("-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)
        shutil.copy(self.path.with_name("backup.db"), self.path)
        self.path.chmod(0o600)
        with pytest.raises(Older):
            self.process(self.now + INTERVAL, deadly=False)
        with (
            run_lock(self.path) as witness,
            Store(database.open_writable(self.path), witness=witness) as store,
        ):
            store.restored(self.now)
        self.unknown += sum(made - HOUR <= due.at <= self.now for due in self.script.due.values())

    def retry_some(self) -> None:
        """The operator sends two unknown messages again that are still worth it."""
        with Store(database.open_writable(self.path)) as store:
            worth = [one for one in store.messages(states=[State.UNKNOWN]) if one.expires_at > self.now + HOUR]
            for message in worth[:2]:
                store.again(message, Reason.BY_OPERATOR, self.now)
                self.retried.append(message.key)

    def verdict(self) -> Verdict:
        """Judge the whole story."""
        for key in self.gateway.refused:
            self.script.due[key] = replace(self.script.due[key], ends=self.script.due[key].ends | {State.FAILED})
        with Store(database.open_read_only(self.path)) as store:
            outbox = store.messages()
        return judge(
            due=self.script.due,
            arrivals=self.gateway.arrivals(),
            outbox=[one for one in outbox if one.state is not State.SKIPPED],
            ambiguous=self.unknown + self.gateway.ambiguous,
            now=self.now,
            retried=self.retried,
        )


def memory() -> int:
    """Bytes of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_days_of_a_busy_office(
    tmp_path: Path, settings: Callable[..., Settings], *, full: bool, figures: Callable[..., None]
) -> None:
    """The checker has nothing against it, most texts are in time, and neither memory nor files grow without end."""
    hours, bookings = (72, 5000) if full else (6, 300)
    seed = os.environ.get("SYNCER_SEED") or f"{time.time_ns() % 10**9}"
    chance, began = random.Random(seed), time.monotonic()  # noqa: S311  no secrets
    calendly = FakeCalendly()
    undone = START + (hours * 0.55) * HOUR
    script = Script(calendly, chance, bookings, hours, undone)
    script.acts.reverse()
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
