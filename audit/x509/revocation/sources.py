"""The CRL and OCSP addresses that a certificate names."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.x509.member import Member

MAX_URLS: Final = 4  # of each kind that one certificate may have asked; certificates in use name one or two


def crl_urls(member: Member) -> tuple[str, ...]:
    """Return the URLs of its CRLs (RFC 5280 4.2.1.13)."""
    points = member.get(x509.CRLDistributionPoints) or ()
    names = (name for point in points for name in point.full_name or ())
    return tuple(dict.fromkeys(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)))


def ocsp_urls(member: Member) -> tuple[str, ...]:
    """Return the URLs of its OCSP responders (RFC 5280 4.2.2.1)."""
    access = [one for one in member.get(x509.AuthorityInformationAccess) or ()
              if one.access_method == AuthorityInformationAccessOID.OCSP]  # fmt: skip
    named = (one.access_location for one in access)
    return tuple(dict.fromkeys(one.value for one in named if isinstance(one, x509.UniformResourceIdentifier)))


def names_source(member: Member) -> bool:
    """Tell whether a certificate says in any way where its status is told."""
    return bool(crl_urls(member) or ocsp_urls(member) or member.get(x509.CRLDistributionPoints))
