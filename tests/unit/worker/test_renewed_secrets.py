"""Secrets that are changed while the loop runs: read again after they were refused, and never shown."""

from __future__ import annotations

import base64
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import a_message
from support.cli_workspace import PHONE, now
from support.fake_clients import ME as ME_OF_FAKES
from support.fake_clients import FakeCalendly
from support.worker_on_fakes import WorkerOnFakes
from syncer import config, log
from syncer.calendly import Calendly, Listing, Me
from syncer.cli.building import a_worker
from syncer.engagelab import EngageLab
from syncer.errors import LoginRefused, RunHalted, Unreadable, WrongDatabase
from syncer.http import Answer
from syncer.model import State, utc_text
from syncer.outbox import Accepted, Halt, NotNow
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.cli_workspace import Workspace
    from syncer.http import Prepared
    from syncer.store import Store
    from syncer.worker import Worker

OLD, NEW = "old-secret-aaaa", "new-secret-bbbb"
REST = {"ENGAGELAB_DEV_KEY": "key-ccc", "ENGAGELAB_DEV_SECRET": "secret-ddd"}
URL = "https://api.calendly.com"


# Where they stand.


def in_a_file(folder: Path, text: str | None) -> dict[str, str]:
    """A file of its own."""
    file = folder / "token"
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")
    return {"CALENDLY_TOKEN_FILE": "token"}


def in_dotenv(folder: Path, text: str | None) -> dict[str, str]:
    """`.env`."""
    (folder / ".env").write_text("" if text is None else f"CALENDLY_TOKEN={text}\n", encoding="utf-8")
    return {}


def in_a_file_of_dotenv(folder: Path, text: str | None) -> dict[str, str]:
    """A file that `.env` names."""
    (folder / ".env").write_text("CALENDLY_TOKEN_FILE=token\n", encoding="utf-8")
    in_a_file(folder, text)
    return {}


PLACES = [in_a_file, in_dotenv, in_a_file_of_dotenv]


def load(folder: Path, environ: dict[str, str]) -> config.Settings:
    """Read the settings."""
    return config.load(environ=REST | environ, folder=folder)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NEW, NEW),
        (f"{NEW}\n", NEW),
        (OLD, OLD),
        ("", OLD),
        ("two words", OLD),
        ('"quoted"x"', OLD),
        (None, OLD),
    ],
)
def test_what_is_read_again(
    tmp_path: Path, place: Callable[[Path, str | None], dict[str, str]], text: str | None, expected: str
) -> None:
    """A new secret counts; what cannot be one leaves the old one as it is."""
    token = load(tmp_path, place(tmp_path, OLD)).token
    place(tmp_path, text)
    changed = token.renew()

    assert token.reveal() == expected
    assert changed is (expected != OLD)
    assert token.renew() is False
    assert "restart the service" in token.remedy
    assert str(tmp_path) in token.remedy
    assert OLD not in token.remedy + repr(token)


def test_the_environment_does_not_change(tmp_path: Path) -> None:
    """Nor does a credential of systemd: the remedy says to restart."""
    in_a_file(tmp_path, OLD)
    given = load(tmp_path, {"CALENDLY_TOKEN": OLD}).token
    credential = load(
        tmp_path, {"CALENDLY_TOKEN_FILE": f"{tmp_path}/token", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    ).token

    assert (given.renew(), credential.renew()) == (False, False)
    assert "restart the service" in given.remedy
    assert "credential" in credential.remedy
    assert "restart the service" in credential.remedy


def test_a_secret_that_moves_is_found(tmp_path: Path) -> None:
    """From a file to `.env`: what would be read at the next start is read."""
    environ: dict[str, str] = {}
    in_a_file_of_dotenv(tmp_path, OLD)
    token = load(tmp_path, environ).token
    (tmp_path / ".env").write_text(f"CALENDLY_TOKEN={NEW}\n", encoding="utf-8")

    assert token.renew()
    assert token.reveal() == NEW


@pytest.mark.parametrize("name", ["token", ".env"])
def test_a_pipe_is_not_read_again(tmp_path: Path, name: str) -> None:
    """It has said what it had to say: reading it would block for ever."""
    place = in_a_file if name == "token" else in_dotenv
    environ = place(tmp_path, OLD)
    token = load(tmp_path, environ).token
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(token.renew()), daemon=True)
    thread.start()
    thread.join(20)

    assert found == [False]
    assert token.reveal() == OLD


