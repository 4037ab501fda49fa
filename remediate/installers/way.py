"""How a version comes to be what services find at their paths: the shell of it, and the way by links of ours.

It knows folders and links; it refuses to know services, and when anything is switched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Way:
    """The functions that a switch is made of. What they are given is how many paths, then paths and parts in turn.

    `looks`: `is_ours PATH PARTS`, whether nobody else has changed what is there; `in_use`, which prints the version
    that the paths hold. `adopts`: `known`, whether they hold one that we know; `keep`, which copies them to
    `$old.part`; `lead`, which does what is to be done once. `activates`: `bring VERSION` and `recall`, which brings
    `way-back`, leave in `$said` why they cannot; `untouched`, whether a failed `bring` left all as it was. `needs`:
    shell that says what a host lacks by `lacks`. `how` is said wherever a switch is told of. They work in the folder
    of the files, which is in `$folder`.
    """

    looks: str
    adopts: str
    activates: str
    needs: str = ""
    how: str = ""


# Whatever is found at the paths now is the truth: it becomes version 0, or one more of that kind where somebody has
# changed them since. Every step leaves the content of every path as it was.
ADOPT: Final = r"""
adopt() {
  known "$@" && return
  old=0
  [ ! -e 0 ] || old=0-$(date +%s)-$$
  rm -rf ./*.part
  mkdir -m 711 "$old.part"
  keep "$@"
  durable .
  mv -T "$old.part" "$old"
  point proven "$old"
  point live "$old"
  lead "$@"
}
"""

_LOOKS: Final = r"""
is_ours() { [ "$(readlink "$1")" = "$folder/live$1" ]; }
in_use() { readlink live; }
"""
_ADOPTS: Final = r"""
known() {
  left=$1
  shift
  while [ "$left" -gt 0 ]; do
    is_ours "$1" "$2" || return 1
    shift 2
    left=$((left - 1))
  done
}
keep() {
  left=$1
  shift
  while [ "$left" -gt 0 ]; do
    mirror "$old.part" "$1"
    [ ! -e "$1" ] || cp -p "$1" "$old.part$1"
    shift 2
    left=$((left - 1))
  done
}
lead() {
  left=$1
  shift
  while [ "$left" -gt 0 ]; do
    [ ! -e "$1" ] || cmp -s "$1" "$old$1" || fail 75 "$1 was changed by somebody else at this moment"
    [ -d "${1%/*}" ] || mkdir -p -m 755 "${1%/*}"
    rm -f "$1.sslaudit"
    ln -s "$folder/live$1" "$1.sslaudit"
    mv -fT "$1.sslaudit" "$1"
    shift 2
    left=$((left - 1))
  done
}
"""
_ACTIVATES: Final = r"""
bring() {
  point live "$1" 2>/dev/null && return
  said="the link cannot be changed"
  return 1
}
recall() { mv -fT way-back live; }
untouched() { return 1; }
"""

LINKS: Final = Way(_LOOKS, _ADOPTS, _ACTIVATES)
"""The paths become links through `live`, a link to the version in use: one rename switches all of them."""
