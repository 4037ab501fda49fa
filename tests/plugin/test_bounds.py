"""A server decides how long its names are: every message and every detail of every report stays within its bound."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from audit.observation import Handshake, Observation
from audit.text import MAX_DETAIL, MAX_MESSAGE, MAX_QUOTED, bounded_detail, bounded_message
from tests.support.evidence import NOW, A, B, keep, rows, unreachable

SUBJECT_UNITS = 2000
NAMES = [f"{'a' * 60}.{'b' * 60}.n{number}.example" for number in range(5000)]


@cache
def hostile() -> bytes:
    """Return a self-signed certificate with a subject of some 100 kB and 5,000 names, long expired."""
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"A unit of many words, the number {number}")
             for number in range(SUBJECT_UNITS)]  # fmt: skip
    name, key = x509.Name(units), ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2021, 1, 1, tzinfo=UTC)
    )
    names = x509.SubjectAlternativeName([x509.DNSName(one) for one in NAMES])
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture
def subject() -> str:
    text = x509.load_der_x509_certificate(hostile()).subject.rfc4514_string()
    assert len(text) > 80_000
    return text


def test_hostile_certificate_bloats_no_report(pytester: pytest.Pytester, subject: str) -> None:
    handshake = Handshake("192.0.2.1", "TLSv1.3", "TLS_AES_128_GCM_SHA256", None, None, (hostile(),), None, 0.1)
    keep(pytester.path / "evidence", [Observation(A, NOW, ("192.0.2.1",), handshakes=(handshake,)), unreachable(B)])
    reports = ("--audit-results=results.jsonl", "--html=report.html", "--junitxml=junit.xml")
    ended = pytester.runpytest("--pyargs", "audit", "--audit-from-evidence=evidence", *reports)
    found = rows(pytester.path / "results.jsonl")
    failed = [row for row in found if row["endpoint"] == str(A) and row["verdict"] == "fail"]
    assert len(failed) > 3
    assert not [row for row in found if row["verdict"] == "error"]
    for row in found:
        assert len(row["message"]) <= MAX_MESSAGE
        assert subject[: MAX_QUOTED + 1] not in row["message"]
        assert all(len(json.dumps(value)) < MAX_DETAIL * 1.5 for value in row["detail"].values())
    quoting = [row for row in failed if subject[:100] in row["message"]]
    assert quoting
    for row in quoting:
        whole = row["detail"].get("message") or json.dumps(row["detail"])
        assert subject[:1000] in whole
        assert "characters)" in whole
    assert max(map(len, ended.outlines)) < 2 * MAX_MESSAGE
    for element in ET.parse(pytester.path / "junit.xml").iter():  # noqa: S314 - pytest wrote it
        assert len(element.get("message", "")) < 2 * MAX_MESSAGE
        assert subject[: 2 * MAX_DETAIL] not in (element.get("value", "") + (element.text or ""))
    assert subject[: 2 * MAX_DETAIL] not in (pytester.path / "report.html").read_text()


def test_lists_keep_what_fits_and_their_length() -> None:
    detail = bounded_detail({"observed": NAMES, "required": {str(one): NAMES for one in range(50)}})
    assert detail["observed"][:20] == NAMES[:20]
    assert detail["observed"][-1] == "… (5000 in all)"
    assert len(json.dumps(detail)) < 3 * MAX_DETAIL
    assert bounded_detail({"observed": "x" * 9000})["observed"] == "x" * MAX_DETAIL + "… (9000 characters)"


def test_small_values_stay_as_they_are() -> None:
    detail = {"observed": ["a", 1, None, True, 1.5, {"b": []}], "required": "c", "because": "svc.unreachable"}
    assert bounded_detail(detail) == detail


def test_values_without_an_end_are_cut() -> None:
    endless: list[object] = []
    endless.append(endless)
    json.dumps(bounded_detail({"observed": endless, "required": float("nan")}), allow_nan=False)


@pytest.mark.parametrize(
    ("message", "values", "quoted"),
    [
        (f"{'n' * 300} is not the name", (), f"{'n' * 119}… is not the name"),
        (f"the name {'a b ' * 100!r} is wrong", (), None),
        (f"issuer {'a b ' * 100}is unknown", ("a b " * 100,), None),
    ],
)
def test_quoted_value_is_cut_and_the_rest_stays(message: str, values: tuple[str, ...], quoted: str | None) -> None:
    said = bounded_message(message, values)
    assert len(said) < 160
    assert said.split()[-1] == message.rsplit(maxsplit=1)[-1]
    assert quoted in (None, said)


OWN = """
from audit import check, require

@check("acme.odd", severity="high")
def test_odd(endpoint):
    require(endpoint.name != "a.example", "odd", observed={1: object(), "set": {2}}, required=b"x")
"""


def test_result_of_values_that_json_has_not_is_written(pytester: pytest.Pytester) -> None:
    evidence = keep(pytester.path / "evidence", [unreachable(A), unreachable(B)])
    pytester.makepyfile(test_own=OWN)
    ended = pytester.runpytest("test_own.py", f"--audit-from-evidence={evidence}", "--audit-results=results.jsonl")
    ended.assert_outcomes(failed=1, passed=1)
    first, _ = rows(pytester.path / "results.jsonl")
    assert first["verdict"] == "fail"
    assert first["detail"]["required"] == "b'x'"
