"""Tests of the planner: which findings become which cases, and which findings are explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import pytest

from audit.text import join_clauses
from remediate.model.case import STEPS, UNKNOWN_ALONE, Repair, Validation
from remediate.model.options import RunLimits
from tests.support.remediate.result_rows import Row, digest, expired, file, found, planned, seen, served_chain

WEB: Final = "web1/https://www.example.com:443"
MAIL: Final = "web1/imaps://mail.example.com:993"
PROXY: Final = "web1/https://www.example.com:8444"
OTHER: Final = "web2/https://www.example.com:443"
OUTSIDE: Final = "https://www.example.com:443"
FILES: Final = (file("/etc/ssl/www.pem"), file("/etc/ssl/www.key", "key", "old-key"))
NAMES: Final = ("mail.example.com", "www.example.com")
MAIL_FILES: Final = (file("/etc/m.pem"), file("/etc/m.key", "key", "key of m"))
ONE_FILE: Final = (file("/etc/ssl/one.pem"),)
RUN_OWNER: Final = RunLimits(foreign="run-owner")
IN_USE: Final[Mapping[str, Any]] = {"files": FILES, "own_addresses": ["192.0.2.7"]}


def of_agent(agent: str, endpoint: str = WEB, verdict: str = "fail") -> Row:
    """Return the finding that an agent owns the certificate."""
    detail = {"observed": agent}
    return found(endpoint, "ops.foreign-agent", detail=detail, severity="info", verdict=verdict)


def test_expired_certificate_is_reissued_in_eight_steps() -> None:
    [case] = planned(seen(WEB, files=FILES), found(WEB, "cert.expired")).cases
    assert (case.repair, case.host, case.hostspec) == (Repair.REISSUE, "web1", "ssh://root@web1")
    assert [step.name for step in case.steps] == [
        "preconditions", "self-test", "key", "order", "collect", "install nginx", "reload nginx", f"proof {WEB}",
    ]  # fmt: skip
    assert {step.state for step in case.steps} == {"planned"}
    assert [used.path for used in case.files] == ["/etc/ssl/www.key", "/etc/ssl/www.pem"]


@pytest.mark.parametrize(
    ("rows", "steps", "expected"),
    [
        pytest.param(
            (seen(WEB, NAMES, files=FILES), seen(MAIL, NAMES, files=[file("/etc/x.pem")], service="dovecot"),
             found(MAIL, "cert.expired")),
            ["preconditions", "self-test", "key", "order", "collect", "install dovecot", "install nginx",
             "reload dovecot", "reload nginx", f"proof {WEB}", f"proof {MAIL}"],
            {"services": ("dovecot", "nginx"), "endpoints": (WEB, MAIL)}, id="copies of one certificate"),
        pytest.param(
            (seen(WEB, files=ONE_FILE, leaf="new", key="new-key"), seen(MAIL, files=ONE_FILE, service="dovecot"),
             found(MAIL, "cert.expired")),
            None, {"services": ("dovecot", "nginx")}, id="one file, one service not reloaded"),
        pytest.param(
            (seen(WEB, files=FILES), seen(MAIL, files=FILES, service="dovecot", leaf="older"),
             found(MAIL, "svc.disk-vs-wire")),
            None, {"services": ("dovecot",), "endpoints": (MAIL,)}, id="one service with an old certificate"),
        pytest.param(
            (seen(WEB), found(WEB, "svc.disk-vs-wire"), found(WEB, "cert.expired", remedy="reload")),
            ["reload nginx", f"proof {WEB}"], {"repair": Repair.RELOAD}, id="successor on disk"),
        pytest.param(
            (seen(WEB), found(WEB, "cert.expired"), found(WEB, "key.permissions")),
            ["modes", "preconditions", "self-test", "key", "order", "collect", "install nginx", "reload nginx",
             f"proof {WEB}"],
            {}, id="file modes first"),
        pytest.param(
            (seen(WEB), found(WEB, "svc.disk-vs-wire"), found(WEB, "dcv.http-unreachable")),
            None, {"validated_on": ()}, id="reload without validation"),
        pytest.param(
            (seen(WEB), found(WEB, "key.mismatch")), None, {"repair": Repair.REISSUE}, id="mismatched key"),
        pytest.param(
            (seen(WEB), found(WEB, "chain.invalid-path", remedy="rechain")),
            None, {"repair": Repair.RECHAIN}, id="path by its remedy, chain"),
        pytest.param(
            (seen(WEB), found(WEB, "chain.invalid-path", remedy="reissue")),
            None, {"repair": Repair.REISSUE}, id="path by its remedy, certificate"),
        pytest.param(
            (seen(WEB), found(WEB, "cert.revoked", remedy="rekey")), None, {"is_compromised": True}, id="revoked"),
        pytest.param((seen(WEB), found(WEB, "key.weak")), None, {"is_compromised": False}, id="weak"),
    ],
)  # fmt: skip
def test_findings_of_a_certificate_become_one_case(
    rows: tuple[Row, ...], steps: list[str] | None, expected: dict[str, Any]
) -> None:
    [case] = planned(*rows).cases
    assert steps in (None, [step.name for step in case.steps])
    assert {field: getattr(case, field) for field in expected} == expected


def test_second_certificate_of_an_endpoint_is_repaired_with_its_own_files() -> None:
    files = (*FILES, file("/etc/ssl/rsa.pem"), file("/etc/ssl/rsa.key", "key", "rsa-key"))
    chains = [served_chain("old", "192.0.2.7"), served_chain("rsa", "192.0.2.7", key="rsa-key")]
    observed = seen(WEB, chains=chains, **{**IN_USE, "files": files})
    [case] = planned(observed, found(WEB, "cert.expired", leaf_sha256=digest("rsa"))).cases
    assert case.old_leaf_sha256 == digest("rsa")
    assert [used.path for used in case.files] == ["/etc/ssl/rsa.key", "/etc/ssl/rsa.pem"]


def test_other_certificates_and_hosts_are_cases_of_their_own() -> None:
    mail = seen(MAIL, files=MAIL_FILES, service="dovecot")
    outcome = planned(seen(WEB, files=FILES), mail, found(WEB, "cert.expired"), found(MAIL, "svc.disk-vs-wire"))
    assert sorted(case.repair for case in outcome.cases) == ["reissue", "reload"]
    cases = planned(seen(WEB), found(WEB, "cert.expired"), seen(OTHER), found(OTHER, "cert.expired")).cases
    assert sorted(case.host for case in cases) == ["web1", "web2"]
    assert {case.validated_on for case in cases} == {(Validation("www.example.com", ("web1", "web2")),)}


@pytest.mark.parametrize(
    ("checks", "repair"),
    [
        (("key.permissions",), "host"),
        (("key.permissions", "svc.disk-vs-wire"), "reload"),
        (("svc.disk-vs-wire", "chain.incomplete"), "rechain"),
        (("chain.incomplete", "cert.expired"), "reissue"),
        (("svc.disk-vs-wire", "cert.expired"), "reissue"),
        (("cert.expired", "key.weak"), "rekey"),
    ],
)
def test_strongest_repair_is_chosen(checks: tuple[str, ...], repair: str) -> None:
    [case] = planned(seen(WEB), *(found(WEB, check) for check in checks)).cases
    assert case.repair == repair
    assert {reason.check for reason in case.reasons} == set(checks)


@pytest.mark.parametrize(
    ("finding", "kind"),
    [
        (found(WEB, "tls.old-protocol"), "configure"),
        (found(WEB, "dns.not-this-host"), "dns"),
        (found(WEB, "svc.unreachable"), "manual"),
        (found(WEB, "svc.multi-address"), "no-help"),  # what is installed is served
        (found(WEB, "host.name-invalid"), "host"),
        (found(WEB, "cert.expired", verdict="inconclusive"), "unknown"),
        (found(WEB, "cert.expired", verdict="error"), "unknown"),
        (found(WEB, "chain.root-included", remedy="rechain", severity="info"), "note"),
        (found(WEB, "cert.expired", verdict="waived",
               waiver={"reason": "on purpose", "owner": "ann", "expires": "2027-01-01"}), "waived"),
        *((found(WEB, "cert.expired", verdict=verdict), "well") for verdict in ("pass", "not-applicable")),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_finding_without_a_repair_is_explained(finding: Row, kind: str) -> None:
    outcome = planned(seen(WEB), finding, found(WEB, "svc.disk-vs-wire", verdict="pass"))
    assert (outcome.cases, outcome.waiting) == ((), ())
    assert [entry.kind for entry in outcome.explained] == [kind]


_THEIRS: Final = [served_chain("old", "192.0.2.7"), served_chain("theirs", "192.0.2.8", key="their-key")]


@pytest.mark.parametrize(
    ("rows", "kind", "why"),
    [
        ((seen(OUTSIDE), found(OUTSIDE, "cert.expired")), "outside", ""),
        *(((seen(WEB, host=image), found(WEB, "cert.expired", host=image)),
           "switched-off", "an image is not repaired from inside") for image in ("docker://web", "kubectl://web")),
        ((seen(WEB, chains=_THEIRS, **IN_USE), found(WEB, "cert.expired", leaf_sha256=digest("theirs"))),
         "no-help", ""),
    ],
)  # fmt: skip
def test_certificate_that_cannot_be_repaired_here_is_explained(rows: tuple[Row, ...], kind: str, why: str) -> None:
    outcome = planned(*rows)
    assert outcome.cases == ()
    [entry] = outcome.explained
    assert (entry.kind, entry.why if why else "") == (kind, why)


def test_finding_is_repaired_beside_a_waived_one() -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"), found(WEB, "cert.self-signed", verdict="waived"))
    [case] = planned(*rows).cases
    assert [reason.check for reason in case.reasons] == ["cert.expired"]


def test_verdict_after_a_repair_is_used() -> None:
    before = found(WEB, "cert.expired", phase="before")
    after = found(WEB, "cert.expired", phase="after", verdict="pass")
    for rows in ((before, after), (after, before)):
        assert planned(seen(WEB), *rows).cases == ()


def test_excluded_name_and_host_with_the_touch_file_are_not_repaired() -> None:
    rows = (seen("web1/", (), leaf=None, service=None), found("web1/", "ops.management-disabled", severity="info"))
    assert planned(*rows, *expired()).cases == ()
    outcome = planned(*expired(), run_limits=RunLimits(excluded_names=("*.example.com",)))
    assert [entry.why for entry in outcome.explained] == ["www.example.com is excluded in the configuration"]


def test_certificate_of_another_agent_is_explained_for_each_service() -> None:
    outcome = planned(seen(WEB), found(WEB, "cert.expired"), seen(MAIL), of_agent("certbot", MAIL))
    assert outcome.cases == ()
    assert {entry.kind for entry in outcome.explained} == {"foreign"}
    assert "certbot owns" in next(entry.why for entry in outcome.explained if entry.endpoint == WEB)


@pytest.mark.parametrize("verdict", ["fail", "waived"])
def test_renewal_agent_is_run_if_configured(verdict: str) -> None:
    owned = of_agent("certbot", verdict=verdict)
    [case] = planned(seen(WEB), found(WEB, "cert.expired"), owned, run_limits=RUN_OWNER).cases
    assert (case.repair, case.owner) == (Repair.RUN_OWNER, "certbot")
    assert [step.kind for step in case.steps] == ["renew", "reload", "proof"]


@pytest.mark.parametrize("agent", ["certbot", "cpanel", "plesk"])
def test_service_is_reloaded_after_its_agent_if_agents_are_run(agent: str) -> None:
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), of_agent(agent))
    [case] = planned(*rows, run_limits=RUN_OWNER).cases
    assert (case.repair, case.owner) == (Repair.RELOAD, agent)
    assert planned(*rows).cases == ()


@pytest.mark.parametrize(
    ("agent", "foreign", "text"),
    [
        ("certbot", "explain", "certbot owns this certificate and renews it"),
        ("cpanel", "explain", "cpanel owns this certificate and renews it"),
        ("cpanel", "run-owner", "cpanel owns this certificate and renews it; only its own services are repaired"),
        ("plesk", "run-owner", "plesk owns this certificate, and the command of its renewal is not known"),
    ],
)
def test_certificate_of_an_agent_that_is_not_run_is_explained(
    agent: str, foreign: Literal["explain", "run-owner"], text: str
) -> None:
    run_limits = RunLimits(foreign=foreign)
    outcome = planned(seen(WEB), found(WEB, "cert.expired"), of_agent(agent), run_limits=run_limits)
    assert (outcome.cases, outcome.waiting) == ((), ())
    (explained,) = (finding for finding in outcome.explained if finding.check == "cert.expired")
    assert (explained.kind, explained.why, explained.message) == ("foreign", text, "cert.expired it is")


def test_each_repair_ends_with_verification() -> None:
    assert {kinds[-1] for kinds in STEPS.values()} == {"proof"}
    assert set(STEPS) == set(Repair)


@pytest.mark.parametrize(
    ("check", "left_out"), [("cert.expired", (PROXY,)), ("svc.disk-vs-wire", ())], ids=["reissue", "reload"]
)
def test_unknown_service_with_the_certificate_is_left_out_and_named(check: str, left_out: tuple[str, ...]) -> None:
    """A proxy in front of nginx, or a user's own unit, has no known files."""
    plan = planned(
        seen(WEB, files=FILES), seen(PROXY, service="unknown"), found(WEB, check), found(PROXY, "cert.expired")
    )
    [case] = plan.cases
    assert (case.services, case.endpoints, case.left_out) == (("nginx",), (WEB,), left_out)
    [named] = [finding for finding in plan.explained if finding.endpoint == PROXY]
    assert (named.check, named.kind) == ("cert.expired", "unknown-service")
    assert "declare files and reload command in [[service]]" in named.why


@pytest.mark.parametrize("not_inspected", [(), ("process 7 named nginx: it has another root directory",)])
def test_certificate_of_unknown_services_alone_is_explained_and_not_tried(not_inspected: tuple[str, ...]) -> None:
    plan = planned(seen(PROXY, service="unknown", not_inspected=not_inspected), found(PROXY, "cert.expired"))
    assert (plan.cases, plan.waiting) == ((), ())
    [explained] = plan.explained
    assert plan.of_unknown_services == (explained,)
    assert explained.why == join_clauses((*not_inspected, UNKNOWN_ALONE))
