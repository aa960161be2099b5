"""One run and the loop: the order of calls, what is told, what is counted, and what happens when something breaks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from freezegun import freeze_time

from support.builders import NOW, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes, known_in
from syncer.calendly import Listing
from syncer.errors import (
    AccessRefused,
    Busy,
    CalendlyBusy,
    GuardRefused,
    LoginRefused,
    NotConnected,
    NoThreads,
    NotThere,
    Stopped,
    StoreError,
    SyncerError,
)
from syncer.listing import lookback
from syncer.model import State
from syncer.outbox import Halt, NoAnswer
from syncer.planning import Planner
from syncer.reasons import Reason
from syncer.rules import Rule, Trigger
from syncer.run import Options
from syncer.worker import BATCH, LOOP, ONCE, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fake_clients import Sent
    from syncer.config import Settings
    from syncer.reconcile import Todo
    from syncer.store import Store


TEMPLATES = [f"TEMPLATE_ID_{name}" for name in ("CONFIRM", "CANCEL", "REMINDER", "FOLLOWUP", "HOST_NOTIFY")]


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """The tutorial's settings, an empty Calendly, a gateway with all templates approved."""
    return WorkerOnFakes(settings('interval = "60s"'), store)


def put(stage: WorkerOnFakes, count: int, **over: Any) -> None:
    """Put so many bookings into Calendly, a minute apart."""
    for number in range(count):
        event = an_event(f"e{number}", **({"start": NOW + timedelta(days=2, minutes=number)} | over))
        phone = f"+1312555{1000 + number:04}"  # each their own: a number has its cap
        stage.calendly.put(event, an_invitee(event, created_at=NOW, text_reminder_number=phone))


def test_the_events_of_one_run_whole(stage: WorkerOnFakes) -> None:
    """What a log reader sees of one booking: everything, in this order, with these fields."""
    put(stage, 1)

    stage.run()

    uri = "https://api.calendly.com/scheduled_events/e0/invitees/i1"
    names = [one["event"] for one in stage.log]
    assert names == [
        "run.started",
        "listing.completed",
        "booking.created",
        *["message.planned"] * 5,
        *["message.sent"] * 2,
        "run.completed",
    ]
    assert stage.log[2] == {
        "event": "booking.created",
        "booking": uri,
        "event_uri": "https://api.calendly.com/scheduled_events/e0",
    }
    assert stage.log[8] == {
        "event": "message.sent",
        "key": f"{uri}/confirmation/2026-11-25T12:00:00Z",
        "rule": "confirmation",
        "booking": uri,
        "to": "+13*******00",
        "attempt": 1,
        "provider_message_id": "2031502210446729216",
    }
    done = {key: value for key, value in stage.log[-1].items() if key not in {"duration_ms", "event"}}
    assert done == {
        "events": 1,
        "changed": 1,
        "created": 1,
        "canceled": 0,
        "rescheduled": 0,
        "planned": 5,
        "sent": 2,
        "retried": 0,
        "failed": 0,
        "unknown": 0,
        "expired": 0,
        "skipped": 0,
        "deferred": 0,
        "events_unreadable": 0,
        "requests": 3,
        "oldest_due_s": 0,
    }


def test_a_run_writes_its_row_and_status_can_read_it(stage: WorkerOnFakes) -> None:
    """Complete, failed, refused or halted: one row each."""
    stage.run()
    stage.calendly.fail("events", LoginRefused("no", status=401))
    with pytest.raises(LoginRefused):
        stage.run()
    done, last = stage.store.last_run(outcome="completed"), stage.store.last_run()

    assert done is not None
    assert last is not None
    assert (done["outcome"], last["outcome"], last["error"]) == ("completed", "failed", "no")


