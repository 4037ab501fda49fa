"""dovecot: tested by doveconf, and its first process reads everything again on SIGHUP; sessions go on.

It knows nothing of its configuration's content. Nothing of dovecot's compares certificate and key.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

_TEST: Final = r"""
for pid in $first; do
  look "$pid"
  d=${bin%/sbin/*}/bin/doveconf
  [ -x "$d" ] || d=$(command -v doveconf) || continue
  c=$(option -c)
  "$d" ${c:+-c "$c"} -n >/dev/null || exit 1
done
"""
INSTALLER: Final = Daemon("dovecot", ("dovecot",), _TEST, "signal HUP\n")
