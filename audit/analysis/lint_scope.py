"""Finds which issuers the rules of the public PKI bind, and which rules a certificate and its path break."""

from __future__ import annotations

from dataclasses import dataclass

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.chains import MALFORMED, unreadable_names
from audit.analysis.placeholder import no_own_certificate
from audit.observation import Observation
from audit.policy import Policy
from audit.text import format_utc, join_clauses
from audit.x509.certificate import Certificate
from audit.x509.lint import Lint, LintRule, lint
from audit.x509.lint.pkilint import INSTALL_PKILINT, full_lint, is_installed
from audit.x509.path.served_chain import Chain
from audit.x509.violation import PathViolation, Violation, placed


@dataclass(frozen=True, slots=True)
class RuleFaults:
    """Which rules a certificate and its path break; without a violation, why that is not certain."""

    violations: tuple[Violation | PathViolation, ...]
    clauses: tuple[str, ...]
    are_of_leaf: bool
    obstacle: Obstacle | None


def unbound_issuer(chain: Chain, observation: Observation, policy: Policy) -> Obstacle | None:
    """Return why the rules of the public PKI do not bind the issuer; None if they do.

    They bind publicly trusted issuers, and every issuer if the user named the policy. A placeholder and a self-signed
    certificate have another finding, and none of these.
    """
    missing = no_own_certificate(observation, policy)
    if missing:
        return missing
    if chain.leaf_is_anchor:
        return Exempt(f"the leaf itself is a trust anchor of {chain.anchor_source}")
    if not chain.is_anchored and chain.leaf.is_known_self_signed:
        return Uncertain("no CA issued it", because="cert.self-signed")
    return None if policy.is_named else not_publicly_trusted(chain)


def not_publicly_trusted(chain: Chain) -> Obstacle | None:
    """Return why the path does not end in a publicly trusted anchor, or why that is not known; None if it does."""
    if chain.anchor_is_public:
        return None
    if chain.missing_issuer:
        return Uncertain("it is not known whether its issuer is publicly trusted", because="chain.incomplete")
    exempt = Exempt("its issuer is not publicly trusted, and the rules apply to publicly trusted issuers only")
    return unreadable_names(chain) or exempt


def violations_of_authorities(chain: Chain, rules: tuple[LintRule, ...]) -> tuple[PathViolation, ...]:
    """Return which rules the CAs between leaf and anchor break, in a path that clients accept."""
    if chain.path is None or chain.validation.violations:
        return ()
    return tuple(
        violation
        for position, authority in enumerate(chain.path[1:-1], 1)
        for violation in placed(
            f"intermediate {position} ({authority})", lint(authority.der, rules, as_leaf=False).violations, position
        )
    )


def rule_faults(
    certificate: Certificate, rules: tuple[LintRule, ...], in_path: tuple[PathViolation, ...] = ()
) -> RuleFaults:
    """Return which rules a certificate breaks. `in_path` are the clauses of the rule books that its path breaks.

    A clause that is broken by one certificate is reported once.
    """
    linted = lint(certificate.der, rules)
    broken = dict.fromkeys(violation.clause for violation in linted.violations)
    once = {(violation.position or 0, violation.clause): violation for violation in reversed(in_path)}
    others = tuple(violation for (position, clause), violation in reversed(once.items())
                   if position or clause not in broken)  # fmt: skip
    return RuleFaults(
        (*linted.violations, *others),
        tuple(dict.fromkeys((*broken, *(violation.clause for violation in others)))),
        bool(linted.violations) or any(not violation.position for violation in others),
        _obstacle(certificate, rules, linted),
    )


def pkilint_errors(certificate: Certificate) -> tuple[str, ...] | Obstacle:
    """Return the errors that the library pkilint finds, or why it cannot judge the certificate."""
    if not is_installed():
        return Exempt(INSTALL_PKILINT)
    try:
        return full_lint(certificate.der)
    except ValueError as error:
        return Uncertain(f"pkilint cannot read the certificate: {error}")


def _obstacle(certificate: Certificate, rules: tuple[LintRule, ...], linted: Lint) -> Obstacle | None:
    if linted.unread:
        return Uncertain(f"the certificate cannot be read: {join_clauses(linted.unread)}", because=MALFORMED)
    if linted.binding:
        return None
    since = min(rule.since for rule in rules)
    return Exempt(f"it was issued {format_utc(certificate.not_before)}, and the rule applies from {since:%Y-%m-%d} on")
