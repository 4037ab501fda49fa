"""Checks of the chain as served: where it leads, what is missing or out of place in it, and how long it holds."""

from __future__ import annotations

from audit.analysis.chains import (
    completing_file,
    distrust,
    outlived,
    require_names,
    sent_anchors,
    unexpired,
    weak_ca_keys,
)
from audit.analysis.path_faults import remedy_of, require_anchored, violations_of_path
from audit.analysis.placeholder import require_own
from audit.checks import check
from audit.observation import Observation
from audit.policy import Policy
from audit.text import listing, moment, sentence
from audit.verdict import Finding, inconclusive, not_applicable, require, require_none
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Chain


@check("cert.untrusted", severity="high", remedy="reissue", source="RFC 5280 6.1; CWE-295")
def test_trusted(chain: Chain, observation: Observation, policy: Policy) -> None:
    """A path by names and signatures leads from the leaf to a trust anchor, whatever its times, usages and keys say."""
    require_own(observation, policy)
    why = distrust(chain)
    if why is not None:
        file = completing_file(chain, observation.server)
        at_hand = f"; with {file} on the host a path is complete" if file else ""
        raise Finding(f"{why}{at_hand}", observed=[str(one) for one in chain.reached], required="a trust anchor",
                      remedy="rechain" if file else "reissue")  # fmt: skip


@check("chain.invalid-path", severity="critical", remedy="reissue", source="RFC 5280 6.1; CWE-295")
def test_path_is_accepted(chain: Chain, observation: Observation, policy: Policy) -> None:
    """Clients accept a path to a trust anchor: CA flags, key usages, lengths, names, policies, dates and algorithms.

    What is wrong with the leaf itself, or with a key or a signature that has a check of its own, is reported there.
    """
    require_own(observation, policy)
    require_anchored(chain)
    violations = violations_of_path(chain, policy)
    require(not violations, sentence([str(violation) for violation in violations]), observed=list(map(str, violations)),
            required="a path that clients accept",
            remedy=remedy_of(violations, chain, policy, observation.server))  # fmt: skip


@check("chain.incomplete", severity="high", remedy="rechain", source="RFC 9846 4.4.2")
def test_complete(chain: Chain, observation: Observation) -> None:
    """Every issuer up to a trust anchor, or to a root, was sent: clients do not fetch what is missing."""
    require_names(chain)
    file = completing_file(chain, observation.server)
    at_hand = f"; {file} on the host has it" if file else ""
    if chain.gave_up and not chain.is_anchored:
        inconclusive("there are too many candidates for issuers to verify them all")
    require(chain.missing_issuer is None, f"the issuer {chain.missing_issuer} was not sent{at_hand}",
            observed=[str(one) for one in chain.certificates], required=chain.missing_issuer)  # fmt: skip


@check("chain.order", severity="low", remedy="rechain", source="RFC 5246 7.4.2; RFC 9846 4.4.2")
def test_in_order(chain: Chain) -> None:
    """Each certificate after the leaf certifies one before it, and none is sent twice."""
    require_names(chain)
    if chain.gave_up:
        inconclusive("there are too many candidates for issuers to verify them all")
    path = [str(one) for one in chain.path or chain.reached]
    require(not chain.order_faults, sentence(chain.order_faults[:5]), observed=chain.order_faults, required=path)


@check("chain.intermediate-expiring", severity="medium", remedy="rechain", source="RFC 5280 6.1.3 a 2")
def test_intermediates_outlive_leaf(certificate: Certificate, chain: Chain) -> None:
    """No intermediate of the best path ends before the leaf does; one that has ended is `chain.invalid-path`."""
    require_names(chain)
    ending = [clause for one in unexpired(chain) for clause in outlived(one, certificate)]
    require(not ending, sentence(ending), observed=ending, required=f"until {moment(certificate.not_after)}")


@check("chain.root-included", severity="info", remedy="rechain", source="RFC 9846 4.4.2")
def test_root_left_out(chain: Chain) -> None:
    """The trust anchor itself is not sent: clients have it, or would not trust it, and it only costs bytes."""
    require_names(chain)
    roots = sent_anchors(chain)
    require(not roots, f"the trust anchor {listing(roots)} was sent too", observed=roots, required="no trust anchor")


@check("chain.weak-ca-key", severity="high", remedy="reissue", source="BR 6.1.5, 6.1.6; CWE-326")
def test_intermediates_keys_are_strong(chain: Chain, policy: Policy) -> None:
    """The keys of the intermediates are of a size, curve and exponent that the policy admits, as a leaf's must be."""
    require_names(chain)
    if not chain.intermediates:
        not_applicable("there is no intermediate between the leaf and a trust anchor")
    require_none(policy.each(lambda limits: weak_ca_keys(chain, limits)))
