"""Reasons: the codes that decide, what each is in words, the database's copy; and that no prose decides anything."""

from __future__ import annotations

import ast
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW, a_booking, a_message
from support.databases import new_database
from support.repository import ROOT
from syncer import guest_number, phones, recipients
from syncer.engagelab import Template
from syncer.model import State
from syncer.outbox import NotNow, settle
from syncer.reasons import EXPLANATIONS, Reason, in_words
from syncer.reconcile import Todo
from syncer.rules import Policy
from syncer.store import Batch, Reading, Store, database
from syncer.templates import why_held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncer.phones import NoRecipient

CODES = """
no_number needs_country invalid_number two_numbers extension landline not_mobile country_not_allowed unclear_question
opted_out erased empty_field field_refused field_too_long too_long over_cap booked_late before_birth before_rule
seen_late after_start not_told own_cancellation duplicate already_sent superseded quiet_hours late booking_canceled
booking_moved no_rule by_operator event_missing guest_missing event_unreadable must_reread beyond_horizon held_template
held_by_guard waits_limit provider_refused provider_later halted outage no_answer interrupted restored clock_place
""".split()
"""The contract: what stands in databases, the log and the JSON output. None is renamed; new ones come at the end."""


# The catalogue.


def test_the_codes_are_those_of_the_contract() -> None:
    """Other programs compare them: none is added, renamed or moved by accident."""
    assert [str(reason) for reason in Reason] == ["", *CODES]


def test_each_code_has_its_explanation() -> None:
    """And nothing else has one; that there is nothing to say needs none."""
    assert set(EXPLANATIONS) == set(Reason) - {Reason.NONE}


@pytest.mark.parametrize("reason", EXPLANATIONS)
def test_an_explanation_is_a_sentence_and_a_remedy(reason: Reason) -> None:
    """A sentence of its own that ends in a full stop; the remedy stands alone, without one."""
    told = EXPLANATIONS[reason]

    assert told.sentence[:1].isupper() or told.sentence.startswith("syncer ")
    assert told.sentence.endswith(".")
    assert not told.sentence.endswith("..")
    assert not told.remedy.endswith(".")
    assert "\n" not in told.sentence + told.remedy
    assert [other for other in EXPLANATIONS if EXPLANATIONS[other].sentence == told.sentence] == [reason]


@pytest.mark.parametrize(
    ("reason", "detail", "expected"),
    [
        pytest.param(Reason.NONE, "", "", id="nothing to say"),
        pytest.param(Reason.NONE, "a detail", "a detail", id="a detail alone"),
        pytest.param(Reason.LANDLINE, "", "The number is a landline", id="a code alone"),
        pytest.param(Reason.NOT_MOBILE, "voip", "The number is not a mobile number: voip", id="both"),
    ],
)
def test_in_words(reason: Reason, detail: str, expected: str) -> None:
    """The sentence without its full stop, then what is special."""
    assert in_words(reason, detail) == expected


# The words of details: here and nowhere else.


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(phones.NOT_VALID, "The number is not a valid one", id="invalid"),
        pytest.param(phones.LETTERS, "The number is not a valid one: it has letters in it", id="letters"),
        pytest.param(
            phones.SATELLITE,
            "The number is not a mobile number: satellite or international network",
            id="a satellite",
        ),
        pytest.param(
            phones.textable("+19005551234", Policy()),
            "The number is not a mobile number: premium_rate",
            id="the kind of number",
        ),
        pytest.param(
            phones.textable("+13125550142", Policy(allowed_countries=frozenset({"GB"}))),
            "The number's country is not allowed: US",
            id="the country",
        ),
        pytest.param(
            recipients.NO_HOST_NUMBER,
            "The booking has no phone number: no host has one (settings: hosts, HOST_PHONE)",
            id="no host's number",
        ),
        pytest.param(
            recipients.WRONG_HOST_NUMBER,
            "The number is not a valid one: the host's (settings: hosts, HOST_PHONE)",
            id="a host's wrong number",
        ),
        pytest.param(
            guest_number.SHARED_CALL,
            "The booking has no phone number: the call's number of an event with several guests is not surely theirs",
            id="whose number it is",
        ),
    ],
)
def test_why_nobody_is_texted(found: NoRecipient, expected: str) -> None:
    """What a person reads about a number."""
    assert in_words(found.reason, found.detail) == expected


