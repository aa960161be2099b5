"""The answers in `tests/samples/`: each a folder with `headers.json` (`:status` among them) and a body."""

from __future__ import annotations

import json
from typing import NamedTuple

from support.repository import TESTS

FOLDER = TESTS / "samples"


class Sample(NamedTuple):
    """One answer; `kind` is the first word of its name."""

    name: str
    kind: str
    status: int
    headers: dict[str, str]
    body: bytes


def sample(name: str) -> Sample:
    """Read one answer."""
    folder = FOLDER / name
    headers = json.loads((folder / "headers.json").read_text())
    (body,) = folder.glob("body.*")
    return Sample(name, name.partition("-")[0], int(headers.pop(":status")), headers, body.read_bytes())


def samples(*kinds: str) -> list[str]:
    """Name all answers of these kinds."""
    return sorted(folder.name for folder in FOLDER.iterdir() if folder.name.partition("-")[0] in kinds)
