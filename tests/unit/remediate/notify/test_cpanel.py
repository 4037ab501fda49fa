"""Notifications about a panel's host: items by service, recipients, silenced findings, and requests for the file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest

from remediate.model.case import Case
from remediate.model.causes import Cause
from remediate.model.outcome import CaseResult
from remediate.state.journal import CaseOutcome, Event
from tests.support.notify.nights import Contacts, Nights, text_of
from tests.support.notify.results import ended
from tests.support.remediate.cpanel_rows import HOST, endpoint, fresh, service, whole
from tests.support.remediate.result_rows import Row, found, seen
from tests.unit.remediate.planning.test_disabled_hosts import FIRST, SECOND, WEB, switched

MAIL, WHOLE = endpoint("exim"), f"{HOST}/"
VISITS = (
    "the order o-1 at store is pending-validation: the CA is working on it",
    "no request by the CA for the file in /etc/apache2/logs/access_log and 1 more",
    "fetched by this audit: 198.51.100.1 at 2026-11-23 02:59:00 UTC, sslaudit (self-test) SECTIGO DCV, 200",
)


def here() -> Row:
    return found(WHOLE, "svc.unreachable", verdict="pass")


def expired() -> tuple[Row, ...]:
    return whole(), service("exim"), found(MAIL, "cert.expired", service="exim")


def old_protocol() -> tuple[Row, ...]:
    return seen(WEB), found(WEB, "tls.old-protocol", message="TLS 1.0 is offered", service="nginx")


def case_of(nights: Nights, *rows: Row) -> Case:
    (case,) = nights.plan(*rows).cases
    return case


def wrong(nights: Nights, *how: Any, note: str = "", **differing: Any) -> Any:  # noqa: ANN401 - an ending
    case = case_of(nights, here(), *fresh())
    return ended(nights, case, *how, note, next_at=nights.now + timedelta(hours=1), **differing)


def test_who_came_for_the_proof_is_told_line_by_line_while_the_order_is_pending(nights: Nights) -> None:
    ending = wrong(nights, "pending", "collect", Cause.ISSUER_PENDING, note="\n".join(VISITS))
    nights.night(here(), *fresh(), endings=[ending])
    (message,) = nights.box.emails
    text = text_of(message)
    assert f"Happened: {VISITS[0]} [issuer.pending]" in text
    for line in VISITS[1:]:
        assert f"- {line}" in text


def test_what_is_wrong_is_summed_up_by_service(nights: Nights) -> None:
    minor = found(WHOLE, "ops.contact-missing", severity="low", message="nobody is named to be told")
    ending = wrong(nights, "failed", "self-test", Cause.DCV_BLOCKED, note="blocked")
    nights.night(here(), *fresh(), *old_protocol(), minor, endings=[ending])
    (message,) = nights.box.emails
    body = message.get_body(("plain",))
    assert body is not None
    lines = [line.strip() for line in str(body.get_content()).splitlines()]
    for name in ending.case.services:
        assert f"{name}: 1 failed" in lines
    assert "nginx: 1 failed" in lines
    assert "the host itself: 1 below the threshold" in lines
    html = message.get_body(("html",))
    assert html is not None
    assert "nginx: 1 failed<br>" in str(html.get_content())


@pytest.mark.parametrize("kind", ["waiting", "failed"])
def test_what_was_done_in_an_earlier_year_is_not_told_as_tried_tonight(
    nights: Nights, kind: Literal["waiting", "failed"]
) -> None:
    case = case_of(nights, here(), *fresh())
    ended(nights, case, "proven")
    for step in case.steps:
        nights.journal.record(case.id, Event(step.name, "done", nights.now))
    nights.journal.end(case.id, CaseOutcome("repaired", nights.now))
    nights.now += timedelta(days=200)
    nights.night(here(), *fresh(), endings=[CaseResult(case, kind, cause=Cause.DCV_FIREWALL, note="port 80 is closed")])
    (message,) = nights.box.emails
    assert ("port 80 is closed" in text_of(message), "Tried" in text_of(message)) == (True, False)


def test_one_service_alone_needs_no_sum(nights: Nights) -> None:
    nights.night(here(), *old_protocol())
    (message,) = nights.box.emails
    assert "nginx: 1 failed" not in text_of(message)


def test_where_notices_are_switched_off_nothing_is_written_about_what_expires(nights: Nights) -> None:
    nights.night(here(), *expired(), switched(SECOND))
    assert nights.box.sent == []


def test_what_was_told_before_notices_were_switched_off_is_not_told_on(nights: Nights) -> None:
    nights.night(here(), *expired())
    nights.night(here(), *expired(), switched(SECOND))
    assert len(nights.box.sent) == 1
    nights.night(here(), *expired(), *old_protocol(), switched(SECOND))
    first, second = map(text_of, nights.box.emails)
    assert ("cert.expired" in first, "cert.expired" in second, "tls.old-protocol" in second) == (True, False, True)


def test_a_repair_that_waits_as_it_was_switched_off_since_is_kept_silent_too(nights: Nights) -> None:
    case = case_of(nights, here(), *expired())
    waiting = CaseResult(
        case, "waiting", cause=Cause.HOST_SWITCHED_OFF, note="repair is switched off on the host itself"
    )
    nights.night(here(), *expired(), switched(SECOND), endings=[waiting])
    assert nights.box.sent == []
    nights.night(here(), *expired(), switched(FIRST), endings=[waiting])
    assert len(nights.box.sent) == 1


def test_of_a_host_that_names_nobody_whoever_else_is_to_know_is_told(nights: Nights) -> None:
    nights.change_mail(to=())
    nights.sessions = {HOST: Contacts()}
    missing = found(WHOLE, "ops.contact-missing", message="nobody is named to be told")
    nights.night(here(), missing)
    (message,) = nights.box.emails
    assert nights.settings is not None
    assert message["To"] == nights.settings.default_recipients[0]
    assert "nobody is named to be told [ops.contact-missing, high]" in text_of(message)


def test_a_closed_firewall_is_told_with_its_rule_and_what_to_do(nights: Nights) -> None:
    rule = "199.66.201.132 is refused by `tcp dport 80 drop` in table inet filter, chain input"
    nights.night(here(), *fresh(), found(WHOLE, "dcv.firewall", remedy="host", message=rule))
    text = text_of(nights.box.emails[0])
    assert rule in text
    assert "What to do: allow TCP port 80 in the rule above" in text
