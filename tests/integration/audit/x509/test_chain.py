"""The path of a chain, found by names and signatures alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from audit.analysis.chains import completing_file
from audit.checks import test_certificate, test_chain
from audit.x509.path.builder import MAX_SIGNATURES
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from tests.integration.audit.x509.conftest import Forge
from tests.support.endpoint_facts import (
    GOOD,
    INTERMEDIATE,
    ROOT,
    WEBPKI,
    certificate,
    certificate_file,
    chain,
    host,
    observed,
    private,
    public,
    served,
)
from tests.support.verdicts import finding, inconclusive, passes
from tests.support.x509.certificates import DAY, NOW, ca, key_named, leaf, rsa_key

SEEN = observed(served())
FOREIGN_ROOT = ca("CN=Foreign Root")
FOREIGN = leaf().by(ca("CN=Foreign Intermediate", FOREIGN_ROOT))


def trust(seen: Chain) -> dict[str, object]:
    """Return the facts that the check of trust uses."""
    return {"chain": seen, "observation": SEEN, "policy": WEBPKI}


def test_path_leads_through_served_certificates_to_an_anchor_not_served() -> None:
    seen = chain(GOOD)
    assert [str(step) for step in seen.path or ()] == ["CN=www.example.com", "CN=Intermediate", "CN=Root"]
    assert seen.anchor_is_public
    assert passes(test_chain.test_trusted, **trust(seen))
    assert passes(test_chain.test_complete, chain=seen, observation=SEEN)


def test_anchor_of_the_user_is_not_public() -> None:
    seen = chain(GOOD, anchors=private())
    assert seen.is_anchored
    assert (seen.anchor_source, seen.anchor_is_public) == ("corp.pem", False)


def test_anchor_in_both_sources_is_public() -> None:
    both = TrustAnchors({"corp.pem": [ROOT.der], "system": [ROOT.der]})
    assert chain(GOOD, anchors=both).anchor_source == "system"


def test_validity_periods_do_not_affect_trust() -> None:
    root = replace(ROOT, life=10 * DAY)
    seen = chain(GOOD.ending(NOW - DAY), INTERMEDIATE.ending(NOW - DAY), anchors=public(root))
    assert passes(test_chain.test_trusted, **trust(seen))


def test_intermediate_that_is_an_anchor_ends_the_path() -> None:
    seen = chain(GOOD, anchors=private(INTERMEDIATE))
    assert len(seen.path or ()) == 2


def test_missing_intermediate_is_incomplete_and_decides_trust() -> None:
    seen = read_chain((GOOD.der,), public(), NOW)
    found = finding(test_chain.test_complete, chain=seen, observation=SEEN)
    assert found.reason == "the issuer CN=Intermediate was not sent"
    assert inconclusive(test_chain.test_trusted, **trust(seen)).because == "chain.incomplete"


def test_file_on_the_host_that_completes_the_path_is_named() -> None:
    seen = read_chain((GOOD.der,), public(), NOW)
    at_hand = observed(served(), server=host(certificate_file(GOOD, INTERMEDIATE, path="/etc/tls/full.crt")))
    assert "/etc/tls/full.crt on the host has it" in finding(
        test_chain.test_complete, chain=seen, observation=at_hand
    ).reason  # fmt: skip


def test_chain_to_an_unknown_root_is_untrusted_and_complete() -> None:
    seen = chain(FOREIGN, FOREIGN.issuer or FOREIGN, FOREIGN_ROOT)
    found = finding(test_chain.test_trusted, **trust(seen))
    assert found.reason == "the path ends in CN=Foreign Root, a self-signed certificate that is not a trust anchor"
    assert found.remedy == "reissue"
    assert passes(test_chain.test_complete, chain=seen, observation=SEEN)


def test_unknown_root_that_another_root_signed_needs_the_cross_certificate() -> None:
    crossed = replace(FOREIGN_ROOT, issuer=ROOT)
    seen = chain(FOREIGN, FOREIGN.issuer or FOREIGN, FOREIGN_ROOT)
    at_hand = host(replace(certificate_file(crossed, path="/etc/tls/cross.crt"), kind="chain"))
    assert completing_file(seen, at_hand) == "/etc/tls/cross.crt"
    facts = trust(seen) | {"observation": observed(served(), server=at_hand)}
    assert finding(test_chain.test_trusted, **facts).remedy == "rechain"


def test_self_signed_leaf_is_not_also_untrusted() -> None:
    seen = read_chain((leaf().der,), public(), NOW)
    assert inconclusive(test_chain.test_trusted, **trust(seen)).because == "cert.self-signed"
    assert passes(test_chain.test_complete, chain=seen, observation=SEEN)


def test_forged_signature_of_the_named_issuer_is_untrusted() -> None:
    broken = bytearray(GOOD.der)
    broken[-1] ^= 1
    seen = read_chain((bytes(broken), INTERMEDIATE.der), public(), NOW)
    assert "does not verify with the key of" in finding(test_chain.test_trusted, **trust(seen)).reason
    assert passes(test_chain.test_complete, chain=seen, observation=SEEN)


def test_namesake_with_another_key_is_not_the_issuer() -> None:
    namesake = replace(INTERMEDIATE, key=key_named("another"))
    assert read_chain((GOOD.der, namesake.der), public(), NOW).missing_issuer == "CN=Intermediate"
    assert read_chain((GOOD.der, namesake.der, INTERMEDIATE.der), public(), NOW).is_anchored


def test_issuer_is_found_among_namesakes_without_key_identifiers() -> None:
    plain, issuer = GOOD.without_key_ids(), INTERMEDIATE.without_key_ids()
    namesake = replace(issuer, key=key_named("another"))
    assert chain(plain, namesake, issuer).is_anchored


def test_cross_signed_intermediates_lead_to_either_root() -> None:
    other = ca("CN=Old Root")
    crossed = replace(INTERMEDIATE, issuer=other)
    assert chain(GOOD, INTERMEDIATE, crossed, anchors=public(other)).is_anchored
    assert chain(GOOD, crossed, INTERMEDIATE, anchors=public()).is_anchored


def test_longer_lived_path_is_preferred_to_an_expired_cross_certificate() -> None:
    other = ca("CN=Old Root")
    crossed = replace(INTERMEDIATE, issuer=other).ending(NOW - DAY)
    seen = chain(GOOD, crossed, INTERMEDIATE, anchors=public(ROOT, other))
    assert passes(test_chain.test_intermediates_outlive_leaf, certificate=seen.leaf, chain=seen)


def test_issuers_that_signed_each_other_end_the_search() -> None:
    first, other = ca("CN=One"), ca("CN=Other")
    ring = (leaf().by(first), replace(first, issuer=other), replace(other, issuer=first))
    assert not chain(*ring).is_anchored


def test_unreadable_certificate_in_the_chain_is_skipped() -> None:
    assert read_chain((GOOD.der, b"garbage", INTERMEDIATE.der), public(), NOW).is_anchored


def test_unreadable_leaf_is_inconclusive() -> None:
    seen = read_chain((b"garbage", INTERMEDIATE.der), public(), NOW)
    assert inconclusive(test_chain.test_trusted, **trust(seen)).because == "cert.malformed"
    assert inconclusive(test_chain.test_in_order, chain=seen).because == "cert.malformed"


def test_chain_without_a_certificate_has_no_leaf() -> None:
    with pytest.raises(Exception, match="no certificate"):
        _ = read_chain((), public(), NOW).leaf


def test_hundred_namesakes_cost_a_bounded_number_of_signatures() -> None:
    plain = GOOD.without_key_ids()
    namesakes = [ca("CN=Intermediate").with_key(key_named(str(n))).without_key_ids().der for n in range(110)]
    seen = read_chain((plain.der, *namesakes), public(), NOW)
    assert len(namesakes) > MAX_SIGNATURES
    assert seen.gave_up
    assert "too many" in inconclusive(test_chain.test_in_order, chain=seen).reason


def test_chain_in_order_has_no_fault_with_or_without_its_root() -> None:
    assert passes(test_chain.test_in_order, chain=chain(GOOD, INTERMEDIATE))
    assert passes(test_chain.test_in_order, chain=chain(GOOD, INTERMEDIATE, ROOT))


def test_second_certificate_of_the_same_intermediate_is_in_order() -> None:
    assert passes(test_chain.test_in_order, chain=chain(GOOD, INTERMEDIATE, replace(INTERMEDIATE, issuer=FOREIGN_ROOT)))


def test_root_before_the_intermediate_is_out_of_order() -> None:
    found = finding(test_chain.test_in_order, chain=chain(GOOD, ROOT, INTERMEDIATE))
    assert found.reason == "certificate 2 (CN=Root) issued none of the certificates before it"


def test_unrelated_or_repeated_certificate_is_out_of_place() -> None:
    found = finding(test_chain.test_in_order, chain=chain(GOOD, INTERMEDIATE, FOREIGN_ROOT, INTERMEDIATE))
    assert found.observed == (
        "certificate 3 (CN=Foreign Root) is not part of the leaf's chain",
        "certificate 4 (CN=Intermediate) is sent twice",
    )


def test_intermediate_that_ends_before_the_leaf_is_found() -> None:
    seen = chain(GOOD, INTERMEDIATE.ending(NOW + 5 * DAY))
    found = finding(test_chain.test_intermediates_outlive_leaf, certificate=seen.leaf, chain=seen)
    assert found.reason.startswith("CN=Intermediate ends 2026-11-28 10:00 UTC, before the leaf")


def test_intermediate_that_ends_with_the_leaf_outlives_it() -> None:
    end = certificate(INTERMEDIATE).not_after
    seen = chain(GOOD.ending(end), INTERMEDIATE)
    assert passes(test_chain.test_intermediates_outlive_leaf, certificate=seen.leaf, chain=seen)


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_forgeable_digest_is_weak_and_its_path_is_still_found(forge: Forge, digest: str) -> None:
    issuer = ca("CN=RSA Root").with_key(rsa_key(2048))
    seen = read_chain((forge(leaf().by(issuer), digest),), public(issuer), NOW)
    assert seen.is_anchored
    found = finding(test_certificate.test_signed_strongly, chain=seen, policy=WEBPKI)
    assert f"{digest}WithRSAEncryption" in found.reason


def test_forgeable_intermediate_is_weak_and_forgeable_anchor_is_not(forge: Forge) -> None:
    root = ca("CN=RSA Root").with_key(rsa_key(2048))
    weak_root = forge(root, "sha1")
    intermediate = ca("CN=Weak", root)
    good = leaf().by(intermediate)
    anchors = TrustAnchors({"mozilla": [weak_root]})
    assert passes(
        test_certificate.test_signed_strongly,
        chain=read_chain((good.der, intermediate.der), anchors, NOW),
        policy=WEBPKI,
    )
    seen = read_chain((good.der, forge(intermediate, "sha1")), anchors, NOW)
    assert "CN=Weak" in finding(test_certificate.test_signed_strongly, chain=seen, policy=WEBPKI).reason


def test_unverifiable_signature_is_matched_by_name_and_reported(forge: Forge) -> None:
    issuer = ca("CN=RSA Root").with_key(rsa_key(2048))
    seen = read_chain((forge(leaf().by(issuer), "ripemd160"),), public(issuer), NOW)
    assert seen.is_anchored
    why = inconclusive(test_chain.test_trusted, **trust(seen))
    assert why.because == "cert.weak-signature"
    assert "cannot be verified here" in why.reason


def test_broken_signature_with_a_forgeable_digest_has_no_path(forge: Forge) -> None:
    issuer = ca("CN=RSA Root").with_key(rsa_key(2048))
    broken = bytearray(forge(leaf().by(issuer), "sha1"))
    broken[-1] ^= 1
    seen = read_chain((bytes(broken),), public(issuer), NOW)
    assert seen.path is None
    assert (seen.refused_issuer, seen.missing_issuer) == ("CN=RSA Root", None)
    assert "does not verify with the key of" in finding(test_chain.test_trusted, **trust(seen)).reason


def test_names_match_regardless_of_case_and_spaces() -> None:
    issuer = ca("CN=Example  ca")
    shouting = replace(issuer, subject="CN=EXAMPLE CA", key=issuer.private_key)
    assert chain(leaf().by(issuer), anchors=public(shouting)).is_anchored


def test_leaf_that_ends_first_is_judged_by_its_own_end() -> None:
    assert certificate(GOOD).lifetime == timedelta(days=90)
