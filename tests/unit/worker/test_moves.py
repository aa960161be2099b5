"""Moves and hand-overs: who is told of which time, by whom and how often."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, an_event, an_invitee
from support.calendly_moves import book, cancel, keys_of, move
from support.hand_overs import (
    ALL_TEMPLATES,
    HOSTS,
    JONAS,
    JONAS_NUMBER,
    MARA,
    MARAS_NUMBER,
    OFFICE,
    RULES,
    hand_over,
    numbers,
    run,
)
from support.worker_on_fakes import WorkerOnFakes
from syncer.model import Host, State
from syncer.moves import joined
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.model import Booking
    from syncer.store import Store

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def stage(store: Store, settings: Callable[..., Settings]) -> WorkerOnFakes:
    """A worker with all built-in rules, also the one for moves; both hosts have numbers."""
    made = WorkerOnFakes(settings(HOSTS, ALL_TEMPLATES), store)
    made.run()  # what is there before this is the past
    made.now += MINUTE
    return made


# A move, however its halves are joined.

WAYS: dict[str, dict[str, Any]] = {
    "by links": {},
    "by links, without a calendar": {"calendar": ""},
    "by the calendar": {"linked": False},
    "by the calendar, not called a move": {"linked": False, "rescheduled": False},
    "by e-mail and time": {"linked": False, "calendar": "", "gap": timedelta(milliseconds=322)},
}


def moved(stage: WorkerOnFakes, invitee: Any, to: Any, way: dict[str, Any]) -> Any:
    """Move a booking in one of the ways above."""
    return move(stage, invitee, to, **{name: value for name, value in way.items() if name != "calendar"})


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("by", ["host", "invitee"])
def test_a_move_is_told_once_and_is_no_cancellation(stage: WorkerOnFakes, way: dict[str, Any], by: str) -> None:
    """Whoever moves it, whatever joins the halves."""
    guest = book(stage, "e1", NOW + 3 * DAY, **({"calendar": ""} if "calendar" in way else {}))
    assert run(stage) == ["confirmation of e1", "host of e1"]
    new = moved(stage, guest, NOW + 4 * DAY, way | {"by": by})

    texts = [*run(stage), *run(stage), *run(stage)]

    assert texts == ["host of e1-moved", "reschedule of e1-moved"]
    waiting = stage.store.messages(states=[State.SCHEDULED])
    assert {message.booking for message in waiting} == {new.uri}
    kinds = [kind for _, kind, _ in stage.store.changes_of(new.uri)]
    assert kinds == ["rescheduled"]
    assert stage.store.bookings([guest.uri])[guest.uri].invitee.new_invitee == new.uri


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_both_halves_of_a_move_may_be_seen_at_once_and_late(stage: WorkerOnFakes, way: dict[str, Any]) -> None:
    """After an outage of an hour the old half is no young cancellation any more."""
    guest = book(stage, "e1", NOW + 3 * DAY, **({"calendar": ""} if "calendar" in way else {}))
    run(stage)
    moved(stage, guest, NOW + 4 * DAY, way)

    assert run(stage, HOUR) == ["host of e1-moved", "reschedule of e1-moved"]


def test_the_halves_that_the_calendar_joins_are_read_in_one_batch(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the cancellation text would leave between the batches."""
    monkeypatch.setattr("syncer.worker.BATCH", 1)
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    move(stage, guest, NOW + 20 * DAY, linked=False, rescheduled=False)
    for number in range(4):
        book(stage, f"other{number}", NOW + 10 * DAY + number * HOUR)

    texts = run(stage, HOUR)

    assert [text for text in texts if "e1" in text] == ["host of e1-moved", "reschedule of e1-moved"]


def test_a_moved_half_without_a_partner_is_a_booking_and_nobody_is_told_of_a_cancellation(stage: WorkerOnFakes) -> None:
    """Calendly calls the old one rescheduled; with another e-mail and no calendar nothing joins them."""
    guest = book(stage, "e1", NOW + 3 * DAY, calendar="")
    run(stage)
    new = move(stage, guest, NOW + 4 * DAY, linked=False)
    stage.calendly.put(stage.calendly.known[new.event], replace(new, email="else@example.com"))

    assert run(stage, HOUR) == ["confirmation of e1-moved", "host of e1-moved"]


def test_two_guests_who_cancel_and_book_within_a_minute_are_two_people(stage: WorkerOnFakes) -> None:
    """A true cancellation and somebody else's new booking are not joined."""
    guest = book(stage, "e1", NOW + 3 * DAY, calendar="")
    run(stage)
    cancel(stage, guest)
    book(stage, "e2", NOW + 3 * DAY, calendar="")

    texts = [*run(stage), *run(stage)]

    assert sorted(texts) == ["cancellation of e1", "confirmation of e2", "host of e2"]


