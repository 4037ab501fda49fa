"""A tree of real name servers, each a host of its own: bind at the root, nsd for `test.`, knot and bind below it.

A client is connected to each by a cable and resolves with a bind of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from tests.support.hosts.host import Host, HostFile, connect, running_host

_SOA: Final = "$TTL 60\n@ IN SOA ns hostmaster 1 60 60 600 5\n"
MANY: Final = tuple(f"198.18.7.{number}" for number in range(1, 91))
"""Too many addresses for a datagram; bind keeps no more than a hundred of a name (max-records-per-type)."""
SILENT: Final = "198.18.1.250"
"""An address from which no server responds."""

ROOT_ZONE: Final = """$TTL 60
. IN SOA a.root.test. hostmaster.test. 1 60 60 600 5
. IN NS a.root.test.
a.root.test. IN A 198.18.1.2
test. IN NS a.tld.test.
a.tld.test. IN A 198.18.2.2
a.tld.test. IN AAAA fd53:2::2
"""
TEST_ZONE: Final = f"""$ORIGIN test.
{_SOA}@ IN NS a.tld
a.tld IN A 198.18.2.2
a.tld IN AAAA fd53:2::2
a.root IN A 198.18.1.2
example IN NS ns1.example
ns1.example IN A 198.18.3.2
other IN NS ns.other
ns.other IN A 198.18.4.2
six IN NS ns.six
ns.six IN AAAA fd53:3::2
glueless IN NS ns-of-glueless.example
lamehost IN NS ns.lamehost
ns.lamehost IN A 198.18.5.2
lame IN NS ns.lamehost
halflame IN NS ns.lamehost
halflame IN NS ns1.example
silent IN NS ns.silent
ns.silent IN A {SILENT}
cycle-a IN NS ns.cycle-b
cycle-b IN NS ns.cycle-a
"""
EXAMPLE_ZONE: Final = f"""$ORIGIN example.test.
{_SOA}@ IN NS ns1
ns1 IN A 198.18.3.2
ns-of-glueless IN A 198.18.4.2
host IN A 198.18.0.7
host IN A 198.18.0.77
host IN AAAA fd53::7
six IN AAAA fd53::7
www IN CNAME host
cross IN CNAME host.other.test.
loop1 IN CNAME loop2
loop2 IN CNAME loop1
dangling IN CNAME nothere
text IN TXT "no address"
*.wild IN A 198.18.0.7
moved IN DNAME other.test.
mx IN A 198.18.0.7
mail IN MX 10 mx
mail IN MX 20 mx.other.test.
_443._tcp.host IN TLSA 3 1 1 abababababababababababababababababababababababababababababababab
_25._tcp.mx IN TLSA 2 1 1 cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
web1 IN A 198.18.21.2
web2 IN A 198.18.22.2
shared IN A 198.18.21.2
shared IN A 198.18.22.2
"""


@dataclass(frozen=True, slots=True)
class NameServer:
    """A host that serves zones: `number` is its cable's, so its address is 198.18.NUMBER.2."""

    name: str
    number: int
    configure: Callable[[Mapping[str, str]], tuple[HostFile, ...]]
    start: str
    zones: Mapping[str, str]


_MANY: Final = "".join(f"many IN A {address}\n" for address in MANY)


def _small_zone(*lines: str) -> str:
    return "\n".join((_SOA.rstrip(), "host IN A 198.18.0.8", *lines, ""))


HALFLAME_ZONE: Final = _small_zone("@ IN NS ns.lamehost.test.", "@ IN NS ns1.example.test.")
SIX_ZONE: Final = _small_zone("@ IN NS ns", "ns IN AAAA fd53:3::2")
OTHER_ZONE: Final = _small_zone("@ IN NS ns", "ns IN A 198.18.4.2")
GLUELESS_ZONE: Final = _small_zone("@ IN NS ns-of-glueless.example.test.")


def _file_of(zone: str) -> str:
    return f"{zone.rstrip('.') or 'root'}.zone"


def _zone_files(folder: str, zones: Mapping[str, str]) -> tuple[HostFile, ...]:
    return tuple(HostFile(f"{folder}/{_file_of(zone)}", text) for zone, text in zones.items())


