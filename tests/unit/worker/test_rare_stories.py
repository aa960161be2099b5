"""Rarer stories of moves, hand-overs, refusals and events that cannot be read. Each one went wrong once."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

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
    RULES,
    hand_over,
    numbers,
    run,
)
from support.refusals import OVERDUE, QUOTA, answers, states, texts
from support.restored_database import DatabaseWithBackup
from support.worker_on_fakes import WorkerOnFakes
from syncer.cli.showing import print_plan
from syncer.errors import AccessRefused, LoginRefused, RunHalted, SyncerError
from syncer.model import Host, State
from syncer.moves import joined
from syncer.run import Options
from syncer.store import Store, database

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from pathlib import Path

    from syncer.config import Settings

    Maker = Callable[..., Settings]

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
GUESTS_ONLY = {"TEMPLATE_ID_HOST_NOTIFY": ""}
MANY = "[limits]\nmessages_per_run = 1000"
FORBIDDEN = AccessRefused("Calendly 403", status=403)
TIA = Host("https://api.calendly.com/users/u3", "tia@northpier.example", "Tia Third")
HOST_IN_TEXT = 'params = { name = "{name}", time = "{host_name}" }\n'


def a_stage(store: Store, made: Settings) -> WorkerOnFakes:
    """A worker whose database was born a minute ago."""
    stage = WorkerOnFakes(made, store)
    stage.run()
    stage.now += MINUTE
    return stage


@pytest.fixture
def stage(store: Store, settings: Maker) -> WorkerOnFakes:
    """All built-in rules; both hosts have numbers."""
    return a_stage(store, settings(HOSTS, ALL_TEMPLATES))


@pytest.fixture
def guests_only(store: Store, settings: Maker) -> WorkerOnFakes:
    """Built-in rules for guests, and no caps that matter."""
    return a_stage(store, settings(MANY, GUESTS_ONLY))


def refuse(stage: WorkerOnFakes, uris: Collection[str], error: SyncerError = FORBIDDEN) -> None:
    """Let Calendly refuse the invitees of these events."""

    def refusing(uri: str) -> None:
        if uri in uris:
            raise error

    stage.calendly.on_invitees = refusing


def shift(stage: WorkerOnFakes, event_uri: str, by: timedelta = DAY) -> None:
    """Move an event in place."""
    event = stage.calendly.known[event_uri]
    stage.calendly.put(replace(event, start=event.start + by, end=event.end + by))


def failed_runs(stage: WorkerOnFakes, count: int) -> int:
    """Do so many runs, a minute apart; returns how many failed."""
    failed = 0
    for _ in range(count):
        try:
            run(stage)
        except SyncerError:
            failed += 1
    return failed


# Events that cannot be read.


def test_broken_events_that_were_read_last_do_not_stand_for_all(guests_only: WorkerOnFakes) -> None:
    """Twenty known events change and answer 403; the one that was read last of all is among them."""
    for number in range(40):
        book(guests_only, f"good{number:02}", NOW + 9 * DAY + number * HOUR)
    broken = [book(guests_only, f"e{number:02}", NOW + 3 * DAY + number * HOUR) for number in range(19)]
    run(guests_only)
    broken.append(book(guests_only, "e19", NOW + 3 * DAY + 19 * HOUR))
    run(guests_only)
    for guest in broken:
        guests_only.calendly.put(replace(guests_only.calendly.known[guest.event], total=2))
    refuse(guests_only, {guest.event for guest in broken})
    book(guests_only, "late", NOW + 20 * DAY)

    assert run(guests_only) == ["confirmation of late"]
    assert failed_runs(guests_only, 10) == 0


def test_one_hosts_events_do_not_stand_for_all(guests_only: WorkerOnFakes) -> None:
    """All events of one host answer 403, also those that need not be read."""
    for number in range(40):
        guest = book(guests_only, f"good{number:02}", NOW + 9 * DAY + number * HOUR)
        hand_over(guests_only, guest.event, MARA)
    run(guests_only)
    hidden = [book(guests_only, f"e{number:02}", NOW + 3 * DAY + number * HOUR) for number in range(2)]
    for guest in hidden:
        hand_over(guests_only, guest.event, JONAS)
    run(guests_only)
    refuse(guests_only, {guest.event for guest in hidden})
    guests_only.calendly.put(replace(guests_only.calendly.known[hidden[0].event], total=2))

    assert failed_runs(guests_only, 20) == 0


def test_a_token_that_is_revoked_meanwhile_is_called_so(guests_only: WorkerOnFakes) -> None:
    """The look whether others can be read meets a 401: that is the error, with its remedy."""
    for number in range(3):
        book(guests_only, f"e{number}", NOW + 3 * DAY + number * HOUR)
    run(guests_only)
    new = book(guests_only, "x", NOW + 2 * DAY)

    def refusing(uri: str) -> None:
        raise FORBIDDEN if uri == new.event else LoginRefused("401", status=401)

    guests_only.calendly.on_invitees = refusing
    with pytest.raises(LoginRefused):
        run(guests_only)


# Moves without links.


def test_a_booking_made_before_the_other_was_canceled_is_no_half_of_it(stage: WorkerOnFakes) -> None:
    """Two meetings of one guest with one entry in the calendar: one is canceled, an hour after both were made."""
    guest = book(stage, "e1", NOW + 3 * DAY, calendar="series")
    stage.now += timedelta(seconds=2)
    book(stage, "e2", NOW + 10 * DAY, calendar="series", email="e1@example.com")
    run(stage)
    run(stage, HOUR)
    cancel(stage, guest)

    assert [*run(stage, HOUR), *run(stage)] == ["cancellation of e1"]


def test_the_old_half_waits_while_its_new_half_cannot_be_read(stage: WorkerOnFakes) -> None:
    """Only the calendar's id joins them: a cancellation text would be wrong."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    book(stage, "e2", NOW + 3 * DAY)
    run(stage)
    new = move(stage, guest, NOW + 4 * DAY, linked=False, rescheduled=False)
    refuse(stage, {new.event})
    waiting = [*run(stage, HOUR), *run(stage)]
    refuse(stage, ())
    later = [*run(stage, HOUR), *run(stage)]

    assert waiting == []
    assert later == ["host of e1-moved", "reschedule of e1-moved"]


