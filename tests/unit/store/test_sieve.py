"""A listing looked at by its marks: what is as it was is not read, and no news ever hides behind a mark."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import API, NOW, a_booking, an_event
from support.databases import a_store_in_memory
from syncer import calendly_shapes as shapes
from syncer.diff import Known, why_stale
from syncer.errors import NoUsableAnswer, Unreadable
from syncer.forgetting import Veil
from syncer.model import Location, utc_text
from syncer.reconcile import Todo
from syncer.sieve import Sieve
from syncer.store import Batch, Reading, Store
from syncer.store.snapshot import CALM

if TYPE_CHECKING:
    from syncer.model import Event

KEY = b"of this database"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ROW = {
    "uri": f"{API}/scheduled_events/e1",
    "name": "Phone consultation",
    "status": "active",
    "start_time": "2026-11-26T16:00:00.000000Z",
    "end_time": "2026-11-26T16:30:00.000000Z",
    "location": {"type": "outbound_call", "location": "+1 312-555-0142"},
    "event_memberships": [{"user": f"{API}/users/mara", "user_email": "mara@northpier.example"}],
    "invitees_counter": {"total": 2, "active": 1, "limit": 2},
    "updated_at": "2026-11-20T15:01:14.002871Z",
    "calendar_event": {"kind": "google", "external_id": "q1w2e3r4t5y6"},
}


def page(*listed: object, **more: Any) -> bytes:
    """An answer with these rows."""
    return json.dumps({"collection": listed, "pagination": {"next_page": None}} | more).encode()


def read(*listed: dict[str, Any], sieve: Sieve) -> list[Event]:
    """What a page says that the sieve does not know."""
    return shapes.changed(page(*listed), "page 1", sieve)[0]


def knowing(*listed: dict[str, Any]) -> tuple[Sieve, list[Event]]:
    """A sieve that knows these rows, and their events."""
    events = read(*listed, sieve=Sieve(KEY))
    return Sieve(KEY, [event.mark for event in events if event.mark is not None]), events


def put(store: Store, *events: Event, **over: Any) -> None:
    """Put events into the snapshot as if they had just been read."""
    store.commit(Batch([Reading(event, NOW, **over) for event in events]), Todo(), NOW)


def in_memory() -> Store:
    """A store of its own, for each example of a property."""
    return a_store_in_memory(now=NOW - DAY)


def marked(name: str, mark: int | None = 7, **over: Any) -> Event:
    """An event with a mark."""
    return an_event(name, mark=mark, **over)


def test_what_is_as_it_was_is_not_read() -> None:
    """Listed as it was, or with another time of its last change: no news, but seen."""
    sieve, (event,) = knowing(ROW)

    assert event.mark is not None
    assert read(ROW, sieve=sieve) == []
    assert read(ROW | {"updated_at": "2026-11-25T09:00:00.000000Z", "meeting_notes_plain": "x"}, sieve=sieve) == []
    assert (sieve.size, sieve.seen, sieve.unseen()) == (1, 1, [])


@pytest.mark.parametrize("entry", [None, {"kind": "google", "external_id": "another"}, "odd"])
def test_another_calendar_entry_is_read_and_changes_no_meeting(entry: object) -> None:
    """A calendar entry that comes late pairs the halves of a move, so the listing shows it; the guests are the same."""
    sieve, (event,) = knowing(ROW)

    assert event.external_id == "q1w2e3r4t5y6"
    (other,) = read(ROW | {"calendar_event": entry}, sieve=sieve)
    assert other.external_id != event.external_id
    assert why_stale(Known(event=event, read_at=NOW), other, now=NOW, reread=DAY, looks=lambda _: []) == ""


CHANGES = {
    "uri": f"{API}/scheduled_events/e2",
    "status": "canceled",
    "start_time": "2026-11-26T17:00:00.000000Z",
    "end_time": "2026-11-26T17:30:00.000000Z",
    "location": {"type": "outbound_call", "location": "+1 312-555-0143"},
    "event_memberships": [],
    "invitees_counter": {"total": 2, "active": 2, "limit": 2},
}


@pytest.mark.parametrize("field", CHANGES)
def test_each_field_that_makes_news_makes_another_mark(field: str) -> None:
    """So does one that is gone."""
    sieve, before = knowing(ROW)

    (after,) = read(ROW | {field: CHANGES[field]}, sieve=sieve)

    assert after != before[0]
    assert sieve.unseen() == [before[0].mark]
    if field in {"location", "event_memberships", "invitees_counter"}:
        assert len(read({name: value for name, value in ROW.items() if name != field}, sieve=sieve)) == 1
        return
    body = page({name: value for name, value in ROW.items() if name != field})
    if field == "uri":
        with pytest.raises(Unreadable, match=r"page 1, row 1.*uri"):
            shapes.changed(body, "page 1", sieve)
    else:
        events, unreadable, _ = shapes.changed(body, "page 1", sieve)
        assert events == []
        assert unreadable == {ROW["uri"]: f"Object missing required field `{field}`"}


_TEXT = st.text(max_size=3) | st.sampled_from(["active", "canceled", "\n", '"', "null"])
_LOCATIONS = st.none() | st.fixed_dictionaries({"type": _TEXT}, optional={"location": _TEXT, "join_url": _TEXT})
_ROWS = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["active", "canceled"]),
        "start_time": st.sampled_from(["2026-11-26T16:00:00.000000Z", "2026-11-26T16:00:00Z", "2026-11-26T17:00:00Z"]),
        "location": _LOCATIONS,
        "event_memberships": st.lists(st.fixed_dictionaries({"user": _TEXT, "user_email": _TEXT}), max_size=2),
        "invitees_counter": st.none()
        | st.fixed_dictionaries({"total": st.integers(0, 2), "active": st.integers(0, 2)}),
    }
)


@given(_ROWS, _ROWS)
def test_no_news_hides_behind_a_mark(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whatever a field by field comparison calls a change, the sieve lets through; and nothing of the same bytes."""
    sieve, (before,) = knowing(ROW | one)
    (after,) = read(ROW | other, sieve=Sieve(KEY))
    passed = read(ROW | other, sieve=sieve)

    fields = "status start location hosts total active".split()
    changed = any(getattr(before, name) != getattr(after, name) for name in fields)

    assert passed == [after] or not changed
    # Not `one != other`: to a dict the order of its keys is no difference.
    assert passed == [] or json.dumps(one) != json.dumps(other)


