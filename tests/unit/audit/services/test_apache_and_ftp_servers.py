"""Tests of the readers of apache and of the FTP servers."""

from __future__ import annotations

import pytest

from audit.services import Listener, apache, proftpd, pure_ftpd, vsftpd
from audit.services.declared import DeclaredService, listeners_of
from tests.support.config_dumps import described, dump

APACHE = """# configuration file /etc/apache2/apache2.conf:
ServerRoot "/etc/apache2"
Include ports.conf
IncludeOptional sites-enabled/*.conf
# configuration file /etc/apache2/ports.conf:
Listen 80
<IfModule ssl_module>
    Listen 443
    Listen [2001:db8::1]:8443 https
</IfModule>
<IfModule !ssl_module>
    Listen 444
</IfModule>
# configuration file /etc/apache2/sites-enabled/a.conf:
Define certs /etc/ssl
<VirtualHost *:80>
    ServerName www.example.com
</VirtualHost>
<VirtualHost _default_:443 [2001:db8::1]:8443>
    ServerName https://www.example.com:443
    ServerAlias example.com *.example.com \\
        example.org
    SSLEngine on
    SSLCertificateFile    "${certs}/rsa.crt"
    SSLCertificateFile    tls/ec.crt
    SSLCertificateKeyFile ${certs}/rsa.key
    SSLCertificateKeyFile tls/ec.key
    SSLCertificateChainFile /etc/ssl/chain.crt
</VirtualHost>
<IfDefine Maintenance>
<VirtualHost *:443>
    SSLEngine on
</VirtualHost>
</IfDefine>
<VirtualHost 192.0.2.7:443>
    SSLEngine on
    SSLCertificateFile ${UNKNOWN}/both.pem
</VirtualHost>
"""
PROFTPD = """# configuration file /etc/proftpd/proftpd.conf:
Include /etc/proftpd/tls.conf
Port 2121
# configuration file /etc/proftpd/tls.conf:
<IfModule mod_tls.c>
TLSEngine on
TLSRSACertificateFile /c.crt
TLSRSACertificateKeyFile /c.key
TLSCertificateChainFile /chain.crt
</IfModule>
<VirtualHost 192.0.2.1>
  Port 990
  TLSEngine on
  TLSOptions NoCertRequest UseImplicitSSL
  TLSECCertificateFile /e.pem
</VirtualHost>
"""


APACHE_FILES = (
    "/etc/ssl/rsa.crt key:/etc/ssl/rsa.key chain:/etc/ssl/chain.crt /etc/apache2/tls/ec.crt key:/etc/apache2/tls/ec.key"
)
UNKNOWN_PATH = "unread: the path '/etc/apache2/${UNKNOWN}/both.pem' of apache contains an unknown variable"
APACHE_READ = f"""\
https 0.0.0.0,:: 443 | www.example.com example.com example.org | {APACHE_FILES}
https 2001:db8::1 8443 | www.example.com example.com example.org | {APACHE_FILES}
https 192.0.2.7 443 | {UNKNOWN_PATH} {UNKNOWN_PATH}
"""
MAY_BE_ON = "pure-ftpd hides its command line, which may switch TLS on and name a certificate"
DEBIAN = "/etc/pure-ftpd/conf/TLS:1\n/etc/pure-ftpd/conf/Bind:,2121\n"
VSFTPD = "# configuration file /etc/vsftpd.conf:\n#ssl_enable=NO\nlisten=YES\nssl_enable=YES\nrsa_cert_file=/c.pem\n"
GATEWAY = DeclaredService("gateway", ("https://api.example.com:8443",), "/g.crt", "/g.key", "/g.chain")


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        (apache.read(dump(files=APACHE)), APACHE_READ),
        (apache.read(dump(files=APACHE, words="apache2\n-D\nMaintenance"))[2:-1], "https 0.0.0.0,:: 443\n"),
        (pure_ftpd.read(dump(words="pure-ftpd\n-S\n127.0.0.1,10021\n-Y\n1\n-2\n/x/good.pem\n-H")),
         "ftp 127.0.0.1 10021 | /x/good.pem key:/x/good.pem\n"),
        (pure_ftpd.read(dump((("0.0.0.0", 2121),), conf=DEBIAN, words="pure-ftpd\n(SERVER)")),
         "ftp 0.0.0.0,:: 2121 | /etc/ssl/private/pure-ftpd.pem key:/etc/ssl/private/pure-ftpd.pem\n"),
        (pure_ftpd.read(dump(conf='# x\nTLS   2\nCertFileAndKey "/a.pem" "/a.key"\n')),
         "ftp 0.0.0.0,:: 21 | /a.pem key:/a.key\n"),
        (pure_ftpd.read(dump((("127.0.0.1", 10021),), conf="TLS 1\n", words="pure-ftpd\n(SERVER)")),
         "ftp 127.0.0.1 10021 | unread: pure-ftpd hides its command line, which names its certificate\n"),
        (pure_ftpd.read(dump((("0.0.0.0", 21),), conf="/etc/pure-ftpd/conf/MinUID:9\n", words="pure-ftpd\n(SERVER)")),
         f"ftp 0.0.0.0,:: 21 | unread: {MAY_BE_ON}\n"),
        (pure_ftpd.read(dump(words="pure-ftpd\n-B")), "ftp 0.0.0.0,:: 21\n"),
        (vsftpd.read(dump(files=VSFTPD)), "ftp 0.0.0.0 21 | /c.pem key:/c.pem\n"),
        (vsftpd.read(dump(files=f"{VSFTPD}listen_port=x\n")), "ftp 0.0.0.0 21 | /c.pem key:/c.pem\n"),
        (vsftpd.read(dump(files=f"{VSFTPD}implicit_ssl=YES\nlisten_port=990\nlisten_ipv6=YES\n")),
         "ftps :: 990 | /c.pem key:/c.pem\n"),
        (proftpd.read(dump(files=PROFTPD)),
         "ftp 0.0.0.0,:: 2121 | /c.crt key:/c.key chain:/chain.crt\nftps 192.0.2.1 990 | /e.pem key:/e.pem\n"),
        (proftpd.read(dump((("127.0.0.1", 10221),), files=PROFTPD, words="proftpd:\n(accepting\nconnections)")),
         "ftp 127.0.0.1 10221 | unread: proftpd hides its command line, which names its configuration\n"),
        (listeners_of(GATEWAY),
         "https 0.0.0.0,:: 8443 | api.example.com | /g.crt key:/g.key chain:/g.chain\n"),
    ],
    ids=["apache", "apache, IfDefine", "pure-ftpd, command line", "pure-ftpd of Debian", "pure-ftpd, configuration",
         "pure-ftpd, another port", "pure-ftpd, hidden flags",
         "pure-ftpd without TLS", "vsftpd", "vsftpd, invalid port", "vsftpd, implicit",
         "proftpd", "proftpd, another port", "declared by the user"],
)  # fmt: skip
def test_server_is_read_with_sockets_names_and_files(listeners: tuple[Listener, ...], expected: str) -> None:
    assert described(listeners) == expected
