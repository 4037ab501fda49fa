"""The configuration of a real exim that relays mail after a login, to the mailbox at port 10026."""

from __future__ import annotations

from typing import Final

FILE: Final = "/etc/exim4/exim4.conf"


def relay(name: str, password: str, *, files: str, ports: str = "587", rules: str = "") -> str:
    """Return the configuration: its certificate is `files`.crt; `rules` stand before those of who has no login."""
    return f"""primary_hostname = {name}
local_interfaces = 127.0.1.1
daemon_smtp_ports = {ports}
tls_advertise_hosts = *
tls_certificate = {files}.crt
tls_privatekey = {files}.key
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
host_lookup =
rfc1413_query_timeout = 0s
never_users = root
keep_environment =
acl_smtp_rcpt = recipients
begin acl
recipients:
{rules}  accept authenticated = *
  deny message = relay not permitted
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = on
begin transports
on:
  driver = smtp
  port = 10026
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{sslaudit}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""
