"""The words of a text: a rule's params filled from the fields of a booking, in the recipient's language and zone. Pure.

Fields come from three sides. What a guest typed is cleaned as a stranger's text; what the host's account holds loses
links; and links come only from Calendly's own link fields, and must look like one. No value ever holds a brace: the
gateway sends a variable that has no value as it stands, braces included (EngageLab, docs/sms/api/send-message).

Words that depend on the moment at which a text leaves are written twice: when it is planned, for people to see, and
when it leaves (`at_leaving`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from syncer import dates, gsm, names, zone_names, zones
from syncer.cleaning import clean, clean_name, clean_own
from syncer.dates import in_words, when
from syncer.gsm import is_gsm, segments
from syncer.model import Audience
from syncer.reasons import Reason
from syncer.recipients import Recipient
from syncer.rules import ANSWER, BRACE, FIELD, HostSettings, Trigger, unknown_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from syncer.model import Booking, Event, Host, Message
    from syncer.ports import Template
    from syncer.rules import Policy, Rule

__all__ = [
    "Unfilled",
    "at_leaving",
    "clean",
    "clean_name",
    "fill",
    "guest_word",
    "in_words",
    "is_gsm",
    "preview",
    "render",
    "segments",
    "unknown_fields",
    "variables",
    "when",
]

PROSE_LIMIT = 160
"""Longer answers, places and reasons are cut: a text that says most of it is better than none."""
URL_LIMIT = 1000
EMAIL_LIMIT = 254
"""Longer addresses are refused: a part of one leads nowhere."""
WITH_YEAR = timedelta(days=180)
"""A meeting further away than this is written with its year."""
ONLY_LINKS = "nothing is left of it without links, numbers to call and pictures"
NO_PLACE = "a number to call is no place"
NO_LINK = "it is no plain http(s) address"
NO_EMAIL = "it is no plain e-mail address"

_VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}|\{\s*([^{}]+?)\s*\}")
_BLANKS = " \t\u00a0"
_SITE = r"(?i:https?)://(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?::[0-9]{1,5})?"
_URL = re.compile(rf"{_SITE}(?:[/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*)?")
_BEHIND_SITE = re.compile(rf"({_SITE})([/?#].*)")
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$&'*+/=?^_~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+(?:[A-Za-z]{2,}|(?i:xn--)[A-Za-z0-9-]{2,59})"
)

_GUEST = {
    "en": "guest",
    "de": "Gast",
    "es": "cliente",
    "fr": "client",
    "pt": "cliente",
    "zh-tw": "貴賓",
    "zh-cn": "贵宾",
    "ja": "ご予約者",
}
"""What a guest is called whose name holds nothing that may stand in a text."""
_TRADITIONAL = ("zh-hant", "zh-hk", "zh-mo")


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A field that has no value for this booking and no default: the message is skipped.

    Attributes:
        field: its name; empty for a param without any field.
        reason: it is empty, or it holds nothing that may stand in an SMS, or it is too long.
        detail: why, or how long.
    """

    field: str
    reason: Reason = Reason.EMPTY_FIELD
    detail: str = ""

    @property
    def in_words(self) -> str:
        """Name the field, and say what is special about it."""
        return f"{{{self.field}}}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class _Texting:
    """One text to be written.

    Attributes:
        at: when it leaves, as far as is known.
        fold: whether syncer's own words are written in GSM-7.
    """

    rule: Rule
    booking: Booking
    recipient: Recipient
    policy: Policy
    at: datetime
    fold: bool = False

    def own(self, text: str) -> str:
        """Write what syncer itself says: a date, a distance, a zone, a fallback word."""
        return gsm.folded(text) if self.fold else text


def render(
    rule: Rule, booking: Booking, recipient: Recipient, policy: Policy, at: datetime | None = None
) -> dict[str, str] | Unfilled:
    """Fill the params of a rule for one recipient, in `recipient.language` and `recipient.timezone`.

    Give it a recipient with the language of the template that was chosen (`recipients.template_for`): then a text is of
    one language throughout.

    Args:
        rule: with the params.
        booking: what it is about.
        recipient: whom it is for.
        policy: the zones of hosts; whether accents are folded.
        at: when the text leaves; None = when its rule wants it.

    Returns:
        Template variable -> value, never blank; or the first field that has none for this booking.
    """
    return _render(_Texting(rule, booking, recipient, policy, at or _planned_at(rule, booking)), rule.params, {})


