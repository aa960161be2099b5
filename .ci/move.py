#!/usr/bin/env python3
"""Moves modules and rewrites whatever names them: imports, dotted names and paths in strings, configuration, documents.

`.ci/move.py OLD NEW`, or `.ci/move.py --list FILE` with such a pair on each line. Names are dotted: `syncer.pace`,
`support.builders`. Afterwards `ruff check --fix` and `ruff format` sort what was rewritten.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
ROOTS = ("", "tests/", "tests/bench/", "tests/reliability/", "tests/deploy/")
"""Folders from which modules are imported."""
WITH_NAMES = ("*.py", "*.toml", "*.md", "*.txt", "*.yaml", "*.yml", "*.service", ".ci/*", "*.cfg")


class Edit(NamedTuple):
    """Text to put in the place of a part of a file."""

    start: int
    end: int
    text: str


class Source:
    """A Python file and the offsets of its lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._split = text.splitlines(keepends=True)

    def offset(self, line: int, column: int) -> int:
        """Turn a place of the syntax tree, whose columns are bytes of UTF-8, into an offset."""
        start = self._split[line - 1].encode()[:column].decode()
        return self._lines[line - 1] + len(start)

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Say where a node begins and ends."""
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)


def path_of(name: str) -> tuple[str, str]:
    """Find a module's file: its path and the folder from which it is imported."""
    for root in ROOTS:
        path = f"{root}{name.replace('.', '/')}"
        if (ROOT / f"{path}.py").exists():
            return f"{path}.py", root
        if (ROOT / path / "__init__.py").exists():
            return path, root
    raise SystemExit(f"{name}: there is no such module")


def new_path(old: str, name: str) -> str:
    """Say where a module goes: the product at the top, everything else into tests/."""
    root = "" if name.split(".", maxsplit=1)[0] == "syncer" else "tests/"
    return f"{root}{name.replace('.', '/')}" + (".py" if old.endswith(".py") else "")


def tracked(*patterns: str) -> list[str]:
    """List the files of the repository that match one of the patterns."""
    done = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def moved(name: str, moves: dict[str, str]) -> str:
    """Translate a dotted name whose first parts may be a moved module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        head = ".".join(parts[:length])
        if head in moves:
            return ".".join([moves[head], *parts[length:]])
    return name


def bound_names(tree: ast.Module) -> Iterator[str]:
    """List what a file binds: by assignment, as an argument, by a definition, by an import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)


def statements(node: ast.ImportFrom, moves: dict[str, str], renames: dict[str, str], tree: ast.Module) -> list[str]:
    """Write the statements that replace one `from ... import ...`; none if nothing changes."""
    module = node.module or ""
    kept: list[ast.alias] = []
    lines: list[str] = []
    for alias in node.names:
        old = f"{module}.{alias.name}"
        if old not in moves:
            kept.append(alias)
            continue
        package, _, last = moves[old].rpartition(".")
        known_as = alias.asname
        if known_as is None and last != alias.name:
            bound = list(bound_names(tree))
            if last in bound or bound.count(alias.name) > 1:
                known_as = alias.name  # its uses cannot be told apart from those of another thing of that name
            else:
                renames[alias.name] = last
        lines.append(f"from {package} import {last}" + (f" as {known_as}" if known_as else ""))
    new = moved(module, moves)
    if not lines and new == module:
        return []
    if kept:
        lines.append(ast.unparse(ast.ImportFrom(new, kept, 0)))
    return lines


def plain_import(node: ast.Import, moves: dict[str, str], renames: dict[str, str]) -> list[str]:
    """Write the statements that replace one `import ...`; none if nothing changes."""
    lines = []
    changed = False
    for alias in node.names:
        new = moved(alias.name, moves)
        changed |= new != alias.name
        if new == alias.name:
            lines.append(f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
        elif alias.asname or "." in alias.name:
            lines.append(f"import {new}" + (f" as {alias.asname}" if alias.asname else ""))
        else:
            package, _, last = new.rpartition(".")
            lines.append(f"from {package} import {last}" if package else f"import {last}")
            renames[alias.name] = last
    return lines if changed else []


def of_python(text: str, moves: dict[str, str]) -> str:
    """Rewrite the imports of a file, and the uses of what they bind."""
    source = Source(text)
    edits: list[Edit] = []
    renames: dict[str, str] = {}
    dotted: set[str] = set()
    for node in ast.walk(source.tree):
        lines: list[str] = []
        if isinstance(node, ast.ImportFrom):
            lines = statements(node, moves, renames, source.tree)
        elif isinstance(node, ast.Import):
            lines = plain_import(node, moves, renames)
            dotted |= {alias.name for alias in node.names if alias.name in moves and "." in alias.name}
        if lines and isinstance(node, ast.stmt):
            edits.append(Edit(*source.span(node), ("\n" + " " * node.col_offset).join(lines)))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and renames.get(node.id, node.id) != node.id:
            edits.append(Edit(*source.span(node), renames[node.id]))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in dotted:
            edits.append(Edit(*source.span(node), moves[ast.unparse(node)]))
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def of_strings(text: str, moves: dict[str, str], paths: dict[str, str]) -> str:
    """Rewrite paths, and dotted names of the product, wherever they stand."""
    for old in sorted(paths, key=len, reverse=True):
        text = re.sub(rf"(?<![\w/]){re.escape(old)}(?![\w])", paths[old], text)
    for old in sorted((name for name in moves if "." in name), key=len, reverse=True):
        text = re.sub(rf"(?<=[\"'`]){re.escape(old)}(?=[.:\"'`])", moves[old], text)
    return text


def make_packages(path: str) -> None:
    """Make the folders of a new path, in the product as packages: their docstrings are to be written by hand."""
    folder = (ROOT / path).parent
    folder.mkdir(parents=True, exist_ok=True)
    while folder != ROOT and path.startswith("syncer/"):
        marker = folder / "__init__.py"
        if not marker.exists():
            marker.write_text(f'"""Package {folder.name}."""\n', encoding="utf-8")
            subprocess.run(["git", "add", str(marker)], cwd=ROOT, check=True)
        folder = folder.parent


def main(arguments: list[str]) -> None:
    """Move, then rewrite."""
    if arguments[0] == "--list":
        pairs = [line.split() for line in Path(arguments[1]).read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        pairs = [arguments]
    moves = {old: new for old, new in pairs if old != new}
    paths = {}
    for old, new in moves.items():
        path, _ = path_of(old)
        paths[path] = new_path(path, new)
    for name in tracked(*WITH_NAMES):
        if name == ".ci/move.py":
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        changed = of_python(text, moves) if name.endswith(".py") else text
        changed = of_strings(changed, moves, paths)
        if changed != text:
            (ROOT / name).write_text(changed, encoding="utf-8")
    for old, new in paths.items():
        if old != new:
            make_packages(new)
            subprocess.run(["git", "mv", old, new], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
