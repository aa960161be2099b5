"""Copies what may be looked at out of syncer's database into one of its own: no names, no numbers, no answers.

    python3 look.py syncer.db look.db
    datasette serve --immutable look.db --metadata metadata.yml

It only reads, also beside a running worker. Run it again for a newer look: the old one is replaced at once.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

VIEWS = Path(__file__).with_name("look.sql")


def look(source: Path, target: Path) -> None:
    """Make `target` anew from `source`.

    Raises:
        sqlite3.Error: the database cannot be read, or is of another schema.
    """
    fresh = target.with_name(target.name + ".new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(fresh.resolve().as_uri(), uri=True)) as made:
        made.execute("ATTACH DATABASE ? AS db", [f"{source.resolve().as_uri()}?mode=ro"])
        made.executescript(VIEWS.read_text(encoding="utf-8"))
        views = [
            row[0] for row in made.execute("SELECT name FROM sqlite_temp_master WHERE type = 'view' ORDER BY name")
        ]
        for view in views:
            made.execute(f"CREATE TABLE {view.removeprefix('v_')} AS SELECT * FROM {view}")  # noqa: S608  names of look.sql
        made.commit()
    fresh.replace(target)


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004  source and target
        sys.exit("usage: python3 look.py syncer.db look.db")
    if not Path(sys.argv[1]).exists():
        sys.exit(f"look.py: {sys.argv[1]} does not exist")
    try:
        look(Path(sys.argv[1]), Path(sys.argv[2]))
    except sqlite3.Error as error:
        sys.exit(f"look.py: {sys.argv[1]}: {error}")
