"""Addresses in the settings: of the two APIs, of a proxy, and the URI of whose events are read."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from syncer.config import values

NO_PATH = "/?"


def _address(given: str, what: str, *, paths: str = NO_PATH) -> tuple[str, str, str, str]:
    """Take an http or https URL apart: scheme, host and port, host alone, path. The message never repeats it."""
    # `urlsplit` drops tabs and line ends without a word, and takes "http://localhost\@elsewhere" for elsewhere.
    if not re.fullmatch(r"[!-~]+", given) or "\\" in given:
        raise values.Wrong(f"must be {what}", "It holds a space, a backslash, or a character that is not ASCII")
    if "@" in given:
        raise values.Wrong(f"must be {what} without a user name or password")
    if "?" in given or "#" in given:
        raise values.Wrong(f"must be {what} without anything after ? or #")
    try:
        parts = urlsplit(given)
        host, port = parts.hostname or "", parts.port
    except ValueError as bad:
        raise values.Wrong(f"must be {what}", "Its host or port cannot be read") from bad
    if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+:[0-9a-f:.]*", host):
        raise values.Wrong(f"must be {what}")
    if not re.fullmatch(paths, parts.path):
        raise values.Wrong(f"must be {what}" + (" without a path" if paths == NO_PATH else ""))
    literal = f"[{host}]" if ":" in host else host
    return parts.scheme, literal if port is None else f"{literal}:{port}", host, parts.path


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine, whatever a name server says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def api_url(raw: object) -> str:
    """The root of an API, without a slash at the end: https, or http to this machine."""
    what = 'an address such as "https://api.example.com"'
    scheme, place, host, _ = _address(values.a_text(raw, what), what)
    if scheme == "http" and not is_loopback(host):
        raise values.Wrong("must begin with https://", "Plain http is for loopback addresses only")
    return f"{scheme}://{place}"


def proxy(raw: object) -> str:
    """The URL of an http or https proxy; "" = none."""
    what = 'empty or a proxy such as "http://proxy.example.com:3128"'
    if (given := values.a_text(raw, what)) == "":
        return ""
    scheme, place, _, _ = _address(given, what)
    return f"{scheme}://{place}"


def scope(raw: object) -> str:
    """Whose events are read: a word, or the URI of one user or group."""
    what = '"organization", "user", or the URI of a user or group'
    given = values.a_text(raw, what)
    if given in {"organization", "user"}:
        return given
    if "://" not in given:
        raise values.refusal(what, raw, values.suggestion(given, ["organization", "user"]))
    if "/organizations/" in given:
        raise values.Wrong(f"must be {what}", 'Write "organization"')
    scheme, place, host, path = _address(given, what, paths=r"/(users|groups)/[A-Za-z0-9_-]+")
    if scheme == "http" and not is_loopback(host):
        raise values.Wrong("must begin with https://")
    return f"{scheme}://{place}{path}"
