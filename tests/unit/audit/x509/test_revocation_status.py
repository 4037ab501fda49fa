"""What OCSP answers and CRLs say of a certificate, and all the ways in which they say nothing."""

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
    return StatusSubject(member(leaf), tuple(member(one) for one in above or (CA, ROOT)))


def told(content: bytes, *, asked: bytes = b"", crls: tuple[bytes, ...] = (), leaf: Made = ASKED) -> SourceStatus:
    given = OcspEvidence(content, "the responder", asked, readable_crls([("", one) for one in crls]))
    return status_from_ocsp(given, subject(leaf), NOW, TOLERANCE)


def listed(*crls: bytes, leaf: Made = ASKED) -> SourceStatus:
    return status_from_crls([(CRL_URL, one) for one in crls], subject(leaf), NOW, TOLERANCE)


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])  # noqa: S303
@pytest.mark.parametrize("named", list(ocsp.OCSPResponderEncoding))
@pytest.mark.parametrize("signer", [None, delegate(), delegate(CA, x509.OCSPNoCheck())], ids=["CA", "own", "nocheck"])
def test_issuer_or_its_responder_is_believed_by_name_and_by_key_with_any_digest(
    digest: hashes.HashAlgorithm, named: ocsp.OCSPResponderEncoding, signer: Made | None
) -> None:
    answer = Answer(digest=digest, named=named)
    assert told((answer.by(signer) if signer else answer).der) == SourceStatus("good", "the responder")


def test_a_revoked_certificate_is_revoked_since_then_and_for_that_reason() -> None:
    said = told(Answer(status=REVOKED, reason=x509.ReasonFlags.key_compromise).der)
    assert (said.word, said.since, said.is_for_its_key) == ("revoked", NOW - 48 * HOUR, True)
    assert str(said) == "was revoked on 2026-11-21 10:00 UTC (keyCompromise), according to the responder"
    for reason in set(x509.ReasonFlags) - {x509.ReasonFlags.key_compromise}:
        said = told(Answer(status=REVOKED, reason=reason).der)
        assert (said.word, said.reason, said.is_for_its_key) == ("revoked", reason, False)
    assert str(told(Answer(status=REVOKED).der)) == "was revoked on 2026-11-21 10:00 UTC, according to the responder"


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
        (Answer(key=key_named("CN=Somebody")), "not signed with the key of CN=Revocation CA"),
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
def test_an_answer_that_cannot_be_believed_says_nothing(answer: Answer, why: str) -> None:
    said = told(answer.der)
    assert (said.word, why in said.why) == ("unknown", True), said


def test_a_responder_out_of_date_says_nothing() -> None:
    old = delegate()
    for dates in ((NOW - 9 * DAY, NOW - DAY), (NOW + DAY, NOW + 9 * DAY)):
        said = told(Answer().by(Made(old.subject, old.issuer, old.extensions, start=dates[0], end=dates[1])).der)
        assert (said.word, "not valid at that time" in said.why) == ("unknown", True)


@pytest.mark.parametrize("status", [one for one in ocsp.OCSPResponseStatus if one.value])
def test_a_responder_that_refuses_is_told_with_its_word(status: ocsp.OCSPResponseStatus) -> None:
    said = told(refusing(status))
    word = status.name.title().replace("_", "")
    assert (said.word, said.why.startswith(f"responseStatus: {word[0].lower()}{word[1:]}: ")) == ("unknown", True), said


def test_clocks_may_differ_a_little_and_no_more() -> None:
    for late, word in ((timedelta(minutes=4), "good"), (timedelta(minutes=6), "unknown")):
        assert told(Answer(this_update=NOW + late).der).word == word
        assert told(Answer(next_update=NOW - late).der).word == word
        assert listed(crl(CA, this_update=NOW + late)).word == word
        assert listed(crl(CA, this_update=NOW - DAY, life=DAY - late)).word == word


def test_clocks_may_differ_to_the_second() -> None:
    second, limit = timedelta(seconds=1), TOLERANCE.clocks
    for late, word in ((limit, "good"), (limit + second, "unknown")):
        assert told(Answer(this_update=NOW + late).der).word == word
        assert told(Answer(next_update=NOW - late).der).word == word
        assert told(Answer(this_update=NOW - DAY - late, next_update=None).der).word == word


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
def test_an_answer_that_is_not_current_is_told_with_its_clause(answer: Answer, why: str) -> None:
    assert told(answer.der).why == why


def test_an_answer_may_be_followed_by_the_next_at_once() -> None:
    assert told(Answer(this_update=NOW, next_update=NOW).der).word == "good"


