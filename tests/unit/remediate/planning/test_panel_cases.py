"""Tests of the cases of a panel: its services on one host are one case with one order and one certificate."""

from __future__ import annotations

import pytest

from remediate.cpanel.service_files import installed_path
from remediate.model.case import Case, Repair
from remediate.model.options import RunLimits
from remediate.model.plan import Plan
from tests.support.remediate.cpanel_rows import HOST, NAME, endpoint, fresh, service, whole
from tests.support.remediate.result_rows import Row, digest, file, found, planned, seen

ALL = ("cpanel", "dovecot", "exim", "pure-ftpd")
PANELS = RunLimits(is_panels_issuer=True)


def only(plan: Plan) -> Case:
    """Return the only case of a plan without waiting cases."""
    assert plan.waiting == ()
    [case] = plan.cases
    return case


def test_four_services_with_four_keys_get_one_certificate() -> None:
    case = only(planned(*fresh()))
    assert (case.repair, case.names, case.services, case.is_panel) == (Repair.REISSUE, (NAME,), ALL, True)
    assert [step.kind for step in case.steps].count("order") == 1
    assert [step.subject for step in case.steps if step.kind == "install"] == list(ALL)
    assert case.replaced == {digest(word) for word in ALL}


def test_service_with_a_good_certificate_keeps_it() -> None:
    good = service("dovecot", ("server.example.com", "mail.example.com"), "bought")
    case = only(planned(*fresh("cpanel", "exim", "pure-ftpd"), good))
    assert case.services == ("cpanel", "exim", "pure-ftpd")
    assert case.names == (NAME,)


def test_case_keeps_its_id_after_some_services_are_repaired() -> None:
    before = only(planned(*fresh()))
    done = [service(word, leaf="new") for word in ("cpanel", "dovecot")]
    between = only(planned(*fresh("exim", "pure-ftpd"), *done))
    assert (between.id, between.services) == (before.id, ("exim", "pure-ftpd"))


def test_panels_on_two_hosts_are_two_cases() -> None:
    other = [{**row, "endpoint": row["endpoint"].replace(HOST, "web2"), "host": "ssh://root@web2"} for row in fresh()]
    first, second = planned(*fresh(), *other).cases
    assert first.id != second.id


def test_service_with_a_copy_of_a_panel_certificate_is_not_in_the_case() -> None:
    web = f"{HOST}/https://{NAME}:443"
    copy = seen(web, (NAME,), leaf="cpanel", key="key of cpanel", files=[file("/etc/ssl/copy.crt")], service="apache")
    owned = found(web, "ops.foreign-agent", detail={"observed": "cpanel"}, severity="info")
    plan = planned(*fresh(), copy, found(web, "cert.self-signed"), owned)
    assert only(plan).services == ALL
    assert {entry.kind for entry in plan.explained if entry.endpoint == web} == {"foreign"}


def test_service_with_a_link_to_a_file_of_the_panel_is_in_the_case() -> None:
    files = [{**file("/etc/exim.crt"), "real_path": "/var/cpanel/ssl/exim/exim.crt"}]
    linked = service("exim", files=files, panel_service=None)
    case = only(planned(*fresh("cpanel"), linked, found(endpoint("exim"), "cert.self-signed")))
    assert case.services == ("cpanel", "exim")


@pytest.mark.parametrize("kinds", [("certificate", "key"), ("key",)])
def test_panel_path_linked_to_a_certificate_of_an_agent_is_explained(kinds: tuple[str, ...]) -> None:
    folder, key = "/var/cpanel/ssl/exim", "key of exim"
    files = [file(f"{folder}/exim.crt", key=key), file(f"{folder}/exim.key", "key", key)]
    files = [{**row, "real_path": "/etc/letsencrypt/live/x/x.pem" if row["kind"] in kinds else None} for row in files]
    linked = service("exim", files=files, panel_service=None)
    owned = found(endpoint("exim"), "ops.foreign-agent", detail={"observed": "certbot"}, severity="info")
    plan = planned(whole(), linked, found(endpoint("exim"), "cert.expiring", remedy="reissue"), owned)
    assert (plan.cases, plan.waiting) == ((), ())
    assert {entry.kind for entry in plan.explained} == {"foreign"}


