"""A year of an office in minutes: bookings, moves, outages, kills, new tokens, wrong clocks, new settings, a restore.

The short form is three weeks long. The year, and what is done each night:

    SYNCER_FULL=1 python -m pytest tests/reliability/test_year.py -q
    SYNCER_BOOKINGS=60000 python -m pytest tests/reliability/test_year.py -q

`SYNCER_SEED` repeats one.
"""

from __future__ import annotations

import os
import pickle
import random
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from support import modes
from support.fake_clients import FakeCalendly
from support.oracle.history import Due, judge
from support.soak import HOUR, MINUTE, START, Script, Soak, lateness, memory, open_files
from syncer.config.sources import Secret
from syncer.errors import AccessRefused
from syncer.model import State
from syncer.reasons import Reason
from syncer.store import Store, database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from support.oracle.history import Verdict
    from support.soak import Span
    from syncer.config import Settings
    from syncer.model import Message

DAY = timedelta(days=1)
MEBIBYTE = 1 << 20
INTERVAL = timedelta(minutes=20)
KEPT_BY_CALENDLY = 10 * DAY
"""What ended longer ago is in no listing any more: the fake forgets it, so that its memory stays as it is."""
FAULTY = 0.02
FAR = 0.2
MOST_GROWTH = 8 * MEBIBYTE
"""Of the process's memory over the last half."""
BYTES_A_SENT_TEXT = 64
"""Of a text whose booking is deleted: the hash of its key, with its index."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When things happen.

    Attributes:
        days: how many there are.
        month: days between two new tokens, settings or wrong clocks.
        week: days between two outages, and between two looks of the operator.
        kept: days after which bookings are deleted.
    """

    days: int
    month: int
    week: int
    kept: int

    @property
    def undone(self) -> datetime:
        """When a backup of half a day ago is put back."""
        return START + int(self.days * 0.55) * DAY

    @property
    def renewals(self) -> range:
        """The days on which a token ends and settings change."""
        return range(self.month, self.days, self.month)


A_YEAR = Calendar(365, 30, 7, 60)
WEEKS = Calendar(21, 6, 4, 7)


@dataclass
class Year(Soak):
    """A soak whose truth and outbox are written away as it goes, so that what grows is syncer.

    Attributes:
        written: rows of the outbox as they were before their booking was deleted, or the operator acted.
        told: what was due, likewise.
    """

    written: list[Path] = field(default_factory=list)
    told: list[Path] = field(default_factory=list)

    def _write(self, files: list[Path], name: str, rows: object) -> None:
        path = self.path.with_name(f"{name}{len(files)}")
        path.write_bytes(pickle.dumps(rows))
        files.append(path)

    def put_away(self) -> None:
        """Write down what is over; the operator settles what is unknown or failed, which nothing else ever deletes."""
        over = self.now - 2 * DAY
        past = {key: due for key, due in self.script.due.items() if due.expires < over}
        self._write(self.told, "due", past)
        self.script.due = {key: due for key, due in self.script.due.items() if key not in past}
        with Store(database.open_writable(self.path, now=self._clock())) as store:
            rows = [row for row in store.messages() if row.expires_at < over]
            self._write(self.written, "outbox", rows)
            for row in rows:
                if row.state in {State.UNKNOWN, State.FAILED}:
                    store.move(row, State.CANCELED, Reason.BY_OPERATOR, self.now)
        for uri in [uri for uri, event in self.calendly.known.items() if event.end < self.now - KEPT_BY_CALENDLY]:
            del self.calendly.known[uri]
            self.calendly.people.pop(uri, None)

    def change_token(self, number: int) -> None:
        """The old token is refused twice before the operator has given the new one."""
        self.calendly.fail("events", AccessRefused("Calendly 401", status=401), times=2)
        self.process(self.now + 2 * self.interval, deadly=False)
        self.settings = replace(self.settings, token=Secret(f"token-{number}"))

    def change_settings(self, number: int) -> None:
        """All that waits is planned anew; nothing that ought to be sent becomes another text."""
        policy = replace(self.settings.policy, per_number_per_day=10 + number % 2)
        self.settings = replace(self.settings, policy=policy)

    def _rows(self, store: Store) -> dict[str, Message]:
        """All rows of the outbox there ever were, as they were last; of those the operator settled, before that."""
        rows: dict[str, Message] = {}
        for part in [*(pickle.loads(path.read_bytes()) for path in self.written), store.messages()]:  # noqa: S301  ours
            for row in part:
                if row.reason is not Reason.BY_OPERATOR or row.state is not State.CANCELED:
                    rows[row.key] = row
        return rows

    def judged(self) -> tuple[Verdict, list[float]]:
        """Judge the whole year; with the verdict come the seconds by which texts were late."""
        due: dict[str, Due] = {}
        for path in self.told:
            due |= pickle.loads(path.read_bytes())  # noqa: S301  ours
        due |= self.script.due
        for key in self.gateway.refused:
            due[key] = replace(due[key], ends=due[key].ends | {State.FAILED})
        with Store(database.open_read_only(self.path)) as store:
            rows = self._rows(store)
        arrivals = self.gateway.arrivals()
        verdict = judge(
            due=due,
            arrivals=arrivals,
            outbox=[row for row in rows.values() if row.key in due or row.state is not State.SKIPPED],
            ambiguous=self.unknown + self.gateway.ambiguous,
            now=self.now,
            retried=self.retried,
        )
        return verdict, lateness(arrivals, due)


