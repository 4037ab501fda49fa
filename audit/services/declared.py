"""Reads the services that the user declares in the configuration file, with their endpoints and files."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from audit.endpoint import parse_endpoint
from audit.observation.website import Docroot, Website
from audit.services.model import ANY, Listener, pair


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """One `[[service]]` of the configuration, as it applies to a host; `test` is a shell command for that host."""

    name: str
    endpoints: tuple[str, ...]
    certificate: str | None = None
    key: str | None = None
    chain: str | None = None
    docroot: str | None = None
    test: str | None = None
    reload: str | None = None


def listeners_of(service: DeclaredService) -> tuple[Listener, ...]:
    """Return the listeners of a declared service; raises BadEndpoint if one of its URLs is not valid."""
    files = pair(service.certificate, service.key, service.chain)
    template = Listener("tls", 0, files=files)
    return tuple(
        dataclasses.replace(
            template,
            scheme=endpoint.scheme,
            port=endpoint.port,
            names=(endpoint.name,),
            addresses=(endpoint.address,) if endpoint.address else ANY,
        )
        for endpoint in map(parse_endpoint, service.endpoints)
    )


def websites_of(service: DeclaredService) -> tuple[Website, ...]:
    """Return the website of the docroot that the user names. It has the names of all endpoints of the service."""
    if service.docroot is None:
        return ()
    names = tuple(dict.fromkeys(parse_endpoint(url).name for url in service.endpoints))
    if service.docroot.startswith("/"):
        return (Website(service.name, "declared", 0, names=names, docroot=Docroot(service.docroot)),)
    reason = f"the docroot {service.docroot!r} that is declared for {service.name} is not an absolute path"
    return (Website(service.name, "declared", 0, names=names, why=reason),)
