"""The page for people: book, move and cancel by hand, and see the texts arrive on a phone."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import jinja2
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from syncer.sandbox.ground import NotPossible
from syncer.sandbox.shapes import By, Record, unstamp
from syncer.sandbox.world import (
    SANDBOX_DEV_KEY,
    SANDBOX_DEV_SECRET,
    SANDBOX_HOST_PHONE,
    SANDBOX_TOKEN,
    TEMPLATE_CANCEL,
    TEMPLATE_CONFIRM,
    TEMPLATE_FOLLOWUP,
    TEMPLATE_HOST,
    TEMPLATE_REMINDER,
    TEMPLATE_RESCHEDULE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from syncer.sandbox.world import World

SHOWN = 50
"""So many of the newest bookings and texts are shown."""
FARTHEST = timedelta(days=730)
ZONES = (
    "America/Chicago America/New_York America/Denver America/Los_Angeles America/Mexico_City America/Sao_Paulo "
    "Europe/London Europe/Berlin Europe/Madrid Europe/Istanbul Africa/Lagos Africa/Johannesburg Asia/Dubai "
    "Asia/Kolkata Asia/Bangkok Asia/Singapore Asia/Shanghai Asia/Taipei Asia/Tokyo Australia/Sydney "
    "Pacific/Auckland UTC"
).split()
"""Suggested time zones; the form takes every IANA name."""

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("syncer.sandbox", "."),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Row(NamedTuple):
    """A booking as the page shows it; `start` and `input` are in the invitee's time zone.

    `next_host` is the name of whom the meeting can be handed over to; empty = nobody else is there.
    """

    invitee: str
    name: str
    number: str
    event_name: str
    start: str
    input: str
    zone: str
    state: str
    host: str
    next_host: str
    is_open: bool
    is_past: bool


def routes(world: World) -> list[Route]:
    """Make the routes of the page and its forms."""
    return [
        Route("/", _page_endpoint(world), methods=["GET"]),
        Route("/sandbox/bookings", _fragment(world, "bookings"), methods=["GET"]),
        Route("/sandbox/texts", _fragment(world, "texts"), methods=["GET"]),
        *(Route(f"/sandbox/{form}", _home, methods=["GET"]) for form in ("book", "move", "cancel", "hand-over")),
        Route("/sandbox/book", _form(world, _book), methods=["POST"]),
        Route("/sandbox/move", _form(world, _move), methods=["POST"]),
        Route("/sandbox/cancel", _form(world, _cancel), methods=["POST"]),
        Route("/sandbox/hand-over", _form(world, _hand_over), methods=["POST"]),
    ]


def env_lines(origin: str) -> list[str]:
    """Write the lines for `.env` that point syncer to the sandbox at this origin (`http://host:port`)."""
    settings = {
        "CALENDLY_API_URL": origin,
        "CALENDLY_TOKEN": SANDBOX_TOKEN,
        "ENGAGELAB_API_URL": origin,
        "ENGAGELAB_DEV_KEY": SANDBOX_DEV_KEY,
        "ENGAGELAB_DEV_SECRET": SANDBOX_DEV_SECRET,
        "TEMPLATE_ID_CONFIRM": TEMPLATE_CONFIRM,
        "TEMPLATE_ID_CANCEL": TEMPLATE_CANCEL,
        "TEMPLATE_ID_REMINDER": TEMPLATE_REMINDER,
        "TEMPLATE_ID_FOLLOWUP": TEMPLATE_FOLLOWUP,
        "TEMPLATE_ID_HOST_NOTIFY": TEMPLATE_HOST,
        "TEMPLATE_ID_RESCHEDULE": TEMPLATE_RESCHEDULE,
        "HOST_PHONE": SANDBOX_HOST_PHONE,
    }
    return [f"{name}={value}" for name, value in settings.items()]


async def _home(_: Request) -> Response:
    """Lead whoever opens a form's address back to the page."""
    return RedirectResponse("/", 303)


def _page_endpoint(world: World) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return _whole(world, request)

    return endpoint


def _fragment(world: World, block: str) -> Callable[[Request], Any]:
    async def endpoint(_: Request) -> Response:
        template = _TEMPLATES.get_template("page.html")
        return _html("".join(template.blocks[block](template.new_context(_state(world)))))

    return endpoint


