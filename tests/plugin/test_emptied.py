"""A run cannot be emptied: built-in checks have results whatever a suite says of its own tests, or the run fails."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from audit.verdict import Verdict
from tests.repository.documents import checks as built_in_checks
from tests.support.checkout import CHECKOUT
from tests.support.evidence import A, B, host, keep, rows, unreachable

WORKERS = pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "-n1"])
INCOMPLETE = "*the audit is incomplete: there is no result of *"


@pytest.fixture
def evidence(pytester: pytest.Pytester) -> Path:
    return keep(pytester.path / "evidence", [unreachable(A), unreachable(B), host()])


def audit(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    given = ("--audit-from-evidence=evidence", "--audit-results=results.jsonl", "-p", "no:cacheprovider")
    return pytester.runpytest(*given, *arguments)


def counted(pytester: pytest.Pytester) -> Counter[str]:
    """Return how many checks have a result, by endpoint."""
    judged = {(row["endpoint"], row["check"]) for row in rows(pytester.path / "results.jsonl")}
    return Counter(endpoint for endpoint, _ in judged)


def expected() -> dict[str, int]:
    checks = tuple(check for check, _ in built_in_checks())
    of_endpoint = sum("endpoint" in check.scopes for check in checks)
    return {str(A): of_endpoint, str(B): of_endpoint, "web1/": sum("host" in check.scopes for check in checks)}


INI = {
    "python_files": "python_files = *_test.py",
    "python_files of nothing": "python_files =",
    "python_classes": "python_classes = Check*",
    "python_functions": "python_functions = check_*",
    "testpaths": "testpaths = suite",
    "norecursedirs": "norecursedirs = audit *",
    "ignored": "addopts = --ignore-glob=*/audit/* --ignore-glob=*test_*",
    "paths in addopts": "addopts = suite",
    "importlib": "addopts = --import-mode=importlib",
    "append": "addopts = --import-mode=append",
    "confcutdir": "addopts = --confcutdir=suite",
    "rootdir": "addopts = --rootdir=suite",
    "strict": "addopts = --strict-markers --strict-config",
    "doctests": "addopts = --doctest-modules",
}


TOGETHER = "\n".join(INI[one] for one in ("python_files", "python_functions", "testpaths", "norecursedirs", "ignored"))


@pytest.mark.parametrize(
    ("ini", "workers"),
    [*((line, ()) for line in INI.values()), (TOGETHER, ("-n1",))],
    ids=[*INI, "together with -n1"],
)
@pytest.mark.usefixtures("evidence")
def test_configuration_of_a_suite_leaves_no_check_out(
    pytester: pytest.Pytester, ini: str, workers: tuple[str, ...]
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.mkdir("suite").joinpath("test_own.py").write_text("def test_own(): pass\n")
    ended = audit(pytester, *workers)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    assert counted(pytester) == expected()
    ended.stdout.no_fnmatch_line(INCOMPLETE)


@pytest.mark.usefixtures("evidence")
def test_conftest_ignores_no_check(pytester: pytest.Pytester) -> None:
    folder = str(CHECKOUT / "audit")
    pytester.makeconftest(f"collect_ignore = [{folder!r}]\ncollect_ignore_glob = ['*test_*', '*audit*']\n")
    audit(pytester, "--pyargs", "audit")
    assert counted(pytester) == expected()


ELSEWHERE = {
    "-k": ("-k nothing_is_called_so", "keyword"),
    "-k of some": ("-k not_self_signed", "keyword"),
    "-m": ("-m slow", "markexpr"),
    "--deselect": ("--deselect=audit/test_certificate.py --deselect=test_certificate.py", "deselect"),
    "--collect-only": ("--collect-only", "collectonly"),
    "--maxfail": ("--maxfail=1", "maxfail"),
    "--audit-check": ("--audit-check=cert.*", "audit_check"),
}


@pytest.mark.parametrize("place", ["addopts", "PYTEST_ADDOPTS"])
@pytest.mark.parametrize(("option", "name"), ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.usefixtures("evidence")
def test_other_narrowing_options_fail_the_run_with_a_message(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, place: str, option: str, name: str
) -> None:
    if place == "addopts":
        pytester.makeini(f"[pytest]\naddopts = {option}\n")
    else:
        monkeypatch.setenv("PYTEST_ADDOPTS", option)
    ended = audit(pytester, "--pyargs", "audit")
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines([f"{INCOMPLETE}; addopts or PYTEST_ADDOPTS sets {name}: give it on the command line"])
    if "--collect-only" not in option:
        (summary,) = rows(pytester.path / "results.jsonl", "summary")
        assert summary["exit_status"] == 1


COMMAND_LINE = ("-k not_self_signed", "-m sslaudit_none", "--deselect=test_certificate.py", "--collect-only -q",
                "-x", "--maxfail=1", "--audit-check=cert.self-signed", "--ignore-glob=*test_chain.py")  # fmt: skip


@pytest.mark.parametrize("option", [*COMMAND_LINE, "-k not_self_signed -n1"])
@pytest.mark.usefixtures("evidence")
def test_command_line_may_narrow(pytester: pytest.Pytester, option: str) -> None:
    ended = audit(pytester, "--pyargs", "audit", *option.split())
    ended.stdout.no_fnmatch_line(INCOMPLETE)


@pytest.mark.usefixtures("evidence")
def test_last_failed_may_narrow(pytester: pytest.Pytester) -> None:
    for _ in range(2):
        given = ("--pyargs", "audit", "--audit-from-evidence=evidence", "--lf")
        ended = pytester.runpytest(*given, "--audit-results=results.jsonl")
        ended.stdout.no_fnmatch_line(INCOMPLETE)
    assert 0 < sum(counted(pytester).values()) < sum(expected().values())


AUDIT = CHECKOUT / "audit"


@pytest.mark.parametrize("file", ["checks/test_certificate.py", "test_certificate.py"], ids=["today", "before"])
@pytest.mark.usefixtures("evidence")
def test_node_id_may_narrow(pytester: pytest.Pytester, file: str) -> None:
    node = f"{AUDIT / file}::test_not_self_signed"
    ended = audit(pytester, node)
    ended.stdout.no_fnmatch_line(INCOMPLETE)
    assert counted(pytester) == {str(A): 1, str(B): 1}


SPLIT = """
def pytest_collection_modifyitems(config, items):
    left = items[::2]
    items[:] = items[1::2]
    {report}
