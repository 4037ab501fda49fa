"""Replies of workers on other machines: honest ones are kept as they are, hostile ones are refused as a whole."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from audit.analysis.key_reuse import key_uses
from audit.checks import built_in_checks, check_of
from audit.endpoint import Endpoint, parse_endpoint
from audit.engine import AuditSettings, RevocationSettings
from audit.evaluation.waivers import Waiver
from audit.fleet import Chunk, ChunkAuditor, ChunkTarget, EndpointReply, results_in, untrusted_reply, worker_settings
from audit.fleet.packed_reply import pack_reply
from audit.fleet.untrusted_reply import ReplyRules, read_untrusted_reply
from audit.json_codec import BadRecord, to_json
from audit.observation import Accident, Observation, ProbeFailure, RevocationResponse
from audit.text import MAX_MESSAGE
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, public
from tests.support.observations import EXPIRED, hostile, recorded, seen
from tests.support.x509.certificates import NOW

CHECKS = {
    check.id: check for function in built_in_checks() if (check := check_of(function)) and "endpoint" in check.scopes
}
WAIVERS = (Waiver("cert.expired", "https://two.example:443", "moves", "ops", date(2026, 12, 31)),)
RULES = ReplyRules(CHECKS, WAIVERS, NOW, most_certificates=128)
ONE, TWO = parse_endpoint("https://one.example"), parse_endpoint("https://two.example")
Row = dict[str, Any]


@cache
def auditor() -> ChunkAuditor:
    settings = AuditSettings(public(), NOW, (), WAIVERS, revocation=RevocationSettings(is_on=False))
    return ChunkAuditor(worker_settings(settings, NOW))


def chunk_of(*endpoints: Endpoint) -> Chunk:
    return Chunk(1, tuple(ChunkTarget(endpoint, tuple(CHECKS)) for endpoint in endpoints))


def reply_to(observations: list[Observation]) -> list[EndpointReply]:
    """Return what an honest worker replies that observes this."""
    by_endpoint, replies = {seen.endpoint: seen for seen in observations}, list[EndpointReply]()
    auditor().judge(chunk_of(*by_endpoint), by_endpoint.__getitem__, replies.append)
    return [replace(one, observation=json.dumps(to_json(by))) for one, by in zip(replies, observations, strict=True)]


@cache
def honest() -> tuple[EndpointReply, ...]:
    return tuple(reply_to([seen("one.example", GOOD, INTERMEDIATE), seen("two.example", EXPIRED, INTERMEDIATE)]))


def read_packed(reply: object) -> tuple[tuple[EndpointReply, Observation], ...]:
    return read_untrusted_reply(reply, chunk_of(ONE, TWO), RULES)


def read(reply: bytes) -> tuple[tuple[EndpointReply, Observation], ...]:
    return read_packed(zlib.compress(reply))


def lines(*replies: EndpointReply) -> bytes:
    return zlib.decompress(pack_reply(replies))


def with_rows(change: Callable[[list[Row]], object]) -> bytes:
    """Return the honest reply with other results of the second endpoint."""
    one, two = honest()
    rows = json.loads(two.results)
    change(rows)
    return lines(one, replace(two, results=json.dumps(rows)))


def with_row(**values: object) -> bytes:
    """Return the honest reply with other values in the result of cert.expired, which is waived."""
    return with_rows(lambda rows: row_of(rows, "cert.expired").update(values))


def row_of(rows: list[Row], check: str) -> Row:
    return next(row for row in rows if row["check"] == check)


def with_observation(**values: object) -> bytes:
    """Return the honest reply with other values in the observation of the second endpoint."""
    one, two = honest()
    return lines(one, replace(two, observation=json.dumps(json.loads(two.observation) | values)))


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_honest_reply_is_kept_as_the_worker_judged() -> None:
    observations = [found for found in (*recorded(), *hostile(200)) if not found.endpoint.is_host and not found.server]
    replies = reply_to(observations)
    chunk = chunk_of(*(found.endpoint for found in observations))
    kept = read_untrusted_reply(pack_reply(replies), chunk, RULES)
    assert [found for _, found in kept] == observations
    for sent, (received, observation) in zip(replies, kept, strict=True):
        assert results_in(received.results) == results_in(sent.results)
        assert (received.endpoint, received.uses) == (sent.endpoint, key_uses(observation))


def test_large_content_crosses_once_for_all_endpoints() -> None:
    content = random.Random(1).randbytes(50_000)  # noqa: S311 - any bytes
    response = RevocationResponse("00" * 32, "crl", "http://crl.example/1.crl", NOW, content=content)
    observations = [seen(name, GOOD, INTERMEDIATE, revocation=(response,)) for name in ("one.example", "two.example")]
    packed = pack_reply(reply_to(observations))
    assert len(packed) < 1.5 * 50_000
    assert [found for _, found in read_packed(packed)] == observations


def test_order_of_the_lines_does_not_matter() -> None:
    one, two = honest()
    assert read(lines(two, one)) == read(lines(one, two))


def test_missing_results_are_left_to_the_run() -> None:
    (_, _), (two, _) = read(with_rows(lambda rows: rows.clear()))
    assert results_in(two.results) == {}


OTHER = "https://other.example:443"
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not JSON"),
    "not UTF-8": (lambda: b"\xff\xfe", "not JSON"),
    "a value of another type": (lambda: b"[]", "is not a dict"),
    "a JSON bomb": (lambda: nested(100_000).encode(), "not JSON"),
    "an endpoint twice": (lambda: lines(*honest(), honest()[0]), "two lines of https://one.example:443"),
    "an endpoint missing": (lambda: lines(honest()[0]), r"no line of https://two.example:443 \(1 of 2"),
    "an endpoint of another chunk": (
        lambda: lines(*honest(), replace(honest()[0], endpoint=OTHER)),
        f"line of {OTHER}, which is not an endpoint of the chunk",
    ),
    "the endpoint's observation of another": (
        lambda: lines(honest()[0], replace(honest()[1], observation=honest()[0].observation)),
        "https://two.example:443: the observation is that of https://one.example:443",
    ),
    "the results of another endpoint": (
        lambda: lines(honest()[0], replace(honest()[1], results=honest()[0].results)),
        "another endpoint than that",
    ),
    "no observation": (lambda: lines(honest()[0], replace(honest()[1], observation="")), "not JSON"),
    "an observation that is null": (lambda: lines(honest()[0], replace(honest()[1], observation="null")), "not a dict"),
    "results that are not a list": (lambda: lines(honest()[0], replace(honest()[1], results="{}")), "are not a list"),
    "results that are nested": (
        lambda: lines(honest()[0], replace(honest()[1], results=nested(20))),
        "other fields than the results file",
    ),
    "a check twice": (lambda: with_rows(lambda rows: rows.append(rows[0])), "two results of"),
    "an unknown check": (lambda: with_row(check="cert.unknown"), "'?cert.unknown'? is not a check"),
    "a check of hosts": (lambda: with_row(check="host.name-invalid"), "host.name-invalid is not a check"),
    "a row for another endpoint": (lambda: with_row(endpoint=OTHER), "another endpoint than that"),
    "a row for a host": (lambda: with_row(host="ssh://root@web1"), "another host than that"),
    "a row for a service": (lambda: with_row(service="nginx"), "another service than that"),
    "an unknown verdict": (lambda: with_row(verdict="fine"), "has the verdict 'fine'"),
    "a verdict that is not a text": (lambda: with_row(verdict=["pass"]), r"has the verdict \['pass'\]"),
    "a check that is not a text": (lambda: with_row(check=["cert.expired"]), "is not a check of this endpoint"),
    "a waiver that is not an object": (lambda: with_row(waiver="x"), "waiver that is not one of the run"),
    "a digest that is not a text": (lambda: with_row(leaf_sha256=1), "leaf_sha256 that is not a digest"),
    "a time that is not a text": (lambda: with_row(not_after=1), "not_after that is not a time"),
    "an unknown severity": (lambda: with_row(severity="none"), "has the severity 'none'"),
    "an unknown remedy": (lambda: with_row(remedy="rm -rf /"), "has the remedy 'rm -rf /'"),
    "an unknown phase": (lambda: with_row(phase="after"), "another phase than that"),
    "another source": (lambda: with_row(source="RFC 1149"), "another source than that"),
    "other controls": (lambda: with_row(controls=["PCI DSS 4.2.1"]), "another controls than that"),
    "a node id": (lambda: with_row(nodeid="x"), "another nodeid than that"),
    "a duration": (lambda: with_row(duration_s=1.0), "another duration_s than that"),
    "another time": (lambda: with_row(observed_at="2020-01-01T00:00:00Z"), "another observed_at than that"),
    "an invalid time": (lambda: with_row(not_after="tomorrow"), "not_after that is not a time"),
    "an invalid digest": (lambda: with_row(leaf_sha256="../../etc/passwd"), "leaf_sha256 that is not a digest"),
    "a waiver of its own": (
        lambda: with_row(waiver={"reason": "x", "owner": "x", "expires": "2099-01-01"}),
        "waiver that is not one of the run",
    ),
    "no waiver": (lambda: with_row(waiver=None), "waiver that is not one of the run"),
    "a waiver of a pass": (lambda: with_row(verdict="pass", remedy="none"), "waiver that is not one of the run"),
    "a remedy of a pass": (
        lambda: with_row(verdict="pass", waiver=None),
        "remedy reissue for the verdict pass",
    ),
    "a field more": (lambda: with_row(extra=1), "other fields than the results file"),
    "a field less": (lambda: with_rows(lambda rows: rows[0].pop("detail")), "other fields than the results file"),
    "a message that is not a text": (lambda: with_row(message=["x"]), "of another type"),
    "a detail that is not an object": (lambda: with_row(detail="x"), "of another type"),
    "a detail without end": (lambda: with_row(detail={"observed": "x" * 9_000}), "too long a detail"),
    "a detail nested": (lambda: with_row(detail={"x": json.loads(nested(40))}), "nested more than 16 levels"),
    "not a number": (lambda: with_row(detail={"x": float("nan")}), "NaN is not a number"),
    "an infinite number": (lambda: with_observation(elapsed_s=float("inf")), "Infinity is not a number"),
    "a number beyond all": (lambda: with_row(detail={"x": 10**300}), "more than 64 bits"),
    "a number of 5,000 digits": (lambda: b'{"endpoint": ' + b"9" * 5_000 + b"}", "not JSON"),
    "connections below zero": (lambda: with_observation(connections=-1), "took -1 connections"),
    "connections beyond all": (lambda: with_observation(connections=10**9), "took 1000000000 connections"),
    "a time below zero": (lambda: with_observation(elapsed_s=-1.0), "-1 s"),
    "another schema": (lambda: with_observation(schema=1), "the schema 1, not"),
    "a host's inside": (lambda: with_observation(http_probes=[]), "from inside a host"),
    "a certificate not in base64": (
        lambda: with_observation(other_key_handshakes=[handshake(chain_der=["?"])]),
        "https://two.example:443: other_key_handshakes: ",
    ),
    "a chain without end": (
        lambda: with_observation(other_key_handshakes=[handshake(chain_der=["AAAA"] * 129)]),
        r"a chain has 129 certificates \(limit 128\)",
    ),
    "a response that is missing": (
        lambda: with_observation(revocation=[crl(content_in="0" * 64)]),
        "CRL or OCSP response is missing",
    ),
    "a content that is not in base64": (lambda: b"content:?\n" + lines(*honest()), "not in base64"),
    "an endpoint with a host": (
        lambda: with_observation(endpoint=to_json(replace(TWO, hostspec="ssh://root@web1"))),
        "the observation is that of https://two.example:443",
    ),
}


def handshake(**values: object) -> Row:
    first: Row = json.loads(honest()[1].observation)["handshakes"][0]
    return first | values


def crl(**values: object) -> Row:
    response = RevocationResponse("00" * 32, "crl", "http://crl.example/1.crl", NOW)
    return {**to_json(response), **values}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_reply_is_refused_as_a_whole(name: str) -> None:
    make, reason = HOSTILE[name]
    with pytest.raises(BadRecord, match=reason):
        read(make())


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (["x"], "type list, not bytes"),
        (b"not compressed", "not compressed with zlib"),
        (zlib.compress(b"x" * 1_000)[:-1], "its end is missing"),
        (zlib.compress(bytes(1_001)), "more than 1000 bytes"),
    ],
    ids=["another-type", "not-compressed", "cut", "bomb"],
)
def test_reply_that_cannot_be_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch, reply: object, reason: str) -> None:
    monkeypatch.setattr(untrusted_reply, "MOST_BYTES", 1_000)
    with pytest.raises(BadRecord, match=reason):
        read_packed(reply)


def test_line_above_its_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted_reply, "MOST_LINE_BYTES", 1_000)
    with pytest.raises(BadRecord, match=r"a line has [0-9]+ bytes \(limit 1000\)"):
        read(lines(*honest()))


def test_content_above_its_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted_reply, "MOST_CONTENT_BYTES", 1_000)
    with pytest.raises(BadRecord, match=r"a CRL or OCSP response has 2008 bytes \(limit 1000\)"):
        read(b"content:" + b"A" * 2_000 + b"\n" + lines(*honest()))


def test_texts_of_a_hostile_worker_are_bounded_and_cleaned() -> None:
    packed = with_row(message="a\x1b[2J\r\nb\udcff" + "c" * 9_000, policy="d" * 9_000, detail={"k\x07": "e\x1bf\ud800"})
    _, (two, _) = read(packed)
    result = results_in(two.results)["cert.expired"]
    assert result.message.startswith("a\N{REPLACEMENT CHARACTER}[2J b\N{REPLACEMENT CHARACTER}ccc")
    assert (len(result.message), len(result.policy)) == (MAX_MESSAGE, 120)
    assert result.detail == {"k\N{REPLACEMENT CHARACTER}": "e\N{REPLACEMENT CHARACTER}f\N{REPLACEMENT CHARACTER}"}
    two.to_line().encode()


def test_text_of_a_server_never_has_a_reply_refused() -> None:
    failure = ProbeFailure("starttls", "rejected", "x\x1b\udc80" + "y" * 90_000, "192.0.2.1")
    accident = Accident("z" * 90_000, "trace\x00")
    observations = [seen("one.example", failures=(failure,)), seen("two.example", accident=accident)]
    (_, one), (_, two) = read_packed(pack_reply(reply_to(observations)))
    assert one.failures[0].detail.startswith("x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}yyy")
    assert len(one.failures[0].detail) == 4_000
    assert two.accident is not None
    assert two.accident.trace == "trace\N{REPLACEMENT CHARACTER}"


def test_damaged_reply_is_refused_or_valid() -> None:
    chance, whole = random.Random(14), lines(*honest())  # noqa: S311 - the same damage each time
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(damaged))
            damaged[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        try:
            kept = read(bytes(damaged))
        except BadRecord:
            refused += 1
        else:
            assert [reply.endpoint for reply, _ in kept] == [str(ONE), str(TWO)]
    assert refused > 100


def test_waiver_that_has_expired_waives_nothing() -> None:
    later = replace(RULES, now=NOW + timedelta(days=400))
    with pytest.raises(BadRecord, match="waiver that is not one of the run"):
        read_untrusted_reply(pack_reply(honest()), chunk_of(ONE, TWO), later)
