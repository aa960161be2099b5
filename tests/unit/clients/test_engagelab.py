"""EngageLab: what an answer means for a message, for every status and code, and a send that happens once."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.recorded_responses import sample, samples
from support.sandbox_client import Clock, renew
from syncer.engagelab import BODY_CAP, EngageLab, Signature, Template, decipher, request_body
from syncer.engagelab_shapes import read_signatures, read_templates
from syncer.errors import NotConnected, NoUsableAnswer, RunHalted, SyncerError, Unsendable
from syncer.http import SENDS_KEEPALIVE, Answer, Http
from syncer.model import Audience, Message, State
from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Outcome, Refused
from syncer.reasons import Reason
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import TEMPLATE_CONFIRM, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncer.http import Prepared

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
URL = "https://smsapi.engagelab.com"
SECRET = "canary-secret"
MESSAGE = Message(
    key="https://api.calendly.com/scheduled_events/e/invitees/i/reminder-24h/2026-11-25T16:00:00Z",
    rule="reminder-24h",
    booking="https://api.calendly.com/scheduled_events/e/invitees/i",
    audience=Audience.INVITEE,
    to="+13125550142",
    language="zh-TW",
    template=TEMPLATE_CONFIRM,
    params={"name": "王小明", "time": "11月26日"},
    state=State.SENDING,
    reason=Reason.NONE,
    scheduled_at=NOW,
    next_at=NOW,
    expires_at=NOW,
    meeting_at=NOW,
    changed_at=NOW,
)


def answered(status: int, body: object = None, **headers: str) -> Outcome:
    """Decipher an answer; a body that is no bytes is written as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return decipher(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def error(code: object, message: str = "m") -> dict[str, object]:
    """Write a body that says no."""
    return {"code": code, "message": message}


IDS = {"plan_id": "2031502210446729216", "message_id": "2031502210698387456"}
GOOD = {**IDS, "total_count": 1, "accepted_count": 1}
TAKEN = Accepted("2031502210698387456", "2031502210446729216")

SAMPLES: dict[str, Outcome] = {
    "sends-accepted": TAKEN,
    "sends-accepted-odd": TAKEN,
    "sends-scheduled": NoAnswer("EngageLab HTTP 200: neither accepted nor refused"),
    "sends-partly": NoAnswer("EngageLab HTTP 200: neither accepted nor refused"),
    "sends-none-accepted": Refused("EngageLab HTTP 200: no recipient accepted", "no recipient accepted"),
    "sends-wrong-key": Halt("EngageLab 2001: authentication failed"),
    "sends-bad-number": Refused("EngageLab 3002: to +… holds an invalid number", "3002"),
    "sends-not-approved": Refused("EngageLab 3003: template is not approved", "3003"),
    "sends-no-balance": Halt("EngageLab 5001: insufficient balance"),
    "sends-no-template": NotNow("EngageLab 4001: template not found", "4001", holds_template=True),
    "sends-too-often": NotNow("EngageLab 3004: too frequent", "3004", tries=1),
    "sends-code-in-200": Refused("EngageLab 3003: template is not approved", "3003"),
    "sends-internal": NoAnswer("EngageLab 1000: internal error"),
    "sends-gateway": NoAnswer("EngageLab HTTP 502"),
    "sends-throttled": NotNow("EngageLab HTTP 429", "HTTP 429", retry_after=timedelta(seconds=30), pauses_all=True),
}


@pytest.mark.parametrize("name", samples("sends"))
def test_every_sample(name: str) -> None:
    """Each recorded answer to a send means what it means."""
    found = sample(name)

    assert decipher(found.status, found.headers, found.body) == SAMPLES[name]


UNLISTED: list[object] = [1, -1, 500, 9999, "9999", "x", True, False, 3003.0, [3003], {}]
NO_CODE: list[object] = [None, b"", b"<html>", [], {}, "x", error(None), error(0), error("x"), error([])]
NO_ID: list[object] = [None, "", "0", 0, True, 1.5, [], "x" * 65, "a b"]
NO_YES: list[object] = [None, b"", b"<html>ok</html>", b'{"message_id": "1", "acc', [GOOD], {}, "ok"]
TABLE: list[tuple[int, object, type[Outcome]]] = [
    *((status, body, Halt) for status in (401, 402, 403) for body in (None, b"<html>", error(3002), GOOD)),
    *((status, error(code), Halt) for status in (200, 400) for code in (2001, 2002, 2004)),
    *((429, body, NotNow) for body in (None, b"<html>", error(3002), error(1000))),
    *((status, body, NoAnswer) for status in (408, 500, 502, 503, 504, 599) for body in (None, error(3002), GOOD)),
    *((500, error(code, "insufficient balance"), NoAnswer) for code in (1000, 5001)),
    *((status, body, Refused) for status in (300, 301, 307, 308) for body in (None, b"<html>", GOOD)),
    *((status, error(code), Refused) for status in (200, 400, 404, 413, 422) for code in (3001, 3002, 3003)),
    *((400, error(code), Refused) for code in (5011, 5012, 5013, 5014, 5015, 5017, 5018, 5019, 5020)),
    *((400, error(code), Refused) for code in (1, -1, 400, 404, 9999, "7777")),
    *((status, error(1000), NoAnswer) for status in (200, 400, 500)),
    *((200, error(code), NoAnswer) for code in UNLISTED),
    *((400, body, NoAnswer) for body in NO_CODE),
    *((status, GOOD, NoAnswer) for status in (100, 201, 202, 204, 206, 0, -1, 600, 999)),
    (200, {**GOOD, "code": 0}, Accepted),
    (200, {**GOOD, "code": "0"}, Accepted),
    (200, {**GOOD, "code": None}, Accepted),
    (200, {**GOOD, "plan_id": None}, Accepted),
    (200, {**GOOD, "accepted_count": 0}, NoAnswer),
    (200, {"plan_id": "7", "accepted_count": 0}, Refused),
    (200, {"accepted_count": 0}, NoAnswer),
    *((200, {**GOOD, "accepted_count": count}, NoAnswer) for count in (None, 2, -1, "1", True, 1.0, [1])),
    *((200, {**GOOD, "message_id": ident}, NoAnswer) for ident in NO_ID),
    *((200, body, NoAnswer) for body in NO_YES),
    (200, {key: value for key, value in GOOD.items() if key != "message_id"}, NoAnswer),
    (200, {key: value for key, value in GOOD.items() if key != "accepted_count"}, NoAnswer),
]


@pytest.mark.parametrize(("status", "body", "kind"), TABLE)
def test_table(status: int, body: object, kind: type[Outcome]) -> None:
    """Every kind of answer has its outcome: in doubt nobody knows, and only a whole yes is a yes."""
    assert type(answered(status, body)) is kind


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (3004, NotNow("EngageLab 3004: m", "3004", tries=1)),
        (4001, NotNow("EngageLab 4001: m", "4001", holds_template=True)),
        (5001, NotNow("EngageLab 5001: m", "5001", tries=2)),
        (5016, NotNow("EngageLab 5016: m", "5016", tries=2)),
        (23008, NotNow("EngageLab 23008: m", "23008", pauses_all=True)),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 422])
