"""Whatever was found, in whatever order: no name is lost, no result forgotten, and a case keeps its id."""

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


def a_fleet(random: Random) -> list[Row]:
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
    return Random(request.param)  # noqa: S311 - the same fleets in every run


def test_no_name_is_lost(random: Random) -> None:
    rows = a_fleet(random)
    served = {row["endpoint"]: row["names"] or [] for row in rows if row["kind"] == "observation"}
    for case in cases_of(planned(*rows, run_limits=RunLimits(max_cases=random.randint(0, 3)))):
        told = {one.name for one in case.dropped_names}
        users = [endpoint for endpoint in served if endpoint in case.endpoints]
        assert {endpoint.partition("://")[2].partition(":")[0] for endpoint in users} <= set(case.names)
        assert {name for endpoint in users for name in served[endpoint]} <= {*case.names, *told}
        assert not told & set(case.names)
        assert {"example.com", "*.example.com", "www.example.com"}.isdisjoint(told)


def test_the_order_of_the_results_makes_no_difference(random: Random) -> None:
    rows = a_fleet(random)
    outcome = planned(*rows)
    for _ in range(3):
        random.shuffle(rows)
        assert planned(*rows) == outcome


def test_every_result_is_repaired_explained_or_waits_and_only_once(random: Random) -> None:
    rows = a_fleet(random)
    outcome = planned(*rows, run_limits=RunLimits(max_cases=1))
    repaired = [(reason.endpoint, reason.check) for case in cases_of(outcome) for reason in case.reasons]
    explained = [(one.endpoint, one.check) for one in outcome.explained if one.check]
    closed = ("pass", "not-applicable")
    unwell = [
        (row["endpoint"], row["check"]) for row in rows if row["kind"] == "result" and row["verdict"] not in closed
    ]
    assert sorted([*repaired, *explained]) == sorted(unwell)


def test_no_two_cases_have_one_id_or_one_endpoint(random: Random) -> None:
    cases = cases_of(planned(*a_fleet(random)))
    endpoints = [endpoint for case in cases for endpoint in case.endpoints]
    assert len({case.id for case in cases}) == len(cases)
    assert len(set(endpoints)) == len(endpoints)
    assert all(len({step.name for step in case.steps}) == len(case.steps) for case in cases)


def test_a_case_survives_json(random: Random) -> None:
    for case in cases_of(planned(*a_fleet(random))):
        assert from_json(Case, to_json(case)) == case


def only(*rows: Row) -> Case:
    [case] = cases_of(planned(*rows))
    return case


def test_a_case_keeps_its_id_when_a_service_was_not_found_tonight() -> None:
    both = only(seen(WEB), seen(MAIL, service="dovecot"), found(WEB, "cert.expired"))
    assert only(seen(WEB), found(WEB, "cert.expired")).id == both.id


def test_a_case_keeps_its_id_when_it_gets_worse() -> None:
    assert only(seen(WEB), found(WEB, "key.weak")).id == only(seen(WEB), found(WEB, "cert.expired")).id


def test_a_case_keeps_its_id_when_it_was_repaired_for_one_service_and_not_the_other() -> None:
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


def test_a_case_has_another_id_on_another_host_for_other_names_or_another_key() -> None:
    ids = [case_id("web1", ["a", "b"], "k"), case_id("web2", ["a", "b"], "k"), case_id("web1", ["a"], "k"),
           case_id("web1", ["a", "b"], "l"), case_id("web1", ["a", "b"], None)]  # fmt: skip
    assert len(set(ids)) == len(ids)
    assert case_id("web1", ["b", "a"], "k") == ids[0]


def test_names_on_disk_are_kept_too() -> None:
    files = [{**file("/etc/one.pem"), "names": ["shop.example.com"]}]
    assert "shop.example.com" in only(seen(WEB, files=files), found(WEB, "cert.expired")).names


def test_what_no_ca_certifies_is_left_out_of_a_placeholder_and_told() -> None:
    rows = (seen(WEB, ["localhost", "db", "10.0.0.1", "8.8.8.8"]), found(WEB, "svc.certificate-missing"))
    case = only(*rows)
    assert case.names == ("8.8.8.8", "www.example.com")
    assert case.dropped_names == (
        DroppedName("10.0.0.1", "it is not a public address"),
        DroppedName("db", "it has no domain"),
        DroppedName("localhost", "it has no domain; localhost is reserved and names no host"),
    )


def test_a_ca_of_ones_own_may_have_certified_any_name_and_all_are_kept() -> None:
    assert only(seen(WEB, ["db", "10.0.0.1"]), found(WEB, "cert.expired")).names == (
        "10.0.0.1",
        "db",
        "www.example.com",
    )


def test_names_that_cannot_be_read_are_told() -> None:
    case = only(seen(WEB, None), found(WEB, "cert.malformed", remedy="reissue"))
    assert case.names == ("www.example.com",)
    assert case.dropped_names == (DroppedName("?", f"the names of what {WEB} serves cannot be read"),)


def test_the_instant_changes_what_waits_and_nothing_of_the_case() -> None:
    rows = (seen(WEB), found(WEB, "cert.expired"))
    assert cases_of(planned(*rows)) == cases_of(planned(*rows, now=NOW.replace(year=2030)))
