"""Apache httpd: its own check, then SIGUSR1 (graceful). The shell is `hosts/shell/services/apache.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("apache", ("apache2", "httpd"), "apache", has_workers=True)
