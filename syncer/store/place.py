"""The place of the database file: its folder, its file system, its modes, the room on its disk, and the ballast.

Looks at files only, before SQLite opens anything: closing another descriptor of an open database would drop its locks.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath

from syncer.errors import NoRoom, StoreError, WrongDatabase

FREE_SPACE = 16 * 1024 * 1024
"""Bytes that must be free before anything is claimed: a full disk must not meet a text that has just left."""
BALLAST = 1024 * 1024
"""Bytes put aside beside the database, to be given up when the disk is full all the same."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
MAGIC = b"SQLite format 3\0"
MOUNTS = Path("/proc/self/mountinfo")
FOLDER = "The folder must be writable (SYNCER_DB)"
ON_A_NETWORK = frozenset(
    "9p afs beegfs ceph cifs coda davfs fuse glusterfs gpfs lustre ncpfs nfs nfs4 orangefs prl_fs smb3 smbfs vboxsf"
    " virtiofs vmhgfs".split()
)
"""File systems whose locks or whose shared memory cannot be trusted: SQLite's WAL and flock both need a local disk.

Those of a virtual machine's host (9p, virtiofs, vboxsf …) are others' disks, too.
"""
LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs"})
"""Of the file systems that a program makes (`fuse.…`), those that hand files of a local disk on: a container's root.

A block device by FUSE has the kind `fuseblk` (NTFS, exFAT) and is local.
"""


def check_place(path: Path) -> None:
    """Check everything about the database's place, and make the empty file with its mode if it is not there.

    Raises:
        WrongDatabase: SYNCER_DB names a place where none can be.
        StoreError: it cannot be opened there now, with what to do.
    """
    check_folder(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        check_file(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", FOLDER) from None


def check_folder(path: Path) -> None:
    """Check where the database is to be, without touching anything; errors as for `check_place`."""
    folder = path.parent
    if not folder.is_dir():
        raise WrongDatabase(f"the folder {folder} does not exist", "Create it, or correct SYNCER_DB")
    if path.is_dir():
        raise WrongDatabase(f"{path} is a folder", "SYNCER_DB names a file")
    if is_on_a_network(kind := file_system(path)):
        raise WrongDatabase(f"{path} is on a network file system ({kind})", "SYNCER_DB must be on a local disk")
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise StoreError(f"everybody may write to the folder {folder}", f"It holds phone numbers: chmod o-w {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{path}: the folder {folder} is not writable", FOLDER)
    if not has_room(path):
        raise StoreError(f"less than {FREE_SPACE >> 20} MiB are free at {folder}", "Make room; nothing was sent")


def has_room(path: Path) -> bool:
    """Whether enough is free on the database's disk to go on."""
    space = os.statvfs(path.parent)
    return space.f_bavail * space.f_frsize >= FREE_SPACE


def is_on_a_network(kind: str) -> bool:
    """Whether a kind of file system is no local disk."""
    return kind in ON_A_NETWORK or (kind.startswith("fuse.") and kind not in LOCAL_FUSE)


def file_system(path: Path, mounts: str | None = None) -> str:
    """Name the kind of file system that a path is on (`ext4`, `nfs4`); empty where nobody says.

    Args:
        path: of a file that need not be there.
        mounts: what Linux says of its mounts (proc_pid_mountinfo(5)); None = read it now.
    """
    if mounts is None:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="replace") if MOUNTS.exists() else ""
    folder = PurePosixPath(path.parent.resolve() / path.name)
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, told = before.split(), after.split()
        if len(fields) > 4 and told:  # noqa: PLR2004  the fifth field is the mount point
            point = fields[4].replace("\\040", " ")
            # The last of several on one point covers the others.
            if folder.is_relative_to(point) and len(point) >= len(best):
                best, kind = point, told[0]
    return kind


def check_file(path: Path) -> None:
    """Refuse a link to nothing (a volume not mounted?), and what is no database."""
    try:
        path.stat()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", "It is a link: what it leads to must exist") from None
    check_kind(path)
    if not os.access(path, os.W_OK):
        raise StoreError(f"{path} is read-only", "It must be readable and writable for this user")


def is_public(path: Path) -> bool:
    """Whether everybody on this machine may read or write a file."""
    return bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))


def make_private(path: Path) -> str:
    """Set the mode of a database that everybody may read to 0600: copies and restored backups often are.

    Only for a file that is surely syncer's own, with its log (WAL) beside it. Returns a line to tell; "" = nothing was
    to be done.

    Raises:
        StoreError: it is somebody else's file, so its mode cannot be set.
    """
    told = ""
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        if not file.exists() or not is_public(file):
            continue
        try:
            file.chmod(0o600)
        except OSError as error:
            remedy = f"It holds phone numbers: let its owner run chmod 600 {file}"
            raise StoreError(
                f"everybody may read {file}, and its mode cannot be set: {error.strerror}", remedy
            ) from None
        told = told or f"everybody could read {file}: its mode is 0600 now"
    return told


def check_kind(path: Path) -> None:
    """Refuse what is no SQLite file, before anything is advised about it. Nothing may be connected yet.

    Raises:
        StoreError: it is not one, or cannot be read.
    """
    if not path.is_file():
        raise StoreError(f"{path} is no file", "SYNCER_DB names a file of its own")
    try:
        with path.open("rb") as file:
            begin = file.read(len(MAGIC))
    except OSError as error:
        remedy = "It must be readable and writable for this user, and so must its folder"
        raise StoreError(f"{path}: {error.strerror}", remedy) from None
    if begin and begin != MAGIC:
        remedy = "It is not a sound database: restore a backup, then run `syncer restored`"
        raise StoreError(f"{path} is not a database (SQLITE_NOTADB)", remedy)


class Ballast:
    """A file of zeros beside the database. When the disk fills up between a text and its record, it makes the room."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".ballast")

    def lay(self) -> None:
        """Put it there, unless it is; a disk that has no room for it has none for the database's next page either.

        Raises:
            NoRoom: the disk is full.
            StoreError: it cannot be written.
        """
        try:
            if self._path.exists() and self._path.stat().st_size == BALLAST:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(bytes(BALLAST))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            kind = NoRoom if error.errno in FULL else StoreError
            raise kind(f"{self._path}: {error.strerror}", "Make room on this disk; nothing was sent") from None

    def drop(self) -> bool:
        """Give it up; returns whether there was one."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
