"""A service of the panel without a valid certificate gets a self-signed placeholder if no certificate is issued."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from remediate.execution.scheduler import repair
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.model.case import Repair
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.cpanel_exim import Exim
from tests.support.remediate.folder_hosts import CONCURRENCY, Ca
from tests.support.remediate.store_host import printed

REFUSED = IssuerFault("refused", "the account is closed")


class SlowCa(Ca):
    """A CA that issues only when the test says so."""

    decided: Order | None = None

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Take the order and keep it pending."""
        order = Ca.place(self, request)
        assert isinstance(order, Order)
        self.decided = order
        self.orders[request.csr.sha256] = replace(order, status="pending", issued=(), own_word="pending-validation")
        return self.orders[request.csr.sha256]


def result_of(exim: Exim, journal: Journal, ca: Ca, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field of the run
    [ending] = repair([exim.case()], exim.run(journal, ca, **changes), CONCURRENCY)
    return ending


def test_expired_certificate_is_replaced_by_a_placeholder_and_case_fails(exim: Exim, journal: Journal) -> None:
    ending = result_of(exim, journal, Ca(faults=[REFUSED]))
    assert (ending.ended_as, ending.cause) == ("failed", "issuer.refused")
    assert "a self-signed placeholder was installed for exim" in ending.note
    assert (exim.is_self_signed, exim.calls) == (True, ["reset_service_ssl_certificate exim arguments"])
    outcome, [attempt] = journal.outcome("panel"), journal.attempts.of_case("panel")
    assert outcome is not None
    assert "placeholder was installed" in outcome.note
    assert "placeholder was installed" in attempt.note


def test_next_run_keeps_the_placeholder(exim: Exim, journal: Journal) -> None:
    result_of(exim, journal, Ca(faults=[REFUSED]))
    served = exim.host.served
    [ending] = repair([exim.case(id="again")], exim.run(journal, Ca(faults=[REFUSED])), CONCURRENCY)
    assert (ending.ended_as, "placeholder" in ending.note) == ("failed", False)
    assert (exim.host.served, len(exim.calls)) == (served, 1)


def test_pending_order_gets_a_placeholder(exim: Exim, journal: Journal) -> None:
    ending = result_of(exim, journal, SlowCa())
    assert (ending.ended_as, ending.cause, exim.is_self_signed) == ("pending", "issuer.pending", True)


def test_issued_certificate_replaces_the_placeholder(exim: Exim, journal: Journal) -> None:
    ca = SlowCa()
    result_of(exim, journal, ca)
    assert ca.decided is not None
    ca.orders = dict.fromkeys(ca.orders, ca.decided)
    ending = result_of(exim, journal, ca)
    assert (ending.ended_as, exim.is_self_signed) == ("proven", False), ending
    assert exim.host.served in (ca.decided.issued[0].certificate_pem or "")


def test_service_without_a_certificate_gets_a_placeholder(exim: Exim, journal: Journal) -> None:
    exim.certificate.unlink()
    result_of(exim, journal, Ca(faults=[REFUSED]))
    assert (exim.is_self_signed, len(exim.calls)) == (True, 1)


def test_unexpired_certificate_is_not_replaced_by_a_placeholder(exim: Exim, journal: Journal) -> None:
    exim.install(-90, 91)
    before = exim.certificate.read_bytes()
    assert "placeholder" not in result_of(exim, journal, Ca(faults=[REFUSED])).note
    assert (exim.certificate.read_bytes(), exim.calls) == (before, [])


def test_certificate_installed_meanwhile_is_not_replaced(exim: Exim, journal: Journal) -> None:
    run = exim.run(journal, Ca(faults=[REFUSED]))
    exim.install(-1, 90)
    [ending] = repair([exim.case()], run, CONCURRENCY)
    assert ("placeholder" in ending.note, exim.calls) == (False, [])


def test_default_file_of_the_panel_is_read_if_a_case_names_none(exim: Exim, journal: Journal) -> None:
    exim.install(-90, 91)
    run = exim.run(journal, Ca(faults=[REFUSED]))
    [ending] = repair([exim.case(files=())], run, CONCURRENCY)
    assert ("placeholder" in ending.note, exim.calls) == (False, [])


def test_host_without_the_panel_gets_no_placeholder(exim: Exim, journal: Journal) -> None:
    ending = result_of(exim, journal, Ca(faults=[REFUSED]), panel=None)
    assert (ending.ended_as, "placeholder" in ending.note, exim.calls) == ("failed", False, [])


def test_refusal_of_the_panel_is_reported(exim: Exim, journal: Journal) -> None:
    program = exim.root / "usr/local/cpanel/bin/whmapi1"
    run = exim.run(journal, Ca(faults=[REFUSED]))
    program.write_text('#!/bin/sh\necho \'{"data":{},"metadata":{"result":0,"reason":"No license."}}\'\n')
    [ending] = repair([exim.case(Repair.RUN_OWNER, owner="dehydrated")], run, CONCURRENCY)
    assert (ending.ended_as, ending.cause) == ("failed", "owner.not-run")
    assert "no placeholder is in use for exim" in ending.note
    assert "WHM refuses: No license." in ending.note


def test_dry_run_names_the_service_that_may_get_a_self_signed_certificate(exim: Exim, journal: Journal) -> None:
    words = "if no certificate is issued, the panel gives exim a self-signed one"
    assert words in printed(exim.case(), exim.run(journal, Ca()))
    exim.install(-90, 91)
    assert words not in printed(exim.case(), exim.run(journal, Ca()))
