"""The script of the first command on a host: the host itself, its panel, and the services that run there.

It needs POSIX shell, `/proc` and a few programs; each service reads its own sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from audit.host.script import Script, filled, section_names
from audit.probe.upkeep import UPKEEP
from audit.services.layout import Layout
from audit.services.service import Section, Service

MAX_PROCESSES: Final = 16  # instances of services that are asked for their configuration

ABOUT_HOST: Final = r"""
names() { hostname -f 2>/dev/null || hostname 2>/dev/null || uname -n; }
addresses() { ip -o addr show 2>/dev/null || hostname -I 2>/dev/null || ifconfig -a; }
owners() {
  ls -l /proc/[0-9]*/fd 2>/dev/null |
    sed -n "s/^\/proc\/\([0-9]*\)\/fd:/pid \1/p;s/.*socket:\[\([0-9]*\)\].*/\1/p"
}
installed() { cat /root/.acme.sh/*/*.conf "$HOME"/.acme.sh/*/*.conf 2>/dev/null | sed -n "s/^Le_Real[A-Za-z]*=//p"; }
section clock date +%s.%N
section uid id -un
section fqdn names
section addresses addresses
section boot_id cat /proc/sys/kernel/random/boot_id
section network readlink /proc/self/ns/net
section byte_order eval "printf '\001\000' | od -An -tu2"
section booted sed -n "s/^btime //p" /proc/stat
section ticks getconf CLK_TCK
section acme_sh installed
section sockets sed -n "/: [0-9A-F:]* [0-9A-F:]* 0A /p" /proc/net/tcp /proc/net/tcp6
section owners owners
"""

ABOUT_LAYOUT: Final = r"""
layout_@NAME@() {@BODY@}
if [ -e @MARK@ ]; then
  section @NAME@ cat @MARK@
  prefix=@NAME@.; { layout_@NAME@; } 2>/dev/null; prefix=
fi
"""
"""A panel's own sections, where the panel is; that of its name holds its version."""

READERS: Final = r"""
option() { printf "%s\n" "$words" | sed -n "/^$1\$/{n;p;};s/^$1\(.\)/\1/p" | head -n 1; }
follow() {
  base=$1 pick=$2 queue=$3 n=0 seen=" " IFS="
"
  while [ -n "$queue" ] && [ $n -lt 2000 ]; do
    now=$queue queue=
    for f in $({ cd "$base" || cd /; } 2>/dev/null; printf "%s\n" $now); do
      case $f in /*) ;; *) f=$base/$f ;; esac
      case $seen in *" $f "*) continue ;; esac
      seen="$seen$f " n=$((n + 1))
      if [ -d "$f" ] && [ -x "$f" ]; then queue="$queue$IFS$f/*"
      elif [ -r "$f" ] && [ ! -d "$f" ]; then
        printf "# configuration file %s:\n" "$f"; cat "$f"; echo
        queue="$queue$IFS$(sed -n "$pick" "$f")"
      elif [ -e "$f" ]; then printf "# cannot read %s\n" "$f"
      else f=${f%/*}; [ -d "$f" ] && [ ! -x "$f" ] && printf "# cannot read %s\n" "$f"
      fi
    done
  done
}
"""
"""What the services' own scripts are written with: an option of the process, and a file with all that it includes."""

