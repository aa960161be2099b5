"""Changed rules: all that waits changes with them, and what they newly cover is as young as the change."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from support.builders import NOW, a_booking, an_event, an_invitee
from support.databases import a_store, birth
from support.fake_clients import ME
from support.worker_on_fakes import WorkerOnFakes
from syncer.births import Coverage, Era, births, coverages
from syncer.config.schema import RuleTable
from syncer.model import Audience, Host, State
from syncer.outbox import NotNow
from syncer.past import Past
from syncer.reasons import Reason
from syncer.rules import CanceledBy, Late, Policy, Rule, Trigger
from syncer.store import Store, database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncer.config import Settings
    from syncer.model import Booking, Message

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DUE = NOW + DAY
"""When the reminder of the story is due: a day before its meeting."""
HOST = "+13125550177"
GUEST = "+13125550142"
REMINDER: dict[str, Any] = {
    "name": "r", "on": "before_start", "offset": "24h", "template": "1003", "quiet_hours": False,
    "params": {"name": "{name}", "time": "{start}", "advance": "{offset}"},
}  # fmt: skip
AROUND_NOON = '[quiet_hours]\nfrom = "11:00"\nto = "13:00"\n'


def value(given_: object) -> str:
    """Write a value as TOML."""
    if isinstance(given_, dict):
        return "{ " + ", ".join(f'"{key}" = "{text}"' for key, text in given_.items()) + " }"
    return json.dumps(given_)


def toml(rule: dict[str, Any] | None, top: str = "", tables: str = AROUND_NOON) -> str:
    """Write settings with one rule, or with none that is for anybody."""
    keys = rule or {"name": "other", "on": "booked", "template": "1001", "event_types": ["nobody's"]}
    return f"{top}\n{tables}\n[[rule]]\n" + "\n".join(f"{key} = {value(text)}" for key, text in keys.items()) + "\n"


@dataclass
class Story:
    """A worker whose settings change.

    Attributes:
        make: makes settings of TOML.
        sent: what left, as (rule, invitee URI), oldest first.
    """

    make: Callable[..., Settings]
    stage: WorkerOnFakes
    sent: list[tuple[str, str]] = field(default_factory=list)

    def run(self, at: datetime, settings: str | None = None, **environ: str) -> None:
        """Do one run at a moment, with these settings from then on."""
        if settings is not None:
            self.stage.settings = self.make(settings, environ)
        self.stage.now = at
        before = len(self.stage.gateway.texts)
        self.stage.run()
        for text in self.stage.gateway.texts[before:]:
            uri, rule, _ = text.key.rsplit("/", 2)
            self.sent.append((rule, uri))

    def meeting(self, which: str, start: datetime, **over: Any) -> str:
        """Put a meeting of a guest of its own into Calendly; returns the invitee's URI."""
        kind = {key: over.pop(key) for key in ("name", "event_type", "hosts") if key in over}
        event = replace(an_event(which, start=start), **kind)
        number = 10 + len(self.stage.calendly.known)
        fields: dict[str, Any] = {
            "created_at": NOW - 3 * DAY,
            "timezone": "UTC",
            "text_reminder_number": f"+131255501{number}",
        }
        invitee = an_invitee(event, **(fields | over))
        self.stage.calendly.put(event, invitee)
        return invitee.uri

    def of(self, uri: str) -> dict[str, Message]:
        """The messages of a booking by their rule."""
        return {message.rule: message for message in self.stage.store.messages_of([uri])[uri]}


@pytest.fixture
def story(settings: Callable[..., Settings], store: Store) -> Story:
    """A worker without bookings, whose database is a week old."""
    return Story(settings, WorkerOnFakes(settings(), store))


# All that waits changes: each key of a rule, and each way to wait.

WAYS = ("ahead", "due", "retryable")
"""An hour before it is due; due and held for its template, half an hour ago; refused for an hour, half an hour ago."""
GONE_LATE = dict.fromkeys(WAYS, (State.EXPIRED, Reason.LATE))
NO_LONGER = dict.fromkeys(WAYS, (State.CANCELED, Reason.NO_RULE))
AS_BEFORE = {
    "ahead": (State.SCHEDULED, Reason.NONE),
    "due": (State.SENT, Reason.NONE),
    "retryable": (State.RETRYABLE, Reason.PROVIDER_LATER),
}
WAITS_AGAIN = AS_BEFORE | {"due": (State.SCHEDULED, Reason.HELD_TEMPLATE)}
"""Due and held, then put off by the change: why it was held is noted until it leaves."""

