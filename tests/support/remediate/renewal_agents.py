"""Agents that are shell scripts as strict as the real ones: other arguments are a usage error.

Each renews by replacing certificate and key, or runs the shell of a test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography import x509

from remediate.model.case import Case, Repair
from tests.support.remediate.fake_host.ca import leaf_of, pems_of
from tests.support.remediate.fake_host.host import FakeHost, FakeService, digest_of
from tests.support.remediate.own_programs import program
from tests.support.store.issuance import to_pem


def write_agent(agent: Path, takes: str, does: str) -> Path:
    """Write an agent that takes these arguments alone and then runs shell; return the file of its calls."""
    agent.parent.mkdir(parents=True, exist_ok=True)
    asked = agent.with_name(f"{agent.name}.asked")
    checks = f'[ "$*" = "{takes}" ] || {{ echo "usage: $*" >&2; exit 2; }}'
    program(agent, f'#!/bin/sh\necho "$*" >>{asked}\n{checks}\n{does}\n')
    return asked


def successor(host: FakeHost, service: FakeService | None = None, *, begins: int = -1) -> tuple[str, str]:
    """Return a new leaf for a service of a host, and shell that replaces the old leaf and key."""
    service = service or host.first
    beside = service.certificate.parent / "next"
    beside.mkdir(exist_ok=True)
    certificates, key = pems_of(leaf_of(host.name, begins))
    new = replace(service, certificate=beside / service.certificate.name, key=beside / service.key.name)
    new.write(certificates, key)
    leaf = to_pem(x509.load_pem_x509_certificate(certificates.encode()))
    return leaf, f"cp {beside}/* {service.certificate.parent}/; echo renewed"


def owned(host: FakeHost, owner: str) -> Case:
    """Return the case of a certificate that an agent owns."""
    return host.case(Repair.RUN_OWNER, id="renewal", owner=owner, old_leaf_sha256=digest_of(host.served))
