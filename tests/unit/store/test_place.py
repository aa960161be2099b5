"""The place of the database: network file systems, folders that everybody may write to, room on the disk, ballast."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message
from syncer.errors import NoRoom, StoreError
from syncer.model import State
from syncer.outbox import Settlement
from syncer.reconcile import Todo
from syncer.store import Batch, Reading, Store, database, place
from syncer.store.place import Ballast, check_place, file_system, is_on_a_network

if TYPE_CHECKING:
    from syncer.model import Message

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:40 / /srv rw,relatime shared:1 - xfs /dev/vdb rw
41 40 0:41 / /srv/office rw,relatime shared:2 master:1 - nfs4 filer:/office rw,vers=4.2
42 41 0:42 / /srv/office/local rw - ext4 /dev/vdc rw
43 27 0:43 / /media/My\040Share rw - cifs //filer/share rw
44 27 0:44 / /home/ines rw - fuse.sshfs ines@host: rw
45 27 0:45 / /twice rw - nfs4 filer:/twice rw
46 27 0:46 / /twice rw - ext4 /dev/vdd rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/syncer/syncer.db", "ext4"),
        ("/srv/syncer.db", "xfs"),
        ("/srv/office/syncer.db", "nfs4"),
        ("/srv/office/deep/er/syncer.db", "nfs4"),
        ("/srv/office/local/syncer.db", "ext4"),
        ("/srv/officers/syncer.db", "xfs"),
        ("/media/My Share/syncer.db", "cifs"),
        ("/home/ines/syncer.db", "fuse.sshfs"),
        ("/twice/syncer.db", "ext4"),
    ],
)
def test_which_file_system(path: str, expected: str) -> None:
    """The longest mount point decides, and of several on one point the last."""
    assert file_system(Path(path), MOUNTS) == expected


def test_no_word_about_mounts_is_no_reason_to_refuse() -> None:
    """Where the system does not say (macOS), SQLite's own checks remain."""
    assert file_system(Path("/var/lib/syncer.db"), "") == ""
    assert not is_on_a_network("")


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its locks cannot be trusted: one line, and no file is made."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"27 1 254:0 / {tmp_path} rw - nfs4 filer:/x rw\n", encoding="utf-8")
    monkeypatch.setattr(place, "MOUNTS", mounts)

    with pytest.raises(StoreError, match=r"is on a network file system \(nfs4\)") as caught:
        check_place(tmp_path / "syncer.db")

    assert caught.value.remedy == "SYNCER_DB must be on a local disk"
    assert not (tmp_path / "syncer.db").exists()


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        *((kind, True) for kind in ("nfs4", "cifs", "9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "fuse")),
        *((f"fuse.{kind}", True) for kind in ("sshfs", "rclone", "vmhgfs-fuse", "grpcfuse", "osxfs", "mergerfs", "x")),
        *((kind, False) for kind in ("ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "fuseblk", "", "fusectl")),
        ("fuse.fuse-overlayfs", False),
    ],
)
def test_which_kinds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, *, refused: bool) -> None:
    """Those of the network, of a virtual machine's host and of programs; not a local disk, however it is driven."""
    monkeypatch.setattr(place, "file_system", lambda _: kind)
    told = contextlib.nullcontext() if not refused else pytest.raises(StoreError, match=f"network file system.*{kind}")
    with told:
        check_place(tmp_path / "syncer.db")

    assert (tmp_path / "syncer.db").exists() is not refused


@pytest.mark.parametrize(("mode", "refused"), [(0o700, False), (0o770, False), (0o777, True), (0o1777, False)])
def test_a_folder_that_everybody_may_write_to_is_refused(tmp_path: Path, mode: int, *, refused: bool) -> None:
    """Anybody could put another file in the database's place; a sticky folder such as /tmp does not let them."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)

    if refused:
        with pytest.raises(StoreError, match="everybody may write") as caught:
            check_place(folder / "syncer.db")
        assert caught.value.remedy.endswith(f"chmod o-w {folder}")
    else:
        check_place(folder / "syncer.db")

    assert (folder / "syncer.db").exists() is not refused


def test_the_ballast_is_real_and_private(tmp_path: Path) -> None:
    """A mebibyte that is truly there, for its owner alone; laid again when it was given up."""
    ballast, file = Ballast(tmp_path / "syncer.db"), tmp_path / "syncer.db.ballast"
    ballast.lay()
    laid = file.stat()
    gone = ballast.drop(), file.exists(), ballast.drop()
    ballast.lay()

    assert (laid.st_size, laid.st_mode & 0o777, laid.st_blocks * 512 >= 1 << 20) == (1 << 20, 0o600, True)
    assert gone == (True, False, False)
    assert file.stat().st_size == 1 << 20


def test_a_ballast_that_was_cut_short_is_laid_anew(tmp_path: Path) -> None:
    """Whatever emptied it: half a ballast is none."""
    (tmp_path / "syncer.db.ballast").write_bytes(b"x")

    Ballast(tmp_path / "syncer.db").lay()

    assert (tmp_path / "syncer.db.ballast").read_bytes() == bytes(1 << 20)


def claimed(store: Store) -> Message:
    """Commit one message and claim it."""
    booking = a_booking()
    store.commit(Batch([Reading(booking.event, NOW)], [booking]), Todo((a_message(booking),)), NOW)
    return store.claim(a_message(booking), NOW)


class FullOnce(sqlite3.Connection):
    """A connection whose commits meet a full disk, until there is room."""

    blocked_by: Path | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute it; a commit only if the ballast no longer takes the room."""
        if sql == "COMMIT" and self.blocked_by is not None and self.blocked_by.exists():
            self.rollback()
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        return super().execute(sql, parameters)


def test_a_full_disk_after_the_text_costs_the_ballast_and_not_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer came, the disk is full: the ballast goes, and `sent` is committed after all."""
    path = tmp_path / "syncer.db"
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=FullOnce, **kwargs))
    with Store(database.open_writable(path), path) as store:
        message = claimed(store)
        store.db.conn.blocked_by = path.with_name("syncer.db.ballast")  # type: ignore[attr-defined]  # a FullOnce

        settled = store.settle(message, Settlement(State.SENT, message_id="m1"), NOW)

        assert settled.state is State.SENT
        assert [row.state for row in store.messages()] == [State.SENT]
        assert not path.with_name("syncer.db.ballast").exists()


def test_without_a_ballast_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays in `sending`, and the error says that making room is all it takes."""
    path = tmp_path / "syncer.db"
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: real(*args, factory=FullOnce, **kwargs))
    with Store(database.open_writable(path)) as store:
        message = claimed(store)
        store.db.conn.blocked_by = path  # type: ignore[attr-defined]  # a FullOnce

        with pytest.raises(NoRoom) as caught:
            store.settle(message, Settlement(State.SENT, message_id="m1"), NOW)

        assert caught.value.remedy == "The disk is full: make room and start again; nothing is lost"
        assert [row.state for row in store.messages()] == [State.SENDING]


def test_room_is_looked_after_for_a_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's store knows when its disk runs full; a copy in memory has all the room it needs."""
    path = tmp_path / "syncer.db"
    with Store(database.open_writable(path), path) as store, Store(database.open_copy(path)) as copy:
        enough = store.has_room(), copy.has_room()
        monkeypatch.setattr(place, "FREE_SPACE", 1 << 60)
        too_little = store.has_room(), copy.has_room()

    assert enough == (True, True)
    assert too_little == (False, True)
