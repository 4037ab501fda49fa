"""A panel's service without a valid certificate gets a self-signed placeholder if none is issued or its case waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from cryptography import x509

from remediate.execution.dry_run_lines import dry_run_lines
from remediate.execution.placeholder_cases import install_waiting_placeholders
from remediate.issuers import IssuerFault
from remediate.model.case import Repair
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.model.plan import Blocker, Plan, WaitingCase
from remediate.state.journal import CaseOutcome, Journal
from tests.support.remediate.fake_host.ca import Ca, leaf_of, pems_of
from tests.support.remediate.fake_host.host import FakeHost, repaired
from tests.support.remediate.fake_host.panel import whmapi1_of
from tests.support.remediate.fake_host.run import TIMEOUTS
from tests.support.remediate.store_host import printed

REFUSED: Final = IssuerFault("refused", "the account is closed")
CLOSED = Blocker(Cause.DCV_FIREWALL, "a/: dcv.firewall: rule 3 of the chain input drops what comes to TCP port 80")
NO_ISSUER = Blocker(Cause.ISSUER_NONE, "no issuer is chosen: [remediate] issuer, and its section [issuer.NAME]")


def refused(exim: FakeHost, journal: Journal, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field of the run
    """Repair with a CA that refuses the order."""
    return exim.repair(journal, Ca(faults=[REFUSED]), **changes)


def pending(exim: FakeHost, journal: Journal, ca: Ca) -> CaseResult:
    """Repair with a CA that does not issue before the run ends."""
    return exim.repair(journal, ca, timeouts=replace(TIMEOUTS, issuance_s=0.1))


def is_self_signed(exim: FakeHost) -> bool:
    served = x509.load_pem_x509_certificate(exim.served.encode())
    return served.issuer == served.subject


def install(exim: FakeHost, begins: int, days: int) -> None:
    """Install a certificate of the CA that Exim does not load."""
    exim.first.write(*pems_of(leaf_of(exim.name, begins, days)))


def test_expired_certificate_is_replaced_by_a_placeholder_and_case_fails(exim: FakeHost, journal: Journal) -> None:
    ending = refused(exim, journal)
    assert (ending.ended_as, ending.cause) == ("failed", "issuer.refused")
    assert "a self-signed placeholder was installed for exim" in ending.note
    assert (is_self_signed(exim), exim.calls) == (True, ["reset_service_ssl_certificate exim arguments"])
    outcome, [attempt] = journal.outcome("panel"), journal.attempts.of_case("panel")
    assert outcome is not None
    assert "placeholder was installed" in outcome.note
    assert "placeholder was installed" in attempt.note


def test_next_run_keeps_the_placeholder(exim: FakeHost, journal: Journal) -> None:
    refused(exim, journal)
    served = exim.served
    ending = refused(exim, journal, case=exim.case(id="again"))
    assert (ending.ended_as, "placeholder" in ending.note) == ("failed", False)
    assert (exim.served, len(exim.calls)) == (served, 1)


def test_pending_order_gets_a_placeholder(exim: FakeHost, journal: Journal) -> None:
    ending = pending(exim, journal, Ca(is_slow=True))
    assert (ending.ended_as, ending.cause, is_self_signed(exim)) == ("pending", "issuer.pending", True)


def test_issued_certificate_replaces_the_placeholder(exim: FakeHost, journal: Journal) -> None:
    ca = Ca(is_slow=True)
    pending(exim, journal, ca)
    order = ca.issue(ca.csrs[0])
    ending = exim.repair(journal, ca)
    assert (ending.ended_as, is_self_signed(exim)) == ("proven", False), ending
    assert exim.served in (order.issued[0].certificate_pem or "")


def test_service_without_a_certificate_gets_a_placeholder(exim: FakeHost, journal: Journal) -> None:
    exim.certificate.unlink()
    refused(exim, journal)
    assert (is_self_signed(exim), len(exim.calls)) == (True, 1)


@pytest.mark.parametrize("changes", [{}, {"files": ()}], ids=["its file", "the default file of the panel"])
def test_unexpired_certificate_is_not_replaced_by_a_placeholder(
    exim: FakeHost, journal: Journal, changes: dict[str, Any]
) -> None:
    install(exim, -90, 91)
    before = exim.certificate.read_bytes()
    assert "placeholder" not in refused(exim, journal, case=exim.case(**changes)).note
    assert (exim.certificate.read_bytes(), exim.calls) == (before, [])


def test_certificate_installed_meanwhile_is_not_replaced(exim: FakeHost, journal: Journal) -> None:
    run = exim.run(journal, Ca(faults=[REFUSED]))
    install(exim, -1, 90)
    assert ("placeholder" in repaired(exim.case(), run).note, exim.calls) == (False, [])


def test_host_without_the_panel_gets_no_placeholder(exim: FakeHost, journal: Journal) -> None:
    ending = refused(exim, journal, panel=None)
    assert (ending.ended_as, "placeholder" in ending.note, exim.calls) == ("failed", False, [])


def test_refusal_of_the_panel_is_reported(exim: FakeHost, journal: Journal) -> None:
    whmapi1_of(exim.folder).write_text(
        '#!/bin/sh\necho \'{"data":{},"metadata":{"result":0,"reason":"No license."}}\'\n'
    )
    ending = refused(exim, journal, case=exim.case(Repair.RUN_OWNER, owner="dehydrated"))
    assert (ending.ended_as, ending.cause) == ("failed", "owner.not-run")
    assert "no placeholder is in use for exim" in ending.note
    assert "WHM refuses: No license." in ending.note


def test_dry_run_names_the_service_that_may_get_a_self_signed_certificate(exim: FakeHost, journal: Journal) -> None:
    words = "if no certificate is issued, the panel gives exim a self-signed one"
    assert words in printed(exim.case(), exim.run(journal))
    install(exim, -90, 91)
    assert words not in printed(exim.case(), exim.run(journal))


def installed(exim: FakeHost, journal: Journal, *blocked_by: Blocker, **changes: Any) -> tuple[CaseResult, ...]:  # noqa: ANN401 - any field of the run
    """Return what is done for its case, which waits for these reasons."""
    return tuple(install_waiting_placeholders([WaitingCase(exim.case(), blocked_by)], exim.run(journal, **changes)))


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
    exim: FakeHost, journal: Journal, blocked_by: tuple[Blocker, ...], cause: Cause
) -> None:
    [ending] = installed(exim, journal, *blocked_by)
    assert (ending.ended_as, ending.cause, is_self_signed(exim)) == ("failed", cause, True)
    assert ending.note.startswith(blocked_by[0].text)
    assert "placeholder was installed for exim" in ending.note
    assert installed(exim, journal, *blocked_by) == ()


@pytest.mark.parametrize(
    "cause",
    [
        Cause.OPS_CLOCK_SKEW, Cause.PLAN_OLD_EVIDENCE, Cause.PLAN_UNFINISHED, Cause.PLAN_MAX_CASES,
        Cause.ISSUER_PANEL_ONLY, Cause.PLAN_ELSEWHERE,
    ],
)  # fmt: skip
def test_case_without_a_certain_finding_gets_no_placeholder(exim: FakeHost, journal: Journal, cause: Cause) -> None:
    assert installed(exim, journal, CLOSED, Blocker(cause, "another reason")) == ()
    assert exim.calls == []


def test_disabled_host_or_open_or_unexpired_case_gets_no_placeholder(exim: FakeHost, journal: Journal) -> None:
    assert installed(exim, journal, CLOSED, excluded="switched off") == ()
    journal.begin(exim.case(), datetime.now(UTC))
    assert installed(exim, journal, CLOSED) == ()
    journal.end("panel", CaseOutcome("dropped", datetime.now(UTC)))
    install(exim, -90, 91)
    assert (installed(exim, journal, CLOSED), exim.calls) == ((), [])


def test_dry_run_names_the_service_of_a_waiting_case(exim: FakeHost, journal: Journal) -> None:
    plan = Plan((), (), (WaitingCase(exim.case(), (CLOSED,)),))
    assert "the panel gives exim a self-signed one" in "\n".join(dry_run_lines(plan, exim.run(journal)))
