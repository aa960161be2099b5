"""Moves and hand-overs that come one after the other, some of them before anybody looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders import NOW
from support.calendly_moves import book, cancel, keys_of, move
from support.worker_on_fakes import WorkerOnFakes
from syncer.errors import AccessRefused
from syncer.model import Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from syncer.config import Settings
    from syncer.model import Invitee
    from syncer.store import Store

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
MARA = Host("https://api.calendly.com/users/u1", "mara@northpier.example", "Mara Lindqvist")
JONAS = Host("https://api.calendly.com/users/u2", "jonas@northpier.example", "Jonas Weber")
MARAS_NUMBER, JONAS_NUMBER = "+13125550190", "+13125550191"
HOSTS = f"""
[hosts]
"mara@northpier.example" = {{ phone = "{MARAS_NUMBER}" }}
"jonas@northpier.example" = {{ phone = "{JONAS_NUMBER}" }}
"""
MOVES = {"TEMPLATE_ID_RESCHEDULE": "1006"}


@pytest.fixture
def stage(store: Store, settings: Callable[..., Settings]) -> WorkerOnFakes:
    """A worker with all built-in rules; both hosts have numbers."""
    made = WorkerOnFakes(settings(HOSTS, MOVES), store)
    made.run()
    made.now += MINUTE
    return made


def run(stage: WorkerOnFakes, later: timedelta = MINUTE) -> list[str]:
    """Let time pass and do one run; returns the texts that left, as `rule of event`."""
    stage.now += later
    before = len(stage.gateway.texts)
    stage.run()
    return sorted(keys_of(stage, before))


def to_jonas(stage: WorkerOnFakes, since: int) -> int:
    """Count the texts to Jonas, from the so-many-th text on."""
    return sum(text.to == JONAS_NUMBER for text in stage.gateway.texts[since:])


def hand_over(stage: WorkerOnFakes, guest: Invitee, host: Host) -> None:
    """Give a meeting another host, in place."""
    stage.calendly.put(replace(stage.calendly.known[guest.event], hosts=(host,)))


def shift(stage: WorkerOnFakes, guest: Invitee, start: datetime) -> None:
    """Move a meeting in place."""
    event = stage.calendly.known[guest.event]
    stage.calendly.put(replace(event, start=start, end=start + (event.end - event.start)))


def test_a_hand_over_by_a_move_is_told_although_the_place_changes_right_after_it(stage: WorkerOnFakes) -> None:
    """Mara -> Jonas, and a second move to the same time before the first look: Jonas had the meeting before it."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    second = move(stage, guest, NOW + 3 * DAY, hosts=(JONAS,))
    stage.now += timedelta(seconds=1)
    move(stage, second, NOW + 3 * DAY)
    before = len(stage.gateway.texts)

    texts = [*run(stage), *run(stage)]

    assert texts == ["host of e1-moved-moved"]
    assert to_jonas(stage, before) == 1


