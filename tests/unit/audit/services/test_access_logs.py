"""Tests of the access logs of apache and nginx: directives, inheritance, and logs that are not files."""

from __future__ import annotations

import pytest

from audit.observation.website import Website
from audit.services import apache, nginx
from audit.services.virtual_hosts import logs_of
from tests.support.config_dumps import dump
from tests.unit.audit.services.test_apache_sites import host
from tests.unit.audit.services.test_nginx_sites import BUILT

LOGS = "ServerName x\nCustomLog /l/main.log combined"


def apache_sites(*lines: str, environment: str = "") -> tuple[Website, ...]:
    head = ("# configuration file /etc/apache2/apache2.conf:", "ServerRoot /etc/apache2", "Listen 80")
    text = "\n".join((*head, *lines))
    return apache.SERVICE.websites(dump(files=text, base="/etc/apache2", environment=environment))


def nginx_sites(http: str, built: str = BUILT) -> tuple[Website, ...]:
    text = f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{ {http} }}\n"
    return nginx.SERVICE.websites(dump(dump=text, built=built))


@pytest.mark.parametrize(
    ("lines", "logs"),
    [
        ("", ("/l/main.log",)),
        ("CustomLog /l/own.log common", ("/l/own.log",)),
        ("CustomLog logs/access_log common\nTransferLog /l/t", ("/etc/apache2/logs/access_log", "/l/t")),
        ("<IfModule log_config_module>\nCustomLog '/l/with a space' x\n</IfModule>", ("/l/with a space",)),
        ("CustomLog ${APACHE_LOG_DIR}/a.log combined env=!quiet", ("/var/log/apache2/a.log",)),
        ("CustomLog ${NOBODYS}/a.log combined", ("${NOBODYS}/a.log",)),
        ('CustomLog "|/usr/bin/rotatelogs -l -L /l/now /l/a.%Y-%m-%d 86400" combined', ("/l/a.*-*-*",)),
        ('CustomLog "||/usr/bin/rotatelogs logs/a 86400" combined', ("/etc/apache2/logs/a",)),
        ('CustomLog "|$cronolog /l/%Y/a.log" combined', ("/l/*/a.log",)),
        ('CustomLog "|/usr/bin/logger -t apache" combined', ("|/usr/bin/logger -t apache",)),
        ('CustomLog "|/bin/sh -c \'x" combined', ("|/bin/sh -c 'x",)),
        ("CustomLog syslog:user combined", ("syslog:user",)),
    ],
)
def test_apache_uses_logs_of_host_else_of_main_server(lines: str, logs: tuple[str, ...]) -> None:
    (site,) = apache_sites(LOGS, host("ServerName y", lines), environment="APACHE_LOG_DIR=/var/log/apache2")
    assert site.logs == logs


def test_global_log_is_added_and_macro_parameter_is_replaced() -> None:
    macro = (
        "<Macro Site $name>\n<VirtualHost *:80>\nServerName $name\nCustomLog /l/$name.log x\n</VirtualHost>\n</Macro>"
    )
    own, made = apache_sites(LOGS, "GlobalLog /l/all x", macro, host("CustomLog /l/own x"), "Use Site a.test")
    assert own.logs == ("/l/own", "/l/all")
    assert made.logs == ("/l/a.test.log", "/l/all")
    (only_main,) = apache_sites(LOGS)
    assert only_main.logs == ("/l/main.log",)


@pytest.mark.parametrize(
    ("http", "logs"),
    [
        ("server { listen 80; }", ("/usr/share/nginx/logs/access.log",)),
        ("access_log /l/http; server { listen 80; }", ("/l/http",)),
        ("access_log /l/http; server { listen 80; access_log /l/own combined; access_log l2; }",
         ("/l/own", "/usr/share/nginx/l2")),
        ("access_log /l/http; server { listen 80; location /.well-known { access_log off; } }", ()),
        ("access_log off; server { listen 80; location / { access_log /l/x; } }", ("/l/x",)),
        ("access_log /l/http; server { listen 80; location /app { access_log /l/app; } }", ("/l/http",)),
        ("server { listen 80; access_log /l/${host}-$server_port.log main buffer=32k; }", ("/l/*-*.log",)),
        ("server { listen 80; access_log syslog:server=10.0.0.1; }", ("syslog:server=10.0.0.1",)),
        ("access_log /l/http; server { listen 80; location ~ a**b { } }", ("/l/http",)),
    ],
)  # fmt: skip
def test_nginx_uses_logs_of_innermost_block(http: str, logs: tuple[str, ...]) -> None:
    (site,) = nginx_sites(http)
    assert site.logs == logs


def test_nginx_without_access_log_uses_built_in_path() -> None:
    (site,) = nginx_sites("server { listen 80; }", built="--prefix=/x --http-log-path=/var/log/nginx/access.log --y")
    assert site.logs == ("/var/log/nginx/access.log",)
    (site,) = nginx_sites("server { listen 80; }", built="")
    assert site.logs == ("logs/access.log",)


def test_logs_of_name_are_those_of_its_websites() -> None:
    sites = (
        Website("nginx", "best", 80, ("0.0.0.0",), ("a.test",), logs=("/l/a", "/l/all")),
        Website("nginx", "best", 80, ("::",), ("a.test",), logs=("/l/a6", "/l/all")),
        Website("nginx", "best", 80, ("0.0.0.0",), ("b.test",), is_default=True, logs=("/l/b",)),
        Website("nginx", "best", 8080, ("0.0.0.0",), ("a.test",), logs=("/l/8080",)),
        Website("gateway", "declared", 0, names=("a.test",)),
    )
    assert logs_of(sites, "A.test.") == ("/l/a", "/l/all", "/l/a6")
    assert logs_of(sites, "nobodys.test") == ("/l/b",)
    assert logs_of(sites, "a.test", 8080) == ("/l/8080",)
    assert logs_of((), "a.test") == ()
