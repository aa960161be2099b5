"""What is wrong when the program starts: real processes, one clear line, the exit code, nothing sent, nothing made.

Each cell begins with a sound database that has two texts to send, and with one thing about it or around it spoiled. The
last word of the line says what to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest

from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

RUN = [sys.executable, "-m", "syncer", "run", "--once"]
MODES_COUNT = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"] if os.geteuid() == 0 else []
"""Root may do all: without its capabilities it is held by the modes of its own files, too."""
OWN_MOUNTS = ["unshare", "--mount", "--map-root-user", "sh", "-ec"]
READ_ONLY = 'mount --bind {0} {0}; mount -o remount,bind,ro {0}; exec "$@"'
SMALL_DISK = 'mkdir -p small; mount -t tmpfs -o size={0},mode=700 none small; cp -p {1} small/; exec "$@"'


@cache
def able(*command: str) -> bool:
    """Whether this machine lets us do something at all."""
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    return False


@dataclass(slots=True)
class StartupFolder:
    """A folder with an `.env` and a database that has two texts to send.

    Attributes:
        ahead: how far the world's clock is ahead.
        wrapped: a command that runs another one, to take rights away from it or to give it mounts of its own.
    """

    folder: Path
    world: World
    url: str
    ahead: list[timedelta]
    wrapped: Sequence[str] = ()
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def db(self) -> Path:
        """The database."""
        return self.folder / "data" / "syncer.db"

    def needs(self, *command: str) -> None:
        """Skip the cell where the machine does not let us play it."""
        if not able(*command):
            pytest.skip(f"this machine does not allow: {' '.join(command)}")

    def without_root(self) -> None:
        """Let modes of files count for the process, whoever runs the tests."""
        if MODES_COUNT:
            self.needs(*MODES_COUNT, "true")
            self.wrapped = MODES_COUNT

    def mounts(self, script: str) -> None:
        """Run the process with mounts of its own, made by a script that begins in `folder`."""
        self.needs(*OWN_MOUNTS, f'cd "{self.folder}"; {script}', "sh", "true")
        self.wrapped = [*OWN_MOUNTS, script, "sh"]

    def run(self) -> tuple[int, str]:
        """Run once; returns the exit code and stderr."""
        environ = {"PATH": os.environ["PATH"], "SYNCER_DB": str(self.db), "SYNCER_LOG_FORMAT": "json"}
        done = subprocess.run(
            [*self.wrapped, *RUN],
            cwd=self.folder,
            env=environ | self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr

    def sql(self, statement: str) -> None:
        """Change something inside the database."""
        with contextlib.closing(sqlite3.connect(self.db)) as db, db:
            db.execute(statement)


def now() -> datetime:
    """The real clock: these are real processes."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartupFolder]:
    """A served world and a database born before its one booking."""
    ahead = [timedelta(0)]
    world = World(lambda: now() + ahead[0])
    with SandboxServer(world) as server:
        place = StartupFolder(tmp_path_factory.mktemp("startup"), world, server.url, ahead)
        place.folder.joinpath(".env").write_text("\n".join(env_lines(server.url)), encoding="utf-8")
        place.db.parent.mkdir(mode=0o700)
        assert place.run()[0] == 0
        time.sleep(1.1)  # a booking of the very second of the birth would be neither before nor after it
        world.book(start=now() + timedelta(days=3), phone="+13125550142")
        yield place


@pytest.fixture
def place(origin: StartupFolder, tmp_path: Path) -> Iterator[StartupFolder]:
    """A copy of it, taken away again even where its modes are spoiled."""
    shutil.copytree(origin.folder, tmp_path / "here")
    made = StartupFolder(tmp_path / "here", origin.world, origin.url, origin.ahead)
    made.world.texts.clear()
    yield made
    if made.db.parent.is_dir():
        made.db.parent.chmod(0o700)
    made.ahead[0] = timedelta(0)


def directory(place: StartupFolder) -> None:
    """The database is a directory."""
    place.db.unlink()
    place.db.mkdir()


def no_folder(place: StartupFolder) -> None:
    """Its folder is not there."""
    shutil.rmtree(place.db.parent)


def folder_is_a_file(place: StartupFolder) -> None:
    """Its folder is a file."""
    shutil.rmtree(place.db.parent)
    place.db.parent.touch()


def read_only_folder(place: StartupFolder) -> None:
    """A folder that may not be written."""
    place.without_root()
    place.db.parent.chmod(0o500)


