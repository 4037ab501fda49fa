"""What each kind of lab endpoint serves: recipes that turn a name into a key and a chain, each with at most one fault.

It knows how a certificate or a chain goes wrong; it does not know which check says so, nor who serves it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from tests.lab.ca import (
    Identity,
    Leaf,
    PrivateKey,
    issue,
    new_close_key,
    new_intermediate,
    new_key,
    new_root,
    new_rsa_key,
    sign_weakly,
)
from tests.lab.revocation import Registry, access, pointing

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Served:
    """What a server holds: the leaf's key, the chain as it is to be sent, leaf first, and an OCSP answer beside it."""

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]
    staple: bytes | None = None


@dataclass(frozen=True, slots=True)
class Authorities:
    """The lab's certification authorities; only `root` is to be trusted. `website` is where they publish themselves."""

    now: datetime
    website: str
    root: Identity
    intermediate: Identity
    rsa_intermediate: Identity  # for the digests that only RSA is known to have been used with
    lower: Identity  # below `intermediate`: a chain long enough to be in the wrong order
    ending: Identity  # expires before what it issued
    lasting: Identity  # the same CA and key, with a certificate that does not
    foreign_root: Identity
    foreign_intermediate: Identity
    withdrawn: Identity  # revoked by the root
    registry: Registry  # of the intermediate
    root_registry: Registry

    def address_of(self, issuer: Identity) -> str:
        """Return the URL at which a CA's certificate is published."""
        (name,) = issuer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return f"{self.website}/{str(name.value).lower().replace(' ', '-')}.cer"

    def list_of(self, issuer: Identity, name: str = "") -> str:
        """Return the URL of a CA's CRL, or of one of that name which says nothing."""
        return self.address_of(issuer).removesuffix(".cer") + (f"-{name}.crl" if name else ".crl")

    def responder(self, name: str) -> str:
        """Return the URL of the intermediate's responder that answers in that way."""
        return f"{self.website}/ocsp/{name}"

    def published(self) -> Mapping[str, bytes]:
        """Return by URL what is published: a CA's certificate, of two of one name the one that lasts, and its CRLs.

        What is revoked later is not in them.
        """
        cas = (self.intermediate, self.rsa_intermediate, self.lower, self.lasting, self.foreign_intermediate)
        lists = {self.list_of(one): Registry(one, self.now).crl() for one in (*cas, self.withdrawn)}
        own = {self.list_of(one.issuer): one.crl() for one in (self.registry, self.root_registry)}
        empty = {self.list_of(self.intermediate, name): crl for name, crl in self.registry.lists().items()}
        return {self.address_of(one): one.certificate.public_bytes(Encoding.DER) for one in cas} | lists | own | empty


def found_authorities(now: datetime, website: str) -> Authorities:
    """Make all the lab's authorities, new."""
    root = new_root("Lab Root", now=now)
    intermediate = new_intermediate("Lab Intermediate", root, now=now)
    ending = new_intermediate("Lab Ending Intermediate", root, now=now, lasts=60 * _DAY)
    foreign_root = new_root("Foreign Root", now=now)
    root_registry = Registry(root, now)
    withdrawn = new_intermediate(
        "Lab Withdrawn Intermediate", root, now=now, extra=(pointing(f"{website}/lab-root.crl"),)
    )
    root_registry.revoke(withdrawn.certificate, x509.ReasonFlags.ca_compromise)
    return Authorities(
        now,
        website,
        root,
        intermediate,
        rsa_intermediate=new_intermediate("Lab RSA Intermediate", root, now=now, key=new_rsa_key(2048)),
        lower=new_intermediate("Lab Lower Intermediate", intermediate, now=now),
        ending=ending,
        lasting=new_intermediate("Lab Ending Intermediate", root, now=now, key=ending.key),
        foreign_root=foreign_root,
        foreign_intermediate=new_intermediate("Foreign Intermediate", foreign_root, now=now),
        withdrawn=withdrawn,
        registry=Registry(intermediate, now),
        root_registry=root_registry,
    )


def _leaf(at: Authorities, name: str, *, age: timedelta = 10 * _DAY, lifetime: timedelta = 90 * _DAY) -> Leaf:
    """Return a good leaf: issued ten days ago for ninety, so that neither expiry nor renewal is near."""
    return Leaf(name, (name,), at.now - age, lifetime)


def _issue(
    at: Authorities, leaf: Leaf, issuer: Identity, *, key: PrivateKey | None = None, told: tuple[str, str] | None = None
) -> Identity:
    """Return a leaf that says where its issuer's certificate is published, and where what its issuer has revoked.

    `told` are the URLs of CRL and responder, empty for none; of its issuer's CRL where nothing is given.
    """
    crl, responder = (at.list_of(issuer), "") if told is None else told
    points = (pointing(crl),) if crl else ()
    extra = (*leaf.extra, access(at.address_of(issuer), responder), *points)
    return issue(replace(leaf, extra=extra), issuer, key=key)


