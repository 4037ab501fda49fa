"""Records to JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from audit.endpoint import Endpoint
from audit.evaluation.result import Result, WaiverNote
from audit.json_codec import BadRecord, format_time, from_json, parse_time, to_json
from audit.observation import ConfigTest, DnsView, Observation, ProbeFailure
from audit.observation.website import Docroot, Website
from audit.verdict import Remedy, Severity, Verdict
from tests.audit.facts import certificate_file, host, key_file, observed, served

WEBSITES = (
    Website("nginx", "best", 80, ("0.0.0.0", "::"), ("www.example.com",), is_default=True, docroot=Docroot("/srv", "")),
    Website("apache", "first", 8080, why="apache answers it by `Redirect / https://x/`, not from a folder"),
)
FULL = replace(
    observed(
        served(),
        failures=(ProbeFailure("connect", "refused", "connection refused", "192.0.2.8"),),
        dns=DnsView("ok", ("192.0.2.7",)),
        server=replace(
            host(certificate_file(), key_file()), config_test=ConfigTest("nginx -t", ok=True), websites=WEBSITES
        ),
    ),
    connections=3,
    elapsed_s=0.25,
)
RESULT = Result(
    endpoint="https://www.example.com:443",
    host=None,
    service=None,
    check="cert.expired",
    verdict=Verdict.WAIVED,
    severity=Severity.CRITICAL,
    message="expired",
    detail={"observed": ["a"], "required": None},
    remedy=Remedy.REISSUE,
    source="RFC 5280 4.1.2.5",
    controls=("NIST 800-53 SC-17",),
    policy="webpki",
    waiver=WaiverNote("lab", "ops", "2026-12-31"),
    observed_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
)


@pytest.mark.parametrize("record", [FULL, RESULT, Observation(Endpoint.of_host("web1", None), FULL.observed_at)])
def test_a_record_comes_back_from_json_as_it_was(record: Any) -> None:  # noqa: ANN401 - records of several types
    text = json.dumps(to_json(record))
    assert from_json(type(record), json.loads(text)) == record


def test_times_are_rfc_3339_in_utc() -> None:
    moment = datetime(2026, 11, 23, 11, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-11-23T10:00:00.000005Z"
    assert parse_time("2026-11-23T11:00:00+01:00") == datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(("text", "says"), [("yesterday", "is not an RFC 3339 time"), ("2026-11-23", "no time zone")])
def test_a_time_that_is_none_says_what_would_be_right(text: str, says: str) -> None:
    with pytest.raises(BadRecord, match=says):
        parse_time(text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"endpoint": None}, "endpoint: None is not a dict"),
        ({"addresses": "192.0.2.7"}, "is not a list"),
        ({"connections": True}, "is not a int"),
        ({"elapsed_s": "long"}, "is not a float"),
        ({"failures": [{"stage": "dream", "kind": "refused", "detail": ""}]}, "'dream' is not one of"),
        ({"failures": [{"stage": "connect"}]}, "has no 'kind'"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRecord, match=says):
        from_json(Observation, {**to_json(FULL), **change})


def test_a_missing_field_is_named_and_one_with_a_default_is_not_missed() -> None:
    value = to_json(FULL)
    del value["connections"]
    assert from_json(Observation, value).connections == 0
    del value["endpoint"]
    with pytest.raises(BadRecord, match=r"an? Observation has no 'endpoint'"):
        from_json(Observation, value)