def _render(texting: _Texting, texts: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str] | Unfilled:
    """Fill texts; what syncer itself writes is folded if that makes all of it GSM-7, `others` included."""
    params = {}
    for variable, text in texts.items():
        value = _one(text, texting)
        if isinstance(value, Unfilled):
            return value if value.field else replace(value, field=variable)
        params[variable] = value
    if texting.fold or not texting.policy.fold_accents or all(map(is_gsm, params.values())):
        return params
    folded = _render(replace(texting, fold=True), texts, others)
    if isinstance(folded, dict) and all(map(is_gsm, (*folded.values(), *others.values()))):
        return folded
    return params


def _planned_at(rule: Rule, booking: Booking) -> datetime:
    """Say when a rule wants its text, near enough for words."""
    if rule.on is Trigger.BEFORE_START:
        return booking.event.start - rule.offset
    return booking.event.end if rule.on is Trigger.AFTER_END else booking.booked_at


def at_leaving(
    message: Message, rule: Rule | None, booking: Booking | None, now: datetime, policy: Policy
) -> Mapping[str, str]:
    """Give a message's params as they leave now: the words that depend on the moment are written anew.

    Where the rule or the booking is gone, or its fields have no value any more, the words stay as they were planned.

    Args:
        message: that waits.
        rule: its rule, as the settings have it now; None = it was removed.
        booking: as last read; None = it is not known any more.
        now: when it leaves.
        policy: as of `render`.
    """
    texts = momentary(rule) if rule is not None else {}
    texts = {variable: text for variable, text in texts.items() if variable in message.params}
    if rule is None or booking is None or not texts:
        return message.params
    host = message.key.removeprefix(f"{message.booking}/{message.rule}/").partition("/")[2].partition("~")[0]
    recipient = Recipient(number=message.to, country="", language=message.language, timezone=message.timezone, tag=host)
    others = {variable: value for variable, value in message.params.items() if variable not in texts}
    written = _render(_Texting(rule, booking, recipient, policy, now), texts, others)
    # In the order of the planned ones: equal params stay equal.
    return message.params if isinstance(written, Unfilled) else dict(message.params) | written


def momentary(rule: Rule) -> dict[str, str]:
    """Pick the params of a rule whose words depend on the moment at which the text leaves."""
    if rule.on is not Trigger.BEFORE_START:
        return {}
    return {variable: text for variable, text in rule.params.items() if "offset" in _fields(text)}


def _fields(text: str) -> list[str]:
    return [field.partition("|")[0].strip() for field in FIELD.findall(text)]


def render_one(
    text: str, rule: Rule, booking: Booking, recipient: Recipient, policy: Policy, at: datetime | None = None
) -> str | Unfilled:
    """Fill the fields of one param; see `render`. A text without any field that is blank has an empty field's name."""
    found = _render(_Texting(rule, booking, recipient, policy, at or _planned_at(rule, booking)), {"": text}, {})
    return found if isinstance(found, Unfilled) else found[""]


def _one(text: str, texting: _Texting) -> str | Unfilled:
    parts, end, first = [], 0, Unfilled("")
    for match in FIELD.finditer(text):
        name, bar, default = (part.strip() for part in match[1].partition("|"))
        value = _value(name, texting)
        if isinstance(value, Unfilled):
            first = first if first.field else value
            # A courtesy field never decides whether a necessary text leaves.
            value = default if bar else _fallback(name, texting)
            if not value and not bar:
                return first
        parts += [text[end : match.start()], value]
        end = match.end()
    value = dates.plain(BRACE.sub("", "".join([*parts, text[end:]])))
    return value or _fallback(first.field, texting) or first


def _fallback(name: str, texting: _Texting) -> str:
    """Say how a guest without a name is called in the reader's language; "" for other fields and languages."""
    return texting.own(guest_word(texting.recipient.language)) if name in {"name", "first_name"} else ""


