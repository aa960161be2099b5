"""Who is texted: the number, and the language and zone to write in. Pure.

A number may be in three places of a booking, none of them sure; `phones` says which numbers take texts.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import phonenumbers

from syncer import phones, zone_names
from syncer.model import Audience
from syncer.phones import NoRecipient, Textable
from syncer.reasons import Reason
from syncer.rules import HostSettings, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncer.model import Answer, Booking, Host
    from syncer.rules import Policy, Rule


__all__ = ["NoRecipient", "Recipient", "host_of", "needs_questions", "recipients", "tag_of", "template_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One person to text.

    Attributes:
        number: E.164 with `+`.
        country: ISO 3166 alpha-2 of the number; "" if unknown.
        language: a language tag as configured, such as "zh-TW".
        timezone: IANA name, surely a real one.
        tag: appended to a message key when one event has several hosts.
        is_own: whether it is surely this person's: a host without a number of their own has the fallback.
    """

    number: str
    country: str
    language: str
    timezone: str
    tag: str = ""
    is_own: bool = True


NO_NUMBER = NoRecipient(Reason.NO_NUMBER)
ERASED = NoRecipient(Reason.ERASED)
NO_HOST_NUMBER = NoRecipient(Reason.NO_NUMBER, "no host has one (settings: hosts, HOST_PHONE)")
WRONG_HOST_NUMBER = NoRecipient(Reason.INVALID_NUMBER, "the host's (settings: hosts, HOST_PHONE)")
SHARED_CALL = NoRecipient(Reason.NO_NUMBER, "the call's number of an event with several guests is not surely theirs")
_FEWEST_DIGITS = 7
"""Of what looks like a number in an answer: the shortest international numbers have seven."""
_FEWEST_IN_A_GUESS = 3

_PHONE_QUESTION = re.compile(
    r"\b(?:(?:tele|smart|cell|mobile)?phones?|mobil|mobiles?|cell|cellular|cel|tel|tél|téléphone|telephone|portable"
    r"|telefon\w*|telefón\w*|teléfono|telefono|telefone|telemóvel|cellulare|celular|móvil|movil|handy|handy-?nummer"
    r"|mobil-?(?:nummer|telefon)|rufnummer|telefoon\w*|puhelin\w*|gsm|komórk\w*|telepon|ponsel|cep|whatsapp|sms)\b"
    r"|телефон|мобильн|мобільн|τηλέφωνο|κινητό|טלפון|נייד|هاتف|جوال|موبايل|تلفن|موبایل|फ़ोन|फोन|मोबाइल|โทรศัพท์|มือถือ"
    r"|điện thoại|số điện|手机|手機|電話|电话|携帯|ケータイ|휴대폰|휴대전화|전화|핸드폰|联系方式",
    re.IGNORECASE,
)
_OTHER_PERSON = re.compile(r"\b(?:emergency|notfall\w*|urgence|emergencia|emergenza|fax)\b|緊急|紧急", re.IGNORECASE)


def recipients(
    booking: Booking,
    rule: Rule,
    policy: Policy,
    *,
    phone_questions: frozenset[str] | None,
    hosts: tuple[Host, ...] | None = None,
) -> tuple[Recipient | NoRecipient, ...]:
    """Say who gets the text of a rule about a booking.

    The invitee's number comes from the first of `policy.phone_sources` that yields one that takes texts. A host's
    comes from the settings and is only checked for being possible, being the operator's own.

    Args:
        booking: as read.
        rule: to the invitee, or to the hosts.
        policy: sources, countries, languages, hosts.
        phone_questions: names of the event type's questions of type phone_number (`GET /event_types/{uuid}`,
            `custom_questions`); None = not known: then what a question is called decides.
        hosts: those of the hosts that a rule to hosts is for; None = all.

    Returns:
        At least one: the recipients, or the one reason why there is none.
    """
    if booking.invitee.erased:
        return (ERASED,)
    if rule.to is not Audience.INVITEE:
        return _hosts(booking.event.hosts if hosts is None else hosts, policy, several=len(booking.event.hosts) > 1)
    return (_invitee(booking, policy, phone_questions),)


def needs_questions(booking: Booking, policy: Policy) -> bool:
    """Whether the invitee's number hangs on which questions are of type phone, so that the event type must be read.

    So it is when `question:*` is reached, no earlier source having a number that takes texts, and there is an answer
    that may hold one.
    """
    if booking.invitee.erased:
        return False
    for source in policy.phone_sources:
        if source == "question:*":
            return any(sum(map(str.isdecimal, one.answer)) >= _FEWEST_DIGITS for one in booking.invitee.answers)
        if any(isinstance(found, Textable) for found in _candidates(source, booking, policy, frozenset())):
            return False
    return False


def template_for(rule: Rule, language: str, default: str) -> tuple[str, str]:
    """Choose a rule's template: for the language, its base ("de" for "de-AT"), any language, the default, the first.

    Args:
        rule: with at least one template.
        language: the recipient's.
        default: the policy's language.

    Returns:
        The language to write the fields in, and the template id. The language is the template's own where the
        recipient's has none: a French date in an English text helps nobody.

    Raises:
        ValueError: the rule has no template.
    """
    if not rule.templates:
        raise ValueError(f"rule {rule.name} has no template (setting: template)")
    by_tag = {_tag(key): (key, template) for key, template in rule.templates.items()}
    for wanted in (language, language.replace("_", "-").partition("-")[0], ""):
        if _tag(wanted) in by_tag:
            return language, by_tag[_tag(wanted)][1]
    fallback = by_tag.get(_tag(default)) or by_tag.get(_tag(default).partition("-")[0])
    return fallback or next(iter(rule.templates.items()))


