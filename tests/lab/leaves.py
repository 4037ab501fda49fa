"""A sound leaf of the lab, and what a server of it holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from cryptography import x509

from tests.lab.authorities import DAY, Authorities
from tests.lab.revocation import access, pointing
from tests.support.x509.ca import Identity, Leaf, PrivateKey, issue


@dataclass(frozen=True, slots=True)
class Served:
    """What a server holds: the leaf's key, the chain as it is to be sent, leaf first, and an OCSP answer beside it."""

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]
    staple: bytes | None = None
    other: Identity | None = None  # a second leaf, with another type of key and the same chain above it


def leaf_for(at: Authorities, name: str, *, age: timedelta = 10 * DAY, lifetime: timedelta = 90 * DAY) -> Leaf:
    """Return a good leaf: issued ten days ago for ninety, so that neither expiry nor renewal is near."""
    return Leaf(name, (name,), at.now - age, lifetime)


def issue_below(
    at: Authorities,
    leaf: Leaf,
    issuer: Identity,
    *,
    key: PrivateKey | None = None,
    status_urls: tuple[str, str] | None = None,
) -> Identity:
    """Return a leaf with the URLs of its issuer's certificate and of its revocation status.

    `status_urls` are the URLs of CRL and responder, empty for none; the default is the issuer's CRL.
    """
    crl, responder = (at.list_of(issuer), "") if status_urls is None else status_urls
    points = (pointing(crl),) if crl else ()
    extra = (*leaf.extra, access(at.address_of(issuer), responder), *points)
    return issue(replace(leaf, extra=extra), issuer, key=key)


def serve(
    at: Authorities, leaf: Leaf, *, key: PrivateKey | None = None, status_urls: tuple[str, str] | None = None
) -> Served:
    """Return a leaf of the lab's intermediate with the chain it should have."""
    identity = issue_below(at, leaf, at.intermediate, key=key, status_urls=status_urls)
    return Served(identity.key, (identity.certificate, at.intermediate.certificate))


def good(at: Authorities, name: str) -> Served:
    """Return what is sound in all."""
    return serve(at, leaf_for(at, name))
