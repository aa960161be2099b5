"""Puts the real parts together: clients, store, worker."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
import zoneinfo
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from syncer.calendly import Calendly
from syncer.errors import Stopped, SyncerError
from syncer.http import SENDS_KEEPALIVE, Http
from syncer.log import hide, tell
from syncer.store import Store, database
from syncer.store.lock import run_lock
from syncer.worker import Worker
from syncer.zone_data import use_newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncer.config import Secret, Settings
    from syncer.engagelab import EngageLab, Template
    from syncer.http import Prepared
    from syncer.log import Tell
    from syncer.model import Message
    from syncer.outbox import Outcome
    from syncer.ports import Progress
    from syncer.zone_data import ZoneData


SLICE = 10.0
"""Seconds of a wait after which it is said that it goes on."""


def now() -> datetime:
    """Read the clock: aware UTC."""
    return datetime.now(UTC)


def check_zones() -> ZoneData:
    """Take the newest time zone data, and look whether they are there: a slim image may lack them.

    Raises:
        SyncerError: they are not.
    """
    found = use_newest()
    try:
        zoneinfo.ZoneInfo("America/Chicago")
    except (zoneinfo.ZoneInfoNotFoundError, OSError):
        raise SyncerError(
            "this machine has no time zone data", "Install the Python package tzdata, or the system's"
        ) from None
    return found


def _http_options(settings: Settings, alive: Callable[[], None], stopping: Callable[[], bool]) -> dict[str, Any]:
    """List what both APIs' connections have in common."""
    return {
        "proxy": settings.proxy,
        "ca_file": str(settings.ca_file or ""),
        "connections": settings.concurrency,
        "on_end": alive,
        "stopping": stopping,
    }


@contextlib.contextmanager
def a_reader(
    settings: Settings,
    *,
    sleep: Callable[[float], None] = time.sleep,
    on_wait: Callable[[float, str], None] | None = None,
    alive: Callable[[], None] = lambda: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Calendly]:
    """Make a reader of Calendly; `alive` is called after each request, `stopping` gives one up."""
    with Http(**_http_options(settings, alive, stopping)) as http:
        yield Calendly(
            settings.calendly_url,
            settings.token.reveal(),
            http,
            sleep=sleep,
            max_per_minute=settings.max_requests_per_minute,
            on_wait=on_wait,
            renew=lambda: settings.token.reveal() if _renewed(settings.token) else "",
            remedy=settings.token.remedy,
        )


def _renewed(*secrets: Secret) -> bool:
    """Read secrets once more, and keep new ones out of the log; returns whether one is another now."""
    changed = [secret for secret in secrets if secret.renew()]
    for secret in changed:
        hide(secret.reveal())
    return bool(changed)


@contextlib.contextmanager
def a_gateway(
    settings: Settings,
    *,
    sleep: Callable[[float], None] = time.sleep,
    alive: Callable[[], None] = lambda: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[EngageLab]:
    """Make the gateway; `alive` is called after each request, `stopping` gives one up that is no send."""
    from syncer.engagelab import EngageLab

    with Http(keepalive=SENDS_KEEPALIVE, **_http_options(settings, alive, stopping)) as http:
        pair = settings.dev_key, settings.dev_secret
        key, secret = (one.reveal() for one in pair)
        yield EngageLab(
            settings.engagelab_url,
            key,
            secret,
            http,
            sleep=sleep,
            number_format=settings.number_format,
            renew=lambda: (pair[0].reveal(), pair[1].reveal()) if _renewed(*pair) else None,
            remedy=". ".join(dict.fromkeys(one.remedy for one in pair if one.remedy)),
        )


class Later:
    """A gateway that is made when it is first asked for something: most runs have nothing to send."""

    def __init__(self, make: Callable[[], EngageLab]) -> None:
        self._made = functools.cache(make)

    def templates(self) -> Sequence[Template]:
        """List all templates."""
        return self._made().templates()

    def prepare(self, message: Message, *, instance: str = "") -> Prepared:
        """Build the request for a message."""
        return self._made().prepare(message, instance=instance)

    def send(self, prepared: Prepared) -> Outcome:
        """Send it, once."""
        return self._made().send(prepared)


@contextlib.contextmanager
def a_worker(
    settings: Settings,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    clock: Callable[[], datetime] = now,
    tell: Tell = tell,
    stop: threading.Event | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[Worker]:
    """Make a worker on the settings' database, holding its lock; a dry run works on a copy in memory and locks nothing.

    Raises:
        Locked: another run holds the lock.
        StoreError: the database cannot be used.
        SyncerError: this machine has no time zones.
    """
    check_zones()
    stop = stop or threading.Event()

    def sleep(seconds: float) -> None:
        while seconds > 0:
            alive()
            if stop.wait(min(seconds, SLICE)):
                raise Stopped("asked to stop")
            seconds -= SLICE

    def wait(seconds: float, reason: str) -> None:
        tell("calendly.throttled", seconds=round(seconds, 1), reason=reason)
        if progress is not None:
            progress.wait(seconds, reason)

    common: dict[str, Any] = {"sleep": sleep, "alive": alive, "stopping": stop.is_set}
    with contextlib.ExitStack() as parts:
        if dry_run:
            store = Store(database.open_copy(settings.db))
        else:
            witness = parts.enter_context(run_lock(settings.db))
            opened = database.open_writable(
                settings.db, now=clock(), note=lambda line: tell("database.warning", reason=line)
            )
            store = Store(opened, settings.db, witness)
        parts.enter_context(store)
        store.check_witness()
        worker = Worker(
            settings=settings,
            store=store,
            calendly=parts.enter_context(a_reader(settings, on_wait=wait, **common)),
            gateway=Later(lambda: parts.enter_context(a_gateway(settings, **common))),
            clock=clock,
            tell=tell,
            stop=stop,
            alive=alive,
        )
        if progress is not None:
            worker.progress = progress
        yield worker
