"""What is shipped: the wheel, the source archive, and the lock files it is installed from."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import policy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import syncer
from support.repository import ROOT

if TYPE_CHECKING:
    from email.message import EmailMessage

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EVERYTHING = ROOT / ".ci" / "requirements.txt"
PRODUCT = ROOT / "deploy" / "requirements.txt"

TRIAL = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import syncer
from syncer.store import Store, database
now = datetime(2026, 11, 23, tzinfo=UTC)
with Store(database.open_writable(Path(sys.argv[1]))) as store:
    store.be_born(now)
    assert store.born_at == now and store.messages() == []
print(Path(syncer.__file__).parent)
print(*database.migration_names())
print(*database.applied_migrations(Path(sys.argv[1])))
"""
"""Run where nothing but the unpacked wheel is `syncer`: makes a database with the migrations that it carries."""


def build(source: Path, target: str, out: Path) -> Path:
    """Build one archive, without a network and without leaving anything in the source."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=source,
        check=True,
        capture_output=True,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1795348800", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    [made] = out.iterdir()
    return made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, as a fresh clone has it, and one file more that is nobody's business."""
    copy = tmp_path_factory.mktemp("source") / "syncer"
    copy.mkdir()
    litter = shutil.ignore_patterns("__pycache__", "*.pyc", "*.db*", ".hypothesis")
    for name in ("syncer", "migrations", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=litter)
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "syncer" / "left-over.db").write_text("numbers of people")
    (copy / ".env").write_text("CALENDLY_TOKEN=real")
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return build(source, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive."""
    return build(source, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as an installer puts it down."""
    folder = tmp_path_factory.mktemp("site")
    shutil.unpack_archive(wheel, folder, "zip")
    return folder


def names(wheel: Path) -> set[str]:
    """List what a wheel holds."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(unpacked: Path) -> EmailMessage:
    """Read what the wheel says of itself."""
    [path] = unpacked.glob("calendly_syncer-*.dist-info/METADATA")
    return email.message_from_string(path.read_text(encoding="utf-8"), policy=policy.default)


def run(unpacked: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the unpacked wheel comes before anything that is installed here."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )


# The wheel.


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every file of the package, the migrations in it, the licence; no tests, no settings, no database."""
    version = PROJECT["project"]["version"]
    info = f"calendly_syncer-{version}.dist-info"
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "syncer").rglob("*")
        if path.suffix in {".py", ".html", ".typed"}
    }
    migrations = {f"syncer/migrations/{path.name}" for path in (ROOT / "migrations").glob("*.sql")}
    about = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}

    assert wheel.name == f"calendly_syncer-{version}-py3-none-any.whl"
    assert names(wheel) == package | migrations | about
    assert names(wheel) >= {"syncer/migrations/0001_initial.sql", "syncer/sandbox/page.html", "syncer/cli/__init__.py"}


def test_a_package_that_says_it_is_typed_is(wheel: Path) -> None:
    """Without `py.typed` type checkers pass over the annotations that the classifier promises."""
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]
    assert "syncer/py.typed" in names(wheel)


def test_the_wheel_is_the_same_each_time(source: Path, wheel: Path, tmp_path: Path) -> None:
    """Whoever builds a release gets its bytes: they can be compared."""
    assert build(source, "wheel", tmp_path / "again").read_bytes() == wheel.read_bytes()


def test_building_leaves_nothing_in_the_checkout(source: Path, wheel: Path, sdist: Path) -> None:
    """No build folder, no egg-info."""
    assert wheel.exists()
    assert sdist.exists()
    assert sorted(path.name for path in source.iterdir()) == sorted(
        [
            ".env",
            ".gitignore",
            "CHANGELOG.md",
            "LICENSE",
            "README.md",
            "migrations",
            "pyproject.toml",
            "syncer",
            "tests",
        ]
    )


def test_the_wheel_says_what_it_needs(unpacked: Path) -> None:
    """Name, version, Python, dependencies, the extra, the command, the licence: as in pyproject.toml."""
    project, about = PROJECT["project"], metadata(unpacked)
    needed = {str(Requirement(text)) for text in project["dependencies"]}
    required = [Requirement(text) for text in about.get_all("Requires-Dist", [])]
    [commands] = unpacked.glob("*.dist-info/entry_points.txt")

    assert (about["Name"], about["Version"], about["License-Expression"]) == (
        "calendly-syncer",
        syncer.__version__,
        "MIT",
    )
    assert project["version"] == syncer.__version__
    assert set(about["Requires-Python"].split(",")) == set(project["requires-python"].split(","))
    assert {str(one) for one in required if one.marker is None} == needed
    assert {one.name for one in required if one.marker is not None} == {
        Requirement(text).name for text in project["optional-dependencies"]["sandbox"]
    }
    assert commands.read_text(encoding="utf-8").split() == ["[console_scripts]", "syncer", "=", "syncer.cli:main"]


def test_the_unpacked_wheel_makes_a_database(unpacked: Path, tmp_path: Path) -> None:
    """It finds the migrations that it carries, far from any checkout, and applies all of them."""
    done = run(unpacked, tmp_path, "-c", TRIAL, str(tmp_path / "new.db"))
    migrations = " ".join(sorted(path.stem for path in (ROOT / "migrations").glob("*.sql")))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str(unpacked / "syncer"), migrations, migrations]