@pytest.mark.parametrize("check", ["svc.certificate-missing", "svc.config-missing-file"])
def test_service_without_a_certificate_is_in_the_case_of_the_panel(check: str) -> None:
    bare = service("dovecot", (), None, files=[file("/etc/dovecot/ssl/dovecot.crt")])
    missing = found(endpoint("dovecot"), check, remedy="reissue")
    silent = found(endpoint("dovecot"), "svc.unreachable", detail={"stages": ["connect"]})
    case = only(planned(*fresh("cpanel"), bare, missing, silent))
    assert case.services == ("cpanel", "dovecot")
    assert case.replaced == {digest("cpanel")}


def test_unreadable_key_keeps_all_files_of_the_service_in_the_case() -> None:
    folder = "/var/cpanel/ssl/dovecot"
    read = [file(f"{folder}/a.crt", key="a"), file(f"{folder}/a.key", "key", "a")]
    files = [*read, file(f"{folder}/b.crt"), file(f"{folder}/b.key", "key")]
    without_files = (service("dovecot", (), None, files=files), found(endpoint("dovecot"), "svc.certificate-missing"))
    assert [used.path for used in only(planned(whole(), *without_files)).files] == [row["path"] for row in files]


def test_service_without_files_is_in_the_case_of_the_panel() -> None:
    without_files = (service("dovecot", (), None, files=[]), found(endpoint("dovecot"), "svc.certificate-missing"))
    assert only(planned(*fresh("cpanel"), *without_files)).services == ("cpanel", "dovecot")


def test_service_without_files_and_panel_is_not_a_panel_case() -> None:
    without_panel = service("dovecot", (), None, files=[], panel_service=None)
    case = only(planned(without_panel, found(endpoint("dovecot"), "svc.certificate-missing")))
    assert not case.is_panel


def test_unreachable_service_waits_and_the_others_are_repaired() -> None:
    silent = found(endpoint("exim"), "svc.unreachable", detail={"stages": ["connect"]})
    plan = planned(*fresh(), silent)
    [case], [waiting] = plan.cases, plan.waiting
    assert (case.services, waiting.case.services) == (("cpanel", "dovecot", "pure-ftpd"), ("exim",))
    assert case.id != waiting.case.id
    assert case.id == only(planned(*fresh())).id


@pytest.mark.parametrize("check", ["chain.incomplete", "svc.disk-vs-wire", "key.permissions"])
def test_repair_without_an_order_is_of_one_service_only(check: str) -> None:
    rows = [row for row in fresh() if row["kind"] == "observation"]
    case = only(planned(*rows, found(endpoint("exim"), check)))
    assert case.services == ("exim",)


@pytest.mark.parametrize("name", ["server", "localhost", "old.example.com", "192.0.2.1"])
def test_names_of_a_self_signed_certificate_are_dropped_and_recorded(name: str) -> None:
    self_signed = service("exim", (NAME, name))
    case = only(planned(whole(), self_signed, found(endpoint("exim"), "cert.self-signed")))
    assert (case.names, [dropped.name for dropped in case.dropped_names]) == ((NAME,), [name])


def test_former_host_name_is_dropped_unless_it_resolves_to_the_host() -> None:
    before = ("old.example.com", "mail.example.com")
    own = ["192.0.2.1"]
    bought = service("exim", before, own_addresses=own)
    wrong = found(endpoint("exim"), "cert.name-mismatch", remedy="reissue")
    web = seen(f"{HOST}/https://mail.example.com:443", ("mail.example.com",), leaf="web", key="web",
               resolved=own, own_addresses=own)  # fmt: skip
    case = only(planned(whole(), bought, wrong, web))
    assert (case.names, [dropped.name for dropped in case.dropped_names]) == (
        ("mail.example.com", NAME),
        ["old.example.com"],
    )


def test_names_certified_by_a_ca_are_kept_except_wildcards() -> None:
    bought = service("exim", (NAME, "mail.example.com", "*.example.com"))
    case = only(planned(whole(), bought, found(endpoint("exim"), "cert.expiring", remedy="reissue")))
    assert case.names == ("mail.example.com", NAME)
    assert [dropped.name for dropped in case.dropped_names] == ["*.example.com"]


