"""An issuer with every stage of RFC 8555: authorizations, an order that becomes ready, and alternate chains."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from remediate.challenges import ChallengeDirectory, ProbeResult, ProbeSettings
from remediate.execution.executor import run_case
from remediate.hosts.command import CommandResult
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import IssuerFault, Order, OrderRef, OrderRequest, OrderStatus
from remediate.model.authorization import Authorization, Challenge
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.pki.csr import Csr
from remediate.pki.issued_chain import IssuedPem
from remediate.state.journal import Journal
from tests.support.remediate.fake_host.ca import AUTHORITY, NOW, issued_for
from tests.support.remediate.fake_host.host import FakeHost
from tests.support.remediate.fake_host.run import TIMEOUTS
from tests.support.remediate.store_host import Near
from tests.support.store.issuance import found_authority

URL = "https://ca.example/order/1"


def challenge(kind: str, name: str = "a.example") -> Challenge:
    return Challenge(kind, name, f"token-{kind}", "content", f"https://ca.example/challenge/{kind}")


@dataclass(slots=True)
class AcmeLikeCa:
    """A CA whose order is pending until a challenge is accepted, then ready, and processing after it is finalized."""

    authorization: Authorization
    calls: list[str] = field(default_factory=list)
    order: Order | None = None
    request: OrderRequest | None = None
    others: tuple[Authorization, ...] = ()
    fails: str = ""
    chains: tuple[str, ...] = ("trusted",)

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Take an order, once."""
        assert self.order is None
        self.calls.append("place")
        self.request = request
        status: OrderStatus = "ready" if self.authorization.status == "valid" else "pending"
        self.order = Order(URL, status, retry_after_s=0, authorizations=(self.authorization, *self.others))
        return self.order

    def fetch(self, ref: OrderRef) -> Order | IssuerFault:
        """Return the order, which goes on from processing to valid."""
        assert self.order is not None
        assert ref == OrderRef(URL, self.request or ref.request)
        self.calls.append("fetch")
        if self.order.status == "processing":
            self.order = replace(self.order, status="valid")
        return self.order

    def accept(self, challenge: Challenge) -> IssuerFault | None:
        """Look at a challenge, which makes the order ready."""
        assert challenge in self.authorization.challenges
        assert self.order is not None
        self.calls.append(f"accept {challenge.type}")
        if self.fails == "accept":
            return IssuerFault("refused", "the account is deactivated")
        if self.fails == "validation":
            return None
        valid = replace(self.authorization, status="valid")
        self.order = replace(self.order, status="ready", authorizations=(valid,))
        return None

    def finalize(self, order: Order, csr: Csr) -> Order | IssuerFault:
        """Take the CSR of an order that is ready."""
        assert order.status == "ready"
        assert self.request is not None
        assert csr == self.request.csr
        self.calls.append("finalize")
        self.order = replace(order, status="processing")
        return IssuerFault("busy", "later", retry_after_s=60) if self.fails == "finalize" else self.order

    def download(self, order: Order) -> tuple[IssuedPem, ...] | IssuerFault:
        """Return the default chain and the alternate ones."""
        assert order.status == "valid"
        assert self.request is not None
        self.calls.append("download")
        if self.fails == "download":
            return IssuerFault("unreachable", "the connection was cut")
        authorities = {"trusted": AUTHORITY, "untrusted": found_authority(NOW)}
        return tuple(issued_for(self.request.csr, authorities[chain]) for chain in self.chains)

    def cancel(self, ref: OrderRef) -> None:
        """Cancel nothing."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """A solver whose programs are recorded and not run. Its self-tests have these results, and are recorded too."""

    results: tuple[ProbeResult, ...] = ()
    type: str = "dns-01"
    calls: list[str] = field(default_factory=list)
    stop: threading.Event | None = None  # set during the self-test

    def present(self, challenge: Challenge, where: ChallengeDirectory | None) -> LocalCommand:
        assert where is None
        return LocalCommand("present", ("/present", challenge.type))

    def clean_up(self, challenge: Challenge, where: ChallengeDirectory | None) -> LocalCommand:
        assert where is None
        return LocalCommand("clean up", ("/clean-up", challenge.type))

    def location(self, challenge: Challenge, where: ChallengeDirectory | None) -> str:
        del where
        return f"the zone of {challenge.identifier}"

    def self_test(
        self, challenge: Challenge, addresses: Sequence[str], settings: ProbeSettings
    ) -> tuple[ProbeResult, ...]:
        del settings
        self.calls.append(" ".join(("look at", challenge.type, *addresses)))
        if self.stop:
            self.stop.set()
        return self.results


def repaired(host: FakeHost, journal: Journal, ca: AcmeLikeCa, *solvers: Recorder, **changes: Any) -> CaseResult:  # noqa: ANN401 - any field
    """Repair with this CA, whose log also gets the programs of the solvers and what they look at."""

    def recorded(command: LocalCommand, _stop: object) -> CommandResult:
        ca.calls.append(" ".join(command.arguments))
        return CommandResult(0, "")

    table = {solver.type: replace(solver, calls=ca.calls) for solver in solvers or (Recorder(),)}
    return run_case(host.case(), host.run(journal, ca, **{"solvers": table, "run_local": recorded, **changes}))


def with_both() -> Authorization:
    return Authorization("a.example", (challenge("http-01"), challenge("dns-01")))


def test_order_goes_through_every_stage_of_rfc_8555(host: FakeHost, journal: Journal) -> None:
    ca = AcmeLikeCa(with_both())
    assert repaired(host, journal, ca).ended_as == "proven"
    assert ca.calls == [
        "place", "/present dns-01", "look at dns-01", "accept dns-01", "fetch", "finalize", "fetch", "download",
        "/clean-up dns-01",
    ]  # fmt: skip
    (order,) = journal.orders.of_case(host.case().id)
    assert (order.order_id, order.status) == (URL, "valid")


def test_order_with_a_valid_authorization_needs_no_challenge(host: FakeHost, journal: Journal) -> None:
    ca = AcmeLikeCa(replace(with_both(), status="valid"))
    assert repaired(host, journal, ca).ended_as == "proven"
    assert ca.calls == ["place", "finalize", "fetch", "download"]


@pytest.mark.parametrize(
    ("fails", "kind", "cause"),
    [
        ("accept", "failed", Cause.ISSUER_REFUSED),
        ("finalize", "pending", Cause.ISSUER_BUSY),
        ("download", "pending", Cause.ISSUER_UNREACHABLE),
    ],
)
def test_fault_at_any_stage_blocks_the_repair(
    host: FakeHost, journal: Journal, fails: str, kind: str, cause: Cause
) -> None:
    result = repaired(host, journal, AcmeLikeCa(with_both(), fails=fails))
    assert (result.ended_as, result.cause) == (kind, cause)


@pytest.mark.parametrize(
    ("chains", "kind", "cause"),
    [
        (("untrusted", "trusted"), "proven", None),
        (("untrusted", "untrusted"), "failed", Cause.ISSUER_ANSWER),
        ((), "failed", Cause.ISSUER_ANSWER),
    ],
)
def test_first_chain_that_leads_to_a_trust_anchor_is_installed(
    host: FakeHost, journal: Journal, chains: tuple[str, ...], kind: str, cause: Cause | None
) -> None:
    result = repaired(host, journal, AcmeLikeCa(with_both(), chains=chains))
    assert (result.ended_as, result.cause) == (kind, cause)


@pytest.mark.parametrize(
    ("challenges", "why"),
    [
        ((challenge("http-01"), challenge("tls-alpn-01")), "requires http-01, tls-alpn-01 for a.example"),
        ((), "offers no challenge for a.example"),
    ],
)
def test_authorization_without_a_solvable_challenge_is_named(
    host: FakeHost, journal: Journal, challenges: tuple[Challenge, ...], why: str
) -> None:
    ca = AcmeLikeCa(Authorization("a.example", challenges))
    result = repaired(host, journal, ca)
    assert (result.cause, ca.calls, why in result.note) == (Cause.SOLVER_NONE, ["place"], True)


GOOD = ProbeResult("a.example", "ns1", "good", "as written")
UNSEEN = ProbeResult("a.example", "ns2", "unseen", "no response in time")
MISSING = ProbeResult("a.example", "ns3", "missing", "there is no TXT record")
BLOCKED = ProbeResult("a.example", "192.0.2.1", "blocked", "no response")


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ((GOOD,), Cause.ISSUER_REFUSED),
        ((GOOD, UNSEEN), Cause.ISSUER_REFUSED),
        ((UNSEEN,), Cause.ISSUER_REFUSED),  # the CA decides
        ((), Cause.ISSUER_REFUSED),  # there is no self-test for the type
        ((GOOD, MISSING), Cause.SOLVER_NOT_VISIBLE),
        ((UNSEEN, BLOCKED), Cause.SOLVER_NOT_VISIBLE),
    ],
)
def test_ca_is_asked_to_validate_unless_a_self_test_fails(
    host: FakeHost, journal: Journal, results: tuple[ProbeResult, ...], cause: Cause
) -> None:
    ca = AcmeLikeCa(with_both(), fails="accept")  # which ends the repair
    assert repaired(host, journal, ca, Recorder(results)).cause == cause
    asked = ["accept dns-01"] if cause == Cause.ISSUER_REFUSED else []
    calls = [*dict.fromkeys(ca.calls)]  # it is looked at until it is visible
    assert calls == ["place", "/present dns-01", "look at dns-01", *asked, "/clean-up dns-01"]


def test_no_challenge_is_accepted_if_one_is_not_visible(host: FakeHost, journal: Journal) -> None:
    other = Authorization("a.example", (challenge("dns-02"),))
    ca = AcmeLikeCa(with_both(), others=(other,))
    result = repaired(host, journal, ca, Recorder((GOOD,)), Recorder((MISSING,), "dns-02"))
    assert result.cause == Cause.SOLVER_NOT_VISIBLE
    assert "has presented dns-02 of a.example" in result.note
    assert "at ns3: missing: there is no TXT record" in result.note
    assert [call for call in ca.calls if call.startswith(("accept", "/clean-up"))] == [
        "/clean-up dns-01",
        "/clean-up dns-02",
    ]


def test_addresses_are_looked_up_for_a_challenge_that_needs_them(host: FakeHost, journal: Journal) -> None:
    ca = AcmeLikeCa(with_both(), fails="accept")
    repaired(host, journal, ca, Recorder((GOOD,), "http-01"), lookups=Near())
    assert ca.calls[:4] == ["place", "/present http-01", "look at http-01 127.0.0.1", "accept http-01"]


def test_run_stopped_during_a_self_test_does_not_ask_the_ca(host: FakeHost, journal: Journal) -> None:
    ca, stop = AcmeLikeCa(with_both()), threading.Event()
    result = repaired(host, journal, ca, Recorder((MISSING,), stop=stop), stop=stop)
    assert (result.ended_as, result.cause) == ("interrupted", Cause.RUN_STOPPED)
    assert ca.calls == ["place", "/present dns-01", "look at dns-01"]
    assert [left.type for left in journal.challenges.presented(result.case.id)] == ["dns-01"]


def test_challenge_that_was_not_seen_is_named_while_the_order_is_pending(host: FakeHost, journal: Journal) -> None:
    ca = AcmeLikeCa(with_both(), fails="validation")
    timeouts = replace(TIMEOUTS, issuance_s=0.0)
    result = repaired(host, journal, ca, Recorder((UNSEEN,)), timeouts=timeouts)
    assert (result.ended_as, result.cause) == ("pending", Cause.ISSUER_PENDING)
    assert result.note.splitlines()[1:] == [
        f"dns-01 of a.example could not be looked at before the validation: {UNSEEN}"
    ]
