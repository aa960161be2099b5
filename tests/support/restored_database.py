"""A database with runs on it and a backup to put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders import an_event, an_invitee
from support.databases import new_database
from support.fake_clients import FakeCalendly
from support.worker_on_fakes import WorkerOnFakes, a_gateway
from syncer.model import State
from syncer.store import Store, database
from syncer.store.lock import run_lock

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from syncer.config import Settings
    from syncer.reasons import Reason


class DatabaseWithBackup:
    """A database with runs on it, a backup of an hour ago, and what the world did meanwhile."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.path, self.backup = folder / "office.db", folder / "backup.db"
        self.settings = settings
        self.calendly, self.gateway = FakeCalendly(), a_gateway()

    def book(self, name: str, *, start: datetime, created_at: datetime) -> None:
        """Somebody books; each has a number of their own."""
        event = an_event(name, start=start)
        number = f"+1312555{len(self.calendly.known):04}"
        invitee = an_invitee(event, created_at=created_at, text_reminder_number=number)
        self.calendly.put(event, invitee)

    def run(self, now: datetime, *, told: bool = False) -> list[str]:
        """One run, as a process of its own; returns what left in it: event and rule."""
        before = len(self.gateway.sends)
        with (
            run_lock(self.path) as witness,
            Store(database.open_writable(new_database(self.path)), witness=witness) as store,
        ):
            if told:
                store.restored(now)
            store.check_witness()
            WorkerOnFakes(self.settings, store, calendly=self.calendly, gateway=self.gateway, now=now).run()
        return sorted(short(sent.key) for sent in self.gateway.sends[before:])

    def unknown(self) -> dict[str, Reason]:
        """The unknown messages with their reason."""
        with Store(database.open_read_only(self.path)) as store:
            return {short(one.key): one.reason for one in store.messages(states=[State.UNKNOWN])}


def short(key: str) -> str:
    """The event and the rule of a key."""
    *_, event, _, _, rule, _ = key.split("/")
    return f"{event} {rule}"
