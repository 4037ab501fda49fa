"""The contact that a host's administrator left on it, for hosts for which the configuration names no recipient.

One command reads it. A panel's contact comes before root's forward address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from audit.host.cpanel import read_forward, read_wwwacct
from remediate.contact_policy import ContactPolicy, Permitted
from remediate.hosts import trusted_script
from remediate.hosts.command import Command
from remediate.hosts.session import Hands

_DOMAIN: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
)


def look_for_contact(host: str) -> Command:
    """Return the command that reads whom a host's administrator wants told; nothing else of any file is read."""
    return Command(
        host, "read whom its administrator wants told", trusted_script("contact"), changes=False, timeout_s=20.0
    )


def read_contact(output: str, label: str) -> tuple[str, ...]:
    """Return the addresses in the answer, users of the host itself with its name."""
    _, _, rest = output.partition("--- panel\n")
    panel, _, forward = rest.partition("--- forward\n")
    host = reported_name(output) or label
    return read_wwwacct(panel, host) or read_forward(forward, host)


def reported_name(output: str) -> str | None:
    """Return the name that the host gives itself, if it has a domain."""
    name = output.partition("--- panel\n")[0].strip()
    return name if is_domain(name) else None


def contacts(hosts: Iterable[str], hands: Mapping[str, Hands], policy: ContactPolicy) -> dict[str, Permitted]:
    """Return the contacts of the hosts that can be asked, and which of them get mail."""
    answers = ((host, hands[host].run(look_for_contact(host))) for host in hosts if host in hands)
    return {
        host: policy.permit(host, read_contact(done.output, host), reported_name(done.output))
        for host, done in answers
        if done.ok
    }


def is_domain(text: str) -> bool:
    """Tell whether a text is a name with a domain, to which mail can be addressed."""
    return _DOMAIN.fullmatch(text) is not None
