"""Tests of nginx's websites: the location for a validation, and its folder or the reason why there is none."""

from __future__ import annotations

import pytest

from audit.observation.website import Docroot, Website
from audit.services import nginx
from audit.services.virtual_hosts import docroot_of
from tests.support.config_dumps import dump

BUILT = (
    "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf\n"
)


def sites(http: str, **sections: str) -> tuple[Website, ...]:
    text = f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{ {http} }}\n"
    return nginx.SERVICE.websites(dump(dump=text, **({"built": BUILT} | sections)))


def docroot(server: str, **sections: str) -> str:
    """Return the folder of the only server, or why there is none."""
    (site,) = sites(f"server {{ listen 80; {server} }}", **sections)
    return str(site.docroot or site.why)


PROOF = "/.well-known/pki-validation"


@pytest.mark.parametrize(
    ("server", "folder"),
    [
        ("root /w;", "/w" + PROOF),
        ("root '/w w/';", "/w w" + PROOF),
        ("", "/usr/share/nginx/html" + PROOF),
        ("root site;", "/usr/share/nginx/site" + PROOF),
        ("root /w; location / { root /l; }", "/l" + PROOF),
        ("root /w; location / { try_files $uri $uri/ /index.php?$args; }", "/w" + PROOF),
        ("root /w; location / { try_files $uri =404; }", "/w" + PROOF),
        ("root /w; location /.well-known/ { root /d; } location / { return 301 https://x/; }", "/d" + PROOF),
        ("root /w; location = / { return 301 /x; }", "/w" + PROOF),
        (r"root /w; location ~ \.php$ { fastcgi_pass x; }", "/w" + PROOF),
        (r"root /w; location ~ /\.(?!well-known) { deny all; }", "/w" + PROOF),
        (r"root /w; location ^~ /.well-known/ { } location ~ /\. { deny all; }", "/w" + PROOF),
        ("location /.well-known/pki-validation/ { alias /d/; }", "/d"),
        ("location /.well-known/pki-validation { alias /d; }", "/d"),
        ("location /.well-known/ { alias /d/; }", "/d/pki-validation"),
        ("location /.well-known { alias /d; location /.well-known/pki-validation { } }", "/d/pki-validation"),
        ("root /w; location /.well-known { location ~ txt { root /t; } } location ~ /p { root /p; }", "/t" + PROOF),
        ("root /w; location /.well-known { root /n; } location ~ /p { root /p; }", "/p" + PROOF),
        ("root /w; location ~*/WELL-KNOWN/ { root /n; }", "/w" + PROOF),
        (r"root /w; location ~*\.WELL-KNOWN/ { root /n; }", "/n" + PROOF),
        ("root /w; rewrite ^/old /new permanent; location / { rewrite ^/x /y break; }", "/w" + PROOF),
        ("root /w; if ($https = on) { return 301 http://x; }", "/w" + PROOF),
        ("root /w; if ($request_method !~ GET) { return 405; }", "/w" + PROOF),
        ("root /w; if ($x) { rewrite ^ /maintenance.html last; }", "/w" + PROOF),
        ("root /w; if ($host = a) { rewrite ^ https://b$request_uri? permanent; }", "/w" + PROOF),
        ("root /w; break; return 404;", "/w" + PROOF),
        ("root /w; deny 192.0.2.1; location / { allow 10.0.0.0/8; deny all; }", "/w" + PROOF),
        ("root /w; set $x 1; add_header X-Y return; auth_basic on;", "/w" + PROOF),
    ],
)
def test_folder_is_that_of_selected_location(server: str, folder: str) -> None:
    assert docroot(server) == folder


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("return 301 https://$host$request_uri;", "by `return 301 https://$host$request_uri`, not from a directory"),
        ("root /w; location / { proxy_pass http://127.0.0.1:8080; }", "by `proxy_pass http://127.0.0.1:8080`"),
        ("root /w; rewrite ^ https://x/ permanent; location /.well-known { }", "by `rewrite ^ https://x/ permanent`"),
        ("root /w; rewrite ^/(.*)$ /index.php?q=$1 last;", "by `rewrite"),
        ("root /w; if ($scheme = http) { return 301 https://x; }", "by `return 301 https://x`"),
        ("root /w; if ($scheme != 'https') { rewrite ^ https://x; }", "by `rewrite ^ https://x`"),
        ("root /w; if ($x = 1) { rewrite ^ /new$uri last; }", "depending on `if ($x = 1)`"),
        ("root /w; location / { if ($x) { proxy_pass http://y; } }", "depending on `if ($x)`"),
        (r"root /w; location ~ /\. { deny all; }", "by `deny all`"),
        ("root /w; location /.well-known { internal; }", "by `internal`"),
        ("root /w; location / { try_files /index.html =404; }", "by `try_files /index.html =404`"),
        ("root /w; location / { try_files /x $uri; }", "by `try_files /x $uri`"),  # the last one is a redirect
        ("root /w; location / { content_by_lua_file x; }", "by `content_by_lua_file x`"),
        ("root /var/www/$host;", "derives the folder from 'root /var/www/$host'"),
        ("location ~ ^/(.*)$ { alias /d/$1; }", "derives the folder from 'alias /d/$1'"),
        ("location ~ known { alias /d; }", "does not lead to a folder"),
        ("location /.well-known/ { alias /d; }", "does not lead to a folder"),
        ("location /.well-kn { alias /d/; }", "does not lead to a folder"),
        ("root /w; location ~ 0123 { root /n; }", "does not serve all files below it from one folder"),
        ("root /w; location ~ (?>a+)+$ { root /n; }", "not known whether nginx selects `location ~ (?>a+)+$` for it"),
        ("root /w; location ~ [[:alpha:]] { root /n; }", "it is not known whether nginx selects"),
        ("root /w; location ~ (unclosed { root /n; }", "it is not known whether nginx selects"),
        (f"root /w; location ~ {'(?>a)*' * 50}$ {{ root /n; }}", "…` for it"),
    ],
)
def test_other_response_or_unknown_folder_is_reported(server: str, reason: str) -> None:
    assert reason in docroot(server)


