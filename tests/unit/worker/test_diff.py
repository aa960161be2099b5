"""What is news: which events are read again and why, and what happened to their bookings."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import API, NOW, a_booking, an_event, an_invitee
from syncer.diff import (
    Known,
    News,
    diff,
    looks_after_end,
    missing,
    noticed_after,
    reread_at,
    retry_unreadable,
    same_as_read,
    settled,
    settles_at,
    stale,
    why_stale,
)
from syncer.model import Answer, Change, ChangeKind, Event, Host, Invitee, Location, Takeover, utc_text
from syncer.rules import Rule, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncer.model import Booking

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTLE = 30 * SECOND
NEVER = 10_000 * DAY
LATER = NOW + MINUTE
FOLLOW_UP = Rule(name="follow-up", on=Trigger.AFTER_END, templates={"": "1004"}, offset=30 * MINUTE)
NO_SHOW = Rule(name="no-show", on=Trigger.NO_SHOW, templates={"": "1007"})
REMINDER = Rule(name="reminder", on=Trigger.BEFORE_START, templates={"": "1003"}, offset=HOUR)
CREATED, CANCELED, RESCHEDULED, MOVED, MISSING, REASSIGNED = (
    ChangeKind.CREATED,
    ChangeKind.CANCELED,
    ChangeKind.RESCHEDULED,
    ChangeKind.MOVED,
    ChangeKind.MISSING,
    ChangeKind.REASSIGNED,
)


# Which events are read again.


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"name": "Another name"}, True, id="the name, which makes no text another one"),
        pytest.param({"hosts": ()}, True, id="a listing without hosts"),
        pytest.param({"status": "canceled"}, False, id="status"),
        pytest.param({"start": NOW}, False, id="start"),
        pytest.param({"end": NOW}, False, id="end"),
        pytest.param({"location": Location("physical", "1 Quay")}, False, id="place"),
        pytest.param({"total": 2}, False, id="guests ever"),
        pytest.param({"active": 0}, False, id="guests now"),
        pytest.param({"external_id": "another"}, False, id="the calendar's id"),
    ],
)
def test_a_row_that_differs_in_bytes_only_is_as_it_was_read(change: dict[str, Any], same: bool) -> None:
    """All that is kept of a listed event decides, and nothing else."""
    known = an_event(external_id="the same")

    assert same_as_read(known, replace(known, **change)) is same


def why(known: Known | None, listed: Event, *, now: datetime = NOW, reread: timedelta = NEVER, rules: Any = ()) -> str:
    """Say why a listed event is stale."""
    return why_stale(known, listed, now=now, reread=reread, looks=lambda event: looks_after_end(event, rules))


def a_known(event: Event, **over: Any) -> Known:
    """Make an event of the snapshot, read just now."""
    return replace(Known(event=event, read_at=NOW), **over)


@pytest.mark.parametrize(("failures", "minutes"), [(1, 0), (2, 1), (3, 2), (7, 32), (8, 60), (5000, 60)])
def test_how_long_an_event_rests_that_cannot_be_read(failures: int, minutes: int) -> None:
    """At most an hour."""
    assert retry_unreadable(failures) == minutes * MINUTE


ROOM = Location("physical", "12 Pier Road")
OTHER_FIELDS: dict[str, Any] = {
    "status": "canceled",
    "start": NOW + 3 * DAY,
    "end": NOW + 4 * DAY,
    "location": ROOM,
    "hosts": (Host("https://api.calendly.com/users/u9"),),
    "total": 2,
    "active": 0,
}


@pytest.mark.parametrize("name", OTHER_FIELDS)
def test_each_of_these_fields_is_news(name: str) -> None:
    """An event is read again when one of these alone is not what it was, and the reason names it."""
    event = an_event()

    assert f"changed: {name}" == why(a_known(event), replace(event, **{name: OTHER_FIELDS[name]}))


def test_several_changed_fields_are_all_named() -> None:
    """The reason names each field that changed."""
    event = an_event()

    assert why(a_known(event), replace(event, status="canceled", active=0)) == "changed: status, active"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("name", "Another name", id="the event type was renamed"),
        pytest.param("event_type", f"{API}/event_types/t2", id="another event type"),
        pytest.param("external_id", "q1w2e3r4t5y6", id="a calendar was connected"),
        pytest.param("hosts", (), id="the listing does not say who the hosts are"),
    ],
)
def test_other_fields_are_no_news(name: str, value: Any) -> None:
    """What no booking hangs on is no reason to read the invitees again."""
    event = an_event()

    assert why(a_known(event), replace(event, **{name: value})) == ""


def test_each_field_of_an_event_is_news_or_not() -> None:
    """A field added to an event must be put on one side or the other; `updated_at` is no field at all."""
    names = {one.name for one in fields(Event)}

    assert {"uri", "name", "event_type", "external_id", "mark"} | set(OTHER_FIELDS) == names
    assert "updated_at" not in names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"location": ROOM}, {"location": replace(ROOM, place="14 Pier Road")}, id="another room"),
        pytest.param({"location": ROOM}, {"location": None}, id="no place any more"),
        pytest.param({}, {"hosts": (Host(f"{API}/users/u2"),)}, id="another host"),
        pytest.param({"total": 3, "active": 3}, {"total": 3, "active": 2}, id="somebody left a group"),
        pytest.param({}, {"start": an_event().start + MINUTE}, id="a minute later"),
    ],
)
def test_a_small_change_is_news(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The fields are compared whole, not by whether they are there."""
    event = an_event(**old)

    assert why(a_known(event), replace(event, **new)).startswith("changed: ")


ENDED = an_event(start=NOW - 2 * HOUR)  # it ended an hour and a half ago


