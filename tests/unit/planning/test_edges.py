"""Edges of what decides: cases that a change of one operator, one field or one word would get wrong.

Each of them was found by changing the code so and seeing that no other test minded (`.ci/mutation`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from syncer import calendly_answers, engagelab
from syncer.diff import News, diff, looks_after_end, noticed_after
from syncer.errors import (
    AccessRefused,
    BadParameter,
    CalendlyBusy,
    CalendlyRefused,
    LoginRefused,
    NotThere,
    NoUsableAnswer,
    Unreadable,
    Unsendable,
)
from syncer.model import Answer, ChangeKind, Message, State
from syncer.outbox import Halt, NoAnswer, NotNow, Refused, jitter_of, retry_at, settle
from syncer.plan import Context, plan, told
from syncer.reasons import Reason
from syncer.rules import OnUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SETTLE = 30 * SECOND


# The outbox.


@pytest.mark.parametrize(
    ("attempts", "asked", "jitter", "expected"),
    [
        (1, None, 0.0, 30 * SECOND),
        (1, None, 1.0, 33 * SECOND),
        (1, None, 0.5, 31.5 * SECOND),
        (3, None, 1.0, 132 * SECOND),
        (9, None, 1.0, 33 * MINUTE),
        (1, 20 * MINUTE, 1.0, 22 * MINUTE),
        (1, 9 * HOUR, 1.0, 66 * MINUTE),
    ],
)
def test_jitter_adds_up_to_a_tenth(attempts: int, asked: timedelta | None, jitter: float, expected: timedelta) -> None:
    """To the growing delay as to the gateway's own wish; nothing comes back earlier than without it."""
    assert retry_at(NOW, attempts, asked, jitter=jitter) == NOW + expected


def test_jitter_is_each_messages_own_and_spread_out() -> None:
    """The same in each run; of a hundred messages about as many in each quarter."""
    shares = [jitter_of(f"https://api.calendly.com/invitees/{n}/confirmation") for n in range(400)]

    assert shares == [jitter_of(f"https://api.calendly.com/invitees/{n}/confirmation") for n in range(400)]
    assert all(0 <= share < 1 for share in shares)
    assert all(70 < sum(quarter / 4 <= share < (quarter + 1) / 4 for share in shares) < 130 for quarter in range(4))


def test_a_resent_message_keeps_its_refusals_and_its_jitter() -> None:
    """What it survived before is not forgotten by one silence."""
    outcome = NoAnswer("silence")
    settled = settle(outcome, now=NOW, attempts=1, refusals=2, on_unknown=OnUnknown.RESEND, jitter=1.0)
    later = settle(NotNow("busy"), now=NOW, attempts=1, refusals=2, jitter=1.0)

    assert (settled.state, settled.refusals, settled.next_at) == (State.RETRYABLE, 2, NOW + 33 * SECOND)
    assert (later.refusals, later.next_at) == (2, NOW + 33 * SECOND)


# What the gateway's answer means.


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(400, {"code": 2002, "message": "No"}, Halt("EngageLab 2002: No"), id="a halt says why"),
        pytest.param(400, {"code": 1000, "message": "No"}, NoAnswer("EngageLab 1000: No"), id="so does a doubt"),
        pytest.param(
            300,
            {"code": 3002},
            Refused("EngageLab 3002: redirected; check ENGAGELAB_API_URL", "3002"),
            id="the first 3xx",
        ),
        pytest.param(299, {"code": 3002, "message": "No"}, Refused("EngageLab 3002: No", "3002"), id="the last 2xx"),
        pytest.param(200, {"code": "3002"}, Refused("EngageLab 3002", "3002"), id="a code in quotes"),
        pytest.param(200, {"code": "1234567890"}, NoAnswer("EngageLab 123456789"), id="a code without end"),
    ],
)
def test_the_gateways_answers(status: int, body: dict[str, Any], expected: object) -> None:
    """By code, each with its detail."""
    assert engagelab.decipher(status, {}, json.dumps(body).encode()) == expected


