"""Rules for single extensions of a certificate: their encoding, whether they are critical, and what they may hold."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from audit.x509.der import Element, elements, encode_oid, read_oid
from audit.x509.lint import LintRule, day
from audit.x509.raw import (
    ACCESS,
    AUTHORITY_KEY,
    CRL_POINTS,
    CRL_SIGN,
    KEY_CERT_SIGN,
    KEY_USAGE,
    OCSP,
    SAN,
    RawCertificate,
)

ISSUER_ALT_NAME: Final = "2.5.29.18"
NAME_CONSTRAINTS: Final = "2.5.29.30"
INHIBIT_ANY_POLICY: Final = "2.5.29.54"
_ACCESS_METHODS: Final = {OCSP: "OCSP", "1.3.6.1.5.5.7.48.2": "caIssuers"}
_RSA: Final = encode_oid("1.2.840.113549.1.1.1")
_SIGNED_BY_RSA: Final = tuple(f"1.2.840.113549.1.1.{number}" for number in (2, 4, 5, 11, 12, 13, 14))
_NULL: Final = b"\x05\x00"

_KINDS: Final = {0xA0: "otherName", 0x81: "rfc822Name", 0xA3: "x400Address", 0xA4: "directoryName",
                 0xA5: "ediPartyName", 0x86: "uniformResourceIdentifier", 0x88: "registeredID"}  # fmt: skip
"""The kinds of a GeneralName that a server's certificate must not have (RFC 5280 4.2.1.6), by tag."""
_EMAIL, _DNS_NAME, _URI = 0x81, 0x82, 0x86
_POINT, _FULL_NAME = 0xA0, 0xA0  # of a DistributionPoint and its name (RFC 5280 4.2.1.13)

_URI_FORM: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:(?P<rest>(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)"
)
_AUTHORITY: Final = re.compile(r"//(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]*)(?::\d*)?(?=[/?#]|$)")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?")

_USAGES: Final = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
                  "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly")  # fmt: skip
_OF_CAS: Final = frozenset((KEY_CERT_SIGN, CRL_SIGN))  # of which other rules judge
_OF_RSA: Final = frozenset((0, 1, 2, 3))
_OF_PURPOSE: Final = {
    "1.3.6.1.5.5.7.3.1": frozenset((0, 2, 4)),  # serverAuth
    "1.3.6.1.5.5.7.3.2": frozenset((0, 4)),  # clientAuth
    "1.3.6.1.5.5.7.3.3": frozenset((0,)),  # codeSigning
    "1.3.6.1.5.5.7.3.4": frozenset((0, 1, 2, 4)),  # emailProtection
    "1.3.6.1.5.5.7.3.8": frozenset((0, 1)),  # timeStamping
    "1.3.6.1.5.5.7.3.9": frozenset((0, 1)),  # OCSPSigning
}
"""The key usages that are consistent with an extended one (RFC 5280 4.2.1.12)."""


def null_missing(raw: RawCertificate) -> str | None:
    """Require NULL as the parameters of a signature by RSA (PKCS #1 v1.5)."""
    for identifier in (raw.inner_algorithm, raw.outer_algorithm):
        oid, *parameters = elements(elements(identifier)[0].content)
        if read_oid(oid) in _SIGNED_BY_RSA and [part.encoding for part in parameters] != [_NULL]:
            return "the parameters of its signature algorithm are not NULL"
    return None


def usage_not_minimal(raw: RawCertificate) -> str | None:
    """Require the key usage without bits that follow the last one set."""
    if KEY_USAGE not in raw.extensions:
        return None
    if not raw.key_usage_bits:
        raise ValueError("the key usage is not a BIT STRING")
    unused, *octets = raw.key_usage_bits
    is_minimal = unused < 8 and octets[-1] & (1 << unused + 1) - 1 == 1 << unused if octets else unused == 0
    return None if is_minimal else "its key usage is not encoded in DER: bits follow the last one that is set"


def usage_of_rsa(raw: RawCertificate) -> str | None:
    """Forbid usages that a server's RSA key does not have."""
    others = (raw.key_usages or frozenset()) - _OF_RSA - _OF_CAS
    if raw.is_ca or not others or not is_for_rsa(raw):
        return None
    return f"its key is for RSA, and its key usage has {shown_usages(others)}"


def usage_of_no_purpose(raw: RawCertificate) -> str | None:
    """Require a key usage that is consistent with an extended key usage."""
    bits, purposes = raw.key_usages, [_OF_PURPOSE.get(usage) for usage in raw.usages or ()]
    if raw.is_ca or bits is None or not purposes or None in purposes:
        return None
    others = bits - _OF_CAS.union(*(purpose for purpose in purposes if purpose))
    return (
        f"its key usage has {shown_usages(others)}, which its extended key usage does not go with" if others else None
    )


