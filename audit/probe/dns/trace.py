"""Traces a name from the root servers down: the queries, the response of each server, and the addresses of the name.

Only records in the zone of its referral are used of a server's response. No resolver is used, and no DNSSEC signature
is validated.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dns.exception
import dns.name

from audit.probe.dns.iterative import IterativeResolver, ResolutionStep, TraceFailure, TraceFault, TraceLimits
from audit.probe.dns.root_servers import ROOT_SERVERS, RootServer

__all__ = [
    "Difference",
    "ResolutionStep",
    "Trace",
    "TraceFailure",
    "TraceFault",
    "TraceLimits",
    "as_lines",
    "difference",
    "trace",
]


@dataclass(frozen=True, slots=True)
class Trace:
    """The way from the root to a name, A-labels without the final dot.

    `failures` says why A or AAAA could not be traced. Text of a server is escaped if it is not printable.
    """

    name: str
    steps: tuple[ResolutionStep, ...] = ()
    aliases: tuple[str, ...] = ()  # the targets of the CNAMEs, in order
    addresses: tuple[str, ...] = ()  # every A and AAAA, IPv4 first, in the order of their numbers
    first_address: str | None = None  # the first A in the response, as `dig +trace` prints it
    failures: tuple[TraceFailure, ...] = ()
    elapsed_s: float = 0.0

    @property
    def failure(self) -> TraceFailure | None:
        """Why no address at all was found; None if one was."""
        return self.failures[0] if self.failures and not self.addresses else None


@dataclass(frozen=True, slots=True)
class Difference:
    """The addresses that only a resolver or only the authoritative servers return."""

    only_traced: tuple[str, ...]
    only_resolved: tuple[str, ...]

    def __str__(self) -> str:
        """Return both differences in a sentence."""
        sides = (("the authoritative servers", self.only_traced), ("the resolver", self.only_resolved))
        return "; ".join(f"only {source} gave {', '.join(addresses)}" for source, addresses in sides if addresses)


def trace(
    name: str,
    *,
    hints: tuple[RootServer, ...] = ROOT_SERVERS,
    limits: TraceLimits | None = None,
    stop: threading.Event | None = None,
) -> Trace:
    """Follow a name from the root servers to all its addresses, always within the limits.

    Raises Stopped if `stop` is set meanwhile.
    """
    began = time.monotonic()
    try:
        domain_name = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, UnicodeError) as error:
        return Trace(name, failures=(TraceFailure("nxdomain", f"{name!a} is not a domain name: {error}"),))
    descent = IterativeResolver(hints, limits or TraceLimits(), stop or threading.Event())
    addresses, failures = descent.find_addresses(domain_name)
    return Trace(
        domain_name.to_text(omit_final_dot=True),
        tuple(descent.steps),
        tuple(alias.to_text() for alias in descent.aliases_of(domain_name)),
        _in_order(addresses),
        next((address for address in addresses if ":" not in address), None),
        failures,
        time.monotonic() - began,
    )


def difference(traced: Trace, resolved: Iterable[str]) -> Difference | None:
    """Return how the addresses of a resolver differ from the traced ones; None if they are the same."""
    theirs, ours = (set(map(ipaddress.ip_address, addresses)) for addresses in (resolved, traced.addresses))
    if theirs == ours:
        return None
    return Difference(_in_order(map(str, ours - theirs)), _in_order(map(str, theirs - ours)))


def as_lines(traced: Trace) -> Iterator[str]:
    """Yield the steps as `dig +trace` prints them, then the result."""
    for step in traced.steps:
        yield from step.records
        yield f";; {_how(step)}"
    yield from (f";; {traced.name} is an alias of {alias}" for alias in traced.aliases[-1:])
    yield from (f";; {traced.name} has address {address}" for address in traced.addresses)
    yield from (f";; {failure.kind}: {failure.detail}" for failure in traced.failures)


def _how(step: ResolutionStep) -> str:
    query = f"{step.name} {step.rdtype}" + (f" to find {step.seeking}" if step.seeking else "")
    duration = f"in {1000 * step.rtt_s:.0f} ms" + (" over TCP" if step.over_tcp else "")
    outcome = f"Received {step.octets} bytes" if step.rcode else f"No response ({step.detail})"
    fault = f": {step.detail}" if step.rcode and step.detail else ""
    return f"{outcome} from {step.address} ({step.server}) {duration}: {step.kind} for {query}{fault}"


def _in_order(texts: Iterable[str]) -> tuple[str, ...]:
    unique = {ipaddress.ip_address(address) for address in texts}
    return tuple(str(address) for address in sorted(unique, key=lambda address: (address.version, address)))
