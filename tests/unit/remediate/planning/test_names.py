"""Tests of the planner with random results: no name and no result is lost, and a case keeps its id."""

from __future__ import annotations

from random import Random

import pytest

from audit.json_codec import from_json, to_json
from remediate.model.case import Case, DroppedName, case_id
from remediate.model.options import RunLimits
from remediate.model.plan import Plan
from tests.support.remediate.result_rows import NOW, REMEDIES, Row, file, found, planned, seen

WEB = "web1/https://www.example.com:443"
MAIL = "web1/imaps://mail.example.com:993"
SANS = ("example.com", "*.example.com", "www.example.com", "localhost", "10.0.0.1", "192.0.2.300.example", "db")
CHECKS = (*REMEDIES, "ops.foreign-agent", "my.own-check")
SEVERITIES = ("info", "low", "medium", "high", "critical")
VERDICTS = ("fail", "fail", "fail", "pass", "waived", "inconclusive", "not-applicable", "error")


def random_rows(random: Random) -> list[Row]:
    """Return a run over some hosts whose services share certificates and files, with any findings."""
    rows: list[Row] = [found("run/", "ops.endpoint-unusable", host=None)]
    for number in range(random.randint(1, 12)):
        host = random.choice(("web1/", "web2/", "box/", ""))
        endpoint = f"{host}https://n{number}.example.com:443"
        files = [file(f"/etc/{random.randint(1, 4)}.pem"), file("/etc/key", "key", random.choice(("a", "b", "c")))]
        names = None if random.random() < 0.1 else random.sample(SANS, random.randint(0, 4))
        rows.append(
            seen(endpoint, names, leaf=random.choice(("x", "y", "z", None)), key=random.choice(("a", "b", None)),
                 files=files[: random.randint(0, 2)], service=random.choice(("nginx", "exim")))
        )  # fmt: skip
        for check in random.sample(CHECKS, random.randint(0, 5)):
            verdict, severity = random.choice(VERDICTS), random.choice(SEVERITIES)
            rows.append(found(endpoint, check, verdict=verdict, severity=severity))
    return rows


def cases_of(plan: Plan) -> list[Case]:
    return [*plan.cases, *(waiting.case for waiting in plan.waiting)]


@pytest.fixture(params=range(60))
def random(request: pytest.FixtureRequest) -> Random:
    return Random(request.param)  # noqa: S311 - the same rows in every run


def test_each_name_is_in_its_case_or_dropped_with_a_record(random: Random) -> None:
    rows = random_rows(random)
    served = {row["endpoint"]: row["names"] or [] for row in rows if row["kind"] == "observation"}
    for case in cases_of(planned(*rows, run_limits=RunLimits(max_cases=random.randint(0, 3)))):
        dropped = {entry.name for entry in case.dropped_names}
        users = [endpoint for endpoint in served if endpoint in case.endpoints]
        assert {endpoint.partition("://")[2].partition(":")[0] for endpoint in users} <= set(case.names)
        assert {name for endpoint in users for name in served[endpoint]} <= {*case.names, *dropped}
        assert not dropped & set(case.names)
        assert {"example.com", "*.example.com", "www.example.com"}.isdisjoint(dropped)


def test_plan_does_not_depend_on_the_order_of_the_results(random: Random) -> None:
    rows = random_rows(random)
    outcome = planned(*rows)
    for _ in range(3):
        random.shuffle(rows)
        assert planned(*rows) == outcome


def test_each_result_is_in_exactly_one_case_or_explanation(random: Random) -> None:
    rows = random_rows(random)
    outcome = planned(*rows, run_limits=RunLimits(max_cases=1))
    repaired = [(reason.endpoint, reason.check) for case in cases_of(outcome) for reason in case.reasons]
    explained = [(entry.endpoint, entry.check) for entry in outcome.explained if entry.check]
    closed = ("pass", "not-applicable")
    unwell = [
        (row["endpoint"], row["check"]) for row in rows if row["kind"] == "result" and row["verdict"] not in closed
    ]
    assert sorted([*repaired, *explained]) == sorted(unwell)


def test_cases_have_different_ids_and_endpoints(random: Random) -> None:
    cases = cases_of(planned(*random_rows(random)))
    endpoints = [endpoint for case in cases for endpoint in case.endpoints]
    assert len({case.id for case in cases}) == len(cases)
    assert len(set(endpoints)) == len(endpoints)
    assert all(len({step.name for step in case.steps}) == len(case.steps) for case in cases)


