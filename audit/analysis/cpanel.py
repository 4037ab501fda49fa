"""Returns what the checks of a cPanel & WHM server need first: its state, and the rights to read it."""

from __future__ import annotations

from audit.analysis import Exempt, Obstacle, Uncertain
from audit.analysis.addresses import own_addresses
from audit.analysis.host_facts import host_view
from audit.analysis.reachability import UNRESOLVABLE, is_unresolved
from audit.firewall.exposure import LISTED, narrowness, openness, shortcomings
from audit.observation import HttpProbe, Observation
from audit.observation.cpanel import CpanelState, Matter
from audit.observation.firewall import Firewall, HttpValidation
from audit.text import join_clauses
from audit.x509.identifiers import host_name_faults


def cpanel_state(observation: Observation) -> CpanelState | Obstacle:
    """Return the state of certificate maintenance on a cPanel & WHM server, or why there is no state to judge."""
    server = host_view(observation)
    if isinstance(server, Uncertain):
        return server
    if server.cpanel is None and server.is_cpanel:
        return Uncertain("the certificate maintenance of this cPanel & WHM server was not observed")
    return server.cpanel or Exempt("the host is not a cPanel & WHM server")


def http_validation(observation: Observation) -> HttpValidation | Obstacle:
    """Return the names that a CA validates by HTTP for a repair and what it meets, or why there are none."""
    server = host_view(observation)
    if not isinstance(server, Uncertain) and server.validation is not None:
        return server.validation
    state = cpanel_state(observation)
    if isinstance(state, CpanelState):
        name = observation.server.fqdn if observation.server else None
        return HttpValidation(
            (name,) if name else (), state.firewall, state.missing("firewall"), state.tokens, state.missing("tokens")
        )
    if isinstance(state, Exempt):
        return Exempt("no CA validates a name of the host by HTTP: no repair of its certificates is configured")
    return state


def unreadable_firewall(validation: HttpValidation) -> Uncertain | None:
    """Return which part of the firewall the login may not read; None if it read all rules."""
    return _unreadable(validation.unread)


def unlisted_tokens(validation: HttpValidation) -> Uncertain | None:
    """Return which folders of tokens were not listed; None if all were."""
    return _unreadable(validation.unlisted)


def unreadable_part(state: CpanelState, matter: Matter) -> Uncertain | None:
    """Return which part of the state the login may not read; None if it read the whole state."""
    return _unreadable(state.missing(matter))


def _unreadable(missing: tuple[str, ...]) -> Uncertain | None:
    return Uncertain(f"this login cannot read all of it: {join_clauses(missing)}") if missing else None


def http_probes(observation: Observation) -> tuple[HttpProbe, ...] | Uncertain:
    """Return the HTTP responses at port 80 of the names to validate, or why there are no responses."""
    if observation.http_probes:
        return observation.http_probes
    if is_unresolved(observation):
        return Uncertain("the host's name has no address that could be probed", because=UNRESOLVABLE)
    if observation.server and observation.server.validation:
        return Uncertain("none of the names to validate has an address that could be probed", because=UNRESOLVABLE)
    name = observation.server.fqdn if observation.server else None
    if name is None or host_name_faults(name):
        return Uncertain("the host's own name cannot be resolved", because="host.name-invalid")
    return Uncertain("port 80 was not probed")


def addresses_of(observation: Observation) -> tuple[str, ...]:
    """Return the addresses that connections to the host may be sent to."""
    return own_addresses(observation.server) if observation.server else ()


def closed_by_firewall(firewall: Firewall, own: tuple[str, ...]) -> Uncertain | None:
    """Return a message if the firewall closes port 80, which explains a missing response; else None."""
    if shortcomings(firewall, own):
        return Uncertain("there is no response, because the firewall closes the port", because="dcv.firewall")
    if narrowness(firewall, own, (4, 6))[0]:
        return Uncertain(
            "there is no response, because the firewall closes the port to most addresses",
            because="dcv.firewall-narrow",
        )
    return None


def closed_to_listed(firewall: Firewall, own: tuple[str, ...]) -> Uncertain | None:
    """Return a message if the firewall refuses all listed addresses, which is a finding of its own; else None."""
    if len(openness(firewall, LISTED, own).refused) < len(LISTED):
        return None
    return Uncertain("it is closed to the listed addresses too", because="dcv.firewall")


def refused_internet(firewall: Firewall, observation: Observation) -> tuple[tuple[str, ...], Uncertain | None]:
    """Return one message per IP version for which too much of the Internet is refused, and why that is not certain.

    IPv6 is judged if a name has an IPv6 address.
    """
    resolved = observation.dns.addresses if observation.dns else ()
    probed = (probe.address for probe in observation.http_probes or ())
    has_ipv6 = any(":" in address for address in (*resolved, *probed))
    faults, doubt = narrowness(firewall, addresses_of(observation), (4, 6) if has_ipv6 else (4,))
    if not doubt:
        return faults, None
    return faults, Uncertain(f"it is not known whether TCP port 80 is open to all the Internet: {doubt}")


def undecided_rule(firewall: Firewall, own: tuple[str, ...]) -> Uncertain | None:
    """Return the first listed address that a rule may or may not accept; None if all are decided."""
    for address, rule in openness(firewall, LISTED, own).unknown.items():
        return Uncertain(f"it is not known whether {address} can connect to TCP port 80: {rule}")
    return None
