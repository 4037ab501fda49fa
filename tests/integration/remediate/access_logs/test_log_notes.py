"""Requests for the validation file are noted with the step, with the result, and with a failed self-test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from audit.observation.website import Docroot
from remediate.cli.output import case_result_row
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.steps.access_log_notes import request_notes_since
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.host import repaired
from tests.support.remediate.fake_host.run import TIMEOUTS
from tests.support.remediate.store_host import StoreHost

NOT_ISSUED_YET: Final = replace(TIMEOUTS, issuance_s=0.0)


def result_of(store_host: StoreHost, journal: Journal, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field
    """Repair in a run that reads the access log of the website, unless `changes` name another."""
    return repaired(store_host.case(), run_with_log(store_host, journal, **changes))


def run_with_log(store_host: StoreHost, journal: Journal, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
    return store_host.run(journal, **{"access_logs_of": lambda _: (str(store_host.access_log),), **changes})


def test_requests_of_the_ca_and_the_self_test_are_noted_with_the_result(
    store_host: StoreHost, journal: Journal
) -> None:
    messages = list[str]()
    ending = result_of(store_host, journal, log=messages.append)
    first, second, third = ending.note.splitlines()
    assert ending.ended_as == "proven"
    assert first.startswith("fetched by 3 addresses of the CA: 127.0.0.2 at 20")
    assert second.startswith("fetched by this audit: 127.0.0.1 at 20")
    assert second.endswith(" UTC, sslaudit (self-test) SECTIGO DCV, 200")
    assert third.startswith("not listed as Sectigo's by cPanel's documentation: 127.0.0.2, 127.0.0.3, 127.0.0.4; ")
    (note,) = (one.note for one in journal.events(store_host.case().id) if (one.step, one.state) == ("collect", "done"))
    assert note.splitlines()[1:] == [first, second, third]
    *_, lines, _ = case_result_row(ending)
    assert lines.splitlines() == [first, second, third]
    assert len([line for line in messages if line.startswith("a logged a request for ")]) == 4


def test_pending_order_notes_who_requested_the_file(store_host: StoreHost, journal: Journal) -> None:
    store_host.store.misbehave("pending")
    ending = result_of(store_host, journal, timeouts=NOT_ISSUED_YET)
    first, *lines = ending.note.splitlines()
    assert (ending.ended_as, ending.cause) == ("pending", "issuer.pending")
    assert "is pending-validation" in first
    assert lines[0] == f"no request by the CA for the file in {store_host.access_log}"
    assert lines[1].startswith("fetched by this audit: 127.0.0.1 at 20")


def test_missing_log_is_noted_only_if_an_order_is_pending(store_host: StoreHost, journal: Journal) -> None:
    store_host.store.misbehave("pending")
    pending = repaired(store_host.case(), store_host.run(journal, timeouts=NOT_ISSUED_YET))
    unknown = "it is unknown who requested the challenge file, because no access log is known"
    assert pending.note.splitlines()[1:] == [unknown]


def test_rejected_order_notes_who_requested_the_file(store_host: StoreHost, journal: Journal) -> None:
    store_host.store.misbehave("rejected")
    ending = result_of(store_host, journal)
    assert (ending.ended_as, ending.cause) == ("failed", "issuer.rejected")
    assert any(line.startswith("fetched by this audit: 127.0.0.1") for line in ending.note.splitlines())


def test_unreadable_log_fails_no_step(store_host: StoreHost, journal: Journal) -> None:
    ending = result_of(store_host, journal, access_logs_of=lambda _: ("/nowhere/access.log",))
    assert (ending.ended_as, ending.note) == ("proven", "access log: /nowhere/access.log does not exist")


def test_failed_self_test_notes_file_addresses_and_requests(
    store_host: StoreHost, journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    ending = result_of(store_host, journal, docroot_of=lambda _: Docroot(str(tmp_path / "elsewhere")))
    bad, hop, file, leads, request = ending.note.splitlines()
    assert (ending.cause, bad) == (
        "dcv.missing",
        "a.example at 127.0.0.1: missing: the server returns 404: it serves another directory",
    )
    assert " at 127.0.0.1: 404 by website/" in hop
    assert file.startswith(f"the file is on a as {tmp_path}/elsewhere/.well-known/pki-validation/")
    assert file.endswith(".txt")
    assert leads == "a.example leads to 127.0.0.1, according to the resolver"
    assert request.startswith("requested, but not served, by this audit: 127.0.0.1 at 20")
    assert request.endswith(", 404")


def test_failed_self_test_notes_that_no_request_reached_the_host(
    store_host: StoreHost, journal: Journal, tmp_path: Path
) -> None:
    quiet = tmp_path / "quiet.log"
    quiet.touch()
    logs = {"access_logs_of": lambda _: (str(quiet),), "docroot_of": lambda _: Docroot(str(tmp_path))}
    ending = result_of(store_host, journal, **logs)
    assert ending.note.splitlines()[-1] == f"no request for the file in {quiet}"


def test_run_of_the_panel_program_notes_all_requests_since_then(store_host: StoreHost, journal: Journal) -> None:
    began = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    with store_host.access_log.open("w") as log:
        for minute, agent, path in (
            ("09:59", "SECTIGO DCV", "/.well-known/pki-validation/" + "0A" * 16 + ".txt"),
            ("10:01", "Cpanel-HTTP-Client/1.0", "/.well-known/pki-validation/" + "0B" * 16 + ".txt"),
            ("10:02", "SECTIGO DCV", "/.well-known/pki-validation/" + "0B" * 16 + ".txt"),
            ("10:03", "curl/8", "/robots.txt"),
        ):
            when = f"23/Nov/2026:{minute}:00 +0000"
            log.write(f'199.66.201.132 - - [{when}] "GET {path} HTTP/1.1" 200 97 "-" "{agent}"\n')
    context = CaseContext(store_host.case(), run_with_log(store_host, journal))
    assert request_notes_since(context, began) == (
        "fetched by the CA: 199.66.201.132 at 2026-11-23 10:02:00 UTC, SECTIGO DCV, 200",
        "fetched by the panel's own client: 199.66.201.132 at 2026-11-23 10:01:00 UTC, Cpanel-HTTP-Client/1.0, 200",
        "listed as Sectigo's by cPanel's documentation: 199.66.201.132",
    )
    assert request_notes_since(CaseContext(store_host.case(), store_host.run(journal)), began) == ()
