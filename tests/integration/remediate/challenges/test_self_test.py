"""The self-test of a name on two hosts: the file is on both, and every address is probed and reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from audit.observation.website import Docroot
from audit.probe import Limits, Target
from audit.probe.dns.trace import TraceLimits
from remediate.challenges.dns_lookup import LookUps, Roots
from remediate.cli.output import case_result_lines
from remediate.execution.context import RunContext
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.model.case import Case, Validation
from remediate.model.outcome import Attempt, CaseResult
from remediate.state.journal import Journal
from tests.support.dns.servers import Tree, authoritative, running
from tests.support.dns.tree import HINTS, MAIN, MAIN_ZONE, servers_of_tree
from tests.support.http.websites import Websites, challenge_of, serving_directories
from tests.support.probe.name_server import name_server
from tests.support.remediate.fake_host.ca import NOW, Ca
from tests.support.remediate.fake_host.host import FakeHost, repaired, run_context, running_host
from tests.support.remediate.fake_host.run import changed, host_changed
from tests.support.store.validator import Validator

SHARED: Final = "shared.example.test"
A, B, UNKNOWN = "127.0.0.21", "127.0.0.22", "127.0.0.23"
ZONE: Final = f"{MAIN_ZONE}shared A {A}\nshared A {B}\nastray A {A}\nastray A {UNKNOWN}\n"
ADDRESSES: Final = {"a": A, "b": B}


@dataclass(slots=True)
class AskingCa(Ca):
    """A CA that looks at every address of the name before it takes an order; `faults_seen` is what it found wrong."""

    port: int = 0
    faults_seen: list[str] = field(default_factory=list)

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Look, and take the order all the same."""
        validator = Validator(lambda _: [(A, self.port), (B, self.port)])
        self.faults_seen += validator.file_faults(challenge_of(request), [SHARED])
        return Ca.place(self, request)


