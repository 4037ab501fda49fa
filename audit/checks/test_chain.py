"""Checks of the chain as served: where it leads, what is missing or out of place in it, and how long it is valid."""

from __future__ import annotations

from audit.analysis.chains import (
    completing_file,
    expires_before_leaf,
    not_sent,
    sent_anchors,
    too_many_issuers,
    unexpired,
    unjudged_key,
    unreadable_names,
    untrusted_reason,
    weak_ca_keys,
)
from audit.analysis.path_faults import remedy_of, unanchored, violations_of_path
from audit.analysis.placeholder import no_own_certificate
from audit.checks import check
from audit.checks.assertions import end_if, known, require_none
from audit.observation import Observation
from audit.policy import Policy
from audit.policy.controls import CERTIFICATE, LIFECYCLE, NAMING, TRANSPORT
from audit.text import format_utc, join_clauses, join_limited
from audit.verdict import not_applicable, require
from audit.x509.certificate import Certificate
from audit.x509.path.served_chain import Chain


@check(
    "cert.untrusted", severity="high", remedy="reissue", source="RFC 5280 6.1; CWE-295", controls=CERTIFICATE | NAMING
)
def test_trusted(chain: Chain, observation: Observation, policy: Policy) -> None:
    """A path by names and signatures must lead from the leaf to a trust anchor (RFC 5280 6.1).

    Dates, usages and keys have checks of their own.

    Fix: Order a certificate from a CA that your clients trust. If it is your own CA, name its file in `--audit-trust`.
    If the chain file has the wrong intermediates, install those of the issuer.
    """
    end_if(no_own_certificate(observation, policy))
    why = known(untrusted_reason(chain))
    file = completing_file(chain, observation.server) if why else None
    at_hand = f"; with {file} on the host a path is complete" if file else ""
    require(why is None, f"{why}{at_hand}", observed=[str(certificate) for certificate in chain.reached],
            required="a trust anchor", remedy="rechain" if file else "reissue")  # fmt: skip


@check(
    "chain.invalid-path", severity="critical", remedy="reissue", source="RFC 5280 6.1; CWE-295", controls=CERTIFICATE
)
def test_path_is_accepted(chain: Chain, observation: Observation, policy: Policy) -> None:
    """Clients must accept at least one path from the leaf to a trust anchor (RFC 5280 6.1).

    It judges CA flags, usages, path lengths, names, policies and algorithms of CAs. Faults of the leaf, and keys and
    signatures with a check of their own, are reported there.

    Fix: Install other intermediates if the CA offers a path without this fault. Otherwise order a certificate from
    another CA.
    """
    end_if(no_own_certificate(observation, policy) or unanchored(chain))
    violations = violations_of_path(chain, policy)
    seen = [str(violation) for violation in violations]
    require(not seen, join_clauses(seen), observed=seen, required="a path that clients accept",
            remedy=remedy_of(violations, chain, policy, observation.server))  # fmt: skip


@check("chain.incomplete", severity="high", remedy="rechain", source="RFC 9846 4.4.2", controls=CERTIFICATE)
def test_complete(chain: Chain, observation: Observation) -> None:
    """The server must send every intermediate up to a trust anchor or a root (RFC 9846 4.4.2).

    Fix: Add the missing intermediate below the leaf in the certificate file that the service reads, and reload the
    service. Many clients do not fetch it themselves.
    """
    end_if(unreadable_names(chain) or (None if chain.is_anchored else too_many_issuers(chain)))
    file = completing_file(chain, observation.server)
    at_hand = f"; {file} on the host has it" if file else ""
    require(chain.missing_issuer is None, f"the issuer {not_sent(chain)}{at_hand}",
            observed=[*map(str, chain.certificates)], required=chain.missing_issuer)  # fmt: skip


@check("chain.order", severity="low", remedy="rechain", source="RFC 5246 7.4.2; RFC 9846 4.4.2", controls=CERTIFICATE)
def test_in_order(chain: Chain) -> None:
    """Each certificate after the leaf must certify one before it, and none is sent twice (RFC 5246 7.4.2).

    Fix: Sort the certificate file: the leaf first, then its issuer, then the issuer of that one. Remove every other
    certificate, and reload the service.
    """
    end_if(unreadable_names(chain) or too_many_issuers(chain))
    path = [str(certificate) for certificate in chain.path or chain.reached]
    require(not chain.order_faults, join_clauses(chain.order_faults[:5]), observed=chain.order_faults, required=path)


@check(
    "chain.intermediate-expiring",
    severity="medium",
    remedy="rechain",
    source="RFC 5280 6.1.3 a 2",
    controls=CERTIFICATE | LIFECYCLE,
)
def test_intermediates_outlive_leaf(certificate: Certificate, chain: Chain) -> None:
    """No intermediate should expire before the leaf (RFC 5280 6.1.3 a 2).

    If an intermediate has expired, `chain.invalid-path` reports it.

    Fix: Install the newer intermediate that the CA publishes, and reload the service.
    """
    end_if(unreadable_names(chain))
    ending = [fault for intermediate in unexpired(chain) for fault in expires_before_leaf(intermediate, certificate)]
    require(not ending, join_clauses(ending), observed=ending, required=f"until {format_utc(certificate.not_after)}")


@check("chain.root-included", severity="info", remedy="rechain", source="RFC 9846 4.4.2", controls=TRANSPORT)
def test_root_left_out(chain: Chain) -> None:
    """The server should not send the trust anchor (RFC 9846 4.4.2).

    Fix: Remove the last certificate from the certificate file. Clients either have the trust anchor or do not trust it,
    so it only costs bytes.
    """
    end_if(unreadable_names(chain))
    roots = sent_anchors(chain)
    require(
        not roots,
        f"the server sends the trust anchor {join_limited(roots)} too",
        observed=roots,
        required="no trust anchor",
    )


@check("chain.weak-ca-key", severity="high", remedy="reissue", source="BR 6.1.5, 6.1.6; CWE-326", controls=CERTIFICATE)
def test_intermediates_keys_are_strong(chain: Chain, policy: Policy) -> None:
    """The keys of the intermediates must have a size, curve and exponent that the policy allows (BR 6.1.5, 6.1.6).

    Fix: Order a certificate from a CA, or an intermediate of it, that has a stronger key.
    """
    end_if(unreadable_names(chain))
    if not chain.intermediates:
        not_applicable("there is no intermediate between the leaf and a trust anchor")
    require_none(policy.faults(lambda limits: weak_ca_keys(chain, limits)))
    end_if(unjudged_key(chain.intermediates, policy))