CHANGES: list[tuple[str, dict[str, Any], dict[str, tuple[State, Reason]], dict[str, Any]]] = [
    ("offset", {"offset": "48h"}, GONE_LATE | {"ahead": (State.CANCELED, Reason.LATE)}, {"template": "1003"}),
    ("offset", {"offset": "26h"}, GONE_LATE | {"ahead": (State.SENT, Reason.NONE)}, {}),
    ("offset", {"offset": "12h"}, WAITS_AGAIN, {"scheduled_at": DUE + 12 * HOUR, "next_at": DUE + 12 * HOUR}),
    ("template", {"template": "1006"}, AS_BEFORE | {"retryable": (State.RETRYABLE, Reason.NONE)}, {"template": "1006"}),
    ("template", {"template": {"de": "1006"}}, AS_BEFORE | {"retryable": (State.RETRYABLE, Reason.NONE)},
     {"template": "1006", "language": "de"}),
    ("params", {"params": {"name": "dear {name}", "time": "{start}", "advance": "{offset}"}}, AS_BEFORE, {}),
    ("quiet_hours", {"quiet_hours": True}, WAITS_AGAIN,
     {"next_at": DUE + HOUR}),
    ("event_types", {"event_types": ["Another"]}, NO_LONGER, {"template": "1003"}),
    ("late", {"late": "send"}, AS_BEFORE, {"scheduled_at": DUE}),
    ("max_lateness", {"max_lateness": "20m"}, GONE_LATE | {"ahead": (State.SCHEDULED, Reason.NONE)},
     {"expires_at": DUE + 20 * MINUTE}),
    ("max_lateness", {"max_lateness": "40m"}, AS_BEFORE | {"retryable": (State.SENT, Reason.NONE)},
     {"expires_at": DUE + 40 * MINUTE}),
    ("to", {"to": "host"},
     dict.fromkeys(WAYS, (State.SKIPPED, Reason.BEFORE_RULE)) | {"ahead": (State.SCHEDULED, Reason.NONE)},
     {"audience": Audience.HOST}),
    ("on", {"on": "after_end", "offset": "1h"}, WAITS_AGAIN, {"scheduled_at": DUE + DAY + HOUR + 30 * MINUTE}),
    ("on", {"on": "booked", "offset": "1h"}, dict.fromkeys(WAYS, (State.SKIPPED, Reason.BEFORE_RULE)), {}),
    ("on_unknown", {"on_unknown": "resend"}, AS_BEFORE, {}),
    ("name", {"name": "r2"}, NO_LONGER, {}),
]  # fmt: skip
"""What a changed rule has made too late is only canceled before its time by the old rule."""
ELSEWHERE = {"to_canceler", "canceled_by"}
"""Keys of rules for cancellations: below."""
OTHER_SETTINGS = [
    ("[phones]\nallowed_countries = ['DE']\n", (State.SKIPPED, Reason.COUNTRY_NOT_ALLOWED)),
    ("[phones]\nsources = ['outbound_call']\n", (State.SKIPPED, Reason.NO_NUMBER)),
]


def test_every_key_of_a_rule_is_in_the_table() -> None:
    """A new key needs a row: what does it do to what waits?"""
    assert {row[0] for row in CHANGES} | ELSEWHERE == set(RuleTable.__struct_encode_fields__) - {"type"}


def wait(story: Story, way: str, before: str) -> tuple[str, datetime]:
    """Let a reminder wait; returns the invitee and the moment at which the settings change."""
    uri = story.meeting("e1", DUE + DAY, text_reminder_number=GUEST)
    approved = story.stage.gateway.known["1003"]
    if way == "due":
        story.stage.gateway.known["1003"] = replace(approved, status=1)
    if way == "retryable":
        later = timedelta(hours=1)
        story.stage.gateway.answer(NotNow("EngageLab 5001: busy", "5001", retry_after=later))
    story.run(DUE - HOUR, before)
    if way == "ahead":
        return uri, DUE - HOUR + MINUTE
    story.run(DUE)
    story.stage.gateway.known["1003"] = approved
    assert story.of(uri)["r"].state is (State.RETRYABLE if way == "retryable" else State.SCHEDULED)
    return uri, DUE + 30 * MINUTE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", CHANGES, ids=[f"{row[0]}: {next(iter(row[1].values()))}" for row in CHANGES])
def test_all_that_waits_changes_with_its_rule(
    story: Story, row: tuple[str, dict[str, Any], dict[str, tuple[State, Reason]], dict[str, Any]], way: str
) -> None:
    """It leaves by the rule as it is now, or not at all: never at the old time, never in the old words."""
    _, change, expected, fields = row
    uri, at = wait(story, way, toml(REMINDER))
    old = story.of(uri)["r"]
    story.run(at, toml(REMINDER | change))
    found = story.of(uri)["r"]

    assert (found.state, found.reason) == expected[way]
    if found.state is State.SKIPPED:
        assert found.to == ""
        return
    if way == "retryable" and found.state is State.RETRYABLE:
        fields = fields | {"next_at": max(old.next_at, fields.get("next_at", found.scheduled_at))}
    if found.state in {State.SENT, State.EXPIRED, State.CANCELED}:
        fields = {name: wanted for name, wanted in fields.items() if name != "next_at"}
    assert {name: getattr(found, name) for name in fields} == fields
    if "params" in change:
        assert found.params["name"] == "dear Ines Okafor"
    if change.get("to") == "host":
        assert found.to == HOST
    assert len(story.sent) == (found.state is State.SENT)


