"""Fixtures that all tests share: a store on a real file, settings, a served sandbox, and the figures of a run."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from support.browser import a_browser
from support.builders import NOW, TUTORIAL
from support.calendly_faults import a_faulty_account
from support.cli_workspace import a_workspace
from support.databases import a_store
from support.modes import CI, ELSEWHERE, FULL
from support.repository import TESTS
from support.rewording import details_as_worded, details_reworded
from syncer import config
from syncer.zone_data import use_newest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from support.browser import Browser
    from support.calendly_faults import FaultyAccount
    from support.cli_workspace import Workspace
    from syncer.store import Store

SLOW_FOLDERS = {"cli", "system", "sandbox", "reliability", "bench", "deploy"}
TITLE = "figures of the test programme"

# Else tests would depend on whether one before them has read the settings.
use_newest()
# Under nohup, or behind a shell's `&`, they are ignored here and in every program that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# No limits of time: a slow disk or a busy machine is no counterexample. Each push tries the same examples, so that no
# commit fails by chance; the long form tries others.
CALM = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile("push", CALM, derandomize=True)
hypothesis_settings.register_profile("nightly", CALM, max_examples=2000, print_blob=True)
hypothesis_settings.load_profile(os.environ.get("SYNCER_PROFILE") or ("nightly" if FULL else "push"))


def forget(*, constants: bool) -> None:
    """Empty the caches of functions; of those without a bound, which hold constants, only if wanted."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "syncer"]
    for function in [value for module in modules for value in vars(module).values()]:
        clear = getattr(function, "cache_clear", None)
        if callable(clear) and (constants or function.cache_parameters()["maxsize"] is not None):
            clear()


@pytest.fixture(scope="session", autouse=True)
def empty_caches() -> None:
    """Forget what functions remember: a mutant shares a process with the sound program, whose answers it would give."""
    forget(constants=True)


@pytest.fixture(autouse=True)
def no_answers_of_other_tests() -> None:
    """While mutmut notes which tests reach a function, forget the answers of each: a remembered one reaches none."""
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        forget(constants=False)


@pytest.fixture(scope="session", autouse=True)
def reworded_details() -> Iterator[None]:
    """Whatever the program decides, it decides it by codes: the words of details are others in the whole suite."""
    with details_reworded():
        yield


@pytest.fixture
def as_worded(reworded_details: None) -> Iterator[None]:  # noqa: ARG001  its work is undone here
    """The details of messages in the database as the program words them."""
    with details_as_worded():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on a real file, born a week ago."""
    with a_store(tmp_path / "syncer.db", now=NOW - timedelta(days=7)) as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., config.Settings]:
    """A maker of settings: the tutorial's variables, some TOML, and fields to replace."""

    def make(toml: str = "", environ: dict[str, str] | None = None, **over: Any) -> config.Settings:
        (tmp_path / "syncer.toml").write_text(toml, encoding="utf-8")
        made = config.load(environ=TUTORIAL | (environ or {}), folder=tmp_path)
        return replace(made, **over)

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A folder with a served sandbox, and the command line in it."""
    with a_workspace(tmp_path) as served:
        yield served


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real browser for the whole module."""
    with a_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyAccount]:
    """An account of which one answer can be made wrong, for the whole module."""
    with a_faulty_account(tmp_path_factory) as served:
        yield served


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the long forms are wanted. CI runs the short ones."""
    return FULL


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """A way to say what was counted: `figures("random kills", kills=100, duplicates=0)`."""

    def say(title: str, **counts: object) -> None:
        record_property(TITLE, f"{title}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))

    return say


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests outside the quick tier, by their folders."""
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in SLOW_FOLDERS:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, fail what was skipped because this machine lacks something."""
    report = yield
    if CI and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(ELSEWHERE):
            report.outcome, report.longrepr = "failed", f"{item.nodeid}: {reason}. CI skips nothing that it can install"
    return report


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all tests, wherever they ran."""
    reasons = {
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", ())
    }
    if reasons:
        terminalreporter.write_line(f"Skipped: {'; '.join(sorted(reasons))}.")
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    lines = [str(value) for report in reports for name, value in report.user_properties if name == TITLE]
    if lines:
        terminalreporter.section(TITLE)
        for line in sorted(lines):
            terminalreporter.write_line(line)
