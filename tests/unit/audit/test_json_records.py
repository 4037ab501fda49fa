"""Tests of records in JSON and TOML: what is encoded, decoded and refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal

import pytest

from audit.endpoint import Endpoint
from audit.evaluation.result import Result, WaiverNote
from audit.json_codec import (
    BadRecord,
    format_time,
    from_json,
    from_table,
    nearest,
    of_kind,
    parse_time,
    require_known,
    table_of,
    to_json,
)
from audit.observation import ConfigTest, DnsView, Observation, ProbeFailure
from audit.observation.website import Docroot, Website
from audit.verdict import Remedy, Severity, Verdict
from tests.support.endpoint_facts import certificate_file, host, key_file, observed, served

WEBSITES = (
    Website("nginx", "best", 80, ("0.0.0.0", "::"), ("www.example.com",), is_default=True, docroot=Docroot("/srv", "")),
    Website("apache", "first", 8080, why="apache handles it by `Redirect / https://x/`, not from a directory"),
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
    "https://www.example.com:443", None, None, "cert.expired", Verdict.WAIVED, Severity.CRITICAL, "expired",
    {"observed": ["a"], "required": None}, Remedy.REISSUE, "RFC 5280 4.1.2.5", ("NIST 800-53 SC-17",), "webpki",
    waiver=WaiverNote("lab", "ops", "2026-12-31"), observed_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
)  # fmt: skip


@pytest.mark.parametrize("record", [FULL, RESULT, Observation(Endpoint.of_host("web1", None), FULL.observed_at)])
def test_record_is_equal_after_encoding_and_decoding(record: Any) -> None:  # noqa: ANN401 - records of several types
    text = json.dumps(to_json(record))
    assert from_json(type(record), json.loads(text)) == record


def test_times_are_rfc_3339_in_utc() -> None:
    moment = datetime(2026, 11, 23, 11, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-11-23T10:00:00.000005Z"
    assert parse_time("2026-11-23T11:00:00+01:00") == datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": None}, "None is not a dict"),
        ({"addresses": "192.0.2.7"}, "is not a list"),
        ({"connections": True}, "is not a int"),
        ({"elapsed_s": "long"}, "is not a float"),
        ({"observed_at": "yesterday"}, "'yesterday' is not an RFC 3339 time"),
        ({"observed_at": "2026-11-23"}, "no time zone"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "is not between the years 1 and 9999"),
        ({"observed_at": "9999-12-31T23:59:59-14:00"}, "is not between the years 1 and 9999"),
        ({"failures": [{"stage": "dream", "kind": "refused", "detail": ""}]}, "'dream' is not one of"),
        ({"failures": [{"stage": "connect"}]}, "has no 'kind'"),
    ],
)
def test_invalid_value_is_refused_with_its_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRecord, match=f"{next(iter(change))}: .*{message}"):
        from_json(Observation, {**to_json(FULL), **change})


def test_missing_field_without_a_default_is_refused() -> None:
    value = to_json(FULL)
    del value["connections"]
    assert from_json(Observation, value).connections == 0
    del value["endpoint"]
    with pytest.raises(BadRecord, match=r"an? Observation has no 'endpoint'"):
        from_json(Observation, value)


@dataclass(frozen=True)
class Port:
    """What a user writes as a whole number."""

    number: int

    @classmethod
    def from_value(cls, value: Any) -> Port:  # noqa: ANN401 - what a table holds
        """Return the port of a value."""
        return cls(of_kind(int, value))


@dataclass(frozen=True)
class Rule:
    """A part of the settings."""

    name: str
    limit: float = 1.0


@dataclass(frozen=True)
class Settings:
    """What a table of a TOML file is read as."""

    title: str
    class_: int
    level: Literal["low", "high"] = "low"
    rules: tuple[Rule, ...] = ()
    named: Mapping[str, Rule] = field(default_factory=dict)
    port: Port | None = None
    note: str | None = field(default=None, metadata={"was": "remark"})
    anything: Any = None
    severity: Severity = Severity.LOW


LEAST = {"title": "all", "class": 1}


def test_table_is_decoded_to_a_record() -> None:
    table = table_of(
        b"""
        title = "all"
        class = 1
        level = "high"
        rules = [{ name = "a", limit = 2 }, { name = "b" }]
        named.c = { name = "c", limit = 0.5 }
        port = 443
        note = "new"
        anything = [1, "x"]
        severity = "critical"
        """
    )
    rules = (Rule("a", 2.0), Rule("b"))
    assert from_table(Settings, table) == Settings(
        "all", 1, "high", rules, {"c": Rule("c", 0.5)}, Port(443), "new", [1, "x"], Severity.CRITICAL
    )
    assert from_table(Settings, LEAST) == Settings("all", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titel": "x"}, "unknown key 'titel'; did you mean 'title'?"),
        ({"remark": "old"}, "the key 'remark' is now called 'note'"),
        ({"title": 1}, "title: 1 is not a text"),
        ({"class": True}, "class: true is not a whole number"),
        ({"level": "middle"}, "level: 'middle' is not one of 'low', 'high'"),
        ({"level": "hihg"}, "level: 'hihg' is not one of 'low', 'high'; did you mean 'high'?"),
        ({"rules": {}}, "rules: {} is not a list"),
        ({"rules": [{"name": "a"}, {"name": 2}]}, "rules: number 2: name: 2 is not a text"),
        ({"named": []}, "named: [] is not a table"),
        ({"named": {"a b": {}}}, "named: 'a b': the key 'name' is missing"),
        ({"rules": [1]}, "rules: number 1: 1 is not a table"),
        ({"rules": [{"name": "a", "limit": "x"}]}, "rules: number 1: limit: 'x' is not a number"),
        ({"rules": [{"name": "a", "limit": False}]}, "rules: number 1: limit: false is not a number"),
        ({"port": "x"}, "port: 'x' is not a whole number"),
        ({"severity": "bad"}, "severity: 'bad' is not a valid Severity"),
    ],
)
def test_error_in_a_table_is_reported_in_terms_of_toml(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRecord) as raised:
        from_table(Settings, LEAST | change)
    assert str(raised.value) == message


def test_first_missing_key_is_named_as_the_user_writes_it() -> None:
    for table, key in (({}, "title"), ({"title": "all"}, "class"), ({"class": 1}, "title")):
        with pytest.raises(BadRecord, match=f"^the key '{key}' is missing$"):
            from_table(Settings, table)


def test_a_key_of_a_later_version_is_ignored_in_json_only() -> None:
    assert from_json(Rule, {"name": "a", "added": 1}) == Rule("a")
    with pytest.raises(BadRecord, match=r"^unknown key 'added'; known are limit, name$"):
        from_table(Rule, {"name": "a", "added": 1})


def test_first_unknown_key_is_named_with_the_nearest_known_one() -> None:
    require_known(["b", "a"], ("a", "b", "c"))
    with pytest.raises(BadRecord, match=r"^unknown key 'xyz'; known are a, b, c$"):
        require_known(["b", "xyz", "uvw"], ("c", "b", "a"))
    assert nearest("tilte", ["level", "title"]) == "; did you mean 'title'?"
    assert nearest("xyz", ["level", "title"]) == ""


@pytest.mark.parametrize(
    ("kind", "value"), [(bool, False), (int, 3), (float, 0.5), (str, ""), (list, [1]), (dict, {}), (date, date.min)]
)
def test_value_of_the_right_type_is_returned(kind: type, value: object) -> None:
    assert of_kind(kind, value) is value


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (bool, 1, "1 is not true or false"), (int, True, "true is not a whole number"), (float, 1, "1 is not a number"),
        (str, False, "false is not a text"), (list, "x", "'x' is not a list"), (dict, [], "[] is not a table"),
        (date, "2026-11-23", "'2026-11-23' is not a date"), (bytes, "x", "'x' is not a bytes"),
        (str, 10**57, f"{10**57} is not a text"), (int, "x" * 58, f"'{'x' * 58}' is not a whole number"),
        (int, "x" * 59, f"'{'x' * 59}… is not a whole number"),
    ],
)  # fmt: skip
def test_value_of_a_wrong_type_is_quoted_up_to_60_characters(kind: type, value: object, message: str) -> None:
    with pytest.raises(BadRecord) as raised:
        of_kind(kind, value)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb = \xff\n", "line 2: it is not in UTF-8; save the file in UTF-8"),
        (b"\xff", "line 1: it is not in UTF-8; save the file in UTF-8"),
        (b"\n\xff", "line 2: it is not in UTF-8; save the file in UTF-8"),
        (b"a = 1\nb = \n", "line 2: invalid value; in TOML a line is"),
        (b"a = 1\n\nb = [1,", "line 3: "),
        (b"a = " + b"[" * 5000, "its tables and lists are nested too deeply"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_with_the_line(content: bytes, message: str) -> None:
    with pytest.raises(BadRecord) as raised:
        table_of(content)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (datetime, 1, "1 is not a str"),
        (bytes, 1, "1 is not a str"),
        (float, True, "True is not a float"),
        (dict[str, int], [], r"\[\] is not a dict"),
        (Port | str, None, "null where .* was expected"),
        (Rule, {"name": 1}, "^name: 1 is not a str"),
        (Rule, {}, "^a Rule has no 'name'$"),
    ],
)
def test_a_json_value_of_another_type_is_refused(kind: Any, value: object, message: str) -> None:  # noqa: ANN401 - types
    with pytest.raises(BadRecord, match=message):
        from_json(kind, value)


def test_json_values_are_decoded_by_their_types() -> None:
    assert from_json(bytes, "AAE=") == b"\x00\x01"
    assert repr(from_json(float, 1)) == "1.0"
    assert from_json(dict[str, bytes], {"a": "AAE="}) == {"a": b"\x00\x01"}
    assert from_json(Port, {"number": 1}) == Port(1)
    assert to_json({1: (b"\x00\x01", Severity.CRITICAL)}) == {"1": ["AAE=", "critical"]}