@pytest.mark.parametrize(
    ("wrong", "tables"),
    [
        ({"offset": "48h"}, ""),
        ({"offset": "40h", "max_lateness": "30m"}, ""),
        ({"event_types": ["Another"]}, ""),
        ({}, "[phones]\nallowed_countries = ['DE']\n"),
    ],
)
def test_a_mistake_in_a_rule_that_is_put_right_in_time_costs_nothing(
    story: Story, wrong: dict[str, Any], tables: str
) -> None:
    """The reminder leaves at its time, once, whatever the rule said for an hour."""
    uri = story.meeting("e1", DUE + DAY, text_reminder_number=GUEST)
    story.run(DUE - 3 * HOUR, toml(REMINDER))
    story.run(DUE - 2 * HOUR, toml(REMINDER | wrong) + tables)
    story.run(DUE - HOUR, toml(REMINDER))
    assert story.sent == []
    story.run(DUE)
    story.run(DUE + HOUR)

    assert story.sent == [("r", uri)]


def test_a_rule_with_a_new_name_does_not_repeat_what_left_before_it_was_due(story: Story) -> None:
    """Quiet hours pulled the reminder to the evening before; then the rule is renamed."""
    quiet = '[quiet_hours]\nfrom = "21:00"\nto = "08:00"\n'
    night = REMINDER | {"offset": "1h", "quiet_hours": True}
    start = NOW.replace(hour=7) + 2 * DAY
    uri = story.meeting("e1", start, text_reminder_number=GUEST)
    story.run(NOW, toml(night, tables=quiet))
    story.run(start - 11 * HOUR, toml(night, tables=quiet))
    assert story.sent == [("r", uri)]
    story.run(start - 10.5 * HOUR, toml(night | {"name": "r2"}, tables=quiet))
    story.run(start - HOUR)

    assert story.sent == [("r", uri)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("tables", "expected"), OTHER_SETTINGS)
def test_settings_of_everybody_hold_for_what_waits(
    story: Story, way: str, tables: str, expected: tuple[State, Reason]
) -> None:
    """A number that may not be texted any more is not texted."""
    uri, at = wait(story, way, toml(REMINDER))
    story.run(at, toml(REMINDER, tables=AROUND_NOON + tables))
    found = story.of(uri)["r"]

    assert (found.state, found.reason, found.to) == (*expected, "")
    assert story.sent == []


@pytest.mark.parametrize("way", WAYS)
def test_a_rule_that_is_gone_takes_along_what_waits(story: Story, way: str) -> None:
    """Switched off: nothing of it leaves."""
    uri, at = wait(story, way, toml(REMINDER))
    story.run(at, toml(None))

    assert (story.of(uri)["r"].state, story.of(uri)["r"].reason) == NO_LONGER[way]


def test_quiet_hours_that_no_longer_hold_let_go(story: Story) -> None:
    """Waiting for their end, a text leaves at once when its rule heeds them no more."""
    heeding = REMINDER | {"quiet_hours": True}
    uri = story.meeting("e1", DUE + DAY)
    story.run(DUE - HOUR - MINUTE, toml(heeding))
    story.run(DUE)
    before = list(story.sent)
    story.run(DUE + MINUTE, toml(REMINDER))

    assert (before, story.sent) == ([], [("r", uri)])


def test_a_refused_text_that_waits_for_the_morning_leaves_when_it_need_not(story: Story) -> None:
    """Put off by quiet hours, not by the gateway: its delay was over long ago."""
    uri = story.meeting("e1", DUE + DAY)
    story.stage.gateway.answer(NotNow("EngageLab 5001: busy", "5001", retry_after=20 * MINUTE))
    noon = AROUND_NOON.replace("11:00", "12:10")
    story.run(DUE, toml(REMINDER | {"quiet_hours": True}, tables=noon))
    story.run(DUE + 30 * MINUTE)
    waiting = story.of(uri)["r"]
    story.run(DUE + 31 * MINUTE, toml(REMINDER, tables=noon))

    assert (waiting.state, waiting.reason, waiting.next_at) == (State.RETRYABLE, Reason.QUIET_HOURS, DUE + HOUR)
    assert story.sent == [("r", uri)]


