"""Who may import whom, and who may do I/O: the architecture, read off the source."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT

STDLIB = frozenset(sys.stdlib_module_names)
DOES_IO = frozenset(
    {"asyncio", "ftplib", "http", "imaplib", "multiprocessing", "os", "poplib", "select", "selectors", "shutil",
     "smtplib", "socket", "ssl", "subprocess", "tempfile", "time", "urllib.request"}
)  # fmt: skip
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
PURE = ("observation", "policy", "x509", "analysis", "checks", "firewall", "services", "evaluation")
GROUND = ("endpoint", "json_codec", "redaction", "text", "verdict")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "text": (),
    "redaction": (),
    "endpoint": ("text",),
    "json_codec": (),
    "verdict": ("text",),
    "observation": GROUND,
    "policy": GROUND,
    "checks": (*GROUND, "policy"),
    "x509": ("endpoint", "json_codec", "text", "policy"),
    "firewall": (*GROUND, "observation"),
    "services": (*GROUND, "observation"),
    "analysis": ("endpoint", "text", "observation", "policy", "firewall", "x509"),
    "checks/*": (*GROUND, "checks", "observation", "policy", "firewall", "x509", "analysis"),
    "evaluation": (*GROUND, "checks", "observation", "policy", "x509", "analysis"),
    "probe": (*GROUND, "observation", "policy", "x509", "analysis"),
    "host": (*GROUND, "observation", "firewall", "services", "x509", "probe"),
    "config": (*GROUND, "checks", "observation", "policy", "services", "x509", "host", "probe", "evaluation"),
    "engine": (*GROUND, "checks", "observation", "policy", "x509", "analysis", "evaluation", "probe"),
    "fleet": (
        *GROUND,
        "checks",
        "observation",
        "policy",
        "x509",
        "analysis",
        "evaluation",
        "probe",
        "config",
        "engine",
    ),
    "__init__": (*GROUND, "checks", "observation", "policy", "x509", "evaluation", "probe"),
}
"""What each module and package of `audit` may import of the others: only what stands above it."""
REPAIR_MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "model": (),
    "hosts": ("model",),
    "pki": ("model", "hosts"),
    "installers": ("model", "hosts"),
    "issuers": ("model", "hosts", "pki"),
    "challenges": ("model", "hosts", "pki"),
    "access_logs": ("model", "hosts", "challenges"),
    "state": ("model", "pki"),
    "cpanel": ("model", "hosts", "installers"),
    "deployment": ("model", "hosts", "installers", "cpanel"),
    "planning": ("model", "hosts", "cpanel"),
    "retry": ("model", "hosts", "pki", "cpanel"),
    "notify": ("model", "hosts", "pki", "state", "planning"),
    "execution": ("model", "hosts", "pki", "installers", "issuers", "challenges", "access_logs", "state", "deployment",
                  "cpanel", "planning", "retry"),
    "wiring": ("model", "hosts", "installers", "issuers", "challenges", "state", "cpanel", "planning", "notify",
               "execution"),
    "run": ("model", "hosts", "installers", "state", "deployment", "planning", "retry", "notify", "execution",
            "wiring"),
    "cli": ("model", "challenges", "state", "deployment", "planning", "notify", "execution", "wiring", "run"),
    "__main__": ("cli",),
    "__init__": (),
}  # fmt: skip
"""The same for `remediate`."""
PLUGIN_MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "activation": (),
    "hookspecs": (),
    "settings": (),
    "evidence": ("settings",),
    "run_state": ("settings", "evidence"),
    "targets": ("settings", "evidence"),
    "fleet": ("settings", "evidence", "run_state"),
    "fixtures": ("run_state",),
    "outcome": ("run_state",),
    "reports": ("activation", "evidence", "run_state", "outcome"),
    "items": ("activation", "settings", "evidence", "run_state", "fixtures", "outcome", "reports"),
    "controller": ("activation", "settings", "evidence", "run_state", "targets", "fleet", "reports", "items"),
    "remediation": ("activation", "settings", "targets", "reports", "items", "controller"),
    "cli": ("settings", "run_state", "reports", "controller"),
    "checkallsslcerts": ("cli",),
    "session": ("activation", "settings", "evidence", "run_state", "fixtures", "reports", "items", "controller",
                "remediation"),
    "plugin": ("activation", "hookspecs", "session"),
    "__init__": (),
}  # fmt: skip
"""The same for `pytest_sslaudit`: no report imports the repair, and only `session` brings the parts together."""
READS_PACKAGE_DATA = tuple(
    CHECKOUT / f"audit/{name}.py" for name in ("policy/profile_file", "services/model", "observation/tls_registry")
)
LOADS_LAZILY = (CHECKOUT / "audit/__init__.py", CHECKOUT / "audit/checks/__init__.py")
MOST_ENTRIES = 17
CROWDED: dict[str, int] = {"audit": 18}
MOST_LINES = 500
LEAST_LINES = 40
SHORT_BY_DESIGN = {
    "*/__init__.py": "the front of a package",
    "*/__main__.py": "starts a program",
    "*/base.py": "the interface of a table's rows, which each row imports",
    "audit/checks/test_*.py": "one file a subject",
    "audit/x509/lint/*.py": "one file a subject",
    "remediate/installers/*.py": "one file a service",
    "audit/config/arguments.py": "the parser of all programs: `remediate` may not import that of the plugin",
    "pytest_sslaudit/checkallsslcerts.py": "installed timers and jobs start a module of this name",
    "pytest_sslaudit/hookspecs.py": "pluggy reads the hooks of a plugin from a module of their own",
}
"""The modules that may be short, by a pattern of their path, with the reason."""
SHORT: set[str] = set()
"""Other short modules. Each is to become part of the module that it belongs to; this set only shrinks."""
MOST_LEVELS = 12  # within a package
LEVELS_OF_ALL = 21  # from `pytest_sslaudit.plugin` down to `audit.text`; to shrink
BY_CONVENTION = {
    "on_host": ("remediate/deployment/*", "what the table of deployments takes from the file of a kind"),
    "INSTALLER": ("remediate/installers/*", "what the table of installers takes from the file of a service"),
    "SERVICE": ("audit/services/*", "what the table of services takes from the file of a service"),
    "read": ("audit/services/*", "the reader of a service's configuration"),
    "T": ("*", "a type variable"),
    "main": ("pytest_sslaudit/cli/*", "the start of a program"),
}
"""The names that are the same in every file of a kind: the pattern of these files, and what the name is there."""
DOUBLED: dict[str, dict[str, str]] = {
    "audit": {},
    "remediate": {},
    "pytest_sslaudit": {},
}
"""Other names that several modules of a package define, with these modules; this table only shrinks."""
TOP = ("audit", "remediate", "pytest_sslaudit")
JUDGES_WITH = frozenset({"badkeys", "cryptography", "gmpy2", "idna", "pkilint", "publicsuffixlist"})
PROBES_WITH = JUDGES_WITH | {"OpenSSL", "certifi", "dns", "testinfra", "pytest"}
REPAIRS_WITH = JUDGES_WITH | {"certifi", "dns", "jinja2", "requests", "testinfra"}
PLUGS_IN_WITH = PROBES_WITH | {"certifi", "_pytest", "pluggy", "pytest_html", "xdist", "execnet", "dask", "distributed"}


@cache
def sources(package: str) -> tuple[Path, ...]:
    """Return the source files below a package's folder."""
    return tuple(sorted((CHECKOUT / package).rglob("*.py")))


