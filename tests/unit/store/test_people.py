"""Opt-outs and forgetting: in the store, and through the runs that follow."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, NUMBER, a_booking, a_message, an_event, an_invitee
from support.fake_clients import FakeCalendly, Sent
from support.worker_on_fakes import WorkerOnFakes, known_in, states, wait_for
from syncer.errors import Busy, Overtaken
from syncer.forgetting import names_of_forgotten, without_words
from syncer.model import Answer, Audience, Location, State
from syncer.outbox import Refused
from syncer.phones import is_number
from syncer.reasons import Reason
from syncer.reconcile import Todo
from syncer.store import Batch, Reading, Store, database

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.model import Event, Invitee

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
OTHER = "+13125550177"
HOST = "+13125550178"


@pytest.fixture
def stage(settings: Callable[..., Any], store: Store) -> WorkerOnFakes:
    """A worker with the tutorial's rules."""
    return WorkerOnFakes(settings(environ={"HOST_PHONE": HOST}), store)


def second(store: Store) -> Store:
    """Open the same file once more, as a command beside a worker does."""
    path = Path(store.db.conn.execute("PRAGMA database_list").fetchone()[2])
    return Store(database.open_writable(path, checkpoints=False))


# Numbers as people write them.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+13125550142", True),
        ("+1 (312) 555-0142", True),
        ("1 312 555 0142", True),
        ("312-555-0142", True),
        ("call me: +1 312 555 0142 or +1 312 555 0143", True),
        ("+١٣١٢٥٥٥٠١٤٢", True),
        ("tel:+13125550142", True),
        ("555-0142", False),
        ("+14155550142", False),
        ("+44 312 555 0142", False),
        ("0142", False),
        ("", False),
        ("ring twice", False),
    ],
)
def test_a_number_is_known_however_it_is_written(text: str, found: bool) -> None:
    """With and without its country code; a part of it is somebody else's."""
    assert is_number(text, NUMBER) is found


def test_a_trunk_zero_in_brackets_is_no_digit_of_a_number() -> None:
    """As Germans and Britons write it, and at home with the zero alone."""
    assert is_number("+49 (0) 151 23456789", "+4915123456789")
    assert is_number("0151/23456789", "+4915123456789")


# Opt-outs.


def test_who_opted_out_is_not_texted_and_what_waits_is_skipped(stage: WorkerOnFakes) -> None:
    """At once, also beside a running worker; others are."""
    theirs, others = wait_for(stage, {"to": NUMBER}, {"to": OTHER})
    with second(stage.store) as operator:
        new, skipped = operator.opt_out([NUMBER, NUMBER], "by the operator", NOW)
    stage.run()

    assert (new, [message.key for message in skipped]) == (1, [theirs.key])
    assert states(stage, [theirs, others]) == [State.SKIPPED, State.SENT]
    assert [sent.to for sent in stage.gateway.texts] == [OTHER]
    assert stage.store.messages(keys=[theirs.key])[0].reason == Reason.OPTED_OUT


def test_an_opt_out_between_choosing_and_sending_counts(stage: WorkerOnFakes) -> None:
    """Each message is looked at once more, just before its claim."""
    [first, last] = wait_for(stage, {"to": OTHER}, {"to": NUMBER})

    def opt_out(_: Sent) -> None:
        stage.store.opt_out([NUMBER], "by the operator", NOW)

    stage.gateway.on_send = opt_out

    stage.run()

    assert states(stage, [first, last]) == [State.SENT, State.SKIPPED]
    assert [sent.to for sent in stage.gateway.texts] == [OTHER]


def test_what_was_planned_before_an_opt_out_and_written_after_it_does_not_leave(stage: WorkerOnFakes) -> None:
    """The list is asked again just before the claim."""
    stage.store.opt_out([NUMBER], "by the operator", NOW)
    [late] = wait_for(stage, {"to": NUMBER})

    stage.run()

    assert states(stage, [late]) == [State.SKIPPED]
    assert stage.gateway.sends == []


