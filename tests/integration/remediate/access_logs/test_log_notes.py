"""Who came for the proof is told with the step, with how a case ended, and where the self-test failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audit.observation.website import Docroot
from remediate.cli.output import case_result_row
from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.execution.steps.access_log_notes import request_notes_since
from remediate.model.options import Concurrency
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.remediate.folder_hosts import changed
from tests.support.remediate.store_host import Premiere

CONCURRENCY = Concurrency(hosts_at_once=1, chance=lambda: 0.0)


def run_context(there: Premiere, journal: Journal, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
    run = there.run(journal, access_logs_of=lambda _: (str(there.access_log),))
    return changed(run, **changes)


def repaired(there: Premiere, run: RunContext) -> CaseResult:
    (ending,) = repair([there.case()], run, CONCURRENCY)
    return ending


def test_the_ca_and_our_own_look_are_told_with_what_was_collected_and_how_the_case_ended(
    there: Premiere, journal: Journal
) -> None:
    said = list[str]()
    ending = repaired(there, run_context(there, journal, log=said.append))
    first, second, third = ending.note.splitlines()
    assert ending.ended_as == "proven"
    assert first.startswith("fetched by 3 addresses of the CA: 127.0.0.2 at 20")
    assert second.startswith("fetched by this audit: 127.0.0.1 at 20")
    assert second.endswith(" UTC, sslaudit (self-test) SECTIGO DCV, 200")
    assert third.startswith("not listed as Sectigo's by cPanel's documentation: 127.0.0.2, 127.0.0.3, 127.0.0.4; ")
    (note,) = (one.note for one in journal.events(there.case().id) if (one.step, one.state) == ("collect", "done"))
    assert note.splitlines()[1:] == [first, second, third]
    assert case_result_row(ending)[-1].splitlines() == [first, second, third]
    assert len([line for line in said if line.startswith("a logged a request for ")]) == 4


def test_while_an_order_is_pending_it_is_told_who_came_and_who_did_not(there: Premiere, journal: Journal) -> None:
    there.store.misbehave("pending")
    timeouts = replace(there.run(journal).timeouts, issuance_s=0.0)
    ending = repaired(there, run_context(there, journal, timeouts=timeouts))
    first, *visits = ending.note.splitlines()
    assert (ending.ended_as, ending.cause) == ("pending", "issuer.pending")
    assert "is pending-validation" in first
    assert visits[0] == f"no request by the CA for the file in {there.access_log}"
    assert visits[1].startswith("fetched by this audit: 127.0.0.1 at 20")


def test_without_a_log_it_is_said_where_somebody_waits_and_nowhere_else(there: Premiere, journal: Journal) -> None:
    there.store.misbehave("pending")
    timeouts = replace(there.run(journal).timeouts, issuance_s=0.0)
    pending = repaired(there, there.run(journal, timeouts=timeouts))
    unknown = "it is unknown who requested the challenge file, because no access log is known"
    assert pending.note.splitlines()[1:] == [unknown]


def test_a_rejected_order_says_who_came(there: Premiere, journal: Journal) -> None:
    there.store.misbehave("rejected")
    ending = repaired(there, run_context(there, journal))
    assert (ending.ended_as, ending.cause) == ("failed", "issuer.rejected")
    assert any(line.startswith("fetched by this audit: 127.0.0.1") for line in ending.note.splitlines())


def test_a_log_that_cannot_be_read_fails_nothing(there: Premiere, journal: Journal) -> None:
    ending = repaired(there, run_context(there, journal, access_logs_of=lambda _: ("/nowhere/access.log",)))
    assert (ending.ended_as, ending.note) == ("proven", "access log: /nowhere/access.log is not there")


def test_a_failed_self_test_says_where_the_file_is_where_the_name_leads_and_what_got_through(
    there: Premiere, journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    run = run_context(there, journal, docroot_of=lambda _: Docroot(str(tmp_path / "elsewhere")))
    ending = repaired(there, run)
    bad, hop, file, leads, visit = ending.note.splitlines()
    assert (ending.cause, bad) == (
        "dcv.missing",
        "a.example at 127.0.0.1: missing: the server returns 404: it serves another directory",
    )
    assert " at 127.0.0.1: 404 by SimpleHTTP/" in hop
    assert file.startswith(f"the file is on a as {tmp_path}/elsewhere/.well-known/pki-validation/")
    assert file.endswith(".txt")
    assert leads == "a.example leads to 127.0.0.1, according to the resolver"
    assert visit.startswith("requested, but not served, by this audit: 127.0.0.1 at 20")
    assert visit.endswith(", 404")


def test_where_nothing_got_through_to_the_host_that_is_said(there: Premiere, journal: Journal, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.log"
    quiet.touch()
    logs = {"access_logs_of": lambda _: (str(quiet),), "docroot_of": lambda _: Docroot(str(tmp_path))}
    ending = repaired(there, run_context(there, journal, **logs))
    assert ending.note.splitlines()[-1] == f"no request for the file in {quiet}"


def test_of_a_run_of_the_panels_own_program_all_that_came_since_is_told(there: Premiere, journal: Journal) -> None:
    began = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    with there.access_log.open("w") as log:
        for minute, agent, path in (
            ("09:59", "SECTIGO DCV", "/.well-known/pki-validation/" + "0A" * 16 + ".txt"),
            ("10:01", "Cpanel-HTTP-Client/1.0", "/.well-known/pki-validation/" + "0B" * 16 + ".txt"),
            ("10:02", "SECTIGO DCV", "/.well-known/pki-validation/" + "0B" * 16 + ".txt"),
            ("10:03", "curl/8", "/robots.txt"),
        ):
            when = f"23/Nov/2026:{minute}:00 +0000"
            log.write(f'199.66.201.132 - - [{when}] "GET {path} HTTP/1.1" 200 97 "-" "{agent}"\n')
    context = CaseContext(there.case(), run_context(there, journal))
    assert request_notes_since(context, began) == (
        "fetched by the CA: 199.66.201.132 at 2026-11-23 10:02:00 UTC, SECTIGO DCV, 200",
        "fetched by the panel's own client: 199.66.201.132 at 2026-11-23 10:01:00 UTC, Cpanel-HTTP-Client/1.0, 200",
        "listed as Sectigo's by cPanel's documentation: 199.66.201.132",
    )
    assert request_notes_since(CaseContext(there.case(), there.run(journal)), began) == ()
