"""`syncer demo` and `syncer sandbox`: try everything on this machine, without any account."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from syncer.cli import App, pass_app
from syncer.errors import SyncerError

DEMO_DB = "syncer-demo.db"


def _need_sandbox() -> None:
    """Say what is missing where only the product was installed.

    Raises:
        SyncerError: the optional part is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        remedy = "pip install 'calendly-syncer[sandbox]', or in a checkout: pip install '.[sandbox]'"
        raise SyncerError(f"the sandbox is not installed ({error.name})", remedy) from None


@click.command()
@pass_app
def demo(app: App) -> None:
    """Play the life of a few bookings against a sandbox of both APIs; no account needed."""
    _need_sandbox()
    from syncer import demo as story

    path = app.db or Path(DEMO_DB)
    story.play(path, click.echo)
    program = "syncer" if shutil.which("syncer") else os.path.relpath(sys.argv[0])
    click.echo(f"\nEverything above is in {path}. Next, type:")
    for arguments in ("explain theo.brandt@example.com", "messages", "messages --state skipped --json"):
        click.echo(f"  {program} --db {path} {arguments}")
    click.echo(f"  {program} sandbox      (a page where you book, move and cancel by hand)")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 = a free one.")
def sandbox(*, port: int) -> None:
    """Serve both APIs and a page to book by hand on loopback, until SIGTERM or SIGINT."""
    _need_sandbox()
    from syncer.cli.building import now
    from syncer.sandbox.page import env_lines
    from syncer.sandbox.server import serve
    from syncer.sandbox.world import World

    def ready(url: str) -> None:
        click.echo(f"The page to book, move and cancel: {url}")
        click.echo("Lines for `.env`, then `syncer run` in that folder:")
        for line in env_lines(url):
            click.echo(f"  {line}")

    try:
        serve(World(now), port, ready=ready)
    except OSError as error:
        raise SyncerError(f"port {port}: {error.strerror}", "Choose another with --port, or 0 for a free one") from None
