"""exim: its own test, then SIGHUP if it reads its files only when it starts. The shell is `hosts/shell/exim.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

INSTALLER: Final = Daemon("exim", ("exim4", "exim"), "exim")
