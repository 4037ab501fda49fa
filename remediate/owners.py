"""The agents that own certificates and how each is made to renew one now: a table, a row for each.

It knows their commands and where they keep things; it refuses to know what is done when they have ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from remediate.action import Command
from remediate.panel import AGENT
from remediate.premises import Premises

RENEWAL_S: Final = 1500
"""How long a renewal may take: certbot waits for DNS to spread, and for other runs of its own."""
_PRINTED: Final = 3000  # characters of what it printed last

# What follows sets the words of the command as "$@"; it is given the paths of the certificate's files. The agent does
# not have our lock (descriptor 9): what it starts may stay. A timeout of 0 is none.
_BEGIN: Final = r"""
limit=$1 printed=$2
shift 2
PATH=$PATH:/snap/bin
places() { for path in "$@"; do echo "$path"; readlink -f "$path" || :; done; }
only() {
  [ -n "$1" ] || fail 69 "$2"
  [ "$(echo "$1" | wc -l)" = 1 ] || fail 65 "it is not clear which is meant: $(echo $1)"
}
"""
_RUN: Final = r"""
command -v "$1" >/dev/null || fail 69 "there is no $1 on the host"
status=0
(
  umask 022
  if timeout 1 true 2>/dev/null; then exec timeout -k 30 "$limit" "$@"; else exec "$@"; fi
) </dev/null >"$root/$case/renewal" 2>&1 9>&- || status=$?
echo "ended $status"
tail -c "$printed" "$root/$case/renewal" | tr -c "[:print:]\n" " "
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """An agent and the shell that finds out its renewal; where it renews later than it says, how long later."""

    name: str
    finds: str
    settles_s: float = 0.0


# `renew` sleeps for up to eight minutes where no terminal is, unless it is told not to (since 0.30).
_CERTBOT: Final = r"""
name=$(places "$@" | sed -nE "s#^/etc/letsencrypt/(live|archive)/([^/]+)/.*#\2#p" | sort -u)
only "$name" "none of the files is below /etc/letsencrypt/live"
set -- certbot renew --cert-name "$name" --non-interactive --no-random-sleep-on-renew
"""
# The files are its own, or copies of which it keeps a list for each certificate.
_ACME_SH: Final = r"""
folder=$(places "$@" | sed -nE "s#^(.*/\.acme\.sh/[^/]+)/.*#\1#p" | sort -u)
[ -n "$folder" ] || folder=$(
  for conf in /root/.acme.sh/*/*.conf "$HOME"/.acme.sh/*/*.conf; do
    for path in "$@"; do
      ! grep "^Le_Real" "$conf" 2>/dev/null | grep -qF "'$path'" || echo "${conf%/*}"
    done
  done | sort -u
)
only "$folder" "acme.sh has none of the files on its lists"
home=${folder%/*} domain=${folder##*/}
case $domain in
  *_ecc) set -- "$home/acme.sh" --renew --home "$home" -d "${domain%_ecc}" --ecc ;;
  *) set -- "$home/acme.sh" --renew --home "$home" -d "$domain" ;;
esac
"""
# It keeps no record of the options it was run with: the unit that renews knows them.
_LEGO: Final = r"""
unit=$(grep -lE "lego.* renew" /etc/systemd/system/*.service /usr/local/lib/systemd/system/*.service 2>/dev/null || :)
only "$unit" "lego keeps no record of how it was run, and no systemd unit here runs lego renew"
set -- systemctl start "${unit##*/}"
"""
_DEHYDRATED: Final = r"""
set -- dehydrated --cron
"""
# It looks at every certificate when its configuration is loaded, and renews in the background what is due.
_CADDY: Final = r"""
if systemctl is-active --quiet caddy 2>/dev/null; then set -- systemctl reload caddy
else set -- caddy reload --config /etc/caddy/Caddyfile --force
fi
"""
# By its whole path: a command of ours has the same name. It queues no retry, as it is not allowed to.
_CPANEL: Final = r"""
set -- /usr/local/cpanel/bin/checkallsslcerts --verbose
"""

OWNERS: Final[Mapping[str, Owner]] = {
    owner.name: owner
    for owner in (
        Owner("certbot", _CERTBOT),
        Owner("acme.sh", _ACME_SH),
        Owner("lego", _LEGO),
        Owner("dehydrated", _DEHYDRATED),
        Owner("caddy", _CADDY, settles_s=120.0),
        Owner(AGENT, _CPANEL),
    )
}
"""Whose renewal can be run, by the name that the audit gives the agent."""


def renewing(owner: Owner, premises: Premises, paths: tuple[str, ...]) -> Command:
    """Return the command that runs the renewal and prints `ended`, its status and what it printed last.

    It fails where it cannot be found out which renewal is meant.
    """
    why = f"let {owner.name} renew the certificate in {', '.join(paths)}"
    script = _BEGIN + owner.finds + _RUN
    return premises.locked(why, script, str(RENEWAL_S), str(_PRINTED), *paths, timeout_s=RENEWAL_S + 60.0)
