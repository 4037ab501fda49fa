"""The names around the panel: a root, a TLD and two authoritative servers, and a resolver that begins at the root."""

from __future__ import annotations

from typing import Final

from tests.support.cpanel.lan import Lan
from tests.support.hosts.host import Host, HostFile
from tests.support.hosts.name_servers import KNOTD, NAMED, NSD, bind, hints, knot, nsd, resolver, serve

PANEL: Final = "server.panel.test"
STORE: Final = "store.provider.test"
RESOLVER: Final = "resolver.panel.test"
ROOT: Final = "a.root.test"
TLD: Final = "a.tld.test"
FIRST: Final = "ns1.panel.test"
SECOND: Final = "ns2.panel.test"
NAME_SERVERS: Final = (RESOLVER, ROOT, TLD, FIRST, SECOND)
_SOA: Final = "$TTL 60\n@ IN SOA ns hostmaster 1 60 60 600 5\n"
_BOTH: Final = f"@ IN NS {FIRST}.\n@ IN NS {SECOND}.\n"


def tell(lan: Lan, tree: dict[str, Host]) -> None:
    """Start the name servers of a wire, and let every host on it ask the resolver, and nothing else."""
    at = {host.name: lan.address(host.name) for host in lan.hosts}
    own = {"panel.test.": _panel(at), "provider.test.": _provider(at), "contact.test.": _contact(at)}
    serve(tree[ROOT], NAMED, *bind({".": _root(at)}))
    serve(tree[TLD], NSD, *nsd({"test.": _test(at)}))
    serve(tree[FIRST], KNOTD, *knot(own))
    serve(tree[SECOND], NAMED, *bind(own))
    serve(tree[RESOLVER], NAMED, *resolver(at[ROOT]))
    for host in lan.hosts:
        host.write(HostFile("/etc/resolv.conf", f"nameserver {at[RESOLVER]}\n"))


def root_hints(lan: Lan) -> str:
    """Return the hints that lead to the root of this tree."""
    return hints(lan.address(ROOT))


def _root(at: dict[str, str]) -> str:
    return f"{_SOA}. IN NS {ROOT}.\n{ROOT}. IN A {at[ROOT]}\ntest. IN NS {TLD}.\n{TLD}. IN A {at[TLD]}\n"


def _test(at: dict[str, str]) -> str:
    delegated = "".join(f"{zone} IN NS {FIRST}.\n{zone} IN NS {SECOND}.\n" for zone in ("panel", "provider", "contact"))
    glue = "".join(f"{name}. IN A {at[name]}\n" for name in (ROOT, TLD, FIRST, SECOND))
    return f"{_SOA}@ IN NS {TLD}.\n{glue}{delegated}"


def _panel(at: dict[str, str]) -> str:
    return f"{_SOA}{_BOTH}" + "".join(f"{name}. IN A {at[name]}\n" for name in (PANEL, FIRST, SECOND))


def _provider(at: dict[str, str]) -> str:
    return f"{_SOA}{_BOTH}{STORE}. IN A {at[STORE]}\n"


def _contact(at: dict[str, str]) -> str:
    return f"{_SOA}{_BOTH}@ IN MX 10 mail\nmail IN A {at[STORE]}\n"
