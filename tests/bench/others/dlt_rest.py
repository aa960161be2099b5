"""Reads all events and their invitees with dlt's REST source, to files: `dlt_rest.py URL`; prints the seconds."""

from __future__ import annotations

import sys
import tempfile
import time

import dlt
from dlt.sources.rest_api import rest_api_source


def with_ident(event: dict[str, str]) -> dict[str, str]:
    """The last part of an event's address, which the invitees' path needs."""
    return {**event, "ident": event["uri"].rpartition("/")[2]}


def main(url: str) -> float:
    """Extract; nothing is loaded anywhere."""
    source = rest_api_source(
        {
            "client": {"base_url": url, "paginator": {"type": "json_link", "next_url_path": "pagination.next_page"}},
            "resource_defaults": {"endpoint": {"data_selector": "collection"}},
            "resources": [
                {
                    "name": "events",
                    "endpoint": {"path": "scheduled_events", "params": {"count": 100}},
                    "processing_steps": [{"map": with_ident}],
                },
                {"name": "invitees", "endpoint": {"path": "scheduled_events/{resources.events.ident}/invitees"}},
            ],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("bench", destination="dummy", pipelines_dir=folder)
        began = time.perf_counter()
        pipeline.extract(source)
        return time.perf_counter() - began


if __name__ == "__main__":
    print(main(sys.argv[1]))
