"""The whole job, from booking to phone: the real worker, HTTP on loopback, a real database, a clock that is moved."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.end_to_end import MEETING, PHONE, START, Journey, a_journey, text
from syncer.errors import GuardRefused, LoginRefused, RunHalted, SyncerError
from syncer.model import State
from syncer.reasons import Reason
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import (
    APPROVED,
    PENDING,
    SANDBOX_HOST_PHONE,
    TEMPLATE_CONFIRM,
    TEMPLATE_REMINDER,
    TEMPLATE_RESCHEDULE,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    """The sandbox, served, with a database that was born before anything happens."""
    with a_journey(tmp_path) as one:
        yield one


def test_a_booking_is_confirmed_once_in_the_invitees_time_zone_and_the_host_is_told(journey: Journey) -> None:
    """The first look after a booking texts the invitee and the host; the second texts nobody."""
    journey.world.book(start=MEETING, phone=PHONE)

    first, second = journey.look(), journey.look()

    # The host's zone is not set, so each text names the zone of its time.
    assert first == [
        (PHONE, text("Hello Ines Okafor, your meeting is confirmed. Time: Thu, Nov 26, 10:00 AM CST")),
        (SANDBOX_HOST_PHONE, text("New booking: Ines Okafor, Thu, Nov 26, 4:00 PM UTC")),
    ]
    assert second == []


def test_reminders_come_a_day_and_an_hour_before_once_each(journey: Journey) -> None:
    """Nothing a second early, one text when due, nothing after."""
    journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    seen = []
    for before in (timedelta(hours=24), timedelta(hours=1)):
        journey.at(MEETING - before - timedelta(seconds=1))
        seen.append(journey.look())
        journey.later(seconds=1)
        seen += [journey.look(), journey.look()]

    day = text("Hello Ines Okafor, your meeting begins in 24 hours. Time: Thu, Nov 26, 10:00 AM CST")
    hour = text("Hello Ines Okafor, your meeting begins in 1 hour. Time: Thu, Nov 26, 10:00 AM CST")
    assert seen == [[], [(PHONE, day)], [], [], [(PHONE, hour)], []]


def test_a_moved_booking_gets_one_text_and_its_old_reminders_are_dead(journey: Journey) -> None:
    """Without a template for moves the confirmation carries the new time; the host is told, too."""
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.later(hours=1)
    journey.world.move(invitee, MEETING + timedelta(days=1))

    moved = journey.look()
    journey.at(MEETING - timedelta(hours=24))
    old_day = journey.look()
    journey.at(MEETING)
    new_day = journey.look()

    confirmed = text("Hello Ines Okafor, your meeting is confirmed. Time: Fri, Nov 27, 10:00 AM CST")
    assert [one for one in moved if one[0] == PHONE] == [(PHONE, confirmed)]
    assert len(moved) == 2
    assert old_day == []
    assert [number for number, _ in new_day] == [PHONE]
    assert "Fri, Nov 27" in new_day[0][1]


def test_with_a_template_for_moves_it_is_that_one(journey: Journey) -> None:
    """TEMPLATE_ID_RESCHEDULE switches the rule on."""
    journey.without = ()
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.later(hours=1)
    journey.world.move(invitee, MEETING + timedelta(days=1))

    texts = [body for number, body in journey.look() if number == PHONE]

    assert texts == [text("Hello Ines Okafor, your meeting was moved. New time: Fri, Nov 27, 10:00 AM CST")]


def test_the_gap_in_a_move_texts_nothing_and_the_move_once(journey: Journey) -> None:
    """A look between the two halves sees a cancellation that is too young to be believed."""
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.later(hours=1)
    journey.world.move_begin(invitee)
    in_the_gap = journey.look()
    journey.world.move_finish(invitee, MEETING + timedelta(days=1))
    journey.later(minutes=1)

    after = [body for number, body in journey.look() if number == PHONE]
    journey.later(minutes=1)
    settled = journey.look()

    assert in_the_gap == []
    assert after == [text("Hello Ines Okafor, your meeting is confirmed. Time: Fri, Nov 27, 10:00 AM CST")]
    assert settled == []


@pytest.mark.parametrize("by", ["invitee", "host"])
def test_a_cancellation_is_told_once_and_nothing_else_follows(journey: Journey, by: Any) -> None:
    """Whoever canceled: the built-in rule texts the invitee when the cancellation has settled, and no reminder."""
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.later(hours=1)
    journey.world.cancel(invitee, by=by)
    too_young = journey.look()
    journey.later(minutes=1)

    told, again = journey.look(), journey.look()
    journey.at(MEETING - timedelta(hours=24))
    a_day_before = journey.look()
    journey.at(MEETING + timedelta(hours=2))
    afterwards = journey.look()

    assert too_young == []
    assert told == [(PHONE, text("Hello Ines Okafor, your booking is canceled."))]
    assert [again, a_day_before, afterwards] == [[], [], []]


def test_half_an_hour_after_the_end_comes_one_follow_up(journey: Journey) -> None:
    """The meeting takes 30 minutes: the text leaves an hour after its start, once."""
    journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.at(MEETING + timedelta(minutes=59))
    early = journey.look()
    journey.at(MEETING + timedelta(minutes=60))

    due, again = journey.look(), journey.look()

    assert early == []  # an outage: both reminders had expired by then
    assert due == [(PHONE, text("Hello Ines Okafor, thank you for your visit. See you again soon."))]
    assert again == []


def test_a_no_show_gets_no_follow_up(journey: Journey) -> None:
    """The mark moves nothing in the listing: the event is read again before its follow-up leaves."""
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.at(MEETING + timedelta(minutes=50))
    journey.look()
    journey.world.set_no_show(invitee)
    journey.at(MEETING + timedelta(minutes=61))

    assert journey.look() == []
    assert "follow-up" in journey.states()["canceled"]


def test_after_an_outage_what_is_alive_goes_out_and_the_rest_expires(journey: Journey) -> None:
    """Off from before the day's reminder until half an hour before the meeting: one text, the nearest."""
    journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.at(MEETING - timedelta(minutes=30))

    texts = journey.look()

    assert [body for _, body in texts] == [
        text("Hello Ines Okafor, your meeting begins in 30 minutes. Time: Thu, Nov 26, 10:00 AM CST")
    ]
    assert journey.states()["expired"] == ["reminder-24h"]


