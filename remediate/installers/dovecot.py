"""dovecot: `doveconf`, then SIGHUP. The shell is `hosts/shell/services/dovecot.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("dovecot", ("dovecot",), "dovecot")
