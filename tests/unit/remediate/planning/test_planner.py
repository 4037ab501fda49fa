"""From results to cases: what is repaired, what is explained, what waits."""

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


def test_an_expired_certificate_is_reissued_step_by_step() -> None:
    [case] = planned(seen(WEB, files=FILES), found(WEB, "cert.expired")).cases
    assert (case.repair, case.host, case.hostspec) == (Repair.REISSUE, "web1", "ssh://root@web1")
    assert [step.name for step in case.steps] == [
        "preconditions", "self-test", "key", "order", "collect", "install nginx", "reload nginx", f"proof {WEB}",
    ]  # fmt: skip
    assert {step.state for step in case.steps} == {"planned"}
    assert [used.path for used in case.files] == ["/etc/ssl/www.key", "/etc/ssl/www.pem"]


def test_services_that_serve_one_certificate_from_files_of_their_own_are_one_case() -> None:
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


def test_services_that_load_one_file_are_one_case_though_one_still_serves_the_old() -> None:
    rows = (
        seen(WEB, files=[file("/etc/ssl/one.pem")], leaf="new", key="new-key"),
        seen(MAIL, files=[file("/etc/ssl/one.pem")], service="dovecot"),
        found(MAIL, "cert.expired"),
    )
    [case] = planned(*rows).cases
    assert case.services == ("dovecot", "nginx")


def test_a_service_that_answers_with_the_certificate_of_another_is_not_one_case_with_it() -> None:
    rows = (
        seen(WEB, files=FILES),
        seen(MAIL, files=[file("/etc/m.pem"), file("/etc/m.key", "key", "key of m")], service="dovecot"),
        found(WEB, "cert.expired"),
        found(MAIL, "svc.disk-vs-wire"),
    )
    assert sorted(case.repair for case in planned(*rows).cases) == ["reissue", "reload"]


def test_the_same_certificate_on_two_hosts_is_two_cases_validated_on_both() -> None:
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
def test_the_strongest_repair_wins(checks: tuple[str, ...], repair: str) -> None:
    [case] = planned(seen(WEB), *(found(WEB, check) for check in checks)).cases
    assert case.repair == repair
    assert {reason.check for reason in case.reasons} == set(checks)


def test_an_expired_certificate_whose_successor_is_on_disk_is_reloaded() -> None:
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), found(WEB, "cert.expired", remedy="reload"))
    [case] = planned(*rows).cases
    assert [step.name for step in case.steps] == ["reload nginx", f"proof {WEB}"]


def test_only_the_service_that_serves_the_old_certificate_is_reloaded() -> None:
    rows = (
        seen(WEB, files=FILES),
        seen(MAIL, files=FILES, service="dovecot", leaf="older"),
        found(MAIL, "svc.disk-vs-wire"),
    )
    [case] = planned(*rows).cases
    assert case.services == ("dovecot",)
    assert case.endpoints == (MAIL,)


def test_modes_are_mended_beside_a_reissue_or_the_new_key_would_be_as_open_as_the_old() -> None:
    [case] = planned(seen(WEB), found(WEB, "cert.expired"), found(WEB, "key.permissions")).cases
    assert case.steps[0] == Step("modes")


def test_a_reload_is_no_help_where_the_host_serves_what_is_installed() -> None:
    rows = (seen(WEB), found(WEB, "svc.multi-address"), found(WEB, "svc.disk-vs-wire", verdict="pass"))
    outcome = planned(*rows)
    assert outcome.cases == ()
    assert [one.kind for one in outcome.explained] == ["no-help"]


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
def test_what_no_repair_of_ours_helps_is_explained(finding: Row, kind: str) -> None:
    outcome = planned(seen(WEB), finding)
    assert (outcome.cases, outcome.waiting) == ((), ())
    assert [one.kind for one in outcome.explained] == [kind]


def test_an_endpoint_seen_from_outside_only_is_explained() -> None:
    outcome = planned(seen(OUTSIDE), found(OUTSIDE, "cert.expired"))
    assert outcome.cases == ()
    assert [one.kind for one in outcome.explained] == ["outside"]


