"""exim: it reads certificate and key at each connection where it works their paths out anew, and else when it starts.

It knows how to ask exim which of both it is. What exim has read at its start it reads again where their folders change,
which they do not when a link further up does; SIGHUP makes it start anew in the same process.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

_TEST: Final = r"""
for pid in $first; do
  look "$pid"
  c=$(option -C)
  "$bin" ${c:+-C "$c"} -bV >/dev/null || exit 1
done
"""
_TAKE_UP: Final = r"""
for pid in $first; do
  look "$pid"
  c=$(option -C)
  case $("$bin" ${c:+-C "$c"} -bP tls_certificate tls_privatekey) in
    *tls_certificate*\$*tls_privatekey*\$*) ;;
    *) kill -HUP "$pid" || exit 1 ;;
  esac
done
pause 0.5
stays
"""
INSTALLER: Final = Daemon("exim", ("exim4", "exim"), _TEST, _TAKE_UP)