def test_batches_are_read_nearest_first_and_texts_leave_between_them(stage: WorkerOnFakes) -> None:
    """What is due need not wait for the last batch."""
    put(stage, BATCH + 3)
    first_send: list[int] = []
    stage.gateway.on_send = lambda _: first_send.append(len(known_in(stage.store)))

    stage.run()

    asked = [uri.rpartition("/e")[2] for method, uri in stage.calendly.calls if method == "invitees"]
    assert sorted(map(int, asked[:BATCH])) == list(range(BATCH))
    assert first_send[0] == BATCH
    assert len(stage.gateway.texts) == 2 * (BATCH + 3)


def test_nothing_leaves_about_an_event_that_changed_and_was_not_read_again(stage: WorkerOnFakes) -> None:
    """A reminder is due in the second batch's event, which moved: it must not go out after the first batch."""
    put(stage, BATCH + 1)
    stage.run()
    last = f"https://api.calendly.com/scheduled_events/e{BATCH}"
    moved = replace(stage.calendly.known[last], start=NOW + timedelta(days=9), end=NOW + timedelta(days=9, minutes=30))
    stage.now = NOW + timedelta(days=1, minutes=BATCH)
    for uri, event in stage.calendly.known.items():
        stage.calendly.known[uri] = replace(event, location=None, hosts=())
    stage.calendly.known[last] = moved
    before = len(stage.gateway.texts)

    stage.run()

    keys = [text.key for text in stage.gateway.texts[before:]]
    assert len([key for key in keys if "/reminder-24h/" in key]) == BATCH
    assert not any(f"/e{BATCH}/" in key and "/reminder-24h/" in key for key in keys)


