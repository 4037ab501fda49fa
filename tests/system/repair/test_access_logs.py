"""Requests for the token in logs of a real nginx and Apache: in several formats, rotated and compressed."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Final

import pytest

from audit.observation import HostView
from remediate.access_logs.clients import classify_client, client_lines
from remediate.access_logs.collect import read_scan, scan_command
from remediate.access_logs.parser import LogScan
from remediate.execution.host_context import access_logs_on
from remediate.hosts.workdir import HostWorkdir
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.website_report import looked_at

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

FILE: Final = "0A" * 16 + ".txt"
PLACE: Final = f"/.well-known/pki-validation/{FILE}"
OURS, PANEL, UNKNOWN = "198.18.0.1", "198.18.0.2", "198.18.0.3"
CA: Final = ("178.255.81.12", "178.255.81.13", "91.199.212.132", "199.66.201.132")
BY_NGINX, BY_APACHE = "198.18.0.7", "198.18.0.8"
AGENTS: Final = {
    OURS: "sslaudit (self-test) SECTIGO DCV",
    PANEL: "Cpanel-HTTP-Client/1.0",
    UNKNOWN: 'x" 200 53 "-" "SECTIGO',
    **dict.fromkeys(CA, "SECTIGO DCV"),
}
CLIENTS: Final = {OURS: "ours", PANEL: "panel", UNKNOWN: "other", **dict.fromkeys(CA, "ca")}
NGINX: Final = r"""
pid /run/nginx.pid;
events {}
http {
  log_format lines escape=json '{"at":"$time_iso8601","remote_addr":"$remote_addr","request":"$request",'
    '"status":$status,"http_user_agent":"$http_user_agent"}';
  log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
  root /var/www/html;
  server { listen 198.18.0.7:80 default_server; server_name built.test; }
  server { listen 198.18.0.7:80; server_name main.test; access_log /var/log/nginx/main.log main; }
  server { listen 198.18.0.7:80; server_name json.test; access_log /var/log/nginx/json.log lines; }
  server { listen 198.18.0.7:80; server_name each.test; access_log /var/log/each/of-$server_name.log combined; }
}
"""
APACHE: Final = """
ServerName whole.test
LogFormat "%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" with_name
CustomLog ${APACHE_LOG_DIR}/whole.log with_name
<VirtualHost *:80>
  ServerName own.test
  DocumentRoot /var/www/html
  CustomLog ${APACHE_LOG_DIR}/own.log combined
</VirtualHost>
<VirtualHost *:80>
  ServerName whole.test
  DocumentRoot /var/www/html
</VirtualHost>
<VirtualHost *:80>
  ServerName piped.test
  DocumentRoot /var/www/html
  CustomLog "|/usr/bin/rotatelogs ${APACHE_LOG_DIR}/piped.%Y-%m-%d 86400" combined
</VirtualHost>
"""
NAMES: Final = {
    **dict.fromkeys(("built.test", "main.test", "json.test", "each.test"), BY_NGINX),
    **dict.fromkeys(("own.test", "whole.test", "piped.test"), BY_APACHE),
}
_NOTED_S: Final = 60.0
_ASKED: Final = sorted((OURS, PANEL, UNKNOWN, *CA))
_ASK: Final = """
import http.client, json, sys
for name, address, source, agent, path in json.load(sys.stdin):
    connection = http.client.HTTPConnection(address, 80, timeout=10, source_address=(source, 0))
    connection.request("GET", path, headers={"Host": name, "User-Agent": agent, "Connection": "close"})
    connection.getresponse().read()
    connection.close()
