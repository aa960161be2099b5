"""Addresses of requests: whether one can be asked, and whether it leads where a secret may go."""

from __future__ import annotations

import re
from functools import lru_cache

from syncer.errors import Unsendable
from syncer.lean import without

with without("httpx._main"):
    import httpx

_URL = re.compile(r"https?://[\x21-\x5b\x5d-\x7e]{1,8192}", re.IGNORECASE)
"""Printable ASCII without a backslash, of a sane length: whatever else there is, parsers disagree about it."""
_USERINFO = re.compile(r"[a-z]+://[^/?#]*@", re.IGNORECASE)


@lru_cache(maxsize=64)  # every text goes to the same one
def target_of(url: str) -> httpx.URL:
    """Read an address that a request may go to.

    Raises:
        Unsendable: it is none.
    """
    remedy = "Check the address in the settings: it must look like https://api.example.com"
    if not _URL.fullmatch(url) or _USERINFO.match(url):
        raise Unsendable("the address of the request is not a plain http(s) URL", remedy)
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise Unsendable("the address of the request cannot be read", remedy) from None
    if not target.host or not 0 < (target.port or 443) <= 65_535:  # noqa: PLR2004  ports of TCP
        raise Unsendable("the address of the request names no host, or no possible port", remedy)
    return target


def same_origin(url: str, base: str) -> bool:
    """Whether a URL that came from outside leads to scheme, host and port of `base`: a secret goes nowhere else.

    Strict: user info, backslashes, spaces, control and non-ASCII characters, and URLs of more than 8 KiB never match.
    The URL is read by the parser that will also connect to it.
    """
    if not _URL.fullmatch(url) or _USERINFO.match(url):
        return False
    if url.startswith(f"{base.rstrip('/')}/"):
        return True
    try:
        there, here = httpx.URL(url), httpx.URL(base)
    except (httpx.InvalidURL, ValueError):
        return False
    return bool(there.host) and (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port)
