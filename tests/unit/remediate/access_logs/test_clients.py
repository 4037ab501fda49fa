"""What is told of visits: the CA or nobody, the panel, this audit and others, and which addresses are listed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audit.firewall.exposure import CURRENT_PRACTICE
from remediate.access_logs.clients import classify_client, client_lines
from remediate.access_logs.parser import LoggedRequest, LogScan

AT = datetime(2026, 11, 23, 10, 3, 4, tzinfo=UTC)
LOG = "/var/log/apache2/access.log"
SECTIGO = LoggedRequest("199.66.201.132", AT, 200, "SECTIGO DCV")
OURS = LoggedRequest("198.51.100.1", AT, 200, "sslaudit (self-test) SECTIGO DCV")


def told(*visits: LoggedRequest, is_ordered: bool = True) -> tuple[str, ...]:
    return client_lines(LogScan(visits, logs=(LOG,)), is_ordered=is_ordered)


@pytest.mark.parametrize(
    ("agent", "whose"),
    [
        ("SECTIGO DCV", "ca"),
        ("Sectigo DCV", "ca"),
        ("Mozilla/5.0 (compatible; sectigo-dcv/2.0)", "ca"),
        ("sslaudit (self-test) SECTIGO DCV", "ours"),
        ("Cpanel-HTTP-Client/1.0", "panel"),
        ("cpanel-http-client/11.130", "panel"),
        ("Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://www.letsencrypt.org)", "ca"),
        ("curl/8.0", "other"),
        ("SECTIGODCVX", "other"),
        ("", "other"),
    ],
)
def test_who_came_is_told_by_the_user_agent_in_any_case(agent: str, whose: str) -> None:
    assert classify_client(LoggedRequest("192.0.2.1", AT, 200, agent)) == whose


def test_address_time_agent_and_status_of_each_visitor_are_told() -> None:
    panel = LoggedRequest("192.0.2.1", AT, 200, "Cpanel-HTTP-Client/1.0")
    assert told(panel, OURS, SECTIGO) == (
        "fetched by the CA: 199.66.201.132 at 2026-11-23 10:03:04 UTC, SECTIGO DCV, 200",
        "fetched by the panel's own client: 192.0.2.1 at 2026-11-23 10:03:04 UTC, Cpanel-HTTP-Client/1.0, 200",
        "fetched by this audit: 198.51.100.1 at 2026-11-23 10:03:04 UTC, sslaudit (self-test) SECTIGO DCV, 200",
        "listed as Sectigo's by cPanel's documentation: 199.66.201.132",
    )


def test_several_addresses_are_counted_and_each_is_told_once() -> None:
    others = [LoggedRequest(f"203.0.113.{number}", AT, 200, "Sectigo DCV") for number in range(5)]
    first, listed, unlisted = told(SECTIGO, SECTIGO, *others)
    assert first.startswith(
        "fetched by 6 addresses of the CA: 199.66.201.132 at 2026-11-23 10:03:04 UTC, SECTIGO DCV, 200, 2 times; 203.0"
    )
    assert first.endswith("; and 2 more")
    assert listed == "listed as Sectigo's by cPanel's documentation: 199.66.201.132"
    assert unlisted.startswith("not listed as Sectigo's by cPanel's documentation: 203.0.113.0, 203.0.113.1, ")
    assert unlisted.endswith(f"; {CURRENT_PRACTICE}")


def test_a_ca_that_was_not_served_and_one_that_did_not_come_are_told_apart() -> None:
    denied = LoggedRequest("203.0.113.7", AT, 403, "Sectigo DCV")
    assert told(denied)[0].startswith("requested, but not served, by the CA: 203.0.113.7 at ")
    assert told() == (f"no request by the CA for the file in {LOG}",)
    assert told(OURS)[0] == f"no request by the CA for the file in {LOG}"
    assert client_lines(LogScan(logs=(LOG, f"{LOG}.1", f"{LOG}.2.gz"))) == (
        f"no request by the CA for the file in {LOG} and 2 more",
    )


def test_before_an_order_what_counts_is_whether_anything_got_through() -> None:
    assert told(is_ordered=False) == (f"no request for the file in {LOG}",)
    (only,) = told(OURS, is_ordered=False)
    assert only.startswith("fetched by this audit: 198.51.100.1")


def test_what_could_not_be_read_is_told_and_where_nothing_was_nothing_is_said_of_the_ca() -> None:
    noted = LogScan(
        (SECTIGO,), 3, (LOG,), (f"{LOG}.1 may not be read by www", "it goes to syslog:user, which is no file")
    )
    assert client_lines(noted)[-2:] == (
        "cannot parse 3 lines of the access log that name the file",
        f"access log: {LOG}.1 may not be read by www; it goes to syslog:user, which is no file",
    )
    assert client_lines(LogScan(faults=("/l is not there",))) == ("access log: /l is not there",)
    assert client_lines(LogScan()) == ()


def test_what_is_not_known_of_a_visit_is_said() -> None:
    assert str(LoggedRequest("192.0.2.1")) == "192.0.2.1 at an unknown time, no user agent, no status"
    assert str(LoggedRequest("192.0.2.1", AT, 200, "x", "127.0.0.1")).startswith("192.0.2.1 through 127.0.0.1 at 2026-")
