"""A version that every address rejects is reverted at once, and not retried before a rollback by an administrator."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remediate.execution.context import RunContext
from remediate.execution.rollback import rollback
from remediate.installers import CustomInstaller
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import FakeHost, repaired

PROOF_S = 30.0


def without_chain(host: FakeHost) -> CustomInstaller:
    """Return a service that serves a new certificate without its intermediate."""
    loads = f"cd {host.folder} && {{ cmp -s tls.key old.key && cat tls.crt || openssl x509 -in tls.crt; }} >served.new"
    return CustomInstaller(host.service, None, f"{loads} && cat tls.key >>served.new && mv served.new served")


@pytest.fixture
def run(host: FakeHost, journal: Journal) -> RunContext:
    """Return the context of a run in which the service rejects every new key."""
    (host.folder / "old.key").write_bytes(host.key.read_bytes())
    run = host.run(journal, installers={host.service: without_chain(host)})
    return replace(run, timeouts=replace(run.timeouts, proof_s=PROOF_S, confirmation_s=60))


def test_rejected_version_is_reverted_at_once_and_not_retried(host: FakeHost, run: RunContext, tmp_path: Path) -> None:
    before, began = host.served, time.monotonic()
    ending = repaired(host.case(), run)
    assert (ending.ended_as, ending.cause) == ("failed", "proof.rejected"), ending
    assert time.monotonic() - began < PROOF_S
    assert host.served == before
    (state,) = (tmp_path / "sslaudit").rglob("state")
    switches = state.read_text().count(" begun ")
    tomorrow = replace(run, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    again = repaired(host.case(), tomorrow)
    assert (again.ended_as, again.cause) == ("failed", "install.rejected"), again
    assert (state.read_text().count(" begun "), host.served) == (switches, before)


def test_rollback_allows_a_rejected_version_again(host: FakeHost, run: RunContext, tmp_path: Path) -> None:
    repaired(host.case(), run)
    assert len(list((tmp_path / "sslaudit").rglob("rejected.*"))) == 1
    assert rollback(host.case().id, run).ended_as == "undone"
    assert list((tmp_path / "sslaudit").rglob("rejected.*")) == []
