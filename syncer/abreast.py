"""Calls side by side: all of them, or the first trouble. Knows nothing of what they do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from syncer.errors import NoThreads

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class Abandoned(Exception):
    """Raised by a call that saw that another one had failed."""


def side_by_side(calls: Sequence[Callable[[], T]], failed: threading.Event, *, lanes: int) -> list[T]:
    """Make all these calls, some at once, each in a copy of the caller's context, and wait for all of them.

    Args:
        calls: what to call.
        lanes: most at once; with a single one they are made here, one after the other.
        failed: is set when one has failed; the others may look at it, and raise `Abandoned`.

    Returns:
        What they returned, in their order.

    Raises:
        Exception: what the first one to fail raised.
        NoThreads: there is none for one of them.
    """
    if lanes == 1 or len(calls) == 1:
        return [call() for call in calls]
    trouble: list[BaseException] = []
    with ThreadPoolExecutor(max_workers=min(lanes, len(calls))) as pool:
        try:
            asked = [pool.submit(copy_context().run, call) for call in calls]
        except RuntimeError:  # the others must not go on for nothing
            failed.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise NoThreads from None
        for one in as_completed(asked):
            if (error := one.exception()) is not None:
                failed.set()
                trouble.append(error)
    for error in trouble:
        if not isinstance(error, Abandoned):
            raise error
    return [one.result() for one in asked]