def test_an_event_that_cannot_be_read_holds_nobody_else(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are read and texted, the run is complete and names it, and the next one reads just that event."""
    put(stage, BATCH + 5)
    real = stage.calendly.invitees

    def broken(uri: str) -> Any:
        if uri.endswith("/e3"):
            raise CalendlyBusy("busy", status=503)
        return real(uri)

    monkeypatch.setattr(stage.calendly, "invitees", broken)
    first = stage.run().report
    told, completed = stage.told("event.unreadable"), stage.told("run.completed")
    kept, sent = len(known_in(stage.store)), len(stage.gateway.texts)
    monkeypatch.setattr(stage.calendly, "invitees", real)
    stage.calendly.calls.clear()
    second = stage.run().report

    assert (kept, sent) == (BATCH + 4, 2 * (BATCH + 4))
    assert [(row["event_uri"][-3:], row["reason"], row["failures"]) for row in told] == [("/e3", "busy", 1)]
    assert (first.events_unreadable, second.events_unreadable) == (1, 0)
    assert "1" in completed[0]["warning"]
    assert "warning" not in stage.told("run.completed")[0]
    assert [uri[-3:] for method, uri in stage.calendly.calls if method == "invitees"] == ["/e3"]
    assert len(stage.gateway.texts) == 2 * (BATCH + 5)


def test_nothing_leaves_about_an_event_that_could_not_be_read(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changed, its invitees are a 404: its reminder waits and says why; the other event's leaves."""
    put(stage, 2)
    stage.run()
    uri = "https://api.calendly.com/scheduled_events/e0"
    stage.calendly.known[uri] = replace(stage.calendly.known[uri], status="canceled")
    stage.now = NOW + timedelta(days=1, minutes=1)
    real = stage.calendly.invitees

    def gone(asked: str) -> Any:
        if asked == uri:
            raise NotThere("Calendly 404", status=404)
        return real(asked)

    monkeypatch.setattr(stage.calendly, "invitees", gone)
    before = len(stage.gateway.texts)
    report = stage.run().report
    held = [
        m
        for m in stage.store.messages(states=[State.SCHEDULED])
        if m.key.startswith(f"{uri}/") and m.next_at < stage.now
    ]

    assert ["/e1/" in text.key for text in stage.gateway.texts[before:]] == [True]
    assert [(m.rule, m.reason) for m in held] == [("reminder-24h", Reason.EVENT_UNREADABLE)]
    assert report.events_unreadable == 1


def test_a_batch_that_cannot_be_read_at_all_ends_the_run(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calendly is down: the earlier batches are committed, and the next run goes on where it broke."""
    put(stage, BATCH * 3)
    real = stage.calendly.invitees

    answered: list[str] = []

    def broken(uri: str) -> Any:
        if len(answered) == BATCH:
            raise CalendlyBusy("busy", status=503)
        answered.append(uri)
        return real(uri)

    monkeypatch.setattr(stage.calendly, "invitees", broken)
    with pytest.raises(CalendlyBusy):
        stage.run()
    kept, asked = len(known_in(stage.store)), len([m for m, _ in stage.calendly.calls if m == "invitees"])

    assert (kept, asked) == (BATCH, BATCH)


def test_the_loop_reads_for_one_interval_at_most(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch takes 40 s here, an interval is a minute: two batches a run, the rest in the next."""
    put(stage, BATCH * 5)
    real = stage.calendly.invitees

    def slow(uri: str) -> Any:
        stage.now += timedelta(seconds=40 / BATCH)
        return real(uri)

    monkeypatch.setattr(stage.calendly, "invitees", slow)  # time passes
    first = stage.run(LOOP).report.changed
    second = stage.run(LOOP).report.changed

    assert (first, second) == (BATCH * 2, BATCH * 2)


def test_once_reads_everything_and_lists_anew_when_its_listing_grows_old(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text waits while the listing is older than max_snapshot_age; so a long run refreshes it, if one waits."""
    put(stage, BATCH * 3)
    real = stage.calendly.invitees

    def slow(uri: str) -> Any:
        stage.now += timedelta(minutes=8) / BATCH
        return real(uri)

    monkeypatch.setattr(stage.calendly, "invitees", slow)  # time passes
    report = stage.run().report

    assert report.changed == BATCH * 3
    assert len([m for m, _ in stage.calendly.calls if m == "events"]) == 2
    assert len(stage.gateway.texts) == 2 * 3 * BATCH


@pytest.mark.parametrize(
    ("listing", "batch", "batches"),
    [
        pytest.param(0, 40, 2, id="for an interval, where the listing takes no time"),
        pytest.param(4, 40, 2, id="a short listing takes nothing away"),
        pytest.param(10, 40, 3, id="a longer one is worth twelve times its length"),
        pytest.param(59, 150, 5, id="one of nearly an interval likewise"),
        pytest.param(1200, 40, 6, id="even where it is too old for texts by then"),
        pytest.param(0, 100, 1, id="a batch takes longer than an interval: one in any case"),
    ],
)
def test_what_the_listing_took_is_no_time_of_reading(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, listing: int, batch: int, batches: int
) -> None:
    """The pages of a large account may take longer than an interval: so many batches of 6 are read all the same."""
    put(stage, BATCH * 6)
    real, read = stage.calendly.events, stage.calendly.invitees

    def slow(*asked: Any, **more: Any) -> Any:
        stage.now += timedelta(seconds=listing)
        return real(*asked, **more)

    def slow_read(uri: str) -> Any:
        stage.now += timedelta(seconds=batch / BATCH)
        return read(uri)

    monkeypatch.setattr(stage.calendly, "events", slow)
    monkeypatch.setattr(stage.calendly, "invitees", slow_read)
    worker = stage.worker()
    first = worker.run_once(LOOP).report.changed
    behind = worker.behind
    worker.run_once(LOOP)

    assert (first, behind) == (BATCH * batches, batches < 6)
    assert len(known_in(stage.store)) == BATCH * min(6, 2 * batches)


@pytest.mark.parametrize("options", [ONCE, LOOP], ids=["once", "loop"])
def test_a_listing_that_is_itself_too_old_for_texts_is_not_read_again_for_them(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, options: Options
) -> None:
    """It takes 14 minutes, texts wait, and another one would be as old: a run reads on, and lists no more."""
    put(stage, BATCH * 3)
    real = stage.calendly.events

    def slow(*asked: Any, **more: Any) -> Any:
        stage.now += timedelta(minutes=14)
        return real(*asked, **more)

    monkeypatch.setattr(stage.calendly, "events", slow)

    assert stage.run(options).report.changed == BATCH * 3
    assert [method for method, _ in stage.calendly.calls].count("events") == 1


@pytest.mark.parametrize(("texts", "batches"), [(True, 2), (False, 5)])
def test_a_loop_with_a_long_interval_lists_anew_for_texts(
    settings: Callable[..., Settings], store: Store, monkeypatch: pytest.MonkeyPatch, texts: bool, batches: int
) -> None:
    """Batches of 8 minutes, an interval of an hour: after two of five a waiting text needs a younger listing."""
    environ = {} if texts else dict.fromkeys(TEMPLATES, "")
    stage = WorkerOnFakes(settings('interval = "1h"', environ), store)
    put(stage, BATCH * 5)
    real = stage.calendly.invitees

    def slow(uri: str) -> Any:
        stage.now += timedelta(minutes=8) / BATCH
        return real(uri)

    monkeypatch.setattr(stage.calendly, "invitees", slow)

    assert stage.run(LOOP).report.changed == BATCH * batches


def test_a_loop_that_is_behind_does_not_wait_for_its_interval(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run follows at once; a failed one does not make the loop spin."""
    put(stage, BATCH * 3)
    worker = stage.worker()
    monkeypatch.setattr(Worker, "_takes_too_long", lambda *_: True)
    runs: list[int] = []

    def tell(event: str, /, **fields: object) -> None:
        stage.tell(event, **fields)
        if event == "run.completed":
            runs.append(int(str(fields["changed"])))
            if len(runs) == 3:
                worker.stop.set()

    worker.tell = tell
    worker.run_forever()

    assert runs == [BATCH] * 3
    assert [wait for wait in stage.slept[:-1] if wait >= 1] == []  # the last one met the signal


def test_whatever_was_left_in_sending_is_unknown_at_the_next_start(stage: WorkerOnFakes) -> None:
    """With the command to type; not sent again."""
    put(stage, 1)
    stage.gateway.on_send = lambda _: (_ for _ in ()).throw(SystemExit("killed here"))
    with pytest.raises(SystemExit, match="killed here"):
        stage.run()
    stage.gateway.on_send = None

    stage.run()

    [told] = stage.told("message.unknown")
    assert told["reason"] == Reason.INTERRUPTED
    assert told["remedy"].startswith("syncer resolve 'https://")
    assert stage.store.counts()["unknown"] == 1
    assert len({text.key for text in stage.gateway.sends}) == len(stage.gateway.sends)


def test_a_mistake_of_our_own_is_one_line_without_personal_data(stage: WorkerOnFakes) -> None:
    """Where it happened, not what it held."""
    stage.calendly.fail("events", ValueError("ines.okafor@example.com +13125550142"))

    with pytest.raises(SyncerError, match=r"unexpected ValueError at listing\.py:\d+"):
        stage.run()

    assert "ines" not in str(stage.log)


@pytest.mark.parametrize(
    ("vanished", "known", "refused"),
    [(9, 20, False), (10, 20, True), (10, 50, False), (11, 50, True), (1, 1, True), (3, 20, False)],
)
def test_a_listing_that_lost_its_events_is_refused(
    stage: WorkerOnFakes, vanished: int, known: int, refused: bool
) -> None:
    """More than 20 % and at least 10, or all: exit 3, nothing marked; fewer: missing, their messages wait."""
    put(stage, known)
    stage.run()
    for number in range(vanished):
        del stage.calendly.known[f"https://api.calendly.com/scheduled_events/e{number}"]

    if refused:
        with pytest.raises(GuardRefused):
            stage.run()
        with_force = stage.run(Options(everything=True, force=True))
    else:
        with_force = stage.run()

    assert [change.kind for change in with_force.changes] == []
    assert len(stage.told("booking.missing")) == vanished
    assert stage.run().report.events == known - vanished  # missing once is not missing again


def test_the_texts_of_a_mass_cancellation_wait_until_a_person_says_so(stage: WorkerOnFakes) -> None:
    """Eleven of forty: none of them is told, which is said once; everybody else is; --force tells the eleven."""
    put(stage, 40)
    stage.run()
    for number in range(11):
        uri = f"https://api.calendly.com/scheduled_events/e{number}"
        stage.calendly.known[uri] = event = replace(stage.calendly.known[uri], status="canceled", active=0)
        [who] = stage.calendly.people[uri]
        stage.calendly.put(event, replace(who, status="canceled", canceled_at=NOW, canceler_type="host"))
    stage.now = NOW + timedelta(minutes=1)
    new = an_event("e90", start=NOW + timedelta(days=5))
    stage.calendly.put(new, an_invitee(new, created_at=stage.now))
    before = len(stage.gateway.texts)
    first, told = stage.run(), [row["event"] for row in stage.log if row["event"].startswith("run.")]
    others = stage.gateway.texts[before:]
    held = [m.rule for m in stage.store.messages(states=[State.SCHEDULED]) if m.reason is Reason.HELD_BY_GUARD]
    second = stage.run()
    silent = len(stage.gateway.texts)
    stage.run(Options(everything=True, force=True))

    assert [text.plan_name for text in others] == ["syncer/confirmation", "syncer/host"]
    assert told == ["run.started", "run.refused", "run.completed"]
    assert held == ["cancellation"] * 11
    assert bool(first.refused)
    assert not second.refused
    assert silent == before + len(others)
    assert [text.plan_name for text in stage.gateway.texts[silent:]] == ["syncer/cancellation"] * 11


def test_a_missing_event_that_comes_back_is_read_again_and_its_messages_go_on(stage: WorkerOnFakes) -> None:
    """While it is missing nothing leaves about it."""
    put(stage, 2)
    stage.run()
    uri = "https://api.calendly.com/scheduled_events/e0"
    gone = stage.calendly.known.pop(uri)
    stage.now = NOW + timedelta(days=1)
    stage.run()
    while_missing = [m.reason for m in stage.store.messages(states=[State.SCHEDULED]) if "/e0/" in m.key]
    stage.calendly.known[uri] = gone
    stage.now += timedelta(minutes=5)
    back = stage.run()

    assert while_missing[0] is Reason.EVENT_MISSING
    assert back.report.changed == 1
    assert [text.key for text in stage.gateway.texts if "/e0/" in text.key and "reminder-24h" in text.key] != []


def test_settings_that_change_the_texts_are_applied_to_what_waits(
    settings: Callable[..., Settings], store: Store
) -> None:
    """A new template id is in the waiting messages after the next run, without a single request for it."""
    stage = WorkerOnFakes(settings(), store)
    put(stage, 1)
    stage.run()
    stage.settings = settings(environ={"TEMPLATE_ID_REMINDER": "1006"})
    stage.calendly.calls.clear()
    stage.run()

    waiting = [m.template for m in store.messages(states=[State.SCHEDULED]) if m.rule.startswith("reminder")]
    assert waiting == ["1006", "1006"]
    assert [method for method, _ in stage.calendly.calls] == ["events"]


def test_dry_run_delivers_nothing_and_writes_no_run(stage: WorkerOnFakes) -> None:
    """What it was asked to plan is in the run it returns."""
    put(stage, 1)

    run = stage.run(Options(everything=True, dry_run=True))

    assert len(run.todo.inserts) == 5
    assert stage.gateway.sends == []
    assert stage.store.last_run() is None


def test_the_loop_runs_at_once_then_every_interval_and_survives_failures(stage: WorkerOnFakes) -> None:
    """Under a frozen clock that is moved: one run at the start, none a second early, one each minute."""
    with freeze_time(NOW) as frozen:
        worker = stage.worker()
        starts: list[float] = []

        def wait(timeout: float | None = None) -> bool:
            frozen.tick(timedelta(seconds=timeout or 0))
            return worker.stop.is_set()

        def tell(event: str, /, **fields: object) -> None:
            stage.tell(event, **fields)
            if event == "run.started":
                starts.append((worker.clock() - NOW).total_seconds())
                if len(starts) == 4:
                    worker.stop.set()

        def ticks() -> float:
            return (worker.clock() - NOW).total_seconds()

        worker.clock = lambda: datetime.now(UTC)
        worker.ticks = ticks
        worker.stop.wait = wait  # type: ignore[method-assign]  # moves the frozen clock
        worker.tell = tell
        stage.calendly.fail("events", NotConnected("no route"))
        worker.run_forever()

    # `schedule` reads naive local time and whole ticks: a run may be up to a second late, never early.
    assert [round(start) for start in starts] == [0, 60, 120, 180]
    assert len(stage.told("run.failed")) == 1


def test_the_loop_ends_when_the_database_cannot_be_trusted(stage: WorkerOnFakes) -> None:
    """The process must stop: it never goes on without its memory."""
    stage.calendly.fail("events", StoreError("disk I/O error"))

    with pytest.raises(StoreError):
        stage.worker().run_forever()


def test_a_signal_while_waiting_ends_the_run_quietly(settings: Callable[..., Settings], store: Store) -> None:
    """`run.skipped`, no failed run in the database, nothing in `sending`."""
    stage = WorkerOnFakes(settings(), store)
    put(stage, 3)
    worker = stage.worker()
    stage.gateway.on_send = lambda _: worker.stop.set()

    with pytest.raises(Stopped):
        worker.run_once()

    assert len(stage.gateway.sends) == 1  # the message in hand
    assert [one["error"] for one in stage.told("run.skipped")] == ["Stopped"]
    assert (store.counts()["sending"], store.counts()["unknown"]) == (0, 0)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([], timedelta(hours=25), id="nothing looks back: an hour and a long event"),
        pytest.param([(Trigger.AFTER_END, 2, 24)], timedelta(hours=50), id="a follow-up and its lateness"),
        pytest.param([(Trigger.NO_SHOW, 0, 24)], timedelta(hours=70), id="the last look for a no-show"),
        pytest.param([(Trigger.BEFORE_START, 48, 2)], timedelta(hours=25), id="what comes before does not count"),
    ],
)
def test_lookback_is_derived_from_the_rules(
    settings: Callable[..., Settings], rules: list[tuple[Trigger, int, int]], expected: timedelta
) -> None:
    """It reaches as far as any rule looks at a meeting that is over."""
    made = tuple(
        Rule(
            name=f"r{number}",
            on=on,
            templates={"": "1"},
            offset=timedelta(hours=offset),
            max_lateness=timedelta(hours=late),
        )
        for number, (on, offset, late) in enumerate(rules)
    )

    assert lookback(replace(settings().policy, rules=made)) == expected


@pytest.mark.parametrize(
    ("toml", "options", "since", "until"),
    [
        pytest.param("", {}, -48.5, None, id="the follow-up's lateness, a long event, no end"),
        pytest.param('lookback = "2h"\nhorizon = "3h"', {}, -2, 3, id="as set"),
        pytest.param('lookback = "2h"\nhorizon = "3h"', {"since": -9, "until": 9}, -9, 9, id="wider"),
        pytest.param('lookback = "2h"\nhorizon = "3h"', {"since": -1, "until": 1}, -2, 3, id="never narrower"),
        pytest.param('lookback = "2h"', {"until": 1}, -2, None, id="nothing is wider than no end"),
    ],
)
def test_the_window_is_only_ever_widened(
    settings: Callable[..., Settings],
    store: Store,
    toml: str,
    options: dict[str, int],
    since: float,
    until: float | None,
) -> None:
    """What a narrower one left out would be texted about without having been listed."""
    stage = WorkerOnFakes(settings(toml), store)
    asked: list[tuple[Any, Any]] = []
    real = stage.calendly.events

    def events(scope: Any, start: Any, end: Any, **more: Any) -> Any:
        asked.append((start, end))
        return real(scope, start, end, **more)

    stage.calendly.events = events  # type: ignore[assignment, method-assign]  # listens
    bounds: dict[str, Any] = {name: NOW + timedelta(hours=hours) for name, hours in options.items()}
    stage.run(Options(everything=True, **bounds))

    end = None if until is None else NOW + timedelta(hours=until)
    assert asked == [(NOW + timedelta(hours=since), end)]


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ("organization", {"organization": "https://api.calendly.com/organizations/pier"}),
        ("user", {"user": "https://api.calendly.com/users/mara"}),
    ],
)
def test_the_scope_decides_whose_events_are_listed(
    settings: Callable[..., Settings], store: Store, scope: str, asked: dict[str, str]
) -> None:
    """By the account that the token belongs to, which is asked for once."""
    stage = WorkerOnFakes(settings(f'[calendly]\nscope = "{scope}"\n'), store)
    stage.run()
    stage.run()

    listed = [json.loads(argument) for method, argument in stage.calendly.calls if method == "events"]
    assert listed == [asked, asked]
    assert len([method for method, _ in stage.calendly.calls if method == "me"]) == 1


