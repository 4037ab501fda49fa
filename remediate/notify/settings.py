"""Reads the notification settings of a run from the configuration; a password is read when a server asks for it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from urllib.parse import urlsplit

from audit.config import BadConfiguration, Configuration, Secret, host_of, known_secrets, read_secret
from audit.host.discovery import Discovery
from audit.observation import HostView
from remediate.model.options import Assignment
from remediate.notify.account import Account
from remediate.notify.channels import is_asked, posts_of
from remediate.notify.channels.smtp import BadRelay
from remediate.notify.recipients import ContactPolicy, KnownHost, is_domain


def account_of(assignment: Assignment, hosts: Mapping[str, KnownHost] | None = None) -> Account | None:
    """Return the notification settings of a run, None if the configuration has no `[mail]`; raises BadConfiguration.

    `hosts` are those that were logged into, by label.
    """
    configuration = assignment.configuration
    mail = configuration.mail
    if not is_asked(mail):
        return None
    bad = next((domain for domain in mail.allowed_domains if not is_domain(domain)), None)
    if bad is not None:
        raise BadConfiguration(
            f"{configuration.file}: mail.allowed_domains: {bad!r} is not a domain; write example.com"
        )
    ca_file = str(configuration.path(mail.ca_file)) if mail.ca_file else None
    try:
        posts = posts_of(replace(mail, ca_file=ca_file), _password(configuration, mail.password))
    except BadRelay as error:
        raise BadConfiguration(f"{configuration.file}: [mail]: {error}") from error
    return Account(
        controller=socket.getfqdn(),
        version=version("pytest-sslaudit"),
        posts=posts,
        to=mail.to,
        from_=mail.from_,
        secrets=known_secrets(configuration),
        contacts=ContactPolicy((*mail.allowed_domains, *_domains(mail.to)), hosts or {}),
        fail_on=assignment.fail_on,
        unknown_fails=assignment.unknown_fails,
    )


def _password(configuration: Configuration, secret: Secret | None) -> Callable[[], str] | None:
    if secret is None:
        return None
    read_secret(configuration, "mail.password", secret)  # it is said now that it is not there
    return lambda: read_secret(configuration, "mail.password", secret)


def _domains(addresses: Iterable[str]) -> Iterator[str]:
    yield from (domain for address in addresses if is_domain(domain := address.rpartition("@")[2]))


def known_hosts(discoveries: Iterable[Discovery], configuration: Configuration) -> Mapping[str, KnownHost]:
    """Return what the user said of the hosts that were logged into, by label; nothing of it is the host's own word."""
    servers = (one.host.server for one in discoveries if one.host.server)
    return {server.label: _known(server, host_of(configuration, server.hostspec).name) for server in servers}


def _known(server: HostView, name: str | None) -> KnownHost:
    logged_into = urlsplit(server.hostspec).hostname or server.label
    return KnownHost(server.hostspec.startswith("local://"), tuple(filter(None, (name, logged_into))))