def test_relative_folder_is_below_prefix() -> None:
    assert docroot("root html;", words="nginx:\nmaster\nprocess\nnginx\n-p\n/opt/n/") == "/opt/n/html" + PROOF
    assert docroot("root html;", built="") == "nginx serves 'html', but the directory that contains it is not known"


def test_names_are_in_the_form_that_nginx_compares() -> None:
    (site,) = sites(r'server { server_name WWW.a.example .b.example *.c.example ~^x\.(?<n>.+)$ $hostname _ ""; }')
    assert site.names == ("www.a.example", ".b.example", "*.c.example", r"~^x\.(?<n>.+)$", "~$hostname")


def test_default_of_socket_is_default_server_else_first() -> None:
    websites = sites(
        "server { listen 80; listen [::]:80; root /a; server_name a.example; }"
        "server { listen 80 default_server; listen [::]:80; root /b; server_name b.example; }"
    )
    assert [(site.addresses, site.is_default) for site in websites] == [
        (("0.0.0.0",), False), (("::",), True), (("0.0.0.0",), True), (("::",), False),
    ]  # fmt: skip
    assert docroot_of(websites, "x.example", address="192.0.2.1") == Docroot("/b")
    assert docroot_of(websites, "x.example", address="2001:db8::1") == Docroot("/a")
    assert docroot_of(websites, "b.example") == Docroot("/b")


def test_server_answers_at_all_its_sockets() -> None:
    (site,) = sites("server { listen 80; listen [::]:80; listen 443 ssl; listen unix:/x; }")
    assert (site.port, site.addresses) == (80, ("0.0.0.0", "::"))