def test_later(status: int, code: int, expected: NotNow) -> None:
    """Refusals that may pass say how often to try, and what waits meanwhile."""
    assert answered(status, error(code)) == expected
    assert answered(status, error(str(code))) == expected


MONEY = [
    "insufficient balance",
    "insufficient_balance",
    "Your BALANCE is too low",
    "no credit left",
    "Insufficient funds",
    "账户余额不足",
    "已欠费",
]


@pytest.mark.parametrize("text", MONEY)
@pytest.mark.parametrize(
    ("status", "code"), [(400, 3003), (400, 5001), (200, 3003), (400, 7777), (422, None), (200, 7777)]
)
def test_out_of_credit(status: int, code: int | None, text: str) -> None:
    """An account without money halts everything: nothing is lost."""
    assert answered(status, error(code, text)) == Halt(
        f"EngageLab {code}: {text}" if code else f"EngageLab HTTP {status}: {text}"
    )


@pytest.mark.parametrize("text", ["unbalanced braces", "accredited sender only", "template is not approved"])
def test_not_about_money(text: str) -> None:
    """Words that only look like money halt nothing."""
    assert isinstance(answered(400, error(3003, text)), Refused)


def test_a_code_nobody_knows_refuses_in_its_own_words() -> None:
    """A client error with a code means "not taken", whatever the code is."""
    assert decipher(400, {}, json.dumps(error(9999)).encode()) == Refused(
        f"EngageLab 9999: {error(9999)['message']}", "9999"
    )


