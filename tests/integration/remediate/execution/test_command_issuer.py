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
from remediate.model.options import Timeouts
from remediate.state.journal import CaseOutcome, Journal, open_journal
from tests.support.remediate.fake_host.ca import AUTHORITY, NOW
from tests.support.remediate.fake_host.host import FakeHost, running_host
from tests.support.remediate.fake_host.run import CONCURRENCY, NoRecords
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
class RepairSetup:
    """A host, an internal CA and a solver; the CA requires a challenge if `needs_challenge`."""

    folder: Path
    host: FakeHost
    calls: list[LocalCommand] = field(default_factory=list)

    def issuer(self, before: str = "") -> ConfiguredIssuer:
        """Return the internal CA, which runs these lines of shell first."""
        script = (self.folder / "ca.sh").read_text()
        lines = f'echo "$SSLAUDIT_CASE" >>{self.folder}/called\n{before}'
        command = program(self.folder / "issue", script.replace("set -eu\n", f"set -eu\n{lines}\n", 1))
        table = {"kind": "command", "command": list(command), "timeout_s": 60}
        section = ConfigSection(Configuration(), "issuer.internal", table)
        config = read_issuer(section)
        return ConfiguredIssuer(config.open(section, IssuerRun()), "internal", config.key, lifetime=config.lifetime)

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


def setup_in(folder: Path, host: FakeHost) -> RepairSetup:
    (folder / "zone").mkdir()
    (folder / "ca.sh").write_text(internal_ca(folder / "ca", AUTHORITY))
    return RepairSetup(folder, host)


@pytest.fixture
def repair_setup(tmp_path: Path) -> Iterator[RepairSetup]:
    with running_host(tmp_path / "a", "a") as host:
        yield setup_in(tmp_path, host)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as opened:
        yield opened


def test_certificate_of_a_program_is_installed_after_one_call(repair_setup: RepairSetup, journal: Journal) -> None:
    before = repair_setup.host.served
    result = run_case(repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer()))
    assert (result.ended_as, result.note) == ("proven", "")
    assert (repair_setup.issued, repair_setup.host.served != before) == (1, True)
    assert repair_setup.cases == [repair_setup.host.case().id]
    (order,) = journal.orders.of_case(result.case.id)
    assert (order.issuer, order.status) == ("internal", "valid")


def test_refusal_of_the_program_is_the_reason_of_the_failure(repair_setup: RepairSetup, journal: Journal) -> None:
    result = run_case(
        repair_setup.host.case(),
        repair_setup.run(journal, issuer=repair_setup.issuer("echo no such profile >&2; exit 3")),
    )
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
    repair_setup: RepairSetup, journal: Journal, before: str, cause: Cause
) -> None:
    first = run_case(repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer(before)))
    assert (first.ended_as, first.cause) == ("pending", cause)
    assert [order.status for order in journal.orders.of_case(first.case.id)] == ["intended"]
    second = run_case(repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer()))
    assert second.ended_as == "proven"
    assert (repair_setup.cases, repair_setup.issued) == ([first.case.id] * 2, 1)


def test_certificate_that_was_not_ordered_changes_no_service(repair_setup: RepairSetup, journal: Journal) -> None:
    before = repair_setup.host.served
    result = run_case(
        repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer("SSLAUDIT_NAMES=evil.example"))
    )
    assert (result.ended_as, result.cause, repair_setup.host.served) == ("failed", Cause.ISSUER_ANSWER, before)
    assert "also holds evil.example" in result.note


@pytest.mark.parametrize(("days", "kind"), [(90, "failed"), (365, "proven")])
def test_lifetime_of_the_section_is_the_longest_that_is_accepted(
    repair_setup: RepairSetup, journal: Journal, days: int, kind: str
) -> None:
    script = repair_setup.folder / "ca.sh"
    script.write_text(script.read_text().replace("-days 90", "-days 365"))
    section = ConfigSection(
        Configuration(), "issuer.internal", {"kind": "command", "command": ["/bin/sh"], "lifetime_days": days}
    )
    issuer = replace(repair_setup.issuer(), lifetime=read_issuer(section).lifetime)
    assert run_case(repair_setup.host.case(), repair_setup.run(journal, issuer=issuer)).ended_as == kind


def test_pending_order_is_called_again_until_it_is_issued(repair_setup: RepairSetup, journal: Journal) -> None:
    pending = '{"status": "pending", "retry_after_s": 0, "message": "approval"}'
    before = f"[ $(wc -l <{repair_setup.folder}/called) -ge 3 ] || {{ echo '{pending}'; exit 0; }}"
    assert (
        run_case(repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer(before))).ended_as
        == "proven"
    )
    assert (len(repair_setup.cases), repair_setup.issued) == (3, 1)


def test_pending_order_is_continued_by_the_next_run(repair_setup: RepairSetup, journal: Journal) -> None:
    pending = '{"status": "pending", "retry_after_s": 900, "message": "approval"}'
    first = run_case(
        repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer(f"echo '{pending}'; exit 0"))
    )
    assert (first.ended_as, first.cause, first.retry_after_s) == ("pending", Cause.ISSUER_PENDING, 900)
    assert "at internal is pending: approval" in first.note
    second = run_case(repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer()))
    assert (second.ended_as, set(repair_setup.cases), repair_setup.issued) == ("proven", {first.case.id}, 1)


