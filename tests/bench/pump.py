"""Asks the benchmark's server for pages as fast as a socket takes them; prints how many it gave a second."""

from __future__ import annotations

import socket
import sys
import threading
import time
from urllib.parse import urlsplit

COUNT, AT_ONCE = 3_000, 50
REQUEST = b"GET /scheduled_events?page_token=500.10000 HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n\r\n"


def main(port: int) -> float:
    """Ask, and count the answers."""
    with socket.create_connection(("127.0.0.1", port)) as line:

        def ask() -> None:
            for _ in range(COUNT // AT_ONCE):
                line.sendall(REQUEST * AT_ONCE)

        began = time.perf_counter()
        threading.Thread(target=ask).start()
        found, rest = 0, b""
        while found < COUNT:
            data = rest + line.recv(1 << 20)
            found += data.count(b"HTTP/1.1 200")
            rest = b"" if data.endswith(b"HTTP/1.1 200") else data[-11:]
        return COUNT / (time.perf_counter() - began)


if __name__ == "__main__":
    print(main(urlsplit(sys.argv[1]).port or 80))  # noqa: T201  the benchmark reads it