@pytest.mark.parametrize(
    ("known", "listed", "expected"),
    [
        pytest.param(None, an_event(), "new", id="not in the snapshot"),
        pytest.param(a_known(an_event()), an_event(), "", id="as it was"),
        pytest.param(a_known(an_event(), missing=True), an_event(), "back again", id="it was missing"),
        pytest.param(
            a_known(an_event(), missing=True), an_event(active=2), "changed: active", id="missing, and another now"
        ),
        pytest.param(
            a_known(an_event(), settles_at=NOW + SECOND), an_event(), "", id="a young cancellation, not settled yet"
        ),
        pytest.param(
            a_known(an_event(), settles_at=NOW), an_event(), "a young cancellation", id="it settles this moment"
        ),
        pytest.param(
            a_known(an_event(), settles_at=NOW - DAY), an_event(), "a young cancellation", id="it settled long ago"
        ),
        pytest.param(
            a_known(an_event(status="canceled"), settles_at=NOW),
            an_event(status="canceled"),
            "a young cancellation",
            id="of a whole event",
        ),
        pytest.param(a_known(an_event(), reread_at=NOW), an_event(), "safety", id="its turn comes this moment"),
        pytest.param(a_known(an_event(), reread_at=NOW + SECOND), an_event(), "", id="its turn comes in a second"),
        pytest.param(a_known(ENDED, read_at=NOW - HOUR - SECOND), ENDED, "ended", id="ended, not read since"),
        pytest.param(a_known(ENDED, read_at=NOW - HOUR), ENDED, "", id="read when the look was due"),
        pytest.param(
            a_known(replace(ENDED, status="canceled"), read_at=NOW - DAY),
            replace(ENDED, status="canceled"),
            "",
            id="ended, but canceled",
        ),
    ],
)
def test_why_stale(known: Known | None, listed: Event, expected: str) -> None:
    """Each reason to read an event again, at its edges; the rule looks half an hour after the end."""
    assert expected == why(known, listed, rules=(FOLLOW_UP,))


@pytest.mark.parametrize(
    ("end_plus", "expected"),
    [
        pytest.param(timedelta(), "", id="at its end"),
        pytest.param(30 * MINUTE - SECOND, "", id="a second before the look"),
        pytest.param(30 * MINUTE, "ended", id="the look is due"),
        pytest.param(5 * DAY, "ended", id="after an outage"),
    ],
)
def test_an_ended_event_is_looked_at_when_the_rule_is_due(end_plus: timedelta, expected: str) -> None:
    """A rule after the end looks once its offset has passed, not before."""
    event = an_event()

    assert expected == why(a_known(event), event, now=event.end + end_plus, rules=(FOLLOW_UP, REMINDER))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param((), [], id="no rule"),
        pytest.param((REMINDER,), [], id="no rule that looks back"),
        pytest.param((FOLLOW_UP,), [0.5], id="a follow-up"),
        pytest.param((FOLLOW_UP, replace(FOLLOW_UP, name="b", offset=DAY)), [0.5, 24], id="two follow-ups"),
        pytest.param((replace(FOLLOW_UP, offset=timedelta()),), [0], id="at the very end"),
        pytest.param((NO_SHOW,), [0.5, 2, 8, 22], id="a no-show: a few looks, as nothing tells when it is marked"),
        pytest.param((NO_SHOW, replace(FOLLOW_UP, offset=DAY)), [0.5, 2, 8, 22, 24], id="both"),
        pytest.param((NO_SHOW, FOLLOW_UP), [0.5, 2, 8, 22], id="a look that both want is one look"),
        pytest.param((replace(NO_SHOW, event_types=frozenset({"Erstgespräch"})),), [], id="for other events"),
    ],
)
def test_looks_after_end(rules: Sequence[Rule], expected: list[float]) -> None:
    """Rules that look at what became of a meeting say when, in hours after its end."""
    assert expected == [look / HOUR for look in looks_after_end(an_event(), rules)]


@pytest.mark.parametrize(
    ("rules", "every", "expected"),
    [
        pytest.param((FOLLOW_UP,), MINUTE, 1, id="a follow-up: once"),
        pytest.param((NO_SHOW,), MINUTE, 4, id="a no-show: four times"),
        pytest.param((NO_SHOW, FOLLOW_UP), MINUTE, 4, id="both: four times"),
        pytest.param((NO_SHOW, replace(FOLLOW_UP, offset=DAY)), 7 * MINUTE, 5, id="a follow-up on the next day"),
        pytest.param((NO_SHOW,), 9 * HOUR, 3, id="one reading does for two looks"),
        pytest.param((REMINDER,), MINUTE, 0, id="nobody looks"),
    ],
)
def test_each_look_is_one_reading(rules: Sequence[Rule], every: timedelta, expected: int) -> None:
    """However often it runs, an ended event is read once for each look, and then no more."""
    event = an_event()
    known, now, reasons = a_known(event), NOW, []
    while now < event.end + 3 * DAY:
        now += every
        if reason := why(known, event, now=now, rules=rules):
            reasons.append(reason)
            known = replace(known, read_at=now)

    assert ["ended"] * expected == reasons


def spread(event: Event) -> Known:
    """An event that was read now, with the moment at which it comes up again."""
    return a_known(event, reread_at=reread_at(event.uri, NOW, DAY))


def test_rereads_are_spread() -> None:
    """Everything that was read in one go comes up again spread over the second half of `reread`."""
    events = [an_event(str(UUID(int=number**9 + 1))) for number in range(2000)]

    def due(share: float) -> int:
        return sum(why(spread(one), one, now=NOW + DAY * share, reread=DAY) == "safety" for one in events)

    counts = [due(share / 10) for share in range(5, 11)]

    assert due(0.4999) == 0
    assert counts[-1] == len(events)
    assert all(300 < more - less < 500 for less, more in pairwise(counts)), counts


@given(st.text(), st.floats(0.5, 2.0))
def test_every_event_comes_up_again(name: str, share: float) -> None:
    """No URI whatever is read again before half of `reread`, and none is forgotten at its end."""
    event = an_event(name)

    assert why(spread(event), event, now=NOW + DAY / 2 - SECOND, reread=DAY) == ""
    assert why(spread(event), event, now=NOW + DAY, reread=DAY) == "safety"
    early = why(spread(event), event, now=NOW + DAY * share, reread=DAY)
    assert not early or why(spread(event), event, now=NOW + DAY * share + SECOND, reread=DAY) == "safety"


