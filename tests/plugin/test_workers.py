"""A run with workers of xdist has the results, reports and exit status of a run in one process."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from audit.endpoint import parse_endpoint
from audit.evaluation.result import Result, from_row
from audit.observation import HostView, Observation
from pytest_sslaudit.reports import carried_results
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, served
from tests.support.evidence import NOW, A, B, host, keep, rows, unreachable
from tests.support.html_page import Page
from tests.support.x509.certificates import key_named, leaf

OWN: Final = """
from audit import check, inconclusive, not_applicable, require

@check("acme.passes", severity="high")
def test_passes(endpoint): pass

@check("acme.low", severity="low")
def test_low(endpoint): require(False, "little")
"""
FINDINGS: Final = """
@check("acme.high", severity="high")
def test_high(endpoint): require(False, "much", observed=["a", "b"], required=3)

@check("acme.asserts", severity="high", source="Corp 3.1")
def test_asserts(endpoint):
    "Every port is right."
    assert endpoint.port == 1

@check("acme.follows", severity="critical")
def test_follows(endpoint): inconclusive("not seen", because="acme.high")

@check("acme.untold", severity="critical")
def test_untold(endpoint): inconclusive("permission denied")
"""
ALL: Final = """
@check("acme.does-not-apply", severity="high")
def test_does_not_apply(endpoint): not_applicable("no such thing here")

@check("acme.waived", severity="critical")
def test_waived(endpoint): require(False, "known")

@check("acme.breaks", severity="low")
def test_breaks(endpoint):
    print("<b>said before</b>")
    raise KeyError("bug")

def test_pair(endpoint, host, server):
    assert host.run("echo %s", endpoint.name).stdout.strip() == endpoint.name
    assert server.label == "local"

def test_plain(): pass
"""
WAIVER: Final = """
[[waiver]]
check = "{}"
endpoint = "{}"
reason = "until the move"
owner = "ops@example.com"
expires = 2027-01-31
"""
WAIVERS: Final = (("acme.waived", "*"), ("svc.unreachable", "https://a.*"), ("cert.expired", "https://gone.*"))
CORP: Final = """
title = "Corp"
extends = "webpki"
source = "Corp PKI policy 3"
[thresholds]
curves = ["P-384"]
[severities]
"svc.unreachable" = "critical"
"""
WHOLE: Final = ("--pyargs", "audit", "--hosts=local://,ssh://unknown.invalid", "--audit-waivers=waivers.toml",
                "--audit-policy=webpki", "--audit-policy=corp.toml")  # fmt: skip


def seen(name: str, address: str, key: str) -> Observation:
    """Return what is seen of an endpoint on this machine that serves a certificate with that key."""
    endpoint = replace(parse_endpoint(f"https://{name}"), host="local", hostspec="local://")
    shown = served(leaf(name).with_key(key_named(key)).by(INTERMEDIATE), INTERMEDIATE, address=address)
    return Observation(endpoint, NOW, (address,), (shown,), server=HostView("local", "local://", "web1.example"))


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left: its summary and its reports, without times and the names of workers."""

    status: int
    outcomes: Mapping[str, int]
    summary: list[str]
    results: list[dict[str, Any]]
    junit: list[Any]
    page: list[Any]
    decoded: list[str]


