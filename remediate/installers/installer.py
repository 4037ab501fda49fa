"""What every installer offers, and the shell that most of them are made of: finding a daemon's first process.

It knows `/proc` and signals; it refuses to know certificates and files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from remediate.action import Command


class Installer(Protocol):
    """How one service is brought to use the certificate that its files hold. It yields commands and runs none."""

    @property
    def name(self) -> str:
        """What the service is called."""

    def test(self, host: str) -> Command:
        """Return the command that fails, and says why, where the service would not start with its files as they are."""

    def take_up(self, host: str) -> Command:
        """Return the command that makes the service use its files as they are; it fails where the service then ends.

        Where the service has to be restarted it prints `gap` and the seconds in which nobody answered.
        """

    def revive(self, host: str) -> Command:
        """Return the command that starts the service again where taking up has ended it."""


# `@PROCESSES@` is what /proc/PID/comm says. A process in a network or a root of its own is a container's, not ours; one
# that listens nowhere is a session, a delivery or a worker.
_DAEMON: Final = r"""
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
name="@NAME@" processes=" @PROCESSES@ "
ours() {
  [ "$(readlink "$1/ns/net")" = "$(readlink /proc/self/ns/net)" ] && [ "$1/root" -ef /proc/self/root ]
}
listens() {
  for s in $(ls -l "$1/fd" | sed -n "s/.*socket:\[\([0-9]*\)\].*/\1/p"); do
    grep -q "^ *[0-9]*: [0-9A-F:]* [0-9A-F:]* 0A .* $s " /proc/net/tcp /proc/net/tcp6 && return 0
  done
  return 1
}
firsts() {
  for p in /proc/[0-9]*; do
    read -r comm <"$p/comm" || continue
    case $processes in *" $comm "*) ;; *) continue ;; esac
    stat=$(cat "$p/stat") || continue
    set -- ${stat##*)}
    [ "$1" != Z ] || continue
    parent=
    read -r parent <"/proc/$2/comm"
    [ "$parent" = "$comm" ] && ours "/proc/$2" && continue
    ours "$p" && listens "$p" && echo "${p#/proc/}"
  done 2>/dev/null
}
look() {
  bin=$(readlink "/proc/$1/exe")
  [ -x "$bin" ] || { read -r comm <"/proc/$1/comm"; bin=$(command -v "$comm"); }
  words=$(tr "\000 " "\n\n" <"/proc/$1/cmdline")
}
option() { printf "%s\n" "$words" | sed -n "/^$1\$/{n;p;};s/^$1\(.\)/\1/p" | head -n 1; }
pause() { sleep "$1" 2>/dev/null || sleep 1; }
signal() {
  for pid in $(firsts); do kill -"$1" "$pid" || exit 1; done
  pause 0.5
  stays
}
alive() {
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- ${stat##*)}
  [ "$1" != Z ]
}
stays() {
  for pid in $first; do alive "$pid" || { echo "$name (process $pid) has ended"; exit 1; }; done
}
unit_of() { sed -n "s|.*/\([^/]*\.service\)\$|\1|p" "/proc/$1/cgroup" | head -n 1; }
now() { read -r up rest </proc/uptime; echo "$up"; }
start() {
  if [ -d /run/systemd/system ] && [ -n "$unit" ]; then systemctl start "$unit"
  elif [ -n "$line" ] && [ -s "$line" ]; then xargs -0 setsid <"$line" &
  elif [ -x "/etc/init.d/$name" ]; then "/etc/init.d/$name" start
  else echo "nobody knows how $name is started here"; return 1
  fi
}
restart() {
  for pid in $first; do
    unit=$(unit_of "$pid") line=
    began=$(now)
    if [ -d /run/systemd/system ] && [ -n "$unit" ]; then systemctl restart "$unit" || exit 1
    else
      line=$(mktemp)
      read -r comm <"/proc/$pid/comm"
      case $(tr "\000" " " <"/proc/$pid/cmdline") in *"("*) ;; *) cat "/proc/$pid/cmdline" >"$line" ;; esac
      kill "$pid"
      for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do alive "$pid" && pause 0.1; done
      [ -n "$(firsts)" ] || start
    fi
    for attempt in 1 2 3 4 5 6 7 8 9 10; do [ -n "$(firsts)" ] || pause 0.1; done
    rm -f ${line:+"$line"}
    echo "gap $(echo "$began $(now)" | awk "{ printf \"%.2f\", \$2 - \$1 }")"
  done
  [ -z "$first" ] || [ -n "$(firsts)" ] || { echo "$name does not come back"; exit 1; }
}
first=$(firsts)
"""
# One that ended meanwhile has taken up nothing, whoever was told: it has to be started.
_RUNS: Final = r"""
[ -n "$first" ] || { echo "$name does not run"; exit 1; }
"""
# Whether it listens is what counts: some start scripts report a daemon that puts itself into the background as failed.
_REVIVE: Final = r"""
[ -z "$first" ] || exit 0
unit='' line='' known=$name
for each in $known $processes; do
  [ -d /run/systemd/system ] && systemctl start "$each" 2>/dev/null && exit 0
  [ -x "/etc/init.d/$each" ] && name=$each
done
start
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  [ -z "$(firsts)" ] || exit 0
  pause 0.2
done
exit 1
"""


@dataclass(frozen=True, slots=True)
class Daemon:
    """An installer for a daemon that is found by its processes.

    `tests` and `takes_up` are shell: in `$first` are its first processes, `look PID` gives `$bin` and `$words`.
    """

    name: str
    processes: tuple[str, ...]  # what /proc/PID/comm says, at most 15 characters of it
    tests: str
    takes_up: str

    def test(self, host: str) -> Command:
        """Return the daemon's own test, for each of its instances."""
        return Command(host, f"test the configuration of {self.name}", self._script(self.tests), changes=False)

    def take_up(self, host: str) -> Command:
        """Return what makes each of its instances read its files again."""
        return Command(host, f"let {self.name} take up its files", self._script(_RUNS + self.takes_up))

    def revive(self, host: str) -> Command:
        """Return its start as the machine starts it."""
        return Command(host, f"start {self.name} where it has ended", self._script(_REVIVE))

    def _script(self, body: str) -> str:
        filled = _DAEMON.replace("@NAME@", self.name).replace("@PROCESSES@", " ".join(self.processes))
        return filled + body
