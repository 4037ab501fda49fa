"""Tests of apache's websites: the virtual host for a name, and its folder after aliases, redirects and rules."""

from __future__ import annotations

import pytest

from audit.observation.website import Docroot, Website
from audit.services import apache
from audit.services.virtual_hosts import docroot_of
from tests.support.config_dumps import dump

PROOF = "/.well-known/pki-validation"


def sites(*lines: str, listen: str = "Listen 80") -> tuple[Website, ...]:
    text = "\n".join(("# configuration file /etc/apache2/apache2.conf:", "ServerRoot /etc/apache2", listen, *lines))
    return apache.SERVICE.websites(dump(files=text, base="/etc/apache2"))


def host(*lines: str, at: str = "*:80") -> str:
    return "\n".join((f"<VirtualHost {at}>", *lines, "</VirtualHost>"))


def docroot(*lines: str, main: str = "") -> str:
    """Return the folder of the only virtual host, or why there is none."""
    (site,) = sites(main, host("DocumentRoot /w", *lines))
    return str(site.docroot or site.why)


def folder(websites: tuple[Website, ...], name: str, address: str | None = None) -> str:
    result = docroot_of(websites, name, address=address)
    return result.folder if isinstance(result, Docroot) else result


SPA = "RewriteEngine On\nRewriteCond %{DOCUMENT_ROOT}%{REQUEST_FILENAME} !-f\nRewriteRule ^ /index.php [L]"
HTTPS = "RewriteEngine On\nRewriteCond %{HTTPS} !=on\nRewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]"
WORDPRESS = (
    "<Directory /w>\nRewriteEngine On\nRewriteBase /\nRewriteRule ^index\\.php$ - [L]\n"
    "RewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\n"
    "RewriteRule . /index.php [L]\n</Directory>"
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", "/w" + PROOF),
        ("DocumentRoot '/w w'", "/w w" + PROOF),
        ("DocumentRoot htdocs", "/etc/apache2/htdocs" + PROOF),
        ("Alias /.well-known/pki-validation/ /d/", "/d"),
        ("Alias /.well-known/pki-validation /d", "/d"),
        ('Alias "/.well-known" "/d"', "/d/pki-validation"),
        ("Alias /.well /d", "/w" + PROOF),
        ("Alias /icons /d\nRedirect /old https://x/", "/w" + PROOF),
        ("AliasMatch ^/~(.*)$ /home/$1", "/w" + PROOF),
        ("ProxyPass /.well-known !\nProxyPass / http://127.0.0.1:8080/", "/w" + PROOF),
        ("RedirectMatch ^/$ https://x/", "/w" + PROOF),
        ("RewriteRule ^ https://x/ [R]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteRule ^/old$ /new [L]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteRule !^/\\.well-known https://x/ [R]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteCond %{REQUEST_URI} !^/\\.well-known/\nRewriteRule ^ https://x/ [R]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteCond %{HTTP_HOST} =a\nRewriteRule ^ https://b%{REQUEST_URI} [R]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteRule ^/\\.well-known - [L]\nRewriteRule ^ https://x/ [R]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteCond /maintenance -f\nRewriteRule ^ /maintenance.html [L]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteRule ^ - [E=X:1]", "/w" + PROOF),
        ("RewriteEngine On\nRewriteRule ^/old/(.*) /new/$1", "/w" + PROOF),
        ("RewriteEngine On\nRewriteCond %{HTTP_HOST} =a\nRewriteRule ^(.*) https://b$1", "/w" + PROOF),
        ("RewriteEngine On\nRewriteRule ^/old - [S=1]\nRewriteRule ^/x /y", "/w" + PROOF),
        ("RewriteEngine On\nRewriteCond %{HTTP_HOST} =a\nRewriteRule ^ - [L]\nRewriteRule . - [F]", "/w" + PROOF),
        (SPA, "/w" + PROOF),
        (WORDPRESS, "/w" + PROOF),
        ("<Location /server-status>\nSetHandler server-status\n</Location>", "/w" + PROOF),
        ("<Location />\nRequire all granted\n</Location>", "/w" + PROOF),
        ("<Directory /elsewhere>\nRedirect / https://x/\n</Directory>", "/w" + PROOF),
        ("<If \"%{HTTP_HOST} == 'a' && 1 > 0\">\nHeader set X y\n</If>", "/w" + PROOF),
        ("<IfModule mod_alias.c>\nAlias /.well-known /d\n</IfModule>", "/d/pki-validation"),
    ],
)
def test_folder_follows_directives_of_apache(lines: str, expected: str) -> None:
    assert docroot(lines) == expected


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("Redirect permanent / https://x/", "by `redirect permanent / https://x/`, not from a directory"),
        ("Redirect /.well-known https://x/", "by `redirect /.well-known https://x/`"),
        ("RedirectMatch 301 ^/(.*)$ https://x/$1", "by `redirectmatch 301 ^/(.*)$ https://x/$1`"),
        ("ProxyPass / http://127.0.0.1:8080/", "by `proxypass / http://127.0.0.1:8080/`"),
        ("ProxyPassMatch ^/(.*) http://127.0.0.1:8080/$1", "by `proxypassmatch"),
        ("<Location />\nProxyPass http://127.0.0.1:8080/\n</Location>", "by `proxypass http://127.0.0.1:8080/`"),
        ("<LocationMatch ^/\\.well>\nRedirect https://x/\n</LocationMatch>", "by `redirect https://x/`"),
        ("<Location ~ known>\nSetHandler x\n</Location>", "by `sethandler x`"),
        ("<Directory />\nRedirect /.well-known https://x/\n</Directory>", "by `redirect /.well-known https://x/`"),
        ("<Directory /w>\nRewriteEngine On\nRewriteRule ^(\\.w.*) /x/$1\n</Directory>", "by `RewriteRule ^(\\.w.*)"),
        ("<DirectoryMatch .>\nRewriteEngine On\nRewriteRule x y\n</DirectoryMatch>", "`<directorymatch .` of apache"),
        (HTTPS, "by `RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]`"),
        ("RewriteEngine On\nRewriteRule ^/(.*) /app/$1", "by `RewriteRule ^/(.*) /app/$1`"),
        ("RewriteEngine On\nRewriteRule . - [F]", "by `RewriteRule . - [F]`"),
        ("RewriteEngine On\nRewriteCond %{HTTPS} =off\nRewriteRule ^ /p [L]", "by `RewriteRule ^ /p [L]`"),
        ('RewriteEngine On\nRewriteCond %{HTTPS} ="off"\nRewriteRule ^ /p [L]', "by `RewriteRule ^ /p [L]`"),
        ("RewriteEngine On\nRewriteCond %{HTTP_HOST} ^(.*)$\nRewriteRule ^(.*) /%1$1", "known only at run time"),
        (
            "RewriteEngine On\nRewriteCond %{X} a [OR]\nRewriteCond %{HTTPS} off\nRewriteRule ^ /p [L]",
            "by `RewriteRule",
        ),
        ("RewriteEngine On\nRewriteRule ^ - [S=1]\nRewriteRule ^ /x", "is not known"),
        ("RewriteEngine On\nRewriteRule (?>a+)+ /x$1", "known only at run time"),
        ("RewriteEngine On\nRewriteRule ^/old - [C]\nRewriteRule ^ /x", "is not known"),
        ("RewriteEngine On\nRewriteRule ^/old /new\nRewriteRule . - [F]", "by `RewriteRule . - [F]`"),
        (
            "RewriteEngine On\nRewriteCond %{HTTP_HOST} =a\nRewriteRule ^ - [L]\nRewriteRule ^/(.*) /app/$1",
            "`RewriteRule ^/(.*) /app/$1` is known only at run time",
        ),
        ("Alias /.well-known/ /d", "`alias /.well-known/ /d` of apache does not lead to a known folder"),
        ("AliasMatch ^/\\.well-known/(.*) /d/$1", "does not lead to a known folder"),
        ("Alias /.well-known ${D}", "does not lead to a known folder"),
        ("ScriptAlias /.well-known /d", "does not lead to a known folder"),
        ("DocumentRoot ${D}", "the DocumentRoot '${D}' of apache contains an unknown variable"),
        ("VirtualDocumentRoot /v/%0", "from `virtualdocumentroot /v/%0` at run time"),
        (
            "<If \"%{HTTP_HOST} == 'a'\">\nRedirect / https://x/\n</If>",
            "apache evaluates `<if %{HTTP_HOST} == 'a'>` at run time",
        ),
        ("Use Something", "the macro `Use Something` there, which cannot be evaluated here"),
    ],
)
def test_other_response_or_unknown_folder_is_reported(lines: str, reason: str) -> None:
    assert reason in docroot(lines)


