"""What is asked because a certificate says where its status is told: once a run, of whom may be called, and kept."""

from __future__ import annotations

import os
import random
import socket
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from audit.analysis.revocation import OFF
from audit.checks.test_revocation import test_not_revoked as check
from audit.config.revocation_cache import AnswerCache
from audit.endpoint import parse_endpoint
from audit.observation import Observation
from audit.policy import Policy, load_profile
from audit.probe.deadline import Deadline
from audit.probe.fetch import Fetched, Fetcher, FetchPolicy, Unfetched
from audit.probe.http_request import HttpRequest
from audit.probe.revocation import Reply, RevocationContext, RevocationFetcher
from audit.verdict import Judgement
from audit.x509.path.served_chain import read_chain
from audit.x509.path.trust_store import TrustAnchors
from tests.support.cpu_time import at_most_cpu_s
from tests.support.endpoint_facts import WEBPKI, observed, served
from tests.support.probe.scripted_server import Conversation, answering, conversing, silent
from tests.support.probe.tls_servers import closed_port
from tests.support.verdicts import judged
from tests.support.x509.certificates import DAY, NOW
from tests.support.x509.crls import Entry, crl, pointing
from tests.support.x509.ocsp_responses import CA, GOOD, HOUR, LEAF, REVOKED, ROOT, Answer, delegate, responders
from tests.support.x509.paths import Made, new_leaf

ANCHORS = TrustAnchors({"corp.pem": [ROOT.der]})
ANYWHERE = FetchPolicy(allow_private=True, deadline_s=30.0)
GIVEN = RevocationContext(ANCHORS, lambda _: WEBPKI, lambda: NOW)
QUESTION = HttpRequest("http://ca.example.com/ca.crl")


def seen(leaf: Made, *, staple: bytes | None = None, name: str = "www.example.com") -> Observation:
    handshake = replace(served(), chain_der=(leaf.der, CA.der), ocsp_der=staple)
    return observed(handshake, endpoint=parse_endpoint(f"https://{name}"))


def asking(
    cache: AnswerCache | None = None, policy: FetchPolicy = ANYWHERE, given: RevocationContext = GIVEN
) -> RevocationFetcher:
    return RevocationFetcher(Fetcher(policy), given, cache)


def verdict(observation: Observation, policy: Policy = WEBPKI) -> Judgement | None:
    chain = read_chain(observation.handshakes[0].chain_der, ANCHORS, NOW)
    return judged(check, chain=chain, observation=observation, policy=policy, now=NOW)


def told(judgement: Judgement | None) -> str:
    assert judgement is not None
    return f"{type(judgement).__name__}: {judgement.reason}"


@pytest.fixture
def ca() -> Iterator[Conversation]:
    with conversing(answering(crl(CA))) as there:
        yield there


@pytest.fixture
def closed() -> Iterator[str]:
    with closed_port() as port:
        yield f"http://127.0.0.1:{port}/"


def test_a_thousand_endpoints_of_one_ca_make_one_fetch(ca: Conversation) -> None:
    leaves = [new_leaf(CA).having(pointing(ca.url("/ca.crl"))) for _ in range(20)]
    observations = [seen(leaves[number % 20], name=f"h{number}.example.com") for number in range(1000)]
    revocation = asking()
    with at_most_cpu_s(5), ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(revocation.ask, observations))
    assert [head.partition("\r\n")[0] for head in ca.heads] == ["GET /ca.crl HTTP/1.1"]
    assert [verdict(one) for one in answered[:20]] == [None] * 20


def test_where_nothing_is_to_be_asked_no_place_is_named(ca: Conversation) -> None:
    asked = seen(LEAF.having(pointing(ca.url("/ca.crl"))))
    assert asking().place(asked) == f"http://127.0.0.1:{ca.port}"
    assert asking().place(seen(LEAF)) is None
    assert asking().place(observed()) is None
    assert asking().place(seen(LEAF.having(pointing("ldap://ca/x")))) is None
    assert asking(given=replace(GIVEN, is_wanted=lambda _: False)).place(asked) is None
    foreign = replace(GIVEN, anchors=TrustAnchors({}))
    assert asking(given=foreign).place(asked) is None  # who is not trusted makes us call nobody
    without = replace(load_profile("webpki"), disabled={"cert.revoked": "not here"})
    assert asking(given=replace(GIVEN, policy_of=lambda _: Policy((without,)))).place(asked) is None
    assert ca.heads == []