@pytest.mark.parametrize(
    ("over", "says", "remedy"),
    [
        ({"to": "0142"}, "the message's number is not in the form +13125550142", ""),
        ({"template": ""}, "the message has no template", "Give the rule a template id"),
        ({"params": {"name": "\ud800"}}, "a value of the message is not valid text", ""),
    ],
)
def test_what_cannot_be_sent_says_why(over: dict[str, Any], says: str, remedy: str) -> None:
    """Before anything leaves."""
    with pytest.raises(Unsendable) as caught:
        engagelab.request_body(a_message(**over))

    assert (str(caught.value), caught.value.remedy) == (says, remedy)


# What Calendly's answer means.


def refused(status: int, headers: dict[str, str] | None = None, **body: Any) -> CalendlyRefused:
    """Decipher a refusal."""
    with pytest.raises(CalendlyRefused) as caught:
        calendly_answers.decipher(status, headers or {}, json.dumps(body).encode())
    return caught.value


NEW_TOKEN = (
    "Make a new personal access token (Calendly: Integrations, API & Webhooks) and set CALENDLY_TOKEN. "
    "A token is revoked when the login e-mail, the password or the login method changes"
)
REPORT = "Please report this line: syncer asks what Calendly does not take"
AGAIN = "The next run tries again; if it stays so, please report this line"
TROUBLE = "The next run tries again; if it stays so, look at Calendly's status page"
ELSEWHERE = "Check CALENDLY_API_URL and the proxy: something else than Calendly's API may answer there"
GONE = "It is gone at Calendly; if everything seems to be, check CALENDLY_API_URL"
ROLE = (
    "Reading a whole organization needs the role admin or owner: ask for it, "
    'or read only your own events with scope = "user" under [calendly]'
)
ALL_SCOPES = (
    "Make a token with the scopes scheduled_events:read, event_types:read, users:read, organizations:read"
    " and set CALENDLY_TOKEN"
)
ONE_SCOPE = "Make a token with the scopes users:read and set CALENDLY_TOKEN"
DETAILS = {"parameter": "min_start_time", "message": "is wrong"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "says", "remedy"),
    [
        (401, {"message": "No"}, LoginRefused, "Calendly 401: No", NEW_TOKEN),
        (401, {"title": "Unauthenticated"}, LoginRefused, "Calendly 401: Unauthenticated", NEW_TOKEN),
        (403, {}, AccessRefused, "Calendly 403", ROLE),
        (403, {"message": "Insufficient SCOPE"}, AccessRefused, "Calendly 403: Insufficient SCOPE", ALL_SCOPES),
        (403, {"required_scopes": ["users:read"]}, AccessRefused, "Calendly 403", ONE_SCOPE),
        (403, {"details": [{"required_scopes": ["users:read"]}]}, AccessRefused, "Calendly 403", ONE_SCOPE),
        (403, {"details": ["x", {"a": 1}], "message": "No"}, AccessRefused, "Calendly 403: No", ROLE),
        (400, {"details": [{}, DETAILS]}, BadParameter, "Calendly 400 (min_start_time)", REPORT),
        (400, {"details": [{"parameter": 7}]}, BadParameter, "Calendly 400", REPORT),
        (400, {"details": [{"parameter": "x" * 40}]}, BadParameter, f"Calendly 400 ({'x' * 40})", REPORT),
        (400, {"details": [{"parameter": "x" * 41}]}, BadParameter, f"Calendly 400 ({'x' * 39}…)", REPORT),
        (408, {"title": "Slow"}, CalendlyBusy, "Calendly 408: Slow", AGAIN),
        (404, {"title": "Gone"}, NotThere, "Calendly 404: Gone", GONE),
        (300, {}, CalendlyRefused, "Calendly 300", "Check CALENDLY_API_URL: it must not redirect"),
        (399, {}, CalendlyRefused, "Calendly 399", "Check CALENDLY_API_URL: it must not redirect"),
        (418, {}, CalendlyRefused, "Calendly 418", ELSEWHERE),
        (500, {"message": "Oops"}, CalendlyBusy, "Calendly 500: Oops", TROUBLE),
        (599, {}, CalendlyBusy, "Calendly 599", TROUBLE),
        (600, {}, CalendlyRefused, "Calendly 600", ELSEWHERE),
    ],
)
def test_calendlys_refusals(
    status: int, body: dict[str, Any], kind: type[CalendlyRefused], says: str, remedy: str
) -> None:
    """What was said, and what to do, to the word: a person types it."""
    error = refused(status, **body)

    assert type(error) is kind
    assert (str(error), error.remedy, error.status) == (says, remedy, status)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"retry-after": "7", "x-ratelimit-reset": "9"}, 7.0),
        (429, {"x-ratelimit-reset": "9"}, 9.0),
        (429, {}, 60.0),
        (408, {"retry-after": "7"}, 7.0),
        (408, {"x-ratelimit-reset": "9"}, None),
        (503, {"retry-after": "7"}, 7.0),
        (503, {}, None),
    ],
)
def test_how_long_calendly_asks_to_wait(status: int, headers: dict[str, str], expected: float | None) -> None:
    """The documented header counts for a 429 alone."""
    error = refused(status, headers)

    assert isinstance(error, CalendlyBusy)
    assert error.retry_after == expected


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"[1]", Unreadable, "Calendly's answer is JSON, but not an object"),
        (b'{"a": ', NoUsableAnswer, "Calendly's answer is not whole JSON"),
        (b"\xff", NoUsableAnswer, "Calendly's answer is not whole JSON"),
    ],
)
def test_answers_that_say_yes_and_nothing(body: bytes, kind: type[Exception], says: str) -> None:
    """Cut on their way, or no answer of this API."""
    with pytest.raises(kind) as caught:
        calendly_answers.decipher(200, {}, body)

    assert str(caught.value) == says


