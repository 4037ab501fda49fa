"""A worker process of xdist: its run, and the hook by which it reports to the controller what its tests need."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audit.analysis.revocation.judgement import REVOKED
from audit.config import BadConfiguration
from audit.endpoint import Endpoint
from audit.engine import make_observer
from audit.evaluation.key_index import sharing_from
from audit.json_codec import parse_time
from audit.probe import Target
from pytest_sslaudit.evidence import EvidenceStore, Exchange
from pytest_sslaudit.evidence.directories import open_evidence
from pytest_sslaudit.evidence.signature import read_verifying_key
from pytest_sslaudit.items.pairs import collected_tests, pairs_of
from pytest_sslaudit.run_state import Run, current_run
from pytest_sslaudit.settings import Settings


class Worker:
    """The hooks of a worker."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin without deselected tests."""
        self._exchange = exchange
        self._deselected: list[tuple[str, str]] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Record which checks are deselected, by pytest's own options or by a plugin."""
        self._deselected += pairs_of(items)

    @pytest.hookimpl(tryfirst=True)  # xdist reports to the controller in the same hook
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write what the tests need for the controller, which probes before it schedules anything."""
        config: Any = session.config
        run = current_run(config)
        deselected = tuple(map(" ".join, self._deselected))
        collected = replace(collected_tests(session.items, run), deselected=deselected)
        self._exchange.keep_collected(config.workerinput["workerid"], collected)


def run_of_worker(settings: Settings, worker_input: dict[str, str], exchange: Exchange) -> Run:
    """Return the run of a worker, which reads what the controller has observed; raises pytest.UsageError."""
    folder = Path(worker_input["evidence"])
    store = _kept_evidence(settings, folder) if settings.from_evidence else EvidenceStore(folder)
    now = parse_time(worker_input["now"])
    run = Run(settings, store, store.inventory(), now, sharing_from(exchange.shared_keys))
    if not settings.from_evidence:
        run.observe = partial(_observe_in_worker, run)
    return run


def _kept_evidence(settings: Settings, folder: Path) -> EvidenceStore:
    """Return the evidence of an earlier run, verified by this process itself; raises pytest.UsageError."""
    try:
        return open_evidence(folder, read_verifying_key(settings.evidence_key) if settings.evidence_key else None)
    except BadConfiguration as error:
        raise pytest.UsageError(str(error)) from error


def _observe_in_worker(run: Run, endpoint: Endpoint) -> None:
    """Observe an endpoint again and keep the observation for all workers, for a test that a plugin repeats.

    An endpoint that was found by logging in to its host is not: only the main process has the login.
    """
    if endpoint.hostspec:
        return
    is_revocation_judged = run.is_judged(REVOKED, endpoint)
    observer = make_observer(run.evaluation, run.for_engine, lambda _: is_revocation_judged, threading.Event())
    observer.observe([Target(endpoint)], run.store.keep)