def test_a_waived_finding_does_not_keep_another_from_repair() -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"), found(WEB, "cert.self-signed", verdict="waived"))
    [case] = planned(*rows).cases
    assert [reason.check for reason in case.reasons] == ["cert.expired"]


@pytest.mark.parametrize("hostspec", ["docker://web", "kubectl://web"])
def test_an_image_is_not_repaired_from_inside(hostspec: str) -> None:
    outcome = planned(seen(WEB, host=hostspec), found(WEB, "cert.expired", host=hostspec))
    assert [(one.kind, one.why) for one in outcome.explained] == [
        ("switched-off", "an image is not repaired from inside")
    ]


def test_a_host_left_out_by_a_glob_is_left_alone() -> None:
    run_limits = RunLimits(excluded_hosts=("ssh://*@web1",))
    outcome = planned(*expired(), *expired(host="web2"), run_limits=run_limits)
    assert [case.host for case in outcome.cases] == []  # web2 serves the name together with web1
    assert "web1 too, where nothing is changed" in texts(outcome.waiting[0])[0]
    assert [one.kind for one in outcome.explained] == ["switched-off"]


def test_a_host_with_the_touch_file_is_left_alone() -> None:
    rows = (seen("web1/", (), leaf=None, service=None), found("web1/", "ops.management-disabled", severity="info"))
    assert planned(*rows, *expired()).cases == ()


def test_a_certificate_with_a_name_that_is_left_out_is_left_alone() -> None:
    outcome = planned(*expired(), run_limits=RunLimits(excluded_names=("*.example.com",)))
    assert [one.why for one in outcome.explained] == ["www.example.com is excluded in the configuration"]


def test_a_certificate_that_another_agent_owns_is_left_to_it_with_all_who_use_it() -> None:
    owned = found(MAIL, "ops.foreign-agent", detail={"observed": "certbot"}, severity="info")
    outcome = planned(seen(WEB), found(WEB, "cert.expired"), seen(MAIL), owned)
    assert outcome.cases == ()
    assert {one.kind for one in outcome.explained} == {"foreign"}
    assert "certbot owns" in next(one.why for one in outcome.explained if one.endpoint == WEB)


@pytest.mark.parametrize("verdict", ["fail", "waived"])
def test_the_owner_renews_it_where_that_is_asked_for(verdict: str) -> None:
    owned = found(WEB, "ops.foreign-agent", detail={"observed": "certbot"}, verdict=verdict)
    run_limits = RunLimits(foreign="run-owner")
    [case] = planned(seen(WEB), found(WEB, "cert.expired"), owned, run_limits=run_limits).cases
    assert (case.repair, case.owner) == (Repair.RUN_OWNER, "certbot")
    assert [step.kind for step in case.steps] == ["renew", "reload", "proof"]


def test_an_owner_whose_renewal_nobody_knows_to_run_is_explained() -> None:
    owned = found(WEB, "ops.foreign-agent", detail={"observed": "plesk"}, severity="info")
    outcome = planned(seen(WEB), found(WEB, "cert.expired"), owned, run_limits=RunLimits(foreign="run-owner"))
    assert outcome.cases == ()
    (explained,) = [one for one in outcome.explained if one.check == "cert.expired"]
    assert (explained.kind, "the command of its renewal is not known" in explained.why) == ("foreign", True)


def test_what_the_owner_has_renewed_already_is_reloaded() -> None:
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
def test_a_case_waits_for_what_would_make_it_fail_and_says_which(obstacle: Row) -> None:
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
def test_a_case_does_not_wait_for_what_does_not_concern_it(harmless: Row) -> None:
    assert len(planned(seen(WEB), found(WEB, "cert.expired"), harmless).cases) == 1


def test_a_reload_needs_no_validation_and_does_not_wait_for_it() -> None:
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), found(WEB, "dcv.http-unreachable"))
    [case] = planned(*rows).cases
    assert case.validated_on == ()


def test_a_service_that_could_not_load_its_configuration_is_not_reloaded() -> None:
    other = "web1/https://shop.example.com:443"
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), seen(other, leaf="shop", key="shop"),
            found(other, "svc.config-missing-file"))  # fmt: skip
    assert why(rows)[0].startswith(f"nginx would not load its configuration: {other}")


