"""vsftpd: it reads its files when it starts and SIGHUP does not change that, so it is restarted and the gap measured.

It knows nothing of its configuration and has no test of it.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

INSTALLER: Final = Daemon("vsftpd", ("vsftpd",), ":\n", "restart\n")
