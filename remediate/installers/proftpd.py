"""proftpd: each session reads its files again; SIGHUP makes the first process take them up as well.

It knows nothing of its configuration's content.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

_TEST: Final = r"""
for pid in $first; do
  look "$pid"
  c=$(option -c)
  proftpd ${c:+-c "$c"} -t >/dev/null || exit 1
done
"""
INSTALLER: Final = Daemon("proftpd", ("proftpd",), _TEST, "signal HUP\n")
