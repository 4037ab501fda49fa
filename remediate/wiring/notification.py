"""Reads the notification settings of a run from the configuration. A password is read when the server requires it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from urllib.parse import urlsplit

from audit.config import Configuration, host_of, known_secrets, section
from audit.host.discovery import Discovery
from audit.observation import HostView
from remediate.model.options import RunOptions
from remediate.notify.channels import read_mail
from remediate.notify.recipients import ContactPolicy, KnownHost, is_domain
from remediate.notify.settings import NotificationSettings


def notification_settings(
    options: RunOptions, hosts: Mapping[str, KnownHost] | None = None
) -> NotificationSettings | None:
    """Return the notification settings of a run, None if the configuration has no `[mail]`; raises BadConfiguration.

    `hosts` are the hosts that were logged in to, by label.
    """
    configuration, table = options.configuration, section(options.configuration, "mail")
    mail = read_mail(table)
    if mail is None:
        return None
    bad = next((domain for domain in mail.allowed_domains if not is_domain(domain)), None)
    if bad is not None:
        raise table.bad(f"allowed_domains: {bad!r} is not a domain; write example.com")
    return NotificationSettings(
        controller=socket.getfqdn(),
        version=version("pytest-sslaudit"),
        channel=mail.open(table),
        to=mail.to,
        from_=mail.from_,
        secrets=known_secrets(configuration),
        contacts=ContactPolicy((*mail.allowed_domains, *_domains(mail.to)), hosts or {}),
        fail_on=options.fail_on,
        unknown_fails=options.unknown_fails,
    )


def _domains(addresses: Iterable[str]) -> Iterator[str]:
    yield from (domain for address in addresses if is_domain(domain := address.rpartition("@")[2]))


def known_hosts(discoveries: Iterable[Discovery], configuration: Configuration) -> Mapping[str, KnownHost]:
    """Return what the user wrote about the hosts that were logged in to, by label; a host's own claims do not count."""
    servers = (discovery.host.server for discovery in discoveries if discovery.host.server)
    return {server.label: _known(server, host_of(configuration, server.hostspec).name) for server in servers}


def _known(server: HostView, name: str | None) -> KnownHost:
    login_name = urlsplit(server.hostspec).hostname or server.label
    return KnownHost(server.hostspec.startswith("local://"), tuple(filter(None, (name, login_name))))
