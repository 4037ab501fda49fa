"""The engine and the plugin give the same results for the same observations and for the same servers."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from audit.config import read_anchors, read_waivers
from audit.config.trust_sources import has_key_list
from audit.endpoint import parse_endpoint
from audit.engine import AuditSettings, EndpointAudit, audit
from audit.evaluation.result import to_row
from audit.observation import Observation
from audit.policy import load_profile
from audit.probe import Limits, Target
from tests.support.endpoint_facts import (
    GOOD,
    ROOT,
)
from tests.support.evidence import keep, rows
from tests.support.observations import EXPIRED, SELF_SIGNED, hostile, recorded
from tests.support.probe.tls_servers import both, say, serving, tls
from tests.support.x509.certificates import NOW, rsa_key
from tests.support.x509.mutated_evidence import good_evidence

WAIVERS = """
[[waiver]]
check = "svc.unreachable"
endpoint = "https://closed.example:443"
reason = "moves next week"
owner = "ops"
expires = 2026-12-31

[[waiver]]
check = "cert.expird"
endpoint = "*"
reason = "misspelt"
owner = "ops"
expires = 2026-12-31

[[waiver]]
check = "cert.expired"
endpoint = "*"
reason = "over"
owner = "ops"
expires = 2026-11-01
"""


OWN = """
extends = "webpki"
source = "ours"
[disabled]
"cert.expired" = "known"
[severities]
"key.reuse" = "low"
"""


class Both:
    """A directory in which the plugin and the engine audit the same."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.trust, self.results = pytester.path / "root.pem", pytester.path / "results.jsonl"
        roots = (ROOT.der, good_evidence()[0].root)
        self.trust.write_text("".join(map(ssl.DER_cert_to_PEM_cert, roots)))
        self.settings = AuditSettings(read_anchors([str(self.trust)]), NOW, has_list_of_keys=has_key_list())

    def plugin(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the results of a run of pytest."""
        given = ("--audit-results", str(self.results), "--audit-trust", str(self.trust), "-p", "no:cacheprovider",
                 "--audit-now", "2026-11-23T10:00:00Z", "--audit-state", str(self.pytester.path / "state"))  # fmt: skip
        self.pytester.runpytest("--pyargs", "audit", "-q", *given, *arguments)
        return rows(self.results)

    def of_evidence(self, seen: Sequence[Observation], *arguments: str) -> list[dict[str, Any]]:
        """Return the results of the plugin for what is recorded."""
        return self.plugin("--audit-from-evidence", str(keep(self.pytester.path / "evidence", seen)), *arguments)


@pytest.fixture
def auditing(pytester: pytest.Pytester) -> Both:
    return Both(pytester)


def comparable(found: Sequence[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return rows by endpoint and check, without what belongs to one run: node id, duration and lines of a trace."""
    return {(row["endpoint"], row["check"]): _without(row) for row in found}


def _without(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key not in ("nodeid", "duration_s", "kind")}
    return {**kept, "detail": {key: value for key, value in row["detail"].items() if key != "trace"}}


def of_engine(audits: Sequence[EndpointAudit]) -> list[dict[str, Any]]:
    """Return the results of the engine as they stand in a results file."""
    return [json.loads(json.dumps(to_row(result))) for audited in audits for result in audited.results]


def assert_same(plugin: Sequence[dict[str, Any]], engine: Sequence[dict[str, Any]]) -> None:
    left, right = comparable(plugin), comparable(engine)
    assert left.keys() == right.keys()
    for key in left:
        assert left[key] == right[key], key
    assert len(plugin) == len(engine) > 30


def test_engine_and_plugin_agree_on_recorded_observations(auditing: Both) -> None:
    plugin = auditing.of_evidence(recorded())
    engine = of_engine(tuple(audit((), auditing.settings, observed=recorded())))
    assert_same(plugin, engine)
    assert {row["verdict"] for row in engine} == {"pass", "fail", "inconclusive", "not-applicable", "error"}
    assert {row["check"] for row in engine if row["verdict"] == "fail"} >= {"key.reuse", "cert.expired"}


def test_engine_and_plugin_agree_on_hostile_observations(auditing: Both) -> None:
    found = hostile(30)
    assert_same(auditing.of_evidence(found), of_engine(tuple(audit((), auditing.settings, observed=found))))


def test_engine_and_plugin_agree_on_waivers(auditing: Both) -> None:
    file = auditing.pytester.path / "waivers.toml"
    file.write_text(WAIVERS)
    plugin = auditing.of_evidence(recorded(), "--audit-waivers", str(file))
    settings = replace(auditing.settings, waivers=read_waivers(file))
    engine = of_engine(tuple(audit((), settings, observed=recorded())))
    assert_same(plugin, engine)
    assert {row["check"]: row["verdict"] for row in engine if row["endpoint"] == "run/"} == {
        "ops.endpoint-unusable": "pass",
        "ops.state-unusable": "not-applicable",
        "ops.waiver-expired": "fail",
        "ops.waiver-stale": "fail",
    }
    assert [row["check"] for row in engine if row["verdict"] == "waived"] == ["svc.unreachable"]


@pytest.mark.parametrize("policy", ["webpki", "cpanel", "own.toml"])
def test_engine_and_plugin_agree_on_named_policies(auditing: Both, policy: str) -> None:
    (auditing.pytester.path / "own.toml").write_text(OWN)
    plugin = auditing.of_evidence(recorded(), "--audit-policy", policy, "--audit-policy", "private-pki")
    profiles = (load_profile(policy), load_profile("private-pki"))
    engine = of_engine(tuple(audit((), replace(auditing.settings, profiles=profiles), observed=recorded())))
    assert_same(plugin, engine)


def test_engine_and_plugin_agree_on_servers(auditing: Both) -> None:
    rsa = GOOD.with_key(rsa_key(2048))
    scripts = (tls(both(GOOD)), tls(both(EXPIRED, rsa)), tls(both(SELF_SIGNED)), say(b"220 plain\r\n"))
    with serving(scripts[0]) as a, serving(scripts[1]) as b, serving(scripts[2]) as c, serving(scripts[3]) as d:
        urls = [f"https://localhost:{server.port}/?address=127.0.0.1" for server in (a, b, c, d)]
        given = (f"--audit-endpoint={url}" for url in urls)
        plugin = auditing.plugin(*given, "--audit-timeout=20")
        settings = replace(auditing.settings, limits=Limits(timeout_s=20))
        audits = tuple(audit([Target(parse_endpoint(url)) for url in urls], settings))
    engine = of_engine(audits)
    for row in (*plugin, *engine):
        row["observed_at"] = None  # each has looked for itself
    assert_same(plugin, engine)
    assert [str(audited.endpoint) for audited in audits] == [str(parse_endpoint(url)) for url in urls]
    assert all(audited.observation.connections for audited in audits)


def test_engine_imports_neither_pytest_nor_the_plugin() -> None:
    code = "import sys; from audit.engine import built_in_checks; built_in_checks(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "audit.checks.test_run" in loaded
    assert not {"pytest", "_pytest", "pytest_sslaudit", "testinfra"} & loaded
