"""postfix: tested by `postfix check`; its tables of certificates by name are made anew, and its processes told.

It knows of its configuration where those tables are: `postmap -F` copies certificates and keys into them.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

_TEST: Final = r"""
[ -z "$first" ] || postfix check
"""
_TAKE_UP: Final = r"""
[ -n "$first" ] || exit 0
for table in $(postconf -h tls_server_sni_maps | tr "," " "); do
  case $table in
    hash:/* | btree:/* | cdb:/* | lmdb:/* | dbm:/*) postmap -F "$table" || exit 1 ;;
  esac
done
postfix reload
pause 0.5
stays
"""
INSTALLER: Final = Daemon("postfix", ("master",), _TEST, _TAKE_UP)
