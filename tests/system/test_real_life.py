"""What real accounts did, played over HTTP on loopback: moved days, mass cancellations, refused events, backlogs.

The first half has a clock that is moved by hand, the second one the command line as people type it.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.cli_workspace import now
from support.end_to_end import START, a_journey
from syncer.reasons import Reason
from syncer.run import Options
from syncer.sandbox.directory import OWNER
from syncer.sandbox.shapes import unstamp
from syncer.sandbox.world import SANDBOX_HOST_PHONE
from syncer.store import Store, database
from syncer.store.glance import glance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from support.cli_workspace import Workspace
    from support.end_to_end import Journey
    from syncer.sandbox.world import World

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
FIRST = START + 4 * DAY
"""The start of the first of many meetings, one an hour."""
MILLISECONDS = (17, 19, 22, 26, 31, 34, 38, 41, 47, 53, 322)
"""How far apart the halves of eleven recorded moves by hosts were, about: ten of them 17 to 53 ms."""
SAME_TIME = (3, 7)
"""Which of the eleven kept the time: only the place or the notes had changed."""


def phone(number: int) -> str:
    """The number of the so-many-th guest."""
    return f"+1312555{1000 + number}"


def book(world: World, number: int, start: datetime, **more: Any) -> str:
    """Book a meeting of one guest with a name, an e-mail and a number of their own."""
    name = f"Guest {chr(65 + number // 26)}{chr(97 + number % 26)}"
    return world.book(start=start, name=name, email=f"guest{number}@example.com", phone=phone(number), **more)


def meetings(journey: Journey, count: int = 45) -> list[str]:
    """Book so many meetings, one an hour, and let everybody be told; the last one is in thirty hours."""
    guests = [book(journey.world, number, FIRST + number * HOUR) for number in range(count - 1)]
    guests.append(book(journey.world, count - 1, START + 30 * HOUR))
    assert len(journey.look()) == 2 * count
    return guests


def told(journey: Journey, event: str) -> list[dict[str, Any]]:
    """The events of this name in the last run's log."""
    return [one for one in journey.told if one["event"] == event]


def held(journey: Journey) -> list[str]:
    """The bookings whose texts a guard holds."""
    with journey.worker() as worker:
        return [m.booking for m in worker.store.messages() if m.reason is Reason.HELD_BY_GUARD]


def force(journey: Journey) -> list[tuple[str, str]]:
    """Do a run as `syncer run --once --force` does; returns the texts that it sent."""
    before = len(journey.world.texts)
    with journey.worker() as worker:
        worker.run_once(Options(everything=True, force=True))
    return [(one.to, one.body) for one in journey.world.texts[before:]]


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    """The sandbox over HTTP, with all built-in rules and an empty database."""
    with a_journey(tmp_path, without=()) as served:
        yield served


@pytest.mark.parametrize("connected", [True, False], ids=["calendar", "no calendar"])
def test_a_host_moves_twelve_of_45_meetings_while_a_reminder_is_due(journey: Journey, connected: bool) -> None:
    """One run: each of the twelve guests has one text about the move, nobody a cancellation, the reminder is sent."""
    journey.world.calendar_connected = connected
    guests = meetings(journey)
    journey.at(START + 6 * HOUR)
    new = journey.world.host_moves(OWNER, FIRST + 10 * HOUR, FIRST + 22 * HOUR, 9 * DAY)
    assert len(new) == 12
    journey.later(minutes=1)

    texts = journey.look()
    later = [*journey.look(), *journey.look()]

    moved = {phone(guests.index(old)) for old in journey.world.moved}
    assert len(moved) == 12
    to_guests = [one for one in texts if one[0] != SANDBOX_HOST_PHONE]
    [reminder] = [body for to, body in to_guests if to == phone(44)]
    assert "your meeting begins in 24 hours" in reminder
    assert sorted(to for to, _ in to_guests) == sorted([*moved, phone(44)])
    assert not any("cancel" in body for _, body in texts)
    assert len(texts) - len(to_guests) == 12
    assert later == []
    [done] = told(journey, "run.completed")
    assert done["sent"] == 0
    assert told(journey, "run.refused") == []


