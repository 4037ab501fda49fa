"""Builds the input of discovery: how each host is logged into, and its settings in the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from audit.config.schema import BadConfiguration, Configuration, HostSettings, ServiceSettings
from audit.endpoint import BadEndpoint, parse_endpoint
from audit.host.discovery import Login
from audit.services.declared import DeclaredService
from audit.text import matches_glob


def logins(hosts: Iterable[str], configuration: Configuration, testinfra: Mapping[str, Any]) -> tuple[Login, ...]:
    """Return the login of each host specification; raises BadConfiguration. `testinfra` are testinfra's own options."""
    return tuple(_login(hostspec, configuration, testinfra) for hostspec in hosts)


def host_of(configuration: Configuration, hostspec: str) -> HostSettings:
    """Return the settings of a host: the first `[host."GLOB"]` that matches it."""
    return next(
        (settings for glob, settings in configuration.host.items() if matches_glob(glob, hostspec)), HostSettings()
    )


def _login(hostspec: str, configuration: Configuration, testinfra: Mapping[str, Any]) -> Login:
    host = host_of(configuration, hostspec)
    if host.collector and not host.collector.startswith("/"):
        raise BadConfiguration(f"{configuration.file}: host.collector {host.collector!r} is not an absolute path")
    services = tuple(
        _declared(service, configuration) for service in configuration.service if matches_glob(service.host, hostspec)
    )
    return Login(
        hostspec, testinfra, host.name, host.addresses, services, discover=host.discover, collector=host.collector
    )


def _declared(service: ServiceSettings, configuration: Configuration) -> DeclaredService:
    try:
        for url in service.endpoints:
            parse_endpoint(url)
    except BadEndpoint as error:
        raise BadConfiguration(f"{configuration.file}: service {service.name!r}: {error}") from error
    return DeclaredService(
        name=service.name,
        endpoints=service.endpoints,
        certificate=service.certificate,
        key=service.key,
        chain=service.chain,
        docroot=service.docroot,
        test=service.test,
        reload=service.reload,
    )
