"""Reads events and invitees with Singer's tap-calendly: `tap_singer.py URL`; prints the seconds."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time

from tap_calendly.client import CalendlyStream
from tap_calendly.tap import TapCalendly


def main(url: str) -> float:
    """Sync the streams that the server has."""
    logging.disable(logging.CRITICAL)
    CalendlyStream.url_base = url
    config = {"calendly_api_token": "t", "start_date": "2026-11-24T00:00:00Z"}
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        tap = TapCalendly(config=config)
        tap.streams["events"].sync()  # and with each event its invitees
    return time.perf_counter() - began


if __name__ == "__main__":
    print(main(sys.argv[1]))
