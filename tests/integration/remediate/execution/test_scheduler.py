"""A run over several cases: the canary, the limits, backoff, and restoration after a failed verification."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.x509.path.trust_store import TrustAnchors
from remediate.cli.output import case_result_lines
from remediate.execution.context import RunContext
from remediate.execution.scheduler import repair
from remediate.issuers import IssuerFault, Order, OrderRequest
from remediate.model.case import Case, Repair, case_id, steps_of
from remediate.model.causes import Cause
from remediate.model.options import Concurrency, EarlyTries
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.ca import NOW, Ca
from tests.support.remediate.fake_host.host import (
    FakeHost,
    digest_of,
    repaired,
    run_context,
    running_host,
    write_expired,
)
from tests.support.remediate.fake_host.run import ONE_HOST_AT_A_TIME, TIMEOUTS, changed

Hosts = tuple[FakeHost, FakeHost, FakeHost]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        a, b, c = (stack.enter_context(running_host(tmp_path / label, label)) for label in "abc")
        yield a, b, c


def never_taken_up(run: RunContext, *hosts: FakeHost) -> RunContext:
    """Return the context of a run in which the services of these hosts load no new files."""
    installers = dict(run.host(hosts[0].label).installers)
    for host in hosts:
        installers.update(host.installers(loads=False))
    return changed(run, installers=installers)


def later(run: RunContext) -> RunContext:
    """Return the context of a run two days after."""
    return replace(run, clock=lambda: datetime.now(UTC) + timedelta(days=2))


def fixing_modes(host: FakeHost) -> Case:
    """Return the case of a reissue that also closes the key to others."""
    return host.case(steps=steps_of(Repair.REISSUE, (host.service,), (str(host.endpoint),), fix_modes=True))


def mode(host: FakeHost) -> int:
    """Return the mode of a host's key."""
    return stat.S_IMODE(host.key.stat().st_mode)


def kinds(
    run: RunContext, *hosts: FakeHost, concurrency: Concurrency = ONE_HOST_AT_A_TIME
) -> list[tuple[str, Cause | None]]:
    """Run the hosts' cases and return how each ended, and by what."""
    return [(ending.ended_as, ending.cause) for ending in repair([host.case() for host in hosts], run, concurrency)]


def test_all_hosts_are_repaired_and_a_second_run_does_nothing(hosts: Hosts, journal: Journal) -> None:
    ca, before = Ca(), [host.served for host in hosts]
    assert kinds(run_context(journal, ca, *hosts), *hosts) == [("proven", None)] * 3
    assert not set(before) & {host.served for host in hosts}
    again = repair((), run_context(journal, ca, *hosts), ONE_HOST_AT_A_TIME)
    assert (len(ca.orders), journal.unfinished(), again) == (3, (), ())


def test_failed_canary_keeps_all_other_cases_from_beginning(hosts: Hosts, journal: Journal) -> None:
    ca, (a, b, c) = Ca(), hosts
    before = [host.served for host in hosts]
    run = never_taken_up(run_context(journal, ca, *hosts), a)
    assert kinds(run, *hosts) == [("failed", "proof.failed"), *[("waiting", "run.canary")] * 2]
    assert ([host.served for host in hosts], b.session.commands, c.session.commands) == (before, [], [])


@pytest.mark.parametrize(
    ("failing", "max_failures", "ended"),
    [
        ([1], 3, [("proven", None), ("failed", "proof.failed"), ("proven", None)]),
        ([1, 2], 1, [("proven", None), ("failed", "proof.failed"), ("waiting", "run.failures")]),
    ],
    ids=["below the maximum", "at the maximum"],
)
def test_failed_host_stops_the_others_only_at_the_maximum_of_failures(
    hosts: Hosts, journal: Journal, failing: list[int], max_failures: int, ended: list[tuple[str, Cause | None]]
) -> None:
    run = never_taken_up(run_context(journal, Ca(), *hosts), *(hosts[index] for index in failing))
    assert kinds(run, *hosts, concurrency=replace(ONE_HOST_AT_A_TIME, max_failures=max_failures)) == ended


