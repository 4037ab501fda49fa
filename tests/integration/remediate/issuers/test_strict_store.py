"""The Store of the lab validates before it signs, refuses invalid orders, and records every order."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder
from cryptography.x509.verification import Store as TrustAnchors

from remediate.issuers import OrderRequest
from tests.support.http.websites import Website, challenge_of, serving_website
from tests.support.store.order_requests import NAME, csr_pem, request
from tests.support.store.server import Store, serving
from tests.support.store.validator import SOURCES, Validator
from tests.support.x509.ca import new_rsa_key

Answer = tuple[int, dict[str, Any]]
Body = Callable[[str], str]


@dataclass(slots=True)
class Clock:
    """A clock that the test sets."""

    now: datetime

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@dataclass(frozen=True, slots=True)
class Bench:
    """A Store, the website it validates at these addresses, and the clock it goes by."""

    store: Store
    website: Website
    addresses: list[tuple[str, int]]
    clock: Clock

    def ask(self, method: str, path: str, body: object = None, **fields: str | None) -> Answer:
        """Send a request to the Store; a header of None is left out."""
        connection = http.client.HTTPConnection(self.store.base_url.split("/")[2], timeout=5)
        headers = {"Authorization": f"Bearer {self.store.token}", **fields}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        connection.request(method, f"/api{path}", content, sent)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    def place(self, order: OrderRequest, **changes: object) -> Answer:
        """Place an order; `changes` replace members of its content."""
        return self.ask("POST", "/v1/orders", {**content(order), **changes}, Idempotency_Key=order.idempotency_key)

    def validate(self, order: OrderRequest, body: Body = "{}\n".format) -> dict[str, Any]:
        """Publish what `body` makes of the required text, place the order, and return it as it stands after a poll."""
        self.website.files[challenge_of(order).path] = body(challenge_of(order).body).encode()
        assert self.place(order)[0] == 201
        return self.poll()

    def poll(self, order_id: str = "o-0001") -> dict[str, Any]:
        """Return an order as it stands after a poll."""
        return self.ask("GET", f"/v1/orders/{order_id}")[1]


def content(order: OrderRequest) -> dict[str, Any]:
    """Return the JSON of an order."""
    challenge = {"dcv": "http-csr-hash", "unique_value": order.csr.sha256[:20]}
    texts = {"csr": order.csr.pem, "product": order.product, **challenge}
    return {**texts, "names": list(order.names), "replaces": order.replaces}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Serve a Store and the website it validates."""
    clock = Clock(datetime.now(UTC))
    with serving_website() as website:
        addresses = [("127.0.0.1", website.port)]
        with serving(tmp_path, lambda _: addresses, clock=clock) as store:
            yield Bench(store, website, addresses, clock)


def test_store_validates_from_every_address_before_it_signs(bench: Bench) -> None:
    assert bench.validate(request())["status"] == "issued"
    assert bench.website.requests == [(source, NAME, "SECTIGO DCV") for source in SOURCES]


def test_issued_certificate_is_valid_for_clients(bench: Bench) -> None:
    answer = bench.validate(request())
    leaf = x509.load_pem_x509_certificate(answer["certificate"].encode())
    bundle = x509.load_pem_x509_certificates(answer["ca_bundle"].encode())
    verifier = PolicyBuilder().store(TrustAnchors([bench.store.authority.root.certificate]))
    assert verifier.build_server_verifier(x509.DNSName(NAME)).verify(leaf, bundle)


@pytest.mark.parametrize(
    "body",
    [
        lambda right: right.replace("sectigo.com", "comodoca.com"),
        lambda right: right + "\n\n",
        lambda right: " " + right,
        lambda right: right.replace("\n", "\r\n"),
        lambda right: right.rsplit("\n", 1)[0],
        lambda right: f"<html>{right}</html>",
        lambda _: "",
    ],
    ids=["domain", "blank line", "space", "crlf", "no unique value", "page", "empty"],
)
def test_inexact_body_is_not_accepted(bench: Bench, body: Body) -> None:
    answer = bench.validate(request(), body)
    assert answer["status"] == "pending-validation"
    assert "the body is not the one required" in answer["status_message"]


def test_last_line_may_lack_its_line_feed(bench: Bench) -> None:
    assert bench.validate(request(), str)["status"] == "issued"


def test_redirect_is_not_followed_by_the_validation(bench: Bench) -> None:
    order = request()
    bench.website.redirects[challenge_of(order).path] = f"http://127.0.0.1:{bench.website.port}/elsewhere"
    assert "HTTP 302" in bench.validate(order)["status_message"]
    assert len(bench.website.requests) == len(SOURCES)


def test_file_must_be_served_at_every_address_of_a_name(bench: Bench) -> None:
    order = request()
    bench.website.publish(order)
    bench.place(order)
    with serving_website() as other:
        bench.addresses.append(("127.0.0.1", other.port))
        assert "HTTP 404" in bench.poll()["status_message"]
        bench.addresses.pop()
        assert bench.poll()["status"] == "issued"