def test_a_page_that_is_half_known() -> None:
    """Only what changed is read, in its order; what repeats is seen once."""
    rows = [ROW | {"uri": f"{API}/scheduled_events/e{number}"} for number in range(100)]
    sieve, _ = knowing(*rows)
    rows[10] |= {"status": "canceled"}
    rows[90] |= {"status": "canceled"}

    found = read(*rows, *rows[:5], sieve=sieve)

    assert [event.uri for event in found] == [rows[10]["uri"], rows[90]["uri"]]
    assert (sieve.size, sieve.seen, len(sieve.unseen())) == (100, 98, 2)


def test_a_known_row_does_not_excuse_a_broken_page() -> None:
    """A page without `pagination` may not be the last, whatever is on it; what is no object is refused by name."""
    sieve, _ = knowing(ROW)

    with pytest.raises(Unreadable, match="no pagination"):
        shapes.changed(json.dumps({"collection": [ROW]}).encode(), "page 1", sieve)
    with pytest.raises(Unreadable, match="page 1, row 2"):
        shapes.changed(page(ROW, 5), "page 1", sieve)
    with pytest.raises(NoUsableAnswer):
        shapes.changed(page(ROW)[:-9], "page 1", sieve)


def test_an_unreadable_row_costs_itself_alone() -> None:
    """The rows beside it are read as ever, and those that are known are not looked at."""
    rows: list[dict[str, Any]] = [ROW | {"uri": f"{API}/scheduled_events/e{number}"} for number in range(4)]
    sieve, _ = knowing(*rows[:2])
    rows[2] |= {"status": None}

    events, unreadable, after = shapes.changed(page(*rows), "page 1", sieve)

    assert [event.uri for event in events] == [rows[3]["uri"]]
    assert unreadable == {rows[2]["uri"]: "Expected `str`, got `null` - at `$.status`"}
    assert (sieve.seen, after) == (2, "")


