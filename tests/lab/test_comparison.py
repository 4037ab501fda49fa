"""Planted faults compared with findings and repairs: every difference is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.comparison import compare, read_results, summed_up, tell


def row(
    endpoint: str, check: str, verdict: str, remedy: str = "manual", *, phase: str = "before", **detail: object
) -> dict[str, object]:
    return {
        "endpoint": endpoint,
        "check": check,
        "verdict": verdict,
        "remedy": remedy,
        "phase": phase,
        "detail": detail,
    }


def expired(phase: str, verdict: str, remedy: str = "reissue") -> dict[str, object]:
    return row("a", "cert.expired", verdict, remedy, phase=phase)


def test_planted_fault_that_is_found_is_exact() -> None:
    comparison = compare({"a": ["cert.expired"]}, [expired("before", "fail"), row("b", "cert.expired", "pass")])
    assert comparison.is_exact
    assert comparison.sound == 1


def test_planted_fault_that_is_not_found_is_missed() -> None:
    comparison = compare({"a": ["cert.expired"]}, [expired("before", "pass")])
    assert (comparison.is_exact, comparison.missed) == (False, (("a", "cert.expired"),))
    assert "MISSED  cert.expired  a" in list(tell(comparison))


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "error"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_finding_that_is_not_planted_is_unexpected(verdict: str, phase: str) -> None:
    comparison = compare({}, [row("a", "key.weak", verdict, phase=phase)])
    assert (comparison.is_exact, comparison.unexpected) == (False, (("a", "key.weak"),))
    assert "UNEXPECTED  key.weak  a" in list(tell(comparison))


def test_consequence_of_another_finding_is_not_counted() -> None:
    results = [row("a", "svc.unreachable", "fail"), row("a", "key.weak", "inconclusive", because="svc.unreachable")]
    assert compare({"a": ["svc.unreachable"]}, results).is_exact


@pytest.mark.parametrize("remedy", ["reissue", "rekey", "rechain", "reload", "host"])
def test_finding_that_passes_after_the_repair_is_repaired(remedy: str) -> None:
    comparison = compare({"a": ["cert.expired"]}, [expired("before", "fail", remedy), expired("after", "pass", remedy)])
    assert (comparison.repaired, comparison.is_whole) == ((("a", "cert.expired"),), True)


@pytest.mark.parametrize("remedy", ["reissue", "rekey", "rechain", "reload"])
@pytest.mark.parametrize("after", [[], [expired("after", "fail")], [expired("after", "inconclusive")]])
def test_finding_that_fails_after_the_repair_is_unrepaired(remedy: str, after: list[dict[str, object]]) -> None:
    comparison = compare({"a": ["cert.expired"]}, [expired("before", "fail", remedy), *after])
    assert (comparison.is_exact, comparison.is_whole) == (True, False)
    assert "NOT REPAIRED  cert.expired  a" in list(tell(comparison))


@pytest.mark.parametrize("remedy", ["configure", "dns", "manual", "host"])
def test_finding_without_a_repair_is_left(remedy: str) -> None:
    comparison = compare({"a": ["cert.expired"]}, [expired("before", "fail", remedy)])
    assert (comparison.left, comparison.is_whole) == ((("a", "cert.expired"),), True)
    assert list(tell(comparison)) == [
        "found and not repairable (the report says what to do):",
        "  cert.expired  a",
    ]


def test_last_line_has_the_counts() -> None:
    results = [expired("before", "fail"), expired("after", "pass"), row("b", "svc.plaintext", "fail", "configure")]
    assert summed_up(compare({"a": ["cert.expired"], "b": ["svc.plaintext"]}, [*results, row("c", "x.y", "pass")])) == (
        "2 of 2 planted faults found, 0 other findings; 1 repaired, 0 repairs failed, 1 explained; "
        "1 endpoints without a fault"
    )


def test_results_of_a_run_that_did_not_finish_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"kind": "run"}\n')
    with pytest.raises(ValueError, match="did not finish"):
        read_results(tmp_path / "results.jsonl")
