"""`syncer optout` and `syncer forget`, typed: what is printed, and every byte of the files afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.cli_workspace import PHONE, now
from syncer.cli.number_files import numbers_of
from syncer.errors import SyncerError
from syncer.phones import NoRecipient, Number, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.cli_workspace import Workspace

NAME = "Theodora Quillfeather"
EMAIL = "Theodora.Q@Quill.example"
WRITTEN = "+1 (312) 555-0142"
TRACES = (b"Theodora", b"Quillfeather", b"quill.example", b"Quill.example", b"5550142", b"555-0142", b"left knee")


QUICK = "[limits]\nsends_per_second = 500\n"
"""Thirty texts at the usual five a second would take six seconds."""


def traces(folder: Path) -> dict[str, list[bytes]]:
    """What is left of her in the database file and those beside it."""
    found = {}
    for path in sorted(folder.glob("syncer.db*")):
        content = path.read_bytes()
        found[path.name] = [trace for trace in TRACES if trace in content]
    return {name: left for name, left in found.items() if left}


def wait_until(true: Callable[[], bool]) -> bool:
    """Wait half a minute at most; says whether it came true."""
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.2)
    return true()


def begin(workspace: Workspace) -> None:
    """Make the database; what is booked afterwards, in a later second, is news."""
    workspace.be_born()


def book_her(workspace: Workspace) -> list[str]:
    """Three bookings of hers, with the number wherever one can stand, among others of other people."""
    for number in range(12):
        workspace.world.book(
            start=now() + timedelta(days=2, minutes=number),
            name=f"Somebody Else{number}",
            email=f"else{number}@example.com",
            phone=f"+131255501{number + 43}",
            answers=[("Why?", "x" * 300)],
        )
    given = {"name": NAME, "email": EMAIL, "answers": [("Reason for the visit", "My left knee")]}
    places = ("text_reminder_number", "outbound_call", "question")
    return [
        workspace.world.book(start=now() + timedelta(days=3, hours=at), phone=WRITTEN, phone_in=place, **given)  # type: ignore[arg-type]
        for at, place in enumerate(places)
    ]


@pytest.mark.parametrize("who", [EMAIL.lower(), PHONE])
def test_forget_leaves_no_byte(workspace: Workspace, who: str) -> None:
    """Not in the database, its WAL or its index, not in a later log; and what is still listed is not texted again."""
    (workspace.folder / "syncer.toml").write_text(f'settle = "0s"\ninterval = "5s"\n{QUICK}', encoding="utf-8")
    begin(workspace)
    hers = book_her(workspace)
    assert workspace.run("run", "--once")[0] == 0
    assert traces(workspace.folder)
    told = [text.body for text in workspace.world.texts if text.to == PHONE]

    code, out, err = workspace.run("forget", who, "--yes")
    left = [traces(workspace.folder)]
    runs = [workspace.run("run", "--once", "--log-format", "json")]
    workspace.world.cancel(hers[0])
    workspace.world.move(hers[1], now() + timedelta(days=5))
    for _ in range(2):
        runs.append(workspace.run("run", "--once", "--log-format", "json"))
        left.append(traces(workspace.folder))

    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("forgotten: 3 bookings")
    assert out.splitlines()[1] == "the database file is clear of them"
    assert left == [{}] * 3
    assert [run[0] for run in runs] == [0] * 3
    assert [trace for trace in TRACES if trace.decode() in out + "".join(run[1] + run[2] for run in runs)] == []
    assert len(told) == 3
    assert [text.body for text in workspace.world.texts if text.to == PHONE] == told
    assert workspace.run("explain", who)[0] == 1
    assert "sent 30" in workspace.run("status")[1]


def test_forget_beside_a_running_worker(workspace: Workspace) -> None:
    """Erased at once; the file is cleared by the worker, which holds the lock, in its next run."""
    (workspace.folder / "syncer.toml").write_text(f'interval = "5s"\n{QUICK}', encoding="utf-8")
    begin(workspace)
    book_her(workspace)
    with (workspace.folder / "log").open("w", encoding="utf-8") as stderr:
        worker = workspace.start("run", "--log-format", "json", stderr=stderr)
    try:
        wait_until(lambda: sum(text.to == PHONE for text in workspace.world.texts) == 3)
        code, out, err = workspace.run("forget", PHONE, "--yes")
        left = wait_until(lambda: not traces(workspace.folder))
        # The worker is still at work, and has nothing to say about her.
        time.sleep(6)
        after = traces(workspace.folder)
    finally:
        worker.terminate()
        worker.communicate(timeout=30)
    log = (workspace.folder / "log").read_text(encoding="utf-8")

    assert (code, err) == (0, ""), log
    assert "a worker is running: its next run clears the database file" in out
    assert (left, after) == (True, {}), log
    assert worker.returncode == 0, log
    assert [trace for trace in TRACES if trace.decode() in log] == []


def test_forget_asks_first(workspace: Workspace) -> None:
    """With the numbers of what goes; no means no. Nobody known is no failure."""
    (workspace.folder / "syncer.toml").write_text(QUICK, encoding="utf-8")
    begin(workspace)
    book_her(workspace)
    assert workspace.run("run", "--once")[0] == 0

    refused = workspace.run("forget", EMAIL, typed="n\n")
    nobody = workspace.run("forget", "nobody@example.com")

    assert refused[0] == 1
    assert "Erase the person of 3 bookings and 15 messages, 9 of them waiting? It cannot be undone" in refused[1]
    assert "nothing was changed" in refused[2]
    assert traces(workspace.folder)
    assert (nobody[0], nobody[1]) == (0, "")
    assert "nothing is known of them" in nobody[2]


def test_optout_add_list_remove(workspace: Workspace) -> None:
    """Numbers as people write them, masked where they are shown."""
    begin(workspace)
    workspace.book()
    empty = workspace.run("optout", "list")[1]
    added = workspace.run("optout", "add", "+1 312-555-0142", "+44 7400 123456")
    again = workspace.run("optout", "add", PHONE)[1]
    workspace.run("run", "--once")
    listed = workspace.run("optout", "list")[1].splitlines()
    rows = [json.loads(line) for line in workspace.run("optout", "list", "--json", "--show-numbers")[1].splitlines()]
    removed = workspace.run("optout", "remove", PHONE, "+447400123457")[1]

    assert empty == "no number is opted out\n"
    assert (added[0], added[2]) == (0, "")
    assert added[1].splitlines() == [
        "+13*******42 (US) is never texted",
        "+44********56 (GB) is never texted",
        "2 added, 0 were on the list; 0 waiting messages are skipped",
    ]
    assert again.splitlines()[-1] == "0 added, 1 were on the list; 0 waiting messages are skipped"
    assert [text.to for text in workspace.world.texts if text.to == PHONE] == []
    assert [line.split()[0] for line in listed] == ["number", "+13*******42", "+44********56"]
    assert [(row["number"], row["reason"]) for row in rows] == [
        (PHONE, "by the operator"),
        ("+447400123456", "by the operator"),
    ]
    assert removed.splitlines() == [
        "+13*******42 (US) may be texted",
        "+44********57 (GB) may be texted",
        "1 removed, 1 were not on the list",
    ]
    assert workspace.run("run", "--once")[0] == 0
    assert [text.to for text in workspace.world.texts if text.to == PHONE] == [PHONE]


def test_an_import_is_whole_or_nothing(workspace: Workspace) -> None:
    """A CSV's first column or one number a line; each wrong line is named, and then nothing was changed."""
    assert workspace.run("run", "--once")[0] == 0
    good, bad = workspace.folder / "good.csv", workspace.folder / "bad.txt"
    good.write_text('\ufeffphone;since\n# asked by mail\n"+1 312-555-0142";2026\n\n+447400123456,x\n', encoding="utf-8")
    bad.write_text("+13125550143\n0912 345 678\nnobody\n+123\n", encoding="utf-8")

    wrong = workspace.run("optout", "add", "--file", str(bad))
    before = workspace.run("optout", "list")[1]
    right = workspace.run("optout", "add", "--file", str(good))
    none = workspace.run("optout", "add")
    abroad = workspace.run("optout", "add", "312 555 0142")

    assert wrong[0] == 1
    assert wrong[2].startswith("syncer: line 2: ")
    assert [line in wrong[2] for line in ("line 3: ", "line 4: ", "line 1: ")] == [True, True, False]
    assert wrong[2].endswith("Nothing was changed. Write each as +13125550142\n")
    assert before == "no number is opted out\n"
    assert (right[0], right[2]) == (0, "")
    assert right[1].splitlines()[-1] == "2 added, 0 were on the list; 0 waiting messages are skipped"
    assert none[0] == 2
    assert "name a number, or a --file of them" in none[2]
    assert abroad[0] == 1
    assert "number 1: " in abroad[2]


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("DE", "13125550142"),
        ("US", "555-0142"),
        ("DE", "2345678"),
        ("DE", "0171 1234567/8"),
        ("AT", "+43 664 1234567-8"),
        ("DE", "+15550177"),
    ],
)
def test_an_opt_out_that_may_be_another_number_is_refused(workspace: Workspace, country: str, number: str) -> None:
    """It would be somebody else's, and the guest be texted on."""
    (workspace.folder / "syncer.toml").write_text(f'country = "{country}"', encoding="utf-8")
    assert workspace.run("run", "--once")[0] == 0

    added = workspace.run("optout", "add", number)

    assert (added[0], added[1]) == (1, "")
    assert "Nothing was changed. Write each as +13125550142" in added[2]
    assert workspace.run("optout", "list")[1] == "no number is opted out\n"


