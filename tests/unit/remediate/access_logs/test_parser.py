"""Tests of the parser of access logs: address, time, client and status of a request, in many formats."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from remediate.access_logs.parser import ANY_CHALLENGE, LoggedRequest, UnparsedLine, parse_line, paths_ending_in
from tests.support.cpu_time import least_cpu_s

FILE = "4221C402112E4831C72C2E004614C47C.txt"
OTHER = "4F571E4CB76F46E37B8118CEA1DB42BA.txt"
PATH = f"/.well-known/pki-validation/{FILE}"
TIME = "23/Nov/2026:10:03:04 +0000"
AT = datetime(2026, 11, 23, 10, 3, 4, tzinfo=UTC)
CA = LoggedRequest("199.66.201.132", AT, 200, "SECTIGO DCV")
SEED = (
    (
        (
            '192.0.2.0 - - [16/Jun/2016:16:16:16 -0500]  "GET /4221C402112E4831C72C2E004614C47C.txt HTTP/1.1" 200 53  '
            '"-" "Cpanel-HTTP-Client/1.0"'
        ),
        FILE,
        LoggedRequest("192.0.2.0", datetime(2016, 6, 16, 21, 16, 16, tzinfo=UTC), 200, "Cpanel-HTTP-Client/1.0"),
    ),
    (
        (
            '199.66.201.132 - - [16/Jun/2016:16:18:46 +0000]  "GET /4F571E4CB76F46E37B8118CEA1DB42BA.txt HTTP/1.1" 200 '
            '53  "-" "SECTIGO DCV"'
        ),
        OTHER,
        LoggedRequest("199.66.201.132", datetime(2016, 6, 16, 16, 18, 46, tzinfo=UTC), 200, "SECTIGO DCV"),
    ),
)


@pytest.mark.parametrize(("line", "file", "logged"), SEED, ids=["panel", "sectigo"])
def test_samples_of_the_panel_documentation_are_parsed(line: str, file: str, logged: LoggedRequest) -> None:
    assert parse_line(line, paths_ending_in(file)) == logged


GET = f'"GET {PATH} HTTP/1.1"'
SAME = {
    "combined": f'199.66.201.132 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"',
    "a virtual host in front": f'www.a.test:80 199.66.201.132 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"',
    "an address as the virtual host": f'192.0.2.7:80 199.66.201.132 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"',
    "brackets before the time": f'192.0.2.7:80 [a.test] 199.66.201.132 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"',
    "with the field of a proxy": f'199.66.201.132 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV" "192.0.2.9"',
    "without the field of a proxy": f'199.66.201.132 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV" "-" rt=0.001',
    "a user that logged in": f'199.66.201.132 - jane [{TIME}] {GET} 200 97 "https://a.test/" "SECTIGO DCV"',
    "no referer": f'199.66.201.132 - - [{TIME}] {GET} 200 97 "SECTIGO DCV"',
    "a port": f'199.66.201.132:51234 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"',
    "mapped to IPv6": f'::ffff:199.66.201.132 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"',
    "another zone": f'199.66.201.132 - - [23/Nov/2026:15:33:04 +0530] {GET} 200 97 "-" "SECTIGO DCV"',
    "fractions": f'199.66.201.132 - - [23/Nov/2026:10:03:04.123456 +0000] {GET} 200 97 "-" "SECTIGO DCV"',
    "a space before the time": f'199.66.201.132 - - [23/Nov/2026 10:03:04] {GET} 200 97 "-" "SECTIGO DCV"',
    "RFC 3339": f'199.66.201.132 - - [2026-11-23T11:03:04+01:00] {GET} 200 97 "-" "SECTIGO DCV"',
    "ctime": f'199.66.201.132 - - [Mon Nov 23 10:03:04.123456 2026] {GET} 200 97 "-" "SECTIGO DCV"',
    "time first": f'2026-11-23T10:03:04Z 199.66.201.132 {GET} 200 97 "-" "SECTIGO DCV"',
    "day and time apart": f'2026-11-23 10:03:04 199.66.201.132 {GET} 200 97 "-" "SECTIGO DCV"',
    "another time last": f'2026-11-23T10:03:04Z 199.66.201.132 {GET} 200 97 "-" "SECTIGO DCV" 2026-11-23T10:03:09Z',
    "time after all else": f'199.66.201.132 {GET} 200 97 "SECTIGO DCV" 2026-11-23T10:03:04Z',
    "client after all else": f'[{TIME}] {GET} 200 97 "-" "SECTIGO DCV" 199.66.201.132',
    "no method": f'199.66.201.132 - - [{TIME}] "{PATH} HTTP/1.1" 200 97 "-" "SECTIGO DCV"',
    "time in quotes": f'"{TIME}" 199.66.201.132 {GET} 200 97 "-" "SECTIGO DCV"',
    "seconds": f'1795428184.512 199.66.201.132 {GET} 200 97 "-" "SECTIGO DCV"',
    "milliseconds": f'1795428184512 199.66.201.132 {GET} 200 97 "-" "SECTIGO DCV"',
    "time last": f'199.66.201.132 {GET} 200 97 "SECTIGO DCV" [{TIME}]',
    "a query": f'199.66.201.132 - - [{TIME}] "GET {PATH}?x=1 HTTP/1.1" 200 97 "-" "SECTIGO DCV"',
    "a whole URL": f'199.66.201.132 - - [{TIME}] "GET http://a.test{PATH} HTTP/1.1" 200 97 "-" "SECTIGO DCV"',
    "a path alone": f'199.66.201.132 [{TIME}] {PATH} 200 97 "SECTIGO DCV"',
    "several proxies": f'199.66.201.132, 10.0.0.1 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"',
    "LTSV": f"time:[{TIME}]\thost:199.66.201.132\treq:GET {PATH} HTTP/1.1\tstatus:200\tua:SECTIGO DCV",
    "key=value": f'time="{TIME}" remote=x remote_addr=199.66.201.132 request={GET} status=200 agent="SECTIGO DCV"',
    "JSON of nginx": json.dumps(
        {"time_local": TIME, "remote_addr": "199.66.201.132", "request": f"GET {PATH} HTTP/1.1", "status": 200,
         "http_referer": "", "http_user_agent": "SECTIGO DCV", "host": "www.a.test", "body_bytes_sent": 97}
    ).replace("/", "\\/"),
    "JSON with names of one's own": json.dumps(
        {"ua": "SECTIGO DCV", "visitor": "199.66.201.132", "when": "2026-11-23T10:03:04Z",
         "path": PATH, "code": 200}
    ),
    "JSON of a gateway": json.dumps(
        {"level": "info", "ts": 1795428184.51, "request": {"remote_ip": "199.66.201.132", "remote_port": "51234",
         "method": "GET", "host": "a.test", "uri": PATH, "headers": {"User-Agent": ["SECTIGO DCV"]}}, "status": 200}
    ),
    "JSON of a router": json.dumps(
        {"ClientHost": "199.66.201.132", "DownstreamStatus": 200, "RequestPath": PATH, "RequestMethod": "GET",
         "StartUTC": "2026-11-23T10:03:04.51Z", "request_User-Agent": "SECTIGO DCV"}
    ),
    "JSON of a shipper": json.dumps(
        {"@timestamp": "2026-11-23T10:03:04.000Z", "source": {"ip": "199.66.201.132"}, "url": {"path": PATH},
         "http": {"response": {"status_code": 200}}, "user_agent": {"original": "SECTIGO DCV"}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", SAME.values(), ids=SAME)
def test_request_is_the_same_in_each_format(line: str) -> None:
    assert parse_line(line, paths_ending_in(FILE)) == CA


def test_line_without_user_agent_or_status_is_parsed() -> None:
    assert parse_line(f"199.66.201.132 - - [{TIME}] {GET} 200 97", paths_ending_in(FILE)) == LoggedRequest(
        CA.address, AT, 200
    )
    assert parse_line(f"199.66.201.132 - - [{TIME}] {GET} - 97", paths_ending_in(FILE)) == LoggedRequest(CA.address, AT)
    assert parse_line(f'199.66.201.132 - - [{TIME}] {GET} 404 9 "-" "-"', paths_ending_in(FILE)) == LoggedRequest(
        CA.address, AT, 404
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:DB8::7]", "2001:db8::7"),
        ("[2001:db8::7]:51234", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("crawl.CA.example", "crawl.ca.example"),
    ],
)
def test_ipv6_addresses_and_host_names_of_clients_are_parsed(text: str, address: str) -> None:
    logged = parse_line(f'{text} - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV"', paths_ending_in(FILE))
    assert logged == LoggedRequest(address, AT, 200, "SECTIGO DCV")


def test_invalid_host_name_of_a_client_is_not_parsed() -> None:
    with pytest.raises(UnparsedLine):
        parse_line(f"a.{'9' * 300} - - [{TIME}] {GET} 200 97", paths_ending_in(FILE))


def test_time_without_a_zone_has_that_of_the_host() -> None:
    zone = timezone(timedelta(hours=-5))
    line = f'2026-11-23 05:03:04 199.66.201.132 {GET} 200 97 "-" "SECTIGO DCV"'
    assert parse_line(line, paths_ending_in(FILE), zone) == CA
    for written in ("31/Feb/2026:10:03:04 +0000", "23/Nov/0000:10:03:04 +0000", "23/Nix/2026:10:03:04 +0000", "soon"):
        logged = parse_line(f"199.66.201.132 - - [{written}] {GET} 200 97", paths_ending_in(FILE))
        assert logged == LoggedRequest(CA.address, None, 200), written


def test_forwarded_address_is_used_from_a_private_proxy_only() -> None:
    near = parse_line(
        f'127.0.0.1 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV" "199.66.201.132, 10.0.0.1"', paths_ending_in(FILE)
    )
    assert near == LoggedRequest("199.66.201.132", AT, 200, "SECTIGO DCV", proxy="127.0.0.1")
    far = parse_line(f'8.8.8.8 - - [{TIME}] {GET} 200 97 "-" "SECTIGO DCV" "199.66.201.132"', paths_ending_in(FILE))
    assert far == LoggedRequest("8.8.8.8", AT, 200, "SECTIGO DCV")


@pytest.mark.parametrize(
    "line",
    [
        f'8.8.8.8 - - [{TIME}] "GET /favicon.ico HTTP/1.1" 200 97 "http://a.test{PATH}" "x"',
        f'8.8.8.8 - - [{TIME}] "GET / HTTP/1.1" 200 97 "-" "GET {PATH} HTTP/1.1"',
        f'8.8.8.8 - - [{TIME}] "GET /{FILE}/more HTTP/1.1" 404 97 "-" "x"',
        f'8.8.8.8 - - [{TIME}] "GET /?file={FILE} HTTP/1.1" 200 97 "-" "x"',
        json.dumps({"remote_addr": "8.8.8.8", "request": "GET /x HTTP/1.1", "http_referer": f"http://a.test{PATH}"}),
    ],
)
def test_request_for_another_path_is_ignored(line: str) -> None:
    assert parse_line(line, paths_ending_in(FILE)) is None


@pytest.mark.parametrize(
    "line",
    [
        f"segfault while {PATH}",
        f'"{PATH}"',
        '{"request": "GET ' + PATH,
        "{" * 5000,
        json.dumps({"path": PATH}),
        json.dumps({"note": PATH}),
        json.dumps([PATH]),
        "",
    ],
)
def test_line_that_is_not_a_request_is_not_parsed(line: str) -> None:
    with pytest.raises(UnparsedLine):
        parse_line(line, paths_ending_in(FILE))


def test_user_agent_is_shortened_and_printable() -> None:
    hostile = 'x\\" 200 53 \\"-\\" \\"SECTIGO DCV \x1b[2J\u202e\r' + "A" * 300
    logged = parse_line(f'8.8.8.8 - - [{TIME}] {GET} 403 97 "-" "{hostile}"', paths_ending_in(FILE))
    assert logged is not None
    assert (logged.address, logged.status, len(logged.agent)) == ("8.8.8.8", 403, 80)
    assert logged.agent.isprintable()
    assert logged.agent.startswith('x" 200 53 "-" "SECTIGO DCV')


def refuse(line: str) -> None:
    with pytest.raises(UnparsedLine):
        parse_line(line, paths_ending_in(FILE))


@pytest.mark.parametrize("piece", ['" ', "[", '\\"', "a=", "d", "\t:", "1795428184 ", "GET /", "/.well-known/"])
@pytest.mark.parametrize("begins", ["", 'time="x ', "1.2.3.4 - - ["])
def test_hostile_line_is_parsed_quickly(begins: str, piece: str) -> None:
    assert least_cpu_s(lambda: refuse(f"{begins}{piece * 4000}"[:4000] + FILE), bound_s=0.2) < 0.2


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_line_that_ends_in_many_blanks_is_parsed_quickly(blank: str) -> None:
    assert least_cpu_s(lambda: refuse(f"{FILE}{blank * 4000}"), bound_s=0.2) < 0.2


@pytest.mark.parametrize(
    ("path", "is_challenge"),
    [
        (PATH, True),
        ("/.well-known/acme-challenge/x-Y_z?a=/b", True),
        (f"/{FILE}", True),
        (f"http://a.test/{FILE}", True),
        (f"/x/{FILE}", False),
        ("/.well-known/security.txt", False),
        ("/.well-known/pki-validation/", False),
        ("/robots.txt", False),
    ],
)
def test_path_of_each_kind_of_challenge_is_recognized(path: str, *, is_challenge: bool) -> None:
    logged = parse_line(f'199.66.201.132 - - [{TIME}] "GET {path} HTTP/1.1" 200 97 "-" "SECTIGO DCV"', ANY_CHALLENGE)
    assert logged == (CA if is_challenge else None)