def test_who_has_been_revoked_stays_so_though_the_answer_is_old() -> None:
    assert told(Answer(status=REVOKED, this_update=NOW - 9 * DAY, next_update=NOW - DAY).der).word == "revoked"
    assert listed(crl(CA, ASKED, this_update=NOW - 30 * DAY)).word == "revoked"


def test_an_answer_without_an_end_holds_for_a_day() -> None:
    assert told(Answer(next_update=None).der).word == "good"


def test_the_question_names_the_certificate_and_a_nonce_is_compared_where_both_have_one() -> None:
    asked = ocsp_request(member(ASKED), member(CA))
    assert asked is not None
    request = ocsp.load_der_ocsp_request(asked)
    assert (request.serial_number, request.hash_algorithm.name) == (ASKED.number, "sha1")
    assert told(Answer().der, asked=asked).word == "good"
    with_nonce = ocsp_request(member(ASKED), member(CA), nonce=b"n" * 32) or b""
    assert (nonce_of(with_nonce), nonce_of(asked), nonce_of(b"\x30")) == (b"n" * 32, None, None)
    ours, theirs = (((x509.OCSPNonce(letter * 32), False),) for letter in (b"n", b"m"))
    assert told(Answer().der, asked=with_nonce).word == "good"  # a responder may leave it out
    assert told(Answer(extensions=ours).der, asked=with_nonce).word == "good"
    assert told(Answer(extensions=theirs).der, asked=asked).word == "good"  # kept from another request
    said = told(Answer(extensions=theirs).der, asked=with_nonce)
    assert (said.word, "its nonce differs" in said.why) == ("unknown", True)


def test_nonce_of_a_request_about_two_certificates_is_read() -> None:
    asked = ocsp_request(member(ASKED), member(CA), nonce=b"n" * 32) or b""
    requests, extensions = elements(elements(elements(asked)[0].content)[0].content)
    both = encoded(0x30, encoded(0x30, encoded(0x30, requests.content * 2), extensions.whole))
    with pytest.raises(NotImplementedError):
        ocsp.load_der_ocsp_request(both)
    assert nonce_of(both) == b"n" * 32


def test_of_several_answers_in_one_the_one_about_the_certificate_counts() -> None:
    def both(fields: list[bytes]) -> list[bytes]:
        other = ocsp.load_der_ocsp_response(Answer(about=LEAF, status=REVOKED).der)
        single = other.tbs_response_bytes
        (wrapped,) = [one for one in elements(elements(single)[0].content) if one.tag == 0x30]
        (mine,) = [one for one in fields if one[0] == 0x30]
        return [tlv(0x30, wrapped.content, elements(mine)[0].content) if one == mine else one for one in fields]

    answer = Answer(edits=(both,)).der
    assert told(answer).word == "good"
    assert told(answer, leaf=LEAF).word == "revoked"


@pytest.mark.parametrize("version", [0, 1])
def test_an_answer_that_states_its_version_says_nothing(version: int) -> None:
    stated = tlv(0xA0, tlv(0x02, bytes((version,))))
    said = told(Answer(edits=(lambda fields: [stated, *fields],)).der)
    assert (said.word, said.why.startswith("OCSPResponse: ")) == ("unknown", True)


@pytest.mark.parametrize(("number", "word"), [(256, "good"), (257, "unknown")])
def test_an_answer_is_about_256_certificates_at_most(number: int, word: str) -> None:
    def repeated(fields: list[bytes]) -> list[bytes]:
        return [tlv(0x30, *[elements(one)[0].content] * number) if one[0] == 0x30 else one for one in fields]

    said = told(Answer(edits=(repeated,)).der)
    assert said.word == word
    assert ("there are more than 256" in said.why) is (word == "unknown")


def test_eight_certificates_that_were_sent_are_asked_whether_one_signed() -> None:
    signer, others = delegate(), [new_leaf(CA) for _ in range(8)]
    assert told(Answer().by(signer, *others[:7], signer).der).word == "good"
    assert told(Answer().by(signer, *others, signer).der).word == "unknown"


def test_a_responder_that_is_revoked_itself_is_not_believed_unless_nobody_is_to_ask() -> None:
    own, exempt = delegate(), delegate(CA, x509.OCSPNoCheck())
    assert told(Answer().by(own).der, crls=(crl(CA),)).word == "good"
    said = told(Answer().by(own).der, crls=(crl(CA, own),))
    assert (said.word, "is revoked itself" in said.why) == ("unknown", True)
    assert told(Answer().by(exempt).der, crls=(crl(CA, exempt),)).word == "good"