def test_challenge_is_presented_until_the_certificate_is_issued(repair_setup: RepairSetup, journal: Journal) -> None:
    run = repair_setup.run(journal, issuer=repair_setup.challenging(), solvers=repair_setup.solvers())
    assert run_case(repair_setup.host.case(), run).ended_as == "proven"
    assert (repair_setup.issued, len(repair_setup.cases), repair_setup.presented) == (1, 2, [])
    present, clean_up = repair_setup.calls
    assert [call.arguments for call in repair_setup.calls] == [
        (f"{repair_setup.folder}/put", "add"),
        (f"{repair_setup.folder}/remove", "delete"),
    ]
    assert dict(present.variables) == {
        "SSLAUDIT_IDENTIFIER": "a.example",
        "SSLAUDIT_CHALLENGE_TYPE": "dns-01",
        "SSLAUDIT_TOKEN": "_acme-challenge",
        "SSLAUDIT_CONTENT": "line 1\nline 2",
    }
    assert clean_up.variables == present.variables
    assert journal.challenges.presented(repair_setup.host.case().id) == ()


def test_ca_is_called_again_only_after_every_server_has_the_challenge(
    repair_setup: RepairSetup, journal: Journal
) -> None:
    zone, lines = Zone(repair_setup.zone, delay=1), list[str]()
    changes = {"lookups": zone, "log": lines.append, "timeouts": Timeouts(20, 0.5, issuance_s=2.0, visible_s=20.0)}
    run = repair_setup.run(journal, issuer=repair_setup.challenging(), solvers=repair_setup.solvers(), **changes)
    assert run_case(repair_setup.host.case(), run).ended_as == "proven"
    assert (zone.queries, len(repair_setup.cases)) == (["_acme-challenge.a.example"] * 2, 2)
    shown = [line for line in lines if line.startswith("dig ")]
    assert shown[0].splitlines() == [
        "dig @192.0.2.1 _acme-challenge.a.example TXT",
        "_acme-challenge.a.example at ns1 (192.0.2.1): good: as written",
    ]


def test_challenge_that_is_not_visible_stops_the_order_until_it_is(repair_setup: RepairSetup, journal: Journal) -> None:
    case, issuer = repair_setup.host.case(), repair_setup.challenging()
    run = repair_setup.run(journal, issuer=issuer, solvers=repair_setup.solvers(present="exit 0"))
    result = run_case(case, run)
    assert (result.ended_as, result.step, result.cause) == ("failed", "collect", Cause.SOLVER_NOT_VISIBLE)
    assert result.note.splitlines() == [
        f"[solver.dns] has presented dns-01 of a.example, but it is not visible {WAITED} requested:",
        *(f"_acme-challenge.a.example at ns{n} (192.0.2.{n}): missing: there is no TXT record" for n in (1, 2)),
    ]
    assert (len(repair_setup.cases), repair_setup.issued) == (1, 0)
    assert [call.arguments[-1] for call in repair_setup.calls] == ["add", "delete"]
    assert journal.challenges.left_over() == ()
    run = repair_setup.run(journal, issuer=issuer, solvers=repair_setup.solvers())
    assert run_case(case, run).ended_as == "proven"
    assert (repair_setup.issued, repair_setup.presented) == (1, [])


def test_challenge_without_a_solver_is_named_and_nothing_is_presented(
    repair_setup: RepairSetup, journal: Journal
) -> None:
    result = run_case(repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.challenging()))
    assert (result.ended_as, result.cause) == ("failed", Cause.SOLVER_NONE)
    assert result.note == "internal requires dns-01 for a.example, and no [solver.NAME] solves that"
    assert repair_setup.calls == []


def test_challenge_is_removed_when_the_solver_fails(repair_setup: RepairSetup, journal: Journal) -> None:
    solvers = repair_setup.solvers(
        present=f"touch {repair_setup.zone}/_acme-challenge; echo zone is locked >&2; exit 4"
    )
    run = repair_setup.run(journal, issuer=repair_setup.challenging(), solvers=solvers)
    result = run_case(repair_setup.host.case(), run)
    assert (result.ended_as, result.cause, repair_setup.presented) == ("failed", Cause.SOLVER_FAILED, [])
    assert result.note == "[solver.dns] did not present dns-01 of a.example: exit status 4: zone is locked"


def test_failed_case_reports_the_challenge_that_is_left_behind(repair_setup: RepairSetup, journal: Journal) -> None:
    solvers = repair_setup.solvers(present="echo zone is locked >&2; exit 4", clean_up="exit 9")
    result = run_case(
        repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.challenging(), solvers=solvers)
    )
    assert (result.ended_as, result.cause) == ("failed", Cause.SOLVER_FAILED)
    assert result.note.endswith("zone is locked; left behind: dns-01 of a.example: it printed nothing")
    outcome = journal.outcome(result.case.id)
    assert outcome
    assert outcome.note == result.note


