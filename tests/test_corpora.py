"""The measurements on cases of others say what they need, and count right on cases that are made here."""

from __future__ import annotations

import io
import json
import lzma
import ssl
import tarfile
from pathlib import Path

import pytest

from bench import corpora, lints
from tests.audit.certificates import NOW
from tests.audit.certificates import leaf as draft
from tests.audit.paths import Made, new_ca, new_leaf, new_root

PATHS, LINTS = (name for name, *_ in corpora.MEASUREMENTS)
ROOT = new_root()
CA = new_ca(ROOT)


def case(name: str, result: str, leaf: Made) -> dict[str, object]:
    pem = [ssl.DER_cert_to_PEM_cert(made.der) for made in (ROOT, CA, leaf)]
    return {
        "id": name, "expected_result": result, "trusted_certs": pem[:1], "untrusted_intermediates": pem[1:2],
        "peer_certificate": pem[2], "expected_peer_name": {"kind": "DNS", "value": "www.example.com"},
        "expected_peer_names": [], "validation_kind": "SERVER", "validation_time": NOW.isoformat(),
        "max_chain_depth": None, "crls": [],
    }  # fmt: skip


def write_lints(file: Path, rows: str) -> None:
    pem = ssl.DER_cert_to_PEM_cert(draft().named().der)
    with tarfile.open(file, "w:xz") as archive:
        for name, text in (("bare.pem", pem), ("expected.tsv", rows)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def test_a_folder_without_them_is_told_with_what_is_needed_and_where_it_was_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpora.main(tmp_path / "nowhere") == 1
    said = capsys.readouterr().out
    for name in (PATHS, LINTS):
        assert f"looked for {tmp_path / 'nowhere' / name}" in said
    assert "CORPORA=FOLDER" in said


def test_false_accepts_and_rejects_are_counted_apart_for_both_validators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        case("others::good", "SUCCESS", new_leaf(CA)),
        case("others::good-that-is-to-be-refused", "FAILURE", new_leaf(CA)),
        case("bettertls::bad-that-is-to-pass", "SUCCESS", new_leaf(CA, "else.example.com")),
    ]
    (tmp_path / PATHS).write_bytes(lzma.compress(json.dumps({"testcases": cases}).encode()))
    write_lints(tmp_path / LINTS, "bare.pem\te_ext_san_missing\terror\n")
    assert corpora.main(tmp_path) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for name in ("here", "library"):
        assert any(row.startswith(f"others {name} 2 cases 1 false accepts 0 false rejects") for row in rows)
        assert any(row.startswith(f"bettertls {name} 1 cases 0 false accepts 1 false rejects") for row in rows)
    assert "cert.san-missing e_ext_san_missing 1 1 0 0 0 0" in rows
    assert "recall 1.0000, false positives 0.0000% of the rows that are to be no finding" in rows


def test_a_recall_below_its_bound_is_a_failure(tmp_path: Path) -> None:
    write_lints(tmp_path / LINTS, "bare.pem\te_sub_cert_eku_missing\terror\n")
    assert lints.main(tmp_path / LINTS) == 1
