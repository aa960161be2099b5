"""Faults on order: what the next requests to a path get instead of a good answer."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncer.sandbox.shapes import Record

Body: TypeAlias = "bytes | str | Record | list[object] | None"

HTML_502 = (
    "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


@dataclass(slots=True)
class Fault:
    """One ordered fault.

    Attributes:
        path_prefix: requests whose path starts so get it.
        method: only this HTTP method; None = any.
        times: how many requests get it.
        status: the answer's status; None = the real answer.
        headers: the answer's headers.
        body: the answer's body.
        delay: seconds of real time before the answer.
        accept_first: the request is really carried out, although the answer is the fault.
        drop: the connection is cut instead of an answer.
        cut: the real answer is cut after so many bytes of its body.
    """

    path_prefix: str
    method: str | None = None
    times: int = 1
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay: float = 0.0
    accept_first: bool = False
    drop: bool = False
    cut: int | None = None


class Faults:
    """A queue of faults: each request takes the oldest that matches it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Fault] = []
        self._refused: dict[str, int] = {}

    def refuse_event(self, event_uri: str, status: int = 403) -> None:
        """Refuse every request for this one event's invitees with a status, until `allow_event`."""
        with self._lock:
            self._refused[event_uri] = status

    def allow_event(self, event_uri: str) -> None:
        """Take `refuse_event` back."""
        with self._lock:
            self._refused.pop(event_uri, None)

    def refusal(self, event_uri: str) -> int | None:
        """Say with which status an event's invitees are refused; None = they are not."""
        with self._lock:
            return self._refused.get(event_uri)

    def fail(
        self,
        path_prefix: str,
        *,
        times: int = 1,
        status: int = 500,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        delay: float = 0.0,
        accept_first: bool = False,
        method: str | None = None,
    ) -> None:
        """Answer the next requests with this status, headers and body, after `delay` seconds.

        A dict or list becomes JSON, a str HTML if it looks like it. With `accept_first` the request is carried out all
        the same: a text is accepted, and its sender does not learn of it.
        """
        kind, content = _content(body)
        given = {"content-type": kind, **{name.lower(): value for name, value in (headers or {}).items()}}
        self.add(
            Fault(
                path_prefix,
                method=method,
                times=times,
                status=status,
                headers=tuple(given.items()),
                body=content,
                delay=delay,
                accept_first=accept_first,
            )
        )

    def html_502(self, path_prefix: str, *, times: int = 1, accept_first: bool = False) -> None:
        """Answer as a gateway in trouble does: 502, in HTML."""
        self.fail(path_prefix, times=times, status=502, body=HTML_502, accept_first=accept_first)

    def slow(self, path_prefix: str, delay: float, *, times: int = 1, method: str | None = None) -> None:
        """Carry out the next requests at once, but answer only after `delay` seconds of real time."""
        self.add(Fault(path_prefix, method=method, times=times, delay=delay))

    def drop(
        self,
        path_prefix: str,
        *,
        times: int = 1,
        delay: float = 0.0,
        accept_first: bool = False,
        method: str | None = None,
    ) -> None:
        """Cut the connection after the request was read, without a byte of answer."""
        self.add(
            Fault(path_prefix, method=method, times=times, delay=delay, accept_first=accept_first, drop=True),
        )

    def cut(self, path_prefix: str, *, after: int = 20, times: int = 1, method: str | None = None) -> None:
        """Carry out the next requests, and cut the connection after so many bytes of the answer's body."""
        self.add(Fault(path_prefix, method=method, times=times, cut=after))

    def add(self, fault: Fault) -> None:
        """Put a fault at the end of the queue."""
        with self._lock:
            self._queue.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """Find the oldest fault for a request and use it up once; None = there is none."""
        with self._lock:
            for fault in self._queue:
                if path.startswith(fault.path_prefix) and fault.method in {None, method}:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._queue.remove(fault)
                    return fault
            return None

    def clear(self) -> None:
        """Forget all faults, those of single events, too."""
        with self._lock:
            self._queue.clear()
            self._refused.clear()

    def __len__(self) -> int:
        """Count the faults that wait for their request; those of single events wait for nothing."""
        return len(self._queue)


PAGE_FAULTS = frozenset(
    {"token alone", "wrong count", "no count", "empty pagination", "null pagination", "no pagination"}
)
"""What a listing page can say wrongly about itself; none of them says whether there is more."""


def spoiled(answer: Record, fault: str) -> Record:
    """Spoil what a listing page says about itself; its rows stay as they are.

    Args:
        answer: the page.
        fault: `token alone` = a token of a next page, but no URL; `wrong count` = one more than its rows; `no count`;
            `empty pagination`, `null pagination`, `no pagination`.

    Raises:
        ValueError: there is no such fault.
    """
    told = answer["pagination"]
    match fault:
        case "token alone":
            return answer | {"pagination": told | {"next_page": None, "next_page_token": "c3RyYXk"}}
        case "wrong count":
            return answer | {"pagination": told | {"count": told["count"] + 1}}
        case "no count":
            return answer | {"pagination": {name: value for name, value in told.items() if name != "count"}}
        case "empty pagination":
            return answer | {"pagination": {}}
        case "null pagination":
            return answer | {"pagination": None}
        case "no pagination":
            return {"collection": answer["collection"]}
        case _:
            raise ValueError(f"No page fault is called {fault!r}: {', '.join(sorted(PAGE_FAULTS))}")


def _content(body: Body) -> tuple[str, bytes]:
    """Turn a body into its content type and bytes."""
    match body:
        case None:
            return "text/plain", b""
        case bytes():
            return "application/octet-stream", body
        case str():
            return ("text/html" if body.lstrip().startswith("<") else "text/plain"), body.encode()
        case _:
            return "application/json", json.dumps(body).encode()
