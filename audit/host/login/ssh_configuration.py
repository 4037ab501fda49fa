"""Reads from ssh itself how it would log in: `ssh -G` prints the configuration of a host as it applies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.host.login.unfinished_logins import SharedKey

_MOST_JUMPS: Final = 8
_PORT: Final = "22"
Read = Callable[[str], Mapping[str, str]]
"""Returns the configuration of a destination of ssh; empty if ssh cannot read it."""


@dataclass(frozen=True, slots=True)
class LoginRoute:
    """What a login connects to first: names of hosts that are resolved here, and a text for each other way.

    A name is followed by a space and the port if that is not 22. `behind` is the jump host that connects to the names.
    """

    names: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    behind: str = ""


@dataclass(frozen=True, slots=True)
class SshConfiguration:
    """The configuration of one host, by keyword in lower case."""

    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def control_path(self) -> str | None:
        """The control socket that the user configured for this host."""
        return self.values.get("controlpath")

    @property
    def keeps_master(self) -> bool:
        """Whether the user's configuration makes ssh share one connection, and keep it between commands."""
        shares = self.values.get("controlmaster", "false") not in ("false", "no")
        return shares and self.values.get("controlpersist", "no") not in ("false", "no")

    @property
    def jumps(self) -> tuple[str, ...]:
        """The jump hosts of this host, in the order in which they are logged into."""
        return () if self._command else tuple(_jumps(self.values))

    @property
    def _command(self) -> str | None:
        command = self.values.get("proxycommand", "none")
        return None if command == "none" else command

    def route(self, read: Read) -> LoginRoute:
        """Return what a login to this host connects to first; `read` is for its jump hosts."""
        if self._command:
            return LoginRoute(proxies=(self._command,))
        if self.jumps:
            return _route_of_jumps(list(self.jumps), read, _MOST_JUMPS)
        return LoginRoute((_with_port(self.values["hostname"], self.values),) if "hostname" in self.values else ())

    def route_behind(self, jump: str) -> LoginRoute:
        """Return the same for a login through a connection to its jump host that is open."""
        name = self.values.get("hostname")
        return LoginRoute((_with_port(name, self.values),) if name else (), behind=jump)


def parse_configuration(text: str) -> dict[str, str]:
    """Return the keywords and values that `ssh -G` printed."""
    lines = (line.partition(" ") for line in text.splitlines())
    return {keyword.lower(): value.strip() for keyword, _, value in lines if value}


def jump_uri(jump: str) -> str:
    """Return a jump host as ssh's command line takes it, a URI: `[USER@]HOST[:PORT]` would be read as a name."""
    return jump if jump.startswith("ssh://") else f"ssh://{jump}"


def _jumps(values: Mapping[str, str]) -> list[str]:
    given = values.get("proxyjump", "none")
    return [] if given == "none" else [jump.strip() for jump in given.split(",") if jump.strip()]


def _route_of_jumps(jumps: list[str], read: Read, most: int) -> LoginRoute:
    """Return the jump hosts of a way, with those that they themselves are reached by."""
    names, proxies = list[str](), list[str]()
    for jump in jumps[:most]:
        proxies.append(f"jump {_host(jump)}")
        values = read(jump_uri(jump))
        command = values.get("proxycommand", "none")
        further = _jumps(values)
        if command != "none":
            proxies.append(command)
        elif further and most > 1:
            route = _route_of_jumps(further, read, most - 1)
            names += route.names
            proxies += route.proxies
        else:
            names.append(_with_port(values.get("hostname", _host(jump)), values))
    return LoginRoute(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(proxies)))


def _with_port(name: str, values: Mapping[str, str]) -> str:
    port = values.get("port", _PORT)
    return name if port == _PORT else f"{name} {port}"


def _host(jump: str) -> str:
    """Return the host of a jump, without user and port."""
    match = re.fullmatch(r"(?:ssh://)?(?:[^@]*@)?(\[[^\]]+\]|[^:/]+)(?::\d+)?/?", jump)
    return match[1].strip("[]") if match else jump


def shared_keys(route: LoginRoute, addresses_of: Callable[[str], tuple[str, ...]]) -> Iterator[SharedKey]:
    """Yield a key for each address and port, jump host or proxy that a login shares with others.

    Each sshd has a limit of its own: one that hangs at another port of the address does not hold this one up.
    """
    for place in route.names:
        name, space, port = place.partition(" ")
        for address in addresses_of(name) or (name,):
            yield SharedKey(" ".join(filter(None, (route.behind, f"{address}{space}{port}"))))
    yield from (SharedKey(proxy, is_opaque=True) for proxy in route.proxies)