def pure() -> tuple[Path, ...]:
    """Return the modules of judgement: all of `audit` but the packages, and the engine, that do I/O."""
    top = (file for file in sources("audit") if file.parent.name == "audit" and file.stem != "engine")
    return (*top, *(file for file in sources("audit") if part_of(file) in PURE))


def part_of(file: Path) -> str:
    """Return the part of `audit` that a file belongs to: a row of MAY_IMPORT."""
    first, *rest = file.relative_to(CHECKOUT / "audit").with_suffix("").parts
    return "checks/*" if first == "checks" and rest != ["__init__"] else first


def imported(file: Path) -> Iterator[str]:
    """Yield the dotted name of every module a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, *packages: str) -> bool:
    """Return whether a module is one of these packages or below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def foreign(file: Path, *allowed: str) -> list[str]:
    """Return what a file imports beside the standard library and these packages."""
    return [name for name in imported(file) if name.partition(".")[0] not in STDLIB and not within(name, *allowed)]


def named(files: tuple[Path, ...]) -> list[object]:
    """Return parameters with the path as id."""
    return [pytest.param(file, id=str(file.relative_to(CHECKOUT))) for file in files]


@pytest.mark.parametrize("file", named(sources("audit")))
def test_module_of_audit_imports_only_parts_above_its_own(file: Path) -> None:
    part = part_of(file)
    others = [name.split(".")[1] for name in imported(file) if within(name, "audit") and "." in name]
    assert set(others) - {part.partition("/")[0], *MAY_IMPORT[part]} == set()


