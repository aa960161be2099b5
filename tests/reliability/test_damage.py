"""A damaged database: flipped bytes, smashed pages, cut files, logs (WAL) that are gone, foreign or of an older day.

Real runs make the file: rows in every state, texts that left, one on its way, others due. Each cell spoils a copy and
does two runs on it. Each cell must end in one of these:

    refused    one line, exit 1 (2 where it looks like another program's), and nothing left
    stopped    the damage shows on the way: what left until then is what a run on the sound file sends
    right      what a run on the sound file sends, all of it
    withheld   part of that: some text was not sent, and no more
    altered    a text with other words: the damage is in words that no checksum covers

and in none of them is a text that has left sent again, the file replaced, or a new life begun in it.

What SQLite cannot notice: its pages have no checksums, and a flipped letter in a name is a name. No single flip makes a
state of another, the CHECKs refuse what is no state, and a flipped key meets its own index; so such damage changes a
waiting text's words at worst. It is counted apart and bounded. A database whose log was lost, cut or replaced after a
crash is a sound database of an earlier moment, as a backup is: `OLDER`.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, TUTORIAL, an_event, an_invitee
from support.databases import born
from support.fake_clients import FakeCalendly, FakeGateway, Sent
from support.worker_on_fakes import CONTENTS, WorkerOnFakes
from syncer import config
from syncer.engagelab import Template
from syncer.errors import Older, SyncerError, WrongDatabase
from syncer.model import State, utc_text
from syncer.outbox import NoAnswer, NotNow, Refused
from syncer.store import Store, database
from syncer.store.lock import run_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syncer.config import Settings
    from syncer.outbox import Outcome

BORN = NOW - timedelta(days=7)
LATER = NOW + timedelta(days=1, minutes=20)
"""When the damaged file is opened: four reminders are due that never left, and one that was put off."""
SHORT, FULL = 40, 200
DUE, FAR = 9, 4
PAGE = 4096
SINCE_THE_CHECKPOINT = 3
"""Texts that only the log knows of: a cancellation and two reminders."""
LETTERS = "abcdefghijklm"
PUT_OFF, ON_ITS_WAY = 0, 2
"""In the last run the first reminder is put off, and the third is on its way at the moment of the crash."""


def number(n: int) -> str:
    """The number of the n-th invitee."""
    return f"+1312555{1000 + n}"


@dataclass
class Gateway(FakeGateway):
    """A gateway that has its answer for some texts, by number and template.

    Attributes:
        verdicts: those answers; all other texts are accepted.
    """

    verdicts: dict[tuple[str, str], Outcome] = field(default_factory=dict)

    def send(self, prepared: Any) -> Outcome:
        """Take a text and answer as ordered."""
        before = len(self.sends)
        outcome = super().send(prepared)
        sent = self.sends[before]
        return self.verdicts.get((sent.to, sent.template), outcome)


def a_gateway(**more: Any) -> Gateway:
    """Make a gateway with the tutorial's templates."""
    return Gateway({i: Template(id=i, content=c, status=2) for i, c in CONTENTS.items()}, **more)


@dataclass
class Ground:
    """What all cells begin with.

    Attributes:
        closed: the database as one sound file, all of it checkpointed.
        live: the same moment as a crash left it: the file as it was before, and its log.
        lock: the file of its lock, at that moment.
        older: the log of an earlier moment of the same connection.
        foreign: the log of another database of the same program.
        left: what reached the gateway before, but for the one that was put off.
        fresh: what a run on the sound file sends.
    """

    settings: Settings
    calendly: FakeCalendly
    closed: bytes
    live: tuple[bytes, bytes]
    lock: bytes
    older: bytes
    foreign: bytes
    left: list[Sent]
    fresh: list[Sent] = field(default_factory=list)