@pytest.mark.parametrize(
    "main", ["Redirect / https://x/", "Alias /.well-known /d", "<Location />\nProxyPass http://x/\n</Location>"]
)
def test_directive_of_main_server_applies_to_virtual_hosts(main: str) -> None:
    assert docroot(main=main) != "/w" + PROOF


def test_rules_of_main_server_apply_only_if_inherited() -> None:
    rules = "RewriteEngine On\nRewriteRule ^/(.*) /app/$1"
    assert docroot(main=rules) == "/w" + PROOF
    assert "by `RewriteRule" in docroot("RewriteEngine On\nRewriteOptions Inherit", main=rules)


def test_first_virtual_host_with_name_answers_else_first() -> None:
    websites = sites(
        host("ServerName a.example:80", "DocumentRoot /a"),
        host("ServerName http://B.example", "ServerAlias *.b.example c?.example", "DocumentRoot /b"),
        host("ServerName x.b.example", "DocumentRoot /late"),
        host("ServerName ${NAME}", "DocumentRoot /v"),
    )
    names = ("a.example", "b.example", "x.b.example", "c1.example")
    assert [folder(websites, name) for name in names] == ["/a", "/b", "/b", "/b"]
    assert "by the name '${NAME}' is known only at run time" in folder(websites, "nobodys.example")
    assert folder(websites[:3], "nobodys.example") == "/a"