@pytest.mark.parametrize("file", named(pure()))
def test_judgement_imports_the_standard_library_and_cryptography_only(file: Path) -> None:
    assert foreign(file, "audit", *JUDGES_WITH) == []


@pytest.mark.parametrize("file", named(pure()))
def test_judgement_does_no_io_and_reads_no_clock(file: Path) -> None:
    assert [name for name in imported(file) if within(name, *DOES_IO)] == []
    assert_calls_are_pure(file)


def assert_calls_are_pure(file: Path) -> None:
    """Assert that a module opens no file, prints nothing and reads no clock."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("open", "print", "input")]
    asked = {
        (call.value.id, call.attr)
        for call in calls
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)
    }
    assert not asked & CLOCKS


@pytest.mark.parametrize(
    "file", named(tuple(file for file in pure() if file not in (*READS_PACKAGE_DATA, *LOADS_LAZILY)))
)
def test_only_package_data_is_read_from_files(file: Path) -> None:
    reads = ("pathlib.Path", "importlib", "io")
    assert [name for name in imported(file) if within(name, *reads) and name != "pathlib.PurePosixPath"] == []


def test_toml_is_parsed_in_one_module() -> None:
    parsers = [file for file in every_source() if "tomllib" in imported(file)]
    assert [str(file.relative_to(CHECKOUT)) for file in parsers] == ["audit/json_codec.py"]


@pytest.mark.parametrize("file", named(sources("audit")))
def test_audit_imports_neither_plugin_nor_repair(file: Path) -> None:
    assert [name for name in imported(file) if within(name, "pytest_sslaudit", "remediate", "tests")] == []
    assert foreign(file, "audit", *PROBES_WITH) == []


@pytest.mark.parametrize("file", named(sources("pytest_sslaudit")))
def test_only_the_repair_and_the_programs_of_the_plugin_import_remediate(file: Path) -> None:
    repair = ("remediate",) if file.parent.name in ("remediation", "cli") else ()
    assert foreign(file, "audit", "pytest_sslaudit", *repair, *PLUGS_IN_WITH) == []


@pytest.mark.parametrize("file", named(sources("remediate")))
def test_repair_imports_the_audit_and_neither_pytest_nor_plugin(file: Path) -> None:
    assert foreign(file, "audit", "remediate", *REPAIRS_WITH) == []


@pytest.mark.parametrize("file", named(sources("remediate")))
def test_module_of_remediate_imports_only_parts_above_its_own(file: Path) -> None:
    part = file.relative_to(CHECKOUT / "remediate").with_suffix("").parts[0]
    others = {name.split(".")[1] for name in imported(file) if within(name, "remediate") and "." in name}
    assert others - {part, *REPAIR_MAY_IMPORT[part]} == set()
    assert [name for name in imported(file) if within(name, "audit.checks", "audit.services.cpanel")] == []


@pytest.mark.parametrize("file", named(sources("pytest_sslaudit")))
def test_module_of_the_plugin_imports_only_parts_above_its_own(file: Path) -> None:
    part = file.relative_to(CHECKOUT / "pytest_sslaudit").with_suffix("").parts[0]
    others = {name.split(".")[1] for name in imported(file) if within(name, "pytest_sslaudit") and "." in name}
    assert others - {part, *PLUGIN_MAY_IMPORT[part]} == set()


@pytest.mark.parametrize("table", [MAY_IMPORT, REPAIR_MAY_IMPORT, PLUGIN_MAY_IMPORT], ids=TOP)
def test_parts_import_one_another_in_one_direction(table: dict[str, tuple[str, ...]]) -> None:
    above: set[str] = set()
    for part, others in table.items():
        assert set(others) <= above, part
        above.add(part)


@pytest.mark.parametrize("kind", ["issuers", "challenges", "installers", "notify.channels"])
def test_members_of_a_table_import_neither_one_another_nor_their_table(kind: str) -> None:
    folder = CHECKOUT / "remediate" / kind.replace(".", "/")
    shared = ("base", "daemon", "http", "http_probe", "self_tests", "store_responses", "email_body", "email_message",
              "webhook_message")  # fmt: skip
    for file in folder.glob("*.py"):
        if file.stem not in ("__init__", *shared):
            own = tuple(f"remediate.{kind}.{name}" for name in shared)
            within_kind = [name for name in imported(file) if within(name, f"remediate.{kind}")]
            assert [name for name in within_kind if not within(name, *own)] == [], file.name


def test_packages_have_few_entries() -> None:
    folders = {file.parent for package in TOP for file in sources(package)}
    crowded = {
        str(folder.relative_to(CHECKOUT)): count for folder in folders if (count := entries(folder)) > MOST_ENTRIES
    }
    assert crowded == CROWDED


def entries(folder: Path) -> int:
    """Return how many modules and packages a folder lists."""
    listed = [entry for entry in folder.iterdir() if entry.suffix in ("", ".py") and entry.name != "__pycache__"]
    return len([entry for entry in listed if not entry.name.startswith(("__", "test_"))])


def every_source() -> tuple[Path, ...]:
    """Return the source files of all three packages."""
    return tuple(file for package in TOP for file in sources(package))


def lines_of(file: Path) -> int:
    """Return how many lines a file has."""
    return len(file.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("file", named(every_source()))
def test_module_is_not_too_long(file: Path) -> None:
    assert lines_of(file) <= MOST_LINES


def test_module_is_not_too_short_without_a_reason() -> None:
    short = {str(file.relative_to(CHECKOUT)) for file in every_source() if lines_of(file) < LEAST_LINES}
    assert {path for path in short if not any(fnmatch(path, pattern) for pattern in SHORT_BY_DESIGN)} == SHORT
    assert [pattern for pattern in SHORT_BY_DESIGN if not any(fnmatch(path, pattern) for path in short)] == []


def public_names(file: Path) -> Iterator[str]:
    """Yield the functions, classes and constants of a module whose name has no leading underscore."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names = [node.name]
            case ast.Assign():
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_"))