def _serve(
    at: Authorities, leaf: Leaf, *, key: PrivateKey | None = None, told: tuple[str, str] | None = None
) -> Served:
    """Return a leaf of the lab's intermediate with the chain it should have."""
    identity = _issue(at, leaf, at.intermediate, key=key, told=told)
    return Served(identity.key, (identity.certificate, at.intermediate.certificate))


def _good(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name))


def _good_rsa(at: Authorities, name: str) -> Served:
    identity = _issue(at, _leaf(at, name), at.rsa_intermediate, key=new_rsa_key(2048))
    return Served(identity.key, (identity.certificate, at.rsa_intermediate.certificate))


def _short_lived(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name, age=_DAY, lifetime=6 * _DAY))


def _wildcard(at: Authorities, name: str) -> Served:
    wildcard = "*." + name.partition(".")[2]
    return _serve(at, Leaf(wildcard, (wildcard,), at.now - 10 * _DAY))


def _expired(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name, age=92 * _DAY))


def _shared(at: Authorities, name: str) -> Served:
    """Return an expired certificate that several services use, each under a name of its own."""
    return _serve(at, Leaf(name, (name, f"mail-{name}", f"mx-{name}"), at.now - 92 * _DAY))


def _expiring(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name, age=85 * _DAY))


def _renewal_due(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name, age=70 * _DAY))


def _not_yet_valid(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name, age=-2 * _DAY))


def _long(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name, lifetime=397 * _DAY))


def _weakly_signed(digest: str) -> Callable[[Authorities, str], Served]:
    def recipe(at: Authorities, name: str) -> Served:
        identity = sign_weakly(_issue(at, _leaf(at, name), at.rsa_intermediate), at.rsa_intermediate, digest)
        return Served(identity.key, (identity.certificate, at.rsa_intermediate.certificate))

    return recipe


def _no_san(at: Authorities, name: str) -> Served:
    return _serve(at, Leaf(name, (), at.now - 10 * _DAY))


def _client_only(at: Authorities, name: str) -> Served:
    usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    return _serve(at, Leaf(name, (name,), at.now - 10 * _DAY, usages=usages))


def _no_usage(at: Authorities, name: str) -> Served:
    return _serve(at, Leaf(name, (name,), at.now - 10 * _DAY, usages=()))


def _self_signed(at: Authorities, name: str) -> Served:
    identity = issue(_leaf(at, name), None)
    return Served(identity.key, (identity.certificate,))


def _placeholder(at: Authorities, name: str) -> Served:
    """Return what a server makes for itself until it is given a certificate."""
    identity = issue(Leaf("TRAEFIK DEFAULT CERT", (name,), at.now - 10 * _DAY), None)
    return Served(identity.key, (identity.certificate,))


def _foreign(at: Authorities, name: str) -> Served:
    identity = _issue(at, _leaf(at, name), at.foreign_intermediate)
    above = (at.foreign_intermediate.certificate, at.foreign_root.certificate)
    return Served(identity.key, (identity.certificate, *above))


def _other_name(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, "other-" + name))


def _leaf_only(at: Authorities, name: str) -> Served:
    served = _good(at, name)
    return Served(served.key, served.chain[:1])


def _reversed(at: Authorities, name: str) -> Served:
    identity = _issue(at, _leaf(at, name), at.lower)
    return Served(
        identity.key, (identity.certificate, at.intermediate.certificate, at.lower.certificate)
    )  # the issuer of the leaf comes last


def _unrelated(at: Authorities, name: str) -> Served:
    served = _good(at, name)
    return Served(served.key, (served.chain[0], at.foreign_intermediate.certificate, served.chain[1]))


def _duplicated(at: Authorities, name: str) -> Served:
    served = _good(at, name)
    return Served(served.key, (served.chain[0], *served.chain))


def _hundred(at: Authorities, name: str) -> Served:
    """Return a chain longer than a prober has to put up with."""
    served = _good(at, name)
    return Served(served.key, (served.chain[0], *(at.intermediate.certificate,) * 99))


def _intermediate_ends(at: Authorities, name: str) -> Served:
    identity = _issue(at, _leaf(at, name), at.ending)
    return Served(identity.key, (identity.certificate, at.ending.certificate))


def _rsa_1024(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name), key=new_rsa_key(1024))


def _close_primes(at: Authorities, name: str) -> Served:
    return _serve(at, _leaf(at, name), key=new_close_key())


def revoked(reason: x509.ReasonFlags) -> Callable[[Authorities, str], Served]:
    """Return what gives a certificate that the CRL lists."""

    def recipe(at: Authorities, name: str) -> Served:
        served = _good(at, name)
        at.registry.revoke(served.chain[0], reason)
        return served

    return recipe


