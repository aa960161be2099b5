"""The image: built from the lock files, run as it will be, and the whole job done in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support import booted_machine
from support.deploy_tools import DEPLOY, needs, run
from support.modes import FULL, IN_DEPLOY
from support.repository import ROOT
from syncer import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTAINERFILE = DEPLOY / "container" / "Containerfile"
TEXT = CONTAINERFILE.read_text(encoding="utf-8")
BASE = "localhost/syncer-test-base:1"
IMAGE = "localhost/syncer-test:1"
SAFE = [
    *"podman --runtime runc run --rm --no-healthcheck --read-only --cap-drop all --network none".split(),
    *"--security-opt no-new-privileges --ulimit nofile=1024:1024 --ulimit nproc=1024:1024".split(),
]


def test_the_image_says_what_it_is() -> None:
    """Version, user, health check by `syncer status`; no shell; the locked versions."""
    assert f'org.opencontainers.image.version="{__version__}"' in TEXT
    assert re.search(r"^USER 65532:65532$", TEXT, re.MULTILINE)
    assert '"syncer", "status"]' in TEXT
    assert TEXT.count("--require-hashes") == 2
    instructions = re.findall(
        r"^(?:RUN|CMD|ENTRYPOINT|HEALTHCHECK [^\[]*CMD) *(.)", TEXT.replace("\\\n", ""), re.MULTILINE
    )
    assert set(instructions) == {"["}


def test_only_what_it_needs_goes_into_the_build() -> None:
    """Neither a secret that lies in the checkout nor the tests."""
    lines = (DEPLOY / "container" / ".containerignore").read_text(encoding="utf-8").split()
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*)$", TEXT, re.MULTILINE) for word in line.split()[:-1]}

    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert {word for word in copied if not word.endswith("requirements.txt")} <= allowed
    assert "deploy/container/*.txt" in allowed


def test_the_image_has_the_versions_of_production() -> None:
    """And those of the sandbox besides, the same that the tests run with."""

    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))

    production, image = pins("deploy/requirements.txt"), pins("deploy/container/requirements.txt")
    build, tests = pins("deploy/container/build-requirements.txt"), pins(".ci/requirements.txt")

    assert production.items() <= image.items() <= tests.items()
    assert build.items() <= tests.items()
    assert {"jinja2", "uvicorn", "starlette"} <= image.keys()


@needs("hadolint")
def test_hadolint_finds_nothing() -> None:
    """But that instructions could be joined, which would make one long line of shell."""
    assert run("hadolint", "--ignore", "DL3059", str(CONTAINERFILE)) == ""


builds = pytest.mark.skipif(
    not FULL or os.geteuid() != 0 or not all(map(shutil.which, ("buildah", "podman", "runc", "debootstrap"))),
    reason=f"{IN_DEPLOY}: builds an image as root, with buildah, podman, runc and debootstrap",
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image, on a base made from Debian's packages: no registry of images is needed."""
    root = tmp_path_factory.mktemp("base") / "root"
    packages = "--include=python3,python3-venv,ca-certificates"
    run(
        "debootstrap",
        "--variant=minbase",
        packages,
        booted_machine.suite(),
        str(root),
        booted_machine.archive(),
        timeout=300,
    )
    for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / folder, ignore_errors=True)
    subprocess.run(f"tar -C {root} -c . | podman import - {BASE}", shell=True, check=True, capture_output=True)  # noqa: S602  two programs in a row
    command = [*"buildah bud --format docker --isolation chroot --pull-never".split(), "-t", IMAGE]
    command += ["--ignorefile", str(DEPLOY / "container/.containerignore"), "--build-arg", f"BASE={BASE}"]
    command += [*"--volume /etc/ssl/certs:/etc/ssl/certs:ro".split(), "-f", str(CONTAINERFILE), str(ROOT)]
    run(*command, timeout=300)
    yield IMAGE
    run("podman", "rmi", "--force", IMAGE, BASE, check=False)


@builds
def test_the_demo_passes_in_it(image: str, figures: Callable[..., None]) -> None:
    """Read-only, no privileges, no network, a user of its own; size and time of start are told."""
    started = time.perf_counter()
    version = run(*SAFE, image, "--version")
    seconds = time.perf_counter() - started
    demo = run(*SAFE, image, "demo")
    who = run(
        *SAFE, "--entrypoint", "/opt/syncer/bin/python", image, "-c", "import os; print(os.getuid(), os.getgid())"
    )
    size, base = (json.loads(run("podman", "image", "inspect", one))[0]["Size"] for one in (image, BASE))
    figures("image", size_mb=size // 1_000_000, of_it_syncer_mb=(size - base) // 1_000_000, start_s=round(seconds, 2))

    assert version == f"syncer, version {__version__}\n"
    assert "16 texts" in demo
    assert who == "65532 65532\n"
    assert size - base < 100_000_000


@builds
def test_nothing_but_its_folder_can_be_written(image: str) -> None:
    """And what is wrong is said in one line with its exit code."""
    write = [*SAFE, "--entrypoint", "/opt/syncer/bin/python", image, "-c", "open('/opt/syncer/x', 'w')"]
    status = subprocess.run([*SAFE, image, "status"], capture_output=True, text=True, check=False)
    unset = subprocess.run([*SAFE, image, "run"], capture_output=True, text=True, check=False)

    assert "Read-only file system" in run(*write, check=False)
    assert status.returncode == 1
    assert "does not exist" in status.stderr
    assert unset.returncode == 2
    assert "CALENDLY_TOKEN: is missing" in unset.stderr


@builds
def test_the_image_knows_the_zones_of_the_world(image: str) -> None:
    """From the package, not from the base."""
    code = "import zoneinfo; zoneinfo.reset_tzpath([]); print(zoneinfo.ZoneInfo('Asia/Kathmandu'))"

    assert run(*SAFE, "--entrypoint", "/opt/syncer/bin/python", image, "-c", code) == "Asia/Kathmandu\n"
    found = json.loads(run("podman", "image", "inspect", image))[0]
    assert found["Healthcheck"]["Test"][-2:] == ["syncer", "status"]
    assert found["Config"]["Labels"]["org.opencontainers.image.title"] == "syncer"
