"""Where the files of a service lie so that all of them are switched together: a folder for each version of them.

For every case and set of files there is a folder: in it a folder for each version, which repeats the files' paths with
their folders' modes, and `live`, a link to the version in use. How that comes to be at the configured paths is the way
of the files. Which version was there first, and which was last proven, stands in links too. It refuses to know services
and processes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audit.observation import InstalledFile
from remediate.action import Command
from remediate.installers.way import LINKS, Way
from remediate.premises import Premises

_VERSION: Final = re.compile(r"[0-9a-z][0-9a-z-]*")


@dataclass(frozen=True, slots=True)
class Placement:
    """A file of a service: its real path, and of what it is made: `k` key, `l` leaf, `c` certificates of the CAs."""

    path: str
    parts: str


@dataclass(frozen=True, slots=True)
class Version:
    """What is to be installed: the certificate and the CAs' as PEM, and where on the host its key is."""

    leaf_pem: str
    chain_pem: str
    key_path: str


@dataclass(frozen=True, slots=True)
class Installation:
    """The files that are switched together."""

    premises: Premises
    placements: tuple[Placement, ...]
    way: Way = LINKS

    @property
    def folder(self) -> str:
        """The folder of these files: other files of the same case have another."""
        return f"{self.premises.folder}/{_digest(sorted((one.path, one.parts) for one in self.placements))[:12]}"

    def name_of(self, version: Version) -> str:
        """Return the name of a version's folder: the same content has the same."""
        return _digest([version.leaf_pem, version.chain_pem])[:16]

    @property
    def pairs(self) -> tuple[str, ...]:
        """Paths and parts in turn, as the scripts take them."""
        return tuple(word for one in self.placements for word in (one.path, one.parts))

    @property
    def counted(self) -> tuple[str, ...]:
        """How many paths there are, and the pairs: as the functions of a way take them."""
        return str(len(self.placements)), *self.pairs


def placements(files: Iterable[InstalledFile], root: str) -> tuple[Placement, ...]:
    """Return what has to be at the real path of each file, by what services use it for.

    A path may be used for several purposes, by one service or by several. Where no file is named for the chain it
    follows the leaf. Links are followed as they were found on the host, but for our own: what leads there now will be
    led elsewhere.
    """
    uses: dict[str, set[str]] = {}
    found = tuple(files)
    with_chain = {origin(file, root) for file in found if file.kind == "certificate"}
    apart = {origin(file, root) for file in found if file.kind == "chain"} - with_chain
    for file in found:
        letters = {"key": "k", "chain": "c", "certificate": "l" if apart else "lc"}[file.kind]
        uses.setdefault(origin(file, root), set()).update(letters)
    return tuple(Placement(path, "".join(sorted(uses[path], key="klc".index))) for path in sorted(uses))


def origin(file: InstalledFile, root: str) -> str:
    """Return the path that a file had before we made a link of it, its real path where we never did."""
    real = file.real_path or file.path
    match = re.fullmatch(rf"{re.escape(root)}/[^/]+/[^/]+/[^/]+(?P<path>/.+)", real)
    return match["path"] if match else real


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


# A daemon opens files as its configuration names them: what could be reached there can be reached below a version, and
# by nobody else. No folder there is writable by others than its owner. Who is not root cannot give anything away: what
# the folders of others stand for are its own then.
MIRROR: Final = r"""
like() {
  set -- "$2" $(stat -L -c "%u:%g %a" "$1")
  [ "$(stat -c %u:%g "$1")" = "$2" ] || give "$1" "$2"
  chmod "$3" "$1"
}
give() {
  [ "$(id -u)" != 0 ] || { chown "$2" "$1"; return; }
  chown "$2" "$1" 2>/dev/null || chgrp "${2#*:}" "$1" 2>/dev/null || :
}
mirror() {
  from='' to=$1 rest=${2#/}
  while :; do
    case $rest in */*) ;; *) break ;; esac
    from=$from/${rest%%/*} to=$to/${rest%%/*} rest=${rest#*/}
    [ -d "$to" ] && continue
    mkdir "$to"
    if [ -d "$from" ]; then like "$from" "$to"; chmod go-w "$to"; else chmod 755 "$to"; fi
  done
}
point() { rm -f "$1.new"; ln -s "$2" "$1.new"; mv -fT "$1.new" "$1"; }
"""