def test_a_first_start_texts_nobody_about_the_past(tmp_path: Path) -> None:
    """Bookings made before the database get no confirmation, but their reminders."""
    time = [START]
    world = World(lambda: time[0])
    world.book(start=MEETING, phone=PHONE)
    with SandboxServer(world) as server:
        journey = Journey(world, server.url, tmp_path, time)
        journey.later(minutes=5)
        first = journey.look()
        states = journey.states()

    assert first == []
    assert sorted(states["skipped"]) == ["confirmation", "host"]
    assert sorted(states["scheduled"]) == ["follow-up", "reminder-1h", "reminder-24h"]


def test_nobody_without_a_number_stops_the_run(journey: Journey) -> None:
    """They are skipped with that reason and logged; the next one gets a text."""
    journey.world.book(start=MEETING, phone=None, name="Ama Mensah", email="ama@example.com")
    journey.world.book(start=MEETING, phone=PHONE)

    texts = [number for number, _ in journey.look()]

    assert texts.count(PHONE) == 1
    skipped = [one for one in journey.told if one["event"] == "message.skipped"]
    assert {one["reason"] for one in skipped} == {Reason.NO_NUMBER}


@pytest.mark.parametrize("place", ["text_reminder_number", "outbound_call", "question"])
def test_the_number_is_found_wherever_calendly_keeps_it(journey: Journey, place: Any) -> None:
    """Three places, tried in order; a question's type is asked for once."""
    journey.world.book(start=MEETING, phone="+1 312-555-0142", phone_in=place)

    assert sorted(number for number, _ in journey.look()) == sorted([PHONE, SANDBOX_HOST_PHONE])