def test_a_chain_of_moves_within_a_gap_is_one_text_with_the_last_time(stage: WorkerOnFakes) -> None:
    """A -> B -> C, all of them with the same calendar entry and no links."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    second = move(stage, guest, NOW + 4 * DAY, linked=False, rescheduled=False)
    stage.now += MINUTE
    move(stage, second, NOW + 5 * DAY, linked=False, rescheduled=False)

    assert run(stage, HOUR) == ["host of e1-moved-moved", "reschedule of e1-moved-moved"]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_new_half_that_was_confirmed_before_its_old_half_was_seen_is_not_told_again(
    stage: WorkerOnFakes, way: dict[str, Any]
) -> None:
    """The event of the old half cannot be read at first: the guest knows the new time already."""
    guest = book(stage, "e1", NOW + 3 * DAY, **({"calendar": ""} if "calendar" in way else {}))
    run(stage)
    new = moved(stage, guest, NOW + 4 * DAY, way)
    old_event = stage.calendly.known.pop(guest.event)
    first = run(stage)
    stage.calendly.known[guest.event] = old_event

    later = [*run(stage, HOUR), *run(stage)]

    assert [*first, *later].count("host of e1-moved") == 1
    assert [text for text in [*first, *later] if "host" not in text] in (
        ["confirmation of e1-moved"],
        ["reschedule of e1-moved"],
    )
    assert stage.store.bookings([new.uri])[new.uri].invitee.old_invitee == guest.uri


# To the same time, and back.


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_move_to_the_same_time_tells_nobody_and_takes_the_reminders_along(
    stage: WorkerOnFakes, way: dict[str, Any]
) -> None:
    """Place or notes changed: two of eleven recorded moves of hosts."""
    start = NOW + 3 * DAY
    guest = book(stage, "e1", start, **({"calendar": ""} if "calendar" in way else {}))
    run(stage)
    new = moved(stage, guest, start, way)

    assert [*run(stage), *run(stage, HOUR)] == []
    waiting = {m.rule for m in stage.store.messages(states=[State.SCHEDULED]) if m.booking == new.uri}
    assert waiting == {"reminder-24h", "reminder-1h", "follow-up"}
    stage.now = start - DAY
    assert run(stage, timedelta(0)) == ["reminder-24h of e1-moved"]


def test_a_move_to_the_same_time_with_a_longer_meeting_is_told(stage: WorkerOnFakes) -> None:
    """The same start and another end is another time."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    new = move(stage, guest, NOW + 3 * DAY)
    event = stage.calendly.known[new.event]
    stage.calendly.put(replace(event, end=event.end + HOUR))

    assert run(stage) == ["host of e1-moved", "reschedule of e1-moved"]


def test_a_move_to_the_same_time_does_not_repeat_a_reminder(stage: WorkerOnFakes) -> None:
    """The reminder a day before has left: the new booking's own is the very same text."""
    start = NOW + 3 * DAY
    guest = book(stage, "e1", start)
    run(stage)
    stage.now = start - DAY
    assert run(stage, timedelta(0)) == ["reminder-24h of e1"]
    new = move(stage, guest, start)

    assert [*run(stage), *run(stage)] == []
    [message] = [m for m in stage.store.messages_of([new.uri])[new.uri] if m.rule == "reminder-24h"]
    assert (message.state, message.reason) == (State.SKIPPED, Reason.ALREADY_SENT)


def test_a_reminder_that_was_due_and_waited_follows_a_move_to_the_same_time(stage: WorkerOnFakes) -> None:
    """Its template was in review when the place changed: it is not `booked late`."""
    start = NOW + 3 * DAY
    guest = book(stage, "e1", start)
    run(stage)
    template = stage.gateway.known["1003"]
    stage.gateway.known["1003"] = replace(template, status=1)
    stage.now = start - DAY
    assert run(stage, timedelta(0)) == []
    move(stage, guest, start)
    stage.gateway.known["1003"] = template

    assert run(stage) == ["reminder-24h of e1-moved"]


