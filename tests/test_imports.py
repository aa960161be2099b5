"""The shape of the code: who may import whom, who reads the clock, who says SQL, how long a function is."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


FAMILIES = {
    "base": "model errors reasons spans",
    "lean": "lean",
    "pure": "rules diff guards moves past recipients phones cleaning dates wording templates quiet plan reconcile"
    " outbox doubles births foresight forgetting report ports sieve questions guest_number"
    " names gsm zones zone_names pauses send_pace send_queue outages intervals",
    "log": "log",
    "notify": "notify",
    "stopping": "stopping",
    "http": "http addresses deadline lenient",
    "calendly": "calendly calendly_accounts calendly_answers calendly_asking calendly_pages calendly_remedies"
    " calendly_shapes abreast pace",
    "engagelab": "engagelab engagelab_shapes",
    "store": "store",
    "config": "config zone_data",
    "work": "run cancellation_guard listing reading planning flights sending preflight delivery worker",
    "cli": "cli __main__",
    "demo": "demo",
    "sandbox": "sandbox",
}
"""Every module of the package, by what kind it is."""

MAY_IMPORT = {
    "base": "base",
    "pure": "base pure",
    "lean": "",
    "log": "lean",
    "notify": "",
    "stopping": "",
    "http": "base http lean",
    "calendly": "base pure http calendly",
    "engagelab": "base pure http engagelab",
    "store": "base pure store",
    "config": "base pure config",
    "work": "base pure log store config work",
    "cli": "base pure log notify stopping http calendly engagelab store config work cli demo sandbox",
    "demo": "base pure log http calendly engagelab store config work cli demo sandbox",
    "sandbox": "sandbox",
}
"""One way only: adapters never import each other, the worker knows clients by their protocols, the sandbox nobody."""

PURE_LIBRARIES = frozenset(
    "__future__ array bisect collections dataclasses datetime enum functools hashlib heapq itertools re sys types"
    " typing unicodedata urllib.parse zlib zoneinfo babel phonenumbers syncer".split()
)
"""All that a pure module may import: nothing here opens a file, asks a server, reads a clock or writes a log."""

ONLY_IN = {
    "httpx": ["syncer/addresses.py", "syncer/http.py"],
    "httpcore": ["syncer/deadline.py"],
    "sqlite3": ["syncer/store/database.py", "syncer/store/troubles.py"],
    "sqlite_utils": ["syncer/store/database.py", "syncer/store/sql.py", "syncer/store/store.py"],
    "structlog": ["syncer/log.py"],
    "click": ["syncer/cli/"],
    "rich": ["syncer/cli/showing.py"],
    "starlette": ["syncer/sandbox/", "syncer/cli/trying.py"],  # which says what to install
    "uvicorn": ["syncer/sandbox/", "syncer/cli/trying.py"],
    "jinja2": ["syncer/sandbox/", "syncer/cli/trying.py"],
    "schedule": ["syncer/worker.py"],
    "tenacity": ["syncer/calendly_asking.py", "syncer/engagelab.py"],
    "dotenv": ["syncer/config/sources.py"],
    "subprocess": [],
    "pickle": [],
    "requests": [],
}
"""Libraries that have one place; a folder ends in a slash."""

READS_THE_CLOCK = {"syncer/worker.py", "syncer/cli/building.py", "syncer/cli/probing.py"}

LONGEST_FUNCTION = 40


class Module(NamedTuple):
    """One file of the package."""

    path: str
    text: str

    @property
    def name(self) -> str:
        """Its dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return parse(self.text)


@cache
def parse(text: str) -> ast.Module:
    """Parse a file once."""
    return ast.parse(text)


MODULES = [
    Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "syncer").rglob("*.py"))
]
NAMES = {module.name for module in MODULES}


def family(name: str) -> str:
    """Say of which kind a module is; the package itself, with its version, is of none."""
    first = name.removeprefix("syncer").removeprefix(".").split(".")[0]
    return next((kind for kind, members in FAMILIES.items() if first in members.split()), "")


def imports(module: Module, nodes: Iterable[ast.AST] | None = None) -> Iterator[str]:
    """List what a module imports: modules by their whole dotted name, also those that only annotations need."""
    for node in ast.walk(module.tree) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module.path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in NAMES else str(node.module)