def test_a_weak_signature_and_a_weak_key_are_not_believed() -> None:
    sha1 = Answer().der.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06072a8648ce3d0401") + b"\0")
    assert told(sha1).word == "unknown"
    weak = rekeyed(new_ca(ROOT, "CN=Weak CA"), rsa_key(1024))
    leaf = new_leaf(weak)
    given = OcspEvidence(Answer(about=leaf, issuer=weak).der, "the responder")
    assert status_from_ocsp(given, subject(leaf, weak, ROOT), NOW, TOLERANCE).word == "unknown"


def test_an_rsa_issuer_is_believed() -> None:
    authority = rekeyed(new_ca(ROOT, "CN=RSA CA"), rsa_key(2048))
    leaf = new_leaf(authority)
    for named in ocsp.OCSPResponderEncoding:
        given = OcspEvidence(Answer(about=leaf, issuer=authority, named=named).der, "the responder")
        assert status_from_ocsp(given, subject(leaf, authority, ROOT), NOW, TOLERANCE).word == "good"


@pytest.mark.parametrize("content", [b"", b"\x30", b"\x30\x80", b"<html>", b"\x30\x03\x0a\x01\x09", b"\0" * 300_000])
def test_garbage_says_nothing(content: bytes) -> None:
    said = told(content)
    assert (said.word, said.why.startswith("OCSPResponse: ")) == ("unknown", True), said


def test_no_mutant_of_an_answer_raises_takes_long_or_is_believed() -> None:
    whole = Answer(status=REVOKED).by(delegate()).der
    chance = random.Random(6960)  # noqa: S311 - the same mutants each time
    words = set()
    for _ in range(600):
        mutant = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
        with at_most_cpu_s(1):
            words.add(told(bytes(mutant)).word)
    assert "good" not in words


def test_a_crl_in_force_that_does_not_list_it_says_good() -> None:
    assert listed(crl(CA)) == SourceStatus("good", f"the CRL {CRL_URL}")


@pytest.mark.parametrize("reason", [one for one in x509.ReasonFlags if one is not x509.ReasonFlags.unspecified])
def test_a_crl_that_lists_it_says_since_when_and_why(reason: x509.ReasonFlags) -> None:
    entry = Entry(ASKED.number, ((x509.CRLReason(reason), False),))
    said = listed(crl(CA, entry))
    assert (said.word, said.reason, said.since) == ("revoked", reason, NOW - 2 * DAY)
    assert said.is_for_its_key is (reason is x509.ReasonFlags.key_compromise)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (crl(CA, this_update=NOW - 30 * DAY), "the next CRL was due"),
        (crl(CA, this_update=NOW + DAY), "in the future"),
        (crl(CA, key=key_named("CN=Somebody")), "not signed by a key that may sign it"),
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
def test_a_crl_that_cannot_be_believed_says_nothing(content: bytes, why: str) -> None:
    said = listed(content)
    assert (said.word, why in said.why) == ("unknown", True), said


def test_a_shard_is_believed_of_the_certificates_that_point_to_it() -> None:
    assert listed(crl(CA, extensions=(issuing_point(CRL_URL),))).word == "good"


def test_lists_for_some_reasons_each_are_believed_together() -> None:
    key = frozenset({x509.ReasonFlags.key_compromise})
    rest = frozenset(x509.ReasonFlags) - key - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
    halves = [crl(CA, extensions=(issuing_point(CRL_URL, only_some_reasons=some),)) for some in (key, rest)]
    assert listed(halves[0]).word == "unknown"
    assert listed(*halves).word == "good"


def test_what_cannot_be_read_is_named() -> None:
    assert isinstance(read_ocsp(b"x"), UnreadableField)
    assert str(SourceStatus("good", "the CRL")) == "the CRL"


def test_a_serial_number_is_looked_up_as_the_library_does() -> None:
    leaves = [new_leaf(CA) for _ in range(40)]
    crl_of_some = read_crl(crl(CA, *leaves[:20]))
    assert isinstance(crl_of_some, RevocationList)
    quick = indexed(crl_of_some)
    assert quick is indexed(crl_of_some)
    for one in map(member, leaves):
        slow = crl_of_some.entry_of(one)
        fast = quick.entry_of(one)
        assert (slow and slow.serial_number) == (fast and fast.serial_number)
    assert [entry.serial_number for entry in quick.parsed] == [one.number for one in leaves[:20]]
    assert quick.parsed.issuer == crl_of_some.parsed.issuer
