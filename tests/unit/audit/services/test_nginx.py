"""Tests of the reader of nginx."""

from __future__ import annotations

import pytest

from audit.services import nginx
from tests.support.config_dumps import brief, described, dump

MAIN = """# configuration file /etc/nginx/nginx.conf:
user www-data;
events { worker_connections 256; }
http {
    map $host $certificate { default "a;b{"; www.example.com one; }   # braces and semicolons in quotes
    ssl_certificate /etc/nginx/fallback.pem;
    ssl_certificate_key tls/fallback.key;
    include /etc/nginx/sites-enabled/*;
    include conf.d/*.conf;
}
mail {
    server { listen 143; protocol imap; starttls on; ssl_certificate m.crt; ssl_certificate_key m.key; }
    server { listen 993 ssl; protocol imap; server_name ignored; }
}
stream { server { listen 6514 ssl; ssl_certificate s.crt; ssl_certificate_key s.key; } }
"""
SITES = r"""# configuration file /etc/nginx/sites-enabled/a:
server {
    listen 443 ssl http2 default_server;
    listen [::]:443 ssl http2;
    listen 443 quic;
    listen 80;
    server_name www.example.com .example.org *.example.net ~^(?<x>a|b)\.c$ _ "";
    ssl_certificate /etc/ssl/rsa.crt; ssl_certificate_key /etc/ssl/rsa.key;
    ssl_certificate /etc/ssl/ec.crt;  ssl_certificate_key /etc/ssl/ec.key;
    location / { proxy_pass http://unix:/run/x; add_header X "} {"; }
}
# configuration file /etc/nginx/sites-enabled/b:
server { listen 443; server_name late.example.com; }
server { listen 443 ssl; server_name refused.example.com; ssl_reject_handshake on; }
# configuration file /etc/nginx/conf.d/c.conf:
server { listen 127.0.0.1:8443 ssl; server_name a.example.com b.example.com;
         ssl_certificate /etc/ssl/$ssl_server_name.crt; ssl_certificate_key /etc/ssl/$ssl_server_name.key; }
server { listen unix:/run/nginx.sock ssl; server_name socket.example.com; }
server { listen 8444 ssl; ssl_certificate $certificate; ssl_certificate_key /etc/ssl/x.key; }
"""


PAIRS = "/etc/ssl/rsa.crt key:/etc/ssl/rsa.key /etc/ssl/ec.crt key:/etc/ssl/ec.key"
READ = f"""\
https 0.0.0.0 443 | www.example.com example.org | {PAIRS}
https :: 443 | www.example.com example.org | {PAIRS}
https 0.0.0.0 443 | late.example.com | /etc/nginx/fallback.pem key:/etc/nginx/tls/fallback.key
https 127.0.0.1 8443 | a.example.com | /etc/ssl/a.example.com.crt key:/etc/ssl/a.example.com.key
https 127.0.0.1 8443 | b.example.com | /etc/ssl/b.example.com.crt key:/etc/ssl/b.example.com.key
https 0.0.0.0 8444 | unread: nginx takes the certificate from '$certificate', known only at run time
tls 0.0.0.0 6514 | /etc/nginx/s.crt key:/etc/nginx/s.key
imap 0.0.0.0 143 | /etc/nginx/m.crt key:/etc/nginx/m.key
imaps 0.0.0.0 993 | ignored
"""


def test_tls_servers_of_http_mail_and_stream_are_read_with_their_files() -> None:
    assert described(nginx.read(dump(dump=MAIN + SITES))) == READ


def test_files_are_read_if_dump_failed() -> None:
    text = SITES.replace("/etc/nginx/sites-enabled/b", "/etc/nginx/x") + "# cannot read /etc/nginx/secret.conf\n"
    listeners = nginx.read(dump(dump="nginx: [emerg] cannot load certificate", files=MAIN + text))
    assert listeners[0].unread == ("may not read /etc/nginx/secret.conf",)


def test_file_that_includes_itself_ends() -> None:
    assert nginx.read(dump(dump="# configuration file /n.conf:\nhttp { include /n.conf; }")) == ()


def test_invalid_configuration_is_read_as_far_as_possible() -> None:
    broken = "# configuration file /n.conf:\nhttp { server { listen 443 ssl; server_name a.example.com; ssl_certificate"
    assert brief(nginx.read(dump(files=broken))) == [("https", 443, ("a.example.com",))]
    assert nginx.read(dump(files="")) == ()


@pytest.mark.parametrize(
    ("outer", "own", "is_prompted"),
    [("", "", True), ("ssl_password_file /p;", "", False), ("", "ssl_password_file /p;", False)],
)
def test_passphrase_of_a_key_is_asked_for_without_a_password_file(outer: str, own: str, *, is_prompted: bool) -> None:
    server = (
        f"server {{ listen 443 ssl; server_name a.test; ssl_certificate /a.crt; ssl_certificate_key /a.key; {own} }}"
    )
    text = f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{ {outer} {server} }}\n"
    (listener,) = nginx.read(dump(dump=text))
    assert [(file.kind, file.is_prompted) for file in listener.files] == [("certificate", False), ("key", is_prompted)]
