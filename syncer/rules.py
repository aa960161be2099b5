"""What the operator wants texted: rules, the built-in ones, and the policy that planning obeys.

Pure. `config` builds these from the settings; `plan`, `recipients` and `wording` read them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from syncer.model import Audience

if TYPE_CHECKING:
    from collections.abc import Mapping


FIELD = re.compile(r"\{([^{}]*)\}")
"""A field of a param, in its braces."""
BRACE = re.compile(r"[{}]")
ANSWER = "answer:"


class Trigger(StrEnum):
    """What a rule reacts to (the setting `on`)."""

    BOOKED = "booked"
    CANCELED = "canceled"
    RESCHEDULED = "rescheduled"
    REASSIGNED = "reassigned"
    BEFORE_START = "before_start"
    AFTER_END = "after_end"
    NO_SHOW = "no_show"


class CanceledBy(StrEnum):
    """Whose cancellations a rule is for (the setting `canceled_by`); the others are Calendly's `canceler_type`."""

    ANYONE = "anyone"
    HOST = "host"
    INVITEE = "invitee"


class Late(StrEnum):
    """What happens to a reminder whose time had passed when the meeting was booked."""

    SKIP = "skip"
    SEND = "send"


class OnUnknown(StrEnum):
    """What happens to a message nobody knows the fate of: held for a person, or sent once more."""

    HOLD = "hold"
    RESEND = "resend"


MAX_LATENESS: Mapping[Trigger, timedelta] = {
    Trigger.BOOKED: timedelta(hours=6),
    Trigger.CANCELED: timedelta(hours=6),
    Trigger.RESCHEDULED: timedelta(hours=6),
    Trigger.REASSIGNED: timedelta(hours=6),
    Trigger.BEFORE_START: timedelta(hours=2),
    Trigger.AFTER_END: timedelta(hours=24),
    Trigger.NO_SHOW: timedelta(hours=24),
}
"""How late a message may go out, where its rule does not say."""

LATE_RUN = timedelta(minutes=15)
"""How late a run may come at least: what was to leave before quiet hours leaves so long after they began, too."""

OBEYS_QUIET_HOURS = frozenset({Trigger.BEFORE_START, Trigger.AFTER_END, Trigger.NO_SHOW})
"""Triggers whose messages wait for the end of quiet hours, where the rule does not say."""

DEFAULT_PARAMS: Mapping[Trigger, Mapping[str, str]] = {
    Trigger.BOOKED: {"name": "{name}", "time": "{start}"},
    Trigger.CANCELED: {"name": "{name}"},
    Trigger.RESCHEDULED: {"name": "{name}", "time": "{start}"},
    Trigger.REASSIGNED: {"name": "{name}", "time": "{start}"},
    Trigger.BEFORE_START: {"name": "{name}", "time": "{start}", "advance": "{offset}"},
    Trigger.AFTER_END: {"name": "{name}"},
    Trigger.NO_SHOW: {"name": "{name}"},
}
"""The template variables a rule fills, where it does not say: the tutorial's names."""

