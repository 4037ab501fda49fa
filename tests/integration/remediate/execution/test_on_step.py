"""The callback of a run gets every record of a step after it is in the journal."""

from __future__ import annotations

from pathlib import Path

from remediate.execution.scheduler import repair
from remediate.model.case import Case, Step, StepState
from remediate.state.journal import open_journal
from tests.support.remediate.folder_hosts import CONCURRENCY, Ca, run_context, running_host


def test_callback_gets_every_record_after_it_is_on_disk(tmp_path: Path) -> None:
    records: list[tuple[str, str, str]] = []
    with running_host(tmp_path / "a", "a") as host, open_journal(tmp_path / "state") as journal:

        def on_step(case: Case, step: Step, state: StepState, note: str) -> None:
            last = journal.events(case.id)[-1]
            assert (last.step, last.state, last.note) == (step.name, state, note)
            records.append((step.name, state, note))

        (ending,) = repair([host.case()], run_context(journal, Ca(), host, on_step=on_step), CONCURRENCY)
        assert (ending.ended_as, ending.note) == ("proven", "")
        assert records == [(event.step, event.state, event.note) for event in journal.events(host.case().id)]
    assert len(records) > 10
