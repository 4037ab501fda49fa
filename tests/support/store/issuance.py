"""How the Store's CA makes a certificate for a request, and every way in which it can get that wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.lab.revocation import pointing
from tests.support.x509.ca import Identity, Leaf, PublicKey, certify, new_intermediate, new_key, new_root

_DAY: Final = timedelta(days=1)
_BACKDATED: Final = timedelta(hours=1)  # as public CAs do, for clients whose clocks are behind


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA behind the Store: what signs, the root above it, which is the anchor to trust, and where its CRL is."""

    root: Identity
    intermediate: Identity
    crl: str = ""

    @property
    def root_pem(self) -> str:
        """The trust anchor."""
        return to_pem(self.root.certificate)


@dataclass(frozen=True, slots=True)
class Commission:
    """What is to be certified: whose key, which names, from when and how long."""

    public_key: PublicKey
    names: tuple[str, ...]
    now: datetime
    lifetime: timedelta

    @property
    def leaf(self) -> Leaf:
        """A good certificate for it."""
        return Leaf(self.names[0], self.names, self.now - _BACKDATED, self.lifetime)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the Store hands over, as text."""

    certificate: str
    bundle: str | None


def found_authority(now: datetime, name: str = "Store") -> Authority:
    """Make a CA, new, that calls itself by a name."""
    root = new_root(f"{name} Root", now=now)
    return Authority(root, new_intermediate(f"{name} Intermediate", root, now=now))


def to_pem(*certificates: x509.Certificate) -> str:
    """Return certificates as PEM."""
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates)


def deliver(authority: Authority, commission: Commission) -> Delivery:
    """Return what a good CA hands over: the certificate, and the one above it."""
    return _deliver(authority, commission.leaf, commission.public_key)


def _deliver(authority: Authority, leaf: Leaf, public_key: PublicKey) -> Delivery:
    reported = (pointing(authority.crl),) if authority.crl else ()
    certificate = certify(replace(leaf, extra=(*leaf.extra, *reported)), authority.intermediate, public_key)
    return Delivery(to_pem(certificate), to_pem(authority.intermediate.certificate))


def _for_another_key(authority: Authority, commission: Commission) -> Delivery:
    return _deliver(authority, commission.leaf, new_key().public_key())


def _altered(alter: Callable[[Leaf], Leaf]) -> Callable[[Authority, Commission], Delivery]:
    """Return what certifies the right key, with one thing of the leaf altered."""

    def spoil(authority: Authority, commission: Commission) -> Delivery:
        return _deliver(authority, alter(commission.leaf), commission.public_key)

    return spoil


def _without_chain(authority: Authority, commission: Commission) -> Delivery:
    return replace(deliver(authority, commission), bundle=None)


def _with_foreign_chain(authority: Authority, commission: Commission) -> Delivery:
    foreign = found_authority(commission.now)
    return replace(deliver(authority, commission), bundle=to_pem(foreign.intermediate.certificate))


def _by_foreign_ca(_authority: Authority, commission: Commission) -> Delivery:
    foreign = found_authority(commission.now)
    return replace(
        deliver(foreign, commission), bundle=to_pem(foreign.intermediate.certificate, foreign.root.certificate)
    )


def _in_disorder(authority: Authority, commission: Commission) -> Delivery:
    """Hand over all that is needed, with the root first, something unrelated, and the one that matters twice."""
    unrelated, above = found_authority(commission.now).root.certificate, authority.intermediate.certificate
    return replace(deliver(authority, commission), bundle=to_pem(authority.root.certificate, unrelated, above, above))


def _error_page(_authority: Authority, _commission: Commission) -> Delivery:
    return Delivery("<!DOCTYPE html>\n<html><body><h1>502 Bad Gateway</h1></body></html>\n", None)


DELIVERIES: Final[Mapping[str, Callable[[Authority, Commission], Delivery]]] = {
    "good": deliver,
    "in-disorder": _in_disorder,  # right all the same, once it is put in order
    "other-key": _for_another_key,
    "other-names": _altered(lambda leaf: replace(leaf, names=tuple(f"other-{name}" for name in leaf.names))),
    "fewer-names": _altered(lambda leaf: replace(leaf, names=leaf.names[1:])),
    "extra-name": _altered(lambda leaf: replace(leaf, names=(*leaf.names, f"extra-{leaf.names[0]}"))),
    "expired": _altered(lambda leaf: replace(leaf, not_before=leaf.not_before - 100 * _DAY)),
    "not-yet-valid": _altered(lambda leaf: replace(leaf, not_before=leaf.not_before + 2 * _DAY)),
    "too-long": _altered(lambda leaf: replace(leaf, lifetime=leaf.lifetime + 30 * _DAY)),
    "shorter": _altered(lambda leaf: replace(leaf, lifetime=leaf.lifetime - 30 * _DAY)),
    "nearly-over": _altered(lambda leaf: replace(leaf, not_before=leaf.not_before - leaf.lifetime * 0.9)),
    "client-only": _altered(lambda leaf: replace(leaf, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))),
    "no-chain": _without_chain,
    "foreign-chain": _with_foreign_chain,
    "foreign-ca": _by_foreign_ca,
    "error-page": _error_page,
}
"""What can be handed over as an issued certificate; `good` unless the Store is configured to misbehave."""
