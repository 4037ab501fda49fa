"""What becomes of the versions that lie on a host: which are looked at, which are kept, and which are thrown away.

It refuses to know services and processes, and never touches what a configured path leads to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from remediate.action import Command
from remediate.installers.files import Installation
from remediate.premises import Premises

FORGOTTEN_DAYS: Final = 30
"""How long a case's folder stays that nothing leads through: a month of nights in which somebody may ask for it."""

_STRANGERS: Final = r"""
folder=$root/$case/$1
cd "$folder" 2>/dev/null || :
shift
while [ $# -gt 0 ]; do
  is_ours "$1" "$2" || echo "$1"
  shift 2
done
"""


def strangers(installation: Installation) -> Command:
    """Return the command that prints the paths that somebody else has changed."""
    own = installation.folder.rpartition("/")[2]
    script = installation.way.looks + _STRANGERS
    return installation.premises.looking("look whose the files are", script, own, *installation.pairs)


_LEAF: Final = r"""
version=$root/$case/$1/$2
shift 2
while [ $# -gt 0 ]; do
  case $2 in *l*)
    sed -n "/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/{p;/^-----END/q;}" "$version$1" || exit 1
    exit
  esac
  shift 2
done
"""


def leaf_of(installation: Installation, name: str) -> Command:
    """Return the command that prints the leaf of a version."""
    own = installation.folder.rpartition("/")[2]
    return installation.premises.looking(f"look at version {name}", _LEAF, own, name, *installation.pairs)


# $1: days, then cases that are not touched. Of the premises' own case the versions in use, proven last and before that
# stay, the last of them for its owner's eyes alone. Of others nothing stays where no configured path leads through them
# any more: at once where this case has the paths now, and else when nothing has changed there for so many days. What
# was not made by us is not touched: the root may be a folder in which there are other things.
_PRUNE: Final = r"""
days=$1
shift
spared=" $case $* "
gone() { find "$1" -type f -exec shred -u {} + 2>/dev/null || :; rm -rf "$1"; }
seal() {
  [ -d "$1" ] || return 0
  if [ ! -e "$1.modes" ]; then
    find "$1" -type f -exec stat -c "%a %n" {} + >"$1.modes.new"
    mv -f "$1.modes.new" "$1.modes"
  fi
  find "$1" -type f -exec chmod 600 {} +
}
ours() {
  expr "${1##*/}" : "[0-9a-f]\{16\}\$" >/dev/null || return 1
  for entry in "$1"/* "$1"/.[!.]*; do
    case ${entry##*/} in
      pending | pending.gone | renewal | "*" | ".[!.]*") ;;
      *) expr "${entry##*/}" : "[0-9a-f]\{12\}\$" >/dev/null && [ -d "$entry" ] || return 1 ;;
    esac
  done
}
leads() {
  find "$1" -mindepth 3 -type f -exec sh -c '
    from=$1 root=$2 case=$3
    shift 3
    for file in "$@"; do
      rest=${file#"$from"/}
      own=${rest%%/*} rest=${rest#*/}
      path=/${rest#*/}
      case $(readlink "$path") in
        "$from/$own/live$path") echo used ;;
        "$root/$case/"*) echo replaced ;;
        *) echo other ;;
      esac
    done' sh "$1" "$root" "$case" {} + | sort -u
}
for own in "$root/$case"/*/; do
  own=${own%/}
  [ -L "$own/live" ] || continue
  cd "$own"
  kept=" $(readlink live) $(readlink proven) $(readlink before || :) $(readlink way-back || :) "
  for version in */; do
    version=${version%/}
    [ ! -L "$version" ] || continue
    case $kept in *" $version "*) ;; *) gone "$version"; rm -f "$version.modes" ;; esac
  done
  before=$(readlink before || :)
  [ -z "$before" ] || [ "$before" = "$(readlink live)" ] || seal "$before"
done
for folder in "$root"/*/; do
  folder=${folder%/}
  case $spared in *" ${folder##*/} "*) continue ;; esac
  [ ! -L "$folder" ] && ours "$folder" || continue
  led=$(leads "$folder")
  case $led in
    *used*) continue ;;
    replaced) [ -e "$folder/pending" ] || { gone "$folder"; continue; } ;;
  esac
  [ -n "$(find "$folder" -mtime "-$days" | head -n 1)" ] || gone "$folder"
done
"""


def prune(premises: Premises, spared: Iterable[str]) -> Command:
    """Return the command that throws away what is not needed to go back from a success; not of the spared cases."""
    why = "throw away what no way back needs"
    return premises.locked(why, _PRUNE, str(FORGOTTEN_DAYS), *sorted(set(spared)))