APPROVED = Template(id="1", content="Hello {{name}} at {time}", status=2)


@pytest.mark.parametrize(
    ("template", "params", "expected"),
    [
        pytest.param(APPROVED, {"name": "I", "time": "t"}, "", id="fits"),
        pytest.param(APPROVED, {"name": "I", "time": "t", "more": "m"}, "", id="a variable more"),
        pytest.param(
            APPROVED, {"name": "I"}, "template 1001 has {time}, which rule confirmation does not fill", id="a hole"
        ),
        pytest.param(None, {}, "template 1001 does not exist at EngageLab", id="not there"),
        pytest.param(
            replace(APPROVED, status=1), {}, "template 1001: the template waits for its review", id="in review"
        ),
        pytest.param(
            replace(APPROVED, status=3, remark="no"), {}, "template 1001: the template was rejected: no", id="rejected"
        ),
        pytest.param(
            replace(APPROVED, sign_id="7", sign_status=1),
            {},
            "template 1001: the template's signature waits for its review",
            id="its signature in review",
        ),
    ],
)
def test_why_a_template_holds_a_message(template: Template | None, params: dict[str, str], expected: str) -> None:
    """Not there, not approved, its signature not approved, or with a hole."""
    assert why_held(template, a_message(params=params)) == expected


def test_how_often_it_was_tried() -> None:
    """A message that survived some refusals says so in the end."""
    found = settle(NotNow("EngageLab 3004: too frequent", "3004", tries=1), now=NOW, attempts=2, refusals=1)

    assert (found.state, found.detail) == (State.FAILED, "EngageLab 3004: too frequent (tried 2 times)")


@pytest.mark.usefixtures("as_worded")
def test_what_a_late_message_waited_for(store: Store) -> None:
    """The reason and the detail of its waiting become the detail of its end."""
    booking = a_booking()
    late = a_message(booking, reason=Reason.HELD_TEMPLATE, detail="template 1001: x", expires_at=NOW)
    store.commit(Batch([Reading(booking.event, NOW)], [booking]), Todo((late,)), NOW)

    [gone] = store.expire(NOW)

    assert store.messages() == [gone]
    assert in_words(gone.reason, gone.detail) == (
        "The text's time has passed: it waited: The template cannot be used: template 1001: x"
    )


# The database's copy.


def catalogue(db: Store) -> dict[str, tuple[str, str]]:
    """Read the table."""
    return {row["code"]: (row["sentence"], row["remedy"]) for row in db.db.query("SELECT * FROM reasons")}


WANTED = {str(reason): (told.sentence, told.remedy) for reason, told in EXPLANATIONS.items()}


def test_the_database_has_the_catalogue(store: Store) -> None:
    """Who looks into it with another program reads the same words."""
    assert catalogue(store) == WANTED


def test_a_copy_has_the_catalogue(tmp_path: Path) -> None:
    """Also where there is no database yet."""
    with Store(database.open_copy(tmp_path / "none")) as copy:
        assert catalogue(copy) == WANTED
    assert list(tmp_path.iterdir()) == []


