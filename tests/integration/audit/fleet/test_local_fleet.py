"""Worker processes of this machine share the limit per address, and what one that is killed has left is audited."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from audit.endpoint import Endpoint, parse_endpoint
from audit.engine import AuditSettings, RevocationSettings
from audit.fleet import ChunkTarget, worker_settings
from audit.fleet.chunk import Chunk
from audit.observation import Accident, DnsView
from audit.probe import Limits
from pytest_sslaudit.evidence import EvidenceStore
from pytest_sslaudit.fleet.local_fleet import Delivery, LocalFleet
from pytest_sslaudit.fleet.local_worker import WorkerSetup
from tests.lab.revocation import Registry
from tests.support.endpoint_facts import public
from tests.support.http.scripted_server import answering, conversing
from tests.support.probe.tls_servers import Count, serving, tls
from tests.support.processes import descendants, wait_until_ended
from tests.support.x509.ca import Identity, Leaf, issue, new_root
from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.crls import pointing

LIMITS = Limits(timeout_s=20, retry_after_s=0.01, per_address=1)
SETTINGS = worker_settings(
    AuditSettings(public(), NOW, limits=LIMITS, revocation=RevocationSettings(is_on=False)), NOW
)  # fmt: skip


@dataclass
class Audited:
    """What the run has received."""

    replies: list[str] = field(default_factory=list)
    lost: dict[Endpoint, Accident] = field(default_factory=dict)

    @property
    def delivery(self) -> Delivery:
        """The functions that receive it."""
        return Delivery(
            lambda reply: self.replies.append(reply.endpoint),
            lambda reply, _: pytest.fail(f"no worker has stored the observation of {reply.endpoint}"),
            self.lost.__setitem__,
            lambda: False,
        )


@pytest.fixture
def setup(tmp_path: Path) -> WorkerSetup:
    (tmp_path / "store").mkdir()
    return WorkerSetup(SETTINGS, EvidenceStore(tmp_path / "store"), tmp_path / "slots")


@pytest.fixture
def fleet() -> Iterator[LocalFleet]:
    fleet = LocalFleet(2)
    yield fleet
    fleet.close()


def chunk(number: int, port: int, *addresses: str, endpoints: int = 1) -> Chunk:
    """Return a chunk of endpoints at these addresses."""
    dns = DnsView("ok", addresses)
    names = (parse_endpoint(f"https://n{number}-{index}.example:{port}") for index in range(endpoints))
    return Chunk(number, tuple(ChunkTarget(endpoint, ("svc.unreachable",), dns=dns) for endpoint in names))


class AtOnce:
    """The script of a server that counts its connections at the same time, and ends each after a moment."""

    def __init__(self) -> None:
        self.most = self.now = 0
        self._turn = threading.Condition()

    def __call__(self, connected: socket.socket) -> None:
        with self._turn:
            self.now += 1
            self.most = max(self.most, self.now)
            self._turn.wait_for(lambda: self.now > 1, timeout=0.05)  # the time in which another one could come
            self.now -= 1
        connected.close()


def test_workers_share_the_limit_of_an_address(fleet: LocalFleet, setup: WorkerSetup) -> None:
    audited, at_once = Audited(), AtOnce()
    with serving(at_once) as server:
        batches = [(chunk(number, server.port, f"127.0.0.{number}", "127.0.0.1", endpoints=4),) for number in (2, 3)]
        fleet.audit(setup, batches, audited.delivery, threading.Event())
    assert len(audited.replies) == 8
    assert server.connections >= 8
    assert at_once.most == 1


def test_what_a_killed_worker_has_left_is_audited_with_its_slots(fleet: LocalFleet, setup: WorkerSetup) -> None:
    audited, held = Audited(), list[int]()

    def kill_first(_: socket.socket) -> None:
        if not held:  # the other worker waits for the only slot of this address
            held.extend(descendants(os.getpid(), "local_worker")[1:])
            for pid in held:
                os.kill(pid, signal.SIGKILL)

    with serving(kill_first) as server:
        batches = [(chunk(1, server.port, "127.0.0.1"),), (chunk(2, server.port, "127.0.0.1"),)]
        fleet.audit(setup, batches, audited.delivery, threading.Event())
    assert len(held) == 2
    assert sorted(audited.replies) == [
        f"https://n{number}-0.example:{server.port}" for number in (1, 2)
    ]  # fmt: skip
    assert audited.lost == {}


def test_crl_of_endpoints_in_two_workers_is_fetched_once(fleet: LocalFleet, setup: WorkerSetup, tmp_path: Path) -> None:
    now, audited = datetime.now(UTC), Audited()
    root = new_root("CN=Root,O=Tests,C=CH", now=now)
    published, servers = answering(Registry(root, now).crl()), list[Count]()

    def respond(connection: socket.socket, _: str) -> None:
        servers[0].wait_for(18)  # by then both workers have observed an endpoint, and want the CRL
        published(connection)

    with conversing(respond=respond) as ca:
        issued = issue(Leaf("CN=n", ("*.example",), now - DAY, extra=(pointing(ca.url("/ca.crl")),)), root)
        anchors = {"corp.pem": (root.certificate.public_bytes(Encoding.DER),)}
        settings = replace(
            SETTINGS, now=now, anchors=anchors, fetches_revocation=True, allow_private=True,
            revocation_folder=str(tmp_path / "revocation"), limits=replace(LIMITS, per_address=4),
        )  # fmt: skip
        with serving(tls(_serving(issued))) as server:
            servers.append(server)
            targets = [[_target(number, index, server.port) for index in range(3)] for number in (2, 3)]
            batches = [(Chunk(number, tuple(of)),) for number, of in enumerate(targets, 1)]
            fleet.audit(replace(setup, settings=settings), batches, audited.delivery, threading.Event())
    assert len(audited.replies) == 6
    assert [head.partition("\r\n")[0] for head in ca.heads] == ["GET /ca.crl HTTP/1.1"]
    observations = [setup.store.observation(target.endpoint) for of in targets for target in of]
    assert all(seen and seen.revocation and not seen.revocation[0].failure for seen in observations)


def _serving(issued: Identity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(issued.certificate)
    context.use_privatekey(issued.key)
    return context


def _target(number: int, index: int, port: int) -> ChunkTarget:
    endpoint = parse_endpoint(f"https://n{number}-{index}.example:{port}")
    return ChunkTarget(endpoint, ("cert.revoked",), dns=DnsView("ok", ("127.0.0.1",)))


def test_interrupted_audit_returns_and_leaves_no_process(setup: WorkerSetup) -> None:
    stop, audited, fleet = threading.Event(), Audited(), LocalFleet(2)
    with serving(lambda _: stop.set()) as server:
        batches = [(chunk(number, server.port, f"127.0.0.{number}", "127.0.0.1"),) for number in (2, 3)]
        fleet.audit(setup, batches, audited.delivery, stop)
        started = descendants(os.getpid(), "local_worker")
        fleet.close()
    assert len(started) == 3
    wait_until_ended(started, "local_worker")


def test_exception_in_a_worker_comes_with_its_trace(fleet: LocalFleet, setup: WorkerSetup) -> None:
    audited = Audited()
    broken = replace(setup, settings=replace(SETTINGS, log_list=b"not a list"))
    fleet.audit(broken, [(chunk(1, 1, "127.0.0.1", endpoints=2),)], audited.delivery, threading.Event())
    assert audited.replies == []
    (first, second) = audited.lost.values()
    assert first == second
    assert first.reason.startswith(
        "2 worker processes ended while they audited this endpoint and 1 other: audit.x509.transparency.log_list.BadLog"
    )
    assert "Traceback" in first.trace


def test_server_that_cannot_start_costs_the_audit_and_no_exception(
    setup: WorkerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sslaudit.fleet.worker_server._START", "import sys; sys.exit(3)")
    audited, fleet = Audited(), LocalFleet(2)
    fleet.audit(setup, [(chunk(1, 1, "127.0.0.1", endpoints=2),)], audited.delivery, threading.Event())
    fleet.close()
    assert [accident.reason for accident in audited.lost.values()] == [
        "no worker process could be started (exit status 3). Run the audit again."
    ] * 2  # fmt: skip


def test_setup_of_a_worker_can_be_sent(setup: WorkerSetup) -> None:
    assert pickle.loads(pickle.dumps(setup)) == setup  # noqa: S301 - its own