@dataclass(frozen=True, slots=True)
class TwoHosts:
    """Two hosts and their websites, the tree of name servers that leads to them, and what the repair said."""

    a: FakeHost
    b: FakeHost
    websites: Websites
    run: RunContext
    ca: AskingCa
    said: list[str]

    def case(self, name: str = SHARED) -> Case:
        """Return the case of the first host's certificate, for a name that both hosts serve."""
        names = (self.a.endpoint.name, name)
        return self.a.case(names=names, validated_on=(Validation(name, ("a", "b")),))

    def repair(self, name: str = SHARED, run: RunContext | None = None, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field
        """Repair it."""
        return repaired(self.case(name), changed(run or self.run, **changes))

    @property
    def placed(self) -> list[str]:
        """The commands that put a file into a docroot."""
        done = [command.why for host in (self.a, self.b) for command in host.session.commands]
        return [why for why in done if why.startswith("put the file")]

    def files(self) -> list[str]:
        """Return the files below both docroots."""
        return [str(file) for file in (self.a.folder.parent / "www").rglob("*") if file.is_file()]


def served_from(run: RunContext, label: str, docroot: Docroot | str) -> RunContext:
    """Return a run in which a host serves every name from this folder, or says why it serves none."""
    return host_changed(run, label, docroot_of=lambda _: docroot)


def at_their_addresses(*hosts: FakeHost) -> dict[str, Target]:
    """Return how the hosts are found, with the addresses that they have."""
    found = {str(host.endpoint): (host.target(), ADDRESSES[host.label]) for host in hosts}
    return {
        endpoint: replace(target, server=replace(target.server, addresses=(address,)))
        for endpoint, (target, address) in found.items()
        if target.server
    }


@pytest.fixture
def two_hosts(tmp_path: Path, journal: Journal) -> Iterator[TwoHosts]:
    with ExitStack() as stack:
        a, b = (stack.enter_context(running_host(tmp_path / label, label)) for label in "ab")
        folders = {A: tmp_path / "www/a", B: tmp_path / "www/b", UNKNOWN: tmp_path / "unknown"}
        for folder in folders.values():
            folder.mkdir(parents=True)
        websites = stack.enter_context(serving_directories(folders))
        tree: Tree = stack.enter_context(running(servers_of_tree() | {MAIN: authoritative(ZONE)}))
        limits = Limits(timeout_s=2.0, resolver=(stack.enter_context(name_server()),))
        said: list[str] = []
        ca = AskingCa(port=websites.port)
        run = run_context(
            journal,
            ca,
            a,
            b,
            targets=at_their_addresses(a, b),
            limits=limits,
            lookups=LookUps(Roots(HINTS, TraceLimits(port=tree.port))),
            log=said.append,
            http_port=websites.port,
        )
        for label in "ab":
            run = served_from(run, label, Docroot(str(tmp_path / "www" / label)))
        yield TwoHosts(a, b, websites, run, ca, said)


def test_file_is_on_both_hosts_and_each_query_hop_and_fetch_is_printed(
    two_hosts: TwoHosts, journal: Journal, tmp_path: Path
) -> None:
    assert two_hosts.repair().ended_as == "proven"
    assert (len(two_hosts.ca.orders), two_hosts.ca.faults_seen, two_hosts.files()) == (1, [], [])
    ours = [(address, status) for address, name, agent, status in two_hosts.websites.requests if "(self-test)" in agent]
    assert ours == [(A, 200), (B, 200)]
    events = journal.events(two_hosts.case().id)
    notes = [event.note for event in events if event.step == "self-test" and event.state == "done"]
    told = f"{SHARED}: only the authoritative servers gave {A}, {B}"
    assert notes == [f"the file was found at every address; {told}"]
    lines = "\n".join(two_hosts.said).splitlines()
    assert [line for line in lines if line.endswith(f"referral for {SHARED}. A")]
    hop, typed = f"  http://{SHARED}/.well-known/", "curl --include --user-agent 'sslaudit (self-test) SECTIGO DCV'"
    for label, address in ADDRESSES.items():
        assert f";; {SHARED} has address {address}" in lines
        assert f"{SHARED} at {address}: good: as written" in lines
        assert [line for line in lines if line.startswith(hop) and f"at {address}: 200" in line]
        fetched = f"{typed} --connect-to ::{address}:{two_hosts.websites.port} http://{SHARED}/.well-known/"
        assert [line for line in lines if line.startswith(fetched)]
        folder = tmp_path / "www" / label / ".well-known" / "pki-validation"
        assert [line for line in lines if line.startswith(f"the file is on {label} as {folder}/")]


def test_wrong_directory_on_one_of_two_hosts_prevents_the_order(two_hosts: TwoHosts, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    ending = two_hosts.repair(run=served_from(two_hosts.run, "b", Docroot(str(tmp_path / "elsewhere"))))
    assert (ending.ended_as, ending.step, ending.cause) == ("failed", "self-test", "dcv.missing")
    assert f"{SHARED} at {B}: missing: the server returns 404: it serves another directory" in ending.note
    assert f"at {B}: 404" in ending.note
    assert f"{SHARED} at {A}" not in ending.note
    assert (two_hosts.ca.orders, two_hosts.files(), list((tmp_path / "elsewhere").rglob("*.txt"))) == ({}, [], [])


@pytest.fixture
def misplaced(two_hosts: TwoHosts, tmp_path: Path) -> RunContext:
    """Return a run whose self-test failed because one host serves another directory, and fails again."""
    (tmp_path / "elsewhere").mkdir()
    run = served_from(two_hosts.run, "b", Docroot(str(tmp_path / "elsewhere")))
    assert two_hosts.repair(run=run).cause == "dcv.missing"
    return run


def test_same_finding_of_the_self_test_lifts_no_wait(
    two_hosts: TwoHosts, journal: Journal, misplaced: RunContext
) -> None:
    before = len(two_hosts.placed)
    ending = two_hosts.repair(run=misplaced)
    assert (ending.ended_as, ending.cause, ending.is_early) == ("waiting", "run.not-due", False)
    assert (len(two_hosts.placed) > before, two_hosts.files()) == (True, []), "it was looked at, and removed again"
    assert len(journal.attempts.of_case(ending.case.id)) == 1


@pytest.mark.usefixtures("misplaced")
def test_self_test_that_finds_nothing_more_lifts_the_wait(two_hosts: TwoHosts, journal: Journal) -> None:
    lines: list[str] = []
    ending = two_hosts.repair(announce=lines.append)
    assert (ending.ended_as, ending.is_early, ending.is_changed) == ("proven", True, True), ending
    assert [attempt.is_early for attempt in journal.attempts.of_case(ending.case.id)] == [False, True]
    [line] = lines
    assert line.startswith(f"a, case {ending.case.id}: self-test finds nothing (before, it found dcv.missing), so ")
    *_, last = case_result_lines([ending])
    assert last == "1 of these was tried before the end of the waiting time, because a pre-check found something else"


def test_other_finding_of_the_self_test_lifts_the_wait_of_one_run(
    two_hosts: TwoHosts, journal: Journal, misplaced: RunContext, tmp_path: Path
) -> None:
    both = served_from(misplaced, "a", Docroot(str(tmp_path / "elsewhere")))
    ending = two_hosts.repair(run=both)
    assert (ending.ended_as, ending.cause, ending.is_changed) == ("failed", "dcv.missing", True), ending
    again = two_hosts.repair(run=both)
    assert (again.cause, two_hosts.files()) == ("run.not-due", [])
    first, second = journal.attempts.of_case(ending.case.id)
    assert first.next_at
    assert second.next_at
    assert second.next_at - second.at > first.next_at - first.at, "the attempt counts"


@pytest.mark.usefixtures("misplaced")
def test_changed_finding_lifts_no_retry_after(two_hosts: TwoHosts, journal: Journal) -> None:
    soon, before = NOW + timedelta(hours=1), len(two_hosts.placed)
    journal.begin(two_hosts.b.case(), NOW)
    busy = Attempt(NOW, "pending", issuer=two_hosts.run.issuer.name, next_at=soon, busy_until=soon)
    journal.attempts.add(two_hosts.b.case().id, busy)
    ending = two_hosts.repair()
    assert (ending.ended_as, len(two_hosts.placed)) == ("waiting", before)


def test_missing_docroot_on_one_of_two_hosts_prevents_any_file(two_hosts: TwoHosts) -> None:
    ending = two_hosts.repair(run=served_from(two_hosts.run, "b", "nothing listens at port 80"))
    assert (ending.step, ending.cause) == ("self-test", "dcv.no-docroot")
    assert ending.note == f"the document root of http://{SHARED}/ on b is not known: nothing listens at port 80"
    assert two_hosts.placed == []


def test_declared_docroot_is_used_for_names_without_a_website(two_hosts: TwoHosts, tmp_path: Path) -> None:
    run = two_hosts.run
    for label in "ab":
        declared = {two_hosts.a.service: str(tmp_path / "www" / label)}
        run = host_changed(run, label, docroot_of=lambda _: "no website has that name", declared_docroots=declared)
    ending = two_hosts.repair(run=run)
    assert (ending.ended_as, two_hosts.ca.faults_seen, two_hosts.files()) == ("proven", [], [])


def test_foreign_address_is_a_wrong_host_and_the_resolver_is_quoted(two_hosts: TwoHosts) -> None:
    ending = two_hosts.repair("astray.example.test")
    assert ending.cause == "dcv.wrong-host"
    assert f"{UNKNOWN} is not a known address of the host" in ending.note
    assert f"astray.example.test: only the authoritative servers gave {A}, {UNKNOWN}" in ending.note


@pytest.mark.parametrize(
    ("name", "cause", "says"),
    [
        ("missing.example.test", "dns.nxdomain", f"according to ns1.example.test. ({MAIN})"),
        ("host.lame.test", "dns.lame", "ns.lamehost.test. (127.0.0.14): it refuses the query"),
        ("loop1.example.test", "dns.loop", "lead back to loop1.example.test."),
        ("both.example.test", "dns.nxdomain", "only the resolver gave 127.0.0.1, 127.0.0.2, ::1"),
    ],
)
def test_name_without_an_address_gets_no_file(two_hosts: TwoHosts, name: str, cause: str, says: str) -> None:
    ending = two_hosts.repair(name)
    assert (ending.step, ending.cause) == ("self-test", cause)
    assert says in ending.note
    assert two_hosts.placed == []


def test_website_of_another_host_is_used_only_if_both_have_it(two_hosts: TwoHosts) -> None:
    assert two_hosts.run.addresses_beside("a") == {B}
    ((endpoint, target),) = two_hosts.run.host("a").targets.items()
    assert target.server
    both = replace(target, server=replace(target.server, addresses=(A, B)))
    shared = host_changed(two_hosts.run, "a", targets={endpoint: both})
    assert not shared.addresses_beside("a")
    assert shared.addresses_beside("b") == {A}


@pytest.fixture
def in_order(two_hosts: TwoHosts) -> tuple[str, str]:
    """Return the hosts of the shared name: whose address the trace gives first, and the other."""
    network = two_hosts.run.network
    first = network.lookups.of(SHARED, network.limits, two_hosts.run.stop).first_address
    return ("a", "b") if first == A else ("b", "a")


def without(two_hosts: TwoHosts, label: str, folder: Path) -> RunContext:
    """Return a run in which the folder of one host is not the one that is served."""
    return served_from(two_hosts.run, label, Docroot(str(folder)))


def test_first_address_counts_on_a_panel_host(
    two_hosts: TwoHosts, journal: Journal, in_order: tuple[str, str], tmp_path: Path
) -> None:
    first, other = in_order
    ending = two_hosts.repair(run=without(two_hosts, other, tmp_path), first_address_only=True)
    assert (ending.ended_as, len(two_hosts.ca.orders)) == ("proven", 1)
    (note,) = (one.note for one in journal.events(ending.case.id) if (one.step, one.state) == ("self-test", "done"))
    assert (
        f"{SHARED}: the first address of the trace, {ADDRESSES[first]}, decides, as in the panel's own script;" in note
    )
    assert f"a CA may connect to any address, from several networks ({ADDRESSES[other]}: missing: " in note


def test_failing_first_address_fails_on_a_panel_host(
    two_hosts: TwoHosts, in_order: tuple[str, str], tmp_path: Path
) -> None:
    first, other = in_order
    ending = two_hosts.repair(run=without(two_hosts, first, tmp_path), first_address_only=True)
    assert (ending.cause, two_hosts.ca.orders) == ("dcv.missing", {})
    assert ending.note.startswith(f"{SHARED} at {ADDRESSES[first]}: missing: ")
    assert f"from several networks ({ADDRESSES[other]}: good: as written)" in ending.note


def test_every_address_counts_if_a_host_without_the_panel_serves_the_name(
    two_hosts: TwoHosts, in_order: tuple[str, str], tmp_path: Path
) -> None:
    _, other = in_order
    ending = two_hosts.repair(run=host_changed(without(two_hosts, other, tmp_path), "a", first_address_only=True))
    assert (ending.cause, "decides" in ending.note) == ("dcv.missing", False)
