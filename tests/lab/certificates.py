"""Certificates of the lab: recipes that turn a name into a key and a chain, each with at most one fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from tests.lab.authorities import DAY, Authorities
from tests.lab.chains import (
    by_a_leaf,
    duplicated,
    foreign,
    hundred,
    in_disorder,
    intermediate_ended,
    intermediate_ends,
    leaf_only,
    unrelated,
    weak_ca,
)
from tests.lab.leaves import Served, good, issue_below, leaf_for, serve
from tests.lab.revocable import answered, listed, must_staple, revoked, revoked_above, staple_old, stapled
from tests.support.x509.ca import Leaf, issue, new_close_key, new_key, new_rsa_key, sign_weakly


def _good_rsa(at: Authorities, name: str) -> Served:
    identity = issue_below(at, leaf_for(at, name), at.rsa_intermediate, key=new_rsa_key(2048))
    return Served(identity.key, (identity.certificate, at.rsa_intermediate.certificate))


def _both_keys(at: Authorities, name: str) -> Served:
    other = issue_below(at, leaf_for(at, name), at.intermediate, key=new_rsa_key(2048))
    return replace(good(at, name), other=other)


def _rsa_expired_beside(at: Authorities, name: str) -> Served:
    other = issue_below(at, leaf_for(at, name, age=92 * DAY), at.intermediate, key=new_rsa_key(2048))
    return replace(good(at, name), other=other)


def _short_lived(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name, age=DAY, lifetime=6 * DAY))


def _wildcard(at: Authorities, name: str) -> Served:
    wildcard = "*." + name.partition(".")[2]
    return serve(at, Leaf(wildcard, (wildcard,), at.now - 10 * DAY))


def _expired(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name, age=92 * DAY))


def _shared(at: Authorities, name: str) -> Served:
    """Return an expired certificate that several services use, each under a name of its own."""
    return serve(at, Leaf(name, (name, f"mail-{name}", f"mx-{name}"), at.now - 92 * DAY))


def _expiring(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name, age=85 * DAY))


def _renewal_due(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name, age=70 * DAY))


def _not_yet_valid(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name, age=-2 * DAY))


def _long(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name, lifetime=397 * DAY))


def _weakly_signed(digest: str) -> Callable[[Authorities, str], Served]:
    def recipe(at: Authorities, name: str) -> Served:
        identity = sign_weakly(issue_below(at, leaf_for(at, name), at.rsa_intermediate), at.rsa_intermediate, digest)
        return Served(identity.key, (identity.certificate, at.rsa_intermediate.certificate))

    return recipe


def _no_san(at: Authorities, name: str) -> Served:
    return serve(at, Leaf(name, (), at.now - 10 * DAY))


def _client_only(at: Authorities, name: str) -> Served:
    usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    return serve(at, Leaf(name, (name,), at.now - 10 * DAY, usages=usages))


def _no_usage(at: Authorities, name: str) -> Served:
    return serve(at, Leaf(name, (name,), at.now - 10 * DAY, usages=()))


def _self_signed(at: Authorities, name: str) -> Served:
    identity = issue(leaf_for(at, name), None)
    return Served(identity.key, (identity.certificate,))


def _placeholder(at: Authorities, name: str) -> Served:
    """Return what a server makes for itself until it is given a certificate."""
    identity = issue(Leaf("TRAEFIK DEFAULT CERT", (name,), at.now - 10 * DAY), None)
    return Served(identity.key, (identity.certificate,))


def _other_name(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, "other-" + name))


def _rsa_1024(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name), key=new_rsa_key(1024))


def _close_primes(at: Authorities, name: str) -> Served:
    return serve(at, leaf_for(at, name), key=new_close_key())


def _malformed(at: Authorities, name: str) -> Served:
    """Return a leaf whose subjectAltName holds a DNS name and an IPv4 address of two octets."""
    encoded = name.encode("ascii")
    names = bytes([0x82, len(encoded)]) + encoded + bytes([0x87, 2, 127, 0])
    san = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes([0x30, len(names)]) + names)
    return serve(at, Leaf(name, (), at.now - 10 * DAY, extra=(san,)))


RECIPES: Final[Mapping[str, Callable[[Authorities, str], Served]]] = {
    "good": good,
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
    "foreign": foreign,
    "other-name": _other_name,
    "leaf-only": leaf_only,
    "reversed": in_disorder,
    "unrelated": unrelated,
    "duplicated": duplicated,
    "hundred": hundred,
    "intermediate-ends": intermediate_ends,
    "intermediate-ended": intermediate_ended,
    "by-a-leaf": by_a_leaf,
    "both-keys": _both_keys,
    "rsa-expired-beside": _rsa_expired_beside,
    "rsa-1024": _rsa_1024,
    "close-primes": _close_primes,
    "malformed": _malformed,
    "weak-ca": weak_ca,
    "must-staple": must_staple,
    "staple-old": staple_old,
    "revoked": revoked(x509.ReasonFlags.unspecified),
    "revoked-key": revoked(x509.ReasonFlags.key_compromise),
    "revoked-hold": revoked(x509.ReasonFlags.certificate_hold),
    "revoked-by-ocsp": answered("good", x509.ReasonFlags.cessation_of_operation),
    "revoked-above": revoked_above,
    "stapled-revoked": stapled(x509.ReasonFlags.superseded),
    "stapled": stapled(),
    "ocsp": answered("good"),
    "ocsp-alone": listed("missing", "delegated"),
}


def _as_served(_at: Authorities, _name: str, served: Served) -> Served:
    return served


def _renewed(at: Authorities, name: str, _served: Served) -> Served:
    return serve(at, leaf_for(at, name, age=DAY))


def _key_of_another(_at: Authorities, _name: str, served: Served) -> Served:
    return Served(new_key(), served.chain)


CONTENTS: Final[Mapping[str, Callable[[Authorities, str, Served], Served]]] = {
    "as-served": _as_served,
    "renewed": _renewed,
    "key-of-another": _key_of_another,
}
"""What lies in the files of a service that serves what it took up from them some time ago."""
