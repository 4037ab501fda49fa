"""Repairs whose certificate is issued by a program: with challenges, after a crash, and when the program refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from audit.config import ConfigSection, Configuration
from audit.probe.dns.texts import ServerTexts
from remediate.challenges import read_solver
from remediate.execution.context import ConfiguredIssuer, RunContext
from remediate.execution.dry_run import preview_actions
from remediate.execution.executor import run_case
from remediate.execution.scheduler import repair
from remediate.execution.steps.authorizations import remove_left_over
from remediate.hosts.command import Command
from remediate.hosts.local_command import LocalCommand, run_local
from remediate.issuers import IssuerRun, read_issuer
from remediate.model.authorization import Challenge
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import CaseOutcome, Journal
from tests.support.remediate.fake_host.ca import AUTHORITY, NOW
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.fake_host.run import CONCURRENCY, TIMEOUTS, NoRecords
from tests.support.remediate.killed_database import KilledRun, faults_after_each
from tests.support.remediate.own_programs import internal_ca, program
from tests.support.remediate.store_host import printed

CHALLENGE = '{"type": "dns-01", "identifier": "a.example", "token": "_acme-challenge", "content": "line 1\\nline 2"}'
WAITED = "after 0 s, so no validation by internal was"


@dataclass(frozen=True)
class Zone(NoRecords):
    """The zone of the solver at two name servers: a directory with the texts, each in a file named by its token.

    The second server has them only after as many queries as `delay` says.
    """

    folder: Path
    delay: int = 0
    queries: list[str] = field(default_factory=list)

    def texts(self, name: str, limits: Any, stop: Any) -> tuple[ServerTexts, ...]:  # noqa: ANN401 - as in LookUps
        """Return the texts at both servers."""
        del limits, stop
        self.queries.append(name)
        found = tuple(file.read_text() for file in self.folder.iterdir() if f"{file.name}.a.example" == name)
        second = found if len(self.queries) > self.delay else ()
        return ServerTexts("ns1", "192.0.2.1", found), ServerTexts("ns2", "192.0.2.2", second)


@dataclass(frozen=True)
class InternalCa:
    """A host, an internal CA and a solver."""

    folder: Path
    host: FakeHost
    calls: list[LocalCommand] = field(default_factory=list)

    def issuer(self, before: str = "", **options: Any) -> ConfiguredIssuer:  # noqa: ANN401 - any option
        """Return the internal CA, which runs these lines of shell first."""
        script = (self.folder / "ca.sh").read_text()
        lines = f'echo "$SSLAUDIT_CASE" >>{self.folder}/called\n{before}'
        command = program(self.folder / "issue", script.replace("set -eu\n", f"set -eu\n{lines}\n", 1))
        table = {"kind": "command", "command": list(command), "timeout_s": 60, **options}
        section = ConfigSection(Configuration(), "issuer.internal", table)
        config = read_issuer(section)
        client, lifetimes = config.open(section, IssuerRun()), (config.lifetime, config.promised_lifetime)
        return ConfiguredIssuer(client, "internal", config.key, config.product, *lifetimes)

    def challenging(self) -> ConfiguredIssuer:
        """Return an internal CA that issues only while the challenge is presented."""
        answer = f'{{"status": "pending", "retry_after_s": 0, "challenges": [{CHALLENGE}]}}'
        return self.issuer(f"[ -e {self.zone}/_acme-challenge ] || {{ cat <<'END'\n{answer}\nEND\nexit 0; }}")

    @property
    def zone(self) -> Path:
        """The directory in which the solver presents challenges, a file each."""
        return self.folder / "zone"

    def solvers(self, present: str = "", clean_up: str = "") -> dict[str, Any]:
        """Return the solver, whose programs run these lines of shell first."""
        put = f'{present}\nprintf "%s" "$SSLAUDIT_CONTENT" >"{self.zone}/$SSLAUDIT_TOKEN"\n'
        remove = f'{clean_up}\nrm -f "{self.zone}/$SSLAUDIT_TOKEN"\n'
        table = {
            "kind": "command",
            "types": ["dns-01"],
            "present": [*program(self.folder / "put", f"#!/bin/sh\n{put}"), "add"],
            "clean_up": [*program(self.folder / "remove", f"#!/bin/sh\n{remove}"), "delete"],
        }
        section = ConfigSection(Configuration(), "solver.dns", table)
        config = read_solver(section)
        return dict.fromkeys(config.types, config.open(section))

    def repair(self, journal: Journal, before: str = "", **changes: Any) -> CaseResult:  # noqa: ANN401 - any field
        """Repair with the internal CA, which runs these lines of shell first."""
        return run_case(self.host.case(), self.run(journal, **{"issuer": self.issuer(before), **changes}))

    def repair_with_challenge(
        self,
        journal: Journal,
        *,
        present: str = "",
        clean_up: str = "",
        **changes: Any,  # noqa: ANN401 - any field
    ) -> CaseResult:
        """Repair with a CA that requires a challenge, by a solver that runs these lines of shell first."""
        given = {"issuer": self.challenging(), "solvers": self.solvers(present, clean_up), **changes}
        return run_case(self.host.case(), self.run(journal, **given))

    def run(self, journal: Journal, **changes: Any) -> RunContext:  # noqa: ANN401 - any field
        """Return a run that records the programs of solvers that it runs."""

        def recorded(command: LocalCommand, stop: Any) -> Any:  # noqa: ANN401 - as `run_local` takes
            self.calls.append(command)
            return run_local(command, stop)

        return self.host.run(journal, **{"run_local": recorded, "lookups": Zone(self.zone), **changes})

    @property
    def issued(self) -> int:
        """How many certificates the CA has issued."""
        return len([file for file in (self.folder / "ca/issued").iterdir() if not file.suffix])

    @property
    def cases(self) -> list[str]:
        """The case of each call of the CA."""
        return (self.folder / "called").read_text().split()

    @property
    def presented(self) -> list[str]:
        """The challenges that are presented now."""
        return sorted(file.name for file in self.zone.iterdir())


def internal_ca_in(folder: Path, host: FakeHost) -> InternalCa:
    (folder / "zone").mkdir()
    (folder / "ca.sh").write_text(internal_ca(folder / "ca", AUTHORITY))
    return InternalCa(folder, host)


@pytest.fixture
def internal(tmp_path: Path) -> Iterator[InternalCa]:
    with running_host(tmp_path / "a", "a") as host:
        yield internal_ca_in(tmp_path, host)


def test_certificate_of_a_program_is_installed_after_one_call(internal: InternalCa, journal: Journal) -> None:
    before = internal.host.served
    result = internal.repair(journal)
    assert (result.ended_as, result.note) == ("proven", "")
    assert (internal.issued, internal.host.served != before) == (1, True)
    assert internal.cases == [internal.host.case().id]
    (order,) = journal.orders.of_case(result.case.id)
    assert (order.issuer, order.status) == ("internal", "valid")


def test_refusal_of_the_program_is_the_reason_of_the_failure(internal: InternalCa, journal: Journal) -> None:
    result = internal.repair(journal, "echo no such profile >&2; exit 3")
    assert (result.ended_as, result.cause) == ("failed", Cause.ISSUER_REFUSED)
    assert result.note == "internal: refused: exit status 3: no such profile"


@pytest.mark.parametrize(
    ("before", "cause"),
    [
        ("exit 75", Cause.ISSUER_BUSY),
        ("kill -9 $$", Cause.ISSUER_UNREACHABLE),
        ("echo '{}'; exit 0", Cause.ISSUER_BROKEN),
    ],
)
def test_unknown_outcome_is_resolved_by_the_same_call_in_the_next_run(
    internal: InternalCa, journal: Journal, before: str, cause: Cause
) -> None:
    first = internal.repair(journal, before)
    assert (first.ended_as, first.cause) == ("pending", cause)
    assert [order.status for order in journal.orders.of_case(first.case.id)] == ["intended"]
    second = internal.repair(journal)
    assert second.ended_as == "proven"
    assert (internal.cases, internal.issued) == ([first.case.id] * 2, 1)


def test_certificate_that_was_not_ordered_changes_no_service(internal: InternalCa, journal: Journal) -> None:
    before = internal.host.served
    result = internal.repair(journal, "SSLAUDIT_NAMES=evil.example")
    assert (result.ended_as, result.cause, internal.host.served) == ("failed", Cause.ISSUER_ANSWER, before)
    assert "also holds evil.example" in result.note


@pytest.mark.parametrize(
    ("printed_days", "section", "ended_as", "note"),
    [
        ("365", {"lifetime_days": 90}, "failed", "valid for 365 days (ordered: 90 days)"),
        ("365", {"lifetime_days": 365}, "proven", ""),
        ("$SSLAUDIT_LIFETIME_DAYS", {"lifetime_days": 40}, "proven", ""),
        ("30", {"lifetime_days": 40}, "proven", "valid for 30 days, but 40 days were ordered: it is installed"),
        ("30", {}, "proven", ""),
    ],
)
def test_lifetime_of_the_section_is_passed_on_and_compared(
    internal: InternalCa, journal: Journal, printed_days: str, section: dict[str, Any], ended_as: str, note: str
) -> None:
    script = internal.folder / "ca.sh"
    text = script.read_text()
    assert '-days "$SSLAUDIT_LIFETIME_DAYS"' in text
    script.write_text(text.replace('"$SSLAUDIT_LIFETIME_DAYS"', printed_days))
    result = internal.repair(journal, issuer=internal.issuer(**section))
    assert result.ended_as == ended_as
    assert (note in result.note) if note else ("valid for" not in result.note)


def test_pending_order_is_called_again_until_it_is_issued(internal: InternalCa, journal: Journal) -> None:
    pending = '{"status": "pending", "retry_after_s": 0, "message": "approval"}'
    before = f"[ $(wc -l <{internal.folder}/called) -ge 3 ] || {{ echo '{pending}'; exit 0; }}"
    assert internal.repair(journal, before).ended_as == "proven"
    assert (len(internal.cases), internal.issued) == (3, 1)


def test_pending_order_is_continued_by_the_next_run(internal: InternalCa, journal: Journal) -> None:
    pending = '{"status": "pending", "retry_after_s": 900, "message": "approval"}'
    first = internal.repair(journal, f"echo '{pending}'; exit 0")
    assert (first.ended_as, first.cause, first.retry_after_s) == ("pending", Cause.ISSUER_PENDING, 900)
    assert "at internal is pending: approval" in first.note
    second = internal.repair(journal)
    assert (second.ended_as, set(internal.cases), internal.issued) == ("proven", {first.case.id}, 1)


def test_challenge_is_presented_until_the_certificate_is_issued(internal: InternalCa, journal: Journal) -> None:
    assert internal.repair_with_challenge(journal).ended_as == "proven"
    assert (internal.issued, len(internal.cases), internal.presented) == (1, 2, [])
    present, clean_up = internal.calls
    assert [call.arguments for call in internal.calls] == [
        (f"{internal.folder}/put", "add"),
        (f"{internal.folder}/remove", "delete"),
    ]
    assert dict(present.variables) == {
        "SSLAUDIT_IDENTIFIER": "a.example",
        "SSLAUDIT_CHALLENGE_TYPE": "dns-01",
        "SSLAUDIT_TOKEN": "_acme-challenge",
        "SSLAUDIT_CONTENT": "line 1\nline 2",
    }
    assert clean_up.variables == present.variables
    assert journal.challenges.presented(internal.host.case().id) == ()


def test_ca_is_called_again_only_after_every_server_has_the_challenge(internal: InternalCa, journal: Journal) -> None:
    zone, lines = Zone(internal.zone, delay=1), list[str]()
    timeouts = replace(TIMEOUTS, visible_s=20.0)
    result = internal.repair_with_challenge(journal, lookups=zone, log=lines.append, timeouts=timeouts)
    assert result.ended_as == "proven"
    assert (zone.queries, len(internal.cases)) == (["_acme-challenge.a.example"] * 2, 2)
    shown = [line for line in lines if line.startswith("dig ")]
    assert shown[0].splitlines() == [
        "dig @192.0.2.1 _acme-challenge.a.example TXT",
        "_acme-challenge.a.example at ns1 (192.0.2.1): good: as written",
    ]


def test_challenge_that_is_not_visible_stops_the_order_until_it_is(internal: InternalCa, journal: Journal) -> None:
    result = internal.repair_with_challenge(journal, present="exit 0")
    assert (result.ended_as, result.step, result.cause) == ("failed", "collect", Cause.SOLVER_NOT_VISIBLE)
    assert result.note.splitlines() == [
        f"[solver.dns] has presented dns-01 of a.example, but it is not visible {WAITED} requested:",
        *(f"_acme-challenge.a.example at ns{n} (192.0.2.{n}): missing: there is no TXT record" for n in (1, 2)),
    ]
    assert (len(internal.cases), internal.issued) == (1, 0)
    assert [call.arguments[-1] for call in internal.calls] == ["add", "delete"]
    assert journal.challenges.left_over() == ()
    assert internal.repair_with_challenge(journal).ended_as == "proven"
    assert (internal.issued, internal.presented) == (1, [])


def test_challenge_without_a_solver_is_named_and_nothing_is_presented(internal: InternalCa, journal: Journal) -> None:
    result = internal.repair_with_challenge(journal, solvers={})
    assert (result.ended_as, result.cause) == ("failed", Cause.SOLVER_NONE)
    assert result.note == "internal requires dns-01 for a.example, and no [solver.NAME] solves that"
    assert internal.calls == []


def test_challenge_is_removed_when_the_solver_fails(internal: InternalCa, journal: Journal) -> None:
    present = f"touch {internal.zone}/_acme-challenge; echo zone is locked >&2; exit 4"
    result = internal.repair_with_challenge(journal, present=present)
    assert (result.ended_as, result.cause, internal.presented) == ("failed", Cause.SOLVER_FAILED, [])
    assert result.note == "[solver.dns] did not present dns-01 of a.example: exit status 4: zone is locked"


def test_failed_case_reports_the_challenge_that_is_left_behind(internal: InternalCa, journal: Journal) -> None:
    result = internal.repair_with_challenge(journal, present="echo zone is locked >&2; exit 4", clean_up="exit 9")
    assert (result.ended_as, result.cause) == ("failed", Cause.SOLVER_FAILED)
    assert result.note.endswith("zone is locked; left behind: dns-01 of a.example: it printed nothing")
    outcome = journal.outcome(result.case.id)
    assert outcome
    assert outcome.note == result.note


def test_challenge_is_removed_when_the_certificate_is_rejected(internal: InternalCa, journal: Journal) -> None:
    script = internal.folder / "ca.sh"
    script.write_text(script.read_text().replace("CA:FALSE", "CA:TRUE"))
    assert internal.repair_with_challenge(journal).cause == Cause.ISSUER_ANSWER
    assert internal.presented == []


def test_challenge_that_cannot_be_removed_is_reported_and_removed_later(internal: InternalCa, journal: Journal) -> None:
    assert internal.repair_with_challenge(journal, clean_up="exit 9").ended_as == "proven"
    notes = [event.note for event in journal.events(internal.host.case().id) if event.step == "collect"]
    assert "left behind: dns-01 of a.example: it printed nothing" in notes[-1]
    assert internal.presented == ["_acme-challenge"]
    remove_left_over(internal.run(journal, solvers=internal.solvers()))
    assert (internal.presented, journal.challenges.left_over()) == ([], ())


def test_challenge_of_an_unfinished_case_is_left_to_its_repair(internal: InternalCa, journal: Journal) -> None:
    case, challenge = internal.host.case(), Challenge("dns-01", "a.example", "t", "c")
    journal.begin(case, NOW)
    journal.challenges.present(case.id, challenge, NOW)
    assert (journal.challenges.left_over(), journal.challenges.presented(case.id)) == ((), (challenge,))
    journal.end(case.id, CaseOutcome("dropped", NOW))
    assert journal.challenges.left_over() == ((case.id, challenge),)


def test_challenge_whose_solver_is_gone_is_reported(internal: InternalCa, journal: Journal) -> None:
    case, lines = internal.host.case(), list[str]()
    journal.begin(case, NOW)
    journal.challenges.present(case.id, Challenge("dns-01", "a.example", "t", "c"), NOW)
    journal.end(case.id, CaseOutcome("failed", NOW))
    remove_left_over(internal.run(journal, log=lines.append))
    assert lines == ["left behind: dns-01 of a.example: no [solver.NAME] solves that type any more"]


def test_dry_run_prints_the_program_and_runs_nothing(internal: InternalCa, journal: Journal) -> None:
    run = internal.run(journal, issuer=internal.challenging(), solvers=internal.solvers())
    text = printed(internal.host.case(), run)
    variables = f"SSLAUDIT_NAMES=a.example SSLAUDIT_CASE={internal.host.case().id} SSLAUDIT_LIFETIME_DAYS=90"
    assert f"{variables} {internal.folder}/issue" in text
    assert "standard input: <the request made above>" in text
    assert f"SSLAUDIT_CONTENT='<content>' {internal.folder}/put add" in text
    assert f"{internal.folder}/remove delete" in text
    assert ", 1 program on this machine and 0 requests would be made" in text
    assert not (internal.folder / "called").exists()
    assert internal.calls == []


def test_dry_run_names_the_programs_and_commands_of_the_repair(internal: InternalCa, journal: Journal) -> None:
    case, run = internal.host.case(), internal.run(journal, issuer=internal.issuer())
    previewed = list(preview_actions(case, run))
    assert [type(action) for action in previewed].count(LocalCommand) == 1
    assert run_case(case, run).ended_as == "proven"
    scripts = [action.script for action in previewed if isinstance(action, Command)]
    assert scripts == [command.script for command in internal.host.session.commands if command.changes]


def test_run_killed_at_any_record_is_continued_with_one_certificate(run_folder: Path) -> None:
    with running_host(run_folder / "a", "a") as host:
        assert faults_after_each(killed_run(internal_ca_in(run_folder, host))) == []


def killed_run(internal: InternalCa) -> KilledRun:
    """Return a repair with a challenge that can be killed; the next run removes what is left over first."""
    host, case, calls = internal.host, internal.host.case(), internal.folder / "called"
    before, changes = host.served, {"issuer": internal.challenging(), "solvers": internal.solvers()}

    def begin(journal: Journal) -> None:
        repair([case], internal.run(journal, **changes), CONCURRENCY)

    def complete(journal: Journal) -> object:
        found_by_audit, run = [case] if host.served == before else [], internal.run(journal, **changes)
        remove_left_over(run)
        kinds = {(result.ended_as, result.note) for result in repair(found_by_audit, run, CONCURRENCY)}
        left = (kinds - {("proven", "")}, journal.unfinished(), internal.presented)
        return *left, internal.issued, set(internal.cases), host.served == before

    def count() -> object:
        return host.changes, len(internal.calls), calls.read_text() if calls.exists() else ""

    return KilledRun(internal.folder, begin, complete, (set(), (), [], 1, {case.id}, False), count)
