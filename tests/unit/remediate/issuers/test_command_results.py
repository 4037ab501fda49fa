"""Tests of the exit status and the output of an issuer's program: each result and each violation of the contract."""

from __future__ import annotations

import json

import pytest

from remediate.hosts.command import CommandResult
from remediate.hosts.local_command import LocalCommand
from remediate.issuers import IssuerFault, Order
from remediate.issuers.command import read_result
from remediate.model.authorization import Authorization, Challenge
from remediate.pki.issued_chain import IssuedPem
from tests.support.store.order_requests import request

WANTED = request("www.shop.example", "*.shop.example")
CHALLENGE = {"type": "dns-01", "identifier": "www.shop.example", "token": "_acme-challenge", "content": "x\ny"}


def read(value: object, status: int | None = 0, error: str = "") -> Order | IssuerFault:
    """Return what a program means that prints this, JSON if it is not text."""
    return read_result(CommandResult(status, value if isinstance(value, str) else json.dumps(value), error), WANTED)


def test_output_with_status_0_is_the_issued_chain() -> None:
    order = read("-----BEGIN CERTIFICATE-----\n")
    assert isinstance(order, Order)
    assert (order.status, order.issued) == ("valid", (IssuedPem("-----BEGIN CERTIFICATE-----\n"),))
    assert order.id == WANTED.csr.sha256[:16]


@pytest.mark.parametrize(
    ("status", "error", "kind", "detail"),
    [
        (None, "it was killed", "unreachable", "the outcome is unknown: it was killed"),
        (75, "queue is full", "busy", "queue is full"),
        (75, "", "busy", "the program requests a later retry (exit status 75)"),
        (1, "no such profile", "refused", "exit status 1: no such profile"),
        (126, "", "refused", "exit status 126: no reason on standard error"),
    ],
)
def test_other_status_is_a_fault_with_its_reason(status: int | None, error: str, kind: str, detail: str) -> None:
    fault = read("-----BEGIN CERTIFICATE-----\n", status, error)
    assert isinstance(fault, IssuerFault)
    assert (fault.kind, fault.detail, fault.retry_after_s) == (kind, detail, None)


def test_json_object_is_a_pending_order_with_all_of_its_challenges() -> None:
    base = CHALLENGE | {"identifier": "shop.example"}  # of *.shop.example
    written = {"status": "pending", "retry_after_s": 30, "message": "ticket\n4711", "challenges": [CHALLENGE, base]}
    order = read(written)
    assert isinstance(order, Order)
    assert (order.status, order.message, order.retry_after_s, order.issued) == ("pending", "ticket 4711", 30, ())
    assert order.authorizations == tuple(
        Authorization(name, (Challenge("dns-01", name, "_acme-challenge", "x\ny"),))
        for name in ("www.shop.example", "shop.example")
    )


@pytest.mark.parametrize(
    ("written", "seconds"), [(None, None), (0, 0), (86_400, 86_400), (86_401, 86_400), (10**30, 86_400)]
)
def test_program_is_called_again_within_a_day(written: int | None, seconds: int | None) -> None:
    order = read({"status": "pending", "retry_after_s": written})
    assert isinstance(order, Order)
    assert order.retry_after_s == seconds


KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{", "the JSON that the program printed"),
        ("{" * 100_000, "the JSON that the program printed"),
        ({}, "'status' is missing"),
        ({"status": "valid"}, "status is 'valid'; write 'pending'"),
        ({"status": "pending", "retry_after": 3}, "unknown key 'retry_after'; did you mean 'retry_after_s'?"),
        ({"status": "pending", "retry_after_s": -1}, "retry_after_s is -1"),
        ({"status": "pending", "retry_after_s": 1.5}, "retry_after_s"),
        ({"status": "pending", "challenges": {}}, "challenges"),
        ({"status": "pending", "challenges": [CHALLENGE] * 201}, "201 challenges (limit 200)"),
        ({"status": "pending", "challenges": [CHALLENGE | {"token": 1}]}, "token"),
        ({"status": "pending", "challenges": [CHALLENGE | {"identifier": "evil.example"}]}, "not one of the names"),
        ({"status": "pending", "challenges": [CHALLENGE | {"identifier": "example"}]}, "not one of the names"),
        ({"status": "pending", "challenges": [CHALLENGE | {"content": "a\0b"}]}, "not printable"),
        ({"status": "pending", "challenges": [CHALLENGE | {"token": "\x1b[2J"}]}, "not printable"),
        ({"status": "pending", "challenges": [CHALLENGE | {"content": "a" * 4097}]}, "too long"),
        ({"status": "pending", "challenges": [CHALLENGE | {"content": KEY}]}, "holds a private key in PEM"),
    ],
)
def test_json_that_breaks_the_contract_is_reported_with_the_place(written: object, why: str) -> None:
    fault = read(written)
    assert isinstance(fault, IssuerFault)
    assert (fault.kind, why in fault.detail, len(fault.detail) < 600) == ("broken", True, True), fault


def test_local_command_is_printed_as_a_person_would_type_it() -> None:
    command = LocalCommand("why", ("/bin/issue", "a b"), (("SSLAUDIT_NAMES", "*.example.com"), ("X", "1")))
    assert str(command) == "SSLAUDIT_NAMES='*.example.com' X=1 /bin/issue 'a b'"