def test_a_canceled_event_is_read_for_safety_too() -> None:
    """Its people may be erased, and then our copy of them goes as well."""
    event = an_event(status="canceled")

    assert why(a_known(event), event, now=NOW + 100 * DAY, reread=DAY) == "safety"


@pytest.mark.parametrize("status", ["paused", "cancelled", ""])
def test_an_unknown_status_is_read_on(status: str) -> None:
    """An event of a status never seen before is read again like an active one."""
    event = an_event(status=status)

    assert why(a_known(event), event, now=NOW + DAY, reread=DAY) == "safety"
    assert why(a_known(event), event, now=event.end + HOUR, rules=(FOLLOW_UP,)) == "ended"


def test_stale_events_come_nearest_first() -> None:
    """Meetings ahead come first, the nearest of them before all; past ones last, the latest of them first."""
    offsets = {"next week": 7 * DAY, "just over": -HOUR, "now": timedelta(), "soon": HOUR, "last week": -7 * DAY}
    listed = [an_event(name, start=NOW + offset) for name, offset in offsets.items()]
    fine = an_event("fine", start=NOW + MINUTE)

    found = stale({fine.uri: a_known(fine)}, [*listed, fine], now=NOW, reread=NEVER, rules=())

    assert [event.uri.rpartition("/")[2] for event, _ in found] == [
        "now",
        "soon",
        "next week",
        "just over",
        "last week",
    ]
    assert {"new"} == {reason for _, reason in found}


def test_stale_asks_the_rules() -> None:
    """What the rules look at is read again, each event for its own reason."""
    over, other = an_event("over", start=NOW - 2 * HOUR), an_event("other", start=NOW + HOUR)
    known = {one.uri: a_known(one, read_at=NOW - 3 * HOUR) for one in (over, other)}
    moved = replace(other, start=NOW + 2 * HOUR)

    found = stale(known, [over, moved], now=NOW, reread=NEVER, rules=[FOLLOW_UP])

    assert [(moved, "changed: start"), (over, "ended")] == found
    assert stale(known, [over, other], now=NOW, reread=NEVER, rules=[]) == []


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param(None, None, True, id="a window without ends"),
        pytest.param(NOW, None, True, id="at its beginning: inside"),
        pytest.param(NOW + SECOND, None, False, id="before its beginning"),
        pytest.param(None, NOW, True, id="at its end: inside"),
        pytest.param(None, NOW - SECOND, False, id="after its end"),
        pytest.param(NOW, NOW, True, id="a window of one moment"),
    ],
)
def test_missing(since: datetime | None, until: datetime | None, *, expected: bool) -> None:
    """Missing is what the window should have held, its ends included, and did not; what is listed never is."""
    gone, there = a_known(an_event("gone", start=NOW)), a_known(an_event("there", start=NOW))
    known = {row.event.uri: row for row in (gone, there)}

    assert ([gone] if expected else []) == missing(known, [there.event.uri], since=since, until=until)


def test_a_listed_event_is_not_missing_wherever_it_moved() -> None:
    """An event that moved is found by its URI, not by where it was."""
    row = a_known(an_event(start=NOW))

    assert missing({row.event.uri: row}, [an_event(start=NOW + 9 * DAY).uri], since=NOW, until=None) == []


# What happened to bookings.


@dataclass(slots=True)
class Snapshot:
    """A snapshot in memory; reads events as a run does: this event's bookings and the old halves are at hand."""

    bookings: dict[str, Booking] = field(default_factory=dict)

    def read(self, event: Event, *invitees: Invitee, at: datetime = NOW) -> list[tuple[ChangeKind, str]]:
        """Read an event's invitees; returns what was noticed."""
        news = self.look(event, *invitees, at=at)
        self.bookings |= {booking.uri: booking for booking in news.bookings}
        return [(change.kind, change.booking) for change in news.changes]

    def look(self, event: Event, *invitees: Invitee, at: datetime = NOW) -> News:
        """Compare without writing."""
        halves = {one.old_invitee for one in invitees}
        before = {uri: row for uri, row in self.bookings.items() if row.event.uri == event.uri or uri in halves}
        return diff(event, invitees, before=before, now=at, settle=SETTLE)


def canceled(one: Invitee, at: datetime | None = NOW, **over: Any) -> Invitee:
    """Cancel an invitee, as Calendly would."""
    return replace(one, **({"status": "canceled", "canceled_at": at, "canceler_type": "invitee"} | over))


EVENT = an_event()
INES = an_invitee(EVENT)


def knowing(*invitees: Invitee) -> Snapshot:
    """Make a snapshot that knows these invitees of EVENT, read a day ago."""
    snapshot = Snapshot()
    snapshot.read(EVENT, *invitees, at=NOW - DAY)
    return snapshot


def test_created() -> None:
    """A booking never seen before is created, with the moment it was seen."""
    snapshot = Snapshot()

    assert [(CREATED, INES.uri)] == snapshot.read(EVENT, INES)
    assert {INES.uri: a_booking(EVENT, INES)} == snapshot.bookings


def test_no_news_is_no_change() -> None:
    """What is read again as it was is no change; only the moment of reading moves on."""
    snapshot = knowing(INES)

    assert snapshot.read(EVENT, INES) == []
    assert {INES.uri: a_booking(EVENT, INES, seen_at=NOW - DAY)} == snapshot.bookings


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(DAY - SECOND, True, id="old: just after it was first seen"),
        pytest.param(SETTLE, True, id="just as old as it must be"),
        pytest.param(SETTLE - SECOND, False, id="a second too young"),
        pytest.param(timedelta(), False, id="this moment"),
        pytest.param(-MINUTE, False, id="by a clock that is ahead of ours"),
    ],
)
def test_a_cancellation_counts_once_it_is_settled(age: timedelta, *, expected: bool) -> None:
    """A cancellation is told of when it is old enough not to be half of a reschedule, and only once."""
    gone, snapshot = canceled(INES, NOW - age), knowing(INES)
    change = [(CANCELED, INES.uri)]

    assert (change if expected else []) == snapshot.read(EVENT, gone)
    assert snapshot.bookings[INES.uri].canceled
    assert ([] if expected else change) == snapshot.read(EVENT, gone, at=NOW + HOUR)
    assert snapshot.read(EVENT, gone, at=NOW + 2 * HOUR) == []


