"""What may stand in the TOML file: the tables as Structs, and the walk that checks all of it.

The Structs are the schema: a field's name is the key, its default the setting's default, its annotation the type with
the reader of `values` (or msgspec's own check of numbers and booleans), its `Meta` the one line of documentation.
Decoding with msgspec alone would stop at the first problem, so the tables are walked and converted leaf by leaf.
"""

from __future__ import annotations

import re
from datetime import time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from syncer import rules
from syncer.config import addresses, values
from syncer.errors import Problem
from syncer.model import Audience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Name = Callable[[str], str]

S = TypeVar("S", bound=Struct)

SECRETS = {
    "CALENDLY_TOKEN": "Calendly's personal access token",
    "ENGAGELAB_DEV_KEY": "name of EngageLab's API key (dev_key)",
    "ENGAGELAB_DEV_SECRET": "EngageLab's API secret (dev_secret)",
}
VARIABLES = (
    SECRETS
    | {f"{name}_FILE": f"a file that holds {name}" for name in SECRETS}
    | {
        "TEMPLATE_ID_CONFIRM": "template of the confirmation",
        "TEMPLATE_ID_CANCEL": "template of the cancellation",
        "TEMPLATE_ID_REMINDER": "template of the reminders 24 hours and 1 hour before the start",
        "TEMPLATE_ID_FOLLOWUP": "template of the text after the meeting",
        "TEMPLATE_ID_HOST_NOTIFY": "template of the text to the host",
        "TEMPLATE_ID_RESCHEDULE": "template of the text about a moved booking",
        "HOST_PHONE": "number for host messages, for hosts without one of their own",
        "SYNCER_DB": "the SQLite file",
        "SYNCER_CONFIG": "the TOML file",
        "CALENDLY_API_URL": "address of Calendly's API",
        "ENGAGELAB_API_URL": "address of EngageLab's API",
        "SYNCER_LOG_FORMAT": "console or json",
        "SYNCER_LOG_LEVEL": "debug, info, warning or error",
    }
)
"""Every variable of the environment and of `.env` that is read, with its meaning."""


def params(raw: object) -> dict[str, str]:
    """Template variables and the texts that fill them; every field in braces must be known."""

    def read(item: object) -> str:
        given = values.text(item)
        for name in rules.unknown_fields(given):
            if name == "{":
                remedy = "Write fields as {name} or {join_url|see your e-mail}"
                raise values.Wrong("has a brace without its partner", remedy)
            known = sorted(rules.FIELDS)
            remedy = values.suggestion(name, known) or f"Known: {', '.join(known)}, answer:<question>"
            raise values.Wrong(f"has an unknown field {values.shown(name)}", remedy)
        return given

    return values.table_of(values.text, read, empty=True)(raw)


class CalendlyTable(Struct, frozen=True, kw_only=True):
    """`[calendly]`."""

    scope: Annotated[str, addresses.scope, Meta(description="organization, user, or a user or group URI")] = (
        "organization"
    )
    max_requests_per_minute: Annotated[int, Meta(ge=0, le=10_000, description="0 = follow Calendly's own headers")] = 0


class EngagelabTable(Struct, frozen=True, kw_only=True):
    """`[engagelab]`."""

    number_format: Annotated[
        str,
        values.word("e164", "digits"),
        Meta(description="how EngageLab gets a number: e164 (+13125550142) or digits (13125550142)"),
    ] = "e164"


class LanguagesTable(Struct, frozen=True, kw_only=True):
    """`[languages]`."""

    by_event_type: Annotated[
        dict[str, str],
        values.table_of(values.text, values.language, empty=True),
        Meta(description="event type, by name or URI -> language"),
    ] = {}
    by_country: Annotated[
        dict[str, str],
        values.table_of(values.country, values.language, empty=True),
        Meta(description="the number's country -> language"),
    ] = {}


class HostTable(Struct, frozen=True, kw_only=True):
    """`[hosts."<e-mail>"]`."""

    # The number is read last of all, by `config`: `country` is needed for it.
    phone: Annotated[str, values.text, Meta(description="this host's mobile")] = ""
    timezone: Annotated[str, values.zone, Meta(description="this host's time zone")] = ""
    language: Annotated[str, values.language, Meta(description="this host's language")] = ""