def read_only_folder_and_no_database(place: StartupFolder) -> None:
    """A folder that may not be written, and no database in it."""
    place.db.unlink()
    place.db.with_name("syncer.db.lock").unlink()
    place.db.with_name("syncer.db.ballast").unlink(missing_ok=True)
    read_only_folder(place)


def read_only_file(place: StartupFolder) -> None:
    """A file that may not be written."""
    place.without_root()
    place.db.chmod(0o400)


def unreadable_file(place: StartupFolder) -> None:
    """A file that may not be read."""
    place.without_root()
    place.db.chmod(0o000)


def read_only_disk(place: StartupFolder) -> None:
    """A disk that is mounted read-only."""
    place.mounts(READ_ONLY.format("data"))


def read_only_mounted_file(place: StartupFolder) -> None:
    """A file that is mounted read-only."""
    place.mounts(READ_ONLY.format("data/syncer.db"))


def no_database_on_a_small_disk(place: StartupFolder) -> None:
    """A disk of half a MiB, and no database on it."""
    place.mounts(SMALL_DISK.format("512k", "/dev/null"))
    place.environ["SYNCER_DB"] = "small/syncer.db"


def database_on_a_small_disk(place: StartupFolder) -> None:
    """A disk that has no room left beside the database."""
    place.mounts(SMALL_DISK.format("2m", "data/syncer.db"))
    place.environ["SYNCER_DB"] = "small/syncer.db"


def corrupt_header(place: StartupFolder) -> None:
    """One wrong byte in the header."""
    whole = place.db.read_bytes()
    place.db.write_bytes(b"SQLite format 4" + whole[15:])


def corrupt_page(place: StartupFolder) -> None:
    """A page of zeros."""
    whole = place.db.read_bytes()
    place.db.write_bytes(whole[:8192] + bytes(4096) + whole[12288:])