class World:
    """A directory with the evidence of several endpoints and checks that end in every way."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester, self.decoded = pytester, list[str]()
        shared = [seen(f"{name}.example", f"192.0.2.{number}", "shared") for number, name in ((1, "one"), (2, "two"))]
        good = Observation(B, NOW, ("192.0.2.7",), (served(GOOD, INTERMEDIATE),))
        keep(pytester.path / "kept", [unreachable(A), good, *shared, host()])
        (pytester.path / "waivers.toml").write_text("".join(WAIVER.format(*one) for one in WAIVERS))
        (pytester.path / "corp.toml").write_text(CORP)
        monkeypatch.setattr(carried_results, "from_row", self.counting)

    def counting(self, row: Mapping[str, Any]) -> Result:
        """Decode a result as the reports do, and note it."""
        self.decoded.append(row["nodeid"])
        return from_row(row)

    def run(self, checks: str, *arguments: str) -> Run:
        """Audit by these checks."""
        self.decoded.clear()
        self.pytester.makepyfile(test_own=checks)
        reports = ("--audit-results=results.jsonl", "--html=report.html", "--junitxml=junit.xml")
        given = ("test_own.py", "--audit-from-evidence=kept", "-rx", "-p", "no:cacheprovider", *reports)
        ended = self.pytester.runpytest(*given, *arguments)
        return Run(
            int(ended.ret), ended.parseoutcomes(), summary_of(ended.outlines),
            results_of(self.pytester.path / "results.jsonl"), junit_of(self.pytester.path / "junit.xml"),
            rows_of(self.pytester.path / "report.html"), sorted(self.decoded),
        )  # fmt: skip


def summary_of(lines: list[str]) -> list[str]:
    """Return the lines about the audit, without which of several equal ones is named, and the expected failures."""
    begins = lines.index(next(line for line in lines if line.strip("= ") == "sslaudit"))
    told = (line for line in lines[begins:] if not re.search(r" in \d|report:", line))
    return sorted(re.sub(r"^(\S+://\S+  \w+) .*?( \(and \d+ more\))?$|(UTC) \(.*", r"\1\2\3", line) for line in told)


def results_of(file: Path) -> list[dict[str, Any]]:
    """Return the lines of all kinds but the first."""
    found = [line for kind in ("result", "observation", "summary") for line in rows(file, kind)]
    timeless = [
        {name: value for name, value in row.items() if name not in ("duration_s", "elapsed_s")} for row in found
    ]
    for row in timeless:
        row.get("detail", {}).pop("trace", None)
    return sorted(timeless, key=lambda row: (row["kind"], str(row.get("endpoint")), str(row.get("check"))))


def junit_of(file: Path) -> list[Any]:
    """Return the cases with their properties and the message of their failure."""
    cases = []
    for case in ET.parse(file).iter("testcase"):  # noqa: S314 - pytest wrote it
        told = {str(item.get("name")): str(item.get("value")) for item in case.iter("property")}
        whole = json.loads(told.pop("sslaudit", "{}"))
        whole.pop("duration_s", None)
        whole.get("detail", {}).pop("trace", None)
        message = [(child.tag, child.get("message")) for child in case if child.tag in ("failure", "skipped")]
        cases.append((case.get("classname"), case.get("name"), told, whole, message))
    return sorted(cases, key=lambda case: case[:2])


def rows_of(file: Path) -> list[Any]:
    """Return the rows of the page in their order, and its totals."""
    page = Page(file)
    logs = [re.sub(r"\[gw\d\].*|0x\w+|No log output captured.", "", str(row["log"])).strip() for row in page.rows]
    cells = [(row.get("check"), row["resultsTableRow"]) for row in page.rows]
    return [cells, logs, re.findall(r"\d+ (?:error|finding|inconclusive|waived)s?", " ".join(page.words))]


@pytest.fixture
def world(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(pytester, monkeypatch)


@pytest.mark.parametrize(
    ("checks", "arguments", "workers", "status"),
    [
        (OWN, (), ("-n2",), 0),
        (OWN + FINDINGS, (), ("-n2",), 1),
        (OWN + FINDINGS + ALL, WHOLE, ("-n2", "--dist=loadscope"), 3),
    ],
    ids=["low findings", "findings", "all verdicts"],
)
def test_workers_give_the_results_and_reports_of_one_process(
    world: World, checks: str, arguments: tuple[str, ...], workers: tuple[str, ...], status: int
) -> None:
    alone, spread = world.run(checks, *arguments), world.run(checks, *arguments, *workers)
    assert (alone.status, spread.status) == (status, status)
    assert spread.outcomes == alone.outcomes
    assert spread.summary == alone.summary
    assert spread.results == alone.results
    assert spread.junit == alone.junit
    assert spread.page == alone.page
    nodes = sorted(row["nodeid"] for row in spread.results if row["kind"] == "result")
    assert spread.decoded == nodes
    assert Counter(alone.decoded) <= Counter(nodes)  # a result that stays in its process is not encoded
    if arguments:
        assert len(nodes) > 60
        assert {row["verdict"] for row in spread.results if row["kind"] == "result"} == {
            "pass", "fail", "inconclusive", "not-applicable", "waived", "error",
        }  # fmt: skip