@pytest.mark.parametrize("at", [NOW - DAY, NOW - DAY - MINUTE], ids=["in that second", "by a clock that is behind"])
def test_who_was_seen_to_come_is_told_of_whatever_the_date(at: datetime) -> None:
    """A date that is not after the first reading does not make it unseen: the guard counts what is texted."""
    assert [(CANCELED, INES.uri)] == knowing(INES).read(EVENT, canceled(INES, at))


def test_a_cancellation_says_who_canceled() -> None:
    """The change carries who canceled, as Calendly says it."""
    gone = canceled(INES, NOW - HOUR, canceler_type="host")

    news = knowing(INES).look(EVENT, gone)

    assert (Change(CANCELED, INES.uri, EVENT.uri, "host"),) == news.changes


@pytest.mark.parametrize(
    ("event", "invitee"),
    [
        pytest.param(EVENT, canceled(INES, None), id="the invitee's record says so"),
        pytest.param(replace(EVENT, status="canceled", active=0), INES, id="the event's record says so"),
        pytest.param(replace(EVENT, status="canceled", active=0), canceled(INES, None), id="both say so"),
    ],
)
def test_a_cancellation_without_a_date_has_that_of_its_noticing(event: Event, invitee: Invitee) -> None:
    """Where Calendly does not say when, it is the first noticing, and stays so: else it would never settle."""
    snapshot = knowing(INES)

    first = snapshot.read(event, invitee)
    dates = [snapshot.bookings[INES.uri].invitee.canceled_at]
    second = snapshot.read(event, invitee, at=LATER)
    dates.append(snapshot.bookings[INES.uri].invitee.canceled_at)

    assert dates == [NOW, NOW]
    assert ([], [(CANCELED, INES.uri)]) == (first, second)


def test_a_date_that_comes_later_counts() -> None:
    """Calendly's own date replaces our noticing."""
    snapshot = knowing(INES)
    snapshot.read(EVENT, canceled(INES, None))

    snapshot.read(EVENT, canceled(INES, NOW - HOUR), at=NOW + SECOND)

    assert snapshot.bookings[INES.uri].invitee.canceled_at == NOW - HOUR


def test_an_active_booking_has_no_date_of_cancellation() -> None:
    """Nothing is noticed about a booking that stands."""
    snapshot = knowing(INES)

    assert snapshot.bookings[INES.uri].invitee.canceled_at is None


@pytest.mark.parametrize(
    "status", [pytest.param(text, id=text or "empty") for text in ("", "paused", "cancelled", "CANCELED", "accepted")]
)
def test_an_unknown_status_is_no_cancellation(status: str) -> None:
    """Only `canceled` cancels, in either record; any other word is somebody who comes."""
    snapshot = knowing(INES)

    assert snapshot.read(replace(EVENT, status=status), replace(INES, status=status)) == []
    assert not snapshot.bookings[INES.uri].canceled


@pytest.mark.parametrize(
    "ages",
    [
        pytest.param([DAY], id="canceled long ago"),
        pytest.param([SETTLE, HOUR], id="canceled just long enough ago, and read again"),
        pytest.param([5 * SECOND, MINUTE], id="first read while the cancellation was young"),
    ],
)
def test_joined_and_left_between_two_runs(ages: list[timedelta]) -> None:
    """Who was canceled before they were ever seen is remembered, and nothing is told of them, however often read."""
    snapshot, gone = Snapshot(), canceled(INES, NOW)

    changes = [snapshot.read(EVENT, gone, at=NOW + age) for age in ages]

    assert [[]] * len(ages) == changes
    assert snapshot.bookings[INES.uri].canceled


def test_moved_in_place() -> None:
    """A start that changed under the same URI is a move, noticed now; the next reading is no news."""
    snapshot, later = knowing(INES), replace(EVENT, start=EVENT.start + HOUR, end=EVENT.end + HOUR)

    assert [(MOVED, INES.uri)] == snapshot.read(later, INES)
    assert snapshot.bookings[INES.uri].moved_at == NOW
    assert snapshot.bookings[INES.uri].moved
    assert snapshot.read(later, INES, at=LATER) == []
    assert snapshot.bookings[INES.uri].moved_at == NOW


def test_each_start_is_counted() -> None:
    """How often a meeting had each of its starts: one to which it comes back is told anew."""
    snapshot = knowing(INES)
    counts = []
    for days in (0, 1, 2, 2, 0, 1, 0):
        snapshot.read(replace(EVENT, start=EVENT.start + days * DAY, end=EVENT.end + days * DAY), INES)
        counts.append([snapshot.bookings[INES.uri].starts.get(utc_text(EVENT.start + day * DAY)) for day in range(3)])

    assert counts == [
        [None, None, None],
        [1, 1, None],
        [1, 1, 1],
        [1, 1, 1],
        [2, 1, 1],
        [2, 2, 1],
        [3, 2, 1],
    ]


def test_another_end_is_no_move() -> None:
    """A meeting that got longer is where it was."""
    snapshot = knowing(INES)

    assert snapshot.read(replace(EVENT, end=EVENT.end + HOUR), INES) == []
    assert snapshot.bookings[INES.uri].moved_at is None
    assert snapshot.bookings[INES.uri].event.end == EVENT.end + HOUR


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([("Mobile", "0171")], ("question:*", "Mobile"), id="as it was"),
        pytest.param([("Phone", " 0171 ")], ("question:*", "Phone"), id="its question was renamed"),
        pytest.param([("Work", "0171"), ("Mobile", "0171")], ("question:*", "Mobile"), id="another holds it, too"),
        pytest.param([("Work", "0171"), ("Home", "0171")], ("question:*", "Work"), id="two hold it: the first"),
        pytest.param([("Mobile", "0172")], ("", ""), id="another answer to it"),
        pytest.param([("Mobile", "0172"), ("Work", "0171")], ("question:*", "Work"), id="it stands elsewhere now"),
        pytest.param([], ("", ""), id="no answers"),
    ],
)
def test_which_answer_held_the_number_is_kept_in_mind(
    answers: list[tuple[str, str]], expected: tuple[str, str]
) -> None:
    """While the answer is the same, whatever its question is called now."""
    first = replace(INES, answers=(Answer("Topic", "taxes"), Answer("Mobile", "0171 ")))
    old = a_booking(EVENT, first, phone_source="question:*", phone_question="Mobile")
    now = replace(INES, answers=tuple(Answer(*pair) for pair in [("Topic", "taxes"), *answers]))

    [new] = diff(EVENT, [now], before={old.uri: old}, now=LATER, settle=SETTLE).bookings

    assert (new.phone_source, new.phone_question) == expected


