"""The exception tree. The decision (again, never, unknown; which exit code) is in the type.

SyncerError                   one line for the operator, with a remedy; exit 1
├── SettingsError             every problem of the settings at once; exit 2
├── StoreError                the database cannot be used; exit 1
│   ├── Hindered              not now, and nothing is broken: the next run tries again
│   │   ├── NoRoom            the disk is full
│   │   └── Busy              another program holds the file
│   ├── WrongDatabase         another account's, program's or release's, or no place for one; exit 2
│   ├── Older                 a backup was put back, or the log was lost; exit 1
│   └── Locked                another run holds it; exit 75
├── Overtaken                 somebody else changed the message first: leave it, the next run looks again
├── GuardRefused              a plan that looks like a mistake; exit 3, --force passes
├── ClockWrong                this machine's clock and Calendly's differ: nothing is sent
├── RunHalted                 a login refused, the account out of credit: sending stopped, nothing lost
├── Unsendable                a request that cannot be built: a setting or our own bug; nothing left
├── Stopped                   a signal came while waiting; exit 0
├── NoThreads                 this machine lets the process start no more threads; nothing left
├── NotConnected              no byte of the request left: safe to try again
├── NoUsableAnswer            the request may have arrived, and its answer is not to be had
├── Unreadable                an answer that does not decode: the listing fails, nothing changes
└── CalendlyRefused           an answer that says no; never tried again
    ├── LoginRefused          401
    ├── AccessRefused         403
    ├── NotThere              404
    ├── BadParameter          400, names the parameter
    └── CalendlyBusy          429, 5xx: the one that is tried again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class SyncerError(Exception):
    """Something an operator must know. `remedy` is what to do next, in one sentence."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings: the setting's name, what is wrong, what to do."""

    setting: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Render as one line."""
        return f"{self.setting}: {self.message}" + (f". {self.remedy}" if self.remedy else "")


class SettingsError(SyncerError):
    """The settings do not hold; carries all problems, not just the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class StoreError(SyncerError):
    """The database cannot be opened, read or written."""


class Hindered(StoreError):
    """Nothing was written, nothing is broken, and it is worth another try."""


class NoRoom(Hindered):
    """The disk is full."""


class Busy(Hindered):
    """Another program holds the database."""


class WrongDatabase(StoreError):
    """SYNCER_DB names another account's, another program's or a newer syncer's database, or no place for one."""

    exit_code = 2


class Older(StoreError):
    """The database does not know of texts that have left from here: a backup, or one that has lost its log."""


class Locked(StoreError):
    """Another run holds the lock of this database."""

    exit_code = 75


class Overtaken(SyncerError):
    """A message was no longer in the state it was read in: an operator's command came first. Nothing was written."""


class GuardRefused(SyncerError):
    """The plan looks like a mistake (everything gone, mass cancellation); nothing was changed."""

    exit_code = 3


class ClockWrong(SyncerError):
    """This machine's clock and Calendly's differ by more than two minutes."""


class RunHalted(SyncerError):
    """Sending stopped for every message: login, credit, address. The messages wait."""


class Unsendable(SyncerError):
    """A request that cannot be built from what it is given (address, header, field): found before anything leaves."""


class Stopped(SyncerError):
    """A signal asked the worker to stop while it waited or read; nothing is lost."""

    exit_code = 0


class NoThreads(SyncerError):
    """This machine lets the process start no more threads. What was to run in one did not begin."""

    def __init__(self) -> None:
        remedy = "Raise TasksMax, the container's limit of pids or `ulimit -u`, or lower limits.concurrency"
        super().__init__("this machine lets syncer start no more threads", remedy)


class NotConnected(SyncerError):
    """The connection was never made: no byte of the request left this machine."""


class NoUsableAnswer(SyncerError):
    """The request may have arrived; what became of it is not known."""


class Unreadable(SyncerError):
    """An answer came, but it is not what its documentation says."""


class CalendlyRefused(SyncerError):
    """Calendly answered no."""

    def __init__(self, message: str, remedy: str = "", *, status: int, parameter: str = "") -> None:
        super().__init__(message, remedy)
        self.status = status
        self.parameter = parameter


class LoginRefused(CalendlyRefused):
    """401: the token is wrong, expired or revoked."""


class AccessRefused(CalendlyRefused):
    """403: the token's role or scopes do not allow it."""


class NotThere(CalendlyRefused):
    """404: gone, which is not the same as canceled."""


class BadParameter(CalendlyRefused):
    """400: `parameter` names the one that Calendly did not take."""


class CalendlyBusy(CalendlyRefused):
    """429 or 5xx: worth another try. `retry_after` is in seconds, None when Calendly did not say."""

    def __init__(self, message: str, remedy: str = "", *, status: int, retry_after: float | None = None) -> None:
        super().__init__(message, remedy, status=status)
        self.retry_after = retry_after


def unexpected(fault: Exception) -> SyncerError:
    """Turn a mistake in syncer itself into one line that can be reported: where it happened, and no personal data."""
    spot, frame = "?", fault.__traceback__
    while frame is not None:
        _, ours, name = frame.tb_frame.f_code.co_filename.rpartition("syncer/")
        spot = f"{name}:{frame.tb_lineno}" if ours else spot  # the last one that is ours, whatever library it called
        frame = frame.tb_next
    remedy = "Please report this line; the next run tries again"
    return SyncerError(f"unexpected {type(fault).__name__} at {spot}", remedy)
