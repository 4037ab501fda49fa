"""The access logs of a host: which of them may note a visit to the proof, the command that looks, and its answer.

It knows files, rotation and bounds; what a line says is read elsewhere. It only looks, and takes no lock: a log that
cannot be read is a clause for a person, and keeps no repair from going on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from audit.observation import HostView
from audit.websites import logs_of
from remediate.action import Command, Done
from remediate.premises import Premises
from remediate.visit_times import zone_of
from remediate.visits import ANY, Noted, Unreadable, Visit, only, read_line

Logs = Callable[[str, str], tuple[str, ...]]
"""For the label of a host and a name: where requests to it are noted, as `audit.websites` says it; `?` before a path
stands for one that need not be there."""

_PANEL: Final = (
    "?/etc/apache2/logs/access_log",
    "?/etc/apache2/logs/access",
    "?/usr/local/apache/logs/access_log",
    "?/usr/local/apache/domlogs/",
)
"""Where a cPanel & WHM server is documented to note requests; the last is a folder with a file for each name."""

# A log that was last written to before the request was made knows of no visit, and needs not be read. Files are named
# once, whichever links lead there, the newest first. Of each no more is read, and said, than a host is to bear; a line
# of a log begins with `> `.
_LOOK: Final = r"""
wanted=$1 most=$2
shift 2
since=$root/$case/pending/csr.pem began=$(date +%s) text= newest=
printf "x\n" | grep -aqF x 2>/dev/null && text=-a
bounded() { if command -v timeout >/dev/null; then timeout 10 "$@"; else "$@"; fi 2>/dev/null; }
lines() {
  case $1 in
    *.gz) set -- gzip -dc -- "$1" ;;
    *.bz2) set -- bzip2 -dc -- "$1" ;;
    *.xz) set -- xz -dc -- "$1" ;;
    *.zst) set -- zstd -dcq -- "$1" ;;
    *) set -- tail -c 200000000 -- "$1" ;;
  esac
  command -v "$1" >/dev/null || { echo "!! there is no $1 on the host to read it with"; return; }
  bounded "$@" | grep $text -E -e "$wanted" | tail -n "$most" | cut -c 1-4000 | sed "s/^/> /"
}
rotated() {
  IFS=
  base=${1##*/}
  for found in $1 $1[.-]* ${1%/*}/*/$base[.-]*; do [ ! -e "$found" ] || readlink -f -- "$found"; done
  case $base in *.*) ;; *) return ;; esac
  for found in ${1%.*}[.-]*.${base##*.}*; do [ ! -e "$found" ] || readlink -f -- "$found"; done
}
named() {
  for log in "$@"; do
    case $log in
      /*) [ -n "$(rotated "$log")" ] || echo "!! $log is not there" >&2; rotated "$log" ;;
      \?/*) rotated "${log#\?}" ;;
      *) echo "!! it goes to $log, which is no file" >&2 ;;
    esac
  done | sort -u | head -n 200
}
echo "zone $(date +%z)"
paths=$(named "$@" 2>&1)
printf "%s\n" "$paths" | grep "^!! "
printf "%s\n" "$paths" | grep "^/" | while IFS= read -r path; do
  [ ! -d "$path" ] || continue
  [ -f "$path" ] || { echo "!! $path keeps nothing of what is noted" >&2; continue; }
  printf "%s %s\n" "$(stat -L -c %Y -- "$path")" "$path"
done 2>&1 | sort -rn | head -n 12 | while read -r when path; do
  case $when in "!!") echo "!! $path"; continue ;; esac
  if [ -e "$since" ] && [ "$path" -ot "$since" ]; then
    [ -n "$newest" ] || echo "== $path"
    newest=$path
    continue
  fi
  newest=$path
  [ -r "$path" ] || { echo "!! $path may not be read by $(id -un)"; continue; }
  [ $(($(date +%s) - began)) -lt 30 ] || { echo "!! $path was left out: it takes too long"; continue; }
  echo "== $path"
  lines "$path"
done | head -c 400000
:
"""
_ANY: Final = r"/\.well-known/(pki-validation|acme-challenge)/|/[0-9A-F]{32}\.txt"
_MOST: Final = 40  # lines of one file; several places look, at each address of a name


def no_logs(_host: str, _name: str) -> tuple[str, ...]:
    """Know of no log."""
    return ()


def logs_on(hosts: Iterable[HostView], port: int = 80) -> Logs:
    """Return what tells the logs of these hosts, for a CA that asks at that port."""
    views = {host.label: host for host in hosts}

    def logs(label: str, name: str) -> tuple[str, ...]:
        view = views.get(label)
        if view is None:
            return ()
        documented = (f"{log}{name}" if log.endswith("/") else log for log in _PANEL) if view.is_cpanel else ()
        return (*logs_of(view.websites, name, port), *documented)

    return logs


def look_for_visits(premises: Premises, file: str | None, logs: Iterable[str]) -> Command:
    """Return the command that looks for a file's name in logs, and in what was rotated away since it was asked for.

    Without a file for all that a CA may ask for.
    """
    why = f"look who has asked for {file or 'a proof'}"
    return premises.looking(why, _LOOK, file or _ANY, str(_MOST), *logs, timeout_s=50.0)


def read_visits(done: Done, file: str | None, since: datetime | None = None) -> Noted:
    """Return what a host's logs say, its visits by time; what two logs note is one visit.

    Without a file those for any proof; `since` leaves out what came before.
    """
    if not done.ok:
        return Noted(faults=(f"the access log could not be looked at: {(done.error or 'it takes too long').strip()}",))
    lines = done.output.splitlines()
    zone = next((zone_of(line.removeprefix("zone ")) for line in lines if line.startswith("zone ")), UTC)
    proof = only(file) if file else ANY
    whole, of_one, unread = Counter[Visit](), Counter[Visit](), 0
    for line in lines:
        if line.startswith("== "):
            whole, of_one = whole | of_one, Counter()
        if line.startswith("> "):
            try:
                of_one.update(filter(None, [read_line(line.removeprefix("> "), proof, zone)]))
            except Unreadable:
                unread += 1
    visits = (one for one in (whole | of_one).elements() if since is None or one.at is None or one.at >= since)
    return Noted(
        tuple(sorted(visits, key=_when)),
        unread,
        tuple(line.removeprefix("== ") for line in lines if line.startswith("== ")),
        tuple(dict.fromkeys(line.removeprefix("!! ") for line in lines if line.startswith("!! "))),
    )


def _when(visit: Visit) -> float:
    return visit.at.timestamp() if visit.at else 0.0
