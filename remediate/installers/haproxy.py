"""haproxy: its own check, then SIGUSR2 to its master process. The shell is `hosts/shell/services/haproxy.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("haproxy", ("haproxy",), "haproxy")
