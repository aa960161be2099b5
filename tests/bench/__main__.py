"""The benchmark: `.ci/bench [row ...]` prints every figure as a ratio to a floor measured in the same round."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.table import Table

from bench.desk import Desk
from bench.peers import PEERS
from bench.rows import ROWS


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Medians are of so many.")
@click.argument("names", nargs=-1, metavar="[ROW]...")
def main(rounds: int, names: tuple[str, ...]) -> None:
    """Measure all rows, or those that are named; exits with 1 if one is above its bound."""
    table = Table("what", "found", "at most", "", highlight=False)
    bad = 0
    with Desk() as desk:
        for make in [*ROWS, *PEERS]:
            if not names or make.__name__ in names:
                for row in make(desk, rounds):
                    bad += not row.good
                    most = "" if row.most is None else f"{abs(row.most):g} {row.unit}"
                    table.add_row(row.what, f"{abs(row.found):.4g} {row.unit}", most, "" if row.good else "ABOVE")
                    click.echo(f"{row.what}: {abs(row.found):.4g} {row.unit}", err=True)
    Console(width=120).print(table)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
