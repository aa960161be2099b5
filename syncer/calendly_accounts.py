"""Users, members and event types in Calendly's answers as values: pure decoding, no network, no clock.

Fields and types: developer.calendly.com, "Get current user", "List User Organization Memberships", "Get Event Type".
Nothing here decides about a text but the URIs and which questions ask for a number; the rest is read leniently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import msgspec

from syncer.calendly_pages import Malformed, decode, read_record
from syncer.lenient import ABSENT, text, text_of, value

if TYPE_CHECKING:
    from syncer.calendly_pages import Record

Text = Annotated[str, msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Me:
    """Whose token it is; `timezone` is IANA or empty."""

    uri: str
    organization: str
    email: str = ""
    name: str = ""
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A user of an organization; `role` is owner, admin, user or something newer."""

    uri: str
    email: str = ""
    name: str = ""
    timezone: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type, and the names of its questions: those of type `phone_number`, and all others."""

    uri: str
    name: str = ""
    phone_questions: frozenset[str] = frozenset()
    other_questions: frozenset[str] = field(default=frozenset(), compare=False)


class _User(msgspec.Struct):
    uri: Text
    current_organization: str | None = None
    email: msgspec.Raw = ABSENT
    name: msgspec.Raw = ABSENT
    timezone: msgspec.Raw = ABSENT


class _Membership(msgspec.Struct):
    user: _User
    role: msgspec.Raw = ABSENT


class _Question(msgspec.Struct):
    type: str | None = None
    name: msgspec.Raw = ABSENT


class _EventType(msgspec.Struct):
    uri: Text
    name: msgspec.Raw = ABSENT
    custom_questions: msgspec.Raw = ABSENT


# Made at import: msgspec crashes when two threads build a type at once.
_USER = msgspec.json.Decoder(_User)
_MEMBERSHIP = msgspec.json.Decoder(_Membership)
_EVENT_TYPE = msgspec.json.Decoder(_EventType)
_QUESTIONS = msgspec.json.Decoder(list[_Question] | None)


def me(record: Record) -> Me:
    """Read `/users/me`."""
    return read_record(_me, record)


def _me(raw: msgspec.Raw) -> Me:
    user = decode(_USER, raw)
    if not user.current_organization:
        raise Malformed("current_organization is missing")
    return Me(user.uri, user.current_organization, text_of(user.email), text_of(user.name), zone(user.timezone))


def member(record: Record) -> Member:
    """Read an organization membership."""
    return read_record(_member, record)


def _member(raw: msgspec.Raw) -> Member:
    found = decode(_MEMBERSHIP, raw)
    user = found.user
    return Member(user.uri, text_of(user.email), text_of(user.name), zone(user.timezone), text_of(found.role))


def event_type(record: Record) -> EventType:
    """Read an event type.

    Raises:
        Unreadable: also if a question cannot be read that may be the one that asks for a number.
    """
    return read_record(_event_type, record)


def listed_event_type(record: Record) -> EventType:
    """Read an event type of the catalogue: its questions are left out where one of them cannot be read.

    Raises:
        Unreadable: it has no URI.
    """
    return read_record(_listed_event_type, record)


def _event_type(raw: msgspec.Raw) -> EventType:
    found = decode(_EVENT_TYPE, raw)
    phone, other = _questions(found.custom_questions)
    return EventType(found.uri, text_of(found.name), phone, other)


def _listed_event_type(raw: msgspec.Raw) -> EventType:
    try:
        return _event_type(raw)
    except Malformed:
        found = decode(_EVENT_TYPE, raw)
        return EventType(found.uri, text_of(found.name))


def _questions(raw: msgspec.Raw) -> tuple[frozenset[str], frozenset[str]]:
    """Read the names of questions: those of type phone number, and all others."""
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for question in () if raw is ABSENT else decode(_QUESTIONS, raw) or ():
        is_phone, name = question.type == "phone_number", value(question.name)
        if is_phone and name is not None and not isinstance(name, str):
            raise Malformed("the name of a phone question is no text")
        names[is_phone].add(text(name))
    return frozenset(names[True] - {""}), frozenset(names[False] - {""})


def zone(raw: msgspec.Raw) -> str:
    """Read an IANA zone; one of Calendly's own samples has a space in it."""
    return text_of(raw).replace(" ", "_")
