"""`syncer plan`: what goes out, as its reader will see it; and what changed settings do before they do it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.cli_workspace import PHONE, now
from syncer.engagelab import Template
from syncer.foresight import foresee, why_not
from syncer.model import State, utc_text
from syncer.reasons import Reason, in_words
from syncer.rules import Policy, QuietHours, Rule, Trigger

if TYPE_CHECKING:
    from support.cli_workspace import Workspace
    from syncer.foresight import Foreseen
    from syncer.model import Booking, Message

HOUR = timedelta(hours=1)
CONFIRMATION = Rule(name="confirmation", on=Trigger.BOOKED, templates={"": "1001"}, quiet_hours=True)
HELLO = Template(id="1001", content="Hello {{name}}: {time}", status=2, sign_name="Pier", sign_position=1)
INES = {"name": "Ines", "time": "10:00"}


def seen(
    *messages: Message,
    template: Template | None = HELLO,
    known: bool = True,
    policy: Policy | None = None,
    missing: Reason = Reason.NONE,
) -> list[Foreseen]:
    """Look two days ahead."""
    return foresee(
        messages,
        bookings={a_booking().uri: a_booking()},
        missing={a_booking().uri: missing} if missing else {},
        found={} if template is None else {template.id: template} if known else None,
        policy=policy or Policy(rules=(CONFIRMATION,)),
        now=NOW,
        until=NOW + 48 * HOUR,
    )


def test_a_text_as_its_reader_will_see_it() -> None:
    """With the signature, its length, and what it is for."""
    [one] = seen(a_message(params=INES, next_at=NOW + HOUR))

    assert (one.at, one.text, one.segments, one.gsm) == (NOW + HOUR, "[Pier] Hello Ines: 10:00", 1, True)
    assert (one.held, one.why) == ("", "booked: Phone consultation, 2026-11-25T12:00:00Z")


@pytest.mark.parametrize(
    ("over", "there"),
    [
        pytest.param({"next_at": NOW + 48 * HOUR, "expires_at": NOW + 60 * HOUR}, True, id="at the end of the time"),
        pytest.param({"next_at": NOW + 49 * HOUR, "expires_at": NOW + 60 * HOUR}, False, id="after it"),
        pytest.param({"next_at": NOW - HOUR}, True, id="overdue"),
        pytest.param({"expires_at": NOW}, False, id="too late already"),
        pytest.param({"state": State.RETRYABLE, "attempts": 1}, True, id="to be tried again"),
        *(
            pytest.param({"state": state, "reason": Reason.PROVIDER_REFUSED, "attempts": 1}, False, id=state)
            for state in State
            if state not in {State.SCHEDULED, State.RETRYABLE}
        ),
    ],
)
def test_what_goes_out(over: dict[str, Any], there: bool) -> None:
    """What waits, is worth sending, and comes in time."""
    assert bool(seen(a_message(params=INES, **over))) is there


def test_nearest_first() -> None:
    """By the moment, and what is due at once by its meeting."""
    rows = [
        a_message(key="later", next_at=NOW + HOUR),
        a_message(key="far", next_at=NOW - HOUR, meeting_at=NOW + 40 * HOUR),
        a_message(key="near", next_at=NOW, meeting_at=NOW + 3 * HOUR),
    ]

    assert [one.message.key for one in seen(*rows)] == ["near", "far", "later"]
    assert [one.at for one in seen(*rows)] == [NOW, NOW, NOW + HOUR]


def test_what_holds_a_text() -> None:
    """Its template as it is now; where that cannot be read, what the outbox says."""
    message = a_message(params={"name": "王"}, reason=Reason.HELD_TEMPLATE, detail="1001")
    [hole], [gone], [unread] = seen(message), seen(message, template=None), seen(message, known=False)
    [missing] = seen(message, missing=Reason.EVENT_MISSING)

    assert hole.held == "template 1001 has {time}, which rule confirmation does not fill"
    assert (hole.text, hole.gsm) == ("[Pier] Hello 王: {time}", False)
    assert hole.encoding == "UCS-2 (王)"
    assert (gone.held, gone.text, gone.segments) == ("template 1001 does not exist at EngageLab", None, 0)
    assert (unread.held, unread.text) == (in_words(Reason.HELD_TEMPLATE, "1001"), None)
    assert missing.held == in_words(Reason.EVENT_MISSING)


@pytest.mark.parametrize(
    ("expires", "meeting", "at", "held"),
    [
        pytest.param(24, 30, 21, "", id="at the end of quiet hours"),
        pytest.param(20, 30, 11, in_words(Reason.QUIET_HOURS), id="too late at their end"),
        pytest.param(11.5, 11.5, 11, "", id="a meeting on the same day: at once all the same"),
    ],
)
def test_quiet_hours_are_foreseen(expires: float, meeting: float, at: int, held: str) -> None:
    """As the sending will judge: due at 23:00, quiet until 09:00."""
    hours = QuietHours(datetime(1, 1, 1, 21, tzinfo=UTC).time(), datetime(1, 1, 1, 9, tzinfo=UTC).time())
    policy = Policy(rules=(CONFIRMATION,), quiet_hours=hours)
    [one] = seen(
        a_message(
            params=INES,
            next_at=NOW + 11 * HOUR,
            expires_at=NOW + expires * HOUR,
            meeting_at=NOW + meeting * HOUR,
            timezone="UTC",
        ),
        policy=policy,
    )

    assert (one.at, one.held) == (NOW + at * HOUR, held)


def rule(on: Trigger, **over: Any) -> Rule:
    """Make a rule."""
    return Rule(name="r", on=on, templates={"": "1"}, **over)


CANCELED = {"status": "canceled", "canceled_at": NOW - 3 * HOUR}
EVENT = an_event()


@pytest.mark.parametrize(
    ("given", "of_invitee", "expected"),
    [
        (rule(Trigger.BOOKED), {}, ""),
        (rule(Trigger.BOOKED, event_types=frozenset({"Other"})), {}, "is for other event types"),
        (rule(Trigger.BOOKED), CANCELED, "the booking was canceled"),
        (rule(Trigger.CANCELED), {}, "the booking was not canceled"),
        (rule(Trigger.CANCELED), CANCELED, ""),
        (rule(Trigger.CANCELED), CANCELED | {"rescheduled": True}, "it was moved"),
        (rule(Trigger.RESCHEDULED), {}, "the booking was not moved"),
        (rule(Trigger.AFTER_END), {"no_show_at": NOW}, "the guest did not come"),
        (rule(Trigger.NO_SHOW), {}, "nobody has marked the guest as a no-show"),
        (rule(Trigger.BEFORE_START, offset=HOUR), {}, ""),
    ],
)
def test_why_a_rule_wants_nothing(given: Rule, of_invitee: dict[str, Any], expected: str) -> None:
    """In one sentence, for `explain`."""
    booking: Booking = a_booking(EVENT, an_invitee(EVENT, **of_invitee))

    assert why_not(given, booking, Policy(rules=(given,))) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rule(Trigger.BOOKED, offset=HOUR), "1 hour after it was booked: "),
        (rule(Trigger.CANCELED), "canceled: "),
        (rule(Trigger.RESCHEDULED), "moved: "),
        (rule(Trigger.BEFORE_START, offset=24 * HOUR), "24 hours before the start of "),
        (rule(Trigger.AFTER_END, offset=HOUR / 2), "30 minutes after the end of "),
        (rule(Trigger.AFTER_END), "the end of "),
        (rule(Trigger.NO_SHOW), "marked as a no-show: "),
    ],
)
def test_what_a_text_is_for(given: Rule, expected: str) -> None:
    """The rule in words, the event, its start."""
    [one] = seen(a_message(rule="r"), policy=Policy(rules=(given,)))

    assert one.why == f"{expected}Phone consultation, {utc_text(EVENT.start)}"


# Typed.


@pytest.fixture
def booked(workspace: Workspace) -> Workspace:
    """A workspace with one booking, read."""
    workspace.be_born()
    workspace.world.book(start=now() + timedelta(hours=30), phone=PHONE)
    assert workspace.run("run", "--once")[0] == 0
    return workspace


def test_plan_shows_the_wording_of_the_live_template(booked: Workspace) -> None:
    """Masked numbers; nothing is written, nothing sent, Calendly is not asked."""
    before = {path.name: path.read_bytes() for path in booked.folder.glob("syncer.db*")}
    sent, asked = len(booked.world.texts), len(booked.world.requests)
    code, out, err = booked.run("plan", "--next", "29h")
    rows = [json.loads(line) for line in booked.run("plan", "--json", "--show-numbers")[1].splitlines()]

    assert code == 0
    assert "by what the run of" in err
    assert "[North Pier Dental] Hello Ines Okafor, your meeting begins in 24 hours. Time: " in out
    assert "+13*******42" in out
    assert PHONE not in out
    assert "1 GSM-7" in out
    assert [row["rule"] for row in rows] == ["reminder-24h", "reminder-1h", "follow-up"]
    assert {row["to"] for row in rows} == {PHONE}
    assert {row["effect"] for row in rows} == {""}
    assert rows[1]["why"].startswith("1 hour before the start of Phone consultation")
    assert {path.name: path.read_bytes() for path in booked.folder.glob("syncer.db*")} == before
    assert len(booked.world.texts) == sent
    assert {request.path for request in booked.world.requests[asked:]} == {"/v1/template-configs"}


def test_plan_shows_what_changed_settings_do(booked: Workspace) -> None:
    """A new rule, one that is gone: told beforehand, and then it happens."""
    time.sleep(1.1)  # The booking is from an earlier second than the rule.
    (booked.folder / "syncer.toml").write_text(
        '[[rule]]\nname = "reminder-2h"\non = "before_start"\noffset = "2h"\ntemplate = "2031460771195412482"\n'
        '[[rule]]\nname = "thanks-for-booking"\non = "booked"\ntemplate = "2031460771195412480"\n',
        encoding="utf-8",
    )
    code, out, _ = booked.run("plan")
    rows = [json.loads(line) for line in booked.run("plan", "--json")[1].splitlines()]
    sent = len(booked.world.texts)
    booked.run("run", "--once")
    after = [json.loads(line) for line in booked.run("messages", "--json")[1].splitlines()]

    effects = {row["rule"]: row["effect"] for row in rows}
    assert code == 0
    assert "your meeting begins in 2 hours" in out
    assert "The settings have changed" in out
    assert effects == {
        "reminder-2h": "new",
        "thanks-for-booking": "skipped",  # it is about the past
        "reminder-24h": "canceled",
        "reminder-1h": "canceled",
        "follow-up": "canceled",
    }
    states = {row["rule"]: row["state"] for row in after}
    assert {rule: states[rule] for rule in effects} == {
        rule: {"new": "scheduled"}.get(effect, effect) for rule, effect in effects.items()
    }
    assert states["confirmation"] == "sent"
    assert len(booked.world.texts) == sent


def test_plan_without_templates_or_database(workspace: Workspace, booked: Workspace) -> None:
    """It shows what it can, and says what it cannot."""
    code, out, err = booked.run("plan", environ={"ENGAGELAB_API_URL": "http://127.0.0.1:9"})
    none = workspace.run("plan", "--db", "none.db")

    assert code == 0
    assert "reminder-24h" in out
    assert "no wording, as EngageLab's templates cannot be read" in err
    assert none[:2] == (0, "")
    assert "there is no database yet" in none[2]