def cut_in_half(place: StartupFolder) -> None:
    """Half of the file."""
    whole = place.db.read_bytes()
    place.db.write_bytes(whole[: len(whole) // 2])


def text_file(place: StartupFolder) -> None:
    """A text."""
    place.db.write_text("CALENDLY_TOKEN=x\n" * 100)


def link_to_nothing(place: StartupFolder) -> None:
    """A link to a file that is not there."""
    place.db.unlink()
    place.folder.joinpath("volume").mkdir()
    place.db.symlink_to(place.folder / "volume" / "syncer.db")


def device(place: StartupFolder) -> None:
    """A device."""
    place.environ["SYNCER_DB"] = "/dev/null"


def queue(place: StartupFolder) -> None:
    """A named pipe, on which whoever opens it waits for ever."""
    place.db.unlink()
    os.mkfifo(place.db, 0o600)


def folder_of_everybody(place: StartupFolder) -> None:
    """A folder that everybody may write."""
    place.db.parent.chmod(0o777)


def other_program(place: StartupFolder) -> None:
    """Another program's database."""
    place.db.unlink()
    place.sql("CREATE TABLE places (url TEXT)")
    place.db.chmod(0o600)


def newer_schema(place: StartupFolder) -> None:
    """A database of a later release."""
    place.sql(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('syncer', '9999_later', '2031')"
    )


def other_account(place: StartupFolder) -> None:
    """Another account's database."""
    place.sql("UPDATE meta SET value = 'https://api.calendly.com/organizations/OTHER' WHERE name = 'account'")
    place.sql("DELETE FROM meta WHERE name = 'token_digest'")


def without_birth(place: StartupFolder) -> None:
    """A database that has lost its birth."""
    place.sql("UPDATE meta SET value = 'once' WHERE name = 'born_at'")


def no_zones(place: StartupFolder) -> None:
    """No time zones."""
    package = place.folder / "hidden" / "tzdata"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    place.environ |= {"PYTHONTZPATH": "/nonexistent", "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}


def clock_behind(place: StartupFolder) -> None:
    """A clock that is ten minutes behind."""
    place.ahead[0] = timedelta(minutes=10)


def clock_ahead(place: StartupFolder) -> None:
    """A clock that is ten minutes ahead."""
    place.ahead[0] = -timedelta(minutes=10)


CASES = [
    (directory, 2, r"syncer\.db is a folder\. SYNCER_DB names a file"),
    (no_folder, 2, r"the folder .*data does not exist. Create it, or correct SYNCER_DB"),
    (folder_is_a_file, 2, r"the folder .*data does not exist. Create it, or correct SYNCER_DB"),
    (read_only_folder, 1, r"[Pp]ermission denied|readonly.*writable.*folder|folder .* is not writable"),
    (read_only_folder_and_no_database, 1, r"Permission denied.*writable"),
    (read_only_file, 1, r"syncer\.db is read-only\. .*writable"),
    (unreadable_file, 1, r"syncer\.db: Permission denied.*readable"),
    (read_only_disk, 1, r"Read-only file system.*writable"),
    (read_only_mounted_file, 1, r"syncer\.db is read-only\. .*writable"),
    (no_database_on_a_small_disk, 1, r"16 MiB are free at .*small\. Make room"),
    (database_on_a_small_disk, 1, r"16 MiB are free at .*small\. Make room"),
    (corrupt_header, 1, r"is not a database.*restore a backup.*syncer restored"),
    (corrupt_page, 1, r"(damaged|malformed).*[Rr]estore a backup.*syncer restored"),
    (cut_in_half, 1, r"(damaged|malformed).*[Rr]estore a backup.*syncer restored"),
    (text_file, 1, r"is not a database.*restore a backup.*syncer restored"),
    (link_to_nothing, 1, r"No such file.*link"),
    (device, 1, r"/dev/null.*SYNCER_DB"),  # who is not root cannot even make its lock
    (queue, 1, r"is no file\. SYNCER_DB names a file"),
    (folder_of_everybody, 1, r"everybody may write.*chmod o-w"),
    (other_program, 2, r"another program's database.*SYNCER_DB"),
    (newer_schema, 2, r"newer syncer \(schema 9999_later\).*Install"),
    (other_account, 2, r"belongs to .*OTHER.*SYNCER_DB"),
    (without_birth, 1, r"birth.*restore a backup"),
    (no_zones, 1, r"time zone.*tzdata"),
    (clock_behind, 1, r"clock is (59\d|60\d) s behind.*[Ss]et the clock"),
    (clock_ahead, 1, r"clock is (59\d|60\d) s ahead.*[Ss]et the clock"),
]
"""What is spoiled, the exit code, and what the line says."""
WRITES = {"other_account", "clock_behind", "clock_ahead", "newer_schema"}
"""Found out while the database is open, which writes the row of the run."""


@pytest.mark.parametrize(("spoil", "code", "line"), [pytest.param(*case, id=str(case[0].__doc__)) for case in CASES])
def test_a_start_that_cannot_go_on_says_one_line_and_touches_nothing(
    place: StartupFolder, spoil: Callable[[StartupFolder], None], code: int, line: str
) -> None:
    """One error line with its remedy, that exit code, no text, and the folder is as it was."""
    spoil(place)
    before = tree(place.folder)

    got, err = place.run()
    errors = [said for said in map(json.loads, err.splitlines()) if said["level"] == "error"]
    after = tree(place.folder)

    assert [said["event"] for said in errors] == ["run.failed"], err
    assert re.search(line, f"{errors[0]['reason']}. {errors[0]['remedy']}"), err
    assert "Traceback" not in err
    assert got == code
    assert place.world.texts == []
    assert spoil.__name__ in WRITES or after == before


def test_a_file_that_everybody_may_read_is_closed_and_the_start_goes_on(place: StartupFolder) -> None:
    """A copy that was put back is like that: one line says that its mode is 0600 now, and both texts leave."""
    place.db.chmod(0o644)

    code, err = place.run()
    warnings = [said for said in map(json.loads, err.splitlines()) if said["event"] == "database.warning"]

    assert (code, len(warnings)) == (0, 1), err
    assert stat.S_IMODE(place.db.stat().st_mode) == 0o600
    assert len(place.world.texts) == 2


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777], ids=oct)
def test_a_sound_start_sends_both_texts(place: StartupFolder, mode: int) -> None:
    """What the table stands on: without a fault the same folder sends; a sticky folder of everybody's is no harm."""
    place.db.parent.chmod(mode)

    code, err = place.run()

    assert code == 0, err
    assert [text.plan_name for text in place.world.texts] == ["syncer/confirmation", "syncer/host"]


def test_modes_hold_root_in_these_tests(place: StartupFolder) -> None:
    """What the cells with modes stand on: the wrapped process may not write a file of mode 0400."""
    place.without_root()
    place.db.chmod(0o400)

    wrote = subprocess.run([*place.wrapped, "sh", "-c", f'echo >> "{place.db}"'], capture_output=True, check=False)

    assert wrote.returncode != 0


def tree(folder: Path) -> dict[str, object]:
    """Everything in a folder with its content, but the lock, which is made before anything is looked at."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        name = str(path.relative_to(folder))
        if not name.endswith(".lock"):
            readable = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
            found[name] = (mode, path.read_bytes() if readable else None)
    return found