def test_the_first_status_that_is_no_success() -> None:
    """299 is one still."""
    assert calendly_answers.decipher(299, {}, b"{}") == {}
    assert refused(300).status == 300


# What is news.


def test_of_an_erased_person_nothing_is_kept() -> None:
    """Whatever Calendly leaves in the other fields."""
    event = an_event()
    answers = (Answer("Where?", "Pier 4"),)
    texts: dict[str, Any] = {"first_name": "Ines", "last_name": "Okafor", "cancel_reason": "ill", "answers": answers}
    erased = an_invitee(event, email="x@deleted.calendly.com", **texts)

    [booking] = diff(event, [erased], before={}, now=NOW, settle=SETTLE).bookings

    one = booking.invitee
    assert (one.name, one.first_name, one.last_name, one.text_reminder_number) == ("", "", "", "")
    assert (one.answers, one.cancel_reason) == ((), "")


def test_a_move_that_its_new_half_told_of_is_not_forgotten() -> None:
    """The old half is read again without its link yet: canceled, moved, and at the moment that was known."""
    event = an_event()
    known = an_invitee(event, status="canceled", rescheduled=True, new_invitee="n", canceled_at=NOW - HOUR)
    old = a_booking(event, known)
    bare = replace(known, status="active", rescheduled=False, new_invitee="", canceled_at=None)
    dated = replace(bare, canceled_at=NOW - MINUTE)

    [first] = diff(event, [bare], before={old.uri: old}, now=NOW, settle=SETTLE).bookings
    [second] = diff(event, [dated], before={old.uri: old}, now=NOW, settle=SETTLE).bookings

    assert first.invitee == known
    assert second.invitee == replace(known, canceled_at=NOW - MINUTE)


def test_who_left_at_the_very_second_of_the_first_look_never_was_there() -> None:
    """Joined and left before syncer ever looked; a second later is news."""
    event, first = an_event(active=0), NOW - HOUR
    gone = [an_invitee(event, status="canceled", canceled_at=first + late) for late in (timedelta(), SECOND)]
    young = [a_booking(event, one, seen_at=first, read_at=first) for one in gone]

    changes = [
        diff(event, [one], before={old.uri: old}, now=NOW, settle=SETTLE).changes
        for one, old in zip(gone, young, strict=True)
    ]

    assert [[change.kind for change in some] for some in changes] == [[], [ChangeKind.CANCELED]]


