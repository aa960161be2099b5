"""One question to Calendly until there is an answer, or no hope of one: under the rate limit, on one origin only."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from syncer.addresses import same_origin
from syncer.calendly_answers import check
from syncer.calendly_remedies import FOREIGN
from syncer.errors import CalendlyBusy, LoginRefused, NotConnected, NoUsableAnswer, Unreadable
from syncer.http import http_date, prepare
from syncer.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState, Retrying

    from syncer.http import Answer, Http, Prepared

T = TypeVar("T")

DEADLINE: Final = 30.0
"""Seconds for one request and its whole answer."""
BODY_CAP: Final = 10 * 1024 * 1024
"""Most bytes of an answer."""
ATTEMPTS: Final = 5
LONGEST_WAIT: Final = 60.0
"""Seconds: never wait longer than this because Calendly says so."""
PATIENCE: Final = 90.0
"""Seconds of waiting between the tries of one request, together."""
READING: Final = 0.001
"""Seconds that reading a page costs, about."""
TOO_MANY: Final = 429
_AGAIN = (CalendlyBusy, NotConnected, NoUsableAnswer)


def _headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",  # a page of a hundred events shrinks to a tenth
    }


class Asker:
    """Asks; safe to use from several threads, each with its own request in flight.

    Attributes:
        requests: how many requests were made, failed ones and repeated ones included.
        last_date: the newest answer's Date: aware, UTC; None before the first.
        pace: lets them through.
    """

    def __init__(
        self,
        url: str,
        token: str,
        http: Http,
        *,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
        max_per_minute: int = 0,
        on_wait: Callable[[float, str], None] | None = None,
        renew: Callable[[], str] | None = None,
        remedy: str = "",
    ) -> None:
        """Take the address and the token; for the rest see `Calendly`."""
        self._url = url
        self._headers = _headers(token)
        self._renew, self._remedy = renew, remedy
        self._renewing = threading.Lock()
        self._http = http
        self._sleep = sleep
        self._monotonic = monotonic
        self._on_wait = on_wait
        self.pace = Pace(sleep=sleep, monotonic=monotonic, max_per_minute=max_per_minute, on_wait=on_wait)
        self._lock = threading.Lock()
        self._dated_at, self._date = 0.0, ""
        self._seconds: float | None = None
        self.requests = 0
        self.last_date: datetime | None = None

    def skew(self, now: datetime) -> timedelta | None:
        """How far this machine's clock is ahead of Calendly's; see `Calendly.skew`."""
        with self._lock:
            if self.last_date is None:
                return None
            return now - (self.last_date + timedelta(seconds=self._monotonic() - self._dated_at))

    def lanes(self, most: int) -> int:
        """Say how many requests are worth having in flight: as many as an answer takes longer than reading it.

        Threads that do not wait for an answer only wait for each other.
        """
        return most if self._seconds is None else max(1, min(most, 1 + int(self._seconds / READING)))

    def prepare_threads(self) -> None:
        """Import what only a failed request needs, before threads could do so; see `Calendly.prepare_threads`."""
        import tenacity  # noqa: F401

    def get(self, url: str, read: Callable[[bytes], T]) -> T:
        """Ask until there is an answer that can be read, or no hope of one.

        Args:
            url: what for.
            read: reads the body of an answer that is a yes; `NoUsableAnswer` = it must be asked for once more.

        Raises:
            SyncerError: see `decipher`; `Unreadable` for an address on another origin, which gets no token.
        """
        if not same_origin(url, self._url):
            raise Unreadable("Calendly's answer leads to another address than CALENDLY_API_URL: not followed", FOREIGN)
        failed: list[Exception] = []
        try:
            return self._ask(url, read)  # outside of tenacity, which costs as much as reading ten events
        except _AGAIN as error:
            failed.append(error)
        answer: T = self._retrying()(self._repeat, url, read, failed)
        return answer

    def _retrying(self) -> Retrying:
        """Make what tries again; tenacity is not even imported before something fails."""
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

        return Retrying(
            sleep=self._sleep,
            retry=retry_if_exception_type(_AGAIN),
            wait=self._wait,
            stop=lambda state: stop_after_attempt(ATTEMPTS)(state) or state.idle_for + state.upcoming_sleep > PATIENCE,
            before_sleep=self._tell,
            reraise=True,
        )

    def _repeat(self, url: str, read: Callable[[bytes], T], failed: list[Exception]) -> T:
        """Fail as the first try did, then ask again."""
        if failed:
            raise failed.pop()
        return self._ask(url, read)

    def _ask(self, url: str, read: Callable[[bytes], T]) -> T:
        """Ask; where the token is refused and there is another one by now, once more with that."""
        prepared = prepare("GET", url, headers=self._headers)
        try:
            return self._ask_once(prepared, read)
        except LoginRefused as error:
            self._log_in_anew(prepared, error)
        return self._ask_once(prepare("GET", url, headers=self._headers), read)

    def _log_in_anew(self, refused: Prepared, error: LoginRefused) -> None:
        """Take the token anew, unless another thread has done so since this request was built.

        Raises:
            LoginRefused: it is the same as before.
        """
        with self._renewing:
            if refused.headers["Authorization"] != self._headers["Authorization"]:
                return
            token = self._renew() if self._renew is not None else ""
            if not token:
                remedy = ". ".join(filter(None, [error.remedy, self._remedy]))
                raise LoginRefused(str(error), remedy, status=error.status) from None
            self._headers = _headers(token)

    def _ask_once(self, prepared: Prepared, read: Callable[[bytes], T]) -> T:
        self.pace.take()
        with self._lock:
            self.requests += 1
        began = self._monotonic()
        try:
            answer = self._http.exchange(prepared, deadline=DEADLINE, cap=BODY_CAP)
        except NotConnected:
            self.pace.give_back()
            raise
        except BaseException:
            self.pace.lost()
            raise
        took = self._monotonic() - began
        with self._lock:
            # Down at once, up slowly: what is measured while threads wait for each other is more than an answer takes.
            self._seconds = took if self._seconds is None else min(took, self._seconds + (took - self._seconds) / 32)
        self._note(answer)
        check(answer.status, answer.headers, answer.body)
        return read(answer.body)

    def _note(self, answer: Answer) -> None:
        self.pace.answered(answer.headers, refused=answer.status == TOO_MANY)
        text = answer.headers.get("date", "")
        date = self.last_date if text == self._date else http_date(text)
        if date is not None:
            with self._lock:
                self.last_date, self._dated_at, self._date = date.astimezone(UTC), self._monotonic(), text

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: what Calendly asked for, else 0.5, 1, 2, 4 …; always with some jitter."""
        from tenacity import wait_exponential, wait_random

        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, CalendlyBusy) or error.retry_after is None:
            return wait_exponential(multiplier=0.5, max=8)(state) + wait_random(0, 0.25)(state)
        wait = min(error.retry_after, LONGEST_WAIT) + wait_random(0, 1)(state)
        if error.status == TOO_MANY:  # no other thread's request gets through, either
            self.pace.hold(wait)
        return wait

    def _tell(self, state: RetryCallState) -> None:
        if self._on_wait is not None and state.outcome is not None:
            self._on_wait(state.upcoming_sleep, str(state.outcome.exception()))