def test_a_hand_over_in_place_is_told_although_a_move_follows_it(stage: WorkerOnFakes) -> None:
    """The old event's hosts are the new ones when it is first read again."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    hand_over(stage, guest, JONAS)
    stage.now += timedelta(seconds=1)
    move(stage, guest, NOW + 3 * DAY)
    before = len(stage.gateway.texts)

    assert [*run(stage), *run(stage)] == ["host of e1-moved"]
    assert to_jonas(stage, before) == 1


def test_a_host_who_was_told_of_a_hand_over_is_not_told_again_after_a_move_to_the_same_time(
    stage: WorkerOnFakes,
) -> None:
    """They know the time, and that the meeting is theirs."""
    guest = book(stage, "e1", NOW + 3 * DAY)
    run(stage)
    hand_over(stage, guest, JONAS)
    assert run(stage) == ["host of e1"]
    move(stage, guest, NOW + 3 * DAY)

    assert [*run(stage), *run(stage)] == []


@pytest.mark.parametrize("later", [HOUR, 7 * HOUR, 26 * HOUR])
def test_whoever_took_a_meeting_over_hears_of_each_later_move(stage: WorkerOnFakes, later: timedelta) -> None:
    """Also when the hand-over is no news any more."""
    guest = book(stage, "e1", NOW + 5 * DAY)
    run(stage)
    hand_over(stage, guest, JONAS)
    run(stage)
    seen = []
    for start in (NOW + 6 * DAY, NOW + 5 * DAY, NOW + 6 * DAY):
        before = len(stage.gateway.texts)
        shift(stage, guest, start)
        run(stage, later)
        run(stage)
        seen.append(to_jonas(stage, before))
    before = len(stage.gateway.texts)
    move(stage, guest, NOW + 8 * DAY)
    run(stage)

    assert seen == [1, 1, 1]
    assert to_jonas(stage, before) == 1
    assert len({text.key for text in stage.gateway.texts}) == len(stage.gateway.texts)


def test_a_hand_over_that_was_seen_too_late_keeps_no_later_move_from_the_host(stage: WorkerOnFakes) -> None:
    """Seven hours pass before anybody looks; the next move is news again."""
    guest = book(stage, "e1", NOW + 5 * DAY)
    run(stage)
    second = move(stage, guest, NOW + 5 * DAY, hosts=(JONAS,))
    assert run(stage, 7 * HOUR) == []
    before = len(stage.gateway.texts)
    move(stage, second, NOW + 6 * DAY)

    assert run(stage) == ["host of e1-moved-moved", "reschedule of e1-moved-moved"]
    assert to_jonas(stage, before) == 1


@pytest.mark.parametrize("by", ["host", "invitee"])
@pytest.mark.parametrize("moved", [timedelta(0), HOUR], ids=["to the same time", "to another"])
@pytest.mark.parametrize("later", [MINUTE, HOUR, DAY])
def test_whoever_was_told_of_a_cancellation_hears_that_the_meeting_is_on_again(
    stage: WorkerOnFakes, by: str, moved: timedelta, later: timedelta
) -> None:
    """It is booked again by the old link: the last word must not be "canceled"."""
    guest = book(stage, "e1", NOW + 5 * DAY)
    run(stage)
    cancel(stage, guest, by=by)
    canceled_at = stage.now
    assert run(stage) == ["cancellation of e1"]
    stage.now += later
    move(stage, guest, NOW + 5 * DAY + moved, by="invitee")
    [old] = stage.calendly.people[guest.event]
    gone = replace(old, canceled_at=canceled_at, canceler_type=by)
    stage.calendly.put(stage.calendly.known[guest.event], gone)

    texts = [*run(stage), *run(stage)]

    assert "reschedule of e1-moved" in texts
    assert len(texts) == len(set(texts))
    assert [text for text in texts if "confirmation" in text or "cancellation" in text] == []


OWN_RULES = """
[[rule]]
name = "new-host"
on = "reassigned"
to = "host"
template = "1005"
params = { name = "{name}", time = "{start_time}" }