GOOD, ODD = ROW, ROW | {"start_time": "soon"}


@pytest.mark.parametrize(
    ("pages", "readable"),
    [
        pytest.param([[GOOD, ODD]], False, id="a page, unreadable last"),
        pytest.param([[ODD, GOOD]], True, id="a page, readable last"),
        pytest.param([[GOOD], [ODD]], False, id="two pages, unreadable last"),
        pytest.param([[ODD], [GOOD]], True, id="two pages, readable last"),
        pytest.param([[GOOD, ODD], [ODD, GOOD]], True, id="to and fro"),
    ],
)
@pytest.mark.parametrize("most", [0, 5])
def test_of_a_row_listed_twice_the_later_sight_counts(
    pages: list[list[dict[str, Any]]], most: int, *, readable: bool
) -> None:
    """An event is either found or unreadable, never both."""
    sieve = Sieve(KEY, near=NOW, most=most)
    for rows in pages:
        events, unreadable, _ = shapes.changed(page(*rows), "a page", sieve)
        sieve.take(events, unreadable)

    assert [event.uri for event in sieve.found] == [ROW["uri"]] * readable
    assert list(sieve.unreadable) == [ROW["uri"]] * (not readable)


def test_another_database_makes_other_marks() -> None:
    """Nobody outside can tell what would look the same."""
    assert read(ROW, sieve=Sieve(KEY))[0].mark != read(ROW, sieve=Sieve(b"another one"))[0].mark


@given(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=600), st.integers(-(2**63), 2**63 - 1))
def test_a_sieve_is_a_set(marks: set[int], other: int) -> None:
    """Whatever their values: all that are in are held, nothing else is."""
    sieve = Sieve(KEY, marks)

    assert sieve.held([other]) == [other in marks]
    assert sorted(sieve.unseen()) == sorted(marks - {other})
    assert sieve.held(marks) == [True] * len(marks)
    assert (sieve.size, sieve.seen, sieve.unseen()) == (len(marks), len(marks), [])


def test_a_sieve_is_small() -> None:
    """Nine bytes an event, however many there are: a set of numbers would take seventy."""
    sieve = Sieve(KEY, range(100_000))

    assert sieve._marks.itemsize * len(sieve._marks) + len(sieve._seen) == 900_000