# Hand-overs in place: the event gets other hosts, its URI unchanged.

MARA = Host(f"{API}/users/mara", "mara@northpier.example", "Mara Lindqvist")
JONAS = Host(f"{API}/users/jonas", "jonas@northpier.example", "Jonas Weber")
TIA = Host(f"{API}/users/tia", "tia@northpier.example", "Tia Third")
WITHOUT_URI = Host("", "Mara@NorthPier.example", "Mara L.")


def term(host: Host, since: int | None = None, until: int | None = None, count: int = 1) -> Takeover:
    """Make a host's time with a meeting, from one reading to another; readings are an hour apart."""
    began, ended = (None if number is None else NOW + number * HOUR for number in (since, until))
    return Takeover(host=host, count=count, since=began, until=ended)


def handed_over(*readings: tuple[Host, ...]) -> tuple[Snapshot, list[list[tuple[ChangeKind, str]]]]:
    """Read an event with these hosts, one reading after the other."""
    snapshot = Snapshot()
    changes = [
        snapshot.read(replace(EVENT, hosts=hosts), INES, at=NOW + number * HOUR)
        for number, hosts in enumerate(readings)
    ]
    return snapshot, changes


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([(MARA,), (MARA,)], [], id="the same host"),
        pytest.param([(MARA, JONAS), (MARA,)], [], id="one of two leaves: nobody took it over"),
        pytest.param([(), (MARA,)], [], id="nobody knows who had it"),
        pytest.param([(MARA,), ()], [], id="nobody knows who has it"),
        pytest.param([(MARA,), (WITHOUT_URI,)], [], id="the same person without the URI"),
        pytest.param([(MARA,), (JONAS,)], [term(MARA, until=1), term(JONAS, since=1)], id="another host"),
        pytest.param([(MARA,), (MARA, JONAS)], [term(MARA), term(JONAS, since=1)], id="one more host"),
        pytest.param(
            [(MARA, JONAS), (MARA, TIA)],
            [term(MARA), term(JONAS, until=1), term(TIA, since=1)],
            id="another one in place of one of two",
        ),
        pytest.param(
            [(MARA,), (JONAS,), (MARA,)],
            [term(MARA, since=2, count=2), term(JONAS, since=1, until=2)],
            id="there and back",
        ),
        pytest.param(
            [(MARA,), (JONAS,), (MARA,), (JONAS,), (MARA,)],
            [term(MARA, since=4, count=3), term(JONAS, since=3, until=4, count=2)],
            id="there and back twice",
        ),
        pytest.param(
            [(MARA,), (JONAS,), (TIA,)],
            [term(MARA, until=1), term(JONAS, since=1, until=2), term(TIA, since=2)],
            id="on to a third one",
        ),
        pytest.param(
            [(MARA,), (MARA, JONAS), (TIA,)],
            [term(MARA, until=2), term(JONAS, since=1, until=2), term(TIA, since=2)],
            id="two give it away at once",
        ),
        pytest.param(
            [(MARA,), (JONAS,), (WITHOUT_URI,)],
            [term(WITHOUT_URI, since=2, count=2), term(JONAS, since=1, until=2)],
            id="back to the same person, whose URI is not given",
        ),
        pytest.param(
            [(MARA,), (MARA, JONAS), (WITHOUT_URI, TIA)],
            [term(MARA), term(JONAS, since=1, until=2), term(TIA, since=2)],
            id="who stays has no URI any more",
        ),
        pytest.param(
            [(MARA,), (MARA, JONAS), (WITHOUT_URI, JONAS), (TIA,)],
            [term(WITHOUT_URI, until=3), term(JONAS, since=1, until=3), term(TIA, since=3)],
            id="who leaves had no URI at last",
        ),
    ],
)
def test_who_has_a_booking_and_who_had_it(readings: list[tuple[Host, ...]], expected: list[Takeover]) -> None:
    """Each host's last time with a meeting: since when, until when, and how often they have had it."""
    snapshot, changes = handed_over(*readings)
    takeovers = snapshot.bookings[INES.uri].takeovers

    assert list(takeovers.values()) == expected
    assert all(key == (one.host.uri or MARA.uri) for key, one in takeovers.items())
    assert ([(REASSIGNED, INES.uri)] in changes[1:]) is bool(expected)


def test_a_hand_over_is_news_of_a_meeting_that_takes_place() -> None:
    """With the booking and its event; of a canceled meeting nobody hears that it was handed over before."""
    snapshot, other = knowing(INES), replace(EVENT, hosts=(JONAS,))

    news = snapshot.look(other, INES)
    called_off = snapshot.read(replace(other, status="canceled"), canceled(INES, NOW - HOUR))

    assert news.changes == (Change(REASSIGNED, INES.uri, EVENT.uri),)
    assert called_off == [(CANCELED, INES.uri)]
    assert len(snapshot.bookings[INES.uri].takeovers) == 2


