"""The snapshot and the outbox: what the schema holds by itself, compare-and-set, and all or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders import API, NOW, NUMBER, a_booking, a_message, an_event, an_invitee
from support.databases import a_store, a_store_in_memory
from support.repository import ROOT
from support.rewording import details_as_worded
from support.worker_on_fakes import known_in
from syncer.births import Coverage
from syncer.diff import Known
from syncer.errors import Overtaken, StoreError, WrongDatabase
from syncer.model import (
    WAITING,
    Answer,
    Audience,
    Booking,
    Change,
    ChangeKind,
    Event,
    Host,
    Invitee,
    Location,
    Message,
    State,
    Takeover,
    utc_text,
)
from syncer.outages import Outage
from syncer.outbox import MOVES, Settlement, may_move
from syncer.phones import is_number
from syncer.reasons import Reason, in_words
from syncer.reconcile import Todo
from syncer.rules import Trigger
from syncer.store import Batch, Reading, Store, UnreadableEvent, database, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPTS = sorted((ROOT / "migrations").glob("*.sql"))
ACCOUNT = f"{API}/organizations/o1"
USER = f"{API}/users/u1"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def put(store: Store, *bookings: Booking, messages: tuple[Message, ...] = (), now: datetime = NOW) -> None:
    """Commit bookings, their events and some messages."""
    readings = {booking.event.uri: Reading(booking.event, now) for booking in bookings}
    store.commit(Batch(list(readings.values()), bookings), Todo(messages), now)


def a_message_in(state: State, booking: Booking | None = None, **over: Any) -> Message:
    """Make a message that has come so far, with all that its state asks for."""
    fields: dict[str, Any] = {"state": state, "reason": Reason.NO_ANSWER, "attempts": 1, "provider_message_id": "p1"}
    return a_message(booking, **(fields | over))


def one(store: Store, key: str) -> Message:
    """Read one message."""
    [found] = store.messages(keys=[key])
    return found


def dump(store: Store) -> list[str]:
    """Read the whole database, as statements."""
    return list(store.db.conn.iterdump())


@pytest.fixture
def kept(store: Store) -> tuple[Store, Message]:
    """A store that holds one booking and its message, due now."""
    message = a_message()
    put(store, a_booking(), messages=(message,))
    return store, message


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """A second connection to the same file: what a program beside the worker would have."""
    path = store.db.conn.execute("PRAGMA database_list").fetchone()[2]
    with Store(database.open_writable(Path(path))) as opened:
        yield opened


# The schema: what it refuses, whatever the program above it does.

SOUND: dict[str, dict[str, Any]] = {
    "meta": {"name": "account", "value": ACCOUNT},
    "rules": {"name": "confirmation", "covers": "{}", "born_at": utc_text(NOW)},
    "reasons": {"code": "of_another_release", "sentence": "It is so.", "remedy": ""},
    "events": rows.event_row(an_event("e9"), read_at=NOW, reread_at=NOW, settles_at=NOW),
    "unreadable_events": {
        "uri": "e8",
        "since": utc_text(NOW),
        "failures": 1,
        "retry_at": utc_text(NOW),
        "error": "403",
    },
    "bookings": rows.booking_row(a_booking(invitee=an_invitee(an_event(), "i9")), id="b-9"),
    "event_types": {"uri": "t1", "phone_questions": "[]", "read_at": utc_text(NOW)},
    "messages": rows.message_row(a_message(rule="reminder-1h")) | {"id": "m-9"},
    "refusals": {"code": "3003", "template": "1001", "message": "m-9", "number": "n", "unbroken": 1},
    "outages": rows.outage_row(Outage(since=NOW, silent=3, pause=HOUR, until=NOW + HOUR)),
    "test_texts": {
        "at": utc_text(NOW),
        "rule": "confirmation",
        "language": "en",
        "template": "1001",
        "number_digest": "n",
        "outcome": "sent",
        "code": "",
        "segments": 1,
        "provider_message_id": "p1",
    },
    "optouts": {"digest": "d", "number": NUMBER, "added_at": utc_text(NOW), "reason": "by the operator"},
    "forgotten": {"digest": "d", "at": utc_text(NOW), "ends_at": utc_text(NOW)},
    "message_counts": {"state": "another", "n": 1},
    "pruned_messages": {"id": "m-0123456789abcdef"},
    "templates": {"template": "1001", "digest": "d", "seen_at": utc_text(NOW)},
    "history": {"key": "k", "at": utc_text(NOW), "state": "sent", "reason": None, "detail": ""},
    "changes": {"at": utc_text(NOW), "booking": "b", "event": "e", "kind": "created", "detail": ""},
    "runs": {
        "id": "r1",
        "started_at": utc_text(NOW),
        "ended_at": utc_text(NOW),
        "checked": 1,
        "outcome": "completed",
        "counts": "{}",
        "error": "",
    },
}
"""For each table a row that it takes."""

EARLIER = utc_text(NOW - HOUR)
BROKEN = [
    pytest.param("meta", {"name": "born"}, id="a value nobody knows"),
    pytest.param("events", {"location": "[]"}, id="a location that is no table"),
    pytest.param("events", {"hosts": "{}"}, id="hosts that are no list"),
    pytest.param("bookings", {"answers": "null"}, id="answers that are no list"),
    pytest.param("bookings", {"rescheduled": 2}, id="rescheduled is neither yes nor no"),
    pytest.param("event_types", {"phone_questions": ""}, id="questions that are no list"),
    pytest.param("messages", {"audience": "guest"}, id="an audience nobody knows"),
    pytest.param("messages", {"params": "[]"}, id="params that are no table"),
    pytest.param("messages", {"state": "queued"}, id="a state nobody knows"),
    pytest.param(
        "messages", {"expires_at": EARLIER, "meeting_at": EARLIER}, id="a follow-up that expires before it is due"
    ),
    pytest.param("messages", {"attempts": -1}, id="fewer than no attempts"),
    pytest.param("messages", {"refusals": -1}, id="fewer than no refusals"),
    pytest.param("messages", {"state": "sent", "attempts": 1}, id="sent, but neither an id nor a reason"),
    pytest.param("messages", {"state": "failed", "attempts": 1}, id="failed for no reason"),
    pytest.param("messages", {"state": "unknown", "attempts": 1}, id="unknown for no reason"),
    pytest.param("messages", {"state": "canceled"}, id="canceled for no reason"),
    pytest.param("messages", {"state": "expired"}, id="expired for no reason"),
    pytest.param("messages", {"state": "skipped"}, id="skipped for no reason"),
    pytest.param("messages", {"recipient": ""}, id="scheduled to nobody"),
    pytest.param("messages", {"template": ""}, id="scheduled with nothing to say"),
    pytest.param("messages", {"state": "sending", "recipient": "", "attempts": 1}, id="sending to nobody"),
    pytest.param("messages", {"state": "retryable", "template": "", "attempts": 1}, id="retryable with nothing to say"),
    pytest.param("messages", {"state": "sent", "recipient": "", "reason": "by_operator"}, id="sent to nobody"),
    pytest.param("messages", {"state": "sending"}, id="sending without an attempt"),
    pytest.param("messages", {"state": "unknown", "reason": "no_answer", "recipient": ""}, id="unknown, but to nobody"),
    pytest.param("messages", {"state": "failed", "reason": "provider_refused"}, id="failed without an attempt"),
    pytest.param("messages", {"state": "retryable"}, id="retryable without an attempt"),
    pytest.param("rules", {"covers": "all"}, id="what a rule covers, in another form"),
    pytest.param("reasons", {"code": "Not a code"}, id="a code with other characters"),
    pytest.param("unreadable_events", {"failures": 0}, id="unreadable without a failure"),
    pytest.param("unreadable_events", {"error": ""}, id="unreadable for no reason"),
    pytest.param("bookings", {"id": "9"}, id="a booking's id of another form"),
    pytest.param("bookings", {"starts": "[]"}, id="starts that are no table"),
    pytest.param("bookings", {"takeovers": "[]"}, id="takeovers that are no table"),
    pytest.param("messages", {"id": "9"}, id="a message's id of another form"),
    pytest.param("messages", {"segments": -1}, id="fewer than no segments"),
    pytest.param("refusals", {"code": ""}, id="a refusal without a code"),
    pytest.param("refusals", {"unbroken": 2}, id="neither broken nor unbroken"),
    pytest.param("outages", {"id": 2}, id="a second outage"),
    pytest.param("outages", {"silent": 0}, id="an outage in which nothing was missed"),
    pytest.param("outages", {"pause_s": -1}, id="a pause into the past"),
    pytest.param("outages", {"pause_s": 0}, id="an end of no pause"),
    pytest.param("outages", {"ends_at": None}, id="a pause without an end"),
    pytest.param("test_texts", {"outcome": "delivered"}, id="an outcome of a test that nobody knows"),
    pytest.param("test_texts", {"segments": -1}, id="a test of fewer than no segments"),
    pytest.param("optouts", {"number": "0912345678"}, id="a number without a country code"),
    pytest.param("changes", {"kind": "cancelled"}, id="a change nobody knows"),
    pytest.param("runs", {"outcome": "ok"}, id="an outcome nobody knows"),
    pytest.param("runs", {"checked": 2}, id="a clock that is neither checked nor not"),
    pytest.param("runs", {"counts": "[]"}, id="counts that are no table"),
    pytest.param("message_counts", {"n": -1}, id="message_counts-n"),
    pytest.param("pruned_messages", {"id": "0123456789abcdef"}, id="pruned_messages-id"),
]
"""Rows that break one CHECK each."""


def message_row(message: Message) -> dict[str, Any]:
    """Make a whole row of a message, with an id as the store would give it one."""
    return rows.message_row(message) | {"id": f"m-{message.key}"}


def insert(store: Store, table: str, row: dict[str, Any]) -> None:
    """Insert a row behind the program's back, and take it out again if that is refused."""
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    try:
        store.db.conn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608  our own tables
        store.db.conn.commit()
    except sqlite3.Error:
        store.db.conn.rollback()
        raise


