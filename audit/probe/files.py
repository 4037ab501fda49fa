"""The certificate, chain and key files of a host, looked at by one command for all of them.

It knows owners, modes, certificates and the digest of a key's SPKI, which the host itself works out; the bytes of a key
are never asked for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from audit.observation import FileFault, InstalledFile
from audit.services.service import NamedFile, Section

PER_COMMAND: Final = 300  # files; eight processes each, and a command line holds 128 KiB (MAX_ARG_STRLEN)

LOOK: Final = r"""
above() {
  set -- "${1%/*}"
  while [ -n "$1" ]; do folders="$folders
$1"; set -- "${1%/*}"; done
  IFS="
"; stat -L -c "folder %a %u %g %n" $folders /; unset IFS folders
}
nearest() {
  d=$1
  while [ ! -e "$d" ] && [ "$d" != / ]; do d=${d%/*}; d=${d:-/}; done
  [ -x "$d" ] || echo "closed $d"
}
digest() { openssl dgst -sha256 | sed "s/.*= *//"; }
key() {
  grep -q "PRIVATE KEY-----" "$f" || { echo "key none"; return; }
  command -v openssl >/dev/null || { echo "key no-openssl"; return; }
  if openssl pkey -in "$f" -passin pass: -pubout -outform DER >/dev/null 2>&1; then
    echo "key $(openssl pkey -in "$f" -passin pass: -pubout -outform DER 2>/dev/null | digest)"
  elif grep -q "ENCRYPTED" "$f"; then echo "key encrypted"
  else echo "key unparseable"
  fi
}
look() {
  f=$2
  r=$(readlink -f "$f") || r=$f
  echo "real $r"
  if [ ! -e "$f" ]; then nearest "$f"; [ -L "$f" ] && echo "dangling $(readlink "$f")"; echo missing; return; fi
  stat -L -c "stat %a %U %G %F" "$f"
  above "$r"
  [ -d "$f" ] && { echo directory; return; }
  [ -r "$f" ] || { echo denied; return; }
  [ -s "$f" ] || { echo empty; return; }
  case $1 in *k*) key ;; esac
  case $1 in *c*)
    sed "/PRIVATE KEY-----/,/-----END.*PRIVATE/d" "$f" |
      sed -n "/^-----BEGIN \(X509 \)\{0,1\}CERTIFICATE-----/,/^-----END/p" | head -c 200000 ;;
  esac
}
"""
"""`closed` names a folder that may not be searched: then missing is not known to be true."""

_BLOCK = re.compile(r"-----BEGIN (?:X509 )?CERTIFICATE-----(?P<body>.*?)-----END", re.DOTALL)
_FAULTS: Final[tuple[FileFault, ...]] = ("directory", "denied", "empty")


def look_at(named: Iterable[NamedFile]) -> Iterator[str]:
    """Yield the lines of script that look at the files: one for each path, whatever it is used for."""
    for path, wanted in _uses(named).items():
        yield f"section {section_of(path)} look {wanted} {shlex.quote(path)}\n"


def section_of(path: str) -> str:
    """Return the name of the section about a path: one word, whatever is in the path."""
    return f"file.{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


def _uses(named: Iterable[NamedFile]) -> dict[str, str]:
    uses: dict[str, str] = {}
    for one in named:
        letter = "k" if one.kind == "key" else "c"
        uses[one.path] = "".join(sorted({*uses.get(one.path, ""), letter}))
    return uses


def read_file(one: NamedFile, sections: Mapping[str, Section]) -> InstalledFile:
    """Return what is known of a file for its use; a file nobody answered for is denied, with that reason."""
    section = sections.get(section_of(one.path))
    if section is None:
        return InstalledFile(one.path, one.kind, fault="denied", detail="the host did not answer for it")
    lines = section.text.split("\n")
    words = {line.partition(" ")[0]: line.partition(" ")[2] for line in lines if not line.startswith("folder ")}
    mode, owner, group, _ = [*words.get("stat", "").split(" ", 3), "", "", "", ""][:4]
    mode = mode if re.fullmatch(r"[0-7]{1,5}", mode) else ""
    fault, detail = _fault(one, words)
    chain, bad = _certificates(section.text) if one.kind != "key" else ((), False)
    if fault is None and one.kind != "key" and (bad or not chain):
        fault, detail = "unparseable", "a certificate in it is broken off" if bad else "there is no certificate in it"
    return InstalledFile(
        one.path, one.kind, words.get("real") or None, owner or None, group or None, int(mode, 8) if mode else None,
        chain, _digest(one, words), fault, detail, _open_folder(lines),
    )  # fmt: skip


def _digest(one: NamedFile, words: Mapping[str, str]) -> str | None:
    digest = words.get("key", "")
    return digest if one.kind == "key" and re.fullmatch(r"[0-9a-f]{64}", digest) else None


def _fault(one: NamedFile, words: Mapping[str, str]) -> tuple[FileFault | None, str]:
    if "closed" in words:
        return "denied", f"the login may not search {words['closed']}"
    if "missing" in words:
        return "missing", f"it is a link to {words['dangling']}" if "dangling" in words else ""
    for fault in _FAULTS:
        if fault in words:
            return fault, "the login may not read it" if fault == "denied" else ""
    if one.kind != "key":
        return None, ""
    return {
        "encrypted": ("encrypted", "the key is encrypted: its passphrase is not asked for"),
        "none": ("unparseable", "there is no private key in it"),
        "unparseable": ("unparseable", "openssl cannot read the key in it"),
        "no-openssl": (None, "there is no openssl on the host to take the key's digest"),
    }.get(words.get("key", ""), (None, ""))  # type: ignore[return-value]  # literals in a table are plain str


def _certificates(text: str) -> tuple[tuple[bytes, ...], bool]:
    """Return the certificates in the order of the file, and whether one of the blocks is not base64 or has no end."""
    found: list[bytes] = []
    bad = text.count("-----BEGIN") > len(_BLOCK.findall(text))
    for match in _BLOCK.finditer(text):
        try:
            found.append(base64.b64decode("".join(match["body"].split()), validate=True))
        except binascii.Error:
            bad = True
    return tuple(der for der in found if der), bad or not all(found)


def _open_folder(lines: Iterable[str]) -> str | None:
    """Return the nearest folder above a file where others than its owner may replace what is in it.

    A sticky folder is closed: in it everyone may only replace what is their own. A group is others unless it is root's.
    """
    for line in lines:
        match = re.fullmatch(r"folder (?P<mode>[0-7]+) \d+ (?P<group>\d+) (?P<path>.+)", line)
        if not match:
            continue
        mode = int(match["mode"], 8)
        by_group = mode & 0o020 and match["group"] != "0"
        if (mode & 0o002 or by_group) and not mode & 0o1000:
            return match["path"]
    return None


def missing_rights(files: Iterable[InstalledFile]) -> tuple[str, ...]:
    """Return a clause for each file that could not be read for want of a right."""
    return tuple(
        dict.fromkeys(
            f"{file.path}: {file.detail}" for file in files if file.fault == "denied" or "no openssl" in file.detail
        )
    )
