"""Certificate policies along a path (RFC 5280 6.1), for a client that requires no policy of its own.

This client refuses a path only if a CA requires an explicit policy and no policy is valid along the whole path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.x509.oid import CertificatePoliciesOID

from audit.x509.certificate import Certificate
from audit.x509.der import elements, read_oid
from audit.x509.violation import PROFILE, Violation

ANY_POLICY: Final = CertificatePoliciesOID.ANY_POLICY.dotted_string
_MAPPINGS: Final = "2.5.29.33"
_MAX_POLICIES: Final = 1000  # on one level: mappings could let them grow from CA to CA


def own_policy_violations(certificate: Certificate) -> Iterator[Violation]:
    """Yield what is wrong with the policies and their constraints in one certificate."""
    policies = [policy.policy_identifier for policy in certificate.extension(x509.CertificatePolicies) or ()]
    if len(policies) > len(set(policies)):
        yield Violation("RFC 5280 4.2.1.4", "a certificate policy is listed twice")
    constraints = certificate.extension(x509.PolicyConstraints)
    if constraints is not None and not certificate.is_critical(x509.PolicyConstraints):
        yield Violation("RFC 5280 4.2.1.11", "policyConstraints are not critical", PROFILE)
    if certificate.is_critical(x509.InhibitAnyPolicy) is False:
        yield Violation("RFC 5280 4.2.1.14", "inhibitAnyPolicy is not critical", PROFILE)
    mapped = _mappings(certificate)
    if mapped is None:
        yield Violation("RFC 5280 4.2.1.5", "policyMappings cannot be read")
    elif ANY_POLICY in mapped or any(ANY_POLICY in policies for policies in mapped.values()):
        yield Violation("RFC 5280 4.2.1.5", "anyPolicy is mapped")


def policy_violations(path: Sequence[Certificate]) -> Iterator[Violation]:
    """Yield why a path, leaf first and anchor last, has no valid policy although it needs one."""
    state = _State(len(path) - 1)
    for index, certificate in enumerate(reversed(path[:-1]), 1):
        is_last = index == len(path) - 1
        state.take(certificate, is_last=is_last)
        if state.explicit <= 0 and not state.valid:
            yield Violation(
                "RFC 5280 6.1.5 g", f"an explicit policy is required, and none is valid down to {certificate}"
            )
            return


@dataclass(slots=True)
class _State:
    """The state variables of RFC 5280 6.1.2; `valid` are the policies expected on the next level.

    The three numbers are counted down past zero, which means the same as zero.
    """

    length: int
    valid: set[str] = field(default_factory=lambda: {ANY_POLICY})
    explicit: int = field(init=False)
    inhibit_any: int = field(init=False)
    inhibit_mapping: int = field(init=False)

    def __post_init__(self) -> None:
        self.explicit = self.inhibit_any = self.inhibit_mapping = self.length + 1

    def take(self, certificate: Certificate, *, is_last: bool) -> None:
        """Process one certificate: 6.1.3 d to f, then 6.1.4 a, b, h to j, or 6.1.5 a and b for the last."""
        admits_any = self.inhibit_any > 0 or (not is_last and certificate.is_self_issued)
        self.valid = _narrowed(self.valid, certificate, admits_any=admits_any)
        if is_last:
            self.explicit -= 1
        else:
            self._map(certificate)
            if not certificate.is_self_issued:
                self.explicit -= 1
                self.inhibit_any -= 1
                self.inhibit_mapping -= 1
        self._constrain(certificate, is_last=is_last)

    def _map(self, certificate: Certificate) -> None:
        mappings = _mappings(certificate)
        if not mappings:
            return
        mapped = {subject for issuer in self.valid & set(mappings) for subject in mappings[issuer]}
        kept = self.valid - set(mappings)  # anyPolicy, where it is valid, and that covers what is mapped
        self.valid = kept | mapped if self.inhibit_mapping > 0 else kept
        if len(self.valid) > _MAX_POLICIES:
            self.valid = set()

    def _constrain(self, certificate: Certificate, *, is_last: bool) -> None:
        constraints = certificate.extension(x509.PolicyConstraints)
        required = None if constraints is None else constraints.require_explicit_policy
        if required is not None and (required == 0 or not is_last):
            self.explicit = min(self.explicit, required)
        inhibited = None if constraints is None else constraints.inhibit_policy_mapping
        if inhibited is not None:
            self.inhibit_mapping = min(self.inhibit_mapping, inhibited)
        inhibit_any = certificate.extension(x509.InhibitAnyPolicy)
        if inhibit_any is not None:
            self.inhibit_any = min(self.inhibit_any, inhibit_any.skip_certs)


def _narrowed(valid: set[str], certificate: Certificate, *, admits_any: bool) -> set[str]:
    """Return the policies of a certificate that are valid, given those valid above it."""
    policies = certificate.extension(x509.CertificatePolicies)
    if policies is None:
        return set()
    own = {policy.policy_identifier.dotted_string for policy in policies}
    kept = own - {ANY_POLICY} if ANY_POLICY in valid else own & valid
    return kept | valid if ANY_POLICY in own and admits_any else kept


def _mappings(certificate: Certificate) -> Mapping[str, frozenset[str]] | None:
    """Return the subject domain policies for each issuer domain policy (RFC 5280 4.2.1.5); None where unreadable."""
    value = next(
        (extension.value for extension in certificate.unknown_extensions if extension.oid.dotted_string == _MAPPINGS),
        None,
    )
    if not isinstance(value, x509.UnrecognizedExtension):
        return {}
    mappings: dict[str, frozenset[str]] = {}
    try:
        (pairs,) = elements(value.value)
        for pair in elements(pairs.content):
            issuer, subject = map(read_oid, elements(pair.content))
            mappings[issuer] = mappings.get(issuer, frozenset()) | {subject}
    except ValueError:
        return None
    return mappings or None  # an empty list is malformed
