"""Calendly's REST API v2 over a world: thin reading functions.

Rules: developer.calendly.com, pages "API conventions", "List Events", "List Event Invitees", "Rate limits". What those
pages do not list is refused here, so that a slip in a client is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncer.sandbox.call import Call, Refusal, bound, is_descending, one_of
from syncer.sandbox.shapes import API, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from syncer.sandbox.world import World

Answer: TypeAlias = "Callable[[Call], Record]"


def routes(world: World) -> list[Route]:
    """Make the routes of the API; its last one answers 404 to every other path."""
    table: list[tuple[str, Answer]] = [
        ("/users/me", _me),
        ("/organizations/{id}", _organization),
        ("/organization_memberships", _memberships),
        ("/scheduled_events", _events),
        ("/scheduled_events/{event}", _event),
        ("/scheduled_events/{event}/invitees", _invitees),
        ("/scheduled_events/{event}/invitees/{invitee}", _invitee),
        ("/event_types", _event_types),
        ("/event_types/{id}", _event_type),
    ]
    return [
        *(Route(path, _endpoint(world, answer), methods=["GET"]) for path, answer in table),
        Route("/{path:path}", _endpoint(world, _nothing), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


def _endpoint(world: World, answer: Answer) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        with world.lock:  # the answer is rendered inside the lock: one consistent look at the world
            return _respond(world, request, answer)

    return endpoint


def _respond(world: World, request: Request, answer: Answer) -> Response:
    """Check login and rate limit, then answer; each answer carries the rate limit's headers."""
    response: Response
    caller = ""
    try:
        caller = _caller(world, request)
        if world.quota.spent(caller) >= world.rate_limit:
            response = Response(status_code=429)  # what the body looks like is not documented: none
        else:
            world.quota.spend(caller)
            response = JSONResponse(answer(Call(world, request, caller)))
    except Refusal as refusal:
        response = JSONResponse(refusal.body, refusal.status)
    response.headers["X-RateLimit-Limit"] = str(world.rate_limit)
    response.headers["X-RateLimit-Remaining"] = str(world.rate_limit - world.quota.spent(caller))
    # Recorded answers always say 60 here, however old the window: an upper bound to wait, no countdown.
    response.headers["X-RateLimit-Reset"] = "60"
    return response


