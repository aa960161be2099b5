"""The look inside: what is copied and what is not, each query, and the dashboard in a real browser."""

from __future__ import annotations

import base64
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.browser import BROWSER, DRIVER, Browser, decode
from support.deploy_tools import DEPLOY, needs, run, tool, yaml_documents
from syncer import demo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = DEPLOY / "datasette"


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's database, and the copy of it that may be looked at."""
    folder = tmp_path_factory.mktemp("look")
    demo.play(folder / "syncer.db", lambda _: None)
    with closing(sqlite3.connect(folder / "syncer.db")) as connection:  # as a gateway might answer
        connection.execute(
            "UPDATE messages SET detail = 'EngageLab 3003: ' || (SELECT name FROM bookings WHERE uri = booking)"
        )
        connection.commit()
    run("python3", str(FOLDER / "look.py"), "syncer.db", "look.db", cwd=folder)
    return folder


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask a database."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_no_person_is_in_the_copy(looked: Path) -> None:
    """Not a name, number, e-mail or answer of the database is in any byte of it; and nobody else may read it."""
    content = (looked / "look.db").read_bytes().decode("utf-8", "replace")
    people = {
        text
        for row in rows(looked / "syncer.db", "SELECT name, email, text_reminder_number, first_name FROM bookings")
        for text in row
        if text
    } | {row[0] for row in rows(looked / "syncer.db", "SELECT recipient FROM messages WHERE recipient != ''")}

    assert len(people) >= 10
    assert [text for text in people if text in content] == []
    assert "'detail'" not in str(rows(looked / "look.db", "SELECT name FROM pragma_table_info('texts')"))
    assert (looked / "look.db").stat().st_mode & 0o777 == 0o600


def test_everything_else_is(looked: Path) -> None:
    """Every message with its state, every run with its figures."""
    for table, same in (
        ("texts", "messages"),
        ("runs", "runs"),
        ("changes", "changes"),
        ("events", "events"),
        ("reasons", "reasons"),
        ("unreadable_events", "unreadable_events"),
    ):
        count = "SELECT count(*) FROM {}"
        assert rows(looked / "look.db", count.format(table)) == rows(looked / "syncer.db", count.format(same))
    assert rows(looked / "look.db", "SELECT state, count(*) FROM texts GROUP BY state") == rows(
        looked / "syncer.db", "SELECT state, count(*) FROM messages GROUP BY state"
    )
    assert rows(looked / "look.db", "SELECT sum(sent) FROM runs")[0][0] == 16


def test_a_database_that_cannot_be_read_is_said_in_a_line(tmp_path: Path) -> None:
    """No traceback, and an old look stays."""
    (tmp_path / "bad.db").write_text("nothing", encoding="utf-8")
    (tmp_path / "look.db").write_text("old", encoding="utf-8")
    said = run("python3", str(FOLDER / "look.py"), "bad.db", "look.db", cwd=tmp_path, check=False)
    missing = run("python3", str(FOLDER / "look.py"), "none.db", "look.db", cwd=tmp_path, check=False)

    assert said == "look.py: bad.db: file is not a database\n"
    assert missing == "look.py: none.db does not exist\n"
    assert (tmp_path / "look.db").read_text(encoding="utf-8") == "old"


@pytest.fixture(scope="module")
def url(looked: Path) -> Iterator[str]:
    """Datasette, serving it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [tool("datasette"), "serve", "--immutable", "look.db", "--metadata", str(FOLDER / "metadata.yml")]
    with subprocess.Popen(
        [*command, "--port", str(port)], cwd=looked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        address = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                httpx.get(address, trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
        process.kill()  # it would wait for the browser's connections


@needs("datasette")
def test_each_query_has_an_answer(url: str) -> None:
    """Of the kind its title promises, with no error."""
    [metadata] = yaml_documents((FOLDER / "metadata.yml").read_text(encoding="utf-8"))
    queries = metadata["databases"]["look"]["queries"]
    found = {}
    for name in queries:
        answer = httpx.get(f"{url}/look/{name}.json?_shape=objects", trust_env=False).json()
        assert answer["ok"], answer
        found[name] = answer["rows"]

    assert {"texts_per_day_and_state", "waiting_by_hour", "reasons", "lateness", "requests_per_run"} <= found.keys()
    assert sum(row["texts"] for row in found["texts_per_day_and_state"]) == 26
    assert all(row["reason"] and row["sentence"] for row in found["reasons"])
    assert {"held", "unreadable", "to_decide"} <= found.keys()
    assert len(found["requests_per_run"]) > 5


@needs("datasette")
@pytest.mark.browser
@pytest.mark.skipif(not (DRIVER and BROWSER), reason="needs chromium and chromedriver")
def test_the_dashboard_is_drawn(url: str, driven: Browser, tmp_path: Path) -> None:
    """Each chart has its marks, and no chart an error; the picture is kept beside the test."""
    driven.view((1300, 1500))
    driven.open(f"{url}/-/dashboards/syncer")
    for _ in range(100):
        charts = driven.run(
            "return document.querySelectorAll('.dashboard-card-chart svg, .dashboard-card-chart canvas').length"
        )
        if charts >= 5:
            break
        time.sleep(0.1)
    time.sleep(1)
    shown = driven.text("body")
    picture = driven.call("GET", "/screenshot")
    (tmp_path / "dashboard.png").write_bytes(base64.b64decode(picture))
    drawn = decode(base64.b64decode(picture))
    colors = {drawn.at(x, y) for x in range(0, 1300, 7) for y in range(0, 1500, 7)}

    assert charts >= 5
    for title in (
        "Texts per day and state",
        "What waits",
        "Why texts did not go out",
        "Seconds late",
        "Requests per run",
    ):
        assert title in shown
    assert "error" not in shown.lower()
    assert len(colors) > 8