def test_late_that_may_not_be_sent_any_more_is_skipped(story: Story) -> None:
    """`late = "send"` taken back: a reminder of a late booking that waits does not leave."""
    late = {"created_at": NOW, "text_reminder_number": GUEST}
    story.stage.gateway.known["1003"] = replace(story.stage.gateway.known["1003"], status=1)
    uri = story.meeting("e1", NOW + 2 * HOUR, **late)
    story.run(NOW, toml(REMINDER | {"late": "send"}))
    waiting = story.of(uri)["r"].state
    story.run(NOW + MINUTE, toml(REMINDER | {"late": "skip"}))

    assert waiting is State.SCHEDULED
    assert (story.of(uri)["r"].state, story.of(uri)["r"].reason) == (State.SKIPPED, Reason.BOOKED_LATE)


CANCELLATION = {"name": "c", "on": "canceled", "template": "1002", "to_canceler": True}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"canceled_by": "host"}, (State.CANCELED, Reason.BOOKING_CANCELED)),
        ({"to_canceler": False}, (State.SKIPPED, Reason.OWN_CANCELLATION)),
        ({"template": "1004"}, (State.SENT, Reason.NONE)),
    ],
)
def test_cancellations_that_wait_change_with_their_rule(
    story: Story, change: dict[str, Any], expected: tuple[State, Reason]
) -> None:
    """The keys that only they have."""
    story.stage.gateway.known["1002"] = replace(story.stage.gateway.known["1002"], status=1)
    uri = cancel(story)
    story.run(NOW + 5 * MINUTE)
    waiting = story.of(uri)["c"].state
    story.stage.gateway.known["1002"] = replace(story.stage.gateway.known["1002"], status=2)
    story.run(NOW + 10 * MINUTE, toml(CANCELLATION | change))

    assert waiting is State.SCHEDULED
    assert (story.of(uri)["c"].state, story.of(uri)["c"].reason) == expected


def cancel(story: Story, by: str = "invitee") -> str:
    """Book, and have it canceled a minute later."""
    uri = story.meeting("e1", NOW + 2 * DAY)
    story.run(NOW - MINUTE, toml(CANCELLATION))
    event = next(iter(story.stage.calendly.known.values()))
    [invitee] = story.stage.calendly.people[event.uri]
    gone = replace(invitee, status="canceled", canceled_at=NOW, canceler_type=by)
    story.stage.calendly.put(replace(event, status="canceled", active=0), gone)
    return uri


# What a rule newly covers is as young as that: nothing that was due before leaves, all that is due later does.

THANKS: dict[str, Any] = {
    "name": "thanks",
    "on": "after_end",
    "offset": "30m",
    "template": "1004",
    "quiet_hours": False,
}
NO_TABLES = ""
INTRO, OTHER = f"{an_event().event_type[:-2]}intro", f"{an_event().event_type[:-2]}other"


def thanks(*event_types: str, **over: Any) -> str:
    """Write settings whose only rule thanks after the meetings of these types; none = all."""
    return toml(THANKS | ({"event_types": list(event_types)} if event_types else {}) | over, tables=NO_TABLES)


OFF = toml(None, tables=NO_TABLES)
ONLY_DE = "[phones]\nallowed_countries = ['DE']\n"
WIDENED = {
    "a type more": ([thanks("Intro"), thanks("Intro", "Other")], "intro"),
    "all types": ([thanks("Intro"), thanks()], "intro"),
    "off and on": ([thanks(), OFF, thanks()], ""),
    "another name": ([thanks(name="old"), thanks()], ""),
    "narrowed and widened": ([thanks(), thanks("Intro"), thanks()], "intro"),
    "by URI what was by name": ([thanks("Intro", "Other"), thanks(INTRO, OTHER)], "intro other"),
    "a type more, by URI": ([thanks("Intro"), thanks(INTRO, OTHER)], "intro"),
    "in other letters": ([thanks("Intro", "Other"), thanks(" INTRO", "other")], "intro other"),
    "another template": ([thanks(), thanks(template="1002")], "intro other"),
    "another lateness": ([thanks(max_lateness="12h"), thanks(max_lateness="20h")], "intro other"),
    "another trigger before": ([thanks(on="before_start", offset="1h"), thanks()], ""),
    "for the host before": ([thanks(to="host"), thanks()], ""),
    "another country": ([toml(THANKS, tables=ONLY_DE), thanks()], ""),
    "another source": ([toml(THANKS, tables="[phones]\nsources = ['outbound_call']\n"), thanks()], ""),
    "a field with a default": ([thanks(params={"name": "{location}"}), thanks(params={"name": "{location|here}"})], ""),
}
"""Name -> the settings one after the other, and of which types what was due before the last ones may still leave."""


