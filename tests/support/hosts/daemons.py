"""The servers of the real lab: for each its configuration where its package keeps it, its files, and how it starts.

Each uses `/etc/ssl/NAME/main` for the host's own name and, where it can, `/etc/ssl/NAME/second` for a second name sent
by SNI. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.support.hosts.host import HostFile
from tests.support.hosts.pki import Credential


@dataclass(frozen=True, slots=True)
class Names:
    """The names a host serves: its own, and a second one by SNI."""

    main: str
    second: str


@dataclass(frozen=True, slots=True)
class Daemon:
    """One server: its name, overlay and TLS ports, how it starts, and how it takes up new certificates."""

    name: str
    overlay: str
    ports: tuple[int, ...]
    start: str
    reload: str | None  # None: it reads its certificate at every connection
    configuration: Callable[[Names], tuple[HostFile, ...]]
    service: str  # what discovery calls it
    has_second: bool = True
    key_group: str = "root"
    starttls: tuple[tuple[int, str], ...] = ()  # ports that speak plain text first, and openssl's word for it
    combined: tuple[str, ...] = ()  # the files that hold key and certificates of each name together

    def files(self, main: Credential, second: Credential) -> tuple[HostFile, ...]:
        """Return certificate and key files for both names."""
        mode = 0o600 if self.key_group == "root" else 0o640
        folder = f"/etc/ssl/{self.name}"
        if self.combined:
            credentials = zip(self.combined, (main, second), strict=False)
            return tuple(HostFile(path, served.key + served.fullchain, 0o600) for path, served in credentials)
        placed = main.at(f"{folder}/main", group=self.key_group, mode=mode)
        beside = second.at(f"{folder}/second", group=self.key_group, mode=mode) if self.has_second else ()
        return (*placed, *beside)

    def watched(self, address: str, name: str) -> dict[int, str]:
        """Return by port what `tests.support.hosts.handshake_watch` takes, for the ports whose protocols it speaks.

        The files stand in it if they are read at each connection.
        """
        files = [path for _, path in sorted(self.kept(is_second=False))] if self.reload is None else []
        spoken = (*self.ports, *(port for port, word in self.starttls if word in ("smtp", "ftp")))
        return {port: ":".join((address, str(port), name, *files)) for port in spoken}

    def kept(self, *, is_second: bool) -> set[tuple[str, str]]:
        """Return kind and path of certificate and key for one of the names."""
        if self.combined:
            path = self.combined[1 if is_second else 0]
            return {("certificate", path), ("key", path)}
        stem = f"/etc/ssl/{self.name}/{'second' if is_second else 'main'}"
        return {("certificate", f"{stem}.crt"), ("key", f"{stem}.key")}


SCHEMES: Final = {
    443: "https",
    8443: "https",
    6443: "https",
    993: "imaps",
    143: "imap",
    995: "pop3s",
    110: "pop3",
    465: "smtps",
    25: "smtp",
    21: "ftp",
}
"""What is spoken on each port of the lab."""


def _nginx(names: Names) -> tuple[HostFile, ...]:
    server = """
  server {{
    listen 443 ssl{default}; listen [::]:443 ssl{default};
    server_name {name};
    ssl_certificate /etc/ssl/nginx/{file}.crt; ssl_certificate_key /etc/ssl/nginx/{file}.key;
    return 200 "ok\\n";
  }}"""
    servers = server.format(default=" default_server", name=names.main, file="main")
    servers += server.format(default="", name=names.second, file="second")
    top = "user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /var/log/nginx/error.log;\n"
    return (HostFile("/etc/nginx/nginx.conf", f"{top}events {{}}\nhttp {{\n  access_log off;{servers}\n}}\n"),)


def _apache(names: Names) -> tuple[HostFile, ...]:
    site = """<VirtualHost *:8443>
  ServerName {name}
  SSLEngine on
  SSLCertificateFile /etc/ssl/apache/{file}.crt
  SSLCertificateKeyFile /etc/ssl/apache/{file}.key
