"""Checks a path that breaks no rule here with the library's own validator.

It is called for one path alone, so it has nothing to choose, and only if the name of a server is looked for: its rules
for leaves are those of servers. It is not called if it is known to be stricter than RFC 5280: it counts self-issued
intermediates against path lengths, compares names byte by byte, and processes constraints on a few kinds of names only,
the empty one that matches every DNS name not among them. It does not process policyMappings and OCSPNoCheck.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from audit.endpoint import to_address
from audit.x509.loading import LIBRARY_ERRORS, unwarned
from audit.x509.path.builder import Path
from audit.x509.path.name_constraints import constraints_of
from audit.x509.path.rules import SERVER_AUTH
from audit.x509.public_keys import RSA_OF_X509
from audit.x509.violation import Violation

_CONSTRAINED: Final = (x509.DNSName, x509.IPAddress, x509.RFC822Name)


def cryptography_violations(path: Path, reference: str | None, purpose: str, at: datetime) -> Iterator[Violation]:
    """Yield why the library refuses a path, leaf first and anchor last."""
    if reference is None or "@" in reference or purpose != SERVER_AUTH:
        return
    if len(path) == 1 or not _is_within_its_reach(path):
        return
    leaf, *intermediates, anchor = (certificate.parsed for certificate in path)
    try:
        with unwarned():
            builder = PolicyBuilder().store(Store([anchor])).time(at).max_chain_depth(len(intermediates))
            builder = builder.extension_policies(ca_policy=_ca_policy(), ee_policy=ExtensionPolicy.webpki_defaults_ee())
            builder.build_server_verifier(_subject(reference)).verify(leaf, intermediates)
    except (VerificationError, *LIBRARY_ERRORS) as error:
        yield Violation("RFC 5280 6.1", f"the library's validator refuses it: {' '.join(str(error).split())[:200]}")


def _is_within_its_reach(path: Path) -> bool:
    if any(certificate.is_self_issued for certificate in path[1:-1]):
        return False
    if any(certificate.is_critical(x509.OCSPNoCheck) for certificate in path):
        return False
    # the library cannot load this kind of key
    if any(ca.has_readable("key_algorithm") and ca.key_algorithm.name == RSA_OF_X509 for ca in path[1:]):
        return False
    if any(extension.critical for ca in path[1:] for extension in ca.unknown_extensions):
        return False
    if not all(base.kind in _CONSTRAINED and base.value != "" for ca in path[1:] for base in constraints_of(ca)):
        return False
    return all(
        certificate.issuer_name.public_bytes() == issuer.subject_name.public_bytes()
        for certificate, issuer in pairwise(path)
    )


@cache
def _ca_policy() -> ExtensionPolicy:
    """Return the library's policy for CAs, with the extensions that are processed here."""
    policy = ExtensionPolicy.webpki_defaults_ca()
    for kind in (x509.PolicyConstraints, x509.InhibitAnyPolicy, x509.CertificatePolicies, x509.CRLDistributionPoints):
        policy = policy.may_be_present(kind, Criticality.AGNOSTIC, None)
    return policy


def _subject(reference: str) -> x509.DNSName | x509.IPAddress:
    address = to_address(reference)
    if address is not None:
        return x509.IPAddress(ipaddress.ip_address(address))
    return x509.DNSName(reference.removesuffix("."))
