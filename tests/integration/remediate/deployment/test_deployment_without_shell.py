"""A deployment that a local program does, without a shell on the host, goes through the same steps as the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from remediate.execution.context import RunContext
from remediate.execution.dry_run import preview_actions
from remediate.execution.rollback import rollback
from remediate.hosts.command import Command
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import FakeHost, repaired
from tests.support.remediate.fake_host.run import host_changed
from tests.support.remediate.secret_store import STORE, ProgramSession, SecretStore


@pytest.fixture
def store() -> ProgramSession:
    return ProgramSession()


@pytest.fixture
def run(host: FakeHost, journal: Journal, store: ProgramSession) -> RunContext:
    """Return a run in which the secret store deploys everything."""
    deployment = SecretStore(host.folder)
    context = host.run(journal, deployment_kinds=(lambda _: deployment,))
    return host_changed(context, STORE, session=store)


def test_repair_deploys_by_the_program(host: FakeHost, run: RunContext, store: ProgramSession) -> None:
    before, files = host.served, host.certificate.read_text()
    result = repaired(host.case(), run)
    assert (result.ended_as, result.note) == ("proven", "")
    assert host.served != before
    assert host.certificate.read_text() == files
    changes = [verb for verb in store.verbs if verb not in ("status", "requirements")]
    assert changes == ["stage", "activate", "confirm", "prune"]
    assert not [command.why for command in host.session.commands if "switch" in command.why or "stage" in command.why]


def test_failed_verification_restores_the_version_in_the_store(
    host: FakeHost, run: RunContext, store: ProgramSession
) -> None:
    (host.folder / "ignores-activation").touch()
    before = host.served
    result = repaired(host.case(), run)
    assert (result.ended_as, result.cause, host.served) == ("failed", "proof.failed", before)
    assert "revert" in store.verbs
    assert "the switch is returned" in result.note


def test_rollback_restores_the_version_before(host: FakeHost, run: RunContext) -> None:
    before, case = host.served, host.case()
    assert repaired(case, run).ended_as == "proven"
    result = rollback(case.id, run)
    assert (result.ended_as, result.cause, host.served) == ("undone", "rollback.done", before)


def test_missing_requirement_blocks_the_repair(host: FakeHost, run: RunContext) -> None:
    (host.folder / "sealed").touch()
    result = repaired(host.case(), run)
    assert (result.ended_as, result.cause) == ("failed", "host.unprepared")
    assert "the store is sealed" in result.note


def test_dry_run_previews_the_calls_and_makes_none(host: FakeHost, run: RunContext, store: ProgramSession) -> None:
    actions = [action for action in preview_actions(host.case(), run) if isinstance(action, Command)]
    verbs = [action.arguments[0] for action in actions if action.host == STORE]
    assert (verbs, store.verbs) == (["stage", "activate", "confirm", "prune"], [])


def test_run_without_a_session_for_the_program_is_interrupted(host: FakeHost, run: RunContext, tmp_path: Path) -> None:
    result = repaired(host.case(), host_changed(run, STORE, session=None, workdir_root=str(tmp_path)))
    assert (result.ended_as, result.cause) == ("interrupted", "host.unreachable")
