"""Tests of the status of a certificate by OCSP responses and CRLs: good, revoked, and unknown with the reason."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.der import elements, encoded
from audit.x509.revocation.basis import (
    SourceStatus,
    StatusBasis,
    StatusSubject,
    Tolerance,
    certainly_good,
)
from audit.x509.revocation.ocsp import OcspResponse, nonce_of, ocsp_request, read_ocsp
from audit.x509.revocation.status import OcspEvidence, status_from_crls, status_from_ocsp
from tests.support.cpu_time import at_most_cpu_s
from tests.support.x509.certificates import DAY, NOW, key_named, rsa_key
from tests.support.x509.crls import crl, issuing_point
from tests.support.x509.ocsp_responses import (
    ASKED,
    CA,
    CRL_URL,
    GOOD,
    HOUR,
    LEAF,
    REVOKED,
    ROOT,
    UNKNOWN,
    Answer,
    delegate,
    refusing,
    rekeyed,
)
from tests.support.x509.paths import Made, extension_added, member, new_ca, new_leaf, tlv, usage

TOLERANCE = Tolerance(timedelta(minutes=5), DAY)
BASIS = StatusBasis(NOW, TOLERANCE)
BY_KEY = ocsp.OCSPResponderEncoding.HASH


def subject(leaf: Made = ASKED, *above: Made) -> StatusSubject:
    return StatusSubject(member(leaf), tuple(member(issuer) for issuer in above or (CA, ROOT)))


def status_of(content: bytes, *, request: bytes = b"", basis: StatusBasis = BASIS, leaf: Made = ASKED) -> SourceStatus:
    return status_from_ocsp(OcspEvidence(content, "the responder", request), subject(leaf), basis)


def status_by_crls(*crls: bytes, leaf: Made = ASKED) -> SourceStatus:
    return status_from_crls([(CRL_URL, crl_der) for crl_der in crls], subject(leaf), BASIS)


def of_signers(status: SourceStatus) -> StatusBasis:
    """Return a basis by which the certificate of each signer has a status."""
    return replace(BASIS, status_of_signer=lambda _: status)


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])  # noqa: S303
@pytest.mark.parametrize("named", list(ocsp.OCSPResponderEncoding))
@pytest.mark.parametrize("signer", [None, delegate(), delegate(CA, x509.OCSPNoCheck())], ids=["CA", "own", "nocheck"])
def test_response_of_issuer_or_delegate_is_trusted_with_any_digest(
    digest: hashes.HashAlgorithm, named: ocsp.OCSPResponderEncoding, signer: Made | None
) -> None:
    answer = Answer(digest=digest, named=named)
    assert status_of((answer.by(signer) if signer else answer).der) == SourceStatus("good", "the responder")


def test_revoked_status_has_date_and_reason() -> None:
    status = status_of(Answer(status=REVOKED, reason=x509.ReasonFlags.key_compromise).der)
    assert (status.word, status.since, status.is_for_its_key) == ("revoked", NOW - 48 * HOUR, True)
    assert str(status) == "was revoked on 2026-11-21 10:00 UTC (keyCompromise), according to the responder"
    for reason in set(x509.ReasonFlags) - {x509.ReasonFlags.key_compromise}:
        status = status_of(Answer(status=REVOKED, reason=reason).der)
        assert (status.word, status.reason, status.is_for_its_key) == ("revoked", reason, False)
    assert (
        str(status_of(Answer(status=REVOKED).der)) == "was revoked on 2026-11-21 10:00 UTC, according to the responder"
    )


def of_ca(ca: Made, named: ocsp.OCSPResponderEncoding = BY_KEY) -> SourceStatus:
    """Return the status of a leaf of another CA by a response of that CA."""
    leaf = new_leaf(ca)
    evidence = OcspEvidence(Answer(about=leaf, issuer=ca, named=named).der, "the responder")
    return status_from_ocsp(evidence, subject(leaf, ca, ROOT), BASIS)


def valid(start: datetime, end: datetime) -> Made:
    """Return a responder that is valid in this period."""
    old = delegate()
    return Made(old.subject, old.issuer, old.extensions, start=start, end=end)


def stated(version: int) -> bytes:
    """Return a response with an explicit version."""
    return Answer(edits=(lambda fields: [tlv(0xA0, tlv(0x02, bytes((version,)))), *fields],)).der


def extended(next_update: datetime | None) -> bytes:
    """Return a response with an unknown critical extension of its only status."""
    unknown = tlv(0x30, bytes.fromhex("06032a0304"), b"\x01\x01\xff", tlv(0x04, b"\x05\x00"))

    def edit(fields: list[bytes]) -> list[bytes]:
        (responses,) = [part for part in fields if part[0] == 0x30]
        (single,) = elements(elements(responses)[0].content)
        changed = tlv(0x30, tlv(0x30, single.content, tlv(0xA1, tlv(0x30, unknown))))
        return [changed if part == responses else part for part in fields]

    return Answer(next_update=next_update, edits=(edit,)).der


OLD = Answer(this_update=NOW - 9 * DAY, next_update=NOW - HOUR)
HOLD = x509.ReasonFlags.certificate_hold
ANY_USAGE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
CRITICAL = ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True),)
OWN, EXEMPT = delegate(), delegate(CA, x509.OCSPNoCheck())
BY_OWN, REVOKED_BY_OWN = (Answer(status=status).by(OWN).der for status in (GOOD, REVOKED))
LISTED, UNFETCHED = SourceStatus("revoked", "the CRL"), SourceStatus("unknown", "the CRL", "it was not fetched")
OTHERS = [new_leaf(CA) for _ in range(8)]
RSA_CA = rekeyed(new_ca(ROOT, "CN=RSA CA"), rsa_key(2048))
WEAK_CA = rekeyed(new_ca(ROOT, "CN=Weak CA"), rsa_key(1024))
SHA1 = Answer().der.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06072a8648ce3d0401") + b"\0")
KEY_ALONE = frozenset({x509.ReasonFlags.key_compromise})
REST = frozenset(x509.ReasonFlags) - KEY_ALONE - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
SUPERSEDED = frozenset({x509.ReasonFlags.superseded})
NOT_COVERED = "no CRL that was given"


def shard(*urls: str, **limits: object) -> bytes:
    """Return a CRL with an issuingDistributionPoint."""
    return crl(CA, extensions=(issuing_point(*urls, **limits),))


RESPONSES = {
    "current": (status_of(Answer(next_update=None).der), "good", ""),
    "both updates at once": (status_of(Answer(this_update=NOW, next_update=NOW).der), "good", ""),
    "status unknown": (status_of(Answer(status=UNKNOWN).der), "unknown", "does not know the certificate"),
    "about another": (status_of(Answer(about=new_leaf(CA)).der), "unknown", "not about this certificate"),
    "future": (status_of(Answer(this_update=NOW + HOUR).der), "unknown",
               "the response is dated 2026-11-23 11:00, in the future (RFC 6960 4.2.2.1)"),
    "stale": (status_of(OLD.der), "unknown",
              "the next response was due 2026-11-23 09:00 (RFC 6960 4.2.2.1)"),
    "endless": (status_of(Answer(this_update=NOW - 2 * DAY, next_update=None).der), "unknown",
                "the response is of 2026-11-21 10:00 and has no nextUpdate (RFC 6960 3.2)"),
    "backwards": (status_of(Answer(this_update=NOW, next_update=NOW - timedelta(minutes=1)).der), "unknown",
                  "nextUpdate is before thisUpdate (RFC 6960 4.2.2.1)"),
    "stale hold": (status_of(replace(OLD, status=REVOKED, reason=HOLD).der), "unknown", "was due"),
    "stale revoked": (status_of(replace(OLD, status=REVOKED).der), "revoked", ""),
    "future revoked": (status_of(Answer(status=REVOKED, this_update=NOW + HOUR).der), "unknown", "in the future"),
    "wrong key": (status_of(Answer(key=key_named("CN=Other")).der), "unknown",
                  "not signed with the key of CN=Revocation CA"),
    "signer not sent": (status_of(Answer().by(delegate(), new_leaf(CA)).der), "unknown",
                        "neither the issuer nor sent with the response"),
    "signer of the root": (status_of(Answer().by(delegate(ROOT)).der), "unknown",
                           "not certified by the issuer itself"),
    "signer of a lower CA": (status_of(Answer().by(delegate(new_ca(CA, "CN=Lower"))).der), "unknown",
                             "not certified by the issuer itself"),
    "signer a leaf": (status_of(Answer().by(rekeyed(LEAF, key_named("CN=Leaf"))).der), "unknown",
                      "it has no OCSPSigning"),
    "signer without usage": (status_of(Answer().by(delegate().without(x509.ExtendedKeyUsage)).der), "unknown",
                             "it has no OCSPSigning"),
    "signer of any usage": (status_of(Answer().by(delegate().having(ANY_USAGE)).der), "unknown",
                            "it has no OCSPSigning"),
    "signer without signatures": (
        status_of(Answer().by(delegate().having(usage("key_agreement"), critical=True)).der), "unknown",
        "is not for signatures",
    ),
    "signer with a critical extension": (
        status_of(Answer().by(delegate().edited(extension_added("1.2.3.4", b"\x05\0", critical=True))).der), "unknown",
        "cannot be read",
    ),
    "signer has expired": (status_of(Answer().by(valid(NOW - 9 * DAY, NOW - DAY)).der), "unknown",
                           "not valid at that time"),
    "signer begins later": (status_of(Answer().by(valid(NOW + DAY, NOW + 9 * DAY)).der), "unknown",
                            "not valid at that time"),
    "signer is the eighth": (status_of(Answer().by(OWN, *OTHERS[:7], OWN).der), "good", ""),
    "signer is the ninth": (status_of(Answer().by(OWN, *OTHERS, OWN).der), "unknown", ""),
    "signer not revoked": (status_of(BY_OWN, basis=of_signers(certainly_good(subject(OWN)))), "good", ""),
    "signer revoked": (status_of(BY_OWN, basis=of_signers(LISTED)), "unknown",
                       "the signer's certificate CN=Responder is revoked itself (RFC 6960 4.2.2.2.1)"),
    "signer revoked, nocheck": (status_of(Answer().by(EXEMPT).der, basis=of_signers(LISTED)), "good", ""),
    "signer unknown": (status_of(BY_OWN, basis=of_signers(UNFETCHED)), "unknown",
                       "it is not known whether the signer's certificate CN=Responder is revoked itself: the CRL: it"),
    "signer unknown, nocheck": (status_of(Answer().by(EXEMPT).der, basis=of_signers(UNFETCHED)), "good", ""),
    "signer unknown, issuer": (status_of(Answer().der, basis=of_signers(UNFETCHED)), "good", ""),
    "signer unknown, status revoked": (status_of(REVOKED_BY_OWN, basis=of_signers(UNFETCHED)), "revoked", ""),
    "signer revoked, status revoked": (status_of(REVOKED_BY_OWN, basis=of_signers(LISTED)), "unknown", "is revoked"),
    "critical extension": (status_of(Answer(extensions=CRITICAL).der), "unknown",
                           "the response has an unknown critical extension"),
    "extension that is not critical": (status_of(Answer(extensions=((CRITICAL[0][0], False),)).der), "good", ""),
    "critical nonce": (status_of(Answer(extensions=((x509.OCSPNonce(b"n" * 32), True),)).der), "good", ""),
    "critical extension of the status": (status_of(extended(NOW + HOUR)), "unknown",
                                         "the response has an unknown critical extension (1.2.3.4)"),
    "critical extension of a status without nextUpdate": (status_of(extended(None)), "unknown",
                                                          "the response has an unknown critical extension (1.2.3.4)"),
    "SHA-1": (status_of(SHA1), "unknown", ""),
    "RSA of 1024 bits": (of_ca(WEAK_CA), "unknown", ""),
    **{f"RSA, named by {named.name}": (of_ca(RSA_CA, named=named), "good", "") for named in ocsp.OCSPResponderEncoding},
    **{f"version {version}": (status_of(stated(version)), "unknown", "OCSPResponse: ") for version in (0, 1)},
    **{f"unreadable {content[:6]!r}": (status_of(content), "unknown", "OCSPResponse: ")
       for content in (b"", b"\x30", b"\x30\x80", b"<html>", b"\x30\x03\x0a\x01\x09", b"\0" * 300_000)},
    "CRL, stale and listed": (status_by_crls(crl(CA, ASKED, this_update=NOW - 30 * DAY)), "revoked", ""),
    "CRL, stale": (status_by_crls(crl(CA, this_update=NOW - 30 * DAY)), "unknown", "the next CRL was due"),
    "CRL, future": (status_by_crls(crl(CA, this_update=NOW + DAY)), "unknown", "in the future"),
    "CRL, wrong key": (status_by_crls(crl(CA, key=key_named("CN=Other"))), "unknown",
                       "not signed by a key that may sign it"),
    "CRL of another issuer": (status_by_crls(crl(ROOT)), "unknown", NOT_COVERED),
    "delta CRL": (status_by_crls(crl(CA, extensions=((x509.DeltaCRLIndicator(6), True),))), "unknown", "delta CRL"),
    "CRL, its shard": (status_by_crls(shard(CRL_URL)), "good", ""),
    "CRL, another shard": (status_by_crls(shard("http://ca.example.com/another.crl")), "unknown", NOT_COVERED),
    "CRL of CAs": (status_by_crls(shard(CRL_URL, only_contains_ca_certs=True)), "unknown", NOT_COVERED),
    "CRL for some reasons": (status_by_crls(shard(CRL_URL, only_some_reasons=SUPERSEDED)), "unknown", NOT_COVERED),
    "CRL for one reason": (status_by_crls(shard(CRL_URL, only_some_reasons=KEY_ALONE)), "unknown", NOT_COVERED),
    "CRLs for all reasons": (
        status_by_crls(*(shard(CRL_URL, only_some_reasons=some) for some in (KEY_ALONE, REST))), "good", "",
    ),
    "CRL, a page": (status_by_crls(b"<html>"), "unknown", "cannot be read"),
    "CRL, nothing": (status_by_crls(b""), "unknown", "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "word", "why"), RESPONSES.values(), ids=RESPONSES.keys())
def test_only_current_response_of_an_authorized_signer_is_trusted(status: SourceStatus, word: str, why: str) -> None:
    assert (status.word, why in status.why) == (word, True), status


@pytest.mark.parametrize("refusal", [refusal for refusal in ocsp.OCSPResponseStatus if refusal.value])
def test_error_status_of_responder_is_named(refusal: ocsp.OCSPResponseStatus) -> None:
    status = status_of(refusing(refusal))
    word = refusal.name.title().replace("_", "")
    assert (status.word, status.why.startswith(f"responseStatus: {word[0].lower()}{word[1:]}: ")) == (
        "unknown",
        True,
    ), status


def test_clock_difference_up_to_the_tolerance_is_accepted() -> None:
    for late, word in ((timedelta(minutes=4), "good"), (timedelta(minutes=6), "unknown")):
        assert status_of(Answer(this_update=NOW + late).der).word == word
        assert status_of(Answer(next_update=NOW - late).der).word == word
        assert status_by_crls(crl(CA, this_update=NOW + late)).word == word
        assert status_by_crls(crl(CA, this_update=NOW - DAY, life=DAY - late)).word == word


def test_clock_difference_is_limited_to_the_second() -> None:
    second, limit = timedelta(seconds=1), TOLERANCE.clocks
    for late, word in ((limit, "good"), (limit + second, "unknown")):
        assert status_of(Answer(this_update=NOW + late).der).word == word
        assert status_of(Answer(next_update=NOW - late).der).word == word
        assert status_of(Answer(this_update=NOW - DAY - late, next_update=None).der).word == word


def test_nonce_is_compared_if_request_and_response_have_one() -> None:
    request = ocsp_request(member(ASKED), member(CA))
    assert request is not None
    parsed = ocsp.load_der_ocsp_request(request)
    about = ocsp.load_der_ocsp_response(Answer().der)
    assert (parsed.serial_number, parsed.hash_algorithm.name) == (ASKED.number, "sha1")
    assert (parsed.issuer_name_hash, parsed.issuer_key_hash) == (about.issuer_name_hash, about.issuer_key_hash)
    assert status_of(Answer().der, request=request).word == "good"
    with_nonce = ocsp_request(member(ASKED), member(CA), nonce=b"n" * 32) or b""
    assert (nonce_of(with_nonce), nonce_of(request), nonce_of(b"\x30")) == (b"n" * 32, None, None)
    ours, theirs = (((x509.OCSPNonce(octet * 32), False),) for octet in (b"n", b"m"))
    assert status_of(Answer().der, request=with_nonce).word == "good"  # a responder may leave it out
    assert status_of(Answer(extensions=ours).der, request=with_nonce).word == "good"
    assert status_of(Answer(extensions=theirs).der, request=request).word == "good"  # kept from another request
    status = status_of(Answer(extensions=theirs).der, request=with_nonce)
    assert (status.word, "its nonce differs" in status.why) == ("unknown", True)


@pytest.mark.parametrize(
    ("content", "nonce"),
    [(tlv(0x04, b"n" * 32), b"n" * 32), (b"n" * 32, b"n" * 32), (tlv(0x05), tlv(0x05)), (tlv(0x04) * 2, tlv(0x04) * 2)],
    ids=["OCTET STRING", "bare octets", "another element", "two elements"],
)
def test_nonce_is_an_octet_string_else_the_bare_octets_of_rfc_2560(content: bytes, nonce: bytes) -> None:
    kind = x509.UnrecognizedExtension(x509.OCSPNonce.oid, content)
    response = read_ocsp(Answer(extensions=((kind, False),)).der)
    assert isinstance(response, OcspResponse)
    assert response.nonce == nonce


def test_nonce_of_a_request_about_two_certificates_is_read() -> None:
    request = ocsp_request(member(ASKED), member(CA), nonce=b"n" * 32) or b""
    requests, extensions = elements(elements(elements(request)[0].content)[0].content)
    both = encoded(0x30, encoded(0x30, encoded(0x30, requests.content * 2), extensions.encoding))
    with pytest.raises(NotImplementedError):
        ocsp.load_der_ocsp_request(both)
    assert nonce_of(both) == b"n" * 32


def test_response_about_two_certificates_gives_the_status_of_each() -> None:
    def both(fields: list[bytes]) -> list[bytes]:
        other = ocsp.load_der_ocsp_response(Answer(about=LEAF, status=REVOKED).der)
        single = other.tbs_response_bytes
        (wrapped,) = [element for element in elements(elements(single)[0].content) if element.tag == 0x30]
        (responses,) = [part for part in fields if part[0] == 0x30]
        return [
            tlv(0x30, wrapped.content, elements(responses)[0].content) if part == responses else part for part in fields
        ]

    answer = Answer(edits=(both,)).der
    assert status_of(answer).word == "good"
    assert status_of(answer, leaf=LEAF).word == "revoked"


@pytest.mark.parametrize(("number", "word"), [(256, "good"), (257, "unknown")])
def test_response_about_more_than_256_certificates_is_refused(number: int, word: str) -> None:
    def repeated(fields: list[bytes]) -> list[bytes]:
        return [tlv(0x30, *[elements(part)[0].content] * number) if part[0] == 0x30 else part for part in fields]

    status = status_of(Answer(edits=(repeated,)).der)
    assert status.word == word
    assert ("there are more than 256" in status.why) is (word == "unknown")


def test_mutated_response_never_gives_good_and_is_read_quickly() -> None:
    whole = Answer(status=REVOKED).by(delegate()).der
    chance = random.Random(6960)  # noqa: S311 - the same mutants each time
    words = set()
    for _ in range(600):
        mutant = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
        with at_most_cpu_s(1):
            words.add(status_of(bytes(mutant)).word)
    assert "good" not in words
