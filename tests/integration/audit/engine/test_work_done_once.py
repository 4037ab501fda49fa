"""Costly work is done once for many endpoints; the tests count it, because a count does not depend on the machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from cryptography.x509 import load_pem_x509_certificate

from audit.endpoint import parse_endpoint
from audit.observation import Handshake, Observation
from audit.probe import Limits, Target, observe
from audit.probe.http.fetch import Fetcher, FetchPolicy
from audit.probe.revocation import RevocationContext, RevocationFetcher
from audit.x509.path.trust_store import TrustAnchors
from bench.evidence import sources, to_der
from bench.judgement import counted
from bench.loopback import fleet
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


@dataclass(frozen=True, slots=True)
class Served:
    """The chains of many endpoints of one CA, and what fetches its CRL."""

    chains: Sequence[tuple[bytes, ...]]
    fetcher: RevocationFetcher
    publisher: Publisher


@pytest.fixture
def served() -> Iterator[Served]:
    """Publish the CRL of a CA with many leaves."""
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
        fetcher = RevocationFetcher(Fetcher(FetchPolicy(allow_private=True)), context)
        chains = [(to_der(leaf.certificate), to_der(intermediate.certificate)) for leaf in leaves]
        yield Served(chains, fetcher, publisher)


def test_endpoints_of_one_ca_fetch_its_crl_once(served: Served) -> None:
    now = datetime.now(UTC)
    with ThreadPoolExecutor(8) as threads:
        answered = list(threads.map(served.fetcher.fetch, [seen(chain, now) for chain in served.chains]))
    assert [[source.content is not None for source in observation.revocation or ()] for observation in answered] == [
        [True]
    ] * ENDPOINTS
    assert served.publisher.fetched == 1


def test_known_crl_is_used_without_a_request(served: Served) -> None:
    first, second, *_ = [seen(chain, datetime.now(UTC)) for chain in served.chains]
    assert served.fetcher.with_known(first) is None
    assert served.publisher.fetched == 0
    fetched, known = served.fetcher.fetch(first), served.fetcher.with_known(second)
    assert known is not None
    contents = [[response.content for response in seen.revocation or ()] for seen in (fetched, known)]
    assert contents[0] == contents[1] != []
    assert served.publisher.fetched == 1


class NoSlot:
    """Another process has all slots of a CA's server, for ever."""

    def take(self, key: str) -> bool:
        """Take a slot of an address."""
        return not key.startswith("http://")

    def free(self, key: str) -> None:
        """Do nothing: there is a slot of each address again and again."""


def test_endpoints_whose_responses_are_known_wait_for_no_other_process() -> None:
    """A process that held the slots of a CA's server kept the endpoints of all others waiting to its own end."""
    observed, stop = list[Observation](), threading.Event()
    with fleet(5) as served:
        root = load_pem_x509_certificate((served.folder / "root.pem").read_bytes())
        context = RevocationContext(
            TrustAnchors({"root.pem": [to_der(root)]}), lambda _: WEBPKI, lambda: datetime.now(UTC)
        )
        revocation = RevocationFetcher(Fetcher(FetchPolicy(allow_private=True)), context)
        given = partial(observe, limits=Limits(), clock=lambda: datetime.now(UTC), revocation=revocation, stop=stop)
        first, *others = [Target(parse_endpoint(served.url(number))) for number in range(5)]
        given([first], report=observed.append)
        over = threading.Timer(60, stop.set)
        over.start()
        given(others, report=observed.append, slots=NoSlot())
        over.cancel()
        assert served.publisher.fetched == 2, "the CRL of the leaves and the one of the CAs"
    contents = [[response.content for response in observation.revocation or ()] for observation in observed]
    assert contents == [contents[0]] * 5
    assert len(contents[0]) == 2


def seen(chain: tuple[bytes, ...], now: datetime) -> Observation:
    shaken = Handshake("192.0.2.7", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", None, chain, None, 0.01, ())
    return Observation(ENDPOINT, now, ("192.0.2.7",), (shaken,))