@pytest.mark.parametrize("same", [False, True])
def test_only_a_move_in_place_has_its_date_corrected(same: bool) -> None:
    """After a restore: what was noticed before, or never moved, or is new, stays as it is."""
    event, restored = an_event(), NOW + HOUR
    old = a_booking(event, moved_at=NOW if same else None)
    moved = a_booking(event, moved_at=NOW if same else NOW + 2 * HOUR)

    def date(news: object, before: dict[str, Any]) -> object:
        return noticed_after(News((news,), ()), before=before, restored_at=restored).bookings[0].moved_at  # type: ignore[arg-type]

    assert date(moved, {old.uri: old}) == (NOW if same else restored)
    assert date(moved, {}) == moved.moved_at
    assert date(replace(moved, moved_at=None), {old.uri: old}) is None
    assert date(moved, {old.uri: replace(old, read_at=restored)}) == (NOW if same else restored)
    assert date(moved, {old.uri: replace(old, read_at=restored + SECOND)}) == moved.moved_at


def test_two_halves_of_a_move_in_one_reading_know_each_other() -> None:
    """Somebody takes another seat of the same event, and syncer sees both for the first time."""
    event = an_event(total=2, active=1)
    old, new = an_invitee(event, "old"), an_invitee(event, "new", old_invitee=f"{event.uri}/invitees/old")

    found = {one.uri: one for one in diff(event, [old, new], before={}, now=NOW, settle=SETTLE).bookings}

    assert found[old.uri].invitee.rescheduled
    assert found[old.uri].canceled
    assert not found[new.uri].canceled


def test_a_cancellation_without_a_date_is_of_the_first_look() -> None:
    """Calendly does not say when: then it is when syncer saw it, and stays so."""
    event = an_event(active=0)
    gone = an_invitee(event, status="canceled")

    [first] = diff(event, [gone], before={}, now=NOW, settle=SETTLE).bookings
    [second] = diff(event, [gone], before={gone.uri: first}, now=NOW + HOUR, settle=SETTLE).bookings

    assert first.invitee.canceled_at == second.invitee.canceled_at == NOW


# What is wanted.


def a_context(**over: Any) -> Context:
    """What planning knows."""
    return Context(**({"now": NOW, "born_at": NOW - 30 * 24 * HOUR} | over))


def planned(settings: Callable[..., Settings], rule: str, **over: Any) -> Message:
    """The message of a rule about a booking of two hours ago."""
    booking = a_booking(invitee=an_invitee(an_event(), created_at=NOW - 2 * HOUR))
    return next(one for one in plan(booking, settings().policy, a_context(**over)) if one.rule == rule)


@pytest.mark.parametrize(
    ("restored", "state"),
    [
        (None, State.SCHEDULED),
        (NOW - 2 * HOUR - SECOND, State.SCHEDULED),
        (NOW - 2 * HOUR, State.UNKNOWN),
        (NOW, State.UNKNOWN),
    ],
)
def test_what_was_due_when_a_backup_was_put_back_is_planned_as_unknown(
    settings: Callable[..., Settings], restored: Any, state: State
) -> None:
    """To the second, with everything that a person needs to decide."""
    usual = planned(settings, "confirmation")

    message = planned(settings, "confirmation", restored_at=restored)

    reason = Reason.RESTORED if state is State.UNKNOWN else Reason.NONE
    assert message == replace(usual, state=state, reason=reason)


@pytest.mark.parametrize(
    ("restored", "state"),
    [
        (None, State.EXPIRED),
        (NOW - 2 * HOUR - SECOND, State.EXPIRED),
        (NOW - 2 * HOUR, State.UNKNOWN),
        (NOW + 8 * HOUR, State.UNKNOWN),
    ],
)
def test_what_a_lost_database_may_have_sent_is_unknown_even_when_its_time_is_over(
    settings: Callable[..., Settings], restored: Any, state: State
) -> None:
    """As expired it would count as not sent, and a guest who was told of a booking must hear of its cancellation."""
    reason = Reason.RESTORED if state is State.UNKNOWN else Reason.SEEN_LATE

    message = planned(settings, "confirmation", restored_at=restored, now=NOW + 8 * HOUR)

    assert (message.state, message.reason) == (state, reason)


def test_a_message_that_misses_a_field_still_says_to_whom(settings: Callable[..., Settings]) -> None:
    """`explain` shows whom it would have gone to."""
    toml = '[[rule]]\nname = "a"\non = "booked"\ntemplate = "1001"\nparams = { where = "{join_url}" }\n'

    [message] = plan(a_booking(), settings(toml).policy, a_context())

    assert (message.state, message.reason, message.detail) == (State.SKIPPED, Reason.EMPTY_FIELD, "{join_url}")
    assert (message.to, message.language, message.timezone) == (a_message().to, "en", "America/Chicago")


