"""The discovery of hosts and their endpoints: each host once, many at the same time."""

from audit.endpoint import UnusableLine, parse_endpoints
from audit.host.discovery.hosts import Discovery, Login, assemble, begin_discovery, discover
from audit.host.discovery.pool import DiscoveryPool, Tick
from audit.host.login import redacted
from audit.services.declared import DeclaredService

__all__ = [
    "DeclaredService",
    "Discovery",
    "DiscoveryPool",
    "Login",
    "Tick",
    "UnusableLine",
    "assemble",
    "begin_discovery",
    "discover",
    "parse_endpoints",
    "redacted",
]
