"""A service that sends too little or too much beside its leaf, and a CA that publishes what is missing.

It makes certificates; it repairs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from audit.probe.fetch import Fetcher, FetchPolicy
from remediate.model.case import Reason, Repair
from tests.support.remediate.folder_hosts import AUTHORITY, DAY, NOW, FolderHost
from tests.support.store.issuance import to_pem
from tests.support.x509.ca import SHA256, Identity, Leaf, issue, new_key

INTERMEDIATE = AUTHORITY.intermediate.certificate
ROOT = AUTHORITY.root.certificate


def fetcher() -> Fetcher:
    """Return what fetches from loopback too."""
    return Fetcher(FetchPolicy(allow_private=True, deadline_s=5.0))


def pointing_to(*urls: str) -> tuple[x509.ExtensionType, ...]:
    """Return the extension with the URLs of the issuer's certificates."""
    hosts = [
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
        for url in urls
    ]
    return (x509.AuthorityInformationAccess(hosts),) if hosts else ()


def ca_below(issuer: Identity, url: str) -> Identity:
    """Return a CA below another, whose certificate is published at this URL."""
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Middle")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 365 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    for extension in pointing_to(url):
        builder = builder.add_extension(extension, critical=False)
    return Identity(key, builder.sign(issuer.key, SHA256))


def plant_chain(
    host: FolderHost,
    above: Iterable[x509.Certificate] = (),
    *,
    urls: Iterable[str] = (),
    issuer: Identity | None = None,
) -> str:
    """Let a service serve a good leaf with just these certificates above it; return the leaf."""
    leaf = Leaf(host.endpoint.name, (host.endpoint.name,), NOW - DAY, 60 * DAY, extra=pointing_to(*urls))
    identity = issue(leaf, issuer or AUTHORITY.intermediate)
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    certificates = to_pem(identity.certificate, *above)
    for name, content in (("tls.crt", certificates), ("tls.key", key), ("served", certificates + key)):
        (host.folder / name).unlink(missing_ok=True)
        (host.folder / name).write_text(content)
    return to_pem(identity.certificate)


def installed(host: FolderHost) -> list[x509.Certificate]:
    """Return what is configured beside the leaf."""
    return x509.load_pem_x509_certificates((host.folder / "tls.crt").read_bytes())[1:]


def rechaining(host: FolderHost, check: str = "chain.incomplete", **changes: Any) -> Any:  # noqa: ANN401 - any field; Case
    """Return the case of its chain."""
    reason = Reason(str(host.endpoint), check, "high", "rechain", "")
    return host.case(Repair.RECHAIN, id="rechain", reasons=(reason,), **changes)


def forms(*certificates: x509.Certificate) -> dict[str, bytes]:
    """Return the forms in which a CA publishes them; DER holds the first alone."""
    return {
        "DER": certificates[0].public_bytes(Encoding.DER),
        "PEM": to_pem(*certificates).encode(),
        "PKCS#7": serialize_certificates(list(certificates), Encoding.DER),
        "PKCS#7 in PEM": serialize_certificates(list(certificates), Encoding.PEM),
    }


def write_kept(root: Path, *certificates: x509.Certificate) -> None:
    """Leave a version of an earlier repair on the host."""
    folder = root / "c0ffee" / "0123456789ab" / "4f5e6d7c8b9a0f1e" / "etc"
    folder.mkdir(parents=True)
    (folder / "chain.pem").write_text(to_pem(*certificates))
