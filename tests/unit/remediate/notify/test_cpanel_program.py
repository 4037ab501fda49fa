"""A notification about a run of the panel's own program names the program and what it printed."""

from __future__ import annotations

from dataclasses import replace

from remediate.model.case import Repair, steps_of
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from tests.support.notify.nightly_runs import NightlyRuns, text_of
from tests.support.remediate.cpanel_rows import fresh


def test_panel_program_is_named_with_its_output(runs: NightlyRuns) -> None:
    (case,) = runs.plan(*fresh("exim")).cases
    steps = steps_of(Repair.RUN_OWNER, case.services, case.endpoints)
    theirs = replace(case, repair=Repair.RUN_OWNER, owner="cpanel", steps=steps)
    note = (
        "cpanel left /var/cpanel/ssl/exim/exim.crt without a new certificate; it ended with 0:\nThe DCV check failed."
    )
    runs.journal.begin(theirs, runs.now)
    runs.notify(*fresh("exim"), case_results=[CaseResult(theirs, "failed", "renew", Cause.OWNER_UNCHANGED, note)])
    [message] = runs.box.emails
    text = text_of(message)
    assert "Tried: a run of the panel's own program, which orders and installs the certificate itself" in text
    assert "The DCV check failed." in text
    assert "run its renewal manually" in text