def test_new_bookings_of_who_opted_out_are_skipped_with_the_reason(stage: WorkerOnFakes) -> None:
    """Invitee and host alike; who is taken off the list gets what is still worth sending."""
    stage.store.opt_out([NUMBER, HOST], "by the operator", NOW)
    event = an_event()
    stage.calendly.put(event, an_invitee(event))
    stage.run()
    before = {message.rule: (message.state, message.reason) for message in stage.store.messages()}
    gone = stage.store.opt_in([NUMBER, "+13125550100"])
    stage.run()
    after = {message.rule: message.state for message in stage.store.messages()}

    rules = ("confirmation", "reminder-24h", "reminder-1h", "follow-up", "host")
    assert before == dict.fromkeys(rules, (State.SKIPPED, Reason.OPTED_OUT))
    assert gone == 1
    assert after["confirmation"] is State.SENT
    assert {after[rule] for rule in rules[1:4]} == {State.SCHEDULED}
    assert after["host"] is State.SKIPPED
    assert [sent.to for sent in stage.gateway.texts] == [NUMBER]


@pytest.mark.parametrize("code", [5013, 5019])
def test_who_unsubscribed_at_the_gateway_is_opted_out_here(stage: WorkerOnFakes, code: int) -> None:
    """It says so once; their other texts are not tried."""
    first, more = wait_for(stage, {"to": NUMBER}, {"to": NUMBER})
    stage.gateway.answer(Refused(f"EngageLab {code}: user unsubscribed", opted_out=True))

    stage.run()

    assert states(stage, [first, more]) == [State.FAILED, State.SKIPPED]
    assert stage.store.opted_out_of([NUMBER])
    assert [(one.number, one.reason) for one in stage.store.opt_outs()] == [(NUMBER, f"EngageLab {code}")]
    assert [row["key"] for row in stage.told("message.skipped")] == [more.key]
    assert len(stage.gateway.sends) == 1


# Forgetting.

ADA = "Ada Quillfeather"
ANSWER = Answer("Your mobile, and why", "312.555.0142, a knee")
PLACE = Location("outbound_call", "+1 (312) 555-0142")


def a_guest(event: Event, ident: str = "i1", **over: Any) -> Invitee:
    """An invitee with something in every field."""
    given: dict[str, Any] = {
        "name": ADA,
        "first_name": "Ada",
        "last_name": "Quillfeather",
        "email": "Ada@Quill.example",
        "answers": (ANSWER,),
        "cancel_reason": "a knee",
        "cancel_url": "https://calendly.com/cancellations/ada",
        "reschedule_url": "https://calendly.com/reschedulings/ada",
    }
    return replace(an_invitee(event, ident), **(given | over))


def contents(store: Store) -> str:
    """Everything that the tables hold."""
    return "\n".join(store.db.conn.iterdump())


TRACES = ("Ada", "Quill", "5550142", "555-0142", "555.0142", "knee", "i1", "America/Chicago")


def forget(store: Store, number: str = NUMBER) -> int:
    """Forget who has a number, as the command does."""
    uris = store.same_person(store.bookings_with(lambda text: is_number(text, number)))
    return store.forget(uris, NOW, same=is_number)


def test_a_forgotten_booking_that_is_still_listed_is_texted_no_more(stage: WorkerOnFakes) -> None:
    """Its rows hold no trace of them, whatever is read again, and nothing is planned or read for it anew."""
    event = an_event(location=PLACE)
    stage.calendly.put(event, a_guest(event))
    stage.run()
    sent = len(stage.gateway.texts)
    before = sorted(message.rule for message in stage.store.messages())

    assert forget(stage.store) == 1
    runs = []
    for later in (MINUTE, DAY, 25 * HOUR):
        stage.now += later
        runs.append(stage.run().report)

    assert [trace for trace in TRACES if trace in contents(stage.store)] == []
    assert len(stage.gateway.texts) == sent == 2
    assert runs[0].changed == 0
    assert sorted(message.rule for message in stage.store.messages()) == before
    messages = {message.rule: message for message in stage.store.messages()}
    assert {rule: message.state for rule, message in messages.items()} == {
        "confirmation": State.SENT,
        "host": State.SENT,
        "reminder-24h": State.SKIPPED,
        "reminder-1h": State.SKIPPED,
        "follow-up": State.SKIPPED,
    }
    assert messages["reminder-1h"].reason == Reason.ERASED
    assert messages["confirmation"].key.startswith("forgotten:")
    assert messages["confirmation"].key.endswith("/confirmation/2026-11-25T12:00:00Z")
    assert [state for _, state, _, _ in stage.store.history(messages["confirmation"].key)] == [
        "scheduled",
        "sending",
        "sent",
    ]


