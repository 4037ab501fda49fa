"""cPanel & WHM: certificates of its services are installed by its own API, and its own scripts restart them.

It knows the panel's folders, scripts and names of services; it refuses to know how its API is spoken. The panel's files
stay what they are, regular files of the panel's: none of them is ever written here, and none becomes a link of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audit.observation import FileKind, InstalledFile
from remediate.action import Command
from remediate.installers import dovecot, exim, proftpd, pureftpd
from remediate.installers.installer import Installer
from remediate.installers.way import Way
from remediate.installers.whm import GIVING, asking

_FOLDER: Final = "/var/cpanel/ssl"
_FILE: Final = re.compile(r"(?P<folder>/var/cpanel/ssl/(?:cpanel|dovecot|exim|ftp)/)(?P<my>my)?(?P<name>[^/]+)")

# Which version is in use is what the paths hold, by leaf and public key, since the panel may have changed its files
# itself. What it installs begins with `my` in some places, and the file without is then not used.
_LOOKS: Final = r"""
at() { if [ -e "${1%/*}/my${1##*/}" ]; then echo "${1%/*}/my${1##*/}"; else echo "$1"; fi; }
print_of() { openssl x509 -in "$1" -noout -fingerprint -sha256 2>/dev/null || echo none; }
public_of() { openssl pkey -in "$1" -passin pass: -pubout 2>/dev/null || echo none; }
is_of() {
  ! cmp -s "$1$2" "$(at "$2")" || return 0
  case $3 in *l*) [ "$(print_of "$1$2")" = "$(print_of "$(at "$2")")" ] || return 1 ;; esac
  case $3 in *k*) [ "$(public_of "$1$2")" = "$(public_of "$(at "$2")")" ] || return 1 ;; esac
}
holds() {
  held=$1 left=$2
  shift 2
  while [ "$left" -gt 0 ]; do
    is_of "$held" "$1" "$2" || return 1
    shift 2
    left=$((left - 1))
  done
}
is_ours() { is_of live "$1" "$2"; }
in_use() {
  for link in live proven before; do
    [ -L "$link" ] && holds "$(readlink "$link")" "$@" && readlink "$link" && return
  done
  return 0
}
"""
# A switch that was ended in the middle may have left certificate and key of two versions: that is nobody's truth, and
# what was proven last stays the way back.
_ADOPTS: Final = r"""
fits() {
  left=$1 expected=
  shift
  while [ "$left" -gt 0 ]; do
    case $2 in *l*) same "$1" "$(openssl x509 -in "$(at "$1")" -noout -pubkey 2>/dev/null)" || return 1 ;; esac
    case $2 in *k*) same "$1" "$(public_of "$(at "$1")")" || return 1 ;; esac
    shift 2
    left=$((left - 1))
  done
}
known() {
  [ -L live ] && [ -L proven ] || return 1
  holds "$(readlink live)" "$@" && return
  [ "$(readlink live)" != "$(readlink proven)" ] || return 1
  holds "$(readlink proven)" "$@" || ! fits "$@" >/dev/null
}
keep() {
  left=$1
  while [ "$left" -gt 0 ]; do
    shift
    mirror "$old.part" "$1"
    now=$(at "$1")
    [ ! -e "$now" ] || cp -p "$now" "$old.part$1"
    case $2 in *c*) bundle_of "$1" >>"$old.part$1" ;; esac
    [ -s "$old.part$1" ] || rm -f "$old.part$1"
    shift
    left=$((left - 1))
  done
}
bundle_of() {
  whole=$old.part$1 service=${1%/*}
  [ "$(grep -c "^-----BEGIN CERTIFICATE-----" "$whole" 2>/dev/null)" = 1 ] && [ -n "$whm" ] || return 0
  set -- $(openssl x509 -in "$whole" -noout -subject_hash -issuer_hash 2>/dev/null)
  [ "${1:-}" != "${2:-}" ] || return 0
  ask "bundle ${service##*/}" fetch_service_ssl_components </dev/null | sed -n "/^-----BEGIN CERT/,/^-----END CERT/p"
}
lead() { :; }
"""
_ACTIVATES: Final = r"""
bring() {
  point live "$1" 2>/dev/null && put "$@" && return
  [ "$(readlink live)" = "$1" ] || said="the link cannot be changed"
  return 1
}
recall() {
  for attempt in 1 2; do
    put "$(readlink way-back)" "$@" && mv -fT way-back live && return
    sleep 1
  done
  return 1
}
untouched() {
  if [ -L way-back ]; then holds "$(readlink way-back)" "$@"; else holds "$name" "$@"; fi
}
"""
_NEEDS: Final = r"""
panels() {
  for path in "$@"; do
    case $path in "$panel"/var/cpanel/ssl/*/*) path=${path%/*}; echo "${path##*/}" ;; esac
  done | sort -u
}
if ! has_whm; then lacks "$said"
elif [ ! -O "$whm" ]; then lacks "WHM API 1 is root's alone, and $(id -un) is not root"
else
  knows=$(ask services fetch_service_ssl_components </dev/null)
  if answered "$knows"; then
    for service in $(panels "$@"); do
      printf "%s\n" "$knows" | grep -qx "$service" || lacks "WHM knows no service $service"
    done
  else lacks "$said"
  fi
