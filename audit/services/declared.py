"""Services that the configuration file of the user declares: their endpoints and files are what the user says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from audit.endpoint import parse_endpoint
from audit.observation.website import Docroot, Website
from audit.services.model import ANY, Listener, pair


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


def websites_of(service: DeclaredService) -> tuple[Website, ...]:
    """Return the website whose folder the user names: it holds for the names of all its endpoints."""
    if service.docroot is None:
        return ()
    names = tuple(dict.fromkeys(parse_endpoint(url).name for url in service.endpoints))
    if service.docroot.startswith("/"):
        return (Website(service.name, "declared", 0, names=names, docroot=Docroot(service.docroot)),)
    why = f"the docroot {service.docroot!r} that is declared for {service.name} is no absolute path"
    return (Website(service.name, "declared", 0, names=names, why=why),)
