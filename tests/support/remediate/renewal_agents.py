"""Agents that are shell scripts as strict as the real ones: another word than they take is a usage error.

Each renews by putting a new certificate and key in the place of the old, or does what a test tells it to.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from remediate.model.case import Case, Repair
from tests.support.remediate.folder_hosts import AUTHORITY, DAY, NOW, Place
from tests.support.store.issuance import to_pem
from tests.support.x509.ca import Leaf, issue


def write_agent(agent: Path, takes: str, does: str) -> Path:
    """Write an agent that takes these words alone and then runs shell; return the file of what it was asked."""
    agent.parent.mkdir(parents=True, exist_ok=True)
    asked = agent.with_name(f"{agent.name}.asked")
    agent.write_text(
        f'#!/bin/sh\necho "$*" >>{asked}\n[ "$*" = "{takes}" ] || {{ echo "usage: $*" >&2; exit 2; }}\n{does}\n'
    )
    agent.chmod(0o755)
    return asked


def successor(place: Place, *, begins: int = -1) -> tuple[str, str]:
    """Return a new leaf for a place, and shell that puts it and its key in the place of the old ones."""
    leaf = Leaf(place.endpoint.name, (place.endpoint.name,), NOW + begins * DAY, 60 * DAY)
    identity = issue(leaf, AUTHORITY.intermediate)
    beside = place.folder / "next"
    beside.mkdir(exist_ok=True)
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (beside / "tls.crt").write_text(to_pem(identity.certificate, AUTHORITY.intermediate.certificate))
    (beside / "tls.key").write_text(key)
    return to_pem(identity.certificate), f"cp {beside}/tls.crt {beside}/tls.key {place.folder}/; echo renewed"


def owned(place: Place, owner: str) -> Case:
    """Return the case of a certificate that an agent owns."""
    certificate = x509.load_pem_x509_certificate(place.served.encode())
    digest = sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return place.case(Repair.RUN_OWNER, id="renewal", owner=owner, old_leaf_sha256=digest)
