"""The lab's certification authorities, and what they publish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.lab.revocation import Registry, pointing
from tests.support.x509.ca import Identity, new_intermediate, new_root, new_rsa_key

DAY: Final = timedelta(days=1)


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
    ended: Identity  # has expired
    renewed: Identity  # the same CA and key, with a certificate that is valid
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
        cas = (
            self.intermediate,
            self.rsa_intermediate,
            self.lower,
            self.lasting,
            self.renewed,
            self.foreign_intermediate,
        )
        lists = {self.list_of(one): Registry(one, self.now).crl() for one in (*cas, self.withdrawn)}
        own = {self.list_of(one.issuer): one.crl() for one in (self.registry, self.root_registry)}
        empty = {self.list_of(self.intermediate, name): crl for name, crl in self.registry.lists().items()}
        return {self.address_of(one): one.certificate.public_bytes(Encoding.DER) for one in cas} | lists | own | empty


def found_authorities(now: datetime, website: str) -> Authorities:
    """Make all the lab's authorities, new."""
    root = new_root("Lab Root", now=now)
    intermediate = new_intermediate("Lab Intermediate", root, now=now)
    ending = new_intermediate("Lab Ending Intermediate", root, now=now, lasts=60 * DAY)
    ended = new_intermediate("Lab Ended Intermediate", root, now=now, lasts=-DAY)
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
        ended=ended,
        renewed=new_intermediate("Lab Ended Intermediate", root, now=now, key=ended.key),
        foreign_root=foreign_root,
        foreign_intermediate=new_intermediate("Foreign Intermediate", foreign_root, now=now),
        withdrawn=withdrawn,
        registry=Registry(intermediate, now),
        root_registry=root_registry,
    )