@pytest.mark.parametrize("connected", [True, False], ids=["calendar", "no calendar"])
@pytest.mark.parametrize("linked", [True, False], ids=["links", "no links"])
def test_recorded_moves_by_a_host_are_told_as_moves(journey: Journey, connected: bool, linked: bool) -> None:
    """Eleven of them, 17 to 322 ms between the halves; two keep the time, and those guests hear nothing."""
    journey.world.calendar_connected = connected
    guests = meetings(journey, 15)
    journey.later(hours=1)
    for number, (guest, gap) in enumerate(zip(guests, MILLISECONDS, strict=False)):
        start = unstamp(journey.world.events[journey.world.invitees[guest]["event"]]["start_time"])
        journey.world.move_begin(guest, by="host", reason="I am ill")
        journey.time[0] += timedelta(milliseconds=gap)
        to = start if number in SAME_TIME else start + 3 * DAY
        place = {"type": "physical", "location": f"{number} Mill Lane"}
        journey.world.move_finish(guest, to, linked=linked, location=place)
        journey.time[0] += timedelta(seconds=2)
    journey.later(minutes=1)

    texts = journey.look()
    later = [*journey.look(), *journey.look()]

    numbers = [phone(number) for number in range(11) if number not in SAME_TIME]
    assert sorted(to for to, _ in texts if to != SANDBOX_HOST_PHONE) == sorted(numbers)
    assert sum(to == SANDBOX_HOST_PHONE for to, _ in texts) == len(numbers)
    assert not any("cancel" in body for _, body in texts)
    assert later == []


def test_a_look_into_the_gap_of_a_recorded_move_tells_of_no_cancellation(journey: Journey) -> None:
    """The old half is there, the new one comes 322 ms later."""
    [guest, *_] = meetings(journey, 3)
    journey.later(hours=1)
    journey.world.move_begin(guest, by="host")
    assert journey.look() == []
    journey.time[0] += timedelta(milliseconds=322)
    journey.world.move_finish(guest, FIRST + 9 * DAY)
    journey.later(minutes=1)

    texts = [*journey.look(), *journey.look()]

    assert sorted(to for to, _ in texts) == sorted([phone(0), SANDBOX_HOST_PHONE])
    assert not any("cancel" in body for _, body in texts)


def test_twelve_true_cancellations_wait_and_a_forced_run_releases_them(journey: Journey) -> None:
    """All else leaves in the same run; it says what waits and how to release it, and the next run is ordinary."""
    guests = meetings(journey)
    journey.at(START + 6 * HOUR)
    canceled = guests[10:22]
    for guest in canceled:
        journey.world.cancel(guest, by="host")
    journey.later(minutes=1)
    new = book(journey.world, 60, FIRST + 5 * DAY)
    journey.later(minutes=1)

    texts = journey.look()

    assert sorted(to for to, _ in texts) == sorted([phone(44), phone(60), SANDBOX_HOST_PHONE])
    [refused] = told(journey, "run.refused")
    assert refused["held"] == 12
    assert "12 of 46" in refused["reason"]
    assert "syncer run --once --force" in refused["remedy"]
    assert [one["event"] for one in journey.told if one["event"].startswith("run.")] == [
        "run.started",
        "run.refused",
        "run.completed",
    ]
    assert sorted(held(journey)) == sorted(canceled)
    journey.later(minutes=1)
    assert journey.look() == []
    assert told(journey, "run.refused") == []
    journey.later(minutes=1)

    released = force(journey)

    assert sorted(to for to, _ in released) == sorted(phone(number) for number in range(10, 22))
    assert all("cancel" in body for _, body in released)
    assert held(journey) == []
    journey.later(minutes=1)
    assert journey.look() == []
    assert new in journey.world.invitees


