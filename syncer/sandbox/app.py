"""The sandbox as one ASGI application: Calendly below `/`, EngageLab below `/v1`, a page for people at `/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from syncer.sandbox import calendly, engagelab, page
from syncer.sandbox.plumbing import Dated, Faulty, Loopback

if TYPE_CHECKING:
    from syncer.sandbox.world import World


def create_app(world: World) -> Starlette:
    """Make the application over a world. Both APIs share one origin: their paths do not meet."""
    app = Starlette(
        # Calendly last: it answers every path that nobody else has.
        routes=[*page.routes(world), *engagelab.routes(world), *calendly.routes(world)],
        middleware=[Middleware(Dated, world=world), Middleware(Loopback), Middleware(Faulty, world=world)],
    )
    app.router.redirect_slashes = False
    return app