def test_challenge_is_removed_when_the_certificate_is_rejected(repair_setup: RepairSetup, journal: Journal) -> None:
    script = repair_setup.folder / "ca.sh"
    script.write_text(script.read_text().replace("CA:FALSE", "CA:TRUE"))
    run = repair_setup.run(journal, issuer=repair_setup.challenging(), solvers=repair_setup.solvers())
    assert (run_case(repair_setup.host.case(), run).cause, repair_setup.presented) == (Cause.ISSUER_ANSWER, [])


def test_challenge_that_cannot_be_removed_is_reported_and_removed_later(
    repair_setup: RepairSetup, journal: Journal
) -> None:
    run = repair_setup.run(journal, issuer=repair_setup.challenging(), solvers=repair_setup.solvers(clean_up="exit 9"))
    assert run_case(repair_setup.host.case(), run).ended_as == "proven"
    notes = [event.note for event in journal.events(repair_setup.host.case().id) if event.step == "collect"]
    assert "left behind: dns-01 of a.example: it printed nothing" in notes[-1]
    assert repair_setup.presented == ["_acme-challenge"]
    remove_left_over(repair_setup.run(journal, solvers=repair_setup.solvers()))
    assert (repair_setup.presented, journal.challenges.left_over()) == ([], ())


def test_challenge_of_an_unfinished_case_is_left_to_its_repair(repair_setup: RepairSetup, journal: Journal) -> None:
    case, challenge = repair_setup.host.case(), Challenge("dns-01", "a.example", "t", "c")
    journal.begin(case, NOW)
    journal.challenges.present(case.id, challenge, NOW)
    assert (journal.challenges.left_over(), journal.challenges.presented(case.id)) == ((), (challenge,))
    journal.end(case.id, CaseOutcome("dropped", NOW))
    assert journal.challenges.left_over() == ((case.id, challenge),)


def test_challenge_whose_solver_is_gone_is_reported(repair_setup: RepairSetup, journal: Journal) -> None:
    case, lines = repair_setup.host.case(), list[str]()
    journal.begin(case, NOW)
    journal.challenges.present(case.id, Challenge("dns-01", "a.example", "t", "c"), NOW)
    journal.end(case.id, CaseOutcome("failed", NOW))
    remove_left_over(repair_setup.run(journal, log=lines.append))
    assert lines == ["left behind: dns-01 of a.example: no [solver.NAME] solves that type any more"]


def test_dry_run_prints_the_program_and_runs_nothing(repair_setup: RepairSetup, journal: Journal) -> None:
    run = repair_setup.run(journal, issuer=repair_setup.challenging(), solvers=repair_setup.solvers())
    text = printed(repair_setup.host.case(), run)
    assert f"SSLAUDIT_NAMES=a.example SSLAUDIT_CASE={repair_setup.host.case().id} {repair_setup.folder}/issue" in text
    assert "standard input: <the request made above>" in text
    assert f"SSLAUDIT_CONTENT='<content>' {repair_setup.folder}/put add" in text
    assert f"{repair_setup.folder}/remove delete" in text
    assert ", 1 program on this machine and 0 requests would be made" in text
    assert not (repair_setup.folder / "called").exists()
    assert repair_setup.calls == []


def test_dry_run_names_the_programs_and_commands_of_the_repair(repair_setup: RepairSetup, journal: Journal) -> None:
    case, run = repair_setup.host.case(), repair_setup.run(journal, issuer=repair_setup.issuer())
    previewed = list(preview_actions(case, run))
    assert [type(action) for action in previewed].count(LocalCommand) == 1
    assert run_case(case, run).ended_as == "proven"
    scripts = [action.script for action in previewed if isinstance(action, Command)]
    assert scripts == [command.script for command in repair_setup.host.session.commands if command.changes]


def test_run_killed_at_any_record_is_continued_with_one_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with running_host(folder / "a", "a") as host:
        assert faults_after_each(killed_run(setup_in(folder, host))) == []


def killed_run(repair_setup: RepairSetup) -> KilledRun:
    """Return a repair with a challenge that can be killed; the next run removes what is left over first."""
    host, case, calls = repair_setup.host, repair_setup.host.case(), repair_setup.folder / "called"
    before, changes = host.served, {"issuer": repair_setup.challenging(), "solvers": repair_setup.solvers()}

    def begin(journal: Journal) -> None:
        repair([case], repair_setup.run(journal, **changes), CONCURRENCY)

    def complete(journal: Journal) -> object:
        found_by_audit, run = [case] if host.served == before else [], repair_setup.run(journal, **changes)
        remove_left_over(run)
        kinds = {(result.ended_as, result.note) for result in repair(found_by_audit, run, CONCURRENCY)}
        left = (kinds - {("proven", "")}, journal.unfinished(), repair_setup.presented)
        return *left, repair_setup.issued, set(repair_setup.cases), host.served == before

    def count() -> object:
        return host.changes, len(repair_setup.calls), calls.read_text() if calls.exists() else ""

    return KilledRun(repair_setup.folder, begin, complete, (set(), (), [], 1, {case.id}, False), count)