def test_a_number_that_only_the_list_knows(workspace: Workspace) -> None:
    """`explain` shows its entry; `forget` erases the number, and it stays opted out."""
    assert workspace.run("run", "--once")[0] == 0
    workspace.run("optout", "add", "+52 1 55 1234 5678", PHONE)

    told = workspace.run("explain", "+52 55 1234 5678")
    other = workspace.run("explain", "+447400123456")
    forgotten = workspace.run("forget", "+52 1 55 1234 5678", "--yes")
    left = b"".join(path.read_bytes() for path in workspace.folder.glob("syncer.db*"))
    again = workspace.run("explain", "+525512345678")

    assert (told[0], told[2]) == (0, "")
    assert told[1].startswith("+52********78 is on the list of opt-outs since ")
    assert "by the operator" in told[1]
    assert other[0] == 1
    assert (forgotten[0], forgotten[2]) == (0, "")
    assert "stays opted out" in forgotten[1]
    assert b"5512345678" not in left
    assert PHONE.encode() in left
    assert (again[0], "a forgotten number" in again[1]) == (0, True)
    workspace.world.book(start=now() + timedelta(days=3), phone="+52 55 1234 5678")
    assert workspace.run("run", "--once")[0] == 0
    assert [text for text in workspace.world.texts if text.to.endswith("5512345678")] == []


