"""Tests of the lines about requests in access logs: by the CA, the panel, this audit and other clients."""

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


def lines_of(*requests: LoggedRequest, is_ordered: bool = True) -> tuple[str, ...]:
    return client_lines(LogScan(requests, logs=(LOG,)), is_ordered=is_ordered)


@pytest.mark.parametrize(
    ("agent", "client"),
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
def test_client_is_classified_by_its_user_agent_in_any_case(agent: str, client: str) -> None:
    assert classify_client(LoggedRequest("192.0.2.1", AT, 200, agent)) == client


def test_line_has_address_time_user_agent_and_status() -> None:
    panel = LoggedRequest("192.0.2.1", AT, 200, "Cpanel-HTTP-Client/1.0")
    assert lines_of(panel, OURS, SECTIGO) == (
        "fetched by the CA: 199.66.201.132 at 2026-11-23 10:03:04 UTC, SECTIGO DCV, 200",
        "fetched by the panel's own client: 192.0.2.1 at 2026-11-23 10:03:04 UTC, Cpanel-HTTP-Client/1.0, 200",
        "fetched by this audit: 198.51.100.1 at 2026-11-23 10:03:04 UTC, sslaudit (self-test) SECTIGO DCV, 200",
        "listed as Sectigo's by cPanel's documentation: 199.66.201.132",
    )


def test_several_addresses_are_counted_and_listed_once() -> None:
    others = [LoggedRequest(f"203.0.113.{number}", AT, 200, "Sectigo DCV") for number in range(5)]
    first, listed, unlisted = lines_of(SECTIGO, SECTIGO, *others)
    assert first.startswith(
        "fetched by 6 addresses of the CA: 199.66.201.132 at 2026-11-23 10:03:04 UTC, SECTIGO DCV, 200, 2 times; 203.0"
    )
    assert first.endswith("; and 2 more")
    assert listed == "listed as Sectigo's by cPanel's documentation: 199.66.201.132"
    assert unlisted.startswith("not listed as Sectigo's by cPanel's documentation: 203.0.113.0, 203.0.113.1, ")
    assert unlisted.endswith(f"; {CURRENT_PRACTICE}")


def test_denied_request_differs_from_no_request_of_the_ca() -> None:
    denied = LoggedRequest("203.0.113.7", AT, 403, "Sectigo DCV")
    assert lines_of(denied)[0].startswith("requested, but not served, by the CA: 203.0.113.7 at ")
    assert lines_of() == (f"no request by the CA for the file in {LOG}",)
    assert lines_of(OURS)[0] == f"no request by the CA for the file in {LOG}"
    assert client_lines(LogScan(logs=(LOG, f"{LOG}.1", f"{LOG}.2.gz"))) == (
        f"no request by the CA for the file in {LOG} and 2 more",
    )


def test_lines_before_an_order_are_about_any_client() -> None:
    assert lines_of(is_ordered=False) == (f"no request for the file in {LOG}",)
    (only,) = lines_of(OURS, is_ordered=False)
    assert only.startswith("fetched by this audit: 198.51.100.1")


def test_unread_logs_are_reported() -> None:
    noted = LogScan(
        (SECTIGO,), 3, (LOG,), (f"{LOG}.1 may not be read by www", "it goes to syslog:user, which is not a file")
    )
    assert client_lines(noted)[-2:] == (
        "cannot parse 3 lines of the access log that name the file",
        f"access log: {LOG}.1 may not be read by www; it goes to syslog:user, which is not a file",
    )
    assert client_lines(LogScan(faults=("/l does not exist",))) == ("access log: /l does not exist",)
    assert client_lines(LogScan()) == ()


def test_unknown_parts_of_a_request_are_named() -> None:
    assert str(LoggedRequest("192.0.2.1")) == "192.0.2.1 at an unknown time, no user agent, no status"
    assert str(LoggedRequest("192.0.2.1", AT, 200, "x", "127.0.0.1")).startswith("192.0.2.1 through 127.0.0.1 at 2026-")
