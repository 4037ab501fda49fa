"""The TXT records of a name: at every server of its zone, found from the root servers, or as the resolver has them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.name
import dns.rdatatype

from audit.probe.dns.iterative import IterativeResolver, TraceLimits
from audit.probe.dns.query import DnsResponse
from audit.probe.dns.records import record_text, records_of
from audit.probe.dns.root_servers import RootServer
from audit.probe.target import Limits

_SUCCESSFUL: Final = ("addresses", "no-data", "nxdomain")


@dataclass(frozen=True, slots=True)
class ServerTexts:
    """The TXT records of a name at one server. `fault` is why the server sent no valid response; empty if it did.

    `address` is that of the server, and empty for the resolver. The strings of a record are joined. Text that a server
    sent is not escaped.
    """

    server: str
    address: str
    texts: tuple[str, ...] = ()
    fault: str = ""


def traced_texts(
    name: str, hints: tuple[RootServer, ...], limits: TraceLimits, stop: threading.Event
) -> tuple[ServerTexts, ...]:
    """Return the records at every server of the zone, at least one fault; raises Stopped if `stop` is set."""
    try:
        owner = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, UnicodeError) as error:
        return (ServerTexts("no server", "", fault=f"{name!a} is not a domain name: {error}"),)
    responses, failure = IterativeResolver(hints, limits, stop).query_every_server(owner, dns.rdatatype.TXT)
    found = [_at_server(server, address, response) for server, address, response in responses]
    if failure or not found:
        detail = failure.detail if failure else f"no server of the zone of {name} has an address"
        found.append(ServerTexts("the trace from the root servers", "", fault=detail))
    return tuple(found)


def resolved_texts(name: str, limits: Limits, stop: threading.Event) -> ServerTexts:
    """Return the records as the resolver has them; raises Stopped if `stop` is set."""
    found = records_of(name, "TXT", limits, stop)
    fault = found.detail if found.status in ("servfail", "timeout") else ""
    return ServerTexts("the resolver", "", found.records, fault)


def _at_server(server: str, address: str, response: DnsResponse) -> ServerTexts:
    if response.kind not in _SUCCESSFUL:
        return ServerTexts(server, address, fault=response.detail or f"it sends a {response.kind} in place of records")
    return ServerTexts(server, address, tuple(sorted(map(record_text, response.records or ()))))