TABLE = "Telefon;Name\n+1 312-555-0142;Zoë Müller\n+44 7400 123456;Łucja\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(TABLE.encode(), "2 added", id="UTF-8"),
        pytest.param(TABLE.encode("utf-8-sig"), "2 added", id="CSV UTF-8"),
        pytest.param(TABLE.replace("Ł", "L").encode("cp1252"), "2 added", id="CSV of a Western machine"),
        pytest.param(TABLE.encode("cp1250", errors="replace"), "2 added", id="CSV of a Polish machine"),
        pytest.param(b"Telefon\n+1 312-555-0142;\x81\x8d\n", "1 added", id="bytes of no character"),
        pytest.param(TABLE.replace(";", "\t").encode("utf-16"), "2 added", id="Unicode text"),
        pytest.param(b"\xfe\xff" + TABLE.encode("utf-16-be"), "2 added", id="UTF-16, the other way round"),
        pytest.param(TABLE.replace("\n", "\r\n").encode(), "2 added", id="lines of Windows"),
        pytest.param(TABLE.replace("\n", "\r").encode(), "2 added", id="lines of an old Mac"),
        pytest.param(b'="+1 312 555 0142"\n\'+447400123456\n', "2 added", id="what keeps Excel from counting"),
        pytest.param(TABLE.encode("utf-16-le"), "Save it as text", id="UTF-16 without a mark"),
        pytest.param(b"\xff\xfe\x00", "Save it as text", id="half a character"),
        pytest.param(b"PK\x03\x04\x14\x00", "Save it as text", id="a workbook"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1", "Save it as text", id="an old workbook"),
        pytest.param(b"+13125550142, +13125550143\n", "two_numbers", id="two in a line"),
        pytest.param(b"4.91512E+12\n", "invalid_number", id="what Excel has counted"),
    ],
)
def test_files_as_people_have_them(data: bytes, says: str) -> None:
    """Read, or named with what to do."""
    if says == "Save it as text":
        with pytest.raises(SyncerError) as caught:
            list(numbers_of(data))
        assert says in caught.value.remedy
        return
    found = [read(text, "") for _, text in numbers_of(data)]
    numbers = [one.number for one in found if isinstance(one, Number)]
    refusals = [one.reason for one in found if isinstance(one, NoRecipient)]

    assert f"{len(numbers)} added" == says or refusals == [says]
    assert numbers == [PHONE, "+447400123456"][: len(numbers)]


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        pytest.param(TABLE.encode("utf-16"), 0, "2 added, 0 were", id="UTF-16"),
        pytest.param(TABLE.replace("Ł", "L").encode("cp1252"), 0, "2 added, 0 were", id="cp1252"),
        pytest.param(b"PK\x03\x04", 1, "the file is an Excel workbook, no text. Save it as text", id="a workbook"),
    ],
)
def test_a_file_of_excel_is_read_or_named(workspace: Workspace, data: bytes, code: int, says: str) -> None:
    """By the command."""
    assert workspace.run("run", "--once")[0] == 0
    (workspace.folder / "file").write_bytes(data)

    done = workspace.run("optout", "add", "--file", "file")

    assert done[0] == code
    assert says in done[1] + done[2]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "big5"])
def test_a_terminal_that_lacks_a_letter(workspace: Workspace, encoding: str) -> None:
    """The letter is spelt out; nothing fails, and JSON stays JSON."""
    begin(workspace)
    workspace.book(name="Łucja 🌸 王", event_type="Erstgespräch – 30′")
    environ = {"PYTHONIOENCODING": f"{encoding}:strict"}
    runs = [
        subprocess.run(
            [sys.executable, "-m", "syncer", *arguments],
            cwd=workspace.folder,
            env={"PATH": os.environ["PATH"], **environ},
            capture_output=True,
            check=False,
        )
        for arguments in (("run", "--once"), ("explain", PHONE), ("messages", "--json"))
    ]
    read_as = "utf-8" if encoding == "ascii" else encoding  # what click takes ASCII for
    written = [(run.stdout + run.stderr).decode(read_as) for run in runs]

    assert [run.returncode for run in runs] == [0, 0, 0], written
    names = {json.loads(line)["params"].get("name", "") for line in runs[2].stdout.decode(read_as).splitlines()}
    assert any("ucja" in name and "王" in name for name in names)
