"""vsftpd: it has no check and is restarted. The shell is `hosts/shell/services/vsftpd.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("vsftpd", ("vsftpd",), "vsftpd")
