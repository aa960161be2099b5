"""Single values of the settings: what each may look like, and what to say when it does not.

A reader takes a raw value (from TOML, a variable or an option) and gives it back checked and normalised, or raises
`Wrong`. Pure, but for the tables of zones, languages and countries that come with the libraries. No message ever
repeats a long text: somebody pastes a token into the wrong line sooner or later.
"""

from __future__ import annotations

import difflib
import json
import re
import zoneinfo
from datetime import time, timedelta
from typing import TYPE_CHECKING, TypeVar

from syncer.config import meant
from syncer.spans import span_meant, span_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

    E = TypeVar("E", bound=StrEnum)

T = TypeVar("T")

LONGEST_SHOWN = 24
"""Characters of a refused text that a message repeats; a longer one may be a secret in the wrong place."""
LARGEST_SHOWN = 10**15
REGION_LETTERS = 2


class Wrong(ValueError):
    """A value that does not hold.

    Attributes:
        parts: where in the value (as a suffix of the setting's name, mostly ""), what is wrong, what to do.
    """

    def __init__(self, message: str, remedy: str = "", *, parts: Iterable[tuple[str, str, str]] = ()) -> None:
        super().__init__(message)
        self.parts = tuple(parts) or (("", message, remedy),)


def dotted(at: str, key: str) -> str:
    """Name of a key inside the table `at` ("" = the top of the file), quoted where TOML wants quotes."""
    bare = re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key)
    spelled = key if bare else json.dumps(key[:60], ensure_ascii=not key.isprintable())
    return f"{at}.{spelled}" if at else spelled


def shown(raw: object) -> str:
    """Spell a refused value for a message: short, on one line, as TOML would write it."""
    if isinstance(raw, str):
        if len(raw) > LONGEST_SHOWN:
            return f"a text of {len(raw)} characters"
        return json.dumps(raw, ensure_ascii=not raw.isprintable())
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, (int, float)):
        # A hexadecimal number in TOML may have more digits than Python is willing to print.
        return "a very large number" if abs(raw) > LARGEST_SHOWN else str(raw)
    return "a table" if isinstance(raw, dict) else "a list" if isinstance(raw, list) else "a date or time"


def refusal(what: str, raw: object, remedy: str = "") -> Wrong:
    """The usual sentence."""
    return Wrong(f"must be {what}, not {shown(raw)}", remedy)


