"""Reads what mutmut found: a line for each module, and every survivor that nobody has explained.

Exit 1 = a module is below the bar, or a survivor is not explained, or an explanation has lost its mutant.
Methods are left out: what is mutated for is the functions that decide, and the clients around them do not.
An explanation is for one change, or for all that a pattern of the shell's kind matches.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

BAR = 0.90
KILLED = {1, 3}
"""Exit codes of pytest: a test failed, or an import did."""
TIMED_OUT = {-24, 24, 36, 152, 255}
"""mutmut's codes for a mutant that does not end: the suite would hang, which nobody overlooks. It counts as killed.

A busy machine must not make one: `timeout_constant` in pyproject.toml gives each mutant more than a minute.
"""
METHOD = "\u01c1"
"""mutmut's mark between a class and its method."""


def changed(work: Path, mutant: str) -> str:
    """Read what a mutant changes: its lines with - and +, on one line."""
    shown = subprocess.run(
        [Path(sys.executable).with_name("mutmut").absolute(), "show", mutant],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in shown.stdout.splitlines() if line[:1] in {"-", "+"} and line[:3] not in {"---", "+++"}]
    return " ".join(" ".join(f"{line[0]} {line[1:]}" for line in lines).split())


def explained(file: Path) -> dict[str, str]:
    """Read the explanations: a line with the change or a pattern, and below it, indented, the reason."""
    reasons, change = {}, ""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("    ") and change:
            reasons[change] = line.strip()
        elif line and not line.startswith("#"):
            change = line
    return reasons


def main(work: Path, file: Path) -> int:
    """Print the score; return the exit code."""
    reasons, met, wrong = explained(file), set(), 0
    for meta in sorted((work / "mutants" / "syncer").glob("*.meta")):
        codes = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        codes = {mutant: code for mutant, code in codes.items() if METHOD not in mutant}
        survivors = [mutant for mutant, code in codes.items() if code not in KILLED | TIMED_OUT]
        endless = sum(code in TIMED_OUT for code in codes.values())
        score = 1 - len(survivors) / len(codes)
        name = meta.name.removesuffix(".py.meta")
        print(f"{name:20} {len(codes):4} mutants, {endless:2} never end, {len(survivors):3} survive: {score:.1%}")
        wrong += score < BAR
        for mutant in survivors:
            function = mutant.removeprefix("syncer.").partition("__mutmut_")[0].replace("x_", "", 1)
            change = f"{function}: {changed(work, mutant)}"
            why = {line for line in reasons if change == line or fnmatchcase(change, line)}
            met |= why
            if not why:
                wrong += 1
                print(f"  not explained: {change}")
    for change in reasons.keys() - met:
        wrong += 1
        print(f"  explained, but it does not survive (any more): {change}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