# The clients.


class Wire:
    """Answers by the login that comes with a request.

    Attributes:
        good: the login that is taken.
        logins: those that came.
        refusal: what the others get.
        gate: how many requests must be there before any is answered.
    """

    def __init__(self, good: str, refusal: Answer, fine: bytes, gate: int = 1) -> None:
        self.good, self.refusal, self.fine = good, refusal, fine
        self.logins: list[str] = []
        self._gate = threading.Barrier(gate)

    def exchange(self, prepared: Prepared, **_: object) -> Answer:
        """Answer."""
        login = prepared.headers["Authorization"].partition(" ")[2]
        self.logins.append(login)
        if login == self.good:
            return Answer(200, {}, self.fine)
        self._gate.wait(20)
        return self.refusal


REFUSED = Answer(401, {}, b'{"title":"Unauthenticated","message":"The access token is invalid"}')
ME = b'{"resource":{"uri":"https://api.calendly.com/users/u","current_organization":"https://api.calendly.com/organizations/o"}}'


def a_reader(wire: Any, renew: Callable[[], str] | None) -> Calendly:
    """A reader with the old token."""
    return Calendly(URL, OLD, wire, sleep=lambda _: None, renew=renew, remedy="restart the service")


def test_a_new_token_is_used_within_the_run() -> None:
    """The request is made once more; from then on each has the new token."""
    wire = Wire(NEW, REFUSED, ME)
    calendly = a_reader(wire, lambda: NEW)
    calendly.me()
    calendly.me()

    assert wire.logins == [OLD, NEW, NEW]
    assert calendly.requests == 3


@pytest.mark.parametrize(("renew", "logins"), [(None, [OLD]), (lambda: "", [OLD]), (lambda: "worse", [OLD, "worse"])])
def test_where_there_is_no_better_one(renew: Callable[[], str] | None, logins: list[str]) -> None:
    """Refused, once or twice; what to do is said, and no secret."""
    wire = Wire(NEW, REFUSED, ME)
    with pytest.raises(LoginRefused) as caught:
        a_reader(wire, renew).me()

    assert wire.logins == logins
    assert ("restart the service" in caught.value.remedy) is (len(logins) == 1)
    assert not {OLD, "worse"} & set(f"{caught.value} {caught.value.remedy}".split())


def test_many_requests_at_once_take_one_look() -> None:
    """All of them were refused with the old token; each is made once more."""
    wire = Wire(NEW, REFUSED, ME, gate=8)
    looks: list[int] = []

    def renew() -> str:
        looks.append(1)
        return NEW

    calendly = a_reader(wire, renew)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(calendly.me) for _ in range(8)]:
            done.result(30)

    assert len(looks) == 1
    assert sorted(wire.logins) == [NEW] * 8 + [OLD] * 8


def basic(pair: tuple[str, str]) -> str:
    """The login of HTTP Basic."""
    return base64.b64encode(":".join(pair).encode()).decode()


PAIR, OTHER = ("key-old", "secret-old"), ("key-new", "secret-new")
REFUSALS = [
    pytest.param(Answer(401, {}, b""), id="401"),
    pytest.param(Answer(401, {}, b'{"code":2001,"message":"authentication failed"}'), id="401 and 2001"),
    pytest.param(Answer(400, {}, b'{"code":2002,"message":"expired"}'), id="400 and 2002"),
    pytest.param(Answer(200, {}, b'{"code":2001,"message":"authentication failed"}'), id="200 and 2001"),
]
TAKEN = b'{"plan_id":"1","total_count":1,"accepted_count":1,"message_id":"2"}'