def test_somebody_who_was_never_told_is_confirmed_after_a_move_to_the_same_time(stage: WorkerOnFakes) -> None:
    """Booked and moved to the same time before the first look: the guest has read nothing yet."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    stage.now += timedelta(seconds=20)
    move(stage, guest, NOW + 3 * DAY)

    assert run(stage) == ["confirmation of e1-moved", "host of e1-moved"]


def test_moved_away_and_back_between_two_looks_tells_nobody(stage: WorkerOnFakes) -> None:
    """The guest knows the time that it has now."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    second = move(stage, guest, NOW + 4 * DAY)
    stage.now += MINUTE
    move(stage, second, NOW + 3 * DAY)

    assert [*run(stage), *run(stage)] == []


@pytest.mark.parametrize("templates", [{}, ALL_TEMPLATES], ids=["confirmations tell of moves", "a rule for moves"])
def test_moved_in_place_to_and_fro_each_move_is_told(
    store: Store, settings: Callable[..., Settings], templates: dict[str, str]
) -> None:
    """A -> B -> A -> B, a look after each: the last text always names the present start."""
    stage = WorkerOnFakes(settings(HOSTS, templates), store)
    stage.run()
    first, second = NOW + 3 * DAY, NOW + 4 * DAY
    guest = book(stage, "e1", first)
    texts = [run(stage)]
    for start in (second, first, second, first, second):
        event = stage.calendly.known[guest.event]
        stage.calendly.put(replace(event, start=start, end=start + timedelta(minutes=30)))
        texts += [[*run(stage), *run(stage)]]

    told = "reschedule" if templates else "confirmation"
    assert texts == [["confirmation of e1", "host of e1"], *[sorted([f"{told} of e1", "host of e1"])] * 5]
    keys = [text.key for text in stage.gateway.texts]
    assert len(keys) == len(set(keys)) == 12


def test_moved_in_place_and_back_before_the_text_left_tells_nobody(stage: WorkerOnFakes) -> None:
    """The move's template was in review: the guest knows the old time, which it has again."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    stage.gateway.known["1006"] = replace(stage.gateway.known["1006"], status=1)
    stage.gateway.known["1005"] = replace(stage.gateway.known["1005"], status=1)
    event = stage.calendly.known[guest.event]
    stage.calendly.put(replace(event, start=event.start + DAY, end=event.end + DAY))
    assert run(stage) == []
    stage.calendly.put(event)
    stage.gateway.known = {id_: replace(template, status=2) for id_, template in stage.gateway.known.items()}

    assert [*run(stage), *run(stage)] == []


# Hand-overs.


def test_the_new_host_hears_of_a_hand_over_each_time(stage: WorkerOnFakes) -> None:
    """Mara -> Jonas -> Mara -> Jonas: whoever has the meeting was told last."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    seen = []
    for host in (JONAS, MARA, JONAS):
        before = len(stage.gateway.texts)
        hand_over(stage, guest.event, host)
        run(stage)
        run(stage)
        seen.append(numbers(stage, before))

    assert seen == [[JONAS_NUMBER], [MARAS_NUMBER], [JONAS_NUMBER]]
    kinds = [kind for _, kind, _ in stage.store.changes_of(guest.uri)]
    assert kinds == ["created", "reassigned", "reassigned", "reassigned"]


def test_a_hand_over_of_an_erased_guest_tells_nobody(stage: WorkerOnFakes) -> None:
    """The text would name somebody who asked to be forgotten."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    before = len(stage.gateway.texts)
    event = replace(stage.calendly.known[guest.event], hosts=(JONAS,))
    stage.calendly.put(event, replace(guest, name="", email="x@deleted.calendly.com", text_reminder_number=""))
    run(stage)

    assert numbers(stage, before) == []
    skipped = [m.reason for m in stage.store.messages() if m.rule == "host" and m.state is State.SKIPPED]
    assert skipped == [Reason.ERASED]


def test_a_hand_over_is_in_the_log(stage: WorkerOnFakes) -> None:
    """By its event, with neither name nor e-mail."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    hand_over(stage, guest.event, JONAS)
    run(stage)

    assert stage.told("booking.reassigned") == [{"booking": guest.uri, "event_uri": guest.event}]


def test_a_second_host_who_joins_is_told_and_the_first_one_is_not_told_again(stage: WorkerOnFakes) -> None:
    """The meeting is Mara's as before."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    before = len(stage.gateway.texts)
    hand_over(stage, guest.event, MARA, JONAS)
    run(stage, HOUR)
    hand_over(stage, guest.event, JONAS)
    run(stage, HOUR)

    assert numbers(stage, before) == [JONAS_NUMBER]


@pytest.mark.parametrize("to", [NOW + 3 * DAY, NOW + 4 * DAY], ids=["the same time", "another time"])
def test_a_move_to_another_host_tells_that_host_once(stage: WorkerOnFakes, to: Any) -> None:
    """By a move Calendly makes a new event: whoever has that one hears of it, the guest only of another time."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    before = len(stage.gateway.texts)
    move(stage, guest, to, hosts=(JONAS,))
    run(stage)
    run(stage)

    guests = [guest.text_reminder_number] if to != NOW + 3 * DAY else []
    assert sorted(numbers(stage, before)) == [*guests, JONAS_NUMBER]


