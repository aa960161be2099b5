"""Everything that can be wrong with Calendly's answers, over HTTP on loopback, while texts are due.

In each case: nothing leaves from a partial view, nothing is marked missing or canceled by mistake, the token goes
nowhere else, and the next run without the fault sends what is due, once. The client's waiting is simulated.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.calendly_faults import (
    ALWAYS,
    DUE,
    FAILING,
    HARMLESS,
    ODD_ROWS,
    OWN,
    TARGETS,
    FaultyAccount,
    Scene,
    Target,
    _error,
    _rows,
    cases,
)
from support.worker_on_sandbox import (
    contents,
)
from syncer.calendly_asking import ATTEMPTS, PATIENCE
from syncer.errors import (
    GuardRefused,
    LoginRefused,
    NotConnected,
    SyncerError,
)
from syncer.http import Http, prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(("play", "error", "target"), cases(FAILING))
def test_a_broken_answer_stops_the_run_before_anything_leaves_and_the_next_recovers(
    account: FaultyAccount, tmp_path: Path, play: Callable[[Scene], object], error: type[SyncerError], target: Target
) -> None:
    """One table of faults; the run fails by that error, learns nothing from it, and a run without it does it all."""
    with account.scene(tmp_path, target) as scene:
        before = contents(tmp_path / "syncer.db", without=OWN)
        play(scene)
        scene.world.requests.clear()
        waited = scene.office.time.waited

        alone = target.reading and error is not LoginRefused  # one event's invitees hold that event
        with contextlib.nullcontext() if alone else pytest.raises(error) as caught:
            scene.run()
        sent, asked = scene.sent(), scene.world.count("/scheduled_events") + scene.world.count("/users")
        after = contents(tmp_path / "syncer.db", without=OWN)
        waited = scene.office.time.waited - waited
        told = [one["event"] for one in scene.office.told]
        unreadable = [one["event_uri"] for one in scene.office.told if one["event"] == "event.unreadable"]
        said = repr(scene.office.told)
        scene.world.faults.clear()
        scene.drip.orders.clear()
        scene.haste = 0.0
        scene.run()
        recovered = scene.sent()
        scene.run()

        assert sent == account.vouched_for(target, error)
        assert not {"booking.missing", "booking.created"} & set(told)
        assert account.group not in repr(after)
        assert sent or after == before
        if caught is None:
            assert told[-1] == "run.completed"
            assert unreadable == [account.group]
        else:
            assert told[-1] == ("run.refused" if error is GuardRefused else "run.failed")
            assert unreadable == []
            assert caught.value.exit_code == (3 if error is GuardRefused else 1)
            said += str(caught.value) + caught.value.remedy
        assert recovered == account.reference
        assert scene.sent() == account.reference
        # No storm of ours either: a handful of tries, and a minute and a half of waiting for any one answer.
        assert asked <= 3 + 2 + ATTEMPTS
        assert waited <= PATIENCE + 1
        assert account.trap.caught == []
        assert scene.token not in said + repr(scene.office.told)


@pytest.mark.parametrize(("change", "target"), cases(ODD_ROWS))
def test_one_row_that_cannot_be_read_holds_its_event_alone(
    account: FaultyAccount, tmp_path: Path, change: Callable[[dict[str, Any]], object], target: Target
) -> None:
    """All others get their texts in the same run; the next run, with the row as it should be, does the rest."""
    with account.scene(tmp_path, target) as scene:
        uri = str(scene.real()["collection"][0]["uri"])
        scene.answer(_rows(change), times=1)
        scene.run()
        sent = scene.sent()
        told = [one["event"] for one in scene.office.told]
        unreadable = [one["event_uri"] for one in scene.office.told if one["event"] == "event.unreadable"]
        scene.world.faults.clear()
        scene.run()

        assert sent == [one for one in account.reference if uri not in one[1]]
        assert unreadable == [uri]
        assert told[-1] == "run.completed"
        assert "booking.missing" not in told
        assert scene.sent() == account.reference


@pytest.mark.parametrize(("play", "target"), cases(HARMLESS))
def test_a_passing_fault_changes_nothing_about_what_is_sent(
    account: FaultyAccount, tmp_path: Path, play: Callable[[Scene], object], target: Target
) -> None:
    """The same run gets over it: the very texts of a run without it, each once, and nothing is missing."""
    with account.scene(tmp_path, target) as scene:
        play(scene)

        scene.run()
        sent = scene.sent()
        scene.world.faults.clear()
        scene.haste = 0.0
        scene.run()

        changes = Counter(one["event"] for one in scene.office.told if one["event"].startswith("booking."))
        assert sent == account.reference
        assert scene.sent() == account.reference
        assert changes == {"booking.created": 3, "booking.canceled": 1}
        assert account.trap.caught == []


def test_a_page_token_refused_once_makes_the_walk_begin_anew(account: FaultyAccount, tmp_path: Path) -> None:
    """Two pages, the refusal, then all three: five requests, and no page's address is kept."""
    with account.scene(tmp_path, TARGETS["last page"]) as scene:
        scene.fault(times=1, status=400, body=_error("page_token"))
        scene.world.requests.clear()

        scene.run()

        listed = [seen.query for seen in scene.world.requests if seen.path == "/scheduled_events"]
        assert ["page_token" in query for query in listed] == [False, True, True, False, True, True]


