"""proftpd: its own check, then SIGHUP. The shell is `hosts/shell/services/proftpd.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("proftpd", ("proftpd",), "proftpd")