def test_an_office_number_gets_no_second_text_for_one_booking(store: Store, settings: Callable[..., Settings]) -> None:
    """No host has a number: the text would be the same, word for word, on the same phone."""
    stage = WorkerOnFakes(settings("", ALL_TEMPLATES), store)
    stage.run()
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    for host in (JONAS, MARA, JONAS):
        hand_over(stage, guest.event, host)
        run(stage)

    assert numbers(stage, 0) == [guest.text_reminder_number, OFFICE]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param((MARA,), (replace(MARA, name="Mara L."),), id="renamed"),
        pytest.param((MARA,), (replace(MARA, uri=""),), id="without a URI"),
        pytest.param((MARA, JONAS), (JONAS, MARA), id="in another order"),
        pytest.param((MARA, JONAS), (MARA,), id="one of two left"),
        pytest.param((), (MARA,), id="nobody was named before"),
        pytest.param((MARA,), (), id="nobody is named any more"),
    ],
)
def test_the_same_hosts_are_no_hand_over(stage: WorkerOnFakes, old: tuple[Host, ...], new: tuple[Host, ...]) -> None:
    """Whoever had the meeting before is not told again."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    hand_over(stage, guest.event, *old)
    run(stage)
    before = len(stage.gateway.texts)
    hand_over(stage, guest.event, *new)
    run(stage, HOUR)

    assert numbers(stage, before) == []
    assert stage.told("booking.reassigned") == []


def test_a_hand_over_after_the_start_tells_nobody(stage: WorkerOnFakes) -> None:
    """News of a meeting that has begun is none."""
    guest = book(stage, "e1", NOW + 2 * HOUR)
    run(stage)
    stage.now = NOW + 2 * HOUR + MINUTE
    before = len(stage.gateway.texts)
    hand_over(stage, guest.event, JONAS)
    run(stage)

    assert JONAS_NUMBER not in numbers(stage, before)


@pytest.mark.parametrize(("to", "number"), [("host", JONAS_NUMBER), ("former_host", MARAS_NUMBER)])
def test_own_rules_for_hand_overs(store: Store, settings: Callable[..., Settings], to: str, number: str) -> None:
    """To the host who has the meeting now, or to the one who gave it away; each time."""
    stage = WorkerOnFakes(settings(RULES.format(to=to) + HOSTS), store)
    stage.run()
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    hand_over(stage, guest.event, JONAS)
    first = [*run(stage), *run(stage)]

    assert first == ["handed-over of e1"]
    assert numbers(stage, 0) == [number]
    hand_over(stage, guest.event, MARA)
    run(stage)
    hand_over(stage, guest.event, JONAS)
    run(stage)
    assert numbers(stage, 0).count(number) == 2


def test_a_guest_may_be_told_of_a_hand_over(store: Store, settings: Callable[..., Settings]) -> None:
    """Once for each."""
    stage = WorkerOnFakes(settings(RULES.format(to="invitee") + HOSTS), store)
    stage.run()
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    hand_over(stage, guest.event, JONAS)

    assert [*run(stage), *run(stage)] == ["handed-over of e1"]
    assert numbers(stage, 0) == [guest.text_reminder_number]


# Who canceled.


@pytest.mark.parametrize("canceler", ["host", "invitee", ""])
@pytest.mark.parametrize("wanted", ["anyone", "host", "invitee"])
def test_a_rule_may_be_for_one_sides_cancellations(
    store: Store, settings: Callable[..., Settings], wanted: str, canceler: str
) -> None:
    """Where nobody says who canceled, only a rule for anyone's texts."""
    toml = f"""
[[rule]]
name = "confirmation"
on = "booked"
template = "1001"
[[rule]]
name = "gone"
on = "canceled"
template = "1002"
to_canceler = true
canceled_by = "{wanted}"
"""
    stage = WorkerOnFakes(settings(toml), store)
    stage.run()
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    cancel(stage, guest, by=canceler)

    texts = [*run(stage), *run(stage)]

    assert texts == (["gone of e1"] if wanted in {"anyone", canceler} else [])


# After the end.


