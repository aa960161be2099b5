"""How much is tested, and with which chance: what the variables of the environment say."""

from __future__ import annotations

import os
import time

FULL = os.environ.get("SYNCER_FULL") == "1"
"""The long forms, at night or by hand."""
CI = os.environ.get("SYNCER_CI") == "1"
"""A missing program fails a test instead of skipping it; `.ci/run` sets it and installs the programs."""
LONG_FORM = "in the long form only (SYNCER_FULL=1)"
IN_DEPLOY = "in .ci/deploy only"
ELSEWHERE = (LONG_FORM, IN_DEPLOY)
"""Reasons to skip a test that are no fault of this machine: another command runs it."""


def seed() -> str:
    """Choose the seed of what happens by chance: `SYNCER_SEED`, another one each time in the long form, else 1."""
    return os.environ.get("SYNCER_SEED") or (f"{time.time_ns() % 10**9}" if FULL else "1")