@pytest.mark.parametrize("batch", [1, 30])
@pytest.mark.parametrize("looks", [True, False], ids=["looked at between the moves", "not looked at"])
@pytest.mark.parametrize(
    ("back", "texts"),
    [
        (timedelta(0), []),
        (-HOUR, ["host of e1-moved-moved", "reschedule of e1-moved-moved"]),
        (HOUR, ["host of e1-moved-moved", "reschedule of e1-moved-moved"]),
    ],
    ids=["to the first time", "to an earlier one", "to a later one"],
)
def test_a_booking_between_two_moves_that_cannot_be_read_does_not_part_them(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, back: timedelta, texts: list[str], *, looks: bool, batch: int
) -> None:
    """Both of its neighbours name it: whoever knows the time is not told of it, and a move is no booking."""
    monkeypatch.setattr("syncer.worker.BATCH", batch)
    guest = book(stage, "e1", NOW + 3 * DAY, calendar="")
    run(stage)
    second = move(stage, guest, NOW + 4 * DAY)
    refuse(stage, {second.event})
    if looks:
        assert run(stage, HOUR) == []
    move(stage, second, NOW + 3 * DAY + back)

    assert [*run(stage, HOUR), *run(stage, HOUR)] == texts


def test_the_old_half_waits_while_the_row_of_its_new_half_cannot_be_read(stage: WorkerOnFakes) -> None:
    """Not even the listing says when the new meeting is; its entry in the calendar says that it is one."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    book(stage, "e2", NOW + 3 * DAY)
    run(stage)
    new = move(stage, guest, NOW + 4 * DAY, linked=False, rescheduled=False)
    stage.calendly.unreadable[new.event] = "start_time is missing"
    waiting = [*run(stage, HOUR), *run(stage)]
    stage.calendly.unreadable.clear()
    later = [*run(stage, HOUR), *run(stage)]

    assert waiting == []
    assert later == ["host of e1-moved", "reschedule of e1-moved"]


def test_the_calendars_id_may_come_after_the_booking_was_read(stage: WorkerOnFakes) -> None:
    """The calendar's push takes two seconds: the snapshot learns the id without another request."""
    guest = book(stage, "e1", NOW + 3 * DAY, calendar="")
    run(stage)
    stage.calendly.put(replace(stage.calendly.known[guest.event], external_id="late"))
    requests = stage.calendly.requests
    run(stage)
    assert stage.calendly.requests == requests + 1
    move(stage, guest, NOW + 4 * DAY, linked=False, rescheduled=False)

    assert [*run(stage, HOUR), *run(stage)] == ["host of e1-moved", "reschedule of e1-moved"]


