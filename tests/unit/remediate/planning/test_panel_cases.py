"""A panel's own services are one case a host: one order, one certificate, whichever keys and certificates they had."""

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
    """Return the one case, which waits for nothing."""
    assert plan.waiting == ()
    [case] = plan.cases
    return case


def test_four_certificates_of_four_keys_are_replaced_by_one() -> None:
    case = only(planned(*fresh()))
    assert (case.repair, case.names, case.services, case.is_panel) == (Repair.REISSUE, (NAME,), ALL, True)
    assert [step.kind for step in case.steps].count("order") == 1
    assert [step.subject for step in case.steps if step.kind == "install"] == list(ALL)
    assert case.replaced == {digest(word) for word in ALL}


def test_a_good_certificate_is_left_alone() -> None:
    good = service("dovecot", ("server.example.com", "mail.example.com"), "bought")
    case = only(planned(*fresh("cpanel", "exim", "pure-ftpd"), good))
    assert case.services == ("cpanel", "exim", "pure-ftpd")
    assert case.names == (NAME,)


def test_the_case_stays_the_same_while_some_services_are_repaired_already() -> None:
    before = only(planned(*fresh()))
    done = [service(word, leaf="new") for word in ("cpanel", "dovecot")]
    between = only(planned(*fresh("exim", "pure-ftpd"), *done))
    assert (between.id, between.services) == (before.id, ("exim", "pure-ftpd"))


def test_the_case_of_another_host_is_another() -> None:
    other = [{**row, "endpoint": row["endpoint"].replace(HOST, "web2"), "host": "ssh://root@web2"} for row in fresh()]
    first, second = planned(*fresh(), *other).cases
    assert first.id != second.id


def test_what_only_has_a_copy_of_the_panels_certificate_is_repaired_by_itself() -> None:
    web = f"{HOST}/https://{NAME}:443"
    copy = seen(web, (NAME,), leaf="cpanel", key="key of cpanel", files=[file("/etc/ssl/copy.crt")], service="apache")
    theirs = found(web, "ops.foreign-agent", detail={"observed": "cpanel"}, severity="info")
    plan = planned(*fresh(), copy, found(web, "cert.self-signed"), theirs)
    assert only(plan).services == ALL
    assert {one.kind for one in plan.explained if one.endpoint == web} == {"foreign"}


def test_a_link_of_a_service_that_leads_to_the_panels_file_is_known() -> None:
    files = [{**file("/etc/exim.crt"), "real_path": "/var/cpanel/ssl/exim/exim.crt"}]
    linked = service("exim", files=files, panel_service=None)
    case = only(planned(*fresh("cpanel"), linked, found(endpoint("exim"), "cert.self-signed")))
    assert case.services == ("cpanel", "exim")


@pytest.mark.parametrize("kinds", [("certificate", "key"), ("key",)])
def test_a_panels_path_that_leads_to_another_agents_certificate_is_left_to_that_agent(kinds: tuple[str, ...]) -> None:
    folder, key = "/var/cpanel/ssl/exim", "key of exim"
    files = [file(f"{folder}/exim.crt", key=key), file(f"{folder}/exim.key", "key", key)]
    files = [{**one, "real_path": "/etc/letsencrypt/live/x/x.pem" if one["kind"] in kinds else None} for one in files]
    linked = service("exim", files=files, panel_service=None)
    theirs = found(endpoint("exim"), "ops.foreign-agent", detail={"observed": "certbot"}, severity="info")
    plan = planned(whole(), linked, found(endpoint("exim"), "cert.expiring", remedy="reissue"), theirs)
    assert (plan.cases, plan.waiting) == ((), ())
    assert {one.kind for one in plan.explained} == {"foreign"}


@pytest.mark.parametrize("check", ["svc.certificate-missing", "svc.config-missing-file"])
def test_a_service_with_no_certificate_at_all_gets_one_with_the_others(check: str) -> None:
    none = service("dovecot", (), None, files=[file("/etc/dovecot/ssl/dovecot.crt")])
    missing = found(endpoint("dovecot"), check, remedy="reissue")
    silent = found(endpoint("dovecot"), "svc.unreachable", detail={"stages": ["connect"]})
    case = only(planned(*fresh("cpanel"), none, missing, silent))
    assert case.services == ("cpanel", "dovecot")
    assert case.replaced == {digest("cpanel")}


def test_of_a_service_that_serves_nothing_no_file_is_lost_where_one_key_cannot_be_read() -> None:
    folder = "/var/cpanel/ssl/dovecot"
    read = [file(f"{folder}/a.crt", key="a"), file(f"{folder}/a.key", "key", "a")]
    files = [*read, file(f"{folder}/b.crt"), file(f"{folder}/b.key", "key")]
    none = (service("dovecot", (), None, files=files), found(endpoint("dovecot"), "svc.certificate-missing"))
    assert [one.path for one in only(planned(whole(), *none)).files] == [one["path"] for one in files]


def test_a_service_that_has_no_files_yet_is_no_other_case() -> None:
    none = (service("dovecot", (), None, files=[]), found(endpoint("dovecot"), "svc.certificate-missing"))
    assert only(planned(*fresh("cpanel"), *none)).services == ("cpanel", "dovecot")


