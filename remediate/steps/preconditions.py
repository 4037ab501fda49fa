"""The step `preconditions`: the host has what a repair needs, we may write where we have to, and the clocks agree.

It knows programs, rights, room and clocks; what an audit finds out was looked at when the case was planned.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from audit.words import sentence
from remediate.site import Site
from remediate.steps.clocks import require_same_time
from remediate.steps.step import So, Stuck, done
from remediate.steps.witness import leaves_of

# Everything that is missing is said at once. Root may write anywhere, a user where the files are its own: who is not
# root can give a file to nobody else. In $1 kB and $2 files beside what the versions take.
_BEGIN: Final = r"""
echo "now $(date +%s)"
room=$1 files=$2 me=$(id -un) groups=" $(id -G) "
shift 2
lacks() { echo "lacks $*"; }
"""
_NEEDED: Final = r"""
nearest() { there=$1; while [ ! -e "$there" ]; do there=${there%/*}; [ -n "$there" ] || there=/; done; }
writable() {
  nearest "$1"
  [ -w "$there" ] && [ -x "$there" ] && return
  [ "$there" = "$1" ] && lacks "$me cannot write $there" || lacks "$me cannot write $there, to make $1 in it"
}
for program in openssl flock setsid sync; do
  command -v "$program" >/dev/null || lacks "there is no $program on the host"
done
if [ -e "$root" ]; then
  [ -O "$root" ] && [ ! -L "$root" ] || lacks "$root does not belong to $me"
elif [ ! -d "${root%/*}" ]; then
  lacks "there is no folder ${root%/*}, to make $root in it"
fi
writable "$root/$case"
nearest "$root"
premises=$there
for path in "$@"; do
  writable "${path%/*}"
  [ -e "$path" ] || continue
  room=$((room + 4 * $(stat -L -c %s "$path") / 1024 + 4)) files=$((files + 4))
  [ -r "$path" ] || lacks "$me cannot read $path"
  [ "$(id -u)" != 0 ] || continue
  [ -O "$path" ] || lacks "$path belongs to $(stat -L -c %U "$path"), to whom $me cannot give another file"
  case $groups in
    *" $(stat -L -c %g "$path") "*) ;;
    *) lacks "$path is of the group $(stat -L -c %G "$path"), to which $me cannot give another file" ;;
  esac
done
free=%a
[ "$(id -u)" != 0 ] || free=%f
set -- $(stat -f -c "$free %S %c %d" "$premises")
free=$(($1 * $2 / 1024))
[ "$free" -ge "$room" ] || lacks "$premises has room for $free kB, $((room - free)) kB too little"
[ "$3" = 0 ] || [ "$4" -ge "$files" ] || lacks "$premises has room for $4 files, $((files - $4)) too few"
"""
_ROOM: Final = 1024  # kB; four versions of certificate, chain and key have some 100
_FILES: Final = 64


class Preconditions:
    """Nothing is changed by it: what it finds missing is a person's to mend."""

    def look(self, site: Site, subject: str) -> So:
        """Return that all is there; raises Stuck with everything that is not."""
        del subject  # it is for the whole case
        require_known(site)
        paths = sorted({placed.path for one in site.file_sets for placed in one.installation.placements})
        ways = dict.fromkeys(one.installation.way.needs for one in site.file_sets)
        script = "".join((_BEGIN, *ways, _NEEDED))
        command = site.premises.looking("look for what a repair needs", script, str(_ROOM), str(_FILES), *paths)
        said = [line.partition(" ")[::2] for line in done(site, command).output.splitlines()]
        require_same_time(site, site.case.host, _time(dict(said).get("now", "")))
        lacking = tuple(dict.fromkeys(text for word, text in said if word == "lacks"))
        if lacking:
            raise Stuck("host.unprepared", f"{site.case.host}: {sentence(lacking)}")
        require_still_so(site)
        return So()

    def act(self, site: Site, subject: str) -> None:
        """Do nothing."""


def require_known(site: Site) -> None:
    """Raise Unknown where it is not known of a service which files it has, or how it takes them up."""
    for service in site.case.services:
        site.installer(service)
        site.file_set(service)


def require_still_so(site: Site) -> None:
    """Raise Stuck where what was to be replaced is served nowhere any more, and nothing is ordered yet.

    Between an audit and its repair another controller may have repaired the same.
    """
    old = site.case.replaced
    if not old or site.means.journal.ledger.unused_orders(site.case.id):
        return
    served = frozenset[str]().union(*(leaves_of(site, endpoint) for endpoint in site.case.endpoints))
    if served and not served & old:
        why = f"{site.case.host} serves another certificate than the audit saw: somebody else has replaced it"
        raise Stuck("case.changed", why, ended="interrupted")


def _time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if text.isdigit() else None