"""


@pytest.fixture(scope="module")
def web(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    """Run both servers, and the addresses that are asked from: they lead nowhere else."""
    with running_host("main", "web1.example.test") as host:
        addresses = " ".join(f"{one}/32" for one in (BY_NGINX, BY_APACHE, *AGENTS))
        host.shell(f"for a in {addresses}; do ip addr add $a dev lo; done")
        host.write(
            HostFile("/etc/nginx/nginx.conf", NGINX),
            HostFile("/etc/apache2/ports.conf", f"Listen {BY_APACHE}:80\n"),
            HostFile("/etc/apache2/sites-enabled/000-default.conf", APACHE),
            HostFile(f"/var/www/html{PLACE}", "proof\n"),
        )
        host.shell(
            "mkdir -m 777 /var/log/each; nginx; apache2ctl start"
        )  # nginx opens a log it has to name as its worker
        host.wait_for(80)
        yield host


def ask(host: Host, *names: str, sources: tuple[str, ...] = CA) -> None:
    """Fetch the file, each source as what it is."""
    asked = [(name, NAMES[name], source, AGENTS[source], PLACE) for name in names for source in sources]
    host.do(sys.executable, "-c", _ASK, stdin=json.dumps(asked).encode())


@pytest.fixture(scope="module")
def view(web: Host) -> HostView:
    """Return what discovery finds on the host."""
    return looked_at(web)


def look(host: Host, view: HostView, name: str, least: int = 0) -> LogScan:
    """Return the requests in the host's logs once there are enough: servers respond first and log afterwards."""
    end = time.monotonic() + _NOTED_S
    while len((noted := _look(host, view, name)).requests) < least and time.monotonic() < end:
        time.sleep(0.05)
    return noted


def _look(host: Host, view: HostView, name: str) -> LogScan:
    command = scan_command(HostWorkdir(view.label, "c", "a test"), FILE, access_logs_on(view, 80, name))
    return read_scan(host.execute(command), FILE)


def test_requests_are_read_from_each_log_format_with_address_and_time(web: Host, view: HostView) -> None:
    began = int(web.do("date", "+%s"))
    ask(web, *NAMES, sources=(OURS, PANEL, UNKNOWN, *CA))
    for name in NAMES:
        noted = look(web, view, name, least=7)
        # the workers of a server log in any order, and times have no fractions of a second
        assert sorted(request.address for request in noted.requests) == _ASKED, name
        assert {request.address: classify_client(request) for request in noted.requests} == CLIENTS, name
        assert {request.status for request in noted.requests} == {200}, name
        times = [request.at.timestamp() for request in noted.requests if request.at]
        assert len(times) == len(_ASKED), name
        assert began - 2 < times[0], name
        assert times == sorted(times), name
        assert times[-1] < int(web.do("date", "+%s")) + 2, name
        assert (noted.unparsed, noted.faults) == (0, ()), name
        lines = client_lines(noted)
        assert lines[0].startswith("fetched by 4 addresses of the CA: "), name
        assert all(f"{address} at 20" in lines[0] for address in CA), name
        result, _, addresses = lines[-1].partition(": ")
        assert (result, sorted(addresses.split(", "))) == ("listed as Sectigo's by cPanel's documentation", sorted(CA))


def test_requests_in_rotated_and_compressed_logs_are_read(web: Host, view: HostView) -> None:
    for name, log, reopen in (
        ("main.test", "/var/log/nginx/main.log", "nginx -s reopen"),
        ("own.test", "/var/log/apache2/own.log", "apache2ctl graceful"),
    ):
        web.shell(f": >{log}")
        moved = [f"{log}-2026112{number}" for number in range(3)]
        for file, source in zip(moved, CA[:3], strict=True):
            ask(web, name, sources=(source,))
            web.shell(f"mv {log} {shlex.quote(file)}; {reopen}; until [ -e {log} ]; do sleep 0.05; done")
        ask(web, name, sources=CA[3:])
        look(web, view, name, least=4)  # a worker may log to the file that it has open after that was moved
        web.shell(f"gzip {shlex.join(moved)}")
        noted = look(web, view, name)
        assert sorted(request.address for request in noted.requests) == sorted(CA), (name, noted)
        assert len(noted.logs) == 4


def test_log_without_requests_is_reported_with_its_path(web: Host, view: HostView) -> None:
    web.shell(
        "rm -f /var/log/nginx/json.log*; nginx -s reopen; until [ -e /var/log/nginx/json.log ]; do sleep 0.05; done"
    )
    assert client_lines(look(web, view, "json.test")) == (
        "no request by the CA for the file in /var/log/nginx/json.log",
    )