fi
"""
# How long nobody answered cannot be told from here: at most as long as the restart took.
_RESTART: Final = r"""
now() { read -r up rest </proc/uptime; echo "$up"; }
began=$(now)
for script in @SCRIPTS@; do
  [ -x "$script" ] || { [ "$script" != "@FIRST@" ] && continue; echo "there is no $script on the host"; exit 1; }
  heard=$(mktemp)
  "$script" </dev/null >"$heard" 2>&1 && status=0 || status=$?
  last=$(grep . "$heard" | tail -n 1)
  rm -f "$heard"
  [ "$status" = 0 ] || { echo "$script: ${last:-it said nothing}"; exit 1; }
done
echo "gap $(echo "$began $(now)" | awk "{ printf \"%.2f\", \$2 - \$1 }")"
"""


@dataclass(frozen=True, slots=True)
class Restarted:
    """An installer for a service that the panel's own scripts restart; its test is the daemon's own, if it has one."""

    name: str
    scripts: tuple[str, ...]  # the first has to be there
    daemon: Installer | None = None

    def test(self, host: str) -> Command:
        """Return the daemon's own test."""
        nothing = Command(host, f"test the configuration of {self.name}", ":", changes=False)
        return self.daemon.test(host) if self.daemon else nothing

    def take_up(self, host: str) -> Command:
        """Return the restart."""
        return Command(host, f"let the panel restart {self.name}", self._script)

    def revive(self, host: str) -> Command:
        """Return the restart: it starts what has ended too."""
        return Command(host, f"let the panel start {self.name}", self._script)

    @property
    def _script(self) -> str:
        return _RESTART.replace("@SCRIPTS@", " ".join(self.scripts)).replace("@FIRST@", self.scripts[0])


_SERVICES: Final[Mapping[str, tuple[tuple[str, ...], Installer | None]]] = {
    "cpanel": (("cpsrvd", "cpdavd"), None),
    "dovecot": (("dovecot",), dovecot.INSTALLER),
    "exim": (("exim",), exim.INSTALLER),
    "pure-ftpd": (("ftpserver",), pureftpd.INSTALLER),
    "proftpd": (("ftpserver",), proftpd.INSTALLER),
}
"""Which scripts restart a service, and whose test it has."""

_USUAL: Final[Mapping[str, tuple[str, str]]] = {
    "cpanel": ("cpanel/cpanel.pem", "cpanel/cpanel.pem"),
    "dovecot": ("dovecot/dovecot.crt", "dovecot/dovecot.key"),
    "exim": ("exim/exim.crt", "exim/exim.key"),
    "pure-ftpd": ("ftp/pure-ftpd.pem", "ftp/pure-ftpd.pem"),
    "proftpd": ("ftp/ftpd-rsa.pem", "ftp/ftpd-rsa-key.pem"),
}
"""Certificate and key of a service, in the panel's folder."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A cPanel & WHM server. `root` stands before all of its paths, `answers_s` is how long its API may take."""

    root: str = ""
    answers_s: int = 60

    def owns(self, path: str) -> bool:
        """Tell whether a real path is that of a certificate of the panel's services; its accounts' are others."""
        return path.startswith(self.root) and _FILE.fullmatch(path.removeprefix(self.root)) is not None

    def origin(self, path: str) -> str:
        """Return by which path a file of a service is known, whether the panel has installed it or made it itself."""
        match = _FILE.fullmatch(path.removeprefix(self.root)) if self.owns(path) else None
        return f"{self.root}{match['folder']}{match['name']}" if match else path

    def installer(self, service: str) -> Installer | None:
        """Return what brings a service of the panel's to use its files; None where it is none."""
        if service not in _SERVICES:
            return None
        scripts, daemon = _SERVICES[service]
        return Restarted(service, tuple(f"{self.root}/scripts/restartsrv_{script}" for script in scripts), daemon)

    def usual(self, service: str) -> tuple[InstalledFile, ...]:
        """Return which files a service has once the panel has installed a certificate for it; none for another's."""
        paths = _USUAL.get(service, ())
        kinds: tuple[FileKind, FileKind] = ("certificate", "key")
        return tuple(
            InstalledFile(f"{self.root}{_FOLDER}/{path}", kind) for path, kind in zip(paths, kinds, strict=False)
        )

    @property
    def way(self) -> Way:
        """How a version comes to be in use: the panel is told to install it."""
        ask = asking(self.root, self.answers_s)
        return Way(_LOOKS, ask + _ADOPTS, ask + GIVING + _ACTIVATES, ask + _NEEDS, " by WHM API 1")