def test_a_certificate_that_lives_too_short_is_not_asked_about(ca: Conversation) -> None:
    short = replace(LEAF.having(pointing(ca.url("/ca.crl"))), start=NOW - DAY, end=NOW + 5 * DAY)
    assert asking().place(seen(short)) is None


def test_a_stapled_answer_that_can_be_believed_is_enough(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    for status in (REVOKED, GOOD):
        answered = asking().ask(seen(leaf, staple=Answer(about=leaf, status=status).der))
        assert (answered.revocation, ca.heads) == ((), [])
        assert (verdict(answered) is None) is (status is GOOD)


def test_the_crl_is_asked_where_the_stapled_answer_is_old(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    old = Answer(about=leaf, this_update=NOW - 9 * DAY, next_update=NOW - DAY).der
    assert verdict(asking().ask(seen(leaf, staple=old))) is None
    assert len(ca.heads) == 1


def test_the_responder_is_asked_where_no_crl_can_be_had_and_the_other_way_round(closed: str) -> None:
    here = LEAF.having(pointing(closed))
    leaf = here

    def respond(connection: socket.socket) -> None:
        answering(Answer(about=leaf).der)(connection)

    with conversing(respond) as there:
        leaf = here.having(responders(there.url("/ocsp")))
        answered = asking().ask(seen(leaf))
        assert verdict(answered) is None
        assert [one.source for one in answered.revocation or ()] == ["crl", "ocsp"]
        assert there.heads[0].startswith("POST /ocsp HTTP/1.1\r\n")
        assert "Content-Type: application/ocsp-request\r\n" in there.heads[0]
        limits = replace(load_profile("webpki").thresholds, revocation_order=("ocsp",))
        first = replace(GIVEN, policy_of=lambda _: Policy((replace(load_profile("webpki"), thresholds=limits),)))
        assert [one.source for one in asking(given=first).ask(seen(leaf)).revocation or ()] == ["ocsp"]


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (b"", "404 Not Found", "the server returns 404"),
        (b"<html>", "200 OK", "cannot be read"),
        (crl(CA, this_update=NOW - 30 * DAY), "200 OK", "the next CRL was due"),
    ],
    ids=["missing", "page", "stale"],
)
def test_what_cannot_be_believed_is_inconclusive_and_not_kept(
    content: bytes, status: str, why: str, tmp_path: Path
) -> None:
    with conversing(answering(content, status=status)) as there:
        leaf = LEAF.having(pointing(there.url("/ca.crl")))
        said = told(verdict(asking(AnswerCache(tmp_path / "kept")).ask(seen(leaf))))
    assert (said.startswith("Inconclusive: "), there.url("/ca.crl") in said, why in said) == (True, True, True), said
    assert not list(tmp_path.rglob("*.answer"))


def test_who_does_not_answer_is_inconclusive_within_the_deadline(closed: str) -> None:
    assert told(verdict(asking().ask(seen(LEAF.having(pointing(closed)))))).startswith("Inconclusive: ")
    with conversing(silent) as there:
        leaf = LEAF.having(pointing(there.url("/ca.crl")))
        began = time.monotonic()
        quick = FetchPolicy(allow_private=True, deadline_s=0.3)
        assert "no complete response in time" in told(verdict(asking(policy=quick).ask(seen(leaf))))
        assert time.monotonic() - began < 20


def test_all_questions_about_one_endpoint_share_one_deadline() -> None:
    with conversing(lambda _: time.sleep(0.5), silent) as there:
        leaf = LEAF.having(pointing(*(there.url(f"/{number}.crl") for number in range(4))))
        began = time.monotonic()
        patient = FetchPolicy(allow_private=True, deadline_s=30.0)
        observation = asking(policy=patient, given=replace(GIVEN, deadline_s=0.7)).ask(seen(leaf))
        assert time.monotonic() - began < 20
    failures = [one.failure for one in observation.revocation or ()]
    assert failures[-1] == "not fetched: the 0.7 s for the revocation of one endpoint were over"
    assert len(failures) == 4