@pytest.mark.parametrize("table", SOUND)
def test_sound_rows_are_taken(kept: tuple[Store, Message], table: str) -> None:
    """The rows that the tables below break are in order before they are broken."""
    store, _ = kept
    insert(store, table, SOUND[table])

    assert store.db.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0  # noqa: S608  our own tables


@pytest.mark.parametrize(("table", "broken"), BROKEN)
def test_each_check_refuses(kept: tuple[Store, Message], table: str, broken: dict[str, Any]) -> None:
    """A row that makes no sense cannot be written, by whatever program."""
    store, _ = kept
    before = dump(store)

    with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
        insert(store, table, SOUND[table] | broken)

    assert dump(store) == before


def test_every_check_is_broken_above(kept: tuple[Store, Message]) -> None:
    """The table above leaves out no CHECK of the schema."""
    store, _ = kept
    script = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    told = set()
    for case in BROKEN:
        table, broken = case.values
        assert isinstance(table, str)
        with pytest.raises(sqlite3.IntegrityError) as caught:
            insert(store, table, SOUND[table] | dict(broken))  # type: ignore[call-overload]
        told.add((table, re.sub(r"\s+", " ", str(caught.value))))

    assert len(told) == len(re.findall(r"CHECK \(", script))


def columns(store: Store) -> list[tuple[str, str, str, bool]]:
    """List all columns of our tables: table, name, type, whether it must have a value."""
    return [
        (table, name, kind, bool(needed))
        for table in SOUND
        for _, name, kind, needed, _, _ in store.db.conn.execute(f"PRAGMA table_info({table})")
        if (name != "id" or table == "runs") and (table, name) != ("runs", "number")
    ]


def test_all_tables_are_known_and_strict(store: Store) -> None:
    """A column holds what it says it holds; the list above has all tables."""
    tables = {row[1]: row[5] for row in store.db.conn.execute("PRAGMA table_list") if row[2] == "table"}
    ours = {name: strict for name, strict in tables.items() if not name.startswith(("sqlite_", "_sqlite_"))}

    assert ours == dict.fromkeys(SOUND, 1)


def test_each_column_refuses_a_value_of_another_type(kept: tuple[Store, Message]) -> None:
    """STRICT: no bytes in a text, no text in a number."""
    store, _ = kept
    all_columns = columns(store)
    for table, name, kind, _ in all_columns:
        value: object = b"bytes" if kind == "TEXT" else "many"
        with pytest.raises(sqlite3.IntegrityError, match=f"cannot store (BLOB|TEXT) value in {kind} column {table}"):
            insert(store, table, SOUND[table] | {name: value})

    assert {kind for _, _, kind, _ in all_columns} == {"TEXT", "INTEGER"}
    assert len(all_columns) > 60


def test_only_moments_and_reasons_may_be_null(kept: tuple[Store, Message]) -> None:
    """Everything else has a value, if only an empty one. A reason points to the table of reasons, or to nothing."""
    store, _ = kept
    optional = {(table, name) for table, name, _, needed in columns(store) if not needed}
    for table, name, _, needed in columns(store):
        if needed:
            with pytest.raises(sqlite3.IntegrityError, match=f"NOT NULL constraint failed: {table}.{name}"):
                insert(store, table, SOUND[table] | {name: None})

    assert optional == {
        ("events", "mark"),
        ("events", "reread_at"),
        ("events", "settles_at"),
        ("events", "missing_at"),
        ("bookings", "created_at"),
        ("bookings", "canceled_at"),
        ("bookings", "no_show_at"),
        ("bookings", "moved_at"),
        ("bookings", "missing_at"),
        ("messages", "reason"),
        ("history", "reason"),
        ("outages", "ends_at"),
    }


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE bookings SET event = 'nowhere'", id="a booking of an event that is not there"),
        pytest.param("UPDATE messages SET booking = 'nobody'", id="a message about a booking that is not there"),
        pytest.param("DELETE FROM events", id="an event goes before its bookings"),
        pytest.param("DELETE FROM bookings", id="a booking goes before its messages"),
    ],
)
def test_nothing_points_to_nothing(kept: tuple[Store, Message], statement: str) -> None:
    """Foreign keys are held; a sent key cannot lose its booking."""
    store, _ = kept

    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY constraint failed"):
        store.db.conn.execute(statement)

    store.db.conn.rollback()


def test_the_database_allows_the_moves_of_the_picture_and_no_others(store: Store) -> None:
    """The trigger and `outbox.MOVES` agree on all 81 pairs of states."""
    put(store, a_booking())
    allowed = set()
    for old in State:
        for new in State:
            insert(store, "messages", message_row(a_message_in(old, key=f"{old}>{new}")))
            with contextlib.suppress(sqlite3.IntegrityError):
                store.db.conn.execute("UPDATE messages SET state = ? WHERE key = ?", [new, f"{old}>{new}"])
                allowed.add((old, new))
            store.db.conn.commit()

    wanted = {(old, new) for old in State for new in MOVES[old]} | {(state, state) for state in State}
    assert allowed == wanted
    assert {(old, new) for old in State for new in State if may_move(old, new)} == wanted - {(s, s) for s in State}


def test_what_was_claimed_is_frozen(store: Store) -> None:
    """Text, number and template stay as they were when the message left; before and after they follow the booking."""
    put(store, a_booking(), a_booking(invitee=an_invitee(an_event(), "i2")))
    fresh = {
        "recipient": "+13125550143",
        "template": "1002",
        "params": '{"name":"Somebody Else"}',
        "rule": "host",
        "booking": f"{an_event().uri}/invitees/i2",
        "language": "de",
        "next_at": utc_text(NOW + HOUR),
        "reason": Reason.BY_OPERATOR,
        "detail": "other words",
    }
    refused = set()
    for state in State:
        insert(store, "messages", message_row(a_message_in(state, key=state)))
        for column, value in fresh.items():
            sql = f"UPDATE messages SET {column} = ? WHERE key = ?"  # noqa: S608  the names above
            try:
                store.db.conn.execute(sql, [value, state])
            except sqlite3.IntegrityError as error:
                refused.add((state, column, str(error)))
            store.db.conn.commit()

    claimed = (State.SENDING, State.SENT, State.UNKNOWN)
    frozen = ("recipient", "template", "params", "rule", "booking")
    assert refused == {
        (state, column, "a message is frozen once it is claimed") for state in claimed for column in frozen
    }


