"""What `make fuzz` counts and what it fails for."""

from __future__ import annotations

import gc
import warnings

import pytest

from bench import fuzz, fuzz_flights
from tests.support.x509.evidence_fuzzing import KINDS
from tests.support.x509.mutated_evidence import Attempt, good_evidence


def test_fuzzer_prints_its_seed_and_counts_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(60, 7) == 0
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first == "60 mutants, seed 7"
    assert [row.split()[0] for row in rows[: len(KINDS) + 1]] == [*KINDS, "all"]
    assert rows[len(KINDS)].split()[1] == "60"
    assert gc.isenabled()


def test_unexpected_exception_is_printed_with_its_bytes_and_fails_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        warnings.warn("odd", UserWarning, stacklevel=1)

    monkeypatch.setattr(fuzz, "read_all", read)
    run, good = fuzz.Run(), good_evidence()[0]
    with fuzz._undisturbed():
        run.judge(Attempt("leaf", b"\x30\x00", good), in_full=False)
    assert fuzz._report(run, 0.0) == 1
    result = capsys.readouterr().out
    assert "escape: UserWarning" in result
    assert "leaf 3000" in result


def test_input_that_takes_too_long_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    run = fuzz.Run(slowest=(1.5, "crl 3000"))
    run.tallies["crl"].slowest_s = 1.5
    assert fuzz._report(run, 2.0) == 1
    assert "crl 3000" in capsys.readouterr().out


def test_mutants_of_flights_raise_no_exception(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz_flights.main(2000, 7) == 0
    assert capsys.readouterr().out.startswith("2000 flights, seed 7: ")


def test_escape_of_a_mutant_of_a_flight_is_printed_and_fails_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> bool:
        raise IndexError("beyond the end")

    monkeypatch.setattr(fuzz_flights, "read", read)
    assert fuzz_flights.main(1, 7) == 1
    assert "IndexError: beyond the end" in capsys.readouterr().out
