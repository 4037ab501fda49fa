"""The path of a chain, found by names and signatures alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from audit.analysis.chains import completing_file
from audit.checks.test_certificate import test_signed_strongly as strong
from audit.checks.test_chain import test_complete as complete
from audit.checks.test_chain import test_in_order as in_order
from audit.checks.test_chain import test_intermediates_outlive_leaf as outlive
from audit.checks.test_chain import test_trusted as trusted
from audit.observation import HostView
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
from tests.support.verdicts import PASS, Row, fail, require_verdict, unsure, verdicts
from tests.support.x509.certificates import DAY, NOW, Draft, ca, key_named, leaf, rsa_key

FOREIGN_ROOT = ca("CN=Foreign Root")
FOREIGN_CA = ca("CN=Foreign Intermediate", FOREIGN_ROOT)
FOREIGN = leaf().by(FOREIGN_CA)
OLD_ROOT = ca("CN=Old Root")
CROSSED = replace(INTERMEDIATE, issuer=OLD_ROOT)
NAMESAKE = replace(INTERMEDIATE, key=key_named("another"))
RSA_ROOT = ca("CN=RSA Root").with_key(rsa_key(2048))
BROKEN = GOOD.der[:-1] + bytes([GOOD.der[-1] ^ 1])


def of(seen: Chain, server: HostView | None = None) -> dict[str, object]:
    """Return the facts of a chain."""
    facts = {"chain": seen, "observation": observed(served(), server=server), "policy": WEBPKI}
    return facts | ({"certificate": seen.leaf} if seen.certificates else {})


def read(*certificates: Draft | bytes, anchors: TrustAnchors | None = None) -> Chain:
    """Return the chain of exactly these certificates."""
    sent = tuple(sent if isinstance(sent, bytes) else sent.der for sent in certificates)
    return read_chain(sent, anchors or public(), NOW)


ALONE, UNKNOWN_ROOT = read(GOOD), chain(FOREIGN, FOREIGN_CA, FOREIGN_ROOT)
CROSS_FILE = replace(certificate_file(replace(FOREIGN_ROOT, issuer=ROOT), path="/etc/tls/cross.crt"), kind="chain")
FULL_FILE = certificate_file(GOOD, INTERMEDIATE, path="/etc/tls/full.crt")
SHORT_ROOT = replace(ROOT, life=10 * DAY)
LATE_CROSS = chain(GOOD, CROSSED.ending(NOW - DAY), INTERMEDIATE, anchors=public(ROOT, OLD_ROOT))
LAST = certificate(INTERMEDIATE).not_after


@verdicts({
    "good": (trusted, of(chain(GOOD)), PASS),
    "good and complete": (complete, of(chain(GOOD)), PASS),
    "all have expired": (
        trusted, of(chain(GOOD.ending(NOW - DAY), INTERMEDIATE.ending(NOW - DAY), anchors=public(SHORT_ROOT))), PASS,
    ),
    "missing intermediate": (complete, of(ALONE), fail(reason="the issuer CN=Intermediate was not sent")),
    "missing intermediate decides trust": (trusted, of(ALONE), unsure(because="chain.incomplete")),
    "file on the host": (complete, of(ALONE, host(FULL_FILE)), fail("/etc/tls/full.crt on the host has it")),
    "unknown root": (trusted, of(UNKNOWN_ROOT), fail(
        reason="the path ends in CN=Foreign Root, a self-signed certificate that is not a trust anchor",
        remedy="reissue",
    )),
    "unknown root and complete": (complete, of(UNKNOWN_ROOT), PASS),
    "cross certificate on the host": (trusted, of(UNKNOWN_ROOT, host(CROSS_FILE)), fail(remedy="rechain")),
    "self-signed leaf": (trusted, of(read(leaf())), unsure(because="cert.self-signed")),
    "self-signed leaf and complete": (complete, of(read(leaf())), PASS),
    "forged signature": (trusted, of(read(BROKEN, INTERMEDIATE)), fail("does not verify with the key of")),
    "forged signature and complete": (complete, of(read(BROKEN, INTERMEDIATE)), PASS),
    "unreadable leaf": (trusted, of(read(b"garbage", INTERMEDIATE)), unsure(because="cert.malformed")),
    "order of an unreadable leaf": (in_order, of(read(b"garbage", INTERMEDIATE)), unsure(because="cert.malformed")),
    "in order": (in_order, of(chain(GOOD, INTERMEDIATE)), PASS),
    "in order with the root": (in_order, of(chain(GOOD, INTERMEDIATE, ROOT)), PASS),
    "in order with a second certificate": (
        in_order, of(chain(GOOD, INTERMEDIATE, replace(INTERMEDIATE, issuer=FOREIGN_ROOT))), PASS,
    ),
    "root first": (in_order, of(chain(GOOD, ROOT, INTERMEDIATE)), fail(
        reason="certificate 2 (CN=Root) issued none of the certificates before it",
    )),
    "unrelated and repeated": (in_order, of(chain(GOOD, INTERMEDIATE, FOREIGN_ROOT, INTERMEDIATE)), fail(observed=(
        "certificate 3 (CN=Foreign Root) is not part of the leaf's chain",
        "certificate 4 (CN=Intermediate) is sent twice",
    ))),
    "intermediate ends first": (outlive, of(chain(GOOD, INTERMEDIATE.ending(NOW + 5 * DAY))), fail(
        "CN=Intermediate ends 2026-11-28 10:00 UTC, before the leaf",
    )),
    "intermediate ends with the leaf": (outlive, of(chain(GOOD.ending(LAST), INTERMEDIATE)), PASS),
    "expired cross certificate beside a good one": (outlive, of(LATE_CROSS), PASS),
})  # fmt: skip
def test_chain_is_judged_by_its_path_order_and_end(row: Row) -> None:
    require_verdict(row)


def test_path_leads_through_served_certificates_to_an_anchor_not_served() -> None:
    seen = chain(GOOD)
    assert [str(step) for step in seen.path or ()] == ["CN=www.example.com", "CN=Intermediate", "CN=Root"]
    assert seen.anchor_is_public
    assert len(chain(GOOD, anchors=private(INTERMEDIATE)).path or ()) == 2
    assert completing_file(UNKNOWN_ROOT, host(CROSS_FILE)) == "/etc/tls/cross.crt"


def test_anchor_in_both_sources_is_public() -> None:
    own = chain(GOOD, anchors=private())
    assert (own.is_anchored, own.anchor_source, own.anchor_is_public) == (True, "corp.pem", False)
    both = TrustAnchors({"corp.pem": [ROOT.der], "system": [ROOT.der]})
    assert chain(GOOD, anchors=both).anchor_source == "system"


@pytest.mark.parametrize(
    ("seen", "is_private"),
    [(chain(GOOD, anchors=private()), True), (chain(GOOD), False), (ALONE, False)],
    ids=["own anchor", "public anchor", "no anchor"],
)
def test_chain_is_of_a_private_pki_if_only_the_user_trusts_it(seen: Chain, *, is_private: bool) -> None:
    assert seen.is_of_private_pki is is_private


def test_intermediates_are_those_between_leaf_and_root() -> None:
    known = chain(GOOD, INTERMEDIATE, ROOT)
    assert [str(issuer) for issuer in known.intermediates] == ["CN=Intermediate"]
    assert [str(issuer) for issuer in UNKNOWN_ROOT.intermediates] == ["CN=Foreign Intermediate"]


def test_leaf_alone_may_be_the_anchor() -> None:
    assert read(GOOD, anchors=private(GOOD)).leaf_is_anchor
    assert not chain(GOOD, anchors=private(INTERMEDIATE)).leaf_is_anchor
    assert not ALONE.leaf_is_anchor


ONE, OTHER = ca("CN=One"), ca("CN=Other")
SPACED = ca("CN=Example  ca")
SHOUTED = replace(SPACED, subject="CN=EXAMPLE CA", key=SPACED.private_key)


@pytest.mark.parametrize(
    ("seen", "is_anchored"),
    [
        (read(GOOD, NAMESAKE), False),
        (read(GOOD, NAMESAKE, INTERMEDIATE), True),
        (chain(GOOD.without_key_ids(), NAMESAKE.without_key_ids(), INTERMEDIATE.without_key_ids()), True),
        (chain(GOOD, INTERMEDIATE, CROSSED, anchors=public(OLD_ROOT)), True),
        (chain(GOOD, CROSSED, INTERMEDIATE), True),
        (chain(leaf().by(ONE), replace(ONE, issuer=OTHER), replace(OTHER, issuer=ONE)), False),
        (read(GOOD, b"garbage", INTERMEDIATE), True),
        (chain(leaf().by(SPACED), anchors=public(SHOUTED)), True),
    ],
    ids=["namesake", "namesake first", "namesake without key identifiers", "cross certificate",
         "cross certificate first", "issuers that signed each other", "unreadable one between",
         "name with another case and more spaces"],
)  # fmt: skip
def test_issuer_is_found_by_name_and_key(seen: Chain, *, is_anchored: bool) -> None:
    assert seen.is_anchored is is_anchored


def test_missing_issuer_is_named_and_an_empty_chain_has_no_leaf() -> None:
    assert read(GOOD, NAMESAKE).missing_issuer == "CN=Intermediate"
    with pytest.raises(Exception, match="no certificate"):
        _ = read().leaf


def test_hundred_namesakes_cost_a_bounded_number_of_signatures() -> None:
    namesakes = [ca("CN=Intermediate").with_key(key_named(str(n))).without_key_ids() for n in range(110)]
    seen = read(GOOD.without_key_ids(), *namesakes)
    assert len(namesakes) > MAX_SIGNATURES
    assert seen.gave_up
    require_verdict((in_order, of(seen), unsure("too many")))


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_forgeable_digest_is_weak_and_its_path_is_still_found(forge: Forge, digest: str) -> None:
    seen = read(forge(leaf().by(RSA_ROOT), digest), anchors=public(RSA_ROOT))
    assert seen.is_anchored
    require_verdict((strong, of(seen), fail(f"{digest}WithRSAEncryption")))


def test_forgeable_intermediate_is_weak_and_forgeable_anchor_is_not(forge: Forge) -> None:
    intermediate = ca("CN=Weak", RSA_ROOT)
    good, anchors = leaf().by(intermediate), TrustAnchors({"mozilla": [forge(RSA_ROOT, "sha1")]})
    require_verdict((strong, of(read(good, intermediate, anchors=anchors)), PASS))
    require_verdict((strong, of(read(good, forge(intermediate, "sha1"), anchors=anchors)), fail("CN=Weak")))


def test_unverifiable_signature_is_matched_by_name_and_reported(forge: Forge) -> None:
    seen = read(forge(leaf().by(RSA_ROOT), "ripemd160"), anchors=public(RSA_ROOT))
    assert seen.is_anchored
    require_verdict((trusted, of(seen), unsure("cannot be verified here", because="cert.weak-signature")))


def test_broken_signature_with_a_forgeable_digest_has_no_path(forge: Forge) -> None:
    forged = forge(leaf().by(RSA_ROOT), "sha1")
    seen = read(forged[:-1] + bytes([forged[-1] ^ 1]), anchors=public(RSA_ROOT))
    assert (seen.path, seen.refused_issuer, seen.missing_issuer) == (None, "CN=RSA Root", None)
    require_verdict((trusted, of(seen), fail("does not verify with the key of")))


def test_leaf_that_ends_first_is_judged_by_its_own_end() -> None:
    assert certificate(GOOD).lifetime == timedelta(days=90)