def a_gateway(wire: Any, renew: Callable[[], tuple[str, str] | None] | None) -> EngageLab:
    """A gateway with the old pair."""
    return EngageLab(URL, *PAIR, wire, sleep=lambda _: None, renew=renew, remedy="restart the service")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_new_pair_for_lists(refusal: Answer) -> None:
    """The list is asked for once more."""
    wire = Wire(basic(OTHER), refusal, b"[]")
    gateway = a_gateway(wire, lambda: OTHER)

    assert gateway.templates() == ()
    assert wire.logins == [basic(PAIR), basic(OTHER)]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_new_pair_for_a_text(refusal: Answer) -> None:
    """It was surely refused: its next attempt has the new pair. The request itself is not made twice."""
    wire = Wire(basic(OTHER), refusal, TAKEN)
    looks: list[int] = []

    def renew() -> tuple[str, str]:
        looks.append(1)
        return OTHER

    gateway = a_gateway(wire, renew)
    late = gateway.prepare(a_message())
    first, again = gateway.send(gateway.prepare(a_message())), gateway.send(gateway.prepare(a_message()))
    looked = gateway.send(late)

    assert [type(outcome) for outcome in (first, again, looked)] == [NotNow, Accepted, NotNow]
    assert wire.logins == [basic(PAIR), basic(OTHER), basic(PAIR)]
    assert len(looks) == 1


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("renew", [None, lambda: None])
def test_the_same_pair_halts(refusal: Answer, renew: Callable[[], None] | None) -> None:
    """And says that a restart may help."""
    wire = Wire(basic(OTHER), refusal, TAKEN)
    gateway = a_gateway(wire, renew)
    outcome = gateway.send(gateway.prepare(a_message()))
    with pytest.raises(RunHalted) as caught:
        gateway.templates()

    assert isinstance(outcome, Halt)
    assert "restart the service" in outcome.remedy
    assert "restart the service" in caught.value.remedy
    assert wire.logins == [basic(PAIR)] * 2


@pytest.mark.parametrize("body", [b'{"code":2004,"message":"no"}', b'{"code":5001,"message":"insufficient balance"}'])
def test_what_no_other_key_mends_is_not_looked_for(body: bytes) -> None:
    """An address that is not allowed, an empty account."""
    wire = Wire(basic(OTHER), Answer(403, {}, body), TAKEN)
    gateway = a_gateway(wire, pytest.fail)
    outcome = gateway.send(gateway.prepare(a_message()))

    assert outcome == Halt(getattr(outcome, "detail", ""))


# All of it.


