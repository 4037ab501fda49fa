"""A service that sends too little or too much beside its leaf, and a CA that publishes what is missing.

It makes certificates; it repairs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from cryptography.x509.oid import AuthorityInformationAccessOID

from audit.probe.http.fetch import Fetcher, FetchPolicy
from remediate.model.case import Case, Reason, Repair
from tests.support.remediate.fake_host.ca import AUTHORITY, NOW, key_pem, leaf_of
from tests.support.remediate.fake_host.host import FakeHost
from tests.support.store.issuance import to_pem
from tests.support.x509.ca import Identity, issue, new_intermediate

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
    return new_intermediate("Middle", issuer, now=NOW, extra=pointing_to(url))


def serve_chain(
    host: FakeHost,
    above: Iterable[x509.Certificate] = (),
    *,
    urls: Iterable[str] = (),
    issuer: Identity | None = None,
) -> str:
    """Let the first service of a host serve a good leaf with just these certificates above it; return the leaf."""
    leaf = replace(leaf_of(host.name), extra=pointing_to(*urls))
    identity = issue(leaf, issuer or AUTHORITY.intermediate)
    host.first.serve(to_pem(identity.certificate, *above), key_pem(identity.key))
    return to_pem(identity.certificate)


def installed(host: FakeHost) -> list[x509.Certificate]:
    """Return what is configured beside the leaf."""
    return x509.load_pem_x509_certificates(host.certificate.read_bytes())[1:]


def rechaining(host: FakeHost, check: str = "chain.incomplete", *others: str, **changes: Any) -> Case:  # noqa: ANN401 - any field
    """Return the case of its chain, in which these checks found a problem."""
    reasons = tuple(Reason(str(host.endpoint), found, "high", "rechain", "") for found in (check, *others))
    return host.case(Repair.RECHAIN, **{"id": "rechain", "reasons": reasons, **changes})


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
