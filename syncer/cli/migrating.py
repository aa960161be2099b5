"""`syncer migrate`: schema changes, applied or listed. `run` applies them by itself."""

from __future__ import annotations

import click

from syncer.cli import App, pass_app


@click.command()
@click.option("--list", "only_list", is_flag=True, help="Only list them.")
@pass_app
def migrate(app: App, *, only_list: bool) -> None:
    """Apply the database's schema changes; makes the database if there is none."""
    from syncer.cli.moving import say
    from syncer.store import database
    from syncer.store.lock import run_lock

    path = app.settings(need_secrets=False).db
    if only_list:
        applied = database.applied_migrations(path)
        for name in database.migration_names():
            click.echo(f"{name}  {applied.get(name, 'pending')}")
        return
    before = database.applied_migrations(path)
    with run_lock(path):
        database.open_writable(path, note=say).close()
        after = database.applied_migrations(path)
    new = [name for name in after if name not in before]
    click.echo(f"{path}: " + (f"applied {', '.join(new)}" if new else "up to date"))
