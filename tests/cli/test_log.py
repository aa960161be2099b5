"""The log: its events and levels, the order of its keys, and what never gets into it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import httpx
import phonenumbers
import pytest
import structlog
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders import NOW, NUMBER
from syncer import log
from syncer.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

EMAIL = "ines.okafor@example.com"
SECRET = "eyJraWQiOiJub3QtYS1yZWFsLXRva2VuIn0"
FORMATS = ["json", "console"]

CONTRACT = {
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
    "rule.unmatched": "warning",
    "calendly.throttled": "warning",
    "limit.reached": "warning",
}
"""The public names, and who acts: info nobody, warning the next run, error a person."""


class Terminal(io.StringIO):
    """A stream that says a person reads it."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log of the other tests as it was."""
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def written(
    event: str = "run.failed", *, log_format: str = "json", secrets: tuple[str, ...] = (), **fields: Any
) -> str:
    """Write one event and return what stands in the log."""
    out = io.StringIO()
    log.configure(log_format=log_format, secrets=secrets, stream=out)
    log.tell(event, **fields)
    return out.getvalue()


# Events and levels.


def test_the_events_are_those_of_the_contract() -> None:
    """People's alerts stand on these names and levels: none is added, renamed or moved by accident."""
    assert log.EVENTS == CONTRACT | {"template.changed": "warning", "sending.deferred": "warning"}


@pytest.mark.parametrize(("event", "level"), CONTRACT.items())
def test_each_event_is_written_with_its_level(event: str, level: str) -> None:
    """Whoever tells it need not say how bad it is."""
    assert json.loads(written(event)) | {"timestamp": ""} == {"event": event, "level": level, "timestamp": ""}


def test_an_event_with_a_warning_is_one() -> None:
    """What went well but looks wrong is found by those who read only warnings."""
    fields: dict[str, Any] = {"events": 0, "warning": "no event at all"}
    line = json.loads(written("listing.completed", **fields))

    assert line | {"timestamp": ""} == {"event": "listing.completed", "level": "warning", "timestamp": ""} | fields


