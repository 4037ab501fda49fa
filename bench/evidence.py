"""Makes evidence of endpoints in memory, as a run keeps it, with certificates like those of public CAs."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from audit.endpoint import Endpoint, parse_endpoint
from audit.observation import (
    ConfigTest,
    DnsView,
    Handshake,
    HostView,
    InstalledFile,
    Observation,
    RevocationResponse,
    RevocationSource,
)
from audit.x509.path.trust_store import TrustAnchors
from tests.lab.revocation import Registry, access, pointing
from tests.support.x509.ca import Identity, Leaf, issue, new_intermediate, new_key, new_root, new_rsa_key

CRL, OCSP, ISSUER = "http://crl.bench.test/ca.crl", "http://ocsp.bench.test", "http://crt.bench.test/ca.crt"
REVOKED: Final = 1000  # entries of the CRL that all leaves share
_VALIDATED: Final = ObjectIdentifier("2.23.140.1.2.1")  # domain-validated (BR 7.1.6.1)
_SCTS: Final = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authorities:
    """A root, two CAs below it, and the certificates that they have revoked."""

    root: Identity
    above: Identity
    issuing: Identity
    now: datetime
    lists: dict[str, bytes] = field(default_factory=dict)  # by the name of the issuer

    @property
    def anchors(self) -> TrustAnchors:
        """The root as a publicly trusted anchor."""
        return TrustAnchors({"mozilla": [to_der(self.root.certificate)]})

    def crl(self, issuer: Identity) -> bytes:
        """Return the CRL of a CA; it is the same for all certificates."""
        name = issuer.subject.rfc4514_string()
        if name not in self.lists:
            entries = {secrets.randbits(64) + 1: x509.ReasonFlags.unspecified for _ in range(REVOKED)}
            self.lists[name] = Registry(issuer, self.now, entries).crl()
        return self.lists[name]


def found(now: datetime) -> Authorities:
    """Make CAs like those of the Web PKI."""
    root = new_root("CN=Bench Root,O=Bench,C=CH", now=now)
    extensions = (*sources(CRL), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))  # BR 7.1.2.10.2
    above = new_intermediate("CN=Bench Above,O=Bench,C=CH", root, now=now, extra=extensions)
    return Authorities(
        root, above, new_intermediate("CN=Bench Issuing,O=Bench,C=CH", above, now=now, extra=extensions), now
    )


def observations(authorities: Authorities, endpoints: int, *, distinct: bool) -> Iterator[Observation]:
    """Yield the observations of this many endpoints, with a certificate each or with one for all."""
    names = [f"www{number}.bench-{number}.com" for number in range(endpoints)]
    for number, name in enumerate(names):
        if distinct or not number:  # endpoints that share a certificate share its revocation responses
            leaf = _issued(authorities, (name,) if distinct else tuple(names), number)
            responses = tuple(_responses(authorities, leaf))
        seen = _observation(authorities, leaf, parse_endpoint(f"https://{name}"), number)
        yield replace(seen, revocation=responses)


def seen_from_outside(authorities: Authorities, endpoints: int) -> Iterator[Observation]:
    """Yield observations without a login, with a certificate and an ECDSA key each: an RSA key takes 50 ms to make."""
    for number in range(endpoints):
        endpoint = parse_endpoint(f"https://www{number}.bench-{number}.com")
        leaf = _issued(authorities, (endpoint.name,), 2 * number)
        seen = _observation(authorities, leaf, endpoint, number)
        yield replace(seen, endpoint=endpoint, server=None, revocation=tuple(_responses(authorities, leaf)))


def sources(crl: str, ocsp: str = "") -> tuple[x509.ExtensionType, ...]:
    """Return the extensions of public CAs: caIssuers, revocation pointers, and policy."""
    policies = x509.CertificatePolicies([x509.PolicyInformation(_VALIDATED, None)])
    return access(ISSUER, ocsp), pointing(crl), policies


def to_der(certificate: x509.Certificate) -> bytes:
    """Return a certificate in DER."""
    return certificate.public_bytes(Encoding.DER)


def _issued(authorities: Authorities, names: tuple[str, ...], number: int) -> Identity:
    timestamps = b"".join(_prefixed(_timestamp()) for _ in range(3))
    encoded = b"\x04\x82" + _prefixed(_prefixed(timestamps))  # an OCTET STRING of more than 255 octets
    extra = (*sources(CRL, OCSP), x509.UnrecognizedExtension(_SCTS, encoded))
    leaf = Leaf(f"CN={names[0]}", names, authorities.now - 20 * _DAY, extra=extra)
    return issue(leaf, authorities.issuing, key=new_rsa_key(2048) if number % 2 else new_key())


def _observation(authorities: Authorities, leaf: Identity, endpoint: Endpoint, number: int) -> Observation:
    chain = tuple(to_der(issued.certificate) for issued in (leaf, authorities.issuing, authorities.above))
    address, now = f"198.18.{number // 250}.{number % 250 + 1}", authorities.now
    handshake = Handshake(address, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", None, chain, None, 0.01, ())
    return Observation(
        replace(endpoint, host=f"web{number}", hostspec=f"ssh://web{number}"),
        now,
        (address,),
        (handshake,),
        dns=DnsView("ok", (address,)),
        server=_host(leaf, chain, address, number),
    )


def _host(leaf: Identity, chain: tuple[bytes, ...], address: str, number: int) -> HostView:
    spki = leaf.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    of_root = InstalledFile("/etc/tls/www.crt", "certificate", owner="root", group="root", mode=0o644)
    key = replace(
        of_root, path="/etc/tls/www.key", kind="key", mode=0o600, spki_sha256=hashlib.sha256(spki).hexdigest()
    )
    files = (replace(of_root, chain_der=chain), key)
    tested = ConfigTest("nginx -t", ok=True)
    return HostView(f"web{number}", f"ssh://web{number}", f"web{number}.bench.com", (address,), clock_offset_s=0.0,
                    service="nginx", service_running=True, config_test=tested, files=files)  # fmt: skip


def _responses(authorities: Authorities, leaf: Identity) -> Iterator[RevocationResponse]:
    registry = Registry(authorities.issuing, authorities.now)
    question = registry.about(leaf.certificate)
    yield _response(authorities, leaf, "crl", authorities.crl(authorities.issuing))
    yield replace(_response(authorities, leaf, "ocsp", registry.answer(question)), question=question)
    yield _response(authorities, authorities.issuing, "crl", authorities.crl(authorities.above))
    yield _response(authorities, authorities.above, "crl", authorities.crl(authorities.root))


def _response(
    authorities: Authorities, about: Identity, source: RevocationSource, content: bytes
) -> RevocationResponse:
    digest = hashlib.sha256(to_der(about.certificate)).hexdigest()
    return RevocationResponse(digest, source, CRL if source == "crl" else OCSP, authorities.now, content=content)


def _timestamp() -> bytes:
    """Return the SCT of a log that does not exist: version, log, time, no extensions, signature (RFC 6962 3.2)."""
    signed = b"\x04\x03" + _prefixed(secrets.token_bytes(71))  # SHA-256, ECDSA
    return b"\0" + secrets.token_bytes(32) + bytes(8) + _prefixed(b"") + signed


def _prefixed(octets: bytes) -> bytes:
    return len(octets).to_bytes(2) + octets
