"""Name servers that send forged, endless or broken responses do not change or delay a trace."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest

from audit.probe.dns.root_servers import RootServer
from audit.probe.dns.trace import Trace, TraceLimits, trace
from tests.support.dns.servers import authoritative, changed, records, running, truncating
from tests.support.dns.tree import MAIN, TLD, TLD_ZONE, failed, servers_of_tree, traced

FORGED = "198.18.66.6"
Change = Callable[[dns.message.Message], None]
HASTY = TraceLimits(query_s=0.5, timeout_s=10)


def trace_changed(address: str, change: Change, name: str = "host.glueless.test") -> Trace:
    """Trace a name through the tree with the responses of one server changed."""
    servers = servers_of_tree()
    servers[address] = changed(servers[address], change)
    with running(servers) as tree:
        return traced(tree, name, HASTY)


def test_glue_outside_the_zone_is_ignored() -> None:
    def forge(response: dns.message.Message) -> None:
        response.authority = [records("example.test.", "NS", "ns.elsewhere.", "ns1.example.test.")]
        response.additional = [records("ns.elsewhere.", "A", FORGED), records("ns1.example.test.", "A", MAIN)]

    found = trace_changed(TLD, forge, "four.example.test")
    assert found.addresses == ("198.18.0.7",)
    assert FORGED not in {step.address for step in found.steps}


@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.0.1"])
def test_name_server_with_a_link_local_address_is_not_queried(address: str) -> None:
    def forge(response: dns.message.Message) -> None:
        response.authority = [records("example.test.", "NS", "ns1.example.test.")]
        response.additional = [records("ns1.example.test.", "A", address)]

    found = trace_changed(TLD, forge, "four.example.test")
    assert address not in {step.address for step in found.steps}
    assert failed(found, "lame", "a link-local address is not queried"), found.failure


def test_records_of_unrelated_names_in_a_response_are_ignored() -> None:
    def forge(response: dns.message.Message) -> None:
        response.answer.append(records("host.other.test.", "A", FORGED))
        response.additional.append(records("ns.other.test.", "A", FORGED))

    assert trace_changed(MAIN, forge, "cross.example.test").addresses == ("198.18.0.8",)


@pytest.mark.parametrize("zone", [".", "test.", "example.test.", "other.test.", "host.example.test.deeper."])
def test_referral_to_no_zone_further_down_is_lame(zone: str) -> None:
    def forge(response: dns.message.Message) -> None:
        response.flags &= ~dns.flags.AA
        response.answer = []
        response.authority = [records(zone, "NS", "ns.other.test.")]

    found = trace_changed(MAIN, forge, "host.example.test")
    assert failed(found, "lame", "refers to no zone below"), found.failure


@pytest.mark.parametrize(("name", "kind"), [("text.example.test", "no-address"), ("missing.example.test", "nxdomain")])
def test_negative_response_with_ns_records_is_not_a_referral(name: str, kind: str) -> None:
    found = trace_changed(
        MAIN, lambda response: response.authority.append(records(f"{name}.", "NS", "ns.other.test.")), name
    )
    assert failed(found, kind), found.failure


def test_resolver_instead_of_an_authoritative_server_is_lame() -> None:
    def forge(response: dns.message.Message) -> None:
        response.flags = (response.flags & ~dns.flags.AA) | dns.flags.RA

    found = trace_changed(MAIN, forge, "host.example.test")
    assert failed(found, "lame", "it is a resolver"), found.failure


def rename(response: dns.message.Message) -> None:
    (question,) = response.question
    question.name = dns.name.from_text("other.question.test.")


def renumber(response: dns.message.Message) -> None:
    response.id ^= 1


def turn_into_query(response: dns.message.Message) -> None:
    response.flags &= ~dns.flags.QR


@pytest.mark.parametrize("change", [rename, renumber, turn_into_query])
def test_response_to_another_query_is_ignored(change: Change) -> None:
    found = trace_changed(MAIN, change, "host.example.test")
    assert failed(found, "servfail", "is for another query"), found.failure


def test_zone_with_many_unresolvable_servers_costs_at_most_the_query_limit() -> None:
    names = "".join(f"bomb NS ns{number}.victim\n" for number in range(300))
    servers = servers_of_tree() | {TLD: authoritative(f"{TLD_ZONE}{names}victim NS ns.other\n")}
    with running(servers) as tree:
        found = traced(tree, "host.bomb.test", TraceLimits(max_queries=40))
        assert len(tree.queries) <= 2 * 40  # a truncated response is queried again over TCP
    assert found.failure is not None
    assert len(found.steps) == 40
    assert len(found.failure.detail) < 600


def test_zones_with_servers_inside_each_other_end_in_time() -> None:
    circles = "".join(f"a NS ns{number}.b\nb NS ns{number}.c\nc NS ns{number}.a\n" for number in range(100))
    with running(servers_of_tree() | {TLD: authoritative(f"{TLD_ZONE}{circles}")}) as tree:
        found = traced(tree, "host.a.test", TraceLimits(timeout_s=60))
    assert found.failure is not None
    assert found.failure.kind in ("loop", "too-long")
    assert len(found.steps) < 10
    assert found.elapsed_s < 30


def test_addresses_of_another_dns_class_are_ignored() -> None:
    def forge(response: dns.message.Message) -> None:
        response.answer = [dns.rrset.from_text(old.name, 60, "CH", "A", "net. 4711") for old in response.answer]
        response.additional = [dns.rrset.from_text(old.name, 60, "CH", "A", "net. 4711") for old in response.additional]

    assert trace_changed(MAIN, forge, "host.example.test").failure is not None
    found = trace_changed(TLD, forge, "host.example.test")
    assert found.failure is not None
    assert found.failure.kind == "loop"  # the name of its only server lies in the zone itself


@pytest.mark.parametrize(
    "name", ["\\042\\000odd\\.\\032name.example.test", "_acme.*.wild.example.test", "FOUR.Example.TEST.", "a." * 127]
)
def test_unusual_labels_are_resolved(name: str) -> None:
    with running(servers_of_tree()) as tree:
        found = traced(tree, name)
    if name.startswith("a."):
        assert found.failure is not None
        assert found.failure.kind == "nxdomain"
    else:
        assert found.addresses == ("198.18.0.7",)


@pytest.mark.parametrize(
    "name", ["a..b", f"{'a' * 64}.test", "a." * 128, "xn--\u00fc.test", "\\999.test", "a\ud800.test"]
)
def test_invalid_domain_name_is_not_queried(name: str) -> None:
    found = trace(name, hints=())
    assert found.failure is not None
    assert (found.failure.kind, found.steps) == ("nxdomain", ())
    assert found.failure.detail.isascii()


def test_control_characters_of_a_name_are_not_printed() -> None:
    def forge(response: dns.message.Message) -> None:
        response.answer = [records("host.example.test.", "CNAME", "\\027[2J\\010evil.example.test.")]

    found = trace_changed(MAIN, forge, "host.example.test")
    assert found.failure is not None
    assert "".join((*found.aliases, found.failure.detail, *found.steps[2].records)).isprintable()


def test_response_above_the_size_limit_is_not_read() -> None:
    many = [f"198.18.{high}.{low}" for high in range(6) for low in range(250)]
    servers = servers_of_tree()
    servers[MAIN] = truncating(
        changed(servers[MAIN], lambda response: response.answer.append(records("four.example.test.", "A", *many)))
    )
    with running(servers) as tree:
        found = traced(tree, "four.example.test", TraceLimits(query_s=20, timeout_s=60))
    assert failed(found, "servfail", "octets, more than 16384"), found.failure


Speech = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def speaking(datagrams: Speech, streams: Speech | None = None) -> Iterator[int]:
    """Run a root server at 127.0.0.20 by these functions and yield its port."""
    ended = threading.Event()
    with socket.socket(type=socket.SOCK_STREAM) as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.20", 0))
        datagram.bind(stream.getsockname())
        threads = [threading.Thread(target=_repeat, args=(datagrams, datagram, ended))]
        if streams is not None:
            stream.listen()
            threads.append(threading.Thread(target=_repeat, args=(streams, stream, ended)))
        for server in (stream, datagram):
            server.settimeout(0.05)
        for thread in threads:
            thread.start()
        try:
            yield stream.getsockname()[1]
        finally:
            ended.set()
            for thread in threads:
                thread.join()


def _repeat(speech: Speech, server: socket.socket, ended: threading.Event) -> None:
    while not ended.is_set():
        with contextlib.suppress(TimeoutError, ConnectionError):
            speech(server, ended)


def trace_at(port: int) -> Trace:
    hints = (RootServer("root.test.", ("127.0.0.20",)),)
    return trace("host.test", hints=hints, limits=TraceLimits(query_s=0.5, timeout_s=30, port=port))


def flood(server: socket.socket, ended: threading.Event) -> None:
    wire, client = server.recvfrom(512)
    while not ended.is_set() and not select.select([server], [], [], 0.0005)[0]:  # up to the next question
        with contextlib.suppress(ConnectionError):
            server.sendto(wire[:2] + b"\x80\x00" + bytes(600), client)


def cut_off(server: socket.socket, _ended: threading.Event) -> None:
    wire, client = server.recvfrom(512)
    server.sendto(wire[:2] + b"\x82\x00" + wire[4:14], client)  # TC set, and cut in the middle of the question


def drip(server: socket.socket, ended: threading.Event) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"\x02\x00")
        while not ended.is_set():
            connection.sendall(b"\0")
            time.sleep(0.05)


def announce_large(server: socket.socket, _ended: threading.Event) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"\xff\xff")
        connection.settimeout(5)
        while connection.recv(512):
            pass


def hang_up(server: socket.socket, _ended: threading.Event) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"\x02\x00abc")
        connection.recv(512)


@pytest.mark.parametrize(
    ("datagrams", "streams", "kind"),
    [
        (flood, None, "broken"),
        (cut_off, drip, "silent"),
        (cut_off, announce_large, "broken"),
        (cut_off, hang_up, "broken"),
        (cut_off, None, "unreachable"),
    ],
)
def test_server_that_sends_without_end_is_dropped_at_the_deadline(
    datagrams: Speech, streams: Speech | None, kind: str
) -> None:
    with speaking(datagrams, streams) as port:
        found = trace_at(port)
    assert found.failure is not None
    assert {step.kind for step in found.steps} == {kind}
    assert all(step.rtt_s < 5 for step in found.steps)
    assert found.elapsed_s < 20