def test_virtual_host_of_one_address_answers_only_there() -> None:
    websites = sites(
        host("ServerName a.example", "DocumentRoot /a"),
        host("ServerName b.example", "DocumentRoot /b", at="192.0.2.7:80"),
        host("ServerName c.example", "DocumentRoot /c", at="[2001:db8::7]:80 192.0.2.7"),
    )
    assert folder(websites, "a.example", "192.0.2.7") == "/b"
    assert folder(websites, "a.example", "192.0.2.8") == "/a"
    assert folder(websites, "a.example", "2001:db8::7") == "/c"
    assert folder(websites, "b.example", "2001:db8::8") == "/a"


def test_main_server_answers_without_virtual_host() -> None:
    other = host("DocumentRoot /b", at="192.0.2.7:80")
    assert folder(sites("DocumentRoot /m", other), "a.example", "192.0.2.1") == "/m"
    assert folder(sites("DocumentRoot /m", host("DocumentRoot /b", at="*:8080")), "a.example") == "/m"
    assert folder(sites(), "a.example").startswith("apache has no DocumentRoot")


def test_virtual_host_without_name_has_name_of_main_server() -> None:
    websites = sites("ServerName main.example", host("ServerName a.example"), host("DocumentRoot /n"))
    assert folder(websites, "main.example") == "/n"


@pytest.mark.parametrize(
    ("listen", "addresses"),
    [
        ("Listen 80", ("0.0.0.0", "::")),
        ("Listen 0.0.0.0:80", ("0.0.0.0",)),
        ("Listen [::]:80", ("0.0.0.0", "::")),
        ("Listen 192.0.2.7:80", ("192.0.2.7",)),
        ("Listen 192.0.2.7:80\nListen 127.0.0.1:80", ("192.0.2.7", "127.0.0.1")),
    ],
)
def test_virtual_host_answers_at_sockets_of_listen(listen: str, addresses: tuple[str, ...]) -> None:
    (site,) = sites(host("DocumentRoot /w"), listen=listen)
    assert (site.addresses, site.is_default) == (addresses, True)