def test_a_key_that_does_not_match_is_no_obstacle_to_the_reissue_that_replaces_it() -> None:
    [case] = planned(seen(WEB), found(WEB, "key.mismatch")).cases
    assert case.repair is Repair.REISSUE


def test_a_name_that_leads_to_a_host_outside_the_run_waits() -> None:
    shared = seen(WEB, resolved=["192.0.2.1", "192.0.2.9"], own_addresses=["192.0.2.1"])
    assert why((shared, found(WEB, "cert.expired"))) == (
        "www.example.com leads to 192.0.2.9 too, which is not a host of this run: the file for the CA cannot be there",
    )


def test_a_name_whose_addresses_are_all_of_hosts_of_the_run_does_not_wait() -> None:
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


def test_evidence_from_the_future_is_a_wrong_clock() -> None:
    assert "one of the clocks is wrong" in texts(planned(*expired(), now=NOW - timedelta(hours=1)).waiting[0])[0]


def test_evidence_of_unknown_age_is_not_acted_on() -> None:
    assert why(expired(observed_at=None)) == ("the time of its observation is not known",)


def test_a_run_that_did_not_finish_repairs_nothing() -> None:
    outcome = plan(audit_results_of(expired()), RunLimits(), NOW)
    assert outcome.cases == ()
    assert "did not finish" in texts(outcome.waiting[0])[0]


def test_a_run_is_bounded_and_says_what_is_left_for_the_next() -> None:
    rows = [row for number in range(5) for row in expired(name=f"n{number}.example.com")]
    outcome = planned(*rows, run_limits=RunLimits(max_cases=2))
    assert len(outcome.cases) == 2
    assert len(outcome.waiting) == 3
    assert texts(outcome.waiting[0]) == ("a run repairs at most 2 certificates (max_cases), and 5 need it",)


def test_the_canary_tries_the_strongest_repair_on_the_fewest_endpoints() -> None:
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


def test_certificate_that_another_host_serves_under_the_name_is_explained() -> None:
    chains = [served_chain("old", "192.0.2.7"), served_chain("theirs", "192.0.2.8", key="their-key")]
    observed = seen(WEB, files=FILES, chains=chains, own_addresses=["192.0.2.7"])
    outcome = planned(observed, found(WEB, "cert.expired", leaf_sha256=digest("theirs")))
    assert outcome.cases == ()
    assert [one.kind for one in outcome.explained] == ["no-help"]


def test_invalid_path_is_rechained_or_reissued_as_the_finding_says() -> None:
    [case] = planned(seen(WEB), found(WEB, "chain.invalid-path", remedy="rechain")).cases
    assert case.repair is Repair.RECHAIN
    [case] = planned(seen(WEB), found(WEB, "chain.invalid-path", remedy="reissue")).cases
    assert case.repair is Repair.REISSUE


def test_the_verdict_after_a_repair_counts() -> None:
    before = found(WEB, "cert.expired", phase="before")
    after = found(WEB, "cert.expired", phase="after", verdict="pass")
    for rows in ((before, after), (after, before)):
        assert planned(seen(WEB), *rows).cases == ()


def test_a_compromised_key_is_never_put_back() -> None:
    [case] = planned(seen(WEB), found(WEB, "cert.revoked", remedy="rekey")).cases
    assert case.is_compromised
    [case] = planned(seen(WEB), found(WEB, "key.weak")).cases
    assert not case.is_compromised


def test_every_repair_ends_in_proof() -> None:
    assert {kinds[-1] for kinds in STEPS.values()} == {"proof"}
    assert set(STEPS) == set(Repair)


def test_nothing_is_ordered_where_no_issuer_is_chosen_and_the_rest_is_repaired() -> None:
    mail = (seen(MAIL, ("mail.example.com",), leaf="mail", key="mail"), found(MAIL, "svc.disk-vs-wire"))
    outcome = planned(*expired(), *mail, run_limits=RunLimits(can_order=False))
    assert [case.repair for case in outcome.cases] == [Repair.RELOAD]
    [waiting] = outcome.waiting
    assert texts(waiting)[0].startswith("no issuer is chosen")


