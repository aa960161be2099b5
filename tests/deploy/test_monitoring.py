"""Figures out of the log, by the real programs: mtail on the log of a real day, promtool on rules and dashboard."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from support.deploy_tools import DEPLOY, needs, tool
from support.end_to_end import MEETING, PHONE, a_journey
from syncer import log
from syncer.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = DEPLOY / "monitoring"
METRIC = re.compile(r"\b(syncer[a-z0-9_:]+)\b")


def counted(lines: str, folder: Path) -> dict[str, float]:
    """Let mtail read a log; returns its figures, by name and labels."""
    (folder / "syncer.log").write_text(lines, encoding="utf-8")
    command = [tool("mtail"), "--one_shot", "--one_shot_format=prometheus", "--progs", str(FOLDER / "syncer.mtail")]
    done = subprocess.run(
        [*command, "--logs", str(folder / "syncer.log"), "--log_dir", str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = {}
    for line in done.stdout.splitlines():
        if line.startswith("syncer_"):
            name, _, value = line.rpartition(" ")
            head, _, rest = name.partition("{")
            labels = [one for one in rest.rstrip("}").split(",") if one and not one.startswith("prog=")]
            found[head + (f"{{{','.join(labels)}}}" if labels else "")] = float(value)
    return found


@pytest.fixture
def day(tmp_path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The log of three days with everything in them, as it is written; and its lines."""
    out = io.StringIO()
    log.configure(log_format="json", stream=out)
    with a_journey(tmp_path) as journey:
        journey.also = log.tell
        for number in range(6):
            journey.world.book(
                start=MEETING + timedelta(hours=number), phone=f"+131255501{number + 42}", name="Ada Quill"
            )
        journey.world.book(start=MEETING, phone="030 12345")
        journey.look()
        journey.world.faults.fail("/v1/messages", status=400, body={"code": 3002, "message": "no"})
        journey.world.faults.fail("/v1/messages", status=500, body={"code": 1000, "message": "internal"})
        journey.world.faults.fail("/v1/messages", status=429, headers={"Retry-After": "60"})
        moved = journey.world.book(start=MEETING + timedelta(days=1), phone=PHONE)
        for minutes in (1, 2, 30):
            journey.later(minutes=minutes)
            journey.look()
        journey.world.move(moved, MEETING + timedelta(days=2))
        for hours in (1, 20, 30, 10, 14):
            journey.later(hours=hours)
            journey.look()
    yield out.getvalue(), [json.loads(line) for line in out.getvalue().splitlines()]
    structlog.reset_defaults()


