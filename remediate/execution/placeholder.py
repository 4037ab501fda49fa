"""Lets the panel install a self-signed certificate as a placeholder, the last resort to keep a service up.

This is done only if no certificate was issued and the installed one is missing or has expired. The case keeps its
result, because the finding is not repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from audit.text import join_clauses
from audit.x509.certificate import Certificate
from remediate.cpanel.panel import Panel
from remediate.cpanel.service_files import installed_path
from remediate.execution.case_context import CaseContext, NotFoundOnHost
from remediate.execution.steps.activate import reload_command
from remediate.execution.steps.base import StepBlocked, require_success
from remediate.execution.steps.installed_certificates import leaves_found, leaves_on_disk
from remediate.execution.steps.wire_check import silences
from remediate.hosts import script
from remediate.hosts.command import Command


def install_placeholders(context: CaseContext) -> Iterator[str]:
    """Let the panel install placeholders for services without a valid certificate; yield a line about each service."""
    if not _is_possible(context):
        return
    try:
        context.on_disk = None
        services = services_without_certificate(context, leaves_on_disk(context).get)
    except StepBlocked as why:
        yield f"could not check whether a placeholder is needed: {why}"
        return
    for service in services:
        try:
            yield from _install(context, service)
        except (StepBlocked, NotFoundOnHost) as why:
            yield f"no placeholder is in use for {service}: {why}"


def preview_placeholders(context: CaseContext) -> tuple[str, ...]:
    """Return the services that would get a placeholder if no certificate were issued, as discovery found them."""
    return services_without_certificate(context, leaves_found(context).get) if _is_possible(context) else ()


def services_without_certificate(context: CaseContext, leaf_at: Callable[[str], Certificate | None]) -> tuple[str, ...]:
    """Return the services of a case without a leaf in their certificate files that is still valid."""
    now = context.now()
    return tuple(
        service
        for service in context.case.services
        if _panel_name(context, service) and all(_is_expired(leaf_at(path), now) for path in _paths(context, service))
    )


def reset_command(context: CaseContext, service: str) -> Command:
    """Return the command that has the panel install a self-signed certificate, unless a valid one is installed."""
    panel = _panel(context)
    pairs = (word for path in _paths(context, service) for word in (installed_path(path) or path, path))
    return context.workdir.exclusive(
        f"have the panel install a self-signed certificate for {service}",
        panel.whm_api + script("cpanel/install_placeholder"), _panel_name(context, service), *pairs,
        timeout_s=2.0 * panel.api_limit_s,
    )  # fmt: skip


def _install(context: CaseContext, service: str) -> Iterator[str]:
    """Install a placeholder, reload, and yield whether it is served; raises StepBlocked and NotFoundOnHost."""
    if require_success(context, reset_command(context, service)).output.strip() != "reset":
        return
    context.on_disk = None
    require_success(context, reload_command(context, service))
    endpoints = [endpoint for endpoint in context.case.endpoints if context.serves(endpoint) == service]
    faults: list[str] = []

    def is_served() -> bool:
        faults[:] = [fault for endpoint in endpoints for fault in silences(context, endpoint)]
        return not faults

    is_up = is_served() or context.wait_until(is_served, context.run.timeouts.proof_s)
    state = "every address serves it" if is_up else join_clauses(faults)
    yield f"a self-signed placeholder was installed for {service}, because it had no valid certificate: {state}"


def _panel(context: CaseContext) -> Panel:
    """Return the panel of the host, which `_is_possible` has found."""
    if context.host.panel is None:
        raise ValueError(f"{context.case.host} has no panel")
    return context.host.panel


def _is_possible(context: CaseContext) -> bool:
    return context.case.is_panel and context.host.panel is not None


def _is_expired(leaf: Certificate | None, now: datetime) -> bool:
    """Return whether there is no leaf, or it has expired; a leaf that cannot be read counts as valid."""
    return leaf is None or (leaf.has_readable("not_after") and leaf.not_after < now)


def _paths(context: CaseContext, service: str) -> tuple[str, ...]:
    """Return the paths of the certificate of a service, or those that the panel would use."""
    paths = tuple(file.path for file in context.case.files if file.service == service and file.kind == "certificate")
    default_files = _panel(context).default_files(service)
    return paths or tuple(file.path for file in default_files if file.kind == "certificate")


def _panel_name(context: CaseContext, service: str) -> str:
    """Return the name of a service in the panel's API; empty if it is not a service of the panel."""
    servers = (server for server in context.servers if server.service == service)
    return next((server.panel_service for server in servers if server.panel_service), "")
