"""Reads the notification settings of a run from the configuration. A secret is read when it is needed."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from urllib.parse import urlsplit

from audit.config import ConfigSection, Configuration, host_of, known_secrets, section, subsections
from audit.host.discovery import Discovery
from audit.observation import HostView
from audit.redaction import Secrets
from remediate.model.options import RunOptions
from remediate.notify.channels import read_channel, read_mail
from remediate.notify.channels.base import Channel, MailConfig
from remediate.notify.channels.mail import Mail
from remediate.notify.recipients import ContactPolicy, KnownHost, is_domain
from remediate.notify.settings import NotificationSettings
from remediate.state.outbox import MAIL


def notification_settings(
    options: RunOptions, hosts: Mapping[str, KnownHost] | None = None
) -> NotificationSettings | None:
    """Return the notification settings of a run, None if the configuration has no channel; raises BadConfiguration.

    `hosts` are the hosts that were logged in to, by label.
    """
    configuration, controller = options.configuration, socket.getfqdn()
    secrets = known_secrets(configuration)
    table = section(configuration, MAIL)
    config = read_mail(table)
    channels = _channels(configuration, secrets)  # first: a mail server may take a quarter of an hour
    mail = None if config is None else _mail(config, table, controller, secrets)
    if mail is not None:
        channels[MAIL] = mail
    if not channels:
        return None
    return NotificationSettings(
        controller=controller,
        version=version("pytest-sslaudit"),
        channels=channels,
        contacts=ContactPolicy((*config.allowed_domains, *_domains(config.to)) if config else (), hosts or {}),
        fail_on=options.fail_on,
        unknown_fails=options.unknown_fails,
        remarks=mail.remarks if mail else (),
    )


def _channels(configuration: Configuration, secrets: Secrets) -> dict[str, Channel]:
    """Return the channels of the sections `[notify.NAME]` by their key."""
    tables = subsections(configuration, "notify").values()
    return {table.key: read_channel(table).open(table, secrets) for table in tables}


def _mail(config: MailConfig, table: ConfigSection, controller: str, secrets: Secrets) -> Mail:
    bad = next((domain for domain in config.allowed_domains if not is_domain(domain)), None)
    if bad is not None:
        raise table.bad(f"allowed_domains: {bad!r} is not a domain; write example.com")
    return Mail(config.open(table), controller, config.to, config.from_, secrets)


def _domains(addresses: Iterable[str]) -> Iterator[str]:
    yield from (domain for address in addresses if is_domain(domain := address.rpartition("@")[2]))


def known_hosts(discoveries: Iterable[Discovery], configuration: Configuration) -> Mapping[str, KnownHost]:
    """Return what the user wrote about the hosts that were logged in to, by label; a host's own claims do not count."""
    servers = (discovery.host.server for discovery in discoveries if discovery.host.server)
    return {server.label: _known(server, host_of(configuration, server.hostspec).name) for server in servers}


def _known(server: HostView, name: str | None) -> KnownHost:
    login_name = urlsplit(server.hostspec).hostname or server.label
    return KnownHost(server.hostspec.startswith("local://"), tuple(filter(None, (name, login_name))))
