"""The programs of others that the tests of deploy/ ask: on this machine, or put beside the checkout by .ci/deploy."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.modes import IN_DEPLOY
from support.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "deploy"
IN_CI = {"mtail", "promtool", "systemd-analyze"}
"""What `.ci/run` installs; `.ci/deploy` has the others."""
YAML = ROOT / ".venv-deploy/bin/python"
PLACES = (ROOT / ".tools/bin", ROOT / ".venv-deploy/bin", ROOT / ".venv-checkov/bin")


def tool(name: str) -> str:
    """Find a program; empty = it is not there. "yaml" is the Python that reads it."""
    if name == "yaml":
        return str(YAML) if YAML.exists() else ""
    beside = next((str(place / name) for place in PLACES if (place / name).exists()), "")
    return beside or shutil.which(name) or ""


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing."""
    missing = [name for name in names if not tool(name)]
    where = IN_DEPLOY if set(missing) - IN_CI else "this machine lacks programs"
    return pytest.mark.skipif(bool(missing), reason=f"{where}: needs {', '.join(missing)}")


def run(*command: str, cwd: Path | None = None, check: bool = True, timeout: float = 120) -> str:
    """Run a program; returns what it said."""
    done = subprocess.run(
        [tool(command[0]) or command[0], *command[1:]],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def yaml_documents(text: str) -> list[dict[str, Any]]:
    """Read YAML documents, by the Python that has a reader of them."""
    code = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"
    done = subprocess.run([YAML, "-c", code], input=text, capture_output=True, text=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [one for one in found if one]