def test_who_moves_a_forgotten_booking_stays_forgotten(stage: WorkerOnFakes) -> None:
    """The new half names the old one, and the half after that names the new one."""
    first = an_event("e1")
    stage.calendly.put(first, a_guest(first))
    stage.run()
    forget(stage.store)
    sent = len(stage.gateway.texts)
    halves = [a_guest(first)]
    for number in (2, 3):
        event = an_event(f"e{number}", start=NOW + number * DAY)
        new = a_guest(event, old_invitee=halves[-1].uri)
        old = replace(halves[-1], status="canceled", rescheduled=True, new_invitee=new.uri, canceled_at=stage.now)
        stage.calendly.put(replace(an_event(f"e{number - 1}"), status="canceled", active=0), old)
        stage.calendly.put(event, new)
        halves.append(new)
        stage.now += MINUTE
        stage.run()

    assert len(stage.gateway.texts) == sent
    assert [trace for trace in TRACES if trace in contents(stage.store)] == []


def test_a_new_booking_of_a_forgotten_person_is_a_new_one(stage: WorkerOnFakes) -> None:
    """They come back of their own accord, with the same number in the same place."""
    event = an_event(location=PLACE)
    stage.calendly.put(event, a_guest(event, text_reminder_number="", answers=()))
    stage.run()
    forget(stage.store)
    again = an_event("e2", start=NOW + 3 * DAY, location=PLACE)
    stage.calendly.put(again, a_guest(again, "i2", text_reminder_number="", answers=()))
    stage.now += MINUTE
    stage.run()

    assert [sent.to for sent in stage.gateway.texts] == [NUMBER, HOST, NUMBER, HOST]


def test_an_opt_out_outlives_its_person(stage: WorkerOnFakes) -> None:
    """The number is gone from the list, its keyed hash counts."""
    event = an_event()
    stage.calendly.put(event, a_guest(event, text_reminder_number="", answers=(Answer("Phone", "312 555 0142"),)))
    stage.store.opt_out([NUMBER, OTHER], "by the operator", NOW)
    stage.run()

    forget(stage.store)

    assert [one.number for one in stage.store.opt_outs()] == ["", OTHER]
    assert stage.store.opted_out_of([NUMBER])
    assert [trace for trace in TRACES if trace in contents(stage.store)] == []
    assert stage.store.opt_out([NUMBER], "again", NOW)[0] == 1


def test_all_bookings_of_a_person_are_theirs(store: Store) -> None:
    """By e-mail and name, however they are written, and along their moves; either alone may be somebody else's."""
    events = [an_event(f"e{number}") for number in range(6)]
    people = [
        a_guest(events[0]),
        a_guest(
            events[1],
            email="ADA@quill.example",
            text_reminder_number="",
            answers=(),
            new_invitee=f"{events[2].uri}/invitees/i1",
        ),
        a_guest(events[2], email="ada@work.example", answers=()),
        an_invitee(events[3], email="brother@quill.example"),
        an_invitee(events[4], text_reminder_number=OTHER, email=""),
        a_guest(events[5], name="Byron King", text_reminder_number=OTHER, answers=()),
    ]
    bookings = [a_booking(event, invitee) for event, invitee in zip(events, people, strict=True)]
    store.commit(Batch([Reading(event, NOW) for event in events], bookings), Todo(), NOW)

    uris = [booking.uri for booking in bookings]
    by_mail = store.same_person(store.booking_uris(email="ada@quill.example"))

    assert by_mail == [*uris[:3], uris[5]]
    assert store.same_person([uris[1]]) == uris[:3]
    assert (store.same_email(uris[:3]), store.same_email([*uris[:3], uris[5]])) == (1, 0)
    assert store.bookings_with(lambda text: is_number(text, NUMBER)) == [bookings[i].uri for i in (0, 2, 3)]
    assert store.same_person([bookings[4].uri]) == [bookings[4].uri]


def test_the_place_of_a_group_stays_for_the_others(store: Store) -> None:
    """Where one guest typed the place, the others still need it; a number to call is nobody else's."""
    where = Location("ask_invitee", "The corner cafe")
    alone, group, call = an_event("e1", location=where), an_event("e2", location=where, total=2), an_event("e3")
    call = replace(call, location=PLACE, total=2)
    guests = [a_booking(event, a_guest(event)) for event in (alone, group, call)]
    store.commit(Batch([Reading(one.event, NOW) for one in guests], guests), Todo(), NOW)

    store.forget([one.uri for one in guests], NOW, same=is_number)

    left = [known.event.location for known in known_in(store).values()]
    assert [place and place.place for place in left] == ["", "The corner cafe", ""]
    assert [store.veil(names_of_forgotten([event])).event(event).location for event in (alone, group, call)] == left