def test_twenty_of_sixty_events_are_refused_and_the_other_forty_are_texted(journey: Journey) -> None:
    """In the same run, wherever they stand; it names the twenty and is complete. They follow when they can be read."""
    guests = [book(journey.world, number, FIRST + number * HOUR) for number in range(60)]
    refused = [journey.world.invitees[guest]["event"] for guest in guests[::3]]
    for event in refused:
        journey.world.faults.refuse_event(event)

    texts = journey.look()

    readable = [number for number in range(60) if number % 3]
    assert sorted(to for to, _ in texts if to != SANDBOX_HOST_PHONE) == sorted(map(phone, readable))
    assert {one["event_uri"] for one in told(journey, "event.unreadable")} == set(refused)
    [done] = told(journey, "run.completed")
    assert done["events_unreadable"] == 20
    assert "20" in done["warning"]
    assert set(glance(journey.folder / "syncer.db").unreadable) == set(refused)
    journey.later(minutes=1)
    assert journey.look() == []

    for event in refused:
        journey.world.faults.allow_event(event)
    followed: list[tuple[str, str]] = []
    for _ in range(3):
        journey.later(minutes=2)
        followed += journey.look()
    assert sorted(to for to, _ in followed if to != SANDBOX_HOST_PHONE) == sorted(phone(n) for n in range(0, 60, 3))
    assert glance(journey.folder / "syncer.db").unreadable == {}


BACKLOG = """
[[rule]]
name = "thanks"
on = "after_end"
offset = "30m"
template = "{template}"
params = {{ name = "{{name}}" }}

[[rule]]
name = "soon"
on = "before_start"
offset = "1h"
template = "{template}"
params = {{ name = "{{name}}" }}
"""


def test_a_reminder_leaves_before_four_hundred_follow_ups(journey: Journey) -> None:
    """Three texts may leave in a run; the follow-ups were due before the reminder."""
    template = next(ident for ident, one in journey.world.templates.items() if "thank" in json.dumps(one).casefold())
    journey.toml, journey.limits = BACKLOG.format(template=template), "messages_per_run = 3\nconcurrency = 1"
    for group in range(20):
        start = START + 2 * HOUR
        first = book(journey.world, 20 * group, start, event_type="Open clinic", minutes=60, seats=20)
        for number in range(1, 20):
            book(journey.world, 20 * group + number, start, event=journey.world.invitees[first]["event"])
    journey.look()
    end = START + 3 * HOUR
    book(journey.world, 450, end + 95 * MINUTE)
    journey.at(end + 31 * MINUTE)
    before = journey.look()
    journey.at(end + 36 * MINUTE)

    texts = journey.look()

    assert len(before) == 3
    assert phone(450) not in {to for to, _ in before}
    assert texts[0][0] == phone(450)
    assert len(texts) == 3
    assert told(journey, "limit.reached")


@pytest.mark.parametrize("fault", ["token alone", "wrong count", "empty pagination", "null pagination"])
def test_a_listing_in_doubt_sends_nothing_and_the_next_one_does(journey: Journey, fault: str) -> None:
    """Nobody could say that it is complete."""
    book(journey.world, 1, FIRST)
    journey.world.page_faults.append(fault)
    before = len(journey.world.texts)

    with pytest.raises(Exception, match="pagination"):
        journey.look()

    assert len(journey.world.texts) == before
    assert len(journey.look()) == 2


# The command line, as people type it.

SETTINGS = 'settle = "0s"\n\n[limits]\nsends_per_second = 500\n'


def log_of(stderr: str) -> list[dict[str, Any]]:
    """Read a JSON log."""
    return [json.loads(line) for line in stderr.splitlines()]


def names(stderr: str) -> list[str]:
    """The events of a JSON log that are about the run, oldest first."""
    return [one["event"] for one in log_of(stderr) if one["event"].startswith("run.")]


def held_messages(workspace: Workspace) -> list[dict[str, Any]]:
    """What `syncer messages --json` says of texts that a guard holds."""
    lines = workspace.run("messages", "--json", "--state", "scheduled")[1].splitlines()
    return [row for row in map(json.loads, lines) if row["reason"] == Reason.HELD_BY_GUARD]


@pytest.fixture
def canceled(workspace: Workspace) -> list[str]:
    """A workspace whose host canceled twelve of fifteen meetings, and a run that held the texts about it."""
    (workspace.folder / "syncer.toml").write_text(SETTINGS, encoding="utf-8")
    workspace.be_born()
    guests = [book(workspace.world, number, now() + 3 * DAY + number * HOUR) for number in range(15)]
    assert workspace.run("run", "--once")[0] == 0
    assert len(workspace.world.texts) == 30
    time.sleep(1.1)
    for guest in guests[:12]:
        workspace.world.cancel(guest, by="host")
    return guests[:12]