def test_an_endpoint_on_which_checks_were_left_out_waits() -> None:
    evidence = audit_results_of([*expired(), {**SUMMARY, "partial": [WEB]}])
    [waiting] = plan(evidence, RunLimits(), NOW).waiting
    again = "run the audit again without -k, -m, --lf and --audit-check"
    assert texts(waiting) == (f"not all checks were run on {WEB}: {again}",)


def test_exception_about_one_certificate_leaves_the_others_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    real = draft_module.case_of

    def case_of(draft: CaseDraft, *rest: Any) -> Case:  # noqa: ANN401 - as the function it stands for
        if any("a.example.com" in one.endpoint for one in draft.findings):
            raise ZeroDivisionError("a bug of ours")
        return real(draft, *rest)

    monkeypatch.setattr(plan_module, "case_of", case_of)
    outcome = planned(*expired(name="a.example.com"), *expired(name="b.example.com"))
    assert [case.names for case in outcome.cases] == [("b.example.com",)]
    (left,) = (one for one in outcome.explained if one.check == "cert.expired")
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
def test_certificate_of_an_agent_that_is_not_asked_to_renew_it_is_explained(
    agent: str, foreign: Literal["explain", "run-owner"], text: str
) -> None:
    run_limits = RunLimits(foreign=foreign)
    outcome = planned(seen(WEB), found(WEB, "cert.expired"), of_agent(agent), run_limits=run_limits)
    assert (outcome.cases, outcome.waiting) == ((), ())
    (explained,) = (finding for finding in outcome.explained if finding.check == "cert.expired")
    assert (explained.kind, explained.why, explained.message) == ("foreign", text, "cert.expired it is")


@pytest.mark.parametrize("agent", ["certbot", "cpanel", "plesk"])
def test_service_that_serves_an_old_certificate_of_an_agent_is_reloaded_if_owners_are_asked(agent: str) -> None:
    rows = (seen(WEB), found(WEB, "svc.disk-vs-wire"), of_agent(agent))
    [case] = planned(*rows, run_limits=RunLimits(foreign="run-owner")).cases
    assert (case.repair, case.owner) == (Repair.RELOAD, agent)
    assert planned(*rows).cases == ()


def test_panels_own_services_are_renewed_by_its_program_and_others_wait_for_another_issuer() -> None:
    outcome = planned(*fresh("cpanel"), *expired(host="web2"), run_limits=RunLimits(is_panels_issuer=True))
    [case] = outcome.cases
    assert (case.repair, case.owner, case.is_panel) == (Repair.RUN_OWNER, "cpanel", True)
    [waiting] = outcome.waiting
    assert texts(waiting) == (
        "the chosen issuer is the program of a cPanel & WHM server: it orders only for services of that panel",
    )


def test_cases_after_the_canary_are_in_the_order_of_severity_and_then_of_their_ids() -> None:
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


def test_run_with_as_many_cases_as_its_limit_leaves_none_for_the_next() -> None:
    rows = [row for number in range(2) for row in expired(name=f"n{number}.example.com")]
    outcome = planned(*rows, run_limits=RunLimits(max_cases=2))
    assert (len(outcome.cases), outcome.waiting) == (2, ())


def test_endpoints_without_findings_are_explained_as_well_in_the_order_of_their_ids() -> None:
    outcome = planned(
        seen(OTHER), found(OTHER, "cert.expired", verdict="pass"), seen(WEB), found(WEB, "tls.old-protocol")
    )
    assert [(finding.endpoint, finding.check, finding.kind) for finding in outcome.explained] == [
        (WEB, "tls.old-protocol", "configure"), (OTHER, None, "well"),
    ]  # fmt: skip
    assert outcome.explained[1].why == "nothing is wrong"


def test_stronger_repair_on_two_endpoints_is_the_canary_before_a_weaker_one_on_one() -> None:
    reloaded = (seen(OTHER, leaf="new", key="new"), found(OTHER, "svc.disk-vs-wire", severity="critical"))
    reissued = (seen(WEB), seen(MAIL), found(WEB, "cert.expired", severity="low"))
    outcome = planned(*reloaded, *reissued)
    assert [case.repair for case in outcome.cases] == [Repair.REISSUE, Repair.RELOAD]
    assert outcome.canary is outcome.cases[0]
    assert outcome.cases[0].endpoints == (WEB, MAIL)