@pytest.mark.usefixtures("as_worded")
def test_what_the_gateway_said_about_them_goes_too(store: Store) -> None:
    """Its words may repeat a number; its codes stay."""
    detail = f"EngageLab 3003: {NUMBER} is no number of Ada's (tried 3 times)"
    message = a_message(state=State.FAILED, reason=Reason.PROVIDER_REFUSED, detail=detail, attempts=3)
    waited: dict[str, Any] = {"state": State.EXPIRED, "reason": Reason.LATE, "detail": f"it waited: {detail}"}
    expired = a_message(rule="host", audience=Audience.HOST, to=HOST, **waited)
    booking = a_booking(invitee=a_guest(an_event()))
    store.commit(Batch([Reading(booking.event, NOW)], [booking]), Todo((message, expired)), NOW)

    store.forget([booking.uri], NOW, same=is_number)

    assert [row.detail for row in store.messages()] == ["EngageLab 3003", "it waited: EngageLab 3003"]
    assert [trace for trace in TRACES if trace in contents(store)] == []
    assert without_words("EngageLab HTTP 502: x") == "EngageLab HTTP 502"


def test_nobody_is_forgotten_while_a_text_is_on_its_way(store: Store) -> None:
    """Its answer could not be kept; a moment later it can."""
    message = a_message()
    booking = a_booking(invitee=a_guest(an_event()))
    store.commit(Batch([Reading(booking.event, NOW)], [booking]), Todo((message,)), NOW)
    store.claim(message, NOW)

    with pytest.raises(Busy, match="on its way"):
        forget(store)

    assert ADA in contents(store)


class Slow(FakeCalendly):
    """Somebody is forgotten while a run has read them and not yet written."""

    between: Callable[[], object] = staticmethod(lambda: None)

    def invitees(self, event_uri: str) -> tuple[Invitee, ...]:
        """Read them, and then let it happen."""
        found = super().invitees(event_uri)
        self.between()
        return found


def test_a_run_does_not_write_back_whom_it_had_read_before(stage: WorkerOnFakes) -> None:
    """`forget` comes between the reading and the commit: the run looks again, and writes what is left of them."""
    stage.calendly = Slow()
    event = an_event(location=PLACE)
    stage.calendly.put(event, a_guest(event))
    stage.run()
    sent = len(stage.gateway.texts)
    with second(stage.store) as operator:
        stage.calendly.between = lambda: forget(operator)
        moved = replace(event, start=event.start + HOUR, end=event.end + HOUR)
        stage.calendly.put(moved, a_guest(moved))
        stage.run()

    assert [trace for trace in TRACES if trace in contents(stage.store)] == []
    assert len(stage.gateway.texts) == sent


def test_a_plan_made_before_is_not_committed(store: Store) -> None:
    """Nor are its messages, whatever else the batch holds."""
    booking = a_booking(invitee=a_guest(an_event()))
    store.commit(Batch([Reading(booking.event, NOW)], [booking]), Todo(), NOW)
    assert store.veil([booking.uri]).marks == frozenset()
    with second(store) as operator:
        forget(operator)

    with pytest.raises(Overtaken, match="forgotten"):
        store.commit(Batch(), Todo((a_message(booking),)), NOW)

    assert store.messages() == []


def test_who_is_erased_at_calendly_leaves_no_number_in_the_place(stage: WorkerOnFakes) -> None:
    """Calendly goes on listing the place: it stays hidden, and costs no further reading."""
    event = an_event(location=PLACE)
    stage.calendly.put(event, a_guest(event))
    stage.run()
    stage.calendly.put(replace(event, active=0), a_guest(event, name="", email="1e99@deleted.calendly.com"))
    stage.now += MINUTE
    stage.run()
    stage.now += MINUTE
    last = stage.run().report

    found = [trace for trace in ("Ada", "Quill", "5550142", "555-0142", "knee") if trace in contents(stage.store)]
    assert found == []
    assert last.changed == 0


# Retention.


