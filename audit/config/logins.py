"""Builds the input of discovery: how each host is logged into, and its settings in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from audit.config.extensions import ExtensionKind, find_member, instance_of
from audit.config.schema import BadConfiguration, Configuration, HostSettings, ServiceSettings
from audit.endpoint import BadEndpoint, parse_endpoint
from audit.host.discovery import Login
from audit.host.login import Connections, LoginLimits
from audit.services import SERVICES, Service
from audit.services.declared import DeclaredService
from audit.services.model import MAX_SCRIPT_BYTES
from audit.text import matches_glob


def logins(
    hosts: Iterable[str],
    configuration: Configuration,
    testinfra: Mapping[str, Any],
    connections: Connections | None = None,
) -> tuple[Login, ...]:
    """Return the login of each host specification; raises BadConfiguration. `testinfra` are testinfra's own options."""
    extensions = extension_services(configuration) if hosts else ()
    timeout_s = (connections.limits if connections else LoginLimits()).command_s
    return tuple(
        replace(
            _login(host, configuration, testinfra), extensions=extensions, timeout_s=timeout_s, connections=connections
        )
        for host in hosts
    )


def login_limits(configuration: Configuration) -> LoginLimits:
    """Return the limits of logins that the file sets, else the defaults."""
    written, default = configuration.login, LoginLimits()
    return LoginLimits(written.concurrency or default.at_once, written.timeout_s or default.host_s)


def extension_services(configuration: Configuration) -> tuple[Service, ...]:
    """Return the services that `[extensions]` names; raises BadConfiguration, also for a process of two services."""
    place = f"{configuration.file or 'configuration'}: [extensions] services"
    built_in, services = {service.name: service for service in SERVICES}, list[Service]()
    owners = {process: service.name for service in SERVICES for process in service.processes}
    for name in dict.fromkeys(configuration.extensions.services):
        service = find_member(ExtensionKind.SERVICE, name, built_in, _with_shell(name), place=place)
        if name in built_in:
            raise BadConfiguration(f"{place}: {name!r} is built in and always looked for. Remove it from the list.")
        for process in service.processes:
            owner = owners.setdefault(process, name)
            if owner != name:
                raise BadConfiguration(f"{place}: the process {process!r} of {name} is also one of {owner}")
        services.append(service)
    return tuple(services)


def _with_shell(name: str) -> Callable[[Any], Service]:
    """Return the function that requires a service with the shell of its reader."""
    of_service = instance_of(Service, name)

    def require(value: object) -> Service:
        service = of_service(value)
        try:
            script = service.script
        except (OSError, ImportError) as error:
            raise ValueError(f"shell/{name}.sh of the package {service.package} cannot be read: {error}") from error
        if len(script.encode()) > MAX_SCRIPT_BYTES:
            raise ValueError(f"shell/{name}.sh has more than {MAX_SCRIPT_BYTES} bytes, not counting its comments")
        return service

    return require


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
