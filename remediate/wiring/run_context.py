"""From what is configured and found to what a run of repairs may use: hands, targets, an issuer, installers.

It opens no connection. A secret is read to say at the start that it is not there, and again whenever it is used.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator, Mapping

from audit.config import BadConfiguration, Section, host_of, sections_of
from audit.host.discovery import Discovery
from audit.host.handshake import HostInside
from audit.observation import HostView
from audit.policy import Policy, load_profile
from audit.probe.dns.root_servers import BadHints, RootServer, read_hints
from audit.probe.fetch import Fetcher, FetchPolicy
from remediate.challenges import SOLVERS
from remediate.challenges.dns_lookup import LookUps, Roots
from remediate.cpanel.panel import Panel
from remediate.execution.context import RunContext
from remediate.hosts.session import HostSession
from remediate.hosts.websites import docroots_of, logs_on
from remediate.installers import CustomInstaller
from remediate.issuers import BadIssuer, Issuer, IssuerConfig, read_issuer
from remediate.issuers.none import Absent
from remediate.model.options import RunOptions
from remediate.planning.fleet import NOT_KNOWN, switched_off
from remediate.state.journal import Journal


def run_context(options: RunOptions, journal: Journal, discoveries: tuple[Discovery, ...]) -> RunContext:
    """Return what a run may use; raises BadConfiguration."""
    logins = {label: one.login for one in discoveries if one.login and (label := one.host.endpoint.host)}
    servers = tuple(one.host.server for one in discoveries if one.host.server)
    panels = {server.label: Panel() for server in servers if server.is_cpanel}
    section, http_port = _section(options), options.written.http_port
    issuer = read_issuer(section) if section else IssuerConfig(kind="none")
    return RunContext(
        journal=journal,
        sessions=host_sessions(discoveries),
        targets={str(target.endpoint): target for one in discoveries for target in one.targets},
        issuer=issuer_of(options),
        issuer_name=options.issuer_name or "no issuer",
        solver=SOLVERS["http-csr-hash"],
        docroots=docroots_of(servers, http_port),
        logs=logs_on(servers, http_port),
        first_address_only=frozenset(panels if _by_panels_rules(options) else ()),
        anchors=options.anchors,
        clock=options.clock,
        owner=owner(),
        key_type=issuer.key,
        product=issuer.product,
        declared={
            (label, one.name): CustomInstaller(one.name, one.test, one.reload)
            for label, login in logins.items()
            for one in login.services
        },
        declared_docroots={
            (label, one.name): one.docroot for label, login in logins.items() for one in login.services if one.docroot
        },
        panels=panels,
        roots={
            label: folder
            for label, login in logins.items()
            if (folder := host_of(options.configuration, login.hostspec).folder)
        },
        timeouts=options.timeouts,
        limits=options.limits,
        stop=options.stop,
        policy=Policy(options.profiles or (load_profile("webpki"),)),
        on_step=options.on_step,
        log=options.log,
        excluded_hosts=_excluded_hosts(servers),
        lookups=LookUps(Roots(root_hints(options))),
        http_port=http_port,
        fetcher=fetcher_of(options),
    )


def _by_panels_rules(options: RunOptions) -> bool:
    """Tell whether a panel's hosts are judged by the panel's own rules: where no policy is named, or that one is."""
    named = {profile.name for profile in options.profiles}
    return not named or "cpanel" in named


def host_sessions(discoveries: tuple[Discovery, ...]) -> Mapping[str, HostSession]:
    """Return hands on the hosts that were logged into, by label."""
    return {one.host.label: HostSession(one.host) for found in discoveries for one in _insides(found)}


def issuer_of(options: RunOptions) -> Issuer:
    """Return the issuer that is chosen, one that takes no order where none is; raises BadConfiguration."""
    section = _section(options)
    if section is None:
        return Absent()
    try:
        return read_issuer(section).open(section, options.configuration.fetch.proxy)
    except BadIssuer as error:
        raise section.bad(str(error)) from error


def root_hints(options: RunOptions) -> tuple[RootServer, ...]:
    """Return the root servers that are configured, none where those of the Internet are meant.

    Raises BadConfiguration.
    """
    configuration = options.configuration
    if configuration.probe.root_hints is None:
        return ()
    file = configuration.path(configuration.probe.root_hints)
    try:
        return read_hints(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError, BadHints) as error:
        raise BadConfiguration(f"{configuration.file}: probe.root_hints: {error}") from error


def fetcher_of(options: RunOptions) -> Fetcher:
    """Return what fetches what certificates point to, as `[fetch]` allows."""
    written = options.configuration.fetch
    policy = FetchPolicy(allow_private=written.allow_private, proxy=written.proxy, limits=options.limits)
    return Fetcher(policy, options.stop)


def owner() -> str:
    """Return who repairs, for whoever finds a host locked."""
    return f"{getpass.getuser()}@{socket.getfqdn()}, process {os.getpid()}"


def _section(options: RunOptions) -> Section | None:
    """Return the section of the issuer that is chosen; raises BadConfiguration where it is not there."""
    name, known = options.issuer_name, options.issuers
    if name is not None and name not in known:
        written = sorted(sections_of(options.configuration, "issuer"))
        there_are = f"there are {', '.join(written)}" if written else "there is none"
        raise BadConfiguration(f"{options.configuration.file or 'configuration'}: no [issuer.{name}]; {there_are}")
    return None if name is None else known[name]


def _excluded_hosts(servers: tuple[HostView, ...]) -> Mapping[str, str]:
    """Return the hosts on which repair is switched off, and by what: whoever asks for one, it is not made."""
    known = {server.label: server.upkeep for server in servers if server.upkeep}
    unknown = {label: NOT_KNOWN for label, upkeep in known.items() if upkeep.missing("switches")}
    return unknown | {label: switched_off(one.switched_off) for label, one in known.items() if one.switched_off}


def _insides(found: Discovery) -> Iterator[HostInside]:
    yield from (one.inside for one in found.targets if isinstance(one.inside, HostInside))
