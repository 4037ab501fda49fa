"""Certificates with post-quantum keys and signatures: named, verified if the library can, and judged by the policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.analysis.path_faults import violations_of_path
from audit.checks.test_certificate import test_not_self_signed as self_signed
from audit.checks.test_certificate import test_signed_strongly as signed_strongly
from audit.checks.test_chain import test_intermediates_keys_are_strong as ca_keys
from audit.checks.test_chain import test_path_is_accepted as path_accepted
from audit.checks.test_chain import test_trusted as trusted
from audit.checks.test_key import test_key_is_strong as is_strong
from audit.policy import Policy, load_profile
from audit.policy.thresholds import ML_DSA
from audit.x509.algorithms import algorithm_violations
from audit.x509.certificate import read_certificate
from audit.x509.der import Element, elements, encode_oid
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from audit.x509.public_keys import POST_QUANTUM, KeyFacts, weaknesses
from audit.x509.violation import PROFILE
from tests.support.endpoint_facts import NAMED_WEBPKI, PRIVATE, observed, served
from tests.support.verdicts import PASS, Check, Row, fail, require_verdict, unsure, verdicts
from tests.support.x509.certificates import NOW, Draft, ca, leaf, ml_dsa_key
from tests.support.x509.paths import tlv

SETS = (44, 65, 87)
BOTH = Policy((load_profile("private-pki"), load_profile("webpki")), is_named=True)
MODERN = Policy((load_profile("mozilla-modern"),), is_named=True)
IDENTIFIER = tlv(0x30, encode_oid("2.16.840.1.101.3.4.3.18"))  # of ML-DSA-65
SLH_DSA, COMPOSITE = "2.16.840.1.101.3.4.3.20", "1.3.6.1.5.5.7.6.45"


def drafts(number: int) -> tuple[Draft, Draft, Draft]:
    """Return leaf, intermediate and root with ML-DSA keys of that parameter set."""
    root = ca("CN=Root").with_key(ml_dsa_key(number))
    intermediate = replace(ca("CN=Intermediate", root), key=ml_dsa_key(number))
    return leaf().with_key(ml_dsa_key(number)).by(intermediate), intermediate, root


def renamed(der: bytes, oid: str) -> bytes:
    """Return a certificate with the identifier of another algorithm instead of that of ML-DSA-65."""
    (whole,) = elements(der)
    return _renamed(whole, tlv(0x30, encode_oid(oid)))


def _renamed(element: Element, identifier: bytes) -> bytes:
    if element.encoding == IDENTIFIER:
        return identifier
    if not element.tag & 0x20:
        return element.encoding
    return tlv(element.tag, *(_renamed(inner, identifier) for inner in elements(element.content)))


def chain_of(*ders: bytes) -> Chain:
    """Return the chain of these certificates, the last of which is a trust anchor of the user's."""
    return read_chain(ders[:-1], TrustAnchors({"corp.pem": [ders[-1]]}), NOW)


CHAINS = {number: chain_of(*(draft.der for draft in drafts(number))) for number in SETS}
NAMED = {oid: chain_of(*(renamed(draft.der, oid) for draft in drafts(65))) for oid in (SLH_DSA, COMPOSITE)}


def judged(check: Check, chain: Chain, policy: Policy, expected: object) -> Row:
    """Return the row of a check of a chain."""
    seen = observed(replace(served(), chain_der=tuple(certificate.der for certificate in chain.certificates)))
    facts = {"certificate": chain.leaf, "chain": chain, "policy": policy, "observation": seen}
    return check, {**facts, "server": None}, expected  # type: ignore[return-value]  # an Expected


NO_KEY, NO_SIGNATURE = "for which no public CA may issue a certificate (BR 6.1.5)", "which no public CA may use"
UNSUPPORTED = "the installed library does not support"