@pytest.mark.parametrize("code", [3001, 3002, 3003, *range(5011, 5016), 5017, 5018, 5019, 5020])
def test_only_blocked_and_unsubscribed_numbers_opt_out(code: int) -> None:
    """Of all refusals for good, two say that the person wants nothing more."""
    outcome = decipher(400, {}, json.dumps(error(code)).encode())

    assert isinstance(outcome, Refused)
    assert outcome.opted_out is (code in {5013, 5019})


@pytest.mark.parametrize(("code", "kind"), [(3002, Refused), (4001, NotNow), (3004, NotNow), (5019, Refused)])
def test_nobody_halts_it_by_their_name(code: int, kind: type[Outcome]) -> None:
    """A message about a wrong field may quote what somebody typed: it does not stop the texts of all others."""
    assert type(answered(400, error(code, "params.name 'No Balance' is invalid"))) is kind


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry_after": "30"}, timedelta(seconds=30)),
        ({"retry_after": "99999999"}, timedelta(days=1)),
        (
            {"retry_after": "Wed, 25 Nov 2026 12:02:00 GMT", "date": "Wed, 25 Nov 2026 12:00:00 GMT"},
            timedelta(minutes=2),
        ),
        ({"retry_after": "soon"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], wait: timedelta | None) -> None:
    """A rate limit's wish is passed on, in seconds or as a date by their own clock."""
    assert answered(429, None, **headers) == NotNow("EngageLab HTTP 429", "HTTP 429", retry_after=wait, pauses_all=True)
    assert answered(400, error(5001), **headers) == NotNow("EngageLab 5001: m", "5001", retry_after=wait, tries=2)


def test_a_detail_is_short_and_clean() -> None:
    """The detail quotes EngageLab in one line, without the number that it may echo."""
    outcome = answered(400, error(3002, "number +1 312-555-0142 of ines@example.com\r\n is bad" + "!" * 500))

    assert isinstance(outcome, Refused)
    assert outcome.detail.startswith("EngageLab 3002: number +… of … is bad!!!")
    assert len(outcome.detail) <= 140


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ANY_BODY = st.binary() | st.fixed_dictionaries(
    {},
    optional={
        "code": st.integers() | st.sampled_from([0, 1000, 2001, 3002, 3004, 4001, 5001]) | ANY_JSON,
        "message": st.text() | ANY_JSON,
        "message_id": st.sampled_from(["1", 1, "", None]) | ANY_JSON,
        "plan_id": ANY_JSON,
        "accepted_count": st.integers(-1, 3) | ANY_JSON,
    },
).map(lambda fields: json.dumps(fields).encode())


@given(st.integers() | st.sampled_from([200, 400, 429, 500]), st.dictionaries(st.text(), st.text()), ANY_BODY)
def test_any_answer_has_an_outcome(status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever comes back, there is an outcome with a detail, and it is accepted only by a whole 200."""
    outcome = decipher(status, headers, body)

    if isinstance(outcome, Accepted):
        fields = json.loads(body)
        assert status == 200
        assert fields["accepted_count"] == 1
        assert outcome.message_id == str(fields["message_id"])
        assert fields.get("code") in {None, 0, "0", "00", "000"} or int(fields["code"]) == 0
    else:
        assert outcome.detail.startswith("EngageLab ")
        assert len(outcome.detail) < 220


@given(st.integers().filter(bool), st.integers())
def test_any_code(code: int, status: int) -> None:
    """No code whatever makes a yes, a client error with a code is never unclear, and a server's error always is."""
    outcome = answered(status, {**GOOD, **error(code)})

    assert not isinstance(outcome, Accepted)
    if 400 <= status < 500 and status != 408 and code != 1000:
        assert not isinstance(outcome, NoAnswer)
    if status >= 500:
        assert isinstance(outcome, NoAnswer)


@pytest.mark.parametrize("code", range(400, 500))
def test_every_client_error(code: int) -> None:
    """Every client error with an unknown code is refused for good, but those with a meaning of their own."""
    special: dict[int, type[Outcome]] = {401: Halt, 402: Halt, 403: Halt, 408: NoAnswer, 429: NotNow}

    assert type(answered(code, error(9999))) is special.get(code, Refused)


def test_request() -> None:
    """One recipient, a template with strings, a plan's name from a small set, the key; and no schedule."""
    body = json.loads(request_body(MESSAGE))

    assert body == {
        "to": ["+13125550142"],
        "template": {"id": TEMPLATE_CONFIRM, "params": {"name": "王小明", "time": "11月26日"}},
        "plan_name": "syncer/reminder-24h",
        "custom_args": {"key": MESSAGE.key},
    }


def test_request_without_params() -> None:
    """A template without variables gets an empty object, and an installation may give its name."""
    body = json.loads(request_body(replace(MESSAGE, params={}), instance="pier-1"))

    assert body["template"]["params"] == {}
    assert body["custom_args"] == {"key": MESSAGE.key, "instance": "pier-1"}


@pytest.mark.parametrize(("number_format", "to"), [("e164", "+13125550142"), ("digits", "13125550142")])
def test_the_format_of_a_number_is_a_matter_of_the_wire(number_format: str, to: str) -> None:
    """Only the request is written so; the message keeps its number in E.164."""
    body = json.loads(request_body(MESSAGE, number_format=number_format))

    assert body["to"] == [to]
    assert MESSAGE.to == "+13125550142"


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"to": to}
            for to in ("", "13125550142", "+0312555014", "+1", "+1312555014212345", "+1312a", "+1 312 555 0142")
        ),
        {"template": ""},
        {"params": {"name": "\ud800"}},
        {"key": "\udfff"},
    ],
)
def test_request_that_cannot_be_written(change: dict[str, Any]) -> None:
    """What is wrong with a message shows before it is claimed, without its number or values."""
    with pytest.raises(Unsendable) as caught:
        request_body(replace(MESSAGE, **change))

    assert "312" not in str(caught.value).replace("+13125550142", "")


