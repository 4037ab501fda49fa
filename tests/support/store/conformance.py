"""What every issuer has to do, whatever it speaks: a class of tests that an issuer's own test class inherits."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from audit.x509.path.trust_store import TrustAnchors
from remediate.issuers import FaultKind, FindsByCsr, Issuer, IssuerFault, Order, OrderRef, OrderRequest
from remediate.pki.issued_chain import Expected, InstallableChain, Rejection, check_issued
from tests.support.store.misconduct import RETRY_AFTER_S
from tests.support.store.order_requests import csr, request

DEADLINE_S = 1.5
"""How long an exchange of an issuer under test may take; longer than a CA that dribbles takes for one byte."""


class FindingIssuer(Issuer, FindsByCsr, Protocol):
    """An issuer that finds an order by its CSR."""


class OrderBook(Protocol):
    """An issuer, and what it orders: a product for a name that is valid and that serves no token."""

    @property
    def issuer(self) -> FindingIssuer:
        """The issuer."""

    @property
    def intruder(self) -> FindingIssuer:
        """The same with a secret that the CA does not know."""

    @property
    def name(self) -> str:
        """The name to order."""

    @property
    def product(self) -> str:
        """The product to order."""

    def count(self) -> int:
        """Return how many orders were placed with the CA."""


class Certifying(OrderBook, Protocol):
    """The same with the anchors of the certificates."""

    @property
    def anchors(self) -> TrustAnchors:
        """What the certificates lead to."""


@dataclass(frozen=True, slots=True)
class Certified:
    """An order whose certificate is issued: the request, and the order as it stands."""

    wanted: OrderRequest
    answer: Order


class Counterpart(Certifying, Protocol):
    """An issuer, and the CA it speaks to. What a CA can do wrong is named as by the embedded lab's Store."""

    absent: FindingIssuer  # the same, of a CA with a closed port
    secret: str

    def publish(self, order: OrderRequest) -> None:
        """Have the CA find what it looks for to validate an order."""

    def misbehave(self, what: str, *, times: int | None = None) -> None:
        """Have the CA do something wrong, so many times or always."""

    def behave(self) -> None:
        """Have the CA do nothing wrong any more."""


def order_for(ca: OrderBook, **changes: Any) -> OrderRequest:  # noqa: ANN401 - any field
    """Return an order of the product for the name, with a new key."""
    return request(ca.name, **{"product": ca.product, **changes})


def placed(answer: Order | IssuerFault | None) -> Order:
    """Return the order that an answer is."""
    assert isinstance(answer, Order), answer
    return answer


def ref(order: Order, wanted: OrderRequest) -> OrderRef:
    """Return the reference to a placed order."""
    return OrderRef(order.id, wanted)


def fault(answer: object) -> IssuerFault:
    """Return the fault that an answer is."""
    assert isinstance(answer, IssuerFault), answer
    return answer


def issued(ca: Counterpart, order: OrderRequest) -> Order:
    """Place an order that can be validated, and return it as it stands after one poll."""
    ca.publish(order)
    return placed(ca.issuer.fetch(ref(placed(ca.issuer.place(order)), order)))


def judged(ca: Certifying, order: OrderRequest, answer: Order) -> InstallableChain | Rejection:
    """Judge what came with an order."""
    sent = ca.issuer.download(answer)
    assert isinstance(sent, tuple), sent
    return check_issued(sent[0], Expected(order.csr, order.names), ca.anchors, datetime.now(UTC))