def usage_empty(raw: RawCertificate) -> str | None:
    """Require at least one bit of the key usage."""
    return "its key usage has no bit set" if raw.key_usages == frozenset() else None


def no_ocsp_url(raw: RawCertificate) -> str | None:
    """Require the http URL of an OCSP responder; the absence of the whole extension is another fault."""
    if raw.is_ca or ACCESS not in raw.extensions or any(url.lower().startswith("http://") for url in raw.ocsp_urls):
        return None
    return "its authorityInfoAccess names no OCSP responder by http"


def other_access(raw: RawCertificate) -> str | None:
    """Forbid access methods other than OCSP and caIssuers, and places that are not http URLs."""
    for method, place in (elements(part.content) for part in raw.sequence(ACCESS) or ()):
        if (oid := read_oid(method)) not in _ACCESS_METHODS:
            return f"its authorityInfoAccess has the method {oid}; only OCSP and caIssuers are allowed"
        if place.tag != _URI or not place.content.lower().startswith(b"http://"):
            return f"its authorityInfoAccess has a place of {_ACCESS_METHODS[oid]} that is not an http URL"
    return None


def no_crl_url(raw: RawCertificate) -> str | None:
    """Require the http URL of a CRL in cRLDistributionPoints."""
    if CRL_POINTS not in raw.extensions or any(url.lower().startswith(b"http://") for url in _crl_urls(raw)):
        return None
    return "its cRLDistributionPoints name no http URL"


def other_crl_place(raw: RawCertificate) -> str | None:
    """Forbid places of CRLs that are not http URLs."""
    if all(name.tag == _URI and name.content.lower().startswith(b"http://") for name in _crl_places(raw)):
        return None
    return "its cRLDistributionPoints have a place that is not an http URL"


def repeated_policy(raw: RawCertificate) -> str | None:
    """Forbid a policy that is there twice."""
    repeated = [oid for oid in dict.fromkeys(raw.policies) if raw.policies.count(oid) > 1]
    return f"the policy {', '.join(repeated)} is there more than once" if repeated else None


def constrains_names(raw: RawCertificate) -> str | None:
    """Forbid nameConstraints in a certificate that is not a CA's."""
    return "it has nameConstraints and is not a CA's" if NAME_CONSTRAINTS in raw.extensions and not raw.is_ca else None


def other_kind(raw: RawCertificate) -> str | None:
    """Forbid names other than dNSName and iPAddress."""
    kinds = dict.fromkeys(_KINDS[name.tag] for name in raw.sequence(SAN) or () if name.tag in _KINDS)
    return f"its subjectAltName has {', '.join(kinds)}; only dNSName and iPAddress are allowed" if kinds else None


def not_ia5(raw: RawCertificate) -> str | None:
    """Require of host names, addresses of mail and URIs that they are IA5Strings."""
    for extension, name in _alternative_names(raw):
        if name.tag in (_EMAIL, _DNS_NAME, _URI) and not name.content.isascii():
            return f"a name in {extension} is not an IA5String: {_text(name)!r}"
    return None


def empty_name(raw: RawCertificate) -> str | None:
    """Forbid empty names, and a dNSName that is a space."""
    names = raw.sequence(SAN) or ()
    is_empty = any(not name.content or (name.tag == _DNS_NAME and name.content.isspace()) for name in names)
    return "its subjectAltName has an empty name" if is_empty else None


def bad_uri(raw: RawCertificate) -> str | None:
    """Require of a URI a scheme, a part specific to it, and only the characters of URIs."""
    for extension, name in _alternative_names(raw):
        if name.tag == _URI and not _URI_FORM.fullmatch(_text(name)):
            return f"the URI {_text(name)!r} in {extension} has no scheme or is malformed"
    return None


def bad_uri_host(raw: RawCertificate) -> str | None:
    """Require of a URI with an authority that its host is a fully qualified name or an address."""
    for extension, name in _alternative_names(raw):
        form = _URI_FORM.fullmatch(_text(name)) if name.tag == _URI else None
        if form and form["rest"].startswith("/") and not _has_host(form["rest"]):
            return f"the URI {_text(name)!r} in {extension} has no fully qualified host and no address"
    return None


def san_not_critical(raw: RawCertificate) -> str | None:
    """Require a critical subjectAltName if the subject is empty."""
    if raw.subject.content or SAN not in raw.extensions or raw.extensions[SAN].critical:
        return None
    return "its subject is empty, and its subjectAltName is not critical"


def _wrong_criticality(raw: RawCertificate, oid: str, name: str, *, critical: bool) -> str | None:
    if oid not in raw.extensions or raw.extensions[oid].critical is critical:
        return None
    return f"its extension {name} is {'not ' if critical else ''}critical"


def _alternative_names(raw: RawCertificate) -> Iterator[tuple[str, Element]]:
    for oid, extension in ((SAN, "subjectAltName"), (ISSUER_ALT_NAME, "issuerAltName")):
        for name in raw.sequence(oid) or ():
            yield extension, name


