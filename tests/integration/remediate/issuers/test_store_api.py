"""docs/store-api.json describes what our client sends and the strict Store returns; the suite runs from a shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from remediate.issuers import OrderRef
from tests.support.checkout import CHECKOUT
from tests.support.store.clients import client
from tests.support.store.conformance import placed
from tests.support.store.misconduct import Answering
from tests.support.store.order_requests import csr, request
from tests.support.store.schema import operation, schema_of, violations
from tests.support.store.server import Store as StrictStore

GOOD = {"csr": "-----BEGIN CERTIFICATE REQUEST-----", "names": ["a.example"], "product": "90-day",
        "dcv": "http-csr-hash", "unique_value": "a", "replaces": None}  # fmt: skip


@pytest.fixture
def exchanges(strict: StrictStore, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int, Any]]:
    """Return what every request of our client gets: method, path below the base URL, status and JSON."""
    sent: list[tuple[str, str, int, Any]] = []
    send_json = Answering.send_json

    def record(self: Answering, status: int, value: Any, headers: Any = None) -> None:  # noqa: ANN401 - as it is
        sent.append((self.command, self.path.removeprefix("/api"), status, value))
        send_json(self, status, value, headers)

    monkeypatch.setattr(Answering, "send_json", record)
    store, wanted = client(strict), request(replaces="ab" * 32)
    order = OrderRef(placed(store.place(wanted)).id, wanted)
    store.find(wanted.csr)
    store.find(csr())
    store.fetch(order)
    store.place(wanted)
    store.place(request(idempotency_key=wanted.idempotency_key))
    store.place(request("mail.localdomain"))
    store.cancel(order)
    store.cancel(OrderRef("never-placed", wanted))
    for what in ("429", "503", "forbidden"):
        strict.misbehave(what, times=1)
        store.place(request())
    return sent


def test_every_request_of_the_client_is_as_the_document_says(
    strict: StrictStore, exchanges: list[tuple[str, str, int, Any]]
) -> None:
    assert len(strict.requests) == len(exchanges)
    for sent in strict.requests:
        described = operation(sent.method, sent.path.removeprefix("/api"))
        if sent.method == "POST":
            assert list(violations(json.loads(sent.body), schema_of(described["requestBody"]))) == []
        fields = {
            "header": sent.idempotency_key,
            "query": parse_qs(urlsplit(sent.path).query).get("csr_sha256", [""])[0],
        }
        for parameter in described.get("parameters", ()):
            assert list(violations(fields[parameter["in"]], parameter["schema"])) == []


def test_every_response_of_the_strict_store_is_as_the_document_says(
    exchanges: list[tuple[str, str, int, Any]],
) -> None:
    assert {status for _, _, status, _ in exchanges} == {200, 201, 403, 404, 409, 422, 429, 503}
    for method, path, status, value in exchanges:
        described = operation(method, path)["responses"][str(status)]
        assert list(violations(value, schema_of(described))) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"more": 1}, ": additionalProperties"),
        ({"names": []}, "/names: minItems"),
        ({"names": ["a", "a"]}, "/names: uniqueItems"),
        ({"dcv": "e-mail"}, "/dcv: enum"),
        ({"replaces": "AB"}, "/replaces: pattern"),
        ({"unique_value": 7}, "/unique_value: type"),
    ],
)
def test_order_that_the_document_does_not_allow_is_found(change: dict[str, Any], place: str) -> None:
    schema = schema_of(operation("POST", "/v1/orders")["requestBody"])
    assert list(violations(GOOD, schema)) == []
    (violation,) = violations(GOOD | change, schema)
    assert violation.startswith(place)


def test_conformance_suite_runs_against_a_url_from_the_command_line(strict: StrictStore) -> None:
    command = [sys.executable, "-m", "tests.support.store", "--base-url", strict.base_url]
    options = ["--name", "www.shop.example", "--ca-file", str(strict.ca_file)]
    variables = {**os.environ, "STORE_TOKEN": strict.token}
    result = subprocess.run(
        [*command, *options], cwd=CHECKOUT, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert (result.returncode, " passed" in result.stdout) == (0, True), result.stdout + result.stderr
    assert {order["names"][0] for order in strict.orders()} == {"www.shop.example"}
    found = [placed(client(strict).fetch(OrderRef(order["id"], request()))).status for order in strict.orders()]
    assert set(found) == {"canceled"}