class WithoutCertificate:
    """The rules of which a test needs no certificate. To be inherited by a class with a fixture `ca`."""

    def test_csr_without_an_order_is_not_found(self, ca: OrderBook) -> None:
        assert ca.issuer.find(csr()) is None

    def test_new_order_is_pending_without_a_certificate(self, ca: OrderBook) -> None:
        order = placed(ca.issuer.place(order_for(ca)))
        assert (order.is_pending, order.issued) == (True, ())

    def test_order_is_found_by_its_csr(self, ca: OrderBook) -> None:
        wanted = order_for(ca)
        order = placed(ca.issuer.place(wanted))
        assert placed(ca.issuer.find(wanted.csr)).id == order.id

    def test_order_that_cannot_be_validated_stays_pending_with_a_reason(self, ca: OrderBook) -> None:
        wanted = order_for(ca)
        answer = placed(ca.issuer.fetch(ref(placed(ca.issuer.place(wanted)), wanted)))
        assert answer.is_pending
        assert ca.name in answer.message

    def test_requests_with_one_idempotency_key_place_one_order(self, ca: OrderBook) -> None:
        wanted = order_for(ca)
        ids = {placed(ca.issuer.place(wanted)).id for _ in range(3)}
        assert len(ids) == ca.count() == 1

    def test_idempotency_key_with_other_content_is_a_conflict(self, ca: OrderBook) -> None:
        first = order_for(ca)
        placed(ca.issuer.place(first))
        other = order_for(ca, idempotency_key=first.idempotency_key)
        assert fault(ca.issuer.place(other)).kind == "conflict"
        assert ca.count() == 1

    def test_csr_is_never_used_for_two_orders(self, ca: OrderBook) -> None:
        wanted = order_for(ca)
        placed(ca.issuer.place(wanted))
        answer = fault(ca.issuer.place(order_for(ca, csr=wanted.csr, idempotency_key=f"{wanted.idempotency_key}-2")))
        assert (answer.kind, ca.count()) == ("refused", 1)
        assert any("csr" in field for field in answer.fields)

    def test_refused_names_are_listed(self, ca: OrderBook) -> None:
        answer = fault(ca.issuer.place(request("mail.localdomain")))
        assert answer.kind == "refused"
        assert any("mail.localdomain" in field for field in answer.fields)
        assert not answer.leaves_unknown

    def test_unknown_order_is_distinguished_from_a_server_error(self, ca: OrderBook) -> None:
        never_placed = OrderRef("never-placed", order_for(ca))
        assert fault(ca.issuer.fetch(never_placed)).kind == "unknown"
        assert fault(ca.issuer.cancel(never_placed)).kind == "unknown"

    def test_pending_order_can_be_canceled_twice(self, ca: OrderBook) -> None:
        wanted = order_for(ca)
        order = ref(placed(ca.issuer.place(wanted)), wanted)
        assert ca.issuer.cancel(order) is None
        assert ca.issuer.cancel(order) is None
        assert placed(ca.issuer.fetch(order)).status == "canceled"

    def test_wrong_secret_orders_nothing(self, ca: OrderBook) -> None:
        assert fault(ca.intruder.place(order_for(ca))).kind == "authentication"
        assert ca.count() == 0


class WithCertificate:
    """The rules about an issued certificate. To be inherited by a class with the fixtures `ca` and `certified`."""

    def test_validated_order_is_issued_and_can_be_installed(self, ca: Certifying, certified: Certified) -> None:
        assert certified.answer.status == "valid"
        installable = judged(ca, certified.wanted, certified.answer)
        assert isinstance(installable, InstallableChain), installable
        assert installable.leaf.spki_sha256 == certified.wanted.csr.spki_sha256

    def test_nothing_is_ordered_if_a_valid_certificate_exists(self, ca: Certifying, certified: Certified) -> None:
        again = replace(certified.wanted, idempotency_key=f"{certified.wanted.idempotency_key}-2")
        answer = placed(ca.issuer.place(again))
        first = certified.answer
        assert (answer.id, answer.status, answer.issued) == (first.id, "valid", first.issued)
        assert ca.count() == 1

    def test_issued_order_is_not_canceled(self, ca: Certifying, certified: Certified) -> None:
        order = ref(certified.answer, certified.wanted)
        assert fault(ca.issuer.cancel(order)).kind == "conflict"
        assert placed(ca.issuer.fetch(order)).issued == certified.answer.issued


