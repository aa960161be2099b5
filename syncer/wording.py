"""The words of a text: a rule's params filled from the fields of a booking, in the recipient's language and zone. Pure.

Fields come from three sides. What a guest typed is cleaned as a stranger's text; what the host's account holds loses
links; and links come only from Calendly's own link fields, and must look like one. No value ever holds a brace: the
gateway sends a variable that has no value as it stands, braces included (EngageLab, docs/sms/api/send-message).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncer import dates
from syncer.cleaning import clean, clean_name, clean_own
from syncer.dates import in_words, when
from syncer.rules import ANSWER, BRACE, FIELD, HostSettings, unknown_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncer.model import Booking, Event, Host
    from syncer.ports import Template
    from syncer.recipients import Recipient
    from syncer.rules import Policy, Rule

__all__ = [
    "Empty",
    "clean",
    "clean_name",
    "fill",
    "in_words",
    "is_gsm",
    "preview",
    "render",
    "segments",
    "unknown_fields",
    "variables",
    "when",
]

VALUE_LIMIT = 80
URL_LIMIT = 200

_VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}|\{\s*([^{}]+?)\s*\}")
_URL = re.compile(r"https?://(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?::\d{1,5})?(?:[/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*)?")
_EMAIL = re.compile(r"[A-Za-z0-9._+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Empty:
    """A field that is empty for this booking and has no default: the message is skipped."""

    field: str


def render(rule: Rule, booking: Booking, recipient: Recipient, policy: Policy) -> dict[str, str] | Empty:
    """Fill the params of a rule for one recipient, in `recipient.language` and `recipient.timezone`.

    Give it a recipient with the language of the template that was chosen (`recipients.template_for`): then a text is of
    one language throughout.

    Returns:
        Template variable -> value, never blank; or the first field that is empty for this booking.
    """
    params = {}
    for variable, text in rule.params.items():
        value = render_one(text, rule, booking, recipient, policy)
        if isinstance(value, Empty):
            return value if value.field else Empty(variable)
        params[variable] = value
    return params


def render_one(text: str, rule: Rule, booking: Booking, recipient: Recipient, policy: Policy) -> str | Empty:
    """Fill the fields of one param; see `render`. A text without any field that is blank has an empty field's name."""
    parts, end = [], 0
    for match in FIELD.finditer(text):
        name, bar, default = match[1].partition("|")
        value = _value(name.strip(), rule, booking, recipient, policy) or default.strip()
        if not value and not bar:
            return Empty(name.strip())
        parts += [text[end : match.start()], value]
        end = match.end()
    value = dates.plain(BRACE.sub("", "".join([*parts, text[end:]])))
    if value:
        return value
    first, *_ = (*FIELD.findall(text), "")
    return Empty(first.partition("|")[0].strip())


def _value(name: str, rule: Rule, booking: Booking, recipient: Recipient, policy: Policy) -> str:
    """Write one field; "" = empty for this booking, or unknown (the settings refuse those)."""
    event = booking.event
    match name:
        case "start" | "start_date" | "start_time" | "end_time":
            return _moment(name, event, recipient, policy)
        case "event_name":
            return clean_own(event.name, VALUE_LIMIT)
        case "offset":
            return in_words(rule.offset, recipient.language)
        case "host_name":
            host = _host(event, recipient.tag)
            return clean_name(host.name) if host else ""
        case "location":
            return _place(event)
        case "join_url":
            return _url(event.location.join_url) if event.location else ""
        case _ if name.startswith(ANSWER):
            return _answer(name.removeprefix(ANSWER), booking)
        case _:
            return _of_person(name, booking)


def _of_person(name: str, booking: Booking) -> str:
    """Write a field of the invitee's record."""
    invitee = booking.invitee
    # first_name and last_name are null when the form asks for one name only (doc: list-event-invitees).
    whole = clean_name(invitee.name) or clean_name(f"{invitee.first_name} {invitee.last_name}")
    first, _, rest = whole.partition(" ")
    match name:
        case "name":
            return whole
        case "first_name":
            return clean_name(invitee.first_name) or first
        case "last_name":
            return clean_name(invitee.last_name) or rest
        case "email":
            return invitee.email if len(invitee.email) <= VALUE_LIMIT and _EMAIL.fullmatch(invitee.email) else ""
        case "cancel_url":
            return _url(invitee.cancel_url)
        case "reschedule_url":
            return _url(invitee.reschedule_url)
        case "reason":
            return clean(invitee.cancel_reason, VALUE_LIMIT)
    return ""


def _answer(question: str, booking: Booking) -> str:
    """Find an answer by its question's exact text, else without regard to case and blanks at the ends."""
    answers = booking.invitee.answers
    wanted = question.strip().casefold()
    exact = [found for found in answers if found.question == question]
    alike = [found for found in answers if found.question.strip().casefold() == wanted]
    return next((text for found in (*exact, *alike) if (text := clean(found.answer, VALUE_LIMIT))), "")


def _place(event: Event) -> str:
    """Name the place of a meeting in person; a number to call is no place, and may be somebody's own."""
    location = event.location
    if location is None or location.kind in {"outbound_call", "inbound_call"}:
        return ""
    if location.kind in {"physical", "custom"}:  # the host's words: any digits may stay
        return clean_own(location.place, VALUE_LIMIT)
    return clean(location.place, VALUE_LIMIT)


def _url(text: str) -> str:
    return text if len(text) <= URL_LIMIT and _URL.fullmatch(text) else ""


def _moment(name: str, event: Event, recipient: Recipient, policy: Policy) -> str:
    """Write the start or end, with the zone where a reader might take it for another.

    It may be taken for another when the settings do not say which zone the host is in, and when host and reader do
    not have the same time then. A host who reads has: the recipient's zone is the same setting.
    """
    moment = event.end if name == "end_time" else event.start
    language, zone = recipient.language, recipient.timezone
    known = _host_zone(event, recipient.tag, policy)
    name_zone = not known or dates.differs(known, zone, moment)
    if name == "start":
        return when(moment, language=language, zone=zone, name_zone=name_zone)
    if name == "start_date":
        return dates.day(moment, language=language, zone=zone)
    return dates.clock(moment, language=language, zone=zone, name_zone=name_zone)


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


def is_gsm(text: str) -> bool:
    """Whether all of a text is in GSM-7: one other character more than halves what fits into a segment."""
    return set(text) <= _GSM | _GSM_TWICE


_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("\f^{}\\[~]|€")


def segments(text: str) -> int:
    """Estimate how many SMS a text is billed as: 160 characters or 153 a part; 70 or 67 once one is not in GSM-7.

    The gateway documents no rule of its own, and the operator's count is what is billed: an estimate.
    """
    if is_gsm(text):
        length, single, part = sum(2 if one in _GSM_TWICE else 1 for one in text), 160, 153
    else:
        length, single, part = len(text.encode("utf-16-le", "surrogatepass")) // 2, 70, 67
    return 1 if length <= single else -(-length // part)
