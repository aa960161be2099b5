"""Posts texts as tasks of Huey on SQLite, each commit synced: `huey_texts.py URL COUNT`; prints the seconds."""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
from huey import SqliteHuey

LANES = 8


def main(url: str, count: int) -> float:
    """Enqueue, then time the consumer alone."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        huey = SqliteHuey(filename=str(Path(folder) / "huey.db"), fsync=True)
        client = httpx.Client(limits=httpx.Limits(max_connections=LANES, max_keepalive_connections=LANES))
        done = threading.Event()
        sent: list[int] = []

        @huey.task()  # type: ignore[untyped-decorator]  # it has no types
        def text(number: int) -> str:
            body = {"to": ["+13125550142"], "template": {"id": "2031460771195412480", "params": {"name": "Ines"}}}
            answer = client.post(f"{url}/v1/messages", json=body).json()
            sent.append(number)
            if len(sent) == count:
                done.set()
            return str(answer["message_id"])

        for number in range(count):
            text(number)
        consumer = huey.create_consumer(workers=LANES, worker_type="thread", initial_delay=0.01, periodic=False)
        began = time.perf_counter()
        consumer.start()
        done.wait(600)
        took = time.perf_counter() - began
        consumer.stop()
        return took


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2])))
