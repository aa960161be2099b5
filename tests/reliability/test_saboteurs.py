"""Each of the broken builds is caught by the one checker, in a story that the sound build comes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import a_site
from processes import Forge
from saboteurs import SABOTEURS
from variants import variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checker import Verdict
    from saboteurs import Saboteur
    from variants import Change


def tell(folder: Path, saboteur: Saboteur, changes: tuple[Change, ...]) -> Verdict:
    """Tell its story of a build."""
    code = variant(folder / "code", *changes)
    with Forge(code) as forge, a_site(folder / "site", concurrency=1, code=code) as site:
        site.forge = forge
        site.be_born()
        return saboteur.story(site)


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
