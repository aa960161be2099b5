"""Who is texted: the number, and the language and zone to write in. Pure.

`guest_number` says which number of a booking is the guest's; hosts have theirs from the settings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncer import phones, zone_names
from syncer.guest_number import guest_number, needs_questions
from syncer.model import Audience
from syncer.phones import NoRecipient
from syncer.reasons import Reason
from syncer.rules import HostSettings, plain

if TYPE_CHECKING:
    from syncer.model import Booking, Host
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


ERASED = NoRecipient(Reason.ERASED)
NO_HOST_NUMBER = NoRecipient(Reason.NO_NUMBER, "no host has one (settings: hosts, HOST_PHONE)")
WRONG_HOST_NUMBER = NoRecipient(Reason.INVALID_NUMBER, "the host's (settings: hosts, HOST_PHONE)")


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
    comes from the settings and need only be valid in its country, being the operator's own.

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
    found = guest_number(booking, policy, phone_questions)
    if isinstance(found, NoRecipient):
        return found
    country = found.number.country
    return Recipient(
        number=found.number.number,
        country=country,
        language=_language(booking, country, policy),
        timezone=zone_names.find(booking.invitee.timezone) or policy.timezone,
    )


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
    number = phones.read(phone, policy.country)
    if isinstance(number, NoRecipient):
        return None
    return Recipient(
        number=number.number,
        country=number.country,
        language=settings.language or policy.language,
        timezone=settings.timezone or policy.timezone,
        tag=tag,
    )
