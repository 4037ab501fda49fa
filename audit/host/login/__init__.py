"""Logins to hosts: each host of a specification, and the scripts that run on it."""

from audit.host.login.backends import distinguish, hosts_of, inventory_of, share_connection
from audit.host.login.failures import redacted
from audit.host.login.host import Collector, Host, limited_to, new_nonce
from audit.host.login.private_sockets import PrivateSockets
from audit.host.login.ssh_connection import Bounds, Connections, LoginLimits

__all__ = [
    "Bounds",
    "Collector",
    "Connections",
    "Host",
    "LoginLimits",
    "PrivateSockets",
    "distinguish",
    "hosts_of",
    "inventory_of",
    "limited_to",
    "new_nonce",
    "redacted",
    "share_connection",
]