def is_conventional(name: str, file: Path) -> bool:
    """Return whether a name is the same in every file of this kind."""
    return name in BY_CONVENTION and fnmatch(str(file.relative_to(CHECKOUT)), BY_CONVENTION[name][0])


@pytest.mark.parametrize("package", TOP)
def test_public_name_is_defined_in_one_module(package: str) -> None:
    places = defaultdict(set)
    for file in sources(package):
        for name in public_names(file):
            places[name].add(Path() if is_conventional(name, file) else file)
    assert {name for name, files in places.items() if len(files) > 1} == set(DOUBLED[package])


def is_private(name: str) -> bool:
    """Return whether a name has a leading underscore and is not one of Python's own."""
    return name.startswith("_") and not name.endswith("__")


@pytest.mark.parametrize("file", named(every_source()))
def test_name_that_another_module_uses_has_no_leading_underscore(file: Path) -> None:
    names = [name for name in imported(file) if within(name, *TOP)]
    assert [name for name in names if any(is_private(part) for part in name.split("."))] == []
    ours = {name.rpartition(".")[2] for name in names}
    tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    reached = [node for node in tree if isinstance(node, ast.Attribute) and is_private(node.attr)]
    assert [node.attr for node in reached if isinstance(node.value, ast.Name) and node.value.id in ours] == []


