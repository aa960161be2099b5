"""The sandbox's EngageLab over real loopback HTTP, and the faults that can be ordered for either API."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.sandbox_client import NOW, START, Clock, renew
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import (
    APPROVED,
    PENDING,
    REJECTED,
    SIGNATURE,
    TEMPLATE_CONFIRM,
    TEMPLATE_HOST,
    NotPossible,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PHONE = "+447700900123"
PARAMS = {"name": "Dana", "time": "Tue 14 May 09:30"}
BODY = "[North Pier Dental] Hello Dana, your meeting is confirmed. Time: Tue 14 May 09:30"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A running sandbox."""
    with SandboxServer(World(Clock())) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def world(server: SandboxServer, clock: Clock) -> World:
    """The served world, without bookings."""
    return renew(server.world, clock)


@pytest.fixture(scope="module")
def api(server: SandboxServer) -> Iterator[httpx.Client]:
    """A client that is logged in."""
    with httpx.Client(base_url=server.url, auth=("key", "secret"), trust_env=False, timeout=5) as client:
        yield client


def message(**more: Any) -> dict[str, Any]:
    """Make the body of a good send to one number."""
    return {"to": [PHONE], "template": {"id": TEMPLATE_CONFIRM, "params": PARAMS}, **more}


def templated(params: Any, ident: Any = TEMPLATE_CONFIRM) -> dict[str, Any]:
    """Make the body of a send with this template."""
    return {"to": [PHONE], "template": {"id": ident, "params": params}}


class TestSending:
    """What is accepted, and what the person reads."""

    def test_one_number_at_once(self, api: httpx.Client, world: World) -> None:
        """One number: a plan, a message id as text, and the text on the phone."""
        answer = api.post("/v1/messages", json=message(plan_name="syncer/confirmation", custom_args={"key": "k"}))

        assert answer.status_code == 200
        assert set(answer.json()) == {"plan_id", "total_count", "accepted_count", "message_id"}
        assert (answer.json()["total_count"], answer.json()["accepted_count"]) == (1, 1)
        assert [len(answer.json()[name]) for name in ("plan_id", "message_id")] == [19, 19]
        (text,) = world.texts
        assert (text.to, text.body, text.at) == (PHONE, BODY, NOW)
        assert (text.plan_name, text.custom_args) == ("syncer/confirmation", {"key": "k"})
        assert text.message_id == answer.json()["message_id"]

    def test_one_text_for_each_number(self, api: httpx.Client, world: World) -> None:
        """Several numbers: the same text to each, and no message id in the answer."""
        numbers = [PHONE, "447700900124", "+14155550100"]

        answer = api.post("/v1/messages", json=message(to=numbers))

        assert set(answer.json()) == {"plan_id", "total_count", "accepted_count"}
        assert (answer.json()["total_count"], answer.json()["accepted_count"]) == (3, 3)
        assert [text.to for text in world.texts] == [f"+{number.removeprefix('+')}" for number in numbers]
        assert {text.body for text in world.texts} == {BODY}
        assert len({text.message_id for text in world.texts}) == 3
        assert world.texts[0].plan_name == "-"

    def test_the_same_message_twice_is_two_texts(self, api: httpx.Client, world: World) -> None:
        """There is no idempotency key: whoever sends twice texts twice."""
        ids = {api.post("/v1/messages", json=message(custom_args={"key": "k"})).json()["message_id"] for _ in range(2)}

        assert len(ids) == 2
        assert len(world.texts) == 2

    def test_a_scheduled_send(self, api: httpx.Client, world: World) -> None:
        """A scheduled send answers with a task id that is a bare number above 2**53."""
        due = int(NOW.timestamp()) + 3600

        answer = api.post("/v1/messages", json=message(schedule_time=due))

        assert set(answer.json()) == {"plan_id", "total_count", "accepted_count", "schedule_info"}
        assert answer.json()["schedule_info"]["task_id"] > 2**53
        assert world.texts[0].at == datetime.fromtimestamp(due, UTC)

    @pytest.mark.parametrize(
        ("content", "params", "expected"),
        [
            pytest.param("Hi {{name}}", {}, "Hi {{name}}", id="a missing variable stays, braces included"),
            pytest.param("Hi {name}", {}, "Hi {name}", id="also in single braces"),
            pytest.param("{{a}} {b}", {"a": "1", "b": "2"}, "1 2", id="both forms are replaced"),
            pytest.param("{{a}}", {"a": "{{b}}", "b": "no"}, "{{b}}", id="a value is not a template"),
            pytest.param("{{a}}!", {"a": ""}, "!", id="an empty value"),
            pytest.param("Hi", {"unused": "x"}, "Hi", id="a param that the template lacks"),
        ],
    )
    def test_wording(
        self, api: httpx.Client, world: World, content: str, params: dict[str, str], expected: str
    ) -> None:
        """A missing variable is no error: the person reads the placeholder."""
        ident = world.add_template(content, sign_id=None, status=APPROVED)

        answer = api.post("/v1/messages", json=templated(params, ident))

        assert answer.status_code == 200
        assert world.texts[0].body == expected

    @pytest.mark.parametrize(
        ("position", "expected"), [(0, "Hi"), (1, "[North Pier Dental] Hi"), (2, "Hi [North Pier Dental]")]
    )
    def test_the_signature_stands_at_its_place(self, world: World, position: int, expected: str) -> None:
        """A signature stands before or after the text, or not at all."""
        ident = world.add_template("Hi", sign_position=position)

        assert world.render(world.templates[ident], {}) == expected


