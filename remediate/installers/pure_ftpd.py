"""pure-ftpd: it has no check and is restarted. The shell is `hosts/shell/services/pure_ftpd.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("pure-ftpd", ("pure-ftpd",), "pure_ftpd")