RESTORED, AFTERWARDS = NOW + HOUR, NOW + 2 * HOUR
BEFORE = a_booking(EVENT, INES)
MARAS = {MARA.uri: Takeover(host=MARA)}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({}, {}, {}, id="nothing was noticed"),
        pytest.param(
            {}, {"moved_at": AFTERWARDS, "starts": {"a": 1}}, {"moved_at": RESTORED, "starts": {"a": 1}}, id="a move"
        ),
        pytest.param({}, {"canceled_at": AFTERWARDS}, {"canceled_at": RESTORED}, id="a cancellation without a time"),
        pytest.param({}, {"canceled_at": NOW, "read_at": NOW}, {"canceled_at": NOW}, id="one from before the restore"),
        pytest.param(
            {},
            {"canceled_at": AFTERWARDS - SECOND},
            {"canceled_at": AFTERWARDS - SECOND},
            id="one whose time Calendly gave",
        ),
        pytest.param(
            {"canceled_at": AFTERWARDS}, {"canceled_at": AFTERWARDS}, {"canceled_at": AFTERWARDS}, id="one known before"
        ),
        pytest.param(
            {"takeovers": MARAS},
            {"takeovers": {MARA.uri: term(MARA, until=2), JONAS.uri: term(JONAS, since=2)}},
            {"takeovers": {MARA.uri: term(MARA, until=1), JONAS.uri: term(JONAS, since=1)}},
            id="a hand-over",
        ),
        pytest.param(
            {"takeovers": MARAS},
            {"takeovers": {MARA.uri: term(MARA, since=0, until=2, count=3)}},
            {"takeovers": {MARA.uri: term(MARA, since=0, until=1, count=3)}},
            id="there, back and there",
        ),
        pytest.param(
            {"takeovers": {JONAS.uri: term(JONAS, since=3)}},
            {"takeovers": {JONAS.uri: term(JONAS, since=3), TIA.uri: term(TIA, since=3)}},
            {"takeovers": {JONAS.uri: term(JONAS, since=3), TIA.uri: term(TIA, since=1)}},
            id="what was known before stays",
        ),
        pytest.param(
            {"read_at": RESTORED + SECOND},
            {
                "moved_at": AFTERWARDS,
                "canceled_at": AFTERWARDS,
                "takeovers": {JONAS.uri: term(JONAS, since=2)},
            },
            {
                "moved_at": AFTERWARDS,
                "canceled_at": AFTERWARDS,
                "takeovers": {JONAS.uri: term(JONAS, since=2)},
            },
            id="looked at since the restore",
        ),
        pytest.param(
            {"read_at": RESTORED, "moved_at": NOW},
            {"moved_at": AFTERWARDS, "canceled_at": AFTERWARDS, "takeovers": {JONAS.uri: term(JONAS, since=2)}},
            {"moved_at": RESTORED, "canceled_at": RESTORED, "takeovers": {JONAS.uri: term(JONAS, since=1)}},
            id="all at once, moved before, looked at in the moment of the restore",
        ),
    ],
)
def test_what_is_noticed_after_a_restore_may_have_been_noticed_before(
    old: dict[str, Any], new: dict[str, Any], expected: dict[str, Any]
) -> None:
    """A move, a hand-over and a cancellation that have no time of their own are dated back to the restore."""

    def made(over: dict[str, Any]) -> Booking:
        over = {"read_at": AFTERWARDS} | over
        gone = {"canceled_at": over.pop("canceled_at")} if "canceled_at" in over else {}
        return replace(BEFORE, invitee=replace(INES, **gone), **over)

    change = Change(MOVED, INES.uri, EVENT.uri)
    known = {INES.uri: made({"read_at": NOW} | old)}
    noticed = made(new)

    news = noticed_after(News((noticed,), (change,)), before=known, restored_at=RESTORED)
    unknown = noticed_after(News((noticed,), (change,)), before={}, restored_at=RESTORED)

    assert news == News((made({"read_at": noticed.read_at} | expected),), (change,))
    assert unknown == News((noticed,), (change,))


# Reschedules: the old half in EVENT, the new one in TO, and the one after that in THIRD.

TO, THIRD = an_event("e2", start=EVENT.start + DAY), an_event("e3", start=EVENT.start + 2 * DAY)
GONE = replace(EVENT, status="canceled", active=0)
NEW = an_invitee(TO, "i2", old_invitee=INES.uri, created_at=NOW)
OLD = canceled(INES, NOW, rescheduled=True, new_invitee=NEW.uri)
IN_THE_GAP = canceled(INES, NOW)
"""The old half, read before Calendly has linked it to the new one."""
MOVE = [(RESCHEDULED, NEW.uri)]


def halves(snapshot: Snapshot) -> tuple[bool, bool, str]:
    """Say of the old half: canceled, known to be moved, and where to."""
    old = snapshot.bookings[INES.uri]
    return old.canceled, old.invitee.rescheduled, old.invitee.new_invitee


@pytest.mark.parametrize("at", [NOW, LATER, NOW + DAY], ids=["at once", "a minute later", "a day later"])
def test_a_reschedule_read_old_half_first(at: datetime) -> None:
    """The old half is no cancellation, however old; the new one is the one change."""
    snapshot = knowing(INES)

    assert snapshot.read(GONE, OLD, at=at) == []
    assert snapshot.read(TO, NEW, at=at) == MOVE
    assert halves(snapshot) == (True, True, NEW.uri)
    assert snapshot.read(GONE, OLD, at=at + DAY) == []


def test_a_reschedule_read_new_half_first() -> None:
    """The new half alone ends the old one, whose reminders must not go out until it is read itself."""
    snapshot = knowing(INES)

    assert snapshot.read(TO, NEW, at=LATER) == MOVE
    assert halves(snapshot) == (True, True, NEW.uri)
    assert snapshot.bookings[INES.uri].invitee.canceled_at == NOW
    assert snapshot.read(TO, NEW, at=NOW + HOUR) == []
    assert snapshot.bookings[INES.uri].event == EVENT
    assert snapshot.read(GONE, OLD, at=NOW + DAY) == []


def test_a_reschedule_read_in_one_batch() -> None:
    """Both halves compared with the same snapshot are one change."""
    snapshot = knowing(INES)

    changes = snapshot.look(GONE, OLD).changes + snapshot.look(TO, NEW).changes

    assert (Change(RESCHEDULED, NEW.uri, TO.uri),) == changes


