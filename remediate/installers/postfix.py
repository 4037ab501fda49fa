"""postfix: `postfix check`, then its tables and `postfix reload`. The shell is `hosts/shell/services/postfix.sh`."""

from __future__ import annotations

from typing import Final

from remediate.installers.daemon import Daemon

INSTALLER: Final = Daemon("postfix", ("master",), "postfix")