@pytest.mark.parametrize(
    ("state", "to"),
    [(State.SENDING, State.SENT), (State.UNKNOWN, State.SCHEDULED), (State.UNKNOWN, State.CANCELED)],
)
def test_a_move_changes_no_frozen_text(store: Store, state: State, to: State) -> None:
    """Not even on its way to a state in which it may change again."""
    message = a_message_in(state)
    put(store, a_booking(), messages=(message,))

    with pytest.raises(StoreError, match="frozen"):
        store.move(replace(message, params={"name": "Somebody Else"}), to, Reason.BY_OPERATOR, NOW)

    assert one(store, message.key) == message


@pytest.mark.parametrize("state", State)
def test_only_erasing_a_person_touches_what_has_left(store: Store, state: State) -> None:
    """Number and params may be taken out, both, and nothing else with them; while it is on its way, not even they."""
    put(store, a_booking(), messages=(a_message_in(state),))
    tried = {
        "half of it": "recipient = 'erased'",
        "more than it": "recipient = 'erased', params = '{}', template = '1002'",
        "another number": "recipient = '+13125550143', params = '{}'",
        "all of it": "recipient = 'erased', params = '{}'",
    }
    refused = set()
    for what, change in tried.items():
        try:
            store.db.conn.execute(f"UPDATE messages SET {change}")  # noqa: S608  the texts above
        except sqlite3.IntegrityError:
            refused.add(what)
        store.db.conn.rollback()

    left = {"half of it", "more than it", "another number"}
    assert refused == {State.SENDING: {*left, "all of it"}, State.SENT: left, State.UNKNOWN: left}.get(state, set())


def test_who_is_erased_is_taken_out_of_all_messages(store: Store) -> None:
    """Number and texts of theirs go, the host's number stays; keys, states and stories stay: no text goes out again."""
    booking, other = a_booking(), a_booking(an_event("e2"))
    settled = [state for state in State if state not in {*WAITING, State.SENDING}]
    theirs = [a_message_in(state, booking, key=f"to them, {state}") for state in settled]
    hosts = [
        replace(message, key=f"to the host, {message.state}", audience=Audience.HOST, to="+13125550177")
        for message in theirs
    ]
    others = [a_message_in(State.SENT, other)]
    put(store, booking, other, messages=(*theirs, *hosts, *others))
    history = {message.key: store.history(message.key) for message in store.messages()}
    gone = replace(booking, invitee=replace(booking.invitee, name="", email="x@deleted.calendly.com"))
    for now in (NOW, NOW + HOUR):
        put(store, gone, now=now)

    wanted = {message.key: replace(message, to="erased", params={}) for message in theirs}
    wanted |= {message.key: replace(message, params={}) for message in hosts}
    wanted |= {message.key: message for message in others}
    assert {message.key: message for message in store.messages()} == wanted
    assert {key: store.history(key) for key in wanted} == history
    assert store.messages_to(NUMBER) == others


@pytest.mark.usefixtures("as_worded")
def test_history_is_written_by_the_database(kept: tuple[Store, Message]) -> None:
    """Each state and reason with its detail and time, in order; other changes leave no line; no line has a number."""
    store, message = kept
    at = [NOW + timedelta(minutes=minute) for minute in range(6)]
    noted = store.note(message, Reason.WAITS_LIMIT, at[1], "a number range")
    store.commit(Batch(), Todo(updates=((State.SCHEDULED, replace(noted, language="de", changed_at=at[2])),)), at[2])
    claimed = store.claim(one(store, message.key), at[3])
    store.settle(claimed, Settlement(State.UNKNOWN, Reason.NO_ANSWER, "EngageLab 500"), at[4])
    store.move(one(store, message.key), State.SENT, Reason.BY_OPERATOR, at[5], "sent")

    assert store.history(message.key) == [
        (at[0], State.SCHEDULED, Reason.NONE, ""),
        (at[1], State.SCHEDULED, Reason.WAITS_LIMIT, "a number range"),
        (at[3], State.SENDING, Reason.NONE, ""),
        (at[4], State.UNKNOWN, Reason.NO_ANSWER, "EngageLab 500"),
        (at[5], State.SENT, Reason.BY_OPERATOR, "sent"),
    ]
    assert store.history("another key") == []


# There and back.

