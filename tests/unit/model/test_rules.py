"""Rules: what they cover, which ones are built in, and the digest that tells when all must be planned anew."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, an_event, an_invitee
from syncer import rules
from syncer.model import Audience
from syncer.plan import Context, plan
from syncer.rules import CanceledBy, HostSettings, Late, OnUnknown, Policy, QuietHours, Rule, Trigger, built_in
from syncer.wording import unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = timedelta(hours=1)
RULE = Rule(name="reminder", on=Trigger.BEFORE_START, templates={"": "1003"}, offset=HOUR)
POLICY = Policy(rules=(RULE,))
TYPE = "https://api.calendly.com/event_types/t1"


@pytest.mark.parametrize(
    ("event_types", "expected"),
    [
        pytest.param(None, True, id="absent: all"),
        pytest.param(frozenset({"Phone consultation"}), True, id="by name"),
        pytest.param(frozenset({TYPE}), True, id="by URI"),
        pytest.param(frozenset({"Erstgespräch", "Phone consultation"}), True, id="one of several"),
        pytest.param(frozenset({" phone  CONSULTATION"}), True, id="a name in another case, with other blanks"),
        pytest.param(frozenset({"Erstgespräch"}), False, id="another name"),
        pytest.param(frozenset[str](), False, id="an empty list: none"),
    ],
)
def test_covers(event_types: frozenset[str] | None, *, expected: bool) -> None:
    """A rule is for the types it names, by name in any letter case or URI; for all if it names none."""
    assert expected is replace(RULE, event_types=event_types).covers("Phone consultation", TYPE)


ALL_ON = {
    "CONFIRM": "1001",
    "CANCEL": "1002",
    "REMINDER": "1003",
    "FOLLOWUP": "1004",
    "HOST_NOTIFY": "1005",
    "RESCHEDULE": "1006",
}
BUILT_IN: dict[str, tuple[object, ...]] = {
    "confirmation": (Trigger.BOOKED, Audience.INVITEE, "1001", 0, 6, False, {"name", "time"}),
    "cancellation": (Trigger.CANCELED, Audience.INVITEE, "1002", 0, 6, False, {"name"}),
    "reschedule": (Trigger.RESCHEDULED, Audience.INVITEE, "1006", 0, 6, False, {"name", "time"}),
    "reminder-24h": (Trigger.BEFORE_START, Audience.INVITEE, "1003", 24 * 60, 2, True, {"name", "time", "advance"}),
    "reminder-1h": (Trigger.BEFORE_START, Audience.INVITEE, "1003", 60, 2, True, {"name", "time", "advance"}),
    "follow-up": (Trigger.AFTER_END, Audience.INVITEE, "1004", 30, 24, True, {"name"}),
    "host": (Trigger.BOOKED, Audience.HOST, "1005", 0, 6, False, {"name", "time"}),
}
"""By name: trigger, audience, template, offset in minutes, life in hours, quiet hours, the tutorial's variables."""


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_rules_are_the_tutorials(name: str) -> None:
    """Each built-in rule has the trigger, template, times and variables that the tutorial's users rely on."""
    rule = Policy(rules=built_in(ALL_ON)).rule(name)

    assert rule is not None
    found = (
        rule.on,
        rule.to,
        rule.templates[""],
        rule.offset / timedelta(minutes=1),
        rule.max_lateness / HOUR,
        rule.quiet_hours,
        set(rule.params),
    )
    assert BUILT_IN[name] == found
    assert (rule.late, rule.on_unknown, rule.event_types) == (Late.SKIP, OnUnknown.HOLD, None)
    assert rule.to_canceler is (name == "cancellation")


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        pytest.param("CONFIRM", ["confirmation"], id="confirm"),
        pytest.param("CANCEL", ["cancellation"], id="cancel"),
        pytest.param("REMINDER", ["reminder-24h", "reminder-1h"], id="one template, two reminders"),
        pytest.param("FOLLOWUP", ["follow-up"], id="follow up"),
        pytest.param("HOST_NOTIFY", ["host"], id="host"),
        pytest.param("RESCHEDULE", ["reschedule"], id="reschedule"),
    ],
)
def test_each_template_switches_on_its_rule(variable: str, expected: list[str]) -> None:
    """A template's variable switches on its own rule and no other; an empty one none."""
    assert expected == [rule.name for rule in built_in({variable: "1001"})]
    assert built_in({variable: ""}) == ()


def test_without_templates_nothing_is_built_in() -> None:
    """No variable, no rule; all of them, all the rules, each name once."""
    names = [rule.name for rule in built_in(ALL_ON)]

    assert built_in({}) == ()
    assert sorted(BUILT_IN) == sorted(names)


def test_every_trigger_has_its_defaults() -> None:
    """No trigger is without a life and variables, and the variables hold only fields that exist."""
    hours = {trigger: life / HOUR for trigger, life in rules.MAX_LATENESS.items()}
    wrong = [
        name for params in rules.DEFAULT_PARAMS.values() for text in params.values() for name in unknown_fields(text)
    ]

    assert hours == {
        Trigger.BOOKED: 6,
        Trigger.CANCELED: 6,
        Trigger.RESCHEDULED: 6,
        Trigger.REASSIGNED: 6,
        Trigger.BEFORE_START: 2,
        Trigger.AFTER_END: 24,
        Trigger.NO_SHOW: 24,
    }
    assert set(Trigger) == set(rules.DEFAULT_PARAMS)
    assert wrong == []
    assert {Trigger.BEFORE_START, Trigger.AFTER_END, Trigger.NO_SHOW} == rules.OBEYS_QUIET_HOURS


