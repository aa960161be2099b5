"""The sentences of the program, whole, in one file: reasons, settings, and the help of each command.

`PYTHONPATH=tests .venv/bin/python tests/test_sentences.py` writes the file anew. Read its difference: that is the
review of a new wording. Other tests compare codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.testing import CliRunner

from support.repository import TESTS
from syncer.cli import COMMANDS, cli
from syncer.config import SETTINGS
from syncer.reasons import EXPLANATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

SENTENCES = TESTS / "sentences.txt"
WIDTH = 100


def commands() -> Iterator[tuple[str, ...]]:
    """List all commands, and those of groups."""
    yield ()
    context = click.Context(cli)
    for name in COMMANDS:
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


def sentences() -> Iterator[str]:
    """Write down all of them."""
    yield "# Reasons"
    for reason, explanation in EXPLANATIONS.items():
        yield f"{reason}: {explanation.sentence} {explanation.remedy}".rstrip()
    yield "\n# Settings"
    yield from (f"{name}: {meaning}" for name, meaning in SETTINGS.items())
    for command in commands():
        yield f"\n# {' '.join(['syncer', *command, '--help'])}"
        arguments = [*command, "--help"]
        done = CliRunner().invoke(cli, arguments, prog_name="syncer", terminal_width=WIDTH)
        assert done.exit_code == 0, done.output
        yield from (line.rstrip() for line in done.output.splitlines())


def whole() -> str:
    """The file as it must be."""
    return "".join(f"{line}\n" for line in sentences())


def test_the_sentences_are_those_of_the_file() -> None:
    """A changed sentence changes the file, and nothing else."""
    assert whole().splitlines() == SENTENCES.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    SENTENCES.write_text(whole(), encoding="utf-8")