texts = st.text(max_size=20)
filled = st.text(min_size=1, max_size=20)
moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))
maybe = st.none() | moments
counts = st.integers(-(2**63), 2**63 - 1)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Make any event."""
    return Event(
        uri=draw(texts),
        name=draw(texts),
        status=draw(texts),
        start=draw(moments),
        end=draw(moments),
        event_type=draw(texts),
        location=draw(st.none() | st.builds(Location, texts, texts, texts)),
        hosts=tuple(draw(st.lists(st.builds(Host, texts, texts, texts), max_size=3))),
        total=draw(counts),
        active=draw(counts),
        external_id=draw(texts),
    )


takeovers = st.builds(Takeover, host=st.builds(Host, texts, texts, texts), count=counts, since=maybe, until=maybe)


@st.composite
def bookings(draw: st.DrawFn) -> Booking:
    """Make any booking."""
    event = draw(events())
    invitee = draw(
        st.builds(
            Invitee,
            uri=texts,
            email=filled.filter(lambda text: not text.endswith("@deleted.calendly.com")),  # erased people are purged
            event=st.just(event.uri),
            answers=st.lists(st.builds(Answer, texts, texts), max_size=3).map(tuple),
            created_at=maybe,
            canceled_at=maybe,
            no_show_at=maybe,
            rescheduled=st.booleans(),
            **dict.fromkeys(
                "name first_name last_name status timezone text_reminder_number old_invitee new_invitee"
                " scheduled_by canceler_type cancel_reason cancel_url reschedule_url".split(),
                texts,
            ),
        )
    )
    return Booking(
        event=event,
        invitee=invitee,
        seen_at=draw(moments),
        read_at=draw(moments),
        moved_at=draw(maybe),
        starts=draw(st.dictionaries(texts, counts, max_size=3)),
        takeovers=draw(st.dictionaries(texts, takeovers, max_size=3)),
        missing_at=draw(maybe),
        phone_source=draw(texts),
        phone_question=draw(texts),
    )


@st.composite
def messages_about(draw: st.DrawFn, booking: Booking) -> Message:
    """Make any message about a booking that the schema takes."""
    scheduled_at, expires_at = sorted([draw(moments), draw(moments)])
    return Message(
        key=draw(texts),
        rule=draw(texts),
        booking=booking.uri,
        audience=draw(st.sampled_from(Audience)),
        to=draw(filled),
        language=draw(texts),
        template=draw(filled),
        params=draw(st.dictionaries(texts, texts, max_size=3)),
        state=draw(st.sampled_from(State)),
        reason=draw(st.sampled_from(Reason).filter(bool)),
        detail=draw(texts),
        scheduled_at=scheduled_at,
        next_at=draw(moments),
        expires_at=expires_at,
        meeting_at=draw(moments),
        changed_at=draw(moments),
        timezone=draw(texts),
        attempts=draw(st.integers(1, 2**63 - 1)),
        refusals=draw(st.integers(0, 2**63 - 1)),
        provider_message_id=draw(texts),
        provider_plan_id=draw(texts),
    )


def in_memory() -> Store:
    """Make an empty store without a file."""
    return a_store_in_memory(now=NOW)


@settings(deadline=None, max_examples=60)
@given(st.data(), bookings(), maybe)
def test_what_is_written_is_read(data: st.DataObject, booking: Booking, settles_at: datetime | None) -> None:
    """Events, bookings and messages come back from the database as they went in, whatever the text, to the second."""
    message = data.draw(messages_about(booking))
    with details_as_worded(), in_memory() as store:
        reading = Reading(booking.event, booking.read_at, settles_at)
        store.commit(Batch([reading], [booking]), Todo((message,)), NOW)
        uri = booking.event.uri

        known = Known(event=booking.event, read_at=booking.read_at, settles_at=settles_at)
        assert known_in(store) == {uri: known}
        assert store.bookings([booking.uri]) == {booking.uri: booking}
        assert store.bookings(events=[uri]) == {booking.uri: booking}
        assert list(store.bookings_since(None)) == [(booking.event.start, [booking])]
        assert store.messages_of([booking.uri]) == {booking.uri: [message]}
        assert store.messages() == [message]
        assert store.messages_to(message.to) == [message]


@given(moments, moments)
def test_text_order_is_time_order(one_time: datetime, other_time: datetime) -> None:
    """The database compares times as text."""
    assert (utc_text(one_time) < utc_text(other_time)) == (one_time < other_time)


@settings(deadline=None, max_examples=20)
@given(st.sets(texts, max_size=5), moments)
def test_questions_are_read_as_they_were_written(questions: set[str], now: datetime) -> None:
    """With when Calendly said so; a later word replaces the earlier one; an event type never asked about has none."""
    with in_memory() as store:
        store.remember_questions("t1", ["Phone"], NOW)
        store.remember_questions("t1", questions, now)

        assert store.phone_questions("t1") == (frozenset(questions), now)
        assert store.phone_questions("t2") is None


# Compare and set.


def settled(store: Store, message: Message) -> None:
    """Let a message fail, twice claimed."""
    first = store.claim(message, NOW)
    again = store.settle(first, Settlement(State.RETRYABLE, Reason.PROVIDER_LATER, next_at=NOW), NOW)
    store.claim(again, NOW)


STALE: list[Any] = [
    pytest.param(
        lambda store, message: store.claim(message, NOW),
        lambda store, message: store.claim(message, NOW),
        id="claimed twice",
    ),
    pytest.param(
        lambda store, message: store.move(message, State.CANCELED, Reason.BOOKING_CANCELED, NOW),
        lambda store, message: store.claim(message, NOW),
        id="claimed, but canceled meanwhile",
    ),
    pytest.param(
        lambda store, message: store.claim(message, NOW),
        lambda store, message: store.move(message, State.CANCELED, Reason.BOOKING_CANCELED, NOW),
        id="canceled, but claimed meanwhile",
    ),
    pytest.param(
        lambda store, message: store.claim(message, NOW),
        lambda store, message: store.move(message, message.state, Reason.QUIET_HOURS, NOW),
        id="put off, but claimed meanwhile",
    ),
    pytest.param(
        lambda _, __: None,
        lambda store, message: store.settle(message, Settlement(State.SENT, message_id="p1"), NOW),
        id="settled without a claim",
    ),
    pytest.param(
        settled,
        lambda store, message: store.settle(replace(message, attempts=1), Settlement(State.SENT, message_id="p1"), NOW),
        id="an answer to an earlier attempt",
    ),
    pytest.param(
        lambda store, message: store.settle(
            store.claim(message, NOW), Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "3002 no"), NOW
        ),
        lambda store, message: store.settle(replace(message, attempts=1), Settlement(State.SENT, message_id="p1"), NOW),
        id="settled twice",
    ),
    pytest.param(
        lambda store, _: store._execute("UPDATE messages SET attempts = 7"),
        lambda store, message: store.claim(message, NOW),
        id="the same state, another attempt",
    ),
    pytest.param(
        lambda _, __: None,
        lambda store, message: store.claim(replace(message, key="another"), NOW),
        id="a key that is not there",
    ),
    pytest.param(
        lambda _, __: None,
        lambda store, message: store.move(message, State.SENT, Reason.BY_OPERATOR, NOW),
        id="a move that the picture does not have",
    ),
    pytest.param(
        lambda store, message: store.move(message, State.EXPIRED, Reason.LATE, NOW),
        lambda store, message: store.commit(Batch(), Todo(updates=((State.SCHEDULED, message),)), NOW),
        id="a plan for what has expired meanwhile",
    ),
]


@pytest.mark.parametrize(("first", "then"), STALE)
def test_a_stale_value_moves_nothing(
    kept: tuple[Store, Message], first: Callable[[Store, Message], object], then: Callable[[Store, Message], object]
) -> None:
    """Who read a message before somebody else moved it gets an error, and the row stays as the other one left it."""
    store, message = kept
    first(store, message)
    store.db.conn.commit()
    before = dump(store)

    with pytest.raises((Overtaken, StoreError)) as caught:
        then(store, message)

    assert caught.value.remedy
    assert dump(store) == before
    assert not store.db.conn.in_transaction


@pytest.mark.parametrize(("first", "then"), STALE)
def test_a_stale_value_of_another_connection_moves_nothing(
    kept: tuple[Store, Message],
    other: Store,
    first: Callable[[Store, Message], object],
    then: Callable[[Store, Message], object],
) -> None:
    """The same between two programs: the database decides, not what either of them remembers."""
    store, message = kept
    first(other, message)
    other.db.conn.commit()
    before = dump(other)

    with pytest.raises((Overtaken, StoreError)):
        then(store, message)

    assert dump(other) == before


def test_a_claim_is_on_the_disk_before_anything_leaves(kept: tuple[Store, Message], other: Store) -> None:
    """Another connection sees it at once: state, attempt, no reason and no detail, the rest as it was."""
    store, message = kept
    noted = store.note(message, Reason.WAITS_LIMIT, NOW, "a number range")
    claimed = store.claim(noted, NOW + HOUR)

    assert claimed == replace(message, state=State.SENDING, attempts=1, changed_at=NOW + HOUR)
    assert one(other, message.key) == claimed


@pytest.mark.parametrize(
    ("settlement", "becomes"),
    [
        pytest.param(
            Settlement(State.SENT, message_id="m1", plan_id="p1"),
            {"state": State.SENT, "provider_message_id": "m1", "provider_plan_id": "p1"},
            id="accepted",
        ),
        pytest.param(
            Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "3002 no"),
            {"state": State.FAILED, "reason": Reason.PROVIDER_REFUSED, "detail": "3002 no"},
            id="refused",
        ),
        pytest.param(
            Settlement(State.RETRYABLE, Reason.PROVIDER_LATER, "busy", next_at=NOW + 2 * HOUR, refusals=1),
            {
                "state": State.RETRYABLE,
                "reason": Reason.PROVIDER_LATER,
                "detail": "busy",
                "next_at": NOW + 2 * HOUR,
                "refusals": 1,
            },
            id="not now",
        ),
        pytest.param(
            Settlement(State.UNKNOWN, Reason.NO_ANSWER),
            {"state": State.UNKNOWN, "reason": Reason.NO_ANSWER},
            id="no answer",
        ),
    ],
)
@pytest.mark.usefixtures("as_worded")
def test_an_answer_is_written(
    kept: tuple[Store, Message], other: Store, settlement: Settlement, becomes: dict[str, Any]
) -> None:
    """A settlement is what the row says afterwards; the moment of the next try changes only when it is given."""
    store, message = kept
    settled_row = store.settle(store.claim(message, NOW), settlement, NOW + HOUR)

    assert settled_row == replace(message, attempts=1, changed_at=NOW + HOUR, **becomes)
    assert one(other, message.key) == settled_row


# All or nothing.


def a_batch() -> tuple[Batch, Todo]:
    """Make a batch of everything: a new event, a known one that moved, a change, a vanished one, a new message."""
    fresh, moved = a_booking(an_event("e2")), a_booking(an_event(start=NOW + 9 * DAY))
    batch = Batch(
        readings=[Reading(fresh.event, NOW), Reading(moved.event, NOW, NOW + HOUR)],
        bookings=[fresh, moved],
        changes=[Change(ChangeKind.CREATED, fresh.uri, fresh.event.uri, "new")],
        missing=[f"{API}/scheduled_events/e3"],
    )
    return batch, Todo((a_message(fresh),))


def test_a_batch_is_written_whole(kept: tuple[Store, Message], other: Store) -> None:
    """Events, bookings, changes, vanished events, new and changed messages, in one transaction."""
    store, message = kept
    put(store, a_booking(an_event("e3")))
    batch, todo = a_batch()
    gone = replace(message, state=State.CANCELED, reason=Reason.BOOKING_MOVED, changed_at=NOW)
    store.commit(batch, todo + Todo(updates=((State.SCHEDULED, gone),)), NOW)

    uris = [f"{API}/scheduled_events/{name}" for name in ("e1", "e2", "e3")]
    known = known_in(other)
    assert {uri: row.missing for uri, row in known.items()} == dict(zip(uris, [False, False, True], strict=True))
    assert (known[uris[0]].event.start, known[uris[0]].settles_at) == (NOW + 9 * DAY, NOW + HOUR)
    assert set(other.bookings(events=uris)) == {f"{uri}/invitees/i1" for uri in uris}
    assert other.messages(keys=[message.key, todo.inserts[0].key]) == [gone, todo.inserts[0]]
    assert other.changes_of(batch.bookings[0].uri) == [(NOW, "created", "new")]


@pytest.mark.parametrize(
    ("batch", "todo"),
    [
        pytest.param(
            Batch(),
            Todo(updates=((State.RETRYABLE, a_message_in(State.CANCELED)),)),
            id="a message left the state it was read in",
        ),
        pytest.param(
            Batch(), Todo(updates=((State.SCHEDULED, a_message_in(State.SENT)),)), id="a move that cannot be made"
        ),
        pytest.param(Batch(), Todo(inserts=(a_message(),)), id="a key that is there already"),
        pytest.param(
            Batch(), Todo(inserts=(replace(a_message(), booking="nobody", key="k"),)), id="a message about nobody"
        ),
        pytest.param(Batch(), Todo(inserts=(a_message(to="", key="k"),)), id="a message to nobody"),
        pytest.param(
            Batch(bookings=[a_booking(an_event("nowhere"))]), Todo(), id="a booking of an event that was not read"
        ),
        pytest.param(
            Batch(changes=[Change("vanished", "b", "e")]),  # type: ignore[arg-type]
            Todo(),
            id="a change nobody knows",
        ),
    ],
)
def test_a_batch_that_fails_writes_nothing(kept: tuple[Store, Message], batch: Batch, todo: Todo) -> None:
    """Whatever is wrong with one row, all others of the batch are taken back."""
    store, _ = kept
    put(store, a_booking(an_event("e3")))
    good_batch, good_todo = a_batch()
    whole = Batch(
        good_batch.readings,
        [*good_batch.bookings, *batch.bookings],
        [*good_batch.changes, *batch.changes],
        good_batch.missing,
    )
    before = dump(store)

    with pytest.raises((StoreError, Overtaken)) as caught:
        store.commit(whole, good_todo + todo, NOW)

    assert caught.value.remedy
    assert dump(store) == before
    assert not store.db.conn.in_transaction


def test_a_batch_that_the_disk_does_not_hold_writes_nothing(kept: tuple[Store, Message]) -> None:
    """A full disk is told with its remedy; the store goes on when there is room again."""
    store, _ = kept
    pages = store.db.conn.execute("PRAGMA page_count").fetchone()[0]
    store.db.conn.execute(f"PRAGMA max_page_count = {pages}")
    made = [a_booking(an_event(f"full{number}", event_type="x" * 500)) for number in range(100)]
    before = dump(store)

    with pytest.raises(StoreError, match="SQLITE_FULL") as caught:
        put(store, *made)

    assert "make room" in caught.value.remedy
    assert dump(store) == before
    assert not store.db.conn.in_transaction

    store.db.conn.execute(f"PRAGMA max_page_count = {pages * 100}")
    put(store, *made)
    assert len(known_in(store)) == 101


def test_another_writer_is_waited_for_and_then_told(kept: tuple[Store, Message], other: Store) -> None:
    """Somebody with a long transaction of their own: an error with a remedy, and nothing half written."""
    store, message = kept
    store.db.conn.execute("PRAGMA busy_timeout = 20")
    other.db.conn.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="locked") as caught:
        store.claim(message, NOW)

    assert "Another program is writing" in caught.value.remedy
    assert not store.db.conn.in_transaction
    other.db.conn.rollback()
    assert store.claim(message, NOW).state is State.SENDING


def test_a_write_takes_its_lock_at_once(kept: tuple[Store, Message], other: Store) -> None:
    """A transaction that took it later could fail half way, when another one has written meanwhile."""
    store, _ = kept
    other.db.conn.execute("PRAGMA busy_timeout = 0")

    with store._writing(), pytest.raises(StoreError, match="locked"):
        other.remember("account", "x")


def test_an_empty_batch_writes_nothing(kept: tuple[Store, Message]) -> None:
    """A run without news writes nothing about bookings."""
    store, _ = kept
    before = store.db.conn.total_changes
    store.commit(Batch(), Todo(), NOW)

    assert store.db.conn.total_changes == before


def test_an_event_is_missing_since_it_was_first_missed_until_it_is_read_again(kept: tuple[Store, Message]) -> None:
    """The first time stands; an event that was read is there."""
    store, message = kept
    uri = an_event().uri
    stamps = []
    for now in (NOW, NOW + HOUR):
        store.commit(Batch(missing=[uri]), Todo(), now)
        stamps.append(store.db.conn.execute("SELECT missing_at FROM events").fetchone()[0])
    missed = [(known_in(store)[uri].missing, [row.missing for row in store.due(NOW)])]
    put(store, a_booking(), now=NOW + HOUR)
    missed.append((known_in(store)[uri].missing, [row.missing for row in store.due(NOW)]))

    assert stamps == [utc_text(NOW)] * 2
    assert missed == [(True, [Reason.EVENT_MISSING]), (False, [Reason.NONE])]
    assert one(store, message.key) == message


def refused(store: Store, message: Message) -> Message:
    """Claim a message and have it refused."""
    return store.settle(store.claim(message, NOW), Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "3002 no"), NOW)


COVERED = Coverage(on=Trigger.BOOKED, to=Audience.INVITEE, scope="organization", event_types=frozenset({"intro"}))

CALLS: list[Any] = [
    pytest.param(lambda store, _: store.meta("account"), id="meta"),
    pytest.param(lambda store, _: store.remember("account", "a"), id="remember"),
    pytest.param(lambda store, _: store.bind("a", "u", "t"), id="bind"),
    pytest.param(lambda store, _: store.be_born(NOW), id="be_born"),
    pytest.param(
        lambda store, message: store.again(refused(store, message), Reason.BY_OPERATOR, NOW, "retried"), id="again"
    ),
    pytest.param(lambda store, _: store.knows_token("t"), id="knows_token"),
    pytest.param(lambda store, _: store.meet_rules({"a": COVERED, "b": COVERED}, NOW), id="meet_rules"),
    pytest.param(lambda store, _: store.commit(*a_batch(), NOW), id="commit"),
    pytest.param(lambda store, _: store.record_run(SOUND["runs"]), id="record_run"),
    pytest.param(lambda store, _: store.last_run(), id="last_run"),
    pytest.param(lambda store, message: store.messages_of([message.booking]), id="messages_of"),
    pytest.param(lambda store, _: store.messages(), id="messages"),
    pytest.param(lambda store, message: store.messages(keys=[message.key]), id="messages by key"),
    pytest.param(lambda store, message: store.messages_to(message.to), id="messages_to"),
    pytest.param(lambda store, message: store.history(message.key), id="history"),
    pytest.param(lambda store, message: store.changes_of(message.booking), id="changes_of"),
    pytest.param(lambda store, _: store.booking_uris(ending="i1"), id="booking_uris"),
    pytest.param(lambda store, _: store.due(NOW), id="due"),
    pytest.param(lambda store, _: store.must_be_reread(NOW), id="must_be_reread"),
    pytest.param(lambda store, _: store.settling(["e1"]), id="settling"),
    pytest.param(lambda store, _: store.oldest_waiting(), id="oldest_waiting"),
    pytest.param(lambda store, _: store.waiting(), id="waiting"),
    pytest.param(lambda store, _: store.expire(NOW + 9 * HOUR), id="expire"),
    pytest.param(lambda store, message: store.move(message, State.CANCELED, Reason.BY_OPERATOR, NOW), id="move"),
    pytest.param(lambda store, message: store.claim(message, NOW), id="claim"),
    pytest.param(lambda store, message: store.turn((), [message], NOW), id="turn"),
    pytest.param(
        lambda store, message: store.settle(
            store.claim(message, NOW), Settlement(State.FAILED, Reason.PROVIDER_REFUSED, "3002 no"), NOW
        ),
        id="settle",
    ),
    pytest.param(lambda store, message: store.note(message, Reason.QUIET_HOURS, NOW), id="note"),
    pytest.param(lambda store, _: store.sent_since(NOW), id="sent_since"),
    pytest.param(lambda store, _: store.sent_to([NUMBER], NOW), id="sent_to"),
    pytest.param(lambda store, _: store.sent_since(NOW, prefix=NUMBER[:-4]), id="sent_since to neighbours"),
    pytest.param(lambda store, _: store.has_room(), id="has_room"),
    pytest.param(lambda store, _: store.lay_ballast(), id="lay_ballast"),
    pytest.param(lambda store, _: store.pause(NOW), id="pause"),
    pytest.param(lambda store, _: store.paused_until(NOW), id="paused_until"),
    pytest.param(lambda store, _: store.outage(), id="outage"),
    pytest.param(lambda store, _: store.remember_outage(Outage(since=NOW, silent=1)), id="remember_outage"),
    pytest.param(lambda store, _: store.end_outage(NOW), id="end_outage"),
    pytest.param(lambda store, message: store.named(message.id), id="named"),
    pytest.param(lambda store, message: store.hold([message], Reason.HELD_BY_GUARD, NOW, "12 of 45"), id="hold"),
    pytest.param(lambda store, _: store.release(Reason.HELD_BY_GUARD, NOW), id="release"),
    pytest.param(lambda store, _: store.refusals(), id="refusals"),
    pytest.param(lambda store, message: store.note_refusal(one(store, message.key), "3003"), id="note_refusal"),
    pytest.param(lambda store, _: store.end_refusals("1001"), id="end_refusals"),
    pytest.param(lambda store, _: store.unchecked_cancellations(NOW), id="unchecked_cancellations"),
    pytest.param(lambda store, _: store.remember_checked(1), id="remember_checked"),
    pytest.param(lambda store, _: store.unreadable_events(), id="unreadable_events"),
    pytest.param(
        lambda store, _: store.remember_unreadable([UnreadableEvent("e", NOW, 1, NOW, "403")]),
        id="remember_unreadable",
    ),
    pytest.param(lambda store, _: store.forget_unreadable(["e"]), id="forget_unreadable"),
    pytest.param(lambda store, _: store.readable_events(NOW, without=[], most=5), id="readable_events"),
    pytest.param(lambda store, _: store.forgotten_entries(["k7"]), id="forgotten_entries"),
    pytest.param(lambda store, _: store.renew_entries([an_event()]), id="renew_entries"),
    pytest.param(lambda store, _: store.policy_changed_at(), id="policy_changed_at"),
    pytest.param(lambda store, _: store.event_names(), id="event_names"),
    pytest.param(lambda store, _: store.moved_halves(["k7"], ["a@example.com"]), id="moved_halves"),
    pytest.param(lambda store, _: store.bookings_by_email(["a@example.com"]), id="bookings_by_email"),
    pytest.param(lambda store, _: store.restored(NOW, 5.0), id="restored"),
    pytest.param(lambda store, _: store.check_restored(NOW, 5.0), id="check_restored"),
    pytest.param(lambda store, _: store.check_witness(), id="check_witness"),
    pytest.param(lambda store, _: store.counts(), id="counts"),
    pytest.param(lambda store, _: known_in(store), id="known"),
    pytest.param(lambda store, _: store.known_by_mark([7]), id="known_by_mark"),
    pytest.param(lambda store, _: store.sieve(NOW, None, now=NOW, reread=DAY), id="sieve"),
    pytest.param(lambda store, _: store.cuts(NOW - 9 * DAY, None, size=1, most=2), id="cuts"),
    pytest.param(lambda store, _: store.in_window(NOW, None), id="in_window"),
    pytest.param(lambda store, _: store.seats_ahead(NOW, None), id="seats_ahead"),
    pytest.param(lambda store, _: store.in_flight(), id="in_flight"),
    pytest.param(lambda store, _: store.bookings([a_booking().uri]), id="bookings"),
    pytest.param(lambda store, _: list(store.bookings_since(None)), id="bookings_since"),
    pytest.param(lambda store, _: store.phone_questions("t"), id="phone_questions"),
    pytest.param(lambda store, _: store.remember_questions("t", [], NOW), id="remember_questions"),
    pytest.param(lambda store, _: store.notice_wordings({"1001": "Hello"}, NOW), id="notice_wordings"),
    pytest.param(lambda store, _: store.changed_wordings({"1001": "Hello"}), id="changed_wordings"),
    pytest.param(lambda store, message: store.opt_out([message.to], "why", NOW), id="opt_out"),
    pytest.param(lambda store, message: store.opt_in([message.to]), id="opt_in"),
    pytest.param(lambda store, message: store.opted_out_of([message.to]), id="opted_out_of"),
    pytest.param(lambda store, message: store.opted_out()(message.to), id="opted_out"),
    pytest.param(lambda store, _: store.opt_outs(), id="opt_outs"),
    pytest.param(lambda store, _: store.opt_outs_of(["+13125550142"]), id="opt_outs_of"),
    pytest.param(lambda store, _: store.bookings_with(bool), id="bookings_with"),
    pytest.param(lambda store, message: store.moved_to([message.booking]), id="moved_to"),
    pytest.param(lambda store, message: store.moved_from([message.booking]), id="moved_from"),
    pytest.param(lambda store, message: store.may_be_moved([message.booking], {"e1"}), id="may_be_moved"),
    pytest.param(lambda store, message: store.same_person([message.booking]), id="same_person"),
    pytest.param(lambda store, message: store.same_email([message.booking]), id="same_email"),
    pytest.param(lambda store, message: store.missing([message.booking]), id="missing"),
    pytest.param(lambda store, message: store.forget([message.booking], NOW, same=is_number), id="forget"),
    pytest.param(lambda store, _: store.retain(NOW + 365 * DAY, NOW), id="retain"),
    pytest.param(lambda store, _: store.prune(NOW + 365 * DAY, alive=lambda: None), id="prune"),
    pytest.param(lambda store, message: store.pruned_keys([message.key]), id="pruned_keys"),
    pytest.param(lambda store, _: store.check_file(NOW), id="check_file"),
    pytest.param(lambda store, _: store.veil(["a"]), id="veil"),
    pytest.param(lambda store, _: store.wants_scrub(), id="wants_scrub"),
    pytest.param(lambda store, _: store.scrub(), id="scrub"),
]
"""Every method that touches the database."""


@pytest.mark.parametrize("call", CALLS)
def test_no_method_leaves_a_transaction_open(
    kept: tuple[Store, Message], other: Store, call: Callable[[Store, Message], object]
) -> None:
    """Neither a write nor a read: a backup, a checkpoint or another writer need not wait for the next run."""
    store, message = kept
    call(store, message)

    assert not store.db.conn.in_transaction
    other.db.conn.execute("PRAGMA busy_timeout = 0")
    assert other.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    other.remember("user", "u")


def test_every_method_is_called_above() -> None:
    """The list leaves out none that touches the database."""
    public = {name for name in dir(Store) if not name.startswith("_")} - {"digest"}

    assert {str(case.id).split(" ", maxsplit=1)[0] for case in CALLS} == public


# What is due.


def test_the_nearest_meeting_is_due_first(store: Store) -> None:
    """Not who has waited longest; among messages of one meeting, who may go first."""
    soon, later = a_booking(an_event("soon", start=NOW + HOUR)), a_booking(an_event("later", start=NOW + DAY))
    order = [
        a_message(soon, rule="reminder-1h", next_at=NOW - HOUR),
        a_message(soon, rule="confirmation", next_at=NOW),
        a_message(later, rule="confirmation", next_at=NOW - 5 * HOUR, scheduled_at=NOW - 5 * HOUR),
    ]
    put(store, soon, later, messages=(order[2], order[1], order[0]))

    assert [row.message for row in store.due(NOW)] == order
    assert [row.event for row in store.due(NOW)] == [soon.event.uri, soon.event.uri, later.event.uri]


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("over", "is_due"),
    [
        pytest.param({}, True, id="now"),
        pytest.param({"next_at": NOW - HOUR}, True, id="an hour ago"),
        pytest.param({"next_at": NOW + SECOND}, False, id="in a second"),
        pytest.param({"expires_at": NOW + SECOND}, True, id="for another second"),
        pytest.param({"expires_at": NOW}, False, id="worth sending until now"),
        pytest.param({"scheduled_at": NOW - 2 * HOUR, "expires_at": NOW - HOUR}, False, id="expired"),
        *(
            pytest.param(
                {"state": state, "reason": Reason.NO_ANSWER, "attempts": 1},
                state in WAITING,
                id=f"in the state {state}",
            )
            for state in State
        ),
    ],
)
def test_only_what_waits_for_now_is_due(store: Store, over: dict[str, Any], is_due: bool) -> None:
    """Waiting, its time come, its life not over."""
    message = a_message(**over)
    put(store, a_booking(), messages=(message,))

    assert [row.message for row in store.due(NOW)] == [message] * is_due


def test_what_is_missing_is_flagged(store: Store) -> None:
    """Its messages are held, not dropped: the caller sees which, and whether it is the event or the guest."""
    here, gone, left, both = (a_booking(an_event(name)) for name in ("here", "gone", "left", "both"))
    left, both = replace(left, missing_at=NOW), replace(both, missing_at=NOW)
    put(store, here, gone, left, both, messages=tuple(map(a_message, (here, gone, left, both))))
    store.commit(Batch(missing=[gone.event.uri, both.event.uri]), Todo(), NOW)

    missing = {row.event.rpartition("/")[2]: row.missing for row in store.due(NOW)}
    assert missing == {
        "here": Reason.NONE,
        "gone": Reason.EVENT_MISSING,
        "left": Reason.GUEST_MISSING,
        "both": Reason.EVENT_MISSING,
    }
    found = store.missing([one.uri for one in (here, gone, left)])
    assert found == {gone.uri: Reason.EVENT_MISSING, left.uri: Reason.GUEST_MISSING}


@pytest.mark.usefixtures("as_worded")
def test_what_waited_too_long_expires(store: Store) -> None:
    """At its very second; why it waited stays as the detail; what is settled or claimed stays."""
    over: dict[str, Any] = {"expires_at": NOW + HOUR}
    silent, noted = a_message(rule="a", **over), a_message(rule="b", reason=Reason.QUIET_HOURS, **over)
    retried = a_message_in(State.RETRYABLE, rule="c", reason=Reason.PROVIDER_LATER, detail="busy", **over)
    alive = a_message(rule="d", expires_at=NOW + HOUR + SECOND)
    rest = tuple(a_message_in(state, rule=state, **over) for state in State if state not in WAITING)
    put(store, a_booking(), messages=(silent, noted, retried, alive, *rest))
    early = store.expire(NOW + HOUR - SECOND)
    gone = store.expire(NOW + HOUR)

    assert early == []
    assert {(row.state, row.reason, row.changed_at) for row in gone} == {(State.EXPIRED, Reason.LATE, NOW + HOUR)}
    waited = {row.rule: row.detail for row in gone}
    assert waited.keys() == {"a", "b", "c"}
    assert not waited["a"]
    assert in_words(Reason.QUIET_HOURS) in waited["b"]
    assert in_words(Reason.PROVIDER_LATER, "busy") in waited["c"]
    assert store.messages(keys=[row.key for row in gone]) == gone
    assert store.messages(keys=[row.key for row in (alive, *rest)]) == sorted(
        (alive, *rest), key=lambda row: (row.scheduled_at, row.key)
    )
    assert store.expire(NOW + HOUR) == []


@pytest.mark.usefixtures("as_worded")
def test_a_note_is_written_once(kept: tuple[Store, Message]) -> None:
    """A message that waits for hours does not write a row each minute; another reason is another note."""
    store, message = kept
    noted = store.note(message, Reason.WAITS_LIMIT, NOW, "a number range")
    before = store.db.conn.total_changes
    again = store.note(one(store, message.key), Reason.WAITS_LIMIT, NOW + HOUR, "a number range")
    after = store.db.conn.total_changes
    other = store.note(again, Reason.WAITS_LIMIT, NOW + HOUR, "all texts")
    store.note(other, Reason.HELD_TEMPLATE, NOW + HOUR)

    assert noted == replace(message, reason=Reason.WAITS_LIMIT, detail="a number range")
    assert (again, after) == (noted, before)
    assert [(reason, detail) for _, _, reason, detail in store.history(message.key)] == [
        (Reason.NONE, ""),
        (Reason.WAITS_LIMIT, "a number range"),
        (Reason.WAITS_LIMIT, "all texts"),
        (Reason.HELD_TEMPLATE, ""),
    ]


def test_who_is_overtaken_by_an_operator_goes_on(kept: tuple[Store, Message], other: Store) -> None:
    """A message canceled a moment ago is neither put off nor an error: its own note is not worth a run."""
    store, message = kept
    canceled = other.move(message, State.CANCELED, Reason.BY_OPERATOR, NOW)
    noted = store.note(message, Reason.QUIET_HOURS, NOW + HOUR)

    assert noted == message
    assert one(store, message.key) == canceled
    assert not store.db.conn.in_transaction


def test_an_operator_may_be_quicker_than_the_clock(store: Store, other: Store) -> None:
    """Of two messages that expire, one is canceled between read and write: the other one expires all the same."""
    first, second = a_message(rule="a", expires_at=NOW), a_message(rule="b", expires_at=NOW)
    put(store, a_booking(), messages=(first, second))
    waiting = [first]

    def overtake(statement: str) -> None:
        if statement.startswith("BEGIN") and waiting:
            other.move(waiting.pop(), State.CANCELED, Reason.BY_OPERATOR, NOW)

    store.db.conn.set_trace_callback(overtake)
    gone = store.expire(NOW)
    store.db.conn.set_trace_callback(None)

    assert [message.key for message in gone] == [second.key]
    assert {message.rule: message.state for message in store.messages()} == {"a": "canceled", "b": "expired"}


@pytest.mark.parametrize(
    ("over", "counts_as"),
    [
        *(
            pytest.param({"state": state}, state in {State.SENT, State.UNKNOWN, State.SENDING}, id=state)
            for state in State
        ),
        pytest.param({"state": State.SENT, "changed_at": NOW - DAY}, False, id="sent just when the day began"),
        pytest.param({"state": State.SENT, "changed_at": NOW - DAY + SECOND}, True, id="sent a second later"),
    ],
)
def test_what_left_or_may_have_left_is_counted(store: Store, over: dict[str, Any], counts_as: bool) -> None:
    """Caps hold for what may have gone out, too."""
    state = over.pop("state")
    put(store, a_booking(), messages=(a_message_in(state, **over),))

    assert store.sent_since(NOW - DAY) == counts_as
    assert store.sent_to([NUMBER, "+13125550199"], NOW - DAY) == {NUMBER: counts_as, "+13125550199": 0}


def test_waiting_messages_are_found(store: Store) -> None:
    """When the next one may go, and how far back the listing must reach for all of them; None when nothing waits."""
    past, ahead = a_booking(an_event("past", start=NOW - DAY)), a_booking(an_event("ahead", start=NOW + DAY))
    first = a_message(past, rule="follow-up", next_at=NOW + 2 * HOUR)
    second = a_message(ahead, next_at=NOW + HOUR)
    put(store, past, ahead, messages=(first, second, a_message_in(State.SENT, past, rule="host")))
    both = (store.waiting(), store.oldest_waiting())
    store.move(first, State.CANCELED, Reason.BOOKING_CANCELED, NOW)
    one_left = (store.waiting(), store.oldest_waiting())
    store.claim(second, NOW)

    assert both == (NOW + HOUR, NOW - DAY)
    assert one_left == (NOW + HOUR, NOW + DAY)
    assert (store.waiting(), store.oldest_waiting()) == (None, None)


# Looking things up.


def test_messages_are_listed_oldest_first(store: Store) -> None:
    """By state, by key, all, or to one number; counts name every state."""
    old = a_message_in(State.SENT, rule="z", scheduled_at=NOW - HOUR)
    new = a_message(rule="a", scheduled_at=NOW + HOUR)
    same = a_message(rule="b", scheduled_at=NOW + HOUR, to="+13125550199")
    put(store, a_booking(), messages=(same, new, old))

    assert store.messages() == [old, new, same]
    assert store.messages(states=[State.SCHEDULED]) == [new, same]
    assert store.messages(states=[State.SENT, State.FAILED]) == [old]
    assert store.messages(keys=[same.key, old.key, "none"]) == [old, same]
    assert store.messages_to(NUMBER) == [old, new]
    assert store.counts() == dict.fromkeys(map(str, State), 0) | {"scheduled": 2, "sent": 1}
    about = store.messages_of(["nobody", a_booking().uri])
    assert {uri: sorted(row.rule for row in found) for uri, found in about.items()} == {
        "nobody": [],
        a_booking().uri: ["a", "b", "z"],
    }


@pytest.fixture
def three(store: Store) -> Store:
    """A store with three people: the second one's meeting is the first, the third one's number is only in a message."""
    late, early = an_event("e1", start=NOW + 2 * DAY), an_event("e2", start=NOW + DAY)
    people = [
        a_booking(
            late, an_invitee(late, "i1", email="Ines.Okafor@example.com", text_reminder_number="+1 312-555-0142")
        ),
        a_booking(early, an_invitee(early, "i1", email="ines.okafor@EXAMPLE.com", text_reminder_number="")),
        a_booking(late, an_invitee(late, "i3", email="tomas.lindqvist@example.com", text_reminder_number="")),
    ]
    put(store, *people, messages=(a_message(people[2], to="+447700900123"),))
    return store


@pytest.mark.parametrize(
    ("what", "found"),
    [
        pytest.param({"email": "ines.okafor@example.com"}, ["e2/invitees/i1", "e1/invitees/i1"], id="an e-mail"),
        pytest.param({"email": "okafor@example.com"}, [], id="a part of an e-mail"),
        pytest.param({"ending": "i3"}, ["e1/invitees/i3"], id="the end of a booking's URI"),
        pytest.param({"ending": "i1"}, ["e2/invitees/i1", "e1/invitees/i1"], id="an end that two have"),
        pytest.param({"ending": "e2"}, ["e2/invitees/i1"], id="the end of an event's URI"),
        pytest.param({"ending": an_event("e2").uri}, ["e2/invitees/i1"], id="an event's URI"),
        pytest.param({"ending": f"{an_event().uri}/invitees/i3"}, ["e1/invitees/i3"], id="a booking's URI"),
        pytest.param({"ending": "3"}, [], id="a part of an id"),
        pytest.param({"ending": "%"}, [], id="a percent sign is no wildcard"),
        pytest.param({"ending": "_3"}, [], id="an underscore is no wildcard"),
        pytest.param({}, [], id="nothing"),
    ],
)
def test_bookings_are_found(three: Store, what: dict[str, str], found: list[str]) -> None:
    """By e-mail, id or URI, exactly; the earliest meeting first."""
    assert three.booking_uris(**what) == [f"{API}/scheduled_events/{uri}" for uri in found]


def test_events_of_one_start_come_together(store: Store) -> None:
    """Whoever is interrupted goes on with later ones, and leaves none of them out."""
    made = [a_booking(an_event(f"e{number:04}", start=NOW + (number >= 300) * DAY)) for number in range(1203)]
    put(store, *made)

    portions = list(store.bookings_since(None))
    assert [(latest, len(bookings)) for latest, bookings in portions] == [(NOW + DAY, 1203)]
    assert [len(bookings) for _, bookings in store.bookings_since(NOW + DAY)] == [903]


def test_many_bookings_come_in_portions(store: Store) -> None:
    """Of 1,203 events never more than 500 at a time, each booking once, the earliest first; `since` cuts the past."""
    made = [a_booking(an_event(f"e{number:04}", start=NOW + timedelta(minutes=number))) for number in range(1203)]
    put(store, *made, messages=tuple(a_message(booking) for booking in made))
    portions = [bookings for _, bookings in store.bookings_since(None)]

    assert [len(portion) for portion in portions] == [500, 500, 203]
    assert [{booking.uri for booking in portion} for portion in portions] == [
        {booking.uri for booking in made[at : at + 500]} for at in (0, 500, 1000)
    ]
    assert [len(portion) for _, portion in store.bookings_since(NOW + timedelta(minutes=1000))] == [203]
    assert list(store.bookings_since(NOW + DAY)) == []
    assert len(store.bookings(events=[booking.event.uri for booking in made])) == 1203
    assert len(store.messages_of([booking.uri for booking in made])) == 1203
    assert len(store.messages(keys=[a_message(booking).key for booking in made])) == 1203


# Whose database it is.


def test_a_database_is_bound_to_one_account(store: Store) -> None:
    """The first login binds it; another admin of the organization may take over; another account may not."""
    unbound = store.knows_token("token-1")
    store.bind(ACCOUNT, USER, "token-1")
    store.bind(ACCOUNT, f"{API}/users/u2", "token-2")
    before = dump(store)

    with pytest.raises(WrongDatabase, match=f"belongs to {ACCOUNT}, the token to {API}/organizations/o2") as caught:
        store.bind(f"{API}/organizations/o2", USER, "token-3")

    assert (caught.value.exit_code, "SYNCER_DB" in caught.value.remedy) == (2, True)
    assert dump(store) == before
    assert (store.meta("account"), store.meta("user")) == (ACCOUNT, f"{API}/users/u2")
    known = [store.knows_token(token) for token in ("token-1", "token-2", "token-3", "")]
    assert (unbound, known) == (False, [False, True, False, False])


def test_a_token_is_kept_as_a_keyed_hash_only(store: Store, tmp_path: Path) -> None:
    """Neither it nor its plain hash is in any of the files; the key is this database's own."""
    token = "eyJraWQiOiJub3QtYS1yZWFsLXRva2VuIn0"
    store.bind(ACCOUNT, USER, token)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    salt = bytes.fromhex(store.meta("salt"))
    digest = hmac.new(salt, token.encode(), hashlib.sha256).hexdigest()
    assert store.meta("token_digest") == store.digest(token) == digest
    assert digest.encode() in content
    assert token.encode() not in content
    assert hashlib.sha256(token.encode()).hexdigest().encode() not in content


