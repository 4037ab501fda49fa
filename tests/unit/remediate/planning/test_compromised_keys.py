"""Tests of compromised keys: by the results file of a whole audit, the case never restores the key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.endpoint import Endpoint, parse_endpoint
from audit.observation import HostView, Observation
from remediate.model.audit_results import audit_results_of
from remediate.model.case import Repair
from remediate.model.options import RunLimits
from remediate.planning.planner import plan
from tests.support.endpoint_facts import INTERMEDIATE, certificate_file, served
from tests.support.evidence import NOW, WEB1, host, keep, rows
from tests.support.x509.certificates import leaf, rsa_key
from tests.support.x509.compromised_keys import close_primes

WEB = parse_endpoint("https://www.example.com")
ENDPOINT = Endpoint(WEB.scheme, WEB.name, WEB.port, host=WEB1.host, hostspec=WEB1.hostspec, service="nginx")


@pytest.mark.parametrize("is_weak", [False, True], ids=["compromised", "weak"])
def test_case_records_whether_the_key_is_compromised(pytester: pytest.Pytester, is_weak: bool) -> None:  # noqa: FBT001 - a parameter
    draft = leaf().with_key(rsa_key(1024) if is_weak else close_primes()).by(INTERMEDIATE)
    files = (certificate_file(draft, INTERMEDIATE),)
    view = HostView("web1", "ssh://root@web1", "web1.example", ("192.0.2.7",), service="nginx", files=files)
    seen = Observation(ENDPOINT, NOW, ("192.0.2.7",), (served(draft, INTERMEDIATE),), server=view)
    evidence = keep(pytester.path / "evidence", [host(), seen])
    audited = ("--audit-from-evidence", str(evidence), "--audit-results=results.jsonl", "--audit-policy=webpki")
    pytester.runpytest("--pyargs", "audit", *audited)
    file = pytester.path / "results.jsonl"
    [found] = [row for row in rows(file) if row["verdict"] == "fail" and row["check"].startswith("key.")]
    assert (found["check"], found["severity"]) == (("key.weak", "high") if is_weak else ("key.compromised", "critical"))
    read = audit_results_of([*rows(file, "observation"), *rows(file), *rows(file, "summary")])
    [case] = plan(read, RunLimits(), NOW + timedelta(minutes=1)).cases
    assert (case.repair, case.is_compromised) == (Repair.REKEY, not is_weak)
