"""Log events: their names, their levels, and how they are written. Never a number in full, a token, or a text.

Level says who acts: info nobody, warning the next run, error a person.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from syncer.lean import without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

with without("rich"):
    import structlog

EVENTS = {
    "run.started": "info",
    "run.completed": "info",
    "run.failed": "error",
    "run.refused": "error",
    "run.skipped": "warning",
    "listing.completed": "info",
    "event.unreadable": "warning",
    "booking.created": "info",
    "booking.canceled": "info",
    "booking.rescheduled": "info",
    "booking.moved": "info",
    "booking.reassigned": "info",
    "booking.missing": "warning",
    "message.planned": "info",
    "message.sent": "info",
    "message.retry_scheduled": "warning",
    "message.failed": "error",
    "message.unknown": "error",
    "message.expired": "warning",
    "message.canceled": "info",
    "message.skipped": "info",
    "database.warning": "warning",
    "gateway.halted": "error",
    "template.rejected": "error",
    "template.changed": "warning",
    "rule.unmatched": "warning",
    "calendly.throttled": "warning",
    "limit.reached": "warning",
    "sending.deferred": "warning",
}
"""Every event and its level. The names are stable: people's alerts stand on them."""


class Tell(Protocol):
    """Says that something happened: the name of an event, and its fields."""

    def __call__(self, event: str, /, **fields: object) -> None:
        """Write one event."""


def tell(event: str, /, **fields: object) -> None:
    """Write one event to the log, with the level that EVENTS gives it; one with a field `warning` is a warning.

    Raises:
        KeyError: EVENTS does not know it.
    """
    level = "warning" if "warning" in fields else EVENTS[event]
    getattr(structlog.get_logger(), level)(event, **fields)


def bind(**fields: object) -> None:
    """Put these fields into every event of this context from here on."""
    structlog.contextvars.bind_contextvars(**fields)


def unbind(*names: str) -> None:
    """Take fields out of them again."""
    structlog.contextvars.unbind_contextvars(*names)


SHORTEST = 6
"""Fewer characters are no number worth hiding."""
_PLUS_NUMBER = re.compile(r"\+[0-9][0-9 ()./-]{5,18}[0-9]")
_EMAIL = re.compile(r"[^\s@<>\"'][^\s@<>\"]{0,63}@[^\s@<>\"']{1,190}\.[^\s@<>\"']{1,63}")


def mask(number: str) -> str:
    """Show of a number only its beginning and its last two digits: `+13*******42`; an empty one stays empty."""
    return number if len(number) < SHORTEST else f"{number[:3]}{'*' * (len(number) - 5)}{number[-2:]}"


class _Stderr:
    """Standard error as it is at the moment of writing: a progress bar may have taken its place."""

    def write(self, text: str) -> int:
        """Write to it. A log that cannot be written must not end a run between a text and its commit."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush it."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


def _visible(text: str) -> str:
    """Spell out what would end a line, forge one, or move a reader's cursor."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def is_terminal() -> bool:
    """Whether a person reads the log."""
    return _Stderr().isatty()


class Redactor:
    """A structlog processor that masks numbers, e-mails and known secrets in every value, whoever wrote them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one may begin like another.
        self._secrets: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Mask one more secret; the longest first, as one may begin like another."""
        known = {*self._secrets, secret} - {""}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, _: object, __: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact one event."""
        return {key: self.clean(value) for key, value in event_dict.items()}

    def clean(self, value: Any) -> Any:
        """Redact a value; what is neither a number nor a collection becomes its text."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, Mapping):
            return {self._text(str(key)): self.clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.clean(item) for item in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        if "+" in text:
            text = _PLUS_NUMBER.sub(lambda found: mask(found[0]), text)
        if "@" in text:
            text = _EMAIL.sub("[e-mail]", text)
        return _visible(text)


def _first_things_first(_: object, __: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put what every event has in front of its own fields."""
    front = {key: event_dict[key] for key in ("event", "level", "timestamp", "run_id") if key in event_dict}
    return front | dict(event_dict)


class _Losses:
    """A structlog processor that says with the next line how many lines could not be written so far."""

    def __init__(self, lost: Callable[[], int]) -> None:
        self._lost, self._told = lost, 0

    def __call__(self, _: object, __: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Add the field `lines_lost` if there are more than the last time."""
        if (lost := self._lost()) > self._told:
            self._told = lost
            event_dict["lines_lost"] = lost
        return event_dict


def hide(secret: str) -> None:
    """Mask one more secret from here on: it was read after the log was set up."""
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, Redactor):
            processor.add(secret)


def configure(
    *,
    log_format: str | None = None,
    level: str = "info",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    lost: Callable[[], int] = lambda: 0,
) -> None:
    """Set the log up.

    Args:
        log_format: `json` one object a line, `console` for people; None = by whether stderr is a terminal.
        level: the least important level that is written.
        secrets: never written.
        stream: where to write; None = stderr.
        lost: counts the lines that could not be written so far.
    """
    out: Any = _Stderr() if stream is None else stream
    console = (log_format or ("console" if out.isatty() else "json")) == "console"
    # httpx logs whole URLs at INFO, with whatever stands in their query.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False)
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            Redactor(secrets),
            _Losses(lost),
            _first_things_first,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(out),  # one write a line
        cache_logger_on_first_use=False,
    )
