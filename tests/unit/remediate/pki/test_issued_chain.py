"""Tests of issued certificates: the chain is checked before it is installed, and all faults are reported at once."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.policy import Policy, load_profile
from audit.x509.certificate import read_certificate
from audit.x509.path.trust_store import TrustAnchors
from remediate.pki.csr import read_csr
from remediate.pki.issued_chain import (
    MAX_CERTIFICATES,
    MAX_PEM,
    Expected,
    InstallableChain,
    IssuedPem,
    Rejection,
    check_chain,
    check_issued,
    lifetime_remark,
)
from tests.support.store.issuance import to_pem
from tests.support.store.order_requests import csr_pem
from tests.support.x509.ca import Leaf, issue, new_intermediate, new_root, new_rsa_key, sign_weakly
from tests.support.x509.certificates import DAY, NOW, Draft, ca, key_named, leaf, ml_dsa_key

NAME = "www.example.com"
ROOT = ca("CN=Root")
INTERMEDIATE = ca("CN=Intermediate", ROOT)
GOOD = leaf(NAME).by(INTERMEDIATE)
ANCHORS = TrustAnchors({"root.pem": [ROOT.der]})
ORDERED = Expected(read_csr(csr_pem(NAME, key=GOOD.private_key)), (NAME,))


OUTSIDE = x509.NameConstraints([x509.DNSName("corp.test")], None)


def pem(*drafts: Draft) -> str:
    """Return certificates as PEM."""
    return "".join(block(draft.der) for draft in drafts)


def block(content: bytes) -> str:
    """Return bytes as a PEM block with the label of a certificate."""
    body = base64.encodebytes(content).decode("ascii")
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


def verdict(
    certificate: Draft | str | None, bundle: Draft | str | None = INTERMEDIATE, anchors: TrustAnchors | None = ANCHORS
) -> InstallableChain | Rejection:
    """Check what a CA sends for the order of these tests."""
    sent = [pem(part) if isinstance(part, Draft) else part for part in (certificate, bundle)]
    return check_issued(IssuedPem(*sent), ORDERED, anchors, NOW)


def refusal(*args: Draft | str | TrustAnchors | None) -> str:
    """Return the text of a rejection."""
    judged = verdict(*args)  # type: ignore[arg-type]  # each argument has the type of its parameter
    assert isinstance(judged, Rejection), judged
    return str(judged)


def installable(*args: Draft | str | TrustAnchors | None) -> InstallableChain:
    """Return the chain, which is installable."""
    judged = verdict(*args)  # type: ignore[arg-type]  # each argument has the type of its parameter
    assert isinstance(judged, InstallableChain), judged
    return judged


def test_ordered_certificate_is_installable_and_encoded_again() -> None:
    made = installable(f"subject=CN={NAME}\n" + pem(GOOD))
    assert x509.load_pem_x509_certificates(made.leaf_pem.encode()) == [x509.load_der_x509_certificate(GOOD.der)]
    assert "subject=" not in made.leaf_pem
    assert made.chain_pem.count("BEGIN") == 1


def test_ordered_certificate_of_ml_dsa_is_installable() -> None:
    root = ROOT.with_key(ml_dsa_key(87))
    above = INTERMEDIATE.with_key(ml_dsa_key(65)).by(root)
    issued = GOOD.with_key(ml_dsa_key(44)).by(above)
    ordered = replace(ORDERED, csr=read_csr(csr_pem(NAME, key=issued.private_key)))
    sent = IssuedPem(pem(issued), pem(above))
    judged = check_issued(sent, ordered, TrustAnchors({"root.pem": [root.der]}), NOW)
    assert isinstance(judged, InstallableChain), judged


def test_bundle_may_follow_the_certificate_in_one_text() -> None:
    assert installable(pem(GOOD, INTERMEDIATE), None).intermediates == installable(GOOD).intermediates


def test_bundle_is_sorted_without_root_and_unrelated_certificates() -> None:
    lower = ca("CN=Lower", INTERMEDIATE)
    made = installable(leaf(NAME).by(lower), pem(ROOT, ca("CN=Unrelated"), INTERMEDIATE, lower, lower))
    assert [certificate.subject for certificate in made.intermediates] == ["CN=Lower", "CN=Intermediate"]


def test_cross_certificate_is_kept_for_clients_with_older_anchors() -> None:
    cross = replace(ROOT, issuer=ca("CN=Old Root"))
    made = installable(GOOD, pem(INTERMEDIATE, cross))
    assert [certificate.subject for certificate in made.intermediates] == ["CN=Intermediate", "CN=Root"]


def test_leaf_issued_by_an_anchor_needs_no_bundle() -> None:
    assert installable(leaf(NAME).by(ROOT), None).intermediates == ()


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (GOOD.with_key(key_named("other")), "another key"),
        (GOOD.named("mail.example.com"), f"lacks {NAME}; the certificate also holds mail.example.com"),
        (GOOD.named(), f"lacks {NAME}"),
        (GOOD.starting(NOW + DAY), "not valid before 2026-11-24"),
        (GOOD.starting(NOW - 100 * DAY), "expired at 2026-11-13"),
        (GOOD.lasting(91 * DAY + timedelta(seconds=1)), "(ordered: 90 days)"),
        (GOOD.used_for(ExtendedKeyUsageOID.CLIENT_AUTH), "serverAuth"),
        (GOOD.used_for(), "serverAuth"),
        (replace(GOOD, is_ca=True), "is a CA certificate"),
        (replace(GOOD, extra=(OUTSIDE,)), "leaf: it is not a CA's and has name constraints"),
        (leaf(NAME), "self-signed"),
    ],
)
def test_leaf_that_differs_from_the_order_is_refused(draft: Draft, why: str) -> None:
    assert why in refusal(draft)


def test_validity_of_one_day_more_than_ordered_is_accepted() -> None:
    assert installable(GOOD.lasting(91 * DAY))


@pytest.mark.parametrize(
    ("draft", "profile", "why"),
    [
        (GOOD, "webpki", None),
        (GOOD.starting(NOW).lasting(3 * DAY), "webpki", None),
        (
            GOOD.starting(NOW - 61 * DAY).lasting(90 * DAY),
            "webpki",
            "valid for 28 days 23 h more, so it would have to be renewed",
        ),
        (GOOD.starting(NOW).lasting(4 * DAY), "cpanel", None),
        (
            GOOD.starting(NOW).lasting(2 * DAY),
            "cpanel",
            "the policy cpanel renews third-party certificates 3 days before",
        ),
    ],
)
def test_certificate_that_would_be_renewed_at_once_is_refused(draft: Draft, profile: str, why: str | None) -> None:
    ordered = replace(ORDERED, policy=Policy((load_profile(profile),)))
    judged = check_issued(IssuedPem(pem(draft), pem(INTERMEDIATE)), ordered, ANCHORS, NOW)
    if why is None:
        assert isinstance(judged, InstallableChain), judged
    else:
        assert why in str(judged)


@pytest.mark.parametrize(
    ("days", "promised", "is_reported"), [(30, 199, True), (197, 199, True), (198, 199, False), (30, None, False)]
)
def test_shorter_certificate_than_ordered_is_reported(days: int, promised: int | None, *, is_reported: bool) -> None:
    issued = read_certificate(GOOD.lasting(days * DAY).der)
    remark = lifetime_remark(issued, None if promised is None else promised * DAY, "store")
    assert (remark is not None) == is_reported
    if remark:
        assert remark.startswith(f"the new certificate is valid for {days} days, but {promised} days were ordered: ")


def test_names_of_other_kinds_are_refused() -> None:
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.RFC822Name("root@example.com")])
    assert "other kinds: RFC822Name" in refusal(replace(GOOD, names=(), extra=(names,)))


def test_equivalent_names_and_addresses_are_equal() -> None:
    draft = GOOD.named("WWW.Example.com", "2001:db8::1")
    ordered = replace(ORDERED, names=("www.example.com.", "2001:DB8:0::1"))
    assert isinstance(check_issued(IssuedPem(pem(draft), pem(INTERMEDIATE)), ordered, ANCHORS, NOW), InstallableChain)


@pytest.mark.parametrize(
    ("bundle", "why"),
    [
        (None, "the issuer CN=Intermediate was not sent"),
        (ca("CN=Unrelated"), "the issuer CN=Intermediate was not sent"),
        (
            INTERMEDIATE.with_key(key_named("impostor")).without_key_ids(),
            "the signature does not verify with the key of CN=Intermediate",
        ),
        (INTERMEDIATE.ending(NOW - DAY), "intermediate 1 (CN=Intermediate): it expired 2026-11-22"),
        (INTERMEDIATE.starting(NOW + DAY), "intermediate 1 (CN=Intermediate): it is not valid before"),
        (replace(INTERMEDIATE, is_ca=False), "its basicConstraints do not say that it is a CA's"),
        (replace(INTERMEDIATE, extra=(OUTSIDE,)), "is not among those permitted by CN=Intermediate"),
        ("<html>502 Bad Gateway</html>", "the CA bundle is not a PEM certificate: it begins '<html>502 Bad"),
        (block(b"\x30\x03\x02\x01\x01"), "the CA bundle cannot be read"),
        ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "the CA bundle cannot be read"),
    ],
)
def test_bundle_without_a_path_to_an_anchor_is_refused(bundle: Draft | str | None, why: str) -> None:
    assert why in refusal(GOOD, bundle)


def test_newer_certificate_of_a_ca_on_the_path_replaces_the_older_one() -> None:
    older = INTERMEDIATE.ending(NOW + DAY)
    made = installable(GOOD, pem(older, INTERMEDIATE))
    assert [each.der for each in made.intermediates] == [INTERMEDIATE.der]


def test_without_anchors_the_bundle_needs_the_issuer_of_the_leaf() -> None:
    assert installable(GOOD, INTERMEDIATE, None).intermediates
    assert "no usable certificate of the issuer CN=Intermediate" in refusal(GOOD, None, None)
    assert "no usable certificate" in refusal(GOOD, INTERMEDIATE.ending(NOW - DAY), None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "the certificate is not a PEM certificate: it is empty"),
        (" \n", "it is empty"),
        ("<!DOCTYPE html><title>Error</title>", "it begins '<!DOCTYPE html><title>Error</title>'"),
        ("x" * (MAX_PEM + 1), "(limit 262144)"),
        (pem(GOOD) * (MAX_CERTIFICATES + 1), "holds 11 certificates"),
        (block(GOOD.der + b"\x00"), "cannot be read"),
        (block(GOOD.der[:-9]), "cannot be read"),
        (pem(GOOD)[:-20], "is not a PEM certificate"),
        (
            pem(GOOD) + "-----BEGIN PRIVATE KEY-----\nMIIsecret\n-----END PRIVATE KEY-----",
            "a private key: the CA has",
        ),
    ],
)
def test_text_that_is_not_a_certificate_is_refused(text: str | None, why: str) -> None:
    assert why in refusal(text)


def test_private_key_that_was_sent_is_not_repeated() -> None:
    assert "MIIsecret" not in refusal("-----BEGIN RSA PRIVATE KEY-----\nMIIsecret\n-----END RSA PRIVATE KEY-----")


def test_all_reasons_are_reported_at_once() -> None:
    judged = verdict(GOOD.named("a.example").starting(NOW + DAY).used_for(), None)
    assert isinstance(judged, Rejection)
    assert len(judged.reasons) == 5


def test_control_characters_of_the_ca_are_replaced() -> None:
    assert "\x1b" not in refusal("\x1b[2J\x1b[31mowned")
    assert "\x1b" not in refusal(GOOD.by(ca("CN=\x1b[2J")), None)


def test_certificate_with_a_sha1_signature_is_refused() -> None:
    root = new_root("RSA Root", now=NOW)
    above = new_intermediate("RSA Intermediate", root, now=NOW, key=new_rsa_key(2048))
    good = issue(Leaf(NAME, (NAME,), NOW - DAY), above, key=key_named(f"CN={NAME}"))
    sent = IssuedPem(to_pem(sign_weakly(good, above, "sha1").certificate), to_pem(above.certificate))
    anchors = TrustAnchors({"root.pem": [root.certificate.public_bytes(Encoding.DER)]})
    judged = check_issued(sent, ORDERED, anchors, NOW)
    assert isinstance(judged, Rejection)
    assert judged.reasons == ("the certificate is signed over sha1, of which collisions are known",)


def test_certificate_in_use_with_unreadable_issuer_is_refused() -> None:
    name = x509.Name.from_rfc4514_string("CN=Intermediate").public_bytes()
    assert (count := GOOD.der.count(name)) == 1, count
    malformed = GOOD.der.replace(name, name.replace(b"\x0c", b"\x03", 1), 1)  # a BIT STRING
    refused = check_chain(malformed, [INTERMEDIATE.der], ANCHORS, NOW)
    assert isinstance(refused, Rejection)
    assert any(
        reason.startswith("no path leads to a trust anchor: the certificate cannot be read: ")
        for reason in refused.reasons
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 40),
        ("x" + " " * 78 + "y", "x y"),
        ("x" + " " * 79 + "y", "x"),
    ],
)
def test_invalid_text_is_quoted_up_to_40_characters(text: str, shown: str) -> None:
    assert refusal(text) == f"the certificate is not a PEM certificate: it begins {shown!r}"


def test_text_and_bundle_at_their_limits_are_read() -> None:
    certificate = pem(GOOD)
    padding = "#" * (MAX_PEM - len(certificate) - 1) + "\n"
    assert installable(padding + certificate)
    assert f"has {MAX_PEM + 1} characters" in refusal("#" + padding + certificate)
    assert installable(GOOD, pem(INTERMEDIATE) * MAX_CERTIFICATES)


def test_certificate_is_installable_in_its_first_and_last_second() -> None:
    second = timedelta(seconds=1)
    assert installable(GOOD.starting(NOW))
    assert "not valid before" in refusal(GOOD.starting(NOW + second))
    assert installable(GOOD.ending(NOW))
    assert "expired at" in refusal(GOOD.ending(NOW - second))


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (GOOD.starting(NOW + DAY), "the certificate is not valid before 2026-11-24"),
        (GOOD.ending(NOW - DAY), "the certificate expired at 2026-11-22"),
    ],
)
def test_certificate_in_use_outside_its_validity_is_refused(draft: Draft, why: str) -> None:
    refused = check_chain(draft.der, [INTERMEDIATE.der], ANCHORS, NOW)
    assert isinstance(refused, Rejection)
    assert refused.reasons[0].startswith(why)


def test_certificate_in_use_is_returned_with_its_intermediate() -> None:
    unrelated = ca("CN=Unrelated")
    made = check_chain(GOOD.der, [ROOT.der, unrelated.der, INTERMEDIATE.der, INTERMEDIATE.der], ANCHORS, NOW)
    assert isinstance(made, InstallableChain)
    assert made.leaf.der == GOOD.der
    assert [each.der for each in made.intermediates] == [INTERMEDIATE.der]
