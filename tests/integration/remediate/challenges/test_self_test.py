"""The self-test of a name on two hosts: the file is on both, and every address is probed and reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from audit.observation.website import Docroot
from audit.probe import Limits, Target
from audit.probe.dns.trace import TraceLimits
from remediate.challenges.dns_lookup import LookUps, Roots
from remediate.execution.context import RunContext
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.model.case import Case, Validation
from remediate.model.options import Concurrency
from remediate.model.outcome import CaseResult
from remediate.state.journal import Journal
from tests.support.dns.servers import Tree, authoritative, running
from tests.support.dns.tree import HINTS, MAIN, MAIN_ZONE, servers_of_tree
from tests.support.http.websites import Websites, challenge_of, serving_directories
from tests.support.probe.name_server import name_server
from tests.support.remediate.fake_host.ca import Ca
from tests.support.remediate.fake_host.host import FakeHost, repaired, run_context, running_host
from tests.support.remediate.fake_host.run import changed, host_changed
from tests.support.store.validator import Validator

SHARED: Final = "shared.example.test"
A, B, UNKNOWN = "127.0.0.21", "127.0.0.22", "127.0.0.23"
ZONE: Final = f"{MAIN_ZONE}shared A {A}\nshared A {B}\nastray A {A}\nastray A {UNKNOWN}\n"
ADDRESSES: Final = {"a": A, "b": B}
CONCURRENCY: Final = Concurrency(hosts_at_once=1, chance=lambda: 0.0)


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
class Stage:
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
def stage(tmp_path: Path, journal: Journal) -> Iterator[Stage]:
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
        yield Stage(a, b, websites, run, ca, said)


def test_file_is_on_both_hosts_and_each_query_hop_and_fetch_is_printed(
    stage: Stage, journal: Journal, tmp_path: Path
) -> None:
    assert stage.repair().ended_as == "proven"
    assert (len(stage.ca.orders), stage.ca.faults_seen, stage.files()) == (1, [], [])
    ours = [(address, status) for address, name, agent, status in stage.websites.requests if "(self-test)" in agent]
    assert ours == [(A, 200), (B, 200)]
    events = journal.events(stage.case().id)
    notes = [event.note for event in events if event.step == "self-test" and event.state == "done"]
    told = f"{SHARED}: only the authoritative servers gave {A}, {B}"
    assert notes == [f"the file was found at every address; {told}"]
    lines = "\n".join(stage.said).splitlines()
    assert [line for line in lines if line.endswith(f"referral for {SHARED}. A")]
    hop, typed = f"  http://{SHARED}/.well-known/", "curl --include --user-agent 'sslaudit (self-test) SECTIGO DCV'"
    for label, address in ADDRESSES.items():
        assert f";; {SHARED} has address {address}" in lines
        assert f"{SHARED} at {address}: good: as written" in lines
        assert [line for line in lines if line.startswith(hop) and f"at {address}: 200" in line]
        fetched = f"{typed} --connect-to ::{address}:{stage.websites.port} http://{SHARED}/.well-known/"
        assert [line for line in lines if line.startswith(fetched)]
        folder = tmp_path / "www" / label / ".well-known" / "pki-validation"
        assert [line for line in lines if line.startswith(f"the file is on {label} as {folder}/")]


def test_wrong_directory_on_one_of_two_hosts_prevents_the_order(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    ending = stage.repair(run=served_from(stage.run, "b", Docroot(str(tmp_path / "elsewhere"))))
    assert (ending.ended_as, ending.step, ending.cause) == ("failed", "self-test", "dcv.missing")
    assert f"{SHARED} at {B}: missing: the server returns 404: it serves another directory" in ending.note
    assert f"at {B}: 404" in ending.note
    assert f"{SHARED} at {A}" not in ending.note
    assert (stage.ca.orders, stage.files(), list((tmp_path / "elsewhere").rglob("*.txt"))) == ({}, [], [])


def test_missing_docroot_on_one_of_two_hosts_prevents_any_file(stage: Stage) -> None:
    ending = stage.repair(run=served_from(stage.run, "b", "nothing listens at port 80"))
    assert (ending.step, ending.cause) == ("self-test", "dcv.no-docroot")
    assert ending.note == f"the document root of http://{SHARED}/ on b is not known: nothing listens at port 80"
    done = [command.why for host in (stage.a, stage.b) for command in host.session.commands]
    assert not [why for why in done if why.startswith("put the file")]


def test_declared_docroot_is_used_for_names_without_a_website(stage: Stage, tmp_path: Path) -> None:
    run = stage.run
    for label in "ab":
        declared = {stage.a.service: str(tmp_path / "www" / label)}
        run = host_changed(run, label, docroot_of=lambda _: "no website has that name", declared_docroots=declared)
    ending = stage.repair(run=run)
    assert (ending.ended_as, stage.ca.faults_seen, stage.files()) == ("proven", [], [])


def test_foreign_address_is_a_wrong_host_and_the_resolver_is_quoted(stage: Stage) -> None:
    ending = stage.repair("astray.example.test")
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
def test_name_without_an_address_gets_no_file(stage: Stage, name: str, cause: str, says: str) -> None:
    ending = stage.repair(name)
    assert (ending.step, ending.cause) == ("self-test", cause)
    assert says in ending.note
    done = [command.why for host in (stage.a, stage.b) for command in host.session.commands]
    assert not [why for why in done if why.startswith("put the file")]


def test_website_of_another_host_is_used_only_if_both_have_it(stage: Stage) -> None:
    assert stage.run.addresses_beside("a") == {B}
    ((endpoint, target),) = stage.run.host("a").targets.items()
    assert target.server
    both = replace(target, server=replace(target.server, addresses=(A, B)))
    shared = host_changed(stage.run, "a", targets={endpoint: both})
    assert not shared.addresses_beside("a")
    assert shared.addresses_beside("b") == {A}


@pytest.fixture
def in_order(stage: Stage) -> tuple[str, str]:
    """Return the hosts of the shared name: whose address the trace gives first, and the other."""
    network = stage.run.network
    first = network.lookups.of(SHARED, network.limits, stage.run.stop).first_address
    return ("a", "b") if first == A else ("b", "a")


def without(stage: Stage, label: str, folder: Path) -> RunContext:
    """Return a run in which the folder of one host is not the one that is served."""
    return served_from(stage.run, label, Docroot(str(folder)))


def test_first_address_counts_on_a_panel_host(
    stage: Stage, journal: Journal, in_order: tuple[str, str], tmp_path: Path
) -> None:
    first, other = in_order
    ending = stage.repair(run=without(stage, other, tmp_path), first_address_only=True)
    assert (ending.ended_as, len(stage.ca.orders)) == ("proven", 1)
    (note,) = (one.note for one in journal.events(ending.case.id) if (one.step, one.state) == ("self-test", "done"))
    assert (
        f"{SHARED}: the first address of the trace, {ADDRESSES[first]}, decides, as in the panel's own script;" in note
    )
    assert f"a CA may connect to any address, from several networks ({ADDRESSES[other]}: missing: " in note


def test_failing_first_address_fails_on_a_panel_host(stage: Stage, in_order: tuple[str, str], tmp_path: Path) -> None:
    first, other = in_order
    ending = stage.repair(run=without(stage, first, tmp_path), first_address_only=True)
    assert (ending.cause, stage.ca.orders) == ("dcv.missing", {})
    assert ending.note.startswith(f"{SHARED} at {ADDRESSES[first]}: missing: ")
    assert f"from several networks ({ADDRESSES[other]}: good: as written)" in ending.note


def test_every_address_counts_if_a_host_without_the_panel_serves_the_name(
    stage: Stage, in_order: tuple[str, str], tmp_path: Path
) -> None:
    _, other = in_order
    ending = stage.repair(run=host_changed(without(stage, other, tmp_path), "a", first_address_only=True))
    assert (ending.cause, "decides" in ending.note) == ("dcv.missing", False)