def test_a_reschedule_within_one_event() -> None:
    """Both halves in one answer are one change, too."""
    snapshot = knowing(INES)
    new = replace(NEW, event=EVENT.uri)

    assert snapshot.read(EVENT, INES, new) == MOVE
    assert halves(snapshot) == (True, True, NEW.uri)


def test_the_old_half_read_in_the_gap_waits() -> None:
    """Read before it is linked, the old half looks canceled: it waits, and turns out to be half of a move."""
    snapshot = knowing(INES)

    assert snapshot.read(GONE, IN_THE_GAP, at=NOW + SECOND) == []
    assert settles_at(snapshot.bookings.values(), settle=SETTLE) == NOW + SETTLE
    assert snapshot.read(TO, NEW, at=LATER) == MOVE
    assert snapshot.read(GONE, OLD, at=LATER) == []
    assert halves(snapshot) == (True, True, NEW.uri)


def test_the_new_half_explains_an_old_one_read_in_the_gap() -> None:
    """What looked like a cancellation is known to be a move as soon as the new half names it."""
    snapshot = knowing(INES)
    snapshot.read(GONE, IN_THE_GAP, at=NOW + SECOND)

    snapshot.read(TO, replace(NEW, created_at=NOW + SECOND), at=NOW + 2 * SECOND)

    assert halves(snapshot) == (True, True, NEW.uri)
    assert snapshot.bookings[INES.uri].invitee.canceled_at == NOW


def test_a_link_that_comes_late_does_not_undo_a_move() -> None:
    """Once the new half has named it, the old one is never told of as canceled, though its link is not there yet."""
    snapshot = knowing(INES)
    snapshot.read(TO, NEW, at=NOW + SECOND)

    assert snapshot.read(GONE, IN_THE_GAP, at=LATER) == []
    assert halves(snapshot) == (True, True, NEW.uri)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"rescheduled": True}, id="moved, it does not say where to"),
        pytest.param({"new_invitee": NEW.uri}, id="a link, and not moved"),
    ],
)
def test_half_a_link_does_not_undo_a_move(record: dict[str, Any]) -> None:
    """What the new half has said of the old one stays said."""
    snapshot = knowing(INES)
    snapshot.read(TO, NEW, at=NOW + SECOND)

    assert snapshot.read(GONE, canceled(INES, NOW, **record), at=LATER) == []
    assert halves(snapshot) == (True, True, NEW.uri)


@pytest.mark.parametrize(("link", "expected"), [("", INES.uri), ("another", "another")])
def test_what_a_booking_was_moved_from_stays_known(link: str, expected: str) -> None:
    """Where Calendly gives no link; its own link counts where it gives one."""
    snapshot = knowing(INES)
    snapshot.read(TO, NEW)
    snapshot.read(TO, replace(NEW, old_invitee=link), at=LATER)

    assert snapshot.bookings[NEW.uri].invitee.old_invitee == expected


def test_a_move_from_a_booking_never_seen() -> None:
    """The new half is a reschedule also where the old one is not known."""
    snapshot = Snapshot()

    assert snapshot.read(TO, NEW) == MOVE
    assert set(snapshot.bookings) == {NEW.uri}


def test_a_move_that_was_canceled_before_it_was_seen() -> None:
    """Moved and then canceled between two runs: a cancellation of a known booking, and no move."""
    snapshot = knowing(INES)

    [change] = snapshot.read(replace(TO, status="canceled"), canceled(NEW, NOW), at=NOW + HOUR)
    assert (change[0], change[1]) == (ChangeKind.CANCELED, NEW.uri)
    assert snapshot.read(GONE, OLD, at=NOW + HOUR) == []
    assert halves(snapshot) == (True, True, NEW.uri)


LAST = an_invitee(THIRD, "i3", old_invitee=NEW.uri, created_at=NOW + HOUR)
MIDDLE = canceled(NEW, NOW + HOUR, rescheduled=True, new_invitee=LAST.uri)
CHAIN = {"old": (GONE, OLD), "middle": (replace(TO, status="canceled", active=0), MIDDLE), "last": (THIRD, LAST)}


@pytest.mark.parametrize("order", [pytest.param(one, id=", ".join(one)) for one in permutations(CHAIN)])
def test_moved_twice_between_two_runs(order: Sequence[str]) -> None:
    """Whichever event of a chain is read first, it is one move, to where the chain ends, and no cancellation."""
    snapshot, now = knowing(INES), NOW + 2 * HOUR

    changes = [change for name in order for change in snapshot.read(*CHAIN[name], at=now)]
    again = [change for name in order for change in snapshot.read(*CHAIN[name], at=now + DAY)]

    assert [(RESCHEDULED, LAST.uri)] == changes
    assert again == []
    ends = {uri: (row.canceled, row.invitee.rescheduled) for uri, row in snapshot.bookings.items()}
    assert ends == {INES.uri: (True, True), NEW.uri: (True, True), LAST.uri: (False, False)}


def test_moved_twice_with_a_run_between() -> None:
    """A chain that is seen step by step is one move a step."""
    snapshot = knowing(INES)

    assert [*snapshot.read(TO, NEW), *snapshot.read(GONE, OLD)] == MOVE
    changes = [*snapshot.read(THIRD, LAST, at=NOW + HOUR), *snapshot.read(*CHAIN["middle"], at=NOW + HOUR)]
    assert [(RESCHEDULED, LAST.uri)] == changes


# Groups, the erased, and who is not listed.

THEO = replace(an_invitee(EVENT, "i5", email="theo@example.com"), name="Theo Brandt")


def test_somebody_joins_a_group() -> None:
    """Who joins is created; who was there hears nothing, but has the event as it is now."""
    snapshot, bigger = knowing(INES), replace(EVENT, total=2, active=2)

    assert [(CREATED, THEO.uri)] == snapshot.read(bigger, INES, THEO)
    assert all(booking.event == bigger for booking in snapshot.bookings.values())


def test_somebody_leaves_a_group() -> None:
    """Who leaves is canceled although the event goes on; who stays is not."""
    snapshot = knowing(INES, THEO)

    assert [(CANCELED, THEO.uri)] == snapshot.read(EVENT, INES, canceled(THEO, NOW - HOUR))
    assert not snapshot.bookings[INES.uri].canceled


