"""Waivers: what they cover, until when, and what becomes of one that is expired or stale."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from audit.config import read_waivers
from audit.evaluation.result import WaiverNote
from audit.evaluation.waivers import BadWaivers, Waiver, expired_waivers, find_waiver, stale_waivers
from tests.support.evidence import NOW, A, B, keep, rows, unreachable

LAST_DAY = date(2026, 11, 23)

WAIVER = """
[[waiver]]
check = "{check}"
endpoint = "{endpoint}"
reason = "moves next week"
owner = "ops@example.com"
expires = {expires}
"""


def text(check: str = "svc.*", endpoint: str = "*", expires: str = "2026-12-31") -> str:
    return WAIVER.format(check=check, endpoint=endpoint, expires=expires)


def run(pytester: pytest.Pytester, waivers: str, *arguments: str) -> pytest.RunResult:
    evidence = keep(pytester.path / "evidence", [unreachable(A), unreachable(B)])
    (pytester.path / "waivers.toml").write_text(waivers)
    given = ["--audit-from-evidence", str(evidence), "--audit-results", "results.jsonl", "--audit-waivers"]
    return pytester.runpytest("--pyargs", "audit", *given, "waivers.toml", *arguments)


def verdicts(pytester: pytest.Pytester, check: str) -> dict[str, str]:
    found = rows(pytester.path / "results.jsonl")
    return {row["endpoint"]: row["verdict"] for row in found if row["check"] == check}


def test_only_the_star_is_a_wildcard() -> None:
    waiver = Waiver("cert.*", "https://[2001:db8::1]:443", "r", "o", date(2026, 12, 31))
    assert waiver.covers("cert.expired", "https://[2001:db8::1]:443")
    assert not waiver.covers("cert.expired", "https://2:443")
    assert not waiver.covers("svc.unreachable", "https://[2001:db8::1]:443")


def test_waiver_is_valid_to_the_end_of_its_last_day() -> None:
    waiver = Waiver("*", "*", "r", "o", date(2026, 11, 23))
    assert not waiver.has_expired(datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC))
    assert waiver.has_expired(datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize("written", ["2026-11-23", '"2026-11-23"'])
def test_last_day_is_a_date_or_a_text_that_names_one(tmp_path: Path, written: str) -> None:
    (file := tmp_path / "waivers.toml").write_text(text(expires=written))
    assert [waiver.expires for waiver in read_waivers(file)] == [LAST_DAY]


def a_waiver(check: str = "cert.expired", *, owner: str = "ops", expires: date = LAST_DAY) -> Waiver:
    return Waiver(check, "https://a.*", "moves", owner, expires)


def test_finding_has_the_first_waiver_that_has_not_passed_its_last_day() -> None:
    over = a_waiver(owner="first", expires=date(2026, 11, 22))
    waivers = (a_waiver("key.weak"), over, a_waiver(owner="second"), a_waiver(owner="third"))
    assert find_waiver(waivers, "cert.expired", "https://a.example:443", NOW) == a_waiver(owner="second")
    assert find_waiver(waivers, "cert.expired", "https://b.example:443", NOW) is None
    assert find_waiver((over,), "cert.expired", "https://a.example:443", NOW) is None


def test_waiver_past_its_last_day_is_named_as_expired() -> None:
    over = a_waiver(expires=date(2026, 11, 22))
    assert expired_waivers((a_waiver(), over), NOW) == (
        "waiver of cert.expired for https://a.* (ops, until 2026-11-22)",
    )


@pytest.mark.parametrize(
    ("check", "hint"),
    [
        ("cert.expired", ""),
        ("cert.*", ""),
        ("cert.expird", "; did you mean 'cert.expired'?"),
        ("crt.*", "; did you mean 'cert.*'?"),
        ("certs", "; did you mean 'cert.*'?"),
        ("acme.own", ""),
        ("acme.*", ""),
    ],
)
def test_waiver_before_its_last_day_that_covers_no_finding_is_stale(check: str, hint: str) -> None:
    over = a_waiver(expires=date(2026, 11, 22))
    name = f"waiver of {check} for https://a.* (ops, until 2026-11-23)"
    waived = {("cert.expired", "https://b.example:443")}
    assert stale_waivers((a_waiver(check), over), waived, NOW, {"cert.expired", "key.weak"}) == (name + hint,)


def test_waiver_that_covers_a_finding_on_its_last_day_is_not_stale() -> None:
    waived = {("key.weak", "https://b.example:443"), ("cert.expired", "https://a.example:443")}
    assert stale_waivers((a_waiver(),), waived, NOW, ()) == ()


def test_note_of_a_result_has_reason_owner_and_last_day() -> None:
    assert a_waiver().note == WaiverNote("moves", "ops", "2026-11-23")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[waiver]]\ncheck = "x"', "number 1: it has no 'endpoint'"),
        (text() + "ticket = 5", "number 1: it has an unknown key 'ticket'"),
        (text(expires='"soon"'), "expires = 'soon' is not a date"),
        (text(expires="2026-12-31T10:00:00Z"), "2026, 12, 31, 10, 0, tzinfo=datetime.timezone.utc) is not a date"),
        (text(check=""), "check = '' is not a text, or empty"),
        (text().replace('"ops@example.com"', "7"), "owner = 7 is not a text, or empty"),
        (text().replace("expires", "expire"), "number 1: it has an unknown key 'expire'; did you mean 'expires'?"),
        ("[waiver]\ncheck='x'", "two brackets"),
        ("[[waivers]]", "unknown key 'waivers'; did you mean 'waiver'?"),
        ("waiver = ", "waivers.toml"),
    ],
)
def test_invalid_waiver_names_file_number_and_field(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(text)
    with pytest.raises(BadWaivers, match=r"waivers\.toml") as caught:
        read_waivers(file)
    assert message in str(caught.value)


def test_waived_finding_stays_visible_without_failure(pytester: pytest.Pytester) -> None:
    result = run(pytester, text("svc.unreachable", "https://a.*"))
    assert verdicts(pytester, "svc.unreachable") == {str(A): "waived", str(B): "fail"}
    (row,) = [row for row in rows(pytester.path / "results.jsonl") if row["verdict"] == "waived"]
    assert row["waiver"] == {"reason": "moves next week", "owner": "ops@example.com", "expires": "2026-12-31"}
    assert verdicts(pytester, "ops.waiver-stale") == {"run/": "pass"}
    assert result.ret == 1


def test_waiver_that_matches_nothing_is_a_finding(pytester: pytest.Pytester) -> None:
    result = run(pytester, text() + text("cert.expired", "https://gone.*"))
    assert verdicts(pytester, "ops.waiver-stale") == {"run/": "fail"}
    assert result.ret == 1
    result.stdout.fnmatch_lines(["run/  medium ops.waiver-stale: *https://gone.*"])


@pytest.mark.parametrize("restriction", [("-k", "reachable"), ("--lf",), ("-m", "not slow"), ("-x",), ("--sw",)])
def test_partial_run_reports_no_stale_waivers(pytester: pytest.Pytester, restriction: tuple[str, ...]) -> None:
    run(pytester, text() + text("cert.expired", "https://gone.*"), *restriction)
    assert verdicts(pytester, "ops.waiver-stale") == {}


def test_waiver_for_an_unknown_check_names_the_nearest_check(pytester: pytest.Pytester) -> None:
    result = run(pytester, text() + text("cert.expird"))
    result.stdout.fnmatch_lines(["run/  medium ops.waiver-stale: *did you mean 'cert.expired'*"])


def test_finding_with_two_waivers_matches_both(pytester: pytest.Pytester) -> None:
    run(pytester, text("svc.*") + text("svc.unreachable"))
    assert verdicts(pytester, "ops.waiver-stale") == {"run/": "pass"}


def test_expired_waiver_is_a_finding_and_waives_nothing(pytester: pytest.Pytester) -> None:
    result = run(pytester, text(expires="2026-11-22"))
    assert set(verdicts(pytester, "svc.unreachable").values()) == {"fail"}
    assert verdicts(pytester, "ops.waiver-expired") == {"run/": "fail"}
    assert verdicts(pytester, "ops.waiver-stale") == {"run/": "pass"}
    assert result.ret == 1
