"""Names are resolved, and the failures of the resolver are reported."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from audit.endpoint import parse_endpoint
from audit.probe import Limits, Target
from tests.support.probe.name_server import name_server
from tests.support.probe.observations import HASTY, PATIENT, look, look_at
from tests.support.probe.tls_servers import context, serving, tls


@pytest.fixture
def limits() -> Iterator[Limits]:
    with name_server() as resolver:
        yield replace(PATIENT, resolver=(resolver,))


def test_every_address_of_a_name_is_observed(limits: Limits) -> None:
    with serving(tls(context())) as server:
        observation = look_at(f"tls://both.example.test:{server.port}", limits)
    assert observation.dns is not None
    assert observation.dns.status == "ok"
    assert observation.addresses == observation.dns.addresses == ("127.0.0.1", "127.0.0.2", "::1")
    assert [handshake.address for handshake in observation.handshakes] == ["127.0.0.1"]
    assert [(failure.address, failure.kind) for failure in observation.failures] == [
        ("127.0.0.2", "refused"),
        ("::1", "refused"),
    ]


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("missing", "nxdomain", "unresolvable"),
        ("empty", "no-address", "unresolvable"),
        ("broken", "servfail", "unresolvable"),
        ("silent", "timeout", "timeout"),
    ],
)
def test_name_without_an_address_has_a_failure_with_its_reason(
    limits: Limits, name: str, status: str, kind: str
) -> None:
    observation = look_at(
        f"https://{name}.example.test", replace(limits, timeout_s=0.5) if name == "silent" else limits
    )
    assert observation.dns is not None
    assert observation.dns.status == status
    assert observation.failure is not None
    assert (observation.failure.stage, observation.failure.kind) == ("resolve", kind)
    assert f"{name}.example.test" in observation.failure.detail
    assert observation.connections == 0


@pytest.mark.parametrize("name", ["half", "mute"])
def test_failed_record_type_does_not_hide_the_other(limits: Limits, name: str) -> None:
    with serving(tls(context())) as server:
        observation = look_at(f"tls://{name}.example.test:{server.port}", replace(limits, timeout_s=4))
    assert observation.dns is not None
    assert (observation.dns.status, observation.dns.addresses) == ("ok", ("127.0.0.1",))
    assert "AAAA" in observation.dns.detail
    assert len(observation.handshakes) == 1


def test_addresses_of_a_host_are_probed_beside_those_of_the_name(limits: Limits) -> None:
    with serving(tls(context()), address="127.0.0.9") as server:
        endpoint = parse_endpoint(f"tls://four.example.test:{server.port}")
        (observation,) = look([Target(endpoint, addresses=("127.0.0.9", "127.0.0.1"))], limits)
    assert observation.addresses == ("127.0.0.1", "127.0.0.9")
    assert [handshake.address for handshake in observation.handshakes] == ["127.0.0.9"]


@pytest.mark.parametrize(
    ("name", "option", "status"), [("missing.example.test", "?address=127.0.0.1", "not-asked"), ("localhost", "", "ok")]
)
def test_pinned_address_is_not_resolved_and_localhost_is(name: str, option: str, status: str) -> None:
    with serving(tls(context())) as server:
        observation = look_at(f"tls://{name}:{server.port}{option}")
    assert observation.dns is not None
    assert (observation.dns.status, "127.0.0.1" in observation.addresses) == (status, True)
    assert observation.handshakes[0].address == "127.0.0.1"
    assert option == "" or observation.addresses == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (UnicodeEncodeError("idna", "www.example.test", 0, 1, "label too long"), "nxdomain", "cannot be looked up"),
        (socket.gaierror(socket.EAI_NONAME, "as it says"), "nxdomain", ""),
        (socket.gaierror(socket.EAI_NODATA, "as it says"), "no-address", ""),
        (socket.gaierror(socket.EAI_AGAIN, "as it says"), "servfail", ""),
        (socket.gaierror(socket.EAI_FAIL, "as it says"), "servfail", ""),
    ],
)
def test_faults_of_the_system_resolver_are_distinguished(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: str, detail: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    observation = look_at("https://www.example.test")
    assert observation.dns is not None
    assert (observation.dns.status, detail in observation.dns.detail) == (status, True)


def test_hanging_system_resolver_costs_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()

    def hang(*_: object, **__: object) -> None:
        hanging.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    observation = look_at("https://www.example.test", HASTY)
    hanging.set()
    assert observation.dns is not None
    assert observation.dns.status == "timeout"