class TestRefusals:
    """Codes and statuses; a refused request texts nobody."""

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            pytest.param(b"{", 3001, id="not JSON"),
            pytest.param(b"[]", 3001, id="not an object"),
            pytest.param(b"[" * 100_000, 3001, id="nested without end"),
            pytest.param(message(to=PHONE), 3002, id="a number instead of a list"),
            pytest.param(message(to=[]), 3002, id="no number"),
            pytest.param(message(to=["07700 900123"]), 3002, id="a number with a space"),
            pytest.param(message(to=["+07700900123"]), 3002, id="a national number"),
            pytest.param(message(to=["+4477009001234567"]), 3002, id="sixteen digits"),
            pytest.param(message(to=[447700900123]), 3002, id="digits as a JSON number"),
            pytest.param(message(to=[PHONE, "bad"]), 3002, id="one bad number of two refuses both"),
            pytest.param(templated(PARAMS, int(TEMPLATE_CONFIRM)), 3002, id="a template id as a number"),
            pytest.param({"to": [PHONE], "template": {"id": TEMPLATE_CONFIRM}}, 3002, id="no params"),
            pytest.param(templated(None), 3002, id="params null"),
            pytest.param(templated([["name", "Dana"]]), 3002, id="params a list"),
            pytest.param(templated({"name": 1}), 3002, id="a param that is a number"),
            pytest.param(templated({"name": None}), 3002, id="a param that is null"),
            pytest.param(message(plan_name=7), 3002, id="a plan name that is a number"),
            pytest.param(message(custom_args="k"), 3002, id="custom_args as text"),
            pytest.param(message(request_id="k"), 3002, id="a field that does not exist"),
            pytest.param(message(schedule_time=int(NOW.timestamp()) + 180), 3002, id="scheduled in three minutes"),
            pytest.param(message(schedule_time=int(NOW.timestamp()) + 31 * 86400), 3002, id="in a month"),
            pytest.param(message(schedule_time=True), 3002, id="a time that is true"),
            pytest.param(message(schedule_time=str(NOW.timestamp())), 3002, id="a time as text"),
            pytest.param(templated(PARAMS, "2031460771195419999"), 4001, id="an unknown template"),
        ],
    )
    def test_a_bad_request(self, api: httpx.Client, world: World, body: Any, code: int) -> None:
        """Each slip has its code, and status 400."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}

        answer = api.post("/v1/messages", headers={"Content-Type": "application/json"}, **content)

        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["message"]
        assert world.texts == []

    def test_the_content_type_is_required(self, api: httpx.Client, world: World) -> None:
        """JSON that does not say so is refused."""
        answer = api.post("/v1/messages", content=b"{}", headers={"Content-Type": "text/plain"})

        assert (answer.status_code, answer.json()["code"]) == (400, 3001)
        assert world.texts == []

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda w: w.review(TEMPLATE_CONFIRM, PENDING), id="under review"),
            pytest.param(lambda w: w.review(TEMPLATE_CONFIRM, REJECTED, "no sender"), id="rejected"),
            pytest.param(lambda w: w.edit_template(TEMPLATE_CONFIRM, "Hi {{name}}"), id="edited"),
            pytest.param(lambda w: w.review_signature(SIGNATURE, PENDING), id="its signature under review"),
        ],
    )
    def test_a_template_that_may_not_be_used(
        self, api: httpx.Client, world: World, change: Callable[[World], None]
    ) -> None:
        """3003 until it is approved; the refusal may carry a plan id."""
        change(world)

        refused = api.post("/v1/messages", json=message())
        world.review(TEMPLATE_CONFIRM, APPROVED)
        world.review_signature(SIGNATURE, APPROVED)
        accepted = api.post("/v1/messages", json=message())

        assert (refused.status_code, refused.json()["code"]) == (400, 3003)
        assert "plan_id" in refused.json()
        assert accepted.status_code == 200
        assert len(world.texts) == 1

    @pytest.mark.parametrize(
        ("login", "status", "code"),
        [
            pytest.param("", 401, 2001, id="none"),
            pytest.param("Bearer a2V5OnNlY3JldA==", 401, 2001, id="another scheme"),
            pytest.param("Basic !!!", 401, 2001, id="not base64"),
            pytest.param("Basic a2V5", 401, 2001, id="no secret"),
            pytest.param("Basic YmFkOnNlY3JldA==", 401, 2001, id="a bad pair"),
            pytest.param("Basic b2xkOnNlY3JldA==", 401, 2002, id="an expired key"),
            pytest.param("Basic ZmV3OnNlY3JldA==", 403, 2004, id="a key without this right"),
        ],
    )
    def test_a_bad_login(self, server: SandboxServer, world: World, login: str, status: int, code: int) -> None:
        """Login codes come before everything else, on every path."""
        world.key_codes.update({"bad": 2001, "old": 2002, "few": 2004})
        headers = {"Authorization": login}

        answers = [
            httpx.post(f"{server.url}/v1/messages", json=message(), headers=headers, trust_env=False),
            httpx.get(f"{server.url}/v1/template-configs", headers=headers, trust_env=False),
        ]

        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(status, code)] * 2
        assert world.texts == []

    @pytest.mark.parametrize(
        ("path", "status", "words"),
        [
            ("/v1/template-configs/2031460771195419999", 400, "template config not exist"),
            ("/v1/template-configs/abc", 400, "invalid templateId"),
            ("/v1/sign-configs/2031460771195419999", 400, "sign config not exist"),
            ("/v1/sign-configs/abc", 400, "invalid signId"),
            ("/v1/messages/2031460771195419999", 404, "not found"),
            ("/v1/balance", 404, "not found"),
        ],
    )
    def test_what_is_not_there(self, api: httpx.Client, world: World, path: str, status: int, words: str) -> None:
        """A missing template is 400, not 404; asking what became of a message is not possible at all."""
        answer = api.get(path)

        assert (answer.status_code, answer.json()) == (status, {"code": status, "message": words})
        assert world.count("/v1") == 1


class TestTemplates:
    """The lists that `syncer check` reads."""

    def test_the_list_of_templates(self, api: httpx.Client, world: World) -> None:
        """A bare array of all templates, each with its review and its signature's."""
        world.add_template("Hi {{name}}", sign_id=None)
        world.review_signature(SIGNATURE, REJECTED, "not yours")

        found = api.get("/v1/template-configs").json()

        assert [template["status"] for template in found] == [APPROVED] * 6 + [PENDING]
        assert [template.get("sign_status") for template in found] == [REJECTED] * 6 + [None]
        assert found[0] == api.get(f"/v1/template-configs/{TEMPLATE_CONFIRM}").json()
        assert found[0]["template_content"] == "Hello {{name}}, your meeting is confirmed. Time: {{time}}"
        assert found[0]["sign_name"] == "North Pier Dental"
        assert found[0]["created_time"] == int(NOW.timestamp())
        assert not [name for name in found[6] if name.startswith("sign")]

    def test_a_review_tells_why(self, api: httpx.Client, world: World, clock: Clock) -> None:
        """A rejection has its reason in `audit_remark` and moves `updated_time`."""
        clock.advance(60)
        world.review(TEMPLATE_HOST, REJECTED, "sender not identified")

        found = api.get(f"/v1/template-configs/{TEMPLATE_HOST}").json()

        assert (found["status"], found["audit_remark"]) == (REJECTED, "sender not identified")
        assert found["updated_time"] - found["created_time"] == 60

    def test_the_list_of_signatures(self, api: httpx.Client, world: World) -> None:
        """Signatures with their review and the number of templates that carry them."""
        other = world.add_signature("Harbor Clinic")

        found = api.get("/v1/sign-configs").json()

        assert [(sign["sign_id"], sign["status"], sign["related_template_count"]) for sign in found] == [
            (SIGNATURE, APPROVED, 6),
            (other, PENDING, 0),
        ]
        assert found[0] == api.get(f"/v1/sign-configs/{SIGNATURE}").json()

    @pytest.mark.parametrize("content", ["【x】", "a、b", "[x]", "测试", "A Test", "the latest"])
    def test_forbidden_wording(self, world: World, content: str) -> None:
        """What EngageLab forbids in a template cannot be put into the world either."""
        with pytest.raises(NotPossible, match="must not hold"):
            world.add_template(content)
        with pytest.raises(NotPossible, match="must not hold"):
            world.edit_template(TEMPLATE_CONFIRM, content)