def test_finished_bookings_lose_their_people(settings: Callable[..., Any], store: Store) -> None:
    """After the time that the settings say; keys and states stay, and nobody is texted again."""
    stage = WorkerOnFakes(settings('[retention]\nafter = "10d"', {"HOST_PHONE": HOST}), store)
    event = an_event(location=PLACE)
    stage.calendly.put(event, a_guest(event))
    at = []
    for day in (0, 1, 2, 3, 11, 13):
        stage.now = NOW + day * DAY
        stage.run()
        at.append(ADA in contents(store))
    sent = len(stage.gateway.texts)
    keys = {message.key: message.state for message in store.messages()}
    stage.now += HOUR
    stage.run()

    assert at == [True, True, True, True, True, False]
    assert [trace for trace in TRACES if trace in contents(store) and trace != "i1"] == []
    assert {message.key: message.state for message in store.messages()} == keys
    assert set(keys.values()) <= {State.SENT, State.EXPIRED, State.SKIPPED}
    assert len(stage.gateway.texts) == sent > 2
    assert not store.wants_scrub()


def test_who_is_still_listed_is_not_erased_to_be_read_again(settings: Callable[..., Any], store: Store) -> None:
    """A listing that reaches further back than the retention would bring them back each time."""
    stage = WorkerOnFakes(settings('lookback = "20d"\n[retention]\nafter = "1d"', {"HOST_PHONE": HOST}), store)
    event = an_event()
    stage.calendly.put(event, a_guest(event))
    there = []
    for day in (0, 10, 30):
        stage.now = NOW + day * DAY
        stage.run()
        there.append(ADA in contents(store))

    assert there == [True, True, False]


def test_what_waits_is_not_retained_away(store: Store) -> None:
    """A booking with a message on its way, or one that is still to come, keeps its person."""
    old = an_event("e1", start=NOW - 30 * DAY)
    waiting, done = a_booking(old, a_guest(old)), a_booking(old, a_guest(old, "i2"))
    store.commit(Batch([Reading(old, NOW)], [waiting, done]), Todo((a_message(waiting),)), NOW)

    assert store.retain(NOW - 10 * DAY, NOW) == 1
    assert store.retain(NOW - 10 * DAY, NOW) == 0
    assert [one.invitee.name for one in store.bookings(events=[old.uri]).values()] == [ADA, ""]


# The file.


def test_who_reads_all_the_time_keeps_the_log_and_nothing_else(stage: WorkerOnFakes, tmp_path: Path) -> None:
    """A reader's lock: the file is written anew once, the log is tried again each run, and that is told once."""
    event = an_event()
    stage.calendly.put(event, a_guest(event))
    stage.run()
    stage.store.db.conn.execute("PRAGMA busy_timeout = 0")
    forget(stage.store)
    with second(stage.store) as reader:
        reader.db.conn.execute("BEGIN")
        reader.db.conn.execute("SELECT * FROM meta").fetchall()
        worker, told = stage.worker(), []
        for _ in range(2):
            stage.log.clear()
            worker.run_once()
            told.append([row["limit"] for row in stage.told("limit.reached")])
        left = stage.store.meta("scrub")
        reader.db.conn.rollback()
    worker.run_once()

    assert told == [["database"], []]
    assert left == "log"
    assert not stage.store.wants_scrub()
    files = b"".join(path.read_bytes() for path in tmp_path.glob("syncer.db*"))
    assert [trace for trace in TRACES if trace != "i1" and trace.encode() in files] == []


def test_the_file_is_rewritten_whatever_once_wrote_to_it(stage: WorkerOnFakes, tmp_path: Path) -> None:
    """A program that did not clear what it deleted has left a copy between the rows: gone, and the log with it."""
    event = an_event()
    stage.calendly.put(event, a_guest(event))
    stage.run()
    file = tmp_path / "syncer.db"
    with contextlib.closing(sqlite3.connect(file)) as careless:
        careless.execute("PRAGMA secure_delete = 0")
        for reason in (f"a left elbow {'x' * 900}", ""):
            careless.execute("UPDATE bookings SET cancel_reason = ?", [reason])
            careless.commit()
    forget(stage.store)
    stage.store.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = b"left elbow" in file.read_bytes()

    stage.store.scrub()

    files = b"".join(path.read_bytes() for path in tmp_path.glob("syncer.db*"))
    assert before
    assert b"left elbow" not in files
    assert (tmp_path / "syncer.db-wal").stat().st_size < 10_000
