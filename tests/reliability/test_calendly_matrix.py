"""Calendly's answers, each kind of fault on each kind of call, and peers that never finish, of both APIs.

`system/test_listing_faults.py` holds the first part of the matrix, over the same served world: people with texts due,
a snapshot that knows most of them, one group that is new. Here is what it does not have: the third kind of call (event
types), faults that it tries on one page only, answers that look well, and connections on which nothing comes. The
figures give the sum of both.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support import calendly_faults as base
from support.calendly_faults import ALL, JSON, OWN, TARGETS, Scene, Target
from support.modes import FULL
from support.worker_on_sandbox import START, contents, number
from syncer.errors import GuardRefused, NoUsableAnswer, SyncerError, Unreadable
from syncer.sandbox.world import SANDBOX_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as AsgiScope

WITH_INVITEES = ("page 1", "page 2", "invitees")


def gzipped(scene: Scene, *, whole: bool) -> None:
    """Say gzip, and break off within its checksum, or let no gzip follow."""
    body = json.dumps(scene.real()).encode()
    packed = gzip.compress(body)[:-4] if whole else body
    scene.fault(status=200, headers=JSON | {"content-encoding": "gzip"}, body=packed)


SLOWLY_FAILING: list[tuple[str, Any, type[SyncerError], tuple[str, ...]]] = [
    ("no answer at all", base._hang, NoUsableAnswer, ("page 1", "invitees", "me")),
    ("an answer that drips", base._drip, NoUsableAnswer, ("page 1",)),
]
FAILING: list[tuple[str, Any, type[SyncerError], tuple[str, ...]]] = [
    *(SLOWLY_FAILING if FULL else []),
    ("a gzip that breaks off", lambda s: gzipped(s, whole=True), NoUsableAnswer, ALL),
    ("a gzip that is none", lambda s: gzipped(s, whole=False), NoUsableAnswer, ALL),
    ("204, which has no body", lambda s: s.fault(status=204), NoUsableAnswer, ALL),
    (
        "a JSON that is a string",
        lambda s: s.fault(status=200, headers=JSON, body='"maintenance"'),
        Unreadable,
        ("page 1", "page 2", "me"),
    ),
    (
        "a next page that is another call",
        base._next("http://{here}/users/me"),
        Unreadable,
        ("page 1", "page 2", "invitees"),
    ),
    (
        "a next page of 64 KiB",
        lambda s: s.answer(lambda body: body["pagination"].update(next_page=f"{s.office.url}/?x={'x' * 65_536}")),
        Unreadable,
        WITH_INVITEES,
    ),
    (
        "a next page in a metadata service",
        base._next("http://169.254.169.254/latest/meta-data"),
        Unreadable,
        WITH_INVITEES,
    ),
    (
        "an end that is no time",
        lambda s: s.answer(base._rows(lambda row: row.update(end_time="0000-00-00"))),
        Unreadable,
        ("page 1", "page 2"),
    ),
    (
        "a start beyond the calendar",
        lambda s: s.answer(base._rows(lambda row: row.update(start_time="99999-01-01T00:00:00Z"))),
        Unreadable,
        ("page 1", "page 2"),
    ),
    (
        "a status that is null",
        lambda s: s.answer(base._rows(lambda row: row.update(status=None))),
        Unreadable,
        WITH_INVITEES,
    ),
    (
        "a URI that is empty",
        lambda s: s.answer(base._rows(lambda row: row.update(uri=""))),
        Unreadable,
        WITH_INVITEES,
    ),
    (
        "an empty first page",
        lambda s: s.answer(lambda body: body.update(collection=[], pagination={"next_page": None})),
        GuardRefused,
        ("page 1",),
    ),
]
"""As in the other file: what is wrong, how it is ordered, how the run ends, and which answers it is tried on."""


@pytest.mark.parametrize(("play", "error", "target"), base.cases(FAILING))
def test_a_broken_answer_holds_what_it_is_about_and_the_next_run_recovers(
    account: base.FaultyAccount,
    tmp_path: Path,
    play: Callable[[Scene], object],
    error: type[SyncerError],
    target: Target,
) -> None:
    """The run fails by that error or holds that event, learns nothing, and a run without it sends each text once."""
    with account.scene(tmp_path, target) as scene:
        before = contents(tmp_path / "syncer.db", without=OWN)
        play(scene)

        alone = target.reading and error is not GuardRefused  # one event's invitees hold that event
        with contextlib.nullcontext() if alone else pytest.raises(error) as caught:
            scene.run()
        sent, after = scene.sent(), contents(tmp_path / "syncer.db", without=OWN)
        heal(scene)
        scene.run()
        scene.run()

        assert sent == account.vouched_for(target, error)
        assert sent or after == before
        if caught is None:
            assert scene.office.told[-1]["event"] == "run.completed"
            assert account.group in [one.get("event_uri") for one in scene.office.told]
        else:
            assert caught.value.exit_code == (3 if error is GuardRefused else 1)
        assert not {"booking.missing"} & {one["event"] for one in scene.office.told}
        assert scene.sent() == account.reference
        assert account.trap.caught == []


def heal(scene: Scene) -> None:
    """Let nothing be wrong any more."""
    scene.world.faults.clear()
    scene.drip.orders.clear()
    scene.haste = 0.0


class Undated:
    """In front of the sandbox: answers without a Date."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on, and take the Date off its answer."""

        async def undated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [pair for pair in message["headers"] if pair[0].lower() != b"date"]
            await send(message)

        await self.app(scope, receive, undated)


