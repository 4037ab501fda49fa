"""A waiting case of a panel service without a valid certificate gets a placeholder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from remediate.execution.dry_run_lines import dry_run_lines
from remediate.execution.placeholder_cases import install_waiting_placeholders
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Blocker, Plan, WaitingCase
from remediate.state.journal import Journal
from tests.support.remediate.cpanel_exim import Exim
from tests.support.remediate.folder_hosts import Ca

CLOSED = Blocker(Cause.DCV_FIREWALL, "a/: dcv.firewall: rule 3 of the chain input drops what comes to TCP port 80")
NO_ISSUER = Blocker(Cause.ISSUER_NONE, "no issuer is chosen: [remediate] issuer, and its section [issuer.NAME]")


def done(exim: Exim, journal: Journal, *blocked_by: Blocker, **changes: Any) -> tuple[CaseResult, ...]:  # noqa: ANN401 - any field of the run
    """Return what is done for its case, which waits for these reasons."""
    return tuple(
        install_waiting_placeholders([WaitingCase(exim.case(), blocked_by)], exim.run(journal, Ca(), **changes))
    )


@pytest.mark.parametrize(
    ("blocked_by", "cause"),
    [
        ((CLOSED,), Cause.DCV_FIREWALL),
        ((NO_ISSUER,), Cause.ISSUER_NONE),
        ((CLOSED, NO_ISSUER), Cause.DCV_FIREWALL),
        ((Blocker(Cause.DNS_OTHER, "a/x: dns.own: a check of an extension"),), Cause.DNS_OTHER),
        ((Blocker(Cause.HOST_NAME_INVALID, "a/: host.name-invalid: localhost"),), Cause.HOST_NAME_INVALID),
    ],
)
def test_blocked_case_gets_a_placeholder_and_reports_the_reason(
    exim: Exim, journal: Journal, blocked_by: tuple[Blocker, ...], cause: Cause
) -> None:
    [ending] = done(exim, journal, *blocked_by)
    assert (ending.ended_as, ending.cause, exim.is_self_signed) == ("failed", cause, True)
    assert ending.note.startswith(blocked_by[0].text)
    assert "placeholder was installed for exim" in ending.note
    assert done(exim, journal, *blocked_by) == ()


@pytest.mark.parametrize(
    "cause",
    [
        Cause.OPS_CLOCK_SKEW, Cause.PLAN_OLD_EVIDENCE, Cause.PLAN_UNFINISHED, Cause.PLAN_MAX_CASES,
        Cause.ISSUER_PANEL_ONLY, Cause.PLAN_ELSEWHERE,
    ],
)  # fmt: skip
def test_case_without_a_certain_finding_gets_no_placeholder(exim: Exim, journal: Journal, cause: Cause) -> None:
    assert done(exim, journal, CLOSED, Blocker(cause, "another reason")) == ()
    assert exim.calls == []


def test_disabled_host_gets_no_placeholder(exim: Exim, journal: Journal) -> None:
    assert done(exim, journal, CLOSED, excluded="switched off") == ()
    assert exim.calls == []


def test_open_case_gets_no_placeholder(exim: Exim, journal: Journal) -> None:
    journal.begin(exim.case(), datetime.now(UTC))
    assert done(exim, journal, CLOSED) == ()


def test_unexpired_certificate_stays(exim: Exim, journal: Journal) -> None:
    exim.install(-90, 91)
    assert (done(exim, journal, CLOSED), exim.calls) == ((), [])


def test_dry_run_names_the_service_of_a_waiting_case(exim: Exim, journal: Journal) -> None:
    timeouts = Plan((), (), (WaitingCase(exim.case(), (CLOSED,)),))
    assert "the panel gives exim a self-signed one" in "\n".join(dry_run_lines(timeouts, exim.run(journal, Ca())))