def suggestion(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """A question after the nearest known word, or "" when nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return f'Did you mean "{near[0]}"?' if near else ""


def a_text(raw: object, what: str) -> str:
    """The value, if it is a text; `what` says of what kind."""
    if not isinstance(raw, str):
        remedy = "Put it in quotes" if isinstance(raw, (int, float, time)) and not isinstance(raw, bool) else ""
        raise refusal(what, raw, remedy)
    return raw


def text(raw: object) -> str:
    """Any text but an empty one; space around it is dropped."""
    if not (given := a_text(raw, "a text").strip()):
        raise Wrong("is empty", "Fill it in or leave it out")
    return given


def text_or_nothing(raw: object) -> str:
    """Any text that can be printed, also an empty one; space around it is dropped."""
    if not (given := a_text(raw, "a text").strip()).isprintable():
        raise Wrong("holds a character that cannot be printed", "Type it again")
    return given


def duration(raw: str) -> timedelta:
    """Read "60s", "15m", "24h", "2d" or "1h30m": whole numbers, each unit once, the largest first.

    Raises:
        Wrong: a ValueError whose text is for the operator.
    """
    found = span_of(raw)
    if found is None:
        raise refusal("a duration", raw, EXAMPLES)
    return found


EXAMPLES = 'Write for example "90s", "15m", "24h", "2d" or "1h30m"'


def _duration_meant(raw: object, low: str, high: str) -> str:
    """Say which duration to write; one out of bounds is the nearest bound."""
    least, most = duration(low), duration(high)
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= LARGEST_SHOWN:
        raw = str(raw)
    if isinstance(raw, str) and re.fullmatch(r" *[0-9]{1,6} *", raw):
        number = int(raw)
        fit = [f'"{number}{unit}"' for unit in "smhd" if least <= duration(f"{number}{unit}") <= most]
        return f"Write the unit, too: {' or '.join(fit)}" if fit else EXAMPLES
    found = (span_of(raw) or span_meant(raw)) if isinstance(raw, str) else None
    if found is None:
        return EXAMPLES
    if found < least:
        return f'Write at least "{low}"'
    return f'Write at most "{high}"' if found > most else f'Write "{text_of(found)}"'


def span(low: str, high: str) -> Callable[[object], timedelta]:
    """Make a reader of durations from `low` to `high`, both included."""

    def read(raw: object) -> timedelta:
        what = f"a duration from {low} to {high}"
        given = span_of(raw) if isinstance(raw, str) else None
        if given is None or not duration(low) <= given <= duration(high):
            raise refusal(what, raw, _duration_meant(raw, low, high))
        return given

    return read


def span_or(word: str, low: str, high: str) -> Callable[[object], timedelta | None]:
    """Make a reader of durations that also takes a word, which becomes None."""

    def read(raw: object) -> timedelta | None:
        if raw == word:
            return None
        what = f'"{word}" or a duration from {low} to {high}'
        if raw is False or (isinstance(raw, str) and raw.strip().lower() in {word, "", "none", "never", "off", "no"}):
            raise refusal(what, raw, f'Write "{word}"')
        try:
            return span(low, high)(raw)
        except Wrong as wrong:
            _, _, remedy = wrong.parts[0]
            raise refusal(what, raw, remedy) from wrong

    return read


def zone(raw: object) -> str:
    """The IANA name of a time zone."""
    what = 'an IANA time zone such as "Europe/Berlin"'
    name = a_text(raw, what)
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as unknown:  # OSError: "Europe" is a directory
        from syncer import zone_names

        # "Berlin", "Eastern Standard Time", or a city in the wrong part of the world.
        known = zone_names.find(name) or zone_names.find(name.rpartition("/")[2]) or meant.zone(name)
        zones = sorted(zoneinfo.available_timezones())
        remedy = f'Did you mean "{known}"?' if known else suggestion(name, zones, likeness=0.8)
        raise refusal(what, name, remedy) from unknown
    return name


def language(raw: object) -> str:
    """A language tag that Babel has data for, spelled as BCP 47 does: `zh_tw` becomes `zh-TW`."""
    from babel import Locale, UnknownLocaleError

    what = 'a language tag such as "en", "de" or "zh-TW"'
    tag = a_text(raw, what)
    if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", tag):
        raise refusal(what, tag, _did_you_mean(meant.language(tag)))
    try:
        Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError) as unknown:
        remedy = _did_you_mean(meant.language(tag)) or "Babel has no data for this one"
        raise refusal(what, tag, remedy) from unknown
    head, *rest = re.split("[-_]", tag)
    parts = [part.upper() if len(part) == REGION_LETTERS else part.title() if part.isalpha() else part for part in rest]
    return "-".join([head.lower(), *parts])


def _did_you_mean(word: str) -> str:
    return f'Did you mean "{word}"?' if word else ""


def country(raw: object) -> str:
    """An ISO 3166 code of two letters that has telephone numbers, in capitals."""
    import phonenumbers

    what = 'a country code of two letters such as "TW"'
    code = a_text(raw, what).upper()
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise refusal(what, raw, _did_you_mean("GB" if code == "UK" else meant.country(code)))
    return code


def country_or_nothing(raw: object) -> str:
    """A country code, or "" for none."""
    return "" if raw == "" else country(raw)


def phone(raw: object, default_country: str) -> str:
    """A telephone number, in E.164, valid in its country; made-up ones such as +1 312 555 0142 are.

    Args:
        raw: as people write it, with spaces and dashes.
        default_country: ISO 3166 code for numbers without a country code; "" = such numbers are refused.
    """
    from syncer import phones
    from syncer.reasons import Reason, in_words

    what = 'a telephone number such as "+13125550142"'
    found = phones.read(a_text(raw, what), default_country)
    if isinstance(found, phones.Number):
        return found.number
    if found.reason is Reason.NEEDS_COUNTRY:
        raise Wrong("has no country code", 'Write it with + and the country code, or set "country"')
    if found.reason is not Reason.INVALID_NUMBER:
        raise refusal(what, raw, in_words(found.reason, found.detail))
    if found in {phones.NO_AREA_CODE, phones.UNSURE}:
        raise refusal(what, raw, f"{found.detail[:1].upper()}{found.detail[1:]}")
    raise refusal(what, raw, "" if found == phones.LETTERS else "No telephone of that country has this number")


def clock_time(raw: object) -> time:
    """A time of day, "HH:MM"."""
    what = 'a time of day such as "21:00"'
    if not isinstance(raw, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", raw):
        right = meant.clock(raw)
        raise refusal(what, raw, f'Write "{right}"' if right else "")
    return time.fromisoformat(raw)


def phone_source(raw: object) -> str:
    """A place to look for the invitee's number."""
    what = '"text_reminder_number", "outbound_call", "question:*" or "question:" and its name'
    given = a_text(raw, what)
    if given in {"text_reminder_number", "outbound_call"}:
        return given
    kind, colon, question = given.partition(":")
    if kind != "question" or not colon or not question.strip():
        raise refusal(what, raw, suggestion(given, ["text_reminder_number", "outbound_call", "question:*"]))
    return f"question:{question.strip()}"


def rule_name(raw: object) -> str:
    """The name of a rule: it becomes part of the message key, of `plan_name` and of log lines."""
    what = "1 to 40 lower-case letters, digits and dashes"
    name = a_text(raw, what)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        right = meant.rule_name(name)
        raise refusal(what, raw, f'Write "{right}"' if right and len(name) <= LONGEST_SHOWN else "")
    return name


def template_id(raw: object) -> str:
    """An EngageLab template id, digits in a text: as a number it would lose its last digits in many a program."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        small = 0 < raw < 10**meant.LONGEST_ID
        raise Wrong("must be a text", f'Put the template id in quotes: "{raw}"' if small else "Put it in quotes")
    given = a_text(raw, "a template id").strip()
    if not re.fullmatch(r"[0-9]{1,32}", given):
        right = meant.digits(given)
        remedy = f'Write "{right}"' if right else "EngageLab's console shows it beside the template"
        raise Wrong("must be a template id: digits only", remedy)
    return given


def templates(raw: object) -> dict[str, str]:
    """One template id (under ""), or a table from language to template id."""
    return table_of(language, template_id)(raw) if isinstance(raw, dict) else {"": template_id(raw)}


def word(*known: str) -> Callable[[object], str]:
    """Make a reader of one of a few words, in any letter case."""

    def read(raw: object) -> str:
        if isinstance(raw, str) and raw.strip().lower() in known:
            return raw.strip().lower()
        raise refusal(" | ".join(known), raw, suggestion(raw.lower(), known) if isinstance(raw, str) else "")

    return read


def one_of(kind: type[E]) -> Callable[[object], E]:
    """Make a reader of the members of an enumeration."""
    words = [member.value for member in kind]

    def read(raw: object) -> E:
        if isinstance(raw, str) and raw in words:
            return kind(raw)
        spelled = "_".join(raw.strip().lower().replace("-", " ").split()) if isinstance(raw, str) else ""
        raise refusal(" | ".join(words), raw, suggestion(spelled, words))

    return read


def list_of(read: Callable[[object], T], *, empty: bool = False) -> Callable[[object], tuple[T, ...]]:
    """Make a reader of lists; every wrong item is reported, counted from 1."""

    def read_all(raw: object) -> tuple[T, ...]:
        if not isinstance(raw, list):
            alone = isinstance(raw, str) and 0 < len(raw) <= LONGEST_SHOWN
            raise refusal("a list", raw, f"Write [{shown(raw)}]" if alone else "Put it in [ ]")
        if not raw and not empty:
            raise Wrong("is an empty list", "Fill it in or leave it out")
        good, parts = [], []
        for number, item in enumerate(raw, 1):
            try:
                good.append(read(item))
            except Wrong as wrong:
                parts += [(f"[{number}]{suffix}", message, remedy) for suffix, message, remedy in wrong.parts]
        if parts:
            raise Wrong("", parts=parts)
        return tuple(good)

    return read_all


def table_of(
    read_key: Callable[[object], str], read_value: Callable[[object], T], *, empty: bool = False
) -> Callable[[object], dict[str, T]]:
    """Make a reader of tables whose keys are the operator's own; every wrong entry is reported."""

    def read_all(raw: object) -> dict[str, T]:
        if not isinstance(raw, dict):
            raise refusal("a table", raw, "Write { key = value }")
        if not raw and not empty:
            raise Wrong("is an empty table", "Fill it in or leave it out")
        good: dict[str, T] = {}
        parts: list[tuple[str, str, str]] = []
        for key, item in raw.items():
            at = "." + dotted("", key)
            try:
                name = read_key(key)
                if name in good:
                    raise Wrong(f'is there twice, as "{name}"', "Keep one of the two")
                good[name] = read_value(item)
            except Wrong as wrong:
                parts += [(at + suffix, message, remedy) for suffix, message, remedy in wrong.parts]
        if parts:
            raise Wrong("", parts=parts)
        return good

    return read_all
