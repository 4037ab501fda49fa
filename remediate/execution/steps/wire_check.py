"""Observes an endpoint of a case: every address has to serve the expected leaf with a valid path.

The steps decide what to do about a fault.
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
from audit.text import format_utc, join_clauses, join_limited
from audit.x509.path.served_chain import Chain, read_chain
from remediate.execution.case_context import CaseContext
from remediate.execution.steps.base import StepBlocked
from remediate.execution.steps.installed_certificates import leaves_on_disk
from remediate.execution.steps.stage import chain_to_install
from remediate.model.case import SWITCHED, Repair
from remediate.model.causes import Cause

_REJECTIONS: Final = frozenset({"closed", "plaintext", "garbage", "alert", "no-shared", "broken"})
"""Failures of a server that responds; unlike a timeout or a refused connection, they do not end by waiting."""


@dataclass(frozen=True, slots=True)
class WireResult:
    """The faults of an endpoint. With `is_rejection` every address fails in a way that does not end by waiting."""

    faults: tuple[str, ...]
    is_rejection: bool = False


def observe_endpoint(context: CaseContext, endpoint: str) -> WireResult:
    """Observe every address of an endpoint and return its faults."""
    observation = _observe(context, endpoint)
    expected = expected_leaves(context, endpoint)
    handshakes, now = _of_each_address(observation, expected), context.now()
    chains = [read_chain(handshake.chain_der, context.run.anchors, now) for handshake in handshakes]
    pairs = list(zip(handshakes, chains, strict=True))
    leaf_faults = [tuple(_faults(handshake, served_chain, expected, now)) for handshake, served_chain in pairs]
    old_chains = [tuple(_chain_faults(context, handshake, served_chain, endpoint)) for handshake, served_chain in pairs]
    failures = [failure for failure in observation.failures if failure.kind != "no-family"]
    rejected_leaves = (
        bool(faults) and not old_chain and _leaf(handshake) in expected
        for handshake, faults, old_chain in zip(handshakes, leaf_faults, old_chains, strict=True)
    )  # fmt: skip
    rejections = [*(failure.kind in _REJECTIONS for failure in failures), *rejected_leaves]
    faults = (*_silences(observation), *chain.from_iterable(leaf_faults), *chain.from_iterable(old_chains))
    return WireResult(faults, bool(rejections) and all(rejections))


def faults_of(context: CaseContext, endpoint: str) -> tuple[str, ...]:
    """Return the faults of an endpoint on all of its addresses."""
    return observe_endpoint(context, endpoint).faults


def silences(context: CaseContext, endpoint: str) -> tuple[str, ...]:
    """Return the addresses of an endpoint without a handshake, each with the reason."""
    return _silences(_observe(context, endpoint))


def leaves_of(context: CaseContext, endpoint: str) -> frozenset[str]:
    """Return the SHA-256 of every leaf that an endpoint serves on any address."""
    return frozenset(_leaf(handshake) for handshake in _observe(context, endpoint).every_handshake)


def served(context: CaseContext, endpoint: str) -> str:
    """Return a sentence that says which leaf each address serves."""
    observation = _observe(context, endpoint)
    leaves = [f"{handshake.address} serves {_leaf(handshake)[:16]}…" for handshake in observation.every_handshake]
    return join_limited([*leaves, *(f"{failure.address}: {failure.detail}" for failure in observation.failures)])


def expected_leaves(context: CaseContext, endpoint: str) -> frozenset[str]:
    """Return the SHA-256 of the leaves that an endpoint may serve: the new leaf, or the leaves in its files."""
    if context.case.repair in SWITCHED:
        return frozenset({chain_to_install(context, endpoint).leaf.sha256})
    server, on_disk = context.target(endpoint).server, leaves_on_disk(context)
    paths = [file.path for file in server.files if file.path in on_disk] if server else []
    if context.case.is_panel and not paths:  # it had no certificate; the panel installed the one of the others
        paths = list(on_disk)
    return frozenset(on_disk[path].sha256 for path in paths)


def _observe(context: CaseContext, endpoint: str) -> Observation:
    """Observe an endpoint on the host of the case; other hosts of the same name have their own certificates."""
    observations: list[Observation] = []
    run = context.run
    observe((context.target(endpoint),), run.network.limits, clock=run.clock, report=observations.append, stop=run.stop)
    if not observations:
        raise StepBlocked(Cause.RUN_STOPPED, f"the run was stopped while {endpoint} was observed", ended="interrupted")
    elsewhere = run.addresses_beside(context.case.host)
    first = observations[0]

    def here(handshakes: tuple[Handshake, ...]) -> tuple[Handshake, ...]:
        return tuple(handshake for handshake in handshakes if handshake.address not in elsewhere)

    return replace(
        first,
        handshakes=here(first.handshakes),
        changed_handshakes=here(first.changed_handshakes),
        other_key_handshakes=here(first.other_key_handshakes),
        failures=tuple(failure for failure in first.failures if failure.address not in elsewhere),
    )


def _of_each_address(observation: Observation, expected: frozenset[str]) -> tuple[Handshake, ...]:
    """Return for each address the handshake with an expected leaf, else the first; it may serve both RSA and ECDSA."""
    good = [handshake for handshake in observation.every_handshake if _leaf(handshake) in expected]
    return tuple(
        next((handshake for handshake in good if handshake.address == first.address), first)
        for first in observation.handshakes
    )


def _silences(observation: Observation) -> tuple[str, ...]:
    endpoint, failures = observation.endpoint, observation.failures
    silent = tuple(
        f"{failure.address or endpoint}: {failure.detail}" for failure in failures if failure.kind != "no-family"
    )
    return silent if silent or observation.handshakes else (f"{endpoint} has no address that can be reached from here",)


def _faults(handshake: Handshake, served_chain: Chain, expected: frozenset[str], now: datetime) -> Iterator[str]:
    digest = _leaf(handshake)
    if digest not in expected:
        yield f"{handshake.address} serves another leaf ({digest[:16]}…)"
        return
    leaf = served_chain.leaf
    if not leaf.not_before <= now <= leaf.not_after:
        yield f"{handshake.address}: valid only from {format_utc(leaf.not_before)} to {format_utc(leaf.not_after)}"
    why = untrusted_reason(served_chain)
    if why:
        yield f"{handshake.address}: no path leads to a trust anchor: {why}"
    elif violations := violations_above_leaf(served_chain):
        yield f"{handshake.address}: clients refuse the path: {join_clauses([*map(str, violations)])}"


def _chain_faults(context: CaseContext, handshake: Handshake, served_chain: Chain, endpoint: str) -> Iterator[str]:
    """Yield the faults that show that the old chain is still served, if the repair completes the chain."""
    if context.case.repair is Repair.RECHAIN:
        intermediates = chain_to_install(context, endpoint).intermediates
        missing = [str(intermediate) for intermediate in intermediates if intermediate.der not in handshake.chain_der]
        if missing:
            yield f"{handshake.address} does not send {join_limited(missing)}"
        yield from (f"{handshake.address}: {fault}" for fault in served_chain.order_faults)


def _leaf(handshake: Handshake) -> str:
    return sha256(handshake.chain_der[0]).hexdigest() if handshake.chain_der else "nothing"