def test_values_are_remembered(store: Store) -> None:
    """The last word counts; what was never said is empty; a name nobody knows is refused."""
    never = store.meta("policy")
    for value in ("one", "two"):
        store.remember("policy", value)

    assert (never, store.meta("policy")) == ("", "two")
    with pytest.raises(StoreError, match="CHECK"):
        store.remember("password", "x")


def a_run(name: str, ended_at: datetime, outcome: str = "completed", *, checked: int = 1) -> dict[str, Any]:
    """Make the row of a run."""
    over = {"id": name, "ended_at": utc_text(ended_at), "outcome": outcome, "checked": checked}
    return SOUND["runs"] | over | {"counts": '{"sent":1}'}


def runs_of(store: Store) -> list[str]:
    """The runs that are kept, in their order."""
    return [row["id"] for row in store._query("SELECT id FROM runs ORDER BY number")]


def test_runs_are_kept_for_thirty_days(store: Store) -> None:
    """What is older than that at the end of a run is forgotten with it."""
    for name, days in (("older", 31), ("edge", 30), ("young", 1)):
        store.record_run(a_run(name, NOW - timedelta(days=days)))
    before = runs_of(store)
    store.record_run(a_run("last", NOW))

    assert before == ["older", "edge", "young"]
    assert runs_of(store) == ["edge", "young", "last"]