def test_case_is_equal_after_json(random: Random) -> None:
    for case in cases_of(planned(*random_rows(random))):
        assert from_json(Case, to_json(case)) == case


def only(*rows: Row) -> Case:
    [case] = cases_of(planned(*rows))
    return case


def test_case_keeps_its_id_without_one_of_its_services() -> None:
    both = only(seen(WEB), seen(MAIL, service="dovecot"), found(WEB, "cert.expired"))
    assert only(seen(WEB), found(WEB, "cert.expired")).id == both.id


def test_case_keeps_its_id_with_a_stronger_repair() -> None:
    assert only(seen(WEB), found(WEB, "key.weak")).id == only(seen(WEB), found(WEB, "cert.expired")).id


def test_case_keeps_its_id_after_one_of_two_services_is_repaired() -> None:
    before = only(
        seen(WEB, files=[file("/etc/one.pem")]),
        seen(MAIL, files=[file("/etc/one.pem")], service="dovecot"),
        found(WEB, "cert.expired"),
        found(MAIL, "cert.expired"),
    )
    between = only(
        seen(WEB, files=[file("/etc/one.pem")], leaf="new", key="new-key"),
        seen(MAIL, files=[file("/etc/one.pem")], service="dovecot"),
        found(MAIL, "cert.expired"),
    )
    assert between.id == before.id
    assert between.old_leaf_sha256 == before.old_leaf_sha256


def test_case_id_depends_on_host_names_and_key() -> None:
    ids = [case_id("web1", ["a", "b"], "k"), case_id("web2", ["a", "b"], "k"), case_id("web1", ["a"], "k"),
           case_id("web1", ["a", "b"], "l"), case_id("web1", ["a", "b"], None)]  # fmt: skip
    assert len(set(ids)) == len(ids)
    assert case_id("web1", ["b", "a"], "k") == ids[0]


def test_names_of_installed_certificates_are_kept() -> None:
    files = [{**file("/etc/one.pem"), "names": ["shop.example.com"]}]
    assert "shop.example.com" in only(seen(WEB, files=files), found(WEB, "cert.expired")).names


def test_names_of_a_placeholder_that_no_ca_certifies_are_dropped() -> None:
    rows = (seen(WEB, ["localhost", "db", "10.0.0.1", "8.8.8.8"]), found(WEB, "svc.certificate-missing"))
    case = only(*rows)
    assert case.names == ("8.8.8.8", "www.example.com")
    assert case.dropped_names == (
        DroppedName("10.0.0.1", "it is not a public address"),
        DroppedName("db", "it has no domain"),
        DroppedName("localhost", "it has no domain; localhost is reserved and names no host"),
    )


def test_names_of_a_certificate_by_a_private_ca_are_kept() -> None:
    assert only(seen(WEB, ["db", "10.0.0.1"]), found(WEB, "cert.expired")).names == (
        "10.0.0.1",
        "db",
        "www.example.com",
    )


def test_unreadable_names_are_recorded_as_dropped() -> None:
    case = only(seen(WEB, None), found(WEB, "cert.malformed", remedy="reissue"))
    assert case.names == ("www.example.com",)
    assert case.dropped_names == (DroppedName("?", f"the names of what {WEB} serves cannot be read"),)


def test_repair_without_a_new_certificate_drops_no_name() -> None:
    case = only(seen(WEB, ["localhost"]), found(WEB, "cert.self-signed"), found(WEB, "svc.disk-vs-wire"))
    assert [dropped.name for dropped in case.dropped_names] == ["localhost"]
    assert only(seen(WEB, None), found(WEB, "svc.disk-vs-wire")).dropped_names == ()


def test_time_of_planning_does_not_change_the_cases() -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"))
    assert cases_of(planned(*rows)) == cases_of(planned(*rows, now=NOW.replace(year=2030)))


def test_wildcard_is_ordered_instead_of_the_name_requested_for_it() -> None:
    endpoint = "web1/https://any-label.example.com:443"
    case = only(seen(endpoint, ["a.example.com"]), found(endpoint, "cert.expired"))
    assert case.names == ("*.example.com", "a.example.com")


def test_names_are_ordered_in_lower_case_and_once() -> None:
    rows = (
        seen(WEB, ("WWW.Example.COM", "www.example.com.", "Shop.example.com", "2001:DB8::1")),
        found(WEB, "cert.expired"),
    )
    (case,) = planned(*rows).cases
    assert case.names == ("2001:db8::1", "shop.example.com", "www.example.com")
    assert [validation.name for validation in case.validated_on] == list(case.names)
