"""Checks that a saved plan is still valid: it may be hours old, and the problem may have been fixed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from audit.observation import InstalledFile, Observation
from remediate.model.case import Case, Repair


def stale_reason(case: Case, seen: Mapping[str, Observation]) -> str | None:
    """Return why a case is not valid any more; None if it is. `seen` has the present observations by endpoint."""
    if gone := [endpoint for endpoint in case.endpoints if endpoint not in seen]:
        return f"{gone[0]} was not found this time"
    match case.repair:
        case Repair.HOST:
            modes = {file.path: _mode(file) for one in seen.values() for file in _files(one)}
            changed = [file.path for file in case.files if file.mode and modes.get(file.path, file.mode) != file.mode]
            return f"the mode of {changed[0]} has changed" if changed else None
        case Repair.RELOAD:
            behind = [one for one in seen.values() if _served(one) - _on_disk(one)]
            return None if behind else "the service now serves the certificate on disk"
    served = frozenset[str]().union(*map(_served, seen.values()))
    if not case.replaced:
        return "a certificate is served now" if served else None
    return None if case.replaced & served else "another certificate is served now"


def _served(seen: Observation) -> frozenset[str]:
    return frozenset(sha256(shake.chain_der[0]).hexdigest() for shake in seen.every_handshake if shake.chain_der)


def _on_disk(seen: Observation) -> frozenset[str]:
    certificates = [file for file in _files(seen) if file.kind == "certificate" and file.chain_der]
    return frozenset(sha256(file.chain_der[0]).hexdigest() for file in certificates)


def _files(seen: Observation) -> tuple[InstalledFile, ...]:
    return seen.server.files if seen.server else ()


def _mode(file: InstalledFile) -> str | None:
    return None if file.mode is None else f"{file.mode:04o}"