def test_the_unpacked_wheel_has_its_command(unpacked: Path, tmp_path: Path) -> None:
    """`python -m syncer` works from anywhere; listing migrations needs no settings."""
    version = run(unpacked, tmp_path, "-m", "syncer", "--version")
    usage = run(unpacked, tmp_path, "-m", "syncer", "--help")

    assert (version.returncode, version.stdout) == (0, f"syncer, version {syncer.__version__}\n")
    assert usage.returncode == 0
    assert "demo" in usage.stdout


def test_the_unpacked_wheel_has_its_sandbox_page(unpacked: Path, tmp_path: Path) -> None:
    """The page is a file beside the code: it is there after an installation, too."""
    done = run(unpacked, tmp_path, "-c", "from syncer.sandbox import page; print(page.__file__)")

    assert (done.returncode, done.stderr) == (0, "")
    assert (
        Path(done.stdout.strip()).with_name("page.html").read_bytes()
        == (ROOT / "syncer" / "sandbox" / "page.html").read_bytes()
    )


def test_an_installation_without_migrations_says_so(wheel: Path, tmp_path: Path) -> None:
    """A wheel built without them must not make a database without tables."""
    shutil.unpack_archive(wheel, tmp_path / "site", "zip")
    shutil.rmtree(tmp_path / "site" / "syncer" / "migrations")
    done = run(tmp_path / "site", tmp_path, "-c", TRIAL, str(tmp_path / "new.db"))

    assert done.returncode == 1
    assert "StoreError: this installation has no migrations" in done.stderr


# The source archive.


def test_the_source_archive_holds_what_is_needed_to_build_and_to_test(sdist: Path) -> None:
    """Code, migrations, tests, texts; nothing that git ignores."""
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}

    assert found >= {
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "migrations/0001_initial.sql",
        "syncer/sandbox/page.html",
        "tests/conftest.py",
    }
    assert [name for name in found if name.endswith((".db", ".env", ".pyc"))] == []


def test_the_wheel_of_the_source_archive_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """Packagers start from the archive: it must not lack what the checkout has."""
    # Debian 12's Python 3.11.2 does not know filters yet; later ones warn without.
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, **safely)  # noqa: S202  our own archive, just made
    [inside] = tmp_path.iterdir()

    assert names(build(inside, "wheel", tmp_path / "out")) == names(wheel)


# The lock files.


class Locked(NamedTuple):
    """One requirement of a lock file."""

    version: str
    hashes: frozenset[str]


def locked(path: Path) -> dict[str, Locked]:
    """Read a lock file: every line must be a requirement with one version, or a hash of it."""
    found: dict[str, Locked] = {}
    for entry in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.startswith("#"):
            continue
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        parsed = Requirement(requirement)
        [specifier] = parsed.specifier
        assert (specifier.operator, parsed.url) == ("==", None), entry
        name = canonicalize_name(parsed.name)
        assert name not in found, entry
        found[name] = Locked(specifier.version, frozenset(hashes))
    return found


@pytest.mark.parametrize("path", [EVERYTHING, PRODUCT], ids=["everything", "the product"])
def test_every_requirement_has_its_hashes(path: Path) -> None:
    """`pip install --require-hashes` takes exactly the files that were locked."""
    found = locked(path)

    assert len(found) > 15
    assert [name for name, one in found.items() if not one.hashes] == []
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", text) for one in found.values() for text in one.hashes)


@pytest.mark.parametrize("path", [EVERYTHING, PRODUCT], ids=["everything", "the product"])
def test_a_lock_file_names_no_server(path: Path) -> None:
    """Where packages come from is the reader's business; an address here could redirect an installation."""
    text = path.read_text(encoding="utf-8")
    options = [line for line in text.splitlines() if line.lstrip().startswith("-") and "--hash=sha256:" not in line]

    assert options == []
    assert re.findall(r"https?:|file:|://|@ |\.whl|\.tar\.gz|pypi|index|mirror", text) == []


def test_the_product_is_tested_with_the_versions_it_ships_with() -> None:
    """What is deployed is a part of what the tests ran with: the same versions, the same files."""
    everything, product = locked(EVERYTHING), locked(PRODUCT)

    assert {name: one for name, one in product.items() if everything.get(name) != one} == {}
    assert len(product) < len(everything)


def wanted(texts: list[str]) -> dict[str, Requirement]:
    """Read requirements as pyproject.toml has them."""
    return {canonicalize_name(one.name): one for one in map(Requirement, texts)}


def test_the_locked_versions_are_those_that_the_project_allows() -> None:
    """Each dependency is locked, in a version within its bounds: nobody changed one file without the other."""
    project = PROJECT["project"]
    runtime = wanted(project["dependencies"])
    rest = wanted(project["optional-dependencies"]["sandbox"] + PROJECT["dependency-groups"]["dev"])
    everything, product = locked(EVERYTHING), locked(PRODUCT)

    assert set(runtime) <= set(product)
    assert set(runtime) | set(rest) <= set(everything)
    for name, requirement in (runtime | rest).items():
        assert requirement.specifier.contains(everything[name].version), name


def test_tools_are_not_deployed() -> None:
    """Production gets neither the tests' libraries nor the sandbox."""
    rest = wanted(PROJECT["project"]["optional-dependencies"]["sandbox"] + PROJECT["dependency-groups"]["dev"])

    assert set(rest) & set(locked(PRODUCT)) == set()


def test_what_a_build_needs_is_locked_with_it() -> None:
    """A build without a network finds its backend among the locked packages."""
    for name, requirement in wanted(PROJECT["build-system"]["requires"]).items():
        assert requirement.specifier.contains(locked(EVERYTHING)[name].version), name
