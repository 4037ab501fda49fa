"""Iterative resolution from the root servers: follows referrals and CNAMEs, and tries every server of a zone.

`audit.probe.dns.query` sends the queries. No response is kept from one name for the next.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import dns.name
import dns.rdatatype
import dns.rrset

from audit.analysis.addresses import is_link_local
from audit.probe.deadline import Deadline, Stopped
from audit.probe.dns.query import DnsQuery, DnsResponse, Nameserver, ResponseKind, send_query
from audit.probe.dns.root_servers import RootServer

TraceFault = Literal[
    "nxdomain",  # the name, or the target of an alias, does not exist
    "no-address",  # it exists and has neither A nor AAAA
    "servfail",  # the servers of a zone return an error, or no valid response
    "lame",  # the servers of a zone do not serve it, or have no address themselves
    "timeout",  # no server of a zone responds or can be reached, or the trace took too long
    "loop",  # aliases or delegations lead back to themselves
    "too-long",  # more aliases, queries or nested look-ups of servers than the limit
]
_TYPES: Final = (dns.rdatatype.A, dns.rdatatype.AAAA)
_FAULT_OF: Final[dict[ResponseKind, TraceFault]] = {
    "lame": "lame",
    "servfail": "servfail",
    "broken": "servfail",
    "silent": "timeout",
    "unreachable": "timeout",
}
"""The fault of a zone by the failure of its server; after other kinds of responses the trace goes on."""
_OF_SERVER_NAME: Final[dict[TraceFault, TraceFault]] = {"nxdomain": "lame", "no-address": "lame"}
"""The fault of a zone if the look-up of its server fails with this fault; other faults stay as they are."""
_WORST_FIRST: Final[tuple[TraceFault, ...]] = ("servfail", "lame", "loop", "too-long", "timeout")
_MAX_NAMED: Final = 4  # servers named in one sentence; the steps name all


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """The limits of one trace; names in `_s` are seconds."""

    query_s: float = 2.0  # one query to one server: the shortest that RFC 1035 4.2.1 allows
    timeout_s: float = 20.0  # the whole trace: a resolver gives up one type after 10 s (BIND's resolver-query-timeout)
    max_queries: int = 100  # to servers, one by datagram and over TCP counted once: BIND's max-recursion-queries
    max_aliases: int = 11  # BIND's max-restarts
    max_depth: int = 7  # servers looked up to look up servers: BIND's max-recursion-depth
    max_bytes: int = 16_384  # of one response: room for five hundred AAAA records
    port: int = 53


@dataclass(frozen=True, slots=True)
class ResolutionStep:
    """One query to one server and its response. Names end in a dot; `records` as in a zone file."""

    zone: str
    server: str
    address: str
    name: str
    rdtype: str
    kind: ResponseKind
    rcode: str | None  # None if no message came
    rtt_s: float
    octets: int = 0
    over_tcp: bool = False
    records: tuple[str, ...] = ()
    detail: str = ""
    seeking: str | None = None  # the server whose address this query is for


@dataclass(frozen=True, slots=True)
class TraceFailure:
    """Why some or all addresses were not found."""

    kind: TraceFault
    detail: str


class _ResolutionFailed(Exception):
    """The resolution cannot go on; the failure says why."""

    def __init__(self, kind: TraceFault, detail: str) -> None:
        super().__init__(detail)
        self.failure = TraceFailure(kind, detail)


class _NameMissing(_ResolutionFailed):
    """A server of the zone says that the name does not exist."""


@dataclass(slots=True)
class _Zone:
    """A zone and its servers: with their addresses, or by name alone if no glue came."""

    name: dns.name.Name
    servers: list[tuple[str, str]]  # name and address
    nameonly: list[dns.name.Name] = field(default_factory=list)
    failed: dict[str, ResponseKind] = field(default_factory=dict)  # by address: how it failed last
    unfound: list[TraceFailure] = field(default_factory=list)  # why servers have no address

    def untried(self, queried: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the servers without a query so far: first those that never failed, IPv4 before IPv6."""
        servers = [server for server in self.servers if server not in queried]
        return sorted(servers, key=lambda server: (server[1] in self.failed, ":" in server[1]))