def test_the_hosts_own_number_in_the_location_is_never_an_invitees(journey: Journey) -> None:
    """A phone consultation takes place at the host's number (`inbound_call`)."""
    journey.world.book(start=MEETING, phone=None)

    assert [number for number, _ in journey.look()] == [SANDBOX_HOST_PHONE]


def test_a_template_under_review_holds_its_messages_until_it_is_approved(journey: Journey) -> None:
    """They stay scheduled with that reason, and go out afterwards."""
    journey.world.review(TEMPLATE_CONFIRM, PENDING)
    journey.world.book(start=MEETING, phone=PHONE)
    held = [number for number, _ in journey.look()]
    with journey.worker() as worker:
        waiting = [m for m in worker.store.messages(states=[State.SCHEDULED]) if m.rule == "confirmation"]
    journey.world.review(TEMPLATE_CONFIRM, APPROVED)
    journey.later(minutes=5)

    sent = [number for number, _ in journey.look()]

    assert held == [SANDBOX_HOST_PHONE]
    assert [message.reason for message in waiting] == [Reason.HELD_TEMPLATE]
    assert sent == [PHONE]


def test_a_template_with_a_hole_is_never_sent(journey: Journey) -> None:
    """The gateway would send the braces literally and call it a success."""
    journey.world.edit_template(TEMPLATE_REMINDER, "Hello {{name}}, {{what}} begins in {{advance}}: {{time}}")
    journey.world.review(TEMPLATE_REMINDER, APPROVED)
    journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.at(MEETING - timedelta(hours=24))

    assert journey.look() == []
    assert any(one["event"] == "template.rejected" and "what" in str(one["reason"]) for one in journey.told)


def test_a_link_or_place_that_changes_silently_is_in_the_messages_not_yet_sent(journey: Journey) -> None:
    """No text about it, but the reminder carries the new one."""
    journey.toml = (
        '[[rule]]\nname = "reminder"\non = "before_start"\noffset = "1h"\n'
        f'template = "{TEMPLATE_CONFIRM}"\nparams = {{ name = "{{location}}", time = "{{start}}" }}\n'
    )
    invitee = journey.world.book(
        start=MEETING, phone=PHONE, location={"type": "physical", "location": "14 Harbor Street"}
    )
    journey.look()
    event = journey.world.invitees[invitee]["event"]
    journey.world.set_location(event, {"type": "physical", "location": "2 Mill Lane"})
    silent = journey.look()
    journey.at(MEETING - timedelta(hours=1))

    [(_, body)] = journey.look()

    assert silent == []
    assert "2 Mill Lane" in body


def test_one_leaves_a_group_and_another_joins_between_two_looks(journey: Journey) -> None:
    """The counter shows it; each is told what concerns them."""
    first = journey.world.book(start=MEETING, phone="+13125550101", seats=5, event_type="Open clinic", name="Ann Fox")
    event = journey.world.invitees[first]["event"]
    journey.world.book(start=MEETING, event=event, phone="+13125550102", name="Bo Lind")
    journey.look()
    journey.later(hours=1)
    journey.world.cancel(first)
    journey.world.book(start=MEETING, event=event, phone="+13125550103", name="Cy Rao")
    journey.look()
    journey.later(minutes=1)
    journey.look()

    texts = [(one.to, one.template_id) for one in journey.world.texts if one.to != SANDBOX_HOST_PHONE]

    assert texts[2:] == [("+13125550103", TEMPLATE_CONFIRM), ("+13125550101", "2031460771195412481")]


def test_a_lost_answer_is_unknown_and_never_sent_again(journey: Journey) -> None:
    """The text was accepted, the answer lost: a person decides; the others go out."""
    journey.world.faults.drop("/v1/messages", accept_first=True, method="POST")
    journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.later(minutes=5)

    again = journey.look()

    assert again == []
    assert journey.states()["unknown"] == ["confirmation"]
    assert len([one for one in journey.world.texts if one.to == PHONE]) == 1


