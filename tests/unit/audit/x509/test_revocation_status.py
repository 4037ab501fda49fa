"""Tests of the status of a certificate by OCSP responses and CRLs: good, revoked, and unknown with the reason."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.x509.certificate import Certificate, read_certificate
from audit.x509.der import elements, encoded
from audit.x509.loading import UnreadableField
from audit.x509.revocation.crl import RevocationList, indexed, read_crl
from audit.x509.revocation.ocsp import nonce_of, ocsp_request, read_ocsp
from audit.x509.revocation.status import (
    OcspEvidence,
    SourceStatus,
    StatusSubject,
    Tolerance,
    readable_crls,
    status_from_crls,
    status_from_ocsp,
)
from tests.support.cpu_time import at_most_cpu_s
from tests.support.x509.certificates import DAY, NOW, key_named, rsa_key
from tests.support.x509.crls import Entry, crl, issuing_point
from tests.support.x509.ocsp_responses import (
    ASKED,
    CA,
    CRL_URL,
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
from tests.support.x509.paths import Made, extension_added, new_ca, new_leaf, tlv, usage

TOLERANCE = Tolerance(timedelta(minutes=5), DAY)
BY_KEY = ocsp.OCSPResponderEncoding.HASH


def member(made: Made) -> Certificate:
    found = read_certificate(made.der)
    assert found.is_path_member
    return found


def subject(leaf: Made = ASKED, *above: Made) -> StatusSubject:
    return StatusSubject(member(leaf), tuple(member(issuer) for issuer in above or (CA, ROOT)))


def status_of(
    content: bytes, *, request: bytes = b"", crls: tuple[bytes, ...] = (), leaf: Made = ASKED
) -> SourceStatus:
    evidence = OcspEvidence(content, "the responder", request, readable_crls([("", crl_der) for crl_der in crls]))
    return status_from_ocsp(evidence, subject(leaf), NOW, TOLERANCE)


def status_by_crls(*crls: bytes, leaf: Made = ASKED) -> SourceStatus:
    return status_from_crls([(CRL_URL, crl_der) for crl_der in crls], subject(leaf), NOW, TOLERANCE)


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


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(status=UNKNOWN), "does not know the certificate"),
        (Answer(about=new_leaf(CA)), "not about this certificate"),
        (Answer(this_update=NOW + HOUR), "in the future"),
        (Answer(this_update=NOW - 9 * DAY, next_update=NOW - HOUR), "the next response was due 2026-11-23 09:00"),
        (Answer(this_update=NOW - 2 * DAY, next_update=None), "has no nextUpdate"),
        (Answer(status=REVOKED, reason=x509.ReasonFlags.certificate_hold, this_update=NOW - 9 * DAY,
                next_update=NOW - HOUR), "was due"),
        (Answer(status=REVOKED, this_update=NOW + HOUR), "in the future"),
        (Answer(key=key_named("CN=Other")), "not signed with the key of CN=Revocation CA"),
        (Answer().by(delegate(), new_leaf(CA)), "neither the issuer nor sent with the response"),
        (Answer().by(delegate(ROOT)), "not certified by the issuer itself"),
        (Answer().by(delegate(new_ca(CA, "CN=Lower"))), "not certified by the issuer itself"),
        (Answer().by(rekeyed(LEAF, key_named("CN=Leaf"))), "it has no OCSPSigning"),
        (Answer().by(delegate().without(x509.ExtendedKeyUsage)), "it has no OCSPSigning"),
        (Answer().by(delegate().having(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]))),
         "it has no OCSPSigning"),
        (Answer().by(delegate().having(usage("key_agreement"), critical=True)), "is not for signatures"),
        (Answer().by(delegate().edited(extension_added("1.2.3.4", b"\x05\0", critical=True))), "cannot be read"),
        (Answer(extensions=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True),)),
         "the response has an unknown critical extension"),
    ],
    ids=["unknown", "another", "future", "stale", "endless", "stale hold", "future revoked", "wrong key", "not sent",
         "of the root", "of a lower CA", "a leaf", "no usage", "any usage", "no signatures", "critical in signer",
         "critical"],
)  # fmt: skip
def test_response_that_is_not_trusted_gives_unknown(answer: Answer, why: str) -> None:
    status = status_of(answer.der)
    assert (status.word, why in status.why) == ("unknown", True), status


def test_response_of_an_expired_responder_gives_unknown() -> None:
    old = delegate()
    for dates in ((NOW - 9 * DAY, NOW - DAY), (NOW + DAY, NOW + 9 * DAY)):
        status = status_of(Answer().by(Made(old.subject, old.issuer, old.extensions, start=dates[0], end=dates[1])).der)
        assert (status.word, "not valid at that time" in status.why) == ("unknown", True)


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


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(this_update=NOW + HOUR), "the response is dated 2026-11-23 11:00, in the future (RFC 6960 4.2.2.1)"),
        (Answer(this_update=NOW - 9 * DAY, next_update=NOW - HOUR),
         "the next response was due 2026-11-23 09:00 (RFC 6960 4.2.2.1)"),
        (Answer(this_update=NOW - 2 * DAY, next_update=None),
         "the response is of 2026-11-21 10:00 and has no nextUpdate (RFC 6960 3.2)"),
        (Answer(this_update=NOW, next_update=NOW - timedelta(minutes=1)),
         "nextUpdate is before thisUpdate (RFC 6960 4.2.2.1)"),
    ],
    ids=["future", "stale", "endless", "backwards"],
)  # fmt: skip
def test_reason_why_a_response_is_not_current_names_the_clause(answer: Answer, why: str) -> None:
    assert status_of(answer.der).why == why


def test_response_with_next_update_equal_to_this_update_is_accepted() -> None:
    assert status_of(Answer(this_update=NOW, next_update=NOW).der).word == "good"


def test_old_response_or_crl_still_shows_revocation() -> None:
    assert status_of(Answer(status=REVOKED, this_update=NOW - 9 * DAY, next_update=NOW - DAY).der).word == "revoked"
    assert status_by_crls(crl(CA, ASKED, this_update=NOW - 30 * DAY)).word == "revoked"


def test_response_without_next_update_is_valid_for_a_day() -> None:
    assert status_of(Answer(next_update=None).der).word == "good"


def test_nonce_is_compared_if_request_and_response_have_one() -> None:
    request = ocsp_request(member(ASKED), member(CA))
    assert request is not None
    parsed = ocsp.load_der_ocsp_request(request)
    assert (parsed.serial_number, parsed.hash_algorithm.name) == (ASKED.number, "sha1")
    assert status_of(Answer().der, request=request).word == "good"
    with_nonce = ocsp_request(member(ASKED), member(CA), nonce=b"n" * 32) or b""
    assert (nonce_of(with_nonce), nonce_of(request), nonce_of(b"\x30")) == (b"n" * 32, None, None)
    ours, theirs = (((x509.OCSPNonce(octet * 32), False),) for octet in (b"n", b"m"))
    assert status_of(Answer().der, request=with_nonce).word == "good"  # a responder may leave it out
    assert status_of(Answer(extensions=ours).der, request=with_nonce).word == "good"
    assert status_of(Answer(extensions=theirs).der, request=request).word == "good"  # kept from another request
    status = status_of(Answer(extensions=theirs).der, request=with_nonce)
    assert (status.word, "its nonce differs" in status.why) == ("unknown", True)


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


@pytest.mark.parametrize("version", [0, 1])
def test_response_with_an_explicit_version_gives_unknown(version: int) -> None:
    stated = tlv(0xA0, tlv(0x02, bytes((version,))))
    status = status_of(Answer(edits=(lambda fields: [stated, *fields],)).der)
    assert (status.word, status.why.startswith("OCSPResponse: ")) == ("unknown", True)


@pytest.mark.parametrize(("number", "word"), [(256, "good"), (257, "unknown")])
def test_response_about_more_than_256_certificates_is_refused(number: int, word: str) -> None:
    def repeated(fields: list[bytes]) -> list[bytes]:
        return [tlv(0x30, *[elements(part)[0].content] * number) if part[0] == 0x30 else part for part in fields]

    status = status_of(Answer(edits=(repeated,)).der)
    assert status.word == word
    assert ("there are more than 256" in status.why) is (word == "unknown")


def test_signer_is_found_among_the_first_eight_certificates_sent() -> None:
    signer, others = delegate(), [new_leaf(CA) for _ in range(8)]
    assert status_of(Answer().by(signer, *others[:7], signer).der).word == "good"
    assert status_of(Answer().by(signer, *others, signer).der).word == "unknown"


def test_revoked_responder_is_not_trusted_unless_it_has_ocsp_nocheck() -> None:
    own, exempt = delegate(), delegate(CA, x509.OCSPNoCheck())
    assert status_of(Answer().by(own).der, crls=(crl(CA),)).word == "good"
    status = status_of(Answer().by(own).der, crls=(crl(CA, own),))
    assert (status.word, "is revoked itself" in status.why) == ("unknown", True)
    assert status_of(Answer().by(exempt).der, crls=(crl(CA, exempt),)).word == "good"


def test_response_with_a_weak_signature_or_key_is_not_trusted() -> None:
    sha1 = Answer().der.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06072a8648ce3d0401") + b"\0")
    assert status_of(sha1).word == "unknown"
    weak = rekeyed(new_ca(ROOT, "CN=Weak CA"), rsa_key(1024))
    leaf = new_leaf(weak)
    evidence = OcspEvidence(Answer(about=leaf, issuer=weak).der, "the responder")
    assert status_from_ocsp(evidence, subject(leaf, weak, ROOT), NOW, TOLERANCE).word == "unknown"


def test_response_signed_with_rsa_is_trusted() -> None:
    authority = rekeyed(new_ca(ROOT, "CN=RSA CA"), rsa_key(2048))
    leaf = new_leaf(authority)
    for named in ocsp.OCSPResponderEncoding:
        evidence = OcspEvidence(Answer(about=leaf, issuer=authority, named=named).der, "the responder")
        assert status_from_ocsp(evidence, subject(leaf, authority, ROOT), NOW, TOLERANCE).word == "good"


@pytest.mark.parametrize("content", [b"", b"\x30", b"\x30\x80", b"<html>", b"\x30\x03\x0a\x01\x09", b"\0" * 300_000])
def test_unreadable_response_gives_unknown(content: bytes) -> None:
    status = status_of(content)
    assert (status.word, status.why.startswith("OCSPResponse: ")) == ("unknown", True), status


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


def test_current_crl_without_the_certificate_gives_good() -> None:
    assert status_by_crls(crl(CA)) == SourceStatus("good", f"the CRL {CRL_URL}")


@pytest.mark.parametrize(
    "reason", [reason for reason in x509.ReasonFlags if reason is not x509.ReasonFlags.unspecified]
)
def test_crl_with_the_certificate_gives_date_and_reason(reason: x509.ReasonFlags) -> None:
    entry = Entry(ASKED.number, ((x509.CRLReason(reason), False),))
    status = status_by_crls(crl(CA, entry))
    assert (status.word, status.reason, status.since) == ("revoked", reason, NOW - 2 * DAY)
    assert status.is_for_its_key is (reason is x509.ReasonFlags.key_compromise)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (crl(CA, this_update=NOW - 30 * DAY), "the next CRL was due"),
        (crl(CA, this_update=NOW + DAY), "in the future"),
        (crl(CA, key=key_named("CN=Other")), "not signed by a key that may sign it"),
        (crl(ROOT), "no CRL that was given"),
        (crl(CA, extensions=((x509.DeltaCRLIndicator(6), True),)), "delta CRL"),
        (crl(CA, extensions=(issuing_point("http://ca.example.com/another.crl"),)), "no CRL that was given"),
        (crl(CA, extensions=(issuing_point(CRL_URL, only_contains_ca_certs=True),)), "no CRL that was given"),
        (crl(CA, extensions=(issuing_point(CRL_URL, only_some_reasons=frozenset({x509.ReasonFlags.superseded})),)),
         "no CRL that was given"),
        (b"<html>", "cannot be read"),
        (b"", "cannot be read"),
    ],
    ids=["stale", "future", "wrong key", "another issuer", "delta", "another shard", "of CAs", "some reasons", "page",
         "nothing"],
)  # fmt: skip
def test_crl_that_is_not_trusted_gives_unknown(content: bytes, why: str) -> None:
    status = status_by_crls(content)
    assert (status.word, why in status.why) == ("unknown", True), status


def test_sharded_crl_applies_to_certificates_that_point_to_it() -> None:
    assert status_by_crls(crl(CA, extensions=(issuing_point(CRL_URL),))).word == "good"


def test_crls_that_cover_all_reasons_together_give_good() -> None:
    key = frozenset({x509.ReasonFlags.key_compromise})
    rest = frozenset(x509.ReasonFlags) - key - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
    halves = [crl(CA, extensions=(issuing_point(CRL_URL, only_some_reasons=some),)) for some in (key, rest)]
    assert status_by_crls(halves[0]).word == "unknown"
    assert status_by_crls(*halves).word == "good"


def test_unreadable_response_is_a_value_and_status_is_printed() -> None:
    assert isinstance(read_ocsp(b"x"), UnreadableField)
    assert str(SourceStatus("good", "the CRL")) == "the CRL"


def test_serial_number_lookup_agrees_with_the_library() -> None:
    leaves = [new_leaf(CA) for _ in range(40)]
    crl_of_some = read_crl(crl(CA, *leaves[:20]))
    assert isinstance(crl_of_some, RevocationList)
    quick = indexed(crl_of_some)
    assert quick is indexed(crl_of_some)
    for certificate in map(member, leaves):
        slow = crl_of_some.entry_of(certificate)
        fast = quick.entry_of(certificate)
        assert (slow and slow.serial_number) == (fast and fast.serial_number)
    assert [entry.serial_number for entry in quick.parsed] == [leaf.number for leaf in leaves[:20]]
    assert quick.parsed.issuer == crl_of_some.parsed.issuer