def test_failed_verification_restores_and_is_retried_without_a_new_order(host: FakeHost, journal: Journal) -> None:
    ca = Ca()
    before, certificate = host.served, host.certificate.read_text()
    run = host.run(journal, ca)
    ending = repaired(host.case(), never_taken_up(run, host))
    assert ending.ended_as == "failed"
    assert "failed verification" in ending.note
    assert "the switch is returned" in ending.note
    assert (host.served, host.certificate.read_text()) == (before, certificate)
    states = {step.kind: step.state for step in journal.unfinished()[0].steps}
    assert (states["collect"], states["reload"], states["proof"]) == ("done", "undone", "failed")
    assert kinds(run, host) == [("waiting", "run.not-due")]
    assert kinds(later(run), host) == [("proven", None)]
    assert (len(ca.orders), host.served == before) == (1, False)


def test_order_with_a_lost_response_is_found_and_not_placed_again(host: FakeHost, journal: Journal) -> None:
    ca = Ca(faults=[IssuerFault("unreachable", "the connection was cut")])
    assert (host.repair(journal, ca).ended_as, len(ca.orders)) == ("proven", 1)


def test_busy_issuer_makes_every_case_wait_until_its_retry_after(hosts: Hosts, journal: Journal) -> None:
    ca = Ca(faults=[IssuerFault("busy", "HTTP 429", retry_after_s=3600)])
    run = run_context(journal, ca, *hosts)
    assert kinds(run, hosts[0]) == [("pending", "issuer.busy")]
    assert kinds(run, hosts[1]) == [("waiting", "run.not-due"), ("waiting", "issuer.busy")]
    early = replace(run, early=EarlyTries(every_case=True))
    assert kinds(early, hosts[0], hosts[1]) == [("waiting", "issuer.busy")] * 2  # its Retry-After is not ours to lift
    assert "waiting" not in {kind for kind, _ in kinds(later(run), hosts[1])}


@pytest.mark.parametrize(("early", "tried"), [
    (EarlyTries(), False), (EarlyTries(every_case=True), True),
    (EarlyTries(case_id="another"), False), (EarlyTries(case_id=case_id("a", ("a.example",), None)), True),
])  # fmt: skip
def test_waiting_time_after_a_failure_is_lifted_on_request_and_counted(
    host: FakeHost, journal: Journal, early: EarlyTries, *, tried: bool
) -> None:
    run = host.run(journal, Ca())
    assert repaired(host.case(), never_taken_up(run, host)).ended_as == "failed"
    (ending,) = repair([host.case()], replace(run, early=early), ONE_HOST_AT_A_TIME)
    assert (ending.ended_as, ending.is_early) == (("proven", True) if tried else ("waiting", False))
    assert [attempt.is_early for attempt in journal.attempts.of_case(ending.case.id)] == [False, True][: 1 + tried]
    assert any("on request" in line for line in case_result_lines([ending])) is tried


@pytest.mark.parametrize("offset_s", [-301.0, 301.0])
def test_clock_skew_prevents_every_command(host: FakeHost, journal: Journal, offset_s: float) -> None:
    ending = host.repair(journal, targets={str(host.endpoint): host.target(offset_s)})
    assert (ending.ended_as, ending.cause) == ("interrupted", "ops.clock-skew")
    assert host.session.commands == []


def test_bug_ends_one_case_with_its_traceback(hosts: Hosts, journal: Journal) -> None:
    a, b, _ = hosts
    run = run_context(journal, Ca(), a, b)
    (first, other) = repair([a.case(), replace(b.case(), names=("no name",))], run, ONE_HOST_AT_A_TIME)
    assert (first.ended_as, other.ended_as, other.cause) == ("proven", "failed", "run.bug")
    assert "ValueError" in other.note


