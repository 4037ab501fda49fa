"""Reads where nginx passes TLS through to another server by the requested name (`ssl_preread`), and for which names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from audit.endpoint import WILDCARD_LABEL
from audit.services.model import Listener, nowhere
from audit.services.nginx.sockets import Listen
from audit.services.nginx.syntax import Directive, values

_NAME: Final = "$ssl_preread_server_name"
_HTTPS: Final = (443, 8443)
_NO_NAMES: Final = ("default", "hostnames", "volatile")


def passed_through(server: Directive, outer: Directive, socket: Listen) -> Iterator[Listener]:
    """Yield the listener of a server in `stream` that reads the name and keeps the TLS; its files are elsewhere."""
    if values((server, outer), "ssl_preread")[-1:] != ["on"]:
        return
    why = f"nginx passes TLS at port {socket.port} through to other servers, which have the certificates"
    names = tuple(dict.fromkeys(_names(outer, "".join(values((server,), "proxy_pass")[:1]))))
    scheme = "https" if socket.port in _HTTPS else "tls"
    listener = Listener(
        scheme, socket.port, socket.addresses, names, (), (why,), "always" if socket.expects_proxy else "never"
    )
    yield listener if names else nowhere(why)


def _names(outer: Directive, target: str) -> Iterator[str]:
    """Yield the names by which a `map` selects the target; a wildcard stands for any name."""
    for table in outer.all("map"):
        if table.arguments != (_NAME, target):
            continue
        for key in (entry.name for entry in table.block if entry.name not in _NO_NAMES):
            if not re.search(r"[*~$]", key):
                yield key.removeprefix(".")
            elif re.fullmatch(r"\*\.[^*~$]+", key):
                yield key.replace("*", WILDCARD_LABEL, 1)
