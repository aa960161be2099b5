"""`syncer check`: a line a fact, good or bad with the remedy, all in one pass; it writes nothing and sends nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import certifi
import pytest

from support.cli_workspace import now
from support.fault_server import certificates
from syncer.cli import building
from syncer.cli.check_machine import check_certificates
from syncer.cli.checking import Checklist
from syncer.sandbox.world import PENDING, SIGNATURE, TEMPLATE_CONFIRM, TEMPLATE_REMINDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.cli_workspace import Workspace

RULE = '[[rule]]\nname = "r"\non = "booked"\n'


def fails(workspace: Workspace) -> list[str]:
    """What is wrong, as it is printed."""
    return [line.removeprefix("FAIL  ") for line in workspace.run("check")[1].splitlines() if line.startswith("FAIL")]


def test_check_says_ok_and_fail_with_the_remedy(workspace: Workspace) -> None:
    """A line a fact; nothing is written, nothing sent."""
    good = workspace.run("check")
    workspace.world.review(TEMPLATE_CONFIRM, PENDING)
    bad = workspace.run("check")
    workspace.world.key_codes["sandbox-key"] = 2002
    workspace.world.revoked_tokens.add("sandbox-token")
    logins = workspace.run("check")

    assert (good[0], bad[0], logins[0]) == (0, 1, 1)
    assert all(line.startswith("ok    ") for line in good[1].splitlines())
    assert f"FAIL  rule confirmation, template {TEMPLATE_CONFIRM}" in bad[1]
    assert "FAIL  CALENDLY_TOKEN" in logins[1]
    assert "FAIL  ENGAGELAB_DEV_KEY" in logins[1]
    assert [path.name for path in workspace.folder.iterdir()] == [".env"]
    assert workspace.world.texts == []


def test_check_compares_variables_and_explains_a_role(workspace: Workspace) -> None:
    """A rule that fills something else than the template wants is named; so is a token without admin rights."""
    workspace.world.edit_template(TEMPLATE_CONFIRM, "Hello {{name}}, come at {{hour}}")
    workspace.world.review(TEMPLATE_CONFIRM, 2)
    workspace.world.token_users["sandbox-token"] = workspace.world.host("jonas@northpier.example")["uri"]

    code, out, _ = workspace.run("check")

    assert code == 1
    assert "FAIL  rule confirmation, template" in out
    assert "the rule does not fill hour" in out
    assert "the template does not have time" in out
    assert "needs the role owner or admin, this token's is user" in out


def toml(text: str) -> Callable[[Workspace], None]:
    """Write the settings' file."""

    def write(workspace: Workspace) -> None:
        (workspace.folder / "syncer.toml").write_text(text, encoding="utf-8")

    return write


def in_review(workspace: Workspace) -> None:
    """Edit the signature."""
    workspace.world.review_signature(SIGNATURE, PENDING)


def read_by_all(workspace: Workspace) -> None:
    """Give the secrets away."""
    (workspace.folder / ".env").chmod(0o644)


def secret_for_all(workspace: Workspace) -> None:
    """Let everybody replace a secret."""
    (workspace.folder / "token").write_text("sandbox-token", encoding="utf-8")
    (workspace.folder / "token").chmod(0o666)
    env = workspace.folder / ".env"
    lines = env.read_text(encoding="utf-8").replace("CALENDLY_TOKEN=sandbox-token", "CALENDLY_TOKEN_FILE=token")
    env.write_text(lines, encoding="utf-8")


FORBIDDEN = {"title": "Permission Denied", "message": "Insufficient scope", "required_scopes": ["event_types:read"]}


def without_event_types(workspace: Workspace) -> None:
    """Take a scope from the token."""
    workspace.world.faults.fail("/event_types", status=403, body=FORBIDDEN)