[[rule]]
name = "host-moved"
on = "rescheduled"
to = "host"
template = "1005"
params = { name = "{name}", time = "{start_time}" }
"""


@pytest.mark.parametrize("rules", ["", OWN_RULES])
@pytest.mark.parametrize("back", [timedelta(0), HOUR], ids=["to the time that the former host knows", "to another"])
@pytest.mark.parametrize("later", [HOUR, 7 * HOUR])
def test_what_the_former_host_knows_keeps_no_move_from_the_new_one(
    store: Store, settings: Callable[..., Settings], rules: str, back: timedelta, later: timedelta
) -> None:
    """Handed over by a move, moved again before or after anybody looks: the new host hears of the present time."""
    stage = WorkerOnFakes(settings(HOSTS + rules, MOVES), store)
    stage.run()
    guest = book(stage, "e1", NOW + 5 * DAY)
    run(stage)
    second = move(stage, guest, NOW + 6 * DAY, hosts=(JONAS,))
    if later > HOUR:
        assert run(stage, later) == []
    before = len(stage.gateway.texts)
    move(stage, second, NOW + 5 * DAY + back)
    run(stage)
    run(stage)

    texts = [text for text in stage.gateway.texts[before:] if text.to == JONAS_NUMBER]
    assert len(texts) == 1


TO_HOSTS = """
[[rule]]
name = "for-the-host"
on = "{on}"
to = "host"
template = "1004"
params = {{ name = "{{name}}" }}
{more}
"""


@pytest.mark.parametrize(
    ("on", "more"), [("before_start", 'offset = "1h"'), ("canceled", ""), ("after_end", 'offset = "30m"')]
)
def test_whoever_took_a_meeting_over_gets_what_its_host_gets(
    store: Store, settings: Callable[..., Settings], on: str, more: str
) -> None:
    """Reminders, cancellations, what follows a meeting: only the news of a booking is told by the hand-over."""
    host = '[[rule]]\nname = "host"\non = "booked"\nto = "host"\ntemplate = "1005"\n'
    stage = WorkerOnFakes(settings(HOSTS + host + TO_HOSTS.format(on=on, more=more)), store)
    stage.settings = replace(
        stage.settings,
        policy=replace(
            stage.settings.policy,
            rules=tuple(replace(rule, also_reassigned=rule.name == "host") for rule in stage.settings.policy.rules),
        ),
    )
    stage.run()
    guest = book(stage, "e1", NOW + DAY)
    run(stage)
    hand_over(stage, guest, JONAS)
    run(stage)
    before = len(stage.gateway.texts)
    if on == "canceled":
        cancel(stage, guest, by="invitee")
    else:
        stage.now = stage.calendly.known[guest.event].start + (-HOUR if on == "before_start" else HOUR)

    assert run(stage) == ["for-the-host of e1"]
    assert to_jonas(stage, before) == 1


def test_the_old_half_is_read_first_where_only_the_email_joins_them(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new meeting is nearer than the old one, and each is a batch of its own."""
    monkeypatch.setattr("syncer.worker.BATCH", 1)
    guest = book(stage, "e1", NOW + 9 * DAY, calendar="")
    run(stage)
    move(stage, guest, NOW + 3 * DAY, linked=False)

    assert [*run(stage), *run(stage)] == ["host of e1-moved", "reschedule of e1-moved"]


def test_who_was_told_counts_also_where_it_is_read_later(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moved twice and canceled before anybody looked: the guest, who knows of the first time, is told."""
    monkeypatch.setattr("syncer.worker.BATCH", 1)
    guest = book(stage, "e1", NOW + 3 * DAY, calendar="")
    run(stage)
    second = move(stage, guest, NOW + 9 * DAY, linked=False)
    stage.now += timedelta(seconds=1)
    third = move(stage, second, NOW + 5 * DAY)
    stage.now += timedelta(seconds=1)
    cancel(stage, third)

    assert [*run(stage), *run(stage)] == ["cancellation of e1-moved-moved"]


def test_an_event_that_was_read_last_and_is_refused_now_is_no_reason_to_fail(stage: WorkerOnFakes) -> None:
    """Another one that was read before can be read."""
    guests = [book(stage, f"e{number}", NOW + 3 * DAY + number * HOUR) for number in range(3)]
    run(stage)
    shift(stage, guests[2], NOW + 4 * DAY)
    run(stage)
    shift(stage, guests[2], NOW + 5 * DAY)
    real = type(stage.calendly).invitees

    def refusing(uri: str) -> tuple[Invitee, ...]:
        if uri == guests[2].event:
            raise AccessRefused("Calendly 403", status=403)
        return real(stage.calendly, uri)

    stage.calendly.invitees = refusing  # type: ignore[method-assign, assignment]

    assert run(stage) == []
    [done] = stage.told("run.completed")
    assert done["events_unreadable"] == 1