@pytest.mark.parametrize("name", WIDENED)
def test_what_is_newly_covered_is_not_texted_about_the_past(story: Story, name: str) -> None:
    """Meetings of each type that ended before, just before and after the change."""
    steps, kept = WIDENED[name]
    change = NOW + 3 * HOUR
    due = {
        "long before": -25 * HOUR,
        "before": -2 * HOUR,
        "just before": -MINUTE,
        "as it comes": timedelta(),
        "after": HOUR,
    }
    uris = {}
    for kind in ("Intro", "Other"):
        for when, moment in due.items():
            start = change + moment - HOUR
            event_type = INTRO if kind == "Intro" else OTHER
            uris[story.meeting(f"{kind}{when}".replace(" ", ""), start, name=kind, event_type=event_type)] = (
                kind.lower(),
                when,
            )
    # A database of before: its first run is with the first settings, while nothing is due.
    story.run(change - 26 * HOUR, steps[0])
    for text in steps[1:-1]:
        story.run(change - 150 * MINUTE, text)
    said = len(story.sent)
    story.run(change, steps[-1])
    for minute in (1, 59, 60, 61, 90):
        story.run(change + minute * MINUTE)
    late = [uris[uri] for _, uri in story.sent[said:]]

    assert len(set(story.sent)) == len(story.sent), "twice"
    expected = {(kind, when) for kind in ("intro", "other") for when in ("as it comes", "after")}
    expected |= {(kind, when) for kind in kept.split() for when in ("before", "just before")}
    assert sorted(late) == sorted(expected)


def test_a_template_that_is_set_later_is_a_new_rule(story: Story) -> None:
    """TEMPLATE_ID_FOLLOWUP: yesterday's guests are not thanked, tomorrow's are."""
    past = story.meeting("e1", NOW - 2 * HOUR)
    ahead = story.meeting("e2", NOW + HOUR)
    story.run(NOW - 3 * HOUR, "", TEMPLATE_ID_FOLLOWUP="")
    story.run(NOW)
    before = set(story.sent)
    story.run(NOW + MINUTE, "")
    story.run(NOW + 3 * HOUR)
    thanked = [uri for rule, uri in story.sent if rule == "follow-up"]

    assert not [rule for rule, _ in before if rule == "follow-up"]
    assert thanked == [ahead]
    assert story.of(past)["follow-up"].reason is Reason.BEFORE_RULE


def test_reminders_that_lie_ahead_are_back_with_their_rule(story: Story) -> None:
    """Off and on: what was due meanwhile is not sent, what is due later is."""
    meanwhile, later = story.meeting("e1", NOW + 25 * HOUR), story.meeting("e2", NOW + 27 * HOUR)
    rule = toml(REMINDER, tables=NO_TABLES)
    story.run(NOW, rule)
    story.run(NOW + 30 * MINUTE, OFF)
    story.run(NOW + 2 * HOUR, rule)
    story.run(NOW + 3 * HOUR)

    assert story.sent == [("r", later)]
    assert (story.of(meanwhile)["r"].state, story.of(meanwhile)["r"].reason) == (State.CANCELED, Reason.NO_RULE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"to_canceler": False}, {"to_canceler": True}, id="to who canceled, too"),
        pytest.param({"canceled_by": "host"}, {"canceled_by": "anyone"}, id="whoever canceled"),
    ],
)
def test_cancellations_that_were_not_told_stay_so(story: Story, before: dict[str, Any], after: dict[str, Any]) -> None:
    """The guest canceled before the rule was for that: known already, or read only after the change."""
    known = story.meeting("e1", NOW + 2 * DAY)
    unread = story.meeting("e2", NOW + 2 * DAY)
    confirm = '[[rule]]\nname = "confirm"\non = "booked"\ntemplate = "1001"\nmax_lateness = "5d"\n'
    story.run(NOW - MINUTE, toml(CANCELLATION | before, tables=NO_TABLES) + confirm)
    for uri in (known, unread):
        if uri == unread:
            story.run(NOW + 5 * MINUTE)
        event = story.stage.calendly.known[uri.partition("/invitees")[0]]
        [invitee] = story.stage.calendly.people[event.uri]
        gone = replace(invitee, status="canceled", canceled_at=NOW, canceler_type="invitee")
        story.stage.calendly.put(replace(event, status="canceled", active=0), gone)
    story.run(NOW + 6 * MINUTE, toml(CANCELLATION | after, tables=NO_TABLES) + confirm)
    later = story.meeting("e3", NOW + 2 * DAY, created_at=NOW + 7 * MINUTE)
    story.run(NOW + 8 * MINUTE)
    event = story.stage.calendly.known[later.partition("/invitees")[0]]
    [invitee] = story.stage.calendly.people[event.uri]
    gone = replace(invitee, status="canceled", canceled_at=NOW + 9 * MINUTE, canceler_type="invitee")
    story.stage.calendly.put(replace(event, status="canceled", active=0), gone)
    story.run(NOW + 15 * MINUTE)

    assert [uri for rule, uri in story.sent if rule == "c"] == [later]


