"""Finds why clients refuse the path of a served chain, and which violations another check reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from audit.analysis import Uncertain
from audit.analysis.chains import forgeable, untrusted_reason
from audit.analysis.installed_files import bundles
from audit.endpoint import Endpoint
from audit.observation import HostView
from audit.policy import Policy
from audit.x509.certificate import Certificate
from audit.x509.identifiers import covers_name
from audit.x509.lint.extended_key_usage import eku_faults, presents_names
from audit.x509.loading import UnreadableField
from audit.x509.path.served_chain import Chain
from audit.x509.path.validator import profile_violations_of_server
from audit.x509.public_keys import leaf_weaknesses, small_factors, weaknesses
from audit.x509.violation import PathViolation

UNVERIFIED_SIGNATURE: Final = ("RFC 5280 6.1.3 a 1",)  # follows from an algorithm or a key that is refused itself
DATES: Final = ("RFC 5280 4.1.2.5",)
KEY: Final = ("BR 6.1.5", "BR 6.1.6", "RFC 5480 2.1.1", "RFC 5480 2.2")
SIGNATURE: Final = ("BR 7.1.3.2", "RFC 4055 3.1")
USAGE: Final = ("RFC 5280 4.2.1.12", "BR 7.1.2.7.6", "BR 7.1.2.7.10")
NAMES: Final = ("RFC 5280 4.2.1.6", "RFC 5280 4.1.2.6", "BR 7.1.2.7.12")
UNREADABLE_FIELDS: Final = ("RFC 5280 4.1", "RFC 5280 4.1.2.7", "RFC 5280 4.2", "RFC 5280 4.1.2.2")


def unanchored(chain: Chain) -> Uncertain | None:
    """Return why no path by names and signatures leads to a trust anchor, which `cert.untrusted` reports."""
    why = untrusted_reason(chain)
    return Uncertain(why, because="cert.untrusted") if isinstance(why, str) else why


def faulty_chain(chains: Iterable[Chain], endpoint: Endpoint, policy: Policy) -> Uncertain | None:
    """Return the first chain that has a finding of its own; None if each of them is sound by itself."""
    for chain in chains:
        obstacle = unanchored(chain)
        if obstacle:
            return obstacle
        check = _finding_of(chain, endpoint, policy)
        if check:
            return Uncertain(f"the certificate {chain.leaf} is not sound by itself", because=check)
    return None


def _finding_of(chain: Chain, endpoint: Endpoint, policy: Policy) -> str | None:
    """Return the id of the check that reports a fault of an anchored chain, or None."""
    leaf = chain.leaf
    faults = (
        ("chain.invalid-path", bool(violations_of_path(chain, policy))),
        ("cert.expired", leaf.not_after < chain.at),
        ("cert.not-yet-valid", leaf.not_before > chain.at),
        ("cert.name-mismatch", not covers_name(leaf, endpoint.reference)),
    )
    return next((check for check, is_wrong in faults if is_wrong), None)


def violations_of_path(chain: Chain, policy: Policy) -> tuple[PathViolation, ...]:
    """Return the violations for which clients refuse the path and that no other check of the endpoint reports."""
    return tuple(violation for violation in chain.validation.violations if not is_reported(violation, chain, policy))


def profile_violations(chain: Chain, policy: Policy) -> tuple[PathViolation, ...]:
    """Return the violations of rule books alone, in a path that clients accept, that no other check reports.

    Those of the anchor are left out: clients trust its name and key (RFC 5280 6.1.1 d), and the rules bind no old root.
    """
    if chain.validation.violations:
        return ()
    of_anchor = len(chain.validation.path) - 1
    above = (violation for violation in chain.validation.profile_violations if violation.position not in (0, of_anchor))
    violations = (*profile_violations_of_server(chain.leaf.der), *above)
    return tuple(violation for violation in violations if not is_reported(violation, chain, policy))


def violations_above_leaf(chain: Chain) -> tuple[PathViolation, ...]:
    """Return the violations for which clients refuse the path with any leaf."""
    above = (violation for violation in chain.validation.violations if violation.position != 0)
    return tuple(violation for violation in above if violation.clause not in UNVERIFIED_SIGNATURE)


def remedy_of(violations: tuple[PathViolation, ...], chain: Chain, policy: Policy, server: HostView | None) -> str:
    """Return `rechain` if other certificates of the CAs are on the host or may be published, else `reissue`.

    A CA may have replaced an intermediate that is not valid now by one with the same name and key.
    """
    are_dates = all(violation.clause in DATES and _is_of_intermediate(violation, chain) for violation in violations)
    return "rechain" if are_dates or _accepted_file(chain, policy, server) else "reissue"


def _accepted_file(chain: Chain, policy: Policy, server: HostView | None) -> str | None:
    """Return the file on the host with whose certificates clients accept the path, or None."""
    chains = ((file, chain.extended_by(bundle)) for file, bundle in bundles(server))
    anchored = ((file, longer) for file, longer in chains if longer.is_anchored)
    return next((file for file, longer in anchored if not violations_of_path(longer, policy)), None)


def is_reported(violation: PathViolation, chain: Chain, policy: Policy) -> bool:
    """Return whether another check reports this violation of one certificate of the path."""
    if violation.clause in UNVERIFIED_SIGNATURE:
        return True
    if violation.position is None or chain.path is None:
        return False
    certificate = chain.path[violation.position]
    is_leaf, is_anchor = violation.position == 0, 0 < violation.position == len(chain.path) - 1
    if is_anchor:
        return False
    checks = _checks_of_leaf(violation) if is_leaf else _checks_of_intermediate(violation)
    return any(policy.applies(check) and _fails(check, certificate, policy.having(check)) for check in checks)


def _is_of_intermediate(violation: PathViolation, chain: Chain) -> bool:
    return violation.position is not None and 0 < violation.position < len(chain.validation.path) - 1


def _checks_of_leaf(violation: PathViolation) -> Iterator[str]:
    by_clause = ((DATES, "cert.expired"), (KEY, "key.weak"), (SIGNATURE, "cert.weak-signature"),
                 (USAGE, "cert.eku-missing-serverauth"), (NAMES, "cert.san-missing"))  # fmt: skip
    yield from (check for clauses, check in by_clause if violation.clause in clauses)
    if violation.clause in UNREADABLE_FIELDS:
        yield "cert.malformed"


def _checks_of_intermediate(violation: PathViolation) -> Iterator[str]:
    by_clause = ((KEY, "chain.weak-ca-key"), (SIGNATURE, "cert.weak-signature"), (UNREADABLE_FIELDS, "cert.malformed"))
    yield from (check for clauses, check in by_clause if violation.clause in clauses)


def _fails(check: str, certificate: Certificate, policy: Policy) -> bool:
    """Return whether a check fails for a certificate; one that cannot be read is reported too."""
    try:
        match check:
            case "cert.expired":
                return True  # or cert.not-yet-valid
            case "cert.malformed":
                return bool(certificate.faults)
            case "key.weak":
                return bool(policy.faults(lambda limits: leaf_weaknesses(certificate.key, limits)))
            case "chain.weak-ca-key":
                return bool(small_factors(certificate.key)) or bool(
                    policy.faults(lambda limits: weaknesses(certificate.key, limits))
                )
            case "cert.weak-signature":
                return bool(policy.faults(lambda limits: forgeable(certificate, limits)))
            case "cert.eku-missing-serverauth":
                return bool(policy.faults(lambda limits: eku_faults(certificate, limits)))
        return not presents_names(certificate)
    except UnreadableField:
        return True
