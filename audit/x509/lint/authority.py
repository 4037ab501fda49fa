"""Rules for the certificates of CAs: extensions, usages, policies and subject (BR 7.1.2.10, 7.1.2.11; RFC 5280).

The profile of a subordinate CA does not bind a root, which is trusted without its extensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from audit.x509.fields import USAGES
from audit.x509.lint import LintRule, day, is_of_ca, is_signed_by_itself
from audit.x509.lint.extended_key_usage import FORBIDDEN
from audit.x509.lint.extensions import is_for_rsa, other_access, shown_usages
from audit.x509.raw import (
    ACCESS,
    BASIC_CONSTRAINTS,
    COMMON_NAME,
    CRL_POINTS,
    CRL_SIGN,
    KEY_CERT_SIGN,
    KEY_USAGE,
    POLICIES,
    RawCertificate,
)

SUBJECT_KEY: Final = "2.5.29.14"
_COUNTRY, _ORGANIZATION, _UNIT = "2.5.4.6", "2.5.4.10", "2.5.4.11"
_SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"
_ANY_POLICY, _ANY_USAGE = "2.5.29.32.0", "anyExtendedKeyUsage"
_RESERVED: Final = frozenset(("2.23.140.1.1", "2.23.140.1.2.1", "2.23.140.1.2.2", "2.23.140.1.2.3"))
"""The policies of the CA/Browser Forum: extended, domain, organization and individual validation (BR 7.1.6.1)."""
_ENCIPHERMENT: Final = frozenset((2, 3))  # keyEncipherment and dataEncipherment
_NOT_OF_RSA: Final = frozenset((4, 7, 8))  # keyAgreement, encipherOnly and decipherOnly
_SIGNING: Final = frozenset((KEY_CERT_SIGN, CRL_SIGN))


def no_ca_subject(raw: RawCertificate) -> str | None:
    """Require a subject."""
    return None if raw.subject.content else "its subject is empty"


def no_attribute(raw: RawCertificate, oid: str, name: str) -> str | None:
    """Require an attribute of the subject that is not empty."""
    has = any(attribute.oid == oid and attribute.value.content for attribute in raw.subject_attributes)
    return None if has else f"its subject has no {name}"


def ca_unit(raw: RawCertificate) -> str | None:
    """Forbid organizational units of a CA for servers; other CAs, such as cross-certified roots, may have them."""
    has = _SERVER_AUTH in (raw.usages or ()) and any(attribute.oid == _UNIT for attribute in raw.subject_attributes)
    return "its subject has organizationalUnitName, which is forbidden" if has else None


def no_ca_usage(raw: RawCertificate) -> str | None:
    """Require the key usage."""
    return None if KEY_USAGE in raw.extensions else "it has no keyUsage"


def usage_not_critical(raw: RawCertificate) -> str | None:
    """Require that the key usage is critical."""
    return _with_criticality(raw, KEY_USAGE, "its keyUsage is not critical", critical=False)


def lacks_usage(raw: RawCertificate, bit: int) -> str | None:
    """Require a bit of the key usage."""
    usages = raw.key_usages
    return None if usages is None or bit in usages else f"its keyUsage lacks {shown_usages(frozenset((bit,)))}"


def ca_usage_of_rsa(raw: RawCertificate) -> str | None:
    """Forbid usages that an RSA key does not have."""
    others = (raw.key_usages or frozenset()) & _NOT_OF_RSA
    return f"its key is for RSA, and its keyUsage has {shown_usages(others)}" if others and is_for_rsa(raw) else None


def signs_and_enciphers(raw: RawCertificate) -> str | None:
    """Forbid encipherment with an RSA key that signs certificates or CRLs."""
    usages = raw.key_usages or frozenset()
    others = usages & _ENCIPHERMENT
    if not (others and usages & _SIGNING and is_for_rsa(raw)):
        return None
    return f"its keyUsage has {shown_usages(others)} beside {shown_usages(usages & _SIGNING)}"


def no_subject_key_id(raw: RawCertificate) -> str | None:
    """Require the identifier of its key."""
    return None if SUBJECT_KEY in raw.extensions else "it has no subjectKeyIdentifier"


def constraints_not_critical(raw: RawCertificate) -> str | None:
    """Require that the basicConstraints are critical if its key may sign certificates."""
    if not is_of_ca(raw):
        return None
    return _with_criticality(raw, BASIC_CONSTRAINTS, "its basicConstraints are not critical", critical=False)


def no_extension(raw: RawCertificate, oid: str, name: str) -> str | None:
    """Require an extension of a subordinate CA."""
    return None if oid in raw.extensions or is_signed_by_itself(raw) else f"it has no {name}"


def crl_points_critical(raw: RawCertificate) -> str | None:
    """Forbid that the cRLDistributionPoints are critical."""
    return _with_criticality(raw, CRL_POINTS, "its cRLDistributionPoints are critical", critical=True)


def mixed_purposes(raw: RawCertificate) -> str | None:
    """Forbid other purposes beside that of servers, and any beside anyExtendedKeyUsage."""
    usages = [USAGES.get(usage, usage) for usage in raw.usages or ()]
    others = [usage for usage in usages if usage in FORBIDDEN]
    is_mixed = "serverAuth" in usages or _ANY_USAGE in usages
    if not others or not is_mixed or len(usages) < 2 or is_signed_by_itself(raw):
        return None
    return f"its extended key usages include {', '.join(others)} beside others"


def unreserved_policies(raw: RawCertificate) -> str | None:
    """Require anyPolicy alone, or exactly one policy of the CA/Browser Forum."""
    policies = set(raw.policies)
    if not policies or is_signed_by_itself(raw) or policies == {_ANY_POLICY}:
        return None
    if _ANY_POLICY in policies:
        return "its policies include anyPolicy beside others"
    reserved = sorted(policies & _RESERVED)
    if len(reserved) == 1:
        return None
    return f"of the policies of the CA/Browser Forum it has {', '.join(reserved) or 'none'}; exactly one is required"


def _with_criticality(raw: RawCertificate, oid: str, fault: str, *, critical: bool) -> str | None:
    return fault if oid in raw.extensions and raw.extensions[oid].critical is critical else None


_CHECK: Final = "cert.profile-br"
_RFC2459: Final = day(1999, 1, 1)
_RFC3280: Final = day(2002, 4, 1)  # and RFC 3279
_BR: Final = day(2012, 7, 1)
_COMMON_NAMES: Final = day(2017, 6, 8)  # ballot 199
_LESS_ACCESS: Final = day(2020, 8, 20)  # BR 1.7.1
_PROFILES: Final = day(2023, 9, 15)  # ballot SC62v2


def _rule(name: str, source: str, since: datetime, judge: Callable[[RawCertificate], str | None]) -> LintRule:
    """Return a rule for CAs; the source is a book and a clause."""
    book, _, clause = source.rpartition(" ")
    return LintRule(name, _CHECK, book, clause, since, judge, of="CA")


AUTHORITY_RULES: Final = (
    _rule("ca-subject", "RFC 5280 4.1.2.6", _RFC2459, no_ca_subject),
    _rule("ca-country", "BR 7.1.2.10.2", _BR, partial(no_attribute, oid=_COUNTRY, name="countryName")),
    _rule("ca-organization", "BR 7.1.2.10.2", _BR, partial(no_attribute, oid=_ORGANIZATION, name="organizationName")),
    _rule("ca-name", "BR 7.1.2.10.2", _COMMON_NAMES, partial(no_attribute, oid=COMMON_NAME, name="commonName")),
    _rule("ca-unit", "BR 7.1.2.10.2", _PROFILES, ca_unit),
    _rule("ca-usage", "RFC 5280 4.2.1.3", _RFC3280, no_ca_usage),
    _rule("ca-usage-critical", "BR 7.1.2.10.7", _BR, usage_not_critical),
    _rule("ca-cert-sign", "BR 7.1.2.10.7", _BR, partial(lacks_usage, bit=KEY_CERT_SIGN)),
    _rule("ca-crl-sign", "BR 7.1.2.10.7", _BR, partial(lacks_usage, bit=CRL_SIGN)),
    _rule("ca-usage-of-rsa", "RFC 3279 2.3.1", _RFC3280, ca_usage_of_rsa),
    _rule("ca-encipherment", "RFC 3279 2.3.1", _RFC3280, signs_and_enciphers),
    _rule("ca-key-id", "RFC 5280 4.2.1.2", _RFC2459, no_subject_key_id),
    _rule("ca-constraints-critical", "RFC 5280 4.2.1.9", _RFC2459, constraints_not_critical),
    _rule("ca-policies", "BR 7.1.2.10.5", _BR, partial(no_extension, oid=POLICIES, name="certificatePolicies")),
    _rule("ca-policy-kind", "BR 7.1.2.10.5", _PROFILES, unreserved_policies),
    replace(
        _rule("ca-access", "BR 7.1.2.10.3", _BR, partial(no_extension, oid=ACCESS, name="authorityInfoAccess")),
        until=_LESS_ACCESS,
    ),
    _rule("ca-access-form", "BR 7.1.2.10.3", _PROFILES, other_access),
    _rule("ca-crl", "BR 7.1.2.11.2", _BR, partial(no_extension, oid=CRL_POINTS, name="cRLDistributionPoints")),
    _rule("ca-crl-critical", "BR 7.1.2.11.2", _BR, crl_points_critical),
    _rule("ca-purposes", "BR 7.1.2.10.6", _PROFILES, mixed_purposes),
)
