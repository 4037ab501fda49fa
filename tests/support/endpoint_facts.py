"""Facts for tests of checks: observations in which everything is good except what a test changes."""

from __future__ import annotations

from audit.endpoint import Endpoint, parse_endpoint
from audit.observation import DnsView, Handshake, HostView, InstalledFile, Observation, ProbeFailure
from audit.policy import Policy, load_profile
from audit.x509.certificate import Certificate, read_certificate
from audit.x509.path.served_chain import Chain, read_chain
from audit.x509.path.trust_store import TrustAnchors
from tests.support.x509.certificates import NOW, Draft, ca, leaf

ROOT = ca("CN=Root")
INTERMEDIATE = ca("CN=Intermediate", ROOT)
GOOD = leaf().by(INTERMEDIATE)
ENDPOINT = parse_endpoint("https://www.example.com")
HOST = Endpoint.of_host("web1", "ssh://root@web1")

WEBPKI = Policy((load_profile("webpki"),))
NAMED_WEBPKI = Policy((load_profile("webpki"),), is_named=True)
PRIVATE = Policy((load_profile("private-pki"),))
CPANEL = Policy((load_profile("cpanel"),))


def certificate(draft: Draft) -> Certificate:
    """Return the facts of a draft."""
    return read_certificate(draft.der)


def public(*drafts: Draft) -> TrustAnchors:
    """Return anchors that count as publicly trusted, by default the root."""
    return TrustAnchors({"mozilla": [draft.der for draft in drafts or (ROOT,)]})


def private(*drafts: Draft) -> TrustAnchors:
    """Return anchors of the user, by default the root."""
    return TrustAnchors({"corp.pem": [draft.der for draft in drafts or (ROOT,)]})


def chain(*drafts: Draft, anchors: TrustAnchors | None = None) -> Chain:
    """Return the chain in which these drafts are sent; a single leaf is followed by the good intermediate."""
    sent = drafts if len(drafts) != 1 else (*drafts, INTERMEDIATE)
    return read_chain(tuple(draft.der for draft in sent), anchors or public(), NOW)


def served(*drafts: Draft, address: str = "192.0.2.7", old: tuple[str, ...] | None = ()) -> Handshake:
    """Return a handshake in which these drafts were sent, by default the good chain."""
    ders = tuple(draft.der for draft in drafts or (GOOD, INTERMEDIATE))
    return Handshake(address, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", None, ders, None, 0.01, old, sct_list=b"")


def observed(
    *handshakes: Handshake,
    failures: tuple[ProbeFailure, ...] = (),
    dns: DnsView | None = None,
    server: HostView | None = None,
    endpoint: Endpoint = ENDPOINT,
) -> Observation:
    """Return an observation with these handshakes."""
    addresses = tuple(handshake.address for handshake in handshakes)
    return Observation(endpoint, NOW, addresses, handshakes, failures, dns, server)


def host(*files: InstalledFile, addresses: tuple[str, ...] = ("192.0.2.7",)) -> HostView:
    """Return the view of a host with these files in the service's configuration."""
    return HostView(
        "web1", "ssh://root@web1", fqdn="web1.example.com", addresses=addresses, service="nginx", files=files
    )


def certificate_file(*drafts: Draft, path: str = "/etc/tls/www.crt") -> InstalledFile:
    """Return a certificate file with these drafts in it."""
    ders = tuple(draft.der for draft in drafts or (GOOD, INTERMEDIATE))
    return InstalledFile(path, "certificate", owner="root", group="root", mode=0o644, chain_der=ders)


def key_file(draft: Draft = GOOD, *, path: str = "/etc/tls/www.key", mode: int | None = 0o600) -> InstalledFile:
    """Return the key file of a draft."""
    digest = certificate(draft).spki_sha256
    return InstalledFile(path, "key", owner="root", group="root", mode=mode, spki_sha256=digest)