def test_invitees_that_are_gone_are_left_out_and_read_when_they_are_back(
    account: FaultyAccount, tmp_path: Path
) -> None:
    """404 is no fault of the listing: the others get their texts, none is called canceled; the rest follows later."""
    with account.scene(tmp_path, TARGETS["invitees"]) as scene:
        scene.fault(status=404)

        scene.run()
        sent = scene.sent()
        told = {one["event"] for one in scene.office.told}
        scene.world.faults.clear()
        scene.run()

        assert sent == [one for one in account.reference if account.group not in one[1]]
        assert len(sent) == 5
        assert "booking.created" not in told
        assert scene.sent() == account.reference


@pytest.mark.parametrize("status", [400, 403, 410])
def test_an_event_that_the_token_may_not_see_holds_its_own_messages_only(
    account: FaultyAccount, tmp_path: Path, status: int
) -> None:
    """A 403 with 'not allowed to view this event' is documented: everybody else gets their texts in each run."""
    with account.scene(tmp_path, TARGETS["invitees"]) as scene:
        scene.fault(status=status, body={"message": "You are not allowed to view this event."})

        scene.run()

        assert scene.office.told[-1]["events_unreadable"] == 1
        assert scene.sent() == [one for one in account.reference if account.group not in one[1]]


@pytest.mark.parametrize("status", [404, 500], ids=["gone", "broken"])
def test_a_reminder_waits_while_its_changed_event_cannot_be_read(
    account: FaultyAccount, tmp_path: Path, status: int
) -> None:
    """The listing says canceled, the invitees are not to be had: its reminder, due now, is for nobody."""
    [gone] = [uri for uri, event in account.world.events.items() if event["status"] == "canceled"]
    with account.scene(tmp_path, TARGETS["invitees"]) as scene:
        scene.world.faults.fail(f"/scheduled_events/{gone.rpartition('/')[2]}/", status=status, times=ALWAYS)

        scene.run()
        sent = scene.sent()
        with scene.office.worker(None) as worker:
            held = [message for message in worker.store.messages() if message.booking.startswith(gone)]
        scene.world.faults.clear()
        scene.run()

        assert sent == [one for one in account.reference if gone not in one[1]]
        assert len(sent) == len(account.reference) - 1
        assert {"scheduled"} == {str(one.state) for one in held if one.rule == "reminder-24h" and one.next_at <= DUE}
        assert scene.sent() == account.reference


def test_an_event_that_slips_between_two_pages_waits_and_is_back_in_the_next_run(
    account: FaultyAccount, tmp_path: Path
) -> None:
    """A row less on page 2 than there should be: missing, never canceled, and its text waits for the next listing."""
    with account.scene(tmp_path, TARGETS["page 2"]) as scene:
        lost = scene.real()["collection"][0]["uri"]
        scene.answer(lambda body: body["collection"].pop(0), times=1)

        scene.run()
        sent = scene.sent()
        told = [one for one in scene.office.told if one["event"].startswith("booking.")]
        scene.run()

        assert sent == [one for one in account.reference if lost not in one[1]]
        assert len(sent) == len(account.reference) - 1
        assert [one["event_uri"] for one in told if one["event"] == "booking.missing"] == [lost]
        assert scene.sent() == account.reference


def test_an_api_that_is_not_there_at_all_fails_the_run(account: FaultyAccount, tmp_path: Path) -> None:
    """Nobody listens on that port: no request ever left, the run fails, the next one recovers."""
    with account.scene(tmp_path, TARGETS["page 1"]) as scene, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but not listening
        before = contents(tmp_path / "syncer.db", without=OWN)
        url, scene.office.url = scene.office.url, f"http://127.0.0.1:{nobody.getsockname()[1]}"

        with pytest.raises(NotConnected):
            scene.run()
        after = contents(tmp_path / "syncer.db", without=OWN)
        scene.office.url = url
        scene.run()

        assert after == before
        assert scene.sent() == account.reference


def test_the_trap_would_have_caught_a_token(account: FaultyAccount) -> None:
    """What the table relies on: a request that does go there is seen, with its headers."""
    account.trap.caught.clear()
    headers = {"Authorization": "Bearer secret"}
    with Http() as http:
        answer = http.exchange(
            prepare("GET", f"http://127.0.0.1:{account.trap.port}/x", headers=headers), deadline=5, cap=1_000
        )

    assert answer.status == 200
    assert b"Bearer secret" in account.trap.caught[0]
    account.trap.caught.clear()