def test_a_refused_login_halts_all_sending_and_loses_nothing(journey: Journey) -> None:
    """Exit code 1, everything waits, and goes out when the key works again."""
    journey.world.book(start=MEETING, phone=PHONE)
    journey.world.key_codes["sandbox-key"] = 2002

    with journey.worker() as worker, pytest.raises(RunHalted) as caught:
        worker.run_once()
    journey.world.key_codes.clear()

    assert caught.value.exit_code == 1
    assert len(journey.look()) == 2


@pytest.mark.parametrize(
    ("order", "error"),
    [
        pytest.param({"status": 401, "body": {"title": "Unauthenticated"}}, LoginRefused, id="login refused"),
        pytest.param({"status": 400, "body": {"title": "x", "message": "y"}}, SyncerError, id="bad request"),
        pytest.param({"status": 200, "body": {"collection": 1}}, SyncerError, id="wrong types"),
    ],
)
def test_a_run_that_could_not_list_fails_and_sends_nothing(
    journey: Journey, order: dict[str, Any], error: type[SyncerError]
) -> None:
    """Also what was due stays for the next run, which recovers."""
    journey.world.book(start=MEETING, phone=PHONE)
    journey.world.faults.fail("/scheduled_events", **order)

    with journey.worker() as worker, pytest.raises(error) as caught:
        worker.run_once()
    sent = list(journey.world.texts)

    assert caught.value.exit_code == 1
    assert sent == []
    assert [one["event"] for one in journey.told][-1] == "run.failed"
    assert len(journey.look()) == 2


def test_an_empty_listing_over_a_full_snapshot_is_refused(journey: Journey) -> None:
    """Exit code 3, nothing changes; `--force` passes."""
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.world.vanish(journey.world.invitees[invitee]["event"])
    journey.at(MEETING - timedelta(hours=24))

    with journey.worker() as worker, pytest.raises(GuardRefused) as caught:
        worker.run_once()

    assert caught.value.exit_code == 3
    assert "reminder-24h" in journey.states()["scheduled"]


def test_a_missing_event_is_no_cancellation_and_its_messages_wait(journey: Journey) -> None:
    """Nothing is sent about it, not even that it is gone."""
    gone = journey.world.book(start=MEETING, phone=PHONE)
    journey.world.book(start=MEETING + timedelta(days=9), phone="+13125550103", name="Cy Rao")
    journey.look()
    journey.world.vanish(journey.world.invitees[gone]["event"])
    journey.at(MEETING - timedelta(hours=24))

    texts = journey.look()

    assert texts == []
    assert [one["event"] for one in journey.told if one["event"].startswith("booking.")] == ["booking.missing"]


def test_who_is_missing_from_their_event_gets_no_text_and_the_others_do(journey: Journey) -> None:
    """What an erased person looks like is not known: whoever is not listed any more is not texted, but not lost."""
    gone = journey.world.book(start=MEETING, phone=PHONE, seats=3)
    event = journey.world.invitees[gone]["event"]
    journey.world.book(start=MEETING, event=event, phone="+13125550103", name="Cy Rao", email="cy@example.com")
    journey.look()
    person = journey.world.drop(gone)
    journey.at(MEETING - timedelta(hours=24))

    texts = journey.look()
    missing = [one["booking"] for one in journey.told if one["event"] == "booking.missing"]
    journey.world.put_back(gone, person)
    journey.later(minutes=3)
    back = journey.look()

    assert [to for to, _ in texts] == ["+13125550103"]
    assert missing == [gone]
    assert [to for to, _ in back] == [PHONE]


def test_who_is_missing_is_looked_for_every_hour(journey: Journey) -> None:
    """Once more after `settle`, then hourly: a reminder may be due long before everything is read again anyway."""
    gone = journey.world.book(start=MEETING, phone=PHONE, seats=2)
    event = journey.world.invitees[gone]["event"]
    journey.look()
    journey.world.drop(gone)
    journey.world.set_location(event, {"type": "physical", "location": "9 Mill Lane"})

    reads = []
    for minutes in (1, 2, 30, 29, 3, 58, 3):
        journey.later(minutes=minutes)
        before = len(journey.world.requests)
        journey.look()
        reads.append(sum(one.path.endswith("/invitees") for one in journey.world.requests[before:]))

    assert reads == [1, 1, 0, 0, 1, 0, 1]