</VirtualHost>
"""
    sites = site.format(name=names.main, file="main") + site.format(name=names.second, file="second")
    return (
        HostFile("/etc/apache2/ports.conf", "Listen 8443\n"),
        HostFile("/etc/apache2/sites-enabled/000-default.conf", f"ServerName {names.main}\n{sites}"),
        HostFile("/etc/apache2/mods-enabled/lab.load", "LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n"),
    )


def _haproxy(names: Names) -> tuple[HostFile, ...]:
    configuration = f"""global
  chroot /var/lib/haproxy
  user haproxy
  group haproxy
  crt-base /etc/ssl
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind :6443 ssl crt haproxy/main.pem crt haproxy/second.pem
  bind [::]:6443 v6only ssl crt haproxy/main.pem crt haproxy/second.pem
  http-request deny unless {{ hdr(host) -i {names.main} {names.second} }}
  http-request return status 200 content-type text/plain string "ok"
"""
    return (
        HostFile("/etc/haproxy/haproxy.cfg", configuration),
        HostFile("/etc/default/haproxy", "EXTRAOPTS=-W\n"),  # Debian's own script starts it without a master
    )


def _dovecot(names: Names) -> tuple[HostFile, ...]:
    second = f"""local_name {names.second} {{
  ssl_cert = </etc/ssl/dovecot/second.crt
  ssl_key = </etc/ssl/dovecot/second.key
}}
"""
    top = "ssl = yes\nssl_cert = </etc/ssl/dovecot/main.crt\nssl_key = </etc/ssl/dovecot/main.key\n"
    return (HostFile("/etc/dovecot/conf.d/10-ssl.conf", top + second),)


def _exim(names: Names) -> tuple[HostFile, ...]:
    choice = f"${{if eq{{$tls_in_sni}}{{{names.second}}}{{/etc/ssl/exim/second.%s}}{{/etc/ssl/exim/main.%s}}}}"
    return (
        HostFile(
            "/etc/exim4/exim4.conf",
            f"""primary_hostname = {names.main}
local_interfaces = <; 0.0.0.0 ; ::0
daemon_smtp_ports = 25 : 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = {choice % ("crt", "crt")}
tls_privatekey = {choice % ("key", "key")}
tls_require_ciphers = NORMAL:-VERS-TLS1.0:-VERS-TLS1.1
host_lookup =
rfc1413_query_timeout = 0s
never_users = root
keep_environment =
acl_smtp_rcpt = refuse
begin acl
refuse:
  deny message = no mail is taken here
""",
        ),
    )


def _pure_ftpd(names: Names) -> tuple[HostFile, ...]:
    del names  # it has one certificate whatever is asked for
    return (HostFile("/etc/pure-ftpd/conf/TLS", "1\n"), HostFile("/etc/pure-ftpd/conf/Daemonize", "yes\n"))


def _postfix(names: Names) -> tuple[HostFile, ...]:
    main = f"""compatibility_level = 3.6
myhostname = {names.main}
mydestination =
inet_interfaces = all
inet_protocols = all
maillog_file = /var/log/postfix.log
smtpd_tls_chain_files = /etc/ssl/postfix/main.key, /etc/ssl/postfix/main.crt
smtpd_tls_security_level = may
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_mandatory_protocols = >=TLSv1.2
tls_server_sni_maps = hash:/etc/postfix/sni
"""
    smtps = """
smtps inet n - y - - smtpd
  -o smtpd_tls_wrappermode=yes
postlog unix-dgram n - n - 1 postlogd
"""
    return (
        HostFile("/etc/postfix/main.cf", main),
        HostFile("/etc/postfix/sni", f"{names.second} /etc/ssl/postfix/second.key /etc/ssl/postfix/second.crt\n"),
        HostFile("/etc/postfix/lab.cf", smtps),
    )


def _vsftpd(names: Names) -> tuple[HostFile, ...]:
    del names  # it has one certificate whatever is asked for
    return (
        HostFile(
            "/etc/vsftpd.conf",
            """listen=NO
