"""Templates before anything leaves: approved, filled, of a length; what is odd about them is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, NUMBER
from support.worker_on_fakes import CONTENTS, WorkerOnFakes, states, wait_for
from syncer.engagelab import Template
from syncer.errors import RunHalted
from syncer.model import State
from syncer.reasons import Reason, in_words
from syncer.templates import covers, holes, spare
from syncer.wording import preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.store import Store

MINUTE = timedelta(minutes=1)


@pytest.fixture
def stage(settings: Callable[..., Any], store: Store) -> WorkerOnFakes:
    """The tutorial's settings on an empty database."""
    return WorkerOnFakes(settings(), store)


APPROVED = Template(id="1", content="Hello {{name}} at {time}", status=2)


def test_what_a_template_and_a_rule_have_of_each_other() -> None:
    """Both ways, in both spellings."""
    assert (holes(APPROVED, ["name"]), holes(APPROVED, ["name", "time", "x"])) == (["time"], [])
    assert (spare(APPROVED, ["name", "x", "a"]), spare(APPROVED, ["name"])) == (["a", "x"], [])


@pytest.mark.parametrize(
    ("countries", "country", "covered"),
    [((), "US", True), (("GB", "US"), "US", True), (("GB",), "US", False), (("GB",), "", True)],
)
def test_countries(countries: tuple[str, ...], country: str, covered: bool) -> None:
    """None declared, or the number's among them; a number without a country is not judged."""
    assert covers(replace(APPROVED, countries=countries), country) is covered


@pytest.mark.parametrize(
    ("position", "text"),
    [(0, "Hi Ines at 10:00"), (1, "[Pier] Hi Ines at 10:00"), (2, "Hi Ines at 10:00 [Pier]")],
)
def test_the_signature_counts(position: int, text: str) -> None:
    """Before the text, after it, or not at all."""
    template = replace(APPROVED, content="Hi {{name}} at {time}", sign_name="Pier", sign_position=position)

    assert preview(template, {"name": "Ines", "time": "10:00"}) == text


def test_a_template_is_held_until_it_is_approved_and_again_after_an_edit(stage: WorkerOnFakes) -> None:
    """Under review: held. Approved: sent. Edited: held, and the change told once. Approved with a hole: held."""
    approved = stage.gateway.known["1001"]
    edits = [
        (replace(approved, status=1), "waits for its review"),
        (approved, ""),
        (replace(approved, status=1, content="Dear {{name}}: {{time}}"), "waits for its review"),
        (replace(approved, content="Dear {{name}}: {{time}}"), ""),
        (
            replace(approved, content="Dear {{name}}: {{time}} at {{place}}"),
            "has {place}, which rule confirmation does not",
        ),
        (replace(approved, content="Dear {{name}}: {{time}}!"), ""),
    ]
    messages, told, reasons = (
        wait_for(stage, *[{"to": f"+131255501{n + 10}", "next_at": NOW + n * MINUTE} for n in range(6)]),
        [],
        [],
    )
    seen = []
    for template, why in edits:
        stage.gateway.known["1001"] = template
        stage.run()
        told.append([row["template"] for row in stage.told("template.changed")])
        reasons.append([why in row["reason"] for row in stage.told("template.rejected")])
        seen.append(len(stage.gateway.texts))
        stage.now += MINUTE

    assert seen == [0, 2, 2, 4, 4, 6]
    assert reasons == [[True], [], [True], [], [True], []]
    assert told == [[], [], ["1001"], [], ["1001"], ["1001"]]
    assert states(stage, messages) == [State.SENT] * 6


@pytest.mark.usefixtures("as_worded")
def test_a_held_message_expires_in_its_time(stage: WorkerOnFakes) -> None:
    """The detail says why it waited."""
    [message] = wait_for(stage, {"expires_at": NOW + timedelta(hours=1)})
    stage.gateway.known["1001"] = replace(stage.gateway.known["1001"], status=3, remark="not clear")
    stage.run()
    stage.now += timedelta(hours=1)
    stage.run()
    [gone] = stage.store.messages(keys=[message.key])

    assert (gone.state, gone.reason) == (State.EXPIRED, Reason.LATE)
    assert in_words(Reason.HELD_TEMPLATE) in gone.detail
    assert "not clear" in gone.detail


def test_a_text_that_is_too_long_is_skipped(settings: Callable[..., Any], store: Store) -> None:
    """And stays so; the others leave. What it would cost is told once."""
    stage = WorkerOnFakes(settings(segments_per_message=2), store)
    long, short = {"name": "x" * 40, "time": "y" * 300}, {"name": "Ines", "time": "10:00"}
    messages = wait_for(stage, {"params": long}, {"params": long}, {"params": short})
    report = stage.run().report
    told = stage.told("limit.reached")
    stage.run()

    assert states(stage, messages) == [State.SKIPPED, State.SKIPPED, State.SENT]
    assert {row.reason for row in stage.store.messages(states=[State.SKIPPED])} == {Reason.TOO_LONG}
    assert report.skipped == 2
    assert told == [
        {"limit": "segments_per_message", "value": 2, "reason": "a text of rule confirmation would be 3 SMS long"}
    ]


def test_a_country_that_a_template_does_not_name_is_told_and_sent_all_the_same(stage: WorkerOnFakes) -> None:
    """Whether EngageLab refuses it is not documented."""
    stage.gateway.known["1001"] = replace(stage.gateway.known["1001"], countries=("GB", "IE"))
    messages = wait_for(stage, {"to": NUMBER}, {"to": "+13125550177"}, {"to": "+447400123456"})
    stage.run()

    assert states(stage, messages) == [State.SENT] * 3
    assert [row["reason"] for row in stage.told("limit.reached")] == [
        "template 1001 is declared for GB, IE, not for US"
    ]


def test_other_templates_of_the_account_are_nobodys_business(stage: WorkerOnFakes) -> None:
    """Only what a rule uses is remembered; a run without news writes nothing about it."""
    stage.gateway.known["99"] = Template(id="99", content="Sale!", status=2)
    wait_for(stage, {})
    stage.run()
    known = {row["template"] for row in stage.store.db.query("SELECT template FROM templates")}
    before = stage.store.db.conn.total_changes
    changed = stage.store.notice_wordings(CONTENTS, NOW)
    stage.store.notice_wordings(CONTENTS, NOW)

    assert known == {"1001", "1002", "1003", "1004", "1005"}
    assert changed == []
    assert stage.store.db.conn.total_changes - before == 1  # 1006, which no rule used


@pytest.mark.parametrize(
    ("remedy", "told"), [("Top up the balance", "Top up the balance"), ("", "syncer check")], ids=["its own", "none"]
)
def test_what_halts_at_the_list_of_templates_says_what_to_do(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, remedy: str, told: str
) -> None:
    """A login, credit, a firewall: each has another remedy, and the operator reads this line."""
    [message] = wait_for(stage, {})

    def refuse() -> None:
        raise RunHalted("no", remedy)

    monkeypatch.setattr(stage.gateway, "templates", refuse)
    with pytest.raises(RunHalted):
        stage.run()

    assert [row["remedy"] for row in stage.told("gateway.halted")] == [told]
    assert states(stage, [message]) == [State.SCHEDULED]