def test_of_many_new_events_the_nearest_are_kept() -> None:
    """A first listing of a large account would else be in memory for hours; what is known is kept whatever it is."""
    old = {f"{API}/scheduled_events/e{number}" for number in (0, 40, 99)}
    sieve = Sieve(KEY, near=NOW + 50 * HOUR, most=10, which=lambda uris: old & set(uris))
    made = [an_event(f"e{number}", start=NOW + number * HOUR) for number in range(100)]

    for at in range(0, 100, 7):
        sieve.take(made[at : at + 7])
        sieve.take(made[at : at + 1])  # a row that comes twice
    hours = sorted((event.start - NOW) // HOUR for event in sieve.found)

    assert {0, 40, 99} < set(hours)
    assert set(hours) - {0, 40, 99} >= set(range(50, 60))
    assert len(hours) <= 3 + 10 * 5 // 4
    assert len(hours) + sieve.dropped >= 100  # what is dropped and comes again is dropped again


def test_without_a_bound_nothing_is_dropped() -> None:
    """The later sight of an event is the newer one."""
    sieve = Sieve(KEY)
    sieve.take([an_event("e1", status="active"), an_event("e2")])
    sieve.take([an_event("e1", status="canceled")])

    assert [(event.uri[-2:], event.status) for event in sieve.found] == [("e1", "canceled"), ("e2", "active")]
    assert sieve.dropped == 0


@pytest.mark.parametrize(
    ("event", "over", "calm"),
    [
        pytest.param(marked("e"), {}, True, id="as it was"),
        pytest.param(marked("e", None), {}, False, id="without a mark"),
        pytest.param(marked("e", start=NOW, end=NOW + HOUR), {}, False, id="has begun"),
        pytest.param(marked("e"), {"settles_at": NOW}, False, id="a young cancellation"),
        pytest.param(marked("e"), {"settles_at": NOW + HOUR}, True, id="one that settles later"),
        pytest.param(marked("e"), {"reread_at": NOW}, False, id="its turn"),
        pytest.param(marked("e"), {"reread_at": NOW + HOUR}, True, id="its turn comes later"),
    ],
)
def test_what_the_store_lets_pass_unread(store: Store, event: Event, over: dict[str, Any], *, calm: bool) -> None:
    """All that the clock or the snapshot makes stale by itself is looked at, and so is what began."""
    put(store, event, **over)

    sieve, others = store.sieve(NOW - DAY, None, now=NOW, reread=DAY)

    assert (sieve.size, list(others)) == ((1, []) if calm else (0, [event.uri]))


@given(read_ago=st.integers(0, 30), settles=st.none() | st.integers(-5, 5), reread=st.none() | st.integers(-5, 5))
def test_the_store_and_the_diff_agree(read_ago: int, settles: int | None, reread: int | None) -> None:
    """What the store lets pass unread is what the diff would not call stale, if it is listed as it was."""
    store = in_memory()
    event = marked("e", start=NOW + DAY, end=NOW + DAY + HOUR)
    settles_at, reread_at = (None if hours is None else NOW + hours * HOUR for hours in (settles, reread))
    reading = Reading(event, NOW - read_ago * HOUR, settles_at, reread_at)
    store.commit(Batch([reading]), Todo(), NOW)

    sieve, _ = store.sieve(NOW - DAY, None, now=NOW, reread=DAY)
    (known,) = store.known([event.uri]).values()

    assert (sieve.size == 1) == (why_stale(known, event, now=NOW, reread=DAY, looks=lambda _: []) == "")


def test_what_is_missing_is_looked_at(store: Store) -> None:
    """Else it would never be back again."""
    event = marked("e")
    put(store, event)
    store.commit(Batch(missing=[event.uri]), Todo(), NOW)

    sieve, others = store.sieve(NOW - DAY, None, now=NOW, reread=DAY)

    assert (sieve.size, [known.missing for known in others.values()]) == (0, [True])


def test_a_window_has_both_its_ends(store: Store) -> None:
    """What starts earlier or later is neither known nor missed."""
    put(store, *(marked(f"e{hour}", hour, start=NOW + hour * HOUR, end=NOW + DAY) for hour in range(1, 6)))

    sieve, others = store.sieve(NOW + 2 * HOUR, NOW + 4 * HOUR, now=NOW, reread=DAY)

    assert (sorted(sieve.unseen()), others) == ([2, 3, 4], {})
    assert store.in_window(NOW + 2 * HOUR, NOW + 4 * HOUR) == 3
    assert store.in_window(NOW + 2 * HOUR, None) == 4
    assert sorted(store.known_by_mark([3, 5, 99])) == [f"{API}/scheduled_events/e3", f"{API}/scheduled_events/e5"]


def cut(store: Store, minutes: list[int], *, size: int, most: int, until: datetime | None = None) -> list[int]:
    """Cut an account with meetings at these minutes; returns how many fall into each part."""
    put(
        store, *(marked(f"e{n}", n, start=NOW + timedelta(minutes=m), end=NOW + 9 * DAY) for n, m in enumerate(minutes))
    )
    cuts = store.cuts(NOW, until, size=size, most=most)
    starts = [NOW + timedelta(minutes=minute) for minute in minutes]
    assert not set(cuts) & set(starts), "no meeting is in two parts"
    edges = [NOW - DAY, *cuts, NOW + 100 * DAY]
    return [sum(low <= start <= high for start in starts) for low, high in pairwise(edges)]


@pytest.mark.parametrize(
    ("minutes", "most", "parts"),
    [
        pytest.param(range(100), 4, [20, 30, 20, 30], id="whole pages, as even as they get"),
        pytest.param(range(95), 4, [20, 30, 20, 25], id="the last page is not full"),
        pytest.param([0] * 35 + list(range(1, 66)), 4, [35, 15, 20, 30], id="many at once stay together"),
        pytest.param([0] * 100, 4, [100], id="all at once"),
        pytest.param([], 4, [0], id="nothing"),
        pytest.param(range(5), 4, [5], id="less than a page"),
    ],
)
def test_cuts(store: Store, minutes: range | list[int], most: int, parts: list[int]) -> None:
    """Parts are some whole pages each, so that they cost no page more than one window."""
    assert cut(store, list(minutes), size=10, most=most) == parts


@given(minutes=st.lists(st.integers(0, 300), max_size=80), most=st.integers(1, 9), size=st.integers(1, 20))
def test_cuts_lose_nothing(minutes: list[int], most: int, size: int) -> None:
    """Each meeting is in one part, and parts cost at most one page more each."""
    parts = cut(in_memory(), minutes, size=size, most=most)

    assert sum(parts) == len(minutes)
    assert 1 <= len(parts) <= max(1, most)
    assert sum(-(-part // size) for part in parts) <= -(-len(minutes) // size) + len(parts) - 1 or not minutes


def test_the_horizon_is_cut_too(store: Store) -> None:
    """What lies beyond it counts for no part."""
    assert cut(store, list(range(100)), size=10, most=2, until=NOW + timedelta(minutes=39)) == [20, 80]


def test_a_listing_without_news_reads_the_index_alone(store: Store) -> None:
    """No row of the snapshot is touched: the plan says so."""
    db = store.db.conn
    assert isinstance(db, sqlite3.Connection)

    plan = db.execute(
        f"EXPLAIN QUERY PLAN SELECT mark FROM events WHERE start_at >= :since AND start_at <= :until AND {CALM}",  # noqa: S608  a constant
        {"since": "", "until": "", "now": "", "oldest": ""},
    ).fetchall()

    assert "USING COVERING INDEX events_listed" in plan[0][3]


def test_what_is_hidden_has_no_mark() -> None:
    """The mark was made from what the guest typed; an event of which nothing is hidden keeps its own."""
    event = marked("e", location=Location("outbound_call", "+1 312-555-0142"))
    seen, unseen = (Veil(frozenset(marks), lambda text: text) for marks in ({f"{event.uri} +1 312-555-0142"}, {"else"}))

    assert (seen.event(event).mark, seen.event(event).location) == (None, Location("outbound_call"))
    assert unseen.event(event).mark == 7


def test_a_forgotten_place_leaves_no_mark(store: Store) -> None:
    """A mark is made from what a guest typed, and so goes with them."""
    event = marked("e", location=Location("outbound_call", "+1 312-555-0142"))
    booking = a_booking(event)
    store.commit(Batch([Reading(event, NOW)], [booking]), Todo(), NOW)

    store.forget([booking.uri], NOW, same=lambda *_: False)

    (known,) = store.known([event.uri]).values()
    assert known.event.location is not None
    assert known.event.location.place == ""
    assert list(store.db.query("SELECT mark FROM events")) == [{"mark": None}]


# One new field in Calendly's answers changes the bytes of every row, and nothing else.


def row_of(number: int, **more: Any) -> dict[str, Any]:
    """A row of the listing, of an event that starts in some days."""
    start = NOW + DAY + number * timedelta(minutes=1)
    moments = {"start_time": start.isoformat(), "end_time": (start + HOUR).isoformat()}
    return ROW | {"uri": f"{API}/scheduled_events/e{number}"} | moments | more


def listing(store: Store, *rows: dict[str, Any]) -> Sieve:
    """Have a store look at a listing of one page."""
    sieve, _ = store.sieve(NOW - DAY, None, now=NOW, reread=DAY, most=1000)
    events, unreadable, _ = shapes.changed(page(*rows), "page 1", sieve)
    sieve.take(events, unreadable)
    sieve.renew_marks()
    return sieve


def read_before(store: Store, *rows: dict[str, Any], **over: Any) -> None:
    """Put these rows into the snapshot, as they are listed."""
    put(store, *read(*rows, sieve=Sieve(store._salt)), **over)


NEW_FIELD = {"calendar_event": {"kind": "google", "external_id": "q1w2e3r4t5y6", "etag": "new"}}
IN_BYTES_ONLY = [
    pytest.param(NEW_FIELD, id="calendar entry"),
    pytest.param({"location": ROW["location"] | {"status": None}}, id="location"),  # type: ignore[operator]
    pytest.param({"event_memberships": [ROW["event_memberships"][0] | {"buffer": 5}]}, id="hosts"),  # type: ignore[index]
    pytest.param({"invitees_counter": {"limit": 9, "active": 1, "total": 2}}, id="counter, order of keys"),
]


@pytest.mark.parametrize("change", IN_BYTES_ONLY)
def test_what_differs_in_bytes_only_is_not_kept_and_known_from_then_on(store: Store, change: dict[str, Any]) -> None:
    """It is compared page by page, its new mark is written, and the next listing knows it by that."""
    rows = [row_of(number) for number in range(5)]
    read_before(store, *rows)
    changed = [row | change for row in rows]
    first, second = listing(store, *changed), listing(store, *changed)

    assert [(sieve.found, sieve.seen, sieve.unseen()) for sieve in (first, second)] == [([], 5, [])] * 2
    assert shapes.changed(page(*changed), "page 1", store.sieve(NOW - DAY, None, now=NOW, reread=DAY)[0])[0] == []
    assert [row["read_at"] for row in store.db.query("SELECT DISTINCT read_at FROM events")] == [utc_text(NOW)]


@pytest.mark.parametrize("news", [name for name in CHANGES if name != "uri"])
def test_news_beside_a_new_field_is_kept(store: Store, news: str) -> None:
    """A row that brings a new field and news is news."""
    rows = [row_of(number) for number in range(3)]
    read_before(store, *rows)
    change = NEW_FIELD | (
        {news: CHANGES[news]} if news != "event_memberships" else {news: [{"user": f"{API}/users/jon"}]}
    )
    sieve = listing(store, *(row | NEW_FIELD for row in rows[:2]), rows[2] | change)

    assert [event.uri for event in sieve.found] == [rows[2]["uri"]]


def test_what_is_due_to_be_read_is_kept(store: Store) -> None:
    """Its row may be as it was, but its guests are to be read again."""
    read_before(store, row_of(1), reread_at=NOW)
    read_before(store, row_of(2), settles_at=NOW)
    read_before(store, row_of(3))
    sieve = listing(store, *(row_of(number, **NEW_FIELD) for number in (1, 2, 3)))

    assert [event.uri for event in sieve.found] == [row_of(1)["uri"], row_of(2)["uri"]]


def test_of_news_and_old_news_in_one_listing_the_later_sight_counts(store: Store) -> None:
    """An event that moved back while the listing was read is as it was."""
    read_before(store, row_of(1))
    sieve = listing(store, row_of(1, status="canceled", **NEW_FIELD))
    assert len(sieve.found) == 1
    events, unreadable, _ = shapes.changed(page(row_of(1, **NEW_FIELD)), "page 2", sieve)
    sieve.take(events, unreadable)

    assert sieve.found == []


def test_a_new_field_takes_no_memory(store: Store) -> None:
    """However many rows it changes: the peak is that of a quiet listing and some thousand marks."""
    peaks: dict[tuple[int, bool], int] = {}
    for count in (2_000, 10_000):
        rows = [row_of(number) for number in range(count)]
        read_before(store, *rows)
        for changed in (False, True):
            pages = [
                page(*(row | NEW_FIELD if changed else row for row in rows[at : at + 100]))
                for at in range(0, count, 100)
            ]
            tracemalloc.start()
            sieve, _ = store.sieve(NOW - DAY, None, now=NOW, reread=DAY, most=1000)
            for body in pages:
                events, unreadable, _ = shapes.changed(body, "a page", sieve)
                sieve.take(events, unreadable)
            sieve.renew_marks()
            peaks[count, changed] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert (sieve.found, sieve.seen) == ([], count)

    assert peaks[10_000, True] <= peaks[10_000, False] + 1.3 * max(peaks[2_000, True] - peaks[2_000, False], 100_000)