def _crl_urls(raw: RawCertificate) -> Iterator[bytes]:
    return (name.content for name in _crl_places(raw) if name.tag == _URI)


def _crl_places(raw: RawCertificate) -> Iterator[Element]:
    for point in raw.sequence(CRL_POINTS) or ():
        for field in (part for part in elements(point.content) if part.tag == _POINT):
            for names in (part for part in elements(field.content) if part.tag == _FULL_NAME):
                yield from elements(names.content)


def _text(name: Element) -> str:
    return name.content.decode("latin-1")


def _has_host(rest: str) -> bool:
    authority = _AUTHORITY.match(rest)
    if authority is None:
        return False
    host = authority["host"]
    return bool(_HOST.fullmatch(host)) or _is_address(host.strip("[]"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_for_rsa(raw: RawCertificate) -> bool:
    """Return whether the key is of RSA."""
    identifier = elements(elements(raw.spki)[0].content)[0]
    return identifier.content.startswith(_RSA)


def shown_usages(bits: frozenset[int]) -> str:
    """Return the names of bits of a key usage."""
    return ", ".join(_USAGES[bit] if bit < len(_USAGES) else f"bit {bit}" for bit in sorted(bits))


_CHECK: Final = "cert.profile-br"
_RFC2459: Final = day(1999, 1, 1)
_RFC5280: Final = day(2008, 5, 1)
_BR: Final = day(2012, 7, 1)
_PROFILES: Final = day(2023, 9, 15)  # ballot SC62v2


def _rule_of_rfc(name: str, clause: str, judge: Callable[[RawCertificate], str | None]) -> LintRule:
    """Return a rule of RFC 5280 for every certificate."""
    return LintRule(name, _CHECK, "RFC 5280", clause, _RFC5280, judge, of="any")


_CRITICALITY: Final = (
    ("constraints-critical", "4.2.1.10", NAME_CONSTRAINTS, "nameConstraints", True),
    ("inhibit-critical", "4.2.1.14", INHIBIT_ANY_POLICY, "inhibitAnyPolicy", True),
    ("authority-key-critical", "4.2.1.1", AUTHORITY_KEY, "authorityKeyIdentifier", False),
    ("subject-key-critical", "4.2.1.2", "2.5.29.14", "subjectKeyIdentifier", False),
    ("access-critical", "4.2.2.1", ACCESS, "authorityInfoAccess", False),
    ("policy-constraints-critical", "4.2.1.11", "2.5.29.36", "policyConstraints", True),
    ("directory-critical", "4.2.1.8", "2.5.29.9", "subjectDirectoryAttributes", False),
    ("freshest-crl-critical", "4.2.1.15", "2.5.29.46", "freshestCRL", False),
)
EXTENSION_RULES: Final = (
    LintRule("algorithm-null", _CHECK, "RFC 4055", "5", _RFC5280, null_missing, of="any"),
    LintRule("usage-encoding", _CHECK, "RFC 5280", "4.2.1.3", _RFC2459, usage_not_minimal, of="any"),
    LintRule("usage-of-rsa", _CHECK, "RFC 3279", "2.3.1", day(2002, 4, 1), usage_of_rsa),
    LintRule("usage-purpose", _CHECK, "RFC 5280", "4.2.1.12", _RFC5280, usage_of_no_purpose),
    LintRule("ocsp-url", _CHECK, "BR", "7.1.2.7.7", _BR, no_ocsp_url, until=_PROFILES),
    LintRule("access-form", _CHECK, "BR", "7.1.2.7.7", _PROFILES, other_access),
    LintRule("crl-url", _CHECK, "BR", "7.1.2.11.2", _BR, no_crl_url, of="any"),
    LintRule("crl-form", _CHECK, "BR", "7.1.2.11.2", _PROFILES, other_crl_place, of="any"),
    LintRule("name-kind", _CHECK, "BR", "7.1.2.7.12", _BR, other_kind),
    _rule_of_rfc("usage-empty", "4.2.1.3", usage_empty),
    _rule_of_rfc("policy-repeated", "4.2.1.4", repeated_policy),
    _rule_of_rfc("constraints-of-leaf", "4.2.1.10", constrains_names),
    _rule_of_rfc("name-ia5", "4.2.1.6", not_ia5),
    _rule_of_rfc("name-empty", "4.2.1.6", empty_name),
    _rule_of_rfc("uri-form", "4.2.1.6", bad_uri),
    _rule_of_rfc("uri-host", "4.2.1.6", bad_uri_host),
    _rule_of_rfc("name-critical", "4.2.1.6", san_not_critical),
    *(
        _rule_of_rfc(rule, clause, partial(_wrong_criticality, oid=oid, name=name, critical=critical))
        for rule, clause, oid, name, critical in _CRITICALITY
    ),
)
