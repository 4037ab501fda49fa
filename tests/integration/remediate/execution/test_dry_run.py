"""A dry run: the commands and requests that it prints are those of the repair, and it changes nothing."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from remediate.execution.case_context import CaseContext
from remediate.execution.context import RunContext
from remediate.execution.dry_run import DryRunViolation, preview_actions, refusing, refusing_issuer
from remediate.execution.executor import run_case
from remediate.execution.preview import Action, PreviewState, Remark, placeholder_csr
from remediate.execution.steps import REPAIR_STEPS, RepairStep, Satisfied
from remediate.hosts.command import Command
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import Order, OrderRef, OrderRequest, Request
from remediate.model.case import Case, Repair, Validation, steps_of
from remediate.model.outcome import CaseResult
from remediate.pki.csr import csr_hash_challenge
from remediate.state.journal import Journal, journal_snapshot, open_journal
from tests.support.remediate.chain_services import INTERMEDIATE, serve_chain, write_kept
from tests.support.remediate.fake_host.ca import leaf_of, pems_of
from tests.support.remediate.fake_host.host import repaired
from tests.support.remediate.fake_host.run import changed
from tests.support.remediate.renewal_agents import successor, write_agent
from tests.support.remediate.store_host import StoreHost, digests, filled_in, printed


@pytest.fixture(autouse=True)
def path_with_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


def previewed_and_done(
    store_host: StoreHost, case: Case, run: RunContext, start: Callable[[Case, RunContext], CaseResult] | None = None
) -> tuple[list[Any], list[Any]]:
    """Preview, print and repair a case; return the previewed actions, with real values, and those of the repair."""
    begun = len(store_host.actions)
    previewed = list(preview_actions(case, run))
    output = printed(case, run, verbose=True)
    assert len(store_host.actions) == begun
    ending = start(case, run) if start else repaired(case, run)
    assert (ending.ended_as, ending.note) == ("proven", "")
    if start is None:
        assert_prints(output, previewed)
    return filled_in(
        previewed, store_host.actual_values(case, run.host("a").workdir_root)
    ), store_host.recorded_actions(begun)


def done_as_previewed(store_host: StoreHost, case: Case, run: RunContext) -> list[Any]:
    """Preview, print and repair a case; return the actions of the repair, which are those of the preview."""
    previewed, done = previewed_and_done(store_host, case, run)
    assert previewed == done
    return done


def assert_prints(output: str, actions: list[Action]) -> None:
    """Assert that a dry run prints these commands and requests, each whole and in this order, and no other."""
    position = 0
    for action in actions:
        text = str(action).strip()
        assert text in output[position:], action.why
        position = output.index(text, position) + len(text)
    commands = [action for action in actions if isinstance(action, Command)]
    assert f"nothing was changed; {len(commands)} command" in output
    assert f"and {len(actions) - len(commands)} request" in output


def everything(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return modes, times and digests of all that is below a folder."""
    return {
        str(path): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def incomplete_chain(store_host: StoreHost) -> Case:
    """Prepare a host that keeps the missing intermediate."""
    serve_chain(store_host.host)
    write_kept(store_host.host.workdir_root, INTERMEDIATE)
    return store_host.case(Repair.RECHAIN, id="rechain")


def of_one_service(store_host: StoreHost, repair: Repair, **changes: Any) -> Case:  # noqa: ANN401 - any field
    """Return the case of one service, because the reload of one loads the certificate of both."""
    return replace(store_host.host, services=(store_host.host.first,)).case(repair, **changes)


def agent_that_renews(store_host: StoreHost) -> Case:
    """Prepare an agent whose renewal installs a new certificate."""
    write_agent(store_host.host.folder.parent / "bin/dehydrated", "--cron", successor(store_host.host)[1])
    return of_one_service(store_host, Repair.RUN_OWNER, id="owner", owner="dehydrated")


def files_not_loaded(store_host: StoreHost) -> Case:
    """Prepare files with a new certificate that the services have not loaded."""
    store_host.host.first.write(*pems_of(leaf_of(store_host.host.name)))
    return of_one_service(store_host, Repair.RELOAD, id="reload")


PREPARED: Mapping[Repair, tuple[Callable[[StoreHost], Case], int]] = {
    Repair.REKEY: (lambda store_host: store_host.case(Repair.REKEY), 12),
    Repair.REISSUE: (StoreHost.case, 12),
    Repair.RECHAIN: (incomplete_chain, 4),
    Repair.RUN_OWNER: (agent_that_renews, 2),
    Repair.RELOAD: (files_not_loaded, 1),
    Repair.HOST: (lambda store_host: store_host.case(Repair.HOST, id="modes"), 1),
}
"""What each kind of repair starts from, and how many commands and requests it makes."""


@pytest.mark.parametrize("kind", Repair)
def test_dry_run_prints_the_commands_and_requests_of_the_repair(
    store_host: StoreHost, journal: Journal, kind: Repair
) -> None:
    prepare, count = PREPARED[kind]
    assert len(done_as_previewed(store_host, prepare(store_host), store_host.run(journal))) == count


@pytest.mark.parametrize("kind", [Repair.REISSUE, Repair.REKEY])
def test_dry_run_of_a_compromised_key_destroys_it_as_the_repair_does(
    store_host: StoreHost, journal: Journal, kind: Repair
) -> None:
    case = store_host.case(kind, is_compromised=True)
    assert len(done_as_previewed(store_host, case, store_host.run(journal))) == 13


def test_dry_run_shows_the_change_of_key_modes_first(store_host: StoreHost, journal: Journal) -> None:
    case = store_host.case()
    case = replace(case, steps=steps_of(Repair.REISSUE, case.services, case.endpoints, fix_modes=True))
    done = done_as_previewed(store_host, case, store_host.run(journal))
    assert done[0].why == "close the keys to others"


def test_dry_run_of_a_name_on_two_hosts_names_the_commands_on_both(store_host: StoreHost, journal: Journal) -> None:
    case = store_host.case(validated_on=(Validation("a.example", ("a", "b")),))
    first = store_host.run(journal)
    other = replace(first.host("a"), label="b", targets={}, workdir_root=str(store_host.docroot.parent / "of-b"))
    run = replace(first, hosts={**first.hosts, "b": other})
    done = done_as_previewed(store_host, case, run)
    assert [action.host for action in done if isinstance(action, Command)] == [*"aab", *"ab", *"aaaaa"]


def test_dry_run_of_a_pending_order_fetches_it_again(store_host: StoreHost, journal: Journal) -> None:
    store_host.store.misbehave("pending", times=2)
    previewed, done = previewed_and_done(store_host, store_host.case(), store_host.run(journal))
    last = max(number for number, action in enumerate(previewed) if isinstance(action, Request))
    again = len(done) - len(previewed)
    assert again > 0
    assert done == [*previewed[:last], *[previewed[last]] * again, *previewed[last:]]


def test_dry_run_of_a_resumed_case_shows_what_is_left_to_do(store_host: StoreHost, journal: Journal) -> None:
    case, run = store_host.case(), store_host.run(journal)
    not_loading = changed(run, installers=store_host.host.installers(loads=False))
    assert repaired(case, not_loading).cause == "proof.failed"
    assert "  waits         not tried again before" in printed(case, run)
    (left,) = journal.unfinished()
    requests = [action.why for action in preview_actions(left, run) if isinstance(action, Request)]
    previewed, done = previewed_and_done(store_host, left, run, run_case)
    assert (previewed, requests) == (done, ["fetch the order until it is issued"])


def test_dry_run_touches_no_host_no_issuer_and_no_file(store_host: StoreHost, tmp_path: Path) -> None:
    with open_journal(tmp_path / "state") as journal:
        journal.begin(store_host.case(), datetime.now(UTC))
    before = everything(tmp_path)
    with journal_snapshot(tmp_path / "state") as journal:
        run = store_host.run(journal)
        for verbose in (False, True):
            assert printed(store_host.case(), run, verbose=verbose)
        assert list(preview_actions(store_host.case(), run))
    with journal_snapshot(tmp_path / "missing") as journal:
        assert printed(store_host.case(), store_host.run(journal))
    assert (everything(tmp_path), store_host.actions, store_host.store.orders()) == (before, [], [])


def test_sessions_and_issuer_of_a_dry_run_refuse_every_call(store_host: StoreHost, journal: Journal) -> None:
    run = refusing(store_host.run(journal))
    with pytest.raises(DryRunViolation, match="a test"):
        CaseContext(store_host.case(), run).execute(Command("a", "a test", "touch /tmp/dry-run"))
    client, csr, order = (
        refusing_issuer(store_host.run(journal).issuer.client),
        placeholder_csr(),
        Order("o-1", "valid"),
    )
    ref = OrderRef("o-1", OrderRequest(csr, ("a.example",), "case", "key"))
    challenge = csr_hash_challenge(csr, "a.example")
    assert isinstance(run.issuer.client, type(client))
    asks: list[Callable[[], object]] = [
        lambda: client.find(csr),
        lambda: client.place(ref.request),
        lambda: client.fetch(ref),
        lambda: client.accept(challenge),
        lambda: client.finalize(order, csr),
        lambda: client.download(order),
        lambda: client.cancel(ref),
    ]
    for ask in asks:
        with pytest.raises(DryRunViolation, match="sent a request to the issuer"):
            ask()
    with pytest.raises(DryRunViolation, match="would have run /bin/true"):
        run.run_local(LocalCommand("a test", ("/bin/true",)), run.stop)
    assert store_host.actions == []


ROWS = {f"{repair}/{kind}": step for repair, steps in REPAIR_STEPS.items() for kind, step in steps.items()}


@pytest.mark.parametrize("name", ROWS)
def test_step_has_a_preview_of_its_own(name: str) -> None:
    preview = vars(type(ROWS[name]))["preview"]
    assert inspect.isgeneratorfunction(preview)
    assert inspect.signature(preview) == inspect.signature(RepairStep.preview)


class NewStep:
    """A step of one file and one row: it makes a file in the case's directory."""

    def check(self, context: CaseContext, subject: str) -> Satisfied | None:
        """Return that the file is there."""
        del subject
        return (
            Satisfied("it is there")
            if context.execute(context.workdir.read_only("look", 'test -e "$root/$case/new"\n')).ok
            else None
        )

    def apply(self, context: CaseContext, subject: str) -> None:
        """Make it."""
        del subject
        context.execute(making(context))

    def preview(self, state: PreviewState, subject: str) -> Iterator[Action | Remark]:
        """Yield the command that makes it."""
        del subject
        yield making(state.context)
        yield Remark("nothing reads the new file")


def making(context: CaseContext) -> Command:
    return context.workdir.exclusive("make a new file", 'mkdir -p "$root/$case"\n: >"$root/$case/new"\n')


def test_new_step_in_the_table_is_previewed_and_run(
    store_host: StoreHost, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = store_host.case(Repair.HOST, id="new")
    monkeypatch.setitem(REPAIR_STEPS[Repair.HOST], "modes", NewStep())
    text = printed(case, store_host.run(journal))
    assert "  modes         a: make a new file" in text
    assert "nothing reads the new file" in text
    done = done_as_previewed(store_host, case, store_host.run(journal))
    assert [action.why for action in done] == ["make a new file"]


def test_dry_run_of_a_repair_that_stops_shows_what_is_done_until_then(store_host: StoreHost, journal: Journal) -> None:
    run = store_host.run(journal)
    case = store_host.case(validated_on=(Validation("a.example", ("a", "b")),))  # no login to b
    previewed = list(preview_actions(case, run))
    assert repaired(case, run).cause == "dcv.no-docroot"
    csr = x509.load_pem_x509_csr(next(Path(run.host("a").workdir_root).rglob("csr.pem")).read_bytes())
    assert filled_in(previewed, digests(csr)) == store_host.recorded_actions()
    assert [action.why.partition(" for ")[0] for action in previewed] == [
        "make a key (ecdsa-p256) and a CSR",
        "remove the file",
    ]