"""


@WORKERS
@pytest.mark.usefixtures("evidence")
def test_check_that_a_plugin_deselects_is_printed_without_a_failure(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makeconftest(SPLIT.format(report="config.hook.pytest_deselected(items=left)"))
    ended = audit(pytester, *workers)
    ended.stdout.fnmatch_lines(["partial audit: a plugin left out * checks, such as *"])
    ended.stdout.no_fnmatch_line(INCOMPLETE)


@WORKERS
@pytest.mark.usefixtures("evidence")
def test_check_that_is_removed_silently_fails_the_run(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makeconftest(SPLIT.format(report="pass"))
    ended = audit(pytester, "--audit-fail-on=critical", "--audit-inconclusive=report", *workers)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines([INCOMPLETE])


@pytest.mark.usefixtures("evidence")
def test_check_that_a_conftest_skips_is_inconclusive(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items: item.add_marker(pytest.mark.skip(reason='too slow'))\n"
    )
    ended = audit(pytester)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    found = rows(pytester.path / "results.jsonl")
    assert {row["verdict"] for row in found} == {"inconclusive"}
    assert all(row["message"].endswith("by code outside the audit: too slow") for row in found)


@pytest.mark.parametrize("name", ["full.jsonl", "full.jsonl.gz"])
@pytest.mark.usefixtures("evidence")
def test_results_that_cannot_be_written_fail_the_run(pytester: pytest.Pytester, name: str) -> None:
    (pytester.path / name).symlink_to("/dev/full")
    ended = pytester.runpytest("--audit-from-evidence=evidence", f"--audit-results={name}")
    ended.stdout.fnmatch_lines([f"the results are incomplete: *{name}: No space left on device"])
    assert ended.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("part", ["judging", "controller", "parametrize", "fixtures", "collection", "summary"])
@pytest.mark.usefixtures("evidence")
def test_disabled_part_of_the_audit_plugin_fails_the_run(pytester: pytest.Pytester, part: str) -> None:
    ended = audit(pytester, "-p", f"no:sslaudit-{part}")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert f"-p no:sslaudit-{part} switches off a part of the audit" in ended.stderr.str()


@pytest.mark.usefixtures("evidence")
def test_without_the_collector_of_python_the_run_fails(pytester: pytest.Pytester) -> None:
    ended = pytester.runpytest_subprocess("--audit-from-evidence=evidence", "-p", "no:python")
    assert ended.ret not in (0, None)


def test_every_verdict_counts_as_a_result(pytester: pytest.Pytester, evidence: Path) -> None:
    ended = audit(pytester, "--audit-fail-on=critical", "--audit-inconclusive=report")
    ended.stdout.no_fnmatch_line(INCOMPLETE)
    assert evidence.is_dir()
    found = {row["verdict"] for row in rows(pytester.path / "results.jsonl")}
    assert found <= {verdict.value for verdict in Verdict}