def _tag(language: str) -> str:
    return language.replace("_", "-").casefold()


def _invitee(booking: Booking, policy: Policy, phone_questions: frozenset[str] | None) -> Recipient | NoRecipient:
    first: NoRecipient | None = None
    for source in policy.phone_sources:
        for found in _candidates(source, booking, policy, phone_questions):
            if isinstance(found, NoRecipient):
                first = first or found
                continue
            return Recipient(
                number=found.number,
                country=found.country,
                language=_language(booking, found.country, policy),
                timezone=zone_names.find(booking.invitee.timezone) or policy.timezone,
            )
    return first or NO_NUMBER


def _candidates(
    source: str, booking: Booking, policy: Policy, phone_questions: frozenset[str] | None
) -> Iterator[Textable | NoRecipient]:
    """Look into one source: a number for each thing found there, or why it is none."""
    event, invitee = booking.event, booking.invitee
    texts: list[str] = []
    if source == "text_reminder_number":
        texts = [invitee.text_reminder_number]
    elif source == "outbound_call" and event.location is not None and event.location.kind == "outbound_call":
        # The number is the event's, so in a group it is one guest's. inbound_call is the host's: never a source.
        if event.total > 1 and event.location.place.strip():
            yield SHARED_CALL
            return
        texts = [event.location.place]
    elif source.startswith("question:"):
        wanted = source.removeprefix("question:")
        known = phone_questions if wanted == "*" else frozenset({wanted})
        texts = [one.answer for one in invitee.answers if _is_phone_question(one, known)]
    for text in texts:
        if text.strip():
            yield phones.textable(text, policy)


def _is_phone_question(one: Answer, known: frozenset[str] | None) -> bool:
    """Whether a question asks for the guest's number: by the known names, else by what it is called."""
    if known is not None:
        return one.question.strip().casefold() in {name.strip().casefold() for name in known}
    # "May we send you an SMS?" is called like one, too: an answer with hardly a digit is not looked at.
    called = unicodedata.normalize("NFC", one.question).replace("_", " ")
    asks = _PHONE_QUESTION.search(called) and not _OTHER_PERSON.search(called)
    return bool(asks) and sum(map(str.isdecimal, one.answer)) >= _FEWEST_IN_A_GUESS


def _language(booking: Booking, country: str, policy: Policy) -> str:
    event = booking.event
    by_type = {plain(name): language for name, language in policy.languages_by_event_type.items()}
    return (
        by_type.get(plain(event.name))
        or by_type.get(plain(event.event_type))
        or policy.languages_by_country.get(country)
        or policy.language
    )


def _hosts(hosts: tuple[Host, ...], policy: Policy, *, several: bool) -> tuple[Recipient | NoRecipient, ...]:
    """List the hosts that have a number, each number once; without any, the fallback number."""
    found: dict[str, Recipient] = {}
    wrong = False
    for host in hosts:
        settings = _settings(host, policy)
        if settings.phone:
            recipient = _host(settings.phone, settings, policy, tag_of(host) if several else "")
            wrong = wrong or recipient is None
            if recipient is not None:
                found.setdefault(recipient.number, recipient)
    if not found and not wrong and policy.host_phone:
        # Whose number it is nobody says: the first host's language and zone are the best guess.
        return (_fallback(_settings(hosts[0], policy) if hosts else HostSettings(), policy),)
    return tuple(found.values()) or (WRONG_HOST_NUMBER if wrong else NO_HOST_NUMBER,)


def host_of(host: Host, policy: Policy, *, fallback: bool) -> Recipient | NoRecipient:
    """Say how one host is reached: by their own number, or by the fallback where that is allowed."""
    settings = _settings(host, policy)
    if settings.phone:
        return _host(settings.phone, settings, policy, tag_of(host)) or WRONG_HOST_NUMBER
    return _fallback(settings, policy) if fallback and policy.host_phone else NO_HOST_NUMBER


def tag_of(host: Host) -> str:
    """Name a host in a message's key."""
    return host.uri.rstrip("/").rpartition("/")[2] or hashlib.sha256(host.email.casefold().encode()).hexdigest()[:12]


def _fallback(settings: HostSettings, policy: Policy) -> Recipient | NoRecipient:
    recipient = _host(policy.host_phone, settings, policy, "")
    return replace(recipient, is_own=False) if recipient is not None else WRONG_HOST_NUMBER


def _settings(host: Host, policy: Policy) -> HostSettings:
    return policy.hosts.get(host.email.strip().lower(), HostSettings())


def _host(phone: str, settings: HostSettings, policy: Policy, tag: str) -> Recipient | None:
    number = phones.parse(phone, policy.country)
    if isinstance(number, NoRecipient) or not phonenumbers.is_possible_number(number):
        return None
    return Recipient(
        number=phones.e164(number),
        country=phones.country_of(number),
        language=settings.language or policy.language,
        timezone=settings.timezone or policy.timezone,
        tag=tag,
    )