def test_templates() -> None:
    """A template is read with its signature and its review."""
    approved, rejected = read_templates(sample("templates-two").body)

    assert approved == Template(
        id="2031460771195412480",
        name="Appointment reminder 24h",
        content="Hi {{first_name}}, see you {{when}} at {{place}}.",
        status=2,
        sign_id="2031455120098267136",
        sign_name="Harbour Clinic",
        sign_position=2,
        sign_status=2,
        countries=("GB", "IE"),
        updated=1772686400,
    )
    assert (approved.usable, approved.why_not_usable()) == (True, "")
    assert (rejected.usable, rejected.why_not_usable()) == (False, "the template was rejected: sender not identified")
    assert read_templates(sample("templates-empty").body) == ()


def test_odd_templates() -> None:
    """What cannot be told of a template counts as not approved, but a signature's review that is missing does not."""
    unknown, unsigned, silent, empty = read_templates(sample("templates-odd").body)

    assert (unknown.id, unknown.countries) == ("2031460771195412480", ())
    assert unknown.why_not_usable() == "the template has the unknown status 9"
    assert unsigned.why_not_usable() == "the template's signature waits for its review"
    assert unsigned.countries == ("GB", "IE")
    assert silent.usable
    assert empty.why_not_usable() == "the template has the unknown status 0"


@pytest.mark.parametrize(
    ("status", "sign_id", "sign_status", "usable"),
    [
        (1, "", None, False),
        (2, "", None, True),
        (3, "", None, False),
        (0, "", None, False),
        (2, "", 3, True),
        (2, "9", 2, True),
        (2, "9", 1, False),
        (2, "9", 3, False),
        (2, "9", None, True),
    ],
)
def test_usable(status: int, sign_id: str, sign_status: int | None, usable: bool) -> None:
    """A template may be sent when it and its signature are approved."""
    template = Template(id="1", status=status, sign_id=sign_id, sign_status=sign_status)

    assert template.usable is usable
    assert bool(template.why_not_usable()) is not usable


def test_signatures() -> None:
    """A signature is read with its review."""
    (good,) = read_signatures(sample("signatures-one").body)
    rejected, empty = read_signatures(sample("signatures-odd").body)

    assert good == Signature(id="2031455120098267136", name="Harbour Clinic", status=2, updated=1772590000)
    assert (good.usable, rejected.usable, empty.usable) == (True, False, False)
    assert (rejected.id, rejected.remark) == ("2031455120098267137", "not your name")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'[{"template_id": ',
        b"7",
        b"null",
        b'"x"',
        b"[" * 9999,
        b'{"data": [{"template_id": "1", "status": 2}]}',
    ],
)
def test_list_that_cannot_be_read(body: bytes) -> None:
    """What is no list at all says nothing about any template."""
    with pytest.raises(NoUsableAnswer, match="list"):
        read_templates(body)
    with pytest.raises(NoUsableAnswer, match="list"):
        read_signatures(body)


