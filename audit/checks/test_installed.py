"""Checks of what is installed on the host: that it is there, complete, served, and not owned by another agent."""

from __future__ import annotations

from datetime import datetime

from audit.analysis.installed_files import (
    broken_files,
    described_difference,
    differing_leaves,
    installed_leaves,
    no_installed_leaf,
    reload_obstacle,
    uninstalled,
    unloadable_reason,
)
from audit.analysis.placeholder import missing_certificate
from audit.analysis.reachability import no_handshake
from audit.checks import check
from audit.checks.assertions import end_if
from audit.observation import HostView, Observation
from audit.policy import Policy
from audit.policy.controls import CERTIFICATE, LIFECYCLE
from audit.text import join_clauses, join_limited
from audit.verdict import Finding, not_applicable, require


@check(
    "svc.certificate-missing",
    severity="high",
    remedy="reissue",
    source="RFC 9846 4.4.2; NIST SP 800-53 SC-17",
    controls=CERTIFICATE,
)
def test_has_certificate_of_its_own(observation: Observation, policy: Policy) -> None:
    """The service must have a certificate that was issued for it, not a placeholder (RFC 9846 4.4.2).

    Fix: Order a certificate, name its files in the configuration of the service, and reload it.
    """
    missing = missing_certificate(observation, policy)
    if missing:
        raise Finding(missing.why, observed=missing.why, required="a certificate of its own", policy=missing.policy)
    files = uninstalled(observation)
    require(
        not files,
        f"no certificate is installed: {join_limited(files)}",
        observed=files,
        required="a certificate of its own",
    )
    end_if(no_handshake(observation))


@check("svc.disk-vs-wire", severity="high", remedy="reload", source="NIST SP 800-53 CM-3", controls=LIFECYCLE)
def test_serves_what_is_installed(server: HostView, observation: Observation, now: datetime) -> None:
    """Each address of the host must serve a certificate of the configured files (NIST SP 800-53 CM-3).

    Fix: Reload the service so that it reads its files again. If that changes nothing, an older process still listens on
    the port: restart the service.
    """
    end_if(no_installed_leaf(server) or no_handshake(observation))
    differing = differing_leaves(server, observation)
    if differing:
        end_if(reload_obstacle(server, observation, now))
        raise Finding(described_difference(differing, server),
                      observed={address: leaf.sha256 for address, leaf in differing.items()},
                      required=[leaf.sha256 for _, leaf in installed_leaves(server)])  # fmt: skip


@check(
    "svc.config-missing-file",
    severity="high",
    remedy="configure",
    source="NIST SP 800-53 CM-6",
    controls=LIFECYCLE | {"CM-6"},
)
def test_configured_files_are_there(server: HostView) -> None:
    """Every configured certificate, key and chain file must exist and be readable (NIST SP 800-53 CM-6).

    Fix: Restore the file, or remove its name from the configuration. The service will not start again as it is.
    """
    broken = broken_files(server, "certificate", "key", "chain")
    remedy = "reissue" if server.panel_service else None  # a panel's services have no configuration to fix
    require(not broken, join_clauses(broken), observed=broken, required="files that can be loaded", remedy=remedy)
    end_if(unloadable_reason(server))


@check("ops.foreign-agent", severity="info", remedy="manual", source="NIST SP 1800-16 Vol. B", controls=LIFECYCLE)
def test_no_foreign_agent(server: HostView) -> None:
    """No other agent should renew the certificate (NIST SP 1800-16 Vol. B).

    Fix: Nothing is wrong: the certificate is left to that agent. To have it replaced here, remove it from the agent
    first.
    """
    if server.agent is None and not server.files:
        not_applicable("the configuration names no certificate file")
    require(server.agent is None, f"{server.agent} owns this certificate and renews it: it is not replaced from here",
            observed=server.agent)  # fmt: skip
