"""An audit runs only if it is requested; other test suites are unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sslaudit.activation import is_requested
from tests.support.evidence import A, B, host, keep, rows, unreachable

OWN_SUITE = """
import pytest

@pytest.fixture
def endpoint(): return "mine"
@pytest.fixture(params=[1, 2])
def policy(request): return request.param
@pytest.fixture
def server(): return "mine"
@pytest.fixture
def now(): return 5

def test_own(endpoint, policy, server, now):
    assert (endpoint, server, now) == ("mine", "mine", 5)
"""


def test_suite_with_fixtures_of_the_same_names_is_unchanged(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(OWN_SUITE)
    result = pytester.runpytest("-v", "--strict-markers")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*= sslaudit =*")


def test_suite_that_uses_testinfra_hosts_is_unchanged(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_host(host): assert host.run('true').rc == 0")
    result = pytester.runpytest("--hosts=local://", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_host?local?*PASSED*"])


def test_run_without_an_audit_imports_nothing_of_the_audit(tmp_path: Path) -> None:
    script = (
        "import sys, pytest\n"
        "status = pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', sys.argv[1]])\n"
        "loaded = sorted(name for name in sys.modules if name.split('.')[0] in ('audit', 'OpenSSL', 'dns'))\n"
        "mine = sorted(name for name in sys.modules if name.startswith('pytest_sslaudit'))\n"
        "print(loaded, mine)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin"},
    )
    ours = [f"pytest_sslaudit{name}" for name in ("", ".activation", ".hookspecs", ".plugin")]
    assert done.stdout.splitlines()[-1] == f"[] {ours}", done.stderr


@pytest.mark.parametrize(
    ("arguments", "is_audit"),
    [
        (("--pyargs", "audit"), True),
        (("--pyargs", "audit", "test_own.py"), True),
        (("--pyargs", "test_own.py"), False),
    ],
)
def test_argument_audit_among_others_requests_an_audit(
    pytester: pytest.Pytester, arguments: tuple[str, ...], *, is_audit: bool
) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    assert is_requested(pytester.parseconfig(*arguments), ()) is is_audit


def test_directory_named_audit_that_is_not_a_package_is_collected(pytester: pytest.Pytester) -> None:
    pytester.mkdir("audit").joinpath("test_books.py").write_text("def test_sums(): pass\n")
    pytester.runpytest("audit").assert_outcomes(passed=1)


@pytest.mark.parametrize("made", ["audit/__init__.py", "audit.py", "remediate/__init__.py", "remediate.py"])
@pytest.mark.parametrize("arguments", [("--pyargs", "audit"), ()], ids=["named", "configured"])
def test_own_module_in_place_of_a_package_is_refused(
    pytester: pytest.Pytester, made: str, arguments: tuple[str, ...]
) -> None:
    (pytester.path / made).parent.mkdir(exist_ok=True)
    (pytester.path / made).write_text("mine = True\n")
    (pytester.path / "sslaudit.toml").write_text(f"enabled = {str(not arguments).lower()}\n")
    result = pytester.run(sys.executable, "-m", "pytest", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    name = made.partition("/")[0].partition(".")[0]
    place = pytester.path / made.removesuffix("/__init__.py")
    result.stderr.fnmatch_lines(
        [f"ERROR: the module `{name}` that Python finds is {place}, not that of this plugin *rename it*"]
    )
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize(
    "arguments", [("--pyargs", "audit"), ("--audit-fail-on", "high"), ("--pyargs", "audit", "-n1")]
)
def test_empty_audit_is_reported_with_the_fix(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "nothing to audit: name hosts" in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_enabled_in_the_configuration_starts_an_audit(pytester: pytest.Pytester) -> None:
    evidence = keep(pytester.path / "evidence", [unreachable(A)])
    (pytester.path / "sslaudit.toml").write_text(f'enabled = true\nfrom_evidence = "{evidence}"\n')
    result = pytester.runpytest("-p", "no:cacheprovider")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["https://a.example:443  high svc.unreachable: *"])


def test_arguments_decide_what_is_collected(pytester: pytest.Pytester) -> None:
    evidence = keep(pytester.path / "evidence", [unreachable(A), unreachable(B)])
    pytester.makepyfile("def test_name(endpoint): assert endpoint.name.endswith('.example')")
    result = pytester.runpytest("--audit-from-evidence", str(evidence), next(pytester.path.glob("test_*.py")).name)
    result.assert_outcomes(passed=2)


def test_documented_example_check_runs_as_a_check(pytester: pytest.Pytester) -> None:
    evidence = keep(pytester.path / "evidence", [unreachable(A)])
    pytester.makepyfile(
        test_corp='''
        from audit import check

        @check("acme.corp-issuer", severity="medium", remedy="reissue", source="Corp PKI policy 3.1")
        def test_issued_by_the_corporate_ca(certificate):
            """Every internal certificate comes from the corporate CA."""
            assert certificate.issuer_organization == "Example Corp"
        '''
    )
    arguments = ["--audit-from-evidence", str(evidence), "--audit-results", "results.jsonl"]
    result = pytester.runpytest("--pyargs", "audit", "test_corp.py", *arguments)
    (row,) = [row for row in rows(pytester.path / "results.jsonl") if row["check"] == "acme.corp-issuer"]
    assert (row["verdict"], row["remedy"]) == ("inconclusive", "none")
    assert result.ret == 1


@pytest.mark.parametrize("name", ["server", "certificate", "policy", "endpoint"])
def test_built_in_checks_keep_their_facts_despite_a_conftest(pytester: pytest.Pytester, name: str) -> None:
    evidence = keep(pytester.path / "evidence", [host(), unreachable(A)])
    pytester.makeconftest(f"import pytest\n@pytest.fixture\ndef {name}(): return 'mine'\n")
    pytester.makepyfile(test_own=f"def test_own({name}): assert {name} == 'mine'")
    arguments = ["--audit-from-evidence", str(evidence), "--audit-results", "results.jsonl"]
    result = pytester.runpytest("--pyargs", "audit", "test_own.py", *arguments)
    found = {(row["endpoint"], row["check"]): row["verdict"] for row in rows(pytester.path / "results.jsonl")}
    assert found[(str(A), "svc.unreachable")] == "fail"
    assert "error" not in found.values()
    result.stdout.no_fnmatch_line("*test_own*FAILED*")
    assert result.ret == 1
