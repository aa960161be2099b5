"""Rewords every detail of a message on its way into the database: whatever is decided by prose then goes wrong.

The whole suite runs so (`conftest.reworded_details`); a test of the words themselves takes the fixture `as_worded`.
"""

from __future__ import annotations

import codecs
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from syncer.store import rows
from syncer.store.messages import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncer.model import Message, State

MARK = "reworded "
_message_row, _moves = rows.message_row, Outbox._moves


def reworded(detail: str) -> str:
    """Say a detail in words that nobody knows; an empty one, and one that was reworded before, stay as they are."""
    return detail if not detail or detail.startswith(MARK) else MARK + codecs.encode(detail, "rot13")


def _reworded_row(message: Message) -> dict[str, Any]:
    return _message_row(replace(message, detail=reworded(message.detail)))


def _moves_reworded(outbox: Outbox, message: Message, before: State, attempts: int) -> bool:
    return _moves(outbox, replace(message, detail=reworded(message.detail)), before, attempts)


@contextlib.contextmanager
def details_reworded() -> Iterator[None]:
    """Reword the details that are written meanwhile: both ways by which a message gets into the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "message_row", _reworded_row)
        patch.setattr(Outbox, "_moves", _moves_reworded)
        yield


@contextlib.contextmanager
def details_as_worded() -> Iterator[None]:
    """Write details as they are, meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "message_row", _message_row)
        patch.setattr(Outbox, "_moves", _moves)
        yield