# $1: a version's folder, $2: how many paths; then paths and parts in turn. Several servers' own tests pass a key that
# is not the certificate's, and then the servers fail every handshake or end.
AGREE: Final = r"""
agree() {
  version=$1 left=$2 expected=
  shift 2
  while [ "$left" -gt 0 ]; do
    case $2 in *l*) same "$1" "$(openssl x509 -in "$version$1" -noout -pubkey 2>/dev/null)" || return 1 ;; esac
    case $2 in *k*) same "$1" "$(openssl pkey -in "$version$1" -passin pass: -pubout 2>/dev/null)" || return 1 ;; esac
    shift 2
    left=$((left - 1))
  done
}
same() {
  [ -n "$2" ] || { echo "no public key can be read from $1"; return 1; }
  [ "${expected:=$2}" = "$2" ] || { echo "the key does not belong to the certificate: $1"; return 1; }
}
"""

# Some servers take the parameters of a Diffie-Hellman exchange from the file of their key: they are nobody's secret,
# and stay where they are.
_STAGE: Final = r"""
folder=$root/$case/$1 name=$2 key=$3 leaf=$4 chain=$5
shift 5
[ -d "$folder" ] || mkdir -m 711 "$folder"
cd "$folder"
[ ! -d "$name" ] || { echo "staged $name"; exit 0; }
[ -r "$key" ] || fail 1 "the key $key is not there"
rm -rf ./*.part
mkdir -m 711 "$name.part"
pour() {
  case $1 in k*) sed -n "/^-----BEGIN .*PRIVATE KEY-----/,/^-----END/p" "$key" ;; esac
  case $1 in *l*) printf "%s" "$leaf" ;; esac
  case $1 in *c*) printf "%s" "$chain" ;; esac
  [ ! -e "$2" ] || sed -n "/^-----BEGIN DH PARAMETERS-----/,/^-----END/p" "$2"
}
put() {
  mirror "$name.part" "$1"
  pour "$2" "$1" >"$name.part$1"
  [ "$(cat "$name.part$1")" = "$(pour "$2" "$1")" ] || fail 1 "$PWD/$name.part$1 does not hold what was written to it"
  if [ -e "$1" ]; then like "$1" "$name.part$1"
  else case $2 in *k*) ;; *) chmod 644 "$name.part$1" ;; esac
  fi
}
each() { while [ $# -gt 0 ]; do put "$1" "$2"; shift 2; done; }
each "$@"
said=$(agree "$name.part" $(($# / 2)) "$@") || { rm -rf "$name.part"; fail 1 "$said"; }
durable .
mv -T "$name.part" "$name"
echo "staged $name"
"""


def stage(installation: Installation, version: Version) -> Command:
    """Return the command that lays a version ready beside the others; nothing leads to it yet.

    It fails, and leaves nothing, where a key is not the certificate's.
    """
    name = installation.name_of(version)
    own = installation.folder.rpartition("/")[2]
    why = f"lay certificate and key ready as version {name}"
    given = (own, name, version.key_path, version.leaf_pem, version.chain_pem, *installation.pairs)
    return installation.premises.locked(why, MIRROR + AGREE + _STAGE, *given)


_RELEASE: Final = r"""
folder=$root/$case/$1
shift
cd "$folder" || exit 0
while [ $# -gt 0 ]; do
  if [ "$(readlink "$1")" = "$folder/live$1" ]; then
    rm -f "$1.sslaudit"
    if [ -e "$1" ]; then cp -p "$1" "$1.sslaudit"; mv -fT "$1.sslaudit" "$1"; else rm "$1"; fi
  fi
  shift 2
done
"""


def release(installation: Installation) -> Command:
    """Return the command that puts files with the content in use in the place of our links."""
    own = installation.folder.rpartition("/")[2]
    return installation.premises.locked("put files in the place of the links", _RELEASE, own, *installation.pairs)


_DESTROY: Final = r"""
folder=$root/$case/$1 name=$2
shift 2
cd "$folder" || exit 0
[ "$(readlink live)" != "$name" ] || fail 65 "version $name is in use"
while [ $# -gt 0 ]; do
  case $2 in
    *k*) [ ! -e "$name$1" ] || shred -u "$name$1" 2>/dev/null || rm -f "$name$1" ;;
  esac
  shift 2
done
"""


def destroy_keys(installation: Installation, name: str) -> Command:
    """Return the command that destroys the keys of a version that is not in use: after it none can go back to it."""
    if not _VERSION.fullmatch(name):
        raise ValueError(f"{name!r} is no version")
    own = installation.folder.rpartition("/")[2]
    return installation.premises.locked(f"destroy the keys of version {name}", _DESTROY, own, name, *installation.pairs)