def _form(world: World, act: Callable[[World, Mapping[str, str]], None]) -> Callable[[Request], Any]:
    """Make the endpoint of a form: 303 back to the page, or the page with what is wrong and what was typed."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=20) as form:
            typed = {name: value.strip() for name, value in form.items() if isinstance(value, str)}
        try:
            with world.lock:
                act(world, typed)
        except NotPossible as error:
            # A move's start is not what was typed into the form for booking.
            typed = {} if "invitee" in typed else typed
            return _whole(world, request, message=str(error), typed=typed, status=400)
        return RedirectResponse("/", 303)

    return endpoint


def _whole(
    world: World, request: Request, *, message: str = "", typed: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    nonce = secrets.token_urlsafe(16)
    tomorrow = world.now().astimezone(ZoneInfo(ZONES[0])) + timedelta(days=1)
    filled = {
        "name": "Ines Okafor",
        "phone": "+1 312-555-0142",
        "timezone": ZONES[0],
        "start": tomorrow.strftime("%Y-%m-%dT10:00"),
        "event_type": "Phone consultation",
    }
    values = {
        **_state(world),
        "env": env_lines(f"{request.url.scheme}://{request.headers['host']}"),
        "filled": filled | {name: value for name, value in (typed or {}).items() if name in filled},
        "message": message,
        "nonce": nonce,
        "zones": ZONES,
        "event_types": [kind["name"] for kind in world.event_types.values()],
    }
    response = _html(_TEMPLATES.get_template("page.html").render(values), status)
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return response


def _html(text: str, status: int = 200) -> Response:
    # A client may have sent half a surrogate pair as a name; the page shows a question mark.
    response = HTMLResponse(text.encode("utf-8", "replace"), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _state(world: World) -> dict[str, object]:
    """Read what the two fragments show, newest first; scheduled texts appear when they are due."""
    with world.lock:
        now = world.now()
        texts = [text for text in world.texts if text.at <= now][-SHOWN:]
        rows = [_row(world, invitee, now) for invitee in list(world.invitees.values())[-SHOWN:]]
    return {"rows": rows[::-1], "texts": texts[::-1]}


def _row(world: World, invitee: Record, now: datetime) -> Row:
    event = world.events[invitee["event"]]
    zone = invitee["timezone"] or "UTC"
    start = unstamp(event["start_time"])
    local = start.astimezone(_zone(zone))
    state = "moved" if invitee["rescheduled"] else str(invitee["status"])
    if state == "canceled":
        state = f"canceled by {invitee['cancellation']['canceler_type']}"
    return Row(
        invitee=invitee["uri"],
        name=invitee["name"] or "(erased)",
        number=_number(invitee, event) or "no number",
        event_name=event["name"],
        start=f"{local:%a %d %b %Y, %H:%M}",
        input=f"{local:%Y-%m-%dT%H:%M}",
        zone=zone,
        state=state,
        host=event["event_memberships"][0]["user_name"],
        next_host=(_next_host(world, event) or {"name": ""})["name"],
        is_open=invitee["status"] == "active",
        is_past=start < now,
    )


def _next_host(world: World, event: Record) -> Record | None:
    """Find whom a meeting can be handed over to: who comes after its host in the organization."""
    others = list(world.users.values())
    at = next((at for at, user in enumerate(others) if user["uri"] == event["event_memberships"][0]["user"]), -1)
    after = others[at + 1 :] + others[: max(at, 0)]
    return after[0] if after else None


def _zone(name: str) -> ZoneInfo:
    """Find a zone; Calendly's own samples hold names that are none, and the page shows those bookings in UTC."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return ZoneInfo("UTC")


def _number(invitee: Record, event: Record) -> str | None:
    """Find the number that a booking was made with, wherever it was put."""
    place = event["location"] or {}
    found = [invitee["text_reminder_number"], place.get("location") if place.get("type") == "outbound_call" else None]
    found += [item["answer"] for item in invitee["questions_and_answers"] if item["question"] == "Mobile number"]
    return next((number for number in found if number), None)


def _book(world: World, typed: Mapping[str, str]) -> None:
    name, zone, kind = _need(typed, "name", 100), _need(typed, "timezone", 64), _need(typed, "event_type", 100)
    start = _start(world, _need(typed, "start", 32), zone)
    known = next((found for found in world.event_types.values() if found["name"] == kind), None)
    if known is None:
        raise NotPossible("This event type does not exist.")
    phone = typed.get("phone", "")[:40]
    world.book(
        name=name,
        email=f"{'.'.join(name.lower().split())}@example.com",
        event_type=kind,
        minutes=known["duration"],
        seats=10 if known["kind"] == "group" else 1,
        event=world.slot(kind, start),
        start=start,
        phone=phone or None,
        timezone=zone,
    )


def _move(world: World, typed: Mapping[str, str]) -> None:
    uri = _need(typed, "invitee", 200)
    invitee = world.invitees.get(uri)
    if invitee is None:
        raise NotPossible("This booking does not exist.")
    event = world.events[invitee["event"]]
    start = _start(world, _need(typed, "start", 32), invitee["timezone"] or "UTC")
    if start == unstamp(event["start_time"]):
        raise NotPossible("It already starts then. Choose another time to move the booking.")
    world.move(uri, start, by=_by({"by": "invitee", **typed}), event=world.slot(event["name"], start))


def _cancel(world: World, typed: Mapping[str, str]) -> None:
    world.cancel(_need(typed, "invitee", 200), _by(typed))


def _hand_over(world: World, typed: Mapping[str, str]) -> None:
    invitee = world.invitees.get(_need(typed, "invitee", 200))
    if invitee is None:
        raise NotPossible("This booking does not exist.")
    if invitee["status"] != "active":
        raise NotPossible("The booking is canceled already.")
    other = _next_host(world, world.events[invitee["event"]])
    if other is None:
        raise NotPossible("There is no other host.")
    world.reassign_host(invitee["event"], other["uri"])


def _by(typed: Mapping[str, str]) -> By:
    by = _need(typed, "by", 10)
    if by not in {"invitee", "host"}:
        raise NotPossible("A booking is moved or canceled by the invitee or by the host.")
    return "host" if by == "host" else "invitee"


def _need(typed: Mapping[str, str], name: str, longest: int) -> str:
    value = typed.get(name, "")
    if not value:
        raise NotPossible(f"Please fill in: {name.replace('_', ' ')}.")
    if len(value) > longest:
        raise NotPossible(f"This is too long: {name.replace('_', ' ')}.")
    return value


def _start(world: World, text: str, zone: str) -> datetime:
    """Read what a date+time field holds, in the invitee's zone; returns aware UTC."""
    try:
        moment = datetime.strptime(text[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (OSError, OverflowError, ValueError, KeyError):
        raise NotPossible("The start or the time zone cannot be read. Zones look like Europe/Berlin.") from None
    if not world.now() < moment < world.now() + FARTHEST:
        raise NotPossible("The start must be ahead, and within two years.")
    return moment
