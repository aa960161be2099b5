"""Bookings whose meeting ended long ago are deleted with all their rows; what was sent is never sent again."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, a_message, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes
from syncer.errors import StoreError
from syncer.model import Change, ChangeKind, State
from syncer.phones import is_number
from syncer.reasons import Reason
from syncer.reconcile import Todo
from syncer.run import Options
from syncer.store import Batch, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.model import Booking, Message
    from syncer.store import Store

DAY = timedelta(days=1)
TABLES = ("events", "bookings", "messages", "history", "changes")
MESSAGE_STATES = {
    State.SENT: True,
    State.CANCELED: True,
    State.EXPIRED: True,
    State.SKIPPED: True,
    State.SCHEDULED: False,
    State.RETRYABLE: False,
    State.SENDING: False,
    State.UNKNOWN: False,
    State.FAILED: False,
}
"""Each state of a message, and whether its booking may be deleted."""


def alive() -> None:
    """Tell nobody."""


def in_state(message: Message, state: State) -> Message:
    """Make a message as it is in a state."""
    provider_id = "p1" if state is State.SENT else ""
    tried = state in {State.SENT, State.RETRYABLE, State.SENDING, State.UNKNOWN, State.FAILED}
    reason = Reason.NONE if state in {State.SENT, State.SCHEDULED, State.SENDING} else Reason.NO_ANSWER
    return replace(message, state=state, reason=reason, attempts=int(tried), provider_message_id=provider_id)


def old_booking(store: Store, name: str = "old", state: State = State.SENT, **over: Any) -> tuple[Booking, Message]:
    """Write a booking whose meeting was 100 days ago, with one message and one change."""
    event = an_event(name, start=NOW - 100 * DAY)
    booking = a_booking(event, an_invitee(event, **over))
    message = in_state(a_message(booking, scheduled_at=NOW - 101 * DAY), state)
    change = Change(ChangeKind.CREATED, booking.uri, event.uri)
    store.commit(Batch([Reading(event, NOW)], [booking], [change]), Todo((message,)), NOW)
    return booking, message


def sizes(store: Store) -> dict[str, int]:
    """Count the rows of each table that grows with the bookings."""
    return {table: store.db[table].count for table in TABLES}


def counted(store: Store) -> dict[str, int]:
    """Count the messages by state, by looking at each."""
    counts = {str(state): 0 for state in State}
    for message in store.messages():
        counts[message.state] += 1
    return counts


@pytest.mark.parametrize(("state", "goes"), MESSAGE_STATES.items())
def test_each_state_of_a_message(store: Store, state: State, goes: bool) -> None:
    """What waits, is on its way or needs a person keeps its booking; everything else goes, whole."""
    assert set(MESSAGE_STATES) == set(State)
    old_booking(store, state=state)

    assert store.prune(NOW - 99 * DAY, alive=alive) == int(goes)
    assert sizes(store) == dict.fromkeys(TABLES, 0 if goes else 1)
    assert store.counts() == counted(store)


@pytest.mark.parametrize("ended", [NOW - 100 * DAY, NOW - 101 * DAY])
def test_what_ended_later_stays(store: Store, ended: Any) -> None:
    """The end of the meeting decides, not its start."""
    old_booking(store)

    assert store.prune(ended, alive=alive) == 0


def test_more_than_one_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of bookings go in small transactions, and the watchdog hears of each."""
    monkeypatch.setattr("syncer.store.pruning.AT_A_TIME", 2)
    for number in range(5):
        old_booking(store, f"old{number}")
    pings: list[int] = []

    assert store.prune(NOW - 99 * DAY, alive=lambda: pings.append(1)) == 5
    assert len(pings) >= 3
    assert sizes(store) == dict.fromkeys(TABLES, 0)


def test_an_event_without_bookings_goes_too(store: Store) -> None:
    """An empty group event has no booking that would take it along."""
    store.commit(Batch([Reading(an_event("e", start=NOW - 100 * DAY), NOW)]), Todo(), NOW)
    store.prune(NOW - 99 * DAY, alive=alive)

    assert sizes(store)["events"] == 0


def test_what_a_booking_was_moved_from_stays_as_long(store: Store) -> None:
    """The plan of the new booking looks at what the guest was told before."""
    old, _ = old_booking(store, rescheduled=True, status="canceled", new_invitee="")
    event = an_event("new")
    new = a_booking(event, an_invitee(event, old_invitee=old.uri))
    store.commit(Batch([Reading(event, NOW)], [new]), Todo(), NOW)

    assert store.prune(NOW - 99 * DAY, alive=alive) == 0
    assert store.prune(NOW + 99 * DAY, alive=alive) == 2


