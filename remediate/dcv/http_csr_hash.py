"""Validation by a file whose name and content derive from the request: what is in it, and how it comes and goes.

It knows the form that Sectigo and the Store ask for (Baseline Requirements 3.2.2.4.18). Others may own the folders it
writes to: it writes to no place but the one it has looked at, and to none where more than the owner can write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from remediate.action import Command
from remediate.dcv.fetch import Wanted, fetch
from remediate.dcv.validator import Challenge, Look, Vantage

FOLDER: Final = "/.well-known/pki-validation"

# Whoever owns a folder may change what is in it while we are there. The folder we have gone into stays the one we have
# looked at, and all that is done there is done by names without a slash; a link is replaced, never written through.
_WALK: Final = r"""
docroot=$1 file=$2 content=$3 below=$4
made=$root/$case/validation-made
cd -P "$docroot" 2>/dev/null || fail 66 "the docroot $docroot cannot be gone into"
top=$(pwd -P)
[ "$top" != / ] || fail 77 "$docroot is no docroot"
master=$(stat -c %u .)
guard() {
  set -- $(stat -c "%a %u %g" .)
  case $1 in *[2367]) fail 77 "others can write to $(pwd -P) (mode $1)" ;; esac
  case $1 in *[2367]?) [ "$3" = 0 ] || fail 77 "a group can write to $(pwd -P) (mode $1)" ;; esac
  case $2 in 0 | "$master" | "$(id -u)") return ;; esac
  fail 77 "$(pwd -P) belongs to neither root nor the docroot's owner"
}
enter() {
  cd -P "$1" || fail 66 "cannot go into $(pwd -P)/$1"
  case $(pwd -P) in "$top"/*) ;; *) fail 77 "$docroot/$1 leads out of the docroot, to $(pwd -P)" ;; esac
  guard
}
"""
_PUT: Final = r"""
umask 022
guard
for name in $below; do
  [ -d "$name" ] || { echo "$(pwd -P)/$name" >>"$made"; mkdir "$name"; }
  enter "$name"
done
rm -f ".$file."*
set -C
printf "%s\n" "$content" >".$file.$$"
set +C
mv -fT ".$file.$$" "$file"
"""
_CLEAR: Final = r"""
leave() {
  [ $# -gt 0 ] || { rm -f "$file" ".$file."*; return; }
  [ -d "$1" ] || return 0
  (
    enter "$1"
    shift
    leave "$@"
  ) || exit $?
  ! grep -qxF "$(pwd -P)/$1" "$made" 2>/dev/null || rmdir "$1" 2>/dev/null || :
}
leave $below
[ -f "$made" ] || exit 0
while IFS= read -r folder; do
  [ ! -d "$folder" ] || printf "%s\n" "$folder"  # of another name, or others have put something there
done <"$made" >"$made.new"
mv -fT "$made.new" "$made"
[ -s "$made" ] || rm -f "$made"
"""


@dataclass(frozen=True, slots=True)
class HttpCsrHash:
    """The validator. It follows no redirect, as the Store's CA does not."""

    def put(self, challenge: Challenge) -> Command:
        """Return the command that writes the file, whole or not at all."""
        url = f"http://{challenge.name}{path_of(challenge)}"
        return challenge.premises.locked(f"put the file for {url}", _WALK + _PUT, *_given(challenge))

    def clear(self, challenge: Challenge) -> Command:
        """Return the command that removes the file, and the folders that were made for it where they are empty."""
        url = f"http://{challenge.name}{path_of(challenge)}"
        return challenge.premises.locked(f"remove the file for {url}", _WALK + _CLEAR, *_given(challenge))

    def place(self, challenge: Challenge) -> str:
        """Return the path of the file on the host."""
        folder = "/".join(part for part in (challenge.docroot.rstrip("/"), challenge.below.strip("/")) if part)
        return f"{folder}/{path_of(challenge).rpartition('/')[2]}"

    def self_test(self, challenge: Challenge, addresses: Sequence[str], vantage: Vantage) -> tuple[Look, ...]:
        """Fetch the file from every address over HTTP, as the CA will."""
        wanted = Wanted(challenge.name, path_of(challenge), body_of(challenge))
        return tuple(fetch(wanted, address, vantage) for address in addresses if not vantage.stop())


def path_of(challenge: Challenge) -> str:
    """Return the path of the file below the docroot, as it stands in the URL."""
    return f"{FOLDER}/{_digest('md5', challenge).upper()}.txt"


def body_of(challenge: Challenge) -> str:
    """Return the lines of the file, without the end of the last."""
    return f"{_digest('sha256', challenge)}\nsectigo.com\n{challenge.unique_value}"


def _given(challenge: Challenge) -> tuple[str, str, str, str]:
    """Return what the scripts are given; the folders below the docroot a word each, all of them known here."""
    below = challenge.below.split("/")
    if not set(below) <= {"", *FOLDER.split("/")}:
        raise ValueError(f"{challenge.below!r} is no part of {FOLDER}")
    return challenge.docroot, path_of(challenge).rpartition("/")[2], body_of(challenge), " ".join(below)


def _digest(algorithm: str, challenge: Challenge) -> str:
    der = x509.load_pem_x509_csr(challenge.csr.pem.encode("ascii")).public_bytes(Encoding.DER)
    return hashlib.new(algorithm, der, usedforsecurity=False).hexdigest()