def at_import_time(tree: ast.Module) -> Iterator[ast.AST]:
    """List the nodes that run when the module is imported: not in functions, not under TYPE_CHECKING."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


def wrong_imports(module: Module) -> list[str]:
    """List the modules of this package that a module must not import."""
    allowed = MAY_IMPORT[family(module.name)].split() if family(module.name) else []
    ours = {name for name in imports(module) if name.split(".")[0] == "syncer"} - {"syncer"}
    return sorted(name for name in ours if family(name) not in allowed)


def impure_imports(module: Module) -> list[str]:
    """List the libraries that a pure module must not import."""
    return sorted({name for name in imports(module) if not {name, name.split(".")[0]} & PURE_LIBRARIES})


def misplaced_libraries(module: Module) -> list[str]:
    """List the libraries that have their place elsewhere."""
    return sorted(
        library
        for library in {name.split(".")[0] for name in imports(module)} & set(ONLY_IN)
        if not any(
            module.path == place or (place[-1] == "/" and module.path.startswith(place)) for place in ONLY_IN[library]
        )
    )


CLOCKS = re.compile(
    r"(?:.*\.)?(?:datetime|date)\.(?:now|utcnow|today)|time\.(?:time|time_ns|localtime|gmtime|ctime|strftime)"
)
TICKS = re.compile(r"time\.(?:monotonic|monotonic_ns|perf_counter|perf_counter_ns|process_time|sleep)")


def clock_reads(module: Module, clocks: re.Pattern[str] = CLOCKS) -> list[str]:
    """List where a module reads the clock, or hands a way to read it on."""
    names = [ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)]
    from_time = [node for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom) and node.module == "time"]
    return sorted(name for name in names if clocks.fullmatch(name)) + ["from time import"] * len(from_time)


def effects(module: Module) -> list[str]:
    """List what a pure module must not call."""
    called = [ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    forbidden = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}
    return sorted(forbidden & set(called)) + clock_reads(module) + clock_reads(module, TICKS)


SQL = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|PRAGMA|BEGIN|COMMIT|ROLLBACK|VACUUM|ATTACH|WITH)\s+\S"
)


def statements(module: Module) -> list[str]:
    """List the texts that look like SQL."""
    texts = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            texts.append("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
    return [text for text in texts if SQL.match(text)]


def long_functions(module: Module) -> list[str]:
    """List the functions that nobody can take in at a glance; what describes them (signature, docstring) is free."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            length = (node.end_lineno or 0) - first.lineno + 1
            if length > LONGEST_FUNCTION:
                found.append(f"{node.name}: {length} lines")
    return found


def all_wrong(check: Callable[[Module], list[str]], modules: Iterable[Module] = MODULES) -> dict[str, list[str]]:
    """Apply a check to modules; an empty answer means that all is well."""
    return {module.path: found for module in modules if (found := check(module))}


# The package.


def test_every_module_has_its_kind() -> None:
    """A new module is put into the table above before it imports anything; none is listed that is gone."""
    first_parts = {name.split(".")[1] for name in NAMES - {"syncer"}}

    assert first_parts == {member for members in FAMILIES.values() for member in members.split()}
    assert set(MAY_IMPORT) == set(FAMILIES)


def test_imports_go_one_way() -> None:
    """Nothing pure imports an adapter, no adapter another, nothing but the commands and the demo the sandbox."""
    assert all_wrong(wrong_imports) == {}


def test_pure_modules_import_nothing_that_has_effects() -> None:
    """No file, network, clock, thread or log is in reach of the core."""
    pure = [module for module in MODULES if family(module.name) in {"base", "pure"}]

    assert pure
    assert all_wrong(impure_imports, pure) == {}
    assert all_wrong(effects, pure) == {}


def test_libraries_have_their_place() -> None:
    """HTTP, SQL, the log, the command line, the web: each library in one corner."""
    assert all_wrong(misplaced_libraries) == {}


def test_the_package_itself_imports_nothing() -> None:
    """`import syncer` is free, so that `--version` and each module's own import are."""
    [package] = [module for module in MODULES if module.name == "syncer"]

    assert list(imports(package)) == []


def test_no_import_goes_in_a_circle() -> None:
    """Whatever is imported first, it works: at import time no family of modules comes back to itself."""
    edges: dict[str, set[str]] = {}
    for module in MODULES:
        part = ".".join(module.name.split(".")[:2])
        found = {".".join(name.split(".")[:2]) for name in imports(module, at_import_time(module.tree))}
        edges.setdefault(part, set()).update(name for name in found if name.startswith("syncer.") and name != part)
    while free := [name for name, others in edges.items() if not others & set(edges)]:
        for name in free:
            del edges[name]

    assert edges == {}


def test_only_the_outermost_functions_read_the_clock() -> None:
    """Everything below takes the present as an argument."""
    assert set(all_wrong(clock_reads)) == READS_THE_CLOCK


def test_only_the_store_says_sql() -> None:
    """Statements stand beside the schema they are made for."""
    outside = [module for module in MODULES if family(module.name) != "store"]
    inside = [module for module in MODULES if family(module.name) == "store"]

    assert all_wrong(statements, outside) == {}
    assert sum(map(len, all_wrong(statements, inside).values())) > 20