HOSTS = """[hosts."mara@northpier.example"]
phone = "+13125550142"
"""
CASES = [
    pytest.param(read_by_all, ".env: everybody on this machine may read its secrets. chmod 600 {folder}", id="env"),
    pytest.param(
        secret_for_all,
        "CALENDLY_TOKEN_FILE: everybody on this machine may replace token. chmod o-w token",
        id="a secret's file",
    ),
    pytest.param(
        toml('[languages]\nby_event_type = { "Phone consultatoin" = "de" }'),
        'warn  languages.by_event_type: "Phone consultatoin" is no event type of this account. Did you mean "Phone con',
        id="an event type with a typo",
    ),
    pytest.param(
        toml(f'{RULE}template = "{TEMPLATE_CONFIRM}"\nevent_types = ["zzz"]'),
        'FAIL  rule r, event_types: "zzz" is no event type of this account. There are: Open clinic, Phone cons',
        id="an event type that is nothing like one",
    ),
    pytest.param(
        toml(f'{RULE}template = {{ en = "{TEMPLATE_CONFIRM}", fr = "{TEMPLATE_CONFIRM}" }}'),
        'warn  rule "r": template.fr: no setting leads to the language "fr". Name it in [languages], in a host\'s sett',
        id="a language that nobody has",
    ),
    pytest.param(
        toml('[hosts."x@y.example"]\nphone = "+13125550142"'),
        'warn  hosts."x@y.example": is no member of this organization. Correct the e-mail, or take it out',
        id="a host who is nobody",
    ),
    pytest.param(
        toml(f'{RULE}to = "host"\ntemplate = "{TEMPLATE_CONFIRM}"\n{HOSTS}'),
        "warn  hosts: 1 of 2 members have no number: nobody is told of their bookings. Give them one in [hosts]",
        id="a host without a number",
    ),
    pytest.param(
        toml(f'{RULE}template = "{TEMPLATE_CONFIRM}"\nparams = {{ name = "{{name}}", place = "{{location}}" }}'),
        """: the rule does not fill time. Fill them in the rule's params, or take them out of the template
: the template does not have place. Take them out of the rule's params, or put them into the template""",
        id="variables",
    ),
    pytest.param(
        toml(f'{RULE}template = "123"'),
        "rule r, template 123: does not exist at EngageLab. Correct the id (the rule's template or TEMPLATE_ID_*)",
        id="a template that is not there",
    ),
    pytest.param(
        in_review,
        "\n".join(7 * ["signature waits for its review. Its messages wait until EngageLab has approved it"]),
        id="a signature under review",
    ),
    pytest.param(
        toml(f'[phones]\nallowed_countries = ["US", "TW"]\n{RULE}template = "{TEMPLATE_CONFIRM}"'),
        ": is declared for US, GB, DE, but texts go to TW. Add them there (whether EngageLab refuses others is not",
        id="a country",
    ),
    pytest.param(
        without_event_types,
        "CALENDLY_TOKEN: event types cannot be read: Calendly 403",
        id="a scope",
    ),
    pytest.param(
        toml("[limits]\nconcurrency = 900\n[quiet_hours]\nfrom = 1"),
        """limits.concurrency: must be a whole number from 1 to 64, not 900
quiet_hours.from: must be a time of day such as
quiet_hours.to: is missing""",
        id="settings, and the rest all the same",
    ),
]


@pytest.mark.parametrize(("change", "expected"), CASES)
def test_each_fault_has_its_line(workspace: Workspace, change: Callable[[Workspace], None], expected: str) -> None:
    """By the name of the setting, rule, template or variable, with what to do; everything else is looked at, too."""
    change(workspace)
    if "Give them one in" in expected:
        env = (workspace.folder / ".env").read_text(encoding="utf-8")
        (workspace.folder / ".env").write_text(env.replace("HOST_PHONE=", "#HOST_PHONE="), encoding="utf-8")
    code, out, err = workspace.run("check")
    strict = code or workspace.run("check", "--strict")[0]
    lines = out.splitlines()
    # The workspace has all TEMPLATE_ID_*: beside a rule of its own they are one more warning.
    found = [line for line in lines if not line.startswith("ok") and "have no effect: with any [[rule]]" not in line]

    parts = expected.replace("{folder}", str(workspace.folder)).splitlines()
    failed = any(line.startswith("FAIL") for line in found)
    assert (code, strict) == ((2, 2) if "must be" in expected else (1, 1) if failed else (0, 1)), out
    assert len(found) == len(parts), out
    assert [part in line for line, part in zip(found, parts, strict=True)] == [True] * len(parts), out
    assert len(lines) >= 12
    assert err == ""


