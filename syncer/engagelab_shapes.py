"""Templates and signatures of EngageLab as values: pure decoding, no network, no clock.

Fields: "Get Template List" and "Create Signature" in EngageLab's documentation of the SMS API. All but the id may be
missing or null; what cannot be told counts as not approved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec

from syncer.errors import NoUsableAnswer
from syncer.http import quoted

APPROVED: Final = 2
_REVIEW = {1: "waits for its review", 3: "was rejected"}
_ID = re.compile(r"[\x21-\x7e]{1,64}")

Id = Annotated[str, msgspec.Meta(min_length=1)] | int
T = TypeVar("T")


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

    @property
    def usable(self) -> bool:
        """Whether it may be sent: it is approved, and so is its signature as far as that was told."""
        return not self.why_not_usable()

    def why_not_usable(self) -> str:
        """Say why it may not be sent; empty = it may. While a signature is in review its templates cannot send."""
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


class _Template(msgspec.Struct):
    template_id: Id
    template_name: str | None = None
    template_content: str | None = None
    country_codes: str | None = None
    status: int | None = None
    sign_id: str | int | None = None
    sign_name: str | None = None
    sign_position: int | None = None
    sign_status: int | None = None
    audit_remark: str | None = None
    updated_time: int | None = None


class _Signature(msgspec.Struct):
    sign_id: Id
    sign_name: str | None = None
    status: int | None = None
    audit_remark: str | None = None
    updated_time: int | None = None


# Made at import: msgspec crashes when two threads build a type at once.
_TEMPLATES = msgspec.json.Decoder(list[_Template])
_SIGNATURES = msgspec.json.Decoder(list[_Signature])


def read_templates(body: bytes) -> tuple[Template, ...]:
    """Read the list of templates.

    Raises:
        NoUsableAnswer: it is not what its documentation says; names the place.
    """
    return tuple(
        Template(
            id=str(row.template_id),
            name=row.template_name or "",
            content=row.template_content or "",
            status=row.status or 0,
            sign_id=read_id(row.sign_id),
            sign_name=row.sign_name or "",
            sign_position=row.sign_position or 0,
            sign_status=row.sign_status,
            countries=tuple(filter(None, (code.strip().upper() for code in (row.country_codes or "").split(",")))),
            remark=row.audit_remark or "",
            updated=row.updated_time or 0,
        )
        for row in _rows(body, _TEMPLATES)
    )


def read_signatures(body: bytes) -> tuple[Signature, ...]:
    """Read the list of signatures.

    Raises:
        NoUsableAnswer: it is not what its documentation says; names the place.
    """
    return tuple(
        Signature(
            id=str(row.sign_id),
            name=row.sign_name or "",
            status=row.status or 0,
            remark=row.audit_remark or "",
            updated=row.updated_time or 0,
        )
        for row in _rows(body, _SIGNATURES)
    )


def _rows(body: bytes, decoder: msgspec.json.Decoder[list[T]]) -> list[T]:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # These texts name types and the field, never a value.
        raise NoUsableAnswer(f"EngageLab's list is not what its documentation says: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NoUsableAnswer("EngageLab's list is not whole JSON") from None


def read_id(value: object) -> str:
    """Read an id of 19 digits, string or number; empty = none ("0" stands for none, too)."""
    text = str(value) if type(value) in {int, str} else ""
    return text if _ID.fullmatch(text) and text != "0" else ""
