"""Costly work is done once for many endpoints; the tests count it, because a count does not depend on the machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from audit.observation import Handshake, Observation
from audit.probe.fetch import Fetcher, FetchPolicy
from audit.probe.revocation import RevocationContext, RevocationFetcher
from audit.x509.path.trust_store import TrustAnchors
from bench.evidence import sources, to_der
from bench.judgement import counted
from bench.servers import Publisher
from tests.lab.revocation import Registry
from tests.support.endpoint_facts import ENDPOINT, WEBPKI
from tests.support.x509.ca import Leaf, issue, new_intermediate, new_root

ENDPOINTS = 50


def test_certificate_of_many_endpoints_is_parsed_and_its_path_built_once() -> None:
    of_two, of_many = counted(2), counted(10)
    assert of_many == of_two
    assert of_many["load_der_x509_certificate"] == 4, "the leaf, two intermediates and the root"
    assert of_many["validate_path"] == 1


def test_endpoints_of_one_ca_fetch_its_crl_once() -> None:
    now = datetime.now(UTC)
    root = new_root("Root", now=now)
    intermediate = new_intermediate("Intermediate", root, now=now)
    publisher = Publisher()
    with publisher.publishing({"/ca.crl": Registry(intermediate, now).crl()}):
        leaves = [
            issue(
                Leaf("a.example", ("a.example",), now - timedelta(days=20), extra=sources(publisher.url("/ca.crl"))),
                intermediate,
            )
            for _ in range(ENDPOINTS)
        ]
        anchors = TrustAnchors({"corp.pem": [to_der(root.certificate)]})
        context = RevocationContext(anchors, lambda _: WEBPKI, lambda: datetime.now(UTC))
        revocation = RevocationFetcher(Fetcher(FetchPolicy(allow_private=True)), context)
        chains = [(to_der(leaf.certificate), to_der(intermediate.certificate)) for leaf in leaves]
        with ThreadPoolExecutor(8) as threads:
            answered = list(threads.map(revocation.fetch, [seen(chain, now) for chain in chains]))
    assert [[source.content is not None for source in observation.revocation or ()] for observation in answered] == [
        [True]
    ] * ENDPOINTS
    assert publisher.fetched == 1


def seen(chain: tuple[bytes, ...], now: datetime) -> Observation:
    shaken = Handshake("192.0.2.7", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", None, chain, None, 0.01, ())
    return Observation(ENDPOINT, now, ("192.0.2.7",), (shaken,))
