"""Reads events and invitees with airbyte-cdk's declarative source: `airbyte_manifest.py URL`; prints the seconds."""

from __future__ import annotations

import logging
import sys
import time

from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource


def stream(name: str, path: str, url: str, **more: object) -> dict[str, object]:
    """One stream of the manifest."""
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["uri"],
        "schema_loader": {
            "type": "InlineSchemaLoader",
            "schema": {"type": "object", "additionalProperties": True, "properties": {}},
        },
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {"type": "HttpRequester", "url_base": url, "path": path, "http_method": "GET"},
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["collection"]},
            },
            "paginator": {
                "type": "DefaultPaginator",
                "page_token_option": {"type": "RequestPath"},
                "pagination_strategy": {
                    "type": "CursorPagination",
                    "cursor_value": "{{ response.pagination.next_page }}",
                    "stop_condition": "{{ not response.pagination.next_page }}",
                },
            },
            **more,
        },
    }


def main(url: str) -> float:
    """Read both streams; messages go nowhere."""
    logging.disable(logging.CRITICAL)
    events = stream("events", "/scheduled_events?count=100", url)
    router = {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [
            {"type": "ParentStreamConfig", "stream": events, "parent_key": "uri", "partition_field": "event"}
        ],
    }
    path = "/scheduled_events/{{ stream_partition.event.split('/')[-1] }}/invitees"
    invitees = stream("invitees", path, url, partition_router=router)
    manifest = {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["events"]},
        "streams": [events, invitees],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    }
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=AirbyteStream(name=name, json_schema={}, supported_sync_modes=[SyncMode.full_refresh]),
                sync_mode=SyncMode.full_refresh,
                destination_sync_mode=DestinationSyncMode.overwrite,
            )
            for name in ["invitees"]  # which reads the events, too
        ]
    )
    source = ConcurrentDeclarativeSource(catalog=catalog, config={}, state=None, source_config=manifest)
    began = time.perf_counter()
    found = sum(message.type is Type.RECORD for message in source.read(logging.getLogger("bench"), {}, catalog, None))
    assert found
    return time.perf_counter() - began


if __name__ == "__main__":
    print(main(sys.argv[1]))
