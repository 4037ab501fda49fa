"""The panel's restart scripts as a strict double: `/scripts/restartsrv_NAME` really restarts what the name is of."""

from __future__ import annotations

from typing import Final

from tests.support.hosts.host import HostFile

NAMES: Final = ("cpsrvd", "cpdavd", "dovecot", "exim", "ftpserver", "httpd")
FOLDER: Final = "/usr/local/cpanel/scripts"  # and /scripts is a link to it
LOG: Final = "/var/log/restarts"
_SCRIPT: Final = rf"""#!/bin/sh
# Every restart is a line of {LOG}, so that a test can count them.
set -eu
name=${{0##*restartsrv_}}
[ $# = 0 ] || {{ echo "$0: no such option: $1" >&2; exit 2; }}
gone() {{
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || return 0
    n=0; while kill -0 "$1" 2>/dev/null; do n=$((n + 1)); [ $n -lt 500 ] || exit 1; sleep 0.02; done
}}
listens() {{
    n=0; until ss -Hltn "sport = :$1" | grep -q .; do n=$((n + 1)); [ $n -lt 500 ] || exit 1; sleep 0.02; done
}}
case $name in
cpsrvd|cpdavd)
    gone "$(pidof -x "$name" || :)"
    setsid /usr/local/cpanel/$name </dev/null >/dev/null 2>>/var/log/$name &
    case $name in cpsrvd) ports="2083 2087 2096" ;; *) ports="2078 2080" ;; esac ;;
dovecot)
    gone "$(cat /run/dovecot/master.pid 2>/dev/null || :)"
    dovecot
    ports="993 995 143 110" ;;
exim)
    gone "$(cat /run/exim4/exim.pid 2>/dev/null || :)"
    exim4 -bd -q1m
    ports="25 465 587" ;;
ftpserver)
    gone "$(pidof -s pure-ftpd || :)"
    pure-ftpd-wrapper >/dev/null
    ports=21 ;;
httpd)
    gone "$(cat /run/apache2/apache2.pid 2>/dev/null || :)"
    apache2ctl start
    ports=80 ;;
*) echo "$name is not a service of this server" >&2; exit 1 ;;
esac
for port in $ports; do listens "$port"; done
echo "$name" >>{LOG}
echo "$name restarted successfully."
"""


def scripts() -> tuple[HostFile, ...]:
    """Return the scripts, one for every name that there is."""
    return tuple(HostFile(f"{FOLDER}/restartsrv_{name}", _SCRIPT, 0o755) for name in NAMES)