@pytest.mark.parametrize("event", ["run.finished", "message.cancelled", "", "run.started\nrun.completed"])
def test_an_event_nobody_knows_is_our_own_mistake(event: str) -> None:
    """A name that is not in the contract is not written."""
    out = io.StringIO()
    log.configure(log_format="json", stream=out)

    with pytest.raises(KeyError):
        log.tell(event)

    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("least", "told"),
    [
        ("debug", ["info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_a_level_leaves_out_what_is_below_it(least: str, told: list[str]) -> None:
    """An operator who wants only errors gets only errors."""
    out = io.StringIO()
    log.configure(log_format="json", level=least, stream=out)
    for event in ("run.started", "run.skipped", "run.failed"):
        log.tell(event)

    assert [json.loads(line)["level"] for line in out.getvalue().splitlines()] == told


# How a line looks.


def test_a_line_of_json_is_one_whole_event() -> None:
    """Event, level, time in UTC and run come first, then the fields as they were given, in their order."""
    structlog.contextvars.bind_contextvars(run_id="a1b2c3")
    fields: dict[str, Any] = {
        "zeta": 1,
        "rule": "confirmation",
        "oldest_due_s": None,
        "names": ["größe", "時間"],
        "b": True,
    }
    with freeze_time(NOW):
        line = written("message.sent", **fields)

    wanted = {
        "event": "message.sent",
        "level": "info",
        "timestamp": "2026-11-23T12:00:00Z",
        "run_id": "a1b2c3",
    } | fields
    assert line == json.dumps(wanted, ensure_ascii=False) + "\n"
    assert list(json.loads(line)) == ["event", "level", "timestamp", "run_id", *fields]


def test_outside_a_run_there_is_no_run_id() -> None:
    """The key is left out, not empty."""
    assert list(json.loads(written("run.skipped", reason="locked"))) == ["event", "level", "timestamp", "reason"]


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json", "is_coloured"),
    [
        pytest.param(None, Terminal, False, True, id="a person reads"),
        pytest.param(None, io.StringIO, True, False, id="a program reads"),
        pytest.param("json", Terminal, True, False, id="a person who wants JSON"),
        pytest.param("console", io.StringIO, False, False, id="a program that wants no JSON: no colours either"),
    ],
)
def test_the_format_follows_the_reader(
    log_format: str | None, stream: type[io.StringIO], is_json: bool, is_coloured: bool
) -> None:
    """JSON unless a terminal reads it; colours only on a terminal."""
    out = stream()
    log.configure(log_format=log_format, stream=out)
    log.tell("run.failed", reason="no complete listing", count=3)
    line = out.getvalue()

    assert line.startswith("{") == is_json
    assert ("\x1b" in line) == is_coloured
    assert line.count("\n") == 1
    assert all(word in line for word in ("run.failed", "error", "no complete listing", "3"))


def test_the_log_goes_to_stderr_as_it_is_at_the_moment() -> None:
    """A progress bar puts itself in stderr's place while it is drawn; data on stdout stays clean."""
    log.configure(log_format="json")
    taken, data = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(taken), contextlib.redirect_stdout(data):
        log.tell("run.started")

    assert json.loads(taken.getvalue())["event"] == "run.started"
    assert data.getvalue() == ""


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_stderr_decides_on_the_format(stream: type[io.StringIO]) -> None:
    """Without a format and a stream it is stderr that is or is no terminal."""
    out = stream()
    with contextlib.redirect_stderr(out):
        log.configure()
        log.tell("run.started")

    assert out.getvalue().startswith("{") != out.isatty()


@pytest.mark.parametrize("level", ["debug", "info"])
def test_clients_do_not_log_whole_urls(level: str, caplog: pytest.LogCaptureFixture) -> None:
    """The library httpx writes each URL at INFO, with a person's e-mail in its query: never, whatever our own level."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    log.configure(log_format="json", level=level, stream=io.StringIO())
    caplog.set_level(logging.DEBUG)
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        client.get("https://api.calendly.com/scheduled_events", params={"invitee_email": EMAIL})

    assert [logging.getLogger(name).level for name in ("httpx", "httpcore")] == [logging.WARNING] * 2
    assert caplog.records == []


# What never gets in.


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        pytest.param("+13125550142", "+13*******42", id="a number"),
        pytest.param("+886912345678", "+88********78", id="a longer one"),
        pytest.param("+290123", "+29**23", id="a very short one"),
        pytest.param("123456", "123*56", id="six characters"),
        pytest.param("12345", "12345", id="five: no number worth hiding"),
        pytest.param("", "", id="none"),
    ],
)
def test_a_masked_number_keeps_its_length_and_its_ends(number: str, shown: str) -> None:
    """Enough to recognise one's own, too little to call anybody."""
    assert log.mask(number) == shown


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_two_digits_at_the_end_are_all_that_is_told_of_a_person(number: str) -> None:
    """The first two may be the country's."""
    masked = log.mask(number)

    assert len(masked) == len(number)
    assert re.fullmatch(rf"\+[0-9]{{2}}\*+{number[-2:]}", masked)


ZONES = ["US", "DE", "GB", "TW", "JP", "BR", "IN", "FR", "AU", "ZA"]
SHAPES = [
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("log_format", FORMATS)
def test_a_number_is_masked_however_it_is_written(zone: str, shape: int, log_format: str) -> None:
    """As people, browsers and telephones write it, in the middle of a sentence."""
    example = phonenumbers.example_number_for_type(zone, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    spelled = phonenumbers.format_number(example, shape)
    line = written(log_format=log_format, reason=f"3003: {spelled} is no recipient, ({spelled})")
    digits = re.sub(r"[^0-9]", "", line.partition("3003: ")[2])

    assert "3003: " in line
    assert spelled.removeprefix("tel:") not in line
    assert str(example.national_number) not in digits


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param("+1 (312) 555-0142", id="brackets"),
        pytest.param("+1.312.555.0142", id="dots"),
        pytest.param("+49 1512/3456789", id="a slash"),
        pytest.param("+1-312-555-0142", id="hyphens"),
        pytest.param("tel:+13125550142;ext=5", id="a link"),
    ],
)
def test_a_number_is_masked_with_its_separators(spelled: str) -> None:
    """What stands between the digits does not hide it from us."""
    shown = json.loads(written(reason=f"refused {spelled}."))["reason"]

    assert len(re.findall("[0-9]", shown)) <= 5
    assert shown.startswith("refused ")
    assert "*" in shown


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("2026-11-25T16:00:00+00:00", id="a time with its zone"),
        pytest.param("2026-11-25T16:00:00.123456+05:30", id="a time with an odd zone"),
        pytest.param("https://api.calendly.com/scheduled_events/0a1b2c3d-1234-5678-9012-345678901234", id="a URI"),
        pytest.param("3002: the template's variables do not match (1 + 2)", id="a code"),
        pytest.param("2031460771195412480", id="a template id"),
        pytest.param("@", id="an at sign"),
        pytest.param("größe 時間", id="other scripts"),
    ],
)
def test_what_is_no_number_and_no_address_stays(value: str) -> None:
    """An operator must find the key, the time and the code in the log."""
    assert json.loads(written(reason=value))["reason"] == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(EMAIL, "[e-mail]", id="alone"),
        pytest.param(f"no such user: {EMAIL}", "no such user: [e-mail]", id="in a sentence"),
        pytest.param(f"<{EMAIL}>", "<[e-mail]>", id="in angle brackets"),
        pytest.param(f"'{EMAIL}' and \"{EMAIL}\"", "'[e-mail]' and \"[e-mail]\"", id="in quotes"),
        pytest.param("ines+clinic@mail.example.co.uk", "[e-mail]", id="with a tag and more dots"),
        pytest.param("größe@straße.example", "[e-mail]", id="in other letters"),
        pytest.param("mary.o'brien@example.com", "[e-mail]", id="with an apostrophe"),
    ],
)
def test_an_address_is_replaced(text: str, shown: str) -> None:
    """All of it, and nothing around it."""
    assert json.loads(written(reason=text))["reason"] == shown


