"""Tests of the order of a plan: the canary, the other cases, what is explained, and a case that cannot be planned."""

from __future__ import annotations

from typing import Any, Final

import pytest

from remediate.cli.output import plan_lines
from remediate.model.case import Case
from remediate.planning import case_builder as draft_module
from remediate.planning import planner as plan_module
from remediate.planning.case_builder import CaseDraft
from tests.support.remediate.cpanel_rows import fresh
from tests.support.remediate.result_rows import Row, expired, found, planned, seen

WEB: Final = "web1/https://www.example.com:443"
MAIL: Final = "web1/imaps://mail.example.com:993"
OTHER: Final = "web2/https://www.example.com:443"
LONE: Final = ("a.example", "c.example", "j.example")


@pytest.mark.parametrize(
    ("rows", "canary", "count"),
    [
        # of two reissues that on fewer endpoints is first, also before a more severe reload; the ids do not decide
        *(((seen(WEB), seen(MAIL), found(WEB, "cert.expired", severity="critical"),
            seen("web3/https://c.example.com:443", leaf="c", key="c"),
            found("web3/https://c.example.com:443", "svc.disk-vs-wire", severity="critical"),
            *expired(name=name)), (f"web1/https://{name}:443",), 3) for name in LONE),
        # a reissue is first even with more endpoints and a lower severity than a reload
        ((seen(OTHER, leaf="new", key="new"), found(OTHER, "svc.disk-vs-wire", severity="critical"),
          seen(WEB), seen(MAIL), found(WEB, "cert.expired", severity="low")), (WEB, MAIL), 2),
    ],
)  # fmt: skip
def test_canary_is_the_strongest_repair_of_the_fewest_endpoints(
    rows: tuple[Row, ...], canary: tuple[str, ...], count: int
) -> None:
    outcome = planned(*rows)
    assert outcome.canary is outcome.cases[0]
    assert (outcome.cases[0].endpoints, len(outcome.cases)) == (canary, count)


def test_cases_after_the_canary_are_sorted_by_severity_and_id() -> None:
    rows: list[Row] = []
    severities = {"a": "low", "b": "critical", "c": "medium", "d": "critical"}
    for name, severity in severities.items():
        endpoint = f"web1/https://{name}.example.com:443"
        rows.append(seen(endpoint, (f"{name}.example.com",), leaf=name, key=name))
        rows.append(found(endpoint, "svc.disk-vs-wire", severity=severity))
    beside = found("web1/https://b.example.com:443", "key.permissions", severity="low")  # the most severe one counts
    canary, *others = planned(*rows, beside, *expired(name="lone.example.com")).cases
    assert canary.names == ("lone.example.com",)
    assert [{case.names[0] for case in others[:2]}, *(case.names[0] for case in others[2:])] == [
        {"b.example.com", "d.example.com"}, "c.example.com", "a.example.com",
    ]  # fmt: skip
    assert others[0].id < others[1].id


def test_endpoints_without_findings_are_explained_in_order_of_ids() -> None:
    rows = (seen(OTHER), found(OTHER, "cert.expired", verdict="pass"), seen(WEB), found(WEB, "tls.old-protocol"))
    explained = planned(*rows).explained
    assert [(finding.endpoint, finding.check, finding.kind) for finding in explained] == [
        (WEB, "tls.old-protocol", "configure"), (OTHER, None, "well"),
    ]  # fmt: skip
    assert explained[1].why == "nothing is wrong"


@pytest.mark.parametrize(
    ("rows", "broken", "planned_names"),
    [
        ((*expired(name="a.example.com"), *expired(name="b.example.com")), "a.example.com", [("b.example.com",)]),
        (fresh("cpanel", "exim"), ":465", [("server.example.com",)]),  # a panel's services are otherwise one case
    ],
)
def test_exception_about_one_certificate_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, rows: tuple[Row, ...], broken: str, planned_names: list[tuple[str, ...]]
) -> None:
    real = draft_module.case_of

    def case_of(draft: CaseDraft, *rest: Any) -> Case:  # noqa: ANN401 - as the replaced function
        if any(broken in finding.endpoint for finding in draft.findings):
            raise ZeroDivisionError("a bug of ours")
        return real(draft, *rest)

    monkeypatch.setattr(plan_module, "case_of", case_of)
    outcome = planned(*rows)
    assert [case.names for case in outcome.cases] == planned_names
    (left,) = (entry for entry in outcome.explained if entry.check)
    assert broken in left.endpoint
    assert left.why == "its repair could not be planned: ZeroDivisionError: a bug of ours"
    (trace,) = outcome.accidents
    assert "in case_of" in trace
    assert trace.splitlines()[-1] in "\n".join(plan_lines(outcome))