def test_no_answer_is_told_with_the_command_to_type(stage: WorkerOnFakes) -> None:
    """An error line that a person can act on."""
    put(stage, 1)
    stage.gateway.answer(NoAnswer("no answer within 15 s"))
    stage.run()

    [told] = stage.told("message.unknown")
    assert told["remedy"] == f"syncer resolve '{told['key']}' --sent or --not-sent"


@pytest.mark.parametrize(
    ("limit", "requests", "seconds"),
    [
        pytest.param(500, 250, 60, id="half of the limit is the interval's worth"),
        pytest.param(500, 265, 64, id="a little more: a little longer"),
        pytest.param(50, 200, 480, id="a large account at the small limit"),
        pytest.param(500, 1, 60, id="a small account"),
        pytest.param(None, 1000, 60, id="no limit is known"),
    ],
)
def test_the_loop_leaves_half_of_the_limit_to_others(
    stage: WorkerOnFakes, limit: int | None, requests: int, seconds: int
) -> None:
    """An interval that is too short for the account grows by itself; what there is to catch up on does not wait."""
    worker = stage.worker()
    began: list[float] = []

    def events(*_: Any, **__: Any) -> Listing:
        began.append(worker.ticks())
        stage.calendly.requests += requests
        if len(began) == 3:
            worker.stop.set()
        return Listing((), requests, 0)

    stage.calendly.events = events  # type: ignore[method-assign]  # a listing that costs so much
    stage.calendly.limit = limit
    worker.run_forever()

    apart = [later - earlier for earlier, later in pairwise(began)]
    assert all(seconds - 1 < between < seconds + 3 for between in apart), apart
    assert len(stage.told("calendly.throttled")) == (3 if seconds > 60 else 0)