def test_a_group_is_called_off() -> None:
    """A canceled event is canceled for each of its guests."""
    snapshot = knowing(INES, THEO)
    invitees = [canceled(one, NOW - HOUR, canceler_type="host") for one in (INES, THEO)]

    assert [(CANCELED, INES.uri), (CANCELED, THEO.uri)] == snapshot.read(GONE, *invitees)


def test_one_guest_of_a_group_moves_away() -> None:
    """One guest's move is theirs alone."""
    snapshot = knowing(INES, THEO)

    assert snapshot.read(EVENT, OLD, THEO, at=NOW + DAY) == []
    assert snapshot.read(TO, NEW, at=NOW + DAY) == MOVE
    assert not snapshot.bookings[THEO.uri].canceled


def test_a_group_moves_in_place() -> None:
    """A move in place is every guest's."""
    snapshot = knowing(INES, THEO)

    changes = snapshot.read(replace(EVENT, start=EVENT.start + HOUR), INES, THEO)

    assert [(MOVED, INES.uri), (MOVED, THEO.uri)] == changes


def test_somebody_was_erased() -> None:
    """Erasure is not told of as a change; the booking says it from then on."""
    snapshot = knowing(INES)
    erased = replace(INES, name="Invitee", email="9d3e@deleted.calendly.com", text_reminder_number="")

    assert snapshot.read(EVENT, erased) == []
    assert snapshot.bookings[INES.uri].invitee == replace(erased, name="")
    assert snapshot.bookings[INES.uri].invitee.erased


def test_an_invitee_who_is_not_listed_stays() -> None:
    """Absence is no cancellation: the booking is missing, and stays as last read, with the event as it is now."""
    snapshot, other = knowing(INES, THEO), replace(EVENT, location=ROOM)

    [change] = snapshot.look(other, INES).changes
    assert change == Change(MISSING, THEO.uri, EVENT.uri, change.detail)
    assert change.detail
    assert [(MISSING, THEO.uri)] == snapshot.read(other, INES)
    expected = a_booking(other, THEO, seen_at=NOW - DAY, read_at=NOW - DAY, missing_at=NOW)
    assert expected == snapshot.bookings[THEO.uri]


def test_who_is_missing_is_told_of_once_until_they_are_back() -> None:
    """And who comes back is as if nothing had been."""
    snapshot = knowing(INES, THEO)
    snapshot.read(EVENT, INES)

    assert snapshot.read(EVENT, INES, at=NOW + HOUR) == []
    assert snapshot.bookings[THEO.uri].missing_at == NOW
    assert snapshot.read(EVENT, INES, THEO, at=NOW + 2 * HOUR) == []
    assert snapshot.bookings[THEO.uri].missing_at is None
    assert [(MISSING, THEO.uri)] == snapshot.read(EVENT, INES, at=NOW + 3 * HOUR)


def test_an_invitee_who_is_not_listed_moves_with_the_event() -> None:
    """Whoever is not listed has a booking for when the event is now."""
    snapshot, later = knowing(INES, THEO), replace(EVENT, start=EVENT.start + HOUR)

    snapshot.read(later, INES)

    assert (later.start, NOW) == (snapshot.bookings[THEO.uri].event.start, snapshot.bookings[THEO.uri].moved_at)


def test_an_empty_answer_loses_nobody() -> None:
    """An event without invitees in the answer keeps those that are known."""
    snapshot = knowing(INES, THEO)

    assert [(MISSING, INES.uri), (MISSING, THEO.uri)] == snapshot.read(EVENT)
    assert set(snapshot.bookings) == {INES.uri, THEO.uri}
    assert not any(booking.canceled for booking in snapshot.bookings.values())


# Settling.


@pytest.mark.parametrize(
    ("canceled_at", "expected"),
    [
        pytest.param(NOW - SETTLE, True, id="just old enough"),
        pytest.param(NOW - SETTLE + SECOND, False, id="a second too young"),
        pytest.param(NOW + HOUR, False, id="in the future"),
        pytest.param(None, False, id="no date: nothing was noticed yet"),
    ],
)
def test_settled(canceled_at: datetime | None, *, expected: bool) -> None:
    """A cancellation is settled by its age when it was read, whatever the time is now."""
    assert expected is settled(a_booking(EVENT, canceled(INES, canceled_at)), SETTLE)


@pytest.mark.parametrize(
    ("invitees", "expected"),
    [
        pytest.param([], None, id="nobody"),
        pytest.param([INES], None, id="nobody canceled"),
        pytest.param([canceled(INES, NOW - 10 * SECOND)], NOW + 20 * SECOND, id="too young: when it is old enough"),
        pytest.param([canceled(INES, NOW - SETTLE)], None, id="old enough"),
        pytest.param([OLD], None, id="half of a move, as is known already"),
        pytest.param(
            [canceled(INES, NOW - 10 * SECOND), canceled(THEO, NOW - 5 * SECOND)],
            NOW + 25 * SECOND,
            id="the youngest decides: one reading does for all",
        ),
        pytest.param([canceled(INES, NOW - DAY), canceled(THEO, NOW)], NOW + SETTLE, id="only the young ones count"),
        pytest.param([canceled(INES, None)], None, id="no date"),
    ],
)
def test_settles_at(invitees: list[Invitee], expected: datetime | None) -> None:
    """An event with a cancellation that was too young when read is read again when it is not."""
    assert expected == settles_at([a_booking(EVENT, one) for one in invitees], settle=SETTLE)


@given(st.timedeltas(-2 * MINUTE, 2 * MINUTE), st.timedeltas(timedelta(), 5 * MINUTE))
def test_every_cancellation_settles(age: timedelta, settle: timedelta) -> None:
    """An unsettled cancellation always has a moment to be read again, and read then, it is settled."""
    booking = a_booking(EVENT, canceled(INES, NOW - age))
    moment = settles_at([booking], settle=settle)

    assert (moment is None) is settled(booking, settle)
    if moment is not None:
        assert moment > NOW
        assert settled(replace(booking, read_at=moment), settle)