def test_a_service_without_files_on_another_host_is_no_panels() -> None:
    none = service("dovecot", (), None, files=[], panel_service=None)
    case = only(planned(none, found(endpoint("dovecot"), "svc.certificate-missing")))
    assert not case.is_panel


def test_a_service_that_cannot_be_proven_holds_up_no_other() -> None:
    silent = found(endpoint("exim"), "svc.unreachable", detail={"stages": ["connect"]})
    plan = planned(*fresh(), silent)
    [case], [waiting] = plan.cases, plan.waiting
    assert (case.services, waiting.case.services) == (("cpanel", "dovecot", "pure-ftpd"), ("exim",))
    assert case.id != waiting.case.id
    assert case.id == only(planned(*fresh())).id


@pytest.mark.parametrize("check", ["chain.incomplete", "svc.disk-vs-wire", "key.permissions"])
def test_what_needs_no_new_certificate_is_repaired_for_that_service_alone(check: str) -> None:
    rows = [row for row in fresh() if row["kind"] == "observation"]
    case = only(planned(*rows, found(endpoint("exim"), check)))
    assert case.services == ("exim",)


@pytest.mark.parametrize("name", ["server", "localhost", "old.example.com", "192.0.2.1"])
def test_names_that_only_a_self_signed_certificate_had_are_left_out_and_told(name: str) -> None:
    home_made = service("exim", (NAME, name))
    case = only(planned(whole(), home_made, found(endpoint("exim"), "cert.self-signed")))
    assert (case.names, [one.name for one in case.dropped_names]) == ((NAME,), [name])


def test_what_the_host_was_called_before_is_left_out_unless_it_still_leads_here() -> None:
    before = ("old.example.com", "mail.example.com")
    own = ["192.0.2.1"]
    bought = service("exim", before, own_addresses=own)
    wrong = found(endpoint("exim"), "cert.name-mismatch", remedy="reissue")
    web = seen(f"{HOST}/https://mail.example.com:443", ("mail.example.com",), leaf="web", key="web",
               resolved=own, own_addresses=own)  # fmt: skip
    case = only(planned(whole(), bought, wrong, web))
    assert (case.names, [one.name for one in case.dropped_names]) == (("mail.example.com", NAME), ["old.example.com"])


def test_names_that_a_ca_has_vouched_for_are_kept_but_for_wildcards() -> None:
    bought = service("exim", (NAME, "mail.example.com", "*.example.com"))
    case = only(planned(whole(), bought, found(endpoint("exim"), "cert.expiring", remedy="reissue")))
    assert case.names == ("mail.example.com", NAME)
    assert [one.name for one in case.dropped_names] == ["*.example.com"]


@pytest.mark.parametrize(
    ("check", "place"),
    [
        ("dcv.firewall", f"{HOST}/"), ("dcv.http-unreachable", f"{HOST}/"), ("dcv.redirect-illegal", f"{HOST}/"),
        ("host.name-invalid", f"{HOST}/"), ("ops.clock-skew", f"{HOST}/"), ("dns.unresolvable", f"{HOST}/"),
        ("dns.not-this-host", endpoint("exim")), ("dns.unresolvable", endpoint("exim")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("run_limits", [RunLimits(), PANELS], ids=["ordered here", "by the panel"])
def test_nothing_is_ordered_where_the_ca_could_not_see_the_proof(check: str, place: str, run_limits: RunLimits) -> None:
    plan = planned(*fresh("exim"), found(place, check), run_limits=run_limits)
    assert plan.cases == ()
    assert [one.text for one in plan.waiting[0].blocked_by] == [f"{place}: {check}: {check} it is"]


def test_other_addresses_of_the_host_s_name_are_left_to_the_self_test() -> None:
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
def test_what_the_panel_installs_takes_the_place_of_its_own_file(path: str, later: str | None) -> None:
    assert installed_path(path) == later


def test_what_is_found_of_every_port_is_said_once() -> None:
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
def test_what_is_only_told_stops_no_order(finding: Row) -> None:
    plan = planned(*fresh("exim"), finding)
    assert only(plan).services == ("exim",)
    assert finding["check"] in {one.check for one in plan.explained}


def test_the_panels_own_program_is_run_once_for_all_of_its_services() -> None:
    case = only(planned(*fresh(), run_limits=PANELS))
    assert (case.repair, case.owner, case.services) == (Repair.RUN_OWNER, "cpanel", ALL)
    assert [step.kind for step in case.steps].count("renew") == 1
    assert case.id == only(planned(*fresh())).id


def test_the_panels_program_orders_for_nobody_else() -> None:
    web = "web2/https://www.example.com:443"
    [waiting] = planned(seen(web), found(web, "cert.expired"), run_limits=PANELS).waiting
    assert "orders only for services of that panel" in waiting.blocked_by[0].text


def test_what_the_panel_renews_for_websites_is_left_to_it_whatever_is_asked_for() -> None:
    web = f"{HOST}/https://shop.example.com:443"
    theirs = found(web, "ops.foreign-agent", detail={"observed": "cpanel"}, severity="info")
    rows = (seen(web, service="apache"), found(web, "cert.expired"), theirs)
    for run_limits in (RunLimits(foreign="run-owner"), RunLimits(foreign="run-owner", is_panels_issuer=True), PANELS):
        plan = planned(*rows, run_limits=run_limits)
        assert (plan.cases, plan.waiting) == ((), ())
        assert {one.kind for one in plan.explained} == {"foreign"}
