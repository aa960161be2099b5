"""Other builds of the package, for tests that must find what is broken in them. Nothing of this is in the product."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import syncer

ROOT = Path(syncer.__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Change:
    """One text in one file of the checkout that another takes the place of."""

    file: str
    old: str
    new: str


def variant(folder: Path, *changes: Change) -> Path:
    """Copy the package and its migrations into a folder, and change the copy; the folder goes before all others.

    Raises:
        AssertionError: a text is not there exactly once: the code has moved on, and this change with it.
    """
    for part in ("syncer", "migrations"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for change in changes:
        file = folder / change.file
        text = file.read_text(encoding="utf-8")
        assert text.count(change.old) == 1, f"{change.file} has {text.count(change.old)} times: {change.old}"
        file.write_text(text.replace(change.old, change.new), encoding="utf-8")
    return folder