def test_late_bookings_of_before_are_not_reminded(story: Story) -> None:
    """`late = "send"` is for what is booked from then on, also of what is read only after the change."""
    known = story.meeting("e1", NOW + 2 * HOUR, created_at=NOW - 10 * MINUTE)
    story.run(NOW, toml(REMINDER, tables=NO_TABLES))
    unread = story.meeting("e2", NOW + 2 * HOUR, created_at=NOW + MINUTE)
    story.run(NOW + 5 * MINUTE, toml(REMINDER | {"late": "send"}, tables=NO_TABLES))
    later = story.meeting("e3", NOW + 2 * HOUR, created_at=NOW + 6 * MINUTE)
    story.run(NOW + 10 * MINUTE)

    assert story.sent == [("r", later)]
    assert {story.of(uri)["r"].state for uri in (known, unread)} == {State.SKIPPED}


def test_whose_events_are_listed_is_part_of_what_a_rule_covers(story: Story) -> None:
    """The scope widened from one host to all: nobody is thanked for meetings of before that were not listed."""
    own = story.meeting("e1", NOW - HOUR, hosts=(Host(ME.uri),))
    _, later = story.meeting("e2", NOW - HOUR), story.meeting("e3", NOW)
    narrow, wide = '[calendly]\nscope = "user"\n', '[calendly]\nscope = "organization"\n'
    story.run(NOW - 30 * MINUTE, toml(THANKS, tables=narrow))
    story.run(NOW + 5 * MINUTE, toml(THANKS, tables=wide))
    story.run(NOW + 2 * HOUR)

    assert story.sent == [("thanks", own), ("thanks", later)]


def test_a_scope_that_changes_is_noted_in_the_run_that_sees_it(story: Story) -> None:
    """Also when nothing is to be read then: what is booked afterwards is as young as it is."""
    story.run(NOW, toml({"name": "c", "on": "booked", "template": "1001"}, tables='[calendly]\nscope = "user"\n'))
    story.run(NOW + HOUR, toml({"name": "c", "on": "booked", "template": "1001"}, tables=NO_TABLES))
    uri = story.meeting("e1", NOW + 2 * DAY, created_at=NOW + 2 * HOUR)
    story.run(NOW + 2 * HOUR + MINUTE)

    assert story.sent == [("c", uri)]
    assert story.stage.store.policy_changed_at() is None


def test_a_first_start_is_as_old_as_its_database(story: Story) -> None:
    """Whatever the first settings are, they cover what was due since the birth: the database is a week old."""
    uri = story.meeting("e1", NOW - 5 * HOUR)
    story.run(NOW, thanks("Phone consultation"))
    first = story.stage.store.policy_changed_at()
    story.run(NOW + HOUR, thanks())

    assert story.sent == [("thanks", uri)]
    assert (first, story.stage.store.policy_changed_at()) == (None, NOW + HOUR)


TYPES = {"Intro": INTRO, "Other": OTHER}
STEPS: dict[str, tuple[str, frozenset[str]]] = {
    "off": (OFF, frozenset()),
    "intro": (thanks("Intro"), frozenset({"Intro"})),
    "other": (thanks("Other"), frozenset({"Other"})),
    "both": (thanks("Intro", "Other"), frozenset(TYPES)),
    "all": (thanks(), frozenset(TYPES)),
    "both by URI": (thanks(INTRO, OTHER), frozenset(TYPES)),
    "intro by URI": (thanks(INTRO), frozenset({"Intro"})),
    "all, another text": (thanks(template="1002"), frozenset(TYPES)),
}
"""Settings, and which types they cover."""


@given(
    steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=9),
    meetings=st.lists(
        st.tuples(st.sampled_from(sorted(TYPES)), st.integers(-2, 9 * 60).map(lambda m: m * 2 + 1)), max_size=6
    ),
)
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_changes_a_text_leaves_if_its_rule_covered_it_when_it_was_due_and_still_does(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Callable[..., Settings],
    steps: list[str],
    meetings: list[tuple[str, int]],
) -> None:
    """Settings that change each hour, against a model of two lines.

    A run comes each hour, with its settings. A text that is due between two runs leaves in the second, if the first
    covered it and the second does; nothing leaves later, and nothing twice.
    """
    path = tmp_path_factory.mktemp("rules") / "syncer.db"
    with a_store(path, now=NOW - 7 * DAY) as store:
        story = Story(settings, WorkerOnFakes(settings(OFF), store))
        expected = []
        for number, (kind, minute) in enumerate(meetings):
            due = NOW + minute * MINUTE
            uri = story.meeting(f"e{number}", due - HOUR, name=kind, event_type=TYPES[kind])
            before = [index for index in range(len(steps)) if NOW + index * HOUR < due]
            following = len(before)
            covering = [kind in STEPS[name][1] for name in steps]
            # What was due before the first run of the database counts as covered by it.
            if following < len(steps) and covering[following] and covering[max(following - 1, 0)]:
                expected.append(uri)
        for index, name in enumerate(steps):
            story.run(NOW + index * HOUR, STEPS[name][0])

        assert sorted(uri for _, uri in story.sent) == sorted(expected)


