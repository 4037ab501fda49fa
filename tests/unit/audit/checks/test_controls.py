"""Tests of the controls: the catalogue, the declarations of the checks, results and reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audit.checks import check, check_of
from audit.policy.controls import CONTROLS, Control, control_names
from tests.repository import documents
from tests.support.evidence import A, keep, rows, unreachable

IDS = {"NIST 800-53": re.compile(r"[A-Z]{2}-\d{1,2}(\(\d{1,2}\))?"), "PCI DSS": re.compile(r"\d{1,2}(\.\d{1,2}){2,3}")}
DECLARED = {mark.id: mark.controls for mark, _ in documents.checks()}
OF_THE_AUDIT_ITSELF = {"ops.waiver-expired", "ops.waiver-stale"}

OWN = """
from audit import check

@check("acme.corp-issuer", severity="medium", source="Corp PKI policy 3.1", controls=["Corp 7", "NIST 800-53 SC-17"])
def test_issued_by_the_corporate_ca(endpoint):
    assert endpoint is None
"""


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_each_control_has_an_id_a_title_and_a_source(control: Control) -> None:
    book = control.name.removesuffix(f" {control.id}")
    assert IDS[book].fullmatch(control.id)
    assert control.title
    assert re.fullmatch(r"(NIST SP 800-53 rev\. 5|PCI DSS v4\.0\.1), https://\S+", control.source)


def test_controls_are_unique_and_each_is_used_by_a_check() -> None:
    names = [control.name for control in CONTROLS]
    assert len(names) == len(set(names))
    assert {name for controls in DECLARED.values() for name in controls} == set(names)


def test_only_checks_of_the_audit_itself_have_no_control() -> None:
    assert {check for check, controls in DECLARED.items() if not controls} == OF_THE_AUDIT_ITSELF


@pytest.mark.parametrize(
    ("check_id", "controls"),
    [
        ("cert.no-revocation-info", "NIST 800-53 IA-5(2), SC-17, SC-23; PCI DSS 4.2.1"),
        ("cert.untrusted", "NIST 800-53 IA-5(2), SC-17, SC-20, SC-21, SC-23, SC-23(5); PCI DSS 4.2.1"),
        ("key.weak", "NIST 800-53 AC-3, AC-6, IA-5(6), SC-12; PCI DSS 4.2.1"),
        ("svc.disk-vs-wire", "NIST 800-53 CA-7, CM-3, CM-8, SC-12, SI-4; PCI DSS 4.2.1.1, 12.3.3"),
    ],
)
def test_check_has_the_controls_of_its_groups_once_and_in_order(check_id: str, controls: str) -> None:
    assert documents.briefly(DECLARED[check_id]) == controls


def test_check_may_name_controls_of_other_books_in_its_own_order() -> None:
    @check("acme.own", severity="low", controls=["Corp 7", "SC-17", "ISO 27001 A.8.24", "PCI DSS 4.2.1", "4.2.1"])
    def test_own() -> None: ...

    mark = check_of(test_own)
    assert mark
    assert mark.controls == ("Corp 7", "NIST 800-53 SC-17", "ISO 27001 A.8.24", "PCI DSS 4.2.1")


def test_set_of_controls_is_in_the_order_of_the_catalogue() -> None:
    assert control_names({"Corp 7", "4.2.1", "SC-17"}) == ("NIST 800-53 SC-17", "PCI DSS 4.2.1", "Corp 7")


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ("SC-117", r"control 'SC-117': write an id of .* such as 'ISO 27001 A\.8\.24'; did you mean 'SC-17'\?"),
        ("A.8.24", r"control 'A\.8\.24': write an id of "),
        ("NIST 800-53 SC17", r"'SC17' is not a control of NIST 800-53; did you mean 'NIST 800-53 SC-17'\?"),
        ("PCI DSS four", r"'four' is not a control of PCI DSS"),
    ],
)
def test_unknown_control_is_refused_when_the_check_is_declared(control: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check("acme.own", severity="low", controls=("SC-17", control))


def test_controls_are_in_results_and_in_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    keep(pytester.path / "kept", [unreachable(A)])
    reports = ("--audit-results=results.jsonl", "--html=report.html")
    pytester.runpytest("--pyargs", "audit", "test_own.py", "--audit-from-evidence=kept", *reports)
    found = {row["check"]: row["controls"] for row in rows(pytester.path / "results.jsonl")}
    assert found["acme.corp-issuer"] == ["Corp 7", "NIST 800-53 SC-17"]
    assert found["svc.unreachable"] == ["NIST 800-53 AU-8", "NIST 800-53 CM-6", "NIST 800-53 CM-7", "NIST 800-53 SC-7"]
    assert all(list(DECLARED[check]) == controls for check, controls in found.items() if check in DECLARED)
    page = Path("report.html").read_text(encoding="utf-8")
    assert "controls  Corp 7, NIST 800-53 SC-17" in page
    assert "controls  NIST 800-53 AU-8, NIST 800-53 CM-6" in page
