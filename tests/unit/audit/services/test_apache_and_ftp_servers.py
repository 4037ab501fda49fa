"""Tests of the readers of apache and of the FTP servers."""

from __future__ import annotations

from audit.services import apache, proftpd, pure_ftpd, vsftpd
from audit.services.declared import DeclaredService, listeners_of
from tests.support.config_dumps import brief, dump, paths

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


def test_apache_has_virtual_hosts_at_their_sockets() -> None:
    listeners = apache.read(dump(files=APACHE))
    names = ("www.example.com", "example.com", "example.org")
    assert brief(listeners) == [("https", 443, names), ("https", 8443, names), ("https", 443, ())]
    assert [listener.addresses for listener in listeners] == [("0.0.0.0", "::"), ("2001:db8::1",), ("192.0.2.7",)]


def test_apache_pairs_certificates_with_keys() -> None:
    assert paths(apache.read(dump(files=APACHE))[0]) == [
        ("certificate", "/etc/ssl/rsa.crt"),
        ("key", "/etc/ssl/rsa.key"),
        ("chain", "/etc/ssl/chain.crt"),
        ("certificate", "/etc/apache2/tls/ec.crt"),
        ("key", "/etc/apache2/tls/ec.key"),
    ]


def test_path_with_unknown_variable_of_apache_is_unread() -> None:
    last = apache.read(dump(files=APACHE))[-1]
    assert last.files == ()
    assert "${UNKNOWN}/both.pem" in last.unread[0]


def test_ifdefine_section_is_read_if_defined_on_command_line() -> None:
    assert len(apache.read(dump(files=APACHE, words="apache2\n-D\nMaintenance"))) == 4


def test_pure_ftpd_is_read_from_command_line() -> None:
    words = "pure-ftpd\n-S\n127.0.0.1,10021\n-Y\n1\n-2\n/x/good.pem\n-H"
    (listener,) = pure_ftpd.read(dump(words=words))
    assert (listener.scheme, listener.port, listener.addresses) == ("ftp", 10021, ("127.0.0.1",))
    assert paths(listener) == [("certificate", "/x/good.pem"), ("key", "/x/good.pem")]


def test_pure_ftpd_is_read_from_debian_folder_or_file() -> None:
    debian = "/etc/pure-ftpd/conf/TLS:1\n/etc/pure-ftpd/conf/Bind:,2121\n"
    (listener,) = pure_ftpd.read(dump((("0.0.0.0", 2121),), conf=debian, words="pure-ftpd\n(SERVER)"))
    assert (listener.port, paths(listener)[0][1]) == (2121, "/etc/ssl/private/pure-ftpd.pem")
    (listener,) = pure_ftpd.read(dump(conf='# x\nTLS   2\nCertFileAndKey "/a.pem" "/a.key"\n'))
    assert [path for _, path in paths(listener)] == ["/a.pem", "/a.key"]


def test_pure_ftpd_at_other_port_than_configured_has_no_files() -> None:
    (listener,) = pure_ftpd.read(dump((("127.0.0.1", 10021),), conf="TLS 1\n", words="pure-ftpd\n(SERVER)"))
    assert (listener.scheme, listener.port, listener.addresses) == ("ftp", 10021, ("127.0.0.1",))
    assert listener.files == ()
    assert listener.unread == ("pure-ftpd hides its command line, which names its certificate",)


def test_pure_ftpd_without_tls_has_no_files() -> None:
    (listener,) = pure_ftpd.read(dump(words="pure-ftpd\n-B"))
    assert (listener.scheme, listener.port, listener.files) == ("ftp", 21, ())


def test_vsftpd_is_read_with_defaults() -> None:
    text = "# configuration file /etc/vsftpd.conf:\n#ssl_enable=NO\nlisten=YES\nssl_enable=YES\nrsa_cert_file=/c.pem\n"
    (listener,) = vsftpd.read(dump(files=text))
    assert (listener.scheme, listener.port) == ("ftp", 21)
    assert paths(listener) == [("certificate", "/c.pem"), ("key", "/c.pem")]
    (listener,) = vsftpd.read(dump(files=text + "implicit_ssl=YES\nlisten_port=990\nlisten_ipv6=YES\n"))
    assert (listener.scheme, listener.port, listener.addresses) == ("ftps", 990, ("::",))


def test_proftpd_reads_each_server() -> None:
    main, implicit = proftpd.read(dump(files=PROFTPD))
    assert (main.scheme, main.port) == ("ftp", 2121)
    assert [path for _, path in paths(main)] == ["/c.crt", "/c.key", "/chain.crt"]
    assert (implicit.scheme, implicit.port, implicit.addresses) == ("ftps", 990, ("192.0.2.1",))
    assert [path for _, path in paths(implicit)] == ["/e.pem", "/e.pem"]


def test_proftpd_at_other_port_than_configured_has_no_files() -> None:
    (listener,) = proftpd.read(dump((("127.0.0.1", 10221),), files=PROFTPD, words="proftpd:\n(accepting\nconnections)"))
    assert (listener.port, listener.files) == (10221, ())


def test_declared_service_has_endpoints_and_files_of_user() -> None:
    service = DeclaredService("gateway", ("https://api.example.com:8443",), "/g.crt", "/g.key", "/g.chain")
    (listener,) = listeners_of(service)
    assert brief((listener,)) == [("https", 8443, ("api.example.com",))]
    assert [kind for kind, _ in paths(listener)] == ["certificate", "key", "chain"]