def test_url_that_had_too_little_time_is_asked_again_for_the_next_endpoint() -> None:
    with conversing(silent, answering(crl(CA))) as there:
        leaf = LEAF.having(pointing(there.url("/ca.crl")))
        revocation = asking(policy=FetchPolicy(allow_private=True), given=replace(GIVEN, deadline_s=2.0))
        assert told(verdict(revocation.ask(seen(leaf)))).startswith("Inconclusive: ")
        assert verdict(revocation.ask(seen(leaf, name="other.example.com"))) is None


def test_a_certificate_makes_us_call_nobody_who_is_not_on_the_internet(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    said = told(verdict(asking(policy=FetchPolicy()).ask(seen(leaf))))
    assert (said.startswith("Inconclusive: "), "no certificate may make" in said, ca.heads) == (
        True,
        True,
        [],
    )


def test_nobody_is_called_where_the_user_does_not_want_it(ca: Conversation) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    answered = asking(given=replace(GIVEN, is_on=False)).ask(seen(leaf))
    assert (told(verdict(answered)), ca.heads) == (f"NotApplicable: {OFF}", [])


@pytest.mark.parametrize("url", ["http://[::1/x.crl", "http://a b/x", "http://u:p@ca/x", "http://"])
def test_what_is_no_url_is_inconclusive(url: str) -> None:
    observation = seen(LEAF.having(pointing(url)))
    assert asking().place(observation) is not None
    assert told(verdict(asking().ask(observation))).startswith("Inconclusive: ")


def test_what_was_answered_is_kept_for_the_next_run_until_the_next_is_due(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "revocation"
    with conversing(answering(crl(CA))) as there:
        here = LEAF.having(pointing(there.url("/ca.crl")))
        first = asking(AnswerCache(folder)).ask(seen(here))
        assert asking(AnswerCache(folder)).ask(seen(here)) == first
        assert len(there.heads) == 1
        later = replace(GIVEN, clock=lambda: NOW + 6 * DAY)
        asking(AnswerCache(folder), given=later).ask(seen(here))
        assert len(there.heads) == 2
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b"garbage"),
        lambda file: file.write_bytes(b"2026-11-23T10:00:00Z\n<html>"),
        lambda file: file.write_bytes(b"2026-11-23T10:00:00Z\n" + crl(CA, key=LEAF.private_key)),
        lambda file: os.utime(file, (0, 0)),
        lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["garbage", "page", "forged", "old", "link", "folder"],
)
def test_what_lies_in_the_cache_is_believed_no_more_than_what_is_sent(
    spoil: Callable[[Path], object], tmp_path: Path, ca: Conversation
) -> None:
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    asking(AnswerCache(tmp_path)).ask(seen(leaf))
    (file,) = tmp_path.iterdir()
    spoil(file)
    if not file.is_symlink() and file.is_file() and file.stat().st_mtime:
        os.utime(file, (NOW.timestamp() + 999_999, NOW.timestamp() + 999_999))
    assert verdict(asking(AnswerCache(tmp_path)).ask(seen(leaf))) is None
    assert len(ca.heads) == 2


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, ca: Conversation) -> None:
    (tmp_path / "file").write_text("in the way")
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    assert verdict(asking(AnswerCache(tmp_path / "file" / "revocation")).ask(seen(leaf))) is None


def test_what_is_out_of_date_is_forgotten_and_what_is_half_written_too(tmp_path: Path) -> None:
    old, half, fresh, other = (tmp_path / name for name in ("a.answer", "b.partial", "c.answer", "notes"))
    for file in (old, half, fresh, other):
        file.touch()
        os.utime(file, (1, 1))
    os.utime(fresh, (NOW.timestamp() + 60, NOW.timestamp() + 60))
    cache = AnswerCache(tmp_path)
    cache.keep(QUESTION, Reply(NOW, b"content"), NOW + HOUR)
    assert {file.name for file in tmp_path.iterdir()} - {"c.answer", "notes"} == {
        next(file.name for file in tmp_path.iterdir() if file.stat().st_size)
    }
    assert cache.get(QUESTION, NOW) == Reply(NOW, b"content")
    assert cache.get(QUESTION, NOW + HOUR) is None
    assert cache.get(replace(QUESTION, body=b"x"), NOW) is None