def test_a_joined_link_survives_the_next_reading(stage: WorkerOnFakes) -> None:
    """Calendly goes on to say `rescheduled` without naming the new half."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    new = move(stage, guest, NOW + 4 * DAY, linked=False)
    run(stage)
    run(stage, 25 * HOUR)

    assert stage.store.bookings([guest.uri])[guest.uri].invitee.new_invitee == new.uri


def test_halves_in_two_batches_are_joined_whatever_the_letter_case_of_the_e_mail(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new half is read first, the old one in the next batch."""
    monkeypatch.setattr("syncer.worker.BATCH", 1)
    guest = book(stage, "e1", NOW + 10 * DAY, calendar="")
    run(stage)
    new = move(stage, guest, NOW + 4 * DAY, linked=False)
    stage.calendly.put(stage.calendly.known[new.event], replace(new, email=new.email.upper()))
    run(stage)
    run(stage)

    assert stage.store.bookings([new.uri])[new.uri].invitee.old_invitee == guest.uri


@pytest.mark.parametrize("halves", ["old first", "new first"])
def test_whoever_may_have_been_moved_is_told_of_no_booking_before_the_old_half_is_read(
    store: Store, settings: Maker, monkeypatch: pytest.MonkeyPatch, halves: str
) -> None:
    """A seat of a group is moved twice, the second time without a link, and the batches are small.

    Somebody has left the new group, too: the listing does not say which event holds the old half. Others wait for
    nobody.
    """
    monkeypatch.setattr("syncer.worker.BATCH", 1)
    stage = a_stage(store, settings(MANY, GUESTS_ONLY | {"TEMPLATE_ID_RESCHEDULE": "1006"}))
    guest = book(stage, "e1", NOW + 6 * DAY, calendar="")
    run(stage)
    second = move(stage, guest, NOW + 5 * DAY)
    third = move(stage, second, NOW + (9 * DAY if halves == "old first" else 3 * DAY), linked=False)
    event = stage.calendly.known[third.event]
    stranger = an_invitee(event, "left", email="left@example.com", status="canceled", canceled_at=stage.now)
    stage.calendly.put(replace(event, total=2), third, stranger)
    book(stage, "e2", NOW + 2 * DAY, calendar="")

    assert sorted([*run(stage), *run(stage)]) == ["confirmation of e2", "reschedule of e1-moved-moved"]


