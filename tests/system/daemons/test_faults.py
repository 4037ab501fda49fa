"""Faulty certificates on real servers: the audit has one finding for each fault, at each of its endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.support.hosts.audit_run import AuditRun
from tests.support.hosts.daemons import Names
from tests.support.hosts.pki import Authority, Credential
from tests.support.hosts.real_lab import NAMES, Lab, running_lab

pytestmark = pytest.mark.system

Fault = Callable[[Authority, str], Credential]


def expired(authority: Authority, name: str) -> Credential:
    return authority.issue(name, begins=-90, lasts=60)


def expiring(authority: Authority, name: str) -> Credential:
    return authority.issue(name, begins=-88, lasts=90)


def not_yet_valid(authority: Authority, name: str) -> Credential:
    return authority.issue(name, begins=2)


def self_signed(authority: Authority, name: str) -> Credential:
    return authority.self_signed(name)


def for_another_name(authority: Authority, name: str) -> Credential:
    return authority.issue(f"not-{name}")


def without_intermediate(authority: Authority, name: str) -> Credential:
    return authority.issue(name).alone()


def good(authority: Authority, name: str) -> Credential:
    return authority.issue(name)


PLANTED: Final[dict[str, tuple[Fault, Fault]]] = {
    "nginx": (good, expired),
    "apache": (self_signed, for_another_name),
    "dovecot": (expiring, without_intermediate),
    "exim": (not_yet_valid, good),
    "haproxy": (good, expired),
    "pure-ftpd": (expired, good),
}
"""For each server of the host the fault of its main and of its second certificate."""

WEB1: Final = "web1.example.test"
WWW: Final = "www.example.test"
FOUND: Final = {
    (f"{WEB1}/https://{WWW}:443", "cert.expired"),
    (f"{WEB1}/https://{WEB1}:8443", "cert.self-signed"),
    (f"{WEB1}/https://{WWW}:8443", "cert.name-mismatch"),
    (f"{WEB1}/https://{WWW}:6443", "cert.expired"),
    *((f"{WEB1}/{place}", "cert.expiring") for place in (f"imaps://{WEB1}:993", f"imap://{WEB1}:143")),
    *((f"{WEB1}/{place}", "cert.expiring") for place in (f"pop3s://{WEB1}:995", f"pop3://{WEB1}:110")),
    *((f"{WEB1}/{place}", "chain.incomplete") for place in (f"imaps://{WWW}:993", f"imap://{WWW}:143")),
    *((f"{WEB1}/{place}", "chain.incomplete") for place in (f"pop3s://{WWW}:995", f"pop3://{WWW}:110")),
    *((f"{WEB1}/{place}", "cert.not-yet-valid") for place in (f"smtps://{WEB1}:465", f"smtp://{WEB1}:25")),
    (f"{WEB1}/ftp://{WEB1}:21", "cert.expired"),
}
"""Every finding there is to be, and no other."""


@pytest.fixture(scope="module")
def lab(overlays: None, authority: Authority) -> Iterator[Lab]:  # noqa: ARG001 - overlays skips or fails first
    def issue(daemon: str, names: Names) -> tuple[Credential, Credential]:
        main, second = PLANTED[daemon]
        return main(authority, names.main), second(authority, names.second)

    with running_lab(authority, issue, "main") as running:
        yield running


@pytest.fixture(scope="module")
def run(lab: Lab) -> AuditRun:
    return lab.audit(f"--hosts=ssh://root@{NAMES['main'].main}")


def test_each_planted_fault_is_found_at_its_endpoint_only(run: AuditRun) -> None:
    assert run.with_verdict("fail", "error") == FOUND, run.explain()
    assert run.status == 1


def test_inconclusive_result_names_the_fault_that_causes_it(run: AuditRun) -> None:
    for endpoint, check in run.with_verdict("inconclusive"):
        because = run.result(endpoint, check)["detail"].get("because")
        assert (endpoint, because) in FOUND, run.explain()


def test_message_of_an_expiring_certificate_has_the_time_and_the_policy(run: AuditRun) -> None:
    _, message = run.verdict(f"{WEB1}/imaps://{WEB1}:993", "cert.expiring")
    assert message.startswith("expires in 1 day 23 h (")
    assert "; the policy private-pki renews " in message


def test_junit_report_has_the_findings(lab: Lab) -> None:
    done = lab.audit(f"--hosts=ssh://root@{WEB1}", "--junitxml=/run/audit/junit.xml", "-k", "expired")
    assert done.status == 1
    assert 'value="cert.expired"' in lab.auditor.read("/run/audit/junit.xml")
