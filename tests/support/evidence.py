"""Evidence of a run, written by tests, so that the plugin is tested without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.config.line_files import read_lines
from audit.endpoint import Endpoint, parse_endpoint
from audit.observation import HostView, Observation, ProbeFailure
from pytest_sslaudit import session  # noqa: F401 - kept loaded: pytester drops what a run inside the process loads
from pytest_sslaudit.evidence import EvidenceStore, Inventory
from pytest_sslaudit.evidence.directories import seal
from pytest_sslaudit.evidence.provenance import Provenance

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
A, B = parse_endpoint("https://a.example"), parse_endpoint("imaps://b.example")
PROVENANCE = Provenance("pytest-sslaudit", "1.0", "3.11", "Linux", "tester@laboratory", NOW, {}, {})
WEB1 = Endpoint.of_host("web1", "ssh://root@web1")


def keep(folder: Path, observations: Sequence[Observation], key: Ed25519PrivateKey | None = None) -> Path:
    """Write the observations as a run does, signed if there is a key, and return the directory."""
    folder.mkdir(exist_ok=True)
    store = EvidenceStore(folder)
    endpoints = tuple(seen.endpoint for seen in observations if not seen.endpoint.is_host)
    hosts = tuple(seen.endpoint for seen in observations if seen.endpoint.is_host)
    store.keep_inventory(Inventory(NOW, endpoints, hosts, ()))
    for observation in observations:
        store.keep(observation)
    seal(folder, PROVENANCE, NOW, key)
    return folder


def unreachable(endpoint: Endpoint) -> Observation:
    """Return the observation of an endpoint that refuses connections."""
    failure = ProbeFailure("connect", "refused", "connection refused by 192.0.2.1", "192.0.2.1")
    return Observation(endpoint, NOW, ("192.0.2.1",), failures=(failure,))


def host(fqdn: str = "web1.example") -> Observation:
    """Return the observation of a host with a successful login."""
    return Observation(WEB1, NOW, server=HostView("web1", "ssh://root@web1", fqdn))


def rows(file: Path, kind: str = "result") -> list[dict[str, Any]]:
    """Read the lines of one kind from a results file."""
    lines = [json.loads(line) for line in read_lines(file)]
    return [line for line in lines if line["kind"] == kind]
