"""docs/store-api.json describes what our client sends and the strict Store returns; the suite runs from a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from remediate.issuers import OrderRef
from tests.support.checkout import CHECKOUT
from tests.support.http.scripted_server import conversing
from tests.support.http.websites import files_of
from tests.support.store.clients import TOKEN, client
from tests.support.store.conformance import Conformance, WithCertificate, WithoutCertificate, placed
from tests.support.store.misconduct import Answering
from tests.support.store.order_requests import csr, request
from tests.support.store.schema import DOCUMENT, operation, schema_of, violations
from tests.support.store.server import Store as StrictStore
from tests.support.store.server import serving

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


def examples() -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each example of the document with its schema, and those of the page with the schema that they show."""
    for path in DOCUMENT["paths"].values():
        for described in (value for key, value in path.items() if key != "parameters"):
            contents = (described.get("requestBody", {}), *described["responses"].values())
            for media in (content["content"]["application/json"] for content in contents if "content" in content):
                if "example" in media:
                    yield media["schema"], media["example"]
    blocks = re.findall(r"```json\n(.*?)```", (CHECKOUT / "docs/store-api.md").read_text(encoding="utf-8"), re.DOTALL)
    for name, block in zip(("NewOrder", "Order", "Error"), blocks, strict=True):
        yield DOCUMENT["components"]["schemas"][name], json.loads(block)


def test_every_example_is_as_its_schema_says() -> None:
    found = list(examples())
    assert len(found) == 9
    assert [violation for schema, example in found for violation in violations(example, schema)] == []


def test_page_names_each_test_that_does_not_run_against_a_url() -> None:
    page = (CHECKOUT / "docs/store-api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(test_\w+)`", page, re.MULTILINE))
    inherited = vars(WithoutCertificate).keys() | vars(WithCertificate).keys()
    assert named == {name for name in vars(Conformance) if name.startswith("test_")} - inherited


def run_suite(store: StrictStore, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the suite against a Store as its implementer does."""
    command = [sys.executable, "-m", "tests.support.store", "--base-url", store.base_url]
    common = ["--name", "www.shop.example", "--ca-file", str(store.ca_file)]
    return subprocess.run(
        [*command, *common, *options], cwd=CHECKOUT, env={**os.environ, "STORE_TOKEN": store.token},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_conformance_suite_runs_against_a_url_from_the_command_line(strict: StrictStore) -> None:
    result = run_suite(strict)
    assert (result.returncode, " passed" in result.stdout) == (0, True), result.stdout + result.stderr
    assert "needs --valid-name and --docroot" in result.stdout
    assert {order["names"][0] for order in strict.orders()} == {"www.shop.example"}
    found = [placed(client(strict).fetch(OrderRef(order["id"], request()))).status for order in strict.orders()]
    assert set(found) == {"canceled"}


def test_conformance_suite_has_one_certificate_issued_for_a_docroot(tmp_path: Path) -> None:
    (tmp_path / "docroot").mkdir()
    with conversing(respond=files_of(tmp_path / "docroot", lambda *_: None)) as website:

        def resolve(name: str) -> list[tuple[str, int]]:
            return [("127.0.0.1", website.port)] if name == "valid.shop.example" else []

        with serving(tmp_path, resolve, token=TOKEN, is_https=True) as store:
            options = ("--valid-name=valid.shop.example", f"--docroot={tmp_path}/docroot", f"--trust={store.ca_file}")
            result = run_suite(store, *options, "--wait=60")
            assert (result.returncode, "skipped" in result.stdout) == (0, False), result.stdout + result.stderr
            assert [order["names"] for order in store.orders()].count(["valid.shop.example"]) == 1
    assert [file for file in (tmp_path / "docroot").rglob("*") if file.is_file()] == []


def test_conformance_suite_fails_for_a_store_that_breaks_a_rule(
    strict: StrictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    strict.misbehave("forbidden")
    result = run_suite(strict)
    assert result.returncode == 1, result.stdout + result.stderr