class PhonesTable(Struct, frozen=True, kw_only=True):
    """`[phones]`."""

    sources: Annotated[
        tuple[str, ...], values.list_of(values.phone_source), Meta(description="where to look for a number, in order")
    ] = ("text_reminder_number", "outbound_call", "question:*")
    allowed_countries: Annotated[
        tuple[str, ...], values.list_of(values.country, empty=True), Meta(description="empty = all")
    ] = ()
    allow_landlines: Annotated[bool, Meta(description="text landline numbers, too")] = False


class LimitsTable(Struct, frozen=True, kw_only=True):
    """`[limits]`."""

    messages_per_run: Annotated[int, Meta(ge=1, le=100_000, description="the rest waits for the next run")] = 200
    messages_per_day: Annotated[int, Meta(ge=0, le=1_000_000, description="0 = no cap")] = 0
    per_number_per_day: Annotated[int, Meta(ge=1, le=1_000, description="texts to one number in 24 hours")] = 10
    per_prefix_per_hour: Annotated[
        int, Meta(ge=0, le=100_000, description="texts in an hour to numbers alike but for four digits; 0 = no cap")
    ] = 0
    segments_per_message: Annotated[int, Meta(ge=1, le=20, description="longest text, in SMS as they are billed")] = 10
    concurrency: Annotated[int, Meta(ge=1, le=64, description="requests in flight, to each API")] = 8
    sends_per_second: Annotated[float, Meta(ge=0.01, le=500, description="texts handed to EngageLab")] = 5.0


