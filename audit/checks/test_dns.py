"""Checks of where the endpoint's name leads."""

from __future__ import annotations

from typing import Final

from audit.analysis.addresses import direction, own_addresses, resolved_name, unknown_direction
from audit.checks import check
from audit.checks.assertions import end_if, known
from audit.observation import DnsStatus, HostView, Observation
from audit.policy.controls import NAMING
from audit.text import join_limited
from audit.verdict import inconclusive, not_applicable, require

_STATUS: Final[dict[DnsStatus, str]] = {
    "nxdomain": "does not exist",
    "no-address": "has neither an A nor an AAAA record",
    "servfail": "cannot be resolved: its name servers fail, or its signatures do",
}


@check(
    "dns.unresolvable",
    severity="high",
    remedy="dns",
    source="RFC 1034 5.2.3; RFC 8499",
    scopes=("endpoint", "host"),
    controls=NAMING,
)
def test_name_resolves(observation: Observation) -> None:
    """The name must have an A or AAAA record (RFC 1034 5.2.3).

    If the resolver does not respond, the result is inconclusive.

    Fix: Add the record, or remove the name from the configuration of the service. If the name servers fail, repair the
    zone or its DNSSEC signatures.
    """
    dns, name = observation.dns, observation.endpoint.name or "the host's name"
    if dns is None or dns.status == "not-asked":
        not_applicable("there is no name to resolve")
    if dns.status == "timeout":
        inconclusive(f"the resolver did not respond: {dns.detail}")
    require(dns.status == "ok", f"{name} {_STATUS.get(dns.status, dns.status)}",
            observed=f"{dns.status}: {dns.detail}", required="an A or AAAA record")  # fmt: skip


@check(
    "dns.not-this-host",
    severity="high",
    remedy="dns",
    source="RFC 1034 3.6; BR 3.2.2.4.18",
    scopes=("endpoint", "host"),
    controls=NAMING,
)
def test_name_leads_to_this_host(server: HostView, observation: Observation) -> None:
    """The name must lead to this host, or to a server that has the host's key (RFC 1034 3.6).

    Fix: Point the A and AAAA records at this host, or remove the name from the configuration of the service. If the
    host is behind NAT, set `addresses` in its `[host]` section of the configuration file.
    """
    dns, own = known(resolved_name(observation)), own_addresses(server)
    end_if(unknown_direction(observation, server))
    require(direction(observation, server) == "here",
            f"the name leads to {join_limited(dns.addresses)}, and the host's addresses are {join_limited(own)}",
            observed=dns.addresses, required=own)  # fmt: skip
