"""A chunk of observations is judged as `audit.engine` judges them, and crosses to the run as lines of JSON."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import pytest

from audit.analysis.key_reuse import key_uses
from audit.checks import built_in_checks, check_of
from audit.endpoint import Endpoint, parse_endpoint
from audit.engine import AuditSettings, RevocationSettings, audit
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.result import Result
from audit.evaluation.waivers import Waiver
from audit.fleet import Chunk, ChunkAuditor, ChunkTarget, EndpointReply, WorkerSettings, results_in, worker_settings
from audit.json_codec import BadRecord
from audit.observation import Observation
from audit.policy import load_profile
from audit.probe.revocation import ReplyCache
from audit.verdict import Verdict
from audit.x509.certificate import read_certificate
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, ROOT, public
from tests.support.observations import hostile, recorded, seen
from tests.support.x509.certificates import NOW
from tests.support.x509.ct_logs import Log, log_list

WAIVERS = (Waiver("svc.unreachable", "https://closed.example:443", "moves", "ops", date(2026, 12, 31)),)
SETTINGS = AuditSettings(
    public(), NOW, (load_profile("webpki"),), WAIVERS, revocation=RevocationSettings(is_on=False)
)  # fmt: skip
CHECKS = tuple(
    check.id for function in built_in_checks() if (check := check_of(function)) and "endpoint" in check.scopes
)
Value = TypeVar("Value")
MODULE = """
from audit import check

@check("ext.rule", severity="low")
def test_rule(endpoint):
    assert "www" not in endpoint.name, "no name has www"

@check("ext.bug", severity="low")
def test_bug(endpoint):
    raise ZeroDivisionError
"""


def sent(value: Value) -> Value:
    """Return a value as a worker receives it."""
    received: Value = pickle.loads(pickle.dumps(value))  # noqa: S301 - its own
    return received


def replies(
    observations: Iterable[Observation], settings: WorkerSettings | None = None, checks: tuple[str, ...] = CHECKS
) -> Iterator[EndpointReply]:
    """Yield the replies of a worker that judges these observations, as the run reads them."""
    by_endpoint = {seen.endpoint: seen for seen in observations}
    chunk = Chunk(1, tuple(ChunkTarget(endpoint, checks, CHECKS) for endpoint in by_endpoint))
    lines: list[str] = []
    auditor = ChunkAuditor(sent(settings or worker_settings(SETTINGS, NOW)))
    auditor.judge(sent(chunk), by_endpoint.__getitem__, lambda reply: lines.append(reply.to_line()))
    yield from map(EndpointReply.from_line, lines)


def of_engine(observations: Iterable[Observation]) -> dict[Endpoint, dict[str, Result]]:
    """Return the results that the engine gives, apart from errors and from the key that is compared with others."""
    return {
        audited.endpoint: {
            result.check: result
            for result in audited.results
            if result.verdict is not Verdict.ERROR and result.check != "key.reuse"
        }
        for audited in audit((), SETTINGS, observed=observations)
        if not audited.endpoint.is_host
    }


def test_worker_judges_as_the_engine_does() -> None:
    observations = [seen for seen in (*recorded(), *hostile(20)) if not seen.endpoint.is_host]
    expected = of_engine(observations)
    for reply in replies(observations):
        results = results_in(reply.results)
        results.pop("key.reuse", None)
        assert results == expected[parse_endpoint(reply.endpoint)]
        assert (reply.observation, reply.connections) == ("", 0)


def test_certificates_that_endpoints_share_are_parsed_once() -> None:
    sharing = [seen(f"n{number}.example", GOOD, INTERMEDIATE) for number in range(50)]
    read_certificate.cache_clear()
    assert len(list(replies(sharing))) == 50
    assert read_certificate.cache_info().misses == 3  # leaf, intermediate and root


def test_error_is_left_to_the_run() -> None:
    broken = next(seen for seen in recorded() if seen.endpoint.name == "broken.example")
    (reply,) = replies([broken])
    assert "svc.unreachable" not in results_in(reply.results)


def test_run_learns_from_replies_which_keys_are_shared() -> None:
    sharing = [seen for seen in recorded() if seen.endpoint.name in ("one.example", "two.example", "self.example")]
    keys = KeyIndex()
    for reply in replies(sharing):
        keys.add_uses(reply.endpoint, reply.uses)
    assert [keys.has_shared_key(str(seen.endpoint)) for seen in sharing] == [False, True, True]
    assert keys.sharing(key_uses(sharing[1])[0].spki_sha256).is_shared


def test_only_checks_of_the_endpoint_are_judged() -> None:
    closed = next(seen for seen in recorded() if seen.endpoint.name == "closed.example")
    alone, both = (
        results_in(next(iter(replies([closed], checks=checks))).results)
        for checks in (("cert.expired",), ("cert.expired", "svc.unreachable"))
    )
    assert list(alone) == ["cert.expired"]
    assert sorted(both) == ["cert.expired", "svc.unreachable"]


def test_row_of_the_reply_is_that_of_the_results_file() -> None:
    good = seen("www.example.com", GOOD, INTERMEDIATE)
    (reply,) = replies([good])
    row = json.loads(reply.row)
    assert (row["endpoint"], row["resolved"], len(row["chain"])) == (str(good.endpoint), ["192.0.2.7"], 2)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a module with checks."""
    (tmp_path / "fleet_rules.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "fleet_rules"
    sys.modules.pop("fleet_rules", None)


def test_added_check_is_judged_unless_it_raises_an_assertion_or_a_bug(module: str) -> None:
    settings = replace(worker_settings(SETTINGS, NOW), modules=(module, "not_installed_here"))
    observations = [seen("www.example.com", GOOD, INTERMEDIATE), seen("a.example", GOOD, INTERMEDIATE)]
    found = [results_in(reply.results) for reply in replies(observations, settings, ("ext.rule", "ext.bug"))]
    assert [list(results) for results in found] == [[], ["ext.rule"]]
    assert found[1]["ext.rule"].verdict is Verdict.PASS


def test_settings_of_a_worker_lead_to_those_of_the_engine(tmp_path: Path) -> None:
    given = replace(SETTINGS, log_list=log_list(Log("one", "operator")), has_list_of_keys=True)
    settings = sent(worker_settings(given, NOW, tmp_path))
    made = settings.for_engine()
    cache: ReplyCache | None = made.revocation.cache
    assert cache is not None
    assert made.anchors.by_source() == {"mozilla": (ROOT.der,)}
    assert made.log_list is not None
    assert made.log_list.row == given.log_list.row if given.log_list else False
    assert (made.profiles, made.waivers, made.now, made.has_list_of_keys) == (given.profiles, WAIVERS, NOW, True)


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"endpoint": 1}', "[" * 100_000], ids=range(5))
def test_line_that_is_not_a_reply_is_refused(line: str) -> None:
    with pytest.raises(BadRecord, match="not"):
        EndpointReply.from_line(line)


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"check": "a.b"}]', "[" * 100_000], ids=range(5))
def test_text_that_holds_no_results_is_refused(text: str) -> None:
    with pytest.raises(BadRecord, match="not the results"):
        results_in(text)
