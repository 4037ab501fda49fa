"""Checks are selected by id, marker and glob, and a run that leaves some out says that it is a partial audit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repository.documents import checks as built_in_checks
from tests.support.evidence import A, B, host, keep, rows, unreachable

PAGE = ("--html=report.html",)
PARTIAL = "partial audit: the command line left out * checks, such as *, for *"
OWN = "def test_of_the_suite(): pass\n"

pytestmark = pytest.mark.usefixtures("evidence")


@pytest.fixture
def evidence(pytester: pytest.Pytester) -> Path:
    return keep(pytester.path / "evidence", [unreachable(A), unreachable(B), host()])


def audit(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    given = ("--audit-from-evidence=evidence", "--audit-results=results.jsonl", "-p", "no:cacheprovider", "-Werror")
    return pytester.runpytest("--pyargs", "audit", *given, *arguments)


def judged(pytester: pytest.Pytester) -> set[tuple[str, str]]:
    """Return check and endpoint of every result."""
    return {(row["check"], row["endpoint"]) for row in rows(pytester.path / "results.jsonl")}


def of_both(*checks: str) -> set[tuple[str, str]]:
    return {(check, str(endpoint)) for check in checks for endpoint in (A, B)}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cert.expiring", of_both("cert.expiring")),
        ("dcv.firewall", {("dcv.firewall", "web1/")}),  # part of dcv.firewall-narrow
        ("CERT.Expired or key.weak", of_both("cert.expired", "key.weak")),
        ("cert.expiring and not b.example", {("cert.expiring", str(A))}),
        ("svc. and not (svc.unreachable or svc.plaintext or svc.not-started)",
         of_both("svc.certificate-missing", "svc.config-missing-file", "svc.disk-vs-wire", "svc.multi-address")),
    ],
)  # fmt: skip
def test_keyword_with_an_id_selects_only_that_check(
    pytester: pytest.Pytester, expression: str, expected: set[tuple[str, str]]
) -> None:
    audit(pytester, "-k", expression)
    assert judged(pytester) == expected


def test_keyword_and_globs_select_the_same_checks_in_workers(pytester: pytest.Pytester) -> None:
    keyword = "dcv.firewall or cert.expired or key.weak"
    ended = audit(pytester, "-k", keyword, "--audit-check=dcv.*", "--audit-check=cert.expired", "-n2", *PAGE)
    assert judged(pytester) == {("dcv.firewall", "web1/")} | of_both("cert.expired")
    assert_partial(pytester, ended)


def test_keyword_selects_a_check_of_a_suite_by_its_id(pytester: pytest.Pytester) -> None:
    own = pytester.makepyfile(
        test_own="from audit import check\n@check('acme.own', severity='low')\ndef test_own(endpoint): pass\n"
    )
    audit(pytester, str(own), "-k", "acme.own")
    assert judged(pytester) == of_both("acme.own")


@pytest.mark.parametrize(("expression", "ran"), [("sslaudit", "audit"), ("not sslaudit", "suite")])
def test_marker_selects_the_tests_of_the_audit(pytester: pytest.Pytester, expression: str, ran: str) -> None:
    own = pytester.makepyfile(test_own=OWN)
    ended = audit(pytester, str(own), "-m", expression, "--strict-markers", "-v")
    assert ("suite" if "test_of_the_suite PASSED" in ended.stdout.str() else "audit") == ran
    assert bool(judged(pytester)) == (ran == "audit")


def test_marker_without_an_audit_deselects_nothing(pytester: pytest.Pytester) -> None:
    own = pytester.makepyfile(test_own=f"import pytest\n@pytest.mark.sslaudit\ndef test_marked(): pass\n{OWN}")
    ended = pytester.runpytest(str(own), "-m", "not sslaudit", "--strict-markers", "-Werror")
    ended.assert_outcomes(passed=1, deselected=1)


def test_globs_select_the_checks_that_one_of_them_matches(pytester: pytest.Pytester) -> None:
    audit(pytester, "--audit-check=dns.*", "--audit-check=chain.order")
    in_host = {("dns.not-this-host", "web1/"), ("dns.unresolvable", "web1/")}
    assert judged(pytester) == of_both("chain.order", "dns.not-this-host", "dns.unresolvable") | in_host


MEANT = "--audit-check cert.selfsigned: no check has this id; did you mean 'cert.self-signed'?"
GROUP = "--audit-check certs.*: no check has this id; did you mean 'cert.*'?"
UNKNOWN = "--audit-check xyz: no check has this id"
ELSEWHERE = "--audit-check ops.endpoint-unusable: these checks do not apply to any host or endpoint of this run"


@pytest.mark.parametrize(
    ("globs", "messages", "workers"),
    [
        (["cert.selfsigned"], [MEANT], ()),
        (["cert.*", "certs.*", "xyz"], [GROUP, UNKNOWN], ()),
        (["ops.endpoint-unusable"], [ELSEWHERE], ()),
        (["xyz"], [UNKNOWN], ("-n1",)),
    ],
)
def test_glob_that_matches_nothing_is_a_usage_error(
    pytester: pytest.Pytester, globs: list[str], messages: list[str], workers: tuple[str, ...]
) -> None:
    ended = audit(pytester, *(f"--audit-check={glob}" for glob in globs), *workers)
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert [line.removeprefix("ERROR: ") for line in ended.stderr.lines if line.startswith("ERROR: ")] == messages


def test_glob_of_hosts_may_accompany_others_in_a_run_without_one(pytester: pytest.Pytester) -> None:
    keep(pytester.path / "evidence", [unreachable(A)])
    audit(pytester, "--audit-check=dcv.*", "--audit-check=cert.expired")
    assert judged(pytester) == {("cert.expired", str(A))}


def test_test_id_has_the_test_name_of_the_check_and_the_endpoint(pytester: pytest.Pytester) -> None:
    audit(pytester)
    names = {check.id: function.__name__ for check, function in built_in_checks()}
    assert len(set(names.values())) == len(names)
    for row in rows(pytester.path / "results.jsonl"):
        pattern = rf"checks/test_\w+\.py::{names[row['check']]}\[{re.escape(row['endpoint'])}\]"
        assert re.fullmatch(pattern, row["nodeid"])


PARTIAL_RUNS = ("-k cert.expired", "--deselect=checks/test_chain.py", "--audit-check=svc.*", "-x")


@pytest.mark.parametrize("options", PARTIAL_RUNS)
def test_partial_audit_is_named_in_summary_page_and_results(pytester: pytest.Pytester, options: str) -> None:
    assert_partial(pytester, audit(pytester, *options.split(), *PAGE))


def assert_partial(pytester: pytest.Pytester, ended: pytest.RunResult) -> None:
    """Find the partial audit in summary, page and results."""
    ended.stdout.fnmatch_lines([PARTIAL])
    page = (pytester.path / "report.html").read_text(encoding="utf-8")
    assert '<p class="sslaudit-warning">partial audit: the command line left out' in page
    [summary] = rows(pytester.path / "results.jsonl", "summary")
    assert str(A) in summary["partial"]


def test_whole_audit_is_not_named_a_partial_one(pytester: pytest.Pytester) -> None:
    ended = audit(pytester, "--html=report.html")
    assert "partial audit" not in ended.stdout.str()
    assert "partial audit" not in (pytester.path / "report.html").read_text(encoding="utf-8")
    [summary] = rows(pytester.path / "results.jsonl", "summary")
    assert summary["partial"] == []