@pytest.mark.parametrize(
    ("canceled_before_end", "seen_before_end", "told"),
    [
        pytest.param(20 * MINUTE, 10 * MINUTE, True, id="canceled and seen while it lasts"),
        pytest.param(20 * MINUTE, -MINUTE, False, id="canceled while it lasts, seen after the end"),
        pytest.param(2 * HOUR, -HOUR, False, id="canceled before the start, seen after the end"),
        pytest.param(timedelta(0), -MINUTE, False, id="canceled at the end"),
        pytest.param(-HOUR, -2 * HOUR, False, id="canceled after the end"),
    ],
)
def test_a_cancellation_is_never_told_after_the_end(
    stage: WorkerOnFakes, canceled_before_end: timedelta, seen_before_end: timedelta, told: bool
) -> None:
    """Nobody needs it then."""
    end = NOW + DAY + timedelta(minutes=30)
    guest = book(stage, "e1", NOW + DAY)
    run(stage)
    cancel(stage, guest, at=end - canceled_before_end)
    before = len(stage.gateway.texts)
    stage.now = end - seen_before_end
    texts = run(stage, timedelta(0))

    assert ("cancellation of e1" in texts) is told
    assert ("cancellation of e1" in [*run(stage), *keys_of(stage, before)]) is told


# Joining halves, as a pure function.


def half(name: str, **over: Any) -> Booking:
    """A booking of one guest, as far as joining looks at it."""
    event = an_event(name, external_id=over.pop("entry", ""), event_type=over.pop("kind", "t1"))
    return a_booking(event, replace(an_invitee(event), **over), seen_at=NOW + 30 * DAY)


def gone(name: str = "old", at: timedelta = timedelta(0), **over: Any) -> Booking:
    """The old half: canceled at that time from now."""
    return half(name, **({"status": "canceled", "canceled_at": NOW + at, "rescheduled": True} | over))


def came(name: str = "new", at: timedelta = timedelta(0), **over: Any) -> Booking:
    """The new half: booked at that time from now."""
    return half(name, **({"created_at": NOW + at} | over))


@pytest.mark.parametrize(
    ("old", "new", "together"),
    [
        (gone(entry="c1"), came(entry="c1"), True),
        (gone(entry="c1", rescheduled=False), came(entry="c1"), True),
        (gone(entry="c1"), came(entry="c1", email="Ines.Okafor@Example.com"), True),
        (gone(entry="c1"), came(entry="c2", at=2 * HOUR), False),
        (gone(entry="c1"), came(entry="c1", at=2 * HOUR), True),
        (gone(), came(), True),
        (gone(), came(at=timedelta(milliseconds=322)), True),
        (gone(at=timedelta(seconds=60)), came(), True),
        (gone(), came(at=timedelta(seconds=60)), True),
        (gone(), came(at=timedelta(seconds=61)), False),
        (gone(rescheduled=False), came(), False),
        (gone(), came(email="other@example.com"), False),
        (gone(), came(kind="t2"), False),
        (gone(kind=""), came(kind=""), False),
        (gone(email=""), came(email=""), False),
        (gone(new_invitee="https://x/y"), came(), False),
        (gone(), came(old_invitee="https://x/y"), False),
        (gone(status="active"), came(), False),
        (gone(email="a@deleted.calendly.com"), came(email="a@deleted.calendly.com"), False),
    ],
)
def test_which_halves_belong_together(old: Booking, new: Booking, together: bool) -> None:
    """By the calendar's id; else by e-mail, event type and a minute, if Calendly calls it a move."""
    found = joined({old.uri: old, new.uri: new}, {})

    assert bool(found) is together
    if together:
        assert found[old.uri].invitee.new_invitee == new.uri
        assert found[new.uri].invitee.old_invitee == old.uri
        assert found[old.uri].canceled
        assert found[old.uri].invitee.rescheduled


def test_each_half_is_used_once_and_the_nearest_belong_together() -> None:
    """One person moves two meetings within a minute."""
    bookings = [
        gone("old1", timedelta(0)),
        gone("old2", timedelta(seconds=30)),
        came("new1", timedelta(seconds=1)),
        came("new2", timedelta(seconds=31)),
    ]
    found = joined({one.uri: one for one in bookings}, {})

    assert found[bookings[0].uri].invitee.new_invitee == bookings[2].uri
    assert found[bookings[1].uri].invitee.new_invitee == bookings[3].uri


def test_two_of_the_snapshot_are_left_as_they_are() -> None:
    """They were looked at when they were new."""
    old, new = gone(), came()

    assert joined({}, {old.uri: old, new.uri: new}) == {}
