"""The lock file beside the database: one run at a time, and a witness of what the database has claimed.

A backup that was put back, or a database whose log (WAL) was lost, is a sound database of an earlier moment: nothing in
it can tell, and what it sends may have left before. The lock file lies outside of it and can.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from syncer.errors import Locked, StoreError, WrongDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LENGTH = 64
"""Bytes of the witness: always as many, so that each writing covers the one before."""


class Witness:
    """Which database was here, and how many claims it had made, by its own count."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> tuple[str, int] | None:
        """Read the database's instance and its count; None = there is none, or it is not to be read."""
        try:
            instance, claims = os.pread(self._descriptor, LENGTH, 0).decode("ascii").split()
            return instance, int(claims)
        except (OSError, ValueError):
            return None

    def write(self, instance: str, claims: int) -> None:
        """Note them; not synced, and no error where that fails: the claim itself is on the disk."""
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, f"{instance} {claims}".ljust(LENGTH - 1).encode("ascii") + b"\n", 0)


@contextlib.contextmanager
def witness_of(path: Path) -> Iterator[Witness | None]:
    """Look at what the lock file beside a database knows of it, without the lock; None = there is none to be read."""
    path = path.resolve()
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield Witness(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def run_lock(path: Path) -> Iterator[Witness]:
    """Hold the run lock beside the database; the kernel frees it when the process ends, however it ends.

    Raises:
        Locked: another run holds it.
        WrongDatabase: there is no such folder.
        StoreError: the lock file cannot be made.
    """
    # Of the file itself: whoever comes by a link must meet the same lock.
    path = path.resolve()
    beside = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        raise WrongDatabase(f"the folder {path.parent} does not exist", "Create it, or correct SYNCER_DB") from None
    except OSError as error:
        raise StoreError(f"{beside}: {error.strerror}", "The folder must be writable (SYNCER_DB)") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remedy = "Let it finish, or stop it; two workers on one database would be one too many"
            raise Locked(f"another run holds {beside}", remedy) from None
        except OSError as error:
            raise StoreError(f"{beside}: {error.strerror}", "Its file system must know locks: a local disk") from None
        yield Witness(descriptor)
    finally:
        os.close(descriptor)
