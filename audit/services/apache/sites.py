"""Returns apache's websites of plain HTTP: which virtual host answers at which socket, under which names.

apache chooses by address and port. `docroot.py` finds the folder from which a virtual host answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from audit.observation.website import ANY_IPV4, ANY_IPV6, Website
from audit.services.apache.docroot import VirtualHost, folder_of, hosts_in
from audit.services.apache.logs import apache_logs
from audit.services.apache.syntax import ApacheConfiguration, names, place, read_apache_configuration, speaks_tls
from audit.services.block_syntax import Block
from audit.services.config_files import to_port
from audit.services.model import ANY, ConfigDump

Places = Mapping[int, Sequence[tuple[str | None, int | None]]]
"""Where each part is bound, by its identity: None is every address, and every port."""
_ANYWHERE: Final = "?"  # an address that is not known


def read(dump: ConfigDump) -> tuple[Website, ...]:
    """Return the websites of an apache configuration."""
    configuration = read_apache_configuration(dump)
    return tuple(_websites(configuration)) if configuration else ()


def _websites(configuration: ApacheConfiguration) -> Iterator[Website]:
    plain = [words for words in configuration.root.values("Listen") if words and words[1:] != ("https",)]
    listening = [(words[0], found) for words in plain if (found := place(words[0]))]
    for port in dict.fromkeys(number for _, (_, number) in listening if number):
        bound = [address for written, (_, number) in listening if number == port for address in _bound(written)]
        yield from _at_port(configuration, port, list(dict.fromkeys(bound)))


def _bound(written: str) -> tuple[str, ...]:
    """Return what a `Listen` binds; a socket of all IPv6 addresses takes IPv4 too, as Linux does unasked."""
    if written.startswith(f"{ANY_IPV4}:"):
        return (ANY_IPV4,)
    address = (place(written) or (None, None))[0]
    return ANY if address in (None, ANY_IPV6) else (address,)


def _at_port(configuration: ApacheConfiguration, port: int, bound: list[str]) -> Iterator[Website]:
    """Yield the websites at one port in the order of the configuration; the main server where there are no others."""
    root = configuration.root
    places = {id(part): list(_places(part, configuration, port)) for part in root.parts}
    hosts = [part for part in root.parts if places[id(part)]]
    asked = dict.fromkeys(bound)
    if not {ANY_IPV4, ANY_IPV6}.isdisjoint(bound):
        asked |= dict.fromkeys(at for part in hosts for at, _ in places[id(part)] if at not in (None, _ANYWHERE))
    sockets: dict[tuple[int, bool], list[str]] = {}
    for address in asked:
        chain = _chain(hosts, places, None if address in ANY else address) or [root]
        for part in chain:
            sockets.setdefault((id(part), part is chain[0]), []).append(address)
    for part in [*hosts, root]:
        for is_default in (True, False):
            addresses = sockets.get((id(part), is_default))
            if addresses and not speaks_tls(part, root):
                yield _website(VirtualHost(part, configuration, port), tuple(addresses), is_default=is_default)


def _places(part: Block, configuration: ApacheConfiguration, port: int) -> Iterator[tuple[str | None, int | None]]:
    """Yield where a virtual host is bound at a port, or at all of them; what is bound to a name may be anywhere."""
    for word in (word for one in hosts_in(part, configuration) for word in one.arguments):
        written = word.rpartition(":")[2]
        address, number = place(word) or (_ANYWHERE, to_port(written) or port)
        if number in (None, port):
            yield None if address == ANY_IPV6 else address, number


def _chain(hosts: Sequence[Block], places: Places, address: str | None) -> list[Block]:
    """Return the virtual hosts that are asked at an address: those bound to it, else those bound to all.

    Those for any port are asked apart from those for this one: whichever comes first.
    """
    for wanted in dict.fromkeys((address, None)):
        found = [(part, at, number) for part in hosts for at, number in places[id(part)] if at in (wanted, _ANYWHERE)]
        kinds = [number for _, at, number in found if at == wanted]
        chain = {id(part): part for part, at, number in found if at == _ANYWHERE or number == kinds[0]}
        if chain and (kinds or wanted is None):
            return list(chain.values())
    return []


def _website(host: VirtualHost, addresses: tuple[str, ...], *, is_default: bool) -> Website:
    """Return a website; a host without a name goes by the main server's."""
    written = names(host.part) or names(host.configuration.root)
    if host.part.kind == "use":
        written = [f"~Use {' '.join(host.part.arguments)}"]
    known = tuple(f"~{name}" if "${" in name else name if name[:1] == "~" else name.lower() for name in written)
    found = folder_of(host)
    docroot, why = (None, found) if isinstance(found, str) else (found, "")
    own = [] if host.part is host.configuration.root else hosts_in(host.part, host.configuration)
    logs = apache_logs(own, host.configuration)
    return Website("apache", "first", host.port, addresses, known, is_default, docroot, why, logs)
