"""What to do about an answer of Calendly that says no: a pure function from (status, headers, body) to a sentence.

Only for people: what syncer does about a status is decided in `calendly_answers`, by the status alone. Here words and
titles count, as things of different remedies share a status: a 403 may be about a network, a plan, a token or a role.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from syncer.http import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPES = ("scheduled_events:read", "event_types:read", "users:read", "organizations:read")
"""What the token must be allowed (developer.calendly.com, "Scopes")."""

LATER = "The next run tries again; if it stays so, please report this line"
NOT_CALENDLY = "Check CALENDLY_API_URL and the proxy: something else than Calendly's API may answer there"
REPORT = "Please report this line: syncer asks what Calendly does not take"
UNREADABLE = "The next run tries again; if it stays so, Calendly has changed: update syncer, or report this line"
FOREIGN = (
    "Check CALENDLY_API_URL: it must be the address that Calendly's answers name, and a proxy must not rewrite them"
)

_LOGIN = (
    "Make a new personal access token (Calendly: Integrations, API & Webhooks) and set CALENDLY_TOKEN. "
    "A token is revoked when the login e-mail, the password or the login method changes"
)
_ROLE = (
    "Reading a whole organization needs the role admin or owner: ask for it, "
    'or read only your own events with scope = "user" under [calendly]'
)
_PLAN = "Calendly's plan does not include this: upgrade it, or use the token of an account whose plan does"
_BLOCKED = (
    "Calendly's firewall (Cloudflare) refuses this machine or its network, whatever the token is: run syncer from "
    "another address, or give Calendly's support the Ray ID"
)
_WALL = (
    "The refusal is not in the form of Calendly's API: a firewall or proxy may be in the way. "
    "Check the proxy and CALENDLY_API_URL"
)
_LIMIT = "The next run tries again; other programs use this account's limit, too: let fewer ask at once"
_CALENDAR = (
    "Calendly cannot reach a calendar or another service of the account: look at its connections. "
    "The next run tries again"
)
_SCOPE = "Check scope under [calendly]: Calendly does not know that organization, user or group, or not with this token"
_REMEDIES = {
    401: _LOGIN,
    402: _PLAN,
    404: "It is gone at Calendly; if everything seems to be, check CALENDLY_API_URL",
    405: NOT_CALENDLY,
    407: "The proxy wants a login: write it into the setting proxy, as http://user:password@host:port",
    408: LATER,
    409: LATER,
    410: "It is gone at Calendly; if everything seems to be, update syncer",
    424: _CALENDAR,
    425: LATER,
    429: _LIMIT,
    451: _WALL,
}
_CLOUDFLARE = re.compile(rb"cloudflare|error code: \d{4}|cf-ray|ray id", re.IGNORECASE)
_CODE = re.compile(rb"error(?: code)?:? ?(1\d{3})\b", re.IGNORECASE)
_RAY = re.compile(r"[0-9A-Za-z-]{8,40}")


def remedy(status: int, headers: Mapping[str, str], body: bytes, details: Mapping[str, Any]) -> str:
    """Say what to do about an answer that is no yes; never empty.

    Args:
        status: of HTTP.
        headers: names in lower case.
        body: as it came.
        details: the body as a JSON object; empty if it is none.
    """
    if status == 403:  # noqa: PLR2004  Forbidden
        return _forbidden(headers, body, details)
    if status == 400:  # noqa: PLR2004  Bad Request
        return _not_taken(details)
    if status == 404 and not details:  # noqa: PLR2004  Not Found; Calendly says so in JSON
        return NOT_CALENDLY
    if status in _REMEDIES:
        return _REMEDIES[status]
    if 300 <= status < 400:  # noqa: PLR2004  a redirect
        return "Check CALENDLY_API_URL: it must not redirect"
    if 500 <= status < 600:  # noqa: PLR2004  that is how HTTP says "my fault"
        return "The next run tries again; if it stays so, look at Calendly's status page"
    return REPORT if details else NOT_CALENDLY


def blocked(headers: Mapping[str, str], body: bytes, details: Mapping[str, Any]) -> str:
    """Name what a firewall's refusal can be asked about; empty = it is not Cloudflare's.

    Calendly's own answers come through Cloudflare, too, with its headers: what tells them apart is the body.
    """
    ours = body.lstrip()[:1] == b"{"
    problem = "cloudflare" in str(details.get("type", "")).lower() or details.get("cloudflare_error") is True
    ray = headers.get("cf-ray", "")
    plain = not ours and (ray or "cloudflare" in headers.get("server", "").lower() or _CLOUDFLARE.search(body[:65_536]))
    if not (problem or plain or "cf-mitigated" in headers):
        return ""
    found = _CODE.search(body[:65_536])
    code = found[1].decode() if found else str(details.get("error_code", ""))
    named = f"error {code}" if re.fullmatch(r"1\d{3}", code) else "a block"
    return f"Cloudflare, {named}" + (f", Ray ID {ray}" if _RAY.fullmatch(ray) else "")


def _forbidden(headers: Mapping[str, str], body: bytes, details: Mapping[str, Any]) -> str:
    """Say what a 403 asks for: another network, a plan, a scope of the token, or a role of the person."""
    if blocked(headers, body, details):
        return _BLOCKED
    if body.lstrip()[:1] != b"{":
        return _WALL
    words = " ".join(str(details.get(name) or "") for name in ("title", "type", "message", "error")).lower()
    missing = _scopes(details)
    if missing or "scope" in words:
        return f"Make a token with the scopes {quoted(', '.join(missing or SCOPES))} and set CALENDLY_TOKEN"
    if re.search(r"\bupgrade\b|\bpaid\b|\bplan\b|\bsubscription\b", words):
        return _PLAN
    return _ROLE


def _not_taken(details: Mapping[str, Any]) -> str:
    """Say what a 400 is about: a page that grew too old, whose events are asked for, or a mistake in syncer."""
    named = parameter(details)
    if named == "page_token":
        return LATER
    if named in {"organization", "user", "group"}:
        return _SCOPE
    return REPORT if details else NOT_CALENDLY


def parameter(details: Mapping[str, Any]) -> str:
    """Name the parameter that Calendly did not take; empty = it does not say."""
    items = (item for item in _list(details.get("details")) if isinstance(item, dict))
    names = (item.get("parameter") for item in items)
    return next((quoted(name, limit=40) for name in names if isinstance(name, str) and name), "")


def _scopes(details: Mapping[str, Any]) -> list[str]:
    """List the scopes that a refusal names."""
    places = [details, *(item for item in _list(details.get("details")) if isinstance(item, dict))]
    return [str(scope) for place in places for scope in _list(place.get("required_scopes"))]


def _list(given: object) -> list[Any]:
    """Take a list; whatever else it is has no items."""
    return given if isinstance(given, list) else []
