"""The callback of a run gets every record of a step after it is in the journal."""

from __future__ import annotations

from remediate.model.case import Case, Step, StepState
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import FakeHost


def test_callback_gets_every_record_after_it_is_on_disk(host: FakeHost, journal: Journal) -> None:
    records: list[tuple[str, str, str]] = []

    def on_step(case: Case, step: Step, state: StepState, note: str) -> None:
        last = journal.events(case.id)[-1]
        assert (last.step, last.state, last.note) == (step.name, state, note)
        records.append((step.name, state, note))

    ending = host.repair(journal, on_step=on_step)
    assert (ending.ended_as, ending.note) == ("proven", "")
    assert records == [(event.step, event.state, event.note) for event in journal.events(ending.case.id)]
    assert len(records) > 10
