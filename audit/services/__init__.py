"""The tables of known services and panels. To add one, add a module to this package and a row here.

Services of other distributions come from entry points (docs/extending.md).
"""

from __future__ import annotations

from typing import Final

from audit.services import apache, cpanel, dovecot, exim, haproxy, nginx, postfix, proftpd, pure_ftpd, vsftpd
from audit.services.config_files import split_files
from audit.services.model import ConfigDump, Listener, NamedFile, Panel, PanelService, Section, Service, pair

SERVICES: Final[tuple[Service, ...]] = (
    nginx.SERVICE,
    apache.SERVICE,
    haproxy.SERVICE,
    dovecot.SERVICE,
    exim.SERVICE,
    postfix.SERVICE,
    pure_ftpd.SERVICE,
    vsftpd.SERVICE,
    proftpd.SERVICE,
)
LAYOUTS: Final[tuple[Panel, ...]] = (cpanel.LAYOUT,)

__all__ = [
    "LAYOUTS",
    "SERVICES",
    "ConfigDump",
    "Listener",
    "NamedFile",
    "Panel",
    "PanelService",
    "Section",
    "Service",
    "pair",
    "split_files",
]