def test_a_sent_text_never_leaves_again(settings: Callable[..., Any], store: Store) -> None:
    """Calendly lists the old booking once more: its texts are skipped, and the database refuses them as well."""
    stage = WorkerOnFakes(settings('lookback = "1d"\n[retention]\nkeep_history = "7d"'), store)
    event = an_event()
    guest = an_invitee(event, created_at=NOW)
    stage.calendly.put(event, guest)
    stage.run()
    texts = len(stage.gateway.texts)
    before = {message.key for message in store.messages(states=[State.SENT])}
    for _ in range(2):  # the first one still lists what waited
        stage.now = max(stage.now + DAY, event.end + 10 * DAY)
        stage.run()
    assert sizes(store)["bookings"] == 0
    stage.now = NOW  # a clock that goes back: every text would be in time again
    stage.run(Options(everything=True, since=NOW - 30 * DAY))

    again = store.messages(keys=sorted(before))
    assert (texts, len(stage.gateway.texts)) == (len(before), texts)
    assert {(message.state, message.reason) for message in again} == {(State.SKIPPED, Reason.ALREADY_SENT)}
    row = next(store.db.query("SELECT * FROM messages WHERE state = 'skipped' AND reason = 'already_sent'"))
    with pytest.raises(sqlite3.IntegrityError, match="sent before"):
        store.db.execute("UPDATE messages SET state = 'scheduled' WHERE key = ?", [row["key"]])


def test_the_database_refuses_a_key_that_was_sent(store: Store) -> None:
    """Whatever the program above it does."""
    booking, message = old_booking(store)
    store.prune(NOW - 99 * DAY, alive=alive)
    fresh = replace(message, state=State.SCHEDULED, attempts=0, provider_message_id="")

    with pytest.raises((StoreError, sqlite3.IntegrityError), match="sent before"):
        store.commit(Batch([Reading(booking.event, NOW)], [booking]), Todo((fresh,)), NOW)
    assert store.pruned_keys([message.key, "another"]) == {message.key}


def test_a_canceled_attempt_counts_as_sent(store: Store) -> None:
    """An operator may have canceled a text whose fate nobody knew."""
    _, tried = old_booking(store, "tried", State.UNKNOWN)
    store.move(tried, State.CANCELED, Reason.BY_OPERATOR, NOW)
    _, untried = old_booking(store, "untried", State.CANCELED)
    store.prune(NOW - 99 * DAY, alive=alive)

    assert store.pruned_keys([tried.key, untried.key]) == {tried.key}


def test_ids_of_changes_are_never_given_twice(store: Store) -> None:
    """The guard remembers by id up to which cancellation it has looked: a reused id would hide a cancellation."""
    old_booking(store)
    last = max(row["id"] for row in store.db.query("SELECT id FROM changes"))
    store.prune(NOW - 99 * DAY, alive=alive)
    old_booking(store, "later")

    assert min(row["id"] for row in store.db.query("SELECT id FROM changes")) > last


def test_hashes_of_forgotten_people_go_with_the_meeting(store: Store) -> None:
    """They hide what Calendly still lists; nothing lists a meeting of long ago."""
    booking, _ = old_booking(store)
    store.forget([booking.uri], NOW, same=is_number)
    kept = store.db["forgotten"].count
    store.prune(NOW - 200 * DAY, alive=alive)
    assert (kept > 0, store.db["forgotten"].count) == (True, kept)
    store.prune(NOW - 99 * DAY, alive=alive)

    assert store.db["forgotten"].count == 0
    assert sizes(store) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize(("kept", "left"), [("7d", 0), ("3650d", 1), ("never", 1)])
def test_a_run_deletes_what_the_settings_name(settings: Callable[..., Any], store: Store, kept: str, left: int) -> None:
    """Also where the listing reaches further back: what is listed stays."""
    toml = f'[retention]\nkeep_history = "{kept}"'
    stage = WorkerOnFakes(settings(toml, lookback=DAY), store)
    old_booking(store)
    listed = an_event("listed", start=NOW - timedelta(hours=5))
    stage.calendly.put(listed, an_invitee(listed))
    stage.run()

    assert {row["uri"] for row in store.db.query("SELECT uri FROM bookings")} >= {f"{listed.uri}/invitees/i1"}
    assert sizes(store)["bookings"] == left + 1


def test_a_dry_run_deletes_nothing(settings: Callable[..., Any], store: Store) -> None:
    """It changes nothing at all."""
    stage = WorkerOnFakes(settings('[retention]\nkeep_history = "7d"'), store)
    old_booking(store)
    stage.run(Options(everything=True, dry_run=True))

    assert sizes(store)["bookings"] == 1


def test_counts_follow_every_move(store: Store) -> None:
    """The database counts by itself: after each move the counts are those of the rows."""
    _, message = old_booking(store, state=State.SCHEDULED)
    seen = [store.counts() == counted(store)]
    claimed = store.claim(message, NOW)
    seen.append(store.counts() == counted(store))
    store.move(claimed, State.UNKNOWN, Reason.NO_ANSWER, NOW)
    seen.append(store.counts() == counted(store))
    store.restored(NOW)
    seen.append(store.counts() == counted(store))

    assert seen == [True] * 4
