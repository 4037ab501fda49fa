"""The services we know: a table of one row each. A new one is one file beside this and one row here."""

from __future__ import annotations

from typing import Final

from audit.services import dovecot, exim, nginx
from audit.services.service import Dump, Listener, NamedFile, Section, Service

SERVICES: Final[tuple[Service, ...]] = (
    nginx.SERVICE,
    dovecot.SERVICE,
    exim.SERVICE,
)

__all__ = ["SERVICES", "Dump", "Listener", "NamedFile", "Section", "Service"]
