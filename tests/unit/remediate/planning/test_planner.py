"""Tests of the planner: which results become cases, which are explained, and which cases wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest

from remediate.cli.output import plan_lines
from remediate.model.audit_results import audit_results_of
from remediate.model.case import STEPS, Case, Repair, Step, Validation
from remediate.model.options import RunLimits
from remediate.model.plan import WaitingCase
from remediate.planning import case_builder as draft_module
from remediate.planning import planner as plan_module
from remediate.planning.case_builder import CaseDraft
from remediate.planning.planner import plan
from tests.support.remediate.cpanel_rows import fresh
from tests.support.remediate.result_rows import NOW, SUMMARY, Row, digest, file, found, planned, seen, served_chain

WEB = "web1/https://www.example.com:443"
MAIL = "web1/imaps://mail.example.com:993"
OTHER = "web2/https://www.example.com:443"
OUTSIDE = "https://www.example.com:443"
FILES = (file("/etc/ssl/www.pem"), file("/etc/ssl/www.key", "key", "old-key"))


def expired(
    *, name: str = "www.example.com", host: str = "web1", observed_at: str | None = "2026-11-23T02:55:00Z"
) -> tuple[Row, Row]:
    """Return an endpoint with an expired certificate of its own."""
    endpoint = f"{host}/https://{name}:443"
    return seen(endpoint, (name,), leaf=name, key=name, observed_at=observed_at), found(endpoint, "cert.expired")


def texts(waiting: WaitingCase) -> tuple[str, ...]:
    """Return why a case waits, in sentences."""
    return tuple(blocker.text for blocker in waiting.blocked_by)


def why(rows: tuple[Row, ...], run_limits: RunLimits | None = None) -> tuple[str, ...]:
    """Return why the only case waits."""
    outcome = planned(*rows, run_limits=run_limits)
    assert outcome.cases == ()
    [waiting] = outcome.waiting
    return texts(waiting)


def test_expired_certificate_is_reissued_in_eight_steps() -> None:
    [case] = planned(seen(WEB, files=FILES), found(WEB, "cert.expired")).cases
    assert (case.repair, case.host, case.hostspec) == (Repair.REISSUE, "web1", "ssh://root@web1")
    assert [step.name for step in case.steps] == [
        "preconditions", "self-test", "key", "order", "collect", "install nginx", "reload nginx", f"proof {WEB}",
    ]  # fmt: skip
    assert {step.state for step in case.steps} == {"planned"}
    assert [used.path for used in case.files] == ["/etc/ssl/www.key", "/etc/ssl/www.pem"]


def test_services_with_copies_of_one_certificate_are_one_case() -> None:
    names = ("mail.example.com", "www.example.com")
    rows = (
        seen(WEB, names, files=FILES),
        seen(MAIL, names, files=[file("/etc/dovecot/x.pem")], service="dovecot"),
        found(MAIL, "cert.expired"),
    )
    [case] = planned(*rows).cases
    assert case.services == ("dovecot", "nginx")
    assert case.endpoints == (WEB, MAIL)
    assert len([step for step in case.steps if step.kind == "order"]) == 1
    assert [step.subject for step in case.steps if step.kind == "install"] == ["dovecot", "nginx"]


def test_services_with_one_file_are_one_case_even_if_one_was_not_reloaded() -> None:
    rows = (
        seen(WEB, files=[file("/etc/ssl/one.pem")], leaf="new", key="new-key"),
        seen(MAIL, files=[file("/etc/ssl/one.pem")], service="dovecot"),
        found(MAIL, "cert.expired"),
    )
    [case] = planned(*rows).cases
    assert case.services == ("dovecot", "nginx")


def test_service_that_serves_a_certificate_of_another_is_a_case_of_its_own() -> None:
    rows = (
        seen(WEB, files=FILES),
        seen(MAIL, files=[file("/etc/m.pem"), file("/etc/m.key", "key", "key of m")], service="dovecot"),
        found(WEB, "cert.expired"),
        found(MAIL, "svc.disk-vs-wire"),
    )
    assert sorted(case.repair for case in planned(*rows).cases) == ["reissue", "reload"]


def test_certificate_on_two_hosts_is_two_cases_validated_on_both() -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"), seen(OTHER), found(OTHER, "cert.expired"))
    cases = planned(*rows).cases
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


def test_expired_certificate_with_a_successor_on_disk_is_reloaded() -> None:
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), found(WEB, "cert.expired", remedy="reload"))
    [case] = planned(*rows).cases
    assert [step.name for step in case.steps] == ["reload nginx", f"proof {WEB}"]


def test_only_service_with_an_old_certificate_is_reloaded() -> None:
    rows = (
        seen(WEB, files=FILES),
        seen(MAIL, files=FILES, service="dovecot", leaf="older"),
        found(MAIL, "svc.disk-vs-wire"),
    )
    [case] = planned(*rows).cases
    assert case.services == ("dovecot",)
    assert case.endpoints == (MAIL,)


def test_reissue_starts_with_the_repair_of_file_modes() -> None:
    [case] = planned(seen(WEB), found(WEB, "cert.expired"), found(WEB, "key.permissions")).cases
    assert case.steps[0] == Step("modes")


def test_reload_is_not_planned_if_installed_certificate_is_served() -> None:
    rows = (seen(WEB), found(WEB, "svc.multi-address"), found(WEB, "svc.disk-vs-wire", verdict="pass"))
    outcome = planned(*rows)
    assert outcome.cases == ()
    assert [entry.kind for entry in outcome.explained] == ["no-help"]


@pytest.mark.parametrize(
    ("finding", "kind"),
    [
        (found(WEB, "tls.old-protocol"), "configure"),
        (found(WEB, "dns.not-this-host"), "dns"),
        (found(WEB, "svc.unreachable"), "manual"),
        (found(WEB, "host.name-invalid"), "host"),
        (found(WEB, "cert.expired", verdict="inconclusive"), "unknown"),
        (found(WEB, "cert.expired", verdict="error"), "unknown"),
        (found(WEB, "chain.root-included", remedy="rechain", severity="info"), "note"),
        (found(WEB, "cert.expired", verdict="waived",
               waiver={"reason": "on purpose", "owner": "ann", "expires": "2027-01-01"}), "waived"),
        (found(WEB, "cert.expired", verdict="pass"), "well"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_finding_without_a_repair_is_explained(finding: Row, kind: str) -> None:
    outcome = planned(seen(WEB), finding)
    assert (outcome.cases, outcome.waiting) == ((), ())
    assert [entry.kind for entry in outcome.explained] == [kind]


def test_endpoint_without_a_host_is_explained() -> None:
    outcome = planned(seen(OUTSIDE), found(OUTSIDE, "cert.expired"))
    assert outcome.cases == ()
    assert [entry.kind for entry in outcome.explained] == ["outside"]


def test_finding_is_repaired_beside_a_waived_one() -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"), found(WEB, "cert.self-signed", verdict="waived"))
    [case] = planned(*rows).cases
    assert [reason.check for reason in case.reasons] == ["cert.expired"]


@pytest.mark.parametrize("hostspec", ["docker://web", "kubectl://web"])
def test_container_is_not_repaired(hostspec: str) -> None:
    outcome = planned(seen(WEB, host=hostspec), found(WEB, "cert.expired", host=hostspec))
    assert [(entry.kind, entry.why) for entry in outcome.explained] == [
        ("switched-off", "an image is not repaired from inside")
    ]


def test_host_excluded_by_a_pattern_is_not_repaired() -> None:
    run_limits = RunLimits(excluded_hosts=("ssh://*@web1",))
    outcome = planned(*expired(), *expired(host="web2"), run_limits=run_limits)
    assert [case.host for case in outcome.cases] == []  # web2 serves the name together with web1
    assert "web1 too, where nothing is changed" in texts(outcome.waiting[0])[0]
    assert [entry.kind for entry in outcome.explained] == ["switched-off"]


def test_host_with_the_touch_file_is_not_repaired() -> None:
    rows = (seen("web1/", (), leaf=None, service=None), found("web1/", "ops.management-disabled", severity="info"))
    assert planned(*rows, *expired()).cases == ()


def test_certificate_with_an_excluded_name_is_not_repaired() -> None:
    outcome = planned(*expired(), run_limits=RunLimits(excluded_names=("*.example.com",)))
    assert [entry.why for entry in outcome.explained] == ["www.example.com is excluded in the configuration"]


def test_certificate_of_another_agent_is_explained_for_each_service() -> None:
    owned = found(MAIL, "ops.foreign-agent", detail={"observed": "certbot"}, severity="info")
    outcome = planned(seen(WEB), found(WEB, "cert.expired"), seen(MAIL), owned)
    assert outcome.cases == ()
    assert {entry.kind for entry in outcome.explained} == {"foreign"}
    assert "certbot owns" in next(entry.why for entry in outcome.explained if entry.endpoint == WEB)


@pytest.mark.parametrize("verdict", ["fail", "waived"])
def test_renewal_agent_is_run_if_configured(verdict: str) -> None:
    owned = found(WEB, "ops.foreign-agent", detail={"observed": "certbot"}, verdict=verdict)
    run_limits = RunLimits(foreign="run-owner")
    [case] = planned(seen(WEB), found(WEB, "cert.expired"), owned, run_limits=run_limits).cases
    assert (case.repair, case.owner) == (Repair.RUN_OWNER, "certbot")
    assert [step.kind for step in case.steps] == ["renew", "reload", "proof"]


def test_agent_without_a_known_renewal_command_is_explained() -> None:
    owned = found(WEB, "ops.foreign-agent", detail={"observed": "plesk"}, severity="info")
    outcome = planned(seen(WEB), found(WEB, "cert.expired"), owned, run_limits=RunLimits(foreign="run-owner"))
    assert outcome.cases == ()
    (explained,) = [entry for entry in outcome.explained if entry.check == "cert.expired"]
    assert (explained.kind, "the command of its renewal is not known" in explained.why) == ("foreign", True)


def test_certificate_that_its_agent_renewed_is_reloaded() -> None:
    owned = found(WEB, "ops.foreign-agent", detail={"observed": "certbot"})
    run_limits = RunLimits(foreign="run-owner")
    [case] = planned(seen(WEB), found(WEB, "svc.disk-vs-wire"), owned, run_limits=run_limits).cases
    assert case.repair is Repair.RELOAD


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
    ],
    ids=lambda row: f"{row['endpoint']}:{row['check']}",
)
def test_case_waits_for_a_finding_that_would_make_it_fail(obstacle: Row) -> None:
    because = why((seen(WEB), seen(MAIL), found(WEB, "cert.expired"), obstacle))
    assert because == (f"{obstacle['endpoint']}: {obstacle['check']}: {obstacle['message']}",)


@pytest.mark.parametrize(
    "harmless",
    [
        found(WEB, "dns.caa-missing", severity="low"),
        found(WEB, "dns.not-this-host", verdict="inconclusive"),
        found(WEB, "dns.unresolvable", verdict="waived"),
        found(WEB, "svc.unreachable", detail={"stages": ["handshake"]}),
        found("web1/", "dns.unresolvable"),
        found(OTHER, "dns.unresolvable"),
    ],
    ids=lambda row: f"{row['endpoint']}:{row['check']}:{row['verdict']}",
)
def test_case_does_not_wait_for_unrelated_findings(harmless: Row) -> None:
    assert len(planned(seen(WEB), found(WEB, "cert.expired"), harmless).cases) == 1


def test_reload_does_not_wait_for_domain_validation() -> None:
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), found(WEB, "dcv.http-unreachable"))
    [case] = planned(*rows).cases
    assert case.validated_on == ()


def test_service_with_an_invalid_configuration_is_not_reloaded() -> None:
    other = "web1/https://shop.example.com:443"
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), seen(other, leaf="shop", key="shop"),
            found(other, "svc.config-missing-file"))  # fmt: skip
    assert why(rows)[0].startswith(f"nginx would not load its configuration: {other}")


def test_certificate_with_a_mismatched_key_is_reissued() -> None:
    [case] = planned(seen(WEB), found(WEB, "key.mismatch")).cases
    assert case.repair is Repair.REISSUE


def test_case_waits_if_its_name_resolves_to_a_host_outside_the_run() -> None:
    shared = seen(WEB, resolved=["192.0.2.1", "192.0.2.9"], own_addresses=["192.0.2.1"])
    assert why((shared, found(WEB, "cert.expired"))) == (
        "www.example.com leads to 192.0.2.9 too, which is not a host of this run: the file for the CA cannot be there",
    )


def test_case_is_planned_if_its_name_resolves_to_hosts_of_the_run() -> None:
    addresses = ["192.0.2.1", "192.0.2.9"]
    rows = (
        seen(WEB, resolved=addresses, own_addresses=addresses[:1]),
        seen(OTHER, resolved=addresses, own_addresses=addresses[1:]),
        found(WEB, "cert.expired"),
    )
    assert len(planned(*rows).cases) == 1


def test_case_with_old_results_waits_for_a_new_audit() -> None:
    outcome = planned(*expired(), now=NOW + timedelta(hours=3))
    assert outcome.cases == ()
    assert texts(outcome.waiting[0]) == ("the audit is 3 h 5 min old (limit 30 min): run the audit again",)


def test_results_from_the_future_make_the_case_wait() -> None:
    assert "one of the clocks is wrong" in texts(planned(*expired(), now=NOW - timedelta(hours=1)).waiting[0])[0]


def test_results_of_unknown_age_make_the_case_wait() -> None:
    assert why(expired(observed_at=None)) == ("the time of its observation is not known",)


def test_results_of_an_unfinished_audit_make_the_case_wait() -> None:
    outcome = plan(audit_results_of(expired()), RunLimits(), NOW)
    assert outcome.cases == ()
    assert "did not finish" in texts(outcome.waiting[0])[0]


def test_cases_beyond_the_limit_of_a_run_wait() -> None:
    rows = [row for number in range(5) for row in expired(name=f"n{number}.example.com")]
    outcome = planned(*rows, run_limits=RunLimits(max_cases=2))
    assert len(outcome.cases) == 2
    assert len(outcome.waiting) == 3
    assert texts(outcome.waiting[0]) == ("a run repairs at most 2 certificates (max_cases), and 5 need it",)


def test_canary_is_the_strongest_repair_of_the_fewest_endpoints() -> None:
    rows = (
        seen(WEB), seen(MAIL), found(WEB, "cert.expired", severity="critical"),
        *expired(name="lone.example.com"),
        seen("web3/https://c.example.com:443", leaf="c", key="c"),
        found("web3/https://c.example.com:443", "svc.disk-vs-wire", severity="critical"),
    )  # fmt: skip
    outcome = planned(*rows)
    assert outcome.canary is outcome.cases[0]
    assert outcome.canary is not None
    assert outcome.canary.names == ("lone.example.com",)


def test_second_certificate_of_an_endpoint_is_repaired_with_its_own_files() -> None:
    files = (*FILES, file("/etc/ssl/rsa.pem"), file("/etc/ssl/rsa.key", "key", "rsa-key"))
    chains = [served_chain("old", "192.0.2.7"), served_chain("rsa", "192.0.2.7", key="rsa-key")]
    observed = seen(WEB, files=files, chains=chains, own_addresses=["192.0.2.7"])
    [case] = planned(observed, found(WEB, "cert.expired", leaf_sha256=digest("rsa"))).cases
    assert case.old_leaf_sha256 == digest("rsa")
    assert [used.path for used in case.files] == ["/etc/ssl/rsa.key", "/etc/ssl/rsa.pem"]


def test_certificate_of_another_host_under_the_name_is_explained() -> None:
    chains = [served_chain("old", "192.0.2.7"), served_chain("theirs", "192.0.2.8", key="their-key")]
    observed = seen(WEB, files=FILES, chains=chains, own_addresses=["192.0.2.7"])
    outcome = planned(observed, found(WEB, "cert.expired", leaf_sha256=digest("theirs")))
    assert outcome.cases == ()
    assert [entry.kind for entry in outcome.explained] == ["no-help"]


def test_invalid_path_has_the_repair_of_its_finding() -> None:
    [case] = planned(seen(WEB), found(WEB, "chain.invalid-path", remedy="rechain")).cases
    assert case.repair is Repair.RECHAIN
    [case] = planned(seen(WEB), found(WEB, "chain.invalid-path", remedy="reissue")).cases
    assert case.repair is Repair.REISSUE


def test_verdict_after_a_repair_is_used() -> None:
    before = found(WEB, "cert.expired", phase="before")
    after = found(WEB, "cert.expired", phase="after", verdict="pass")
    for rows in ((before, after), (after, before)):
        assert planned(seen(WEB), *rows).cases == ()


def test_case_of_a_revoked_certificate_has_a_compromised_key() -> None:
    [case] = planned(seen(WEB), found(WEB, "cert.revoked", remedy="rekey")).cases
    assert case.is_compromised
    [case] = planned(seen(WEB), found(WEB, "key.weak")).cases
    assert not case.is_compromised


def test_each_repair_ends_with_verification() -> None:
    assert {kinds[-1] for kinds in STEPS.values()} == {"proof"}
    assert set(STEPS) == set(Repair)


def test_without_an_issuer_only_repairs_without_an_order_are_planned() -> None:
    mail = (seen(MAIL, ("mail.example.com",), leaf="mail", key="mail"), found(MAIL, "svc.disk-vs-wire"))
    outcome = planned(*expired(), *mail, run_limits=RunLimits(can_order=False))
    assert [case.repair for case in outcome.cases] == [Repair.RELOAD]
    [waiting] = outcome.waiting
    assert texts(waiting)[0].startswith("no issuer is chosen")


def test_endpoint_with_deselected_checks_waits() -> None:
    evidence = audit_results_of([*expired(), {**SUMMARY, "partial": [WEB]}])
    [waiting] = plan(evidence, RunLimits(), NOW).waiting
    again = "run the audit again without -k, -m, --lf and --audit-check"
    assert texts(waiting) == (f"not all checks were run on {WEB}: {again}",)


def test_exception_about_one_certificate_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real = draft_module.case_of

    def case_of(draft: CaseDraft, *rest: Any) -> Case:  # noqa: ANN401 - as the replaced function
        if any("a.example.com" in finding.endpoint for finding in draft.findings):
            raise ZeroDivisionError("a bug of ours")
        return real(draft, *rest)

    monkeypatch.setattr(plan_module, "case_of", case_of)
    outcome = planned(*expired(name="a.example.com"), *expired(name="b.example.com"))
    assert [case.names for case in outcome.cases] == [("b.example.com",)]
    (left,) = (entry for entry in outcome.explained if entry.check == "cert.expired")
    assert left.endpoint == "web1/https://a.example.com:443"
    assert left.why == "its repair could not be planned: ZeroDivisionError: a bug of ours"
    (trace,) = outcome.accidents
    assert "in case_of" in trace
    assert trace.splitlines()[-1] in "\n".join(plan_lines(outcome))


def of_agent(agent: str) -> Row:
    """Return the finding that an agent owns the certificate."""
    return found(WEB, "ops.foreign-agent", detail={"observed": agent}, severity="info")


@pytest.mark.parametrize(
    ("agent", "foreign", "text"),
    [
        ("certbot", "explain", "certbot owns this certificate and renews it"),
        ("cpanel", "explain", "cpanel owns this certificate and renews it"),
        (
            "cpanel",
            "run-owner",
            "cpanel owns this certificate and renews it; only its own services are repaired",
        ),
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


@pytest.mark.parametrize("agent", ["certbot", "cpanel", "plesk"])
def test_service_is_reloaded_after_its_agent_if_agents_are_run(agent: str) -> None:
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), of_agent(agent))
    [case] = planned(*rows, run_limits=RunLimits(foreign="run-owner")).cases
    assert (case.repair, case.owner) == (Repair.RELOAD, agent)
    assert planned(*rows).cases == ()


def test_panel_program_renews_services_of_the_panel_only() -> None:
    outcome = planned(*fresh("cpanel"), *expired(host="web2"), run_limits=RunLimits(is_panels_issuer=True))
    [case] = outcome.cases
    assert (case.repair, case.owner, case.is_panel) == (Repair.RUN_OWNER, "cpanel", True)
    [waiting] = outcome.waiting
    assert texts(waiting) == (
        "the chosen issuer is the program of a cPanel & WHM server: it orders only for services of that panel",
    )


def test_cases_after_the_canary_are_sorted_by_severity_and_id() -> None:
    rows: list[Row] = []
    severities = {"a": "low", "b": "critical", "c": "medium", "d": "critical"}
    for name, severity in severities.items():
        endpoint = f"web1/https://{name}.example.com:443"
        rows.append(seen(endpoint, (f"{name}.example.com",), leaf=name, key=name))
        rows.append(found(endpoint, "svc.disk-vs-wire", severity=severity))
    canary, *others = planned(*rows, *expired(name="lone.example.com")).cases
    assert canary.names == ("lone.example.com",)
    ranked = [case.reasons[0].severity for case in others]
    assert ranked == ["critical", "critical", "medium", "low"]
    assert others[0].id < others[1].id


def test_run_with_as_many_cases_as_its_limit_makes_none_wait() -> None:
    rows = [row for number in range(2) for row in expired(name=f"n{number}.example.com")]
    outcome = planned(*rows, run_limits=RunLimits(max_cases=2))
    assert (len(outcome.cases), outcome.waiting) == (2, ())


def test_endpoints_without_findings_are_explained_in_order_of_ids() -> None:
    outcome = planned(
        seen(OTHER), found(OTHER, "cert.expired", verdict="pass"), seen(WEB), found(WEB, "tls.old-protocol")
    )
    assert [(finding.endpoint, finding.check, finding.kind) for finding in outcome.explained] == [
        (WEB, "tls.old-protocol", "configure"), (OTHER, None, "well"),
    ]  # fmt: skip
    assert outcome.explained[1].why == "nothing is wrong"


def test_canary_is_the_stronger_repair_even_of_more_endpoints() -> None:
    reloaded = (seen(OTHER, leaf="new", key="new"), found(OTHER, "svc.disk-vs-wire", severity="critical"))
    reissued = (seen(WEB), seen(MAIL), found(WEB, "cert.expired", severity="low"))
    outcome = planned(*reloaded, *reissued)
    assert [case.repair for case in outcome.cases] == [Repair.REISSUE, Repair.RELOAD]
    assert outcome.canary is outcome.cases[0]
    assert outcome.cases[0].endpoints == (WEB, MAIL)