@needs("mtail")
def test_mtail_counts_what_the_runs_say(day: tuple[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    """Every figure of every run.completed, summed; and the lines about messages, by rule."""
    text, lines = day
    runs = [line for line in lines if line["event"] == "run.completed"]
    figures = counted(text, tmp_path)

    for outcome in ("planned", "sent", "retried", "failed", "unknown", "expired", "skipped"):
        assert figures[f'syncer_run_messages_total{{outcome="{outcome}"}}'] == sum(run[outcome] for run in runs), (
            outcome
        )
    for change in ("created", "canceled", "rescheduled"):
        assert figures[f'syncer_run_bookings_total{{change="{change}"}}'] == sum(run[change] for run in runs)
    assert figures["syncer_requests_total"] == sum(run["requests"] for run in runs)
    assert figures["syncer_events"] == runs[-1]["events"]
    assert figures["syncer_deferred"] == runs[-1]["deferred"]
    assert figures["syncer_events_unreadable"] == runs[-1]["events_unreadable"]
    assert figures["syncer_oldest_due_seconds"] == runs[-1]["oldest_due_s"]
    assert figures["syncer_interval_seconds"] == 0  # nobody says when the next of these runs comes
    assert figures["syncer_run_seconds_total"] == pytest.approx(sum(run["duration_ms"] for run in runs) / 1000)
    assert figures['syncer_runs_total{outcome="completed"}'] == len(runs) >= 9
    told = Counter((line["event"][8:], line["rule"]) for line in lines if line["event"].startswith("message."))
    assert {name: value for name, value in figures.items() if name.startswith("syncer_messages_total")} == {
        f'syncer_messages_total{{event="{what}",rule="{rule}"}}': n for (what, rule), n in told.items()
    }
    assert {what for what, _ in told} >= {
        "planned",
        "sent",
        "failed",
        "unknown",
        "retry_scheduled",
        "canceled",
        "skipped",
    }
    assert sum(figures[name] for name in figures if name.startswith("syncer_lines_total")) == len(lines)


@needs("mtail")
def test_the_interval_is_that_of_the_last_complete_run(tmp_path: Path) -> None:
    """From start to start; a run that no other follows has none, whatever the one before had."""
    out = io.StringIO()
    log.configure(log_format="json", stream=out)
    log.tell("run.completed", **Report(duration_ms=120_000, next_run_s=780).as_dict())
    looped = out.getvalue()
    log.tell("run.completed", **Report(duration_ms=500).as_dict())
    structlog.reset_defaults()

    assert counted(looped, tmp_path)["syncer_interval_seconds"] == 900
    assert counted(out.getvalue(), tmp_path)["syncer_interval_seconds"] == 0


@needs("mtail")
def test_every_event_is_counted_somewhere(tmp_path: Path) -> None:
    """One line of each kind, and what it changes; a dry run's lines change nothing."""
    out = io.StringIO()
    log.configure(log_format="json", stream=out)
    for event in log.EVENTS:
        fields = (
            Report(sent=2, events_unreadable=3, duration_ms=1500, next_run_s=13).as_dict()
            if event == "run.completed"
            else {"rule": "r", "template": "7", "limit": "x"}
        )
        log.tell(event, **fields, **({"seconds": 1.5} if event == "calendly.throttled" else {}))
    log.tell("gateway.halted", reason="r")
    structlog.reset_defaults()
    figures = counted(out.getvalue(), tmp_path)
    dry = counted(out.getvalue().replace('"level"', '"dry_run": true, "level"'), tmp_path)

    assert figures["syncer_halted"] == 1
    assert figures["syncer_interval_seconds"] == 14.5
    assert figures["syncer_missing_total"] == 1
    assert (figures["syncer_events_unreadable"], figures["syncer_unreadable_total"]) == (3, 1)
    assert figures["syncer_reassigned_total"] == 1
    assert figures['syncer_rules_unmatched_total{rule="r"}'] == 1
    assert figures["syncer_throttled_seconds_total"] == 1.5
    assert figures['syncer_limits_total{name="x"}'] == 1
    assert figures['syncer_templates_rejected_total{template="7"}'] == 1
    assert figures['syncer_templates_changed_total{template="7"}'] == 1
    assert [figures[f'syncer_runs_total{{outcome="{one}"}}'] for one in ("failed", "refused", "skipped")] == [1, 1, 1]
    messages = {event.removeprefix("message.") for event in log.EVENTS if event.startswith("message.")}
    assert {f'syncer_messages_total{{event="{event}",rule="r"}}' for event in messages} <= figures.keys()
    assert not any(dry.values())


def metrics() -> set[str]:
    """The names that the mtail program makes, and those that the recording rules make of them."""
    program = (FOLDER / "syncer.mtail").read_text(encoding="utf-8")
    made = set(re.findall(r"^(?:counter|gauge)\s+(\w+)", program, re.MULTILINE))
    return made | set(re.findall(r"record: (\S+)", (FOLDER / "recording.rules.yml").read_text(encoding="utf-8")))


def test_rules_and_dashboard_use_figures_that_there_are() -> None:
    """A misspelt name would be an alert that never fires."""
    alerts = (FOLDER / "alerts.rules.yml").read_text(encoding="utf-8")
    expressions = re.findall(r"expr: (.*(?:\n {10}.*)*)", alerts) + panels()

    used = {name for text in expressions for name in METRIC.findall(text)}
    assert len(used) >= 10
    assert used - metrics() == set()


def panels() -> list[str]:
    """The dashboard's expressions."""
    board = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_each_alert_is_tested_both_ways() -> None:
    """Each has a test in which it fires, and one in which it does not, and says what to do."""
    alerts = (FOLDER / "alerts.rules.yml").read_text(encoding="utf-8")
    names = re.findall(r"- alert: (\w+)", alerts)
    tests = (FOLDER / "tests.yml").read_text(encoding="utf-8")
    quiet = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", tests))
    firing = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", tests))

    assert len(names) == len(set(names)) >= 7
    assert quiet == firing == set(names)
    assert alerts.count("action:") == len(names)


@needs("promtool")
def test_prometheus_agrees(tmp_path: Path) -> None:
    """Rules, their tests, and the dashboard's expressions as rules of their own."""
    board = "\n".join(
        f"      - record: panel:{number}\n        expr: {json.dumps(text.replace('$instance', '.*'))}"
        for number, text in enumerate(panels())
    )
    (tmp_path / "panels.yml").write_text(f"groups:\n  - name: panels\n    rules:\n{board}\n", encoding="utf-8")
    for command in (
        ["check", "rules", "recording.rules.yml", "alerts.rules.yml"],
        ["check", "rules", str(tmp_path / "panels.yml")],
        ["test", "rules", "tests.yml"],
    ):
        done = subprocess.run(
            [tool("promtool"), *command], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60
        )

        assert done.returncode == 0, done.stdout + done.stderr
        assert "FAILED" not in done.stdout


def test_every_line_of_the_readme_names_an_event() -> None:
    """The one-liners for the journal and for Loki look for events that there are."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"\b((?:run|message|gateway|calendly|booking|template|limit|listing|event|rule)\.[a-z_]+)\b", readme)
    )

    assert len(named) >= 6
    assert named <= set(log.EVENTS)
