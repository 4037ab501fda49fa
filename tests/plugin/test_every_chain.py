"""Every distinct chain that any address of an endpoint serves is judged, and decides the verdict."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from hashlib import sha256

import pytest

from audit.endpoint import parse_endpoint
from audit.json_codec import from_json, to_json
from audit.observation import SCHEMA, Handshake, Observation, RevocationResponse
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT
from tests.support.evidence import NOW, keep, rows
from tests.support.x509.certificates import DAY, Draft, rsa_key
from tests.support.x509.certificates import NOW as ISSUED
from tests.support.x509.crls import crl
from tests.support.x509.ocsp_responses import ASKED, CA, CRL_URL
from tests.support.x509.ocsp_responses import ROOT as ASKED_ROOT
from tests.support.x509.paths import Made, key_id

WWW = parse_endpoint("https://www.example.com")
FIRST, SECOND = "192.0.2.1", "192.0.2.2"
EXPIRED = GOOD.ending(ISSUED - DAY)
DEAD_CA = INTERMEDIATE.ending(ISSUED - DAY)
RSA = GOOD.with_key(rsa_key(2048))
OWN = """
import pytest
from audit import check, require

@pytest.fixture
def subject(certificate):
    return certificate.subject

@check("acme.not-expired", severity="high", remedy="reissue")
def test_not_expired(certificate, chain, now):
    "The leaf is valid."
    assert certificate.not_after > now

@check("acme.intermediate", severity="high", remedy="rechain")
def test_has_intermediate(chain, subject):
    require(len(chain.certificates) > 1, f"{subject} came alone")

@check("acme.fixture", severity="high")
def test_fixtures_are_of_one_chain(certificate, subject):
    assert certificate.subject == subject
"""


def shake(address: str, *drafts: Draft | Made) -> Handshake:
    """Return a handshake in which these certificates were sent."""
    ders = tuple(draft.der for draft in drafts)
    return Handshake(address, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", None, ders, None, 0.01, ())


class Audit:
    """A folder with evidence of one endpoint, judged by the whole program."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.results = pytester.path / "results.jsonl"

    def run(
        self,
        *handshakes: Handshake,
        others: tuple[Handshake, ...] = (),
        what: str = "",
        revocation: tuple[RevocationResponse, ...] | None = None,
    ) -> pytest.RunResult:
        addresses = tuple(dict.fromkeys(one.address for one in handshakes))
        seen = Observation(WWW, NOW, addresses, handshakes, other_key_handshakes=others, revocation=revocation)
        keep(self.pytester.path / "evidence", [seen])
        (self.pytester.path / "root.pem").write_text(pem(ROOT) + pem(ASKED_ROOT))
        if what:
            self.pytester.makepyfile(test_own=what)
        return self.judge(*(["test_own.py"] if what else ["--pyargs", "audit"]))

    def judge(self, *checks: str) -> pytest.RunResult:
        """Judge what was kept."""
        given = ("--audit-from-evidence", "evidence", "--audit-results", self.results, "--audit-trust", "root.pem",
                 "--audit-now", "2026-11-23T10:00:00Z")  # fmt: skip
        return self.pytester.runpytest(*(checks or ("--pyargs", "audit")), "-q", "-p", "no:cacheprovider", *given)

    def failed(self) -> dict[str, dict[str, object]]:
        """Return the failing results by check."""
        return {str(row["check"]): row for row in rows(self.results) if row["verdict"] == "fail"}

    def verdict(self, check: str) -> str:
        return next(str(row["verdict"]) for row in rows(self.results) if row["check"] == check)


def pem(draft: Draft | Made) -> str:
    """Return a certificate as PEM."""
    return ssl.DER_cert_to_PEM_cert(draft.der)


@pytest.fixture
def audit(pytester: pytest.Pytester) -> Audit:
    return Audit(pytester)


def test_expired_leaf_at_second_address_is_found_and_decides(audit: Audit) -> None:
    assert audit.run(shake(FIRST, GOOD, INTERMEDIATE), shake(SECOND, EXPIRED, INTERMEDIATE)).ret == 1
    found = audit.failed()["cert.expired"]
    assert str(found["message"]).startswith(f"at {SECOND}: expired")
    assert found["leaf_sha256"] == leaf_digest(EXPIRED)
    detail = found["detail"]
    assert isinstance(detail, dict)
    assert [chain["verdict"] for chain in detail["chains"]] == ["pass", "fail"]


def test_second_address_without_intermediate_is_incomplete(audit: Audit) -> None:
    assert audit.run(shake(FIRST, GOOD, INTERMEDIATE), shake(SECOND, GOOD)).ret == 1
    assert list(audit.failed()) == ["chain.incomplete"]
    assert SECOND in str(audit.failed()["chain.incomplete"]["message"])


