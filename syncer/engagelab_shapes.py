"""Templates and signatures of EngageLab as values: pure decoding, no network, no clock.

Fields: "Get Template List" and "Create Signature" in EngageLab's documentation of the SMS API. All but the id may be
missing or null; what cannot be told counts as not approved. A row without a usable id is left out. What decides whether
a template may be sent (status, content, signature) is right or it is not usable; the rest is read leniently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from syncer.errors import NoUsableAnswer
from syncer.http import quoted
from syncer.lenient import FAULTS, decode, fields, text, value, whole

APPROVED: Final = 2
NOT_ENGAGELAB = (
    "Try again later; if it stays so, check ENGAGELAB_API_URL and the proxy: something else may answer there"
)
WALL_REMEDY = (
    "The refusal is not in EngageLab's form: check ENGAGELAB_API_URL and the proxy, then ENGAGELAB_DEV_KEY and its "
    "list of allowed addresses"
)
_REVIEW = {1: "waits for its review", 3: "was rejected"}
_ID = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template ("Get Template List").

    Attributes:
        id: 19 digits.
        name: as its owner called it.
        content: the text, with `{{name}}` or `{name}` where a value goes: EngageLab's own pages show both.
        status: 1 pending, 2 approved, 3 rejected.
        sign_id: id of its signature; empty = none.
        sign_name: the signature's text.
        sign_position: 0 none, 1 before the content, 2 after it.
        sign_status: the signature's review, as `status`; None = not told.
        countries: main destinations, ISO codes; whether others are refused is not documented.
        remark: why it was rejected.
        updated: Unix seconds of its last change, 0 = not told.
        unreadable: a field that decides whether it may be sent, and cannot be read; empty = none.
    """

    id: str
    name: str = ""
    content: str = ""
    status: int = 0
    sign_id: str = ""
    sign_name: str = ""
    sign_position: int = 0
    sign_status: int | None = None
    countries: tuple[str, ...] = ()
    remark: str = ""
    updated: int = 0
    unreadable: str = ""

    @property
    def usable(self) -> bool:
        """Whether it may be sent: it is approved, and so is its signature as far as that was told."""
        return not self.why_not_usable()

    def why_not_usable(self) -> str:
        """Say why it may not be sent; empty = it may. While a signature is in review its templates cannot send."""
        if self.unreadable:
            return f"EngageLab's list has no readable {self.unreadable} for it"
        if self.status != APPROVED:
            why = _REVIEW.get(self.status, f"has the unknown status {self.status}")
            return f"the template {why}" + (f": {quoted(self.remark)}" if self.remark else "")
        if self.sign_id and self.sign_status not in {None, APPROVED}:
            why = _REVIEW.get(self.sign_status or 0, f"has the unknown status {self.sign_status}")
            return f"the template's signature {why}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature ("Create Signature"): text before or after a template's content; `status` and `remark` as there."""

    id: str
    name: str = ""
    status: int = 0
    remark: str = ""
    updated: int = 0

    @property
    def usable(self) -> bool:
        """Whether it is approved."""
        return self.status == APPROVED


# Made at import: msgspec crashes when two threads build a type at once.
_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def read_templates(body: bytes) -> tuple[Template, ...]:
    """Read the list of templates.

    Raises:
        NoUsableAnswer: it is no list.
    """
    return tuple(
        Template(
            id=ident,
            name=text(row.get("template_name")),
            content=_words(row.get("template_content")),
            status=whole(row.get("status")) or 0,
            sign_id=read_id(row.get("sign_id")),
            sign_name=_words(row.get("sign_name")),
            sign_position=whole(row.get("sign_position")) or 0,
            sign_status=whole(row.get("sign_status")),
            countries=_countries(row.get("country_codes")),
            remark=text(row.get("audit_remark")),
            updated=whole(row.get("updated_time")) or 0,
            unreadable=_unreadable(row),
        )
        for ident, row in _rows(body, "template_id")
    )


def read_signatures(body: bytes) -> tuple[Signature, ...]:
    """Read the list of signatures.

    Raises:
        NoUsableAnswer: it is no list.
    """
    return tuple(
        Signature(
            id=ident,
            name=text(row.get("sign_name")),
            status=whole(row.get("status")) or 0,
            remark=text(row.get("audit_remark")),
            updated=whole(row.get("updated_time")) or 0,
        )
        for ident, row in _rows(body, "sign_id")
    )


def _rows(body: bytes, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Read the rows of a list that have an id under this name, with it."""
    try:
        rows = [fields(value(raw)) for raw in decode(_ROWS, body)]
    except msgspec.ValidationError:
        raise NoUsableAnswer("EngageLab's answer is JSON, but not a list", NOT_ENGAGELAB) from None
    except FAULTS:
        raise NoUsableAnswer("EngageLab's list is not whole JSON", NOT_ENGAGELAB) from None
    return [(ident, row) for row in rows if (ident := read_id(row.get(name)))]


def _unreadable(row: dict[str, Any]) -> str:
    """Name the first field of a template that decides whether it may be sent, is there, and cannot be read."""
    signature, review = row.get("sign_id"), row.get("sign_status")
    unsigned = signature is None or signature in ("", "0", 0)
    content = row.get("template_content")
    checks = {
        "status": row.get("status") is None or whole(row["status"]) is not None,
        "template_content": content is None or isinstance(content, str),
        "sign_id": unsigned or bool(read_id(signature)),
        "sign_status": unsigned or review is None or whole(review) is not None,
    }
    return next((name for name, readable in checks.items() if not readable), "")


def _words(found: object) -> str:
    """Take a text as it will be sent, blanks and all."""
    return found if isinstance(found, str) else ""


def _countries(found: object) -> tuple[str, ...]:
    """Read ISO codes: the documentation has them in one text, with commas between them; a list will do, too."""
    codes = found.split(",") if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(filter(None, (text(code).upper() for code in codes)))


def list_remedy(status: int) -> str:
    """Say what to do when a list is answered with a status that is no 200; the login is another matter."""
    if status in {408, 429} or 500 <= status < 600:  # noqa: PLR2004  that is how HTTP says "not now", "my fault"
        return "The next run tries again; if it stays so, ask EngageLab's support"
    if 300 <= status < 400:  # noqa: PLR2004  a redirect
        return "Check ENGAGELAB_API_URL: it must not redirect"
    if status == 407:  # noqa: PLR2004  Proxy Authentication Required
        return "The proxy wants a login: write it into the setting proxy, as http://user:password@host:port"
    return "Check ENGAGELAB_API_URL and the proxy; if they are right, please report this line"


def read_id(given: object) -> str:
    """Read an id of 19 digits, string or number; empty = none ("0" stands for none, too)."""
    found = str(given) if type(given) in {int, str} else ""
    return found if _ID.fullmatch(found) and found != "0" else ""