@pytest.mark.parametrize("file", named(tuple(file for file in every_source() if "__all__" in file.read_text("utf-8"))))
def test_module_has_every_name_that_it_exports(file: Path) -> None:
    module = importlib.import_module(
        ".".join(file.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
    )
    assert [name for name in module.__all__ if is_private(name) or not hasattr(module, name)] == []


def imports_between_parts() -> dict[str, set[str]]:
    """Return what each package and top-level module of the three imports of the others."""
    graph = defaultdict[str, set[str]](set)
    for file in every_source():
        part = part_named(".".join(file.relative_to(CHECKOUT).with_suffix("").parts))
        graph[part] |= {part_named(name) for name in imported(file) if within(name, *TOP)} - {part}
    return graph


def part_named(module: str) -> str:
    """Return the part of a top-level package that a module or a name in it belongs to."""
    top, name, *_ = (*module.split("."), "__init__")
    is_part = name != "__init__" and any((CHECKOUT / top / entry).exists() for entry in (name, f"{name}.py"))
    return f"{top}.{name}" if is_part else top


def levels(graph: dict[str, set[str]]) -> int:
    """Return how many parts import one another in a row; raises graphlib.CycleError if they do so in a circle."""
    order, count = TopologicalSorter(graph), 0
    order.prepare()
    while order.is_active():
        order.done(*order.get_ready())
        count += 1
    return count


def test_parts_of_all_packages_import_one_another_in_one_direction() -> None:
    assert levels(imports_between_parts()) <= LEVELS_OF_ALL


@pytest.mark.parametrize("package", TOP)
def test_parts_of_a_package_import_one_another_in_few_levels(package: str) -> None:
    own = {part: others for part, others in imports_between_parts().items() if within(part, package)}
    assert levels({part: {other for other in others if other in own} for part, others in own.items()}) <= MOST_LEVELS


DECIDES = tuple(
    file
    for part in (
        *("model", "planning", "pki/csr.py", "pki/issued_chain.py", "pki/secret_scan.py", "retry/backoff.py"),
        *("access_logs/parser.py", "access_logs/timestamps.py", "access_logs/clients.py", "cpanel/service_files.py"),
        *("notify/notification.py", "notify/changes.py", "notify/items.py", "notify/settings.py", "notify/report.py"),
        *("notify/delivery.py", "notify/channels/base.py", "notify/channels/email_body.py", "cli/output.py"),
        "notify/channels/webhook_message.py",
    )
    for file in (sources(f"remediate/{part}") if not part.endswith(".py") else (CHECKOUT / "remediate" / part,))
    if file.name != "options.py"  # it holds the clock and the event by which a run is stopped
)


@pytest.mark.parametrize("file", named(DECIDES))
def test_decision_of_the_repair_does_no_io_and_reads_no_clock(file: Path) -> None:
    io = (*DOES_IO, "pathlib", "sqlite3", "random", "secrets", "requests")
    assert [name for name in imported(file) if within(name, *io)] == []
    assert_calls_are_pure(file)


MESSAGES = tuple(
    CHECKOUT / "remediate" / name
    for name in (
        *("notify/settings.py", "notify/delivery.py", "notify/notification.py", "notify/recipients.py"),
        *("notify/channels/base.py", "notify/channels/email_body.py", "notify/channels/email_message.py"),
        *("model/causes.py", "pki/secret_scan.py", "retry/at_queue.py"),
    )
)


@pytest.mark.parametrize("file", named(MESSAGES))
def test_messages_and_resume_jobs_are_values(file: Path) -> None:
    senders = ("remediate.notify.channels.smtp", "remediate.notify.channels.sendmail")
    keepers = ("remediate.state.journal", "remediate.execution.scheduler")
    assert [name for name in imported(file) if within(name, *DOES_IO, *senders, *keepers)] == []
    assert ".now(" not in file.read_text(encoding="utf-8")


def test_module_names_have_no_vague_word() -> None:
    vague = ("manager", "helper", "util", "handler", "processor")
    assert [file.name for file in every_source() if any(word in file.stem for word in vague)] == []


@pytest.mark.parametrize("module", ["audit.host.discovery", "audit.host.inspect", "audit.config", "audit.probe"])
def test_module_can_be_the_first_that_is_imported(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_cpu_time_is_measured_by_its_helper_alone() -> None:
    files = [file for file in sources("tests") if re.search(r"\b(process|thread)_time\b", file.read_text())]
    assert [str(file.relative_to(CHECKOUT)) for file in files] == [
        "tests/support/cpu_time.py",
        "tests/support/idle_plugin.py",  # measures the import of the plugin, in a process of its own
    ]