def spans(days: int, chance: random.Random, *, every: int, first: int, hours: float) -> Iterator[Span]:
    """Choose spans of so many hours, one in so many days."""
    for day in range(first, days - 2, every):
        begins = START + day * DAY + chance.randint(0, 20) * HOUR
        yield begins, begins + hours * HOUR


def an_office(path: Path, settings: Callable[..., Settings], chance: random.Random, calendar: Calendar) -> Year:
    """Make the office, and all that happens to it from outside."""
    deaf = list(spans(calendar.days, chance, every=2 * calendar.week, first=2, hours=3))
    blind = list(spans(calendar.days, chance, every=2 * calendar.week, first=2 + calendar.week, hours=0.75))
    jumps = spans(calendar.days, chance, every=calendar.month, first=5, hours=1)
    wrong = {span: timedelta(minutes=chance.choice([-40, 40])) for span in jumps}
    renewed = [(START + day * DAY, START + day * DAY + HOUR) for day in calendar.renewals]
    dark = [*deaf, *blind, *wrong, *renewed]
    quiet = [(calendar.undone - DAY, calendar.undone + 3 * HOUR), *((a - HOUR, b + 3 * HOUR) for a, b in dark)]
    calendly = FakeCalendly()
    toml = (
        f'interval = "{int(INTERVAL.total_seconds())}s"\nreread = "7d"\n[limits]\nsends_per_second = 500\n'
        f'[retention]\nkeep_history = "{calendar.kept}d"\n'
    )
    environ = {"TEMPLATE_ID_RESCHEDULE": "1006", "TEMPLATE_ID_HOST_NOTIFY": "", "HOST_PHONE": ""}
    script = Script(calendly, chance, quiet=quiet, dark=dark, far=FAR)
    year = Year(settings(toml, environ), path, chance, calendly, script)
    year.interval, year.period, year.faulty = INTERVAL, DAY / 2, FAULTY
    year.outages, year.jumps = blind, wrong
    year.gateway.outages, year.gateway.faulty = deaf, FAULTY
    calendly._clock = year._time  # its Date headers
    return year


def live(year: Year, day: int, calendar: Calendar) -> None:
    """Be open for a day: two kills, and what the operator does."""
    dawn = START + day * DAY
    if day in calendar.renewals:
        year.change_token(day)
        year.change_settings(day // calendar.month)
    for half in (1, 2):
        year.process(dawn + half * DAY / 2, deadly=True)
        year.process(dawn + half * DAY / 2, deadly=False)
        if dawn + DAY == calendar.undone and half == 1:
            year.back_up()
        elif dawn + DAY == calendar.undone:
            year.restore(calendar.undone - DAY / 2)
    if day % calendar.week == 0:
        year.retry_some()
        year.put_away()


def test_a_year_of_an_office(
    tmp_path: Path, settings: Callable[..., Settings], *, full: bool, figures: Callable[..., None]
) -> None:
    """The checker has nothing against it, and neither memory nor the file grows over its last half."""
    bookings = int(os.environ.get("SYNCER_BOOKINGS", "20000" if full else "200"))
    calendar = A_YEAR if bookings >= 10_000 else WEEKS
    seed = modes.seed()
    chance, began = random.Random(seed), time.monotonic()  # noqa: S311  no secrets
    year = an_office(tmp_path / "year.db", settings, chance, calendar)
    middle, files, sent, sizes = 0, 0, 0, list[int]()
    for day in range(calendar.days):
        dawn = START + day * DAY
        count = bookings * (day + 1) // calendar.days - bookings * day // calendar.days
        year.script.book(count, max(dawn, year.now), dawn + DAY)
        live(year, day, calendar)
        sizes.append(year.path.stat().st_size)
        if day == calendar.days // 2:
            middle, files, sent = memory(), open_files(), len(year.gateway.arrivals())
    grown, sent = memory() - middle, len(year.gateway.arrivals()) - sent
    assert open_files() <= files
    year.gateway.faulty, year.faulty = 0.0, 0.0
    year.process(year.now + HOUR + 10 * MINUTE, deadly=False)

    verdict, late = year.judged()
    third, last = max(sizes[calendar.days // 4 : calendar.days // 2]), max(sizes[calendar.days * 3 // 4 :])
    figures(
        f"a year of {calendar.days} days, {bookings} bookings, seed {seed}",
        **year.figures,
        **verdict.counts(),
        most_unknown=verdict.ambiguous,
        late_median_s=int(late[len(late) // 2]),
        late_p95_s=int(late[int(len(late) * 0.95)]),
        memory_growth_kib=grown >> 10,
        database_kib=f"{third >> 10} then {last >> 10}",
        seconds=round(time.monotonic() - began),
        **year.gateway.faults,
    )
    verdict.check(f"SYNCER_SEED={seed}")
    assert year.figures["kills"] >= calendar.days / 3
    assert year.figures["ClockWrong"] >= len(year.jumps)
    assert len(late) > bookings
    if calendar is A_YEAR:  # else what is kept has not come to its full size when half of the time is over
        assert grown < MOST_GROWTH
        assert last <= third * 1.05 + BYTES_A_SENT_TEXT * sent
