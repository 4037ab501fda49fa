"""Several policies in one run: whose severity counts, who judges, and what stands in results and report of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pytest

from audit.observation import Observation
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, served
from tests.support.evidence import NOW, A, B, keep, rows, unreachable

CORP = """
title = "Corp"
extends = "webpki"
source = "Corp PKI policy 3"
[thresholds]
curves = ["P-384"]
[severities]
"svc.unreachable" = "critical"
[disabled]
{disabled}
"""


Rows = dict[tuple[str, str], dict[str, Any]]


class Judge(Protocol):
    """Judges an endpoint that is unreachable and one with a P-256 key; returns results by endpoint and check."""

    def __call__(self, *policies: str, disabled: str = "") -> Rows: ...


@pytest.fixture
def judge(pytester: pytest.Pytester) -> Judge:
    """Return what judges them by policies."""
    keep(pytester.path / "kept", [unreachable(A), Observation(B, NOW, ("192.0.2.7",), (served(GOOD, INTERMEDIATE),))])

    def run(*policies: str, disabled: str = "") -> Rows:
        (pytester.path / "corp.toml").write_text(CORP.format(disabled=disabled))
        given = ("--audit-from-evidence=kept", "--audit-results=results.jsonl", "--html=report.html")
        pytester.runpytest("--pyargs", "audit", *given, *(f"--audit-policy={policy}" for policy in policies))
        found = rows(pytester.path / "results.jsonl")
        return {(row["endpoint"], row["check"]): row for row in found}

    return run


def test_highest_severity_counts_and_its_policy_is_named(judge: Judge) -> None:
    row = judge("webpki", "corp.toml")[str(A), "svc.unreachable"]
    assert (row["severity"], row["detail"]["severity_policy"]) == ("critical", "corp")
    assert row["policy"] == "webpki+corp"
    assert "severity  critical, set by the policy corp" in Path("report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
def test_misspelt_group_in_a_policy_is_a_usage_error_unless_a_check_has_it(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    keep(pytester.path / "kept", [unreachable(A)])
    (pytester.path / "corp.toml").write_text(CORP.format(disabled='"crt.expired" = "so"\n"acme.own" = "so"'))
    own = "from audit import check\n@check('crt.expired', severity='low', remedy='none', source='x')\n"
    pytester.makepyfile(test_own=f"{own}def test_own(endpoint): pass")
    given = ("--audit-from-evidence=kept", "--audit-policy=corp.toml", "-p", "no:cacheprovider", *workers)
    refused = pytester.runpytest("--pyargs", "audit", *given, "-k", "svc.unreachable")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    message = "policy profile corp, [disabled]: no check is called 'crt.expired'; did you mean 'cert.expired'?"
    assert message in refused.stdout.str() + refused.stderr.str()
    pytester.runpytest("test_own.py", *given).assert_outcomes(skipped=1)


def test_result_of_a_single_policy_names_it(judge: Judge) -> None:
    row = judge("corp.toml")[str(A), "svc.unreachable"]
    assert (row["severity"], row["policy"], "severity_policy" in row["detail"]) == ("critical", "corp", False)


def test_strictest_threshold_counts_and_its_policy_is_named(judge: Judge) -> None:
    row = judge("webpki", "corp.toml")[str(B), "key.weak"]
    assert (row["verdict"], row["policy"]) == ("fail", "corp")


def test_policy_that_disables_a_check_does_not_judge_it(judge: Judge) -> None:
    row = judge("webpki", "corp.toml", disabled='"key.weak" = "so"')[str(B), "key.weak"]
    assert (row["verdict"], row["policy"]) == ("pass", "webpki")


def test_check_that_every_policy_disables_does_not_apply(judge: Judge) -> None:
    row = judge("corp.toml", disabled='"key.weak" = "our keys are our affair"')[str(B), "key.weak"]
    assert row["verdict"] == "not-applicable"
    assert row["message"] == "disabled by the policy corp: our keys are our affair"
