"""EngageLab's SMS API over a world.

Rules: EngageLab SMS documentation, pages "Send Message", "Authentication", "Get Template List", "Create Signature", and
its published error codes. What those pages do not list is refused here, so that a slip in a client is seen.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncer.sandbox.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from syncer.sandbox.shapes import Record
    from syncer.sandbox.world import World

E164 = re.compile(r"\+?[1-9][0-9]{6,14}")
EARLIEST, LATEST = timedelta(minutes=3), timedelta(days=30)
SECOND = timedelta(seconds=1)
_FIELDS = {"to", "template", "plan_name", "schedule_time", "custom_args"}
_STATUS = {1000: 500, 2001: 401, 2002: 401, 2004: 403}
_KEY_TEXTS = {
    2001: "authentication failed",
    2002: "the key has expired or is disabled",
    2004: "the key may not call this API",
}


class Refusal(Exception):
    """An answer that says no, in EngageLab's form: `code` and `message`, now and then a `plan_id`."""

    def __init__(self, code: int, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = _STATUS.get(code, 400)
        self.body: Record = {"code": code, "message": message, **more}


def routes(world: World) -> list[Route]:
    """Make the routes of the API; its last one answers 404 to every other path below `/v1`."""
    return [
        Route("/v1/messages", _endpoint(world, _send), methods=["POST"]),
        Route("/v1/template-configs", _endpoint(world, _templates), methods=["GET"]),
        Route("/v1/template-configs/{id}", _endpoint(world, _template), methods=["GET"]),
        Route("/v1/sign-configs", _endpoint(world, _signatures), methods=["GET"]),
        Route("/v1/sign-configs/{id}", _endpoint(world, _signature), methods=["GET"]),
        Route("/v1/{path:path}", _nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


def _endpoint(world: World, answer: Callable[[World, Mapping[str, str], bytes], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        with world.lock:
            try:
                _login(world, request)
                if request.method == "POST" and _media_type(request) != "application/json":
                    raise Refusal(3001, "Content-Type must be application/json")
                return JSONResponse(answer(world, request.path_params, body))
            except Refusal as refusal:
                return JSONResponse(refusal.body, refusal.status)

    return endpoint


async def _nothing(_: Request) -> Response:
    return JSONResponse({"code": 404, "message": "not found"}, 404)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _login(world: World, request: Request) -> None:
    scheme, _, packed = request.headers.get("authorization", "").partition(" ")
    try:
        key, _, secret = base64.b64decode(packed.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        key = secret = ""
    code = world.key_codes.get(key)
    if code is None and (scheme.lower() != "basic" or not key or not secret):
        code = 2001
    if code is not None:
        raise Refusal(code, _KEY_TEXTS[code])


def _send(world: World, _: Mapping[str, str], body: bytes) -> Record:
    """Accept a message: one text for each number."""
    message = _parse(body)
    numbers, ident, params = _checked(message)
    due = _due(world, message)
    plan_id = str(world.serial())
    template = world.templates.get(ident)
    if template is None:
        raise Refusal(4001, "template not found")
    if not world.usable(template):
        # A refusal may carry a plan_id; it does not make it an acceptance.
        raise Refusal(3003, "template is not approved", plan_id=plan_id)
    ids = [_deliver(world, message, template, number, params, due) for number in numbers]
    answer: Record = {"plan_id": plan_id, "total_count": len(ids), "accepted_count": len(ids)}
    if due is not None:
        answer["schedule_info"] = {"task_id": world.serial()}
    elif len(ids) == 1:
        answer["message_id"] = ids[0]
    return answer


def _deliver(
    world: World, message: Record, template: Record, number: str, params: dict[str, str], due: datetime | None
) -> str:
    ident = str(world.serial())
    world.texts.append(
        Text(
            at=due or world.now(),
            to=number,
            template_id=template["template_id"],
            params=params,
            body=world.render(template, params),
            plan_name=message.get("plan_name", "-"),
            custom_args=message.get("custom_args", {}),
            message_id=ident,
        )
    )
    return ident


def _parse(body: bytes) -> Record:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(3001, "the request body is not valid JSON") from None
    if not isinstance(message, dict):
        raise Refusal(3001, "the request body is not a JSON object")
    return message


def _checked(message: Record) -> tuple[list[str], str, dict[str, str]]:
    """Check the request's fields; returns the numbers, the template's id and its params."""
    for name in message:
        _demand(name in _FIELDS, f"unknown field {name}")
    numbers = message.get("to")
    if not isinstance(numbers, list) or not numbers:
        raise Refusal(3002, "to must be a list of numbers")
    for number in numbers:
        _demand(isinstance(number, str) and E164.fullmatch(number) is not None, "to holds an invalid number")
    template = message.get("template")
    if not isinstance(template, dict) or not isinstance(template.get("id"), str) or set(template) - {"id", "params"}:
        raise Refusal(3002, "template must be an object with id and params")
    params = template.get("params")
    if not isinstance(params, dict) or not all(isinstance(value, str) for value in params.values()):
        raise Refusal(3002, "template.params must be an object of strings")
    _demand(isinstance(message.get("plan_name", ""), str), "plan_name must be a string")
    _demand(isinstance(message.get("custom_args", {}), dict), "custom_args must be an object")
    # With or without `+` it is the same phone: EngageLab's pages show both.
    return [f"+{number.removeprefix('+')}" for number in numbers], template["id"], params


def _due(world: World, message: Record) -> datetime | None:
    """Read `schedule_time`, Unix seconds: more than 3 minutes and at most 30 days ahead. None = at once."""
    if "schedule_time" not in message:
        return None
    seconds = message["schedule_time"]
    _demand(isinstance(seconds, int), "schedule_time must be a number of seconds")
    ahead = seconds - int(world.now().timestamp())
    _demand(ahead > EARLIEST // SECOND, "schedule_time must be at least 3 minutes later")
    _demand(ahead <= LATEST // SECOND, "schedule_time must be within 30 days")
    return datetime.fromtimestamp(seconds, UTC)


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise Refusal(3002, message)


def _templates(world: World, _: Mapping[str, str], __: bytes) -> list[Record]:
    return [_template_record(world, template) for template in world.templates.values()]


def _template(world: World, ids: Mapping[str, str], _: bytes) -> Record:
    if not ids["id"].isdecimal():
        raise Refusal(400, "invalid templateId")
    if ids["id"] not in world.templates:
        raise Refusal(400, "template config not exist")
    return _template_record(world, world.templates[ids["id"]])


def _template_record(world: World, template: Record) -> Record:
    """Add what a template's answer says of its signature."""
    sign = world.signatures.get(template.get("sign_id", ""))
    if sign is None:
        return template
    return {**template, "sign_name": sign["sign_name"], "sign_status": sign["status"]}


def _signatures(world: World, _: Mapping[str, str], __: bytes) -> list[Record]:
    return [_signature_record(world, sign) for sign in world.signatures.values()]


def _signature(world: World, ids: Mapping[str, str], _: bytes) -> Record:
    if not ids["id"].isdecimal():
        raise Refusal(400, "invalid signId")
    if ids["id"] not in world.signatures:
        raise Refusal(400, "sign config not exist")
    return _signature_record(world, world.signatures[ids["id"]])


def _signature_record(world: World, sign: Record) -> Record:
    related = sum(template.get("sign_id") == sign["sign_id"] for template in world.templates.values())
    return {**sign, "related_template_count": related}
