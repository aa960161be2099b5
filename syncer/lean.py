"""Imports without what they would bring along where it is installed, and nobody here asked for."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """Let imports in the `with` block go on as if this module were not installed: theirs is the case, too.

    httpx imports its command line and structlog its coloured tracebacks, and with them rich: a quarter of a start.
    """
    there = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # so the import system spells "not to be imported"
    try:
        yield
    finally:
        del sys.modules[name]
        if there is not None:
            sys.modules[name] = there
