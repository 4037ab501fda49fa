"""Builds the context of a run and of each of its hosts from the configuration and from what discovery found.

No connection is opened: the sessions are those that discovery opened.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from audit.config import host_of
from audit.host.discovery import Discovery, Login
from audit.host.handshake import HostInside
from audit.observation import HostView
from audit.policy import Policy, load_profile
from remediate.challenges import SOLVERS
from remediate.cpanel.panel import Panel
from remediate.execution.context import RunContext
from remediate.execution.host_context import HostContext, access_logs_on, docroot_on
from remediate.hosts.session import HostSession
from remediate.hosts.workdir import ROOT
from remediate.installers import CustomInstaller
from remediate.model.options import RunOptions
from remediate.planning.fleet import NOT_KNOWN, switched_off
from remediate.state.journal import Journal
from remediate.wiring.sections import configured_issuer, network_of


def run_context(options: RunOptions, journal: Journal, discoveries: Sequence[Discovery]) -> RunContext:
    """Return what a run may use; raises BadConfiguration."""
    return RunContext(
        journal=journal,
        hosts=host_contexts(options, discoveries),
        issuer=configured_issuer(options),
        solver=SOLVERS["http-csr-hash"],
        anchors=options.anchors,
        clock=options.clock,
        lock_holder=lock_holder(),
        network=network_of(options),
        policy=Policy(options.profiles or (load_profile("webpki"),)),
        timeouts=options.timeouts,
        stop=options.stop,
        on_step=options.on_step,
        log=options.log,
    )


def host_contexts(options: RunOptions, discoveries: Sequence[Discovery]) -> Mapping[str, HostContext]:
    """Return the hosts of a run by label: those that were logged into, and those that a service was found on."""
    sessions, targets = host_sessions(discoveries), [target for one in discoveries for target in one.targets]
    views = {one.host.server.label: one.host.server for one in discoveries if one.host.server}
    logins = {label: one.login for one in discoveries if one.login and (label := one.host.endpoint.host)}
    hosts = dict[str, HostContext]()
    for label in filter(None, (*sessions, *views, *logins, *(target.endpoint.host for target in targets))):
        own = {str(target.endpoint): target for target in targets if target.endpoint.host == label}
        found = _as_found(HostContext(label, sessions.get(label), own), views.get(label), options)
        hosts[label] = _as_configured(found, logins.get(label), options)
    return hosts


def host_sessions(discoveries: Iterable[Discovery]) -> Mapping[str, HostSession]:
    """Return the sessions on the hosts that were logged into, by label."""
    insides = (target.inside for one in discoveries for target in one.targets)
    return {inside.host.label: HostSession(inside.host) for inside in insides if isinstance(inside, HostInside)}


def _as_found(host: HostContext, view: HostView | None, options: RunOptions) -> HostContext:
    """Return a host with what its inspection found: websites, a panel, and whether repairs are disabled on it."""
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
    """Return whether hosts of a panel are judged by its own rules: no policy is named, or the panel's is."""
    named = {profile.name for profile in options.profiles}
    return not named or "cpanel" in named


def _excluded(view: HostView) -> str | None:
    """Return why nothing is changed on a host: its administrator disabled repairs, or that could not be checked."""
    if view.cpanel is None:
        return None
    if view.cpanel.switched_off:
        return switched_off(view.cpanel.switched_off)
    return NOT_KNOWN if view.cpanel.missing("switches") else None


def _as_configured(host: HostContext, login: Login | None, options: RunOptions) -> HostContext:
    """Return a host with what the configuration declares of it and of its services."""
    if login is None:
        return host
    services = login.services
    return replace(
        host,
        declared_installers={one.name: CustomInstaller(one.name, one.test, one.reload) for one in services},
        declared_docroots={one.name: one.docroot for one in services if one.docroot},
        workdir_root=host_of(options.configuration, login.hostspec).folder or ROOT,
    )


def lock_holder() -> str:
    """Return who holds the lock of a host, for another run that finds it locked."""
    return f"{getpass.getuser()}@{socket.getfqdn()}, process {os.getpid()}"