def test_a_sentence_of_another_release_is_replaced_and_its_codes_stay(tmp_path: Path) -> None:
    """A better sentence changes no schema; a code that this release does not know may stand in a message."""
    path = new_database(tmp_path / "syncer.db")
    with Store(database.open_writable(path)) as opened:
        opened.db.execute("UPDATE reasons SET sentence = 'It was so.', remedy = 'Wait' WHERE code = 'landline'")
        opened.db.execute("DELETE FROM reasons WHERE code = 'late'")
        opened.db.execute("INSERT INTO reasons (code, sentence, remedy) VALUES ('of_tomorrow', 'It is so.', '')")
        opened.db.conn.commit()

    with Store(database.open_copy(path)) as copy:
        assert catalogue(copy) == WANTED | {"of_tomorrow": ("It is so.", "")}
    with Store(database.open_read_only(path)) as looked_at:
        assert catalogue(looked_at)["landline"] == ("It was so.", "Wait")
    with Store(database.open_writable(path)) as again:
        assert catalogue(again) == WANTED | {"of_tomorrow": ("It is so.", "")}
        assert again.db.conn.total_changes == 2
    with Store(database.open_writable(path)) as once_more:
        assert once_more.db.conn.total_changes == 0


@pytest.mark.parametrize("table", ["messages", "history"])
def test_an_unknown_code_is_refused(store: Store, table: str) -> None:
    """By the foreign key, whatever program writes it."""
    booking = a_booking()
    store.commit(Batch([Reading(booking.event, NOW)], [booking]), Todo((a_message(booking),)), NOW)
    statement = f"UPDATE {table} SET reason = ?"  # noqa: S608  the names above

    store.db.conn.execute(statement, ["landline"])
    store.db.conn.rollback()
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY constraint failed"):
        store.db.conn.execute(statement, ["because"])
    store.db.conn.rollback()


# Nothing is decided by prose.

MAY_COMPARE = {"Outbox.note", "_is_personal"}
"""One spares a write of what stands there, one asks whether there are words to erase. Neither decides about a text."""


def looked_at(node: ast.AST) -> Iterator[ast.expr]:
    """List what a piece of syntax compares, or matches."""
    if isinstance(node, ast.Compare):
        yield from (node.left, *node.comparators)
    elif isinstance(node, ast.Match):
        yield node.subject
    elif isinstance(node, ast.MatchValue):
        yield node.value


def comparisons_of_details(text: str) -> list[str]:
    """List the functions in which a comparison, or a match, looks at an attribute `detail`."""
    found: list[str] = []

    def walk(node: ast.AST, name: str) -> None:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = f"{name}.{node.name}".lstrip(".")
        parts = [part for side in looked_at(node) for part in ast.walk(side)]
        patterns = isinstance(node, ast.MatchClass) and "detail" in node.kwd_attrs
        if patterns or any(isinstance(part, ast.Attribute) and part.attr == "detail" for part in parts):
            found.append(name)
        for child in ast.iter_child_nodes(node):
            walk(child, name)

    walk(ast.parse(text), "")
    return found


def test_no_comparison_looks_at_a_detail() -> None:
    """A better sentence must not change what the program does."""
    files = sorted((ROOT / "syncer").rglob("*.py"))
    found = {name for path in files for name in comparisons_of_details(path.read_text(encoding="utf-8"))}

    assert len(files) > 50
    assert found == MAY_COMPARE


@pytest.mark.parametrize(
    "planted",
    [
        'if message.detail == "no number":\n        pass',
        'if "number" in message.detail:\n        pass',
        "return message.detail is None",
        'return (message.reason, message.detail) != ("", "")',
        'return message.detail.partition(":")[0] == "EngageLab 3003"',
        'return [m for m in messages if m.detail not in {"a", "b"}]',
        'match message.detail:\n        case "a":\n            pass',
        'match message:\n        case Message(detail="a"):\n            pass',
    ],
)
def test_a_planted_comparison_is_found(planted: str) -> None:
    """The check sees each kind of comparison, also within something larger."""
    assert "Outbox.due" in comparisons_of_details(f"class Outbox:\n  def due(self):\n    {planted}\n")
    assert (
        comparisons_of_details("def due(message):\n    return message.reason is Reason.LATE and message.detail\n") == []
    )
