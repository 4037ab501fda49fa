"""Builds the context of a run and of each of its hosts from the configuration and from what discovery found.

No connection is opened: the sessions are those that discovery opened.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from audit.config import host_of
from audit.host.discovery import Discovery, Login
from audit.host.handshake import HostInside
from audit.observation import HostView
from audit.policy import Policy, load_profile
from audit.probe import Target
from remediate.cpanel.panel import Panel
from remediate.execution.context import RunContext
from remediate.execution.host_context import HostContext, access_logs_on, docroot_on
from remediate.hosts.session import HostSession
from remediate.hosts.workdir import ROOT
from remediate.installers import CustomInstaller, configured_installers
from remediate.model.options import RunOptions
from remediate.planning.fleet import NOT_KNOWN, switched_off
from remediate.state.journal import Journal
from remediate.wiring.sections import configured_issuer, configured_solvers, network_of


def run_context(options: RunOptions, journal: Journal, discoveries: Sequence[Discovery]) -> RunContext:
    """Return the context of a run; raises BadConfiguration."""
    return RunContext(
        journal=journal,
        hosts=host_contexts(options, discoveries),
        issuer=configured_issuer(options),
        solvers=configured_solvers(options.configuration),
        anchors=options.anchors,
        clock=options.clock,
        lock_holder=lock_holder(),
        network=network_of(options),
        policy=Policy(options.profiles or (load_profile("webpki"),)),
        passphrase_file=options.passphrase_file,
        timeouts=options.timeouts,
        early=options.early,
        stop=options.stop,
        on_step=options.on_step,
        announce=options.announce,
        log=options.log,
    )


def host_contexts(options: RunOptions, discoveries: Sequence[Discovery]) -> Mapping[str, HostContext]:
    """Return the hosts of a run by label: those that were logged into, and those with a service that was found."""
    sessions, targets = host_sessions(discoveries), _targets_by_host(discoveries)
    views = {discovery.host.server.label: discovery.host.server for discovery in discoveries if discovery.host.server}
    logins = {
        label: discovery.login
        for discovery in discoveries
        if discovery.login and (label := discovery.host.endpoint.host)
    }
    hosts, installers = dict[str, HostContext](), configured_installers(options.configuration)
    for label in dict.fromkeys((*sessions, *views, *logins, *targets)):
        host = HostContext(label, sessions.get(label), targets.get(label, {}), installers=installers)
        host = _with_inspection(host, views.get(label), options)
        hosts[label] = _with_declarations(host, logins.get(label), options)
    return hosts


def _targets_by_host(discoveries: Iterable[Discovery]) -> Mapping[str, Mapping[str, Target]]:
    """Return the targets of each host by endpoint."""
    targets = defaultdict[str, dict[str, Target]](dict)
    for target in (target for discovery in discoveries for target in discovery.targets):
        if target.endpoint.host:
            targets[target.endpoint.host][str(target.endpoint)] = target
    return targets


def host_sessions(discoveries: Iterable[Discovery]) -> Mapping[str, HostSession]:
    """Return the sessions on the hosts that were logged into, by label."""
    insides = (target.inside for discovery in discoveries for target in discovery.targets)
    return {inside.host.label: HostSession(inside.host) for inside in insides if isinstance(inside, HostInside)}


def _with_inspection(host: HostContext, view: HostView | None, options: RunOptions) -> HostContext:
    """Return a host with the results of its inspection: websites, a panel, and whether repairs are disabled on it."""
    if view is None:
        return host
    port = options.written.http_port
    return replace(
        host,
        panel=Panel() if view.is_cpanel else None,
        docroot_of=partial(docroot_on, view, port),
        access_logs_of=partial(access_logs_on, view, port),
        excluded=_excluded(view),
        first_address_only=view.is_cpanel and _follows_panel_rules(options),
    )


def _follows_panel_rules(options: RunOptions) -> bool:
    """Return whether hosts of a panel are judged by its own rules: no policy is named, or the panel's policy is."""
    named = {profile.name for profile in options.profiles}
    return not named or "cpanel" in named


def _excluded(view: HostView) -> str | None:
    """Return why nothing is changed on a host: its administrator disabled repairs, or that could not be checked."""
    if view.cpanel is None:
        return None
    if view.cpanel.switched_off:
        return switched_off(view.cpanel.switched_off)
    return NOT_KNOWN if view.cpanel.missing("switches") else None


def _with_declarations(host: HostContext, login: Login | None, options: RunOptions) -> HostContext:
    """Return a host with the declarations of the configuration for it and its services."""
    if login is None:
        return host
    services = login.services
    return replace(
        host,
        declared_installers={
            service.name: CustomInstaller(service.name, service.test, service.reload)
            for service in services
            if service.name not in options.configuration.extensions.installers
        },
        declared_docroots={service.name: service.docroot for service in services if service.docroot},
        workdir_root=host_of(options.configuration, login.hostspec).folder or ROOT,
    )


def lock_holder() -> str:
    """Return the name of this run as the holder of a lock, for another run that finds the host locked."""
    return f"{getpass.getuser()}@{socket.getfqdn()}, process {os.getpid()}"
