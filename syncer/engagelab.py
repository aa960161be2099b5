"""EngageLab's SMS API: one request for one message, and what its answer means for that message.

The endpoint is not idempotent, and nobody can be asked what became of a message ("Send Message", "Authentication",
"Get Template List", "Create Signature" in EngageLab's documentation of the SMS API). So a send is tried once, and what
is not surely taken or surely refused is `NoAnswer`.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from syncer.engagelab_shapes import (
    WALL_REMEDY,
    Signature,
    Template,
    list_remedy,
    read_id,
    read_signatures,
    read_templates,
)
from syncer.errors import NotConnected, NoUsableAnswer, RunHalted, Unsendable
from syncer.http import json_object, prepare, quoted, retry_after
from syncer.outbox import Accepted, Halt, NoAnswer, NotNow, Outcome, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncer.http import Answer, Http, Prepared
    from syncer.model import Message

__all__ = ["EngageLab", "Signature", "Template", "decipher", "request_body"]

DEADLINE: Final = 15.0
"""Seconds for one request and its whole answer; a watchdog must allow more."""
BODY_CAP: Final = 64 * 1024
LIST_CAP: Final = 4 * 1024 * 1024
"""Most bytes of an answer to a send, and of a list of templates or signatures."""
LIST_ATTEMPTS: Final = 3
FEW: Final = 2
"""How many refusals of the kind "try again" a message survives."""

MONEY_REMEDY = "Top up the balance at EngageLab's console; the texts wait, and leave while they are in time"
KEY_REMEDY = "Check ENGAGELAB_DEV_KEY and ENGAGELAB_DEV_SECRET, the key's expiry date and its list of allowed addresses"

HALTING = frozenset({2001, 2002, 2004})
"""Codes: wrong key, key expired or disabled, key not allowed to send."""
LOGIN = frozenset({2001, 2002})
"""Of those, codes that another key may mend; so may it a 401."""
REFUSING = frozenset({3001, 3002, 3003, 5011, 5012, 5013, 5014, 5015, 5017, 5018, 5019, 5020})
"""Codes: never with this number, template or text. From 5011 on they are of EngageLab's sister products."""
OPTED_OUT = frozenset({5013, 5019})
"""Of those, codes that say: blocked, or unsubscribed. No further text is worth a try."""
LATER: Mapping[int, NotNow] = {
    3004: NotNow("", tries=1),  # the same text to the same number too soon
    4001: NotNow("", holds_template=True),
    5001: NotNow("", tries=FEW),
    5016: NotNow("", tries=FEW),
    23008: NotNow("", pauses_all=True),
}
"""Codes: refused, but worth another try."""
AMBIGUOUS = frozenset({1000})
"""Codes: an error on their side, at an unknown moment."""

_MONEY = re.compile(
    r"(?<![a-z])(?:balances?|credits?|insufficient[ _](?:funds?|amount|quota)|arrears|recharge)(?![a-z])"
    r"|余额|餘額|欠费|欠費|充值|儲值",
    re.IGNORECASE,
)
_MAY_BE_MONEY = frozenset({3003, 5001, 5016})
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")

DIGITS: Final = "digits"
"""The `number_format` without `+`."""

T = TypeVar("T")


