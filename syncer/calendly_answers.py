"""What a status of Calendly means: a pure function from (status, headers, body) to JSON or an error.

Only the status decides: Calendly's reference pages show wrong titles, and gateways before it answer in HTML
(developer.calendly.com, "Errors").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syncer import lenient
from syncer.calendly_remedies import NOT_CALENDLY, SCOPES, blocked, parameter, remedy
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

__all__ = ["SCOPES", "check", "decipher", "fields_of"]

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
        raise NoUsableAnswer("Calendly's answer is only a part of one (HTTP 206)", NOT_CALENDLY)


def fields_of(body: bytes) -> dict[str, msgspec.Raw]:
    """Read the JSON object of an answer that is a yes; see `decipher`."""
    try:
        return lenient.decode(_FIELDS, body)
    except msgspec.ValidationError:
        raise Unreadable("Calendly's answer is JSON, but not an object", NOT_CALENDLY) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NoUsableAnswer("Calendly's answer is not whole JSON", NOT_CALENDLY) from None


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> CalendlyRefused:
    details = json_object(body)
    message = f"Calendly {status}"
    if words := quoted(details.get("message") or details.get("title") or details.get("type") or ""):
        message += f": {words}"
    if status == 403 and (who := blocked(headers, body, details)):  # noqa: PLR2004  Forbidden
        message += f" ({who})"
    how = remedy(status, headers, body, details)
    match status:
        case 401:
            return LoginRefused(message, how, status=status)
        case 403:
            return AccessRefused(message, how, status=status)
        case 404:
            return NotThere(message, how, status=status)
        case 400:
            named = parameter(details)
            return BadParameter(message + (f" ({named})" if named else ""), how, status=status, parameter=named)
        case 408 | 429:
            return CalendlyBusy(message, how, status=status, retry_after=_wait(status, headers))
    if 500 <= status < 600:  # noqa: PLR2004  that is how HTTP says "my fault"
        return CalendlyBusy(message, how, status=status, retry_after=_wait(status, headers))
    return CalendlyRefused(message, how, status=status)


def _wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: Retry-After, which is not documented, else for a 429 the documented X-RateLimit-Reset."""
    asked = retry_after(headers)
    if asked is None and status == 429:  # noqa: PLR2004  Too Many Requests
        return retry_after({"retry-after": headers.get("x-ratelimit-reset", "60")})
    return asked