FIELDS = frozenset(
    "name first_name last_name email event_name start start_date start_time end_time offset host_name"
    " location join_url cancel_url reschedule_url reason".split()
)
"""What may stand in braces in `params`; `answer:<question>` may, too."""


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Spell an event type's name so that letter case, blanks and what cannot be seen do not matter.

    An event keeps the name that its type had when it was booked: recordings have "Ai" where the catalogue has "AI".
    """
    shown = (character for character in name if unicodedata.category(character) != "Cf" and character != "\ufe0f")
    return " ".join(unicodedata.normalize("NFKC", "".join(shown)).casefold().split())


@lru_cache(maxsize=256)
def _plain_all(names: frozenset[str]) -> frozenset[str]:
    return frozenset(map(plain, names))


def is_for(event_types: frozenset[str] | None, event_name: str, event_type: str) -> bool:
    """Whether an event is of one of these types, given its name and its type's URI; None = all types."""
    return event_types is None or not _plain_all(event_types).isdisjoint((plain(event_name), plain(event_type)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of text.

    Attributes:
        name: unique; part of the message key and of every log line.
        templates: EngageLab template id by language; under "" the one for any language.
        params: template variable -> text with fields in braces.
        offset: before the start, after the end, or a delay after the booking.
        event_types: names, in any letter case, or URIs; None = all.
        max_lateness: not sent later than this after it was due.
        to_canceler: on canceled: also when this very person canceled.
        canceled_by: on canceled: whose cancellations it is for.
        also_reassigned: on booked, to the host: a host to whom a meeting is handed over hears of it, too.
    """

    name: str
    on: Trigger
    templates: Mapping[str, str]
    to: Audience = Audience.INVITEE
    params: Mapping[str, str] = field(default_factory=dict)
    offset: timedelta = timedelta()
    event_types: frozenset[str] | None = None
    late: Late = Late.SKIP
    max_lateness: timedelta = timedelta(hours=6)
    quiet_hours: bool = False
    on_unknown: OnUnknown = OnUnknown.HOLD
    to_canceler: bool = False
    canceled_by: CanceledBy = CanceledBy.ANYONE
    also_reassigned: bool = False

    def covers(self, event_name: str, event_type: str) -> bool:
        """Whether the rule is for events of this type, given its name and URI."""
        return is_for(self.event_types, event_name, event_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What the operator says about one host; Calendly knows no phone number of hosts."""

    phone: str = ""
    timezone: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Local times between which nobody is texted; may span midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that decides who is texted what and when.

    Attributes:
        timezone: IANA name, when the invitee has none; also the host's default.
        timezone_is_set: False when `timezone` is only the built-in default: then a host's text names the zone.
        language: a language tag, when nothing more specific is known.
        languages_by_event_type: event type name or URI -> language tag.
        languages_by_country: ISO 3166 country of the number -> language tag.
        country: ISO 3166 code for numbers without a country code; "" = they are skipped.
        hosts: e-mail (lower case) -> settings of that host.
        host_phone: fallback number for host messages, E.164.
        phone_sources: where to look for a number, in order.
        allowed_countries: ISO 3166 codes that may be texted; empty = all.
        late_run: how late a run may come: what was to leave before quiet hours leaves so long after they began, too.
        settle: a cancellation younger than this is read again before it is texted.
        per_number_per_day: most texts to one number in 24 hours.
        fold_accents: whether syncer's own words lose accents that would turn a text into UCS-2.
    """

    rules: tuple[Rule, ...] = ()
    timezone: str = "UTC"
    timezone_is_set: bool = False
    language: str = "en"
    languages_by_event_type: Mapping[str, str] = field(default_factory=dict)
    languages_by_country: Mapping[str, str] = field(default_factory=dict)
    country: str = ""
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)
    host_phone: str = ""
    phone_sources: tuple[str, ...] = ("text_reminder_number", "outbound_call", "question:*")
    allowed_countries: frozenset[str] = frozenset()
    allow_landlines: bool = False
    quiet_hours: QuietHours | None = None
    late_run: timedelta = LATE_RUN
    settle: timedelta = timedelta(seconds=30)
    per_number_per_day: int = 10
    fold_accents: bool = True

    def rule(self, name: str) -> Rule | None:
        """Find a rule by its name; None when it was removed."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def fingerprint(self) -> str:
        """Digest of everything above: while it is the same, unchanged bookings need no new plan."""
        return hashlib.sha256(_canonical(self).encode()).hexdigest()


def _canonical(value: object) -> str:
    """Spell a value the same way in every process: sets sorted, mappings as they are (the first template counts)."""
    if is_dataclass(value):
        return "(" + ",".join(f"{f.name}={_canonical(getattr(value, f.name))}" for f in fields(value)) + ")"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{_canonical(value[key])}" for key in value) + "}"
    if isinstance(value, (frozenset, tuple)):
        items = [_canonical(item) for item in value]
        return "[" + ",".join(sorted(items) if isinstance(value, frozenset) else items) + "]"
    return repr(value)


def built_in(templates: Mapping[str, str]) -> tuple[Rule, ...]:
    """Make the rules that the `TEMPLATE_ID_*` variables switch on.

    Args:
        templates: the part of the variable's name after `TEMPLATE_ID_` -> template id; missing or empty = off.
    """

    def rule(name: str, on: Trigger, variable: str, **given: object) -> list[Rule]:
        if not templates.get(variable):
            return []
        made: dict[str, object] = {
            "params": dict(DEFAULT_PARAMS[on]),
            "max_lateness": MAX_LATENESS[on],
            "quiet_hours": on in OBEYS_QUIET_HOURS,
        }
        return [Rule(name=name, on=on, templates={"": templates[variable]}, **(made | given))]  # type: ignore[arg-type]

    return (
        *rule("confirmation", Trigger.BOOKED, "CONFIRM"),
        *rule("cancellation", Trigger.CANCELED, "CANCEL", to_canceler=True),
        *rule("reschedule", Trigger.RESCHEDULED, "RESCHEDULE"),
        *rule("reminder-24h", Trigger.BEFORE_START, "REMINDER", offset=timedelta(hours=24)),
        *rule("reminder-1h", Trigger.BEFORE_START, "REMINDER", offset=timedelta(hours=1)),
        *rule("follow-up", Trigger.AFTER_END, "FOLLOWUP", offset=timedelta(minutes=30)),
        *rule("host", Trigger.BOOKED, "HOST_NOTIFY", to=Audience.HOST, also_reassigned=True),
    )


def unknown_fields(text: str) -> list[str]:
    """List what is wrong with a param of the settings: unknown names in braces, and "{" where braces do not pair.

    `{field|default}` and `{answer:<question>}` are known; a default may not hold braces, nor a question a `|`.
    """
    names = [match[1].partition("|")[0].strip() for match in FIELD.finditer(text)]
    wrong = [name or "{}" for name in names if not _is_known(name)]
    return [*wrong, "{"] if BRACE.search(FIELD.sub("", text)) else wrong


def _is_known(name: str) -> bool:
    return name in FIELDS or (name.startswith(ANSWER) and name != ANSWER)