def test_compromised_key_is_never_restored_and_is_destroyed(host: FakeHost, journal: Journal) -> None:
    old = host.key.read_text()
    case = host.case(Repair.REKEY, is_compromised=True)
    run = host.run(journal)
    ending = repaired(case, never_taken_up(run, host))
    assert (ending.ended_as, "the switch is kept" in ending.note) == ("failed", True)
    assert host.key.read_text() != old
    assert repaired(case, later(run)).ended_as == "proven"
    kept = [file for file in Path(run.host("a").workdir_root).rglob("*") if file.is_file() and old in file.read_text()]
    assert kept == []


@pytest.mark.parametrize("kind", [Repair.REISSUE, Repair.RECHAIN])
def test_open_case_without_a_finding_or_order_is_dropped(host: FakeHost, journal: Journal, kind: Repair) -> None:
    journal.begin(host.case(kind), datetime.now(UTC))
    assert repair((), host.run(journal), ONE_HOST_AT_A_TIME) == ()
    outcome = journal.outcome(host.case().id)
    assert (journal.unfinished(), outcome and outcome.kind, host.session.commands) == ((), "dropped", [])


def test_service_with_a_new_certificate_on_disk_is_reloaded(host: FakeHost, journal: Journal) -> None:
    ca = Ca()
    assert host.repair(journal, ca).ended_as == "proven"
    ready = host.served
    installed = host.certificate.read_text(), host.key.read_text()
    write_expired(host.folder, "a.example")
    host.first.write(*installed)
    assert host.served != ready
    assert host.repair(journal, ca, host.case(Repair.RELOAD, id="reload")).ended_as == "proven"
    assert (host.served, len(ca.orders)) == (ready, 1)


def test_world_readable_key_is_closed_to_others(host: FakeHost, journal: Journal) -> None:
    ca, before = Ca(), host.served
    assert mode(host) == 0o644
    assert host.repair(journal, ca, host.case(Repair.HOST, id="modes")).ended_as == "proven"
    assert (mode(host), host.served, ca.orders) == (0o640, before, {})


def test_new_key_of_a_reissue_is_closed_to_others(host: FakeHost, journal: Journal) -> None:
    assert host.repair(journal, case=fixing_modes(host)).ended_as == "proven"
    assert mode(host) == 0o640


def test_mode_of_a_key_is_restored_if_its_service_does_not_answer(host: FakeHost, journal: Journal) -> None:
    a = replace(host, services=(replace(host.first, port=1),))  # no server listens on it
    ending = a.repair(journal, case=a.case(Repair.HOST, id="modes"))
    assert (ending.ended_as, ending.cause, mode(a)) == ("failed", "modes.needed", 0o644)


def test_key_of_another_user_is_reported_and_delays_no_certificate(host: FakeHost, journal: Journal) -> None:
    before = host.served
    files = tuple(replace(file, owner="bob", group="root") for file in host.case().files)
    case = replace(fixing_modes(host), files=files)
    ending = host.repair(journal, case=case)
    assert (ending.ended_as, "it belongs to bob" in ending.note) == ("proven", True), ending
    assert host.served != before
    outcome, states = journal.outcome(case.id), journal.case(case.id)
    assert outcome
    assert (outcome.kind, "it belongs to bob" in outcome.note) == ("repaired", True)
    assert states
    assert next(step.state for step in states.steps if step.kind == "modes") == "failed"


def test_key_of_another_user_is_reported_and_closed_to_others(host: FakeHost, journal: Journal) -> None:
    files = tuple(replace(file, owner="bob", group="users", mode="0644") for file in host.case().files)
    ending = host.repair(journal, case=host.case(Repair.HOST, id="modes", files=files))
    assert (ending.ended_as, ending.cause, mode(host)) == ("failed", "modes.owner", 0o640)
    assert "it belongs to bob" in ending.note
    assert "the group users may read it" in ending.note


