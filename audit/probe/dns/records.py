"""Reads records of a name other than addresses, by the system's or a configured resolver, within a deadline.

No DNSSEC signature is validated here: a validating resolver returns SERVFAIL if a signature is not valid.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, Literal

import dns.exception
import dns.message
import dns.nameserver
import dns.query
import dns.rdata
import dns.rdatatype
import dns.rdtypes.txtbase
import dns.resolver

from audit.probe.deadline import Stopped
from audit.probe.dns.resolver import nameserver
from audit.probe.target import Limits

RecordType = Literal["CNAME", "MX", "TLSA", "TXT"]
RecordStatus = Literal["ok", "none", "servfail", "timeout"]
_REACH_S: Final = 1.5  # for any response from one name server of the system


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The records of one type of a name, in presentation form and sorted; `none` covers NXDOMAIN and NODATA.

    The strings of a TXT record are joined, without quotes.
    `ttl_s` is how long a resolver may keep the set from now on.
    """

    name: str
    type: RecordType
    status: RecordStatus
    records: tuple[str, ...] = ()
    ttl_s: int = 0
    detail: str = ""


def records_of(name: str, record_type: RecordType, limits: Limits, stop: threading.Event) -> RecordSet:
    """Return the records of a name; raises Stopped if `stop` is set before the query is sent."""
    if stop.is_set():
        raise Stopped
    resolver = _resolver(limits)
    if isinstance(resolver, str):
        return RecordSet(name, record_type, "timeout", detail=resolver)
    resolver.lifetime = limits.resolve_s
    resolver.timeout = limits.resolve_s / 2  # a second server gets its turn
    try:
        response = resolver.resolve(name, record_type, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return RecordSet(name, record_type, "none")
    except dns.resolver.LifetimeTimeout:
        return RecordSet(name, record_type, "timeout", detail=f"no response about {name} {record_type} in time")
    except dns.exception.DNSException as error:
        reason = " ".join(str(error).split())[:120]
        return RecordSet(name, record_type, "servfail", detail=f"{name} {record_type}: {reason}")
    records = tuple(sorted(record_text(record) for record in response))
    return RecordSet(name, record_type, "ok", records, int(response.rrset.ttl) if response.rrset else 0)


def record_text(record: dns.rdata.Rdata) -> str:
    """Return a record in presentation form; of a TXT record its strings, joined and without quotes."""
    if isinstance(record, dns.rdtypes.txtbase.TXTBase):
        return b"".join(record.strings).decode("utf-8", "replace")
    return record.to_text()


def resolver_responds(limits: Limits) -> bool:
    """Return whether any name server of the resolver responds: a system may have only a hosts file."""
    resolver = _resolver(limits)
    if isinstance(resolver, str):
        return False
    question = dns.message.make_query(".", dns.rdatatype.NS)
    for server in resolver.nameservers:
        if isinstance(server, str):
            continue
        try:
            server.query(question, _REACH_S, source=None, source_port=0, max_size=False)
        except (dns.exception.DNSException, OSError):
            continue
        return True
    return False


def _resolver(limits: Limits) -> dns.resolver.Resolver | str:
    """Return the configured resolver, or the reason why there is none."""
    if limits.resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [nameserver(text) for text in limits.resolver]
        return resolver
    try:
        resolver = dns.resolver.Resolver()
    except dns.exception.DNSException as error:
        return f"this system has no resolver: {' '.join(str(error).split())[:120]}"
    resolver.nameservers = [
        dns.nameserver.Do53Nameserver(server, resolver.port) if isinstance(server, str) else server
        for server in resolver.nameservers
    ]
    return resolver
