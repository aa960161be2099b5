"""The part of `syncer check` that looks at this machine: libraries, who may read the secrets, the database's place."""

from __future__ import annotations

import os
import platform
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from syncer.errors import SyncerError

if TYPE_CHECKING:
    from syncer.calendly import Me
    from syncer.cli.checking import Checklist
    from syncer.config import Settings
    from syncer.store import Store
    from syncer.zone_data import ZoneData


def check_machine(facts: Checklist) -> None:
    """Check what syncer stands on, and that nobody else reads or replaces the secrets."""
    from syncer.cli.building import check_zones
    from syncer.store import database

    try:
        data = check_zones()
        database.check_sqlite()
    except SyncerError as error:
        facts.fail(f"this machine: {error}", error.remedy)
    else:
        facts.ok(f"this machine: Python {platform.python_version()}, SQLite {database.SQLITE}, {_zones(data)}")
    _check_secrets(facts)


def check_certificates(facts: Checklist, path: Path) -> None:
    """Say what the file `ca_file` makes trusted; an expired certificate makes nothing so."""
    import ssl

    from syncer.cli.building import now

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs() if "notAfter" in one]
    expired = sum(end < now().timestamp() for end in ends)
    if expired:
        facts.warn(f"ca_file: {expired} of {len(ends)} certificates in {path} have expired", "Put the new ones there")
    else:
        facts.ok(
            f"ca_file: {context.cert_store_stats()['x509']} certificates in {path}, trusted besides the public ones"
        )


def _zones(data: ZoneData) -> str:
    return f"time zones {data.version or 'of unknown age'} of {data.source}"


def _check_secrets(facts: Checklist) -> None:
    from syncer.config import schema
    from syncer.config.sources import Sources, at_home

    folder = Path.cwd()
    sources = Sources(os.environ, folder)
    env = folder / ".env"
    if any(name in level for where, level in sources.levels if where == ".env" for name in schema.SECRETS):
        if stat.S_IMODE(env.stat().st_mode) & stat.S_IROTH:
            facts.fail(".env: everybody on this machine may read its secrets", f"chmod 600 {env}")
        else:
            facts.ok(".env: not for everybody's eyes")
    for name in schema.SECRETS:
        file = at_home(sources.raw(f"{name}_FILE"))
        # Mounted secrets are often readable for all, in a container of one user. Writable for all is never meant.
        if file and (folder / file).exists() and (folder / file).stat().st_mode & stat.S_IWOTH:
            facts.fail(f"{name}_FILE: everybody on this machine may replace {file}", f"chmod o-w {file}")


def check_database(facts: Checklist, settings: Settings, me: Me | None) -> None:
    """Check the database's place and, if it is there, whose it is and whether it is whole."""
    from syncer.store import place

    path = settings.db
    try:
        place.check_folder(path)
        if not path.exists():
            facts.ok(f"SYNCER_DB: {path} will be made by the first run")
            return
        place.check_file(path)
        _check_content(facts, path, me)
        if place.is_public(path):
            facts.warn(f"SYNCER_DB: everybody may read {path}", "The next run sets its mode to 0600")
    except SyncerError as error:
        facts.error("SYNCER_DB", error)


def _check_content(facts: Checklist, path: Path, me: Me | None) -> None:
    from syncer.store import Store, database
    from syncer.store.lock import witness_of

    with witness_of(path) as witness, Store(database.open_read_only(path), witness=witness) as store:
        database.check_health(store.db, path)
        store.check_witness()
        bound = store.meta("account")
        if me is not None and bound and bound != me.organization:
            told = f"SYNCER_DB: {path} belongs to {bound}, the token to {me.organization}"
            facts.fail(told, "Name another file", exit_code=2)
            return
        facts.ok(f"SYNCER_DB: {path}, whole, {_born(store)}{_last(store)}")


def _born(store: Store) -> str:
    if store.born_at is None:
        return "not used yet: it is as old as its first complete listing"
    return f"since {store.born_at:%Y-%m-%d %H:%M} UTC"


def _last(store: Store) -> str:
    last = store.last_run(outcome="completed")
    erased = ", and the next run clears what was erased" if store.wants_scrub() else ""
    return (f", last complete run {last['ended_at']}" if last else ", no complete run yet") + erased