def test_open_case_goes_before_a_new_case_of_its_endpoints(host: FakeHost, journal: Journal) -> None:
    run = host.run(journal, ca := Ca())
    assert repaired(host.case(), never_taken_up(run, host)).cause == "proof.failed"
    first, second = repair([host.case(id="anew")], later(run), ONE_HOST_AT_A_TIME)
    assert (first.case.id, first.ended_as) == (host.case().id, "proven")
    assert (second.case.id, second.ended_as, second.cause) == ("anew", "waiting", "run.overlap")
    assert (len(ca.orders), journal.unfinished(), journal.case("anew")) == (1, (), None)


def test_open_case_without_its_target_ends_and_a_new_case_begins(host: FakeHost, journal: Journal) -> None:
    run = host.run(journal)
    repaired(host.case(), never_taken_up(run, host))
    (ending,) = repair((), changed(later(run), targets={}), ONE_HOST_AT_A_TIME)
    assert (ending.ended_as, ending.cause, journal.unfinished()) == ("failed", "case.unknown", ())
    assert repaired(host.case(id="anew"), run).ended_as == "proven"


def test_certificate_replaced_since_the_audit_is_not_ordered_again(host: FakeHost, journal: Journal) -> None:
    ca = Ca()
    case = host.case(old_leaf_sha256="0" * 64)  # what the audit saw, and is not served any more
    ending = host.repair(journal, ca, case)
    assert (ending.ended_as, ending.cause, len(ca.orders)) == ("interrupted", "case.changed", 0)
    assert repair([], host.run(journal, ca), ONE_HOST_AT_A_TIME) == ()
    assert journal.unfinished() == ()


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=9)])
def test_certificate_rejected_for_days_is_discarded(host: FakeHost, journal: Journal, age: timedelta) -> None:
    ca = Ca(placed=NOW - age)
    ending = host.repair(journal, ca, anchors=TrustAnchors({"other": []}))
    assert ending.cause == "issuer.answer"
    pending = host.workdir_root / host.case().id / "pending"
    assert ("; the order is given up after 9 d" in ending.note, pending.exists()) == (bool(age), not age)


def test_certificate_of_an_unknown_service_too_is_repaired_in_part(host: FakeHost, journal: Journal) -> None:
    proxy = f"{host.label}/https://www.example.com:8444"
    ending = host.repair(journal, case=host.case(left_out=(proxy,)))
    [line, *_] = case_result_lines([ending])
    assert line.startswith("repaired in part ")
    assert f"{proxy} still serves the certificate of before" in line


def test_unknown_service_that_serves_another_certificate_is_not_left_out(host: FakeHost, journal: Journal) -> None:
    [endpoint, *_] = host.case().endpoints  # in place of a service that loads the new file at each connection
    before = digest_of(host.served)
    ending = host.repair(journal, case=host.case(left_out=(endpoint,), old_leaf_sha256=before))
    assert (ending.ended_as, ending.is_in_part) == ("proven", False)
    assert "still serves" not in ending.note


class WaitingCa(Ca):
    """A CA that has every order looked at again after a while."""

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        order = super().place(request)
        assert isinstance(order, Order)
        self.orders[request.csr.sha256] = replace(order, retry_after_s=1)
        return self.orders[request.csr.sha256]


def test_run_that_waits_for_the_issuer_prints_a_line_each_minute(
    host: FakeHost, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediate.execution.steps.download._MINUTE_S", 0.4)
    lines, timeouts = list[str](), replace(TIMEOUTS, issuance_s=1.5)
    ca = WaitingCa(placed=datetime.now(UTC), is_slow=True)
    ending = host.repair(journal, ca, timeouts=timeouts, announce=lines.append)
    assert ending.ended_as == "pending", ending
    assert len(lines) == 2
    assert all(line.startswith(f"{host.label}: waiting for the issuer since ") for line in lines)
