"""One observation for each check that does not pass, and the message of the result: the examples of docs/checks.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from audit.checks import built_in_checks, check_of
from audit.endpoint import RUN, parse_endpoint, parse_endpoints
from audit.engine import AuditSettings, make_run
from audit.evaluation.evaluate import evaluate
from audit.evaluation.facts import Facts
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.run import AuditRun
from audit.firewall.exposure import LISTED
from audit.firewall.iptables import read_iptables
from audit.observation import DnsView, HostView, HttpProbe, InstalledFile, Observation, ProbeFailure
from audit.observation.cpanel import CpanelState
from audit.observation.firewall import Firewall, Token
from audit.x509.path.trust_store import TrustAnchors
from tests.support.endpoint_facts import (
    GOOD,
    HOST,
    INTERMEDIATE,
    ROOT,
    certificate_file,
    host,
    key_file,
    observed,
    served,
)
from tests.support.x509 import ocsp_responses as ocsp
from tests.support.x509.certificates import DAY, NOW, Draft, ca, leaf, rsa_key
from tests.support.x509.compromised_keys import close_primes

MAIL: Final = parse_endpoint("smtp://mail.example.com")
OTHER: Final = leaf("other.example.com").by(INTERMEDIATE)
EDWARDS: Final = replace(ROOT, key=ed25519.Ed25519PrivateKey.generate(), subject="CN=Ed25519 Root")
SHORT_LIVED: Final = replace(INTERMEDIATE, life=NOW - INTERMEDIATE.start + 5 * DAY)
NO_CA: Final = replace(INTERMEDIATE, is_ca=False)
WEAK: Final = replace(ca("CN=Weak CA", ROOT), key=rsa_key(1024))
MONTH_13: Final = GOOD.der.replace(b"270201095959Z", b"271301095959Z")
MUST_STAPLE: Final = x509.TLSFeature([x509.TLSFeatureType.status_request])
ITSELF: Final = AuditRun(
    parse_endpoints("gopher://x", "endpoints.txt")[1],
    ("waiver of cert.expired for https://old.example.com:443 (ops, until 2026-10-31)",),
    ("waiver of key.weak for https://old.example.com:443 (ops, until 2026-12-31)",),
    "cannot write 1024 kB to the state directory (No space left on device): /var/lib/audit",
)
TOKEN_URL: Final = "http://web1.example.com/.well-known/pki-validation/X.txt"


def sent(*drafts: Draft) -> Observation:
    """Return an observation of these certificates, the leaf first; the good intermediate follows a leaf alone."""
    return observed(served(*(drafts if len(drafts) > 1 else (*drafts, INTERMEDIATE))))


def failed(failure: ProbeFailure, dns: DnsView | None = None) -> Observation:
    return observed(failures=(failure,), dns=dns)


def installed(*files: InstalledFile) -> Observation:
    return observed(served(), server=host(*files))


def of_host(server: HostView) -> Observation:
    return observed(server=server, endpoint=HOST)


def of_panel(state: CpanelState) -> Observation:
    return of_host(replace(host(), cpanel=state, is_cpanel=True))


def behind_firewall(*rules: str) -> Observation:
    lines = ["*filter", ":INPUT DROP [0:0]", *rules, "COMMIT"]
    return of_panel(CpanelState("11.130.0.5", firewall=Firewall(read_iptables("\n".join(lines), 4))))


def probed(status: int, location: str = "") -> Observation:
    probe = HttpProbe(TOKEN_URL, "192.0.2.7", status, location)
    seen = of_panel(CpanelState("11.130.0.5"))
    return replace(seen, dns=DnsView("ok", ("192.0.2.7",)), http_probes=(probe,))


def stapled(response: ocsp.Answer) -> Observation:
    handshake = replace(served(), chain_der=(ocsp.ASKED.der, ocsp.CA.der), ocsp_der=response.der)
    return observed(handshake)


def shared_keys() -> tuple[Observation, ...]:
    """Return two hosts of different names with one key."""
    draft = leaf("*.example.com")
    names = {"www.example.com": "192.0.2.1", "mail.example.com": "192.0.2.2"}
    return tuple(on_host_of_its_own(draft, name, address) for name, address in names.items())


def on_host_of_its_own(draft: Draft, name: str, address: str) -> Observation:
    endpoint = replace(parse_endpoint(f"https://{name}"), host=name.partition(".")[0], hostspec=f"ssh://{name}")
    seen = observed(served(draft, INTERMEDIATE, address=address), endpoint=endpoint)
    return replace(seen, server=HostView(name, f"ssh://{name}", addresses=(address,)))


TOKEN: Final = Token("/usr/local/apache/htdocs/.well-known/pki-validation/A.txt", NOW - 99 * DAY)
UNTRUSTED: Final = "process 4711 named nginx belongs to uid 1001: not inspected"
TOUCH_FILE: Final = "/var/cpanel/ssl/disable_auto_hostname_certificate"
ADMIT: Final = "-A INPUT -s {} -p tcp -m tcp --dport 80 -j ACCEPT"
BOTH_USES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
OBSERVATIONS: Final[dict[str, Callable[[], Observation]]] = {
    "cert.eku-clientauth": lambda: sent(GOOD.used_for(*BOTH_USES).starting(datetime(2027, 4, 1, tzinfo=UTC))),
    "cert.eku-missing-serverauth": lambda: sent(GOOD.used_for(ExtendedKeyUsageOID.CLIENT_AUTH)),
    "cert.expired": lambda: sent(GOOD.ending(NOW - 3 * DAY)),
    "cert.expiring": lambda: sent(GOOD.starting(NOW - 85 * DAY)),
    "cert.internal-name": lambda: sent(GOOD.named("intranet.corp")),
    "cert.malformed": lambda: observed(replace(served(), chain_der=(MONTH_13, INTERMEDIATE.der))),
    "cert.must-staple-no-staple": lambda: sent(replace(GOOD, extra=(MUST_STAPLE,))),
    "cert.name-mismatch": lambda: sent(OTHER),
    "cert.no-revocation-info": lambda: sent(GOOD),
    "cert.not-yet-valid": lambda: sent(GOOD.starting(NOW + DAY)),
    "cert.profile-br": lambda: sent(GOOD),
    "cert.renewal-due": lambda: sent(GOOD.starting(NOW - 61 * DAY)),
    "cert.revoked": lambda: stapled(ocsp.Answer(status=ocsp.REVOKED)),
    "cert.san-missing": lambda: sent(GOOD.named()),
    "cert.sct-insufficient": lambda: sent(GOOD),
    "cert.self-signed": lambda: sent(leaf()),
    "cert.staple-stale": lambda: stapled(ocsp.Answer(this_update=NOW - 3 * DAY, next_update=NOW - DAY)),
    "cert.untrusted": lambda: sent(leaf().by(ca("CN=Unknown CA")), ca("CN=Unknown CA")),
    "cert.validity-too-long": lambda: sent(GOOD.lasting(398 * DAY)),
    "cert.weak-signature": lambda: sent(leaf().by(EDWARDS), EDWARDS),
    "cert.wildcard-scope": lambda: replace(sent(GOOD.named("*.example.com")), endpoint=MAIL),
    "chain.incomplete": lambda: observed(served(GOOD)),
    "chain.intermediate-expiring": lambda: sent(GOOD.by(SHORT_LIVED), SHORT_LIVED),
    "chain.invalid-path": lambda: sent(GOOD.by(NO_CA), NO_CA),
    "chain.order": lambda: sent(GOOD, ROOT, INTERMEDIATE),
    "chain.root-included": lambda: sent(GOOD, INTERMEDIATE, ROOT),
    "chain.weak-ca-key": lambda: sent(GOOD.by(WEAK), WEAK),
    "dcv.firewall": lambda: behind_firewall("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT"),
    "dcv.firewall-narrow": lambda: behind_firewall(*map(ADMIT.format, LISTED)),
    "dcv.http-unreachable": lambda: probed(403),
    "dcv.redirect-illegal": lambda: probed(303, "https://www.example.com/"),
    "dcv.stale-token": lambda: of_panel(CpanelState("11.130.0.5", tokens=(TOKEN,))),
    "dns.not-this-host": lambda: observed(
        served(), server=replace(host(), configured_addresses=("203.0.113.10",)), dns=DnsView("ok", ("198.51.100.9",))
    ),
    "dns.unresolvable": lambda: failed(ProbeFailure("resolve", "unresolvable", "NXDOMAIN"), DnsView("nxdomain")),
    "host.name-invalid": lambda: of_host(replace(host(), fqdn="web1")),
    "host.not-inspected": lambda: of_host(replace(host(), not_trusted=(UNTRUSTED,))),
    "key.compromised": lambda: sent(GOOD.with_key(close_primes())),
    "key.mismatch": lambda: installed(certificate_file(), key_file(OTHER)),
    "key.permissions": lambda: installed(certificate_file(), key_file(mode=0o644)),
    "key.reuse": lambda: shared_keys()[0],
    "key.weak": lambda: sent(GOOD.with_key(rsa_key(1024))),
    "ops.clock-skew": lambda: of_host(replace(host(), clock_offset_s=-620.0)),
    "ops.contact-missing": lambda: of_panel(CpanelState("11.130.0.5")),
    "ops.endpoint-unusable": lambda: Observation(RUN, NOW),
    "ops.foreign-agent": lambda: observed(served(), server=replace(host(certificate_file()), agent="certbot")),
    "ops.management-disabled": lambda: of_panel(CpanelState("11.130.0.5", switched_off=(TOUCH_FILE,))),
    "ops.renewal-unscheduled": lambda: of_panel(CpanelState("11.130.0.5")),
    "ops.state-unusable": lambda: Observation(RUN, NOW),
    "ops.waiver-expired": lambda: Observation(RUN, NOW),
    "ops.waiver-stale": lambda: Observation(RUN, NOW),
    "svc.certificate-missing": lambda: observed(served(), server=replace(host(), snakeoil=True)),
    "svc.config-missing-file": lambda: installed(InstalledFile("/etc/tls/www.crt", "certificate", fault="missing")),
    "svc.disk-vs-wire": lambda: installed(certificate_file(GOOD.named("www.example.com", "example.com"))),
    "svc.multi-address": lambda: observed(served(), served(GOOD.lasting(80 * DAY), INTERMEDIATE, address="192.0.2.8")),
    "svc.not-started": lambda: of_host(replace(host(), not_started=("dovecot",))),
    "svc.plaintext": lambda: failed(ProbeFailure("starttls", "not-offered", "STARTTLS is not offered", "192.0.2.7")),
    "svc.unreachable": lambda: failed(ProbeFailure("connect", "refused", "connection refused", "192.0.2.7")),
    "tls.old-protocol": lambda: observed(served(old=("TLSv1",))),
}
"""An observation by check id. `cert.lint-br` has none: its messages are pkilint's, and differ by its version."""
_DIGEST: Final = re.compile(r"\b[0-9a-f]{16}…")


def example(check_id: str) -> str | None:
    """Return the message of the check about its observation; None if it has no example."""
    observation = OBSERVATIONS.get(check_id)
    if observation is None:
        return None
    anchors = TrustAnchors({"mozilla": [ROOT.der, EDWARDS.der, ocsp.ROOT.der]})
    keys = KeyIndex()
    for seen in shared_keys():
        keys.add(seen)
    run = replace(make_run(AuditSettings(anchors, NOW), keys.sharing), itself=ITSELF)
    functions = [function for function in built_in_checks() if (check := check_of(function)) and check.id == check_id]
    [result] = evaluate(functions, Facts(observation(), run), run)
    return f"{result.verdict}: {_DIGEST.sub('0123456789abcdef…', result.message)}"