# The births themselves.

ALL_TYPES = Coverage(on=Trigger.AFTER_END, to=Audience.INVITEE, scope="organization")


def only(*names: str, **over: Any) -> Coverage:
    """Make what is covered: event types in plain spelling."""
    return replace(ALL_TYPES, event_types=frozenset(names), **over)


def intro(**over: Any) -> Booking:
    """Make a booking of an event of the type Intro."""
    event = replace(an_event(event_type=INTRO), name="Intro")
    return a_booking(event, an_invitee(event, **over), seen_at=NOW)


@pytest.mark.parametrize(
    ("eras", "expected"),
    [
        pytest.param([ALL_TYPES], 0, id="one era"),
        pytest.param([only("other"), ALL_TYPES], 1, id="covered since then"),
        pytest.param([only("intro"), ALL_TYPES], 0, id="covered before, too"),
        pytest.param([ALL_TYPES, only("intro"), ALL_TYPES], 0, id="all the time"),
        pytest.param([ALL_TYPES, only("other"), ALL_TYPES], 2, id="not in between"),
        pytest.param([ALL_TYPES, only("other"), ALL_TYPES, only("intro")], 2, id="not in between, narrowed since"),
        pytest.param([only("intro"), only(INTRO)], 0, id="by name, then by URI"),
        pytest.param([replace(ALL_TYPES, on=Trigger.NO_SHOW), ALL_TYPES], 1, id="another trigger"),
        pytest.param([replace(ALL_TYPES, to=Audience.HOST), ALL_TYPES], 1, id="another recipient"),
        pytest.param([replace(ALL_TYPES, scope="user"), ALL_TYPES], 0, id="seen in the other scope"),
        pytest.param([ALL_TYPES, replace(ALL_TYPES, scope="user"), ALL_TYPES], 0, id="seen in it, and back"),
    ],
)
def test_the_birth_of_what_a_rule_covers(eras: list[Coverage], expected: int) -> None:
    """The beginning of the unbroken row of eras that cover a booking."""
    rule = Rule(name="r", on=Trigger.AFTER_END, templates={"": "1"})
    known = [Era(coverage, NOW + (index + 1) * HOUR) for index, coverage in enumerate(eras)]

    assert births([rule], {"r": known}, intro(), Past()) == {"r": NOW + (expected + 1) * HOUR}


@pytest.mark.parametrize(("seen", "expected"), [(-1, 0), (0, 1), (1, 1)])
def test_another_scope_covered_what_was_seen_in_it(seen: int, expected: int) -> None:
    """What was first seen when it had ended was not listed before."""
    rule = Rule(name="r", on=Trigger.AFTER_END, templates={"": "1"})
    known = [Era(replace(ALL_TYPES, scope="user"), NOW), Era(ALL_TYPES, NOW + HOUR)]
    booking = replace(intro(), seen_at=NOW + HOUR + seen * MINUTE)

    assert births([rule], {"r": known}, booking, Past()) == {"r": NOW + expected * HOUR}


@pytest.mark.parametrize(("minutes", "expected"), [(0, 0), (1, 1)])
def test_what_is_booked_as_its_reminder_is_due_is_not_late(minutes: int, expected: int) -> None:
    """A second later it is: then only a rule for late bookings covers it."""
    event = an_event()
    rule = Rule(name="r", on=Trigger.BEFORE_START, templates={"": "1"}, offset=DAY, late=Late.SEND)
    booking = a_booking(event, an_invitee(event, created_at=event.start - DAY + minutes * MINUTE), seen_at=event.start)
    reminds = Coverage(on=Trigger.BEFORE_START, to=Audience.INVITEE, scope="organization")
    known = [Era(reminds, NOW), Era(replace(reminds, late=True), NOW + HOUR)]

    assert births([rule], {"r": known}, booking, Past()) == {"r": NOW + expected * HOUR}