def guest_word(language: str) -> str:
    """Say how a guest without a usable name is called in a language; "" = there is no word for it."""
    tag = language.replace("_", "-").casefold()
    if tag.startswith("zh"):
        tag = "zh-tw" if tag.startswith(("zh-tw", *_TRADITIONAL)) else "zh-cn"
    return _GUEST.get(tag) or _GUEST.get(tag.partition("-")[0], "")


def _value(name: str, texting: _Texting) -> str | Unfilled:
    """Write one field; one that is unknown (the settings refuse those) is empty."""
    event, booking = texting.booking.event, texting.booking
    match name:
        case "start" | "start_date" | "start_time" | "end_time":
            return _moment(name, texting)
        case "event_name":
            return _prose(name, event.name, clean_own)
        case "offset":
            return _offset(texting) or Unfilled(name)
        case "host_name":
            host = _host(event, texting.recipient.tag)
            return _prose(name, host.name if host else "", clean_name)
        case "location":
            return _place(event)
        case "join_url":
            return _url(name, event.location.join_url if event.location else "")
        case _ if name.startswith(ANSWER):
            return _answer(name, booking)
        case _:
            return _of_person(name, booking, texting.recipient.language)


def _offset(texting: _Texting) -> str:
    """Write the distance to the start when the text leaves; the rule's own words where it is behind the reader."""
    rule, distance = texting.rule, texting.rule.offset
    if rule.on is Trigger.BEFORE_START:
        distance = dates.distance_left(texting.booking.event.start - texting.at, rule.offset)
    return texting.own(in_words(distance, texting.recipient.language))


def _prose(name: str, raw: str, cleaned: Callable[[str], str]) -> str | Unfilled:
    """Clean a text; what had something in it and has nothing left was refused."""
    if text := cleaned(raw):
        return text
    return Unfilled(name, Reason.FIELD_REFUSED, ONLY_LINKS) if raw.strip() else Unfilled(name)


def _of_person(name: str, booking: Booking, language: str) -> str | Unfilled:
    """Write a field of the invitee's record."""
    invitee = booking.invitee
    match name:
        case "name" | "first_name" | "last_name":
            return _name(name, booking, language) or Unfilled(name)
        case "email":
            return _address(name, invitee.email, _EMAIL, EMAIL_LIMIT, NO_EMAIL)
        case "cancel_url":
            return _url(name, invitee.cancel_url)
        case "reschedule_url":
            return _url(name, invitee.reschedule_url)
        case "reason":
            return _prose(name, invitee.cancel_reason, clean)
    return Unfilled(name)


def _name(name: str, booking: Booking, language: str) -> str:
    """Write the guest's name, or the first or last of it; "" when nothing of it may stand in a text."""
    invitee = booking.invitee
    # first_name and last_name are null when the form asks for one name only (doc: list-event-invitees).
    whole = clean_name(invitee.name) or clean_name(f"{invitee.first_name} {invitee.last_name}")
    match name:
        case "first_name":
            return names.without_titles(clean_name(invitee.first_name), language) or names.first_name(whole, language)
        case "last_name":
            return clean_name(invitee.last_name) or names.last_name(whole, language)
    return whole


def _answer(name: str, booking: Booking) -> str | Unfilled:
    """Find an answer by its question's exact text, else without regard to case and blanks at the ends."""
    answers, question = booking.invitee.answers, name.removeprefix(ANSWER)
    wanted = question.strip().casefold()
    exact = [found for found in answers if found.question == question]
    alike = [found for found in answers if found.question.strip().casefold() == wanted]
    given = [_prose(name, found.answer, clean) for found in (*exact, *alike)]
    refused = [value for value in given if isinstance(value, Unfilled) and value.reason is Reason.FIELD_REFUSED]
    return next((value for value in given if isinstance(value, str)), (refused or [Unfilled(name)])[0])


def _place(event: Event) -> str | Unfilled:
    """Name the place of a meeting in person; a number to call is no place, and may be somebody's own."""
    location = event.location
    if location is None:
        return Unfilled("location")
    if location.kind in {"outbound_call", "inbound_call"}:
        given = bool(location.place.strip())
        return Unfilled("location", Reason.FIELD_REFUSED, NO_PLACE) if given else Unfilled("location")
    # The host's words: any digits may stay.
    own = location.kind in {"physical", "custom"}
    return _prose("location", location.place, lambda raw: (clean_own if own else clean)(raw, PROSE_LIMIT))