def bookings() -> FakeCalendly:
    """Book some meetings in two days, one after the other, and some in a month; the last has no number."""
    calendly = FakeCalendly()
    for n in range(DUE + FAR):
        start = NOW + (timedelta(days=2, minutes=n) if n < DUE else timedelta(days=30, minutes=n))
        event = an_event(f"e{n}", start=start)
        invitee = an_invitee(event, f"i{n}", text_reminder_number=number(n) if n < DUE + FAR - 1 else "")
        calendly.put(event, replace(invitee, name=f"Ines Okafor {LETTERS[n]}"))
    return calendly


def cancel(calendly: FakeCalendly, n: int, at: datetime) -> None:
    """Cancel the n-th meeting."""
    uri = next(uri for uri in calendly.known if uri.endswith(f"/e{n}"))
    event = an_event(f"e{n}", start=calendly.known[uri].start, status="canceled", active=0)
    [invitee] = calendly.people[uri]
    calendly.put(event, replace(invitee, status="canceled", canceled_at=at, canceler_type="host"))


def make(folder: Path, settings: Settings) -> Ground:
    """Let real runs make the database, and keep it as it is in the middle of a send."""
    path = folder / "made.db"
    log = path.with_name("made.db-wal")
    calendly, gateway = bookings(), a_gateway()
    gateway.verdicts = {
        (number(4), "1001"): Refused("EngageLab 3002: no"),
        (number(5), "1001"): NoAnswer("no answer"),
        (number(6), "1001"): NotNow("EngageLab 5001: later", tries=3),  # put off until it expires
        (number(PUT_OFF), "1003"): NotNow("EngageLab 5001: later", tries=3),
    }
    with born(Store(database.open_writable(path)), BORN) as store:
        WorkerOnFakes(settings, store, calendly=calendly, gateway=gateway).run()
    kept: list[bytes] = []

    def crash(sent: Sent) -> None:
        if (sent.to, sent.template) == (number(ON_ITS_WAY), "1003"):
            lock = path.with_name("made.db.lock").read_bytes()
            kept[:] = [path.read_bytes(), log.read_bytes(), len(gateway.sends).to_bytes(4, "big"), lock]

    with run_lock(path) as witness, Store(database.open_writable(path), witness=witness) as store:
        cancel(calendly, DUE + 1, NOW + timedelta(hours=6, minutes=50))
        WorkerOnFakes(settings, store, calendly=calendly, gateway=gateway, now=NOW + timedelta(hours=7)).run()
        older = log.read_bytes()
        gateway.on_send = crash
        WorkerOnFakes(settings, store, calendly=calendly, gateway=gateway, now=NOW + timedelta(days=1, minutes=4)).run()
    live = (kept[0], kept[1])
    for name, content in zip(("closed.db", "closed.db-wal"), live, strict=True):
        (folder / name).write_bytes(content)
    with contextlib.closing(sqlite3.connect(folder / "closed.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Without checkpoints its log is whole. A part of one would spoil the file, which is another cell.
    with born(Store(database.open_writable(folder / "other.db", checkpoints=False)), BORN) as store:
        WorkerOnFakes(settings, store, calendly=bookings(), gateway=a_gateway()).run()
        foreign = folder.joinpath("other.db-wal").read_bytes()
    put_off = (number(PUT_OFF), "1003")
    sends = gateway.sends[: int.from_bytes(kept[2], "big")]
    left = [sent for sent in sends if (sent.to, sent.template) != put_off]
    closed = (folder / "closed.db").read_bytes()
    return Ground(settings, calendly, closed, live, kept[3], older, foreign, left)


@dataclass
class Trial:
    """What came of two runs on a spoiled copy.

    Attributes:
        sends: what reached the gateway in both.
        errors: how each run ended, None = well.
        same_file: whether the file is the one that was there.
        empty: whether it had no bytes at all in the beginning.
        born: the birth in the file afterwards; None = not to be read.
    """

    sends: list[Sent]
    errors: list[SyncerError | None]
    same_file: bool
    empty: bool
    born: str | None


def attempt(ground: Ground, path: Path) -> Trial:
    """Do two runs on a file, each as a new process would; only a SyncerError may end one."""
    was = path.stat()
    gateway = a_gateway()
    errors: list[SyncerError | None] = []
    for again in range(2):
        try:
            now = LATER + again * timedelta(minutes=1)
            with run_lock(path) as witness, Store(database.open_writable(path), witness=witness) as store:
                store.check_witness()
                WorkerOnFakes(ground.settings, store, calendly=ground.calendly, gateway=gateway, now=now).run()
            errors.append(None)
        except SyncerError as error:
            errors.append(error)
    return Trial(gateway.sends, errors, path.stat().st_ino == was.st_ino, not was.st_size, birth(path))


def birth(path: Path) -> str | None:
    """Read when a database was born; None = it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT value FROM meta WHERE name = 'born_at'").fetchone()
            return None if row is None else str(row[0])
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def lay(folder: Path, closed: bytes, log: bytes | None = None, lock: bytes = b"") -> Path:
    """Put a database there, with its log and its lock."""
    folder.mkdir()
    path = folder / "syncer.db"
    path.write_bytes(closed)
    path.chmod(0o600)
    if log is not None:
        path.with_name("syncer.db-wal").write_bytes(log)
    path.with_name("syncer.db.lock").write_bytes(lock)
    return path


def said(sent: Sent) -> tuple[str, str, str]:
    """What a person reads, whatever the key."""
    return (sent.to, sent.template, repr(sorted(sent.params.items())))


def judge(ground: Ground, trial: Trial) -> str:
    """Say what came of a cell, and refuse what may never come of one, but for `duplicate`."""
    left = {sent.key for sent in ground.left}
    expected = Counter((sent.key, said(sent)) for sent in ground.fresh)
    got = Counter((sent.key, said(sent)) for sent in trial.sends)
    assert max(Counter(sent.key for sent in trial.sends).values(), default=1) == 1, "one key twice"
    assert trial.same_file
    assert trial.empty or trial.born is None or trial.born < utc_text(LATER), "a new life"
    for error in filter(None, trial.errors):
        assert error.exit_code == (2 if isinstance(error, WrongDatabase) else 1)
        assert "\n" not in f"{error}{error.remedy}", "more than one line"
        assert error.remedy
    if left & {sent.key for sent in trial.sends}:
        return "duplicate"
    if trial.errors[0] is not None and not trial.sends:
        return "unexpected" if str(trial.errors[0]).startswith("unexpected") else "refused"
    if got - expected:
        assert not {said(sent) for sent in ground.left} & {said(sent) for sent in trial.sends}, "under another key"
        return "altered"
    if trial.errors[0] is not None:
        return "stopped"
    return "right" if got == expected else "withheld"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """The database of all cells, and what a run on it sends while it is sound."""
    folder = tmp_path_factory.mktemp("damage")
    folder.joinpath("syncer.toml").touch()
    made = make(folder, config.load(environ=TUTORIAL, folder=folder))
    sound = attempt(made, lay(folder / "sound", made.closed))
    assert sound.errors == [None, None]
    made.fresh += sound.sends
    return made


def test_the_ground_has_rows_in_every_state_and_texts_due(ground: Ground, tmp_path: Path) -> None:
    """What the cells stand on: all nine states, most texts gone, some due; a crash's file and log mean the same."""
    path = lay(tmp_path / "closed", ground.closed)
    with contextlib.closing(sqlite3.connect(path)) as db:
        states = {state for (state,) in db.execute("SELECT DISTINCT state FROM messages")}

    crashed = attempt(ground, lay(tmp_path / "live", *ground.live))

    assert states == set(State)
    assert len(ground.left) > 20
    assert len(ground.fresh) == 7
    assert judge(ground, crashed) == "right"


def noise(length: int) -> bytes:
    """Bytes that mean nothing, the same in each run."""
    return hashlib.shake_256(b"noise").digest(length)


def spoil(sound: bytes, n: int, count: int) -> bytes:
    """Flip a bit, turn a byte over, or smash a page: the n-th of so many places, spread over the whole file."""
    bad = bytearray(sound)
    at = (n * len(bad) // count + n * 97) % len(bad)
    match n % 4:
        case 0 | 1:
            bad[at] ^= 1 << n // 4 % 8
        case 2:
            bad[at] ^= 0xFF
        case _:
            page = at // PAGE * PAGE
            bad[page : page + PAGE] = bytes(PAGE) if n % 8 == 3 else noise(PAGE)
    return bytes(bad)


def test_flipped_bytes_and_smashed_pages_repeat_nothing(
    ground: Ground, tmp_path: Path, full: bool, figures: Callable[..., None]
) -> None:
    """Over the whole file, and in the row and the index of each key that has left: there a flip would hurt most."""
    count = FULL if full else SHORT
    spoiled = [spoil(ground.closed, n, count) for n in range(count)]
    found = Counter(judge(ground, attempt(ground, lay(tmp_path / f"{n}", bad))) for n, bad in enumerate(spoiled))
    aimed: Counter[str] = Counter()
    for n, at in enumerate(places(ground)[:: 1 if full else 4]):
        bad = bytearray(ground.closed)
        bad[at] ^= 1 << n % 8
        aimed[judge(ground, attempt(ground, lay(tmp_path / f"aimed{n}", bytes(bad))))] += 1

    figures("damaged bytes", cells=count, **found)
    figures("damaged keys of texts that left", cells=sum(aimed.values()), **aimed)
    total = found + aimed
    assert total["duplicate"] == 0
    assert total["refused"] >= count // 5
    assert total["altered"] <= total.total() // 20


def places(ground: Ground) -> list[int]:
    """Find where the keys of texts that left stand in the file, a byte near the end of each, and the states there."""
    keys = [sent.key.encode() for sent in ground.left]
    return [
        at + len(key) - 3 - n % 20
        for n, key in enumerate(keys)
        for at in range(len(ground.closed))
        if ground.closed.startswith(key, at)
    ]


def test_a_file_that_was_cut_repeats_nothing(ground: Ground, tmp_path: Path, figures: Callable[..., None]) -> None:
    """Twenty lengths, on a page's border and off it; a file of no bytes at all begins a life that texts nobody."""
    lengths = [n * len(ground.closed) // 20 // (PAGE if n % 2 else 1) * (PAGE if n % 2 else 1) for n in range(20)]
    trials = [attempt(ground, lay(tmp_path / f"{n}", ground.closed[:length])) for n, length in enumerate(lengths)]
    found = Counter(judge(ground, trial) for trial in trials)

    figures("cut files", cells=len(trials), **found)
    assert found == {"refused": 19, "withheld": 1}
    assert trials[0].sends == []


FILES: list[Any] = [
    pytest.param(lambda _: (b"", None), "withheld", id="an empty file: a new life, in which nobody is texted"),
    pytest.param(lambda g: (bytes(len(g.closed)), None), "refused", id="a file of zeros"),
    pytest.param(lambda _: (b"hello\n" * 9_000, None), "refused", id="a text"),
    pytest.param(lambda g: (b"\x1f\x8b" + g.closed, None), "refused", id="a packed file"),
    pytest.param(lambda g: (g.closed[:16] + bytes(len(g.closed) - 16), None), "refused", id="a header and zeros"),
    pytest.param(lambda g: (g.closed[:PAGE] * 50, None), "refused", id="the first page again and again"),
    pytest.param(
        lambda g: (g.closed.replace(b"sent2026-", b"sdnt2026-", 1), None),
        "refused",
        id="a state that is none, in a row",
    ),
    pytest.param(lambda g: (g.closed, b""), "right", id="beside an empty log"),
    pytest.param(lambda g: (g.closed, bytes(99_999)), "right", id="beside a log of zeros"),
    pytest.param(lambda g: (g.closed, b"hello\n" * 9_000), "right", id="beside a text for a log"),
    pytest.param(lambda g: (g.closed, g.older), "refused", id="beside the log of an older moment"),
    pytest.param(lambda g: (g.live[0], g.live[1] + bytes(PAGE)), "right", id="a log with a tail of zeros"),
    pytest.param(
        lambda g: (g.live[0], g.live[1] + g.older), "right", id="a log with the frames of an older one behind it"
    ),
    pytest.param(lambda g: (g.live[0], g.live[1] + noise(5_000)), "right", id="a log with a torn tail"),
]


@pytest.mark.parametrize(("files", "verdict"), FILES)
def test_what_is_no_database_or_no_log_of_it(
    ground: Ground, tmp_path: Path, files: Callable[[Ground], tuple[bytes, bytes | None]], verdict: str
) -> None:
    """Refused, and every byte stays as it is; or, where the log is worthless and not needed, done right."""
    before, log = files(ground)
    path = lay(tmp_path / "cell", before, log)

    trial = attempt(ground, path)

    assert judge(ground, trial) == verdict
    # With a log that fits, SQLite itself moves that into the file when it closes, damaged or not.
    assert verdict != "refused" or log is not None or path.read_bytes() == before
    assert verdict == "right" or trial.sends == []


OLDER: dict[str, Callable[[Ground], tuple[bytes, bytes | None]]] = {
    "its log is gone": lambda g: (g.live[0], None),
    "its log is empty": lambda g: (g.live[0], b""),
    "its log is zeros": lambda g: (g.live[0], bytes(len(g.live[1]))),
    "its log is cut": lambda g: (g.live[0], g.live[1][: len(g.live[1]) // 2]),
    "a flip at the beginning of its log": lambda g: (g.live[0], flipped(g.live[1], 2 * PAGE)),
    "a flip in the middle of its log": lambda g: (g.live[0], flipped(g.live[1], len(g.live[1]) // 2)),
    "its log is of an older moment": lambda g: (g.live[0], g.older),
    "its log is another database's": lambda g: (g.live[0], g.foreign),
    "sound, but the log of another database lies beside it": lambda g: (g.closed, g.foreign),
}
"""After a crash the newest commits are in the log alone. SQLite takes a log's frames as far as their checksums go, and
no log is no error to it: what is left is sound, and older."""


def flipped(content: bytes, at: int) -> bytes:
    """Turn one byte over."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def test_a_database_of_an_earlier_moment_repeats_only_what_it_does_not_know_of(
    ground: Ground, tmp_path: Path, figures: Callable[..., None]
) -> None:
    """Only its lock tells it from a newer one: then it is refused until `restored` is run, and sends none of it again.

    Without its lock (a backup on a new machine) what it knows to have left stays, and the rest is up to `restored`.
    """
    again: dict[str, int] = {}
    noticed = 0
    for n, (name, files) in enumerate(OLDER.items()):
        path = lay(tmp_path / f"told{n}", *files(ground))
        with Store(database.open_writable(path)) as store:
            gone = [State.SENT, State.SENDING, State.UNKNOWN, State.FAILED]
            knows = {one.key for one in store.messages(states=gone)}
            store.restored(LATER)
        told, untold = attempt(ground, path), attempt(ground, lay(tmp_path / f"untold{n}", *files(ground)))
        seen = attempt(ground, locked := lay(tmp_path / f"locked{n}", *files(ground), lock=ground.lock))
        noticed += isinstance(seen.errors[0], Older)
        with run_lock(locked) as witness, Store(database.open_writable(locked), witness=witness) as store:
            store.restored(LATER)
        assert attempt(ground, locked).errors == [None, None], name
        assert judge(ground, seen) == "refused", name
        again[name] = len({sent.key for sent in ground.left} & {sent.key for sent in untold.sends})

        assert judge(ground, told) != "duplicate", name
        assert told.errors == [None, None], name
        assert not knows & {sent.key for sent in untold.sends}, name
    figures(
        "databases of an earlier moment",
        cells=len(OLDER),
        noticed=noticed,
        sent_again_without_the_lock=sum(again.values()),
        sent_again_after_restored=0,
    )
    assert noticed == len(OLDER)
    assert max(again.values()) <= SINCE_THE_CHECKPOINT
