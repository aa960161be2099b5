"""Output where the locale is not UTF-8: nothing fails, what cannot be written is replaced, JSON loses nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cli_workspace import a_workspace
from support.modes import LONG_FORM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cli_workspace import Workspace

NAME = "王小明 Zoë 🌸"
LOCALES = {
    "C": ({"LC_ALL": "C"}, "utf-8"),
    "POSIX": ({"LC_ALL": "POSIX", "LANG": ""}, "utf-8"),
    "C without UTF-8 mode": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"),
    "ASCII by wish": ({"PYTHONIOENCODING": "ascii"}, "ascii"),
    "ASCII, strictly": ({"PYTHONIOENCODING": "ascii:strict"}, "ascii"),
    "Latin 1 by wish": ({"PYTHONIOENCODING": "iso-8859-1"}, "iso-8859-1"),
    "Windows": ({"PYTHONIOENCODING": "cp1252:strict"}, "cp1252"),
    "de_DE.ISO-8859-1": ({"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"}, "iso-8859-1"),
    "tr_TR.ISO-8859-9": ({"LC_ALL": "tr_TR.ISO-8859-9", "PYTHONUTF8": "0"}, "iso-8859-9"),
    "ja_JP.EUC-JP": ({"LC_ALL": "ja_JP.EUC-JP", "PYTHONUTF8": "0"}, "euc-jp"),
    "UTF-8": ({"LC_ALL": "C.UTF-8"}, "utf-8"),
}
IN_CI = {"C without UTF-8 mode", "ASCII, strictly", "de_DE.ISO-8859-1"}
COMMANDS = (
    ("check",),
    ("plan", "--next", "9d"),
    ("plan", "--next", "9d", "--json"),
    ("messages",),
    ("messages", "--json"),
    ("explain", "zoe@example.com"),
    ("explain", b"\xfc\xff"),
    ("optout", "list"),
    ("run", "--once", "--dry-run"),
    ("retry", b"\xfc"),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A folder whose database knows a guest with a name in three scripts, and a template in one more."""
    with a_workspace(tmp_path_factory.mktemp("workspace")) as served:
        served.be_born()
        served.book(name=NAME, email="zoe@example.com", event_type="Erstgespräch für 王")
        assert served.run("run", "--once")[0] == 0
        assert served.run("optout", "add", "+13125550199")[0] == 0
        yield served


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of locales: what this machine lacks is made of what comes with the C library."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales").is_dir():
        return ""
    for name in LOCALES:
        language, dot, charset = name.partition(".")
        if dot:
            subprocess.run(
                ["localedef", "-i", language, "-f", charset, folder / name],
                check=False,
                capture_output=True,
                timeout=60,
            )
    return str(folder)


def run(workspace: Workspace, locales: str, name: str, *command: str | bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a locale; its output as bytes."""
    environ, _ = LOCALES[name]
    more = {"LOCPATH": locales} if "." in name and name != "UTF-8" else {}
    process = workspace.start(*command, environ=environ | more, text=False)  # type: ignore[arg-type]  # bytes are arguments, too
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture(scope="module")
def expected(workspace: Workspace) -> dict[tuple[str | bytes, ...], subprocess.CompletedProcess[bytes]]:
    """What each command does in UTF-8."""
    return {command: run(workspace, "", "UTF-8", *command) for command in COMMANDS}


@pytest.mark.parametrize("name", LOCALES)
def test_no_command_fails_for_a_letter(
    workspace: Workspace,
    locales: str,
    name: str,
    expected: dict[tuple[str | bytes, ...], subprocess.CompletedProcess[bytes]],
    *,
    full: bool,
) -> None:
    """The same exit code as in UTF-8, no traceback, and output that reads in that encoding."""
    if name.endswith(("-1", "-9", "JP")) and not (locales and (Path(locales) / name).is_dir()):
        pytest.skip("this machine cannot make that locale")
    if not (full or name in IN_CI):
        pytest.skip(LONG_FORM)
    for command, there in expected.items():
        here = run(workspace, locales, name, *command)
        text = here.stdout.decode(LOCALES[name][1])

        assert here.returncode == there.returncode, (command, here.stderr)
        assert b"Traceback" not in here.stderr
        assert b"unexpected" not in here.stderr, here.stderr
        assert len(text.splitlines()) == len(there.stdout.decode().splitlines()), command


@pytest.mark.parametrize("name", ["ASCII by wish", "Latin 1 by wish", "Windows", "UTF-8"])
def test_what_an_encoding_lacks_is_replaced(workspace: Workspace, locales: str, name: str) -> None:
    """A person reads question marks; a program reads every letter, escaped."""
    encoding = LOCALES[name][1]
    story = run(workspace, locales, name, "plan", "--next", "9d").stdout.decode(encoding)
    lines = run(workspace, locales, name, "messages", "--json").stdout.decode(encoding).splitlines()

    assert NAME.encode(encoding, "replace").decode(encoding).rstrip(" ?🌸") in story
    assert any("王小明" in str(json.loads(line)["params"].get("name", "")) for line in lines)
