"""An audit without pytest: results of given observations and of servers on this machine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest

from audit import Finding, check
from audit.checks import test_key
from audit.endpoint import RUN, parse_endpoint
from audit.engine import AuditSettings, EndpointAudit, RevocationSettings, audit, built_in_checks
from audit.evaluation.key_index import KeyIndex
from audit.evaluation.waivers import Waiver
from audit.observation import Observation
from audit.policy import load_profile
from audit.probe import Limits, Target
from audit.verdict import Verdict
from tests.support.endpoint_facts import GOOD, INTERMEDIATE, observed, public, served
from tests.support.probe.tls_servers import both, serving, tls
from tests.support.x509.certificates import DAY, NOW, Draft, key_named, leaf

SETTINGS = AuditSettings(public(), NOW, limits=Limits(timeout_s=5), revocation=RevocationSettings(is_on=False))
EXPIRED = "cert.expired"


def seen(name: str, *drafts: Draft) -> Observation:
    """Return the observation of an endpoint that serves these drafts."""
    return observed(served(*drafts), endpoint=parse_endpoint(f"https://{name}"))


def verdicts(audited: EndpointAudit) -> Mapping[str, Verdict]:
    """Return the verdict of each check."""
    return {result.check: result.verdict for result in audited.results}


def waiver(check_id: str) -> Waiver:
    """Return a waiver for every endpoint."""
    return Waiver(check_id, "*", "moves next week", "ops", date(2026, 12, 31))


def test_built_in_checks_judge_each_observation_in_order() -> None:
    good, old = seen("good.example", leaf("good.example").by(INTERMEDIATE)), seen("old.example", GOOD.ending(NOW - DAY))
    first, second = audit((), SETTINGS, observed=(good, old))
    assert (first.endpoint, second.endpoint) == (good.endpoint, old.endpoint)
    assert verdicts(first)[EXPIRED] is Verdict.PASS
    assert verdicts(second)[EXPIRED] is Verdict.FAIL
    assert second.observation is old


def test_own_check_is_evaluated_alone() -> None:
    @check("own.name", severity="low", remedy="manual", source="our rules")
    def test_own_name(endpoint: object) -> None:
        raise Finding(f"{endpoint} is not ours")

    (audited,) = audit((), SETTINGS, [test_own_name], observed=[seen("www.example.com", GOOD)])
    assert [(result.check, result.verdict) for result in audited.results] == [("own.name", Verdict.FAIL)]
    assert audited.results[0].message == "https://www.example.com:443 is not ours"


def test_key_of_two_endpoints_is_compared_before_judging() -> None:
    drafts = [leaf(name).with_key(key_named("shared")).by(INTERMEDIATE) for name in ("one.example", "two.example")]
    settings = replace(SETTINGS, profiles=(load_profile("webpki"),))
    sharing = [observed(served(draft, INTERMEDIATE, address=f"192.0.2.{number}"),
                        endpoint=parse_endpoint(f"https://{name}.example"))
               for number, (name, draft) in enumerate(zip(("one", "two"), drafts, strict=True), 1)]  # fmt: skip
    first, _ = audit((), settings, [test_key.test_key_is_of_one_service], observed=sharing)
    (alone,) = audit((), settings, [test_key.test_key_is_of_one_service], observed=sharing[:1])
    messages = [result.message for report in (first, alone) for result in report.results if result.check == "key.reuse"]
    assert messages[0] != messages[1]
    assert "two.example" in messages[0]


def test_used_waiver_is_valid_and_unused_waiver_is_stale() -> None:
    settings = replace(SETTINGS, waivers=(waiver(EXPIRED), waiver("cert.expird")))
    endpoint, run = audit((), settings, observed=[seen("www.example.com", GOOD.ending(NOW - DAY), INTERMEDIATE)])
    assert verdicts(endpoint)[EXPIRED] is Verdict.WAIVED
    assert run.endpoint == RUN
    (stale,) = [result for result in run.results if result.check == "ops.waiver-stale"]
    assert stale.verdict is Verdict.FAIL
    assert "cert.expird" in stale.message
    assert f"{EXPIRED} " not in stale.message


def test_failure_to_index_keys_is_an_accident_of_that_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    add, broken = KeyIndex.add, seen("broken.example", GOOD, INTERMEDIATE)

    def failing(keys: KeyIndex, observation: Observation) -> None:
        if observation is broken:
            raise ZeroDivisionError("a bug of ours")
        add(keys, observation)

    monkeypatch.setattr(KeyIndex, "add", failing)
    first, second = audit((), SETTINGS, observed=(broken, seen("www.example.com", GOOD, INTERMEDIATE)))
    assert first.observation.accident is not None
    assert "a bug of ours" in first.observation.accident.reason
    assert second.observation.accident is None


def test_server_is_observed_and_follows_earlier_observations() -> None:
    with serving(tls(both(leaf("localhost").named("localhost")))) as server:
        target = Target(parse_endpoint(f"https://localhost:{server.port}?address=127.0.0.1"))
        earlier, audited = audit([target], SETTINGS, observed=[seen("www.example.com", GOOD, INTERMEDIATE)])
    assert earlier.endpoint == parse_endpoint("https://www.example.com")
    assert audited.endpoint == target.endpoint
    assert verdicts(audited)["cert.self-signed"] is Verdict.FAIL


def test_endpoints_not_begun_when_stopped_are_left_out() -> None:
    stop = threading.Event()
    stop.set()
    assert list(audit([Target(parse_endpoint("https://127.0.0.1:1"))], SETTINGS, stop=stop)) == []


def test_default_instant_is_the_time_of_the_audit() -> None:
    ended_in_2016 = replace(GOOD, start=NOW - 3700 * DAY).ending(NOW - 3650 * DAY)
    (ended,) = audit((), replace(SETTINGS, now=None), observed=[seen("www.example.com", ended_in_2016, INTERMEDIATE)])
    assert verdicts(ended)[EXPIRED] is Verdict.FAIL


def test_built_in_checks_include_those_of_the_run() -> None:
    names = {function.__name__ for function in built_in_checks()}
    assert {"test_no_waiver_stale", "test_every_line_is_usable"} <= names
