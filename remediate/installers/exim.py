"""exim: its own check, then SIGHUP unless it loads new files by itself. The shell is `hosts/shell/services/exim.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("exim", ("exim4", "exim"), "exim")