def test_a_rule_is_found_by_name() -> None:
    """A rule that was removed from the settings is not found, which is no error."""
    other = replace(RULE, name="other")

    assert other is Policy(rules=(RULE, other)).rule("other")
    assert Policy(rules=(RULE,)).rule("other") is None


POLICY_FIELDS: dict[str, Any] = {
    "rules": (),
    "timezone": "Europe/Berlin",
    "timezone_is_set": True,
    "language": "de",
    "languages_by_event_type": {"Erstgespräch": "de"},
    "languages_by_country": {"TW": "zh-TW"},
    "country": "TW",
    "hosts": {"mara@northpier.example": HostSettings(phone="+13125550177")},
    "host_phone": "+13125550177",
    "phone_sources": ("text_reminder_number",),
    "allowed_countries": frozenset({"US"}),
    "allow_landlines": True,
    "fold_accents": False,
    "quiet_hours": QuietHours(time(21), time(8)),
    "late_run": timedelta(minutes=16),
    "settle": timedelta(seconds=31),
    "per_number_per_day": 9,
}
RULE_FIELDS: dict[str, Any] = {
    "name": "other",
    "on": Trigger.AFTER_END,
    "templates": {"": "1004"},
    "to": Audience.HOST,
    "params": {"name": "{name}"},
    "offset": 2 * HOUR,
    "event_types": frozenset({"Erstgespräch"}),
    "late": Late.SEND,
    "max_lateness": HOUR,
    "quiet_hours": True,
    "on_unknown": OnUnknown.RESEND,
    "to_canceler": True,
    "canceled_by": CanceledBy.HOST,
    "also_reassigned": True,
}


@pytest.mark.parametrize("name", POLICY_FIELDS)
def test_each_field_changes_the_digest(name: str) -> None:
    """Whatever an operator changes about who is texted what, all bookings are planned again."""
    changed = replace(POLICY, **{name: POLICY_FIELDS[name]})

    assert getattr(POLICY, name) != getattr(changed, name)
    assert POLICY.fingerprint() != changed.fingerprint()


@pytest.mark.parametrize("name", RULE_FIELDS)
def test_each_field_of_a_rule_changes_the_digest(name: str) -> None:
    """So is it with each field of each rule."""
    changed = replace(RULE, **{name: RULE_FIELDS[name]})

    assert getattr(RULE, name) != getattr(changed, name)
    assert POLICY.fingerprint() != Policy(rules=(changed,)).fingerprint()


def test_no_field_is_left_out_of_these_tables() -> None:
    """A field added to a policy or a rule must be added above."""
    assert {one.name for one in fields(Policy)} == set(POLICY_FIELDS)
    assert {one.name for one in fields(Rule)} == set(RULE_FIELDS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            replace(POLICY, hosts={"m": HostSettings(timezone="UTC")}),
            replace(POLICY, hosts={"m": HostSettings(language="UTC")}),
            id="the same text in another field of a host",
        ),
        pytest.param(
            replace(POLICY, quiet_hours=QuietHours(time(21), time(8))),
            replace(POLICY, quiet_hours=QuietHours(time(8), time(21))),
            id="quiet hours by day",
        ),
        pytest.param(
            Policy(rules=(RULE, replace(RULE, name="b"))),
            Policy(rules=(replace(RULE, name="b"), RULE)),
            id="another order of rules",
        ),
        pytest.param(
            replace(POLICY, phone_sources=("outbound_call", "question:*")),
            replace(POLICY, phone_sources=("question:*", "outbound_call")),
            id="another order of sources",
        ),
        pytest.param(
            replace(POLICY, phone_sources=("a,b",)), replace(POLICY, phone_sources=("a", "b")), id="a comma in a name"
        ),
        pytest.param(
            replace(POLICY, languages_by_country={"TW": "zh", "JP": "ja"}),
            replace(POLICY, languages_by_country={"TW": "ja", "JP": "zh"}),
            id="languages exchanged",
        ),
    ],
)
def test_what_differs_has_another_digest(one: Policy, other: Policy) -> None:
    """Policies that decide differently have different digests, however alike they are spelled."""
    assert one.fingerprint() != other.fingerprint()


class _Forwards(frozenset[str]):
    """A set that iterates one way; which way a plain one does hangs on the process."""

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__()))


class _Backwards(frozenset[str]):
    """The same set iterating the other way."""

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__(), reverse=True))


def test_the_digest_is_the_same_in_every_process() -> None:
    """Equal policies have equal digests: the order of a set, which hangs on the process, is no part."""
    names = ["US", "TW", "DE"]
    rule = replace(RULE, event_types=_Forwards(names))
    one = Policy(rules=(rule,), allowed_countries=_Forwards(names))
    other = Policy(rules=(replace(rule, event_types=_Backwards(names)),), allowed_countries=_Backwards(names))

    assert list(one.allowed_countries) != list(other.allowed_countries)
    assert one.fingerprint() == other.fingerprint()
    assert POLICY.fingerprint() == Policy(rules=(replace(RULE),)).fingerprint()


def test_policies_that_plan_differently_have_different_digests() -> None:
    """Where the template falls back to the table's first entry, another first entry is another policy."""
    rule = Rule(name="confirmation", on=Trigger.BOOKED, templates={"de": "2001", "ja": "2002"})
    policies = [
        Policy(rules=(rule,), language="fr"),
        Policy(rules=(replace(rule, templates={"ja": "2002", "de": "2001"}),), language="fr"),
    ]
    event = an_event()
    booking = a_booking(event, an_invitee(event))
    context = Context(now=NOW, born_at=NOW - 24 * HOUR)

    first, second = (plan(booking, policy, context)[0].template for policy in policies)

    assert (first, second) == ("2001", "2002")
    assert policies[0].fingerprint() != policies[1].fingerprint()