def _caller(world: World, request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or token in world.revoked_tokens:
        raise Refusal(401, "The access token is invalid")
    owner: str = next(m["user"]["uri"] for m in world.memberships.values() if m["role"] == "owner")
    return world.token_users.get(token, owner)


def _nothing(_: Call) -> Record:
    raise Refusal(404, "The server could not find the requested resource.")


def _me(call: Call) -> Record:
    return {"resource": call.world.users[call.caller]}


def _organization(call: Call) -> Record:
    return _resource({call.world.organization["uri"]: call.world.organization}, f"{API}/organizations/{call.ids['id']}")


def _memberships(call: Call) -> Record:
    asked = call.params("user", "organization", "email", "role")
    one_of(asked, "role", "user", "admin", "owner")
    rows = [
        row
        for row in call.world.memberships.values()
        if asked.get("user") in {None, row["user"]["uri"]}
        and asked.get("organization") in {None, row["organization"]}
        and asked.get("email") in {None, row["user"]["email"]}
        and asked.get("role") in {None, row["role"]}
    ]
    return call.page(asked, rows)


def _events(call: Call) -> Record:
    asked = call.params(
        "user", "organization", "group", "invitee_email", "status", "min_start_time", "max_start_time", "sort"
    )
    one_of(asked, "status", "active", "canceled")
    # Bounds are inclusive at both ends, as measured. Stamps sort as text.
    first, last = bound(asked, "min_start_time"), bound(asked, "max_start_time")
    backwards = is_descending(asked, "start_time")
    hosts = _scope(call, asked)
    email = asked.get("invitee_email", "").lower()
    rows = [
        event
        for event in call.world.events.values()
        if asked.get("status") in {None, event["status"]}
        and (not first or event["start_time"] >= first)
        and (not last or event["start_time"] <= last)
        and (hosts is None or any(member["user"] in hosts for member in event["event_memberships"]))
        and (not email or _has_invitee(call.world, event, email))
    ]
    rows.sort(key=lambda event: str(event["start_time"]), reverse=backwards)
    return call.page(asked, rows, call.world.page_faults)


def _scope(call: Call, asked: Mapping[str, str]) -> frozenset[str] | None:
    """Decide whose events the caller may list: a set of user URIs, or None for the whole organization."""
    world = call.world
    user, organization, group = (asked.get(name) for name in ("user", "organization", "group"))
    for name, uri in (("user", user), ("organization", organization), ("group", group)):
        if uri is not None and not uri.startswith(f"{API}/{name}s/"):
            raise Refusal(400, "is not a valid URI", name)
    if user is None and organization is None and group is None:
        raise Refusal(400, "must be given, or user", "organization")
    if user == call.caller and organization is None and group is None:
        return frozenset({user})
    if user is not None and organization is None:
        raise Refusal(403, "To read another user's events, organization must be given, too.")
    if organization not in {None, world.organization["uri"]} or (group is not None and group not in world.groups):
        raise Refusal(403, "You do not have permission to access this resource.")
    if not call.is_admin:
        if world.empty_for_members:
            return frozenset()
        raise Refusal(403, "You do not have permission to access this resource.")
    if user is not None and user not in world.users:
        raise Refusal(403, "This user is not in your organization.")
    hosts = None if group is None else world.groups[group]
    if user is not None:
        return frozenset({user}) if hosts is None else hosts & {user}
    return hosts


def _event(call: Call) -> Record:
    return {"resource": call.world.shown(_readable_event(call))}


def _readable_event(call: Call) -> Record:
    event: Record = _resource(call.world.events, f"{API}/scheduled_events/{call.ids['event']}")["resource"]
    if not call.is_admin and all(member["user"] != call.caller for member in event["event_memberships"]):
        raise Refusal(403, "You are not allowed to view this event.")
    return event


def _readable_invitees(call: Call) -> Record:
    """Find the event whose invitees are asked for, unless they are refused for now."""
    event = _readable_event(call)
    status = call.world.faults.refusal(event["uri"])
    if status is not None:
        raise Refusal(status, "You are not allowed to view this event.")
    return event


def _invitees(call: Call) -> Record:
    event = _readable_invitees(call)
    asked = call.params("status", "sort", "email")
    one_of(asked, "status", "active", "canceled")
    email = asked.get("email", "").lower()
    backwards = is_descending(asked, "created_at")
    rows = [
        row
        for row in map(call.world.invitees.__getitem__, call.world.by_event[event["uri"]])
        if asked.get("status") in {None, row["status"]} and email in {"", str(row["email"]).lower()}
    ]
    rows.sort(key=lambda row: str(row["created_at"]), reverse=backwards)
    return call.page(asked, rows, call.world.invitee_page_faults)


def _invitee(call: Call) -> Record:
    event = _readable_invitees(call)
    found = _resource(call.world.invitees, f"{event['uri']}/invitees/{call.ids['invitee']}")
    return {"resource": call.world.shown(found["resource"])}


def _event_types(call: Call) -> Record:
    asked = call.params("user", "organization", "active", "admin_managed", "sort")
    if "user" not in asked and "organization" not in asked:
        raise Refusal(400, "must be given, or user", "organization")
    for name in ("active", "admin_managed"):
        one_of(asked, name, "true", "false")
    backwards = is_descending(asked, "name")
    if asked.get("organization") not in {None, call.world.organization["uri"]}:
        raise Refusal(403, "You do not have permission to access this resource.")
    rows = [
        row
        for row in call.world.event_types.values()
        if asked.get("user") in {None, row["profile"]["owner"]}
        and asked.get("active") in {None, str(row["active"]).lower()}
        and asked.get("admin_managed") in {None, str(row["admin_managed"]).lower()}
    ]
    rows.sort(key=lambda row: str(row["name"]), reverse=backwards)
    return call.page(asked, rows)


def _event_type(call: Call) -> Record:
    found = _resource(call.world.event_types, f"{API}/event_types/{call.ids['id']}")
    return {"resource": call.world.shown(found["resource"])}


def _resource(records: Mapping[str, Record], uri: str) -> Record:
    if uri not in records:
        raise Refusal(404, "The server could not find the requested resource.")
    return {"resource": records[uri]}


def _has_invitee(world: World, event: Record, email: str) -> bool:
    return any(str(world.invitees[uri]["email"]).lower() == email for uri in world.by_event[event["uri"]])
