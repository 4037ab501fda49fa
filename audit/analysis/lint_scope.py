"""Which issuers the rule books bind, and what rules say of a certificate in the words of a check."""

from __future__ import annotations

from audit.analysis.chains import MALFORMED, require_names
from audit.analysis.placeholder import require_own
from audit.observation import Observation
from audit.policy import Policy
from audit.text import listing, moment, sentence
from audit.verdict import Finding, Inconclusive, NotApplicable, Remedy
from audit.x509.certificate import Certificate
from audit.x509.lint import LintRule, lint
from audit.x509.path.served_chain import Chain
from audit.x509.violation import PathViolation


def require_bound(chain: Chain, observation: Observation, policy: Policy) -> None:
    """End the check unless the rules of the public PKI bind the issuer: publicly trusted ones, or all where named.

    A certificate that is no CA's work, a placeholder or a self-signed one, is one finding, and not also these.
    """
    require_own(observation, policy)
    if chain.leaf_is_anchor:
        raise NotApplicable(f"the leaf itself is a trust anchor of {chain.anchor_source}")
    if not chain.is_anchored and chain.leaf.has_readable("is_self_signed") and chain.leaf.is_self_signed:
        raise Inconclusive("no CA issued it", because="cert.self-signed")
    if not policy.is_named:
        require_public(chain)


def require_public(chain: Chain) -> None:
    """End the check unless the path ends in a publicly trusted anchor; where a name cannot be read, nobody can tell."""
    if chain.anchor_is_public:
        return
    if chain.missing_issuer:
        raise Inconclusive("whether its issuer is publicly trusted cannot be told", because="chain.incomplete")
    require_names(chain)
    raise NotApplicable("its issuer is not publicly trusted, and the rules bind only those that are")


def require_rules(
    certificate: Certificate, rules: tuple[LintRule, ...], violations: tuple[PathViolation, ...] = ()
) -> None:
    """Raise what a check of these rules ends with, unless the certificate keeps them all.

    `violations` are what the rule books forbid in its path; of one clause what a rule says of the leaf is enough. If
    only certificates above the leaf break them, no new leaf helps.
    """
    seen = lint(certificate.der, rules)
    broken = dict.fromkeys(violation.clause for violation in seen.violations)
    others = [violation for violation in violations if violation.position or violation.clause not in broken]
    found = (*seen.violations, *others)
    if found:
        clauses = list(dict.fromkeys((*broken, *(violation.clause for violation in others))))
        of_leaf = seen.violations or any(not violation.position for violation in others)
        raise Finding(
            listing(found), observed=list(map(str, found)), required=clauses, remedy=None if of_leaf else Remedy.MANUAL
        )
    if seen.unread:
        raise Inconclusive(f"the certificate cannot be read: {sentence(seen.unread)}", because=MALFORMED)
    if not seen.binding:
        since = min(rule.since for rule in rules)
        raise NotApplicable(f"issued {moment(certificate.not_before)}, the rule binds from {since:%Y-%m-%d} on")
