"""Tests of cases that wait: for a finding, an address, a new audit, an issuer, or the next run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pytest

from audit.policy import Profile, load_profile
from remediate.model.audit_results import audit_results_of
from remediate.model.case import Repair
from remediate.model.causes import Cause
from remediate.model.options import RunLimits
from remediate.model.plan import Plan
from remediate.planning.planner import plan
from tests.support.remediate.cpanel_rows import fresh
from tests.support.remediate.result_rows import NOW, SUMMARY, Row, expired, file, found, planned, seen, served_chain

WEB: Final = "web1/https://www.example.com:443"
MAIL: Final = "web1/imaps://mail.example.com:993"
OTHER: Final = "web2/https://www.example.com:443"
SHOP: Final = "web1/https://shop.example.com:443"
WEBPKI: Final = (load_profile("webpki"),)
BOTH: Final = ["192.0.2.1", "192.0.2.9"]


def why(outcome: Plan) -> tuple[str, ...]:
    """Return why the first case that waits does so, in sentences."""
    return tuple(blocker.text for blocker in outcome.waiting[0].blocked_by)


@pytest.mark.parametrize(
    "obstacle",
    [
        found(WEB, "dns.unresolvable"),
        found(WEB, "dns.not-this-host"),
        found(WEB, "dcv.http-unreachable"),
        found(WEB, "ops.clock-skew", severity="medium"),
        found("web1/", "ops.clock-skew", severity="medium"),
        found(WEB, "cert.not-yet-valid", remedy="host"),
        found(WEB, "svc.unreachable", detail={"stages": ["connect"]}),
        found(MAIL, "svc.unreachable", detail={"stages": ["resolve"]}),
        found(MAIL, "svc.unreachable", verdict="inconclusive", detail={"because": "svc.not-started"}),
    ],
    ids=lambda row: f"{row['endpoint']}:{row['check']}",
)
def test_case_waits_for_a_finding_that_would_make_it_fail(obstacle: Row) -> None:
    outcome = planned(seen(WEB), seen(MAIL), found(WEB, "cert.expired"), obstacle)
    assert (outcome.cases, len(outcome.waiting)) == ((), 1)
    assert why(outcome) == (f"{obstacle['endpoint']}: {obstacle['check']}: {obstacle['message']}",)


@pytest.mark.parametrize(
    "harmless",
    [
        found(WEB, "dns.caa-missing", severity="low"),
        found(WEB, "dns.not-this-host", verdict="inconclusive"),
        found(WEB, "dns.unresolvable", verdict="waived"),
        found(WEB, "svc.unreachable", detail={"stages": ["handshake"]}),
        found("web1/", "dns.unresolvable"),
        found(OTHER, "dns.unresolvable"),
        seen(OTHER, resolved=BOTH, own_addresses=BOTH[1:]),
    ],
    ids=lambda row: f"{row['endpoint']}:{row.get('check')}:{row.get('verdict')}",
)
def test_case_does_not_wait_for_unrelated_findings(harmless: Row) -> None:
    observed = seen(WEB, resolved=BOTH, own_addresses=BOTH[:1]) if harmless["kind"] == "observation" else seen(WEB)
    assert len(planned(observed, found(WEB, "cert.expired"), harmless).cases) == 1


_ADDRESS: Final = (
    "www.example.com leads to 192.0.2.9 too, which is not a host of this run: the file for the CA cannot be there"
)
_SELECTED: Final = f"not all checks were run on {WEB}: run the audit again without -k, -m, --lf and --audit-check"


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ((seen(WEB), found(WEB, "svc.disk-vs-wire"), seen(SHOP, leaf="shop", key="shop"),
          found(SHOP, "svc.config-missing-file"), SUMMARY),
         f"nginx would not load its configuration: {SHOP}: svc.config-missing-file it is"),
        ((seen(WEB, resolved=BOTH, own_addresses=BOTH[:1]), found(WEB, "cert.expired"), SUMMARY), _ADDRESS),
        ((*expired(observed_at=None), SUMMARY), "the time of its observation is not known"),
        ((*expired(), {**SUMMARY, "partial": [WEB]}), _SELECTED),
    ],
    ids=["configuration", "address", "unknown age", "selected checks"],
)  # fmt: skip
def test_case_waits_for_one_reason(rows: tuple[Row, ...], text: str) -> None:
    outcome = plan(audit_results_of(rows), RunLimits(), NOW)
    assert (outcome.cases, len(outcome.waiting), why(outcome)) == ((), 1, (text,))


@pytest.mark.parametrize(
    ("rows", "now", "text"),
    [
        ((SUMMARY,), NOW + timedelta(hours=3), "the audit is 3 h 5 min old (limit 30 min): run the audit again"),
        ((SUMMARY,), NOW - timedelta(hours=1), "one of the clocks is wrong"),
        ((), NOW, "did not finish"),
    ],
    ids=["old", "future", "unfinished"],
)
def test_case_waits_for_an_audit_that_can_be_used(rows: tuple[Row, ...], now: datetime, text: str) -> None:
    outcome = plan(audit_results_of([*expired(), *rows]), RunLimits(), now)
    [because, *others] = why(outcome)
    assert (outcome.cases, text in because, others if rows else []) == ((), True, [])


def test_host_excluded_by_a_pattern_makes_the_other_hosts_of_its_name_wait() -> None:
    run_limits = RunLimits(excluded_hosts=("ssh://*@web1",))
    outcome = planned(*expired(), *expired(host="web2"), run_limits=run_limits)
    assert outcome.cases == ()
    assert "web1 too, where nothing is changed" in why(outcome)[0]
    assert [entry.kind for entry in outcome.explained] == ["switched-off"]


@pytest.mark.parametrize(("count", "waiting"), [(2, 0), (5, 3)])
def test_cases_beyond_the_limit_of_a_run_wait(count: int, waiting: int) -> None:
    rows = [row for number in range(count) for row in expired(name=f"n{number}.example.com")]
    outcome = planned(*rows, run_limits=RunLimits(max_cases=2))
    texts = [blocker.text for case in outcome.waiting for blocker in case.blocked_by]
    assert len(outcome.cases) == 2
    assert texts == ["a run repairs at most 2 certificates (max_cases), and 5 need it"] * waiting


def test_without_an_issuer_only_repairs_without_an_order_are_planned() -> None:
    mail = (seen(MAIL, ("mail.example.com",), leaf="mail", key="mail"), found(MAIL, "svc.disk-vs-wire"))
    outcome = planned(*expired(), *mail, run_limits=RunLimits(can_order=False))
    assert [case.repair for case in outcome.cases] == [Repair.RELOAD]
    assert len(outcome.waiting) == 1
    assert why(outcome)[0].startswith("no issuer is chosen")


@pytest.mark.parametrize(
    ("key_type", "run_limits", "waits"),
    [
        ("ML-DSA-65", RunLimits(), True),
        ("SLH-DSA-SHA2-128s", RunLimits(key_type="rsa-2048"), True),
        ("ML-DSA-65", RunLimits(key_type="ml-dsa-87"), False),
        ("ML-DSA-65", RunLimits(replaces_post_quantum=True), False),
        ("EC", RunLimits(), False),
        (None, RunLimits(), False),
    ],
)
def test_post_quantum_key_is_replaced_by_a_classical_one_on_request_only(
    key_type: str | None, run_limits: RunLimits, *, waits: bool
) -> None:
    chain = {**served_chain("www.example.com", "192.0.2.1"), "key_type": key_type}
    observed, finding = expired()
    outcome = planned({**observed, "chains": [chain]}, finding, run_limits=run_limits)
    assert (len(outcome.cases), len(outcome.waiting)) == ((0, 1) if waits else (1, 0))
    if waits:
        [blocker] = outcome.waiting[0].blocked_by
        assert blocker.cause is Cause.PLAN_POST_QUANTUM
        assert blocker.text.startswith(f"its key is a post-quantum one ({key_type}), and the issuer's key type is ")


@pytest.mark.parametrize(("days", "policies", "waits"), [(199, WEBPKI, False), (201, WEBPKI, True), (398, (), False)])
def test_product_that_is_valid_for_too_long_is_not_ordered(
    days: int, policies: tuple[Profile, ...], *, waits: bool
) -> None:
    run_limits = RunLimits(lifetime=timedelta(days=days), lifetime_policies=policies)
    outcome = planned(*expired(), run_limits=run_limits)
    assert (len(outcome.cases), len(outcome.waiting)) == ((0, 1) if waits else (1, 0))
    if waits:
        limit = "the limit of webpki is 200 days from 2026-03-15 on"
        assert why(outcome) == (f"the product is valid for 201 days: {limit}",)


@pytest.mark.parametrize(
    ("fault", "run_limits", "cause"),
    [
        ("encrypted", RunLimits(), Cause.PLAN_KEY_ENCRYPTION),
        ("encrypted", RunLimits(key_encryption="keep"), None),
        ("encrypted", RunLimits(key_encryption="drop"), None),
        ("prompted", RunLimits(), Cause.PLAN_KEY_ENCRYPTION),
        ("prompted", RunLimits(key_encryption="keep"), Cause.PLAN_KEY_PROMPT),
        ("prompted", RunLimits(key_encryption="drop"), None),
        ("denied", RunLimits(), None),
    ],
)
def test_encrypted_key_is_replaced_if_its_encryption_is_decided(
    fault: str, run_limits: RunLimits, cause: Cause | None
) -> None:
    observed, finding = expired()
    key = {"path": "/etc/ssl/a.key", "kind": "key", "fault": fault}
    outcome = planned({**observed, "installed": [key]}, finding, run_limits=run_limits)
    assert (len(outcome.cases), len(outcome.waiting)) == ((0, 1) if cause else (1, 0))
    if cause:
        [blocker] = outcome.waiting[0].blocked_by
        assert blocker.cause is cause
        assert "[remediate] key_encryption = " in blocker.cause.advice
        assert blocker.text.startswith("/etc/ssl/a.key is encrypted, and ")


def test_panel_program_renews_services_of_the_panel_only() -> None:
    outcome = planned(*fresh("cpanel"), *expired(host="web2"), run_limits=RunLimits(is_panels_issuer=True))
    [case] = outcome.cases
    assert (case.repair, case.owner, case.is_panel) == (Repair.RUN_OWNER, "cpanel", True)
    assert len(outcome.waiting) == 1
    assert why(outcome) == (
        "the chosen issuer is the program of a cPanel & WHM server: it orders only for services of that panel",
    )


_BY_FILE: Final = "*.example.com needs DNS validation: a wildcard cannot be validated by a file"
_NO_NAME: Final = "the configuration gives up every name of the certificate (drop_names)"


@pytest.mark.parametrize(
    ("run_limits", "texts"),
    [
        (RunLimits(), (f"{_BY_FILE} (Baseline Requirements 3.2.2.4.18)",)),
        (RunLimits(validates_by_file=False), ()),
        (RunLimits(given_up=("*.example.com",)), ()),
        (RunLimits(given_up=("*.example.com", "www.example.com")), (_NO_NAME,)),
    ],
    ids=["by file", "by DNS", "given up", "every name given up"],
)
def test_wildcard_waits_for_dns_validation(run_limits: RunLimits, texts: tuple[str, ...]) -> None:
    outcome = planned(seen(WEB, ("*.example.com",)), found(WEB, "cert.expired"), run_limits=run_limits)
    assert (len(outcome.cases), why(outcome) if texts else ()) == (0 if texts else 1, texts)


def test_finding_about_a_name_that_is_given_up_blocks_nothing() -> None:
    rows = (seen(WEB), seen(MAIL), found(WEB, "cert.expired"), found(MAIL, "dns.unresolvable"))
    outcome = planned(*rows, run_limits=RunLimits(given_up=("mail.example.com",)))
    (case,) = outcome.cases
    assert case.names == ("www.example.com",)
    assert [(dropped.name, dropped.why) for dropped in case.dropped_names] == [
        ("mail.example.com", "the configuration gives the name up ([remediate] drop_names)")
    ]


_TO_DO: Final = "log in as root, or use --sudo"
_FILE: Final = "/etc/ssl/www.pem"


@pytest.mark.parametrize(
    ("check", "of_login", "lacking"),
    [
        ("cert.expired", {"login": "root"}, ""),
        ("cert.expired", {}, ""),  # results of an earlier version
        ("cert.expired", {"login": "deploy"}, f"replace {_FILE} of root, reload nginx"),
        ("svc.disk-vs-wire", {"login": "deploy"}, "reload nginx"),
        ("key.permissions", {"login": "deploy"}, f"replace {_FILE} of root"),
        ("cert.expired", {"login": "deploy", "service": "gateway"}, f"replace {_FILE} of root"),
        ("cert.expired", {"login": "root", "service": "gateway"}, ""),
    ],
)
def test_login_without_a_right_is_a_blocker_that_names_it(check: str, of_login: Row, lacking: str) -> None:
    rows = (seen(WEB, files=[file(_FILE)], **of_login), found(WEB, check))
    outcome = planned(*rows, run_limits=RunLimits(declared_services=frozenset({"gateway"})))
    blockers = [blocker for case in outcome.waiting for blocker in case.blocked_by]
    text = f"the login deploy to web1 may not {lacking}: {_TO_DO}"
    assert [(blocker.cause, blocker.text) for blocker in blockers] == ([(Cause.HOST_LOGIN, text)] if lacking else [])
    assert len(outcome.cases) == (0 if lacking else 1)


def test_login_that_may_run_only_the_collector_repairs_nothing() -> None:
    rows = (seen(WEB, login="root", collector="/usr/local/sbin/collect"), found(WEB, "cert.expired"))
    assert why(planned(*rows)) == (
        f"the login to web1 may run only the collector /usr/local/sbin/collect as root: {_TO_DO}",
    )
