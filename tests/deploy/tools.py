"""The programs of others that the tests of deploy/ ask: on this machine, or put beside the checkout by .ci/deploy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FULL = os.environ.get("SYNCER_FULL") == "1"
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
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)} (.ci/deploy)")


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
