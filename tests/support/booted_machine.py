"""A small Debian machine with a booted systemd, in a container on this one: for what only a real start shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from support.repository import ROOT

DEPLOY = ROOT / "deploy"
PACKAGES = "python3,python3-venv,systemd,systemd-sysv,dbus,libnss-systemd,ca-certificates"
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter")


def why_not() -> str:
    """Say why none can be booted here; empty = one can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "needs root"


def archive() -> str:
    """Read where this machine gets its Debian packages from."""
    for file in [*Path("/etc/apt/sources.list.d").glob("*.sources"), Path("/etc/apt/sources.list")]:
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            words = line.split()
            if words and words[0] == "URIs:" and "security" not in words[1]:
                return words[1]
            if words and words[0] == "deb" and "security" not in line:
                return next(word for word in words if "://" in word)
    raise RuntimeError("no archive in /etc/apt")


def suite() -> str:
    """Name this machine's release of Debian."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME="))


def make(root: Path) -> None:
    """Make the machine's disk: Debian with systemd, and syncer in /opt/syncer with its locked dependencies."""
    debootstrap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite(), str(root), archive()]
    subprocess.run(debootstrap, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["chroot", root, "python3", "-m", "venv", "--without-pip", "/opt/syncer"], check=True)
    site = next((root / "opt/syncer/lib").glob("python3.*")) / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run([*pip, "--require-hashes", "-r", str(DEPLOY / "requirements.txt")], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", str(ROOT)], check=True)
    for unit in [*(DEPLOY / "systemd").glob("*.service"), *(DEPLOY / "systemd").glob("*.timer")]:
        shutil.copy(unit, root / "etc/systemd/system")
    shutil.copy(DEPLOY / "systemd/syncerctl", root / "usr/local/sbin")
    (root / "etc/machine-id").write_text("", encoding="ascii")


class Machine:
    """It, running."""

    def __init__(self, root: Path, log: Path) -> None:
        self.root = root
        with log.open("w", encoding="utf-8") as out:
            self._process = subprocess.Popen(
                [*"systemd-nspawn -b --register=no --keep-unit --console=pipe --resolv-conf=off -D".split(), str(root)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._init = ""
        self.wait(lambda: bool(self._find_init()), 20)
        self.wait(lambda: self.run("systemctl", "is-system-running")[1].strip() in {"running", "degraded"}, 60)

    def _find_init(self) -> str:
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._init = next(iter(path.read_text(encoding="ascii").split()), "") if path.exists() else ""
        return self._init

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command there; returns its exit code and what it said."""
        enter = ["nsenter", "-t", self._init, "-m", "-u", "-i", "-p", "-C", "--"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def show(self, unit: str, name: str) -> str:
        """Read a property of a unit."""
        return self.run("systemctl", "show", "-P", name, unit)[1].strip()

    def journal(self, unit: str) -> str:
        """Read a unit's log."""
        return self.run("journalctl", "-u", unit, "-o", "cat", "--no-pager")[1]

    @staticmethod
    def wait(true: object, seconds: float) -> bool:
        """Wait until something is true; says whether it came so."""
        assert callable(true)
        end = time.monotonic() + seconds
        while not true() and time.monotonic() < end:
            time.sleep(0.2)
        return bool(true())

    def configure(self, lines: list[str], organization: str = "") -> None:
        """Write settings and secrets as the README says."""
        folder = self.root / "etc/syncer" / organization
        (folder / "secrets").mkdir(parents=True, exist_ok=True)
        (folder / "secrets").chmod(0o700)
        given = dict(line.split("=", 1) for line in lines)
        for name in ("CALENDLY_TOKEN", "ENGAGELAB_DEV_KEY", "ENGAGELAB_DEV_SECRET"):
            file = folder / "secrets" / name.lower()
            file.write_text(given.pop(name), encoding="utf-8")
            file.chmod(0o600)
        (folder / "syncer.env").write_text("\n".join(f"{k}={v}" for k, v in given.items()), encoding="utf-8")
        (folder / "syncer.toml").write_text('interval = "5s"\n', encoding="utf-8")

    def off(self) -> None:
        """Switch it off."""
        self.run("systemctl", "poweroff")
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
