"""The servers a panel runs, configured as it does where that matters: each with the certificate files of the panel."""

from __future__ import annotations

from typing import Final

from tests.support.hosts.host import HostFile

DOCROOT: Final = "/var/www/html"  # EasyApache 4
OLD_DOCROOT: Final = "/usr/local/apache/htdocs"  # EasyApache 3
LOG: Final = "/etc/apache2/logs/access_log"

_APACHE: Final = f"""ServerName {{name}}
<VirtualHost *:80>
  ServerName {{name}}
  DocumentRoot {{docroot}}
  CustomLog {LOG} combined
</VirtualHost>
<Directory {{docroot}}>
  Require all granted
</Directory>
"""
_DOVECOT: Final = """ssl = yes
ssl_cert = </etc/dovecot/ssl/dovecot.crt
ssl_key = </etc/dovecot/ssl/dovecot.key
"""
_EXIM: Final = """primary_hostname = {name}
exim_user = mailnull
exim_group = mail
spool_directory = /var/spool/exim
log_file_path = /var/log/exim_%slog
local_interfaces = <; 0.0.0.0 ; ::0
daemon_smtp_ports = 25 : 465 : 587
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = /etc/exim.crt
tls_privatekey = /etc/exim.key
tls_require_ciphers = NORMAL:-VERS-TLS1.0:-VERS-TLS1.1
host_lookup =
rfc1413_query_timeout = 0s
never_users = root
keep_environment =
acl_smtp_rcpt = own
begin acl
own:
  accept hosts = 127.0.0.1 : ::1
  deny message = no mail is taken here
begin routers
elsewhere:
  driver = dnslookup
  transport = remote
begin transports
remote:
  driver = smtp
"""


def configuration(name: str) -> tuple[HostFile, ...]:
    """Return the configuration of every server on a host of that name."""
    return (
        website(name, DOCROOT),
        HostFile("/etc/apache2/ports.conf", "Listen 80\n"),
        HostFile(f"{DOCROOT}/index.html", "It works\n"),
        HostFile(LOG, ""),
        HostFile("/etc/dovecot/conf.d/10-ssl.conf", _DOVECOT),
        HostFile("/etc/exim4/exim4.conf", _EXIM.format(name=name)),
        HostFile("/etc/pure-ftpd/conf/TLS", "1\n"),
        HostFile("/etc/pure-ftpd/conf/Daemonize", "yes\n"),
    )


def website(name: str, docroot: str) -> HostFile:
    """Return the configuration of the website that answers under the host's name and under no other."""
    return HostFile("/etc/apache2/sites-enabled/000-default.conf", _APACHE.format(name=name, docroot=docroot))