def test_templates_with_wrong_types() -> None:
    """Two rows without an id are left out, one of an unknown status is not approved, the rest is read."""
    good, odd = read_templates(sample("templates-wrong-types").body)

    assert (good.usable, good.status, good.sign_status, good.sign_position) == (True, 2, 2, 2)
    assert (good.countries, good.remark, good.updated) == (("GB", "IE"), "", 1772686400)
    assert odd.why_not_usable() == "EngageLab's list has no readable status for it"


APPROVED = {"template_id": "11", "template_content": "Hi {{name}}", "status": 2}
SIGNED = APPROVED | {"sign_id": "22", "sign_name": "Pier", "sign_position": 1, "sign_status": 2}
ODD: list[Any] = [None, 7, -1, 1.5, True, [], ["x"], {}, {"a": 1}, "", "x", 10**30]


def one_template(row: dict[str, Any]) -> Template:
    """Read a template beside another one, which is always read."""
    found = {
        template.id: template
        for template in read_templates(json.dumps([{**APPROVED, "template_id": 33}, row]).encode())
    }
    assert found.pop("33").usable
    (template,) = found.values()
    return template


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"template_id": 11}, {"id": "11"}, id="an id that is a number"),
        pytest.param({"status": "2"}, {"status": 2}, id="a status in quotes"),
        pytest.param({"status": 2.0}, {"status": 2}, id="a status with a fraction"),
        pytest.param({"updated_time": "1772686400"}, {"updated": 1772686400}, id="a time in quotes"),
        pytest.param({"updated_time": "2026-03-05 10:00:00"}, {"updated": 0}, id="a time in words"),
        pytest.param({"country_codes": ["gb", " IE ", 7, None, ""]}, {"countries": ("GB", "IE")}, id="a list"),
        pytest.param({"country_codes": {"GB": 1}}, {"countries": ()}, id="an object of countries"),
        pytest.param({"sign_position": "1"}, {"sign_position": 1}, id="a position in quotes"),
        pytest.param({"sign_position": "before"}, {"sign_position": 0}, id="a position in words"),
        pytest.param({"sign_status": "2"}, {"sign_status": 2}, id="a signature's status in quotes"),
        pytest.param({"audit_remark": {"en": "x"}}, {"remark": ""}, id="a remark in languages"),
        pytest.param({"sign_id": "", "sign_status": ""}, {"sign_id": ""}, id="no signature"),
        pytest.param({"sign_id": 0, "sign_status": "none"}, {"sign_id": ""}, id="signature 0"),
        *(
            pytest.param({name: odd}, {"usable": True}, id=f"{name}: {odd!r}")
            for name in "template_name country_codes sign_name sign_position audit_remark updated_time new".split()
            for odd in ODD
        ),
    ],
)
def test_odd_fields_of_a_template(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """What only decorates a template is read leniently: it may be sent all the same."""
    found = one_template(SIGNED | change)

    assert found.usable
    assert {name: getattr(found, name) for name in expected} == expected


UNREADABLE: dict[str, list[Any]] = {
    "status": ["approved", "", True, [], {}, 1.5, -2, 10**30],
    "template_content": [7, True, [], {"en": "Hi"}],
    "sign_id": [True, 1.5, [], {}, "a b", "x" * 65],
    "sign_status": ["approved", "", True, [], {}, 1.5],
}


@pytest.mark.parametrize(("field", "odd"), [(field, odd) for field, odds in UNREADABLE.items() for odd in odds])
def test_unreadable_field_of_a_template(field: str, odd: object) -> None:
    """What decides whether a template may be sent costs that template alone, and the reason names the field."""
    found = one_template(SIGNED | {field: odd})

    assert not found.usable
    assert found.why_not_usable() == f"EngageLab's list has no readable {field} for it"


@pytest.mark.parametrize(
    "row", [7, None, "x", [], {}, *({**APPROVED, "template_id": odd} for odd in ODD if odd not in (7, -1, "x", 10**30))]
)
def test_template_without_a_usable_id_is_left_out(row: object) -> None:
    """Nobody could send it; the others are as they were."""
    assert [template.id for template in read_templates(json.dumps([row, APPROVED]).encode())] == ["11"]


@pytest.mark.parametrize("odd", ODD)
def test_odd_signatures(odd: Any) -> None:
    """Likewise: an odd status is not approved, an odd id leaves the signature out."""
    good = {"sign_id": "22", "sign_name": "Pier", "status": 2}
    decorated = {**good, "sign_name": odd, "audit_remark": odd, "updated_time": odd}
    found = read_signatures(json.dumps([{**good, "sign_id": odd}, {**good, "status": odd}, decorated]).encode())

    assert [signature.usable for signature in found[-2:]] == [False, True]
    assert len(found) == (3 if type(odd) in {int, str} and odd != "" else 2)


class Script:
    """Plays answers in order instead of a network; keeps what was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Prepared, float, int]] = []
        self.slept: list[float] = []

    def exchange(self, prepared: Prepared, *, deadline: float, cap: int) -> Answer:
        """Give the next answer."""
        self.asked.append((prepared, deadline, cap))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def gateway(self, url: str = URL) -> EngageLab:
        """Make a gateway that talks to this."""
        return EngageLab(url, "dev-key", SECRET, cast("Http", self), sleep=self.slept.append)


def test_send() -> None:
    """A send is one POST to one address, with a login, in fifteen seconds."""
    script = Script(Answer(200, {}, json.dumps(GOOD).encode()))
    gateway = script.gateway(URL + "/")

    outcome = gateway.send(gateway.prepare(MESSAGE))

    ((asked, deadline, cap),) = script.asked
    assert outcome == TAKEN
    assert (asked.method, asked.url) == ("POST", f"{URL}/v1/messages")
    assert asked.content == request_body(MESSAGE)
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(f"dev-key:{SECRET}".encode()).decode()
    assert asked.headers["Content-Type"] == "application/json"
    assert (deadline, cap) == (15.0, BODY_CAP) == (15.0, 65536)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (NotConnected("a: refused"), NotNow("EngageLab not reached: a: refused", unreached=True)),
        (NoUsableAnswer("a: broke"), NoAnswer("EngageLab gave no usable answer: a: broke")),
        (Unsendable("a: header"), Refused("not sendable: a: header")),
    ],
)
def test_send_never_raises_and_never_repeats(fault: Exception, expected: Outcome) -> None:
    """A fault of the network is an outcome, after one try and no wait."""
    script = Script(fault)
    gateway = script.gateway()

    outcome = gateway.send(gateway.prepare(MESSAGE))

    assert outcome == expected
    assert len(script.asked) == 1
    assert script.slept == []


def test_bad_key_is_found_before() -> None:
    """An address that cannot be used is found when the request is prepared, without the secret."""
    with pytest.raises(Unsendable) as caught:
        Script().gateway(f"https://me:{SECRET}@x").prepare(MESSAGE)

    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    "first", [NotConnected("x"), NoUsableAnswer("x"), Answer(502, {}, b"<html>"), Answer(200, {}, b"[")]
)
def test_list_is_tried_again(first: Answer | Exception) -> None:
    """Reading a list is safe to repeat, so a passing fault is waited out."""
    script = Script(first, Answer(200, {}, sample("templates-two").body))

    found = script.gateway().templates()

    assert len(found) == 2
    assert script.slept == [0.5]
    assert {asked.url for asked, *_ in script.asked} == {f"{URL}/v1/template-configs"}


def test_list_is_given_up() -> None:
    """After three tries the fault is raised, with a remedy where a setting may be at fault."""
    script = Script(*[Answer(404, {}, b'{"code": 404, "message": "not found"}')] * 9)

    with pytest.raises(NoUsableAnswer, match="HTTP 404 to GET /v1/sign-configs: not found") as caught:
        script.gateway().signatures()

    assert "ENGAGELAB_API_URL" in caught.value.remedy
    assert len(script.asked) == 3


@pytest.mark.parametrize(
    "answer", [Answer(401, {}, b""), Answer(403, {}, b"<html>"), Answer(200, {}, b'{"code": 2002}')]
)
def test_list_with_a_wrong_key(answer: Answer) -> None:
    """A refused login stops the run at once and says what to check."""
    script = Script(answer)

    with pytest.raises(RunHalted) as caught:
        script.gateway().templates()

    assert "ENGAGELAB_DEV_KEY" in caught.value.remedy
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(402, {}, b""),
        Answer(402, {}, b'{"code": 3003, "message": "insufficient balance"}'),
        Answer(200, {}, b'{"code": 3003, "message": "insufficient balance"}'),
        Answer(400, {}, b'{"code": 5001, "message": "insufficient_balance"}'),
        Answer(400, {}, '{"code": 3003, "message": "余额不足"}'.encode()),
    ],
)
def test_a_list_that_is_refused_for_want_of_credit_halts_sending(answer: Answer) -> None:
    """A person must act, at once: each run would say the same."""
    script = Script(answer)

    with pytest.raises(RunHalted) as caught:
        script.gateway().templates()

    assert "balance" in caught.value.remedy
    assert len(script.asked) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"code": 3002}', b'{"code": 2001}', b"error code: 1010"])
def test_every_refusal_of_a_list_has_a_remedy(body: bytes) -> None:
    """Whatever the status: never none, and only a refused login speaks of the key."""
    for status in (202, 204, *range(300, 600)):
        with pytest.raises((RunHalted, NoUsableAnswer)) as caught:
            Script(*[Answer(status, {}, body)] * 3).gateway().templates()

        login, money = status in {401, 403} or b"2001" in body, status == 402 and b"2001" not in body
        assert caught.value.remedy
        assert isinstance(caught.value, RunHalted) == (login or money)
        assert ("balance" in caught.value.remedy) == money
        assert ("ENGAGELAB_DEV_KEY" in caught.value.remedy) == login
        assert ("redirect" in caught.value.remedy) == (300 <= status < 400 and not login)


@pytest.mark.parametrize("answer", [Answer(200, {}, b""), Answer(200, {}, b"{}"), Answer(200, {}, b"<html>")])
def test_every_unusable_list_has_a_remedy(answer: Answer) -> None:
    """Something else may answer at that address."""
    with pytest.raises(NoUsableAnswer) as caught:
        Script(*[answer] * 3).gateway().templates()

    assert "ENGAGELAB_API_URL" in caught.value.remedy


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """Serve one sandbox for the whole module: stopping one takes a while."""
    with SandboxServer(World(Clock())) as found:
        yield found


@pytest.fixture
def world(server: SandboxServer) -> World:
    """Give a world that starts anew."""
    return renew(server.world, Clock())


FAULTS: list[Any] = [
    pytest.param(lambda world: world.faults.drop("/v1/messages"), NoAnswer, 0, id="dropped before it was taken"),
    pytest.param(lambda world: world.faults.drop("/v1/messages", accept_first=True), NoAnswer, 1, id="dropped after"),
    pytest.param(lambda world: world.faults.cut("/v1/messages", after=30), NoAnswer, 1, id="the answer is cut"),
    pytest.param(lambda world: world.faults.html_502("/v1/messages", accept_first=True), NoAnswer, 1, id="502, taken"),
    pytest.param(lambda world: world.faults.fail("/v1/messages", status=200, body="<p>ok"), NoAnswer, 0, id="HTML 200"),
    pytest.param(
        lambda world: world.faults.fail("/v1/messages", status=400, body=error(3003, "low balance")),
        Halt,
        0,
        id="no money",
    ),
    pytest.param(
        lambda world: world.faults.fail("/v1/messages", status=200, body=b"x" * 70_000), NoAnswer, 0, id="a huge answer"
    ),
    pytest.param(
        lambda world: world.faults.fail("/v1/messages", status=307, headers={"location": "/v1/messages"}),
        Refused,
        0,
        id="a redirect",
    ),
]


@pytest.mark.parametrize(("order", "kind", "texts"), FAULTS)
def test_faults_over_http(
    server: SandboxServer, world: World, order: Callable[[World], None], kind: type[Outcome], texts: int
) -> None:
    """Over real HTTP each fault has its outcome, and the request is made exactly once."""
    order(world)

    with Http(keepalive=SENDS_KEEPALIVE) as http:
        gateway = EngageLab(server.url, "key", SECRET, http)
        outcome = gateway.send(gateway.prepare(MESSAGE))

    assert type(outcome) is kind
    assert world.count("/v1/messages") == 1
    assert len(world.texts) == texts
    assert not isinstance(outcome, Accepted)
    assert SECRET not in outcome.detail


def test_nobody_there() -> None:
    """A gateway that cannot be reached has surely taken nothing."""
    with Http() as http:
        gateway = EngageLab("http://127.0.0.1:9", "key", SECRET, http, sleep=lambda _: None)

        outcome = gateway.send(gateway.prepare(MESSAGE))

        assert isinstance(outcome, NotNow)
        assert "not reached" in outcome.detail
        with pytest.raises(SyncerError):
            gateway.templates()
