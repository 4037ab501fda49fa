"""Checks that a saved plan is still valid: it may be hours old, and the administrator may have fixed the problem."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from audit.observation import InstalledFile, Observation
from remediate.model.case import Case, Repair


def stale_reason(case: Case, seen: Mapping[str, Observation]) -> str | None:
    """Return why a case is not valid any more; None if it is valid. `seen` has the present observations by endpoint."""
    if missing := [endpoint for endpoint in case.endpoints if endpoint not in seen]:
        return f"{missing[0]} was not found this time"
    match case.repair:
        case Repair.HOST:
            modes = {file.path: _mode(file) for observation in seen.values() for file in _files(observation)}
            changed = [file.path for file in case.files if file.mode and modes.get(file.path, file.mode) != file.mode]
            return f"the mode of {changed[0]} has changed" if changed else None
        case Repair.RELOAD:
            outdated = [observation for observation in seen.values() if _served(observation) - _on_disk(observation)]
            return None if outdated else "the service now serves the certificate on disk"
    served = frozenset[str]().union(*map(_served, seen.values()))
    if not case.replaced:
        return "a certificate is served now" if served else None
    return None if case.replaced & served else "another certificate is served now"


def _served(observation: Observation) -> frozenset[str]:
    return frozenset(
        sha256(handshake.chain_der[0]).hexdigest() for handshake in observation.every_handshake if handshake.chain_der
    )


def _on_disk(observation: Observation) -> frozenset[str]:
    certificates = [file for file in _files(observation) if file.kind == "certificate" and file.chain_der]
    return frozenset(sha256(file.chain_der[0]).hexdigest() for file in certificates)


def _files(observation: Observation) -> tuple[InstalledFile, ...]:
    return observation.server.files if observation.server else ()


def _mode(file: InstalledFile) -> str | None:
    return None if file.mode is None else f"{file.mode:04o}"
