"""The model of a disk: what may be found when the power comes back, by hand-made stories."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.disk_model import Disk, Event, applied, story

A, B = Event("write", "f", 0, b"aaaa"), Event("write", "f", 4, b"bb")
FOLDER = Path("/srv/data")


def found(*events: Event, many: int = 40) -> set[tuple[tuple[str, bytes], ...]]:
    """All that may be found after these events on a disk that has one file with `old` in it."""
    disk = Disk()
    disk.put("f", b"old")
    for event in events:
        disk.happen(event)
    return {tuple(sorted(state.items())) for state in disk.states(random.Random(1), many)}  # noqa: S311  no secrets


def contents(*events: Event) -> set[bytes]:
    """The same, of that file."""
    return {dict(state)["f"] for state in found(*events)}


def test_what_was_not_synced_may_be_there_or_not_in_any_order() -> None:
    """Two writes: none, either, both, or a torn last one."""
    assert contents(A, B) >= {b"old", b"aaaa", b"old\0bb", b"aaaabb"}


def test_what_was_synced_is_there() -> None:
    """And only what came later is loose."""
    assert contents(A, Event("sync", "f")) == {b"aaaa"}
    assert contents(A, Event("sync", "f"), B) == {b"aaaa", b"aaaabb"}
    assert contents(Event("sync names"), A) == {b"old", b"aaaa"}


def test_names_come_and_go_in_their_order_until_the_folder_is_synced() -> None:
    """A new file may be missing, a removed one may be back; a synced content does not make a name."""
    new = [Event("create", "n"), Event("write", "n", 0, b"x"), Event("sync", "n")]
    gone = Event("unlink", "f")

    assert found(*new) == {(("f", b"old"),), (("f", b"old"), ("n", b"x"))}
    assert found(gone) == {(), (("f", b"old"),)}
    assert found(*new, gone) == {(("f", b"old"),), (("f", b"old"), ("n", b"x")), (("n", b"x"),)}
    assert found(*new, gone, Event("sync names")) == {(("n", b"x"),)}


def test_a_file_made_again_is_another_one() -> None:
    """The old content does not come back under the new name, but the old file may."""
    events = [Event("unlink", "f"), Event("create", "f"), Event("write", "f", 0, b"new"), Event("sync", "f")]

    assert contents(*events, Event("sync names")) == {b"new"}
    assert {dict(state).get("f") for state in found(*events)} == {b"old", b"new", None}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([Event("truncate", "f", 1)], b"o"),
        ([Event("truncate", "f", 5)], b"old\0\0"),
        ([Event("write", "f", 5, b"x")], b"old\0\0x"),
        ([Event("write", "f", 1, b"x")], b"oxd"),
        ([Event("write", "f", 9, b"")], b"old"),
    ],
)
def test_what_a_write_does(events: list[Event], expected: bytes) -> None:
    """As the kernel does it."""
    assert applied(b"old", events) == expected


def hexed(text: str) -> str:
    """Write a text as strace does."""
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def test_a_trace_is_read() -> None:
    """Calls of two threads that interrupt each other, failed ones, and files elsewhere."""
    db, text = hexed("/srv/data/s.db"), hexed('{"custom_args":{"key":"k/1"}}')
    trace = f"""
7  openat(AT_FDCWD<{hexed("/srv/data")}>, "{hexed("s.db-wal")}", O_RDWR|O_CREAT, 0600) = 5<{db}>
7  openat(AT_FDCWD<{hexed("/srv/data")}>, "{hexed("/etc/hosts")}", O_RDONLY) = 6<{hexed("/etc/hosts")}>
7  openat(AT_FDCWD<{hexed("/srv/data")}>, "{hexed("/srv/data/s.db")}", O_RDWR|O_CREAT|O_EXCL) = -1 EEXIST (File exists)
7  pwrite64(5<{db}>, "{hexed("(ab)")}", 4, 96) = 4
7  fdatasync(5<{db}> <unfinished ...>
8  sendto(9<{hexed("socket:[1]")}>, "{text}", 29, 0, NULL, 0 <unfinished ...>
7  <... fdatasync resumed>) = 0
8  <... sendto resumed>) = 29
7  pwrite64(6<{hexed("/etc/hosts")}>, "{hexed("x")}", 1, 0) = 1
7  pwrite64(5<{db}>, "{hexed("x")}", 1, 0) = -1 EIO (Input/output error) (INJECTED)
7  ftruncate(5<{db}>, 512) = 0
7  fsync(8<{hexed("/srv/data")}>) = 0
7  write(2<{hexed("/srv/data/log")}>, "{hexed('{"event": "run.completed"}')}", 26) = 26
7  unlink("{hexed("/srv/data/s.db-wal")}") = 0
7  +++ exited with 0 +++
"""

    assert story(trace, FOLDER, ["s.db", "log"]) == [
        Event("create", "s.db-wal"),
        Event("write", "s.db", 96, b"(ab)"),
        Event("sync", "s.db"),
        Event("arrived", "k/1"),
        Event("truncate", "s.db", 512),
        Event("sync names"),
        Event("done"),
        Event("unlink", "s.db-wal"),
    ]