def test_coverages_say_what_counts() -> None:
    """Spelling, words and times do not; whose cancellations, whether late, whose events do."""
    rule = Rule(name="r", on=Trigger.CANCELED, templates={"": "1"}, event_types=frozenset({" Intro  CALL"}))
    [made] = coverages(Policy(rules=(rule,)), "user").values()
    same = replace(rule, templates={"": "2"}, max_lateness=HOUR, params={"a": "b"}, offset=HOUR, quiet_hours=True)
    others = [
        replace(rule, canceled_by=CanceledBy.HOST),
        replace(rule, to_canceler=True),
        replace(rule, late=Late.SEND),
        replace(rule, event_types=None),
    ]

    assert made.event_types == frozenset({"intro call"})
    assert coverages(Policy(rules=(same,)), "user") == {"r": made}
    assert all(coverages(Policy(rules=(other,)), "user") != {"r": made} for other in others)


# What the database remembers of it.


def covered(*names: str) -> dict[str, Coverage]:
    """Make what these rules cover: everything."""
    return dict.fromkeys(names, ALL_TYPES)


def since(eras: dict[str, list[Era]]) -> dict[str, list[datetime]]:
    """Reduce eras to when they began."""
    return {name: [era.since for era in known] for name, known in eras.items()}


def test_rules_are_as_old_as_their_first_sight(store: Store) -> None:
    """Those a database begins with are as old as it is; later ones are born when they are met, once."""
    first = store.meet_rules(covered("confirmation", "reminder-1h"), NOW)
    store.remember("policy", "the first run is over")
    same = store.meet_rules(covered("confirmation", "reminder-1h"), NOW + HOUR)
    added = store.meet_rules(covered("confirmation", "reminder-1h", "follow-up"), NOW + DAY)
    later = store.meet_rules(covered("follow-up", "confirmation", "reminder-1h"), NOW + 2 * DAY)

    born = {"confirmation": [store.born_at], "reminder-1h": [store.born_at]}
    assert (since(first), since(same)) == (born, born)
    assert since(added) == since(later) == born | {"follow-up": [NOW + DAY]}


def test_what_a_rule_covers_is_remembered_era_by_era(store: Store, other: Store) -> None:
    """As it was written, also for a process that opens the file later."""
    store.meet_rules({"r": only("intro", "other")}, NOW)
    store.remember("policy", "the first run is over")
    wide = replace(ALL_TYPES, canceled_by=CanceledBy.HOST, to_canceler=True, late=True)
    store.meet_rules({"r": wide}, NOW + HOUR)
    found = other.meet_rules({"r": wide}, NOW + 2 * HOUR)

    assert found == {"r": [Era(only("intro", "other"), birth(store)), Era(wide, NOW + HOUR)]}


def test_a_rule_that_was_away_is_a_new_one(store: Store) -> None:
    """What was due while it was off is nobody's business any more; the others keep their age."""
    store.meet_rules(covered("confirmation", "reminder-1h"), NOW)
    store.remember("policy", "the first run is over")
    without = store.meet_rules(covered("confirmation"), NOW + HOUR)
    back = store.meet_rules(covered("confirmation", "reminder-1h"), NOW + 2 * HOUR)

    assert since(without) == {"confirmation": [store.born_at]}
    assert since(back) == {"confirmation": [store.born_at], "reminder-1h": [NOW + 2 * HOUR]}


def test_rules_that_were_all_away_are_new_ones(store: Store) -> None:
    """Also when no rule was left meanwhile: a rule texts nobody about what was due before it."""
    store.meet_rules(covered("confirmation"), NOW)
    store.remember("policy", "the first run is over")
    none = store.meet_rules({}, NOW + HOUR)
    back = store.meet_rules(covered("confirmation"), NOW + DAY)

    assert (none, since(back)) == ({}, {"confirmation": [NOW + DAY]})


def test_a_first_run_that_broke_off_is_still_the_first(store: Store) -> None:
    """Until it has planned everything once, its rules are as old as the database, also if they change meanwhile."""
    store.meet_rules(covered("confirmation"), NOW)
    again = store.meet_rules({"confirmation": only("intro"), "host": ALL_TYPES}, NOW + HOUR)

    assert since(again) == {"confirmation": [store.born_at], "host": [store.born_at]}


def test_meeting_the_same_rules_writes_nothing(store: Store, other: Store) -> None:
    """Each batch of a run meets them: it does not even wait for another writer."""
    store.meet_rules(covered("confirmation"), NOW)
    store.db.conn.execute("PRAGMA busy_timeout = 0")
    other.db.conn.execute("BEGIN IMMEDIATE")

    assert since(store.meet_rules(covered("confirmation"), NOW + HOUR)) == {"confirmation": [store.born_at]}


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """A second connection to the same file: what a program beside the worker would have."""
    path = store.db.conn.execute("PRAGMA database_list").fetchone()[2]
    with Store(database.open_writable(Path(path))) as opened:
        yield opened
