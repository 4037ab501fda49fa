"""Apache httpd: tested with its own options and Debian's variables; SIGUSR1 lets requests finish (graceful).

It knows nothing of its configuration's content. With a key that is not the certificate's its own test says
`Syntax OK`, and the server ends when it is told to reload: keys are compared before.
"""

from __future__ import annotations

from typing import Final

from remediate.installers.installer import Daemon

_TEST: Final = r"""
[ ! -r /etc/apache2/envvars ] || . /etc/apache2/envvars
for pid in $first; do
  look "$pid"
  f=$(option -f) d=$(option -d)
  "$bin" ${d:+-d "$d"} ${f:+-f "$f"} -t || exit 1
done
"""
INSTALLER: Final = Daemon("apache", ("apache2", "httpd"), _TEST, "signal USR1\n")
