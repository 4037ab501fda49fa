"""Checks of what is installed on the host: that it is there, complete, served, and whose business it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from audit.analysis.addresses import brief, leaf_of, with_host
from audit.analysis.installed_files import broken_files, leaves, require_read, stale, uninstalled, unread, unserved
from audit.analysis.placeholder import lack
from audit.analysis.reachability import unreached
from audit.checks import check
from audit.observation import HostView, Observation
from audit.policy import Policy
from audit.text import listing, sentence
from audit.verdict import Finding, inconclusive, not_applicable, require
from audit.x509.certificate import Certificate


@check("svc.certificate-missing", severity="high", remedy="reissue", source="RFC 9846 4.4.2; NIST SP 800-53 SC-17")
def test_has_certificate_of_its_own(observation: Observation, policy: Policy) -> None:
    """The service has a certificate that was issued for it: not none, and not its software's placeholder."""
    lacking = lack(observation, policy)
    if lacking:
        raise Finding(lacking.why, observed=lacking.why, required="a certificate of its own", policy=lacking.policy)
    if not observation.handshakes:
        missing = uninstalled(observation.server)
        require(not missing, f"none is installed: {listing(missing)}", observed=missing,
                required="a certificate of its own")  # fmt: skip
        raise unreached(observation)


@check("svc.disk-vs-wire", severity="high", remedy="reload", source="NIST SP 800-53 CM-3")
def test_serves_what_is_installed(server: HostView, observation: Observation, now: datetime) -> None:
    """The leaf served at each of the host's addresses is in a certificate file of the service's configuration."""
    if not leaves(server):
        require_read(server, "certificate")
    if not observation.handshakes:
        raise unreached(observation)
    served = {one.address: leaf for one in with_host(observation.handshakes, server) if (leaf := leaf_of(one))}
    served |= {one.address: leaf for one in with_host(observation.other_key_handshakes, server)
               if (leaf := leaf_of(one)) and stale(server, leaf)}  # fmt: skip
    differing = {address: leaf for address, leaf in served.items() if stale(server, leaf)}
    if differing and unread(server, "certificate"):
        require_read(server, "certificate")
    waiting = [leaf for _, leaf in unserved(observation)]
    if differing and waiting and all(leaf.not_after < now for leaf in waiting):
        inconclusive("what is installed has expired, and a reload would serve it", because="cert.expired")
    if differing:
        raise Finding(_difference(differing, server), observed={at: leaf.sha256 for at, leaf in differing.items()},
                      required=[leaf.sha256 for _, leaf in leaves(server)])  # fmt: skip


@check("svc.config-missing-file", severity="high", remedy="configure", source="NIST SP 800-53 CM-6")
def test_configured_files_are_there(server: HostView) -> None:
    """Every certificate, key and chain file that the configuration names is there and can be parsed."""
    broken = broken_files(server, "certificate", "key", "chain")
    remedy = "reissue" if server.panel_service else None  # where a panel keeps them there is nothing to configure
    require(not broken, sentence(broken), observed=broken, required="files that can be loaded", remedy=remedy)
    hidden = [file.path for file in server.files if file.fault in ("denied", "too-large")]
    if hidden or not server.files:
        require_read(server, "certificate", "key", "chain")
    if server.config_test and not server.config_test.ok:
        inconclusive(f"what its next start would load cannot be told: {server.config_test.command} fails: "
                     f"{server.config_test.detail}")  # fmt: skip


@check("ops.foreign-agent", severity="info", remedy="manual", source="NIST SP 1800-16 Vol. B")
def test_no_foreign_agent(server: HostView) -> None:
    """No other agent owns the certificate: what one owns is explained here, and left to it."""
    if server.agent is None and not server.files:
        not_applicable("the configuration names no certificate file")
    require(server.agent is None, f"{server.agent} owns this certificate and renews it: it is not replaced from here",
            observed=server.agent)  # fmt: skip


def _difference(differing: Mapping[str, Certificate], server: HostView) -> str:
    """Say what is served instead of what, and until when each holds."""
    seen = [f"{address} serves {brief(leaf)}" for address, leaf in differing.items()]
    installed = [f"{file.path} is {brief(leaf)}" for file, leaf in leaves(server)]
    return f"{listing(seen)}; {listing(installed)}: reload {server.service or 'the service'}"