class IterativeResolver:
    """The state of one trace: its steps, the zones and aliases found so far, and the time left."""

    def __init__(self, hints: tuple[RootServer, ...], limits: TraceLimits, stop: threading.Event) -> None:
        """Begin at the servers of the hints and start the deadline of the trace; `stop` ends it with Stopped."""
        self.steps: list[ResolutionStep] = []
        self._limits = limits
        self._stop = stop
        self._deadline = Deadline.after(limits.timeout_s)
        roots = [(server.name, address) for server in hints for address in server.addresses]
        self._zones = {dns.name.root: _Zone(dns.name.root, roots)}
        self._aliases: dict[dns.name.Name, dns.name.Name] = {}
        self._missing: dict[dns.name.Name, str] = {}  # and the server that sent NXDOMAIN
        self._seeking: list[dns.name.Name] = []  # servers whose addresses are looked up, each for the one before
        self._sought = 0  # how many look-ups of servers began

    def find_addresses(self, name: dns.name.Name) -> tuple[list[str], tuple[TraceFailure, ...]]:
        """Return all addresses in the order of the responses, and the failures if some may be missing."""
        addresses: list[str] = []
        failures: list[TraceFailure] = []
        for rdtype in _TYPES:
            try:
                addresses += self._look_up(name, rdtype)
            except _ResolutionFailed as error:
                failures.append(error.failure)
        if not addresses and not failures:
            failures.append(
                TraceFailure("no-address", f"{name} has neither A nor AAAA, according to {self._last_server}")
            )
        return addresses, tuple(dict.fromkeys(failures))

    def aliases_of(self, name: dns.name.Name) -> list[dns.name.Name]:
        """Return the targets of the CNAMEs that were followed, in order, each once."""
        chain: list[dns.name.Name] = []
        while (target := self._aliases.get(name)) is not None and target not in chain:
            chain.append(name := target)
        return chain

    def query_every_server(
        self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> tuple[list[tuple[str, str, DnsResponse]], TraceFailure | None]:
        """Return the name, address and response of every server of the zone that has the records of a name.

        Aliases are followed. The failure is why there are no responses, or why some are missing.
        """
        responses: list[tuple[str, str, DnsResponse]] = []
        try:
            with contextlib.suppress(_NameMissing):  # one server's word, so all of them are queried
                self._final_response(name, rdtype)
            owner = [name, *self.aliases_of(name)][-1]
            zone = self._closest_zone(owner)
            for server, address in self._every_server(zone):
                responses.append((server, address, self._query(DnsQuery(zone.name, owner, rdtype), server, address)))
        except _ResolutionFailed as error:
            return responses, error.failure
        return responses, None

    def _every_server(self, zone: _Zone) -> list[tuple[str, str]]:
        """Return the servers of a zone at all their addresses but link-local ones; raises _ResolutionFailed."""
        for name in [*zone.nameonly]:
            self._find(zone, name, [])
        return [server for server in dict.fromkeys(zone.servers) if not is_link_local(server[1])]

    def _look_up(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> list[str]:
        """Return the addresses of one type, which may be none; raises _ResolutionFailed."""
        return [record.address for record in self._final_response(name, rdtype).records or ()]

    def _final_response(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> DnsResponse:
        """Follow aliases and return the response about the last name; raises _ResolutionFailed."""
        names: list[dns.name.Name] = []
        while name not in names:
            if len(names) > self._limits.max_aliases:
                raise _ResolutionFailed(
                    "too-long", f"{names[0]} has more than {self._limits.max_aliases} aliases in a row"
                )
            names.append(name)
            if name not in self._aliases:
                response = self._descend(name, rdtype)
                if response.kind != "alias":
                    return response
                self._aliases[name] = next(iter(response.records or ())).target
            name = self._aliases[name]
        raise _ResolutionFailed("loop", f"the aliases of {names[0]} lead back to {name}")

    def _descend(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> DnsResponse:
        """Follow referrals from the closest zone known to the one that has the name; raises _ResolutionFailed."""
        zone = self._closest_zone(name)
        while name not in self._missing:
            response = self._query_zone(zone, name, rdtype)
            if response.kind == "nxdomain":
                self._missing[name] = self._last_server
            elif response.kind != "referral" or response.records is None:
                return response
            else:
                zone = self._zones[response.records.name] = _delegated(response.records, response.glue)
        raise _NameMissing("nxdomain", f"{name} does not exist, according to {self._missing[name]}")

    @property
    def _last_server(self) -> str:
        """The server of the last response."""
        return f"{self.steps[-1].server} ({self.steps[-1].address})"

    def _closest_zone(self, name: dns.name.Name) -> _Zone:
        while name not in self._zones:
            name = name.parent()
        return self._zones[name]

    def _query_zone(self, zone: _Zone, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> DnsResponse:
        """Return the first valid response of a server of the zone; raises _ResolutionFailed if there is none."""
        faults = list(zone.unfound)
        for server, address in self._servers(zone, faults):
            if is_link_local(address):
                zone.failed[address] = "unreachable"
                faults.append(TraceFailure("lame", f"{server} ({address}): a link-local address is not queried"))
                continue
            response = self._query(DnsQuery(zone.name, name, rdtype), server, address)
            if response.kind not in _FAULT_OF:
                return response
            zone.failed[address] = response.kind
            faults.append(TraceFailure(_FAULT_OF[response.kind], f"{server} ({address}): {response.detail}"))
        raise _no_server(zone, faults)

    def _servers(self, zone: _Zone, faults: list[TraceFailure]) -> Iterator[tuple[str, str]]:
        """Yield servers until one responds: those with an address, those to look up, then the silent ones once more."""
        old_faults = frozenset(zone.failed)
        queried: list[tuple[str, str]] = []
        looked_up: list[dns.name.Name] = []
        while True:
            for server in zone.untried(queried):
                queried.append(server)
                yield server
            name = next((name for name in zone.nameonly if name not in looked_up), None)
            if name is None:
                break
            looked_up.append(name)
            self._find(zone, name, faults)
        for server in queried:
            if server[1] not in old_faults and zone.failed[server[1]] == "silent":
                yield server  # a datagram may have been lost

    def _find(self, zone: _Zone, server: dns.name.Name, faults: list[TraceFailure]) -> None:
        """Look up the addresses of a server without glue; a failure is a fault of the zone."""
        addresses: list[str] = []
        try:
            addresses = self._addresses_of_server(server)
        except _ResolutionFailed as error:
            kind = _OF_SERVER_NAME.get(error.failure.kind, error.failure.kind)
            faults.append(TraceFailure(kind, f"{server} has no address that could be found ({error.failure.kind})"))
            if kind == "loop":
                return  # another path may find it
            zone.unfound.append(faults[-1])
        zone.nameonly.remove(server)
        zone.servers += [(server.to_text(), address) for address in addresses]

    def _check_limits(self) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._deadline.has_passed:
            raise _ResolutionFailed("timeout", f"not finished after {self._limits.timeout_s:g} s")
        if max(len(self.steps), self._sought) >= self._limits.max_queries:
            raise _ResolutionFailed("too-long", f"not finished after {self._limits.max_queries} queries")

    def _addresses_of_server(self, server: dns.name.Name) -> list[str]:
        self._check_limits()
        self._sought += 1  # servers that refer to each other in circles cause look-ups without a query
        if server in self._seeking:
            raise _ResolutionFailed("loop", f"only {server} itself can send its address")
        if len(self._seeking) >= self._limits.max_depth:
            raise _ResolutionFailed("too-long", f"more than {self._limits.max_depth} nested look-ups of servers")
        self._seeking.append(server)
        try:
            addresses = self._look_up(server, dns.rdatatype.A) or self._look_up(server, dns.rdatatype.AAAA)
        finally:
            self._seeking.pop()
        if not addresses:
            raise _ResolutionFailed("no-address", f"{server} has neither A nor AAAA")
        return addresses

    def _query(self, query: DnsQuery, server: str, address: str) -> DnsResponse:
        """Send a query to one server and record the step; raises _ResolutionFailed at a limit of the trace."""
        self._check_limits()
        began = time.monotonic()
        deadline = self._deadline.within(self._limits.query_s)
        response = send_query(query, Nameserver(address, self._limits.port, deadline, self._limits.max_bytes))
        self.steps.append(
            ResolutionStep(
                zone=query.zone.to_text(),
                server=server,
                address=address,
                name=query.name.to_text(),
                rdtype=query.rdtype.name,
                kind=response.kind,
                rcode=response.rcode,
                rtt_s=time.monotonic() - began,
                octets=response.octets,
                over_tcp=response.over_tcp,
                records=tuple(response.records.to_text().splitlines()) if response.records else (),
                detail=response.detail,
                seeking=self._seeking[-1].to_text() if self._seeking else None,
            )
        )
        return response


def _no_server(zone: _Zone, faults: Collection[TraceFailure]) -> _ResolutionFailed:
    kinds = {fault.kind for fault in faults}
    worst: TraceFault = next((kind for kind in _WORST_FIRST if kind in kinds), "lame")
    details = list(dict.fromkeys(fault.detail for fault in faults))[:_MAX_NAMED] or ["none of them has an address"]
    return _ResolutionFailed(worst, f"no server of {zone.name} responds: {'; '.join(details)}")


def _delegated(referral: dns.rrset.RRset, glue: Collection[dns.rrset.RRset]) -> _Zone:
    """Return the zone of a referral, with the addresses of its servers from the glue."""
    servers = [(records.name.to_text(), record.address) for records in glue for record in records]
    glued = {records.name for records in glue}
    return _Zone(referral.name, servers, [record.target for record in referral if record.target not in glued])
