"""Repairs whose certificate is issued by a program: with challenges, after a crash, and when the program refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from audit.config import ConfigSection, Configuration
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
from remediate.model.options import Concurrency
from remediate.state.journal import CaseOutcome, Journal, open_journal
from tests.support.crash_points import sampled
from tests.support.remediate.folder_hosts import AUTHORITY, NOW, Place, run_context, running_place
from tests.support.remediate.killed_database import Point, mortal_database
from tests.support.remediate.own_programs import internal_ca, program
from tests.support.remediate.store_host import printed

CONCURRENCY = Concurrency(chance=lambda: 0.0)
AT_ONCE = 4
CHALLENGE = '{"type": "dns-01", "identifier": "a.example", "token": "_acme-challenge", "content": "line 1\\nline 2"}'


@dataclass(frozen=True)
class World:
    """A host, an internal CA and a solver; the CA requires a challenge if `needs_challenge`."""

    folder: Path
    place: Place
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

        return run_context(journal, None, self.place, **{"run_local": recorded, **changes})

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


def world_in(folder: Path, place: Place) -> World:
    (folder / "zone").mkdir()
    (folder / "ca.sh").write_text(internal_ca(folder / "ca", AUTHORITY))
    return World(folder, place)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_place(tmp_path / "a", "a") as place:
        yield world_in(tmp_path, place)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "state") as opened:
        yield opened


def test_certificate_of_a_program_is_installed_after_one_call(world: World, journal: Journal) -> None:
    before = world.place.served
    result = run_case(world.place.case(), world.run(journal, issuer=world.issuer()))
    assert (result.ended_as, result.note) == ("proven", "")
    assert (world.issued, world.place.served != before) == (1, True)
    assert world.cases == [world.place.case().id]
    (order,) = journal.orders.of_case(result.case.id)
    assert (order.issuer, order.status) == ("internal", "valid")


def test_refusal_of_the_program_is_the_reason_of_the_failure(world: World, journal: Journal) -> None:
    result = run_case(world.place.case(), world.run(journal, issuer=world.issuer("echo no such profile >&2; exit 3")))
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
    world: World, journal: Journal, before: str, cause: Cause
) -> None:
    first = run_case(world.place.case(), world.run(journal, issuer=world.issuer(before)))
    assert (first.ended_as, first.cause) == ("pending", cause)
    assert [order.status for order in journal.orders.of_case(first.case.id)] == ["intended"]
    second = run_case(world.place.case(), world.run(journal, issuer=world.issuer()))
    assert second.ended_as == "proven"
    assert (world.cases, world.issued) == ([first.case.id] * 2, 1)


def test_certificate_that_was_not_ordered_changes_no_service(world: World, journal: Journal) -> None:
    before = world.place.served
    result = run_case(world.place.case(), world.run(journal, issuer=world.issuer("SSLAUDIT_NAMES=evil.example")))
    assert (result.ended_as, result.cause, world.place.served) == ("failed", Cause.ISSUER_ANSWER, before)
    assert "also holds evil.example" in result.note


@pytest.mark.parametrize(("days", "kind"), [(90, "failed"), (365, "proven")])
def test_lifetime_of_the_section_is_the_longest_that_is_accepted(
    world: World, journal: Journal, days: int, kind: str
) -> None:
    script = world.folder / "ca.sh"
    script.write_text(script.read_text().replace("-days 90", "-days 365"))
    section = ConfigSection(
        Configuration(), "issuer.internal", {"kind": "command", "command": ["/bin/sh"], "lifetime_days": days}
    )
    issuer = replace(world.issuer(), lifetime=read_issuer(section).lifetime)
    assert run_case(world.place.case(), world.run(journal, issuer=issuer)).ended_as == kind


def test_pending_order_is_called_again_until_it_is_issued(world: World, journal: Journal) -> None:
    pending = '{"status": "pending", "retry_after_s": 0, "message": "approval"}'
    before = f"[ $(wc -l <{world.folder}/called) -ge 3 ] || {{ echo '{pending}'; exit 0; }}"
    assert run_case(world.place.case(), world.run(journal, issuer=world.issuer(before))).ended_as == "proven"
    assert (len(world.cases), world.issued) == (3, 1)


def test_pending_order_is_continued_by_the_next_run(world: World, journal: Journal) -> None:
    pending = '{"status": "pending", "retry_after_s": 900, "message": "approval"}'
    first = run_case(world.place.case(), world.run(journal, issuer=world.issuer(f"echo '{pending}'; exit 0")))
    assert (first.ended_as, first.cause, first.retry_after_s) == ("pending", Cause.ISSUER_PENDING, 900)
    assert "at internal is pending: approval" in first.note
    second = run_case(world.place.case(), world.run(journal, issuer=world.issuer()))
    assert (second.ended_as, set(world.cases), world.issued) == ("proven", {first.case.id}, 1)


def test_challenge_is_presented_until_the_certificate_is_issued(world: World, journal: Journal) -> None:
    run = world.run(journal, issuer=world.challenging(), solvers=world.solvers())
    assert run_case(world.place.case(), run).ended_as == "proven"
    assert (world.issued, len(world.cases), world.presented) == (1, 2, [])
    present, clean_up = world.calls
    assert [call.arguments for call in world.calls] == [
        (f"{world.folder}/put", "add"),
        (f"{world.folder}/remove", "delete"),
    ]
    assert dict(present.variables) == {
        "SSLAUDIT_IDENTIFIER": "a.example",
        "SSLAUDIT_CHALLENGE_TYPE": "dns-01",
        "SSLAUDIT_TOKEN": "_acme-challenge",
        "SSLAUDIT_CONTENT": "line 1\nline 2",
    }
    assert clean_up.variables == present.variables
    assert journal.challenges.presented(world.place.case().id) == ()


def test_challenge_without_a_solver_is_named_and_nothing_is_presented(world: World, journal: Journal) -> None:
    result = run_case(world.place.case(), world.run(journal, issuer=world.challenging()))
    assert (result.ended_as, result.cause) == ("failed", Cause.SOLVER_NONE)
    assert result.note == "internal requires dns-01 for a.example, and no [solver.NAME] solves that"
    assert world.calls == []


def test_challenge_is_removed_when_the_solver_fails(world: World, journal: Journal) -> None:
    solvers = world.solvers(present=f"touch {world.zone}/_acme-challenge; echo zone is locked >&2; exit 4")
    run = world.run(journal, issuer=world.challenging(), solvers=solvers)
    result = run_case(world.place.case(), run)
    assert (result.ended_as, result.cause, world.presented) == ("failed", Cause.SOLVER_FAILED, [])
    assert result.note == "[solver.dns] did not present dns-01 of a.example: exit status 4: zone is locked"


def test_failed_case_reports_the_challenge_that_is_left_behind(world: World, journal: Journal) -> None:
    solvers = world.solvers(present="echo zone is locked >&2; exit 4", clean_up="exit 9")
    result = run_case(world.place.case(), world.run(journal, issuer=world.challenging(), solvers=solvers))
    assert (result.ended_as, result.cause) == ("failed", Cause.SOLVER_FAILED)
    assert result.note.endswith("zone is locked; left behind: dns-01 of a.example: it printed nothing")
    outcome = journal.outcome(result.case.id)
    assert outcome
    assert outcome.note == result.note


def test_challenge_is_removed_when_the_certificate_is_rejected(world: World, journal: Journal) -> None:
    script = world.folder / "ca.sh"
    script.write_text(script.read_text().replace("CA:FALSE", "CA:TRUE"))
    run = world.run(journal, issuer=world.challenging(), solvers=world.solvers())
    assert (run_case(world.place.case(), run).cause, world.presented) == (Cause.ISSUER_ANSWER, [])


def test_challenge_that_cannot_be_removed_is_reported_and_removed_later(world: World, journal: Journal) -> None:
    run = world.run(journal, issuer=world.challenging(), solvers=world.solvers(clean_up="exit 9"))
    assert run_case(world.place.case(), run).ended_as == "proven"
    notes = [event.note for event in journal.events(world.place.case().id) if event.step == "collect"]
    assert "left behind: dns-01 of a.example: it printed nothing" in notes[-1]
    assert world.presented == ["_acme-challenge"]
    remove_left_over(world.run(journal, solvers=world.solvers()))
    assert (world.presented, journal.challenges.left_over()) == ([], ())


def test_challenge_of_an_unfinished_case_is_left_to_its_repair(world: World, journal: Journal) -> None:
    case, challenge = world.place.case(), Challenge("dns-01", "a.example", "t", "c")
    journal.begin(case, NOW)
    journal.challenges.present(case.id, challenge, NOW)
    assert (journal.challenges.left_over(), journal.challenges.presented(case.id)) == ((), (challenge,))
    journal.end(case.id, CaseOutcome("dropped", NOW))
    assert journal.challenges.left_over() == ((case.id, challenge),)


def test_challenge_whose_solver_is_gone_is_reported(world: World, journal: Journal) -> None:
    case, lines = world.place.case(), list[str]()
    journal.begin(case, NOW)
    journal.challenges.present(case.id, Challenge("dns-01", "a.example", "t", "c"), NOW)
    journal.end(case.id, CaseOutcome("failed", NOW))
    remove_left_over(world.run(journal, log=lines.append))
    assert lines == ["left behind: dns-01 of a.example: no [solver.NAME] solves that type any more"]


def test_dry_run_prints_the_program_and_runs_nothing(world: World, journal: Journal) -> None:
    run = world.run(journal, issuer=world.challenging(), solvers=world.solvers())
    text = printed(world.place.case(), run)
    assert f"SSLAUDIT_NAMES=a.example SSLAUDIT_CASE={world.place.case().id} {world.folder}/issue" in text
    assert "standard input: <the request made above>" in text
    assert f"SSLAUDIT_CONTENT='<content>' {world.folder}/put add" in text
    assert f"{world.folder}/remove delete" in text
    assert ", 1 program on this machine and 0 requests would be made" in text
    assert not (world.folder / "called").exists()
    assert world.calls == []


def test_dry_run_names_the_programs_and_commands_of_the_repair(world: World, journal: Journal) -> None:
    case, run = world.place.case(), world.run(journal, issuer=world.issuer())
    previewed = list(preview_actions(case, run))
    assert [type(action) for action in previewed].count(LocalCommand) == 1
    assert run_case(case, run).ended_as == "proven"
    scripts = [action.script for action in previewed if isinstance(action, Command)]
    assert scripts == [command.script for command in world.place.session.commands if command.changes]


class Killed(BaseException):
    """Nothing in a run catches it."""


def die() -> NoReturn:
    raise Killed


def killed_and_continued(folder: Path, at: Point | None) -> tuple[int, str | None]:
    """End a run there and let the next go to its end; return the records of the first, and what is wrong afterwards."""
    with running_place(folder / "a", "a") as place:
        world, case = world_in(folder, place), place.case()
        before, changes = place.served, {"issuer": world.challenging(), "solvers": world.solvers()}
        database = mortal_database(folder / "state", at, die)
        with Journal(database) as journal, suppress(Killed):
            repair([case], world.run(journal, **changes), CONCURRENCY)
        found_by_audit = [case] if place.served == before else []
        with Journal(mortal_database(folder / "state", None, die)) as journal:
            run = world.run(journal, **changes)
            remove_left_over(run)
            kinds = {(result.ended_as, result.note) for result in repair(found_by_audit, run, CONCURRENCY)}
            found = (kinds - {("proven", "")}, journal.unfinished(), world.presented, world.issued, set(world.cases))
        wrong = found != (set(), (), [], 1, {case.id}) or place.served == before
    return database.records, f"ended {at}: {found}" if wrong else None


def test_run_killed_at_any_record_is_continued_with_one_certificate(tmp_path: Path) -> None:
    assert wrong_after_each(tmp_path, killed_and_continued) == []


def wrong_after_each(folder: Path, killed: Callable[[Path, Point | None], tuple[int, str | None]]) -> list[str]:
    """Return what is wrong after the second of two runs, the first of which was ended at each of its records."""

    def made(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    records, wrong = killed(made("whole"), None)
    assert (records > 10, wrong) == (True, None)
    points: list[Point] = [(at, number) for number in range(1, records + 1) for at in ("before", "after")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = pool.map(lambda at: killed(made(f"{at[0]}-{at[1]}"), at), sampled(points))
        return [why for _, why in ended if why]
