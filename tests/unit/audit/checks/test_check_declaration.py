"""Tests of the declaration of checks, their judgements, and the list of all checks."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable

import pytest

import audit.checks
from audit import check
from audit.checks import Check, check_of
from audit.checks.assertions import require_none
from audit.verdict import Finding, Inconclusive, NotApplicable, Remedy, Severity, inconclusive, not_applicable, require
from tests.repository import documents
from tests.support.endpoint_facts import observed, served

CATALOGUE = {
    "svc.unreachable": "high", "svc.certificate-missing": "high", "svc.plaintext": "high", "svc.disk-vs-wire": "high",
    "svc.config-missing-file": "high", "svc.multi-address": "medium", "cert.malformed": "high",
    "svc.not-started": "info",
    "cert.expired": "critical", "cert.expiring": "high", "cert.renewal-due": "low", "cert.not-yet-valid": "high",
    "cert.weak-signature": "critical", "cert.san-missing": "high", "cert.eku-missing-serverauth": "high",
    "cert.self-signed": "high", "cert.untrusted": "high", "cert.name-mismatch": "critical",
    "cert.validity-too-long": "medium", "chain.incomplete": "high", "chain.order": "low",
    "chain.invalid-path": "critical",
    "chain.intermediate-expiring": "medium", "key.weak": "high", "key.mismatch": "critical",
    "key.compromised": "critical", "key.reuse": "medium",
    "key.permissions": "high", "tls.old-protocol": "high", "host.name-invalid": "high", "dns.unresolvable": "high",
    "dns.not-this-host": "high", "ops.foreign-agent": "info", "ops.endpoint-unusable": "medium",
    "ops.state-unusable": "high", "ops.waiver-expired": "medium", "ops.waiver-stale": "medium",
    "cert.profile-br": "low", "cert.internal-name": "medium", "cert.eku-clientauth": "low",
    "cert.no-revocation-info": "medium", "cert.sct-insufficient": "high", "cert.must-staple-no-staple": "high",
    "cert.staple-stale": "medium", "cert.lint-br": "low",
    "cert.wildcard-scope": "low", "chain.root-included": "info", "chain.weak-ca-key": "high",
    "cert.revoked": "critical",
    "dcv.firewall": "high", "dcv.firewall-narrow": "high", "dcv.http-unreachable": "high",
    "dcv.redirect-illegal": "medium", "dcv.stale-token": "info", "ops.clock-skew": "medium",
    "host.not-inspected": "low",
    "ops.contact-missing": "low", "ops.management-disabled": "info", "ops.renewal-unscheduled": "high",
}  # fmt: skip
FIXTURES = {
    "endpoint", "observation", "handshake", "certificate", "chain", "chains", "server", "policy", "now", "audit_run",
    "key_sharing", "has_list_of_keys", "log_list",
}  # fmt: skip


def built_in() -> list[tuple[Check, object]]:
    """Return each check of the package with its function."""
    modules = [module.name for module in pkgutil.iter_modules(audit.checks.__path__) if module.name.startswith("test_")]
    members = [
        inspect.getmembers(importlib.import_module(f"audit.checks.{name}"), inspect.isfunction) for name in modules
    ]
    return [(mark, function) for found in members for _, function in found if (mark := check_of(function))]


def test_checks_and_severities_are_those_of_the_catalogue() -> None:
    assert {mark.id: str(mark.severity) for mark, _ in built_in()} == CATALOGUE
    assert len(built_in()) == len(CATALOGUE)


def test_each_check_has_a_source_and_parameters_that_are_facts() -> None:
    for mark, function in built_in():
        assert mark.source, mark.id
        assert inspect.getdoc(function), mark.id
        assert set(inspect.signature(function).parameters) <= FIXTURES, mark.id  # type: ignore[arg-type] # a function


def test_mark_of_a_check_has_the_arguments_of_its_decorator() -> None:
    @check("acme.corp-issuer", severity="medium", remedy="reissue", source="Corp PKI policy 3.1")
    def test_something() -> None:
        """Do nothing."""

    assert check_of(test_something) == Check("acme.corp-issuer", Severity.MEDIUM, Remedy.REISSUE, "Corp PKI policy 3.1")
    assert check_of(built_in) is None


@pytest.mark.parametrize(
    ("check_id", "severity", "remedy"),
    [
        ("Corp Issuer", "medium", "reissue"),
        ("a.b", "grave", "reissue"),
        ("a.b", "low", "pray"),
        ("nodot", "low", "dns"),
    ],
)
def test_invalid_declaration_of_a_check_is_refused(check_id: str, severity: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid|check id"):
        check(check_id, severity=severity, remedy=remedy)


def test_failed_requirement_is_a_finding() -> None:
    require(True, "not raised")
    with pytest.raises(Finding) as raised:
        require(False, "seen\nis not required", observed=1, required=2, remedy="dns", policy="webpki")
    found = raised.value
    assert (found.reason, found.observed, found.required) == ("seen is not required", 1, 2)
    assert (found.remedy, found.policy) == (Remedy.DNS, "webpki")
    assert isinstance(found, AssertionError)


def test_several_faults_are_one_finding_with_all_policies() -> None:
    require_none(())
    with pytest.raises(Finding) as raised:
        require_none((("a", "webpki"), ("b", "corp"), ("c", "webpki")))
    assert (raised.value.reason, raised.value.policy) == ("a; b; c", "webpki+corp")


def test_control_characters_in_a_reason_are_replaced() -> None:
    assert Finding("CN=\x1b[2Jevil\u202e").reason == "CN=\N{REPLACEMENT CHARACTER}[2Jevil\N{REPLACEMENT CHARACTER}"


def test_not_applicable_and_inconclusive_have_a_reason() -> None:
    with pytest.raises(NotApplicable, match="no key"):
        not_applicable("no key")
    with pytest.raises(Inconclusive) as raised:
        inconclusive("unread", because="cert.malformed")
    assert raised.value.because == "cert.malformed"


def test_severities_are_ordered() -> None:
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3, 4]


def test_observation_with_a_handshake_or_no_address_has_no_failure() -> None:
    assert observed(served()).failure is None
    assert observed().failure is None


@pytest.mark.parametrize(("mark", "function"), [pytest.param(*pair, id=pair[0].id) for pair in documents.checks()])
def test_check_is_short_and_its_docstring_names_the_clause(mark: Check, function: Callable[..., None]) -> None:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    assert len(definition.body) - 1 <= 5  # without the docstring; an `if` counts as one
    text = " ".join((function.__doc__ or "").split())
    assert any(source.partition(",")[0].partition(" (")[0].strip() in text for source in mark.source.split(";"))