def test_the_database_is_looked_at(workspace: Workspace) -> None:
    """Its place, its owner, whether it has lost something; nothing is written, no file appears."""
    workspace.run("run", "--once")
    before = {path.name: path.read_bytes() for path in workspace.folder.iterdir()}
    good = workspace.run("check")
    unchanged = {path.name: path.read_bytes() for path in workspace.folder.iterdir()} == before
    witness = workspace.folder / "syncer.db.lock"
    name = witness.read_text(encoding="ascii").split()[0] if witness.read_bytes() else ""
    with closing(sqlite3.connect(workspace.folder / "syncer.db")) as connection:
        name = name or connection.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()[0]
        witness.write_text(f"{name} 5".ljust(63) + "\n", encoding="ascii")
        older = fails(workspace)
        witness.write_text("", encoding="ascii")
        [account] = connection.execute("SELECT value FROM meta WHERE name = 'account'").fetchone()
        connection.execute("UPDATE meta SET value = 'https://api.calendly.com/organizations/x' WHERE name = 'account'")
        connection.commit()
        foreign = fails(workspace)
        connection.execute("UPDATE meta SET value = ? WHERE name = 'account'", [account])
        connection.commit()
    (workspace.folder / "syncer.db").chmod(0o644)
    readable = workspace.run("check")
    nowhere = workspace.run("check", "--db", "none/syncer.db")[1]

    assert good[0] == 0
    assert "last complete run" in good[1]
    assert unchanged
    assert len(older) == 1
    assert "SYNCER_DB: the database has lost 5 of the texts that left from here. If a backup was put back" in older[0]
    assert len(foreign) == 1
    assert "belongs to https://api.calendly.com/organizations/x, the token to" in foreign[0]
    assert (
        f"warn  SYNCER_DB: everybody may read {workspace.folder / 'syncer.db'}. The next run sets its mode"
        in readable[1]
    )
    assert readable[0] == 0
    assert "FAIL  SYNCER_DB: the folder" in nowhere


def test_a_folder_that_is_not_writable_is_named(workspace: Workspace) -> None:
    """Before the first run fails. Root may write everywhere, unless it gives that right away."""
    (workspace.folder / "closed").mkdir(mode=0o500)
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--") if os.geteuid() == 0 else ()
    process = workspace.start("check", "--db", "closed/s.db", before=before)
    out, _ = process.communicate(timeout=60)

    assert "is not writable. The folder must be writable (SYNCER_DB)" in out


def test_a_good_template_is_described(workspace: Workspace) -> None:
    """How long its texts are, in which languages they are written, and that its wording has changed."""
    (workspace.folder / "syncer.toml").write_text('[languages]\nby_country = { US = "zh-TW" }', encoding="utf-8")
    workspace.be_born()
    workspace.book()
    workspace.run("run", "--once")
    workspace.world.edit_template(TEMPLATE_REMINDER, "Dear {{name}}, your meeting begins in {{advance}}: {{time}}")
    workspace.world.review(TEMPLATE_REMINDER, 2)
    lines = workspace.run("check")[1].splitlines()
    [line] = [line for line in lines if "rule reminder-1h" in line]

    assert line.startswith(
        f"ok    rule reminder-1h, template {TEMPLATE_REMINDER}: approved, variables advance, name, time; about 1 SMS in"
    )
    assert line.endswith(
        " about 1 SMS in GSM-7 (en); about 2 SMS in UCS-2 (zh-TW); one text for all these languages, with dates in"
        " each; its wording is not what it was"
    )


def test_a_clock_that_is_off_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Calendly's Date."""
    monkeypatch.setattr(workspace.world, "_clock", lambda: now() - timedelta(minutes=5))

    [line] = fails(workspace)

    assert line.startswith("clock: 30")
    assert line.endswith(" s off Calendly's. Set the clock (timedatectl)")


def test_no_rule_at_all_is_a_warning(workspace: Workspace) -> None:
    """An account whose templates are still under review has none yet; nothing is broken."""
    env = (workspace.folder / ".env").read_text(encoding="utf-8")
    (workspace.folder / ".env").write_text(env.replace("TEMPLATE_ID_", "#TEMPLATE_ID_"), encoding="utf-8")
    code, out, _ = workspace.run("check")

    assert (code, workspace.run("check", "--strict")[0]) == (0, 1)
    warned = [line for line in out.splitlines() if not line.startswith("ok")]
    assert warned == ["warn  rule: no rule is on: nothing is sent. Set a TEMPLATE_ID_* variable or write a [[rule]]"]


