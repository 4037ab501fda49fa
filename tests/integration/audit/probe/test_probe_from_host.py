"""What is asked of a host about itself, because it cannot be seen from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.endpoint import Endpoint
from audit.observation import Handshake, HostView, ProbeFailure
from audit.probe import Target
from tests.support.probe.observations import PATIENT, look
from tests.support.probe.tls_servers import context, serving, tls

CLOSED = "127.0.0.77"  # nothing listens at any port we name there
SHOWN = Handshake("", "TLSv1.3", "TLS_AES_256_GCM_SHA384", None, None, (b"der",), None, 0.1)


class Host:
    """A host that answers at some addresses, and keeps what it was asked."""

    def __init__(self, answers: Mapping[str, Handshake | ProbeFailure]) -> None:
        """Take what it answers at each address."""
        self.answers = answers
        self.asked: list[tuple[tuple[Endpoint, str], ...]] = []

    def observe_handshakes(
        self, wanted: Sequence[tuple[Endpoint, str]]
    ) -> Mapping[tuple[Endpoint, str], tuple[Handshake | ProbeFailure, ...]]:
        """Answer, where it has an answer."""
        self.asked.append(tuple(wanted))
        return {one: (self.answers[one[1]],) for one in wanted if one[1] in self.answers}


def endpoint(port: int = 1, name: str = "127.0.0.77") -> Endpoint:
    """Return an endpoint found on a host."""
    return Endpoint("tls", name, port, host="web1", hostspec="ssh://root@web1")


def test_what_is_closed_from_here_is_asked_for_on_the_host_in_one_go() -> None:
    host = Host({CLOSED: SHOWN, "127.0.0.1": SHOWN})
    targets = [Target(endpoint(port), addresses=(CLOSED,), inside=host) for port in (1, 2, 3)]
    targets.append(Target(endpoint(4), inside_addresses=("127.0.0.1",), inside=host))
    seen = look(targets)
    assert len(host.asked) == 1
    assert len(host.asked[0]) == 4
    assert all(one.failures == () and one.handshakes[0].from_host for one in seen)
    assert {one.handshakes[0].address for one in seen} == {CLOSED, "127.0.0.1"}


def test_what_answers_from_here_is_not_asked_for_again() -> None:
    host = Host({})
    with serving(tls(context())) as server:
        (observation,) = look([Target(endpoint(server.port, "127.0.0.1"), addresses=("127.0.0.1",), inside=host)])
    assert host.asked == []
    assert not observation.handshakes[0].from_host


def test_an_address_on_the_host_only_is_not_connected_to_from_here() -> None:
    host = Host({"127.0.0.1": SHOWN})
    with serving(tls(context())) as server:
        (observation,) = look([Target(endpoint(server.port), inside_addresses=("127.0.0.1",), inside=host)])
        assert server.connections == 0
    assert observation.handshakes[0].from_host
    assert observation.connections == 0


def test_a_closer_look_that_fails_too_is_the_failure() -> None:
    host = Host({CLOSED: ProbeFailure("handshake", "plaintext", "no TLS")})
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), inside=host)])
    assert [(one.kind, one.address) for one in observation.failures] == [("plaintext", CLOSED)]


def test_without_an_answer_from_the_host_what_was_seen_from_here_stands() -> None:
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), inside=Host({}))])
    assert [(one.stage, one.kind) for one in observation.failures] == [("connect", "refused")]


def test_an_address_on_a_host_that_cannot_be_asked_is_a_failure() -> None:
    (observation,) = look([Target(endpoint(), inside_addresses=("127.0.0.1",))])
    assert [(one.stage, one.kind) for one in observation.failures] == [("host", "unreachable")]


def test_a_refusal_is_asked_once_more_before_the_host_is() -> None:
    host = Host({CLOSED: SHOWN})
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), inside=host)], PATIENT)
    assert observation.connections == 2
    assert len(host.asked) == 1


def test_the_view_from_inside_is_passed_on() -> None:
    view = HostView("web1", "ssh://root@web1")
    (observation,) = look([Target(endpoint(), addresses=(CLOSED,), server=view)])
    assert observation.server is view
