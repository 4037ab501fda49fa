"""Services we do not know, declared in the configuration file: their endpoints and files are what the user says.

It knows nothing of any daemon.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from audit.endpoint import parse_endpoint
from audit.services.service import ANY, Listener, pair


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """One `[[service]]` of the configuration, as it applies to a host; `test` is a shell command run there."""

    name: str
    endpoints: tuple[str, ...]
    certificate: str | None = None
    key: str | None = None
    chain: str | None = None
    docroot: str | None = None
    test: str | None = None
    reload: str | None = None


def listeners_of(service: DeclaredService) -> tuple[Listener, ...]:
    """Return the listeners of a declared service; raises BadEndpoint where one of its URLs is none."""
    files = pair(service.certificate, service.key, service.chain)
    base = Listener("tls", 0, files=files)
    return tuple(
        dataclasses.replace(
            base, scheme=one.scheme, port=one.port, names=(one.name,), addresses=(one.address,) if one.address else ANY
        )
        for one in map(parse_endpoint, service.endpoints)
    )
