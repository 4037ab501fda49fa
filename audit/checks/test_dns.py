"""Checks of where the endpoint's name leads."""

from __future__ import annotations

from typing import Final

from audit.analysis.addresses import direction, own_addresses
from audit.analysis.reachability import UNRESOLVABLE, is_unresolved
from audit.checks import check
from audit.observation import DnsStatus, HostView, Observation
from audit.text import listing
from audit.verdict import inconclusive, not_applicable, require

_STATUS: Final[dict[DnsStatus, str]] = {
    "nxdomain": "does not exist",
    "no-address": "has neither an A nor an AAAA record",
    "servfail": "cannot be resolved: its name servers fail, or its signatures do",
}


@check(
    "dns.unresolvable", severity="high", remedy="dns", source="RFC 1034 5.2.3; RFC 8499", scopes=("endpoint", "host")
)
def test_name_resolves(observation: Observation) -> None:
    """The name has an address. A resolver that does not answer tells nothing of the name."""
    dns = observation.dns
    if dns is None or dns.status == "not-asked":
        not_applicable("nothing was to be resolved")
    if dns.status == "timeout":
        inconclusive(f"the resolver did not answer: {dns.detail}")
    name = observation.endpoint.name or "the host's name"
    require(dns.status == "ok", f"{name} {_STATUS.get(dns.status, dns.status)}",
            observed=f"{dns.status}: {dns.detail}", required="an A or AAAA record")  # fmt: skip


@check(
    "dns.not-this-host",
    severity="high",
    remedy="dns",
    source="RFC 1034 3.6; BR 3.2.2.4.18",
    scopes=("endpoint", "host"),
)
def test_name_leads_to_this_host(server: HostView, observation: Observation) -> None:
    """The name has an address of the host that was logged into, or the host's certificate key answers there."""
    if observation.dns is None or observation.dns.status == "not-asked":
        not_applicable("nothing was to be resolved")
    if is_unresolved(observation):
        inconclusive("the name has no address that could be compared", because=UNRESOLVABLE)
    found, own = listing(observation.dns.addresses), listing(own_addresses(server))
    where = direction(observation, server)
    if where == "unknown":
        inconclusive(f"the name leads to {found}, the host knows itself as {own or 'nothing'}: behind NAT, say in the "
                     f'configuration by which addresses it is reached: [host."…"] addresses = [...]')  # fmt: skip
    require(where == "here", f"the name leads to {found}, the host is {own}", observed=observation.dns.addresses,
            required=own_addresses(server))  # fmt: skip
