"""A chunk of servers on this machine is observed and judged, and each name is resolved by the run alone."""

from __future__ import annotations

import json
from dataclasses import replace

from audit.endpoint import parse_endpoint
from audit.engine import AuditSettings, RevocationSettings
from audit.fleet import Chunk, ChunkAuditor, ChunkTarget, EndpointReply, results_in, worker_settings
from audit.json_codec import from_json
from audit.observation import DnsView, Observation
from audit.probe import Limits
from audit.verdict import Verdict
from tests.support.endpoint_facts import public
from tests.support.probe.tls_servers import both, closed_port, serving, tls
from tests.support.x509.certificates import NOW, leaf

NO_RESOLVER = Limits(timeout_s=5, resolver=("127.0.0.1:1",))
SETTINGS = worker_settings(
    AuditSettings(public(), NOW, limits=NO_RESOLVER, revocation=RevocationSettings(is_on=False)), NOW
)


def test_chunk_is_observed_at_the_addresses_that_the_run_resolved() -> None:
    found = list[EndpointReply]()
    with serving(tls(both(leaf("two.example").named("two.example")))) as server:
        endpoint = parse_endpoint(f"https://two.example:{server.port}")
        dns = DnsView("ok", ("127.0.0.1",))
        ChunkAuditor(SETTINGS).audit(Chunk(1, (ChunkTarget(endpoint, ("cert.self-signed",), dns=dns),)), found.append)
    (reply,) = found
    assert results_in(reply.results)["cert.self-signed"].verdict is Verdict.FAIL
    assert 0 < reply.connections <= server.connections
    from_reply = from_json(Observation, json.loads(reply.observation))
    assert (from_reply.endpoint, from_reply.dns) == (endpoint, dns)


def test_worker_that_stores_observations_does_not_return_them() -> None:
    found, stored = list[EndpointReply](), list[Observation]()
    with closed_port() as port:
        endpoint = parse_endpoint(f"https://127.0.0.1:{port}")
        limits = replace(NO_RESOLVER, retry_after_s=0.01)
        auditor = ChunkAuditor(replace(SETTINGS, limits=limits), keep=stored.append)
        auditor.audit(Chunk(1, (ChunkTarget(endpoint, ("svc.unreachable",)),)), found.append)
    assert [observation.endpoint for observation in stored] == [endpoint]
    assert [(reply.endpoint, reply.observation) for reply in found] == [(str(endpoint), "")]
    assert results_in(found[0].results)["svc.unreachable"].verdict is Verdict.FAIL