sensitive = st.sampled_from([NUMBER, "+886 912-345-678", EMAIL, SECRET])
around = st.text(max_size=12)


@st.composite
def leaking(draw: st.DrawFn) -> Any:
    """Make a value that has something sensitive somewhere in it, however deep."""
    text = draw(around) + draw(sensitive) + draw(around)
    value: Any = text
    for _ in range(draw(st.integers(0, 3))):
        wrap = draw(st.sampled_from(["list", "tuple", "dict"]))
        value = {"list": [1, value], "tuple": (value, None), "dict": {"inner": value, "n": 1.5}}[wrap]
    return value


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"f_[a-z]{1,8}", fullmatch=True), leaking(), min_size=1, max_size=4))
def test_nothing_personal_and_no_secret_gets_into_the_log(fields: dict[str, Any]) -> None:
    """Whatever field, whatever is around it, however deep, in both formats."""
    for log_format in FORMATS:
        line = written("message.failed", log_format=log_format, secrets=(SECRET, ""), **fields)

        assert "message.failed" in line
        for part in (NUMBER, NUMBER[1:], "912-345-678", EMAIL, "okafor@example", SECRET, SECRET[4:]):
            assert part not in line


@dataclass(frozen=True)
class Recipient:
    """What a careless caller might hand to the log."""

    to: str


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(StoreError, id="an error"),
        pytest.param(lambda part: ValueError("bad value", part), id="an error with more in it"),
        pytest.param(lambda part: {part}, id="a set"),
        pytest.param(lambda part: frozenset([part]), id="a frozen set"),
        pytest.param(Recipient, id="a value of our own"),
        pytest.param(lambda part: PurePosixPath("/data") / part, id="a path"),
        pytest.param(lambda part: part.encode(), id="bytes"),
        pytest.param(lambda part: {part: 3}, id="the key of a table"),
        pytest.param(lambda part: [{"deep": {part: [StoreError(part)]}}], id="deep inside"),
    ],
)
def test_what_is_no_text_is_redacted_as_well(wrap: Any) -> None:
    """An error or a table that is logged is written as text in the end: that text is searched, too."""
    lines = {
        (part, log_format): written(log_format=log_format, secrets=(SECRET,), reason=wrap(part))
        for part in (NUMBER, EMAIL, SECRET)
        for log_format in FORMATS
    }

    assert all("reason" in line for line in lines.values())
    assert [where for where, line in lines.items() if where[0][1:-1] in line] == []