def answered(way: str, reason: x509.ReasonFlags | None = None) -> Callable[[Authorities, str], Served]:
    """Return what gives a certificate of which only a responder tells, in that way, and which may be revoked."""

    def recipe(at: Authorities, name: str) -> Served:
        served = _serve(at, _leaf(at, name), told=("", at.responder(way)))
        if reason is not None:
            at.registry.revoke(served.chain[0], reason)
        return served

    return recipe


def listed(name: str, way: str = "") -> Callable[[Authorities, str], Served]:
    """Return what gives a certificate whose CRL is one that says nothing, and perhaps a responder something."""

    def recipe(at: Authorities, own: str) -> Served:
        told = (at.list_of(at.intermediate, name), at.responder(way) if way else "")
        return _serve(at, _leaf(at, own), told=told)

    return recipe


def stapled(reason: x509.ReasonFlags | None = None) -> Callable[[Authorities, str], Served]:
    """Return what gives a certificate whose responder is not there, and an answer of it."""

    def recipe(at: Authorities, name: str) -> Served:
        served = answered("missing", reason)(at, name)
        return replace(served, staple=at.registry.answer(at.registry.about(served.chain[0])))

    return recipe


def _revoked_above(at: Authorities, name: str) -> Served:
    """Return a certificate of an intermediate that the root has revoked."""
    identity = _issue(at, _leaf(at, name), at.withdrawn)
    return Served(identity.key, (identity.certificate, at.withdrawn.certificate))


def _weak_ca(at: Authorities, name: str) -> Served:
    issuer = new_intermediate("Lab Weak Intermediate", at.root, now=at.now, key=new_rsa_key(1024))
    identity = issue(_leaf(at, name), issuer)
    return Served(identity.key, (identity.certificate, issuer.certificate))


def _staple_old(at: Authorities, name: str) -> Served:
    """Return a certificate whose responder is well, and an answer of it from last week."""
    served = answered("good")(at, name)
    return replace(served, staple=at.registry.answer(at.registry.about(served.chain[0]), age=9 * _DAY))


def _must_staple(at: Authorities, name: str) -> Served:
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    return _serve(at, replace(_leaf(at, name), extra=(feature,)), told=("", at.responder("good")))


def _malformed(at: Authorities, name: str) -> Served:
    """Return a leaf whose subjectAltName holds a DNS name and an IPv4 address of two octets."""
    encoded = name.encode("ascii")
    names = bytes([0x82, len(encoded)]) + encoded + bytes([0x87, 2, 127, 0])
    san = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes([0x30, len(names)]) + names)
    return _serve(at, Leaf(name, (), at.now - 10 * _DAY, extra=(san,)))


RECIPES: Final[Mapping[str, Callable[[Authorities, str], Served]]] = {
    "good": _good,
    "good-rsa": _good_rsa,
    "short-lived": _short_lived,
    "wildcard": _wildcard,
    "expired": _expired,
    "shared": _shared,
    "expiring": _expiring,
    "renewal-due": _renewal_due,
    "not-yet-valid": _not_yet_valid,
    "long": _long,
    "sha1": _weakly_signed("sha1"),
    "md5": _weakly_signed("md5"),
    "no-san": _no_san,
    "client-only": _client_only,
    "no-usage": _no_usage,
    "self-signed": _self_signed,
    "placeholder": _placeholder,
    "foreign": _foreign,
    "other-name": _other_name,
    "leaf-only": _leaf_only,
    "reversed": _reversed,
    "unrelated": _unrelated,
    "duplicated": _duplicated,
    "hundred": _hundred,
    "intermediate-ends": _intermediate_ends,
    "rsa-1024": _rsa_1024,
    "close-primes": _close_primes,
    "malformed": _malformed,
    "weak-ca": _weak_ca,
    "must-staple": _must_staple,
    "staple-old": _staple_old,
    "revoked": revoked(x509.ReasonFlags.unspecified),
    "revoked-key": revoked(x509.ReasonFlags.key_compromise),
    "revoked-hold": revoked(x509.ReasonFlags.certificate_hold),
    "revoked-by-ocsp": answered("good", x509.ReasonFlags.cessation_of_operation),
    "revoked-above": _revoked_above,
    "stapled-revoked": stapled(x509.ReasonFlags.superseded),
    "stapled": stapled(),
    "ocsp": answered("good"),
    "ocsp-alone": listed("missing", "delegated"),
}


def _as_served(_at: Authorities, _name: str, served: Served) -> Served:
    return served


def _renewed(at: Authorities, name: str, _served: Served) -> Served:
    return _serve(at, _leaf(at, name, age=_DAY))


def _key_of_another(_at: Authorities, _name: str, served: Served) -> Served:
    return Served(new_key(), served.chain)


CONTENTS: Final[Mapping[str, Callable[[Authorities, str, Served], Served]]] = {
    "as-served": _as_served,
    "renewed": _renewed,
    "key-of-another": _key_of_another,
}
"""What lies in the files of a service that serves what it took up from them some time ago."""