class TestFaults:
    """Faults on order, for either API."""

    def test_a_fault_takes_the_place_of_an_answer(self, api: httpx.Client, world: World) -> None:
        """So many requests of that path and method fail as ordered; then all is well. Nobody was texted meanwhile."""
        world.faults.fail(
            "/v1/messages", times=2, status=429, headers={"Retry-After": "7"}, body={"code": 1}, method="POST"
        )

        other = api.get("/v1/messages")
        failed = [api.post("/v1/messages", json=message()) for _ in range(2)]
        good = api.post("/v1/messages", json=message())

        assert (other.json()["message"], good.status_code) == ("not found", 200)
        assert [(a.status_code, a.headers["retry-after"], a.json()) for a in failed] == [(429, "7", {"code": 1})] * 2
        assert len(world.texts) == 1
        assert len(world.faults) == 0
        assert world.count("/v1/messages", "POST") == 3

    @pytest.mark.parametrize(
        ("accept_first", "texts"), [pytest.param(False, 0, id="refused"), pytest.param(True, 1, id="carried out")]
    )
    def test_a_gateway_in_trouble(self, api: httpx.Client, world: World, accept_first: bool, texts: int) -> None:
        """HTML and 502; whether the text left nobody can tell from it."""
        world.faults.html_502("/v1", accept_first=accept_first)

        answer = api.post("/v1/messages", json=message())

        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
        assert "Bad Gateway" in answer.text
        assert len(world.texts) == texts

    @pytest.mark.parametrize(
        ("accept_first", "texts"), [pytest.param(False, 0, id="refused"), pytest.param(True, 1, id="carried out")]
    )
    def test_a_dropped_connection(self, api: httpx.Client, world: World, accept_first: bool, texts: int) -> None:
        """The connection ends without a byte; the text may have left."""
        world.faults.drop("/v1/messages", accept_first=accept_first)

        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            api.post("/v1/messages", json=message())

        assert len(world.texts) == texts

    def test_a_slow_answer(self, api: httpx.Client, world: World) -> None:
        """A request is carried out at once, while its answer outlasts the client's patience."""
        world.faults.slow("/v1/messages", 0.3)

        with pytest.raises(httpx.ReadTimeout):
            api.post("/v1/messages", json=message(), timeout=0.1)

        assert len(world.texts) == 1

    def test_a_slow_answer_arrives(self, api: httpx.Client, world: World) -> None:
        """A patient client gets the real answer, and others are not held up by it."""
        world.faults.slow("/v1/messages", 0.2)
        began = time.monotonic()

        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(api.post, "/v1/messages", json=message())
            while not world.count("/v1/messages"):
                time.sleep(0.005)
            quick = api.get("/v1/template-configs")
            between = time.monotonic() - began
            answer = slow.result()

        assert (answer.status_code, answer.json()["accepted_count"]) == (200, 1)
        assert time.monotonic() - began >= 0.2 > between
        assert quick.status_code == 200

    def test_an_answer_that_breaks_off(self, api: httpx.Client, world: World) -> None:
        """The answer stops after so many bytes: those arrive, then the connection ends."""
        world.faults.cut("/v1/messages", after=15)

        with api.stream("POST", "/v1/messages", json=message()) as answer:
            pieces = answer.iter_raw()
            body = next(pieces)
            with pytest.raises(httpx.RemoteProtocolError):
                next(pieces)

        assert answer.status_code == 200
        assert body == b'{"plan_id":"203'
        assert len(world.texts) == 1

    def test_faults_reach_calendly_too(self, api: httpx.Client, world: World) -> None:
        """The oldest matching fault comes first; what was not used can be cleared away."""
        world.book(start=START)
        world.faults.fail("/users", status=500)
        world.faults.fail("/users", status=503, body="<h1>down</h1>")
        world.faults.fail("/users", status=504)
        headers = {"Authorization": "Bearer any"}

        first, second = (api.get("/users/me", headers=headers, auth=None) for _ in range(2))
        world.faults.clear()
        third = api.get("/users/me", headers=headers, auth=None)

        assert (first.status_code, second.status_code, second.headers["content-type"]) == (500, 503, "text/html")
        assert third.status_code == 200


class TestClock:
    """The world's clock dates the answers."""

    @pytest.mark.parametrize("path", ["/users/me", "/v1/template-configs", "/nowhere"])
    def test_every_answer_carries_the_worlds_date(
        self, api: httpx.Client, world: World, clock: Clock, path: str
    ) -> None:
        """One Date header, from the world's clock: good answers, refusals and faults alike."""
        expected = "Wed, 25 Nov 2026 13:00:01 GMT"
        clock.now += timedelta(hours=1, seconds=1.5)

        plain = api.get(path)
        world.faults.fail(path, status=503)
        faulty = api.get(path)

        assert plain.headers.get_list("date") == [expected]
        assert faulty.headers.get_list("date") == [expected]