def test_catching_up_does_not_rest_for_what_it_read(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first read may use all of the limit. After its last run, texts that are due wait no longer than always."""
    monkeypatch.setattr(Worker, "_takes_too_long", lambda *_: True)
    put(stage, BATCH * 2)
    stage.calendly.limit = BATCH  # which each run's reading is once of
    worker = stage.worker()

    found = []
    for _ in range(2):
        began = worker.ticks()
        worker._run_surviving(LOOP)
        found.append((worker.behind, round(worker.rests_until - began, 3)))

    assert found == [(True, 0.0), (False, 60.0)]
    assert not stage.told("calendly.throttled")


def unreadable(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is listed cannot be read."""
    monkeypatch.setattr(Worker, "_takes_too_long", lambda *_: True)
    put(stage, BATCH * 3)
    for _ in range(BATCH * 3):
        stage.calendly.fail("invitees", AccessRefused("Calendly 403", status=403))


def left_by_the_listing(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are dropped by each listing, and none of them can be read."""
    put(stage, 1)
    real = stage.calendly.events

    def events(*asked: Any, **more: Any) -> Any:
        listing = real(*asked, **more)
        more["sieve"].dropped = 5
        return listing

    monkeypatch.setattr(stage.calendly, "events", events)
    stage.run(LOOP)  # what can be read is read


def only_read_again(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is to be read again each day than one run reads: that is no news."""
    put(stage, BATCH * 3)
    stage.run()
    monkeypatch.setattr(Worker, "_takes_too_long", lambda *_: True)
    stage.now += timedelta(days=1, hours=1)


def listing_fails(stage: WorkerOnFakes, _: pytest.MonkeyPatch) -> None:
    """Calendly answers nothing that can be used."""
    stage.calendly.fail("events", NotConnected("no route"))


def halted(stage: WorkerOnFakes, _: pytest.MonkeyPatch) -> None:
    """EngageLab takes nothing: the run ends with an error, though it read all."""
    put(stage, 1)
    stage.gateway.answer(Halt("EngageLab 2001"))


def locked_file(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program holds the database."""
    monkeypatch.setattr(stage.store, "unreadable_events", lambda _: (_ for _ in ()).throw(Busy("locked")))


@pytest.mark.parametrize(
    "fault", [unreadable, left_by_the_listing, only_read_again, listing_fails, halted, locked_file]
)
def test_the_loop_rests_for_its_requests_whatever_they_led_to(
    stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch, fault: Callable[[WorkerOnFakes, pytest.MonkeyPatch], None]
) -> None:
    """Half of the limit stays for others after a failed run, too, and where something is left that cannot be read."""
    fault(stage, monkeypatch)
    stage.calendly.limit = 50
    before = stage.calendly.requests

    def costly(event: str, /, **fields: object) -> None:
        stage.tell(event, **fields)
        if event == "run.started":
            stage.calendly.requests += 200

    worker = stage.worker()
    worker.tell = costly
    began = worker.ticks()

    worker._run_surviving(LOOP)

    made = stage.calendly.requests - before
    assert made >= 200
    assert worker.rests_until - began == pytest.approx(60 * made / 25)
    assert not worker.behind
    assert len(stage.told("calendly.throttled")) == 1


def test_a_signal_ends_the_planning_of_what_is_known(stage: WorkerOnFakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of the settings all bookings are planned again; a signal ends that between two chunks."""
    put(stage, 3)
    stage.run()
    monkeypatch.setattr("syncer.store.snapshot.CHUNK", 1)
    limits = replace(stage.settings.policy, per_number_per_day=3)
    stage.settings = replace(stage.settings, policy=limits)
    worker, planned = stage.worker(), []
    real = Planner.todo

    def todo(self: Planner, *given: Any) -> Todo:
        planned.append(given)
        worker.stop.set()
        return real(self, *given)

    monkeypatch.setattr(Planner, "todo", todo)
    with pytest.raises(Stopped):
        worker.run_once()
    first = len(planned)
    stage.run()

    assert first == 1
    assert len(planned) == 1 + 3


def test_without_threads_a_run_fails_and_its_texts_wait(stage: WorkerOnFakes) -> None:
    """What did not leave may be tried again, nothing is unknown, and the log says what to do."""
    put(stage, 5)
    worker = stage.worker()

    def on_send(_: Sent) -> None:
        raise NoThreads

    stage.gateway.on_send = on_send
    with pytest.raises(NoThreads):
        worker.run_once()
    counts = stage.store.counts()
    failed = stage.told("run.failed")
    stage.gateway.on_send = None
    stage.now += timedelta(minutes=10)
    stage.run()

    assert (counts["sending"], counts["unknown"], counts["retryable"]) == (0, 0, 1)
    assert [one["error"] for one in failed] == ["NoThreads"]
    assert "TasksMax" in failed[0]["remedy"]
    assert stage.store.counts()["sent"] == 10
