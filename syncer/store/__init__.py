"""The snapshot and the outbox in SQLite: the only package that says SQL.

`database` opens the file (`place`, `lock`: what lies around it), `snapshot` holds what Calendly said, `messages` is the
outbox, `optouts` and `people` are what people may ask for; `Store` puts them together. `glance` is the health probe's.
Each method is one transaction. What is read before a write is read outside it, so that every transaction only writes;
transitions name the state they leave (`WHERE key = ? AND state = ?`) and must hit exactly one row.
Nothing is imported before it is named: a probe each minute needs none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncer.store.messages import Due, Refusal
    from syncer.store.optouts import OptOut
    from syncer.store.snapshot import Batch, Reading, UnreadableEvent
    from syncer.store.store import Store

__all__ = ["Batch", "Due", "OptOut", "Reading", "Refusal", "Store", "UnreadableEvent"]

_PLACES = {
    "Batch": "snapshot",
    "Due": "messages",
    "OptOut": "optouts",
    "Reading": "snapshot",
    "Refusal": "messages",
    "Store": "store",
    "UnreadableEvent": "snapshot",
}


def __getattr__(name: str) -> Any:
    """Import what is named when it is named."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