@verdicts({
    **{f"{check.__name__}, ML-DSA-{number}, {policy.name}": judged(check, CHAINS[number], policy, expected)
       for number in SETS
       for check, policy, expected in (
           (is_strong, PRIVATE, PASS), (ca_keys, PRIVATE, PASS), (signed_strongly, PRIVATE, PASS),
           (trusted, PRIVATE, PASS), (path_accepted, PRIVATE, PASS), (self_signed, PRIVATE, PASS),
           (is_strong, NAMED_WEBPKI, fail(f"a post-quantum key (ML-DSA-{number}), {NO_KEY}")),
           (ca_keys, NAMED_WEBPKI, fail(f"CN=Intermediate: a post-quantum key (ML-DSA-{number}), {NO_KEY}")),
           (signed_strongly, NAMED_WEBPKI, fail(f"is signed with ML-DSA-{number}, {NO_SIGNATURE}")),
           (is_strong, BOTH, fail(NO_KEY, policy="webpki")),
           (is_strong, MODERN, fail(f"a key of the kind ML-DSA-{number}; allowed: EC")),
       )},
    **{f"{check.__name__}, {POST_QUANTUM[oid]}, {policy.name}": judged(check, NAMED[oid], policy, expected)
       for oid in NAMED
       for check, policy, expected in (
           (is_strong, PRIVATE, unsure(f"a post-quantum key ({POST_QUANTUM[oid]}), which {UNSUPPORTED}")),
           (ca_keys, PRIVATE, unsure("CN=Intermediate", f"({POST_QUANTUM[oid]}), which {UNSUPPORTED}")),
           (signed_strongly, PRIVATE, PASS),
           (trusted, PRIVATE, unsure(f"{UNSUPPORTED} {POST_QUANTUM[oid]}")),
           (is_strong, NAMED_WEBPKI, fail(f"a post-quantum key ({POST_QUANTUM[oid]}), {NO_KEY}")),
           (signed_strongly, NAMED_WEBPKI, fail(f"is signed with {POST_QUANTUM[oid]}, {NO_SIGNATURE}")),
       )},
})  # fmt: skip
def test_post_quantum_certificates_are_judged_by_the_policy(row: Row) -> None:
    require_verdict(row)


def test_forged_ml_dsa_signature_is_found() -> None:
    leaf_, intermediate, root = (draft.der for draft in drafts(65))
    forged = leaf_[:-1] + bytes((leaf_[-1] ^ 1,))
    chain = chain_of(forged, intermediate, root)
    require_verdict(judged(trusted, chain, PRIVATE, fail("the signature does not verify with the key of")))


def test_path_of_ml_dsa_breaks_only_rules_of_public_cas() -> None:
    chain = CHAINS[65]
    assert violations_of_path(chain, PRIVATE) == ()
    assert chain.validation.violations == ()
    assert {"BR 6.1.5", "BR 7.1.3.2"} <= {violation.clause for violation in chain.validation.profile_violations}
    assert chain.is_of_private_pki


@pytest.mark.parametrize("number", SETS)
def test_key_and_signature_have_the_name_of_the_parameter_set(number: int) -> None:
    certificate = read_certificate(drafts(number)[0].der)
    assert (str(certificate.key), certificate.signature_algorithm) == (f"ML-DSA-{number}",) * 2
    assert (certificate.key.is_post_quantum, certificate.faults) == (True, ())


@pytest.mark.parametrize("oid", NAMED)
def test_key_that_the_library_does_not_support_is_named(oid: str) -> None:
    certificate = NAMED[oid].leaf
    assert (certificate.key.kind, certificate.signature_algorithm) == (POST_QUANTUM[oid],) * 2


def test_algorithms_have_the_names_of_their_oids() -> None:
    assert POST_QUANTUM["2.16.840.1.101.3.4.3.17"] == "ML-DSA-44"
    assert POST_QUANTUM["2.16.840.1.101.3.4.3.20"] == "SLH-DSA-SHA2-128s"
    assert POST_QUANTUM["2.16.840.1.101.3.4.3.25"] == "SLH-DSA-SHA2-256f"
    assert POST_QUANTUM["2.16.840.1.101.3.4.3.31"] == "SLH-DSA-SHAKE-256f"
    assert POST_QUANTUM["1.3.6.1.5.5.7.6.37"] == "MLDSA44-RSA2048-PSS-SHA256"
    assert POST_QUANTUM["1.3.6.1.5.5.7.6.45"] == "MLDSA65-ECDSA-P256-SHA512"
    assert POST_QUANTUM["1.3.6.1.5.5.7.6.54"] == "MLDSA87-ECDSA-P521-SHA512"


def test_ml_dsa_is_judged_by_name_if_the_library_does_not_support_it() -> None:
    """A library that is built with an OpenSSL before 3.5 refuses the key."""
    for name in ML_DSA:
        key = KeyFacts(name, unsupported="not supported by this backend")
        assert weaknesses(key, load_profile("private-pki").thresholds) == ()
        assert len(weaknesses(key, load_profile("webpki").thresholds)) == 1


def test_parameters_of_a_post_quantum_signature_are_refused() -> None:
    with_null = tlv(0x30, encode_oid("2.16.840.1.101.3.4.3.18"), b"\5\0")
    assert [violation.kind for violation in algorithm_violations(IDENTIFIER)] == [PROFILE]
    assert algorithm_violations(with_null)[0].reason == (
        "the signature algorithm ML-DSA-65 has parameters, which must be absent"
    )