@pytest.mark.parametrize("wrong", [NOW + 300 * DAY, NOW - 300 * DAY], ids=["ahead", "behind"])
def test_a_run_whose_clock_was_not_checked_ends_no_other(store: Store, wrong: datetime) -> None:
    """It goes with the checked runs before it, in order; its own time says nothing about anybody's age."""
    store.record_run(a_run("old", NOW - 31 * DAY))
    store.record_run(a_run("wrong", wrong, "failed", checked=0))
    unchecked = runs_of(store)
    store.record_run(a_run("young", NOW - DAY))
    store.record_run(a_run("wrong again", wrong, "failed", checked=0))
    store.record_run(a_run("last", NOW))

    assert unchecked == ["old", "wrong"]
    assert runs_of(store) == ["young", "wrong again", "last"]


def test_runs_whose_clock_is_never_checked_do_not_pile_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that never reaches Calendly for years."""
    monkeypatch.setattr("syncer.store.store.MOST_RUNS", 3)
    for number in range(5):
        store.record_run(a_run(str(number), NOW, "failed", checked=0))

    assert runs_of(store) == ["2", "3", "4"]


def test_the_newest_run_is_found(store: Store) -> None:
    """Of any outcome or of one, by their order and not by their time; None when there is none; its counts come back."""
    nothing = store.last_run()
    store.record_run(a_run("good", NOW - HOUR))
    store.record_run(a_run("bad", NOW + 300 * DAY, "failed", checked=0))
    store.record_run(a_run("worse", NOW, "failed"))
    newest, complete = store.last_run(), store.last_run(outcome="completed")

    assert nothing is None
    assert newest is not None
    assert complete is not None
    assert (newest["id"], complete["id"]) == ("worse", "good")
    assert json.loads(complete["counts"]) == {"sent": 1}
    assert store.last_run(outcome="refused") is None


def test_a_closed_store_is_closed(tmp_path: Path) -> None:
    """The file is let go at the end of the block, with its -wal; after an error, too."""
    path = tmp_path / "closing.db"

    def fail() -> None:
        with a_store(path, now=NOW) as store:
            store.remember("account", "kept")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert [item.name for item in tmp_path.iterdir()] == ["closing.db"]
    with Store(database.open_read_only(path)) as store:
        assert store.meta("account") == "kept"