class Conformance(WithoutCertificate, WithCertificate):
    """To be inherited by a class with a fixture `ca` that gives a Counterpart.

    What is beside the inherited rules needs a CA that does something wrong, so it shows what our client does then.
    """

    @pytest.fixture
    def certified(self, ca: Counterpart) -> Certified:
        wanted = request("www.shop.example", "shop.example")
        return Certified(wanted, issued(ca, wanted))

    def test_order_pending_for_three_polls_is_issued_at_the_fourth(self, ca: Counterpart) -> None:
        ca.misbehave("pending", times=3)
        wanted = request()
        ca.publish(wanted)
        order = placed(ca.issuer.place(wanted))
        assert order.retry_after_s is not None
        polls = [placed(ca.issuer.fetch(ref(order, wanted))) for _ in range(4)]
        assert [poll.is_pending for poll in polls] == [True, True, True, False]
        assert polls[-1].status == "valid"

    def test_rejected_order_has_a_reason(self, ca: Counterpart) -> None:
        ca.misbehave("rejected")
        answer = issued(ca, request())
        assert (answer.status, bool(answer.message), answer.issued) == ("invalid", True, ())

    @pytest.mark.parametrize("what", ["429", "503", "503-date"])
    def test_busy_ca_sends_the_time_of_the_next_attempt(self, ca: Counterpart, what: str) -> None:
        ca.misbehave(what, times=1)
        wanted = request()
        answer = fault(ca.issuer.place(wanted))
        assert answer.kind == "busy"
        assert answer.retry_after_s is not None
        assert RETRY_AFTER_S - 60 <= answer.retry_after_s <= RETRY_AFTER_S
        assert (answer.leaves_unknown, ca.count()) == (False, 0)
        assert placed(ca.issuer.place(wanted)).is_pending

    @pytest.mark.parametrize(
        ("what", "kind"),
        [
            ("html", "broken"),
            ("huge", "broken"),
            ("redirect", "broken"),
            ("502", "unreachable"),
            ("cut", "unreachable"),
            ("cut-short", "unreachable"),
            ("dribble", "unreachable"),
            ("dribble-head", "unreachable"),
        ],
    )
    def test_lost_or_broken_response_causes_no_second_order(self, ca: Counterpart, what: str, kind: FaultKind) -> None:
        ca.misbehave(what)
        wanted = request()
        began = time.monotonic()
        answer = fault(ca.issuer.place(wanted))
        assert time.monotonic() - began < DEADLINE_S + 20
        assert (answer.kind, answer.leaves_unknown) == (kind, True)
        ca.behave()
        found = ca.issuer.find(wanted.csr)
        again = placed(ca.issuer.place(wanted))
        assert found is None or placed(found).id == again.id
        assert ca.count() == 1

    @pytest.mark.parametrize(
        ("what", "why"),
        [
            ("other-key", "another key"),
            ("other-names", "lacks shop.example, www.shop.example"),
            ("fewer-names", "lacks www.shop.example"),
            ("extra-name", "also holds extra-www.shop.example"),
            ("expired", "the certificate expired at"),
            ("not-yet-valid", "not valid before"),
            ("too-long", "valid for 120 days"),
            ("client-only", "serverAuth"),
            ("no-chain", "was not sent"),
            ("foreign-chain", "was not sent"),
            ("foreign-ca", "is not a trust anchor"),
            ("error-page", "begins '<!DOCTYPE html>"),
        ],
    )
    def test_certificate_that_differs_from_the_order_is_refused(self, ca: Counterpart, what: str, why: str) -> None:
        ca.misbehave(what)
        wanted = request("www.shop.example", "shop.example")
        refusal = judged(ca, wanted, issued(ca, wanted))
        assert isinstance(refusal, Rejection)
        assert why in str(refusal)

    def test_chain_in_wrong_order_is_sorted(self, ca: Counterpart) -> None:
        ca.misbehave("in-disorder")
        wanted = request()
        installable = judged(ca, wanted, issued(ca, wanted))
        assert isinstance(installable, InstallableChain), installable
        assert len(installable.intermediates) == 1

    def test_closed_port_is_unreachable(self, ca: Counterpart) -> None:
        assert fault(ca.absent.place(request())).kind == "unreachable"
        assert fault(ca.absent.find(csr())).kind == "unreachable"

    def test_secret_is_in_no_message(self, ca: Counterpart, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        result: list[object] = [ca.issuer, ca.intruder]
        for what in ("forbidden", "html", "redirect", "cut"):
            ca.misbehave(what, times=1)
            result.append(ca.issuer.place(request()))
        assert ca.secret not in "".join(f"{one!r} {one}" for one in result) + caplog.text