BOOKED = f'[[rule]]\nname = "r"\non = "booked"\ntemplate = "{TEMPLATE_CONFIRM}"\n'
REMINDER = f'[[rule]]\nname = "r"\non = "before_start"\ntemplate = "{TEMPLATE_REMINDER}"\n'
SILENT = [
    pytest.param(f'horizon = "12h"\n{REMINDER}offset = "24h"', 2, "FAIL  horizon: ", id="horizon"),
    pytest.param('horizon = "12h"', 0, "warn  horizon: ", id="a built-in reminder beyond the horizon"),
    pytest.param("rule = []", 2, "FAIL  rule: ", id="no rules"),
    pytest.param(f'{BOOKED}params = {{ name = "{{reason}}" }}', 2, 'FAIL  rule "r": params.name: ', id="reason"),
    pytest.param(f'{REMINDER}offset = "10s"', 2, 'FAIL  rule "r": offset: ', id="offset"),
    pytest.param(f'{BOOKED}max_lateness = "30s"', 2, 'FAIL  rule "r": max_lateness: ', id="no life"),
    pytest.param(f'{BOOKED}event_types = ["zzz"]', 1, "FAIL  rule r, event_types: ", id="event types"),
    pytest.param(
        f'interval = "1h"\n{BOOKED}max_lateness = "5m"', 0, 'warn  rule "r": max_lateness: ', id="a short life"
    ),
    pytest.param('quiet_hours = { from = "08:00", to = "21:00" }', 0, "warn  quiet_hours: ", id="swapped"),
    pytest.param(
        f'quiet_hours = {{ from = "21:00", to = "08:00" }}\n{BOOKED}quiet_hours = true',
        0,
        'warn  rule "r": max_lateness: ',
        id="dies at night",
    ),
    pytest.param('country = "TW"\nphones.allowed_countries = ["US"]', 0, "warn  country: ", id="country"),
    pytest.param("limits.messages_per_day = 1", 0, "warn  limits.messages_per_day: ", id="a text a day"),
    pytest.param('interval = "1h"\nlimits.messages_per_run = 1', 0, "warn  limits.messages_per_run: ", id="small runs"),
]


@pytest.mark.parametrize(("settings", "code", "line"), SILENT)
def test_settings_that_never_or_hardly_ever_send_are_named(
    workspace: Workspace, settings: str, code: int, line: str
) -> None:
    """Thirteen files that would load: each has its line, with a remedy."""
    toml(settings)(workspace)
    found = workspace.run("check")

    named = [row for row in found[1].splitlines() if row.startswith(line)]
    assert (found[0], workspace.run("check", "--strict")[0]) == (code, code or 1)
    assert named
    assert all(". " in row for row in named)
    if code != 2:
        assert workspace.run("run", "--once")[0] == 0


@pytest.mark.parametrize(("later", "line"), [(0, "ok    ca_file: 1 certificates"), (3, "warn  ca_file: 1 of 1")])
def test_a_file_of_certificates_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, later: int, line: str
) -> None:
    """How many it makes trusted; one that has expired makes nothing so."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to make a certificate")
    path = certificates(openssl, tmp_path)["ca"]
    monkeypatch.setattr(building, "now", lambda: now() + timedelta(days=later))
    facts = Checklist()

    check_certificates(facts, path)

    assert capsys.readouterr().out.startswith(line)
    assert (facts.failed, facts.warned) == (0, later > 0)


def test_check_says_what_is_trusted_and_what_is_no_file(workspace: Workspace) -> None:
    """A setting that is wrong ends with 2, as everywhere."""
    shutil.copy(certifi.where(), workspace.folder / "ca.pem")
    toml('ca_file = "ca.pem"')(workspace)
    good = workspace.run("check")
    toml('ca_file = "gone.pem"')(workspace)
    bad = workspace.run("check")

    assert (good[0], bad[0]) == (0, 2)
    assert "ca_file: " in good[1]
    assert "FAIL  ca_file: cannot be read" in bad[1]
