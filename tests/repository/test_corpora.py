"""The measurements on cases of others say what they need, and count right on cases that are made here."""

from __future__ import annotations

import io
import json
import lzma
import os
import ssl
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import corpora, lints, paths
from tests.support.checkout import CHECKOUT
from tests.support.x509.certificates import NOW
from tests.support.x509.certificates import leaf as draft
from tests.support.x509.paths import Made, new_ca, new_leaf, new_root

PATHS, LINTS = dict.fromkeys(name for name, *_ in corpora.MEASUREMENTS)
FOLDERS = tuple(
    Path(folder)
    for folder in (os.environ.get("CORPORA"), CHECKOUT / "corpora", CHECKOUT.parent / "shared" / "corpora")
    if folder
)
"""Where the public cases may be: they are not part of the project."""
ROOT = new_root()
CA = new_ca(ROOT)


def case(name: str, result: str, leaf: Made) -> dict[str, object]:
    pem = [ssl.DER_cert_to_PEM_cert(made.der) for made in (ROOT, CA, leaf)]
    return {
        "id": name, "expected_result": result, "trusted_certs": pem[:1], "untrusted_intermediates": pem[1:2],
        "peer_certificate": pem[2], "expected_peer_name": {"kind": "DNS", "value": "www.example.com"},
        "expected_peer_names": [], "validation_kind": "SERVER", "validation_time": NOW.isoformat(),
        "max_chain_depth": None, "crls": [],
        "peer_certificate_key": None if name.startswith("bettertls") else pem_of(leaf),
    }  # fmt: skip


def pem_of(leaf: Made) -> str:
    """Return the private key of a leaf."""
    return leaf.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def write_cases(folder: Path, *cases: dict[str, object]) -> Path:
    """Write a file of path cases."""
    file = folder / PATHS
    file.write_bytes(lzma.compress(json.dumps({"testcases": cases}).encode()))
    return file


def write_lints(file: Path, rows: str) -> None:
    pem = ssl.DER_cert_to_PEM_cert(draft().named().der)
    with tarfile.open(file, "w:xz") as archive:
        for name, text in (("bare.pem", pem), ("expected.tsv", rows)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def test_directory_without_corpora_is_an_error_with_the_missing_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpora.main(tmp_path / "nowhere") == 1
    outcome = capsys.readouterr().out
    for name in (PATHS, LINTS):
        assert f"expected at {tmp_path / 'nowhere' / name}" in outcome
    assert "CORPORA=FOLDER" in outcome


def test_false_accepts_and_rejects_are_counted_for_both_validators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_cases(
        tmp_path,
        case("others::good", "SUCCESS", new_leaf(CA)),
        case("others::good-that-is-to-be-refused", "FAILURE", new_leaf(CA)),
        case("bettertls::bad-that-is-to-pass", "SUCCESS", new_leaf(CA, "else.example.com")),
    )
    write_lints(tmp_path / LINTS, "bare.pem\te_ext_san_missing\terror\n")
    assert paths.main(file) == lints.main(tmp_path / LINTS) == 0
    rows = printed(capsys)
    for name in ("here", "library"):
        assert any(row.startswith(f"others {name} 2 cases 1 false accepts 0 false rejects") for row in rows)
        assert any(row.startswith(f"bettertls {name} 1 cases 0 false accepts 1 false rejects") for row in rows)
    assert "cert.san-missing e_ext_san_missing 1 1 0 0 0 0" in rows
    assert "recall 1.0000, false positives 0.0000% of the rows that should not be a finding" in rows


def test_whole_audit_is_measured_at_servers_and_in_memory(tmp_path: Path) -> None:
    """Three cases are served and audited, one is judged in memory, and a misjudged one breaks a bound."""
    good, other = new_leaf(CA), new_leaf(CA, "else.example.com")
    cases = [
        case("others::good", "SUCCESS", good),
        case("others::another-name", "FAILURE", other),
        case("webpki::without-usage", "FAILURE", good.without(x509.ExtendedKeyUsage)),
        case("bettertls::another-name", "FAILURE", other),
    ]
    status, rows = audited(write_cases(tmp_path, *cases))
    assert status == 0
    assert rows == [
        "bettertls 1 cases 0 false accepts 0 false rejects 0 on which validate_path disagrees",
        "others 3 cases 0 false accepts 0 false rejects 0 on which validate_path disagrees",
    ]
    status, rows = audited(write_cases(tmp_path, case("bettertls::another-name", "SUCCESS", other)))
    assert status == 1
    assert rows[0] == "bettertls 1 cases 0 false accepts 1 false rejects 0 on which validate_path disagrees"


def test_public_cases_are_judged_as_expected() -> None:
    """The whole audit on a fixed part of the public cases: twelve at servers, twelve in memory."""
    file = next((folder / PATHS for folder in FOLDERS if (folder / PATHS).is_file()), None)
    if file is None:
        assert not os.environ.get("CI"), f"{PATHS} is in none of {', '.join(map(str, FOLDERS))}"
        pytest.skip(f"{PATHS} is not part of the project, and in none of {', '.join(map(str, FOLDERS))}")
    status, rows = audited(file, 12)
    assert [row.partition(" cases")[0] for row in rows[:2]] == ["bettertls 12", "others 12"]
    assert status == 0, rows


def audited(file: Path, *count: int) -> tuple[int, list[str]]:
    """Measure the whole audit in a process of its own; return its exit status and what it printed."""
    command = [sys.executable, "-m", "bench.audited_paths", str(file), *map(str, count)]
    run = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert not run.stderr, run.stderr
    return run.returncode, [" ".join(line.split()) for line in run.stdout.splitlines()]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that were printed, with single spaces."""
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_recall_below_its_bound_is_a_failure(tmp_path: Path) -> None:
    write_lints(tmp_path / LINTS, "bare.pem\te_sub_cert_eku_missing\terror\n")
    assert lints.main(tmp_path / LINTS) == 1