def test_a_forgotten_guest_stays_forgotten_when_the_host_moves_them_without_links(stage: WorkerOnFakes) -> None:
    """The calendar's id says whose booking the new one is."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    stage.store.forget([guest.uri], stage.now, same=lambda *_: False)
    before = len(stage.gateway.texts)
    move(stage, guest, NOW + 4 * DAY, linked=False)
    run(stage, HOUR)

    assert guest.text_reminder_number not in numbers(stage, before)


def test_a_late_join_does_not_double_the_text_of_another_seat(guests_only: WorkerOnFakes) -> None:
    """Somebody with two seats of a group has each reminder once, also when one seat turns out to be a moved booking."""
    person = {"email": "a@example.com", "text_reminder_number": "+13125550142"}
    old = book(guests_only, "e1", NOW + 10 * DAY, calendar="", **person)
    group = an_event("group", start=NOW + 30 * HOUR)
    first = replace(an_invitee(group, "s1", **person), created_at=guests_only.now)
    guests_only.calendly.put(group, first)
    run(guests_only)
    guests_only.now += HOUR
    cancel(guests_only, old)
    [gone] = guests_only.calendly.people[old.event]
    guests_only.calendly.put(guests_only.calendly.known[old.event], replace(gone, rescheduled=True))
    second = replace(first, uri=f"{first.uri}2", created_at=guests_only.now)
    guests_only.calendly.put(replace(group, total=2, active=2), first, second)
    hidden = guests_only.calendly.known.pop(old.event)
    run(guests_only)
    guests_only.calendly.known[old.event] = hidden
    seen = [*run(guests_only), *run(guests_only)]
    guests_only.now = NOW + 6 * HOUR
    seen += run(guests_only)

    assert seen.count("reminder-24h of group") == 1


def test_two_moves_unseen_the_second_to_the_same_time_are_one_move(store: Store, settings: Maker) -> None:
    """With a rule for moves alone nobody was told of anything yet: the time is another than the one booked."""
    toml = '[[rule]]\nname = "moved"\non = "rescheduled"\ntemplate = "1006"\n'
    stage = a_stage(store, settings(toml))
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    second = move(stage, guest, NOW + 4 * DAY)
    stage.now += MINUTE
    move(stage, second, NOW + 4 * DAY)

    assert [*run(stage), *run(stage)] == ["moved of e1-moved-moved"]


def test_joining_halves_of_a_large_group_takes_no_minutes() -> None:
    """Two thousand guests of one event with a calendar's id, moved without links: each is looked for by e-mail."""
    count = 2000
    bookings = {}
    for name, gone in (("old", True), ("new", False)):
        event = an_event(name, external_id="entry", total=count, active=count)
        for number in range(count):
            over = {"status": "canceled", "canceled_at": NOW, "created_at": NOW - DAY} if gone else {"created_at": NOW}
            invitee = an_invitee(event, f"i{number}", email=f"i{number}@example.com", **over)
            bookings[invitee.uri] = a_booking(event, invitee, seen_at=NOW + DAY)
    calls = []
    from syncer import moves  # noqa: PLC0415

    real = moves._likeness

    def counted(old: object, new: object) -> object:
        calls.append(1)
        return real(old, new)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moves, "_likeness", counted)
        assert len(joined(bookings, {})) == 2 * count
    assert len(calls) <= 2 * count


# Hand-overs.


def test_a_host_who_took_over_hears_of_a_later_move_in_place(stage: WorkerOnFakes) -> None:
    """From then on they are the host like any other."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    hand_over(stage, guest.event, JONAS)
    run(stage)
    before = len(stage.gateway.texts)
    shift(stage, guest.event)
    run(stage, 7 * HOUR)
    run(stage)

    assert sorted(numbers(stage, before)) == [guest.text_reminder_number, JONAS_NUMBER]


def test_a_host_who_took_over_by_a_move_hears_of_a_later_move_in_place(stage: WorkerOnFakes) -> None:
    """Likewise where the hand-over made a new event."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    new = move(stage, guest, NOW + 4 * DAY, hosts=(JONAS,))
    run(stage)
    before = len(stage.gateway.texts)
    shift(stage, new.event)
    run(stage, 7 * HOUR)
    run(stage)

    assert sorted(numbers(stage, before)) == [guest.text_reminder_number, JONAS_NUMBER]


def test_a_guest_is_told_of_each_hand_over_and_of_none_again_after_a_move(store: Store, settings: Maker) -> None:
    """The text names the host who has the meeting now."""
    stage = a_stage(store, settings(RULES.format(to="invitee") + HOST_IN_TEXT + HOSTS))
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    for host in (JONAS, TIA, JONAS):
        hand_over(stage, guest.event, host)
        run(stage)
        run(stage)
    shift(stage, guest.event)
    run(stage, HOUR)

    assert [text.params["time"] for text in stage.gateway.texts] == ["Jonas Weber", "Tia Third", "Jonas Weber"]


def test_a_former_host_is_not_told_again_when_the_meeting_moves(store: Store, settings: Maker) -> None:
    """It is no longer theirs."""
    stage = a_stage(store, settings(RULES.format(to="former_host") + HOSTS))
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    hand_over(stage, guest.event, JONAS)
    run(stage)
    shift(stage, guest.event)
    run(stage)
    run(stage)

    assert numbers(stage, 0) == [MARAS_NUMBER]


