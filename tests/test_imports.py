"""Who may import whom, and who may do I/O: the architecture, read off the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
    "checks": GROUND,
    "x509": (*GROUND, "policy"),
    "firewall": (*GROUND, "observation"),
    "services": (*GROUND, "observation"),
    "analysis": (*GROUND, "observation", "policy", "firewall", "x509"),
    "checks/test_*": (*GROUND, "checks", "observation", "policy", "firewall", "x509", "analysis"),
    "evaluation": (*GROUND, "checks", "observation", "policy", "x509", "analysis"),
    "probe": (*GROUND, "observation", "policy", "x509", "analysis"),
    "host": (*GROUND, "observation", "firewall", "services", "x509", "probe"),
    "config": (*GROUND, "observation", "policy", "services", "x509", "host", "probe", "evaluation"),
    "engine": (*GROUND, "checks", "observation", "policy", "x509", "analysis", "evaluation", "probe"),
    "__init__": (*GROUND, "checks", "observation", "policy", "x509", "evaluation", "probe"),
}
"""What each module and package of `audit` may import of the others: only what stands above it."""
REPAIR_MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "model": (),
    "hosts": ("model",),
    "pki": ("model", "hosts"),
    "installers": ("model", "hosts"),
    "issuers": ("model", "pki"),
    "challenges": ("model", "hosts", "pki"),
    "access_logs": ("model", "hosts", "challenges"),
    "state": ("model", "pki"),
    "deployment": ("model", "hosts", "installers"),
    "cpanel": ("model", "hosts", "installers", "deployment"),
    "planning": ("model", "hosts", "cpanel"),
    "retry": ("model", "hosts", "pki", "cpanel"),
    "notify": ("model", "hosts", "pki", "state", "planning"),
    "execution": ("model", "hosts", "pki", "installers", "issuers", "challenges", "access_logs", "state", "deployment",
                  "cpanel", "planning", "retry"),
    "wiring": ("model", "hosts", "installers", "issuers", "challenges", "state", "cpanel", "planning", "notify",
               "execution"),
    "run": ("model", "hosts", "state", "deployment", "planning", "retry", "notify", "execution", "wiring"),
    "cli": ("model", "challenges", "state", "deployment", "planning", "notify", "execution", "wiring", "run"),
    "__main__": ("cli",),
    "__init__": (),
}  # fmt: skip
"""The same for `remediate`."""
READS_PACKAGE_DATA = (ROOT / "audit/policy/profile_file.py", ROOT / "audit/services/model.py")
LOADS_LAZILY = ROOT / "audit/__init__.py"
MOST_ENTRIES = 17
CROWDED = {
    "audit/x509": 19,  # `member` and `outline_facts` become one class with `certificate`
}
MOST_LINES = 500
JUDGES_WITH = frozenset({"badkeys", "cryptography", "idna", "pkilint", "publicsuffixlist"})
PROBES_WITH = JUDGES_WITH | {"OpenSSL", "certifi", "dns", "requests", "testinfra", "pytest"}
REPAIRS_WITH = JUDGES_WITH | {"dns", "jinja2", "requests", "testinfra", "urllib3"}
PLUGS_IN_WITH = PROBES_WITH | {"certifi", "_pytest", "pluggy", "pytest_html", "xdist", "execnet"}


@cache
def sources(package: str) -> tuple[Path, ...]:
    """Return the source files below a package's folder."""
    return tuple(sorted((ROOT / package).rglob("*.py")))


def pure() -> tuple[Path, ...]:
    """Return the modules of judgement: all of `audit` but the packages, and the engine, that do I/O."""
    top = (file for file in sources("audit") if file.parent.name == "audit" and file.stem != "engine")
    return (*top, *(file for file in sources("audit") if part_of(file) in PURE))


def part_of(file: Path) -> str:
    """Return the part of `audit` that a file belongs to: a row of MAY_IMPORT."""
    first, *rest = file.relative_to(ROOT / "audit").with_suffix("").parts
    return "checks/test_*" if first == "checks" and rest[0].startswith("test_") else first


def imported(file: Path) -> Iterator[str]:
    """Yield the dotted name of every module a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, *packages: str) -> bool:
    """Tell whether a module is one of these packages or below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def foreign(file: Path, *allowed: str) -> list[str]:
    """Return what a file imports beside the standard library and these packages."""
    return [name for name in imported(file) if name.partition(".")[0] not in STDLIB and not within(name, *allowed)]


def named(files: tuple[Path, ...]) -> list[object]:
    """Return parameters with the path as id."""
    return [pytest.param(file, id=str(file.relative_to(ROOT))) for file in files]


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
    "file", named(tuple(file for file in pure() if file not in (*READS_PACKAGE_DATA, LOADS_LAZILY)))
)
def test_only_package_data_is_read_from_files(file: Path) -> None:
    reads = ("pathlib.Path", "importlib", "tomllib", "io")
    assert [name for name in imported(file) if within(name, *reads) and name != "pathlib.PurePosixPath"] == []


