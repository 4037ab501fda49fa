"""Observes an endpoint of a case: every address has to serve the expected leaf with a valid path.

What is done about a fault is decided by the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import Final

from audit.analysis.chains import untrusted_reason
from audit.analysis.path_faults import violations_above_leaf
from audit.observation import Handshake, Observation
from audit.probe import observe
from audit.text import listing, moment, sentence
from audit.x509.path.served_chain import Chain, read_chain
from remediate.execution.case_context import CaseContext
from remediate.execution.steps.base import StepBlocked
from remediate.execution.steps.installed_certificates import leaves_on_disk
from remediate.execution.steps.stage import chain_to_install
from remediate.model.case import SWITCHED, Repair
from remediate.model.causes import Cause

_HARD: Final = frozenset({"closed", "plaintext", "garbage", "alert", "no-shared", "broken"})
"""Failures of a server that answers: unlike a timeout or a refused connection, waiting does not end them."""


@dataclass(frozen=True, slots=True)
class WireResult:
    """The faults of an endpoint. With `is_rejection` every address fails in a way that waiting does not change."""

    faults: tuple[str, ...]
    is_rejection: bool = False


def observe_endpoint(context: CaseContext, endpoint: str) -> WireResult:
    """Observe every address of an endpoint and return its faults."""
    observation = _observe(context, endpoint)
    expected = expected_leaves(context, endpoint)
    handshakes, now = _of_each_address(observation, expected), context.now()
    chains = [read_chain(handshake.chain_der, context.run.anchors, now) for handshake in handshakes]
    both = list(zip(handshakes, chains, strict=True))
    found = [tuple(_faults(handshake, served_chain, expected, now)) for handshake, served_chain in both]
    sent = [tuple(_chain_faults(context, handshake, served_chain, endpoint)) for handshake, served_chain in both]
    failures = [one for one in observation.failures if one.kind != "no-family"]
    new = (
        bool(faults) and not old_chain and _leaf(handshake) in expected
        for handshake, faults, old_chain in zip(handshakes, found, sent, strict=True)
    )  # fmt: skip
    hard = [*(one.kind in _HARD for one in failures), *new]
    faults = (*_silences(observation), *chain.from_iterable(found), *chain.from_iterable(sent))
    return WireResult(faults, bool(hard) and all(hard))


def faults_of(context: CaseContext, endpoint: str) -> tuple[str, ...]:
    """Return the faults of an endpoint on all of its addresses, none if all is well."""
    return observe_endpoint(context, endpoint).faults


def silences(context: CaseContext, endpoint: str) -> tuple[str, ...]:
    """Return the addresses of an endpoint without a handshake, each with the reason."""
    return _silences(_observe(context, endpoint))


def leaves_of(context: CaseContext, endpoint: str) -> frozenset[str]:
    """Return the SHA-256 of every leaf that an endpoint serves on any address."""
    return frozenset(_leaf(one) for one in _observe(context, endpoint).every_handshake)


def served(context: CaseContext, endpoint: str) -> str:
    """Return which leaf each address serves, in words."""
    observation = _observe(context, endpoint)
    leaves = [f"{one.address} serves {_leaf(one)[:16]}…" for one in observation.every_handshake]
    return listing([*leaves, *(f"{one.address}: {one.detail}" for one in observation.failures)])


def expected_leaves(context: CaseContext, endpoint: str) -> frozenset[str]:
    """Return the SHA-256 of the leaves that an endpoint may serve: the new version, or what is in its files now."""
    if context.case.repair in SWITCHED:
        return frozenset({chain_to_install(context, endpoint).leaf.sha256})
    server, on_disk = context.target(endpoint).server, leaves_on_disk(context)
    paths = [file.path for file in server.files if file.path in on_disk] if server else []
    if context.case.is_panel and not paths:  # it had no certificate: the one that the panel installed for the others
        paths = list(on_disk)
    return frozenset(on_disk[path].sha256 for path in paths)


def _observe(context: CaseContext, endpoint: str) -> Observation:
    """Return what is observed of the host of the case; other hosts of the same name have their own certificates."""
    seen: list[Observation] = []
    run = context.run
    observe((context.target(endpoint),), run.network.limits, clock=run.clock, report=seen.append, stop=run.stop)
    if not seen:
        raise StepBlocked(Cause.RUN_STOPPED, f"the run was stopped while {endpoint} was observed", ended="interrupted")
    elsewhere = run.addresses_beside(context.case.host)
    return replace(
        seen[0],
        handshakes=tuple(one for one in seen[0].handshakes if one.address not in elsewhere),
        other_key_handshakes=tuple(one for one in seen[0].other_key_handshakes if one.address not in elsewhere),
        failures=tuple(one for one in seen[0].failures if one.address not in elsewhere),
    )


def _of_each_address(observation: Observation, expected: frozenset[str]) -> tuple[Handshake, ...]:
    """Return for each address the handshake with an expected leaf, else the first: it may serve RSA beside ECDSA."""
    every = observation.every_handshake
    return tuple(
        next((one for one in every if one.address == first.address and _leaf(one) in expected), first)
        for first in observation.handshakes
    )


def _silences(observation: Observation) -> tuple[str, ...]:
    endpoint, failures = observation.endpoint, observation.failures
    silent = tuple(f"{one.address or endpoint}: {one.detail}" for one in failures if one.kind != "no-family")
    return silent if silent or observation.handshakes else (f"{endpoint} has no address that can be asked from here",)


def _faults(handshake: Handshake, served_chain: Chain, expected: frozenset[str], now: datetime) -> Iterator[str]:
    digest = _leaf(handshake)
    if digest not in expected:
        yield f"{handshake.address} serves another leaf ({digest[:16]}…)"
        return
    leaf = served_chain.leaf
    if not leaf.not_before <= now <= leaf.not_after:
        yield f"{handshake.address}: valid only from {moment(leaf.not_before)} to {moment(leaf.not_after)}"
    why = untrusted_reason(served_chain)
    if why:
        yield f"{handshake.address}: no path leads to a trust anchor: {why}"
    elif violations := violations_above_leaf(served_chain):
        yield f"{handshake.address}: clients refuse the path: {sentence([*map(str, violations)])}"


def _chain_faults(context: CaseContext, handshake: Handshake, served_chain: Chain, endpoint: str) -> Iterator[str]:
    """Yield that the old chain is still served, if the repair is about the chain."""
    if context.case.repair is Repair.RECHAIN:
        missing = [
            str(one) for one in chain_to_install(context, endpoint).intermediates if one.der not in handshake.chain_der
        ]
        if missing:
            yield f"{handshake.address} does not send {listing(missing)}"
        yield from (f"{handshake.address}: {fault}" for fault in served_chain.order_faults)


def _leaf(handshake: Handshake) -> str:
    return sha256(handshake.chain_der[0]).hexdigest() if handshake.chain_der else "nothing"
