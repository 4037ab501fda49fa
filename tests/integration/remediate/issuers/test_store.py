"""How the issuer `store` reads the responses of a Store."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.probe.http.request import MAX_RETRY_AFTER_S
from remediate.issuers import IssuerEndpoint, IssuerFault, Order, OrderRef, OrderRequest
from remediate.issuers.http import JsonResponse
from remediate.issuers.store import Store
from tests.support.http.scripted_server import Say, answering, conversing, saying
from tests.support.store.clients import TOKEN, client, fault
from tests.support.store.order_requests import csr, request
from tests.support.store.server import Store as StrictStore

ORDER: dict[str, Any] = {
    "id": "o-1", "status": "pending-validation", "status_message": "in work", "created": "2026-11-23T10:00:00Z",
    "retry_after_s": 5, "certificate": None, "ca_bundle": None,
}  # fmt: skip
BODIES = {
    "empty": "", "list": "[]", "null": "null", "text": '"issued"', "nan": "NaN",
    "infinity": json.dumps(ORDER).replace("5", "Infinity"), "deep": "[" * 100_000, "long": "1" * 5_000,
    "bytes": b"\xff\xfe\x00", "gzip": gzip.compress(json.dumps(ORDER).encode()), "cut": json.dumps(ORDER)[:-1],
}  # fmt: skip


def collected(say: Say) -> Order | IssuerFault:
    """Return the result of the client for a response about the order `o-1`."""
    with conversing(say) as listener:
        store = Store(IssuerEndpoint(f"http://127.0.0.1:{listener.port}", lambda: TOKEN, deadline_s=5.0))
        return store.fetch(OrderRef("o-1", request()))


class TestResponses:
    """Every field follows the contract, or the response is broken and its fault is named."""

    def test_order_is_read_field_by_field(self) -> None:
        fields = ("Date: Mon, 23 Nov 2026 10:00:05 GMT",)
        order = collected(answering(json.dumps(ORDER | {"status_message": "in\nwork\x1b[2J"}), *fields))
        assert isinstance(order, Order)
        assert (order.id, order.status, order.word) == ("o-1", "pending", "pending-validation")
        assert (order.message, order.retry_after_s) == ("in work\N{REPLACEMENT CHARACTER}[2J", 5)
        assert order.created == datetime(2026, 11, 23, 10, tzinfo=UTC)
        assert order.responded_at == datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"id": 7}, "'id'"),
            ({"id": "../../admin"}, "the id '../../admin'"),
            ({"id": "o-2"}, "the response is about o-2"),
            ({"status": "done"}, "the status 'done' is not one of"),
            ({"status": None}, "'status'"),
            ({"status_message": ["x"]}, "'status_message'"),
            ({"created": "yesterday"}, "'yesterday' is not an RFC 3339 time"),
            ({"created": "2026-11-23T10:00:00"}, "has no time zone"),
            ({"created": "0001-01-01T00:00:00+23:00"}, "created"),
            ({"retry_after_s": "5"}, "'retry_after_s'"),
            ({"retry_after_s": True}, "'retry_after_s'"),
            ({"retry_after_s": -1}, "retry_after_s is -1"),
            ({"certificate": {"pem": ""}}, "'certificate'"),
            ({"ca_bundle": []}, "'ca_bundle'"),
            ({"lifetime_days": "90"}, "lifetime_days is '90'"),
            ({"lifetime_days": 0}, "lifetime_days is 0"),
            ({"lifetime_days": True}, "lifetime_days is True"),
            ({"status": "issued"}, "issued and has no certificate"),
        ],
    )
    def test_invalid_field_makes_the_response_broken(self, change: dict[str, Any], where: str) -> None:
        answer = fault(collected(answering(json.dumps(ORDER | change))))
        assert (answer.kind, answer.leaves_unknown) == ("broken", True)
        assert where in answer.detail

    @pytest.mark.parametrize("name", sorted(ORDER))
    def test_missing_field_is_named(self, name: str) -> None:
        answer = fault(collected(answering(json.dumps({key: ORDER[key] for key in ORDER if key != name}))))
        assert answer.kind == "broken"
        assert repr(name) in answer.detail

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_body_that_is_not_an_order_is_broken(self, body: bytes | str) -> None:
        assert fault(collected(answering(body))).kind == "broken"

    def test_wait_is_limited_to_a_day(self) -> None:
        order = collected(answering(json.dumps(ORDER | {"retry_after_s": 1e300})))
        assert isinstance(order, Order)
        assert order.retry_after_s == MAX_RETRY_AFTER_S

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            ("401 Unauthorized", "<html>", "authentication"),
            ("429 Too Many Requests", "<html>", "busy"),
            ("503 Service Unavailable", "<html>", "busy"),
            ("404 Not Found", "<html>", "broken"),
            ("404 Not Found", '{"error": {"type": "unknown-order", "message": "no"}}', "unknown"),
            ("400 Bad Request", '{"error": {"type": "malformed"}}', "refused"),
            ("500 Internal Server Error", '{"error": "oops"}', "unreachable"),
            ("504 Gateway Timeout", "", "unreachable"),
            ("204 No Content", "", "broken"),
            ("302 Found", "", "broken"),
            ("418 I'm a teapot", '{"error": {"type": "x", "message": "y"}}', "broken"),
        ],
    )
    def test_http_status_decides_the_kind_of_fault(self, status: str, body: str, kind: str) -> None:
        assert fault(collected(answering(body, status=status))).kind == kind

    def test_response_that_is_not_http_is_unreachable(self) -> None:
        assert fault(collected(saying(b"220 lab ESMTP\r\n"))).kind == "unreachable"

    @pytest.mark.parametrize(
        ("fields", "shown"),
        [({"names[a]": "is\nreserved"}, " (names[a]: is reserved)"), (["names", "csr"], " (names; csr)")],
    )
    def test_refused_fields_are_reported_with_their_reasons(self, fields: object, shown: str) -> None:
        error = {"error": {"type": "names-refused", "message": "no", "fields": fields}}
        answer = fault(collected(answering(json.dumps(error), status="422 Unprocessable Content")))
        assert str(answer) == f"refused: HTTP 422: no{shown}"

    def test_huge_response_is_read_up_to_the_limit(self, strict: StrictStore) -> None:
        strict.misbehave("huge")
        answer = fault(client(strict).find(csr()))
        assert answer.detail == "a response of more than 1048576 bytes (HTTP 200)"
        assert strict.wire.sent_bytes < 20_000_000  # what the kernel's buffers took

    def test_huge_redirect_is_not_read_to_its_end(self) -> None:
        began = time.monotonic()
        say = answering(b"x" * 3_000_000, "Location: https://store.example.com/", status="302 Found")
        assert fault(collected(say)).kind == "broken"
        assert time.monotonic() - began < 20

    def test_most_advanced_of_several_orders_is_found(self) -> None:
        statuses = {"o-1": "canceled", "o-2": "pending-review", "o-3": "rejected"}
        orders = [ORDER | {"id": order_id, "status": status} for order_id, status in statuses.items()]
        with conversing(answering(json.dumps({"orders": orders}))) as listener:
            found = Store(IssuerEndpoint(f"http://127.0.0.1:{listener.port}", lambda: TOKEN)).find(csr())
        assert isinstance(found, Order)
        assert found.id == "o-2"

    def test_invalid_order_id_is_a_programming_error(self) -> None:
        with pytest.raises(ValueError, match="not the id of an order"):
            Store(IssuerEndpoint("https://store.example.com", lambda: TOKEN)).fetch(OrderRef("a/b", request()))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("99999999999", MAX_RETRY_AFTER_S),
        ("Mon, 23 Nov 2026 10:02:00 GMT", 120),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S),
        *((text, None) for text in ("Mon, 23 Nov 2026 10:02:00 -0000", "-5", "1.5", "soon", "", "٣")),
    ],
)
def test_retry_after_is_counted_by_the_clock_of_the_store(text: str, seconds: int | None) -> None:
    answer = JsonResponse(503, {"retry-after": text, "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, b"")
    assert answer.retry_after_s() == seconds


def test_date_in_retry_after_is_ignored_without_a_date_header() -> None:
    assert JsonResponse(503, {"retry-after": "Mon, 23 Nov 2026 10:02:00 GMT"}, b"").retry_after_s() is None


def test_order_for_longer_than_the_product_is_canceled_before_it_is_issued(strict: StrictStore) -> None:
    strict.misbehave("longer-product", times=1)
    wanted = request(product="199-day", lifetime=timedelta(days=199))
    answer = fault(client(strict).place(wanted))
    why = "its certificate would be valid for 299 days (limit 199 days); it was canceled"
    assert str(answer) == f"refused: the order o-0001 of the product '199-day': {why}"
    found = client(strict).find(wanted.csr)
    assert isinstance(found, Order)
    assert found.status == "canceled"


def test_sent_order_has_the_fields_of_the_contract(strict: StrictStore) -> None:
    wanted: OrderRequest = request(replaces="ab" * 32)
    client(strict).place(wanted)
    (line,) = strict.orders()
    assert line["csr_sha256"] == wanted.csr.sha256
    assert line["idempotency_key"] == wanted.idempotency_key
    assert (line["names"], line["product"], line["dcv"]) == (["www.shop.example"], "90-day", "http-csr-hash")
    assert line["replaces"] == "ab" * 32