@pytest.mark.parametrize("file", named(sources("audit")))
def test_the_audit_knows_neither_plugin_nor_repair(file: Path) -> None:
    assert [name for name in imported(file) if within(name, "pytest_sslaudit", "remediate", "tests")] == []
    assert foreign(file, "audit", *PROBES_WITH) == []


@pytest.mark.parametrize("file", named(sources("pytest_sslaudit")))
def test_only_the_repair_and_the_programs_of_the_plugin_import_remediate(file: Path) -> None:
    repair = ("remediate",) if file.parent.name in ("remediation", "cli") else ()
    assert foreign(file, "audit", "pytest_sslaudit", *repair, *PLUGS_IN_WITH) == []


@pytest.mark.parametrize("file", named(sources("remediate")))
def test_the_repair_knows_the_audit_and_neither_pytest_nor_plugin(file: Path) -> None:
    assert foreign(file, "audit", "remediate", *REPAIRS_WITH) == []


@pytest.mark.parametrize("file", named(sources("remediate")))
def test_module_of_remediate_imports_only_parts_above_its_own(file: Path) -> None:
    part = file.relative_to(ROOT / "remediate").with_suffix("").parts[0]
    others = {name.split(".")[1] for name in imported(file) if within(name, "remediate") and "." in name}
    assert others - {part, *REPAIR_MAY_IMPORT[part]} == set()
    assert [name for name in imported(file) if within(name, "audit.checks", "audit.services.cpanel")] == []


@pytest.mark.parametrize("table", [MAY_IMPORT, REPAIR_MAY_IMPORT], ids=["audit", "remediate"])
def test_parts_import_one_another_in_one_direction(table: dict[str, tuple[str, ...]]) -> None:
    above: set[str] = set()
    for part, others in table.items():
        assert set(others) <= above, part
        above.add(part)


@pytest.mark.parametrize("kind", ["issuers", "challenges", "installers", "notify.channels"])
def test_members_of_a_table_import_neither_one_another_nor_their_table(kind: str) -> None:
    folder = ROOT / "remediate" / kind.replace(".", "/")
    shared = ("base", "daemon", "http", "http_probe", "email_body")
    for file in folder.glob("*.py"):
        if file.stem not in ("__init__", *shared):
            own = tuple(f"remediate.{kind}.{name}" for name in shared)
            within_kind = [name for name in imported(file) if within(name, f"remediate.{kind}")]
            assert [name for name in within_kind if not within(name, *own)] == [], file.name


@pytest.mark.parametrize("package", ["audit", "remediate"])
def test_package_has_few_entries(package: str) -> None:
    folders = {ROOT / package, *(file.parent for file in sources(package))}
    crowded = {str(folder.relative_to(ROOT)): count for folder in folders if (count := entries(folder)) > MOST_ENTRIES}
    assert crowded.items() <= CROWDED.items()


def entries(folder: Path) -> int:
    """Return how many modules and packages a folder lists."""
    listed = [entry for entry in folder.iterdir() if entry.suffix in ("", ".py") and entry.name != "__pycache__"]
    return len([entry for entry in listed if not entry.name.startswith(("__", "test_"))])


@pytest.mark.parametrize("file", named((*sources("audit"), *sources("pytest_sslaudit"), *sources("remediate"))))
def test_module_is_not_too_long(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


DECIDES = tuple(
    file
    for part in (
        *("model", "planning", "pki/csr.py", "pki/issued_chain.py", "pki/secret_scan.py", "retry/backoff.py"),
        *("access_logs/parser.py", "access_logs/timestamps.py", "access_logs/clients.py", "cpanel/service_files.py"),
        *("notify/notification.py", "notify/changes.py", "notify/items.py", "notify/account.py", "notify/excerpt.py"),
        *("notify/delivery.py", "notify/channels/base.py", "notify/channels/email_body.py", "cli/output.py"),
    )
    for file in (sources(f"remediate/{part}") if not part.endswith(".py") else (ROOT / "remediate" / part,))
    if file.name != "options.py"  # it holds the clock and the event by which a run is stopped
)


@pytest.mark.parametrize("file", named(DECIDES))
def test_decision_of_the_repair_does_no_io_and_reads_no_clock(file: Path) -> None:
    io = (*DOES_IO, "pathlib", "sqlite3", "random", "secrets", "requests")
    assert [name for name in imported(file) if within(name, *io)] == []
    assert_calls_are_pure(file)


MESSAGES = tuple(
    ROOT / "remediate" / name
    for name in (
        *("notify/account.py", "notify/delivery.py", "notify/notification.py", "notify/recipients.py"),
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


def test_judgement_names_no_module_that_says_nothing() -> None:
    vague = ("manager", "helper", "util", "handler", "processor")
    every = (*sources("audit"), *sources("pytest_sslaudit"), *sources("remediate"))
    assert [file.name for file in every if any(word in file.stem for word in vague)] == []


@pytest.mark.parametrize("module", ["audit.host.discovery", "audit.host.inspect", "audit.config", "audit.probe"])
def test_module_can_be_the_first_that_is_imported(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
