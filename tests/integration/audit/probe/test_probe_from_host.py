"""Endpoints that cannot be reached from here are probed on their host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.endpoint import Endpoint
from audit.observation import Handshake, HostView, ProbeFailure
from audit.probe import Target
from audit.probe.target import InsidePlace
from tests.support.probe.observations import PATIENT, look
from tests.support.probe.tls_servers import context, serving, tls

CLOSED = "127.0.0.77"  # no process listens there
SHOWN = Handshake("", "TLSv1.3", "TLS_AES_256_GCM_SHA384", None, None, (b"der",), None, 0.1)


class Host:
    """A host that has handshakes for some addresses, and records the requests."""

    def __init__(self, results: Mapping[str, Handshake | ProbeFailure]) -> None:
        """Take the result for each address."""
        self.results = results
        self.with_header: Handshake | None = None
        self.requests: list[tuple[InsidePlace, ...]] = []

    def observe_handshakes(
        self, wanted: Sequence[InsidePlace]
    ) -> Mapping[InsidePlace, tuple[Handshake | ProbeFailure, ...]]:
        """Return the results for the addresses that it has."""
        self.requests.append(tuple(wanted))
        known = [place for place in wanted if place.address in self.results]
        return {
            place: (self.with_header if place.sends_header and self.with_header else self.results[place.address],)
            for place in known
        }


def endpoint(port: int = 1, name: str = "127.0.0.77") -> Endpoint:
    """Return an endpoint found on a host."""
    return Endpoint("tls", name, port, host="web1", hostspec="ssh://root@web1")


def test_closed_endpoints_are_probed_on_the_host_in_one_command() -> None:
    host = Host({CLOSED: SHOWN, "127.0.0.1": SHOWN})
    targets = [Target(endpoint(port), addresses=(CLOSED,), inside=host) for port in (1, 2, 3)]
    targets.append(Target(endpoint(4), inside_addresses=("127.0.0.1",), inside=host))
    seen = look(targets)
    assert len(host.requests) == 1
    assert len(host.requests[0]) == 4
    assert all(view.failures == () and view.handshakes[0].from_host for view in seen)
    assert {view.handshakes[0].address for view in seen} == {CLOSED, "127.0.0.1"}


def test_reachable_endpoint_is_not_probed_on_the_host() -> None:
    host = Host({})
    with serving(tls(context())) as server:
        (observation,) = look([Target(endpoint(server.port, "127.0.0.1"), addresses=("127.0.0.1",), inside=host)])
    assert host.requests == []
    assert not observation.handshakes[0].from_host


def test_address_of_the_host_only_is_not_connected_to_from_here() -> None:
    host = Host({"127.0.0.1": SHOWN})
    with serving(tls(context())) as server:
        (observation,) = look([Target(endpoint(server.port), inside_addresses=("127.0.0.1",), inside=host)])
        assert server.connections == 0
    assert observation.handshakes[0].from_host
    assert observation.connections == 0


def test_failed_probe_on_the_host_is_the_failure() -> None:
    host = Host({CLOSED: ProbeFailure("handshake", "plaintext", "no TLS")})
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), inside=host)])
    assert [(failure.kind, failure.address) for failure in observation.failures] == [("plaintext", CLOSED)]


def test_missing_result_of_the_host_keeps_our_own_failure() -> None:
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), inside=Host({}))])
    assert [(failure.stage, failure.kind) for failure in observation.failures] == [("connect", "refused")]


def test_address_of_a_host_without_login_is_a_failure() -> None:
    (observation,) = look([Target(endpoint(), inside_addresses=("127.0.0.1",))])
    assert [(failure.stage, failure.kind) for failure in observation.failures] == [("host", "unreachable")]


def test_refused_connection_is_retried_before_the_host_probes() -> None:
    host = Host({CLOSED: SHOWN})
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), inside=host)], PATIENT)
    assert observation.connections == 2
    assert len(host.requests) == 1


def test_host_view_is_kept_in_the_observation() -> None:
    view = HostView("web1", "ssh://root@web1")
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), server=view)])
    assert observation.server is view


def test_sample_name_of_a_wildcard_is_requested_and_not_resolved() -> None:
    with serving(tls(context())) as server:
        target = Target(endpoint(server.port, "any-label.example.test"), addresses=("127.0.0.1",))
        (observation,) = look([target])
    assert [handshake.address for handshake in observation.handshakes] == ["127.0.0.1"]
    assert observation.dns is not None
    assert observation.dns.status == "not-asked"