def _url(name: str, text: str) -> str | Unfilled:
    found = _BEHIND_SITE.fullmatch(text.strip(_BLANKS))
    return _address(name, found[1] + "".join(map(_encoded, found[2])) if found else text, _URL, URL_LIMIT, NO_LINK)


def _encoded(character: str) -> str:
    """Write what shows and is not ASCII as browsers send it: it looks like nothing else, and costs no UCS-2."""
    encode = character in "[]|^" or (not character.isascii() and unicodedata.category(character)[0] in "LMNPS")
    return quote(character) if encode else character


def _address(name: str, text: str, pattern: re.Pattern[str], limit: int, why_not: str) -> str | Unfilled:
    """Take an address as it is, whole or not at all; blanks around it are none of it."""
    text = text.strip(_BLANKS)
    if not text.strip():
        return Unfilled(name)
    if len(text) > limit:
        return Unfilled(name, Reason.FIELD_TOO_LONG, f"{len(text)} characters, at most {limit}")
    return text if pattern.fullmatch(text) else Unfilled(name, Reason.FIELD_REFUSED, why_not)


def _moment(name: str, texting: _Texting) -> str:
    """Write the start or end: with the year where the meeting is far off, with the zone where it may be mistaken.

    A time may be mistaken when the reader's zone is a guess, when clocks there show it twice, when the settings do not
    say which zone the host is in, and when host and reader do not have the same time then. A host who reads has: the
    recipient's zone is the same setting.
    """
    event, recipient, policy = texting.booking.event, texting.recipient, texting.policy
    moment = event.end if name == "end_time" else event.start
    language = recipient.language
    zone = zones.known(recipient.timezone) or policy.timezone
    known = _host_zone(event, recipient.tag, policy)
    name_zone = _is_guess(texting) or not known or dates.differs(known, zone, moment) or dates.is_repeated(moment, zone)
    year = event.start - texting.at > WITH_YEAR
    if name == "start":
        return texting.own(when(moment, language=language, zone=zone, name_zone=name_zone, year=year))
    if name == "start_date":
        return texting.own(dates.day(moment, language=language, zone=zone, year=year))
    return texting.own(dates.clock(moment, language=language, zone=zone, name_zone=name_zone))


def _is_guess(texting: _Texting) -> bool:
    """Whether the reader's zone is not known: a guest without one, or one that this machine does not know."""
    if not zones.known(texting.recipient.timezone):
        return True
    return texting.rule.to is Audience.INVITEE and not zone_names.find(texting.booking.invitee.timezone)


def _host(event: Event, tag: str) -> Host | None:
    """Find the host whom a recipient's tag names, else the first."""
    named = (host for host in event.hosts if host.uri.rstrip("/").rpartition("/")[2] == tag)
    return next(named, event.hosts[0] if event.hosts else None)


def _host_zone(event: Event, tag: str, policy: Policy) -> str:
    """Read the zone of a host from the settings; "" when they do not say."""
    host = _host(event, tag)
    settings = policy.hosts.get(host.email.strip().lower(), HostSettings()) if host else HostSettings()
    return settings.timezone or (policy.timezone if policy.timezone_is_set else "")


def variables(content: str) -> frozenset[str]:
    """Name the variables of a template's content: `{{x}}` and `{x}`, as the gateway's own pages write both."""
    return frozenset(match[1] or match[2] for match in _VARIABLE.finditer(content))


def fill(content: str, params: Mapping[str, str]) -> str:
    """Preview a template's content; a variable that `params` lacks stays as it is."""
    return _VARIABLE.sub(lambda match: params.get(match[1] or match[2], match[0]), content)


def preview(template: Template, params: Mapping[str, str]) -> str:
    """Write what a person reads, signature and all; how that is joined to the text is not documented."""
    text = fill(template.content, params)
    if not template.sign_name or template.sign_position not in {1, 2}:
        return text
    mark = f"[{template.sign_name}]"
    return f"{mark} {text}" if template.sign_position == 1 else f"{text} {mark}"
