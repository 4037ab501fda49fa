"""Agents that are shell scripts as strict as the real ones: other arguments are a usage error.

Each renews by replacing certificate and key, or runs the shell of a test.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from remediate.model.case import Case, Repair
from tests.support.remediate.folder_hosts import AUTHORITY, DAY, NOW, FolderHost
from tests.support.store.issuance import to_pem
from tests.support.x509.ca import Leaf, issue


def write_agent(agent: Path, takes: str, does: str) -> Path:
    """Write an agent that takes these arguments alone and then runs shell; return the file of its calls."""
    agent.parent.mkdir(parents=True, exist_ok=True)
    asked = agent.with_name(f"{agent.name}.asked")
    agent.write_text(
        f'#!/bin/sh\necho "$*" >>{asked}\n[ "$*" = "{takes}" ] || {{ echo "usage: $*" >&2; exit 2; }}\n{does}\n'
    )
    agent.chmod(0o755)
    return asked


def successor(host: FolderHost, *, begins: int = -1) -> tuple[str, str]:
    """Return a new leaf for a host, and shell that replaces the old leaf and key."""
    leaf = Leaf(host.endpoint.name, (host.endpoint.name,), NOW + begins * DAY, 60 * DAY)
    identity = issue(leaf, AUTHORITY.intermediate)
    beside = host.folder / "next"
    beside.mkdir(exist_ok=True)
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (beside / "tls.crt").write_text(to_pem(identity.certificate, AUTHORITY.intermediate.certificate))
    (beside / "tls.key").write_text(key)
    return to_pem(identity.certificate), f"cp {beside}/tls.crt {beside}/tls.key {host.folder}/; echo renewed"


def owned(host: FolderHost, owner: str) -> Case:
    """Return the case of a certificate that an agent owns."""
    certificate = x509.load_pem_x509_certificate(host.served.encode())
    digest = sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return host.case(Repair.RUN_OWNER, id="renewal", owner=owner, old_leaf_sha256=digest)
