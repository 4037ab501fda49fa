"""pure-ftpd: it reads its one file when it starts, and any signal ends it, so it is restarted and the gap measured.

It knows nothing of its configuration and has no test of it.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

INSTALLER: Final = Daemon("pure-ftpd", ("pure-ftpd",), ":\n", "restart\n")