def decipher(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Tell what the answer to a send means for the message.

    Accepted is only HTTP 200 without an error code, with exactly one recipient taken and an id. Refused is what a
    client error says with a code. Whatever may hide a text that left after all is `NoAnswer`.

    Args:
        status: of HTTP.
        headers: names in lower case.
        body: as it came.
    """
    fields = json_object(body)
    code = _code(fields.get("code"))
    text = str(fields.get("message") or "")
    number = str(code) if code else f"HTTP {status}"
    detail = f"EngageLab {number}" + (f": {quoted(text)}" if text else "")
    if status in {401, 402, 403}:
        return Halt(detail)
    if status == 429:  # noqa: PLR2004  Too Many Requests
        return NotNow(detail, number, retry_after=_asked(headers), pauses_all=True)
    if 300 <= status < 400:  # noqa: PLR2004  never followed: 307 and 308 would repeat the request elsewhere
        return Refused(f"{detail}: redirected; check ENGAGELAB_API_URL", number)
    if status == 200 and code == 0:  # noqa: PLR2004  OK
        return _counted(detail, fields)
    client_error = 400 <= status < 500  # noqa: PLR2004  that is how HTTP says "not taken"
    if status == 408 or not (client_error or 200 <= status < 300):  # noqa: PLR2004  a time-out on their side, 5xx, …
        return NoAnswer(detail)
    return _by_code(code, detail, headers, client_error=client_error, money=bool(_MONEY.search(text)))


def _by_code(code: int | None, detail: str, headers: Mapping[str, str], *, client_error: bool, money: bool) -> Outcome:
    """Decide by the error code.

    `client_error` says that HTTP itself means "not taken", `money` that the text speaks of balance or credit. The text
    counts only where the code leaves the cause open: a message about a wrong field may quote what a stranger typed into
    the booking form, and nobody shall stop all texts by being called "Balance".
    """
    if code in HALTING:
        return Halt(detail)
    if code in AMBIGUOUS:
        return NoAnswer(detail)
    if money and (code in _MAY_BE_MONEY or (code not in REFUSING | LATER.keys() and (client_error or code))):
        return Halt(detail)
    if code in REFUSING:
        return Refused(detail, str(code), opted_out=code in OPTED_OUT)
    if code is not None and code in LATER:
        return replace(LATER[code], detail=detail, code=str(code), retry_after=_asked(headers))
    return Refused(detail, str(code)) if client_error and code else NoAnswer(detail)


def _counted(detail: str, fields: Mapping[str, Any]) -> Outcome:
    """Read a 200 without an error code."""
    count = fields.get("accepted_count")
    message_id, plan_id = read_id(fields.get("message_id")), read_id(fields.get("plan_id"))
    if type(count) is int:  # JSON's true is an int to Python
        if count == 1 and message_id:
            return Accepted(message_id, plan_id)
        if count == 0 and plan_id and not message_id:
            return Refused(f"{detail}: no recipient accepted", "no recipient accepted")
    return NoAnswer(f"{detail}: neither accepted nor refused")


def _code(value: object) -> int | None:
    """Read an error code; 0 = there is none, None = not a code at all."""
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    return value if type(value) is int else None


def _asked(headers: Mapping[str, str]) -> timedelta | None:
    """Read Retry-After, which is not documented, at most a day."""
    seconds = retry_after(headers)
    return None if seconds is None else timedelta(seconds=min(seconds, 86_400))


def request_body(message: Message, *, instance: str = "", number_format: str = "e164") -> bytes:
    """Write the request for one message ("Send Message").

    One recipient a request, so that an unclear answer concerns one person. Never `schedule_time`: what is scheduled
    there cannot be called back. The key goes into `custom_args`, which come back in callbacks only.

    Args:
        message: number in E.164, template and params as frozen in the outbox.
        instance: which installation sends, for the account's owner; empty = not told.
        number_format: e164, or digits = without the `+`: EngageLab's pages contradict each other.

    Raises:
        Unsendable: the number or the template's id is not one, or a value is no valid text.
    """
    if not _NUMBER.fullmatch(message.to):
        raise Unsendable("the message's number is not in the form +13125550142")
    if not message.template:
        raise Unsendable("the message has no template", "Give the rule a template id")
    to = message.to.removeprefix("+") if number_format == DIGITS else message.to
    custom = {"key": message.key} | ({"instance": instance} if instance else {})
    try:
        return msgspec.json.encode(
            {
                "to": [to],
                "template": {"id": message.template, "params": {k: str(v) for k, v in message.params.items()}},
                "plan_name": f"syncer/{message.rule}",
                "custom_args": custom,
            }
        )
    except UnicodeEncodeError:
        raise Unsendable("a value of the message is not valid text") from None


def _headers(key: str, secret: str) -> dict[str, str]:
    packed = base64.b64encode(f"{key}:{secret}".encode()).decode("ascii")
    return {"Authorization": f"Basic {packed}", "Content-Type": "application/json"}


def _refuses_login(answer: Answer) -> bool:
    """Whether another key and secret may do better."""
    return answer.status == 401 or _code(json_object(answer.body).get("code")) in LOGIN  # noqa: PLR2004  Unauthorized


class EngageLab:
    """The gateway. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        http: Http,
        *,
        sleep: Callable[[float], None] = time.sleep,
        number_format: str = "e164",
        renew: Callable[[], tuple[str, str] | None] | None = None,
        remedy: str = "",
    ) -> None:
        """Make a gateway; nothing is asked yet.

        Args:
            url: the API's base, without a path.
            key: dev_key.
            secret: dev_secret.
            http: carries the requests; for sends its connections should not stay idle long (`SENDS_KEEPALIVE`).
            sleep: waits between the tries of a list, in seconds; may raise to stop. A send never waits.
            number_format: e164 or digits; see `request_body`.
            renew: reads key and secret once more after they were refused, in one thread at a time; None = the same.
            remedy: what to do then.
        """
        self._url = url.rstrip("/")
        self._headers = _headers(key, secret)
        self._renew, self._remedy = renew, remedy
        self._renewing = threading.Lock()
        self._http = http
        self._sleep = sleep
        self._number_format = number_format

    def prepare(self, message: Message, *, instance: str = "") -> Prepared:
        """Build the request for a message. To be done before it is claimed: what is wrong here never left.

        Raises:
            Unsendable: see `request_body`; or the address or the key cannot be sent.
        """
        content = request_body(message, instance=instance, number_format=self._number_format)
        return prepare("POST", f"{self._url}/v1/messages", headers=self._headers, content=content)

    def send(self, prepared: Prepared) -> Outcome:
        """Send one message, once; whatever happens on the way is an outcome, not an error.

        Where the key is refused and there is another one by now, the message may be tried again: nothing was taken.
        """
        try:
            answer = self._http.exchange(prepared, deadline=DEADLINE, cap=BODY_CAP)
        except NotConnected as error:
            return NotNow(f"EngageLab not reached: {error}", unreached=True)
        except NoUsableAnswer as error:
            return NoAnswer(f"EngageLab gave no usable answer: {error}")
        except Unsendable as error:
            return Refused(f"not sendable: {error}")
        outcome = decipher(answer.status, answer.headers, answer.body)
        if not isinstance(outcome, Halt) or not _refuses_login(answer):
            return outcome
        if self._logs_in_anew(prepared):
            return NotNow(f"{outcome.detail}; there is another key now")
        return replace(outcome, remedy=self._remedy)

    def _logs_in_anew(self, refused: Prepared) -> bool:
        """Take key and secret anew; returns whether they are others than a request was refused with."""
        with self._renewing:
            if refused.headers["Authorization"] == self._headers["Authorization"]:
                pair = self._renew() if self._renew is not None else None
                if pair is not None:
                    self._headers = _headers(*pair)
            return refused.headers["Authorization"] != self._headers["Authorization"]

    def templates(self) -> tuple[Template, ...]:
        """Read all templates.

        Raises:
            RunHalted: the login is refused.
            NotConnected: not reached, three times.
            NoUsableAnswer: reached, but no list, three times.
        """
        return self._list("/v1/template-configs", read_templates)

    def signatures(self) -> tuple[Signature, ...]:
        """Read all signatures; errors as for `templates`."""
        return self._list("/v1/sign-configs", read_signatures)

    def _list(self, path: str, read: Callable[[bytes], tuple[T, ...]]) -> tuple[T, ...]:
        def ask(*, anew: bool = True) -> tuple[T, ...]:
            prepared = prepare("GET", f"{self._url}{path}", headers=self._headers)
            answer = self._http.exchange(prepared, deadline=DEADLINE, cap=LIST_CAP)
            if anew and _refuses_login(answer) and self._logs_in_anew(prepared):
                return ask(anew=False)
            fields = json_object(answer.body)
            if answer.status == 403 and answer.body and not fields:  # noqa: PLR2004  EngageLab says why in JSON
                raise RunHalted("EngageLab, or a firewall before it, refuses the request (HTTP 403)", WALL_REMEDY)
            if answer.status in {401, 403} or _code(fields.get("code")) in HALTING:
                more = [KEY_REMEDY, self._remedy] if _refuses_login(answer) else [KEY_REMEDY]
                remedy = ". ".join(filter(None, more))
                raise RunHalted(f"EngageLab refuses the login (HTTP {answer.status})", remedy)
            refused = answer.status != 200 or _code(fields.get("code")) != 0  # noqa: PLR2004  OK
            if answer.status == 402 or (refused and _MONEY.search(str(fields.get("message") or ""))):  # noqa: PLR2004
                raise RunHalted(
                    f"EngageLab says that the account is out of credit (HTTP {answer.status})", MONEY_REMEDY
                )
            if answer.status != 200:  # noqa: PLR2004  OK
                text = quoted(fields.get("message") or "")
                raise NoUsableAnswer(
                    f"EngageLab answered HTTP {answer.status} to GET {path}" + (f": {text}" if text else ""),
                    list_remedy(answer.status),
                )
            return read(answer.body)

        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

        again = Retrying(
            sleep=self._sleep,
            retry=retry_if_exception_type((NotConnected, NoUsableAnswer)),
            stop=stop_after_attempt(LIST_ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=8),
            reraise=True,
        )
        return again(ask)
