"""nginx: `nginx -t`, then SIGHUP. The shell is `hosts/shell/services/nginx.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("nginx", ("nginx",), "nginx", has_workers=True)
