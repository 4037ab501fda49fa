"""Certificates for the name of the panel: valid ones of two CAs, and faults of the vendor's page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from tests.lab.revocation import pointing
from tests.support.hosts.pki import Authority, Credential, credential_of, to_pem
from tests.support.store.issuance import Authority as Provider
from tests.support.x509.ca import Identity, Leaf, issue, new_intermediate, new_root, new_rsa_key, sign_weakly

_DAY = timedelta(days=1)
_LIFETIME = 90 * _DAY


@dataclass(frozen=True, slots=True)
class Credentials:
    """What may be installed under a name. `now` is that of the other CA; every serial number is a new one."""

    name: str
    provider: Provider
    other: Authority

    def own(self, days: float) -> Credential:
        """Return one of the panel's own provider that has so many days left."""
        return self._by_provider(self._leaf(days))

    def third_party(self, days: float) -> Credential:
        """Return one of another CA that has so many days left."""
        return self._by_other(issue(self._leaf(days), self.other.intermediate))

    def self_signed(self) -> Credential:
        """Return a self-signed certificate."""
        return self.other.self_signed(self.name)

    def expired(self) -> Credential:
        """Return one that ended yesterday."""
        return self.own(-1)

    def for_another_name(self) -> Credential:
        """Return one that is good, and for another host."""
        another = f"another-{self.name}"
        return self._by_provider(replace(self._leaf(80), common_name=another, names=(another,)))

    def without_names(self) -> Credential:
        """Return one with a common name alone, as before there was a SAN extension."""
        return self._by_provider(replace(self._leaf(80), names=()))

    def without_usage(self) -> Credential:
        """Return one without an extension that says what it may be used for."""
        return self._by_provider(replace(self._leaf(80), usages=()))

    def weakly_signed(self) -> Credential:
        """Return one that its CA signed over SHA-1."""
        above = self.other.intermediate
        return self._by_other(sign_weakly(issue(self._leaf(80), above), above, "sha1"))

    def _leaf(self, days: float) -> Leaf:
        begins = self.other.now + days * _DAY - _LIFETIME
        return Leaf(self.name, (self.name,), begins, _LIFETIME)

    def _by_provider(self, leaf: Leaf) -> Credential:
        above = self.provider.intermediate
        reported = replace(leaf, extra=(pointing(self.provider.crl),))
        return credential_of(issue(reported, above), to_pem(above))

    def _by_other(self, identity: Identity) -> Credential:
        return credential_of(identity, to_pem(self.other.intermediate))


def other_authority(provider: Provider) -> Authority:
    """Return a CA that is not the panel's provider; it signs with RSA."""
    now = provider.root.certificate.not_valid_before_utc + 365 * _DAY
    root = new_root("Third Party Root", now=now)
    return Authority(root, new_intermediate("Third Party CA", root, now=now, key=new_rsa_key(2048)), now)