def test_a_listing_without_hosts_says_nothing_about_them(stage: WorkerOnFakes) -> None:
    """For one listing the hosts are missing: nobody is told, and a hand-over afterwards is one."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    hand_over(stage, guest.event, MARA, JONAS)
    run(stage)
    before = len(stage.gateway.texts)
    hand_over(stage, guest.event)
    run(stage)
    hand_over(stage, guest.event, MARA, JONAS)
    run(stage)
    assert numbers(stage, before) == []
    hand_over(stage, guest.event)
    run(stage)
    hand_over(stage, guest.event, MARA, TIA)
    run(stage)

    assert [one["event_uri"] for one in stage.told("booking.reassigned")] == [guest.event]


@pytest.mark.parametrize("by_move", [True, False], ids=["by moves, unseen", "in place, the text waited"])
def test_there_and_back_without_anybody_told_is_no_news(stage: WorkerOnFakes, *, by_move: bool) -> None:
    """Mara was told last, and has it again."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    before = len(stage.gateway.texts)
    if by_move:
        second = move(stage, guest, NOW + 4 * DAY, hosts=(JONAS,))
        stage.now += MINUTE
        move(stage, second, NOW + 3 * DAY, hosts=(MARA,))
    else:
        template = stage.gateway.known["1005"]
        stage.gateway.known["1005"] = replace(template, status=1)
        hand_over(stage, guest.event, JONAS)
        run(stage)
        hand_over(stage, guest.event, MARA)
        run(stage)
        stage.gateway.known["1005"] = template
    run(stage)
    run(stage)

    assert numbers(stage, before) == []


def test_hosts_are_the_same_people_whether_they_have_uris_or_not(stage: WorkerOnFakes) -> None:
    """An account that was deleted and is back: counted by e-mail."""
    mara, jonas = replace(MARA, uri=""), replace(JONAS, uri="")
    guest = book(stage, "e1", NOW + 3 * DAY)
    hand_over(stage, guest.event, mara)
    run(stage)
    seen = []
    for host in (jonas, mara, JONAS, mara, jonas):
        before = len(stage.gateway.texts)
        hand_over(stage, guest.event, host)
        run(stage)
        run(stage)
        seen.append(numbers(stage, before))

    assert seen == [[JONAS_NUMBER], [MARAS_NUMBER], [JONAS_NUMBER], [MARAS_NUMBER], [JONAS_NUMBER]]


def test_a_hosts_reminder_goes_to_the_new_host_also_when_the_old_one_had_it(store: Store, settings: Maker) -> None:
    """Moved to the same time and another host, after Mara's reminder had left."""
    rule = '[[rule]]\nname = "hosts-day"\non = "before_start"\noffset = "24h"\nto = "host"\ntemplate = "1003"\n'
    stage = a_stage(store, settings(HOSTS + rule))
    start = NOW + 3 * DAY
    guest = book(stage, "e1", start)
    run(stage)
    stage.now = start - DAY
    run(stage, timedelta(0))
    move(stage, guest, start, hosts=(JONAS,))
    run(stage)

    assert numbers(stage, 0) == [MARAS_NUMBER, JONAS_NUMBER]


# The guard, and refusals.


def test_moved_and_then_canceled_unseen_counts_as_canceled(guests_only: WorkerOnFakes) -> None:
    """Fifteen of 45 were moved and canceled between two looks: their people knew of the old bookings."""
    guests = [book(guests_only, f"e{number}", NOW + 3 * DAY + number * HOUR) for number in range(45)]
    run(guests_only)
    for guest in guests[:15]:
        new = move(guests_only, guest, NOW + 9 * DAY)
        guests_only.now += timedelta(seconds=1)
        cancel(guests_only, new)

    assert run(guests_only, HOUR) == []
    assert len(guests_only.told("booking.canceled")) == 15
    assert len(guests_only.told("run.refused")) == 1


def test_events_whose_counters_cannot_be_read_count_too(guests_only: WorkerOnFakes) -> None:
    """Read leniently a counter is 0: each canceled event may hold a cancellation all the same."""
    guests = [book(guests_only, f"e{number}", NOW + 3 * DAY + number * HOUR) for number in range(45)]
    for guest in guests:
        guests_only.calendly.put(replace(guests_only.calendly.known[guest.event], total=0, active=0))
    run(guests_only)
    for guest in guests[:24]:
        cancel(guests_only, guest)
        guests_only.calendly.put(replace(guests_only.calendly.known[guest.event], total=0, active=0))

    assert run(guests_only, HOUR) == []


def test_a_dry_run_does_not_call_held_texts_due(guests_only: WorkerOnFakes, capsys: pytest.CaptureFixture[str]) -> None:
    """They would not leave."""
    guests = [book(guests_only, f"e{number}", NOW + 3 * DAY + number * HOUR) for number in range(45)]
    run(guests_only)
    for guest in guests[:12]:
        cancel(guests_only, guest)
    guests_only.now += MINUTE
    print_plan(guests_only.run(Options(everything=True, dry_run=True)))

    assert "> due now" not in capsys.readouterr().out


