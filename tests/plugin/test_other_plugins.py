"""Other plugins of pytest that work on single tests leave every verdict as it is, with and without workers.

The variable SSLAUDIT_TEST_PLUGINS has the path of a Python in which they are installed (part `plugins` of the matrix).
"""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.endpoint_facts import observed, served
from tests.support.evidence import A, host, keep, rows, unreachable
from tests.support.probe.tls_servers import closed_port, hold, serving

PLUGINS: Final = {
    "rerunfailures": ("--reruns=1",),
    "timeout": ("--timeout=600",),
    "randomly": ("-p", "randomly", "-p", "no:cacheprovider"),
    "sugar": ("--force-sugar",),
    "instafail": ("--instafail",),
    "pytest_jsonreport": ("--json-report", "--json-report-file=report.json"),
    "allure_pytest": ("--alluredir=allure",),
    "xdist": ("-n2",),
}
"""Each plugin by the name of its entry point, with the options that make it work."""
OWN: Final = """
import pytest
from audit import check, require

@pytest.fixture
def limit(): return 1

@check("acme.facts", severity="high")
def test_facts(observation): require(observation.handshakes, "no handshake")

@check("acme.fixture", severity="low")
def test_fixture(observation, limit): require(len(observation.handshakes) == limit, "no handshake")
"""


@dataclass(frozen=True, slots=True)
class Run:
    """The end of a run: its exit status, its results and what JUnit counts."""

    status: int
    results: frozenset[tuple[str, ...]]
    junit: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the Python with the plugins."""
    return (CHECKOUT / os.environ["SSLAUDIT_TEST_PLUGINS"]).absolute()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with evidence and own checks."""
    folder = tmp_path_factory.mktemp("audited")
    keep(folder / "kept", [host(), unreachable(A), observed(served())])
    (folder / "test_own.py").write_text(OWN, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return folder


def audited(python: Path, folder: Path, *plugins: str, what: tuple[str, ...] = ("--audit-from-evidence=kept",)) -> Run:
    """Audit the evidence, or something else, with some of the plugins."""
    off = [word for name in PLUGINS if name not in plugins for word in ("-p", f"no:{name}")]
    options = [word for name in plugins for word in PLUGINS[name]]
    command = [
        str(python), "-m", "pytest", "--pyargs", "audit", "test_own.py", *what,
        "--html=report.html", "--audit-results=results.jsonl", "--junitxml=junit.xml", *off, *options,
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode in (0, 1), ended.stdout + ended.stderr
    assert ("judged later" in ended.stdout) == ("--hosts" in " ".join(what)), ended.stdout
    suite = next(ET.parse(folder / "junit.xml").iter("testsuite"))  # noqa: S314 - the file that pytest wrote here
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    results = [
        (row["endpoint"], row["check"], row["verdict"], row["message"], row["nodeid"])
        for row in rows(folder / "results.jsonl")
    ]
    assert len(results) == len(set(results))
    return Run(ended.returncode, frozenset(results), counts)


@pytest.fixture(scope="module")
def alone(python: Path, folder: Path) -> Run:
    """Return the run without other plugins."""
    return audited(python, folder)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugin_leaves_verdicts_and_counts_as_they_are(python: Path, folder: Path, alone: Run, plugin: str) -> None:
    assert audited(python, folder, plugin) == alone


def test_tests_that_are_repeated_in_workers_count_once(python: Path, folder: Path, alone: Run) -> None:
    assert audited(python, folder, "rerunfailures", "xdist") == alone


def test_report_of_another_plugin_has_every_test_once(python: Path, folder: Path, alone: Run) -> None:
    audited(python, folder, "pytest_jsonreport")
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert sorted(test["nodeid"] for test in report["tests"]) == sorted(nodeid for *_, nodeid in alone.results)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Return the argument that names an endpoint that refuses connections."""
    with closed_port() as closed:
        yield f"--audit-endpoint=https://127.0.0.1:{closed}"


@pytest.fixture(scope="module")
def endpoint_alone(python: Path, folder: Path, endpoint: str) -> Run:
    """Return the run for this endpoint without other plugins, and without a repair."""
    return audited(python, folder, what=(endpoint,))


@pytest.mark.parametrize("plugin", [plugin for plugin in PLUGINS if plugin != "xdist"])
def test_plugin_leaves_verdicts_before_a_repair_as_they_are(
    python: Path, folder: Path, endpoint: str, endpoint_alone: Run, plugin: str
) -> None:
    assert audited(python, folder, plugin, what=(endpoint, "--remediate-dry-run")) == endpoint_alone


@pytest.fixture(scope="module")
def late(endpoint: str) -> Iterator[tuple[str, ...]]:
    """Return the arguments of an audit of two hosts that hang at their login, and of the endpoint."""
    with serving(hold) as one, serving(hold) as other:
        hosts = f"--hosts=ssh://root@127.0.0.1:{one.port},ssh://root@127.0.0.1:{other.port}"
        yield hosts, endpoint, "--audit-host-timeout=6", "--audit-items=check"


@pytest.fixture(scope="module")
def late_alone(python: Path, folder: Path, late: tuple[str, ...]) -> Run:
    """Return the run with late hosts without other plugins."""
    return audited(python, folder, what=late)


@pytest.mark.parametrize("plugin", [plugin for plugin in PLUGINS if plugin != "xdist"])
def test_plugin_leaves_verdicts_of_late_hosts_as_they_are(
    python: Path, folder: Path, late: tuple[str, ...], late_alone: Run, plugin: str
) -> None:
    assert audited(python, folder, plugin, what=late) == late_alone
