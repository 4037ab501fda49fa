"""An issuer with every stage of RFC 8555: authorizations, an order that becomes ready, and alternate chains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from remediate.challenges import ChallengeDirectory, ProbeResult
from remediate.execution.executor import run_case
from remediate.hosts.command import CommandResult
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import IssuerFault, Order, OrderRef, OrderRequest, OrderStatus
from remediate.model.authorization import Authorization, Challenge
from remediate.model.causes import Cause
from remediate.pki.csr import Csr
from remediate.pki.issued_chain import IssuedPem
from remediate.state.journal import Journal, open_journal
from tests.support.remediate.folder_hosts import AUTHORITY, DAY, NOW, FolderHost, delivered, run_context, running_host
from tests.support.store.issuance import Commission, deliver, found_authority

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
    fails: str = ""
    chains: tuple[str, ...] = ("trusted",)

    def place(self, request: OrderRequest) -> Order | IssuerFault:
        """Take an order, once."""
        assert self.order is None
        self.calls.append("place")
        self.request = request
        status: OrderStatus = "ready" if self.authorization.status == "valid" else "pending"
        self.order = Order(URL, status, retry_after_s=0, authorizations=(self.authorization,))
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
        key: Any = x509.load_pem_x509_csr(self.request.csr.pem.encode()).public_key()
        authorities = {"trusted": AUTHORITY, "untrusted": found_authority(NOW)}
        commission = Commission(key, self.request.names, NOW, 90 * DAY)
        return tuple(delivered(deliver(authorities[chain], commission)) for chain in self.chains)

    def cancel(self, ref: OrderRef) -> None:
        """Cancel nothing."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """A solver whose programs are recorded and not run."""

    def present(self, challenge: Challenge, where: ChallengeDirectory | None) -> LocalCommand:
        assert where is None
        return LocalCommand("present", ("/present", challenge.type))

    def clean_up(self, challenge: Challenge, where: ChallengeDirectory | None) -> LocalCommand:
        assert where is None
        return LocalCommand("clean up", ("/clean-up", challenge.type))

    def location(self, challenge: Challenge, where: ChallengeDirectory | None) -> str:
        del where
        return f"the zone of {challenge.identifier}"

    def self_test(self, *_: object) -> tuple[ProbeResult, ...]:
        return ()


@dataclass(frozen=True)
class RepairSetup:
    """A host and a journal."""

    host: FolderHost
    journal: Journal

    def repaired(self, ca: AcmeLikeCa) -> Any:  # noqa: ANN401 - what `run_case` returns
        """Repair with this CA, whose log also gets the programs of the solver."""

        def recorded(command: LocalCommand, _stop: object) -> CommandResult:
            ca.calls.append(" ".join(command.arguments))
            return CommandResult(0, "")

        run = run_context(self.journal, ca, self.host, solvers={"dns-01": Recorder()}, run_local=recorded)
        return run_case(self.host.case(), run)


@pytest.fixture
def repair_setup(tmp_path: Path) -> Iterator[RepairSetup]:
    with running_host(tmp_path / "a", "a") as host, open_journal(tmp_path / "state") as journal:
        yield RepairSetup(host, journal)


def with_both() -> Authorization:
    return Authorization("a.example", (challenge("http-01"), challenge("dns-01")))


def test_order_goes_through_every_stage_of_rfc_8555(repair_setup: RepairSetup) -> None:
    ca = AcmeLikeCa(with_both())
    assert repair_setup.repaired(ca).ended_as == "proven"
    assert ca.calls == [
        "place", "/present dns-01", "accept dns-01", "fetch", "finalize", "fetch", "download", "/clean-up dns-01",
    ]  # fmt: skip
    (order,) = repair_setup.journal.orders.of_case(repair_setup.host.case().id)
    assert (order.order_id, order.status) == (URL, "valid")


def test_order_with_a_valid_authorization_needs_no_challenge(repair_setup: RepairSetup) -> None:
    ca = AcmeLikeCa(replace(with_both(), status="valid"))
    assert repair_setup.repaired(ca).ended_as == "proven"
    assert ca.calls == ["place", "finalize", "fetch", "download"]


@pytest.mark.parametrize(
    ("fails", "kind", "cause"),
    [
        ("accept", "failed", Cause.ISSUER_REFUSED),
        ("finalize", "pending", Cause.ISSUER_BUSY),
        ("download", "pending", Cause.ISSUER_UNREACHABLE),
    ],
)
def test_fault_at_any_stage_blocks_the_repair(repair_setup: RepairSetup, fails: str, kind: str, cause: Cause) -> None:
    result = repair_setup.repaired(AcmeLikeCa(with_both(), fails=fails))
    assert (result.ended_as, result.cause) == (kind, cause)


def test_first_chain_that_leads_to_a_trust_anchor_is_installed(repair_setup: RepairSetup) -> None:
    assert repair_setup.repaired(AcmeLikeCa(with_both(), chains=("untrusted", "trusted"))).ended_as == "proven"


@pytest.mark.parametrize("chains", [("untrusted", "untrusted"), ()])
def test_order_without_an_installable_chain_fails(repair_setup: RepairSetup, chains: tuple[str, ...]) -> None:
    result = repair_setup.repaired(AcmeLikeCa(with_both(), chains=chains))
    assert (result.ended_as, result.cause) == ("failed", Cause.ISSUER_ANSWER)


def test_authorization_without_a_solvable_challenge_is_named(repair_setup: RepairSetup) -> None:
    ca = AcmeLikeCa(Authorization("a.example", (challenge("http-01"), challenge("tls-alpn-01"))))
    result = repair_setup.repaired(ca)
    assert (result.cause, ca.calls) == (Cause.SOLVER_NONE, ["place"])
    assert "requires http-01, tls-alpn-01 for a.example" in result.note


def test_authorization_without_any_challenge_is_named(repair_setup: RepairSetup) -> None:
    result = repair_setup.repaired(AcmeLikeCa(Authorization("a.example")))
    assert "offers no challenge for a.example" in result.note