@pytest.mark.parametrize(
    ("check", "place"),
    [
        ("dcv.firewall", f"{HOST}/"), ("dcv.http-unreachable", f"{HOST}/"), ("dcv.redirect-illegal", f"{HOST}/"),
        ("host.name-invalid", f"{HOST}/"), ("ops.clock-skew", f"{HOST}/"), ("dns.unresolvable", f"{HOST}/"),
        ("dns.not-this-host", endpoint("exim")), ("dns.unresolvable", endpoint("exim")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("run_limits", [RunLimits(), PANELS], ids=["ordered here", "by the panel"])
def test_case_waits_if_the_ca_could_not_fetch_the_token(check: str, place: str, run_limits: RunLimits) -> None:
    plan = planned(*fresh("exim"), found(place, check), run_limits=run_limits)
    assert plan.cases == ()
    assert [blocker.text for blocker in plan.waiting[0].blocked_by] == [f"{place}: {check}: {check} it is"]


def test_other_address_of_the_host_name_does_not_make_the_case_wait() -> None:
    shared = service("exim", resolved=["192.0.2.1", "192.0.2.9"], own_addresses=["192.0.2.1"])
    assert only(planned(whole(), shared, found(endpoint("exim"), "cert.self-signed"))).services == ("exim",)


@pytest.mark.parametrize(
    ("path", "later"),
    [
        ("/var/cpanel/ssl/cpanel/cpanel.pem", "/var/cpanel/ssl/cpanel/mycpanel.pem"),
        ("/var/cpanel/ssl/cpanel/mycpanel.pem", None),
        ("/var/cpanel/ssl/apache_tls/www.example.com/combined", None),
        ("/etc/ssl/www.pem", None),
    ],
)
def test_installed_path_replaces_the_file_of_the_panel(path: str, later: str | None) -> None:
    assert installed_path(path) == later


def test_finding_at_each_port_is_one_reason_to_wait() -> None:
    unresolved = [found(endpoint(word), "dns.unresolvable") for word in ALL]
    [waiting] = planned(*fresh(), *unresolved).waiting
    assert (waiting.case.services, len(waiting.blocked_by)) == (ALL, 1)


@pytest.mark.parametrize(
    "finding",
    [
        found(f"{HOST}/", "dcv.firewall", verdict="inconclusive"), found(f"{HOST}/", "dcv.firewall-narrow"),
        found(f"{HOST}/", "dcv.stale-token", severity="info"), found(f"{HOST}/", "ops.renewal-unscheduled"),
    ],
    ids=lambda row: f"{row['check']}:{row['verdict']}",
)  # fmt: skip
def test_finding_that_only_informs_does_not_make_the_case_wait(finding: Row) -> None:
    plan = planned(*fresh("exim"), finding)
    assert only(plan).services == ("exim",)
    assert finding["check"] in {entry.check for entry in plan.explained}


def test_panel_program_is_run_once_for_all_services() -> None:
    case = only(planned(*fresh(), run_limits=PANELS))
    assert (case.repair, case.owner, case.services) == (Repair.RUN_OWNER, "cpanel", ALL)
    assert [step.kind for step in case.steps].count("renew") == 1
    assert case.id == only(planned(*fresh())).id


def test_panel_program_is_not_run_for_other_hosts() -> None:
    web = "web2/https://www.example.com:443"
    [waiting] = planned(seen(web), found(web, "cert.expired"), run_limits=PANELS).waiting
    assert "orders only for services of that panel" in waiting.blocked_by[0].text


def test_website_certificate_of_the_panel_is_always_left_to_it() -> None:
    web = f"{HOST}/https://shop.example.com:443"
    owned = found(web, "ops.foreign-agent", detail={"observed": "cpanel"}, severity="info")
    rows = (seen(web, service="apache"), found(web, "cert.expired"), owned)
    for run_limits in (RunLimits(foreign="run-owner"), RunLimits(foreign="run-owner", is_panels_issuer=True), PANELS):
        plan = planned(*rows, run_limits=run_limits)
        assert (plan.cases, plan.waiting) == ((), ())
        assert {entry.kind for entry in plan.explained} == {"foreign"}
