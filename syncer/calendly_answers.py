"""What a status of Calendly means: a pure function from (status, headers, body) to JSON or an error.

Only the status decides: Calendly's reference pages show wrong titles, and gateways before it answer in HTML
(developer.calendly.com, "Errors").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from syncer.errors import (
    AccessRefused,
    BadParameter,
    CalendlyBusy,
    CalendlyRefused,
    LoginRefused,
    NotThere,
    NoUsableAnswer,
    Unreadable,
)
from syncer.http import json_object, quoted, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPES = ("scheduled_events:read", "event_types:read", "users:read", "organizations:read")
"""What the token must be allowed (developer.calendly.com, "Scopes")."""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decipher(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, msgspec.Raw]:
    """Tell what an answer means: the JSON object, its values not yet decoded.

    Args:
        status: of HTTP.
        headers: names in lower case.
        body: as it came.

    Raises:
        LoginRefused: 401.
        AccessRefused: 403.
        NotThere: 404.
        BadParameter: 400; names the parameter.
        CalendlyBusy: 408, 429 or 5xx: the same request may do better later.
        CalendlyRefused: every other status but 2xx.
        NoUsableAnswer: 2xx, but not whole JSON: cut on its way.
        Unreadable: whole JSON, but no object.
    """
    check(status, headers, body)
    return fields_of(body)


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise what a status means that is no yes; see `decipher`."""
    if not 200 <= status < 300:  # noqa: PLR2004  that is how HTTP says yes
        raise _refusal(status, headers, body)
    if status == 206:  # noqa: PLR2004  Partial Content, which nobody asked for
        raise NoUsableAnswer("Calendly's answer is only a part of one (HTTP 206)")


def fields_of(body: bytes) -> dict[str, msgspec.Raw]:
    """Read the JSON object of an answer that is a yes; see `decipher`."""
    try:
        return _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise Unreadable("Calendly's answer is JSON, but not an object") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NoUsableAnswer("Calendly's answer is not whole JSON") from None


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> CalendlyRefused:
    details = json_object(body)
    message = f"Calendly {status}"
    if words := quoted(details.get("message") or details.get("title") or ""):
        message += f": {words}"
    match status:
        case 401:
            return LoginRefused(
                message,
                "Make a new personal access token (Calendly: Integrations, API & Webhooks) and set CALENDLY_TOKEN",
                status=status,
            )
        case 403:
            return AccessRefused(message, _how_to_get_access(details), status=status)
        case 404:
            return NotThere(message, status=status)
        case 400:
            parameter = next((name for name in map(_parameter, _list(details.get("details"))) if name), "")
            return BadParameter(message + (f" ({parameter})" if parameter else ""), status=status, parameter=parameter)
        case 408 | 429:
            return CalendlyBusy(message, status=status, retry_after=_wait(status, headers))
    if 500 <= status < 600:  # noqa: PLR2004  that is how HTTP says "my fault"
        return CalendlyBusy(message, status=status, retry_after=_wait(status, headers))
    remedy = "Check CALENDLY_API_URL: it must not redirect" if 300 <= status < 400 else ""  # noqa: PLR2004  a redirect
    return CalendlyRefused(message, remedy, status=status)


def _wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: Retry-After, which is not documented, else for a 429 the documented X-RateLimit-Reset."""
    asked = retry_after(headers)
    if asked is None and status == 429:  # noqa: PLR2004  Too Many Requests
        return retry_after({"retry-after": headers.get("x-ratelimit-reset", "60")})
    return asked


def _how_to_get_access(details: Mapping[str, Any]) -> str:
    """Say what a 403 asks for: a scope of the token, or a role of the person."""
    missing = [str(scope) for scope in _list(details.get("required_scopes"))]
    for item in _list(details.get("details")):
        missing += map(str, _list(item.get("required_scopes") if isinstance(item, dict) else None))
    if missing or "scope" in str(details.get("message", "")).lower():
        return f"Make a token with the scopes {quoted(', '.join(missing or SCOPES))} and set CALENDLY_TOKEN"
    return (
        "Reading a whole organization needs the role admin or owner: ask for it, "
        'or read only your own events with scope = "user" under [calendly]'
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _parameter(detail: object) -> str:
    name = detail.get("parameter") if isinstance(detail, dict) else None
    return quoted(name, limit=40) if isinstance(name, str) else ""
