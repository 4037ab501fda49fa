"""The docroot that is found for a name serves it over HTTP; a name without one serves no token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import pytest

from audit.observation.website import VALIDATION, Docroot, Website
from audit.services.virtual_hosts import docroot_of
from tests.support.hosts.host import Host, HostFile, running_host
from tests.support.hosts.website_report import Answered, Asked, fetched, looked_at

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("overlays")]

ONE, OTHER, SIX = "198.18.0.7", "198.18.0.8", "fd53::7"
FILE: Final = "0A" * 16 + ".txt"

NGINX: Final = r"""
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {}
http {
  access_log off;
  root /srv/http;
  map $uri $nothing { default ""; }
  server { listen 80 default_server; listen [::]:80; server_name default.test; root /srv/default; }
  server { listen 80; listen [::]:80 default_server; server_name six.test; root /srv/six; }
  server { listen 198.18.0.7:80; server_name one.test; root /srv/one; }
  server { listen 80; listen 198.18.0.7:80; server_name both.test; root /srv/both; }
  server { listen 80; server_name inherits.test; }
  server { listen 80; server_name relative.test; root html; }
  server { listen 80; server_name *.wild.test; root /srv/wild; }
  server { listen 80; server_name *.more.wild.test; root /srv/more; }
  server { listen 80; server_name exact.more.wild.test; root /srv/exact; }
  server { listen 80; server_name www.tail.*; root /srv/tail; }
  server { listen 80; server_name .dot.test; root /srv/dot; }
  server { listen 80; server_name location.test; root /srv/x; location /.well-known/ { root /srv/location; }
           location / { return 301 https://$host/; } }
  server { listen 80; server_name alias.test; location /.well-known/pki-validation/ { alias /srv/alias/; } }
  server { listen 80; server_name parent.test; location /.well-known { alias /srv/parent; } }
  server { listen 80; server_name nested.test; location /.well-known/ { alias /srv/nested/;
           location /.well-known/pki-validation/ { autoindex off; } } }
  server { listen 80; server_name regex.test; root /srv/x; location /.well-known { root /srv/x; }
           location ~ \.TXT$ { root /srv/x; } location ~* ^/\.WELL-known/ { root /srv/regex; } location ~ txt { } }
  server { listen 80; server_name above.test; root /srv/above; location ^~ /.well-known/ { }
           location ~ /\. { deny all; } }
  server { listen 80; server_name inner.test; root /srv/x;
           location /.well-known/ { location ~ txt { root /srv/inner; } }
           location ~ /\. { deny all; } }
  server { listen 80; server_name tried.test; root /srv/tried; location / { try_files $uri $uri/ =404; } }
  server { listen 80; server_name unless.test; root /srv/unless; rewrite ^/old /new last;
           if ($request_method = POST) { return 405; } if ($https) { return 404; } }
  server { listen 80; server_name sent.test; root /srv/default; return 301 https://$host$request_uri; }
  server { listen 80; server_name scheme.test; root /srv/default;
           if ($scheme = http) { return 301 https://$host$request_uri; } }
  server { listen 80; server_name passed.test; root /srv/default; location / { proxy_pass http://127.0.0.1:81; } }
  server { listen 80; server_name denied.test; root /srv/default; location ~ /\. { deny all; } }
  server { listen 80; server_name rewritten.test; root /srv/default; location / { rewrite ^/(.*)$ /app/$1 last; }
           location /app/ { } }
  server { listen 80; server_name app.test; root /srv/default; location / { try_files /index.html =404; } }
  server { listen 80; server_name inside.test; root /srv/default; location /.well-known { internal; } }
}
"""
NGINX_FOLDERS: Final = {
    "default.test": "/srv/default", "nobodys.test": "/srv/default", "six.test": "/srv/six", "both.test": "/srv/both",
    "inherits.test": "/srv/http", "relative.test": "/usr/share/nginx/html", "a.wild.test": "/srv/wild",
    "a.b.wild.test": "/srv/wild", "a.more.wild.test": "/srv/more", "exact.more.wild.test": "/srv/exact",
    "www.tail.example": "/srv/tail", "dot.test": "/srv/dot", "a.dot.test": "/srv/dot", "WWW.TAIL.test": "/srv/tail",
    "location.test": "/srv/location", "alias.test": "/srv/alias", "parent.test": "/srv/parent",
    "nested.test": "/srv/nested", "regex.test": "/srv/regex", "above.test": "/srv/above", "inner.test": "/srv/inner",
    "tried.test": "/srv/tried", "unless.test": "/srv/unless",
}  # fmt: skip
NGINX_OTHERWISE: Final = {
    "sent.test": ("`return 301 https://$host$request_uri`", 301),
    "scheme.test": ("`return 301 https://$host$request_uri`", 301),
    "passed.test": ("`proxy_pass http://127.0.0.1:81`", 502),
    "denied.test": ("`deny all`", 403),
    "rewritten.test": ("`rewrite ^/(.*)$ /app/$1 last`", 404),
    "app.test": ("`try_files /index.html =404`", 404),
    "inside.test": ("`internal`", 404),
}

APACHE: Final = r"""
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule macro_module /usr/lib/apache2/modules/mod_macro.so
ServerName main.test
DocumentRoot /srv/main
<Directory /srv>
  Require all granted
</Directory>
<Macro Site $name>
  <VirtualHost *:80>
    ServerName $name
    DocumentRoot /srv/macro
  </VirtualHost>
</Macro>
<VirtualHost *:80>
  ServerName default.test
  ServerAlias *.wild.test w?w.test
  DocumentRoot /srv/default
</VirtualHost>
<VirtualHost 198.18.0.7:80>
  ServerName one.test
  DocumentRoot /srv/one
</VirtualHost>
<VirtualHost *:80 198.18.0.7:80>
  ServerName both.test
  DocumentRoot /srv/both
</VirtualHost>
<VirtualHost *:80>
  ServerName late.wild.test
  DocumentRoot /srv/late
</VirtualHost>
<VirtualHost *:80>
  DocumentRoot /srv/nameless
</VirtualHost>
SITES
Use Site macro.test
<VirtualHost *:80>
  ServerName after.test
  DocumentRoot /srv/after
</VirtualHost>
"""
APACHE_SITES: Final = {
    "alias": "DocumentRoot /srv/x\nAlias /.well-known/pki-validation/ /srv/alias/",
    "parent": "DocumentRoot /srv/x\nAlias /.well-known /srv/parent",
    "inherits": "ServerAdmin a@b.test",
    "excluded": "DocumentRoot /srv/excluded\nProxyPass /.well-known !\nProxyPass / http://127.0.0.1:81/",
    "unless": (
        "DocumentRoot /srv/unless\nRewriteEngine On\nRewriteCond %{REQUEST_URI} !^/\\.well-known/\n"
        "RewriteRule ^ https://x.test/ [R=301,L]\nRewriteCond %{HTTP_HOST} ^www\\.\nRewriteRule ^ https://x.test/ [R]"
    ),
    "page": (
        "DocumentRoot /srv/page\n<Directory /srv/page>\nRewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\n"
        "RewriteRule . /index.php [L]\n</Directory>"
    ),
    "whole": (
        "DocumentRoot /srv/whole\nRewriteEngine On\n"
        "RewriteCond %{DOCUMENT_ROOT}%{REQUEST_FILENAME} !-f\nRewriteRule ^ /index.php [L]"
    ),
    "sent": "DocumentRoot /srv/default\nRedirect permanent / https://x.test/",
    "sent-by-rule": (
        "DocumentRoot /srv/default\nRewriteEngine On\nRewriteCond %{HTTPS} !=on\n"
        "RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]"
    ),
    "passed": "DocumentRoot /srv/default\nProxyPass / http://127.0.0.1:81/",
    "passed-below": "DocumentRoot /srv/default\n<Location /.well-known>\nProxyPass http://127.0.0.1:81/\n</Location>",
    "rewritten": "DocumentRoot /srv/default\nRewriteEngine On\nRewriteRule ^/(.*) /app/$1",
    "matched": "DocumentRoot /srv/default\nRedirectMatch 302 ^/\\.well-known/(.*) https://x.test/$1",
}
APACHE_FOLDERS: Final = {
    "default.test": "/srv/default", "a.wild.test": "/srv/default",
    "wow.test": "/srv/default", "late.wild.test": "/srv/default", "LATE.wild.test": "/srv/default",
    "both.test": "/srv/both", "main.test": "/srv/nameless", "alias.test": "/srv/alias", "parent.test": "/srv/parent",
    "inherits.test": "/srv/main", "excluded.test": "/srv/excluded", "unless.test": "/srv/unless",
    "page.test": "/srv/page", "whole.test": "/srv/whole", "macro.test": "/srv/macro", "after.test": "/srv/after",
    "nobodys.test": "/srv/default",
}  # fmt: skip
APACHE_OTHERWISE: Final = {
    "sent.test": ("`redirect permanent / https://x.test/`", 301),
    "sent-by-rule.test": ("`RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]`", 301),
    "passed.test": ("`proxypass / http://127.0.0.1:81/`", 503),
    "passed-below.test": ("`proxypass http://127.0.0.1:81/`", 503),
    "rewritten.test": ("`RewriteRule ^/(.*) /app/$1`", 404),
    "matched.test": ("`redirectmatch 302 ^/\\.well-known/(.*) https://x.test/$1`", 302),
}


@contextmanager
def web_host() -> Iterator[Host]:
    """Run a host of three addresses."""
    with running_host("main", "web1.example.test") as host:
        host.shell(f"for a in {ONE}/32 {OTHER}/32 {SIX}/128; do ip addr add $a dev lo; done")
        yield host


@pytest.fixture(scope="module")
def nginx(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - asked for to skip or fail before anything starts
    """Run nginx."""
    with web_host() as host:
        host.write(HostFile("/etc/nginx/nginx.conf", NGINX))
        host.shell("nginx")
        host.wait_for(80)
        yield host


@pytest.fixture(scope="module")
def apache(overlays: None) -> Iterator[Host]:  # noqa: ARG001 - as above
    """Run apache."""
    sites = [
        f"<VirtualHost *:80>\nServerName {name}.test\n{lines}\n</VirtualHost>" for name, lines in APACHE_SITES.items()
    ]
    with web_host() as host:
        host.shell("mkdir -p /srv/macro /srv/main")
        configuration = APACHE.replace("SITES", "\n".join(sites))
        host.write(
            HostFile("/etc/apache2/ports.conf", "Listen 80\n"),
            HostFile("/etc/apache2/sites-enabled/000-default.conf", configuration),
        )
        host.shell("apache2ctl start")
        host.wait_for(80)
        yield host


def prove(
    host: Host, websites: tuple[Website, ...], asked: list[tuple[str, str]]
) -> Mapping[tuple[str, str], tuple[Docroot | str, Answered]]:
    """Put a file into every folder that is found, and return what is found for each address and name, and answered."""
    found = {(address, name): docroot_of(websites, name, address=address) for address, name in asked}
    folders = {str(one) for one in found.values() if isinstance(one, Docroot)}
    host.write(*(HostFile(f"{folder}/{FILE}", f"it lies in {folder}") for folder in folders))
    answers = fetched(host, [Asked(address, name, VALIDATION + FILE) for address, name in asked])
    return {(one.address, one.name): (found[one.address, one.name], answer) for one, answer in answers.items()}


@pytest.mark.parametrize(("server", "folders"), [("nginx", NGINX_FOLDERS), ("apache", APACHE_FOLDERS)])
def test_docroot_that_is_found_is_the_one_that_is_served(
    server: str, folders: Mapping[str, str], request: pytest.FixtureRequest
) -> None:
    host: Host = request.getfixturevalue(server)
    proven = prove(host, looked_at(host).websites, [(OTHER, name) for name in folders])
    for (_, name), (found, answer) in proven.items():
        assert isinstance(found, Docroot), (name, found)
        assert (found.folder, answer.status, answer.body) == (folders[name], 200, f"it lies in {found}"), name


@pytest.mark.parametrize("server", ["nginx", "apache"])
def test_name_without_a_docroot_is_reported_with_its_reason(server: str, request: pytest.FixtureRequest) -> None:
    host: Host = request.getfixturevalue(server)
    expected = NGINX_OTHERWISE if server == "nginx" else APACHE_OTHERWISE
    proven = prove(host, looked_at(host).websites, [(OTHER, name) for name in (*expected, "default.test")])
    for name, (says, status) in expected.items():
        found, answer = proven[OTHER, name]
        assert says in str(found), (name, found)
        assert (answer.status, "it lies in" in answer.body) == (status, False), name


@pytest.mark.parametrize("server", ["nginx", "apache"])
def test_each_address_serves_the_docroot_that_is_found_for_it(server: str, request: pytest.FixtureRequest) -> None:
    host: Host = request.getfixturevalue(server)
    names = ("default.test", "one.test", "both.test", "inherits.test", "six.test")
    asked = [(address, name) for address in (ONE, OTHER, SIX) for name in names]
    proven = prove(host, looked_at(host).websites, asked)
    for place, (found, answer) in proven.items():
        if isinstance(found, Docroot):
            assert (answer.status, answer.body) == (200, f"it lies in {found}"), place
    folders = {place: found.folder for place, (found, _) in proven.items() if isinstance(found, Docroot)}
    assert folders[ONE, "default.test"] == folders[ONE, "one.test"] == "/srv/one"
    assert folders[ONE, "both.test"] == folders[OTHER, "both.test"] == "/srv/both"
    assert len(folders) == len(asked)
    assert folders[SIX, "one.test"] == ("/srv/six" if server == "nginx" else "/srv/default")