def test_tls_virtual_host_is_not_a_website() -> None:
    assert sites(host("SSLEngine on", "DocumentRoot /w")) == ()
    assert sites(host("SSLCertificateFile /c", "DocumentRoot /w", at="*:443"), listen="Listen 443 https") == ()


MACRO = "<Macro Site $name>\n<VirtualHost *:80>\nServerName $name\nDocumentRoot /m\n</VirtualHost>\n</Macro>"


def test_macro_with_virtual_host_has_its_name_and_folder() -> None:
    first, second = (host(f"ServerName {name}.example", f"DocumentRoot /{name}") for name in "ab")
    websites = sites(MACRO, first, "Use Site c.example", second)
    assert [folder(websites, f"{name}.example") for name in "abc"] == ["/a", "/b", "/m"]


def test_macro_with_known_address_applies_only_there() -> None:
    other = host("DocumentRoot /one", at="192.0.2.7:80")
    assert folder(sites(MACRO, "Use Site c.example", other), "c.example", "192.0.2.7") == "/one"
    anywhere = MACRO.replace("*:80", "$name:80")
    websites = sites(anywhere, "Use Site c.example", other)
    assert "binds `<VirtualHost c.example:80>` to a name" in folder(websites, "c.example", "192.0.2.7")
    tls = sites(MACRO.replace("*:80", "*:443"), "Use Site c.example", host("DocumentRoot /w"))
    assert folder(tls, "c.example") == "/w"


def test_macro_has_the_effect_of_its_directives() -> None:
    macros = "<Macro Safe>\nHeader set X y\n</Macro>\n<Macro Away>\nRedirect / https://x/\n</Macro>"
    assert docroot("Use Safe", main=macros) == "/w" + PROOF
    assert "by `redirect / https://x/`" in docroot("Use Away", main=macros)
    assert "by `redirect / https://x/`" in docroot(main=f"{macros}\nUse Away")


def test_unknown_macro_makes_only_its_own_host_unknown() -> None:
    websites = sites(
        "Use Elsewhere", host("ServerName a.example", "Use Something"), host("ServerName b.example", "DocumentRoot /b")
    )
    assert "the macro `Use Something` there" in folder(websites, "a.example")
    assert folder(websites, "b.example") == "/b"


def test_virtual_host_bound_to_name_has_no_folder() -> None:
    (site,) = sites(host("DocumentRoot /w", at="www.a.example:80"))
    assert site.why == "apache binds `<VirtualHost www.a.example:80>` to a name"


def test_unreadable_file_makes_folders_unknown() -> None:
    (site,) = sites(host("DocumentRoot /w"), "# cannot read /etc/apache2/x.conf")
    assert site.why == "apache's configuration could not be read completely: may not read /etc/apache2/x.conf"


@pytest.mark.parametrize(
    "lines",
    [
        "Listen\nAlias\nRedirect\nProxyPass\nRewriteEngine\nDocumentRoot\nServerName\nServerAlias\nUse\n<Macro>\n</Macro>",
        "<VirtualHost>\n<Location>\n<Directory>\n</VirtualHost>\n</VirtualHost>",
        "<VirtualHost *:80>\nRewriteEngine On\nRewriteRule\nRewriteCond\nRewriteRule ^",
        "<VirtualHost *:80>\nRedirectMatch (((\nAliasMatch [[\nServerAlias \\ \" '",
        "<VirtualHost *:99999999 x:y:z []:80>\n",
        "<Macro a>\nUse a\nUse a\n</Macro>\nUse a",
        "<IfModule x>\n" * 5000,
        "<VirtualHost *:80>\n" * 5000,
        "<If x>\n" * 5000,
    ],
)
def test_invalid_configuration_raises_nothing(lines: str) -> None:
    for site in (*sites(lines), *sites(host(lines))):
        assert site.docroot or site.why


def test_word_keeps_backslashes() -> None:
    assert 'by `RewriteRule "' not in docroot('RewriteEngine On\nRewriteRule "^/\\.x" /y')
    (site,) = sites(host('DocumentRoot "C:\\\\w \\"x\\""'))
    assert site.docroot == Docroot('/etc/apache2/C:\\w "x"')