class WorkerWithSecrets:
    """A folder whose secrets stand in files, and one worker on it: what the loop has."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.folder = workspace, workspace.folder
        lines = (self.folder / ".env").read_text(encoding="utf-8").splitlines()
        names = ("CALENDLY_TOKEN", *REST)
        kept = [line for line in lines if line.partition("=")[0] not in names]
        kept += [f"{name}_FILE={name.lower()}" for name in names]
        (self.folder / ".env").write_text("\n".join(kept), encoding="utf-8")
        self.put(CALENDLY_TOKEN="token-one", ENGAGELAB_DEV_KEY="key-one", ENGAGELAB_DEV_SECRET="secret-one")

    def put(self, **secrets: str) -> None:
        """Put secrets into their files."""
        for name, text in secrets.items():
            (self.folder / name.lower()).write_text(text, encoding="utf-8")

    def book(self) -> str:
        """Somebody books, after the database was born."""
        return self.workspace.world.book(start=now().replace(year=now().year + 1), phone=PHONE)


def be_old(worker: Worker) -> None:
    """Let the database be born a day ago: what is booked from now on is news."""
    worker.store.born_at = now() - timedelta(days=1)
    worker.store.db.execute("UPDATE rules SET born_at = ?", [utc_text(worker.store.born_at)])
    worker.store.db.conn.commit()


@pytest.fixture
def office(workspace: Workspace) -> WorkerWithSecrets:
    """Its secrets stand in files."""
    return WorkerWithSecrets(workspace)


def settings_of(office: WorkerWithSecrets) -> config.Settings:
    """Read the settings, and set the log up as the command line does."""
    made = config.load(environ={}, folder=office.folder)
    secrets = (made.token, made.dev_key, made.dev_secret)
    log.configure(log_format="json", secrets=[one.reveal() for one in secrets])
    return made


def test_a_loop_goes_on_with_new_secrets(office: WorkerWithSecrets, capsys: pytest.CaptureFixture[str]) -> None:
    """Token and key are changed and the old ones revoked; the same worker goes on, and no log shows them."""
    world = office.workspace.world
    with a_worker(settings_of(office)) as worker:
        worker.run_once()
        world.revoked_tokens.add("token-one")
        with pytest.raises(LoginRefused) as caught:
            worker.run_once()
        office.put(CALENDLY_TOKEN="token-two")
        world.key_codes["key-one"] = 2001
        office.put(ENGAGELAB_DEV_KEY="key-two", ENGAGELAB_DEV_SECRET="secret-two")
        be_old(worker)
        office.book()
        worker.run_once()
        log.tell("limit.reached", limit="x", value=0, reason="token-two key-two secret-two token-one")
        knows = worker.store.knows_token("token-two")
    said = capsys.readouterr().err

    assert "restart the service" in caught.value.remedy
    assert knows
    assert not any(secret in said for secret in ("token-one", "token-two", "key-two", "secret-two"))


def test_a_key_that_is_revoked_under_a_text(office: WorkerWithSecrets) -> None:
    """The list of templates was read with it; the text is refused, keeps, and leaves with the new key."""
    world = office.workspace.world
    with a_worker(settings_of(office)) as worker:
        worker.run_once()
        be_old(worker)
        office.book()
        templates = worker.gateway.templates

        def revoked() -> object:
            found = templates()
            world.key_codes["key-one"] = 2001
            office.put(ENGAGELAB_DEV_KEY="key-two")
            return found

        worker.gateway.templates = revoked  # type: ignore[method-assign,assignment]  # between the list and the texts
        worker.run_once()
        tried = [m for m in worker.store.messages() if m.attempts]
        worker.store.db.execute("UPDATE messages SET next_at = '2000-01-01T00:00:00Z' WHERE state = 'retryable'")
        worker.store.db.conn.commit()
        worker.gateway.templates = templates  # type: ignore[method-assign]
        worker.run_once()
        after = [m for m in worker.store.messages() if m.attempts]

    assert tried
    assert {(m.state, m.reason) for m in tried} <= {(State.RETRYABLE, Reason.PROVIDER_LATER), (State.SENT, Reason.NONE)}
    assert State.RETRYABLE in {m.state for m in tried}
    assert {m.state for m in after} == {State.SENT}
    assert len(world.texts) == len(after)


def test_a_new_token_at_the_first_question(settings: Callable[..., config.Settings], store: Store) -> None:
    """Whose token it is was answered for the new one: that is the one that is known from then on."""
    texts = [OLD]
    token = config.Secret(OLD, lambda: texts[-1])
    stage = WorkerOnFakes(settings(token=token), store)
    whose = stage.calendly.me

    def me() -> Me:
        texts.append(NEW)
        token.renew()
        return whose()

    stage.calendly.me = me  # type: ignore[method-assign]  # refused with the old one, answered with the new one
    stage.run()

    assert store.knows_token(NEW)


class Rotating(FakeCalendly):
    """Calendly whose token is refused in the middle of a listing; the new one is of this person."""

    def __init__(self, token: config.Secret, whose: Me) -> None:
        super().__init__()
        self.token, self.whose = token, whose

    def events(self, *args: Any, **kwargs: Any) -> Listing:
        """List, with the new token."""
        if self.token.renew():
            self._me = self.whose
        return super().events(*args, **kwargs)


@pytest.mark.parametrize(
    ("over", "scope", "error"),
    [
        ({"organization": f"{URL}/organizations/other"}, "organization", WrongDatabase),
        ({"organization": f"{URL}/organizations/other"}, "user", WrongDatabase),
        ({"uri": f"{URL}/users/jonas"}, "user", Unreadable),
        ({"uri": f"{URL}/users/jonas"}, "organization", None),
        ({}, "user", None),
    ],
)
def test_a_new_token_in_the_middle_of_a_listing(
    settings: Callable[..., config.Settings], store: Store, over: dict[str, str], scope: str, error: type | None
) -> None:
    """Of another account it is refused; a listing of another person's events is none; else the run goes on."""
    texts = [OLD]
    token = config.Secret(OLD, lambda: texts[-1])
    made = settings(f'calendly.scope = "{scope}"', token=token)
    stage = WorkerOnFakes(made, store, calendly=Rotating(token, replace(ME_OF_FAKES, **over)))
    stage.run()
    texts.append(NEW)
    if error is not None:
        with pytest.raises(error):
            stage.run()
    if error is not WrongDatabase:
        stage.run()
        assert store.knows_token(NEW)
        assert store.meta("user") == over.get("uri", ME_OF_FAKES.uri)
    else:
        assert not store.knows_token(NEW)