def test_held_texts_are_told_of_in_each_run_and_are_not_late(guests_only: WorkerOnFakes) -> None:
    """A line a run says that they wait; how late the worker is does not count them."""
    guests = [book(guests_only, f"e{number}", NOW + 3 * DAY + number * HOUR) for number in range(45)]
    run(guests_only)
    for guest in guests[:12]:
        cancel(guests_only, guest)
    run(guests_only)
    run(guests_only, HOUR)

    [deferred] = guests_only.told("sending.deferred")
    assert (deferred["reason"], deferred["count"]) == ("held_by_guard", 12)
    [done] = guests_only.told("run.completed")
    assert (done["deferred"], done["oldest_due_s"]) == (12, 0)


def test_another_code_while_texts_are_tried_costs_five_more_at_most(store: Store, settings: Maker) -> None:
    """The gateway says 3003 five times and then something else, run after run."""
    stage = WorkerOnFakes(settings(f"{MANY}\nconcurrency = 1"), store)
    messages = texts(stage, 30)
    answers(stage, OVERDUE)
    with contextlib.suppress(RunHalted):
        stage.run()
    answers(stage, QUOTA)
    for _ in range(15):
        stage.now += 2 * MINUTE
        with contextlib.suppress(RunHalted):
            stage.run()

    assert states(stage, messages).count(State.FAILED) <= 10


# After a backup was put back.


def put_back(office: DatabaseWithBackup, at: datetime) -> None:
    """Put the backup in the place of the database, and say so."""
    shutil.copy(office.backup, office.path)
    with Store(database.open_writable(office.path)) as store:
        store.restored(at)


def sent_at(office: DatabaseWithBackup, now: datetime) -> list[str]:
    """Do one run; returns the keys that left."""
    before = len(office.gateway.sends)
    with Store(database.open_writable(office.path)) as store:
        WorkerOnFakes(office.settings, store, calendly=office.calendly, gateway=office.gateway, now=now).run()
    return [sent.key for sent in office.gateway.sends[before:]]


def test_a_hand_over_that_the_lost_database_told_is_not_told_again(tmp_path: Path, settings: Maker) -> None:
    """It has no time of its own but when it was noticed."""
    office = DatabaseWithBackup(tmp_path, settings(HOSTS))
    office.book("old", start=NOW + 5 * DAY, created_at=NOW - 10 * DAY)
    uri = next(iter(office.calendly.known))
    office.calendly.put(replace(office.calendly.known[uri], hosts=(MARA,)))
    office.run(NOW - DAY)
    shutil.copy(office.path, office.backup)
    office.calendly.put(replace(office.calendly.known[uri], hosts=(JONAS,)))
    first = sent_at(office, NOW)
    put_back(office, NOW + HOUR)

    assert len(first) == 1
    assert sent_at(office, NOW + HOUR + MINUTE) == []


def test_a_cancellation_without_a_time_that_the_lost_database_told_is_not_told_again(
    tmp_path: Path, settings: Maker
) -> None:
    """Calendly says `canceled` and not when: then it is when syncer noticed."""
    office = DatabaseWithBackup(tmp_path, settings(environ=GUESTS_ONLY))
    office.run(NOW - 2 * DAY)
    office.book("old", start=NOW + 5 * DAY, created_at=NOW - DAY)
    uri = next(iter(office.calendly.known))
    office.run(NOW - DAY + MINUTE)
    shutil.copy(office.path, office.backup)
    office.calendly.put(replace(office.calendly.known[uri], status="canceled", active=0))
    first = [*sent_at(office, NOW), *sent_at(office, NOW + MINUTE)]
    put_back(office, NOW + HOUR)

    assert len(first) == 1
    assert [*sent_at(office, NOW + HOUR + MINUTE), *sent_at(office, NOW + HOUR + 3 * MINUTE)] == []


def test_texts_are_named_by_their_rule_and_event(stage: WorkerOnFakes) -> None:
    """The helper that these stories stand on."""
    book(stage, "e1", NOW + 3 * DAY)
    run(stage)

    assert sorted(keys_of(stage)) == ["confirmation of e1", "host of e1"]