def bind(zones: Mapping[str, str]) -> tuple[HostFile, ...]:
    """Return the files of a bind that serves zones."""
    served = "".join(f'zone "{zone}" {{ type primary; file "/etc/bind/{_file_of(zone)}"; }};\n' for zone in zones)
    options = "listen-on { any; }; listen-on-v6 { any; }; recursion no; dnssec-validation no; notify no;"
    text = f'options {{ directory "/var/cache/bind"; {options} }};\ncontrols {{ }};\n{served}'
    return (HostFile("/etc/bind/named.conf", text), *_zone_files("/etc/bind", zones))


def nsd(zones: Mapping[str, str]) -> tuple[HostFile, ...]:
    """Return the files of an nsd that serves zones."""
    served = "".join(f"zone:\n  name: {zone}\n  zonefile: {_file_of(zone)}\n" for zone in zones)
    text = f"""server:
  username: ""
  zonesdir: /etc/nsd
  server-count: 1
remote-control:
  control-enable: no
{served}"""
    return (HostFile("/etc/nsd/nsd.conf", text), *_zone_files("/etc/nsd", zones))


def knot(zones: Mapping[str, str]) -> tuple[HostFile, ...]:
    """Return the files of a knot that serves zones."""
    served = "".join(f"  - domain: {zone}\n    file: {_file_of(zone)}\n" for zone in zones)
    text = f"""server:
    listen: [0.0.0.0@53, ::@53]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
template:
  - id: default
    storage: /etc/knot
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
zone:
{served}"""
    return (HostFile("/etc/knot/knot.conf", text), *_zone_files("/etc/knot", zones))


NAMED: Final = "mkdir -p /run/named; named -n 1 -c /etc/bind/named.conf"
NSD: Final = "mkdir -p /run/nsd; nsd -c /etc/nsd/nsd.conf"
KNOTD: Final = "mkdir -p /run/knot; knotd -d -c /etc/knot/knot.conf"
NAME_SERVERS: Final = (
    NameServer("a.root.test", 1, bind, NAMED, {".": ROOT_ZONE}),
    NameServer("a.tld.test", 2, nsd, NSD, {"test.": TEST_ZONE}),
    NameServer(
        "ns1.example.test",
        3,
        knot,
        KNOTD,
        {"example.test.": EXAMPLE_ZONE + _MANY, "halflame.test.": HALFLAME_ZONE, "six.test.": SIX_ZONE},
    ),
    NameServer("ns.other.test", 4, bind, NAMED, {"other.test.": OTHER_ZONE, "glueless.test.": GLUELESS_ZONE}),
    NameServer("ns.lamehost.test", 5, bind, NAMED, {}),
)
"""Every server of the tree; the last one serves nothing that it is said to serve."""

_RESOLVER: Final = """options { directory "/var/cache/bind"; listen-on { any; }; listen-on-v6 { none; };
  allow-query { any; }; recursion yes; allow-recursion { any; };
  dnssec-validation no; notify no; empty-zones-enable no; };
controls { };
zone "." { type hint; file "/etc/bind/hints"; };
"""


def hints(address: str) -> str:
    """Return the hints that lead to a root server at an address."""
    return f". 3600000 IN NS a.root.test.\na.root.test. 3600000 IN A {address}\n"


def resolver(begins_at: str) -> tuple[HostFile, ...]:
    """Return the files of a bind that resolves from a root server at an address."""
    return HostFile("/etc/bind/named.conf", _RESOLVER), HostFile("/etc/bind/hints", hints(begins_at))


HINTS: Final = hints("198.18.1.2")


@contextmanager
def running_tree() -> Iterator[Host]:
    """Start all of it; gives the client, whose system resolver asks this tree and nothing else."""
    with ExitStack() as stack:
        client = stack.enter_context(running_host("names", "client.example.test"))
        for server in NAME_SERVERS:
            host = stack.enter_context(running_host("names", server.name))
            connect(client, host, server.number)
            serve(host, server.start, *server.configure(server.zones))
        serve(client, NAMED, *resolver("198.18.1.2"), HostFile("/etc/resolv.conf", "nameserver 127.0.0.1\n"))
        yield client


def serve(host: Host, command: str, *files: HostFile) -> None:
    """Write files on a host, start a name server there, and wait until it answers."""
    host.write(*files)
    host.shell(command)
    host.wait_for(53)