def undated(scene: Scene) -> None:
    """No answer has a Date, whatever was asked."""
    scene.drip.app = Undated(scene.drip.app)


def a_stranger(**times: str) -> Callable[[dict[str, Any]], object]:
    """Add a row about an event that the listing was not asked for, and that nobody can read."""

    def change(body: dict[str, Any]) -> None:
        row = copy.deepcopy(body["collection"][0])
        row.update(uri=f"{row['uri'].rpartition('/')[0]}/ffffffff", status="active", **times)
        body["collection"].append(row)

    return change


def bare(row: dict[str, Any]) -> None:
    """Make everything null that may be missing."""
    for name in set(row) - {"uri", "status", "start_time", "end_time", "event_type", "invitees_counter"}:
        row[name] = None


def hang_once(scene: Scene) -> None:
    """Let one answer never come."""
    scene.haste = base.HASTE
    scene.fault(times=1, status=200, delay=2 * base.HASTE)


def once(change: Callable[[dict[str, Any]], object]) -> Callable[[Scene], None]:
    """Let the target give its real answer, changed, one time."""
    return lambda scene: scene.answer(change, times=1)


PAST = {"start_time": "2019-01-01T10:00:00.000000Z", "end_time": "2019-01-01T10:30:00.000000Z"}
FAR = {"start_time": "2199-01-01T10:00:00.000000Z", "end_time": "2199-01-01T10:30:00.000000Z"}
HARMLESS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("no answer at all, once", hang_once, ALL if FULL else ("page 1",)),
    ("an answer that drips, once", lambda s: base._drip(s, 1), ("page 1", "invitees", "me") if FULL else ("invitees",)),
    ("rows the other way round", once(lambda body: body["collection"].reverse()), WITH_INVITEES),
    ("a row before the window", once(a_stranger(**PAST)), ("page 1", "page 2")),
    ("a row beyond the window", once(a_stranger(**FAR)), ("page 1", "page 2")),
    ("no Date at all", undated, ALL),
    ("a status nobody has heard of", once(base._rows(lambda row: row.update(status="waiting"))), ("page 1",)),
    ("rows with nothing but what must be there", once(base._rows(bare)), ("page 1", "page 2")),
    (
        "gzip that nobody needs",
        lambda s: s.fault(
            times=1,
            status=200,
            headers=JSON | {"content-encoding": "gzip"},
            body=gzip.compress(json.dumps(s.real()).encode()),
        ),
        ALL,
    ),
]
"""What must not matter: how it is ordered, and which answers it is tried on."""


@pytest.mark.parametrize(("play", "target"), base.cases(HARMLESS))
def test_what_looks_odd_changes_nothing_about_what_is_sent(
    account: base.FaultyAccount, tmp_path: Path, play: Callable[[Scene], object], target: Target
) -> None:
    """The same run gets over it: the very texts of a run without it, each once; nothing is missing or canceled."""
    with account.scene(tmp_path, target) as scene, in_front(scene):
        play(scene)

        scene.run()
        sent = scene.sent()
        heal(scene)
        scene.run()

        assert sent == account.reference
        assert scene.sent() == account.reference
        assert [one for one in scene.office.told if one["event"] == "booking.canceled"][1:] == []
        assert account.trap.caught == []


def test_a_number_that_is_no_text_costs_that_guest_alone(account: base.FaultyAccount, tmp_path: Path) -> None:
    """It may be anybody's: the guest is not texted, the others of the group are."""
    with account.scene(tmp_path, TARGETS["invitees"]) as scene:
        guest = scene.real()["collection"][0]["text_reminder_number"]
        once(base._rows(lambda row: row.update(text_reminder_number=int(guest[1:]))))(scene)

        scene.run()

        assert guest in [to for to, _ in account.reference]
        assert scene.sent() == [(to, key) for to, key in account.reference if to != guest]


@contextlib.contextmanager
def in_front(scene: Scene) -> Iterator[None]:
    """Put back in the end what stands in front of the sandbox."""
    app = scene.drip.app
    try:
        yield
    finally:
        scene.drip.app = app


def last(body: dict[str, Any]) -> None:
    """Let a page call itself the last, and contradict itself nowhere."""
    body["pagination"].update(next_page=None, next_page_token=None)


