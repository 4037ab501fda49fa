"""What a run on fake hosts uses, and how tests change it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from audit.probe import Limits, Target
from audit.probe.dns.records import RecordSet, RecordType
from audit.probe.dns.texts import ServerTexts
from remediate.challenges.dns_lookup import LookUps
from remediate.execution.context import ConfiguredIssuer, Network, RunContext
from remediate.execution.host_context import HostContext
from remediate.model.options import Concurrency, Timeouts

CONCURRENCY: Final = Concurrency(chance=lambda: 0.0)
"""Runs without a random part in their waits."""
ONE_HOST_AT_A_TIME: Final = replace(CONCURRENCY, hosts_at_once=1)
"""The same for several hosts in one directory, which have one lock."""
TIMEOUTS: Final = Timeouts(confirmation_s=20, proof_s=0.5, issuance_s=2.0, visible_s=0.2, look_s=0.05)


class NoRecords(LookUps):
    """A zone in which no name has TLSA, MX or TXT records."""

    def records(self, name: str, record_type: RecordType, limits: Limits, stop: threading.Event) -> RecordSet:
        del limits, stop
        return RecordSet(name, record_type, "none")

    def texts(self, name: str, limits: Limits, stop: threading.Event) -> tuple[ServerTexts, ...]:
        del name, limits, stop
        return (ServerTexts("ns1", "192.0.2.1"),)

    def has_dns(self, limits: Limits) -> bool:
        del limits
        return True


def changed(run: RunContext, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
    """Return a run with other values for fields of itself, of its issuer, of its network or of each of its hosts."""
    targets: Mapping[str, Target] | None = changes.pop("targets", None)
    parts = {kind: {name: changes.pop(name) for name in [*changes] if name in names} for kind, names in _FIELDS.items()}
    hosts = {label: replace(host, **parts[HostContext]) for label, host in run.hosts.items()}
    if targets is not None:
        hosts = {label: replace(host, targets=_on(label, targets)) for label, host in hosts.items()}
    issuer, network = replace(run.issuer, **parts[ConfiguredIssuer]), replace(run.network, **parts[Network])
    whole: dict[str, Any] = {"hosts": hosts, "issuer": issuer, "network": network}
    return replace(run, **(whole | changes))


_FIELDS: Final = {kind: {member.name for member in fields(kind)} for kind in (HostContext, ConfiguredIssuer, Network)}


def _on(label: str, targets: Mapping[str, Target]) -> dict[str, Target]:
    return {name: target for name, target in targets.items() if target.endpoint.host == label}


def host_changed(run: RunContext, label: str, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
    """Return a run with other values for fields of one of its hosts, which may be a new one."""
    return replace(run, hosts={**run.hosts, label: replace(run.host(label), **changes)})