def test_canceled_has_one_l() -> None:
    """As both APIs and the database spell it: one spelling can be searched for."""
    files = [
        path
        for folder in ("syncer", "migrations")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql", ".html", ".toml"}
    ]

    assert len(files) > len(MODULES)
    assert [path.name for path in files if "cancelled" in path.read_text(encoding="utf-8").lower()] == []


def test_no_function_is_too_long() -> None:
    """What does not fit on a screen is two functions."""
    assert all_wrong(long_functions) == {}


# The checks themselves: each finds what it is for.


@pytest.mark.parametrize(
    ("check", "path", "text", "found"),
    [
        pytest.param(
            wrong_imports, "syncer/plan.py", "from syncer import log", ["syncer.log"], id="a pure module logs"
        ),
        pytest.param(
            wrong_imports, "syncer/plan.py", "import syncer.store.rows", ["syncer.store.rows"], id="a pure store"
        ),
        pytest.param(wrong_imports, "syncer/model.py", "from syncer.rules import X", ["syncer.rules"], id="model"),
        pytest.param(
            wrong_imports,
            "syncer/calendly.py",
            "from syncer.engagelab import X",
            ["syncer.engagelab"],
            id="one API another",
        ),
        pytest.param(
            wrong_imports, "syncer/store/sql.py", "def f():\n from syncer import http", ["syncer.http"], id="late"
        ),
        pytest.param(
            wrong_imports,
            "syncer/worker.py",
            "if TYPE_CHECKING:\n from syncer.calendly import X",
            ["syncer.calendly"],
            id="the worker a client, for a type",
        ),
        pytest.param(
            wrong_imports, "syncer/config/values.py", "from syncer.store import X", ["syncer.store"], id="config"
        ),
        pytest.param(
            wrong_imports, "syncer/worker.py", "import syncer.sandbox.app", ["syncer.sandbox.app"], id="the sandbox"
        ),
        pytest.param(
            wrong_imports, "syncer/sandbox/app.py", "from syncer.model import X", ["syncer.model"], id="sandbox"
        ),
        pytest.param(
            wrong_imports, "syncer/sandbox/app.py", "from syncer.sandbox import page", [], id="sandbox, itself"
        ),
        pytest.param(wrong_imports, "syncer/http.py", "from syncer import __version__", [], id="the version"),
        pytest.param(impure_imports, "syncer/plan.py", "import os, time\nimport re", ["os", "time"], id="the system"),
        pytest.param(effects, "syncer/plan.py", "print(open('x'))", ["open", "print"], id="a file"),
        pytest.param(effects, "syncer/plan.py", "x = datetime.now(UTC)", ["datetime.now"], id="the clock in the core"),
        pytest.param(
            clock_reads, "syncer/run.py", "f(datetime.datetime.utcnow)", ["datetime.datetime.utcnow"], id="by hand"
        ),
        pytest.param(clock_reads, "syncer/run.py", "time.time()\nworld.now()", ["time.time"], id="seconds"),
        pytest.param(clock_reads, "syncer/run.py", "from time import time", ["from time import"], id="seconds, hidden"),
        pytest.param(clock_reads, "syncer/run.py", "date.today()", ["date.today"], id="today"),
        pytest.param(misplaced_libraries, "syncer/calendly.py", "import httpx, re", ["httpx"], id="httpx elsewhere"),
        pytest.param(misplaced_libraries, "syncer/cli/looking.py", "import click", [], id="click at home"),
        pytest.param(misplaced_libraries, "syncer/cli/looking.py", "import subprocess", ["subprocess"], id="a shell"),
        pytest.param(
            statements, "syncer/cli/looking.py", 'x = f"SELECT {a} FROM b"', ["SELECT {} FROM b"], id="SQL in parts"
        ),
        pytest.param(statements, "syncer/cli/looking.py", 'x = "DELETE FROM b"', ["DELETE FROM b"], id="SQL"),
        pytest.param(statements, "syncer/cli/looking.py", '"Select one."\nx = ["DELETE", "PUT"]', [], id="no SQL"),
        pytest.param(long_functions, "syncer/plan.py", "def f():\n" + " x\n" * 41, ["f: 41 lines"], id="too long"),
        pytest.param(long_functions, "syncer/plan.py", "def f():\n" + " x\n" * 40, [], id="just not too long"),
    ],
)
def test_a_fault_is_found(check: Callable[[Module], list[str]], path: str, text: str, found: list[str]) -> None:
    """A planted fault is reported, and what is in order is not."""
    assert check(Module(path, text)) == found