CONTRADICTIONS: list[tuple[str, Any, str]] = [
    ("nobody on the list of a group of three", once(lambda body: body.update(collection=[])), "invitees"),
    ("one of a group of three", once(lambda body: body.update(collection=body["collection"][:1])), "invitees"),
    ("an empty page in the middle", once(lambda body: body.update(collection=[])), "page 2"),
    ("a first page that calls itself the last", once(last), "page 1"),
    ("a second page that calls itself the last", once(last), "page 2"),
]
"""Answers that are whole, and less than the truth, once."""


@pytest.mark.parametrize(
    ("play", "target"), [pytest.param(play, TARGETS[target], id=name) for name, play, target in CONTRADICTIONS]
)
def test_less_than_the_truth_cancels_nobody_and_is_made_up_for(
    account: base.FaultyAccount, tmp_path: Path, play: Callable[[Scene], object], target: Target
) -> None:
    """Whoever is absent from a whole answer is told nothing, least of all a cancellation; then all is sent, once."""
    with account.scene(tmp_path, target) as scene:
        play(scene)

        with contextlib.suppress(GuardRefused):
            scene.run()
        sent = scene.sent()
        heal(scene)
        scene.office.time.add(minutes=2)
        scene.run()
        scene.run()

        assert set(sent) < set(account.reference)
        assert scene.sent() == account.reference
        assert [key for _, key in scene.sent() if "/cancellation/" in key] == [
            key for _, key in account.reference if "/cancellation/" in key
        ]


DECOY = number(96)
ANSWERED = number(95)
EVENT_TYPE: list[tuple[str, Any]] = [
    *(
        (name, play)
        for name, play, _, targets in [*base.FAILING, *FAILING]
        if "me" in targets and (FULL or play is not base._drip)
    ),
    ("404", lambda s: s.fault(status=404)),
    ("a Date ten minutes ahead", base._dated(minutes=10)),
    ("a Date ten minutes behind", base._dated(minutes=-10)),
    ("no Date at all", undated),
    ("questions that are a number", lambda s: s.answer(lambda b: b["resource"].update(custom_questions=7))),
    ("a question that is null", lambda s: s.answer(lambda b: b["resource"]["custom_questions"].append(None))),
    (
        "a question whose type is a list",
        lambda s: s.answer(lambda b: b["resource"]["custom_questions"][0].update(type=[])),
    ),
    ("no URI", lambda s: s.answer(lambda b: b["resource"].pop("uri"))),
]
"""What is wrong with the third kind of call: which questions of an event type ask for a number."""


@pytest.mark.parametrize("play", [pytest.param(play, id=name) for name, play in EVENT_TYPE])
def test_an_event_type_that_cannot_be_read_holds_nobody_and_misleads_nobody(
    account: base.FaultyAccount, tmp_path: Path, play: Callable[[Scene], object]
) -> None:
    """The answer under `Mobile number` is texted all the same, the order number is not; each text once."""
    [kind] = [uri for uri, row in account.world.event_types.items() if row["name"] == "Phone consultation"]
    with account.scene(tmp_path, Target(f"/event_types/{kind.rpartition('/')[2]}")) as scene, in_front(scene):
        scene.token = SANDBOX_TOKEN
        scene.world.book(
            start=START + timedelta(days=4),
            phone=ANSWERED,
            phone_in="question",
            name="Dee Moss",
            answers=[("Order", DECOY)],
        )
        play(scene)

        scene.run()
        sent = scene.sent()
        heal(scene)
        scene.run()

        new = [to for to, key in sent if (to, key) not in account.reference and "/confirmation/" in key]
        assert new == [ANSWERED]
        assert set(account.reference) < set(sent)
        assert len(sent) == len(account.reference) + 2
        assert scene.sent() == sent
        assert account.trap.caught == []


def test_the_sum_of_the_matrix(figures: Callable[..., None]) -> None:
    """At least 24 kinds of fault on three kinds of calls, at least 72 cells: played above and in the other file."""
    calls = {"listing": 0, "invitees": 0, "event_type or users/me": len(EVENT_TYPE)}
    names = {name for name, _ in EVENT_TYPE}
    failing = [(name, targets) for name, _, _, targets in (*base.FAILING, *FAILING)]
    for name, targets in [*failing, *((name, targets) for name, _, targets in (*base.HARMLESS, *HARMLESS))]:
        names.add(name)
        for target in (TARGETS[one] for one in targets):
            calls["listing" if target.listing else "invitees" if target.reading else "event_type or users/me"] += 1
    for *_, what in CONTRADICTIONS:
        calls["invitees" if what == "invitees" else "listing"] += 1
    names |= {name for name, *_ in CONTRADICTIONS}
    here = len(base.cases(FAILING)) + len(base.cases(HARMLESS)) + len(EVENT_TYPE) + len(CONTRADICTIONS)

    figures("Calendly matrix", faults=len(names), cells=sum(calls.values()), cells_here=here, **calls)
    assert len(names) >= 24
    assert min(calls.values()) >= 24
    assert sum(calls.values()) >= 72
