"""The self-signed certificate that keeps a panel's service up where no other is to be had: the last resort.

It knows when one is installed, and how a panel is told to; never where the certificate that is installed has not
expired. The case stays as it ended: what is wrong is wrong still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from audit.text import sentence
from audit.x509.certificate import Certificate
from remediate.cpanel.panel import Panel
from remediate.cpanel.service_files import installed_path
from remediate.execution.case_context import CaseContext, NotFoundOnHost
from remediate.execution.steps.activate import taking_up
from remediate.execution.steps.base import StepBlocked, done
from remediate.execution.steps.installed_certificates import leaves_found, leaves_on_disk
from remediate.execution.steps.wire_check import silences
from remediate.hosts import script
from remediate.hosts.command import Command


def keep_up(context: CaseContext) -> Iterator[str]:
    """Have the panel keep those services up that have no certificate of now; say what came of it, a line each."""
    if not _is_possible(context):
        return
    try:
        context.on_disk = None
        gone = without(context, leaves_on_disk(context).get)
    except StepBlocked as why:
        yield f"whether a placeholder is called for could not be seen: {why}"
        return
    for service in gone:
        try:
            yield from _placed(context, service)
        except (StepBlocked, NotFoundOnHost) as why:
            yield f"no placeholder came to be in use for {service}: {why}"


def preview_placeholders(context: CaseContext) -> tuple[str, ...]:
    """Return the services for which a placeholder would be installed if no certificate were had, as they were found."""
    return without(context, leaves_found(context).get) if _is_possible(context) else ()


def without(context: CaseContext, leaf_at: Callable[[str], Certificate | None]) -> tuple[str, ...]:
    """Return the services of a case of whose certificate files none holds a leaf that has not expired."""
    now = context.now()
    return tuple(
        service
        for service in context.case.services
        if _word(context, service) and all(_is_over(leaf_at(path), now) for path in _paths(context, service))
    )


def resetting(context: CaseContext, service: str) -> Command:
    """Return the command that has the panel install a self-signed certificate, unless one in force is there."""
    panel = _panel(context)
    twice = (each for path in _paths(context, service) for each in (installed_path(path) or path, path))
    return context.workdir.exclusive(
        f"have the panel install a self-signed certificate for {service}",
        panel.whm_api + script("placeholder"), _word(context, service), *twice,
        timeout_s=2.0 * panel.answers_s,
    )  # fmt: skip


def _placed(context: CaseContext, service: str) -> Iterator[str]:
    """Have it installed and taken up, and say what is served then; raises Stuck and Unknown."""
    if done(context, resetting(context, service)).output.strip() != "reset":
        return
    context.on_disk = None
    done(context, taking_up(context, service))
    mine = [one for one in context.case.endpoints if context.serves(one) == service]
    faults: list[str] = []

    def is_served() -> bool:
        faults[:] = [fault for endpoint in mine for fault in silences(context, endpoint)]
        return not faults

    is_up = is_served() or context.wait_until(is_served, context.run.timeouts.proof_s)
    then = "it answers at every address with it" if is_up else sentence(faults)
    yield f"a self-signed placeholder was installed for {service}, as it had no certificate that is valid now: {then}"


def _panel(context: CaseContext) -> Panel:
    """Return the panel of the host, which `_is_possible` has found."""
    if context.host.panel is None:
        raise ValueError(f"{context.case.host} has no panel")
    return context.host.panel


def _is_possible(context: CaseContext) -> bool:
    return context.case.is_panel and context.host.panel is not None


def _is_over(leaf: Certificate | None, now: datetime) -> bool:
    """Tell whether there is no leaf, or it has expired; of one that cannot be read that is not known."""
    return leaf is None or (leaf.has_readable("not_after") and leaf.not_after < now)


def _paths(context: CaseContext, service: str) -> tuple[str, ...]:
    """Return where a service has its certificate, or would have it; never none, as no look would be taken then."""
    named = tuple(file.path for file in context.case.files if file.service == service and file.kind == "certificate")
    usual = _panel(context).default_files(service)
    return named or tuple(file.path for file in usual if file.kind == "certificate")


def _word(context: CaseContext, service: str) -> str:
    """Return what the panel calls a service; an empty text where it is none of the panel's."""
    servers = (server for server in context.servers if server.service == service)
    return next((server.panel_service for server in servers if server.panel_service), "")