def test_name_without_an_address_is_not_validated(bench: Bench) -> None:
    bench.addresses.clear()
    bench.place(request())
    assert f"{NAME}: no address" in bench.poll()["status_message"]


def test_cname_record_validates_a_name() -> None:
    order = request()
    right = challenge_of(order)
    zone = {f"{right.label}.{NAME}": f"{right.target.upper()}."}
    validator = Validator(lambda _: [], cname=zone.get)
    assert list(validator.cname_faults(right, [NAME, f"*.{NAME}"])) == []
    (fault,) = validator.cname_faults(right, ["shop.example"])
    assert f"required is {order.csr.sha256[:32]}.{order.csr.sha256[32:]}.{order.csr.sha256[:20]}.sectigo.com" in fault


def test_order_is_one_line_on_disk_and_the_same_key_adds_none(bench: Bench) -> None:
    first, second = request(), request()
    statuses = [bench.place(order)[0] for order in (first, first, second)]
    assert statuses == [201, 200, 201]
    assert [line["csr_sha256"] for line in bench.store.orders()] == [first.csr.sha256, second.csr.sha256]


def test_csr_of_an_expired_certificate_is_refused(bench: Bench) -> None:
    order = request()
    assert bench.validate(order)["status"] == "issued"
    assert bench.place(replace(order, idempotency_key="another-attempt"))[0] == 200
    bench.clock.now += timedelta(days=91)
    status, answer = bench.place(replace(order, idempotency_key="a-third-attempt"))
    assert (status, answer["error"]["fields"]) == (422, {"csr": "used before"})


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"product": "10-year"}, 400),
        ({"dcv": "e-mail"}, 400),
        ({"unique_value": "x" * 21}, 400),
        ({"unique_value": "with space"}, 400),
        ({"replaces": "AB" * 32}, 400),
        ({"names": NAME}, 400),
        ({"more": 1}, 400),
        ({"csr": "hello"}, 422),
        ({"csr": csr_pem(NAME, key=new_rsa_key(1024))}, 422),
        ({"csr": csr_pem(NAME, key=ec.generate_private_key(ec.SECP521R1()))}, 422),
        ({"names": ["other.example"]}, 422),
        ({"names": [NAME, "other.example"]}, 422),
        ({"names": []}, 422),
        ({"csr": csr_pem("*.shop.example"), "names": ["*.shop.example"]}, 422),
        ({"csr": csr_pem("localhost"), "names": ["localhost"]}, 422),
    ],
)  # fmt: skip
def test_invalid_order_is_refused_and_not_recorded(bench: Bench, change: dict[str, Any], status: int) -> None:
    assert bench.place(request(), **change)[0] == status
    assert bench.store.orders() == []


@pytest.mark.parametrize(
    ("body", "key"), [(content(request()), None), (b"{", "k"), (b" " * 70_000, "k")], ids=["no key", "cut", "long"]
)
def test_malformed_order_is_refused(bench: Bench, body: object, key: str | None) -> None:
    assert bench.ask("POST", "/v1/orders", body, Idempotency_Key=key)[0] == 400


@pytest.mark.parametrize("token", [None, "Bearer wrong", "Basic bWU6aHVzaA=="])
def test_request_without_the_token_is_refused(bench: Bench, token: str | None) -> None:
    answer = bench.ask("POST", "/v1/orders", content(request()), Idempotency_Key="k", Authorization=token)
    assert answer[0] == 401
    assert bench.store.orders() == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((f"/v1/orders{query}", 400) for query in ("", "?csr_sha256=abc", f"?csr_sha256={'A' * 64}", "?name=x")),
        *(("/v1/certificates", 404), ("/v1/orders/o-0009", 404)),
    ],
)
def test_query_without_a_digest_is_malformed_and_other_paths_not_found(bench: Bench, path: str, status: int) -> None:
    assert bench.ask("GET", path)[0] == status


def test_misbehavior_can_be_limited_to_one_order(bench: Bench) -> None:
    first, second = request(), request()
    for order in (first, second):
        bench.website.publish(order)
        bench.place(order)
    bench.store.misbehave("rejected", order="o-0001")
    bench.store.misbehave("503", order="o-0002", method="DELETE")
    assert [bench.poll(order_id)["status"] for order_id in ("o-0001", "o-0002")] == ["rejected", "issued"]


def test_recorded_orders_have_no_private_key(bench: Bench, tmp_path: Path) -> None:
    bench.place(request())
    assert "PRIVATE KEY" not in (tmp_path / "orders.jsonl").read_text()


def test_ca_file_of_the_store_is_its_root(bench: Bench) -> None:
    root = bench.store.authority.root.certificate.public_bytes(Encoding.PEM)
    assert bench.store.ca_file.read_bytes() == root