def test_second_certificate_of_other_key_type_is_judged(audit: Audit) -> None:
    expired = RSA.ending(ISSUED - DAY)
    audit.run(shake(FIRST, GOOD, INTERMEDIATE), others=(shake(FIRST, expired, INTERMEDIATE),))
    found = audit.failed()["cert.expired"]
    assert str(found["message"]).startswith(f"at {FIRST} (RSA): expired")
    assert found["leaf_sha256"] == leaf_digest(expired)


def answered(leaf: Made, revoked: Made) -> RevocationResponse:
    """Return the CRL that a certificate names, with one certificate in it."""
    return RevocationResponse(leaf_digest(leaf), "crl", CRL_URL, NOW, content=crl(CA, revoked))


@pytest.mark.parametrize("is_revoked", [True, False])
@pytest.mark.parametrize(
    ("second", "place"), [(SECOND, SECOND), (FIRST, f"{FIRST} (RSA)")], ids=["other address", "other key type"]
)
def test_certificate_of_second_chain_is_judged_for_revocation(
    audit: Audit, second: str, place: str, is_revoked: bool  # noqa: FBT001 - a parameter of a test
) -> None:  # fmt: skip
    other = replace(ASKED, key=rsa_key(2048), serial=7).having(key_id(rsa_key(2048)))
    listed = other if is_revoked else replace(other, serial=8)
    shown = shake(second, other, CA)
    audit.run(
        shake(FIRST, ASKED, CA),
        *([shown] if second == SECOND else []),
        others=() if second == SECOND else (shown,),
        revocation=(answered(ASKED, listed), answered(other, listed)),
    )
    assert audit.verdict("cert.revoked") == ("fail" if is_revoked else "pass")
    if is_revoked:
        found = audit.failed()["cert.revoked"]
        assert str(found["message"]).startswith(f"at {place}: the leaf was revoked on 2026-11-21")
        assert found["leaf_sha256"] == leaf_digest(other)


def test_fault_of_every_chain_is_reported_once(audit: Audit) -> None:
    audit.run(shake(FIRST, EXPIRED, INTERMEDIATE), shake(SECOND, EXPIRED, INTERMEDIATE, INTERMEDIATE))
    assert str(audit.failed()["cert.expired"]["message"]).startswith("expired 1 day ago")


def test_check_and_fixtures_of_the_user_are_called_for_each_chain(audit: Audit) -> None:
    result = audit.run(shake(FIRST, GOOD, INTERMEDIATE), shake(SECOND, EXPIRED), what=OWN)
    result.assert_outcomes(passed=1, failed=2)
    failed = audit.failed()
    assert set(failed) == {"acme.not-expired", "acme.intermediate"}
    assert str(failed["acme.not-expired"]["message"]).startswith(f"at {SECOND}: The leaf is valid: assert ")
    assert failed["acme.intermediate"]["message"] == f"at {SECOND}: {GOOD.subject} came alone"


def test_fixtures_have_every_chain_whichever_is_judged(audit: Audit) -> None:
    check = """
from audit import check

@check("acme.all", severity="high")
def test_all(certificate, chains):
    assert [len(chain.certificates) for chain in chains] == [2, 1]
    assert certificate.sha256 in {chain.leaf.sha256 for chain in chains}
"""
    audit.run(shake(FIRST, GOOD, INTERMEDIATE), shake(SECOND, EXPIRED), what=check)
    assert audit.verdict("acme.all") == "pass"


def test_address_that_serves_no_certificate_leaves_the_others_judged(audit: Audit) -> None:
    audit.run(shake(FIRST), shake(SECOND, EXPIRED, INTERMEDIATE))
    assert {"svc.certificate-missing", "cert.expired"} <= set(audit.failed())


def test_evidence_without_second_handshakes_is_read() -> None:
    seen = Observation(WWW, NOW, (FIRST,), (shake(FIRST, EXPIRED, INTERMEDIATE),))
    kept = to_json(seen)
    assert kept["schema"] == SCHEMA
    del kept["other_key_handshakes"], kept["other_key_failures"]
    assert from_json(Observation, json.loads(json.dumps(kept))) == seen


def test_results_hold_every_chain_with_its_addresses(audit: Audit) -> None:
    audit.run(shake(FIRST, GOOD, INTERMEDIATE), shake(SECOND, GOOD), others=(shake(FIRST, RSA, INTERMEDIATE),))
    (row,) = rows(audit.results, "observation")
    assert [(one["addresses"], one["key_type"], len(one["certificates"])) for one in row["chains"]] == [
        ([FIRST], "EC", 2), ([SECOND], "EC", 1), ([FIRST], "RSA", 2),
    ]  # fmt: skip
    assert row["chain"] == row["chains"][0]["certificates"]
    assert {"serial", "key_type", "key_bits", "signature_algorithm", "ocsp", "crl"} < set(row["chain"][0])
    assert row["chains"][2]["certificates"][0]["key_bits"] == 2048


def leaf_digest(draft: Draft | Made) -> str:
    """Return the SHA-256 of a certificate."""
    return sha256(draft.der).hexdigest()
