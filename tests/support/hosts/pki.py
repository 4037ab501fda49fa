"""Certificates for real servers, in the forms their configuration wants them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.hosts.host import HostFile
from tests.support.x509.ca import Identity, Leaf, issue, new_intermediate, new_root

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Credential:
    """A server's certificate, the certificates above it and its key, in PEM."""

    certificate: str
    above: str
    key: str

    @property
    def fullchain(self) -> str:
        """The leaf, then what is above it."""
        return self.certificate + self.above

    def at(self, path: str, *, group: str = "root", mode: int = 0o600) -> tuple[HostFile, HostFile]:
        """Return `PATH.crt` with the whole chain and `PATH.key` with the given mode."""
        return HostFile(f"{path}.crt", self.fullchain), HostFile(f"{path}.key", self.key, mode, group=group)

    def with_key_of(self, other: Credential) -> Credential:
        """Return the same certificate beside another one's key."""
        return Credential(self.certificate, self.above, other.key)

    def alone(self) -> Credential:
        """Return it without what is above it."""
        return Credential(self.certificate, "", self.key)


@dataclass(frozen=True, slots=True)
class Authority:
    """A throw-away CA: a root that clients are given, and the intermediate that issues."""

    root: Identity
    intermediate: Identity
    now: datetime

    @property
    def anchor(self) -> str:
        """The root certificate in PEM: what `--audit-trust` is given."""
        return to_pem(self.root)

    def issue(self, *names: str, begins: float = -1, lasts: float = 90) -> Credential:
        """Return a certificate for these names, valid from now plus `begins` days for `lasts` days."""
        leaf = Leaf(names[0], names, self.now + begins * _DAY, lasts * _DAY)
        return credential_of(issue(leaf, self.intermediate), to_pem(self.intermediate))

    def self_signed(self, *names: str) -> Credential:
        """Return a self-signed certificate for these names."""
        return credential_of(issue(Leaf(names[0], names, self.now - _DAY), None), "")


def new_authority(now: datetime) -> Authority:
    """Return a new CA that no host trusts."""
    root = new_root("Real Lab Root", now=now)
    return Authority(root, new_intermediate("Real Lab Issuing CA", root, now=now), now)


def credential_of(identity: Identity, above: str) -> Credential:
    """Return an identity in PEM, with what is above it."""
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Credential(to_pem(identity), above, key)


def to_pem(identity: Identity) -> str:
    """Return an identity's certificate in PEM."""
    return identity.certificate.public_bytes(Encoding.PEM).decode()
