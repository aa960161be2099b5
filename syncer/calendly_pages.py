"""What every answer of Calendly is wrapped in: one resource, or a page of rows and the address of the next one. Pure.

Nothing of a record is read here but its bytes, so a row that is as it was costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from syncer import lenient
from syncer.calendly_remedies import NOT_CALENDLY, UNREADABLE
from syncer.errors import Unreadable
from syncer.lenient import ABSENT, FAULTS, text, value, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it came; `at` says where, for errors."""

    raw: msgspec.Raw
    at: str


class _Pagination(msgspec.Struct):
    next_page: msgspec.Raw = ABSENT
    next_page_token: msgspec.Raw = ABSENT
    count: msgspec.Raw = ABSENT


class _Listed(msgspec.Struct, gc=False):
    """What makes an event news, as bytes: not even its times are read where nothing has changed."""

    uri: msgspec.Raw = ABSENT
    start_time: msgspec.Raw = ABSENT
    end_time: msgspec.Raw = ABSENT
    status: msgspec.Raw = ABSENT
    location: msgspec.Raw = ABSENT
    event_memberships: msgspec.Raw = ABSENT
    invitees_counter: msgspec.Raw = ABSENT
    calendar_event: msgspec.Raw = ABSENT


class _Named(msgspec.Struct):
    uri: msgspec.Raw = ABSENT


class _Page(msgspec.Struct):
    collection: list[_Listed]
    pagination: _Pagination


# msgspec builds a type at its first use, and crashes when two threads do so at once: decoders are made at import.
_PAGE = msgspec.json.Decoder(_Page)
_ADDRESS = msgspec.json.Decoder(str | None)
_PAGINATION = msgspec.json.Decoder(_Pagination)
_NO_TOKEN = {b"", b"null", b'""'}
_NO_COUNT = {b"", b"null"}
_NAMED = msgspec.json.Decoder(_Named)
_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def resource(fields: Mapping[str, msgspec.Raw], at: str) -> Record:
    """Take the one record of an answer (`resource`)."""
    if "resource" not in fields:
        raise Unreadable(f"{at}: the answer has no resource", NOT_CALENDLY)
    return Record(fields["resource"], at)


def page(fields: Mapping[str, msgspec.Raw], at: str) -> tuple[list[Record], str]:
    """Take the records of a page (`collection`) and the address of the next one, empty after the last.

    A page whose `pagination` leaves a doubt about what follows is refused: nobody could say that the listing is
    complete.

    Raises:
        Unreadable: it is no page, `next_page` is missing or no address, or a token or `count` contradicts it.
    """
    if "collection" not in fields or "pagination" not in fields:
        raise Unreadable(f"{at}: the answer has no collection or no pagination", NOT_CALENDLY)
    rows = read_record(lambda raw: decode(_ROWS, raw), Record(fields["collection"], f"{at}, collection"))
    pagination = Record(fields["pagination"], f"{at}, pagination")
    after = read_record(lambda raw: _next_page(decode(_PAGINATION, raw), len(rows)), pagination)
    return [Record(raw, f"{at}, row {row}") for row, raw in enumerate(rows, 1)], after


def listed(body: bytes) -> tuple[list[bytes], str] | None:
    """Take of each row of a page what makes an event news, as bytes, and the address of the next page.

    None = it is no such page, or not all of it is there: `page` says better what is wrong.
    """
    try:
        found = lenient.decode(_PAGE, body)
        after = _next_page(found.pagination, len(found.collection))
    except FAULTS:
        return None
    # No JSON value begins or ends with a line break: what belongs to which field stays clear.
    return [b"\n".join(msgspec.structs.astuple(row)) for row in found.collection], after


def _next_page(pagination: _Pagination, rows: int) -> str:
    """Read the address of the next page; empty = this page is the last, and says so.

    A page without rows that names a next one is followed: it contradicts nothing, and the walk has an end.

    Raises:
        Malformed: nobody could say whether this page is the last, or whether it is whole.
    """
    if pagination.next_page is ABSENT:
        raise Malformed("next_page is missing")
    try:
        after = decode(_ADDRESS, pagination.next_page)
    except Malformed:
        raise Malformed("next_page is neither a text nor null") from None
    if after is None and bytes(pagination.next_page_token) not in _NO_TOKEN:
        raise Malformed("next_page is null, but there is a next_page_token")
    if after is not None and not after.strip():
        raise Malformed("next_page is empty")
    # A count that is no number says nothing that could be true: that is a contradiction, too.
    if bytes(pagination.count) not in _NO_COUNT and whole(value(pagination.count)) != rows:
        raise Malformed(f"count is not the number of its rows, {rows}")
    return after or ""


def ident(uri: str) -> str:
    """Take the last part of a resource URI, which names it in paths (developer.calendly.com, "API conventions")."""
    return uri.rsplit("/", 1)[-1]


def quoted_uri(uri: str) -> str:
    """Make a resource URI fit for an error: `quoted` would mask the digits of its id."""
    return "".join(c for c in uri[:200] if c.isascii() and c.isprintable() and c != " ")


class Malformed(ValueError):
    """A record is not what its documentation says. The text names types and the field, never a value."""


def decode(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw) -> T:
    """Read JSON as the decoder's type.

    Raises:
        Malformed: it is not of it.
    """
    try:
        return lenient.decode(decoder, raw)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
    except FAULTS:
        raise Malformed("not readable as JSON") from None


def read_record(read: Callable[[msgspec.Raw], T], record: Record) -> T:
    """Read a record; what is wrong with it is said with its name.

    Raises:
        Unreadable: it is malformed.
    """
    try:
        return read(record.raw)
    except Malformed as error:
        raise Unreadable(f"{name_of(record)}: {error}", UNREADABLE) from None


def uri_of(record: Record) -> str:
    """Read a record's URI, whatever else is wrong with it; empty = it has none that can be read."""
    try:
        uri = value(lenient.decode(_NAMED, record.raw).uri)
    except FAULTS:
        return ""
    return uri if text(uri) else ""


def name_of(record: Record) -> str:
    """Name a record by its URI if it has one, else by its place."""
    uri = uri_of(record)
    return f"{quoted_uri(uri)} ({record.at})" if uri else record.at
