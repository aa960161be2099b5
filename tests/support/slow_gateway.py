"""EngageLab on loopback, with answers of one's own.

It notes when each text came, and how many were there at once.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from support.worker_on_fakes import CONTENTS

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATES = [{"template_id": ident, "template_content": text, "status": 2} for ident, text in CONTENTS.items()]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A text that came.

    Attributes:
        at: when, in seconds of `time.monotonic`.
        to: the number.
        key: the message's key.
    """

    at: float
    to: str
    key: str


class SlowGateway:
    """A server that takes its time; use it in a `with` statement.

    Attributes:
        arrivals: the texts that came, oldest first.
        most: how many waited for their answer at once.
        lists: how often something was asked for by GET.
    """

    def __init__(
        self, answer: Callable[[Arrival], int] = lambda _: 200, give: Callable[[str], Any] = lambda _: TEMPLATES
    ) -> None:
        """Listen on a free port.

        Args:
            answer: called for each text, in a thread of its own; gives the status, whenever it likes.
            give: called for each GET, likewise; gives the content.
        """
        self.answer, self.give = answer, give
        self.arrivals: list[Arrival] = []
        self.most = self.lists = self._now = 0
        self._lock = threading.Lock()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                gateway.lists += 1
                self._reply(200, gateway.give(self.path))

            def do_POST(self) -> None:
                text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number, status = gateway.take(Arrival(time.monotonic(), text["to"][0], text["custom_args"]["key"]))
                ident = str(10**18 + number)
                taken = {"plan_id": ident, "total_count": 1, "accepted_count": 1, "message_id": ident}
                self._reply(status, taken if status == 200 else {"code": 1000, "message": "no"})

            def _reply(self, status: int, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Say nothing: a client has hung up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, arrival: Arrival) -> tuple[int, int]:
        """Count a text, and wait for its answer; returns its number and the status."""
        with self._lock:
            self.arrivals.append(arrival)
            number = len(self.arrivals)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            return number, self.answer(arrival)
        finally:
            with self._lock:
                self._now -= 1