def test_nobody_is_nowhere(settings: Callable[..., Settings]) -> None:
    """A message without a recipient has no language and no zone."""
    event = an_event()
    booking = a_booking(event, an_invitee(event, text_reminder_number=""))

    message = plan(booking, settings().policy, a_context())[0]

    assert (message.to, message.language, message.timezone) == ("", "", "")


ONE_TYPE = """
[[rule]]
name = "a"
on = "booked"
template = "1001"
params = { name = "{name}" }
event_types = ["https://api.calendly.com/event_types/t1"]

[[rule]]
name = "b"
on = "canceled"
template = "1002"
params = { name = "{name}" }
event_types = ["Phone consultation"]

[[rule]]
name = "c"
on = "after_end"
offset = "30m"
template = "1004"
params = { name = "{name}" }
event_types = ["Phone consultation", "https://api.calendly.com/event_types/t2"]
"""


def test_rules_for_event_types_by_name_and_by_address(settings: Callable[..., Settings]) -> None:
    """Each of the two is asked about each: in planning, in who was told, and in when to read again."""
    policy = settings(ONE_TYPE).policy
    by_address = a_booking(replace(an_event(), name="Other"))
    by_name = a_booking(an_event(event_type=""))
    ended: dict[str, Any] = {"start": NOW - HOUR, "end": NOW - HOUR / 2}
    other = replace(an_event(**ended), name="Other")
    after = [an_event(**ended), replace(other, event_type="https://api.calendly.com/event_types/t2")]

    assert [one.rule for one in plan(by_address, policy, a_context())] == ["a"]
    assert [one.rule for one in plan(by_name, policy, a_context())] == ["c"]
    assert all(looks_after_end(event, policy.rules) for event in after)
    assert not looks_after_end(other, policy.rules)


def canceled(settings: Callable[..., Settings], covers: str, after: timedelta = HOUR) -> Message:
    """The message about a cancellation so long after the first look, where another rule covers these event types."""
    toml = ONE_TYPE.replace("https://api.calendly.com/event_types/t1", covers)
    event, seen_at = an_event(status="canceled", active=0), NOW - 2 * HOUR
    gone = an_invitee(event, status="canceled", canceled_at=seen_at + after, canceler_type="host")
    [message] = plan(a_booking(event, gone, seen_at=seen_at), settings(toml).policy, a_context())
    return message


@pytest.mark.parametrize(
    ("covers", "state"),
    [
        ("https://api.calendly.com/event_types/t9", State.SCHEDULED),
        ("https://api.calendly.com/event_types/t1", State.SKIPPED),
        ("Phone consultation", State.SKIPPED),
    ],
)
def test_a_cancellation_is_news_where_no_rule_could_have_told(
    settings: Callable[..., Settings], covers: str, state: State
) -> None:
    """Where one could have and did not, these people know of no booking."""
    assert canceled(settings, covers).state is state


def test_who_left_at_the_second_of_the_first_look_is_not_told(settings: Callable[..., Settings]) -> None:
    """Whatever the rules are; a second later they are."""
    states = [canceled(settings, "Other", after).state for after in (timedelta(), SECOND)]

    assert states == [State.SKIPPED, State.SCHEDULED]


def test_who_was_told_is_looked_for_behind_other_messages(settings: Callable[..., Settings]) -> None:
    """A follow-up before it in the list ends nothing."""
    messages = [a_message(rule="follow-up", state=State.SENT), a_message(rule="confirmation", state=State.SENT)]

    assert told(messages, settings().policy) == {messages[1].audience}


def test_the_questions_of_an_event_type_reach_its_recipients(settings: Callable[..., Settings]) -> None:
    """A number in the answer to one of them is texted."""
    event = an_event()
    answers = (Answer("Reach me at", "+1 312 555 0188"),)
    booking = a_booking(event, an_invitee(event, text_reminder_number="", answers=answers))
    known = a_context(phone_questions=frozenset({"Reach me at"}))

    assert plan(booking, settings().policy, known)[0].to == "+13125550188"
    assert plan(booking, settings().policy, a_context(phone_questions=frozenset()))[0].to == ""