def test_a_quiet_run_costs_the_listing_and_writes_nothing_but_its_row(journey: Journey) -> None:
    """No invitee is read, no template asked for, no account checked."""
    for day in range(3):
        journey.world.book(start=MEETING + timedelta(days=day), phone=PHONE)
    journey.look()
    journey.later(minutes=1)
    before = len(journey.world.requests)
    journey.look()

    assert [one.path for one in journey.world.requests[before:]] == ["/scheduled_events"]


def test_calendar_noise_is_no_news(journey: Journey) -> None:
    """`updated_at` moves by itself seconds after each booking."""
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.later(minutes=1)
    journey.world.touch(journey.world.invitees[invitee]["event"])
    before = len(journey.world.requests)

    assert journey.look() == []
    assert len(journey.world.requests) == before + 1


def test_a_wrong_clock_lists_and_sends_nothing(journey: Journey) -> None:
    """Ten minutes ahead of Calendly's Date: exit code 1, everything as it was."""
    journey.world.book(start=MEETING, phone=PHONE)
    there = journey.time[0]
    journey.world._clock = lambda: there
    journey.later(minutes=10)

    with journey.worker() as worker, pytest.raises(SyncerError, match="600 s ahead"):
        worker.run_once()

    assert journey.world.texts == []


def test_another_accounts_token_is_refused(journey: Journey) -> None:
    """The database belongs to the organization it was made for: exit code 2."""
    journey.look()
    journey.world.organization["uri"] = "https://api.calendly.com/organizations/other"
    for user in journey.world.users.values():
        user["current_organization"] = journey.world.organization["uri"]
    with journey.worker() as worker:
        worker.store.remember("token_digest", "another token's")
        with pytest.raises(SyncerError, match="belongs to") as caught:
            worker.run_once()

    assert caught.value.exit_code == 2


def test_what_is_written_to_the_gateway_is_what_the_contract_says(journey: Journey) -> None:
    """One recipient, string params, a small set of plan names, the key and the database's name as custom_args."""
    invitee = journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    [sent] = [one for one in journey.world.texts if one.to == PHONE]
    with journey.worker() as worker:
        instance = worker.store.instance

    assert sent.plan_name == "syncer/confirmation"
    assert sent.custom_args == {"key": f"{invitee}/confirmation/2026-11-26T16:00:00Z", "instance": instance}
    assert sent.params == {"name": "Ines Okafor", "time": "Thu, Nov 26, 10:00 AM CST"}


def test_a_new_rule_texts_nobody_about_the_past(journey: Journey) -> None:
    """A rule's first sight is its birth; what is ahead it takes on at once."""
    journey.without = ("TEMPLATE_ID_RESCHEDULE", "TEMPLATE_ID_REMINDER", "TEMPLATE_ID_HOST_NOTIFY")
    journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.later(hours=1)
    journey.without = ("TEMPLATE_ID_RESCHEDULE",)

    assert journey.look() == []
    states = journey.states()
    assert states["skipped"] == ["host"]
    assert {"reminder-24h", "reminder-1h"} <= set(states["scheduled"])


def test_a_removed_rule_cancels_what_waits(journey: Journey) -> None:
    """Its reminders are canceled with that reason on the next run."""
    journey.world.book(start=MEETING, phone=PHONE)
    journey.look()
    journey.without = ("TEMPLATE_ID_RESCHEDULE", "TEMPLATE_ID_REMINDER")
    journey.later(minutes=1)
    journey.look()

    assert sorted(journey.states()["canceled"]) == ["reminder-1h", "reminder-24h"]


def test_the_template_for_moves_exists_in_the_sandbox(journey: Journey) -> None:
    """What the page offers as TEMPLATE_ID_RESCHEDULE is approved there."""
    assert journey.world.templates[TEMPLATE_RESCHEDULE]["status"] == APPROVED