def test_an_intermediate_is_asked_about_too() -> None:
    with conversing(answering(crl(ROOT)), answering(crl(CA))) as there:
        above = replace(CA, subject="CN=Asked CA").having(pointing(there.url("/root.crl")))
        leaf = new_leaf(above)
        handshake = replace(served(), chain_der=(leaf.der, above.der))
        answered = asking().ask(observed(handshake))
    assert [one.url for one in answered.revocation or ()] == [there.url("/root.crl")]
    assert verdict(answered) is None


@pytest.mark.parametrize("is_other_key", [False, True], ids=["other address", "other key type"])
def test_certificate_of_a_second_chain_is_asked_about_too(is_other_key: bool) -> None:  # noqa: FBT001 - a parameter
    serial = 4711
    with conversing(answering(crl(CA))) as good, conversing(answering(crl(CA, Entry(serial)))) as bad:
        second = replace(LEAF.having(pointing(bad.url("/bad.crl"))), serial=serial)
        seen_first = seen(LEAF.having(pointing(good.url("/good.crl"))))
        shown = replace(served(), address="192.0.2.8", chain_der=(second.der, CA.der))
        both = replace(seen_first, handshakes=(*seen_first.handshakes, shown))
        answered = asking().ask(replace(seen_first, other_key_handshakes=(shown,)) if is_other_key else both)
    assert (len(good.heads), len(bad.heads)) == (1, 1)
    assert verdict(answered) is None
    chain = read_chain(shown.chain_der, ANCHORS, NOW)
    found = judged(check, chain=chain, observation=answered, policy=WEBPKI, now=NOW)
    assert told(found).startswith("Finding: the leaf was revoked ")


def test_the_time_of_asking_is_kept_with_the_answer(ca: Conversation) -> None:
    later = datetime(2026, 11, 23, 11, tzinfo=UTC) + timedelta(minutes=1)
    leaf = LEAF.having(pointing(ca.url("/ca.crl")))
    (one,) = asking(given=replace(GIVEN, clock=lambda: later)).ask(seen(leaf)).revocation or ()
    assert (one.asked_at, one.content, one.question) == (later, crl_of(ca), b"")


def crl_of(there: Conversation) -> bytes:
    found = Fetcher(ANYWHERE).get(there.url("/ca.crl"))
    content: bytes = getattr(found, "content", b"")
    x509.load_der_x509_crl(content)
    return content


class Hostile(Fetcher):
    """Gives mutants of an answer, whatever is asked."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(ANYWHERE)
        self._chance = chance

    def ask(self, request: HttpRequest, deadline: Deadline | None = None) -> Fetched | Unfetched:
        del deadline
        whole = Answer(status=REVOKED).by(delegate()).der if request.body else crl(CA, LEAF)
        return Fetched(request.url, mutant(whole, self._chance))


def mutant(whole: bytes, chance: random.Random) -> bytes:
    """Return bytes with one changed, one left out and one more, each somewhere."""
    octets = bytearray(whole)
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.3:
        del octets[chance.randrange(len(octets))]
    if chance.random() < 0.3:
        octets.insert(chance.randrange(len(octets)), chance.randrange(256))
    return bytes(octets)


def test_no_mutant_of_certificate_staple_or_answer_raises_or_takes_long() -> None:
    chance = random.Random(5280)  # noqa: S311 - the same mutants each time
    leaf = LEAF.having(pointing("http://ca.example.com/ca.crl")).having(responders("http://ocsp.example.com/"))
    for number in range(600):
        sent = [leaf.der, CA.der, Answer(about=leaf).der]
        if number % 4:
            sent[number % 3] = mutant(sent[number % 3], chance)
        else:
            sent[2] = b""
        handshake = replace(served(), chain_der=(sent[0], sent[1]), ocsp_der=sent[2] or None)
        with at_most_cpu_s(2):
            revocation = RevocationFetcher(Hostile(chance), GIVEN)
            observation = observed(handshake)
            if revocation.place(observation):
                observation = revocation.ask(observation)
            verdict(observation)
