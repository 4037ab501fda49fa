"""nginx: each instance tests with its own options, and reads its files again on SIGHUP while old workers finish.

It knows nothing of its configuration's content. Its own test passes an RSA certificate with an EC key.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

_TEST: Final = r"""
for pid in $first; do
  look "$pid"
  c=$(option -c) p=$(option -p)
  "$bin" ${p:+-p "$p"} ${c:+-c "$c"} -t -q || exit 1
done
"""
INSTALLER: Final = Daemon("nginx", ("nginx",), _TEST, "signal HUP\n")