@pytest.mark.parametrize("log_format", FORMATS)
def test_what_is_bound_to_a_run_is_redacted(log_format: str) -> None:
    """Values that come with the context pass the same way."""
    structlog.contextvars.bind_contextvars(run_id=f"{SECRET} {NUMBER}")
    line = written(log_format=log_format, secrets=(SECRET,))

    assert SECRET not in line
    assert NUMBER not in line
    assert "[secret]" in line


@pytest.mark.parametrize("secrets", [("abc123", "abc123def456"), ("abc123def456", "abc123")])
def test_a_secret_that_begins_like_another_is_hidden_whole(secrets: tuple[str, ...]) -> None:
    """Whichever of the two is named first."""
    assert json.loads(written(secrets=secrets, reason="key abc123def456, abc123"))["reason"] == "key [secret], [secret]"


def test_values_that_are_no_text_stay_what_they_are() -> None:
    """Numbers, truth and nothing are values in JSON, not texts."""
    fields: dict[str, Any] = {
        "count": 13125550142,
        "share": 0.5,
        "dry_run": False,
        "value": None,
        "items": [1, [True]],
        "table": {"a": 1},
    }
    line = json.loads(written(**fields))

    assert {name: line[name] for name in fields} == fields


# One event, one line.

EVIL = [
    pytest.param('x\n{"event":"run.completed","level":"info"}', id="a line feed"),
    pytest.param("x\rrun.completed", id="a carriage return"),
    pytest.param("x\r\nrun.completed", id="both"),
    pytest.param("x\x0brun.completed\x0cy", id="vertical tab and form feed"),
    pytest.param("x\x85run.completed", id="NEL"),
    pytest.param("x\u2028run.completed\u2029y", id="Unicode's line and paragraph separators"),
    pytest.param("x\x1crun\x1dcompleted\x1e", id="file, group and record separators"),
    pytest.param("x\x1b[2K\x1b[1Arun.completed", id="an escape that moves the cursor"),
    pytest.param("x\x9b2Kcompleted", id="the same in one byte"),
    pytest.param("x\x00y\x07z\x7f\x08", id="NUL, bell, delete, backspace"),
    pytest.param("x\u202ecompleted", id="text that runs the other way"),
]
"""What would end a line, forge one, or paint over one."""


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize(
    ("log_format", "stream"),
    [
        pytest.param("json", io.StringIO, id="json"),
        pytest.param("console", io.StringIO, id="console in a file"),
        pytest.param("console", Terminal, id="console on a terminal"),
    ],
)
def test_a_value_cannot_forge_a_line(value: str, log_format: str, stream: type[io.StringIO]) -> None:
    """One event is one line, whoever cuts lines, and nothing in it moves the reader's cursor."""
    for wrapped in (value, [value], {"inner": value}):
        out = stream()
        log.configure(log_format=log_format, stream=out)
        log.tell("run.failed", reason=wrapped)
        line = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()) if out.isatty() else out.getvalue()

        assert "run.failed" in line
        assert line.endswith("\n")
        assert len(line.splitlines()) == 1
        assert [char for char in line.removesuffix("\n") if not char.isprintable()] == []


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_stays_on_its_line(value: str) -> None:
    """Every event is one line in both formats."""
    for log_format in FORMATS:
        assert len(written(log_format=log_format, reason=value).split("\n")) == 2


def test_an_error_shows_no_traceback_and_no_variables() -> None:
    """The library structlog can print the local variables of each frame, secrets and all: not here."""
    secret_variable = SECRET
    out = io.StringIO()
    log.configure(log_format="json", stream=out)
    try:
        raise StoreError(f"failed {len(secret_variable)}")
    except StoreError as error:
        log.tell("run.failed", reason=str(error), error=type(error).__name__)
    line = out.getvalue()

    assert json.loads(line)["reason"] == f"failed {len(SECRET)}"
    assert "Traceback" not in line
    assert SECRET not in line
    assert sys.exc_info() == (None, None, None)