class QuietTable(Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """`[quiet_hours]`."""

    start: Annotated[time | None, values.clock_time, Meta(description="nobody is texted from this local time")] = None
    end: Annotated[time | None, values.clock_time, Meta(description="nobody is texted before this local time")] = None


class RetentionTable(Struct, frozen=True, kw_only=True):
    """`[retention]`."""

    after: Annotated[
        timedelta | None, values.span_or("never", "1d", "3650d"), Meta(description="when personal data is erased")
    ] = None
    keep_history: Annotated[
        timedelta | None,
        values.span_or("never", "7d", "3650d"),
        Meta(description="when bookings are deleted, counted from the meeting's end"),
    ] = timedelta(days=365)


class RuleTable(Struct, frozen=True, kw_only=True):
    """`[[rule]]`. None = not given; what that means depends on `on`."""

    name: Annotated[str, values.rule_name, Meta(description="unique; part of the message key")] = ""
    on: Annotated[rules.Trigger | None, values.one_of(rules.Trigger), Meta(description="what it reacts to")] = None
    offset: Annotated[
        timedelta | None, values.span("0s", "365d"), Meta(description="before the start, after the end, or a delay")
    ] = None
    to: Annotated[
        Audience,
        values.one_of(Audience),
        Meta(description="invitee | host | former_host (on reassigned: who gave the meeting away)"),
    ] = Audience.INVITEE
    template: Annotated[dict[str, str], values.templates, Meta(description="template id, or language -> id")] = {}
    params: Annotated[dict[str, str] | None, params, Meta(description="template variable -> text with fields")] = None
    event_types: Annotated[
        tuple[str, ...] | None, values.list_of(values.text), Meta(description="names or URIs; absent = all")
    ] = None
    late: Annotated[rules.Late, values.one_of(rules.Late), Meta(description="booked after the due time")] = (
        rules.Late.SKIP
    )
    max_lateness: Annotated[
        timedelta | None, values.span("1m", "30d"), Meta(description="not sent later than this after it was due")
    ] = None
    quiet_hours: Annotated[bool | None, Meta(description="whether it waits for the end of quiet hours")] = None
    on_unknown: Annotated[
        rules.OnUnknown, values.one_of(rules.OnUnknown), Meta(description="what to do when its fate is unknown")
    ] = rules.OnUnknown.HOLD
    to_canceler: Annotated[bool, Meta(description="text the person who canceled, too")] = False
    canceled_by: Annotated[
        rules.CanceledBy, values.one_of(rules.CanceledBy), Meta(description="whose cancellations it is for")
    ] = rules.CanceledBy.ANYONE


class Tables(Struct, frozen=True, kw_only=True):
    """The whole file."""

    timezone: Annotated[str, values.zone, Meta(description="when the invitee has none")] = "UTC"
    language: Annotated[str, values.language, Meta(description="when nothing more specific is known")] = "en"
    country: Annotated[str, values.country_or_nothing, Meta(description="for numbers without a country code")] = ""
    interval: Annotated[
        timedelta | None,
        values.span_or("auto", "5s", "1h"),
        Meta(description="from the start of a run of the loop to the next; auto = by events and limit"),
    ] = None
    lookback: Annotated[
        timedelta | None, values.span_or("auto", "1h", "365d"), Meta(description="how far back to read")
    ] = None
    horizon: Annotated[
        timedelta | None, values.span_or("none", "1h", "3650d"), Meta(description="how far ahead to read")
    ] = None
    max_snapshot_age: Annotated[
        timedelta, values.span("1m", "24h"), Meta(description="texts wait while the last listing is older")
    ] = timedelta(minutes=15)
    settle: Annotated[
        timedelta, values.span("0s", "10m"), Meta(description="a younger cancellation is read again first")
    ] = timedelta(seconds=30)
    reread: Annotated[
        timedelta, values.span("1h", "30d"), Meta(description="every event's invitees are read this often")
    ] = timedelta(hours=24)
    fold_accents: Annotated[
        bool, Meta(description="dates and distances lose accents that would make a text dearer")
    ] = True
    proxy: Annotated[str, addresses.proxy, Meta(description="for both APIs")] = ""
    ca_file: Annotated[
        str, values.text_or_nothing, Meta(description="certificates to trust besides the public ones, for both APIs")
    ] = ""
    calendly: CalendlyTable = CalendlyTable()
    engagelab: EngagelabTable = EngagelabTable()
    languages: LanguagesTable = LanguagesTable()
    hosts: dict[str, HostTable] = {}
    phones: PhonesTable = PhonesTable()
    limits: LimitsTable = LimitsTable()
    quiet_hours: QuietTable | None = None
    retention: RetentionTable = RetentionTable()
    rule: tuple[RuleTable, ...] = ()


fields = cache(msgspec.structs.fields)
"""The fields of a Struct with their full annotations."""


def _nested(hint: Any) -> type[Struct] | None:
    """The Struct inside a hint: itself, optional, or as items of a dict or tuple."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    if get_origin(hint) is Annotated:
        return None
    return next((found for inner in get_args(hint) if (found := _nested(inner))), None)


def meanings() -> Iterator[tuple[str, str]]:
    """Every key of the file with its meaning, dotted: "interval", "limits.concurrency", "rule.on", "hosts.phone"."""
    for field in fields(Tables):
        table = _nested(field.type)
        for inner in fields(table) if table else (field,):
            meaning = next(item.description for item in get_args(inner.type) if isinstance(item, Meta))
            yield f"{field.encode_name}.{inner.encode_name}" if table else field.encode_name, meaning or ""


def _leaf(hint: Any, raw: object) -> Any:
    """Convert one value: by the reader in its annotation, else by msgspec within the bounds of its Meta."""
    kind, *extra = get_args(hint)
    read = next((item for item in extra if callable(item)), None)
    if read is not None:
        return read(raw)
    try:
        return msgspec.convert(raw, hint)
    except msgspec.ValidationError as bad:
        meta = next(item for item in extra if isinstance(item, Meta))
        what = {int: "a whole number", float: "a number"}.get(kind)
        expected = f"{what} from {meta.ge} to {meta.le}" if what else "true or false"
        raise values.Wrong(f"must be {expected}, not {values.shown(raw)}", _meant(kind, raw, hint)) from bad


def _meant(kind: Any, raw: object, hint: Any) -> str:
    """Say what to write for a number or a boolean in another form: `Write true`."""
    if not isinstance(raw, (str, bool, int, float)) or (isinstance(raw, int) and abs(raw) > values.LARGEST_SHOWN):
        return ""
    given = str(raw).strip().lower()
    if kind not in {int, float}:
        words = {"true": "true yes on 1 y", "false": "false no off 0 n"}
        return next((f"Write {right}" for right, wrong in words.items() if given in wrong.split()), "")
    number = re.fullmatch(r"[+]?([0-9]{1,9})(?:[.,]([0-9]{1,3}))?", given)
    if number is None or isinstance(raw, bool):
        return ""
    fraction = (number[2] or "").rstrip("0")
    text = f"{int(number[1])}.{fraction}" if fraction else str(int(number[1]))
    try:
        msgspec.convert(float(text) if fraction else int(text), hint)
    except msgspec.ValidationError:
        return ""  # it would be refused, too
    return f"Write {text}"


def _stranger(key: str, known: list[str]) -> str:
    """What to do about a key that is not known in its table."""
    if key.upper() in VARIABLES:
        return f"Set {key.upper()} in the environment or in .env"
    # In TOML, all keys below a [table] belong to it: a line added at the end of the file lands in the last table.
    homes = [
        home for home, _ in meanings() if home.rpartition(".")[2] == key and not home.startswith(("rule.", "hosts."))
    ]
    if homes:
        table = homes[0].rpartition(".")[0]
        return f"It belongs into [{table}]" if table else "It belongs to the top, above the first [table]"
    return values.suggestion(key.lower(), known) or f"Known here: {', '.join(known)}"


def read_table(kind: type[S], raw: object, name: Name, problems: list[Problem]) -> S:
    """Check one table with everything in it; what is wrong becomes a problem and keeps its default.

    Args:
        kind: the Struct that says what may be in it.
        raw: what tomllib made of it.
        name: spells the setting's name of a key of this table.
        problems: is added to.
    """
    good: dict[str, Any] = {}
    known = {field.encode_name: field for field in fields(kind)}
    if not isinstance(raw, dict):
        problems.append(Problem(name(""), f"must be a table, not {values.shown(raw)}"))
        return kind()
    for key, value in raw.items():
        if key not in known:
            problems.append(Problem(name(key), "is not a setting", _stranger(key, list(known))))
            continue
        field = known[key]
        if table := _nested(field.type):
            good[field.name] = _read_nested(table, field.type, value, key, problems)
            continue
        try:
            good[field.name] = _leaf(field.type, value)
        except values.Wrong as wrong:
            problems += [Problem(name(key) + suffix, message, remedy) for suffix, message, remedy in wrong.parts]
    return kind(**good)


def _read_nested(table: type[Struct], hint: Any, raw: object, key: str, problems: list[Problem]) -> Any:
    """Check a table at the top of the file, a table of tables, or an array of tables."""
    origin = get_origin(hint)
    if origin is dict:
        if not isinstance(raw, dict):
            problems.append(Problem(key, f"must be a table, not {values.shown(raw)}"))
            return {}
        named = {inner: values.dotted(key, inner) for inner in raw}
        return {inner: read_table(table, raw[inner], _inside(at), problems) for inner, at in named.items()}
    if origin is tuple:
        if not isinstance(raw, list):
            problems.append(Problem(key, f"must be [[{key}]] tables, not {values.shown(raw)}"))
            return ()
        return tuple(read_table(table, item, rule_key(item, number), problems) for number, item in enumerate(raw, 1))
    return read_table(table, raw, _inside(key), problems)


def _inside(at: str) -> Name:
    return lambda key: values.dotted(at, key) if key else at


def rule_key(raw: Any, number: int) -> Name:
    """Spell the setting's name of a key of a rule: by the rule's name if it has one, else by its number, from 1."""
    given = raw.get("name") if isinstance(raw, dict) else None
    try:
        rule = f'rule "{values.rule_name(given)}": '
    except values.Wrong:
        return _inside(f"rule[{number}]")
    return lambda key: f"rule[{number}].{key}" if key == "name" else rule + values.dotted("", key)
