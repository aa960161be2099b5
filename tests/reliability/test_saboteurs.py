"""Each of the broken builds is caught by the one checker, in a story that the sound build comes through."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from support.fake_apis import an_installation
from support.planted_bugs import SABOTEURS
from support.processes import ForkServer
from support.variants import variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.oracle.history import Verdict
    from support.planted_bugs import Saboteur
    from support.variants import Change


def tell(folder: Path, saboteur: Saboteur, changes: tuple[Change, ...]) -> Verdict:
    """Tell its story of a build."""
    with contextlib.ExitStack() as opened:
        code = variant(folder / "code", *changes) if changes else None
        installation = opened.enter_context(an_installation(folder / "installation", concurrency=1, code=code))
        if code is not None:
            installation.server = opened.enter_context(ForkServer(code))
        installation.be_born()
        return saboteur.story(installation)


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=lambda one: one.what)
def test_a_saboteur_is_caught(saboteur: Saboteur, tmp_path: Path, figures: Callable[..., None]) -> None:
    """By the class that it belongs to; the same story of the sound build has no fault at all."""
    for name in ("sound", "broken"):
        (tmp_path / name).mkdir()
    sound = tell(tmp_path / "sound", saboteur, saboteur.beside)
    broken = tell(tmp_path / "broken", saboteur, saboteur.changes)

    sound.check()
    figures(f"saboteur {saboteur.what}", **{name: len(found) for name, found in broken.faults().items()})
    assert saboteur.caught in broken.faults()
