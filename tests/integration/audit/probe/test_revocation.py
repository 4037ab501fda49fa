"""Revocation is fetched from the URLs of a certificate once a run, from allowed addresses only, and cached."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from audit.analysis.revocation.judgement import OFF
from audit.checks.test_revocation import test_not_revoked as check
from audit.config.revocation_cache import RevocationCache
from audit.endpoint import parse_endpoint
from audit.observation import Observation
from audit.policy import Policy, load_profile
from audit.probe.deadline import Deadline
from audit.probe.http.fetch import Fetched, Fetcher, FetchPolicy, Unfetched
from audit.probe.http.request import HttpRequest
from audit.probe.revocation import RevocationContext, RevocationFetcher
from audit.verdict import Judgement
from audit.x509.path.served_chain import read_chain
from audit.x509.path.trust_store import TrustAnchors
from tests.support.cpu_time import at_most_cpu_s
from tests.support.endpoint_facts import WEBPKI, observed, served
from tests.support.http.scripted_server import Conversation, answering, by_path, conversing, silent
from tests.support.probe.tls_servers import closed_port
from tests.support.verdicts import judged
from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.crls import Entry, crl, issuing_point, pointing
from tests.support.x509.ocsp_responses import CA, GOOD, LEAF, REVOKED, ROOT, Answer, delegate, responders
from tests.support.x509.paths import Made, new_leaf, usage

ANCHORS = TrustAnchors({"corp.pem": [ROOT.der]})
ANYWHERE = FetchPolicy(allow_private=True, deadline_s=30.0)
GIVEN = RevocationContext(ANCHORS, lambda _: WEBPKI, lambda: NOW)


def seen(leaf: Made, *, staple: bytes | None = None, name: str = "www.example.com") -> Observation:
    handshake = replace(served(), chain_der=(leaf.der, CA.der), ocsp_der=staple)
    return observed(handshake, endpoint=parse_endpoint(f"https://{name}"))


def new_fetcher(
    cache: RevocationCache | None = None, policy: FetchPolicy = ANYWHERE, given: RevocationContext = GIVEN
) -> RevocationFetcher:
    return RevocationFetcher(Fetcher(policy), given, cache)


def verdict(observation: Observation, policy: Policy = WEBPKI) -> Judgement | None:
    chain = read_chain(observation.handshakes[0].chain_der, ANCHORS, NOW)
    return judged(check, chain=chain, observation=observation, policy=policy, now=NOW)


def text_of(judgement: Judgement | None) -> str:
    assert judgement is not None
    return f"{type(judgement).__name__}: {judgement.reason}"


@pytest.fixture
def ca() -> Iterator[Conversation]:
    with conversing(answering(crl(CA))) as server:
        yield server


@pytest.fixture
def closed() -> Iterator[str]:
    with closed_port() as port:
        yield f"http://127.0.0.1:{port}/"


def test_thousand_endpoints_of_one_ca_make_one_fetch(ca: Conversation) -> None:
    leaves = [new_leaf(CA).having(pointing(ca.url("/ca.crl"))) for _ in range(20)]
    observations = [seen(leaves[number % 20], name=f"h{number}.example.com") for number in range(1000)]
    revocation = new_fetcher()
    with at_most_cpu_s(5), ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(revocation.fetch, observations))
    assert [head.partition("\r\n")[0] for head in ca.heads] == ["GET /ca.crl HTTP/1.1"]
    assert [verdict(observation) for observation in answered[:20]] == [None] * 20


def test_endpoint_without_a_revocation_url_to_fetch_has_no_place(ca: Conversation) -> None:
    observation = seen(LEAF.having(pointing(ca.url("/ca.crl"))))
    assert new_fetcher().place(observation) == f"http://127.0.0.1:{ca.port}"
    assert new_fetcher().place(seen(LEAF)) is None
    assert new_fetcher().place(observed()) is None
    assert new_fetcher().place(seen(LEAF.having(pointing("ldap://ca/x")))) is None
    assert new_fetcher(given=replace(GIVEN, is_wanted=lambda _: False)).place(observation) is None
    foreign = replace(GIVEN, anchors=TrustAnchors({}))
    assert new_fetcher(given=foreign).place(observation) is None  # an untrusted certificate causes no request
    without = replace(load_profile("webpki"), disabled={"cert.revoked": "not here"})
    assert new_fetcher(given=replace(GIVEN, policy_of=lambda _: Policy((without,)))).place(observation) is None
    assert ca.heads == []


def test_short_lived_certificate_is_not_checked(ca: Conversation) -> None:
    short = replace(LEAF.having(pointing(ca.url("/ca.crl"))), start=NOW - DAY, end=NOW + 5 * DAY)
    assert new_fetcher().place(seen(short)) is None


def test_valid_staple_makes_a_request_unnecessary(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    for status in (REVOKED, GOOD):
        answered = new_fetcher().fetch(seen(leaf, staple=Answer(about=leaf, status=status).der))
        assert (answered.revocation, ca.heads) == ((), [])
        assert (verdict(answered) is None) is (status is GOOD)


def test_crl_is_fetched_if_the_staple_is_old(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    old = Answer(about=leaf, this_update=NOW - 9 * DAY, next_update=NOW - DAY).der
    assert verdict(new_fetcher().fetch(seen(leaf, staple=old))) is None
    assert len(ca.heads) == 1


@pytest.mark.parametrize("is_stapled", [True, False], ids=["stapled", "fetched"])
@pytest.mark.parametrize("is_listed", [True, False], ids=["revoked", "good"])
def test_crl_of_a_delegated_responder_is_fetched(*, is_stapled: bool, is_listed: bool) -> None:
    responses = {"": answering("", status="404 Not Found")}
    with conversing(respond=by_path(responses)) as server:
        responder = delegate().having(pointing(server.url("/responders.crl")))
        leaf = LEAF.having(responders(server.url("/ocsp")))
        good = Answer(about=leaf).by(responder).der
        responses["/ocsp"] = answering(good)
        responses["/responders.crl"] = answering(crl(CA, *[responder] * is_listed))
        fetched = new_fetcher().fetch(seen(leaf, staple=good if is_stapled else None))
    asked = ["ocsp", "crl"] if not is_stapled else ["crl", "ocsp"] if is_listed else ["crl"]
    assert [response.source for response in fetched.revocation or ()] == asked
    if is_listed:
        assert "is revoked itself" in text_of(verdict(fetched))
    else:
        assert verdict(fetched) is None


@pytest.mark.parametrize("is_listed", [True, False], ids=["revoked", "good"])
def test_crl_of_the_signer_of_an_indirect_crl_is_fetched(*, is_listed: bool) -> None:
    responses = {"": answering("", status="404 Not Found")}
    with conversing(respond=by_path(responses)) as server:
        url = server.url("/indirect.crl")
        signer = Made("CN=CRL Signer").having(usage("crl_sign"), critical=True)
        signer = signer.having(pointing(server.url("/ca.crl"))).by(CA)
        leaf = LEAF.having(pointing(url, issuer=signer.subject))
        responses["/indirect.crl"] = answering(crl(signer, extensions=(issuing_point(url, indirect_crl=True),)))
        responses["/ca.crl"] = answering(crl(CA, *[signer] * is_listed))
        handshake = replace(served(), chain_der=(leaf.der, CA.der, signer.der))
        fetched = new_fetcher().fetch(observed(handshake))
    assert [response.url for response in fetched.revocation or ()] == [url, url.replace("indirect", "ca")]
    if is_listed:
        assert "CRL Signer is revoked itself" in text_of(verdict(fetched))
    else:
        assert verdict(fetched) is None


@pytest.mark.parametrize("status", [GOOD, REVOKED, None], ids=["good", "revoked", "no response"])
def test_ocsp_response_about_a_crl_signer_is_fetched(status: ocsp.OCSPCertStatus | None) -> None:
    responses = {"": answering("", status="404 Not Found")}
    with conversing(respond=by_path(responses)) as server:
        url = server.url("/indirect.crl")
        signer = Made("CN=CRL Signer").having(usage("crl_sign"), critical=True)
        signer = signer.having(responders(server.url("/ocsp"))).by(CA)
        leaf = LEAF.having(pointing(url, issuer=signer.subject))
        responses["/indirect.crl"] = answering(crl(signer, extensions=(issuing_point(url, indirect_crl=True),)))
        if status is not None:
            responses["/ocsp"] = answering(Answer(about=signer, status=status).der)
        fetched = new_fetcher().fetch(observed(replace(served(), chain_der=(leaf.der, CA.der, signer.der))))
    assert [response.source for response in fetched.revocation or ()] == ["crl", "ocsp"]
    if status is GOOD:
        assert verdict(fetched) is None
    else:
        word = "is revoked itself (RFC 5280 6.3.3 f)" if status else "is revoked itself: the OCSP responder http"
        assert word in text_of(verdict(fetched))


def test_staple_is_inconclusive_if_the_crl_of_its_responder_is_missing(closed: str) -> None:
    responder = delegate().having(pointing(closed))
    leaf = LEAF.having(pointing("ldap://ca.example.com/1"))
    observation = seen(leaf, staple=Answer(about=leaf).by(responder).der)
    assert new_fetcher().place(observation) == closed.rstrip("/")
    text = text_of(verdict(new_fetcher().fetch(observation)))
    assert "it is not known whether the signer's certificate CN=Responder is revoked itself" in text
    assert f"the CRL {closed}: " in text
    assert verdict(new_fetcher(given=replace(GIVEN, is_on=False)).fetch(observation)) is None


def test_signers_that_report_each_other_end_after_three() -> None:
    responses = {"": answering("", status="404 Not Found")}
    with conversing(respond=by_path(responses)) as server:
        signers = [
            replace(delegate().having(responders(server.url(f"/{number}"))), subject=f"CN=Responder {number}")
            for number in range(6)
        ]
        leaf = LEAF.having(responders(server.url("/leaf")))
        responses["/leaf"] = answering(Answer(about=leaf).by(signers[0]).der)
        for number, (signer, above) in enumerate(pairwise(signers)):
            responses[f"/{number}"] = answering(Answer(about=signer).by(above).der)
        fetched = new_fetcher().fetch(seen(leaf))
    assert len(fetched.revocation or ()) == 4
    assert "by too many signers in turn" in text_of(verdict(fetched))


def test_unauthorized_responder_causes_no_request() -> None:
    responses = {"": answering(crl(ROOT))}
    with conversing(respond=by_path(responses)) as server:
        foreign = delegate(ROOT).having(pointing(server.url("/root.crl")))
        exempt = delegate(CA, x509.OCSPNoCheck()).having(pointing(server.url("/ca.crl")))
        leaf = LEAF.having(pointing("ldap://ca.example.com/1"))
        for responder in (foreign, exempt):
            new_fetcher().fetch(seen(leaf, staple=Answer(about=leaf).by(responder).der))
    assert server.heads == []


def test_other_revocation_source_is_used_if_the_first_fails(closed: str) -> None:
    here = LEAF.having(pointing(closed))
    leaf = here

    def respond(connection: socket.socket) -> None:
        answering(Answer(about=leaf).der)(connection)

    with conversing(respond) as server:
        leaf = here.having(responders(server.url("/ocsp")))
        answered = new_fetcher().fetch(seen(leaf))
        assert verdict(answered) is None
        assert [status.source for status in answered.revocation or ()] == ["crl", "ocsp"]
        assert server.heads[0].startswith("POST /ocsp HTTP/1.1\r\n")
        assert "Content-Type: application/ocsp-request\r\n" in server.heads[0]
        limits = replace(load_profile("webpki").thresholds, revocation_order=("ocsp",))
        first = replace(GIVEN, policy_of=lambda _: Policy((replace(load_profile("webpki"), thresholds=limits),)))
        assert [status.source for status in new_fetcher(given=first).fetch(seen(leaf)).revocation or ()] == ["ocsp"]


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (b"", "404 Not Found", "the server returns 404"),
        (b"<html>", "200 OK", "cannot be read"),
        (crl(CA, this_update=NOW - 30 * DAY), "200 OK", "the next CRL was due"),
    ],
    ids=["missing", "page", "stale"],
)
def test_unusable_response_is_inconclusive_and_not_cached(
    content: bytes, status: str, why: str, tmp_path: Path
) -> None:
    with conversing(answering(content, status=status)) as server:
        leaf = LEAF.having(pointing(server.url("/ca.crl")))
        text = text_of(verdict(new_fetcher(RevocationCache(tmp_path / "kept")).fetch(seen(leaf))))
    assert (text.startswith("Inconclusive: "), server.url("/ca.crl") in text, why in text) == (True, True, True), text
    assert not list(tmp_path.rglob("*.answer"))


def test_silent_responder_is_inconclusive_within_the_deadline(closed: str) -> None:
    assert text_of(verdict(new_fetcher().fetch(seen(LEAF.having(pointing(closed)))))).startswith("Inconclusive: ")
    with conversing(silent) as server:
        leaf = LEAF.having(pointing(server.url("/ca.crl")))
        began = time.monotonic()
        quick = FetchPolicy(allow_private=True, deadline_s=0.3)
        assert "no complete response in time" in text_of(verdict(new_fetcher(policy=quick).fetch(seen(leaf))))
        assert time.monotonic() - began < 20


def test_all_requests_of_one_endpoint_share_one_deadline() -> None:
    with conversing(lambda _: time.sleep(0.5), silent) as server:
        leaf = LEAF.having(pointing(*(server.url(f"/{number}.crl") for number in range(4))))
        began = time.monotonic()
        patient = FetchPolicy(allow_private=True, deadline_s=30.0)
        observation = new_fetcher(policy=patient, given=replace(GIVEN, deadline_s=0.7)).fetch(seen(leaf))
        assert time.monotonic() - began < 20
    failures = [status.failure for status in observation.revocation or ()]
    assert failures[-1] == "not fetched: the limit of 0.7 s for the revocation of one endpoint is over"
    assert len(failures) == 4


def test_timed_out_url_is_fetched_again_for_the_next_endpoint() -> None:
    with conversing(silent, answering(crl(CA))) as server:
        leaf = LEAF.having(pointing(server.url("/ca.crl")))
        revocation = new_fetcher(policy=FetchPolicy(allow_private=True), given=replace(GIVEN, deadline_s=2.0))
        assert text_of(verdict(revocation.fetch(seen(leaf)))).startswith("Inconclusive: ")
        assert verdict(revocation.fetch(seen(leaf, name="other.example.com"))) is None


def test_url_that_is_not_on_the_internet_is_not_requested(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    text = text_of(verdict(new_fetcher(policy=FetchPolicy()).fetch(seen(leaf))))
    assert (text.startswith("Inconclusive: "), "no certificate may make" in text, ca.heads) == (True, True, [])


def test_no_request_is_made_if_the_user_disables_them(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    answered = new_fetcher(given=replace(GIVEN, is_on=False)).fetch(seen(leaf))
    assert (text_of(verdict(answered)), ca.heads) == (f"NotApplicable: {OFF}", [])


@pytest.mark.parametrize("url", ["http://[::1/x.crl", "http://a b/x", "http://u:p@ca/x", "http://"])
def test_invalid_url_is_inconclusive(url: str) -> None:
    observation = seen(LEAF.having(pointing(url)))
    assert new_fetcher().place(observation) is not None
    assert text_of(verdict(new_fetcher().fetch(observation))).startswith("Inconclusive: ")


def test_revocation_of_an_intermediate_is_checked() -> None:
    with conversing(answering(crl(ROOT)), answering(crl(CA))) as server:
        above = replace(CA, subject="CN=Asked CA").having(pointing(server.url("/root.crl")))
        leaf = new_leaf(above)
        handshake = replace(served(), chain_der=(leaf.der, above.der))
        answered = new_fetcher().fetch(observed(handshake))
    assert [status.url for status in answered.revocation or ()] == [server.url("/root.crl")]
    assert verdict(answered) is None


@pytest.mark.parametrize("is_other_key", [False, True], ids=["other address", "other key type"])
def test_revocation_of_a_second_chain_is_checked(is_other_key: bool) -> None:  # noqa: FBT001 - a parameter
    serial = 4711
    with conversing(answering(crl(CA))) as good, conversing(answering(crl(CA, Entry(serial)))) as bad:
        second = replace(LEAF.having(pointing(bad.url("/bad.crl"))), serial=serial)
        seen_first = seen(LEAF.having(pointing(good.url("/good.crl"))))
        shown = replace(served(), address="192.0.2.8", chain_der=(second.der, CA.der))
        both = replace(seen_first, handshakes=(*seen_first.handshakes, shown))
        answered = new_fetcher().fetch(replace(seen_first, other_key_handshakes=(shown,)) if is_other_key else both)
    assert (len(good.heads), len(bad.heads)) == (1, 1)
    assert verdict(answered) is None
    chain = read_chain(shown.chain_der, ANCHORS, NOW)
    found = judged(check, chain=chain, observation=answered, policy=WEBPKI, now=NOW)
    assert text_of(found).startswith("Finding: the leaf was revoked ")


def test_request_time_is_kept_with_the_response(ca: Conversation) -> None:
    later = datetime(2026, 11, 23, 11, tzinfo=UTC) + timedelta(minutes=1)
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    (status,) = new_fetcher(given=replace(GIVEN, clock=lambda: later)).fetch(seen(leaf)).revocation or ()
    assert (status.asked_at, status.content, status.question) == (later, crl_of(ca), b"")


def crl_of(server: Conversation) -> bytes:
    found = Fetcher(ANYWHERE).get(server.url("/ca.crl"))
    content: bytes = getattr(found, "content", b"")
    x509.load_der_x509_crl(content)
    return content


class MutatingFetcher(Fetcher):
    """A fetcher that returns mutated responses to every request."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(ANYWHERE)
        self._chance = chance

    def ask(self, request: HttpRequest, deadline: Deadline | None = None) -> Fetched | Unfetched:
        del deadline
        whole = Answer(status=REVOKED).by(delegate()).der if request.body else crl(CA, LEAF)
        return Fetched(request.url, mutant(whole, self._chance))


def mutant(whole: bytes, chance: random.Random) -> bytes:
    """Return bytes with one changed, and perhaps one removed and one added, at random places."""
    octets = bytearray(whole)
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.3:
        del octets[chance.randrange(len(octets))]
    if chance.random() < 0.3:
        octets.insert(chance.randrange(len(octets)), chance.randrange(256))
    return bytes(octets)


def test_mutated_certificate_staple_or_response_raises_no_exception() -> None:
    chance = random.Random(5280)  # noqa: S311 - the same mutants each time
    leaf = LEAF.having(pointing("http://ca.example.com/ca.crl")).having(responders("http://ocsp.example.com/"))
    for number in range(300):
        sent = [leaf.der, CA.der, Answer(about=leaf).der]
        if number % 4:
            sent[number % 3] = mutant(sent[number % 3], chance)
        else:
            sent[2] = b""
        handshake = replace(served(), chain_der=(sent[0], sent[1]), ocsp_der=sent[2] or None)
        with at_most_cpu_s(2):
            revocation = RevocationFetcher(MutatingFetcher(chance), GIVEN)
            observation = observed(handshake)
            if revocation.place(observation):
                observation = revocation.fetch(observation)
            verdict(observation)