@pytest.mark.parametrize(
    "server", ["listen 80 ssl;", "listen 80; ssl on;", "listen 80; } server { listen 80 ssl;", "listen 443 quic;"]
)
def test_tls_socket_is_not_a_website(server: str) -> None:
    assert sites(f"server {{ {server} }}") == ()


def test_docroot_is_inherited_from_outer_block() -> None:
    (first, second) = sites("root /http; server { listen 80; } server { listen 81; root /own; }")
    assert (first.docroot, second.docroot) == (Docroot("/http"), Docroot("/own"))


def test_unreadable_file_makes_folders_unknown() -> None:
    text = "# configuration file /n.conf:\nhttp { server { root /w; } }\n# cannot read /etc/nginx/conf.d/x.conf\n"
    (site,) = nginx.SERVICE.websites(dump(files=text))
    assert (site.docroot, site.why) == (
        None, "nginx's configuration could not be read completely: may not read /etc/nginx/conf.d/x.conf",
    )  # fmt: skip


def test_no_website_without_configuration_or_http() -> None:
    assert nginx.SERVICE.websites(dump(dump="nginx: [emerg] broken")) == ()
    assert nginx.SERVICE.websites(dump(files="# configuration file /n.conf:\nstream { server { listen 80; } }")) == ()


@pytest.mark.parametrize(
    "http",
    [
        "server { listen 80; root /w; " + "location / { " * 5000,
        "server { listen 80; root /w; location / { " + "if ($x) { " * 5000,
        "{ { } } } server { listen 80; root /w; location; rewrite; return; alias; if { } try_files;",
        "server { listen 80; root /w; location ~ ",
    ],
)
def test_invalid_configuration_raises_nothing(http: str) -> None:
    for site in sites(http):
        assert site.docroot or site.why


@pytest.mark.parametrize(
    ("server", "built", "logs"),
    [
        ("", BUILT, ("/usr/share/nginx/logs/access.log",)),
        ("", f"{BUILT.strip()} --http-log-path=/var/log/nginx/access.log\n", ("/var/log/nginx/access.log",)),
        ("", "", ("logs/access.log",)),
        ("access_log own.log;", "", ("own.log",)),
        ("access_log /l/own.log;", "", ("/l/own.log",)),
        ("access_log own.log;", BUILT, ("/usr/share/nginx/own.log",)),
        ("access_log /l/$host.log; access_log /l/${server_name}.log;", BUILT, ("/l/*.log",)),
        ("access_log syslog:server=192.0.2.1;", BUILT, ("syslog:server=192.0.2.1",)),
        ("access_log off;", BUILT, ()),
    ],
)
def test_log_is_the_configured_one_else_the_one_nginx_was_built_with(
    server: str, built: str, logs: tuple[str, ...]
) -> None:
    (site,) = sites(f"server {{ listen 80; {server} }}", built=built)
    assert site.logs == logs


@pytest.mark.parametrize(
    ("server", "log"),
    [
        ("", "/l/http.log"),
        ("access_log /l/server.log;", "/l/server.log"),
        ("access_log /l/server.log; location /.well-known { access_log /l/inner.log; }", "/l/inner.log"),
        ("access_log /l/server.log; location /other { access_log /l/inner.log; }", "/l/server.log"),
        ("access_log /l/server.log; location ~ (a+)+$ { access_log /l/inner.log; }", "/l/server.log"),  # not decided
    ],
)
def test_log_is_that_of_the_innermost_block_with_one(server: str, log: str) -> None:
    (site,) = sites(f"access_log /l/http.log; server {{ listen 80; {server} }}")
    assert site.logs == (log,)


def test_shown_directive_is_cut_only_if_it_is_longer_than_the_limit() -> None:
    whole, longer = "return 301 https://".ljust(100, "x"), "return 301 https://".ljust(101, "x")
    assert docroot(f"{whole};") == f"nginx handles it by `{whole}`, not from a directory"
    assert docroot(f"{longer};") == f"nginx handles it by `{whole}…`, not from a directory"