listen_ipv6=YES
background=YES
anonymous_enable=NO
local_enable=YES
secure_chroot_dir=/run/vsftpd/empty
ssl_enable=YES
rsa_cert_file=/etc/ssl/vsftpd/main.crt
rsa_private_key_file=/etc/ssl/vsftpd/main.key
seccomp_sandbox=NO
""",
        ),
    )


def _proftpd(names: Names) -> tuple[HostFile, ...]:
    tls = """<IfModule mod_tls.c>
  TLSEngine on
  TLSLog /var/log/proftpd/tls.log
  TLSRequired off
  TLSECCertificateFile /etc/ssl/proftpd/main.crt
  TLSECCertificateKeyFile /etc/ssl/proftpd/main.key
  TLSCertificateChainFile /etc/ssl/proftpd/main.crt
</IfModule>
"""
    return (
        HostFile("/etc/proftpd/conf.d/lab.conf", f"ServerName {names.main}\nWtmpLog off\n{tls}"),
        HostFile("/etc/proftpd/modules.conf", "ModulePath /usr/lib/proftpd\nLoadModule mod_tls.c\n"),
    )


DAEMONS: Final = (
    Daemon(
        "nginx",
        "main",
        (443,),
        "nginx -g 'daemon on; master_process on;'",  # as the unit of its package
        "nginx -s reload",
        _nginx,
        "nginx",
    ),
    Daemon("apache", "main", (8443,), "apache2ctl start", "apache2ctl graceful", _apache, "apache"),
    Daemon(
        "haproxy",
        "main",
        (6443,),
        "/etc/init.d/haproxy start",
        "kill -USR2 $(cat /run/haproxy.pid)",
        _haproxy,
        "haproxy",
        combined=("/etc/ssl/haproxy/main.pem", "/etc/ssl/haproxy/second.pem"),
    ),
    Daemon(
        "dovecot",
        "main",
        (993, 995),
        "dovecot",
        "doveadm reload",
        _dovecot,
        "dovecot",
        starttls=((143, "imap"), (110, "pop3")),
    ),
    Daemon(
        "exim",
        "main",
        (465,),
        "exim4 -bd -q30m",
        None,
        _exim,
        "exim",
        key_group="Debian-exim",
        starttls=((25, "smtp"),),
    ),
    Daemon(
        "pure-ftpd",
        "main",
        (),
        "pure-ftpd-wrapper",
        "kill $(pidof -s pure-ftpd); while pidof pure-ftpd; do sleep 0.02; done; pure-ftpd-wrapper",
        _pure_ftpd,
        "pure-ftpd",
        has_second=False,
        starttls=((21, "ftp"),),
        combined=("/etc/ssl/private/pure-ftpd.pem",),  # at a place that its package fixed
    ),
    Daemon(
        "postfix",
        "second",
        (465,),
        "cat /etc/postfix/lab.cf >> /etc/postfix/master.cf; postmap -F /etc/postfix/sni; postfix start",
        "postmap -F /etc/postfix/sni; postfix reload",
        _postfix,
        "postfix",
        starttls=((25, "smtp"),),
    ),
    Daemon(
        "vsftpd",
        "second",
        (),
        "mkdir -p /run/vsftpd/empty; vsftpd /etc/vsftpd.conf",
        "kill $(pidof vsftpd); while pidof vsftpd; do sleep 0.02; done; vsftpd /etc/vsftpd.conf",
        _vsftpd,
        "vsftpd",
        has_second=False,
        starttls=((21, "ftp"),),
    ),
    Daemon(
        "proftpd",
        "third",
        (),
        "mkdir -p /run/proftpd; proftpd",
        None,
        _proftpd,
        "proftpd",
        has_second=False,
        starttls=((21, "ftp"),),
    ),
)
"""Every server of the lab."""