def sent_since(workspace: Workspace, count: int) -> list[str]:
    """The numbers that were texted after so many texts."""
    return sorted(one.to for one in workspace.world.texts[count:])


def test_exit_codes_of_a_mass_cancellation(workspace: Workspace, canceled: Sequence[str]) -> None:
    """3 in the run that holds them, which is complete; 0 afterwards; a forced run lets them go."""
    first = workspace.run("run", "--once")
    second = workspace.run("run", "--once")
    status = workspace.run("status")
    third = workspace.run("run", "--once", "--force")

    assert (first[0], second[0], status[0], third[0]) == (3, 0, 0, 0)
    assert names(first[2]) == ["run.started", "run.refused", "run.completed"]
    assert names(second[2]) == ["run.started", "run.completed"]
    assert "12" in status[1]
    assert sent_since(workspace, 30) == sorted(phone(number) for number in range(12))
    assert len(canceled) == 12
    assert held_messages(workspace) == []


def test_single_texts_are_released_and_dropped_by_their_short_ids(
    workspace: Workspace, canceled: Sequence[str]
) -> None:
    """`retry ID` lets one go at the next run, `cancel ID` ends one; the other ten wait."""
    assert workspace.run("run", "--once")[0] == 3
    rows = held_messages(workspace)
    assert {row["booking"] for row in rows} == set(canceled)
    retried, dropped = rows[0], rows[1]

    assert workspace.run("retry", retried["id"])[0] == 0
    assert workspace.run("cancel", dropped["id"])[0] == 0
    assert workspace.run("run", "--once")[0] == 0

    assert sent_since(workspace, 30) == [phone(canceled.index(retried["booking"]))]
    assert len(held_messages(workspace)) == 10
    assert workspace.run("run", "--once", "--force")[0] == 0
    assert phone(canceled.index(dropped["booking"])) not in sent_since(workspace, 30)
    assert len(sent_since(workspace, 30)) == 11


def test_an_id_that_may_be_several_is_refused_and_lists_them(workspace: Workspace, canceled: Sequence[str]) -> None:
    """Nothing is changed, and more of the id is asked for; ids of two messages are made alike for it."""
    assert workspace.run("run", "--once")[0] == 3
    rows = held_messages(workspace)
    alike = [f"m-123456{number:010}" for number in range(2)]
    with Store(database.open_writable(workspace.folder / "syncer.db")) as store:
        for row, ident in zip(rows, alike, strict=False):
            with store.db.conn:
                store.db.execute("UPDATE messages SET id = ? WHERE key = ?", [ident, row["key"]])

    several = workspace.run("retry", "m-123456")
    short = workspace.run("retry", "m-1234")
    nothing = workspace.run("cancel", "m-ffffffff")

    assert several[0] == 2
    assert all(ident in several[2] for ident in alike)
    assert "cancellation" in several[2]
    assert short[0] == nothing[0] == 1
    assert len(held_messages(workspace)) == len(canceled) == 12


def test_status_names_events_that_cannot_be_read_and_stays_healthy(workspace: Workspace) -> None:
    """Twenty of sixty answer a 403 of their own: `run --once` and `status` exit 0."""
    (workspace.folder / "syncer.toml").write_text(SETTINGS, encoding="utf-8")
    workspace.be_born()
    guests = [book(workspace.world, number, now() + 3 * DAY + number * HOUR) for number in range(60)]
    refused = [workspace.world.invitees[guest]["event"] for guest in guests[:20]]
    for event in refused:
        workspace.world.faults.refuse_event(event)

    code, _, err = workspace.run("run", "--once")
    status = workspace.run("status")
    as_json = json.loads(workspace.run("status", "--json")[1])

    assert (code, status[0]) == (0, 0)
    done = log_of(err)[-1]
    assert (done["event"], done["level"], done["events_unreadable"]) == ("run.completed", "warning", 20)
    assert all(event in status[1] for event in refused)
    assert all(event in json.dumps(as_json) for event in refused)
    assert len(workspace.world.texts) == 80