# A service that does not run is looked at where the machine is to start it: one that is switched off is no fault.
ABOUT_SERVICES: Final = r"""
elsewhere() {
  a=$(readlink "$1/ns/net") && [ "$a" != "$(readlink /proc/self/ns/net)" ] && return 0
  readlink "$1/root" >/dev/null && ! [ "$1/root" -ef /proc/self/root ]
}
process() {
  p=/proc/$1
  stat=$(cat "$p/stat") || return
  pid=$1; set -- ${stat##*)}; start=${20} parent=
  read -r parent <"/proc/$2/comm"
  { [ "$parent" = "$comm" ] && ! elsewhere "/proc/$2"; } || elsewhere "$p" && return
  bin=$(readlink "$p/exe"); [ -x "$bin" ] || bin=$(command -v "$comm")
  words=$(tr "\000 " "\n\n" <"$p/cmdline")
  found="$found $s " count=$((count + 1))
  instance
}
instance() {
  prefix="$s#$pid."
  section since echo "$start"
  section words printf "%s\n" "$words"
  "service_$s"
  prefix= only=p
}
enabled() {
  for unit in "$@"; do
    for f in /etc/systemd/system/*.wants/"$unit".service /etc/rc[2345].d/S[0-9][0-9]"$unit" /etc/runlevels/*/"$unit"; do
      [ -L "$f" ] && return 0
    done
  done
  return 1
}
found= count=0
{
for p in /proc/[0-9]*; do
  read -r comm <"$p/comm" || continue
  case $comm in
@CASES@  *) continue ;;
  esac
  [ $count -lt @PROCESSES@ ] && process "${p#/proc/}"
done
for s in @SERVICES@; do
  case $found in *" $s "*) continue ;; esac
  pid=0 words= start= bin= comm=
  enabled "$s" $("programs_$s") || continue
  for comm in $("programs_$s"); do bin=$(command -v "$comm") && break; done
  instance
done
} 2>/dev/null
section clock.end date +%s.%N
"""


def whole_script(services: Sequence[Service], layouts: Sequence[Layout]) -> Script:
    """Return the script that reports a host, each service in the table and the panel that is installed."""
    functions = "".join(
        f"service_{_identifier(service)}() {{{service.script}}}\n"
        f"programs_{_identifier(service)}() {{ echo {' '.join(service.processes)}; }}\n"
        for service in services
    )
    cases = "".join(f"  {' | '.join(service.processes)}) s={_identifier(service)} ;;\n" for service in services)
    names = " ".join(_identifier(service) for service in services)
    about = filled(ABOUT_SERVICES, CASES=cases, SERVICES=names, PROCESSES=MAX_PROCESSES)
    panels = "".join(filled(ABOUT_LAYOUT, NAME=one.name, MARK=one.mark, BODY=one.script) for one in layouts)
    body = ABOUT_HOST + panels + UPKEEP + READERS + functions + about
    return Script(body, (*section_names(ABOUT_HOST + UPKEEP + about), *_of_services(services), *_of_layouts(layouts)))


def _of_services(services: Sequence[Service]) -> Iterator[str]:
    """Yield what the sections of services are called: those of a service's own script, and those of every instance."""
    for service in services:
        yield from section_names(ABOUT_SERVICES + service.script, rf"{_identifier(service)}#[0-9]{{1,10}}\.")


def _of_layouts(layouts: Sequence[Layout]) -> Iterator[str]:
    for layout in layouts:
        yield re.escape(layout.name)
        yield from section_names(layout.script, re.escape(f"{layout.name}."))


def _identifier(service: Service) -> str:
    return re.sub(r"\W", "_", service.name)


def layout_in(sections: Mapping[str, Section], layouts: Sequence[Layout]) -> Layout | None:
    """Return the panel that a host says it has; None where it has none, or the login may not read its version."""
    return next((one for one in layouts if _told(sections.get(one.name))), None)


def _told(version: Section | None) -> bool:
    return version is not None and version.rc == 0 and bool(version.text.strip())


def sections_of(sections: Mapping[str, Section], layout: Layout) -> dict[str, Section]:
    """Return the sections of a panel's own script by their names in it."""
    mine = f"{layout.name}."
    return {name.removeprefix(mine): section for name, section in sections.items() if name.startswith(mine)}


def instances(sections: Mapping[str, Section]) -> dict[tuple[str, int], dict[str, Section]]:
    """Return the sections of each instance of a service, by the service's identifier and the process (0: at rest)."""
    found: dict[tuple[str, int], dict[str, Section]] = {}
    for name, section in sections.items():
        match = re.fullmatch(r"(\w+)#([0-9]{1,10})\.(.+)", name)
        if match:
            found.setdefault((match[1], int(match[2])), {})[match[3]] = section
    return found
